"""TOML v1.0.0 with the line of every key: what tomllib reads, and where it stands."""

import time
import tomllib
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit import GatewayError
from smimekit.gateway.rules.toml_lines import Table, read_toml

TEXT = '''# a comment with [brackets] and "quotes
title = "a # no comment"

[gateway]  # [not.a.table]
name = 'mx'
list = [
  "one",  # ]
  "two",
]
after = 1
long = """
[fake]
key = 1 \\"""
still"""
raw = \'\'\'
[fake]
\'\'\'\'\'
inline = { a = 1, b = "}" }
last.dotted."key" = true

[domain."*.example.org"]
encrypt = "must"

[[partner]]
from = "a"

[[partner]]
from = "b"
[partner.more]
x = 1
'''


class Word(StrEnum):
    ONE = "one"
    TWO = "two"


def read(text: str) -> Table:
    return read_toml(text, "rules.toml")


def place(text: str, start: str) -> int:
    """The line, counted from 1, of the only line that starts so."""
    [found] = [at for at, line in enumerate(text.splitlines(), 1) if line.startswith(start)]
    return found


@pytest.mark.parametrize(
    ("tables", "key", "start"),
    [
        ((), "title", "title"),
        ((), "gateway", "[gateway]"),
        (("gateway",), "name", "name"),
        (("gateway",), "list", "list"),
        (("gateway",), "after", "after"),
        (("gateway",), "long", "long"),
        (("gateway",), "raw", "raw"),
        (("gateway",), "inline", "inline"),
        (("gateway", "inline"), "b", "inline"),
        (("gateway", "last", "dotted"), "key", "last"),
        (("domain", "*.example.org"), "encrypt", "encrypt"),
        (("domain",), "*.example.org", '[domain."*.example.org"]'),
    ],
)
def test_each_key_knows_its_line(tables: tuple[str, ...], key: str, start: str) -> None:
    table = read(TEXT)
    for name in tables:
        table = table.table(name)
    assert table.line(key) == place(TEXT, start)


@pytest.mark.parametrize("text", [TEXT, TEXT.replace("\n", "\r\n")])
def test_each_table_of_an_array_knows_its_lines(text: str) -> None:
    first, second = read(text).array("partner")
    lines = text.splitlines()
    assert lines[first.line("from") - 1] == 'from = "a"'
    assert lines[second.line("from") - 1] == 'from = "b"'
    assert lines[second.table("more").line("x") - 1] == "x = 1"


def test_an_unknown_key_is_refused_with_its_line_and_the_likeliest_one() -> None:
    table = read('[outbound]\nsign = "always"\nencrpt = "must"\n').table("outbound")
    with pytest.raises(GatewayError, match=r"rules\.toml, line 3: encrpt.*write encrypt") as caught:
        table.only(("sign", "encrypt"))
    assert caught.value.code == "gateway.rules"
    table.only(("sign", "encrypt", "encrpt"))


def test_a_key_like_no_other_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(GatewayError, match="zzz in the file is unknown; there are a, b"):
        read("zzz = 1").only(("b", "a"))


@pytest.mark.parametrize(
    ("getter", "value", "expected"),
    [
        ("text", '"a"', "a"),
        ("truth", "true", True),
        ("number", "7", 7),
        ("seconds", "1.5", 1.5),
        ("seconds", "2", 2.0),
        ("texts", '["a", "b"]', ("a", "b")),
        ("texts", '"a"', ("a",)),
    ],
)
def test_values_are_what_they_say(getter: str, value: str, expected: Any) -> None:
    found = read(f"a = 1\nkey = {value}")
    assert getattr(found, getter)("key") == expected
    assert getattr(found, getter)("missing") is None


@pytest.mark.parametrize(
    ("getter", "value"),
    [
        ("text", "1"),
        ("truth", "1"),
        ("truth", '"true"'),
        ("number", "true"),
        ("number", "-1"),
        ("number", "1.0"),
        ("seconds", "-0.5"),
        ("seconds", "nan"),
        ("seconds", "true"),
        ("texts", '["a", 1]'),
        ("texts", "1"),
        ("table", "1"),
        ("array", "[1]"),
        ("array", "1"),
    ],
)
def test_values_of_another_type_are_refused_with_the_line(getter: str, value: str) -> None:
    table = read(f"\n\nkey = {value}")
    with pytest.raises(GatewayError, match="line 3: key in the file is ") as caught:
        list(getattr(table, getter)("key"))
    assert caught.value.code == "gateway.rules"


def test_a_choice_is_one_of_its_words() -> None:
    table = read('a = "one"\nb = "three"')
    assert table.choice("a", Word) is Word.ONE
    assert table.choice("c", Word) is None
    with pytest.raises(GatewayError, match="line 2: b in the file is one of one, two"):
        table.choice("b", Word)


def test_a_text_may_be_checked() -> None:
    table = read('a = "x"')
    assert table.checked("a", str.isalpha, "letters") == "x"
    with pytest.raises(GatewayError, match="line 1: a in the file is digits"):
        table.checked("a", str.isdigit, "digits")


@pytest.mark.parametrize("text", ["a = ", "[a\n", "a = 1\na = 2", "a = " + "[" * 100_000])
def test_what_is_no_toml_is_refused(text: str) -> None:
    with pytest.raises(GatewayError, match=r"rules\.toml is no TOML"):
        read(text)


@pytest.mark.parametrize("digits", ["9" * 5_000, "-" + "9" * 5_000, "1_" * 4_400 + "1"])
def test_numbers_without_end_are_refused(digits: str) -> None:
    """A fuzzer found them: Python converts no more than some thousand digits."""
    with pytest.raises(GatewayError, match=r"rules\.toml is no TOML.*too many digits") as caught:
        read(f"a = {digits}")
    assert caught.value.code == "gateway.rules"
    assert len(str(caught.value)) < 200


LONG_KEYS = ["a", '"a.b"', "'#'", "a ", '"\\""']


@pytest.mark.parametrize("name", LONG_KEYS)
@pytest.mark.parametrize(
    "form", ["{} = 1", "[{}]", "[[{}]]", "x = {{ {} = 1 }}", "x = [{{ {} = 1 }}]"]
)
def test_keys_without_end_are_refused(name: str, form: str) -> None:
    """The standard library takes time with the square of their parts: seconds for 20 KB."""
    read(form.format(".".join([name] * 30)))
    started = time.process_time()
    with pytest.raises(GatewayError, match=r"line 2: there are more than 32 names"):
        read("\n" + form.format(".".join([name] * 100_000)))
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "piece", ["a", "a.", '"', "'", '".', '"a" ', "\\", "a .\n", "a. ", ".", "[", "-\t"]
)
def test_looking_for_long_keys_takes_no_time(piece: str) -> None:
    started = time.process_time()
    with pytest.raises(GatewayError):
        read(f"= {piece * (400_000 // len(piece))}")
    assert time.process_time() - started < 2


def test_texts_have_no_nul() -> None:
    table = read('a = "x\\u0000"\nb = ["y", "\\u0000"]\nc = "\\u0001"')
    with pytest.raises(GatewayError, match="line 1: a in the file has a NUL"):
        table.text("a")
    with pytest.raises(GatewayError, match="line 1: a in the file has a NUL"):
        table.texts("a")
    with pytest.raises(GatewayError, match="line 2: b in the file has a NUL"):
        table.texts("b")
    assert table.text("c") == "\1"


KEYS = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True),
    st.sampled_from(['"a.b"', "'c d'", '"#"', '"]"', '"="', '"\\u00e9"', '"\\""']),
)
VALUES = st.sampled_from(
    ["1", "true", '"#x"', "'[x]'", '"""\n[a]\nb = 1\n"""', "'''\n#\n'''", "[1, # ]\n 2]", "[[1],\n[2]]",
     '{ a = "}", b = [1, 2] }', '""', "''", '"\\""', '"""a""b"""', "1979-05-27T07:32:00Z", '""""a"""""']
)  # fmt: skip


@given(st.lists(st.tuples(KEYS, VALUES, st.sampled_from(["", " # x = [", "\n\n", "\n# [a]"]))))
def test_lines_are_found_whatever_the_values_are(pairs: list[tuple[str, str, str]]) -> None:
    """Every key that tomllib reads has the line on which it was written."""
    seen: dict[str, int] = {}
    text = "[t]\n"
    for key, value, after in pairs:
        [name] = tomllib.loads(f"{key} = 1")
        if name not in seen:
            seen[name] = text.count("\n") + 1
            text += f"{key} = {value}{after}\n"
    table = read(text).table("t")
    assert {name: table.line(name) for name in table.values} == seen
