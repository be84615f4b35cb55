"""A message with other header fields: the body, and every field that stays, as the very bytes.

Knows fields and spans. May not know which fields go, or why.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final, final

from smimekit.mime.fields import Field, HeaderBlock
from smimekit.span import Span

__all__ = ["joined", "with_fields"]


@final
class _Joined:
    """Spans one after the other (ByteSource)."""

    __slots__ = ("_ends", "_spans", "size")

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans: Final = tuple(spans)
        self._ends: Final = tuple(accumulate(len(one) for one in spans))
        self.size = self._ends[-1] if self._ends else 0

    def read(self, start: int, end: int) -> bytes:
        found: list[bytes] = []
        at = bisect_right(self._ends, start)
        while start < end and at < len(self._spans):
            span, last = self._spans[at], self._ends[at]
            first = last - len(span)
            stop = min(end, last)
            found.append(span.read(start - first, stop - first))
            start, at = stop, at + 1
        return b"".join(found)


def joined(spans: Iterable[Span]) -> Span:
    """One span of several, of which nothing is read or copied."""
    source = _Joined([one for one in spans if len(one)])
    return Span(source, 0, source.size)


def with_fields(message: Span, header: HeaderBlock, fields: Iterable[Field]) -> Span:
    """The message under these fields instead of those of `header`, which is its own.

    Line ends of new fields are as they are given. An mbox line before the fields is left out,
    since it is none of the message's (RFC 4155). A message without an empty line after its
    header gets one, so that no field ends up in the body.
    """
    raw = b"".join(field.raw for field in fields)
    empty = header.empty_line
    if not empty:
        empty = b"\r\n"
        if raw and not raw.endswith(b"\n"):
            raw += b"\r\n"
    return joined((Span.of(raw + empty), message.slice(header.length, len(message))))
