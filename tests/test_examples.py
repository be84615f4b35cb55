"""The programs in `examples/` run, and show what their first line says."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

import smimekit
from smimekit import Trust
from smimekit.gateway.handover.next_hop import Protocol
from smimekit.gateway.program.config import read_config
from smimekit.gateway.rules.lint import lint
from smimekit.testing import FakeCA
from smimekit.trust import HandedEvidence

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = sorted((ROOT / "examples").glob("*.py"))
CA = FakeCA()
ALICE = CA.person("alice@example.org")
DRAFT = b"From: alice@example.org\n\nHello\n"


def load(name: str) -> ModuleType:
    """A program, not run."""
    path = ROOT / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"example_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_it_says_what_it_shows_and_how_to_run_it(program: Path) -> None:
    text = program.read_text(encoding="utf-8")
    assert text.startswith('"""Shows: ')
    assert f"python examples/{program.name}" in text


@pytest.mark.parametrize(
    "name",
    [
        "compose_with_email",
        "file_transfer_steps",
        "gateway_handler",
        "mail_gateway_sketch",
        "ticket_inbox",
    ],
)
def test_it_runs_as_a_program(name: str) -> None:
    source = str(Path(smimekit.__file__).parent.parent)
    program = f"import sys; sys.path.insert(0, {source!r}); import runpy; runpy.run_path({str(ROOT / 'examples' / name)!r} + '.py', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


# --- gateway_handler -----------------------------------------------------------------------


def test_gateway_handler(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("aiosmtpd")
    assert load("gateway_handler").main() == 0
    assert capsys.readouterr().out.splitlines() == ["in clear text: True", "signed by Bob: True"]


@pytest.mark.parametrize(
    ("rules", "fails", "answer"),
    [
        ("", True, "451 4.3.0"),
        ('[outside]\nencrypt = "must"\n', False, "550 5.7.10"),
        ('[outside]\nencrypt = "must"\nimpossible = "hold"\n', False, "451 4.7.0"),
    ],
    ids=["next hop", "refused", "held"],
)
def test_gateway_handler_says_250_only_when_all_is_done(
    rules: str, fails: bool, answer: str
) -> None:
    pytest.importorskip("aiosmtpd")
    module = load("gateway_handler")

    def send(mail: object) -> None:
        assert fails, "nothing may be sent"
        raise OSError

    rules = '[inside]\ndomains = ["our.example"]\n' + rules
    store = smimekit.MemoryTrustStore()
    gateway = module.Gateway(
        rules=module.read_rules(rules), trust=Trust(store), keys=smimekit.KeyRing()
    )
    to = (module.EnvelopeRecipient(address="bob@their.example"),)
    envelope = module.Envelope(mail_from="alice@our.example", recipients=to)
    mail = b"From: alice@our.example\r\n\r\nHello\r\n"
    assert module.Handler(gateway, send).passed(envelope, mail).startswith(answer)


# --- ticket_inbox --------------------------------------------------------------------------


def test_ticket_inbox(capsys: pytest.CaptureFixture[str]) -> None:
    assert load("ticket_inbox").main() == 0
    assert capsys.readouterr().out.splitlines() == [
        "It is secret. by Bob: True",
        "It is signed. by Bob: True",
        "It is forged. by Bob: False",
    ]


def test_ticket_inbox_takes_anything() -> None:
    module = load("ticket_inbox")
    store = smimekit.MemoryTrustStore()
    gateway = module.Gateway(
        rules=module.read_rules(module.RULES), trust=Trust(store), keys=smimekit.KeyRing()
    )
    for mail in (b"", b"\x00", smimekit.encrypt(DRAFT, [ALICE]), b"From: <>\r\n\r\n"):
        ticket = module.Inbox(gateway).ticket(mail, "x@their.example")
        assert ticket is None or not ticket.signer_is_sender


# --- gateway/ ------------------------------------------------------------------------------

WIRINGS = ["postfix-filter", "postfix-milter", "postfix-pipe"]


@pytest.mark.parametrize("name", WIRINGS)
def test_postfix_understands_its_wiring(
    name: str, tmp_path: Path, require_program: Callable[[str], str]
) -> None:
    """`postconf` reads it, and knows every parameter in it."""
    for each in ("main.cf", "master.cf"):
        part = ROOT / "examples" / "gateway" / name / each
        own = part.read_text() if part.exists() else ""
        (tmp_path / each).write_text(own + ("compatibility_level = 3.6\n" * (each == "main.cf")))
    postconf = require_program("postconf")
    for option in ("-n", "-M", "-P"):
        done = subprocess.run(
            [postconf, "-c", str(tmp_path), option], capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        assert option != "-M" or "127.0.0.1:10026" in done.stdout


def test_the_milter_wiring_and_its_gateway_speak_of_the_same(tmp_path: Path) -> None:
    folder = ROOT / "examples" / "gateway" / "postfix-milter"
    master = (folder / "master.cf").read_text()
    (tmp_path / "marker").write_text("0" * 64)
    (tmp_path / "gateway.toml").write_text((folder / "gateway.toml").read_text())
    config = read_config(tmp_path / "gateway.toml")
    (listener,) = config.listeners
    assert listener.protocol is Protocol.MILTER
    assert master.count(f"inet:{listener.address}") == 2
    assert f"\n127.0.0.1:{config.next_hop.port} inet" in master
    back = master.partition("\n127.0.0.1:10026")[2]
    assert str(listener.address) not in back, "else it would be asked about its own mail"
    text = (tmp_path / "gateway.toml").read_text()
    assert lint(text, "gateway.toml", folder=tmp_path) == ()


def test_the_filter_wiring_and_its_gateway_speak_of_the_same(tmp_path: Path) -> None:
    folder = ROOT / "examples" / "gateway"
    master = (folder / "postfix-filter" / "master.cf").read_text()
    (tmp_path / "gateway.toml").write_text((folder / "gateway.toml").read_text())
    config = read_config(tmp_path / "gateway.toml")
    for each in config.listeners:
        assert f"content_filter={each.protocol}:[127.0.0.1]:{each.address.port}" in master
    assert f"\n127.0.0.1:{config.next_hop.port} inet" in master


# --- mail_gateway_sketch -------------------------------------------------------------------


def test_gateway(capsys: pytest.CaptureFixture[str]) -> None:
    everything = "VERIFIED|CONFIDENTIAL|INTACT"
    assert load("mail_gateway_sketch").main() == 0
    assert capsys.readouterr().out.splitlines() == [
        "to a stranger: in clear",
        "to a stranger, with the tag: signed",
        "from Bob, signed: learned: bob@their.example, protection: VERIFIED|INTACT",
        f"from Bob, encrypted: learned: bob@their.example, protection: {everything} True",
        "to Bob, now: encrypted False",
    ]


def test_gateway_delivers_the_header_once_and_the_content() -> None:
    module = load("mail_gateway_sketch")
    bob = CA.person("bob@example.org")
    draft = b"From: b@example.org\nX: x;\n  y\nSubject: S\n\nHello\n"
    old, new = (
        b"Received: by us\r\n" + smimekit.encrypt(draft, [bob], headers=headers)
        for headers in (None, smimekit.HeaderProtection())
    )
    for mail in (old, new):
        with smimekit.open(mail, keys=[bob], trust=Trust()) as opened:
            payload = opened.payload(require=smimekit.Protection.CONFIDENTIAL).bytes()
            found = module.delivered(mail, opened.header, payload)
        fields = {each.name: each.value for each in module.header_fields(found)}
        copies = [each for each in module.header_fields(found) if each.named("HP-Outer")]
        assert len(fields) + len(copies) - bool(copies) == len(module.header_fields(found))
        assert fields["Received"] == b"by us"
        assert (fields["X"], fields["Subject"]) == (b"x;  y", b"S")
        assert found.endswith(b"\r\n\r\nHello\r\n")


def test_gateway_leaves_alone_what_it_cannot_read() -> None:
    module = load("mail_gateway_sketch")
    store = smimekit.MemoryTrustStore()
    gateway = module.Gateway({}, store, Trust(store))
    for_others = smimekit.encrypt(DRAFT, [ALICE])
    assert gateway.inbound(for_others).mail == for_others
    two_types = b"Content-Type: text/plain\nContent-Type: text/html\n\n"
    assert gateway.inbound(two_types) == module.Outcome(
        two_types, ("left alone: mime.duplicate-field",)
    )


def test_gateway_sends_in_clear_unless_every_receiver_can_read_it() -> None:
    module = load("mail_gateway_sketch")
    store = smimekit.MemoryTrustStore()
    gateway = module.Gateway({}, store, Trust(store, anchors=[CA.certificate]))
    gateway.inbound(smimekit.sign(DRAFT, ALICE))
    both = ["alice@example.org", "bob@example.org"]
    assert gateway.outbound(DRAFT, "c@example.org", both[:1]).notes == ("encrypted",)
    assert gateway.outbound(DRAFT, "c@example.org", both).notes == ("in clear",)


# --- file_transfer_steps -------------------------------------------------------------------


@pytest.mark.parametrize(
    "file", [b"", b"a: b\n\nc", bytes(range(256)), b"From x\r\n.\n"], ids=range(4)
)
def test_file_transfer_keeps_each_octet(file: bytes, tmp_path: Path) -> None:
    steps = load("file_transfer_steps")
    bob = CA.person("bob@example.org")
    source, sealed, got = (tmp_path / name for name in ("source", "sealed", "got"))
    source.write_bytes(file)
    steps.encrypt_step(source, sealed, to=[bob], key=ALICE)
    trust = Trust(anchors=[CA.certificate])
    steps.verify_step(sealed, got, trust=trust, partner="alice@example.org", keys=[bob])
    assert got.read_bytes() == file


def test_file_transfer_writes_nothing_that_another_partner_signed(tmp_path: Path) -> None:
    steps = load("file_transfer_steps")
    source, sealed, got = (tmp_path / name for name in ("source", "sealed", "got"))
    source.write_bytes(b"data")
    steps.sign_step(source, sealed, key=ALICE)
    trust = Trust(anchors=[CA.certificate])
    with pytest.raises(smimekit.WrongSender):
        steps.verify_step(sealed, got, trust=trust, partner="bob@example.org")
    assert not got.exists()


def test_file_transfer_checks_what_is_signed_beside(tmp_path: Path) -> None:
    steps = load("file_transfer_steps")
    source, beside = tmp_path / "source", tmp_path / "source.p7s"
    source.write_bytes(b"data")
    steps.sign_step(source, beside, key=ALICE, detached=True)
    check = partial(steps.check_step, source, beside, trust=Trust(anchors=[CA.certificate]))
    check(partner="alice@example.org")
    with pytest.raises(smimekit.WrongSender):
        check(partner="bob@example.org")
    source.write_bytes(b"date")
    with pytest.raises(smimekit.ContentChanged):
        check(partner="alice@example.org")


def test_a_file_transfer_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    steps = load("file_transfer_steps")
    done = []

    def write(target: Path) -> None:
        done.append(target.name)
        if done.count(target.name) == 1 and target.name == "second":
            raise OSError("interrupted")
        target.write_bytes(b"")

    job = [(tmp_path / name, write) for name in ("first", "second", "third")]
    with pytest.raises(OSError, match="interrupted"):
        steps.run(job)
    assert steps.run(job) == 2
    assert done == ["first", "second", "second", "third"]


def test_file_transfer_demo(capsys: pytest.CaptureFixture[str]) -> None:
    assert load("file_transfer_steps").main() == 0
    assert capsys.readouterr().out.splitlines() == [
        "steps: 3, the file is back: True",
        "steps when run again: 1",
        "unsigned: refused (not-signed)",
    ]


# --- who_wrote_it --------------------------------------------------------------------------


def test_who_wrote_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where a stranger signed beside the author, and where From names somebody else."""
    bob, stranger = CA.person("bob@example.org"), FakeCA("Other CA").person("eve@example.org")
    anchors, key = tmp_path / "ca.pem", tmp_path / "bob.p12"
    anchors.write_bytes(CA.certificate.pem())
    key.write_bytes(bob.to_pkcs12("password"))
    folder = tmp_path / "mails"
    folder.mkdir()
    signed = smimekit.sign(DRAFT, ALICE)
    mails = {
        "WRITTEN BY alice@example.org": smimekit.encrypt(DRAFT, [bob], signer=[stranger, ALICE]),
        "NOT SIGNED": smimekit.encrypt(DRAFT, [bob]),
        "NOT OPENED": smimekit.encrypt(DRAFT, [ALICE]),
        "NOT TRUSTED": smimekit.sign(DRAFT.replace(b"alice", b"eve"), stranger),
        "CHANGED": signed.replace(b"Hello", b"Jello"),
        "SOMEBODY ELSE": smimekit.sign(DRAFT, bob),
        "NOT READABLE": b"no header",
    }
    for number, mail in enumerate(mails.values()):
        (folder / f"{number}.eml").write_bytes(mail)
    monkeypatch.setenv("KEY_PASSWORD", "password")
    assert load("who_wrote_it").main([str(folder), str(anchors), str(key)]) == 0
    lines = capsys.readouterr().out.splitlines()
    for line, word in zip(sorted(lines), mails, strict=True):
        assert f".eml: {word}" in line


def test_who_wrote_it_tells_who_is_rejected() -> None:
    program, ca = load("who_wrote_it"), FakeCA()
    alice = ca.person("alice@example.org")
    ca.revoke(alice)
    trust = Trust(anchors=[ca.certificate], evidence=HandedEvidence([ca.crl()]))
    with smimekit.open(smimekit.sign(DRAFT, alice), trust=trust) as opened:
        assert program.verdict(opened).startswith("REJECTED: ")


# --- compose_with_email --------------------------------------------------------------------


def test_compose(capsys: pytest.CaptureFixture[str]) -> None:
    assert load("compose_with_email").main() == 0
    header, _, content = capsys.readouterr().out.partition("---\n")
    assert "Subject: [...]" in header
    assert "Bcc" not in header
    assert "numbers." not in header
    assert (
        content
        == "Subject: The numbers\ntext/plain\nGrüße, and the numbers.\ntext/csv numbers.csv\n1;2;3\n"
    )


# --- address_book --------------------------------------------------------------------------


def test_address_book(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sqlalchemy")
    book = load("address_book")
    eve = CA.self_signed("eve@example.net")
    mails = {
        "1.eml": smimekit.sign(DRAFT, ALICE),
        "2.eml": DRAFT,
        "3.eml": smimekit.sign(DRAFT.replace(b"alice@example.org", b"eve@example.net"), eve),
        "4.eml": smimekit.sign(DRAFT, eve),
        "5.eml": b"\x00",
    }
    for name, mail in mails.items():
        (tmp_path / name).write_bytes(mail)
    (tmp_path / "ca.pem").write_bytes(CA.certificate.pem())
    url = f"sqlite:///{tmp_path}/book.db"
    assert book.main([str(tmp_path), url, str(tmp_path / "ca.pem")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "1.eml: alice@example.org",
        "2.eml: nobody (the message is not signed)",
        "3.eml: eve@example.net",
        "4.eml: nobody (the signer is not the sender)",
        "5.eml: nobody (mime.no-header)",
        f"alice@example.org  {ALICE.certificate.fingerprint[:16]}  trusted",
        f"eve@example.net  {eve.certificate.fingerprint[:16]}  untrusted  chain.self_signed",
    ]


# --- check_mail ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mail", "status", "protection"),
    [
        (smimekit.sign(DRAFT, ALICE), 0, ["verified", "intact"]),
        (smimekit.sign(DRAFT, CA.unknown_ca("alice@example.org")), 1, ["intact"]),
        (DRAFT, 1, []),
        (smimekit.encrypt(DRAFT, [ALICE]), 1, []),
    ],
    ids=["signed", "unknown", "plain", "encrypted"],
)
def test_check_mail(
    mail: bytes,
    status: int,
    protection: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "mail").write_bytes(mail)
    (tmp_path / "ca.pem").write_bytes(CA.certificate.pem())
    check = load("check_mail")
    assert check.main([str(tmp_path / "mail"), str(tmp_path / "ca.pem")]) == status
    assert json.loads(capsys.readouterr().out)["protection"] == protection


def test_check_mail_says_why_nobody_can_read_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mail").write_bytes(b"\x00")
    assert load("check_mail").main([str(tmp_path / "mail")]) == 3
    assert json.loads(capsys.readouterr().out)["error"] == "mime.no-header"
