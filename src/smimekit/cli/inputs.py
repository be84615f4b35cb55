"""What commands read: messages, certificates, keys and their passwords.

Knows files, the terminal and the environment. A password never stands on a command line.
"""

import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from getpass import getpass
from pathlib import Path
from typing import BinaryIO, Final, final

from smimekit import Certificate, Credential, KeyFileError, LimitExceeded, UsageError
from smimekit import load_certificates as parse_certificates
from smimekit.cli.text import safe

__all__ = [
    "Passwords",
    "Steady",
    "load_certificates",
    "load_key",
    "new_password",
    "read_file",
    "reading",
]

_FILE_BYTES: Final = 16 << 20
"""A file of keys or certificates: the bundles of operating systems stay below 1 MiB."""
_VARIABLE: Final = "SMIMEKIT_PASSWORD"

# PFX ::= SEQUENCE { version INTEGER {v3(3)}, ... (RFC 7292, 4), in DER or BER.
_PFX: Final = re.compile(
    rb"\x30(?:\x80|[\x00-\x7f]|\x81.|\x82..|\x83...|\x84....)\x02\x01\x03", re.DOTALL
)
_PFX_PEM: Final = re.compile(rb"-----BEGIN (?:PKCS12|PFX)-----")


@contextmanager
def reading(name: str) -> Iterator[BinaryIO]:
    """A message: the file of that name, or standard input for "-"."""
    if name != "-":
        with Path(name).open("rb") as file:
            yield file
    elif sys.stdin is None:
        raise UsageError("Standard input is closed; name a file.", code="usage.stdin")
    else:
        yield sys.stdin.buffer


@final
class Steady:
    """Files that are being read, more than once perhaps: what was verified of one, and what is
    written out of it, must be the same.
    """

    def __init__(self, *files: BinaryIO) -> None:
        self._before: Final = [(each, _stamp(each)) for each in files]

    def __call__(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks; UsageError (`usage.file-changed`) in place of their end where somebody has
        written to a file since then, as far as its dates tell.
        """
        yield from chunks
        if any(_stamp(each) != before for each, before in self._before):
            raise UsageError(
                "The file was changed while it was read, so that nobody knows of which content "
                "that is said; keep it unchanged, and do it again.",
                code="usage.file-changed",
            )


def _stamp(file: BinaryIO) -> tuple[int, ...]:
    """What changes with a file's content: the last is no writer's to choose. None of a pipe's."""
    try:
        found = os.fstat(file.fileno())
    except (OSError, ValueError):  # no file of the system
        return ()
    if not stat.S_ISREG(found.st_mode):
        return ()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def read_file(name: str) -> bytes:
    """A small file, such as one of keys. Raises OSError and LimitExceeded."""
    with Path(name).open("rb") as file:
        data = file.read(_FILE_BYTES + 1)
    if len(data) > _FILE_BYTES:
        raise LimitExceeded(
            f"{name} is too large for a file of keys or certificates.", code="limit.file"
        )
    return data


def load_certificates(names: Sequence[str]) -> tuple[Certificate, ...]:
    """The certificates of files, PEM (any number), DER or .p7b."""
    return tuple(each for name in names for each in parse_certificates(read_file(name)))


@final
class Passwords:
    """Where passwords come from: files, else the environment, else whoever sits at the terminal."""

    def __init__(self, files: Sequence[str]) -> None:
        self._files = tuple(files)

    @property
    def given(self) -> tuple[str, ...]:
        """Those that nobody has to be asked for."""
        if self._files:
            return tuple(_first_line(name) for name in self._files)
        return (os.environ[_VARIABLE],) if os.environ.get(_VARIABLE) else ()

    def asked(self, question: str) -> str:
        """What somebody types at the terminal; KeyFileError where nobody is there."""
        if not _has_terminal():
            raise KeyFileError(
                f"{question}: give it by --password-file or in the environment variable "
                f"{_VARIABLE}; there is no terminal to ask at.",
                code="key.password-needed",
            )
        return getpass(f"{safe(question)}: ", stream=sys.stderr)


def load_key(name: str, certificates: Sequence[str], passwords: Passwords) -> Credential:
    """A credential from PKCS #12, or from PEM or DER with the certificates that go with it.

    Raises KeyFileError, CertificateError, LimitExceeded and OSError.
    """
    files = (read_file(name), *map(read_file, certificates))
    try:
        return _try_passwords(name, files, passwords)
    except KeyFileError as error:
        if not str(error).startswith(name):
            error.args = (f"{name}: {error}",)  # of several files, say which
        raise


def _try_passwords(name: str, files: tuple[bytes, ...], passwords: Passwords) -> Credential:
    """With each password, then without one; each attempt at a protected file takes its time."""
    wrong: KeyFileError | None = None
    for password in (*passwords.given, None):
        try:
            return _credential(files, password)
        except KeyFileError as error:
            if error.code == "key.wrong-password":
                wrong = error
            elif error.code != "key.password-needed":
                raise
    if wrong is not None:
        raise wrong
    return _credential(files, passwords.asked(f"{name} needs its password"))


def _credential(files: tuple[bytes, ...], password: str | None) -> Credential:
    if _PFX.match(files[0]) or _PFX_PEM.search(files[0]):
        return Credential.from_pkcs12(files[0], password)
    return Credential.from_pem(*files, password=password)


def new_password(passwords: Passwords) -> str:
    """The password for a key file that is to be written."""
    given = passwords.given
    if given:
        return given[0]
    first = passwords.asked("A password for the new key file")
    if not first:
        raise UsageError("A private key is not written without a password.")
    if passwords.asked("The same password again") != first:
        raise UsageError("The two passwords differ; nothing was written.", code="usage.password")
    return first


def _first_line(name: str) -> str:
    with Path(name).open("rb") as file:
        line = file.readline(1 << 16).rstrip(b"\r\n")
    try:
        password = line.decode()
    except UnicodeDecodeError:
        raise UsageError(
            f"The password in {name} is not UTF-8 text.", code="usage.password"
        ) from None
    if not password:
        raise UsageError(f"The first line of {name} is no password.", code="usage.password")
    return password


def _has_terminal() -> bool:
    """Is there a terminal to ask at? Never read a password from the pipe that brings the mail."""
    if sys.stderr is None or not sys.stderr.isatty():
        return False
    if sys.stdin is not None and sys.stdin.isatty():
        return True
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | getattr(os, "O_NOCTTY", 0)))
    except OSError:
        return False
    return True
