"""A folder whose files change together or not at all, for several processes.

Knows files, locks and what a crash leaves behind. May not know what stands in the files.

A change is written to a journal first. Once the journal stands under its name, the change has
happened: whoever comes next finishes it, should the process that began it be gone. Who reads
holds a shared lock, who writes an exclusive one; the locks are the system's own (flock), so a
process that dies gives its lock back. The folder is on a local disk.
"""

import errno
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final, final

from smimekit.errors import StoreError, UsageError

try:
    import fcntl
except ImportError:  # pragma: no cover - not on POSIX
    fcntl = None  # type: ignore[assignment]  # there is no such module on Windows

__all__ = ["Change", "Folder"]

_LOCK: Final = "lock"
_JOURNAL: Final = "journal"
_PATIENCE: Final = 30.0
"""Seconds to wait for other processes: none needs so long unless it hangs."""
_PAUSE: Final = 0.002


@final
@dataclass(frozen=True, slots=True)
class Change:
    """Files with their new text, and one text that is put behind the first octets of a file."""

    files: Mapping[str, str]
    append_to: str = ""
    append_at: int = 0
    append: str = ""

    def encode(self) -> bytes:
        """As it stands in the journal."""
        return json.dumps([dict(self.files), self.append_to, self.append_at, self.append]).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Change":
        """The reverse; TypeError or ValueError for anything else, or for files elsewhere."""
        files, append_to, append_at, append = json.loads(data)
        if not (isinstance(files, dict) and isinstance(append_at, int)):
            raise TypeError("a change that is none")
        if not all(isinstance(one, str) for one in (append_to, append, *files.values())):
            raise TypeError("a text that is none")
        if not all(map(_is_below, (append_to, *files))):
            raise ValueError("a file in another folder")
        return cls(files, append_to, append_at, append)


def _is_below(name: str) -> bool:
    """Whoever gives somebody a folder may not write to their other files by it."""
    path = PurePath(name)
    return not path.is_absolute() and ".." not in path.parts


@final
class Folder:
    """A folder, made where there is none. Errors of the system are `store.unavailable`."""

    def __init__(self, path: Path) -> None:
        if fcntl is None:  # pragma: no cover - not on POSIX
            raise UsageError(
                "A trust store in a folder needs a POSIX system; use sqlite:///trust.db here.",
                code="usage.store-url",
            )
        try:
            named = b"\0" not in os.fsencode(path)
        except UnicodeEncodeError:
            named = False
        if not named:
            raise UsageError("No folder has this name; give another.", code="usage.store-url")
        self.path: Final = path
        self._journal = os.fspath(path / _JOURNAL)
        with _available():
            path.mkdir(exist_ok=True)

    @contextmanager
    def locked(self, *, alone: bool) -> Iterator[None]:
        """Nobody writes meanwhile or, `alone`, nobody else does anything."""
        with _available():
            lock = _opened(self.path / _LOCK, os.O_RDWR | os.O_CREAT)
            try:
                self._acquire(lock, alone=alone)
                yield
            finally:
                os.close(lock)

    def _acquire(self, lock: int, *, alone: bool) -> None:
        _wait_for(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        while self.unfinished:
            _wait_for(lock, fcntl.LOCK_EX)
            self._finish()
            if not alone:
                _wait_for(lock, fcntl.LOCK_SH)

    @property
    def unfinished(self) -> bool:
        """Whether a change has happened that is not in all its files yet."""
        return os.access(self._journal, os.F_OK)  # a fifth of what a `Path` takes

    def read(self, name: str) -> bytes | None:
        """The octets of a file; None where there is none."""
        try:
            with open(f"{self.path}/{name}", "rb", buffering=0) as file:  # noqa: PTH123 - as above
                return file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unavailable(error) from error

    def names(self, folder: str) -> list[str]:
        """The files of a folder below, those that are being written apart."""
        try:
            found = [path.name for path in (self.path / folder).iterdir()]
        except FileNotFoundError:
            return []
        return [f"{folder}/{name}" for name in found if not name.endswith(".new")]

    def commit(self, change: Change) -> None:
        """Make a change; the caller is alone. When this returns, it has happened for good."""
        try:
            self._write(_JOURNAL, change.encode())
            _sync_folder(self.path)
        except OSError:
            with suppress(OSError):
                (self.path / _JOURNAL).unlink()
            raise
        with suppress(OSError):  # it has happened: who comes next finishes it, or says why not
            self._apply(change)

    def _finish(self) -> None:
        """What a process that died had begun."""
        data = self.read(_JOURNAL)
        if data is None:  # another one was faster
            return
        try:
            change = Change.decode(data)
        except (RecursionError, TypeError, ValueError) as error:
            raise StoreError(
                "The trust store's journal cannot be read.", code="store.corrupt"
            ) from error
        self._apply(change)

    def _apply(self, change: Change) -> None:
        """Any number of times, with one outcome."""
        if change.append:
            path = self.path / change.append_to
            with os.fdopen(_opened(path, os.O_RDWR | os.O_CREAT), "r+b") as file:
                file.truncate(change.append_at)
                file.seek(change.append_at)
                file.write(change.append.encode())
                file.flush()
                _sync(file.fileno())
        parents = {self.path}
        for name, text in change.files.items():
            parents.add(self._write(name, text.encode()))
        for parent in parents:
            _sync_folder(parent)
        (self.path / _JOURNAL).unlink()

    def _write(self, name: str, data: bytes) -> Path:
        """A file in one piece: never half of it under its name. The folder that it is in."""
        path = self.path / name
        self._make(path.parent)
        fresh = path.with_name(f"{path.name}.new")
        with os.fdopen(_opened(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
            file.write(data)
            file.flush()
            _sync(file.fileno())
        fresh.replace(path)
        return path.parent

    def _make(self, parent: Path) -> None:
        """A folder for files of the store, which lies in the store: a link leads elsewhere."""
        parent.mkdir(exist_ok=True)
        if parent != self.path and parent.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _opened(path: Path, flags: int) -> int:
    """A file of the store itself: whoever gives somebody a folder may have put links into it."""
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)


@contextmanager
def _available() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unavailable(error) from error


def _unavailable(error: OSError) -> StoreError:
    return StoreError(
        f"The trust store's folder could not be read or written ({error.strerror}).",
        code="store.unavailable",
    )


def _wait_for(lock: int, kind: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StoreError(
                    "Another process holds the trust store's folder and does not let go.",
                    code="store.busy",
                ) from None
            time.sleep(_PAUSE)
        else:
            return


def _sync(file: int) -> None:
    os.fsync(file)


def _sync_folder(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
