"""Numbers as Prometheus reads them: its text format, version 0.0.4, checked by a reader here."""

import math
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit.errors import UsageError
from smimekit.gateway.reports.metrics import METRICS, Histogram, Metric, Metrics

TABLE = (
    Metric("mail_total", 'All "mail"\\\nin lines.', ("way", "end")),
    Metric("plain_total", "Without labels."),
    Histogram("seconds", "Time.", (0.1, 1.0), ("way",)),
)
SAMPLE = re.compile(r'([a-z_:][a-z0-9_:]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (\S+)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"')


def unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), text)


def read(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """A second pair of eyes: the samples in the text; every line has to be one, or a comment."""
    assert text.endswith("\n")
    found = {}
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# "):
            assert re.match(r"# (HELP|TYPE) [a-z_]+ ", line)
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample, line
        labels = LABEL.findall(sample[2] or "")
        value = math.inf if sample[3] == "+Inf" else float(sample[3])
        key = sample[1], tuple((name, unescaped(label)) for name, label in labels)
        assert key not in found
        found[key] = value
    return found


def test_counters_and_histograms_are_written() -> None:
    metrics = Metrics(TABLE)
    metrics.count("mail_total", "in", "delivered")
    metrics.count("mail_total", "in", "delivered", by=2)
    metrics.count("plain_total", by=0.5)
    for value in (0.05, 0.1, 0.5, 7.25):
        metrics.observe("seconds", value, "in")
    text = metrics.text()
    assert read(text) == {
        ("mail_total", (("way", "in"), ("end", "delivered"))): 3,
        ("plain_total", ()): 0.5,
        ("seconds_bucket", (("way", "in"), ("le", "0.1"))): 2,
        ("seconds_bucket", (("way", "in"), ("le", "1"))): 3,
        ("seconds_bucket", (("way", "in"), ("le", "+Inf"))): 4,
        ("seconds_sum", (("way", "in"),)): pytest.approx(7.9),
        ("seconds_count", (("way", "in"),)): 4,
    }
    assert '# HELP mail_total All "mail"\\\\\\nin lines.\n# TYPE mail_total counter\n' in text
    assert "# TYPE seconds histogram\n" in text


def test_what_is_zero_is_said_where_there_are_no_labels() -> None:
    assert read(Metrics(TABLE).text()) == {("plain_total", ()): 0}


@given(st.text(), st.text())
def test_no_label_breaks_its_line(one: str, other: str) -> None:
    metrics = Metrics(TABLE)
    metrics.count("mail_total", one, other)
    assert read(metrics.text())["mail_total", (("way", one), ("end", other))] == 1


@given(st.lists(st.floats(min_value=0, max_value=1e6)))
def test_buckets_add_up(values: list[float]) -> None:
    metrics = Metrics(TABLE)
    for value in values:
        metrics.observe("seconds", value, "in")
    found = read(metrics.text())
    counts = [found.get(("seconds_bucket", (("way", "in"), ("le", le))), 0) for le in ("0.1", "1")]
    assert counts == [sum(value <= bound for value in values) for bound in (0.1, 1.0)]
    assert found.get(("seconds_count", (("way", "in"),)), 0) == len(values)


def test_what_workers_count_is_added_up() -> None:
    worker, main = Metrics(TABLE), Metrics(TABLE)
    for each in (worker, main):
        each.count("mail_total", "in", "delivered")
        each.observe("seconds", 0.5, "in")
    main.add(worker.take())
    main.add(worker.take())
    found = read(main.text())
    assert found["mail_total", (("way", "in"), ("end", "delivered"))] == 2
    assert found["seconds_bucket", (("way", "in"), ("le", "1"))] == 2
    assert found["seconds_sum", (("way", "in"),)] == 1
    assert read(worker.text()) == {("plain_total", ()): 0}


def test_threads_lose_nothing() -> None:
    metrics = Metrics(TABLE)

    def work() -> None:
        for _ in range(2_000):
            metrics.count("plain_total")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert read(metrics.text())["plain_total", ()] == 8_000


@pytest.mark.parametrize(
    ("name", "labels", "by"),
    [
        ("other_total", (), 1),
        ("mail_total", ("in",), 1),
        ("seconds", ("in",), 1),
        ("plain_total", (), -1),
        ("plain_total", (), math.nan),
        ("plain_total", (), math.inf),
    ],
)
def test_what_is_not_in_the_table_is_not_counted(
    name: str, labels: tuple[str, ...], by: float
) -> None:
    with pytest.raises(UsageError) as caught:
        Metrics(TABLE).count(name, *labels, by=by)
    assert caught.value.code == "usage.metric"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_only_numbers_are_observed(value: float) -> None:
    with pytest.raises(UsageError):
        Metrics(TABLE).observe("seconds", value, "in")


def test_the_table_of_the_gateway_is_well_formed() -> None:
    """Prometheus' rules for names; counters end with _total."""
    names = [each.name for each in METRICS]
    assert len(set(names)) == len(names)
    for each in METRICS:
        assert re.fullmatch(r"smimekit_gateway_[a-z_]+", each.name)
        assert each.name.endswith("_total") == isinstance(each, Metric)
        assert "le" not in each.labels
        if isinstance(each, Histogram):
            assert list(each.bounds) == sorted(set(each.bounds))
    assert read(Metrics().text())
