"""Opens a file, and nothing else that has a name. May not know what is in it.

Between the moment that a folder is listed and that in which a file of it is opened, whoever may
write there can put a named pipe into its place: to open one waits for somebody at its other end.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

__all__ = ["opened"]

_AT_ONCE: Final[int] = getattr(os, "O_NONBLOCK", 0)
"""Means nothing for a file; Windows, which lacks it, has no such pipes either."""


def opened(path: Path) -> BinaryIO:
    """The file, for reading. Raises OSError, for a pipe as well."""
    file = open(path, "rb", opener=_at_once)  # noqa: SIM115 - the caller's
    if stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.ESPIPE, "It is a pipe, and no file", str(path))
    return file


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | _AT_ONCE)
