"""The points of each curve: what is done more and more of. Knows nothing of pages or plots."""

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final, TypeAlias

import smimekit
from benchmarks.material import BODY, HEADER, make, make_large
from benchmarks.operations import Sizes
from benchmarks.store import NOW, SOURCE, Template, batches
from smimekit import Certificate, Credential, Trust
from smimekit.testing import FakeCA
from smimekit.trust import ByAddress, Sighting, TrustStore
from smimekit.trust.stores.sql import SqlTrustStore

__all__ = ["Points", "Reach", "messages", "recipients", "signers", "stores", "workers"]

Points: TypeAlias = dict[str, list[tuple[float, float]]]

_ROOT: Final = Path(__file__).resolve().parent.parent
_VERBS: Final = ("sign", "verify", "encrypt", "decrypt")
_DRAFT: Final = HEADER + BODY


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the curves go."""

    octets: tuple[int, ...] = (1_000, 16_000, 256_000, 4_000_000, 64_000_000, 256_000_000)
    recipients: tuple[int, ...] = (1, 10, 100, 1_000, 10_000)
    signers: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 50)
    stored: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    workers: tuple[int, ...] = (1, 2, 4, 8, 16)
    messages: int = 400
    """For each number of threads or processes."""
    huge: bool = False
    """4 GB, too: it takes 18 GB of the disk."""

    @classmethod
    def tiny(cls) -> "Reach":
        """As little as shows that everything runs."""
        return cls((1_000, 4_000), (1, 3), (1, 2), (50, 100), (1, 2), 4)

    @property
    def all_octets(self) -> tuple[int, ...]:
        """The sizes of messages."""
        return (*self.octets, 1_000_000_000, 4_000_000_000) if self.huge else self.octets


def _seconds(action: Callable[[], object], least: float = 0.05) -> float:
    """Processor time of one run: the best of several, where it is short."""
    action()
    best, begun = math.inf, time.process_time()
    while True:
        before = time.process_time()
        action()
        best = min(best, time.process_time() - before)
        if time.process_time() - begun >= least:
            return best


# --- messages, in a process of their own for each point ------------------------------------


@cache
def messages(folder: Path, reach: Reach) -> tuple[Points, Points]:
    """Time and memory against the octets of a message."""
    seconds: Points = {verb: [] for verb in _VERBS}
    memory: Points = {verb: [] for verb in _VERBS}
    make(folder, Sizes(mails=1, many=1))
    for size in reach.all_octets:
        make_large(folder, Sizes(large=size), peers=False)
        for verb in _VERBS:
            done = _measured(folder, f"{verb}-large")
            seconds[verb].append((size, done["seconds"]))
            memory[verb].append((size, done["peak"]))
    return seconds, memory


def _measured(folder: Path, operation: str) -> Mapping[str, float]:
    command = [sys.executable, "-m", "benchmarks.one", "smimekit", str(folder)]
    paths = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(  # noqa: S603
        [*command, "--operation", operation],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    found: Mapping[str, float] = json.loads(done.stdout)
    return found


# --- recipients and signers ----------------------------------------------------------------


def recipients(reach: Reach) -> Points:
    """One key, and a certificate with another serial number for each recipient."""
    ca = FakeCA("Benchmark CA")
    who = ca.person("alice@example.org", key="rsa-2048")
    others = [_renumbered(who.certificate, number) for number in range(max(reach.recipients) - 1)]
    points: Points = {"encrypt": [], "decrypt": []}
    for count in reach.recipients:
        to = [*others[: count - 1], who.certificate]
        mail = smimekit.encrypt(_DRAFT, to=to)
        points["encrypt"].append((count, _seconds(partial(smimekit.encrypt, _DRAFT, to=to))))
        points["decrypt"].append((count, _seconds(partial(smimekit.decrypt, mail, keys=[who]))))
    return points


def _renumbered(certificate: Certificate, number: int) -> Certificate:
    """Its signature is no longer good, which nobody looks at who encrypts."""
    serial = certificate.serial_bytes
    other = b"\x01" + number.to_bytes(len(serial) - 1, "big")
    return Certificate(certificate.der.replace(serial, other, 1))


def signers(reach: Reach) -> Points:
    """All of one mail: that of the sender, and more beside it."""
    ca = FakeCA("Benchmark CA")
    people = [ca.person("alice@example.org", name=str(n)) for n in range(max(reach.signers))]
    trust = Trust(anchors=[ca.certificate])
    points: Points = {"sign": [], "verify": []}
    for count in reach.signers:
        mail = smimekit.sign(_DRAFT, people[:count])
        points["sign"].append((count, _seconds(partial(smimekit.sign, _DRAFT, people[:count]))))
        points["verify"].append((count, _seconds(partial(smimekit.verify, mail, trust))))
    return points


# --- stores --------------------------------------------------------------------------------


def stores(folder: Path, reach: Reach) -> Points:
    """What one lookup, one page and one sighting take, the fuller the store is."""
    template = Template()
    points: Points = {"look up an address": [], "see one again": [], "a page of 50": []}
    full = 0
    with SqlTrustStore(f"sqlite:///{folder}/trust.db") as store:
        for part in _growing(template, reach.stored):
            store.put_all(part, at=NOW)
            full += len(part)
            if full in reach.stored:
                for name, seconds in _asked(store, template, full).items():
                    points[name].append((full, seconds))
    return points


def _growing(template: Template, stored: Sequence[int]) -> Iterable[list[Sighting]]:
    """Batches that end at each of the sizes."""
    waiting: list[Sighting] = []
    full = 0
    for part in batches(template, max(stored)):
        for one in part:
            waiting.append(one)
            full += 1
            if full in stored:
                yield waiting
                waiting = []
        if waiting:
            yield waiting
        waiting = []


def _asked(store: TrustStore, template: Template, full: int) -> dict[str, float]:
    numbers = sorted({full * step // 211 for step in range(210)})
    made = {number: template.certificate(number) for number in numbers}
    again = [(Sighting(certificate=one, source=SOURCE),) for one in made.values()]
    at = NOW + timedelta(hours=1)
    return {
        "look up an address": _each(
            lambda number: store.records(ByAddress(f"{number:08}@example.org")), numbers
        ),
        "see one again": _each(
            lambda number: store.put_all(again[number], at=at), range(len(again))
        ),
        "a page of 50": _each(
            lambda number: store.page(after=made[number].fingerprint, limit=50), numbers[:50]
        ),
    }


def _each(action: Callable[[int], object], numbers: Sequence[int]) -> float:
    action(numbers[0])
    begun = time.process_time()
    for number in numbers:
        action(number)
    return max(1e-7, (time.process_time() - begun) / len(numbers))


# --- threads and processes -----------------------------------------------------------------


def workers(reach: Reach) -> Points:
    """Messages per second, on the wall; of threads alone in a Python without the lock."""
    pools: dict[str, Callable[[int], Executor]] = {
        "threads": ThreadPoolExecutor,
        "processes": _processes,
    }
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        pools = {"no lock": ThreadPoolExecutor}
    return {
        f"{verb}, {name}": [
            (count, _throughput(pool(count), verb, reach.messages)) for count in reach.workers
        ]
        for verb in ("sign", "verify")
        for name, pool in pools.items()
    }


def _processes(count: int) -> Executor:
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"))


def _throughput(pool: Executor, verb: str, count: int) -> float:
    with pool:
        list(pool.map(_job, [verb] * count, chunksize=8))  # everybody is started, and warm
        begun = time.perf_counter()
        list(pool.map(_job, [verb] * count, chunksize=8))
        return count / (time.perf_counter() - begun)


def _job(verb: str) -> None:
    who, trust, mail = _shared()
    if verb == "sign":
        smimekit.sign(_DRAFT, who)
    else:
        smimekit.verify(mail, trust)


@cache
def _shared() -> tuple[Credential, Trust, bytes]:
    """Of one process: the same for all of its threads."""
    ca = FakeCA("Benchmark CA")
    who = ca.person("alice@example.org", key="rsa-2048")
    return who, Trust(anchors=[ca.certificate]), smimekit.sign(_DRAFT, who)
