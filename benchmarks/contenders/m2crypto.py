"""M2Crypto: OpenSSL's PKCS #7, through SWIG."""

from functools import partial
from importlib import import_module
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from benchmarks.material import crowd
from benchmarks.operations import Action, Makers

__all__ = ["LACKS", "operations"]

LACKS: Final[dict[str, str]] = {}


def operations(folder: Path) -> Makers:
    import_module("M2Crypto")
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


def _module(name: str) -> Any:  # it has no types that mypy could read here
    return import_module(f"M2Crypto.{name}")


def _reader(path: Path) -> Any:
    """What gives the file's octets as a BIO: from memory if small, anew each time if large."""
    bio = _module("BIO")
    if path.name.startswith("large"):
        return lambda: bio.MemoryBuffer(path.read_bytes())
    data = path.read_bytes()
    return lambda: bio.MemoryBuffer(data)


def _sign(folder: Path, name: str, draft: str) -> Action:
    smime, bio, x509 = _module("SMIME"), _module("BIO"), _module("X509")
    signer = smime.SMIME()
    signer.load_key(str(folder / f"{name}.key"), str(folder / f"{name}.pem"))
    stack = x509.X509_Stack()
    stack.push(x509.load_cert(str(folder / "ca.pem")))
    signer.set_x509_stack(stack)
    reader = _reader(folder / draft)

    def action() -> Any:
        signed = signer.sign(reader(), smime.PKCS7_DETACHED, algo="sha256")
        out = bio.MemoryBuffer()
        signer.write(out, signed, reader())
        return out.read()

    return action


def _verify(folder: Path, pattern: str) -> Action:
    smime, x509 = _module("SMIME"), _module("X509")
    verifier = smime.SMIME()
    verifier.set_x509_stack(x509.X509_Stack())
    store = x509.X509_Store()
    store.load_info(str(folder / "ca.pem"))
    verifier.set_x509_store(store)
    readers = cycle([_reader(path) for path in sorted(folder.glob(pattern))])

    def action() -> Any:
        signed, content = smime.smime_load_pkcs7_bio(next(readers)())
        return verifier.verify(signed, content)

    return action


def _encrypt(folder: Path, names: list[str], draft: str) -> Action:
    smime, bio, x509 = _module("SMIME"), _module("BIO"), _module("X509")
    stack = x509.X509_Stack()
    for name in names:
        stack.push(x509.load_cert(str(folder / f"{name}.pem")))
    sender = smime.SMIME()
    sender.set_x509_stack(stack)
    sender.set_cipher(smime.Cipher("aes_256_cbc"))
    reader = _reader(folder / draft)

    def action() -> Any:
        out = bio.MemoryBuffer()
        sender.write(out, sender.encrypt(reader()))
        return out.read()

    return action


def _decrypt(folder: Path, mail: str) -> Action:
    smime = _module("SMIME")
    name = crowd(folder)[-1]
    receiver = smime.SMIME()
    receiver.load_key(str(folder / f"{name}.key"), str(folder / f"{name}.pem"))
    reader = _reader(folder / mail)

    def action() -> Any:
        encrypted, _ = smime.smime_load_pkcs7_bio(reader())
        return receiver.decrypt(encrypted)

    return action
