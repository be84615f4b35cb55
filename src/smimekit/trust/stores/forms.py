"""Records' parts as JSON values: what the stores that outlive a process write.

Knows records. May not know where the values are kept. Times are UTC at fixed width, so that
texts sort as times do; octets are hexadecimal.
"""

from datetime import UTC, datetime
from typing import Any

from smimekit.trust.records import (
    ByIssuerSerial,
    ByKeyId,
    Capabilities,
    Decision,
    Preference,
    Purpose,
    Source,
    Verdict,
)

__all__ = [
    "capabilities_form",
    "decision_form",
    "preference_form",
    "read_capabilities",
    "read_decision",
    "read_preference",
    "read_source",
    "read_time",
    "source_form",
    "time_text",
]


def time_text(moment: datetime) -> str:
    """A time, to the microsecond."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def read_time(text: str) -> datetime:
    """The reverse; ValueError or TypeError for anything else, as of every reader here."""
    return datetime.fromisoformat(text)


def source_form(source: Source) -> list[str | None]:
    """A source."""
    at = None if source.at is None else time_text(source.at)
    return [source.kind, source.origin, at, source.reference]


def read_source(form: Any) -> Source:
    """The reverse."""
    kind, origin, at, reference = form
    return Source(kind, origin, None if at is None else read_time(at), reference)


def capabilities_form(capabilities: Capabilities | None) -> Any:
    """Capabilities."""
    if capabilities is None:
        return None
    return {"der": capabilities.der.hex(), "signed_at": time_text(capabilities.signed_at)}


def read_capabilities(form: Any) -> Capabilities | None:
    """The reverse."""
    if form is None:
        return None
    return Capabilities(bytes.fromhex(form["der"]), read_time(form["signed_at"]))


def preference_form(preference: Preference | None) -> Any:
    """A preference."""
    match preference:
        case Preference(ByIssuerSerial(issuer, serial), signed_at):
            # As hexadecimal digits: decimal ones take quadratic time, and have a limit.
            named = {"issuer": issuer.hex(), "serial": f"{serial:x}"}
        case Preference(ByKeyId(key_id), signed_at):
            named = {"key_id": key_id.hex()}
        case _:
            return None
    return named | {"signed_at": time_text(signed_at)}


def read_preference(form: Any) -> Preference | None:
    """The reverse."""
    if form is None:
        return None
    named: ByIssuerSerial | ByKeyId
    if "key_id" in form:
        named = ByKeyId(bytes.fromhex(form["key_id"]))
    else:
        named = ByIssuerSerial(bytes.fromhex(form["issuer"]), int(form["serial"], 16))
    return Preference(named, read_time(form["signed_at"]))


def decision_form(decision: Decision | None) -> Any:
    """A decision."""
    if decision is None:
        return None
    return {
        "verdict": str(decision.verdict),
        "by": decision.by,
        "why": decision.why,
        "at": time_text(decision.at),
        "until": None if decision.until is None else time_text(decision.until),
        "scope": sorted(decision.scope),
    }


def read_decision(form: Any) -> Decision:
    """The reverse."""
    return Decision(
        verdict=Verdict(form["verdict"]),
        by=form["by"],
        why=form["why"],
        at=read_time(form["at"]),
        until=None if form["until"] is None else read_time(form["until"]),
        scope=frozenset(map(Purpose, form["scope"])),
    )
