"""Change messages, and watch what becomes of them: `python -m tests.fuzz.run [TARGET ...]`.

The contract of `contract.py`, for `--count` changed inputs of each target or `--seconds` of
processor time, and for some that grow; the same each time for the same `--seed`. Each target has
a process of its own, which has a bound on its memory (RLIMIT_AS) and ends where one input takes
longer than `--hang`. What breaks the contract is written to `--found`, also what a process died
of, and ends the run with status 1. `--atheris` lets libFuzzer choose instead, for as long as it
is let: extra arguments behind `--` are its own.
"""

import argparse
import faulthandler
import importlib
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fuzz.changes import changes, growing
from tests.fuzz.contract import SIZES, Target, broken, grows

__all__ = ["main", "targets_of"]

MEMORY: Final = 400 << 20
"""Octets of address space above what the process has when it begins; inputs are small."""
OWN: Final = "tests.fuzz.targets"
ENOUGH: Final = 10
"""After so many findings a target is left alone."""


def targets_of(module: str) -> Mapping[str, Target]:
    """The targets of a module, which names them in `TARGETS`."""
    found: Mapping[str, Target] = importlib.import_module(module).TARGETS
    return found


def bound_memory() -> None:
    """What asks for more from here on gets a MemoryError."""
    [line] = [each for each in Path("/proc/self/statm").read_text("ascii").splitlines() if each]
    now = int(line.split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, resource.RLIM_INFINITY))


@dataclass(frozen=True)
class Plan:
    """How long, and where what is found is put."""

    seed: str
    count: int
    seconds: float
    hang: float
    found: Path

    @property
    def options(self) -> list[str]:
        return [
            f"--{name}={getattr(self, name)}"
            for name in ("seed", "count", "seconds", "hang", "found")
        ]

    def running(self, name: str) -> Path:
        """Where the input is that a target is given at the moment."""
        return self.found / f"{name}.running"


# --- in the process of a target ------------------------------------------------------------


def work(name: str, target: Target, plan: Plan) -> int:
    """One target, in this process."""
    target.seeds()
    if sys.platform.startswith("linux"):
        bound_memory()
    failures = done = 0
    running = plan.running(name)
    ends = time.process_time() + plan.seconds
    for problem in problems(name, target, plan):
        done += 1
        if problem:
            failures += 1
            kept = plan.found / f"{name}-{done}"
            kept.write_bytes(running.read_bytes())
            print(f"{name} {done}: {problem}{kept}", flush=True)
        if time.process_time() > ends or failures >= ENOUGH:
            break
    faulthandler.cancel_dump_traceback_later()
    running.unlink(missing_ok=True)
    print(f"{name}: {done} messages, {failures} break the contract", flush=True)
    return 1 if failures else 0


def problems(name: str, target: Target, plan: Plan) -> Iterator[str | None]:
    """What is wrong with each input. It lies in a file while it is looked at: whoever finds
    the file, and no process, knows what the process died of.
    """
    running = plan.running(name)
    seed = f"{plan.seed} {name}"
    for at, data in enumerate(changes(target, seed, plan.count)):
        if at % 40 == 20:
            grown = growing(target, f"{seed} {at}")
            running.write_bytes(grown(SIZES[-1]))
            faulthandler.dump_traceback_later(plan.hang, exit=True)
            yield grows(target, grown)
        running.write_bytes(data)
        faulthandler.dump_traceback_later(plan.hang, exit=True)
        yield broken(target, data)


# --- in the process that watches -----------------------------------------------------------


def watched(name: str, plan: Plan, module: str) -> int:
    """A target in a process of its own; 1 where that ends otherwise than by saying 0."""
    running = plan.running(name)
    running.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.run",
        "--here",
        f"--of={module}",
        *plan.options,
        name,
    ]
    status = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
    if running.exists():
        kept = running.rename(plan.found / f"{name}-died")
        print(f"{name}: the process ended with status {status} at {kept}", flush=True)
        return 1
    if status not in {0, 1}:
        print(f"{name}: the process ended with status {status}", flush=True)
    return 1 if status else 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", default=[], help="all where none is named")
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=600.0, help="of the processor, for each")
    parser.add_argument("--hang", type=float, default=180.0, help="seconds for one input")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"))
    parser.add_argument("--of", default=OWN, help="the module that has the targets")
    parser.add_argument("--here", action="store_true", help="one target, in this process")
    parser.add_argument("--atheris", action="store_true", help="one target; options behind --")
    own = list(sys.argv[1:] if arguments is None else arguments)
    at = own.index("--") if "--" in own else len(own)
    chosen = parser.parse_args(own[:at])
    targets = targets_of(chosen.of)
    names = chosen.targets or list(targets)
    if unknown := set(names) - set(targets):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    chosen.found.mkdir(parents=True, exist_ok=True)
    if chosen.atheris:
        if len(names) != 1:
            parser.error(f"--atheris takes one target: {', '.join(targets)}")
        fuzzer = [sys.executable, "-m", "tests.fuzz.libfuzzer", chosen.of, names[0]]
        return subprocess.run([*fuzzer, str(chosen.found), *own[at + 1 :]], check=False).returncode
    plan = Plan(chosen.seed, chosen.count, chosen.seconds, chosen.hang, chosen.found)
    if chosen.here:
        [name] = names
        return work(name, targets[name], plan)
    return max([watched(name, plan, chosen.of) for name in names])


if __name__ == "__main__":
    sys.exit(main())
