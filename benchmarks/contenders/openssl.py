"""`openssl cms`: a process for each message, which is what its users pay, too."""

from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Final

from benchmarks.material import crowd, run
from benchmarks.operations import Action, Makers

__all__ = ["LACKS", "operations"]

LACKS: Final[dict[str, str]] = {}


def operations(folder: Path) -> Makers:
    run("openssl", "version")
    many, last = crowd(folder), crowd(folder)[-1:]
    return {
        "sign-rsa": partial(_sign, folder, "rsa", "draft.eml"),
        "sign-p256": partial(_sign, folder, "p256", "draft.eml"),
        "verify-rsa": partial(_verify, folder, "signed-rsa-*.eml"),
        "verify-p256": partial(_verify, folder, "signed-p256-*.eml"),
        "encrypt-1": partial(_encrypt, folder, last, "draft.eml"),
        "encrypt-many": partial(_encrypt, folder, many, "draft.eml"),
        "decrypt-1": partial(_decrypt, folder, "encrypted-1.eml"),
        "decrypt-many": partial(_decrypt, folder, "encrypted-many.eml"),
        "sign-large": partial(_sign, folder, "rsa", "large.eml"),
        "verify-large": partial(_verify, folder, "large-signed.eml"),
        "encrypt-large": partial(_encrypt, folder, last, "large.eml"),
        "decrypt-large": partial(_decrypt, folder, "large-encrypted.eml"),
    }


def _run(verb: str, *options: str | Path) -> None:
    run("openssl", "cms", verb, "-out", "/dev/null", *options)  # the recipients come last


def _sign(folder: Path, name: str, draft: str) -> Action:
    who = ("-signer", folder / f"{name}.pem", "-inkey", folder / f"{name}.key")
    source = ("-certfile", folder / "ca.pem", "-in", folder / draft)
    return lambda: _run("-sign", "-binary", "-stream", *who, *source)


def _verify(folder: Path, pattern: str) -> Action:
    files = cycle(sorted(folder.glob(pattern)))
    anchor = ("-CAfile", folder / "ca.pem")
    return lambda: _run("-verify", *anchor, "-in", next(files))


def _encrypt(folder: Path, names: list[str], draft: str) -> Action:
    people = [folder / f"{name}.pem" for name in names]
    how = ("-binary", "-stream", "-aes-256-cbc", "-in", folder / draft)
    return lambda: _run("-encrypt", *how, *people)


def _decrypt(folder: Path, mail: str) -> Action:
    name = crowd(folder)[-1]
    who = ("-recip", folder / f"{name}.pem", "-inkey", folder / f"{name}.key")
    return lambda: _run("-decrypt", "-in", folder / mail, *who)
