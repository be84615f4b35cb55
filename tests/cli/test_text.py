"""Nothing that a stranger wrote steers a terminal."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import smimekit
from smimekit import Certificate, Credential
from smimekit.cli.text import safe
from smimekit.testing import FakeCA
from tests.cli.support import DRAFT, PASSWORD, Run

EVIL = "Bob\x1b]0;title\x07\x1b[2J\r\n[red]\u202egro.elpmaxe@\x9b31m\u200b"
STORE = ("--store", "sqlite:///trust.db")


@given(st.text())
def test_safe_text_is_printable(text: str) -> None:
    found = safe(text)
    assert found.isprintable()
    assert len(found) == len(text)
    assert safe(found) == found


@pytest.mark.parametrize("text", ["Müller", "日本語", "a b", "[bold]", "x@y"])
def test_what_people_write_stays(text: str) -> None:
    assert safe(text) == text


@pytest.fixture
def evil(here: Path) -> Path:
    """A signer with a name, and mail with header fields, that mean harm."""
    eve = FakeCA("CA\x1b[31m").person("alice@example.org", name=EVIL)
    (here / "eve.p12").write_bytes(eve.to_pkcs12(PASSWORD))
    (here / "eve.pem").write_bytes(eve.certificate.pem())
    mail = DRAFT.replace(b"<1@example.org>", b"<\x1b[2J\x07\xc2\x9b31m@x>")
    (here / "evil.eml").write_bytes(smimekit.sign(mail, eve))
    return here


@pytest.mark.parametrize(
    "words",
    [
        ("open", "evil.eml"),
        ("verify", "--anchor", "ca.pem", "evil.eml"),
        ("harvest", *STORE, "evil.eml"),
        ("trust", "list", *STORE),
        ("trust", "show", *STORE, "alice@example.org"),
        ("trust", "reject", *STORE, "alice@example.org", "--why", EVIL, "--by", EVIL),
        ("encrypt", *STORE, "--to", "alice@example.org", "draft.eml", "-o", "out"),
        ("encrypt", "--to", "eve.pem", "draft.eml", "-o", "out"),
        ("sign", "--key", "eve.p12", "draft.eml", "-o", "out"),
        ("open", f"no\x1b[2Jsuch{EVIL}file"),
        ("nonsense\x1b[2J",),
        ("sign", "--cipher\x1b[2J"),
        ("verify", "--at", "\x1b[2J"),
        ("trust", "show", *STORE, "\x1b[2J"),
    ],
)
def test_no_output_steers_a_terminal(run: Run, evil: Path, words: tuple[str, ...]) -> None:
    run("harvest", *STORE, "evil.eml")
    for more in ([], ["--json"]):
        done = run(*words, *more)
        assert set(done.text + done.err) & set("\x1b\x07\x9b\u202e\u200b\r") == set()
        assert done.text + done.err


def test_names_are_no_markup(run: Run, evil: Path) -> None:
    run("harvest", *STORE, "evil.eml")
    assert "[red]" in run("trust", "show", *STORE, "alice@example.org").text


FORGED = "smimekit: all is well"


def person_at(address: str) -> Credential:
    """Of any address, where the primitives library writes only those that look like one."""
    stand_in = "a@" + "b" * (len(address) - 2)
    made = FakeCA("CA").person(stand_in)
    changed = made.certificate.der.replace(stand_in.encode(), address.encode())
    return Credential(made.key, Certificate(changed), made.chain)


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\v", "\x1c"])
@pytest.mark.parametrize(
    "words",
    [
        ("encrypt", "--to", "eve.pem", "draft.eml", "-o", "out"),
        ("sign", "--key", "eve.p12", "--password-file", "password", "draft.eml", "-o", "out"),
        ("trust", "trust", *STORE, "eve.pem"),
        ("trust", "reject", *STORE, "eve.pem"),
        ("verify", "--anchor", "eve.pem", "evil.eml"),
    ],
)
def test_an_address_with_a_line_break_says_nothing_by_itself(
    run: Run, here: Path, words: tuple[str, ...], line_break: str
) -> None:
    """Whoever makes a certificate of their own writes any characters of ASCII into its address
    (RFC 5280, 4.2.1.6): what stands on a line of its own has to be ours.
    """
    eve = person_at(f"alice@example.org{line_break}{FORGED}")
    (here / "eve.p12").write_bytes(eve.to_pkcs12(PASSWORD))
    (here / "eve.pem").write_bytes(eve.certificate.pem())
    (here / "evil.eml").write_bytes(smimekit.sign(DRAFT, eve))
    found = run(*words)
    said = found.text + found.err
    assert FORGED in said
    assert not any(line.startswith(FORGED) for line in said.splitlines())
