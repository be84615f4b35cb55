"""The pool of workers at the moments when it has none, or one that is of no use."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from smimekit.gateway.envelope import Envelope, EnvelopeRecipient
from smimekit.gateway.handover.answers import BROKEN, BUSY, Reply
from smimekit.gateway.program.config import Workers
from smimekit.gateway.program.tasks import Task
from smimekit.gateway.program.workers import Pool
from smimekit.gateway.reports.metrics import Metrics
from tests.conftest import ROOT

OK = Reply(250, "2.0.0", "OK")


def task(folder: Path) -> Task:
    envelope = Envelope(mail_from="a", recipients=(EnvelopeRecipient(address="b"),))
    return Task(folder / "m", "key", envelope, single=True)


class Worker:
    """Answers at once."""

    load = 0

    def ask(self, task: Task) -> "asyncio.Future[Sequence[Reply]]":
        future = asyncio.get_running_loop().create_future()
        future.set_result([OK] * len(task.envelope.recipients))
        return future


def test_the_last_worker_dies_as_somebody_wakes_up_for_it(tmp_path: Path) -> None:
    """They go on waiting, for the next one."""

    async def run() -> Sequence[Reply]:
        pool = Pool(("m",), Workers(spool=tmp_path), Metrics())
        dies: Any = Worker()
        waiting = asyncio.create_task(pool.deal_with(task(tmp_path)))
        await asyncio.sleep(0)  # it waits
        pool._add(dies)
        pool._remove(dies)
        await asyncio.sleep(0)  # it was woken up
        await asyncio.sleep(0)
        assert not waiting.done()
        lives: Any = Worker()
        pool._add(lives)
        return await waiting

    assert asyncio.run(run()) == [OK]


def test_a_message_that_takes_too_long_is_still_the_workers(tmp_path: Path) -> None:
    """Its sender hears that it is to come again; a worker that is to end finishes it all the same,
    and nobody turns round and round over an answer that was given up.
    """

    class Slow(Worker):
        def __init__(self) -> None:
            self.future: asyncio.Future[Sequence[Reply]] | None = None

        def ask(self, task: Task) -> "asyncio.Future[Sequence[Reply]]":
            self.future = asyncio.get_running_loop().create_future()
            return self.future

    async def run() -> None:
        pool = Pool(("m",), Workers(spool=tmp_path, seconds=0.01), Metrics())
        slow: Any = Slow()
        pool._add(slow)
        assert list(await pool.deal_with(task(tmp_path))) == [BUSY]
        assert not slow.future.done()

    asyncio.run(run())


def test_a_worker_that_says_too_much_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can tell where its next answer begins: without another one no mail would pass."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT}")

    async def run() -> list[Sequence[Reply]]:
        program = ("tests.gateway.babbler", str(tmp_path / "babbled"))
        pool = Pool(program, Workers(spool=tmp_path, processes=1, seconds=60), Metrics())
        await pool.start()
        try:
            return [await pool.deal_with(task(tmp_path)) for _ in range(2)]
        finally:
            await pool.stop()

    assert [list(each) for each in asyncio.run(run())] == [[BROKEN], [OK]]
