"""Other fields, and every other byte as it was."""

from hypothesis import given
from hypothesis import strategies as st

from smimekit.gateway.edit import joined, with_fields
from smimekit.limits import Limits
from smimekit.mime.fields import Field, HeaderBlock, read_header
from smimekit.span import Span


def header(data: bytes) -> HeaderBlock:
    return read_header(Span.of(data), limits=Limits())


def edited(data: bytes, *, without: str) -> bytes:
    block = header(data)
    kept = [field for field in block.fields if not field.named(without)]
    return with_fields(Span.of(data), block, kept).bytes()


@given(st.lists(st.binary(max_size=20)), st.integers(0, 200), st.integers(0, 200))
def test_joined_spans_read_like_their_bytes(pieces: list[bytes], start: int, end: int) -> None:
    whole = b"".join(pieces)
    span = joined(Span.of(b"<" + piece + b">").slice(1, 1 + len(piece)) for piece in pieces)
    assert span.bytes() == whole
    assert span.read(start, end) == whole[start:end]
    assert b"".join(span.chunks(3)) == whole


def test_other_bytes_stay_as_they_are() -> None:
    data = b"A: 1\r\nX-Gone:\r\n folded\r\nB:\t2 \nC: 3\r\n\r\nbody \r\n\n\x00\xff\r"
    assert edited(data, without="X-Gone") == data.replace(b"X-Gone:\r\n folded\r\n", b"")


@given(st.binary(max_size=50))
def test_the_body_is_never_changed(body: bytes) -> None:
    assert edited(b"A: 1\nX: 2\n\n" + body, without="X") == b"A: 1\n\n" + body


def test_a_header_without_an_end_gets_one() -> None:
    """Else a field that is added would become text, or text a field."""
    assert edited(b"A: 1\r\nX: 2", without="A") == b"X: 2\r\n\r\n"
    assert edited(b"A: 1\r\n", without="X") == b"A: 1\r\n\r\n"
    assert edited(b"", without="X") == b"\r\n"
    block = header(b"no field at all\r\n")
    new = with_fields(Span.of(b"no field at all\r\n"), block, [Field.of("A", b"1")])
    assert new.bytes() == b"A: 1\r\n\r\nno field at all\r\n"


def test_an_mbox_line_does_not_go_out() -> None:
    assert edited(b"From a@b Mon\nA: 1\n\nx", without="X") == b"A: 1\n\nx"
