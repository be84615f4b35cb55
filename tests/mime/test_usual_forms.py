"""What is usual goes a shorter way: it ends where the long one does, or is not taken."""

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit.errors import MimeError
from smimekit.mime import address, canonical, content_type, safety, transfer, writer
from smimekit.mime.fields import Field, HeaderBlock

NEVER = re.compile(rb"(?!)")
TYPES = [
    *(b"text/plain", b"a/b", b"; a=b", b';A="b c"', b' ; name="x;y"', b"; boundary=q", b"; x"),
    *(b'; boundary="=_(1)"', b"; a*=u'e'v", b"; a*0=b", b"(c)", b'; q="\\""', b"\t", b";", b" "),
    *(b"; name=two words", b"; n=a@b", b'; e=""', "; ü=ü".encode(), b'"', b"%", b"'", b"="),
]
ADDRESSES = [
    *(b"alice", b"a.b", b"@", b"example.org", b"<", b">", b" ", b"  ", b'"Al, B"', b"Al B"),
    *(b"(c)", b",", b";", b":", b"[1.2.3.4]", b"=?utf-8?q?x?=", "ü".encode(), b"\t", b'""', b"."),
    *(b"<a@b>", b'"a"', b"\\", b"="),
]


def joined(pieces: list[bytes], most: int) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(pieces), max_size=most).map(b"".join)


@given(joined(TYPES, 7) | joined(TYPES, 5).map(b"text/plain".__add__))
def test_a_usual_content_type_is_read_as_any_other(value: bytes) -> None:
    def read() -> object:
        try:
            return content_type.parse_content_type(value)
        except MimeError as error:
            return error.code

    found = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(content_type, "_USUAL", NEVER)
        assert read() == found


@given(joined(ADDRESSES, 7))
def test_a_usual_address_is_read_as_any_other(value: bytes) -> None:
    def read() -> object:
        try:
            return address.parse_mailboxes(value)
        except MimeError as error:
            return error.code

    found = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(address, "_USUAL", NEVER)
        assert read() == found


@pytest.mark.parametrize(
    "value, usual",
    [
        (b'multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256', True),
        (b"text/plain; a=b; A=c", False),
        (b'text/plain; boundary="a" (b)', False),
    ],
)
def test_most_content_types_are_usual(value: bytes, usual: bool) -> None:
    """The shorter way is taken, and not where a parameter stands twice, or can be read twice."""
    found = content_type._USUAL.fullmatch(value)
    assert (found is not None and content_type._usual_parameters(found[3]) is not None) is usual


@pytest.mark.parametrize(
    "read, value",
    [
        (content_type.parse_content_type, b"a/b" + b"; a=b" * 40_000 + b"\x00"),
        (content_type.parse_content_type, b"a/b" + b" " * 200_000 + b"\x00"),
        (content_type.parse_content_type, b"a/" + b"b" * 200_000 + b"\x00"),
        (address.parse_mailboxes, b"a " * 100_000 + b"\x00"),
        (address.parse_mailboxes, b"a." * 100_000 + b"\x00"),
        (address.parse_mailboxes, b"a" * 200_000 + b"@" + b"b." * 100_000 + b"\x00"),
    ],
)
def test_what_is_not_usual_is_found_out_in_linear_time(
    read: Callable[[bytes], object], value: bytes
) -> None:
    """No expression goes back over what it has seen: that would take minutes."""
    begun = time.process_time()
    with pytest.raises(MimeError):
        read(value)
    assert time.process_time() - begun < 5


LINES = st.lists(st.sampled_from([b"ab", b"abcd", b" ", b"\r", b"\n", b"\r\n", b"F\t", b"\x00"]))


EOLS = st.sampled_from([b"\r\n", b"\n", b"x\n", b"\r\r", b"\r \n"])


@given(st.integers(0, 6), st.integers(0, 14), EOLS, LINES, LINES)
def test_lines_of_one_length_are_as_safe_as_they_look(
    width: int, count: int, eol: bytes, before: list[bytes], after: list[bytes]
) -> None:
    data = b"".join([*before, (b"a" * width + eol) * count, *after])
    if safety._has_equal_lines(data):
        assert canonical.is_canonical(data)
        assert safety._has_short_lines(data)


@given(st.integers(0, 6), st.integers(0, 14), EOLS, LINES, st.integers(1, 40))
def test_what_is_safe_is_safe_however_it_is_cut(
    width: int, count: int, eol: bytes, after: list[bytes], size: int
) -> None:
    data = b"".join([(b"a" * width + eol) * count, b"a" * 990 * (count % 2), *after])
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    assert safety.are_transport_safe(chunks) is safety.is_transport_safe(data)


BASE64 = [
    b"QUJD",
    b"QQ==",
    b"QUI=",
    b"=",
    b"Q",
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\v",
    b"!",
    b"QUJDREVG",
]


@given(
    st.lists(st.sampled_from(BASE64), max_size=6).map(b"".join),
    st.lists(st.sampled_from(BASE64[:5]), max_size=3).map(b"".join),
    st.sampled_from([b"\r\n", b"\n", b" \n", b"\r\r\n"]),
    st.integers(0, 6),
    st.lists(st.sampled_from(BASE64), max_size=6).map(b"".join),
    st.integers(1, 30),
)
def test_base64_in_lines_of_one_length_is_decoded_as_any_other(
    before: bytes, line: bytes, eol: bytes, count: int, after: bytes, size: int
) -> None:
    data = before + (line + eol) * count + after
    for chunks in ([data], [data[at : at + size] for at in range(0, len(data), size)]):

        def decoded(chunks: list[bytes] = chunks) -> object:
            try:
                return b"".join(transfer.decode_base64(chunks))
            except MimeError as error:
                return error.code

        found = decoded()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transfer, "_without_equal_breaks", lambda held, chunk: held + chunk)
            assert decoded() == found


def test_base64_is_made_of_lines_of_one_length() -> None:
    data = b"".join(transfer.encode_base64([bytes(10_000)]))
    assert safety._has_equal_lines(data)
    part = data[30:4_000]
    assert transfer._without_equal_breaks(b"AA", part) == b"AA" + part.replace(b"\r\n", b"")
    stored = part.replace(b"\r\n", b"\n")
    assert transfer._without_equal_breaks(b"", stored) == part.replace(b"\r\n", b"")
    for changed in (data.replace(b"\r\n", b"\n", 1), data[:100] + b"\n" + data[101:]):
        assert not safety._has_equal_lines(changed)
        assert not safety.is_transport_safe(changed)
    assert not safety._has_equal_lines((b"a" * 999 + b"\r\n") * 10)


@given(st.binary(max_size=30).map(b"X-A:".__add__) | st.just(b"A: b\r\n c\r\n"))
def test_a_usual_field_is_sent_as_any_other(raw: bytes) -> None:
    def sent() -> object:
        try:
            return writer.field_bytes(Field("X-A", raw)), safety.safe_field(Field("X-A", raw)).raw
        except MimeError as error:
            return error.code

    found = sent()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "_SENT", NEVER)
        patch.setattr(safety, "_PLAIN", NEVER)
        assert sent() == found


def test_the_fields_of_a_name_are_found_in_their_order() -> None:
    fields = tuple(Field.of(name, value) for name, value in [("A", b"1"), ("b", b"2"), ("a", b"3")])
    block = HeaderBlock(fields, b"", 0)
    assert block.all("a") == block.all("A") == (fields[0], fields[2])
    assert block.all("c") == ()
    assert block == HeaderBlock(fields, b"", 0)
    with pytest.raises(MimeError) as caught:
        block.one("A")
    assert caught.value.code == "mime.duplicate-field"
