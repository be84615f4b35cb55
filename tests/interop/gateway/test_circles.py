"""Mail that Postfix hands to the gateway again, each time that it comes back from there."""

from collections.abc import Iterator

import pytest

from tests.interop.gateway.mail_system import CONFIG, WAYS, MailSystem, Setup, mail_system

ALICE, BOB = "alice@inside.example", "bob@partner.example"
MARKER = 'marker_secret_file = "marker"\n'
FILTERED = WAYS.replace("  -o content_filter=\n", "  -o {filter}{from_outside}\n")


@pytest.fixture(params=["5.4.6", "5.4.0"])
def mail(request: pytest.FixtureRequest, postfix: str) -> Iterator[MailSystem]:
    """With a marker, we end it; without one, Postfix' own `hopcount_limit`."""
    config = CONFIG if request.param == "5.4.6" else CONFIG.replace(MARKER, "")
    assert FILTERED != WAYS
    assert (MARKER in config) is (request.param == "5.4.6")
    with mail_system(postfix, Setup(ways=FILTERED, config=config)) as found:
        yield found


def letter(sender: str, to: str) -> bytes:
    return f"From: {sender}\r\nTo: {to}\r\nSubject: Round\r\n\r\nHello\r\n".encode()


@pytest.mark.parametrize(("sender", "to"), [(BOB, ALICE), (ALICE, BOB)])
def test_its_author_is_told_once(
    mail: MailSystem, request: pytest.FixtureRequest, sender: str, to: str
) -> None:
    """RFC 5321, 6.3. It reaches nobody, and it does not grow but for its trace."""
    send = mail.submit if sender == ALICE else mail.receive
    send(sender, [to], letter(sender, to))
    [report] = mail.arrived(1)
    assert mail.emptied()
    assert mail.sink.arrived == []
    assert report.addresses == [sender]
    status = request.node.callspec.params["mail"].encode()
    assert b"\r\nStatus: " + status in report.content
    assert report.content.count(b"Subject: Round") == 1
    assert report.content.count(b"X-Smimekit-") <= 3
    assert len(report.content) < 20_000


def test_a_report_that_goes_round_is_told_to_nobody(mail: MailSystem) -> None:
    mail.receive("", [ALICE], letter(BOB, ALICE))
    assert mail.says("status=bounced")
    assert mail.emptied()
    assert mail.sink.arrived == []
