"""From a certificate to an anchor: paths searched, validated, and asked about revocation.

Knows how search, validation and revocation follow on each other. May not know decisions about
the certificate itself, nor what status follows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, final

from smimekit.certificate import Certificate
from smimekit.policy import Policy
from smimekit.trust.certvalidator import EVIDENCE_SKEW, PathParameters, Request
from smimekit.trust.choice import Asked, all_moments, choose
from smimekit.trust.knowledge import Knowledge
from smimekit.trust.names import normal_name
from smimekit.trust.paths import Path, PathSearch, Pool, signature_matches
from smimekit.trust.records import Purpose
from smimekit.trust.revocation.answers import Known
from smimekit.trust.revocation.evidence import Evidence, evidence_moments
from smimekit.trust.revocation.gather import AtHand, EvidenceSource, known_revocation
from smimekit.trust.status import (
    Chain,
    Reason,
    Revocation,
    RevocationPolicy,
    revocation_suffices,
)
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
    """The valid path to an anchor that counts, or the facts about what there is instead."""
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
    found = _walk(search, case, rules)
    if found.moments is None:
        return found
    ends = [one.decision.until for one in declared if one.decision is not None]
    moments = (*found.moments, *_times(search.seen), *(one for one in ends if one is not None))
    return replace(found, moments=moments)


def _walk(search: PathSearch, case: Case, rules: Rules) -> Chained:
    """Path after path, as far as another one may change the answer.

    All of them where there is evidence: one may say that the certificate itself is revoked.
    """
    asking = _Asking(case, rules)
    failed: list[PathVerdict] = []
    asked: list[Asked] = []
    more = False
    for path in search:  # the search's budget bounds the paths, too
        verdict = validate_path(path, replace(asking.request, at=_in_its_time(case)))
        if not verdict.valid:
            failed.append(verdict)
            continue
        more = len(asked) >= rules.policy.limits.valid_paths
        if more:
            break
        asked.append(asking.about(path))
        if asking.silent:
            break
    if not asked:
        return _no_path(search, failed, asking)
    found, exhausted = choose(asked), more or search.exhausted
    given_up = exhausted and not asking.suffices(found.known)
    reasons = (_EXHAUSTED,) if given_up else ()
    return Chained(
        Chain.ANCHORED,
        found.known,
        False,  # noqa: FBT003 - a row
        found.path,
        reasons,
        all_moments(asked),
    )


def _no_path(search: PathSearch, failed: Sequence[PathVerdict], asking: "_Asking") -> Chained:
    path, chain = (failed[0].path, Chain.BAD) if failed else (search.partial, None)
    reasons = [one.reason for one in failed if one.reason is not None]
    if search.exhausted:
        reasons.append(_EXHAUSTED)
    known, moments = asking.revocation(path, asking.at_hand, anchored=False)
    # Of what was not searched to its end nobody knows whether it is bad: so it counts as bad.
    end = chain or (Chain.BAD if search.exhausted else _end_of(path))
    return Chained(end, known, search.distrusted, path, tuple(reasons), moments)


@final
class _Asking:
    """The paths of one certificate, asked about revocation.

    The network is asked until a path was found about which enough is known.
    """

    def __init__(self, case: Case, rules: Rules) -> None:
        self._case = case
        self._limits = rules.policy.limits
        self._policy = rules.revocation[case.purpose]
        self._source = None if rules.source is None else rules.source.bounded()
        self.at_hand = None if rules.source is None else AtHand(rules.source)
        self._met = False
        self.request = Request(
            purpose=case.purpose,
            at=case.at,
            policy=rules.policy,
            parameters=case.parameters,
        )

    @property
    def silent(self) -> bool:
        """Whether nothing can be known about revocation, of whatever path."""
        nothing = self._case.evidence.empty and self._source is None
        return nothing or self._policy is RevocationPolicy.OFF

    def suffices(self, known: Known) -> bool:
        """Whether so much is known as the policy requires."""
        return revocation_suffices(self._policy, known.revocation)

    def about(self, path: Path) -> Asked:
        """What is known about a valid path."""
        source = self.at_hand if self._met else self._source
        known, moments = self.revocation(path, source, anchored=True)
        self._met = self._met or self.suffices(known)
        return Asked(path, known, moments)

    def revocation(
        self, path: Path, source: EvidenceSource | None, *, anchored: bool
    ) -> tuple[Known, tuple[datetime, ...] | None]:
        """What is known about a path, and when another answer may begin."""
        if self._policy is RevocationPolicy.OFF:
            return NOT_CHECKED, tuple(_times(path))
        known, evidence = known_revocation(
            path,
            self.request,
            self._case.evidence,
            source=source,
            extra=self._case.extra,
            limits=self._limits,
            anchored=anchored,
        )
        return known, _moments(path, evidence, self._case.extra)


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
