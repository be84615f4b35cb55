"""The usual mail to be signed: a text that stays as it is, below fields that do (RFC 8551, 3.1).

Knows one form of a draft, and what `prepare` and `protect` make of it: its header, outside and
inside, and the same body. May not know a rule that they do not know: what looks any different
is left to them, with all that is wrong with it.
"""

import re
from typing import Final

from smimekit.errors import MimeError
from smimekit.limits import Limits
from smimekit.mime.content_type import parse_content_type
from smimekit.mime.fields import Field
from smimekit.mime.prepare import NOT_SENT, UNIQUE_OUTSIDE
from smimekit.mime.protected import Protected, marked
from smimekit.mime.safety import PLAIN_FIELD, is_transport_safe
from smimekit.mime.writer import MIME_VERSION, SentHeader
from smimekit.span import CHUNK, Span

__all__ = ["usual_signed"]

_FIELDS = re.compile(b"(" + PLAIN_FIELD + b")")
_NOT_SENT: Final = frozenset(name.encode() for name in NOT_SENT)
_UNIQUE_OUTSIDE: Final = frozenset(name.lower().encode() for name in UNIQUE_OUTSIDE)
_ENCODED = re.compile(rb"[^:]*:[ \t]*(?:7bit|quoted-printable|base64)\r\n", re.IGNORECASE)


def usual_signed(draft: Span, *, limits: Limits) -> Protected | None:
    """A draft for mail, protected under a signature; None for one that is not as usual."""
    if len(draft) > CHUNK:
        return None
    data = draft.bytes()
    end = data.find(b"\r\n\r\n")
    header, body = data[: end + 2], data[end + 4 :]
    fields: list[tuple[bytes, bytes]] = _FIELDS.findall(header)
    if b"".join([raw for raw, _ in fields]) != header or not is_transport_safe(body):
        return None
    if len(fields) > limits.header_fields or len(header) + 2 > limits.header_bytes:
        return None
    found = _divided(fields)
    if found is None:
        return None
    outer, root = found
    return Protected(outer, SentHeader(outer + root), lambda: (body,), "7bit")


def _divided(fields: list[tuple[bytes, bytes]]) -> tuple[SentHeader, bytes] | None:
    """The fields outside, and those about the content; None where they are not as usual."""
    outer, content, seen = [], [], set()
    for raw, written in fields:
        name = written.lower()
        about_content = name.startswith(b"content-")
        if about_content or name in _UNIQUE_OUTSIDE:
            if name in seen:
                return None
            seen.add(name)
        if about_content:
            sent = _content_field(raw, written, name)
            if sent is None:
                return None
            content.append(sent)
        elif name not in _NOT_SENT:
            outer.append(raw)
    if not outer or b"content-type" not in seen:
        return None
    return SentHeader(b"".join(outer) + MIME_VERSION), b"".join(content)


def _content_field(raw: bytes, written: bytes, name: bytes) -> bytes | None:
    if name == b"content-type":
        return _text(Field(written.decode(), raw))
    if name == b"content-transfer-encoding" and not _ENCODED.fullmatch(raw):
        return None
    return raw


def _text(field: Field) -> bytes | None:
    """The Content-Type of a text, with its hp parameter (RFC 9788, 2.1.1)."""
    try:
        is_text = parse_content_type(field.value).type == "text"
        return marked(field, "clear").raw if is_text else None
    except MimeError:
        return None
