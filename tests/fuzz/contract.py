"""The contract of a target: a result or an SmimeError; time linear in the length; memory, too.

Knows one input at a time, and one that grows. May not know where inputs come from, nor survive
what ends the process: a crash and a hang are for whoever started it (`run`).
"""

import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from smimekit import SmimeError
from tests.measure import Spent, measured

__all__ = ["MEMORY_PER_OCTET", "SIZES", "SPARE_MEMORY", "Target", "broken", "grows", "uneven"]

PER_OCTET: Final = 40e-6
"""Seconds of processor time that an octet may cost, on the slowest machine that we know."""
SPARE_MEMORY: Final = 48 << 20
"""Octets of memory that any input may take: the bounds on memory in `Limits`, and what is kept."""
MEMORY_PER_OCTET: Final = 100
"""Octets of memory that an octet may take besides: the objects of the smallest values."""
SIZES: Final = (1 << 16, 1 << 19)
"""How much is added to what grows. With the square of it, even a copy for each octet is seen."""
_CODE: Final = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*")


@dataclass(frozen=True)
class Target:
    """`run` gets the bytes; `seconds` is what the shortest input may cost.

    `kind` names how its inputs are changed (`changes`).
    """

    run: Callable[[bytes], object]
    seeds: Callable[[], tuple[bytes, ...]]
    seconds: float = 1.0
    kind: str = "mail"


def broken(target: Target, data: bytes) -> str | None:
    """What breaks the contract; None where nothing does."""
    wrong: list[str] = []
    spent = measured(lambda: wrong.extend(_raised(target, data)))
    return "".join(wrong) or _beyond(target, spent, len(data))


def _raised(target: Target, data: bytes) -> list[str]:
    """What was raised and may not be."""
    try:
        target.run(data)
    except SmimeError as error:
        if not _CODE.fullmatch(error.code):
            return [f"an error without a good code: {error.code!r}\n"]
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - this is what is looked for; a panic of Rust is no Exception
        return [traceback.format_exc()]
    return []


def _beyond(target: Target, spent: Spent, size: int) -> str | None:
    if spent.seconds > target.seconds + PER_OCTET * size:
        return f"{spent.seconds:.2f} s for {size} octets\n"
    if spent.memory is not None and spent.memory > SPARE_MEMORY + MEMORY_PER_OCTET * size:
        return f"{spent.memory >> 20} MiB of memory for {size} octets\n"
    return None


def grows(target: Target, grown: Callable[[int], bytes]) -> str | None:
    """What breaks the contract as an input grows: the larger one may not cost out of proportion.

    Asked twice: what a busy machine does once it does not do again.
    """
    return _grows(target, grown) and _grows(target, grown)


def _grows(target: Target, grown: Callable[[int], bytes]) -> str | None:
    costs: list[tuple[int, float]] = []
    for size in SIZES:
        data = grown(size)
        wrong: list[str] = []
        spent = measured(lambda data=data, wrong=wrong: wrong.extend(_raised(target, data)))  # type: ignore[misc]  # bound early
        problem = "".join(wrong) or _beyond(target, spent, len(data))
        if problem:
            return problem
        costs.append((len(data), spent.seconds))
    return uneven(*costs)


def uneven(small: tuple[int, float], large: tuple[int, float]) -> str | None:
    """Whether the seconds of the larger one are more than its length accounts for.

    Twice the proportion is allowed for, and a fifth of a second: what is quadratic takes eight
    times the proportion.
    """
    proportion = max(large[0], 1) / max(small[0], 1)
    if large[1] <= 2 * proportion * small[1] + 0.2:
        return None
    return f"{small[1]:.2f} s for {small[0]} octets, {large[1]:.2f} s for {large[0]}\n"
