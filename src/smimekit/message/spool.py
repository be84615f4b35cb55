"""Where content waits for its verdict: in memory, then in an unlinked temporary file.

Knows bytes only.
"""

import tempfile
import threading
from collections.abc import Iterator
from typing import IO, Final, Self, final

from smimekit.errors import UsageError
from smimekit.span import CHUNK, Span

__all__ = ["Spool", "closed"]


def closed() -> UsageError:
    """What a message that was closed answers."""
    return UsageError(
        "The message was closed: take what you need of its content before that.",
        code="usage.closed",
    )


@final
class Spool:
    """Bytes written once, then read as often as need be. Closing it forgets them.

    `memory` is how many bytes may stay in memory. The file has no name that anybody else
    could open, and mode 0600 until then.
    """

    def __init__(self, memory: int) -> None:
        self._memory: Final = memory
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._lock: Final = threading.Lock()
        self._closed = False
        self.size = 0

    def write(self, data: bytes, /) -> None:
        """Append; there must not have been a read that still is in use."""
        self.size += len(data)
        if self._file is None and self.size <= self._memory:
            self._pieces.append(data)
            return
        if self._file is None:
            # Closed by `close`, not by a block: it lives as long as the spool.
            self._file = tempfile.TemporaryFile()  # noqa: SIM115
            self._file.writelines(self._pieces)
            self._pieces.clear()
        self._file.seek(0, 2)
        self._file.write(data)

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end` (ByteSource)."""
        with self._lock:
            if self._closed:
                raise closed()
            if self._file is not None:
                self._file.seek(start)
                return self._file.read(end - start)
            if len(self._pieces) > 1:
                self._pieces = [b"".join(self._pieces)]
            return self._pieces[0][start:end] if self._pieces else b""

    def chunks(self) -> Iterator[bytes]:
        """All of it (Sink)."""
        for at in range(0, self.size, CHUNK):
            yield self.read(at, min(at + CHUNK, self.size))

    def span(self) -> Span:
        """All of it, as a span."""
        return Span(self, 0, self.size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # `verify` and `decrypt` hand out a payload and nothing to close: the spool goes with it.
        self.close()

    def close(self) -> None:
        """Forget the bytes."""
        with self._lock:
            self._closed = True
            self._pieces.clear()
            if self._file is not None:
                self._file.close()
