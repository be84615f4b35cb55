"""Processors for the tests of the adapters: workers import one by name."""

import os
import signal
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from smimekit.gateway.envelope import Envelope, EnvelopeRecipient
from smimekit.gateway.events import Events
from smimekit.gateway.outcomes import Defer, Deliver, Hold, Mail, Outcome, Outcomes, Reject
from smimekit.gateway.reports.audit import Entry
from smimekit.span import Span

__all__ = ["by_name", "heard"]


class _ByName:
    """What becomes of a recipient stands in its local part."""

    def __init__(self, file: Path) -> None:
        self._folder = file.parent

    def process(self, envelope: Envelope, message: Span, *, at: datetime) -> Outcomes:
        outcomes = [self._one(envelope, message, each) for each in envelope.recipients]
        together = [each for each in outcomes if isinstance(each, Deliver)]
        rest: list[Outcome] = [each for each in outcomes if not isinstance(each, Deliver)]
        if together:
            everybody = tuple(each.recipients[0] for each in together)
            rest.append(Deliver(mail=_mail(envelope, message, everybody)))
        return Outcomes(outcomes=tuple(rest), closing=ExitStack())

    def _one(self, envelope: Envelope, message: Span, to: EnvelopeRecipient) -> Outcome:
        match to.address.partition("@")[0]:
            case "reject":
                return Reject(recipients=(to,), code=550, enhanced="5.7.10", text="Encrypt it")
            case "defer":
                return Defer(recipients=(to,), code=451, enhanced="4.7.0", text="Not yet")
            case "hold":
                return Hold(mail=_mail(envelope, message, (to,)), reason="Look at it")
            case "fail":
                raise RuntimeError("a bug")
            case "quote":
                _quote(message.bytes().decode("latin-1"))
            case "die-once":
                mark = self._folder / "died"
                if not mark.exists():
                    mark.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
        return Deliver(mail=_mail(envelope, message, (to,)))


def _quote(text: str) -> None:
    """As a careless hook does: the whole mail in the text of an error, and of its cause."""
    try:
        int(text)
    except ValueError as error:
        raise KeyError(text) from error


def _mail(envelope: Envelope, message: Span, to: Sequence[EnvelopeRecipient]) -> Mail:
    facts = f"X-User: {envelope.user}\r\nX-Client: {envelope.client.address}\r\n".encode()
    changed = Span.of(facts + message.bytes()) if len(message) < 1 << 20 else message
    return Mail(
        mail_from=envelope.mail_from,
        recipients=tuple(to),
        message=changed,
        parameters=envelope.parameters,
    )


def by_name(file: Path) -> _ByName:
    """A processor for the file of a configuration."""
    return _ByName(file)


class _Heard(Events):
    """Writes down whom a mail is from; one from a liar is not to pass."""

    def __init__(self, file: Path) -> None:
        self._notes = file.parent / "heard"

    def outcome(self, entry: Entry, /) -> None:
        if entry.envelope.mail_from.startswith("liar@"):
            raise ValueError("a liar")
        with self._notes.open("a", encoding="utf-8") as notes:
            notes.write(f"{entry.envelope.mail_from}\n")


def heard(file: Path) -> Events:
    """Hooks for the file of a configuration."""
    return _Heard(file)
