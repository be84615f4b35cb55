"""The caches of revocation evidence: of each kind, what the contract says."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from smimekit.errors import StoreError, UsageError
from smimekit.trust import CachedEvidence, EvidenceCache, EvidenceKind, MemoryEvidenceCache
from smimekit.trust.revocation.sql import SqlEvidenceCache
from smimekit.trust.stores.sql import SqlTrustStore
from tests.trust.certs import DAY, NOW

KEYS = tuple(f"{number:064x}" for number in range(4))


@pytest.fixture(params=["memory", "sqlite"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EvidenceCache]:
    if request.param == "memory":
        yield MemoryEvidenceCache()
        return
    with SqlEvidenceCache(f"sqlite:///{tmp_path / 'evidence.db'}") as made:
        yield made


def piece(key: str = KEYS[0], der: bytes = b"one", **more: Any) -> CachedEvidence:
    return CachedEvidence(
        key=key,
        kind=more.pop("kind", EvidenceKind.CRL),
        der=der,
        this_update=more.pop("this", NOW),
        next_update=more.pop("end", NOW + DAY),
        fetched_at=more.pop("fetched", NOW),
    )


def test_what_is_put_is_there(cache: EvidenceCache) -> None:
    wanted = [piece(), piece(KEYS[1], b"two", kind=EvidenceKind.OCSP, end=None)]
    for one in wanted:
        cache.put(one)
    assert sorted(cache.get(KEYS), key=lambda one: one.key) == wanted
    assert list(cache.get([KEYS[1]])) == wanted[1:]
    assert list(cache.get([KEYS[2]])) == list(cache.get([])) == []


def test_the_newest_stays_in_whichever_order(cache: EvidenceCache) -> None:
    older, newer = piece(der=b"older", this=NOW - DAY), piece(der=b"newer")
    for order in ((older, newer), (newer, older)):
        for one in order:
            cache.put(one)
        assert list(cache.get(KEYS)) == [newer]


def test_of_equally_new_ones_the_first_stays_unless_it_is_named(cache: EvidenceCache) -> None:
    """Who did not see it does not displace it: it may be a revocation."""
    first, other = piece(der=b"first"), piece(der=b"other")
    cache.put(first)
    for unseen in (None, b"something else", other.der):
        cache.put(other, instead_of=unseen)
        assert list(cache.get(KEYS)) == [first]
    cache.put(other, instead_of=first.der)
    assert list(cache.get(KEYS)) == [other]
    cache.put(piece(der=b"older", this=NOW - DAY), instead_of=other.der)
    assert list(cache.get(KEYS)) == [other]


def test_what_is_fetched_again_was_fetched_then(cache: EvidenceCache) -> None:
    for hour in (0, 1):
        cache.put(piece(fetched=NOW + hour * DAY / 24))
    (found,) = cache.get(KEYS)
    assert found.fetched_at == NOW + DAY / 24


def test_what_is_old_can_be_forgotten(cache: EvidenceCache) -> None:
    for age, key in enumerate(KEYS):
        cache.put(piece(key, fetched=NOW - age * DAY))
    assert cache.forget(NOW - DAY) == 2
    assert {one.key for one in cache.get(KEYS)} == set(KEYS[:2])


def test_memory_is_bounded() -> None:
    bounded = MemoryEvidenceCache(size=10)
    for key in KEYS[:3]:
        bounded.put(piece(key, b"four"))
    assert {one.key for one in bounded.get(KEYS)} == {KEYS[1], KEYS[2]}


def test_two_processes_see_one_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'evidence.db'}"
    with SqlEvidenceCache(url) as one, SqlEvidenceCache(url) as other:
        one.put(piece())
        assert list(other.get(KEYS)) == [piece()]


def test_threads_leave_the_newest(tmp_path: Path) -> None:
    with SqlEvidenceCache(f"sqlite:///{tmp_path / 'evidence.db'}") as cache:
        pieces = [piece(der=b"%d" % age, this=NOW - age * DAY) for age in range(8)]
        threads = [threading.Thread(target=cache.put, args=(one,)) for one in pieces]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert list(cache.get(KEYS)) == pieces[:1]


def test_many_may_open_a_new_one_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'evidence.db'}"
    together, failures = threading.Barrier(8), []

    def open_it() -> None:
        together.wait(60)
        try:
            with SqlEvidenceCache(url) as cache:
                cache.put(piece())
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with SqlEvidenceCache(url) as cache:
        assert list(cache.get(KEYS)) == [piece()]


def test_it_stands_beside_a_trust_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'trust.db'}"
    with SqlTrustStore(url) as store, SqlEvidenceCache(url) as cache:
        cache.put(piece())
        assert list(cache.get(KEYS)) == [piece()]
        assert store.page() == ()


@pytest.mark.parametrize("url", ["nonsense", "sqlite://", "sqlite:///:memory:", "oracle://x/y"])
def test_a_url_that_names_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        SqlEvidenceCache(url)
    assert caught.value.code == "usage.evidence-url"


def test_failures_are_store_errors_without_the_url(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        SqlEvidenceCache(f"sqlite:///{tmp_path / 'missing' / 'secret.db'}")
    assert (caught.value.code, "secret" in str(caught.value)) == ("store.evidence", False)


def spoil(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE smimekit_evidence_1",
        "UPDATE smimekit_evidence_1 SET kind = 'x'",
        "UPDATE smimekit_evidence_1 SET this_update = 'yesterday'",
    ],
)
def test_a_spoilt_table_is_a_store_error(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "evidence.db"
    with SqlEvidenceCache(f"sqlite:///{path}") as cache:
        cache.put(piece())
        spoil(path, statement)
        with pytest.raises(StoreError):
            cache.get(KEYS)


@pytest.mark.parametrize(
    "wrong",
    [lambda naive: {"this": naive}, lambda naive: {"end": naive}, lambda naive: {"fetched": naive}],
)
def test_times_have_a_zone(wrong: Callable[[Any], dict[str, Any]]) -> None:
    with pytest.raises(UsageError):
        piece(**wrong(NOW.replace(tzinfo=None)))
