"""Whether a client has heard our answer: so that the same octets again are a new message to it.

Knows what a server can see of that (RFC 1047 says why it matters). May not know commands, nor
what was answered. Three things show that an answer was read:

* The client sends what nobody sends before having read it: its next command, or the content of
  its next message, for which it waited until 354, where it had sent the command before.
* It closes the connection in order, and its side has acknowledged all that we wrote. Whoever
  closes without having read what came sends a reset instead (RFC 1122, 4.2.2.13), and so do the
  sockets of the file system.
* It lets the connection lie idle until we close it, and its side has acknowledged everything.

Where a connection ends otherwise, nobody knows: it is as likely that the message comes again as
that another one comes with the same octets.
"""

import fcntl
import socket
import struct
import termios
from asyncio import BaseTransport, WriteTransport
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, final

__all__ = ["Hearing", "Memory", "is_acknowledged"]

_NUMBER: Final = struct.Struct("i")


class Memory(Protocol):
    """Where it is remembered what was done, for a client that has to try again."""

    def forget(self, key: str, whom: Sequence[str]) -> None:
        """The client has heard the answers for these recipients of a message."""
        ...

    def doubt(self, key: str) -> None:
        """Nobody knows whether it has heard them: a second try is likely soon, or not at all."""
        ...


@final
@dataclass(frozen=True, slots=True)
class _Answer:
    key: str
    whom: Sequence[str]
    ahead: bool
    named: bool


@final
class Hearing:
    """What one client has heard of the answer to its last message."""

    def __init__(self, memory: Memory) -> None:
        self._memory: Final = memory
        self._answer: _Answer | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is an answer of which nobody knows."""
        return self._answer is not None

    def told(self, key: str, whom: Sequence[str], *, ahead: bool, named: bool) -> None:
        """It is being answered about these recipients of a message. `ahead`: it had sent its next
        commands before. `named`: it gives each message a name (XFORWARD IDENT), so that another
        one is never taken for a second try.
        """
        self._answer = _Answer(key, whom, ahead, named) if whom else None

    def goes_on(self) -> None:
        """A command came."""
        if self._answer is not None and not self._answer.ahead:
            self.has_read()

    def has_read(self) -> None:
        """It has read what we wrote, or would not be where it is."""
        if self._answer is not None:
            self._memory.forget(self._answer.key, self._answer.whom)
            self._answer = None

    def is_gone(self) -> None:
        """The connection has ended."""
        if self._answer is not None and not self._answer.named:
            self._memory.doubt(self._answer.key)
        self._answer = None


def is_acknowledged(transport: BaseTransport | None) -> bool:
    """Whether the other side has acknowledged all octets that were written. False where the
    system does not tell.
    """
    if not isinstance(transport, WriteTransport) or transport.get_write_buffer_size():
        return False
    found: socket.socket | None = transport.get_extra_info("socket")
    if found is None:
        return False
    try:
        left = fcntl.ioctl(found.fileno(), termios.TIOCOUTQ, _NUMBER.pack(0))
    except OSError:
        return False
    (count,) = _NUMBER.unpack(left)
    return bool(count == 0)
