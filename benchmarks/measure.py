"""Who can do what, and how fast: every row of the table, measured."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.contenders import CONTENDERS, LIMIT, OURS, Contender
from benchmarks.operations import Action, Row, Sizes
from benchmarks.special import import_times, scanning
from benchmarks.timing import by_turns, median_ratio

__all__ = ["Figure", "Measured", "large_row", "small_row"]

_ROOT: Final = Path(__file__).resolve().parent.parent
_MUST: Final = (LIMIT, OURS)


@dataclass(frozen=True, slots=True)
class Figure:
    """What one contender needs for one operation."""

    seconds: float
    share: float | None
    """Of the limit: 1.0 is as fast as the machine; None where there is no limit."""
    over: int | None = None
    """Octets of memory over the baseline, where that was measured."""
    peak: int | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """One row, measured."""

    row: Row
    figures: Mapping[str, Figure]
    """By contender; the limit is one."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """By contender, what it said."""


def small_row(row: Row, folder: Path, sizes: Sizes) -> Measured:
    """Everybody by turns, in this process."""
    if row.key == "import":
        return Measured(row, {name: Figure(each, None) for name, each in import_times().items()})
    if row.key == "scan":
        return Measured(row, _figures(scanning(sizes), sizes))
    able, skipped = _able(row.key, folder)
    actions = {each.name: each.action(row.key, folder) for each in able}
    return Measured(row, _figures(actions, sizes), skipped)


def _figures(actions: Mapping[str, Action], sizes: Sizes) -> dict[str, Figure]:
    times = by_turns(actions, rounds=sizes.rounds, seconds=sizes.seconds)
    limit = times[LIMIT.name]
    return {
        name: Figure(statistics.median(each), median_ratio(limit, each))
        for name, each in times.items()
    }


def large_row(row: Row, folder: Path, sizes: Sizes) -> Measured:
    """Everybody by turns, each time in a new process."""
    able, skipped = _able(row.key, folder)
    runs: dict[str, list[dict[str, float]]] = {each.name: [] for each in able}
    for _ in range(sizes.large_rounds):
        for each in able:
            runs[each.name].append(json.loads(_one(each, row.key, folder, "--measure").stdout))
    limit = [run["seconds"] for run in runs[LIMIT.name]]
    return Measured(row, {name: _large(found, limit) for name, found in runs.items()}, skipped)


def _large(runs: list[dict[str, float]], limit: list[float]) -> Figure:
    seconds = [run["seconds"] for run in runs]
    peak = max(run["peak"] for run in runs)
    over = max(run["peak"] - run["baseline"] for run in runs)
    return Figure(statistics.median(seconds), median_ratio(limit, seconds), int(over), int(peak))


# --- who can? ------------------------------------------------------------------------------


def _able(operation: str, folder: Path) -> tuple[list[Contender], dict[str, str]]:
    """Those who did it once, in a process of their own; and what the others said."""
    able, skipped = [], {}
    for each in CONTENDERS.values():
        done = _one(each, operation, folder)
        if not done.returncode:
            able.append(each)
        elif each in _MUST:
            raise RuntimeError(done.stderr)
        else:
            skipped[each.name] = _last_words(done)
    return able, skipped


def _one(
    contender: Contender, operation: str, folder: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.one", contender.name, operation, str(folder)]
    paths = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    return subprocess.run(  # noqa: S603
        [*command, *options],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    if done.returncode < 0:
        return f"it was ended by signal {-done.returncode}"
    return lines[-1] if lines else f"it ended with status {done.returncode}"
