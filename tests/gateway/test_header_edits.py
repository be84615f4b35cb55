"""The edits, made as a mail server makes them, give the new header block."""

from hypothesis import given
from hypothesis import strategies as st

from smimekit.gateway.adapters.header_edits import Deletion, HeaderEdits, Insertion, header_edits
from smimekit.mime.fields import Field


def field(name: str, value: str = "a") -> Field:
    return Field.of(name, value.encode())


def edited(old: list[Field], edits: HeaderEdits) -> list[Field]:
    """As the milter protocol has it: by name and number, by position."""
    fields = list(old)
    for gone in edits.deletions:
        same = [at for at, each in enumerate(fields) if each.name.lower() == gone.name.lower()]
        del fields[same[gone.number - 1]]
    for new in edits.insertions:
        raw = f"{new.name}:{new.value}".replace("\n", "\r\n") + "\r\n"
        fields.insert(new.position, Field(new.name, raw.encode()))
    return fields


FIELDS = st.lists(st.builds(field, st.sampled_from("ABab"), st.sampled_from(["1", "2", "x\r\n y"])))


@given(FIELDS, FIELDS)
def test_any_block_becomes_any_other(old: list[Field], new: list[Field]) -> None:
    edits = header_edits(old, new)
    assert edits is not None
    assert edited(old, edits) == new


def test_what_stays_is_not_touched() -> None:
    old = [field("Received"), field("From"), field("Subject", "[sign] a"), field("To")]
    new = [field("X-New"), old[0], old[1], field("Subject"), old[3]]
    assert header_edits(old, new) == HeaderEdits(
        (Deletion("Subject", 1),), (Insertion(0, "X-New", " a"), Insertion(3, "Subject", " a"))
    )
    assert header_edits(old, old) == HeaderEdits((), ())


def test_the_last_of_a_name_goes_first() -> None:
    """Else the second were the first when its turn comes."""
    edits = header_edits([field("A"), field("a", "b")], [])
    assert edits is not None
    assert [each.number for each in edits.deletions] == [2, 1]


def test_what_the_protocol_cannot_tell() -> None:
    assert header_edits([], [Field.of("A", b"\xff")]) is None
    assert header_edits([], [Field.of("A", b"a\0b")]) is None
    assert header_edits([], [Field.of("A", b"a" * 65_536)]) is None
    assert header_edits([], [Field.of("A", "ä".encode())]) is not None
