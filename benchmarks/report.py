"""The page and the JSON file: what was measured, beside what was aimed at.

Knows how figures are shown. May not know how they were taken.
"""

import json
import os
import platform
import ssl
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import smimekit
from benchmarks.contenders import LIMIT, OURS
from benchmarks.measure import Figure, Measured
from benchmarks.operations import ROWS, Row, Sizes
from benchmarks.sidechannels import Failure

__all__ = ["Run", "as_json", "as_markdown", "environment", "from_json", "named"]

_MIB: Final = 1 << 20
_MEMORY: Final = 32 * _MIB
_SECONDS: Final = {"verify-cold": 0.003, "import": 0.120}
_WHAT: Final = """\
# Performance

Made by `nox -s bench` (`python -m benchmarks`), in one run, on one machine; the same figures are
in [performance.json](performance.json). `--scale` draws how cost grows.

"""
_FAILURES: Final = ("Path", "What is wrong", "Median", "t against the first")
_FAILED: Final = """
## What the time of a failure tells

Messages that cannot be decrypted, each for another reason, by turns in random order; time on the
wall, as who asks would measure it, without the slowest twentieth. Beyond |t| = 4.5 a reason could
be told by somebody who may ask as often. [What stands behind it](../explanation/security.md).

"""
_HOW: Final = """\

## How it was measured

* **The limit** is the raw key operation, plus the raw digest or cipher, plus base64, of the same
  primitives library, on the same octets, in the same run: what is left when everything is taken
  away that makes a message of it. 100 % is as fast as this machine can be. ECDSA signs by RFC
  6979, as RFC 8550, 4.3 wants it and smimekit does; the random number of the peers is a tenth
  faster.
* **Processor time**, not time on the wall: the machine is shared with other jobs, which lengthen
  the one and not the other. Each round runs every contender for a short while, one after the
  other; a share is the median, over the rounds, of two times of the same round, so what other
  jobs do to the processor's speed and caches cancels out as far as it can. It cannot wholly: jobs
  that take turns on a processor empty its caches, which costs an interpreter more than it costs a
  loop of arithmetic. In brackets: between which shares half of the rounds lie.
* **smimekit** does all that its defaults say: the header is protected (RFC 9788) and checked, the
  draft is made safe for transport, and `verify` includes the chain, the identity of the sender
  and the judgement. *Warm* means another mail each time, by a sender who is known from the mails
  before, as a gateway sees it; *cold* means that certificate and authority are new.
* **The peers** do as much of that as they can: none checks identities or protects headers,
  `rsmime` checks no chain, `cmsutil` knows no MIME and does no base64. Mails to read are written
  by smimekit; all who are listed have read them. A command line is a process for each message,
  whose start is most of a small one.
* **Large messages** go from a file to nowhere, in a new process each time. *Over* is the largest
  resident memory while it runs, less what the same operation on 1 KB needs. The large draft is a
  mail with one attachment, in base64, as mail programs make it. A peer that is slow sits out the
  later rounds.
* **Compilers** were tried, apart from this run, by turns with the same code interpreted: all that
  small messages go through, compiled by Cython 3.3 as it stands, took 11 to 22 % longer; eleven
  modules of the way of a verdict, compiled by mypyc 2.4, took 4 % less and 3 % more; and Python
  3.13 has the shares of 3.11.
"""

_CELLS: Final = """\
Each cell: operations per second of processor time (MB/s for large ones), share of the limit and,
for large ones, memory over the baseline.

"""


def named(row: Row, sizes: Sizes) -> Row:
    """The row with the sizes in its name."""
    name = row.name.format(
        many=sizes.many, large=_octets(sizes.large), scanned=_octets(sizes.scanned)
    )
    return replace(row, name=name)


def _octets(size: int) -> str:
    return f"{size // 1_000_000} MB" if size >= 1_000_000 else f"{size / 1000:.0f} KB"


@dataclass(frozen=True, slots=True)
class Run:
    """What one run found."""

    measured: Sequence[Measured]
    failures: Sequence[Failure]
    """What decryptions that fail cost; none where only some rows were measured."""
    about: Mapping[str, str]
    """The machine and its programs."""


def environment() -> dict[str, str]:
    """The machine, and the versions of everything that took part."""
    found = {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processor": _processor(),
        "processors": str(os.cpu_count()),
        "load": " ".join(f"{each:.1f}" for each in os.getloadavg()),
        "system": platform.platform(),
        "Python": f"{platform.python_version()} ({ssl.OPENSSL_VERSION})",
        "openssl": _said("openssl", "version"),
    }
    found["smimekit"] = smimekit.__version__
    for name in ("cryptography", "M2Crypto", "rsmime", "endesive"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if "model name" in line), "?")


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        return str(error)
    return done.stdout.strip()


def as_json(run: Run) -> str:
    """Everything, for programs."""
    rows: list[dict[str, Any]] = [
        {
            "operation": each.row.key,
            "name": each.row.name,
            "aim": {"share": each.row.aim / 100 or None, "besides": each.row.note},
            "octets": each.size,
            "figures": {name: asdict(figure) for name, figure in each.figures.items()},
            "skipped": dict(each.skipped),
        }
        for each in run.measured
    ]
    whole = {
        "environment": dict(run.about),
        "operations": rows,
        "failures": [asdict(each) for each in run.failures],
    }
    return json.dumps(whole, indent=1) + "\n"


def from_json(text: str) -> Run:
    """What `as_json` wrote, to write the page again."""
    found = json.loads(text)
    rows = {row.key: row for row in ROWS}
    measured = [
        Measured(
            replace(rows[each["operation"]], name=each["name"]),
            {name: Figure(**figure) for name, figure in each["figures"].items()},
            each["skipped"],
            each["octets"],
        )
        for each in found["operations"]
    ]
    return Run(measured, [Failure(**each) for each in found["failures"]], found["environment"])


# --- the page ------------------------------------------------------------------------------


def as_markdown(run: Run, obstacles: Mapping[str, str]) -> str:
    """The page. `obstacles` says, by row, what stands in the way of an aim."""
    measured = run.measured
    return "".join(
        (
            _WHAT,
            _summary(measured),
            _obstacles(measured, obstacles),
            _HOW,
            "\n## Everybody\n\n",
            _CELLS,
            _everybody(measured),
            "\n## Who was skipped, and what they said\n\n",
            _skipped(measured),
            _failures(run.failures),
            "\n## The machine\n\n",
            _table(("What", "Which"), run.about.items()),
        )
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [tuple(head), ("---",) * len(head), *map(tuple, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _summary(measured: Sequence[Measured]) -> str:
    head = ("Operation", "Best peer, before", "Aim", "smimekit now", "Best peer now", "Reached")
    rows = []
    for each in measured:
        ours, best = each.figures[OURS.name], _best(each)
        peer = "-" if best is None else f"{best[0]}: {_share(best[1])}"
        aim = " and ".join(
            filter(None, (f">= {each.row.aim:g} %" * bool(each.row.aim), each.row.note))
        )
        reached = "yes" if reaches(each) else "**no**"
        now = f"{_rate(each, ours)}{_with_share(ours)}{_between(ours)}{_memory(ours)}"
        rows.append((each.row.name, each.row.best_peer_before, aim, now, peer, reached))
    return _table(head, rows)


def _best(each: Measured) -> tuple[str, Figure] | None:
    peers = {name: one for name, one in each.figures.items() if name not in {LIMIT.name, OURS.name}}
    peers = {name: one for name, one in peers.items() if one.share is not None}
    if not peers:
        return None
    name = min(peers, key=lambda peer: peers[peer].seconds)
    return name, peers[name]


def reaches(each: Measured) -> bool:
    """Is everything that the row aims at reached?"""
    ours = each.figures[OURS.name]
    if each.row.key in _SECONDS:
        return ours.seconds <= _SECONDS[each.row.key]
    if each.row.key == "scan":
        return each.size / ours.seconds >= 1e9
    fast = ours.share is not None and ours.share * 100 >= each.row.aim
    small = ours.over is None or ours.over <= _MEMORY
    often = each.row.key != "verify-rsa" or 1 / ours.seconds >= 10_000
    return fast and small and often


def _share(figure: Figure) -> str:
    return "-" if figure.share is None else f"{figure.share * 100:.3g} %"


def _with_share(figure: Figure) -> str:
    return "" if figure.share is None else f", {_share(figure)}"


def _between(figure: Figure) -> str:
    low, high = figure.between or (0.0, 0.0)
    return "" if figure.between is None else f" ({low * 100:.3g} to {high * 100:.3g})"


def _memory(figure: Figure) -> str:
    return "" if figure.over is None else f", {max(0, figure.over) / _MIB:.1f} MiB over"


def _rate(each: Measured, figure: Figure) -> str:
    if each.size:
        return f"{each.size / figure.seconds / 1e6:,.0f} MB/s".replace(",", " ")
    if each.row.key in _SECONDS:
        return f"{figure.seconds * 1000:.1f} ms"
    return f"{1 / figure.seconds:,.0f}/s".replace(",", " ")


def _obstacles(measured: Sequence[Measured], obstacles: Mapping[str, str]) -> str:
    missed = [each for each in measured if not reaches(each)]
    if not missed:
        return ""
    said = [(each.row.name, obstacles.get(each.row.key, "-")) for each in missed]
    return "\n## What stands in the way\n\n" + _table(("Operation", "Why"), said)


def _failures(failures: Sequence[Failure]) -> str:
    rows = (
        (
            each.path,
            each.wrong,
            f"{each.seconds * 1e6:.1f} µs",
            "-" if each.t is None else f"{each.t:+.1f}",
        )
        for each in failures
    )
    return _FAILED + _table(_FAILURES, rows) if failures else ""


def _everybody(measured: Sequence[Measured]) -> str:
    names = list(dict.fromkeys(name for each in measured for name in each.figures))
    rows = [
        (each.row.name, *(_cell(each, each.figures.get(name)) for name in names))
        for each in measured
    ]
    return _table(("Operation", *names), rows)


def _cell(each: Measured, figure: Figure | None) -> str:
    if figure is None:
        return "-"
    return f"{_rate(each, figure)}{_with_share(figure)}{_memory(figure)}"


def _skipped(measured: Sequence[Measured]) -> str:
    found: dict[tuple[str, str], list[str]] = {}
    for each in measured:
        for name, reason in each.skipped.items():
            found.setdefault((name, reason), []).append(each.row.name)
    rows = [
        (name, _operations(rows, len(measured)), f"`{reason.replace('|', '/').replace('`', '')}`")
        for (name, reason), rows in found.items()
    ]
    return _table(("Who", "What", "What it said"), rows)


def _operations(names: Sequence[str], all_of_them: int) -> str:
    return "everything" if len(names) >= all_of_them - 2 else "; ".join(names)
