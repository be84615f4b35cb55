"""The trust store in SQLite: what was acknowledged stays, every query has its index, old ones grow."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from smimekit import der
from smimekit.certificate import Certificate
from smimekit.errors import StoreError
from smimekit.trust import (
    ByAddress,
    ByFingerprint,
    ByIssuer,
    ByIssuerSerial,
    Capabilities,
    Decision,
    Preference,
    Purpose,
    Sighting,
    Source,
    Trust,
    Verdict,
    open_store,
)
from smimekit.trust.stores.sql import SqlTrustStore
from tests.trust import certs, schemas

NOW = certs.NOW
DAY = certs.DAY
HERE = Source("upload", "test")


def decision(verdict: Verdict, **more: Any) -> Decision:
    return Decision(verdict=verdict, by="me", why="test", at=NOW, **more)


def test_what_was_acknowledged_is_there_after_reopening(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/trust.db"
    alice = certs.person("alice@example.com").certificate
    with SqlTrustStore(url) as store:
        store.put(alice, HERE, at=NOW, capabilities=Capabilities(b"\x30\x00", NOW))
        until = decision(Verdict.TRUST, until=NOW + certs.DAY, scope=frozenset({Purpose.VERIFY}))
        kept = store.decide(alice.fingerprint, until, expected=0)
    with SqlTrustStore(url) as store:
        assert store.records(ByFingerprint(alice.fingerprint)) == (kept,)
        assert [one.decision for one in store.audit()] == [until]


def test_two_connections_see_one_conflict(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/trust.db"
    alice = certs.person("alice@example.com").certificate
    with SqlTrustStore(url) as one, SqlTrustStore(url) as two:
        one.put(alice, HERE, at=NOW)
        two.decide(alice.fingerprint, decision(Verdict.REJECT), expected=0)
        with pytest.raises(StoreError) as caught:
            one.decide(alice.fingerprint, decision(Verdict.TRUST), expected=0)
        assert caught.value.code == "store.conflict"
        assert one.records(ByFingerprint(alice.fingerprint))[0].rejected


def test_a_certificate_is_parsed_once_and_facts_are_asked_for_each_time(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/trust.db"
    alice = certs.person("alice@example.com").certificate
    query = ByAddress("alice@example.com")
    with SqlTrustStore(url) as one, SqlTrustStore(url) as two:
        one.put(alice, HERE, at=NOW)
        (before,) = one.records(query)
        two.put(alice, HERE, at=NOW + DAY, capabilities=Capabilities(b"\x30\x00", NOW))
        decided = two.decide(alice.fingerprint, decision(Verdict.REJECT), expected=0)
        (after,) = one.records(query)
        assert after.certificate is before.certificate
        assert after == decided != before


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/trust.db"
    SqlTrustStore(url).close()
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE smimekit_schema SET version = 99"))
    engine.dispose()
    with pytest.raises(StoreError) as caught:
        SqlTrustStore(url)
    assert caught.value.code == "store.schema"


def test_a_record_that_cannot_be_read_is_an_error_not_an_absence(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/trust.db"
    alice = certs.person("alice@example.com").certificate
    with SqlTrustStore(url) as store:
        store.put(alice, HERE, at=NOW)
        store.decide(alice.fingerprint, decision(Verdict.REJECT), expected=0)
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE smimekit_certificate SET decision = '{}'"))
        engine.dispose()
        with pytest.raises(StoreError) as caught:
            store.records(ByFingerprint(alice.fingerprint))
        assert caught.value.code == "store.corrupt"


def flipped(data: bytes, octet: bytes) -> bytes:
    """One bit of what stands there is another one, as after damage to the disk."""
    at = data.rindex(octet)
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


@pytest.mark.parametrize("column", ["der", "verdict", "decision"])
def test_a_record_that_contradicts_itself_is_an_error(tmp_path: Path, column: str) -> None:
    """Damage must not make of a rejection one of a certificate that nobody has, or none at all."""
    url = f"sqlite:///{tmp_path}/trust.db"
    root = certs.ca("Root").certificate
    alice = certs.person("alice@example.com", certs.ca("Root")).certificate
    damaged = {"der": flipped(alice.der, b"alice"), "verdict": None, "decision": None}
    with SqlTrustStore(url) as store:
        store.put(alice, HERE, at=NOW)
        store.decide(alice.fingerprint, decision(Verdict.REJECT), expected=0)
        trust = Trust(store, anchors=[root], clock=lambda: NOW)
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            change = sa.text(f"UPDATE smimekit_certificate SET {column} = :new")  # noqa: S608
            connection.execute(change, {"new": damaged[column]})
        engine.dispose()
        for ask in (lambda: trust.judge(alice, Purpose.VERIFY), store.page):
            with pytest.raises(StoreError) as caught:
                ask()
            assert caught.value.code == "store.corrupt"


def test_a_database_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"not a database, but long enough to be read as one" * 30)
    with pytest.raises(StoreError) as caught:
        open_store(f"sqlite:///{tmp_path}/x.db")
    assert caught.value.code == "store.corrupt"
    with pytest.raises(StoreError):
        open_store(f"sqlite:///{tmp_path}/no/such/folder/x.db")


# --- what is asked and written -------------------------------------------------------------


@contextmanager
def statements(store: SqlTrustStore) -> Iterator[list[str]]:
    """What SQLite is told meanwhile, whichever way it takes there, with the values filled in."""
    heard: list[str] = []

    def hear(connection: Any, _: object) -> None:
        connection.set_trace_callback(heard.append)

    store._engine.dispose()
    sa.event.listen(store._engine, "connect", hear)
    yield heard
    sa.event.remove(store._engine, "connect", hear)
    store._engine.dispose()


def use_everything(store: SqlTrustStore) -> None:
    root = certs.ca("Root").certificate
    alice = certs.person("alice@example.com").certificate
    store.put_all([Sighting(certificate=one, source=HERE) for one in (root, alice)], at=NOW)
    store.put(alice, HERE, at=NOW + DAY)
    store.decide(root.fingerprint, decision(Verdict.ANCHOR), expected=0)
    for query in (
        ByAddress("alice@example.com"),
        ByFingerprint(alice.fingerprint),
        ByIssuer(root.subject),
        ByIssuerSerial(alice.issuer, alice.serial),
    ):
        store.records(query)
        store.page(query=query, after="a")
    store.anchors()
    store.page()
    store.audit(root.fingerprint)


def test_every_statement_uses_an_index(tmp_path: Path) -> None:
    with SqlTrustStore(f"sqlite:///{tmp_path}/trust.db") as store:
        with statements(store) as heard:
            use_everything(store)
        asked = [one for one in heard if one.startswith(("SELECT", "UPDATE", "DELETE"))]
        assert len(asked) > 12
        for statement in asked:
            with store._engine.connect() as connection:
                explain = f"EXPLAIN QUERY PLAN {statement}"
                rows = connection.exec_driver_sql(explain)
                plan = [row.detail for row in rows]
            assert plan
            # There is one row in that table, and in the other the few names that were found.
            small = ("SCAN smimekit_schema", "SCAN named")
            scans = [one for one in plan if "SCAN" in one and not one.startswith(small)]
            assert not scans, statement
            if "LIMIT" in statement and "last_seen" not in statement.partition("ORDER BY")[2]:
                assert not [one for one in plan if "TEMP B-TREE" in one], "a page sorts the world"


def test_what_is_known_writes_nothing(tmp_path: Path) -> None:
    """Ten thousand mails of known people in a day begin no transaction that writes."""
    made = [certs.person(f"a{number}@example.com").certificate for number in range(10)]
    with SqlTrustStore(f"sqlite:///{tmp_path}/trust.db") as store:

        def mail(number: int) -> list[Sighting]:
            at = NOW + number * DAY / 20_001
            source = Source("mail", f"a{number % 10}@example.com", at, f"<{number}@example.com>")
            able = Capabilities(b"\x30\x00", at)
            named = Preference(ByIssuerSerial(made[0].issuer, made[0].serial), at)
            return [
                Sighting(
                    certificate=made[number % 10],
                    source=source,
                    capabilities=able,
                    preference=named,
                )
            ]

        for number in range(10):
            store.put_all(mail(number), at=NOW)
        with statements(store) as heard:
            for number in range(10, 1_000):
                store.put_all(mail(number * 10), at=NOW + number * DAY / 2_001)
        said = {statement.split()[0] for statement in heard}
        assert said == {"SELECT"}
        with statements(store) as heard:
            store.put_all(mail(0), at=NOW + DAY)
        assert "UPDATE" in {statement.split()[0] for statement in heard}


# --- older stores --------------------------------------------------------------------------


def long_serial() -> Certificate:
    """A certificate whose serial number has more decimal digits than Python writes."""
    outer = der.Reader(certs.person("long@example.com").der).enter(der.SEQUENCE)
    tbs = outer.enter(der.SEQUENCE)
    version = tbs.raw()
    tbs.raw()
    number = der.tlv(der.INTEGER, b"\x01" * 3_000)
    return Certificate(der.sequence(der.sequence(version, number, tbs.rest()), outer.rest()))


@pytest.mark.parametrize("made", [certs.person("alice@example.com").certificate, long_serial()])
def test_an_old_store_is_brought_up_to_date(tmp_path: Path, made: Certificate) -> None:
    url = f"sqlite:///{tmp_path}/trust.db"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        schemas.write_version_1(connection, made)
    engine.dispose()
    for _ in range(2):
        with SqlTrustStore(url) as store:
            (record,) = store.page()
            assert record.certificate == made
            assert (record.sources, record.revision) == ((schemas.SOURCE,), 1)
            assert (record.first_seen, record.last_seen) == (NOW, NOW + DAY)
            assert record.capabilities == schemas.CAPABILITIES
            assert (record.decision, record.preference) == (schemas.DECISION, None)
            for query in (ByIssuer(made.issuer), ByIssuerSerial(made.issuer, made.serial)):
                assert store.records(query) == (record,)
            assert [one.decision for one in store.audit()] == [schemas.DECISION]
    with SqlTrustStore(url) as store:
        store.decide(made.fingerprint, decision(Verdict.NONE), expected=1)
        assert store.version() == 1


def test_an_old_store_that_cannot_be_read_stays_as_it_is(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/trust.db"
    alice = certs.person("alice@example.com").certificate
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        schemas.write_version_1(connection, alice)
        connection.exec_driver_sql("UPDATE smimekit_certificate SET der = x'30'")
    with pytest.raises(StoreError) as caught:
        SqlTrustStore(url)
    assert caught.value.code == "store.corrupt"
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT * FROM smimekit_schema").all() == [(1,)]
        assert len(connection.exec_driver_sql("SELECT * FROM smimekit_index").all()) == 1
    engine.dispose()
