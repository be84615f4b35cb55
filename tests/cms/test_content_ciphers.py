"""ChaCha20-Poly1305, AES-CCM and CEK-HKDF: against one-shot code, and refused when changed."""

import base64
import hashlib
import hmac
from dataclasses import replace
from typing import Any

import pytest
from asn1crypto import cms as asn1
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from hypothesis import given
from hypothesis import strategies as st

import smimekit
from smimekit import Certificate, Policy, Trust, der
from smimekit.algorithms import (
    AES128_CBC,
    AES128_CCM,
    AES256_CBC,
    AES256_CCM,
    AES256_GCM,
    CEK_HKDF_SHA256,
    CHACHA20_POLY1305,
    CONTENT_CIPHERS,
    DES_EDE3_CBC,
    AlgorithmIdentifier,
    ContentCipher,
)
from smimekit.cms import aead
from smimekit.cms.aead import CcmDecryption, ChaChaDecryption, ChaChaEncryption
from smimekit.cms.cbc import cbc_encrypt
from smimekit.cms.cipher import ContentAlgorithm, decryption
from smimekit.cms.content import AUTH_ENVELOPED_DATA, DATA, ENVELOPED_DATA, content_info
from smimekit.cms.derivation import derive_content_key
from smimekit.cms.enveloped import enveloped_data, enveloped_data_stream, new_content_key
from smimekit.cms.recipients import ContentKey, encode_recipients
from smimekit.errors import CmsError, DecryptionError, LimitExceeded, UsageError
from smimekit.keys import SharedKeyRecipient
from smimekit.message.layers import Encrypted
from smimekit.span import CHUNK
from tests.cms.forge import Sink, cut, person

KEY = bytes(range(32))
ME = SharedKeyRecipient(b"me", KEY)
PIECES = st.lists(st.binary(max_size=70), max_size=8)


def run(running: Any, ciphertext: bytes, tag: bytes, aad: bytes | None, size: int = 7) -> bytes:
    sink = Sink()
    running.run(cut(ciphertext, size), sink)
    running.finish(tag, aad, sink)
    return bytes(sink.data)


def opened(message: bytes, policy: Policy = Policy.INTEROP) -> Encrypted:
    with smimekit.open(message, keys=[ME], trust=Trust(), policy=policy) as found:
        (layer,) = found.envelope
        assert isinstance(layer, Encrypted)
        return layer


def text_of(message: bytes) -> bytes:
    with smimekit.open(message, keys=[ME], trust=Trust()) as found:
        (layer,) = found.envelope
        assert isinstance(layer, Encrypted)
        if layer.failure is not None:
            raise layer.failure
        assert layer.content is not None
        return layer.content.bytes()


# --- ChaCha20-Poly1305 ---------------------------------------------------------------------


@given(PIECES, st.binary(max_size=40), st.integers(1, 200))
def test_chacha_is_the_aead(pieces: list[bytes], aad: bytes, size: int) -> None:
    nonce, content = bytes(range(12)), b"".join(pieces)
    whole = ChaCha20Poly1305(KEY).encrypt(nonce, content, aad)
    running = ChaChaEncryption(KEY, nonce, aad)
    assert b"".join(running.encrypt(pieces)) + running.tag() == whole
    read = ChaChaDecryption(KEY, nonce)
    assert run(read, whole[:-16], whole[-16:], aad or None, size) == content


@pytest.mark.parametrize("aad", [None, b"attributes"])
def test_chacha_sees_changes(aad: bytes | None) -> None:
    nonce, content = bytes(12), b"some content"
    whole = ChaCha20Poly1305(KEY).encrypt(nonce, content, aad)
    ciphertext, tag = whole[:-16], whole[-16:]

    def fails(ciphertext: bytes, tag: Any, aad: bytes | None, key: bytes = KEY) -> None:
        with pytest.raises(DecryptionError):
            run(ChaChaDecryption(key, nonce), ciphertext, tag, aad)

    assert run(ChaChaDecryption(KEY, nonce), ciphertext, tag, aad) == content
    fails(ciphertext[:-1], tag, aad)
    fails(ciphertext + b"\0", tag, aad)
    fails(b"\0" + ciphertext[1:], tag, aad)
    fails(ciphertext, tag[:12], aad)
    fails(ciphertext, b"", aad)
    fails(ciphertext, None, aad)
    fails(ciphertext, tag[:-1] + b"\0", aad)
    fails(ciphertext, tag, b"others")
    fails(ciphertext, tag, aad, bytes(32))


def test_chacha_ends_before_its_counter_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert aead._CHACHA_MOST == (2**32 - 1) * 64
    monkeypatch.setattr(aead, "_CHACHA_MOST", 64)
    running = ChaChaEncryption(KEY, bytes(12))
    with pytest.raises(LimitExceeded):
        list(running.encrypt([bytes(64), b"x"]))
    with pytest.raises(LimitExceeded):
        ChaChaDecryption(KEY, bytes(12)).run([bytes(65)], Sink())


def test_gcm_ends_before_its_counter_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """NIST SP 800-38D, 5.2.1.1: 2^39 - 256 bits."""
    assert aead._GCM_MOST * 8 == 2**39 - 256
    monkeypatch.setattr(aead, "_GCM_MOST", 64)
    running = aead.GcmEncryption(KEY, bytes(12))
    assert len(b"".join(running.encrypt([bytes(63), b"x"]))) == 64
    with pytest.raises(LimitExceeded) as caught:
        list(aead.GcmEncryption(KEY, bytes(12)).encrypt([bytes(64), b"x"]))
    assert caught.value.code == "limit.cipher"


@pytest.mark.parametrize("size", [0, 1, CHUNK - 16, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5])
@pytest.mark.parametrize("step", [5_000, CHUNK, CHUNK + 7, 4 * CHUNK])
def test_long_content_is_encrypted_as_a_whole(size: int, step: int) -> None:
    """However it is cut; the ciphertext comes in chunks of one size but the last."""
    content = (bytes(range(251)) * (size // 251 + 1))[:size]
    pieces, iv = list(cut(content, step)), bytes(16)
    running = aead.GcmEncryption(KEY, bytes(12))
    found = list(running.encrypt(pieces))
    theirs = AESGCM(KEY).encrypt(bytes(12), content, None)
    assert b"".join(found) + running.tag() == theirs
    blocks = list(cbc_encrypt(AES256_CBC, KEY, iv, pieces))
    padded = PKCS7(128).padder()
    context = Cipher(AES(KEY), CBC(iv)).encryptor()
    assert b"".join(blocks) == context.update(padded.update(content) + padded.finalize())
    for chunks in (found, blocks):
        assert {len(chunk) for chunk in chunks[:-1]} <= {CHUNK}


@pytest.mark.parametrize("stream", [False, True])
def test_chacha_message(stream: bool) -> None:
    key = new_content_key(CHACHA20_POLY1305)
    content = bytes(range(256)) * 300
    args = (CHACHA20_POLY1305, key, [ME.wrap(key)])
    if stream:
        message = b"".join(enveloped_data_stream(cut(content, 1000), *args))
    else:
        message = enveloped_data(content, *args)
    layer = opened(message)
    assert (layer.algorithm, layer.authenticated) == ("chacha20-poly1305", True)
    assert text_of(message) == content
    theirs = asn1.ContentInfo.load(message)["content"]
    algorithm = theirs["auth_encrypted_content_info"]["content_encryption_algorithm"]
    assert algorithm["algorithm"].dotted == "1.2.840.113549.1.9.16.3.18"
    nonce = algorithm["parameters"].parse().native
    sealed = theirs["auth_encrypted_content_info"]["encrypted_content"].native
    tag = theirs["mac"].native
    assert ChaCha20Poly1305(key.octets).decrypt(nonce, sealed + tag, None) == content


@pytest.mark.parametrize("size", [0, 8, 11, 13, 16])
def test_chacha_nonces(size: int) -> None:
    """RFC 8103, 3: exactly 12 octets."""
    identifier = AlgorithmIdentifier(CHACHA20_POLY1305.oid, der.octet_string(bytes(size)))
    with pytest.raises(CmsError):
        decryption(CHACHA20_POLY1305, identifier, KEY)


# --- AES-CCM -------------------------------------------------------------------------------


@given(
    PIECES,
    st.binary(max_size=70),
    st.integers(7, 13),
    st.sampled_from([12, 14, 16]),
    st.sampled_from([16, 24, 32]),
    st.integers(1, 200),
)
def test_ccm_is_the_aead(
    pieces: list[bytes], aad: bytes, nonce: int, tag: int, key: int, size: int
) -> None:
    content, name = b"".join(pieces), bytes(range(nonce))
    whole = AESCCM(KEY[:key], tag).encrypt(name, content, aad)
    read = CcmDecryption(KEY[:key], name, tag)
    assert run(read, whole[:-tag], whole[-tag:], aad or None, size) == content


@pytest.mark.parametrize("size", [0xFEFF, 0xFF00, 0x10000])
def test_ccm_with_long_attributes(size: int) -> None:
    """SP 800-38C, A.2.2: their length is written in one of two ways."""
    aad, nonce = bytes(size), bytes(12)
    whole = AESCCM(KEY).encrypt(nonce, b"content", aad)
    assert run(CcmDecryption(KEY, nonce, 16), whole[:-16], whole[-16:], aad) == b"content"


@pytest.mark.parametrize("aad", [None, b"attributes"])
def test_ccm_sees_changes(aad: bytes | None) -> None:
    nonce, content = bytes(12), b"some content"
    whole = AESCCM(KEY, 12).encrypt(nonce, content, aad)
    ciphertext, tag = whole[:-12], whole[-12:]

    def fails(ciphertext: bytes, tag: Any, aad: bytes | None, key: bytes = KEY) -> None:
        with pytest.raises(DecryptionError):
            run(CcmDecryption(key, nonce, 12), ciphertext, tag, aad)

    assert run(CcmDecryption(KEY, nonce, 12), ciphertext, tag, aad) == content
    fails(ciphertext[:-1], tag, aad)
    fails(b"\0" + ciphertext[1:], tag, aad)
    fails(ciphertext, tag[:8], aad)
    fails(ciphertext, tag + bytes(4), aad)
    fails(ciphertext, None, aad)
    fails(ciphertext, tag[:-1] + b"\0", aad)
    fails(ciphertext, tag, b"others")
    fails(ciphertext, tag, aad, bytes(32))


def test_ccm_ends_where_its_length_field_does() -> None:
    """With a nonce of 13 octets the length has two."""
    nonce = bytes(13)
    longest = bytes(0xFFFF)
    whole = AESCCM(KEY).encrypt(nonce, longest, None)
    assert run(CcmDecryption(KEY, nonce, 16), whole[:-16], whole[-16:], None, 9999) == longest
    with pytest.raises(DecryptionError):
        CcmDecryption(KEY, nonce, 16).run([longest, b"x"], Sink())


def sealed(
    cipher: ContentCipher, parameters: bytes, ciphertext: bytes, tag: bytes, key: ContentKey
) -> bytes:
    """AuthEnvelopedData with anything in it."""
    inner = der.sequence(
        der.oid(DATA),
        AlgorithmIdentifier(cipher.oid, parameters).encode(),
        der.implicit(0, ciphertext),
    )
    recipients = encode_recipients([ME.wrap(key)])
    body = der.sequence(der.integer(0), recipients, inner, der.octet_string(tag))
    return content_info(AUTH_ENVELOPED_DATA, body)


def ccm_parameters(nonce: bytes, tag: int | None) -> bytes:
    return der.sequence(der.octet_string(nonce), b"" if tag is None else der.integer(tag))


@pytest.mark.parametrize("cipher", [AES128_CCM, AES256_CCM], ids=lambda row: row.name)
@pytest.mark.parametrize("tag", [None, 12, 14, 16])
def test_ccm_message(cipher: ContentCipher, tag: int | None) -> None:
    key = new_content_key(cipher)
    whole = AESCCM(key.octets, tag or 12).encrypt(bytes(7), b"content", None)
    cut_at = len(b"content")
    message = sealed(cipher, ccm_parameters(bytes(7), tag), whole[:cut_at], whole[cut_at:], key)
    assert text_of(message) == b"content"
    layer = opened(message)
    assert (layer.algorithm, layer.authenticated) == (cipher.name, True)


@pytest.mark.parametrize(
    ("nonce", "tag"),
    [(6, 12), (14, 12), (0, 12), (12, 4), (12, 6), (12, 8), (12, 10), (12, 13), (12, 18), (12, 0)],
)
def test_ccm_parameters(nonce: int, tag: int) -> None:
    """Nonces that leave no room for a length, tags that are none or guessed too easily."""
    identifier = AlgorithmIdentifier(AES256_CCM.oid, ccm_parameters(bytes(nonce), tag))
    with pytest.raises(CmsError):
        decryption(AES256_CCM, identifier, KEY)


@pytest.mark.parametrize("name", ["aes-128-ccm", "aes-256-ccm", "des-ede3-cbc", "rc2-cbc"])
def test_what_is_only_read_is_not_written(name: str) -> None:
    (cipher,) = (row for row in CONTENT_CIPHERS.values() if row.name == name)
    key = new_content_key(cipher)
    for write in (enveloped_data, lambda *args: list(enveloped_data_stream((), *args[1:]))):
        with pytest.raises(UsageError):
            write(b"", cipher, key, [])


# --- CEK-HKDF ------------------------------------------------------------------------------


def hkdf(key: bytes, info: bytes) -> bytes:
    """RFC 9709, 2 by hand."""
    prk = hmac.digest(b"The Cryptographic Message Syntax", key, "sha256")
    return hmac.digest(prk, info + b"\x01", hashlib.sha256)[: len(key)]


@pytest.mark.parametrize(
    ("ikm", "info", "okm"),
    [
        # RFC 9709, B.1 and B.2
        (
            "c702e7d0a9e064b09ba55245fb733cf3",
            "301b0609608648016503040106300e040c5c79058ba2f43447639d29e2",
            "2124ffb29fac4e0fbbc7d5d87492bff3",
        ),
        (
            "c702e7d0a9e064b09ba55245fb733cf3",
            "301d06096086480165030401020410651f722ffd512c52fe072e507d72b377",
            "9cd102c52f1e19ece8729b35bfeceb50",
        ),
    ],
)
def test_rfc9709(ikm: str, info: str, okm: str) -> None:
    """cek-hkdf-sha256."""
    key, identifier = bytes.fromhex(ikm), bytes.fromhex(info)
    assert derive_content_key(key, identifier).hex() == okm == hkdf(key, identifier).hex()
    read = AlgorithmIdentifier.read(der.Reader(identifier))
    field = AlgorithmIdentifier(CEK_HKDF_SHA256, identifier)
    algorithm = ContentAlgorithm.read(field)
    assert algorithm == ContentAlgorithm(read, derived=True)
    assert algorithm.key(key).hex() == okm
    assert algorithm.encode() == field.encode()


WRITTEN = [row for row in CONTENT_CIPHERS.values() if row.emitted]


@pytest.mark.parametrize("cipher", WRITTEN, ids=lambda row: row.name)
def test_derived_keys(cipher: ContentCipher) -> None:
    key = new_content_key(cipher)
    whole = enveloped_data(b"content", cipher, key, [ME.wrap(key)], derived=True)
    chunks = enveloped_data_stream([b"con", b"tent"], cipher, key, [ME.wrap(key)], derived=True)
    for message in (whole, b"".join(chunks)):
        assert text_of(message) == b"content"
        assert opened(message).algorithm == cipher.name
        assert opened(message).authenticated == cipher.authenticated


def test_a_derived_key_is_another_one() -> None:
    key = new_content_key(AES256_GCM)
    message = enveloped_data(b"content", AES256_GCM, key, [ME.wrap(key)], derived=True)
    theirs = asn1.ContentInfo.load(message)["content"]
    info = theirs["auth_encrypted_content_info"]
    algorithm = info["content_encryption_algorithm"]
    assert algorithm["algorithm"].dotted == CEK_HKDF_SHA256
    inner = algorithm["parameters"].dump()
    nonce = der.Reader(AlgorithmIdentifier.read(der.Reader(inner)).parameters or b"")
    name = nonce.enter(der.SEQUENCE).octets()
    derived = hkdf(key.octets, inner)
    both = info["encrypted_content"].native + theirs["mac"].native
    assert AESGCM(derived).decrypt(name, both, None) == b"content"


def test_without_the_derivation_nothing_opens() -> None:
    """RFC 9709, 6: who strips the identifier, or changes it, gets another key."""
    key = new_content_key(AES256_CBC)
    message = enveloped_data(b"content", AES256_CBC, key, [ME.wrap(key)], derived=True)
    content = der.Reader(message).enter(der.SEQUENCE)
    oid = content.oid()
    inside = content.enter(0xA0).enter(der.SEQUENCE)
    version, recipients = inside.raw(), inside.raw()
    encrypted = inside.enter(der.SEQUENCE)
    inner_type, outer = encrypted.raw(), AlgorithmIdentifier.read(encrypted)
    ciphertext = encrypted.raw()
    assert outer.parameters is not None

    def rebuilt(algorithm: bytes) -> bytes:
        info = der.sequence(inner_type, algorithm, ciphertext)
        return content_info(oid, der.sequence(version, recipients, info))

    assert text_of(rebuilt(outer.encode())) == b"content"
    for _ in range(3):  # CBC padding may be right by chance, the content is not
        try:
            assert text_of(rebuilt(outer.parameters)) != b"content"
        except DecryptionError:
            continue


@pytest.mark.parametrize(
    "algorithm",
    [
        AlgorithmIdentifier(CEK_HKDF_SHA256),
        AlgorithmIdentifier(CEK_HKDF_SHA256, der.NULL_VALUE),
        AlgorithmIdentifier(CEK_HKDF_SHA256, der.sequence()),
    ],
)
def test_a_derivation_for_no_cipher(algorithm: AlgorithmIdentifier) -> None:
    with pytest.raises(CmsError):
        ContentAlgorithm.read(algorithm)


def test_a_derivation_within_one() -> None:
    inner = AlgorithmIdentifier(AES128_CBC.oid, der.octet_string(bytes(16))).encode()
    once = AlgorithmIdentifier(CEK_HKDF_SHA256, inner).encode()
    assert ContentAlgorithm.read(AlgorithmIdentifier(CEK_HKDF_SHA256, once)).cipher is None


def test_a_derived_weak_cipher_is_weak() -> None:
    key = ContentKey(bytes(24))
    inner = AlgorithmIdentifier(DES_EDE3_CBC.oid, der.octet_string(bytes(8))).encode()
    algorithm = AlgorithmIdentifier(CEK_HKDF_SHA256, inner).encode()
    info = der.sequence(der.oid(DATA), algorithm, der.implicit(0, bytes(16)))
    body = der.sequence(der.integer(2), encode_recipients([ME.wrap(key)]), info)
    assert isinstance(opened(content_info(ENVELOPED_DATA, body)).failure, smimekit.PolicyError)


def _cms(mail: bytes) -> bytes:
    return base64.b64decode(mail.split(b"\r\n\r\n", 1)[1])


def test_the_policy_asks_for_it() -> None:
    policy = replace(Policy.INTEROP, derive_content_keys=True)
    oid, mail = der.oid(CEK_HKDF_SHA256), b"Subject: x\r\n\r\nhello"
    assert oid in _cms(smimekit.encrypt(mail, [ME], policy=policy))
    assert oid not in _cms(smimekit.encrypt(mail, [ME]))


@pytest.mark.parametrize(
    ("announced", "derived"),
    [
        ((True,), True),
        ((True, True), True),
        ((True, False), False),
        ((False,), False),
        ((None,), False),
    ],
)
def test_who_announces_it_gets_it(announced: tuple[bool | None, ...], derived: bool) -> None:
    """RFC 9709, 4 and RFC 4262: all recipients, in their certificates."""
    people = []
    for value in announced:
        certificate: Any = Certificate(person().certificate.der)
        capability = AlgorithmIdentifier(CEK_HKDF_SHA256 if value else AES128_CBC.oid).encode()
        listed = b"\x30\x80" if value is None else der.sequence(capability)
        certificate.__dict__["_extensions"] = {"1.2.840.113549.1.9.15": listed}
        people.append(certificate)
    mail = smimekit.encrypt(b"Subject: x\r\n\r\nhello", people)
    assert (der.oid(CEK_HKDF_SHA256) in _cms(mail)) is derived
    assert b"hello" in smimekit.decrypt(mail, [person()]).bytes()
