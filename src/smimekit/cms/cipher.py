"""Content encryption (RFC 5652, 6.3; RFC 5084; RFC 8103; RFC 9709): identifiers become ciphers.

Knows what the parameters of a cipher say, and which code runs it: `cbc`, `aead`. May not know
recipients or messages. Decryption writes into a sink that the caller must not open before
`finish` has returned.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol, Self, final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from smimekit import der
from smimekit.algorithms import (
    CEK_HKDF_SHA256,
    CONTENT_CIPHERS,
    DES_EDE3_CBC,
    RC2_CBC,
    AlgorithmIdentifier,
    ContentCipher,
    Mode,
)
from smimekit.cms.aead import (
    AeadEncryption,
    CcmDecryption,
    ChaChaDecryption,
    ChaChaEncryption,
    GcmDecryption,
    GcmEncryption,
)
from smimekit.cms.cbc import CbcDecryption, Rc2, cbc_encrypt
from smimekit.cms.content import Sink
from smimekit.cms.derivation import derive_content_key
from smimekit.errors import CmsError, DecryptionError
from smimekit.primitives import random_bytes
from smimekit.rc2 import rc2_parameters

__all__ = [
    "CbcDecryption",
    "ContentAlgorithm",
    "Decryption",
    "GcmDecryption",
    "GcmEncryption",
    "aead_encryption",
    "cbc_encrypt",
    "decryption",
    "new_iv",
]

_NONCE: Final = 12
_GCM_NONCES: Final = range(8, 129)
"""Octets of a nonce: what the primitives library takes (NIST SP 800-38D allows any)."""
_CCM_NONCES: Final = range(7, 14)
_GCM_TAGS: Final = range(12, 17)
_CCM_TAGS: Final = range(12, 17, 2)
"""RFC 5084, 3.1 lists shorter tags, too, down to 4 octets: they are guessed too easily."""
_DEFAULT_TAG: Final = 12
_RC2_KEYS: Final = range(1, 129)


class Decryption(Protocol):
    """Content encryption backwards: all of the ciphertext, then what follows it."""

    def run(self, chunks: Iterable[bytes], into: Sink) -> None:
        """Decrypt all chunks; DecryptionError."""
        ...

    def finish(self, tag: bytes | None, aad: bytes | None, into: Sink) -> None:
        """Check the tag and the attributes that it covers; DecryptionError."""
        ...


def _parameters() -> CmsError:
    return CmsError(
        "The parameters of the content encryption are malformed.", code="cms.cipher-parameters"
    )


@final
@dataclass(frozen=True, slots=True)
class ContentAlgorithm:
    """A contentEncryptionAlgorithm: the cipher's identifier, and whether its key is derived."""

    identifier: AlgorithmIdentifier
    """Of the cipher itself."""
    derived: bool = False
    """CEK-HKDF (RFC 9709): the recipients' key is not the one that encrypts."""

    @classmethod
    def read(cls, identifier: AlgorithmIdentifier) -> Self:
        """From the field of a message; CmsError."""
        if identifier.oid != CEK_HKDF_SHA256:
            return cls(identifier)
        if identifier.parameters is None:
            raise _parameters()
        return cls(AlgorithmIdentifier.read(der.Reader(identifier.parameters)), derived=True)

    @property
    def cipher(self) -> ContentCipher | None:
        """The content cipher, None where it is not known."""
        return CONTENT_CIPHERS.get(self.identifier.oid)

    @property
    def key_size(self) -> int | None:
        """Bytes of a content-encryption key; None where it takes any."""
        cipher = self.cipher
        return None if cipher is None or cipher is RC2_CBC else cipher.key_size

    def encode(self) -> bytes:
        """The DER of the field."""
        inner = self.identifier.encode()
        return AlgorithmIdentifier(CEK_HKDF_SHA256, inner).encode() if self.derived else inner

    def key(self, octets: bytes) -> bytes:
        """The key that encrypts the content, from the one that the recipients get."""
        if not self.derived:
            return octets
        return derive_content_key(octets, der.to_der(self.identifier.encode()))


def new_iv(cipher: ContentCipher) -> bytes:
    """A random IV for CBC, a random nonce for the others: each key serves one message."""
    return random_bytes(_NONCE if cipher.authenticated else cipher.block)


def aead_encryption(
    cipher: ContentCipher, key: bytes, nonce: bytes, aad: bytes = b""
) -> AeadEncryption:
    """Encryption by a cipher with a tag, which covers `aad`, too."""
    return (ChaChaEncryption if cipher.mode is Mode.CHACHA20 else GcmEncryption)(key, nonce, aad)


def decryption(cipher: ContentCipher, identifier: AlgorithmIdentifier, key: bytes) -> Decryption:
    """How to decrypt content under this identifier and key.

    CmsError where the identifier's parameters are malformed, DecryptionError where the key
    does not fit the cipher.
    """
    if identifier.parameters is None:
        raise _parameters()
    if cipher.mode is Mode.CBC:
        return _cbc_decryption(cipher, identifier.parameters, key)
    reader = der.Reader(identifier.parameters)
    match cipher.mode:
        case Mode.GCM:
            nonce, tag_size = _aead_parameters(reader, _GCM_NONCES, _GCM_TAGS)
            _fits(cipher, key)
            return GcmDecryption(key, nonce, tag_size)
        case Mode.CCM:
            nonce, tag_size = _aead_parameters(reader, _CCM_NONCES, _CCM_TAGS)
            _fits(cipher, key)
            return CcmDecryption(key, nonce, tag_size)
        case Mode.CHACHA20:
            nonce = _octets(reader, _NONCE)
            _fits(cipher, key)
            return ChaChaDecryption(key, nonce)


def _cbc_decryption(cipher: ContentCipher, parameters: bytes, key: bytes) -> CbcDecryption:
    if cipher is RC2_CBC:
        bits, iv = rc2_parameters(parameters)
        if len(key) not in _RC2_KEYS:
            raise DecryptionError
        return CbcDecryption(Rc2(key, bits, iv), cipher.block)
    iv = _octets(der.Reader(parameters), cipher.block)
    _fits(cipher, key)
    algorithm = TripleDES(key) if cipher is DES_EDE3_CBC else AES(key)
    return CbcDecryption(Cipher(algorithm, CBC(iv)).decryptor(), cipher.block)


def _octets(reader: der.Reader, size: int) -> bytes:
    octets = reader.octets()
    if len(octets) != size:
        raise _parameters()
    return octets


def _fits(cipher: ContentCipher, key: bytes) -> None:
    if len(key) != cipher.key_size:
        raise DecryptionError


def _aead_parameters(reader: der.Reader, nonces: range, tags: range) -> tuple[bytes, int]:
    """Nonce and tag size in bytes (RFC 5084, 3.1 and 3.2)."""
    inside = reader.enter(der.SEQUENCE)
    nonce = inside.octets()
    tag_size = inside.integer() if inside.more else _DEFAULT_TAG
    if inside.more or len(nonce) not in nonces or tag_size not in tags:
        raise _parameters()
    return nonce, tag_size
