"""One's own keys by their names: files, folders, databases, tokens, the operating system.

Knows what a name means, and where passwords, PINs and master keys come from: files, the
environment, the terminal; never the command line. May not know what keys are used for.
"""

import base64
import binascii
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import click

from smimekit import Credential, KeyAccessError, KeyFileError, KeyRing, UsageError
from smimekit.cli.inputs import Passwords, load_certificates, load_key, read_file
from smimekit.keys import KeySource, MasterKeys
from smimekit.keys.folder import key_files
from smimekit.keys.pkcs11_uri import Pkcs11Uri

if TYPE_CHECKING:
    from smimekit.keys.sql import SqlKeyStore

__all__ = [
    "Secrets",
    "is_key_file",
    "key_source",
    "master_keys",
    "opened_key_store",
    "read_master_keys",
]

_PIN: Final = "SMIMEKIT_PIN"
_MODULE: Final = "SMIMEKIT_PKCS11_MODULE"
_MASTER: Final = "SMIMEKIT_MASTER_KEY"
_TOKEN: Final = "pkcs11:"  # noqa: S105 - a scheme
_NATIVE: Final = "native:"
_DATABASES: Final = ("sqlite:", "postgresql:", "postgresql+")


@final
@dataclass(frozen=True, slots=True)
class Secrets:
    """What opens keys, and the certificates that go with those that stand alone."""

    certificates: tuple[str, ...]
    passwords: Passwords
    master_key_file: str | None


def is_key_file(name: str) -> bool:
    """Is it a single file, whose keys are all meant? Everything else holds keys to choose of."""
    if name.startswith(_NATIVE):
        return True
    return not name.startswith((_TOKEN, *_DATABASES)) and not Path(name).is_dir()


def key_source(name: str, secrets: Secrets) -> Credential | KeyRing:
    """The keys that a name means, ready to be used: of a single file, or of what holds many.

    Raises KeyFileError, KeyAccessError, StoreError, UsageError, CertificateError, LimitExceeded
    and OSError. What was opened is closed when the command ends.
    """
    if name.startswith(_TOKEN):
        return KeyRing(_token(Pkcs11Uri.parse(name), secrets))
    if name.startswith(_DATABASES):
        return _ring(name, opened_key_store(name, secrets.master_key_file))
    if name.startswith(_NATIVE):
        from smimekit.keys.native import with_native_keys  # noqa: PLC0415 - who asks for it

        file = name.removeprefix(_NATIVE)
        return with_native_keys(load_key(file, secrets.certificates, secrets.passwords))
    if Path(name).is_dir():
        return _ring(name, _Folder(Path(name), secrets.passwords))
    return load_key(name, secrets.certificates, secrets.passwords)


def _ring(name: str, source: KeySource) -> KeyRing:
    """All keys of a source; where there is none, the name was mistyped."""
    ring = KeyRing(source)
    if not len(ring):
        raise KeyFileError(f"There is no private key in {name}.", code="key.none")
    return ring


def _at_end(close: Callable[[], object]) -> None:
    context = click.get_current_context(silent=True)
    if context is not None:
        context.call_on_close(close)


@final
@dataclass(frozen=True, slots=True)
class _Folder:
    """The PKCS #12 files of a folder; each password is tried on each."""

    path: Path
    passwords: Passwords

    def credentials(self) -> Iterator[Credential]:
        return (load_key(str(each), (), self.passwords) for each in key_files(self.path))


# --- tokens --------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class _Held:
    """A credential as a source."""

    credential: Credential

    def credentials(self) -> tuple[Credential]:
        return (self.credential,)


def _token(uri: Pkcs11Uri, secrets: Secrets) -> KeySource:
    if find_spec("pkcs11") is None:
        raise UsageError(
            "Keys on tokens need python-pkcs11: pip install 'smimekit[pkcs11]'.",
            code="usage.key-uri",
        )
    from smimekit.keys.pkcs11 import Pkcs11Token  # noqa: PLC0415 - needs the extra

    module = uri.module_path or os.environ.get(_MODULE)
    if not module:
        raise UsageError(
            "The PKCS #11 URI says no module-path=, and the environment variable "
            f"{_MODULE} is not set: name the library of the token's vendor.",
            code="usage.key-uri",
        )
    found = Pkcs11Token(
        module,
        token=uri.token,
        serial=uri.serial,
        pin=lambda: _pin(uri, secrets.passwords),
        key_label=uri.object,
        key_id=uri.id,
    )
    _at_end(found.close)
    return _Held(Credential.from_pkcs11(found, load_certificates(secrets.certificates)))


def _pin(uri: Pkcs11Uri, passwords: Passwords) -> str:
    """The PIN, from the file that the URI names, the environment, or the terminal."""
    if uri.pin_source is not None:
        with suppress(UnicodeDecodeError):
            pin = read_file(uri.pin_source).split(b"\n", 1)[0].rstrip(b"\r").decode()
            if pin:
                return pin
        raise UsageError(f"The first line of {uri.pin_source} is no PIN.", code="usage.pin")
    if os.environ.get(_PIN):
        return os.environ[_PIN]
    name = uri.token or uri.serial
    try:
        return passwords.asked(f"The PIN of the token {name}")
    except KeyFileError:
        raise KeyAccessError(
            f"The PIN of the token {name} is needed: give pin-source= in its URI, or the "
            f"environment variable {_PIN}; there is no terminal to ask at.",
            code="key-access.pin-needed",
        ) from None


# --- databases -----------------------------------------------------------------------------


def opened_key_store(url: str, file: str | None, *, create: bool = False) -> "SqlKeyStore":
    """A key store, open until the command ends; UsageError where it is missing."""
    from smimekit.keys.sql import SqlKeyStore  # noqa: PLC0415 - needs the extra

    place = url.partition(":///")[2].partition("?")[0] if url.startswith("sqlite") else ""
    if place and not create and not Path(place).exists():
        raise UsageError(f"There is no key store {place}.", code="usage.store-missing")
    store = SqlKeyStore(url, master_keys(file))
    _at_end(store.close)
    return store


def master_keys(file: str | None) -> MasterKeys:
    """Those of a file, else of the environment: a name and base64 in each line, the current first.

    UsageError (`usage.master-key`) where there is none.
    """
    if file is not None:
        return read_master_keys(file)
    return _parsed(os.environ.get(_MASTER, ""))


def read_master_keys(file: str) -> MasterKeys:
    """Those of a file. Raises UsageError and OSError."""
    try:
        return _parsed(read_file(file).decode())
    except UnicodeDecodeError:
        raise _no_master_key("the file is no text") from None


def _parsed(text: str) -> MasterKeys:
    found: dict[str, bytes] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, coded = line.partition(" ")
        try:
            key = base64.b64decode(coded.strip(), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not key or name in found:
            raise _no_master_key("a line of it is no name with a key in base64, or a name is twice")
        found[name] = key
    if not found:
        raise _no_master_key(f"give --master-key-file, or the environment variable {_MASTER}")
    return MasterKeys(next(iter(found)), found)


def _no_master_key(why: str) -> UsageError:
    return UsageError(
        f"There is no master key to open the key store with: {why}.", code="usage.master-key"
    )
