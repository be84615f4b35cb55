"""A temporary file whose octets nobody can read but who opened it: encrypted as they are written.

Knows AES in counter mode (NIST SP 800-38A, 6.5), whose keystream can be entered at any block, and
how to name no file. May not know what it keeps.

The key is random, of one file alone, and stays in memory; without it the disk holds noise. The
mode hides and does not authenticate: who can write into an unlinked file of ours, or into a
private folder, can read our memory as well. No octet of the keystream is used twice, as a place is
written once.
"""

import os
import tempfile
from typing import BinaryIO, Final, final

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from smimekit.primitives import random_bytes
from smimekit.span import FileSource

__all__ = ["KEY_BYTES", "SealedFile", "SealedSource", "keystream"]

KEY_BYTES: Final = 32
"""AES-256."""
_BLOCK: Final = 16


def keystream(key: bytes, at: int = 0) -> CipherContext:
    """What seals the octets of a file, and opens them again, from a place in it on."""
    block, skipped = divmod(at, _BLOCK)
    found = Cipher(AES(key), CTR(block.to_bytes(_BLOCK, "big"))).encryptor()
    found.update(bytes(skipped))
    return found


@final
class SealedSource:
    """What is in a file that somebody sealed with a key (ByteSource)."""

    def __init__(self, file: BinaryIO, key: bytes) -> None:
        self._sealed: Final = FileSource(file)
        self._key: Final = key
        self.size = self._sealed.size

    def read(self, start: int, end: int) -> bytes:
        return keystream(self._key, start).update(self._sealed.read(start, end))


@final
class SealedFile:
    """As much of a binary file as a spool needs: appended to, and read from any place.

    It lies in the folder `dir`, or where temporary files do.
    """

    def __init__(self, *, dir: str | os.PathLike[str] | None = None) -> None:  # noqa: A002 - as `tempfile` has it
        # Closed by `close`, not by a block: it lives as long as the spool.
        self._file: Final = tempfile.TemporaryFile(dir=dir)  # noqa: SIM115
        self._key: Final = random_bytes(KEY_BYTES)
        self._writing: Final = keystream(self._key)
        self._at = 0

    def write(self, data: bytes | memoryview, /) -> None:
        """Append; it is for the caller to be at the end."""
        self._file.write(self._writing.update(data))

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._at = self._file.seek(offset, whence)
        return self._at

    def read(self, size: int, /) -> bytes:
        """What was written there, from the place that `seek` chose."""
        found = self._file.read(size)
        opening = keystream(self._key, self._at)
        self._at += len(found)
        return opening.update(found)

    def fileno(self) -> int:
        return self._file.fileno()

    @property
    def closed(self) -> bool:
        return self._file.closed

    def close(self) -> None:
        """Give the file back to the disk, which holds noise."""
        self._file.close()
