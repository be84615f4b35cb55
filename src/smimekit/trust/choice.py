"""Of several valid paths to anchors, the one that counts.

Knows what is known about the revocation of each. May not know how paths are found, validated or
asked about.

Where CAs have certified each other, a certificate has several paths, and anybody may send along
this one or that. RFC 5280, 6.1 judges a path: one that holds is enough. So of all paths the one
counts about which the best is known, whichever was met first. Two things are no matter of a path:

* whoever is revoked is so on every path: the path only leads to who may say so;
* a key that somebody else may have is nobody's proof under any certificate (RFC 5280, 5.3.1:
  keyCompromise, cACompromise). That the certificate of a CA was superseded says nothing about
  another one for its key.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, final

from smimekit.certificate import Certificate
from smimekit.trust.paths import Path
from smimekit.trust.revocation.answers import Known
from smimekit.trust.status import Revocation

__all__ = ["Asked", "all_moments", "choose"]

_RANK: Final = {
    Revocation.NOT_CHECKED: 0,
    Revocation.GOOD: 0,
    Revocation.UNKNOWN: 1,
    Revocation.REVOKED: 2,
}


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """A valid path, what is known about it, and when another answer may begin (None: any time)."""

    path: Path
    known: Known
    moments: tuple[datetime, ...] | None


def choose(asked: Sequence[Asked]) -> Asked:
    """The path that counts, of at least one; of equal ones the first."""
    gone = frozenset(_keys_gone(asked))
    alive = [one for one in asked if not _leads_over(gone, one.path)]
    if alive:
        return min(alive, key=lambda one: _RANK[one.known.revocation])
    return next(one for one in asked if one.known.revocation is Revocation.REVOKED)


def _keys_gone(asked: Sequence[Asked]) -> Iterator[bytes]:
    """The keys that no path may lead over (SubjectPublicKeyInfo)."""
    for one in asked:
        revoked: Certificate | None = one.known.revoked
        if revoked is not None and (one.known.compromised or revoked == one.path[-1]):
            yield revoked.spki


def _leads_over(gone: frozenset[bytes], path: Path) -> bool:
    # The anchor is believed because somebody said so, not because of what others say of it.
    return any(one.spki in gone for one in path[1:])


def all_moments(asked: Sequence[Asked]) -> tuple[datetime, ...] | None:
    """When the choice may begin to be another one; None where that cannot be told."""
    found: list[datetime] = []
    for one in asked:
        if one.moments is None:
            return None
        found += one.moments
    return tuple(dict.fromkeys(found))
