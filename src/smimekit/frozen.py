"""Frozen records where very many are made, as fast as those that are not frozen.

Knows how dataclasses are made. May not know what any of them is about.

A frozen dataclass sets each field through `object.__setattr__`, which takes ten times as long as
to set it: that was a seventh of the time that a mail took to be verified.
"""

import sys
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, fields
from typing import Final, ParamSpec, TypeVar

__all__ = ["maker"]

_THREADS_RUN_AT_ONCE: Final = "t" in getattr(sys, "abiflags", "")
"""In a Python without the lock: there all threads stop while an object gets another class."""
_P = ParamSpec("_P")
_T = TypeVar("_T")


def maker(record: Callable[_P, _T]) -> Callable[_P, _T]:
    """What makes the records of a frozen dataclass with slots, from the same arguments.

    Each is one of a twin that is not frozen until its fields are set, and a `record` after that:
    before anybody has seen it.
    """
    if not isinstance(record, type):
        raise TypeError("A maker is one of the records of a class.")
    if _THREADS_RUN_AT_ONCE:
        return record
    finish: Callable[[_T], None] | None = getattr(record, "__post_init__", None)

    def freeze(made: _T) -> None:
        made.__class__ = record
        if finish is not None:
            finish(made)

    body = {each.name: copy(each) for each in fields(record)}
    names = {"__annotations__": dict.fromkeys(body, object), "__post_init__": freeze}
    twin = type(record.__name__, (), {**body, **names})
    return dataclass(slots=True, eq=False, repr=False)(twin)
