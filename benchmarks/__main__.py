"""The program: `python -m benchmarks`, which `nox -s bench` runs."""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks.curves import Reach
from benchmarks.material import make, make_large
from benchmarks.measure import Measured, abilities, large_row, small_row
from benchmarks.obstacles import OBSTACLES
from benchmarks.operations import ROWS, Row, Sizes
from benchmarks.report import Run, as_json, as_markdown, environment, from_json, named
from benchmarks.scale import PLOTS, scale
from benchmarks.sidechannels import failures

__all__ = ["main"]

_REFERENCE: Final = Path(__file__).resolve().parent.parent / "docs" / "reference"


def measure(rows: Iterable[Row], sizes: Sizes, folder: Path) -> list[Measured]:
    """Every row, in a folder for the material."""
    rows = list(rows)
    make(folder, sizes)
    if any(row.large for row in rows):
        make_large(folder, sizes)
    begun = time.monotonic()
    found, can = [], abilities(folder)
    for row in rows:
        print(f"{time.monotonic() - begun:4.0f} s {row.key}", flush=True)
        one = large_row if row.large else small_row
        found.append(one(named(row, sizes), folder, sizes, can))
    return found


def main(arguments: list[str] | None = None) -> int:
    """Measure, and write the pages."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--out", type=Path, default=_REFERENCE, help="where the pages are written")
    parser.add_argument("--scale", action="store_true", help="how cost grows, with plots")
    names = [each.key for each in PLOTS]
    parser.add_argument("--curves", nargs="+", choices=names, default=[], help="with --scale: only")
    parser.add_argument("--huge", action="store_true", help="with --scale: messages of 4 GB, too")
    parser.add_argument("--stored", type=int, default=1_000_000, help="with --scale: at most")
    parser.add_argument("--tiny", action="store_true", help="next to nothing, to see that it runs")
    parser.add_argument("--rounds", type=int, help="of the small operations")
    parser.add_argument("--large-rounds", type=int, help="of the large ones")
    parser.add_argument("--render", action="store_true", help="only the page, from the figures")
    parser.add_argument("--only", nargs="+", choices=[row.key for row in ROWS], default=None)
    options = parser.parse_args(arguments)
    # Before minutes are spent on measuring what could not be written then.
    options.out.mkdir(parents=True, exist_ok=True)
    if options.scale:
        reach = Reach.tiny() if options.tiny else Reach(huge=options.huge)
        kept = tuple(size for size in reach.stored if size <= options.stored)
        scale(options.out, replace(reach, stored=kept), options.curves)
        return 0
    figures = options.out / "performance.json"
    if not options.render:
        figures.write_text(_measured(options))
    page = as_markdown(from_json(figures.read_text()), OBSTACLES)
    (options.out / "performance.md").write_text(page)
    return 0


def _measured(options: argparse.Namespace) -> str:
    sizes = Sizes.tiny() if options.tiny else Sizes()
    if options.rounds:
        sizes = replace(sizes, rounds=options.rounds)
    if options.large_rounds:
        sizes = replace(sizes, large_rounds=options.large_rounds)
    rows = [row for row in ROWS if options.only is None or row.key in options.only]
    about = environment()
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(rows, sizes, Path(folder))
    failed = [] if options.only else list(failures(sizes.failures))
    return as_json(Run(measured, failed, about))


if __name__ == "__main__":
    sys.exit(main())
