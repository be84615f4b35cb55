"""Connections that end in time: names resolved, addresses judged, octets counted.

Knows sockets. May not know what is spoken over them, nor why.

What certificates say is anybody's text. A name in it may lead to a machine that only we can
reach (a router, a cloud's metadata service), so an address counts only if it is public or in a
network that the caller named; and the address that was judged is the one that is connected to,
whatever the name leads to a moment later.
"""

import io
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, final

from smimekit.errors import FetchError, UsageError

if TYPE_CHECKING:
    import ssl

__all__ = ["Deadline", "GuardedSocket", "Networks", "Resolver", "connect", "resolve"]

Resolver: TypeAlias = Callable[[str, int], Sequence[str]]
"""A host name and a port to IP addresses, the best first. Raises OSError."""

_NAT64: Final = IPv6Network("64:ff9b::/96")
_SITE_LOCAL: Final = IPv6Network("fec0::/10")
_TRIED: Final = 4
"""Addresses of one host that are tried."""
_OVERHEAD: Final = 64 << 10
"""Octets that a protocol may need besides the answer: headers, LDAP messages."""


class _Socket(Protocol):
    """What is needed of a socket, with TLS or without."""

    def settimeout(self, value: float | None, /) -> None: ...
    def recv(self, size: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> None: ...
    def shutdown(self, how: int, /) -> None: ...


@final
class Deadline:
    """A point in time, by a clock that only goes forward."""

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._end = monotonic() + seconds

    def left(self) -> float:
        """The seconds that are left; FetchError where there are none."""
        left = self._end - self._monotonic()
        if left <= 0:
            raise FetchError("It took too long; try again later.", code="fetch.timeout")
        return left


@final
class Networks:
    """Which addresses may be connected to: public ones, and those in the named networks."""

    def __init__(self, named: Iterable[str] = ()) -> None:
        try:
            self._named = tuple(map(ip_network, named))
        except ValueError as error:
            raise UsageError(
                "A network is written as 10.0.0.0/8 or fd00::/8.", code="usage.network"
            ) from error

    def allow(self, address: str) -> bool:
        """Whether the address may be connected to. An IPv4 address inside counts as itself."""
        try:
            found = _inner(ip_address(address.partition("%")[0]))
        except ValueError:
            return False
        if any(found in one for one in self._named):
            return True
        special = found.is_multicast or found.is_reserved or found in _SITE_LOCAL
        return found.is_global and not special


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address stands for (RFC 4291, 6052, 3056, 4380), or itself."""
    if isinstance(address, IPv4Address):
        return address
    teredo = address.teredo
    nat64 = IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
    return address.ipv4_mapped or address.sixtofour or (teredo and teredo[1]) or nat64 or address


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, by the operating system."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _resolved(host: str, port: int, deadline: Deadline, resolver: Resolver) -> Sequence[str]:
    # The operating system's resolver cannot be given a deadline. A thread can be left behind:
    # it ends by itself when the resolver gives up.
    answers: queue.SimpleQueue[Sequence[str] | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(resolver(host, port))
        except (OSError, UnicodeError):
            answers.put(None)

    threading.Thread(target=ask, name="smimekit-resolver", daemon=True).start()
    try:
        found = answers.get(timeout=deadline.left())
    except queue.Empty:
        raise FetchError("Resolving the host's name took too long.", code="fetch.timeout") from None
    if not found:
        raise FetchError("The host's name leads to no address.", code="fetch.host")
    return found


def connect(
    host: str,
    port: int,
    deadline: Deadline,
    *,
    networks: Networks | None,
    resolver: Resolver = resolve,
) -> socket.socket:
    """A connection to a host, over the first of its addresses that may be and can be connected to.

    Without networks any may be: somebody who may name machines named this one. Raises FetchError:
    `fetch.host`, `fetch.address`, `fetch.timeout`, `fetch.failed`.
    """
    found = _resolved(host, port, deadline, resolver)
    allowed = [one for one in found if networks is None or networks.allow(one)]
    if not allowed:
        raise FetchError(
            "The host is not on the public network. If it may be asked all the same, name its "
            "network.",
            code="fetch.address",
        )
    failure: OSError | None = None
    for address in allowed[:_TRIED]:
        try:
            return socket.create_connection((address, port), timeout=deadline.left())
        except OSError as error:
            failure = error
    raise FetchError("The host could not be connected to.", code="fetch.failed") from failure


@final
class GuardedSocket:
    """A socket from which at most so many octets can be read, and none after the deadline.

    A server that sends one octet now and then keeps no timeout of single reads from passing.
    """

    def __init__(
        self, inner: "socket.socket | ssl.SSLSocket", deadline: Deadline, most: int
    ) -> None:
        self._inner: _Socket = inner
        self._deadline = deadline
        self._left = most + _OVERHEAD

    def recv(self, size: int) -> bytes:
        """Some octets; none at the end."""
        if self._left <= 0:
            raise _too_large()
        self._inner.settimeout(self._deadline.left())
        try:
            data = self._inner.recv(size)
        except TimeoutError:
            raise FetchError("It took too long; try again later.", code="fetch.timeout") from None
        self._left -= len(data)
        return data

    def sendall(self, data: bytes) -> None:
        """Send everything."""
        self._inner.settimeout(self._deadline.left())
        self._inner.sendall(data)

    def makefile(self, mode: str = "rb", buffering: int = -1) -> io.BufferedReader:  # noqa: ARG002 - as of a socket
        """The octets as a file."""
        return io.BufferedReader(_Raw(self))

    def shutdown(self, how: int) -> None:
        """End one direction."""
        self._inner.shutdown(how)

    def close(self) -> None:
        """Nothing: whoever made the socket closes it, when the answer has been read."""


def _too_large() -> FetchError:
    return FetchError("The answer is larger than what may be fetched.", code="fetch.too-large")


@final
class _Raw(io.RawIOBase):
    """A guarded socket as the raw file below a buffered one."""

    def __init__(self, guarded: GuardedSocket) -> None:
        super().__init__()
        self._guarded = guarded

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # narrower: a writable buffer
        data = self._guarded.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)
