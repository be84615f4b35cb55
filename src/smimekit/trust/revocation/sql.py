"""Fetched revocation evidence in a database, through SQLAlchemy Core: SQLite and PostgreSQL.

Knows one table. May not know what evidence says. This module needs the extra `sql`. The table
may stand beside those of a trust store, or in a database of its own; its name carries the
version of its layout, and since a cache can be thrown away, another version starts anew.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self, final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from smimekit.errors import StoreError, UsageError
from smimekit.trust.revocation.cache import CachedEvidence, EvidenceKind

__all__ = ["SqlEvidenceCache"]

_meta = sa.MetaData()
_evidence = sa.Table(
    "smimekit_evidence_1",
    _meta,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(4), nullable=False),
    sa.Column("der", sa.LargeBinary, nullable=False),
    sa.Column("this_update", sa.String(32), nullable=False),
    sa.Column("next_update", sa.String(32)),
    sa.Column("fetched_at", sa.String(32), nullable=False, index=True),
)
_INSERTS: Final[dict[str, Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def _time_text(moment: datetime) -> str:
    """UTC at fixed width, so that texts sort as times do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _read(row: Any) -> CachedEvidence:
    return CachedEvidence(
        key=row.key,
        kind=EvidenceKind(row.kind),
        der=bytes(row.der),
        this_update=datetime.fromisoformat(row.this_update),
        next_update=None if row.next_update is None else datetime.fromisoformat(row.next_update),
        fetched_at=datetime.fromisoformat(row.fetched_at),
    )


@final
class SqlEvidenceCache:
    """An `EvidenceCache` in a database. Use it as a context manager, or `close` it.

    Raises `UsageError` for a URL that names none, `StoreError` where it cannot do what was asked.
    """

    def __init__(self, url: str) -> None:
        try:
            place = sa.make_url(url)
            if place.drivername == "postgresql":  # else SQLAlchemy 2.0 looks for psycopg2
                place = place.set(drivername="postgresql+psycopg")
            networked = place.get_backend_name() != "sqlite"
            self._engine = sa.create_engine(place, pool_pre_ping=networked)
        except (SQLAlchemyError, ImportError) as error:
            raise _no_database() from error
        url_of = self._engine.url
        in_memory = url_of.database in {None, "", ":memory:"}  # one for each connection
        if url_of.get_backend_name() not in _INSERTS or in_memory:
            self.close()
            raise _no_database()
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
        """Give the connections back; the cache cannot be used afterwards."""
        self._engine.dispose()

    def _prepare(self) -> None:
        try:
            self._create()
        except StoreError:  # perhaps somebody else was creating it; then it is there now
            self._create()

    def _create(self) -> None:
        with self._transaction() as connection:
            connection.execute(CreateTable(_evidence, if_not_exists=True))
            for index in _evidence.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, ValueError) as error:
            # The driver's message may hold the URL, and with it a password.
            raise StoreError(
                "The cache of revocation evidence could not do what was asked "
                f"({type(error.__cause__ or error).__name__}).",
                code="store.evidence",
            ) from None

    def get(self, keys: Iterable[str]) -> tuple[CachedEvidence, ...]:
        wanted = sa.select(_evidence).where(_evidence.c.key.in_(list(keys)))
        with self._transaction() as connection:
            return tuple(map(_read, connection.execute(wanted)))

    def put(self, evidence: CachedEvidence) -> None:
        end = evidence.next_update
        row = {
            "key": evidence.key,
            "kind": str(evidence.kind),
            "der": evidence.der,
            "this_update": _time_text(evidence.this_update),
            "next_update": None if end is None else _time_text(end),
            "fetched_at": _time_text(evidence.fetched_at),
        }
        # One statement, so that two processes cannot both think that theirs is the newest.
        insert = _INSERTS[self._engine.dialect.name](_evidence).values(row)
        statement = insert.on_conflict_do_update(
            index_elements=["key"],
            set_={name: insert.excluded[name] for name in row},
            where=_evidence.c.this_update <= insert.excluded.this_update,
        )
        with self._transaction() as connection:
            connection.execute(statement)

    def forget(self, before: datetime) -> int:
        statement = _evidence.delete().where(_evidence.c.fetched_at < _time_text(before))
        with self._transaction() as connection:
            return int(connection.execute(statement).rowcount)


def _no_database() -> UsageError:
    return UsageError(
        "Revocation evidence is kept in SQLite or PostgreSQL: sqlite:///evidence.db.",
        code="usage.evidence-url",
    )
