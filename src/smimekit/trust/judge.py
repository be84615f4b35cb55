"""Whom to trust: the one door where certificates, decisions, anchors and the clock meet.

Knows everything else in this package. May not know messages.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NoReturn, final

from smimekit import der
from smimekit.certificate import Certificate
from smimekit.errors import UsageError
from smimekit.policy import Policy
from smimekit.trust.certvalidator import PathParameters, Request
from smimekit.trust.evidence import Evidence, load_evidence
from smimekit.trust.gather import EvidenceSource, known_revocation
from smimekit.trust.names import normal_name
from smimekit.trust.paths import Path, PathSearch, Pool, signature_matches
from smimekit.trust.records import (
    ByAddress,
    ByFingerprint,
    ByIssuerSerial,
    ByPublicKey,
    BySubject,
    Decision,
    Purpose,
    Verdict,
    public_key_fingerprint,
    require_aware,
)
from smimekit.trust.revocation import Known
from smimekit.trust.status import (
    Chain,
    Facts,
    Reason,
    Revocation,
    RevocationPolicy,
    Status,
    Validity,
    policies_of,
    status_of,
    status_reasons,
)
from smimekit.trust.store import TrustStore
from smimekit.trust.usage import judge_validity
from smimekit.trust.validate import PathVerdict, validate_path

__all__ = ["Judgement", "Selection", "Trust"]


def _utc_now() -> datetime:
    return datetime.now(UTC)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All that is known about a certificate for one purpose at one time, and what follows.

    It has no truth value: ask for `status`.
    """

    certificate: Certificate
    purpose: Purpose
    at: datetime
    status: Status
    validity: Validity
    chain: Chain
    revocation: Revocation
    decision: Decision | None
    reasons: tuple[Reason, ...]
    path: Path
    """The anchor first where the chain is anchored; else as far up as the search came."""
    revocation_at: datetime | None = None
    """As of when `revocation` is known: the date of the oldest evidence that it rests on. Of what
    is unknown: when it was last known to be good. None where there is no evidence."""

    def __bool__(self) -> NoReturn:
        raise TypeError("A judgement has no truth value; compare its status.")


@final
@dataclass(frozen=True, slots=True)
class Selection:
    """The certificates of an address for a purpose: those to use, and why not the others."""

    usable: tuple[Certificate, ...]
    """Newest first: all devices of a person."""
    unusable: tuple[tuple[Certificate, Judgement], ...]


@dataclass(frozen=True, slots=True)
class _Chained:
    """What the search for a path found."""

    chain: Chain
    revocation: Known
    distrusted: bool
    path: Path
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One certificate to judge, with what came along with it."""

    certificate: Certificate
    purpose: Purpose
    at: datetime
    extra: tuple[Certificate, ...]
    evidence: Evidence
    parameters: PathParameters = field(default_factory=PathParameters)


@final
class Trust:
    """Anchors, a store of decisions, and the rules by which they are applied.

    `Trust()` has neither store nor anchors and trusts nobody. There are no default anchors: the
    roots of the web are not the roots of mail. The clock is asked only where no time is given.

    `revocation`: how much must be known about revocation, for all purposes or for each (SOFT for
    those left out). `evidence`: where more of it is looked for than came along, such as
    `OnlineEvidence`; without it nothing is looked up anywhere.
    """

    def __init__(
        self,
        store: TrustStore | None = None,
        *,
        anchors: Iterable[Certificate] = (),
        revocation: RevocationPolicy | Mapping[Purpose, RevocationPolicy] = RevocationPolicy.SOFT,
        evidence: EvidenceSource | None = None,
        policy: Policy = Policy.INTEROP,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.store = store
        self.anchors = tuple(dict.fromkeys(anchors))
        self.revocation = policies_of(revocation)
        self.evidence = evidence
        self.policy = policy
        self._clock = clock
        if any(not isinstance(one, Certificate) for one in self.anchors):
            raise UsageError("Anchors are Certificate objects.", code="usage.anchors")

    def judge(
        self,
        certificate: Certificate,
        purpose: Purpose,
        *,
        at: datetime | None = None,
        extra_certificates: Iterable[Certificate] = (),
        crls: Iterable[bytes] = (),
        ocsps: Iterable[bytes] = (),
        parameters: PathParameters | None = None,
    ) -> Judgement:
        """Judge a certificate for a purpose at a time (aware; now, where none is given).

        `extra_certificates`: what came along, such as a message's bag: facts without trust.
        `crls`, `ocsps`: revocation evidence in DER, from anywhere. Whatever these hold, the
        answer is a `Judgement`; `UsageError` for a naive time, `StoreError` from the store.
        """
        moment = self._clock() if at is None else at
        require_aware(moment, "at")
        limits = self.policy.limits
        case = _Case(
            certificate=Certificate(certificate.der),
            purpose=Purpose(purpose),
            at=moment,
            extra=tuple(itertools.islice(extra_certificates, limits.certificates)),
            evidence=self._evidence(purpose, crls, ocsps),
            parameters=parameters or PathParameters(),
        )
        return self._judgement(case)

    def usable(self, address: str, purpose: Purpose, at: datetime | None = None) -> Selection:
        """Every certificate of an address in the store, for one purpose at one time."""
        if self.store is None:
            return Selection((), ())
        moment = self._clock() if at is None else at
        records = sorted(
            self.store.records(ByAddress(address)),
            key=lambda one: (one.certificate.not_before, one.certificate.fingerprint),
            reverse=True,
        )
        judged = [
            (one.certificate, self.judge(one.certificate, purpose, at=moment)) for one in records
        ]
        return Selection(
            tuple(one for one, verdict in judged if verdict.status is Status.TRUSTED),
            tuple(pair for pair in judged if pair[1].status is not Status.TRUSTED),
        )

    # --- facts ----------------------------------------------------------------------------

    def revocation_policy(self, purpose: Purpose) -> RevocationPolicy:
        """How much must be known about revocation for a purpose."""
        return self.revocation[purpose]

    def _evidence(
        self, purpose: Purpose, crls: Iterable[bytes], ocsps: Iterable[bytes]
    ) -> Evidence:
        if self.revocation_policy(purpose) is RevocationPolicy.OFF:
            return Evidence()
        return load_evidence(crls, ocsps, limits=self.policy.limits)

    def _judgement(self, case: _Case) -> Judgement:
        validity, own_reasons = judge_validity(case.certificate, case.purpose, case.at, self.policy)
        decision = self._decision(case.certificate)
        if validity is Validity.MALFORMED:
            # Nothing above a malformed certificate is worth a signature check.
            chained = _Chained(Chain.BAD, _NOT_CHECKED, False, (case.certificate,))  # noqa: FBT003
        else:
            chained = self._chained(case)
        verdict, decision_reasons = _in_force(decision, case)
        facts = Facts(
            validity=validity,
            chain=chained.chain,
            revocation=chained.revocation.revocation,
            decision=verdict,
            distrusted=chained.distrusted,
            policy=self.revocation_policy(case.purpose),
        )
        status = status_of(facts)
        reasons = (
            *status_reasons(facts),
            *own_reasons,
            *chained.reasons,
            *decision_reasons,
            *chained.revocation.reasons,
        )
        return Judgement(
            certificate=case.certificate,
            purpose=case.purpose,
            at=case.at,
            status=status,
            validity=validity,
            chain=chained.chain,
            revocation=chained.revocation.revocation,
            revocation_at=chained.revocation.at,
            decision=decision,
            reasons=_unique(reasons, () if self._knows_anybody() else (_NOBODY,)),
            path=chained.path,
        )

    def _knows_anybody(self) -> bool:
        return self.store is not None or bool(self.anchors)

    def _decision(self, certificate: Certificate) -> Decision | None:
        if self.store is None:
            return None
        for record in self.store.records(ByFingerprint(certificate.fingerprint)):
            if record.certificate == certificate and record.decision is not None:
                return record.decision
        return self._rejected_twin(self.store, certificate)

    def _rejected_twin(self, store: TrustStore, certificate: Certificate) -> Decision | None:
        """The rejection of a certificate with the same content and other signature octets.

        Whoever has a certificate can make such twins: of an ECDSA signature (r, s), (r, -s) is
        one as well.
        """
        query = ByIssuerSerial(certificate.issuer, certificate.serial)
        for record in store.records(query):
            if record.rejected and _content(record.certificate) == _content(certificate):
                return record.decision
        return None

    # --- the chain ------------------------------------------------------------------------

    def _anchors(self, case: _Case) -> tuple[Certificate, ...]:
        if self.store is None:
            return self.anchors
        decided = (
            record.certificate
            for record in self.store.anchors()
            if record.decision is not None
            and record.decision.verdict is Verdict.ANCHOR
            and record.decision.holds(case.purpose, case.at)
        )
        return (*self.anchors, *decided)

    def _from_store(self, subject: bytes) -> Iterable[Certificate]:
        if self.store is None:
            return ()
        return (record.certificate for record in self.store.records(BySubject(subject)))

    def _is_distrusted(self, issuer: Certificate) -> bool:
        """Whether a CA was rejected, under this or any other certificate for its key."""
        if self.store is None:
            return False
        same_key = self.store.records(ByPublicKey(public_key_fingerprint(issuer)))
        return any(one.rejected for one in same_key)

    def _chained(self, case: _Case) -> _Chained:
        if case.certificate.is_ca and self._is_distrusted(case.certificate):
            return _Chained(Chain.BAD, _NOT_CHECKED, True, (case.certificate,))  # noqa: FBT003
        pool = Pool(self._anchors(case), case.extra, self._from_store)
        search = PathSearch(
            case.certificate,
            pool,
            distrusted=self._is_distrusted,
            limits=self.policy.limits,
        )
        request = Request(
            at=case.at, accepts_weak=self.policy.accepts_weak, parameters=case.parameters
        )
        failed: list[PathVerdict] = []
        for path in search:  # the search's budget bounds the paths, too
            verdict = validate_path(path, replace(request, at=_in_its_time(case)))
            if verdict.valid:
                revocation = self._revocation(path, request, case, anchored=True)
                return _Chained(Chain.ANCHORED, revocation, False, path)  # noqa: FBT003
            failed.append(verdict)
        return self._unanchored(search, failed, request, case)

    def _unanchored(
        self, search: PathSearch, failed: list[PathVerdict], request: Request, case: _Case
    ) -> _Chained:
        if failed:
            path, chain = failed[0].path, Chain.BAD
        else:
            path = search.partial
            chain = _end_of(path)
        reasons = [one.reason for one in failed if one.reason is not None]
        if search.exhausted:
            reasons.append(_EXHAUSTED)
        revocation = self._revocation(path, request, case, anchored=False)
        return _Chained(chain, revocation, search.distrusted, path, tuple(reasons))

    def _revocation(self, path: Path, request: Request, case: _Case, *, anchored: bool) -> Known:
        if self.revocation_policy(case.purpose) is RevocationPolicy.OFF:
            return _NOT_CHECKED
        return known_revocation(
            path,
            request,
            case.evidence,
            source=self.evidence,
            extra=case.extra,
            limits=self.policy.limits,
            anchored=anchored,
        )


_NOT_CHECKED = Known(Revocation.NOT_CHECKED)


def _content(certificate: Certificate) -> bytes:
    return der.Reader(certificate.der).enter(der.SEQUENCE).raw(der.SEQUENCE)


_NOBODY = Reason(
    "trust.nobody", "There is neither a trust store nor an anchor, so nobody is trusted."
)
_EXHAUSTED = Reason(
    "path.budget", "There are too many possible issuers; the search for a path was given up."
)


def _unique(reasons: Iterable[Reason], more: Iterable[Reason]) -> tuple[Reason, ...]:
    """Each code and text once, the more telling text of a code kept."""
    by_code: dict[tuple[str, str], Reason] = {}
    telling = {one.code: one for one in reasons}
    for one in (*telling.values(), *more):
        by_code.setdefault((one.code, one.text), one)
    return tuple(by_code.values())


def _in_force(decision: Decision | None, case: _Case) -> tuple[Verdict, tuple[Reason, ...]]:
    """The verdict that counts now, and why the decision does not where it does not."""
    if decision is None:
        return Verdict.NONE, ()
    if decision.verdict is Verdict.REJECT or decision.holds(case.purpose, case.at):
        return decision.verdict, ()
    if case.purpose not in decision.scope:
        return Verdict.NONE, (
            Reason("decision.scope", "The decision to trust it is for another purpose."),
        )
    return Verdict.NONE, (Reason("decision.over", "The decision to trust it is over."),)


def _in_its_time(case: _Case) -> datetime:
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
