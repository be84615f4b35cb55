"""One contender in a process of its own: `python -m benchmarks.one`.

Without an operation it tries all the small ones and prints, as JSON, what the contender said where
it could not do one: whatever ails it stays in this process. With one, it prints the processor time
and the memory that the operation takes.
"""

import argparse
import json
import resource
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.contenders import CONTENDERS, Contender
from benchmarks.operations import SMALL, Action

__all__ = ["BASELINES", "main"]

BASELINES: Final = {
    "sign-large": "sign-rsa",
    "verify-large": "verify-rsa",
    "encrypt-large": "encrypt-1",
    "decrypt-large": "decrypt-1",
}
"""The same on a small message: what it leaves behind in memory is the baseline."""
_SAMPLED: Final = 0.002


class Peak:
    """The largest resident memory so far: of this process or, watched, of those it starts."""

    def __init__(self) -> None:
        self._children = 0
        self._stop = threading.Event()

    def own(self) -> int:
        """Octets, of this process."""
        return _high_water("self")

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Sample the children. The kernel's own account of them would hold what the parent
        had when it started them.
        """
        thread = threading.Thread(target=self._sample)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    @property
    def children(self) -> int:
        """Octets, of the largest child."""
        return self._children

    def _sample(self) -> None:
        own = str(Path("/proc/self/exe").readlink())
        tasks = Path("/proc/self/task")
        while not self._stop.wait(_SAMPLED):
            for task in tasks.iterdir():
                for child in (task / "children").read_text().split():
                    self._children = max(self._children, _unless_ours(child, own))


def _unless_ours(process: str, own: str) -> int:
    try:
        return 0 if str(Path(f"/proc/{process}/exe").readlink()) == own else _high_water(process)
    except OSError:
        return 0  # it ended meanwhile


def _high_water(process: str) -> int:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0


def _processor_time(program: bool) -> float:
    if not program:
        return time.process_time()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _measured(contender: Contender, action: Action) -> tuple[float, int]:
    """Processor time, and the peak of memory."""
    peak = Peak()
    begun = _processor_time(contender.program)
    if contender.program:
        with peak.watching():
            action()
        return _processor_time(program=True) - begun, peak.children
    action()
    return _processor_time(program=False) - begun, peak.own()


def _tried(contender: Contender, folder: Path) -> dict[str, str]:
    """By operation, what was said; nothing where it could be done."""
    found = {}
    for row in SMALL:
        try:
            contender.action(row.key, folder)()
        except Exception as error:  # noqa: BLE001 - anything that anybody raises is an answer
            kind = type(error).__name__
            own = isinstance(error, LookupError | RuntimeError)
            found[row.key] = str(error) if own else f"{kind}: {error}"
    return found


def main() -> None:
    """Try everything; or do one thing once small, for the baseline, then once large."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--operation")
    options = parser.parse_args()
    contender = CONTENDERS[options.contender]
    if options.operation is None:
        json.dump(_tried(contender, options.folder), sys.stdout)
        return
    action = contender.action(options.operation, options.folder)
    small = contender.action(BASELINES[options.operation], options.folder)
    baseline = _measured(contender, small)[1]
    seconds, peak = _measured(contender, action)
    json.dump({"seconds": seconds, "baseline": baseline, "peak": peak}, sys.stdout)


if __name__ == "__main__":
    main()
