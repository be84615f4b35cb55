"""ML-KEM by NIST's known answers (FIPS 203), alone and inside a KEMRecipientInfo.

RFC 9936 has an example for ML-KEM-512 only, which is not supported: its structure and its steps
behind the secret are tested in `tests/cms/test_kem.py`. Here are the secrets of the others.
"""

import hmac
from dataclasses import replace

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.asymmetric import mlkem
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from smimekit.algorithms import (
    AES256_WRAP,
    HKDF_SHA256,
    ML_KEM_768,
    ML_KEM_1024,
    AlgorithmIdentifier,
    Kem,
)
from smimekit.cms.identifiers import SubjectKeyIdentifier
from smimekit.cms.kem import open_kem
from smimekit.cms.recipients import KemRecipient
from smimekit.errors import DecryptionError
from smimekit.keys.software import SoftwareKey

CEK = bytes(range(32))
Answer = dict[str, bytes]


def known_answers(kem: Kem) -> list[Answer]:
    """The first of a file with lines `name = hexadecimal`, in numbered paragraphs."""
    name = f"asymmetric/MLKEM/kat_{kem.name.upper().replace('-KEM-', 'KEM_')}.rsp"
    with cryptography_vectors.open_vector_file(name, "r") as file:
        _, *paragraphs = file.read().split("count = ")
    return [dict(map(named, each.strip().splitlines()[1:])) for each in paragraphs[:5]]


def named(line: str) -> tuple[str, bytes]:
    name, value = line.split(" = ")
    return name, bytes.fromhex(value)


CASES = [(kem, answer) for kem in (ML_KEM_768, ML_KEM_1024) for answer in known_answers(kem)]
ALL = pytest.mark.parametrize(
    ("kem", "answer"), CASES, ids=lambda value: value.name if isinstance(value, Kem) else ""
)


def key_of(kem: Kem, answer: Answer) -> SoftwareKey:
    seed = answer["d"] + answer["z"]
    key: mlkem.MLKEM768PrivateKey | mlkem.MLKEM1024PrivateKey
    if kem is ML_KEM_768:
        key = mlkem.MLKEM768PrivateKey.from_seed_bytes(seed)
    else:
        key = mlkem.MLKEM1024PrivateKey.from_seed_bytes(seed)
    assert key.public_key().public_bytes_raw() == answer["pk"]
    return SoftwareKey(key)


def kek_of(secret: bytes) -> bytes:
    """RFC 9936, 2.2.2 by hand: HKDF with SHA-256 over CMSORIforKEMOtherInfo."""
    info = bytes.fromhex("3010 300b 0609 60864801650304012d 020120")
    prk = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(prk, info + b"\x01", "sha256")


@ALL
def test_the_secret(kem: Kem, answer: Answer) -> None:
    """And the other one, of a ciphertext that is none (implicit rejection)."""
    key = key_of(kem, answer)
    assert key.decapsulate(answer["ct"]) == answer["ss"]
    assert key.decapsulate(answer["ct_n"]) == answer["ss_n"]


@ALL
def test_the_recipient(kem: Kem, answer: Answer) -> None:
    recipient = KemRecipient(
        rid=SubjectKeyIdentifier(b"somebody"),
        kem=AlgorithmIdentifier(kem.oid),
        ciphertext=answer["ct"],
        derivation=HKDF_SHA256.identifier,
        kek_size=32,
        ukm=None,
        wrap=AlgorithmIdentifier(AES256_WRAP.oid),
        encrypted_key=aes_key_wrap(kek_of(answer["ss"]), CEK),
    )
    assert open_kem(recipient, key_of(kem, answer)) == CEK
    other = replace(recipient, encrypted_key=aes_key_wrap(kek_of(answer["ss_n"]), CEK))
    with pytest.raises(DecryptionError):
        open_kem(other, key_of(kem, answer))
