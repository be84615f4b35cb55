"""The audit trail: one line of JSON for each transaction, and no content in it."""

import json
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from smimekit.gateway import Client, Defer, Deliver, Envelope, EnvelopeRecipient, Hold, Mail, Reject
from smimekit.gateway.reports.audit import CertificateRole, CertificateUse, Entry, audit_line
from smimekit.span import Span

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOB = (EnvelopeRecipient(address="bob@example.org"),)
MAIL = Mail(mail_from="a@example.com", recipients=BOB, message=Span.of(b"Subject: s\r\n\r\nsecret"))
ENVELOPE = Envelope(
    mail_from="a@example.com", recipients=BOB, user="alice", client=Client(address="192.0.2.1")
)


def line(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"at": NOW, "message_id": "<1@a>", "envelope": ENVELOPE, "plan": {}}
    text = audit_line(Entry(**(given | changes)))
    assert text.endswith("\n")
    assert text.count("\n") == 1
    assert text.isascii()
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def test_a_line_says_who_what_and_how_it_ended() -> None:
    use = CertificateUse(
        fingerprint="ab" * 32, role=CertificateRole.SIGNER, address="x@y", status="trusted"
    )
    found = line(
        plan={"direction": "in", "parts": [1, 2.5, None, True]},
        certificates=(use, CertificateUse(fingerprint="cd" * 32, role=CertificateRole.ARCHIVE)),
        outcomes=(
            Deliver(mail=MAIL, notes=("decrypted",)),
            Reject(recipients=BOB, code=550, enhanced="5.7.10", text="No."),
            Defer(recipients=BOB, code=451, enhanced="4.3.0", text="Later."),
            Hold(mail=MAIL, reason="A person decides."),
        ),
    )
    bob = ["bob@example.org"]
    assert found == {
        "at": "2026-03-01T12:00:00+00:00",
        "message_id": "<1@a>",
        "from": "a@example.com",
        "user": "alice",
        "client": "192.0.2.1",
        "plan": {"direction": "in", "parts": [1, 2.5, None, True]},
        "certificates": [
            {"fingerprint": "ab" * 32, "role": "signer", "address": "x@y", "status": "trusted"},
            {"fingerprint": "cd" * 32, "role": "archive"},
        ],
        "outcomes": [
            {"outcome": "deliver", "recipients": bob, "notes": ["decrypted"]},
            {"outcome": "reject", "recipients": bob, "code": 550, "enhanced": "5.7.10", "text": "No."},
            {"outcome": "defer", "recipients": bob, "code": 451, "enhanced": "4.3.0", "text": "Later."},
            {"outcome": "hold", "recipients": bob, "reason": "A person decides."},
        ],
    }  # fmt: skip


def test_there_is_no_content() -> None:
    """The message is a span within the outcome: nothing of it is written."""
    with ExitStack():
        text = audit_line(
            Entry(
                at=NOW,
                message_id="",
                envelope=ENVELOPE,
                plan={},
                outcomes=(Deliver(mail=MAIL), Hold(mail=MAIL, reason="Why.")),
            )
        )
    assert "secret" not in text
    assert "Subject" not in text


def test_times_are_utc() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert line(at=elsewhere)["at"] == "2026-03-01T12:00:00+00:00"


def test_endless_words_of_a_sender_end() -> None:
    assert len(line(message_id="x" * 100_000)["message_id"]) < 1_100


@given(st.text(), st.text(), st.text())
def test_nothing_that_a_sender_writes_makes_a_line_of_its_own(
    message_id: str, address: str, text: str
) -> None:
    """A second line would be a transaction that never was."""
    recipients = (EnvelopeRecipient(address=address),)
    envelope = Envelope(mail_from=address, recipients=recipients, user=text)
    rejected = Reject(recipients=recipients, code=550, enhanced=text, text=text)
    found = line(message_id=message_id, envelope=envelope, outcomes=(rejected,))
    assert found["user"] == text
    assert found["outcomes"][0]["recipients"] == [address]
