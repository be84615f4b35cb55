"""The trust store in a folder: a PEM file for each certificate, which a person can read.

Knows what stands in the files. May not know how files change together (`folder`), nor what
makes a certificate trusted. The layout, for people:

    state                    the format, and how often the store changed
    certificates/<sha-256>.pem     what is known about a certificate, then the certificate
    decisions.jsonl          the audit trail: one decision a line, in order, never rewritten

Everything is held in memory as well, and read again when another process has changed it: it is
a store for some thousand certificates; more belong into a database.
"""

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, final

from smimekit.certificate import Certificate
from smimekit.errors import CertificateError, StoreError
from smimekit.trust.records import AuditEntry, Decision, Query, Record, Sighting, Verdict
from smimekit.trust.store import TrustStore
from smimekit.trust.stores.folder import Change, Folder
from smimekit.trust.stores.forms import (
    capabilities_form,
    decision_form,
    preference_form,
    read_capabilities,
    read_decision,
    read_preference,
    read_source,
    read_time,
    source_form,
    time_text,
)
from smimekit.trust.stores.memory import Table
from smimekit.trust.stores.merging import decided_record, merge_all

__all__ = ["DirectoryTrustStore", "is_in_use"]

_FORMAT: Final = 1
_STATE: Final = "state"
_TRAIL: Final = "decisions.jsonl"
_CERTIFICATES: Final = "certificates"
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_BEFORE: Final = frozenset({"lock", "state.new", "journal.new"})
"""What may be there before there is a store."""


# --- files ---------------------------------------------------------------------------------


def _json(form: Any, indent: int | None = None) -> str:
    # What looks like the lines of PEM may stand in a subject or a Message-ID; programs that
    # search for those lines must find the certificate only.
    return json.dumps(form, indent=indent).replace("-----", "\\u002d----")


def _for_people(certificate: Certificate) -> str:
    lines = (
        f"Subject: {certificate.subject_text}",
        f"Issuer: {certificate.issuer_text}",
        f"Valid: {certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}",
    )
    return "".join(f"# {line.replace('-----', '- - -')}\n" for line in lines)


def _record_text(record: Record) -> str:
    decision = record.decision
    form = {
        "first_seen": time_text(record.first_seen),
        "last_seen": time_text(record.last_seen),
        "sources": [source_form(one) for one in record.sources],
        "addresses": list(record.addresses),
        "capabilities": capabilities_form(record.capabilities),
        "preference": preference_form(record.preference),
        "decision": decision_form(decision),
        "revision": record.revision,
    }
    head = _for_people(record.certificate)
    return f"{head}{_json(form, indent=1)}\n{record.certificate.pem().decode()}"


def _read_record(name: str, data: bytes) -> Record:
    lines = data.decode().split("\n")
    start, end = lines.index("{"), lines.index(_BEGIN)
    form = json.loads("\n".join(lines[start:end]))
    certificate = Certificate.from_pem("\n".join(lines[end:]).encode())
    if name != _file_of(certificate.fingerprint):
        raise ValueError("a file under another certificate's name")
    return Record(
        certificate=certificate,
        sources=tuple(map(read_source, form["sources"])),
        first_seen=read_time(form["first_seen"]),
        last_seen=read_time(form["last_seen"]),
        capabilities=read_capabilities(form["capabilities"]),
        preference=read_preference(form["preference"]),
        decision=None if form["decision"] is None else read_decision(form["decision"]),
        revision=form["revision"],
    )


def _file_of(fingerprint: str) -> str:
    return f"{_CERTIFICATES}/{fingerprint}.pem"


def _entry_text(entry: AuditEntry) -> str:
    form = {
        "fingerprint": entry.fingerprint,
        "revision": entry.revision,
        "decision": decision_form(entry.decision),
    }
    return _json(form) + "\n"


def _read_entry(line: bytes) -> AuditEntry:
    form = json.loads(line)
    return AuditEntry(
        fingerprint=form["fingerprint"],
        revision=form["revision"],
        decision=read_decision(form["decision"]),
    )


def _by_trail(trail: Iterable[AuditEntry]) -> dict[str, tuple[int, Decision | None]]:
    """What was decided last about each certificate: the records say it as well."""
    return {
        one.fingerprint: (
            one.revision,
            None if one.decision.verdict is Verdict.NONE else one.decision,
        )
        for one in trail
    }


def _by_record(records: Iterable[Record]) -> dict[str, tuple[int, Decision | None]]:
    return {one.fingerprint: (one.revision, one.decision) for one in records if one.revision}


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (CertificateError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise StoreError(
            "The trust store's folder holds a file that cannot be read, or misses one. Stop all "
            "that use it, and put a backup in its place.",
            code="store.corrupt",
        ) from error


def is_in_use(folder: Path) -> bool:
    """Whether a folder is there and holds a store, or anything else; raises OSError."""
    return folder.exists() and any(path.name not in _BEFORE for path in folder.iterdir())


# --- the store -----------------------------------------------------------------------------


@final
class DirectoryTrustStore(TrustStore):
    """A `TrustStore` in a folder of a local disk, for several threads and processes.

    The folder is made where there is none; one that holds other things is refused. Raises
    `StoreError`: `store.unavailable`, `store.schema` (made by a newer version, or no trust
    store), `store.corrupt`, `store.busy`.
    """

    def __init__(self, path: str | Path) -> None:
        self._lock = threading.Lock()
        self._folder = Folder(Path(path))
        self._files: dict[str, bytes] = {}
        self._table = Table()
        self._changes = -1
        self._trail_size = 0
        self._seen: tuple[bytes | None, int] = (None, 0)
        with self._lock, self._folder.locked(alone=True):
            if self._folder.read(_STATE) is None:
                self._make()
            self._refresh()

    def _make(self) -> None:
        if is_in_use(self._folder.path):
            raise StoreError(
                f"The folder {self._folder.path} holds other things and is no trust store; "
                "name an empty one, or one that does not exist.",
                code="store.schema",
            )
        self._folder.commit(Change({_STATE: _state(0, 0)}))

    # --- what others wrote ----------------------------------------------------------------

    def _refresh(self) -> None:
        with _readable():
            state = json.loads(self._folder.read(_STATE) or b"")
            if state["format"] != _FORMAT:
                raise StoreError(
                    f"The trust store's folder has format {state['format']}; this version of "
                    f"smimekit knows {_FORMAT}. Use a newer one.",
                    code="store.schema",
                )
            if state["changes"] != self._changes:
                self._load()
            self._changes, self._table.version = state["changes"], state["version"]

    def _load(self) -> None:
        """All of it again; what has not changed is not parsed again."""
        table, files = Table(), {}
        for name in self._folder.names(_CERTIFICATES):
            files[name] = data = self._folder.read(name) or b""
            known = self._table.records.get(name[len(_CERTIFICATES) + 1 : -len(".pem")])
            same = known is not None and self._files.get(name) == data
            table.install(known if known and same else _read_record(name, data))
        trail = self._folder.read(_TRAIL) or b""
        table.trail = [_read_entry(line) for line in trail.splitlines()]
        if _by_trail(table.trail) != _by_record(table.records.values()):
            raise ValueError("a decision that only one of its two places knows")
        self._table, self._files, self._trail_size = table, files, len(trail)

    @contextmanager
    def _open(self, *, alone: bool = False) -> Iterator[Table]:
        with self._lock, self._folder.locked(alone=alone):
            self._refresh()
            yield self._table

    def _commit(self, records: Sequence[Record], entry: AuditEntry | None, version: int) -> None:
        texts = {_file_of(one.fingerprint): _record_text(one) for one in records}
        line = "" if entry is None else _entry_text(entry)
        state = _state(self._changes + 1, version)
        self._folder.commit(Change({**texts, _STATE: state}, _TRAIL, self._trail_size, line))
        for one in records:
            self._table.install(one)
        self._files |= {name: text.encode() for name, text in texts.items()}
        self._table.trail += () if entry is None else (entry,)
        self._trail_size += len(line)
        self._changes, self._table.version = self._changes + 1, version

    # --- the contract ---------------------------------------------------------------------

    def put_all(self, sightings: Iterable[Sighting], *, at: datetime) -> tuple[Record, ...]:
        facts = tuple(sightings)
        with self._open() as table:
            found = merge_all(table.records, facts, at)
            news = table.news(found)
        if news:
            with self._open(alone=True) as table:
                found = merge_all(table.records, facts, at)
                news = table.news(found)
                self._commit(news, None, table.version_with(news))
        return tuple(found[one.certificate.fingerprint] for one in facts)

    def decide(self, fingerprint: str, decision: Decision, *, expected: int) -> Record:
        name = fingerprint.lower()
        with self._open(alone=True) as table:
            record = decided_record(table.records.get(name), name, decision, expected)
            entry = AuditEntry(fingerprint=name, revision=record.revision, decision=decision)
            self._commit((record,), entry, table.version + 1)
            return record

    def records(self, query: Query) -> tuple[Record, ...]:
        with self._open() as table:
            return table.select(query)

    def anchors(self) -> tuple[Record, ...]:
        with self._open() as table:
            return table.anchors()

    def audit(self, fingerprint: str | None = None) -> tuple[AuditEntry, ...]:
        with self._open() as table:
            return table.audit(fingerprint)

    def page(
        self, *, after: str = "", limit: int = 100, query: Query | None = None
    ) -> tuple[Record, ...]:
        with self._open() as table:
            return table.page(after, limit, query)

    def version(self) -> int:
        # Without the locks, which take longer than all else: a change that is not in its file
        # yet stands in the journal, and then there is something to wait for.
        if self._folder.unfinished:
            with self._open() as table:
                return table.version
        # The file is read each time. Its date would not do: two changes may bear the same one.
        state = self._folder.read(_STATE)
        seen, version = self._seen
        if state is None or state != seen:
            with _readable():
                version = int(json.loads(state or b"")["version"])
            self._seen = state, version
        return version


def _state(changes: int, version: int) -> str:
    return json.dumps({"format": _FORMAT, "changes": changes, "version": version}) + "\n"
