"""Key agreement: every curve, scheme and originator, against KDFs computed by hand."""

import hashlib
import hmac
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms as asn1
from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import smimekit
from smimekit import Trust, der
from smimekit.algorithms import (
    AES128_CBC,
    AES128_WRAP,
    AES192_WRAP,
    AES256_GCM,
    AES256_WRAP,
    ECDH_SCHEMES,
    ECDH_STD_SHA256,
    SHA1,
    AlgorithmIdentifier,
    EcdhScheme,
    KdfKind,
    RsaPadding,
)
from smimekit.cms.agreement import Agreement, agree_with_all, open_agreement
from smimekit.cms.content import content_info
from smimekit.cms.derivation import unwrap_key
from smimekit.cms.enveloped import enveloped_data
from smimekit.cms.identifiers import (
    CertificateId,
    IssuerAndSerialNumber,
    SubjectKeyIdentifier,
)
from smimekit.cms.recipient_reading import read_recipients
from smimekit.cms.recipients import (
    ContentKey,
    KeyAgreeRecipient,
    OriginatorKey,
    RecipientEncryptedKey,
    UnknownRecipient,
    encode_recipients,
)
from smimekit.cms.wrapping import unwrap, wrap_for
from smimekit.errors import DecryptionError, NoMatchingKey, UsageError
from smimekit.keys import Credential, SoftwareKey, load_private_key
from smimekit.limits import Limits
from smimekit.message.layers import Encrypted
from tests.cms.forge import person, private

LIMITS = Limits()
KEY = ContentKey(bytes(range(32)))
KINDS = (
    "p256", "p384", "p521", "brainpoolp256r1", "brainpoolp384r1", "brainpoolp512r1", "x25519", "x448",
)  # fmt: skip
SCHEMES = tuple(ECDH_SCHEMES.values())


def wrapped(
    kind: str, agreement: Agreement | None = None, key: ContentKey = KEY
) -> KeyAgreeRecipient:
    found = wrap_for(person(kind).certificate, key, RsaPadding(), agreement)
    assert isinstance(found, KeyAgreeRecipient)
    return found


def opened(recipient: KeyAgreeRecipient, kind: str) -> bytes:
    return open_agreement(recipient, recipient.keys[0].encrypted_key, person(kind).key)


def reread(recipient: KeyAgreeRecipient) -> KeyAgreeRecipient:
    members = der.Reader(encode_recipients([recipient])).enter(der.SET)
    (found,) = read_recipients(members, limits=LIMITS)
    assert isinstance(found, KeyAgreeRecipient)
    return found


def behind(recipient: KeyAgreeRecipient, *path: int) -> bytes:
    """One value more, a NULL, in the last of the values with these tags, one in the other."""

    def grown(data: bytes, tags: tuple[int, ...]) -> bytes:
        reader, parts = der.Reader(data), []
        while reader.more:
            parts.append(reader.raw())
        places = [at for at, part in enumerate(parts) if tags and part[0] == tags[0]]
        if not tags:
            return b"".join((*parts, b"\x05\x00"))
        at = places[-1]
        tag, content = der.Reader(parts[at]).any()
        parts[at] = der.tlv(tag, grown(content, tags[1:]))
        return b"".join(parts)

    return grown(recipient.encode(), (0xA1, *path))


@pytest.mark.parametrize(
    "path",
    [(), (0xA0,), (0xA0, 0xA1), (0xA1,), (der.SEQUENCE, der.SEQUENCE)],
    ids=["info", "originator", "its key", "ukm", "encrypted key"],
)
def test_nothing_stands_behind_what_is_there_once(path: tuple[int, ...]) -> None:
    """X.690, 8.14: an explicit tag holds one value. Who takes the first of several originators
    reads another message than whoever takes the last (RFC 5652, 6.2.2).
    """
    whole = replace(wrapped("p256"), ukm=b"ukm")
    [same] = read_recipients(der.Reader(whole.encode()), limits=LIMITS)
    assert same == whole
    [found] = read_recipients(der.Reader(behind(whole, *path)), limits=LIMITS)
    assert found == UnknownRecipient(
        "malformed: The ASN.1 data is malformed: there is something behind the last value."
    )


@pytest.mark.parametrize("unused", [1, 7])
def test_the_key_of_an_originator_is_whole_octets(unused: int) -> None:
    """RFC 5480, 2.2: its last bit is the last of the BIT STRING. Who passes over unused bits has
    another key than who masks them, as OpenSSL does.
    """
    whole = wrapped("p256")
    assert isinstance(whole.originator, OriginatorKey)
    key = whole.originator.public_key
    odd = whole.encode().replace(der.bit_string(key), der.bit_string(key, unused))
    assert odd != whole.encode()
    [found] = read_recipients(der.Reader(odd), limits=LIMITS)
    assert isinstance(found, UnknownRecipient)


# --- by hand -------------------------------------------------------------------------------


def x963(name: str, secret: bytes, info: bytes, size: int) -> bytes:
    """SEC 1, 3.6.1."""
    out, counter = b"", 1
    while len(out) < size:
        out += hashlib.new(name, secret + counter.to_bytes(4, "big") + info).digest()
        counter += 1
    return out[:size]


def hkdf(name: str, secret: bytes, info: bytes, size: int, salt: bytes = b"") -> bytes:
    """RFC 5869, 2; without a salt, zeros."""
    salt = salt or bytes(hashlib.new(name).digest_size)
    prk = hmac.digest(salt, secret, name)
    out = block = b""
    counter = 1
    while len(out) < size:
        block = hmac.digest(prk, block + info + bytes((counter,)), name)
        out += block
        counter += 1
    return out[:size]


def shared_info(wrap: str, bits: int, ukm: bytes | None) -> bytes:
    """ECC-CMS-SharedInfo, encoded by another library."""
    parts = AlgorithmIdentifier(wrap).encode()
    if ukm is not None:
        parts += b"\xa0" + bytes((len(ukm) + 2, 4, len(ukm))) + ukm
    parts += b"\xa2\x06\x04\x04" + bits.to_bytes(4, "big")
    return b"\x30" + bytes((len(parts),)) + parts


def secret_of(kind: str, point: bytes) -> bytes:
    key: Any = private(kind)
    if kind == "x25519":
        return bytes(key.exchange(x25519.X25519PublicKey.from_public_bytes(point)))
    if kind == "x448":
        return bytes(key.exchange(x448.X448PublicKey.from_public_bytes(point)))
    public = ec.EllipticCurvePublicKey.from_encoded_point(key.curve, point)
    return bytes(key.exchange(ec.ECDH(), public))


@pytest.mark.parametrize("ukm", [None, b"some user keying material"])
@pytest.mark.parametrize("wrap", [AES128_WRAP, AES192_WRAP, AES256_WRAP], ids=lambda row: row.name)
@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda row: row.name)
@pytest.mark.parametrize("kind", ["p256", "x448"])
def test_the_key_encryption_key(
    kind: str, scheme: EcdhScheme, wrap: Any, ukm: bytes | None
) -> None:
    if scheme.digest is SHA1 or (kind == "x448" and "cofactor" in scheme.name):
        return  # not written: see below
    found = wrapped(kind, Agreement(scheme=scheme, wrap=wrap, ukm=ukm))
    assert isinstance(found.originator, OriginatorKey)
    secret = secret_of(kind, found.originator.public_key)
    info = shared_info(wrap.oid, wrap.key_size * 8, ukm)
    if scheme.kdf is KdfKind.HKDF:
        kek = hkdf(scheme.digest.name, secret, info, wrap.key_size, ukm or b"")
    else:
        kek = x963(scheme.digest.name, secret, info, wrap.key_size)
    assert aes_key_unwrap(kek, found.keys[0].encrypted_key) == KEY.octets
    assert opened(reread(found), kind) == KEY.octets


# --- both ways -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_curve(kind: str) -> None:
    bob = person(kind, "bob@example.org")
    message = smimekit.encrypt(b"To: bob@example.org\r\n\r\nhello", [bob], cipher=AES256_GCM)
    with smimekit.open(message, keys=[bob], trust=Trust()) as found:
        (layer,) = found.envelope
        assert isinstance(layer, Encrypted)
        assert layer.content is not None
        assert layer.content.bytes().endswith(b"hello")
        assert layer.opened_with == bob.certificate


@pytest.mark.parametrize("kind", KINDS)
def test_what_goes_well_with_a_curve(kind: str) -> None:
    small = wrapped(kind, key=ContentKey(bytes(16)))
    size = 16 if kind in {"p256", "brainpoolp256r1", "x25519"} else 32
    assert (
        small.algorithm.parameters
        == AlgorithmIdentifier({16: AES128_WRAP, 32: AES256_WRAP}[size].oid).encode()
    )
    hashed = {"x25519": "hkdf-sha256", "x448": "hkdf-sha512"}.get(kind) or {
        "256": "std-sha256", "384": "std-sha384", "521": "std-sha512", "512": "std-sha512",
    }[kind.removesuffix("r1")[-3:]]  # fmt: skip
    assert ECDH_SCHEMES[small.algorithm.oid].name == f"ecdh-{hashed}"


@pytest.mark.parametrize(
    ("kind", "oid"),
    [("p256", "1.2.840.10045.2.1"), ("x25519", "1.3.101.110"), ("x448", "1.3.101.111")],
)
def test_as_another_library_reads_it(kind: str, oid: str) -> None:
    found = wrapped(kind, Agreement(ukm=b"ukm"))
    theirs = asn1.RecipientInfo.load(found.encode())
    inside = theirs.chosen
    assert inside["version"].native == "v3"
    originator = inside["originator"].chosen
    assert originator["algorithm"]["algorithm"].dotted == oid
    assert originator["algorithm"].dump() == der.sequence(der.oid(oid))
    assert inside["ukm"].native == b"ukm"
    assert inside["key_encryption_algorithm"]["algorithm"].dotted == found.algorithm.oid
    (one,) = inside["recipient_encrypted_keys"]
    assert one["encrypted_key"].native == found.keys[0].encrypted_key
    assert theirs.dump(force=True) == found.encode()


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda row: row.name)
def test_sha1_is_not_written(scheme: EcdhScheme) -> None:
    if scheme.digest is SHA1:
        with pytest.raises(UsageError, match="no longer written"):
            wrapped("p256", Agreement(scheme=scheme))
    else:
        assert opened(wrapped("p256", Agreement(scheme=scheme)), "p256") == KEY.octets


def test_no_cofactor_scheme_for_montgomery_curves() -> None:
    scheme = ECDH_SCHEMES["1.3.132.1.14.1"]
    with pytest.raises(UsageError, match="not for X25519"):
        wrapped("x25519", Agreement(scheme=scheme))


# --- several recipients --------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["p256", "brainpoolp384r1", "x25519"])
def test_many_recipients_share_one_agreement(kind: str) -> None:
    people = [person(kind, f"{name}@example.org") for name in ("alice", "bob", "carol")]
    shared = agree_with_all([each.certificate for each in people], KEY)
    assert len(shared.keys) == 3
    assert len({one.encrypted_key for one in shared.keys}) == 3
    for each in people:
        found = unwrap([reread(shared)], each.certificate, each.key, size=32, attempts=4)
        assert found.octets == KEY.octets
    stranger = person(kind, "mallory@example.org")
    with pytest.raises(NoMatchingKey):
        unwrap([shared], stranger.certificate, stranger.key, size=32, attempts=4)


@pytest.mark.parametrize("kinds", [(), ("p256", "p384"), ("p256", "x25519"), ("rsa-2048",)])
def test_one_agreement_has_one_curve(kinds: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="one and the same curve"):
        agree_with_all([person(kind).certificate for kind in kinds], KEY)


# --- static originators --------------------------------------------------------------------


def static(
    kind: str, originator: CertificateId, sender: Credential, receiver: Credential
) -> KeyAgreeRecipient:
    """The key, wrapped by a sender with a static key: ECDH of two certificates."""
    secret = sender.key.exchange(receiver.certificate.public_key)
    wrap = AlgorithmIdentifier(AES256_WRAP.oid).encode()
    kek = x963("sha256", secret, shared_info(AES256_WRAP.oid, 256, b"ukm"), 32)
    rid = IssuerAndSerialNumber.of(receiver.certificate)
    keys = (RecipientEncryptedKey(rid, aes_key_wrap(kek, KEY.octets)),)
    algorithm = AlgorithmIdentifier(ECDH_STD_SHA256.oid, wrap)
    return KeyAgreeRecipient(originator, b"ukm", algorithm, keys)


def with_originator_info(cms: bytes, *certificates: bytes) -> bytes:
    """The same EnvelopedData with an originatorInfo in its place."""
    content = der.Reader(cms).enter(der.SEQUENCE)
    oid = content.oid()
    inside = content.enter(0xA0).enter(der.SEQUENCE)
    version, rest = inside.raw(), inside.rest()
    info = der.constructed(0, der.set_of(certificates, 0xA0)) if certificates else b"\xa0\x00"
    return content_info(oid, der.sequence(version, info, rest))


@pytest.mark.parametrize("kind", ["p256", "brainpoolp512r1", "x25519", "x448"])
@pytest.mark.parametrize("form", [IssuerAndSerialNumber, SubjectKeyIdentifier])
def test_static_originators(kind: str, form: Any) -> None:
    alice, bob = person(kind), person(kind, "bob@example.org")
    recipient = static(kind, form.of(alice.certificate), alice, bob)
    cms = enveloped_data(b"content", AES256_GCM, KEY, [recipient])
    mallory = person("p384", "mallory@example.org").certificate.der

    def failure(message: bytes) -> object:
        with smimekit.open(message, keys=[bob], trust=Trust()) as found:
            (layer,) = found.envelope
            assert isinstance(layer, Encrypted)
            assert layer.content is None or layer.content.bytes() == b"content"
            return layer.failure

    other = b"\xa3\x03\x02\x01\x00"  # a certificate of a format that is not X.509
    assert failure(with_originator_info(cms, mallory, alice.certificate.der, other)) is None
    for absent in (cms, with_originator_info(cms), with_originator_info(cms, mallory)):
        assert isinstance(failure(absent), DecryptionError)


def test_a_static_key_on_another_curve() -> None:
    alice, bob = person("p384"), person("p256", "bob@example.org")
    named = IssuerAndSerialNumber.of(alice.certificate)
    recipient = replace(wrapped("p256"), originator=named, sender=alice.certificate)
    with pytest.raises(DecryptionError):
        open_agreement(recipient, recipient.keys[0].encrypted_key, bob.key)


def test_originator_certificates_are_counted() -> None:
    alice, bob = person(), person("p256", "bob@example.org")
    recipient = static("p256", IssuerAndSerialNumber.of(alice.certificate), alice, bob)
    cms = enveloped_data(b"content", AES256_GCM, KEY, [recipient])
    policy = replace(smimekit.Policy.INTEROP, limits=Limits(certificates=3))
    flood = with_originator_info(cms, *(bytes((0x30, 1, at)) for at in range(4)))
    with pytest.raises(smimekit.LimitExceeded):
        smimekit.open(flood, keys=[bob], trust=Trust(), policy=policy)


# --- what does not open --------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_another_key(kind: str) -> None:
    found = wrapped(kind)
    other = person(kind, "mallory@example.org")
    with pytest.raises(DecryptionError):
        open_agreement(found, found.keys[0].encrypted_key, other.key)


@pytest.mark.parametrize("kind", ["p256", "x25519"])
def test_a_changed_recipient(kind: str) -> None:
    found = wrapped(kind, Agreement(ukm=b"ukm"))
    encrypted = bytearray(found.keys[0].encrypted_key)
    encrypted[3] ^= 1
    null = AlgorithmIdentifier(AES256_WRAP.oid, der.NULL_VALUE).encode()
    changed = [
        replace(found, ukm=b"ukn"),
        replace(found, ukm=None),
        replace(found, keys=(replace(found.keys[0], encrypted_key=bytes(encrypted)),)),
        replace(found, keys=(replace(found.keys[0], encrypted_key=bytes(encrypted[:-1])),)),
        replace(found, keys=(replace(found.keys[0], encrypted_key=b""),)),
        replace(found, algorithm=replace(found.algorithm, oid="1.3.132.1.11.2")),
        replace(found, algorithm=replace(found.algorithm, oid="1.2.3")),
        replace(found, algorithm=replace(found.algorithm, parameters=None)),
        replace(found, algorithm=replace(found.algorithm, parameters=null)),
        replace(found, algorithm=replace(found.algorithm, parameters=b"\x30\x03\x06\x01\x2a")),
    ]
    assert opened(found, kind) == KEY.octets
    for each in changed:
        with pytest.raises(DecryptionError):
            opened(each, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("point", [b"", b"\x04", b"\x04" + bytes(64), bytes(32), bytes(56), b"\0"])
def test_no_point_of_the_curve(kind: str, point: bytes) -> None:
    """Another length, or zeros: with X25519 and X448 the secret would be all zeros."""
    found = wrapped(kind)
    assert isinstance(found.originator, OriginatorKey)
    with pytest.raises(DecryptionError):
        opened(replace(found, originator=replace(found.originator, public_key=point)), kind)


def test_a_point_on_another_curve() -> None:
    found = wrapped("p256")
    other = ec.generate_private_key(ec.BrainpoolP256R1()).public_key()
    point = other.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    originator = OriginatorKey(AlgorithmIdentifier("1.2.840.10045.2.1"), point)
    with pytest.raises(DecryptionError):
        opened(replace(found, originator=originator), "p256")


@pytest.mark.parametrize("kind", ["p256", "x25519", "x448"])
@pytest.mark.parametrize("oid", ["1.2.840.10045.2.65", "1.3.132.1.12", "1.2.840.113549.1.1.1"])
def test_an_originator_of_another_kind(kind: str, oid: str) -> None:
    """RFC 5753, 3.1.1: the key says id-ecPublicKey; RFC 8418, 2: or the OID of its curve."""
    found = wrapped(kind)
    assert isinstance(found.originator, OriginatorKey)
    other = replace(found.originator, algorithm=AlgorithmIdentifier(oid))
    with pytest.raises(DecryptionError):
        opened(replace(found, originator=other), kind)


@pytest.mark.parametrize(
    "parameters", [der.oid("1.3.132.0.34"), der.oid("1.2.840.10045.2.1"), der.sequence()]
)
@pytest.mark.parametrize("kind", ["p256", "x25519"])
def test_an_originator_that_names_another_curve(kind: str, parameters: bytes) -> None:
    """RFC 5753, 3.1.1: the recipient's, or none."""
    found = wrapped(kind)
    assert isinstance(found.originator, OriginatorKey)
    named = replace(found.originator.algorithm, parameters=parameters)
    with pytest.raises(DecryptionError):
        opened(replace(found, originator=replace(found.originator, algorithm=named)), kind)


class AnyCurve:
    """A private key that does not compare curves: its secret would tell about itself."""

    public_key = person("p256").key.public_key

    def exchange(self, _: object) -> bytes:
        return bytes(range(32))


def test_a_static_key_on_another_curve_reaches_no_private_key() -> None:
    alice = person("p384")
    info = shared_info(AES256_WRAP.oid, 256, None)
    kek = x963("sha256", bytes(range(32)), info, 32)
    named = IssuerAndSerialNumber.of(alice.certificate)
    encrypted = aes_key_wrap(kek, KEY.octets)
    key: Any = AnyCurve()
    good = replace(wrapped("p256"), originator=named, sender=person("p256").certificate)
    assert open_agreement(good, encrypted, key) == KEY.octets
    with pytest.raises(DecryptionError):
        open_agreement(replace(good, sender=alice.certificate), encrypted, key)


class ZeroKey:
    """A private key, on a token perhaps, that does not look at the secret (RFC 8418, 2)."""

    def __init__(self, kind: str) -> None:
        self.public_key = person(kind).key.public_key

    def exchange(self, _: object) -> bytes:
        return bytes(32)


@pytest.mark.parametrize("kind", ["x25519", "x448"])
def test_an_all_zero_secret(kind: str) -> None:
    found = wrapped(kind)
    scheme = ECDH_SCHEMES[found.algorithm.oid]
    info = shared_info(AES256_WRAP.oid, 256, None)
    kek = hkdf(scheme.digest.name, bytes(32), info, 32)
    encrypted = aes_key_wrap(kek, KEY.octets)
    assert unwrap_key(kek, encrypted) == KEY.octets
    key: Any = ZeroKey(kind)
    with pytest.raises(DecryptionError):
        open_agreement(found, encrypted, key)


def test_an_all_zero_secret_is_not_sent_either() -> None:
    """A certificate whose X25519 key is a point of small order."""
    weak: Any = x25519.X25519PublicKey.from_public_bytes(bytes(32))
    certificate: Any = person("x25519").certificate
    broken = type(certificate)(certificate.der)
    broken.__dict__["public_key"] = weak
    with pytest.raises(smimekit.CertificateError):
        wrap_for(broken, KEY, RsaPadding())


def test_keys_of_another_kind() -> None:
    found = wrapped("x25519")
    for kind in ("rsa-2048", "p256", "x448", "ml-kem-768"):
        with pytest.raises(DecryptionError):
            open_agreement(found, found.keys[0].encrypted_key, person(kind).key)


def test_a_failure_says_nothing() -> None:
    """From outside, a changed key and changed content look the same: random keys."""
    alice = person("x25519")
    found = wrapped("x25519", key=ContentKey(bytes(16)))
    changed = replace(found, keys=(replace(found.keys[0], encrypted_key=bytes(24)),))
    one = unwrap([changed], alice.certificate, alice.key, size=16, attempts=4)
    two = unwrap([changed], alice.certificate, alice.key, size=16, attempts=4)
    assert one.octets != two.octets
    assert len(one.octets) == 16


# --- RFC 9216 ------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "files"), [("carlos", ("19", "20")), ("dana", ("24", "25"))])
def test_rfc9216(vectors: Path, who: str, files: tuple[str, str]) -> None:
    """X25519 keys and certificates of the RFC's sample people."""
    folder = vectors / "rfc_pem" / "rfc9216"
    certificate, key = (next(folder.glob(f"{number}-*.pem")).read_bytes() for number in files)
    credential = Credential.from_pem(certificate, key)
    assert credential.certificate.key_name == "X25519"
    message = smimekit.encrypt(b"To: x@example.org\r\n\r\nhello", [credential], cipher=AES128_CBC)
    assert b"hello" in smimekit.decrypt(message, [credential]).bytes()
    assert f"{who}@smime.example" in credential.addresses


def test_x448_key_file() -> None:
    peer = x448.X448PrivateKey.generate().public_key()
    key = SoftwareKey(x448.X448PrivateKey.generate())
    assert load_private_key(key.pkcs8()).exchange(peer) == key.exchange(peer)
