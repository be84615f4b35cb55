"""Scenario 11: the next hop is down, slow, or refuses one recipient; Postfix keeps the mail."""

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.interop.gateway.mail_system import MailSystem, Setup, mail_system
from tests.interop.gateway.test_outbound import letter

ALICE, BOB, CAROL = "alice@inside.example", "bob@partner.example", "carol@partner.example"


@pytest.fixture(scope="module", params=["lmtp", "smtp"])
def direct(
    request: pytest.FixtureRequest, postfix: str, keys: dict[str, bytes]
) -> Iterator[MailSystem]:
    setup = Setup(keys=keys, direct=True, protocol=request.param)
    with mail_system(postfix, setup) as found:
        yield found


@pytest.fixture
def mail(direct: MailSystem) -> Iterator[MailSystem]:
    yield direct
    direct.sink.answer = lambda command: ""
    direct.sink.arrived.clear()


def first(mail: MailSystem, verb: str, reply: str | None, times: int = 2) -> None:
    """The next hop answers so for some times, and is well then."""
    left = [times]

    def answer(command: str) -> str | None:
        if command.startswith(verb) and left[0]:
            left[0] -= 1
            return reply
        return ""

    mail.sink.answer = answer


@pytest.mark.parametrize(
    ("verb", "reply"),
    [
        ("MAIL", None),
        ("MAIL", "421 4.3.2 Going down"),
        ("DATA", None),
        (".", None),
        (".", "452 4.3.1 Disk full"),
    ],
)
def test_down(mail: MailSystem, verb: str, reply: str | None) -> None:
    """It is delivered once, when the next hop is well again."""
    first(mail, verb, reply)
    mail.submit(ALICE, [BOB], letter("[sign] Hello"))
    (arrived,) = mail.arrived(1)
    assert b"pkcs7-signature" in arrived.content
    assert mail.emptied()
    assert mail.sink.recipients() == []


def test_slow(mail: MailSystem) -> None:
    """Nobody is answered before the next hop has answered, and nothing is sent twice."""
    gate = threading.Event()

    def answer(command: str) -> str:
        if command == ".":
            gate.wait(60)
        return ""

    mail.sink.answer = answer
    mail.submit(ALICE, [BOB], letter("Hello"))
    with mail.sink.changed:
        assert mail.sink.changed.wait_for(lambda: "." in mail.sink.commands, 60)
    assert mail.queue()
    gate.set()
    mail.arrived(1)
    assert mail.emptied()
    assert mail.sink.recipients() == []


def refusing(reply: str) -> Callable[[str], str]:
    return lambda command: reply if command.startswith(f"RCPT TO:<{CAROL}>") else ""


def test_one_recipient_refused(mail: MailSystem) -> None:
    """The other one has it, and the sender is told, once."""
    mail.sink.answer = refusing("550 5.1.1 No such user")
    mail.submit(ALICE, [BOB, CAROL], letter("Hello"))
    by_address = {each.addresses[0]: each for each in mail.arrived(2)}
    assert set(by_address) == {ALICE, BOB}
    report = by_address[ALICE]
    assert report.mail.startswith("MAIL FROM:<>")
    assert b"5.1.1" in report.content
    assert CAROL.encode() in report.content
    assert mail.emptied()
    assert mail.sink.recipients() == []


def test_one_recipient_put_off(mail: MailSystem) -> None:
    """The other one has it once, however often the mail is tried again."""
    count = [0]

    def answer(command: str) -> str:
        if command.startswith(f"RCPT TO:<{CAROL}>"):
            count[0] += 1
            return "450 4.2.1 Try later" if count[0] < 4 else ""
        return ""

    mail.sink.answer = answer
    mail.submit(ALICE, [BOB, CAROL], letter("Hello"))
    assert sorted(each.addresses[0] for each in mail.arrived(2)) == [BOB, CAROL]
    assert count[0] == 4
    assert mail.emptied()
    assert mail.sink.recipients() == []
