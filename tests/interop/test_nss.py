"""NSS, the library of Thunderbird, by its `cmsutil`: both directions, and what it refuses.

It knows CMS and nothing of MIME. What NSS 3.87 cannot do (each shown below, with a message
of OpenSSL's as well as with ours, so that the limit is its own):

* decrypt for EC keys: "SEC_ERROR_BAD_DER"; encrypt to them: "SEC_ERROR_INVALID_ALGORITHM";
* decrypt with an RSA key where another recipient has an EC key: "SEC_ERROR_BAD_DER";
* read AuthEnvelopedData (GCM): "SEC_ERROR_UNRECOGNIZED_OID";
* read RSAES-OAEP: "SEC_ERROR_UNSUPPORTED_KEYALG";
* choose the cipher or PSS on the command line: it encrypts with what the recipient's
  certificate promises, here AES-128-CBC.
"""

from datetime import timedelta

import pytest

import smimekit
from smimekit import CertificateRecipient, Chain, Trust
from smimekit import algorithms as rows
from smimekit.message.layers import Encrypted, Integrity, Signed
from smimekit.testing import FakeCA
from tests.interop.messages import body_of, split_signed, tamper
from tests.interop.peers import Nss, OpenSsl, People, Refused, reads_or_says

ENTITY = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nOne line,\r\nand another.\r\n"
MAIL = b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Hi\r\n" + ENTITY
ALICE = "alice@example.org"


# --- signatures ----------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["p256", "p384", "p521", "rsa-2048"])
@pytest.mark.parametrize("opaque", [False, True], ids=["detached", "opaque"])
def test_nss_verifies(nss: Nss, people: People, key: str, opaque: bool) -> None:
    message = smimekit.sign(MAIL, people(f"alice {key}"), opaque=opaque, headers=None)
    if opaque:
        assert nss.decode(body_of(message)) == ENTITY
    else:
        entity, signature = split_signed(message)
        assert nss.decode(signature, content=entity) == ENTITY


@pytest.mark.parametrize(
    "scheme",
    [
        rows.RSA_PKCS1_SHA384,
        rows.RSA_PKCS1_SHA512,
        rows.RSA_PSS_SHA256,
        rows.RSA_PSS_SHA384,
        rows.RSA_PSS_SHA512,
    ],
    ids=lambda scheme: scheme.name,
)
def test_nss_verifies_rsa(nss: Nss, people: People, scheme: rows.SignatureScheme) -> None:
    message = smimekit.sign(
        MAIL, smimekit.Signer(people("alice rsa-2048"), scheme=scheme), opaque=True, headers=None
    )
    assert nss.decode(body_of(message)) == ENTITY


def test_nss_builds_our_chain(nss: Nss, ca: FakeCA) -> None:
    alice = ca.intermediate("Sub CA for NSS").person("alice@example.org")
    without = smimekit.sign(
        MAIL, smimekit.Signer(alice, chain=Chain.LEAF), opaque=True, headers=None
    )
    with pytest.raises(Refused):
        nss.decode(body_of(without))
    message = smimekit.sign(MAIL, alice, opaque=True, headers=None)
    assert nss.decode(body_of(message)) == ENTITY


@pytest.mark.parametrize("key", ["p256", "rsa-2048"])
@pytest.mark.parametrize("digest", ["SHA256", "SHA384", "SHA512"])
@pytest.mark.parametrize(
    "attributes", [(), ("-G",), ("-G", "-P")], ids=["plain", "time", "capabilities"]
)
@pytest.mark.parametrize("detached", [False, True], ids=["opaque", "detached"])
def test_nss_signs(
    nss: Nss,
    people: People,
    trust: Trust,
    key: str,
    digest: str,
    attributes: tuple[str, ...],
    detached: bool,
) -> None:
    alice = people(f"alice {key}")
    options = ("-H", digest, *attributes, *(("-T",) if detached else ()))
    cms = nss.sign(ENTITY, alice, *options)
    content = ENTITY if detached else None
    with smimekit.open(cms, trust=trust, content=content, expect=ALICE) as opened:
        (signature,) = opened.signatures
        assert signature.integrity is Integrity.GOOD
        assert signature.certificate == alice.certificate
        assert (signature.signing_time is not None) == ("-G" in attributes)
        assert signature.digest == digest.lower()
    assert smimekit.verify(cms, trust, content=content, expect=ALICE).bytes() == ENTITY


def test_nss_prefers_a_key(nss: Nss, people: People, trust: Trust) -> None:
    """encryptionKeyPreference, and so the facts that `harvest` learns."""
    alice = people("alice rsa-2048")
    cms = nss.sign(ENTITY, alice, "-G", "-P", "-Y", alice.certificate.fingerprint[:16])
    with smimekit.open(cms, trust=trust, expect=ALICE) as opened:
        found = smimekit.harvest(opened)
    assert found.sender == ALICE
    assert found.found[0].certificate == alice.certificate
    assert found.found[0].capabilities is not None


def test_nss_sends_only_certificates(nss: Nss, people: People, trust: Trust) -> None:
    cms = nss.certificates(people("alice").certificate)
    with smimekit.open(cms, trust=trust) as opened:
        (layer,) = opened.envelope
        assert isinstance(layer, Signed)
        assert people("alice").certificate in layer.certificates
    with pytest.raises(smimekit.NotSigned):
        smimekit.verify(cms, trust)


@pytest.mark.parametrize("opaque", [False, True], ids=["detached", "opaque"])
def test_changed_content_of_ours(nss: Nss, people: People, trust: Trust, opaque: bool) -> None:
    message = smimekit.sign(MAIL, people("alice"), opaque=opaque, headers=None)
    changed = tamper(message, b"One line", b"Two line")
    with pytest.raises(smimekit.ContentChanged):
        smimekit.verify(changed, trust)
    entity, signature = (None, body_of(changed)) if opaque else split_signed(changed)
    with pytest.raises(Refused, match="DigestMismatch"):
        nss.decode(signature, content=entity)


def test_changed_attributes_of_ours(nss: Nss, people: People, ca: FakeCA, trust: Trust) -> None:
    message = smimekit.sign(MAIL, people("alice"), opaque=True, at=ca.now, headers=None)
    old, new = (
        moment.strftime("%y%m%d%H%M%SZ").encode()
        for moment in (ca.now, ca.now - timedelta(hours=1))
    )
    changed = tamper(message, old, new)
    with pytest.raises(smimekit.ContentChanged):
        smimekit.verify(changed, trust)
    with pytest.raises(Refused, match="BadSignature"):
        nss.decode(body_of(changed))


def test_changed_content_of_theirs(nss: Nss, people: People, trust: Trust) -> None:
    cms = nss.sign(ENTITY, people("alice"), "-G")
    changed = cms.replace(b"One line", b"Two line")
    assert changed != cms
    with pytest.raises(smimekit.ContentChanged):
        smimekit.verify(changed, trust, expect=ALICE)
    with pytest.raises(Refused, match="DigestMismatch"):
        nss.decode(changed)


def test_limit_its_clock_is_the_signers(nss: Nss, ca: FakeCA, trust: Trust) -> None:
    """It judges at the signing time, which an old key's thief can choose. We do not."""
    late = ca.expired(ALICE)
    message = smimekit.sign(MAIL, late, opaque=True, at=ca.now - timedelta(days=100), headers=None)
    assert nss.decode(body_of(message)) == ENTITY
    with pytest.raises(smimekit.UntrustedSigner):
        smimekit.verify(message, trust)


@pytest.mark.parametrize("who", ["stranger", "expired", "server"])
def test_signer_whom_nobody_trusts(nss: Nss, ca: FakeCA, trust: Trust, who: str) -> None:
    alice = {
        "stranger": lambda: FakeCA("Stranger CA").person(ALICE),
        "expired": lambda: ca.expired(ALICE),
        "server": lambda: ca.wrong_usage(ALICE),
    }[who]()
    message = smimekit.sign(MAIL, alice, opaque=True, headers=None)
    with pytest.raises(smimekit.UntrustedSigner):
        smimekit.verify(message, trust)
    with pytest.raises(Refused):
        nss.decode(body_of(message))


# --- encryption ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cipher", [rows.AES128_CBC, rows.AES192_CBC, rows.AES256_CBC], ids=lambda row: row.name
)
def test_nss_decrypts(nss: Nss, people: People, cipher: rows.ContentCipher) -> None:
    """Ours by rsa-pkcs1, with a key for somebody else."""
    to = [people("carol rsa-2048").certificate, people("bob rsa-2048").certificate]
    assert nss.decode(body_of(smimekit.encrypt(MAIL, to, cipher=cipher, headers=None))) == ENTITY


def test_nss_decrypts_and_verifies(nss: Nss, people: People, trust: Trust) -> None:
    bob = people("bob rsa-2048")
    message = smimekit.encrypt(MAIL, [bob], signer=people("alice"), headers=None)
    entity, signature = split_signed(nss.decode(body_of(message)))
    assert nss.decode(signature, content=entity) == ENTITY
    assert smimekit.verify(message, trust, keys=[bob]).bytes() == ENTITY


def test_nss_encrypts(nss: Nss, people: People, trust: Trust) -> None:
    alice, bob = people("alice rsa-2048"), people("bob rsa-2048")
    cms = nss.encrypt(ENTITY, alice.certificate, bob.certificate)
    for who in (alice, bob):
        with smimekit.open(cms, keys=[who], trust=trust) as opened:
            (layer,) = opened.envelope
            assert isinstance(layer, Encrypted)
            assert layer.opened_with == who.certificate
            assert len(layer.recipients) == 2
        assert smimekit.decrypt(cms, [who]).bytes() == ENTITY
    with pytest.raises(smimekit.NoMatchingKey):
        smimekit.decrypt(cms, [people("carol rsa-2048")])


def test_nss_encrypts_what_it_signed(nss: Nss, people: People, trust: Trust) -> None:
    bob = people("bob rsa-2048")
    cms = nss.encrypt(nss.sign(ENTITY, people("alice"), "-G"), bob.certificate)
    assert smimekit.verify(cms, trust, keys=[bob], expect=ALICE).bytes() == ENTITY


def test_for_another_key(nss: Nss, people: People) -> None:
    message = smimekit.encrypt(MAIL, [people("carol rsa-2048")], headers=None)
    with pytest.raises(Refused):
        nss.decode(body_of(message))


# --- limits --------------------------------------------------------------------------------


def test_limit_elliptic_curves(nss: Nss, openssl: OpenSsl, people: People) -> None:
    alice = people("alice")
    ours = body_of(smimekit.encrypt(MAIL, [alice], headers=None))
    theirs = openssl.encrypt(ENTITY, [alice.certificate], "-aes-128-cbc", "-binary", form="der")
    for cms in (ours, theirs):
        reads_or_says(nss.decode, cms, ENTITY, "SEC_ERROR_BAD_DER")
    with pytest.raises(Refused, match="SEC_ERROR_INVALID_ALGORITHM"):
        nss.encrypt(ENTITY, alice.certificate)


def test_limit_mixed_recipients(nss: Nss, openssl: OpenSsl, people: People) -> None:
    """It cannot even skip the recipients with EC keys."""
    to = [people("bob rsa-2048").certificate, people("carol").certificate]
    ours = body_of(smimekit.encrypt(MAIL, to, headers=None))
    theirs = openssl.encrypt(ENTITY, to, "-aes-128-cbc", "-binary", form="der")
    for cms in (ours, theirs):
        reads_or_says(nss.decode, cms, ENTITY, "SEC_ERROR_BAD_DER")


def test_limit_gcm(nss: Nss, openssl: OpenSsl, people: People) -> None:
    bob = people("bob rsa-2048")
    ours = body_of(smimekit.encrypt(MAIL, [bob], cipher=rows.AES128_GCM, headers=None))
    theirs = openssl.encrypt(ENTITY, [bob.certificate], "-aes-128-gcm", "-binary", form="der")
    for cms in (ours, theirs):
        reads_or_says(nss.decode, cms, ENTITY, "SEC_ERROR_UNRECOGNIZED_OID")


def test_limit_oaep(nss: Nss, openssl: OpenSsl, people: People) -> None:
    bob = people("bob rsa-2048")
    to = CertificateRecipient(bob.certificate, rows.RsaPadding(rows.SHA256, rows.SHA256))
    ours = body_of(smimekit.encrypt(MAIL, [to], headers=None))
    theirs = openssl.encrypt(
        ENTITY, [bob.certificate], "-aes-128-cbc", "-binary",
        key_options=("rsa_padding_mode:oaep", "rsa_oaep_md:sha256"), form="der",
    )  # fmt: skip
    for cms in (ours, theirs):
        reads_or_says(nss.decode, cms, ENTITY, "SEC_ERROR_UNSUPPORTED_KEYALG")
