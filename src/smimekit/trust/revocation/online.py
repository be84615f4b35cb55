"""Revocation evidence from a cache and, where a fetcher was handed over, from the network.

Knows when to ask, and when to ask again. May not know what evidence says (`revocation` does),
what a good answer is (`fetching` does), nor how a URL is fetched (the fetcher does).
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final, final

from smimekit.certificate import Certificate
from smimekit.limits import Limits
from smimekit.trust.network.fetch import Budget, Fetcher
from smimekit.trust.paths import Path
from smimekit.trust.revocation.cache import EvidenceCache, MemoryEvidenceCache
from smimekit.trust.revocation.fetching import (
    Job,
    Wanted,
    together,
    wanted_crls,
    wanted_deltas,
    wanted_ocsp,
)
from smimekit.trust.revocation.gather import EvidenceSource, Gathered
from smimekit.trust.revocation.pieces import Found
from smimekit.trust.status import Reason

__all__ = ["FetchRules", "OnlineEvidence", "Renewed"]

_REMEMBERED: Final = 10_000
"""Questions that are remembered, so as not to ask them again at once."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRules:
    """How much may be asked of the network, and how often."""

    seconds: float = 10.0
    """For everything that one judgement fetches."""
    requests: int = 8
    """For one judgement; real paths need one or two."""
    renew_after: timedelta = timedelta(days=1)
    """What was fetched so long ago is asked for again, even if its nextUpdate is to come."""
    retry_after: timedelta = timedelta(minutes=5)
    """Nothing is asked for again before so long, whether it could be had or not."""
    nonces: bool = False
    """OCSP responses have to repeat a number of ours (RFC 9654). Many responders do not."""


@final
@dataclass(frozen=True, slots=True)
class Renewed:
    """What a renewal did: how many pieces were fetched, and why others were not."""

    fetched: int
    reasons: tuple[Reason, ...]


@final
class OnlineEvidence:
    """An `EvidenceSource`: what is in the cache, and what the fetcher gives.

    Without a fetcher the network is never touched. The cache is in memory unless another is
    given. Judging never fails by this: what goes wrong here is a reason of the judgement.
    """

    def __init__(
        self,
        fetcher: Fetcher | None = None,
        *,
        cache: EvidenceCache | None = None,
        rules: FetchRules | None = None,
        clock: Callable[[], datetime] = _utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetcher = fetcher
        self.cache: Final = MemoryEvidenceCache() if cache is None else cache
        self.rules: Final = rules or FetchRules()
        self._clock = clock
        self._monotonic = monotonic
        self._asked = _Asked(self.rules.retry_after.total_seconds(), monotonic)

    def version(self) -> int:
        return self._asked.answers

    @property
    def ask_again(self) -> timedelta:
        return self.rules.retry_after

    def known(self, path: Path, *, limits: Limits) -> Gathered:
        found = self._at_hand(path, limits)
        now = self._clock()
        due = any(
            self._touched(one, found) and not self._settled(one, found, now) for one in _links(path)
        )
        return Gathered(together(found.pieces.values()), due, reasons=tuple(found.reasons))

    def fetch(self, path: Path, *, extra: Iterable[Certificate], limits: Limits) -> Gathered:
        return self.bounded().fetch(path, extra=extra, limits=limits)

    def bounded(self) -> "EvidenceSource":
        return _OneJudgement(self)

    def fetch_within(
        self, budget: Budget, path: Path, *, extra: Iterable[Certificate], limits: Limits
    ) -> Gathered:
        """As `fetch`, with what is left of a budget."""
        found = self._at_hand(path, limits)
        fetched, reasons = self._update(path, found, extra, self._clock(), budget)
        evidence = together(found.pieces.values())
        return Gathered(evidence, changed=fetched > 0, reasons=reasons)

    def keys(self, path: Path) -> frozenset[str]:
        """What `renew` would ask for: the same for certificates with the same CRLs."""
        return frozenset(wanted.key for link in _links(path) for wanted in link.crls or link.ocsp)

    def renew(
        self, path: Path, *, until: datetime, extra: Iterable[Certificate] = (), limits: Limits
    ) -> Renewed:
        """Fetch what will not be fresh until a time, before anybody waits for an answer.

        CRLs first: they are about many certificates.
        """
        found = self._at_hand(path, limits)
        budget = self.budget(limits)
        fetched, reasons = self._update(path, found, extra, until, budget, crls_first=True)
        return Renewed(fetched, reasons)

    # --- the work -------------------------------------------------------------------------

    def _at_hand(self, path: Path, limits: Limits) -> Found:
        """What the cache has about a path."""
        found, links = Found(self.cache, limits), _links(path)
        found.read(one.key for link in links for one in (*link.ocsp, *link.crls))
        found.read(one.key for link in links for one in link.deltas(found))
        return found

    def _touched(self, link: "_Link", found: Found) -> bool:
        """Whether anything is kept about a certificate: else there is nothing to renew."""
        return any(one.key in found.pieces for one in (*link.ocsp, *link.crls))

    def _settled(self, link: "_Link", found: Found, until: datetime) -> bool:
        """Whether what is kept about a certificate will do until a time."""
        groups = [group for group in (link.ocsp, link.crls) if group]
        return not groups or any(not self._stale(group, found, until) for group in groups)

    def _stale(self, group: Iterable[Wanted], found: Found, until: datetime) -> list[Wanted]:
        """Those that are missing, or end before a time, or were fetched long ago."""
        oldest = self._clock() - self.rules.renew_after
        kept = [(one, found.pieces.get(one.key)) for one in group]
        return [
            one
            for one, piece in kept
            if piece is None or not piece.kept.fresh(until) or piece.kept.fetched_at <= oldest
        ]

    def _update(
        self,
        path: Path,
        found: Found,
        extra: Iterable[Certificate],
        until: datetime,
        budget: Budget,
        *,
        crls_first: bool = False,
    ) -> tuple[int, tuple[Reason, ...]]:
        if self._fetcher is None:
            return 0, tuple(found.reasons)
        job = Job(
            self._fetcher,
            budget,
            path,
            extra,
            limits=found.limits,
            nonces=self.rules.nonces,
        )
        fetched = 0
        for link in _links(path):
            if not self._settled(link, found, until):
                groups = (link.crls, link.ocsp) if crls_first else (link.ocsp, link.crls)
                fetched += self._first_good(groups, found, job)
            fetched += self._all(self._stale(link.deltas(found), found, until), found, job)
        return fetched, (*found.reasons, *job.reasons)

    def budget(self, limits: Limits) -> Budget:
        """What one judgement may spend, beginning now."""
        return Budget(
            seconds=self.rules.seconds,
            requests=self.rules.requests,
            most_bytes=limits.evidence_bytes,
            monotonic=self._monotonic,
        )

    def _first_good(self, groups: Iterable[Sequence[Wanted]], found: Found, job: Job) -> int:
        """The first kind of evidence that can be had in full; how many pieces were fetched."""
        fetched = 0
        for group in groups:
            got = self._all(group, found, job)
            fetched += got
            if group and got == len(group):
                break
        return fetched

    def _all(self, group: Iterable[Wanted], found: Found, job: Job) -> int:
        return sum(self._one(wanted, found, job) for wanted in group)

    def _one(self, wanted: Wanted, found: Found, job: Job) -> bool:
        """Whether a piece is there that was not before, by us or by another thread."""
        if not self._asked.begin(wanted.key, job.seconds_left):
            return found.look_again(wanted.key)
        try:
            piece = job.get(wanted, self._clock())
            if piece is not None:
                found.take(piece)
                self._asked.answered()
        finally:
            self._asked.end(wanted.key)
        return piece is not None


@final
class _OneJudgement:
    """A source whose budget is that of one judgement, from when it first fetches."""

    def __init__(self, source: OnlineEvidence) -> None:
        self._source = source
        self._budget: Budget | None = None

    def known(self, path: Path, *, limits: Limits) -> Gathered:
        return self._source.known(path, limits=limits)

    def fetch(self, path: Path, *, extra: Iterable[Certificate], limits: Limits) -> Gathered:
        if self._budget is None:
            self._budget = self._source.budget(limits)
        return self._source.fetch_within(self._budget, path, extra=extra, limits=limits)

    def bounded(self) -> "_OneJudgement":
        return self

    def version(self) -> int:
        return self._source.version()

    @property
    def ask_again(self) -> timedelta:
        return self._source.ask_again


@final
class _Link:
    """A certificate of a path, and what could be had about it."""

    def __init__(self, certificate: Certificate, issuer: Certificate) -> None:
        self.certificate = certificate
        self.issuer = issuer
        self.ocsp = wanted_ocsp(certificate, issuer)
        self.crls = wanted_crls(certificate, issuer)

    def deltas(self, found: Found) -> tuple[Wanted, ...]:
        """The delta CRLs, once the CRLs are there."""
        crls = [found.pieces[one.key] for one in self.crls if one.key in found.pieces]
        return wanted_deltas(self.certificate, self.issuer, crls) if crls else ()


def _links(path: Path) -> list[_Link]:
    """From the certificate in question upwards: it is the likeliest to be revoked."""
    return [_Link(one, issuer) for issuer, one in reversed(list(pairwise(path)))]


@final
class _Asked:
    """What was asked for lately, for several threads, and how many answers there were."""

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._times: OrderedDict[str, float] = OrderedDict()
        self._running: set[str] = set()
        self.answers = 0

    def begin(self, key: str, seconds: float) -> bool:
        """Whether to ask; then `end` has to follow. Not if it was asked for lately.

        Where another thread is asking for the same, it waits for that, for so many seconds.
        """
        with self._changed:
            self._changed.wait_for(lambda: key not in self._running, seconds)
            now, before = self._monotonic(), self._times.get(key)
            if key in self._running or (before is not None and now - before < self._seconds):
                return False
            self._times[key] = now
            self._times.move_to_end(key)
            self._running.add(key)
            while len(self._times) > _REMEMBERED:
                self._times.popitem(last=False)
            return True

    def end(self, key: str) -> None:
        """The answer is there, or none will come."""
        with self._changed:
            self._running.discard(key)
            self._changed.notify_all()

    def answered(self) -> None:
        """Count an answer."""
        with self._changed:
            self.answers += 1
