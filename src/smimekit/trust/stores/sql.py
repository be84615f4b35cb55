"""The trust store in a database, through SQLAlchemy Core: SQLite and PostgreSQL.

Knows queries and transactions. May not know what makes a certificate trusted. This module needs
the extra `sql`; it is imported by `open_store` and by who names it, never by `smimekit`.

Every query has its index (`schema` holds the tables, `statements` the queries). Facts that are
nothing new are found so by reading, and begin no transaction that writes.
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, TypeVar, final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from smimekit.certificate import Certificate
from smimekit.database import OpenDatabase
from smimekit.errors import CertificateError, StoreError, UsageError
from smimekit.trust.parsed import ParsedCertificates
from smimekit.trust.records import (
    AuditEntry,
    ByFingerprint,
    Capabilities,
    Decision,
    Query,
    Record,
    Sighting,
    is_authority,
)
from smimekit.trust.store import TrustStore
from smimekit.trust.stores.forms import (
    decision_form,
    preference_form,
    read_decision,
    read_preference,
    read_source,
    read_time,
    source_form,
    time_text,
)
from smimekit.trust.stores.index import index_keys, query_key
from smimekit.trust.stores.merging import decided_record, merge_all, page_size
from smimekit.trust.stores.schema import (
    SCHEMA_VERSION,
    audit,
    certificates,
    found_version,
    index,
    rejected,
    schema,
)
from smimekit.trust.stores.schema import prepare as prepare_tables
from smimekit.trust.stores.statements import (
    ANCHORS,
    AUDIT,
    AUDIT_OF,
    BY_KEY,
    BY_NAME,
    CHANGES,
    KNOWN,
    LOCKED,
    PAGE,
    PAGE_BY_KEY,
    PAGE_BY_NAME,
    UNMARK,
)
from smimekit.trust.stores.watch import Watch

__all__ = ["SCHEMA_VERSION", "SqlTrustStore"]

_T = TypeVar("_T")
_NAMES: Final = 500
"""Certificates that one statement asks for."""
_PARSED: Final = 16 << 20
"""Bytes of parsed certificates that one store keeps: those of some hundred people."""


# --- rows ----------------------------------------------------------------------------------


def _json(form: Any) -> str | None:
    return None if form is None else json.dumps(form)


def _row(record: Record) -> dict[str, Any]:
    known = record.capabilities
    decision = record.decision
    return {
        "fingerprint": record.fingerprint,
        "der": record.certificate.der,
        "sources": json.dumps([source_form(one) for one in record.sources]),
        "first_seen": time_text(record.first_seen),
        "last_seen": time_text(record.last_seen),
        "capabilities": None if known is None else known.der,
        "capabilities_at": None if known is None else time_text(known.signed_at),
        "preference": _json(preference_form(record.preference)),
        "verdict": None if decision is None else str(decision.verdict),
        "decision": _json(decision_form(decision)),
        "revision": record.revision,
    }


def _read(row: Any, parsed: Callable[[bytes], Certificate] = Certificate) -> Record:
    capabilities = None
    if row.capabilities is not None:
        capabilities = Capabilities(bytes(row.capabilities), read_time(row.capabilities_at))
    found = Record(
        certificate=parsed(bytes(row.der)),
        sources=tuple(map(read_source, json.loads(row.sources))),
        first_seen=read_time(row.first_seen),
        last_seen=read_time(row.last_seen),
        capabilities=capabilities,
        preference=None if row.preference is None else read_preference(json.loads(row.preference)),
        decision=None if row.decision is None else read_decision(json.loads(row.decision)),
        revision=row.revision,
    )
    verdict = None if found.decision is None else found.decision.verdict
    if (found.fingerprint, verdict) != (row.fingerprint, row.verdict):
        # Of what is damaged nobody may take a decision for another's, or for none.
        raise ValueError("a row that contradicts itself")
    return found


def _read_entry(row: Any) -> AuditEntry:
    return AuditEntry(
        fingerprint=row.fingerprint,
        revision=row.revision,
        decision=read_decision(json.loads(row.decision)),
    )


# --- errors --------------------------------------------------------------------------------


def _refused() -> UsageError:
    return UsageError(
        "The trust store's URL is not one that can be opened here; a local file is "
        "sqlite:///trust.db (what is kept in memory only is a MemoryTrustStore), and PostgreSQL "
        "needs the extra: pip install 'smimekit[postgres]'.",
        code="usage.store-url",
    )


def _unavailable(kind: str) -> StoreError:
    return StoreError(
        f"The trust store's database could not do what was asked ({kind}). Look whether its file "
        "and folder, or its server, are there, and may be written.",
        code="store.unavailable",
    )


@contextmanager
def _readable() -> Iterator[None]:
    """What the database holds is ours, or `store.corrupt`; SQLAlchemy's errors pass."""
    try:
        yield
    except UsageError:
        raise
    except (CertificateError, KeyError, TypeError, ValueError) as error:
        raise StoreError(
            "The trust store holds a record that cannot be read, or misses one. Its database is "
            "damaged: stop all that use it, and put a backup in its place.",
            code="store.corrupt",
        ) from error


# --- the store -----------------------------------------------------------------------------


@final
class SqlTrustStore(OpenDatabase, TrustStore):
    """A `TrustStore` in a database. Use it as a context manager, or `close` it.

    Raises `StoreError`: `store.unavailable`, `store.schema` (made by a newer version),
    `store.corrupt` (damaged, or cut off), `store.replaced` (its file is another one now, or gone).
    Writers of one SQLite file wait for each other up to 30 seconds. A process that was forked opens
    the store itself. `clock` counts seconds.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(
            url,
            refused=_refused,
            failed=_unavailable,
            pragmas=("journal_mode=WAL", "synchronous=FULL"),
            clock=clock,
        )
        self._watch = Watch(self._engine, str(CHANGES))
        self._parsed: Final = ParsedCertificates(_PARSED)
        self._prepare(_is_ready, prepare_tables)

    def close(self) -> None:
        self._watch.close()
        super().close()

    def _run(self, engine: Engine, action: Callable[[Connection], _T]) -> _T:
        with _readable():
            return super()._run(engine, action)

    # --- reading --------------------------------------------------------------------------

    def _select(
        self, wanted: sa.Select[Any], read: Callable[[Any], _T], **values: object
    ) -> tuple[_T, ...]:
        with _readable():
            return tuple(map(read, self._asking(wanted, **values)))

    def records(self, query: Query) -> tuple[Record, ...]:
        if isinstance(query, ByFingerprint):
            return self._select(BY_NAME, self._recalled, name=_name(query.fingerprint))
        return self._select(BY_KEY, self._recalled, key=query_key(query))

    def _recalled(self, row: Any) -> Record:
        """What the database says now, with the certificate's octets parsed once for many asks."""
        return _read(row, self._parsed.certificate)

    def anchors(self) -> tuple[Record, ...]:
        return self._select(ANCHORS, _read)

    def page(
        self, *, after: str = "", limit: int = 100, query: Query | None = None
    ) -> tuple[Record, ...]:
        bounds: dict[str, object] = {"after": _name(after), "size": page_size(limit)}
        if query is None:
            return self._select(PAGE, _read, **bounds)
        if isinstance(query, ByFingerprint):
            return self._select(PAGE_BY_NAME, _read, **bounds, name=_name(query.fingerprint))
        return self._select(PAGE_BY_KEY, _read, **bounds, key=query_key(query))

    def audit(self, fingerprint: str | None = None) -> Sequence[AuditEntry]:
        if fingerprint is None:
            return self._select(AUDIT, _read_entry)
        return self._select(AUDIT_OF, _read_entry, name=_name(fingerprint))

    def version(self) -> int:
        self._require_open()
        try:
            return self._watch.value()
        except self._watch.errors as error:
            raise self._failure(error) from None

    # --- writing --------------------------------------------------------------------------

    def put_all(self, sightings: Iterable[Sighting], *, at: datetime) -> tuple[Record, ...]:
        facts = tuple(sightings)
        names = sorted({one.certificate.fingerprint for one in facts})
        known = self._reading(lambda connection: _known(connection, names, lock=False))
        found = merge_all(known, facts, at)
        if any(known.get(name) != record for name, record in found.items()):
            found = self._writing(lambda connection: _merge(connection, facts, names, at))
        return tuple(found[one.certificate.fingerprint] for one in facts)

    def decide(self, fingerprint: str, decision: Decision, *, expected: int) -> Record:
        name = _name(fingerprint)

        def act(connection: Connection) -> Record:
            known = _known(connection, (name,), lock=True).get(name)
            record = decided_record(known, name, decision, expected)
            _update(connection, (record,))
            _mark(connection, record)
            connection.execute(
                audit.insert().values(
                    fingerprint=name,
                    revision=record.revision,
                    decision=_json(decision_form(decision)),
                )
            )
            _count(connection, 1)
            return record

        return self._writing(act)


def _name(fingerprint: str) -> str:
    """As the tables have it; without what databases cannot take, and no fingerprint has."""
    return re.sub(r"[^!-~]", "~", fingerprint.lower())


def _is_ready(connection: Connection) -> bool:
    return found_version(connection) == SCHEMA_VERSION


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _NAMES):
        yield names[start : start + _NAMES]


def _known(connection: Connection, names: Sequence[str], *, lock: bool) -> dict[str, Record]:
    """The records that there are. Locked, nobody else can change them in this transaction."""
    wanted = LOCKED if lock else KNOWN
    return {
        row.fingerprint: _read(row)
        for part in _parts(names)
        for row in connection.execute(wanted, {"names": list(part)})
    }


def _merge(
    connection: Connection, facts: Sequence[Sighting], names: Sequence[str], at: datetime
) -> dict[str, Record]:
    known = _known(connection, names, lock=True)
    found = merge_all(known, facts, at)
    unknown = [record for name, record in sorted(found.items()) if name not in known]
    _insert(connection, unknown)
    _update(
        connection,
        [one for name, one in sorted(found.items()) if known.get(name, one) != one],
    )
    _count(connection, sum(is_authority(one.certificate) for one in unknown))
    return found


def _insert(connection: Connection, records: Sequence[Record]) -> None:
    if not records:
        return
    connection.execute(certificates.insert(), list(map(_row, records)))
    connection.execute(index.insert(), [entry for one in records for entry in _entries(one)])


def _entries(record: Record) -> list[dict[str, str]]:
    keys = sorted(index_keys(record.certificate))
    return [{"key": key, "fingerprint": record.fingerprint} for key in keys]


def _mark(connection: Connection, record: Record) -> None:
    """Keep the keys of a rejected certificate, and of no other, a second time."""
    entries = _entries(record)
    connection.execute(UNMARK, [{f"old_{name}": one[name] for name in one} for one in entries])
    if record.rejected:
        connection.execute(rejected.insert(), entries)


def _update(connection: Connection, records: Sequence[Record]) -> None:
    for one in records:
        row = {name: value for name, value in _row(one).items() if name != "der"}
        connection.execute(
            certificates.update().where(certificates.c.fingerprint == one.fingerprint).values(row)
        )


def _count(connection: Connection, changes: int) -> None:
    if changes:
        connection.execute(schema.update().values(changes=schema.c.changes + changes))
