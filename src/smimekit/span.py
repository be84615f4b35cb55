"""Byte spans of something that can be read again: what was signed is one of these.

Knows files and memory, and the chunks that they are read in; may not know MIME, CMS or anything
above.
"""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import BinaryIO, Final, Protocol, final

from smimekit.errors import UsageError
from smimekit.frozen import maker

__all__ = ["CHUNK", "ByteSource", "FileSource", "MemorySource", "Span", "regrouped"]

CHUNK = 1 << 17
"""Bytes per chunk: large enough to hide Python's cost per call, small enough for caches."""


class ByteSource(Protocol):
    """Bytes that can be read again, at any place."""

    @property
    def size(self) -> int: ...

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`; both lie within the source."""
        ...


@final
class MemorySource:
    """Bytes in memory."""

    __slots__ = ("_data", "size")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, start: int, end: int) -> bytes:
        return self._data[start:end]


@final
class FileSource:
    """A seekable binary file, from its present position to its end.

    The file stays the caller's: it is neither closed nor locked, and has to stay
    unchanged as long as the spans are in use. Raises UsageError (`usage.file-changed`) where
    it became shorter: what is left of it would pass for all of it.
    """

    __slots__ = ("_base", "_file", "_lock", "size")

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._base = file.tell()
        self.size = max(0, file.seek(0, 2) - self._base)

    def read(self, start: int, end: int) -> bytes:
        with self._lock:
            self._file.seek(self._base + start)
            found = self._file.read(end - start)
            while len(found) < end - start and (more := self._file.read(end - start - len(found))):
                found += more  # a raw file may give less than it has
        if len(found) < end - start:
            raise _file_changed()
        return found

    def fill(self, buffer: bytearray, start: int, end: int) -> None:
        """The same in a buffer, since to make one each time takes half as long as to read it."""
        if type(self._file) is not BufferedReader:
            buffer[:] = self.read(start, end)
            return
        del buffer[end - start :]
        buffer += bytes(end - start - len(buffer))
        with self._lock:
            self._file.seek(self._base + start)
            found = self._file.readinto(buffer)
        if found < end - start:
            raise _file_changed()


def _file_changed() -> UsageError:
    return UsageError(
        "The file became shorter while it was in use; keep it unchanged until the "
        "message is written or closed.",
        code="usage.file-changed",
    )


@final
@dataclass(frozen=True, slots=True)
class Span:
    """The bytes of `source` from `start` to `end`, not read before somebody asks."""

    source: ByteSource
    start: int
    end: int

    @staticmethod
    def of(data: bytes) -> "Span":
        """A span of all of `data`."""
        return Span.whole(MemorySource(data))

    @staticmethod
    def of_file(file: BinaryIO) -> "Span":
        """A span of the rest of a seekable file."""
        return Span.whole(FileSource(file))

    @staticmethod
    def whole(source: ByteSource) -> "Span":
        """A span of all of a source."""
        return _span(source, 0, source.size)

    def __len__(self) -> int:
        return self.end - self.start

    def slice(self, start: int, end: int) -> "Span":
        """A part of this span; `start` and `end` count from its own start."""
        begin, last = self.start + start, self.start + end
        if not begin <= last <= self.end:
            begin = min(begin, self.end)
            last = max(begin, min(last, self.end))
        return _span(self.source, begin, last)

    def behind(self, size: int) -> "Span":
        """What is behind the first `size` bytes, of which there are as many."""
        return _span(self.source, self.start + size, self.end)

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`, counted from this span's own start."""
        begin, last = self.start + start, self.start + end
        if begin <= last <= self.end:
            return self.source.read(begin, last)
        return self.slice(start, end).bytes()

    def fill(self, buffer: bytearray, start: int, end: int) -> None:
        """Make of `buffer` the bytes from `start` to `end`, which both lie within this span."""
        if isinstance(self.source, FileSource):
            self.source.fill(buffer, self.start + start, self.start + end)
        else:
            buffer[:] = self.read(start, end)

    def chunks(self, size: int = CHUNK) -> Iterator[bytes]:
        """All of it in order, `size` bytes at a time."""
        for at in range(self.start, self.end, size):
            yield self.source.read(at, min(at + size, self.end))

    def bytes(self) -> bytes:
        """All of it, in memory."""
        return self.source.read(self.start, self.end)


_span: Final = maker(Span)


def regrouped(chunks: Iterable[bytes], size: int) -> Iterator[list[bytes | memoryview]]:
    """The chunks cut anew: pieces that are `size` octets together, the last ones fewer.

    Nothing is copied, so that whoever joins the pieces copies once.
    """
    held: list[bytes | memoryview] = []
    room = size
    for chunk in chunks:
        at, end = 0, len(chunk)
        while end - at >= room:
            held.append(chunk if end == room else memoryview(chunk)[at : at + room])
            yield held
            at, held, room = at + room, [], size
        if at < end:
            held.append(memoryview(chunk)[at:] if at else chunk)
            room -= end - at
    if held:
        yield held
