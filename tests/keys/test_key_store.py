"""Keys in a database: nothing in it shows or replaces a key, and master keys can change."""

import dataclasses
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest
from sqlalchemy import Engine

from smimekit import KeyRing, database
from smimekit.errors import StoreError, UsageError
from smimekit.keys import Credential, KeySource, MasterKeys, SoftwareKey
from smimekit.keys.master import Wrapped
from smimekit.keys.sql import SqlKeyStore
from smimekit.testing import FakeCA

ONE = MasterKeys("one", {"one": bytes(range(32))})
TWO = MasterKeys("two", {"one": bytes(range(32)), "two": bytes(range(1, 33))})
ONLY_TWO = MasterKeys("two", {"two": bytes(range(1, 33))})


@pytest.fixture(scope="module")
def people() -> tuple[Credential, ...]:
    ca = FakeCA().intermediate()
    return ca.dual("alice@example.org", key="rsa-2048"), ca.person("bob@example.org")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.db"


def open_store(file: Path, master: MasterKeys = ONE) -> SqlKeyStore:
    return SqlKeyStore(f"sqlite:///{file}", master)


@pytest.fixture
def store(file: Path, people: tuple[Credential, ...]) -> Iterator[SqlKeyStore]:
    with open_store(file) as made:
        for who in people:
            made.add(who)
        yield made


def change(file: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(statement, values)
        connection.commit()


def code_of(store: SqlKeyStore) -> str:
    with pytest.raises(StoreError) as error:
        store.credentials()
    return error.value.code


def test_there_and_back(store: SqlKeyStore, file: Path, people: tuple[Credential, ...]) -> None:
    pairs = {one.certificate: one for who in people for one in who.all}
    with open_store(file) as again:
        found = again.credentials()
    assert {each.certificate for each in found} == set(pairs)
    for each in found:
        assert each.chain == pairs[each.certificate].chain
        own = pairs[each.certificate].key
        assert isinstance(own, SoftwareKey)
        assert isinstance(each.key, SoftwareKey)
        assert each.key.pkcs8() == own.pkcs8()
    assert isinstance(store, KeySource)
    assert len(KeyRing(store)) == 3


def test_a_credential_is_replaced_and_not_doubled(
    store: SqlKeyStore, people: tuple[Credential, ...]
) -> None:
    store.add(dataclasses.replace(people[1], chain=()))
    found = {each.certificate: each for each in store.credentials()}
    assert len(found) == 3
    assert found[people[1].certificate].chain == ()


def test_no_key_stands_in_the_file(
    store: SqlKeyStore, file: Path, people: tuple[Credential, ...]
) -> None:
    data = b"".join(path.read_bytes() for path in file.parent.iterdir())
    assert people[1].certificate.der in data
    for who in people:
        for each in who.all:
            assert isinstance(each.key, SoftwareKey)
            octets = each.key.pkcs8()
            # A prime of RSA, or the number of an elliptic curve: what nobody may see.
            start = len(octets) // 2 if len(octets) > 500 else 40
            assert octets[start : start + 20] not in data


def test_what_was_changed_does_not_open(store: SqlKeyStore, file: Path) -> None:
    change(file, "UPDATE smimekit_key SET wrapped = CAST(wrapped || x'00' AS BLOB)")
    assert code_of(store) == "store.key-changed"
    change(file, "UPDATE smimekit_key SET wrapped = x'00'")
    assert code_of(store) == "store.key-changed"


def test_a_key_opens_in_its_own_record_only(
    store: SqlKeyStore, file: Path, people: tuple[Credential, ...]
) -> None:
    """AAD is the record's identity: whoever writes in the database swaps no keys."""
    one, two = (who.certificate.fingerprint for who in people)
    wrapped = "(SELECT wrapped FROM smimekit_key WHERE fingerprint = ?)"
    change(file, f"UPDATE smimekit_key SET wrapped = {wrapped} WHERE fingerprint = ?", one, two)  # noqa: S608 - ours
    assert code_of(store) == "store.key-changed"


def test_a_certificate_in_anothers_place_is_refused(
    store: SqlKeyStore, file: Path, people: tuple[Credential, ...]
) -> None:
    der = people[1].certificate.der
    change(file, "UPDATE smimekit_key SET certificate = ?", der)
    assert code_of(store) == "store.corrupt"
    change(file, "UPDATE smimekit_key SET certificate = x'3000'")
    assert code_of(store) == "store.corrupt"


@pytest.mark.parametrize("column", ["certificate", "chain"])
def test_certificates_that_are_none(store: SqlKeyStore, file: Path, column: str) -> None:
    change(file, f"UPDATE smimekit_key SET {column} = x'0500'")  # noqa: S608 - ours
    assert code_of(store) == "store.corrupt"


# --- master keys ---------------------------------------------------------------------------


def test_rotation(store: SqlKeyStore, file: Path, people: tuple[Credential, ...]) -> None:
    with open_store(file, TWO) as rotating:
        assert len(rotating.credentials()) == 3  # before: the old one still opens
        rotating.add(people[1])
        assert rotating.rewrap() == 2
        assert rotating.rewrap() == 0
    with open_store(file, ONLY_TWO) as after:
        assert {each.certificate for each in KeyRing(after)} == {
            one.certificate for who in people for one in who.all
        }
    assert code_of(store) == "store.master-key"


def test_rotation_is_all_or_nothing(store: SqlKeyStore, file: Path) -> None:
    last = "(SELECT max(fingerprint) FROM smimekit_key)"
    change(file, f"UPDATE smimekit_key SET wrapped = x'00' WHERE fingerprint = {last}")  # noqa: S608 - ours
    with open_store(file, TWO) as rotating, pytest.raises(StoreError):
        rotating.rewrap()
    with closing(sqlite3.connect(file)) as connection:
        masters = set(connection.execute("SELECT master FROM smimekit_key"))
    assert masters == {("one",)}


def test_what_was_wrapped_under_the_old_master_key_is_overwritten(
    store: SqlKeyStore, file: Path
) -> None:
    """The reason to rotate may be that it leaked."""
    with closing(sqlite3.connect(file)) as connection:
        old = [bytes(row[0]) for row in connection.execute("SELECT wrapped FROM smimekit_key")]
    with open_store(file, TWO) as rotating:
        rotating.rewrap()
    store.close()
    data = file.read_bytes()
    assert not any(each[12:44] in data for each in old)


def test_what_is_removed_is_overwritten_whatever_sqlite_was_built_for(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    """Debian builds it so that this is on without being asked for; others do not."""
    always = database._always

    def unlike_debian(engine: Engine, pragmas: Sequence[str]) -> None:
        always(engine, ("secure_delete=OFF", *pragmas))

    monkeypatch.setattr(database, "_always", unlike_debian)
    with open_store(file, ONE) as store, store._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA secure_delete").scalar() == 1


def test_a_wrong_master_key_of_the_same_name(store: SqlKeyStore, file: Path) -> None:
    with open_store(file, MasterKeys("one", {"one": bytes(32)})) as other:
        assert code_of(other) == "store.key-changed"


def test_every_wrapping_is_another() -> None:
    assert ONE.wrap("a", b"key").sealed != ONE.wrap("a", b"key").sealed
    assert ONE.unwrap("a", ONE.wrap("a", b"key")) == b"key"


@pytest.mark.parametrize(
    "identity, master", [("b", "one"), ("a", "two"), ("", "one"), ("one", "a")]
)
def test_identity_and_master_key_are_authenticated(identity: str, master: str) -> None:
    both = MasterKeys("one", {"one": bytes(32), "two": bytes(32), "a": bytes(32)})
    wrapped = both.wrap("a", b"key")
    with pytest.raises(StoreError) as error:
        both.unwrap(identity, Wrapped(master, wrapped.sealed))
    assert error.value.code == "store.key-changed"


@pytest.mark.parametrize(
    "current, keys",
    [("two", {"one": bytes(32)}), ("one", {"one": bytes(16)}), ("", {"": bytes(32)}),
     ("one", {"one": bytes(32), "two": b""}), ("x" * 65, {"x" * 65: bytes(32)})],
)  # fmt: skip
def test_master_keys_that_are_none(current: str, keys: dict[str, bytes]) -> None:
    with pytest.raises(UsageError) as error:
        MasterKeys(current, keys)
    assert error.value.code == "usage.master-key"


def test_master_keys_are_not_shown() -> None:
    assert "01" not in repr(ONE)
    assert "x00" not in repr(ONE)


# --- the store itself ----------------------------------------------------------------------


def test_keys_are_forgotten(store: SqlKeyStore, people: tuple[Credential, ...]) -> None:
    name = people[1].certificate.fingerprint
    assert store.remove(name.upper())
    assert not store.remove(name)
    assert len(store.credentials()) == 2


def test_a_key_that_stays_where_it_is_is_not_stored(
    store: SqlKeyStore, people: tuple[Credential, ...]
) -> None:
    class Elsewhere:
        public_key = people[1].key.public_key
        sign = decrypt = exchange = decapsulate = None

    token = Credential(Elsewhere(), people[1].certificate)  # type: ignore[arg-type]  # never asked
    with pytest.raises(UsageError) as error:
        store.add(token)
    assert error.value.code == "usage.key-export"


def test_a_store_of_a_newer_version_is_refused(store: SqlKeyStore, file: Path) -> None:
    change(file, "UPDATE smimekit_key_schema SET version = 2")
    with pytest.raises(StoreError) as error:
        open_store(file)
    assert error.value.code == "store.schema"


@pytest.mark.parametrize(
    "url", ["keys.db", "sqlite://", "sqlite:///:memory:", "mysql://host/x", "nonsense://x", ""]
)
def test_urls_that_name_no_database(url: str) -> None:
    with pytest.raises(UsageError) as error:
        SqlKeyStore(url, ONE)
    assert error.value.code == "usage.store-url"


def test_a_database_that_is_none(file: Path) -> None:
    file.write_bytes(b"not a database, but long enough to be taken for one" * 20)
    with pytest.raises(StoreError) as error:
        open_store(file)
    assert error.value.code == "store.corrupt"
    assert str(file) not in str(error.value)


def test_an_interrupted_addition_leaves_nothing(file: Path, people: tuple[Credential, ...]) -> None:
    with open_store(file) as empty, suppress(StoreError):
        change(file, "CREATE TRIGGER full BEFORE INSERT ON smimekit_key WHEN (SELECT count(*) FROM "
               "smimekit_key) > 0 BEGIN SELECT RAISE(ABORT, 'full'); END")  # fmt: skip
        empty.add(people[0])
    with open_store(file) as after:
        assert after.credentials() == ()
