"""What a run has done, in a file that is only ever appended to: the next run goes on behind it.

Knows files, and how a crash leaves them. May not know what a message is, beyond its name.

The first line says what the journal is of: one source, one store, one set of keys and rules. Each
further line stands for a batch of messages whose facts the store has: it is written, and on the
disk, only after the store has answered. A line begins with its own checksum; the first one that
is not whole, and what stands behind it, is cut off, and its messages are read again.

A message without a mark is remembered by eight octets: BLAKE2 of its identity, under a key of the
journal's own, so that nobody can make two names that are alike. A million take 16 MiB.
Two of a million are alike by chance once in 37 million journals.
"""

import base64
import json
import os
import secrets
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b, sha256
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self, final

from smimekit.errors import UsageError
from smimekit.mailboxes.mailbox import Message

try:
    import fcntl
except ImportError:  # pragma: no cover - not on Windows
    fcntl = None  # type: ignore[assignment]  # there is no such module there

__all__ = ["Journal"]

_FORMAT: Final = "smimekit harvest journal 1"
_LINE: Final = 4 << 20
"""Octets of a line: a batch of some hundred names and marks needs a small part of it."""
_HEAD: Final = json.dumps({"format": _FORMAT}).encode()[:-1]
"""How the first line begins, behind its checksum."""
_CHECKSUM: Final = 9
"""Octets of a checksum and the blank behind it."""
_NAME: Final = 8
_KEY: Final = 16


@final
class Journal:
    """The journal in a file, which is made where it is not there. Use it in a `with` block.

    `source`: `Mailbox.name`. `store`: the store's URL or any other name of it, kept as a digest,
    since it may hold a password. `rules`: whatever else decides what is learned, such as the
    fingerprints of keys and anchors. Raises UsageError (`usage.journal`) for a file that is the
    journal of anything else, or none; `usage.journal-busy` where another run has it; OSError.
    """

    def __init__(self, path: Path, *, source: str, store: str, rules: str = "") -> None:
        self._head: Final = {
            "format": _FORMAT,
            "source": _digest(source),
            "store": _digest(store),
            "rules": _digest(rules),
        }
        self.marks: Final[dict[str, str]] = {}
        """How far each stream was read."""
        self.witnesses: Final[list[str]] = []
        """Fingerprints that the store must have: of the first and the last batch that have any."""
        self._seen: Final = _Names()
        self._file: Final = _opened(path)
        try:
            _lock(self._file, path)
            with _understood(path):
                self._key: Final = self._begin(path)
                self._replay()
        except BaseException:
            self._file.close()
            raise

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
        """Let go of the file."""
        self._file.close()

    def __len__(self) -> int:
        """How many messages it knows by their names, those before marks not counted."""
        return len(self._seen)

    def knows(self, message: Message) -> bool:
        """Whether a message without a mark was read."""
        return message.mark is None and self._short(message.identity) in self._seen

    def add(self, messages: Iterable[Message], *, witness: str | None) -> None:
        """Remember messages, on the disk, whose facts the store has.

        `witness`: the fingerprint of a certificate that was among them, if there was any.
        """
        names = array("Q")
        marks: dict[str, str] = {}
        for each in messages:
            if each.mark is None:
                names.append(self._short(each.identity))
            else:
                marks[each.mark.stream] = each.mark.value
        batch = {"names": base64.b64encode(_little(names).tobytes()).decode(), "marks": marks}
        if witness is not None:
            batch["witness"] = witness
        self._write(batch)
        self._take(batch)

    # --- the file -------------------------------------------------------------------------

    def _write(self, form: dict[str, Any]) -> None:
        text = json.dumps(form, ensure_ascii=True).encode()
        self._file.seek(0, os.SEEK_END)
        self._file.write(b"%08x %s\n" % (zlib.crc32(text), text))
        self._file.flush()
        os.fsync(self._file.fileno())

    def _begin(self, path: Path) -> bytes:
        """The journal's key, once it is clear whose journal it is."""
        first = self._file.readline(_LINE)
        if not first or _is_torn(first):
            self._file.truncate(0)
            key = secrets.token_bytes(_KEY)
            self._write(self._head | {"key": key.hex()})
            return key
        found = _form(first)
        if found is None or found.get("format") != _FORMAT:
            raise _no_journal(path)
        for part, what in _BOUND_TO.items():
            if found.get(part) != self._head[part]:
                raise UsageError(
                    f"The journal {path} is of {what}: name a journal of its own for this run.",
                    code="usage.journal",
                )
        return bytes.fromhex(found["key"])[:_KEY]

    def _replay(self) -> None:
        whole = self._file.tell()
        while (line := self._file.readline(_LINE)) and (batch := _form(line)) is not None:
            self._take(batch)
            whole = self._file.tell()
        self._file.truncate(whole)

    def _take(self, batch: dict[str, Any]) -> None:
        names = array("Q")
        names.frombytes(base64.b64decode(batch["names"], validate=True))
        for name in _little(names):
            self._seen.add(name)
        self.marks.update({stream: _text(mark) for stream, mark in batch["marks"].items()})
        if "witness" in batch:
            self.witnesses[1:] = [_text(batch["witness"])]

    def _short(self, identity: str) -> int:
        octets = identity.encode("utf-8", "surrogateescape")
        return int.from_bytes(blake2b(octets, digest_size=_NAME, key=self._key).digest(), "little")


_BOUND_TO: Final = {
    "source": "other mail",
    "store": "another store",
    "rules": "other keys, anchors or rules",
}


def _no_journal(path: Path) -> UsageError:
    return UsageError(
        f"{path} is no journal of this version of smimekit; name another file.",
        code="usage.journal",
    )


@contextmanager
def _understood(path: Path) -> Iterator[None]:
    """Lines that are whole and do not say what ours say are somebody else's."""
    try:
        yield
    except UsageError:
        raise
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise _no_journal(path) from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _opened(path: Path) -> BinaryIO:
    """The file, to read and to append to; only its owner may read which mail there is."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o600), "r+b")


def _lock(file: BinaryIO, path: Path) -> None:
    """For as long as the file is open; the system ends the lock of a process that dies."""
    if fcntl is None:  # pragma: no cover - not on POSIX
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(
            f"Another run uses the journal {path}; wait for its end.", code="usage.journal-busy"
        ) from None


def _form(line: bytes) -> dict[str, Any] | None:
    """What a line says; None where it is not whole."""
    checksum, blank, text = line[:8], line[8:9], line[9:-1]
    if not line.endswith(b"\n") or blank != b" " or checksum != b"%08x" % zlib.crc32(text):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _is_torn(first: bytes) -> bool:
    """Is this the beginning of a first line, after power was lost while it was written?

    Nothing stands behind it then. It is as much of a line as was on the disk, or as many zeros.
    """
    text = first[_CHECKSUM:]
    return not first.strip(b"\0") or (
        bool(text)
        and not first.endswith(b"\n")
        and (text.startswith(_HEAD) or _HEAD.startswith(text))
    )


def _little(names: "array[int]") -> "array[int]":
    """The numbers with the bytes of each in the order that the file has."""
    if sys.byteorder == "big":  # pragma: no cover - nobody has one
        names = array("Q", names)
        names.byteswap()
    return names


# --- the names -----------------------------------------------------------------------------


@final
class _Names:
    """A set of numbers below 2**64, in a table: 24 octets for each at most, no objects.

    Open addressing; a place that is 0 is free, so the number 0 is kept apart.
    """

    def __init__(self) -> None:
        self._table = array("Q", (0,)) * (1 << 10)
        self._count = 0
        self._zero = False

    def __len__(self) -> int:
        return self._count + self._zero

    def __contains__(self, number: int) -> bool:
        return self._zero if number == 0 else self._table[self._place(number)] == number

    def add(self, number: int) -> None:
        if number == 0:
            self._zero = True
            return
        place = self._place(number)
        if self._table[place] == 0:
            self._table[place] = number
            self._count += 1
            if 3 * self._count > 2 * len(self._table):
                self._grow()

    def _place(self, number: int) -> int:
        """Where the number is, or may be put."""
        table, mask = self._table, len(self._table) - 1
        place = number & mask  # they are digests: any of their bits will do
        while table[place] not in {0, number}:
            place = (place + 1) & mask
        return place

    def _grow(self) -> None:
        old = self._table
        self._table = array("Q", (0,)) * (2 * len(old))
        for number in filter(None, old):
            self._table[self._place(number)] = number
