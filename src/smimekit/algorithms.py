"""The algorithms as tables: a row says what an identifier means and what we do with it.

The only file with algorithm OIDs. Knows identifiers, parameters and sizes; may not know
keys, messages or which algorithm anybody prefers (`policy` does), nor compute anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final, final

from smimekit import der
from smimekit.errors import CmsError

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
    "EC_PUBLIC_KEY",
    "ED25519",
    "HKDF_SHA256",
    "HMACS",
    "HMAC_SHA256",
    "KDF3_SHA256",
    "KEMS",
    "KEY_WRAPS",
    "MGF1",
    "ML_KEM_512",
    "ML_KEM_768",
    "ML_KEM_1024",
    "PASSWORD_CIPHERS",
    "PBES2",
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
    "SHA1",
    "SHA224",
    "SHA256",
    "SHA384",
    "SHA512",
    "SIGNATURE_SCHEMES",
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
    "ecdsa",
    "key_derivation",
    "rsa_padding",
    "signature_scheme",
]


@final
@dataclass(frozen=True, slots=True)
class AlgorithmIdentifier:
    """An AlgorithmIdentifier (RFC 5280, 4.1.1.2): an OID and its parameters.

    `parameters` is the DER of the parameters, or None where they are absent: a NULL is
    not an absence, and some receivers insist (RFC 5754, 2).
    """

    oid: str
    parameters: bytes | None = None

    def encode(self) -> bytes:
        """The DER."""
        return der.sequence(der.oid(self.oid), self.parameters or b"")

    @classmethod
    def read(cls, reader: der.Reader, tag: int = der.SEQUENCE) -> "AlgorithmIdentifier":
        """The next value of `reader`; CmsError if it is none."""
        inside = reader.enter(tag)
        oid = inside.oid()
        parameters = inside.raw() if inside.more else None
        inside.finish()
        return cls(oid, parameters)

    @property
    def plain(self) -> bool:
        """No parameters, or the NULL that means the same to every algorithm without any."""
        return self.parameters is None or self.parameters == der.NULL_VALUE


# --- message digests: RFC 3370, RFC 5754, RFC 8702 -----------------------------------------


@final
@dataclass(frozen=True, slots=True)
class Digest:
    """A message digest."""

    name: str
    oid: str
    micalg: str
    """Its name in the micalg parameter (RFC 8551, 3.5.3.2)."""
    size: int
    """Output, in bytes."""
    strength: int
    """Bits of collision resistance, as known today: below 112 is weak."""

    @property
    def identifier(self) -> AlgorithmIdentifier:
        """As emitted: the parameters absent (RFC 5754, 2)."""
        return AlgorithmIdentifier(self.oid)


MD5: Final = Digest("md5", "1.2.840.113549.2.5", "md5", 16, 18)
SHA1: Final = Digest("sha1", "1.3.14.3.2.26", "sha-1", 20, 61)
SHA224: Final = Digest("sha224", "2.16.840.1.101.3.4.2.4", "sha-224", 28, 112)
SHA256: Final = Digest("sha256", "2.16.840.1.101.3.4.2.1", "sha-256", 32, 128)
SHA384: Final = Digest("sha384", "2.16.840.1.101.3.4.2.2", "sha-384", 48, 192)
SHA512: Final = Digest("sha512", "2.16.840.1.101.3.4.2.3", "sha-512", 64, 256)
SHA3_256: Final = Digest("sha3-256", "2.16.840.1.101.3.4.2.8", "sha3-256", 32, 128)
SHA3_384: Final = Digest("sha3-384", "2.16.840.1.101.3.4.2.9", "sha3-384", 48, 192)
SHA3_512: Final = Digest("sha3-512", "2.16.840.1.101.3.4.2.10", "sha3-512", 64, 256)

DIGESTS: Final = (MD5, SHA1, SHA224, SHA256, SHA384, SHA512, SHA3_256, SHA3_384, SHA3_512)
DIGEST_BY_OID: Final[Mapping[str, Digest]] = MappingProxyType({row.oid: row for row in DIGESTS})


# --- signatures: RFC 3370, 4056, 5753, 5754, 8419 ------------------------------------------


class SignatureKind(StrEnum):
    """What is done with the key."""

    RSA_PKCS1 = "rsa-pkcs1"
    RSA_PSS = "rsa-pss"
    ECDSA = "ecdsa"
    DSA = "dsa"
    ED25519 = "ed25519"
    ED448 = "ed448"


@final
@dataclass(frozen=True, slots=True)
class SignatureScheme:
    """A signature algorithm with everything that its verification has to know."""

    kind: SignatureKind
    digest: Digest
    """Of the content; for all kinds but EdDSA also the one inside the signature."""
    oid: str
    mgf: Digest | None = None
    """RSASSA-PSS: the digest of MGF1."""
    salt: int | None = None
    """RSASSA-PSS: the length of the salt in bytes."""
    null: bool = False
    """Are the parameters, as emitted, a NULL (RFC 5754, 3.2) or absent?"""

    @property
    def name(self) -> str:
        """The row's name, as on the command line."""
        if self.kind in {SignatureKind.ED25519, SignatureKind.ED448}:
            return str(self.kind)
        return f"{self.kind}-{self.digest.name}"

    @property
    def identifier(self) -> AlgorithmIdentifier:
        """The signatureAlgorithm, as emitted."""
        if self.kind is SignatureKind.RSA_PSS:
            return AlgorithmIdentifier(self.oid, _pss_parameters(self))
        return AlgorithmIdentifier(self.oid, der.NULL_VALUE if self.null else None)


RSA_ENCRYPTION: Final = "1.2.840.113549.1.1.1"
RSASSA_PSS: Final = "1.2.840.113549.1.1.10"
MGF1: Final = "1.2.840.113549.1.1.8"
_DSA: Final = "1.2.840.10040.4.1"


def _rsa_pkcs1(digest: Digest, oid: str) -> SignatureScheme:
    return SignatureScheme(SignatureKind.RSA_PKCS1, digest, oid, null=True)


def _rsa_pss(digest: Digest) -> SignatureScheme:
    # RFC 4056, 3: the mask generation digest is the message digest, the salt as long as it.
    return SignatureScheme(SignatureKind.RSA_PSS, digest, RSASSA_PSS, digest, digest.size)


def _ecdsa(digest: Digest, oid: str) -> SignatureScheme:
    return SignatureScheme(SignatureKind.ECDSA, digest, oid)


RSA_PKCS1_SHA256: Final = _rsa_pkcs1(SHA256, "1.2.840.113549.1.1.11")
RSA_PKCS1_SHA384: Final = _rsa_pkcs1(SHA384, "1.2.840.113549.1.1.12")
RSA_PKCS1_SHA512: Final = _rsa_pkcs1(SHA512, "1.2.840.113549.1.1.13")
RSA_PSS_SHA256: Final = _rsa_pss(SHA256)
RSA_PSS_SHA384: Final = _rsa_pss(SHA384)
RSA_PSS_SHA512: Final = _rsa_pss(SHA512)
ECDSA_SHA256: Final = _ecdsa(SHA256, "1.2.840.10045.4.3.2")
ECDSA_SHA384: Final = _ecdsa(SHA384, "1.2.840.10045.4.3.3")
ECDSA_SHA512: Final = _ecdsa(SHA512, "1.2.840.10045.4.3.4")
ED25519: Final = SignatureScheme(SignatureKind.ED25519, SHA512, "1.3.101.112")

SIGNATURE_SCHEMES: Final = (
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
    ECDSA_SHA256, ECDSA_SHA384, ECDSA_SHA512,
    ED25519,
)  # fmt: skip
"""What we emit."""

READ_ONLY_SCHEMES: Final = (
    _rsa_pkcs1(MD5, "1.2.840.113549.1.1.4"),
    _rsa_pkcs1(SHA1, "1.2.840.113549.1.1.5"),
    _rsa_pkcs1(SHA1, "1.3.14.3.2.29"),  # the OIW's name for it, in old Windows mail
    _rsa_pkcs1(SHA224, "1.2.840.113549.1.1.14"),
    _rsa_pkcs1(SHA3_256, "2.16.840.1.101.3.4.3.14"),
    _rsa_pkcs1(SHA3_384, "2.16.840.1.101.3.4.3.15"),
    _rsa_pkcs1(SHA3_512, "2.16.840.1.101.3.4.3.16"),
    _ecdsa(SHA1, "1.2.840.10045.4.1"),
    _ecdsa(SHA224, "1.2.840.10045.4.3.1"),
    _ecdsa(SHA3_256, "2.16.840.1.101.3.4.3.10"),
    _ecdsa(SHA3_384, "2.16.840.1.101.3.4.3.11"),
    _ecdsa(SHA3_512, "2.16.840.1.101.3.4.3.12"),
    SignatureScheme(SignatureKind.DSA, SHA1, "1.2.840.10040.4.3"),
    SignatureScheme(SignatureKind.DSA, SHA224, "2.16.840.1.101.3.4.3.1"),
    SignatureScheme(SignatureKind.DSA, SHA256, "2.16.840.1.101.3.4.3.2"),
    SignatureScheme(SignatureKind.ED448, SHA512, "1.3.101.113"),
)
"""What we read besides. How good a row is, `policy` says."""

_SCHEME_BY_OID: Final[Mapping[str, SignatureScheme]] = MappingProxyType(
    {row.oid: row for row in (*SIGNATURE_SCHEMES, *READ_ONLY_SCHEMES) if row.oid != RSASSA_PSS}
)

EC_PUBLIC_KEY: Final = "1.2.840.10045.2.1"
_KEY_ONLY: Final[Mapping[str, SignatureKind]] = MappingProxyType(
    {
        # RFC 3370, 3.2: rsaEncryption names the key, digestAlgorithm the digest.
        RSA_ENCRYPTION: SignatureKind.RSA_PKCS1,
        # Common and wrong, yet without a second meaning: the key's own OID.
        EC_PUBLIC_KEY: SignatureKind.ECDSA,
        _DSA: SignatureKind.DSA,
    }
)


def signature_scheme(identifier: AlgorithmIdentifier, digest: Digest) -> SignatureScheme | None:
    """The scheme of a SignerInfo, from its signatureAlgorithm and the digest of its content.

    None where the algorithm is not known; CmsError where it contradicts `digest`
    (RFC 5652, 5.3 and RFC 5754, 3: both name the same digest) or has false parameters.
    """
    if identifier.oid == RSASSA_PSS:
        if identifier.parameters is None:
            # RFC 4056, 3: in a signature the parameters must be there; some senders leave
            # them out, and mean the digest of the content.
            return _rsa_pss(digest)
        return _same_digest(_read_pss(identifier.parameters), digest)
    kind = _KEY_ONLY.get(identifier.oid)
    if kind is not None:
        return SignatureScheme(kind, digest, identifier.oid)
    row = _SCHEME_BY_OID.get(identifier.oid)
    if row is None:
        return None
    if row.kind in {SignatureKind.ED25519, SignatureKind.ED448}:
        # RFC 8419, 3.1: the digest is that of the content only, SHA-512 where emitted.
        return replace(row, digest=digest)
    return _same_digest(row, digest)


def _same_digest(scheme: SignatureScheme | None, digest: Digest) -> SignatureScheme | None:
    if scheme is not None and scheme.digest is not digest:
        raise CmsError(
            "The signature algorithm names another digest than the signer does.",
            code="cms.digest-mismatch",
        )
    return scheme


def certificate_scheme(identifier: AlgorithmIdentifier) -> SignatureScheme | None:
    """The scheme of a signature on a certificate, which names its digest itself (RFC 5280).

    None where it is not known; CmsError where the parameters are malformed.
    """
    if identifier.oid == RSASSA_PSS:
        return None if identifier.parameters is None else _read_pss(identifier.parameters)
    return _SCHEME_BY_OID.get(identifier.oid)


def ecdsa(digest: Digest) -> SignatureScheme:
    """ECDSA with this digest."""
    return {SHA256: ECDSA_SHA256, SHA384: ECDSA_SHA384, SHA512: ECDSA_SHA512}[digest]


def _digest_parameter(digest: Digest) -> bytes:
    # RFC 4055, 2.1: NULL in the parameters of hash functions inside PSS and OAEP, and
    # every reader knows this form.
    return der.sequence(der.oid(digest.oid), der.NULL_VALUE)


def _pss_parameters(scheme: SignatureScheme) -> bytes:
    mgf = scheme.mgf or scheme.digest
    salt = scheme.digest.size if scheme.salt is None else scheme.salt
    return der.sequence(
        der.explicit(0, _digest_parameter(scheme.digest)),
        der.explicit(1, der.sequence(der.oid(MGF1), _digest_parameter(mgf))),
        der.explicit(2, der.integer(salt)),
    )


def _read_pss(parameters: bytes) -> SignatureScheme | None:
    digest, mgf, salt = SHA1, SHA1, 20  # RFC 4055, 3.1: the defaults
    inside = der.Reader(parameters).enter(der.SEQUENCE)
    if inside.peek == 0xA0:
        found = _read_digest(inside.enter(0xA0))
        if found is None:
            return None
        digest = found
    if inside.peek == 0xA1:
        found = _read_mgf(inside.enter(0xA1))
        if found is None:
            return None
        mgf = found
    if inside.peek == 0xA2:
        salt = inside.enter(0xA2).integer()
    if inside.peek == 0xA3 and inside.enter(0xA3).integer() != 1:
        return None
    inside.finish()
    if not 0 <= salt <= 1024:
        raise CmsError("The salt length of a PSS signature is impossible.", code="cms.pss")
    return SignatureScheme(SignatureKind.RSA_PSS, digest, RSASSA_PSS, mgf, salt)


def _read_digest(reader: der.Reader) -> Digest | None:
    return DIGEST_BY_OID.get(AlgorithmIdentifier.read(reader).oid)


def _read_mgf(reader: der.Reader) -> Digest | None:
    identifier = AlgorithmIdentifier.read(reader)
    if identifier.oid != MGF1 or identifier.parameters is None:
        return None
    return _read_digest(der.Reader(identifier.parameters))


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
        parts.append(der.explicit(0, _digest_parameter(digest)))
    if mgf is not SHA1:
        parts.append(der.explicit(1, der.sequence(der.oid(MGF1), _digest_parameter(mgf))))
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
        found = _read_digest(inside.enter(0xA0))
        if found is None:
            return None
        digest = found
    if inside.peek == 0xA1:
        found = _read_mgf(inside.enter(0xA1))
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
            return AlgorithmIdentifier(_KDF3, _digest_parameter(self.digest))
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
    digest = _read_digest(der.Reader(identifier.parameters))
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

CEK_HKDF_SHA256: Final = "1.2.840.113549.1.9.16.3.31"
"""In place of a content cipher: its parameters name it, and its key is derived (RFC 9709)."""


# --- password-based encryption: RFC 7292, App. C; RFC 8018; RFC 9579 -----------------------

PBES2: Final = "1.2.840.113549.1.5.13"
PBKDF2: Final = "1.2.840.113549.1.5.12"
PBMAC1: Final = "1.2.840.113549.1.5.14"
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
