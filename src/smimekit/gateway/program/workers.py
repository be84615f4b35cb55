"""The worker processes as their parent sees them: started, asked, replaced when they die.

Knows processes and pipes. May not know what workers do with a message. A worker that dies leaves
its messages with their senders (451); what it had finished it wrote down.
"""

import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, final

from smimekit.errors import GatewayError
from smimekit.gateway.handover.answers import BROKEN, BUSY, Reply
from smimekit.gateway.program.config import Workers
from smimekit.gateway.program.tasks import Task, read_replies, read_samples, write_task
from smimekit.gateway.reports.metrics import Metrics

__all__ = ["Pool"]

_LOG: Final = logging.getLogger("smimekit.gateway")
_LINE: Final = 1 << 24
_START_SECONDS: Final = 120.0
_LONGEST_PAUSE: Final = 30.0
_SCRAPE_SECONDS: Final = 5.0


@final
class _Worker:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process, metrics: Metrics) -> None:
        self._process: Final = process
        self._metrics: Final = metrics
        self._numbers = 0
        self._waiting: dict[int, asyncio.Future[Sequence[Reply]]] = {}
        self.retires = False
        """Whether it was told to end."""
        self._scrapes: list[asyncio.Future[None]] = []

    @classmethod
    async def start(cls, program: Sequence[str], metrics: Metrics) -> "_Worker":
        """A worker that is ready. Raises GatewayError with what it says otherwise."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *program),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE,
        )
        worker = cls(process, metrics)
        try:
            async with asyncio.timeout(_START_SECONDS):
                said = await worker._line()
        except TimeoutError:
            said = None
        if said is None or "ready" not in said:
            worker.kill()
            await process.wait()
            said = said or {"error": "A worker does not start.", "code": "gateway.worker"}
            raise GatewayError(said["error"], code="gateway.worker")
        return worker

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def load(self) -> int:
        """How many messages it has."""
        return len(self._waiting)

    async def _line(self) -> dict[str, Any] | None:
        """None at the end, and for what is no line of ours: then nothing more is heard of it."""
        assert self._process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
        try:
            line = await self._process.stdout.readline()
            found: dict[str, Any] | None = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            self.kill()
            return None
        return found

    async def listen(self) -> None:
        """Hear its replies until it ends; then whoever still waits hears that it failed."""
        while (said := await self._line()) is not None:
            if "samples" in said:
                self._metrics.add(read_samples(said))
                self._scraped()
                continue
            number, replies = read_replies(said)
            future = self._waiting.pop(number, None)
            if future is not None and not future.done():
                future.set_result(replies)
        await self._process.wait()
        self._scraped()
        for future in self._waiting.values():
            if not future.done():
                future.set_result(())
        self._waiting.clear()

    def _scraped(self) -> None:
        for future in self._scrapes:
            if not future.done():
                future.set_result(None)
        self._scrapes.clear()

    def ask(self, task: Task) -> "asyncio.Future[Sequence[Reply]]":
        """The replies, when they come; none, where it died."""
        self._numbers += 1
        future: asyncio.Future[Sequence[Reply]] = asyncio.get_running_loop().create_future()
        self._waiting[self._numbers] = future
        self._write(write_task(self._numbers, task))
        return future

    async def scrape(self) -> None:
        """Have it hand over what it has counted."""
        future = asyncio.get_running_loop().create_future()
        self._scrapes.append(future)
        self._write(b"samples\n")
        await future

    def _write(self, line: bytes) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(line)

    async def retire(self) -> None:
        """Let it finish what it has; it ends when its input does."""
        self.retires = True
        while self._waiting:
            await asyncio.wait(self._waiting.values())
        if self._process.stdin is not None:
            self._process.stdin.close()

    def kill(self) -> None:
        """At once."""
        with suppress(ProcessLookupError):
            self._process.kill()


@final
class Pool:
    """As many workers as wished. `program` is the module that each runs, and its arguments."""

    def __init__(self, program: Sequence[str], settings: Workers, metrics: Metrics) -> None:
        self._program: Final = program
        self._settings = settings
        self._metrics: Final = metrics
        self._workers: list[_Worker] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._ready: Final = asyncio.Event()
        self._stopping = False

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that are ready."""
        return tuple(each.pid for each in self._workers)

    async def start(self) -> None:
        """Raises GatewayError (`gateway.worker`) where one cannot begin."""
        self._take_over(await self._start_all())

    async def _start_all(self) -> list[_Worker]:
        count = self._settings.processes
        starts = [_Worker.start(self._program, self._metrics) for _ in range(count)]
        found = await asyncio.gather(*starts, return_exceptions=True)
        errors = [each for each in found if isinstance(each, BaseException)]
        workers = [each for each in found if isinstance(each, _Worker)]
        if errors:
            for each in workers:
                each.kill()
            raise errors[0]
        return workers

    def _take_over(self, workers: Sequence[_Worker]) -> None:
        for each in workers:
            self._add(each)
            self._keepers.append(asyncio.create_task(self._keep(each)))

    def _add(self, worker: _Worker) -> None:
        self._workers.append(worker)
        self._ready.set()

    def _remove(self, worker: _Worker) -> None:
        if worker in self._workers:
            self._workers.remove(worker)
        if not self._workers:
            self._ready.clear()

    async def _keep(self, worker: _Worker) -> None:
        """See that there is one in this worker's place, until the pool or the worker retires."""
        while True:
            await worker.listen()
            if self._stopping or worker not in self._workers:
                return
            self._remove(worker)
            if worker.retires:
                _LOG.info("Process %d has ended, as it was asked to; another follows", worker.pid)
            else:
                _LOG.warning("Process %d died; its messages stay with their senders", worker.pid)
            worker = await self._replaced()
            self._add(worker)

    async def _replaced(self) -> _Worker:
        pause = 1.0
        while True:
            try:
                return await _Worker.start(self._program, self._metrics)
            except (GatewayError, OSError) as error:
                _LOG.warning("A worker does not start: %s", error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def reload(self, settings: Workers) -> None:
        """New workers, with what the file says now; the old ones finish what they have.

        Raises GatewayError where the new ones cannot begin; then the old ones stay.
        """
        before, self._settings = self._settings, settings
        try:
            new = await self._start_all()
        except GatewayError:
            self._settings = before
            raise
        old, self._workers = self._workers, []
        self._take_over(new)
        for each in old:
            self._keepers.append(asyncio.create_task(each.retire()))
        self._keepers = [each for each in self._keepers if not each.done()]

    async def renew(self) -> None:
        """Have each worker finish and end; its keeper then starts another in its place."""
        for each in tuple(self._workers):
            await each.retire()

    async def deal_with(self, task: Task) -> Sequence[Reply]:
        """A reply for each recipient: those of a worker, or that it is to be tried again."""
        count = len(task.envelope.recipients)
        try:
            async with asyncio.timeout(self._settings.seconds):
                while not self._workers:  # the last one may die as we wake up
                    await self._ready.wait()
                worker = min(self._workers, key=lambda each: each.load)
                # Too late for its sender, it is still what the worker has to finish (`retire`).
                replies = await asyncio.shield(worker.ask(task))
        except TimeoutError:
            return [BUSY] * count
        return replies if len(replies) == count else [BROKEN] * count

    async def scrape(self) -> None:
        """Have all counted numbers added to the metrics."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_SCRAPE_SECONDS):
                await asyncio.gather(*(each.scrape() for each in self._workers))

    async def stop(self) -> None:
        """Let everybody finish, for as long as the settings say."""
        self._stopping = True
        workers = list(self._workers)
        try:
            async with asyncio.timeout(self._settings.stop_seconds):
                await asyncio.gather(*(each.retire() for each in workers))
                await asyncio.gather(*self._keepers)
        except TimeoutError:
            for each in workers:
                each.kill()
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
