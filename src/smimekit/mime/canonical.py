"""Canonical line ends (RFC 8551, 3.1.1): CRLF. Knows line breaks, and nothing of MIME.

A bare LF is the line break of a Unix file and becomes CRLF. A bare CR is no line break (RFC
2046, 4.1.1 forbids it outside of one), so it is data and stays: to change it would change
the content. What is sent has no bare CR, because `prepare` encodes parts that do.
"""

from collections.abc import Iterable, Iterator

__all__ = ["is_canonical", "to_crlf", "to_lf"]


def to_crlf(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """`chunks` with LF and CRLF as CRLF; the same bytes however they are cut."""
    held = b""
    for chunk in chunks:
        data = held + chunk if held else chunk
        # Whether a last CR is half a line break is for the next chunk to say.
        held = b"\r" if data.endswith(b"\r") else b""
        data = _convert(data[:-1] if held else data)
        if data:
            yield data
    if held:
        yield held


def _convert(data: bytes) -> bytes:
    # Whole-buffer replacements run at memory speed; a regular expression is 30 times slower.
    if b"\r" not in data:
        return data.replace(b"\n", b"\r\n")
    canonical = data.replace(b"\r", b"").replace(b"\n", b"\r\n")
    if canonical == data:
        return data
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def to_lf(data: bytes) -> bytes:
    """`data` with LF for CRLF: how some senders, wrongly, digested what they signed."""
    return data.replace(b"\r\n", b"\n")


def is_canonical(data: bytes | bytearray) -> bool:
    """Whether every CR and every LF in `data` is half of a CRLF."""
    return data.replace(b"\r", b"").replace(b"\n", b"\r\n") == data
