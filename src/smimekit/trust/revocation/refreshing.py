"""Evidence fetched ahead: before anybody waits for a judgement about what is in a store.

Knows stores and judgements. May not know how evidence is fetched.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import final

from smimekit.certificate import Certificate
from smimekit.limits import Limits
from smimekit.trust.judge import Trust
from smimekit.trust.paths import Path
from smimekit.trust.records import Purpose, Record
from smimekit.trust.revocation.online import OnlineEvidence
from smimekit.trust.status import Chain, Reason, RevocationPolicy
from smimekit.trust.store import TrustStore

__all__ = ["Refreshed", "refresh"]

_PAGE = 500


def _utc_now() -> datetime:
    return datetime.now(UTC)


@final
@dataclass(slots=True)
class Refreshed:
    """What a run did."""

    certificates: int = 0
    """Looked at: those below an anchor, in their time."""
    fetched: int = 0
    """CRLs and OCSP responses."""
    reasons: dict[Reason, None] = field(default_factory=dict)
    """Why others could not be had, each once."""


def refresh(
    store: TrustStore,
    evidence: OnlineEvidence,
    *,
    anchors: Iterable[Certificate] = (),
    ahead: timedelta = timedelta(hours=6),
    limits: Limits | None = None,
    clock: Callable[[], datetime] = _utc_now,
) -> Refreshed:
    """Fetch what will not be fresh `ahead` of now, for everybody in the store below an anchor.

    CRLs are fetched where certificates name some, since one is about many; OCSP responses for
    the rest. Raises StoreError from the store.
    """
    trust = Trust(store, anchors=anchors, revocation=RevocationPolicy.OFF, clock=clock)
    done: set[str] = set()
    found = Refreshed()
    until = clock() + ahead
    for path in _paths(store, trust, clock):
        found.certificates += 1
        keys = evidence.keys(path)
        if keys <= done:
            continue
        done |= keys
        renewed = evidence.renew(path, until=until, limits=limits or Limits())
        found.fetched += renewed.fetched
        found.reasons.update(dict.fromkeys(renewed.reasons))
    return found


def _paths(store: TrustStore, trust: Trust, clock: Callable[[], datetime]) -> Iterator[Path]:
    for record in _records(store):
        now, certificate = clock(), record.certificate
        if record.rejected or not certificate.not_before <= now <= certificate.not_after:
            continue
        for purpose in Purpose:
            judged = trust.judge(certificate, purpose, at=now)
            if judged.chain is Chain.ANCHORED:
                yield judged.path
                break


def _records(store: TrustStore) -> Iterator[Record]:
    after = ""
    while page := store.page(after=after, limit=_PAGE):
        yield from page
        after = page[-1].certificate.fingerprint
