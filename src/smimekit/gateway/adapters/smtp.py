"""The server's side of SMTP: an after-queue filter, or a proxy, by aiosmtpd (extra `smtp`).

Knows commands, and what a client has said so far. May not know what becomes of a message: a
`Reception` takes it, and its replies are the answer. aiosmtpd has connections, timeouts and the
loop of commands; what it does with MAIL, RCPT and DATA is replaced, since it knows no DSN,
changes the case of parameters, and keeps content in memory. Nothing is answered 250 before the
reception says so; every failure is 451, and the message stays with the client.
"""

import logging
import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final, Protocol

from aiosmtpd.smtp import SMTP

from smimekit.gateway.adapters.esmtp import (
    FORWARDED,
    client_from,
    parse_attributes,
    parse_parameters,
    parse_path,
    unknown_mail_parameter,
    unknown_recipient_parameter,
)
from smimekit.gateway.adapters.hearing import Hearing, Memory, is_acknowledged
from smimekit.gateway.adapters.incoming import Incoming, buffer_of, receive
from smimekit.gateway.envelope import Client, Envelope, EnvelopeRecipient, Parameters
from smimekit.gateway.handover.answers import BROKEN, BUSY, Reply
from smimekit.gateway.handover.transaction import answered
from smimekit.gateway.program.config import Listener, Submitter
from smimekit.gateway.program.tasks import Task
from smimekit.gateway.reports.failures import logged

__all__ = ["Place", "Reception", "SmtpSession"]

_LOG: Final = logging.getLogger("smimekit.gateway")
_LINE: Final = 8192
"""Octets of a command: addresses have up to 256, ORCPT up to 500 (RFC 3461, 4.2), times four in
xtext."""
_CHUNK: Final = 1 << 16
_RECIPIENTS: Final = 1000
"""RFC 5321, 4.5.3.1.8 wants 100 at least."""
_UNFIT: Final = re.compile(r"[^A-Za-z0-9.:_\[\]-]")


class Place(Protocol):
    """Room for one message: a file name of its own."""

    @property
    def path(self) -> Path: ...

    @property
    def seal(self) -> bytes:
        """The key to seal the file with; none where it is not to be sealed."""
        ...

    async def hand_over(self, task: Task) -> Sequence[Reply]:
        """Have the message dealt with, and give the place back: a reply for each recipient."""
        ...

    def leave(self) -> None:
        """Give the place back, where nothing was handed over."""
        ...


class Reception(Memory, Protocol):
    """Whom a session hands messages to."""

    @property
    def name(self) -> str:
        """The host's name."""
        ...

    def now(self) -> datetime: ...

    def arrive(self, session: "SmtpSession") -> Reply | None:
        """A client has come: None, or why it has to go."""
        ...

    def depart(self, session: "SmtpSession") -> None:
        """It has gone."""
        ...

    async def place(self) -> Place | None:
        """Wait for room; None where there is none."""
        ...


class SmtpSession(SMTP):
    """One connection."""

    line_length_limit = _CHUNK
    command_size_limit = _LINE
    command_size_limits: dict[str, int] = defaultdict(lambda: _LINE)  # noqa: RUF012 - aiosmtpd's
    protocol_name = "ESMTP"
    single = True
    """One answer for all recipients."""

    def __init__(self, listener: Listener, reception: Reception) -> None:
        super().__init__(
            self,
            data_size_limit=listener.size,
            enable_SMTPUTF8=True,
            hostname=reception.name,
            ident=f"{self.protocol_name} smimekit",
            auth_exclude_mechanism=["LOGIN", "PLAIN"],
        )
        self.listener: Final = listener
        self._reception: Final = reception
        self._arrived = False
        self._busy = False
        self._said_bye = False
        self._proxied = Client()
        self._login: str | None = None
        self._hearing: Final = Hearing(reception)
        self._forget_mail()

    # --- coming and going -----------------------------------------------------------------

    async def _handle_client(self) -> None:
        refusal = self._refusal()
        if refusal is not None:
            await self.push(refusal.line())
            self.hang_up()
            return
        await super()._handle_client()

    def _refusal(self) -> Reply | None:
        peer = self.session.peer if self.session is not None else ""
        if not self.listener.admits(peer[0] if isinstance(peer, tuple) else ""):
            return Reply(554, "5.7.1", "You may not use this service")
        refusal = self._reception.arrive(self)
        self._arrived = refusal is None
        return refusal

    def eof_received(self) -> bool | None:
        if is_acknowledged(self.transport):
            self._hearing.has_read()
        return super().eof_received()

    def _timeout_cb(self) -> None:
        if is_acknowledged(self.transport):
            self._hearing.has_read()
        super()._timeout_cb()  # type: ignore[no-untyped-call]  # aiosmtpd's

    def connection_lost(self, error: Exception | None) -> None:
        self._hearing.is_gone()
        if self._arrived:
            self._arrived = False
            self._reception.depart(self)
        super().connection_lost(error)

    def hang_up(self) -> None:
        """Close the connection, without a word."""
        if self.transport is not None:
            self.transport.close()

    def dismiss(self) -> None:
        """Close the connection unless a message is under way (RFC 5321, 3.8)."""
        if not self._busy and self.transport is not None:
            if not self._said_bye:
                self._writer.write(Reply(421, "4.3.2", "Shutting down").line().encode() + b"\r\n")
            self.hang_up()

    async def handle_exception(self, error: Exception) -> str:
        _LOG.warning("A session failed\n%s", logged(error))
        return BROKEN.line()

    def _set_rset_state(self) -> None:
        super()._set_rset_state()  # type: ignore[no-untyped-call]  # aiosmtpd's
        self._forget_mail()

    def _forget_mail(self) -> None:
        """XFORWARD is about one mail: the next may be somebody else's. XCLIENT is about all."""
        self._client = self._proxied
        self._mail_from: str | None = None
        self._parameters: Parameters = ()
        self._recipients: list[EnvelopeRecipient] = []

    # --- commands -------------------------------------------------------------------------

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self,
        server: Any,  # noqa: ARG002 - it is this object
        session: Any,
        envelope: Any,  # noqa: ARG002 - not used
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        """What is offered (called by aiosmtpd)."""
        self._hearing.goes_on()
        session.host_name = hostname
        keywords = [
            f"SIZE {self.listener.size}",
            *("8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"),
            f"XFORWARD {' '.join(FORWARDED)}",
            *self._further_keywords(),
        ]
        if self.listener.submitter is Submitter.LOGIN:
            keywords.append("XCLIENT NAME ADDR PORT PROTO HELO LOGIN")
        lines = [responses[0], *(f"250-{each}" for each in keywords)]
        return [*lines[:-1], lines[-1].replace("-", " ", 1)]

    def _further_keywords(self) -> Sequence[str]:
        return ()

    async def smtp_RSET(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        self._hearing.goes_on()
        await super().smtp_RSET(arg)

    async def smtp_QUIT(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        self._hearing.goes_on()
        if arg or not self._hearing.is_open or self._writer.is_closing():
            await super().smtp_QUIT(arg)
            return
        # It said so before our answer, and may be gone: how it closes tells whether it is not.
        await self.push(Reply(221, "2.0.0", "Bye").line())
        self._said_bye = True
        self._writer.write_eof()
        while await self._reader.read(_CHUNK):
            pass

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd's name
        self._hearing.goes_on()
        if await self.check_helo_needed():
            return
        await self.push(self._mail(arg or "").line())

    def _mail(self, arg: str) -> Reply:
        if self._mail_from is not None:
            return Reply(503, "5.5.1", "There is a sender already")
        path = parse_path(arg[5:]) if arg[:5].upper() == "FROM:" else None
        parameters = None if path is None else parse_parameters(path[1])
        if path is None or parameters is None:
            return Reply(501, "5.5.4", "Syntax: MAIL FROM:<address> [parameters]")
        unknown = unknown_mail_parameter(parameters)
        if unknown is not None:
            return Reply(555, "5.5.4", f"Unknown parameter, or value of it: {unknown}")
        size = int(dict(parameters).get("SIZE") or 0)
        if size > self.listener.size:
            return Reply(552, "5.3.4", "The message is too large")
        self._mail_from = path[0]
        self._parameters = tuple(each for each in parameters if each[0] != "SIZE")
        return Reply(250, "2.1.0", "OK")

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd's name
        await self.push(self._rcpt(arg or "").line())

    def _rcpt(self, arg: str) -> Reply:
        if self._mail_from is None:
            return Reply(503, "5.5.1", "MAIL comes first")
        path = parse_path(arg[3:]) if arg[:3].upper() == "TO:" else None
        parameters = None if path is None else parse_parameters(path[1])
        if path is None or parameters is None or not path[0]:
            return Reply(501, "5.5.4", "Syntax: RCPT TO:<address> [parameters]")
        unknown = unknown_recipient_parameter(parameters)
        if unknown is not None:
            return Reply(555, "5.5.4", f"Unknown parameter, or value of it: {unknown}")
        if len(self._recipients) >= _RECIPIENTS:
            return Reply(452, "4.5.3", "Too many recipients")
        self._recipients.append(EnvelopeRecipient(address=path[0], parameters=parameters))
        return Reply(250, "2.1.5", "OK")

    async def smtp_XFORWARD(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd's name
        """Who the client of the server in front is (Postfix' XFORWARD_README)."""
        attributes = parse_attributes(arg or "")
        if self._mail_from is not None:
            reply = Reply(503, "5.5.1", "Not within a transaction")
        elif not attributes or not set(attributes) <= set(FORWARDED):
            reply = Reply(501, "5.5.4", "Syntax: XFORWARD attribute=value ...")
        else:
            self._client = client_from(attributes, self._client)
            reply = Reply(250, "2.0.0", "OK")
        await self.push(reply.line())

    async def smtp_XCLIENT(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd's name
        """The same, and who authenticated (Postfix' XCLIENT_README); the session begins anew."""
        attributes = parse_attributes(arg or "")
        if self.listener.submitter is not Submitter.LOGIN:
            await self.push(Reply(550, "5.7.0", "Not on this listener").line())
        elif self._mail_from is not None:
            await self.push(Reply(503, "5.5.1", "Not within a transaction").line())
        elif not attributes or not set(attributes) <= {*FORWARDED, "LOGIN"}:
            await self.push(Reply(501, "5.5.4", "Syntax: XCLIENT attribute=value ...").line())
        else:
            self._proxied = client_from(attributes, self._proxied)
            self._login = attributes.get("LOGIN", self._login)
            self._set_rset_state()
            if self.session is not None:
                self.session.host_name = None
            await self.push(f"220 {self.hostname} {self.__ident__}")

    # --- the message ----------------------------------------------------------------------

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd's name
        if not self._recipients:
            await self.push(Reply(503, "5.5.1", "RCPT comes first").line())
            return
        if arg:
            await self.push(Reply(501, "5.5.4", "Syntax: DATA").line())
            return
        self._stop_the_clock()
        place = await self._reception.place()
        if place is None:
            self._reset_timeout()
            await self.push(BUSY.line())
            return
        self._busy = True
        try:
            await self._take(place)
        finally:
            self._busy = False
            place.leave()

    async def _take(self, place: Place) -> None:
        envelope = self._envelope()
        seed = repr((envelope.client.ident, envelope.mail_from)).encode("utf-8", "replace")
        trace = self._trace(place.path.name).encode()
        incoming = Incoming(
            place.path, trace=trace, seed=seed, limit=self.listener.size, seal=place.seal
        )
        try:
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            await receive(self._reader, incoming, self._reset_timeout)
        finally:
            incoming.close()
        self._hearing.has_read()  # 354 came after the answer to the message before
        self._stop_the_clock()
        self._set_rset_state()
        if incoming.refusal is None:
            task = Task(place.path, incoming.digest, envelope, self.single, place.seal)
            replies = await self._handed_over(place, task)
        else:
            replies = [incoming.refusal] * len(envelope.recipients)
        self._reset_timeout()
        self._hearing.told(
            incoming.digest,
            answered(envelope, replies),
            ahead=bool(buffer_of(self._reader)),
            named=bool(envelope.client.ident),
        )
        await self._answer(replies)

    async def _handed_over(self, place: Place, task: Task) -> Sequence[Reply]:
        """In LMTP the client waits for as many replies as there are recipients, whatever failed:
        it would take the reply to its next command for one of them.
        """
        try:
            return await place.hand_over(task)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, it stays with its sender
            _LOG.warning("A message could not be dealt with\n%s", logged(error))
            return [BROKEN] * len(task.envelope.recipients)

    async def _answer(self, replies: Sequence[Reply]) -> None:
        await self.push(replies[0].line())

    def _stop_the_clock(self) -> None:
        """It is not the client whom we wait for."""
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()

    def _envelope(self) -> Envelope:
        users = {Submitter.SENDER: self._mail_from, Submitter.LOGIN: self._login}
        return Envelope(
            mail_from=self._mail_from or "",
            recipients=tuple(self._recipients),
            parameters=self._parameters,
            user=users.get(self.listener.submitter) or None,
            client=self._client,
        )

    def _trace(self, name: str) -> str:
        """RFC 5321, 4.4. It names no recipient: they need not know of each other."""
        session = self.session
        assert session is not None  # noqa: S101 - for the type checker: there is a connection
        helo = _UNFIT.sub("?", session.host_name or "unknown")
        peer = session.peer[0] if isinstance(session.peer, tuple) else "local"
        return (
            f"Received: from {helo} ([{_UNFIT.sub('?', peer)}])\r\n"
            f"\tby {self.hostname} with {self.protocol_name} id {name};\r\n"
            f"\t{format_datetime(self._reception.now())}\r\n"
        )
