"""What a mail server is told of each recipient, and what it is told where it hears one answer.

Knows replies (RFC 5321, 4.2; RFC 3463). May not know sockets or messages.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, final

__all__ = ["BROKEN", "BUSY", "Reply", "one_answer"]

_UNFIT: Final = re.compile(r"[^ -~]+")
_ENHANCED: Final = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_LONGEST: Final = 510
"""Octets of a line without its end (RFC 5321, 4.5.3.1.5)."""


@final
@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: a code, an enhanced status code, and one line of text."""

    code: int
    enhanced: str
    text: str
    unreported: bool = field(default=False, compare=False)
    """Whether the next hop, which has the message now, was not told that the sender wants to
    hear of success (RFC 3461, 5.2.2): then it is for us to say what we know."""

    @property
    def done(self) -> bool:
        """Whether somebody else has the message now (2yz)."""
        return 200 <= self.code < 300

    @property
    def refused(self) -> bool:
        """Whether it is refused for good (5yz)."""
        return self.code >= 500

    @property
    def deferred(self) -> bool:
        """Whether it is to be tried again: whatever is neither of both, to be on the safe side."""
        return not self.done and not self.refused

    def line(self) -> str:
        """As one line of printable ASCII, with room for the line's end (RFC 5321, 4.5.3.1.5)."""
        return f"{self.code} {self.enhanced} {_UNFIT.sub(' ', self.text)}"[:_LONGEST].rstrip()

    @classmethod
    def heard(cls, code: int, text: bytes) -> "Reply":
        """A reply of another server: as much of it as goes into a line, since there may be one for
        each of a thousand recipients.
        """
        said = " ".join(text.decode("ascii", "replace").split())[:_LONGEST]
        first, _, rest = said.partition(" ")
        if _ENHANCED.fullmatch(first) and first[0] == str(code)[0]:
            return cls(code, first, rest)
        return cls(code, f"{str(code)[0]}.0.0", said)


BROKEN: Final = Reply(451, "4.3.0", "Something went wrong here; the message stays with you")
"""For every failure of our own: the mail stays in the sender's queue."""
BUSY: Final = Reply(451, "4.3.2", "Too busy now; try again")


def one_answer(replies: Sequence[Reply]) -> Reply | None:
    """What plain SMTP may answer for all recipients together, or None where no answer is true.

    As long as one recipient is to be tried again, all are (what is done is remembered). Where
    some are done and others refused, neither 2yz nor 5yz tells the truth: the sender needs a
    notification first (RFC 3461, 6.2.3).
    """
    deferred = next((each for each in replies if each.deferred), None)
    if deferred is not None or not replies:
        return deferred or BROKEN
    if len({each.done for each in replies}) > 1:
        return None
    return replies[0]
