"""A certificate by itself: well-formed, in time, strong enough, and meant for the purpose?

Knows RFC 5280, 4 and RFC 8550, 4.4. May not know issuers, stores or decisions.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, x448, x25519

from smimekit import der
from smimekit.algorithms import RSASSA_PSS
from smimekit.certificate import Certificate
from smimekit.errors import CertificateError, CmsError, LimitExceeded
from smimekit.policy import Grade, Policy
from smimekit.trust.records import Purpose
from smimekit.trust.second_opinion import require_second_opinion, unreadable
from smimekit.trust.status import Reason, Validity

__all__ = [
    "MAX_CERTIFICATE_BYTES",
    "is_old_root",
    "judge_validity",
    "may_issue",
    "stamping_reason",
    "structure_reason",
    "weak_key_reason",
]

MAX_CERTIFICATE_BYTES: Final = 128 << 10
"""The largest certificate that is judged: real ones, ML-DSA included, stay below 20 KiB, and
certvalidator's cost is not always linear."""


_STRUCTURE: Final = "structure"
_EMAIL_PROTECTION: Final = "1.3.6.1.5.5.7.3.4"
_ANY_USAGE: Final = "2.5.29.37.0"
_TIME_STAMPING: Final = "1.3.6.1.5.5.7.3.8"
_MAIL_USAGES: Final = frozenset({_EMAIL_PROTECTION, _ANY_USAGE})
_STAMP_USAGES: Final = frozenset({_TIME_STAMPING, _ANY_USAGE})
_EXTENDED_KEY_USAGE: Final = "2.5.29.37"

_ANY_REFUSED: Final = Reason(
    "usage.any",
    "The certificate's extended key usage is for anything, and the policy wants it for mail "
    "(RFC 8550, 4.4.4).",
)

_UNDERSTOOD: Final = frozenset(
    {
        "2.5.29.15",  # keyUsage
        "2.5.29.17",  # subjectAltName
        "2.5.29.19",  # basicConstraints
        "2.5.29.30",  # nameConstraints
        "2.5.29.31",  # cRLDistributionPoints
        "2.5.29.32",  # certificatePolicies
        "2.5.29.33",  # policyMappings
        "2.5.29.36",  # policyConstraints
        "2.5.29.37",  # extKeyUsage
        "2.5.29.54",  # inhibitAnyPolicy
    }
)
"""Extensions that may be critical, and are processed (RFC 5280, 4.2). Not those that no CA may
mark so, as the identifiers of keys (4.2.1.1, 4.2.1.2) and authorityInfoAccess (4.2.2.1): a mark
on them says that something else is meant."""


def _extensions(tbs: der.Reader) -> Iterator[tuple[str, bool]]:
    while tbs.more and tbs.peek != 0xA3:
        tbs.raw()
    if not tbs.more:
        return
    extensions = tbs.enter(0xA3).enter(der.SEQUENCE)
    tbs.finish()
    while extensions.more:
        extension = extensions.enter(der.SEQUENCE)
        oid = extension.oid()
        critical = extension.peek == der.BOOLEAN and extension.boolean()
        extension.read(der.OCTET_STRING)
        extension.finish()
        yield oid, critical


def _structure(certificate: Certificate) -> Reason | None:
    whole = der.Reader(certificate.der).enter(der.SEQUENCE)
    tbs = whole.enter(der.SEQUENCE)
    outer = whole.raw(der.SEQUENCE)
    if tbs.peek == 0xA0:
        tbs.raw()
    tbs.read(der.INTEGER)
    if tbs.raw(der.SEQUENCE) != outer:
        return Reason(
            "certificate.algorithm-mismatch",
            "The certificate names two different signature algorithms.",
        )
    for oid, critical in _extensions(tbs):
        if critical and oid not in _UNDERSTOOD:
            return Reason(
                "certificate.critical-extension",
                f"The certificate has a critical extension, {oid}, that is not understood.",
            )
    return None


def _touch(certificate: Certificate) -> None:
    # Each of these raises CertificateError where its part is malformed. The second opinion
    # refuses object identifiers of absurd length, too, for which certvalidator's ASN.1 library
    # would need quadratic time.
    certificate.public_key  # noqa: B018
    certificate.addresses  # noqa: B018
    certificate.key_usage  # noqa: B018
    certificate.extended_key_usage  # noqa: B018
    certificate.is_ca  # noqa: B018
    certificate.key_id  # noqa: B018
    certificate.authority_key_id  # noqa: B018
    require_second_opinion(certificate)


def structure_reason(certificate: Certificate) -> Reason | None:
    """Why the certificate is malformed, or None: it is the same octets each time, so once."""
    known = certificate.memo.get(_STRUCTURE, certificate)
    if known is None or isinstance(known, Reason):
        return known
    found = _structure_reason(certificate)
    certificate.memo[_STRUCTURE] = found
    return found


def _structure_reason(certificate: Certificate) -> Reason | None:
    if len(certificate.der) > MAX_CERTIFICATE_BYTES:
        return Reason("certificate.too-large", "The certificate is too large to be judged.")
    try:
        found = _structure(certificate)
        if found is None:
            _touch(certificate)
    except (CertificateError, CmsError, LimitExceeded) as error:
        return Reason(error.code, str(error))
    except unreadable() as error:
        kind = type(error).__name__
        return Reason("certificate.malformed", f"The certificate is malformed ({kind}).")
    return found


def weak_key_reason(certificate: Certificate, policy: Policy) -> Reason | None:
    """Why the policy refuses the key, or None. The certificate is well-formed."""
    found = policy.key(certificate.public_key)
    if found.grade is Grade.REFUSED:
        return Reason("key.weak", f"The policy refuses the certificate's key: {found.reason}.")
    return None


def _extended_usage_reason(certificate: Certificate, policy: Policy) -> Reason | None:
    extended = certificate.extended_key_usage
    if extended is None or _EMAIL_PROTECTION in extended:
        return None
    if _ANY_USAGE in extended:
        return None if policy.any_usage else _ANY_REFUSED
    return Reason(
        "usage.no-mail",
        "The certificate's extended key usage does not allow mail (RFC 8550, 4.4.4).",
    )


def stamping_reason(certificate: Certificate) -> Reason | None:
    """Why the certificate is none of a time-stamping authority, or None.

    RFC 3161, 2.3: an extended key usage that is critical and holds one value, timeStamping.
    Raises CertificateError or CmsError where the certificate is malformed.
    """
    tbs = der.Reader(certificate.der).enter(der.SEQUENCE).enter(der.SEQUENCE)
    critical = (_EXTENDED_KEY_USAGE, True) in _extensions(tbs)
    if critical and certificate.extended_key_usage == frozenset({_TIME_STAMPING}):
        return None
    return Reason(
        "usage.no-timestamp",
        "The certificate is not for time-stamps, and for nothing else (RFC 3161, 2.3).",
    )


def _signing_reason(certificate: Certificate) -> Reason | None:
    if isinstance(certificate.public_key, (x25519.X25519PublicKey, x448.X448PublicKey)):
        return Reason("usage.key-kind", "A key of this kind cannot sign.")
    usage = certificate.key_usage
    if usage is None or usage & {"digitalSignature", "nonRepudiation"}:
        return None
    return Reason("usage.no-signature", "The certificate's key may not sign (RFC 8550, 4.4.2).")


def _encryption_usage(certificate: Certificate) -> str | None:
    """The keyUsage bit that encrypting to this key needs; None: such a key cannot be used."""
    key = certificate.public_key
    if isinstance(key, (ec.EllipticCurvePublicKey, x25519.X25519PublicKey, x448.X448PublicKey)):
        return "keyAgreement"  # RFC 5480, 3; RFC 8410, 5
    signing = (
        *(dsa.DSAPublicKey, ed25519.Ed25519PublicKey, ed448.Ed448PublicKey),
        *(mldsa.MLDSA44PublicKey, mldsa.MLDSA65PublicKey, mldsa.MLDSA87PublicKey),
    )
    if isinstance(key, signing) or certificate.key_algorithm == RSASSA_PSS:
        return None
    return "keyEncipherment"  # RSA; ML-KEM (RFC 9935, 5)


def _encrypting_reason(certificate: Certificate) -> Reason | None:
    needed = _encryption_usage(certificate)
    if needed is None:
        return Reason("usage.key-kind", "A key of this kind can only sign.")
    usage = certificate.key_usage
    # encipherOnly is about the owner's own use of the key, which is not ours (RFC 5280, 4.2.1.3)
    if usage is None or (needed in usage and "encipherOnly" not in usage):
        return None
    return Reason("usage.no-encryption", f"The certificate's key usage lacks {needed}.")


def _time_reason(certificate: Certificate, at: datetime) -> tuple[Validity, Reason] | None:
    if at < certificate.not_before:
        text = f"The certificate is valid from {certificate.not_before:%Y-%m-%d %H:%M:%S} UTC."
        return Validity.NOT_YET, Reason("validity.not_yet", text)
    if at > certificate.not_after:
        text = f"The certificate expired on {certificate.not_after:%Y-%m-%d %H:%M:%S} UTC."
        return Validity.EXPIRED, Reason("validity.expired", text)
    return None


def judge_validity(
    certificate: Certificate, purpose: Purpose, at: datetime, policy: Policy
) -> tuple[Validity, tuple[Reason, ...]]:
    """The worst of what is wrong with the certificate by itself, and every reason."""
    broken = structure_reason(certificate)
    if broken is not None:
        return Validity.MALFORMED, (broken,)
    found: list[tuple[Validity, Reason]] = []
    in_time = _time_reason(certificate, at)
    if in_time is not None:
        found.append(in_time)
    weak = weak_key_reason(certificate, policy)
    if weak is not None:
        found.append((Validity.WEAK, weak))
    usage = _usage_reasons(certificate, purpose, policy)
    found += [(Validity.WRONG_USAGE, one) for one in usage if one is not None]
    worst = found[0][0] if found else Validity.OK
    return worst, tuple(reason for _, reason in found)


def _usage_reasons(
    certificate: Certificate, purpose: Purpose, policy: Policy
) -> tuple[Reason | None, Reason | None]:
    by_purpose = _encrypting_reason if purpose is Purpose.ENCRYPT else _signing_reason
    if purpose is Purpose.TIMESTAMP:
        return stamping_reason(certificate), by_purpose(certificate)
    return _extended_usage_reason(certificate, policy), by_purpose(certificate)


def is_old_root(certificate: Certificate) -> bool:
    """A root of version 1, which cannot say that it is a CA.

    RFC 5280, 6.1.4 (k): it is one where that is known by other means, as of an anchor. (RFC 8550,
    2.2: version 1 has to be supported.)
    """
    return certificate.version == 1 and certificate.is_self_signed


def may_issue(
    certificate: Certificate, purpose: Purpose = Purpose.VERIFY, *, any_usage: bool = True
) -> bool:
    """Whether a certificate says that its key may sign other certificates, for a purpose.

    A CA with an extended key usage that leaves it out may not (CA/B S/MIME BR, 7.1.2.2 (g)).
    `any_usage`: anyExtendedKeyUsage does not leave it out.
    """
    wanted = _STAMP_USAGES if purpose is Purpose.TIMESTAMP else _MAIL_USAGES
    if not any_usage:
        wanted -= {_ANY_USAGE}
    try:
        usage, extended = certificate.key_usage, certificate.extended_key_usage
        return (
            certificate.is_ca
            and (usage is None or "keyCertSign" in usage)
            and (extended is None or bool(extended & wanted))
        )
    except CertificateError:
        return False
