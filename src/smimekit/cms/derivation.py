"""Keys from shared secrets, and AES key wrap with them (RFC 3394, 5753, 8418, 9629, 9709).

Knows KDFs and key wraps as computations. May not know who shares the secret, nor why.
"""

import hmac
from typing import Final

from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from smimekit import der
from smimekit.algorithms import (
    AES128_WRAP,
    AES192_WRAP,
    AES256_WRAP,
    KEY_WRAPS,
    SHA256,
    AlgorithmIdentifier,
    Digest,
    KdfKind,
    KeyWrap,
)
from smimekit.errors import DecryptionError, UsageError
from smimekit.primitives import hash_algorithm

__all__ = [
    "derive",
    "derive_content_key",
    "fitting_wrap",
    "is_zero",
    "read_wrap",
    "unwrap_key",
    "wrap_key",
]

_CEK_SALT: Final = b"The Cryptographic Message Syntax"
_BY_SIZE: Final = {row.key_size: row for row in (AES128_WRAP, AES192_WRAP, AES256_WRAP)}


def derive(
    kind: KdfKind,
    digest: Digest,
    secret: bytes,
    size: int,
    info: bytes,
    *,
    salt: bytes | None = None,
) -> bytes:
    """`size` octets of key from a shared secret; only HKDF takes a salt."""
    algorithm = hash_algorithm(digest)
    if kind is KdfKind.HKDF:
        return HKDF(algorithm, size, salt, info).derive(secret)
    if kind is KdfKind.KDF3:
        # ANSI X9.44 counts from 1 before the secret, like NIST SP 800-56A's KDF.
        return ConcatKDFHash(algorithm, size, info).derive(secret)
    return X963KDF(algorithm, size, info).derive(secret)


def derive_content_key(key: bytes, identifier: bytes) -> bytes:
    """CMS_CEK_HKDF_SHA256: a key of the same size that is bound to a cipher (RFC 9709, 2).

    `identifier` is the DER of the contentEncryptionAlgorithm that the new key is for.
    """
    return HKDF(hash_algorithm(SHA256), len(key), _CEK_SALT, identifier).derive(key)


# --- AES key wrap --------------------------------------------------------------------------


def fitting_wrap(least: KeyWrap, key: bytes) -> KeyWrap:
    """A wrap no weaker than `least`, nor than the key that it wraps (RFC 5753, 8)."""
    for size, row in _BY_SIZE.items():
        if size >= max(least.key_size, min(len(key), AES256_WRAP.key_size)):
            return row
    return AES256_WRAP


def read_wrap(identifier: bytes) -> KeyWrap:
    """The row of an encoded identifier; DecryptionError where it is not known.

    Its parameters are absent (RFC 3565, 2.3.2), and NULL with some senders.
    """
    row = KEY_WRAPS.get(AlgorithmIdentifier.read(der.Reader(identifier)).oid)
    if row is None:
        raise DecryptionError
    return row


def wrap_key(kek: bytes, key: bytes) -> bytes:
    """AES key wrap (RFC 3394); UsageError where the key is not made of 8-octet blocks."""
    try:
        return aes_key_wrap(kek, key)
    except ValueError:
        raise UsageError(
            "A key is wrapped in whole blocks of 8 octets, at least two of them.",
            code="usage.key-wrap",
        ) from None


def unwrap_key(kek: bytes, wrapped: bytes) -> bytes:
    """The wrapped key; DecryptionError where it was wrapped with another one, or changed."""
    try:
        return aes_key_unwrap(kek, wrapped)
    except (ValueError, InvalidUnwrap):
        raise DecryptionError from None


def is_zero(secret: bytes) -> bool:
    """Is it all zeros? In constant time."""
    return hmac.compare_digest(secret, bytes(len(secret)))
