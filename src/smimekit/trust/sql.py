"""The trust store in a database, through SQLAlchemy Core: SQLite, and what else it speaks.

Knows tables and transactions. May not know what makes a certificate trusted. This module needs
the extra `sql`; it is imported by `open_store` and by who names it, never by `smimekit`.

Every query has its index. The schema carries a version; a newer one than this module knows is
refused, not guessed at.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self, final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from smimekit.certificate import Certificate
from smimekit.errors import CertificateError, StoreError, UsageError
from smimekit.trust.index import index_keys, query_key
from smimekit.trust.records import (
    AuditEntry,
    ByFingerprint,
    Capabilities,
    Decision,
    Purpose,
    Query,
    Record,
    Source,
    Verdict,
)
from smimekit.trust.store import (
    FIND_LIMIT,
    conflict,
    decided_record,
    merge_record,
    page_size,
    unknown_certificate,
)

__all__ = ["SCHEMA_VERSION", "SqlTrustStore"]

SCHEMA_VERSION: Final = 1

_meta = sa.MetaData()
_schema = sa.Table("smimekit_schema", _meta, sa.Column("version", sa.Integer, nullable=False))
_certificates = sa.Table(
    "smimekit_certificate",
    _meta,
    sa.Column("fingerprint", sa.String(64), primary_key=True),
    sa.Column("der", sa.LargeBinary, nullable=False),
    sa.Column("sources", sa.Text, nullable=False),
    sa.Column("first_seen", sa.String(32), nullable=False),
    sa.Column("last_seen", sa.String(32), nullable=False),
    sa.Column("capabilities", sa.LargeBinary),
    sa.Column("capabilities_at", sa.String(32)),
    sa.Column("verdict", sa.String(8)),
    sa.Column("decision", sa.Text),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Index("smimekit_verdict", "verdict", "fingerprint"),
)
_index = sa.Table(
    "smimekit_index",
    _meta,
    sa.Column("key", sa.String(80), primary_key=True),
    sa.Column("fingerprint", sa.String(64), primary_key=True),
)
_audit = sa.Table(
    "smimekit_audit",
    _meta,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("decision", sa.Text, nullable=False),
    sa.UniqueConstraint("fingerprint", "revision"),
)

_WRITES: Final = "smimekit_writes"


def _time_text(moment: datetime) -> str:
    """UTC at fixed width, so that texts sort as times do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _source_row(source: Source) -> list[str | None]:
    at = None if source.at is None else _time_text(source.at)
    return [source.kind, source.origin, at, source.reference]


def _read_source(row: list[Any]) -> Source:
    kind, origin, at, reference = row
    return Source(kind, origin, None if at is None else datetime.fromisoformat(at), reference)


def _decision_text(decision: Decision) -> str:
    return json.dumps(
        {
            "verdict": decision.verdict,
            "by": decision.by,
            "why": decision.why,
            "at": _time_text(decision.at),
            "until": None if decision.until is None else _time_text(decision.until),
            "scope": sorted(decision.scope),
        }
    )


def _read_decision(text: str) -> Decision:
    row = json.loads(text)
    return Decision(
        verdict=Verdict(row["verdict"]),
        by=row["by"],
        why=row["why"],
        at=datetime.fromisoformat(row["at"]),
        until=None if row["until"] is None else datetime.fromisoformat(row["until"]),
        scope=frozenset(map(Purpose, row["scope"])),
    )


def _row(record: Record) -> dict[str, Any]:
    known = record.capabilities
    decision = record.decision
    return {
        "sources": json.dumps([_source_row(one) for one in record.sources]),
        "first_seen": _time_text(record.first_seen),
        "last_seen": _time_text(record.last_seen),
        "capabilities": None if known is None else known.der,
        "capabilities_at": None if known is None else _time_text(known.signed_at),
        "verdict": None if decision is None else str(decision.verdict),
        "decision": None if decision is None else _decision_text(decision),
        "revision": record.revision,
    }


def _read(row: Any) -> Record:
    capabilities = None
    if row.capabilities is not None:
        signed_at = datetime.fromisoformat(row.capabilities_at)
        capabilities = Capabilities(bytes(row.capabilities), signed_at)
    return Record(
        certificate=Certificate(bytes(row.der)),
        sources=tuple(map(_read_source, json.loads(row.sources))),
        first_seen=datetime.fromisoformat(row.first_seen),
        last_seen=datetime.fromisoformat(row.last_seen),
        capabilities=capabilities,
        decision=None if row.decision is None else _read_decision(row.decision),
        revision=row.revision,
    )


def _on_connect(connection: Any, _: object) -> None:
    # The driver's own idea of when a transaction begins is switched off: see `_on_begin`.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}").close()


def _on_begin(connection: Connection) -> None:
    # A reader that becomes a writer may find the database busy for good; so writers say it first.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _unavailable(error: Exception) -> StoreError:
    # The driver's message may hold the URL, and with it a password.
    kind = type(error.__cause__ or error).__name__
    return StoreError(
        f"The trust store's database could not do what was asked ({kind}).",
        code="store.unavailable",
    )


@final
class SqlTrustStore:
    """A `TrustStore` in a database. Use it as a context manager, or `close` it.

    Raises `StoreError`: `store.unavailable`, `store.schema` (made by a newer version),
    `store.corrupt`. Writers of one SQLite file wait for each other up to 30 seconds.
    """

    def __init__(self, url: str) -> None:
        try:
            self._engine: Engine = sa.create_engine(url)
        except (SQLAlchemyError, ImportError) as error:
            raise UsageError(
                "The trust store's URL is not one that SQLAlchemy can open here; a local file is "
                "sqlite:///trust.db.",
                code="usage.store-url",
            ) from error
        if self._engine.dialect.name == "sqlite":
            if self._engine.url.database in {None, "", ":memory:"}:
                raise UsageError(
                    "A database in memory is per connection; use MemoryTrustStore.",
                    code="usage.store-url",
                )
            sa.event.listen(self._engine, "connect", _on_connect)
            sa.event.listen(self._engine, "begin", _on_begin)
        try:
            self._prepare()
        except StoreError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back; the store cannot be used afterwards."""
        self._engine.dispose()

    def _prepare(self) -> None:
        with self._transaction(writes=True) as connection:
            _meta.create_all(connection)
            version = connection.execute(sa.select(_schema.c.version)).scalar()
            if version is None:
                connection.execute(_schema.insert().values(version=SCHEMA_VERSION))
            elif version != SCHEMA_VERSION:
                raise StoreError(
                    f"The trust store has schema {version}; this version of smimekit knows "
                    f"{SCHEMA_VERSION}. Use the version that made it, or a newer one.",
                    code="store.schema",
                )

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                marked = connection.execution_options(**{_WRITES: writes})
                with marked.begin():
                    yield marked
        except SQLAlchemyError as error:
            raise _unavailable(error) from None
        except (CertificateError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, UsageError):
                raise
            raise StoreError(
                "The trust store holds a record that cannot be read.", code="store.corrupt"
            ) from error

    # --- reading --------------------------------------------------------------------------

    def find(self, query: Query) -> tuple[Certificate, ...]:
        return tuple(record.certificate for record in self.records(query))

    def records(self, query: Query) -> tuple[Record, ...]:
        wanted = sa.select(_certificates)
        if isinstance(query, ByFingerprint):
            wanted = wanted.where(_certificates.c.fingerprint == query.fingerprint.lower())
        else:
            wanted = wanted.join(_index, _index.c.fingerprint == _certificates.c.fingerprint).where(
                _index.c.key == query_key(query)
            )
        wanted = wanted.order_by(
            _certificates.c.verdict.is_(None),
            _certificates.c.last_seen.desc(),
            _certificates.c.fingerprint,
        ).limit(FIND_LIMIT)
        return self._select(wanted)

    def _select(self, wanted: sa.Select[Any]) -> tuple[Record, ...]:
        with self._transaction() as connection:
            return tuple(map(_read, connection.execute(wanted)))

    def anchors(self) -> tuple[Record, ...]:
        return self._select(
            sa.select(_certificates)
            .where(_certificates.c.verdict == str(Verdict.ANCHOR))
            .order_by(_certificates.c.fingerprint)
        )

    def page(self, *, after: str = "", limit: int = 100) -> tuple[Record, ...]:
        return self._select(
            sa.select(_certificates)
            .where(_certificates.c.fingerprint > after.lower())
            .order_by(_certificates.c.fingerprint)
            .limit(page_size(limit))
        )

    def audit(self, fingerprint: str | None = None) -> Sequence[AuditEntry]:
        wanted = sa.select(_audit).order_by(_audit.c.number)
        if fingerprint is not None:
            wanted = wanted.where(_audit.c.fingerprint == fingerprint.lower())
        with self._transaction() as connection:
            return tuple(
                AuditEntry(
                    fingerprint=row.fingerprint,
                    revision=row.revision,
                    decision=_read_decision(row.decision),
                )
                for row in connection.execute(wanted)
            )

    # --- writing --------------------------------------------------------------------------

    def put(
        self,
        certificate: Certificate,
        source: Source,
        *,
        at: datetime,
        capabilities: Capabilities | None = None,
    ) -> Record:
        with self._transaction(writes=True) as connection:
            known = _locked(connection, certificate.fingerprint)
            record = merge_record(known, certificate, source, at, capabilities)
            if known is None:
                _insert(connection, record)
            elif record != known:
                _update(connection, record, known.revision)
            return record

    def decide(self, fingerprint: str, decision: Decision, *, expected: int) -> Record:
        with self._transaction(writes=True) as connection:
            known = _locked(connection, fingerprint.lower())
            if known is None:
                raise unknown_certificate(fingerprint)
            if known.revision != expected:
                raise conflict(expected, known.revision)
            record = decided_record(known, decision)
            _update(connection, record, expected)
            connection.execute(
                _audit.insert().values(
                    fingerprint=fingerprint.lower(),
                    revision=record.revision,
                    decision=_decision_text(decision),
                )
            )
            return record


def _locked(connection: Connection, fingerprint: str) -> Record | None:
    """The record, which nobody else can change before this transaction ends."""
    wanted = (
        sa.select(_certificates)
        .where(_certificates.c.fingerprint == fingerprint)
        .with_for_update()  # SQLite has no such clause and needs none: see `_on_begin`
    )
    row = connection.execute(wanted).one_or_none()
    return None if row is None else _read(row)


def _insert(connection: Connection, record: Record) -> None:
    certificate = record.certificate
    row = {"fingerprint": certificate.fingerprint, "der": certificate.der, **_row(record)}
    connection.execute(_certificates.insert().values(row))
    connection.execute(
        _index.insert(),
        [
            {"key": key, "fingerprint": certificate.fingerprint}
            for key in sorted(index_keys(certificate))
        ],
    )


def _update(connection: Connection, record: Record, expected: int) -> None:
    done = connection.execute(
        _certificates.update()
        .where(_certificates.c.fingerprint == record.certificate.fingerprint)
        .where(_certificates.c.revision == expected)
        .values(_row(record))
    )
    if done.rowcount != 1:
        raise conflict(expected, expected + 1)
