"""How many messages go through the gateway: `python benchmarks/gateway.py [--messages N]`.

Run by hand, on Linux. Every message is signed (RSA-2048) and encrypted (RSA-2048), and has 20 KB.
Beside it, in the same run and with the same clients and the same next hop, aiosmtpd's own relay
(`aiosmtpd.handlers.Proxy`) passes the same messages on unchanged. Prints messages per second of
both, the ratio, and the processor time that each takes for a message. Everything shares the
machine's processors: clients, both servers and the next hop are processes of their own.
"""

import argparse
import os
import random
import smtplib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from smimekit import Credential
from smimekit.testing import FakeCA

SINK = """
import asyncio, sys
from aiosmtpd.smtp import SMTP

class Handler:
    async def handle_DATA(self, server, session, envelope):
        return "250 OK"

async def main():
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Handler(), hostname="sink"), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(1e9)

asyncio.run(main())
"""
RELAY = SINK.replace(
    "class Handler:", "from aiosmtpd.handlers import Proxy\nclass Nothing:"
).replace("Handler()", 'Proxy("127.0.0.1", int(sys.argv[1]))')
CONFIG = """
[gateway]
name = "gw.example.org"
[inside]
domains = ["inside.example"]
[outbound]
sign = "always"
encrypt = "must"
[listen.smtp]
address = "127.0.0.1:0"
submitter = "sender"
[next_hop]
address = "127.0.0.1:{port}"
[store]
url = "sqlite:///{home}/trust.db"
anchors = ["ca.pem"]
[keys]
folder = "keys"
password_file = "password"
[workers]
spool = "spool"
processes = {workers}
"""
ALICE, BOB = "alice@inside.example", "bob@partner.example"


@contextmanager
def program(*words: str, said: str = "") -> Iterator[tuple[int, int]]:
    """A server in a process of its own: the port that it names in a line, and its pid."""
    process = subprocess.Popen(  # noqa: S603 - our own
        [sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith(said):
                break
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield int(line.strip().rpartition(":")[2]), process.pid
    finally:
        process.terminate()
        process.wait()


def configured(home: Path, port: int, workers: int) -> Path:
    """The gateway's file, with keys and a certificate of the partner in the store."""
    ca = FakeCA("Benchmark CA", key="rsa-2048")
    alice, bob = (ca.person(each, key="rsa-2048") for each in (ALICE, BOB))
    (home / "keys").mkdir()
    (home / "keys" / "alice.p12").write_bytes(_pkcs12(alice))
    (home / "password").write_text("benchmark")
    (home / "ca.pem").write_bytes(ca.certificate.pem())
    (home / "bob.pem").write_bytes(bob.certificate.pem())
    command = [sys.executable, "-m", "smimekit", "trust", "import", "--store"]
    command += [f"sqlite:///{home}/trust.db", str(home / "bob.pem")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
    file = home / "gateway.toml"
    file.write_text(CONFIG.format(port=port, home=home, workers=workers))
    return file


def _pkcs12(who: Credential) -> bytes:
    return who.to_pkcs12("benchmark")


def message(size: int) -> bytes:
    """A text that does not compress."""
    words = random.Random(1)  # noqa: S311 - the same each time
    line = b" ".join(b"%04x" % words.randrange(1 << 16) for _ in range(14))
    header = f"From: {ALICE}\r\nTo: {BOB}\r\nSubject: A benchmark\r\n\r\n".encode()
    return header + (line + b"\r\n") * ((size - len(header)) // (len(line) + 2))


def rate(port: int, clients: int, messages: int, content: bytes) -> float:
    """Messages per second, from the first MAIL to the last 250."""
    ready = threading.Barrier(clients + 1, timeout=600)

    def client(number: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, "client.example.org", timeout=300) as smtp:
            smtp.ehlo()
            ready.wait()
            for each in range(messages // clients):
                name = f"Message-ID: <{number}.{each}.{time.monotonic_ns()}@inside.example>\r\n"
                smtp.sendmail(ALICE, [BOB], name.encode() + content)
        ready.wait()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for each in threads:
        each.start()
    ready.wait()
    begin = time.perf_counter()
    ready.wait()
    return messages // clients * clients / (time.perf_counter() - begin)


def spent(pid: int) -> float:
    """Seconds of processor time of a process and its children (Linux)."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(spent(int(each)) for each in children)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1000, help="for each run")
    parser.add_argument("--size", type=int, default=20_000, help="bytes of a message")
    parser.add_argument("--clients", type=int, default=8, help="connections at a time")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    wanted = parser.parse_args()
    content = message(wanted.size)
    with ExitStack() as closing:
        home = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        sink, _ = closing.enter_context(program("-c", SINK))
        relay = closing.enter_context(program("-c", RELAY, str(sink)))
        file = configured(home, sink, wanted.workers)
        words = ("-m", "smimekit", "gateway", "run", str(file))
        gateway = closing.enter_context(program(*words, said="smtp:"))
        servers = {"aiosmtpd relay": relay, "gateway": gateway}
        found: dict[str, list[float]] = {name: [] for name in servers}
        for port, _ in servers.values():
            rate(port, wanted.clients, wanted.clients * 4, content)  # everything is loaded
        before = {name: spent(pid) for name, (_, pid) in servers.items()}
        for _ in range(wanted.runs):  # in turn: whatever else the machine does hits both
            for name, (port, _) in servers.items():
                found[name].append(rate(port, wanted.clients, wanted.messages, content))
        total = wanted.runs * (wanted.messages // wanted.clients * wanted.clients)
        took = {name: (spent(servers[name][1]) - before[name]) / total for name in servers}
    medians = {name: statistics.median(rates) for name, rates in found.items()}
    print(
        f"{os.cpu_count()} processors, {wanted.workers} workers, {wanted.clients} clients, ", end=""
    )
    print(f"{wanted.messages} messages of {wanted.size} bytes, median of {wanted.runs} runs")
    for name, median in medians.items():
        print(
            f"{name:15} {median:7.0f} messages/s {took[name] * 1000:6.1f} ms of processor time each"
        )
    print(f"{'ratio':15} {medians['gateway'] / medians['aiosmtpd relay']:7.0%}")


if __name__ == "__main__":
    main()
