"""A draft becomes what can be signed (RFC 8551, 3.1): canonical, and safe for transport.

Knows which parts have to be encoded and which must stay as they are; may not know what
happens to the result. It changes drafts only, before anybody signs them: parts that are safe
keep their bytes, and parts that are signed already are never re-encoded.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Final

from smimekit.errors import LimitExceeded, MimeError
from smimekit.limits import Limits
from smimekit.mime.content_type import (
    TEXT_PLAIN,
    ContentType,
    content_type,
    transfer_encoding,
)
from smimekit.mime.encoded import Octets, Ready, crlf, encoded, labelled, safe_header, text_type
from smimekit.mime.fields import Field, HeaderBlock, read_header
from smimekit.mime.legacy import display
from smimekit.mime.safety import are_transport_safe, domain, is_safe_span, is_transport_safe
from smimekit.mime.scanner import boundary_of, read_entity, split
from smimekit.mime.transfer import (
    Transfer,
    decode,
)
from smimekit.mime.writer import header_bytes
from smimekit.span import CHUNK, Span

__all__ = ["NOT_SENT", "UNIQUE_OUTSIDE", "Prepared", "prepare"]

_MESSAGE: Final = ContentType("message", "rfc822")
_IDENTITY = frozenset({"7bit", "8bit", "binary"})
_DOMAINS = ("7bit", "8bit", "binary")
_WIDE = ("utf-16", "utf-32", "ucs-2", "ucs-4", "iso-10646-ucs")
"""Charsets in which LF is an octet like others (RFC 2781, 4: no MIME text)."""
_UNIQUE = (
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
    "Content-ID",
    "Content-Description",
)
UNIQUE_OUTSIDE: Final = ("From", "Sender")
"""The fields that must not stand twice: whose mail it is must not depend on the reader (RFC
5322, 3.6)."""
NOT_SENT: Final = frozenset({"bcc", "resent-bcc", "mime-version", "hp-outer"})
"""RFC 9787, 9.4.1 for Bcc; MIME-Version is the writer's; HP-Outer says what another writer did
(RFC 9788, 2.2)."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A draft cut in two: the fields that stay outside, and the entity that is protected."""

    outer: tuple[Field, ...]
    header: HeaderBlock
    """The header of the entity."""
    body: Callable[[], Iterable[bytes]]
    """Its octets, as often as they are asked for."""
    domain: str = "7bit"
    """What the octets of the body are, encoded as they are: 7bit, 8bit or binary."""

    def chunks(self) -> Iterator[bytes]:
        """The entity, as often as it is asked for."""
        yield header_bytes(self.header.fields) + b"\r\n"
        yield from self.body()

    @property
    def entity(self) -> bytes:
        """The entity, in memory."""
        return b"".join(self.chunks())


def prepare(
    draft: Span,
    *,
    limits: Limits,
    transfer: Transfer = Transfer.MAIL,
    displayed: Callable[[Iterable[Field]], tuple[Field, ...]] | None = None,
) -> Prepared:
    """Make of a draft message what can be signed or encrypted (RFC 8551, 3.1).

    `outer` has every field but Content-*, MIME-Version, Bcc, Resent-Bcc and HP-Outer, as
    written. `displayed` chooses of these the ones that a legacy display element shows in the
    main body parts (RFC 9788, 5.2.4).
    The entity has the Content-* fields and the body: lines end with CRLF, and no relay has a
    reason to change it. Where a part is not like that (8bit, NUL, bare CR, lines over 998,
    blanks at line ends, "From " at line starts), text becomes quoted-printable or base64,
    anything else base64 of its exact octets; other parts keep their bytes. Signed parts stay
    as they are but for line ends, even with 8bit content. A preamble or epilogue that is not
    safe is dropped: nobody sees it. A forwarded message that cannot be made safe from within
    becomes message/global (RFC 6532, 3.7) in base64. With `Transfer.BINARY` no part is
    encoded, and each says what it is.

    Reads the draft once or a few times, in chunks; the octets of the body are made when they
    are taken. Raises `MimeError` for what is malformed or ambiguous: duplicate fields, a
    multipart without closing boundary; `LimitExceeded` over `limits`.
    """
    entity = read_entity(draft, limits=limits)
    outer, content = _divided(entity.header)
    walk = _Walk(limits, transfer, displayed(outer) if displayed else ())
    header, body = _prepare(content, entity.body, TEXT_PLAIN, walk)
    if not header.all("Content-Type"):
        header = HeaderBlock.of((text_type(entity.body.chunks), *header.fields))
    return Prepared(outer, header, body, _domain(header, body))


def _divided(header: HeaderBlock) -> tuple[tuple[Field, ...], HeaderBlock]:
    """The fields that stay outside, and those that are about the content."""
    outer, content, names = [], [], []
    for field in header.fields:
        name = field.name.lower()
        names.append(name)
        if name.startswith("content-"):
            content.append(field)
        elif name not in NOT_SENT:
            outer.append(field)
    for name in UNIQUE_OUTSIDE:
        if names.count(name.lower()) > 1:
            header.one(name)  # raises
    return tuple(outer), HeaderBlock.of(content)


@dataclass(frozen=True, slots=True)
class _Walk:
    """How deep the walk through the parts is, how deep it may go, and what for."""

    limits: Limits
    transfer: Transfer
    displayed: tuple[Field, ...] = ()
    """What a legacy display element shows; nothing off the way to the main body parts."""
    depth: int = 0

    def deeper(self) -> "_Walk":
        if self.depth >= self.limits.mime_depth:
            raise LimitExceeded(
                f"The draft has more than {self.limits.mime_depth} multiparts within each "
                "other; raise Limits.mime_depth if such mail is expected.",
                code="limit.mime-depth",
            )
        return replace(self, depth=self.depth + 1)

    def aside(self) -> "_Walk":
        return replace(self, displayed=())

    def is_ready(self, body: Span) -> bool:
        """Whether mail takes a part octet for octet as it is, so that nothing is to be done."""
        if self.transfer is not Transfer.MAIL:
            return False
        if len(body) <= CHUNK:
            return is_transport_safe(body.bytes())
        return is_safe_span(body)

    def may_stay(self, octets: Octets) -> bool:
        """Whether a part may go out as it is."""
        return self.transfer is Transfer.BINARY or are_transport_safe(octets())

    def encoding(self, octets: Octets) -> str:
        """What to call the encoding of a part that goes out as it is."""
        if self.transfer is Transfer.MAIL or are_transport_safe(octets()):
            return "7bit"
        return "binary"


def _prepare(header: HeaderBlock, body: Span, default: ContentType, walk: _Walk) -> Ready:
    """One entity: the header to write and its body."""
    if header.repeats:
        for name in _UNIQUE:
            header.one(name)
    content = content_type(header, default=default)
    encoding = transfer_encoding(header)
    if content.type == "multipart":
        return _prepare_multipart(header, content, encoding, body, walk)
    shown = display(header.fields, body, walk.displayed) if walk.displayed else None
    if shown is not None:
        fields, octets = shown
        header = HeaderBlock.of(fields)
        # Out of its encoding, a text may hold a line that is a boundary around it.
        if encoding in _IDENTITY and walk.may_stay(octets):
            return labelled(header, walk.encoding(octets)), octets
        return encoded(header, octets, text=True)
    if encoding not in _IDENTITY:
        return _prepare_encoded(header, content, encoding, body, walk)
    if content.media == "message/rfc822":
        return _prepare_message(header, body, walk)
    if content.type == "message" and content.subtype != "global":
        return _prepare_report(header, body, walk)
    return _prepare_leaf(header, content, body, walk)


def _prepare_leaf(header: HeaderBlock, content: ContentType, body: Span, walk: _Walk) -> Ready:
    if walk.is_ready(body):
        return labelled(header, "7bit"), body.chunks
    text = content.type == "text" and _has_lines(content, body)
    octets = crlf(body) if text else body.chunks
    if walk.may_stay(octets):
        return labelled(header, walk.encoding(octets)), octets
    if content.type == "text" and not header.all("Content-Type"):
        header = HeaderBlock.of((*header.fields, text_type(body.chunks)))
    return encoded(header, octets, text=text)


def _has_lines(content: ContentType, body: Span) -> bool:
    """Are the LF of a text line breaks? Not where a character takes several octets each."""
    if (content.get("charset") or "").lower().startswith(_WIDE):
        return False
    return not any(b"\0" in chunk for chunk in body.chunks())


def _prepare_encoded(
    header: HeaderBlock, content: ContentType, encoding: str, body: Span, walk: _Walk
) -> Ready:
    """A part that is encoded already: again only if its encoding is not safe."""
    if walk.is_ready(body):
        return labelled(header, encoding), body.chunks
    octets = crlf(body)
    if walk.may_stay(octets):
        return labelled(header, encoding), octets
    for _ in decode(octets(), encoding):
        pass  # what cannot be decoded is refused now, before the first octet goes out
    is_text = content.type == "text" and encoding != "base64"
    return encoded(header, lambda: decode(octets(), encoding), text=is_text)


def _prepare_report(header: HeaderBlock, body: Span, walk: _Walk) -> Ready:
    """message/delivery-status and its like are 7bit by definition (RFC 2046, 5.2)."""
    octets = crlf(body)
    if walk.may_stay(octets):
        return labelled(header, walk.encoding(octets)), octets
    _check_report(len(body) <= walk.limits.value_bytes)  # rare, and short
    lines = b"".join(octets()).split(b"\r\n")
    data = b"\r\n".join(line.rstrip(b" \t") for line in lines)
    _check_report(is_transport_safe(data))
    return labelled(header, "7bit"), lambda: (data,)


def _check_report(fits: bool) -> None:
    if not fits:
        raise MimeError(
            "A message/* part holds what its type forbids, such as 8bit characters; attach it "
            "as application/octet-stream instead.",
            code="mime.unsafe-message",
        )


def _prepare_message(header: HeaderBlock, body: Span, walk: _Walk) -> Ready:
    """A forwarded message: it may not be encoded as a whole (RFC 2046, 5.2.1)."""
    if walk.may_stay(body.chunks):
        return labelled(header, walk.encoding(body.chunks)), body.chunks
    try:
        inner, found = _prepare_part(body, TEXT_PLAIN, walk.deeper().aside())
    except MimeError:
        # Only its bytes are known for sure. RFC 6532, 3.7: message/global may be encoded.
        rest = [field for field in header.fields if not field.named("Content-Type")]
        header = HeaderBlock.of((Field.of("Content-Type", b"message/global"), *rest))
        binary = any(b"\0" in chunk for chunk in body.chunks())
        return encoded(header, body.chunks if binary else crlf(body), text=False)
    return labelled(header, found), inner


def _prepare_multipart(
    header: HeaderBlock, content: ContentType, encoding: str, body: Span, walk: _Walk
) -> Ready:
    if encoding not in _IDENTITY:
        raise MimeError(
            "A multipart must not be encoded as a whole (RFC 2045, 6.4); repair the draft.",
            code="mime.encoded-multipart",
        )
    if content.subtype == "signed":
        # What is called binary was made for a transport that leaves LF alone.
        octets = body.chunks if encoding == "binary" else crlf(body)
        return safe_header(header), octets
    default = _MESSAGE if content.subtype == "digest" else TEXT_PLAIN
    # RFC 9787, 7.1: every alternative may be the one that is shown, else the first part.
    first_only = content.subtype != "alternative"
    octets, found = _prepare_parts(
        body, boundary_of(content), default, walk.deeper(), first_only=first_only
    )
    # RFC 2045, 6.4: a multipart is what the widest of its parts is.
    if walk.transfer is Transfer.BINARY:
        found = walk.encoding(octets)
    return labelled(header, found), octets


def _domain(header: HeaderBlock, octets: Octets) -> str:
    """What a part is that was prepared: its label says it, but for what others have signed."""
    content = content_type(header, default=TEXT_PLAIN)
    if content.type == "multipart" and content.subtype == "signed":
        return domain(octets())
    label = transfer_encoding(header)
    return label if label in _DOMAINS else _DOMAINS[0]


def _prepare_parts(
    body: Span, boundary: bytes, default: ContentType, walk: _Walk, *, first_only: bool
) -> tuple[Octets, str]:
    """The parts, each prepared, between the delimiters that were there; and their domain.

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
    domains = set()
    before = found.preamble
    for part in found.parts:
        octets, is_what = _prepare_part(part, default, walk)
        pieces += (_delimiter(before, part), octets)
        domains.add(is_what)
        before = part
        walk = walk.aside() if first_only else walk
    pieces += (_delimiter(before, found.epilogue), _filler(found.epilogue))
    return partial(_joined, tuple(pieces)), max(domains, key=_DOMAINS.index)


def _joined(pieces: tuple[Octets, ...]) -> Iterator[bytes]:
    return chain.from_iterable(piece() for piece in pieces)


def _delimiter(before: Span, after: Span) -> Octets:
    """The delimiter between two spans, without the blanks that may pad it."""
    raw = Span(before.source, before.end, after.start).bytes()
    start = b"\r\n" if raw[:1] in {b"\r", b"\n"} else b""
    end = b"\r\n" if raw.endswith(b"\n") else b""
    line = start + raw.strip(b" \t\r\n") + end
    return lambda: (line,)


def _filler(span: Span) -> Octets:
    """A preamble or epilogue, which is for nobody's eyes: as it is, or not at all."""
    octets = crlf(span)
    return octets if are_transport_safe(octets()) else tuple


def _prepare_part(span: Span, default: ContentType, walk: _Walk) -> tuple[Octets, str]:
    """One part, or one forwarded message: header and body; its domain. No mbox line."""
    block = read_header(span, limits=walk.limits)
    body = span.slice(block.length, len(span))
    made, octets = _prepare(block, body, default, walk)
    header: bytes = header_bytes(made.fields)
    if made.fields == block.fields and not block.empty_line:
        # There is no header, or nothing but a header: no empty line was there.
        header = header.removesuffix(b"\r\n")
    else:
        header += b"\r\n"
    return lambda: chain((header,), octets()), _domain(made, octets)
