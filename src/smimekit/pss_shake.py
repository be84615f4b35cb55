"""RSASSA-PSS with SHAKE as its mask generation function (RFC 8702, 3.2.1): verification only.

The primitives library has PSS with MGF1 alone. Everything here is public (key, signature,
message), so plain arithmetic gives nothing away. Knows RFC 8017, 8.1.2 and 9.1.2; may not
know messages or private keys.
"""

import hashlib
from collections.abc import Callable
from hmac import compare_digest
from typing import Final

__all__ = ["Mask", "encoding_matches", "shake_mask", "verify_pss_shake"]

Mask = Callable[[bytes, int], bytes]
"""A mask generation function: seed and length to mask."""

_SHAKES: Final = {32: hashlib.shake_128, 64: hashlib.shake_256}
"""By the length of the digest in bytes, which is that of the salt, too."""


def shake_mask(size: int) -> Mask:
    """SHAKE128 or SHAKE256 as such, by the length of its digest: no counter as in MGF1."""
    return lambda seed, length: _SHAKES[size](seed).digest(length)


def verify_pss_shake(
    modulus: int, exponent: int, signature: bytes, digest: bytes, largest: int = 16384
) -> bool:
    """Is `signature` one of data with this SHAKE digest (32 or 64 bytes)?

    A modulus of more than `largest` bits, or an exponent of more than 64, only burns time.
    """
    bits = modulus.bit_length()
    if bits > largest or exponent.bit_length() > 64 or len(signature) != (bits + 7) // 8:
        return False
    representative = int.from_bytes(signature, "big")
    if representative >= modulus:
        return False
    size = len(digest)
    encoded_bits = bits - 1
    opened = pow(representative, exponent, modulus)
    length = (encoded_bits + 7) // 8
    if opened.bit_length() > 8 * length:
        return False
    encoded = opened.to_bytes(length, "big")
    shake = _SHAKES[size]
    return encoding_matches(
        encoded,
        encoded_bits,
        digest,
        lambda data: shake(data).digest(size),
        shake_mask(size),
    )


def encoding_matches(
    encoded: bytes,
    bits: int,
    digest: bytes,
    hashed: Callable[[bytes], bytes],
    mask: Mask,
) -> bool:
    """EMSA-PSS-VERIFY (RFC 8017, 9.1.2) with a salt as long as the digest."""
    size = len(digest)
    if len(encoded) < 2 * size + 2 or encoded[-1] != 0xBC:
        return False
    masked, found = encoded[: -size - 1], encoded[-size - 1 : -1]
    unused = 8 * len(encoded) - bits
    if masked[0] >> (8 - unused):
        return False
    opened = bytearray(a ^ b for a, b in zip(masked, mask(found, len(masked)), strict=True))
    opened[0] &= 0xFF >> unused
    padding, salt = opened[:-size], opened[-size:]
    if bytes(padding) != bytes(len(padding) - 1) + b"\x01":
        return False
    return compare_digest(found, hashed(bytes(8) + digest + bytes(salt)))
