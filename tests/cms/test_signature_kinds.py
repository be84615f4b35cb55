"""Every kind of signature, made and checked: RFC 4056, 5753, 5754, 8419, 8702, 9688, 9882."""

import base64
import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms as asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from smimekit import Certificate, Credential, der, primitives
from smimekit.algorithms import (
    EC_PUBLIC_KEY,
    ED448,
    ED25519,
    ML_DSA_44,
    ML_DSA_65,
    ML_DSA_87,
    READ_ONLY_SCHEMES,
    RSASSA_PSS,
    SHA1,
    SHA256,
    SHA384,
    SHA512,
    SHAKE128,
    SHAKE256,
    SHAKE256_LEN,
    SIGNATURE_SCHEMES,
    AlgorithmIdentifier,
    Digest,
    RsaPadding,
    SignatureKind,
    SignatureScheme,
    digest_row,
    signature_scheme,
)
from smimekit.cms.attributes import AlgorithmProtection
from smimekit.cms.content import DATA
from smimekit.cms.signer import Integrity, check_signer
from smimekit.errors import CmsError, UsageError
from smimekit.policy import Grade, Policy
from smimekit.pss_shake import encoding_matches, shake_mask, verify_pss_shake
from smimekit.testing import FakeCA
from smimekit.trust.paths import signature_matches
from tests.cms.forge import with_key_algorithm
from tests.cms.signing import CONTENT, bare, check, info, message, of, person, read, read_message

PURE = {
    "ed25519": ED25519,
    "ed448": ED448,
    "ml-dsa-44": ML_DSA_44,
    "ml-dsa-65": ML_DSA_65,
    "ml-dsa-87": ML_DSA_87,
}
KEYS = (
    "rsa-2048",
    "p256",
    "p384",
    "p521",
    "brainpoolp256r1",
    "brainpoolp384r1",
    "brainpoolp512r1",
    *PURE,
)


def native(cms: bytes) -> Any:
    """The SignerInfo as asn1crypto sees it; what it reads, it writes to the same octets."""
    parsed = asn1.ContentInfo.load(cms, strict=True)
    assert parsed.dump(force=True) == cms
    return parsed["content"]["signer_infos"][0]


# --- what we write -------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
def test_signed_and_checked(key: str) -> None:
    who = person(key)
    signer = info(who)
    found = check(signer, who)
    assert found.integrity is Integrity.GOOD
    assert found.scheme == Policy.INTEROP.scheme_for(who.certificate.public_key)
    assert check(signer, who, CONTENT + b".").integrity is Integrity.CONTENT_CHANGED
    data, digests, content = read_message(message(signer))
    assert content == CONTENT
    assert data.signers == (read(signer),)
    assert digests.value(found.scheme.digest) == primitives.digest(found.scheme.digest, CONTENT)


@pytest.mark.parametrize("key", KEYS)
def test_signed_without_attributes(key: str) -> None:
    """RFC 5652, 5.4; RFC 8419, 3.2; RFC 9882, 3.2: the content itself is signed."""
    who = person(key)
    signer = bare(who)
    assert read(signer).signed_attributes is None
    assert check(signer, who).integrity is Integrity.GOOD
    assert check(signer, who, CONTENT + b".").integrity is Integrity.BAD_SIGNATURE
    assert read_message(message(signer))[0].signers == (read(signer),)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("make", [info, bare])
def test_another_key_does_not_verify(key: str, make: Any) -> None:
    other = person(key, "mallory@evil.example")
    # The first check is on the certificate that the attributes name; bare ones name none.
    wanted = Integrity.MALFORMED if make is info else Integrity.BAD_SIGNATURE
    assert check(make(other), person(key)).integrity is wanted


@pytest.mark.parametrize("key", KEYS)
def test_asn1crypto_reads_what_we_write(key: str) -> None:
    who = person(key)
    signer = info(who)
    theirs = native(message(signer))
    mine = read(signer)
    assert theirs["signature"].native == mine.signature
    assert theirs["digest_algorithm"].dump() == mine.digest_algorithm.encode()
    assert theirs["signature_algorithm"].dump() == mine.signature_algorithm.encode()
    assert theirs["sid"].chosen["serial_number"].native == who.certificate.serial
    attributes = {each["type"].dotted: each for each in theirs["signed_attrs"]}
    assert mine.signed_attributes is not None
    assert set(attributes) == {oid for oid, _ in mine.signed_attributes.entries}
    digest = mine.signed_attributes.message_digest
    assert attributes["1.2.840.113549.1.9.4"]["values"][0].native == digest


def test_ed448_as_written() -> None:
    """RFC 8419, 3.1: id-shake256-len with 512; 3.2: id-shake256, without parameters."""
    with_attributes, without = read(info(person("ed448"))), read(bare(person("ed448")))
    assert with_attributes.digest_algorithm == AlgorithmIdentifier(
        "2.16.840.1.101.3.4.2.18", der.integer(512)
    )
    assert without.digest_algorithm == AlgorithmIdentifier("2.16.840.1.101.3.4.2.12")
    for each in (with_attributes, without):
        assert each.signature_algorithm == AlgorithmIdentifier("1.3.101.113")
    assert with_attributes.signed_attributes is not None
    assert len(with_attributes.signed_attributes.message_digest or b"") == 64


@pytest.mark.parametrize("key", ["ml-dsa-44", "ml-dsa-65", "ml-dsa-87"])
def test_ml_dsa_as_written(key: str) -> None:
    """RFC 9882, 3.3: SHA-512, both parameters absent."""
    for signer in (read(info(person(key))), read(bare(person(key)))):
        assert signer.digest_algorithm == SHA512.identifier
        assert signer.signature_algorithm == AlgorithmIdentifier(PURE[key].oid)


@pytest.mark.parametrize("key", ["ed448", "ml-dsa-65"])
def test_kinds_do_not_mix(key: str) -> None:
    with pytest.raises(UsageError):
        person(key).key.sign(b"", ED25519)
    with pytest.raises(UsageError):
        person("ed25519").key.sign(b"", PURE[key])
    signature = person(key).key.sign(CONTENT, PURE[key])
    for scheme in (*SIGNATURE_SCHEMES, *READ_ONLY_SCHEMES):
        public = person(key).key.public_key
        assert primitives.verify(public, scheme, signature, CONTENT) is (scheme is PURE[key])


# --- ML-DSA: RFC 9881, RFC 9882 ------------------------------------------------------------


def vector(vectors: Path, folder: str, number: int) -> bytes:
    (path,) = (vectors / "rfc_pem" / folder).glob(f"{number:02}-*")
    return path.read_bytes()


def pem_body(text: bytes) -> bytes:
    return base64.b64decode(b"".join(text.split(b"\n")[1:-2]))


@pytest.mark.parametrize("number, name", [(1, "ML-DSA-44"), (2, "ML-DSA-65"), (3, "ML-DSA-87")])
def test_rfc9882_examples(vectors: Path, number: int, name: str) -> None:
    certificate = Certificate.from_pem(vector(vectors, "rfc9881", 12 + number))
    assert certificate.key_name == name
    assert certificate.signed_by(certificate)
    data, digests, content = read_message(pem_body(vector(vectors, "rfc9882", number)))
    assert content == f"{name} signed-data example with signed attributes".encode()
    (signer,) = data.signers
    assert signer.sid.matches(certificate)
    found = check_signer(signer, certificate, data.content_type, digests)
    assert found.integrity is Integrity.GOOD
    assert found.scheme == PURE[name.lower()]
    changed = replace(signer, signature=signer.signature[:-1] + b"\xff")
    again = check_signer(changed, certificate, data.content_type, digests)
    assert again.integrity is Integrity.BAD_SIGNATURE


def test_rfc9881_certificates_are_told_apart(vectors: Path) -> None:
    """All three have one name and one serial number: only the signature tells."""
    found = [Certificate.from_pem(vector(vectors, "rfc9881", number)) for number in (13, 14, 15)]
    for one in found:
        assert [one.signed_by(other) for other in found] == [one is other for other in found]


def test_digest_of_bare_ml_dsa_is_ignored() -> None:
    """RFC 9882, 3.3: without signed attributes it MUST be ignored, whatever it is."""
    who = person("ml-dsa-44")
    signer = bare(who).replace(
        SHA512.identifier.encode(), der.sequence(der.oid("2.16.840.1.101.3.4.2.99"))
    )
    assert read(signer).digest_algorithm.oid == "2.16.840.1.101.3.4.2.99"
    found = check(signer, who)
    assert (found.integrity, found.scheme) == (Integrity.GOOD, ML_DSA_44)


def test_digest_of_ml_dsa_with_attributes_counts() -> None:
    who = person("ml-dsa-44")
    found = check(info(who, scheme=replace(ML_DSA_44, digest=SHAKE256)), who)
    assert (found.integrity, found.scheme and found.scheme.digest) == (Integrity.GOOD, SHAKE256)
    unknown = info(who).replace(
        SHA512.identifier.encode(), der.sequence(der.oid("2.16.840.1.101.3.4.2.99"))
    )
    assert check(unknown, who).integrity is Integrity.UNSUPPORTED
    weak = check(info(who, scheme=replace(ML_DSA_44, digest=SHA1)), who)
    assert weak.integrity is Integrity.GOOD
    assert weak.scheme is not None
    graded = Policy.INTEROP.signature(weak.scheme, who.certificate.public_key)
    assert graded.grade is Grade.REFUSED


@pytest.mark.parametrize("scheme", PURE.values(), ids=lambda row: row.name)
def test_pure_schemes_have_no_parameters(scheme: SignatureScheme) -> None:
    """RFC 8419, 2.4; RFC 9882, 3.3: absent. NULL is read, since it says nothing."""
    assert signature_scheme(AlgorithmIdentifier(scheme.oid, b"\x05\x00"), SHA256) is not None
    with pytest.raises(CmsError) as caught:
        signature_scheme(AlgorithmIdentifier(scheme.oid, der.octet_string(b"context")), SHA256)
    assert caught.value.code == "cms.signature-parameters"


@pytest.mark.parametrize("key", ["ed448", "ml-dsa-44"])
def test_certificates_of_such_authorities(key: str) -> None:
    issuer = FakeCA("Modern CA", key=key)
    someone = issuer.person("bob@example.org").certificate
    assert someone.signed_by(issuer.certificate)
    assert not someone.signed_by(FakeCA("Modern CA", key=key).certificate)
    assert not someone.signed_by(person().certificate)


def test_an_authority_with_a_key_for_pss_issues_with_nothing_else() -> None:
    """RFC 4055, 1.2: such a key is limited to RSASSA-PSS, in certificates, too."""
    issuer = FakeCA("RSA CA", key="rsa-2048")
    leaf = issuer.person("bob@example.org").certificate
    assert leaf.signature_algorithm == "1.2.840.113549.1.1.11"
    restricted = with_key_algorithm(issuer.certificate, AlgorithmIdentifier(RSASSA_PSS))
    assert restricted.public_key == issuer.certificate.public_key
    for verified in (Certificate.signed_by, signature_matches):
        assert verified(leaf, issuer.certificate)
        assert not verified(leaf, restricted)


@pytest.mark.parametrize(
    "oid", ["1.2.840.113549.1.1.7", "1.2.840.113549.1.9.16.3.14"], ids=["oaep", "rsa-kem"]
)
def test_a_key_for_key_transport_signs_nothing(oid: str) -> None:
    """RFC 4055, 1.2; RFC 9690, 2.3: such a key is limited to that use."""
    who = person("rsa-2048")
    restricted = with_key_algorithm(who.certificate, AlgorithmIdentifier(oid))
    assert restricted.public_key == who.certificate.public_key
    for signer in (bare(who), bare(replace(who, key=ForeignKey(who)))):
        found = check_signer(read(signer), who.certificate, DATA, of(CONTENT))
        assert found.integrity is Integrity.GOOD
        found = check_signer(read(signer), restricted, DATA, of(CONTENT))
        assert found.integrity is Integrity.BAD_SIGNATURE
        assert "restricted" in (found.reason or "")
    with pytest.raises(UsageError):
        _ = Credential(who.key, restricted).signing


# --- digests -------------------------------------------------------------------------------


def test_shake_digests() -> None:
    """NIST's values for the empty message, cut to 32 and 64 bytes (RFC 8702, 3.1)."""
    assert primitives.digest(SHAKE128, b"").hex() == (
        "7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26"
    )
    for row in (SHAKE256, SHAKE256_LEN):
        assert primitives.digest(row, b"").hex() == (
            "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f"
            "d75dc4ddd8c0f200cb05019d67b592f6fc821c49479ab48640292eacb3b7c4be"
        )


def test_shake_length_is_read() -> None:
    oid = SHAKE256_LEN.oid
    assert digest_row(SHAKE256_LEN.identifier) is SHAKE256_LEN
    assert digest_row(AlgorithmIdentifier(oid, der.integer(256))) is None
    assert digest_row(AlgorithmIdentifier("1.2.3")) is None
    for parameters in (None, b"\x05\x00", der.integer(512) + b"\x00"):
        with pytest.raises(CmsError):
            digest_row(AlgorithmIdentifier(oid, parameters))


def test_digest_without_its_length_is_no_good_signature() -> None:
    who = person("ed448")
    signer = replace(read(info(who)), digest_algorithm=AlgorithmIdentifier(SHAKE256_LEN.oid))
    found = check_signer(signer, who.certificate, DATA, of(CONTENT))
    assert found.integrity is Integrity.MALFORMED
    assert "how long" in (found.reason or "")


def test_algorithm_protection_has_one_of_signature_and_mac() -> None:
    """RFC 6211, 2: exactly one of signatureAlgorithm and macAlgorithm."""
    signature = ED25519.identifier.encode()
    inside = der.Reader(signature).read(der.SEQUENCE)
    parts = (SHA512.identifier.encode(), der.constructed(1, inside))
    assert AlgorithmProtection.read(der.sequence(*parts)).signature == ED25519.identifier
    with pytest.raises(CmsError):
        AlgorithmProtection.read(der.sequence(*parts, der.constructed(2, inside)))


# --- what we only read ---------------------------------------------------------------------


class ForeignKey:
    """A key that signs with what `primitives.sign` does not, or by another name."""

    def __init__(self, who: Credential) -> None:
        self._key = who.key._key  # type: ignore[attr-defined]  # a SoftwareKey's own
        self.public_key = who.key.public_key

    def decrypt(self, ciphertext: bytes, padding: RsaPadding) -> bytes:
        raise AssertionError

    def exchange(self, peer: primitives.PublicKey) -> bytes:
        raise AssertionError

    def decapsulate(self, ciphertext: bytes) -> bytes:
        raise AssertionError

    def sign(self, data: bytes, scheme: SignatureScheme) -> bytes:
        key, digest = self._key, primitives.digest(scheme.digest, data)
        if scheme.kind is SignatureKind.RSA_PSS_SHAKE:
            return sign_pss_shake(key, digest)
        hashed = Prehashed(primitives.hash_algorithm(scheme.digest))
        if scheme.kind is SignatureKind.ECDSA:
            signature: bytes = key.sign(digest, ec.ECDSA(hashed))
        elif scheme.kind is SignatureKind.RSA_PSS:
            assert scheme.mgf is not None
            assert scheme.salt is not None
            mask = padding.MGF1(primitives.hash_algorithm(scheme.mgf))
            signature = key.sign(digest, padding.PSS(mask, scheme.salt), hashed)
        else:
            signature = key.sign(digest, padding.PKCS1v15(), hashed)
        return signature


def sign_pss_shake(key: rsa.RSAPrivateKey, digest: bytes, salt: bytes | None = None) -> bytes:
    """EMSA-PSS-ENCODE (RFC 8017, 9.1.1) with RFC 8702's functions, and RSASP1."""
    shake = {32: hashlib.shake_128, 64: hashlib.shake_256}[len(digest)]
    bits, size = key.key_size - 1, len(digest)
    salt = b"s" * size if salt is None else salt
    length = -(-bits // 8)
    found = shake(bytes(8) + digest + salt).digest(size)
    block = bytes(length - size - len(salt) - 2) + b"\x01" + salt
    masked = bytearray(a ^ b for a, b in zip(block, shake(found).digest(len(block)), strict=True))
    masked[0] &= 0xFF >> (8 * length - bits)
    encoded = int.from_bytes(bytes(masked) + found + b"\xbc", "big")
    numbers = key.private_numbers()
    n = numbers.public_numbers.n
    return pow(encoded, numbers.d, n).to_bytes(key.key_size // 8, "big")


def foreign(key: str, scheme: SignatureScheme) -> tuple[bytes, Credential]:
    who = person(key)
    return info(replace(who, key=ForeignKey(who)), scheme=scheme), who


FOREIGN = [
    row
    for row in READ_ONLY_SCHEMES
    if row.kind in {SignatureKind.ECDSA, SignatureKind.RSA_PKCS1, SignatureKind.RSA_PSS_SHAKE}
]


@pytest.mark.parametrize("scheme", FOREIGN, ids=lambda row: f"{row.name}-{row.oid}")
def test_read_only_schemes(scheme: SignatureScheme) -> None:
    signer, who = foreign("p256" if scheme.kind is SignatureKind.ECDSA else "rsa-2048", scheme)
    found = check(signer, who)
    assert (found.integrity, found.scheme) == (Integrity.GOOD, scheme)
    at = signer.rindex(read(signer).signature) + 30
    damaged = signer[:at] + bytes((signer[at] ^ 1,)) + signer[at + 1 :]
    assert check(damaged, who).integrity is Integrity.BAD_SIGNATURE
    graded = Policy.INTEROP.signature(scheme, who.certificate.public_key).grade
    assert graded is (Grade.REFUSED if scheme.digest.strength < 112 else Grade.GOOD)


@pytest.mark.parametrize("salt", [0, 1, 20, 32, 100, 222])
@pytest.mark.parametrize("mgf", [SHA1, SHA256, SHA512], ids=lambda row: row.name)
def test_pss_with_any_salt_and_mask(salt: int, mgf: Digest) -> None:
    scheme = SignatureScheme(SignatureKind.RSA_PSS, SHA256, RSASSA_PSS, mgf, salt)
    signer, who = foreign("rsa-2048", scheme)
    found = check(signer, who)
    assert (found.integrity, found.scheme) == (Integrity.GOOD, scheme)
    other = replace(scheme, salt=salt + 1).identifier
    claimed = replace(read(signer), signature_algorithm=other, signed_attributes=None)
    assert not primitives.verify(
        who.certificate.public_key, replace(scheme, salt=salt + 1), claimed.signature, CONTENT
    )


def test_pss_with_another_digest_than_the_content() -> None:
    """RFC 8933, 3 and RFC 4056, 3: one digest for the content and the signed attributes."""
    scheme = SignatureScheme(SignatureKind.RSA_PSS, SHA256, RSASSA_PSS, SHA256, 32)
    with pytest.raises(CmsError) as caught:
        signature_scheme(scheme.identifier, SHA384)
    assert caught.value.code == "cms.digest-mismatch"
    signer = info(person("rsa-2048"), scheme=scheme)
    mixed = signer.replace(SHA256.identifier.encode(), SHA384.identifier.encode(), 1)
    found = check(mixed, person("rsa-2048"))
    assert found.integrity is Integrity.MALFORMED
    assert "another digest" in (found.reason or "")


@pytest.mark.parametrize(
    "row",
    [row for row in (*SIGNATURE_SCHEMES, *READ_ONLY_SCHEMES) if not row.kind.pure],
    ids=lambda row: f"{row.name}-{row.oid}",
)
def test_the_digest_of_a_scheme_is_that_of_the_content(row: SignatureScheme) -> None:
    """RFC 8933, 3: digestAlgorithm is the one inside the signature; no row is an exception."""
    assert signature_scheme(row.identifier, row.digest) == row
    other = SHA512 if row.digest is not SHA512 else SHA256
    with pytest.raises(CmsError) as caught:
        signature_scheme(row.identifier, other)
    assert caught.value.code == "cms.digest-mismatch"


# Common and wrong: the key's own OID, with or without the curve; X9.62's with a parameter.
P256 = der.oid("1.2.840.10045.3.1.7")


@pytest.mark.parametrize("key", ["p256", "p384", "brainpoolp256r1", "brainpoolp512r1"])
@pytest.mark.parametrize(
    "identifier",
    [
        AlgorithmIdentifier(EC_PUBLIC_KEY),
        AlgorithmIdentifier(EC_PUBLIC_KEY, P256),
        AlgorithmIdentifier("1.2.840.10045.4.3", SHA256.identifier.encode()),
        AlgorithmIdentifier("1.2.840.10045.4.3.2", b"\x05\x00"),
    ],
    ids=["key", "key-curve", "specified", "null"],
)
def test_ecdsa_by_wrong_names(key: str, identifier: AlgorithmIdentifier) -> None:
    scheme = signature_scheme(identifier, SHA256)
    assert scheme is not None
    who = person(key)
    signature = who.key.sign(CONTENT, replace(scheme, oid="1.2.840.10045.4.3.2"))
    assert primitives.verify(who.key.public_key, scheme, signature, CONTENT)
    assert not primitives.verify(who.key.public_key, scheme, signature, CONTENT + b".")


def test_ecdsa_specified_without_a_digest() -> None:
    unknown = AlgorithmIdentifier("1.2.840.10045.4.3", der.sequence(der.oid("1.2.3")))
    assert signature_scheme(unknown, SHA256) is None
    for parameters in (None, b"\x05\x00"):
        with pytest.raises(CmsError):
            signature_scheme(AlgorithmIdentifier("1.2.840.10045.4.3", parameters), SHA256)


def test_ecdsa_specified_with_another_digest() -> None:
    identifier = AlgorithmIdentifier("1.2.840.10045.4.3", SHA384.identifier.encode())
    with pytest.raises(CmsError):
        signature_scheme(identifier, SHA256)


@pytest.mark.parametrize(
    "key, digest",
    [
        ("p256", SHA256),
        ("p384", SHA384),
        ("p521", SHA512),
        ("brainpoolp256r1", SHA256),
        ("brainpoolp384r1", SHA384),
        ("brainpoolp512r1", SHA512),
    ],
)
def test_the_curve_chooses_the_digest(key: str, digest: Digest) -> None:
    """RFC 5753, 8: as strong as the curve."""
    scheme = Policy.INTEROP.scheme_for(person(key).certificate.public_key)
    assert (scheme.kind, scheme.digest) == (SignatureKind.ECDSA, digest)


@pytest.mark.parametrize("digest", ["SHA1", "SHA224", "SHA256", "SHA384", "SHA512"])
def test_dsa_is_verified_and_graded(digest: str) -> None:
    key = dsa_key()
    (row,) = [
        row
        for row in READ_ONLY_SCHEMES
        if row.kind is SignatureKind.DSA and row.digest.name == digest.lower()
    ]
    signature = key.sign(CONTENT, getattr(hashes, digest)())
    assert primitives.verify(key.public_key(), row, signature, CONTENT)
    assert not primitives.verify(key.public_key(), row, signature, CONTENT + b".")
    assert Policy.INTEROP.signature(row, key.public_key()).grade is Grade.REFUSED
    assert Policy.LEGACY_READ.signature(row, key.public_key()).grade is Grade.WEAK
    with pytest.raises(UsageError):
        primitives.sign(key, row, CONTENT)


@cache
def dsa_key() -> dsa.DSAPrivateKey:
    return dsa.generate_private_key(1024)  # noqa: S505 - any would do, and this one is quick


# --- PSS with SHAKE ------------------------------------------------------------------------


def mgf1(seed: bytes, length: int) -> bytes:
    """RFC 8017, B.2.1, with SHA-256."""
    blocks = (
        hashlib.sha256(seed + at.to_bytes(4, "big")).digest() for at in range(-(-length // 32))
    )
    return b"".join(blocks)[:length]


@pytest.mark.parametrize("bits", [1024, 1025, 1031, 2048])
def test_our_decoding_agrees_with_the_library(bits: int) -> None:
    """With MGF1 and SHA-256 the same steps take what `cryptography` signed, and nothing else."""
    key = rsa_key(bits)
    digest = hashlib.sha256(CONTENT).digest()
    signature = key.sign(CONTENT, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    numbers = key.public_key().public_numbers()
    length = -(-(bits - 1) // 8)
    opened = pow(int.from_bytes(signature, "big"), numbers.e, numbers.n)
    encoded = opened.to_bytes(length, "big")

    def sha256(data: bytes) -> bytes:
        return hashlib.sha256(data).digest()

    assert encoding_matches(encoded, bits - 1, digest, sha256, mgf1)
    assert not encoding_matches(encoded, bits - 1, sha256(b"other"), sha256, mgf1)
    assert not encoding_matches(encoded, bits - 1, digest, sha256, shake_mask(32))
    for at in range(length):
        changed = bytearray(encoded)
        changed[at] ^= 0x80
        assert not encoding_matches(bytes(changed), bits - 1, digest, sha256, mgf1)


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@pytest.mark.parametrize("row", [SHAKE128, SHAKE256], ids=lambda row: row.name)
def test_pss_shake_verifies_and_refuses(row: Digest) -> None:
    key = rsa_key(2048)
    numbers = key.public_key().public_numbers()
    digest = primitives.digest(row, CONTENT)
    good = sign_pss_shake(key, digest)
    assert verify_pss_shake(numbers.n, numbers.e, good, digest)
    assert not verify_pss_shake(numbers.n, numbers.e, good, primitives.digest(row, b"other"))
    assert not verify_pss_shake(numbers.n, numbers.e, good[1:], digest)
    assert not verify_pss_shake(numbers.n, numbers.e, b"\x00" + good, digest)
    assert not verify_pss_shake(numbers.n, numbers.e, b"\xff" * 256, digest)
    assert not verify_pss_shake(numbers.n, numbers.e, good, digest, largest=2047)
    assert not verify_pss_shake(numbers.n, numbers.e + (1 << 64), good, digest)
    # RFC 8702, 3.2.1: the salt is as long as the digest.
    shorter = sign_pss_shake(key, digest, b"s" * (row.size - 1))
    assert not verify_pss_shake(numbers.n, numbers.e, shorter, digest)
    beyond = (int.from_bytes(good, "big") + numbers.n).to_bytes(257, "big")
    assert not verify_pss_shake(numbers.n, numbers.e, beyond[-256:], digest)
