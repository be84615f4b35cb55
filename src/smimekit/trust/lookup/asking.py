"""Asking several sources for certificates, within bounds, and remembering what they found.

Knows what a source is and what a good answer is. May not know any source. What is found is a
fact: that a directory shows a certificate for an address does not mean that it belongs there.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final, Protocol, TypeAlias, final

from smimekit.certificate import Certificate
from smimekit.errors import FetchError
from smimekit.trust.network.wire import Deadline
from smimekit.trust.records import ByFingerprint, Query, Sighting, Source
from smimekit.trust.store import CertificateSource, TrustStore
from smimekit.trust.stores.index import index_keys, query_key

__all__ = [
    "BundleReader",
    "Chained",
    "Failure",
    "Finding",
    "LookedUp",
    "LookupLimits",
    "LookupSource",
    "answers",
    "learn",
    "look_up",
]

BundleReader: TypeAlias = Callable[[bytes], Iterable[Certificate]]
"""Certificates out of what a file or an attribute holds; InputError for anything else.

`smimekit.message.bundle.read_bundle` is the one to use: it knows CMS, which `trust` may not."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LookupLimits:
    """How much one question may cost. Exceeding a bound ends the answer or raises FetchError."""

    results: int = 20
    """Certificates: people have a few, and each one costs a judgement."""
    most_bytes: int = 1 << 20
    """Octets of answers."""
    seconds: float = 10.0
    """For each source, and for starting to ask another one."""


class LookupSource(CertificateSource, Protocol):
    """A certificate source that says where its answers come from.

    `find` raises FetchError where the source cannot be asked, and gives nothing for a kind of
    query that it cannot answer.
    """

    @property
    def kind(self) -> str:
        """What `Source.kind` is to be: ldap, smimea, aia, folder, ..."""
        ...

    @property
    def origin(self) -> str:
        """What `Source.origin` is to be: the server, the folder."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """A certificate, and who showed it."""

    certificate: Certificate
    source: Source


@final
@dataclass(frozen=True, slots=True)
class Failure:
    """A source that could not be asked, and why."""

    kind: str
    origin: str
    error: FetchError


@final
@dataclass(frozen=True, slots=True)
class LookedUp:
    """What several sources said."""

    found: tuple[Finding, ...]
    failures: tuple[Failure, ...]


def answers(query: Query, certificate: Certificate) -> bool:
    """Whether a certificate is one that the query asks for."""
    if isinstance(query, ByFingerprint):
        return certificate.fingerprint == query.fingerprint.lower()
    return query_key(query) in index_keys(certificate)


def look_up(
    query: Query,
    sources: Iterable[LookupSource],
    *,
    at: datetime,
    limits: LookupLimits | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> LookedUp:
    """Ask each source in turn; one that fails does not hide what the others find.

    `at` (aware): when that is, for `Source.at`.
    """
    bounds = limits or LookupLimits()
    deadline = Deadline(bounds.seconds, monotonic)
    found: dict[Certificate, Finding] = {}
    failures: list[Failure] = []
    for source in sources:
        if len(found) >= bounds.results:
            break
        seen = Source(source.kind, source.origin, at)
        try:
            deadline.left()
            for certificate in islice(source.find(query), bounds.results):
                if len(found) < bounds.results:
                    found.setdefault(certificate, Finding(certificate, seen))
        except FetchError as error:
            failures.append(Failure(source.kind, source.origin, error))
    return LookedUp(tuple(found.values()), tuple(failures))


def learn(
    store: TrustStore,
    query: Query,
    sources: Iterable[LookupSource],
    *,
    at: datetime,
    limits: LookupLimits | None = None,
) -> LookedUp:
    """Look up, and put what was found into a store: as facts, never as trust.

    All of it or, where the store fails (StoreError), nothing.
    """
    looked = look_up(query, sources, at=at, limits=limits)
    found = [Sighting(certificate=one.certificate, source=one.source) for one in looked.found]
    if found:
        store.put_all(found, at=at)
    return looked


@final
class Chained:
    """Several sources as one: whatever they find together, each certificate once.

    It fails only where nothing was found and all of them failed.
    """

    kind: Final = "chained"

    def __init__(
        self,
        sources: Iterable[LookupSource],
        *,
        clock: Callable[[], datetime],
        limits: LookupLimits | None = None,
    ) -> None:
        self._sources = tuple(sources)
        self._clock = clock
        self._limits = limits

    @property
    def origin(self) -> str:
        return ", ".join(one.origin for one in self._sources)

    def find(self, query: Query) -> tuple[Certificate, ...]:
        looked = look_up(query, self._sources, at=self._clock(), limits=self._limits)
        if not looked.found and looked.failures and len(looked.failures) == len(self._sources):
            raise looked.failures[0].error
        return tuple(one.certificate for one in looked.found)
