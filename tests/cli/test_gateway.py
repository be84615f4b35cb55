"""`smimekit gateway`: check, test, and the hold queue. `run` is shown where servers are."""

import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from smimekit.gateway.envelope import Envelope, EnvelopeRecipient
from smimekit.gateway.handover.hold import HoldQueue
from smimekit.gateway.outcomes import Hold, Mail
from smimekit.span import Span
from smimekit.testing import FakeCA
from tests.cli.support import Run
from tests.gateway.peers import Hop, hop

ALICE, BOB = "alice@inside.example", "bob@partner.example"
FILE = """
[gateway]
name = "gw.inside.example"
[inside]
domains = ["inside.example"]
[domain."secret.example"]
encrypt = "must"
[listen.submission]
address = "127.0.0.1:10025"
[next_hop]
address = "127.0.0.1:{port}"
[store]
url = "dir:{folder}/trust"
anchors = ["ca.pem"]
[keys]
folder = "keys"
password_env = "GATEWAY_PASSWORD"
[workers]
spool = "spool"
"""
MESSAGE = b"From: alice@inside.example\r\nTo: bob@secret.example\r\nSubject: a\r\n\r\nb\r\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GATEWAY_PASSWORD", "for tests")
    ca = FakeCA("Partner CA")
    (tmp_path / "ca.pem").write_bytes(ca.certificate.pem())
    (tmp_path / "keys").mkdir()
    alice = FakeCA("Inside CA").person(ALICE)
    (tmp_path / "keys" / "alice.p12").write_bytes(alice.to_pkcs12("for tests"))
    found = tmp_path / "gateway.toml"
    found.write_text(FILE.format(port=1, folder=tmp_path))
    return found


def hold(file: Path, to: str = "bob@secret.example") -> str:
    recipients = (EnvelopeRecipient(address=to, parameters=(("NOTIFY", "NEVER"),)),)
    mail = Mail(mail_from=ALICE, recipients=recipients, message=Span.of(MESSAGE))
    envelope = Envelope(mail_from=ALICE, recipients=recipients, user=ALICE)
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return HoldQueue(file.parent / "spool" / "hold").keep(
        Hold(mail=mail, reason="No key"), envelope, at=at
    )


def next_hop(file: Path, server: Hop) -> None:
    file.write_text(FILE.format(port=server.port, folder=file.parent))


def test_check(run: Run, file: Path) -> None:
    done = run("gateway", "check", str(file))
    assert done.status == 0
    assert "submission: 127.0.0.1:10025" in done.text
    assert "marker_secret_file" in done.err
    assert "line 2: there is no administrator in [gateway]" in done.err


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("[inside]\ndomains", "[inside]\ndomain", 5),
        ("spool =", "spol =", 19),
        ("[listen.", "[lisen.", 1),
    ],
)
def test_check_names_the_line(run: Run, file: Path, old: str, new: str, line: int) -> None:
    file.write_text(file.read_text().replace(old, new))
    done = run("gateway", "check", str(file))
    assert done.status == 2
    assert f"line {line}:" in done.err
    assert "[gateway.rules]" in done.err


def test_the_address_tester(run: Run, file: Path) -> None:
    done = run(
        "gateway", "test", str(file), "--from", ALICE, "--to", BOB, "--to", "x@secret.example"
    )
    assert done.status == 0
    assert "x@secret.example" in done.text
    facts = run("gateway", "test", str(file), "--from", ALICE, "--to", BOB, "--json").json
    assert facts["user"] == ALICE
    assert facts["submission"] is True


def test_the_address_tester_knows_certificates(run: Run, file: Path, tmp_path: Path) -> None:
    partner = FakeCA("Another CA").person(BOB).certificate
    (tmp_path / "bob.pem").write_bytes(partner.pem())
    store = f"dir:{tmp_path}/trust"
    assert run("trust", "import", "--store", store, str(tmp_path / "bob.pem")).status == 0
    words = ("gateway", "test", str(file), "--from", ALICE, "--to", BOB)
    assert partner.fingerprint[:16] in run(*words).text.replace(":", "").lower()
    assert run("trust", "trust", "--store", store, BOB).status == 0
    facts = run(*words, "--json").json
    assert partner.fingerprint in json.dumps(facts)


def test_whoever_writes_from_outside_does_not_submit(run: Run, file: Path) -> None:
    words = ("gateway", "test", str(file), "--to", ALICE, "--json")
    for who in (("--from", BOB), ("--from", ALICE, "--outside")):
        facts = run(*words, *who).json
        assert facts["submission"] is False
        assert facts["user"] is None


def test_the_address_tester_takes_a_message(run: Run, file: Path, tmp_path: Path) -> None:
    mail = tmp_path / "mail"
    mail.write_bytes(MESSAGE.replace(b"Subject: a", b"Subject: [sign] a"))
    done = run("gateway", "test", str(file), "--from", ALICE, "--to", BOB, str(mail), "--json")
    facts = done.json
    assert facts["asked"] == ["sign"]
    assert facts["honoured"] is True


def test_held_mail_is_listed_and_dropped(run: Run, file: Path) -> None:
    name = hold(file)
    assert name in run("gateway", "held", "list", str(file)).text
    (facts,) = run("gateway", "held", "list", str(file), "--json").json["held"]
    assert (facts["from"], facts["to"], facts["reason"]) == (
        ALICE,
        ["bob@secret.example"],
        "No key",
    )
    assert Path(facts["message"]).read_bytes() == MESSAGE
    assert run("gateway", "held", "drop", str(file), name).status == 0
    assert run("gateway", "held", "list", str(file), "--json").json["held"] == []


@pytest.mark.parametrize("name", ["20260301T000000-00000000", "../../keys", "x"])
def test_what_is_not_held(run: Run, file: Path, name: str) -> None:
    hold(file)  # the folder is there
    for verb in ("release", "drop"):
        done = run("gateway", "held", verb, str(file), name)
        assert done.status == 2
        assert "[usage.not-held]" in done.err
    assert (file.parent / "keys" / "alice.p12").exists()


def test_released_mail_is_treated_again(run: Run, file: Path) -> None:
    """What must be encrypted is not sent in clear text, just because somebody released it."""
    name = hold(file)
    with hop() as server:
        next_hop(file, server)
        done = run("gateway", "held", "release", str(file), name)
        assert done.status == 1
        assert "550" in done.text
        assert server.arrived == []
        assert [each.name for each in HoldQueue(file.parent / "spool" / "hold")] == [name]


def test_released_as_it_is(run: Run, file: Path) -> None:
    name = hold(file)
    with hop() as server:
        next_hop(file, server)
        done = run("gateway", "held", "release", str(file), name, "--as-is")
        assert done.status == 0
        (arrived,) = server.arrived
    assert arrived.content == MESSAGE
    assert arrived.recipients == ["RCPT TO:<bob@secret.example> NOTIFY=NEVER"]
    assert list(HoldQueue(file.parent / "spool" / "hold")) == []


@pytest.mark.parametrize("verb", ["release", "drop"])
def test_a_message_that_is_named_twice(run: Run, file: Path, verb: str) -> None:
    name = hold(file)
    with hop() as server:
        next_hop(file, server)
        more = ("--as-is",) if verb == "release" else ()
        assert run("gateway", "held", verb, str(file), name, name, *more).status == 0
        assert len(server.arrived) == (verb == "release")


def test_somebody_else_released_it_this_moment(
    run: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told so, and the others are released all the same."""
    names = [hold(file), hold(file)]
    wanted = names.copy()

    def lock(descriptor: int, how: int) -> None:
        if wanted == names:
            shutil.rmtree(file.parent / "spool" / "hold" / wanted.pop(0))

    monkeypatch.setattr("smimekit.gateway.handover.hold.fcntl.flock", lock)
    with hop() as server:
        next_hop(file, server)
        done = run("gateway", "held", "release", str(file), *names, "--as-is")
        assert done.status == 1
        assert f"There is no held message {names[0]!r}" in done.err
        assert f"{names[1]} bob@secret.example: 250" in done.text
        assert len(server.arrived) == 1


def test_what_the_next_hop_refuses_stays(run: Run, file: Path) -> None:
    name = hold(file)
    with hop(answer=lambda command: "451 4.3.0 Later" if command == "." else "") as server:
        next_hop(file, server)
        assert run("gateway", "held", "release", str(file), name, "--as-is").status == 1
    assert [each.name for each in HoldQueue(file.parent / "spool" / "hold")] == [name]


# --- the digest ---------------------------------------------------------------------------------


@pytest.fixture
def waits(run: Run, file: Path, tmp_path: Path) -> str:
    """The fingerprint of a certificate that waits."""
    partner = FakeCA("Another CA").person(BOB).certificate
    (tmp_path / "bob.pem").write_bytes(partner.pem())
    done = run("trust", "import", "--store", f"dir:{tmp_path}/trust", str(tmp_path / "bob.pem"))
    assert done.status == 0
    return partner.fingerprint


def administered(file: Path, server: Hop) -> None:
    next_hop(file, server)
    name = 'name = "gw.inside.example"\n'
    line = 'administrator = "admin@inside.example"\n'
    file.write_text(file.read_text().replace(name, name + line))


def test_the_digest_is_shown(run: Run, file: Path, waits: str) -> None:
    with hop() as server:
        administered(file, server)
        for _ in range(2):
            done = run("gateway", "digest", str(file))
            assert done.status == 0
            assert waits in done.text
            assert "To: admin@inside.example" in done.text
        facts = run("gateway", "digest", str(file), "--json").json
        assert [each["fingerprint"] for each in facts["waiting"]] == [waits]
        assert facts["waiting"][0]["addresses"] == [BOB]
        assert facts["sent"] is False
        assert server.arrived == []


def test_the_digest_is_sent_once(run: Run, file: Path, waits: str) -> None:
    with hop() as server:
        administered(file, server)
        assert run("gateway", "digest", str(file), "--send", "--json").json["sent"] is True
        (arrived,) = server.arrived
        assert arrived.addresses == ["admin@inside.example"]
        assert arrived.mail.startswith("MAIL FROM:<>")
        again = run("gateway", "digest", str(file), "--send")
        assert again.status == 0
        assert "Nothing new" in again.err
        assert run("gateway", "digest", str(file), "--json").json == {"waiting": [], "sent": False}
        assert len(server.arrived) == 1


def test_the_next_hop_does_not_take_the_digest(run: Run, file: Path, waits: str) -> None:
    with hop(answer=lambda command: "451 4.3.0 Later" if command == "." else "") as server:
        administered(file, server)
        assert run("gateway", "digest", str(file), "--send").status == 1
        assert waits in run("gateway", "digest", str(file)).text


def test_nobody_reads_the_digest(run: Run, file: Path, waits: str) -> None:
    done = run("gateway", "digest", str(file), "--send")
    assert done.status == 2
    assert "[usage.no-administrator]" in done.err


def test_nothing_to_listen_at(run: Run, file: Path) -> None:
    text = file.read_text().replace('[listen.submission]\naddress = "127.0.0.1:10025"\n', "")
    file.write_text(text)
    done = run("gateway", "run", str(file))
    assert done.status == 2
    assert "[usage.gateway]" in done.err


def test_a_milter_needs_its_extra(run: Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiosmtpd")
    text = file.read_text().replace('10025"', '10025"\nprotocol = "milter"')
    file.write_text(text)
    monkeypatch.setitem(sys.modules, "Milter", None)
    done = run("gateway", "run", str(file))
    assert done.status == 2
    assert "usage.extra-milter" in done.err


def test_check_names_the_package_that_is_missing(
    run: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(file.read_text().replace('10025"', '10025"\nprotocol = "milter"'))
    monkeypatch.setitem(sys.modules, "Milter", None)
    done = run("gateway", "check", str(file))
    assert done.status == 0
    assert "needs pymilter, which is not installed" in done.err
    assert "pip install 'smimekit[milter]'" in done.err


@pytest.mark.parametrize("sender", ["jürgen@inside.example", '"a, b"@inside.example'])
def test_the_address_tester_writes_addresses_as_they_are(run: Run, file: Path, sender: str) -> None:
    facts = run("gateway", "test", str(file), "--from", sender, "--to", BOB, "--json").json
    assert facts["author"] == sender
    assert facts["submission"] is True


@pytest.mark.parametrize("option", ["--from", "--to", "--subject"])
def test_the_address_tester_writes_no_field_into_another(run: Run, file: Path, option: str) -> None:
    words = {"--from": ALICE, "--to": BOB, "--subject": "a"} | {option: "a\nCc: b@x.example"}
    done = run("gateway", "test", str(file), *(each for pair in words.items() for each in pair))
    assert done.status == 2
    assert "[usage.gateway]" in done.err


@pytest.mark.parametrize("key", ["processor", "events"])
def test_check_says_what_cannot_be_imported(run: Run, file: Path, key: str) -> None:
    """It is the last word before the gateway runs, and there it would stop everything."""
    text = file.read_text()
    file.write_text(text.replace("spool =", f'{key} = "smimekit.none:make"\nspool ='))
    done = run("gateway", "check", "--json", str(file))
    assert (done.status, done.code) == (2, "gateway.processor")
    file.write_text(text.replace("spool =", f'{key} = "tests.gateway.processors:heard"\nspool ='))
    assert run("gateway", "check", str(file)).status == 0


def test_hooks_are_the_gateways_own(run: Run, file: Path) -> None:
    both = 'processor = "a:b"\nevents = "a:b"\nspool ='
    file.write_text(file.read_text().replace("spool =", both))
    done = run("gateway", "check", str(file))
    assert done.status == 2
    assert "processor takes its place" in done.err
