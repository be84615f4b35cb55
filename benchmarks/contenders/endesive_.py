"""endesive: asn1crypto and `cryptography`."""

from functools import partial
from importlib import import_module
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from benchmarks.material import crowd
from benchmarks.operations import Action, Makers

__all__ = ["LACKS", "operations"]

LACKS: Final[dict[str, str]] = {}


def operations(folder: Path) -> Makers:
    found: Any = import_module("endesive.email")
    many, last = crowd(folder), crowd(folder)[-1:]
    return {
        "sign-rsa": partial(_sign, found, folder, "rsa", "draft.eml"),
        "sign-p256": partial(_sign, found, folder, "p256", "draft.eml"),
        "verify-rsa": partial(_verify, found, folder, "signed-rsa-*.eml"),
        "verify-p256": partial(_verify, found, folder, "signed-p256-*.eml"),
        "encrypt-1": partial(_encrypt, found, folder, last, "draft.eml"),
        "encrypt-many": partial(_encrypt, found, folder, many, "draft.eml"),
        "decrypt-1": partial(_decrypt, found, folder, "encrypted-1.eml"),
        "decrypt-many": partial(_decrypt, found, folder, "encrypted-many.eml"),
        "sign-large": partial(_sign, found, folder, "rsa", "large.eml"),
        "verify-large": partial(_verify, found, folder, "large-signed.eml"),
        "encrypt-large": partial(_encrypt, found, folder, last, "large.eml"),
        "decrypt-large": partial(_decrypt, found, folder, "large-encrypted.eml"),
    }


def _certificate(folder: Path, name: str) -> Any:
    return load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())


def _key(folder: Path, name: str) -> Any:
    return load_pem_private_key((folder / f"{name}.key").read_bytes(), None)


def _sign(email: Any, folder: Path, name: str, draft: str) -> Action:
    certificate, key = _certificate(folder, name), _key(folder, name)
    issuer = _certificate(folder, "ca")
    # It makes CRLF of LF itself, and two CR of CRLF.
    return lambda: email.sign(
        (folder / draft).read_bytes().replace(b"\r", b""), key, certificate, [issuer], "sha256"
    )


def _verify(email: Any, folder: Path, pattern: str) -> Action:
    files = cycle(sorted(folder.glob(pattern)))
    trusted = [(folder / "ca.pem").read_bytes()]

    def action() -> None:
        digest, signature, chain = email.verify(next(files).read_text(), trusted)[:3]
        assert digest
        assert signature
        assert chain

    return action


def _encrypt(email: Any, folder: Path, names: list[str], draft: str) -> Action:
    people = [_certificate(folder, name) for name in names]
    return lambda: email.encrypt((folder / draft).read_bytes(), people, "aes256_cbc")


def _decrypt(email: Any, folder: Path, mail: str) -> Action:
    key = _key(folder, crowd(folder)[-1])
    return lambda: email.decrypt((folder / mail).read_text(), key)
