"""Counters and histograms as Prometheus reads them (its text format, version 0.0.4).

Knows numbers, labels and how they are written. May not know mail: the table says what is
counted. Values of labels come from small sets: an address as a label would be a series each.
"""

import math
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from smimekit.errors import UsageError

__all__ = ["CONTENT_TYPE", "METRICS", "Histogram", "Metric", "Metrics", "Samples"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""What an HTTP answer with the text says that it is."""

_Labels: TypeAlias = tuple[str, ...]
_Key: TypeAlias = tuple[str, _Labels]


@final
@dataclass(frozen=True, slots=True)
class Metric:
    """A counter: it only ever grows."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Histogram:
    """How values spread: counted up to each bound."""

    name: str
    help: str
    bounds: tuple[float, ...]
    """Upper bounds, ascending; the last one, infinity, is understood."""
    labels: tuple[str, ...] = ()


METRICS: Final[tuple[Metric | Histogram, ...]] = (
    Metric("smimekit_gateway_messages_total", "Transactions that came in.", ("direction",)),
    Metric(
        "smimekit_gateway_recipients_total",
        "Recipients, by what became of the mail for them.",
        ("direction", "outcome"),
    ),
    Metric(
        "smimekit_gateway_signatures_total",
        "Signatures of mail that came in, by the result in Authentication-Results.",
        ("result",),
    ),
    Metric("smimekit_gateway_decrypted_total", "Mail that came in and was decrypted."),
    Metric(
        "smimekit_gateway_protected_total",
        "Mail that went out, by how it was protected.",
        ("protection",),
    ),
    Metric(
        "smimekit_gateway_certificates_harvested_total",
        "New certificates out of signed mail, by status.",
        ("status",),
    ),
    Histogram(
        "smimekit_gateway_seconds",
        "Time spent on one transaction.",
        (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
        ("direction",),
    ),
)


@final
@dataclass(frozen=True, slots=True)
class Samples:
    """What was counted since the last time, to be added elsewhere: workers have no network."""

    counts: Mapping[_Key, float]
    observed: Mapping[_Key, tuple[tuple[int, ...], float]]
    """Of each histogram the number of values within each bound (the last one: all others),
    not added up, and their sum."""


@final
class Metrics:
    """The numbers of one process. Safe to use from several threads."""

    def __init__(self, table: Iterable[Metric | Histogram] = METRICS) -> None:
        self._table: Final = {each.name: each for each in table}
        self._lock: Final = threading.Lock()
        self._counts: dict[_Key, float] = {}
        self._buckets: dict[_Key, list[int]] = {}
        self._sums: dict[_Key, float] = {}

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        """Add to a counter. UsageError for another name, another number of labels, or less."""
        self._check(name, labels, Metric)
        if not by >= 0 or math.isinf(by):
            raise UsageError("A counter only grows.", code="usage.metric")
        with self._lock:
            _grow(self._counts, (name, labels), by)

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Add a value to a histogram. UsageError as for `count`."""
        found = self._check(name, labels, Histogram)
        if not math.isfinite(value):
            raise UsageError("What is observed is a number.", code="usage.metric")
        bounds = found.bounds if isinstance(found, Histogram) else ()
        at = next((at for at, bound in enumerate(bounds) if value <= bound), len(bounds))
        with self._lock:
            buckets = self._buckets.setdefault((name, labels), [0] * (len(bounds) + 1))
            buckets[at] += 1
            _grow(self._sums, (name, labels), value)

    def _check(
        self, name: str, labels: _Labels, kind: type[Metric | Histogram]
    ) -> Metric | Histogram:
        found = self._table.get(name)
        if not isinstance(found, kind) or len(labels) != len(found.labels):
            raise UsageError(
                "There is no such metric, or it has other labels.", code="usage.metric"
            )
        return found

    # --- from process to process ----------------------------------------------------------

    def take(self) -> Samples:
        """What was counted, which is forgotten here: for `add` in another process."""
        with self._lock:
            observed = {
                key: (tuple(buckets), self._sums[key]) for key, buckets in self._buckets.items()
            }
            found = Samples(dict(self._counts), observed)
            self._counts, self._sums, self._buckets = {}, {}, {}
        return found

    def add(self, samples: Samples) -> None:
        """Add what another process has counted with the same table."""
        with self._lock:
            for key, value in samples.counts.items():
                _grow(self._counts, key, value)
            for key, (counted, total) in samples.observed.items():
                buckets = self._buckets.setdefault(key, [0] * len(counted))
                for at, number in enumerate(counted):
                    buckets[at] += number
                _grow(self._sums, key, total)

    # --- written --------------------------------------------------------------------------

    def text(self) -> str:
        """Everything, as Prometheus scrapes it. Without labels even what is zero."""
        with self._lock:
            return "".join(line for each in self._table.values() for line in self._lines(each))

    def _lines(self, each: Metric | Histogram) -> Iterator[str]:
        kind = "histogram" if isinstance(each, Histogram) else "counter"
        yield f"# HELP {each.name} {_escaped_help(each.help)}\n"
        yield f"# TYPE {each.name} {kind}\n"
        if isinstance(each, Histogram):
            for (name, labels), buckets in sorted(self._buckets.items()):
                if name == each.name:
                    yield from _histogram(each, labels, buckets, self._sums[name, labels])
            return
        found = sorted(
            (key[1], value) for key, value in self._counts.items() if key[0] == each.name
        )
        if not found and not each.labels:
            found = [((), 0)]
        for labels, value in found:
            yield _line(each.name, zip(each.labels, labels, strict=True), value)


def _grow(numbers: dict[_Key, float], key: _Key, by: float) -> None:
    numbers[key] = numbers.get(key, 0) + by


def _histogram(
    each: Histogram, labels: _Labels, buckets: Iterable[int], total: float
) -> Iterator[str]:
    named = tuple(zip(each.labels, labels, strict=True))
    seen = 0
    for bound, number in zip((*each.bounds, math.inf), buckets, strict=True):
        seen += number
        yield _line(f"{each.name}_bucket", (*named, ("le", _number(bound))), seen)
    yield _line(f"{each.name}_sum", named, total)
    yield _line(f"{each.name}_count", named, seen)


def _line(name: str, labels: Iterable[tuple[str, str]], value: float) -> str:
    inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
    return f"{name}{{{inside}}} {_number(value)}\n" if inside else f"{name} {_number(value)}\n"


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf"
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _escaped_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")
