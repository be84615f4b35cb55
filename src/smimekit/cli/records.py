"""Records of a trust store: found by what people type, and told as JSON.

Knows stores and judgements. May not change anything.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from smimekit import Limits, StoreError, Trust, UsageError
from smimekit.cli.facts import certificate_facts, decision_facts, judgement_facts, time_text
from smimekit.cli.output import Json
from smimekit.cli.reports import certificate_title
from smimekit.message.capabilities import read_capabilities
from smimekit.trust import (
    MAIL_PURPOSES,
    ByAddress,
    ByFingerprint,
    Capabilities,
    Query,
    Record,
    Source,
    TrustStore,
)

__all__ = [
    "all_records",
    "find_one",
    "find_records",
    "is_file_name",
    "record_facts",
    "record_title",
]

_HEX: Final = re.compile(r"[0-9a-f]{8,64}")
_PAGE: Final = 100


def is_file_name(which: str) -> bool:
    """Is it neither a fingerprint nor an address?"""
    return "@" not in which and not _HEX.fullmatch(_digits(which))


def _digits(which: str) -> str:
    return which.replace(":", "").lower()


def all_records(store: TrustStore, query: Query | None = None, after: str = "") -> Iterator[Record]:
    """Every record, or those that answer a query, in order of fingerprint; a page at a time."""
    after = _digits(after)
    while page := store.page(after=after, limit=_PAGE, query=query):
        yield from page
        after = page[-1].certificate.fingerprint


def find_records(store: TrustStore, which: str) -> tuple[Record, ...]:
    """The records of an address, or the one whose fingerprint begins so. StoreError: none."""
    if is_file_name(which):
        raise UsageError(
            f"{which!r} is neither a mail address nor (the first 8 digits of) a fingerprint.",
            code="usage.which",
        )
    found = store.records(ByAddress(which)) if "@" in which else _prefixed(store, _digits(which))
    if not found:
        raise StoreError(f"The store holds no certificate for {which}.", code="store.unknown")
    return tuple(found)


def _prefixed(store: TrustStore, prefix: str) -> Iterable[Record]:
    if len(prefix) == 64:
        return store.records(ByFingerprint(prefix))
    # Whatever begins with the prefix is longer, and so stands right behind it.
    page = store.page(after=prefix, limit=2)
    return [each for each in page if each.certificate.fingerprint.startswith(prefix)]


def find_one(store: TrustStore, which: str) -> Record:
    """The one record that is meant; UsageError where it could be several.

    Anybody can send certificates for any address: a decision names one of them.
    """
    found = find_records(store, which)
    if len(found) > 1:
        listed = ", ".join(each.certificate.fingerprint[:16] for each in found)
        raise UsageError(
            f"There are several certificates for {which}: {listed}. Name one by its fingerprint.",
            code="usage.ambiguous",
        )
    return found[0]


def record_facts(record: Record, trust: Trust, at: datetime | None = None) -> Json:
    """A record, with what follows from it for both purposes."""
    judgements = {
        str(purpose): judgement_facts(trust.judge(record.certificate, purpose, at=at))
        for purpose in MAIL_PURPOSES
    }
    return {
        **certificate_facts(record.certificate),
        "status": {purpose: found["status"] for purpose, found in judgements.items()},
        "trust": judgements,
        "decision": None if record.decision is None else decision_facts(record.decision),
        "revision": record.revision,
        "first_seen": time_text(record.first_seen),
        "last_seen": time_text(record.last_seen),
        "sources": [_source(each) for each in record.sources],
        "capabilities": None if record.capabilities is None else _names(record.capabilities),
    }


def _source(source: Source) -> Json:
    return {
        "kind": source.kind,
        "origin": source.origin,
        "at": time_text(source.at),
        "reference": source.reference,
    }


def _names(capabilities: Capabilities) -> list[str]:
    return list(read_capabilities(capabilities.der, limits=Limits()).names)


def record_title(facts: Json) -> str:
    """A record in a few words."""
    return f"{certificate_title(facts)} ({facts['fingerprint'][:16]})"
