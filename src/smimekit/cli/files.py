"""Output files: complete, or not there at all. Knows files only.

Written in the same folder, without a name where the system has such files, else under another one;
flushed to the disk, then renamed. So of a process that is killed no plaintext stays behind.
"""

import os
import secrets
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from smimekit.errors import UsageError

__all__ = ["STDOUT", "write_new", "write_out", "writes_stdout"]

STDOUT: Final = "-"


def writes_stdout(name: str | None) -> bool:
    """Does an output option, or its absence, mean standard output?"""
    return name is None or name == STDOUT


def write_out(name: str | None, chunks: Iterable[bytes], *, private: bool = False) -> None:
    """Write a file, replacing one that is there; or standard output.

    `private`: readable by the owner only. Raises OSError, and then a file that was there is
    as it was.
    """
    if name is None or name == STDOUT:
        _to_stdout(chunks)
        return
    path = Path(name)
    if _is_special(path):  # a device or a pipe: nothing to rename
        with path.open("wb") as file:
            file.writelines(chunks)
        return
    target = Path(os.path.realpath(path))  # a link stays a link
    with _beside(target, private=private) as (temporary, file):
        file.writelines(chunks)
        _finish(file, temporary)
        temporary.replace(target)
        _flush_folder(target.parent)


def write_new(name: str, data: bytes, *, private: bool, force: bool) -> None:
    """Write a file that may not be there yet, unless `force`; UsageError where it is."""
    if force:
        write_out(name, (data,), private=private)
        return
    target = Path(name)
    with _beside(target, private=private) as (temporary, file):
        file.write(data)
        _finish(file, temporary)
        _rename_unless_there(temporary, target)
        _flush_folder(target.parent)


def _rename_unless_there(temporary: Path, target: Path) -> None:
    rename: Callable[[Path], object] = target.hardlink_to  # fails where the name is taken
    try:
        rename(temporary)
    except FileExistsError:
        raise _there(target) from None
    except OSError:  # a file system without links
        if target.exists():
            raise _there(target) from None
        temporary.replace(target)


def _there(target: Path) -> UsageError:
    return UsageError(
        f"{target} exists already; nothing was written. To replace it, use --force.",
        code="usage.file-exists",
    )


def _to_stdout(chunks: Iterable[bytes]) -> None:
    if sys.stdout is None:
        raise UsageError("Standard output is closed; name a file with -o.", code="usage.stdout")
    sys.stdout.flush()
    out = sys.stdout.buffer
    out.writelines(chunks)
    out.flush()


def _is_special(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(21, "Is a directory", str(path))
    return not stat.S_ISREG(mode)


@contextmanager
def _beside(target: Path, *, private: bool) -> Iterator[tuple[Path, BinaryIO]]:
    """A file in the target's folder and the name that it gets when it is finished; gone afterwards
    if it still is there.
    """
    name = f".{target.name[:100]}.{secrets.token_hex(8)}"
    temporary = target.parent / name
    mode = 0o600 if private else _mode_of(target)  # the umask takes its share
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        unnamed = _unnamed(target.parent, mode)
        descriptor = os.open(temporary, flags, mode) if unnamed is None else unnamed
    except OSError as error:  # say the name that the user knows
        raise OSError(error.errno, error.strerror, str(target)) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield temporary, file
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _unnamed(folder: Path, mode: int) -> int | None:
    """A file without a name, which goes with the process (Linux, open(2)); None where there is
    none, or where it could not be given a name.
    """
    flag: int | None = getattr(os, "O_TMPFILE", None)
    if flag is None:
        return None
    try:
        found = os.open(folder, os.O_WRONLY | flag, mode)
    except OSError:  # whoever opens one with a name is told why not, if it is not for that
        return None
    if _place_of(found).exists():
        return found
    os.close(found)
    return None


def _give_name(descriptor: int, name: Path) -> None:
    folder = os.open(name.parent, os.O_RDONLY)
    try:  # with a folder's descriptor, Python has the system follow the link that the place is
        os.link(_place_of(descriptor), name.name, dst_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)


def _copy(descriptor: int, name: Path) -> None:
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    target = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(target, "wb") as file, _place_of(descriptor).open("rb") as source:
        shutil.copyfileobj(source, file)
        file.flush()
        os.fsync(target)


def _place_of(descriptor: int) -> Path:
    return Path("/proc/self/fd", str(descriptor))


def _mode_of(target: Path) -> int:
    """What was for fewer people stays so."""
    try:
        return stat.S_IMODE(target.stat().st_mode) & 0o666 | 0o600
    except OSError:
        return 0o666


def _finish(file: BinaryIO, name: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    if not os.fstat(file.fileno()).st_nlink:
        try:
            _give_name(file.fileno(), name)
        except OSError:  # a file system, or a container, that knows only half of it
            _copy(file.fileno(), name)
    file.close()  # some systems rename no open file


def _flush_folder(folder: Path) -> None:
    """Make a rename durable where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
