"""harvest and trust: facts come from mail and files, decisions from people, and neither undoes the other."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

import smimekit
from smimekit.testing import FakeCA
from tests.cli.support import DRAFT, PASSWORD, Done, Run
from tests.trust.certs import own_authority

STORE = ("--store", "sqlite:///trust.db")


def status(run: Run, address: str, purpose: str = "verify") -> list[str]:
    listed = run("trust", "list", *STORE, "--address", address, "--json").json["certificates"]
    return [each["status"][purpose] for each in listed]


def fingerprint(here: Path, name: str) -> str:
    return smimekit.Certificate.from_pem((here / f"{name}.pem").read_bytes()).fingerprint


# --- harvest -------------------------------------------------------------------------------


def test_harvest_learns_the_signer_and_the_chain(run: Run) -> None:
    done = run("harvest", *STORE, "signed.eml", "--json")
    (message,) = done.lines
    assert (done.status, message["sender"], message["error"]) == (0, "alice@example.org", None)
    assert [(each["authority"], each["new"]) for each in message["found"]] == [
        (False, True),
        (True, True),
    ]
    (again,) = run("harvest", *STORE, "signed.eml", "--json").lines
    assert [each["new"] for each in again["found"]] == [False, False]
    assert status(run, "alice@example.org") == ["untrusted"]


def test_harvest_from_a_pipe_keeps_the_message_id(run: Run, spawn: Run, here: Path) -> None:
    assert spawn("harvest", *STORE, stdin=(here / "signed.eml").read_bytes()).status == 0
    (record,) = run("trust", "show", *STORE, "alice@example.org", "--json").json["certificates"]
    assert [(each["kind"], each["origin"], each["reference"]) for each in record["sources"]] == [
        ("mail", "alice@example.org", "<1@example.org>")
    ]
    assert "aes-256-gcm" in record["capabilities"]


def test_what_a_known_ca_issued_is_trusted_at_once(run: Run) -> None:
    assert run("trust", "anchor", *STORE, "ca.pem").status == 0
    run("harvest", *STORE, "signed.eml")
    assert status(run, "alice@example.org") == ["trusted"]
    assert run("verify", *STORE, "signed.eml").status == 0


def test_a_bad_message_does_not_stop_the_run(run: Run, here: Path) -> None:
    (here / "empty.eml").write_bytes(b"")
    names = ("empty.eml", "missing.eml", "draft.eml", "by-mallory.eml", "signed.eml")
    done = run("harvest", *STORE, *names, "--json")
    assert done.status == 3
    found = done.lines
    assert [each["message"] for each in found] == list(names)
    assert [each["error"] and each["error"]["code"] for each in found] == [
        "mime.no-header",
        "file",
        None,
        None,
        None,
    ]
    assert [bool(each["found"]) for each in found] == [False, False, False, False, True]
    assert [bool(each["reasons"]) for each in found] == [False, False, True, True, False]
    assert run("harvest", *STORE, "missing.eml", "signed.eml").status == 2
    assert run("harvest", *STORE, "draft.eml").status == 0


def test_tampered_mail_teaches_nothing(run: Run, here: Path) -> None:
    (here / "bad.eml").write_bytes((here / "signed.eml").read_bytes().replace(b"Hello", b"Jello"))
    (message,) = run("harvest", *STORE, "bad.eml", "--json").lines
    assert message["found"] == []
    assert run("trust", "list", *STORE, "--json").json == {"certificates": [], "next": None}


def test_harvest_reads_encrypted_mail_with_a_key(run: Run) -> None:
    (closed,) = run("harvest", *STORE, "encrypted.eml", "--json").lines
    assert closed["found"] == []
    assert "encrypted" in closed["reasons"][0]
    (opened,) = run("harvest", *STORE, "--key", "bob.p12", "encrypted.eml", "--json").lines
    assert opened["sender"] == "alice@example.org"


# --- decisions -----------------------------------------------------------------------------


def test_trust_reject_reset(run: Run, here: Path) -> None:
    run("harvest", *STORE, "by-bob.eml")
    assert status(run, "bob@example.org") == ["untrusted"]
    assert run("verify", *STORE, "by-bob.eml").status == 1
    assert (
        run("trust", "trust", *STORE, "bob@example.org", "--why", "phone", "--by", "ann").status
        == 0
    )
    assert status(run, "bob@example.org") == ["trusted"]
    assert run("verify", *STORE, "by-bob.eml").status == 0
    assert run("trust", "reject", *STORE, fingerprint(here, "bob")[:8]).status == 0
    assert status(run, "bob@example.org") == ["rejected"]
    run("harvest", *STORE, "by-bob.eml")
    run("trust", "import", *STORE, "bob.pem")
    assert status(run, "bob@example.org") == ["rejected"]
    assert run("verify", *STORE, "by-bob.eml").status == 1
    assert run("trust", "reset", *STORE, "bob@example.org").status == 0
    assert status(run, "bob@example.org") == ["untrusted"]
    (record,) = run("trust", "show", *STORE, "bob@example.org", "--json").json["certificates"]
    assert [each["verdict"] for each in record["audit"]] == ["trust", "reject", "none"]
    assert (record["audit"][0]["by"], record["audit"][0]["why"]) == ("ann", "phone")
    assert record["revision"] == 3


def test_trust_has_an_end_and_a_scope(run: Run) -> None:
    run("trust", "trust", *STORE, "bob.pem", "--for", "encrypt", "--until", "2200-01-01")
    assert (status(run, "bob@example.org", "encrypt"), status(run, "bob@example.org")) == (
        ["trusted"],
        ["untrusted"],
    )
    run("trust", "trust", *STORE, "bob.pem", "--until", "2020-01-01")
    assert status(run, "bob@example.org") == ["untrusted"]


def test_a_decision_does_not_make_an_expired_certificate_good(run: Run) -> None:
    done = run("trust", "trust", *STORE, "expired.pem")
    assert "still is not trusted" in done.err
    assert status(run, "alice@example.org") == ["untrusted"]


def test_an_address_with_several_certificates_is_no_name(run: Run, here: Path) -> None:
    """Anybody can send a certificate for any address: trusting an address would trust them."""
    run("trust", "import", *STORE, "alice.pem", "stranger.pem")
    done = run("trust", "trust", *STORE, "alice@example.org", "--json")
    assert (done.status, done.code) == (2, "usage.ambiguous")
    assert fingerprint(here, "stranger")[:16] in done.json["error"]["message"]
    assert status(run, "alice@example.org") == ["untrusted", "untrusted"]
    assert run("trust", "trust", *STORE, fingerprint(here, "alice")).status == 0
    assert sorted(status(run, "alice@example.org")) == ["trusted", "untrusted"]
    assert (
        len(run("trust", "show", *STORE, "alice@example.org", "--json").json["certificates"]) == 2
    )


@pytest.mark.parametrize(
    ("which", "code"),
    [
        ("carol@example.org", "store.unknown"),
        ("0" * 64, "store.unknown"),
        ("00000000", "store.unknown"),
        ("abc", "file"),
    ],
)
def test_who_is_not_there(run: Run, which: str, code: str) -> None:
    run("trust", "import", *STORE, "bob.pem")
    done = run("trust", "trust", *STORE, which, "--json")
    assert (done.status, done.code) == (2, code)


def test_fingerprints_are_read_with_colons(run: Run, here: Path) -> None:
    run("trust", "import", *STORE, "bob.pem")
    whole = fingerprint(here, "bob").upper()
    colons = ":".join(whole[at : at + 2] for at in range(0, 64, 2))
    assert run("trust", "trust", *STORE, colons).status == 0
    assert status(run, "bob@example.org") == ["trusted"]


def test_only_authorities_become_anchors(run: Run) -> None:
    done = run("trust", "anchor", *STORE, "ca.pem", "bob.pem", "--json")
    assert (done.status, done.code) == (2, "usage.anchor-no-ca")
    assert run("trust", "list", *STORE).status == 0
    assert run("trust", "list", *STORE, "--json").json == {"certificates": [], "next": None}


def test_who_issued_to_themselves_is_listed_like_anybody(run: Run, here: Path) -> None:
    """gpgsm calls such a certificate a CA's; its owner signs and gets mail all the same."""
    grace = own_authority("grace@example.org", now=datetime.now(UTC)).certificate
    (here / "grace.pem").write_bytes(grace.pem())
    run("trust", "trust", *STORE, "grace.pem")
    (row,) = run("trust", "list", *STORE).text.splitlines()[1:]
    assert row.split()[:4] == ["trusted", "trusted", "trust", "grace@example.org"]
    (facts,) = run("trust", "list", *STORE, "--json").json["certificates"]
    assert facts["authority"] is False


def test_a_rejected_authority_takes_its_people_along(run: Run) -> None:
    run("trust", "anchor", *STORE, "ca.pem")
    run("harvest", *STORE, "signed.eml")
    run("trust", "reject", *STORE, "ca.pem")
    assert status(run, "alice@example.org") == ["rejected"]


def test_expired_by_date(run: Run) -> None:
    run("trust", "trust", *STORE, "bob.pem")
    listed = run("trust", "list", *STORE, "--at", "2200-01-01", "--json").json["certificates"]
    assert [each["status"] for each in listed] == [{"verify": "untrusted", "encrypt": "untrusted"}]
    assert run("trust", "list", *STORE, "--status", "trusted", "--json").json["certificates"]
    assert not run("trust", "list", *STORE, "--status", "rejected", "--json").json["certificates"]


# --- import and export ---------------------------------------------------------------------


def test_export_and_import(run: Run, here: Path) -> None:
    run("trust", "import", *STORE, "alice.pem", "bob.pem", "ca.pem")
    exported = run("trust", "export", *STORE).out
    names = ("alice", "bob", "ca")
    assert sorted(one.fingerprint for one in smimekit.load_certificates(exported)) == sorted(
        fingerprint(here, name) for name in names
    )
    assert run("trust", "export", *STORE, "bob@example.org", "-o", "out.pem").status == 0
    assert [
        one.fingerprint for one in smimekit.load_certificates((here / "out.pem").read_bytes())
    ] == [fingerprint(here, "bob")]
    done = run("trust", "import", "--store", "sqlite:///other.db", "-", "--json", stdin=exported)
    assert len(done.json["certificates"]) == 3
    assert {each["decision"] for each in done.json["certificates"]} == {None}


def test_import_of_a_bad_file_does_nothing(run: Run, here: Path) -> None:
    done = run("trust", "import", *STORE, "bob.pem", "draft.eml", "--json")
    assert (done.status, (here / "trust.db").exists()) == (3, False)


# --- stores --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("trust", "list"), ("trust", "show", "bob@example.org"), ("trust", "trust", "bob@example.org"),
        ("trust", "export", "-o", "out"), ("verify", "signed.eml"), ("open", "signed.eml"),
        ("encrypt", "--to", "bob@example.org", "draft.eml", "-o", "out"),
    ],
)  # fmt: skip
def test_a_mistyped_store_is_not_an_empty_one(run: Run, here: Path, words: tuple[str, ...]) -> None:
    done = run(*words, *STORE, "--json")
    assert (done.status, done.code) == (2, "usage.store-missing")
    assert not (here / "trust.db").exists()


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("trust.db", "usage.store-url"), ("nonsense://x", "usage.store-url"),
        ("sqlite:///missing/folder/trust.db", "store.unavailable"), ("sqlite:///draft.eml", "store.corrupt"),
    ],
)  # fmt: skip
def test_bad_stores(run: Run, here: Path, url: str, code: str) -> None:
    before = (here / "draft.eml").read_bytes()
    done = run("harvest", "--store", url, "signed.eml", "--json")
    assert (done.status, done.code) == (2, code)
    assert (here / "draft.eml").read_bytes() == before


def test_anchors_and_store_together(run: Run, here: Path) -> None:
    ca = FakeCA("Another CA")
    dora = ca.person("dora@example.org")
    (here / "dora.p12").write_bytes(dora.to_pkcs12(PASSWORD))
    (here / "other-ca.pem").write_bytes(ca.certificate.pem())
    (here / "by-dora.eml").write_bytes(smimekit.sign(DRAFT.replace(b"alice", b"dora"), dora))
    run("trust", "anchor", *STORE, "ca.pem")

    def verify(*words: str) -> Done:
        return run("verify", *STORE, *words)

    assert [verify("signed.eml").status, verify("by-dora.eml").status] == [0, 1]
    assert verify("--anchor", "other-ca.pem", "by-dora.eml").status == 0
    run("trust", "reject", *STORE, "other-ca.pem")
    assert verify("--anchor", "other-ca.pem", "by-dora.eml").status == 1


# --- pages, previews, folders --------------------------------------------------------------


def test_a_long_list_comes_in_pages(run: Run, here: Path) -> None:
    names = ("alice", "bob", "ca", "carol", "stranger")
    run("trust", "import", *STORE, *(f"{name}.pem" for name in names))
    wanted = sorted(fingerprint(here, name) for name in names)
    found, after = [], ""
    while after is not None:
        page = run("trust", "list", *STORE, "--limit", "2", "--after", after, "--json").json
        assert len(page["certificates"]) <= 2
        found += [each["fingerprint"] for each in page["certificates"]]
        after = page["next"]
    assert found == wanted
    done = run("trust", "list", *STORE, "--limit", "4")
    assert f"--after {wanted[3]}" in done.err
    assert "--after" not in run("trust", "list", *STORE, "--limit", "5").err
    some = run("trust", "list", *STORE, "--limit", "1", "--status", "rejected", "--json").json
    assert some == {"certificates": [], "next": None}
    two = run(
        "trust", "list", *STORE, "--address", "ALICE@example.org", "--limit", "1", "--json"
    ).json
    assert (len(two["certificates"]), two["next"]) == (1, two["certificates"][0]["fingerprint"])
    for wrong in ("0", str(10**20)):
        assert run("trust", "list", *STORE, "--limit", wrong).status == 2
    assert run("trust", "list", *STORE, "--after", "\udcff").status == 0


def test_a_preview_tells_and_decides_nothing(run: Run, here: Path) -> None:
    run("harvest", *STORE, "signed.eml")
    found = run("trust", "anchor", *STORE, "ca.pem", "--preview", "--json").json["changes"]
    alice = fingerprint(here, "alice")
    assert {
        (each["certificate"]["fingerprint"], each["purpose"]): (
            each["before"]["status"],
            each["after"]["status"],
        )
        for each in found
    } == {(alice, "verify"): ("untrusted", "trusted"), (alice, "encrypt"): ("untrusted", "trusted")}
    assert status(run, "alice@example.org") == ["untrusted"]
    assert all(
        each["decision"] is None
        for each in run("trust", "list", *STORE, "--json").json["certificates"]
    )
    run("trust", "anchor", *STORE, "ca.pem")
    done = run("trust", "reject", *STORE, fingerprint(here, "ca"), "--preview")
    assert "rejected" in done.text
    assert "alice@example.org" in done.text
    assert "Nothing was decided" in done.err
    assert status(run, "alice@example.org") == ["trusted"]
    assert run("trust", "trust", *STORE, "bob.pem", "--preview", "--json").json["changes"]
    assert run("trust", "reset", *STORE, "alice@example.org", "--preview", "--json").json == {
        "changes": []
    }
    done = run("trust", "anchor", *STORE, "bob.pem", "--preview", "--json")
    assert (done.status, done.code) == (2, "usage.anchor-no-ca")


def test_a_folder_is_a_store(run: Run, here: Path) -> None:
    folder = ("--store", "dir:trust")
    done = run("trust", "list", *folder, "--json")
    assert (done.status, done.code) == (2, "usage.store-missing")
    assert run("harvest", *folder, "signed.eml").status == 0
    assert run("trust", "anchor", *folder, "ca.pem").status == 0
    assert run("verify", *folder, "signed.eml").status == 0
    pem = here / "trust" / "certificates" / f"{fingerprint(here, 'alice')}.pem"
    assert smimekit.Certificate.from_pem(pem.read_bytes()).fingerprint == fingerprint(here, "alice")
    done = run("trust", "list", "--store", "dir:.", "--json")
    assert (done.status, done.code) == (2, "store.schema")
