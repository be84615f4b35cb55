"""Content encryption (RFC 5652, 6.3; RFC 5084): chunks in, chunks out.

Knows ciphers, padding and tags. May not know recipients or messages. Decryption writes
into a sink that the caller must not open before this has returned.
"""

from collections.abc import Iterable, Iterator
from hmac import compare_digest
from typing import Final, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, GCM

from smimekit import der
from smimekit.algorithms import DES_EDE3_CBC, RC2_CBC, AlgorithmIdentifier, ContentCipher
from smimekit.cms.content import Sink
from smimekit.errors import CmsError, DecryptionError
from smimekit.primitives import random_bytes
from smimekit.rc2 import rc2_cbc_decrypt, rc2_parameters

__all__ = [
    "CbcDecryption",
    "GcmDecryption",
    "GcmEncryption",
    "cbc_encrypt",
    "decryption",
    "new_iv",
]

_GCM_NONCE: Final = 12
_SHORTEST_TAG: Final = 12
_RC2_KEYS: Final = range(1, 129)


def _parameters() -> CmsError:
    return CmsError(
        "The parameters of the content encryption are malformed.", code="cms.cipher-parameters"
    )


def new_iv(cipher: ContentCipher) -> bytes:
    """A random IV for CBC, a random nonce for GCM: each key serves one message."""
    return random_bytes(_GCM_NONCE if cipher.authenticated else cipher.block)


# --- CBC -----------------------------------------------------------------------------------


def cbc_encrypt(
    cipher: ContentCipher, key: bytes, iv: bytes, chunks: Iterable[bytes]
) -> Iterator[bytes]:
    """AES-CBC with the padding of RFC 5652, 6.3."""
    context = Cipher(AES(key), CBC(iv)).encryptor()
    total = 0
    for chunk in chunks:
        total += len(chunk)
        yield context.update(chunk)
    count = cipher.block - total % cipher.block
    yield context.update(bytes((count,)) * count) + context.finalize()


class _Rc2:
    """RC2 in the shape of a cipher context; it reads old mail, slowly."""

    def __init__(self, key: bytes, effective_bits: int, iv: bytes) -> None:
        self._key, self._bits, self._iv = key, effective_bits, iv
        self._rest = b""

    def update(self, data: bytes) -> bytes:
        data = self._rest + data
        whole = len(data) - len(data) % 8
        self._rest = data[whole:]
        if not whole:
            return b""
        out = rc2_cbc_decrypt(self._key, self._bits, self._iv, data[:whole])
        self._iv = data[whole - 8 : whole]
        return out

    def finalize(self) -> bytes:
        if self._rest:
            raise ValueError
        return b""


@final
class CbcDecryption:
    """CBC, its padding checked at the end, every failure the same."""

    def __init__(self, context: "CipherContext | _Rc2", block: int) -> None:
        self._context = context
        self._block = block

    def run(self, chunks: Iterable[bytes], into: Sink) -> None:
        """Decrypt all chunks; DecryptionError if the padding is wrong."""
        held = b""
        for chunk in chunks:
            held += self._context.update(chunk)
            if len(held) > self._block:
                into.write(held[: -self._block])
                held = held[-self._block :]
        try:
            held += self._context.finalize()
        except ValueError:
            raise DecryptionError from None
        count = held[-1] if held else 0
        padding = bytes((count,)) * count
        if not 1 <= count <= self._block or not compare_digest(held[-count:], padding):
            raise DecryptionError
        into.write(held[:-count])

    def finish(self, tag: bytes | None, aad: bytes | None, into: Sink) -> None:
        """CBC has no tag: the padding was all."""


# --- GCM -----------------------------------------------------------------------------------


@final
class GcmEncryption:
    """AES-GCM: `update` each chunk, then read `tag`."""

    def __init__(self, key: bytes, nonce: bytes, aad: bytes = b"") -> None:
        self._context = Cipher(AES(key), GCM(nonce)).encryptor()
        if aad:
            self._context.authenticate_additional_data(aad)

    def encrypt(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The ciphertext of all chunks."""
        for chunk in chunks:
            yield self._context.update(chunk)

    def tag(self) -> bytes:
        """The tag, when all chunks have passed."""
        self._context.finalize()
        return self._context.tag


@final
class GcmDecryption:
    """AES-GCM: the tag, and attributes it covers, follow the ciphertext (RFC 5083, 2.1)."""

    def __init__(self, key: bytes, nonce: bytes, tag_size: int) -> None:
        self._key, self._nonce, self._tag_size = key, nonce, tag_size
        mode = GCM(nonce, None, min_tag_length=tag_size)
        self._context = Cipher(AES(key), mode).decryptor()

    def run(self, chunks: Iterable[bytes], into: Sink) -> None:
        """Decrypt all chunks; nothing is known to be right before `finish`."""
        try:
            for chunk in chunks:
                into.write(self._context.update(chunk))
        except ValueError:  # more than GCM can encrypt with one nonce: 64 GiB
            raise DecryptionError from None

    def finish(self, tag: bytes | None, aad: bytes | None, into: Sink) -> None:
        """Check the tag; DecryptionError where it is wrong.

        GCM authenticates the additional data first, and here it comes last. The plaintext
        does not depend on it, so the tag is computed once more, over what is in the sink.
        """
        if tag is None or len(tag) != self._tag_size:
            raise DecryptionError
        if aad is None:
            self._finish_in_one_pass(tag)
            return
        again = GcmEncryption(self._key, self._nonce, aad)
        for _ in again.encrypt(into.chunks()):
            pass
        if not compare_digest(again.tag()[: self._tag_size], tag):
            raise DecryptionError

    def _finish_in_one_pass(self, tag: bytes) -> None:
        try:
            self._context.finalize_with_tag(tag)
        except (InvalidTag, ValueError):
            raise DecryptionError from None


def decryption(
    cipher: ContentCipher, identifier: AlgorithmIdentifier, key: bytes
) -> CbcDecryption | GcmDecryption:
    """How to decrypt content under this identifier and key.

    CmsError where the identifier's parameters are malformed, DecryptionError where the key
    does not fit the cipher.
    """
    if identifier.parameters is None:
        raise _parameters()
    reader = der.Reader(identifier.parameters)
    if cipher.authenticated:
        nonce, tag_size = _gcm_parameters(reader)
        _fits(cipher, key)
        return GcmDecryption(key, nonce, tag_size)
    if cipher is RC2_CBC:
        bits, iv = rc2_parameters(identifier.parameters)
        if len(key) not in _RC2_KEYS:
            raise DecryptionError
        return CbcDecryption(_Rc2(key, bits, iv), cipher.block)
    iv = reader.octets()
    if len(iv) != cipher.block:
        raise _parameters()
    _fits(cipher, key)
    algorithm = TripleDES(key) if cipher is DES_EDE3_CBC else AES(key)
    return CbcDecryption(Cipher(algorithm, CBC(iv)).decryptor(), cipher.block)


def _fits(cipher: ContentCipher, key: bytes) -> None:
    if len(key) != cipher.key_size:
        raise DecryptionError


def _gcm_parameters(reader: der.Reader) -> tuple[bytes, int]:
    """Nonce and tag size in bytes (RFC 5084, 3.2)."""
    inside = reader.enter(der.SEQUENCE)
    nonce = inside.octets()
    tag_size = inside.integer() if inside.more else _SHORTEST_TAG
    if not 8 <= len(nonce) <= 128 or not _SHORTEST_TAG <= tag_size <= 16:
        raise _parameters()
    return nonce, tag_size
