"""One signer's signature, checked (RFC 5652, 5.4 to 5.6).

Knows what a signature covers and every rule that ties attributes, algorithms and content
together. May not know how one is made (`cms.signer_writing` does), whom to trust, nor what time
it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from hmac import compare_digest
from typing import Final, final

from smimekit import der, primitives
from smimekit.algorithms import (
    DIGEST_BY_OID,
    SHA256,
    AlgorithmIdentifier,
    Digest,
    SignatureScheme,
    digest_row,
    key_allows,
    pure_scheme,
    signature_scheme,
)
from smimekit.certificate import Certificate
from smimekit.cms import attributes as attrs
from smimekit.cms.attributes import Attributes, AttributeWatch, CertificateHash
from smimekit.cms.content import DATA
from smimekit.cms.signed import Digests, SignerInfo
from smimekit.errors import CertificateError, CmsError, LimitExceeded
from smimekit.frozen import maker
from smimekit.limits import Limits
from smimekit.primitives import PublicKey, verify, verify_digest

__all__ = [
    "Check",
    "Integrity",
    "check_signer",
    "find_certificate",
    "named_scheme",
]


class Integrity(StrEnum):
    """Does a signature match what it is said to cover?"""

    GOOD = "good"
    CONTENT_CHANGED = "content-changed"
    """The content is not what the signer signed."""
    BAD_SIGNATURE = "bad-signature"
    """The signed attributes or the signature were altered, or the key is another."""
    NO_CERTIFICATE = "no-certificate"
    """The signer's certificate is not at hand."""
    UNSUPPORTED = "unsupported"
    """An algorithm or a key of a kind that is not known here."""
    MALFORMED = "malformed"
    """The signer's information breaks a rule of the standard."""


@final
@dataclass(frozen=True, slots=True)
class Check:
    """What the check of one signature found."""

    integrity: Integrity
    reason: str | None = None
    """Why it is not GOOD, in a few words."""
    scheme: SignatureScheme | None = None
    reencoded: bool = False
    """Did the signature match only the DER of attributes that arrived in another form?"""


_check_of: Final = maker(Check)
_LIMITS: Final = Limits()
_ANNOUNCEMENTS: Final = (attrs.SMIME_CAPABILITIES, attrs.ENCRYPTION_KEY_PREFERENCE)
_RULES: Final = "rules"
"""Under which a certificate remembers whose attributes have met the rules."""
_FORMS: Final = 4
"""How many of them: a signature by ECDSA has one of three lengths, or of more for other curves."""


def find_certificate(signer: SignerInfo, pool: Iterable[Certificate]) -> Certificate | None:
    """The first certificate of `pool` that the signer's identifier names."""
    return next((each for each in pool if signer.sid.matches(each)), None)


def check_signer(
    signer: SignerInfo,
    certificate: Certificate,
    content_type: str | None,
    digests: Digests,
    *,
    limits: Limits = _LIMITS,
) -> Check:
    """Check one signature over content that has passed. Never raises for what it is given.

    `content_type` is None for a countersignature, which signs what has none.
    """
    attributes = signer.signed_attributes
    met = _met(signer, certificate, content_type)
    try:
        if attributes and met:
            _ = attributes.signing_time  # of what is another one each time, all that has a rule
            return _check_attributes(signer, attributes, certificate.public_key, met, digests)
        scheme = _scheme_of(signer)
        return _check(signer, scheme, certificate, content_type, digests, limits)
    except _UnsupportedError as error:
        return Check(Integrity.UNSUPPORTED, str(error))
    except (CmsError, LimitExceeded) as error:
        return Check(Integrity.MALFORMED, str(error))


def named_scheme(signer: SignerInfo) -> SignatureScheme | None:
    """The scheme that a signature names; None where that is not known, or is malformed."""
    try:
        return _scheme_of(signer)
    except (_UnsupportedError, CmsError, LimitExceeded):
        return None


@final
@dataclass(frozen=True, slots=True)
class _Met:
    """Whose attributes have met the rules for a certificate, and its key those of the scheme."""

    common: object
    content_type: str | None
    scheme: SignatureScheme


def _met(
    signer: SignerInfo, certificate: Certificate, content_type: str | None
) -> SignatureScheme | None:
    """The scheme of somebody who met the rules, and differs in nothing that has one but the
    time; None where there was nobody.
    """
    common, known = signer.common, certificate.memo.get(_RULES)
    if common is None or not isinstance(known, tuple):
        return None
    for each in known:
        if each.common is common and each.content_type == content_type:
            scheme: SignatureScheme = each.scheme
            return scheme
    return None


def _remember(met: _Met, certificate: Certificate) -> None:
    known = certificate.memo.get(_RULES)
    before = known if isinstance(known, tuple) else ()
    certificate.memo[_RULES] = (met, *before[: _FORMS - 1])


class _UnsupportedError(Exception):
    """An algorithm that is not known; its message says which, in a few words."""


def _scheme_of(signer: SignerInfo) -> SignatureScheme:
    """The signature algorithm, once the digest that goes with it is known."""
    if signer.signed_attributes is None:
        pure = pure_scheme(signer.signature_algorithm)
        if pure is not None:
            # RFC 9882, 3.3: digestAlgorithm is ignored. RFC 8419, 3.2 knows one value only.
            return pure.bare
    digest = digest_row(signer.digest_algorithm)
    if digest is None:
        name = signer.digest_algorithm.oid
        raise _UnsupportedError(f"the digest {name} is not supported")
    scheme = signature_scheme(signer.signature_algorithm, digest)
    if scheme is None:
        name = signer.signature_algorithm.oid
        raise _UnsupportedError(
            f"the signature algorithm {name}, or a parameter of it, is not supported"
        )
    return scheme


def _check(
    signer: SignerInfo,
    scheme: SignatureScheme,
    certificate: Certificate,
    content_type: str | None,
    digests: Digests,
    limits: Limits,
) -> Check:
    try:
        key, restriction = certificate.public_key, certificate.key_identifier
    except CertificateError as error:
        return Check(Integrity.UNSUPPORTED, str(error), scheme)
    if not key_allows(restriction, scheme):
        reason = "the signer's key is restricted to another signature algorithm (RFC 4055)"
        return Check(Integrity.BAD_SIGNATURE, reason, scheme)
    if signer.signed_attributes is None:
        return _check_content(signer, key, scheme, content_type, digests, limits)
    _check_rules(signer, signer.signed_attributes, certificate, content_type)
    if signer.common is not None:
        _remember(_Met(signer.common, content_type, scheme), certificate)
    return _check_attributes(signer, signer.signed_attributes, key, scheme, digests)


def _check_attributes(
    signer: SignerInfo,
    attributes: Attributes,
    key: PublicKey,
    scheme: SignatureScheme,
    digests: Digests,
) -> Check:
    """Of attributes that meet the rules: the digest of the content, and the signature."""
    expected = attributes.message_digest
    if expected is None:
        raise CmsError("The signer's messageDigest is missing.", code="cms.attributes")
    if not compare_digest(expected, digests.value(scheme.digest)):
        reason = "the content is not what was signed"
        return Check(Integrity.CONTENT_CHANGED, reason, scheme)
    # RFC 5652, 5.4: the DER of the SET OF is signed. Senders that wrote it in another order
    # signed, as a rule, what they wrote; a few signed the DER of it.
    received, signature = attributes.signed_octets(), signer.signature
    if verify(key, scheme, signature, received):
        return _check_of(Integrity.GOOD, None, scheme)
    canonical = der.to_der(received)
    if canonical != received and verify(key, scheme, signature, canonical):
        return Check(Integrity.GOOD, None, scheme, reencoded=True)
    return Check(Integrity.BAD_SIGNATURE, "the signature does not match", scheme)


def _check_rules(
    signer: SignerInfo, attributes: Attributes, certificate: Certificate, content_type: str | None
) -> None:
    """What the signed attributes must say; CmsError where they say something else."""
    if attributes.content_type != content_type:
        if attributes.content_type is None:
            raise CmsError("The signer's contentType is missing.", code="cms.attributes")
        raise CmsError(
            "The signer signed content of another type (RFC 5652, 11.1).", code="cms.content-type"
        )
    if attributes.values(attrs.COUNTERSIGNATURE):
        raise CmsError(
            "A countersignature stands among the signed attributes (RFC 5652, 11.4).",
            code="cms.attributes",
        )
    _ = attributes.signing_time  # once, and a time
    _check_announcements(signer, attributes)
    _check_algorithm_protection(signer, attributes)
    for named in attributes.signing_certificates:
        _check_signing_certificate(named, certificate)


def _check_announcements(signer: SignerInfo, attributes: Attributes) -> None:
    """RFC 8551, 2.5.2 and 2.5.3: once, with one value, and never unsigned, or the signature
    should be treated as failing.
    """
    unsigned = signer.unsigned_attributes
    loose = () if unsigned is None else unsigned.entries
    for oid in _ANNOUNCEMENTS:
        attributes.one(oid)
        if any(name == oid for name, _ in loose):
            raise CmsError(
                "What the signer says about encryption stands among the unsigned attributes "
                "(RFC 8551, 2.5.2 and 2.5.3).",
                code="cms.attributes",
            )


def _check_algorithm_protection(signer: SignerInfo, attributes: Attributes) -> None:
    protection = attributes.algorithm_protection
    if protection is None:
        return
    same = _same_algorithm(protection.digest, signer.digest_algorithm) and (
        protection.signature is not None
        and _same_algorithm(protection.signature, signer.signature_algorithm)
    )
    if not same:
        raise CmsError(
            "The algorithms that the signer protected are not those that the message names "
            "(RFC 6211).",
            code="cms.algorithm-protection",
        )


def _same_algorithm(one: AlgorithmIdentifier, other: AlgorithmIdentifier) -> bool:
    # RFC 6211, 2: the same as encoded; absent and NULL parameters are one to every digest.
    return one is other or one == other or (one.oid == other.oid and one.plain and other.plain)


def _check_signing_certificate(named: CertificateHash, certificate: Certificate) -> None:
    """RFC 5035, 5: the signature is invalid where the first ESSCertID names another."""
    digest = DIGEST_BY_OID.get(named.digest_oid)
    if digest is None:
        raise CmsError(
            "The signingCertificate attribute uses an unknown digest.",
            code="cms.signing-certificate",
        )
    same = compare_digest(named.value, _hash_of(certificate, digest))
    if same and named.serial is not None:
        same = named.serial == certificate.serial
    if not same:
        raise CmsError(
            "The signer meant another certificate than the one that is at hand (RFC 5035).",
            code="cms.signing-certificate",
        )


def _hash_of(certificate: Certificate, digest: Digest) -> bytes:
    if digest is SHA256:
        return bytes.fromhex(certificate.fingerprint)  # which is made once
    return primitives.digest(digest, certificate.der)


def _check_content(
    signer: SignerInfo,
    key: PublicKey,
    scheme: SignatureScheme,
    content_type: str | None,
    digests: Digests,
    limits: Limits,
) -> Check:
    """A signature without signed attributes covers the content itself."""
    if content_type not in {DATA, None}:
        raise CmsError(
            "Signed attributes are missing, which only plain data may do without (RFC 5652, 5.3).",
            code="cms.attributes",
        )
    watch = AttributeWatch()
    if all(map(watch.update, digests.content())) and watch.found():
        raise CmsError(
            "The content is a set of signed attributes: a signature of something else may "
            "have been put to new use.",
            code="cms.attribute-confusion",
        )
    if scheme.kind.pure:
        good = verify(key, scheme, signer.signature, _whole(digests.content(), limits))
    else:
        good = verify_digest(key, scheme, signer.signature, digests.value(scheme.digest))
    if good:
        return Check(Integrity.GOOD, None, scheme)
    return Check(Integrity.BAD_SIGNATURE, "the signature does not match the content", scheme)


def _whole(content: Iterable[bytes], limits: Limits) -> bytes:
    """All of the content: what signs data themselves needs them at once, so they have a bound."""
    found = bytearray()
    for chunk in content:
        found += chunk
        if len(found) > limits.eddsa_bytes:
            raise LimitExceeded(
                "The content is too large for a signature of this kind.",
                code="limit.eddsa-bytes",
            )
    return bytes(found)
