"""What the adapters write down: a line for each transaction, and the numbers of `counting`."""

import json
import os
from pathlib import Path

import pytest

from smimekit.gateway.program.bookkeeping import bookkeeping
from smimekit.gateway.reports.audit import CertificateRole
from smimekit.gateway.reports.counting import count_entry
from smimekit.gateway.reports.metrics import Metrics
from tests.gateway.test_counting import entry, use

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
