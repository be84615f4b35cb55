"""The hold queue: messages that wait for a person, each in a folder of its own.

Knows files. May not know why a message is held. `keep` returns when message and envelope are on
the disk, synced, with their names; only then may anybody be told that we have it.
"""

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, final

from smimekit.errors import UsageError
from smimekit.gateway.envelope import EnvelopeRecipient, Parameters
from smimekit.gateway.outcomes import Hold, Mail
from smimekit.span import Span

__all__ = ["Held", "HoldQueue"]

_NAME: Final = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{8}")
_MESSAGE: Final = "message.eml"
_ENVELOPE: Final = "envelope.json"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One message that waits; its content is in `path`."""

    name: str
    reason: str
    since: datetime
    mail_from: str
    recipients: tuple[EnvelopeRecipient, ...]
    parameters: Parameters
    path: Path


@final
class HoldQueue:
    """A folder of held messages. Several processes may use it at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder: Final = folder

    def keep(self, held: Hold, *, at: datetime) -> str:
        """Store a message safely; its name. Raises OSError, and then nothing was stored."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{at:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        unfinished = self._folder / f".{name}"
        unfinished.mkdir(mode=0o700)
        try:
            _write(unfinished / _MESSAGE, held.mail.message)
            _write(unfinished / _ENVELOPE, Span.of(_envelope(held, at)))
            _sync(unfinished)
            unfinished.rename(self._folder / name)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        _sync(self._folder)
        return name

    def __iter__(self) -> Iterator[Held]:
        """All, the oldest first."""
        if self._folder.is_dir():
            for path in sorted(self._folder.iterdir()):
                if _NAME.fullmatch(path.name):
                    yield _read(path)

    def find(self, name: str) -> Held:
        """UsageError (`usage.not-held`) where there is none of this name."""
        path = self._folder / name
        if not _NAME.fullmatch(name) or not path.is_dir():
            raise UsageError(
                f"There is no held message {name!r}; `smimekit gateway held list` has all.",
                code="usage.not-held",
            )
        return _read(path)

    @contextmanager
    def mail(self, held: Held) -> Iterator[Mail]:
        """The message, to hand it on."""
        with held.path.open("rb") as file:
            yield Mail(
                mail_from=held.mail_from,
                recipients=held.recipients,
                message=Span.of_file(file),
                parameters=held.parameters,
            )

    def leave(self, held: Held, recipients: tuple[EnvelopeRecipient, ...]) -> None:
        """Keep it for these recipients only; for none, forget it."""
        folder = held.path.parent
        if not recipients:
            shutil.rmtree(folder)
            return
        mail = Mail(
            mail_from=held.mail_from,
            recipients=recipients,
            message=Span.of(b""),
            parameters=held.parameters,
        )
        left = Hold(mail=mail, reason=held.reason)
        _write(folder / f".{_ENVELOPE}", Span.of(_envelope(left, held.since)))
        (folder / f".{_ENVELOPE}").replace(folder / _ENVELOPE)
        _sync(folder)


def _envelope(held: Hold, at: datetime) -> bytes:
    facts = {
        "reason": held.reason,
        "since": at.isoformat(),
        "mail_from": held.mail.mail_from,
        "parameters": held.mail.parameters,
        "recipients": [[each.address, each.parameters] for each in held.recipients],
    }
    return json.dumps(facts, indent=1).encode()


def _read(path: Path) -> Held:
    facts = json.loads((path / _ENVELOPE).read_text(encoding="utf-8"))
    return Held(
        name=path.name,
        reason=facts["reason"],
        since=datetime.fromisoformat(facts["since"]),
        mail_from=facts["mail_from"],
        recipients=tuple(
            EnvelopeRecipient(address=address, parameters=_pairs(parameters))
            for address, parameters in facts["recipients"]
        ),
        parameters=_pairs(facts["parameters"]),
        path=path / _MESSAGE,
    )


def _pairs(parameters: list[list[str | None]]) -> Parameters:
    return tuple((str(name), value) for name, value in parameters)


def _write(path: Path, content: Span) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.writelines(content.chunks())
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """A new name is in the folder, which is a file by itself."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
