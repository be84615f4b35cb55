"""The trust store in PostgreSQL: several nodes share it, and one that is killed leaves no trace."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from benchmarks import store as benchmark
from smimekit.errors import StoreError
from smimekit.keys import MasterKeys
from smimekit.keys.sql import SqlKeyStore
from smimekit.testing import FakeCA, check_trust_store
from smimekit.trust import ByFingerprint, ByIssuer, Source, Verdict, open_store
from smimekit.trust.revocation.sql import SqlEvidenceCache
from smimekit.trust.stores.sql import SqlTrustStore
from tests.interop.postgres import Postgres, server
from tests.trust import certs, processes, schemas
from tests.trust.certs import DAY, NOW
from tests.trust.test_evidence_cache import KEYS, piece

pytestmark = pytest.mark.interop
HERE = Source("upload", "test")


@pytest.fixture(scope="module")
def postgres(require_program: Callable[[str], str]) -> Iterator[Postgres]:
    with server(require_program) as running:
        yield running


def test_it_keeps_the_contract(postgres: Postgres) -> None:
    check_trust_store(lambda: SqlTrustStore(postgres.database()))


def test_of_two_processes_that_decide_at_once_one_wins(postgres: Postgres) -> None:
    processes.check_contention(postgres.database(), certs.person("a@example.com").certificate)


def test_a_crowd_that_opens_and_fills_a_new_store_loses_nothing(
    postgres: Postgres, tmp_path: Path
) -> None:
    mail = processes.write_messages(tmp_path / "messages", 10)
    processes.check_crowd(postgres.database(), mail, 10)


def test_a_killed_process_loses_nothing_and_leaves_nothing_half(
    postgres: Postgres, tmp_path: Path
) -> None:
    mail = processes.write_messages(tmp_path / "messages", 100)
    url, start = postgres.database(), 0
    for seed in range(4):
        heard = processes.kill_in_the_middle(url, mail, start, seed)
        start = processes.check_after_kill(url, mail, heard, start + 50)
    assert start > 4


def test_an_old_store_is_brought_up_to_date(postgres: Postgres) -> None:
    url = postgres.database()
    alice = certs.person("alice@example.com").certificate
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        schemas.write_version_1(connection, alice)
    engine.dispose()
    with SqlTrustStore(url) as store:
        (record,) = store.records(ByIssuer(alice.issuer))
        assert record.decision == schemas.DECISION
        assert store.audit()[0].decision == schemas.DECISION


def test_a_node_sees_at_once_what_another_decides(postgres: Postgres) -> None:
    url = postgres.database()
    alice = certs.person("alice@example.com").certificate
    with SqlTrustStore(url) as one, SqlTrustStore(url) as two:
        one.put(alice, HERE, at=NOW)
        before = two.version()
        one.decide(alice.fingerprint, schemas.DECISION, expected=0)
        assert two.version() != before
        (record,) = two.records(ByFingerprint(alice.fingerprint))
        assert record.decision is not None
        assert record.decision.verdict is Verdict.REJECT


def test_a_kept_judgement_ends_when_another_process_decides(postgres: Postgres) -> None:
    processes.check_followers(postgres.database(), certs.person("a@example.com").certificate)


def test_a_connection_that_was_lost_is_made_anew(
    postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    url = postgres.database()
    alice = certs.person("alice@example.com").certificate
    with SqlTrustStore(url) as store:
        before = store.version()
        assert store.page() == ()  # now there are two: one to ask for the version, one for the rest
        cut(postgres, url)
        assert store.version() == before
        assert store.page() == ()
        cut(postgres, url)
        assert store.page() == ()
        cut(postgres, url)
        assert store.put(alice, HERE, at=NOW).certificate == alice
        cut(postgres, url)
        assert store.decide(alice.fingerprint, schemas.DECISION, expected=0).revision == 1
        assert len(store.audit()) == 1
    assert caplog.records == [], "a pool complains about what it was not told"


def cut(postgres: Postgres, url: str) -> None:
    """End all connections to a database, as a server does that is started anew."""
    postgres.execute(
        sa.make_url(url).database or "",
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


@pytest.mark.parametrize(("late", "runs"), [(False, 2), (True, 1)])
def test_what_may_have_happened_is_not_done_twice(
    postgres: Postgres, late: bool, runs: int
) -> None:
    """A connection that is lost while COMMIT is said: nobody knows what came of it."""
    url, tries = postgres.database(), []
    with SqlTrustStore(url) as store:

        def act(connection: Connection) -> str:
            tries.append(1)
            if len(tries) == 1:
                cut(postgres, url)
            if not late:
                connection.exec_driver_sql("SELECT 1")
            return "done"

        if late:
            with pytest.raises(StoreError) as caught:
                store._writing(act)
            assert caught.value.code == "store.unavailable"
        else:
            assert store._writing(act) == "done"
    assert len(tries) == runs


def test_a_server_that_forgot_the_question_is_told_it_again(postgres: Postgres) -> None:
    """As behind a proxy that gives each transaction to any process of the server."""
    alice = certs.person("alice@example.com").certificate
    with SqlTrustStore(postgres.database()) as store:
        store.put(alice, HERE, at=NOW)
        before = store.version()
        connection = store._watch._connection
        connection.execute("DEALLOCATE ALL")
        store.decide(alice.fingerprint, schemas.DECISION, expected=0)
        assert store.version() == before + 1
        assert store._watch._connection is connection


def test_a_question_that_cannot_be_answered_is_an_error(postgres: Postgres) -> None:
    url = postgres.database()
    with SqlTrustStore(url) as store:
        store.version()
        postgres.execute(sa.make_url(url).database or "", "DROP TABLE smimekit_schema")
        with pytest.raises(StoreError) as caught:
            store.version()
        assert caught.value.code == "store.unavailable"


def test_the_benchmark_with_little_in_it(postgres: Postgres) -> None:
    report = benchmark.run(postgres.database(), count=300, mails=60, effort=0.02)
    assert all(0 < one.median <= one.late for one in report.figures)
    first, again = report.harvested
    assert first.writes > 0, "it would not notice if the second time wrote"
    assert again.writes == 0


def test_nodes_share_revocation_evidence_and_the_newest_stays(postgres: Postgres) -> None:
    url = postgres.database()
    older, newer = piece(der=b"older", this=NOW - DAY), piece(der=b"newer")
    with SqlEvidenceCache(url) as one, SqlEvidenceCache(url) as other:
        for first, second in ((older, newer), (newer, older)):
            one.put(first)
            other.put(second)
            assert list(one.get(KEYS)) == list(other.get(KEYS)) == [newer]
        one.put(piece(der=b"as new"), instead_of=b"unseen")
        assert list(other.get(KEYS)) == [newer]
        newer = piece(der=b"as new")
        one.put(newer, instead_of=b"newer")
        assert list(other.get(KEYS)) == [newer]
        assert other.forget(NOW + DAY) == 1
        assert list(one.get(KEYS)) == []


def test_nodes_that_open_a_new_cache_at_once_share_it(postgres: Postgres) -> None:
    url, together = postgres.database(), threading.Barrier(8)

    def open_it() -> None:
        together.wait(60)
        with SqlEvidenceCache(url) as cache:
            cache.put(piece())

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(open_it) for _ in range(8)]:
            done.result()
    with SqlEvidenceCache(url) as cache:
        assert list(cache.get(KEYS)) == [piece()]


def test_a_server_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        open_store(f"postgresql://somebody:secret@/nothing?host={tmp_path}")
    assert caught.value.code == "store.unavailable"
    assert "secret" not in str(caught.value)


def test_keys_wrapped_by_a_master_key(postgres: Postgres) -> None:
    url, dual = postgres.database(), FakeCA().dual("alice@example.com")
    one, two = MasterKeys("a", {"a": bytes(32)}), MasterKeys("b", {"a": bytes(32), "b": b"b" * 32})
    with SqlKeyStore(url, one) as store:
        store.add(dual)
        store.add(dual)
    with SqlKeyStore(url, two) as store:
        assert store.rewrap() == 2
        assert {each.certificate for each in store.credentials()} == {
            each.certificate for each in dual.all
        }
    with SqlKeyStore(url, one) as store, pytest.raises(StoreError) as error:
        store.credentials()
    assert error.value.code == "store.master-key"
