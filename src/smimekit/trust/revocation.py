"""What CRLs and OCSP responses say about the certificates of a path.

Knows RFC 5280, 6.3 and RFC 6960 through certvalidator. May not know the network, stores or
decisions.

That a certificate is good counts only when the evidence is fresh and its signers are good by
fresh evidence too; that it is revoked counts from anybody who is entitled to say so, whatever
the date of the evidence. Each certificate is asked about by itself, so that nothing missing
about one hides another's revocation.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from smimekit.certificate import Certificate
from smimekit.limits import Limits
from smimekit.trust.certvalidator import Request, Setting, finish, refusals, setting_for
from smimekit.trust.evidence import Evidence, evidence_for
from smimekit.trust.paths import Path
from smimekit.trust.status import Revocation

__all__ = ["path_revocation"]


def _ask(check: Callable[[], object]) -> Revocation:
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
        return Revocation.UNKNOWN if error.is_side_validation else Revocation.REVOKED
    except expected:
        return Revocation.UNKNOWN
    return Revocation.GOOD


def _ask_about(depth: int, setting: Setting) -> Revocation:
    """Two witnesses about one certificate: revoked beats good, and good beats unknown."""
    from pyhanko_certvalidator._state import ValProcState  # noqa: PLC0415 - see certvalidator.py
    from pyhanko_certvalidator.revinfo.validate_crl import verify_crl  # noqa: PLC0415
    from pyhanko_certvalidator.revinfo.validate_ocsp import verify_ocsp_response  # noqa: PLC0415
    from pyhanko_certvalidator.util import ConsList  # noqa: PLC0415

    def asked(verify: Callable[..., Any]) -> Revocation:
        path = setting.path
        state = ValProcState(cert_path_stack=ConsList.sing(path), init_index=depth)
        return _ask(lambda: finish(verify(path[depth], path, setting.context, proc_state=state)))

    answers = (asked(verify_crl), asked(verify_ocsp_response))
    found = (one for one in (Revocation.REVOKED, Revocation.GOOD) if one in answers)
    return next(found, Revocation.UNKNOWN)


def _worst(answers: Sequence[Revocation]) -> Revocation:
    """Of all certificates of a path: revoked beats unknown, and unknown beats good."""
    found = (one for one in (Revocation.REVOKED, Revocation.UNKNOWN) if one in answers)
    return next(found, Revocation.GOOD)


def _record(setting: Setting, depth: int) -> None:
    """Tell certvalidator that the path down to here holds, so that its CRLs may be relied on."""
    from pyhanko_certvalidator.path import ValidationPath  # noqa: PLC0415 - see certvalidator.py

    path = setting.path
    above = [path[index] for index in range(1, depth)]
    part = ValidationPath(path.trust_anchor, interm=above, leaf=path[depth])
    context: Any = setting.context
    context.record_validation(path[depth], part)


def _round(path: Path, request: Request, *, strict: bool) -> Revocation:
    setting = setting_for(path, request, strict=strict)
    answers: list[Revocation] = []
    for depth in range(1, len(path)):
        answer = _ask_about(depth, setting)
        answers.append(answer)
        if answer is Revocation.REVOKED:
            break
        _record(setting, depth)
    return _worst(answers)


def path_revocation(
    path: Path,
    request: Request,
    evidence: Evidence,
    *,
    extra: Iterable[Certificate] = (),
    limits: Limits,
    anchored: bool = True,
) -> Revocation:
    """What the evidence says about a path, the anchor first. Never raises.

    Where the top of the path is no anchor only a revocation counts: nobody vouches for a good
    word. An anchor itself is not asked about (RFC 5280, 6.1).
    """
    if len(path) == 1:
        return Revocation.GOOD if anchored else Revocation.UNKNOWN
    if evidence.empty:
        return Revocation.UNKNOWN
    try:
        verified = evidence_for(path, evidence, extra, limits=limits)
        asking = replace(
            request, crls=verified.crls, ocsps=verified.ocsps, helpers=verified.signers
        )
        answer = _round(path, asking, strict=True) if anchored else Revocation.UNKNOWN
        if answer is Revocation.UNKNOWN:
            weaker = _round(path, asking, strict=False)
            answer = weaker if weaker is Revocation.REVOKED else answer
    except refusals():
        return Revocation.UNKNOWN
    return answer
