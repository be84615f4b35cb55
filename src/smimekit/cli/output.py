"""What people and programs read: sanitised text, tables, JSON.

Knows where it goes and what may not reach a terminal. May not know what is reported.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TextIO

from smimekit import UsageError
from smimekit.cli.text import Cell, Row, safe

__all__ = [
    "Json",
    "forget",
    "note",
    "note_lines",
    "require_room_for_json",
    "say",
    "show_json",
    "show_json_line",
    "show_list",
    "show_rows",
]

Json = dict[str, Any]


def note(text: str) -> None:
    """A line for people, on standard error: one, whatever line breaks a stranger put into it."""
    _write(sys.stderr, safe(text) + "\n")


def note_lines(text: str) -> None:
    """Lines of our own for people, on standard error, such as help."""
    for each in text.splitlines():
        note(each)


def say(text: str, tone: str = "") -> None:
    """A line for people, on standard output."""
    from smimekit.cli.table import line, show  # noqa: PLC0415 - scripts need no tables

    show(line(text, tone), sys.stdout)


def show_json(facts: Mapping[str, Any]) -> None:
    """One JSON document on standard output; ASCII, so that nothing can steer a terminal."""
    _write(sys.stdout, json.dumps(facts, indent=2, ensure_ascii=True) + "\n")


def show_json_line(facts: Mapping[str, Any]) -> None:
    """One of many JSON documents on standard output, in a line of its own."""
    _write(sys.stdout, json.dumps(facts, ensure_ascii=True) + "\n")


def require_room_for_json(*, as_json: bool) -> None:
    """UsageError for a report on standard output where the message itself goes there."""
    if as_json:
        raise UsageError(
            "The report and the message cannot both go to standard output: with --json, write "
            "the message to a file.",
            code="usage.json-output",
        )


def show_rows(rows: Sequence[Row], *, aside: bool = False) -> None:
    """Labels and values, one below the other; on standard error where a payload goes out."""
    from smimekit.cli.table import rows_table, show  # noqa: PLC0415 - scripts need no tables

    show(rows_table(rows), sys.stderr if aside else sys.stdout)


def show_list(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """A table on standard output; a cell is what is said, and its tone."""
    from smimekit.cli.table import list_table, show  # noqa: PLC0415 - scripts need no tables

    show(list_table(head, rows), sys.stdout)


def forget(stream: TextIO | None) -> None:
    """Send what waits in a stream nowhere: its reader has gone, or its disk is full."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]  # None: suppressed
        os.close(nowhere)


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # closed by whoever started us
        return
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
