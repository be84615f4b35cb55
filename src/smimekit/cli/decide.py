"""`trust trust|reject|reset|anchor`: what somebody decides about certificates.

Knows how a decision is said. What follows from it is not decided here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path
from typing import Any, Final, TypeVar, final

import click

from smimekit import Certificate, Purpose, Trust, UsageError, load_certificates
from smimekit.cli.facts import certificate_facts, judgement_facts
from smimekit.cli.inputs import read_file
from smimekit.cli.options import JSON, STORE, as_record, opened_store, parse_time
from smimekit.cli.output import Json, note, show_json, show_list
from smimekit.cli.records import find_one, is_file_name, record_facts, record_title
from smimekit.cli.reports import certificate_title, status_cell
from smimekit.trust import (
    MAIL_PURPOSES,
    Decision,
    Flip,
    Record,
    Sighting,
    Source,
    TrustStore,
    Verdict,
)

__all__ = ["anchor", "put_certificates", "reject", "reset", "trust_"]

_Command = TypeVar("_Command", bound=Callable[..., Any])

WHICH = click.argument("which", nargs=-1, required=True, metavar="WHICH...")
_SAID = {
    Verdict.TRUST: "trusted",
    Verdict.REJECT: "rejected",
    Verdict.ANCHOR: "an anchor: what it issues is trusted",
    Verdict.NONE: "decided about no more",
}


def _user() -> str:
    try:
        return getuser()
    except (KeyError, OSError):  # a process without a name
        return "somebody"


def put_certificates(
    store: TrustStore, certificates: Iterable[Certificate], reference: str
) -> list[Record]:
    """Remember certificates from a file. No decision changes."""
    now = datetime.now(UTC)
    source = Source("upload", _user(), now, Path(reference).name)
    sightings = (Sighting(certificate=each, source=source) for each in certificates)
    return list(store.put_all(sightings, at=now))


# --- what is said along with a decision ----------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class _Grounds:
    """--by and --why."""

    by: str | None
    why: str

    def decision(self, verdict: Verdict, bounds: "_Bounds | None" = None) -> Decision:
        """The decision, made now."""
        bounds = bounds or _Bounds(None, ())
        return Decision(
            verdict=verdict,
            by=self.by or _user(),
            why=self.why,
            at=datetime.now(UTC),
            until=bounds.until,
            scope=frozenset(map(Purpose, bounds.scope)) or frozenset(MAIL_PURPOSES),
        )


@final
@dataclass(frozen=True, slots=True)
class _Bounds:
    """--until and --for."""

    until: datetime | None
    scope: tuple[str, ...]


def _grounds(command: _Command) -> _Command:
    return as_record(
        "grounds",
        _Grounds,
        click.option("--by", metavar="NAME", help="Who decides; without it, your login name."),
        click.option("--why", default="", metavar="TEXT", help="Kept in the audit trail."),
    )(command)


def _bounds(command: _Command) -> _Command:
    return as_record(
        "bounds",
        _Bounds,
        click.option(
            "--until", callback=parse_time, metavar="TIME", help="The last moment it holds."
        ),
        click.option(
            "--for",
            "scope",
            multiple=True,
            type=click.Choice([str(each) for each in Purpose]),
            help="What it is for; without it, mail.",
        ),
    )(command)


PREVIEW: Final = click.option(
    "--preview", is_flag=True, help="Show whose status would change, and decide nothing."
)


# --- the commands --------------------------------------------------------------------------


@click.command("trust")
@STORE
@WHICH
@_grounds
@_bounds
@PREVIEW
@JSON
def trust_(
    *,
    store: str,
    which: tuple[str, ...],
    grounds: _Grounds,
    bounds: _Bounds,
    preview: bool,
    as_json: bool,
) -> None:
    """Trust certificates themselves, whoever issued them.

    WHICH is a mail address with one certificate, a fingerprint (or its first 8 digits), or a
    file with certificates. What is revoked, expired or malformed is not trusted all the same.
    """
    act = _preview if preview else _decide
    act(store, which, grounds.decision(Verdict.TRUST, bounds), as_json=as_json)


@click.command()
@STORE
@WHICH
@_grounds
@PREVIEW
@JSON
def reject(
    *, store: str, which: tuple[str, ...], grounds: _Grounds, preview: bool, as_json: bool
) -> None:
    """Reject certificates for ever; of a CA, what it issued as well."""
    act = _preview if preview else _decide
    act(store, which, grounds.decision(Verdict.REJECT), as_json=as_json)


@click.command()
@STORE
@WHICH
@_grounds
@PREVIEW
@JSON
def reset(
    *, store: str, which: tuple[str, ...], grounds: _Grounds, preview: bool, as_json: bool
) -> None:
    """Withdraw the decision about certificates."""
    act = _preview if preview else _decide
    act(store, which, grounds.decision(Verdict.NONE), as_json=as_json)


@click.command()
@STORE
@WHICH
@_grounds
@_bounds
@PREVIEW
@JSON
def anchor(
    *,
    store: str,
    which: tuple[str, ...],
    grounds: _Grounds,
    bounds: _Bounds,
    preview: bool,
    as_json: bool,
) -> None:
    """Trust what CAs issue: their certificates become anchors."""
    act = _preview if preview else _decide
    act(store, which, grounds.decision(Verdict.ANCHOR, bounds), as_json=as_json)


def _decide(url: str, which: tuple[str, ...], decision: Decision, *, as_json: bool) -> None:
    files = {each: load_certificates(read_file(each)) for each in which if is_file_name(each)}
    with opened_store(url, create=bool(files)) as store:
        named = [find_one(store, each) for each in which if each not in files]
        _check([*(each.certificate for each in named), *_flat(files.values())], decision)
        for name, certificates in files.items():
            named += put_certificates(store, certificates, name)
        decided = [
            store.decide(each.certificate.fingerprint, decision, expected=each.revision)
            for each in dict.fromkeys(named)
        ]
        trust = Trust(store)
        facts = [record_facts(each, trust) for each in decided]
    _report(facts, decision.verdict, as_json=as_json)


def _preview(url: str, which: tuple[str, ...], decision: Decision, *, as_json: bool) -> None:
    files = [load_certificates(read_file(each)) for each in which if is_file_name(each)]
    with opened_store(url) as store:
        named = [find_one(store, each) for each in which if not is_file_name(each)]
        certificates = [*(each.certificate for each in named), *_flat(files)]
        _check(certificates, decision)
        flips = Trust(store).preview(certificates, decision)
        facts = [_flip_facts(each) for each in flips]
    if as_json:
        show_json({"changes": facts})
        return
    rows = [
        (
            (each["purpose"], ""),
            status_cell(each["before"]["status"]),
            status_cell(each["after"]["status"]),
            (certificate_title(each["certificate"]), ""),
            (each["certificate"]["fingerprint"][:16], ""),
        )
        for each in facts
    ]
    show_list(("TO", "NOW", "THEN", "WHO", "FINGERPRINT"), rows)
    note("Nothing was decided.")


def _flip_facts(flip: Flip) -> Json:
    return {
        "certificate": certificate_facts(flip.certificate),
        "purpose": str(flip.purpose),
        "before": judgement_facts(flip.before),
        "after": judgement_facts(flip.after),
    }


def _flat(groups: Iterable[tuple[Certificate, ...]]) -> Iterable[Certificate]:
    return (each for group in groups for each in group)


def _check(certificates: Iterable[Certificate], decision: Decision) -> None:
    """Before anything is done: all of it can be done."""
    for each in certificates:
        if decision.verdict is Verdict.ANCHOR and not each.is_ca:
            raise UsageError(
                f"{each.subject_text} is no CA, so it cannot be an anchor; trust it itself.",
                code="usage.anchor-no-ca",
            )


def _report(facts: list[Json], verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        show_json({"certificates": facts})
        return
    for each in facts:
        note(f"{record_title(each)}: {_SAID[verdict]}.")
        status = each["status"]
        if verdict is Verdict.TRUST and "trusted" not in status.values():
            reasons = (one["text"] for one in each["trust"]["verify"]["reasons"])
            note(f"But it still is not trusted: {' '.join(reasons)}")
