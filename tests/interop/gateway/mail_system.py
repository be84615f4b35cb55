"""A mail system with the gateway in it: Postfix with filters, as the how-to sets it up.

Two ways in (from outside, and for those who authenticated), each with the gateway's listener of
its own as content_filter; one way back in; everything then leaves for a sink. Knows how all of it
is wired and started. May not know what any test wants.
"""

import os
import smtplib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.conftest import ROOT
from tests.gateway.peers import Arrived, Hop, hop
from tests.interop.daemons import NotStarted, free_port, takes_connections
from tests.interop.peers import PASSWORD, Refused, folder
from tests.interop.postfix import MAIN, MASTER, postfix_running

__all__ = [
    "Gateway",
    "MailSystem",
    "Ports",
    "Setup",
    "mail_system",
    "postfix_around",
    "started",
    "write_config",
]

WAIT = 120
"""Seconds: a busy machine is no failure."""
_TAIL = 10_000
"""Characters of a log that say what went wrong last."""

AT_ONCE = """
myhostname = mail.inside.example
message_size_limit = 104857600
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
"""
WAYS = """
127.0.0.1:{mx} inet n - n - - smtpd
  -o {filter}{from_outside}
127.0.0.1:{submission} inet n - n - - smtpd
  -o {filter}{from_inside}
  -o smtpd_sender_restrictions=check_sender_access,inline:{{<>=REJECT}}
127.0.0.1:{back} inet n - n - - smtpd
  -o content_filter=
  -o receive_override_options=no_header_body_checks,no_unknown_recipient_checks
  -o smtpd_authorized_xforward_hosts=127.0.0.0/8
{back_options}
{services}
lmtp      unix  - - n - {concurrency} lmtp
  -o lmtp_send_xforward_command=yes
smtp      unix  - - n - {concurrency} smtp
  -o smtp_send_xforward_command=yes
"""
CONFIG = """
[gateway]
name = "gw.inside.example"
administrator = "postmaster@inside.example"
marker_secret_file = "marker"

[inside]
domains = ["inside.example"]

[listen.from_outside]
address = "127.0.0.1:{from_outside}"
protocol = "{protocol}"

[listen.from_inside]
address = "127.0.0.1:{from_inside}"
protocol = "{protocol}"
submitter = "sender"

[next_hop]
address = "127.0.0.1:{hop}"

[store]
url = "{store}"
{anchors}

[keys]
folder = "keys"
password_file = "password"

[workers]
spool = "spool"
{workers}

[audit]
file = "audit"

{rules}
"""


@dataclass(frozen=True)
class Ports:
    """Who listens where."""

    mx: int = field(default_factory=free_port)
    submission: int = field(default_factory=free_port)
    back: int = field(default_factory=free_port)
    from_outside: int = field(default_factory=free_port)
    from_inside: int = field(default_factory=free_port)
    next_hop: int = 0
    """Of the gateway; 0 is `back`."""


@dataclass
class Gateway:
    """The gateway's process, and its folder."""

    home: Path
    ports: Ports
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def file(self) -> Path:
        return self.home / "gateway.toml"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "smimekit", "gateway", "run", str(self.file)],
                env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.home,
            )
        for _ in range(3000):
            if takes_connections(self.ports.from_inside):
                return
            try:
                self.process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            break
        raise NotStarted(self.log())

    def log(self) -> str:
        return (self.home / "log").read_text(errors="replace")[-_TAIL:]

    def kill(self) -> None:
        """SIGKILL, at once."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """In order; its exit status."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(WAIT)

    def run(self, *words: str, okay: bool = True) -> str:
        """A command of ours."""
        done = subprocess.run(
            [sys.executable, "-m", "smimekit", *words],
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            cwd=self.home,
            check=False,
            timeout=WAIT,
        )
        if okay and done.returncode:
            raise Refused(done.stderr.decode(errors="replace"))
        return done.stdout.decode()


@dataclass
class MailSystem:
    """All of it."""

    home: Path
    ports: Ports
    gateway: Gateway
    sink: Hop
    postfix: str

    def submit(self, sender: str, to: list[str], mail: bytes) -> None:
        """By somebody who authenticated."""
        self._send(self.ports.submission, sender, to, mail)

    def receive(self, sender: str, to: list[str], mail: bytes) -> None:
        """From outside."""
        self._send(self.ports.mx, sender, to, mail)

    @staticmethod
    def _send(port: int, sender: str, to: list[str], mail: bytes) -> None:
        with smtplib.SMTP("127.0.0.1", port, "client.example.net", timeout=WAIT) as client:
            client.sendmail(sender, to, mail)

    def arrived(self, count: int) -> list[Arrived]:
        """What comes out: as many as are expected, and then all that were since the last time."""
        with self.sink.changed:
            done = self.sink.changed.wait_for(lambda: len(self.sink.arrived) >= count, WAIT)
            found = list(self.sink.arrived)
            self.sink.arrived.clear()
        if not done or len(found) > count:
            what = [(each.addresses, each.content[:2000]) for each in found]
            raise Refused(f"{what}\n{self.log()}\n{self.gateway.log()}")
        return found

    def log(self) -> str:
        return (self.home / "log").read_text(errors="replace")[-_TAIL:]

    def queue(self) -> list[str]:
        """The queue ids of what Postfix still has."""
        names = ("incoming", "active", "deferred", "maildrop", "hold")
        folders = [self.home / "queue" / name for name in names]
        return [path.name for each in folders for path in each.rglob("*") if path.is_file()]

    def emptied(self) -> bool:
        """Whether the queue runs empty."""
        return self._in_time(lambda: not self.queue())

    def says(self, words: str) -> bool:
        """Whether Postfix' log comes to have these words."""
        return self._in_time(lambda: words in self.log())

    def _in_time(self, done: Callable[[], bool]) -> bool:
        until = time.monotonic() + WAIT
        while not done() and time.monotonic() < until:
            with self.sink.changed:  # nothing tells when Postfix writes or removes a file
                self.sink.changed.wait(0.05)
        return done()


@dataclass(frozen=True)
class Setup:
    """What a test wants otherwise. `keys` and `anchors` are files by name."""

    protocol: str = "lmtp"
    store: str = ""
    anchors: Mapping[str, bytes] = field(default_factory=dict)
    keys: Mapping[str, bytes] = field(default_factory=dict)
    rules: str = ""
    workers: str = ""
    main: str = ""
    back_options: str = ""
    services: str = ""
    """More of master.cf."""
    concurrency: str = "-"
    ways: str = WAYS
    """The ways in and on, in master.cf."""
    config: str = CONFIG
    before_queue: bool = False
    """Whether the gateway is a smtpd_proxy_filter, in place of a content_filter."""
    direct: bool = False
    """Whether the gateway's next hop is the sink, with no Postfix between them."""


@contextmanager
def mail_system(postfix: str, setup: Setup) -> Iterator[MailSystem]:
    """A mail system that runs until the block ends."""
    with ExitStack() as closing:
        home = closing.enter_context(folder())
        sink = closing.enter_context(hop(offers=("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN")))
        ports = Ports(next_hop=sink.port) if setup.direct else Ports()
        gateway = Gateway(home / "gateway", ports)
        write_config(gateway, setup)
        found = MailSystem(home, ports, gateway, sink, postfix)
        closing.enter_context(postfix_around(found, setup))
        closing.enter_context(started(gateway))
        yield found


@contextmanager
def started(gateway: Gateway) -> Iterator[Gateway]:
    """A gateway that runs until the block ends, or somebody kills it."""
    gateway.start()
    try:
        yield gateway
    finally:
        if gateway.process is not None and gateway.process.poll() is None:
            gateway.stop()


def write_config(gateway: Gateway, setup: Setup) -> None:
    """The gateway's folder: its file, keys, anchors and secrets."""
    home = gateway.home
    (home / "keys").mkdir(parents=True)
    for name, data in setup.keys.items():
        (home / "keys" / f"{name}.p12").write_bytes(data)
    for name, data in setup.anchors.items():
        (home / name).write_bytes(data)
    (home / "password").write_text(PASSWORD)
    (home / "marker").write_text(os.urandom(32).hex())
    text = setup.config.format(
        **asdict(gateway.ports),
        hop=gateway.ports.next_hop or gateway.ports.back,
        home=home,
        protocol=setup.protocol,
        store=setup.store or f"sqlite:///{home / 'trust.db'}",
        anchors=f"anchors = {list(setup.anchors)}" if setup.anchors else "",
        workers=setup.workers,
        rules=setup.rules,
    )
    gateway.file.write_text(text)


@contextmanager
def postfix_around(mail: MailSystem, setup: Setup) -> Iterator[None]:
    """Postfix, as it is set up, until the block ends."""
    after = f"content_filter={setup.protocol}:[127.0.0.1]:"
    ways = setup.ways.format(
        **asdict(mail.ports),
        home=mail.home,
        filter="smtpd_proxy_filter=127.0.0.1:" if setup.before_queue else after,
        back_options=setup.back_options,
        services=setup.services,
        concurrency=setup.concurrency,
    )
    main = f"{MAIN.format(home=mail.home, sink=mail.sink.port)}{AT_ONCE}{setup.main}\n"
    with postfix_running(mail.postfix, mail.home, main, ways + MASTER):
        yield
