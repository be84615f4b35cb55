"""Mail that comes in, for inside recipients."""

from contextlib import ExitStack
from datetime import datetime

from smimekit.gateway.core import Core, Results
from smimekit.gateway.envelope import Envelope, EnvelopeRecipient
from smimekit.gateway.outcomes import Deliver, Mail
from smimekit.span import Span

__all__ = ["inbound"]


def inbound(
    core: Core,
    envelope: Envelope,
    message: Span,
    recipients: tuple[EnvelopeRecipient, ...],
    *,
    at: datetime,
    closing: ExitStack,
) -> Results:
    """One outcome for each of these recipients; what is made lives until `closing`."""
    del core, at, closing
    mail = Mail(
        mail_from=envelope.mail_from,
        recipients=recipients,
        message=message,
        parameters=envelope.parameters,
    )
    return Results(outcomes=(Deliver(mail=mail),))
