"""The benchmark of stores works, with little in it; what it measures is what its page tells."""

import re
from pathlib import Path

import pytest

from benchmarks import store as benchmark
from smimekit.trust.stores.sql import SqlTrustStore
from tests.trust import certs

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "performance-of-stores.md"


def test_a_small_one_in_sqlite(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/trust.db"
    report = benchmark.run(url, count=300, mails=60, effort=0.02)
    assert all(0 < one.median <= one.late for one in report.figures)
    first, again = report.harvested
    assert first.writes > 0, "it would not notice if the second time wrote"
    assert again.writes == 0
    taken = benchmark.run(url, count=300, mails=1, effort=0.01)
    assert [one.name for one in taken.figures] == [one.name for one in report.figures]
    with SqlTrustStore(url) as store:
        assert len(store.page(limit=1_000)) < 400, "it was filled twice"


def test_the_page_has_a_row_for_each_figure(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    told = re.findall(r"^\| ([\w ,]+?) \| +[\d.]", text, re.MULTILINE)
    report = benchmark.run(f"sqlite:///{tmp_path}/trust.db", count=5, mails=1, effort=0.01)
    assert set(told) == {one.name for one in report.figures}


def test_another_store_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/trust.db"
    with SqlTrustStore(url) as store:
        store.put(certs.person("a@example.com").certificate, benchmark.SOURCE, at=certs.NOW)
    with pytest.raises(AssertionError, match="other things"):
        benchmark.run(url, count=5, mails=1, effort=0.01)
