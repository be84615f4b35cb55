"""The stores keep the contract, and the contract's suite notices a store that does not."""

import itertools
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit.errors import StoreError, UsageError
from smimekit.testing.stores import check_trust_store
from smimekit.trust import (
    ByAddress,
    ByFingerprint,
    ByKeyId,
    Capabilities,
    Decision,
    DirectoryTrustStore,
    MemoryTrustStore,
    Preference,
    Purpose,
    Query,
    Record,
    Sighting,
    Source,
    TrustStore,
    Verdict,
    normal_address,
    open_store,
)
from smimekit.trust.store import FIND_LIMIT
from smimekit.trust.stores.merging import answer_order
from smimekit.trust.stores.sql import SqlTrustStore
from tests.trust import certs

NOW = certs.NOW
HERE = Source("upload", "test")


def decision(verdict: Verdict, **more: Any) -> Decision:
    return Decision(verdict=verdict, by="me", why="test", at=NOW, **more)


def test_memory() -> None:
    check_trust_store(MemoryTrustStore)


def test_sqlite(tmp_path: Path) -> None:
    names = itertools.count()
    check_trust_store(lambda: SqlTrustStore(f"sqlite:///{tmp_path}/{next(names)}.db"))


def test_directory(tmp_path: Path) -> None:
    names = itertools.count()
    check_trust_store(lambda: DirectoryTrustStore(tmp_path / str(next(names))))


@pytest.mark.parametrize("url", ["sqlite:///{}/store.db", "dir:{}/store"])
@pytest.mark.parametrize("name", ["\udcff", "a\0b", "\xff" * 100])
def test_names_that_are_no_fingerprints_are_unknown(tmp_path: Path, url: str, name: str) -> None:
    """And not the sign of a broken database: people mistype them."""
    with ExitStack() as stack:
        store = open_store(url.format(tmp_path))
        stack.callback(getattr(store, "close", lambda: None))
        store.put(certs.make("Alice").certificate, HERE, at=NOW)
        assert not store.records(ByFingerprint(name))
        assert not store.audit(name)
        assert len(store.page(after=name)) <= 1
        assert not store.page(query=ByFingerprint(name))
        with pytest.raises(StoreError) as caught:
            store.decide(name, decision(Verdict.TRUST), expected=0)
        assert caught.value.code == "store.unknown"


class Forgetful(MemoryTrustStore):
    """Facts erase decisions."""

    def put_all(self, *args: Any, **options: Any) -> tuple[Record, ...]:
        records = [replace(one, decision=None) for one in super().put_all(*args, **options)]
        for one in records:
            self._table.install(one)
        return tuple(records)


class Careless(MemoryTrustStore):
    """The last one to decide wins."""

    def decide(self, fingerprint: str, decision: Decision, *, expected: int) -> Record:
        known = self._table.records.get(fingerprint.lower())
        revision = expected if known is None else known.revision
        return super().decide(fingerprint, decision, expected=revision)


class Silent(MemoryTrustStore):
    """No audit trail."""

    def audit(self, fingerprint: str | None = None) -> tuple[Any, ...]:
        return ()


class Loose(MemoryTrustStore):
    """Answers with everything."""

    def records(self, query: Any) -> tuple[Record, ...]:
        if isinstance(query, ByAddress):
            return tuple(self._table.records.values())
        return super().records(query)


def last_seen(record: Record) -> tuple[float, str]:
    return -record.last_seen.timestamp(), record.fingerprint


class Floodable(MemoryTrustStore):
    """Decisions first, but only of the last seen."""

    def records(self, query: Query) -> tuple[Record, ...]:
        newest = sorted(self.page(limit=10_000, query=query), key=last_seen)[:FIND_LIMIT]
        return tuple(sorted(newest, key=answer_order))


class Boundless(MemoryTrustStore):
    """All that match, however many they are."""

    def records(self, query: Query) -> tuple[Record, ...]:
        return tuple(sorted(self.page(limit=10_000, query=query), key=answer_order))


class Undecided(MemoryTrustStore):
    """A rejection is no more than another decision."""

    def records(self, query: Query) -> tuple[Record, ...]:
        found = super().records(query)
        return tuple(sorted(found, key=lambda one: (one.decision is None, *last_seen(one))))


@pytest.mark.parametrize(
    "broken", [Forgetful, Careless, Silent, Loose, Floodable, Boundless, Undecided]
)
def test_the_suite_notices(broken: Callable[[], TrustStore]) -> None:
    with pytest.raises(AssertionError, match="breaks the contract"):
        check_trust_store(broken)


@pytest.mark.parametrize(
    "url",
    [
        *("trust.db", "nonsense://x", "sqlite://", "sqlite:///:memory:", "://"),
        *("dir:", "dir:a\0b", "dir:\ud800"),
    ],
)
def test_urls_that_name_no_store(url: str) -> None:
    with pytest.raises(UsageError):
        open_store(url)


def test_naive_times_are_refused() -> None:
    naive = NOW.replace(tzinfo=None)
    alice = certs.person("alice@example.com").certificate
    with pytest.raises(UsageError):
        MemoryTrustStore().put(alice, HERE, at=naive)
    for make in (
        lambda: Source("mail", "x", naive),
        lambda: Capabilities(b"", naive),
        lambda: Decision(verdict=Verdict.TRUST, by="", why="", at=naive),
        lambda: decision(Verdict.TRUST, until=naive),
    ):
        with pytest.raises(UsageError):
            make()


def test_a_rejection_has_no_end_and_no_scope() -> None:
    with pytest.raises(UsageError):
        decision(Verdict.REJECT, until=NOW + timedelta(days=1))
    with pytest.raises(UsageError):
        decision(Verdict.REJECT, scope=frozenset({Purpose.VERIFY}))
    with pytest.raises(UsageError):
        decision(Verdict.TRUST, scope=frozenset())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Alice@Example.COM", "alice@example.com", True),
        ("alice@b\u00fccher.example", "alice@xn--bcher-kva.example", True),
        ("alice@stra\u00dfe.example", "alice@strasse.example", False),
        ("alice@\u212araken.example", "alice@kraken.example", False),
        ("al\u0130ce@example.com", "alice@example.com", False),
        ("alice@example.com", "alice@example.com.", False),
        ("alice@example.com", "alice@example.org", False),
        ("alice@x@example.com", "alice@example.com", False),
        ("\u00c4rger@example.com", "\u00e4rger@example.com", False),
    ],
)
def test_addresses_are_compared(one: str, other: str, same: bool) -> None:
    assert (normal_address(one) == normal_address(other)) is same


def test_a_certificate_with_a_broken_extension_is_kept_and_disturbs_nobody() -> None:
    store = MemoryTrustStore()
    good = certs.person("alice@example.com")
    san = good.der.index(b"alice@example.com", good.der.index(b"\x55\x1d\x11"))
    broken = bytearray(good.der)
    broken[san] = 0xFF
    bad = type(good.certificate)(bytes(broken))
    for one in (bad, good.certificate):
        store.put(one, HERE, at=NOW)
    found = store.records(ByAddress("alice@example.com"))
    assert [one.certificate for one in found] == [good.certificate]
    assert store.records(ByFingerprint(bad.fingerprint))[0].certificate == bad


# --- facts in any order ---------------------------------------------------------------------

ROOT = certs.ca("Root").certificate
ALICE = certs.person("alice@example.com").certificate
MINUTES = st.integers(0, 5 * 24 * 60).map(lambda minutes: NOW + timedelta(minutes=minutes))


@st.composite
def sightings(draw: st.DrawFn) -> tuple[Sighting, datetime]:
    """A sighting; within one day, everybody says the same."""
    at, said = draw(MINUTES), draw(MINUTES)
    by_day = bytes((4, 1, said.day))
    return (
        Sighting(
            certificate=draw(st.sampled_from([ROOT, ALICE])),
            source=Source("mail", f"{draw(st.integers(0, 30))}@example.com", at, f"<{at}>"),
            capabilities=draw(st.sampled_from([None, Capabilities(by_day, said)])),
            preference=draw(st.sampled_from([None, Preference(ByKeyId(by_day), said)])),
        ),
        at,
    )


def learned(facts: Iterable[tuple[Sighting, datetime]]) -> tuple[Record, ...]:
    store = MemoryTrustStore()
    for sighting, at in facts:
        store.put_all([sighting], at=at)
    return store.page()


@given(st.lists(sightings(), max_size=60), st.randoms())
def test_facts_may_come_in_any_order_and_any_number(
    facts: list[tuple[Sighting, datetime]], random: Random
) -> None:
    shuffled = [*facts, *facts[::2]]
    random.shuffle(shuffled)
    assert learned(facts) == learned(shuffled)


def test_the_sources_of_a_record_are_bounded() -> None:
    """Anybody may send the certificate of a CA: the newest sources stay."""
    store = MemoryTrustStore()
    for number in range(50):
        at = NOW + number * certs.DAY
        record = store.put(ROOT, Source("mail", f"{number}@example.com", at), at=at)
    assert [one.origin for one in record.sources] == [f"{n}@example.com" for n in range(30, 50)]
