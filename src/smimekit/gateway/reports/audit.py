"""What is written down of each transaction: who, what was planned, which certificates, the end.

Knows JSON. Never holds content: no subject, no text, no header but the Message-ID.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TypeAlias, final

from smimekit.gateway.envelope import Envelope
from smimekit.gateway.outcomes import Defer, Deliver, Hold, Outcome, Reject

__all__ = ["CertificateRole", "CertificateUse", "Entry", "Json", "audit_line"]

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_LONGEST: Final = 1_000
"""Characters of one text: a Message-ID is the sender's to choose."""


class CertificateRole(StrEnum):
    """What a certificate was used for, or why it is named."""

    SIGNED = "signed"
    """It signed what goes out."""
    ENCRYPTED_TO = "encrypted-to"
    ARCHIVE = "archive"
    """Encrypted to besides the recipients, by rule."""
    SIGNER = "signer"
    """It signed what came in."""
    DECRYPTED_WITH = "decrypted-with"
    HARVESTED = "harvested"
    UNUSABLE = "unusable"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateUse:
    """One certificate in one transaction."""

    fingerprint: str
    """SHA-256 of its DER, lower-case hex."""
    role: CertificateRole
    address: str = ""
    status: str = ""
    """What trust said: "trusted", "untrusted", "rejected", or "" where it was not asked."""
    result: str = ""
    """Of a signer, what the signature was worth, in the words of Authentication-Results."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One transaction."""

    at: datetime
    message_id: str
    """As the mail has it, or "": nothing vouches for it."""
    envelope: Envelope
    plan: Mapping[str, Json]
    """As `Plan.as_json` has it."""
    certificates: tuple[CertificateUse, ...] = ()
    outcomes: tuple[Outcome, ...] = ()


def audit_line(entry: Entry) -> str:
    """The entry as one line of JSON in ASCII, with its line break.

    Whatever a sender writes, it is one line: JSON escapes line breaks.
    """
    client = entry.envelope.client
    line: dict[str, Json] = {
        "at": entry.at.astimezone(UTC).isoformat(),
        "message_id": _short(entry.message_id),
        "from": _short(entry.envelope.mail_from),
        "user": None if entry.envelope.user is None else _short(entry.envelope.user),
        "client": _short(client.address),
        "plan": dict(entry.plan),
        "certificates": [_use(each) for each in entry.certificates],
        "outcomes": [_outcome(each) for each in entry.outcomes],
    }
    return json.dumps(line, ensure_ascii=True, allow_nan=False, separators=(",", ":")) + "\n"


def _use(use: CertificateUse) -> Json:
    found: dict[str, Json] = {"fingerprint": use.fingerprint, "role": use.role.value}
    if use.address:
        found["address"] = _short(use.address)
    if use.status:
        found["status"] = use.status
    if use.result:
        found["result"] = use.result
    return found


def _outcome(outcome: Outcome) -> Json:
    found: dict[str, Json] = {"outcome": type(outcome).__name__.lower()}
    found["recipients"] = [_short(each.address) for each in outcome.recipients]
    match outcome:
        case Deliver(notes=notes):
            found["notes"] = _texts(notes)
        case Reject(code=code, enhanced=enhanced, text=text):
            found |= {"code": code, "enhanced": enhanced, "text": _short(text)}
        case Defer(code=code, enhanced=enhanced, text=text):
            found |= {"code": code, "enhanced": enhanced, "text": _short(text)}
        case Hold(reason=reason):
            found["reason"] = _short(reason)
    return found


def _texts(texts: Iterable[str]) -> list[Json]:
    return [_short(each) for each in texts]


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
