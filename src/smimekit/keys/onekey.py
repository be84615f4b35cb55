"""OneAsymmetricKey (RFC 5958, 2): PKCS #8 with the public key beside the private one.

Knows that structure. May not know kinds of keys, but for how their public keys are compared.
"""

from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smimekit import der
from smimekit.errors import CmsError, LimitExceeded
from smimekit.keys.failures import malformed
from smimekit.primitives import PublicKey

__all__ = ["check_public_key", "without_public_key"]

_ATTRIBUTES: Final = 0xA0
_PUBLIC_KEY: Final = 0x81


def without_public_key(data: bytes) -> tuple[bytes, bytes | None]:
    """The key as PKCS #8 of version 1, in DER, and the public key that stood beside it.

    What is something else comes back as it is. KeyFileError (`key.malformed`) where the
    version does not say whether there is a public key.
    """
    try:
        inside = der.Reader(der.to_der(data)).enter(der.SEQUENCE)
        version = inside.integer()
        algorithm, private = inside.raw(der.SEQUENCE), inside.raw(der.OCTET_STRING)
        if inside.peek == _ATTRIBUTES:
            inside.raw()
        public = inside.bits(_PUBLIC_KEY)[0] if inside.peek == _PUBLIC_KEY else None
        inside.finish()
    except (CmsError, LimitExceeded):
        return data, None
    if version != (0 if public is None else 1):
        raise malformed("its version does not say whether its public key is there (RFC 5958, 2)")
    return der.sequence(der.integer(0), algorithm, private), public


def check_public_key(key: PublicKey, public: bytes | None) -> None:
    """KeyFileError (`key.malformed`) where the public key beside a private one is another's."""
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    inside = der.Reader(encoded).enter(der.SEQUENCE)
    inside.raw(der.SEQUENCE)
    if public is not None and inside.bits()[0] != public:
        raise malformed("the public key beside its private key is of another one")
