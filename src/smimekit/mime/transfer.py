"""Content-Transfer-Encodings (RFC 2045, 6): base64 and quoted-printable, as streams.

Knows octets and lines; may not know what they carry. Decoders are strict: what two programs
would decode in two ways is a `MimeError`. The same output for any cut of the input.
"""

import binascii
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import lru_cache
from struct import Struct

from smimekit.errors import MimeError
from smimekit.span import regrouped

__all__ = [
    "Transfer",
    "base64_lines",
    "decode",
    "decode_base64",
    "decode_quoted_printable",
    "decoded",
    "encode_base64",
    "encode_quoted_printable",
]


class Transfer(StrEnum):
    """What a message is made for."""

    MAIL = "mail"
    """Relays: 7bit, short lines, base64 (RFC 8551, 3.1.2)."""
    BINARY = "binary"
    """A transport that changes nothing, such as HTTP: nothing is encoded."""


_BLANKS = b" \t\r\n\v\f"
_LINE = 76
_LINES = 256
"""Lines that are cut at a time: few enough to stay in the processor's nearest cache, where to cut
1024 of them takes twice as long.
"""
# 57 octets make one line of 76 (RFC 2045, 6.8).
_BLOCK = 57 * _LINES

_BAD_ESCAPE = re.compile(rb"=(?![0-9A-Fa-f]{2}|\r?\n)")
_BLANK_ENDS = (b" \r\n", b"\t\r\n", b" \n", b"\t\n")
_ENDLESS = b" " * 999
"""Blanks that no line can hold (RFC 5322, 2.1.1): they would have to wait for what follows."""
_ENDLESS_LINE = 1 << 16
"""Octets of a line that is encoded before its end is known."""
_UNSAFE = re.compile(rb"[^\t -<>-~]|[\t ]\Z")


def decode(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Undo the Content-Transfer-Encoding `encoding`, as `transfer_encoding` names it.

    Raises `MimeError` for an unknown one (`mime.transfer-encoding`), and as decoders do.
    """
    match encoding:
        case "base64":
            return decode_base64(chunks)
        case "quoted-printable":
            return decode_quoted_printable(chunks)
        case "7bit" | "8bit" | "binary":
            return iter(chunks)
        case _:
            raise MimeError(
                "The Content-Transfer-Encoding is unknown; the sender has to use another one.",
                code="mime.transfer-encoding",
            )


def decode_base64(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Decode base64. White space is dropped; any other junk, missing padding, and data after
    the padding raise `MimeError` (`mime.base64`).
    """
    held, padded = b"", False
    for chunk in chunks:
        octets, held, padded = _decode_chunk(held, chunk, padded)
        if octets:
            yield octets
    if held:
        raise _bad_base64()


def decoded(data: bytes, encoding: str) -> bytes:
    """What `decode` makes of data that are at hand."""
    if encoding != "base64":
        return b"".join(decode((data,), encoding))
    octets, held, _ = _decode_chunk(b"", data, padded=False)
    if held:
        raise _bad_base64()
    return octets


def _decode_chunk(held: bytes, chunk: bytes, padded: bool) -> tuple[bytes, bytes, bool]:
    """What was `held`, and the chunk, decoded: as `_decode_groups` says."""
    usual = None if padded else _decode_equal_lines(held, chunk)
    return usual or _decode_groups((held + chunk).translate(None, _BLANKS), padded)


def _decode_equal_lines(held: bytes, chunk: bytes) -> tuple[bytes, bytes, bool] | None:
    """The same, where all lines are of one length, as in most base64; None for anything else.

    `binascii` passes over line breaks in less time than it takes to cut them out. It passes over
    any junk as well: but then it makes fewer octets than there are characters for, however much
    there is of it and wherever it stands.
    """
    text = chunk.strip(_BLANKS)
    first = text.find(b"\n")
    size = text.find(b"\n", first + 1) - first
    if first < 1 or size < 2:
        return None
    feeds = text[first::size]
    breaks = len(feeds)
    if feeds != b"\n" * breaks:
        return None
    last = first + size * (breaks - 1)
    if text[first - 1 : last : size] == b"\r" * breaks:
        breaks *= 2
    groups, over = divmod(len(held) + len(text) - breaks, 4)
    end = len(text) - over
    if end <= last:  # a line break stands in what is left over, and was counted
        return None
    data = held + text[:end]
    padding = data.endswith(b"=") + data.endswith(b"==")
    try:
        octets = binascii.a2b_base64(data)
    except binascii.Error:
        return None
    if len(octets) != 3 * groups - padding:
        return None
    return octets, text[end:], padding > 0


def _decode_groups(data: bytes, padded: bool) -> tuple[bytes, bytes, bool]:
    """Decode text without blanks: its octets, what is no whole group yet, and whether the text
    was, or is now, `padded`.
    """
    whole = len(data) & ~3
    # binascii takes a group of padding alone.
    if (padded and data) or data.endswith(b"===", 0, whole):
        raise _bad_base64()
    try:
        octets = binascii.a2b_base64(memoryview(data)[:whole], strict_mode=True)
    except binascii.Error:
        raise _bad_base64() from None
    return octets, data[whole:], padded or data.endswith(b"=", 0, whole)


def _bad_base64() -> MimeError:
    return MimeError(
        "The base64 text is damaged: a character that does not belong there, or an end that "
        "is missing. Have the message sent again.",
        code="mime.base64",
    )


def encode_base64(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Encode as base64 in lines of 76 characters, each with its CRLF."""
    text: memoryview | None = None
    lines: list[bytes | memoryview] = []
    for pieces in regrouped(chunks, _BLOCK):
        block = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if len(block) < _BLOCK:
            yield _encode_block(block)
            continue
        if text is None:
            # Views of one buffer cut all blocks: an object for each line takes as long again.
            text = memoryview(bytearray(_LINE * _LINES))
            lines = [*(text[at : at + _LINE] for at in range(0, len(text), _LINE)), b""]
        text[:] = binascii.b2a_base64(block, newline=False)
        yield b"\r\n".join(lines)


def base64_lines(data: bytes) -> bytes:
    """The same of data that are at hand."""
    whole = 0 < len(data) <= _BLOCK
    return _encode_block(data) if whole else b"".join(encode_base64((data,)))


def _encode_block(data: bytes | memoryview) -> bytes:
    text = binascii.b2a_base64(data, newline=False)
    # One unpack cuts all lines: three times the speed of a call for each of them.
    lines = b"\r\n".join(_lines(len(text) // _LINE).unpack_from(text))
    rest = text[len(text) - len(text) % _LINE :]
    return b"%s\r\n%s\r\n" % (lines, rest) if lines and rest else (lines or rest) + b"\r\n"


@lru_cache(maxsize=64)
def _lines(count: int) -> Struct:
    return Struct(f"{_LINE}s" * count)


def decode_quoted_printable(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Decode quoted-printable. Blanks at the end of a line are dropped (RFC 2045, 6.7 (3)).

    Raises `MimeError` (`mime.quoted-printable`) for a "=" that is neither the code of an
    octet nor the end of a line, and for a run of blanks that is longer than any line.
    """
    held = b""
    for chunk in chunks:
        data = held + chunk
        cut = _settled(data)
        if _ENDLESS in data.replace(b"\t", b" "):
            raise _bad_quoted_printable()
        held = data[cut:]
        if cut:
            yield _decode_lines(data[:cut], last=False)
    if held:
        yield _decode_lines(held, last=True)


def _settled(data: bytes) -> int:
    """How many octets of `data` mean the same whatever comes after them."""
    end = len(data.removesuffix(b"\r").rstrip(b" \t"))
    escape = data.find(b"=", max(0, end - 2), end)
    return end if escape < 0 else escape


def _decode_lines(data: bytes, *, last: bool) -> bytes:
    if any(blank in data for blank in _BLANK_ENDS):
        data = b"\n".join(_strip_lines(data.split(b"\n")))
    if last:
        # Neither blanks nor a soft line break mean anything at the very end.
        data = data.rstrip(b" \t").removesuffix(b"=")
    if _BAD_ESCAPE.search(data):
        raise _bad_quoted_printable()
    data = data.replace(b"=\r\n", b"").replace(b"=\n", b"")
    return binascii.a2b_qp(data) if b"=" in data else data


def _strip_lines(lines: list[bytes]) -> Iterator[bytes]:
    """`lines` without blanks before their line breaks; the last one has none yet."""
    for line in lines[:-1]:
        line_end = b"\r" if line.endswith(b"\r") else b""
        yield line.removesuffix(b"\r").rstrip(b" \t") + line_end
    yield lines[-1]


def _bad_quoted_printable() -> MimeError:
    return MimeError(
        "The quoted-printable text is damaged: an escape that is none, or endless blanks. "
        "Have the message sent again.",
        code="mime.quoted-printable",
    )


def encode_quoted_printable(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Encode text in quoted-printable: CRLF stays a line break, a bare CR or LF is encoded.

    Lines are at most 76 characters, end in no blank (RFC 2045, 6.7 (3)), and begin neither
    with "From " nor "." (RFC 2049, 3 (8)), which relays change, nor with "--": so no
    boundary whatever can occur in the output.
    """
    held = b""
    for chunk in chunks:
        *lines, held = (held + chunk).split(b"\r\n")
        # A last CR may be half a line break: then it does not count for how long the line is.
        line = held.removesuffix(b"\r")
        begun, rest = _begin_line(line)
        held = rest + held[len(line) :]
        yield b"\r\n".join([*map(_encode_line, lines), begun])
    yield _encode_line(held)


def _begin_line(line: bytes) -> tuple[bytes, bytes]:
    """What of a line can be encoded before its end is known, and the rest."""
    done = bytearray()
    at = 0
    while len(line) - at > _ENDLESS_LINE:
        piece = line[at : at + _ENDLESS_LINE]
        done += b"=\r\n".join(_fold(_escaped(piece))) + b"=\r\n"
        at += _ENDLESS_LINE
    return bytes(done), line[at:]


def _encode_line(line: bytes) -> bytes:
    if len(line) <= _LINE and not _UNSAFE.search(line) and not _guard(line, 0):
        return line
    begun, rest = _begin_line(line)
    return begun + b"=\r\n".join(_fold(_escaped(rest)))


def _escaped(line: bytes) -> bytes:
    # binascii escapes and folds; its folds go, as they know nothing of guards.
    return binascii.b2a_qp(line, istext=False).replace(b"=\n", b"")


def _fold(text: bytes) -> Iterator[bytes]:
    """Escaped text in lines that leave room for the "=" of a soft line break."""
    at = 0
    while True:
        head = _guard(text, at)
        rest = at + bool(head)
        cut = rest + _LINE - len(head)
        if len(text) <= cut:
            yield head + text[rest:]
            return
        cut -= 1  # for the "=" of the soft line break
        escape = text.find(b"=", cut - 2, cut)
        cut = cut if escape < 0 else escape
        yield head + text[rest:cut]
        at = cut


def _guard(text: bytes, at: int) -> bytes:
    """The escape for the first octet of a line, where the line must not begin with it."""
    if text.startswith((b"From ", b".", b"--"), at):
        return b"=%02X" % text[at]
    return b""
