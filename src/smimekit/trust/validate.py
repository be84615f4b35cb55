"""One path judged: RFC 5280, 6.1 by certvalidator, and RFC 8550's rules on top of it.

Knows paths and evidence. May not know stores or decisions. A verdict here is about the path at
one moment; whatever goes wrong while it is judged, the path is not valid.
"""

from dataclasses import dataclass

from smimekit.errors import SmimeError
from smimekit.trust.certvalidator import Request, finish, refusals, setting_for
from smimekit.trust.names import name_violation
from smimekit.trust.paths import Path
from smimekit.trust.status import Reason
from smimekit.trust.usage import is_old_root, may_issue, structure_reason, weak_key_reason

__all__ = ["PathVerdict", "validate_path"]

_TEXT_LENGTH = 400


@dataclass(frozen=True, slots=True)
class PathVerdict:
    """`reason` is None for a valid path."""

    path: Path
    reason: Reason | None = None

    @property
    def valid(self) -> bool:
        """Whether the path holds."""
        return self.reason is None


def plain_text(text: object) -> str:
    """A foreign message for a person: printable, and not longer than a person reads."""
    return "".join(one if one.isprintable() else "?" for one in str(text)[:_TEXT_LENGTH])


def _rules_reason(path: Path, request: Request) -> Reason | None:
    for one in path:
        broken = structure_reason(one)
        if broken is not None:
            return Reason("path.malformed", f"{plain_text(one.subject_text)}: {broken.text}")
    for issuer in path[:-1]:
        who = plain_text(issuer.subject_text)
        old = issuer is path[0] and is_old_root(issuer)
        if not (old or may_issue(issuer, request.purpose)):
            return Reason("path.no-ca", f"{who} may not issue certificates for this purpose.")
        if not (old or may_issue(issuer, request.purpose, any_usage=request.policy.any_usage)):
            text = f"{who} is a CA for anything, and the policy wants it for this purpose."
            return Reason("path.any-usage", text)
        weak = weak_key_reason(issuer, request.policy)
        if weak is not None:
            return Reason("path.weak", f"{who}: {weak.text}")
    if name_violation(path):
        return Reason(
            "path.name-constraints", "An issuer may not issue for this mail address or logon."
        )
    return None


def _certvalidator_reason(path: Path, request: Request) -> Reason | None:
    from pyhanko_certvalidator import errors, validate  # noqa: PLC0415 - see certvalidator.py

    codes = (
        (errors.ExpiredError, "path.expired"),
        (errors.NotYetValidError, "path.not-yet"),
        (errors.DisallowedAlgorithmError, "path.weak"),
        (errors.ValidationError, "path.invalid"),
        (errors.PathError, "path.invalid"),
    )
    try:
        setting = setting_for(path, request, strict=False)
        finish(validate.async_validate_path(setting.context, setting.path, setting.parameters))
    except (errors.ValidationError, errors.PathError) as error:
        code = next(code for kind, code in codes if isinstance(error, kind))
        # Behind " Reason: " it writes an object of its own out.
        return Reason(code, plain_text(error).partition(" Reason: ")[0])
    return None


def validate_path(path: Path, request: Request) -> PathVerdict:
    """Judge a path, the anchor first, without regard to revocation. Never raises."""
    try:
        reason = _rules_reason(path, request) or _certvalidator_reason(path, request)
    except SmimeError as error:
        reason = Reason("path.malformed", plain_text(error))
    except NotImplementedError:  # certvalidator's word for it
        text = "An issuer restricts names of a form that cannot be compared, and there are such."
        reason = Reason("path.name-constraints", text)
    except refusals() as error:
        text = f"The path could not be judged ({type(error).__name__}), so it does not count."
        reason = Reason("path.malformed", text)
    return PathVerdict(path, reason)
