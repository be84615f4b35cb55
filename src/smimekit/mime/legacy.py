"""Legacy display elements (RFC 9788, 5.2.2, 5.2.3, 4.5.3): a decorative copy of hidden fields.

Knows plain text and just enough HTML to find a place in it. May not know which fields are
hidden, nor what a message is. Texts are streams, of which it looks at the beginning only.
"""

import html
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final

from smimekit.errors import InputError
from smimekit.limits import Limits
from smimekit.mime.canonical import to_crlf
from smimekit.mime.charset import charset_of, decode_charset
from smimekit.mime.content_type import (
    ContentType,
    content_type,
    disposition,
    transfer_encoding,
)
from smimekit.mime.fields import Field, HeaderBlock
from smimekit.mime.safety import with_parameters
from smimekit.mime.scanner import Entity, boundary_of, read_entity, split
from smimekit.mime.transfer import decode, encode_base64, encode_quoted_printable
from smimekit.mime.words import decode_words
from smimekit.mime.writer import field_bytes
from smimekit.span import Span

__all__ = ["display", "hide_displays"]

_HEAD: Final = 1 << 20
"""Octets of a text in which an element has to be: it stands at the beginning."""
_PARAMETER: Final = "hp-legacy-display"
_CLASS: Final = "header-protection-legacy-display"
_WIDE: Final = frozenset({"utf-16", "utf-16le", "utf-16be"})
_BLANK_LINE = re.compile(rb"(?:\A|\n)[ \t]*\r?\n")
_COMMENT: Final = rb"<!--.*?(?:-->|\Z)"
# Where an element may stand, the best place last.
_PLACES = re.compile(
    _COMMENT + rb"|<!doctype\b[^<>]{0,2000}>|<html\b[^<>]{0,2000}>|</head\s{0,9}>"
    rb"|<body\b[^<>]{0,2000}>",
    re.DOTALL | re.IGNORECASE,
)
_DIVISIONS = re.compile(
    _COMMENT + rb"|<div\b([^<>]{0,2000})>|</div\s{0,9}>", re.DOTALL | re.IGNORECASE
)
_CLASSES = re.compile(
    rb"""\bclass\s{0,9}=\s{0,9}(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE
)


# --- writing -------------------------------------------------------------------------------


def display(
    fields: tuple[Field, ...], body: Span, shown: tuple[Field, ...]
) -> tuple[tuple[Field, ...], Callable[[], Iterator[bytes]]] | None:
    """A part with an element that shows some fields, in place of one that it had already.

    Gives the part's new fields, and its text with CRLF, decoded; None for an attachment and
    for what is no text, which is not to be changed (RFC 9788, 5.2.4, 5.2.5). Raises MimeError
    for a text that cannot be decoded.
    """
    header = HeaderBlock.of(fields)
    content = content_type(header)
    disposed = disposition(header)
    charset = _charset(content, shown)
    if charset is None or (disposed is not None and disposed.kind != "inline"):
        return None
    encoding = transfer_encoding(header)

    def decoded() -> Iterator[bytes]:
        return to_crlf(decode(body.chunks(), encoding))

    def text() -> Iterator[bytes]:
        cleaned = _without_display(decoded(), content) if _has_display(content) else None
        return _with_display(cleaned or decoded(), content.media, charset, shown)

    if any(b"\0" in chunk for chunk in decoded()):
        return None
    label = charset
    if not header.all("Content-Type"):
        fields = (*fields, Field.of("Content-Type", b"text/plain"))
        label = charset_of(text())
    changes = {_PARAMETER: "1"}
    if label != _label(content):
        changes = {"charset": label, **changes}
    return tuple(
        with_parameters(field, changes) if field.named("Content-Type") else field
        for field in fields
    ), text


def _charset(content: ContentType, fields: Iterable[Field]) -> str | None:
    """The charset of a text once it has the element; None where it cannot have one.

    ASCII becomes UTF-8 if a field needs it. A charset that does not contain ASCII, or that
    nobody knows, has no place for the element.
    """
    if content.media not in {"text/plain", "text/html"}:
        return None
    charset = _label(content)
    if charset in {"us-ascii", "ascii"}:
        ascii_only = all(_text(field).isascii() for field in fields)
        return charset if ascii_only else "utf-8"
    return charset if decode_charset(b"Az: \r\n<>&;", charset) == "Az: \r\n<>&;" else None


def _label(content: ContentType) -> str:
    return (content.get("charset") or "us-ascii").lower()


def _with_display(
    octets: Iterable[bytes], media: str, charset: str, fields: Iterable[Field]
) -> Iterator[bytes]:
    """A text with the element in front, or, in HTML, at the start of its body."""
    if media == "text/plain":
        lines = [_encoded(field, charset, "strict") for field in fields]
        return chain((b"".join(line + b"\r\n" for line in lines) + b"\r\n",), octets)
    lines = [_encoded(field, charset, "xmlcharrefreplace") for field in fields]
    element = b'<div class="%s">\r\n<pre>\r\n%s\r\n</pre>\r\n</div>' % (
        _CLASS.encode(),
        b"\r\n".join(lines),
    )
    return _in_body(octets, element)


def _text(field: Field) -> str:
    """A field in one line (RFC 9788, 10.3): decoded, and without line breaks or controls."""
    text = " ".join(decode_words(field.value).split())
    return f"{field.name}: " + "".join(char if char.isprintable() else " " for char in text)


def _encoded(field: Field, charset: str, errors: str) -> bytes:
    text = _text(field)
    if errors != "strict":
        text = html.escape(text).replace("&#x27;", "&apos;")
    try:
        return text.encode(charset, errors)
    except UnicodeEncodeError:
        # What the charset lacks stays in encoded words, which lose nothing.
        return b" ".join((f"{field.name}: ".encode() + field.value).split())


def _in_body(octets: Iterable[bytes], element: bytes) -> Iterator[bytes]:
    head, rest = _begin(octets)
    at = 0
    for place in _PLACES.finditer(head):
        if not place[0].startswith(b"<!--"):
            at = place.end()
        if place[0][:5].lower() == b"<body":
            break
    return chain((head[:at] + b"\r\n" * (at > 0) + element + head[at:],), rest)


def _begin(octets: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The beginning of a text, and the rest of it."""
    chunks = iter(octets)
    head = bytearray()
    for chunk in chunks:
        head += chunk
        if len(head) >= _HEAD:
            break
    return bytes(head), chunks


# --- hiding --------------------------------------------------------------------------------


def _has_display(content: ContentType) -> bool:
    """RFC 9788, 4.5.3.1."""
    return content.media in {"text/plain", "text/html"} and content.get(_PARAMETER) == "1"


def _without_display(octets: Iterable[bytes], content: ContentType) -> Iterator[bytes] | None:
    """A text without its element; None where it has none after all."""
    head, rest = _begin(octets)
    wide = _label(content) in _WIDE
    cut = _cut_wide(head, content) if wide else _cut(head, content)
    return None if cut is None else chain((cut,), rest)


def _cut(head: bytes, content: ContentType) -> bytes | None:
    return _cut_plain(head) if content.media == "text/plain" else _cut_html(head)


def _cut_wide(head: bytes, content: ContentType) -> bytes | None:
    """The same where a character takes two octets and more (RFC 9788, 4.5.3.2: what a blank
    line is depends on the charset), by way of UTF-8.
    """
    mark = head[:2] if head[:2] in {BOM_UTF16_LE, BOM_UTF16_BE} else b""
    little = mark == BOM_UTF16_LE or (not mark and _label(content) == "utf-16le")
    codec = "utf-16-le" if little else "utf-16-be"  # RFC 2781, 4.3: big where nothing is said
    even = len(head) & ~1
    text = head[len(mark) : even].decode(codec, "surrogatepass")
    cut = _cut(text.encode("utf-8", "surrogatepass"), content)
    if cut is None:
        return None
    kept = cut.decode("utf-8", "surrogatepass").encode(codec, "surrogatepass")
    return mark + kept + head[even:]


def _cut_plain(head: bytes) -> bytes | None:
    blank = _BLANK_LINE.search(head)
    return head[blank.end() :] if blank else None


def _cut_html(head: bytes) -> bytes | None:
    """HTML without each division of the class, whatever divisions are inside it."""
    kept: list[bytes] = []
    at = depth = start = 0
    for tag in _DIVISIONS.finditer(head):
        if tag[0].startswith(b"<!--"):
            continue
        opens = tag[1] is not None
        if depth:
            depth += 1 if opens else -1
            if not depth:
                kept.append(head[at:start])
                at = tag.end()
        elif opens and _is_display(tag[1]):
            depth, start = 1, tag.start()
    return b"".join([*kept, head[at:]]) if kept else None


def _is_display(attributes: bytes) -> bool:
    found = _CLASSES.search(attributes)
    if found is None:
        return False
    names = (found[1] or found[2] or found[3] or b"").split()
    return _CLASS.encode() in names


def hide_displays(payload: Span, *, limits: Limits) -> Iterator[bytes]:
    """A payload without legacy display elements, nor the parameters that announce them.

    The other bytes stay as they are. What is signed or forwarded inside is not looked into.
    """
    at = 0
    for entity in _displays(payload, limits, 0):
        start = entity.span.start - payload.start
        yield from payload.slice(at, start).chunks()
        yield from _cleaned(entity)
        at = start + len(entity.span)
    yield from payload.slice(at, len(payload)).chunks()


def _displays(span: Span, limits: Limits, depth: int) -> Iterator[Entity]:
    try:
        entity = read_entity(span, limits=limits)
        content = content_type(entity.header)
        parts: tuple[Span, ...] = ()
        if _has_display(content):
            yield entity
        elif content.type == "multipart" and content.subtype not in {"signed", "encrypted"}:
            parts = split(entity.body, boundary_of(content), limits=limits).parts
    except InputError:
        return  # what nobody can read is shown by nobody
    if depth < limits.mime_depth:
        for part in parts:
            yield from _displays(part, limits, depth + 1)


def _cleaned(entity: Entity) -> Iterator[bytes]:
    content = content_type(entity.header)
    encoding = transfer_encoding(entity.header)
    try:
        text = _without_display(decode(entity.body.chunks(), encoding), content)
    except InputError:
        text = None
    if text is None:
        yield from entity.span.chunks()
        return
    for field in entity.header.fields:
        named = field.named("Content-Type")
        yield field_bytes(with_parameters(field, {_PARAMETER: None})) if named else field.raw
    yield entity.header.empty_line
    yield from _encoders(encoding, content)(text)


def _encoders(encoding: str, content: ContentType) -> Callable[[Iterable[bytes]], Iterable[bytes]]:
    match encoding:
        case "base64":
            return encode_base64
        case "quoted-printable" if _label(content) in _WIDE:
            return encode_quoted_printable  # its LF are octets like others
        case "quoted-printable":
            return lambda chunks: encode_quoted_printable(to_crlf(chunks))
        case _:
            return lambda chunks: chunks
