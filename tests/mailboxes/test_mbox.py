"""mbox (RFC 4155, appendix A): what went in comes out, octet by octet, and is read once."""

import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit import MimeError
from smimekit.mailboxes import Mailbox, Mbox, MboxForm, Piped
from smimekit.mailboxes.mbox import begins_mbox, mbox_messages
from smimekit.span import Span

POSTMARK = b"From alice@example.org Sat Nov 22 02:51:33 2026\n"
FIRST = b"From: a@example.org\nSubject: 1\n\nOne\n"
SECOND = b"From: b@example.org\nSubject: 2\n\nTwo\n"


def quoted(message: bytes) -> bytes:
    """As writers of mboxrd do it, in words of their own: a ">" before each such line."""
    lines = message.splitlines(keepends=True)
    return b"".join(b">" + line if re.match(rb">*From ", line) else line for line in lines)


def mbox(*messages: bytes, line_end: bytes = b"\n") -> bytes:
    return b"".join(POSTMARK + message + line_end for message in messages)


def contents(mailbox: Mailbox, marks: dict[str, str] | None = None) -> list[bytes]:
    return list(read(mailbox, marks or {}))


def read(mailbox: Mailbox, marks: dict[str, str]) -> Iterator[bytes]:
    for message in mailbox.messages(marks):
        with message.open() as span:
            yield span.bytes()


def parsed(data: bytes, form: MboxForm = MboxForm.RD) -> list[bytes]:
    return contents(Piped(Span.of(data), form=form))


# --- the octets ----------------------------------------------------------------------------


def test_messages_come_out_as_they_went_in() -> None:
    assert parsed(mbox(FIRST, SECOND)) == [FIRST, SECOND]
    assert parsed(b"") == []


def test_crlf_is_kept() -> None:
    first, second = (each.replace(b"\n", b"\r\n") for each in (FIRST, SECOND))
    data = b"".join(POSTMARK.replace(b"\n", b"\r\n") + each + b"\r\n" for each in (first, second))
    assert parsed(data) == [first, second]


def test_the_last_message_may_lack_its_empty_line() -> None:
    assert parsed(mbox(FIRST, SECOND)[:-1]) == [FIRST, SECOND]
    assert parsed(mbox(FIRST, SECOND)[:-2]) == [FIRST, SECOND[:-1]]


def test_empty_lines_of_a_message_are_its_own() -> None:
    first = FIRST + b"\n\n"
    assert parsed(mbox(first, SECOND + b"\n")) == [first, SECOND + b"\n"]


LINES = st.sampled_from(
    [b"From here\n", b">From here\n", b">>From here\n", b"\n", b"text\n", POSTMARK, b">" + POSTMARK,
     b">>\n", b"text\r\n", b"\r\n", b" From x\n", b"From\n", b"FROM x\n"]
)  # fmt: skip


@given(bodies=st.lists(st.lists(LINES, max_size=8).map(b"".join), max_size=5))
def test_whatever_was_quoted_by_rd_is_the_same_again(bodies: list[bytes]) -> None:
    messages = [b"Subject: x\n\n" + body for body in bodies]
    assert parsed(mbox(*map(quoted, messages))) == messages


@given(data=st.binary(max_size=400), form=st.sampled_from(MboxForm))
def test_any_octets_below_a_separator_are_messages(data: bytes, form: MboxForm) -> None:
    found = parsed(POSTMARK + data, form)
    assert found
    assert sum(map(len, found)) <= len(data)


def test_a_file_that_is_no_mbox_is_refused() -> None:
    with pytest.raises(MimeError) as caught:
        parsed(FIRST)
    assert caught.value.code == "mime.mbox"


def test_forms_differ_in_what_they_take_away() -> None:
    body = b"Subject: x\n\n>From a\n>>From b\n"
    data = mbox(body)
    assert parsed(data, MboxForm.RD) == [b"Subject: x\n\nFrom a\n>From b\n"]
    assert parsed(data, MboxForm.O) == [b"Subject: x\n\nFrom a\n>>From b\n"]
    assert parsed(data, MboxForm.CL) == [b"Subject: x\n\nFrom a\n>>From b\n"]
    assert parsed(data, MboxForm.CL2) == [body]


# --- separators ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        b"From alice@example.org Sat Nov 22 02:51:33 2026",
        b"From - Thu Jan  1 00:00:00 1970",
        b"From MAILER-DAEMON Fri Jul  8 12:08 2011",
        b"From a@b Sat, 22 Nov 2026 02:51:33 +0000",
        b"From a@b Thu Jan  1 00:00:00 +0000 1970",
    ],
)
def test_separators_end_in_a_date(line: bytes) -> None:
    assert begins_mbox(line + b"\n")
    assert len(parsed(mbox(FIRST) + line + b"\n" + SECOND)) == 2


@pytest.mark.parametrize(
    "line", [b"From now on", b"From: alice", b"from a Sat Nov 22 02:51:33 2026", b"From Sat to Sun"]
)
def test_what_only_looks_like_a_separator_is_text(line: bytes) -> None:
    """A careless program leaves a paragraph that begins so as it was."""
    message = FIRST + b"\n" + line + b"\nmore\n"
    assert parsed(mbox(message, SECOND)) == [message, SECOND]


def test_a_separator_stands_below_an_empty_line() -> None:
    message = FIRST + POSTMARK + b"more\n"
    assert parsed(mbox(message, SECOND)) == [message, SECOND]


def test_a_separator_across_blocks_is_found() -> None:
    for size in (*range((1 << 14) - 60, (1 << 14) + 4), (1 << 20) + 17):
        message = b"A: b\n\n" + b"x" * size + b"\n"
        assert parsed(mbox(message, SECOND)) == [message, SECOND]


def test_content_length_says_where_a_message_ends() -> None:
    body = b"text\n\n" + POSTMARK + b"more\n"
    message = b"Content-Length: %d\nSubject: x\n\n" % len(body) + body
    assert parsed(mbox(message, SECOND), MboxForm.CL2) == [message, SECOND]
    assert len(parsed(mbox(message, SECOND), MboxForm.RD)) == 3


@pytest.mark.parametrize("length", [b"3", b"9999999", b"x", b"1" * 4_000])
def test_a_content_length_that_cannot_be_is_not_believed(length: bytes) -> None:
    message = b"Content-Length: " + length + b"\n\nsome text\n"
    assert parsed(mbox(message, SECOND), MboxForm.CL2) == [message, SECOND]


# --- going on ------------------------------------------------------------------------------


def marks_after(path: Path, count: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for message in list(Mbox(path).messages({}))[:count]:
        assert message.mark is not None
        found[message.mark.stream] = message.mark.value
    return found


def test_reading_goes_on_behind_the_mark(tmp_path: Path) -> None:
    path = tmp_path / "mbox"
    path.write_bytes(mbox(FIRST, SECOND, FIRST))
    assert contents(Mbox(path), marks_after(path, 1)) == [SECOND, FIRST]
    assert contents(Mbox(path), marks_after(path, 2)) == [FIRST]
    whole = marks_after(path, 3)
    assert contents(Mbox(path), whole) == []
    assert Mbox(path).total(whole) == 0
    path.write_bytes(mbox(FIRST, SECOND, FIRST, SECOND))
    assert contents(Mbox(path), whole) == [SECOND]


def test_a_file_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "mbox"
    path.write_bytes(mbox(FIRST, SECOND))
    marks = marks_after(path, 1)
    for changed in (
        mbox(SECOND, FIRST, SECOND),
        mbox(FIRST.replace(b"One", b"Uno"), SECOND),
        mbox(FIRST)[:-9],
    ):
        path.write_bytes(changed)
        assert contents(Mbox(path), marks) == contents(Mbox(path))


def test_a_message_that_was_still_arriving_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "mbox"
    whole = mbox(FIRST, SECOND)
    path.write_bytes(whole[:-8])
    marks = marks_after(path, 2)
    path.write_bytes(whole)
    assert contents(Mbox(path), marks) == [FIRST, SECOND]


@pytest.mark.parametrize("mark", ["", "x", "-1:", "999999:00", "5:" + "0" * 64, "\u0661:0"])
def test_a_mark_that_is_none_counts_as_none(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "mbox"
    path.write_bytes(mbox(FIRST, SECOND))
    assert contents(Mbox(path), {"": mark}) == [FIRST, SECOND]


def test_weights_add_up(tmp_path: Path) -> None:
    path = tmp_path / "mbox"
    path.write_bytes(mbox(FIRST, SECOND, FIRST))
    box = Mbox(path)
    assert sum(each.weight for each in box.messages({})) == box.total({}) == path.stat().st_size
    marks = marks_after(path, 1)
    assert sum(each.weight for each in box.messages(marks)) == box.total(marks)


# --- size ----------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [b"0123456789abcde\n", b"0123456789abcdef"])
def test_a_long_message_is_unquoted_outside_memory(tmp_path: Path, line: bytes) -> None:
    """With and without line ends: a piece that begins within a line has nothing to take away."""
    path = tmp_path / "mbox"
    filler = line * ((9 << 20) // 16)
    message = b"A: b\n\n" + filler + b">From c\nFrom here\n>From there\n" + filler + b"\n"
    path.write_bytes(mbox(quoted(message), SECOND))
    found = Mbox(path).messages({})
    tracemalloc.start()
    try:
        with next(found).open() as span:
            _, peak = tracemalloc.get_traced_memory()
            assert peak < 8 << 20
            assert span.bytes() == message
    finally:
        tracemalloc.stop()
    with next(found).open() as span:
        assert span.bytes() == SECOND


def test_a_large_file_is_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "mbox"
    message = b"A: b\n\n" + b"0123456789abcde\n" * (1 << 16)
    with path.open("wb") as file:
        for _ in range(40):
            file.write(mbox(message))
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            for each in mbox_messages(Span.of_file(file), MboxForm.RD):
                with each.open() as span:
                    assert len(span) == len(message)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20 < path.stat().st_size
