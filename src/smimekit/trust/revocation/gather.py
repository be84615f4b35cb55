"""Revocation, with more evidence than what came along: the protocol, and in which order.

Knows when to look where. May not know how anything is fetched or kept (`online` does).

First what came with the message and what is at hand, together: a good word that the sender
sent along does not hide a revocation that we know of. Ours goes first: whoever stuffs a message
uses up what may be looked at, and that must not be at the cost of what we know. The network is
asked only where that is not enough, and only about certificates below an anchor: who puts a URL
into a certificate of their own making does not learn that, or when, the mail was read.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol, final

from smimekit.certificate import Certificate
from smimekit.limits import Limits
from smimekit.trust.certvalidator import Request
from smimekit.trust.paths import Path
from smimekit.trust.revocation.answers import Known, path_revocation
from smimekit.trust.revocation.evidence import Evidence
from smimekit.trust.status import Reason, Revocation

__all__ = ["AtHand", "EvidenceSource", "Gathered", "known_revocation"]


@final
@dataclass(frozen=True, slots=True)
class Gathered:
    """What a source has about a path.

    `due`: some of it is old enough to be asked for again, though it still counts. `changed`:
    something in it has just been fetched.
    """

    evidence: Evidence = field(default_factory=Evidence)
    due: bool = False
    changed: bool = False
    reasons: tuple[Reason, ...] = ()
    """Why there is no more."""


class EvidenceSource(Protocol):
    """Where more evidence about the certificates of a path comes from; they never raise."""

    def known(self, path: Path, *, limits: Limits) -> Gathered:
        """What is at hand, without the network. The anchor is the first of the path."""
        ...

    def fetch(self, path: Path, *, extra: Iterable[Certificate], limits: Limits) -> Gathered:
        """All that there is, after the network was asked for what is missing or due.

        `extra`: certificates that may have signed evidence.
        """
        ...

    def bounded(self) -> "EvidenceSource":
        """The same source for one judgement: whatever bounds there are on what is fetched, they
        are on all that is fetched through it, about however many paths.
        """
        ...

    def version(self) -> int:
        """Another number, when something has come in that may change an answer."""
        ...

    @property
    def ask_again(self) -> timedelta:
        """How long after an answer it is worth to ask again."""
        ...


@final
@dataclass(frozen=True, slots=True)
class AtHand:
    """A source as far as it needs no network."""

    source: EvidenceSource

    def known(self, path: Path, *, limits: Limits) -> Gathered:
        """As the source has it."""
        return self.source.known(path, limits=limits)

    def fetch(self, path: Path, *, extra: Iterable[Certificate], limits: Limits) -> Gathered:
        """Nothing more."""
        del extra
        return self.known(path, limits=limits)

    def bounded(self) -> "AtHand":
        """Itself: nothing is fetched."""
        return self

    def version(self) -> int:
        """As the source has it."""
        return self.source.version()

    @property
    def ask_again(self) -> timedelta:
        """As the source has it."""
        return self.source.ask_again


def known_revocation(
    path: Path,
    request: Request,
    evidence: Evidence,
    *,
    source: EvidenceSource | None,
    extra: tuple[Certificate, ...] = (),
    limits: Limits,
    anchored: bool = True,
) -> tuple[Known, Evidence]:
    """What is known about a path: by `evidence`, by what the source has, by what it fetches.

    With all the evidence that was looked at.
    """
    at_hand = Gathered() if source is None else source.known(path, limits=limits)
    everything = at_hand.evidence + evidence
    found = path_revocation(
        path, request, everything, extra=extra, limits=limits, anchored=anchored
    )
    if source is None or not anchored or len(path) == 1 or _enough(found, due=at_hand.due):
        return found, everything
    fetched = source.fetch(path, extra=extra, limits=limits)
    if fetched.changed:
        everything = fetched.evidence + evidence
        found = path_revocation(path, request, everything, extra=extra, limits=limits)
    missing = found.revocation is Revocation.UNKNOWN
    return replace(found, reasons=fetched.reasons if missing else ()), everything


def _enough(found: Known, *, due: bool) -> bool:
    """What is old is asked for again even of what is revoked: a hold may be over."""
    return found.revocation is not Revocation.UNKNOWN and not due
