"""Takes a message from a mail client into a file as it comes: memory does not grow with it.

Knows how content ends after DATA, and its transparency (RFC 5321, 4.5.2). May not know commands.
Only CRLF ends a line: content with a bare LF, with a dot between stray line ends, or with a NUL
that begins a line, is refused, since the next server might take it for the end of the message,
and what follows for commands.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final, final

from smimekit.gateway.handover.answers import Reply
from smimekit.message.sealed_file import keystream

__all__ = ["STRAY", "Incoming", "LineEnds", "buffer_of", "receive"]

_END: Final = b"\r\n.\r\n"
_STRAY_DOT: Final = re.compile(rb"\n\.\r[^\n]")
_LONGEST: Final = 3  # octets that a stray line end may have before the chunk that ends it

STRAY: Final = Reply(550, "5.6.0", "The message has line ends that are not CR LF, or NULs")
"""The answer to content that ends for one server where it goes on for another."""


@final
class LineEnds:
    """Looks at content as it comes, in any chunks."""

    def __init__(self) -> None:
        self._before = b"\r\n"

    def go_astray(self, chunk: bytes) -> bool:
        """Whether, with this chunk, there is what could end content for somebody."""
        whole = self._before + chunk
        self._before = whole[-_LONGEST:]
        return _has_stray(whole)


@final
class Incoming:
    """A message on its way into the file `path`, which has to be new.

    `trace` stands before it there. `size` and `digest` are about the octets of the message,
    `digest` about `seed` too. After a refusal the rest is read, and thrown away. With a `seal`
    (a key), what lies in the file is encrypted: the disk never holds the message.
    """

    def __init__(
        self, path: Path, *, trace: bytes, seed: bytes, limit: int, seal: bytes = b""
    ) -> None:
        self.size = 0
        self.refusal: Reply | None = None
        self._limit: Final = limit
        self._digest: Final = hashlib.sha256(seed)
        self._sealing: Final = keystream(seal) if seal else None
        self._before = b"\r\n"
        self._file: BinaryIO | None = None
        self._on_disk(lambda: self._begin(path, trace))

    @property
    def digest(self) -> str:
        """SHA-256, in hex digits."""
        return self._digest.hexdigest()

    def _begin(self, path: Path, trace: bytes) -> None:
        self._file = path.open("xb", buffering=0)  # closed by `close`: octets come one by one
        self._append(trace)

    def write(self, chunk: bytes) -> None:
        """Octets as they came over the wire."""
        whole = self._before + chunk
        plain = (whole[-len(chunk) - 2 :] if chunk else whole[-2:]).replace(b"\r\n.", b"\r\n")[2:]
        self._before = whole[-_LONGEST:]
        self.size += len(plain)
        if self.refusal is not None:
            return
        if self.size > self._limit:
            self.refusal = Reply(552, "5.3.4", "The message is too large")
        elif _has_stray(whole):
            self.refusal = STRAY
        else:
            self._digest.update(plain)
            self._on_disk(lambda: self._append(plain))

    def _append(self, plain: bytes) -> None:
        left = plain if self._sealing is None else self._sealing.update(plain)
        while self._file is not None and left:
            left = left[self._file.write(left) :]

    def _on_disk(self, act: Callable[[], None]) -> None:
        try:
            act()
        except OSError:
            self.refusal = Reply(452, "4.3.1", "There is no room for the message now")

    def close(self) -> None:
        """That was all of it."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _has_stray(octets: bytes) -> bool:
    """Is there, from the second octet on, what could end content for somebody: LF without CR
    before it, a dot with a CR about it that belongs to no CRLF, or a NUL that begins a line? A
    server that drops NULs may find a dot behind it, which nobody doubled.

    Counting takes a tenth of the time of a pattern for all of it.
    """
    if octets.count(b"\n", 1) != octets.count(b"\r\n"):
        return True
    if b"\n\0" in octets:
        return True
    return b"\r.\r" in octets or (b"\n.\r" in octets and _STRAY_DOT.search(octets) is not None)


def buffer_of(reader: asyncio.StreamReader) -> bytearray:
    """What has come and was not read: StreamReader keeps it to itself, and nothing else tells."""
    hidden: Any = reader
    found: bytearray = hidden._buffer  # noqa: SLF001 - see above
    return found


async def receive(
    reader: asyncio.StreamReader, incoming: Incoming, alive: Callable[[], None]
) -> None:
    """Read content up to its end. `alive` is called as octets come, for whoever counts the time."""
    # The line DATA ended with CRLF, and this is the CRLF that an end at once begins with.
    buffer_of(reader)[:0] = b"\r\n"
    skipped = 2
    while True:
        alive()
        try:
            chunk = await reader.readuntil(_END)
        except asyncio.LimitOverrunError as error:
            incoming.write((await reader.read(error.consumed))[skipped:])
            skipped = 0
            continue
        incoming.write(chunk[skipped:-3])
        incoming.close()
        return
