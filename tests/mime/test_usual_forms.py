"""What is usual goes a shorter way: it ends where the long one does, or is not taken."""

import re
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit.errors import MimeError
from smimekit.limits import Limits
from smimekit.mime import (
    address,
    canonical,
    confidentiality,
    content_type,
    fields,
    protected,
    safety,
    transfer,
    writer,
)
from smimekit.mime.fields import Field, HeaderBlock
from smimekit.span import CHUNK, Span

NEVER = re.compile(rb"(?!)")
NEVER_TEXT = re.compile(r"(?!)")
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
ENCODINGS = [b"7bit", b"8BIT", b"binary", b"Base64", b"quoted-printable"]
FIELDS = [
    *(b" ", b"a", b"b c", b"\t", b"\r\n", b"\r\n ", b"\r\n\td", b"\n e", b"\r", b"\n", b"\x00"),
    *("ü".encode(), b"x" * 990, b"\r\n f\r\n", b"\r\n \r\n", b": g", b"B: h"),
]


def joined(pieces: list[bytes], most: int) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(pieces), max_size=most).map(b"".join)


@given(joined(TYPES, 7) | joined(TYPES, 5).map(b"text/plain".__add__))
def test_a_usual_content_type_is_read_as_any_other(value: bytes) -> None:
    def read() -> object:
        try:
            return content_type._parse(value)
        except MimeError as error:
            return error.code

    found = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(content_type, "_USUAL", NEVER_TEXT)
        assert read() == found
    for _ in range(2):  # the second time it is known
        with suppress(MimeError):
            assert content_type.parse_content_type(value) == found


@given(joined([*ENCODINGS, b" ", b"\t", b"(c)", b"x", b";", "\u212a".encode(), b"\xff"], 3))
def test_a_usual_encoding_is_read_as_any_other(value: bytes) -> None:
    def read() -> str:
        block = HeaderBlock.of([Field.of("Content-Transfer-Encoding", value)])
        try:
            return content_type.transfer_encoding(block)
        except MimeError as error:
            return error.code

    found = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(content_type, "_USUAL_ENCODINGS", {})
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
    found = content_type._USUAL.fullmatch(value.decode())
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


@st.composite
def nearly_equal_lines(draw: st.DrawFn) -> bytes:
    """Lines of one length, and perhaps an octet in them that is another one."""
    text = (b"a" * draw(st.integers(0, 6)) + b"\r\n") * draw(st.integers(8, 20))
    at = draw(st.integers(0, len(text)))
    stray = draw(st.sampled_from([b"", b"\r", b"\n", b" ", b"\t", b"\x00", b"\xe4"]))
    after = draw(st.sampled_from([b"", b"a", b"a\r\n", b"\r\n", b"\n", b"\r"]))
    return text[:at] + stray + text[at + len(stray) :] + after


@given(nearly_equal_lines(), st.integers(1, 200))
def test_chunks_of_equal_lines_are_as_safe_as_any_other(data: bytes, size: int) -> None:
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(safety, "_MANY_LINES", 0)
        found = safety.are_transport_safe(chunks)
        patch.setattr(safety, "_has_equal_lines", lambda _: False)
        assert safety.is_transport_safe(data) is found


LONG = st.builds(
    lambda width, eol: b"a" * width + eol,
    st.sampled_from([0, 1, 76, 500, 990, 996, 997, 998, 999, 1000]),
    st.sampled_from([b"\r\n"] * 9 + [b"\n", b" \r\n", b"\r", b"\x00\r\n", b"\r\nFrom "]),
)


@given(st.lists(LONG, max_size=12), st.integers(1000, 1100))
def test_a_span_is_as_safe_as_its_octets(lines: list[bytes], size: int) -> None:
    data = b"".join(lines)
    around = Span.of(b"\r" + data + b"\n").slice(1, 1 + len(data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(safety, "CHUNK", size)
        assert safety.is_safe_span(around) is safety.is_transport_safe(data)


@pytest.mark.parametrize("end", [b"", b"=\r\n", b" \r\n", b"\r"])
def test_a_span_is_as_safe_wherever_it_is_cut(monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    data = b"word and\tword\r\n" * 99 + end
    for size in range(1000, 1015):
        monkeypatch.setattr(safety, "CHUNK", size)
        assert safety.is_safe_span(Span.of(data)) is (end in {b"", b"=\r\n"})


def test_a_line_without_end_is_not_safe() -> None:
    assert not safety.is_safe_span(Span.of(b"a" * (CHUNK + 1)))


@given(nearly_equal_lines())
def test_what_is_no_text_of_equal_lines_stays_as_it_is(data: bytes) -> None:
    """The other ways of looking at it come after this one."""
    text = bytearray(data)
    if not safety._has_equal_lines(text):
        assert text == data


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
            patch.setattr(transfer, "_decode_equal_lines", lambda held, chunk: None)
            assert decoded() == found


def test_base64_is_made_of_lines_of_one_length() -> None:
    data = b"".join(transfer.encode_base64([bytes(10_000)]))
    assert safety._has_equal_lines(data)
    part = data[30:4_000]
    for text in (part, part.replace(b"\r\n", b"\n")):  # as it is sent, and as it is stored
        for held in (b"", b"AA"):
            plain = held + text.translate(None, b"\r\n")
            usual = transfer._decode_equal_lines(held, text)
            assert usual == transfer._decode_groups(plain, padded=False)
    changes = [data[:100] + stray + data[101:] for stray in (b"\r", b"\n")]
    for changed in (data.replace(b"\r\n", b"\n", 1), *changes):
        assert not safety._has_equal_lines(changed)
        assert not safety.is_transport_safe(changed)
        assert not safety.are_transport_safe([changed])
    assert not safety._has_equal_lines((b"a" * 999 + b"\r\n") * 10)


def written(raw: list[bytes]) -> object:
    """All that is made of fields that go out, or the first error."""
    fields = [Field("X-A", each) for each in raw]
    try:
        return (
            [writer.field_bytes(field) for field in fields],
            writer.header_bytes(fields),
            [safety.safe_field(field).raw for field in fields],
            [safety.safe_message_field(field).raw for field in fields],
            safety.safe_message_header(fields),
        )
    except MimeError as error:
        return error.code


@given(st.lists(joined(FIELDS, 9).map(b"X-A:".__add__), max_size=3))
def test_a_usual_field_is_sent_as_any_other(raw: list[bytes]) -> None:
    found = written(raw)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "_SENT", NEVER)
        patch.setattr(safety, "_PLAIN", NEVER)
        assert written(raw) == found


@given(st.lists(joined(FIELDS, 9).map(b"X-A:".__add__), max_size=3))
def test_fields_are_sent_together_as_they_are_one_by_one(raw: list[bytes]) -> None:
    found = written(raw)
    if isinstance(found, tuple):
        one_by_one, together, _, safe, safe_together = found
        assert together == b"".join(one_by_one)
        assert safe_together == b"".join(writer.field_bytes(Field("X-A", each)) for each in safe)


@given(joined(FIELDS, 9).map(b"X-A:".__add__))
def test_a_usual_field_is_copied_as_any_other(raw: bytes) -> None:
    """RFC 9788, 2.2.1."""

    def copied() -> object:
        try:
            safe = safety.safe_message_field(Field("X-A", raw))
            return protected.shown([("X-A", safe.raw)], confidentiality.hcp_baseline)
        except MimeError as error:
            return error.code

    found = copied()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protected, "_SHORT", NEVER)
        assert copied() == found


NAMES = ["From", "to", "Cc", "DATE", "Subject", "comments", "Keywords", "X-A", "Reply-To"]
VALUES = [b"a@b", b"Al <a@b>", b"Sun, 01 Mar 2026 12:00:00 +0100", b"=?utf-8?q?x?=", b"[...]", b""]
POLICIES = [
    *(confidentiality.hcp_baseline, confidentiality.hcp_shy),
    *(confidentiality.hcp_no_confidentiality, lambda name, value: value.upper() or name),
]


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=4),
    st.sampled_from(POLICIES),
)
def test_what_a_policy_leaves_alone_need_not_be_read(
    fields: list[tuple[str, bytes]], policy: confidentiality.HeaderPolicy
) -> None:
    """RFC 9788, 3.2: no value makes a policy change a field that it is not about."""
    raw = [(name, Field.of(name, value).raw) for name, value in fields]
    found = protected.shown(raw, policy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protected, "changed_by", lambda _: None)
        assert protected.shown(raw, policy) == found


@pytest.mark.parametrize(
    "raw, short",
    [
        (b"A: b\r\n", True),
        (b"A: " + b"b" * 802 + b"\r\n", True),
        (b"A: " + b"b" * 803 + b"\r\n", False),
        (b"A: \r\n", False),
        (b"A:b\r\n", False),
        (b"A:  b\r\n", False),
        (b"A: b\r\n c\r\n", False),
    ],
)
def test_most_copies_are_usual(raw: bytes, short: bool) -> None:
    assert (protected._SHORT.fullmatch(raw) is not None) is short


@pytest.mark.parametrize(
    "raw, sent, safe",
    [
        (b"A: b\r\n", True, True),
        (b"A: b\r\n\tc\r\n d\r\n", True, True),
        (b"A:\r\n c\r\n", True, True),
        ("A: ü\r\n c\r\n".encode(), True, False),
        (b"A: b\r\n " + b"c" * 1000 + b"\r\n", True, False),
        (b"A: b\r\n \r\n c\r\n", False, False),
        (b"A: b\r\n c \r\n", False, False),
        (b"A: b\n", False, False),
        (b"A: b\r\nB: c\r\n", False, False),
    ],
)
def test_most_fields_are_usual(raw: bytes, sent: bool, safe: bool) -> None:
    assert (writer._SENT.fullmatch(raw) is not None) is sent
    assert (safety._PLAIN.fullmatch(raw) is not None) is safe


@pytest.mark.parametrize("pattern", [writer._SENT, safety._PLAIN])
@pytest.mark.parametrize("line", [b" ", b" \t" * 400, b"\r\n a", b"\r\n " + b"b " * 400, b"a"])
def test_what_is_no_usual_field_is_found_out_in_linear_time(
    pattern: re.Pattern[bytes], line: bytes
) -> None:
    begun = time.process_time()
    assert not pattern.fullmatch(b"A:" + line * (1_000_000 // len(line)) + b"\x00")
    assert time.process_time() - begun < 5


@given(joined([b"A: b", b"\r", b"\n", b"\r\n", b" c", b"x", b":", b"C:"], 12))
def test_the_end_of_a_header_is_found_as_by_a_pattern(data: bytes) -> None:
    found = re.search(rb"\n\r?\n", data)
    assert fields._block_end(data, 0) == (found.end() if found else 0)


@given(joined([b"A: b", b"From: c", b"\r", b"\n", b"\r\n", b" c", b"x", b":", b"\t", b"C :"], 12))
def test_the_fields_of_a_header_are_found_as_line_by_line(data: bytes) -> None:
    """RFC 5322, 2.2: a line that begins with a blank goes on; any other begins a field."""
    try:
        block = fields.read_header(Span.of(data), limits=Limits())
    except MimeError:
        block = None
    head = data[: fields._block_end(data, 0) or len(data)]
    lines = re.split(rb"(?<=\n)(?![ \t])", head)
    while lines and lines[-1] in {b"", b"\n", b"\r\n"}:
        lines.pop()
    names = [re.match(rb"([!-9;-~]+)[ \t]*:", line) for line in lines]
    if not lines or names[0] is None or head.startswith((b"\n", b"\r\n")):
        assert block is not None
        assert block.fields == ()
    elif None in names:
        assert block is None
    else:
        assert block is not None
        assert [each.raw for each in block.fields] == lines
        assert [each.name.encode() for each in block.fields] == [name[1] for name in names if name]


def test_the_fields_of_a_name_are_found_in_their_order() -> None:
    found = [Field.of(name, value) for name, value in [("A", b"1"), ("b", b"2"), ("a", b"3")]]
    block = HeaderBlock.of(found)
    assert block.all("a") == block.all("A") == (found[0], found[2])
    assert block.all("c") == ()
    assert block == HeaderBlock.of(found)
    assert block.repeats
    assert not HeaderBlock.of(found[1:]).repeats
    assert not HeaderBlock.of(()).repeats
    assert block.one("B") is found[1]
    assert block.one("c") is None
    with pytest.raises(MimeError) as caught:
        block.one("A")
    assert caught.value.code == "mime.duplicate-field"
