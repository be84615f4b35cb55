"""Handing mail on: RFC 5321 and its extensions, as a next hop sees them."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit.gateway.envelope import Client, EnvelopeRecipient, Parameters
from smimekit.gateway.handover.answers import Reply
from smimekit.gateway.handover.next_hop import NextHop, Protocol
from smimekit.gateway.handover.relay import Relay, stuffed
from smimekit.gateway.outcomes import Mail
from smimekit.patience import PatientReader
from smimekit.span import Span
from tests.gateway.peers import OFFERS, Hop, hop

MESSAGE = b"Subject: a\r\n\r\n.one\r\n..two\r\n.\r\nend\r\n"


OPEN: list[Relay] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


def relay_to(
    server: Hop, data_timeout: float = 20, clock: Callable[[], float] = time.monotonic
) -> Relay:
    protocol = Protocol.LMTP if server.lmtp else Protocol.SMTP
    hop = NextHop(
        host="127.0.0.1",
        port=server.port,
        protocol=protocol,
        timeout=20,
        data_timeout=data_timeout,
    )
    relay = Relay(hop, clock)
    OPEN.append(relay)
    return relay


def mail(
    *to: str,
    message: bytes = MESSAGE,
    sender: str = "a@example.org",
    parameters: Parameters = (),
    each: Parameters = (),
) -> Mail:
    recipients = tuple(EnvelopeRecipient(address=one, parameters=each) for one in to)
    return Mail(
        mail_from=sender, recipients=recipients, message=Span.of(message), parameters=parameters
    )


@pytest.fixture
def server() -> Iterator[Hop]:
    with hop() as found:
        yield found


def codes(replies: Sequence[Reply]) -> list[int]:
    return [each.code for each in replies]


@given(
    st.lists(
        st.sampled_from([b".", b"\r\n", b"\r\n.", b"a", b"\r", b"\n", b"..", b""]), max_size=12
    )
)
def test_dots_are_doubled_at_the_start_of_lines_only(chunks: list[bytes]) -> None:
    """RFC 5321, 4.5.2, by a second way: line by line. However the content is cut."""
    whole = b"".join(chunks)
    lines = [b"." + line if line.startswith(b".") else line for line in whole.split(b"\r\n")]
    expected = b"\r\n".join(lines)
    end = b".\r\n" if not whole or whole.endswith(b"\r\n") else b"\r\n.\r\n"
    assert b"".join(stuffed(chunks)) == expected + end


def test_the_end_of_content_is_sent_with_its_last_octets() -> None:
    assert list(stuffed([b"one\r\n", b".two"])) == [b"one\r\n", b"..two\r\n.\r\n"]
    assert list(stuffed([])) == [b".\r\n"]


def test_content_arrives_as_it_is(server: Hop) -> None:
    assert codes(relay_to(server).deliver(mail("b@example.org"), Client())) == [250]
    (arrived,) = server.arrived
    assert arrived.content == MESSAGE
    assert arrived.addresses == ["b@example.org"]


def test_each_recipient_has_its_own_reply() -> None:
    def answer(command: str) -> str:
        if "<bad@" in command:
            return "550 5.1.1 No such user"
        return "450 4.2.0 Greylisted" if "<later@" in command else ""

    with hop(answer=answer) as server:
        replies = relay_to(server).deliver(
            mail("bad@example.org", "b@example.org", "later@example.org"), Client()
        )
    assert replies[0] == Reply(550, "5.1.1", "No such user")
    assert codes(replies) == [550, 250, 450]
    assert server.recipients() == ["b@example.org"]


def test_nobody_accepted_means_no_content() -> None:
    with hop(answer=lambda command: "550 5.1.1 No" if command.startswith("RCPT") else "") as server:
        assert codes(relay_to(server).deliver(mail("b@x.org", "c@x.org"), Client())) == [550, 550]
        assert "DATA" not in server.commands


def test_a_refused_sender_is_everybodys_reply() -> None:
    with hop(answer=lambda command: "553 5.1.8 No" if command.startswith("MAIL") else "") as server:
        assert codes(relay_to(server).deliver(mail("b@x.org", "c@x.org"), Client())) == [553, 553]


@pytest.mark.parametrize("end", ["554 5.6.0 Spam", "451 4.3.0 Disk full"])
def test_the_reply_to_the_content_is_everybodys(end: str) -> None:
    with hop(answer=lambda command: end if command == "." else "") as server:
        replies = relay_to(server).deliver(mail("b@x.org", "c@x.org"), Client())
    assert codes(replies) == [int(end[:3])] * 2


def test_lmtp_gives_each_recipient_its_own_reply_to_the_content() -> None:
    """RFC 2033, 4.2."""

    def answer(command: str) -> str:
        return "552 5.2.2 Over quota" if command.startswith(".") and "<full@" in command else ""

    with hop(lmtp=True, answer=answer) as server:
        replies = relay_to(server).deliver(mail("b@x.org", "full@x.org", "c@x.org"), Client())
    assert codes(replies) == [250, 552, 250]
    assert server.recipients() == ["b@x.org", "c@x.org"]


def test_who_was_not_answered_for_is_deferred() -> None:
    """LMTP: the first was delivered, and its reply counts, although the connection breaks then."""

    def answer(command: str) -> str | None:
        return None if command.startswith(".") and "<c@" in command else ""

    with hop(lmtp=True, answer=answer) as server:
        replies = relay_to(server).deliver(mail("b@x.org", "c@x.org", "d@x.org"), Client())
    assert codes(replies) == [250, 451, 451]


@pytest.mark.parametrize("at", ["MAIL", "RCPT", "DATA", "."])
def test_a_next_hop_that_hangs_up_defers(at: str) -> None:
    with hop(answer=lambda command: None if command.startswith(at) else "") as server:
        assert codes(relay_to(server).deliver(mail("b@x.org"), Client())) == [451]
        assert server.arrived == []


def test_a_next_hop_that_is_not_there_defers() -> None:
    with hop() as server:
        gone = relay_to(server)
    (reply,) = gone.deliver(mail("b@x.org"), Client())
    assert reply.code == 451


def test_a_next_hop_that_says_nothing_defers() -> None:
    with hop() as server:
        relay = relay_to(server, data_timeout=0.2)
        gate = server.changed
        server.answer = lambda command: "" if command != "." else _wait(gate)
        (reply,) = relay.deliver(mail("b@x.org"), Client())
        assert reply.code == 451
        with gate:
            gate.notify_all()


def each_look_takes(seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count(step=seconds)
    monkeypatch.setattr(
        "smimekit.gateway.handover.next_hop.PatientReader",
        partial(PatientReader, clock=lambda: float(next(ticks))),
    )


@pytest.mark.parametrize("at", ["RCPT", "DATA", "."])
def test_a_next_hop_that_drips_defers(at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line comes in time, and the reply never ends. The clock is the test's."""
    each_look_takes(5, monkeypatch)
    slow = "250-Wait\r\n" * 5_000 + "250 OK"  # some reads, each of which may take 20 seconds
    with hop(answer=lambda command: slow if command.startswith(at) else "") as server:
        assert codes(relay_to(server).deliver(mail("b@x.org"), Client())) == [451]


@pytest.mark.parametrize(("patience", "code"), [(50, 451), (5_000, 250)])
def test_many_recipients_have_some_time_together(
    patience: float, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is answered for in time: whoever gave us the mail has long gone away by the last one."""
    each_look_takes(1, monkeypatch)
    addresses = [f"{n}@x.org" for n in range(60)]
    with hop(offers=()) as server:
        found = relay_to(server, data_timeout=patience).deliver(mail(*addresses), Client())
        assert codes(found) == [code] * 60
        assert bool(server.arrived) is (code == 250)


def test_many_answers_to_the_content_have_some_time_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who was answered for has the mail, and is not given it again."""
    each_look_takes(1, monkeypatch)
    long = "250-Taken\r\n" * 4_000 + "250 Taken"  # some reads
    addresses = [f"{n}@x.org" for n in range(40)]
    with hop(lmtp=True, answer=lambda command: long if command[0] == "." else "") as server:
        found = codes(relay_to(server, data_timeout=150).deliver(mail(*addresses), Client()))
    done = found.count(250)
    assert 0 < done < 40
    assert found == [250] * done + [451] * (40 - done)


def test_what_takes_long_to_send_is_answered_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    class Slow:
        size = len(MESSAGE)

        def read(self, start: int, end: int) -> bytes:
            nonlocal now
            now += 1_000
            return MESSAGE[start:end]

    monkeypatch.setattr(
        "smimekit.gateway.handover.next_hop.PatientReader",
        partial(PatientReader, clock=lambda: now),
    )
    with hop() as server:
        large = replace(mail("b@x.org"), message=Span.whole(Slow()))
        assert codes(relay_to(server).deliver(large, Client())) == [250]


def test_transactions_for_too_many_recipients_come_to_an_end() -> None:
    ticks = itertools.count(step=30)
    taken: set[str] = set()

    def answer(command: str) -> str:
        if command.startswith("MAIL"):
            taken.clear()
        if command.startswith("RCPT"):
            taken.add(command)
            return "452 4.5.3 Too many recipients" if len(taken) > 1 else ""
        return ""

    addresses = [f"{n}@x.org" for n in range(60)]
    with hop(answer=answer) as server:
        relay = relay_to(server, data_timeout=100, clock=lambda: float(next(ticks)))
        found = codes(relay.deliver(mail(*addresses), Client()))
    assert 0 < len(server.arrived) < 5
    assert found == [250] * len(server.arrived) + [452] * (60 - len(server.arrived))


@pytest.mark.parametrize("at", ["RCPT", "DATA", "."])
def test_of_a_reply_without_end_no_more_than_a_bit_is_kept(at: str) -> None:
    endless = "250-More\r\n" * 100_000 + "250 OK"
    with hop(answer=lambda command: endless if command.startswith(at) else "") as server:
        assert codes(relay_to(server).deliver(mail("b@x.org"), Client())) == [451]


def test_a_long_reply_is_kept_as_far_as_a_line_goes() -> None:
    """There may be one for each of a thousand recipients."""
    long = "550-5.1.1 who?\r\n" * 1_000 + "550 5.1.1 who?"
    with hop(answer=lambda command: long if command.startswith("RCPT") else "") as server:
        (reply,) = relay_to(server).deliver(mail("b@x.org"), Client())
    assert (reply.code, reply.enhanced) == (550, "5.1.1")
    assert reply.text.startswith("who? 5.1.1 who?")
    assert len(reply.text) <= 510


@pytest.mark.parametrize("at", ["MAIL", "RCPT", "DATA", "."])
def test_a_next_hop_that_closes_does_not_close_our_client(at: str) -> None:
    """RFC 5321, 4.2.3: 421 is about a connection, and that to our client stays open."""
    with hop(answer=lambda command: "421 4.3.2 Bye" if command.startswith(at) else "") as server:
        (reply,) = relay_to(server).deliver(mail("b@x.org"), Client())
    assert reply.code == 451
    assert "Bye" in reply.text


def _wait(gate: object) -> str | None:
    import threading  # noqa: PLC0415 - for one test

    assert isinstance(gate, threading.Condition)
    with gate:
        gate.wait(30)
    return None


@pytest.mark.parametrize("said", ["421 4.3.2 Busy", "554 5.7.1 We do not know you"])
def test_what_is_said_of_us_is_not_said_of_the_message(said: str) -> None:
    """A next hop that does not let us in has not seen the mail: nobody's mail bounces for it."""
    with hop(greeting=said) as server:
        (reply,) = relay_to(server).deliver(mail("b@x.org"), Client())
    assert reply.code == 451
    assert said[10:] in reply.text


def test_too_many_recipients_take_another_transaction() -> None:
    """RFC 5321, 4.5.3.1.10."""
    count = {"MAIL": 0, "RCPT": 0}

    def answer(command: str) -> str:
        verb = command[:4]
        if verb == "MAIL":
            count.update(RCPT=0)
        if verb == "RCPT":
            count["RCPT"] += 1
            return "452 4.5.3 Too many recipients" if count["RCPT"] > 2 else ""
        return ""

    addresses = [f"{n}@x.org" for n in range(5)]
    with hop(answer=answer) as server:
        assert codes(relay_to(server).deliver(mail(*addresses), Client())) == [250] * 5
    assert server.recipients() == addresses
    assert len(server.arrived) == 3


def test_a_connection_is_used_again(server: Hop) -> None:
    relay = relay_to(server)
    for _ in range(3):
        assert codes(relay.deliver(mail("b@x.org"), Client())) == [250]
    assert server.connections == 1


def test_a_stale_connection_is_made_anew(server: Hop) -> None:
    relay = relay_to(server)
    assert codes(relay.deliver(mail("b@x.org"), Client())) == [250]
    stale = iter([None, ""])
    server.answer = lambda command: next(stale, "") if command.startswith("MAIL") else ""
    assert codes(relay.deliver(mail("b@x.org"), Client())) == [250]
    assert server.connections == 2


# --- parameters -------------------------------------------------------------------------------

DSN: Parameters = (("RET", "HDRS"), ("ENVID", "QQ+2B1"))
EACH: Parameters = (("NOTIFY", "SUCCESS,FAILURE"), ("ORCPT", "rfc822;Bob@example.org"))


@pytest.mark.parametrize("verb", ["RCPT", "."])
def test_who_speaks_out_of_turn_is_not_listened_to(verb: str) -> None:
    """Or the answer to one command would be taken for that to the next, and mail for delivered."""
    first = [True]

    def answer(command: str) -> str:
        if command.startswith(verb) and first:
            first.clear()
            return "250 2.0.0 OK\r\n354 And more"
        return ""

    with hop(answer=answer) as server:
        relay = relay_to(server)
        early = codes(relay.deliver(mail("b@x.org"), Client()))
        assert early == ([451] if verb == "RCPT" else [250])
        assert codes(relay.deliver(mail("c@x.org"), Client())) == [250]
        assert server.connections == 2
    assert server.recipients()[-1:] == ["c@x.org"]


def test_parameters_travel_on(server: Hop) -> None:
    message = mail("b@x.org", parameters=DSN, each=EACH)
    relay_to(server).deliver(message, Client())
    (arrived,) = server.arrived
    assert arrived.mail == f"MAIL FROM:<a@example.org> SIZE={len(MESSAGE)} RET=HDRS ENVID=QQ+2B1"
    assert arrived.recipients == [
        "RCPT TO:<b@x.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob@example.org"
    ]


def test_only_what_is_offered_is_said() -> None:
    with hop(offers=("HELP",)) as server:
        message = mail(
            "b@x.org", parameters=(*DSN, ("SMTPUTF8", None), ("BODY", "8BITMIME")), each=EACH
        )
        client = Client(address="192.0.2.1", name="client")
        assert codes(relay_to(server).deliver(message, client)) == [250]
    (arrived,) = server.arrived
    assert arrived.mail == "MAIL FROM:<a@example.org>"
    assert arrived.recipients == ["RCPT TO:<b@x.org>"]
    assert not any(each.startswith("XFORWARD") for each in server.commands)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "FAILURE"),
        ("SUCCESS", "NEVER"),
        ("success,failure,delay", "FAILURE"),
        ("DELAY", "NEVER"),
        ("FAILURE", "FAILURE"),
        ("NEVER", "NEVER"),
    ],
)
def test_of_what_was_decrypted_nothing_but_a_failure_is_reported(
    server: Hop, given: str | None, said: str
) -> None:
    """Else whoever sends it again has its header back for the asking (RFC 3461, 4.1)."""
    each: Parameters = () if given is None else (("NOTIFY", given),)
    each = (*each, ("ORCPT", "rfc822;b@x.org"))
    private = replace(mail("b@x.org", each=each), private=True)
    (reply,) = relay_to(server).deliver(private, Client())
    (arrived,) = server.arrived
    assert arrived.recipients == [f"RCPT TO:<b@x.org> NOTIFY={said} ORCPT=rfc822;b@x.org"]
    assert reply.unreported is ("success" in (given or "").lower())


@pytest.mark.parametrize("lmtp", [False, True])
@pytest.mark.parametrize("offers", [("DSN",), ()])
def test_whoever_wants_to_hear_of_success_hears_it_from_one_of_us(
    lmtp: bool, offers: tuple[str, ...]
) -> None:
    """RFC 3461, 5.2.2."""

    def answer(command: str) -> str:
        return "550 5.1.1 No" if command.startswith("RCPT") and "<no@" in command else ""

    whom = [("a@x.org", "SUCCESS"), ("b@x.org", "FAILURE"), ("no@x.org", "SUCCESS")]
    recipients = tuple(
        EnvelopeRecipient(address=one, parameters=(("NOTIFY", notify),)) for one, notify in whom
    )
    with hop(lmtp=lmtp, offers=offers, answer=answer) as server:
        replies = relay_to(server).deliver(replace(mail(), recipients=recipients), Client())
    assert codes(replies) == [250, 250, 550]
    assert [each.unreported for each in replies] == [not offers, False, False]


def test_nobody_is_told_of_success_that_is_none() -> None:
    with hop(offers=(), answer=lambda command: "554 No" if command == "." else "") as server:
        (reply,) = relay_to(server).deliver(
            mail("b@x.org", each=(("NOTIFY", "SUCCESS"),)), Client()
        )
    assert (reply.code, reply.unreported) == (554, False)


def test_a_next_hop_that_cannot_be_told_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    for private in (False, True):
        with hop(offers=()) as server:
            relay_to(server).deliver(replace(mail("b@x.org"), private=private), Client())
        assert ("offers no DSN" in caplog.text) is private


EIGHT = "Subject: a\r\n\r\nGrüße\r\n".encode()
HEADER = "Subject: Grüße\r\n\r\na\r\n".encode()


def test_8bit_data_says_so(server: Hop) -> None:
    relay_to(server).deliver(mail("b@x.org", message=EIGHT), Client())
    assert server.arrived[0].mail.endswith(" BODY=8BITMIME")


def test_8bit_data_goes_nowhere_where_it_is_not_taken() -> None:
    """RFC 6152, 3: converted or refused. A conversion would break signatures."""
    with hop(offers=("SIZE",)) as server:
        replies = relay_to(server).deliver(mail("b@x.org", message=EIGHT), Client())
    assert [(each.code, each.enhanced) for each in replies] == [(554, "5.6.3")]
    assert server.arrived == []


@pytest.mark.parametrize(
    ("message", "to", "parameters"),
    [
        (HEADER, "b@x.org", (("SMTPUTF8", None),)),
        (MESSAGE, "bäb@x.org", ()),
    ],
)
def test_smtputf8_where_it_is_needed(
    server: Hop, message: bytes, to: str, parameters: Parameters
) -> None:
    """RFC 6531, 3.4."""
    wanted = mail(to, message=message, parameters=parameters)
    relay_to(server).deliver(wanted, Client())
    assert server.arrived[0].mail.endswith(" SMTPUTF8")
    assert server.arrived[0].addresses == [to]
    with hop(offers=("8BITMIME",)) as other:
        replies = relay_to(other).deliver(wanted, Client())
    assert [(each.code, each.enhanced) for each in replies] == [(553, "5.6.7")]


def test_smtputf8_is_left_out_where_nothing_needs_it(server: Hop) -> None:
    relay_to(server).deliver(
        mail("b@x.org", message=EIGHT, parameters=(("SMTPUTF8", None),)), Client()
    )
    assert "SMTPUTF8" not in server.arrived[0].mail


def test_a_message_over_the_size_that_is_offered() -> None:
    with hop(offers=("SIZE 20",)) as server:
        (reply,) = relay_to(server).deliver(mail("b@x.org"), Client())
    assert (reply.code, reply.enhanced) == (552, "5.3.4")
    assert server.commands == []


def test_the_client_is_told_of(server: Hop) -> None:
    client = Client(address="2001:db8::1", name="mail.example.net", helo="a b", ident="4XYZ")
    relay_to(server).deliver(mail("b@x.org"), client)
    assert server.arrived[0].xforward == (
        "XFORWARD NAME=mail.example.net ADDR=IPV6:2001:db8::1 PROTO=[UNAVAILABLE] HELO=a+20b "
        "SOURCE=[UNAVAILABLE] IDENT=4XYZ PORT=[UNAVAILABLE]"
    )


def test_one_client_is_not_taken_for_the_next(server: Hop) -> None:
    relay = relay_to(server)
    relay.deliver(mail("b@x.org"), Client(address="192.0.2.1"))
    relay.deliver(mail("b@x.org"), Client())
    assert "192.0.2.1" not in server.arrived[1].xforward


def test_without_pipelining_each_command_waits() -> None:
    with hop(offers=tuple(each for each in OFFERS if each != "PIPELINING")) as server:
        assert codes(relay_to(server).deliver(mail("b@x.org", "c@x.org"), Client())) == [250, 250]


def test_a_message_that_breaks_off_does_not_run_into_the_next_one(server: Hop) -> None:
    class Broken:
        size = 1 << 20

        def read(self, start: int, end: int) -> bytes:
            if start:
                raise ValueError("no such octets")
            return b"Subject: a\r\n\r\n" + b"b" * (end - 14)

    relay = relay_to(server)
    whole = mail("b@x.org")
    relay.deliver(whole, Client())
    with pytest.raises(ValueError, match="no such octets"):
        relay.deliver(replace(whole, message=Span(Broken(), 0, Broken.size)), Client())
    assert codes(relay.deliver(whole, Client())) == [250]
    assert [each.content for each in server.wait_for(2)] == [MESSAGE, MESSAGE]
    assert server.connections == 2


@pytest.mark.parametrize("verb", [".", "RCPT", "MAIL"])
def test_an_answer_that_is_none_is_tried_again(verb: str) -> None:
    with hop(answer=lambda command: "354 Go" if command.startswith(verb) else "") as server:
        assert codes(relay_to(server).deliver(mail("b@x.org"), Client())) == [451]
