"""Certificates and CRLs in LDAP directories (RFC 4510 to 4523). Needs the extra `ldap`.

Knows ldap3, and bounds what it leaves unbounded: time, octets, referrals. May not know CMS:
what a userSMIMECertificate holds, the caller's reader reads.
"""

import socket
import ssl
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, final
from urllib.parse import SplitResult, unquote, urlsplit

from smimekit.certificate import Certificate
from smimekit.errors import FetchError, InputError, UsageError
from smimekit.trust.lookup.asking import BundleReader, LookupLimits, answers
from smimekit.trust.network.fetch import Post, plain_url
from smimekit.trust.network.wire import (
    Deadline,
    GuardedSocket,
    Networks,
    Resolver,
    connect,
    resolve,
)
from smimekit.trust.records import ByAddress, Query

__all__ = ["LdapFetcher", "LdapServer", "LdapSource"]

_PORTS: Final = {"ldap": 389, "ldaps": 636}
_CERTIFICATES: Final = (
    "userCertificate;binary",
    "userCertificate",
    "userSMIMECertificate;binary",
    "userSMIMECertificate",
)
"""RFC 4523, 2.1 and RFC 2798, 2.8. Servers differ in where they want `;binary`."""
_START_TLS: Final = "1.3.6.1.4.1.1466.20037"
"""RFC 4511, 4.14.1."""
_SUCCESS, _TIME_LIMIT, _SIZE_LIMIT, _NO_SUCH_OBJECT = 0, 3, 4, 32
_ANSWERS: Final = frozenset({_SUCCESS, _TIME_LIMIT, _SIZE_LIMIT, _NO_SUCH_OBJECT})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LdapServer:
    """A directory, and how it is asked. `url`: ldap://host or ldaps://host, with a port or not."""

    url: str
    base: str = ""
    """The distinguished name below which people are."""
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    """A distinguished name and its password; only over TLS."""
    start_tls: bool = False
    """Of ldap://: go on over TLS (RFC 4511, 4.14)."""
    ca_file: str | None = None
    """The CA certificates by which its own is judged, in PEM; those of the system without it."""
    address_attributes: tuple[str, ...] = ("mail",)
    """Where the mail addresses of a person are."""

    def __post_init__(self) -> None:
        parts = _split(self.url)
        if parts is None:
            raise UsageError("A directory is ldap://host or ldaps://host.", code="usage.ldap-url")
        secure = self.start_tls or parts.scheme == "ldaps"
        if self.credentials is not None and not secure:
            raise UsageError(
                "A password for a directory is not sent in the clear; use ldaps:// or StartTLS.",
                code="usage.ldap-password",
            )


@final
class LdapSource:
    """The certificates of people in a directory, by address. Raises FetchError."""

    kind: Final = "ldap"

    def __init__(
        self,
        server: LdapServer,
        *,
        read: BundleReader,
        limits: LookupLimits | None = None,
        resolver: Resolver = resolve,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        _ldap3()
        self._server = server
        self._read = read
        self._limits = limits or LookupLimits()
        self._resolver = resolver
        self._monotonic = monotonic

    @property
    def origin(self) -> str:
        return self._server.url

    def find(self, query: Query) -> Iterator[Certificate]:
        if not isinstance(query, ByAddress):
            return
        deadline = Deadline(self._limits.seconds, self._monotonic)
        way = _Way(self._server, deadline, self._limits.most_bytes, None, self._resolver)
        wanted = _filter(self._server.address_attributes, query.address)
        with _asking(way) as connection:
            values = _search(connection, self._server.base, wanted, "SUBTREE", _CERTIFICATES, way)
        found = (each for value in values for each in self._certificates(value))
        matching = dict.fromkeys(one for one in found if answers(query, one))
        yield from list(matching)[: self._limits.results]

    def _certificates(self, value: bytes) -> Iterable[Certificate]:
        try:
            return tuple(self._read(value))
        except InputError:
            return ()


@final
class LdapFetcher:
    """A `Fetcher` for ldap and ldaps URLs (RFC 4516) with one attribute of one entry.

    `networks`: as of `HttpFetcher`.
    """

    def __init__(
        self,
        *,
        networks: Iterable[str] = (),
        resolver: Resolver = resolve,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        _ldap3()
        self._networks = Networks(networks)
        self._resolver = resolver
        self._monotonic = monotonic

    def fetch(
        self, url: str, *, seconds: float, most_bytes: int, post: Post | None = None
    ) -> bytes:
        parts = _split(url)
        fields = [] if parts is None else [unquote(one) for one in parts.query.split("?")]
        attributes = fields[0].split(",") if fields and fields[0] else []
        one_entry = len(fields) < 2 or fields[1].lower() in {"", "base"}
        if parts is None or post is not None or len(attributes) != 1 or not one_entry:
            raise FetchError(f"Nothing here can fetch {plain_url(url)}.", code="fetch.scheme")
        server = LdapServer(url=f"{parts.scheme}://{parts.netloc}")
        deadline = Deadline(seconds, self._monotonic)
        way = _Way(server, deadline, most_bytes, self._networks, self._resolver)
        name = unquote(parts.path.removeprefix("/"))
        with _asking(way) as connection:
            found = _search(connection, name, "(objectClass=*)", "BASE", attributes, way)
        if not found:
            raise FetchError("The directory has no such attribute.", code="fetch.status")
        return found[0]


def _split(url: str) -> SplitResult | None:
    """The parts of a URL for a directory; None where it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    fine = url.isascii() and url.isprintable() and parts.scheme in _PORTS and parts.hostname
    return parts if fine and port != 0 and "@" not in parts.netloc else None


def _filter(attributes: Iterable[str], address: str) -> str:
    """A search filter for an address: whatever that is, it stays a value (RFC 4515, 3)."""
    octets = address.encode("utf-8", "surrogatepass")
    value = "".join(
        chr(one) if chr(one).isalnum() and one < 0x80 else f"\\{one:02x}" for one in octets
    )
    return "(|" + "".join(f"({name}={value})" for name in attributes) + ")"


@final
@dataclass(frozen=True, slots=True)
class _Way:
    """How a directory is reached, and how far."""

    server: LdapServer
    deadline: Deadline
    most_bytes: int
    networks: Networks | None
    """None: any address; an administrator named the server."""
    resolver: Resolver


@contextmanager
def _asking(way: _Way) -> Iterator[Any]:
    """A connection, bound or anonymous; whatever goes wrong is a FetchError."""
    ldap3 = _ldap3()
    try:
        with ExitStack() as closing:
            connection = _connected(ldap3, way, closing)
            _bind(connection)
            yield connection
    except FetchError:
        raise
    except _failures(ldap3) as error:
        raise FetchError("The directory gives no usable answer.", code="fetch.ldap") from error


def _connected(ldap3: Any, way: _Way, closing: ExitStack) -> Any:
    """A connection over a socket of ours, with TLS of ours.

    ldap3 would keep no deadline, and has a check of host names of its own.
    """
    parts = urlsplit(way.server.url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    raw = connect(host, port, way.deadline, networks=way.networks, resolver=way.resolver)
    sock: socket.socket = closing.enter_context(raw)
    if parts.scheme == "ldaps":
        sock = closing.enter_context(_secured(sock, host, way))
    connection = _connection(ldap3, way)
    connection.socket = GuardedSocket(sock, way.deadline, way.most_bytes)
    connection.closed, connection.listening = False, True  # what its own `open` does, no more
    connection.strategy._outstanding = {}  # noqa: SLF001 - same
    if way.server.start_tls:
        connection.extended(_START_TLS)
        if connection.result["result"] != _SUCCESS:
            raise FetchError("The directory does not go on over TLS.", code="fetch.ldap")
        sock = closing.enter_context(_secured(sock, host, way))
        connection.socket = GuardedSocket(sock, way.deadline, way.most_bytes)
    return connection


def _bind(connection: Any) -> None:
    if not connection.bind():
        raise FetchError("The directory does not let us in.", code="fetch.ldap")


def _secured(sock: socket.socket, host: str, way: _Way) -> ssl.SSLSocket:
    sock.settimeout(way.deadline.left())
    context = ssl.create_default_context(cafile=way.server.ca_file)
    return context.wrap_socket(sock, server_hostname=host)


def _connection(ldap3: Any, way: _Way) -> Any:
    """A connection without a socket; ldap3 would follow referrals anywhere."""
    name, password = way.server.credentials or (None, None)
    return ldap3.Connection(
        ldap3.Server(urlsplit(way.server.url).hostname, get_info=ldap3.NONE),
        user=name,
        password=password,
        authentication=ldap3.ANONYMOUS if name is None else ldap3.SIMPLE,
        auto_referrals=False,
        check_names=False,
    )


def _search(
    connection: Any, base: str, wanted: str, scope: str, attributes: Sequence[str], way: _Way
) -> list[bytes]:
    """The values of the attributes, of all entries, in their order."""
    connection.search(
        base,
        wanted,
        search_scope=scope,
        attributes=list(attributes),
        size_limit=50,
        time_limit=max(1, int(way.deadline.left())),
    )
    if connection.result["result"] not in _ANSWERS:
        raise FetchError("The directory refuses to answer.", code="fetch.ldap")
    names = {one.lower() for one in attributes}
    return [
        bytes(value)
        for entry in connection.response
        if entry.get("type") == "searchResEntry"
        for name, values in entry["raw_attributes"].items()
        if name.lower() in names
        for value in values
    ]


def _failures(ldap3: Any) -> tuple[type[Exception], ...]:
    """What ldap3 raises on a directory that is broken, or hostile."""
    from pyasn1.error import PyAsn1Error  # noqa: PLC0415 - comes with ldap3

    return (
        ldap3.core.exceptions.LDAPException,
        ArithmeticError,
        AttributeError,
        FetchError,
        LookupError,
        OSError,
        PyAsn1Error,
        RecursionError,
        TypeError,
        ValueError,
    )


def _ldap3() -> Any:
    try:
        with warnings.catch_warnings():
            # ldap3 2.9.1 uses names that pyasn1 0.6 calls deprecated. Drop this with the next.
            warnings.simplefilter("ignore", DeprecationWarning)
            import ldap3  # noqa: PLC0415 - an extra, and slow
            import ldap3.core.exceptions  # noqa: PLC0415 - same
    except ImportError as error:
        raise UsageError(
            "Looking up certificates in a directory needs ldap3: pip install 'smimekit[ldap]'.",
            code="usage.extra-ldap",
        ) from error
    return ldap3
