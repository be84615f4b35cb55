"""Encryption: `openssl cms -encrypt` is decrypted by us, and ours by `openssl cms -decrypt`.

What OpenSSL 3.0 cannot do:

* X25519 recipients: "evp_pkey_asym_cipher_init:operation not supported for this keytype".
* CompressedData, without zlib: "CMS_compress:unsupported compression algorithm".
* Say which recipient it is: without `-recip` it tries every key, and a wrong one may give
  garbage with status 0 (RFC 3218). So it is always told.
"""

from contextlib import suppress
from dataclasses import replace

import pytest

import smimekit
from smimekit import CertificateRecipient, Policy, Protection, Trust, der
from smimekit import algorithms as rows
from smimekit.cms.enveloped import enveloped_data, new_content_key
from smimekit.cms.recipients import KeyAgreeRecipient, KeyTransRecipient
from smimekit.cms.wrapping import wrap_for
from smimekit.keys import PasswordRecipient, SharedKeyRecipient
from smimekit.message.layers import Encrypted
from smimekit.testing import FakeCA
from tests.interop.messages import body_of, with_body
from tests.interop.peers import OpenSsl, People, Refused

ENTITY = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nOne line,\r\nand another.\r\n"
MAIL = b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Hi\r\n" + ENTITY

CBC = ("aes-128-cbc", "aes-192-cbc", "aes-256-cbc")
GCM = ("aes-128-gcm", "aes-192-gcm", "aes-256-gcm")
KEYS = ("rsa-2048", "p256", "p384", "p521")
CIPHERS = {row.name: row for row in rows.CONTENT_CIPHERS.values()}


def layer_of(message: bytes, who: smimekit.Credential, **more: object) -> Encrypted:
    """The one layer of an encrypted message that `who` can read, whole."""
    with smimekit.open(message, keys=[who], trust=Trust(), **more) as opened:  # type: ignore[arg-type]
        (layer,) = opened.envelope
        assert isinstance(layer, Encrypted)
        assert layer.cipher is not None
        # RFC 9787, 6.5: of a weak cipher nothing is said to be confidential.
        wanted = Protection.NONE if layer.cipher.weak else Protection.CONFIDENTIAL
        assert opened.payload(require=wanted).bytes() == ENTITY
        assert opened.protection & Protection.CONFIDENTIAL == wanted
        assert layer.opened_with == who.certificate
        return layer


# --- ciphers and keys ----------------------------------------------------------------------


@pytest.mark.parametrize("cipher", CBC + GCM)
@pytest.mark.parametrize("key", KEYS)
def test_openssl_encrypts(openssl: OpenSsl, people: People, cipher: str, key: str) -> None:
    bob = people(f"bob {key}")
    layer = layer_of(openssl.encrypt(ENTITY, [bob.certificate], f"-{cipher}"), bob)
    assert layer.algorithm == cipher
    assert layer.authenticated == (cipher in GCM)


@pytest.mark.parametrize("cipher", CBC + GCM)
@pytest.mark.parametrize("key", KEYS)
def test_openssl_decrypts(openssl: OpenSsl, people: People, cipher: str, key: str) -> None:
    bob = people(f"bob {key}")
    message = smimekit.encrypt(MAIL, [bob], cipher=CIPHERS[cipher], headers=None)
    assert openssl.decrypt(message, bob) == ENTITY


OAEP = ("rsa_padding_mode:oaep",)
PADDINGS = [
    (("rsa_padding_mode:pkcs1",), rows.RsaPadding()),
    (OAEP, rows.RsaPadding(rows.SHA1, rows.SHA1)),
    ((*OAEP, "rsa_oaep_md:sha256"), rows.RsaPadding(rows.SHA256, rows.SHA256)),
    ((*OAEP, "rsa_oaep_md:sha512"), rows.RsaPadding(rows.SHA512, rows.SHA512)),
    (
        (*OAEP, "rsa_oaep_md:sha256", "rsa_mgf1_md:sha1"),
        rows.RsaPadding(rows.SHA256, rows.SHA1),
    ),
    (
        (*OAEP, "rsa_oaep_md:sha1", "rsa_mgf1_md:sha256"),
        rows.RsaPadding(rows.SHA1, rows.SHA256),
    ),
    (
        (*OAEP, "rsa_oaep_md:sha384", "rsa_mgf1_md:sha512"),
        rows.RsaPadding(rows.SHA384, rows.SHA512),
    ),
    ((*OAEP, "rsa_oaep_label:6c6162656c"), rows.RsaPadding(rows.SHA1, rows.SHA1, b"label")),
]
PADDING_IDS = [" ".join(each.split(":")[1] for each in options) for options, _ in PADDINGS]


@pytest.mark.parametrize(("options", "padding"), PADDINGS, ids=PADDING_IDS)
def test_openssl_pads(
    openssl: OpenSsl, people: People, options: tuple[str, ...], padding: rows.RsaPadding
) -> None:
    """rsa-pkcs1 and rsa-oaep."""
    bob = people("bob rsa-2048")
    message = openssl.encrypt(ENTITY, [bob.certificate], "-aes-128-cbc", key_options=options)
    (recipient,) = layer_of(message, bob).recipients
    assert isinstance(recipient, KeyTransRecipient)
    assert rows.rsa_padding(recipient.algorithm) == padding


@pytest.mark.parametrize(("options", "padding"), PADDINGS, ids=PADDING_IDS)
def test_openssl_unpads(
    openssl: OpenSsl, people: People, options: tuple[str, ...], padding: rows.RsaPadding
) -> None:
    """rsa-pkcs1 and rsa-oaep."""
    bob = people("bob rsa-2048")
    to = CertificateRecipient(bob.certificate, padding)
    assert openssl.decrypt(smimekit.encrypt(MAIL, [to], headers=None), bob) == ENTITY


@pytest.mark.parametrize("parameters", [b"", der.NULL_VALUE], ids=["absent", "NULL"])
def test_digests_of_oaep_with_and_without_null(
    openssl: OpenSsl, people: People, parameters: bytes
) -> None:
    """RFC 4055, 2.1: both mean the same; and other parameters mean nothing that we know."""
    bob = people("bob rsa-2048")
    # With a tag: a random key, as for what does not open, fits the padding of CBC once in 256.
    padding, key = rows.RsaPadding(rows.SHA256, rows.SHA256), new_content_key(rows.AES128_GCM)
    info = wrap_for(bob.certificate, key, padding)
    assert isinstance(info, KeyTransRecipient)

    def saying(parameters: bytes) -> bytes:
        digest = der.sequence(der.oid(rows.SHA256.oid), parameters)
        mask = der.sequence(der.oid("1.2.840.113549.1.1.8"), digest)
        value = der.sequence(der.explicit(0, digest), der.explicit(1, mask))
        said = replace(info, algorithm=rows.AlgorithmIdentifier(rows.RSAES_OAEP, value))
        return enveloped_data(ENTITY, rows.AES128_GCM, key, [said])

    assert openssl.decrypt(saying(parameters), bob, "-binary", form="der") == ENTITY
    layer_of(saying(parameters), bob)
    with pytest.raises(smimekit.DecryptionError):
        smimekit.decrypt(saying(der.sequence()), [bob])


AGREEMENTS = [
    *((f"ecdh_kdf_md:{md}",) for md in ("sha1", "sha224", "sha256", "sha384", "sha512")),
    ("ecdh_cofactor_mode:1", "ecdh_kdf_md:sha256"),
]


@pytest.mark.parametrize("options", AGREEMENTS, ids=" ".join)
@pytest.mark.parametrize("key", ["p256", "p384", "p521"])
def test_openssl_agrees(
    openssl: OpenSsl, people: People, key: str, options: tuple[str, ...]
) -> None:
    bob = people(f"bob {key}")
    message = openssl.encrypt(ENTITY, [bob.certificate], "-aes-256-cbc", key_options=options)
    layer_of(message, bob)


@pytest.mark.parametrize("wrap", ["aes128", "aes192", "aes256"])
def test_openssl_wraps(openssl: OpenSsl, people: People, wrap: str) -> None:
    bob = people("bob")
    layer_of(openssl.encrypt(ENTITY, [bob.certificate], "-aes-128-cbc", f"-{wrap}-wrap"), bob)


# --- forms ---------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("cipher", ["aes-128-cbc", "aes-128-gcm"])
@pytest.mark.parametrize(
    "options",
    [("-keyid",), ("-stream",), ("-stream", "-keyid"), ("-binary",), ("-crlfeol",)],
    ids=" ".join,
)
def test_openssl_encrypts_as(
    openssl: OpenSsl, people: People, key: str, cipher: str, options: tuple[str, ...]
) -> None:
    bob = people(f"bob {key}")
    layer_of(openssl.encrypt(ENTITY, [bob.certificate], f"-{cipher}", *options), bob)


@pytest.mark.parametrize("form", ["der", "pem"])
@pytest.mark.parametrize("options", [(), ("-stream",)], ids=["definite", "indefinite"])
@pytest.mark.parametrize("cipher", ["aes-256-cbc", "aes-256-gcm"])
def test_openssl_encrypts_bare(
    openssl: OpenSsl, people: People, form: str, options: tuple[str, ...], cipher: str
) -> None:
    bob = people("bob")
    message = openssl.encrypt(
        ENTITY, [bob.certificate], f"-{cipher}", "-binary", *options, form=form
    )
    layer_of(message, bob)


@pytest.mark.parametrize("form", ["der", "pem"])
def test_openssl_decrypts_bare(openssl: OpenSsl, people: People, form: str) -> None:
    bob = people("bob")
    cms = body_of(smimekit.encrypt(MAIL, [bob], headers=None))
    if form == "pem":
        cms = openssl.call("cms", "-cmsout", "-inform", "der", "-outform", "pem", stdin=cms)
        layer_of(cms, bob)
    assert openssl.decrypt(cms, bob, form=form) == ENTITY


@pytest.mark.parametrize("cipher", ["aes-128-cbc", "aes-256-gcm"])
@pytest.mark.parametrize(
    "kinds",
    [("rsa-2048", "rsa-2048"), ("p256", "p256"), ("p384", "rsa-2048"), ("rsa-2048", "p521")],
    ids=" ".join,
)
@pytest.mark.parametrize("options", [(), ("-keyid",)], ids=["serial", "key id"])
def test_several_recipients(
    openssl: OpenSsl,
    people: People,
    cipher: str,
    kinds: tuple[str, str],
    options: tuple[str, ...],
) -> None:
    """Each reads the message, whichever key stands first in the SET."""
    carol, bob = people(f"carol {kinds[0]}"), people(f"bob {kinds[1]}")
    to = [carol.certificate, bob.certificate]
    theirs = openssl.encrypt(ENTITY, to, f"-{cipher}", *options)
    ours = smimekit.encrypt(MAIL, to, cipher=CIPHERS[cipher], headers=None)
    for who in (bob, carol):
        assert len(layer_of(theirs, who).recipients) == 2
        assert openssl.decrypt(ours, who) == ENTITY


def test_signed_then_encrypted(openssl: OpenSsl, people: People, ca: FakeCA, trust: Trust) -> None:
    alice, bob = people("alice"), people("bob")
    inner = openssl.decrypt(smimekit.encrypt(MAIL, [bob], signer=alice, headers=None), bob)
    assert openssl.verify(inner, ca.certificate) == ENTITY
    signed = openssl.sign(ENTITY, alice, "-from", "alice@example.org")
    for options in ((), ("-stream",), ("-binary",)):
        message = openssl.encrypt(signed, [bob.certificate], "-aes-128-cbc", *options)
        payload = smimekit.verify(message, trust, keys=[bob], expect="alice@example.org")
        assert payload.bytes() == ENTITY
        assert payload.protection == ~Protection.NONE


def test_encrypted_then_signed(openssl: OpenSsl, people: People, ca: FakeCA, trust: Trust) -> None:
    """Read, but no proof of who wrote it: anybody can sign what they cannot read."""
    alice, bob = people("alice"), people("bob")
    inner = openssl.encrypt(ENTITY, [bob.certificate], "-aes-128-cbc")
    message = openssl.sign(inner, alice, "-from", "alice@example.org")
    with smimekit.open(message, keys=[bob], trust=trust) as opened:
        assert opened.protection is Protection.CONFIDENTIAL
        assert opened.payload(require=Protection.CONFIDENTIAL).bytes() == ENTITY
    with pytest.raises(smimekit.NotSigned) as caught:
        smimekit.verify(message, trust, keys=[bob])
    assert caught.value.code == "not-signed.outside-encryption"


def test_triple_wrapped(openssl: OpenSsl, people: People, trust: Trust) -> None:
    """Signed, encrypted, signed again (RFC 2634, 1.1): the inner signature counts."""
    alice, bob = people("alice"), people("bob")
    signed = openssl.sign(ENTITY, alice, "-nodetach")
    message = openssl.encrypt(signed, [bob.certificate], "-aes-256-gcm")
    message = openssl.sign(message, alice, "-from", "alice@example.org")
    with smimekit.open(message, keys=[bob], trust=trust) as opened:
        assert len(opened.envelope) == 3
        assert opened.protection == ~Protection.NONE
        assert opened.payload(require=Protection.VERIFIED).bytes() == ENTITY


# --- recipients and contents of other kinds ------------------------------------------------

SECRET = "000102030405060708090A0B0C0D0E0F"  # noqa: S105 - of this test


@pytest.mark.parametrize(
    ("options", "key"),
    [
        (("-pwri_password", "for this test"), PasswordRecipient("for this test")),
        (
            ("-secretkey", SECRET, "-secretkeyid", "C0FFEE"),
            SharedKeyRecipient(bytes.fromhex("C0FFEE"), bytes.fromhex(SECRET)),
        ),
    ],
    ids=["password", "shared key"],
)
def test_recipient_without_certificate(
    openssl: OpenSsl,
    people: People,
    options: tuple[str, ...],
    key: PasswordRecipient | SharedKeyRecipient,
) -> None:
    """Each key opens what is for it, beside the other one or alone."""
    bob = people("bob")
    both = openssl.encrypt(ENTITY, [bob.certificate], "-aes-128-cbc", *options)
    assert smimekit.decrypt(both, [bob]).bytes() == ENTITY
    assert smimekit.decrypt(both, [key]).bytes() == ENTITY
    alone = openssl.encrypt(ENTITY, [], "-aes-128-cbc", *options)
    assert smimekit.decrypt(alone, [key]).bytes() == ENTITY
    with pytest.raises(smimekit.NoMatchingKey):
        smimekit.decrypt(alone, [bob])


@pytest.mark.parametrize(
    "action",
    [
        ("-data_create",),
        ("-digest_create",),
        ("-EncryptedData_encrypt", "-aes-128-cbc", "-secretkey", SECRET),
    ],
    ids=lambda action: action[0],
)
@pytest.mark.parametrize("form", ["der", "pem"])
def test_content_of_another_kind(openssl: OpenSsl, action: tuple[str, ...], form: str) -> None:
    cms = openssl.call("cms", *action, "-outform", form, stdin=ENTITY)
    with smimekit.open(cms, trust=Trust()) as opened:
        assert opened.envelope == ()
        assert [each.kind for each in opened.errant] == ["cms"]
        assert opened.payload(require=Protection.NONE).bytes() == cms


# --- PKCS #7, and what is weak -------------------------------------------------------------


def test_pkcs7_of_openssl(openssl: OpenSsl, people: People) -> None:
    bob = people("bob rsa-2048")
    pkcs7 = replace(openssl, tool="smime")
    layer_of(pkcs7.encrypt(ENTITY, [bob.certificate], "-aes128"), bob)
    assert pkcs7.decrypt(smimekit.encrypt(MAIL, [bob], headers=None), bob) == ENTITY


@pytest.mark.parametrize("key", KEYS)
def test_triple_des(openssl: OpenSsl, people: People, key: str) -> None:
    """des-ede3-cbc."""
    bob = people(f"bob {key}")
    message = openssl.encrypt(ENTITY, [bob.certificate], "-des3", "-aes128-wrap")
    with pytest.raises(smimekit.PolicyError) as caught:
        smimekit.decrypt(message, [bob])
    assert caught.value.code == "policy.weak"
    assert layer_of(message, bob, policy=Policy.LEGACY_READ).algorithm == "des-ede3-cbc"


@pytest.mark.parametrize(
    "options", [("-rc2-40",), ("-rc2-64",), ("-rc2-128",)], ids=["rc2-40", "rc2-64", "rc2-128"]
)
def test_rc2(openssl: OpenSsl, people: People, options: tuple[str, ...]) -> None:
    """rc2-cbc."""
    bob = people("bob rsa-2048")
    old = replace(openssl, tool="smime")
    provider = ("-provider", "default", "-provider", "legacy")
    message = old.encrypt(ENTITY, [bob.certificate], *options, *provider)
    with pytest.raises(smimekit.PolicyError):
        smimekit.decrypt(message, [bob])
    layer_of(message, bob, policy=Policy.LEGACY_READ)


# --- what nobody should accept -------------------------------------------------------------


@pytest.mark.parametrize("key", ["rsa-2048", "p256"])
def test_for_another_key(openssl: OpenSsl, people: People, key: str) -> None:
    bob, carol = people(f"bob {key}"), people(f"carol {key}")
    with pytest.raises(smimekit.NoMatchingKey):
        smimekit.decrypt(openssl.encrypt(ENTITY, [bob.certificate], "-aes-128-cbc"), [carol])
    with pytest.raises(Refused, match="Error decrypting CMS using private key"):
        openssl.decrypt(smimekit.encrypt(MAIL, [bob], headers=None), carol)


@pytest.mark.parametrize("key", ["rsa-2048", "p256"])
@pytest.mark.parametrize("encrypted_by", ["us", "OpenSSL"])
@pytest.mark.parametrize("place", ["tag", "ciphertext", "nonce"])
def test_changed_gcm(
    openssl: OpenSsl, people: People, key: str, encrypted_by: str, place: str
) -> None:
    """One bit of the tag, of the content or of the nonce."""
    bob = people(f"bob {key}")
    if encrypted_by == "us":
        message = smimekit.encrypt(MAIL, [bob], cipher=rows.AES128_GCM, headers=None)
    else:
        message = openssl.encrypt(ENTITY, [bob.certificate], "-aes-128-gcm", "-binary")
    cms = bytearray(body_of(message))
    oid = bytes.fromhex("0609608648016503040106")
    nonce = bytes(cms).index(oid) + len(oid) + 4  # SEQUENCE and OCTET STRING around it
    cms[{"tag": len(cms) - 1, "ciphertext": len(cms) - 16 - 2 - 5, "nonce": nonce}[place]] ^= 1
    changed = with_body(message, bytes(cms))
    with pytest.raises(smimekit.DecryptionError):
        smimekit.decrypt(changed, [bob])
    with pytest.raises(Refused):
        openssl.decrypt(changed, bob)


@pytest.mark.parametrize("key", ["rsa-2048", "p256"])
@pytest.mark.parametrize("cipher", ["aes-128-cbc", "aes-128-gcm"])
def test_changed_key(openssl: OpenSsl, people: People, key: str, cipher: str) -> None:
    """The wrapped key is damaged: the same error as for damaged content, by us."""
    bob = people(f"bob {key}")
    message = smimekit.encrypt(MAIL, [bob], cipher=CIPHERS[cipher], headers=None)
    cms = body_of(message)
    with smimekit.open(message, trust=Trust()) as opened:
        (layer,) = opened.envelope
        assert isinstance(layer, Encrypted)
        wrapped = encrypted_key(layer)
    changed = with_body(message, cms.replace(wrapped, wrapped[:-1] + bytes([wrapped[-1] ^ 1])))
    if cipher == "aes-128-gcm":
        with pytest.raises(smimekit.DecryptionError):
            smimekit.decrypt(changed, [bob])
        with pytest.raises(Refused):
            openssl.decrypt(changed, bob)
        return
    # Both go on with a random key (RFC 3218, 2.3), whose padding fits one time in 256.
    with suppress(smimekit.DecryptionError):
        assert smimekit.decrypt(changed, [bob]).bytes() != ENTITY
    with suppress(Refused):
        assert openssl.decrypt(changed, bob) != ENTITY


def encrypted_key(layer: Encrypted) -> bytes:
    (recipient,) = layer.recipients
    if isinstance(recipient, KeyTransRecipient):
        return recipient.encrypted_key
    assert isinstance(recipient, KeyAgreeRecipient)
    return recipient.keys[0].encrypted_key
