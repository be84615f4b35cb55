"""RC2 against RFC 2268, 5 and against OpenSSL."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit import der
from smimekit.errors import CmsError, UsageError
from smimekit.rc2 import rc2_cbc_decrypt, rc2_parameters
from tests.conftest import find_program

# RFC 2268, 5: key, effective bits, plaintext, ciphertext (one block each).
VECTORS = [
    ("0000000000000000", 63, "0000000000000000", "ebb773f993278eff"),
    ("ffffffffffffffff", 64, "ffffffffffffffff", "278b27e42e2f0d49"),
    ("3000000000000000", 64, "1000000000000001", "30649edf9be7d2c2"),
    ("88", 64, "0000000000000000", "61a8a244adacccf0"),
    ("88bca90e90875a", 64, "0000000000000000", "6ccf4308974c267f"),
    ("88bca90e90875a7f0f79c384627bafb2", 64, "0000000000000000", "1a807d272bbe5db1"),
    ("88bca90e90875a7f0f79c384627bafb2", 128, "0000000000000000", "2269552ab0f85ca6"),
    (
        "88bca90e90875a7f0f79c384627bafb216f80a6f85920584c42fceb0be255daf1e",
        129,
        "0000000000000000",
        "5b78d3a43dfff1f1",
    ),
]


@pytest.mark.parametrize("key, bits, plain, cipher", VECTORS)
def test_the_vectors_of_rfc_2268(key: str, bits: int, plain: str, cipher: str) -> None:
    out = rc2_cbc_decrypt(bytes.fromhex(key), bits, bytes(8), bytes.fromhex(cipher))
    assert out.hex() == plain


def test_the_iv_and_the_block_before_go_in() -> None:
    key, block = b"k" * 16, bytes(range(8))
    once = rc2_cbc_decrypt(key, 128, bytes(8), block)
    twice = rc2_cbc_decrypt(key, 128, b"\xff" * 8, block + block)
    assert twice[:8] == bytes(octet ^ 0xFF for octet in once)
    assert twice[8:] == bytes(x ^ y for x, y in zip(once, block, strict=True))
    assert rc2_cbc_decrypt(key, 128, bytes(8), b"") == b""


def test_effective_bits_count() -> None:
    key = b"k" * 16
    assert rc2_cbc_decrypt(key, 40, bytes(8), bytes(8)) != rc2_cbc_decrypt(
        key, 128, bytes(8), bytes(8)
    )


@pytest.mark.interop
@pytest.mark.parametrize(
    "cipher, size, bits", [("rc2-40-cbc", 5, 40), ("rc2-64-cbc", 8, 64), ("rc2-cbc", 16, 128)]
)
def test_openssl_encrypts_and_we_decrypt(cipher: str, size: int, bits: int) -> None:
    find_program("openssl")
    key, iv = bytes(range(1, size + 1)), bytes(range(8))
    plain = bytes(range(256)) * 3
    run = subprocess.run(
        ["openssl", "enc", "-e", f"-{cipher}", "-nopad", "-K", key.hex(), "-iv", iv.hex(),
         "-provider", "legacy", "-provider", "default"],
        input=plain, capture_output=True, check=True,
    )  # fmt: skip
    assert rc2_cbc_decrypt(key, bits, iv, run.stdout) == plain


@pytest.mark.parametrize(
    "key, bits, iv, data",
    [
        (b"", 40, bytes(8), bytes(8)),
        (bytes(129), 40, bytes(8), bytes(8)),
        (b"k", 0, bytes(8), bytes(8)),
        (b"k", 1025, bytes(8), bytes(8)),
        (b"k", 40, bytes(7), bytes(8)),
        (b"k", 40, bytes(8), bytes(9)),
    ],
)
def test_what_cannot_be_rc2_is_refused(key: bytes, bits: int, iv: bytes, data: bytes) -> None:
    with pytest.raises(UsageError):
        rc2_cbc_decrypt(key, bits, iv, data)


@given(st.binary(min_size=1, max_size=128), st.integers(1, 1024), st.binary(max_size=64))
def test_any_key_gives_as_many_octets_as_it_got(key: bytes, bits: int, data: bytes) -> None:
    data = data[: len(data) // 8 * 8]
    assert len(rc2_cbc_decrypt(key, bits, bytes(8), data)) == len(data)


@pytest.mark.parametrize(
    "version, bits", [(160, 40), (120, 64), (58, 128), (256, 256), (1024, 1024)]
)
def test_parameters(version: int, bits: int) -> None:
    parameters = der.sequence(der.integer(version), der.octet_string(b"12345678"))
    assert rc2_parameters(parameters) == (bits, b"12345678")


def test_parameters_without_a_version_mean_32_bits() -> None:
    assert rc2_parameters(der.sequence(der.octet_string(b"12345678"))) == (32, b"12345678")
    assert rc2_parameters(der.octet_string(b"12345678")) == (32, b"12345678")


@pytest.mark.parametrize(
    "parameters",
    [
        None,
        b"",
        der.NULL_VALUE,
        der.octet_string(b"1234567"),
        der.sequence(der.integer(161), der.octet_string(b"12345678")),
        der.sequence(der.integer(1025), der.octet_string(b"12345678")),
        der.sequence(der.integer(-1), der.octet_string(b"12345678")),
        der.sequence(der.integer(58), der.octet_string(b"123456789")),
        der.sequence(der.integer(58), der.octet_string(b"12345678"), der.NULL_VALUE),
    ],
)
def test_bad_parameters(parameters: bytes | None) -> None:
    with pytest.raises(CmsError):
        rc2_parameters(parameters)
