"""What stands before and behind the gateway in its tests: a next hop that does as it is told.

Line by line and one thread for each connection: as simple as can be, and none of our own code.
"""

import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

OFFERS = (
    "PIPELINING",
    "SIZE 100000000",
    "8BITMIME",
    "SMTPUTF8",
    "DSN",
    "XFORWARD NAME ADDR PROTO HELO SOURCE IDENT PORT",
)


@dataclass
class Arrived:
    """One message that was taken."""

    mail: str
    recipients: list[str]
    content: bytes
    xforward: str = ""

    @property
    def addresses(self) -> list[str]:
        return [each.partition("<")[2].partition(">")[0] for each in self.recipients]


@dataclass
class Hop:
    """A next hop. `answer` gets each command, and "." for the end of content (in LMTP with the
    recipient's command behind it); its reply stands in for the usual one, None hangs up.
    """

    lmtp: bool = False
    offers: tuple[str, ...] = OFFERS
    answer: Callable[[str], str | None] = lambda command: ""
    arrived: list[Arrived] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    greeting: str = "220 hop.example.org"
    tls: ssl.SSLContext | None = None
    injected: str = ""
    """What is said in clear text, in one packet with the reply to STARTTLS."""
    secure: list[bool] = field(default_factory=list)
    """Of each command, whether it came through TLS."""
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, count: int) -> list[Arrived]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.arrived) >= count, timeout=60)
            return list(self.arrived)

    def recipients(self) -> list[str]:
        """Who has got something, as often as they have."""
        with self.changed:
            return sorted(each for one in self.arrived for each in one.addresses)


class _HangUp(Exception):
    pass


class _Handler(socketserver.StreamRequestHandler):
    @property
    def hop(self) -> Hop:
        found = getattr(self.server, "hop")  # noqa: B009 - the server has no such type
        assert isinstance(found, Hop)
        return found

    def handle(self) -> None:
        self.hop.connections += 1
        self.mail, self.xforward = "", ""
        self.rcpt: list[str] = []
        try:
            self.say(self.hop.greeting)
            while line := self.rfile.readline():
                self.command(line.rstrip(b"\r\n").decode("utf-8", "surrogateescape"))
        except (_HangUp, ConnectionError):
            pass

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode("utf-8", "surrogateescape"))

    def asked(self, command: str, usual: str) -> str:
        with self.hop.changed:
            self.hop.commands.append(command)
            self.hop.secure.append(isinstance(self.connection, ssl.SSLSocket))
        found = self.hop.answer(command)
        if found is None:
            raise _HangUp
        return found or usual

    def command(self, line: str) -> None:
        verb = line.partition(" ")[0].upper()
        if verb in {"EHLO", "LHLO"}:
            lines = ["hop.example.org", *self.hop.offers]
            assert verb == ("LHLO" if self.hop.lmtp else "EHLO")
            self.say("\r\n".join([*(f"250-{each}" for each in lines[:-1]), f"250 {lines[-1]}"]))
        elif verb == "STARTTLS" and self.hop.tls is not None:
            self.begin_tls(self.hop.tls)
        elif verb == "DATA":
            self.data(self.asked(line, "354 Go on"))
        else:
            reply = self.asked(line, "250 2.0.0 OK")
            if reply.startswith("2"):
                self.keep(verb, line)
            self.say(reply)

    def begin_tls(self, context: ssl.SSLContext) -> None:
        self.say(f"220 Go{self.hop.injected}")
        try:
            self.connection = context.wrap_socket(self.connection, server_side=True)
        except OSError:
            raise _HangUp from None
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def keep(self, verb: str, line: str) -> None:
        if verb == "MAIL":
            self.mail, self.rcpt = line, []
        elif verb == "RCPT":
            self.rcpt.append(line)
        elif verb == "XFORWARD":
            self.xforward = line

    def data(self, reply: str) -> None:
        self.say(reply)
        if not reply.startswith("354"):
            return
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise _HangUp
            lines.append(line.removeprefix(b"."))
        content = b"".join(lines)
        for taken in [[each] for each in self.rcpt] if self.hop.lmtp else [self.rcpt]:
            said = self.asked(f". {taken[0]}" if self.hop.lmtp else ".", "250 2.0.0 Taken")
            if said.startswith("2"):
                with self.hop.changed:
                    self.hop.arrived.append(Arrived(self.mail, taken, content, self.xforward))
                    self.hop.changed.notify_all()
            self.say(said)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128
    hop: Hop


@contextmanager
def hop(
    *,
    lmtp: bool = False,
    offers: tuple[str, ...] = OFFERS,
    answer: Callable[[str], str | None] = lambda command: "",
    greeting: str = "220 hop.example.org",
) -> Iterator[Hop]:
    """A next hop that listens until the block ends."""
    found = Hop(lmtp, offers, answer, greeting=greeting)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.hop = found
        found.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
