"""One number, read from a database again and again by a connection that is kept for it.

Knows drivers. May not know what the number means. A pooled connection would cost several times
as much as the question. Each answer is the database's own, and as of now: what another process
committed before the question is in it. The engine has to begin no transactions by itself.
"""

import os
import threading
from collections.abc import Callable
from typing import Any, Final, final

from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

__all__ = ["Watch"]

_NAME: Final = b"smimekit_watch"
"""Of the prepared statement: planning it takes the server half of the time."""


@final
class Watch:
    """The number that a statement gives, as of now. `errors` are what `value` may raise."""

    def __init__(self, engine: Engine, statement: str) -> None:
        self._engine: Final = engine
        self._statement: Final = statement
        self._lock = threading.Lock()
        self._connection: Any = None
        self._ask: Callable[[], int] | None = None
        self._process = 0
        self.errors: tuple[type[Exception], ...] = (SQLAlchemyError,)

    def value(self) -> int:
        """The number; a connection that was lost is made anew, once."""
        with self._lock:
            if self._ask is not None and self._process == os.getpid():
                try:
                    return self._ask()
                except self.errors:
                    self._drop()
                    self._engine.dispose()  # what else it holds is not newer
            return self._connect()()

    def close(self) -> None:
        """Give up the connection."""
        with self._lock:
            self._drop()

    def _connect(self) -> Callable[[], int]:
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()
        dialect: Any = self._engine.dialect
        self.errors = (SQLAlchemyError, dialect.dbapi.Error)
        through = _through_libpq if self._engine.driver == "psycopg" else _through_cursor
        self._connection, self._process = connection, os.getpid()
        self._ask = ask = through(connection, self._statement)
        return ask

    def _drop(self) -> None:
        connection, self._connection, self._ask = self._connection, None, None
        if connection is not None and self._process == os.getpid():
            connection.close()


def _through_cursor(connection: Any, statement: str) -> Callable[[], int]:
    cursor = connection.cursor()

    def ask() -> int:
        cursor.execute(statement)
        ((number,),) = cursor.fetchall()  # to the end: SQLite would go on reading
        return int(number)

    return ask


def _through_libpq(connection: Any, statement: str) -> Callable[[], int]:
    """Past psycopg's cursors, which take longer than the server does to answer."""
    from psycopg import OperationalError  # noqa: PLC0415 - an extra
    from psycopg.pq import ExecStatus  # noqa: PLC0415 - same

    server, asked, good = connection.pgconn, statement.encode(), ExecStatus.TUPLES_OK
    server.prepare(_NAME, asked)

    def ask() -> int:
        answer = server.exec_prepared(_NAME, ())
        if answer.status != good:  # a proxy between may have chosen another server process
            answer = server.exec_(asked)
        number = answer.get_value(0, 0) if answer.status == good else None
        if number is None:
            raise OperationalError("The server did not say the number.")
        return int(number)

    return ask
