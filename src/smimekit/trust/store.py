"""The trust store: the protocol that applications implement, and one that lives in memory.

Knows records, not judgements: a store remembers, and never says who is trusted.

The contract of a `TrustStore`, which `smimekit.testing.check_trust_store` proves:

* `put` is idempotent and commutative: the same facts, in any order and any number, give the
  same record. It never changes a decision and never deletes anything.
* `decide` is atomic. It happens only if the record's revision is the expected one, and appends
  to the audit trail in the same step; else `StoreError` `store.conflict` and nothing happened.
* What a method returned was durable before it returned.
* A store may be used from several threads.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from smimekit.certificate import Certificate
from smimekit.errors import StoreError, UsageError
from smimekit.trust.index import index_keys, query_key
from smimekit.trust.records import (
    AuditEntry,
    ByAddress,
    ByFingerprint,
    ByIssuerSerial,
    ByKeyId,
    ByPublicKey,
    BySubject,
    Capabilities,
    Decision,
    Purpose,
    Query,
    Record,
    Source,
    Verdict,
    normal_address,
    require_aware,
)

__all__ = [
    "FIND_LIMIT",
    "AuditEntry",
    "ByAddress",
    "ByFingerprint",
    "ByIssuerSerial",
    "ByKeyId",
    "ByPublicKey",
    "BySubject",
    "Capabilities",
    "CertificateSource",
    "Decision",
    "MemoryTrustStore",
    "Purpose",
    "Query",
    "Record",
    "Source",
    "TrustStore",
    "Verdict",
    "answer_order",
    "conflict",
    "decided_record",
    "merge_record",
    "newer_capabilities",
    "normal_address",
    "page_size",
    "unknown_certificate",
]

FIND_LIMIT = 500
"""Records that one query returns at most: anybody can send any number of certificates that
carry one name, and an answer must stay cheap. Decided records come first, then the last seen."""


class CertificateSource(Protocol):
    """Knowledge without trust: a store, a directory, the DNS."""

    def find(self, query: Query) -> Iterable[Certificate]:
        """Certificates that answer the query; an empty answer is an answer."""
        ...


class TrustStore(CertificateSource, Protocol):
    """A certificate source that remembers; see the contract above."""

    def records(self, query: Query) -> Sequence[Record]:
        """At most `FIND_LIMIT` records that answer the query, decided ones first."""
        ...

    def put(
        self,
        certificate: Certificate,
        source: Source,
        *,
        at: datetime,
        capabilities: Capabilities | None = None,
    ) -> Record:
        """Remember that the certificate was seen at `at`; the record as it is now."""
        ...

    def decide(self, fingerprint: str, decision: Decision, *, expected: int) -> Record:
        """Decide, if the record's revision is `expected`; the record as it is now.

        `Verdict.NONE` withdraws. Raises `StoreError` (`store.unknown`, `store.conflict`).
        """
        ...

    def anchors(self) -> Sequence[Record]:
        """All records with `Verdict.ANCHOR`, whether their time is over or not."""
        ...

    def audit(self, fingerprint: str | None = None) -> Sequence[AuditEntry]:
        """Decisions in the order they were made: about one certificate, or all."""
        ...

    def page(self, *, after: str = "", limit: int = 100) -> Sequence[Record]:
        """Up to `limit` records in order of fingerprint, those greater than `after`."""
        ...


def conflict(expected: int, found: int) -> StoreError:
    """The error of a decision that was made on an old record."""
    return StoreError(
        f"Somebody else decided about this certificate meanwhile (revision {found}, "
        f"not {expected}); look at it again, then decide.",
        code="store.conflict",
    )


def unknown_certificate(fingerprint: str) -> StoreError:
    """The error of a decision about a certificate that was never put."""
    return StoreError(
        f"The store does not hold a certificate {fingerprint[:64]}; put it first.",
        code="store.unknown",
    )


def page_size(limit: int) -> int:
    """A page size within bounds; `UsageError` where it is not positive."""
    if limit < 1:
        raise UsageError("A page holds at least one record.", code="usage.page")
    return min(limit, 10_000)


def _source_rank(source: Source) -> tuple[bool, float, str]:
    return (source.at is not None, source.at.timestamp() if source.at else 0.0, source.reference)


def _merge_sources(known: tuple[Source, ...], new: Source) -> tuple[Source, ...]:
    by_identity = {(one.kind, one.origin): one for one in known}
    old = by_identity.get((new.kind, new.origin))
    if old is None or _source_rank(new) > _source_rank(old):
        by_identity[new.kind, new.origin] = new
    return tuple(by_identity[key] for key in sorted(by_identity))


def newer_capabilities(known: Capabilities | None, new: Capabilities | None) -> Capabilities | None:
    """The newest signing time wins (RFC 8551, 2.7.1); of equal times, the greater DER."""
    if known is None or new is None:
        return known or new
    return max(known, new, key=lambda one: (one.signed_at, one.der))


def merge_record(
    known: Record | None,
    certificate: Certificate,
    source: Source,
    at: datetime,
    capabilities: Capabilities | None,
) -> Record:
    """What `put` makes of a record: every part grows to a maximum, so order does not matter."""
    require_aware(at, "at")
    if known is None:
        return Record(
            certificate=certificate,
            sources=(source,),
            first_seen=at,
            last_seen=at,
            capabilities=capabilities,
        )
    return replace(
        known,
        sources=_merge_sources(known.sources, source),
        first_seen=min(known.first_seen, at),
        last_seen=max(known.last_seen, at),
        capabilities=newer_capabilities(known.capabilities, capabilities),
    )


def decided_record(record: Record, decision: Decision) -> Record:
    """What `decide` makes of a record. `UsageError` for an anchor that is no CA."""
    if decision.verdict is Verdict.ANCHOR and not record.certificate.is_ca:
        raise UsageError(
            "Only a CA certificate can be an anchor; trust this one itself.",
            code="usage.anchor-no-ca",
        )
    kept = None if decision.verdict is Verdict.NONE else decision
    return replace(record, decision=kept, revision=record.revision + 1)


def answer_order(record: Record) -> tuple[bool, float, str]:
    """The order of an answer: decided records first, then the last seen."""
    return (
        record.decision is None,
        -record.last_seen.timestamp(),
        record.certificate.fingerprint,
    )


class MemoryTrustStore:
    """A `TrustStore` in memory: for tests, for one run, for a few thousand certificates."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._records: dict[str, Record] = {}
        self._index: dict[str, set[str]] = {}
        self._audit: list[AuditEntry] = []

    def find(self, query: Query) -> tuple[Certificate, ...]:
        return tuple(record.certificate for record in self.records(query))

    def records(self, query: Query) -> tuple[Record, ...]:
        with self._lock:
            if isinstance(query, ByFingerprint):
                keys: Iterable[str] = (query.fingerprint.lower(),)
            else:
                keys = self._index.get(query_key(query), ())
            found = [self._records[key] for key in keys if key in self._records]
        return tuple(sorted(found, key=answer_order)[:FIND_LIMIT])

    def put(
        self,
        certificate: Certificate,
        source: Source,
        *,
        at: datetime,
        capabilities: Capabilities | None = None,
    ) -> Record:
        with self._lock:
            known = self._records.get(certificate.fingerprint)
            record = merge_record(known, certificate, source, at, capabilities)
            self._records[certificate.fingerprint] = record
            if known is None:
                for key in index_keys(certificate):
                    self._index.setdefault(key, set()).add(certificate.fingerprint)
            return record

    def decide(self, fingerprint: str, decision: Decision, *, expected: int) -> Record:
        with self._lock:
            known = self._records.get(fingerprint.lower())
            if known is None:
                raise unknown_certificate(fingerprint)
            if known.revision != expected:
                raise conflict(expected, known.revision)
            record = decided_record(known, decision)
            self._records[fingerprint.lower()] = record
            self._audit.append(
                AuditEntry(
                    fingerprint=fingerprint.lower(), revision=record.revision, decision=decision
                )
            )
            return record

    def anchors(self) -> tuple[Record, ...]:
        with self._lock:
            return tuple(one for _, one in sorted(self._records.items()) if one.anchor)

    def audit(self, fingerprint: str | None = None) -> tuple[AuditEntry, ...]:
        wanted = None if fingerprint is None else fingerprint.lower()
        with self._lock:
            return tuple(one for one in self._audit if wanted in {None, one.fingerprint})

    def page(self, *, after: str = "", limit: int = 100) -> tuple[Record, ...]:
        size = page_size(limit)
        with self._lock:
            keys = sorted(key for key in self._records if key > after.lower())
            return tuple(self._records[key] for key in keys[:size])
