"""What a decision would change, before anybody makes it.

Knows which certificates of a store may be concerned, and a store as it would be. May not know
how a certificate is judged.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, final

from smimekit.certificate import Certificate
from smimekit.trust.names import normal_name
from smimekit.trust.records import (
    ByFingerprint,
    ByIssuer,
    ByPublicKey,
    Decision,
    Query,
    Record,
    Sighting,
    Source,
    is_authority,
    public_key_fingerprint,
)
from smimekit.trust.store import FIND_LIMIT, TrustStore
from smimekit.trust.stores.index import index_keys, query_key
from smimekit.trust.stores.merging import answer_order, decided_record, merge_record

__all__ = ["Supposed", "below"]

_PAGE: Final = 200


@final
class Supposed:
    """What a store would know, had somebody decided this about these certificates."""

    def __init__(
        self,
        store: TrustStore | None,
        certificates: Iterable[Certificate],
        decision: Decision,
        at: datetime,
    ) -> None:
        self._store = store
        self._decided: dict[str, Record] = {}
        for one in certificates:
            known = self._known(ByFingerprint(one.fingerprint))
            sighting = Sighting(certificate=one, source=Source("preview"))
            record = known[0] if known else merge_record(None, sighting, at)
            self._decided[one.fingerprint] = decided_record(
                record, one.fingerprint, decision, record.revision
            )

    def _known(self, query: Query) -> Sequence[Record]:
        return () if self._store is None else self._store.records(query)

    def records(self, query: Query) -> Sequence[Record]:
        """The store's answer, with the decisions."""
        others = [one for one in self._known(query) if one.fingerprint not in self._decided]
        mine = [one for one in self._decided.values() if _answers(one, query)]
        return heapq.nsmallest(FIND_LIMIT, (*others, *mine), key=answer_order)

    def anchors(self) -> Sequence[Record]:
        """The store's anchors, with the decisions."""
        known = () if self._store is None else self._store.anchors()
        others = [one for one in known if one.fingerprint not in self._decided]
        return [*others, *(one for one in self._decided.values() if one.anchor)]


def _answers(record: Record, query: Query) -> bool:
    if isinstance(query, ByFingerprint):
        return record.fingerprint == query.fingerprint.lower()
    return query_key(query) in index_keys(record.certificate)


def below(store: TrustStore | None, certificates: Iterable[Certificate]) -> Iterator[Certificate]:
    """The certificates, and all in the store that they or others for their keys may have issued.

    By name, level after level: each once, whatever names whom.
    """
    waiting = list(certificates)
    seen: set[Certificate] = set()
    names: set[bytes] = set()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        yield one
        if store is None or not is_authority(one):
            continue
        waiting += store.find(ByPublicKey(public_key_fingerprint(one)))
        name = normal_name(one.subject)
        if name not in names:
            names.add(name)
            yield from _leaves(store, one, seen, waiting)


def _leaves(
    store: TrustStore, issuer: Certificate, seen: set[Certificate], waiting: list[Certificate]
) -> Iterator[Certificate]:
    """What bears the issuer's name and issues nothing; what may issue is left waiting."""
    query, after = ByIssuer(issuer.subject), ""
    while page := store.page(after=after, limit=_PAGE, query=query):
        for record in page:
            if is_authority(record.certificate):
                waiting.append(record.certificate)
            elif record.certificate not in seen:
                seen.add(record.certificate)
                yield record.certificate
        after = page[-1].fingerprint
