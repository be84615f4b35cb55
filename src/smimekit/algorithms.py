"""The algorithms as tables: a row says what an identifier means and what we do with it.

The one place to import rows from. Those for encryption are made here, the others in
`digests` and `signature_schemes`; nowhere else are there algorithm OIDs. Knows identifiers,
parameters and sizes; may not know keys, messages or which algorithm anybody prefers
(`policy` does), nor compute anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, final

from smimekit import der
from smimekit.digests import (
    DIGEST_BY_OID,
    DIGESTS,
    MD5,
    MGF1,
    SHA1,
    SHA3_224,
    SHA3_256,
    SHA3_384,
    SHA3_512,
    SHA224,
    SHA256,
    SHA384,
    SHA512,
    SHAKE128,
    SHAKE256,
    SHAKE256_LEN,
    AlgorithmIdentifier,
    Digest,
    digest_row,
    hash_parameter,
    mgf1_parameter,
    read_hash,
    read_mgf1,
)
from smimekit.signature_schemes import (
    EC_PUBLIC_KEY,
    ECDSA_SHA256,
    ECDSA_SHA384,
    ECDSA_SHA512,
    ED448,
    ED25519,
    ML_DSA_44,
    ML_DSA_65,
    ML_DSA_87,
    READ_ONLY_SCHEMES,
    RSA_ENCRYPTION,
    RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512,
    RSA_PSS_SHA256,
    RSA_PSS_SHA384,
    RSA_PSS_SHA512,
    RSASSA_PSS,
    SIGNATURE_SCHEMES,
    SignatureKind,
    SignatureScheme,
    certificate_scheme,
    ecdsa,
    key_allows,
    key_scheme,
    pure_scheme,
    signature_scheme,
)

__all__ = [
    "AES128_CBC",
    "AES128_GCM",
    "AES128_WRAP",
    "AES192_CBC",
    "AES192_GCM",
    "AES192_WRAP",
    "AES256_CBC",
    "AES256_GCM",
    "AES256_WRAP",
    "CONTENT_CIPHERS",
    "CURVES",
    "DES_EDE3_CBC",
    "DIGESTS",
    "DIGEST_BY_OID",
    "ECDH_SCHEMES",
    "ECDSA_SHA256",
    "ECDSA_SHA384",
    "ECDSA_SHA512",
    "EC_PUBLIC_KEY",
    "ED448",
    "ED25519",
    "HMACS",
    "HMAC_SHA256",
    "KEY_WRAPS",
    "MD5",
    "MGF1",
    "ML_DSA_44",
    "ML_DSA_65",
    "ML_DSA_87",
    "PASSWORD_CIPHERS",
    "PBES2",
    "PBKDF2",
    "PBMAC1",
    "RC2_CBC",
    "READ_ONLY_SCHEMES",
    "RSAES_OAEP",
    "RSASSA_PSS",
    "RSA_ENCRYPTION",
    "RSA_PKCS1_SHA256",
    "RSA_PKCS1_SHA384",
    "RSA_PKCS1_SHA512",
    "RSA_PSS_SHA256",
    "RSA_PSS_SHA384",
    "RSA_PSS_SHA512",
    "SHA1",
    "SHA3_224",
    "SHA3_256",
    "SHA3_384",
    "SHA3_512",
    "SHA224",
    "SHA256",
    "SHA384",
    "SHA512",
    "SHAKE128",
    "SHAKE256",
    "SHAKE256_LEN",
    "SIGNATURE_SCHEMES",
    "AlgorithmIdentifier",
    "ContentCipher",
    "Curve",
    "Digest",
    "EcdhScheme",
    "KeyWrap",
    "Mode",
    "PasswordCipher",
    "RsaPadding",
    "SignatureKind",
    "SignatureScheme",
    "certificate_scheme",
    "digest_row",
    "ecdsa",
    "key_allows",
    "key_scheme",
    "pure_scheme",
    "rsa_padding",
    "signature_scheme",
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
        return RsaPadding()
    if identifier.oid != RSAES_OAEP:
        return None
    digest, mgf, label = SHA1, SHA1, b""  # RFC 4055, 4.1: the defaults
    if identifier.plain:
        return RsaPadding(digest, mgf, label)
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
        source = AlgorithmIdentifier.read(inside.enter(0xA2))
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


@final
@dataclass(frozen=True, slots=True)
class EcdhScheme:
    """dhSinglePass-stdDH and -cofactorDH with the X9.63 KDF (RFC 5753, 7.1.4)."""

    name: str
    oid: str
    digest: Digest


def _ecdh(kind: str, digest: Digest, oid: str) -> EcdhScheme:
    return EcdhScheme(f"ecdh-{kind}-{digest.name}", oid, digest)


# The curves that we agree over have cofactor 1: the cofactor and the standard primitive
# give the same secret (SEC 1, 3.3.2).
ECDH_STD_SHA256: Final = _ecdh("std", SHA256, "1.3.132.1.11.1")
ECDH_STD_SHA384: Final = _ecdh("std", SHA384, "1.3.132.1.11.2")
ECDH_STD_SHA512: Final = _ecdh("std", SHA512, "1.3.132.1.11.3")

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


CURVES: Final[Mapping[str, Curve]] = MappingProxyType(
    {
        row.pyca: row
        for row in (
            Curve(
                "P-256", "1.2.840.10045.3.1.7", "secp256r1", ECDH_STD_SHA256, AES128_WRAP, SHA256
            ),
            Curve("P-384", "1.3.132.0.34", "secp384r1", ECDH_STD_SHA384, AES256_WRAP, SHA384),
            Curve("P-521", "1.3.132.0.35", "secp521r1", ECDH_STD_SHA512, AES256_WRAP, SHA512),
        )
    }
)


# --- content encryption: RFC 3370, 3565, 5084 ----------------------------------------------


class Mode(StrEnum):
    """How a content cipher runs."""

    CBC = "cbc"
    GCM = "gcm"


@final
@dataclass(frozen=True, slots=True)
class ContentCipher:
    """A content-encryption algorithm."""

    name: str
    oid: str
    key_size: int
    """In bytes; for RC2 the default."""
    mode: Mode
    block: int
    """In bytes: what CBC pads to."""
    weak: bool = False

    @property
    def authenticated(self) -> bool:
        """Does a tag protect the ciphertext?"""
        return self.mode is not Mode.CBC

    def identifier(self, iv: bytes) -> AlgorithmIdentifier:
        """The contentEncryptionAlgorithm for this IV or nonce, as emitted."""
        if self.mode is Mode.GCM:
            # RFC 5084, 3.2: aes-ICVlen is 12 by default; we use the full 16.
            return AlgorithmIdentifier(
                self.oid, der.sequence(der.octet_string(iv), der.integer(16))
            )
        return AlgorithmIdentifier(self.oid, der.octet_string(iv))


AES128_CBC: Final = ContentCipher("aes-128-cbc", "2.16.840.1.101.3.4.1.2", 16, Mode.CBC, 16)
AES192_CBC: Final = ContentCipher("aes-192-cbc", "2.16.840.1.101.3.4.1.22", 24, Mode.CBC, 16)
AES256_CBC: Final = ContentCipher("aes-256-cbc", "2.16.840.1.101.3.4.1.42", 32, Mode.CBC, 16)
AES128_GCM: Final = ContentCipher("aes-128-gcm", "2.16.840.1.101.3.4.1.6", 16, Mode.GCM, 16)
AES192_GCM: Final = ContentCipher("aes-192-gcm", "2.16.840.1.101.3.4.1.26", 24, Mode.GCM, 16)
AES256_GCM: Final = ContentCipher("aes-256-gcm", "2.16.840.1.101.3.4.1.46", 32, Mode.GCM, 16)
DES_EDE3_CBC: Final = ContentCipher(
    "des-ede3-cbc", "1.2.840.113549.3.7", 24, Mode.CBC, 8, weak=True
)
RC2_CBC: Final = ContentCipher("rc2-cbc", "1.2.840.113549.3.2", 16, Mode.CBC, 8, weak=True)

CONTENT_CIPHERS: Final[Mapping[str, ContentCipher]] = MappingProxyType(
    {
        row.oid: row
        for row in (
            AES128_CBC, AES192_CBC, AES256_CBC, AES128_GCM, AES192_GCM, AES256_GCM,
            DES_EDE3_CBC, RC2_CBC,
        )
    }
)  # fmt: skip


# --- password-based encryption: RFC 7292, App. C; RFC 8018; RFC 9579 -----------------------

PBES2: Final = "1.2.840.113549.1.5.13"
PBKDF2: Final = "1.2.840.113549.1.5.12"
PBMAC1: Final = "1.2.840.113549.1.5.14"

HMACS: Final[Mapping[str, Digest]] = MappingProxyType(
    {
        "1.2.840.113549.2.7": SHA1,
        "1.2.840.113549.2.8": SHA224,
        "1.2.840.113549.2.9": SHA256,
        "1.2.840.113549.2.10": SHA384,
        "1.2.840.113549.2.11": SHA512,
    }
)
"""HMAC with a digest (RFC 8018, B.1.2): the pseudorandom functions of PBKDF2, and MACs."""

HMAC_SHA256: Final = "1.2.840.113549.2.9"


@final
@dataclass(frozen=True, slots=True)
class PasswordCipher:
    """A cipher keyed by the PKCS #12 key derivation with SHA-1 (RFC 7292, App. C)."""

    name: str
    oid: str
    cipher: ContentCipher
    key_size: int
    """In bytes; for RC2 all its bits are effective."""


PASSWORD_CIPHERS: Final[Mapping[str, PasswordCipher]] = MappingProxyType(
    {
        row.oid: row
        for row in (
            PasswordCipher("pbe-sha1-des-ede3", "1.2.840.113549.1.12.1.3", DES_EDE3_CBC, 24),
            PasswordCipher("pbe-sha1-des-ede2", "1.2.840.113549.1.12.1.4", DES_EDE3_CBC, 16),
            PasswordCipher("pbe-sha1-rc2-128", "1.2.840.113549.1.12.1.5", RC2_CBC, 16),
            PasswordCipher("pbe-sha1-rc2-40", "1.2.840.113549.1.12.1.6", RC2_CBC, 5),
        )
    }
)
