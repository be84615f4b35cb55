"""The journal: what it says was read was read, whatever became of the process or the machine."""

import json
import os
import tracemalloc
import zlib
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit import UsageError
from smimekit.harvesting import Journal
from smimekit.harvesting import journal as home
from smimekit.mailboxes import Mark, Message
from smimekit.span import Span


def message(identity: str, mark: Mark | None = None) -> Message:
    return Message(
        identity=identity, label=identity, open=lambda: nullcontext(Span.of(b"")), mark=mark
    )


def opened(path: Path, **other: str) -> Journal:
    bound: dict[str, Any] = {"source": "mail", "store": "sqlite:///a.db", "rules": "x"} | other
    return Journal(path, **bound)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def test_what_was_added_is_known_from_then_on(path: Path) -> None:
    names = [message(f"{number}.host") for number in range(10_000)]
    with opened(path) as journal:
        assert not any(map(journal.knows, names))
        journal.add(names[:6_000], witness=None)
        assert journal.knows(names[0])
    with opened(path) as journal:
        assert [journal.knows(each) for each in names] == [True] * 6_000 + [False] * 4_000
        assert len(journal) == 6_000


def test_marks_are_remembered_in_place_of_names(path: Path) -> None:
    with opened(path) as journal:
        journal.add(
            [message(str(uid), Mark("INBOX", f"7:{uid}")) for uid in range(1, 9)], witness=None
        )
        journal.add([message("1", Mark("Sent", "9:1"))], witness=None)
        assert len(journal) == 0
    with opened(path) as journal:
        assert journal.marks == {"INBOX": "7:8", "Sent": "9:1"}


def test_the_first_and_the_last_witness_are_kept(path: Path) -> None:
    with opened(path) as journal:
        for witness in ("a", None, "b", "c", None):
            journal.add([message("x")], witness=witness)
    with opened(path) as journal:
        assert journal.witnesses == ["a", "c"]


@pytest.mark.parametrize("part", ["source", "store", "rules"])
def test_it_is_of_one_source_one_store_and_one_set_of_rules(path: Path, part: str) -> None:
    opened(path).close()
    before = path.read_bytes()
    with pytest.raises(UsageError) as caught:
        opened(path, **{part: "another"})
    assert caught.value.code == "usage.journal"
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "data",
    [b"\n", b"From: alice\n", b"00000000 {}\n", b"x" * 9_000_000, b"%08x {}\n" % zlib.crc32(b"{}")],
)
def test_a_file_that_is_no_journal_is_left_alone(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        opened(path)
    assert caught.value.code == "usage.journal"
    assert path.read_bytes() == data


def test_only_one_run_has_it(path: Path) -> None:
    with opened(path):
        with pytest.raises(UsageError) as caught:
            opened(path)
        assert caught.value.code == "usage.journal-busy"
    opened(path).close()


def test_it_holds_neither_names_nor_passwords_and_is_its_owners(path: Path) -> None:
    with opened(
        path, store="postgresql://me:secret@host/db", source="imap://alice@host"
    ) as journal:
        journal.add([message("INBOX of alice")], witness=None)
    data = path.read_bytes()
    assert not [word for word in (b"secret", b"alice", b"INBOX") if word in data]
    assert path.stat().st_mode & 0o077 == 0


def test_the_same_names_look_different_in_each_journal(tmp_path: Path) -> None:
    """Else whoever names messages could make two names that are alike."""
    made = []
    for name in ("a", "b"):
        with opened(tmp_path / name) as journal:
            journal.add([message("1.host")], witness=None)
        made.append((tmp_path / name).read_bytes().splitlines()[1])
    assert made[0] != made[1]


# --- crashes -------------------------------------------------------------------------------


@given(cut=st.integers(1, 400), rubbish=st.binary(max_size=30))
def test_a_torn_end_is_cut_off(
    tmp_path_factory: pytest.TempPathFactory, cut: int, rubbish: bytes
) -> None:
    """Whatever stands behind the last whole line: its messages are read again."""
    path = tmp_path_factory.mktemp("torn") / "journal"
    batches = [[message(f"{batch} {number}") for number in range(3)] for batch in range(4)]
    ends = []
    with opened(path) as journal:
        for batch in batches:
            ends.append(path.stat().st_size)
            journal.add(batch, witness=None)
    ends.append(path.stat().st_size)
    left = max(ends[0], ends[-1] - cut)
    before = path.read_bytes()
    path.write_bytes(before[:left] + rubbish)  # which may be just what was cut off
    after = path.read_bytes()
    whole = max(number for number, end in enumerate(ends) if after[:end] == before[:end])
    with opened(path) as journal:
        for number, batch in enumerate(batches):
            assert [journal.knows(each) for each in batch] == [number < whole] * 3
        journal.add(batches[-1], witness=None)
    with opened(path) as journal:
        assert all(map(journal.knows, batches[-1]))


@given(data=st.data())
def test_a_torn_beginning_begins_anew(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Power went while the first line was written: nobody has to remove what is left of it."""
    path = tmp_path_factory.mktemp("torn") / "journal"
    opened(path).close()
    whole = path.read_bytes()
    cut = data.draw(st.integers(10, len(whole) - 1))
    path.write_bytes(data.draw(st.sampled_from([whole[:cut], bytes(cut)])))
    with opened(path) as journal:
        journal.add([message("1.host")], witness=None)
    with opened(path) as journal:
        assert journal.knows(message("1.host"))


@pytest.mark.parametrize(
    "text", ["deadbeef", "deadbeef ", "0000abcd {notes", "\0\n", "to do: buy milk"]
)
def test_files_of_others_are_not_taken_for_a_torn_beginning(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        opened(path)
    assert (caught.value.code, path.read_text()) == ("usage.journal", text)


WHOLE: dict[str, Any] = {"names": "", "marks": {}}


@pytest.mark.parametrize(
    "text",
    [json.dumps(WHOLE | each) for each in (
        {"names": "QUJD"}, {"names": "*"}, {"names": None}, {"marks": [1]}, {"marks": {"a": 1}},
        {"marks": None}, {"witness": 1},
    )] + ["{}", "[" * 200_000],
)  # fmt: skip
def test_whole_lines_that_say_something_else_are_refused(path: Path, text: str) -> None:
    opened(path).close()
    before = path.read_bytes()
    path.write_bytes(before + b"%08x %s\n" % (zlib.crc32(text.encode()), text.encode()))
    with pytest.raises(UsageError) as caught:
        opened(path)
    assert caught.value.code == "usage.journal"
    assert path.read_bytes().startswith(before)


@pytest.mark.parametrize("key", ["zz", 1, None])
def test_a_key_that_is_none_is_refused(path: Path, key: Any) -> None:
    opened(path).close()
    head = json.loads(path.read_bytes()[9:]) | {"key": key}
    text = json.dumps(head).encode()
    path.write_bytes(b"%08x %s\n" % (zlib.crc32(text), text))
    with pytest.raises(UsageError) as caught:
        opened(path)
    assert caught.value.code == "usage.journal"


def test_a_changed_line_is_not_believed(path: Path) -> None:
    with opened(path) as journal:
        journal.add([message("a", Mark("INBOX", "7:5"))], witness=None)
    path.write_bytes(path.read_bytes().replace(b"7:5", b"7:9"))
    with opened(path) as journal:
        assert journal.marks == {}


def test_a_batch_is_on_the_disk_before_it_counts(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(5, "disk")

    with opened(path) as journal:
        monkeypatch.setattr(os, "fsync", refuse)
        with pytest.raises(OSError, match="disk"):
            journal.add([message("a")], witness=None)
        assert not journal.knows(message("a"))


def test_every_batch_is_flushed_to_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    fsync = os.fsync

    def watched(number: int) -> None:
        flushed.append(number)
        fsync(number)

    monkeypatch.setattr(os, "fsync", watched)
    with opened(path) as journal:
        for name in "abc":
            journal.add([message(name)], witness=None)
    assert len(flushed) == 4


# --- size ----------------------------------------------------------------------------------


def test_a_hundred_thousand_names_take_little(path: Path) -> None:
    """24 octets each at most in memory, and 11 in the file, besides what a line costs."""
    count = 100_000
    with opened(path) as journal:
        for start in range(0, count, 2_000):
            part = [
                message(f"cur/{number}.host") for number in range(start, min(count, start + 2_000))
            ]
            journal.add(part, witness=None)
    assert path.stat().st_size < 12 * count
    tracemalloc.start()
    try:
        with opened(path) as journal:
            kept, peak = tracemalloc.get_traced_memory()
            assert len(journal) == count
    finally:
        tracemalloc.stop()
    assert kept < 24 * count
    assert peak < 40 * count


@given(st.sets(st.integers(0, (1 << 64) - 1), max_size=3_000), st.integers(0, (1 << 64) - 1))
def test_the_table_is_a_set(numbers: set[int], other: int) -> None:
    table = home._Names()
    for number in [*numbers, *numbers, 0]:
        table.add(number)
    assert all(number in table for number in numbers)
    assert (other in table) == (other in numbers | {0})
    assert len(table) == len(numbers | {0})
