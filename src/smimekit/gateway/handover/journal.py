"""What was already done for a message that its sender still has: so that a second try skips it.

Knows files and replies. May not know messages, sockets or rules. One file for each message, by
its digest, with a line for each recipient; it is locked while somebody works on the message.
Written with one call and not synced: it outlives the process, killed or not. After a power
failure the worst is that somebody gets a message twice (RFC 1047), never that it is lost.
"""

import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, final

from smimekit.errors import StoreError
from smimekit.gateway.handover.answers import Reply

__all__ = ["Entry", "Journal"]

_LOG: Final = logging.getLogger("smimekit.gateway")
_MOMENT: Final = 0.05
_PIECE: Final = 1 << 20
_OPEN: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


@final
class Entry:
    """What is known of one message, while its file is locked."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: Final = descriptor
        self.known: Final[dict[str, Reply]] = {}
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read()
        self._torn = not data.endswith(b"\n") and data != b""
        self.known.update(_read(data))

    def record(self, who: str, reply: Reply) -> None:
        """A recipient is done: whatever happens now, do it no second time."""
        self.known[who] = reply
        self._write([who, reply.code, reply.enhanced, reply.text])

    def forget(self, whom: Iterable[str]) -> None:
        """The sender knows of these: a message to them is a new one. Where nobody is left, it is
        the caller's to remove the file.
        """
        gone = [who for who in whom if self.known.pop(who, None) is not None]
        for who in gone if self.known else ():
            self._write([who])

    def _write(self, fields: list[str | int]) -> None:
        line = f"{json.dumps(fields)}\n".encode()
        # A line that a full disk cut off ends here, and takes no other with it.
        line = b"\n" + line if self._torn else line
        try:
            self._torn = os.write(self._descriptor, line) != len(line)
        except OSError as error:
            # The next hop has it: to say so to the sender is what keeps it from coming again.
            self._torn = True
            _LOG.warning("The journal cannot be written: %s", error)


def _read(data: bytes) -> Iterator[tuple[str, Reply]]:
    found: dict[str, Reply] = {}
    for line in data.split(b"\n"):
        match _fields(line):
            case [str(who)]:
                found.pop(who, None)
            case [str(who), int(code), str(enhanced), str(text)]:
                found[who] = Reply(code, enhanced, text)
    yield from found.items()


def _fields(line: bytes) -> object:
    """None for a line that was not written to its end."""
    try:
        return json.loads(line)
    except ValueError:
        return None


@final
class Journal:
    """A folder of such files. Several processes may use it at a time.

    `patience` is how many seconds to wait for whoever works on the same message.
    """

    def __init__(
        self,
        folder: Path,
        *,
        patience: float = 60,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder: Final = folder
        self._patience: Final = patience
        self._clock: Final = clock
        self._pause: Final = pause
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def open(self, key: str) -> Iterator[Entry]:
        """The entry of a message. StoreError `store.journal-busy` while another has it; OSError."""
        path = self._folder / key
        descriptor = self._locked(path, self._clock() + self._patience)
        try:
            entry = Entry(descriptor)
            try:
                yield entry
            finally:
                if not entry.known:
                    path.unlink()
        finally:
            os.close(descriptor)

    def forget(self, key: str, whom: Sequence[str]) -> None:
        """The sender has its answer for these recipients. Nothing happens where a lock is held:
        the entry stays, and ages.
        """
        with self._if_free(key) as descriptor:
            if descriptor is not None:
                entry = Entry(descriptor)
                entry.forget(whom)
                if not entry.known:
                    (self._folder / key).unlink()

    def age(self, key: str, written: float) -> None:
        """Let an entry count as last written no later than this (seconds of the epoch). Nothing
        happens where a lock is held.
        """
        with self._if_free(key) as descriptor:
            if descriptor is not None and os.fstat(descriptor).st_mtime > written:
                os.utime(descriptor, (written, written))

    def expire(self, before: float) -> int:
        """Forget what was last written before a time (seconds of the epoch); how many entries.
        One that is in use stays: its message is being tried again this moment.
        """
        return sum(self._expired(each.name, before) for each in list(self._folder.iterdir()))

    def _expired(self, key: str, before: float) -> bool:
        if _written(self._folder / key) >= before:
            return False
        with self._if_free(key) as descriptor:
            # Whoever had it until now may have written.
            old = descriptor is not None and os.fstat(descriptor).st_mtime < before
            if old:
                (self._folder / key).unlink()
            return old

    @contextmanager
    def _if_free(self, key: str) -> Iterator[int | None]:
        """The locked file of an entry; None where there is none, or somebody has it."""
        path = self._folder / key
        try:
            descriptor = os.open(path, _OPEN & ~os.O_CREAT)
        except FileNotFoundError:
            yield None
            return
        try:
            yield descriptor if _lock(descriptor) and _is_still(path, descriptor) else None
        finally:
            os.close(descriptor)

    def _locked(self, path: Path, until: float) -> int:
        while True:
            descriptor = os.open(path, _OPEN, 0o600)
            if not _lock(descriptor):
                os.close(descriptor)
                if self._clock() >= until:
                    raise StoreError(
                        "Another process works on the same message; try again later.",
                        code="store.journal-busy",
                    )
                self._pause(_MOMENT)
                continue
            if _is_still(path, descriptor):
                return descriptor
            os.close(descriptor)  # whoever had it took the file away


def _lock(descriptor: int) -> bool:
    """Whether nobody else has it locked."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
