"""The gateway as a program that runs: listeners, workers, and the way to an orderly end.

Knows sockets. May not know commands (sessions do), nor what becomes of messages (workers do).
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, final

from smimekit.errors import SmimeError
from smimekit.gateway.adapters.incoming_folder import IncomingFolder
from smimekit.gateway.adapters.lmtp import LmtpSession
from smimekit.gateway.adapters.local_socket import bound
from smimekit.gateway.adapters.smtp import SmtpSession
from smimekit.gateway.handover.answers import Reply
from smimekit.gateway.handover.hold import HoldQueue
from smimekit.gateway.handover.journal import Journal
from smimekit.gateway.handover.next_hop import Protocol
from smimekit.gateway.handover.transaction import answered
from smimekit.gateway.program.assembly import opened_digests
from smimekit.gateway.program.config import Address, Config, Listener, read_config
from smimekit.gateway.program.metrics_http import serve_metrics
from smimekit.gateway.program.tasks import Task
from smimekit.gateway.program.workers import Pool
from smimekit.gateway.reports.metrics import Metrics
from smimekit.message.sealed_file import KEY_BYTES
from smimekit.primitives import random_bytes

__all__ = ["Service"]

_LOG: Final = logging.getLogger("smimekit.gateway")
_PATIENCE: Final = 100.0
"""Seconds that a client may wait before DATA: it gives us two minutes (RFC 5321, 4.5.3.2.4)."""
_MOMENT: Final = 0.02
_DAY: Final = 86_400.0
_DOUBT: Final = 3 * 3600.0
"""Seconds for which what was done is remembered for a client that may have heard of it and does
not name its messages: who did not hear tries again "every two or three hours" at the latest
(RFC 5321, 4.5.4.1), and who did may have another message with the same octets."""


@final
class _Place:
    """Room for one message, which is given back once."""

    def __init__(self, service: "Service", path: Path, seal: bytes) -> None:
        self._service: Final = service
        self.path: Final = path
        self.seal: Final = seal
        self._taken = True

    async def hand_over(self, task: Task) -> Sequence[Reply]:
        self._taken = False
        # Should the client hang up now, the worker goes on: the journal knows what it did.
        dealing = asyncio.ensure_future(self._deal_with(task))
        try:
            return await asyncio.shield(dealing)
        except asyncio.CancelledError:
            dealing.add_done_callback(lambda done: self._unanswered(task, done))
            raise

    def _unanswered(self, task: Task, done: "asyncio.Future[Sequence[Reply]]") -> None:
        if done.cancelled() or done.exception() is not None or task.envelope.client.ident:
            return
        if answered(task.envelope, done.result()):
            self._service.doubt(task.key)

    async def _deal_with(self, task: Task) -> Sequence[Reply]:
        try:
            return await self._service.deal_with(task)
        finally:
            self._give_back()

    def leave(self) -> None:
        if self._taken:
            self._taken = False
            self._give_back()

    def _give_back(self) -> None:
        self.path.unlink(missing_ok=True)
        self._service.give_back()


@final
class Service:
    """One gateway process: the `Reception` of its sessions."""

    def __init__(self, config: Config) -> None:
        self._config: Final = config
        self.name: Final = config.name
        self._metrics: Final = Metrics()
        program = ("smimekit.gateway.program.worker", str(config.path))
        self._pool: Final = Pool(program, config.workers, self._metrics)
        self._milters: Final[dict[str, Pool]] = {}
        self._journal: Final = Journal(config.journal)
        self._incoming: Final = IncomingFolder(config.workers.spool / "incoming")
        self._room: Final = asyncio.Semaphore(config.workers.in_flight)
        self._under_way = 0
        self._sessions: Final[set[SmtpSession]] = set()
        self._counts: Final[Counter[str]] = Counter()
        self._stopping = False
        self._digest_hours = config.digest_hours
        self._servers: Final[dict[str, asyncio.Server]] = {}

    @property
    def addresses(self) -> dict[str, Address]:
        """Where each listener is, by its name: for port 0, the port that was found."""
        milters = {
            each.name: each.address for each in self._config.listeners if each.name in self._milters
        }
        return {name: _address_of(server) for name, server in self._servers.items()} | milters

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """The workers' processes."""
        return self._pool.pids

    # --- what sessions want ---------------------------------------------------------------

    def now(self) -> datetime:
        return datetime.now(UTC)

    def arrive(self, session: SmtpSession) -> Reply | None:
        listener = session.listener
        if self._stopping or self._counts[listener.name] >= listener.connections:
            return Reply(421, "4.3.2", "Too busy now; try again")
        self._counts[listener.name] += 1
        self._sessions.add(session)
        return None

    def depart(self, session: SmtpSession) -> None:
        self._counts[session.listener.name] -= 1
        self._sessions.discard(session)

    async def place(self) -> _Place | None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._room.acquire()
        except TimeoutError:
            return None
        self._under_way += 1
        seal = random_bytes(KEY_BYTES) if self._config.workers.spool_encrypted else b""
        place = _Place(self, self._incoming.new(), seal)
        if self._stopping:
            place.leave()
            return None
        return place

    def give_back(self) -> None:
        """A message is dealt with, or did not come."""
        self._under_way -= 1
        self._room.release()

    async def deal_with(self, task: Task) -> Sequence[Reply]:
        """Have a message dealt with."""
        return await self._pool.deal_with(task)

    def forget(self, key: str, whom: Sequence[str]) -> None:
        try:
            self._journal.forget(key, whom)
        except OSError as error:
            _LOG.warning("The journal: %s", error)

    def doubt(self, key: str) -> None:
        shorter = self._config.workers.journal_days * _DAY - _DOUBT
        try:
            self._journal.age(key, time.time() - max(0.0, shorter))
        except OSError as error:
            _LOG.warning("The journal: %s", error)

    # --- coming up and going down ---------------------------------------------------------

    async def start(self) -> None:
        """Raises SmimeError and OSError; then nothing runs."""
        try:
            self._incoming.open()
            await self._pool.start()
            for listener in self._config.listeners:
                if listener.protocol is Protocol.MILTER:
                    await self._start_milter(listener)
                else:
                    self._servers[listener.name] = await self._listen(listener)
            if self._config.metrics is not None:
                self._servers[""] = await serve_metrics(self._config.metrics, self._scraped)
        except BaseException:
            await self.stop()
            raise

    async def _start_milter(self, listener: Listener) -> None:
        """A process of its own, which is watched as workers are."""
        program = (
            "smimekit.gateway.adapters.milter_process",
            str(self._config.path),
            listener.name,
        )
        settings = replace(self._config.workers, processes=1)
        milter = self._milters[listener.name] = Pool(program, settings, self._metrics)
        await milter.start()

    async def _listen(self, listener: Listener) -> asyncio.Server:
        kind = LmtpSession if listener.protocol is Protocol.LMTP else SmtpSession
        loop, address = asyncio.get_running_loop(), listener.address

        def session() -> SmtpSession:
            return kind(listener, self)

        if address.path:
            local = bound(Path(address.path), listener.mode, listener.group)
            return await loop.create_unix_server(session, sock=local)
        return await loop.create_server(session, address.host, address.port)

    async def _scraped(self) -> str:
        await asyncio.gather(*(each.scrape() for each in (self._pool, *self._milters.values())))
        return self._metrics.text()

    async def reload(self) -> None:
        """Read the file again; what is wrong in it is logged, and changes nothing."""
        try:
            config = read_config(self._config.path)
            await self._pool.reload(config.workers)
            for milter in self._milters.values():
                await milter.renew()
        except (SmimeError, OSError) as error:
            _LOG.warning("Not reloaded: %s", error)
            return
        self._digest_hours = config.digest_hours
        if config.listeners != self._config.listeners or config.metrics != self._config.metrics:
            _LOG.warning("The listeners stay as they are until the gateway is started anew")
        _LOG.info("Reloaded")

    def expire(self) -> None:
        """Forget what is too old to be asked for, and what nobody finishes. Raises OSError."""
        self._journal.expire(time.time() - self._config.workers.journal_days * _DAY)
        HoldQueue(self._config.hold).clear()

    @property
    def digest_hours(self) -> float:
        """How often the administrator is told what waits; 0 is never."""
        # A processor of somebody's own may have other rules, and another store.
        return 0 if self._config.workers.processor else self._digest_hours

    def tell_administrator(self) -> None:
        """Send the digest, where it is due. Raises SmimeError and OSError."""
        every = timedelta(hours=self.digest_hours)
        if not every:
            return
        with opened_digests(self._config) as digests:
            if not digests.send_if_due(at=self.now(), every=every):
                _LOG.warning("The next hop did not take the digest; it is tried again later")

    async def stop(self) -> None:
        """Take no more, finish what is under way, end."""
        self._stopping = True
        for server in self._servers.values():
            server.close()
        loop = asyncio.get_running_loop()
        until = loop.time() + self._config.workers.stop_seconds
        while (self._sessions or self._under_way) and loop.time() < until:
            for session in tuple(self._sessions):
                session.dismiss()
            await asyncio.sleep(_MOMENT)
        for session in tuple(self._sessions):
            session.hang_up()
        await asyncio.gather(*(each.stop() for each in (self._pool, *self._milters.values())))
        self._incoming.close()


def _address_of(server: asyncio.Server) -> Address:
    found = server.sockets[0].getsockname()
    return Address("", path=found) if isinstance(found, str) else Address(found[0], found[1])
