"""What stores in databases have in common: how they are opened, share a file, and are closed."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from smimekit.database import OpenDatabase
from smimekit.errors import StoreError, UsageError
from smimekit.keys import MasterKeys
from smimekit.keys.sql import SqlKeyStore
from smimekit.trust.revocation.sql import SqlEvidenceCache
from smimekit.trust.stores.sql import SqlTrustStore

MASTER = MasterKeys("one", {"one": bytes(32)})
Opener = Callable[[str], OpenDatabase]
STORES: tuple[Opener, ...] = (SqlTrustStore, SqlEvidenceCache, lambda url: SqlKeyStore(url, MASTER))


def plain(url: str) -> OpenDatabase:
    return OpenDatabase(
        url,
        refused=lambda: UsageError("No.", code="usage.store-url"),
        failed=lambda kind: StoreError(f"It failed ({kind}).", code="store.unavailable"),
    )


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/secret.db"


def ask(store: OpenDatabase) -> None:
    match store:
        case SqlTrustStore():
            store.page()
        case SqlEvidenceCache():
            store.get(["x"])
        case SqlKeyStore():
            store.credentials()


@pytest.mark.parametrize("opener", STORES)
def test_what_was_closed_says_so(opener: Opener, url: str) -> None:
    """Else it would open connections that nobody closes any more."""
    with opener(url) as store:
        ask(store)
    with pytest.raises(StoreError) as caught:
        ask(store)
    assert caught.value.code == "store.closed"
    store.close()


def test_all_of_them_may_share_one_file(url: str) -> None:
    for _ in range(2):
        with ExitStack() as stack:
            for store in [stack.enter_context(opener(url)) for opener in STORES]:
                ask(store)


@pytest.mark.parametrize("opener", STORES)
def test_opening_what_is_there_waits_for_no_writer(opener: Opener, url: str) -> None:
    opener(url).close()
    with plain(url) as busy:

        def open_meanwhile(_: Connection) -> None:
            opener(url).close()

        busy._writing(open_meanwhile)


def test_a_writer_is_alone_before_it_has_read(url: str, tmp_path: Path) -> None:
    """SQLite would let two read the same, and then refuse one of them for good."""

    def act(_: Connection) -> None:
        with closing(sqlite3.connect(tmp_path / "secret.db", timeout=0)) as other:
            other.execute("SELECT * FROM sqlite_master")
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")

    with plain(url) as made:
        made._writing(act)


def test_each_writer_sees_what_the_last_one_wrote(url: str) -> None:
    with plain(url) as made:
        made._writing(lambda one: one.exec_driver_sql("CREATE TABLE counter (n INTEGER)"))
        made._writing(lambda one: one.exec_driver_sql("INSERT INTO counter VALUES (0)"))

    def count(connection: Connection) -> None:
        found = connection.execute(sa.text("SELECT n FROM counter")).scalar_one()
        connection.execute(sa.text("UPDATE counter SET n = :n"), {"n": found + 1})

    def work() -> None:
        with plain(url) as own:
            for _ in range(10):
                own._writing(count)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with plain(url) as made:
        number = made._reading(lambda one: one.execute(sa.text("SELECT n FROM counter")).scalar())
    assert number == 40


def test_what_fails_leaves_nothing_behind_and_tells_no_secret(url: str) -> None:
    with plain(url) as made:

        def half(connection: Connection) -> None:
            connection.exec_driver_sql("CREATE TABLE made (n INTEGER)")
            connection.exec_driver_sql("SELECT * FROM missing")

        with pytest.raises(StoreError) as caught:
            made._writing(half)
        assert (caught.value.code, "secret" in str(caught.value)) == ("store.unavailable", False)
        assert made._reading(lambda one: sa.inspect(one).get_table_names()) == []


@pytest.fixture
def flaky(url: str) -> Iterator[tuple[OpenDatabase, list[int]]]:
    """A database, and how often it was tried."""
    with plain(url) as made:
        yield made, []


class Lost(Exception):
    sqlstate = "40001"


def test_whoever_lost_a_race_tries_again(flaky: tuple[OpenDatabase, list[int]]) -> None:
    made, tries = flaky

    def act(_: Connection) -> str:
        tries.append(1)
        if len(tries) < 3:
            raise sa.exc.DBAPIError("", None, Lost())
        return "done"

    assert made._writing(act) == "done"
    assert len(tries) == 3


@pytest.mark.parametrize(("state", "most"), [("40001", 8), ("23505", 8), ("57014", 1)])
def test_but_not_for_ever_and_not_after_other_failures(
    flaky: tuple[OpenDatabase, list[int]], state: str, most: int
) -> None:
    made, tries = flaky
    lost = Lost()
    lost.sqlstate = state

    def act(_: Connection) -> None:
        tries.append(1)
        raise sa.exc.DBAPIError("", None, lost)

    with pytest.raises(StoreError):
        made._writing(act)
    assert len(tries) == most


@pytest.mark.parametrize(
    "url",
    [
        *("trust.db", "sqlite://", "sqlite:///:memory:", "mysql://host/x", "nonsense://x", ""),
        *("sqlite:///file::memory:?uri=true", "sqlite:///file:x?mode=memory&uri=true"),
        *("sqlite:///file:/x?vfs=memdb&uri=true", "sqlite:///\0", "sqlite:///\ud800.db"),
    ],
)
@pytest.mark.parametrize("opener", STORES)
def test_urls_that_name_no_database(opener: Opener, url: str) -> None:
    with pytest.raises(UsageError) as caught:
        opener(url)
    assert caught.value.code in {"usage.store-url", "usage.evidence-url"}
