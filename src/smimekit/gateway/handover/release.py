"""Sends held messages on: through the gateway again, or as they are.

Knows the hold queue and the desk. May not know who decides, nor why.
"""

from collections.abc import Sequence

from smimekit.gateway.handover.answers import Reply
from smimekit.gateway.handover.hold import Held, HoldQueue
from smimekit.gateway.handover.transaction import Desk, answered
from smimekit.gateway.outcomes import Mail
from smimekit.span import Span

__all__ = ["release"]


def release(desk: Desk, queue: HoldQueue, held: Held, *, as_is: bool) -> Sequence[Reply]:
    """A reply for each recipient; those who got it, or for whom it is held anew, leave the queue.

    Through the gateway it is treated as if it had come now: what may not leave in clear text
    still does not. `as_is` passes nothing but the next hop. Raises OSError and what the
    processor raises; then it stays.
    """
    envelope = held.envelope
    key = f"held-{held.name}"
    with held.path.open("rb") as file:
        message = Span.of_file(file)
        if as_is:
            mail = Mail(
                mail_from=envelope.mail_from,
                recipients=envelope.recipients,
                message=message,
                parameters=envelope.parameters,
            )
            replies = desk.courier().deliver(mail, envelope.client)
        else:
            replies = desk.handle(envelope, message, key=key, single=False)
    pairs = zip(envelope.recipients, replies, strict=True)
    queue.leave(held, tuple(each for each, reply in pairs if not reply.done))
    desk.journal.forget(key, answered(envelope, replies))
    return replies
