"""The usual draft of a mail: a text that stays as it is, below fields that do (RFC 8551, 3.1).

Knows one form of a draft, and what `prepare` and `protect` make of it: its header, outside and
inside, and the same body. May not know a rule that they do not know: what looks any different
is left to them, with all that is wrong with it.
"""

import re
from functools import lru_cache
from typing import Final, TypeAlias

from smimekit.errors import MimeError
from smimekit.limits import Limits
from smimekit.mime.confidentiality import HeaderPolicy
from smimekit.mime.content_type import parse_content_type
from smimekit.mime.fields import Field
from smimekit.mime.prepare import NOT_SENT, UNIQUE_OUTSIDE
from smimekit.mime.protected import HeaderProtection, Protected, marked, shown
from smimekit.mime.safety import PLAIN_FIELD, is_transport_safe
from smimekit.mime.writer import MIME_VERSION, SentHeader
from smimekit.span import CHUNK

__all__ = ["usual_draft"]

_FIELDS = re.compile(b"(" + PLAIN_FIELD + b")")
_NOT_SENT: Final = frozenset(name.encode() for name in NOT_SENT)
_UNIQUE_OUTSIDE: Final = frozenset(name.lower().encode() for name in UNIQUE_OUTSIDE)
_REPEATED: Final = 120
"""Octets of a Content-Type that comes again and again."""
_ENCODED = re.compile(rb"[^:]*:[ \t]*(?:7bit|quoted-printable|base64)\r\n", re.IGNORECASE)
_Line: TypeAlias = tuple[bytes, bytes]
"""A field as it stands, and its name."""


def usual_draft(
    draft: bytes, protection: HeaderProtection, *, encrypted: bool, limits: Limits
) -> Protected | None:
    """A draft for mail, protected; None for one that is not as usual. Raises as `exposed` does."""
    if len(draft) > CHUNK or (encrypted and protection.legacy_display):
        return None
    end = draft.find(b"\r\n\r\n")
    header, body = draft[: end + 2], draft[end + 4 :]
    lines: list[_Line] = _FIELDS.findall(header)
    if b"".join([raw for raw, _ in lines]) != header or not is_transport_safe(body):
        return None
    if len(lines) > limits.header_fields or len(header) + 2 > limits.header_bytes:
        return None
    divided = _divided(lines, "cipher" if encrypted else "clear")
    if divided is None:
        return None
    outer, inner = _headers(*divided, protection.hcp if encrypted else None)
    return Protected(outer, inner, lambda: (body,), "7bit")


def _divided(lines: list[_Line], hp: str) -> tuple[list[_Line], bytes] | None:
    """The fields about the message, and those about the content as they are sent.

    None where they are not as usual.
    """
    message, content, seen = [], [], set()
    for line in lines:
        name = line[1].lower()
        about_content = name.startswith(b"content-")
        if about_content or name in _UNIQUE_OUTSIDE:
            if name in seen:
                return None
            seen.add(name)
        if about_content:
            sent = _content_field(line, name, hp)
            if sent is None:
                return None
            content.append(sent)
        elif name not in _NOT_SENT:
            message.append(line)
    if not message or b"content-type" not in seen:
        return None
    return message, b"".join(content)


def _content_field(line: _Line, name: bytes, hp: str) -> bytes | None:
    raw, written = line
    if name == b"content-type":
        return (_known_text if len(raw) <= _REPEATED else _text)(raw, written, hp)
    if name == b"content-transfer-encoding" and not _ENCODED.fullmatch(raw):
        return None
    return raw


def _text(raw: bytes, name: bytes, hp: str) -> bytes | None:
    """The Content-Type of a text, with its hp parameter (RFC 9788, 2.1.1)."""
    field = Field(name.decode(), raw)
    try:
        is_text = parse_content_type(field.value).type == "text"
        return marked(field, hp).raw if is_text else None
    except MimeError:
        return None


_known_text = lru_cache(maxsize=128)(_text)
"""Most mails have one of a few types."""


def _headers(
    message: list[_Line], content: bytes, hcp: HeaderPolicy | None
) -> tuple[SentHeader, SentHeader]:
    """The header of the message, and that of the entity; `hcp` only where it is encrypted."""
    inside = b"".join([raw for raw, _ in message])
    if hcp is None:
        outer = SentHeader(inside + MIME_VERSION)
        return outer, SentHeader(outer + content)
    outside, copies = shown([(name.decode(), raw) for raw, name in message], hcp)
    inner = SentHeader(inside + copies + MIME_VERSION + content)
    return SentHeader(outside + MIME_VERSION), inner
