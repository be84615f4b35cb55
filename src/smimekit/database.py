"""The database that a store lives in: opened by its URL, used in transactions, closed.

Knows SQLAlchemy's engines, and what SQLite and PostgreSQL need. May not know any table. This
module needs the extra `sql`; it is imported by the stores in databases, and by no other.
"""

import os
import time
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeVar, final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from smimekit.database_file import DatabaseFile, begin_file
from smimekit.errors import StoreError, UsageError

__all__ = ["OpenDatabase"]

_T = TypeVar("_T")
_WRITES: Final = "smimekit_writes"
_DIALECTS: Final = frozenset({"sqlite", "postgresql"})
_LOCK: Final = 0x736D696D65
"""PostgreSQL's advisory lock for who makes or changes tables: "smime"."""
_ATTEMPTS: Final = 8
"""Times that a writer tries where others write the same: each time one of them gets through."""


@final
@dataclass(frozen=True, slots=True)
class _Question:
    """A statement as a driver takes it."""

    text: str
    fixed: Mapping[str, object]
    order: Sequence[str] | None
    """Of the parameters; None where the driver takes them by name."""
    row: Callable[[Iterable[object]], Any]

    def parameters(self, values: Mapping[str, object]) -> Any:
        named = {**self.fixed, **values}
        return named if self.order is None else tuple(named[name] for name in self.order)


def _question(statement: sa.Select[Any], dialect: sa.Dialect) -> _Question:
    compiled: Any = statement.compile(dialect=dialect)
    names = statement.selected_columns.keys()
    row = namedtuple("Row", names)  # type: ignore[misc]  # noqa: PYI024 - the names are the table's
    order = compiled.positiontup if compiled.positional else None
    return _Question(str(compiled), compiled.params, order, row._make)


class OpenDatabase:
    """SQLite or PostgreSQL, for a store to derive from: a context manager, or `close` it.

    `refused` makes the error of a URL that names no such database, `failed` that of a database
    which did not do what was asked; it gets the name of what went wrong, for the driver's own
    message may hold the URL, and with it a password. `pragmas` are for SQLite. Writers of one
    SQLite file wait for each other up to 30 seconds. A process that was forked opens it itself.

    Of an SQLite file that was lost, before it was opened or since, every method says
    `store.corrupt` or `store.replaced` (but for the file of a URI, which SQLite alone reads).
    `clock` counts seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        refused: Callable[[], UsageError],
        failed: Callable[[str], StoreError],
        pragmas: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failed: Final = failed
        self._closed = False
        self._engine: Final = _engine(url, refused)
        self._questions: Final[dict[sa.Select[Any], _Question]] = {}
        self._writer: Final = self._engine.execution_options(**{_WRITES: True})
        sa.event.listen(self._engine, "begin", _on_begin)
        if self._engine.dialect.name == "sqlite":
            _always(self._engine, (*pragmas, "busy_timeout=30000"))
        self._file: Final = self._opened_file(clock)

    def _opened_file(self, clock: Callable[[], float]) -> DatabaseFile | None:
        path = _path_of(self._engine)
        if path is None:
            return None
        dialect: Any = self._engine.dialect
        try:
            begin_file(path)
        except (OSError, dialect.dbapi.Error) as error:
            raise self._failed(type(error).__name__) from None
        return DatabaseFile(path, clock)

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
        """Give the connections back; using it afterwards is `store.closed`."""
        self._closed = True
        self._engine.dispose()

    def _require_open(self) -> None:
        if self._closed:
            raise StoreError("The store was closed; open it again.", code="store.closed")
        if self._file is not None:
            self._file.require_often()

    def _reading(self, action: Callable[[Connection], _T]) -> _T:
        """What an action finds that only reads; it may run again."""
        return self._trying(lambda: self._run(self._engine, action))

    def _asking(self, statement: sa.Select[Any], **values: object) -> Sequence[Any]:
        """The rows that a statement gives, for one that is asked often: it is kept, compiled.

        It goes to the driver by hand: through `Connection.execute` it takes three times as long,
        more than the database itself.
        """
        question = self._questions.get(statement)
        if question is None:
            question = self._questions[statement] = _question(statement, self._engine.dialect)
        return self._trying(lambda: self._ask(question, values))

    def _writing(self, action: Callable[[Connection], _T]) -> _T:
        """What an action finds, in one transaction that may write; the action may run again."""
        self._require_open()
        if self._file is None:
            return self._trying(lambda: self._run(self._writer, action))
        self._file.require()
        found = self._trying(lambda: self._run(self._writer, action))
        self._file.require()  # else it was written for nobody
        return found

    def _trying(self, action: Callable[[], _T]) -> _T:
        for left in reversed(range(_ATTEMPTS)):
            try:
                return action()
            except SQLAlchemyError as error:
                if not left or not _again(error):
                    raise self._failure(error) from None
        raise AssertionError  # the last attempt returns or raises

    def _prepare(
        self, ready: Callable[[Connection], bool], make: Callable[[Connection], None]
    ) -> None:
        """Make the tables where they are not ready, while nobody else does; closed if it fails."""

        def alone(connection: Connection) -> None:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            make(connection)

        try:
            if not self._reading(ready):
                self._writing(alone)
        except StoreError:
            self.close()
            raise

    def _run(self, engine: Engine, action: Callable[[Connection], _T]) -> _T:
        self._require_open()
        with engine.connect() as connection:
            if engine is self._engine:
                return action(connection)
            with connection.begin() as transaction:
                found = action(connection)
                try:
                    transaction.commit()
                except DBAPIError as error:
                    if error.connection_invalidated:  # perhaps it happened: not to be done twice
                        raise self._failure(error) from None
                    raise
            return found

    def _ask(self, question: _Question, values: Mapping[str, object]) -> Sequence[Any]:
        self._require_open()
        pooled = self._engine.raw_connection()
        dialect: Any = self._engine.dialect
        try:
            cursor = pooled.cursor()
            cursor.execute(question.text, question.parameters(values))
            rows = cursor.fetchall()
            cursor.close()
        except dialect.dbapi.Error as error:
            lost = dialect.is_disconnect(error, pooled.driver_connection, None)
            if lost:
                pooled.invalidate()
            raise DBAPIError(question.text, None, error, connection_invalidated=lost) from error
        finally:
            pooled.close()
        return list(map(question.row, rows))

    def _failure(self, error: Exception) -> StoreError:
        if _is_damage(error):
            return StoreError(
                "The database is damaged, or none at all. Stop all that use it, and put a backup "
                "in its place.",
                code="store.corrupt",
            )
        return self._failed(type(error.__cause__ or error).__name__)


def _is_damage(error: Exception) -> bool:
    """SQLITE_CORRUPT or SQLITE_NOTADB, in any of their variants (SQLite's result codes)."""
    code = getattr(getattr(error, "orig", error), "sqlite_errorcode", 0)
    return code & 0xFF in {11, 26}


def _again(error: SQLAlchemyError) -> bool:
    """Whether nothing has happened, and trying again will do.

    Class 23 is a constraint (two of them put a certificate), 40 a rollback such as a deadlock.
    Or the connection was lost. So may be those that the pool keeps, which are fewer than the
    attempts; to ask each before its use would be a way to the server of its own.
    """
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    conflict = isinstance(state, str) and state[:2] in {"23", "40"}
    return conflict or error.connection_invalidated


def _engine(text: str, refused: Callable[[], UsageError]) -> Engine:
    try:
        url = sa.make_url(text)
        if url.get_backend_name() == "sqlite" and not _is_file(url):
            raise refused()
        if url.drivername == "postgresql":  # SQLAlchemy 2.0 would take psycopg2
            url = url.set(drivername="postgresql+psycopg")
        # The driver's own idea of when a transaction begins is switched off: see `_on_begin`.
        # Reading goes without one: a statement sees what is committed, and a transaction around
        # it would be two more ways to the server.
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    except UsageError:
        raise
    except (SQLAlchemyError, ImportError, ValueError):  # whose texts may quote a password
        raise refused() from None
    if engine.dialect.name not in _DIALECTS:
        engine.dispose()
        raise refused()
    return engine


def _is_file(url: sa.URL) -> bool:
    """What is in memory would be another database for each connection (SQLite's URIs, too)."""
    name = url.database or ""
    in_memory = name in {"", ":memory:"} or name.startswith("file::memory:")
    mode, vfs = (url.normalized_query.get(each, ()) for each in ("mode", "vfs"))
    if in_memory or "memory" in mode or "memdb" in vfs:
        return False
    try:
        return b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False


def _path_of(engine: Engine) -> str | None:
    """The file of SQLite; None for a server, and for a URI, whose parts are SQLite's affair."""
    if engine.dialect.name != "sqlite":
        return None
    (name,), options = engine.dialect.create_connect_args(engine.url)
    return None if options.get("uri") else name


def _always(engine: Engine, pragmas: Sequence[str]) -> None:
    """Say this to SQLite on each connection."""

    def on_connect(connection: Any, _: object) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}").close()

    sa.event.listen(engine, "connect", on_connect)


def _on_begin(connection: Connection) -> None:
    # A reader that becomes a writer may find SQLite busy for good; so writers say it first.
    if connection.get_execution_options().get(_WRITES):
        in_sqlite = connection.dialect.name == "sqlite"
        connection.exec_driver_sql("BEGIN IMMEDIATE" if in_sqlite else "BEGIN")
