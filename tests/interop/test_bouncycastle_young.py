"""What is younger than Bouncy Castle 1.72, put together from its parts: RSA-KEM and CEK-HKDF.

`RsaKem.java` and `Derived.java` do as RFC 9690 and RFC 9709 say, with its RSA, KDFs, key wrap,
ciphers and syntax, and know nothing of ours.
"""

from collections.abc import Callable
from contextlib import suppress

import pytest

import smimekit
from smimekit import CertificateRecipient, SharedKeyRecipient, Trust
from smimekit import algorithms as rows
from smimekit.cms.enveloped import enveloped_data, enveloped_data_stream, new_content_key
from smimekit.cms.recipients import KemRecipient
from smimekit.keys import Decryptor
from smimekit.message.layers import Encrypted
from tests.interop.castle import BouncyCastle, kek, rsa_kem, transport
from tests.interop.messages import body_of
from tests.interop.peers import People, Refused

ENTITY = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nOne line,\r\nand another.\r\n"
WRITTEN = [row for row in rows.CONTENT_CIPHERS.values() if row.emitted]
WRAPS = list(rows.KEY_WRAPS.values())
SHARED = SharedKeyRecipient(b"name", bytes(range(16)))


def name(row: rows.ContentCipher | rows.KeyWrap) -> str:
    return row.name


def opened(cms: bytes, who: Decryptor) -> Encrypted:
    with smimekit.open(cms, keys=[who], trust=Trust()) as message:
        (layer,) = message.envelope
        assert isinstance(layer, Encrypted)
        assert layer.content is not None
        assert layer.content.bytes() == ENTITY
        return layer


# --- RSA-KEM -------------------------------------------------------------------------------


@pytest.mark.parametrize("ukm", [None, b"user keying material"], ids=["", "ukm"])
@pytest.mark.parametrize("wrap", WRAPS, ids=name)
def test_rsa_kem_of_theirs(
    bouncycastle: BouncyCastle, people: People, wrap: rows.KeyWrap, ukm: bytes | None
) -> None:
    """rsa-kem."""
    bob = people("bob rsa-2048")
    for cipher in (rows.AES128_CBC, rows.AES256_GCM):
        cms = bouncycastle.encrypt(ENTITY, cipher.oid, rsa_kem(bob.certificate, wrap.oid, ukm))
        (recipient,) = opened(cms, bob).recipients
        assert isinstance(recipient, KemRecipient)
        assert (recipient.wrap.oid, recipient.ukm) == (wrap.oid, ukm)


@pytest.mark.parametrize("cipher", WRITTEN, ids=name)
def test_rsa_kem_of_ours(
    bouncycastle: BouncyCastle, people: People, cipher: rows.ContentCipher
) -> None:
    """rsa-kem."""
    bob = people("bob rsa-2048")
    to = CertificateRecipient(bob.certificate, rows.RsaKem())
    cms = body_of(smimekit.encrypt(ENTITY, [to], cipher=cipher, headers=None))
    assert bouncycastle.decrypt(cms, bob, options="young") == ENTITY
    with pytest.raises(Refused):
        bouncycastle.decrypt(cms, people("carol rsa-2048"), options="young")


def test_a_changed_number(bouncycastle: BouncyCastle, people: People) -> None:
    bob = people("bob rsa-2048")
    line = rsa_kem(bob.certificate, rows.AES256_WRAP.oid)
    cms = bouncycastle.encrypt(ENTITY, rows.AES256_GCM.oid, line)
    (recipient,) = opened(cms, bob).recipients
    assert isinstance(recipient, KemRecipient)
    ciphertext = recipient.ciphertext
    changed = cms.replace(ciphertext, ciphertext[:-1] + bytes([ciphertext[-1] ^ 1]))
    with pytest.raises(smimekit.DecryptionError):
        smimekit.decrypt(changed, [bob])
    with pytest.raises(Refused):
        bouncycastle.decrypt(changed, bob, options="young")


# --- CEK-HKDF ------------------------------------------------------------------------------


def test_derived_keys_of_theirs(bouncycastle: BouncyCastle, people: People) -> None:
    """cek-hkdf-sha256, for recipients of several kinds."""
    bob = people("bob rsa-2048")
    lines = (kek(SHARED.key_id, SHARED.key), transport(bob.certificate))
    cms = bouncycastle.encrypt(ENTITY, rows.AES256_CBC.oid, *lines, options="derived")
    holders: list[Decryptor] = [SHARED, bob]
    for who in holders:
        assert opened(cms, who).algorithm == "aes-256-cbc"
    assert bytes.fromhex("060b2a864886f70d010910031f") in cms


@pytest.mark.parametrize("cipher", WRITTEN, ids=name)
def test_derived_keys_of_ours(bouncycastle: BouncyCastle, cipher: rows.ContentCipher) -> None:
    """cek-hkdf-sha256, in one piece and in pieces."""
    key = new_content_key(cipher)
    to = [SHARED.wrap(key)]
    whole = enveloped_data(ENTITY, cipher, key, to, derived=True)
    pieces = [ENTITY[:9], ENTITY[9:]]
    stream = b"".join(enveloped_data_stream(pieces, cipher, key, to, derived=True))
    for cms in (whole, stream):
        assert bouncycastle.decrypt_with(cms, kek=SHARED.key, options="young") == ENTITY


def test_a_derived_key_is_bound_to_its_cipher(bouncycastle: BouncyCastle) -> None:
    """Another IV, which is a part of the cipher's identifier, makes another key."""
    cms = bouncycastle.encrypt(
        ENTITY, rows.AES256_CBC.oid, kek(SHARED.key_id, SHARED.key), options="derived"
    )
    cbc = bytes.fromhex("060960864801650304012a0410")
    at = cms.index(cbc) + len(cbc)
    changed = cms[:at] + bytes([cms[at] ^ 1]) + cms[at + 1 :]
    readers: list[Callable[[], bytes]] = [
        lambda: smimekit.decrypt(changed, [SHARED]).bytes(),
        lambda: bouncycastle.decrypt_with(changed, kek=SHARED.key, options="young"),
    ]
    for read in readers:
        # The padding of garbage fits one time in 256. Without the derivation, all but the
        # first block would have come out.
        with suppress(smimekit.DecryptionError, Refused):
            assert read()[16:] != ENTITY[16:]
