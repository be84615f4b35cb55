"""The one door to the network: what may be fetched, how long it may take, how much it may be.

Knows no protocol. Nothing is fetched unless the caller hands a `Fetcher` to whoever would like
to fetch; there is none by default.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, final

from smimekit.errors import FetchError
from smimekit.trust.network.wire import Deadline

__all__ = ["Budget", "ByScheme", "Fetcher", "Post", "plain_url"]

_URL_LENGTH: Final = 200


@final
@dataclass(frozen=True, slots=True)
class Post:
    """What is sent along with a question: an OCSP request."""

    body: bytes
    media_type: str


class Fetcher(Protocol):
    """Whatever can fetch what a URL names: three lines around an HTTP client of one's own do."""

    def fetch(
        self, url: str, *, seconds: float, most_bytes: int, post: Post | None = None
    ) -> bytes:
        """What stands at a URL, or what is answered to `post`.

        It takes `seconds` at most, connecting and all redirects included, and gives `most_bytes`
        at most. Raises FetchError or OSError where that cannot be had. The URL came from a
        certificate: it may name any machine and any protocol.
        """
        ...


@final
class ByScheme:
    """A fetcher that hands each URL to the fetcher for its scheme: http, https, ldap, ldaps."""

    def __init__(self, fetchers: Mapping[str, Fetcher]) -> None:
        self._fetchers = dict(fetchers)

    def fetch(
        self, url: str, *, seconds: float, most_bytes: int, post: Post | None = None
    ) -> bytes:
        found = self._fetchers.get(url.partition(":")[0].lower())
        if found is None:
            raise FetchError(f"Nothing here can fetch {plain_url(url)}.", code="fetch.scheme")
        return found.fetch(url, seconds=seconds, most_bytes=most_bytes, post=post)


@final
class Budget:
    """What one judgement or one lookup may spend: seconds, requests, octets."""

    def __init__(
        self,
        *,
        seconds: float,
        requests: int,
        most_bytes: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deadline = Deadline(seconds, monotonic)
        self._requests = requests
        self._bytes = most_bytes

    def fetch(self, fetcher: Fetcher, url: str, post: Post | None = None) -> bytes:
        """What the fetcher gives; FetchError also where the budget is spent."""
        if self._requests <= 0 or self._bytes <= 0:
            raise FetchError("Enough was fetched for one question.", code="fetch.budget")
        self._requests -= 1
        seconds = self._deadline.left()
        try:
            data = fetcher.fetch(url, seconds=seconds, most_bytes=self._bytes, post=post)
        except OSError as error:
            raise FetchError(
                f"{plain_url(url)} could not be fetched.", code="fetch.failed"
            ) from error
        if len(data) > self._bytes:
            raise FetchError(
                "The answer is larger than what may be fetched.", code="fetch.too-large"
            )
        self._bytes -= len(data)
        return data

    def left(self) -> float:
        """The seconds that are left; FetchError where there are none."""
        return self._deadline.left()


def plain_url(url: str) -> str:
    """A URL for a person: printable, and not longer than a person reads."""
    return "".join(one if one.isprintable() else "?" for one in url[:_URL_LENGTH])
