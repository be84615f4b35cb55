"""A bar that tells how far a long run is, for whoever watches a terminal. Knows rich."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

__all__ = ["Advance", "progress_bar"]

Advance = Callable[[int], None]
"""Called for each message, with its weight."""


class _Rate(ProgressColumn):
    """Messages in a second, since the beginning."""

    def render(self, task: Task) -> Text:
        elapsed = task.elapsed or 0.0
        return Text(f"{task.fields['messages'] / elapsed if elapsed else 0.0:,.0f}/s")


@contextmanager
def progress_bar(total: int | None) -> Iterator[Advance]:
    """A bar on standard error for the time of the block; without a total it has no end.

    What is written meanwhile stands above it.
    """
    both = sys.stdout is not None and sys.stdout.isatty()
    with Progress(
        TextColumn("{task.fields[messages]:,} messages"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        _Rate(),
        TimeRemainingColumn(),
        TextColumn("remaining"),
        console=Console(file=sys.stderr, force_jupyter=False),
        redirect_stdout=both,
    ) as bar:
        task = bar.add_task("", total=total, messages=0)
        count = 0

        def advance(weight: int) -> None:
            nonlocal count
            count += 1
            bar.update(task, advance=weight, messages=count)

        yield advance
