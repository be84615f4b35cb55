"""What is at hand about one path: what the cache has, and what is fetched for it.

Knows which of two pieces stays. May not know when to ask, nor how anything is fetched.
"""

from collections.abc import Iterable
from typing import Final, final

from smimekit.errors import StoreError
from smimekit.limits import Limits
from smimekit.trust.revocation.cache import CachedEvidence, EvidenceCache
from smimekit.trust.revocation.contradictions import takes_back
from smimekit.trust.revocation.fetching import Piece, read_piece
from smimekit.trust.status import Reason

__all__ = ["Found"]

_ATTEMPTS: Final = 3
"""Times that a piece is put where others put another one of the same time."""


@final
class Found:
    """The pieces about one path, and why there are no more."""

    def __init__(self, cache: EvidenceCache, limits: Limits) -> None:
        self._cache = cache
        self._seen: dict[str, bytes] = {}
        """The octets that are in the cache, readable or not."""
        self.limits = limits
        self.pieces: dict[str, Piece] = {}
        self.reasons: list[Reason] = []

    def read(self, wanted: Iterable[str]) -> None:
        """Look into the cache for keys."""
        keys = list(dict.fromkeys(wanted))
        try:
            kept = self._cache.get(keys) if keys else ()
        except StoreError as error:
            self.reasons.append(Reason("revocation.cache", str(error)))
            return
        for one in kept:
            self._seen[one.key] = one.der
            piece = self._piece(one)
            if piece is not None:
                self.pieces[one.key] = piece

    def _piece(self, kept: CachedEvidence) -> Piece | None:
        known = self.pieces.get(kept.key)
        if known is not None and known.kept.der == kept.der:
            return Piece(kept, known.evidence)
        return read_piece(kept, self.limits)

    def look_again(self, key: str) -> bool:
        """Whether the cache has a newer piece now."""
        before = self.pieces.get(key)
        self.read([key])
        after = self.pieces.get(key)
        return after is not None and (before is None or before.kept != after.kept)

    def take(self, piece: Piece) -> None:
        """Keep what was fetched; what is older than what is at hand does not take its place.

        Nor does what is equally old, where a revocation would be lost: both are looked at then.
        At hand is also what another process has put into the cache meanwhile.
        """
        key = piece.kept.key
        for _ in range(_ATTEMPTS):
            known = self.pieces.get(key)
            if known is not None and known.kept.this_update > piece.kept.this_update:
                return
            if known is not None and _loses(known, piece):
                break
            if self._is_kept(piece):
                return
        beside = self.pieces[key]
        self.pieces[key] = Piece(beside.kept, beside.evidence + piece.evidence)

    def _is_kept(self, piece: Piece) -> bool:
        """Whether a piece is in the cache now; where another one is, that is at hand."""
        key = piece.kept.key
        self.pieces[key] = piece
        try:
            self._cache.put(piece.kept, instead_of=self._seen.get(key))
        except StoreError as error:
            self.reasons.append(Reason("revocation.cache", str(error)))
            return True
        self.read([key])
        return self._seen.get(key, piece.kept.der) == piece.kept.der


def _loses(known: Piece, piece: Piece) -> bool:
    """Whether evidence of the same time takes back what is at hand."""
    if known.kept.this_update != piece.kept.this_update or known.kept.der == piece.kept.der:
        return False
    return takes_back(known.evidence, piece.evidence)
