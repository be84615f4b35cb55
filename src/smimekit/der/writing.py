"""ASN.1 values, written: functions that give DER, and BER made DER (X.690).

Knows tags, lengths and the universal types. May not know what any value is for.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from smimekit.der.reading import (
    BIT_STRING,
    BOOLEAN,
    GENERALIZED_TIME,
    INTEGER,
    OCTET_STRING,
    OID,
    SEQUENCE,
    SET,
    UTC_TIME,
    Reader,
    require_depth,
)

__all__ = [
    "bit_string",
    "boolean",
    "constructed",
    "encode_oid",
    "explicit",
    "implicit",
    "integer",
    "octet_string",
    "oid",
    "sequence",
    "set_of",
    "time",
    "tlv",
    "to_der",
]

_CONSTRUCTED: Final = 0x20
_STRING_TAGS: Final = frozenset({0x04, 0x0C, 0x12, 0x13, 0x14, 0x16, 0x1A, 0x1B, 0x1C, 0x1E})


def encode_oid(dotted: str) -> bytes:
    """The content octets of an OBJECT IDENTIFIER in dotted form."""
    first, second, *arcs = map(int, dotted.split("."))
    out = bytearray()
    for arc in (first * 40 + second, *arcs):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(arc & 0x7F | 0x80)
        out += bytes(reversed(septets))
    return bytes(out)


def tlv(tag: int, *content: bytes) -> bytes:
    """One value: identifier octet, definite length in the fewest octets, content."""
    joined = content[0] if len(content) == 1 else b"".join(content)
    return _head(tag, len(joined)) + joined


@lru_cache(maxsize=1024)
def _head(tag: int, length: int) -> bytes:
    if length < 0x80:
        return bytes((tag, length))
    octets = (length.bit_length() + 7) >> 3
    return bytes((tag, 0x80 | octets)) + length.to_bytes(octets, "big")


def sequence(*content: bytes) -> bytes:
    """A SEQUENCE of values that are encoded already."""
    joined = b"".join(content)
    return _head(SEQUENCE, len(joined)) + joined


def set_of(values: Iterable[bytes], tag: int = SET) -> bytes:
    """A SET OF in DER order (X.690, 11.6)."""
    joined = b"".join(sorted(values))
    return _head(tag, len(joined)) + joined


def integer(value: int) -> bytes:
    """An INTEGER in the fewest octets."""
    magnitude = value if value >= 0 else ~value
    return tlv(INTEGER, value.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True))


def octet_string(value: bytes) -> bytes:
    """A primitive OCTET STRING."""
    return _head(OCTET_STRING, len(value)) + value


def bit_string(value: bytes, unused: int = 0) -> bytes:
    """A BIT STRING; `unused` bits at its end do not count."""
    return tlv(BIT_STRING, bytes((unused,)), value)


def boolean(value: object) -> bytes:
    """A BOOLEAN: TRUE where `value` is true."""
    return b"\x01\x01\xff" if value else b"\x01\x01\x00"


@lru_cache(maxsize=2048)
def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER from its dotted form."""
    return tlv(OID, encode_oid(dotted))


def constructed(number: int, *content: bytes) -> bytes:
    """A constructed context-specific value: [number] around values encoded already."""
    return tlv(0xA0 | number, *content)


explicit = constructed
"""[number] EXPLICIT: the same octets as a constructed context-specific value."""


def implicit(number: int, content: bytes) -> bytes:
    """A primitive context-specific value: [number] IMPLICIT of a string type."""
    return tlv(0x80 | number, content)


def time(value: datetime) -> bytes:
    """UTCTime through 2049, GeneralizedTime outside (RFC 5652, 11.3); `value` must be aware."""
    utc = value.astimezone(UTC)
    day = b"%04d%02d%02d" % (utc.year, utc.month, utc.day)
    text = day + b"%02d%02d%02dZ" % (utc.hour, utc.minute, utc.second)
    if 1950 <= utc.year < 2050:
        return tlv(UTC_TIME, text[2:])
    return tlv(GENERALIZED_TIME, text)


def to_der(value: bytes) -> bytes:
    """One BER value in DER: definite, minimal, strings primitive, SETs in order.

    Types behind implicit tags cannot be known here, so a constructed string behind one
    stays constructed.
    """
    reader = Reader(value)
    out = _normal(reader, 1)
    reader.finish()
    return out


def _normal(reader: Reader, depth: int) -> bytes:
    require_depth(depth)
    tag = reader.peek
    if not tag & _CONSTRUCTED:
        tag, content = reader.any()
        known = tag == BOOLEAN and content != b"\x00"
        return boolean(True) if known else tlv(tag, content)  # noqa: FBT003 - the value
    parts = [_normal(inside, depth + 1) for inside in reader.members()]
    primitive = tag & ~_CONSTRUCTED
    if primitive in _STRING_TAGS:
        # X.690, 8.23.6: segments are OCTET STRINGs or, in practice, the string's own type.
        segment = parts[0][0] if parts else primitive
        return tlv(primitive, *(Reader(part).read(segment) for part in parts))
    return set_of(parts) if tag == SET else tlv(tag, *parts)
