"""The date of a mail (RFC 5322, 3.3 and 4.3), as one reads it who takes what there is.

Knows text. May not know fields, or what a date is held against.
"""

from datetime import UTC, datetime

__all__ = ["read_date"]


def read_date(value: str) -> datetime | None:
    """The moment, aware; None for what nobody can read. Without a zone, it is UTC (3.3)."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - slow to import, rarely needed

    try:
        found = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
