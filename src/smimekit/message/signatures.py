"""The signatures of one layer, each with its facts: integrity, identity, trust, time.

Knows how the facts of `cms`, `mime` and `trust` come together. May not know how a message
is taken apart.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, islice
from typing import Final, final

from smimekit.certificate import Certificate
from smimekit.cms.identifiers import IssuerAndSerialNumber
from smimekit.cms.signed import Digests, SignedData, SignerInfo
from smimekit.cms.signer import Check, Integrity, check_signer
from smimekit.errors import CertificateError, CmsError
from smimekit.message.identity import Claim, identity_of
from smimekit.message.layers import SignatureResult
from smimekit.message.spool import Spool
from smimekit.mime.canonical import to_crlf, to_lf
from smimekit.policy import Assessment, Grade, Policy
from smimekit.span import Span
from smimekit.trust import ByIssuerSerial, ByKeyId, Judgement, Purpose, Status, Trust

__all__ = ["Judge", "check_detached", "check_opaque", "load_bag", "with_identity"]

_RETRIED: Final = frozenset({Integrity.CONTENT_CHANGED, Integrity.BAD_SIGNATURE})
_NAMESAKES: Final = 4
"""Certificates that one identifier may name and that are tried: a renewed certificate keeps
its key, and with it its key identifier; anybody can put more of them into a message."""


@final
@dataclass(frozen=True, slots=True)
class Judge:
    """By what the signatures of a message are judged."""

    trust: Trust
    policy: Policy
    at: datetime | None


def load_bag(raw: Iterable[bytes]) -> tuple[Certificate, ...]:
    """The certificates of a bag; those that are malformed are left out."""
    found: dict[bytes, Certificate] = {}
    for each in raw:
        try:
            found.setdefault(each, Certificate(each))
        except CertificateError:
            continue
    return tuple(found.values())


def check_opaque(
    data: SignedData, digests: Digests, bag: Sequence[Certificate], judge: Judge
) -> tuple[SignatureResult, ...]:
    """The signatures over content that the SignedData held itself."""
    return _results(_checked(data, digests, bag, judge), data, bag, judge)


def check_detached(
    data: SignedData, content: Span, bag: Sequence[Certificate], judge: Judge, spool: Spool
) -> tuple[Span, tuple[SignatureResult, ...]]:
    """The signatures over content that stands elsewhere, and the octets that were signed.

    The content counts as it stands. Where it matches no signature and came with bare LF, as
    mail does that was stored on Unix, its canonical form counts (RFC 8551, 3.1.1); that one
    goes to the spool and is handed out then, since it is what was signed.
    """
    checked = list(_checked(data, Digests((), content.chunks), bag, judge))
    converted = False
    if _may_match_otherwise(checked):
        canonical = Digests((), lambda: to_crlf(content.chunks()))
        again = list(_checked(data, canonical, bag, judge))
        if _any_good(again):
            checked, converted = again, True
            for chunk in to_crlf(content.chunks()):
                spool.write(chunk)
            content = spool.span()
    lf_match = _may_match_otherwise(checked) and _matches_with_lf(data, content, bag, judge)
    results = tuple(
        replace(result, line_ends_converted=converted, lf_match=lf_match)
        for result in _results(checked, data, bag, judge)
    )
    return content, results


_Checked = tuple[SignerInfo, Certificate | None, Check]


def _any_good(checked: Iterable[_Checked]) -> bool:
    return any(check.integrity is Integrity.GOOD for _, _, check in checked)


def _may_match_otherwise(checked: Sequence[_Checked]) -> bool:
    """Is there a signature that another form of the content might match, and none good?"""
    return not _any_good(checked) and any(check.integrity in _RETRIED for *_, check in checked)


def _matches_with_lf(
    data: SignedData, content: Span, bag: Sequence[Certificate], judge: Judge
) -> bool:
    """For diagnosis only: did the signer sign bare LF, against the standard?"""

    def with_lf() -> Iterable[bytes]:
        return map(to_lf, to_crlf(content.chunks()))

    return _any_good(_checked(data, Digests((), with_lf), bag, judge))


def _checked(
    data: SignedData, digests: Digests, bag: Sequence[Certificate], judge: Judge
) -> Iterator[_Checked]:
    for signer in data.signers:
        yield signer, *_check_signer(signer, data, digests, bag, judge.trust)


def _check_signer(
    signer: SignerInfo,
    data: SignedData,
    digests: Digests,
    bag: Sequence[Certificate],
    trust: Trust,
) -> tuple[Certificate | None, Check]:
    """The certificate that the signature matches, else the first one that it names."""
    first: tuple[Certificate, Check] | None = None
    for certificate in islice(_named(signer, bag, trust), _NAMESAKES):
        check = check_signer(signer, certificate, data.content_type, digests)
        if check.integrity is Integrity.GOOD:
            return certificate, check
        first = first or (certificate, check)
    reason = "the signer's certificate is not in the message"
    return first or (None, Check(Integrity.NO_CERTIFICATE, reason))


def _named(signer: SignerInfo, bag: Sequence[Certificate], trust: Trust) -> Iterator[Certificate]:
    """The certificates that a signer's identifier names: the message's, then the store's."""
    named = [each for each in bag if signer.sid.matches(each)]
    return chain(named, (each for each in _from_store(signer, trust) if each not in named))


def _from_store(signer: SignerInfo, trust: Trust) -> Iterator[Certificate]:
    if trust.store is None:
        return
    sid = signer.sid
    if isinstance(sid, IssuerAndSerialNumber):
        yield from trust.store.find(ByIssuerSerial(sid.issuer, sid.serial))
    else:
        yield from trust.store.find(ByKeyId(sid.value))


def _results(
    checked: Iterable[_Checked], data: SignedData, bag: Sequence[Certificate], judge: Judge
) -> tuple[SignatureResult, ...]:
    # Each certificate is judged once, however many signatures it is said to have made.
    judgements: dict[Certificate | None, Judgement | None] = {None: None}
    evidence = _bounded((*data.crls, *data.ocsp_responses), judge.policy.limits.evidence_bytes)
    results = []
    for signer, certificate, check in checked:
        if certificate is not None and certificate not in judgements:
            judgements[certificate] = judge.trust.judge(
                certificate,
                Purpose.VERIFY,
                at=judge.at,
                extra_certificates=bag,
                crls=[each for each in data.crls if each in evidence],
                ocsps=[each for each in data.ocsp_responses if each in evidence],
            )
        judgement = judgements[certificate]
        results.append(_result(signer, check, certificate, judgement, judge.policy))
    return tuple(results)


def _bounded(evidence: Iterable[bytes], most: int) -> frozenset[bytes]:
    """As much of the evidence as may be looked at; without the rest, less is known."""
    found = set()
    for each in evidence:
        most -= len(each)
        if most >= 0:
            found.add(each)
    return frozenset(found)


def _result(
    signer: SignerInfo,
    check: Check,
    certificate: Certificate | None,
    judgement: Judgement | None,
    policy: Policy,
) -> SignatureResult:
    assessment = _assess(check, certificate, policy)
    scheme = check.scheme
    return SignatureResult(
        signer=str(signer.sid),
        certificate=certificate,
        algorithm=scheme.name if scheme else signer.signature_algorithm.oid,
        digest=scheme.digest.name if scheme else signer.digest_algorithm.oid,
        integrity=check.integrity,
        identity=identity_of(certificate, ()),
        judgement=judgement,
        assessment=assessment,
        signing_time=_signing_time(signer),
        reasons=tuple(dict.fromkeys(_reasons(check, assessment, judgement))),
        attributes=signer.signed_attributes,
    )


def _assess(check: Check, certificate: Certificate | None, policy: Policy) -> Assessment:
    if check.scheme is None or certificate is None:
        return Assessment(Grade.REFUSED, "the algorithm or the key is not known")
    try:
        return policy.signature(check.scheme, certificate.public_key)
    except CertificateError as error:
        return Assessment(Grade.REFUSED, str(error))


def _signing_time(signer: SignerInfo) -> datetime | None:
    try:
        return signer.signed_attributes.signing_time if signer.signed_attributes else None
    except CmsError:
        return None


def _reasons(check: Check, assessment: Assessment, judgement: Judgement | None) -> Iterator[str]:
    if check.reason:
        yield check.reason
    if assessment.reason:
        yield assessment.reason
    if judgement is not None and judgement.status is not Status.TRUSTED:
        yield from (reason.text for reason in judgement.reasons)


def with_identity(signature: SignatureResult, claims: tuple[Claim, ...]) -> SignatureResult:
    """The signature, held against those who are said to be the author."""
    senders = dict.fromkeys(address for claim in claims for address in claim or ())
    identity = identity_of(signature.certificate, claims)
    return replace(signature, identity=identity, senders=tuple(senders))
