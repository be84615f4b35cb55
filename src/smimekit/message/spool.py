"""Where content waits for its verdict: in memory, then in an unlinked temporary file.

Knows bytes only; how a file is encrypted is the business of `sealed_file`.
"""

import io
import os
import tempfile
import threading
from collections.abc import Iterator
from typing import IO, Final, Self, final

from smimekit.errors import UsageError
from smimekit.message.sealed_file import SealedFile
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
    could open, and mode 0600 until then; where it is `encrypted`, the disk never holds
    what was written, and the key goes with the spool. It lies in `folder`, or where temporary
    files do.
    """

    def __init__(
        self,
        memory: int,
        *,
        encrypted: bool = False,
        folder: str | os.PathLike[str] | None = None,
    ) -> None:
        self._memory: Final = memory
        self._encrypted: Final = encrypted
        self._folder: Final = folder
        # One buffer, whose size is that of the bytes, however small the pieces are.
        self._held: Final = io.BytesIO()
        self._file: IO[bytes] | SealedFile | None = None
        self._at_end = True
        self._lock: Final = threading.Lock()
        self._closed = False
        self.size = 0

    def write(self, data: bytes, /) -> None:
        """Append; there must not have been a read that still is in use."""
        if self._file is None and self.size + len(data) > self._memory:
            # Closed by `close`, not by a block: it lives as long as the spool.
            kind = SealedFile if self._encrypted else tempfile.TemporaryFile
            self._file = kind(dir=self._folder)
            with self._held.getbuffer() as held:
                self._file.write(held)
            self._held.close()
            self._at_end = True
        file = self._held if self._file is None else self._file
        if not self._at_end:  # each seek would send what is buffered to the disk
            file.seek(0, 2)
            self._at_end = True
        file.write(data)
        self.size += len(data)

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end` (ByteSource)."""
        with self._lock:
            if self._closed:
                raise closed()
            if self._file is None and end - start == self.size:
                return self._held.getvalue()  # which is no copy
            file = self._held if self._file is None else self._file
            self._at_end = False
            file.seek(start)
            return file.read(end - start)

    def chunks(self) -> Iterator[bytes]:
        """All of it (Sink)."""
        for at in range(0, self.size, CHUNK):
            yield self.read(at, min(at + CHUNK, self.size))

    def span(self) -> Span:
        """All of it, as a span."""
        return Span.whole(self)

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
            self._held.close()
            if self._file is not None:
                self._file.close()
