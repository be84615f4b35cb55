"""What a private key can be asked to do, wherever it lives. Knows rows and bytes only."""

from typing import Protocol, runtime_checkable

from smimekit.algorithms import RsaPadding, SignatureScheme
from smimekit.primitives import PublicKey

__all__ = ["PrivateKey"]


@runtime_checkable
class PrivateKey(Protocol):
    """A private key in software, on a token, in a cloud or in the operating system.

    Any operation may be unsupported: it raises UsageError then. An implementation has to
    be safe to use from several threads.
    """

    @property
    def public_key(self) -> PublicKey:
        """The public half."""
        ...

    def sign(self, data: bytes, scheme: SignatureScheme) -> bytes:
        """A signature of `data`: small, as a rule the DER of signed attributes."""
        ...

    def decrypt(self, ciphertext: bytes, padding: RsaPadding) -> bytes:
        """RSA decryption; DecryptionError where it fails.

        With PKCS #1 v1.5 an implementation should return random bytes instead of failing
        (RFC 3218, 2.3.2); the caller checks the length without telling.
        """
        ...

    def exchange(self, peer: PublicKey) -> bytes:
        """The raw shared secret of (EC)DH; DecryptionError where it is unusable."""
        ...

    def decapsulate(self, ciphertext: bytes) -> bytes:
        """The shared secret of a KEM; DecryptionError where it fails.

        For an RSA key that is the integer of RSA-KEM, as many octets as the modulus has
        (RFC 9690, A.2, step 4): RSA decryption without padding.
        """
        ...
