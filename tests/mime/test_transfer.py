"""RFC 2045, 6.7 and 6.8. The standard library's codecs are the second opinion."""

import base64
import quopri
import re
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smimekit.errors import MimeError, SmimeError
from smimekit.mime.transfer import (
    base64_lines,
    decode,
    decode_base64,
    decode_quoted_printable,
    decoded,
    encode_base64,
    encode_quoted_printable,
)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def result(
    chunks: list[bytes], decoder: Callable[[Iterable[bytes]], Iterator[bytes]]
) -> bytes | str:
    try:
        return b"".join(decoder(chunks))
    except SmimeError as error:
        return error.code


@pytest.mark.parametrize(
    "size", [0, 1, 2, 3, 56, 57, 58, 57 * 1024 - 1, 57 * 1024, 57 * 1024 + 1, 200_000]
)
def test_base64_lines(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    expected = base64.encodebytes(data).replace(b"\n", b"\r\n")
    for step in (1000, 57 * 1024, 1 << 20):
        assert b"".join(encode_base64(cut(data, step))) == expected
    assert base64_lines(data) == expected
    assert b"".join(decode_base64(cut(expected, 1001))) == data


@given(st.lists(st.binary(max_size=200)))
def test_base64_comes_back(chunks: list[bytes]) -> None:
    text = b"".join(encode_base64(chunks))
    assert text == base64.encodebytes(b"".join(chunks)).replace(b"\n", b"\r\n")
    assert b"".join(decode_base64([text])) == b"".join(chunks)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (b"", b""),
        (b"\r\n \t\n", b""),
        (b"QQ==", b"A"),
        (b"Q Q\r\n=\n=\r\n\r\n", b"A"),
        (b"QUI=", b"AB"),
        (b"QUJD", b"ABC"),
        (b"QUJDQQ==", b"ABCA"),
    ],
)
def test_base64_read(text: bytes, data: bytes) -> None:
    assert b"".join(decode_base64([text])) == data


@pytest.mark.parametrize(
    "text",
    [
        b"Q",
        b"QQ",
        b"QQ=",
        b"QUJ",
        b"=",
        b"====",
        b"Q===",
        b"QQ==QQ==",
        b"QQ==Q",
        b"QQ===",
        b"QUJD====",
        b"QUI==",
        b"QU!D",
        b"QUJD\0",
        b"QU-_",
        b"QQ=A",
        b"QUJD--\r\nfooter",
        b"\xc3\xa9aa",
        b"QQ==\r\n--",
        b"Q=Q=",
    ],
)
def test_base64_refused(text: bytes) -> None:
    for size in (1, 2, 3, 4, 100):
        with pytest.raises(MimeError) as caught:
            b"".join(decode_base64(cut(text, size)))
        assert caught.value.code == "mime.base64"


_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
"""RFC 4648, 4."""


def _strictly(text: bytes) -> bytes | str:
    """What text without its blanks says, which has to be base64 from begin to end."""
    plain = text.translate(None, b" \t\r\n\v\f")
    return base64.b64decode(plain) if _BASE64.fullmatch(plain) else "mime.base64"


@settings(max_examples=600)
@given(
    st.binary(min_size=12, max_size=120),
    st.integers(1, 20),
    st.sampled_from([b"\r\n", b"\n"]),
    st.lists(
        st.tuples(
            st.integers(0, 199),
            st.integers(0, 2),
            st.sampled_from(
                [b"", b"=", b"==", b"!", b"\r", b"\n", b"\r\n", b" ", b"\0", b"Q", b"\xff"]
            ),
        ),
        max_size=2,
    ),
    st.integers(1, 200),
)
def test_lines_of_one_length_hide_nothing(
    data: bytes, size: int, line_end: bytes, changes: list[tuple[int, int, bytes]], step: int
) -> None:
    """A few octets are put in, taken out or replaced; all of it is seen, however it is cut."""
    plain = base64.b64encode(data)
    text = line_end.join(plain[at : at + size] for at in range(0, len(plain), size)) + line_end
    for at, taken, put in changes:
        place = at % (len(text) + 1)
        text = text[:place] + put + text[place + taken :]
    assert result(cut(text, step), decode_base64) == _strictly(text)


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        # As many octets of junk as the line break has that stands in the last, begun group.
        ([b"AAAAAA\r\nAA!!AA\r\nAAAAAA\r\nA", b"AAA"], "mime.base64"),
        ([b"AAAAAA\r\nAAAAAA\r\nAAAAAA\r\nA", b"A"], bytes(15)),
        ([b"AAAA\r\nAAAA\r\nA A", b"AA"], bytes(9)),
        ([b"AAAA\r\nAAAA\r\nA!A", b"A"], "mime.base64"),
        ([b"AAAA\r\nAAAA\r\nAA==AA", b"AA"], "mime.base64"),
        ([b"AAAA\r\nAAAA\r\nAA==", b"AAAA"], "mime.base64"),
    ],
)
def test_what_is_left_over_of_lines_is_read_with_the_next_chunk(
    chunks: list[bytes], expected: bytes | str
) -> None:
    assert result(chunks, decode_base64) == expected


def test_nothing_follows_the_padding_even_after_a_chunk_of_blanks() -> None:
    assert result([b"QQ==", b"\r\n", b" "], decode_base64) == b"A"
    assert result([b"QQ==", b"\r\n", b"QUJD"], decode_base64) == "mime.base64"


@given(
    st.lists(st.sampled_from([b"Q", b"QUJD", b"=", b"\r\n", b" ", b"!", b"Q="])).map(b"".join),
    st.integers(1, 5),
)
def test_base64_any_cut_gives_the_same(text: bytes, size: int) -> None:
    assert result(cut(text, size), decode_base64) == result([text], decode_base64)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (b"", b""),
        (b"a=\r\nb", b"ab"),
        (b"a=\nb\n", b"ab\n"),
        (b"a= \t\r\nb", b"ab"),
        (b"a \t\r\nb \n", b"a\r\nb\n"),
        (b"a  ", b"a"),
        (b"a=20\r\n", b"a \r\n"),
        (b"=c3=A9=3D", b"\xc3\xa9="),
        (b"a=", b"a"),
        (b"a= ", b"a"),
        (b"=0D=0A", b"\r\n"),
        (b"a\rb", b"a\rb"),
        (b"a\r", b"a\r"),
        (b"\xff_", b"\xff_"),
    ],
)
def test_quoted_printable_read(text: bytes, data: bytes) -> None:
    assert b"".join(decode_quoted_printable([text])) == data
    for size in (1, 2, 3):
        assert b"".join(decode_quoted_printable(cut(text, size))) == data


@pytest.mark.parametrize(
    "text",
    [b"=", b"=4", b"=XY", b"=4G", b"==41", b"==\r\n41", b"=4=\r\n1", b"a=b", b"=\rx", b"= x"],
)
def test_quoted_printable_refused(text: bytes) -> None:
    for size in (1, 2, 3, 100):
        with pytest.raises(MimeError) as caught:
            b"".join(decode_quoted_printable(cut(text + b".", size)))
        assert caught.value.code == "mime.quoted-printable"


_QP = st.lists(
    st.sampled_from([b"a", b"=", b"41", b"=41", b"\r", b"\n", b"\r\n", b" ", b"\t", b"=\r\n"])
)


@given(_QP.map(b"".join), st.integers(1, 5))
def test_quoted_printable_any_cut_gives_the_same(text: bytes, size: int) -> None:
    assert result(cut(text, size), decode_quoted_printable) == result(
        [text], decode_quoted_printable
    )


@pytest.mark.parametrize("size", [1, 500, 100_000])
def test_endless_blanks_are_refused(size: int) -> None:
    with pytest.raises(MimeError):
        b"".join(decode_quoted_printable(cut(b"a" + b" " * 3_000 + b"b", size)))


_TEXT = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"\r\n",
                b" ",
                b"\t",
                b"From ",
                b".",
                b"-",
                b"--",
                b"=",
                b"\r",
                b"\n",
                b"\0",
                b"x" * 73,
                b"x",
            ]
        ),
        st.binary(max_size=8),
        st.text(max_size=30).map(lambda text: text.encode("utf-8", "replace")),
    ),
    max_size=30,
).map(b"".join)


@given(_TEXT)
def test_quoted_printable_comes_back_and_is_safe(data: bytes) -> None:
    text = b"".join(encode_quoted_printable([data]))
    assert b"".join(decode_quoted_printable([text])) == data
    assert quopri.decodestring(text) == data
    assert text.isascii()
    for line in text.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.endswith((b" ", b"\t"))
        assert not line.startswith((b"From ", b".", b"--"))
        assert b"\r" not in line
        assert b"\n" not in line
        assert b"\0" not in line


@given(st.lists(st.sampled_from([b"x" * 0x8000, b"y", b"\r", b"\n", b" ", b"="]), max_size=9),
       st.sampled_from([1, 0x8000, 0x10000, 0x10001, 100_000]))  # fmt: skip
def test_quoted_printable_is_written_the_same_however_it_is_cut(
    pieces: list[bytes], size: int
) -> None:
    """Lines without end, too, of which no more than a piece is held."""
    data = b"".join(pieces)
    cuts = pieces if size == 1 else cut(data, size)
    text = b"".join(encode_quoted_printable(cuts))
    assert text == b"".join(encode_quoted_printable([data]))
    assert b"".join(decode_quoted_printable([text])) == data


@pytest.mark.parametrize("size", [0xFFFE, 0xFFFF, 0x10000, 0x10001, 0x20000])
def test_a_line_break_is_not_cut_in_two(size: int) -> None:
    line = b"x" * size
    text = b"".join(encode_quoted_printable([line + b"\r\n"]))
    assert b"".join(encode_quoted_printable([line + b"\r", b"\n"])) == text


def test_a_line_without_end_is_not_held() -> None:
    endless = encode_quoted_printable(b"x" * 0x1000 for _ in range(1_000))
    assert max(map(len, endless)) < 0x20000


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain\r\n", b"plain\r\n"),
        (b"a=b", b"a=3Db"),
        ("é".encode("latin-1"), b"=E9"),
        (b"trailing \r\n", b"trailing=20\r\n"),
        (b"From me\r\n", b"=46rom me\r\n"),
        (b".\r\n", b"=2E\r\n"),
        (b"x" * 76, b"x" * 76),
        (b"x" * 77, b"x" * 75 + b"=\r\nxx"),
        # A soft line break must not make a boundary of what was none.
        (b"x" * 75 + b"--b", b"x" * 75 + b"=\r\n=2D-b"),
        (b"x" * 75 + b"From me", b"x" * 75 + b"=\r\n=46rom me"),
    ],
)
def test_quoted_printable_written(data: bytes, text: bytes) -> None:
    assert b"".join(encode_quoted_printable([data])) == text


def test_decode_chooses() -> None:
    assert b"".join(decode([b"QQ=="], "base64")) == b"A"
    assert b"".join(decode([b"=41"], "quoted-printable")) == b"A"
    for encoding in ("7bit", "8bit", "binary"):
        assert b"".join(decode([b"=41", b"\xff"], encoding)) == b"=41\xff"
    with pytest.raises(MimeError) as caught:
        decode([b""], "x-uuencode")
    assert caught.value.code == "mime.transfer-encoding"


@given(
    st.lists(
        st.sampled_from([b"QUJD", b"QQ==", b"QUI=", b"=", b"=41", b"\r\n", b"\n", b" ", b"-"])
    ).map(b"".join),
    st.sampled_from(["base64", "quoted-printable", "7bit", "binary", "x-other"]),
)
def test_what_is_at_hand_is_decoded_as_a_stream_is(text: bytes, encoding: str) -> None:
    def at_hand(chunks: Iterable[bytes]) -> Iterator[bytes]:
        yield decoded(b"".join(chunks), encoding)

    assert result([text], at_hand) == result([text], lambda chunks: decode(chunks, encoding))
