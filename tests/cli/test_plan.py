"""`encrypt --plan` says who gets what; `encrypt` does it."""

from pathlib import Path

from smimekit import der
from smimekit.testing import FakeCA
from smimekit.testing.profiles import Profile
from tests.cli.support import Run

TRIPLE_DES = der.sequence(der.sequence(der.oid("1.2.840.113549.3.7")))


def learned(run: Run) -> tuple[str, str]:
    """A store that trusts Alice, and has her capabilities from a mail."""
    store = ("--store", "sqlite:///trust.db")
    assert run("trust", "anchor", *store, "ca.pem").status == 0
    assert run("harvest", *store, "signed.eml").status == 0
    return store


def weak(here: Path) -> None:
    """The certificate of somebody whose program reads Triple DES only (RFC 4262)."""
    who = FakeCA("Other CA").person("old@example.org", profile=Profile(capabilities=TRIPLE_DES))
    (here / "old.pem").write_bytes(who.certificate.pem())


def test_a_plan_as_json(run: Run, here: Path) -> None:
    store = learned(run)
    done = run("encrypt", "--plan", *store, "--to", "alice@example.org", "--json")
    assert (done.status, done.err) == (0, "")
    facts = done.json
    assert (facts["cipher"], facts["derived"], facts["refused"]) == ("aes-256-gcm", True, [])
    (entry,) = facts["served"]
    assert entry["certificate"]["addresses"] == ["alice@example.org"]
    del entry["certificate"]
    assert entry == {
        "name": "alice@example.org",
        "cipher": "aes-256-gcm",
        "key_management": "ecdh-std-sha256 with aes-256-wrap",
        "knowledge": "announced",
        "notes": [],
    }


def test_the_deed_is_as_planned(run: Run, here: Path) -> None:
    store = learned(run)
    for more, cipher in (
        ((), "aes-256-gcm"),
        (("--to", "bob.pem"), "aes-256-cbc"),
        (("--to", "bob.pem", "--policy", "modern"), "aes-256-gcm"),
        (("--cipher", "aes-128-gcm"), "aes-128-gcm"),
    ):
        command = ("encrypt", *store, "--to", "alice@example.org", *more)
        assert run(*command, "--plan", "--json").json["cipher"] == cipher
        report = run(*command, "draft.eml", "-o", "out.eml", "--json").json
        assert report["cipher"] == cipher
        layer = run("open", "out.eml", "--json").json["layers"][0]
        assert layer["algorithm"] == cipher


def test_the_certificate_alone_says_less_than_the_store(run: Run, here: Path) -> None:
    """Both name the same certificate: it is one recipient, and what is known of it counts."""
    store = learned(run)
    alone = run("encrypt", "--plan", "--to", "alice.pem", "--json").json
    assert [each["knowledge"] for each in alone["served"]] == ["assumed"]
    orders = (("alice.pem", "alice@example.org"), ("alice@example.org", "alice.pem"))
    for first, second in orders:
        both = run("encrypt", "--plan", *store, "--to", first, "--to", second, "--json").json
        assert [each["knowledge"] for each in both["served"]] == ["announced"]


def test_a_plan_reads_and_writes_no_message(run: Run, here: Path) -> None:
    before = sorted(here.iterdir())
    done = run("encrypt", "--plan", "--to", "bob.pem", "missing.eml", "-o", "out.eml")
    assert done.status == 0
    assert sorted(here.iterdir()) == before


def test_a_plan_for_people(run: Run, here: Path) -> None:
    weak(here)
    done = run("encrypt", "--plan", "--to", "bob.pem", "--to", "old.pem", "--to", "carol.pem")
    assert done.status == 1
    rows = [line.split(maxsplit=1) for line in done.text.splitlines()]
    assert rows[0] == ["Cipher", "aes-256-cbc"]
    assert rows[1] == [
        "bob@example.org",
        "ecdh-std-sha256 with aes-256-wrap (aes-256-cbc: assumed)",
    ]
    assert rows[2] == ["carol@example.org", "rsa-pkcs1 (aes-256-cbc: assumed)"]
    assert rows[3][0] == "old@example.org"
    assert "des-ede3-cbc" in rows[3][1]
    assert rows[3][1].endswith("[policy.no-cipher]")


def test_who_cannot_be_served_is_told_and_nothing_is_written(run: Run, here: Path) -> None:
    weak(here)
    to = ("--to", "bob.pem", "--to", "old.pem")
    done = run("encrypt", "--plan", *to, "--json")
    assert done.status == 1
    (entry,) = done.json["refused"]
    assert (entry["name"], entry["code"]) == ("old@example.org", "policy.no-cipher")
    assert entry["certificate"]["addresses"] == ["old@example.org"]
    failed = run("encrypt", *to, "draft.eml", "-o", "out.eml", "--json")
    assert (failed.status, failed.code) == (1, "policy.no-cipher")
    assert failed.json["error"]["message"] == entry["reason"]
    assert not (here / "out.eml").exists()
    chosen = ("--cipher", "aes-256-cbc")
    (_, entry) = run("encrypt", "--plan", *to, *chosen, "--json").json["served"]
    assert (entry["knowledge"], entry["notes"]) == (
        "chosen",
        ["It does not announce aes-256-cbc."],
    )
    told = run("encrypt", "--plan", *to, *chosen)
    assert "It does not announce aes-256-cbc." in told.text
    assert run("encrypt", *to, *chosen, "draft.eml", "-o", "out.eml").status == 0


def test_an_address_without_a_trusted_certificate_is_refused(run: Run, here: Path) -> None:
    store = learned(run)
    run("trust", "import", *store, "bob.pem")
    done = run("encrypt", "--plan", *store, "--to", "bob@example.org", "--json")
    assert done.status == 1
    assert (done.json["cipher"], done.json["served"]) == (None, [])
    (entry,) = done.json["refused"]
    assert (entry["name"], entry["code"], entry["certificate"]) == (
        "bob@example.org",
        "policy.no-trusted-certificate",
        None,
    )
    (unusable,) = done.json["unusable"]
    assert unusable["certificate"]["addresses"] == ["bob@example.org"]
    both = ("--to", "bob@example.org", "--to", "alice@example.org")
    done = run("encrypt", "--plan", *store, *both, "--json")
    assert (done.status, done.json["cipher"]) == (1, "aes-256-gcm")
    told = run("encrypt", "--plan", *store, *both)
    assert "Not used:" in told.err
    assert "[policy.no-trusted-certificate]" in told.text


def test_a_signer_counts_as_somebody_who_announces(run: Run, here: Path) -> None:
    store = learned(run)
    to = ("--to", "alice@example.org", "--to", "carol.pem")
    plan = ("encrypt", "--plan", *store, *to, "--json")
    assert run(*plan).json["cipher"] == "aes-256-cbc"
    assert run(*plan, "--key", "carol.p12").json["cipher"] == "aes-256-gcm"


def test_mistakes_are_no_plans(run: Run) -> None:
    done = run("encrypt", "--plan", "--to", "ca.pem", "--json")
    assert (done.status, done.code) == (2, "usage.recipient")
    done = run("encrypt", "--plan", "--to", "bob.pem", "--cipher", "des-ede3-cbc", "--json")
    assert (done.status, done.code) == (1, "policy.weak")
