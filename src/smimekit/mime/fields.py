"""A header block as byte spans (RFC 5322, 2.2): where each field begins and ends.

Knows lines, folding and field names; may not know what any field means. Bytes stay as they
came: `Field.raw` is the very bytes, `Field.value` is made from them on demand.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final, final

from smimekit.errors import LimitExceeded, MimeError
from smimekit.frozen import maker
from smimekit.limits import Limits
from smimekit.mime.charset import decode_header
from smimekit.mime.words import decode_words
from smimekit.span import Span

__all__ = ["Field", "HeaderBlock", "decode_words", "field_value", "read_header"]

# RFC 5322, 3.6.8, with the blanks before the colon that 4.5 still allows; a name that fills
# more than a line (2.1.1) is none.
_NAME = re.compile(rb"([!-9;-~]{1,997})[ \t]*:")
_FIELD_START = re.compile(rb"(?<=\n)(?![ \t])")
# A field with its name: where these follow each other without a gap, they are the header.
# Nothing is ever given back, and a dot is all but a line feed: both save half of the time.
_FIELDS = re.compile(rb"^(([!-9;-~]{1,997}+)[ \t]*+:.*+(?:\n[ \t].*+)*+(?:\n|\Z))", re.MULTILINE)
# Written so that the search for it can skip what begins with neither.
_FOLD = re.compile(rb"(?:\r\n|\n)(?=[ \t])")
_FIRST_READ = 1 << 12
_LINE_BREAKS = frozenset({b"", b"\n", b"\r\n"})


@dataclass(frozen=True, slots=True)
class Field:
    """One header field. `raw` is all of it: name, colon, folded lines, last line break."""

    name: str
    raw: bytes = field(repr=False)

    @classmethod
    def of(cls, name: str, value: bytes) -> "Field":
        """A field to write: `Name: value` and CRLF. `value` is folded already, if at all."""
        return cls(name, name.encode() + b": " + value + b"\r\n")

    @property
    def value(self) -> bytes:
        """What follows the colon, unfolded (RFC 5322, 2.2.3), without blanks around it."""
        return field_value(self.raw)

    @property
    def text(self) -> str:
        """`value` as UTF-8 (RFC 6532), else as ISO 8859-1; encoded words stay encoded."""
        return decode_header(self.value)

    def named(self, name: str) -> bool:
        """Whether this is the field `name`; case does not matter."""
        return self.name.lower() == name.lower()


_whole_line: Final = itemgetter(0)
_new_field: Final = maker(Field)


def field_value(raw: bytes) -> bytes:
    """The value of a field of which `raw` is all."""
    text = raw[raw.find(b":") + 1 :].removesuffix(b"\n").removesuffix(b"\r")
    return (_FOLD.sub(b"", text) if b"\n" in text else text).strip(b" \t")


_Line = tuple[bytes, bytes]
"""A field as it stands, and its name."""


@final
class HeaderBlock:
    """The fields of an entity in their order.

    `raw` is the block's own bytes and `length` their number: with an mbox line before the
    fields (`envelope_line`), and with the empty line that ends the block, where there is one.
    """

    __slots__ = ("_fields", "_last", "_lines", "_places", "envelope_line", "length", "memo", "raw")

    def __init__(
        self, lines: list[_Line], raw: bytes = b"", envelope_line: bytes | None = None
    ) -> None:
        self.raw: Final = raw
        self.length: Final = len(raw)
        self.envelope_line: Final = envelope_line
        self.memo: Final[dict[str, object]] = {}
        """What others read out of the fields, kept for whoever asks again: a few entries."""
        self._lines: Final = lines
        self._fields: Final[dict[int, Field]] = {}
        self._last: Final = {name.lower(): at for at, (_, name) in enumerate(lines)}
        """Where the last field of each name stands: the only one, as a rule."""
        self._places: dict[bytes, list[int]] | None = None

    @classmethod
    def of(cls, fields: Iterable[Field]) -> "HeaderBlock":
        """A header to be written, which has no bytes of its own yet."""
        given = tuple(fields)
        made = cls([(field.raw, field.name.encode()) for field in given])
        made._fields.update(enumerate(given))
        return made

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HeaderBlock):
            return NotImplemented
        return self._lines == other._lines and self.raw == other.raw

    def __hash__(self) -> int:
        return hash((tuple(self._lines), self.raw))

    def __repr__(self) -> str:
        return f"<HeaderBlock of {len(self._lines)} fields>"

    def __contains__(self, name: str) -> bool:
        return name.lower().encode() in self._last

    @property
    def is_empty(self) -> bool:
        """Is there no field at all?"""
        return not self._lines

    @property
    def fields(self) -> tuple[Field, ...]:
        """All of them."""
        return tuple(map(self._field, range(len(self._lines))))

    def _field(self, at: int) -> Field:
        """The field in this place, made for whoever is the first to ask."""
        made = self._fields.get(at)
        if made is None:
            raw, name = self._lines[at]
            made = self._fields[at] = _new_field(name.decode(), raw)
        return made

    def _where(self, name: str) -> Sequence[int]:
        """The places of the fields `name`."""
        key = name.lower().encode()
        last = self._last.get(key)
        if last is None or len(self._last) == len(self._lines):
            return () if last is None else (last,)
        places = self._places
        if places is None:
            places = {}
            for at, (_, each) in enumerate(self._lines):
                places.setdefault(each.lower(), []).append(at)
            self._places = places  # whole: headers that come again are read by several threads
        return places[key]

    def _only(self, name: str) -> int | None:
        """The place of the only field `name`, where there is one."""
        last = self._last.get(name.lower().encode())
        if last is not None and self.repeats and len(self._where(name)) > 1:
            raise MimeError(
                f"The header has more than one {name} field; programs would disagree on which "
                "one counts. Have the message sent again without the duplicate.",
                code="mime.duplicate-field",
            )
        return last

    def all(self, name: str) -> tuple[Field, ...]:
        """Every field `name`, in order."""
        return tuple([self._field(at) for at in self._where(name)])

    def octets(self, name: str) -> tuple[bytes, ...]:
        """Every field `name`, in order, as it stands: `Field.raw`."""
        return tuple([self._lines[at][0] for at in self._where(name)])

    def one(self, name: str) -> Field | None:
        """The only field `name`, or None.

        Raises `MimeError` (`mime.duplicate-field`) where there are several: two programs
        would each take another one.
        """
        at = self._only(name)
        return None if at is None else self._field(at)

    def value(self, name: str) -> bytes | None:
        """The value of the only field `name`, or None. Raises as `one` does."""
        at = self._only(name)
        return None if at is None else field_value(self._lines[at][0])

    @property
    def repeats(self) -> bool:
        """Is there any name that more than one field has?"""
        return len(self._last) != len(self._lines)

    @property
    def empty_line(self) -> bytes:
        """The line break that ends the block: CRLF, LF, or nothing where no body follows."""
        size = len(self.envelope_line or b"") + sum(len(line) for line, _ in self._lines)
        return self.raw[size:]


def read_header(span: Span, *, limits: Limits, mbox: bool = True) -> HeaderBlock:
    """The header block at the start of `span`; lines end with CRLF or LF, or both by turns.

    A first line that is no field means that there is no header: the block is empty and has
    length 0. An mbox `From ` line before the fields is skipped and reported, unless `mbox` is
    false: only a whole mail can come out of a mailbox file (RFC 4155). A bare CR is no
    line break; it stays in the value. Raises `MimeError` (`mime.header-line`) for a later
    line that is no field: some programs would end the header there, others skip the line;
    and `LimitExceeded` for a block over `limits.header_bytes` or `limits.header_fields`.
    """
    head = span.source.read(span.start, min(span.start + _FIRST_READ, span.end))
    skip = 0
    if not _NAME.match(head):
        skip = _envelope_length(head) if mbox else 0
        if not skip:
            return HeaderBlock([], _line_break(head))
    raw = _read_block(span, head, limits)
    return HeaderBlock(_lines_of(raw, skip, limits), raw, raw[:skip] or None)


def _line_break(data: bytes) -> bytes:
    for line_break in (b"\r\n", b"\n"):
        if data.startswith(line_break):
            return line_break
    return b""


def _envelope_length(head: bytes) -> int:
    """Bytes of the mbox line before the first field; 0 without either."""
    end = head.find(b"\n") + 1 if head.startswith((b"From ", b">From ")) else 0
    return end if end and _NAME.match(head, end) else 0


def _read_block(span: Span, head: bytes, limits: Limits) -> bytes:
    """The bytes up to and with the empty line; all of the span where there is none."""
    searched = 0
    while True:
        end = _block_end(head, searched)
        size = end or len(head)
        if size > limits.header_bytes:
            raise LimitExceeded(
                f"The header is larger than {limits.header_bytes} bytes; raise "
                "Limits.header_bytes if such mail is expected.",
                code="limit.header-bytes",
            )
        if end or len(head) >= len(span):
            return head[:size]
        searched = max(0, len(head) - 2)
        head = span.read(0, 2 * len(head))


def _block_end(head: bytes, searched: int) -> int:
    """Where the empty line ends; 0 where there is none."""
    # Two searches for a string take a fraction of the time of one for a pattern.
    crlf = head.find(b"\n\r\n", searched)
    lf = head.find(b"\n\n", searched, crlf + 1 if crlf >= 0 else len(head))
    if lf >= 0:
        return lf + 2
    return crlf + 3 if crlf >= 0 else 0


def _lines_of(raw: bytes, skip: int, limits: Limits) -> list[_Line]:
    text = raw[skip:] if skip else raw
    if text.count(b"\n") >= limits.header_fields:
        _check_number(text, limits)
    found: list[_Line] = _FIELDS.findall(text)
    read = b"".join(map(_whole_line, found))
    # What the fields leave is the empty line, if the header has one; and nothing between them.
    if text.removeprefix(read) not in _LINE_BREAKS:
        raise MimeError(
            "A line in the header is neither a field nor the continuation of one; programs "
            "would disagree on where the body begins. Have the message sent again.",
            code="mime.header-line",
        )
    return found


def _check_number(text: bytes, limits: Limits) -> None:
    lines = _FIELD_START.split(text)
    # The empty line, and the nothing after a last line break, are no fields.
    while lines and lines[-1] in _LINE_BREAKS:
        lines.pop()
    if len(lines) > limits.header_fields:
        raise LimitExceeded(
            f"The header has more than {limits.header_fields} fields; raise "
            "Limits.header_fields if such mail is expected.",
            code="limit.header-fields",
        )
