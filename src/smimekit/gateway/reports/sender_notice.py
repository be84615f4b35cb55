"""Mail to a sender whose mail went out without what was asked for.

Knows how a notice is written (RFC 3834). May not know why it is due. It holds nothing of the mail
but its Message-ID.
"""

from collections.abc import Iterable, Iterator
from email.utils import format_datetime

from smimekit.gateway.envelope import EnvelopeRecipient
from smimekit.gateway.outbound.case import Case
from smimekit.gateway.outbound.plan import Part
from smimekit.gateway.outcomes import Mail
from smimekit.gateway.rules import Rules
from smimekit.mime.address import address_key
from smimekit.mime.fields import Field
from smimekit.primitives import random_bytes
from smimekit.span import Span

__all__ = ["sender_notices"]

_LONGEST = 900
"""Octets of a Message-ID that are repeated: a line holds 998 (RFC 5322, 2.1.1)."""


def sender_notices(rules: Rules, case: Case, parts: Iterable[Part]) -> Iterator[Mail]:
    """One mail for all parts with a notice; none for a null reverse-path, nor for mail that no
    person sent (RFC 3834, 2).
    """
    told = [part for part in parts if part.notice is not None]
    sender = case.envelope.mail_from
    if not told or case.letter.auto_submitted or address_key(sender) is None:
        return
    if not sender.isprintable():
        return  # it would write header fields of its own
    text = "".join(_paragraph(part) for part in told)
    header = b"".join(field.raw for field in _header(rules, case))
    body = text.encode("utf-8", "replace").replace(b"\n", b"\r\n")
    yield Mail(
        mail_from="",
        recipients=(EnvelopeRecipient(address=sender),),
        message=Span.of(header + b"\r\n" + body),
        parameters=() if sender.isascii() else (("SMTPUTF8", None),),
    )


def _header(rules: Rules, case: Case) -> Iterator[Field]:
    name = rules.site.name
    yield Field.of("From", f"S/MIME gateway <postmaster@{name}>".encode())
    yield Field.of("To", f"<{case.envelope.mail_from}>".encode())
    yield Field.of("Subject", b"Your mail was sent without a signature")
    yield Field.of("Date", format_datetime(case.at).encode())
    yield Field.of("Message-ID", f"<{random_bytes(16).hex()}@{name}>".encode())
    yield Field.of("Auto-Submitted", b"auto-replied")
    for field in case.letter.header.all("Message-ID")[:1]:
        if len(field.value) <= _LONGEST and field.value.isascii():
            yield Field.of("In-Reply-To", field.value)
    yield Field.of("MIME-Version", b"1.0")
    yield Field.of("Content-Type", b"text/plain; charset=utf-8")
    yield Field.of("Content-Transfer-Encoding", b"8bit")


def _paragraph(part: Part) -> str:
    whom = "\n".join(f"  {each.address}" for each in part.recipients)
    return f"Your mail was sent without a signature to\n\n{whom}\n\n{part.notice}\n\n"
