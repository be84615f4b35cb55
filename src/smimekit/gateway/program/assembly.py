"""Puts a gateway together from its file: what a worker deals with messages by.

Knows the configuration, and who is made from which part of it. May not know how any of them
does its work.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final, final

from smimekit.errors import GatewayError, StoreError
from smimekit.gateway.events import NO_EVENTS, Events
from smimekit.gateway.gateway import Gateway, Processor
from smimekit.gateway.handover.hold import HoldQueue
from smimekit.gateway.handover.journal import Journal
from smimekit.gateway.handover.next_hop import NextHop
from smimekit.gateway.handover.relay import Courier, Relay
from smimekit.gateway.handover.transaction import Desk
from smimekit.gateway.program.bookkeeping import WithHooks, bookkeeping
from smimekit.gateway.program.config import Config, Keys, Store
from smimekit.gateway.program.digesting import Digests
from smimekit.gateway.reports.dsn import bounce, relayed
from smimekit.gateway.reports.metrics import Metrics
from smimekit.gateway.rules.file import RulesFile
from smimekit.keys import KeyRing
from smimekit.keys.folder import KeyFolder, password_from_environment, password_from_file
from smimekit.keys.master import MasterKeys
from smimekit.keys.ring import KeySource
from smimekit.message.bundle import load_certificates
from smimekit.policy import Policy
from smimekit.trust import Trust
from smimekit.trust.stores.opening import open_store, store_is_there

__all__ = [
    "Assembly",
    "assembled",
    "check_imports",
    "now",
    "opened_digests",
    "opened_gateway",
]


@final
@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts that others talk to."""

    desk: Desk
    metrics: Metrics


def now() -> datetime:
    """The clock of the adapters: the core has none."""
    return datetime.now(UTC)


@final
class _Couriers:
    """A courier for each thread: each keeps a connection."""

    def __init__(self, hop: NextHop) -> None:
        self._hop: Final = hop
        self._mine: Final = threading.local()
        self._all: Final[list[Relay]] = []

    def __call__(self) -> Courier:
        found: Relay | None = getattr(self._mine, "relay", None)
        if found is None:
            found = self._mine.relay = Relay(self._hop)
            self._all.append(found)
        return found

    def close(self) -> None:
        """Hang up everywhere. The threads have ended."""
        for each in self._all:
            each.close()


@contextmanager
def assembled(config: Config) -> Iterator[Assembly]:
    """A desk that is ready. Raises SmimeError and OSError where something is missing or wrong."""
    metrics = Metrics()
    couriers = _Couriers(config.next_hop)
    with closing(couriers), _processor(config, metrics) as processor:
        desk = Desk(
            processor=processor,
            courier=couriers,
            bounce=partial(bounce, reporting_mta=config.name),
            relayed=partial(relayed, reporting_mta=config.name),
            journal=Journal(config.journal),
            hold=HoldQueue(config.hold),
            now=now,
        )
        yield Assembly(desk, metrics)


@contextmanager
def _processor(config: Config, metrics: Metrics) -> Iterator[Processor]:
    if config.workers.processor:
        processor: Processor = _named(config, "processor")(config.path)
        yield processor
        return
    with bookkeeping(config.audit, metrics) as books:
        events: Events = books
        if config.workers.events:
            events = WithHooks(_named(config, "events")(config.path), books)
        with opened_gateway(config, events) as found:
            yield found


@contextmanager
def opened_gateway(config: Config, events: Events = NO_EVENTS) -> Iterator[Gateway]:
    """The core, with the rules, the store and the keys that the file names.

    The rules are read again when the file has changed. Raises SmimeError and OSError.
    """
    rules = RulesFile(config.path)
    ring = _keys(config.keys)
    with _trust(config.store) as trust:
        yield Gateway(rules=rules, trust=trust, keys=ring, events=events, policy=_policy(config))


def _policy(config: Config) -> Policy:
    """The usual one; what goes to the disk is encrypted there, unless the file says otherwise."""
    limits = replace(Policy.INTEROP.limits, spool_encrypted=config.workers.spool_encrypted)
    return replace(Policy.INTEROP, limits=limits)


@contextmanager
def opened_digests(config: Config) -> Iterator[Digests]:
    """Who tells the administrator what waits. Raises SmimeError and OSError."""
    with _trust(config.store) as trust, closing(Relay(config.next_hop)) as courier:
        rules = RulesFile(config.path).rules
        yield Digests(folder=config.digests, rules=rules, trust=trust, courier=courier)


@contextmanager
def _trust(settings: Store) -> Iterator[Trust]:
    """Whom to trust: the store, and the anchors in files. Raises SmimeError and OSError."""
    anchors = [
        each for name in settings.anchors for each in load_certificates(Path(name).read_bytes())
    ]
    if settings.must_exist and not store_is_there(settings.url):
        raise StoreError(
            "There is no trust store where [store] says, and must_exist = true. Is a disk not "
            "mounted? Put a backup there; or, to begin without any decision, take must_exist out.",
            code="store.missing",
        )
    store = open_store(settings.url)
    try:
        yield Trust(store, anchors=anchors)
    finally:
        close = getattr(store, "close", None)
        if close is not None:
            close()


def _keys(keys: Keys) -> KeyRing:
    sources: list[KeySource] = []
    if keys.folder is not None:
        if keys.password_file is not None:
            password = password_from_file(keys.password_file)
        else:
            password = password_from_environment(keys.password_env or "")
        sources.append(KeyFolder(keys.folder, password))
    if keys.database is None or keys.master_key_file is None:
        return KeyRing(*sources)
    from smimekit.keys.sql import SqlKeyStore  # noqa: PLC0415 - needs the extra `sql`

    master = Path(keys.master_key_file)
    masters = MasterKeys(master.name, {master.name: master.read_bytes()})
    with SqlKeyStore(keys.database, masters) as database:
        return KeyRing(*sources, database)


def check_imports(config: Config) -> None:
    """GatewayError where what [workers] names in Python is not there; nothing is called."""
    for key in ("processor", "events"):
        if getattr(config.workers, key):
            _named(config, key)


def _named(config: Config, key: str) -> Callable[[Path], Any]:
    """What a key in [workers] names: it is to be called with the file's path."""
    text = getattr(config.workers, key)
    module, _, name = text.partition(":")
    try:
        found: Callable[[Path], Any] = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise GatewayError(
            f"{config.path}: {key} in [workers] names {text!r}, which cannot be imported: "
            f"{error}. It has to be installed beside smimekit, or found by PYTHONPATH.",
            code="gateway.processor",
        ) from error
    return found
