"""The pkcs7 module of `cryptography`."""

from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs7
from cryptography.x509 import Certificate, load_pem_x509_certificate

from benchmarks.material import crowd
from benchmarks.operations import Action, Makers

__all__ = ["LACKS", "operations"]

LACKS: Final = {
    name: f"`cryptography` {version('cryptography')} has no function that verifies PKCS #7"
    for name in ("verify-rsa", "verify-p256", "verify-cold", "verify-large")
}


def operations(folder: Path) -> Makers:
    many, last = crowd(folder), crowd(folder)[-1:]
    return {
        "sign-rsa": partial(_sign, folder, "rsa", "draft.eml"),
        "sign-p256": partial(_sign, folder, "p256", "draft.eml"),
        "encrypt-1": partial(_encrypt, folder, last, "draft.eml"),
        "encrypt-many": partial(_encrypt, folder, many, "draft.eml"),
        "decrypt-1": partial(_decrypt, folder, "encrypted-1.eml"),
        "decrypt-many": partial(_decrypt, folder, "encrypted-many.eml"),
        "sign-large": partial(_sign, folder, "rsa", "large.eml"),
        "encrypt-large": partial(_encrypt, folder, last, "large.eml"),
        "decrypt-large": partial(_decrypt, folder, "large-encrypted.eml"),
    }


def _certificate(folder: Path, name: str) -> Certificate:
    return load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())


def _key(folder: Path, name: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    key = load_pem_private_key((folder / f"{name}.key").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return key


def _sign(folder: Path, name: str, draft: str) -> Action:
    certificate, key = _certificate(folder, name), _key(folder, name)
    issuer = _certificate(folder, "ca")
    small = None if draft.startswith("large") else (folder / draft).read_bytes()

    def action() -> bytes:
        data = small or (folder / draft).read_bytes()
        builder = pkcs7.PKCS7SignatureBuilder().set_data(data)
        builder = builder.add_signer(certificate, key, hashes.SHA256()).add_certificate(issuer)
        return builder.sign(Encoding.SMIME, [pkcs7.PKCS7Options.DetachedSignature])

    return action


def _encrypt(folder: Path, names: list[str], draft: str) -> Action:
    people = [_certificate(folder, name) for name in names]
    small = None if draft.startswith("large") else (folder / draft).read_bytes()

    def action() -> bytes:
        builder = pkcs7.PKCS7EnvelopeBuilder().set_data(small or (folder / draft).read_bytes())
        builder = builder.set_content_encryption_algorithm(AES256)
        for certificate in people:
            builder = builder.add_recipient(certificate)
        return builder.encrypt(Encoding.SMIME, [])

    return action


def _decrypt(folder: Path, mail: str) -> Action:
    name = crowd(folder)[-1]
    certificate, key = _certificate(folder, name), _key(folder, name)
    assert isinstance(key, rsa.RSAPrivateKey)
    small = None if mail.startswith("large") else (folder / mail).read_bytes()
    return lambda: pkcs7.pkcs7_decrypt_smime(
        small or (folder / mail).read_bytes(), certificate, key, []
    )
