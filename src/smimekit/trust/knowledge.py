"""What is known when a certificate is judged: anchors, decisions, and certificates of issuers.

Knows what judging asks a store. May not know what follows from the answers.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, final

from smimekit import der
from smimekit.certificate import Certificate
from smimekit.trust.paths import Held
from smimekit.trust.records import (
    ByFingerprint,
    ByIssuerSerial,
    ByPublicKey,
    BySubject,
    Decision,
    Purpose,
    Query,
    Record,
    Verdict,
    public_key_fingerprint,
)

__all__ = ["Knowledge", "KnownRecords"]


class KnownRecords(Protocol):
    """As much of a trust store as judging needs."""

    def records(self, query: Query) -> Sequence[Record]:
        """As in `TrustStore`."""
        ...

    def anchors(self) -> Sequence[Record]:
        """As in `TrustStore`."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Knowledge:
    """A store, if there is one, and the anchors that the caller named."""

    store: KnownRecords | None
    named: tuple[Certificate, ...] = ()
    """The anchors of mail."""
    timestamping: tuple[Certificate, ...] = ()
    """The anchors of time-stamping authorities, which are no others'."""

    @property
    def empty(self) -> bool:
        """Whether nobody can be trusted by it."""
        return self.store is None and not (self.named or self.timestamping)

    def decision(self, certificate: Certificate) -> Decision | None:
        """What was decided about a certificate, or about a twin of it."""
        if self.store is None:
            return None
        for record in self.store.records(ByFingerprint(certificate.fingerprint)):
            if record.certificate == certificate and record.decision is not None:
                return record.decision
        return self._rejected_twin(self.store, certificate)

    def _rejected_twin(self, store: KnownRecords, certificate: Certificate) -> Decision | None:
        """The rejection of a certificate with the same content and other signature octets.

        Whoever has a certificate can make such twins: of an ECDSA signature (r, s), (r, -s) is
        one as well.
        """
        query = ByIssuerSerial(certificate.issuer, certificate.serial)
        for record in store.records(query):
            if record.rejected and _content(record.certificate) == _content(certificate):
                return record.decision
        return None

    def declared(self) -> tuple[Record, ...]:
        """The store's anchors, whatever they are for and until when."""
        found = () if self.store is None else self.store.anchors()
        return tuple(
            one
            for one in found
            if one.decision is not None and one.decision.verdict is Verdict.ANCHOR
        )

    def anchors(
        self, declared: Iterable[Record], purpose: Purpose, at: datetime
    ) -> tuple[Certificate, ...]:
        """The anchors for a purpose at a time: those named, and of those declared who holds."""
        named = self.timestamping if purpose is Purpose.TIMESTAMP else self.named
        return (*named, *_holding(declared, purpose, at))

    def issuers(self, subject: bytes) -> Held:
        """Certificates with this subject: the decided ones, and the rest, the oldest first.

        What was known before a flood of namesakes came in stays before it.
        """
        if self.store is None:
            return (), ()
        found = sorted(
            self.store.records(BySubject(subject)),
            key=lambda one: (one.first_seen, one.fingerprint),
        )
        decided = tuple(one.certificate for one in found if one.decision is not None)
        return decided, tuple(one.certificate for one in found if one.decision is None)

    def is_distrusted(self, issuer: Certificate) -> bool:
        """Whether a CA was rejected, under this or any other certificate for its key."""
        if self.store is None:
            return False
        same_key = self.store.records(ByPublicKey(public_key_fingerprint(issuer)))
        return any(one.rejected for one in same_key)


def _holding(declared: Iterable[Record], purpose: Purpose, at: datetime) -> Iterator[Certificate]:
    for record in declared:
        if record.decision is not None and record.decision.holds(purpose, at):
            yield record.certificate


def _content(certificate: Certificate) -> bytes:
    return der.Reader(certificate.der).enter(der.SEQUENCE).raw(der.SEQUENCE)
