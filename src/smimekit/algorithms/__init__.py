"""The algorithms as tables: a row says what an identifier means and what we do with it.

The one place to import rows from. Those for content are made here, the others in `digests`,
`signatures` and `key_management`; nowhere else are there algorithm OIDs. Knows identifiers,
parameters and sizes; may not know keys, messages or which algorithm anybody prefers
(`policy` does), nor compute anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, final

from smimekit import der
from smimekit.algorithms.digests import (
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
)
from smimekit.algorithms.key_management import (
    AES128_WRAP,
    AES192_WRAP,
    AES256_WRAP,
    CURVES,
    ECDH_HKDF_SHA256,
    ECDH_HKDF_SHA384,
    ECDH_HKDF_SHA512,
    ECDH_SCHEMES,
    ECDH_STD_SHA256,
    ECDH_STD_SHA384,
    ECDH_STD_SHA512,
    HKDF_SHA256,
    KDF3_SHA256,
    KEMS,
    KEY_WRAPS,
    ML_KEM_512,
    ML_KEM_768,
    ML_KEM_1024,
    RSA_KEM,
    RSA_KEM_SPKI,
    RSAES_OAEP,
    X448,
    X25519,
    Curve,
    EcdhScheme,
    KdfKind,
    Kem,
    KeyDerivation,
    KeyWrap,
    MontgomeryCurve,
    RsaKem,
    RsaPadding,
    key_derivation,
    rsa_padding,
)
from smimekit.algorithms.signatures import (
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
    "AES128_CCM",
    "AES128_GCM",
    "AES128_WRAP",
    "AES192_CBC",
    "AES192_CCM",
    "AES192_GCM",
    "AES192_WRAP",
    "AES256_CBC",
    "AES256_CCM",
    "AES256_GCM",
    "AES256_WRAP",
    "CEK_HKDF_SHA256",
    "CHACHA20_POLY1305",
    "CONTENT_CIPHERS",
    "CURVES",
    "DES_EDE3_CBC",
    "DIGESTS",
    "DIGEST_BY_OID",
    "ECDH_HKDF_SHA256",
    "ECDH_HKDF_SHA384",
    "ECDH_HKDF_SHA512",
    "ECDH_SCHEMES",
    "ECDH_STD_SHA256",
    "ECDH_STD_SHA384",
    "ECDH_STD_SHA512",
    "ECDSA_SHA256",
    "ECDSA_SHA384",
    "ECDSA_SHA512",
    "EC_PUBLIC_KEY",
    "ED448",
    "ED25519",
    "HKDF_SHA256",
    "HMACS",
    "HMAC_SHA256",
    "KDF3_SHA256",
    "KEMS",
    "KEY_FILE_CIPHERS",
    "KEY_WRAPS",
    "MACS",
    "MD5",
    "MGF1",
    "ML_DSA_44",
    "ML_DSA_65",
    "ML_DSA_87",
    "ML_KEM_512",
    "ML_KEM_768",
    "ML_KEM_1024",
    "PASSWORD_CIPHERS",
    "PBES2",
    "PBE_SHA1_DES_EDE3",
    "PBKDF2",
    "PBMAC1",
    "PWRI_KEK",
    "RC2_CBC",
    "READ_ONLY_SCHEMES",
    "RSAES_OAEP",
    "RSASSA_PSS",
    "RSA_ENCRYPTION",
    "RSA_KEM",
    "RSA_KEM_SPKI",
    "RSA_PKCS1_SHA256",
    "RSA_PKCS1_SHA384",
    "RSA_PKCS1_SHA512",
    "RSA_PSS_SHA256",
    "RSA_PSS_SHA384",
    "RSA_PSS_SHA512",
    "SCRYPT",
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
    "UNREAD_CIPHERS",
    "X448",
    "X25519",
    "AlgorithmIdentifier",
    "ContentCipher",
    "Curve",
    "Digest",
    "EcdhScheme",
    "KdfKind",
    "Kem",
    "KeyDerivation",
    "KeyWrap",
    "Mode",
    "MontgomeryCurve",
    "PasswordCipher",
    "RsaKem",
    "RsaPadding",
    "SignatureKind",
    "SignatureScheme",
    "certificate_scheme",
    "digest_row",
    "ecdsa",
    "key_allows",
    "key_derivation",
    "key_scheme",
    "pure_scheme",
    "rsa_padding",
    "signature_scheme",
]


# --- content encryption: RFC 3370, 3565, 5084, 8103, 9709 ----------------------------------


class Mode(StrEnum):
    """How a content cipher runs."""

    CBC = "cbc"
    GCM = "gcm"
    CCM = "ccm"
    CHACHA20 = "chacha20"


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
    emitted: bool = True
    """Do we write it, too?"""

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
CHACHA20_POLY1305: Final = ContentCipher(
    "chacha20-poly1305", "1.2.840.113549.1.9.16.3.18", 32, Mode.CHACHA20, 64
)


def _ccm(bits: int, oid: str) -> ContentCipher:
    # Read only: GCM does the same, faster, and more programs know it.
    return ContentCipher(f"aes-{bits}-ccm", oid, bits // 8, Mode.CCM, 16, emitted=False)


AES128_CCM: Final = _ccm(128, "2.16.840.1.101.3.4.1.7")
AES192_CCM: Final = _ccm(192, "2.16.840.1.101.3.4.1.27")
AES256_CCM: Final = _ccm(256, "2.16.840.1.101.3.4.1.47")
DES_EDE3_CBC: Final = ContentCipher(
    "des-ede3-cbc", "1.2.840.113549.3.7", 24, Mode.CBC, 8, weak=True, emitted=False
)
RC2_CBC: Final = ContentCipher(
    "rc2-cbc", "1.2.840.113549.3.2", 16, Mode.CBC, 8, weak=True, emitted=False
)

CONTENT_CIPHERS: Final[Mapping[str, ContentCipher]] = MappingProxyType(
    {
        row.oid: row
        for row in (
            AES128_CBC, AES192_CBC, AES256_CBC, AES128_GCM, AES192_GCM, AES256_GCM,
            CHACHA20_POLY1305, AES128_CCM, AES192_CCM, AES256_CCM, DES_EDE3_CBC, RC2_CBC,
        )
    }
)  # fmt: skip

KEY_FILE_CIPHERS: Final[Mapping[str, ContentCipher]] = MappingProxyType(
    {
        **{row.oid: row for row in CONTENT_CIPHERS.values() if row.mode is Mode.CBC},
        **{
            oid: ContentCipher(f"camellia-{bits}-cbc", oid, bits // 8, Mode.CBC, 16, emitted=False)
            for bits, oid in (  # RFC 3657
                (128, "1.2.392.200011.61.1.1.1.2"),
                (192, "1.2.392.200011.61.1.1.1.3"),
                (256, "1.2.392.200011.61.1.1.1.4"),
            )
        },
    }
)
"""What PBES2 may name in a key file (RFC 8018, B.2): Camellia, too, which OpenSSL writes there."""

UNREAD_CIPHERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "1.3.14.3.2.7": "des-cbc",
        "1.2.392.200011.61.1.1.1.2": "camellia-128-cbc",  # RFC 3657
        "1.2.392.200011.61.1.1.1.3": "camellia-192-cbc",
        "1.2.392.200011.61.1.1.1.4": "camellia-256-cbc",
        "1.2.410.200004.1.4": "seed-cbc",  # RFC 4010
        "1.2.840.113533.7.66.10": "cast5-cbc",  # RFC 2984
        "1.3.6.1.4.1.188.7.1.1.2": "idea-cbc",
        "1.2.643.2.2.21": "gost-28147-89",  # RFC 4490
    }
)
"""Content ciphers that other programs announce, and that no message is read or written with."""

CEK_HKDF_SHA256: Final = "1.2.840.113549.1.9.16.3.31"
"""In place of a content cipher: its parameters name it, and its key is derived (RFC 9709)."""


# --- password-based encryption: RFC 7292, App. C; RFC 8018; RFC 9579 -----------------------

PBES2: Final = "1.2.840.113549.1.5.13"
PBKDF2: Final = "1.2.840.113549.1.5.12"
PBMAC1: Final = "1.2.840.113549.1.5.14"
SCRYPT: Final = "1.3.6.1.4.1.11591.4.11"
"""In place of PBKDF2 (RFC 7914, 7)."""
PWRI_KEK: Final = "1.2.840.113549.1.9.16.3.9"
"""Key wrap under a password (RFC 3211, 2.2); its parameters name a cipher in CBC mode."""

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

MACS: Final[Mapping[str, Digest]] = MappingProxyType({**HMACS, "1.3.6.1.5.5.8.1.2": SHA1})
"""Those of AuthenticatedData: RFC 3370, 3.1 has a name of its own for HMAC with SHA-1."""


@final
@dataclass(frozen=True, slots=True)
class PasswordCipher:
    """A cipher keyed by the PKCS #12 key derivation with SHA-1 (RFC 7292, App. C)."""

    name: str
    oid: str
    cipher: ContentCipher
    key_size: int
    """In bytes; for RC2 all its bits are effective."""


PBE_SHA1_DES_EDE3: Final = PasswordCipher(
    "pbe-sha1-des-ede3", "1.2.840.113549.1.12.1.3", DES_EDE3_CBC, 24
)
"""The one that is written too, for programs that know no PBES2."""

PASSWORD_CIPHERS: Final[Mapping[str, PasswordCipher]] = MappingProxyType(
    {
        row.oid: row
        for row in (
            PBE_SHA1_DES_EDE3,
            PasswordCipher("pbe-sha1-des-ede2", "1.2.840.113549.1.12.1.4", DES_EDE3_CBC, 16),
            PasswordCipher("pbe-sha1-rc2-128", "1.2.840.113549.1.12.1.5", RC2_CBC, 16),
            PasswordCipher("pbe-sha1-rc2-40", "1.2.840.113549.1.12.1.6", RC2_CBC, 5),
        )
    }
)
