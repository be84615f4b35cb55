"""The same octets again: another message for who heard the answer, a second try for who did not.

RFC 1047 has the problem: where a connection ends about the final answer, the sender sends again.
"""

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from smimekit.gateway.adapters.hearing import is_acknowledged
from tests.gateway.harness import Running, gateway
from tests.gateway.peers import Hop

NUMBERS = count()
HOUR, DAY = 3600.0, 86_400.0
BEGIN = b"EHLO a\r\n"
ENVELOPE = b"MAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\n"
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends a reset."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, server: Hop) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("gateway")
        local = f'[listen.local]\naddress = "unix:{folder}/s"\n'
        with gateway(folder, patch, server.port, more=local) as found:
            yield found


@pytest.fixture
def fresh(server: Hop) -> Hop:
    server.arrived.clear()
    server.answer = lambda command: ""
    return server


@pytest.fixture
def message() -> bytes:
    """Constant octets: no Message-ID, no Date."""
    return b"Subject: alarm %d\r\n\r\nFire\r\n.\r\n" % next(NUMBERS)


class Client:
    """Says what it is told to, and reads when it is told to."""

    def __init__(self, found: socket.socket) -> None:
        self.socket = found
        self.lines = found.makefile("rb")

    def say(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def read(self, code: bytes) -> None:
        """All replies up to one with this code."""
        for line in self.lines:
            if line.startswith(code + b" "):
                return
        raise AssertionError("hung up")

    def begin(self) -> None:
        self.read(b"220")
        self.say(BEGIN)
        self.read(b"250")
        self.say(ENVELOPE)
        self.read(b"354")

    def send(self, message: bytes) -> None:
        """A message, of which the answer is read."""
        self.begin()
        self.say(message)
        self.read(b"250")

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


@contextmanager
def client(running: Running, kind: str = "smtp") -> Iterator[Client]:
    """A connection, which ends in order, and without a word."""
    if kind == "local":
        found = socket.socket(socket.AF_UNIX)
        found.connect(running.service.addresses["local"].path)
    else:
        found = socket.create_connection(("127.0.0.1", running.port(kind)))
    found.settimeout(60)
    with found:
        made = Client(found)
        with made.lines:
            yield made


def nobody_is_left(running: Running) -> None:
    """Wait until the gateway has seen every connection end."""
    wait_for(running, lambda: not running.service._sessions)


def wait_for(running: Running, done: Callable[[], bool]) -> None:
    async def look() -> None:
        async with asyncio.timeout(60):
            while not done():  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.005)

    running.call(look())


def remembered(running: Running) -> int:
    return len(list((running.folder / "spool" / "journal").iterdir()))


# --- heard ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["smtp", "local"])
def test_who_hangs_up_in_order_has_heard(
    running: Running, fresh: Hop, message: bytes, kind: str
) -> None:
    """A monitor that knows no QUIT, and always sends the same."""
    for _ in range(3):
        with client(running, kind) as found:
            found.send(message)
        nobody_is_left(running)
    assert len(fresh.arrived) == 3


def test_who_says_quit_before_the_answer_has_heard(
    running: Running, fresh: Hop, message: bytes
) -> None:
    """`printf ... | nc`: all at once, and then it reads up to our end."""
    for _ in range(3):
        with client(running) as found:
            found.say(BEGIN + ENVELOPE + message + b"QUIT\r\nNOOP\r\n")
            found.read(b"221")
            assert found.lines.read() == b"", "nothing comes after QUIT"
        nobody_is_left(running)
    assert len(fresh.arrived) == 3


def test_who_has_said_quit_and_stays_does_not_keep_us(
    tmp_path: Path, server: Hop, monkeypatch: pytest.MonkeyPatch, message: bytes
) -> None:
    with gateway(tmp_path, monkeypatch, server.port) as found, client(found) as stays:
        stays.say(BEGIN + ENVELOPE + message + b"QUIT\r\n")
        stays.read(b"221")
        found.call(found.service.stop())
        assert stays.lines.read() == b"", "nothing comes after the end"
        assert not found.service._sessions


def test_who_sends_the_next_envelope_before_the_answer_has_heard(
    running: Running, fresh: Hop, message: bytes
) -> None:
    """RFC 2920, 3.1: the end of content may begin a group, but for 354 the client waits."""
    with client(running) as found:
        found.begin()
        for _ in range(2):
            found.say(message + ENVELOPE)
            found.read(b"354")
        found.say(message)
        found.read(b"250")
    nobody_is_left(running)
    assert len(fresh.arrived) == 3


def test_who_stays_and_says_nothing_has_heard(running: Running, fresh: Hop, message: bytes) -> None:
    """Its side has acknowledged the answer, and waits until we have had enough of it."""
    for _ in range(2):
        with client(running) as found:
            found.send(message)
            (session,) = running.service._sessions
            wait_for(running, partial(is_acknowledged, session.transport))
            running.loop.call_soon_threadsafe(session._timeout_cb)
            assert found.lines.read() == b""
        nobody_is_left(running)
    assert len(fresh.arrived) == 2


# --- not heard, perhaps -----------------------------------------------------------------------------


def cut_off(running: Running, message: bytes, kind: str = "smtp") -> None:
    """The answer comes, and is not read; the connection is reset."""
    with client(running, kind) as found:
        found.begin()
        found.say(message)
        assert found.socket.recv(1, socket.MSG_PEEK)
    nobody_is_left(running)


@pytest.mark.parametrize("kind", ["smtp", "local"])
def test_who_leaves_the_answer_unread_gets_it_once(
    running: Running, fresh: Hop, message: bytes, kind: str
) -> None:
    """Its system says so: closing with octets unread is a reset (RFC 1122, 4.2.2.13)."""
    cut_off(running, message, kind)
    with client(running, kind) as found:
        found.send(message)
    nobody_is_left(running)
    assert len(fresh.arrived) == 1
    with client(running, kind) as found:
        found.send(message)
    assert len(fresh.arrived) == 2, "the second try was heard: this is another message"


def test_what_was_sent_before_the_answer_says_nothing_of_it(
    running: Running, fresh: Hop, message: bytes
) -> None:
    with client(running) as found:
        found.begin()
        found.say(message + ENVELOPE)
        assert found.socket.recv(1, socket.MSG_PEEK)
    nobody_is_left(running)
    with client(running) as found:
        found.send(message)
    assert len(fresh.arrived) == 1


def test_an_end_that_says_nothing_of_the_answer(
    running: Running, fresh: Hop, message: bytes
) -> None:
    """It sends no more, but the answer lies there unread: as when both crossed on the wire."""
    with client(running, "local") as found:
        found.begin()
        found.say(message)
        assert found.socket.recv(1, socket.MSG_PEEK)
        found.socket.shutdown(socket.SHUT_WR)
        nobody_is_left(running)
    with client(running, "local") as found:
        found.send(message)
    assert len(fresh.arrived) == 1


def test_who_leaves_before_the_answer_gets_it_once(
    running: Running, fresh: Hop, message: bytes
) -> None:
    """Its patience was at an end; the next hop has the message a moment later."""
    asked, go = threading.Event(), threading.Event()

    def slow(command: str) -> str:
        if command == ".":
            asked.set()
            assert go.wait(60)
        return ""

    fresh.answer = slow
    with client(running) as found:
        found.begin()
        found.say(message)
        assert asked.wait(60)
    nobody_is_left(running)
    go.set()
    fresh.wait_for(1)
    wait_for(running, lambda: running.service._under_way == 0)
    with client(running) as found:
        found.send(message)
    assert len(fresh.arrived) == 1


@pytest.mark.parametrize("left", ["before", "after"])
def test_doubt_does_not_last(
    running: Running, fresh: Hop, message: bytes, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Constant mail of a client that never reads an answer: not lost for ten days."""
    if left == "after":
        cut_off(running, message)
    else:
        with client(running) as found:
            found.begin()
            found.reset()
            fresh.answer = lambda command: left_now(command, found)
            found.say(message)
            fresh.wait_for(1)
        nobody_is_left(running)
        wait_for(running, lambda: running.service._under_way == 0)
    expire(running, monkeypatch, 2.9 * HOUR)
    assert remembered(running) == 1
    expire(running, monkeypatch, 3.1 * HOUR)
    assert remembered(running) == 0


def left_now(command: str, found: Client) -> str:
    """The client is gone before the next hop has answered."""
    if command == ".":
        found.lines.close()
        found.socket.close()
    return ""


def expire(running: Running, monkeypatch: pytest.MonkeyPatch, later: float) -> None:
    """What is forgotten so many seconds from now."""
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr("smimekit.gateway.program.service.time.time", lambda: now + later)
        running.service.expire()


def test_doubt_is_not_renewed(
    running: Running, fresh: Hop, message: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A monitor that comes every hour does not keep it alive."""
    cut_off(running, message)
    (entry,) = (running.folder / "spool" / "journal").iterdir()
    before = entry.stat().st_mtime
    cut_off(running, message)
    assert entry.stat().st_mtime == before
    assert len(fresh.arrived) == 1
    expire(running, monkeypatch, 4 * HOUR)


@pytest.mark.parametrize("left", ["before", "after"])
def test_a_message_with_a_name_is_remembered_for_long(
    running: Running, fresh: Hop, message: bytes, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postfix names each message: another one with the same octets has another name."""

    def cut(name: bytes) -> None:
        with client(running) as found:
            found.read(b"220")
            found.say(BEGIN)
            found.read(b"250")
            found.say(b"XFORWARD IDENT=%b\r\n" % name + ENVELOPE)
            found.read(b"354")
            if left == "before":
                found.reset()
                fresh.answer = lambda command: left_now(command, found)
            found.say(message)
            if left == "before":
                fresh.wait_for(1)
            else:
                assert found.socket.recv(1, socket.MSG_PEEK)
        nobody_is_left(running)
        wait_for(running, lambda: running.service._under_way == 0)
        fresh.answer = lambda command: ""

    cut(b"4Q1")
    expire(running, monkeypatch, 9.9 * DAY)
    assert remembered(running) == 1
    left = "after"
    cut(b"4Q1")
    assert len(fresh.arrived) == 1
    cut(b"4Q2")
    assert len(fresh.arrived) == 2
    expire(running, monkeypatch, 10.1 * DAY)
    assert remembered(running) == 0


@pytest.mark.parametrize("left", ["before", "after"])
def test_who_was_told_to_come_again_is_remembered_for_long(
    running: Running, fresh: Hop, message: bytes, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It will, however long it waits: the others must not get it twice."""

    def full(command: str) -> str:
        if left == "before" and command == ".":
            left_now(command, found)
        return "450 4.2.0 Full" if "<c@" in command else ""

    with client(running) as found:
        fresh.answer = full
        found.read(b"220")
        found.say(BEGIN)
        found.read(b"250")
        found.say(ENVELOPE.replace(b"DATA", b"RCPT TO:<c@x.org>\r\nDATA"))
        found.read(b"354")
        found.reset()
        found.say(message)
        fresh.wait_for(1)
        if left == "after":
            found.read(b"450")
    wait_for(running, lambda: running.service._under_way == 0)
    nobody_is_left(running)
    expire(running, monkeypatch, 9.9 * DAY)
    assert remembered(running) == 1
    fresh.answer = lambda command: ""
    with running.smtp() as again:
        again.sendmail("a@x.org", ["b@x.org", "c@x.org"], message.removesuffix(b".\r\n"))
    assert [each.addresses for each in fresh.arrived] == [["b@x.org"], ["c@x.org"]]
    assert remembered(running) == 0


# --- what the system says ---------------------------------------------------------------------------


def test_where_nothing_can_be_known(tmp_path: Path) -> None:
    async def run() -> None:
        assert not is_acknowledged(None)
        assert not is_acknowledged(asyncio.BaseTransport())
        ours, theirs = socket.socketpair()
        transport, _ = await asyncio.get_running_loop().create_connection(
            asyncio.Protocol, sock=ours
        )
        with theirs:
            assert is_acknowledged(transport)
            transport.write(b"250 OK\r\n")
            assert not is_acknowledged(transport), "it lies there, and nobody has read it"
            assert theirs.recv(100) == b"250 OK\r\n"
            assert is_acknowledged(transport)
            transport.close()

    asyncio.run(run())
