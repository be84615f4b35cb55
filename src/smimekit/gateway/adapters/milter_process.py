"""A process that is a milter: libmilter wants one for itself, with its own threads and signals.

Knows how it is made from a gateway's file, and when it ends: when its standard input does, which
its parent holds. May not know what becomes of a mail.
"""

import logging
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from json import dumps
from pathlib import Path
from typing import Final, final

import Milter
import milter

from smimekit.errors import GatewayError, SmimeError
from smimekit.gateway.adapters.local_socket import admit
from smimekit.gateway.adapters.milter import MilterSession
from smimekit.gateway.adapters.precheck import Planner
from smimekit.gateway.handover.relay import Relay
from smimekit.gateway.handover.transaction import Desk
from smimekit.gateway.program.assembly import assembled
from smimekit.gateway.program.config import Address, Config, Listener, read_config
from smimekit.gateway.program.tasks import SAMPLES, write_samples
from smimekit.message.spool import Spool
from smimekit.span import CHUNK

__all__ = ["main"]

_MOMENT: Final = 0.02
_PAUSE: Final = 0.25
_PROBE_SECONDS: Final = 2.0
_PATIENCE: Final = 100.0
"""Seconds that a message waits for its turn; Postfix waits for five minutes."""


@final
class _Counter:
    """What the sessions of the process share (`milter.Counter`)."""

    def __init__(self, config: Config, desk: Desk) -> None:
        self.name: Final = config.name
        processor = desk.processor
        self.planner: Final = processor if isinstance(processor, Planner) else None
        self._desk: Final = desk
        self._folder: Final[Path] = config.workers.spool
        self._encrypted: Final = config.workers.spool_encrypted
        self._relays: Final[queue.LifoQueue[Relay]] = queue.LifoQueue()
        self._count: Final = config.workers.threads * config.workers.processes
        for _ in range(self._count):
            self._relays.put(Relay(config.next_hop))

    def now(self) -> datetime:
        return datetime.now(UTC)

    def new_spool(self) -> Spool:
        return Spool(CHUNK, encrypted=self._encrypted, folder=self._folder)

    @contextmanager
    def desk(self) -> Iterator[Desk | None]:
        """A desk with a connection to the next hop of its own; None when all stay busy."""
        try:
            relay = self._relays.get(timeout=_PATIENCE)
        except queue.Empty:
            yield None
            return
        try:
            yield replace(self._desk, courier=lambda: relay)
        finally:
            self._relays.put(relay)

    def forget(self, key: str, whom: Sequence[str]) -> None:
        self._desk.journal.forget(key, whom)

    def finish(self, seconds: float) -> None:
        """Take every desk away, when what is done at it is done."""
        for _ in range(self._count):
            with suppress(queue.Empty):
                self._relays.get(timeout=seconds).close()


def main(path: str, name: str) -> int:
    """Be the milter of one listener until standard input ends."""
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)  # they are for the parent, which says when to end
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO)
    try:
        config = read_config(path)
        listener = next(each for each in config.listeners if each.name == name)
        with assembled(config) as assembly:
            counter = _Counter(config, assembly.desk)
            _listen(listener, counter, config.workers.stop_seconds)
            output.write(b'{"ready": true}\n')
            for line in sys.stdin.buffer:
                if line == SAMPLES:
                    output.write(write_samples(assembly.metrics.take()))
            counter.finish(config.workers.stop_seconds)
    except (SmimeError, OSError, milter.error) as error:
        code = error.code if isinstance(error, SmimeError) else "file"
        output.write(f"{dumps({'error': str(error), 'code': code})}\n".encode())
        return 1
    return 0


def _listen(listener: Listener, counter: _Counter, patience: float) -> None:
    """Return when it listens. Raises GatewayError (`gateway.milter`) where it cannot.

    `patience` is how many seconds to wait for one before us, which finishes what it has: its
    gateway was killed, perhaps. A socket of the file system needs none: it is replaced.
    """
    Milter.factory = lambda: MilterSession(listener, counter)
    milter.set_exception_policy(Milter.TEMPFAIL)
    milter.set_flags(Milter.ADDHDRS | Milter.CHGHDRS | Milter.CHGBODY)
    listens, ended = threading.Event(), threading.Event()
    where = _socket(listener.address)
    until = time.monotonic() + patience
    while not listener.address.path and _takes_connections(listener.address):
        if time.monotonic() > until:
            raise _deaf(where)
        ended.wait(_PAUSE)
    threading.Thread(target=_run, args=(where, listens, ended), daemon=True).start()
    while not _takes_connections(listener.address):
        if ended.wait(_MOMENT):
            raise _deaf(where)
    if listener.address.path:
        admit(Path(listener.address.path), listener.mode, listener.group)
    listens.set()
    if ended.is_set():  # it was somebody else who took the connection
        raise _deaf(where)


def _deaf(where: str) -> GatewayError:
    return GatewayError(
        f"The milter cannot listen at {where}: the log says why.", code="gateway.milter"
    )


def _run(where: str, listens: threading.Event, ended: threading.Event) -> None:
    try:
        Milter.runmilter("smimekit", where)
    finally:
        ended.set()
        if listens.is_set():
            os._exit(1)  # nobody listens any more: the parent starts another


def _takes_connections(address: Address) -> bool:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(socket.AF_UNIX if address.path else family) as probe:
        probe.settimeout(_PROBE_SECONDS)
        return probe.connect_ex(address.path or (address.host, address.port)) == 0


def _socket(address: Address) -> str:
    if address.path:
        return f"unix:{address.path}"
    family = "inet6" if ":" in address.host else "inet"
    return f"{family}:{address.port}@{address.host}"


if __name__ == "__main__":
    status = main(sys.argv[1], sys.argv[2])
    sys.stderr.flush()
    os._exit(status)  # libmilter's threads end with the process, not before it
