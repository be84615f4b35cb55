"""One piece of revocation evidence: which there could be, fetched, and found worth keeping.

Knows where evidence is and who may sign it. May not know when to ask for it (`online` does),
nor what it says (`revocation` does).

Only what is signed by a CA of the path, or by whom it appointed, is kept, under a key with the
issuer's key in it: what one CA says displaces nothing of another's.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, final

from smimekit.certificate import Certificate
from smimekit.errors import FetchError
from smimekit.limits import Limits
from smimekit.trust.certvalidator import EVIDENCE_SKEW, refusals
from smimekit.trust.names import normal_name
from smimekit.trust.network.fetch import Budget, Fetcher, Post, plain_url
from smimekit.trust.paths import Path
from smimekit.trust.revocation.cache import CachedEvidence, EvidenceKind
from smimekit.trust.revocation.evidence import Evidence, evidence_for, load_evidence
from smimekit.trust.revocation.ocsp import OcspQuestion, ask_about
from smimekit.trust.revocation.pointers import (
    crl_points,
    delta_points,
    names_crl_issuer,
    ocsp_urls,
)
from smimekit.trust.status import Reason

__all__ = ["Job", "Piece", "Wanted", "read_piece", "together", "wanted_crls", "wanted_deltas",
           "wanted_ocsp"]  # fmt: skip

_MOST_DELTAS: Final = 4


@final
@dataclass(frozen=True, slots=True)
class Wanted:
    """One piece of evidence, and the URLs where it may be, one as good as the other."""

    key: str
    kind: EvidenceKind
    urls: tuple[str, ...]
    certificate: Certificate
    issuer: Certificate


def _key(*parts: bytes) -> str:
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(len(part).to_bytes(8, "big") + part)
    return hashed.hexdigest()


def wanted_ocsp(certificate: Certificate, issuer: Certificate) -> tuple[Wanted, ...]:
    """The OCSP response about a certificate, where it says who gives one."""
    urls = ocsp_urls(certificate)
    key = _key(b"ocsp", issuer.subject, issuer.spki, certificate.serial_bytes)
    return (Wanted(key, EvidenceKind.OCSP, urls, certificate, issuer),) if urls else ()


def _crl(urls: tuple[str, ...], certificate: Certificate, issuer: Certificate) -> Wanted:
    key = _key(b"crl", urls[0].encode(), issuer.spki)
    return Wanted(key, EvidenceKind.CRL, urls, certificate, issuer)


def wanted_crls(certificate: Certificate, issuer: Certificate) -> tuple[Wanted, ...]:
    """The CRLs that a certificate names."""
    return tuple(_crl(urls, certificate, issuer) for urls in crl_points(certificate))


def wanted_deltas(
    certificate: Certificate, issuer: Certificate, crls: Iterable["Piece"] = ()
) -> tuple[Wanted, ...]:
    """The delta CRLs that a certificate, or a CRL about it, names (RFC 5280, 5.2.6)."""
    named = [*delta_points(certificate)]
    for piece in crls:
        named += (urls for view, _ in piece.evidence.crls for urls in _freshest(view))
    return tuple(_crl(urls, certificate, issuer) for urls in dict.fromkeys(named))[:_MOST_DELTAS]


def _freshest(view: Any) -> Iterator[tuple[str, ...]]:
    from cryptography import x509  # noqa: PLC0415 - slow to import

    try:
        points = view.extensions.get_extension_for_class(x509.FreshestCRL).value
    except x509.ExtensionNotFound:
        return
    except refusals():
        return
    for point in points:
        names = point.full_name or ()
        urls = [one.value for one in names if isinstance(one, x509.UniformResourceIdentifier)]
        if urls:
            yield tuple(urls)


@final
@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of evidence, read."""

    kept: CachedEvidence
    evidence: Evidence


def together(pieces: Iterable[Piece]) -> Evidence:
    """The evidence of all pieces."""
    found = Evidence()
    for piece in pieces:
        found += piece.evidence
    return found


def _read(kind: EvidenceKind, data: bytes, limits: Limits) -> Evidence:
    if kind is EvidenceKind.CRL:
        return load_evidence([data], limits=limits)
    return load_evidence((), [data], limits=limits)


def read_piece(kept: CachedEvidence, limits: Limits) -> Piece | None:
    """What was kept, read again; None where it cannot be, as after damage."""
    evidence = _read(kept.kind, kept.der, limits)
    return None if evidence.empty else Piece(kept, evidence)


@final
class Job:
    """Everything that is fetched about one path, within one budget."""

    def __init__(
        self,
        fetcher: Fetcher,
        budget: Budget,
        path: Path,
        extra: Iterable[Certificate],
        *,
        limits: Limits,
        nonces: bool,
    ) -> None:
        self._fetcher = fetcher
        self._budget = budget
        self._path = path
        self._extra = tuple(extra)
        self._limits = limits
        self._nonces = nonces
        self.reasons: list[Reason] = []
        """Why something could not be had."""

    @property
    def seconds_left(self) -> float:
        """How long the job may still take."""
        try:
            return self._budget.left()
        except FetchError:
            return 0.0

    def get(self, wanted: Wanted, now: datetime) -> Piece | None:
        """A piece of evidence from the first URL that gives a good one."""
        for url in wanted.urls:
            try:
                return self._from(url, wanted, now)
            except FetchError as error:
                text = f"{plain_url(url)}: {error}"
                self.reasons.append(Reason("revocation.fetch", text))
        return None

    def _from(self, url: str, wanted: Wanted, now: datetime) -> Piece:
        question: OcspQuestion | None = None
        post: Post | None = None
        if wanted.kind is EvidenceKind.OCSP:
            question = ask_about(wanted.certificate, wanted.issuer, nonce=self._nonces)
            post = question.post
        data = self._budget.fetch(self._fetcher, url, post)
        evidence = _read(wanted.kind, data, self._limits)
        if evidence.empty:
            what = "CRL" if question is None else "OCSP response"
            raise FetchError(f"The answer is no usable {what}.", code="fetch.evidence")
        start, end = _dates(evidence, question)
        if start > now + EVIDENCE_SKEW:
            raise FetchError("The answer is from the future.", code="fetch.evidence")
        _require_scope(evidence, wanted)
        self._require_signed(evidence)
        kept = CachedEvidence(
            key=wanted.key,
            kind=wanted.kind,
            der=data,
            this_update=start,
            next_update=end,
            fetched_at=now,
        )
        return Piece(kept, evidence)

    def _require_signed(self, evidence: Evidence) -> None:
        try:
            verified = evidence_for(self._path, evidence, self._extra, limits=self._limits)
        except refusals():
            verified = None
        if verified is None or not (verified.crls or verified.ocsps):
            raise FetchError(
                "The answer is not signed by whoever may sign it.", code="fetch.evidence"
            )


def _require_scope(evidence: Evidence, wanted: Wanted) -> None:
    """Another CA of the path, which may sign as well, speaks for its own certificates only."""
    if names_crl_issuer(wanted.certificate):
        return
    issuer = normal_name(wanted.certificate.issuer)
    if any(normal_name(view.issuer.public_bytes()) != issuer for view, _ in evidence.crls):
        raise FetchError("The CRL is another CA's.", code="fetch.evidence")


def _dates(evidence: Evidence, question: OcspQuestion | None) -> tuple[datetime, datetime | None]:
    if question is not None:
        return question.check(evidence.ocsps[0][0])
    view, _ = evidence.crls[0]
    return view.last_update_utc, view.next_update_utc
