"""A trust store without what only mail has told it: by this, harvesting judges signers.

Knows which records were decided about. Harvesting writes facts and never decisions; so what it
finds does not depend on what it has found already, nor on the order in which mail comes, nor on
how many processes read it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import final

from smimekit.trust import (
    AuditEntry,
    Decision,
    Query,
    Record,
    Sighting,
    TrustStore,
)
from smimekit.trust.stores.merging import page_size

__all__ = ["DecidedOnly"]


@final
class DecidedOnly(TrustStore):
    """Of a store, the records that somebody has decided about. Everything else passes through."""

    def __init__(self, store: TrustStore) -> None:
        self._store = store

    def records(self, query: Query) -> Sequence[Record]:
        return _decided(self._store.records(query))

    def put_all(self, sightings: Iterable[Sighting], *, at: datetime) -> Sequence[Record]:
        return self._store.put_all(sightings, at=at)

    def decide(self, fingerprint: str, decision: Decision, *, expected: int) -> Record:
        return self._store.decide(fingerprint, decision, expected=expected)

    def anchors(self) -> Sequence[Record]:
        return self._store.anchors()

    def audit(self, fingerprint: str | None = None) -> Sequence[AuditEntry]:
        return self._store.audit(fingerprint)

    def page(
        self, *, after: str = "", limit: int = 100, query: Query | None = None
    ) -> Sequence[Record]:
        # Who reads page after page takes an empty one for the end, and decisions are few.
        found: list[Record] = []
        wanted = page_size(limit)
        while page := self._store.page(after=after, limit=wanted, query=query):
            found += _decided(page)
            if len(found) >= wanted:
                break
            after = page[-1].fingerprint
        return tuple(found[:wanted])

    def version(self) -> int:
        return self._store.version()


def _decided(records: Iterable[Record]) -> tuple[Record, ...]:
    return tuple(one for one in records if one.decision is not None)
