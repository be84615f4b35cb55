"""KEMRecipientInfo: ML-KEM and RSA-KEM, against the RFCs' examples and KDFs by hand."""

import base64
import hashlib
import hmac
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms as asn1
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import smimekit
from smimekit import Certificate, CmsError, Trust, der
from smimekit.algorithms import (
    AES128_CBC,
    AES128_WRAP,
    AES192_WRAP,
    AES256_GCM,
    AES256_WRAP,
    HKDF_SHA256,
    KDF3_SHA256,
    KEMS,
    ML_KEM_512,
    ML_KEM_1024,
    RSA_KEM,
    RSA_KEM_SPKI,
    RSAES_OAEP,
    SHA1,
    SHA256,
    SHA384,
    SHA512,
    AlgorithmIdentifier,
    KdfKind,
    KeyDerivation,
    RsaKem,
    RsaPadding,
    key_derivation,
    rsa_padding,
)
from smimekit.cms.content import enter_content
from smimekit.cms.derivation import derive, unwrap_key
from smimekit.cms.enveloped import EnvelopedReader, enveloped_data
from smimekit.cms.kem import open_kem
from smimekit.cms.recipient_reading import read_recipients
from smimekit.cms.recipients import (
    ContentKey,
    KemRecipient,
    KeyTransRecipient,
    UnknownRecipient,
    algorithm_name,
)
from smimekit.cms.wrapping import can_encrypt_to, unwrap, wrap_for
from smimekit.errors import DecryptionError, UsageError
from smimekit.keys import CertificateRecipient, load_private_key
from smimekit.limits import Limits
from smimekit.message.layers import Encrypted
from smimekit.primitives import load_public_key
from smimekit.rsa_kem import rsa_decapsulate, rsa_encapsulate
from tests.cms.forge import Sink, ber, person, rsa_key
from tests.test_certificate import put, rebuild

LIMITS = Limits()
KEY = ContentKey(bytes(range(16)))
LONG = ContentKey(bytes(range(32)))
ML_KEMS = ("ml-kem-768", "ml-kem-1024")


def wrapped(kind: str, key: ContentKey = KEY, digest: Any = SHA256) -> KemRecipient:
    found = wrap_for(person(kind).certificate, key, RsaKem(digest))
    assert isinstance(found, KemRecipient)
    return found


def reread(encoded: bytes) -> Any:
    (found,) = read_recipients(der.Reader(encoded), limits=LIMITS)
    return found


# --- KDFs by hand --------------------------------------------------------------------------


def kdf3(name: str, secret: bytes, info: bytes, size: int) -> bytes:
    """ANSI X9.44: the counter, from 1, before the secret."""
    blocks = (
        hashlib.new(name, at.to_bytes(4, "big") + secret + info).digest() for at in range(1, 9)
    )
    return b"".join(blocks)[:size]


def kdf2(name: str, secret: bytes, info: bytes, size: int) -> bytes:
    blocks = (
        hashlib.new(name, secret + at.to_bytes(4, "big") + info).digest() for at in range(1, 9)
    )
    return b"".join(blocks)[:size]


def hkdf(name: str, secret: bytes, info: bytes, size: int) -> bytes:
    prk = hmac.digest(bytes(hashlib.new(name).digest_size), secret, name)
    return hmac.digest(prk, info + b"\x01", name)[:size]


def other_info(wrap: str, size: int, ukm: bytes | None = None) -> bytes:
    """CMSORIforKEMOtherInfo (RFC 9629, 5)."""
    tail = b"" if ukm is None else b"\xa0" + bytes((len(ukm) + 2, 4, len(ukm))) + ukm
    body = AlgorithmIdentifier(wrap).encode() + b"\x02\x01" + bytes((size,)) + tail
    return b"\x30" + bytes((len(body),)) + body


@pytest.mark.parametrize("digest", [SHA1, SHA256, SHA384, SHA512], ids=lambda row: row.name)
@pytest.mark.parametrize("size", [16, 24, 32, 100])
def test_kdfs(digest: Any, size: int) -> None:
    secret, info = b"a secret", b"some info"
    for kind, by_hand in ((KdfKind.KDF3, kdf3), (KdfKind.X963, kdf2)):
        found = derive(kind, digest, secret, size, info)
        assert found == by_hand(digest.name, secret, info, size)
    if size <= digest.size:
        found = derive(KdfKind.HKDF, digest, secret, size, info)
        assert found == hkdf(digest.name, secret, info, size)


# --- ML-KEM --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ML_KEMS)
@pytest.mark.parametrize("key", [KEY, LONG], ids=["128", "256"])
def test_ml_kem(kind: str, key: ContentKey) -> None:
    """RFC 9936, 2.1: HKDF with SHA-256 and AES-256 wrap."""
    found = reread(wrapped(kind, key).encode())
    assert isinstance(found, KemRecipient)
    assert found.kem == AlgorithmIdentifier({row.name: row for row in KEMS.values()}[kind].oid)
    assert found.derivation == AlgorithmIdentifier("1.2.840.113549.1.9.16.3.28")
    assert (found.kek_size, found.wrap) == (32, AlgorithmIdentifier(AES256_WRAP.oid))
    alice = person(kind)
    secret = alice.key.decapsulate(found.ciphertext)
    kek = hkdf("sha256", secret, other_info(AES256_WRAP.oid, 32), 32)
    assert aes_key_unwrap(kek, found.encrypted_key) == key.octets
    assert open_kem(found, alice.key) == key.octets


@pytest.mark.parametrize("kind", ML_KEMS)
@pytest.mark.parametrize("cipher", [AES128_CBC, AES256_GCM], ids=lambda row: row.name)
def test_ml_kem_message(kind: str, cipher: Any) -> None:
    bob = person(kind, "bob@example.org")
    assert can_encrypt_to(bob.certificate)
    mail = smimekit.encrypt(b"Subject: x\r\n\r\nhello", [bob, person("p256")], cipher=cipher)
    assert b"hello" in smimekit.decrypt(mail, [bob]).bytes()
    assert b"hello" in smimekit.decrypt(mail, [person("p256")]).bytes()
    mallory = person(kind, "mallory@example.org")
    with pytest.raises(smimekit.NoMatchingKey):
        smimekit.decrypt(mail, [mallory])


def test_the_version() -> None:
    """RFC 5652, 6.1: 3 with an ori."""
    cms = enveloped_data(b"x", AES128_CBC, KEY, [wrapped("ml-kem-768")])
    theirs = asn1.ContentInfo.load(cms)["content"]
    assert theirs["version"].native == "v3"
    (recipient,) = theirs["recipient_infos"]
    assert recipient.name == "ori"
    assert recipient.chosen["ori_type"].dotted == "1.2.840.113549.1.9.16.13.3"
    sealed = enveloped_data(b"x", AES256_GCM, LONG, [wrapped("ml-kem-768", LONG)])
    assert asn1.ContentInfo.load(sealed)["content"]["version"].native == "v0"


def test_ukm_goes_into_the_kdf() -> None:
    alice, found = person("ml-kem-768"), wrapped("ml-kem-768")
    secret = alice.key.decapsulate(found.ciphertext)
    kek = hkdf("sha256", secret, other_info(AES256_WRAP.oid, 32, b"ukm"), 32)
    theirs = replace(found, ukm=b"ukm", encrypted_key=aes_key_wrap(kek, KEY.octets))
    assert open_kem(reread(theirs.encode()), alice.key) == KEY.octets
    for ukm in (None, b"", b"ukn"):
        with pytest.raises(DecryptionError):
            open_kem(replace(theirs, ukm=ukm), alice.key)


@pytest.mark.parametrize("kind", [*ML_KEMS, "rsa-2048"])
def test_a_changed_recipient(kind: str) -> None:
    found = wrapped(kind)
    alice = person(kind)
    assert open_kem(found, alice.key) == KEY.octets

    def flipped(data: bytes, at: int) -> bytes:
        return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]

    other = AlgorithmIdentifier(AES192_WRAP.oid)
    changed = {
        "ciphertext": replace(found, ciphertext=flipped(found.ciphertext, 40)),
        "short": replace(found, ciphertext=found.ciphertext[:-1]),
        "long": replace(found, ciphertext=found.ciphertext + b"\0"),
        "none": replace(found, ciphertext=b""),
        "wrapped key": replace(found, encrypted_key=flipped(found.encrypted_key, 5)),
        "cut": replace(found, encrypted_key=found.encrypted_key[:-8]),
        "size": replace(found, kek_size=found.kek_size - 1),
        "wrap": replace(found, wrap=other),
        "wrap and size": replace(found, wrap=other, kek_size=24),
        "wrap with NULL": replace(found, wrap=replace(found.wrap, parameters=der.NULL_VALUE)),
        "no wrap": replace(found, wrap=AlgorithmIdentifier("1.2.3")),
        "kdf": replace(found, derivation=AlgorithmIdentifier("1.2.840.113549.1.9.16.3.29")),
        "no kdf": replace(found, derivation=AlgorithmIdentifier("1.2.3")),
        "kem": replace(found, kem=AlgorithmIdentifier(ML_KEM_512.oid)),
        "no kem": replace(found, kem=AlgorithmIdentifier("1.2.3")),
    }
    for what, each in changed.items():
        with pytest.raises(DecryptionError):
            open_kem(each, alice.key)
        key = unwrap([each], alice.certificate, alice.key, size=16, attempts=2)
        assert len(key.octets) == 16, what
        assert key.octets != KEY.octets, what


def test_another_key() -> None:
    """ML-KEM rejects implicitly: another secret, and no error of its own."""
    found = wrapped("ml-kem-768")
    for who in (
        person("ml-kem-768", "bob@example.org"),
        person("ml-kem-1024"),
        person("rsa-2048"),
        person("p256"),
    ):
        with pytest.raises(DecryptionError):
            open_kem(found, who.key)
    crossed = replace(found, kem=AlgorithmIdentifier(ML_KEM_1024.oid))
    with pytest.raises(DecryptionError):
        open_kem(crossed, person("ml-kem-768").key)


# --- the structure -------------------------------------------------------------------------


def inside_of(found: KemRecipient) -> bytes:
    """The KEMRecipientInfo itself."""
    other = der.Reader(found.encode()).enter(0xA4)
    other.oid()
    return other.raw()


@pytest.mark.parametrize("kind", [*ML_KEMS, "rsa-2048"])
def test_a_bare_one_is_refused(kind: str) -> None:
    """RFC 9629, 3: it stands in an OtherRecipientInfo."""
    with pytest.raises(CmsError) as caught:
        reread(inside_of(wrapped(kind)))
    assert caught.value.code == "cms.bare-kem-recipient"


def test_another_version_is_another_thing() -> None:
    inside = inside_of(wrapped("ml-kem-768"))
    newer = inside.replace(b"\x02\x01\x00", b"\x02\x01\x01", 1)
    encoded = der.constructed(4, der.oid("1.2.840.113549.1.9.16.13.3"), newer)
    assert reread(encoded) == UnknownRecipient("KEMRecipientInfo of version 1")


@pytest.mark.parametrize(
    "value", [der.sequence(), der.NULL_VALUE, b"", der.sequence(der.integer(0))]
)
def test_a_malformed_one(value: bytes) -> None:
    found = reread(der.constructed(4, der.oid("1.2.840.113549.1.9.16.13.3"), value))
    assert isinstance(found, UnknownRecipient)
    assert found.kind.startswith("malformed: ")


def test_names() -> None:
    found = wrapped("ml-kem-768")
    assert algorithm_name(found) == "ml-kem-768"
    unsupported = replace(found, kem=AlgorithmIdentifier(ML_KEM_512.oid))
    assert algorithm_name(unsupported) == "ml-kem-512 (not supported)"
    assert algorithm_name(replace(found, kem=AlgorithmIdentifier("1.2.3"))) == "KEM 1.2.3"


# --- RFC 9936 ------------------------------------------------------------------------------


SECRET = "7DF12D412AE299A24FDE6D7C3BB8E3194C80AD3C733DCF2775E09FE8BEDB86D8"  # noqa: S105 - the RFC's


def test_rfc9936(vectors: Path) -> None:
    """Appendix C is about ml-kem-512: its structure, and its steps behind the secret.

    Those of ml-kem-768 and ml-kem-1024 are the same.
    """
    path = next((vectors / "rfc_pem" / "rfc9936").glob("02-*.pem"))
    body = b"".join(path.read_bytes().split(b"-----")[2].split())
    reader = ber(base64.b64decode(body))
    envelope = EnvelopedReader(reader, enter_content(reader), limits=LIMITS)
    (found,) = envelope.recipients
    assert isinstance(found, KemRecipient)
    assert algorithm_name(found) == "ml-kem-512 (not supported)"
    assert len(found.ciphertext) == 768
    assert str(found.rid) == "key 599788c37aed400ee405d1b2a3366ab17d824a51"
    assert key_derivation(found.derivation) == HKDF_SHA256
    assert (found.wrap.oid, found.kek_size) == (AES128_WRAP.oid, 16)
    info = other_info(AES128_WRAP.oid, 16)
    assert info.hex() == "3010300b0609608648016503040105020110"
    kek = derive(KdfKind.HKDF, SHA256, bytes.fromhex(SECRET), 16, info)
    assert kek.hex() == "cf453a3e2bae0a78701b8206c185a008"
    key = unwrap_key(kek, found.encrypted_key)
    assert key.hex() == "c5153005588269a0a59f3c01943fdd56"
    sink = Sink()
    envelope.decrypt(ContentKey(key), smimekit.Policy.INTEROP, sink)
    assert bytes(sink.data) == b"Hello, world!"


# --- RSA-KEM -------------------------------------------------------------------------------

BOB_MESSAGE = """
MIICXAYJKoZIhvcNAQcDoIICTTCCAkkCAQMxggIEpIICAAYLKoZIhvcNAQkQDQMw
ggHvAgEAgBSe62fJuVp01E0vFjlmgOgBtcuknDAJBgcogYxxAgIEBIIBgMBx/Cc6
+Oe9sVLga/czEDYQdBVKQ6vPPJPBNJnSBlNEPu2e9dPAaF5Kp2poVIFbuXaR/5+N
rBXup9dPRSvzUKZGFj1oKI6XjL96cwie5ScS+aT0ngas57vIWrFNTjNsl8VyiiZU
E4x7JuiDXGsKn77SZJXE6t90Wikzvig/aoixZpX8BmZoc8+202cY7zN2zvwQDDlB
88SUlEB4MlgHpVkYa5XMq/NxTPr3n4O9MFN/3ZrtWkzcvYvQSG+u1z6dSGswh9bI
BlRrbiZxV1yYRh5EH2VUK9ld4m0PU6ZOeEjXMdlgjQU+jTRVRmAthiNv/jcEyYrV
kUTzCJ5ebVJ7VJe6EDx51i6A0CNUELBvcafZvRw4AA+RDWMS6i8go1V1Na0Bswk/
tffuUHCA0Pd9SMnDs3lva33TeGCF+4lRI/BMofHBviLHR6jfrOMjcPsNVweD4n27
fnT8qU7jlnb949ipVT2HgiRzbjfhkdq5U8fiKMB61coxIkIcFN69ByqatjAbBgor
gQUQhkgJLAECMA0GCWCGSAFlAwQCAQUAAgEQMAsGCWCGSAFlAwQBBQQYKHguXT15
SnYWuGP7z8cZt48S3gjPKG4JMDwGCSqGSIb3DQEHATAdBglghkgBZQMEAQIEEEgM
yv66vvrO263eyviId4GAEMbKZdt73Xaw834vq2Jktm0=
"""


def test_rfc9690(vectors: Path) -> None:
    """rsa-kem: Appendix D, to the end."""
    path = next((vectors / "rfc_pem" / "rfc9690").glob("02-*.pem"))
    key = load_private_key(path.read_bytes())
    reader = ber(base64.b64decode(BOB_MESSAGE))
    envelope = EnvelopedReader(reader, enter_content(reader), limits=LIMITS)
    (found,) = envelope.recipients
    assert isinstance(found, KemRecipient)
    assert str(found.rid) == "key 9eeb67c9b95a74d44d2f16396680e801b5cba49c"
    integer = key.decapsulate(found.ciphertext)
    assert integer.hex().startswith("9c126102a5c1c0354672a3c2f19fc9ddea988f815e1da812c7bd4f8e")
    assert integer.hex().endswith("47fe51acf940c7e7577eb79cabecb3")
    secret = derive(KDF3_SHA256.kind, SHA256, integer, 16, b"")
    assert secret.hex() == "3cf82ec41b54ed4d37402bbd8f805a52"
    info = other_info(AES128_WRAP.oid, 16)
    assert (
        derive(KdfKind.KDF3, SHA256, secret, 16, info).hex() == "e6dc9d62ff2b469bef604c617b018718"
    )
    octets = open_kem(found, key)
    assert octets.hex() == "77f2a84640304be7bd42670a84a1258b"
    sink = Sink()
    envelope.decrypt(ContentKey(octets), smimekit.Policy.INTEROP, sink)
    assert bytes(sink.data) == b"Hello, world!"


@pytest.mark.parametrize("digest", [SHA256, SHA384, SHA512], ids=lambda row: row.name)
@pytest.mark.parametrize(("key", "size"), [(KEY, 16), (LONG, 32)], ids=["128", "256"])
def test_rsa_kem(digest: Any, key: ContentKey, size: int) -> None:
    found = reread(wrapped("rsa-2048", key, digest).encode())
    assert found.kem == AlgorithmIdentifier(RSA_KEM.oid)
    assert key_derivation(found.derivation) == KeyDerivation(KdfKind.KDF3, digest)
    assert found.kek_size == size
    numbers = rsa_key().private_numbers()
    opened = pow(int.from_bytes(found.ciphertext, "big"), numbers.d, numbers.public_numbers.n)
    secret = kdf3("sha256", opened.to_bytes(256, "big"), b"", size)
    kek = kdf3(digest.name, secret, other_info(found.wrap.oid, size), size)
    assert aes_key_unwrap(kek, found.encrypted_key) == key.octets
    assert open_kem(found, person("rsa-2048").key) == key.octets


def test_rsa_kem_message() -> None:
    alice = person("rsa-2048")
    to = CertificateRecipient(alice.certificate, RsaKem())
    mail = smimekit.encrypt(b"Subject: x\r\n\r\nhello", [to])
    assert b"hello" in smimekit.decrypt(mail, [alice]).bytes()


def test_rsa_kem_parameters() -> None:
    """RsaKemParameters name a KDF and the size of its secret (RFC 9690, 2.4)."""
    alice, found = person("rsa-2048"), wrapped("rsa-2048")

    def said(derivation: AlgorithmIdentifier, size: int) -> KemRecipient:
        parameters = der.sequence(derivation.encode(), der.integer(size))
        return replace(found, kem=AlgorithmIdentifier(RSA_KEM.oid, parameters))

    assert open_kem(said(KDF3_SHA256.identifier, 16), alice.key) == KEY.octets
    null = AlgorithmIdentifier(RSA_KEM.oid, der.NULL_VALUE)
    assert open_kem(replace(found, kem=null), alice.key) == KEY.octets
    for each in (
        said(KDF3_SHA256.identifier, 32),  # A.1: the length of the key-encryption key
        said(KDF3_SHA256.identifier, 0),
        said(KeyDerivation(KdfKind.KDF3, SHA384).identifier, 16),
        said(AlgorithmIdentifier("1.2.3"), 16),
    ):
        with pytest.raises(DecryptionError):
            open_kem(each, alice.key)


def test_sizes_that_contradict_the_wrap() -> None:
    """RFC 9629, 3 and RFC 9690, A.1: they are confirmed, though all else would fit."""
    alice, found = person("rsa-2048"), wrapped("rsa-2048")
    integer = alice.key.decapsulate(found.ciphertext)

    def sent(secret: int, kek: int) -> KemRecipient:
        shared = kdf3("sha256", integer, b"", secret)
        key = kdf3("sha256", shared, other_info(found.wrap.oid, kek), kek)
        parameters = der.sequence(KDF3_SHA256.identifier.encode(), der.integer(secret))
        kem = AlgorithmIdentifier(RSA_KEM.oid, parameters)
        encrypted = aes_key_wrap(key, KEY.octets)
        return replace(found, kem=kem, kek_size=kek, encrypted_key=encrypted)

    assert open_kem(sent(16, 16), alice.key) == KEY.octets
    for secret, kek in ((32, 16), (16, 32), (32, 32)):
        with pytest.raises(DecryptionError):
            open_kem(sent(secret, kek), alice.key)


@pytest.mark.parametrize("bits", [2048, 2050])
def test_rsa_decapsulation(bits: int) -> None:
    key = rsa_key() if bits == 2048 else rsa.generate_private_key(65537, bits)
    n = key.public_key().public_numbers().n
    size = (n.bit_length() + 7) // 8
    secret, ciphertext = rsa_encapsulate(key.public_key())
    assert rsa_decapsulate(key, ciphertext) == secret
    assert len(secret) == len(ciphertext) == size
    assert rsa_decapsulate(key, (1).to_bytes(size, "big")) == (1).to_bytes(size, "big")
    bad = (
        bytes(size), n.to_bytes(size, "big"), b"\xff" * size,
        ciphertext[:-1], ciphertext + b"\0", b"\0" + ciphertext, b"",
    )  # fmt: skip
    for each in bad:
        with pytest.raises(DecryptionError):
            rsa_decapsulate(key, each)


def test_a_faulty_computation_gives_nothing_away() -> None:
    """With one wrong prime exponent, result and modulus would give the factors."""
    key = rsa_key()
    _, ciphertext = rsa_encapsulate(key.public_key())
    numbers: Any = key.private_numbers()

    class Faulty:
        def private_numbers(self) -> Any:
            class Numbers:
                p, q, iqmp = numbers.p, numbers.q, numbers.iqmp
                dmp1, dmq1 = numbers.dmp1 ^ 2, numbers.dmq1
                public_numbers = numbers.public_numbers

            return Numbers

    faulty: Any = Faulty()
    with pytest.raises(DecryptionError):
        rsa_decapsulate(faulty, ciphertext)


# --- certificates that restrict an RSA key ---------------------------------------------------


def restricted(oid: str, parameters: bytes | None = None) -> Certificate:
    """Alice's RSA certificate with another algorithm for its key."""
    public = rsa_key().public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    algorithm = AlgorithmIdentifier(oid, parameters).encode()
    return Certificate(rebuild(put(6, der.sequence(algorithm, der.bit_string(public)))))


def hybrid(digest: Any, size: int, wrap: str, kem: str = RSA_KEM.oid) -> bytes:
    """GenericHybridParameters (RFC 9690, 2.4)."""
    kdf = KeyDerivation(KdfKind.KDF3, digest).identifier.encode()
    inside = AlgorithmIdentifier(kem, der.sequence(kdf, der.integer(size))).encode()
    return der.sequence(inside, AlgorithmIdentifier(wrap).encode())


@pytest.mark.parametrize(
    ("parameters", "digest", "size"),
    [
        (None, SHA256, 16),
        (hybrid(SHA256, 16, AES128_WRAP.oid), SHA256, 16),
        (hybrid(SHA384, 24, AES192_WRAP.oid), SHA384, 24),
        (hybrid(SHA512, 32, AES256_WRAP.oid), SHA512, 32),
    ],
)
def test_a_key_for_rsa_kem_only(parameters: bytes | None, digest: Any, size: int) -> None:
    """RFC 9690, 2.3: it is used whatever the caller says, with what the certificate says."""
    certificate = restricted(RSA_KEM_SPKI, parameters)
    assert can_encrypt_to(certificate)
    found = wrap_for(certificate, KEY, RsaPadding())
    assert isinstance(found, KemRecipient)
    assert key_derivation(found.derivation) == KeyDerivation(KdfKind.KDF3, digest)
    assert found.kek_size == size
    key = unwrap([found], certificate, person("rsa-2048").key, size=16, attempts=1)
    assert key.octets == KEY.octets


@pytest.mark.parametrize(
    "parameters",
    [
        hybrid(SHA256, 16, AES256_WRAP.oid),
        hybrid(SHA256, 16, "1.2.3"),
        hybrid(SHA256, 16, AES128_WRAP.oid, "1.2.3"),
    ],
)
def test_a_key_for_an_unknown_rsa_kem(parameters: bytes) -> None:
    with pytest.raises(UsageError, match="wants RSA-KEM"):
        wrap_for(restricted(RSA_KEM_SPKI, parameters), KEY, RsaPadding())


OAEP_256 = RsaPadding(SHA256, SHA256).identifier.parameters
OAEP_MIXED = RsaPadding(SHA256, SHA1, b"label").identifier.parameters


@pytest.mark.parametrize(
    ("parameters", "asked", "used"),
    [
        (None, RsaPadding(), RsaPadding(SHA1, SHA1)),
        (der.NULL_VALUE, RsaPadding(SHA512, SHA512), RsaPadding(SHA512, SHA512)),
        (der.sequence(), RsaPadding(SHA256, SHA256), RsaPadding(SHA1, SHA1)),
        (OAEP_256, RsaPadding(), RsaPadding(SHA256, SHA256)),
        (OAEP_MIXED, RsaPadding(SHA512, SHA512), RsaPadding(SHA256, SHA1, b"label")),
    ],
)
def test_a_key_for_oaep_only(parameters: bytes | None, asked: RsaPadding, used: RsaPadding) -> None:
    """RFC 4055, 4: what the certificate says is used; where it says nothing, any OAEP."""
    certificate = restricted(RSAES_OAEP, parameters)
    assert certificate.key_name == "RSA-2048"
    found = wrap_for(certificate, KEY, asked)
    assert isinstance(found, KeyTransRecipient)
    assert rsa_padding(found.algorithm) == used
    key = unwrap([found], certificate, person("rsa-2048").key, size=16, attempts=1)
    assert key.octets == KEY.octets


def test_a_key_for_an_unknown_oaep() -> None:
    unknown = der.sequence(der.explicit(0, AlgorithmIdentifier("1.2.3").encode()))
    with pytest.raises(UsageError, match="wants OAEP"):
        wrap_for(restricted(RSAES_OAEP, unknown), KEY, RsaPadding())


def test_restricted_keys_are_rsa_keys() -> None:
    """What they are for is what `key_algorithm` says."""
    spki = restricted(RSAES_OAEP).spki
    assert isinstance(load_public_key(spki), rsa.RSAPublicKey)
    assert restricted(RSA_KEM_SPKI).key_algorithm == RSA_KEM_SPKI


def test_failures_look_alike() -> None:
    """From outside: one DecryptionError, without a cause."""
    bob = person("ml-kem-768")
    found = wrapped("ml-kem-768", LONG)
    other = replace(found, encrypted_key=bytes(40))
    for recipient in (other, replace(found, ciphertext=b""), replace(found, kek_size=1)):
        cms = enveloped_data(b"x", AES256_GCM, LONG, [recipient])
        with smimekit.open(cms, keys=[bob], trust=Trust()) as opened:
            (layer,) = opened.envelope
            assert isinstance(layer, Encrypted)
            failure = layer.failure
        assert isinstance(failure, DecryptionError)
        assert (failure.__cause__, failure.__context__) == (None, None)
        assert str(failure) == "The message could not be decrypted."
