"""An SQLite file with flipped bits: whoever was rejected stays so, or the store says it is damaged."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from smimekit.certificate import Certificate
from smimekit.errors import StoreError
from smimekit.trust import (
    ByAddress,
    ByFingerprint,
    ByPublicKey,
    Decision,
    Purpose,
    Sighting,
    Source,
    Trust,
    Verdict,
)
from smimekit.trust.records import public_key_fingerprint
from smimekit.trust.stores.index import query_key
from smimekit.trust.stores.sql import SqlTrustStore
from tests.trust import certs
from tests.trust.certs import NOW

HERE = Source("upload", "test")
REJECT = Decision(verdict=Verdict.REJECT, by="me", why="test", at=NOW)
NONE = Decision(verdict=Verdict.NONE, by="me", why="test", at=NOW)
ROOT = certs.ca("Root")
MALLORY = certs.person("mallory@example.com", ROOT).certificate
RENEWED = certs.ca("Sub", ROOT)
SUB = certs.ca("Sub", ROOT, end=NOW + certs.DAY)
"""Rejected; the same key has another certificate, which nobody has decided about."""
LEAF = certs.person("leaf@example.com", RENEWED).certificate
KNOWN = (ROOT.certificate, MALLORY, SUB.certificate, RENEWED.certificate, LEAF)
TREES = (
    *("sqlite_autoindex_smimekit_certificate_1", "smimekit_index"),
    *("smimekit_rejected", "smimekit_verdict", "smimekit_certificate"),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which every tree has a root and leaves, and nothing is in the log."""
    file = tmp_path_factory.mktemp("whole") / "trust.db"
    crowd = [certs.person(f"p{number}@example.com", ROOT).certificate for number in range(120)]
    with SqlTrustStore(f"sqlite:///{file}") as store:
        facts = [Sighting(certificate=one, source=HERE) for one in (*KNOWN, *crowd)]
        store.put_all(facts, at=NOW)
        for one in (MALLORY, SUB.certificate):
            store.decide(one.fingerprint, REJECT, expected=0)
    return file


def judged(file: Path) -> tuple[str, ...]:
    with SqlTrustStore(f"sqlite:///{file}") as store:
        trust = Trust(store, anchors=[ROOT.certificate], clock=lambda: NOW)
        extra = [RENEWED.certificate]
        return tuple(
            str(trust.judge(one, Purpose.VERIFY, extra_certificates=extra).status)
            for one in (MALLORY, LEAF)
        )


def pages_of(data: bytes, root: int, size: int) -> Iterator[tuple[int, bytes]]:
    """The pages of one tree, with where they begin (SQLite's file format, 1.6)."""
    waiting = [root]
    while waiting:
        start = (waiting.pop() - 1) * size
        page = data[start : start + size]
        yield start, page
        if page[0] in {2, 5}:  # it leads to others
            cells = (page[at : at + 2] for at in range(12, 12 + 2 * _cells(page), 2))
            lefts = (int.from_bytes(one, "big") for one in cells)
            waiting += (int.from_bytes(page[at : at + 4], "big") for at in (8, *lefts))


def _cells(page: bytes) -> int:
    return int.from_bytes(page[3:5], "big")


def places(file: Path, tree: str) -> Iterator[int]:
    """Octets on the way to the rejected ones: how many cells a page has, where they are, keys."""
    with closing(sqlite3.connect(file)) as connection:
        roots = dict(connection.execute("SELECT name, rootpage FROM sqlite_schema"))
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    wanted = [one.fingerprint.encode() for one in (MALLORY, SUB.certificate)]
    data = file.read_bytes()
    for start, page in pages_of(data, roots[tree], size):
        found = [page.find(one) for one in wanted if one in page]
        if page[0] in {2, 5} or found:
            yield from (start + at for at in (0, 4, 9, 11, 12, 13))
        yield from (start + at + step for at in found for step in (-70, -6, -1, 0, 63))


@pytest.mark.parametrize("tree", TREES)
def test_no_flipped_bit_undoes_a_rejection(whole: Path, tmp_path: Path, tree: str) -> None:
    assert judged(whole) == ("rejected", "rejected")
    data, file = whole.read_bytes(), tmp_path / "damaged.db"
    tried = found = 0
    for place in dict.fromkeys(places(whole, tree)):
        for bit in (1, 16):
            changed = bytearray(data)
            changed[place] ^= bit
            file.write_bytes(changed)
            tried += 1
            try:
                assert judged(file) == ("rejected", "rejected"), (place, bit)
            except StoreError as error:
                assert error.code in {"store.corrupt", "store.unavailable"}  # noqa: PT017
                found += 1
    assert tried > 20
    assert found or tree == "smimekit_verdict"  # which judging does not ask


def change(file: Path, statement: str, *values: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement, values)


@pytest.fixture
def file(whole: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "trust.db"
    copy.write_bytes(whole.read_bytes())
    return copy


@pytest.mark.parametrize("one", [MALLORY, SUB.certificate])
@pytest.mark.parametrize("table", ["smimekit_index", "smimekit_rejected"])
def test_who_is_in_one_of_two_trees_is_found(file: Path, table: str, one: Certificate) -> None:
    change(file, f"DELETE FROM {table} WHERE fingerprint = ?", one.fingerprint)  # noqa: S608
    assert judged(file) == ("rejected", "rejected")
    with SqlTrustStore(f"sqlite:///{file}") as store:
        found = store.records(ByPublicKey(public_key_fingerprint(one)))
        assert [each.fingerprint for each in found if each.rejected] == [one.fingerprint]


def test_an_entry_without_its_certificate_is_damage(file: Path) -> None:
    change(file, "DELETE FROM smimekit_certificate WHERE fingerprint = ?", MALLORY.fingerprint)
    with SqlTrustStore(f"sqlite:///{file}") as store:
        with pytest.raises(StoreError) as caught:
            store.records(ByAddress("mallory@example.com"))
        assert caught.value.code == "store.corrupt"
        assert "backup" in str(caught.value)
        with pytest.raises(StoreError):
            store.page(query=ByAddress("mallory@example.com"))


def marked(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {name for (name,) in connection.execute("SELECT fingerprint FROM smimekit_rejected")}


def test_a_rejection_that_is_withdrawn_leaves_nothing(file: Path) -> None:
    assert marked(file) == {MALLORY.fingerprint, SUB.certificate.fingerprint}
    with SqlTrustStore(f"sqlite:///{file}") as store:
        store.decide(MALLORY.fingerprint, NONE, expected=1)
        assert marked(file) == {SUB.certificate.fingerprint}
        store.decide(MALLORY.fingerprint, REJECT, expected=2)
        store.decide(MALLORY.fingerprint, REJECT, expected=3)
        assert store.records(ByFingerprint(MALLORY.fingerprint))[0].rejected
    assert marked(file) == {MALLORY.fingerprint, SUB.certificate.fingerprint}


def test_a_store_of_version_2_gets_the_second_tree(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        before = set(connection.execute("SELECT * FROM smimekit_rejected"))
    change(file, "DROP TABLE smimekit_rejected")
    change(file, "UPDATE smimekit_schema SET version = 2")
    assert judged(file) == ("rejected", "rejected")
    with closing(sqlite3.connect(file)) as connection:
        assert set(connection.execute("SELECT * FROM smimekit_rejected")) == before
    assert query_key(ByAddress("mallory@example.com")) in {key for key, _ in before}
