"""What a call costs this process: seconds of its processor time, and octets of memory at most.

Knows how Linux tells the peak of a process, and lets it begin anew (proc(5)). May not know what
is measured. How busy the machine is hardly shows.
"""

import ctypes
import gc
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Spent", "forget_peak", "measured", "resident"]

STATUS: Final = Path("/proc/self/status")


@dataclass(frozen=True)
class Spent:
    """`memory` is None where the system does not tell it."""

    seconds: float
    memory: int | None


def resident(name: str) -> int:
    """Octets of memory: "VmRSS" now, or "VmHWM" at most since `forget_peak`; 0 where unknown."""
    if not STATUS.exists():
        return 0
    [line] = [each for each in STATUS.read_text("ascii").splitlines() if each.startswith(name)]
    return int(line.split()[1]) << 10


def forget_peak() -> bool:
    """Let the peak begin anew (proc(5)); False where the system does not."""
    try:
        STATUS.with_name("clear_refs").write_text("5", "ascii")
    except OSError:
        return False
    return True


def measured(act: Callable[[], object], *, tidy: bool = False) -> Spent:
    """What it costs. `tidy` throws away before it what earlier calls left behind: memory that is
    free and still the process's would hide what is taken from it.
    """
    if tidy:
        gc.collect()
        with suppress(OSError, AttributeError):  # where the C library is another one
            ctypes.CDLL(None).malloc_trim(0)
    known = forget_peak()
    before = resident("VmRSS") if known else 0
    started = time.process_time()
    act()
    seconds = time.process_time() - started
    return Spent(seconds, resident("VmHWM") - before if known else None)
