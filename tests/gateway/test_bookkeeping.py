"""What the adapters write down: a line for each transaction, and the numbers of `counting`."""

import json
import os
from pathlib import Path

import pytest

from smimekit import Purpose, Trust
from smimekit.gateway.events import Action, CertificateSeen, Events, Objection, Scan
from smimekit.gateway.program.bookkeeping import WithHooks, bookkeeping
from smimekit.gateway.reports.audit import CertificateRole, Entry
from smimekit.gateway.reports.counting import count_entry
from smimekit.gateway.reports.metrics import Metrics
from smimekit.span import Span
from smimekit.testing import FakeCA
from tests.gateway.arrivals import envelope
from tests.gateway.test_counting import entry, use
from tests.message.people import NOW

ENTRY = entry(use(CertificateRole.SIGNER, result="pass"), use(CertificateRole.DECRYPTED_WITH))


def test_all_that_is_counted_of_a_transaction_is_counted(tmp_path: Path) -> None:
    found, expected = Metrics(), Metrics()
    file = tmp_path / "audit"
    with bookkeeping(str(file), found) as books:
        books.outcome(ENTRY)
    count_entry(expected, ENTRY)
    assert 'signatures_total{result="pass"} 1' in found.text()
    assert found.text() == expected.text()
    assert json.loads(file.read_text())["message_id"] == "<1@a>"


def test_what_is_not_on_record_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics()
    with bookkeeping(os.devnull, metrics) as books:
        monkeypatch.setattr(os, "write", lambda _, line: len(line) - 1)
        with pytest.raises(OSError, match="no room"):
            books.outcome(ENTRY)
    assert metrics.text() == Metrics().text()


def test_a_line_that_a_full_disk_cut_off_takes_no_other_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever process wrote it: what was passed on is on record, and can be read there."""
    file, whole = tmp_path / "audit", os.write
    with bookkeeping(str(file), Metrics()) as one, bookkeeping(str(file), Metrics()) as other:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda descriptor, line: whole(descriptor, line[:-20]))
            with pytest.raises(OSError, match="no room"):
                one.outcome(ENTRY)
        other.outcome(ENTRY)
        one.outcome(ENTRY)
    _, *lines = file.read_text().splitlines()
    assert [json.loads(line)["message_id"] for line in lines] == ["<1@a>", "<1@a>"]


def test_a_pipe_that_nobody_reads_from_is_no_record(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with bookkeeping(str(pipe), Metrics()) as books:
        books.outcome(ENTRY)
        assert json.loads(os.read(reader, 1 << 16))["message_id"] == "<1@a>"
        os.close(reader)
        with pytest.raises(BrokenPipeError):
            books.outcome(ENTRY)


class Hooks(Events):
    """Objects to everything, and hears everything."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def before_encrypt(self, scan: Scan, /) -> Objection | None:
        return Objection(action=Action.HOLD, reason=f"out {len(scan.message)}")

    def after_decrypt(self, scan: Scan, /) -> Objection | None:
        return Objection(action=Action.REJECT, reason=f"in {len(scan.message)}")

    def certificate_seen(self, seen: CertificateSeen, /) -> Objection | None:
        return Objection(action=Action.DEFER, reason=seen.sender)

    def outcome(self, entry: Entry, /) -> None:
        self.heard.append(entry)


def test_hooks_say_what_they_say_beside_the_books(tmp_path: Path) -> None:
    hooks, metrics = Hooks(), Metrics()
    ca = FakeCA(now=NOW)
    around = envelope()
    scan = Scan(envelope=around, recipients=around.recipients, message=Span.of(b"A: b"), at=NOW)
    certificate = ca.person("a@example.org").certificate
    seen = CertificateSeen(
        certificate=certificate,
        judgement=Trust().judge(certificate, Purpose.ENCRYPT, at=NOW),
        sender="a@example.org",
        reference="",
        at=NOW,
    )
    file = tmp_path / "audit"
    with bookkeeping(str(file), metrics) as books:
        both = WithHooks(hooks, books)
        said = [both.before_encrypt(scan), both.after_decrypt(scan), both.certificate_seen(seen)]
        both.outcome(ENTRY)
    assert [each and (each.action, each.reason) for each in said] == [
        ("hold", "out 4"),
        ("reject", "in 4"),
        ("defer", "a@example.org"),
    ]
    assert hooks.heard == [ENTRY]
    assert len(file.read_text().splitlines()) == 1
    assert metrics.text() != Metrics().text()


def test_what_a_hook_stops_is_not_in_the_books(monkeypatch: pytest.MonkeyPatch) -> None:
    hooks, metrics = Hooks(), Metrics()
    monkeypatch.setattr(hooks, "heard", None)
    with bookkeeping(None, metrics) as books, pytest.raises(AttributeError):
        WithHooks(hooks, books).outcome(ENTRY)
    assert metrics.text() == Metrics().text()
