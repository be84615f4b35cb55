"""Signatures of keys that compute elsewhere, looked at before they leave.

Knows that a key may fail without saying so. May not know what is signed.
"""

from typing import Final, final

from smimekit import primitives
from smimekit.algorithms import RsaPadding, SignatureScheme
from smimekit.errors import KeyAccessError
from smimekit.keys.software import SoftwareKey
from smimekit.primitives import PublicKey
from smimekit.private_key import PrivateKey

__all__ = ["CheckedKey", "checked"]


def checked(key: PrivateKey) -> PrivateKey:
    """The key, to sign with: what it signs verifies, or it raises.

    Keys in memory are as they are: their library checks what RSA computes, and nothing comes
    between it and us.
    """
    return key if isinstance(key, SoftwareKey) else CheckedKey(key)


@final
class CheckedKey:
    """A key on a token, in a cloud or in an agent (`PrivateKey`), whose signatures are verified.

    Of an RSA key that computes by its primes, one signature with a fault in it gives the key away
    to whoever reads it (Boneh, DeMillo and Lipton, 1997); and a signature of whatever else went
    wrong is a mail that nobody can verify. Raises KeyAccessError (`key-access.signature`).
    """

    __slots__ = ("_key",)

    def __init__(self, key: PrivateKey) -> None:
        self._key: Final = key

    @property
    def public_key(self) -> PublicKey:
        return self._key.public_key

    def sign(self, data: bytes, scheme: SignatureScheme) -> bytes:
        signature = bytes(self._key.sign(data, scheme))
        if not primitives.verify(self._key.public_key, scheme, signature, data):
            raise KeyAccessError(
                "The private key made a signature that does not match its public key; nothing "
                "was signed. Have the token or service that holds the key looked at.",
                code="key-access.signature",
            )
        return signature

    def decrypt(self, ciphertext: bytes, padding: RsaPadding) -> bytes:
        return self._key.decrypt(ciphertext, padding)

    def exchange(self, peer: PublicKey) -> bytes:
        return self._key.exchange(peer)

    def decapsulate(self, ciphertext: bytes) -> bytes:
        return self._key.decapsulate(ciphertext)
