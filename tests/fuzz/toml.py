"""Changes to TOML that keep its structure: tables, keys and values. Knows no key's meaning.

What comes out often is TOML still, so that what is behind its parser is reached, too.
"""

import re
import tomllib
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from tests.fuzz.mutate import mutate_bytes

__all__ = ["Statement", "is_toml", "joined", "mutate_toml", "statements"]

VALUES: Final = (
    *("true", "false", "0", "-1", "1", "4096", "9007199254740993", "1" + "0" * 400, "9" * 5_000),
    *("0x" + "f" * 40, "1e400", "-inf", "nan", "-0.0", "1_0", "1e-9", "1e9", "0.5"),
    *("1979-05-27T07:32:00Z", "1979-05-27", "07:32:00", "2020-13-45", "0000-01-01"),
    *('""', "''", '" "', '"*"', '"*.*"', '"a@b"', '"@"', '"*@*"', '"\\u0000"', '"a\\u0000b"'),
    *('"\\n"', '"\\uD800"', '"\\U0010FFFF"', '"xn--\\u00fc"', '"\\u202e\\u3002\\uff0e"', '"/"'),
    *('"/dev/null/x"', '"."', '"../.."', '"unix:/x"', '"unix:/"', '"[::1]:25"', '"::1"', '":"'),
    *(f'"h:{"9" * 5_000}"', '"h:\\u0661"', '"h:\\u00b2"', '"[fe80::1%x]:1"', '"0.0.0.0/0"'),
    *('"::/0"', '"10.0.0.0/33"', '"must"', '"never"', '"smtp"', '"lmtp"', '"milter"', '"sqlite:"'),
    *("[]", "[[]]", "[{}]", "{}", "{a = 1}", '["a", 1]', '["", ""]', "[" * 3_000, '"""\n"""'),
    *('["example.org", "EXAMPLE.ORG"]', '["*", "*"]', "{a.b.c = {}}", f'"{"a." * 300}"'),
    *(f'"{"a" * 70_000}"', ".".join("a" * 400) + " = 1", "'''\n[x]\n'''", '"[sign]"', '"\\t"'),
)
ENDS: Final = ("\r\n", "\r", "", " # \u00fc\n", "\n\n\n", "\n\ufeff")
_HEADER: Final = re.compile(r"\[\[?.*")
_PAIR: Final = re.compile(r"([^=#]*)=(.*)", re.DOTALL)
_OPEN: Final = re.compile(r"[\[{]")
_CLOSE: Final = re.compile(r"[\]}]")


@dataclass(frozen=True)
class Statement:
    """A header, a pair of key and value, or what is neither; with the line break behind it."""

    key: str
    value: str | None
    end: str = "\n"

    def __str__(self) -> str:
        middle = "" if self.value is None else f"={self.value}"
        return f"{self.key}{middle}{self.end}"


def statements(text: str) -> list[Statement]:
    """Those of a text; lines whose brackets are open are one with what closes them."""
    found: list[Statement] = []
    held = ""
    for line in text.splitlines(keepends=True):
        held += line
        pair = None if _HEADER.match(held) else _PAIR.fullmatch(held.rstrip("\r\n"))
        if pair and len(_OPEN.findall(pair[2])) > len(_CLOSE.findall(pair[2])):
            continue
        found.append(_statement(held))
        held = ""
    return [*found, _statement(held)] if held else found


def _statement(text: str) -> Statement:
    bare = text.rstrip("\r\n")
    pair = None if _HEADER.match(bare) else _PAIR.fullmatch(bare)
    end = text[len(bare) :]
    return Statement(pair[1], pair[2], end) if pair else Statement(bare, None, end)


def joined(found: list[Statement]) -> str:
    return "".join(map(str, found))


def is_toml(data: bytes) -> bool:
    """What is none is refused early, and so is whatever is made of it."""
    try:
        tomllib.loads(data.decode())
    except (ValueError, RecursionError):
        return False
    return True


def mutate_toml(data: bytes, random: Random) -> bytes:
    try:
        found = statements(data.decode())
    except UnicodeDecodeError:
        return mutate_bytes(data, random)
    if not found or random.random() < 0.05:
        return mutate_bytes(data, random)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        _change(found, random)
    return joined(found).encode("utf-8", "surrogatepass")


def _change(found: list[Statement], random: Random) -> None:
    if not found:
        return
    at = random.randrange(len(found))
    one, other = found[at], random.choice(found)
    match random.randrange(20):
        case 0 | 1:
            del found[at]
        case 2:
            found[at:at] = [one] * random.choice((1, 2, 90))
        case 3 | 4:
            found.insert(random.randrange(len(found)), found.pop(at))
        case 5:
            start = random.randrange(len(found))
            found[at:at] = found[start : start + random.choice((2, 8))]
        case 6 | 7:
            found[at] = replace(one, key=_key(one.key, random))
        case 8:
            found[at] = replace(one, key=other.key)
        case 9:
            found[at] = replace(one, end=random.choice(ENDS))
        case 10:
            found[at] = _octets(one, random)
        case _:
            _change_value([each for each in found if each.value is not None], found, random)


def _change_value(pairs: list[Statement], found: list[Statement], random: Random) -> None:
    if not pairs:
        return
    one = random.choice(pairs)
    value = one.value or ""
    match random.randrange(6):
        case 0 | 1:
            value = random.choice(pairs).value or ""
        case 2:
            value = _wrapped(value, random)
        case _:
            value = f" {random.choice(VALUES)}"
    found[found.index(one)] = replace(one, value=value)


def _key(key: str, random: Random) -> str:
    """A key or a header, written otherwise."""
    name = key.strip().strip("[]")
    return random.choice(
        (
            f"[{name}]",
            f"[[{name}]]",
            f'["{name}"]',
            f"{name}.{name}",
            f"[{name}.{name}]",
            f"[{'.'.join([name] * 50)}]",
            f'"{name}" ',
            f"'{name}' ",
            name[:-1],
            name.upper(),
            f'[domain."{name}"]',
            f'[address."{name}@{name}"]',
            "a" * 9_000,
            '"\\u0000" ',
            '"" ',
        )
    )


def _wrapped(value: str, random: Random) -> str:
    body, hash_, comment = value.partition("#")
    before, after = random.choice(
        (("[", "]"), ("[[", "]]"), ("{a =", "}"), ("'''", "'''"), ('"', '"'))
    )
    return f" {before}{body.strip()}{after} {hash_}{comment}"


def _octets(one: Statement, random: Random) -> Statement:
    changed = mutate_bytes(str(one).encode("utf-8", "surrogatepass"), random)
    return Statement(changed.decode("utf-8", "replace"), None, "")
