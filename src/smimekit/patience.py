"""What a server says, read for as long as one answer may take, and no longer than it may be.

Knows sockets. May not know what is spoken over them. A socket's own timeout is about a single
read: a server that sends one octet now and then keeps it from passing for ever.
"""

import io
import ssl
import time
from collections.abc import Callable
from socket import socket
from typing import Final, TypeAlias, final

__all__ = ["PatientReader"]

_Socket: TypeAlias = socket | ssl.SSLSocket


@final
class PatientReader(io.RawIOBase):
    """The octets of a socket, as the raw file below a buffered one.

    Each answer, which begins with `begin`, may have `most` octets, and takes the seconds of the
    socket's timeout at the most, and one more for every `rate` octets, where one is given. Who
    reads on gets an OSError then, a TimeoutError where it took too long. The socket stays the
    caller's.
    """

    def __init__(
        self,
        inner: _Socket,
        *,
        most: int,
        rate: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._inner: Final = inner
        self._most: Final = most
        self._rate: Final = rate
        self._clock: Final = clock
        self._left = 0
        self._end = 0.0
        self.begin()

    def begin(self) -> None:
        """What is read from now on is another answer."""
        self._left = self._most
        self._end = self._clock() + (self._inner.gettimeout() or float("inf"))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # narrower: a writable buffer
        if self._left <= 0:
            raise OSError("The answer is longer than it may be.")
        timeout = self._inner.gettimeout()
        self._inner.settimeout(self._seconds())
        try:
            count = self._inner.recv_into(buffer)
        finally:
            self._inner.settimeout(timeout)  # what is sent has its own time
        self._left -= count
        if self._rate is not None:
            self._end += count / self._rate
        return count

    def _seconds(self) -> float | None:
        left = self._end - self._clock()
        if left <= 0:
            raise TimeoutError("The answer took too long.")
        return None if left == float("inf") else left
