"""Messages in one file, each below a line that begins with "From " (RFC 4155, appendix A).

Knows the four forms of mbox and how each hides such lines in messages. May not know what the
messages say, but for the Content-Length that two of the forms put into them.

No part of this holds the whole file in memory. A line counts as a separator only if it stands
at the beginning or below an empty line, and ends as asctime() writes dates: a paragraph that
begins with "From " and that a careless program left as it was is none.
"""

import hashlib
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final, final

from smimekit.errors import MimeError
from smimekit.mailboxes.mailbox import Mark, Message
from smimekit.mailboxes.opening import opened
from smimekit.span import Span

__all__ = ["Mbox", "MboxForm", "begins_mbox", "mbox_messages"]

_FIRST_BLOCK: Final = 1 << 14
_BLOCK: Final = 1 << 20
"""What is searched at once: most messages are short, and those that are not, long."""
_LINE: Final = 1_000
"""Octets of a separator line that are looked at: an address and a date need less."""
_HEADER: Final = 1 << 20
"""Octets in which the end of a header is looked for."""
_IN_MEMORY: Final = 8 << 20
"""A message up to here is unquoted in memory, a longer one through a temporary file."""
_SEPARATOR: Final = re.compile(rb"\n\r?\nFrom ")
_LONGEST: Final = len(b"\n\r\nFrom ")
_DATED: Final = re.compile(
    rb"From [^\r\n]*(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? {1,2}\w{1,3} {1,2}\w{1,3} "
    rb"(?:\d{4} )?\d{1,2}:\d\d"
)
_OFFSET: Final = re.compile("[0-9]{1,18}")
_HEADER_END: Final = re.compile(rb"\r?\n\r?\n")
_CONTENT_LENGTH: Final = re.compile(
    rb"^content-length:[ \t]*(\d{1,15})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE
)


class MboxForm(StrEnum):
    """How a line of a message that begins with "From " was kept from being a separator."""

    RD = "rd"
    """One ">" before it, and one more before each that has some: what goes in comes out."""
    O = "o"  # noqa: E741 - the form's name
    """One ">" before it. One that was there before cannot be told from it, and goes as well."""
    CL = "cl"
    """As `O`, and a Content-Length field says where the message ends."""
    CL2 = "cl2"
    """Only by the Content-Length field; nothing is changed."""


_QUOTED: Final[Mapping[MboxForm, re.Pattern[bytes]]] = {
    MboxForm.RD: re.compile(rb"^>(>*From )", re.MULTILINE),
    MboxForm.O: re.compile(rb"^>(From )", re.MULTILINE),
    MboxForm.CL: re.compile(rb"^>(From )", re.MULTILINE),
}


def begins_mbox(line: bytes) -> bool:
    """Is this the first line of an mbox?"""
    return bool(_DATED.match(line))


@final
class Mbox:
    """An mbox file. What was read is known by where it ends and by a digest of all before that:
    a file that only grew is read on, one that was written anew is read from its beginning.
    """

    def __init__(self, path: Path, *, form: MboxForm = MboxForm.RD) -> None:
        self._path = path
        self._form = form
        self.name = f"mbox:{path.absolute()}"

    def total(self, marks: Mapping[str, str]) -> int:
        """In octets."""
        with opened(self._path) as file:
            return len(Span.of_file(file)) - _begin(marks)[0]

    def messages(self, marks: Mapping[str, str]) -> Iterator[Message]:
        with opened(self._path) as file:
            for each in mbox_messages(Span.of_file(file), self._form, marks):
                yield replace(each, label=f"{self._path} {each.label}")


def mbox_messages(
    whole: Span, form: MboxForm, marks: Mapping[str, str] | None = None
) -> Iterator[Message]:
    """The messages of an mbox, each with the mark of its end. Its octets can be read only as
    long as those of `whole`.
    """
    start, digest = _resumed(whole, marks or {})
    for extent in _extents(whole, start, form):
        _feed(digest, whole.slice(start, extent.next))
        value = f"{extent.next}:{digest.copy().hexdigest()}"
        yield Message(
            identity=f"at {extent.start}",
            label=f"at octet {extent.start}",
            open=partial(_opened, whole.slice(extent.start, extent.end), form),
            mark=Mark("", value),
            weight=extent.next - start,
        )
        start = extent.next


# --- where it was left ---------------------------------------------------------------------


def _begin(marks: Mapping[str, str]) -> tuple[int, str]:
    offset, _, digest = marks.get("", "").partition(":")
    return (int(offset), digest) if _OFFSET.fullmatch(offset) else (0, "")


def _resumed(whole: Span, marks: Mapping[str, str]) -> "tuple[int, hashlib._Hash]":
    """Where to go on, and the digest of all before; the beginning where that is not the same."""
    offset, expected = _begin(marks)
    digest = hashlib.sha256()
    if 0 < offset <= len(whole):
        _feed(digest, whole.slice(0, offset))
        here = whole.read(offset, offset + _LINE)
        if digest.hexdigest() == expected and (not here or begins_mbox(here)):
            return offset, digest
    return 0, hashlib.sha256()


def _feed(digest: "hashlib._Hash", span: Span) -> None:
    for chunk in span.chunks(_BLOCK):
        digest.update(chunk)


# --- where messages begin and end ----------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class _Extent:
    """A message without its separator line and the empty line below it; and where the next
    separator begins.
    """

    start: int
    end: int
    next: int


def _extents(whole: Span, at: int, form: MboxForm) -> Iterator[_Extent]:
    at += _blank(whole, at)
    if at < len(whole) and whole.read(at, at + 5) != b"From ":
        raise MimeError(
            'This is no mbox: its first line does not begin with "From ".', code="mime.mbox"
        )
    while at < len(whole):
        start = _line_end(whole, at)
        declared = _declared(whole, start) if form in {MboxForm.CL, MboxForm.CL2} else None
        extent = declared or _scanned(whole, at, start)
        yield extent
        at = extent.next


def _blank(whole: Span, at: int) -> int:
    """How many octets of empty lines are here."""
    head = whole.read(at, at + _LINE)
    return len(head) - len(head.lstrip(b"\r\n"))


def _line_end(whole: Span, at: int) -> int:
    """Where the line after the one at this place begins."""
    while at < len(whole):
        block = whole.read(at, at + _LINE)
        found = block.find(b"\n")
        if found >= 0:
            return at + found + 1
        at += len(block)
    return len(whole)


def _declared(whole: Span, start: int) -> _Extent | None:
    """The extent by the Content-Length field, if a separator or the end of the file is there.

    Else None: such fields stay when programs that do not know them add lines.
    """
    head = whole.read(start, start + _HEADER)
    blank = _HEADER_END.search(head)
    said = _CONTENT_LENGTH.search(head, 0, blank.end()) if blank else None
    if blank is None or said is None:
        return None
    end = start + blank.end() + int(said[1])
    if end > len(whole):
        return None
    following = end + _blank(whole, end)
    if following < len(whole) and not begins_mbox(whole.read(following, following + _LINE)):
        return None
    return _Extent(start, end, following)


def _scanned(whole: Span, at: int, start: int) -> _Extent:
    """The extent of the message whose separator is at this place: up to the next separator."""
    block_size = _FIRST_BLOCK
    size = len(whole)
    at = max(at, start - _LONGEST)  # the line break of the separator may be half of an empty line
    while at < size:
        block = whole.read(at, at + block_size)
        for found in _SEPARATOR.finditer(block):
            line = at + found.end() - len(b"From ")
            if line > start and begins_mbox(whole.read(line, line + _LINE)):
                return _Extent(start, max(start, at + found.start() + 1), line)
        if at + len(block) == size:
            break
        at += len(block) - _LONGEST
        block_size = min(2 * block_size, _BLOCK)
    blank = re.search(rb"\n(\r?\n)\Z", whole.read(max(start, size - 3), size))
    return _Extent(start, size - (len(blank[1]) if blank else 0), size)


# --- what was quoted -----------------------------------------------------------------------


def _opened(span: Span, form: MboxForm) -> AbstractContextManager[Span]:
    return _unquoted(span, _QUOTED.get(form))


@contextmanager
def _unquoted(span: Span, quoted: re.Pattern[bytes] | None) -> Iterator[Span]:
    """The message as it was before it was put into the file."""
    if quoted is None:
        yield span
    elif len(span) <= _IN_MEMORY:
        data = span.bytes()
        yield Span.of(quoted.sub(rb"\1", data)) if b">From " in data else span
    else:
        with tempfile.TemporaryFile() as file:
            file.writelines(_stripped(span.chunks(), quoted))
            file.seek(0)
            yield Span.of_file(file)


def _stripped(chunks: Iterable[bytes], quoted: re.Pattern[bytes]) -> Iterator[bytes]:
    """The same for chunks: a piece is worked on from where its first line begins."""
    rest, skipped = b"", b""
    for chunk in chunks:
        rest += chunk
        if len(rest) > _BLOCK and b"\n" not in rest:  # a line without an end: nothing to strip
            yield quoted.sub(rb"\1", skipped + rest)[len(skipped) :]
            rest, skipped = b"", b"-"
            continue
        head, line_break, rest = rest.rpartition(b"\n")
        if line_break:
            yield quoted.sub(rb"\1", skipped + head + line_break)[len(skipped) :]
            skipped = b""
    yield quoted.sub(rb"\1", skipped + rest)[len(skipped) :]
