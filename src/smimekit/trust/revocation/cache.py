"""Revocation evidence that was fetched before, and how fresh it is: the protocol, and memory.

Knows dates and keys. May not know what evidence says, nor how it is fetched. What is kept was
found to be signed by whoever may sign it, before it was put here.

The contract of an `EvidenceCache`:

* Of one key the piece with the newest `this_update` stays, whatever comes later: an old answer
  that somebody plays back does not displace a newer one. Of equally new ones the first stays,
  unless the other one has the same octets, or its caller names those that it stands in for:
  what somebody else put meanwhile, perhaps a revocation, is not displaced unseen.
* To compare and to put is one step, also where several processes share the cache.
* It may forget anything at any time; what is forgotten is fetched again.
* It may be used from several threads.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, final

from smimekit.trust.records import require_aware

__all__ = ["CachedEvidence", "EvidenceCache", "EvidenceKind", "MemoryEvidenceCache"]


class EvidenceKind(StrEnum):
    """What a piece of evidence is."""

    CRL = "crl"
    OCSP = "ocsp"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CachedEvidence:
    """One CRL or OCSP response, in DER, and when it was made, ends and was fetched."""

    key: str
    """What was asked for: hexadecimal digits of fixed length."""
    kind: EvidenceKind
    der: bytes
    this_update: datetime
    next_update: datetime | None
    fetched_at: datetime

    def __post_init__(self) -> None:
        require_aware(self.this_update, "CachedEvidence.this_update")
        require_aware(self.fetched_at, "CachedEvidence.fetched_at")
        if self.next_update is not None:
            require_aware(self.next_update, "CachedEvidence.next_update")

    def fresh(self, at: datetime) -> bool:
        """Whether nothing newer is due: nextUpdate is to come. Without one, it never is."""
        return self.next_update is not None and at < self.next_update


class EvidenceCache(Protocol):
    """Where evidence is kept; see the contract above."""

    def get(self, keys: Iterable[str]) -> Sequence[CachedEvidence]:
        """What is kept under these keys, in any order."""
        ...

    def put(self, evidence: CachedEvidence, *, instead_of: bytes | None = None) -> None:
        """Keep a piece, unless a newer one is kept under its key, or one as new.

        Of those that are as new it takes the place of itself, and of that with the octets
        `instead_of`.
        """
        ...

    def forget(self, before: datetime) -> int:
        """Forget what was fetched before a time; how many pieces that were."""
        ...


def _gives_way(known: CachedEvidence, other: CachedEvidence, instead_of: bytes | None) -> bool:
    if known.this_update != other.this_update:
        return known.this_update < other.this_update
    return known.der in {other.der, instead_of}


@final
class MemoryEvidenceCache:
    """An `EvidenceCache` in memory, of at most `size` octets: the oldest fetched go first."""

    def __init__(self, size: int = 64 << 20) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._kept: dict[str, CachedEvidence] = {}

    def get(self, keys: Iterable[str]) -> tuple[CachedEvidence, ...]:
        with self._lock:
            return tuple(self._kept[key] for key in keys if key in self._kept)

    def put(self, evidence: CachedEvidence, *, instead_of: bytes | None = None) -> None:
        with self._lock:
            known = self._kept.get(evidence.key)
            if known is not None and not _gives_way(known, evidence, instead_of):
                return
            self._kept.pop(evidence.key, None)  # so that the order is the one of fetching
            self._kept[evidence.key] = evidence
            used = sum(len(one.der) for one in self._kept.values())
            while used > self._size:
                oldest = next(iter(self._kept))
                used -= len(self._kept.pop(oldest).der)

    def forget(self, before: datetime) -> int:
        with self._lock:
            old = [key for key, one in self._kept.items() if one.fetched_at < before]
            for key in old:
                del self._kept[key]
            return len(old)
