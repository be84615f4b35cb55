"""The administrator's digest: which certificates wait for a decision.

Knows the store and how a mail is written. May not know who sends it, or when: an adapter asks
once a day, say, for what is new since the last time. The store is the queue: nothing is lost with
a process, and nobody can fill a mailbox by sending signed mail.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final, final

from smimekit.gateway.envelope import EnvelopeRecipient
from smimekit.gateway.outcomes import Mail
from smimekit.gateway.rules import Rules
from smimekit.keys.credential import may_encrypt
from smimekit.mime.fields import Field
from smimekit.mime.transfer import encode_quoted_printable
from smimekit.span import Span
from smimekit.trust import Judgement, Purpose, Record, Status, Trust
from smimekit.trust.records import is_authority_only, require_aware

__all__ = ["Waiting", "digest", "waiting"]

_PAGE: Final = 200
_MOST: Final = 100
"""Certificates that one digest lists: the rest is counted."""
_LONGEST: Final = 200


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A certificate that nobody has decided about, and that is not trusted by itself."""

    record: Record
    judgement: Judgement


def waiting(trust: Trust, *, at: datetime, since: datetime | None = None) -> Iterator[Waiting]:
    """The certificates of people in the store that wait for a decision, seen first after `since`.

    What is trusted through its issuer does not wait, nor what is expired: no decision would
    help. `at` and `since` are aware. Raises StoreError.
    """
    require_aware(at, "at")
    if since is not None:
        require_aware(since, "since")
    for record in _records(trust):
        if record.decision is not None or is_authority_only(record.certificate):
            continue
        if since is not None and record.first_seen <= since:
            continue
        if record.certificate.not_after < at:
            continue
        purpose = Purpose.ENCRYPT if may_encrypt(record.certificate) else Purpose.VERIFY
        judgement = trust.judge(record.certificate, purpose, at=at)
        if judgement.status is Status.UNTRUSTED:
            yield Waiting(record=record, judgement=judgement)


def _records(trust: Trust) -> Iterator[Record]:
    if trust.store is None:
        return
    after = ""
    while page := trust.store.page(after=after, limit=_PAGE):
        yield from page
        after = page[-1].fingerprint


def digest(
    rules: Rules,
    found: Iterable[Waiting],
    *,
    at: datetime,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> Mail | None:
    """The mail to the administrator; None where nothing waits, or nobody is to be told.

    It holds what the certificates say, which anybody may have written: as text, a line each.
    """
    listed = tuple(found)
    if not listed or not rules.inbound.digest or not rules.site.administrator:
        return None
    header = b"".join(field.raw for field in _header(rules, len(listed), at, random))
    body = b"".join(encode_quoted_printable([_text(listed).encode("utf-8", "replace")]))
    return Mail(
        mail_from="",
        recipients=(EnvelopeRecipient(address=rules.site.administrator),),
        message=Span.of(header + b"\r\n" + body),
    )


def _header(
    rules: Rules, number: int, at: datetime, random: Callable[[int], bytes]
) -> Iterator[Field]:
    name = rules.site.name
    yield Field.of("From", f"S/MIME gateway <postmaster@{name}>".encode())
    yield Field.of("To", f"<{rules.site.administrator}>".encode())
    waits = "1 certificate waits" if number == 1 else f"{number} certificates wait"
    yield Field.of("Subject", f"{waits} for a decision".encode())
    yield Field.of("Date", format_datetime(at).encode())
    yield Field.of("Message-ID", f"<{random(16).hex()}@{name}>".encode())
    yield Field.of("Auto-Submitted", b"auto-generated")
    yield Field.of("MIME-Version", b"1.0")
    yield Field.of("Content-Type", b"text/plain; charset=utf-8")
    yield Field.of("Content-Transfer-Encoding", b"quoted-printable")


def _text(found: Sequence[Waiting]) -> str:
    lines = [
        "Good signatures showed these certificates, and nobody has decided yet whether to",
        "trust them. Compare the fingerprint with the owner by telephone before you do:",
        "",
        "    smimekit trust trust --store STORE FINGERPRINT --why 'compared on the phone'",
        "    smimekit trust reject --store STORE FINGERPRINT --why 'not theirs'",
        "",
    ]
    for each in found[:_MOST]:
        lines += _entry(each)
    if len(found) > _MOST:
        lines.append(f"... and {len(found) - _MOST} more.")
    return "\r\n".join(lines) + "\r\n"


def _entry(each: Waiting) -> Iterator[str]:
    record, certificate = each.record, each.record.certificate
    yield ", ".join(map(_line, record.addresses[:5])) or _line(certificate.subject_text)
    yield f"    fingerprint: {record.fingerprint}"
    yield f"    subject:     {_line(certificate.subject_text)}"
    yield f"    issuer:      {_line(certificate.issuer_text)}"
    seen, until = record.first_seen.astimezone(UTC), certificate.not_after.astimezone(UTC)
    yield f"    first seen:  {seen:%Y-%m-%d}, valid until {until:%Y-%m-%d}"
    for reason in each.judgement.reasons[:3]:
        yield f"    {_line(reason.text)}"
    yield ""


def _line(text: str) -> str:
    """Text that stays in its line."""
    return "".join(char if char.isprintable() else "?" for char in text)[:_LONGEST]
