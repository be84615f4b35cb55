"""What facts and decisions make of a record: the rules that are the same for every store.

Knows records. May not know how a store keeps them.

Facts grow: each part of a record goes up to a maximum, so that their order and their number do
not matter. Sightings and capabilities are kept to the day (UTC): of a day the first sighting
stays, and what a signer says again on the same day is nothing new. So a known certificate in
the thousandth mail of a day leaves its record as it is, and a store writes nothing. Within one
day, and only there, the order may decide: where two programs of one person say different
things by turns and their mail arrives out of order, either word may stay.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Final, TypeVar

from smimekit.errors import StoreError, UsageError
from smimekit.trust.records import (
    Capabilities,
    Decision,
    Preference,
    Record,
    Sighting,
    Source,
    Verdict,
    is_authority,
    require_aware,
)
from smimekit.trust.stores.index import query_key

__all__ = [
    "SOURCES_KEPT",
    "answer_order",
    "conflict",
    "decided_record",
    "merge_all",
    "merge_record",
    "newer_said",
    "page_size",
    "unknown_certificate",
]

SOURCES_KEPT: Final = 20
"""Sources of one record, the newest: anybody's mail may show the certificate of a CA."""
_Said = TypeVar("_Said", Capabilities, Preference)


# --- facts ---------------------------------------------------------------------------------


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def _rank(moment: datetime) -> tuple[date, float]:
    """A later day is greater; of one day, the earlier moment."""
    return _day(moment), -moment.timestamp()


def _source_rank(source: Source) -> tuple[bool, tuple[date, float], str]:
    if source.at is None:
        return False, (date.min, 0.0), source.reference
    return True, _rank(source.at), source.reference


def _merge_sources(known: tuple[Source, ...], new: Source) -> tuple[Source, ...]:
    by_identity = {(one.kind, one.origin): one for one in known}
    old = by_identity.get((new.kind, new.origin))
    if old is None or _source_rank(new) > _source_rank(old):
        by_identity[new.kind, new.origin] = new
    newest = sorted(by_identity, key=lambda name: (_source_rank(by_identity[name]), name))
    return tuple(by_identity[name] for name in sorted(newest[-SOURCES_KEPT:]))


def _content(said: Capabilities | Preference) -> bytes:
    if isinstance(said, Capabilities):
        return said.der
    return query_key(said.certificate).encode()


def newer_said(known: _Said | None, new: _Said | None) -> _Said | None:
    """The newest signing time wins (RFC 8551, 2.7.1); the same again is new on another day."""
    if known is None or new is None:
        return known or new
    if _content(known) == _content(new):
        return max(known, new, key=lambda one: _rank(one.signed_at))
    return max(known, new, key=lambda one: (one.signed_at, _content(one)))


def merge_record(known: Record | None, sighting: Sighting, at: datetime) -> Record:
    """What a sighting at `at` (aware) makes of a record; equal to it where nothing is new."""
    require_aware(at, "at")
    if known is None:
        return Record(
            certificate=sighting.certificate,
            sources=(sighting.source,),
            first_seen=at,
            last_seen=at,
            capabilities=sighting.capabilities,
            preference=sighting.preference,
        )
    return replace(
        known,
        sources=_merge_sources(known.sources, sighting.source),
        first_seen=min(known.first_seen, at),
        last_seen=max(known.last_seen, at, key=_rank),
        capabilities=newer_said(known.capabilities, sighting.capabilities),
        preference=newer_said(known.preference, sighting.preference),
    )


def merge_all(
    known: Mapping[str, Record], sightings: Iterable[Sighting], at: datetime
) -> dict[str, Record]:
    """What `put_all` makes of the records that are known: those of all sightings, new or not."""
    require_aware(at, "at")
    found: dict[str, Record] = {}
    for one in sightings:
        name = one.certificate.fingerprint
        found[name] = merge_record(found.get(name, known.get(name)), one, at)
    return found


# --- decisions -----------------------------------------------------------------------------


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


def decided_record(
    record: Record | None, fingerprint: str, decision: Decision, expected: int
) -> Record:
    """What `decide` makes of a record; None stands for one that the store does not hold.

    `StoreError` (`store.unknown`, `store.conflict`); `UsageError` for an anchor that is no CA.
    """
    if record is None:
        raise unknown_certificate(fingerprint)
    if record.revision != expected:
        raise conflict(expected, record.revision)
    if decision.verdict is Verdict.ANCHOR and not is_authority(record.certificate):
        raise UsageError(
            "Only a CA certificate can be an anchor; trust this one itself.",
            code="usage.anchor-no-ca",
        )
    kept = None if decision.verdict is Verdict.NONE else decision
    return replace(record, decision=kept, revision=record.revision + 1)


# --- answers -------------------------------------------------------------------------------


def page_size(limit: int) -> int:
    """A page size within bounds; `UsageError` where it is not positive."""
    if limit < 1:
        raise UsageError("A page holds at least one record.", code="usage.page")
    return min(limit, 10_000)


def answer_order(record: Record) -> tuple[bool, bool, float, str]:
    """The order of an answer: rejected records, others that were decided about, the last seen."""
    return (
        not record.rejected,
        record.decision is None,
        -record.last_seen.timestamp(),
        record.certificate.fingerprint,
    )
