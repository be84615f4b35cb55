"""Recipients beside others and of other kinds, streams, and what we do not know: both ways.

What Debian's 1.72 cannot do, `test_bouncycastle_encrypted.py` says.
"""

from contextlib import suppress

import pytest

import smimekit
from smimekit import CertificateRecipient, PasswordRecipient, SharedKeyRecipient
from smimekit import algorithms as rows
from smimekit.cms.enveloped import enveloped_data, enveloped_data_stream, new_content_key
from smimekit.cms.recipients import PasswordRecipientInfo
from smimekit.keys import Decryptor, Recipient
from smimekit.message.layers import Encrypted
from tests.interop.castle import BouncyCastle, agree, kek, password
from tests.interop.messages import body_of, split_signed
from tests.interop.peers import People, Refused
from tests.interop.test_bouncycastle_encrypted import (
    ENTITY,
    KEYS,
    MAIL,
    WRAPS,
    layer_of,
    name,
    tag,
    to,
)

# --- shared keys and passwords -------------------------------------------------------------


@pytest.mark.parametrize("cipher", [rows.AES256_CBC, rows.AES256_GCM], ids=name)
@pytest.mark.parametrize("wrap", WRAPS, ids=name)
def test_shared_keys(
    bouncycastle: BouncyCastle, wrap: rows.KeyWrap, cipher: rows.ContentCipher
) -> None:
    secret = bytes(range(wrap.key_size))
    who = SharedKeyRecipient(b"\x01name", secret)
    layer_of(bouncycastle.encrypt(ENTITY, cipher.oid, kek(who.key_id, secret)), who)
    key = new_content_key(cipher)
    ours = enveloped_data(ENTITY, cipher, key, [who.wrap(key)])
    assert bouncycastle.decrypt_with(ours, kek=secret, options=tag(cipher)) == ENTITY
    with pytest.raises(Refused):
        bouncycastle.decrypt_with(ours, kek=bytes(wrap.key_size), options=tag(cipher))


@pytest.mark.parametrize("prf", ["sha1", "sha224", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("inner", [rows.AES128_CBC, rows.AES192_CBC, rows.AES256_CBC], ids=name)
@pytest.mark.parametrize("cipher", [rows.AES128_CBC, rows.AES256_GCM], ids=name)
def test_passwords_of_theirs(
    bouncycastle: BouncyCastle,
    cipher: rows.ContentCipher,
    inner: rows.ContentCipher,
    prf: str,
) -> None:
    """password, with each pseudorandom function of PBKDF2."""
    line = password("Grüße", inner.oid, 1234, prf)
    cms = bouncycastle.encrypt(ENTITY, cipher.oid, line)
    layer = layer_of(cms, PasswordRecipient("Grüße"))
    assert isinstance(layer.recipients[0], PasswordRecipientInfo)
    with suppress(smimekit.DecryptionError):  # a random key's padding fits one time in 256
        assert smimekit.decrypt(cms, [PasswordRecipient("Gruesse")]).bytes() != ENTITY


@pytest.mark.parametrize("cipher", [rows.AES128_CBC, rows.AES256_GCM], ids=name)
def test_passwords_of_ours(bouncycastle: BouncyCastle, cipher: rows.ContentCipher) -> None:
    """password."""
    key = new_content_key(cipher)
    cms = enveloped_data(ENTITY, cipher, key, [PasswordRecipient("Grüße", iterations=99).wrap(key)])
    assert bouncycastle.decrypt_with(cms, options=tag(cipher), text="Grüße") == ENTITY
    with pytest.raises(Refused):
        bouncycastle.decrypt_with(cms, options=tag(cipher), text="Gruesse")


# --- what we do not know -------------------------------------------------------------------

UNKNOWN = {
    "camellia-256": "1.2.392.200011.61.1.1.1.4",
    "seed": "1.2.410.200004.1.4",
    "cast5": "1.2.840.113533.7.66.10",
}


@pytest.mark.parametrize("oid", UNKNOWN.values(), ids=UNKNOWN)
def test_unknown_ciphers(bouncycastle: BouncyCastle, people: People, oid: str) -> None:
    """Named, and not opened."""
    bob = people("bob")
    cms = bouncycastle.encrypt(ENTITY, oid, to(bob, "p256"))
    assert bouncycastle.decrypt(cms, bob) == ENTITY
    for keys in ([], [bob]):
        with smimekit.open(cms, keys=keys, trust=smimekit.Trust()) as opened:
            (layer,) = opened.envelope
            assert isinstance(layer, Encrypted)
            assert (layer.algorithm, layer.cipher, layer.content) == (oid, None, None)
            assert layer.failure is not None
            assert layer.failure.code == "cms.cipher"
    with pytest.raises(smimekit.CmsError, match=oid) as caught:
        smimekit.decrypt(cms, [bob])
    assert caught.value.code == "cms.cipher"


@pytest.mark.parametrize("wrap", ["1.2.392.200011.61.1.1.3.4", "1.2.410.200004.7.1.1.1"])
def test_unknown_wraps(bouncycastle: BouncyCastle, people: People, wrap: str) -> None:
    bob, cipher = people("bob"), rows.AES128_CBC.oid
    unknown = agree(bob.certificate, rows.ECDH_STD_SHA256.oid, wrap)
    with suppress(smimekit.DecryptionError):
        found = smimekit.decrypt(bouncycastle.encrypt(ENTITY, cipher, unknown), [bob])
        assert found.bytes() != ENTITY  # a random key, whose padding fits one time in 256
    beside = bouncycastle.encrypt(ENTITY, cipher, unknown, to(bob, "p256"))
    layer_of(beside, bob)


# --- several recipients, and streams -------------------------------------------------------


def everybody(people: People) -> dict[str, smimekit.Credential]:
    return {kind: people(f"bob {kind}") for kind in (*KEYS, "brainpoolp256r1")}


@pytest.mark.parametrize("cipher", [rows.AES256_CBC, rows.CHACHA20_POLY1305], ids=name)
def test_everybody_at_once(
    bouncycastle: BouncyCastle, people: People, cipher: rows.ContentCipher
) -> None:
    who = everybody(people)
    shared, secret = SharedKeyRecipient(b"name", bytes(16)), PasswordRecipient("x", iterations=9)
    holders: list[Decryptor] = [*who.values(), shared, secret]
    lines = [to(each, kind) for kind, each in who.items()]
    more = [kek(b"name", bytes(16)), password("x", rows.AES256_CBC.oid)]
    theirs = bouncycastle.encrypt(ENTITY, cipher.oid, *lines, *more)
    for each in holders:
        assert len(layer_of(theirs, each).recipients) == 7
    key, padding = new_content_key(cipher), rows.RsaPadding()
    addressees: list[Recipient] = [
        *(CertificateRecipient(each.certificate, padding) for each in who.values()),
        shared,
        secret,
    ]
    ours = enveloped_data(ENTITY, cipher, key, [each.wrap(key) for each in addressees])
    for holder in who.values():
        assert bouncycastle.decrypt(ours, holder, options=tag(cipher)) == ENTITY
    assert bouncycastle.decrypt_with(ours, kek=bytes(16), options=tag(cipher)) == ENTITY
    assert bouncycastle.decrypt_with(ours, options=tag(cipher), text="x") == ENTITY


def test_it_skips_a_kem(bouncycastle: BouncyCastle, people: People) -> None:
    """An ori before it does not keep a recipient from reading."""
    bob = people("bob")
    ours = body_of(smimekit.encrypt(ENTITY, [people("carol ml-kem-768"), bob], headers=None))
    assert bouncycastle.decrypt(ours, bob) == ENTITY


@pytest.mark.parametrize("key", KEYS)
def test_streams_of_theirs(bouncycastle: BouncyCastle, people: People, key: str) -> None:
    """BER throughout: the recipients, too, and the ciphertext in blocks."""
    bob = people(f"bob {key}")
    cms = bouncycastle.encrypt(ENTITY, rows.AES256_CBC.oid, to(bob, key), options="stream")
    assert cms[1] == 0x80
    assert b"\x04\x10" in cms
    layer_of(cms, bob)


@pytest.mark.parametrize("options", ["", "stream"], ids=["whole", "stream"])
@pytest.mark.parametrize("size", [1, 7, 1 << 16])
@pytest.mark.parametrize("key", KEYS)
def test_streams_of_ours(
    bouncycastle: BouncyCastle, people: People, key: str, size: int, options: str
) -> None:
    bob, cipher = people(f"bob {key}"), rows.AES128_CBC
    content_key = new_content_key(cipher)
    wrapped = CertificateRecipient(bob.certificate, rows.RsaPadding()).wrap(content_key)
    pieces = [ENTITY[at : at + size] for at in range(0, len(ENTITY), size)]
    cms = b"".join(enveloped_data_stream(pieces, cipher, content_key, [wrapped]))
    assert bouncycastle.decrypt(cms, bob, options=options) == ENTITY


@pytest.mark.parametrize("cipher", [rows.AES256_GCM, rows.CHACHA20_POLY1305], ids=name)
@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_streams_with_a_tag(
    bouncycastle: BouncyCastle, people: People, size: int, cipher: rows.ContentCipher
) -> None:
    bob, key = people("bob"), new_content_key(cipher)
    wrapped = CertificateRecipient(bob.certificate, rows.RsaPadding()).wrap(key)
    pieces = [ENTITY[at : at + size] for at in range(0, len(ENTITY), size)]
    cms = b"".join(enveloped_data_stream(pieces, cipher, key, [wrapped]))
    assert bouncycastle.decrypt(cms, bob, options="auth") == ENTITY


@pytest.mark.parametrize("kind", ["rsa-2048", "p256"])
def test_signed_then_encrypted(
    bouncycastle: BouncyCastle, people: People, trust: smimekit.Trust, kind: str
) -> None:
    alice, bob = people("alice"), people(f"bob {kind}")
    ours = body_of(smimekit.encrypt(MAIL, [bob], signer=alice, headers=None))
    entity, signature = split_signed(bouncycastle.decrypt(ours, bob))
    assert entity == ENTITY
    assert bouncycastle.verify(signature, content=entity).signers == 1
    signed = bouncycastle.sign(ENTITY, (alice, "SHA256withECDSA"))
    theirs = bouncycastle.encrypt(signed, rows.AES256_CBC.oid, to(bob, kind), options="stream")
    payload = smimekit.verify(theirs, trust, keys=[bob], expect="alice@example.org")
    assert payload.bytes() == ENTITY
