"""The check of an RSA key: it happens once, on loading, and who asks for it goes without."""

import hashlib
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.serialization import load_der_private_key

from smimekit import der
from smimekit.algorithms import RSA_ENCRYPTION, RSA_PKCS1_SHA256, AlgorithmIdentifier
from smimekit.errors import KeyFileError
from smimekit.keys import Credential, KeyCheck, SoftwareKey, load_private_key
from smimekit.keys.pbe import encrypt
from smimekit.keys.pem import armour
from smimekit.keys.pkcs12 import write_pfx
from smimekit.testing import FakeCA


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _broken(key: rsa.RSAPrivateKey) -> bytes:
    """PKCS #1 in which one exponent of the Chinese remainder theorem is another number."""
    numbers = key.private_numbers()
    parts = (0, numbers.public_numbers.n, 65537, numbers.d, numbers.p, numbers.q,
             numbers.dmp1 + 2, numbers.dmq1, numbers.iqmp)  # fmt: skip
    return der.sequence(*map(der.integer, parts))


def _forms(data: bytes) -> list[bytes]:
    """The same key in DER, PEM, encrypted PKCS #8, and PEM that OpenSSL encrypted in the old way."""
    plain = AlgorithmIdentifier(RSA_ENCRYPTION, der.NULL_VALUE).encode()
    pkcs8 = der.sequence(der.integer(0), plain, der.octet_string(data))
    identifier, ciphertext = encrypt(pkcs8, "geheim")
    locked = der.sequence(identifier.encode(), der.octet_string(ciphertext))
    pem = armour("RSA PRIVATE KEY", data), armour("PRIVATE KEY", pkcs8)
    return [data, pkcs8, *pem, locked, _traditional(data, b"geheim")]


def _traditional(data: bytes, password: bytes) -> bytes:
    """RFC 1421 headers, and a key of one round of MD5: `openssl rsa -aes128 -traditional`."""
    iv = bytes(range(16))
    key = hashlib.md5(password + iv[:8], usedforsecurity=False).digest()
    count = 16 - len(data) % 16
    running = Cipher(AES(key), CBC(iv)).encryptor()
    text = armour("RSA PRIVATE KEY", running.update(data + bytes([count]) * count))
    headers = f"Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{iv.hex().upper()}\n\n".encode()
    head, _, rest = text.partition(b"\n")
    return head + b"\n" + headers + rest


def test_a_broken_rsa_key_is_refused_unless_its_check_is_skipped(
    rsa_key: rsa.RSAPrivateKey,
) -> None:
    for each in _forms(_broken(rsa_key)):
        for load in (load_private_key, partial(load_private_key, key_check=KeyCheck.FULL)):
            with pytest.raises(KeyFileError) as error:
                load(each, "geheim")
            # In OpenSSL's old encryption a wrong password and a damaged key look the same.
            old = b"Proc-Type" in each
            assert error.value.code == ("key.wrong-password" if old else "key.malformed")
        found = load_private_key(each, "geheim", key_check=KeyCheck.SKIP)
        assert found.public_key == rsa_key.public_key()


def test_credentials_pass_the_choice_on() -> None:
    who = FakeCA().person("alice@example.org", key="rsa-2048")
    assert isinstance(who.key, SoftwareKey)
    key = load_der_private_key(who.key.pkcs8(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    broken = _broken(key)
    plain = AlgorithmIdentifier(RSA_ENCRYPTION, der.NULL_VALUE).encode()
    pkcs8 = der.sequence(der.integer(0), plain, der.octet_string(broken))
    p12 = write_pfx([(pkcs8, who.certificate)], (), "x")
    pem_text = armour("PRIVATE KEY", pkcs8) + who.certificate.pem()
    for load in (partial(Credential.from_pkcs12, p12, "x"), partial(Credential.from_pem, pem_text)):
        with pytest.raises(KeyFileError) as error:
            load()
        assert error.value.code == "key.malformed"
        assert load(key_check=KeyCheck.SKIP).certificate == who.certificate


def test_the_check_happens_once(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[bool] = []

    def load(data: bytes, password: bytes | None, **more: bool) -> object:
        checked.append(not more["unsafe_skip_rsa_key_validation"])
        return load_der_private_key(data, password, **more)

    data = FakeCA().person("alice@example.org", key="rsa-2048").to_pkcs12("x")
    monkeypatch.setattr("smimekit.keys.software.load_der_private_key", load)
    who = Credential.from_pkcs12(data, "x")
    for _ in range(3):
        who.key.sign(b"text", RSA_PKCS1_SHA256)
    assert who.signing.to_pkcs12("y")
    assert checked == [True]
