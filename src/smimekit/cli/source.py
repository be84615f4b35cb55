"""What the reading commands read, as one record: a mail, or bare CMS around a file.

Knows which verb of the library opens which. May not know what is required of it.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Final, TypeVar, final

import click

import smimekit
from smimekit import Opened, Policy, Trust, UsageError
from smimekit.cli.inputs import Steady, reading
from smimekit.cli.options import BARE, MESSAGE, POLICY, KeyOptions, TrustOptions, as_record
from smimekit.mailboxes.mbox import MboxForm, begins_mbox, mbox_messages
from smimekit.message.layers import Layer
from smimekit.message.receive import open_file
from smimekit.message.source import span_of
from smimekit.span import Span

__all__ = ["SourceOptions", "source_options"]

_Command = TypeVar("_Command", bound=Callable[..., Any])
_LINE: Final = 1_000
"""Octets of the first line that are looked at."""


@final
@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What is read: MESSAGE, --content, --expect, --bare and --policy."""

    message: str
    content: str | None
    expect: str | None
    bare: bool
    policy: Policy

    @contextmanager
    def open(
        self,
        keys: KeyOptions,
        trusting: TrustOptions | None = None,
        *,
        through: tuple[type[Layer], ...] = (),
    ) -> Iterator[tuple[Opened, Steady]]:
        """The opened message, and the files that it lies in; without `trusting`, nobody is
        trusted. `through`: the layers that are looked into for the one that holds a file.
        """
        if self.message == "-" and self.content == "-":
            raise UsageError(
                "The message and its content cannot both come from standard input.",
                code="usage.stdin",
            )
        credentials = keys.load()
        with ExitStack() as closing:
            trust = Trust()
            if trusting is not None:
                trust = closing.enter_context(trusting.open(self.policy))
            file = closing.enter_context(reading(self.message))
            content = None
            if self.content is not None:
                content = closing.enter_context(reading(self.content))
            steady = Steady(file) if content is None else Steady(file, content)
            source = span_of(file, self.policy, closing)
            _require_one(self.message, source)
            at = None if trusting is None else trusting.at
            opening = partial(open_file, through=through) if self.bare else smimekit.open
            opened = opening(
                source,
                keys=credentials,
                trust=trust,
                expect=self.expect,
                at=at,
                content=content,
                policy=self.policy,
            )
            yield closing.enter_context(opened), steady


def _require_one(name: str, source: Span) -> None:
    """UsageError for an mbox with several messages: a verdict about the first is about no other."""
    if not begins_mbox(source.read(0, _LINE)):
        return
    if len(tuple(islice(mbox_messages(source, MboxForm.RD), 2))) > 1:
        which = "Standard input" if name == "-" else name
        raise UsageError(
            f"{which} is an mbox with several messages, and one is read: divide it, as by "
            "formail -s. (smimekit harvest reads it whole.)",
            code="usage.mbox",
        )


def source_options(command: _Command) -> _Command:
    """The options about what is read; the command gets `source`."""
    return as_record(
        "source",
        SourceOptions,
        MESSAGE,
        click.option("--content", metavar="FILE", help="What a bare detached signature signs."),
        click.option(
            "--expect", metavar="ADDRESS", help="Who should have signed, in place of From."
        ),
        BARE,
        POLICY,
    )(command)
