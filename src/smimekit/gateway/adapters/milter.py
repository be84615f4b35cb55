"""A milter by pymilter (extra `milter`): the mail server asks before it has taken a mail.

Knows the calls of libmilter, and what they tell of a mail. May not know what becomes of it: a
`Counter` does, with the same desk as all adapters. A mail that stays one is changed where it is;
one that has to be split is handed to the next hop whole, and then discarded here. Every failure
is a TEMPFAIL: the mail stays with the client.
"""

import hashlib
import logging
import re
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Final, Protocol

import Milter

from smimekit.errors import InputError
from smimekit.gateway.adapters.esmtp import parse_parameters, parse_path
from smimekit.gateway.adapters.header_edits import header_edits
from smimekit.gateway.adapters.in_place import KEPT, handle_in_place
from smimekit.gateway.adapters.incoming import STRAY, LineEnds
from smimekit.gateway.adapters.precheck import Planner, precheck
from smimekit.gateway.envelope import Client, Envelope, EnvelopeRecipient, Parameters
from smimekit.gateway.handover.answers import BROKEN, BUSY, Reply
from smimekit.gateway.handover.transaction import Desk, answered
from smimekit.gateway.outcomes import Mail
from smimekit.gateway.program.config import Listener, Submitter
from smimekit.gateway.reports.failures import logged
from smimekit.limits import Limits
from smimekit.message.spool import Spool
from smimekit.mime.fields import Field, read_header
from smimekit.span import Span

__all__ = ["Counter", "MilterSession"]

_LOG: Final = logging.getLogger("smimekit.gateway")
_UNFIT: Final = re.compile(r"[^A-Za-z0-9.:_\[\]-]")
_LIKELY_HEARD: Final = 60.0
"""Seconds for one mail after which a mail server may have given up on us: Postfix waits for five
minutes (milter_content_timeout), Sendmail is often told less."""
_BLANK: Final = b"\r\n"
_LIMITS: Final = Limits()
"""Of a header that is kept in memory: a longer one cannot be edited, and goes by the next hop."""


class Counter(Protocol):
    """What the sessions share."""

    @property
    def name(self) -> str:
        """The host's name."""
        ...

    @property
    def planner(self) -> Planner | None:
        """Who is asked before there is a message; None where nobody is."""
        ...

    def now(self) -> datetime: ...

    def new_spool(self) -> Spool:
        """Where a message can lie. Raises OSError."""
        ...

    def desk(self) -> AbstractContextManager[Desk | None]:
        """Wait for a desk; None where there is none."""
        ...

    def forget(self, key: str, whom: Sequence[str]) -> None:
        """The mail server has heard the answer for these recipients of a message."""
        ...


@Milter.header_leading_space
class MilterSession(Milter.Base):  # type: ignore[misc]  # pymilter has no types
    """One connection of the mail server, for one of its clients."""

    def __init__(self, listener: Listener, counter: Counter) -> None:
        super().__init__()
        self._listener: Final = listener
        self._counter: Final = counter
        self._client = Client()
        self._helo = ""
        self._parameters: Parameters = ()
        self._unheard: tuple[str, Sequence[str]] | None = None
        self._spool: Spool | None = None
        self._forget_mail()

    # --- who ------------------------------------------------------------------------------

    def connect(self, hostname: str, family: int, hostaddr: Any) -> int:  # noqa: ARG002 - libmilter's
        address, port = hostaddr[:2] if isinstance(hostaddr, tuple) else ("", "")
        name = "" if hostname.startswith("[") else hostname
        source = "REMOTE" if address else "LOCAL"
        self._client = Client(address=address, name=name, port=str(port or ""), source=source)
        return int(Milter.CONTINUE)

    def hello(self, hostname: str) -> int:
        self._helo = hostname
        return int(Milter.CONTINUE)

    def envfrom(self, path: str, *parameters: str) -> int:
        self._heard()
        self._forget_mail()
        found, known = _address(path), parse_parameters(" ".join(parameters))
        if found is None or known is None:
            return self._answer(Reply(501, "5.5.4", "Syntax: MAIL FROM:<address> [parameters]"))
        self._mail_from = found
        self._parameters = tuple(each for each in known if each[0] not in {"SIZE", "AUTH"})
        self._user = self._macro("{auth_authen}")
        return int(Milter.CONTINUE)

    def envrcpt(self, path: str, *parameters: str) -> int:
        found, known = _address(path), parse_parameters(" ".join(parameters))
        if not found or known is None:
            return self._answer(Reply(501, "5.5.4", "Syntax: RCPT TO:<address> [parameters]"))
        recipient = EnvelopeRecipient(address=found, parameters=known)
        refusal = self._refusal(recipient)
        if refusal is not None:
            return self._answer(refusal)
        self._recipients.append(recipient)
        return int(Milter.CONTINUE)

    def _refusal(self, recipient: EnvelopeRecipient) -> Reply | None:
        planner = self._counter.planner if self._listener.precheck else None
        if planner is None:
            return None
        return precheck(planner, self._envelope((recipient,)), at=self._counter.now())

    def _envelope(self, recipients: Sequence[EnvelopeRecipient]) -> Envelope:
        users = {Submitter.SENDER: self._mail_from, Submitter.LOGIN: self._user}
        return Envelope(
            mail_from=self._mail_from,
            recipients=tuple(recipients),
            parameters=self._parameters,
            user=users.get(self._listener.submitter) or None,
            client=self._client,
        )

    def _macro(self, name: str) -> str:
        return str(self.getsymval(name) or "")

    # --- the message ----------------------------------------------------------------------

    @Milter.decode("bytes")  # type: ignore[untyped-decorator]  # pymilter has no types
    def header(self, field: str, value: bytes) -> int:
        blank = b"" if self._protocol & Milter.P_HDR_LEADSPC else b" "
        text = value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        raw = field.encode("utf-8", "surrogateescape") + b":" + blank + text + b"\r\n"
        answer = self._write(raw)
        if len(self._fields) < _LIMITS.header_fields and self._size <= _LIMITS.header_bytes:
            self._fields.append(Field(field, raw))
        else:
            self._editable = False
        return answer

    def eoh(self) -> int:
        answer = self._write(_BLANK)
        self._header_ends = self._size
        return answer

    def body(self, chunk: bytes) -> int:
        return self._write(chunk)

    def _write(self, data: bytes) -> int:
        """Whether the mail server is to go on. The octets go to the disk at once: of a header,
        too, there may be any number.
        """
        if self._spool is None:
            self._spool = self._counter.new_spool()
            self._trace = Field("Received", self._received())
            self._spool.write(self._trace.raw)
            self._size = len(self._trace.raw)
        self._size += len(data)
        self._spool.write(data)
        if self._size > self._listener.size:
            return self._answer(Reply(552, "5.3.4", "The message is too large"))
        if self._line_ends.go_astray(data):  # the next hop might hear commands in a split message
            return self._answer(STRAY)
        return int(Milter.CONTINUE)

    def eom(self) -> int:
        """The one answer for all. pymilter makes a TEMPFAIL of whatever is raised."""
        if self._spool is None:
            self.eoh()  # a mail without a header
        try:
            begun = time.monotonic()
            reply = self._dealt_with()
            if time.monotonic() - begun > _LIKELY_HEARD:
                self._unheard = None
        except Exception as error:  # noqa: BLE001 - whatever went wrong, it stays with the client
            _LOG.warning("A message failed\n%s", logged(error))
            reply = BROKEN
        finally:
            self._forget_mail()
        return self._answer(reply)

    def _dealt_with(self) -> Reply:
        envelope = self._envelope(self._recipients)
        assert self._spool is not None  # noqa: S101 - for the type checker: it was written
        message = self._spool.span()
        key = self._key(message)
        with self._counter.desk() as desk:
            if desk is None:
                return BUSY
            reply = handle_in_place(
                desk, envelope, message, key=key, take=lambda mail: self._take(message, mail)
            )
            if not reply.deferred:
                self._unheard = (key, answered(envelope, [reply] * len(envelope.recipients)))
            return reply

    def _key(self, message: Span) -> str:
        """What a second try has in common with this one."""
        digest = hashlib.sha256(repr(self._mail_from).encode("utf-8", "replace"))
        for chunk in message.slice(len(self._trace.raw), len(message)).chunks():
            digest.update(chunk)
        return digest.hexdigest()

    def _received(self) -> bytes:
        """RFC 5321, 4.4: it is there where we hand the mail on; the mail server has its own."""
        helo, address = (_UNFIT.sub("?", each) for each in (self._helo, self._client.address))
        ident = _UNFIT.sub("?", self._macro("i"))
        date = format_datetime(self._counter.now())
        return (
            f"Received: from {helo or 'unknown'} ([{address or 'local'}])\r\n"
            f"\tby {self._counter.name} (milter) id {ident or 'none'};\r\n\t{date}\r\n"
        ).encode()

    # --- the answer -----------------------------------------------------------------------

    def _take(self, before: Span, mail: Mail) -> bool:
        """Make the edits that make the mail of the message; False, and none made, if it cannot."""
        try:
            header = read_header(mail.message, limits=_LIMITS, mbox=False)
        except InputError:
            return False
        fields = [each for each in header.fields if each.raw != self._trace.raw]
        edits = header_edits(self._fields, fields) if self._editable else None
        if edits is None:
            return False
        old = before.slice(self._header_ends, len(before))
        new = mail.message.slice(header.length, len(mail.message))
        for gone in edits.deletions:
            self.chgheader(gone.name, gone.number, None)
        for field in edits.insertions:
            blank = bool(self._protocol & Milter.P_HDR_LEADSPC)
            value = field.value if blank else field.value.removeprefix(" ")
            self.addheader(field.name, value, field.position)
        if not _same(old, new):
            for chunk in new.chunks() if len(new) else (_BLANK,):  # no call would keep the old one
                self.replacebody(chunk)
        return True

    def _answer(self, reply: Reply) -> int:
        if reply == KEPT:
            return int(Milter.CONTINUE)
        if reply.done:
            return int(Milter.DISCARD)
        code = reply if reply.refused else Reply(451, f"4{reply.enhanced[1:]}", reply.text)
        text = code.line().split(" ", 2)[2:]
        self.setreply(str(code.code), code.enhanced, "".join(text).replace("%", "%%"))
        return int(Milter.REJECT if reply.refused else Milter.TEMPFAIL)

    # --- the end --------------------------------------------------------------------------

    def abort(self) -> int:
        self._forget_mail()
        return int(Milter.CONTINUE)

    def close(self) -> int:
        self._heard()
        self._forget_mail()
        return int(Milter.CONTINUE)

    def _heard(self) -> None:
        """The mail server goes on: so it has read the answer to its last message."""
        if self._unheard is None:
            return
        unheard, self._unheard = self._unheard, None
        with suppress(OSError):
            self._counter.forget(*unheard)

    def _forget_mail(self) -> None:
        if self._spool is not None:
            self._spool.close()
        self._spool = None
        self._mail_from = ""
        self._user = ""
        self._parameters = ()
        self._recipients: list[EnvelopeRecipient] = []
        self._fields: list[Field] = []
        self._editable = True
        self._header_ends = 0
        self._size = 0
        self._line_ends = LineEnds()


def _address(path: str) -> str | None:
    """What libmilter hands on as it was said, with the angle brackets or without."""
    found = parse_path(path if path.startswith("<") else f"<{path}>")
    return None if found is None else found[0]


def _same(one: Span, other: Span) -> bool:
    if len(one) != len(other):
        return False
    return all(a == b for a, b in zip(one.chunks(), other.chunks(), strict=True))
