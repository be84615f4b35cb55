"""Whose certificate a store finds for an address: its owner's in every spelling, and nobody else's."""

import sqlite3
from collections import defaultdict
from contextlib import closing, suppress
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from smimekit.certificate import Certificate
from smimekit.keys import KeyRing
from smimekit.message.identity import Identity, identity_of
from smimekit.mime.address import address_key, parse_mailboxes, same_address
from smimekit.testing import FakeCA
from smimekit.trust import (
    ByAddress,
    ByIssuer,
    MemoryTrustStore,
    Purpose,
    Source,
    Trust,
    normal_address,
    open_store,
)
from smimekit.trust.names import name_violation
from smimekit.trust.stores.index import address_key as index_key
from smimekit.trust.stores.sql import SqlTrustStore
from tests.trust import certs
from tests.trust.certs import NOW

HERE = Source("upload", "test")
SAME = [
    ('"alice"@example.com', "alice@example.com"),
    ('"Alice"@Example.com', "alice@example.com"),
    ('"al\\ice"@example.com', "alice@example.com"),
    ('"a b"@example.com', '"a\\ b"@example.com'),
    ('"A B"@example.com', '"a b"@example.com'),
    ('"a..b"@example.com', "a..b@example.com"),
    ('"\u00e4rger"@example.com', "\u00e4rger@example.com"),
]
"""RFC 5321, 4.1.2: a quoted local part is what stands between the quotes."""
DIFFERENT = [
    ("\u00c4rger@example.com", "\u00e4rger@example.com"),
    ("J\u00f6rg@example.com", "j\u00f6rg@example.com"),
    ("j\u00f6rg@example.com", "jo\u0308rg@example.com"),
    ("\u017feite@example.com", "seite@example.com"),
    ("stra\u00dfe@example.com", "strasse@example.com"),
    ('"a b"@example.com', "ab@example.com"),
    ('"alice@evil.example"@example.com', "alice@evil.example"),
    ('"\\"alice\\""@example.com', "alice@example.com"),
    ('"alice" @example.com', "alice@example.com"),
]
"""RFC 9598, 5: a local part beyond ASCII MUST NOT be transformed, by folding or normalization."""


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_mailbox_in_two_spellings(one: str, other: str) -> None:
    assert normal_address(one) == normal_address(other)
    assert same_address(one, other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_two_mailboxes(one: str, other: str) -> None:
    assert normal_address(one) != normal_address(other)
    assert not same_address(one, other)


PIECES = ('"', "\\", "a", "A", "@", ".", " ", "\u00e4", "\u00c4", "\u212a")
EVERY = [
    "".join(one) + "@x.example" for size in (1, 2, 3, 4) for one in product(PIECES, repeat=size)
]


def test_who_is_found_for_an_address_could_have_signed_with_it() -> None:
    """Else mail would be encrypted to somebody whose signature does not count for that address."""
    forms = defaultdict[str, set[object]](set)
    for one in EVERY:
        form = normal_address(one)
        forms[form].add(address_key(one))
        assert normal_address(form) == form
    assert len(EVERY) > len(forms) > 5_000
    assert not [one for one, keys in forms.items() if len(keys) > 1]


def certificate(address: str) -> Certificate:
    if address.isascii():
        return certs.person(address).certificate
    names = x509.SubjectAlternativeName([certs.smtp_utf8(address)])
    return certs.person("someone@example.com", names=names).certificate


@pytest.fixture(params=["memory:", "dir:{}/trust", "sqlite:///{}/trust.db"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return open_store(request.param.format(tmp_path))


def found(store: Any, address: str) -> list[Certificate]:
    return [one.certificate for one in store.records(ByAddress(address))]


def test_every_store_finds_the_owner_and_nobody_else(store: Any) -> None:
    for one, other in SAME:
        made = certificate(one if one.isascii() else other)
        store.put(made, HERE, at=NOW)
        assert made in found(store, one)
        assert made in found(store, other)
    for one, other in DIFFERENT[:5]:
        made = certificate(one)
        store.put(made, HERE, at=NOW)
        assert made in found(store, one)
        assert made not in found(store, other)
    with suppress(AttributeError):
        store.close()


def test_mail_is_encrypted_to_whoever_needs_no_quotes() -> None:
    root, store = certs.ca("Root"), MemoryTrustStore()
    made = certs.person("alice@example.com", root).certificate
    store.put(made, HERE, at=NOW)
    trust = Trust(store, anchors=[root.certificate], clock=lambda: NOW)
    (written,) = parse_mailboxes(b'"alice" <"al\\ice"@example.com>')
    for address in (written.address, '"alice"@example.com'):
        assert trust.usable(address, Purpose.ENCRYPT).usable == (made,)


def test_the_own_key_of_a_sender_who_writes_quotes() -> None:
    alice = FakeCA().person("alice@example.com")
    assert KeyRing(alice).of('"alice"@example.com') == (alice,)


def test_what_is_no_address_is_nobodys() -> None:
    """cryptography makes no such certificate; the octets are changed afterwards."""
    made = certs.person("mallory_evil.example@example.com").der
    twisted = Certificate(made.replace(b"mallory_evil", b"mallory@evil"))
    assert twisted.addresses == ("mallory@evil.example@example.com",)
    (written,) = parse_mailboxes(b'"mallory@evil.example"@example.com')
    assert identity_of(twisted, ((written.address,),)) is Identity.MISMATCH
    store = MemoryTrustStore()
    store.put(twisted, HERE, at=NOW)
    assert found(store, written.address) == []


def test_constraints_see_through_one_pair_of_quotes() -> None:
    """A permitted alice@... permits no mailbox whose name has quotes in it."""
    permitted = [x509.RFC822Name("alice@example.com")]
    limits = x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None)
    ca = certs.ca("Root", more=[(limits, True)])
    for address, good in (('"alice"@example.com', True), ('"\\"alice\\""@example.com', False)):
        one = certs.person(address, ca).certificate
        assert name_violation([ca.certificate, one]) is not good


OLD = [
    ('"alice"@example.com', '"alice"@example.com', "alice@example.com", True),
    ("J\u00f6rg@example.com", "j\u00f6rg@example.com", "J\u00f6rg@example.com", True),
    ("J\u00f6rg@example.com", "j\u00f6rg@example.com", "j\u00f6rg@example.com", False),
]


@pytest.mark.parametrize(("written", "form", "asked", "there"), OLD)
def test_an_old_database_learns_the_new_forms(
    tmp_path: Path, written: str, form: str, asked: str, there: bool
) -> None:
    """Version 2 knew a certificate under the form that an address had then."""
    file = tmp_path / "trust.db"
    made = certificate(written)
    with SqlTrustStore(f"sqlite:///{file}") as store:
        store.put(made, HERE, at=NOW)
    with closing(sqlite3.connect(file)) as old, old:
        old.execute("DROP TABLE smimekit_rejected")
        old.execute("UPDATE smimekit_schema SET version = 2")
        then, now = index_key(form), index_key(normal_address(written))
        old.execute("UPDATE smimekit_index SET key = ? WHERE key = ?", (then, now))
        before = old.execute("SELECT count(*) FROM smimekit_index").fetchall()
    with SqlTrustStore(f"sqlite:///{file}") as store:
        assert (made in found(store, asked)) is there
        assert store.records(ByIssuer(made.issuer))
    with closing(sqlite3.connect(file)) as new:
        assert new.execute("SELECT count(*) FROM smimekit_index").fetchall() == before
