"""What a server says, read for as long as one answer may take, and no longer than it may be.

Knows sockets. May not know what is spoken over them. A socket's own timeout is about a single
read: a server that sends one octet now and then keeps it from passing for ever.
"""

import io
import math
import time
from collections.abc import Callable
from socket import socket
from ssl import SSLWantReadError
from typing import Final, final

__all__ = ["PatientReader"]

_PIECE: Final = 8 << 10
"""Octets of one read: what fills a larger buffer at once is not asked for its time as often."""


@final
class PatientReader(io.RawIOBase):
    """The octets of a socket, as the raw file below a buffered one.

    What is read belongs to the answer that the last `begin` was about. It takes the seconds of
    the socket's timeout at the most, and one more for every `rate` octets where that is given;
    and no longer than `share` leaves to it and others together.
    Who reads on gets an OSError, then and ever after: a TimeoutError first, where it took too
    long. The socket stays the caller's.
    """

    def __init__(
        self,
        inner: socket,
        *,
        rate: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._inner: Final = inner
        self._rate: Final = rate
        self._clock: Final = clock
        self._left: int | None = 0
        self._end: float | None = None
        self._last = math.inf
        self._failed = False

    def begin(self, most: int) -> None:
        """What is read from now on is another answer, of at most so many octets."""
        timeout = self._inner.gettimeout()
        self._left = most
        self._end = None if timeout is None else self._clock() + timeout

    def expect_nothing(self) -> None:
        """No answer is due: what is read from now on was said unasked, and is not waited for."""
        self._left = None

    def share(self, seconds: float) -> None:
        """The answers from now on, until this is said again, have so many seconds together."""
        self._last = self._clock() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int | None:  # type: ignore[override]  # narrower: a writable buffer
        if self._left is None:
            return self._at_hand(buffer)
        if self._failed or self._left <= 0:
            raise OSError("The answer failed, or is longer than it may be.")
        timeout = self._inner.gettimeout()
        try:
            self._inner.settimeout(self._seconds())
            count = self._inner.recv_into(buffer, min(len(buffer), _PIECE))
        except OSError:
            self._failed = True
            raise
        finally:
            self._inner.settimeout(timeout)  # what is sent has its own time
        self._left -= count
        if self._end is not None and self._rate is not None:
            self._end += count / self._rate
        return count

    def _at_hand(self, buffer: bytearray | memoryview) -> int | None:
        timeout = self._inner.gettimeout()
        try:
            self._inner.settimeout(0)
            return self._inner.recv_into(buffer)
        except (BlockingIOError, SSLWantReadError):
            return None
        finally:
            self._inner.settimeout(timeout)

    def _seconds(self) -> float | None:
        if self._end is None:
            return None
        left = min(self._end, self._last) - self._clock()
        if left <= 0:
            raise TimeoutError("The answer took too long.")
        return left
