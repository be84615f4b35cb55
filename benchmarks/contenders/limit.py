"""The limit: the raw key operation, the raw digest or cipher, and base64, and nothing else."""

import base64
import binascii
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from benchmarks.material import BODY, KINDS, crowd
from benchmarks.operations import Action, Makers
from smimekit.primitives import DETERMINISTIC_ECDSA

__all__ = ["LACKS", "operations"]

LACKS: Final[dict[str, str]] = {}
_ATTRIBUTES: Final = bytes(150)
"""Signed attributes, about as long as everybody's."""
_CHUNK: Final = 57 << 10
"""Small enough for the processor's caches, a multiple of what makes a line of base64."""
_SHA256: Final = hashes.SHA256()
_ECDSA: Final = ec.ECDSA(_SHA256, deterministic_signing=DETERMINISTIC_ECDSA)
"""As RFC 8550, 4.3 wants it signed; peers take a random number, which is a tenth faster."""
_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
_PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


def operations(folder: Path) -> Makers:
    made: dict[str, Callable[[], Action]] = {}
    made["verify-cold"] = partial(_verify, folder, "rsa")
    for kind in KINDS:
        made[f"sign-{kind}"] = partial(_sign, folder, kind)
        made[f"verify-{kind}"] = partial(_verify, folder, kind)
    for name in ("1", "many"):
        made[f"encrypt-{name}"] = partial(_encrypt, folder, name)
        made[f"decrypt-{name}"] = partial(_decrypt, folder, name)
    made["sign-large"] = partial(_sign_large, folder)
    made["verify-large"] = partial(_verify_large, folder)
    made["encrypt-large"] = partial(_encrypt_large, folder)
    made["decrypt-large"] = partial(_decrypt_large, folder)
    return made


def _key(folder: Path, name: str) -> _Key:
    key = load_pem_private_key((folder / f"{name}.key").read_bytes(), None)
    assert isinstance(key, _Key)
    return key


def _signature(key: _Key, data: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), _SHA256)
    return key.sign(data, _ECDSA)


def _check(public: _PublicKey, signature: bytes, data: bytes) -> None:
    if isinstance(public, rsa.RSAPublicKey):
        public.verify(signature, data, padding.PKCS1v15(), _SHA256)
    else:
        public.verify(signature, data, _ECDSA)


def _digest(chunks: Iterable[bytes]) -> bytes:
    running = hashes.Hash(_SHA256)
    for chunk in chunks:
        running.update(chunk)
    return running.finalize()


def _sign(folder: Path, kind: str) -> Action:
    key, cms = _key(folder, kind), (folder / f"signed-{kind}.der").read_bytes()

    def action() -> None:
        _digest((BODY,))
        _signature(key, _ATTRIBUTES)
        binascii.b2a_base64(cms)

    return action


def _verify(folder: Path, kind: str) -> Action:
    key = _key(folder, kind)
    public, signature = key.public_key(), _signature(key, _ATTRIBUTES)
    text = base64.encodebytes((folder / f"signed-{kind}.der").read_bytes())

    def action() -> None:
        _digest((BODY,))
        binascii.a2b_base64(text)
        _check(public, signature, _ATTRIBUTES)

    return action


def _recipients(folder: Path, name: str) -> list[rsa.RSAPublicKey]:
    names = crowd(folder) if name == "many" else crowd(folder)[-1:]
    found = []
    for each in names:
        certificate = load_pem_x509_certificate((folder / f"{each}.pem").read_bytes())
        public = certificate.public_key()
        assert isinstance(public, rsa.RSAPublicKey)
        found.append(public)
    return found


def _encrypt(folder: Path, name: str) -> Action:
    people = _recipients(folder, name)
    cms = (folder / f"encrypted-{name}.der").read_bytes()
    content = BODY[: len(BODY) // 16 * 16]

    def action() -> None:
        key = os.urandom(32)
        for public in people:
            public.encrypt(key, padding.PKCS1v15())
        cipher = Cipher(algorithms.AES(key), modes.CBC(os.urandom(16))).encryptor()
        cipher.update(content)
        cipher.finalize()
        binascii.b2a_base64(cms)

    return action


def _decrypt(folder: Path, name: str) -> Action:
    key = _key(folder, crowd(folder)[-1])
    assert isinstance(key, rsa.RSAPrivateKey)
    wrapped = key.public_key().encrypt(bytes(32), padding.PKCS1v15())
    text = base64.encodebytes((folder / f"encrypted-{name}.der").read_bytes())
    content = bytes(len(BODY) // 16 * 16)

    def action() -> None:
        binascii.a2b_base64(text)
        content_key = key.decrypt(wrapped, padding.PKCS1v15())
        cipher = Cipher(algorithms.AES(content_key), modes.CBC(bytes(16))).decryptor()
        cipher.update(content)
        cipher.finalize()

    return action


# --- large: nothing is read from the disk, nothing written -----------------------------------


def _chunks(folder: Path) -> list[bytes]:
    whole, rest = divmod((folder / "large.eml").stat().st_size, _CHUNK)
    return [bytes(_CHUNK)] * whole + [bytes(rest)]


def _sign_large(folder: Path) -> Action:
    key, chunks = _key(folder, "rsa"), _chunks(folder)

    def action() -> None:
        _digest(chunks)
        _signature(key, _ATTRIBUTES)

    return action


def _verify_large(folder: Path) -> Action:
    key, chunks = _key(folder, "rsa"), _chunks(folder)
    public, signature = key.public_key(), _signature(key, _ATTRIBUTES)

    def action() -> None:
        _digest(chunks)
        _check(public, signature, _ATTRIBUTES)

    return action


def _encrypt_large(folder: Path) -> Action:
    (public,), chunks = _recipients(folder, "1"), _chunks(folder)

    def action() -> None:
        public.encrypt(bytes(32), padding.PKCS1v15())
        cipher = Cipher(algorithms.AES(bytes(32)), modes.CBC(bytes(16))).encryptor()
        for chunk in chunks:
            binascii.b2a_base64(cipher.update(chunk))

    return action


def _decrypt_large(folder: Path) -> Action:
    key, chunks = _key(folder, crowd(folder)[-1]), _chunks(folder)
    assert isinstance(key, rsa.RSAPrivateKey)
    wrapped = key.public_key().encrypt(bytes(32), padding.PKCS1v15())
    lines = base64.encodebytes(chunks[0])

    def action() -> None:
        key.decrypt(wrapped, padding.PKCS1v15())
        cipher = Cipher(algorithms.AES(bytes(32)), modes.CBC(bytes(16))).decryptor()
        for _ in chunks:
            cipher.update(binascii.a2b_base64(lines))

    return action
