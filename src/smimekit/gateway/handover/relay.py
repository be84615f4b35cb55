"""Hands a mail on to the next hop, and says what became of each recipient.

Knows the client's side of SMTP (RFC 5321), LMTP (RFC 2033), SIZE (RFC 1870), DSN (RFC 3461),
8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531) and Postfix' XFORWARD. May not know why a mail is sent.
Content is streamed as it is: what cannot travel as it is gets refused, since a conversion would
break signatures.
"""

import logging
import smtplib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, Protocol, final

from smimekit.gateway.adapters.esmtp import forwarded
from smimekit.gateway.envelope import Client, Parameters
from smimekit.gateway.handover import next_hop
from smimekit.gateway.handover.answers import Reply
from smimekit.gateway.handover.next_hop import Connection, NextHop
from smimekit.gateway.outcomes import Mail
from smimekit.gateway.reports.dsn import wants
from smimekit.span import CHUNK, Span

__all__ = ["Courier", "Relay", "stuffed"]

_LOG: Final = logging.getLogger("smimekit.gateway")
_IDLE: Final = 20.0
"""Seconds after which a connection is not used again: servers give up on idle ones."""
_DSN_OF_MAIL: Final = frozenset({"RET", "ENVID"})
_DSN_OF_RECIPIENT: Final = frozenset({"NOTIFY", "ORCPT"})
_TOO_MANY: Final = 452
_CLOSING: Final = 421
_LATER: Final = "4.4.2"


class Courier(Protocol):
    """Takes mails away."""

    def deliver(self, mail: Mail, client: Client) -> Sequence[Reply]:
        """Hand a mail on: a reply for each of its recipients, in their order. Raises nothing."""
        ...


def stuffed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Content as it stands after DATA: transparent (RFC 5321, 4.5.2), and with its end."""
    before = b"\r\n"  # the end of the line DATA
    ready = b""  # kept back: the end goes with the last chunk, in one packet
    for chunk in chunks:
        if ready:
            yield ready
        whole = before + chunk
        before = whole[-2:]
        ready = whole.replace(b"\r\n.", b"\r\n..")[2:]
    yield ready + (b".\r\n" if before == b"\r\n" else b"\r\n.\r\n")


class _Refused(Exception):
    """The whole mail is refused, before or by MAIL."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


@final
class Relay:
    """A courier to one next hop, for one thread: it keeps its connection for the next mail."""

    def __init__(self, hop: NextHop, clock: Callable[[], float] = time.monotonic) -> None:
        self._hop: Final = hop
        self._clock: Final = clock
        self._connection: Connection | None = None
        self._used = 0.0

    def deliver(self, mail: Mail, client: Client) -> Sequence[Reply]:
        """Hand a mail on (Courier)."""
        found: list[Reply | None] = [None] * len(mail.recipients)
        missing = Reply(451, _LATER, "The next hop does not answer")
        try:
            self._deliver(mail, client, found)
        except _Refused as error:
            missing = error.reply
        except smtplib.SMTPResponseException as error:
            self.close()
            heard = Reply.heard(error.smtp_code, _octets(error.smtp_error))
            missing = Reply(451, _LATER, f"The next hop says: {heard.code} {heard.text}")
        except (smtplib.SMTPException, OSError):
            self.close()
        except BaseException:
            self.close()  # it is in the middle of a message, and no place for the next one
            raise
        return tuple(_final(missing if each is None else each) for each in found)

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _deliver(self, mail: Mail, client: Client, found: list[Reply | None]) -> None:
        """One transaction, and another for those who were too many (RFC 5321, 4.5.3.1.10)."""
        waiting = list(range(len(found)))
        end = self._clock() + self._hop.data_timeout  # nobody waits longer for our own reply
        while waiting:
            connection = self._begun(mail, client)
            accepted, too_many = _recipients(connection, mail, waiting, found)
            if accepted:
                self._send(connection, mail, accepted, found)
            else:
                self.close()
            self._used = self._clock()
            waiting = too_many if accepted and self._used < end else []
            for each in too_many if waiting else ():
                found[each] = None

    def _begun(self, mail: Mail, client: Client) -> Connection:
        """A connection on which MAIL was accepted. One that lay idle gets a second chance."""
        old = self._connection
        if old is not None and self._clock() - self._used < _IDLE:
            try:
                return self._begin(old, mail, client)
            except (smtplib.SMTPException, OSError, _Refused):
                pass  # it may have gone stale; a new one tells the truth
        self.close()
        self._connection = Connection(self._hop)
        return self._begin(self._connection, mail, client)

    def _begin(self, connection: Connection, mail: Mail, client: Client) -> Connection:
        command = _mail_command(mail, connection.offers)
        told = forwarded(client, connection.offers.get("xforward", ""))
        commands = [command] if told is None else [told, command]
        reply = connection.exchange(commands)[-1]
        if not reply.done:
            self.close()
            raise _Refused(reply)
        return connection

    def _send(
        self,
        connection: Connection,
        mail: Mail,
        accepted: Sequence[int],
        found: list[Reply | None],
    ) -> None:
        (ready,) = connection.exchange(["DATA"])
        if ready.code != 354:
            self.close()
            verdict = ready if ready.refused else Reply(451, _LATER, ready.text)
            answers: Iterable[Reply] = [verdict] * len(accepted)
        elif self._hop.protocol is next_hop.Protocol.LMTP:
            answers = connection.send(stuffed(mail.message.chunks()), len(accepted))
        else:
            (one,) = connection.send(stuffed(mail.message.chunks()), 1)
            answers = [one] * len(accepted)
        for each, answer in zip(accepted, answers, strict=True):
            found[each] = _reported(answer, mail, each, connection.offers)


def _final(reply: Reply) -> Reply:
    """What no client can be given: a 3yz that nobody asked for (RFC 5321, 4.2.1), and a 421, which
    would say that we close its connection (4.2.3).
    """
    ours = not 300 <= reply.code < 400 and reply.code != _CLOSING
    return reply if ours else Reply(451, _LATER, reply.text)


def _recipients(
    connection: Connection, mail: Mail, waiting: Sequence[int], found: list[Reply | None]
) -> tuple[list[int], list[int]]:
    """RCPT for those who wait: the accepted ones, and those who were too many."""
    commands = [_rcpt_command(mail, each, connection.offers) for each in waiting]
    accepted, too_many = [], []
    for each, reply in zip(waiting, connection.exchange(commands), strict=True):
        if reply.done:
            accepted.append(each)
            continue
        found[each] = reply
        if reply.code == _TOO_MANY:
            too_many.append(each)
    return accepted, too_many


# --- what a server that offers this can be told -----------------------------------------------


def _mail_command(mail: Mail, offers: dict[str, str]) -> str:
    parameters = dict(mail.parameters)
    words = [f"MAIL FROM:<{mail.mail_from}>"]
    if "size" in offers:
        words.append(_size(len(mail.message), offers["size"]))
    if not _is_ascii(mail.message.chunks()):
        if "8bitmime" not in offers:
            raise _Refused(Reply(554, "5.6.3", "The next hop takes no 8-bit data"))
        words.append("BODY=8BITMIME")
    if _is_international(mail):
        if "smtputf8" not in offers:
            raise _Refused(Reply(553, "5.6.7", "The next hop takes no SMTPUTF8"))
        words.append("SMTPUTF8")
    if "dsn" in offers:
        words += _written(_DSN_OF_MAIL, tuple(parameters.items()))
    elif mail.private:
        _LOG.warning("The next hop offers no DSN: its reports may return what was decrypted")
    return " ".join(words)


def _size(size: int, most: str) -> str:
    if most.isdecimal() and 0 < int(most) < size:
        raise _Refused(Reply(552, "5.3.4", "The message is too large for the next hop"))
    return f"SIZE={size}"


def _rcpt_command(mail: Mail, number: int, offers: dict[str, str]) -> str:
    recipient = mail.recipients[number]
    words = [f"RCPT TO:<{recipient.address}>"]
    if "dsn" in offers:
        given = recipient.parameters
        words += _written(_DSN_OF_RECIPIENT, _failures_only(given) if mail.private else given)
    return " ".join(words)


def _failures_only(parameters: Parameters) -> Parameters:
    """Reports return the header, and that of a mail that was decrypted is nobody's to ask for."""
    notify = "FAILURE" if wants(parameters, "FAILURE") else "NEVER"
    return (("NOTIFY", notify), *((name, value) for name, value in parameters if name != "NOTIFY"))


def _reported(answer: Reply, mail: Mail, number: int, offers: dict[str, str]) -> Reply:
    """An answer that knows whether the sender will hear of success from the next hop, if it wants
    to (RFC 3461, 5.2.2).
    """
    told = "dsn" in offers and not mail.private
    wanted = wants(mail.recipients[number].parameters, "SUCCESS")
    return replace(answer, unreported=True) if answer.done and wanted and not told else answer


def _written(names: frozenset[str], parameters: Parameters) -> list[str]:
    return [f"{name}={value}" for name, value in parameters if name in names]


def _is_international(mail: Mail) -> bool:
    """Whether it needs SMTPUTF8: for an address, or for a header field (RFC 6531, 3.4 and 3.6)."""
    addresses = (mail.mail_from, *(each.address for each in mail.recipients))
    if not all(each.isascii() for each in addresses):
        return True
    return any(name == "SMTPUTF8" for name, _ in mail.parameters) and not _is_ascii(
        _header(mail.message)
    )


def _header(message: Span) -> Iterator[bytes]:
    last = b""
    for chunk in message.chunks(CHUNK):
        end = (last + chunk).find(b"\r\n\r\n")
        if end >= 0:
            yield (last + chunk)[:end]
            return
        yield chunk
        last = chunk[-3:]


def _is_ascii(chunks: Iterable[bytes]) -> bool:
    return all(chunk.isascii() for chunk in chunks)


def _octets(said: bytes | str) -> bytes:
    return said if isinstance(said, bytes) else said.encode("utf-8", "replace")
