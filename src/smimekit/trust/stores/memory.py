"""Records in memory: a table with its index, and the trust store that is nothing more.

Knows the rules for records. May not know files, databases or other processes.
"""

import heapq
import threading
from bisect import bisect_right, insort
from collections.abc import Iterable
from datetime import datetime

from smimekit.trust.records import (
    AuditEntry,
    ByFingerprint,
    Decision,
    Query,
    Record,
    Sighting,
    is_authority,
)
from smimekit.trust.store import FIND_LIMIT, TrustStore
from smimekit.trust.stores.index import index_keys, query_key
from smimekit.trust.stores.merging import (
    answer_order,
    decided_record,
    merge_all,
    page_size,
)

__all__ = ["MemoryTrustStore", "Table"]


class Table:
    """Records, found by their keys, and the trail of decisions. Not for several threads."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.trail: list[AuditEntry] = []
        self.version = 0
        self._names: list[str] = []
        self._index: dict[str, list[str]] = {}

    def install(self, record: Record) -> None:
        """Put a record in the place of the one of the same certificate, if there is one."""
        name = record.fingerprint
        if name not in self.records:
            insort(self._names, name)
            for key in index_keys(record.certificate):
                insort(self._index.setdefault(key, []), name)
        self.records[name] = record

    def _answers(self, query: Query) -> list[str]:
        if isinstance(query, ByFingerprint):
            name = query.fingerprint.lower()
            return [name] if name in self.records else []
        return self._index.get(query_key(query), [])

    def select(self, query: Query) -> tuple[Record, ...]:
        """`TrustStore.records`."""
        found = (self.records[name] for name in self._answers(query))
        return tuple(heapq.nsmallest(FIND_LIMIT, found, key=answer_order))

    def page(self, after: str, limit: int, query: Query | None) -> tuple[Record, ...]:
        """`TrustStore.page`."""
        names = self._names if query is None else self._answers(query)
        start = bisect_right(names, after.lower())
        return tuple(self.records[name] for name in names[start : start + page_size(limit)])

    def anchors(self) -> tuple[Record, ...]:
        """`TrustStore.anchors`."""
        return tuple(self.records[name] for name in self._names if self.records[name].anchor)

    def audit(self, fingerprint: str | None) -> tuple[AuditEntry, ...]:
        """`TrustStore.audit`."""
        wanted = None if fingerprint is None else fingerprint.lower()
        return tuple(one for one in self.trail if wanted in {None, one.fingerprint})

    def news(self, found: dict[str, Record]) -> list[Record]:
        """Those of some merged records that are not what the table holds."""
        return [record for name, record in found.items() if self.records.get(name) != record]

    def version_with(self, news: Iterable[Record]) -> int:
        """The version once these records are installed."""
        unknown = (one.certificate for one in news if one.fingerprint not in self.records)
        return self.version + sum(map(is_authority, unknown))


class MemoryTrustStore(TrustStore):
    """A `TrustStore` in memory: for tests, for one run, for a few thousand certificates."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._table = Table()

    def records(self, query: Query) -> tuple[Record, ...]:
        with self._lock:
            return self._table.select(query)

    def put_all(self, sightings: Iterable[Sighting], *, at: datetime) -> tuple[Record, ...]:
        facts = tuple(sightings)
        with self._lock:
            found = merge_all(self._table.records, facts, at)
            news = self._table.news(found)
            self._table.version = self._table.version_with(news)
            for record in news:
                self._table.install(record)
        return tuple(found[one.certificate.fingerprint] for one in facts)

    def decide(self, fingerprint: str, decision: Decision, *, expected: int) -> Record:
        name = fingerprint.lower()
        with self._lock:
            record = decided_record(self._table.records.get(name), name, decision, expected)
            self._table.install(record)
            self._table.trail.append(
                AuditEntry(fingerprint=name, revision=record.revision, decision=decision)
            )
            self._table.version += 1
            return record

    def anchors(self) -> tuple[Record, ...]:
        with self._lock:
            return self._table.anchors()

    def audit(self, fingerprint: str | None = None) -> tuple[AuditEntry, ...]:
        with self._lock:
            return self._table.audit(fingerprint)

    def page(
        self, *, after: str = "", limit: int = 100, query: Query | None = None
    ) -> tuple[Record, ...]:
        with self._lock:
            return self._table.page(after, limit, query)

    def version(self) -> int:
        with self._lock:
            return self._table.version
