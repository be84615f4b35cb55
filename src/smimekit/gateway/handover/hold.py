"""The hold queue: messages that wait for a person, each in a folder of its own.

Knows files. May not know why a message is held. `keep` returns when message and envelope are on
the disk, synced, with their names; only then may anybody be told that we have it.
"""

import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, final

from smimekit.errors import UsageError
from smimekit.gateway.envelope import Envelope, EnvelopeRecipient
from smimekit.gateway.outcomes import Hold
from smimekit.gateway.program.tasks import envelope_facts, envelope_from
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
    envelope: Envelope
    path: Path


@final
class HoldQueue:
    """A folder of held messages. Several processes may use it at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder: Final = folder

    def keep(self, held: Hold, envelope: Envelope, *, at: datetime) -> str:
        """Store a message safely; its name. Raises OSError, and then nothing was stored.

        Of the `envelope` that it came in, user and client are kept.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{at:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        unfinished = self._folder / f".{name}"
        unfinished.mkdir(mode=0o700)
        try:
            with _locked(unfinished):
                self._fill(unfinished, held, envelope, at)
                unfinished.rename(self._folder / name)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        _sync(self._folder)
        return name

    def _fill(self, folder: Path, held: Hold, envelope: Envelope, at: datetime) -> None:
        _write(folder / _MESSAGE, held.mail.message)
        kept = replace(
            envelope,
            mail_from=held.mail.mail_from,
            recipients=held.recipients,
            parameters=held.mail.parameters,
        )
        _write(folder / _ENVELOPE, Span.of(_facts(kept, held.reason, at)))
        _sync(folder)

    def clear(self) -> None:
        """Remove what killed processes began to keep, or to forget, and did not finish: nobody
        was told that we have it, or nobody waits for it any more. Raises OSError.
        """
        for path in list(self._folder.iterdir()) if self._folder.is_dir() else ():
            if path.name.startswith(".") and _NAME.fullmatch(path.name[1:]):
                with suppress(FileNotFoundError, BlockingIOError), _locked(path, wait=False):
                    shutil.rmtree(path, ignore_errors=True)

    def __iter__(self) -> Iterator[Held]:
        """All, the oldest first."""
        if self._folder.is_dir():
            for path in sorted(self._folder.iterdir()):
                found = _read(path) if _NAME.fullmatch(path.name) else None
                if found is not None:
                    yield found

    def find(self, name: str) -> Held:
        """UsageError (`usage.not-held`) where there is none of this name."""
        path = self._folder / name
        found = _read(path) if _NAME.fullmatch(name) else None
        if found is None:
            raise _not_held(name)
        return found

    @contextmanager
    def taken(self, name: str) -> Iterator[Held]:
        """A message as it is now, which nobody else releases or drops until the block ends:
        whoever does so is waited for. UsageError (`usage.not-held`) where nothing is left then.
        """
        path = self.find(name).path
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            raise _not_held(name) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield self.find(name)
        finally:
            os.close(descriptor)

    def leave(self, held: Held, recipients: tuple[EnvelopeRecipient, ...]) -> None:
        """Keep it for these recipients only; for none, forget it. Whoever calls this has it
        `taken`. Raises OSError.
        """
        folder = held.path.parent
        if not recipients:
            with _locked(folder):
                gone = folder.rename(folder.with_name(f".{folder.name}"))  # at once, for who looks
                shutil.rmtree(gone)
            return
        kept = replace(held.envelope, recipients=recipients)
        _write(folder / f".{_ENVELOPE}", Span.of(_facts(kept, held.reason, held.since)))
        (folder / f".{_ENVELOPE}").replace(folder / _ENVELOPE)
        _sync(folder)


@contextmanager
def _locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Whoever works on a folder has it locked; the system ends the lock of a process that dies.
    BlockingIOError for one that is, where nobody waits.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)


def _not_held(name: str) -> UsageError:
    return UsageError(
        f"There is no held message {name!r}; `smimekit gateway held list` has all.",
        code="usage.not-held",
    )


def _facts(envelope: Envelope, reason: str, since: datetime) -> bytes:
    facts = {"reason": reason, "since": since.isoformat(), "envelope": envelope_facts(envelope)}
    return json.dumps(facts, indent=1).encode()


def _read(path: Path) -> Held | None:
    """None where there is none, or none any more."""
    try:
        facts = json.loads((path / _ENVELOPE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Held(
        name=path.name,
        reason=facts["reason"],
        since=datetime.fromisoformat(facts["since"]),
        envelope=envelope_from(facts["envelope"]),
        path=path / _MESSAGE,
    )


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
