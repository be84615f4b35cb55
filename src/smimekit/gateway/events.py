"""What an embedding program hears of, and may object to: scanners, notices, bookkeeping.

Knows the moments and what is said at each. May not know why mail is treated as it is, nor what
the program does with what it hears.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol, TypeVar, final

from smimekit.certificate import Certificate
from smimekit.gateway.envelope import Envelope, EnvelopeRecipient
from smimekit.gateway.reports.audit import Entry
from smimekit.span import Span
from smimekit.trust import Judgement

__all__ = [
    "NO_EVENTS",
    "Action",
    "CertificateSeen",
    "Events",
    "Objection",
    "Scan",
    "consult",
]

_About = TypeVar("_About", "Scan", "CertificateSeen")


class Action(StrEnum):
    """What somebody who objects wants done."""

    REJECT = "reject"
    HOLD = "hold"
    DEFER = "defer"
    """Not now: what objects cannot say yet."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """A hook's no."""

    action: Action
    reason: str
    """For the sender, where it is rejected; for the administrator, where it is held. A sentence
    without any of the content."""
    enhanced: str = "5.7.1"
    """RFC 3463, for a rejection: delivery not authorised, message refused."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A readable mail, at the moment where only the gateway sees it."""

    envelope: Envelope
    recipients: tuple[EnvelopeRecipient, ...]
    """For whom this one is: those of the envelope, or some of them."""
    message: Span
    """Header and body, as the recipients would get it but for the encryption. It is gone when
    the hook returns."""
    at: datetime


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSeen:
    """A certificate that the store did not hold before, out of a good signature."""

    certificate: Certificate
    judgement: Judgement
    """Untrusted, it waits for a decision."""
    sender: str
    """The address that the mail was from."""
    reference: str
    """The mail's Message-ID."""
    at: datetime


class Events(Protocol):
    """The hooks. Who derives a class from this one writes those that are wanted.

    They are called from whatever thread does the work. One that raises, whatever it raises,
    delays the mail: the sender's queue keeps it.
    """

    def before_encrypt(self, scan: Scan, /) -> Objection | None:  # noqa: ARG002 - for who overrides it
        """A mail in clear text that is about to be encrypted."""
        return None

    def after_decrypt(self, scan: Scan, /) -> Objection | None:  # noqa: ARG002 - for who overrides it
        """A mail that was decrypted and is about to be delivered."""
        return None

    def certificate_seen(self, seen: CertificateSeen, /) -> Objection | None:  # noqa: ARG002 - for who overrides it
        """A new certificate is in the store. Of several processes each may tell of it."""
        return None

    def outcome(self, entry: Entry, /) -> None:  # noqa: ARG002 - for who overrides it
        """What became of a transaction, before anybody hands anything on."""
        return


@final
class _NoEvents(Events):
    """Nobody listens."""


NO_EVENTS: Final[Events] = _NoEvents()


def consult(hook: Callable[[_About], Objection | None], about: _About) -> Objection | None:
    """What a hook says; an objection of our own where it fails.

    Nothing that somebody else's program does may lose mail, or let it pass unseen.
    """
    try:
        return hook(about)
    except Exception as error:  # noqa: BLE001 - any failure of a scanner is one reason: not now
        return Objection(
            action=Action.DEFER, reason=f"A check failed ({type(error).__name__}); try again later."
        )
