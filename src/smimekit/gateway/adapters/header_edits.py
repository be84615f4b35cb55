"""What a mail server is asked to change so that its header block becomes another one.

Knows fields, and how milters name them: by name and number to delete one, by position to insert
one. May not know any milter library. Fields that stay are not touched.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from smimekit.mime.fields import Field

__all__ = ["Deletion", "HeaderEdits", "Insertion", "header_edits"]

_LONGEST: Final = 60_000
"""Octets of a field that fits into one packet of the protocol (64 KB)."""


@final
@dataclass(frozen=True, slots=True)
class Deletion:
    """The `number`th field of a name goes; the first is 1, and case does not matter."""

    name: str
    number: int


@final
@dataclass(frozen=True, slots=True)
class Insertion:
    """A field with `position` others before it. `value` is all behind the colon, a blank
    included, with a bare LF between its lines.
    """

    position: int
    name: str
    value: str


@final
@dataclass(frozen=True, slots=True)
class HeaderEdits:
    """All deletions, the last field first; then all insertions, the first field first."""

    deletions: tuple[Deletion, ...]
    insertions: tuple[Insertion, ...]


def header_edits(old: Sequence[Field], new: Sequence[Field]) -> HeaderEdits | None:
    """The edits, or None where a new field cannot be told: too long, or neither ASCII nor UTF-8."""
    kept, added = _compared(old, new)
    insertions = []
    for position, field in added:
        value = _value(field)
        if value is None:
            return None
        insertions.append(Insertion(position, field.name, value))
    return HeaderEdits(_deletions(old, kept), tuple(insertions))


def _compared(
    old: Sequence[Field], new: Sequence[Field]
) -> tuple[set[int], list[tuple[int, Field]]]:
    """Which old fields stay, and which new ones come, with their places."""
    places: defaultdict[bytes, deque[int]] = defaultdict(deque)
    for at, field in enumerate(old):
        places[field.raw].append(at)
    kept: set[int] = set()
    added: list[tuple[int, Field]] = []
    last = -1
    for position, field in enumerate(new):
        where = places[field.raw]
        while where and where[0] < last:
            where.popleft()  # a field that stays was behind it: its order would change
        if where:
            last = where.popleft()
            kept.add(last)
        else:
            added.append((position, field))
    return kept, added


def _deletions(old: Sequence[Field], kept: set[int]) -> tuple[Deletion, ...]:
    numbers: Counter[str] = Counter()
    found = []
    for at, field in enumerate(old):
        numbers[field.name.lower()] += 1
        if at not in kept:
            found.append(Deletion(field.name, numbers[field.name.lower()]))
    return tuple(reversed(found))


def _value(field: Field) -> str | None:
    _, _, value = field.raw.partition(b":")
    value = value.replace(b"\r\n", b"\n").removesuffix(b"\n")
    if len(value) > _LONGEST or b"\0" in value:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None
