"""Judgements that were made already, and how long each of them holds.

Knows when an old answer is still the answer. May not know how one is found.

A judgement is the same again where certificate, purpose, what came along with it and the
evidence are the same, nothing was decided and no CA certificate has come in since (the store's
version says so), and between the two times nothing began or ended that it rests on.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias, final

from smimekit.certificate import Certificate
from smimekit.trust.certvalidator import PathParameters
from smimekit.trust.judgement import Judgement
from smimekit.trust.records import Purpose

__all__ = ["JudgementCache", "Kept", "Key", "Version", "Window", "key_for", "window_around"]

_BUCKET: Final = timedelta(hours=1)
"""The longest that a judgement holds, before and after its own time."""
_OVERHEAD: Final = 2_000
"""Octets of a judgement besides its certificates, about."""
_FEW: Final = 8
"""Fingerprints that are kept as they are."""

Version: TypeAlias = tuple[int, int]
"""Of the store, and of the evidence at hand."""
Key: TypeAlias = tuple[tuple[str, ...] | bytes, Purpose, PathParameters | None]
"""The fingerprints of the certificate and of what came along with it, where that is little: to
compare them takes a fraction of what a digest takes."""


@final
@dataclass(frozen=True, slots=True)
class Window:
    """The times between two others, neither included."""

    after: datetime
    before: datetime

    def holds(self, at: datetime) -> bool:
        """Whether a time is between them."""
        return self.after < at < self.before


def window_around(at: datetime, moments: Iterable[datetime]) -> Window | None:
    """The time around `at` in which none of the moments lies; None where `at` is one of them."""
    try:
        after, before = at - _BUCKET, at + _BUCKET
    except OverflowError:  # at the ends of the calendar
        return None
    for moment in moments:
        if moment == at:
            return None
        if moment < at:
            after = max(after, moment)
        else:
            before = min(before, moment)
    return Window(after, before)


def key_for(
    certificate: Certificate,
    purpose: Purpose,
    extra: Sequence[Certificate],
    evidence: Iterable[Sequence[bytes]],
    parameters: PathParameters | None,
) -> Key:
    """What a judgement is about, in a few octets, however much came along with it."""
    names = (certificate.fingerprint, *[one.fingerprint for one in extra])
    if len(names) <= _FEW and not any(evidence):
        return names, purpose, parameters
    hashed = hashlib.sha256("".join(names).encode())
    for group in evidence:
        hashed.update(b"\xff")
        for each in group:
            hashed.update(b"\x00%d:" % len(each))
            hashed.update(each)
    return hashed.digest(), purpose, parameters


@final
@dataclass(frozen=True, slots=True)
class Kept:
    """A judgement, the times for which it holds, and when it was made."""

    judgement: Judgement
    window: Window
    made_at: datetime


@final
class JudgementCache:
    """Judgements by key, for several threads. The oldest go when `size` octets are full."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._version: Version | None = None
        self._found: OrderedDict[Key, tuple[Kept, int]] = OrderedDict()
        self._used = 0

    def get(self, key: Key, version: Version, at: datetime, since: datetime) -> Judgement | None:
        """The judgement, as of `at`, made not before `since`; None where it has to be made."""
        with self._lock:
            if version != self._version:
                self._clear(version)
            found = self._found.get(key)
            if found is None:
                return None
            kept = found[0]
            if not kept.window.holds(at) or kept.made_at < since:
                return None
            self._found.move_to_end(key)
        return kept.judgement if kept.judgement.at == at else kept.judgement.as_of(at)

    def put(self, key: Key, version: Version, made: Kept) -> None:
        """Keep a judgement that was made while store and evidence had this version."""
        judgement = made.judgement
        weight = _OVERHEAD + sum(len(one.der) for one in judgement.path)
        # Afresh: the views that were parsed for judging are many times as large.
        path = tuple(Certificate(one.der) for one in judgement.path)
        kept = replace(made, judgement=replace(judgement, certificate=path[-1], path=path))
        with self._lock:
            if version != self._version or weight > self._size:
                return
            self._drop(key)
            self._found[key] = (kept, weight)
            self._used += weight
            while self._used > self._size:
                self._drop(next(iter(self._found)))

    def _drop(self, key: Key) -> None:
        _, weight = self._found.pop(key, (None, 0))
        self._used -= weight

    def _clear(self, version: Version) -> None:
        self._found.clear()
        self._used = 0
        self._version = version
