"""TOML in which every key knows its line: what a person mistypes is named, and where.

Knows TOML v1.0.0 (the standard library reads it; this finds the lines). May not know which keys
there are, nor what they mean: `rules.file` and `program.config` do.
"""

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias, TypeVar, final

from smimekit.errors import GatewayError

__all__ = ["Keys", "Table", "read_file", "read_toml"]

Keys: TypeAlias = tuple[str | int, ...]
"""Where a value is: the names of its tables, and its number in an array of tables."""

_Choice = TypeVar("_Choice", bound=StrEnum)

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
# The four kinds of strings; the closing quotes of a multi-line one may have two more before them.
_STRING: Final = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_PLAIN: Final = re.compile(r"[^\"'\[\]{}#\n]+")
# The standard library takes time with the square of the parts of a key: it gets no long ones.
_LONG_KEY: Final = re.compile(
    r"""(?<![A-Za-z0-9_-])(?:(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
    r"[ \t]*+\.[ \t]*+){32}"
)
_FILE_BYTES: Final = 16 << 20


@final
@dataclass(frozen=True, slots=True)
class Table:
    """One table: its values, and the line of each of them. The getters refuse other types.

    All of them raise GatewayError (`gateway.rules`), which names file and line.
    """

    file: str
    keys: Keys
    values: Mapping[str, object] = field(repr=False)
    """The file may hold a password, in the URL of a store."""
    lines: Mapping[Keys, int]

    @property
    def name(self) -> str:
        """As it stands in the file, without the brackets."""
        return ".".join(_written(key) for key in self.keys if isinstance(key, str))

    def line(self, key: str | None = None) -> int:
        """The line of a key, or of the table itself; both count from 1."""
        keys = self.keys if key is None else (*self.keys, key)
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return self.lines.get(keys, 1)

    def wrong(self, key: str | None, why: str) -> GatewayError:
        """The error to raise about a key, or about the table: `why` is a clause."""
        where = f"[{self.name}]" if self.name else "the file"
        what = where if key is None else f"{_written(key)} in {where}"
        return GatewayError(
            f"{self.file}, line {self.line(key)}: {what} {why}.", code="gateway.rules"
        )

    def only(self, known: Iterable[str]) -> None:
        """Refuse every key that is none of these, and name the likeliest."""
        names = sorted(known)
        for key in self.values:
            if key not in names:
                near = get_close_matches(key, names, n=1)
                hint = f"write {near[0]}" if near else f"there are {', '.join(names)}"
                raise self.wrong(key, f"is unknown; {hint}")

    # --- tables ---------------------------------------------------------------------------

    def table(self, key: str) -> "Table":
        """The table of this name; an empty one where there is none."""
        found = self.values.get(key, {})
        if not isinstance(found, dict):
            raise self.wrong(key, f"is a table: write [{self._below(key)}] above its keys")
        return Table(self.file, (*self.keys, key), found, self.lines)

    def tables(self, key: str) -> Iterator[tuple[str, "Table"]]:
        """The tables below the one of this name, with their names: `[domain."example.org"]`."""
        outer = self.table(key)
        for name in outer.values:
            yield name, outer.table(name)

    def array(self, key: str) -> Iterator["Table"]:
        """The tables of an array of tables: `[[partner]]`."""
        found = self.values.get(key, [])
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise self.wrong(key, f"is a list of tables: write [[{self._below(key)}]] above each")
        for number, one in enumerate(found):
            yield Table(self.file, (*self.keys, key, number), one, self.lines)

    def _below(self, key: str) -> str:
        return f"{self.name}.{_written(key)}" if self.name else _written(key)

    # --- values ---------------------------------------------------------------------------

    def text(self, key: str) -> str | None:
        """A text, or None where the key is missing."""
        found = self.values.get(key)
        if found is None:
            return None
        if isinstance(found, str):
            return self._without_nul(key, found)
        raise self.wrong(key, 'is a text: put it in "quotes"')

    def _without_nul(self, key: str, text: str) -> str:
        """No name of a file, a host or a database has one, and each would raise its own error."""
        if "\0" in text:
            raise self.wrong(key, "has a NUL character in it")
        return text

    def truth(self, key: str) -> bool | None:
        """True or false."""
        found = self.values.get(key)
        if found is None or isinstance(found, bool):
            return found
        raise self.wrong(key, "is true or false, without quotes")

    def number(self, key: str, least: int = 0, most: int = 1 << 53) -> int | None:
        """A whole number between two others, both included."""
        found = self.values.get(key)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
            raise self.wrong(key, f"is a whole number from {least} to {most}")
        return found

    def seconds(self, key: str) -> float | None:
        """A number that is not negative, whole or not."""
        return self._amount(key, "seconds")

    def hours(self, key: str) -> float | None:
        """The same, of hours."""
        return self._amount(key, "hours")

    def _amount(self, key: str, of: str) -> float | None:
        found = self.values.get(key)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < 1e9:
            raise self.wrong(key, f"is a number of {of}")
        return float(found)

    def texts(self, key: str) -> tuple[str, ...] | None:
        """A list of texts; one text stands for a list of one."""
        found = self.values.get(key)
        if found is None:
            return None
        if isinstance(found, str):
            return (self._without_nul(key, found),)
        if isinstance(found, list):
            texts = tuple(self._without_nul(key, one) for one in found if isinstance(one, str))
            if len(texts) == len(found):
                return texts
        raise self.wrong(key, 'is a list of texts, such as ["one", "two"]')

    def choice(self, key: str, kind: type[_Choice]) -> _Choice | None:
        """One of the words of an enumeration."""
        found = self.values.get(key)
        if found is None:
            return None
        for one in kind:
            if found == one.value:
                return one
        raise self.wrong(key, f"is one of {', '.join(one.value for one in kind)}")

    def checked(self, key: str, check: Callable[[str], bool], what: str) -> str | None:
        """A text that passes a check; `what` says what it has to be."""
        found = self.text(key)
        if found is None or check(found):
            return found
        raise self.wrong(key, f"is {what}")


def read_toml(text: str, file: str) -> Table:
    """The whole file as a table; `file` is what errors call it.

    Raises GatewayError (`gateway.rules`) for what is no TOML. Linear in the text.
    """
    long = _LONG_KEY.search(text)
    if long is not None:
        line = text.count("\n", 0, long.start()) + 1
        raise GatewayError(
            f"{file}, line {line}: there are more than 32 names with dots between them.",
            code="gateway.rules",
        )
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise GatewayError(f"{file} is no TOML: {_why(error)}.", code="gateway.rules") from None
    return Table(file, (), values, _lines(text))


def _why(error: Exception) -> str:
    if isinstance(error, tomllib.TOMLDecodeError):
        return str(error)
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    return "there is a number in it that has too many digits"  # sys.set_int_max_str_digits


def read_file(path: str | os.PathLike[str]) -> str:
    """The text of a file. Raises GatewayError (`gateway.rules`) for one that is not UTF-8, or of
    more than 16 MiB; OSError.
    """
    with Path(path).open("rb") as file:
        data = file.read(_FILE_BYTES + 1)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = None
    if text is None or len(data) > _FILE_BYTES:
        raise GatewayError(f"{path} is no text in UTF-8 of reasonable size.", code="gateway.rules")
    return text


def _written(key: str | int) -> str:
    return str(key) if isinstance(key, int) or _BARE.fullmatch(key) else f'"{key}"'


# --- where the keys are -----------------------------------------------------------------------


def _lines(text: str) -> dict[Keys, int]:
    """The line of each table and key of valid TOML; those within `{...}` count as their own."""
    found: dict[Keys, int] = {}
    arrays: dict[Keys, int] = {}
    table: Keys = ()
    at, line, counted = _past(_BLANK, text, 0), 1, 0
    while at < len(text):
        line, counted = line + text.count("\n", counted, at), at
        if text[at] == "[":
            double = text.startswith("[[", at)
            names, at = _key(text, at + 1 + double)
            table = _header(names, arrays, double=double)
            found.setdefault(table, line)
            at = text.index("]", at) + 1 + double
        else:
            names, at = _key(text, at)
            for length in range(1, len(names) + 1):
                found.setdefault((*table, *names[:length]), line)
            at = _past_value(text, text.index("=", at) + 1)
        at = _past(_BLANK, text, at)
    return found


def _header(names: tuple[str, ...], arrays: dict[Keys, int], *, double: bool) -> Keys:
    """The keys of a table, with the number of the array's element that it stands in."""
    keys: Keys = ()
    for place, name in enumerate(names, start=1):
        keys = (*keys, name)
        if double and place == len(names):
            arrays[keys] = arrays.get(keys, -1) + 1
        if keys in arrays:
            keys = (*keys, arrays[keys])
    return keys


def _key(text: str, at: int) -> tuple[tuple[str, ...], int]:
    """A dotted key, and where it ends."""
    names: list[str] = []
    while True:
        at = _past(_SPACE, text, at)
        part = _STRING.match(text, at) or _BARE.match(text, at)
        if part is None:  # not in valid TOML
            return tuple(names), at
        names.append(_name(part[0]))
        at = _past(_SPACE, text, part.end())
        if not text.startswith(".", at):
            return tuple(names), at
        at += 1


def _name(written: str) -> str:
    if written[0] == "'":
        return written[1:-1]
    if written[0] == '"':
        return str(tomllib.loads(f"a = {written}")["a"])
    return written


def _past(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()


def _past_value(text: str, at: int) -> int:
    """Where a value ends: at the line break, or the comment, that no bracket encloses."""
    depth = 0
    while at < len(text):
        string = _STRING.match(text, at)
        if string is not None:
            at = string.end()
            continue
        char = text[at]
        if not depth and char in "#\n":
            return at
        depth += (char in "[{") - (char in "]}")
        at = _past(_BLANK, text, at) if char in "#\n" else max(at + 1, _past(_PLAIN, text, at))
    return at
