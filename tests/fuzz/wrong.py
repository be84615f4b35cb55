"""Targets that break the contract, each in a way of its own: `run` has to see every one of them.

Seeds begin with a letter that says what is to come; changes keep some of it.
"""

import os
import time
from collections.abc import Callable, Mapping
from typing import Final

from smimekit import CmsError
from tests.fuzz.contract import Target

__all__ = ["TARGETS"]

_KEPT: Final[list[bytes]] = []


class Panic(BaseException):
    """As Rust's: no Exception."""


def good(_: bytes) -> None:
    raise CmsError("no")


def raising(_: bytes) -> None:
    raise KeyError("oops")


def panicking(_: bytes) -> None:
    raise Panic


def recursing(data: bytes) -> None:
    recursing(data)


def aborting(_: bytes) -> None:
    os.abort()


def leaving(_: bytes) -> None:
    """As if all were well."""
    os._exit(0)


def hanging(_: bytes) -> None:
    while True:
        time.sleep(1)


def spinning(_: bytes) -> None:
    while True:
        pass


def dawdling(_: bytes) -> None:
    ends = time.process_time() + 0.3
    while time.process_time() < ends:
        pass


def hoarding(_: bytes) -> None:
    _KEPT.append(bytes(1 << 30))


def hiding(_: bytes) -> None:
    """Much memory, given back before anybody asks."""
    assert len(b"x" * (100 << 20))


def leaking(_: bytes) -> None:
    """Too little for one input to be told by."""
    _KEPT.append(b"x" * (20 << 20))


def squaring(data: bytes) -> None:
    """Quadratic, and quick as long as inputs are short."""
    for _ in range((len(data) // 64) ** 2):  # and not by copies: caches make a difference there
        pass


def nameless(_: bytes) -> None:
    raise CmsError("no", code="No Code!")


def _target(run: Callable[[bytes], object]) -> Target:
    return Target(run, lambda: (b"Subject: x\r\n\r\nx\r\n",), seconds=0.2)


TARGETS: Final[Mapping[str, Target]] = {
    each.__name__: _target(each)
    for each in (
        *(good, raising, panicking, recursing, aborting, leaving, hanging, spinning),
        *(dawdling, hoarding, hiding, leaking, squaring, nameless),
    )
}
"""By name; all but `good` are wrong."""
