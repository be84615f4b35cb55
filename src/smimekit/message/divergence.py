"""How changed content departs from what was signed, as far as a digest can tell.

A digest says yes or no, so the changes that relays and lists are known to make are undone,
one at a time, and tried. Knows octets and digests. What is found is a reason for people: it
makes no signature good.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, final

from smimekit.algorithms import Digest
from smimekit.primitives import digester

__all__ = ["CONFIRMED", "MOST", "Change", "Divergence", "Found", "departures"]

MOST: Final = 8 << 20
"""Octets of content that is tried: it is held in memory, and passed over a few times."""
CONFIRMED: Final = 3
"""Forms whose signatures are to be checked: digests can be made up, signatures cost time."""
_FOOTER: Final = 16 << 10
"""How far from the end something may have been added: each line there is a try."""
_CLOSING: Final = 256
"""How long the end of a multipart is, from its closing delimiter on."""

# The look-behind keeps it linear: a run of blanks is begun once.
_TRAILING: Final = re.compile(rb"(?<![ \t])[ \t]+(?=\r?\n|\Z)")
_SEPARATOR: Final = re.compile(rb"(?<=\n)--(?=\r\n)")
"""The line before a signature in text is "-- "; where blanks are taken away, it is the first."""
_QUOTED: Final = re.compile(rb"(?:(?<=\n)|\A)>(?=From )")
_BREAK: Final = re.compile(rb"\r?\n")
_BASE64: Final = re.compile(
    rb"(?:(?<=\n)|\A)[A-Za-z0-9+/]{57,}+={0,2}(?:\r\n[A-Za-z0-9+/]++={0,2})*+(?=\r\n|\Z)"
)
"""Lines of base64, the first as long as somebody makes one that is not the last."""
_WIDTHS: Final = (76, 72, 64, 60)
"""How long programs make the lines of base64: most, MimeKit and Thunderbird, PEM, uuencode."""


class Change(StrEnum):
    """What was done to content on its way."""

    LINE_ENDS = "line-ends"
    """Nothing, but to make CRLF of each bare LF, which the signer must not have signed."""
    TRAILING_BLANKS = "trailing-blanks"
    """Blanks at the ends of lines came or went, and nothing else."""
    LAST_LINE_BREAK = "last-line-break"
    """The line break at the very end went, and nothing else."""
    REWRAPPED = "rewrapped"
    """The lines of base64 end elsewhere, and nothing else changed: a relay encoded it anew."""
    QUOTED_FROM = "quoted-from"
    """">" came before "From " at the beginning of lines, as in mailbox files (RFC 4155)."""
    ADDED = "added"
    """Something was put in, and nothing else changed: a footer, as a rule."""


_TEXT: Final = {
    Change.LINE_ENDS: "it differs in its line ends only: the signer signed bare LF",
    Change.TRAILING_BLANKS: "it differs in blanks at the ends of lines only, the first at octet {}",
    Change.LAST_LINE_BREAK: "it lacks its last line break only, at octet {}",
    Change.REWRAPPED: "it differs only in where lines of base64 end, the first at octet {}",
    Change.QUOTED_FROM: 'it differs only in ">" before "From ", the first at octet {}',
    Change.ADDED: "all of it was signed but for {} octets that were added at octet {}",
}


@final
@dataclass(frozen=True, slots=True)
class Divergence:
    """Where content departs from what was signed."""

    change: Change
    start: int | None = None
    """The first octet that differs, counted in the content with CRLF line ends; None where
    each line end does."""
    length: int = 0
    """The octets from there that were added."""

    def __str__(self) -> str:
        places = (self.length, self.start) if self.change is Change.ADDED else (self.start,)
        return _TEXT[self.change].format(*places)


@final
@dataclass(frozen=True, slots=True)
class Found:
    """A form of the content whose digest is one that was signed."""

    divergence: Divergence
    pieces: tuple[bytes, ...] = field(repr=False)

    def content(self) -> tuple[bytes, ...]:
        """The form, in pieces."""
        return self.pieces


def departures(content: bytes, wanted: Mapping[Digest, frozenset[bytes]]) -> Iterator[Found]:
    """The forms of `content`, in CRLF, that have one of the digests that are `wanted`.

    Time is linear in the content. Whether the digests were signed is for the caller to check.
    """
    for found in _undone(content):
        if any(_value(row, found.pieces) in values for row, values in wanted.items()):
            yield found
    for row, values in wanted.items():
        yield from _shorter(content, row, values)


def _value(row: Digest, pieces: tuple[bytes, ...]) -> bytes:
    running = digester(row)
    for piece in pieces:
        running.update(piece)
    return running.digest()


def _undone(content: bytes) -> Iterator[Found]:
    """Each change that can be undone as a whole."""
    for pattern, instead, change in (
        (_TRAILING, b"", Change.TRAILING_BLANKS),
        (_SEPARATOR, b"-- ", Change.TRAILING_BLANKS),
        (_QUOTED, b"", Change.QUOTED_FROM),
    ):
        first = pattern.search(content)
        if first is not None:
            start = first.start() + len(instead.rstrip(b" "))
            yield Found(Divergence(change, start), (pattern.sub(instead, content),))
    yield Found(Divergence(Change.LAST_LINE_BREAK, len(content)), (content, b"\r\n"))
    for width in _WIDTHS:
        yield from _rewrapped(content, width)


def _rewrapped(content: bytes, width: int) -> Iterator[Found]:
    """The content with all base64 in lines of `width`, if any changes by that."""
    pieces: list[bytes] = []
    start, at = None, 0
    for run in _BASE64.finditer(content):
        text = run[0].replace(b"\r\n", b"")
        lines = b"\r\n".join(text[cut : cut + width] for cut in range(0, len(text), width))
        if lines == run[0]:
            continue
        if start is None:
            start = run.start() + min(width, len(run[0].partition(b"\r\n")[0]))
        pieces += content[at : run.start()], lines
        at = run.end()
    if start is not None:
        yield Found(Divergence(Change.REWRAPPED, start), (*pieces, content[at:]))


def _shorter(content: bytes, row: Digest, values: frozenset[bytes]) -> Iterator[Found]:
    """The content without some lines near its end: all up to there, or up to what closes it.

    One pass for all of them: a digest is copied at each line.
    """
    closing = _closing(content)
    running, at = digester(row), 0
    for cut in _cuts(content):
        running.update(content[at:cut])
        at = cut
        for rest in {len(content), max(closing, cut)}:
            tried = running.copy()
            tried.update(content[rest:])
            if rest > cut and tried.digest() in values:
                added = Divergence(Change.ADDED, cut, rest - cut)
                yield Found(added, (content[:cut], content[rest:]))


def _cuts(content: bytes) -> Iterator[int]:
    """Both ends of each line break near the end: a part ends before the one of its delimiter."""
    last = 0
    for line_break in _BREAK.finditer(content, max(0, len(content) - _FOOTER)):
        for cut in line_break.span():
            if cut > last:
                yield cut
            last = cut


def _closing(content: bytes) -> int:
    """Where the end of a multipart begins, with the line break of its closing delimiter."""
    found = content.rfind(b"\r\n--", max(0, len(content) - _CLOSING))
    return len(content) if found < 0 else found
