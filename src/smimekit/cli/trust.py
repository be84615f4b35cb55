"""`trust`: look into a store and fill it. Knows facts; `decide` decides, `export` copies."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice

import click

from smimekit import Status, Trust
from smimekit.cli.decide import anchor, put_certificates, reject, reset, trust_
from smimekit.cli.export import export
from smimekit.cli.facts import decision_facts
from smimekit.cli.inputs import reading
from smimekit.cli.lookup import lookup, refresh
from smimekit.cli.options import ADDRESS, AT, JSON, STATUS, STORE, opened_store
from smimekit.cli.output import (
    Json,
    note,
    show_json,
    show_list,
    show_rows,
)
from smimekit.cli.records import all_records, find_records, record_facts
from smimekit.cli.reports import certificate_title, status_cell, trust_rows
from smimekit.cli.text import Row
from smimekit.message.bundle import read_bundle
from smimekit.trust import ByAddress

__all__ = ["trust"]


@click.group()
def trust() -> None:
    """The trust store: whose certificates are known, and which are believed.

    Facts come from mail (`smimekit harvest`) and files, decisions from you. Trusted is what
    you trust, or what an anchor issued; rejected stays rejected.
    """


for _command in (anchor, export, lookup, refresh, reject, reset, trust_):
    trust.add_command(_command)


# --- looking -------------------------------------------------------------------------------


@trust.command("list")
@STORE
@ADDRESS
@STATUS
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=100,
    show_default=True,
    help="At most so many.",
)
@click.option(
    "--after", default="", metavar="FINGERPRINT", help="Go on behind the last one of before."
)
@AT
@JSON
def list_(
    *,
    store: str,
    address: str | None,
    status: str | None,
    limit: int,
    after: str,
    at: datetime | None,
    as_json: bool,
) -> None:
    """List certificates: trusted, untrusted or rejected, to verify by and to encrypt to."""
    with opened_store(store) as opened:
        trust = Trust(opened)
        query = None if address is None else ByAddress(address)
        found = (record_facts(each, trust, at) for each in all_records(opened, query, after))
        wanted = (each for each in found if status in {None, *each["status"].values()})
        facts = list(islice(wanted, limit))
        more = next(wanted, None) is not None
    last = facts[-1]["fingerprint"] if more else None
    if as_json:
        show_json({"certificates": facts, "next": last})
        return
    _show(facts)
    if last is not None:
        note(f"There are more: --after {last}")


def _show(facts: Sequence[Json]) -> None:
    rows = [
        (
            *(status_cell(_status(each, purpose)) for purpose in ("verify", "encrypt")),
            status_cell(each["decision"]["verdict"] if each["decision"] else "-"),
            (certificate_title(each), ""),
            (each["not_after"][:10], ""),
            (each["fingerprint"][:16], ""),
        )
        for each in facts
    ]
    show_list(("VERIFY", "ENCRYPT", "DECISION", "WHO", "UNTIL", "FINGERPRINT"), rows)


def _status(facts: Json, purpose: str) -> str:
    """The status; "-" for an authority, which neither signs nor gets mail."""
    status = str(facts["status"][purpose])
    return "-" if facts["authority"] and status != Status.REJECTED else status


@trust.command()
@STORE
@click.argument("which", metavar="WHICH")
@AT
@JSON
def show(*, store: str, which: str, at: datetime | None, as_json: bool) -> None:
    """Show all about the certificates of an address, or of one fingerprint."""
    with opened_store(store) as opened:
        trust = Trust(opened)
        facts = [
            record_facts(each, trust, at)
            | {
                "audit": [
                    {"revision": entry.revision, **decision_facts(entry.decision)}
                    for entry in opened.audit(each.certificate.fingerprint)
                ]
            }
            for each in find_records(opened, which)
        ]
    if as_json:
        show_json({"certificates": facts})
    else:
        show_rows([row for each in facts for row in _rows(each)])


def _rows(facts: Json) -> Iterator[Row]:
    yield "Certificate", certificate_title(facts), "head"
    yield "  Subject", facts["subject"], ""
    yield "  Issuer", facts["issuer"], ""
    yield "  Serial", facts["serial"], ""
    yield "  Key", facts["key"] or "not usable", ""
    yield "  Valid", f"{facts['not_before']} to {facts['not_after']}", ""
    yield "  Fingerprint", facts["fingerprint"], ""
    for purpose, judged in facts["trust"].items():
        yield f"  To {purpose}", *status_cell(judged["status"])
        yield from ((f"  {label}", said, tone) for label, said, tone in trust_rows(judged))
    for source in facts["sources"]:
        said = (source["kind"], source["origin"], source["at"], source["reference"])
        yield "  Seen", " ".join(filter(None, said)), ""
    if facts["capabilities"] is not None:
        yield "  Can read", ", ".join(facts["capabilities"]), ""
    for entry in facts["audit"]:
        why = f": {entry['why']}" if entry["why"] else ""
        yield "  Decided", f"{entry['at']} {entry['verdict']} by {entry['by']}{why}", ""


# --- filling -------------------------------------------------------------------


@trust.command("import")
@STORE
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@JSON
def import_(*, store: str, files: tuple[str, ...], as_json: bool) -> None:
    """Remember the certificates of files (PEM, DER, or .p7c). Nobody is trusted by this."""
    found = []
    for name in files:
        with reading(name) as file:
            found.append((name, read_bundle(file.read())))
    with opened_store(store, create=True) as opened:
        records = [
            each
            for name, certificates in found
            for each in put_certificates(opened, certificates, name)
        ]
        trust = Trust(opened)
        facts = [record_facts(each, trust) for each in records]
    if as_json:
        show_json({"certificates": facts})
    else:
        _show(facts)
