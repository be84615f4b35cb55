"""Who can do what, and how fast: every row of the table, measured."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from benchmarks.contenders import CONTENDERS, LIMIT, OURS, Contender
from benchmarks.one import BASELINES
from benchmarks.operations import SMALL, Action, Row, Sizes
from benchmarks.special import import_times, scanning
from benchmarks.timing import by_turns, ratios

__all__ = ["Abilities", "Figure", "Measured", "abilities", "large_row", "small_row"]

_ROOT: Final = Path(__file__).resolve().parent.parent
_MUST: Final = (LIMIT, OURS)
_LONGEST: Final = 300
"""Seconds on the wall that a contender has: one that hangs is skipped, and the rest goes on."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What one contender needs for one operation."""

    seconds: float
    share: float | None
    """Of the limit: 1.0 is as fast as the machine; None where there is no limit."""
    between: tuple[float, float] | None = None
    """Half of the rounds had shares between these."""
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
    size: int = 0
    """Octets that the operation is about, where it is a large one."""


Abilities: TypeAlias = Mapping[str, Mapping[str, str]]
"""By contender and operation, what it said that it cannot do."""


def abilities(folder: Path) -> Abilities:
    """Everybody tries everything small, in a process of their own."""
    found = {}
    for each in CONTENDERS.values():
        done = _one(each, folder)
        if done.returncode:
            if each in _MUST:
                raise RuntimeError(done.stderr)
            found[each.name] = dict.fromkeys((row.key for row in SMALL), _last_words(done))
        else:
            found[each.name] = json.loads(done.stdout)
    return found


def small_row(row: Row, folder: Path, sizes: Sizes, can: Abilities) -> Measured:
    """Everybody by turns, in this process."""
    if row.key == "import":
        return Measured(row, {name: Figure(each, None) for name, each in import_times().items()})
    if row.key == "scan":
        return Measured(row, _figures(scanning(sizes), sizes), size=sizes.scanned)
    able, skipped = _able(row.key, can)
    actions = {each.name: each.action(row.key, folder) for each in able}
    return Measured(row, _figures(actions, sizes), skipped)


def _able(operation: str, can: Abilities) -> tuple[list[Contender], dict[str, str]]:
    """Those who can; and what the others said."""
    skipped = {name: said[operation] for name, said in can.items() if operation in said}
    return [each for each in CONTENDERS.values() if each.name not in skipped], skipped


def _figures(actions: Mapping[str, Action], sizes: Sizes) -> dict[str, Figure]:
    times = by_turns(actions, rounds=sizes.rounds, seconds=sizes.seconds, patience=sizes.patience)
    limit = times[LIMIT.name]
    return {name: _figure(each, limit) for name, each in times.items()}


def _figure(
    seconds: list[float], limit: list[float], over: int | None = None, peak: int | None = None
) -> Figure:
    share, *between = ratios(limit, seconds)
    return Figure(statistics.median(seconds), share, (between[0], between[1]), over, peak)


def large_row(row: Row, folder: Path, sizes: Sizes, can: Abilities) -> Measured:
    """Everybody by turns, each time in a new process; but for `sizes.patience`."""
    able, skipped = _able(BASELINES[row.key], can)
    runs: dict[str, list[dict[str, float]]] = {}
    for each in able * sizes.large_rounds:
        spent = sum(run["seconds"] for run in runs.get(each.name, ()))
        if each.name in skipped or (each not in _MUST and spent > sizes.patience):
            continue
        done = _one(each, folder, "--operation", row.key)
        if done.returncode:
            skipped[each.name] = _last_words(done)
        else:
            runs.setdefault(each.name, []).append(json.loads(done.stdout))
    runs = {name: found for name, found in runs.items() if name not in skipped}
    limit = [run["seconds"] for run in runs[LIMIT.name]]
    figures = {name: _large(found, limit) for name, found in runs.items()}
    return Measured(row, figures, skipped, sizes.large)


def _large(runs: list[dict[str, float]], limit: list[float]) -> Figure:
    seconds = [run["seconds"] for run in runs]
    peak = max(run["peak"] for run in runs)
    over = max(run["peak"] - run["baseline"] for run in runs)
    return _figure(seconds, limit, int(over), int(peak))


def _one(contender: Contender, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.one", contender.name, str(folder), *options]
    paths = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    try:
        return subprocess.run(  # noqa: S603
            command,
            env=os.environ | {"PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=False,
            timeout=_LONGEST,
        )
    except subprocess.TimeoutExpired:
        said = f"it was not done after {_LONGEST} s"
        return subprocess.CompletedProcess(command, 1, "", said)


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    if done.returncode < 0:
        return f"it was ended by signal {-done.returncode}"
    if not lines:
        return f"it ended with status {done.returncode}"
    return lines[-1].removeprefix("LookupError: ").removeprefix("RuntimeError: ")
