"""One operation of one contender, in a process of its own: `python -m benchmarks.one`.

As a trial it shows whether the contender can do it at all, and what it says where it cannot. With
`--measure` it prints, as JSON, the processor time and the memory that the operation takes.
"""

import argparse
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.contenders import CONTENDERS, Contender
from benchmarks.operations import Action

__all__ = ["main"]

_SMALL: Final = {
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
        own = os.readlink("/proc/self/exe")
        tasks = Path("/proc/self/task")
        while not self._stop.wait(_SAMPLED):
            for task in tasks.iterdir():
                for child in (task / "children").read_text().split():
                    self._children = max(self._children, _unless_ours(child, own))


def _unless_ours(process: str, own: str) -> int:
    try:
        return 0 if os.readlink(f"/proc/{process}/exe") == own else _high_water(process)
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


def main() -> None:
    """Once small, for the baseline, then once large; or, as a trial, once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("operation")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--measure", action="store_true")
    options = parser.parse_args()
    contender = CONTENDERS[options.contender]
    action = contender.action(options.operation, options.folder)
    if not options.measure:
        action()
        return
    small = contender.action(_SMALL[options.operation], options.folder)
    baseline = _measured(contender, small)[1]
    seconds, peak = _measured(contender, action)
    json.dump({"seconds": seconds, "baseline": baseline, "peak": peak}, sys.stdout)


if __name__ == "__main__":
    main()
