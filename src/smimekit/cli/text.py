"""Text that a stranger may have written, and how much of it reaches people. Knows characters."""

__all__ = ["Cell", "Row", "safe"]

Cell = tuple[str, str]
"""What is said, and its tone: "good", "bad", "head" or nothing."""
Row = tuple[str, str, str]
"""A label, then a cell."""


def safe(text: str) -> str:
    """The text without anything that could steer a terminal or reorder what it shows.

    Names in certificates and mail are a stranger's. Control characters, escapes, bidirectional
    overrides and unpaired surrogates become U+FFFD; each line break becomes one, too.
    """
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
