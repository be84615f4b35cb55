"""Of one address more certificates than a query answers: which of them are judged.

Knows records and pages. May not know judgements.

Anybody can make certificates for an address and have them harvested, so the last seen are not
the ones to keep. Those that somebody decided about come first, then those that say that a CA
issued them, then the others; of equals those that were known first. What remains: who floods a
store before the first mail of a person is seen, with certificates that name another issuer, or
with more than `_WALKED`, still hides that person's; a decision by hand ends that.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from smimekit.trust.records import ByAddress, Record
from smimekit.trust.store import FIND_LIMIT, TrustStore

__all__ = ["records_of_address"]

_PAGE: Final = 500
_WALKED: Final = 10_000
"""Records that are looked at, in order of fingerprint."""


def records_of_address(store: TrustStore, address: str) -> Sequence[Record]:
    """At most `FIND_LIMIT` records of an address, the likeliest to be its owner's."""
    query = ByAddress(address)
    answered = store.records(query)
    if len(answered) < FIND_LIMIT:
        return answered
    found = {one.fingerprint: one for one in (*answered, *_walk(store, query))}
    return sorted(found.values(), key=_rank)[:FIND_LIMIT]


def _walk(store: TrustStore, query: ByAddress) -> Iterator[Record]:
    after = ""
    for _ in range(_WALKED // _PAGE):
        page = store.page(after=after, limit=_PAGE, query=query)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].fingerprint


def _rank(record: Record) -> tuple[bool, bool, float, str]:
    own = record.certificate.issuer == record.certificate.subject
    return (record.decision is None, own, record.first_seen.timestamp(), record.fingerprint)
