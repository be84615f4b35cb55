"""A real mail server on loopback: what goes in by SMTP comes out of it changed as relays do.

Postfix, of the Debian package, with folders and a configuration of its own, hands everything
to a server that does not take 8bit: so it has to convert what is 8bit (RFC 6152, 3). Knows how
the two are started and stopped; may not know what any test wants.
"""

import os
import pwd
import queue
import smtplib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.interop.daemons import free_port
from tests.interop.peers import Refused, folder

__all__ = ["MAIN", "MASTER", "Hop", "hop", "postfix_running"]

WAIT = 60
"""Seconds for a server to start, or a message to come through: a busy machine is no failure."""

MAIN = """
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
maillog_file = {home}/log
maillog_file_prefixes = {home}
mydestination =
local_transport = error:nobody lives here
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
disable_dns_lookups = yes
relayhost = [127.0.0.1]:{sink}
smtp_tls_security_level = none
"""
MASTER = """
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 1 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
error     unix  - - n - - error
retry     unix  - - n - - error
proxymap  unix  - - n - - proxymap
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
showq     unix  n - n - - showq
postlog   unix-dgram n - n - 1 postlogd
"""
IN = """
127.0.0.1:{port} inet n - n - - smtpd
smtp      unix  - - n - - smtp
"""


class _Sink:
    """Takes what comes, and takes no 8bit: it offers neither 8BITMIME (RFC 6152, 2) nor SMTPUTF8,
    which implies it (RFC 6531, 3.1).
    """

    def __init__(self) -> None:
        self.arrived: queue.Queue[bytes] = queue.Queue()

    async def handle_EHLO(  # noqa: N802 - the hook's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, lines: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [line for line in lines if not line.endswith(("8BITMIME", "SMTPUTF8"))]

    async def handle_DATA(  # noqa: N802 - the hook's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        self.arrived.put(envelope.content)
        return "250 OK"


@dataclass(frozen=True)
class Hop:
    """The way through the server."""

    port: int
    log: Path
    arrived: "queue.Queue[bytes]"

    def __call__(self, mail: bytes) -> bytes:
        """The mail as it comes out on the other side."""
        with smtplib.SMTP("127.0.0.1", self.port, "client.example.org", timeout=WAIT) as client:
            client.sendmail("a@example.org", ["b@example.org"], mail, ["BODY=8BITMIME"])
        try:
            return self.arrived.get(timeout=WAIT)
        except queue.Empty:
            raise Refused(self.log.read_text(errors="replace")) from None


@contextmanager
def hop(postfix: str) -> Iterator[Hop]:
    """A server that runs until the block ends."""
    sink = _Sink()
    controller = Controller(sink, hostname="127.0.0.1", port=free_port(), ready_timeout=WAIT)
    controller.start()
    port = free_port()
    try:
        with folder() as home:
            main = MAIN.format(home=home, sink=controller.port) + "myhostname = hop.example.org\n"
            with postfix_running(postfix, home, main, IN.format(port=port) + MASTER):
                yield Hop(port, home / "log", sink.arrived)
    finally:
        controller.stop()


@contextmanager
def postfix_running(program: str, home: Path, main: str, master: str) -> Iterator[None]:
    """Postfix in a folder of its own, with this main.cf and this master.cf, until the block ends."""
    home.chmod(0o755)  # its programs run as users of their own
    for name in ("queue", "data"):
        (home / name).mkdir()
    owner = pwd.getpwnam("postfix")
    os.chown(home / "data", owner.pw_uid, owner.pw_gid)
    (home / "main.cf").write_text(main)
    (home / "master.cf").write_text("".join(f"{line}\n" for line in master.splitlines() if line))
    _call(program, home, "start")
    try:
        yield
    finally:
        _call(program, home, "stop")


def _call(program: str, home: Path, action: str) -> None:
    command = [program, "-c", str(home), action]
    done = subprocess.run(command, capture_output=True, check=False, timeout=WAIT)
    if done.returncode:
        log = home / "log"
        says = log.read_text(errors="replace") if log.exists() else ""
        raise Refused(f"{done.stderr.decode(errors='replace')}\n{says}")
