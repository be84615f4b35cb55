"""One ASN.1 value in memory, read: a cursor over BER (X.690).

Knows tags, lengths and the universal types. May not know what any value is for, nor
streams (`cms.ber` does). Whatever the input bytes, reading ends in a value or a `CmsError`,
in time linear in the input.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final, final

from smimekit.errors import CmsError, LimitExceeded
from smimekit.limits import Limits

__all__ = [
    "BIT_STRING",
    "BMP_STRING",
    "BOOLEAN",
    "ENUMERATED",
    "GENERALIZED_TIME",
    "IA5_STRING",
    "INTEGER",
    "NULL",
    "NULL_VALUE",
    "OCTET_STRING",
    "OID",
    "PRINTABLE_STRING",
    "SEQUENCE",
    "SET",
    "UTC_TIME",
    "UTF8_STRING",
    "Reader",
    "decode_oid",
    "decode_time",
    "located",
    "require_depth",
]

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
NULL: Final = 0x05
OID: Final = 0x06
ENUMERATED: Final = 0x0A
UTF8_STRING: Final = 0x0C
PRINTABLE_STRING: Final = 0x13
IA5_STRING: Final = 0x16
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18
BMP_STRING: Final = 0x1E
SEQUENCE: Final = 0x30
SET: Final = 0x31
_CONSTRUCTED: Final = 0x20

NULL_VALUE: Final = b"\x05\x00"

_LIMITS: Final = Limits()


def _truncated() -> CmsError:
    return CmsError("The ASN.1 data ends in the middle of a value.", code="asn1.truncated")


def _malformed(what: str) -> CmsError:
    return CmsError(f"The ASN.1 data is malformed: {what}.", code="asn1.malformed")


@final
class Reader:
    """A cursor over the ASN.1 values that stand side by side in a piece of bytes.

    >>> inside = Reader(sequence(integer(7), octet_string(b"x"))).enter(SEQUENCE)
    >>> inside.integer(), inside.read(OCTET_STRING), inside.more
    (7, b'x', False)
    """

    __slots__ = ("_data", "_end", "_pos")

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self._data = data
        self._pos = start
        self._end = len(data) if end is None else end

    @property
    def more(self) -> bool:
        """Is there another value?"""
        return self._pos < self._end

    @property
    def peek(self) -> int:
        """The identifier octet of the next value, or -1 at the end."""
        return self._data[self._pos] if self._pos < self._end else -1

    def _header(self) -> tuple[int, int, int]:
        """Pass over the next value: its identifier octet and where its content lies."""
        data, end = self._data, self._end
        start = self._pos + 2
        if start > end:
            raise _truncated()
        tag = data[start - 2]
        if tag & 0x1F == 0x1F:
            raise _malformed("a tag number over 30, which CMS and X.509 do not use")
        length = data[start - 1]
        if length == 0x80:
            stop = self._end_of_contents(tag, start)
            self._pos = stop + 2
            return tag, start, stop
        if length > 0x80:
            octets = length & 0x7F
            if octets > 8:
                raise _malformed("a length of more than 8 octets")
            if start + octets > end:
                raise _truncated()
            length = int.from_bytes(data[start : start + octets], "big")
            start += octets
        stop = start + length
        if stop > end:
            raise _truncated()
        self._pos = stop
        return tag, start, stop

    def _end_of_contents(self, tag: int, start: int) -> int:
        """Where the end-of-contents octets of an indefinite-length value stand (X.690, 8.1.5)."""
        if not tag & _CONSTRUCTED:
            raise _malformed("a primitive value of indefinite length")
        data, end = self._data, self._end
        depth, at = 1, start
        while True:  # a loop, not recursion: depth is the sender's choice
            if at + 2 > end:
                raise _truncated()
            inner, length = data[at], data[at + 1]
            at += 2
            if length == 0x80:
                if not inner & _CONSTRUCTED:
                    raise _malformed("a primitive value of indefinite length")
                depth += 1
                if depth > _LIMITS.cms_depth:
                    raise _too_deep()
            elif inner == 0 and length == 0:
                depth -= 1
                if depth == 0:
                    return at - 2
            elif inner & 0x1F == 0x1F:
                raise _malformed("a tag number over 30, which CMS and X.509 do not use")
            elif length < 0x80:
                at += length
            else:
                octets = length & 0x7F
                if octets > 8:
                    raise _malformed("a length of more than 8 octets")
                at += octets + int.from_bytes(data[at : at + octets], "big")

    def _inside(self, tag: int) -> tuple[int, int]:
        """Pass over the next value, which must have this identifier octet: where its content
        lies. Nearly all lengths take one octet or three, and this is where the time goes.
        """
        data, at = self._data, self._pos
        start = at + 2
        if start <= self._end and data[at] == tag and tag & 0x1F != 0x1F:
            length = data[at + 1]
            if length == 0x82 and start + 2 <= self._end:
                start += 2
                stop = start + (data[at + 2] << 8 | data[at + 3])
            else:
                stop = start + length if length < 0x80 else self._end + 1
            if stop <= self._end:
                self._pos = stop
                return start, stop
        found = self.peek
        if found != tag:
            raise _unexpected(tag, found)
        _, start, stop = self._header()
        return start, stop

    def read(self, tag: int) -> bytes:
        """The content octets of the next value, which must have this identifier octet."""
        start, stop = self._inside(tag)
        return self._data[start:stop]

    def enter(self, tag: int) -> "Reader":
        """A cursor over the inside of the next value."""
        start, stop = self._inside(tag)
        return Reader(self._data, start, stop)

    def any(self) -> tuple[int, bytes]:
        """Identifier octet and content octets of the next value, whatever it is."""
        tag, start, stop = self._header()
        return tag, self._data[start:stop]

    def raw(self, tag: int | None = None) -> bytes:
        """The next value whole, header included, as it stands."""
        begin = self._pos
        if tag is None:
            self._header()
        else:
            self._inside(tag)
        return self._data[begin : self._pos]

    def rest(self) -> bytes:
        """Everything that is left, unread."""
        return self._data[self._pos : self._end]

    def octets(self, tag: int = OCTET_STRING) -> bytes:
        """An OCTET STRING, primitive or constructed (X.690, 8.7); `tag` where it is implicit."""
        if self._pos >= self._end or self._data[self._pos] != tag | _CONSTRUCTED:
            return self.read(tag)
        # Not as a list of segments: an object for each octet costs fifty times as much memory.
        joined = bytearray()
        self.enter(tag | _CONSTRUCTED).segments(OCTET_STRING, 1, joined.extend)
        return bytes(joined)

    def segments(self, tag: int, depth: int, add: Callable[[bytes], object]) -> None:
        """Give all that is left, the segments of a constructed string, to `add`, in order."""
        if depth > _LIMITS.cms_depth:
            raise _too_deep()
        while self.more:
            self._short_segments(tag, add)
            if not self.more:
                break
            if self.peek == tag | _CONSTRUCTED:
                self.enter(tag | _CONSTRUCTED).segments(tag, depth + 1, add)
            else:
                add(self.read(tag))

    def _short_segments(self, tag: int, add: Callable[[bytes], object]) -> None:
        """The short segments that stand next: an octet each would cost a call each."""
        data, at, end = self._data, self._pos, self._end
        while at + 2 <= end and data[at] == tag and data[at + 1] < 0x80:
            stop = at + 2 + data[at + 1]
            if stop > end:
                break
            add(data[at + 2 : stop])
            at = stop
        self._pos = at

    def members(self) -> Iterator["Reader"]:
        """One cursor, standing before each value inside the next one; each must be taken.

        The end of an indefinite length is met on the way and not sought before, so that
        going down into values within values costs one pass and not one per level.
        """
        data, start, end = self._data, self._pos + 2, self._end
        indefinite = start <= end and data[start - 1] == 0x80 and self.peek & 0x1F != 0x1F
        if not indefinite:
            _, start, end = self._header()
        inside = Reader(data, start, end)
        while inside.more and not (indefinite and inside._at_end_of_contents):
            yield inside
        if indefinite:
            if not inside._at_end_of_contents:
                raise _truncated()
            self._pos = inside._pos + 2

    @property
    def _at_end_of_contents(self) -> bool:
        return self._pos + 2 <= self._end and self._data.startswith(b"\x00\x00", self._pos)

    def integer(self, tag: int = INTEGER) -> int:
        """An INTEGER of any size."""
        content = self.read(tag)
        if not content:
            raise _malformed("an empty INTEGER")
        return int.from_bytes(content, "big", signed=True)

    def boolean(self) -> bool:
        """A BOOLEAN; BER takes every non-zero octet for TRUE."""
        content = self.read(BOOLEAN)
        if len(content) != 1:
            raise _malformed("a BOOLEAN that is not one octet long")
        return content != b"\x00"

    def oid(self) -> str:
        """An OBJECT IDENTIFIER in dotted form."""
        return decode_oid(self.read(OID))

    def bits(self, tag: int = BIT_STRING) -> tuple[bytes, int]:
        """A BIT STRING: its octets and how many bits at the end do not count."""
        constructed = self.peek == tag | _CONSTRUCTED
        content = self._joined_bits(tag) if constructed else self.read(tag)
        if not content or content[0] > 7 or (content[0] and len(content) == 1):
            raise _malformed("a BIT STRING with impossible unused bits")
        return content[1:], content[0]

    def _joined_bits(self, tag: int) -> bytes:
        """A constructed BIT STRING as a primitive one: only its last segment may end in the
        middle of an octet (X.690, 8.6.4).
        """
        unused, joined, last = bytearray(), bytearray(), b"\x00"

        def add(part: bytes) -> None:
            nonlocal last
            unused.append(part[0] if part else 0xFF)
            joined.extend(part[1:])
            last = part

        self.enter(tag | _CONSTRUCTED).segments(BIT_STRING, 1, add)
        if any(unused[:-1]) or (len(last) < 2 and last != b"\x00"):
            raise _malformed("a BIT STRING in impossible segments")
        return last[:1] + bytes(joined)

    def time(self) -> datetime:
        """A UTCTime or GeneralizedTime, as an aware datetime in UTC."""
        tag, content = self.any()
        return decode_time(tag, content)

    def finish(self) -> None:
        """Nothing may be left."""
        if self._pos != self._end:
            raise _malformed("there is something behind the last value")


def located(data: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Where the content of the value at `at` lies, which must have this identifier octet.

    For who reads one usual form of something and leaves all others to a `Reader`: CmsError for
    an indefinite length, too.
    """
    start = at + 2
    if start > end or data[at] != tag:
        raise _unexpected(tag, data[at] if at < end else -1)
    length = data[at + 1]
    if length >= 0x80:
        octets = length & 0x7F
        if not 0 < octets <= 8:
            raise _malformed("a length that is not definite, or of more than 8 octets")
        length = int.from_bytes(data[start : start + octets], "big")
        start += octets
    if start + length > end:
        raise _truncated()
    return start, start + length


def _unexpected(tag: int, found: int) -> CmsError:
    if found < 0:
        return _truncated()
    return CmsError(
        f"The ASN.1 data has a value with tag {found:#04x} where {tag:#04x} belongs.",
        code="asn1.unexpected",
    )


def require_depth(depth: int) -> None:
    """LimitExceeded where values are nested more deeply than any real ones are."""
    if depth > _LIMITS.cms_depth:
        raise _too_deep()


def _too_deep() -> LimitExceeded:
    return LimitExceeded("ASN.1 values are nested too deeply.", code="limit.cms-depth")


@lru_cache(maxsize=2048)
def decode_oid(content: bytes) -> str:
    """The dotted form of an OBJECT IDENTIFIER's content octets (X.690, 8.19)."""
    if len(content) > _LIMITS.oid_bytes:
        raise LimitExceeded("An OBJECT IDENTIFIER is too long.", code="limit.oid-bytes")
    if not content or content[-1] & 0x80:
        raise _malformed("an incomplete OBJECT IDENTIFIER")
    arcs: list[int] = []
    value = 0
    for octet in content:
        if value == 0 and octet == 0x80:
            raise _malformed("an OBJECT IDENTIFIER with a padded arc")
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))


_UTC_TIME = re.compile(rb"(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?(Z|[+-]\d{4})")
_GENERALIZED = re.compile(
    rb"(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?(?:[.,]\d{1,12})?(Z|[+-]\d{4})"
)


@lru_cache(maxsize=512)
def decode_time(tag: int, content: bytes) -> datetime:
    """UTCTime or GeneralizedTime content as an aware datetime in UTC (RFC 5280, 4.1.2.5)."""
    pattern = {UTC_TIME: _UTC_TIME, GENERALIZED_TIME: _GENERALIZED}.get(tag)
    match = pattern.fullmatch(content) if pattern else None
    if not match:
        raise _malformed("a time that is neither UTCTime nor GeneralizedTime with a zone")
    *digits, zone = match.groups()
    year, month, day, hour, minute, second = (int(part or b"0") for part in digits)
    if tag == UTC_TIME:
        year += 1900 if year >= 50 else 2000
    try:
        if zone == b"Z":
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        offset = timedelta(hours=int(zone[:3]), minutes=int(zone[:1] + zone[3:]))
        local = datetime(year, month, day, hour, minute, second, tzinfo=timezone(offset))
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _malformed("a time that is not in the calendar") from None
