"""PEM text as blocks (RFC 7468, RFC 1421 headers). Knows lines; may not know what is inside."""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, final

from smimekit.keys.failures import malformed

__all__ = ["PemBlock", "armour", "is_pem", "pem_blocks"]

_BEGIN: Final = b"-----BEGIN "
_DASHES: Final = b"-----"
_CIPHER: Final = re.compile(rb"^DEK-Info:[ \t]*([\w-]+)", re.ASCII | re.MULTILINE)


@final
@dataclass(frozen=True, slots=True)
class PemBlock:
    """What stands between BEGIN and END."""

    label: str
    raw: bytes = field(repr=False)
    """The lines, BEGIN and END included."""
    body: bytes = field(repr=False)
    """The lines between them."""

    @property
    def encrypted(self) -> bool:
        """Is it encrypted by OpenSSL's old headers (RFC 1421, 4.6.1.1)?"""
        return b"Proc-Type:" in self.body and b"ENCRYPTED" in self.body

    @property
    def cipher(self) -> str | None:
        """The cipher that the old headers name; None without one (RFC 1421, 4.6.1.3)."""
        found = _CIPHER.search(self.body)
        return found[1].decode("ascii").upper() if found else None

    def decode(self) -> bytes:
        """The octets; KeyFileError where that is no base64."""
        lines = [line for line in self.body.splitlines() if b":" not in line]
        try:
            return binascii.a2b_base64(b"".join(b"".join(lines).split()), strict_mode=True)
        except binascii.Error:
            raise malformed("the PEM text holds no base64") from None


def is_pem(data: bytes) -> bool:
    """Is there a BEGIN line?"""
    return _BEGIN in data


def pem_blocks(data: bytes) -> Iterator[PemBlock]:
    """The blocks in PEM text, whatever stands between them.

    KeyFileError where a block does not end, or ends as another.
    """
    at = data.find(_BEGIN)
    while at >= 0:
        start = at + len(_BEGIN)
        stop = data.find(_DASHES, start, start + 80)
        if stop < 0:
            raise malformed("a BEGIN line does not end")
        label = data[start:stop]
        end = data.find(_DASHES + b"END ", stop)
        finish = end + len(_DASHES) + len(b"END ") + len(label) + len(_DASHES)
        if end < 0 or data[end:finish] != _DASHES + b"END " + label + _DASHES:
            raise malformed("a block of the PEM text does not end")
        body = data[stop + len(_DASHES) : end]
        yield PemBlock(label.decode("latin-1"), data[at:finish] + b"\n", body)
        at = data.find(_BEGIN, finish)


def armour(label: str, content: bytes) -> bytes:
    """`content` between BEGIN and END lines."""
    text = binascii.b2a_base64(content, newline=False)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    head, tail = (f"-----{word} {label}-----".encode() for word in ("BEGIN", "END"))
    return b"\n".join([head, *lines, tail, b""])
