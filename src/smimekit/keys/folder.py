"""A folder of PKCS #12 files as a source of keys, and where their passwords come from.

Knows files and the environment. A password is never an argument of a program: everybody on the
machine can read those.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, final

from smimekit.errors import KeyFileError, LimitExceeded
from smimekit.keys.credential import Credential
from smimekit.keys.software import KeyCheck
from smimekit.limits import Limits

__all__ = [
    "KeyFolder",
    "PasswordSource",
    "key_files",
    "password_from_environment",
    "password_from_file",
]

PasswordSource = Callable[[str], str | None]
"""Gives the password for the file of a name (without its folder), or None if it needs none."""

_LIMITS: Final = Limits()
_SUFFIXES: Final = frozenset({".p12", ".pfx"})
_PASSWORD_BYTES: Final = 1 << 16


def password_from_environment(variable: str) -> PasswordSource:
    """The value of an environment variable, for every file; looked up when it is needed.

    KeyFileError `key.password-needed` where it is not set.
    """

    def password(name: str) -> str:
        value = os.environ.get(variable)
        if not value:
            raise KeyFileError(
                f"{name} needs its password, and the environment variable {variable} is not set.",
                code="key.password-needed",
            )
        return value

    return password


def password_from_file(path: str | os.PathLike[str]) -> PasswordSource:
    """The first line of a file, for every key file; read when it is needed.

    KeyFileError `key.password-needed` where there is none in it; OSError.
    """

    def password(name: str) -> str:
        with Path(path).open("rb") as file:
            line = file.readline(_PASSWORD_BYTES).rstrip(b"\r\n")
        try:
            value = line.decode()
        except UnicodeDecodeError:
            value = ""
        if not value:
            raise KeyFileError(
                f"{name} needs its password, and the first line of {path} is none.",
                code="key.password-needed",
            )
        return value

    return password


def key_files(folder: Path) -> Iterator[Path]:
    """The files of a folder that end in .p12 or .pfx, in order; OSError."""
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith("."):
            yield path


@final
class KeyFolder:
    """A `KeySource`: the files of a folder that end in .p12 or .pfx, each whole.

    `password` gives the password for a file's name. A file that cannot be read is an error
    with its name, as a key that is silently missing is found out when mail does not open.
    `key_check=KeyCheck.SKIP` is for folders that only the application itself writes.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        password: PasswordSource,
        *,
        limits: Limits = _LIMITS,
        key_check: KeyCheck = KeyCheck.FULL,
    ) -> None:
        self._path: Final = Path(path)
        self._password: Final = password
        self._limits: Final = limits
        self._key_check: Final = key_check

    def __repr__(self) -> str:
        return f"<KeyFolder {str(self._path)!r}>"

    def credentials(self) -> Iterator[Credential]:
        """Raises KeyFileError, LimitExceeded and OSError."""
        return map(self._load, key_files(self._path))

    def _load(self, path: Path) -> Credential:
        with path.open("rb") as file:
            data = file.read(self._limits.value_bytes + 1)
        if len(data) > self._limits.value_bytes:
            raise LimitExceeded(f"{path.name} is too large for a file of keys.", code="limit.file")
        try:
            return Credential.from_pkcs12(
                data, self._password(path.name), limits=self._limits, key_check=self._key_check
            )
        except (KeyFileError, LimitExceeded) as error:
            if path.name not in str(error):
                error.args = (f"{path.name}: {error}",)
            raise
