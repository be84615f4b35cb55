"""Is this a layer? By label and by content (RFC 8551, 3.10), and where its CMS octets are.

Knows media types, names of files and the first values of CMS. May not open anything.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Final, final

from smimekit import der
from smimekit.algorithms import DIGESTS, Digest
from smimekit.cms.ber import BerReader
from smimekit.cms.content import SIGNED_DATA, enter_content
from smimekit.cms.signed import Digests
from smimekit.errors import InputError, MimeError
from smimekit.frozen import maker
from smimekit.limits import Limits
from smimekit.mime.content_type import (
    ContentType,
    content_type,
    disposition,
    transfer_encoding,
)
from smimekit.mime.fields import HeaderBlock, read_header
from smimekit.mime.scanner import Entity, read_entity, signed_parts
from smimekit.mime.transfer import decode, decode_base64, decoded
from smimekit.mime.words import decode_words
from smimekit.span import CHUNK, Span

__all__ = [
    "PKCS7_MIME",
    "ClearSigned",
    "Opaque",
    "Peek",
    "is_bare_cms",
    "peek",
    "recognise",
    "recognise_bare",
    "recognise_opaque",
    "says_signed",
]

PKCS7_MIME: Final = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_PKCS7_SIGNATURE: Final = frozenset(
    {"application/pkcs7-signature", "application/x-pkcs7-signature"}
)
_NAMES: Final = (".p7m", ".p7s", ".p7c", ".p7z")
_VAGUE: Final = frozenset({"application/octet-stream", "application/x-any", "application/any"})

_PKCS: Final = "1.2.840.113549.1."
"""RSADSI's arc, where all content types are."""

# A ContentInfo: SEQUENCE of definite or indefinite length, then the OID of a content type.
_CMS_HEAD: Final = re.compile(
    rb"\x30(?:\x80|[\x01-\x7f]|\x81.|\x82..|\x83...|\x84....|[\x85-\x88].{5,8})"
    rb"\x06[\x09-\x0b]\x2a\x86\x48\x86\xf7\x0d\x01",
    re.DOTALL,
)
# RFC 7468, 8 and 9; OBJECT and MESSAGE are gpgsm's, the first in old files.
_PEM_LABELS: Final = rb"CMS|CMS OBJECT|PKCS7|PKCS #7 SIGNED DATA|SIGNED MESSAGE|ENCRYPTED MESSAGE"
_PEM_BEGIN: Final = re.compile(rb"\s*-----BEGIN (?:" + _PEM_LABELS + rb")-----[^\n]*\n")
# The octets 30 xx in base64: a SEQUENCE, short or long; a binary one begins with "0".
_BASE64_HEAD: Final = re.compile(rb"\s*M[A-I][A-Za-z0-9+/]{14}")
_HEAD_BYTES: Final = 256
_SHORT: Final = 400
"""Octets of the header of a signature's part that is remembered."""
_LIMITS: Final = Limits()


@final
@dataclass(frozen=True, slots=True)
class ClearSigned:
    """A multipart/signed layer: what was signed, and the CMS octets of the signature.

    `micalg` is what its label says of the digests, for whoever wants to begin before the
    signature is there (RFC 1847, 2.1). Nothing depends on it: `digests` may have been computed
    already then, and computes any other that the signature names.
    """

    content: Span
    signature: Entity
    micalg: str | None = None
    digests: Digests | None = field(default=None, compare=False)

    def cms(self) -> Iterator[bytes]:
        """The CMS octets."""
        return Opaque(self.signature.body, _encoding_of(self.signature)).cms()

    def text(self, most: int) -> tuple[bytes, str] | None:
        """What stands in the part, and its encoding, where it is no longer than `most`."""
        body = self.signature.body
        if len(body) > most:
            return None
        text = body.bytes()
        return text, _encoding(self.signature.header, text[:_HEAD_BYTES])


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
        if len(self.body) <= CHUNK:
            octets = decoded(self.body.bytes(), self.encoding)
            if not _PEM_BEGIN.match(octets):
                return iter((octets,))
        return _unarmoured(decode(self.body.chunks(), self.encoding))


@final
@dataclass(frozen=True, slots=True)
class Peek:
    """What the first values of a ContentInfo say."""

    content_type: str
    detached: bool
    """Is it a SignedData whose content is elsewhere, or that has none?"""


_new_layer: Final = maker(ClearSigned)
_opaque: Final = maker(Opaque)


def is_bare_cms(span: Span) -> bool:
    """Does the input begin like CMS, in DER, BER or PEM, instead of like a mail?"""
    head = span.read(0, _HEAD_BYTES)
    if head[:1].isalpha():  # as a mail does, and neither DER nor white space and hyphens
        return False
    return bool(_CMS_HEAD.match(head) or _PEM_BEGIN.match(head))


def recognise_bare(span: Span) -> Opaque:
    """Bare CMS as a layer."""
    return Opaque(span, "binary", bare=True)


def recognise(
    entity: Entity, *, limits: Limits, verified: bool = False
) -> ClearSigned | Opaque | None:
    """The layer that an entity is, or None. MimeError where it is an ambiguous one.

    Where it is to be `verified`, its content is digested while it is read for its end.
    """
    content = content_type(entity.header)
    if content.type == "multipart":
        is_signed = content.subtype == "signed"
        return _clear_signed(entity, content, limits, verified=verified) if is_signed else None
    return recognise_opaque(entity, content, limits=limits)


def recognise_opaque(entity: Entity, content: ContentType, *, limits: Limits) -> Opaque | None:
    """The layer that an entity is which is no multipart, or None.

    Its label alone decides where that is S/MIME's own. Another has to have a file's name that
    is, too, and CMS in it. A detached signature is no layer there: a document that was signed
    elsewhere has such a file beside it, and a mail is no document.
    """
    if content.type != "application":  # as all of these are
        return None
    if content.media in PKCS7_MIME:
        return _opaque(entity.body, _encoding_of(entity))
    if content.media not in _VAGUE or not _has_cms_name(entity, content):
        return None
    opaque = _opaque(entity.body, _encoding_of(entity))
    found = peek(opaque, limits=limits)
    if found is None or (found.detached and _is_named(entity, content, ".p7s")):
        return None
    return opaque


def peek(found: Opaque, *, limits: Limits) -> Peek | None:
    """What is in CMS, as far as its first values say; None where it is no CMS."""
    try:
        reader = BerReader(found.cms(), limits=limits)
        kind = enter_content(reader)
        if kind != SIGNED_DATA:
            return Peek(kind, detached=False) if kind.startswith(_PKCS) else None
        reader.enter(der.SEQUENCE)
        reader.value(der.INTEGER)
        reader.value(der.SET)
        reader.enter(der.SEQUENCE)
        reader.value(der.OID)
        return Peek(kind, detached=reader.peek() != 0xA0)
    except InputError:
        return None


def _clear_signed(
    entity: Entity, content: ContentType, limits: Limits, *, verified: bool
) -> ClearSigned | None:
    labelled = says_signed(content)
    if not labelled and content.get("protocol"):
        _check_foreign(entity, limits)
        return None
    micalg = content.get("micalg")
    # Of a short one, two readings cost less than what saves one.
    announced = _announced(micalg) if verified and len(entity.body) > CHUNK else ()

    def again() -> Iterator[bytes]:
        return signed.chunks()

    digests = Digests(announced, again) if announced else None
    signed, signature = signed_parts(entity, limits=limits, take=digests and digests.update)
    second = _second(signature, limits)
    label = content_type(second.header)
    found = _new_layer(signed, second, micalg, digests)
    if label.media in _PKCS7_SIGNATURE:
        return found
    if not labelled:
        return None
    if label.media in _VAGUE or _is_mislabelled(second, label):
        return found
    raise _other_protocol("it holds an S/MIME signature, but its second part is something else")


def _announced(micalg: str | None) -> tuple[Digest, ...]:
    """The digests that a label names, in any spelling (RFC 8551, 3.5.3.2): the first two, as
    nothing vouches for it, and each costs time.
    """
    names = {name.strip().lower().replace("-", "") for name in (micalg or "").split(",")}
    return tuple(row for row in DIGESTS if row.micalg.replace("-", "") in names)[:2]


def _second(part: Span, limits: Limits) -> Entity:
    """The part of the signature, whose header is the same in every mail of most senders."""
    head = part.read(0, _SHORT)
    size = head.find(b"\r\n\r\n") + 4
    if size < 4 or min(limits.header_bytes, limits.header_fields) < _SHORT:
        return read_entity(part, limits=limits, mbox=False)
    header = _label(head[:size])
    return Entity(header, part.behind(header.length), part)


@lru_cache(maxsize=64)
def _label(header: bytes) -> HeaderBlock:
    """A header that ends with an empty line, if not before, and is within any limits."""
    return read_header(Span.of(header), limits=_LIMITS, mbox=False)


def _is_mislabelled(entity: Entity, label: ContentType) -> bool:
    """A signature by its name, under a label that says nothing else of the kind."""
    other = label.subtype.endswith("-signature")  # OpenPGP's, for one
    return label.type == "application" and not other and _is_named(entity, label, ".p7s")


def says_signed(content: ContentType) -> bool:
    """Does the label of a multipart name S/MIME's protocol (RFC 8551, 3.5.3.2)?"""
    return (content.get("protocol") or "").lower() in _PKCS7_SIGNATURE


def _check_foreign(entity: Entity, limits: Limits) -> None:
    """OpenPGP and others: not ours, and no error, unless the second part says that it is ours.

    RFC 1847, 2.1: the second part is labelled as the protocol says. Some programs go by the
    one, some by the other. What is wrong with it otherwise is for those to say whose it is.
    """
    try:
        signature = signed_parts(entity, limits=limits)[1]
        label = content_type(read_entity(signature, limits=limits, mbox=False).header)
    except InputError:
        return
    if label.media in _PKCS7_SIGNATURE:
        raise _other_protocol("it is signed by another protocol, but holds an S/MIME signature")


def _other_protocol(what: str) -> MimeError:
    return MimeError(f"The message says that {what}. Have it sent again.", code="mime.protocol")


def _is_named(entity: Entity, content: ContentType, *endings: str) -> bool:
    """Does a file's name, in either place that RFC 8551, 3.2.1 knows, end like this?"""
    disposed = disposition(entity.header)
    names = (disposed.filename if disposed else None, content.get("name"))
    return any(_plain(name).lower().endswith(endings) for name in names if name)


def _plain(name: str) -> str:
    """A name without encoded words, which RFC 2047, 5 forbids there and Outlook writes."""
    return decode_words(name.encode("utf-8", "replace")) if name.startswith("=?") else name


def _has_cms_name(entity: Entity, content: ContentType) -> bool:
    return _is_named(entity, content, *_NAMES) or "smime-type" in content.parameters


def _encoding_of(entity: Entity) -> str:
    return _encoding(entity.header, entity.body.read(0, _HEAD_BYTES))


def _encoding(header: HeaderBlock, head: bytes) -> str:
    """The transfer encoding, also where somebody lost the field that says so, or kept it.

    What has no encoding and begins like a SEQUENCE in base64 is base64; PEM has none, but is
    put where base64 was by gateways that leave the label.
    """
    encoding = transfer_encoding(header)
    if encoding in {"7bit", "8bit", "binary"} and _BASE64_HEAD.match(head):
        return "base64"
    return "7bit" if encoding == "base64" and _PEM_BEGIN.match(head) else encoding


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
