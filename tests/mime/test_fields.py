"""RFC 5322, 2.2 and 3.6.8: where fields begin and end, byte for byte."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit.errors import LimitExceeded, MimeError, SmimeError
from smimekit.limits import Limits
from smimekit.mime.fields import Field, HeaderBlock, decode_words, read_header
from smimekit.mime.words import encode_words
from smimekit.span import Span

LIMITS = Limits()


def read(data: bytes) -> HeaderBlock:
    return read_header(Span.of(data), limits=LIMITS)


@pytest.mark.parametrize("eol", [b"\r\n", b"\n"])
def test_fields_are_spans_of_the_original(eol: bytes) -> None:
    data = b"From: a@b" + eol + b"Subject: one" + eol + b"\ttwo " + eol + eol + b"body" + eol
    block = read(data)
    assert b"".join(field.raw for field in block.fields) + block.empty_line == block.raw
    assert block.raw == data[: block.length]
    assert data[block.length :] == b"body" + eol
    assert [field.name for field in block.fields] == ["From", "Subject"]
    assert block.fields[1].value == b"one\ttwo"
    assert block.empty_line == eol


def test_line_ends_may_be_mixed() -> None:
    block = read(b"A: 1\nB: 2\r\n\nbody")
    assert [field.value for field in block.fields] == [b"1", b"2"]
    assert block.length == len(b"A: 1\nB: 2\r\n\n")


def test_an_entity_may_begin_with_the_empty_line() -> None:
    assert read(b"\r\nbody").length == 2
    assert read(b"\nbody").raw == b"\n"


@pytest.mark.parametrize("data", [b"A: 1", b"A: 1\r\n", b"A: 1\r\n b"])
def test_a_header_alone_has_no_body(data: bytes) -> None:
    block = read(data)
    assert block.length == len(data)
    assert block.empty_line == b""
    assert len(block.fields) == 1


@pytest.mark.parametrize(
    "data",
    [b"", b"hello\r\n\r\nA: 1\r\n", b" A: 1\r\n\r\n", b": 1\r\n", b"a\0:1\n", b"n" * 999 + b": x"],
)
def test_a_first_line_that_is_no_field_means_no_header(data: bytes) -> None:
    block = read(data)
    assert (block.fields, block.raw, block.length) == ((), b"", 0)


@pytest.mark.parametrize("line", [b"From a@b Mon Jan 1\n", b">From a@b Mon Jan 1\r\n"])
def test_an_mbox_line_is_skipped_and_reported(line: bytes) -> None:
    block = read(line + b"A: 1\n\nbody")
    assert block.envelope_line == line
    assert [field.name for field in block.fields] == ["A"]
    assert block.length == len(line) + 6


def test_an_mbox_line_needs_a_field_after_it() -> None:
    assert read(b"From here on,\r\nno header\r\n").length == 0


@pytest.mark.parametrize("line", [b"nonsense", b"\r", b"a b: c", b":", b"\0"])
def test_a_later_line_that_is_no_field_is_an_error(line: bytes) -> None:
    with pytest.raises(MimeError) as caught:
        read(b"A: 1\r\n" + line + b"\r\nB: 2\r\n\r\n")
    assert caught.value.code == "mime.header-line"


def test_a_bare_cr_breaks_no_line() -> None:
    block = read(b"Subject: x\rContent-Type: text/html\r\n\r\n")
    assert [field.name for field in block.fields] == ["Subject"]


def test_blanks_before_the_colon_are_obsolete_but_legal() -> None:
    with pytest.raises(MimeError):
        read(b"Content-Type: a/b\r\nContent-Type : c/d\r\n\r\n").one("content-type")


def test_one_refuses_duplicates_of_any_case() -> None:
    block = read(b"To: a\r\nTO: b\r\nCc: c\r\n\r\n")
    with pytest.raises(MimeError) as caught:
        block.one("to")
    assert caught.value.code == "mime.duplicate-field"
    assert len(block.all("To")) == 2
    one = block.one("CC")
    assert one
    assert one.value == b"c"
    assert block.one("Bcc") is None


def test_nul_and_8bit_are_tolerated() -> None:
    block = read(b"Subject: \0\xff\r\nX: \xc3\xa9\r\n\r\n")
    assert block.fields[0].value == b"\0\xff"
    assert block.fields[0].text == "\0ÿ"
    assert block.fields[1].text == "é"


def test_limits() -> None:
    with pytest.raises(LimitExceeded) as caught:
        read_header(Span.of(b"A: 1\n" * 20), limits=replace(LIMITS, header_fields=10))
    assert caught.value.code == "limit.header-fields"
    with pytest.raises(LimitExceeded) as caught:
        read_header(Span.of(b"A: " + b"x" * 10_000), limits=replace(LIMITS, header_bytes=9_000))
    assert caught.value.code == "limit.header-bytes"


def test_the_header_limit_does_not_count_the_body() -> None:
    data = b"A: 1\r\n\r\n" + b"x" * 100_000
    assert read_header(Span.of(data), limits=replace(LIMITS, header_bytes=8)).length == 8


@pytest.mark.parametrize("size", [4090, 4092, 4093, 4094, 4095, 4096, 4097, 8190, 8191, 8192])
def test_the_end_is_found_across_reads(size: int) -> None:
    data = b"A: " + b"x" * (size - 3) + b"\r\n\r\nbody: no\r\n\r\n"
    assert read(data).length == size + 4


@given(
    st.lists(st.sampled_from([b"A: 1", b"\r\n", b"\n", b" ", b"x", b"From ", b"\r", b"\0", b":"]))
)
def test_any_bytes_give_a_block_or_an_error(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    try:
        block = read(data)
    except SmimeError:
        return
    assert block.raw == data[: block.length]
    envelope = block.envelope_line or b""
    assert envelope + b"".join(f.raw for f in block.fields) + block.empty_line == block.raw
    assert block.empty_line in {b"", b"\n", b"\r\n"}
    for field in block.fields:
        assert isinstance(field.text, str)
        assert b"\n" not in field.value


def test_a_field_to_write() -> None:
    assert Field.of("A", b"1").raw == b"A: 1\r\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        # RFC 2047, 8
        (b"(=?ISO-8859-1?Q?a?=)", "(a)"),
        (b"(=?ISO-8859-1?Q?a?= b)", "(a b)"),
        (b"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"),
        (b"(=?ISO-8859-1?Q?a?=  \t =?ISO-8859-1?Q?b?=)", "(ab)"),
        (b"(=?ISO-8859-1?Q?a_b?=)", "(a b)"),
        (b"(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)"),
        (b"=?utf-8?B?w6k?=", "é"),
        (b"=?utf-8?B?ww==?= =?utf-8?B?qQ==?=", "é"),
        (b"=?utf-8*de?q?x?= y", "x y"),
        (b"=?nope?q?x?=", "=?nope?q?x?="),
        (b"=?idna?q?x?=", "=?idna?q?x?="),
        (b"=?utf-8?q?=ff?=", "=?utf-8?q?=ff?="),
        (b"=?utf-8?b?!?=", "=?utf-8?b?!?="),
        (b"=?utf-8?x?a?=", "=?utf-8?x?a?="),
        ("raw é".encode(), "raw é"),
        (b"", ""),
    ],
)
def test_encoded_words(value: bytes, text: str) -> None:
    assert decode_words(value) == text


@given(st.text().map(lambda text: text.encode("utf-8", "replace").decode()))
def test_words_come_back(text: str) -> None:
    encoded = encode_words(text)
    assert all(len(line) <= 76 for line in encoded.split(b"\r\n"))
    assert decode_words(encoded.replace(b"\r\n", b"")) == text


@given(st.binary())
def test_any_bytes_are_some_text(value: bytes) -> None:
    decode_words(value)
    decode_words(b"=?utf-8?q?" + value + b"?= =?utf-7?b?" + value + b"?=")


def test_a_field_is_the_same_whoever_asks_for_it() -> None:
    block = read(b"A: 1\r\nb: 2\r\na: 3\r\n\r\n")
    first = block.one("B")
    assert block.fields[1] is first
    assert block.all("A") == (block.fields[0], block.fields[2])
    assert block.all("a")[1] is block.fields[2]
    assert "B" in block
    assert "b" in block
    assert "c" not in block
    assert not block.is_empty
    assert read(b"no header").is_empty


def test_blocks_are_equal_whose_octets_are() -> None:
    data = b"A: 1\r\nB: 2\r\n\r\n"
    block = read(data)
    block.one("A")
    assert block == read(data + b"body")
    assert hash(block) == hash(read(data))
    assert block != read(data.replace(b"2", b"3"))
    assert block != read(data.replace(b"\r\n\r\n", b"\r\n"))
    assert block != data


@given(st.lists(st.sampled_from([b"a", b":", b" ", b"\t", b"\r", b"\n", b"\r\n"]), max_size=9))
def test_unfolding_takes_away_each_line_break_before_a_blank(pieces: list[bytes]) -> None:
    """RFC 5322, 2.2.3; what no header holds stays as it is."""
    text = b"".join(pieces)
    expected = text.removesuffix(b"\n").removesuffix(b"\r")
    expected = re.sub(rb"\r?\n(?=[ \t])", b"", expected).strip(b" \t")
    assert Field("A", b"A:" + text).value == expected
