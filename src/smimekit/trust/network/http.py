"""HTTP for CRLs, OCSP and issuers' certificates: one question, one answer, within bounds.

Knows HTTP through the standard library. May not know what is fetched. Of all that HTTP can do
little is wanted here, and less is safe to do with a URL that anybody wrote: no credentials, no
cookies, no proxies, no compression, few redirects, no machine behind our own walls.
"""

import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Final, final
from urllib.parse import SplitResult, urljoin, urlsplit

from smimekit.errors import FetchError
from smimekit.trust.network.fetch import Post, plain_url
from smimekit.trust.network.wire import (
    Deadline,
    GuardedSocket,
    Networks,
    Resolver,
    connect,
    resolve,
)

__all__ = ["HttpFetcher"]

_PORTS: Final = {"http": 80, "https": 443}
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_KEEPS_METHOD: Final = frozenset({307, 308})
_BLOCK: Final = 64 << 10
_URL_LENGTH: Final = 2_000


@final
@dataclass(frozen=True, slots=True)
class _Moved:
    """Where to ask instead."""

    url: str


@final
class HttpFetcher:
    """A `Fetcher` for http and https.

    `networks`: private networks that may be asked all the same, such as "10.1.0.0/16"; without
    them only public addresses are connected to. `redirects`: how many are followed. `context`:
    for https, Python's default. A proxy is not used: who has to, writes a `Fetcher`.
    """

    def __init__(
        self,
        *,
        networks: Iterable[str] = (),
        redirects: int = 3,
        context: ssl.SSLContext | None = None,
        resolver: Resolver = resolve,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._networks = Networks(networks)
        self._redirects = redirects
        self._context = context
        self._resolver = resolver
        self._monotonic = monotonic

    def fetch(
        self, url: str, *, seconds: float, most_bytes: int, post: Post | None = None
    ) -> bytes:
        deadline = Deadline(seconds, self._monotonic)
        for _ in range(self._redirects + 1):
            try:
                found = self._ask(_split(url), deadline, most_bytes, post)
            except (HTTPException, OSError, UnicodeError) as error:
                raise FetchError(
                    f"{plain_url(url)} could not be fetched.", code="fetch.failed"
                ) from error
            if not isinstance(found, _Moved):
                return found
            url = _followed(url, found.url)
        raise FetchError(f"{plain_url(url)}: too many redirects.", code="fetch.redirect")

    def _ask(
        self, url: SplitResult, deadline: Deadline, most: int, post: Post | None
    ) -> bytes | _Moved:
        host, port = url.hostname or "", url.port or _PORTS[url.scheme]
        raw = connect(host, port, deadline, networks=self._networks, resolver=self._resolver)
        with raw:
            secure = raw
            if url.scheme == "https":
                raw.settimeout(deadline.left())
                context = self._context or ssl.create_default_context()
                secure = context.wrap_socket(raw, server_hostname=host)
            with secure, _asked(GuardedSocket(secure, deadline, most), url, post) as response:
                return _answer(response, most, post)


def _split(url: str) -> SplitResult:
    """The parts of a URL that may be fetched; FetchError for any other."""
    try:
        parts = urlsplit(url)
        fine = parts.port != 0  # reading it raises where it is none
    except ValueError:
        fine = False
    if not fine or len(url) > _URL_LENGTH or not url.isascii() or not url.isprintable():
        raise FetchError(f"{plain_url(url)} is not a URL.", code="fetch.url")
    if parts.scheme not in _PORTS or not parts.hostname:
        raise FetchError(f"Nothing here can fetch {plain_url(url)}.", code="fetch.scheme")
    if parts.username is not None or parts.password is not None or " " in url:
        raise FetchError("A URL with credentials in it is not fetched.", code="fetch.url")
    return parts


def _followed(url: str, location: str) -> str:
    """Where a redirect leads; never from https down to http."""
    target = urljoin(url, location)
    if url.lower().startswith("https:") and not target.lower().startswith("https:"):
        raise FetchError(f"{plain_url(url)} leads to an unprotected place.", code="fetch.redirect")
    return target


def _asked(guarded: GuardedSocket, url: SplitResult, post: Post | None) -> HTTPResponse:
    connection = HTTPConnection(url.hostname or "")
    connection.sock = guarded  # it has all that is used of a socket
    connection.auto_open = 0
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    headers = {
        "Host": url.netloc,
        "Accept-Encoding": "identity",
        "Connection": "close",
        "User-Agent": "smimekit",
    }
    if post is None:
        connection.request("GET", target, headers=headers)
    else:
        headers["Content-Type"] = post.media_type
        connection.request("POST", target, body=post.body, headers=headers)
    return connection.getresponse()


def _answer(response: HTTPResponse, most: int, post: Post | None) -> bytes | _Moved:
    location = response.headers.get("Location")
    if response.status in _MOVED and location is not None:
        if post is not None and response.status not in _KEEPS_METHOD:
            raise FetchError("The answer to a POST leads elsewhere.", code="fetch.redirect")
        return _Moved(location)
    if response.status != 200:
        raise FetchError(f"The server answered {response.status}.", code="fetch.status")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise FetchError("The answer is compressed, unasked.", code="fetch.status")
    return _body(response, most)


def _body(response: HTTPResponse, most: int) -> bytes:
    announced = response.length
    found = bytearray()
    while block := response.read(min(_BLOCK, most + 1 - len(found))):
        found += block
        if len(found) > most:
            raise FetchError(
                "The answer is larger than what may be fetched.", code="fetch.too-large"
            )
    if announced is not None and len(found) != announced:
        raise FetchError("The answer ended before its end.", code="fetch.truncated")
    return bytes(found)
