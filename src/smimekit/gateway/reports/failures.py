"""What a log says of an exception: where it came from and of what kind, never what it quotes.

An SmimeError says nothing that is secret, and an OSError names a file. Others come from a bug or
from somebody's hook, and their text may hold what was being read: a line of a mail, a password.
"""

import os
import traceback
from collections.abc import Iterator, Mapping
from typing import Final

from smimekit.errors import SmimeError

__all__ = ["logged"]

_ASKED: Final = "SMIMEKIT_TRACEBACK"
_MOST: Final = 10
"""Exceptions of one chain, which may be as long as whoever raised them liked."""


def logged(error: BaseException, environment: Mapping[str, str] = os.environ) -> str:
    """Lines for a log. `SMIMEKIT_TRACEBACK=1` shows the texts of all, for who looks for a bug."""
    if environment.get(_ASKED) == "1":
        return "".join(traceback.format_exception(error)).rstrip()
    return "\n".join(line for each in _chain(error) for line in _lines(each))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The first cause first, as Python shows them."""
    found = [error]
    while len(found) < _MOST:
        last = found[-1]
        before = last.__cause__ or (None if last.__suppress_context__ else last.__context__)
        if before is None or before in found:
            break
        found.append(before)
    return reversed(found)


def _lines(error: BaseException) -> Iterator[str]:
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"  {frame.filename}:{frame.lineno} {frame.name}"
    yield f"{type(error).__qualname__}{_sentence(error)}"


def _sentence(error: BaseException) -> str:
    if isinstance(error, SmimeError):
        return f" ({error.code}): {error}"
    if isinstance(error, OSError) and error.strerror:
        return f": {error.strerror}" + (f": {error.filename}" if error.filename else "")
    return ""
