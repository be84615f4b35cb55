"""How a content-encryption key reaches a recipient, as tables: transport, wrap, agreement, KEM.

Knows identifiers, parameters and sizes; `algorithms` is the one place to import the rows
from. May not know keys, messages or preferences, nor compute anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, final

from smimekit import der
from smimekit.algorithms.digests import (
    SHA1,
    SHA224,
    SHA256,
    SHA384,
    SHA512,
    AlgorithmIdentifier,
    Digest,
    hash_parameter,
    mgf1_parameter,
    read_hash,
    read_mgf1,
)
from smimekit.algorithms.signatures import RSA_ENCRYPTION

__all__ = [
    "AES128_WRAP",
    "AES192_WRAP",
    "AES256_WRAP",
    "CURVES",
    "ECDH_HKDF_SHA256",
    "ECDH_HKDF_SHA384",
    "ECDH_HKDF_SHA512",
    "ECDH_SCHEMES",
    "ECDH_STD_SHA256",
    "ECDH_STD_SHA384",
    "ECDH_STD_SHA512",
    "HKDF_SHA256",
    "KDF3_SHA256",
    "KEMS",
    "KEY_WRAPS",
    "ML_KEM_512",
    "ML_KEM_768",
    "ML_KEM_1024",
    "RSAES_OAEP",
    "RSA_KEM",
    "RSA_KEM_SPKI",
    "X448",
    "X25519",
    "Curve",
    "EcdhScheme",
    "KdfKind",
    "Kem",
    "KeyDerivation",
    "KeyWrap",
    "MontgomeryCurve",
    "RsaKem",
    "RsaPadding",
    "key_derivation",
    "rsa_padding",
]


# --- key transport: RFC 3370, 3560, 8017 ---------------------------------------------------

RSAES_OAEP: Final = "1.2.840.113549.1.1.7"
_PSPECIFIED: Final = "1.2.840.113549.1.1.9"


@final
@dataclass(frozen=True, slots=True)
class RsaPadding:
    """How a content-encryption key is padded for RSA: PKCS #1 v1.5, or OAEP if `digest`."""

    digest: Digest | None = None
    mgf: Digest | None = None
    label: bytes = b""

    @property
    def name(self) -> str:
        """The row's name, as on the command line."""
        return f"rsa-oaep-{self.digest.name}" if self.digest else "rsa-pkcs1"

    @property
    def identifier(self) -> AlgorithmIdentifier:
        """The keyEncryptionAlgorithm, as emitted (RFC 3370, 4.2.1; RFC 3560, 3)."""
        if self.digest is None:
            return AlgorithmIdentifier(RSA_ENCRYPTION, der.NULL_VALUE)
        return AlgorithmIdentifier(RSAES_OAEP, _oaep_parameters(self, self.digest))


_RSA_PKCS1: Final = RsaPadding()


def _oaep_parameters(padding: RsaPadding, digest: Digest) -> bytes:
    mgf = padding.mgf or digest
    parts = []
    if digest is not SHA1:  # DER leaves defaults out
        parts.append(der.explicit(0, hash_parameter(digest)))
    if mgf is not SHA1:
        parts.append(der.explicit(1, mgf1_parameter(mgf)))
    if padding.label:
        label = der.sequence(der.oid(_PSPECIFIED), der.octet_string(padding.label))
        parts.append(der.explicit(2, label))
    return der.sequence(*parts)


def rsa_padding(identifier: AlgorithmIdentifier) -> RsaPadding | None:
    """The padding that a keyEncryptionAlgorithm names; None where it is not known."""
    if identifier.oid == RSA_ENCRYPTION:
        return _RSA_PKCS1 if identifier.plain else None  # RFC 3370, 4.2.1
    if identifier.oid != RSAES_OAEP:
        return None
    if identifier.plain:
        return None  # RFC 3560, 3: they are there, and empty where all is as by default
    digest, mgf, label = SHA1, SHA1, b""  # RFC 4055, 4.1: the defaults
    inside = der.Reader(identifier.parameters or b"").enter(der.SEQUENCE)
    if inside.peek == 0xA0:
        found = read_hash(inside.enter(0xA0))
        if found is None:
            return None
        digest = found
    if inside.peek == 0xA1:
        found = read_mgf1(inside.enter(0xA1))
        if found is None:
            return None
        mgf = found
    if inside.peek == 0xA2:
        holder = inside.enter(0xA2)
        source = AlgorithmIdentifier.read(holder)
        holder.finish()
        if source.oid != _PSPECIFIED or source.parameters is None:
            return None
        label = der.Reader(source.parameters).octets()
    inside.finish()
    return RsaPadding(digest, mgf, label)


# --- key wrap: RFC 3565, RFC 3370 ----------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class KeyWrap:
    """A key-encryption algorithm."""

    name: str
    oid: str
    key_size: int
    """In bytes."""


AES128_WRAP: Final = KeyWrap("aes-128-wrap", "2.16.840.1.101.3.4.1.5", 16)
AES192_WRAP: Final = KeyWrap("aes-192-wrap", "2.16.840.1.101.3.4.1.25", 24)
AES256_WRAP: Final = KeyWrap("aes-256-wrap", "2.16.840.1.101.3.4.1.45", 32)

KEY_WRAPS: Final[Mapping[str, KeyWrap]] = MappingProxyType(
    {row.oid: row for row in (AES128_WRAP, AES192_WRAP, AES256_WRAP)}
)


# --- key agreement: RFC 5753 ---------------------------------------------------------------


class KdfKind(StrEnum):
    """How a key is derived from a shared secret."""

    X963 = "x963"
    """ANSI X9.63 (SEC 1, 3.6.1); ANSI X9.44 calls it KDF2."""
    KDF3 = "kdf3"
    """ANSI X9.44; the counter goes before the secret."""
    HKDF = "hkdf"
    """RFC 5869."""


@final
@dataclass(frozen=True, slots=True)
class EcdhScheme:
    """dhSinglePass-stdDH and -cofactorDH with a KDF (RFC 5753, 7.1.4; RFC 8418, 7)."""

    name: str
    oid: str
    digest: Digest
    kdf: KdfKind = KdfKind.X963


def _ecdh(kind: str, digest: Digest, oid: str) -> EcdhScheme:
    return EcdhScheme(f"ecdh-{kind}-{digest.name}", oid, digest)


def _hkdf(digest: Digest, oid: str) -> EcdhScheme:
    return EcdhScheme(f"ecdh-hkdf-{digest.name}", oid, digest, KdfKind.HKDF)


# The curves that we agree over have cofactor 1: the cofactor and the standard primitive
# give the same secret (SEC 1, 3.3.2).
ECDH_STD_SHA256: Final = _ecdh("std", SHA256, "1.3.132.1.11.1")
ECDH_STD_SHA384: Final = _ecdh("std", SHA384, "1.3.132.1.11.2")
ECDH_STD_SHA512: Final = _ecdh("std", SHA512, "1.3.132.1.11.3")
ECDH_HKDF_SHA256: Final = _hkdf(SHA256, "1.2.840.113549.1.9.16.3.19")
ECDH_HKDF_SHA384: Final = _hkdf(SHA384, "1.2.840.113549.1.9.16.3.20")
ECDH_HKDF_SHA512: Final = _hkdf(SHA512, "1.2.840.113549.1.9.16.3.21")

ECDH_SCHEMES: Final[Mapping[str, EcdhScheme]] = MappingProxyType(
    {
        row.oid: row
        for row in (
            ECDH_STD_SHA256,
            ECDH_STD_SHA384,
            ECDH_STD_SHA512,
            _ecdh("std", SHA1, "1.3.133.16.840.63.0.2"),
            _ecdh("std", SHA224, "1.3.132.1.11.0"),
            _ecdh("cofactor", SHA1, "1.3.133.16.840.63.0.3"),
            _ecdh("cofactor", SHA224, "1.3.132.1.14.0"),
            _ecdh("cofactor", SHA256, "1.3.132.1.14.1"),
            _ecdh("cofactor", SHA384, "1.3.132.1.14.2"),
            _ecdh("cofactor", SHA512, "1.3.132.1.14.3"),
            ECDH_HKDF_SHA256,
            ECDH_HKDF_SHA384,
            ECDH_HKDF_SHA512,
        )
    }
)


@final
@dataclass(frozen=True, slots=True)
class Curve:
    """A named curve, with what goes well with it (RFC 5753, 8; RFC 5480, 2.1.1.1)."""

    name: str
    oid: str
    pyca: str
    """The name that the primitives library gives it."""
    agreement: EcdhScheme
    wrap: KeyWrap
    digest: Digest


_AT_128: Final = (ECDH_STD_SHA256, AES128_WRAP, SHA256)
_AT_192: Final = (ECDH_STD_SHA384, AES256_WRAP, SHA384)
_AT_256: Final = (ECDH_STD_SHA512, AES256_WRAP, SHA512)
"""What goes well with a curve of this many bits of security."""

CURVES: Final[Mapping[str, Curve]] = MappingProxyType(
    {
        row.pyca: row
        for row in (
            Curve("P-256", "1.2.840.10045.3.1.7", "secp256r1", *_AT_128),
            Curve("P-384", "1.3.132.0.34", "secp384r1", *_AT_192),
            Curve("P-521", "1.3.132.0.35", "secp521r1", *_AT_256),
            # RFC 5639, 4.1. OpenSSL and BSI TR-03116 use them in S/MIME like the NIST ones.
            Curve("brainpoolP256r1", "1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1", *_AT_128),
            Curve("brainpoolP384r1", "1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1", *_AT_192),
            Curve("brainpoolP512r1", "1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1", *_AT_256),
        )
    }
)


@final
@dataclass(frozen=True, slots=True)
class MontgomeryCurve:
    """X25519 or X448 (RFC 8410, 3), with what goes well with it (RFC 8418)."""

    name: str
    oid: str
    agreement: EcdhScheme
    wrap: KeyWrap


X25519: Final = MontgomeryCurve("X25519", "1.3.101.110", ECDH_HKDF_SHA256, AES128_WRAP)
X448: Final = MontgomeryCurve("X448", "1.3.101.111", ECDH_HKDF_SHA512, AES256_WRAP)


# --- key encapsulation: RFC 9629, 9690, 9936 -----------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class Kem:
    """A key encapsulation mechanism."""

    name: str
    oid: str
    wrap: KeyWrap
    """The least that its key-encryption keys are used with."""
    supported: bool = True
    """Does the primitives library compute it?"""


ML_KEM_512: Final = Kem("ml-kem-512", "2.16.840.1.101.3.4.4.1", AES128_WRAP, supported=False)
ML_KEM_768: Final = Kem("ml-kem-768", "2.16.840.1.101.3.4.4.2", AES256_WRAP)
ML_KEM_1024: Final = Kem("ml-kem-1024", "2.16.840.1.101.3.4.4.3", AES256_WRAP)
RSA_KEM: Final = Kem("rsa-kem", "1.0.18033.2.2.4", AES128_WRAP)

KEMS: Final[Mapping[str, Kem]] = MappingProxyType(
    {row.oid: row for row in (ML_KEM_512, ML_KEM_768, ML_KEM_1024, RSA_KEM)}
)

RSA_KEM_SPKI: Final = "1.2.840.113549.1.9.16.3.14"
"""An RSA key for RSA-KEM only (RFC 9690, 2.3)."""

_KDF2: Final = "1.3.133.16.840.9.44.1.1"
_KDF3: Final = "1.3.133.16.840.9.44.1.2"
_HKDF_DIGESTS: Final[Mapping[str, Digest]] = MappingProxyType(
    {
        "1.2.840.113549.1.9.16.3.28": SHA256,  # RFC 8619, 2
        "1.2.840.113549.1.9.16.3.29": SHA384,
        "1.2.840.113549.1.9.16.3.30": SHA512,
    }
)


@final
@dataclass(frozen=True, slots=True)
class KeyDerivation:
    """How a KEM's shared secret becomes a key-encryption key (RFC 9629, 5)."""

    kind: KdfKind
    digest: Digest

    @property
    def identifier(self) -> AlgorithmIdentifier:
        """As emitted; only HKDF and KDF3 are."""
        if self.kind is KdfKind.KDF3:
            return AlgorithmIdentifier(_KDF3, hash_parameter(self.digest))
        oids = {digest: oid for oid, digest in _HKDF_DIGESTS.items()}
        return AlgorithmIdentifier(oids[self.digest])  # RFC 8619, 2: parameters absent


HKDF_SHA256: Final = KeyDerivation(KdfKind.HKDF, SHA256)
KDF3_SHA256: Final = KeyDerivation(KdfKind.KDF3, SHA256)


def key_derivation(identifier: AlgorithmIdentifier) -> KeyDerivation | None:
    """The KDF that an identifier names; None where it is not known."""
    if identifier.oid in _HKDF_DIGESTS:
        return KeyDerivation(KdfKind.HKDF, _HKDF_DIGESTS[identifier.oid])
    kind = {_KDF2: KdfKind.X963, _KDF3: KdfKind.KDF3}.get(identifier.oid)
    if kind is None or identifier.parameters is None:
        return None
    digest = read_hash(der.Reader(identifier.parameters))
    return None if digest is None else KeyDerivation(kind, digest)


@final
@dataclass(frozen=True, slots=True)
class RsaKem:
    """RSA-KEM in place of padding: KDF3 with this digest derives both keys (RFC 9690)."""

    digest: Digest = SHA256

    @property
    def name(self) -> str:
        """The row's name, as on the command line."""
        return f"rsa-kem-{self.digest.name}"
