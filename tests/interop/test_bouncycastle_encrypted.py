"""Encryption: Bouncy Castle encrypts and we decrypt; we encrypt and it decrypts.

What Debian's 1.72 cannot do:

* ML-KEM: it is younger. RSA-KEM and CEK-HKDF are, too: see `test_bouncycastle_young.py`.
* Put X25519 and X448 (RFC 8418) or ChaCha20-Poly1305 (RFC 8103) together in CMS: it has all the
  parts, and `Montgomery.java` and `ChaCha.java` join them.
* Read authenticated attributes, for others than RSA recipients: its own it cannot read either.
"""

from collections.abc import Callable

import pytest

import smimekit
from smimekit import CertificateRecipient, Policy, Protection
from smimekit import algorithms as rows
from smimekit.cms.agreement import Agreement, agree_with_all
from smimekit.cms.enveloped import enveloped_data, new_content_key
from smimekit.cms.recipients import (
    KeyAgreeRecipient,
    KeyTransRecipient,
)
from smimekit.keys import Decryptor
from smimekit.message.layers import Encrypted
from tests.interop.castle import BouncyCastle, agree, oaep, transport
from tests.interop.messages import body_of
from tests.interop.peers import People, Refused

ENTITY = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nOne line,\r\nand another.\r\n"
MAIL = b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Hi\r\n" + ENTITY
CIPHERS = list(rows.CONTENT_CIPHERS.values())
WRITTEN = [row for row in CIPHERS if row.emitted]
WITH_TAG = [row for row in CIPHERS if row.authenticated]
SCHEMES = list(rows.ECDH_SCHEMES.values())
WRAPS = list(rows.KEY_WRAPS.values())
KEYS = ("rsa-2048", "p256", "x25519", "x448")
UKM = b"user keying material"


def name(row: object) -> str:
    return str(getattr(row, "name", row))


def to(who: smimekit.Credential, kind: str, wrap: rows.KeyWrap = rows.AES256_WRAP) -> str:
    """A recipient by what goes well with a key."""
    scheme = {"x25519": rows.ECDH_HKDF_SHA256, "x448": rows.ECDH_HKDF_SHA512}
    if kind.startswith("rsa"):
        return transport(who.certificate)
    chosen = scheme.get(kind, rows.ECDH_STD_SHA256)
    return agree(who.certificate, chosen.oid, wrap.oid)


def layer_of(cms: bytes, who: Decryptor) -> Encrypted:
    """The one layer of bare CMS, opened; its content is ENTITY."""
    with smimekit.open(
        cms, keys=[who], trust=smimekit.Trust(), policy=Policy.LEGACY_READ
    ) as opened:
        (layer,) = opened.envelope
        assert isinstance(layer, Encrypted)
        assert layer.cipher is not None
        wanted = Protection.NONE if layer.cipher.weak else Protection.CONFIDENTIAL
        assert opened.payload(require=wanted).bytes() == ENTITY
        return layer


def tag(cipher: rows.ContentCipher) -> str:
    """How Bouncy Castle is told what it reads."""
    return "auth" if cipher.authenticated else ""


# --- ciphers and keys ----------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("cipher", CIPHERS, ids=name)
def test_bouncycastle_encrypts(
    bouncycastle: BouncyCastle, people: People, cipher: rows.ContentCipher, key: str
) -> None:
    bob = people(f"bob {key}")
    cms = bouncycastle.encrypt(ENTITY, cipher.oid, to(bob, key))
    layer = layer_of(cms, bob)
    assert (layer.algorithm, layer.authenticated) == (cipher.name, cipher.authenticated)
    assert layer.opened_with == bob.certificate
    if cipher.weak:
        with pytest.raises(smimekit.PolicyError):
            smimekit.decrypt(cms, [bob])


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("cipher", WRITTEN, ids=name)
def test_bouncycastle_decrypts(
    bouncycastle: BouncyCastle, people: People, cipher: rows.ContentCipher, key: str
) -> None:
    bob = people(f"bob {key}")
    ours = body_of(smimekit.encrypt(ENTITY, [bob], cipher=cipher, headers=None))
    assert bouncycastle.decrypt(ours, bob, options=tag(cipher)) == ENTITY


@pytest.mark.parametrize("size", [40, 64, 128])
def test_rc2(bouncycastle: BouncyCastle, people: People, size: int) -> None:
    bob = people("bob rsa-2048")
    cms = bouncycastle.encrypt(ENTITY, rows.RC2_CBC.oid, transport(bob.certificate), size=size)
    layer_of(cms, bob)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("cipher", WITH_TAG, ids=name)
def test_authenticated_attributes(
    bouncycastle: BouncyCastle, people: People, cipher: rows.ContentCipher, key: str
) -> None:
    """They follow the ciphertext, and the tag covers them."""
    bob = people(f"bob {key}")
    cms = bouncycastle.encrypt(ENTITY, cipher.oid, to(bob, key), options="attributes")
    signing_time = bytes.fromhex("06092a864886f70d010905")
    assert signing_time in cms
    layer_of(cms, bob)
    changed = cms.replace(signing_time, signing_time[:-1] + b"\x66")
    with pytest.raises(smimekit.DecryptionError):
        smimekit.decrypt(changed, [bob])
    if key == "rsa-2048":
        with pytest.raises(Refused):
            bouncycastle.decrypt(changed, bob, options="auth")


# --- RSA -----------------------------------------------------------------------------------

DIGESTS = {
    "SHA-1": rows.SHA1,
    "SHA-224": rows.SHA224,
    "SHA-256": rows.SHA256,
    "SHA-384": rows.SHA384,
    "SHA-512": rows.SHA512,
}


@pytest.mark.parametrize("label", [None, b"label", b"a longer label, with spaces"])
@pytest.mark.parametrize("mask", DIGESTS)
@pytest.mark.parametrize("digest", DIGESTS)
def test_oaep(
    bouncycastle: BouncyCastle,
    people: People,
    digest: str,
    mask: str,
    label: bytes | None,
) -> None:
    """rsa-oaep."""
    bob = people("bob rsa-2048")
    padding = rows.RsaPadding(DIGESTS[digest], DIGESTS[mask], label or b"")
    cms = bouncycastle.encrypt(
        ENTITY, rows.AES256_GCM.oid, oaep(bob.certificate, digest, mask, label)
    )
    (recipient,) = layer_of(cms, bob).recipients
    assert isinstance(recipient, KeyTransRecipient)
    assert rows.rsa_padding(recipient.algorithm) == padding
    ours = body_of(
        smimekit.encrypt(ENTITY, [CertificateRecipient(bob.certificate, padding)], headers=None)
    )
    assert bouncycastle.decrypt(ours, bob) == ENTITY


def test_key_transport(bouncycastle: BouncyCastle, people: People) -> None:
    """rsa-pkcs1."""
    bob = people("bob rsa-2048")
    for by_key in (False, True):
        line = transport(bob.certificate, by_key=by_key)
        (recipient,) = layer_of(
            bouncycastle.encrypt(ENTITY, rows.AES256_CBC.oid, line), bob
        ).recipients
        assert isinstance(recipient, KeyTransRecipient)
        assert str(recipient.rid).startswith("key" if by_key else "serial")
    ours = body_of(
        smimekit.encrypt(
            ENTITY, [CertificateRecipient(bob.certificate, rows.RsaPadding())], headers=None
        )
    )
    assert bouncycastle.decrypt(ours, bob) == ENTITY


# --- key agreement -------------------------------------------------------------------------


def kinds(scheme: rows.EcdhScheme) -> tuple[str, ...]:
    """Keys that a scheme is for."""
    montgomery = scheme.kdf is rows.KdfKind.HKDF
    return ("x25519", "x448") if montgomery else ("p256", "p521", "brainpoolp384r1")


AGREEMENTS = [(scheme, kind) for scheme in SCHEMES for kind in kinds(scheme)]


@pytest.mark.parametrize("ukm", [None, UKM], ids=["", "ukm"])
@pytest.mark.parametrize("wrap", WRAPS, ids=name)
@pytest.mark.parametrize(("scheme", "kind"), AGREEMENTS, ids=name)
def test_key_agreement(
    bouncycastle: BouncyCastle,
    people: People,
    scheme: rows.EcdhScheme,
    kind: str,
    wrap: rows.KeyWrap,
    ukm: bytes | None,
) -> None:
    bob = people(f"bob {kind}")
    line = agree(bob.certificate, scheme.oid, wrap.oid, ukm)
    cms = bouncycastle.encrypt(ENTITY, rows.AES128_CBC.oid, line)
    (recipient,) = layer_of(cms, bob).recipients
    assert isinstance(recipient, KeyAgreeRecipient)
    assert (recipient.algorithm.oid, recipient.ukm) == (scheme.oid, ukm)
    if scheme.digest is rows.SHA1:  # which we do not write
        assert bouncycastle.decrypt(cms, bob) == ENTITY
        return
    agreement = Agreement(scheme=scheme, wrap=wrap, ukm=ukm)
    ours = smimekit.encrypt(
        ENTITY,
        [CertificateRecipient(bob.certificate, rows.RsaPadding(), agreement)],
        cipher=rows.AES128_CBC,
        headers=None,
    )
    assert bouncycastle.decrypt(body_of(ours), bob) == ENTITY


CURVES = [
    *zip(
        ("p256", "p384", "p521", "brainpoolp256r1", "brainpoolp384r1", "brainpoolp512r1"),
        rows.CURVES.values(),
        strict=True,
    ),
    ("x25519", rows.X25519),
    ("x448", rows.X448),
]


@pytest.mark.parametrize(("kind", "curve"), CURVES, ids=name)
def test_curves(
    bouncycastle: BouncyCastle,
    people: People,
    kind: str,
    curve: rows.Curve | rows.MontgomeryCurve,
) -> None:
    bob = people(f"bob {kind}")
    line = agree(bob.certificate, curve.agreement.oid, curve.wrap.oid)
    layer_of(bouncycastle.encrypt(ENTITY, rows.AES256_CBC.oid, line), bob)
    assert (
        bouncycastle.decrypt(body_of(smimekit.encrypt(ENTITY, [bob], headers=None)), bob) == ENTITY
    )


@pytest.mark.parametrize("kind", ["p256", "brainpoolp512r1"])
def test_key_agreement_by_key_identifier(
    bouncycastle: BouncyCastle, people: People, kind: str
) -> None:
    bob = people(f"bob {kind}")
    line = agree(bob.certificate, rows.ECDH_STD_SHA256.oid, rows.AES256_WRAP.oid, by_key=True)
    (recipient,) = layer_of(bouncycastle.encrypt(ENTITY, rows.AES256_CBC.oid, line), bob).recipients
    assert isinstance(recipient, KeyAgreeRecipient)
    assert str(recipient.keys[0].rid).startswith("key")


@pytest.mark.parametrize("kind", ["p384", "x25519", "x448"])
def test_one_agreement_for_all(bouncycastle: BouncyCastle, people: People, kind: str) -> None:
    who = [people(f"{each} {kind}") for each in ("alice", "bob", "carol")]
    key = new_content_key(rows.AES256_CBC)
    shared = agree_with_all([each.certificate for each in who], key)
    cms = enveloped_data(ENTITY, rows.AES256_CBC, key, [shared])
    for each in who:
        assert bouncycastle.decrypt(cms, each) == ENTITY


# --- what nobody should accept -------------------------------------------------------------

PLACES: dict[str, Callable[[bytes], int]] = {
    "tag": lambda cms: len(cms) - 1,
    "ciphertext": lambda cms: len(cms) - 16 - 2 - 5,
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("key", ["rsa-2048", "x448"])
@pytest.mark.parametrize("cipher", [rows.AES256_GCM, rows.CHACHA20_POLY1305], ids=name)
def test_changed(
    bouncycastle: BouncyCastle,
    people: People,
    cipher: rows.ContentCipher,
    key: str,
    place: str,
) -> None:
    bob = people(f"bob {key}")
    content_key = new_content_key(cipher)
    wrapped = CertificateRecipient(bob.certificate, rows.RsaPadding()).wrap(content_key)
    cms = enveloped_data(ENTITY, cipher, content_key, [wrapped])
    at = PLACES[place](cms)
    changed = cms[:at] + bytes([cms[at] ^ 1]) + cms[at + 1 :]
    assert bouncycastle.decrypt(cms, bob, options="auth") == ENTITY
    with pytest.raises(smimekit.DecryptionError):
        smimekit.decrypt(changed, [bob])
    with pytest.raises(Refused):
        bouncycastle.decrypt(changed, bob, options="auth")


@pytest.mark.parametrize("cipher", WITH_TAG, ids=name)
def test_changed_of_theirs(
    bouncycastle: BouncyCastle, people: People, cipher: rows.ContentCipher
) -> None:
    """The tag comes last, before the ends of five values of indefinite length."""
    bob = people("bob")
    cms = bouncycastle.encrypt(ENTITY, cipher.oid, to(bob, "p256"))
    at = len(cms.rstrip(b"\0")) - 3
    changed = cms[:at] + bytes([cms[at] ^ 1]) + cms[at + 1 :]
    with pytest.raises(smimekit.DecryptionError):
        smimekit.decrypt(changed, [bob])
    with pytest.raises(Refused):
        bouncycastle.decrypt(changed, bob, options="auth")


@pytest.mark.parametrize("key", ["p256", "x25519", "x448"])
def test_changed_wrapped_key(bouncycastle: BouncyCastle, people: People, key: str) -> None:
    bob = people(f"bob {key}")
    cms = bouncycastle.encrypt(ENTITY, rows.AES256_GCM.oid, to(bob, key))
    (recipient,) = layer_of(cms, bob).recipients
    assert isinstance(recipient, KeyAgreeRecipient)
    wrapped = recipient.keys[0].encrypted_key
    changed = cms.replace(wrapped, wrapped[:-1] + bytes([wrapped[-1] ^ 1]))
    with pytest.raises(smimekit.DecryptionError):
        smimekit.decrypt(changed, [bob])
    with pytest.raises(Refused):
        bouncycastle.decrypt(changed, bob, options="auth")


@pytest.mark.parametrize("key", KEYS)
def test_for_another_key(bouncycastle: BouncyCastle, people: People, key: str) -> None:
    bob, carol = people(f"bob {key}"), people(f"carol {key}")
    with pytest.raises(smimekit.NoMatchingKey):
        smimekit.decrypt(bouncycastle.encrypt(ENTITY, rows.AES256_CBC.oid, to(bob, key)), [carol])
    with pytest.raises(Refused, match="none of the recipients is me"):
        bouncycastle.decrypt(body_of(smimekit.encrypt(ENTITY, [bob], headers=None)), carol)
