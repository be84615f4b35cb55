"""The gateway as clients see it, with workers and a next hop: what is answered, and when."""

import asyncio
import smtplib
import socket
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from urllib.request import urlopen

import pytest

from smimekit.gateway.handover.answers import Reply
from smimekit.gateway.program.tasks import Task
from tests.gateway.harness import Running, gateway
from tests.gateway.peers import Hop, hop

NUMBERS = count()
MESSAGE = b"Subject: a\r\n\r\n.dots\r\n..\r\nend\r\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, server: Hop) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("gateway")
        with gateway(folder, patch, server.port, smtp="size = 200000") as found:
            yield found


@pytest.fixture
def fresh(server: Hop) -> Hop:
    server.arrived.clear()
    server.commands.clear()
    server.answer = lambda command: ""
    return server


def send(
    running: Running, *to: str, name: str = "smtp", message: bytes | None = None
) -> tuple[int, bytes]:
    """Send a new message (the same one again would be a second try), or this one."""
    if message is None:
        message = b"Message-ID: <%d@x.org>\r\n" % next(NUMBERS) + MESSAGE
    with running.smtp(name) as client:
        client.mail("a@x.org")
        for each in to:
            assert client.rcpt(each)[0] == 250
        found = client.data(message)
    assert isinstance(found, tuple)
    return found


def body(content: bytes) -> bytes:
    return content[content.index(b"\r\n\r\n") :]


def test_a_message_goes_through(running: Running, fresh: Hop) -> None:
    assert send(running, "b@x.org")[0] == 250
    (arrived,) = fresh.arrived
    assert body(arrived.content) == body(MESSAGE)
    assert (
        b"\r\nReceived: from front.example.org ([127.0.0.1])\r\n\tby gw.example.org with ESMTP id "
        in arrived.content
    )
    assert arrived.addresses == ["b@x.org"]


def test_esmtp_parameters_go_through(running: Running, fresh: Hop) -> None:
    with running.smtp() as client:
        client.docmd("XFORWARD NAME=c.example.net ADDR=IPV6:2001:db8::9 HELO=x+20y IDENT=4Q")
        code, said = client.mail(
            "bä@x.org", ["SMTPUTF8", "BODY=8BITMIME", "RET=HDRS", "ENVID=Ab+3D"]
        )
        assert code == 250, said
        orcpt = ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Carol@x.org"]
        assert client.rcpt("carol@x.org", orcpt)[0] == 250
        client.data("Subject: ä\r\n\r\nß\r\n".encode())
    (arrived,) = fresh.arrived
    assert arrived.mail.startswith("MAIL FROM:<bä@x.org> SIZE=")
    assert arrived.mail.endswith(" BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=Ab+3D")
    assert arrived.recipients == [
        "RCPT TO:<carol@x.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Carol@x.org"
    ]
    assert "ADDR=IPV6:2001:db8::9" in arrived.xforward
    assert "HELO=x+20y" in arrived.xforward
    assert b"X-Client: 2001:db8::9\r\n" in arrived.content


@pytest.mark.parametrize("end", ["DATA", "RSET"])
def test_a_client_is_that_of_one_mail_only(running: Running, fresh: Hop, end: str) -> None:
    with running.smtp() as client:
        client.docmd("XFORWARD ADDR=192.0.2.7")
        client.mail("a@x.org")
        client.rcpt("b@x.org")
        _ = client.data(MESSAGE) if end == "DATA" else client.docmd("RSET")
        client.sendmail("a@x.org", "c@x.org", MESSAGE)
    assert b"X-Client: \r\n" in fresh.arrived[-1].content


def test_the_null_reverse_path_goes_through(running: Running, fresh: Hop) -> None:
    with running.smtp() as client:
        assert client.mail("")[0] == 250
        assert client.rcpt("b@x.org")[0] == 250
        assert client.data(MESSAGE)[0] == 250
    assert fresh.arrived[0].mail.startswith("MAIL FROM:<> ")


@pytest.mark.parametrize(
    ("to", "code"),
    [
        (["reject@x.org"], 550),
        (["defer@x.org"], 451),
        (["b@x.org", "defer@x.org"], 451),
        (["fail@x.org"], 451),
    ],
)
def test_what_is_not_delivered_is_not_250(
    running: Running, fresh: Hop, to: list[str], code: int
) -> None:
    assert send(running, *to)[0] == code


def test_a_failure_says_nothing_of_itself(running: Running, fresh: Hop) -> None:
    assert b"bug" not in send(running, "fail@x.org")[1]


def test_some_refused_in_smtp_bounce(running: Running, fresh: Hop) -> None:
    assert send(running, "b@x.org", "reject@x.org")[0] == 250
    one, other = fresh.arrived
    assert one.addresses == ["b@x.org"]
    assert other.mail.startswith("MAIL FROM:<>")
    assert other.addresses == ["a@x.org"]
    assert b"5.7.10" in other.content


def test_lmtp_answers_for_each(running: Running, fresh: Hop) -> None:
    with running.smtp("lmtp") as client:
        client.mail("a@x.org")
        for each in ("b@x.org", "reject@x.org", "defer@x.org"):
            client.rcpt(each)
        first = client.data(MESSAGE)
        codes = [first[0], client.getreply()[0], client.getreply()[0]]
    assert codes == [250, 550, 451]
    assert fresh.recipients() == ["b@x.org"]


def test_nothing_is_answered_before_the_next_hop_has_it(running: Running, fresh: Hop) -> None:
    fresh.answer = lambda command: "452 4.3.1 Disk full" if command == "." else ""
    assert send(running, "b@x.org")[0] == 452
    fresh.answer = lambda command: None if command == "." else ""
    assert send(running, "b@x.org")[0] == 451
    assert fresh.arrived == []


def test_a_second_try_delivers_the_rest_only(running: Running, fresh: Hop) -> None:
    fresh.answer = lambda command: "450 4.2.0 Full" if "<c@" in command else ""
    message = MESSAGE.replace(b": a", b": retry")
    assert send(running, "b@x.org", "c@x.org", message=message)[0] == 450
    fresh.answer = lambda command: ""
    assert send(running, "b@x.org", "c@x.org", message=message)[0] == 250
    assert [each.addresses for each in fresh.arrived] == [["b@x.org"], ["c@x.org"]]
    assert send(running, "b@x.org", "c@x.org", message=message)[0] == 250
    assert len(fresh.arrived) == 3


def test_held_means_on_the_disk(running: Running, fresh: Hop) -> None:
    code, said = send(running, "hold@x.org")
    assert code == 250
    name = said.split()[-1].decode()
    assert (running.folder / "held" / name / "message.eml").read_bytes().endswith(body(MESSAGE))
    assert fresh.arrived == []


# --- who submits ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "user"), [("smtp", b"None"), ("sender", b"a@x.org"), ("login", b"None")]
)
def test_who_the_user_is(running: Running, fresh: Hop, name: str, user: bytes) -> None:
    assert send(running, "b@x.org", name=name)[0] == 250
    assert fresh.arrived[0].content.startswith(b"X-User: %b\r\n" % user)


def test_xclient_names_the_user(running: Running, fresh: Hop) -> None:
    with running.smtp("login") as client:
        assert client.docmd("XCLIENT LOGIN=alice+40x.org ADDR=192.0.2.7")[0] == 220
        assert client.docmd("MAIL FROM:<a@x.org>")[0] == 503
        client.ehlo()
        client.sendmail("a@x.org", "b@x.org", MESSAGE)
        client.sendmail("a@x.org", "c@x.org", MESSAGE)  # it is about all mail of the connection
    for arrived in fresh.arrived:
        assert arrived.content.startswith(b"X-User: alice@x.org\r\nX-Client: 192.0.2.7\r\n")
    assert len(fresh.arrived) == 2


def test_xclient_is_for_one_listener_only(running: Running, fresh: Hop) -> None:
    with running.smtp() as client:
        assert not client.has_extn("xclient")
        assert client.docmd("XCLIENT LOGIN=alice")[0] == 550
        client.sendmail("a@x.org", "b@x.org", MESSAGE)
    assert fresh.arrived[0].content.startswith(b"X-User: None\r\n")


def test_a_failure_of_our_own_is_told_for_each_recipient(
    running: Running, fresh: Hop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(task: Task) -> Sequence[Reply]:
        raise RuntimeError(task.key)

    monkeypatch.setattr(running.service, "deal_with", fail)
    with running.smtp("lmtp") as client:
        client.mail("a@x.org")
        client.rcpt("b@x.org")
        client.rcpt("c@x.org")
        assert client.data(MESSAGE)[0] == 451
        assert client.getreply()[0] == 451
        assert client.noop()[0] == 250
    assert fresh.arrived == []


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("MAIL FROM:a@x.org", 501),
        ("MAIL FROM:<a@x.org> BODY=BINARYMIME", 555),
        ("MAIL FROM:<a@x.org> AUTH=<>", 555),
        ("MAIL FROM:<a@x.org> RET=FULL RET=FULL", 501),
        ("MAIL FROM:<a@x.org> SIZE=300000", 552),
        ("MAIL FROM:<a b@x.org>", 501),
        ("RCPT TO:<b@x.org>", 503),
        ("DATA", 503),
        ("XFORWARD", 501),
        ("XFORWARD LOGIN=a", 501),
        ("BDAT 3", 500),
        ("VRFY", 501),
    ],
)
def test_commands_that_are_refused(running: Running, command: str, code: int) -> None:
    with running.smtp() as client:
        assert client.docmd(command)[0] == code


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("MAIL FROM:<a@x.org>", 503),
        ("RCPT TO:<>", 501),
        ("RCPT TO:<b@x.org> NOTIFY=SOMETIMES", 555),
        ("RCPT TO:<b@x.org> FOO=1", 555),
        ("XFORWARD NAME=a", 503),
    ],
)
def test_commands_that_are_refused_within_a_transaction(
    running: Running, command: str, code: int
) -> None:
    with running.smtp() as client:
        client.docmd("MAIL FROM:<a@x.org>")
        assert client.docmd(command)[0] == code


def raw(running: Running, content: bytes) -> bytes:
    """The reply to content that is sent as it is."""
    with running.smtp() as client:
        client.mail("a@x.org")
        client.rcpt("b@x.org")
        assert client.docmd("DATA")[0] == 354
        client.send(content)
        code, _ = client.getreply()
        assert client.noop()[0] == 250
        return b"%d" % code


@pytest.mark.parametrize(
    "stray",
    [
        b"a\nb\r\n",
        b"a\r\n.\nQUIT\r\n",
        b"a\n.\r\nMAIL FROM:<evil@x.org>\r\nx\r\n",
        b"a\r.\rb\r\n",
        b"a\r\n.\rb\r\n",
        b"\na\r\n",
        b"a\r\n\0.\r\nMAIL FROM:<evil@x.org>\r\n",
    ],
)
def test_line_ends_that_smuggle_are_refused(running: Running, fresh: Hop, stray: bytes) -> None:
    """The next server might see an end of content, and a second message, where we see none."""
    for at in (0, 65533, 65535, 65536, 131072):
        head = b"S: a\r\n\r\n" + b"x" * 70 + b"\r\n"
        padding = (head * (at // len(head) + 1))[: max(0, at - 2)] + b"\r\n"
        assert raw(running, padding + stray + b".\r\n") == b"550"
    assert fresh.arrived == []


@pytest.mark.parametrize(
    "content",
    [b"", b"\r\n", b".\r\n", b"..\r\n\r\n.\r\n", b"a\r\n" * 60_000, b"x" * 150_000 + b"\r\n"],
)
def test_content_of_any_shape_arrives_as_it_is(
    running: Running, fresh: Hop, content: bytes
) -> None:
    wire = content.replace(b"\r\n.", b"\r\n..")
    wire = b"." + wire if wire.startswith(b".") else wire
    assert raw(running, wire + b".\r\n") == b"250"
    assert fresh.arrived[0].content.endswith(b" +0000\r\n" + content)


def test_too_large_is_refused_and_the_session_goes_on(running: Running, fresh: Hop) -> None:
    assert raw(running, b"x" * 998 + b"\r\n" * 100_001 + b".\r\n") == b"552"
    assert fresh.arrived == []


def test_a_client_that_hangs_up_in_the_middle_leaves_nothing(running: Running, fresh: Hop) -> None:
    with socket.create_connection(("127.0.0.1", running.port("smtp"))) as client:
        client.sendall(b"EHLO a\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\n")
        while b"354" not in client.recv(4096):
            pass
        client.sendall(b"S: a\r\n\r\nhalf")
    assert send(running, "b@x.org")[0] == 250
    assert len(fresh.arrived) == 1
    assert [each.name for each in (running.folder / "spool" / "incoming").glob("*/*")] == [".lock"]


def test_what_a_killed_process_began_to_hold_is_removed(running: Running) -> None:
    left = running.folder / "held" / ".20260301T120000-0123abcd"
    left.mkdir(parents=True)
    (left / "message.eml").write_bytes(b"half")
    running.service.expire()
    assert not left.exists()


# --- workers ----------------------------------------------------------------------------------


def test_a_worker_that_dies_leaves_the_message_with_its_sender(
    running: Running, fresh: Hop
) -> None:
    before = running.service.worker_pids
    assert send(running, "die-once@x.org")[0] == 451
    assert send(running, "die-once@x.org")[0] == 250
    assert running.service.worker_pids != before
    assert fresh.recipients() == ["die-once@x.org"]


def test_reload_takes_new_workers(running: Running, fresh: Hop) -> None:
    before = running.service.worker_pids
    running.call(running.service.reload())
    assert not set(before) & set(running.service.worker_pids)
    assert send(running, "b@x.org")[0] == 250


def test_a_file_that_is_wrong_changes_nothing(running: Running, fresh: Hop) -> None:
    before = running.service.worker_pids
    file = running.folder / "gateway.toml"
    right = file.read_text()
    for wrong in (right + "[nonsense\n", right.replace("by_name", "nothing")):
        file.write_text(wrong)
        try:
            running.call(running.service.reload())
        finally:
            file.write_text(right)
        assert running.service.worker_pids == before
    assert send(running, "b@x.org")[0] == 250


def test_prometheus_is_answered(running: Running) -> None:
    port = running.port("")
    with urlopen(f"http://127.0.0.1:{port}/metrics") as found:
        assert found.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert b"# TYPE smimekit_gateway_messages_total counter" in found.read()


def test_it_ends_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is under way is finished and answered; who waits is sent away."""
    with hop() as server, gateway(tmp_path, monkeypatch, server.port) as running:
        with running.connected() as busy, running.connected() as idle:
            busy.mail("a@x.org")
            busy.rcpt("b@x.org")
            assert busy.docmd("DATA")[0] == 354
            stopped = asyncio.run_coroutine_threadsafe(running.service.stop(), running.loop)
            assert idle.getreply()[0] == 421
            busy.send(b"S: a\r\n\r\nb\r\n.\r\n")
            assert busy.getreply()[0] == 250
            assert busy.getreply()[0] == 421
            stopped.result(60)
        assert server.recipients() == ["b@x.org"]
        assert not list((tmp_path / "spool" / "incoming").iterdir())


def test_too_many_connections_are_sent_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        hop() as server,
        gateway(tmp_path, monkeypatch, server.port, smtp="connections = 1") as running,
    ):
        with running.smtp() as one:
            with pytest.raises(smtplib.SMTPConnectError) as caught, running.smtp():
                pass
            assert caught.value.smtp_code == 421
            assert one.noop()[0] == 250
        with running.smtp() as other:
            assert other.noop()[0] == 250


def test_who_may_not_connect_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = 'clients = ["192.0.2.0/24"]'
    with (
        hop() as server,
        gateway(tmp_path, monkeypatch, server.port, smtp=elsewhere) as running,
        pytest.raises(smtplib.SMTPConnectError) as caught,
        running.smtp(),
    ):
        pass
    assert caught.value.smtp_code == 554
