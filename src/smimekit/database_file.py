"""The file that an SQLite database lives in: begun whole, and missed where it is lost or another.

Knows files. May not know what a database holds.

SQLite takes a file without octets for a new database, and goes on with a file that has no name any
more: so what cut the file off, or put another in its place, would undo every rejection, and nobody
would hear of it. Here a file gets its name when it has its first page, and so is never without
octets: but on a disk without hard links, for the moment that it takes to write that page.
"""

import os
import secrets
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, final

from smimekit.errors import StoreError

__all__ = ["DatabaseFile", "begin_file"]

_HEADER: Final = 100
"""Octets that every SQLite database begins with (SQLite's file format, 1.3)."""
_APPLICATION: Final = 0x736D696D
"""What the header says about whose file it is: "smim"."""
_LOGS: Final = ("-wal", "-journal")
"""What SQLite writes beside a database, and would take for a part of the next one there."""
_PAUSE: Final = 1.0
"""Seconds between two looks of those who only read: a look takes as long as a question."""


def begin_file(path: str) -> None:
    """Make the file of a database where there is none; raises OSError and sqlite3.Error.

    `StoreError` `store.corrupt` where there was one. A process that is killed meanwhile leaves
    no file, or a whole one (and perhaps a file `.new`, which nobody reads); on a disk without hard
    links it may leave one that is empty or cut, which is refused from then on.
    """
    log = any(os.path.exists(path + end) for end in _LOGS)  # noqa: PTH110 - they begin with a path
    try:
        size = os.stat(path).st_size  # noqa: PTH116 - as above
    except FileNotFoundError:
        if log:  # it was there before the file was missed
            raise _lost(path, "is gone, and what SQLite wrote beside it is still there") from None
        _make(Path(path).resolve())
    else:
        if size < _HEADER:
            raise _lost(path, "is empty")


def _lost(path: str, what: str) -> StoreError:
    return StoreError(
        f"The database {path} {what}: what was kept there is lost. Put a backup in its place; "
        f"or, to begin anew, delete {path} and all files beside it whose names begin so.",
        code="store.corrupt",
    )


def _make(path: Path) -> None:
    import sqlite3  # noqa: PLC0415 - not in every Python, and PostgreSQL needs it not

    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    try:
        with closing(sqlite3.connect(fresh)) as connection:
            connection.execute(f"PRAGMA application_id={_APPLICATION}")
        with suppress(FileExistsError):  # another process was faster
            _name(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def _name(fresh: Path, path: Path) -> None:
    try:
        path.hardlink_to(fresh)
    except FileExistsError:
        raise
    except OSError:  # a disk that has no such links
        with path.open("xb") as file:
            file.write(fresh.read_bytes())


@final
class DatabaseFile:
    """The file that had this name when it was opened. `clock` counts seconds."""

    def __init__(self, path: str, clock: Callable[[], float]) -> None:
        self._path: Final = path
        self._clock: Final = clock
        self._opened: Final = _identity(path)
        self._next = clock() + _PAUSE

    def require(self) -> None:
        """`StoreError` `store.replaced` where the name is another file's, or nobody's."""
        if _identity(self._path) != self._opened:
            raise StoreError(
                f"The database {self._path} was moved, deleted or replaced while this process had "
                "it open: what it writes would be lost. Stop all that use it; put the file that "
                "is to count there, without -wal and -shm files beside it; then start them.",
                code="store.replaced",
            )
        self._next = self._clock() + _PAUSE

    def require_often(self) -> None:
        """The same, but a second may pass before it is noticed."""
        if self._clock() >= self._next:
            self.require()


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - a third of what a `Path` takes
    except OSError:
        return None
    return found.st_dev, found.st_ino
