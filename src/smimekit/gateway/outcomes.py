"""What becomes of a message: for every recipient just one outcome.

Knows SMTP's answers. May not know why one was chosen: rules, plans and crypto do.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import NoReturn, Self, TypeAlias, final

from smimekit.gateway.envelope import EnvelopeRecipient, Parameters
from smimekit.span import Span

__all__ = ["Defer", "Deliver", "Hold", "Mail", "Outcome", "Outcomes", "Reject"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail to hand on: octets, and the envelope they travel in."""

    mail_from: str
    recipients: tuple[EnvelopeRecipient, ...]
    message: Span
    parameters: Parameters = ()
    private: bool = False
    """Whether its header is none that its sender is known to know, since it was decrypted: no
    report takes it there that can be had for the asking (NOTIFY=SUCCESS, RFC 3461, 4.1)."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """Hand this message on for these recipients."""

    mail: Mail
    notes: tuple[str, ...] = ()
    """What was done, for people: no content, no secrets."""

    @property
    def recipients(self) -> tuple[EnvelopeRecipient, ...]:
        """Whom this outcome is about."""
        return self.mail.recipients


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """Refuse for good (RFC 5321, 4.2.1: 5yz)."""

    recipients: tuple[EnvelopeRecipient, ...]
    code: int
    """The reply's code: 550 as a rule."""
    enhanced: str
    """RFC 3463: such as "5.7.10", encryption needed (RFC 7504 and the IANA registry)."""
    text: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Defer:
    """Not now (4yz): the sender's queue keeps it."""

    recipients: tuple[EnvelopeRecipient, ...]
    code: int
    enhanced: str
    text: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Keep it until a person decides; the caller stores it safely before it answers."""

    mail: Mail
    """The message as it came in, for these recipients."""
    reason: str

    @property
    def recipients(self) -> tuple[EnvelopeRecipient, ...]:
        """Whom this outcome is about."""
        return self.mail.recipients


Outcome: TypeAlias = Deliver | Reject | Defer | Hold


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """All outcomes of one transaction; close it when every mail of it was handed on.

    Every recipient of the envelope is in just one of `outcomes`. `notices` are mails beside
    them, for other people (the sender, an administrator): losing one loses no message.
    """

    outcomes: tuple[Outcome, ...]
    notices: tuple[Mail, ...] = ()
    closing: ExitStack
    """What the spans of the messages live in."""

    def __bool__(self) -> NoReturn:
        raise TypeError("Outcomes have no truth value: look at each.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget the messages."""
        self.closing.close()
