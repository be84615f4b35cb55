"""NSS' `cmsutil`: a process for each message. It knows no MIME, so it does no base64 either."""

from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.material import NSS, crowd, run
from benchmarks.operations import Action, Makers

__all__ = ["LACKS", "operations"]

LACKS: Final[dict[str, str]] = {}
_NICKNAMES: Final = {"rsa": "alice@example.org", "p256": "Alice p256"}
"""NSS names the first certificate by its address, and the next by its subject."""


def operations(folder: Path) -> Makers:
    if not (folder / NSS).exists():
        raise FileNotFoundError("cmsutil, certutil or pk12util is not installed")
    many, last = crowd(folder), crowd(folder)[-1:]
    return {
        "sign-rsa": partial(_sign, folder, "rsa", "draft.eml"),
        "sign-p256": partial(_sign, folder, "p256", "draft.eml"),
        "verify-rsa": partial(_verify, folder, "signed-rsa"),
        "verify-p256": partial(_verify, folder, "signed-p256"),
        "encrypt-1": partial(_encrypt, folder, last, "draft.eml"),
        "encrypt-many": partial(_encrypt, folder, many, "draft.eml"),
        "decrypt-1": partial(_decrypt, folder, "encrypted-1.der"),
        "decrypt-many": partial(_decrypt, folder, "encrypted-many.der"),
        "sign-large": partial(_sign, folder, "rsa", "large.eml"),
        "verify-large": partial(_verify, folder, "large-signed"),
        "encrypt-large": partial(_encrypt, folder, last, "large.eml"),
        "decrypt-large": partial(_decrypt, folder, "large-encrypted.der"),
    }


def _run(folder: Path, *options: str | Path) -> None:
    run("cmsutil", *options, "-d", f"sql:{folder / NSS}", "-o", "/dev/null")


def _sign(folder: Path, name: str, draft: str) -> Action:
    who = ("-N", _NICKNAMES[name], "-H", "SHA256")
    return lambda: _run(folder, "-S", "-T", *who, "-i", folder / draft)


def _verify(folder: Path, name: str) -> Action:
    content = ("-c", folder / f"{name}.content")
    return lambda: _run(folder, "-D", *content, "-i", folder / f"{name}.der")


def _encrypt(folder: Path, names: list[str], draft: str) -> Action:
    people = ",".join(f"{name[1:]}@example.org" for name in names)
    return lambda: _run(folder, "-E", "-r", people, "-i", folder / draft)


def _decrypt(folder: Path, name: str) -> Action:
    return lambda: _run(folder, "-D", "-i", folder / name)
