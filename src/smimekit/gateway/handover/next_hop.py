"""A connection to the next hop: greeted, perhaps in TLS, and ready for commands.

Knows smtplib, sockets and TLS. May not know what is sent through it. Raises
smtplib.SMTPException and OSError; `relay` makes replies of them.
"""

import smtplib
import socket
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from io import BufferedReader
from typing import Any, Final, final

from smimekit.gateway.handover.answers import Reply
from smimekit.patience import PatientReader

__all__ = ["Connection", "NextHop", "Protocol", "Tls"]

_GROUP: Final = 50
"""So many commands are on their way before their replies are read: neither side's buffers fill."""
_LONGEST: Final = 1 << 16
"""Octets of one reply: RFC 5321, 4.5.3.1.5 wants lines of 512, of which an EHLO has a dozen."""


class Protocol(StrEnum):
    """What is spoken with a mail server."""

    SMTP = "smtp"
    LMTP = "lmtp"
    MILTER = "milter"
    """Only at a listener: the mail server asks, and keeps the mail."""


class Tls(StrEnum):
    """Whether the way to the next hop is encrypted."""

    NEVER = "never"
    """On loopback and on sockets of the file system."""
    REQUIRED = "required"
    """By STARTTLS (RFC 3207), with the certificate of the server's name; else no mail."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NextHop:
    """Where mail goes, and how. Times are in seconds (RFC 5321, 4.5.3.2)."""

    host: str
    """A name or an address; for LMTP the path of a socket, too, which begins with a slash."""
    port: int = 25
    protocol: Protocol = Protocol.SMTP
    helo: str = "localhost"
    tls: Tls = Tls.NEVER
    ca_file: str | None = None
    """Whom to believe in TLS, in place of the system's roots."""
    timeout: float = 60
    """For each command: its reply has to be here by then, to its last octet."""
    data_timeout: float = 300
    """For all answers to the whole message together, and for those to all its recipients: whoever
    gave us the message waits for no more than that (RFC 5321, 4.5.3.2.6).
    """


class _Bounded:
    """smtplib waits for the rest of a reply as long as anything comes, and keeps all of it."""

    _heard: PatientReader | None = None

    def share(self, seconds: float) -> None:
        """The replies from now on have so many seconds together."""
        if self._heard is not None:
            self._heard.share(seconds)

    @property
    def said_unasked(self) -> bytes:
        """What has come that answers no command; the session is of no use then."""
        found: Any = self
        if self._heard is None or found.file is None:
            return b""
        self._heard.expect_nothing()
        unasked: bytes = found.file.peek(1)
        return unasked

    def getreply(self) -> tuple[int, bytes]:
        found: Any = self  # smtplib's class stands beside this one
        if found.file is None and found.sock is not None:
            self._heard = PatientReader(found.sock)
            found.file = BufferedReader(self._heard)
        if self._heard is not None:
            self._heard.begin(_LONGEST)
        reply: tuple[int, bytes] = super().getreply()  # type: ignore[misc]  # see above
        return reply


class _Smtp(_Bounded, smtplib.SMTP):
    pass


class _Lmtp(_Bounded, smtplib.LMTP):
    pass


@final
class Connection:
    """One session. The keywords of the server's EHLO are in `offers`, in lower case."""

    def __init__(self, hop: NextHop) -> None:
        self._hop: Final = hop
        kind = _Lmtp if hop.protocol is Protocol.LMTP else _Smtp
        self._smtp: Final = kind(local_hostname=hop.helo, timeout=hop.timeout)
        try:
            self._greet()
        except BaseException:
            self.close()
            raise
        self.offers: Final = dict(self._smtp.esmtp_features)

    def _greet(self) -> None:
        # smtplib gives the name to TLS only where it was given to the constructor, which connects.
        self._smtp._host = self._hop.host  # type: ignore[union-attr]  # noqa: SLF001 - see above
        self._expect(self._smtp.connect(self._hop.host, self._hop.port), 220)
        self._hello()
        if self._hop.tls is Tls.REQUIRED:
            self._smtp.starttls(context=ssl.create_default_context(cafile=self._hop.ca_file))
            self._hello()
        if self._socket.family != getattr(socket, "AF_UNIX", None):
            # A command is smaller than a packet: Nagle's algorithm would have it wait.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _hello(self) -> None:
        code, said = self._smtp.ehlo()
        if code != 250 and self._hop.protocol is Protocol.SMTP:
            code, said = self._smtp.helo()
        self._expect((code, said), 250)

    def _expect(self, heard: tuple[int, bytes], code: int) -> None:
        if heard[0] != code:
            raise smtplib.SMTPResponseException(*heard)

    @property
    def _socket(self) -> socket.socket:
        if self._smtp.sock is None:
            raise smtplib.SMTPServerDisconnected("The connection is closed.")
        return self._smtp.sock

    def exchange(self, commands: Sequence[str]) -> list[Reply]:
        """The reply to each command; all sent at once where the server allows (RFC 2920).

        A thousand recipients with a patience of their own would keep this thread for a day.
        """
        if self._smtp.said_unasked:  # each answer would be taken for that of another command
            raise smtplib.SMTPServerDisconnected("The server speaks out of turn.")
        self._smtp.share(max(self._hop.timeout, self._hop.data_timeout))
        size = _GROUP if "pipelining" in self.offers else 1
        replies: list[Reply] = []
        for at in range(0, len(commands), size):
            group = commands[at : at + size]
            lines = "".join(f"{each}\r\n" for each in group)
            self._smtp.send(lines.encode("utf-8", "surrogateescape"))
            replies += [self._reply() for _ in group]
        return replies

    def send(self, content: Iterable[bytes], answers: int) -> Iterable[Reply]:
        """Send the content of a message, and read its answers, one after the other."""
        for chunk in content:
            self._smtp.send(chunk)
        self._socket.settimeout(self._hop.data_timeout)
        self._smtp.share(self._hop.data_timeout)
        for _ in range(answers):
            yield self._reply()
        self._socket.settimeout(self._hop.timeout)

    def _reply(self) -> Reply:
        code, text = self._smtp.getreply()
        if not 200 <= code < 600:
            raise smtplib.SMTPResponseException(code, text)
        return Reply.heard(code, text)

    def close(self) -> None:
        """Hang up, without a word: nothing is under way."""
        self._smtp.close()
