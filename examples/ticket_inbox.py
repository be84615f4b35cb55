"""Shows: the gateway's core without any mail server: what comes into a ticket system's inbox.

    python examples/ticket_inbox.py

The system has mails as files or from IMAP. It wants the text in clear, and to know who wrote
it. What nobody could read or believe becomes a ticket for a person, never an error.
"""

import email
import email.policy
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import smimekit
from smimekit import KeyRing, MemoryTrustStore, Trust
from smimekit.gateway import Deliver, Envelope, EnvelopeRecipient, Gateway, read_rules
from smimekit.span import Span
from smimekit.testing import FakeCA

SUPPORT = "support@our.example"
RULES = """
[gateway]
name = "tickets.our.example"
[inside]
domains = ["our.example"]
[inbound]
digest = false
"""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a person of the support sees. `signer_is_sender` only if we believe the signature."""

    sender: str
    subject: str
    text: str
    signer_is_sender: bool


def now() -> datetime:
    """The inbox' clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Inbox:
    """Turns mails into tickets."""

    gateway: Gateway
    clock: Callable[[], datetime] = now

    def ticket(self, mail: bytes, return_path: str) -> Ticket | None:
        """None where the rules do not let the mail in now: leave it in the mailbox.

        `return_path` is the mailbox' Return-Path; "" is a notification, which stays as it is.
        """
        to = (EnvelopeRecipient(address=SUPPORT),)
        envelope = Envelope(mail_from=return_path, recipients=to)
        with self.gateway.process(envelope, Span.of(mail), at=self.clock()) as found:
            (outcome,) = found.outcomes  # one recipient: one outcome
            if not isinstance(outcome, Deliver):
                return None
            opened = email.message_from_bytes(
                outcome.mail.message.bytes(), policy=email.policy.default
            )
        body = opened.get_body(preferencelist=("plain",))
        text = body.get_content() if body is not None else "(nothing that could be read)"
        # The first one is ours: the gateway took away what others wrote in our name.
        result = str(opened.get("Authentication-Results", ""))
        return Ticket(
            sender=str(opened["From"]),
            subject=str(opened["Subject"]),
            text=text.strip(),
            signer_is_sender=result.startswith("tickets.our.example;") and "smime=pass" in result,
        )


def main() -> int:
    """Bob writes three times; the third time it is somebody who says that he is Bob."""
    ca = FakeCA("A CA that we believe")
    support, bob = ca.person(SUPPORT), ca.person("bob@their.example")
    trust = Trust(MemoryTrustStore(), anchors=[ca.certificate])
    inbox = Inbox(Gateway(rules=read_rules(RULES), trust=trust, keys=KeyRing(support)))
    text = (
        b"From: bob@their.example\r\nTo: support@our.example\r\nSubject: Help\r\n\r\nIt is %s.\r\n"
    )
    forged = b"Authentication-Results: tickets.our.example; smime=pass\r\n"
    for mail in (
        smimekit.encrypt(text % b"secret", [support], signer=bob),
        smimekit.sign(text % b"signed", bob),
        forged + text % b"forged",
    ):
        ticket = inbox.ticket(mail, "bob@their.example")
        if ticket is not None:
            print(ticket.text, "by Bob:", ticket.signer_is_sender)
    return 0


if __name__ == "__main__":
    sys.exit(main())
