"""A draft becomes what can be signed (RFC 8551, 3.1): canonical, and safe for transport.

Knows which parts have to be encoded and which must stay as they are; may not know what
happens to the result. It changes drafts only, before anybody signs them: parts that are safe
keep their bytes, and parts that are signed already are never re-encoded.
"""

from dataclasses import dataclass
from typing import Final

from smimekit.errors import LimitExceeded, MimeError
from smimekit.limits import Limits
from smimekit.mime.canonical import to_crlf
from smimekit.mime.content_type import (
    TEXT_PLAIN,
    ContentType,
    content_type,
    transfer_encoding,
)
from smimekit.mime.fields import Field, HeaderBlock, read_header
from smimekit.mime.safety import is_transport_safe, safe_field
from smimekit.mime.scanner import boundary_of, read_entity, split
from smimekit.mime.transfer import decode, encode_base64, encode_quoted_printable
from smimekit.mime.writer import field_bytes
from smimekit.span import Span

__all__ = ["Draft", "prepare"]

_MESSAGE: Final = ContentType("message", "rfc822")
_ASCII = bytes(range(128))
_IDENTITY = frozenset({"7bit", "8bit", "binary"})
_UNIQUE = (
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
    "Content-ID",
    "Content-Description",
)
# Whose mail it is must not depend on the reader (RFC 5322, 3.6).
_UNIQUE_OUTSIDE = ("From", "Sender")
# RFC 9787, 9.4.1 for Bcc; MIME-Version is the writer's.
_NOT_SENT = frozenset({"bcc", "resent-bcc", "mime-version"})


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft cut in two: the fields that stay outside, and the entity that is protected."""

    outer: tuple[Field, ...]
    entity: bytes


def prepare(draft: bytes, *, limits: Limits) -> Draft:
    """Make of a draft message what can be signed or encrypted (RFC 8551, 3.1).

    `outer` has every field but Content-*, MIME-Version, Bcc and Resent-Bcc, as written.
    `entity` has the Content-* fields and the body: lines end with CRLF, and no relay has a
    reason to change it. Where a part is not like that (8bit, NUL, bare CR, lines over 998,
    blanks at line ends, "From " at line starts), text becomes quoted-printable or base64,
    anything else base64 of its exact octets; other parts keep their bytes. Signed parts stay
    as they are but for line ends, even with 8bit content. A preamble or epilogue that is not
    safe is dropped: nobody sees it. A forwarded message that cannot be made safe from within
    becomes message/global (RFC 6532, 3.7) in base64.

    Raises `MimeError` for what is malformed or ambiguous: duplicate fields, a multipart
    without closing boundary; `LimitExceeded` over `limits`.
    """
    entity = read_entity(Span.of(draft), limits=limits)
    for name in _UNIQUE_OUTSIDE:
        entity.header.one(name)
    content = tuple(field for field in entity.header.fields if _is_content(field))
    outer = tuple(
        field
        for field in entity.header.fields
        if not _is_content(field) and field.name.lower() not in _NOT_SENT
    )
    fields, body = _prepare(content, entity.body, TEXT_PLAIN, _Walk(limits))
    if not _block(fields).all("Content-Type"):
        fields = (_text_type(entity.body), *fields)
    return Draft(outer, _header(fields) + b"\r\n" + body)


@dataclass(frozen=True, slots=True)
class _Walk:
    """How deep the walk through the parts is, and how deep it may go."""

    limits: Limits
    depth: int = 0

    def deeper(self) -> "_Walk":
        if self.depth >= self.limits.mime_depth:
            raise LimitExceeded(
                f"The draft has more than {self.limits.mime_depth} multiparts within each "
                "other; raise Limits.mime_depth if such mail is expected.",
                code="limit.mime-depth",
            )
        return _Walk(self.limits, self.depth + 1)


_Prepared = tuple[tuple[Field, ...], bytes]
"""The fields of an entity, and its body, ready to be signed."""


def _prepare(fields: tuple[Field, ...], body: Span, default: ContentType, walk: _Walk) -> _Prepared:
    """One entity: the fields to write and its body."""
    block = _block(fields)
    for name in _UNIQUE:
        block.one(name)
    content = content_type(block, default=default)
    encoding = transfer_encoding(block)
    if content.type == "multipart":
        return _prepare_multipart(fields, content, encoding, body, walk)
    if encoding not in _IDENTITY:
        return _prepare_encoded(fields, content, encoding, body.bytes())
    if content.media == "message/rfc822":
        return _prepare_message(fields, body, walk)
    if content.type == "message" and content.subtype != "global":
        return _prepare_report(fields, body.bytes())
    return _prepare_leaf(fields, content, body.bytes())


def _prepare_leaf(fields: tuple[Field, ...], content: ContentType, body: bytes) -> _Prepared:
    # Text with NUL is no text (UTF-16, perhaps): its LF are no line breaks.
    text = content.type == "text" and b"\0" not in body
    data = _crlf(body) if text else body
    if is_transport_safe(data):
        return _labelled(fields, "7bit"), data
    if content.type == "text" and not _block(fields).all("Content-Type"):
        fields = (*fields, _text_type(Span.of(body)))
    return _encode(fields, data, text=text)


def _prepare_encoded(
    fields: tuple[Field, ...], content: ContentType, encoding: str, body: bytes
) -> _Prepared:
    """A part that is encoded already: again only if its encoding is not safe."""
    text = _crlf(body)
    if is_transport_safe(text):
        return _labelled(fields, encoding), text
    data = b"".join(decode([text], encoding))
    return _encode(fields, data, text=content.type == "text" and encoding != "base64")


def _encode(fields: tuple[Field, ...], data: bytes, *, text: bool) -> _Prepared:
    if text and not _prefers_base64(data):
        return _labelled(fields, "quoted-printable"), encode_quoted_printable(data)
    return _labelled(fields, "base64"), b"".join(encode_base64([data]))


def _prefers_base64(data: bytes) -> bool:
    """Whether quoted-printable would hide more than half of the text anyway."""
    return 2 * len(data.translate(None, _ASCII)) > len(data)


def _prepare_report(fields: tuple[Field, ...], body: bytes) -> _Prepared:
    """message/delivery-status and its like are 7bit by definition (RFC 2046, 5.2)."""
    lines = _crlf(body).split(b"\r\n")
    data = b"\r\n".join(line.rstrip(b" \t") for line in lines)
    if is_transport_safe(data):
        return _labelled(fields, "7bit"), data
    raise MimeError(
        "A message/* part holds what its type forbids, such as 8bit characters; attach it as "
        "application/octet-stream instead.",
        code="mime.unsafe-message",
    )


def _prepare_message(fields: tuple[Field, ...], body: Span, walk: _Walk) -> _Prepared:
    """A forwarded message: it may not be encoded as a whole (RFC 2046, 5.2.1)."""
    data = body.bytes()
    if is_transport_safe(data):
        return _labelled(fields, "7bit"), data
    try:
        inner = _prepare_part(body, TEXT_PLAIN, walk.deeper())
    except MimeError:
        # Only its bytes are known for sure. RFC 6532, 3.7: message/global may be encoded.
        rest = tuple(field for field in fields if not field.named("Content-Type"))
        data = data if b"\0" in data else _crlf(data)
        return _encode((Field.of("Content-Type", b"message/global"), *rest), data, text=False)
    return _labelled(fields, "7bit"), inner


def _prepare_multipart(
    fields: tuple[Field, ...],
    content: ContentType,
    encoding: str,
    body: Span,
    walk: _Walk,
) -> _Prepared:
    if encoding not in _IDENTITY:
        raise MimeError(
            "A multipart must not be encoded as a whole (RFC 2045, 6.4); repair the draft.",
            code="mime.encoded-multipart",
        )
    if content.subtype == "signed":
        return tuple(map(safe_field, fields)), _crlf(body.bytes())
    default = _MESSAGE if content.subtype == "digest" else TEXT_PLAIN
    data = _prepare_parts(body, boundary_of(content), default, walk.deeper())
    return _labelled(fields, "7bit"), data


def _prepare_parts(body: Span, boundary: bytes, default: ContentType, walk: _Walk) -> bytes:
    """The parts, each prepared, between the delimiters that were there.

    No delimiter can appear that was not there: base64 has no "-", quoted-printable of ours
    begins no line with "--", and everything else keeps its lines.
    """
    found = split(body, boundary, limits=walk.limits)
    if not found.closed or not found.parts:
        raise MimeError(
            "The draft has a multipart without parts or without its closing boundary; write "
            "the draft again.",
            code="mime.unclosed-multipart",
        )
    pieces = [_filler(found.preamble)]
    before = found.preamble
    for part in found.parts:
        pieces += (_delimiter(before, part), _prepare_part(part, default, walk))
        before = part
    pieces += (_delimiter(before, found.epilogue), _filler(found.epilogue))
    return b"".join(pieces)


def _delimiter(before: Span, after: Span) -> bytes:
    """The delimiter between two spans, without the blanks that may pad it."""
    raw = Span(before.source, before.end, after.start).bytes()
    start = b"\r\n" if raw[:1] in {b"\r", b"\n"} else b""
    end = b"\r\n" if raw.endswith(b"\n") else b""
    return start + raw.strip(b" \t\r\n") + end


def _filler(span: Span) -> bytes:
    """A preamble or epilogue, which is for nobody's eyes: as it is, or not at all."""
    text = _crlf(span.bytes())
    return text if is_transport_safe(text) else b""


def _prepare_part(span: Span, default: ContentType, walk: _Walk) -> bytes:
    """One part, or one forwarded message: header and body. An mbox line is dropped."""
    block = read_header(span, limits=walk.limits)
    body = span.slice(block.length, len(span))
    fields, data = _prepare(block.fields, body, default, walk)
    if fields == block.fields and not block.empty_line:
        # There is no header, or nothing but a header: no empty line was there.
        return _header(fields).removesuffix(b"\r\n") + data
    return _header(fields) + b"\r\n" + data


def _header(fields: tuple[Field, ...]) -> bytes:
    return b"".join(field_bytes(field) for field in fields)


def _labelled(fields: tuple[Field, ...], encoding: str) -> tuple[Field, ...]:
    """`fields`, safe, with the Content-Transfer-Encoding that is now true.

    A relay that believes in a stale "8bit" would convert the part and break the signature.
    """
    fields = tuple(map(safe_field, fields))
    if transfer_encoding(_block(fields)) == encoding:
        return fields
    new = Field.of("Content-Transfer-Encoding", encoding.encode())
    if not _block(fields).all(new.name):
        return (*fields, new)
    return tuple(new if field.named(new.name) else field for field in fields)


def _text_type(body: Span) -> Field:
    """The Content-Type of text that came without one."""
    data = body.bytes()
    try:
        data.decode()
        charset = b"us-ascii" if data.isascii() else b"utf-8"
    except UnicodeDecodeError:
        charset = b"unknown-8bit"
    return Field.of("Content-Type", b"text/plain; charset=" + charset)


def _block(fields: tuple[Field, ...]) -> HeaderBlock:
    return HeaderBlock(fields, b"", 0)


def _is_content(field: Field) -> bool:
    return field.name.lower().startswith("content-")


def _crlf(data: bytes) -> bytes:
    return b"".join(to_crlf([data]))
