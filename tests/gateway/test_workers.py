"""The pool of workers at the moments when it has none."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smimekit.gateway.envelope import Envelope, EnvelopeRecipient
from smimekit.gateway.handover.answers import Reply
from smimekit.gateway.program.config import Workers
from smimekit.gateway.program.tasks import Task
from smimekit.gateway.program.workers import Pool
from smimekit.gateway.reports.metrics import Metrics

OK = Reply(250, "2.0.0", "OK")


class Worker:
    """Answers at once."""

    load = 0

    def ask(self, task: Task) -> "asyncio.Future[Sequence[Reply]]":
        future = asyncio.get_running_loop().create_future()
        future.set_result([OK] * len(task.envelope.recipients))
        return future


def test_the_last_worker_dies_as_somebody_wakes_up_for_it(tmp_path: Path) -> None:
    """They go on waiting, for the next one."""
    envelope = Envelope(mail_from="a", recipients=(EnvelopeRecipient(address="b"),))
    task = Task(tmp_path / "m", "key", envelope, single=True)

    async def run() -> Sequence[Reply]:
        pool = Pool(("m",), Workers(spool=tmp_path), Metrics())
        dies: Any = Worker()
        waiting = asyncio.create_task(pool.deal_with(task))
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
