"""RFC 2046, 5.1.1 and RFC 1847, 2.1: parts are byte spans, however the input is cut."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from itertools import pairwise

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from smimekit.errors import LimitExceeded, MimeError
from smimekit.limits import Limits
from smimekit.mime import scanner
from smimekit.mime.content_type import parse_content_type
from smimekit.mime.scanner import (
    Entity,
    FirstPart,
    boundary_of,
    delimiters,
    read_entity,
    signed_parts,
    split,
)
from smimekit.span import CHUNK, Span

LIMITS = Limits()


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def parts(body: bytes, boundary: bytes = b"b") -> list[bytes]:
    return [part.bytes() for part in split(Span.of(body), boundary, limits=LIMITS).parts]


def test_the_example_of_rfc_2046() -> None:
    body = (
        b"This is the preamble.\r\n"
        b"\r\n--simple boundary\r\n\r\n"
        b"This is implicitly typed plain US-ASCII text.\r\nIt does NOT end with a linebreak."
        b"\r\n--simple boundary\r\nContent-type: text/plain; charset=us-ascii\r\n\r\n"
        b"It DOES end with a linebreak.\r\n"
        b"\r\n--simple boundary--\r\n\r\nThis is the epilogue.\r\n"
    )
    found = split(Span.of(body), b"simple boundary", limits=LIMITS)
    assert found.preamble.bytes() == b"This is the preamble.\r\n"
    assert found.parts[0].bytes().endswith(b"It does NOT end with a linebreak.")
    assert found.parts[1].bytes().endswith(b"It DOES end with a linebreak.\r\n")
    assert found.epilogue.bytes() == b"\r\nThis is the epilogue.\r\n"
    assert found.closed


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"--b\r\none\r\n--b\r\ntwo\r\n--b--\r\n", [b"one", b"two"]),
        (b"--b\none\n--b\ntwo\n--b--\n", [b"one", b"two"]),
        (b"--b\none\r\n--b\r\ntwo\n--b--", [b"one", b"two"]),
        # The line break before a delimiter is the delimiter's; every other is the part's.
        (b"--b\r\none\r\n\r\n--b--", [b"one\r\n"]),
        (b"--b\none\n\n--b--", [b"one\n"]),
        (b"--b\r\none\r\r\n--b--", [b"one\r"]),
        (b"--b \t\r\none\r\n--b-- \t\r\n", [b"one"]),
        (b"--b\r\n\r\n--b--", [b""]),
        # Two delimiters in a row share a line break.
        (b"--b\r\n--b--\r\n", [b""]),
        (b"--b\n--b\n--b--", [b"", b""]),
        # A line that begins like a delimiter is none.
        (
            b"--b\r\n--bb\r\n--b--x\r\n--b x\r\n--b-\r\n--b\r\r\n--b--",
            [b"--bb\r\n--b--x\r\n--b x\r\n--b-\r\n--b\r"],
        ),
        (b"--b\r\nx--b\r\n --b\r\n\r--b\r\n--b--", [b"x--b\r\n --b\r\n\r--b"]),
        # After the closing delimiter all is epilogue.
        (b"--b\r\none\r\n--b--\r\n--b\r\ntwo\r\n--b--", [b"one"]),
        # A closing delimiter with nothing before it
        (b"--b--", []),
        (b"x\r\n--b--\r\n--b\r\ny", []),
        # cut off
        (b"--b\r\none\r\n", [b"one\r\n"]),
        (b"--b\r\none\r\n--", [b"one\r\n--"]),
        (b"--b\r\none\r\n--b", [b"one", b""]),
        (b"--b\r\none\r\n--b-", [b"one\r\n--b-"]),
        (b"--b\r\none\r\n--b--\r", [b"one\r\n--b--\r"]),
        (b"", []),
        (b"no boundary at all\r\n", []),
    ],
)
def test_split(body: bytes, found: list[bytes]) -> None:
    assert parts(body) == found
    for size in (1, 2, 3, 5, 7):
        assert list(delimiters(cut(body, size), b"b")) == list(delimiters([body], b"b"))


def test_closed() -> None:
    assert split(Span.of(b"--b\r\nx\r\n--b--"), b"b", limits=LIMITS).closed
    assert not split(Span.of(b"--b\r\nx\r\n--b\r\n"), b"b", limits=LIMITS).closed
    assert not split(Span.of(b"--b\r\nx\r\n--b--x\r\n"), b"b", limits=LIMITS).closed
    nothing = split(Span.of(b"text"), b"b", limits=LIMITS)
    assert (nothing.closed, nothing.preamble.bytes(), len(nothing.epilogue)) == (False, b"text", 0)


def test_a_boundary_that_begins_like_the_outer_one() -> None:
    inner = b"--ab\r\nin\r\n--ab--\r\n"
    assert parts(b"--a\r\n" + inner + b"\r\n--a--", b"a") == [inner]


_PIECES = st.sampled_from(
    [b"--b", b"--b--", b"--bb", b"\r\n", b"\n", b"\r", b"-", b" ", b"\t", b"x", b"--"]
)


@given(st.lists(_PIECES, max_size=40).map(b"".join), st.integers(1, 9))
def test_any_cut_finds_the_same(body: bytes, size: int) -> None:
    whole = list(delimiters([body], b"b"))
    assert list(delimiters(cut(body, size), b"b")) == whole
    assert list(delimiters([b"", *cut(body, size), b""], b"b")) == whole


def found(chunks: list[bytes]) -> object:
    try:
        return list(delimiters(chunks, b"b"))
    except MimeError as error:
        return error.code


_PADDED = st.one_of(_PIECES, st.sampled_from([b" " * 997, b"\t" * 998, b"\n--b", b"\n--b--"]))


@given(st.lists(_PADDED, max_size=12).map(b"".join), st.integers(1, 1500))
def test_any_cut_finds_the_same_padding(body: bytes, size: int) -> None:
    assert found(cut(body, size)) == found([body])


@given(st.lists(_PADDED, max_size=40).map(b"".join))
def test_a_small_body_is_cut_at_once_and_alike(body: bytes) -> None:
    def at_once() -> object:
        try:
            return scanner._at_once(Span.of(body), b"b")
        except MimeError as error:
            return error.code

    assert at_once() == found(cut(body, 7))


def test_padding_in_the_epilogue_is_nobodys_business() -> None:
    body = b"--b\r\nx\r\n--b--\r\n--b" + b" " * 2000
    assert found([body]) == found(cut(body, 1))
    assert parts(body) == [b"x"]


@given(st.lists(_PIECES, max_size=40).map(b"".join), st.lists(st.integers(0, 60), max_size=12))
def test_any_uneven_cut_finds_the_same(body: bytes, places: list[int]) -> None:
    ends = [0, *sorted(min(place, len(body)) for place in places), len(body)]
    chunks = [body[start:end] for start, end in pairwise(ends)]
    assert list(delimiters(chunks, b"b")) == list(delimiters([body], b"b"))


_BOUNDARIES = st.text("ab-'=_ .", min_size=1, max_size=6).map(lambda text: text.rstrip() or "b")
_CONTENTS = st.lists(
    st.sampled_from([b"a", b"-", b"\r\n", b"\n", b"\r", b" ", b"\0", b"\xff", b"--a", b"--"])
).map(b"".join)


@given(_BOUNDARIES, st.lists(_CONTENTS, min_size=1, max_size=4), st.sampled_from([b"\r\n", b"\n"]))
def test_parts_come_back_byte_for_byte(boundary: str, found: list[bytes], eol: bytes) -> None:
    """Whatever is in them: 8bit, NUL, blanks, mixed line ends, what looks like delimiters."""
    line = b"--" + boundary.encode()
    assume(all(not is_delimiter(text, line) for part in found for text in part.split(b"\n")))
    assume(eol == b"\r\n" or not any(part.endswith(b"\r") for part in found))
    body = b"".join(line + eol + part + eol for part in found) + line + b"--" + eol
    assert parts(body, boundary.encode()) == found


def is_delimiter(text: bytes, line: bytes) -> bool:
    return text.removesuffix(b"\r").rstrip(b" \t") in {line, line + b"--"}


@given(st.lists(_PIECES, max_size=40).map(b"".join))
def test_the_spans_are_the_body_and_in_order(body: bytes) -> None:
    found = split(Span.of(body), b"b", limits=LIMITS)
    at = found.preamble.end
    for part in found.parts:
        assert body[at : part.start].strip() == b"--b"
        at = part.end
    assert found.preamble.start == 0
    assert body[at : found.epilogue.start].strip() == (b"--b--" if found.closed else b"")
    assert found.epilogue.end == len(body)


@given(st.lists(_PIECES, max_size=40).map(b"".join))
def test_it_agrees_with_a_reading_line_by_line(body: bytes) -> None:
    """A slow reading of RFC 2046: a line is a delimiter when nothing but blanks follows it."""
    expected = []
    at = 0
    for line in body.split(b"\n"):
        end = min(at + len(line) + 1, len(body))
        text = body[at:end].removesuffix(b"\n")
        text = text.removesuffix(b"\r") if body[at:end].endswith(b"\n") else text
        if text.rstrip(b" \t") in {b"--b", b"--b--"}:
            expected.append((end, text.startswith(b"--b--")))
            if text.startswith(b"--b--"):
                break
        at = end
    assert [(d.end, d.closing) for d in delimiters([body], b"b")] == expected


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
def test_endless_padding_is_refused(size: int) -> None:
    body = b"--b" + b" " * 999 + b"x\r\n"
    with pytest.raises(MimeError) as caught:
        list(delimiters(cut(body, size), b"b"))
    assert caught.value.code == "mime.delimiter"


def test_padding_of_a_line_is_accepted() -> None:
    assert parts(b"--b" + b" " * 998 + b"\r\nx\r\n--b--") == [b"x"]


def test_parts_are_counted() -> None:
    body = b"--b\n" * 12 + b"--b--"
    with pytest.raises(LimitExceeded) as caught:
        split(Span.of(body), b"b", limits=replace(LIMITS, mime_parts=10))
    assert caught.value.code == "limit.mime-parts"
    with pytest.raises(LimitExceeded):
        split(Span.of(b"--b\n" * 12), b"b", limits=replace(LIMITS, mime_parts=10))


def test_a_file_is_scanned_where_it_is() -> None:
    file = BytesIO(b"skip" + b"--b\r\none\r\n--b--")
    file.seek(4)
    found = split(Span.of_file(file), b"b", limits=LIMITS)
    assert [part.bytes() for part in found.parts] == [b"one"]


@pytest.mark.parametrize("boundary", ["simple boundary", "a" * 70, "=_x'()+,-./:?", "*{}%"])
def test_boundaries(boundary: str) -> None:
    assert boundary_of(parse_content_type(b'a/b; boundary="%s"' % boundary.encode()))


@pytest.mark.parametrize(
    "value",
    [
        b"multipart/mixed",
        b'multipart/mixed; boundary=""',
        b'multipart/mixed; boundary="a "',
        b'multipart/mixed; boundary="a\tb"',
        'multipart/mixed; boundary="é"'.encode(),
        b"multipart/mixed; boundary=" + b"a" * 201,
        b"multipart/mixed; boundary*=us-ascii''a%0Db",
    ],
)
def test_boundaries_refused(value: bytes) -> None:
    with pytest.raises(MimeError) as caught:
        boundary_of(parse_content_type(value))
    assert caught.value.code == "mime.boundary"


SIGNED = b'Content-Type: multipart/signed; boundary="b"\r\n'


def signed(body: bytes, header: bytes = SIGNED) -> tuple[bytes, bytes]:
    entity = read_entity(Span.of(header + b"\r\n" + body), limits=LIMITS)
    first, second = signed_parts(entity, limits=LIMITS)
    return first.bytes(), second.bytes()


def test_signed_parts_are_byte_exact() -> None:
    entity = b"A: 1 \r\n\r\n \n\0\xff\r mixed \n"
    body = b"pre\r\n--b\r\n" + entity + b"\r\n--b\r\nsig\r\n--b--\r\nepilogue\r\n"
    assert signed(body) == (entity, b"sig")


@pytest.mark.parametrize(
    "body",
    [
        b"--b\r\none\r\n--b--",
        b"--b\r\none\r\n--b\r\ntwo\r\n--b\r\nthree\r\n--b--",
        b"--b\r\none\r\n--b\r\ntwo\r\n",
        b"--b\r\none\r\n--b\r\ntwo\r\n--b--\r\n--b\r\nthree\r\n--b--",
        b"--b\r\none\r\n--b\r\ntwo\r\n--b--\r\n--b--\r\n",
        b"",
    ],
)
def test_not_exactly_two_parts(body: bytes) -> None:
    with pytest.raises(MimeError) as caught:
        signed(body)
    assert caught.value.code == "mime.signed-parts"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (b"Content-Type: multipart/mixed; boundary=b\r\n", "mime.signed-parts"),
        (b"Content-Type: multipart/signed\r\n", "mime.boundary"),
        (SIGNED + SIGNED, "mime.duplicate-field"),
        (b"Content-Type: multipart/signed; boundary=b; boundary=c\r\n", "mime.duplicate-parameter"),
        (SIGNED + b"Content-Transfer-Encoding: base64\r\n", "mime.encoded-multipart"),
        (SIGNED + b"Content-Transfer-Encoding: quoted-printable\r\n", "mime.encoded-multipart"),
    ],
)
def test_ambiguous_headers(header: bytes, code: str) -> None:
    with pytest.raises(MimeError) as caught:
        signed(b"--b\r\none\r\n--b\r\ntwo\r\n--b--\r\n", header)
    assert caught.value.code == code


# Long enough that a chunk of it is handed on before the part's end is found.
_LONG = st.sampled_from([b"x" * 1_990, b"y\r\n" * 1_400, b"-" * 2_100, b"--b" + b" " * 990])


@given(
    st.lists(st.one_of(_PIECES, _LONG), max_size=8).map(b"".join),
    st.lists(st.one_of(_PIECES, _LONG), max_size=8).map(b"".join),
    st.sampled_from([7, 1_000, 2_001, 2_100, 4_096, CHUNK]),
)
def test_what_passes_is_the_first_part(before: bytes, inside: bytes, size: int) -> None:
    """However it is cut, and wherever a delimiter is, or what looks like one."""
    body = before + b"\r\n--b\r\n" + inside + b"\r\n--b\r\nsignature\r\n--b--\r\n"
    taken: list[bytes] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Span, "chunks", lambda span: iter(cut(span.bytes(), size)))
        entity = read_entity(Span.of(SIGNED + b"\r\n" + body), limits=LIMITS)
        found = outcome(entity)
        assert outcome(entity, taken.append) == found
    if isinstance(found, tuple):
        assert b"".join(taken) == found[0].bytes()


_EDGES = st.sampled_from(
    [b"--b", b"\r\n--b", b"\n--b", b"--", b"--bb", b" ", b"\t", b"\r\n", b"\n", b"\r", b"x"]
)


@settings(max_examples=500)
@given(st.lists(_EDGES, max_size=14).map(b"".join))
@example(b"--b \r\none\r\n--b\r\ntwo\r\n--b--")
@example(b"--b\r\none\r\n--b \r\ntwo\r\n--b--")
@example(b"--b\none\n--b\ntwo\n--b--\n")
@example(b"--b\r\none\n--b\r\ntwo\r\n--b-- \r\n")
@example(b"--b\r\n\n--b\r\n\r\n--b--\r\n")
@example(b"--b\r\none\r\n--bb\r\n--b\r\ntwo\r\n--b--")
@example(b"\r--bx\r\n--b\r\none\r\n--b\r\ntwo\r\n--b--")
@example(b"--b\r\none\r\n--b\r\ntwo\r--b x\r\n--b--")
def test_parts_that_are_cut_at_once_are_those_that_a_search_finds(body: bytes) -> None:
    entity = read_entity(Span.of(SIGNED + b"\r\n" + body), limits=LIMITS)
    assert outcome(entity) == outcome(entity, lambda _: None)  # whoever takes it has it searched


def test_two_parts_may_be_too_many() -> None:
    entity = read_entity(
        Span.of(SIGNED + b"\r\n--b\r\none\r\n--b\r\ntwo\r\n--b--\r\n"), limits=LIMITS
    )
    with pytest.raises(LimitExceeded) as caught:
        signed_parts(entity, limits=Limits(mime_parts=1))
    assert caught.value.code == "limit.mime-parts"


def outcome(
    entity: Entity, take: Callable[[bytes], object] | None = None
) -> tuple[Span, Span] | str:
    try:
        return signed_parts(entity, limits=LIMITS, take=take)
    except MimeError as error:
        return error.code


@pytest.mark.parametrize("padding", [b"", b" " * 900, b"\t" * 998])
@pytest.mark.parametrize("size", [600, 2_100])
def test_what_passes_ends_where_the_part_does(size: int, padding: bytes) -> None:
    """Wherever the delimiter is cut, and with few octets or many behind it."""
    for more in (0, 3 * size):
        for shift in range(-1_100, 50):
            content = b"x" * (3 * size + shift)
            body = b"--b\r\n" + content + b"\r\n--b" + padding + b"\r\n--b--" + b"e" * more
            found = split_passing(body, size)
            assert found == content, shift


def split_passing(body: bytes, size: int) -> bytes:
    """What passes of the first part, where the body comes in chunks of one size."""
    taken: list[bytes] = []
    first = FirstPart(taken.append)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Span, "chunks", lambda span: iter(cut(span.bytes(), size)))
        first.end(split(Span.of(body), b"b", limits=LIMITS, first=first).parts[0])
    return b"".join(taken)


def test_a_long_part_is_not_read_again() -> None:
    read = 0

    class Counted(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            nonlocal read
            found = super().read(size)
            read += len(found)
            return found

    content = b"one line\r\n" * CHUNK
    mail = SIGNED + b"\r\n--b\r\n" + content + b"\r\n--b\r\nsignature\r\n--b--\r\n"
    entity = read_entity(Span.of_file(Counted(mail)), limits=LIMITS)
    taken: list[bytes] = []
    signed_parts(entity, limits=LIMITS, take=taken.append)
    assert b"".join(taken) == content
    assert read < len(mail) + 3 * CHUNK
