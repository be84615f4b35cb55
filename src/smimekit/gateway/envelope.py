"""What a mail server says of a message besides its octets (RFC 5321, 3.3; RFC 3461; RFC 6531).

Knows SMTP's envelope as values. May not know sockets, rules, MIME or S/MIME.
"""

from dataclasses import dataclass
from typing import TypeAlias, final

__all__ = ["Client", "Envelope", "EnvelopeRecipient", "Parameters"]

Parameters: TypeAlias = tuple[tuple[str, str | None], ...]
"""ESMTP parameters in their order: (keyword in upper case, value or None), as they came."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who handed the message in, as the mail server knows it (Postfix' XFORWARD)."""

    address: str = ""
    """The IP address, or "" where nobody said."""
    name: str = ""
    helo: str = ""
    protocol: str = ""
    """Such as "ESMTP"."""
    port: str = ""
    ident: str = ""
    """The name that the mail server's own log gives the message, such as a queue id."""
    source: str = ""
    """"LOCAL" or "REMOTE": where the mail server took the message from."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeRecipient:
    """One forward-path (RFC 5321, 4.1.1.3)."""

    address: str
    parameters: Parameters = ()
    """NOTIFY and ORCPT (RFC 3461) travel on with the recipient."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One SMTP transaction, or the like."""

    mail_from: str
    """The reverse-path; "" is the null one, of notifications (RFC 5321, 4.5.5)."""
    recipients: tuple[EnvelopeRecipient, ...]
    parameters: Parameters = ()
    """Of MAIL FROM: BODY, SMTPUTF8, RET, ENVID. SIZE is not among them, since messages change."""
    user: str | None = None
    """Who authenticated (RFC 4954), or None: only such a one submits."""
    client: Client = Client()
