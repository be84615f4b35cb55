"""CBC mode with the padding of RFC 5652, 6.3: chunks in, chunks out.

Knows blocks and padding. May not know keys' ways or messages.
"""

from collections.abc import Iterable, Iterator
from hmac import compare_digest
from typing import final

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from smimekit.algorithms import ContentCipher
from smimekit.cms.content import Sink
from smimekit.errors import DecryptionError
from smimekit.primitives import encrypted
from smimekit.rc2 import rc2_cbc_decrypt

__all__ = ["CbcDecryption", "Rc2", "cbc_encrypt", "cbc_encrypted"]


def cbc_encrypt(
    cipher: ContentCipher, key: bytes, iv: bytes, chunks: Iterable[bytes]
) -> Iterator[bytes]:
    """AES-CBC with the padding of RFC 5652, 6.3, in chunks of one size but the last."""
    return encrypted(Cipher(AES(key), CBC(iv)).encryptor(), _padded(cipher, chunks))


def _padded(cipher: ContentCipher, chunks: Iterable[bytes]) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        yield chunk
    yield _padding(cipher, total)


def cbc_encrypted(cipher: ContentCipher, key: bytes, iv: bytes, content: bytes) -> bytes:
    """The same for content that is at hand."""
    context = Cipher(AES(key), CBC(iv)).encryptor()
    padded = content + _padding(cipher, len(content))
    return context.update(padded) + context.finalize()


def _padding(cipher: ContentCipher, size: int) -> bytes:
    count = cipher.block - size % cipher.block
    return bytes((count,)) * count


class Rc2:
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

    def __init__(self, context: "CipherContext | Rc2", block: int) -> None:
        self._context = context
        self._block = block

    def run(self, chunks: Iterable[bytes], into: Sink) -> None:
        """Decrypt all chunks; DecryptionError if the padding is wrong."""
        held = b""
        for chunk in chunks:
            if decrypted := self._context.update(chunk):  # whole blocks: the last has the padding
                if held:
                    into.write(held)
                held = decrypted
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
