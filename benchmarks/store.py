"""How fast a large trust store answers: `python benchmarks/store.py [--count N] [--store URL]`.

Run by hand. Fills an empty store with N synthetic certificates (no signature on them is good:
they are one certificate with another address, serial number and key each), then measures
lookups, pages, the harvest of what is known, and judgements. Prints medians, and the processor
time of this process alone, which other programs do not lengthen.
"""

import argparse
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import smimekit
from smimekit import Certificate, Purpose, Trust
from smimekit.testing import FakeCA
from smimekit.trust import (
    ByAddress,
    ByFingerprint,
    ByIssuerSerial,
    Sighting,
    Source,
    TrustStore,
    open_store,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOURCE = Source("mail", "somebody@example.org", NOW, "<1@example.org>")
BATCH = 2_000


class Template:
    """A certificate whose address, serial number and key are replaced where they stand."""

    def __init__(self) -> None:
        self.address = b"00000000@example.org"
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


def measure(name: str, action: Callable[[int], object], numbers: Sequence[int]) -> None:
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


def lookups(store: TrustStore, template: Template, count: int) -> None:
    numbers = [random.randrange(count) for _ in range(2_000)]  # noqa: S311 - no secret
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

    measure("by address", by_address, numbers)
    measure("by fingerprint", by_fingerprint, numbers)
    measure("by issuer and serial number", by_issuer_serial, numbers)
    measure("a known certificate seen again", known_again, numbers)
    measure("version", lambda _: store.version(), numbers)
    starts = numbers[:50]
    measure(
        "a page of 50, anywhere",
        lambda number: store.page(after=made[number].fingerprint, limit=50),
        starts,
    )
    measure("the first page of 50", lambda _: store.page(limit=50), starts)


def judgements(store: TrustStore) -> None:
    ca = FakeCA("Judging CA", now=NOW)
    people = [ca.intermediate().person(f"{number}@example.net") for number in range(20)]
    trust = Trust(store, anchors=[ca.certificate], clock=lambda: NOW)
    fresh = Trust(store, anchors=[ca.certificate], clock=lambda: NOW, cache=0)

    def judge(trust: Trust, number: int) -> None:
        who = people[number % len(people)]
        found = trust.judge(who.certificate, Purpose.VERIFY, extra_certificates=who.chain)
        assert found.status == "trusted"

    for number in range(len(people)):
        judge(trust, number)
    measure("a judgement, made", lambda number: judge(fresh, number), range(200))
    measure("a judgement, cached", lambda number: judge(trust, number), range(5_000))


def harvests(store: TrustStore, path: Path, count: int) -> None:
    """Mail of one day by people who are known after the first ones: how often is written?"""
    ca = FakeCA("Harvested CA", now=NOW)
    people = [ca.intermediate().person(f"{number}@example.com") for number in range(20)]
    trust = Trust(store, anchors=[ca.certificate], clock=lambda: NOW)
    watching = sqlite3.connect(path)
    versions = set()
    started = time.perf_counter()
    for number in range(count):
        who = people[number % len(people)]
        at = NOW + number * timedelta(hours=11) / count
        mail = smimekit.sign(f"From: {who.addresses[0]}\n\n{number}\n".encode(), who, at=at)
        with smimekit.open(mail, trust=trust, at=at) as opened:
            found = smimekit.harvest(opened)
        found.put_into(store, at=at, reference=f"<{number}@example.com>")
        versions.update(watching.execute("PRAGMA data_version").fetchone())
    took = (time.perf_counter() - started) / count * 1e6
    watching.close()
    print(f"{count} mails signed, opened and harvested: {took:.0f} us each, {len(versions)} writes")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--mails", type=int, default=10_000)
    parser.add_argument("--store", help="an empty one; without it, SQLite in a temporary folder")
    options = parser.parse_args()
    template = Template()
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(options.store or f"sqlite:///{folder}/trust.db")
        assert not store.page(limit=1), "the store is not empty"
        fill(store, template, options.count)
        if options.store is None:
            size = sum(path.stat().st_size for path in Path(folder).iterdir())
            print(f"{size >> 20} MiB on disk")
        lookups(store, template, options.count)
        judgements(store)
        if options.store is None:
            harvests(store, Path(folder) / "trust.db", options.mails)
    return 0


if __name__ == "__main__":
    sys.exit(main())
