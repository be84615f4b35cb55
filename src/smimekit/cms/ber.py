"""BER in streams (X.690): frames entered and left, values taken whole, strings in chunks.

Knows identifier octets and lengths. May not know what any frame is for. Memory does not
grow with the input, whatever lengths it declares and however it is cut into chunks; time is
linear in the input.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, final

from smimekit import der
from smimekit.errors import CmsError, LimitExceeded
from smimekit.limits import Limits
from smimekit.span import CHUNK, regrouped

__all__ = ["END_OF_CONTENTS", "BerReader", "constructed_octets", "indefinite"]

END_OF_CONTENTS: Final = b"\x00\x00"
_CONSTRUCTED: Final = 0x20
_INDEFINITE: Final = -1
_LONGEST_HEADER: Final = 10
_SEGMENT: Final = der.tlv(der.OCTET_STRING, bytes(CHUNK))[:-CHUNK]
"""The header of a segment that is written."""


def _truncated() -> CmsError:
    return CmsError(
        "The CMS data ends too early: the message was cut off on its way.", code="cms.truncated"
    )


def _malformed(what: str) -> CmsError:
    return CmsError(f"The CMS data is malformed: {what}.", code="cms.malformed")


@final
class BerReader:
    """A cursor over BER that arrives in chunks.

    A frame is a constructed value that was entered and not yet left. Each method works on
    the next value of the innermost frame.
    """

    __slots__ = (
        "_base", "_buffer", "_chunks", "_frames", "_limits", "_metadata", "_pos", "_short",
    )  # fmt: skip

    def __init__(self, chunks: Iterable[bytes], *, limits: Limits) -> None:
        self._chunks: Iterator[bytes] = iter(chunks)
        self._limits = limits
        self._short = min(CHUNK, limits.value_bytes)
        self._buffer = b""
        self._pos = 0
        self._base = 0  # where the buffer begins in the whole input
        self._frames: list[int | None] = []  # absolute ends; None: indefinite length
        self._metadata = 0

    # --- the buffer -----------------------------------------------------------------------

    def _more(self) -> bool:
        """Append a chunk to what is unread; False at the end of the input."""
        for chunk in self._chunks:
            if chunk:
                self._base += self._pos
                self._buffer = self._buffer[self._pos :] + chunk
                self._pos = 0
                return True
        return False

    def _available(self, count: int) -> bool:
        while len(self._buffer) - self._pos < count:
            if not self._more():
                return False
        return True

    def _content(self, length: int) -> Iterator[bytes]:
        """The next `length` octets, as they come."""
        while length:
            have = len(self._buffer) - self._pos
            if not have:
                if not self._more():
                    raise _truncated()
                continue
            take = min(have, length)
            piece = self._buffer[self._pos : self._pos + take]
            self._pos += take
            length -= take
            yield piece

    # --- headers and frames ---------------------------------------------------------------

    def _header(self) -> tuple[int, int]:
        """Pass over an identifier octet and a length, which is -1 where it is indefinite."""
        self._available(_LONGEST_HEADER)
        buffer, at = self._buffer, self._pos
        if len(buffer) - at < 2:
            raise _truncated()
        tag, length = buffer[at], buffer[at + 1]
        at += 2
        if tag & 0x1F == 0x1F:
            raise _malformed("it has a tag number over 30")
        if length == 0x80:
            if not tag & _CONSTRUCTED:
                raise _malformed("a primitive value has no definite length")
            length = _INDEFINITE
        elif length > 0x80:
            octets = length & 0x7F
            if octets > 8:
                raise _malformed("a length has more than 8 octets")
            if len(buffer) - at < octets:
                raise _truncated()
            length = int.from_bytes(buffer[at : at + octets], "big")
            at += octets
        self._pos = at
        end = self._frames[-1] if self._frames else None
        if end is not None and self._base + at + max(length, 0) > end:
            raise _malformed("a value is longer than the one around it")
        return tag, length

    def _usual_header(self, tag: int | None) -> int:
        """Pass over a header as nearly all are: with this identifier octet, a length in one
        octet or three, and at hand. The length, or -1 and nothing is passed.
        """
        buffer, at = self._buffer, self._pos + 2
        if at + 2 > len(buffer) or buffer[at - 2] != tag:
            return -1
        length = buffer[at - 1]
        if length == 0x82:
            length = buffer[at] << 8 | buffer[at + 1]
            at += 2
        elif length >= 0x80:
            return -1
        end = self._frames[-1] if self._frames else None
        if end is not None and self._base + at + length > end:
            return -1
        self._pos = at
        return length

    def peek(self) -> int:
        """The identifier octet of the next value, or -1 at the end of the frame."""
        end = self._frames[-1] if self._frames else None
        if end is not None:
            if self._base + self._pos >= end:
                return -1
            if self._pos >= len(self._buffer) and not self._available(1):
                raise _truncated()
            return self._buffer[self._pos]
        if not self._available(2):
            if self._frames or len(self._buffer) - self._pos:
                raise _truncated()
            return -1
        if self._frames and self._buffer[self._pos : self._pos + 2] == END_OF_CONTENTS:
            return -1
        return self._buffer[self._pos]

    def enter(self, tag: int) -> None:
        """Enter the next value, which must have this identifier octet."""
        length = self._usual_header(tag)
        if length < 0:
            self._expect(tag)
            _, length = self._header()
        self._push(length)

    def _push(self, length: int) -> None:
        if len(self._frames) >= self._limits.cms_depth:
            raise LimitExceeded("CMS values are nested too deeply.", code="limit.cms-depth")
        # Indefinite inside definite is legal; `leave` sees where it overran the outer end.
        self._frames.append(None if length == _INDEFINITE else self._base + self._pos + length)

    def leave(self) -> None:
        """Leave the frame; nothing may be left in it."""
        if self._base + self._pos == self._frames[-1]:
            self._frames.pop()
            return
        if self.peek() != -1:
            raise _malformed("there is something behind the last value")
        if self._frames.pop() is None:
            self._pos += 2
            outer = self._frames[-1] if self._frames else None
            if outer is not None and self._base + self._pos > outer:
                raise _malformed("a value is longer than the one around it")

    def _expect(self, tag: int | None) -> None:
        found = self.peek()
        if found == tag or (tag is None and found >= 0):
            return
        if tag is None or found < 0:
            raise _malformed("a value is missing") if self._frames else _truncated()
        raise CmsError(
            f"The CMS data has a value with tag {found:#04x} where {tag:#04x} belongs.",
            code="cms.unexpected",
        )

    def finish(self) -> None:
        """The input ends here, but for padding that relays may have added."""
        for rest in chain((self._buffer[self._pos :],), self._chunks):
            if rest.strip(b"\x00\r\n\t "):
                raise _malformed("there is something behind its end")

    # --- values ---------------------------------------------------------------------------

    def value(self, tag: int | None = None) -> bytes:
        """The next value whole, header included, as it stands."""
        out = self._at_hand(tag)
        if not out:
            copy = bytearray()
            self._copy(copy, len(self._frames))
            out = bytes(copy)
        self._metadata += len(out)
        if self._metadata > self._limits.metadata_bytes:
            raise LimitExceeded(
                "The certificates, signers and recipients of a message are too large.",
                code="limit.metadata-bytes",
            )
        return out

    def _at_hand(self, tag: int | None) -> bytes:
        """The next value, where it is short and lies whole in the buffer; else nothing."""
        begin, length = self._pos, self._usual_header(tag)
        if length < 0:
            self._expect(tag)
            self._available(_LONGEST_HEADER)
            begin = self._pos
            length = self._header()[1]
        stop = self._pos + length
        if length != _INDEFINITE and stop - begin <= self._short and stop <= len(self._buffer):
            self._pos = stop
            return self._buffer[begin:stop]
        self._pos = begin
        return b""

    def _copy(self, out: bytearray, depth: int) -> None:
        if depth > self._limits.cms_depth:
            raise LimitExceeded("CMS values are nested too deeply.", code="limit.cms-depth")
        _, length = self._header_into(out)
        if length != _INDEFINITE:
            if len(out) + length > self._limits.value_bytes:
                raise self._too_large()
            for piece in self._content(length):
                out += piece
            return
        self._frames.append(None)
        while self.peek() != -1:
            out += self._short_values()
            if len(out) > self._limits.value_bytes:
                raise self._too_large()
            if self.peek() != -1:
                self._copy(out, depth + 1)
        self.leave()
        out += END_OF_CONTENTS

    def _short_values(self) -> bytes:
        """The short values that lie whole in the buffer: each would cost a turn of `_copy`."""
        buffer, begin = self._buffer, self._pos
        at, stop = begin, min(len(buffer), begin + CHUNK)
        while at + 2 <= stop:
            following = at + 2 + buffer[at + 1]
            if not buffer[at] or buffer[at] & 0x1F == 0x1F or buffer[at + 1] > 0x7F:
                break
            if following > stop:
                break
            at = following
        self._pos = at
        return buffer[begin:at]

    def _header_into(self, out: bytearray) -> tuple[int, int]:
        self._available(_LONGEST_HEADER)
        begin = self._base + self._pos
        before = self._buffer[self._pos : self._pos + _LONGEST_HEADER]
        tag, length = self._header()
        out += before[: self._base + self._pos - begin]
        if len(out) > self._limits.value_bytes:
            raise self._too_large()
        return tag, length

    def _too_large(self) -> LimitExceeded:
        return LimitExceeded(
            "A value in the message is too large.",
            code="limit.value-bytes",
        )

    def string(self) -> bytes:
        """The content of a short OCTET STRING, primitive or constructed, whole."""
        constructed = der.OCTET_STRING | _CONSTRUCTED
        return der.Reader(
            self.value(constructed if self.peek() == constructed else der.OCTET_STRING)
        ).octets()

    def reader(self, tag: int) -> der.Reader:
        """The next value whole, as a cursor over its inside."""
        return der.Reader(self.value(tag)).enter(tag)

    def octets(self, tag: int = der.OCTET_STRING) -> Iterator[bytes]:
        """The content of an OCTET STRING in chunks, primitive or constructed (X.690, 8.7).

        `tag` is its identifier octet in primitive form, where it is implicit.
        """
        length = self._usual_header(tag)
        if length >= 0 or self.peek() == tag:
            yield from self._content(length if length >= 0 else self._header()[1])
            return
        outside = len(self._frames)
        segments = 0
        self.enter(tag | _CONSTRUCTED)
        while len(self._frames) > outside:
            following = self.peek()
            if following == -1:
                self.leave()
                continue
            run, count = self._short_segments()
            if run:
                yield run
            if not count:
                count = 1
                if following == der.OCTET_STRING | _CONSTRUCTED:
                    self.enter(following)
                else:
                    self._expect(der.OCTET_STRING)
                    yield from self._content(self._header()[1])
            segments += count
            if segments > self._limits.string_segments:
                raise LimitExceeded(
                    "A string in the message has too many segments.", code="limit.string-segments"
                )

    def _short_segments(self) -> tuple[bytes, int]:
        """The short segments that lie whole in the buffer, joined, and how many they are.

        Senders that write a segment per line, or an octet, would cost a generator step each;
        and so would segments within segments, which are entered here, too.
        """
        buffer, at, count, depth = self._buffer, self._pos, 0, 0
        room = self._limits.cms_depth - len(self._frames)
        outer = self._frames[-1]
        stop = len(buffer) if outer is None else min(len(buffer), outer - self._base)
        stop = min(stop, at + CHUNK)
        pieces: list[bytes] = []
        while at + 2 <= stop:
            tag, length = buffer[at], buffer[at + 1]
            at += 2
            if tag == der.OCTET_STRING and length <= 0x7F and at + length <= stop:
                pieces.append(buffer[at : at + length])
                at += length
            elif tag == der.OCTET_STRING | _CONSTRUCTED and length == 0x80 and depth < room:
                depth += 1
            elif depth and not tag and not length:
                depth -= 1
                continue  # the end of a segment that is counted already
            else:
                at -= 2
                break
            count += 1
        self._pos = at
        self._frames += [None] * depth
        return b"".join(pieces), count


def indefinite(tag: int) -> bytes:
    """The header of a constructed value that `END_OF_CONTENTS` will end."""
    return bytes((tag, 0x80))


def constructed_octets(chunks: Iterable[bytes], tag: int = 0x24) -> Iterator[bytes]:
    """A constructed OCTET STRING of indefinite length, in segments of one size but the last.

    How the chunks are cut does not show, and small ones do not cost a header each.
    """
    yield indefinite(tag)
    for pieces in regrouped(chunks, CHUNK):
        segment = b"".join(pieces)  # which copies no chunk that is a segment
        if len(segment) == CHUNK:
            yield _SEGMENT
            yield segment
        else:
            yield der.octet_string(segment)
    yield END_OF_CONTENTS
