"""Spans of memory and of files."""

import io
import os
import tempfile
import threading
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit.errors import UsageError
from smimekit.span import Span, regrouped

data = st.binary(max_size=50)
places = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted)


def spans(content: Any) -> Any:
    file = io.BytesIO(b"before" + content)
    file.seek(6)
    return Span.of(content), Span.of_file(file)


@given(data, places, places)
def test_a_span_reads_like_a_slice(content: Any, outer: Any, inner: Any) -> None:
    for span in spans(content):
        part = span.slice(*outer)
        expected = content[slice(*outer)]
        assert part.bytes() == expected
        assert len(part) == len(expected)
        assert part.read(*inner) == expected[slice(*inner)]
        assert part.slice(*inner).bytes() == expected[slice(*inner)]


@given(data, st.integers(1, 60))
def test_chunks(content: Any, size: Any) -> None:
    for span in spans(content):
        chunks = list(span.chunks(size))
        assert b"".join(chunks) == content
        assert all(len(chunk) == size for chunk in chunks[:-1])
        assert all(chunks)


def test_chunks_can_be_read_again_and_in_between() -> None:
    for span in spans(b"abcdef"):
        first, second = span.chunks(2), span.chunks(3)
        assert [next(first), next(second), next(first), next(second)] == [
            b"ab",
            b"abc",
            b"cd",
            b"def",
        ]
        assert list(span.chunks(6)) == [b"abcdef"]


class Shrunk(io.BytesIO):
    """A file that has more to say at first."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 0, 3))


def test_a_file_that_gives_less_at_a_time() -> None:
    assert Span.of_file(Shrunk(b"From here to there")).bytes() == b"From here to there"


def test_a_file_that_shrinks() -> None:
    """What is left of it must not pass for all of it."""
    file = io.BytesIO(b"From here to there")
    span = Span.of_file(file)
    file.truncate(9)
    assert span.read(0, 9) == b"From here"
    for read in (span.bytes, lambda: list(span.chunks()), lambda: span.read(8, 10)):
        with pytest.raises(UsageError) as error:
            read()
        assert error.value.code == "usage.file-changed"


def test_a_real_file_that_shrinks(tmp_path: Path) -> None:
    path = tmp_path / "mail.eml"
    path.write_bytes(b"From here to there")
    with path.open("rb") as file:
        span, buffer = Span.of_file(file), bytearray()
        os.truncate(path, 9)
        with pytest.raises(UsageError) as error:
            span.fill(buffer, 8, 10)
        assert error.value.code == "usage.file-changed"
        span.fill(buffer, 5, 9)
        assert buffer == b"here"


@given(st.lists(places, min_size=1), st.integers(0, 50))
def test_a_buffer_is_filled(wanted: Any, before: int) -> None:
    """However long it was: with what stands there, and nothing of what was in it."""
    content = bytes(range(100, 160))
    with tempfile.NamedTemporaryFile() as written:
        written.write(b"before" + content)
        written.flush()
        with Path(written.name).open("rb") as file:
            file.seek(6)
            for span in (*spans(content), Span.of_file(file)):
                part, buffer = span.slice(before, 60), bytearray(7)
                for one in wanted:
                    start, end = (min(place, len(part)) for place in one)
                    part.fill(buffer, start, end)
                    assert buffer == content[before:][start:end]


def test_a_file_that_stands_behind_its_end() -> None:
    file = io.BytesIO(b"short")
    file.seek(9)
    assert Span.of_file(file).bytes() == b""


def test_a_file_begins_where_it_stands() -> None:
    file = io.BytesIO(b"From here")
    file.seek(5)
    assert Span.of_file(file).bytes() == b"here"
    assert not file.closed


class Dribble(io.BytesIO):
    """A file that gives less than is asked for, as raw ones may."""

    def read(self, size: int | None = -1, /) -> Any:
        return super().read(min(size, 3) if size and size > 0 else size)


def test_a_file_that_reads_short() -> None:
    """Fewer octets than the file has would be other content than the one that was signed."""
    assert Span.of_file(Dribble(b"0123456789")).bytes() == b"0123456789"


def test_threads_share_a_file() -> None:
    content = bytes(range(256)) * 400
    span = Span.of_file(io.BytesIO(content))
    results = []

    def read() -> None:
        results.append(b"".join(span.chunks(97)))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [content] * 4


@given(st.lists(st.binary(max_size=40)), st.integers(1, 50))
def test_regrouped(chunks: list[bytes], size: int) -> None:
    groups = list(regrouped(chunks, size))
    data = b"".join(chunks)
    assert list(map(b"".join, groups)) == [data[at : at + size] for at in range(0, len(data), size)]
    assert all(map(len, chain(*groups)))


def test_regrouped_copies_nothing() -> None:
    """A group is given out as soon as it is there, and holds the very octets."""
    chunks = [b"abc", b"defg"]
    first = next(regrouped(iter(chunks), 5))
    assert first[0] is chunks[0]
    assert isinstance(first[1], memoryview)
    assert first[1].obj is chunks[1]
