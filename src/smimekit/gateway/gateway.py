"""The gateway: an envelope and a message in, one outcome for every recipient out.

Knows both directions and nothing of their work. No sockets, and no clock of its own. Safe in
several threads: it keeps nothing from one message to the next.
"""

from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol, final

from smimekit.errors import InputError, SmimeError
from smimekit.gateway.core import Core, Keys, Results
from smimekit.gateway.edit import with_fields
from smimekit.gateway.envelope import Envelope, EnvelopeRecipient
from smimekit.gateway.events import NO_EVENTS, Events
from smimekit.gateway.inbound.steps import inbound
from smimekit.gateway.marker import mark
from smimekit.gateway.outbound.case import Case, case_of
from smimekit.gateway.outbound.execution import Portal, Unencryptable, outbound
from smimekit.gateway.outbound.plan import Action, Part, Plan
from smimekit.gateway.outbound.planning import plan_of
from smimekit.gateway.outcomes import Defer, Deliver, Mail, Outcome, Outcomes
from smimekit.gateway.reports.audit import CertificateUse, Entry
from smimekit.gateway.reports.sender_notice import sender_notices
from smimekit.gateway.rules import Rules
from smimekit.gateway.rules.policies import Policies
from smimekit.mime.fields import read_header
from smimekit.policy import Policy
from smimekit.span import Span
from smimekit.trust import Trust
from smimekit.trust.records import require_aware
from smimekit.trust.store import TrustStore

__all__ = ["Gateway", "HasRules", "Processor"]

_TRIES: Final = 8
"""Plans for one message: each leaves out a certificate that proved useless, at least."""
_LATER: Final = "The mail could not be protected; it is tried again later."
_NOT_NOW: Final = "Certificates or keys are out of reach; try again later."


class Processor(Protocol):
    """All that an adapter needs of a gateway."""

    def process(self, envelope: Envelope, message: Span, *, at: datetime) -> Outcomes:
        """What becomes of a message. Whatever it raises, the sender's queue keeps the mail."""
        ...


class HasRules(Protocol):
    """Where rules are that may change between two messages: a `RulesFile` is one."""

    @property
    def rules(self) -> Rules:
        """The rules in force."""
        ...


@final
class Gateway:
    """S/MIME for mail that passes: `plan` says what would happen, `process` does it.

    `rules` are `Rules`, or a `RulesFile` whose changes count from the next message on. `trust`
    judges certificates; no network is asked unless it was made with evidence that asks.
    `store` remembers what comes in (by default the store of `trust`), `keys` are the users'
    (a `KeyRing`), `events` the embedding program's hooks. `portal` takes mail that must not
    leave in clear text, where the rules say `callback`.
    """

    def __init__(
        self,
        *,
        rules: Rules | HasRules,
        trust: Trust,
        keys: Keys,
        store: TrustStore | None = None,
        events: Events = NO_EVENTS,
        portal: Portal | None = None,
        policy: Policy = Policy.INTEROP,
    ) -> None:
        self._rules: Final = rules
        self._trust: Final = trust
        self._keys: Final = keys
        self._store: Final = trust.store if store is None else store
        self._events: Final = events
        self._portal: Final = portal
        self._policy: Final = policy
        self._policies: Final = Policies()

    def plan(self, envelope: Envelope, message: Span, *, at: datetime) -> Plan:
        """What would happen to a message, and why. No crypto is done, nothing is written.

        `at` is aware. Raises UsageError for another; what fails else is in the plan.
        """
        require_aware(at, "at")
        core = self._core()
        return plan_of(core, case_of(core, envelope, message, at=at))

    def process(self, envelope: Envelope, message: Span, *, at: datetime) -> Outcomes:
        """What becomes of a message: every recipient is in just one outcome.

        Close what comes back when all of it was handed on. Raises UsageError for an `at` that
        is not aware, and what stores, keys and disks raise besides SmimeErrors: then nothing
        was decided, and the mail has to stay where it is.
        """
        require_aware(at, "at")
        core = self._core()
        with ExitStack() as closing:
            done = _Attempts(core, self._portal, closing).done(envelope, message, at)
            if not _told(core, envelope, done, at):
                return Outcomes(
                    outcomes=(_later(envelope.recipients, _NOT_NOW),), closing=ExitStack()
                )
            return Outcomes(outcomes=done.outcomes, notices=done.notices, closing=closing.pop_all())

    def _core(self) -> Core:
        rules = self._rules if isinstance(self._rules, Rules) else self._rules.rules
        return Core(
            rules=rules,
            trust=self._trust,
            keys=self._keys,
            store=self._store,
            events=self._events,
            policy=self._policy,
            policies=self._policies,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What one message came to."""

    plan: Plan
    message_id: str
    outcomes: tuple[Outcome, ...]
    notices: tuple[Mail, ...]
    certificates: tuple[CertificateUse, ...]


@final
class _Attempts:
    """One message, planned and done; again where a certificate proves useless in the doing."""

    def __init__(self, core: Core, portal: Portal | None, closing: ExitStack) -> None:
        self._core: Final = core
        self._portal: Final = portal
        self._closing: Final = closing

    def done(self, envelope: Envelope, message: Span, at: datetime) -> _Done:
        """Raises what is no SmimeError; then nothing was decided."""
        excluded: dict[str, str] = {}
        for _ in range(_TRIES):
            case = case_of(self._core, envelope, message, at=at, excluded=excluded)
            plan = plan_of(self._core, case)
            with ExitStack() as closing:
                try:
                    results = self._both(case, plan.parts, closing)
                except Unencryptable as found:
                    excluded |= found.found
                    continue
                self._closing.push(closing.pop_all())
                return self._finished(case, plan, results)
        results = Results(outcomes=(_later(envelope.recipients),))
        return self._finished(case, plan, results)

    def _both(self, case: Case, parts: Iterable[Part], closing: ExitStack) -> Results:
        """Outwards first: it may have to be planned again, and nothing is remembered of it."""
        every = tuple(parts)
        outwards = [part for part in every if part.action is not Action.INBOUND]
        inwards = tuple(
            one for part in every if part.action is Action.INBOUND for one in part.recipients
        )
        sent = outbound(self._core, case, outwards, closing=closing, portal=self._portal)
        notices = (*sent.notices, *sender_notices(self._core.rules, case, outwards))
        if not inwards:
            return replace(sent, notices=notices)
        came = _received(self._core, case, inwards, closing)
        return Results(
            outcomes=(*sent.outcomes, *came.outcomes),
            notices=(*notices, *came.notices),
            certificates=(*sent.certificates, *came.certificates),
        )

    def _finished(self, case: Case, plan: Plan, results: Results) -> _Done:
        message_ids = case.letter.header.all("Message-ID")
        return _Done(
            plan=plan,
            message_id=message_ids[0].text if message_ids else "",
            outcomes=tuple(_marked(self._core, case, one) for one in results.outcomes),
            notices=results.notices,
            certificates=results.certificates,
        )


def _told(core: Core, envelope: Envelope, done: _Done, at: datetime) -> bool:
    """Was it written down? What leaves no trace does not leave."""
    entry = Entry(
        at=at,
        message_id=done.message_id,
        envelope=envelope,
        plan=done.plan.as_json(),
        certificates=done.certificates,
        outcomes=done.outcomes,
    )
    try:
        core.events.outcome(entry)
    except Exception:  # noqa: BLE001 - any failure of another's program is one: not now
        return False
    return True


def _later(recipients: tuple[EnvelopeRecipient, ...], text: str = _LATER) -> Defer:
    return Defer(recipients=recipients, code=451, enhanced="4.3.0", text=text)


def _received(
    core: Core, case: Case, recipients: tuple[EnvelopeRecipient, ...], closing: ExitStack
) -> Results:
    """What the other direction says, if it says just one thing about each recipient."""
    message, at = case.message, case.at
    try:
        results = inbound(core, case.envelope, message, recipients, at=at, closing=closing)
    except SmimeError:
        return Results(outcomes=(_later(recipients, _NOT_NOW),))
    told = Counter(one for outcome in results.outcomes for one in outcome.recipients)
    if told != Counter(recipients):
        return replace(results, outcomes=(_later(recipients),))
    return results


def _marked(core: Core, case: Case, outcome: Outcome) -> Outcome:
    """What is passed on says how often that was."""
    if not isinstance(outcome, Deliver) or not core.rules.marker_secret:
        return outcome
    message = outcome.mail.message
    try:
        header = read_header(message, limits=core.policy.limits)
    except InputError:
        return outcome  # nobody could count it: its header is none
    fields = mark(header.fields, core.rules, case.passes + 1)
    marked = with_fields(message, header, fields)
    return replace(outcome, mail=replace(outcome.mail, message=marked))
