"""How time is measured on a machine that is shared: processor time, by turns.

Other programs lengthen the time on the wall, and the processor's own speed changes from one
moment to the next. So each round runs everybody for a short while, one after the other, and what
is compared are the processor times of the same round; of the rounds, the median counts.
"""

import math
import resource
import statistics
import time
from collections.abc import Mapping
from typing import Final

from benchmarks.operations import Action

__all__ = ["by_turns", "processor_time", "ratios"]

_MOST: Final = 20_000


def processor_time() -> float:
    """Seconds that this process, and the children that ended, have kept a processor busy."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def by_turns(
    actions: Mapping[str, Action],
    *,
    rounds: int,
    seconds: float,
    patience: float = math.inf,
) -> dict[str, list[float]]:
    """For each action, its processor time in seconds, in each round. One that runs but once in a
    round, and has taken longer than `patience` by then, sits out the rounds that are left.
    """
    counts = {name: _count(action, seconds) for name, action in actions.items()}
    found: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            if counts[name] == 1 and sum(found[name]) > patience:
                continue
            begun = processor_time()
            for _ in range(counts[name]):
                action()
            found[name].append((processor_time() - begun) / counts[name])
    return found


def _count(action: Action, seconds: float) -> int:
    """How often it fits into the time; it has run a few times then, and is warm."""
    done, begun = 0, processor_time()
    while done < _MOST:
        action()
        done += 1
        if processor_time() - begun >= seconds:
            break
    return done


def ratios(above: list[float], below: list[float]) -> tuple[float, float, float]:
    """Of one time by another of the same round, over the rounds: the median, and between which
    two values half of them lie. Who sat out the last rounds is compared in the first.
    """
    pairs = zip(above, below, strict=False)
    found = [one / other for one, other in pairs if other]
    low, median, high = statistics.quantiles(found, method="inclusive") if found[1:] else found * 3
    return median, low, high
