"""rsmime: OpenSSL's PKCS #7, through Rust."""

from functools import partial
from importlib import import_module
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from benchmarks.operations import Action, Makers

__all__ = ["LACKS", "operations"]

LACKS: Final = dict.fromkeys(
    ("encrypt-1", "encrypt-many", "encrypt-large", "decrypt-1", "decrypt-many", "decrypt-large"),
    "rsmime signs and verifies; it has no function that encrypts or decrypts",
)


def operations(folder: Path) -> Makers:
    found: Any = import_module("rsmime")
    return {
        "sign-rsa": partial(_sign, found, folder, "rsa", "draft.eml"),
        "sign-p256": partial(_sign, found, folder, "p256", "draft.eml"),
        "verify-rsa": partial(_verify, found, folder, "signed-rsa-*.eml"),
        "verify-p256": partial(_verify, found, folder, "signed-p256-*.eml"),
        "sign-large": partial(_sign, found, folder, "rsa", "large.eml"),
        "verify-large": partial(_verify, found, folder, "large-signed.eml"),
    }


def _sign(rsmime: Any, folder: Path, name: str, draft: str) -> Action:
    signer = rsmime.Rsmime(str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
    small = None if draft.startswith("large") else (folder / draft).read_bytes()
    return lambda: signer.sign(small or (folder / draft).read_bytes(), detached=True)


def _verify(rsmime: Any, folder: Path, pattern: str) -> Action:
    """No chain: rsmime takes no anchors, and believes whatever certificate a mail holds."""
    files = sorted(folder.glob(pattern))
    if pattern.startswith("large"):
        return lambda: rsmime.Rsmime.verify(files[0].read_bytes())
    mails = cycle([path.read_bytes() for path in files])
    return lambda: rsmime.Rsmime.verify(next(mails))
