"""How fast a large trust store answers: `python benchmarks/store.py [--count N] [--store URL]`.

Run by hand; a test runs it with little. Fills an empty store with N synthetic certificates (no
signature on them is good: they are one certificate with another address, serial number and key
each), then measures lookups, pages, judgements, and the harvest of signed mail twice over: the
second time nothing may be written. A store that was filled before is measured as it is.

Prints medians, and the processor time of this process alone, which other programs do not
lengthen. The figures in `docs/reference/performance-of-stores.md` are from here.
"""

import argparse
import io
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count as count_up
from itertools import islice
from pathlib import Path
from typing import Any

import smimekit
from smimekit import Certificate, Policy, Purpose, Trust
from smimekit.limits import Limits
from smimekit.testing import FakeCA
from smimekit.trust import (
    ByAddress,
    ByFingerprint,
    ByIssuerSerial,
    DirectoryTrustStore,
    MemoryTrustStore,
    Sighting,
    Source,
    TrustStore,
)
from smimekit.trust.stores.sql import SqlTrustStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOURCE = Source("mail", "somebody@example.org", NOW, "<1@example.org>")
BATCH = 2_000


# --- certificates --------------------------------------------------------------------------


class Template:
    """A certificate whose address, serial number and key are replaced where they stand."""

    address = b"00000000@example.org"

    def __init__(self, made: Certificate | None = None) -> None:
        if made is None:
            made = FakeCA("Benchmark CA", now=NOW).person(self.address.decode()).certificate
        self.der = made.der
        self.serial = made.serial_bytes
        self.point = made.spki[-64:-56]
        self.key_id = made.key_id or b""

    def certificate(self, number: int) -> Certificate:
        """The certificate of this number: always the same."""
        digits = b"%08d" % number
        found = self.der.replace(self.address, digits + self.address[8:])
        found = found.replace(self.serial, b"\x01" + digits + self.serial[9:])
        found = found.replace(self.point, digits)
        return Certificate(found.replace(self.key_id, digits + self.key_id[8:]))


def template_of(store: TrustStore) -> Template | None:
    """That of a store that was filled before; the first certificate is as good as the template."""
    found = store.records(ByAddress(Template.address.decode()))
    return Template(found[0].certificate) if found else None


def batches(template: Template, count: int) -> Iterator[list[Sighting]]:
    numbers = iter(range(count))
    while part := list(islice(numbers, BATCH)):
        yield [Sighting(certificate=template.certificate(number), source=SOURCE) for number in part]


def fill(store: TrustStore, template: Template, count: int) -> None:
    started = time.perf_counter()
    for number, part in enumerate(batches(template, count), start=1):
        store.put_all(part, at=NOW)
        if number % 50 == 0:
            rate = number * BATCH / (time.perf_counter() - started)
            print(f"  {number * BATCH:>9} certificates, {rate:.0f}/s", flush=True)
    print(f"filled with {count} in {time.perf_counter() - started:.0f} s")


# --- measuring -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Figure:
    """What one action took, in microseconds: the median, the slowest hundredth, and our part."""

    name: str
    median: float
    late: float
    own: float


def measure(name: str, action: Callable[[int], object], numbers: Sequence[int]) -> Figure:
    action(numbers[0])
    times = []
    busy = time.process_time()
    for number in numbers:
        started = time.perf_counter()
        action(number)
        times.append(time.perf_counter() - started)
    own = (time.process_time() - busy) / len(numbers) * 1e6
    times.sort()
    median, late = statistics.median(times) * 1e6, times[len(times) * 99 // 100] * 1e6
    print(
        f"{name:<36} median {median:9.1f} us   99 % {late:9.1f} us   own {own:8.1f} us", flush=True
    )
    return Figure(name, median, late, own)


def lookups(store: TrustStore, template: Template, count: int, times: int = 2_000) -> list[Figure]:
    numbers = [random.randrange(count) for _ in range(times)]  # noqa: S311 - no secret
    made = {number: template.certificate(number) for number in numbers}
    for one in made.values():
        assert one.fingerprint

    def by_address(number: int) -> None:
        (record,) = store.records(ByAddress(f"{number:08}@example.org"))
        assert record.certificate == made[number]

    def by_fingerprint(number: int) -> None:
        assert len(store.records(ByFingerprint(made[number].fingerprint))) == 1

    def by_issuer_serial(number: int) -> None:
        one = made[number]
        assert len(store.records(ByIssuerSerial(one.issuer, one.serial))) == 1

    def known_again(number: int) -> None:
        sighting = Sighting(certificate=made[number], source=SOURCE)
        store.put_all((sighting,), at=NOW + timedelta(hours=1))

    return [
        measure("by address", by_address, numbers),
        measure("by fingerprint", by_fingerprint, numbers),
        measure("by issuer and serial number", by_issuer_serial, numbers),
        measure("a known certificate seen again", known_again, numbers),
        measure("version", lambda _: store.version(), numbers),
        measure(
            "a page of 50, anywhere",
            lambda number: store.page(after=made[number].fingerprint, limit=50),
            numbers[:50],
        ),
        measure("the first page of 50", lambda _: store.page(limit=50), numbers[:50]),
    ]


def listings(url: str, template: Template, count: int, times: int = 20) -> list[Figure]:
    """The command: a connection, a page, and a judgement of each certificate for each purpose."""
    from smimekit.cli import app  # noqa: PLC0415 - an extra

    def listed(*words: str) -> None:
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()):
            assert app.run(["trust", "list", "--store", url, "--limit", "50", *words]) == 0
        assert out.getvalue()

    def anywhere(number: int) -> None:
        listed("--after", template.certificate(number).fingerprint)

    numbers = [random.randrange(count) for _ in range(times)]  # noqa: S311 - no secret
    return [
        measure("trust list, the first 50", lambda _: listed(), numbers),
        measure("trust list, 50 anywhere", anywhere, numbers),
    ]


class Judged:
    """People to judge, by a clock that goes on: no two judgements are of the same time."""

    def __init__(self) -> None:
        self.ca = FakeCA("Judging CA", now=NOW)
        self.people = [self.ca.intermediate().person(f"{one}@example.net") for one in range(20)]
        self._ticks = count_up()

    def trust(self, store: TrustStore, policy: Policy = Policy.INTEROP) -> Trust:
        return Trust(store, anchors=[self.ca.certificate], clock=self._now, policy=policy)

    def _now(self) -> datetime:
        return NOW + timedelta(microseconds=next(self._ticks))

    def judge(self, trust: Trust, number: int) -> None:
        who = self.people[number % len(self.people)]
        found = trust.judge(who.certificate, Purpose.VERIFY, extra_certificates=who.chain)
        assert found.status == "trusted"


def judgements(store: TrustStore, times: int = 5_000) -> list[Figure]:
    judged = Judged()
    fresh = judged.trust(
        store, replace(Policy.INTEROP, limits=replace(Limits(), judgement_bytes=0))
    )
    few = range(max(1, times // 25))
    return [
        measure("a judgement, made", lambda one: judged.judge(fresh, one), few),
        kept("a judgement, kept", store, judged, times),
    ]


def kept(name: str, store: TrustStore, judged: Judged, times: int = 5_000) -> Figure:
    trust = judged.trust(store)
    for number in range(len(judged.people)):
        judged.judge(trust, number)
    return measure(name, lambda number: judged.judge(trust, number), range(times))


def small_stores(times: int = 5_000) -> list[Figure]:
    """The other stores, which hold less: only what does not depend on how much."""
    judged = Judged()
    with tempfile.TemporaryDirectory() as folder:
        return [
            kept("kept, in memory", MemoryTrustStore(), judged, times),
            kept("kept, in a folder", DirectoryTrustStore(f"{folder}/store"), judged, times),
        ]


def settle(url: str, times: int = 5_000) -> list[Figure]:
    """The size of a store that was filled; of a server, also what the way to it costs by itself."""
    if url.startswith("sqlite:"):
        path = Path(url.removeprefix("sqlite:///"))
        size = sum(one.stat().st_size for one in path.parent.glob(f"{path.name}*"))
        print(f"{size >> 20} MiB on disk")
        return []
    import psycopg  # noqa: PLC0415 - an extra

    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("VACUUM ANALYZE")  # which else comes by itself, in the middle
        size_of = "SELECT pg_database_size(current_database())"
        ((size,),) = connection.execute(size_of).fetchall()
        print(f"{size >> 20} MiB on disk")
        cursor = connection.cursor()

        def by_psycopg(_: int) -> None:
            cursor.execute("SELECT 1").fetchall()

        def by_libpq(_: int) -> None:
            connection.pgconn.exec_(b"SELECT 1")

        return [
            measure("SELECT 1, by psycopg", by_psycopg, range(times)),
            measure("SELECT 1, by libpq", by_libpq, range(times)),
        ]


# --- harvests ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Harvested:
    """What a mail took, in microseconds, our part of it, and for how many something was written."""

    each: float
    own: float
    writes: int


@contextmanager
def writes_seen(url: str) -> Iterator[Callable[[], bool]]:
    """Whether anybody has written in the database since this was last asked: it says so itself."""
    watching: Any
    if url.startswith("sqlite:"):
        asked = "PRAGMA data_version"
        watching = sqlite3.connect(url.removeprefix("sqlite:///"))
    else:
        import psycopg  # noqa: PLC0415 - an extra

        asked = "SELECT pg_snapshot_xmax(pg_current_snapshot())"  # reading takes no number
        watching = psycopg.connect(url, autocommit=True)
    with closing(watching):
        last = watching.execute(asked).fetchone()

        def written() -> bool:
            nonlocal last
            last, before = watching.execute(asked).fetchone(), last
            return bool(last != before)

        yield written


def harvests(store: TrustStore, url: str, count: int) -> list[Harvested]:
    """Mail of one day, all of it twice."""
    ca = FakeCA("Harvested CA", now=NOW)
    sub = ca.intermediate()
    people = [sub.person(f"{number}@example.com") for number in range(max(1, count // 50))]
    trust = Trust(store, anchors=[ca.certificate], clock=lambda: NOW)
    mails = []
    for number in range(count):
        who = people[number % len(people)]
        draft = f"From: {who.addresses[0]}\n\n{number}\n".encode()
        mails.append(smimekit.sign(draft, who, at=NOW))
    found = []
    for times in ("the first time", "again"):
        with writes_seen(url) as written:
            found.append(harvest_all(mails, store, trust, written))
        print(
            f"{count} mails of {len(people)} people opened, judged and harvested {times}: "
            f"{found[-1].each:.0f} us each, own {found[-1].own:.0f} us, "
            f"{found[-1].writes} of them wrote",
            flush=True,
        )
    return found


def harvest_all(
    mails: Sequence[bytes], store: TrustStore, trust: Trust, written: Callable[[], bool]
) -> Harvested:
    took, own, writes = 0.0, 0.0, 0
    for number, mail in enumerate(mails):
        at = NOW + number * timedelta(hours=11) / len(mails)
        started, busy = time.perf_counter(), time.process_time()
        with smimekit.open(mail, trust=trust, at=at) as opened:
            found = smimekit.harvest(opened)
        found.put_into(store, at=at, reference=f"<{number}@example.com>")
        took += time.perf_counter() - started
        own += time.process_time() - busy
        writes += written()
    return Harvested(took / len(mails) * 1e6, own / len(mails) * 1e6, writes)


# --- all of it -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was measured on one store."""

    figures: list[Figure]
    harvested: list[Harvested]


def run(url: str, count: int, mails: int, effort: float = 1.0) -> Report:
    """Fill a store, or take it as it is, and measure it. `effort`: of the usual repetitions."""
    with SqlTrustStore(url) as store:
        template = template_of(store)
        if template is None:
            assert not store.page(limit=1), "the store holds other things"
            template = Template()
            fill(store, template, count)
        figures = [
            *settle(url, int(5_000 * effort)),
            *lookups(store, template, count, int(2_000 * effort)),
            *listings(url, template, count, max(1, int(20 * effort))),
            *judgements(store, int(5_000 * effort)),
            *small_stores(int(5_000 * effort)),
        ]
        return Report(figures, harvests(store, url, mails))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--mails", type=int, default=10_000)
    parser.add_argument(
        "--store",
        help="sqlite:///... or postgresql://..., empty or filled by this; "
        "without it, SQLite in a temporary folder",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.store or f"sqlite:///{folder}/trust.db"
        report = run(url, options.count, options.mails)
    return 0 if report.harvested[-1].writes == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
