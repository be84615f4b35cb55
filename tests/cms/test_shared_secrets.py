"""KEKRecipientInfo and PasswordRecipientInfo: both ways, against RFC 3211 and by hand."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from asn1crypto import cms as asn1
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from hypothesis import given
from hypothesis import strategies as st

import smimekit
from smimekit import DecryptionError, LimitExceeded, NoMatchingKey, Trust, UsageError, der
from smimekit.algorithms import (
    AES128_CBC,
    AES192_CBC,
    AES256_CBC,
    AES256_GCM,
    AES256_WRAP,
    DES_EDE3_CBC,
    PBKDF2,
    PWRI_KEK,
    AlgorithmIdentifier,
)
from smimekit.cms.enveloped import enveloped_data
from smimekit.cms.recipient_reading import read_recipients
from smimekit.cms.recipients import (
    ContentKey,
    KekRecipient,
    PasswordRecipientInfo,
    RecipientInfo,
    algorithm_name,
    encode_recipients,
)
from smimekit.cms.shared import double_decrypt, double_encrypt, open_password, open_shared
from smimekit.keys import Decryptor, PasswordRecipient, Recipient, SharedKeyRecipient
from smimekit.limits import Limits
from smimekit.message.layers import Encrypted
from tests.cms.forge import person

LIMITS = Limits()
KEY = ContentKey(bytes(range(32)))
CHEAP = 1000
ALICE = PasswordRecipient("p\N{LATIN SMALL LETTER A WITH DIAERESIS}ss", iterations=CHEAP)
SECRET = ALICE.password.encode() if isinstance(ALICE.password, str) else b""


def reread(*recipients: RecipientInfo) -> tuple[RecipientInfo, ...]:
    return read_recipients(der.Reader(encode_recipients(recipients)).enter(der.SET), limits=LIMITS)


def key_of(who: Decryptor, *recipients: RecipientInfo, attempts: int = 9) -> bytes:
    return who.unwrap(recipients, size=32, attempts=attempts).octets


def failure_of(cms: bytes, *keys: Decryptor) -> object:
    with smimekit.open(cms, keys=keys, trust=Trust()) as found:
        (layer,) = found.envelope
        assert isinstance(layer, Encrypted)
        return layer.failure


# --- shared keys ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [16, 24, 32])
def test_shared_keys(size: int) -> None:
    who = SharedKeyRecipient(b"name", bytes(range(size)))
    assert isinstance(who, Recipient)
    assert isinstance(who, Decryptor)
    (found,) = reread(who.wrap(KEY))
    assert isinstance(found, KekRecipient)
    assert found.key_id == b"name"
    assert aes_key_unwrap(who.key, found.encrypted_key) == KEY.octets
    assert key_of(who, found) == KEY.octets
    assert algorithm_name(found) == f"shared key, aes-{8 * size}-wrap"


def test_a_shared_key_as_another_library_reads_it() -> None:
    found = SharedKeyRecipient(b"name", bytes(16)).wrap(KEY)
    assert isinstance(found, KekRecipient)
    theirs = asn1.RecipientInfo.load(found.encode())
    assert theirs.name == "kekri"
    assert theirs.chosen["version"].native == "v4"
    assert theirs.chosen["kekid"]["key_identifier"].native == b"name"
    assert theirs.chosen["key_encryption_algorithm"]["algorithm"].native == "aes128_wrap"
    assert theirs.chosen["encrypted_key"].native == found.encrypted_key
    assert theirs.dump(force=True) == found.encode()


def test_what_else_an_identifier_says() -> None:
    """RFC 5652, 6.2.3: a date and other attributes; they come through."""
    who = SharedKeyRecipient(b"name", bytes(16))
    plain = who.wrap(KEY)
    assert isinstance(plain, KekRecipient)
    more = der.tlv(der.GENERALIZED_TIME, b"20260101000000Z") + der.sequence(der.oid("1.2.3"))
    found = replace(plain, more=more)
    assert reread(found) == (found,)
    assert key_of(who, found) == KEY.octets


@pytest.mark.parametrize("size", [0, 8, 15, 17, 33, 64])
def test_sizes_that_are_none(size: int) -> None:
    with pytest.raises(UsageError):
        SharedKeyRecipient(b"name", bytes(size))


def test_the_wrong_shared_key() -> None:
    who = SharedKeyRecipient(b"name", bytes(16))
    found = who.wrap(KEY)
    assert isinstance(found, KekRecipient)
    with pytest.raises(NoMatchingKey):
        key_of(SharedKeyRecipient(b"other", bytes(16)), found)
    changed = bytearray(found.encrypted_key)
    changed[9] ^= 1
    for each, key in (
        (found, b"x" * 16),
        (found, bytes(32)),
        (replace(found, encrypted_key=bytes(changed)), bytes(16)),
        (replace(found, encrypted_key=found.encrypted_key[:-1]), bytes(16)),
        (replace(found, encrypted_key=b""), bytes(16)),
        (replace(found, algorithm=AlgorithmIdentifier("1.2.3")), bytes(16)),
        (replace(found, algorithm=AlgorithmIdentifier(AES256_WRAP.oid)), bytes(16)),
    ):
        with pytest.raises(DecryptionError):
            open_shared(each, key)
        random = key_of(SharedKeyRecipient(b"name", key), each)
        assert len(random) == 32
        assert random != KEY.octets


def test_the_attempts_of_a_shared_key_are_counted() -> None:
    who = SharedKeyRecipient(b"name", bytes(16))
    good = who.wrap(KEY)
    assert isinstance(good, KekRecipient)
    bad = replace(good, encrypted_key=bytes(40))
    assert key_of(who, bad, bad, good, attempts=3) == KEY.octets
    assert key_of(who, bad, bad, good, attempts=2) != KEY.octets


def test_secrets_are_not_shown() -> None:
    for each in (SharedKeyRecipient(b"name", b"k" * 16), PasswordRecipient("geheim")):
        assert "kkk" not in repr(each)
        assert "geheim" not in repr(each)


# --- RFC 3211 ------------------------------------------------------------------------------


def test_rfc3211_des() -> None:
    """Section 3, the basic vector; DES is 3DES with one key thrice."""
    kek = hashlib.pbkdf2_hmac("sha1", b"password", bytes.fromhex("1234567878563412"), 5, 8)
    assert kek.hex() == "d1daa78615f287e6"
    cek = bytes.fromhex("8c627c897323a2f8")
    wrapped = bytes.fromhex("b81b2565ee373ca6dedca26a178b0c10")
    iv = bytes.fromhex("efe598ef21b33d6d")
    assert double_decrypt(TripleDES(kek * 3), iv, wrapped) == cek


def test_rfc3211_triple_des() -> None:
    """Section 3, the stress test: a long pass phrase, 3DES, and a key of 256 bits."""
    text = b"All n-entities must communicate with other n-entities via n-1 entiteeheehees"
    kek = hashlib.pbkdf2_hmac("sha1", text, bytes.fromhex("1234567878563412"), 500, 24)
    assert kek.hex() == "6a8970bf68c92caea84a8df28510858607126380cc47ab2d"
    wrapped = bytes.fromhex(
        "c03c514abdb9e2c5aac038572b5e24553876b377aafb82eca5a9d73f8ab143d9ec74e6cad7db260c"
    )
    cek = double_decrypt(TripleDES(kek), bytes.fromhex("baf1ca7931213c4e"), wrapped)
    assert cek.hex() == "8c637d887223a2f965b566eb014b0fa5d52300a3f7ea40fffc577203c71baf3b"


def by_hand(kek: bytes, iv: bytes, key: bytes, padding: bytes) -> bytes:
    """RFC 3211, 2.3.1, in two separate encryptions."""
    block = bytes((len(key),)) + bytes(0xFF - octet for octet in key[:3]) + key + padding
    first = Cipher(AES(kek), CBC(iv)).encryptor().update(block)
    return Cipher(AES(kek), CBC(first[-16:])).encryptor().update(first)


@given(st.binary(min_size=3, max_size=255), st.binary(min_size=16, max_size=16))
def test_double_encryption(key: bytes, iv: bytes) -> None:
    kek = bytes(range(32))
    ours = double_encrypt(AES(kek), iv, key)
    assert len(ours) % 16 == 0
    assert len(ours) >= 32
    assert double_decrypt(AES(kek), iv, ours) == key
    padding = bytes(len(ours) - 4 - len(key))
    assert double_decrypt(AES(kek), iv, by_hand(kek, iv, key, padding)) == key


@pytest.mark.parametrize("size", [0, 2, 256])
def test_keys_that_have_no_such_form(size: int) -> None:
    with pytest.raises(UsageError):
        double_encrypt(AES(bytes(16)), bytes(16), bytes(size))


@pytest.mark.parametrize(
    "block",
    [
        bytes((33,)) + b"\xff\xff\xff" + bytes(44),  # longer than what there is... no check value
        bytes((45,)) + b"\xff\xff\xff" + bytes(44),  # one octet too many
        bytes((255,)) + b"\xff\xff\xff" + bytes(44),
        bytes((2,)) + b"\xff\xff\xff" + bytes(44),
        bytes((0,)) + b"\xff\xff\xff" + bytes(44),
        bytes((32,)) + b"\xff\xff\xfe" + bytes(44),  # a wrong check value
        bytes((32,)) + b"\x7f\xff\xff" + bytes(44),
    ],
)
def test_the_check_value(block: bytes) -> None:
    """RFC 3211, 2.3.2: count and complement show that the key fits."""
    kek, iv = bytes(32), bytes(16)
    first = Cipher(AES(kek), CBC(iv)).encryptor().update(block)
    wrapped = Cipher(AES(kek), CBC(first[-16:])).encryptor().update(first)
    if block[0] == 33:
        assert double_decrypt(AES(kek), iv, wrapped) == bytes(33)
        return
    with pytest.raises(DecryptionError):
        double_decrypt(AES(kek), iv, wrapped)


@pytest.mark.parametrize("size", [0, 1, 16, 31, 33])
def test_wrapped_keys_of_impossible_length(size: int) -> None:
    with pytest.raises(DecryptionError):
        double_decrypt(AES(bytes(32)), bytes(16), bytes(size))


# --- passwords -----------------------------------------------------------------------------


def pbkdf2(iterations: int, prf: bytes = b"", size: bytes = b"") -> AlgorithmIdentifier:
    salt = der.octet_string(b"saltsalt")
    return AlgorithmIdentifier(PBKDF2, der.sequence(salt, der.integer(iterations), size, prf))


def info(
    derivation: AlgorithmIdentifier | None, cipher: Any, kek: bytes, key: bytes = KEY.octets
) -> PasswordRecipientInfo:
    iv = bytes(cipher.block)
    algorithm = AlgorithmIdentifier(PWRI_KEK, cipher.identifier(iv).encode())
    padding = bytes(-(4 + len(key)) % 16)
    return PasswordRecipientInfo(derivation, algorithm, by_hand(kek, iv, key, padding))


def test_passwords() -> None:
    assert isinstance(ALICE, Recipient)
    assert isinstance(ALICE, Decryptor)
    (found,) = reread(ALICE.wrap(KEY))
    assert key_of(ALICE, found) == KEY.octets
    assert key_of(PasswordRecipient(SECRET), found) == KEY.octets
    assert algorithm_name(found) == "password"


def test_what_is_written() -> None:
    """PBKDF2 with HMAC-SHA-256 and PWRI-KEK with AES-256."""
    found = PasswordRecipient("secret").wrap(KEY)
    assert isinstance(found, PasswordRecipientInfo)
    theirs = asn1.RecipientInfo.load(found.encode())
    assert theirs.name == "pwri"
    inside = theirs.chosen
    assert inside["version"].native == "v0"
    kdf = inside["key_derivation_algorithm"]
    assert kdf["algorithm"].native == "pbkdf2"
    parameters = kdf["parameters"].native
    assert parameters["iteration_count"] == 600_000
    assert parameters["prf"]["algorithm"] == "sha256"
    assert len(parameters["salt"]) == 16
    algorithm = AlgorithmIdentifier.read(der.Reader(inside["key_encryption_algorithm"].dump()))
    assert algorithm.oid == PWRI_KEK
    inner = AlgorithmIdentifier.read(der.Reader(algorithm.parameters or b""))
    assert inner.oid == AES256_CBC.oid
    kek = hashlib.pbkdf2_hmac("sha256", b"secret", parameters["salt"], 600_000, 32)
    assert open_password(found, kek) == KEY.octets
    assert theirs.dump(force=True) == found.encode()


def test_two_messages_have_two_salts() -> None:
    assert ALICE.wrap(KEY) != ALICE.wrap(KEY)


PRFS = {
    "sha1": b"",
    "sha224": AlgorithmIdentifier("1.2.840.113549.2.8", der.NULL_VALUE).encode(),
    "sha256": AlgorithmIdentifier("1.2.840.113549.2.9", der.NULL_VALUE).encode(),
    "sha384": AlgorithmIdentifier("1.2.840.113549.2.10").encode(),
    "sha512": AlgorithmIdentifier("1.2.840.113549.2.11").encode(),
}


@pytest.mark.parametrize("prf", PRFS)
@pytest.mark.parametrize("cipher", [AES128_CBC, AES192_CBC, AES256_CBC], ids=lambda row: row.name)
@pytest.mark.parametrize("sized", [True, False])
def test_passwords_of_others(prf: str, cipher: Any, sized: bool) -> None:
    kek = hashlib.pbkdf2_hmac(prf, SECRET, b"saltsalt", 1, cipher.key_size)
    size = der.integer(cipher.key_size) if sized else b""
    (found,) = reread(info(pbkdf2(1, PRFS[prf], size), cipher, kek))
    assert key_of(ALICE, found) == KEY.octets


def test_the_wrong_password() -> None:
    found = ALICE.wrap(KEY)
    for wrong in ("pass", "p", SECRET + b"s"):
        octets = key_of(PasswordRecipient(wrong), found)
        assert len(octets) == 32
        assert octets != KEY.octets


def test_changed_recipients() -> None:
    kek = hashlib.pbkdf2_hmac("sha1", SECRET, b"saltsalt", 1, 32)
    good = info(pbkdf2(1), AES256_CBC, kek)
    iv = der.octet_string(bytes(16))

    def other(parameters: bytes | None, oid: str = PWRI_KEK) -> PasswordRecipientInfo:
        return replace(good, algorithm=AlgorithmIdentifier(oid, parameters))

    changed = bytearray(good.encrypted_key)
    changed[20] ^= 1
    assert key_of(ALICE, good) == KEY.octets
    for each in (
        replace(good, encrypted_key=bytes(changed)),
        replace(good, encrypted_key=good.encrypted_key[:-16]),
        replace(good, encrypted_key=b""),
        replace(good, derivation=None),
        replace(good, derivation=AlgorithmIdentifier("1.2.3")),
        replace(good, derivation=AlgorithmIdentifier(PBKDF2)),
        replace(good, derivation=pbkdf2(2)),
        replace(good, derivation=pbkdf2(0)),
        replace(good, derivation=pbkdf2(-1)),
        replace(good, derivation=pbkdf2(1, b"", der.integer(16))),
        replace(good, derivation=pbkdf2(1, AlgorithmIdentifier("1.2.3").encode())),
        other(None),
        other(AES256_CBC.identifier(bytes(15)).encode()),
        other(AlgorithmIdentifier(AES256_CBC.oid).encode()),
        other(AlgorithmIdentifier(DES_EDE3_CBC.oid, der.octet_string(bytes(8))).encode()),
        other(AlgorithmIdentifier(AES256_GCM.oid, iv).encode()),
        other(AES256_CBC.identifier(bytes(16)).encode(), "1.2.3"),
    ):
        octets = key_of(ALICE, each)
        assert len(octets) == 32
        assert octets != KEY.octets
        assert key_of(ALICE, each, good) == KEY.octets


def test_no_password_recipient() -> None:
    with pytest.raises(NoMatchingKey):
        key_of(ALICE, SharedKeyRecipient(b"name", bytes(16)).wrap(KEY))


@pytest.mark.parametrize("password", ["", b""])
def test_empty_passwords(password: Any) -> None:
    with pytest.raises(UsageError):
        PasswordRecipient(password)


@pytest.mark.parametrize("iterations", [0, -1, LIMITS.pbkdf2_iterations + 1])
def test_iterations_that_nobody_would_read(iterations: int) -> None:
    with pytest.raises(UsageError):
        PasswordRecipient("x", iterations=iterations)


def test_an_iteration_bomb() -> None:
    """It is not computed; whoever may open the message otherwise still does."""
    kek = hashlib.pbkdf2_hmac("sha1", SECRET, b"saltsalt", 1, 32)
    good = info(pbkdf2(1), AES256_CBC, kek)
    bomb = replace(good, derivation=pbkdf2(LIMITS.pbkdf2_iterations + 1))
    vast = replace(good, derivation=pbkdf2(1 << 200))
    for each in (bomb, vast):
        with pytest.raises(LimitExceeded) as caught:
            key_of(ALICE, each)
        assert caught.value.code == "limit.pbkdf2-iterations"
    assert key_of(ALICE, vast, bomb, good) == KEY.octets
    shared = SharedKeyRecipient(b"name", bytes(16))
    cms = enveloped_data(b"x", AES256_GCM, KEY, [bomb, shared.wrap(KEY)])
    assert isinstance(failure_of(cms, ALICE), LimitExceeded)
    assert failure_of(cms, ALICE, shared) is None


def test_many_small_bombs() -> None:
    """All recipients of a message together cost what one may."""
    few = replace(ALICE, limits=Limits(pbkdf2_iterations=4 * CHEAP))  # 2 blocks of SHA-1 each
    kek = hashlib.pbkdf2_hmac("sha1", SECRET, b"saltsalt", CHEAP, 32)
    good = info(pbkdf2(CHEAP), AES256_CBC, kek)
    bad = replace(good, encrypted_key=bytes(48))
    assert key_of(few, bad, good) == KEY.octets
    assert key_of(few, bad, bad, good) != KEY.octets
    assert key_of(ALICE, bad, bad, good) == KEY.octets


@pytest.mark.parametrize(("prf", "size", "blocks"), [("sha1", 20, 2), ("sha256", 32, 1)])
def test_each_block_of_a_password_hash_costs(prf: str, size: int, blocks: int) -> None:
    """RFC 8018, 5.2: the iterations are those of one block."""
    assert -(-AES256_CBC.key_size // size) == blocks
    function = {
        "sha1": b"",
        "sha256": der.sequence(der.oid("1.2.840.113549.2.9"), der.NULL_VALUE),
    }[prf]
    kek = hashlib.pbkdf2_hmac(prf, SECRET, b"saltsalt", CHEAP, 32)
    good = info(pbkdf2(CHEAP, function), AES256_CBC, kek)
    enough = replace(ALICE, limits=Limits(pbkdf2_iterations=blocks * CHEAP))
    assert key_of(enough, good) == KEY.octets
    short = replace(ALICE, iterations=1, limits=Limits(pbkdf2_iterations=blocks * CHEAP - 1))
    with pytest.raises(LimitExceeded) as caught:
        key_of(short, good)
    assert caught.value.code == "limit.pbkdf2-iterations"


# --- messages ------------------------------------------------------------------------------


@pytest.mark.parametrize("cipher", [AES128_CBC, AES256_CBC, AES256_GCM], ids=lambda row: row.name)
def test_messages(cipher: Any) -> None:
    shared = SharedKeyRecipient(b"name", bytes(range(24)))
    bob = person()
    mail = smimekit.encrypt(b"Subject: x\r\n\r\nhello", [ALICE, shared, bob], cipher=cipher)
    for who in (ALICE, shared, bob):
        assert b"hello" in smimekit.decrypt(mail, [who]).bytes()
    for stranger in (
        PasswordRecipient("wrong"),
        SharedKeyRecipient(b"name", bytes(24)),
    ):
        said, found = None, b""
        try:
            found = smimekit.decrypt(mail, [stranger]).bytes()
        except DecryptionError as error:
            said = (str(error), error.__cause__, error.__context__)
        # With CBC, one random key of 256 finds what looks like padding, and then garbage.
        if cipher.authenticated or said is not None:
            assert said == ("The message could not be decrypted.", None, None)
        assert b"hello" not in found


def test_versions() -> None:
    """RFC 5652, 6.1: 2 with a shared key, 3 with a password."""
    shared = SharedKeyRecipient(b"name", bytes(16))
    for who, version in ((shared, "v2"), (ALICE, "v3")):
        cms = enveloped_data(b"x", AES256_CBC, KEY, [who.wrap(KEY)])
        assert asn1.ContentInfo.load(cms)["content"]["version"].native == version
