"""One message through the gateway: decided, handed on, and answered for each recipient.

Knows outcomes, and in which order things have to happen so that no message is lost and none
comes twice. May not know what decides (a `Processor` does), nor sockets. The order: the next hop
(or the hold queue) has a message, then the journal says so, then the sender is told.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol, final

from smimekit.errors import StoreError
from smimekit.gateway.envelope import Client, Envelope, EnvelopeRecipient
from smimekit.gateway.gateway import Processor
from smimekit.gateway.handover.answers import BROKEN, BUSY, Reply, one_answer
from smimekit.gateway.handover.hold import HoldQueue
from smimekit.gateway.handover.journal import Entry, Journal
from smimekit.gateway.handover.relay import Courier
from smimekit.gateway.outcomes import Defer, Deliver, Hold, Mail, Outcome, Reject
from smimekit.span import Span

__all__ = ["Bounce", "Desk", "Relayed", "answered"]

_LOG: Final = logging.getLogger("smimekit.gateway")
_NOTICES: Final = ""
"""Stands in the journal for the notices of a message: no recipient has this name."""


class Relayed(Protocol):
    """Makes the notification that a mail was handed on, and that nobody will tell more."""

    def __call__(
        self,
        envelope: Envelope,
        recipients: Sequence[EnvelopeRecipient],
        message: Span,
        *,
        at: datetime,
    ) -> Mail | None:
        """The mail, or None where nobody wants one."""
        ...


class Bounce(Protocol):
    """Makes the notification that tells a sender who was refused (RFC 3464)."""

    def __call__(
        self, envelope: Envelope, rejects: Sequence[Reject], message: Span, *, at: datetime
    ) -> Mail | None:
        """The mail, or None where nobody wants one (NOTIFY=NEVER)."""
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where messages are dealt with: what it needs of everybody else."""

    processor: Processor
    courier: Callable[[], Courier]
    """The courier of the thread that asks."""
    bounce: Bounce
    journal: Journal
    hold: HoldQueue
    now: Callable[[], datetime]
    relayed: Relayed | None = None
    """None where nobody is told of success."""

    def handle(
        self, envelope: Envelope, message: Span, *, key: str, single: bool
    ) -> tuple[Reply, ...]:
        """A reply for each recipient, in their order; all alike where `single`, as in SMTP.

        `key` names the message in the journal: a second try has the same. Recipients with
        the same address count as one. Raises what the processor raises.
        """
        try:
            with self.journal.open(key) as entry:
                known = self._each(entry, envelope, message)
                replies = [known[each.address] for each in envelope.recipients]
                if single:
                    one = self._one(entry, envelope, message, replies)
                    replies = [one] * len(replies)
        except StoreError as error:
            if error.code != "store.journal-busy":
                raise
            replies = [BUSY] * len(envelope.recipients)
        return tuple(replies)

    def _each(self, entry: Entry, envelope: Envelope, message: Span) -> dict[str, Reply]:
        """What becomes of each address; what the journal knows is not done again."""
        left = {each.address: each for each in reversed(envelope.recipients)}
        for address in entry.known:
            left.pop(address, None)
        waiting = tuple(each for each in envelope.recipients if left.get(each.address) is each)
        found = dict(entry.known)
        if not waiting:
            return found
        rest = replace(envelope, recipients=waiting)
        with self.processor.process(rest, message, at=self.now()) as outcomes:
            if not _is_whole(rest, outcomes.outcomes):
                _LOG.error("The processor left out a recipient, or named one twice: not delivered")
                return found | {each.address: BROKEN for each in waiting}
            try:
                for outcome in outcomes.outcomes:
                    found |= self._carry_out(entry, outcome, envelope)
            finally:
                self._tell_of_success(rest, found, message)
            if outcomes.notices and _NOTICES not in entry.known:
                self._send_notices(entry, outcomes.notices)
        return found

    def _carry_out(self, entry: Entry, outcome: Outcome, envelope: Envelope) -> dict[str, Reply]:
        match outcome:
            case Deliver(mail=mail):
                replies = self.courier().deliver(mail, envelope.client)
            case Hold():
                name = self.hold.keep(outcome, envelope, at=self.now())
                reply = Reply(250, "2.0.0", f"Held for a decision, as {name}")
                replies = [reply] * len(outcome.recipients)
            case Reject() | Defer():
                reply = Reply(outcome.code, outcome.enhanced, outcome.text)
                replies = [reply] * len(outcome.recipients)
        found = {}
        for each, reply in zip(outcome.recipients, replies, strict=True):
            found[each.address] = reply
            if reply.done:
                entry.record(each.address, reply)
        return found

    def _tell_of_success(
        self, envelope: Envelope, found: Mapping[str, Reply], message: Span
    ) -> None:
        """Where the next hop will not (RFC 3461, 5.2.2); once, since they are in the journal."""
        whom = [
            each
            for each in envelope.recipients
            if each.address in found and found[each.address].unreported
        ]
        if not whom or self.relayed is None:
            return
        mail = self.relayed(envelope, whom, message, at=self.now())
        if mail is not None:
            replies = self.courier().deliver(mail, Client())
            if not all(each.done for each in replies):
                _LOG.warning("A report of success was not taken: %s", replies[0].line())

    def _send_notices(self, entry: Entry, notices: Sequence[Mail]) -> None:
        for mail in notices:
            replies = self.courier().deliver(mail, Client())
            if not all(each.done for each in replies):
                _LOG.warning("A notice was not taken by the next hop: %s", replies[0].line())
        entry.record(_NOTICES, Reply(250, "2.0.0", "Sent"))

    # --- one answer for all (RFC 5321) ------------------------------------------------------

    def _one(
        self, entry: Entry, envelope: Envelope, message: Span, replies: Sequence[Reply]
    ) -> Reply:
        found = one_answer(replies)
        if found is not None:
            return found
        pairs = zip(envelope.recipients, replies, strict=True)
        refused = [(each, reply) for each, reply in pairs if reply.refused]
        if not envelope.mail_from:
            # Nobody is notified of a notification (RFC 5321, 4.5.5); this answer is for the log.
            return refused[0][1]
        return self._notify(entry, envelope, message, refused)

    def _notify(
        self,
        entry: Entry,
        envelope: Envelope,
        message: Span,
        refused: Sequence[tuple[EnvelopeRecipient, Reply]],
    ) -> Reply:
        """Tell the sender who was refused; then nobody has to be told anything but 250."""
        rejects = [
            Reject(recipients=(each,), code=reply.code, enhanced=reply.enhanced, text=reply.text)
            for each, reply in refused
        ]
        mail = self.bounce(envelope, rejects, message, at=self.now())
        if mail is not None:
            (reply,) = self.courier().deliver(mail, Client())
            if not reply.done:
                return Reply(451, "4.3.0", f"A notification could not be sent: {reply.text}")
        for each, _ in refused:
            entry.record(each.address, Reply(250, "2.0.0", "Refused; the sender was notified"))
        return Reply(250, "2.0.0", "Delivered to some; the sender is notified of the others")


def _is_whole(envelope: Envelope, outcomes: Sequence[Outcome]) -> bool:
    """Whether each recipient is in just one outcome."""
    wanted = sorted(each.address for each in envelope.recipients)
    named = [each.address for outcome in outcomes for each in outcome.recipients]
    return sorted(named) == wanted


def answered(envelope: Envelope, replies: Sequence[Reply]) -> tuple[str, ...]:
    """What the journal may forget once the sender has heard these replies.

    A sender that has to try again does so for everybody, where there was one answer for all.
    """
    if not any(each.deferred for each in replies):
        return (*(each.address for each in envelope.recipients), _NOTICES)
    pairs = zip(envelope.recipients, replies, strict=True)
    return tuple(each.address for each, reply in pairs if not reply.deferred)
