"""Signature algorithms as tables: what an identifier means, and what it is emitted as.

The only file with the OIDs of signature algorithms. Knows identifiers and parameters; may
not know keys, messages or which algorithm anybody prefers (`policy` does).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final, final

from smimekit import der
from smimekit.algorithms.digests import (
    MD5,
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
    hash_parameter,
    mgf1_parameter,
    read_hash,
    read_mgf1,
)
from smimekit.errors import CmsError

__all__ = [
    "ECDSA_SHA256",
    "ECDSA_SHA384",
    "ECDSA_SHA512",
    "EC_PUBLIC_KEY",
    "ED448",
    "ED25519",
    "ML_DSA_44",
    "ML_DSA_65",
    "ML_DSA_87",
    "READ_ONLY_SCHEMES",
    "RSASSA_PSS",
    "RSA_ENCRYPTION",
    "RSA_PKCS1_SHA256",
    "RSA_PKCS1_SHA384",
    "RSA_PKCS1_SHA512",
    "RSA_PSS_SHA256",
    "RSA_PSS_SHA384",
    "RSA_PSS_SHA512",
    "SIGNATURE_SCHEMES",
    "SignatureKind",
    "SignatureScheme",
    "certificate_scheme",
    "ecdsa",
    "key_allows",
    "key_scheme",
    "pure_scheme",
    "signature_scheme",
]


class SignatureKind(StrEnum):
    """What is done with the key."""

    RSA_PKCS1 = "rsa-pkcs1"
    RSA_PSS = "rsa-pss"
    RSA_PSS_SHAKE = "rsa-pss-shake"
    """RSASSA-PSS with SHAKE in place of MGF1 (RFC 8702, 3.2.1)."""
    ECDSA = "ecdsa"
    DSA = "dsa"
    ED25519 = "ed25519"
    ED448 = "ed448"
    ML_DSA_44 = "ml-dsa-44"
    ML_DSA_65 = "ml-dsa-65"
    ML_DSA_87 = "ml-dsa-87"

    @property
    def pure(self) -> bool:
        """Does it sign the data themselves, and not a digest of them (RFC 9882, 3.1)?"""
        return self in _PURE


_PURE: Final = frozenset(
    {
        SignatureKind.ED25519,
        SignatureKind.ED448,
        SignatureKind.ML_DSA_44,
        SignatureKind.ML_DSA_65,
        SignatureKind.ML_DSA_87,
    }
)


_RSA: Final = frozenset(
    {SignatureKind.RSA_PKCS1, SignatureKind.RSA_PSS, SignatureKind.RSA_PSS_SHAKE}
)


@final
@dataclass(frozen=True, slots=True)
class SignatureScheme:
    """A signature algorithm with everything that its verification has to know."""

    kind: SignatureKind
    digest: Digest
    """Of the content; for all kinds that are not pure also the one inside the signature."""
    oid: str
    mgf: Digest | None = None
    """RSASSA-PSS: the digest of MGF1."""
    salt: int | None = None
    """RSASSA-PSS: the length of the salt in bytes."""
    null: bool = False
    """Are the parameters, as emitted, a NULL (RFC 5754, 3.2) or absent?"""

    name: str = field(init=False, repr=False, compare=False)
    """The row's name, as on the command line."""

    def __post_init__(self) -> None:
        kind = "rsa-pss" if self.kind is SignatureKind.RSA_PSS_SHAKE else str(self.kind)
        name = kind if self.kind.pure else f"{kind}-{self.digest.name}"
        object.__setattr__(self, "name", name)

    @property
    def identifier(self) -> AlgorithmIdentifier:
        """The signatureAlgorithm, as emitted."""
        if self.kind is SignatureKind.RSA_PSS:
            return AlgorithmIdentifier(self.oid, _pss_parameters(self))
        return AlgorithmIdentifier(self.oid, der.NULL_VALUE if self.null else None)

    @property
    def bare(self) -> "SignatureScheme":
        """The same where there are no signed attributes.

        Ed448 has another digestAlgorithm then (RFC 8419, 3.2), for ML-DSA it has no meaning
        and is SHA-512 (RFC 9882, 3.3).
        """
        if not self.kind.pure:
            return self
        return replace(self, digest=SHAKE256 if self.kind is SignatureKind.ED448 else SHA512)


RSA_ENCRYPTION: Final = "1.2.840.113549.1.1.1"
RSASSA_PSS: Final = "1.2.840.113549.1.1.10"
EC_PUBLIC_KEY: Final = "1.2.840.10045.2.1"
_DSA: Final = "1.2.840.10040.4.1"
_ECDSA_SPECIFIED: Final = "1.2.840.10045.4.3"


def _rsa_pkcs1(digest: Digest, oid: str) -> SignatureScheme:
    return SignatureScheme(SignatureKind.RSA_PKCS1, digest, oid, null=True)


def _rsa_pss(digest: Digest) -> SignatureScheme:
    # RFC 4056, 3: the mask generation digest is the message digest, the salt as long as it.
    return SignatureScheme(SignatureKind.RSA_PSS, digest, RSASSA_PSS, digest, digest.size)


def _ecdsa(digest: Digest, oid: str) -> SignatureScheme:
    return SignatureScheme(SignatureKind.ECDSA, digest, oid)


def _pss_shake(digest: Digest, oid: str) -> SignatureScheme:
    return SignatureScheme(SignatureKind.RSA_PSS_SHAKE, digest, oid, salt=digest.size)


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
ED448: Final = SignatureScheme(SignatureKind.ED448, SHAKE256_LEN, "1.3.101.113")
# RFC 9882, 3.3: SHA-512 is good enough for each of them, and everybody has it.
ML_DSA_44: Final = SignatureScheme(SignatureKind.ML_DSA_44, SHA512, "2.16.840.1.101.3.4.3.17")
ML_DSA_65: Final = SignatureScheme(SignatureKind.ML_DSA_65, SHA512, "2.16.840.1.101.3.4.3.18")
ML_DSA_87: Final = SignatureScheme(SignatureKind.ML_DSA_87, SHA512, "2.16.840.1.101.3.4.3.19")

SIGNATURE_SCHEMES: Final = (
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
    ECDSA_SHA256, ECDSA_SHA384, ECDSA_SHA512,
    ED25519, ED448,
    ML_DSA_44, ML_DSA_65, ML_DSA_87,
)  # fmt: skip
"""What we emit."""

READ_ONLY_SCHEMES: Final = (
    _rsa_pkcs1(MD5, "1.2.840.113549.1.1.4"),
    _rsa_pkcs1(SHA1, "1.2.840.113549.1.1.5"),
    _rsa_pkcs1(SHA1, "1.3.14.3.2.29"),  # the OIW's name for it, in old Windows mail
    _rsa_pkcs1(SHA224, "1.2.840.113549.1.1.14"),
    _rsa_pkcs1(SHA3_224, "2.16.840.1.101.3.4.3.13"),
    _rsa_pkcs1(SHA3_256, "2.16.840.1.101.3.4.3.14"),
    _rsa_pkcs1(SHA3_384, "2.16.840.1.101.3.4.3.15"),
    _rsa_pkcs1(SHA3_512, "2.16.840.1.101.3.4.3.16"),
    _pss_shake(SHAKE128, "1.3.6.1.5.5.7.6.30"),
    _pss_shake(SHAKE256, "1.3.6.1.5.5.7.6.31"),
    _ecdsa(SHA1, "1.2.840.10045.4.1"),
    _ecdsa(SHA224, "1.2.840.10045.4.3.1"),
    _ecdsa(SHA3_224, "2.16.840.1.101.3.4.3.9"),
    _ecdsa(SHA3_256, "2.16.840.1.101.3.4.3.10"),
    _ecdsa(SHA3_384, "2.16.840.1.101.3.4.3.11"),
    _ecdsa(SHA3_512, "2.16.840.1.101.3.4.3.12"),
    _ecdsa(SHAKE128, "1.3.6.1.5.5.7.6.32"),
    _ecdsa(SHAKE256, "1.3.6.1.5.5.7.6.33"),
    SignatureScheme(SignatureKind.DSA, SHA1, "1.2.840.10040.4.3"),
    SignatureScheme(SignatureKind.DSA, SHA224, "2.16.840.1.101.3.4.3.1"),
    SignatureScheme(SignatureKind.DSA, SHA256, "2.16.840.1.101.3.4.3.2"),
    SignatureScheme(SignatureKind.DSA, SHA384, "2.16.840.1.101.3.4.3.3"),
    SignatureScheme(SignatureKind.DSA, SHA512, "2.16.840.1.101.3.4.3.4"),
)
"""What we read besides. How good a row is, `policy` says."""

_SCHEME_BY_OID: Final[Mapping[str, SignatureScheme]] = MappingProxyType(
    {row.oid: row for row in (*SIGNATURE_SCHEMES, *READ_ONLY_SCHEMES) if row.oid != RSASSA_PSS}
)

_KEY_ONLY: Final[Mapping[str, SignatureKind]] = MappingProxyType(
    {
        # RFC 3370, 3.2: rsaEncryption names the key, digestAlgorithm the digest.
        RSA_ENCRYPTION: SignatureKind.RSA_PKCS1,
        # Common and wrong, yet without a second meaning: the key's own OID.
        EC_PUBLIC_KEY: SignatureKind.ECDSA,
        _DSA: SignatureKind.DSA,
    }
)


def ecdsa(digest: Digest) -> SignatureScheme:
    """ECDSA with this digest."""
    return {SHA256: ECDSA_SHA256, SHA384: ECDSA_SHA384, SHA512: ECDSA_SHA512}[digest]


# --- reading -------------------------------------------------------------------------------


def signature_scheme(identifier: AlgorithmIdentifier, digest: Digest) -> SignatureScheme | None:
    """The scheme of a SignerInfo, from its signatureAlgorithm and the digest of its content.

    None where the algorithm is not known; CmsError where it contradicts `digest`
    (RFC 5652, 5.3, RFC 5754, 3 and RFC 8933, 3: all name the same digest) or has false
    parameters.
    """
    if identifier.oid == RSASSA_PSS:
        if identifier.parameters is None:
            # RFC 4056, 3: in a signature the parameters must be there; some senders leave
            # them out, and mean the digest of the content.
            return _rsa_pss(digest)
        return _same_digest(_read_pss(identifier.parameters), digest)
    if identifier.oid == _ECDSA_SPECIFIED:
        # X9.62: the digest is a parameter. RFC 5758 replaced it; some signers go on with it.
        return _same_digest(_read_specified(identifier), digest)
    kind = _KEY_ONLY.get(identifier.oid)
    if kind is not None:
        return SignatureScheme(kind, digest, identifier.oid)
    pure = pure_scheme(identifier)
    if pure is not None:
        # RFC 8419, 3.1: the digest is that of the content only, whichever it is.
        return replace(pure, digest=digest)
    return _same_digest(_SCHEME_BY_OID.get(identifier.oid), digest)


def pure_scheme(identifier: AlgorithmIdentifier) -> SignatureScheme | None:
    """The scheme where it is one that signs data themselves, without any digest; or None.

    CmsError where it has parameters, which must be absent (RFC 8419, 2.4; RFC 9882, 3.3).
    """
    row = _SCHEME_BY_OID.get(identifier.oid)
    if row is None or not row.kind.pure:
        return None
    if not identifier.plain:
        raise CmsError(
            f"The signature algorithm {row.name} has parameters, and knows none.",
            code="cms.signature-parameters",
        )
    return row


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
    return pure_scheme(identifier) or _SCHEME_BY_OID.get(identifier.oid)


def _read_specified(identifier: AlgorithmIdentifier) -> SignatureScheme | None:
    found = read_hash(der.Reader(identifier.parameters or b""))
    return None if found is None else _ecdsa(found, identifier.oid)


# --- RSA keys with one use: RFC 4055, 1.2 and 3.1; RFC 9690, 2.3 --------------------------


def key_scheme(algorithm: AlgorithmIdentifier) -> SignatureScheme | None:
    """What the owner of a key signs with, where its SubjectPublicKeyInfo says RSASSA-PSS.

    None for a key of another kind, or where its parameters are not known.
    """
    if algorithm.oid != RSASSA_PSS:
        return None
    return RSA_PSS_SHA256 if algorithm.parameters is None else _read_pss(algorithm.parameters)


def key_allows(algorithm: AlgorithmIdentifier, scheme: SignatureScheme) -> bool:
    """May a key with this algorithm in its SubjectPublicKeyInfo be used for `scheme`?

    An RSA key for OAEP or RSA-KEM signs nothing; one for RSASSA-PSS is for nothing else, and
    where it has parameters, the digests are those and the salt is at least as long. CmsError
    where they are malformed.
    """
    if algorithm.oid != RSASSA_PSS:
        return algorithm.oid == RSA_ENCRYPTION or scheme.kind not in _RSA
    if scheme.kind is not SignatureKind.RSA_PSS:
        return scheme.kind is SignatureKind.RSA_PSS_SHAKE and algorithm.parameters is None
    if algorithm.parameters is None:
        return True
    wanted = _read_pss(algorithm.parameters)
    return (
        wanted is not None
        and (wanted.digest, wanted.mgf) == (scheme.digest, scheme.mgf)
        and (wanted.salt or 0) <= (scheme.salt or 0)
    )


def _pss_parameters(scheme: SignatureScheme) -> bytes:
    mgf = scheme.mgf or scheme.digest
    salt = scheme.digest.size if scheme.salt is None else scheme.salt
    return der.sequence(
        der.explicit(0, hash_parameter(scheme.digest)),
        der.explicit(1, mgf1_parameter(mgf)),
        der.explicit(2, der.integer(salt)),
    )


def _one_integer(reader: der.Reader) -> int:
    """What an explicit tag holds (X.690, 8.14)."""
    found = reader.integer()
    reader.finish()
    return found


def _read_pss(parameters: bytes) -> SignatureScheme | None:
    digest, mgf, salt = SHA1, SHA1, 20  # RFC 4055, 3.1: the defaults
    inside = der.Reader(parameters).enter(der.SEQUENCE)
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
        salt = _one_integer(inside.enter(0xA2))
    if inside.peek == 0xA3 and _one_integer(inside.enter(0xA3)) != 1:
        return None
    inside.finish()
    if not 0 <= salt <= 1024:
        raise CmsError("The salt length of a PSS signature is impossible.", code="cms.pss")
    return SignatureScheme(SignatureKind.RSA_PSS, digest, RSASSA_PSS, mgf, salt)
