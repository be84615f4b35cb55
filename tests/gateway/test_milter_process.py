"""The milter's process: it begins, is replaced when it dies, and ends with the gateway."""

import asyncio
import os
import signal
import socket
import stat
from pathlib import Path

import pytest

from smimekit.errors import GatewayError
from smimekit.gateway.program.config import read_config
from smimekit.gateway.program.service import Service
from tests.conftest import IN_CI, ROOT

if not IN_CI:
    pytest.importorskip("Milter")

FILE = """
[gateway]
name = "gw.example.org"
[listen.milter]
address = "{address}"
protocol = "milter"
{more}
[next_hop]
address = "127.0.0.1:1"
[store]
url = "memory:"
[workers]
spool = "spool"
processes = 1
processor = "tests.gateway.processors:by_name"
"""
SECONDS = 60


def service(
    folder: Path, monkeypatch: pytest.MonkeyPatch, address: str, workers: str = "", more: str = ""
) -> Service:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT}")
    file = folder / "gateway.toml"
    file.write_text(FILE.format(address=address, more=more) + workers)
    return Service(read_config(file))


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


async def until(found: Service, before: tuple[int, ...]) -> int:
    """The process that is there in place of another."""
    async with asyncio.timeout(SECONDS):
        while found._milters["milter"].pids in {(), before}:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.02)
    (pid,) = found._milters["milter"].pids
    return pid


def test_it_lives_as_long_as_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "m"

    async def run() -> None:
        found = service(tmp_path, monkeypatch, f"unix:{path}")
        await found.start()
        try:
            first = found._milters["milter"].pids
            assert str(found.addresses["milter"]) == f"unix:{path}"
            assert listens(path)
            os.kill(first[0], signal.SIGKILL)
            second = await until(found, first)
            assert f"Process {first[0]} died" in caplog.text
            assert listens(path)
            await found.reload()
            assert await until(found, (second,)) != second
            assert listens(path)
            assert f"Process {second} died" not in caplog.text
            assert f"Process {second} has ended, as it was asked to" in caplog.text
            assert "smimekit" in await found._scraped()
        finally:
            await found.stop()
        assert not listens(path)

    with caplog.at_level("INFO"):
        asyncio.run(run())


def test_who_may_connect_to_its_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m"

    async def run(more: str) -> None:
        found = service(tmp_path, monkeypatch, f"unix:{path}", more=more)
        try:
            await found.start()
            assert stat.S_IMODE(path.stat().st_mode) == 0o620
        finally:
            await found.stop()

    asyncio.run(run('mode = "0620"'))
    with pytest.raises(GatewayError, match="There is no group nobody-has-this"):
        asyncio.run(run('mode = "0620"\ngroup = "nobody-has-this"'))


def test_it_waits_for_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a gateway that was killed: it may have to finish something first."""

    async def run(taken: socket.socket) -> None:
        found = service(tmp_path, monkeypatch, f"127.0.0.1:{taken.getsockname()[1]}")
        loop = asyncio.get_running_loop()
        starting = asyncio.create_task(found.start())
        try:
            taken.setblocking(False)
            probe, _ = await loop.sock_accept(taken)  # it has looked, and seen somebody
            probe.close()
            taken.close()
            await starting
            assert found._milters["milter"].pids
        finally:
            await found.stop()

    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        asyncio.run(run(taken))


def test_a_place_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else listens there: the gateway does not begin, and says so."""

    async def run(port: int) -> None:
        found = service(tmp_path, monkeypatch, f"127.0.0.1:{port}", "stop_seconds = 4")
        with pytest.raises(GatewayError, match="cannot listen at inet"):
            await found.start()

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        asyncio.run(run(taken.getsockname()[1]))
