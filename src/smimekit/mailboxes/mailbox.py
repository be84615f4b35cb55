"""What a source of messages is: a name, and messages one after the other.

Knows how a reader goes on where it stopped. May not know where the messages lie, nor what
stands in them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol, final

from smimekit.span import Span

__all__ = ["Mailbox", "Mark", "Message", "Several"]


@final
@dataclass(frozen=True, slots=True)
class Mark:
    """How far a source has been read: everything up to and with the message that bears it.

    `stream`: which part of the source, such as a folder on a server; each has its own order.
    """

    stream: str
    value: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, not read yet.

    `identity` names it within its source, now and at the next reading. `open` gives its octets
    for as long as the block lasts, and raises OSError or a SmimeError where they cannot be had;
    it may be called until the source is asked for its next message.
    """

    identity: str
    label: str
    """Which one it is, for people."""
    open: Callable[[], AbstractContextManager[Span]]
    mark: Mark | None = None
    """None where the source has no order: then only the identity tells what was read."""
    weight: int = 1
    """What it adds to a progress bar: see `Mailbox.total`."""


class Mailbox(Protocol):
    """A source of messages that can be read again."""

    @property
    def name(self) -> str:
        """What and where it is, without any password: what a journal is bound to."""
        ...

    def total(self, marks: Mapping[str, str]) -> int | None:
        """The weight of all messages behind these marks; None where that cannot be told."""
        ...

    def messages(self, marks: Mapping[str, str]) -> Iterator[Message]:
        """The messages behind these marks (value by stream), without marks all.

        A mark that no longer fits, as the source was written anew, counts as none. Raises
        OSError and FetchError where the source as a whole cannot be read.
        """
        ...


@final
class Several:
    """Sources read one after the other, as one. Identities and streams get the source's name."""

    def __init__(self, mailboxes: Sequence[Mailbox]) -> None:
        self._mailboxes = tuple(mailboxes)
        self.name = "\n".join(each.name for each in self._mailboxes)

    def total(self, marks: Mapping[str, str]) -> int | None:
        totals = [each.total(_below(marks, each.name)) for each in self._mailboxes]
        return sum(each or 0 for each in totals) if None not in totals else None

    def messages(self, marks: Mapping[str, str]) -> Iterator[Message]:
        for each in self._mailboxes:
            for message in each.messages(_below(marks, each.name)):
                mark = message.mark
                yield replace(
                    message,
                    identity=_join(each.name, message.identity),
                    mark=None if mark is None else Mark(_join(each.name, mark.stream), mark.value),
                )


def _join(first: str, second: str) -> str:
    return f"{first}\0{second}"


def _below(marks: Mapping[str, str], name: str) -> dict[str, str]:
    """The marks of one source, by its own names."""
    prefix = _join(name, "")
    return {
        stream.removeprefix(prefix): value
        for stream, value in marks.items()
        if stream.startswith(prefix)
    }
