"""One message for a mail server that keeps it, and lets us change it where it is.

Knows when an outcome is such a change: it is the only one, for all recipients, in the envelope
that the message came in. Everything else goes the way of the desk: to the next hop, or into the
hold queue. May not know how a change is made: who calls does (a milter by edits, a pipe by
writing the message out).
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final, final

from smimekit.errors import GatewayError
from smimekit.gateway.envelope import Client, Envelope, EnvelopeRecipient, Parameters
from smimekit.gateway.handover.answers import Reply
from smimekit.gateway.handover.relay import Courier
from smimekit.gateway.handover.transaction import Desk
from smimekit.gateway.outcomes import Deliver, Hold, Mail, Outcomes
from smimekit.span import Span

__all__ = ["KEPT", "handle_in_place"]

KEPT: Final = Reply(354, "2.0.0", "Go on with the message, as it is now")
"""The answer where the mail server has the message, and goes on with it. Nothing was written
down of it, since nothing was handed on: a second try begins anew."""


def handle_in_place(
    desk: Desk,
    envelope: Envelope,
    message: Span,
    *,
    key: str,
    take: Callable[[Mail], bool],
    split: bool = True,
) -> Reply:
    """One answer for all recipients; KEPT where `take` took the changed message.

    `take` says whether it could; where it could not, the message goes to the next hop. Any
    other answer that is `done` means that somebody else has the message for everybody. Without
    `split`, raises GatewayError (`gateway.several-outcomes`) for a message that would have to
    go to the next hop, before anything is done. Raises what the processor and `take` raise.
    """
    whole = _Whole(desk, envelope, take, split=split)
    changed = replace(desk, processor=whole, courier=lambda: whole)
    return changed.handle(envelope, message, key=key, single=True)[0]


@final
class _Whole:
    """Processor and courier of one message; one mail at the most is taken in place."""

    def __init__(
        self, desk: Desk, envelope: Envelope, take: Callable[[Mail], bool], *, split: bool
    ) -> None:
        self._desk: Final = desk
        self._envelope: Final = envelope
        self._take: Final = take
        self._split: Final = split
        self._mail: Mail | None = None

    def process(self, envelope: Envelope, message: Span, *, at: datetime) -> Outcomes:
        found = self._desk.processor.process(envelope, message, at=at)
        one = found.outcomes[0] if len(found.outcomes) == 1 else None
        if isinstance(one, Deliver) and self._is_whole(one.mail):
            self._mail = one.mail
        elif not self._split and not _is_here(found):
            found.close()
            raise _several()
        return found

    def _is_whole(self, mail: Mail) -> bool:
        """Whether a mail is for everybody in this envelope, in this very envelope.

        Where it cannot be split, the envelope is the caller's, and so are reports about it: what
        was decrypted would ask for other ones.
        """
        same = mail.mail_from == self._envelope.mail_from
        if not same or _recipients(mail.recipients) != _recipients(self._envelope.recipients):
            return False
        if mail.private:
            return not self._split
        return _without_body(mail.parameters) == _without_body(self._envelope.parameters)

    def deliver(self, mail: Mail, client: Client) -> tuple[Reply, ...]:
        if mail is self._mail and self._take(mail):
            return (KEPT,) * len(mail.recipients)
        if mail is self._mail and not self._split:
            raise _several()
        courier: Courier = self._desk.courier()
        return tuple(courier.deliver(mail, client))


def _several() -> GatewayError:
    return GatewayError(
        "The message is not one mail for all its recipients: run it for one recipient at a time, "
        "or have it sent to the next hop.",
        code="gateway.several-outcomes",
    )


def _is_here(found: Outcomes) -> bool:
    """Whether nothing of it is delivered: it is refused, put off, or held, and by one rule."""
    kinds = {type(each) for each in found.outcomes}
    return Deliver not in kinds and (len(kinds) == 1 or Hold not in kinds)


def _recipients(recipients: tuple[EnvelopeRecipient, ...]) -> set[str]:
    return {each.address for each in recipients}


def _without_body(parameters: Parameters) -> set[tuple[str, str | None]]:
    """BODY tells of the octets, which the mail server sees for itself."""
    return {each for each in parameters if each[0] != "BODY"}
