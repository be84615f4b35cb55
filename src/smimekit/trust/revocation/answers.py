"""What CRLs and OCSP responses say about the certificates of a path.

Knows RFC 5280, 6.3 and RFC 6960 through certvalidator. May not know the network, stores or
decisions.

That a certificate is good counts only when the evidence is fresh and its signers are good by
fresh evidence too; that it is revoked counts from anybody who is entitled to say so, whatever
the date of the evidence. Each certificate is asked about by itself, so that nothing missing
about one hides another's revocation.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias, final

from smimekit.certificate import Certificate
from smimekit.limits import Limits
from smimekit.trust.certvalidator import Request, Setting, finish, refusals, setting_for
from smimekit.trust.paths import Path
from smimekit.trust.revocation.contradictions import words_that_count
from smimekit.trust.revocation.evidence import (
    Evidence,
    evidence_for,
    may_response_say_good,
    may_say_good,
)
from smimekit.trust.revocation.listed import is_outdated, listed
from smimekit.trust.status import Reason, Revocation

__all__ = ["Known", "path_revocation"]

_DAWN: Final = datetime.min.replace(tzinfo=UTC)
_COMPROMISED: Final = frozenset({"key_compromise", "ca_compromise"})
"""Reasons that are about the key (RFC 5280, 5.3.1), and so about every certificate for it."""


@final
@dataclass(frozen=True, slots=True)
class Known:
    """What is known about revocation, and as of when: the date of the oldest evidence needed.

    Of what is unknown, `at` says how old the knowledge is that is no longer fresh: there are
    good words about the whole path as of then.
    """

    revocation: Revocation
    at: datetime | None = None
    reasons: tuple[Reason, ...] = ()
    """Why no more is known."""
    revoked: Certificate | None = None
    """The certificate of the path that was revoked; of several, the one nearest to the anchor."""
    compromised: bool = False
    """Whether it was revoked because somebody else may have its key."""


_Answer: TypeAlias = tuple[Revocation, bool]
"""What is said about one certificate, and whether its key is said to be compromised."""


def _ask(check: Callable[[], object]) -> _Answer:
    from pyhanko_certvalidator import errors  # noqa: PLC0415 - see certvalidator.py

    expected: tuple[type[Exception], ...] = (
        errors.ValidationError,
        errors.PathError,
        errors.CRLValidationError,
        errors.OCSPValidationError,
        *refusals(),
    )
    try:
        check()
    except errors.RevokedError as error:
        # Of a signer of evidence, it only makes that evidence useless.
        if error.is_side_validation:
            return Revocation.UNKNOWN, False
        return Revocation.REVOKED, error.reason.native in _COMPROMISED
    except expected:
        return Revocation.UNKNOWN, False
    return Revocation.GOOD, False


def _ask_about(depth: int, setting: Setting, path: Path, request: Request) -> _Answer:
    """Three witnesses about one certificate: revoked beats good, and good beats unknown."""
    from pyhanko_certvalidator._state import ValProcState  # noqa: PLC0415 - see certvalidator.py
    from pyhanko_certvalidator.revinfo.validate_crl import verify_crl  # noqa: PLC0415
    from pyhanko_certvalidator.revinfo.validate_ocsp import verify_ocsp_response  # noqa: PLC0415
    from pyhanko_certvalidator.util import ConsList  # noqa: PLC0415

    def asked(verify: Callable[..., Any]) -> _Answer:
        way = setting.path
        state = ValProcState(cert_path_stack=ConsList.sing(way), init_index=depth)
        return _ask(lambda: finish(verify(way[depth], way, setting.context, proc_state=state)))

    answers = [asked(verify_crl), asked(verify_ocsp_response)]
    found_there = listed(path[depth], request.crls, request.at)
    if found_there is not None:
        answers.append((Revocation.REVOKED, found_there.compromised))
    said = {answer for answer, _ in answers}
    found = (one for one in (Revocation.REVOKED, Revocation.GOOD) if one in said)
    return next(found, Revocation.UNKNOWN), any(compromised for _, compromised in answers)


def _record(setting: Setting, depth: int) -> None:
    """Tell certvalidator that the path down to here holds, so that its CRLs may be relied on."""
    from pyhanko_certvalidator.path import ValidationPath  # noqa: PLC0415 - see certvalidator.py

    path = setting.path
    above = [path[index] for index in range(1, depth)]
    part = ValidationPath(path.trust_anchor, interm=above, leaf=path[depth])
    context: Any = setting.context
    context.record_validation(path[depth], part)


@final
@dataclass(frozen=True, slots=True)
class _Piece:
    """A container of certvalidator's."""

    container: Any
    is_crl: bool

    @property
    def issued(self) -> datetime:
        """Its thisUpdate."""
        found: datetime | None = self.container.issuance_date
        return found or _DAWN


def _answer_by(
    pieces: Sequence[_Piece], depth: int, path: Path, request: Request, *, strict: bool
) -> Revocation:
    """What a part of the evidence says about one certificate."""
    crls = tuple(one.container for one in pieces if one.is_crl)
    ocsps = tuple(one.container for one in pieces if not one.is_crl)
    asking = replace(request, crls=crls, ocsps=ocsps)
    setting = setting_for(path, asking, strict=strict)
    for above in range(1, depth):
        _record(setting, above)
    return _ask_about(depth, setting, path, asking)[0]


def _as_of(
    answer: Revocation, depth: int, path: Path, request: Request, *, strict: bool
) -> datetime:
    """The date of the oldest piece that the answer needs: of the newest pieces, so many do.

    Pieces are asked about from the newest on, in halving steps.
    """
    pieces = [_Piece(one, is_crl=True) for one in request.crls]
    pieces += [_Piece(one, is_crl=False) for one in request.ocsps]
    pieces.sort(key=lambda one: one.issued, reverse=True)
    few, enough = 0, len(pieces)
    while enough - few > 1:
        middle = (few + enough) // 2
        if _answer_by(pieces[:middle], depth, path, request, strict=strict) is answer:
            enough = middle
        else:
            few = middle
    return pieces[enough - 1].issued


def _round(path: Path, request: Request, *, strict: bool) -> Known:
    """Of all certificates of a path: revoked beats unknown, and unknown beats good."""
    setting = setting_for(path, request, strict=strict)
    oldest: datetime | None = None
    worst = Revocation.GOOD
    for depth in range(1, len(path)):
        answer, compromised = _ask_about(depth, setting, path, request)
        if answer is Revocation.UNKNOWN:
            worst = answer
        else:
            date = _as_of(answer, depth, path, request, strict=strict)
            if answer is Revocation.REVOKED:
                return Known(answer, date, revoked=path[depth], compromised=compromised)
            oldest = date if oldest is None else min(oldest, date)
        _record(setting, depth)
    return Known(worst, oldest if worst is Revocation.GOOD else None)


def _good_words(request: Request) -> Request:
    """The request with that evidence alone which may say that somebody is not revoked."""
    crls = tuple(
        one
        for one in request.crls
        if may_say_good(one.crl_data.dump()) and not is_outdated(one, request.crls)
    )
    ocsps = tuple(one for one in request.ocsps if may_response_say_good(one))
    return replace(request, crls=crls, ocsps=ocsps)


def path_revocation(
    path: Path,
    request: Request,
    evidence: Evidence,
    *,
    extra: Iterable[Certificate] = (),
    limits: Limits,
    anchored: bool = True,
) -> Known:
    """What the evidence says about a path, the anchor first. Never raises.

    Where the top of the path is no anchor only a revocation counts: nobody vouches for a good
    word. An anchor itself is not asked about (RFC 5280, 6.1).
    """
    if len(path) == 1:
        return Known(Revocation.GOOD if anchored else Revocation.UNKNOWN)
    if evidence.empty:
        return Known(Revocation.UNKNOWN)
    try:
        verified = evidence_for(path, evidence, extra, limits=limits)
        asking = replace(
            request,
            crls=verified.crls,
            ocsps=words_that_count(verified.ocsps),
            helpers=verified.signers,
        )
        if anchored:
            found = _round(path, _good_words(asking), strict=True)
            if found.revocation is not Revocation.UNKNOWN:
                return found
        weaker = _round(path, asking, strict=False)
    except refusals():
        return Known(Revocation.UNKNOWN)
    if weaker.revocation is Revocation.REVOKED:
        return weaker
    return Known(Revocation.UNKNOWN, weaker.at if anchored else None)
