"""All the way to the mailbox: Postfix, the gateway, Postfix, Dovecot; read by IMAP."""

import imaplib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from smimekit import Credential
from smimekit.testing import FakeCA
from tests.interop.dovecot import PASSWORD, USER, Dovecot, dovecot
from tests.interop.gateway.mail_system import WAIT, MailSystem, Setup, mail_system
from tests.interop.gateway.test_partners import ALICE, TEXT, signed_by
from tests.interop.peers import OpenSsl, Refused

AGENT = Path("/usr/lib/dovecot/dovecot-lda")
MAIN = (
    "transport_maps = inline:{{inside.example=dovecot:}}\ndovecot_destination_recipient_limit = 1"
)
SERVICE = """dovecot unix - n n - - pipe flags=Rq user={user}
  argv={agent} -c {config} -o log_path=/dev/stderr -a ${{recipient}} -f ${{sender}}
"""
BOB = "bob@partner.example"


@dataclass
class Mailbox:
    """The mail system, and Alice's mailbox behind it."""

    mail: MailSystem
    server: Dovecot

    def read(self, subject: str) -> bytes:
        """The one message with this subject, when it is there, as an IMAP client gets it."""
        until = time.monotonic() + WAIT
        with imaplib.IMAP4("127.0.0.1", self.server.port, WAIT) as client:
            client.authenticate("PLAIN", lambda _: f"\0{USER}\0{PASSWORD}".encode())
            client.select("INBOX", readonly=True)
            while not (found := client.search(None, "SUBJECT", f'"{subject}"')[1][0].split()):
                if time.monotonic() > until:
                    raise Refused(f"{self.mail.log()}\n{self.mail.gateway.log()}")
                client.noop()
            (number,) = found
            answer = client.fetch(number.decode(), "(BODY.PEEK[])")[1][0]
        assert isinstance(answer, tuple)
        content: bytes = answer[1]
        return content


@pytest.fixture(scope="module")
def mailbox(
    postfix: str,
    require_program: Callable[[str], str],
    keys: dict[str, bytes],
    partner_ca: FakeCA,
) -> Iterator[Mailbox]:
    with dovecot(require_program("dovecot"), require_program("doveadm")) as server:
        user = server.maildir.owner()
        setup = Setup(
            keys=keys,
            anchors={"partner.pem": partner_ca.certificate.pem()},
            main=MAIN,
            services=SERVICE.format(user=user, agent=AGENT, config=server.config),
        )
        with mail_system(postfix, setup) as mail:
            yield Mailbox(mail, server)


def header(mail: bytes) -> bytes:
    return mail[: mail.index(b"\r\n\r\n") + 2].replace(b"\r\n\t", b" ").replace(b"\r\n ", b" ")


def test_signed_and_encrypted_mail_lies_there_in_clear(
    mailbox: Mailbox, openssl: OpenSsl, alice: Credential, bob: Credential, partner_ca: FakeCA
) -> None:
    """And the signature that was inside is whole: OpenSSL verifies what IMAP brings."""
    inside = openssl.sign(TEXT, bob).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    sealed = openssl.encrypt(inside, [alice.certificate], "-aes-128-cbc")
    fields = f"From: {BOB}\r\nTo: {ALICE}\r\nSubject: Sealed\r\n".encode()
    mailbox.mail.receive(
        BOB, [ALICE], fields + sealed.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    )
    came = mailbox.read("Sealed")
    assert b"enveloped-data" not in came
    assert b"smime=pass" in header(came)
    assert b"\r\nReturn-Path: <bob@partner.example>\r\n" in b"\r\n" + header(came)
    assert openssl.verify(came, partner_ca.certificate) == TEXT
    assert mailbox.mail.emptied()


def test_what_a_stranger_forged_does_not_lie_there(mailbox: Mailbox, openssl: OpenSsl) -> None:
    forged = b"Authentication-Results: gw.inside.example; smime=pass smime-part=1\r\n"
    other = FakeCA("Another CA").person(BOB, key="rsa-2048")
    made = signed_by(openssl, other, BOB).replace(b"Subject: Hello", b"Subject: Forged")
    mailbox.mail.receive(BOB, [ALICE], forged + made)
    came = mailbox.read("Forged")
    assert b"smime=pass" not in came
    assert b"smime=" in header(came)
