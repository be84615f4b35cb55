"""Fetched revocation evidence in a database, through SQLAlchemy Core: SQLite and PostgreSQL.

Knows one table. May not know what evidence says. This module needs the extra `sql`. The table
may stand beside those of a trust store, or in a database of its own; its name carries the
version of its layout, and since a cache can be thrown away, another version starts anew.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar, final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from smimekit.database import OpenDatabase
from smimekit.errors import StoreError, UsageError
from smimekit.trust.revocation.cache import CachedEvidence, EvidenceKind

__all__ = ["SqlEvidenceCache"]

_T = TypeVar("_T")
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
class SqlEvidenceCache(OpenDatabase):
    """An `EvidenceCache` in a database. Use it as a context manager, or `close` it.

    Raises `UsageError` for a URL that names none, `StoreError` where it cannot do what was asked.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, refused=_refused, failed=_failed)
        self._prepare(_is_ready, _create)

    def _run(self, engine: Engine, action: Callable[[Connection], _T]) -> _T:
        try:
            return super()._run(engine, action)
        except ValueError as error:
            raise self._failure(error) from None

    def get(self, keys: Iterable[str]) -> tuple[CachedEvidence, ...]:
        wanted = sa.select(_evidence).where(_evidence.c.key.in_(list(keys)))
        return self._reading(lambda connection: tuple(map(_read, connection.execute(wanted))))

    def put(self, evidence: CachedEvidence, *, instead_of: bytes | None = None) -> None:
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
            where=sa.or_(
                _evidence.c.this_update < insert.excluded.this_update,
                sa.and_(
                    _evidence.c.this_update == insert.excluded.this_update,
                    _evidence.c.der.in_([evidence.der, instead_of or evidence.der]),
                ),
            ),
        )
        self._writing(lambda connection: connection.execute(statement))

    def forget(self, before: datetime) -> int:
        statement = _evidence.delete().where(_evidence.c.fetched_at < _time_text(before))
        return self._writing(lambda connection: int(connection.execute(statement).rowcount))


def _is_ready(connection: Connection) -> bool:
    return sa.inspect(connection).has_table(_evidence.name)


def _create(connection: Connection) -> None:
    _meta.create_all(connection)


def _failed(kind: str) -> StoreError:
    return StoreError(
        f"The cache of revocation evidence could not do what was asked ({kind}).",
        code="store.evidence",
    )


def _refused() -> UsageError:
    return UsageError(
        "Revocation evidence is kept in SQLite or PostgreSQL: sqlite:///evidence.db.",
        code="usage.evidence-url",
    )
