"""The witnesses that the tables of algorithms name: each is a test that shows what is said of it.

A witness is collected as pytest collects it. It uses its peer, or is named after the RFC; and it
names each row that it is about: among its parameters, or in its docstring.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from algorithm_tables import witnessed_rows
from witnesses import UNWITNESSED, WITNESSES, Witness, cell, row_key

TESTS = Path(__file__).parent
FIXTURES = {
    "OpenSSL": "openssl",
    "NSS": "nss",
    "gpgsm": "gpgsm",
    "GnuTLS": "gnutls",
    "Bouncy Castle": "bouncycastle",
    "Bouncy Castle's parts": "bouncycastle",
}
ROWS = list(witnessed_rows())


@dataclass
class Collector:
    """A plugin for pytest that keeps what was collected, by file and function."""

    found: dict[str, list[pytest.Function]] = field(default_factory=dict)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            assert isinstance(item, pytest.Function)
            name = f"{item.path.relative_to(TESTS)}::{item.originalname}"
            self.found.setdefault(name, []).append(item)


@pytest.fixture(scope="module")
def collected() -> dict[str, list[pytest.Function]]:
    """The tests of all files that the table names."""
    files = sorted({str(TESTS / each.test.split("::")[0]) for each in WITNESSES})
    collector = Collector()
    quiet = ["--collect-only", "-qq", "-p", "no:cacheprovider"]
    assert pytest.main([*quiet, *files], plugins=[collector]) == pytest.ExitCode.OK
    return collector.found


def plain(text: str) -> str:
    """Names as they are compared: P-256 is p256, and AES-128-CBC aes-128-cbc."""
    return text.lower().replace("-", "")


def names(item: pytest.Function) -> set[str]:
    """What a test is about, by its parameters and by the words of its docstring."""
    found = set(re.findall(r"[\w-]+", item.function.__doc__ or ""))
    for value in item.callspec.params.values() if hasattr(item, "callspec") else ():
        row = {getattr(value, "name", None), getattr(value, "oid", None)}
        words = value if isinstance(value, tuple) else (value,)
        found |= {str(each) for each in (*row, *words) if each is not None}
    return {plain(each) for each in found}


@pytest.mark.parametrize("witness", WITNESSES, ids=lambda each: f"{each.test}-{each.peer}")
def test_witness(witness: Witness, collected: dict[str, list[pytest.Function]]) -> None:
    items = collected.get(witness.test, [])
    assert items, "there is no such test"
    if witness.way == "example":
        numbers = re.findall(r"\d{4}", witness.peer)
        assert all(number in witness.test for number in numbers)
    else:
        assert all(FIXTURES[witness.peer] in item.fixturenames for item in items)
    about = set().union(*map(names, items))
    called = {token: row for row in ROWS for token in (row_key(row[0]), row[1])}
    for token in witness.rows:
        name, oid = called[token]
        wanted = {plain(token), plain(oid)} if token == oid else {plain(row_key(name)), plain(oid)}
        assert wanted & about, f"it is not about {token}"


@pytest.mark.parametrize(("name", "oid"), ROWS, ids=lambda text: text.split(":")[0])
def test_every_row_has_a_witness_or_a_reason(name: str, oid: str) -> None:
    assert cell(name, oid)
    witnessed = any({row_key(name), oid} & set(each.rows) for each in WITNESSES)
    assert witnessed != (row_key(name) in UNWITNESSED)


def test_a_name_of_two_rows_is_no_token() -> None:
    keys = [row_key(name) for name, _ in ROWS]
    twice = {key for key in keys if keys.count(key) > 1}
    assert twice == {"rsa-pkcs1-sha1", "hmac-sha1"}
    assert not twice & {row for each in WITNESSES for row in each.rows}


def test_no_entry_is_about_an_unknown_row() -> None:
    known = {token for name, oid in ROWS for token in (row_key(name), oid)}
    assert {row for each in WITNESSES for row in each.rows} <= known
    assert set(UNWITNESSED) <= known
