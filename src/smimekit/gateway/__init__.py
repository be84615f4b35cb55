"""S/MIME for somebody else's mail server: a pure core, and adapters. Public names only.

The core (`Envelope` and a message in, a plan, then outcomes) opens no sockets and has no clock
of its own. The adapters (`smtp`, `lmtp`, `milter`, `pipe`) know nothing of S/MIME.
"""

from smimekit.gateway.envelope import Client, Envelope, EnvelopeRecipient
from smimekit.gateway.outcomes import Defer, Deliver, Hold, Mail, Outcomes, Reject

__all__ = [
    "Client",
    "Defer",
    "Deliver",
    "Envelope",
    "EnvelopeRecipient",
    "Hold",
    "Mail",
    "Outcomes",
    "Reject",
]
