"""Keys in the operating system's cryptography: here the system's OpenSSL, through oscrypto."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import smimekit
from smimekit import Trust
from smimekit.algorithms import (
    ED25519,
    RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512,
    RSA_PSS_SHA256,
    RSA_PSS_SHA384,
    RSA_PSS_SHA512,
    SHA1,
    SHA256,
    SHA384,
    SHA512,
    RsaPadding,
    SignatureScheme,
    ecdsa,
)
from smimekit.errors import DecryptionError, KeyAccessError, UsageError
from smimekit.keys import Credential, native
from smimekit.keys.native import NativeKey, with_native_keys
from smimekit.primitives import rsa_cipher_padding, verify
from smimekit.private_key import PrivateKey
from smimekit.testing import FakeCA

KINDS = {"rsa": "rsa-2048", "p256": "p256", "p384": "p384", "p521": "p521"}


@pytest.fixture(scope="module")
def ca() -> FakeCA:
    return FakeCA()


@pytest.fixture(scope="module")
def people(ca: FakeCA) -> dict[str, Credential]:
    made = {name: ca.person(f"{name}@example.org", key=kind) for name, kind in KINDS.items()}
    return {name: with_native_keys(who) for name, who in made.items()}


SCHEMES = [
    *(("rsa", row) for row in (RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512)),
    *((curve, ecdsa(row)) for curve in ("p256", "p384", "p521") for row in (SHA256, SHA384, SHA512)),
]  # fmt: skip


@pytest.mark.parametrize("name, scheme", SCHEMES, ids=lambda each: getattr(each, "name", each))
def test_signatures(people: dict[str, Credential], name: str, scheme: SignatureScheme) -> None:
    who = people[name]
    assert isinstance(who.key, NativeKey)
    assert isinstance(who.key, PrivateKey)
    for data in (b"", b"some text", bytes(10_000)):
        assert verify(who.certificate.public_key, scheme, who.key.sign(data, scheme), data)


@pytest.mark.parametrize(
    "scheme", [RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512], ids=lambda row: row.name
)
def test_pss_has_the_salt_that_the_scheme_says_or_is_refused(
    people: dict[str, Credential], scheme: SignatureScheme
) -> None:
    """oscrypto 1.3 lets OpenSSL 3 choose the longest salt: no such signature may leave."""
    who = people["rsa"]
    signature = b""
    with suppress(UsageError):
        signature = who.key.sign(b"x", scheme)
    assert signature == b"" or verify(who.certificate.public_key, scheme, signature, b"x")


def test_schemes_that_it_cannot_do(people: dict[str, Credential]) -> None:
    other_salt = replace(RSA_PSS_SHA256, salt=20)
    for name, scheme in (
        *(("rsa", ecdsa(SHA256)), ("rsa", other_salt), ("rsa", replace(RSA_PSS_SHA256, mgf=SHA1))),
        *(("p256", RSA_PKCS1_SHA256), ("p256", ED25519)),
    ):
        with pytest.raises(UsageError) as error:
            people[name].key.sign(b"x", scheme)
        assert error.value.code == "usage.scheme"


@pytest.mark.parametrize("padding", [RsaPadding(), RsaPadding(SHA1, SHA1)], ids=["v1.5", "OAEP"])
def test_decryption(people: dict[str, Credential], padding: RsaPadding) -> None:
    public: Any = people["rsa"].certificate.public_key
    encrypted = public.encrypt(b"a key of 16 byte", rsa_cipher_padding(padding))
    assert people["rsa"].key.decrypt(encrypted, padding) == b"a key of 16 byte"


def test_what_does_not_decrypt(people: dict[str, Credential]) -> None:
    key = people["rsa"].key
    for bad in (bytes(256), b"\xff" * 256, b"short", b""):
        assert key.decrypt(bad, RsaPadding()) != key.decrypt(bad, RsaPadding())  # RFC 3218, 2.3.2
        with pytest.raises(DecryptionError):
            key.decrypt(bad, RsaPadding(SHA1, SHA1))


def test_what_it_cannot_do(people: dict[str, Credential]) -> None:
    rsa, p256 = people["rsa"].key, people["p256"].key
    actions: list[Callable[[], bytes]] = [
        lambda: rsa.decrypt(bytes(256), RsaPadding(SHA256, SHA256)),
        lambda: rsa.decrypt(bytes(256), RsaPadding(SHA1, SHA256)),
        lambda: p256.decrypt(bytes(256), RsaPadding()),
        lambda: p256.exchange(ec.generate_private_key(ec.SECP256R1()).public_key()),
        lambda: rsa.decapsulate(bytes(256)),
    ]
    for action in actions:
        with pytest.raises(UsageError) as error:
            action()
        assert error.value.code == "usage.key-operation"


@pytest.mark.parametrize("name", KINDS)
def test_mail(people: dict[str, Credential], ca: FakeCA, name: str) -> None:
    who = people[name]
    draft = f"From: {name}@example.org\r\n\r\nHello\r\n".encode()
    assert smimekit.verify(smimekit.sign(draft, who), Trust(anchors=[ca.certificate])).bytes()
    if name == "rsa":
        mail = smimekit.encrypt(draft, to=[who.certificate])
        assert b"Hello" in smimekit.decrypt(mail, keys=[who]).bytes()


def test_siblings_go_along(ca: FakeCA) -> None:
    dual = with_native_keys(ca.dual("dora@example.org", key="rsa-2048"))
    assert all(isinstance(each.key, NativeKey) for each in dual.all)
    with pytest.raises(UsageError) as error:
        with_native_keys(dual)
    assert error.value.code == "usage.key-export"


@pytest.mark.parametrize("kind", ["ed25519", "x25519", "brainpoolp256r1", "ml-dsa-44"])
def test_kinds_of_keys_that_it_does_not_take(ca: FakeCA, kind: str) -> None:
    with pytest.raises(UsageError) as error:
        with_native_keys(ca.person("a@example.org", key=kind))
    assert error.value.code == "usage.key-kind"


def test_a_system_without_a_library(ca: FakeCA, monkeypatch: pytest.MonkeyPatch) -> None:
    who = ca.person("a@example.org")

    def fail() -> None:
        raise OSError

    native._asymmetric.cache_clear()
    monkeypatch.setattr(native, "_imported", fail)
    with pytest.raises(KeyAccessError) as error:
        with_native_keys(who)
    assert error.value.code == "key-access.module"


def test_a_library_that_fails(
    people: dict[str, Credential], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing:
        @staticmethod
        def ecdsa_sign(*_: object) -> bytes:
            raise OSError

    monkeypatch.setattr(native, "_asymmetric", Failing)
    with pytest.raises(KeyAccessError) as error:
        people["p256"].key.sign(b"x", ecdsa(SHA256))
    assert error.value.code == "key-access.failed"


REPAIR = """
import ctypes, re, sys
from smimekit.keys import native
import oscrypto._ffi
version = "OpenSSL {version} 1 Jan 2026"
search = re.search
re.search = lambda pattern, text, *more: search(
    pattern, version if str(text).startswith("OpenSSL ") else text, *more)
native._asymmetric()
from oscrypto._openssl import _libcrypto
print(_libcrypto.libcrypto_version)
"""


@pytest.mark.parametrize("version", ["3.0.2", "3.0.19", "3.0.22", "3.10.1"])
@pytest.mark.skipif(sys.platform != "linux", reason="oscrypto uses OpenSSL elsewhere only")
def test_versions_with_two_digits_are_read(version: str) -> None:
    """What oscrypto 1.3.0 fails at; where this passes without the repair, that can go."""
    done = subprocess.run(
        [sys.executable, "-c", REPAIR.replace("{version}", version)],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == version
