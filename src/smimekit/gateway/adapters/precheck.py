"""Whether a recipient will be refused, whatever the message says: asked before there is one.

Knows plans. May not know protocols. Only what must be encrypted and cannot be is told: all other
answers may depend on the message.
"""

from datetime import datetime
from typing import Protocol, runtime_checkable

from smimekit.gateway.envelope import Envelope
from smimekit.gateway.handover.answers import Reply
from smimekit.gateway.outbound.plan import Action, Plan
from smimekit.gateway.rules.treatment import Encrypt
from smimekit.span import Span

__all__ = ["Planner", "precheck"]


@runtime_checkable
class Planner(Protocol):
    """Who can say beforehand what would happen; a `Gateway` can."""

    def plan(self, envelope: Envelope, message: Span, *, at: datetime) -> Plan:
        """What would happen to a message."""
        ...


def precheck(planner: Planner, envelope: Envelope, *, at: datetime) -> Reply | None:
    """Why the one recipient of an envelope is refused, or None.

    The question is asked of an empty message from the sender of the envelope. A notification
    (from nobody) is not asked about.
    """
    if not envelope.mail_from:
        return None
    for part in planner.plan(envelope, _draft(envelope), at=at).parts:
        must = part.treatment is not None and part.treatment.encrypt is Encrypt.MUST
        if part.action is Action.REJECT and part.refusal is not None and must:
            return Reply(part.refusal.code, part.refusal.enhanced, part.refusal.text)
    return None


def _draft(envelope: Envelope) -> Span:
    text = "\r\n".join(
        (
            f"From: <{envelope.mail_from}>",
            *(f"To: <{each.address}>" for each in envelope.recipients),
            "Subject: Test",
            "\r\n",
        )
    )
    return Span.of(text.encode("utf-8", "surrogateescape"))
