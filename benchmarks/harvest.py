"""How fast a mailbox is harvested, and how fast again: `python benchmarks/harvest.py [--count N]`.

Run by hand. Makes a Maildir of N mails, each signed by one of a hundred people, and harvests it
into SQLite: with a new journal, with the same journal again, and in two processes. Prints wall
and processor time, how often the database was written, and whether the records are the same.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import smimekit
from smimekit import Certificate, Trust
from smimekit.harvesting import Journal, Reader, harvest_mailbox
from smimekit.mailboxes import open_place
from smimekit.testing import FakeCA
from smimekit.trust import Record, open_store
from smimekit.trust.stores.sql import SqlTrustStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Making:
    """Makes what each process reads with."""

    anchors: tuple[Certificate, ...]

    def __call__(self) -> Reader:
        return Reader(trust=Trust(anchors=self.anchors, clock=lambda: NOW), at=NOW)


def mailbox(path: Path, ca: FakeCA, count: int) -> None:
    authorities = [ca.intermediate(f"CA {number}") for number in range(5)]
    people = [authorities[number % 5].person(f"{number}@example.org") for number in range(100)]
    for part in ("new", "cur", "tmp"):
        (path / part).mkdir(parents=True)
    for number, who in enumerate(islice(cycle(people), count)):
        draft = f"From: {who.addresses[0]}\nMessage-ID: <{number}@example.org>\n\n{number}\n"
        mail = smimekit.sign(draft.encode(), who, at=NOW)
        (path / "cur" / f"{number}.host:2,S").write_bytes(mail)


def everything(store: SqlTrustStore) -> tuple[Record, ...]:
    return store.page(limit=10_000)


def run(folder: Path, making: Making, name: str, jobs: int) -> tuple[Record, ...]:
    store = open_store(f"sqlite:///{folder}/{name}.db")
    assert isinstance(store, SqlTrustStore)
    with store, Journal(folder / f"{name}.journal", source="mail", store=name) as journal:
        reports = harvest_mailbox(
            store, open_place(folder / "mail"), reader=making, journal=journal, jobs=jobs
        )
        read = sum(1 for _ in reports)
        print(f"  {read} messages read")
        return everything(store)


def timed(name: str, action: Callable[[], tuple[Record, ...]]) -> tuple[tuple[Record, ...], float]:
    print(name)
    wall, own = time.perf_counter(), time.process_time()
    found = action()
    wall, own = time.perf_counter() - wall, time.process_time() - own
    print(f"  {wall:.2f} s, {own:.2f} s of this process; {len(found)} records", flush=True)
    return found, own


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    options = parser.parse_args()
    ca = FakeCA("Benchmark CA", now=NOW)
    making = Making((ca.certificate,))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mailbox(folder / "mail", ca, options.count)
        first, took = timed("for the first time", partial(run, folder, making, "one", 1))
        second, again = timed("again", partial(run, folder, making, "one", 1))
        print(f"  {took / again:.0f} times as fast, by processor time")
        several, _ = timed("in two processes", partial(run, folder, making, "two", 2))
        print(f"the same records: {first == second == several}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
