"""Whom to trust: the one door where certificates, decisions, anchors and the clock meet.

Knows everything else in this package. May not know messages.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, final

from smimekit.certificate import Certificate
from smimekit.errors import UsageError
from smimekit.policy import Policy
from smimekit.trust.cache import JudgementCache, Kept, Version, Window, key_for, window_around
from smimekit.trust.certvalidator import PathParameters
from smimekit.trust.chain import NOT_CHECKED, Case, Chained, Rules, find_chain
from smimekit.trust.crowd import records_of_address
from smimekit.trust.judgement import Flip, Judgement, Selection
from smimekit.trust.knowledge import Knowledge, KnownRecords
from smimekit.trust.parsed import ParsedCertificates
from smimekit.trust.preview import Supposed, below
from smimekit.trust.records import (
    Decision,
    Purpose,
    Record,
    Verdict,
    purpose_of,
    require_aware,
)
from smimekit.trust.revocation.evidence import Evidence, load_evidence
from smimekit.trust.revocation.gather import AtHand, EvidenceSource
from smimekit.trust.selection import select
from smimekit.trust.status import (
    Chain,
    Facts,
    Reason,
    RevocationPolicy,
    Validity,
    policies_of,
    status_of,
    status_reasons,
)
from smimekit.trust.store import TrustStore
from smimekit.trust.usage import judge_validity

__all__ = ["Trust"]

_DAWN: Final = datetime.min.replace(tzinfo=UTC)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@final
class Trust:
    """Anchors, a store of decisions, and the rules by which they are applied.

    `Trust()` has neither store nor anchors and trusts nobody. There are no default anchors: the
    roots of the web are not the roots of mail. Those of mail are none of time either: what issues
    to time-stamping authorities (RFC 3161) is named apart, in `timestamp_anchors`. The clock is
    asked only where no time is given, and for how old evidence is.

    `revocation`: how much must be known about revocation, for all purposes or for each (SOFT for
    those left out). `evidence`: where more of it is looked for than came along, such as
    `OnlineEvidence`; without it nothing is looked up anywhere.

    Judgements are kept for as long as they hold, within `policy.limits.judgement_bytes`. A
    decision, a new CA certificate in the store, by whomever, or new evidence ends them at once;
    evidence that another process fetched, once `evidence.ask_again` is over.
    """

    def __init__(
        self,
        store: TrustStore | None = None,
        *,
        anchors: Iterable[Certificate] = (),
        timestamp_anchors: Iterable[Certificate] = (),
        revocation: RevocationPolicy | Mapping[Purpose, RevocationPolicy] = RevocationPolicy.SOFT,
        evidence: EvidenceSource | None = None,
        policy: Policy = Policy.INTEROP,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        if store is not None and not hasattr(store, "version"):
            raise UsageError(
                "What comes first is a trust store; CAs to believe are anchors=[...].",
                code="usage.store",
            )
        self.store: Final = store
        self.anchors: Final = _anchors(anchors)
        self.timestamp_anchors: Final = _anchors(timestamp_anchors)
        self.revocation: Final = policies_of(revocation)
        self.evidence: Final = evidence
        self.policy: Final = policy
        self._clock = clock
        self._rules = Rules(self.revocation, policy, evidence)
        self._cache = JudgementCache(policy.limits.judgement_bytes)
        self.parsed: Final = ParsedCertificates(policy.limits.judgement_bytes)
        """Certificates that came up lately, whatever is thought of them."""
        self.memo: Final[dict[str, object]] = {}
        """What others worked out of messages, kept for the next one: a few entries."""

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
        answer is a `Judgement`; `UsageError` for a naive time or another kind of value than
        those named here, `StoreError` from the store.
        """
        moment = self._moment(at)
        purpose = purpose_of(purpose)
        limits = self.policy.limits
        # Sorted: in which order a message shows its certificates and CRLs decides nothing.
        extra = _sorted(_certificates(extra_certificates, limits.certificates))
        if not isinstance(certificate, Certificate):
            raise _no_certificate()
        evidence = _pieces(crls, limits.crls), _pieces(ocsps, limits.crls)
        key = key_for(certificate, purpose, extra, evidence, parameters)
        version = self._version()
        known = self._cache.get(key, version, moment, self._made_since())
        if known is not None:
            return known
        case = Case(
            certificate=Certificate(certificate.der),
            purpose=purpose,
            at=moment,
            extra=extra,
            evidence=self._evidence(purpose, *evidence),
            parameters=parameters or PathParameters(),
        )
        made = _judge(case, self._knowledge(self.store), self._rules)
        if made.window is not None:
            # Of the version before it was made: what has come in since may say otherwise.
            self._cache.put(key, version, Kept(made.judgement, made.window, self._now()))
        return made.judgement

    def usable(
        self,
        address: str,
        purpose: Purpose,
        at: datetime | None = None,
        *,
        extra_certificates: Iterable[Certificate] = (),
        crls: Iterable[bytes] = (),
        ocsps: Iterable[bytes] = (),
    ) -> Selection:
        """Every certificate of an address in the store, for one purpose at one time.

        Of a crowd at most 500: those decided about, then those that a CA issued, then the
        longest known.

        Where the owner of a certificate said, with a good signature, that mail is to be
        encrypted to another one (RFC 8551, 2.5.3), and that one is usable, it takes the other's
        place. The rest is as for `judge`.
        """
        if not isinstance(address, str):
            raise UsageError("An address is a text.", code="usage.address")
        if self.store is None:
            return Selection((), ())
        moment = self._moment(at)
        purpose = purpose_of(purpose)
        beside = [tuple(group) for group in (crls, ocsps)]
        extra = tuple(extra_certificates)

        def judged(record: Record) -> tuple[Record, Judgement]:
            return record, self.judge(
                record.certificate,
                purpose,
                at=moment,
                extra_certificates=extra,
                crls=beside[0],
                ocsps=beside[1],
            )

        return select(map(judged, records_of_address(self.store, address)), purpose)

    def preview(
        self, certificates: Iterable[Certificate], decision: Decision, at: datetime | None = None
    ) -> Iterator[Flip]:
        """What would change in the store if this were decided about these certificates.

        Those whose status would be another for a purpose, one after the other, as they are
        found; nothing is written. `UsageError` for an anchor that is no CA.
        """
        moment = self._moment(at)
        chosen = tuple(certificates)
        supposed = Supposed(self.store, chosen, decision, moment)
        knowledge = self._knowledge(supposed)
        return self._flips(below(self.store, chosen), knowledge, moment)

    def _flips(
        self, certificates: Iterable[Certificate], knowledge: Knowledge, at: datetime
    ) -> Iterator[Flip]:
        source = None if self.evidence is None else AtHand(self.evidence)
        rules = replace(self._rules, source=source)
        for certificate, purpose in itertools.product(certificates, Purpose):
            case = Case(certificate=certificate, purpose=purpose, at=at)
            before = _judge(case, self._knowledge(self.store), rules).judgement
            after = _judge(case, knowledge, rules).judgement
            if before.status is not after.status:
                yield Flip(certificate=certificate, purpose=purpose, before=before, after=after)

    def _version(self) -> Version:
        return (
            0 if self.store is None else self.store.version(),
            0 if self.evidence is None else self.evidence.version(),
        )

    def _now(self) -> datetime:
        """When a judgement is made; the same for ever where nothing can come in."""
        return _DAWN if self.evidence is None else self._clock()

    def _made_since(self) -> datetime:
        """What was judged before this is judged anew, since there may be more evidence."""
        if self.evidence is None:
            return _DAWN
        return self._clock() - self.evidence.ask_again

    def _moment(self, at: datetime | None) -> datetime:
        moment = self._clock() if at is None else at
        require_aware(moment, "at")
        return moment

    @property
    def judges_timestamps(self) -> bool:
        """Is there anything to judge a time-stamping authority by?"""
        return self.store is not None or bool(self.timestamp_anchors)

    def _knowledge(self, store: KnownRecords | None) -> Knowledge:
        return Knowledge(store, self.anchors, self.timestamp_anchors)

    def revocation_policy(self, purpose: Purpose) -> RevocationPolicy:
        """How much must be known about revocation for a purpose."""
        return self.revocation[purpose]

    def _evidence(
        self, purpose: Purpose, crls: Iterable[bytes], ocsps: Iterable[bytes]
    ) -> Evidence:
        if self.revocation_policy(purpose) is RevocationPolicy.OFF:
            return Evidence()
        return load_evidence(crls, ocsps, limits=self.policy.limits)


def _anchors(given: Iterable[Certificate]) -> tuple[Certificate, ...]:
    if given == ():  # as for whoever only decrypts
        return ()
    found = () if isinstance(given, Certificate) else tuple(dict.fromkeys(given))
    if isinstance(given, Certificate) or not all(isinstance(one, Certificate) for one in found):
        raise UsageError(
            "Anchors are a list of Certificate objects; load_certificates reads them from a file.",
            code="usage.anchors",
        )
    return found


def _certificates(given: Iterable[Certificate], most: int) -> tuple[Certificate, ...]:
    found = tuple(itertools.islice(given, most))
    for one in found:
        if not isinstance(one, Certificate):
            raise _no_certificate()
    return found


def _no_certificate() -> UsageError:
    return UsageError(
        "Certificates to judge, or to judge with, are Certificate objects.",
        code="usage.certificate",
    )


def _sorted(certificates: tuple[Certificate, ...]) -> tuple[Certificate, ...]:
    if len(certificates) < 2:
        return certificates
    return tuple(sorted(certificates, key=lambda one: one.der))


def _pieces(given: Iterable[bytes], most: int) -> list[bytes]:
    if given in ((), []):  # as nearly always
        return []
    single = isinstance(given, (bytes, bytearray, memoryview, str))
    found = () if single else tuple(itertools.islice(given, most))
    if single or any(not isinstance(one, (bytes, bytearray, memoryview)) for one in found):
        raise UsageError(
            "CRLs and OCSP responses are given as several pieces of DER: a list of bytes.",
            code="usage.evidence",
        )
    return sorted(map(bytes, found))


# --- one judgement --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Made:
    """A judgement, and when it holds; None where that is not known."""

    judgement: Judgement
    window: Window | None


def _judge(case: Case, knowledge: Knowledge, rules: Rules) -> _Made:
    certificate = case.certificate
    validity, own_reasons = judge_validity(certificate, case.purpose, case.at, rules.policy)
    decision = knowledge.decision(certificate)
    if validity is Validity.MALFORMED:
        # Nothing above a malformed certificate is worth a signature check.
        chained = Chained(Chain.BAD, NOT_CHECKED, False, (certificate,))  # noqa: FBT003
    else:
        chained = find_chain(case, knowledge, rules)
    verdict, decision_reasons = _in_force(decision, case)
    facts = Facts(
        validity=validity,
        chain=chained.chain,
        revocation=chained.revocation.revocation,
        decision=verdict,
        distrusted=chained.distrusted,
        policy=rules.revocation[case.purpose],
    )
    reasons = (
        *status_reasons(facts),
        *own_reasons,
        *chained.reasons,
        *decision_reasons,
        *chained.revocation.reasons,
    )
    judgement = Judgement(
        certificate=certificate,
        purpose=case.purpose,
        at=case.at,
        status=status_of(facts),
        validity=validity,
        chain=chained.chain,
        revocation=chained.revocation.revocation,
        revocation_at=chained.revocation.at,
        decision=decision,
        reasons=_unique(reasons, (_NOBODY,) if knowledge.empty else ()),
        path=chained.path,
    )
    return _Made(judgement, _window(case, chained, decision))


def _window(case: Case, chained: Chained, decision: Decision | None) -> Window | None:
    if chained.moments is None:
        return None
    own = (case.certificate.not_before, case.certificate.not_after)
    ends = () if decision is None or decision.until is None else (decision.until,)
    return window_around(case.at, (*own, *ends, *chained.moments))


_NOBODY = Reason(
    "trust.nobody", "There is neither a trust store nor an anchor, so nobody is trusted."
)


def _unique(reasons: Iterable[Reason], more: Iterable[Reason]) -> tuple[Reason, ...]:
    """Each code and text once, the more telling text of a code kept."""
    by_code: dict[tuple[str, str], Reason] = {}
    telling = {one.code: one for one in reasons}
    for one in (*telling.values(), *more):
        by_code.setdefault((one.code, one.text), one)
    return tuple(by_code.values())


def _in_force(decision: Decision | None, case: Case) -> tuple[Verdict, tuple[Reason, ...]]:
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
