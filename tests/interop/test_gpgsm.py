"""gpgsm, of GnuPG: both directions, and what it refuses.

What gpgsm 2.2 cannot do (each shown below, with a message of OpenSSL's as well as with ours,
so that the limit is its own):

* import EC keys from PKCS #12: "signal Segmentation fault caught ... exiting", so it neither
  signs with them nor decrypts: "error decrypting session key: No secret key";
* encrypt to a certificate for keyAgreement: "certificate is not usable for encryption";
* verify with P-521: "DSA requires the hash length to be a multiple of 8 bits";
* verify PSS with another salt than one as long as the digest: "Bad signature" for 20 bytes,
  "rejected due to salt length 222" and then "free(): double free detected" for more;
* read AuthEnvelopedData (GCM): "error getting IV: Buffer too short";
* read RSAES-OAEP: "error getting encrypted session key";
* refuse a certificate that has expired, or is for web servers: it says "certificate has
  expired" and "Good signature", and ends with status 0. We refuse both (see the other peers).
"""

from collections.abc import Callable

import pytest

import smimekit
from smimekit import CertificateRecipient, Policy, Trust
from smimekit import algorithms as rows
from smimekit.message.layers import Encrypted, Integrity, Signed
from smimekit.testing import FakeCA
from smimekit.trust.records import is_authority_only
from tests.interop.messages import body_of, split_signed, tamper
from tests.interop.peers import Gpgsm, OpenSsl, People, Refused, reads_or_says

ENTITY = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nOne line,\r\nand another.\r\n"
MAIL = b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Hi\r\n" + ENTITY
ALICE = "alice@example.org"


# --- signatures ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "scheme"),
    [
        ("rsa-2048", rows.RSA_PKCS1_SHA256),
        ("rsa-2048", rows.RSA_PKCS1_SHA384),
        ("rsa-2048", rows.RSA_PKCS1_SHA512),
        ("rsa-2048", rows.RSA_PSS_SHA256),
        ("rsa-2048", rows.RSA_PSS_SHA384),
        ("rsa-2048", rows.RSA_PSS_SHA512),
        ("p256", rows.ecdsa(rows.SHA256)),
        ("p384", rows.ecdsa(rows.SHA384)),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_gpgsm_verifies(
    gpgsm: Gpgsm, people: People, key: str, scheme: rows.SignatureScheme
) -> None:
    alice = people(f"alice {key}")
    entity, signature = split_signed(
        smimekit.sign(MAIL, smimekit.Signer(alice, scheme=scheme), headers=None)
    )
    assert gpgsm.verify(signature, content=entity) == ENTITY
    opaque = smimekit.sign(MAIL, smimekit.Signer(alice, scheme=scheme), opaque=True, headers=None)
    assert gpgsm.verify(body_of(opaque)) == ENTITY


@pytest.mark.parametrize("digest", ["SHA256", "SHA384", "SHA512"])
@pytest.mark.parametrize("form", ["--sign", "--detach-sign"])
@pytest.mark.parametrize("armour", [(), ("--armor",), ("--base64",)], ids=["DER", "PEM", "base64"])
def test_gpgsm_signs(
    gpgsm: Gpgsm, people: People, trust: Trust, digest: str, form: str, armour: tuple[str, ...]
) -> None:
    alice = people("alice rsa-2048")
    cms = gpgsm.sign(ENTITY, alice, "--digest-algo", digest, *armour, form)
    content = None if form == "--sign" else ENTITY
    if armour == ("--base64",):
        cms = b"Content-Type: application/pkcs7-mime\nContent-Transfer-Encoding: base64\n\n" + cms
        if content is not None:
            cms = (
                b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; '
                b"boundary=b\n\n--b\n" + ENTITY + b"\n--b\n"
                + cms.replace(b"pkcs7-mime", b"pkcs7-signature") + b"\n--b--\n"
            )  # fmt: skip
            content = None
    with smimekit.open(cms, trust=trust, content=content, expect=ALICE) as opened:
        (signature,) = opened.signatures
        assert signature.integrity is Integrity.GOOD
        assert signature.certificate == alice.certificate
        assert signature.digest == digest.lower()
        assert signature.signing_time is not None
    assert smimekit.verify(cms, trust, content=content, expect=ALICE).bytes() == ENTITY


@pytest.mark.parametrize("count", ["-2", "-1", "0", "1"])
def test_gpgsm_includes_certificates(
    gpgsm: Gpgsm, people: People, trust: Trust, count: str
) -> None:
    cms = gpgsm.sign(ENTITY, people("alice rsa-2048"), "--include-certs", count, "--sign")
    if count != "0":
        assert smimekit.verify(cms, trust, expect=ALICE).bytes() == ENTITY
        return
    with pytest.raises(smimekit.UntrustedSigner) as caught:
        smimekit.verify(cms, trust, expect=ALICE)
    assert caught.value.code == "untrusted-signer.no-certificate"


@pytest.mark.parametrize("settings", [(), ("Key-Usage: sign, encrypt",)])
def test_who_issued_to_themselves(
    gpgsm: Gpgsm, require_program: Callable[[str], str], settings: tuple[str, ...]
) -> None:
    """gpgsm calls them a CA's and, as with all roots, does not send the certificate along."""
    gpgconf = require_program("gpgconf")
    grace = gpgsm.issue_itself(gpgconf, "grace@example.org", *settings)
    assert grace.is_ca
    assert not is_authority_only(grace)
    cms = gpgsm.sign(ENTITY, grace)
    with smimekit.open(cms, trust=Trust()) as opened:
        (layer,) = opened.envelope
        assert isinstance(layer, Signed)
        assert layer.certificates == ()
    knowing = Trust(anchors=[grace])
    assert smimekit.verify(cms, knowing, expect="grace@example.org").bytes() == ENTITY
    assert gpgsm.decrypt(body_of(smimekit.encrypt(MAIL, [grace], headers=None))) == ENTITY


def test_changed_content(gpgsm: Gpgsm, people: People, trust: Trust) -> None:
    message = tamper(smimekit.sign(MAIL, people("alice"), headers=None), b"One line", b"Two line")
    entity, signature = split_signed(message)
    with pytest.raises(smimekit.ContentChanged):
        smimekit.verify(message, trust)
    with pytest.raises(Refused, match="digest attribute does not match"):
        gpgsm.verify(signature, content=entity)
    cms = gpgsm.sign(ENTITY, people("alice rsa-2048")).replace(b"One line", b"Two line")
    with pytest.raises(smimekit.ContentChanged):
        smimekit.verify(cms, trust, expect=ALICE)
    with pytest.raises(Refused, match="digest attribute does not match"):
        gpgsm.verify(cms)


def test_changed_attributes(gpgsm: Gpgsm, people: People, ca: FakeCA, trust: Trust) -> None:
    message = smimekit.sign(MAIL, people("alice"), at=ca.now, headers=None)
    old = ca.now.strftime("%y%m%d%H%M%SZ").encode()
    changed = tamper(message, old, b"200101000000Z")
    entity, signature = split_signed(changed)
    with pytest.raises(smimekit.ContentChanged):
        smimekit.verify(changed, trust)
    with pytest.raises(Refused, match="Bad signature"):
        gpgsm.verify(signature, content=entity)


def test_untrusted_root(gpgsm: Gpgsm, trust: Trust) -> None:
    message = smimekit.sign(MAIL, FakeCA("Stranger CA").person(ALICE), headers=None)
    with pytest.raises(smimekit.UntrustedSigner):
        smimekit.verify(message, trust)
    entity, signature = split_signed(message)
    with pytest.raises(Refused):
        gpgsm.verify(signature, content=entity)


# --- encryption ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cipher", [rows.AES128_CBC, rows.AES192_CBC, rows.AES256_CBC], ids=lambda row: row.name
)
@pytest.mark.parametrize("first", ["carol rsa-2048", "carol p256"])
def test_gpgsm_decrypts(
    gpgsm: Gpgsm, people: People, cipher: rows.ContentCipher, first: str
) -> None:
    """Ours by rsa-pkcs1, with its key second, or first: the SET of recipients is in the order of DER."""
    to = [people(first).certificate, people("bob rsa-2048").certificate]
    assert gpgsm.decrypt(body_of(smimekit.encrypt(MAIL, to, cipher=cipher, headers=None))) == ENTITY


def test_gpgsm_decrypts_and_verifies(gpgsm: Gpgsm, people: People) -> None:
    message = smimekit.encrypt(MAIL, [people("bob rsa-2048")], signer=people("alice"), headers=None)
    entity, signature = split_signed(gpgsm.decrypt(body_of(message)))
    assert gpgsm.verify(signature, content=entity) == ENTITY


@pytest.mark.parametrize(
    ("cipher", "name"),
    [("AES", "aes-128-cbc"), ("AES192", "aes-192-cbc"), ("AES256", "aes-256-cbc")],
    ids=lambda value: value,
)
def test_gpgsm_encrypts(gpgsm: Gpgsm, people: People, trust: Trust, cipher: str, name: str) -> None:
    alice, bob = people("alice rsa-2048"), people("bob rsa-2048")
    cms = gpgsm.encrypt(ENTITY, alice.certificate, bob.certificate, cipher=cipher)
    for who in (alice, bob):
        with smimekit.open(cms, keys=[who], trust=trust) as opened:
            (layer,) = opened.envelope
            assert isinstance(layer, Encrypted)
            assert layer.algorithm == name
            assert len(layer.recipients) == 2
        assert smimekit.decrypt(cms, [who]).bytes() == ENTITY
    with pytest.raises(smimekit.NoMatchingKey):
        smimekit.decrypt(cms, [people("carol rsa-2048")])


def test_gpgsm_encrypts_with_triple_des(gpgsm: Gpgsm, people: People) -> None:
    """des-ede3-cbc."""
    bob = people("bob rsa-2048")
    cms = gpgsm.encrypt(ENTITY, bob.certificate, cipher="3DES")
    with pytest.raises(smimekit.PolicyError):
        smimekit.decrypt(cms, [bob])
    assert smimekit.decrypt(cms, [bob], policy=Policy.LEGACY_READ).bytes() == ENTITY


def test_gpgsm_encrypts_what_it_signed(gpgsm: Gpgsm, people: People, trust: Trust) -> None:
    bob = people("bob rsa-2048")
    cms = gpgsm.encrypt(gpgsm.sign(ENTITY, people("alice rsa-2048")), bob.certificate)
    assert smimekit.verify(cms, trust, keys=[bob], expect=ALICE).bytes() == ENTITY


def test_for_another_key(gpgsm: Gpgsm, people: People) -> None:
    with pytest.raises(Refused, match="No secret key"):
        gpgsm.decrypt(body_of(smimekit.encrypt(MAIL, [people("carol rsa-2048")], headers=None)))


# --- limits --------------------------------------------------------------------------------


def test_limit_gcm(gpgsm: Gpgsm, openssl: OpenSsl, people: People) -> None:
    bob = people("bob rsa-2048")
    ours = body_of(smimekit.encrypt(MAIL, [bob], cipher=rows.AES128_GCM, headers=None))
    theirs = openssl.encrypt(ENTITY, [bob.certificate], "-aes-128-gcm", "-binary", form="der")
    for cms in (ours, theirs):
        reads_or_says(gpgsm.decrypt, cms, ENTITY, "error getting IV: Buffer too short")


def test_limit_oaep(gpgsm: Gpgsm, openssl: OpenSsl, people: People) -> None:
    bob = people("bob rsa-2048")
    to = CertificateRecipient(bob.certificate, rows.RsaPadding(rows.SHA256, rows.SHA256))
    ours = body_of(smimekit.encrypt(MAIL, [to], headers=None))
    theirs = openssl.encrypt(
        ENTITY, [bob.certificate], "-aes-128-cbc", "-binary",
        key_options=("rsa_padding_mode:oaep", "rsa_oaep_md:sha256"), form="der",
    )  # fmt: skip
    for cms in (ours, theirs):
        reads_or_says(gpgsm.decrypt, cms, ENTITY, "error getting encrypted session key")


def test_limit_salt_length(gpgsm: Gpgsm, openssl: OpenSsl, people: People, trust: Trust) -> None:
    cms = openssl.sign(
        ENTITY, people("alice rsa-2048"), "-nodetach", "-binary",
        "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:20", form="der",
    )  # fmt: skip
    reads_or_says(gpgsm.verify, cms, ENTITY, "Bad signature")
    assert smimekit.verify(cms, trust, expect=ALICE).bytes() == ENTITY


def test_limit_p521(gpgsm: Gpgsm, openssl: OpenSsl, people: People) -> None:
    alice = people("alice p521")
    ours = body_of(smimekit.sign(MAIL, alice, opaque=True, headers=None))
    theirs = openssl.sign(ENTITY, alice, "-md", "sha512", "-nodetach", "-binary", form="der")
    for cms in (ours, theirs):
        reads_or_says(gpgsm.verify, cms, ENTITY, "DSA requires the hash length")


def test_limit_to_curves(gpgsm: Gpgsm, people: People) -> None:
    carol = people("carol")
    gpgsm.know(carol.certificate)

    def encrypt_and_read(content: bytes) -> bytes:
        return smimekit.decrypt(gpgsm.encrypt(content, carol.certificate), [carol]).bytes()

    reads_or_says(encrypt_and_read, ENTITY, ENTITY, "certificate is not usable for encryption")
