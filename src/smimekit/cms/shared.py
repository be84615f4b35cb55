"""Keys that both sides have: KEKRecipientInfo and PasswordRecipientInfo (RFC 5652, 6.2.3, 6.2.4).

Knows how a content-encryption key is wrapped with a shared one: AES key wrap, and the double
encryption of RFC 3211. May not know passwords (`keys` does), nor which keys are at hand.
"""

import hmac
from typing import Final

from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from smimekit import der
from smimekit.algorithms import (
    AES128_CBC,
    AES192_CBC,
    AES256_CBC,
    CONTENT_CIPHERS,
    KEY_WRAPS,
    PWRI_KEK,
    AlgorithmIdentifier,
    ContentCipher,
)
from smimekit.cms.derivation import unwrap_key, wrap_key
from smimekit.cms.recipients import ContentKey, KekRecipient, PasswordRecipientInfo
from smimekit.errors import DecryptionError, UsageError
from smimekit.primitives import random_bytes

__all__ = [
    "double_decrypt",
    "double_encrypt",
    "open_password",
    "open_shared",
    "password_cipher",
    "wrap_password",
    "wrap_shared",
]

# --- KEKRecipientInfo ----------------------------------------------------------------------


def wrap_shared(key_id: bytes, kek: bytes, key: ContentKey) -> KekRecipient:
    """The key, wrapped with a key-encryption key of 16, 24 or 32 octets; else UsageError."""
    rows = [row for row in KEY_WRAPS.values() if row.key_size == len(kek)]
    if not rows:
        raise UsageError("A key for AES key wrap has 16, 24 or 32 octets.", code="usage.key-size")
    return KekRecipient(key_id, AlgorithmIdentifier(rows[0].oid), wrap_key(kek, key.octets))


def open_shared(recipient: KekRecipient, kek: bytes) -> bytes:
    """The wrapped key; DecryptionError where this one does not open it."""
    row = KEY_WRAPS.get(recipient.algorithm.oid)
    if row is None or row.key_size != len(kek):
        raise DecryptionError
    return unwrap_key(kek, recipient.encrypted_key)


# --- PasswordRecipientInfo -----------------------------------------------------------------

_CIPHERS: Final = frozenset({AES128_CBC, AES192_CBC, AES256_CBC})


def wrap_password(
    derivation: AlgorithmIdentifier, kek: bytes, key: ContentKey
) -> PasswordRecipientInfo:
    """The key, wrapped with one of 32 octets that `derivation` makes of a password."""
    iv = random_bytes(AES256_CBC.block)
    algorithm = AlgorithmIdentifier(PWRI_KEK, AES256_CBC.identifier(iv).encode())
    return PasswordRecipientInfo(derivation, algorithm, double_encrypt(AES(kek), iv, key.octets))


def password_cipher(recipient: PasswordRecipientInfo) -> tuple[ContentCipher, bytes]:
    """Cipher and IV of a PWRI-KEK (RFC 3211, 2.2); DecryptionError for any but AES."""
    algorithm = recipient.algorithm
    if algorithm.oid != PWRI_KEK or algorithm.parameters is None:
        raise DecryptionError
    inner = AlgorithmIdentifier.read(der.Reader(algorithm.parameters))
    cipher = CONTENT_CIPHERS.get(inner.oid)
    if cipher not in _CIPHERS or inner.parameters is None:
        raise DecryptionError
    iv = der.Reader(inner.parameters).octets()
    if len(iv) != cipher.block:
        raise DecryptionError
    return cipher, iv


def open_password(recipient: PasswordRecipientInfo, kek: bytes) -> bytes:
    """The wrapped key; DecryptionError where this one does not open it."""
    return double_decrypt(AES(kek), password_cipher(recipient)[1], recipient.encrypted_key)


def double_encrypt(cipher: BlockCipherAlgorithm, iv: bytes, key: bytes) -> bytes:
    """The key wrap of RFC 3211, 2.3.1; UsageError for a key shorter than 3 octets."""
    if not 3 <= len(key) <= 255:
        raise UsageError("A key for a password has 3 to 255 octets.", code="usage.key-wrap")
    block = cipher.block_size // 8
    plain = bytes((len(key),)) + _complement(key) + key
    padding = max(2 * block - len(plain), -len(plain) % block)
    running = Cipher(cipher, CBC(iv)).encryptor()
    # The second pass goes on with the last block of the first one as its IV.
    return running.update(running.update(plain + random_bytes(padding)))


def double_decrypt(cipher: BlockCipherAlgorithm, iv: bytes, wrapped: bytes) -> bytes:
    """The key unwrap of RFC 3211, 2.3.2; DecryptionError where its check value is wrong."""
    block = cipher.block_size // 8
    if len(wrapped) < 2 * block or len(wrapped) % block:
        raise DecryptionError
    last = _decrypt(cipher, wrapped[-2 * block : -block], wrapped[-block:])
    inner = _decrypt(cipher, last, wrapped[:-block]) + last
    plain = _decrypt(cipher, iv, inner)
    key = plain[4 : 4 + plain[0]]
    if len(key) != plain[0]:
        raise DecryptionError
    if not hmac.compare_digest(_complement(key), plain[1:4]):
        raise DecryptionError
    return key


def _decrypt(cipher: BlockCipherAlgorithm, iv: bytes, data: bytes) -> bytes:
    return Cipher(cipher, CBC(iv)).decryptor().update(data)


def _complement(key: bytes) -> bytes:
    return bytes(octet ^ 0xFF for octet in key[:3])
