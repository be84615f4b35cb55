"""Values on the command line: times, names of algorithms. May not know whose they are."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import click

__all__ = ["parse_time", "row_of"]


def parse_time(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """ISO 8601: a date (its first moment), or a date and time; UTC unless it has a zone."""
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{value!r} is no time; write 2026-03-01 or 2026-03-01T12:00:00Z.", context, parameter
        ) from None


def row_of(kind: str, rows: Mapping[str, Any]) -> Callable[..., Any]:
    """The name of a row in a table, however it is spelt: AES-256-CBC, aes256_cbc."""
    by_name = {_plain(name): row for name, row in rows.items()}

    def parse(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        if value is None:
            return None
        row = by_name.get(_plain(value))
        if row is None:
            names = ", ".join(rows)
            raise click.BadParameter(
                f"{value!r} is no {kind}; these are: {names}.", context, parameter
            )
        return row

    return parse


def _plain(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalnum())
