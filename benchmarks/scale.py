"""How cost grows: with the message, its recipients and signers, the store, threads, processes.

`python -m benchmarks --scale` writes scaling.md, scaling.json and a plot for each curve. A curve is
linear where its slope between two logarithmic axes is about 1: twice as much costs twice as much.
"""

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import curves
from benchmarks.plot import plot

__all__ = ["Curves", "scale", "slope"]

_LINEAR: Final = 1.15
"""A slope that still passes for linear: caches grow slower with what no longer fits into them."""
_INTRO: Final = """\
# How cost grows

Made by `nox -s bench -- --scale` (`python -m benchmarks --scale`); the figures are in
[scaling.json](scaling.json). Processor time where nothing else is said, as on [the page of the
table](performance.md); both axes are logarithmic. The slope of the upper half of a curve says how
cost grows: 1 is linear, 0 does not grow at all.
"""


@dataclass(frozen=True, slots=True)
class Curves:
    """One plot."""

    key: str
    title: str
    across: str
    up: str
    series: Mapping[str, Sequence[tuple[float, float]]]
    note: str = ""
    most: float | None = _LINEAR
    """The largest slope that is all right; None where more is better."""


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The exponent of growth, by least squares, over the upper half of the points."""
    upper = points[len(points) // 2 :] if len(points) > 3 else points[-2:]
    xs = [math.log(x) for x, _ in upper]
    ys = [math.log(y) for _, y in upper]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    above = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True))
    below = sum((x - x_mean) ** 2 for x in xs)
    return above / below if below else 0.0


def scale(out: Path, sizes: curves.Reach) -> None:
    """Measure every curve and write the page, the plots and the figures."""
    with tempfile.TemporaryDirectory() as folder:
        found = [make(Path(folder), sizes) for make in (_messages, _memory, _recipients, _signers)]
        found += [_stores(Path(folder), sizes), _workers(Path(folder), sizes)]
    page = [_INTRO]
    for each in found:
        picture = plot(each.title, each.across, each.up, each.series)
        (out / f"scaling-{each.key}.svg").write_text(picture)
        page.append(_section(each))
    (out / "scaling.md").write_text("\n".join(page))
    figures = {each.key: {name: list(line) for name, line in each.series.items()} for each in found}
    (out / "scaling.json").write_text(json.dumps(figures, indent=1) + "\n")


def _section(each: Curves) -> str:
    rows = [
        f"| {name} | {_figure(line[0])} | {_figure(line[-1])} | {_slope(each, line)} |"
        for name, line in each.series.items()
    ]
    head = ["| Curve | First | Last | Slope |", "| --- | --- | --- | --- |"]
    picture = f"![{each.title}](scaling-{each.key}.svg)"
    text = [f"## {each.title}", "", picture, "", f"{each.across} against {each.up}. {each.note}"]
    return "\n".join([*text, "", *head, *rows, ""])


def _figure(point: tuple[float, float]) -> str:
    return f"{point[0]:g}: {point[1]:.3g}"


def _slope(each: Curves, line: Sequence[tuple[float, float]]) -> str:
    found = slope(line)
    if each.most is None:
        return f"{found:.2f}"
    return f"{found:.2f}, {'as it should be' if found <= each.most else '**too steep**'}"


# --- the curves ----------------------------------------------------------------------------


def _messages(folder: Path, reach: curves.Reach) -> Curves:
    return Curves(
        "messages", "Messages", "Octets of the draft", "seconds",
        curves.messages(folder, reach)[0],
        "From file to nowhere, in streams; the draft is one attachment in base64.",
    )  # fmt: skip


def _memory(folder: Path, reach: curves.Reach) -> Curves:
    return Curves(
        "memory", "Memory", "Octets of the draft", "octets of resident memory at most",
        curves.messages(folder, reach)[1],
        "Of the whole process, the interpreter and its modules included.", most=0.2,
    )  # fmt: skip


def _recipients(folder: Path, reach: curves.Reach) -> Curves:
    del folder
    return Curves(
        "recipients", "Recipients", "Recipients of one message", "seconds",
        curves.recipients(reach), "RSA-2048, a message of 1 KB; the last of them decrypts.",
    )  # fmt: skip


def _signers(folder: Path, reach: curves.Reach) -> Curves:
    del folder
    return Curves(
        "signers", "Signers", "Signers of one message", "seconds",
        curves.signers(reach), "P-256, a message of 1 KB.",
    )  # fmt: skip


def _stores(folder: Path, reach: curves.Reach) -> Curves:
    return Curves(
        "stores", "Trust stores", "Certificates in the store", "seconds for one of them",
        curves.stores(folder, reach), "SQLite; `benchmarks/store.py` says more.", most=0.5,
    )  # fmt: skip


def _workers(folder: Path, reach: curves.Reach) -> Curves:
    del folder
    return Curves(
        "workers", "Threads and processes", "Threads or processes", "messages per second",
        curves.workers(reach),
        "On the wall. Mails of 1 KB, RSA-2048, one `Credential` and one `Trust` for all. With the "
        "interpreter's lock, threads share one processor but for the key operations.", most=None,
    )  # fmt: skip
