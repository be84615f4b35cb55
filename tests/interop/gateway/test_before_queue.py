"""The gateway as smtpd_proxy_filter: Postfix asks it before it takes a mail, and queues what comes back."""

import re
import smtplib
from collections.abc import Iterator

import pytest

from smimekit import Credential
from smimekit.testing import FakeCA
from tests.gateway.peers import Arrived
from tests.interop.gateway.mail_system import WAIT, MailSystem, Setup, mail_system, started
from tests.interop.gateway.test_outbound import letter
from tests.interop.gateway.test_partners import field, signed_by
from tests.interop.peers import OpenSsl

ALICE, BOB = "alice@inside.example", "bob@partner.example"
NOBODY, CAROL = "dave@secret.example", "carol@partner.example"
RULES = """
[domain."secret.example"]
encrypt = "must"
[inbound]
digest = false
"""


@pytest.fixture(scope="module")
def mail(postfix: str, keys: dict[str, bytes], partner_ca: FakeCA) -> Iterator[MailSystem]:
    anchors = {"partner.pem": partner_ca.certificate.pem()}
    setup = Setup(
        protocol="smtp",
        before_queue=True,
        keys=keys,
        anchors=anchors,
        rules=RULES,
        main="notify_classes =",  # no word to the postmaster when the proxy does not answer
    )
    with mail_system(postfix, setup) as found:
        yield found


def received_by(mail: Arrived) -> list[str]:
    """Who wrote the Received fields, the last first."""
    return [each.decode().partition(" by ")[2].split()[0] for each in field(mail, "Received")]


def test_both_ways(mail: MailSystem, openssl: OpenSsl, bob: Credential) -> None:
    mail.receive(BOB, [ALICE], signed_by(openssl, bob, BOB))
    (came,) = mail.arrived(1)
    assert b"smime=pass" in b"".join(field(came, "Authentication-Results"))
    mail.submit(ALICE, [BOB], letter("Answer"))
    (sent,) = mail.arrived(1)
    assert b"Hello,\r\n.\r\nbye" in openssl.decrypt(sent.content, bob)
    assert received_by(sent)[0] == "mail.inside.example"
    assert mail.emptied()


def test_who_the_client_was_is_known_behind_the_gateway(mail: MailSystem) -> None:
    """XFORWARD, which Postfix gives a proxy by itself: its own log names the client, not us."""
    mail.submit(ALICE, [CAROL], letter("Whose"))
    mail.arrived(1)
    assert re.search(r": client=\S+, orig_client=\S+\[127\.0\.0\.1\]", mail.log()), mail.log()


def test_a_refusal_is_heard_by_the_client(mail: MailSystem) -> None:
    """Nobody has to be notified: the mail was never taken."""
    assert mail.emptied()
    with pytest.raises(smtplib.SMTPDataError) as caught:
        mail.submit(ALICE, [NOBODY], letter("Secret", to=NOBODY))
    assert caught.value.smtp_code == 550
    assert b"5.7.10" in caught.value.smtp_error
    assert mail.queue() == []
    assert mail.sink.recipients() == []


def test_one_answer_for_all(mail: MailSystem) -> None:
    """Some get it: the client hears 250, and the sender is notified of the others."""
    mail.submit(ALICE, [CAROL, NOBODY], letter("Some", to=f"{CAROL}, {NOBODY}"))
    by_address = {each.addresses[0]: each for each in mail.arrived(2)}
    assert sorted(by_address) == sorted([ALICE, CAROL])
    assert by_address[CAROL].content.endswith(b"Hello,\r\n.\r\nbye\r\n")
    assert by_address[ALICE].mail.startswith("MAIL FROM:<>")
    assert NOBODY.encode() in by_address[ALICE].content


def test_without_the_gateway_nothing_is_taken(mail: MailSystem) -> None:
    """And the client's next try goes through, once."""
    assert mail.emptied()
    mail.gateway.stop()
    with smtplib.SMTP("127.0.0.1", mail.ports.submission, "client", timeout=WAIT) as client:
        client.ehlo()
        client.mail(ALICE)
        assert client.rcpt(CAROL)[0] == 451
        assert client.docmd("DATA")[0] >= 500  # no recipient was accepted
    assert mail.queue() == []
    with started(mail.gateway):
        mail.submit(ALICE, [CAROL], letter("Again"))
        (arrived,) = mail.arrived(1)
    assert arrived.addresses == [CAROL]
