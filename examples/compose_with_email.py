"""Shows: a mail composed with Python's `email`, signed and encrypted, ready for `smtplib`.

    python examples/compose_with_email.py

Prints what goes out, and what the receiver reads. The receiver parses with `email` as well,
after the signature was verified, never before.
"""

import smtplib
import sys
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

import smimekit
from smimekit import Credential, Trust
from smimekit.testing import FakeCA


def compose(sender: str, receiver: str) -> EmailMessage:
    """A draft with an attachment."""
    draft = EmailMessage()
    draft["From"] = sender
    draft["To"] = receiver
    draft["Bcc"] = "archive@example.org"  # never goes out: smimekit leaves it out
    draft["Subject"] = "The numbers"
    draft.set_content("Grüße, and the numbers.\n")
    draft.add_attachment(b"1;2;3\r\n", maintype="text", subtype="csv", filename="numbers.csv")
    return draft


def protect(draft: EmailMessage, sender: Credential, receivers: list[Credential]) -> bytes:
    """The bytes to send, the subject hidden. `email` would change them: send them as they are."""
    return smimekit.encrypt(draft, to=[*receivers, sender], signer=sender)


def send(mail: bytes, sender: str, receivers: list[str], server: smtplib.SMTP) -> None:
    """Send: `sendmail` takes bytes, `send_message` would write them anew."""
    server.sendmail(sender, receivers, mail)


def read(mail: bytes, receiver: Credential, trust: Trust) -> EmailMessage:
    """What the receiver may rely on, parsed: the signed content and nothing around it."""
    content = smimekit.verify(mail, trust, keys=[receiver]).bytes()
    return BytesParser(EmailMessage, policy=policy.default).parsebytes(content)


def main() -> int:
    """Alice writes to Bob."""
    ca = FakeCA()
    alice, bob = ca.person("alice@example.org"), ca.person("bob@example.org")
    mail = protect(compose("alice@example.org", "bob@example.org"), alice, [bob])
    print(mail.partition(b"\r\n\r\n")[0].decode())
    print("---")
    message = read(mail, bob, Trust(anchors=[ca.certificate]))
    print(f"Subject: {message['Subject']}")
    for part in message.walk():
        if not part.is_multipart():
            print(f"{part.get_content_type()} {part.get_filename() or ''}".rstrip())
            print(part.get_content().rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
