"""Encryption and MACs under passwords, where whole files do not reach."""

import hashlib

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from hypothesis import given, settings
from hypothesis import strategies as st

from smimekit import der
from smimekit.algorithms import CONTENT_CIPHERS, AlgorithmIdentifier
from smimekit.errors import CmsError, KeyFileError, LimitExceeded, SmimeError
from smimekit.keys.passwords import Budget, Passphrase
from smimekit.keys.pbe import decrypt, encrypt, mac_matches, pkcs12_mac
from smimekit.limits import Limits

SECRET = der.sequence(der.octet_string(b"a secret of any length"))
PBES2, PBKDF2 = "1.2.840.113549.1.5.13", "1.2.840.113549.1.5.12"
AES256 = AlgorithmIdentifier("2.16.840.1.101.3.4.1.42", der.octet_string(bytes(16)))
SALT = der.octet_string(b"saltsalt")
HMAC_SHA256 = AlgorithmIdentifier("1.2.840.113549.2.9", der.NULL_VALUE).encode()


def opened(identifier: AlgorithmIdentifier, data: bytes, password: str | bytes | None) -> bytes:
    return decrypt(identifier, data, Passphrase.of(password), Budget(Limits()))


def pbes2(
    hashing: bytes, cipher: AlgorithmIdentifier = AES256, kdf: str = PBKDF2
) -> AlgorithmIdentifier:
    return AlgorithmIdentifier(
        PBES2, der.sequence(AlgorithmIdentifier(kdf, hashing).encode(), cipher.encode())
    )


# --- passwords -----------------------------------------------------------------------------


def test_the_octets_of_a_password() -> None:
    # RFC 7292, B.1: "Beavis" is a BMPString with a terminator.
    assert Passphrase.of("Beavis").pkcs12 == (bytes.fromhex("0042006500610076006900730000"),)
    assert Passphrase.of("Beavis").pkcs5[0] == b"Beavis"


def test_octets_are_text_in_one_of_two_codes() -> None:
    assert Passphrase.of(b"p\xc3\xa4ss") == Passphrase.of("päss")
    assert Passphrase.of(b"p\xe4ss") == Passphrase.of("päss")


def test_no_password_and_an_empty_one() -> None:
    none, empty = Passphrase.of(None), Passphrase.of("")
    assert (none.given, empty.given) == (False, True)
    for octets in (none.pkcs12, none.pkcs5, empty.pkcs12, empty.pkcs5):
        assert set(octets) == {b"", b"\0\0"}


def test_a_password_does_not_show_itself() -> None:
    assert "Beavis" not in repr(Passphrase.of("Beavis"))


# --- encryption ----------------------------------------------------------------------------


@settings(deadline=None, max_examples=5)
@given(st.binary(max_size=100), st.text(min_size=1, max_size=20))
def test_there_and_back(content: bytes, password: str) -> None:
    secret = der.sequence(der.octet_string(content))
    identifier, ciphertext = encrypt(secret, password)
    assert content not in ciphertext or len(content) < 4
    assert opened(identifier, ciphertext, password) == secret


def test_salt_and_iv_are_new_each_time() -> None:
    assert encrypt(SECRET, "x")[0] != encrypt(SECRET, "x")[0]


@pytest.mark.parametrize("cut", [0, 1, 15])
def test_what_is_no_whole_block(cut: int) -> None:
    identifier, ciphertext = encrypt(SECRET, "x")
    with pytest.raises(KeyFileError) as error:
        opened(identifier, ciphertext[:cut], "x")
    assert error.value.code == "key.malformed"


def test_what_decrypts_to_something_else_is_a_wrong_password() -> None:
    # Good padding, but not one SEQUENCE: what a wrong password gives once in 256 times.
    for content in (b"", b"text", der.integer(1), SECRET + b"\0", SECRET[:-1]):
        identifier, ciphertext = encrypt(content, "x")
        with pytest.raises(KeyFileError) as error:
            opened(identifier, ciphertext, "x")
        assert error.value.code == "key.wrong-password"


@pytest.mark.parametrize(
    "identifier, code",
    [
        (AlgorithmIdentifier("1.2.840.113549.1.12.1.1", der.sequence(SALT, der.integer(1))), "key.unsupported"),
        (pbes2(der.sequence(SALT, der.integer(1)), kdf="1.2.840.113549.1.5.15"), "key.unsupported"),
        (pbes2(der.sequence(SALT, der.integer(1), AlgorithmIdentifier("1.2.3").encode())), "key.unsupported"),
        (pbes2(der.sequence(SALT, der.integer(1)), AlgorithmIdentifier("1.2.3")), "key.unsupported"),
        (pbes2(der.sequence(SALT, der.integer(1)), AlgorithmIdentifier("2.16.840.1.101.3.4.1.46")), "key.unsupported"),
        (pbes2(der.sequence(SALT, der.integer(1), der.integer(16), HMAC_SHA256)), "key.malformed"),
        (pbes2(der.sequence(SALT, der.integer(0))), "key.malformed"),
        (pbes2(der.sequence(SALT, der.integer(1)), AlgorithmIdentifier(AES256.oid, der.octet_string(bytes(15)))), "key.malformed"),
        (pbes2(der.sequence(SALT, der.integer(1), der.integer(129)), AlgorithmIdentifier("1.2.840.113549.3.2", der.octet_string(bytes(8)))), "key.malformed"),
        (pbes2(der.sequence(SALT, der.integer(1), der.integer(-1)), AlgorithmIdentifier("1.2.840.113549.3.2", der.octet_string(bytes(8)))), "key.malformed"),
    ],
)  # fmt: skip
def test_parameters_that_are_refused(identifier: AlgorithmIdentifier, code: str) -> None:
    with pytest.raises(KeyFileError) as error:
        opened(identifier, bytes(16), "x")
    assert error.value.code == code


@pytest.mark.parametrize(
    "identifier",
    [
        AlgorithmIdentifier(PBES2),
        AlgorithmIdentifier(PBES2, der.NULL_VALUE),
        AlgorithmIdentifier("1.2.840.113549.1.12.1.3"),
        AlgorithmIdentifier("1.2.840.113549.1.12.1.3", der.sequence(SALT)),
        pbes2(der.sequence(der.integer(1))),
        pbes2(der.sequence(SALT, der.integer(1)), AlgorithmIdentifier(AES256.oid)),
        pbes2(der.sequence(SALT, der.integer(1), HMAC_SHA256, der.NULL_VALUE)),
    ],
)
def test_malformed_parameters(identifier: AlgorithmIdentifier) -> None:
    with pytest.raises(CmsError):
        opened(identifier, bytes(16), "x")


def test_an_absent_key_length_and_the_default_function() -> None:
    # RFC 8018, A.2: keyLength is optional, the pseudorandom function HMAC-SHA-1 by default.
    with pytest.raises(KeyFileError) as error:
        opened(pbes2(der.sequence(SALT, der.integer(1))), bytes(16), "x")
    assert error.value.code == "key.wrong-password"


@pytest.mark.parametrize("name", ["aes-128-cbc", "aes-192-cbc"])
def test_aes_with_a_key_of_another_length(name: str) -> None:
    """Old NSS: the OID of AES-128, a key of 32 octets, and the password in UTF-16."""
    row = next(each for each in CONTENT_CIPHERS.values() if each.name == name)
    key = hashlib.pbkdf2_hmac("sha1", "nss".encode("utf-16-be"), b"saltsalt", 2000, 32)
    running = Cipher(AES(key), modes.CBC(bytes(16))).encryptor()
    padding = 16 - len(SECRET) % 16
    data = running.update(SECRET + bytes((padding,)) * padding) + running.finalize()
    cipher = AlgorithmIdentifier(row.oid, der.octet_string(bytes(16)))
    named = pbes2(der.sequence(SALT, der.integer(2000), der.integer(32)), cipher)
    assert opened(named, data, "nss") == SECRET
    with pytest.raises(KeyFileError):
        opened(named, data, "ssn")


@pytest.mark.parametrize(
    ("oid", "size", "block"), [("2.16.840.1.101.3.4.1.2", 24, 16), ("1.2.840.113549.3.7", 32, 8)]
)
def test_no_other_lengths(oid: str, size: int, block: int) -> None:
    cipher = AlgorithmIdentifier(oid, der.octet_string(bytes(block)))
    with pytest.raises(KeyFileError) as error:
        opened(pbes2(der.sequence(SALT, der.integer(1), der.integer(size)), cipher), bytes(16), "x")
    assert error.value.code == "key.malformed"


# --- the budget ----------------------------------------------------------------------------


def test_the_budget_of_one_file() -> None:
    budget = Budget(Limits(pbkdf2_iterations=100))
    with pytest.raises(LimitExceeded):
        budget.spend(101, 1)
    budget = Budget(Limits(pbkdf2_iterations=100))
    budget.spend(100, 19)
    budget.spend(50, 2)
    with pytest.raises(LimitExceeded):
        budget.spend(1, 1)


# --- MACs ----------------------------------------------------------------------------------


def matches(mac_data: bytes, content: bytes, password: str | None) -> bool:
    reader = der.Reader(mac_data).enter(der.SEQUENCE)
    return mac_matches(reader, content, Passphrase.of(password), Budget(Limits()))


def test_our_mac() -> None:
    mac_data = pkcs12_mac(b"content", "x")
    assert matches(mac_data, b"content", "x")
    assert not matches(mac_data, b"Content", "x")
    assert not matches(mac_data, b"content", "y")
    assert not matches(mac_data, b"content", None)


def test_the_mac_of_old_openssl() -> None:
    # Before 1.1 it took each octet of a UTF-8 password for a character.
    mac_data = pkcs12_mac(b"content", "pässwörd".encode().decode("latin-1"))
    assert matches(mac_data, b"content", "pässwörd")


@pytest.mark.parametrize("size", [b"", der.integer(19), der.integer(129), der.integer(1 << 40)])
def test_the_key_of_pbmac1_has_a_sound_size(size: bytes) -> None:
    # RFC 9579, 5: the length must be there; 9: not under 20 octets.
    kdf = AlgorithmIdentifier(PBKDF2, der.sequence(SALT, der.integer(1), size, HMAC_SHA256))
    parameters = der.sequence(kdf.encode(), HMAC_SHA256)
    algorithm = AlgorithmIdentifier("1.2.840.113549.1.5.14", parameters).encode()
    info = der.sequence(algorithm, der.octet_string(bytes(32)))
    with pytest.raises(KeyFileError) as error:
        matches(der.sequence(info, SALT), b"content", "x")
    assert error.value.code == "key.malformed"


@settings(deadline=None)
@given(st.sampled_from([PBES2, "1.2.840.113549.1.12.1.3", "1.2.840.113549.1.12.1.6"]), st.binary(max_size=60), st.binary(max_size=32))  # fmt: skip
def test_any_parameters_end_in_an_error(oid: str, parameters: bytes, data: bytes) -> None:
    with pytest.raises(SmimeError):
        opened(AlgorithmIdentifier(oid, parameters), data, "x")
