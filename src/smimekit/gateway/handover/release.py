"""Sends held messages on: through the gateway again, or as they are.

Knows the hold queue and the desk. May not know who decides, nor why.
"""

from collections.abc import Sequence

from smimekit.gateway.envelope import EnvelopeRecipient
from smimekit.gateway.handover.answers import Reply
from smimekit.gateway.handover.hold import Held, HoldQueue
from smimekit.gateway.handover.transaction import Desk, answered
from smimekit.gateway.outcomes import Mail
from smimekit.span import Span

__all__ = ["release"]


def release(
    desk: Desk, queue: HoldQueue, name: str, *, as_is: bool
) -> tuple[tuple[EnvelopeRecipient, Reply], ...]:
    """A reply for each recipient; those who got it, or for whom it is held anew, leave the queue.

    Through the gateway it is treated as if it had come now: what may not leave in clear text
    still does not. `as_is` passes nothing but the next hop. Whoever releases the same message
    at the same time is waited for. Raises UsageError (`usage.not-held`) where they left nothing
    of it, OSError, and what the processor raises; then it stays.
    """
    with queue.taken(name) as held:
        recipients = held.envelope.recipients
        pairs = tuple(zip(recipients, _sent(desk, held, as_is=as_is), strict=True))
        queue.leave(held, tuple(each for each, reply in pairs if not reply.done))
        replies = [reply for _, reply in pairs]
        desk.journal.forget(_key(held), answered(held.envelope, replies))
        return pairs


def _sent(desk: Desk, held: Held, *, as_is: bool) -> Sequence[Reply]:
    envelope = held.envelope
    with held.path.open("rb") as file:
        message = Span.of_file(file)
        if not as_is:
            return desk.handle(envelope, message, key=_key(held), single=False)
        mail = Mail(
            mail_from=envelope.mail_from,
            recipients=envelope.recipients,
            message=message,
            parameters=envelope.parameters,
        )
        return desk.courier().deliver(mail, envelope.client)


def _key(held: Held) -> str:
    """Its name in the journal."""
    return f"held-{held.name}"
