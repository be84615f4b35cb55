"""From a certificate to an anchor: paths searched, validated, and asked about revocation.

Knows how search, validation and revocation follow on each other. May not know decisions about
the certificate itself, nor what status follows.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, final

from smimekit.certificate import Certificate
from smimekit.policy import Policy
from smimekit.trust.certvalidator import EVIDENCE_SKEW, PathParameters, Request
from smimekit.trust.knowledge import Knowledge
from smimekit.trust.names import normal_name
from smimekit.trust.paths import Path, PathSearch, Pool, signature_matches
from smimekit.trust.records import Purpose
from smimekit.trust.revocation.answers import Known
from smimekit.trust.revocation.evidence import Evidence, evidence_moments
from smimekit.trust.revocation.gather import EvidenceSource, known_revocation
from smimekit.trust.status import Chain, Reason, Revocation, RevocationPolicy
from smimekit.trust.validate import PathVerdict, validate_path

__all__ = ["NOT_CHECKED", "Case", "Chained", "Rules", "find_chain"]

NOT_CHECKED: Final = Known(Revocation.NOT_CHECKED)

_EXHAUSTED: Final = Reason(
    "path.budget", "There are too many possible issuers; the search for a path was given up."
)


@final
@dataclass(frozen=True, slots=True)
class Rules:
    """By what all certificates are judged."""

    revocation: Mapping[Purpose, RevocationPolicy]
    policy: Policy
    source: EvidenceSource | None = None
    """Of more evidence than comes along."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One certificate to judge, with what came along with it."""

    certificate: Certificate
    purpose: Purpose
    at: datetime
    extra: tuple[Certificate, ...] = ()
    evidence: Evidence = field(default_factory=Evidence)
    parameters: PathParameters = field(default_factory=PathParameters)


@final
@dataclass(frozen=True, slots=True)
class Chained:
    """What the search for a path found.

    `moments`: the times at which another answer may begin; None where they cannot be told.
    """

    chain: Chain
    revocation: Known
    distrusted: bool
    path: Path
    reasons: tuple[Reason, ...] = ()
    moments: tuple[datetime, ...] | None = ()


def find_chain(case: Case, knowledge: Knowledge, rules: Rules) -> Chained:
    """The first valid path to an anchor, or the facts about what there is instead."""
    if case.certificate.is_ca and knowledge.is_distrusted(case.certificate):
        own = (case.certificate,)
        return Chained(Chain.BAD, NOT_CHECKED, True, own)  # noqa: FBT003 - a row
    declared = knowledge.declared()
    search = PathSearch(
        case.certificate,
        Pool(
            knowledge.anchors(declared, case.purpose, case.at),
            case.extra,
            knowledge.issuers,
            purpose=case.purpose,
        ),
        distrusted=knowledge.is_distrusted,
        limits=rules.policy.limits,
    )
    found = _first_valid(search, case, rules)
    if found.moments is None:
        return found
    ends = [one.decision.until for one in declared if one.decision is not None]
    moments = (*found.moments, *_times(search.seen), *(one for one in ends if one is not None))
    return replace(found, moments=moments)


def _first_valid(search: PathSearch, case: Case, rules: Rules) -> Chained:
    request = Request(
        purpose=case.purpose,
        at=case.at,
        accepts_weak=rules.policy.accepts_weak,
        any_usage=rules.policy.any_usage,
        parameters=case.parameters,
    )
    failed: list[PathVerdict] = []
    for path in search:  # the search's budget bounds the paths, too
        verdict = validate_path(path, replace(request, at=_in_its_time(case)))
        if verdict.valid:
            known, moments = _revocation(path, request, case, rules, anchored=True)
            return Chained(Chain.ANCHORED, known, False, path, (), moments)  # noqa: FBT003
        failed.append(verdict)
    path, chain = (failed[0].path, Chain.BAD) if failed else (search.partial, None)
    reasons = [one.reason for one in failed if one.reason is not None]
    if search.exhausted:
        reasons.append(_EXHAUSTED)
    known, moments = _revocation(path, request, case, rules, anchored=False)
    # Of what was not searched to its end nobody knows whether it is bad: so it counts as bad.
    end = chain or (Chain.BAD if search.exhausted else _end_of(path))
    return Chained(end, known, search.distrusted, path, tuple(reasons), moments)


def _revocation(
    path: Path, request: Request, case: Case, rules: Rules, *, anchored: bool
) -> tuple[Known, tuple[datetime, ...] | None]:
    """What is known about revocation, and when another answer may begin."""
    if rules.revocation[case.purpose] is RevocationPolicy.OFF:
        return NOT_CHECKED, tuple(_times(path))
    known, evidence = known_revocation(
        path,
        request,
        case.evidence,
        source=rules.source,
        extra=case.extra,
        limits=rules.policy.limits,
        anchored=anchored,
    )
    return known, _moments(path, evidence, case.extra)


def _moments(
    path: Path, evidence: Evidence, extra: tuple[Certificate, ...]
) -> tuple[datetime, ...] | None:
    """When the path, the evidence about it or a signer of that evidence begins or ends."""
    if evidence.empty:
        return tuple(_times(path))
    found = evidence_moments(evidence, path)
    if found is None:
        return None
    moments = (*found, *_times(path), *_times(extra))
    return (*moments, *_around(moments))


def _around(moments: Iterable[datetime]) -> Iterator[datetime]:
    """Evidence and its signers count a little before their time, and a little after it."""
    for one in moments:
        with suppress(OverflowError):  # at the ends of the calendar
            yield one - EVIDENCE_SKEW
        with suppress(OverflowError):
            yield one + EVIDENCE_SKEW


def _times(certificates: Iterable[Certificate]) -> Iterator[datetime]:
    for one in certificates:
        yield from (one.not_before, one.not_after)


def _in_its_time(case: Case) -> datetime:
    """The time for the path: of a certificate that is out of its time, the nearest one in it.

    That it is out of its time is a fact of its own, and enough not to trust it; whether its
    chain was good is another.
    """
    certificate = case.certificate
    if certificate.not_before > certificate.not_after:
        return case.at
    return min(max(case.at, certificate.not_before), certificate.not_after)


def _end_of(path: Path) -> Chain:
    top = path[0]
    own = normal_name(top.subject) == normal_name(top.issuer) and signature_matches(top, top)
    if not own:
        return Chain.INCOMPLETE
    return Chain.SELF_SIGNED if len(path) == 1 else Chain.UNKNOWN_ROOT
