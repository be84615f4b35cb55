"""Keys: made, opened by their passwords, and never replaced unasked."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

import smimekit
from smimekit.testing import FakeCA
from tests.cli.support import DRAFT, PASSWORD, Run

NEW = ("keys", "new", "dora@example.org", "-o", "dora.p12")


def test_a_self_signed_credential(run: Run, here: Path) -> None:
    done = run(*NEW, "--name", "Dora", "--json")
    assert (done.status, done.json["anchor"], done.json["issued"]["subject"]) == (
        0,
        None,
        "CN=Dora",
    )
    credential = smimekit.Credential.from_pkcs12(here / "dora.p12", PASSWORD)
    assert credential.addresses == ("dora@example.org",)
    assert credential.certificate.is_self_issued
    assert smimekit.Certificate.from_pem((here / "dora.pem").read_bytes()) == credential.certificate
    assert stat.S_IMODE((here / "dora.p12").stat().st_mode) == 0o600


def test_a_local_ca_is_made_once(run: Run, here: Path) -> None:
    first = run(*NEW, "--ca", "ca", "--json").json
    second = run("keys", "new", "emil@example.org", "--ca", "ca", "--json").json
    assert first["anchor"] == second["anchor"] == "ca/ca.pem"
    assert first["issued"]["issuer"] == second["issued"]["issuer"]
    assert stat.S_IMODE((here / "ca" / "ca-key.pem").stat().st_mode) == 0o600
    for key, who in (("dora.p12", b"dora"), ("emil@example.org.p12", b"emil")):
        mail = run("sign", "--key", key, stdin=DRAFT.replace(b"alice", who)).out
        assert run("verify", "--anchor", "ca/ca.pem", stdin=mail).status == 0


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "rsa-2048", "ed25519"])
def test_kinds_of_keys(run: Run, kind: str) -> None:
    assert run(*NEW, "--type", kind).status == 0
    assert run("trust", "trust", "--store", "sqlite:///trust.db", "dora.pem").status == 0
    mail = run("sign", "--key", "dora.p12", stdin=DRAFT.replace(b"alice", b"dora"))
    assert run("verify", "--store", "sqlite:///trust.db", stdin=mail.out).status == 0
    encrypted = run("encrypt", "--to", "dora.pem", stdin=DRAFT)
    if kind == "ed25519":
        assert encrypted.status == 2
    else:
        assert run("decrypt", "--key", "dora.p12", stdin=encrypted.out).status == 0


def test_nothing_is_replaced_unasked(run: Run, here: Path) -> None:
    run(*NEW)
    before = (here / "dora.p12").read_bytes(), (here / "dora.pem").read_bytes()
    done = run(*NEW, "--json")
    assert (done.status, done.code) == (2, "usage.file-exists")
    (here / "dora.p12").unlink()
    assert run(*NEW).status == 2  # the certificate is still there
    assert not (here / "dora.p12").exists()
    assert (here / "dora.pem").read_bytes() == before[1]
    assert run(*NEW, "--force").status == 0
    assert (here / "dora.pem").read_bytes() != before[1]


@pytest.mark.parametrize(
    "address", ["dora", "", "a@b, c@d", "Dora <dora@example.org>", "d\x1b@x", "dora@"]
)
def test_addresses_that_are_none(run: Run, here: Path, address: str) -> None:
    before = sorted(here.iterdir())
    done = run("keys", "new", address, "--json")
    assert (done.status, done.code) == (2, "usage.address")
    assert sorted(here.iterdir()) == before


def test_an_address_is_no_path(run: Run, here: Path) -> None:
    done = run("keys", "new", "up/x@example.org", "--json")
    assert (done.status, done.json["key"]) == (0, "up_x@example.org.p12")


def test_two_issuers_are_one_too_many(run: Run) -> None:
    assert run(*NEW, "--ca", "ca", "--self-signed").status == 2


def test_a_broken_ca_is_not_replaced(run: Run, here: Path) -> None:
    (here / "ca").mkdir()
    (here / "ca" / "ca-key.pem").write_bytes(b"garbage")
    done = run(*NEW, "--ca", "ca", "--json")
    assert (done.status, done.code.partition(".")[0]) == (3, "key")
    assert (here / "ca" / "ca-key.pem").read_bytes() == b"garbage"
    assert not (here / "dora.p12").exists()


# --- passwords -----------------------------------------------------------------------------

SIGN = ("sign", "--key", "alice.p12", "draft.eml", "-o", "out.eml")


def test_a_password_file_comes_before_the_environment(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMIMEKIT_PASSWORD", "wrong")
    assert run(*SIGN, "--password-file", "password").status == 0
    monkeypatch.setenv("SMIMEKIT_PASSWORD", PASSWORD)
    assert run(*SIGN, "--password-file", "wrong").status == 4


def test_several_passwords_are_tried(run: Run, here: Path) -> None:
    (here / "dora.p12").write_bytes(FakeCA().person("dora@example.org").to_pkcs12("battery staple"))
    words = ("--password-file", "password", "--password-file", "wrong")
    for key in ("alice.p12", "dora.p12"):
        assert run("sign", "--key", key, "draft.eml", *words, "-o", "out").status == 0


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\n"])
def test_a_password_file_without_a_password(run: Run, here: Path, content: bytes) -> None:
    (here / "empty").write_bytes(content)
    done = run(*SIGN, "--password-file", "empty", "--json")
    assert (done.status, done.code) == (2, "usage.password")


def test_the_first_line_is_the_password(run: Run, here: Path) -> None:
    (here / "windows").write_bytes(PASSWORD.encode() + b"\r\nanother line\n")
    assert run(*SIGN, "--password-file", "windows").status == 0


def test_pem_keys(run: Run, here: Path) -> None:
    key, _, _ = pkcs12.load_key_and_certificates((here / "bob.p12").read_bytes(), PASSWORD.encode())
    assert key is not None
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    locked = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD.encode())
    )
    (here / "both.pem").write_bytes(plain + (here / "bob.pem").read_bytes())
    (here / "locked.pem").write_bytes(locked)
    assert run("decrypt", "--key", "both.pem", "encrypted.eml").status == 0
    assert run("decrypt", "--key", "locked.pem", "--cert", "bob.pem", "encrypted.eml").status == 0
    alone = run("decrypt", "--key", "locked.pem", "encrypted.eml", "-o", "x", "--json")
    assert (alone.status, alone.code) == (3, "key.no-certificate")
    wrong = run(
        "decrypt",
        "--key",
        "locked.pem",
        "--cert",
        "bob.pem",
        "--password-file",
        "wrong",
        "encrypted.eml",
    )
    assert (wrong.status, wrong.out) == (4, b"")


# --- export --------------------------------------------------------------------------------


def test_a_key_and_its_certificate_become_one_file(run: Run, here: Path) -> None:
    run("ca", "init", "team", "--name", "Team CA")
    run("keys", "request", "alice@example.org", "-o", "own.key")
    run("ca", "issue", "team", "alice@example.org", "own.csr", "-o", "own.pem")
    export = ("keys", "export", "--key", "own.key", "--cert", "own.pem", "-o", "own.p12")
    assert run(*export).status == 0
    written = smimekit.Credential.from_pkcs12(here / "own.p12", PASSWORD)
    assert written.addresses == ("alice@example.org",)
    assert [each.is_ca for each in written.chain] == [True]
    done = run(*export, "--json")
    assert (done.status, done.code) == (2, "usage.file-exists")
    (here / "other").write_text("another password\n")
    again = run(*export, "--force", "--compatible", "--new-password-file", "other", "--json")
    assert again.json["issued"]["fingerprint"] == written.certificate.fingerprint
    rewritten = smimekit.Credential.from_pkcs12(here / "own.p12", "another password")
    assert rewritten.certificate == written.certificate


def test_of_many_keys_one_is_exported(run: Run, here: Path) -> None:
    (here / "keys").mkdir()
    for name in ("alice", "bob"):
        (here / f"{name}.p12").rename(here / "keys" / f"{name}.p12")
    export = ("keys", "export", "--json", "--key", "keys", "-o", "one.p12")
    assert run(*export).code == "usage.which"
    listed = run("keys", "list", "--json", "--key", "keys").json["keys"]
    bob = next(each["fingerprint"] for each in listed if "bob@example.org" in each["addresses"])
    assert run(*export, "--which", bob[:7]).code == "usage.which"
    assert run(*export, "--which", "0" * 64).code == "usage.which"
    assert not (here / "one.p12").exists()
    assert run(*export, "--which", bob[:8].upper()).json["issued"]["fingerprint"] == bob
