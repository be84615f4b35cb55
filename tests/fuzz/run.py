"""Change messages, and watch what becomes of them: `python -m tests.fuzz.run [TARGET ...]`.

The contract: a result or an SmimeError; processor time linear in the length; memory within a
bound of the process (RLIMIT_AS). `--count` changed messages for each target, the same each time
for the same `--seed`, in a process of its own; what breaks the contract is written to `--found`
and ends the run with status 1. `--atheris` lets libFuzzer choose instead, for as long as it is
let: extra arguments behind `--` are its own.
"""

import argparse
import resource
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from random import Random

from smimekit import SmimeError
from tests.fuzz.mutate import mutate
from tests.fuzz.targets import TARGETS, Target

__all__ = ["broken", "main"]

PER_OCTET = 40e-6
"""Seconds of processor time that an octet may cost, on the slowest machine that we know."""
MEMORY = 400 << 20
"""Octets of address space above what the process has when it begins; inputs are small."""


def broken(target: Target, data: bytes) -> str | None:
    """What breaks the contract; None where nothing does."""
    begun = time.process_time()
    try:
        target.run(data)
    except SmimeError:
        pass
    except Exception:  # noqa: BLE001 - this is what is looked for
        return traceback.format_exc()
    spent = time.process_time() - begun
    allowed = target.seconds + PER_OCTET * len(data)
    return f"{spent:.2f} s for {len(data)} octets\n" if spent > allowed else None


def changes(target: Target, seed: str, count: int) -> Iterable[bytes]:
    random = Random(seed)  # noqa: S311 - the same each time, and not for secrets
    pool = [*target.seeds()]
    for _ in range(count):
        data = mutate(random.choice(pool), random)
        yield data
        if len(data) < 20_000 and random.random() < 0.05:
            pool.append(data)  # changes of changes


def bound_memory() -> None:
    """What asks for more from here on gets a MemoryError."""
    [line] = [each for each in Path("/proc/self/statm").read_text("ascii").splitlines() if each]
    now = int(line.split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, resource.RLIM_INFINITY))


def work(name: str, seed: str, count: int, found: Path, *, seconds: float) -> int:
    """One target, in this process."""
    target = TARGETS[name]
    target.seeds()
    if sys.platform.startswith("linux"):
        bound_memory()
    done = failures = 0
    ends = time.monotonic() + seconds
    for data in changes(target, f"{seed} {name}", count):
        problem = broken(target, data)
        done += 1
        if problem:
            failures += 1
            found.mkdir(parents=True, exist_ok=True)
            (found / f"{name}-{done}").write_bytes(data)
            print(f"{name} {done}: {problem}{found}/{name}-{done}", flush=True)
        if time.monotonic() > ends or failures >= 10:
            break
    print(f"{name}: {done} messages, {failures} break the contract", flush=True)
    return 1 if failures else 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", default=[], help=", ".join(TARGETS))
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=600.0, help="at most, for each target")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"))
    parser.add_argument("--here", action="store_true", help="one target, in this process")
    parser.add_argument("--atheris", action="store_true", help="one target; options behind --")
    own = list(sys.argv[1:] if arguments is None else arguments)
    at = own.index("--") if "--" in own else len(own)
    chosen = parser.parse_args(own[:at])
    names = chosen.targets or list(TARGETS)
    if unknown := set(names) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if chosen.atheris:
        fuzzer = [sys.executable, "-m", "tests.fuzz.libfuzzer", names[0], *own[at + 1 :]]
        return subprocess.run(fuzzer, check=False).returncode
    if chosen.here:
        [name] = names
        return work(name, chosen.seed, chosen.count, chosen.found, seconds=chosen.seconds)
    options = [f"--{key}={getattr(chosen, key)}" for key in ("count", "seconds", "seed", "found")]
    command = [sys.executable, "-m", "tests.fuzz.run", "--here", *options]
    return max(subprocess.run([*command, name], check=False).returncode for name in names)


if __name__ == "__main__":
    sys.exit(main())
