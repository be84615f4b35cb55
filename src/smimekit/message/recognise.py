"""Is this a layer? By label and by content (RFC 8551, 3.9), and where its CMS octets are.

Knows media types, names of files and the first octets of CMS. May not open anything.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final, final

from smimekit.errors import InputError, MimeError
from smimekit.limits import Limits
from smimekit.message.layers import Errant
from smimekit.mime.content_type import (
    ContentType,
    content_type,
    disposition,
    transfer_encoding,
)
from smimekit.mime.scanner import Entity, boundary_of, read_entity, signed_parts, split
from smimekit.mime.transfer import decode, decode_base64
from smimekit.span import Span

__all__ = ["ClearSigned", "Opaque", "find_errant", "is_bare_cms", "recognise", "recognise_bare"]

_PKCS7_MIME: Final = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_PKCS7_SIGNATURE: Final = frozenset(
    {"application/pkcs7-signature", "application/x-pkcs7-signature"}
)
_NAMES: Final = (".p7m", ".p7z")
_VAGUE: Final = frozenset({"application/octet-stream", "application/x-any", "application/any"})

# A ContentInfo: SEQUENCE of definite or indefinite length, then the OID of a content type,
# all of which begin 1.2.840.113549.1 (RSADSI's PKCS arc).
_CMS_HEAD: Final = re.compile(
    rb"\x30(?:\x80|[\x01-\x7f]|\x81.|\x82..|\x83...|\x84....|[\x85-\x88].{5,8})"
    rb"\x06[\x09-\x0b]\x2a\x86\x48\x86\xf7\x0d\x01",
    re.DOTALL,
)
# RFC 7468, 8 and 9; the last two are gpgsm's.
_PEM_LABELS: Final = rb"CMS|PKCS7|PKCS #7 SIGNED DATA|SIGNED MESSAGE|ENCRYPTED MESSAGE"
_PEM_BEGIN: Final = re.compile(rb"\s*-----BEGIN (?:" + _PEM_LABELS + rb")-----[^\n]*\n")
_PEM_END: Final = re.compile(rb"-----END [^\n]*")
_BASE64_HEAD: Final = re.compile(rb"\s*MI[A-Za-z0-9+/]{14}")
_HEAD_BYTES: Final = 256


@final
@dataclass(frozen=True, slots=True)
class ClearSigned:
    """A multipart/signed layer: what was signed, and the CMS octets of the signature."""

    content: Span
    signature: Entity

    def cms(self) -> Iterator[bytes]:
        """The CMS octets."""
        return _cms_octets(self.signature)


@final
@dataclass(frozen=True, slots=True)
class Opaque:
    """An application/pkcs7-mime layer, or bare CMS: the CMS octets, readable more than once."""

    body: Span
    encoding: str
    bare: bool = False
    """Is there no MIME around it?"""

    def cms(self) -> Iterator[bytes]:
        """The CMS octets."""
        return _unarmoured(decode(self.body.chunks(), self.encoding))


def is_bare_cms(span: Span) -> bool:
    """Does the input begin like CMS, in DER, BER or PEM, instead of like a mail?"""
    head = span.read(0, _HEAD_BYTES)
    return bool(_CMS_HEAD.match(head) or _PEM_BEGIN.match(head))


def recognise_bare(span: Span) -> Opaque:
    """Bare CMS as a layer."""
    return Opaque(span, "binary", bare=True)


def recognise(entity: Entity, *, limits: Limits) -> ClearSigned | Opaque | None:
    """The layer that an entity is, or None. MimeError where it is an ambiguous one."""
    content = content_type(entity.header)
    if content.media == "multipart/signed":
        return _clear_signed(entity, content, limits)
    if content.media in _PKCS7_MIME:
        return Opaque(entity.body, _encoding(entity))
    if content.media in _VAGUE and _has_cms_name(entity, content):
        opaque = Opaque(entity.body, _encoding(entity))
        if _looks_like_cms(opaque):
            return opaque
    return None


def _clear_signed(entity: Entity, content: ContentType, limits: Limits) -> ClearSigned | None:
    protocol = (content.get("protocol") or "").lower()
    if protocol and protocol not in _PKCS7_SIGNATURE:
        return None  # OpenPGP and others: signed, but not S/MIME
    signed, signature = signed_parts(entity, limits=limits)
    second = read_entity(signature, limits=limits)
    label = content_type(second.header)
    if label.media in _PKCS7_SIGNATURE:
        return ClearSigned(signed, second)
    named = _filename(second, label).endswith(".p7s")
    if protocol and (named or label.media in _VAGUE):
        return ClearSigned(signed, second)
    if not protocol:
        return None
    raise MimeError(
        "The message says that it holds an S/MIME signature, but its second part is something "
        "else. Have it sent again.",
        code="mime.protocol",
    )


def _filename(entity: Entity, content: ContentType) -> str:
    disposed = disposition(entity.header)
    name = (disposed.filename if disposed else None) or content.get("name") or ""
    return name.lower()


def _has_cms_name(entity: Entity, content: ContentType) -> bool:
    return _filename(entity, content).endswith(_NAMES) or "smime-type" in content.parameters


def _encoding(entity: Entity) -> str:
    """The transfer encoding; base64 too where somebody lost the field that says so."""
    encoding = transfer_encoding(entity.header)
    if encoding in {"7bit", "8bit", "binary"} and _BASE64_HEAD.match(
        entity.body.read(0, _HEAD_BYTES)
    ):
        return "base64"
    return encoding


def _looks_like_cms(opaque: Opaque) -> bool:
    try:
        head = b"".join(chunk for chunk, _ in zip(opaque.cms(), range(1), strict=False))
    except MimeError:
        return False
    return bool(_CMS_HEAD.match(head))


def _cms_octets(entity: Entity) -> Iterator[bytes]:
    return _unarmoured(decode(entity.body.chunks(), _encoding(entity)))


def _unarmoured(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """CMS octets out of PEM, if they are in PEM (RFC 7468)."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= _HEAD_BYTES:
            break
    begin = _PEM_BEGIN.match(head)
    if begin is None:
        return chain((head,), chunks)
    return decode_base64(_until_end(chain((head[begin.end() :],), chunks)))


def _until_end(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines between BEGIN and END; what follows is no part of it."""
    for chunk in chunks:
        # Base64 has no hyphen: the first one begins the END line.
        body, hyphen, _ = chunk.partition(b"-")
        yield body
        if hyphen:
            return
    raise MimeError("The PEM text has no END line: it was cut off.", code="mime.pem")


# --- errant layers (RFC 9787, 4.5) ---------------------------------------------------------


def find_errant(payload: Span, *, limits: Limits) -> tuple[Errant, ...]:
    """The signed or encrypted parts inside a payload that is no layer itself."""
    return tuple(_errant(payload, limits, 0, is_root=True))


def _errant(span: Span, limits: Limits, depth: int, *, is_root: bool) -> Iterator[Errant]:
    if depth > limits.mime_depth:
        return
    try:
        entity = read_entity(span, limits=limits)
        content = content_type(entity.header)
        kind = None if is_root else _errant_kind(entity, content, limits)
        if kind:
            yield Errant(kind, span)
            return
        parts = _children(entity, content, limits)
    except InputError:
        return  # what nobody can read has no layers that anybody would show
    for part in parts:
        yield from _errant(part, limits, depth + 1, is_root=False)


def _errant_kind(entity: Entity, content: ContentType, limits: Limits) -> str | None:
    if content.media == "multipart/signed":
        protocol = (content.get("protocol") or "").lower()
        if protocol:
            return "signed" if protocol in _PKCS7_SIGNATURE else None
        return "signed" if _clear_signed(entity, content, limits) else None
    if content.media in _PKCS7_MIME:
        kind = (content.get("smime-type") or "").lower()
        return {
            "enveloped-data": "encrypted",
            "authenveloped-data": "encrypted",
            "signed-data": "signed",
        }.get(kind, "cms")
    if content.media in _VAGUE and _has_cms_name(entity, content):
        return "cms" if _looks_like_cms(Opaque(entity.body, _encoding(entity))) else None
    return None


def _children(entity: Entity, content: ContentType, limits: Limits) -> tuple[Span, ...]:
    if content.type == "multipart":
        return split(entity.body, boundary_of(content), limits=limits).parts
    plain = transfer_encoding(entity.header) in {"7bit", "8bit", "binary"}
    if content.media in {"message/rfc822", "message/global"} and plain:
        return (entity.body,)
    return ()
