"""`trust export`: each form by the command line, as trusted, and whole or not at all."""

import base64
import csv
import io
import re
from pathlib import Path

import pytest

import smimekit
from smimekit.message.bundle import read_bundle
from smimekit.testing import FakeCA
from tests.cli.support import Run

STORE = ("--store", "sqlite:///trust.db")
EXPORT = ("trust", "export", *STORE)
BASE = ("--base", "dc=example,dc=org")
FORMS = ["pem", "p7b", "ldif", "vcard", "csv"]


@pytest.fixture
def filled(run: Run, here: Path) -> Path:
    """Alice (of a known CA) and her two other certificates, Bob, trusted by hand, and the CA."""
    names = ("alice", "expired", "stranger", "bob", "ca")
    for name in ("expired", "stranger", "alice"):
        assert run("trust", "import", *STORE, f"{name}.pem").status == 0
    run("trust", "anchor", *STORE, "ca.pem")
    run("trust", "trust", *STORE, "bob.pem")
    assert {each.name for each in here.glob("*.pem")} >= {f"{name}.pem" for name in names}
    return here


def certificate(here: Path, name: str) -> smimekit.Certificate:
    return smimekit.Certificate.from_pem((here / f"{name}.pem").read_bytes())


def words(form: str) -> tuple[str, ...]:
    return (*EXPORT, "--format", form, *(BASE if form == "ldif" else ()))


def held(form: str, data: bytes) -> list[smimekit.Certificate]:
    """The certificates in what was exported, each as often as it is there."""
    match form:
        case "pem":
            return list(smimekit.load_certificates(data)) if data else []
        case "p7b":
            return list(read_bundle(data))
        case "ldif":
            found = re.findall(rb"^userCertificate;binary:: (.*(?:\n .*)*)", data, re.MULTILINE)
            coded = [each.replace(b"\n ", b"") for each in found]
        case "vcard":
            plain = data.replace(b"\r\n ", b"")
            coded = re.findall(rb"^KEY;.*;base64,(\S+)\r$", plain, re.MULTILINE)
        case _:
            rows = csv.DictReader(io.StringIO(data.decode(), newline=""))
            coded = [row["certificate"].encode() for row in rows]
    return [smimekit.Certificate(base64.b64decode(each, validate=True)) for each in coded]


@pytest.mark.parametrize("form", FORMS)
def test_everything_comes_out_once(run: Run, filled: Path, form: str) -> None:
    done = run(*words(form))
    assert done.status == 0
    authorities = [] if form in {"ldif", "vcard"} else [certificate(filled, "ca")]
    people = [certificate(filled, name) for name in ("alice", "expired", "stranger", "bob")]
    found = held(form, done.out)
    assert len(found) == len(set(found))
    assert set(found) == {*people, *authorities}


@pytest.mark.parametrize("form", FORMS)
def test_filters_are_those_of_the_list(run: Run, filled: Path, form: str) -> None:
    def exported(*more: str) -> set[smimekit.Certificate]:
        return {each for each in held(form, run(*words(form), *more).out) if not each.is_ca}

    def listed(*more: str) -> set[str]:
        shown = run("trust", "list", *STORE, "--json", *more).json["certificates"]
        return {each["fingerprint"] for each in shown if not each["authority"]}

    bob, expired = certificate(filled, "bob"), certificate(filled, "expired")
    for only in (
        ("--status", "trusted"), ("--status", "rejected"), ("--address", "ALICE@example.org"),
        ("--address", "alice@example.org", "--status", "untrusted"),
        ("--status", "trusted", "--at", "2200-01-01"),
    ):  # fmt: skip
        assert {each.fingerprint for each in exported(*only)} == listed(*only)
    assert exported("--status", "trusted") >= {bob}
    assert expired not in exported("--status", "trusted")
    assert exported("bob@example.org") == exported(bob.fingerprint[:12]) == {bob}
    assert exported("bob@example.org", "--address", "alice@example.org") == set()


@pytest.mark.parametrize("form", ["ldif", "vcard"])
def test_a_person_is_there_once(run: Run, filled: Path, form: str) -> None:
    data = run(*words(form)).out
    names = re.findall(rb"^(?:mail: |EMAIL:)(\S+)", data, re.MULTILINE)
    assert sorted(names) == [b"alice@example.org", b"bob@example.org"]


@pytest.mark.parametrize("form", ["ldif", "vcard"])
def test_of_several_addresses_the_one_that_was_asked_for(run: Run, here: Path, form: str) -> None:
    dora = FakeCA().person("dora@example.org", "dora@example.net").certificate
    (here / "dora.pem").write_bytes(dora.pem())
    run("trust", "import", *STORE, "dora.pem")
    for more, count in (((), 2), (("--address", "dora@example.net"), 1), ((dora.fingerprint,), 2)):
        assert len(held(form, run(*words(form), *more).out)) == count


def test_the_chain_goes_into_the_directory(run: Run, filled: Path) -> None:
    data = run(*words("ldif"), "--address", "bob@example.org").out
    other = run(*words("ldif"), "--address", "alice@example.org", "--status", "trusted").out
    for name, text, above in (("bob", data, set()), ("alice", other, {certificate(filled, "ca")})):
        coded = re.findall(rb"^userSMIMECertificate:: (.*(?:\n .*)*)", text, re.MULTILINE)
        for each in coded:
            found = set(read_bundle(base64.b64decode(each.replace(b"\n ", b""))))
            assert found >= {certificate(filled, name)} | above


def test_an_address_that_a_directory_cannot_hold(run: Run, here: Path) -> None:
    eva = FakeCA().person("jürgen@example.org").certificate
    (here / "eva.pem").write_bytes(eva.pem())
    run("trust", "import", *STORE, "eva.pem", "bob.pem")
    done = run(*words("ldif"), "-o", "all.ldif")
    assert "Left out: 1 " in done.err
    assert run(*words("ldif"), "-o", "all.ldif", "--json").json["left_out"] == 1
    assert held("ldif", (here / "all.ldif").read_bytes()) == [certificate(here, "bob")]


def test_a_table_says_what_is_so(run: Run, filled: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run(*words("csv")).text, newline="")))
    (bob,) = [row for row in rows if row["addresses"] == "bob@example.org"]
    assert (bob["verify"], bob["decision"], bob["authority"]) == ("trusted", "trust", "no")
    assert bob["fingerprint"] == certificate(filled, "bob").fingerprint
    (ca,) = [row for row in rows if row["authority"] == "yes"]
    assert (ca["decision"], ca["addresses"]) == ("anchor", "")


@pytest.mark.parametrize("more", [("--format", "ldif"), ("--format", "vcard", *BASE), BASE])
def test_a_base_goes_with_ldif(run: Run, filled: Path, more: tuple[str, ...]) -> None:
    done = run(*EXPORT, *more, "-o", "out", "--json")
    assert (done.status, done.code) == (2, "usage.ldap-base")
    assert not (filled / "out").exists()


def test_a_base_that_is_no_name(run: Run, filled: Path) -> None:
    done = run(*EXPORT, "--format", "ldif", "--base", "example.org", "-o", "out", "--json")
    assert (done.status, done.code) == (2, "usage.ldap-base")


@pytest.mark.parametrize("form", FORMS)
def test_what_fails_half_way_leaves_no_file(
    run: Run, filled: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (filled / "out").write_bytes(b"as it was")
    pages = smimekit.cli.records.all_records  # type: ignore[attr-defined]  # loaded by the run

    def broken(*words: object) -> object:
        for number, each in enumerate(pages(*words)):
            if number == 2:
                raise OSError(5, "Input/output error")
            yield each

    monkeypatch.setattr("smimekit.cli.export.all_records", broken)
    assert run(*words(form), "-o", "out").status == 2
    assert (filled / "out").read_bytes() == b"as it was"


def test_a_certificate_for_a_crowd_has_no_entry(run: Run, here: Path) -> None:
    names = [f"{number}@example.org" for number in range(101)]
    (here / "crowd.pem").write_bytes(FakeCA().person(*names).certificate.pem())
    run("trust", "import", *STORE, "crowd.pem", "bob.pem")
    done = run(*words("ldif"), "-o", "all.ldif")
    assert "Without entry: 1 " in done.err
    assert run(*words("ldif"), "-o", "all.ldif", "--json").json["without_entry"] == 1
    assert held("ldif", (here / "all.ldif").read_bytes()) == [certificate(here, "bob")]


@pytest.mark.parametrize("form", ["pem", "p7b", "ldif", "vcard", "csv"])
def test_who_is_trusted_to_sign_only_is_not_to_be_encrypted_to(
    run: Run, here: Path, form: str
) -> None:
    run("trust", "trust", *STORE, "bob.pem", "--for", "verify", "--why", "x")
    for more, count in ((("verify",), 1), (("encrypt",), 0)):
        done = run(*words(form), "--status", "trusted", "--for", *more, "-o", "out", "--json")
        assert len(done.json["certificates"]) == count
