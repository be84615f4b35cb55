"""Shows: the gateway inside a mail program of one's own, as a handler of aiosmtpd.

    python examples/gateway_handler.py

The handler is twenty lines; `main` shows it at work. It answers 250 only when every mail was
handed on, and 451 when anything goes wrong: so the mail stays with whoever brought it.
"""

import asyncio
import smtplib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from aiosmtpd.smtp import SMTP, Session
from aiosmtpd.smtp import Envelope as Received

import smimekit
from smimekit import Credential, KeyRing, MemoryTrustStore, Trust
from smimekit.gateway import (
    Client,
    Deliver,
    Envelope,
    EnvelopeRecipient,
    Gateway,
    Mail,
    Reject,
    read_rules,
)
from smimekit.span import Span
from smimekit.testing import FakeCA

RULES = """
[inside]
domains = ["our.example"]
"""


@dataclass(frozen=True)  # without slots: aiosmtpd asks for all members, and Python 3.11.2 stumbles
class Handler:
    """A gateway, and where mails go from it: `send` raises OSError where they cannot."""

    gateway: Gateway
    send: Callable[[Mail], None]

    async def handle_DATA(self, server: SMTP, session: Session, received: Received) -> str:  # noqa: ARG002, N802 - aiosmtpd's
        envelope = Envelope(
            mail_from=received.mail_from or "",
            recipients=tuple(EnvelopeRecipient(address=each) for each in received.rcpt_tos),
            client=Client(address=session.peer[0] if session.peer else ""),
        )
        assert isinstance(received.content, bytes)  # noqa: S101 - aiosmtpd was asked for octets
        return await asyncio.to_thread(self.passed, envelope, received.content)

    def passed(self, envelope: Envelope, content: bytes) -> str:
        """The answer for a mail, when all that comes of it was done."""
        try:
            with self.gateway.process(envelope, Span.of(content), at=datetime.now(UTC)) as found:
                for outcome in found.outcomes:
                    if isinstance(outcome, Reject) and len(found.outcomes) == 1:
                        return f"{outcome.code} {outcome.enhanced} {outcome.text}"
                    if not isinstance(outcome, Deliver):
                        return f"451 4.7.0 Not for {outcome.recipients[0].address} now"
                for mail in (
                    *(each.mail for each in found.outcomes if isinstance(each, Deliver)),
                    *found.notices,
                ):
                    self.send(mail)
        except Exception:  # noqa: BLE001 - whatever went wrong, the mail stays with its sender
            return "451 4.3.0 Something went wrong here"
        return "250 2.0.0 OK"


def a_gateway(alice: Credential, ca: FakeCA) -> Gateway:
    """One that has Alice's key, and believes a CA."""
    store = MemoryTrustStore()
    trust = Trust(store, anchors=[ca.certificate])
    return Gateway(rules=read_rules(RULES), trust=trust, keys=KeyRing(alice))


async def deliver(mail: bytes, handler: Handler) -> None:
    """To a server with this handler, which is there for this one mail."""

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.sendmail("bob@their.example", ["alice@our.example"], mail)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, loop=loop), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await asyncio.to_thread(send)


def main() -> int:
    """Bob writes to Alice, signed and encrypted; she gets it in clear text."""
    ca = FakeCA("A CA that we believe")
    alice, bob = ca.person("alice@our.example"), ca.person("bob@their.example")
    mailbox: list[bytes] = []

    def keep(mail: Mail) -> None:
        mailbox.append(mail.message.bytes())  # it is there for as long as the outcome is

    text = b"From: bob@their.example\r\nTo: alice@our.example\r\nSubject: Hi\r\n\r\nTen.\r\n"
    mail = smimekit.encrypt(text, [alice], signer=bob)
    asyncio.run(deliver(mail, Handler(a_gateway(alice, ca), keep)))
    (delivered,) = mailbox
    header, _, body = delivered.partition(b"\r\n\r\n")
    print("in clear text:", b"Ten." in body)
    print("signed by Bob:", b"smime=pass" in header)
    return 0


if __name__ == "__main__":
    sys.exit(main())
