"""One part of a draft gets its encoding, and a header that says which (RFC 2045, 6).

Knows a header and octets. May not know where in the draft they stand, nor why they have to be
encoded (`prepare` does).
"""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from smimekit.mime.canonical import to_crlf
from smimekit.mime.charset import charset_of
from smimekit.mime.content_type import transfer_encoding
from smimekit.mime.fields import Field, HeaderBlock
from smimekit.mime.safety import safe_field
from smimekit.mime.transfer import encode_base64, encode_quoted_printable
from smimekit.span import Span

__all__ = ["Octets", "Ready", "crlf", "encoded", "labelled", "safe_header", "text_type"]

_ASCII = bytes(range(128))
Octets: TypeAlias = Callable[[], Iterable[bytes]]
"""Octets that are made anew, in chunks, each time they are asked for: nobody holds them."""
Ready: TypeAlias = tuple[HeaderBlock, Octets]
"""The header of an entity, and its body, ready to be signed."""


def encoded(header: HeaderBlock, octets: Octets, *, text: bool) -> Ready:
    """A part in quoted-printable, where it is text of which that leaves most to read, or base64."""
    if text and not _prefers_base64(octets):
        header = labelled(header, "quoted-printable")
        return header, lambda: encode_quoted_printable(octets())
    return labelled(header, "base64"), lambda: encode_base64(octets())


def _prefers_base64(octets: Octets) -> bool:
    """Whether quoted-printable would hide more than half of the text anyway."""
    hidden = 0
    for chunk in octets():
        hidden += 2 * len(chunk.translate(None, _ASCII)) - len(chunk)
    return hidden > 0


def labelled(header: HeaderBlock, encoding: str) -> HeaderBlock:
    """A header, safe, with the Content-Transfer-Encoding that is now true.

    A relay that believes in a stale "8bit" would convert the part and break the signature.
    """
    header = safe_header(header)
    if transfer_encoding(header) == encoding:
        return header
    new = Field.of("Content-Transfer-Encoding", encoding.encode())
    if not header.all(new.name):
        return HeaderBlock.of((*header.fields, new))
    return HeaderBlock.of(new if field.named(new.name) else field for field in header.fields)


def safe_header(header: HeaderBlock) -> HeaderBlock:
    """A header that no relay has a reason to change."""
    fields = tuple([safe_field(field) for field in header.fields])
    return header if fields == header.fields else HeaderBlock.of(fields)


def text_type(octets: Octets) -> Field:
    """The Content-Type of text that came without one."""
    return Field.of("Content-Type", b"text/plain; charset=" + charset_of(octets()).encode())


def crlf(span: Span) -> Octets:
    """The octets of a text, whose lines end with CRLF."""
    return lambda: to_crlf(span.chunks())
