"""A gateway that runs in this process, in a thread of its own, with workers of its own."""

import asyncio
import smtplib
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from smimekit.gateway.program.config import read_config
from smimekit.gateway.program.service import Service
from tests.conftest import ROOT

FILE = """
[gateway]
name = "gw.example.org"
[listen.smtp]
address = "127.0.0.1:0"
{smtp}
[listen.lmtp]
address = "127.0.0.1:0"
protocol = "lmtp"
[listen.sender]
address = "127.0.0.1:0"
submitter = "sender"
[listen.login]
address = "127.0.0.1:0"
submitter = "login"
[next_hop]
address = "127.0.0.1:{port}"
timeout = 20
data_timeout = 20
[store]
url = "memory:"
[workers]
spool = "spool"
processor = "tests.gateway.processors:by_name"
{workers}
[hold]
folder = "held"
[metrics]
address = "127.0.0.1:0"
{more}
"""


@dataclass
class Running:
    """A service, and its thread's loop."""

    service: Service
    loop: asyncio.AbstractEventLoop
    folder: Path

    def port(self, name: str) -> int:
        return self.service.addresses[name].port

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    @contextmanager
    def connected(self, name: str = "smtp") -> Iterator[smtplib.SMTP]:
        """A connection, which is closed without a word."""
        kind = smtplib.LMTP if name == "lmtp" else smtplib.SMTP
        client = kind("127.0.0.1", self.port(name), "front.example.org", timeout=60)
        try:
            client.ehlo_or_helo_if_needed()
            yield client
        finally:
            client.close()

    @contextmanager
    def smtp(self, name: str = "smtp") -> Iterator[smtplib.SMTP]:
        """A connection, which ends with QUIT."""
        with self.connected(name) as client:
            yield client
            client.quit()


@contextmanager
def gateway(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    port: int,
    *,
    smtp: str = "",
    workers: str = "processes = 1",
    more: str = "",
) -> Iterator[Running]:
    """A gateway in front of the next hop at a port."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT}")
    file = folder / "gateway.toml"
    file.write_text(FILE.format(port=port, smtp=smtp, workers=workers, more=more))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        service = asyncio.run_coroutine_threadsafe(_made(file), loop).result(60)
        try:
            yield Running(service, loop, folder)
        finally:
            asyncio.run_coroutine_threadsafe(service.stop(), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _made(file: Path) -> Service:
    service = Service(read_config(file))
    await service.start()
    return service
