"""Where the parts of a multipart begin and end (RFC 2046, 5.1.1), as spans.

Knows delimiter lines; may not know what is in a part. One pass over the chunks, whatever
their size, and no copy of the parts: what was signed is digested from the span itself.

A delimiter is a line that holds `--boundary`, perhaps `--`, and perhaps blanks after it, and
nothing else. RFC 2046 lets a reader take any line that merely begins so; then the boundary
`a` would cut the parts of an inner multipart with the boundary `ab`, so no program does it.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple, final

from smimekit.errors import LimitExceeded, MimeError
from smimekit.limits import Limits
from smimekit.mime.content_type import ContentType, content_type, transfer_encoding
from smimekit.mime.fields import HeaderBlock, field_value, read_header
from smimekit.span import CHUNK, Span

__all__ = [
    "Delimiter",
    "Entity",
    "FirstPart",
    "Multipart",
    "boundary_of",
    "delimiters",
    "read_entity",
    "signed_parts",
    "split",
]

# RFC 2046 says 70 characters out of a small set; real ones use more of ASCII.
_BOUNDARY = re.compile(r"[ -~]{0,199}[!-~]")
_LINE_REST = re.compile(rb"(--)?([ \t]*)(\r?\n|\Z)?")
_MAYBE_MORE = re.compile(rb"-?\r?\Z")
# What may follow "--boundary" in a delimiter, or in what may yet become one.
_NO_LOOK_ALIKE = rb"(?=(?:--)?(?:[ \t]{999}|[ \t]*\r?(?:\n|\Z))|-\Z)"
# Where a parameter is none; and a boundary, in sections too (RFC 2231, 3), where one may be.
_HIDING = re.compile(rb'"(?:[^"\\]|\\.)*"|\((?:[^()\\]|\\.)*\)', re.DOTALL)
_NAMED = re.compile(rb"boundary[ \t]*(?:\*[0-9]*\*?)?[ \t]*=")
_PARAMETER = re.compile(rb";[ \t]*" + _NAMED.pattern)
_MAX_PADDING = 998
"""Blanks after a delimiter: not more than a line holds (RFC 5322, 2.1.1)."""
_PARTS: Final = 2
"""Of a multipart/signed."""
_CLOSING: Final = frozenset({b"--", b"--\r\n"})
"""What may follow the boundary of a closing delimiter with nothing behind it."""
_LONGEST: Final = 2_000
"""Octets that are more than a delimiter has: line breaks, hyphens, boundary and padding."""


class Delimiter(NamedTuple):
    """One delimiter line. It starts with the line break before it, which belongs to it."""

    start: int
    end: int
    closing: bool


class Multipart(NamedTuple):
    """The parts of a multipart body; `closed` says whether the closing delimiter is there."""

    body: Span
    start: int
    """Where its first delimiter begins."""
    parts: tuple[Span, ...]
    end: int
    """Where its closing delimiter ends."""
    closed: bool

    @property
    def preamble(self) -> Span:
        """What stands before the first delimiter."""
        return self.body.slice(0, self.start)

    @property
    def epilogue(self) -> Span:
        """What stands after the closing delimiter."""
        return self.body.slice(self.end, len(self.body))


class Entity(NamedTuple):
    """A MIME entity: its header, the span of its body, and the span of both."""

    header: HeaderBlock
    body: Span
    span: Span


def delimiters(chunks: Iterable[bytes], boundary: bytes) -> Iterator[Delimiter]:
    """The delimiter lines in a body that comes in chunks, up to the closing one.

    Offsets count from the start of the body. Raises `MimeError` (`mime.delimiter`) for a
    delimiter that is padded with more blanks than a line can hold.
    """
    needle = b"\n--" + boundary
    # A delimiter at the very start has no line break before it: lend it one.
    buffer, base, floor = b"\n", -1, 0
    for chunk in chain(chunks, (None,)):
        # Base64 has no hyphen, and to look for one octet is eight times as fast.
        if chunk is not None and b"-" not in chunk and b"-" not in buffer:
            base += len(buffer) + len(chunk)
            buffer = (buffer + chunk[-2:])[-2:]  # the line break of a delimiter
            base -= len(buffer)
            continue
        buffer += chunk or b""
        found, seen = _scan(buffer, needle, last=chunk is None)
        for start, end, closing in found:
            # Two delimiters in a row share a line break, which the first one then owns.
            yield Delimiter(max(base + start, floor), base + end, closing)
            floor = base + end
            if closing:
                return
        buffer = buffer[seen:]
        base += seen


def _scan(buffer: bytes, needle: bytes, *, last: bool) -> tuple[list[tuple[int, int, bool]], int]:
    """The delimiters in `buffer` (start, end, closing), and from where to look again."""
    found: list[tuple[int, int, bool]] = []
    # One octet more than an unfinished needle: the CR that may stand before it.
    seen = max(0, len(buffer) - len(needle))
    at = buffer.find(needle)
    while at >= 0 and (rest := _LINE_REST.match(buffer, at + len(needle))):
        closing, padding, line_break = rest.groups()
        end = rest.end()
        if len(padding) > _MAX_PADDING:
            raise MimeError(
                "A boundary line is padded with more blanks than a line may hold; the sender "
                "has to repair the message.",
                code="mime.delimiter",
            )
        if not last and _MAYBE_MORE.match(buffer, rest.end(2)):
            return found, max(0, at - 1)
        if line_break is None:
            # Other look-alikes may follow by the thousand: leave them to one search.
            likely = re.compile(re.escape(needle) + _NO_LOOK_ALIKE).search(buffer, end)
            at = likely.start() if likely else -1
            continue
        start = at - 1 if buffer[at - 1 : at] == b"\r" else at
        found.append((start, end, closing is not None))
        if closing:
            break
        seen = max(seen, end - 1)
        at = buffer.find(needle, end - 1)
    return found, seen


def _at_once(body: Span, boundary: bytes) -> list[tuple[int, int, bool]]:
    """What `delimiters` finds in a body that is one chunk."""
    found, _ = _scan(b"\n" + body.bytes(), b"\n--" + boundary, last=True)
    floor = 0
    for at, (start, end, closing) in enumerate(found):
        found[at] = max(start - 1, floor), end - 1, closing
        floor = end - 1
    return found


@final
class FirstPart:
    """Hands the first part on while its end is searched for, for whom it would be read again."""

    __slots__ = ("_begins", "_take", "_taken")

    def __init__(self, take: Callable[[bytes], object]) -> None:
        self._take = take
        self._begins: list[int] = []
        self._taken = 0

    def chunks(self, body: Span) -> Iterator[bytes]:
        """The body. A chunk is handed on when the one behind it was searched, too: then every
        delimiter is known that begins in it.
        """
        begin, before = 0, b""
        for chunk in body.chunks():
            yield chunk
            end = begin + len(before)
            if len(self._begins) == 1 and len(chunk) > _LONGEST:
                start = self._taken or self._begins[0]
                if begin <= start < end:
                    self._take(before[start - begin :])
                    self._taken = end
            begin, before = end, chunk

    def begin(self, at: int) -> None:
        """Another part begins there."""
        self._begins.append(at)

    def end(self, part: Span) -> None:
        """That was the first part: what is left of it is handed on."""
        taken = max(0, self._taken - self._begins[0])
        for chunk in part.slice(taken, len(part)).chunks():
            self._take(chunk)


def split(
    body: Span, boundary: bytes, *, limits: Limits, first: FirstPart | None = None
) -> Multipart:
    """Cut a multipart body at its delimiters. The line break before a delimiter belongs to
    it, the one after it too; everything else is preamble, part or epilogue.

    Without the closing delimiter the last part reaches to the end of the body. `first` is told
    of the first part. Raises `LimitExceeded` over `limits.mime_parts`.
    """
    parts: list[Span] = []
    size = len(body)
    start, before, closed = size, -1, False
    if first is None and size <= CHUNK:
        found: Iterable[tuple[int, int, bool]] = _at_once(body, boundary)
    else:
        found = delimiters(first.chunks(body) if first else body.chunks(), boundary)
    for begin, end, closing in found:
        if first:
            first.begin(end)
        if before < 0:
            start = begin
        else:
            parts.append(body.slice(before, begin))
        if len(parts) > limits.mime_parts:
            raise LimitExceeded(
                f"The message has more than {limits.mime_parts} parts in one multipart; raise "
                "Limits.mime_parts if such mail is expected.",
                code="limit.mime-parts",
            )
        before, closed = end, closing
    if before >= 0 and not closed:
        parts.append(body.slice(before, size))
    return Multipart(body, start, tuple(parts), before if closed else size, closed)


def boundary_of(content: ContentType) -> bytes:
    """The boundary of a multipart. Raises `MimeError` (`mime.boundary`) without a usable one."""
    boundary = content.get("boundary") or ""
    if not _BOUNDARY.fullmatch(boundary):
        raise MimeError(
            "The multipart has no usable boundary parameter; the sender has to repair it.",
            code="mime.boundary",
        )
    return boundary.encode("ascii")


def read_entity(span: Span, *, limits: Limits, mbox: bool = True) -> Entity:
    """An entity: header and body. `mbox` as in `read_header`, which says what is raised."""
    header = read_header(span, limits=limits, mbox=mbox)
    return Entity(header, span.behind(header.length), span)


def signed_parts(
    entity: Entity, *, limits: Limits, take: Callable[[bytes], object] | None = None
) -> tuple[Span, Span]:
    """The signed part and the signature part of a multipart/signed (RFC 1847, 2.1).

    The first span is, byte for byte, what was signed. All of it goes through `take`, too, while
    it is read here: nothing of that counts where this raises. Raises `MimeError`
    (`mime.signed-parts`) unless there are exactly two parts, both delimiters and the closing
    one, and no other line outside of the signed part that begins like one of them;
    (`mime.parameter`) where its type has something that is no boundary, and looks like one;
    (`mime.encoded-multipart`) if it is transfer-encoded.
    """
    content = content_type(entity.header)
    if content.media != "multipart/signed":
        raise _not_two_parts("is not multipart/signed")
    if transfer_encoding(entity.header) in {"base64", "quoted-printable"}:
        raise MimeError(
            "A multipart must not be encoded as a whole (RFC 2045, 6.4); the sender has to "
            "repair the message.",
            code="mime.encoded-multipart",
        )
    boundary = boundary_of(content)
    _check_alone(entity.header)
    at_hand = take is None and len(entity.body) <= CHUNK and limits.mime_parts >= _PARTS
    known = _two_at_hand(entity.body, boundary) if at_hand else None
    if known:
        return known
    first = FirstPart(take) if take else None
    found = split(entity.body, boundary, limits=limits, first=first)
    if not found.closed:
        raise _not_two_parts("is cut off: its closing boundary is missing")
    if len(found.parts) != _PARTS:
        raise _not_two_parts("does not have exactly two parts")
    _check_look_alikes(found, boundary)
    if first:
        first.end(found.parts[0])
    return found.parts[0], found.parts[1]


def _two_at_hand(body: Span, boundary: bytes) -> tuple[Span, Span] | None:
    """The parts of a body that is one chunk, where there are two, delimited as everybody does.

    None where only a look at each line tells. A delimiter line that begins where it should, and
    ends at once, is one for every reader; and nothing that begins like one is outside of the
    signed part.
    """
    needle = b"\n--" + boundary
    # A delimiter at the very start has no line break before it: lend it one.
    pieces = (b"\n" + body.bytes()).split(needle, _PARTS + 1)
    if len(pieces) != _PARTS + 2 or pieces[3] not in _CLOSING:
        return None
    preamble, first, second, _ = pieces
    if not (first.startswith(b"\r\n") and second.startswith(b"\r\n")):
        return None
    if needle[1:] in preamble or needle[1:] in second:
        return None
    start = len(preamble) + len(needle) - 1
    behind = start + len(first) + len(needle)
    return (
        body.slice(start + 2, start + len(first.removesuffix(b"\r"))),
        body.slice(behind + 2, behind + len(second.removesuffix(b"\r"))),
    )


def _check_alone(header: HeaderBlock) -> None:
    """Raise `MimeError` where a comment or a value looks like a boundary parameter.

    Programs that find something odd go on behind the next semicolon, wherever that is (Dovecot
    does), or never look for more than "boundary=".
    """
    (raw,) = header.octets("Content-Type")
    if raw.lower().count(b"boundary") == 1:
        return
    text = field_value(raw).lower()
    plain = _HIDING.sub(b"", text)  # but for comments within comments, which nobody needs
    if b"(" in plain or len(_NAMED.findall(text)) != len(_PARAMETER.findall(plain)):
        raise MimeError(
            "The Content-Type field holds what looks like another boundary, so programs would "
            "disagree on what was signed; the sender has to repair it.",
            code="mime.parameter",
        )


def _check_look_alikes(found: Multipart, boundary: bytes) -> None:
    """Raise `MimeError` for a line like a delimiter, and outside of the signed part."""
    if len(found.body) <= CHUNK and found.body.bytes().count(b"--" + boundary) == 3:
        return  # those are the delimiters, as nearly always
    for unsigned in (found.preamble, found.parts[1], found.epilogue):
        if _has_look_alike(unsigned, boundary):
            raise _not_two_parts("has more lines that begin like its boundary")


def _has_look_alike(span: Span, boundary: bytes) -> bool:
    """Does a line begin like a delimiter, by the letter of RFC 2046, 5.1.1, or behind a bare CR?

    Dovecot, for one, takes it for a delimiter, and gives its clients a part that nobody signed.
    """
    needle, before = b"--" + boundary, b"\n"
    for chunk in span.chunks():
        data = before + chunk
        if needle in data and re.search(rb"[\r\n]" + re.escape(needle), data):
            return True
        before = data[-len(needle) :]
    return False


def _not_two_parts(why: str) -> MimeError:
    return MimeError(
        f"The signed message {why}, so nobody can say what was signed. Have it sent again.",
        code="mime.signed-parts",
    )
