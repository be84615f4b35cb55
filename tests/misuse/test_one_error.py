"""Whatever is wrong with what a key opens, the answer is the same (RFC 3218; RFC 8551, 6).

An oracle needs two answers: so causes are compared with each other, and not with what is written
in this file alone.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

import smimekit
from benchmarks import sidechannels
from smimekit import Credential, DecryptionError, NoMatchingKey, Policy, SmimeError
from smimekit.algorithms import (
    AES128_GCM,
    AES256_CBC,
    CHACHA20_POLY1305,
    SHA256,
    ContentCipher,
    RsaPadding,
)
from smimekit.cms.enveloped import enveloped_data, new_content_key
from smimekit.cms.recipients import KeyAgreeRecipient, KeyTransRecipient, RecipientInfo
from smimekit.cms.wrapping import unwrap_with_any, wrap_for
from smimekit.keys import KeyRing, SoftwareKey
from tests.message.people import BOB, draft, mallory, person

OAEP = RsaPadding(SHA256, SHA256)
CIPHERS = [AES256_CBC, AES128_GCM, CHACHA20_POLY1305]


def encrypted_key(info: RecipientInfo) -> bytes:
    if isinstance(info, KeyAgreeRecipient):
        return info.keys[0].encrypted_key
    assert isinstance(info, KeyTransRecipient)
    return info.encrypted_key


def flipped(data: bytes, place: bytes, at: int) -> bytes:
    assert data.count(place) == 1
    begin = data.index(place) + at % len(place)
    return data[:begin] + bytes((data[begin] ^ 0x55,)) + data[begin + 1 :]


def spoilt(who: Credential, padding: RsaPadding, cipher: ContentCipher) -> Iterator[bytes]:
    """Each cause: keys that do not open or do not fit, and content whose padding or tag is bad."""
    key, other = new_content_key(cipher), new_content_key(cipher)
    info = wrap_for(who.certificate, key, padding)
    good = enveloped_data(draft(), cipher, key, [info])
    assert smimekit.decrypt(good, [who]).bytes() == draft()
    wrapped = encrypted_key(info)
    for at in (0, len(wrapped) // 2, -1):
        yield flipped(good, wrapped, at)
    yield good.replace(wrapped, bytes(len(wrapped)))
    yield enveloped_data(draft(), cipher, other, [info])  # well wrapped: the wrong key
    if isinstance(info, KeyTransRecipient):
        short = wrap_for(who.certificate, new_content_key(AES128_GCM), padding)
        yield good.replace(wrapped, encrypted_key(short))  # a key of another length, perhaps
    if cipher is AES256_CBC:
        # Over the length of its padding, by way of the block before.
        yield flipped(good, good[-32:], 15)
    else:
        yield flipped(good, good[-16:], 3)  # the tag


@pytest.mark.parametrize("cipher", CIPHERS, ids=lambda row: row.name)
@pytest.mark.parametrize(
    ("key", "padding"),
    [("rsa-2048", RsaPadding()), ("rsa-2048", OAEP), ("p256", RsaPadding())],
    ids=["v1.5", "OAEP", "ECDH"],
)
def test_every_cause_has_the_same_answer(
    key: str, padding: RsaPadding, cipher: ContentCipher
) -> None:
    who = person(BOB, key=key)
    answers = set()
    for cms in spoilt(who, padding, cipher):
        try:
            found = smimekit.decrypt(cms, [who]).bytes()
        except SmimeError as error:
            chain = (error.__cause__, error.__suppress_context__ or error.__context__ is None)
            answers.add((type(error), error.code, str(error), error.args, *chain))
        else:
            # In CBC a random key fits once in 256, and gives noise: no answer about the key.
            assert cipher is AES256_CBC
            assert found != draft()
    assert answers == {
        (
            DecryptionError,
            "decryption",
            "The message could not be decrypted.",
            ("The message could not be decrypted.",),
            None,
            True,
        )
    }


def before_a_good_one(
    who: Credential, good: RecipientInfo, cipher: ContentCipher
) -> Iterator[KeyTransRecipient]:
    """What a sender would like to know of a RecipientInfo: does it open, and to how long a key?"""
    made = wrap_for(who.certificate, new_content_key(AES128_GCM), RsaPadding())
    assert isinstance(made, KeyTransRecipient)
    yield replace(made, encrypted_key=wrapped(who, cipher.key_size))
    for size in (0, 16, 24, 31, 33, 48):
        yield replace(made, encrypted_key=wrapped(who, size))
    for octets in (b"", bytes(256), b"\xff" * 256, bytes(range(256)), encrypted_key(good)[::-1]):
        yield replace(made, encrypted_key=octets)


def wrapped(who: Credential, size: int) -> bytes:
    public = who.certificate.public_key
    assert isinstance(public, rsa.RSAPublicKey)
    return public.encrypt(b"k" * size, PKCS1v15())


@pytest.mark.parametrize("cipher", CIPHERS, ids=lambda row: row.name)
@pytest.mark.parametrize("ring", [False, True], ids=["one key", "key ring"])
def test_a_good_recipient_info_behind_one_tells_nothing_about_it(
    cipher: ContentCipher, ring: bool
) -> None:
    """The sender adds one that opens to a key of theirs: whether the message does is the answer to
    a question about the one before it (RFC 3218, 2.3).
    """
    who, key, size = person(BOB, key="rsa-2048"), new_content_key(cipher), cipher.key_size
    reader = KeyRing(who, person(BOB)) if ring else who
    good = wrap_for(person(BOB).certificate if ring else who.certificate, key, RsaPadding())
    own = wrap_for(who.certificate, key, RsaPadding())
    for asked in before_a_good_one(who, own, cipher):
        found = reader.unwrap([asked, good], size=size, attempts=64).octets
        assert len(found) == size
        assert found != key.octets
    assert reader.unwrap([good, own], size=size, attempts=64).octets == key.octets


def test_whose_key_identifier_is_two_keys_both_are_tried() -> None:
    """RFC 8551, 2.6: such identifiers exist."""
    private = [rsa.generate_private_key(65537, 2048) for _ in range(2)]
    people = [person(BOB, key="rsa-2048"), person(BOB)]
    held = [(each.certificate, SoftwareKey(key)) for each, key in zip(people, private, strict=True)]
    info = wrap_for(people[0].certificate, new_content_key(AES256_CBC), RsaPadding())
    assert isinstance(info, KeyTransRecipient)
    for key in private:
        found = set()
        for _ in range(6):  # what the wrong key gives is as long as the right one once in 250
            sealed = replace(info, encrypted_key=key.public_key().encrypt(b"k" * 32, PKCS1v15()))
            found.add(unwrap_with_any([sealed], lambda _: held, size=32, attempts=2).octets)
        assert b"k" * 32 in found


def test_who_is_no_recipient_learns_nothing_else() -> None:
    """It is told by what stands in the open, before any key is used: good or spoilt is the same."""
    who = person(BOB, key="rsa-2048")
    key = new_content_key(AES256_CBC)
    info = wrap_for(who.certificate, key, Policy.INTEROP.rsa_padding)
    good = enveloped_data(draft(), AES256_CBC, key, [info])
    answers = set()
    for cms in (good, *spoilt(who, RsaPadding(), AES256_CBC)):
        with pytest.raises(NoMatchingKey) as caught:
            smimekit.decrypt(cms, [mallory()])
        answers.add((caught.value.code, str(caught.value)))
    assert len(answers) == 1


def test_the_report_of_times_runs() -> None:
    """Its figures are not asserted: machines differ."""
    bob = person(BOB, key="rsa-2048")
    paths = sidechannels.messages(bob)
    kinds = [(path, wrong) for path, classes in paths.items() for wrong in classes]
    assert [(each.path, each.wrong) for each in sidechannels.failures(rounds=3)] == kinds
    for classes in paths.values():
        for cms in classes.values():
            for _ in range(9):  # one try in 256 fits
                try:
                    smimekit.decrypt(cms, [bob])
                except DecryptionError:
                    break
            else:
                pytest.fail("it decrypts")
