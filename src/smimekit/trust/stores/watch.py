"""One number, read from a database again and again by a connection that is kept for it.

Knows drivers. May not know what the number means. A pooled connection would cost several times
as much as the question.
"""

import os
import threading
from typing import Any, final

from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

__all__ = ["Watch"]


@final
class Watch:
    """The number that a statement gives, as of now. `errors` are what `value` may raise."""

    def __init__(self, engine: Engine, statement: str) -> None:
        self._engine = engine
        self._statement = statement
        self._lock = threading.Lock()
        self._connection: Any = None
        self._cursor: Any = None
        self._process = 0
        self.errors: tuple[type[Exception], ...] = (SQLAlchemyError,)

    def value(self) -> int:
        """The number; a connection that was lost is made anew, once."""
        with self._lock:
            if self._connection is not None and self._process == os.getpid():
                try:
                    return self._ask()
                except self.errors:
                    self._drop()
            self._connect()
            return self._ask()

    def close(self) -> None:
        """Give up the connection."""
        with self._lock:
            self._drop()

    def _ask(self) -> int:
        self._cursor.execute(self._statement)
        ((number,),) = self._cursor.fetchall()  # to the end: SQLite would go on reading
        return int(number)

    def _connect(self) -> None:
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()
        dialect: Any = self._engine.dialect
        self.errors = (SQLAlchemyError, dialect.dbapi.Error)
        if self._engine.dialect.name != "sqlite":
            connection.autocommit = True  # `sql` has seen to SQLite's
        self._connection, self._process = connection, os.getpid()
        self._cursor = connection.cursor()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and self._process == os.getpid():
            connection.close()
