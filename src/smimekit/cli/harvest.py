"""`harvest`: what signed mail teaches, into a store.

Knows one message after the other; a bad one never stops the run.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, Final, final

import click

import smimekit
from smimekit import Credential, InputError, KeyRing, Opened, Policy, SmimeError, StoreError, Trust
from smimekit.cli.exits import Exit, Refused, exit_of
from smimekit.cli.facts import certificate_facts, error_facts, message_facts
from smimekit.cli.inputs import load_certificates, reading
from smimekit.cli.options import JSON, POLICY, STORE, KeyOptions, key_options, opened_store
from smimekit.cli.output import Json, note, show_json, show_list
from smimekit.cli.reports import certificate_title
from smimekit.cli.text import Cell
from smimekit.mime.scanner import read_entity
from smimekit.span import Span
from smimekit.trust import ByFingerprint, TrustStore

__all__ = ["harvest"]

_REFERENCE: Final = 250
"""Characters of a Message-ID that are kept: RFC 5322, 2.1.1 makes it a line."""


@click.command()
@STORE
@click.argument("messages", nargs=-1, metavar="[MESSAGE]...")
@key_options()
@click.option("--anchor", multiple=True, metavar="FILE", help="CA certificates whose word counts.")
@POLICY
@JSON
def harvest(
    *,
    store: str,
    messages: tuple[str, ...],
    keys: KeyOptions,
    anchor: tuple[str, ...],
    policy: Policy,
    as_json: bool,
) -> int:
    """Learn certificates from signed mail; the store is made if it is not there.

    Facts only: nobody is trusted by this, and nobody rejected is forgiven. The exit status
    is 0 if every message could be read, even where there was nothing to learn.
    """
    credentials = keys.load()
    anchors = load_certificates(anchor)
    facts: list[Json] = []
    status = Exit.DONE
    with opened_store(store, create=True) as opened:
        trust = Trust(opened, anchors=anchors, policy=policy)
        reaper = _Reaper(opened, trust, credentials, policy)
        for name in messages or ("-",):
            try:
                facts.append(reaper.read(name))
            except StoreError as error:
                raise Refused(error, {"messages": facts}) from error
            except (InputError, OSError) as error:
                facts.append(_nothing(name) | {"error": error_facts(error)})
                status = max(status, exit_of(error))
    if as_json:
        show_json({"messages": facts})
    else:
        _show(facts)
    return status


@final
@dataclass(frozen=True, slots=True)
class _Reaper:
    """What every message of a run is read with."""

    store: TrustStore
    trust: Trust
    credentials: tuple[Credential | KeyRing, ...]
    policy: Policy

    def read(self, name: str) -> Json:
        """Learn from one message: all of it is read before anything is written."""
        with reading(name) as stream, _again(stream) as file:
            reference = _reference(file, self.policy) or name
            with smimekit.open(
                file, keys=self.credentials, trust=self.trust, policy=self.policy
            ) as opened:
                found = smimekit.harvest(opened)
                reasons = [*_unopened(opened), *found.reasons]
        known = {each: self._knows(each.fingerprint) for each in _certificates(found)}
        found.put_into(self.store, at=datetime.now(UTC), reference=reference)
        return _nothing(name) | {
            "sender": found.sender,
            "found": [
                {**certificate_facts(each), "new": not is_known} for each, is_known in known.items()
            ],
            "reasons": reasons,
        }

    def _knows(self, fingerprint: str) -> bool:
        return bool(self.store.records(ByFingerprint(fingerprint)))


def _certificates(found: smimekit.Harvest) -> Iterator[smimekit.Certificate]:
    return (each.certificate for each in found.found)


def _nothing(name: str) -> Json:
    return {"message": name, "sender": None, "found": [], "reasons": [], "error": None}


def _unopened(opened: Opened) -> Iterator[str]:
    """A message that stays closed is not "not signed": nobody knows."""
    for layer in message_facts(opened)["layers"]:
        if layer["kind"] == "encrypted" and layer["failure"]:
            yield layer["failure"]["message"]


@contextmanager
def _again(stream: BinaryIO) -> Iterator[BinaryIO]:
    """The stream, or a copy of it that can be read twice."""
    if stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        yield copy


def _reference(file: BinaryIO, policy: Policy) -> str | None:
    """The Message-ID, where there is one; the file stands afterwards where it stood."""
    start = file.tell()
    try:
        header = read_entity(Span.of_file(file), limits=policy.limits).header
    except SmimeError:
        return None
    finally:
        file.seek(start)
    found = header.all("Message-ID")
    return found[0].text[:_REFERENCE] or None if found else None


def _show(facts: Sequence[Json]) -> None:
    rows: list[list[Cell]] = []
    for message in facts:
        name: Cell = message["message"], ""
        for each in message["found"]:
            title = certificate_title(each)
            news = "new" if each["new"] else "known"
            kind = "authority" if each["authority"] else "person"
            rows.append(
                [name, (news, "good"), (kind, ""), (title, ""), (each["fingerprint"][:16], "")]
            )
        if not message["found"]:
            rows.append([name, ("nothing", "bad"), ("-", ""), ("-", ""), ("-", "")])
    show_list(("MESSAGE", "LEARNED", "KIND", "WHO", "FINGERPRINT"), rows)
    for message in facts:
        for reason in message["reasons"]:
            note(f"{message['message']}: {reason}")
        if message["error"]:
            error = message["error"]
            note(f"{message['message']}: {error['message']} [{error['code']}]")
