"""Rows as CSV (RFC 4180), for programs, and for spreadsheets, which compute formulas.

Knows cells. May not know what they say.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

__all__ = ["csv_table"]

# What spreadsheets take for a formula, at the start of a cell or behind a blank; the wide forms
# too. A stranger chooses the names in a certificate.
_FORMULA: Final = re.compile(r"\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|[\t\r\n]")


def csv_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """A head and its rows, in UTF-8, each cell in quotes.

    What a spreadsheet would take for a formula gets an apostrophe in front.
    """
    yield _row(head)
    for row in rows:
        yield _row([_harmless(cell) for cell in row])


def _harmless(cell: str) -> str:
    shown = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in cell)
    return f"'{shown}" if _FORMULA.match(cell) else shown


def _row(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()
