"""What is going to happen to a mail, and why: the records, for people and for programs.

Knows words and fingerprints. May not know how anything is decided (`planning` does) or done.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NoReturn, final

from smimekit.gateway.envelope import EnvelopeRecipient
from smimekit.gateway.outbound.triggers import Ask
from smimekit.gateway.reports.audit import Json
from smimekit.gateway.rules.treatment import Treatment
from smimekit.keys import Credential
from smimekit.trust.records import Record

__all__ = ["Action", "Chosen", "Part", "Plan", "Refusal", "Unused"]


class Action(StrEnum):
    """What happens to the mail for some of its recipients."""

    DELIVER = "deliver"
    """It is passed on without protection of ours."""
    PROTECT = "protect"
    """It is signed, encrypted, or both."""
    INBOUND = "inbound"
    """It comes in: it is opened, as the rules for that say."""
    REJECT = "reject"
    DEFER = "defer"
    HOLD = "hold"
    CALLBACK = "callback"
    """The embedding program's own way, such as a portal."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A certificate that the mail is encrypted to."""

    address: str
    record: Record
    archive: bool = False
    """Is it there by rule, besides the recipients?"""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate's DER, lower-case hex."""
        return self.record.fingerprint


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Unused:
    """A certificate that the mail is not encrypted to, and why."""

    address: str
    fingerprint: str
    status: str
    """What trust said of it."""
    reasons: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The answer to the sender's server (RFC 5321, 4.2; RFC 3463)."""

    code: int
    enhanced: str
    text: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What happens for some recipients, in one mail."""

    action: Action
    recipients: tuple[EnvelopeRecipient, ...]
    reasons: tuple[str, ...]
    """Why, for people; each a sentence."""
    treatment: Treatment | None = None
    """What the rules say; None where they were not asked. What shapes the mail is the same for all
    its recipients; which level said so may not be."""
    treatments: tuple[tuple[str, Treatment], ...] = ()
    """What the rules say for each address, where there are several recipients."""
    sign_as: str | None = None
    credential: Credential | None = field(default=None, repr=False)
    """What it is signed with; None where it is not signed by us."""
    encrypt: bool = False
    certificates: tuple[Chosen, ...] = ()
    unused: tuple[Unused, ...] = ()
    cipher: str | None = None
    refusal: Refusal | None = None
    """What is said where it is rejected or deferred."""
    notice: str | None = None
    """What the sender is told besides, where it is sent without what was asked for."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that is going to happen: every recipient is in just one part.

    It has no truth value: look at the parts.
    """

    submission: bool
    """Was it handed in by one of ours?"""
    author: str | None
    """The address in From, where there is just one."""
    user: str | None
    asked: frozenset[Ask]
    """What the tags and twins ask for."""
    honoured: bool
    """May the user ask for it?"""
    passes: int
    """How often it came through before."""
    parts: tuple[Part, ...]

    def __bool__(self) -> NoReturn:
        raise TypeError("A plan has no truth value: look at its parts.")

    def explain(self) -> str:
        """The plan in a few lines, for people: what strangers wrote into it steers no terminal."""
        return "\n".join(map(_printable, _lines(self))) + "\n"

    def as_json(self) -> dict[str, Json]:
        """The plan for programs and audit trails: certificates by fingerprint, no content."""
        return {
            "submission": self.submission,
            "author": self.author,
            "user": self.user,
            "asked": _texts(sorted(self.asked)),
            "honoured": self.honoured,
            "passes": self.passes,
            "parts": [_part(each) for each in self.parts],
        }


# --- for people ---------------------------------------------------------------------------------


def _printable(line: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)


def _lines(plan: Plan) -> Iterator[str]:
    who = plan.author or "nobody in particular"
    way = "is submitted" if plan.submission else "comes in or through"
    yield f"Mail from {who} {way}" + (f", by the login {plan.user}." if plan.user else ".")
    if plan.asked:
        asks = ", ".join(sorted(plan.asked))
        yield f"It asks for: {asks}" + ("." if plan.honoured else ", which does not count.")
    for part in plan.parts:
        yield ""
        yield from _part_lines(part)


def _part_lines(part: Part) -> Iterator[str]:
    yield f"To {', '.join(each.address for each in part.recipients)}: {_verb(part)}"
    if part.sign_as is not None and part.credential is not None:
        yield f"  signed as {part.sign_as} with {part.credential.certificate.fingerprint}"
    for each in part.certificates:
        what = "archive key of" if each.archive else "encrypted to"
        yield f"  {what} {each.address}: {each.fingerprint}"
    for unused in part.unused:
        yield f"  not to {unused.address}: {unused.fingerprint} ({unused.status})"
        yield from (f"    {reason}" for reason in unused.reasons)
    yield from (f"  {reason}" for reason in part.reasons)
    for name, places in _sources(part).items():
        for where, whom in places.items():
            only = "" if len(places) == 1 and len(whom) == _asked(part) else f" ({', '.join(whom)})"
            yield f"  rule: {name} from {where}{only}"


def _asked(part: Part) -> int:
    """For how many the rules were asked."""
    return max(1, len(part.treatments))


def _sources(part: Part) -> dict[str, dict[str, list[str]]]:
    """Setting, level, and for whom that level says it."""
    found: dict[str, dict[str, list[str]]] = {}
    one = () if part.treatment is None else (("", part.treatment),)
    for address, treatment in part.treatments or one:
        for name, where in treatment.sources:
            found.setdefault(name, {}).setdefault(where, []).append(address)
    return found


def _verb(part: Part) -> str:
    if part.refusal is not None:
        return f"{part.action}, {part.refusal.code} {part.refusal.enhanced} {part.refusal.text}"
    if part.action is Action.PROTECT:
        signed = ["sign"] if part.credential is not None else []
        return " and ".join((*signed, *([f"encrypt ({part.cipher})"] if part.encrypt else [])))
    return part.action.value


# --- for programs -------------------------------------------------------------------------------


def _part(part: Part) -> Json:
    found: dict[str, Json] = {
        "action": part.action.value,
        "recipients": _texts(each.address for each in part.recipients),
        "reasons": _texts(part.reasons),
        "encrypt": part.encrypt,
    }
    if part.credential is not None:
        found["signer"] = part.credential.certificate.fingerprint
        found["sign_as"] = part.sign_as
    if part.encrypt:
        found["cipher"] = part.cipher
        found["certificates"] = [
            {"address": each.address, "fingerprint": each.fingerprint, "archive": each.archive}
            for each in part.certificates
        ]
    if part.unused:
        found["unused"] = [
            {
                "address": each.address,
                "fingerprint": each.fingerprint,
                "status": each.status,
                "reasons": _texts(each.reasons),
            }
            for each in part.unused
        ]
    if part.refusal is not None:
        found |= {"code": part.refusal.code, "enhanced": part.refusal.enhanced}
        found["text"] = part.refusal.text
    if part.treatment is not None:
        found["rules"] = {name: ", ".join(places) for name, places in _sources(part).items()}
    return found


def _texts(texts: Iterable[str]) -> list[Json]:
    return [str(each) for each in texts]
