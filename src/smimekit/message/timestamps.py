"""The time-stamps on a signature, each with its facts.

Knows how a token is read and checked. May not know whom to trust: a time-stamping authority
is none for mail, and the caller's trust is about mail.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from smimekit.certificate import Certificate
from smimekit.cms.content import TST_INFO
from smimekit.cms.signed import SignerInfo
from smimekit.cms.signer import Check, Integrity, check_signer, find_certificate
from smimekit.cms.timestamp import TimestampToken, imprint_matches, read_timestamp, timestamps
from smimekit.errors import CertificateError, CmsError, LimitExceeded
from smimekit.message.evidence import assess, load_bag
from smimekit.message.layers import TimestampResult
from smimekit.policy import Assessment, Grade, Policy

__all__ = ["check_timestamps"]

_TIME_STAMPING: Final = frozenset({"1.3.6.1.5.5.7.3.8"})


def check_timestamps(
    signer: SignerInfo, bag: Sequence[Certificate], policy: Policy
) -> tuple[TimestampResult, ...]:
    """What the tokens on a signature say; LimitExceeded where there are too many."""
    found = timestamps(signer)
    if len(found) > policy.limits.timestamps:
        raise LimitExceeded("A signature has too many time-stamps.", code="limit.timestamps")
    return tuple(_checked(each, signer.signature, bag, policy) for each in found)


def _checked(
    token: bytes, stamped: bytes, bag: Sequence[Certificate], policy: Policy
) -> TimestampResult:
    try:
        read = read_timestamp(token, limits=policy.limits)
        matches = imprint_matches(read.info, stamped)
    except (CmsError, LimitExceeded) as error:
        return _unreadable(str(error))
    pool = (*load_bag(read.data.certificates), *bag)
    certificate = find_certificate(read.signer, pool)
    check = _check(read, certificate)
    assessment = assess(check, certificate, policy)
    info = read.info
    return TimestampResult(
        integrity=check.integrity,
        imprint_matches=matches,
        time=info.time,
        policy=info.policy,
        serial=info.serial,
        certificate=certificate,
        assessment=assessment,
        reasons=tuple(_reasons(check, assessment, matches=matches)),
    )


def _check(token: TimestampToken, certificate: Certificate | None) -> Check:
    """The authority's signature, and the rules that RFC 3161 adds to those of every other."""
    if certificate is None:
        reason = "the certificate of the time-stamping authority is not at hand"
        return Check(Integrity.NO_CERTIFICATE, reason)
    check = check_signer(token.signer, certificate, TST_INFO, token.digests)
    if check.integrity is not Integrity.GOOD:
        return check
    attributes = token.signer.signed_attributes
    if attributes is None or not attributes.signing_certificates:  # RFC 3161, 2.4.2
        reason = "the time-stamp does not name the certificate of its authority"
        return Check(Integrity.MALFORMED, reason, check.scheme)
    if not _may_stamp(certificate):  # RFC 3161, 2.3
        reason = "the certificate of the time-stamping authority is not for time-stamps"
        return Check(Integrity.MALFORMED, reason, check.scheme)
    return check


def _may_stamp(certificate: Certificate) -> bool:
    try:
        return certificate.extended_key_usage == _TIME_STAMPING
    except CertificateError:
        return False


def _reasons(check: Check, assessment: Assessment, *, matches: bool) -> Iterator[str]:
    if check.reason:
        yield check.reason
    if not matches:
        yield "the time-stamp is about another signature"
    if assessment.reason:
        yield assessment.reason
    yield "whether to trust the time-stamping authority was not judged"


def _unreadable(reason: str) -> TimestampResult:
    return TimestampResult(
        integrity=Integrity.MALFORMED,
        imprint_matches=False,
        time=None,
        policy=None,
        serial=None,
        certificate=None,
        assessment=Assessment(Grade.REFUSED, "it cannot be read"),
        reasons=(reason,),
    )
