"""What Postfix tells whoever sends a mail that was found: nothing of what was decrypted."""

import smtplib
from collections.abc import Iterator

import pytest

import smimekit
from smimekit import Credential
from tests.interop.gateway.mail_system import WAIT, MailSystem, Setup, mail_system

ALICE, MALLORY = "alice@inside.example", "mallory@evil.example"
ADMINISTRATOR = "postmaster@inside.example"
SECRET = b"The hidden plan"


@pytest.fixture(params=["sender", "administrator"])
def mail(
    request: pytest.FixtureRequest, postfix: str, keys: dict[str, bytes]
) -> Iterator[MailSystem]:
    rules = f'[inbound]\nreports_to = "{request.param}"\n'
    with mail_system(postfix, Setup(keys=keys, rules=rules)) as found:
        found.sink.offers = ("8BITMIME",)  # Postfix itself has to report
        yield found


def replayed(mail: MailSystem, alice: Credential) -> None:
    draft = b"From: bob@partner.example\r\nTo: %b\r\nSubject: %b\r\n\r\nHello\r\n" % (
        ALICE.encode(),
        SECRET,
    )
    content = smimekit.encrypt(draft, [alice.certificate])
    assert SECRET not in content
    with smtplib.SMTP("127.0.0.1", mail.ports.mx, "client.example.net", timeout=WAIT) as client:
        notify = ["NOTIFY=SUCCESS,FAILURE,DELAY"]
        client.sendmail(MALLORY, [ALICE], content, ["RET=FULL", "ENVID=1"], notify)


def test_success_is_reported_without_the_header(mail: MailSystem, alice: Credential) -> None:
    """To be had for the asking, of any recipient, were it left to the next hop."""
    replayed(mail, alice)
    found = {each.addresses[0]: each for each in mail.arrived(2)}
    assert set(found) == {ALICE, MALLORY}
    assert SECRET in found[ALICE].content
    assert SECRET not in found[MALLORY].content
    assert b"Action: relayed" in found[MALLORY].content
    assert mail.emptied()
    assert mail.sink.recipients() == []


def test_a_failure_is_reported_to_whom_the_rules_name(mail: MailSystem, alice: Credential) -> None:
    mail.sink.answer = lambda command: (
        "550 5.2.2 Over quota" if command.startswith(f"RCPT TO:<{ALICE}>") else ""
    )
    replayed(mail, alice)
    found = mail.arrived(2)  # the other one says "relayed", perhaps to the same
    strict = "administrator" in mail.gateway.file.read_text().partition("[inbound]")[2]
    to = ADMINISTRATOR if strict else MALLORY
    [report] = [each for each in found if b"5.2.2" in each.content]
    assert report.addresses == [to]
    assert b"Hello" not in report.content, "the text goes back to nobody"
    if strict:
        [other] = [each for each in found if each is not report]
        assert other.addresses == [MALLORY]
        assert SECRET not in other.content
    assert mail.emptied()
