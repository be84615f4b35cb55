"""A temporary file whose octets nobody can read but who opened it: encrypted as they are written.

Knows AES in counter mode (NIST SP 800-38A, 6.5), whose keystream can be entered at any block, and
how to name no file. May not know what it keeps.

The key is random, of this file alone, and stays in memory; without it the disk holds noise. The
mode hides and does not authenticate: who can write into an unlinked file of ours can read our
memory as well. No octet of the keystream is used twice, as a place is written once.
"""

import tempfile
from typing import Final, final

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from smimekit.primitives import random_bytes

__all__ = ["SealedFile"]

_BLOCK: Final = 16


@final
class SealedFile:
    """As much of a binary file as a spool needs: appended to, and read from any place."""

    def __init__(self) -> None:
        # Closed by `close`, not by a block: it lives as long as the spool.
        self._file: Final = tempfile.TemporaryFile()  # noqa: SIM115
        self._key: Final = AES(random_bytes(32))
        self._writing: Final = self._keystream(0)
        self._at = 0

    def _keystream(self, block: int) -> CipherContext:
        return Cipher(self._key, CTR(block.to_bytes(_BLOCK, "big"))).encryptor()

    def write(self, data: bytes | memoryview, /) -> None:
        """Append; it is for the caller to be at the end."""
        self._file.write(self._writing.update(data))

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._at = self._file.seek(offset, whence)
        return self._at

    def read(self, size: int, /) -> bytes:
        """What was written there, from the place that `seek` chose."""
        found = self._file.read(size)
        block, skipped = divmod(self._at, _BLOCK)
        self._at += len(found)
        keystream = self._keystream(block)
        keystream.update(bytes(skipped))
        return keystream.update(found)

    def fileno(self) -> int:
        return self._file.fileno()

    @property
    def closed(self) -> bool:
        return self._file.closed

    def close(self) -> None:
        """Give the file back to the disk, which holds noise."""
        self._file.close()
