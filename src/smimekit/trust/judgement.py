"""What a judgement is: the records that judging gives. Knows no rules."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn, final

from smimekit.certificate import Certificate
from smimekit.frozen import maker
from smimekit.trust.paths import Path
from smimekit.trust.records import Decision, Purpose, Record
from smimekit.trust.status import Chain, Reason, Revocation, Status, Validity

__all__ = ["Flip", "Judgement", "Selection"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All that is known about a certificate for one purpose at one time, and what follows.

    It has no truth value: ask for `status`.
    """

    certificate: Certificate
    purpose: Purpose
    at: datetime
    status: Status
    validity: Validity
    chain: Chain
    revocation: Revocation
    decision: Decision | None
    reasons: tuple[Reason, ...]
    path: Path
    """The anchor first where the chain is anchored; else as far up as the search came."""
    revocation_at: datetime | None = None
    """As of when `revocation` is known: the date of the oldest evidence that it rests on. Of what
    is unknown: when it was last known to be good. None where there is no evidence."""

    def as_of(self, at: datetime) -> "Judgement":
        """The same for another time, at which it holds as well."""
        return _judgement(  # by hand: `dataclasses.replace` takes three times as long
            certificate=self.certificate,
            purpose=self.purpose,
            at=at,
            status=self.status,
            validity=self.validity,
            chain=self.chain,
            revocation=self.revocation,
            decision=self.decision,
            reasons=self.reasons,
            path=self.path,
            revocation_at=self.revocation_at,
        )

    def __bool__(self) -> NoReturn:
        raise TypeError("A judgement has no truth value; compare its status.")


_judgement: Final = maker(Judgement)


@final
@dataclass(frozen=True, slots=True)
class Selection:
    """The certificates of an address for a purpose: those to use, and why not the others."""

    usable: tuple[Certificate, ...]
    """Newest first: all devices of a person."""
    unusable: tuple[tuple[Certificate, Judgement], ...]
    """Newest first. One that is trusted all the same has a reason `selection.preference`."""
    records: tuple[Record, ...] = ()
    """Those of the usable ones: `encrypt` takes them, too, and what they announce."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A certificate whose status would change."""

    certificate: Certificate
    purpose: Purpose
    before: Judgement
    after: Judgement
