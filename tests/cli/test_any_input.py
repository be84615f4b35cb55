"""Whatever the bytes are, the program ends with a status of its own: never as a bug."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smimekit.cli.app import program

FILES = ("signed.eml", "opaque.eml", "encrypted.eml", "alice.p12", "ca.pem", "draft.eml")
COMMANDS = (
    ("open", "--key", "bob.p12", "--anchor", "ca.pem", "--json"),
    ("verify", "--anchor", "ca.pem", "--json"),
    ("decrypt", "--key", "bob.p12"),
    ("sign", "--key", "bob.p12"),
    ("harvest", "--store", "memory:", "--json"),
)
Edits = st.lists(
    st.tuples(st.integers(0, 1 << 16), st.binary(max_size=4), st.integers(0, 8)),
    min_size=1,
    max_size=4,
)


def edited(data: bytes, edits: list[tuple[int, bytes, int]]) -> bytes:
    for place, new, gone in edits:
        at = place % (len(data) + 1)
        data = data[:at] + new + data[at + gone :]
    return data


def ends_well(words: list[str], stdin: bytes = b"") -> None:
    done = CliRunner().invoke(program, words, input=stdin)
    assert isinstance(done.exception, SystemExit | None)
    assert done.exit_code in {0, 1, 2, 3, 4}, done.stderr
    if "--json" in words:
        json.loads(done.stdout)


@given(name=st.sampled_from(FILES), command=st.sampled_from(COMMANDS), edits=Edits)
@settings(suppress_health_check=list(HealthCheck), max_examples=150)
def test_changed_messages(
    here: Path, name: str, command: tuple[str, ...], edits: list[tuple[int, bytes, int]]
) -> None:
    ends_well(list(command), edited((here / name).read_bytes(), edits))


@given(command=st.sampled_from(COMMANDS), data=st.binary(max_size=300))
@settings(suppress_health_check=list(HealthCheck), max_examples=100)
def test_any_bytes(here: Path, command: tuple[str, ...], data: bytes) -> None:
    ends_well(list(command), data)


@given(name=st.sampled_from(("alice.p12", "alice.pem", "ca.pem", "signed.eml")), edits=Edits)
@settings(suppress_health_check=list(HealthCheck), max_examples=80)
@pytest.mark.parametrize("words", [("sign", "--key"), ("encrypt", "--to"), ("verify", "--anchor")])
def test_changed_keys_and_certificates(
    here: Path, words: tuple[str, ...], name: str, edits: list[tuple[int, bytes, int]]
) -> None:
    (here / "odd").unlink(missing_ok=True)
    (here / "odd").write_bytes(edited((here / name).read_bytes(), edits))
    ends_well([*words, "odd", "draft.eml"])


@given(
    words=st.lists(
        st.sampled_from(
            ("open", "trust", "list", "--json", "--at", "-o", "-", "", "\udcff", "--store")
        ),
        max_size=6,
    )
)
@settings(suppress_health_check=list(HealthCheck), max_examples=100)
def test_any_words(here: Path, words: list[str]) -> None:
    done = CliRunner().invoke(program, words)
    assert done.exit_code in {0, 1, 2, 3, 4}, done.stderr
