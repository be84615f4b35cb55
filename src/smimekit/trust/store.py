"""The trust store: the protocol that applications implement.

Knows records, not judgements: a store remembers, and never says who is trusted.

The contract of a `TrustStore`, which `smimekit.testing.check_trust_store` proves:

* `put_all` is all or nothing, idempotent and commutative: the same facts, in any order and any
  number, give the same records (to the day: see `smimekit.trust.stores.merging`). It never changes
  a decision, never deletes anything, and writes nothing where nothing is new.
* `decide` is atomic. It happens only if the record's revision is the expected one, and appends
  to the audit trail in the same step; else `StoreError` `store.conflict` and nothing happened.
* `version` is another number after every decision and every CA certificate that is new, made
  by whomever: judgements are cached under it.
* `records` answers with `FIND_LIMIT` records at most. Where more match, the rejected ones come
  first, then the others that somebody decided about, then the last seen: so that no flood hides
  a decision. What is beyond is not in the answer, and nothing is trusted for that: a CA's
  certificate that a flood of namesakes hides only leaves a chain incomplete, until somebody
  decides about it or a message brings it along. `page` goes through all that match.
* What a method returned was durable before it returned.
* A store may be used from several threads.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from smimekit.certificate import Certificate
from smimekit.trust.records import (
    AuditEntry,
    Capabilities,
    Decision,
    Preference,
    Query,
    Record,
    Sighting,
    Source,
)

__all__ = ["FIND_LIMIT", "CertificateSource", "TrustStore"]

FIND_LIMIT = 500
"""Records that one query returns at most: anybody can send any number of certificates that
carry one name, and an answer must stay cheap. See the contract for which of them."""


class CertificateSource(Protocol):
    """Knowledge without trust: a store, a directory, the DNS."""

    def find(self, query: Query) -> Iterable[Certificate]:
        """Certificates that answer the query; an empty answer is an answer."""
        ...


class TrustStore(CertificateSource, Protocol):
    """A certificate source that remembers; see the contract above.

    Seven methods are to be written; who derives a class from this one gets `find` and `put`.
    """

    def records(self, query: Query) -> Sequence[Record]:
        """At most `FIND_LIMIT` records that answer the query: rejected ones, others that were
        decided about, then the last seen.

        It may take time in proportion to all that match. Of the kinds of query only `ByIssuer`
        has many without anybody's ill will, and judging never asks it: `page` is for those.
        """
        ...

    def put_all(self, sightings: Iterable[Sighting], *, at: datetime) -> Sequence[Record]:
        """Remember what one message (or file) showed at `at`: all of it, or nothing.

        One record for each sighting, in their order, as it is now.
        """
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

    def page(
        self, *, after: str = "", limit: int = 100, query: Query | None = None
    ) -> Sequence[Record]:
        """Up to `limit` records in order of fingerprint, those greater than `after`.

        Of all records or, with `query`, of those that answer it: however many they are.
        """
        ...

    def version(self) -> int:
        """Another number after each decision, and after each CA certificate that is new.

        Asked before each judgement, so it has to be cheap.
        """
        ...

    # --- given ----------------------------------------------------------------------------

    def find(self, query: Query) -> Sequence[Certificate]:
        """The certificates of `records`."""
        return tuple(record.certificate for record in self.records(query))

    def put(
        self,
        certificate: Certificate,
        source: Source,
        *,
        at: datetime,
        capabilities: Capabilities | None = None,
        preference: Preference | None = None,
    ) -> Record:
        """Remember one certificate, seen at `at`; the record as it is now."""
        sighting = Sighting(
            certificate=certificate,
            source=source,
            capabilities=capabilities,
            preference=preference,
        )
        (record,) = self.put_all((sighting,), at=at)
        return record
