"""Puts a gateway together from its file: what a worker deals with messages by.

Knows the configuration, and who is made from which part of it. May not know how any of them
does its work.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Final, final

from smimekit.errors import GatewayError
from smimekit.gateway.config import Config
from smimekit.gateway.dsn import bounce
from smimekit.gateway.hold import HoldQueue
from smimekit.gateway.journal import Journal
from smimekit.gateway.metrics import Metrics
from smimekit.gateway.next_hop import NextHop
from smimekit.gateway.relay import Courier, Relay
from smimekit.gateway.transaction import Desk, Processor

__all__ = ["Assembly", "assembled", "journal_of", "now"]


@final
@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts that others talk to."""

    desk: Desk
    metrics: Metrics


def now() -> datetime:
    """The clock of the adapters: the core has none."""
    return datetime.now(UTC)


def journal_of(config: Config) -> Journal:
    """Where it is remembered what was done."""
    return Journal(config.workers.spool / "journal")


@final
class _Couriers:
    """A courier for each thread: each keeps a connection."""

    def __init__(self, hop: NextHop) -> None:
        self._hop: Final = hop
        self._mine: Final = threading.local()

    def __call__(self) -> Courier:
        found: Relay | None = getattr(self._mine, "relay", None)
        if found is None:
            found = self._mine.relay = Relay(self._hop)
        return found


@contextmanager
def assembled(config: Config) -> Iterator[Assembly]:
    """A desk that is ready. Raises SmimeError and OSError where something is missing or wrong."""
    metrics = Metrics()
    with _processor(config, metrics) as processor:
        desk = Desk(
            processor=processor,
            courier=_Couriers(config.next_hop),
            bounce=partial(bounce, reporting_mta=config.name),
            journal=journal_of(config),
            hold=HoldQueue(config.hold),
            now=now,
        )
        yield Assembly(desk, metrics)


@contextmanager
def _processor(config: Config, metrics: Metrics) -> Iterator[Processor]:
    if config.workers.processor:
        yield _own(config)
        return
    raise NotImplementedError


def _own(config: Config) -> Processor:
    """What `processor` in [workers] names, called with the file's path."""
    module, _, name = config.workers.processor.partition(":")
    try:
        make: Callable[[Path], Processor] = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise GatewayError(
            f"{config.path}: processor in [workers] names {config.workers.processor!r}, which "
            f"cannot be imported: {error}.",
            code="gateway.processor",
        ) from error
    return make(config.path)
