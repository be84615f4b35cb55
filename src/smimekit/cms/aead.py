"""Authenticated ciphers in streams: AES-GCM, ChaCha20-Poly1305, AES-CCM (RFC 5083, 5084, 8103).

Knows ciphers and tags. May not know recipients or messages. In CMS the tag, and the
attributes that it covers, follow the ciphertext, so each decryption runs first and is told
them in the end: nothing in its sink may be used before `finish` has returned.
"""

from collections.abc import Iterable, Iterator
from hmac import compare_digest
from typing import Final, Protocol, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES, ChaCha20
from cryptography.hazmat.primitives.ciphers.modes import CBC, CTR, GCM
from cryptography.hazmat.primitives.poly1305 import Poly1305

from smimekit.cms.content import Sink
from smimekit.errors import DecryptionError, LimitExceeded
from smimekit.primitives import encrypted

__all__ = [
    "AeadEncryption",
    "CcmDecryption",
    "ChaChaDecryption",
    "ChaChaEncryption",
    "GcmDecryption",
    "GcmEncryption",
]


class AeadEncryption(Protocol):
    """Encryption with a tag."""

    def encrypt(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The ciphertext of all chunks; LimitExceeded where they are too many for one key."""
        ...

    def tag(self) -> bytes:
        """The tag, when all chunks have passed."""
        ...


# --- GCM -----------------------------------------------------------------------------------


_GCM_MOST: Final = (1 << 36) - 32
"""Octets under one nonce (NIST SP 800-38D, 5.2.1.1)."""


@final
class GcmEncryption:
    """AES-GCM: `update` each chunk, then read `tag`."""

    def __init__(self, key: bytes, nonce: bytes, aad: bytes = b"") -> None:
        self._context = Cipher(AES(key), GCM(nonce)).encryptor()
        if aad:
            self._context.authenticate_additional_data(aad)

    def encrypt(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The ciphertext of all chunks, in chunks of one size but the last."""
        return encrypted(self._context, _under_one_nonce(chunks))

    def tag(self) -> bytes:
        """The tag, when all chunks have passed."""
        self._context.finalize()
        return self._context.tag


def _under_one_nonce(chunks: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > _GCM_MOST:
            raise LimitExceeded(
                "There is more content than one key of AES-GCM can protect: 64 GiB.",
                code="limit.cipher",
            )
        yield chunk


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


# --- ChaCha20-Poly1305 (RFC 8439, 2.8; RFC 8103) --------------------------------------------

# The library's AEAD wants all of the data at once, so it is put together from its parts.

_CHACHA_MOST: Final = ((1 << 32) - 1) * 64
"""Octets under one nonce: the counter has 32 bits, and block 0 makes the Poly1305 key."""


class _ChaCha:
    """The key stream and the MAC of one message."""

    def __init__(self, key: bytes, nonce: bytes, aad: bytes) -> None:
        start = bytes(4) + nonce
        self._stream = Cipher(ChaCha20(key, start), None).encryptor()
        self._mac = Poly1305(self._stream.update(bytes(64))[:32])
        self._aad, self._size = len(aad), 0
        self._mac.update(aad + _pad16(len(aad)))

    def encrypt(self, chunk: bytes) -> bytes:
        self._count(chunk)
        encrypted = self._stream.update(chunk)
        self._mac.update(encrypted)
        return encrypted

    def decrypt(self, chunk: bytes) -> bytes:
        self._count(chunk)
        self._mac.update(chunk)
        return self._stream.update(chunk)

    def _count(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > _CHACHA_MOST:
            raise LimitExceeded(
                "There is more content than one key of ChaCha20 can protect: 256 GiB.",
                code="limit.cipher",
            )

    def tag(self) -> bytes:
        lengths = self._aad.to_bytes(8, "little") + self._size.to_bytes(8, "little")
        self._mac.update(_pad16(self._size) + lengths)
        return self._mac.finalize()


def _pad16(size: int) -> bytes:
    return bytes(-size % 16)


@final
class ChaChaEncryption:
    """ChaCha20-Poly1305: `encrypt` all chunks, then take the tag."""

    def __init__(self, key: bytes, nonce: bytes, aad: bytes = b"") -> None:
        self._running = _ChaCha(key, nonce, aad)

    def encrypt(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            yield self._running.encrypt(chunk)

    def tag(self) -> bytes:
        return self._running.tag()


@final
class ChaChaDecryption:
    """ChaCha20-Poly1305, with attributes that follow the ciphertext."""

    def __init__(self, key: bytes, nonce: bytes) -> None:
        self._key, self._nonce = key, nonce
        self._running = _ChaCha(key, nonce, b"")

    def run(self, chunks: Iterable[bytes], into: Sink) -> None:
        """Decrypt all chunks; nothing is known to be right before `finish`."""
        for chunk in chunks:
            into.write(self._running.decrypt(chunk))

    def finish(self, tag: bytes | None, aad: bytes | None, into: Sink) -> None:
        """Check the tag, as `GcmDecryption.finish` does; DecryptionError where it is wrong."""
        running = self._running
        if aad is not None:
            running = _ChaCha(self._key, self._nonce, aad)
            for chunk in into.chunks():
                running.encrypt(chunk)
        if tag is None or not compare_digest(running.tag(), tag):
            raise DecryptionError


# --- AES-CCM (NIST SP 800-38C; RFC 5084, 3.1) ------------------------------------------------


@final
class CcmDecryption:
    """AES-CCM, put together from CTR and a CBC-MAC.

    The MAC begins with the length of the content, which is known in the end: it is computed
    over what is in the sink by then.
    """

    def __init__(self, key: bytes, nonce: bytes, tag_size: int) -> None:
        self._key, self._nonce, self._tag_size = key, nonce, tag_size
        self._width = 15 - len(nonce)  # octets of a length or a counter
        counter = bytes((self._width - 1,)) + nonce + bytes(self._width)
        self._stream = Cipher(AES(key), CTR(counter)).decryptor()
        self._mask = self._stream.update(bytes(16))  # block 0 hides the tag
        self._size = 0

    def run(self, chunks: Iterable[bytes], into: Sink) -> None:
        """Decrypt all chunks; nothing is known to be right before `finish`."""
        for chunk in chunks:
            self._size += len(chunk)
            # The length, and with it the counter, must fit into its field.
            if self._size >> (8 * self._width):
                raise DecryptionError
            into.write(self._stream.update(chunk))

    def finish(self, tag: bytes | None, aad: bytes | None, into: Sink) -> None:
        """Check the tag; DecryptionError where it is wrong."""
        if tag is None:
            raise DecryptionError
        mac = self._mac(aad or b"", into)
        wanted = bytes(one ^ other for one, other in zip(mac, self._mask, strict=True))
        if not compare_digest(wanted[: self._tag_size], tag):
            raise DecryptionError

    def _mac(self, aad: bytes, into: Sink) -> bytes:
        """The last block of CBC over B0, the associated data and the content, each padded."""
        running = Cipher(AES(self._key), CBC(bytes(16))).encryptor()
        flags = (0x40 if aad else 0) | (self._tag_size - 2) // 2 << 3 | self._width - 1
        length = self._size.to_bytes(self._width, "big")
        last = running.update(bytes((flags,)) + self._nonce + length)
        if aad:
            prefixed = _ccm_length(len(aad)) + aad
            last = running.update(prefixed + _pad16(len(prefixed)))[-16:]
        for chunk in into.chunks():
            last = (last + running.update(chunk))[-16:]
        return (last + running.update(_pad16(self._size)))[-16:]


def _ccm_length(size: int) -> bytes:
    """SP 800-38C, A.2.2."""
    return size.to_bytes(2, "big") if size < 0xFF00 else b"\xff\xfe" + size.to_bytes(4, "big")
