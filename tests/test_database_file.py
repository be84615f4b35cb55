"""The file of an SQLite database: what is lost is not begun anew, and what is replaced is missed."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from smimekit.database import OpenDatabase
from smimekit.errors import StoreError
from smimekit.trust import Decision, Source, Verdict
from smimekit.trust.stores.sql import SqlTrustStore
from tests.test_database import STORES, Opener, ask
from tests.trust import certs
from tests.trust.certs import NOW

ALICE = certs.person("alice@example.com").certificate
REJECT = Decision(verdict=Verdict.REJECT, by="me", why="test", at=NOW)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "trust.db"


def refusal(opener: Opener, file: Path) -> str:
    with pytest.raises(StoreError) as caught:
        opener(f"sqlite:///{file}")
    assert caught.value.code == "store.corrupt"
    assert "backup" in str(caught.value)
    return str(caught.value)


# --- lost before it was opened -------------------------------------------------------------------


@pytest.mark.parametrize("opener", STORES)
@pytest.mark.parametrize("left", [0, 1, 2, 99, 100, 511, 4095, 4096])
def test_a_file_that_was_cut_off_is_no_new_one(file: Path, opener: Opener, left: int) -> None:
    """SQLite takes one of 0 octets, or 1, for a database that was never written to."""
    opener(f"sqlite:///{file}").close()
    os.truncate(file, left)
    refusal(opener, file)
    assert file.stat().st_size == left


def test_a_file_that_is_gone_and_left_its_log_is_no_new_one(file: Path) -> None:
    """SQLite would forget the log; beside a new file it would take it for a part of that one."""
    wal = Path(f"{file}-wal")
    with SqlTrustStore(f"sqlite:///{file}") as store:
        store.put(ALICE, Source("upload"), at=NOW)
        kept = wal.read_bytes()
    file.unlink()
    wal.write_bytes(kept)
    assert str(file) in refusal(SqlTrustStore, file)
    assert [each.name for each in file.parent.iterdir()] == [wal.name]
    wal.unlink()
    SqlTrustStore(f"sqlite:///{file}").close()


KILLED = """
import os, sys
from pathlib import Path
from smimekit import database_file
at, path = sys.argv[1:]
{"link": lambda: setattr(Path, "hardlink_to", lambda *_: os._exit(9)),
 "unlink": lambda: setattr(Path, "unlink", lambda *_, **__: os._exit(9)),
 "no": lambda: None}[at]()
database_file.begin_file(path)
os._exit(9)
"""


@pytest.mark.parametrize("moment", ["link", "unlink", "no"])
def test_who_is_killed_while_making_it_leaves_none_or_a_whole_one(file: Path, moment: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, moment, str(file)], check=False)
    assert done.returncode == 9
    assert file.exists() is (moment != "link")
    with SqlTrustStore(f"sqlite:///{file}") as store:
        store.put(ALICE, Source("upload"), at=NOW)
    with SqlTrustStore(f"sqlite:///{file}") as store:
        assert len(store.page()) == 1


def test_many_may_make_it_at_once(file: Path) -> None:
    ready, failures = threading.Barrier(8), list[Exception]()

    def work() -> None:
        ready.wait()
        try:
            with SqlTrustStore(f"sqlite:///{file}") as store:
                store.put(ALICE, Source("upload"), at=NOW)
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_a_disk_without_links_will_do(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    SqlTrustStore(f"sqlite:///{file}").close()
    SqlTrustStore(f"sqlite:///{file}").close()
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_a_link_to_where_the_file_will_be(file: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    file.symlink_to(tmp_path / "disk" / "trust.db")
    SqlTrustStore(f"sqlite:///{file}").close()
    assert (tmp_path / "disk" / "trust.db").stat().st_size > 4096
    shutil.rmtree(tmp_path / "disk")
    with pytest.raises(StoreError) as caught:
        SqlTrustStore(f"sqlite:///{file}")
    assert caught.value.code == "store.unavailable"


def test_a_file_that_holds_something_else_gets_its_tables(file: Path) -> None:
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE theirs (n INTEGER)")
    SqlTrustStore(f"sqlite:///{file}").close()


# --- lost while it was open ----------------------------------------------------------------------


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(file: Path, clock: Clock) -> Iterator[SqlTrustStore]:
    with SqlTrustStore(f"sqlite:///{file}", clock=clock) as made:
        made.put(ALICE, Source("upload"), at=NOW)
        yield made


def replace_by_backup(file: Path) -> None:
    """As people do who put a backup into its place in one step."""
    with closing(sqlite3.connect(file)) as old, closing(sqlite3.connect(f"{file}.bak")) as new:
        old.backup(new)
    Path(f"{file}.bak").replace(file)


def move_away(file: Path) -> None:
    file.rename(f"{file}.old")


@pytest.mark.parametrize("lose", [replace_by_backup, Path.unlink, move_away])
def test_nobody_decides_in_a_file_that_has_no_name_any_more(
    store: SqlTrustStore, file: Path, lose: Callable[[Path], None]
) -> None:
    lose(file)
    with pytest.raises(StoreError) as caught:
        store.decide(ALICE.fingerprint, REJECT, expected=0)
    assert caught.value.code == "store.replaced"


def test_who_only_reads_notices_within_a_second(
    store: SqlTrustStore, file: Path, clock: Clock
) -> None:
    replace_by_backup(file)
    clock.seconds += 0.9
    assert store.version() == 0
    clock.seconds += 0.1
    for ask_it in (store.version, store.page, store.anchors, store.version):
        with pytest.raises(StoreError) as caught:
            ask_it()
        assert caught.value.code == "store.replaced"


def test_a_file_that_came_back_is_the_same(store: SqlTrustStore, file: Path, clock: Clock) -> None:
    move_away(file)
    clock.seconds += 2
    with pytest.raises(StoreError):
        store.version()
    Path(f"{file}.old").rename(file)
    assert store.decide(ALICE.fingerprint, REJECT, expected=0).rejected
    assert store.version() == 1


def test_what_was_written_while_it_was_replaced_is_not_said_to_stay(
    store: SqlTrustStore, file: Path
) -> None:
    def act(connection: Connection) -> None:
        connection.exec_driver_sql("UPDATE smimekit_schema SET changes = 5")
        move_away(file)

    with pytest.raises(StoreError) as caught:
        store._writing(act)
    assert caught.value.code == "store.replaced"


@pytest.mark.parametrize("opener", STORES)
def test_none_of_them_goes_on_without_its_file(file: Path, opener: Opener) -> None:
    with opener(f"sqlite:///{file}") as store:
        ask(store)
        file.unlink()
        with pytest.raises(StoreError) as caught:
            OpenDatabase._writing(store, lambda _: None)
        assert caught.value.code == "store.replaced"
