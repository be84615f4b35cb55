"""Tables for people, in colour on a terminal only. With `progress` the one that knows rich."""

from collections.abc import Sequence
from typing import Final, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from smimekit.cli.text import Cell, Row, safe

__all__ = ["line", "list_table", "rows_table", "show"]

_STYLES: Final = {"good": "green", "bad": "red", "head": "bold"}
_WIDE: Final = 10_000
"""Columns where nobody watches: a line stays a line, for grep."""


def line(value: str, tone: str) -> Text:
    """One line of text."""
    return _text(value, tone)


def rows_table(rows: Sequence[Row]) -> Table:
    """Labels and values, one below the other."""
    table = Table.grid(padding=(0, 2))
    for label, value, tone in rows:
        table.add_row(_text(label, "head" if tone == "head" else ""), _text(value, tone))
    return table


def list_table(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Table:
    """Rows below a head."""
    table = Table.grid(padding=(0, 2))
    table.add_row(*(_text(name, "head") for name in head))
    for row in rows:
        table.add_row(*(_text(value, tone) for value, tone in row))
    return table


def show(found: Table | Text, stream: TextIO | None) -> None:
    """Print it."""
    if stream is None:
        return
    if stream.isatty():
        Console(file=stream, force_jupyter=False).print(found)
        return
    console = Console(file=stream, force_terminal=False, force_jupyter=False, width=_WIDE)
    with console.capture() as captured:
        console.print(found)
    lines = "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
    encoding = stream.encoding or "utf-8"
    stream.write(lines.encode(encoding, "backslashreplace").decode(encoding))


def _text(value: str, tone: str) -> Text:
    # Never markup: a name such as "[bold]" is a name.
    return Text(safe(value), style=_STYLES.get(tone, ""))
