"""Everything that we write, written anew in any BER: it says the same (X.690, 8; RFC 5652, 10).

Lengths may be indefinite or longer than they need to be, and octet strings may come in
segments, wherever a value stands; certificates alone are signed as they are.
"""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smimekit import CmsError, der
from tests.cms.everything import everything

CONTENT = b"Content-Type: text/plain\r\n\r\nWhat was written.\r\n"
NAMES = list(everything(CONTENT))
OCTETS = {der.OCTET_STRING, 0x80}
"""OCTET STRING, and what has its implicit tag in these messages: ciphertext and key identifiers."""


def loosen(value: bytes, choose: random.Random) -> bytes:
    """The same value in BER, however it comes."""
    if value[:1] == b"\x30" and is_certificate(value):
        return value
    tag, content = der.Reader(value).any()
    if tag & 0x20:
        inside, parts = der.Reader(content), []
        while inside.more:
            parts.append(loosen(inside.raw(), choose))
        return constructed(tag, parts, choose)
    if tag in OCTETS and choose.random() < 0.5:
        return constructed(tag | 0x20, segments(content, choose), choose)
    if tag == der.BIT_STRING and choose.random() < 0.5:
        parts = [content[:1] + content[1:2], b"\x00" + content[2:]]
        assert content[0] == 0
        return constructed(tag | 0x20, [der.tlv(tag, part) for part in parts], choose)
    return bytes((tag,)) + length(len(content), choose) + content


def is_certificate(value: bytes) -> bool:
    """SEQUENCE { SEQUENCE { [0] version ...: nothing else here begins so."""
    inside = der.Reader(value).enter(der.SEQUENCE)
    if inside.peek != der.SEQUENCE:
        return False
    return inside.enter(der.SEQUENCE).peek == 0xA0 and inside.peek == der.SEQUENCE


def segments(content: bytes, choose: random.Random, depth: int = 0) -> list[bytes]:
    found, at = [], 0
    while at < len(content) or choose.random() < 0.2:
        size = choose.randrange(1 + min(200, len(content)))
        piece = content[at : at + size]
        at += size
        if depth < 3 and choose.random() < 0.2:
            found.append(constructed(0x24, segments(piece, choose, depth + 1), choose))
        else:
            found.append(b"\x04" + length(len(piece), choose) + piece)
    return found


def constructed(tag: int, parts: list[bytes], choose: random.Random) -> bytes:
    content = b"".join(parts)
    if choose.random() < 0.5:
        return bytes((tag, 0x80)) + content + b"\0\0"
    return bytes((tag,)) + length(len(content), choose) + content


def length(size: int, choose: random.Random) -> bytes:
    """In the short form where it fits, or in the long one with octets to spare (8.1.3.5)."""
    least = (size.bit_length() + 7) // 8
    spare = choose.choice((0, 0, 1, 2, 3))
    if size < 0x80 and not spare:
        return bytes((size,))
    octets = least + spare or 1
    return bytes((0x80 | octets,)) + size.to_bytes(octets, "big")


@pytest.mark.parametrize("name", NAMES)
def test_it_is_read_as_it_was_written(name: str) -> None:
    written = everything(CONTENT)[name]
    assert written.read(written.whole) == written.expected
    assert written.read(written.stream) == written.expected
    assert der.to_der(written.whole) == written.whole


@settings(max_examples=400)
@given(st.sampled_from(NAMES), st.integers(0, (1 << 32) - 1), st.booleans())
def test_it_says_the_same_in_any_ber(name: str, seed: int, streamed: bool) -> None:
    written, choose = everything(CONTENT)[name], random.Random(seed)  # noqa: S311 - no secret
    message = loosen(written.stream if streamed else written.whole, choose)
    assert written.read(message) == written.expected
    assert written.read(pieces(message, choose)) == written.expected


def pieces(message: bytes, choose: random.Random) -> Iterator[bytes]:
    """Cut anywhere, with nothing in between now and then; octet by octet, too."""
    most, at = choose.choice((1, 2, 5, 100, 1_000)), 0
    while at < len(message):
        size = choose.randint(0, most)
        yield message[at : at + size]
        at += size


def test_the_forms_are_really_loose() -> None:
    """The generator makes all that it promises."""
    choose = random.Random(1)  # noqa: S311 - no secret
    made = [loosen(everything(CONTENT)["detached"].whole, choose) for _ in range(50)]
    made += [loosen(everything(CONTENT)["to RSA"].whole, choose) for _ in range(50)]
    assert len(set(made)) == 100
    assert any(b"\x24\x80" in each for each in made)
    assert any(b"\xa0\x80\x04" in each for each in made)
    assert all(der.to_der(each) for each in made)


@pytest.mark.parametrize("name", NAMES)
def test_a_version_is_a_number(name: str) -> None:
    """X.690, 8.3.1: an INTEGER has octets. Which number it is decides nothing (RFC 5652, 1.3)."""
    written = everything(CONTENT)[name]
    reader = der.Reader(written.whole).enter(der.SEQUENCE)
    kind, inside = reader.raw(), reader.enter(0xA0).enter(der.SEQUENCE)
    inside.integer()
    rest = inside.rest()

    def with_version(octets: bytes) -> bytes:
        version = der.tlv(der.INTEGER, octets)
        return der.sequence(kind, der.explicit(0, der.sequence(version, rest)))

    assert written.read(with_version(b"\x01\x00\x00")) == written.expected
    with pytest.raises(CmsError) as refused:
        written.read(with_version(b""))
    assert refused.value.code == "asn1.malformed"
