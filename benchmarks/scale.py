"""How cost grows: with the message, its recipients and signers, the store, threads, processes.

`python -m benchmarks --scale` writes scaling.md, scaling.json and a plot for each, one after the
other, so that a run that is stopped leaves what it has; `--curves` measures some of them anew. A
curve is linear where its slope between two logarithmic axes is about 1: twice as much costs twice
as much.
"""

import json
import math
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from benchmarks import curves
from benchmarks.plot import plot

__all__ = ["PLOTS", "Plot", "scale", "slope"]

Figures: TypeAlias = dict[str, curves.Points]
"""By plot and curve, the points."""

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
class Plot:
    """One plot, and what measures its curves."""

    key: str
    title: str
    across: str
    up: str
    measure: Callable[[Path, curves.Reach], curves.Points]
    note: str
    most: float | None = _LINEAR
    """The largest slope that is all right; None where more is better."""


PLOTS: Final = (
    Plot(
        "messages", "Messages", "Octets of the draft", "seconds",
        lambda folder, reach: curves.messages(folder, reach)[0],
        "From file to nowhere, in streams; the draft is one attachment in base64.",
    ),
    Plot(
        "memory", "Memory", "Octets of the draft", "octets of resident memory at most",
        lambda folder, reach: curves.messages(folder, reach)[1],
        "Of the whole process, the interpreter and its modules included.", most=0.2,
    ),
    Plot(
        "recipients", "Recipients", "Recipients of one message", "seconds",
        lambda _, reach: curves.recipients(reach),
        "RSA-2048, a message of 1 KB; the last of them decrypts.",
    ),
    Plot(
        "signers", "Signers", "Signers of one message", "seconds",
        lambda _, reach: curves.signers(reach),
        "P-256, a message of 1 KB.",
    ),
    Plot(
        "stores", "Trust stores", "Certificates in the store", "seconds for one of them",
        curves.stores,
        "SQLite; `benchmarks/store.py` says more.", most=0.5,
    ),
    Plot(
        "workers", "Threads and processes", "Threads or processes", "messages per second",
        lambda _, reach: curves.workers(reach),
        "On the wall. Mails of 1 KB, RSA-2048, one `Credential` and one `Trust` for all. With the "
        "interpreter's lock, threads share one processor but for the key operations; a Python "
        "without it draws its own curves (no lock).", most=None,
    ),
)  # fmt: skip


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The exponent of growth, by least squares, over the upper half of the points."""
    upper = points[len(points) // 2 :] if len(points) > 3 else points[-2:]
    xs = [math.log(x) for x, _ in upper]
    ys = [math.log(y) for _, y in upper]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    above = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True))
    below = sum((x - x_mean) ** 2 for x in xs)
    return above / below if below else 0.0


def scale(out: Path, reach: curves.Reach, only: Collection[str] = ()) -> None:
    """Measure every curve, or those of some plots; write the page, the plots and the figures."""
    path = out / "scaling.json"
    figures: Figures = json.loads(path.read_text()) if path.exists() else {}
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for each in PLOTS:
            if only and each.key not in only:
                continue
            print(f"{time.monotonic() - begun:4.0f} s {each.key}", flush=True)
            # Curves of another Python, as that without the interpreter's lock, stay.
            figures[each.key] = figures.get(each.key, {}) | each.measure(Path(folder), reach)
            path.write_text(json.dumps(figures, indent=1) + "\n")
            _write(out, figures)


def _write(out: Path, figures: Figures) -> None:
    """The page, and the plots on it."""
    page = [_INTRO]
    for each in PLOTS:
        if each.key in figures:
            series = figures[each.key]
            picture = plot(each.title, each.across, each.up, series)
            (out / f"scaling-{each.key}.svg").write_text(picture)
            page.append(_section(each, series))
    (out / "scaling.md").write_text("\n".join(page))


def _section(each: Plot, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    rows = [
        f"| {name} | {_figure(line[0])} | {_figure(line[-1])} | {_slope(each, line)} |"
        for name, line in series.items()
    ]
    head = ["| Curve | First | Last | Slope |", "| --- | --- | --- | --- |"]
    picture = f"![{each.title}](scaling-{each.key}.svg)"
    text = [f"## {each.title}", "", picture, "", f"{each.across} against {each.up}. {each.note}"]
    return "\n".join([*text, "", *head, *rows, ""])


def _figure(point: tuple[float, float]) -> str:
    return f"{point[0]:g}: {point[1]:.3g}"


def _slope(each: Plot, line: Sequence[tuple[float, float]]) -> str:
    found = slope(line)
    if each.most is None:
        return f"{found:.2f}"
    return f"{found:.2f}, {'as it should be' if found <= each.most else '**too steep**'}"
