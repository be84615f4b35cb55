"""RSA-KEM (RFC 9690, App. A): RSA of a random integer, without padding.

The primitives library has no such RSA, so this is Python's arithmetic. Knows keys and integers;
may not know what the secret is for.
"""

from cryptography.hazmat.primitives.asymmetric import rsa

from smimekit.errors import DecryptionError
from smimekit.primitives import random_bytes

__all__ = ["rsa_decapsulate", "rsa_encapsulate"]


def rsa_encapsulate(key: rsa.RSAPublicKey) -> tuple[bytes, bytes]:
    """A random integer below the modulus, and what only the private key makes it from."""
    numbers = key.public_numbers()
    size = (key.key_size + 7) // 8
    # 128 bits more than the modulus has: the remainder is as good as uniform.
    secret = int.from_bytes(random_bytes(size + 16), "big") % numbers.n
    encrypted = pow(secret, numbers.e, numbers.n)
    return secret.to_bytes(size, "big"), encrypted.to_bytes(size, "big")


def rsa_decapsulate(key: rsa.RSAPrivateKey, ciphertext: bytes) -> bytes:
    """That integer, as long as the modulus; DecryptionError for an impossible ciphertext.

    The time of Python's arithmetic depends on the numbers: blinding makes them independent of
    the ciphertext. The check in the end keeps a fault in the computation from giving away the key.
    """
    private = key.private_numbers()
    n, e = private.public_numbers.n, private.public_numbers.e
    size = (n.bit_length() + 7) // 8
    encrypted = int.from_bytes(ciphertext, "big")
    if len(ciphertext) != size or not 0 < encrypted < n:
        raise DecryptionError
    blind = 1 + int.from_bytes(random_bytes(size + 16), "big") % (n - 1)
    blinded = encrypted * pow(blind, e, n) % n
    at_p = pow(blinded, private.dmp1, private.p)
    at_q = pow(blinded, private.dmq1, private.q)
    opened = at_q + (at_p - at_q) * private.iqmp % private.p * private.q
    secret = opened * pow(blind, -1, n) % n
    if pow(secret, e, n) != encrypted:
        raise DecryptionError
    return secret.to_bytes(size, "big")
