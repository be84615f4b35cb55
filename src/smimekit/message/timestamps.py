"""The time-stamps on a signature, each with its facts.

Knows how a token is read and checked. May not know what its time is good for: that is for
whoever relies on it.
"""

from collections.abc import Iterator, Sequence
from typing import final

from smimekit.certificate import Certificate
from smimekit.cms.content import TST_INFO
from smimekit.cms.signed import SignedData, SignerInfo
from smimekit.cms.signer import Check, Integrity, check_signer, find_certificate
from smimekit.cms.timestamp import (
    TimestampInfo,
    TimestampToken,
    imprint_matches,
    read_timestamp,
    timestamps,
)
from smimekit.errors import CertificateError, CmsError, LimitExceeded
from smimekit.message.evidence import Judge, assess, bounded, load_bag
from smimekit.message.layers import TimestampResult
from smimekit.policy import Assessment, Grade
from smimekit.trust import Judgement, Purpose, Status
from smimekit.trust.names import normal_name
from smimekit.trust.usage import stamping_reason

__all__ = ["Stamps"]


@final
class Stamps:
    """The time-stamps of one layer.

    The authorities are judged by the certificates and the evidence of their own tokens, as
    much of it as one layer may bring.
    """

    def __init__(self, bag: Sequence[Certificate], judge: Judge) -> None:
        self._bag = bag
        self._judge = judge
        self._evidence_left = judge.policy.limits.evidence_bytes

    def of(self, signer: SignerInfo) -> tuple[TimestampResult, ...]:
        """What the tokens on a signature say; LimitExceeded where there are too many."""
        found = timestamps(signer)
        if len(found) > self._judge.policy.limits.timestamps:
            raise LimitExceeded("A signature has too many time-stamps.", code="limit.timestamps")
        return tuple(self._checked(each, signer.signature) for each in found)

    def _checked(self, token: bytes, stamped: bytes) -> TimestampResult:
        policy = self._judge.policy
        try:
            read = read_timestamp(token, limits=policy.limits)
            matches = imprint_matches(read.info, stamped)
        except (CmsError, LimitExceeded) as error:
            return _unreadable(str(error))
        pool = (*load_bag(read.data.certificates), *self._bag)
        certificate = find_certificate(read.signer, pool)
        check = _check(read, certificate)
        assessment = assess(check, certificate, policy)
        judgement = self._judged(certificate, pool, read.data)
        info = read.info
        return TimestampResult(
            integrity=check.integrity,
            imprint_matches=matches,
            time=info.time,
            policy=info.policy,
            serial=info.serial,
            certificate=certificate,
            assessment=assessment,
            judgement=judgement,
            reasons=tuple(_reasons(check, assessment, judgement, matches=matches)),
        )

    def _judged(
        self, certificate: Certificate | None, pool: Sequence[Certificate], data: SignedData
    ) -> Judgement | None:
        judge = self._judge
        if certificate is None or not judge.trust.judges_timestamps:
            return None
        crls, ocsps, self._evidence_left = bounded(data, self._evidence_left)
        return judge.trust.judge(
            certificate,
            Purpose.TIMESTAMP,
            at=judge.at,
            extra_certificates=pool,
            crls=crls,
            ocsps=ocsps,
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
    if not _is_named(token.info, certificate):
        reason = "the time-stamp names another authority than the one that signed it"
        return Check(Integrity.MALFORMED, reason, check.scheme)
    return check


def _may_stamp(certificate: Certificate) -> bool:
    try:
        return stamping_reason(certificate) is None
    except (CertificateError, CmsError, LimitExceeded):
        return False


def _is_named(info: TimestampInfo, certificate: Certificate) -> bool:
    """RFC 3161, 2.4.2: `tsa` MUST be a name of the certificate. Names of other kinds than the
    subject are hints only, and the ESSCertID names the certificate itself.
    """
    named = info.authority
    return named is None or normal_name(named) == normal_name(certificate.subject)


def _reasons(
    check: Check, assessment: Assessment, judgement: Judgement | None, *, matches: bool
) -> Iterator[str]:
    if check.reason:
        yield check.reason
    if not matches:
        yield "the time-stamp is about another signature"
    if assessment.reason:
        yield assessment.reason
    if judgement is None:
        yield "whether to trust the time-stamping authority was not judged"
    elif judgement.status is not Status.TRUSTED:
        yield from (reason.text for reason in judgement.reasons)


def _unreadable(reason: str) -> TimestampResult:
    return TimestampResult(
        integrity=Integrity.MALFORMED,
        imprint_matches=False,
        time=None,
        policy=None,
        serial=None,
        certificate=None,
        assessment=Assessment(Grade.REFUSED, "it cannot be read"),
        judgement=None,
        reasons=(reason,),
    )
