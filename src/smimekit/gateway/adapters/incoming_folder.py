"""Where messages lie between a session and a worker: a folder for each gateway process.

Knows files and locks. What a killed process left behind is nobody's: nothing was answered 250
for it, and its client still has it.
"""

import fcntl
import os
import secrets
import shutil
from pathlib import Path
from typing import Final, final

__all__ = ["IncomingFolder"]

_LOCK: Final = ".lock"


@final
class IncomingFolder:
    """Names for new files. It begins with `open`, which removes what dead processes left."""

    def __init__(self, parent: Path) -> None:
        self._parent: Final = parent
        self._path: Final = parent / f"{os.getpid()}-{secrets.token_hex(4)}"
        self._lock: int | None = None

    def open(self) -> None:
        """Raises OSError."""
        self._parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in self._parent.iterdir():
            if _is_dead(each):
                shutil.rmtree(each, ignore_errors=True)
        unlocked = self._path.with_name(f".{self._path.name}")
        unlocked.mkdir(mode=0o700)
        self._lock = os.open(unlocked / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        unlocked.rename(self._path)

    def new(self) -> Path:
        """A name that no file has."""
        return self._path / secrets.token_hex(8)

    def close(self) -> None:
        """Remove it, with all that is in it."""
        if self._lock is not None:
            shutil.rmtree(self._path, ignore_errors=True)
            os.close(self._lock)
            self._lock = None


def _is_dead(folder: Path) -> bool:
    """Whether nobody holds its lock. One without a lock is being made, or of somebody else."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return not folder.name.startswith(".")
    finally:
        os.close(descriptor)
