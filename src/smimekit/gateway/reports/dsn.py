"""Delivery status notifications: who is told what became of mail, and how (RFC 3464, RFC 3461).

Knows the report's format and what senders ask for. May not know why it became of it. A report
goes back unprotected to whomever the reverse-path names: it holds no body, whatever RET asks
for, and of the header nothing that header protection would have hidden (RFC 9788, 3.2.1).
"""

import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Final, final

from smimekit.errors import InputError
from smimekit.gateway.envelope import Envelope, EnvelopeRecipient, Parameters
from smimekit.gateway.outcomes import Mail, Reject
from smimekit.limits import Limits
from smimekit.mime.confidentiality import hcp_baseline
from smimekit.mime.fields import Field, read_header
from smimekit.mime.writer import field_bytes, new_boundary
from smimekit.span import Span
from smimekit.trust.records import require_aware

__all__ = ["bounce", "relayed", "wants"]

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
"""RFC 3461, 4: printable ASCII but for "+" and "=", which are escaped."""
_ESCAPED = re.compile(r"\+([0-9A-F]{2})")
_UNICODE = re.compile(r"\\x\{([1-9A-F][0-9A-F]{1,5})\}")
"""RFC 6533, 3: a character in utf-8-addr-xtext or utf-8-addr-unitext."""
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_TYPE = re.compile(r"[A-Za-z0-9-]{1,64}")
_LONGEST: Final = 500
_KEPT: Final = frozenset(
    {
        *("date", "from", "sender", "reply-to", "to", "cc", "subject", "message-id"),
        *("in-reply-to", "references", "received", "auto-submitted", "list-id"),
    }
)
"""What the report tells of the header: which mail it was, and no more."""


@final
@dataclass(frozen=True, slots=True)
class _Kind:
    """What the reports of one action have in common."""

    action: str
    """RFC 3464, 2.3.3."""
    subject: bytes
    before: str
    after: tuple[str, ...]


_FAILED: Final = _Kind(
    "failed",
    b"Undelivered mail: it was refused",
    "Your mail could not be delivered to the following recipients:",
    (
        "It was not sent to them. The mail itself is not repeated here, since this report",
        "travels unprotected.",
    ),
)
_RELAYED: Final = _Kind(
    "relayed",
    b"Mail handed on",
    "Your mail was handed on for the following recipients:",
    (
        "You asked to be told of its delivery. Nothing more will be reported of it, unless it",
        "cannot be delivered.",
    ),
)


@final
@dataclass(frozen=True, slots=True)
class _Fate:
    """What became of the mail for one recipient."""

    recipient: EnvelopeRecipient
    status: str
    text: str
    diagnostic: str = ""


@final
@dataclass(frozen=True, slots=True)
class _Report:
    """What does not change from part to part."""

    kind: _Kind
    envelope: Envelope
    fates: tuple[_Fate, ...]
    header: tuple[Field, ...]
    at: datetime
    reporting_mta: str
    utf8: bool
    """Whether addresses are in UTF-8 (RFC 6533); else everything is ASCII."""


def bounce(
    envelope: Envelope,
    rejects: Sequence[Reject],
    message: Span | None,
    *,
    at: datetime,
    reporting_mta: str,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> Mail | None:
    """The report to the sender about refused recipients; None where nobody is to be told.

    Nobody is told of mail with the null reverse-path (RFC 5321, 4.5.5), nor of recipients for
    whom NOTIFY leaves FAILURE out (RFC 3461, 4.1). `message` is the mail as it came in, of which
    parts of the header are repeated; None repeats nothing. `reporting_mta` is the host name of the
    gateway, `at` (aware) the time of the report. UsageError for a naive time.
    """
    require_aware(at, "at")
    fates = tuple(
        _failure(reject, recipient)
        for reject in rejects
        for recipient in reject.recipients
        if wants(recipient.parameters, "FAILURE")
    )
    header = () if message is None else _header(message)
    report = _Report(
        _FAILED, envelope, fates, header, at, reporting_mta, _is_utf8(envelope, fates, header)
    )
    return _sent(report, random)


def relayed(
    envelope: Envelope,
    recipients: Sequence[EnvelopeRecipient],
    message: Span | None,
    *,
    at: datetime,
    reporting_mta: str,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> Mail | None:
    """The report that a mail was handed on to where nobody reports success (RFC 3461, 5.2.2).

    Only those recipients are in it for whom NOTIFY has SUCCESS; all else is as in `bounce`.
    """
    require_aware(at, "at")
    fates = tuple(
        _Fate(each, "2.0.0", "handed on")
        for each in recipients
        if wants(each.parameters, "SUCCESS")
    )
    header = () if message is None else _header(message)
    report = _Report(
        _RELAYED, envelope, fates, header, at, reporting_mta, _is_utf8(envelope, fates, header)
    )
    return _sent(report, random)


def wants(parameters: Parameters, what: str) -> bool:
    """Does the sender want to be told of "SUCCESS" or of "FAILURE"? Without NOTIFY, failures are
    reported (RFC 3461, 4.1).
    """
    notify = _parameter(parameters, "NOTIFY")
    if notify is None:
        return what == "FAILURE"
    return what in {each.strip().upper() for each in notify.split(",")}


def _failure(reject: Reject, recipient: EnvelopeRecipient) -> _Fate:
    status = reject.enhanced if _STATUS.fullmatch(reject.enhanced) else "5.0.0"
    said = f"smtp; {reject.code} {status} {reject.text}"
    return _Fate(recipient, status, reject.text, said)


def _sent(report: _Report, random: Callable[[int], bytes]) -> Mail | None:
    if not report.envelope.mail_from or not report.fates:
        return None
    message_id = f"<{random(16).hex()}@{report.reporting_mta}>"
    octets = _message(report, message_id, new_boundary(random))
    return Mail(
        mail_from="",
        recipients=(EnvelopeRecipient(address=report.envelope.mail_from),),
        message=Span.of(octets),
        parameters=(("SMTPUTF8", None), ("BODY", "8BITMIME")) if report.utf8 else (),
    )


def _parameter(parameters: Parameters, name: str) -> str | None:
    return next((value for key, value in parameters if key.upper() == name), None)


def _is_utf8(
    envelope: Envelope,
    told: Iterable[_Fate],
    header: Iterable[Field],
) -> bool:
    """Only whoever sent UTF-8, or reads it, gets it (RFC 6533, 4)."""
    takes = any(key.upper() == "SMTPUTF8" for key, _ in envelope.parameters)
    if not envelope.mail_from.isascii():
        return True
    in_addresses = any(not each.recipient.address.isascii() for each in told)
    return takes and (in_addresses or any(not field.raw.isascii() for field in header))


# --- the message --------------------------------------------------------------------------------


def _message(report: _Report, message_id: str, boundary: bytes) -> bytes:
    status, headers = (
        (b"message/global-delivery-status", b"message/global-headers")
        if report.utf8
        else (b"message/delivery-status", b"text/rfc822-headers")
    )
    parts = [
        _part(b'text/plain; charset="utf-8"', _text(report), report),
        _part(status, _status(report), report),
    ]
    if report.header:
        parts.append(_part(headers, b"".join(field.raw for field in report.header), report))
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    top = b"".join(field.raw for field in _top(report, message_id, boundary))
    return top + b"\r\n" + body + b"--" + boundary + b"--\r\n"


def _top(report: _Report, message_id: str, boundary: bytes) -> Iterator[Field]:
    yield Field.of(
        "From", f"Mail Delivery System <postmaster@{_line(report.reporting_mta)}>".encode()
    )
    yield Field.of("To", _octets(f"<{report.envelope.mail_from}>", report))
    yield Field.of("Subject", report.kind.subject)
    yield Field.of("Date", format_datetime(report.at).encode())
    yield Field.of("Message-ID", message_id.encode())
    for field in report.header:
        if field.named("Message-ID"):
            yield Field.of("In-Reply-To", field.value)
            break
    # RFC 3834, 5: nobody's program is to answer.
    yield Field.of("Auto-Submitted", b"auto-replied")
    yield Field.of("MIME-Version", b"1.0")
    yield Field.of(
        "Content-Type",
        b'multipart/report; report-type=delivery-status;\r\n boundary="%s"' % boundary,
    )
    if report.utf8:
        yield Field.of("Content-Transfer-Encoding", b"8bit")


def _part(media: bytes, content: bytes, report: _Report) -> bytes:
    encoding = b"Content-Transfer-Encoding: 8bit\r\n" if report.utf8 else b""
    return b"Content-Type: " + media + b"\r\n" + encoding + b"\r\n" + content


def _text(report: _Report) -> bytes:
    lines = [
        report.kind.before,
        "",
        *(f"<{each.recipient.address}>: {each.text}" for each in report.fates),
        "",
        *report.kind.after,
    ]
    return b"".join(_octets(line, report) + b"\r\n" for line in lines)


# --- the status (RFC 3464, 2) ---------------------------------------------------------------------


def _status(report: _Report) -> bytes:
    groups = [_about_message(report)]
    groups += [_about_recipient(report, each) for each in report.fates]
    return b"\r\n".join(b"".join(field.raw for field in group) for group in groups)


def _about_message(report: _Report) -> Iterator[Field]:
    identifier = _unescaped(_parameter(report.envelope.parameters, "ENVID"))
    if identifier is not None:
        yield Field.of("Original-Envelope-Id", identifier.encode("ascii", "replace"))
    yield Field.of("Reporting-MTA", _octets(f"dns; {report.reporting_mta}", report))
    yield Field.of("Arrival-Date", format_datetime(report.at).encode())


def _about_recipient(report: _Report, fate: _Fate) -> Iterator[Field]:
    original = _original(_parameter(fate.recipient.parameters, "ORCPT"), report)
    if original is not None:
        yield Field.of("Original-Recipient", original)
    yield Field.of("Final-Recipient", _typed(fate.recipient.address, report))
    yield Field.of("Action", report.kind.action.encode())
    yield Field.of("Status", fate.status.encode())
    if fate.diagnostic:
        yield Field.of("Diagnostic-Code", _octets(fate.diagnostic, report))


def _typed(address: str, report: _Report) -> bytes:
    """An address with its type (RFC 3464, 2.1.2; RFC 6533, 3)."""
    if address.isascii():
        return _octets(f"rfc822; {address}", report)
    if report.utf8:
        return _octets(f"utf-8; {address}", report)
    plain = "".join(
        char if "!" <= char <= "~" and char not in "\\+=" else f"\\x{{{ord(char):02X}}}"
        for char in address
    )
    return f"utf-8; {_line(plain)}".encode()


def _original(orcpt: str | None, report: _Report) -> bytes | None:
    """What ORCPT says (RFC 3461, 4.2); None for what it must not say."""
    kind, found, escaped = (orcpt or "").partition(";")
    if not found or not _TYPE.fullmatch(kind):
        return None
    if kind.lower() != "utf-8":
        address = _unescaped(escaped)
        return None if address is None else f"{kind}; {address}".encode()
    address = _UNICODE.sub(_character, escaped)
    clean = address and address.isprintable() and "\\" not in address
    return _typed(address, report) if clean else None


def _character(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    return chr(number) if number <= 0x10FFFF and not 0xD800 <= number < 0xE000 else "\0"


def _unescaped(text: str | None) -> str | None:
    """The text in xtext; None for none, and for what would be more than one line of ASCII."""
    if not text or not _XTEXT.fullmatch(text):
        return None
    found = _ESCAPED.sub(lambda one: chr(int(one[1], 16)), text)
    return found if found.isascii() and found.isprintable() else None


def _line(text: str) -> str:
    """Text that stays in one line."""
    return "".join(char if char.isprintable() else "?" for char in text)[:_LONGEST]


def _octets(text: str, report: _Report) -> bytes:
    return _line(text).encode("utf-8" if report.utf8 else "ascii", "replace")


# --- the header of what was refused ---------------------------------------------------------------


def _header(message: Span) -> tuple[Field, ...]:
    """What may be told of the header: nothing where nobody can read it."""
    try:
        fields = read_header(message, limits=Limits()).fields
        return tuple(_told(field) for field in fields if field.name.lower() in _KEPT)
    except InputError:
        return ()


def _told(field: Field) -> Field:
    if hcp_baseline(field.name, field.text) != field.text:
        return Field.of(field.name, b"[...]")
    return Field(field.name, field_bytes(field))
