"""Key files whose password is hashed by scrypt (RFC 7914), and what they may cost."""

import hashlib
import hmac
import subprocess
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from smimekit import Credential, Limits, SmimeError, der
from smimekit.algorithms import AlgorithmIdentifier
from smimekit.keys import SoftwareKey, load_private_key
from smimekit.keys.passwords import Budget, Passphrase, Scrypt, password_hash
from smimekit.keys.pbe import decrypt, mac_matches
from smimekit.primitives import PublicKey
from smimekit.testing import FakeCA
from tests.conftest import find_program
from tests.keys.test_pkcs12 import bag, certificate_bag, pfx

PASSWORD = "correct horse"  # noqa: S105 - of tests
SCRYPT, PBES2 = "1.3.6.1.4.1.11591.4.11", "1.2.840.113549.1.5.13"
SHROUDED = "1.2.840.113549.1.12.10.1.2"
KEY = ec.generate_private_key(ec.SECP256R1())
RFC = b"""-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHiME0GCSqGSIb3DQEFDTBAMB8GCSsGAQQB2kcECzASBAVNb3VzZQIDEAAAAgEI
AgEBMB0GCWCGSAFlAwQBKgQQyYmguHMsOwzGMPoyObk/JgSBkJb47EWd5iAqJlyy
+ni5ftd6gZgOPaLQClL7mEZc2KQay0VhjZm/7MbBUNbqOAXNM6OGebXxVp6sHUAL
iBGY/Dls7B1TsWeGObE0sS1MXEpuREuloZjcsNVcNXWPlLdZtkSH6uwWzR0PyG/Z
+ZXfNodZtd/voKlvLOw5B3opGIFaLkbtLZQwMiGtl42AS89lZg==
-----END ENCRYPTED PRIVATE KEY-----
"""
"""RFC 7914, 13: of the password "Rabbit", with N = 1 048 576, for which a gigabyte is needed."""


def spki(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def by_openssl(plain: bytes, *options: str, form: str = "PEM") -> bytes:
    find_program("openssl")
    return subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-scrypt", *options, "-passout", f"pass:{PASSWORD}",
         "-inform", "DER", "-outform", form],
        input=plain, capture_output=True, check=True,
    ).stdout  # fmt: skip


def code_of(data: bytes, password: str | None = PASSWORD, **limits: Any) -> str:
    with pytest.raises(SmimeError) as error:
        load_private_key(data, password, limits=Limits(**limits))
    return error.value.code


def parameters(cost: int, block: int = 1, lanes: int = 1, size: int | None = None) -> bytes:
    """scrypt-params (RFC 7914, 7.1)."""
    more = () if size is None else (der.integer(size),)
    numbers = map(der.integer, (cost, block, lanes))
    return der.sequence(der.octet_string(b"salt"), *numbers, *more)


def key_file(hashing: bytes) -> bytes:
    """An EncryptedPrivateKeyInfo that nobody can open."""
    cipher = AlgorithmIdentifier("2.16.840.1.101.3.4.1.42", der.octet_string(bytes(16)))
    how = AlgorithmIdentifier(
        PBES2, der.sequence(AlgorithmIdentifier(SCRYPT, hashing).encode(), cipher.encode())
    )
    return der.sequence(how.encode(), der.octet_string(bytes(32)))


# --- what others write ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-v2", "aes-128-cbc"],
        ["-v2", "des3"],
        ["-scrypt_N", "1024", "-scrypt_r", "16", "-scrypt_p", "4"],
        ["-scrypt_N", "2", "-scrypt_r", "1", "-scrypt_p", "1"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_key_files_of_openssl(options: list[str], form: str) -> None:
    plain = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    data = by_openssl(plain, *options, form=form)
    assert spki(load_private_key(data, PASSWORD).public_key) == spki(KEY.public_key())
    assert code_of(data, "another") == "key.wrong-password"
    assert code_of(data, None) == "key.password-needed"


def test_a_shrouded_key_within_pkcs12() -> None:
    """RFC 7292, 4.2.2: what is in the bag is the key file that openssl writes."""
    who = FakeCA().person("carol@example.org")
    assert isinstance(who.key, SoftwareKey)
    shrouded = by_openssl(who.key.pkcs8(), form="DER")
    data = pfx(bag(SHROUDED, shrouded), certificate_bag(who))
    assert Credential.from_pkcs12(data, PASSWORD).certificate == who.certificate


def test_the_example_of_the_rfc_needs_too_much_memory() -> None:
    assert code_of(RFC, "Rabbit") == "limit.scrypt-bytes"
    assert code_of(RFC, "Rabbit", scrypt_bytes=2 << 30) == "limit.pbkdf2-iterations"


@pytest.mark.parametrize(
    ("secret", "salt", "numbers", "begins"),
    [
        ("", b"", (16, 1, 1), "77d6576238657b203b19ca42c18a0497"),
        ("password", b"NaCl", (1024, 8, 16), "fdbabe1c9d3472007856e7190d01e9fe"),
        ("pleaseletmein", b"SodiumChloride", (16384, 8, 1), "7023bdcb3afd7348461c06cd81fd38eb"),
    ],
)
def test_the_vectors_of_the_rfc(
    secret: str, salt: bytes, numbers: tuple[int, int, int], begins: str
) -> None:
    """RFC 7914, 12."""
    made = Scrypt(salt, *numbers, None)
    assert made.derive(secret.encode(), 64, Budget(Limits()))[:16].hex() == begins


def test_a_mac_under_scrypt() -> None:
    """RFC 9579, 5: PBMAC1 may have it in place of PBKDF2; the length of the key has to be said."""
    key = hashlib.scrypt(b"x", salt=b"salt", n=16, r=1, p=1, dklen=32)
    expected = hmac.digest(key, b"content", "sha256")

    def matches(size: int | None, password: str) -> bool:
        hashing = AlgorithmIdentifier(SCRYPT, parameters(16, size=size)).encode()
        scheme = AlgorithmIdentifier("1.2.840.113549.2.9", der.NULL_VALUE).encode()
        pbmac1 = AlgorithmIdentifier("1.2.840.113549.1.5.14", der.sequence(hashing, scheme))
        info = der.sequence(pbmac1.encode(), der.octet_string(expected))
        reader = der.Reader(der.sequence(info, der.octet_string(b""), der.integer(1)))
        inside = reader.enter(der.SEQUENCE)
        return mac_matches(inside, b"content", Passphrase.of(password), Budget(Limits()))

    assert matches(32, "x")
    assert not matches(32, "y")
    with pytest.raises(SmimeError):
        matches(None, "x")


# --- what they may cost --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cost", "block", "lanes"),
    [
        (0, 1, 1), (1, 1, 1), (-16, 1, 1), (3, 8, 1), (1 << 16, 1, 1), (1 << 70, 4, 1),
        (16, 0, 1), (16, -1, 1), (16, 1, 0), (16, 1, -1), (16, -1, -1), (16, 1 << 15, 1 << 15),
    ],
)  # fmt: skip
def test_parameters_that_cannot_be(cost: int, block: int, lanes: int) -> None:
    """RFC 7914, 2: N is a power of two, less than 2^(128 r / 8); p r less than 2^30."""
    assert code_of(key_file(parameters(cost, block, lanes))) == "key.malformed"
    assert code_of(key_file(parameters(1 << 15, 1, 1))) == "key.wrong-password"


@pytest.mark.parametrize("hashing", [b"", der.sequence(), parameters(16)[:-1] + b"\x81"])
def test_malformed_parameters(hashing: bytes) -> None:
    assert code_of(key_file(hashing)) == "key.malformed"


def test_a_key_size_that_the_cipher_has_not() -> None:
    assert code_of(key_file(parameters(16, size=16))) == "key.malformed"
    assert code_of(key_file(parameters(16, size=32))) == "key.wrong-password"


@pytest.mark.parametrize(
    ("cost", "block", "lanes"),
    [(1 << 21, 8, 1), (2, 1 << 20, 1), (2, 1, 1 << 21), (1 << 40, 1 << 8, 1)],
    ids=["N", "r", "p", "all"],
)
def test_memory_has_a_bound(cost: int, block: int, lanes: int) -> None:
    assert code_of(key_file(parameters(cost, block, lanes))) == "limit.scrypt-bytes"


@pytest.mark.parametrize(
    ("cost", "block", "lanes"), [(1 << 14, 8, 20), (2, 1, 1 << 20)], ids=["usual", "lanes"]
)
def test_time_has_a_bound(cost: int, block: int, lanes: int) -> None:
    """Also where there is little to mix: the blocks have to be filled."""
    assert code_of(key_file(parameters(cost, block, lanes))) == "limit.pbkdf2-iterations"


def test_many_derivations_have_a_bound_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password of one letter has three codes, and each is tried."""
    monkeypatch.setattr("smimekit.keys.passwords._DERIVATIONS", 8)
    data = key_file(parameters(16))
    assert code_of(data, "\xe9", pbkdf2_iterations=20) == "limit.pbkdf2-iterations"
    assert code_of(data, "\xe9", pbkdf2_iterations=30) == "key.wrong-password"


def test_other_password_hashes_are_named() -> None:
    with pytest.raises(SmimeError) as error:
        password_hash(AlgorithmIdentifier("1.2.3", der.NULL_VALUE))
    assert error.value.code == "key.unsupported"
    assert "PBKDF2 nor scrypt" in str(error.value)


def test_decrypting_needs_no_more_than_the_file_says() -> None:
    how = AlgorithmIdentifier.read(der.Reader(key_file(parameters(16))).enter(der.SEQUENCE))
    least = Limits(scrypt_bytes=128 * 17, pbkdf2_iterations=20)
    with pytest.raises(SmimeError) as error:
        decrypt(how, bytes(32), Passphrase.of("x"), Budget(least))
    assert error.value.code == "key.wrong-password"
