"""A run over a mailbox: every message once, whatever the messages are and whoever reads them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smimekit import (
    FetchError,
    HarvestReport,
    LimitExceeded,
    MemoryTrustStore,
    StoreError,
    Trust,
    UsageError,
)
from smimekit.harvesting import Journal, Reader, harvest_mailbox, learning, pool, run
from smimekit.mailboxes import Message, open_place
from smimekit.mailboxes.imap import Imap, ImapAccount, Security
from smimekit.message.receive import open_message
from smimekit.trust import Sighting, TrustStore, open_store
from tests.harvesting.support import Listed, everything, kinds, maildir_of, making, reader
from tests.mailboxes.imap_server import Script, serving
from tests.message.people import NOW

MAILS = kinds() * 3


class Counting(MemoryTrustStore):
    """A store that counts its transactions, and may fail."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[int] = []
        self.left: int | None = None

    def put_all(self, sightings: Any, *, at: datetime) -> Any:
        if self.left == 0:
            raise StoreError("The disk is full.", code="store.unavailable")
        self.left = None if self.left is None else self.left - 1
        facts: Sequence[Sighting] = tuple(sightings)
        self.written.append(len(facts))
        return super().put_all(facts, at=at)


def journal(path: Path) -> Journal:
    return Journal(path / "journal", source="listed", store="memory")


def ran(store: Any, mailbox: Any, **options: Any) -> list[HarvestReport]:
    return list(harvest_mailbox(store, mailbox, reader=options.pop("reader", making()), **options))


def names(store: TrustStore) -> list[str]:
    return [record.fingerprint for record in everything(store)]


def outcome(reports: Sequence[HarvestReport]) -> list[object]:
    return [
        (each.message, each.sender, each.new, each.known, each.reasons, str(each.error))
        for each in reports
    ]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_BATCH", 5)


@pytest.fixture
def read_messages(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each message was parsed and its signatures verified."""
    count: Counter[str] = Counter()

    def counting(source: Any, **options: Any) -> Any:
        count[source.bytes().hex()[:64]] += 1
        return open_message(source, **options)

    monkeypatch.setattr(learning, "open_message", counting)
    return count


# --- one run -------------------------------------------------------------------------------


def test_each_message_has_one_report_in_order() -> None:
    store = MemoryTrustStore()
    reports = ran(store, Listed(MAILS))
    assert [each.message for each in reports] == [f"number {at}" for at in range(len(MAILS))]
    assert [each.error is not None for each in reports] == [
        mail in (b"", b"no mail") for mail in MAILS
    ]
    new = [certificate for each in reports for certificate in each.new]
    assert len(new) == len(set(new)) == len(everything(store))


def test_a_message_alone_teaches_the_same() -> None:
    together, apart = MemoryTrustStore(), MemoryTrustStore()
    ran(together, Listed(MAILS))
    for number, mail in enumerate(MAILS):
        learning.harvest_into(
            apart, mail, trust=reader().trust, at=NOW, reference=f"number {number}"
        )
    assert everything(together) == everything(apart)


@pytest.mark.usefixtures("small_batches")
def test_the_store_is_written_in_batches() -> None:
    store = Counting()
    ran(store, Listed(MAILS))
    assert len(store.written) <= len(MAILS) // 5 + 1
    assert max(store.written) > 1


def test_batches_are_bounded_by_what_they_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_BATCH_OCTETS", 1)
    store = Counting()
    ran(store, Listed(kinds()[:4]))
    assert len(store.written) == 4


def test_a_report_comes_when_the_store_has_the_facts() -> None:
    store = Counting()
    reports = harvest_mailbox(store, Listed(MAILS), reader=reader)
    first = next(reports)
    assert set(first.new) <= {record.certificate for record in everything(store)}
    assert first.new


def test_watching_sees_every_message(tmp_path: Path) -> None:
    store = MemoryTrustStore()
    for _ in range(2):
        seen: list[Message] = []
        with Journal(tmp_path / "j", source="listed", store="memory") as kept:
            ran(store, Listed(MAILS), journal=kept, watch=seen.append)
        assert [each.identity for each in seen] == [str(at) for at in range(len(MAILS))]


# --- again ---------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [None, "INBOX"])
def test_what_a_journal_knows_is_not_read_again(
    tmp_path: Path, stream: str | None, read_messages: Counter[str]
) -> None:
    store = Counting()
    with journal(tmp_path) as kept:
        first = ran(store, Listed(MAILS, stream=stream), journal=kept)
    before, work = set(names(store)), read_messages.total()
    assert (len(first), work) == (len(MAILS), len(MAILS))
    written = len(store.written)
    again = Listed((*MAILS, kinds()[0]), stream=stream)
    with journal(tmp_path) as kept:
        [only] = ran(store, again, journal=kept)
    assert only.message == f"number {len(MAILS)}"
    assert only.known
    assert read_messages.total() == work + 1
    assert len(store.written) <= written + 1
    assert again.opened == [len(MAILS)]
    assert set(names(store)) == before


def test_without_a_journal_everything_is_read_again(read_messages: Counter[str]) -> None:
    store = MemoryTrustStore()
    ran(store, Listed(MAILS))
    before = everything(store)
    ran(store, Listed(MAILS))
    assert read_messages.total() == 2 * len(MAILS)
    assert everything(store) == before


def test_ten_thousand_mails_twice_are_read_once(
    tmp_path: Path, read_messages: Counter[str]
) -> None:
    """The second run looks at no message and writes nothing: what takes time is not done.

    Nine of ten are not signed, as most mail is.
    """
    top = maildir_of(tmp_path / "Maildir", 0)
    mails = [*kinds()[:4], *[b"From: bob@example.org\n\nHello\n"] * 36]
    for number, mail in enumerate(mails):
        (tmp_path / str(number)).write_bytes(mail)
    for number in range(10_000):
        (top / "cur" / f"{number}.host:2,").hardlink_to(tmp_path / str(number % len(mails)))
    store = Counting()
    with journal(tmp_path) as kept:
        assert len(ran(store, open_place(top), journal=kept)) == 10_000
    before, work, written = everything(store), read_messages.total(), len(store.written)
    assert work == 10_000
    for number in range(0, 10_000, 100):  # to read a mail is to mark it so
        (top / "cur" / f"{number}.host:2,").rename(top / "cur" / f"{number}.host:2,RS")
    with journal(tmp_path) as kept:
        assert ran(store, open_place(top), journal=kept) == []
    assert (read_messages.total(), len(store.written)) == (work, written)
    assert everything(store) == before


# --- what goes wrong -----------------------------------------------------------------------


def test_a_message_that_could_not_be_had_is_tried_again(tmp_path: Path) -> None:
    store = MemoryTrustStore()
    box = Listed(MAILS)
    box.refused = {
        3: OSError(5, "I/O error"),
        7: UsageError("The file became shorter.", code="usage.file-changed"),
    }
    with journal(tmp_path) as kept:
        reports = ran(store, box, journal=kept)
    assert [isinstance(each.error, OSError | UsageError) for each in reports].count(True) == 2
    assert len(reports) == len(MAILS)
    box.refused = {}
    with journal(tmp_path) as kept:
        assert [each.message for each in ran(store, box, journal=kept)] == ["number 3", "number 7"]
    whole = MemoryTrustStore()
    ran(whole, Listed(MAILS))
    assert everything(store) == everything(whole)


def test_a_message_that_is_too_long_counts_as_read(tmp_path: Path) -> None:
    box = Listed(MAILS[:3], stream="INBOX")
    box.refused = {1: LimitExceeded("too long", code="limit.message")}
    with journal(tmp_path) as kept:
        reports = ran(MemoryTrustStore(), box, journal=kept)
        assert kept.marks == {"INBOX": "3"}
    assert [each.error is not None for each in reports] == [False, True, False]


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("jobs", [1, 2])
def test_no_mark_stands_behind_what_could_not_be_had(tmp_path: Path, jobs: int) -> None:
    """Else the message would be lost: the next run begins behind the mark."""
    store = MemoryTrustStore()
    box = Listed(MAILS, stream="INBOX")
    box.refused = {12: OSError(5, "I/O error")}
    with journal(tmp_path) as kept, pytest.raises(OSError, match="I/O"):
        ran(store, box, journal=kept, jobs=jobs)
    with journal(tmp_path) as kept:
        assert kept.marks == {"INBOX": "10"}
    box.refused = {}
    with journal(tmp_path) as kept:
        assert ran(store, box, journal=kept)[0].message == "number 10"


@pytest.mark.usefixtures("small_batches")
def test_what_the_store_did_not_take_is_not_in_the_journal(tmp_path: Path) -> None:
    store = Counting()
    store.left = 2
    with journal(tmp_path) as kept, pytest.raises(StoreError):
        ran(store, Listed(MAILS), journal=kept)
    store.left = None
    with journal(tmp_path) as kept:
        done = len(kept)
        assert done < len(MAILS)
        ran(store, Listed(MAILS), journal=kept)
    whole = MemoryTrustStore()
    ran(whole, Listed(MAILS))
    assert everything(store) == everything(whole)


def test_a_mailbox_that_fails_ends_the_run() -> None:
    class Broken(Listed):
        def messages(self, marks: Mapping[str, str]) -> Any:
            yield from Listed.messages(self, marks)
            raise FetchError("The server is gone.", code="fetch.imap-lost")

    store = MemoryTrustStore()
    with pytest.raises(FetchError):
        ran(store, Broken(MAILS))


def test_a_message_that_a_server_refuses_ends_no_run(tmp_path: Path) -> None:
    """One alone (more than 1 MiB), and one among others: what lies behind is read, and once."""
    mails = dict(enumerate(MAILS, start=1))
    script = Script({"INBOX": mails | {3: b"x" * 1_100_000}}, refusals={3: "No", 5: "No"})
    read = [each.message for each in ran(MemoryTrustStore(), Listed(MAILS))]
    store, asked = MemoryTrustStore(), []
    with serving(script):
        account = ImapAccount(
            host="127.0.0.1",
            port=script.port,
            user="alice",
            password=lambda: "secret",
            security=Security.NONE,
        )
        for _ in range(2):
            with journal(tmp_path) as kept:
                asked.append(ran(store, Imap(account), journal=kept))
    first, again = asked
    assert len(first) == len(read)
    refused = [each.message for each in first if isinstance(each.error, FetchError)]
    assert refused == ["INBOX 3", "INBOX 5"]
    assert again == []


def test_a_new_store_under_the_old_name_is_noticed(tmp_path: Path) -> None:
    """Else it would stay empty for ever: the journal says that all is read."""
    with journal(tmp_path) as kept:
        ran(MemoryTrustStore(), Listed(MAILS), journal=kept)
    with journal(tmp_path) as kept, pytest.raises(UsageError) as caught:
        ran(MemoryTrustStore(), Listed(MAILS), journal=kept)
    assert caught.value.code == "usage.journal"


@pytest.mark.usefixtures("small_batches")
@given(stops=st.lists(st.integers(1, 36), max_size=6), marked=st.booleans())
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=25,
)
def test_wherever_runs_end_the_records_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, stops: list[int], marked: bool
) -> None:
    path = tmp_path_factory.mktemp("stops")
    stream = "INBOX" if marked else None
    store = MemoryTrustStore()
    for stop in stops:
        with journal(path) as kept:
            reports = harvest_mailbox(
                store, Listed(MAILS, stream=stream), reader=reader, journal=kept
            )
            for _ in zip(range(stop), reports, strict=False):
                pass
            reports.close()  # type: ignore[attr-defined]  # a generator
    with journal(path) as kept:
        ran(store, Listed(MAILS, stream=stream), journal=kept)
    whole = MemoryTrustStore()
    ran(whole, Listed(MAILS))
    assert everything(store) == everything(whole)


# --- several processes ---------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 5, 32])
def test_several_processes_find_what_one_finds(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(pool, "_CHUNK", chunk)
    one, several = MemoryTrustStore(), MemoryTrustStore()
    alone = ran(one, Listed(MAILS))
    together = ran(several, Listed(MAILS), jobs=3)
    assert outcome(together) == outcome(alone)
    assert everything(several) == everything(one)


def test_long_messages_stay_in_this_process_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_LARGE", len(kinds()[0]) - 1)
    assert outcome(ran(MemoryTrustStore(), Listed(MAILS), jobs=2)) == outcome(
        ran(MemoryTrustStore(), Listed(MAILS))
    )


def test_with_several_processes_no_more_is_read_than_they_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "_CHUNK", 2)
    monkeypatch.setattr(run, "_BATCH", 2)
    box = Listed(kinds()[:1] * 200)
    reports = harvest_mailbox(MemoryTrustStore(), box, reader=making(), jobs=2)
    next(reports)
    assert len(box.opened) <= 2 * 2 + 2
    reports.close()  # type: ignore[attr-defined]  # a generator


def test_a_message_that_cannot_be_had_stays_in_order() -> None:
    box = Listed(MAILS)
    box.refused = {number: OSError(5, "I/O error") for number in (0, 7, len(MAILS) - 1)}
    reports = ran(MemoryTrustStore(), box, jobs=2)
    assert [at for at, each in enumerate(reports) if isinstance(each.error, OSError)] == list(
        box.refused
    )


def unpicklable() -> Callable[[], Reader]:
    made = making()
    return lambda: made()  # noqa: PLW0108 - a function that has no name to be found by


def failing() -> Reader:
    """The reader of a process whose store is not there."""
    import multiprocessing  # noqa: PLC0415 - asked in two processes

    if multiprocessing.parent_process() is not None:
        raise StoreError("It is gone.", code="store.unavailable")
    return reader()


def dying() -> Reader:
    import multiprocessing  # noqa: PLC0415 - asked in two processes
    import os  # noqa: PLC0415 - same

    if multiprocessing.parent_process() is not None:
        os._exit(3)
    return reader()


@pytest.mark.parametrize(
    ("make", "kind", "code"),
    [
        (unpicklable(), UsageError, "usage.jobs"),
        (failing, StoreError, "store.unavailable"),
        (dying, UsageError, "usage.jobs-ended"),
    ],
    ids=["unpicklable", "failing", "dying"],
)
def test_a_process_that_cannot_work_is_said(make: Any, kind: type[Exception], code: str) -> None:
    with pytest.raises(kind) as caught:
        ran(MemoryTrustStore(), Listed(MAILS), reader=make, jobs=2)
    assert getattr(caught.value, "code") == code  # noqa: B009 - of one kind or the other


def test_the_same_in_a_database(tmp_path: Path) -> None:
    top = maildir_of(tmp_path / "mail", 40)
    found = []
    for jobs in (1, 2):
        store = open_store(f"sqlite:///{tmp_path}/{jobs}.db")
        try:
            ran(store, open_place(top), jobs=jobs)
            found.append(everything(store))
        finally:
            store.close()  # type: ignore[attr-defined]  # of this kind
    assert found[0] == found[1]
    memory = MemoryTrustStore()
    ran(memory, open_place(top))
    assert found[0] == everything(memory)


def test_trust_nobody_learns_as_well() -> None:
    store = MemoryTrustStore()
    reports = ran(store, Listed(MAILS), reader=lambda: Reader(trust=Trust(), at=NOW))
    assert any(each.new for each in reports)
