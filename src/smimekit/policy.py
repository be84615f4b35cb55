"""What we emit and what we accept: pure questions, graded answers.

Knows the rows of `algorithms` and the sizes of keys. May not know messages, clocks or
certificates; it decides nothing about trust.
"""

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import ClassVar, Final, final

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, rsa

from smimekit.algorithms import (
    AES128_CBC,
    AES128_GCM,
    AES192_CBC,
    AES192_GCM,
    AES256_CBC,
    AES256_GCM,
    CHACHA20_POLY1305,
    CURVES,
    ED448,
    ED25519,
    ML_DSA_44,
    ML_DSA_65,
    ML_DSA_87,
    RSA_PKCS1_SHA256,
    RSA_PSS_SHA256,
    SHA1,
    SHA256,
    SHA384,
    SHA512,
    ContentCipher,
    RsaPadding,
    SignatureScheme,
    ecdsa,
)
from smimekit.errors import PolicyError, UsageError
from smimekit.limits import Limits
from smimekit.primitives import PublicKey, key_name

__all__ = ["Assessment", "Grade", "Policy"]

_COLLISION_BITS: Final = 112
"""Digests with less collision resistance do not make evidence (NIST SP 800-131A)."""


_CIPHERS: Final = (
    *(AES256_GCM, CHACHA20_POLY1305, AES192_GCM, AES128_GCM),
    *(AES256_CBC, AES192_CBC, AES128_CBC),
)
"""Authenticated ones first, then by the size of the key (RFC 8551, 2.7)."""

_PADDINGS: Final = (
    *(RsaPadding(SHA256, SHA256), RsaPadding(SHA384, SHA384), RsaPadding(SHA512, SHA512)),
    *(RsaPadding(SHA256, SHA1), RsaPadding(SHA1, SHA1)),
    RsaPadding(),
)
"""OAEP first: its digests, even SHA-1, need not resist collisions, and PKCS #1 v1.5 is what
Bleichenbacher's attack is for (RFC 3218; RFC 8551, 2.3: OAEP is SHOULD+, v1.5 is MUST-)."""


class Grade(StrEnum):
    """How good an algorithm is under a policy."""

    GOOD = "good"
    WEAK = "weak"
    """Weak, and accepted on reading: the policy says that the caller knows."""
    REFUSED = "refused"
    """Weak, and not accepted."""


@final
@dataclass(frozen=True, slots=True)
class Assessment:
    """A grade and, where it is not good, the reason in a few words."""

    grade: Grade
    reason: str | None = None


_GOOD: Final = Assessment(Grade.GOOD)


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Policy:
    """What to emit and what to accept. `dataclasses.replace` makes variants.

    `Policy.INTEROP` emits what every S/MIME program of the last ten years reads,
    `Policy.MODERN` authenticated encryption, PSS and OAEP (RFC 8551, 2.7); it takes no
    certificate for mail that does not say so. Either encrypts with the best that the recipients
    announce, where they announce anything.
    `Policy.LEGACY_READ` is INTEROP that also reads what is no longer safe: SHA-1, MD5, DSA,
    small RSA keys, 3DES, RC2. It grades them WEAK and never emits them.
    """

    name: str
    cipher: ContentCipher
    """What a recipient of whom nothing is known is believed to read (RFC 8551, 2.7.1.2)."""
    rsa_padding: RsaPadding
    """Carries the content-encryption key to RSA recipients of whom nothing is known."""
    rsa_signature: SignatureScheme
    """Signs with RSA keys where the caller names none."""
    assumed: tuple[ContentCipher, ...] = (AES128_CBC,)
    """What such a recipient is believed to read as well, as far as it stands behind `cipher` in
    `ciphers`: it counts where another recipient does not read `cipher`."""
    ciphers: tuple[ContentCipher, ...] = _CIPHERS
    """What may be chosen where recipients announce what they read, the preferred first."""
    rsa_paddings: tuple[RsaPadding, ...] = _PADDINGS
    """The same for the padding, where an RSA recipient announces it."""
    accepts_weak: bool = False
    """Reads weak algorithms and grades them, instead of refusing them."""
    minimum_rsa: int = 2048
    """Bits of an RSA key (RFC 8551, 4.2 to 4.4)."""
    maximum_rsa: int = 16384
    """Bits of an RSA key: larger ones only burn time."""
    any_usage: bool = True
    """Takes a certificate whose extended key usage is anyExtendedKeyUsage for one that is for
    mail, as RFC 8550, 4.4.4 does; authorities that anybody trusts may not issue such (CA/B S/MIME
    BR, 7.1.2.2 (g) and 7.1.2.3 (f)). It is about end entities and CAs alike."""
    derive_content_keys: bool = False
    """Bind the content-encryption key to the cipher (CEK-HKDF, RFC 9709) whoever the recipients
    are; not every program reads that. Without it, where all of them announce that they do."""
    limits: Limits = field(default_factory=Limits)

    INTEROP: ClassVar["Policy"]
    MODERN: ClassVar["Policy"]
    LEGACY_READ: ClassVar["Policy"]

    choices: tuple[ContentCipher, ...] = field(init=False, repr=False, compare=False)
    """The ciphers that may be chosen, the preferred first: never a weak one."""
    believed: tuple[ContentCipher, ...] = field(init=False, repr=False, compare=False)
    """Those of them that a recipient of whom nothing is known is believed to read."""

    def __post_init__(self) -> None:
        rows = dict.fromkeys((*self.ciphers, self.cipher))
        choices = tuple(row for row in rows if row.emitted and not row.weak)
        behind = choices[choices.index(self.cipher) :] if self.cipher in choices else ()
        believed = tuple(row for row in behind if row == self.cipher or row in self.assumed)
        object.__setattr__(self, "choices", choices)
        object.__setattr__(self, "believed", believed)

    def __repr__(self) -> str:
        """As it may be written: a policy that has a name, and what is other than there."""
        named = (Policy.INTEROP, Policy.MODERN, Policy.LEGACY_READ)
        base = next((each for each in named if each.name == self.name), None)
        if base is None:
            return f"<Policy {self.name!r}>"
        name = f"Policy.{self.name.upper().replace('-', '_')}"
        found = ((each.name, getattr(self, each.name)) for each in fields(self) if each.compare)
        own = [f"{key}={value!r}" for key, value in found if value != getattr(base, key)]
        return f"replace({name}, {', '.join(own)})" if own else name

    def _weak(self, reason: str) -> Assessment:
        return Assessment(Grade.WEAK if self.accepts_weak else Grade.REFUSED, reason)

    def signature(self, scheme: SignatureScheme, key: PublicKey) -> Assessment:
        """How good is a signature by this scheme and key?"""
        if scheme.digest.strength < _COLLISION_BITS:
            return self._weak(f"the digest {scheme.digest.name} is broken")
        return self.key(key)

    def key(self, key: PublicKey) -> Assessment:
        """How good is a key, whatever it is for?"""
        if isinstance(key, dsa.DSAPublicKey):
            return self._weak("DSA is obsolete")
        if isinstance(key, rsa.RSAPublicKey):
            if key.key_size < self.minimum_rsa:
                return self._weak(f"an RSA key of {key.key_size} bits is too short")
            if key.key_size > self.maximum_rsa:
                return Assessment(Grade.REFUSED, f"an RSA key of {key.key_size} bits is too long")
        if isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < 224:
            return self._weak(f"the curve {key.curve.name} is too small")
        return _GOOD

    def content(self, cipher: ContentCipher) -> Assessment:
        """How good is content encryption by this cipher?"""
        if cipher.weak:
            return self._weak(f"the cipher {cipher.name} is obsolete")
        return _GOOD

    def require(self, assessment: Assessment, what: str) -> None:
        """Raise PolicyError where an assessment is REFUSED; `what` begins the sentence."""
        if assessment.grade is Grade.REFUSED:
            raise PolicyError(
                f"{what}: {assessment.reason}. To read it all the same, use Policy.LEGACY_READ.",
                code="policy.weak",
            )

    def scheme_for(self, key: PublicKey) -> SignatureScheme:
        """What to sign with where the caller names no scheme; PolicyError for a weak key."""
        assessment = self.key(key)
        if assessment.grade is not Grade.GOOD:
            raise PolicyError(f"Refused to sign: {assessment.reason}.", code="policy.weak")
        if isinstance(key, rsa.RSAPublicKey):
            return self.rsa_signature
        match key:
            case ec.EllipticCurvePublicKey():
                return _ecdsa_for(key)
            case ed25519.Ed25519PublicKey():
                return ED25519
            case ed448.Ed448PublicKey():
                return ED448
            case mldsa.MLDSA44PublicKey():
                return ML_DSA_44
            case mldsa.MLDSA65PublicKey():
                return ML_DSA_65
            case mldsa.MLDSA87PublicKey():
                return ML_DSA_87
        raise UsageError(f"A key of kind {key_name(key)} cannot sign.", code="usage.scheme")


def _ecdsa_for(key: ec.EllipticCurvePublicKey) -> SignatureScheme:
    """ECDSA with the digest that is as strong as the curve (RFC 5753, 8)."""
    curve = CURVES.get(key.curve.name)
    if curve is not None:
        return ecdsa(curve.digest)
    if key.key_size <= 256:
        return ecdsa(SHA256)
    return ecdsa(SHA384 if key.key_size <= 384 else SHA512)


Policy.INTEROP = Policy(
    name="interop",
    cipher=AES256_CBC,
    rsa_padding=RsaPadding(),
    rsa_signature=RSA_PKCS1_SHA256,
)
Policy.MODERN = Policy(
    name="modern",
    cipher=AES256_GCM,
    rsa_padding=RsaPadding(SHA256, SHA256),
    rsa_signature=RSA_PSS_SHA256,
    # RFC 8551, 2.7: what a receiver of S/MIME 4.0 MUST, and MUST- read; AES-256 in CBC mode is
    # the SHOULD+ of the version before (RFC 5751, 2.7).
    assumed=(AES128_GCM, AES256_CBC, AES128_CBC),
    any_usage=False,
)
Policy.LEGACY_READ = Policy(
    name="legacy-read",
    cipher=AES256_CBC,
    rsa_padding=RsaPadding(),
    rsa_signature=RSA_PKCS1_SHA256,
    accepts_weak=True,
    minimum_rsa=2048,
)
