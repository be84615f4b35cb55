"""What survives transport unchanged, and how a header field is made to (RFC 8551, 3.1.3).

Knows what relays change: octets above 127, NUL, bare CR and LF, long lines, blanks at line
ends, and lines that begin with "From ". May not know the structure of a message.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Final

from smimekit.errors import MimeError
from smimekit.mime.address import DRAFTED, parse_mailboxes
from smimekit.mime.canonical import is_canonical
from smimekit.mime.charset import decode_header
from smimekit.mime.content_type import parse_content_type, parse_disposition
from smimekit.mime.fields import Field
from smimekit.mime.lexer import TOKEN
from smimekit.mime.words import encode_words
from smimekit.mime.writer import SentHeader, field_bytes
from smimekit.span import CHUNK, Span

__all__ = [
    "MAX_LINE",
    "PLAIN_FIELD",
    "are_transport_safe",
    "domain",
    "folded",
    "is_safe_span",
    "is_transport_safe",
    "parameter_bytes",
    "safe_field",
    "safe_message_field",
    "safe_message_header",
    "with_parameters",
]

MAX_LINE: Final = 998
"""Octets of a line without its CRLF (RFC 5322, 2.1.1)."""
PLAIN_FIELD: Final = (
    rb"([!-9;-~]{1,76}):[\t -~]{0,901}(?<![\t ])(?:\r\n[\t ][\t -~]{1,901}(?<![\t ]))*\r\n"
)
"""A field that nobody on the way has a reason to change, as nearly all are; first its name."""

_FOLD_AT: Final = 78
"""Octets of a line that RFC 5322, 2.1.1 asks for."""
_MANY_LINES: Final = 1 << 12
"""Octets from which on it pays to find out whether all lines are of one length."""
_WORD = re.compile(rb"[ \t]*[^ \t]+")
_ADDRESSES: Final = frozenset(
    {
        *("from", "sender", "reply-to", "to", "cc", "mail-followup-to", "followup-to"),
        *("resent-from", "resent-sender", "resent-to", "resent-cc", "resent-reply-to"),
    }
)
_SECTION = 54
_ATTRIBUTE_CHAR = frozenset(
    b"!#$&+-.0123456789^_`{|}~abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)
_PLAIN = re.compile(PLAIN_FIELD)
_QUOTABLE = re.compile(r"[ -~]{0,200}")


def is_transport_safe(data: bytes | bytearray) -> bool:
    """Whether mail transport hands `data` on as it is: canonical, 7bit, lines of at most 998
    octets without a blank at the end and without "From " at the start.

    A bytearray may be written over while it is looked at: who owns it saves a copy.
    """
    # To look for one octet is thirty times as fast as for several.
    return (
        data.isascii()
        and b"\0" not in data
        and (b" " not in data or _has_harmless_blanks(data))
        and (b"\t" not in data or b"\t\r\n" not in data)
        and not data.endswith((b" ", b"\t"))
        and (
            (len(data) >= _MANY_LINES and _has_equal_lines(data))
            or (is_canonical(data) and _has_short_lines(data))
        )
    )


def _has_harmless_blanks(data: bytes | bytearray) -> bool:
    return b"\nFrom " not in data and not data.startswith(b"From ") and b" \r\n" not in data


def _has_equal_lines(data: bytes | bytearray) -> bool:
    """Whether the lines are short, canonical, and all but the last of one length: as in base64,
    where one need not look at each of them. If so, nothing is left of a bytearray's line breaks.
    """
    size = data.find(b"\n") + 1
    if not 2 <= size <= MAX_LINE + 2 or len(data) < 8 * size:
        return False
    count = len(data) // size
    whole = count * size
    returns, feeds = slice(size - 2, whole, size), slice(size - 1, whole, size)
    if data[returns] != b"\r" * count or data[feeds] != b"\n" * count:
        return False
    text = data if isinstance(data, bytearray) else bytearray(data)
    text[returns] = text[feeds] = bytes(count)  # this shows whether there are any others
    end = len(text) - 2 if text.endswith(b"\r\n", whole) else len(text)
    if text.find(b"\r", 0, end) < 0 and text.find(b"\n", 0, end) < 0:
        return True
    text[returns], text[feeds] = b"\r" * count, b"\n" * count
    return False


def are_transport_safe(chunks: Iterable[bytes]) -> bool:
    """The same of all the chunks together, of which it holds but one."""
    held = b""
    for chunk in chunks:
        data = bytearray(held)
        data += chunk
        # A line that goes on is looked at again; but for these, its begin is safe if all of it is.
        held = bytes(data[data.rfind(b"\n") + 1 :])
        if held.endswith((b"\r", b" ", b"\t")):
            del data[-len(held) :]
        if len(held) > MAX_LINE + 1 or not is_transport_safe(data):
            return False
    return is_transport_safe(held)


def is_safe_span(span: Span) -> bool:
    """The same of a span, read into one buffer that is filled again."""
    buffer, at = bytearray(), 0
    while len(span) - at > CHUNK:
        span.fill(buffer, at, at + CHUNK)
        # A line that goes on belongs to the next ones.
        end = buffer.rfind(b"\n") + 1
        del buffer[end:]
        if not end or not is_transport_safe(buffer):
            return False
        at += end
    span.fill(buffer, at, len(span))
    return is_transport_safe(buffer)


def domain(chunks: Iterable[bytes]) -> str:
    """What the octets of all the chunks are together: 7bit, 8bit or binary (RFC 2045, 2.7-2.9)."""
    held, found = b"", "7bit"
    for chunk in chain(chunks, (None,)):
        data = held + (chunk or b"")
        end = len(data) if chunk is None else data.rfind(b"\n") + 1
        lines, held = data[:end], data[end:]
        if len(held) > MAX_LINE + 1 or not _is_lines(lines):
            return "binary"
        if not lines.isascii():
            found = "8bit"
    return found


def _is_lines(data: bytes) -> bool:
    return b"\0" not in data and is_canonical(data) and _has_short_lines(data)


def _has_short_lines(data: bytes | bytearray) -> bool:
    # From line break to line break, each time the last one within reach.
    at = 0
    while len(data) - at > MAX_LINE:
        line_break = data.rfind(b"\n", at, at + MAX_LINE + 2)
        if line_break < 0:
            return False
        at = line_break + 1
    return True


def safe_field(field: Field) -> Field:
    """`field`, if need be rewritten so that it survives transport: refolded, and with
    encoded words (RFC 2047) or encoded parameters (RFC 2231) for what is not ASCII.

    Raises `MimeError` (`mime.unsafe-field`) where that cannot be done.
    """
    if _PLAIN.fullmatch(field.raw):
        return field
    raw = field_bytes(field)
    if is_transport_safe(raw):
        return field
    value = raw[raw.index(b":") + 1 :].removesuffix(b"\r\n")
    lines = b"\r\n".join(line.rstrip(b" \t") for line in value.split(b"\r\n"))
    for rewritten in (lines.lstrip(b" \t"), _rewrite(field)):
        repaired = Field.of(field.name, rewritten)
        if is_transport_safe(field_bytes(repaired)):
            return repaired
    raise MimeError(
        f"The {field.name[:80]} field is too long for mail transport; shorten it in the draft.",
        code="mime.unsafe-field",
    )


def _rewrite(field: Field) -> bytes:
    match field.name.lower():
        case "content-type":
            content = parse_content_type(field.value)
            return parameter_bytes(content.media, content.parameters.items())
        case "content-disposition":
            found = parse_disposition(field.value)
            return parameter_bytes(found.kind, found.parameters.items())
        case _:
            return encode_words(decode_header(field.value))


def safe_message_header(fields: Iterable[Field]) -> SentHeader:
    """Fields about the message as they are sent, each as by `safe_message_field`."""
    return SentHeader(
        b"".join(
            [
                field.raw if _PLAIN.fullmatch(field.raw) else field_bytes(safe_message_field(field))
                for field in fields
            ]
        )
    )


def safe_message_field(field: Field) -> Field:
    """A field about the message, if need be rewritten so that it survives transport.

    Long lines are folded; what is not ASCII becomes encoded words (RFC 2047), in addresses
    the names only. A field that cannot be helped stays as it is: an address in UTF-8 needs a
    transport that takes it (RFC 6532). Raises `MimeError` as `field_bytes` does.
    """
    if _PLAIN.fullmatch(field.raw) or is_transport_safe(field_bytes(field)):
        return field
    if not field.value:
        return Field(field.name, field.name.encode() + b":\r\n")
    for rewritten in (folded(field.value, len(field.name) + 2), _in_words(field)):
        repaired = Field.of(field.name, rewritten)
        if is_transport_safe(field_bytes(repaired)):
            return repaired
    return field


def _in_words(field: Field) -> bytes:
    if field.name.lower() not in _ADDRESSES:
        return encode_words(field.text)
    try:
        found = parse_mailboxes(field.value, limits=DRAFTED)
    except MimeError:
        return field.value
    # The name of a group would be lost; a mailbox without its name would be another field.
    if b";" in field.value or not found:
        return field.value
    return b",\r\n ".join(_mailbox(each.display, each.address) for each in found)


def _mailbox(display: str, address: str) -> bytes:
    if not display:
        return address.encode()
    return encode_words(display) + b"\r\n <" + address.encode() + b">"


def folded(value: bytes, used: int) -> bytes:
    """An unfolded value with line breaks before blanks, where a line would grow too long.

    `used` octets stand before it on its first line. Unfolded, it is the same value again.
    """
    lines = [b""]
    for word in _WORD.findall(value):
        if lines[-1] and used + len(lines[-1]) + len(word) > _FOLD_AT:
            lines.append(b"")
            used = 0
        lines[-1] += word
    return b"\r\n".join(lines)


def with_parameters(field: Field, changes: Mapping[str, str | None]) -> Field:
    """A Content-Type field with parameters set, or without those that are None.

    The rest keeps its bytes where it can. Raises as `parse_content_type` does.
    """
    content = parse_content_type(field.value)
    if content.parameters.keys() & changes.keys():
        kept = {name: text for name, text in content.parameters.items() if name not in changes}
        field = Field.of(field.name, parameter_bytes(content.media, kept.items()))
    added = [b'%s="%s"' % (name.encode(), text.encode()) for name, text in changes.items() if text]
    if not added:
        return field
    raw = field_bytes(field).removesuffix(b"\r\n").rstrip(b" \t;")
    return Field(field.name, b";\r\n ".join([raw, *added]) + b"\r\n")


def parameter_bytes(value: str, parameters: Iterable[tuple[str, str]]) -> bytes:
    """A structured value with its parameters, one a line (RFC 2045, 5.1; RFC 2231, 3 and 4)."""
    lines = [value.encode("ascii")]
    for name, text in parameters:
        lines += _parameter(name, text)
    return b";\r\n ".join(lines)


def _parameter(name: str, text: str) -> list[bytes]:
    key = name.encode("ascii")
    if TOKEN.fullmatch(text) and len(text) <= _SECTION:
        return [key + b"=" + text.encode()]
    if _QUOTABLE.fullmatch(text):
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        return [key + b'="' + quoted.encode() + b'"']
    return _encoded_sections(key, text)


def _encoded_sections(key: bytes, text: str) -> list[bytes]:
    sections = [b"utf-8''"]
    for octet in text.encode("utf-8", "replace"):
        char = bytes([octet]) if octet in _ATTRIBUTE_CHAR else b"%%%02X" % octet
        if len(sections[-1]) + len(char) > _SECTION:
            sections.append(b"")
        sections[-1] += char
    if len(sections) == 1:
        return [key + b"*=" + sections[0]]
    return [b"%s*%d*=%s" % (key, at, section) for at, section in enumerate(sections)]
