"""The contract of a trust store as far as facts go: sightings, queries, pages.

Knows the contract (`smimekit.trust.store`). May not know any implementation.
"""

from collections.abc import Callable, Iterator
from typing import Final

from smimekit.errors import StoreError
from smimekit.testing.contract import (
    DAY,
    HOUR,
    MAIL,
    NOON,
    make_certificate,
    make_decision,
    make_namesakes,
    one_record,
    refused,
    require,
)
from smimekit.trust.records import (
    ByAddress,
    ByFingerprint,
    ByIssuer,
    ByIssuerSerial,
    ByKeyId,
    ByPublicKey,
    BySubject,
    Capabilities,
    Preference,
    Query,
    Sighting,
    Source,
    Verdict,
    public_key_fingerprint,
)
from smimekit.trust.store import FIND_LIMIT, TrustStore

__all__ = ["FACTS"]


def _check_empty(store: TrustStore) -> None:
    unknown = ByFingerprint("0" * 64)
    require(not tuple(store.records(unknown)), "an unknown certificate has no record")
    require(not tuple(store.find(unknown)), "an unknown certificate is not found")
    require(not tuple(store.anchors()), "an empty store has no anchors")
    require(not tuple(store.audit()), "an empty store has no audit trail")
    require(not tuple(store.page()), "an empty store has an empty page")
    refused(
        lambda: store.decide("0" * 64, make_decision(Verdict.TRUST), expected=0), "store.unknown"
    )


def _check_put(store: TrustStore) -> None:
    alice = make_certificate("alice")
    record = store.put(alice, MAIL, at=NOON)
    require(record.certificate.der == alice.der, "the exact bytes are kept")
    require(record.decision is None and not record.anchor, "a new record is undecided")
    require(record.revision == 0, "a new record has revision 0")
    require(one_record(store, alice) == record, "what put returns is what is found")
    require(store.put(alice, MAIL, at=NOON) == record, "put is idempotent")
    store.put(alice, Source("upload", "root"), at=NOON + DAY)
    seen = store.put(alice, Source("upload", "admin"), at=NOON - DAY)
    require(seen.first_seen == NOON - DAY, "first_seen is the earliest")
    require(seen.last_seen == NOON + DAY, "last_seen is the latest")
    require(one_record(store, alice) == seen, "what put returns is what is found")
    origins = {(one.kind, one.origin) for one in seen.sources}
    expected = {("mail", "alice@example.com"), ("upload", "root"), ("upload", "admin")}
    require(origins == expected, "every source is kept once")


def _check_days(store: TrustStore) -> None:
    alice = make_certificate("alice")
    first = store.put(alice, MAIL, at=NOON, capabilities=Capabilities(b"\x30\x00", NOON))
    later = Source("mail", "alice@example.com", NOON + HOUR, "<2@example.com>")
    again = Capabilities(b"\x30\x00", NOON + HOUR)
    second = store.put(alice, later, at=NOON + HOUR, capabilities=again)
    require(second == first, "what is seen again on one day is nothing new")
    tomorrow = Source("mail", "alice@example.com", NOON + DAY, "<3@example.com>")
    third = store.put(alice, tomorrow, at=NOON + DAY)
    require(third.last_seen == NOON + DAY, "what is seen on another day is")
    require(third.sources == (tomorrow,), "and its source with it")


def _check_put_all(store: TrustStore) -> None:
    alice, bob = make_certificate("alice"), make_certificate("bob", "bob@example.com")
    facts = [Sighting(certificate=one, source=MAIL) for one in (bob, alice, bob)]
    found = tuple(store.put_all(facts, at=NOON))
    require([one.certificate for one in found] == [bob, alice, bob], "one record for each sighting")
    require(
        found == (one_record(store, bob), one_record(store, alice), one_record(store, bob)),
        "as they are now",
    )
    require(tuple(store.put_all((), at=NOON)) == (), "nothing gives nothing")


def _check_all_or_nothing(store: TrustStore) -> None:
    alice, bob = make_certificate("alice"), make_certificate("bob", "bob@example.com")
    store.put(alice, MAIL, at=NOON)
    before = one_record(store, alice)

    def failing() -> Iterator[Sighting]:
        yield Sighting(certificate=alice, source=Source("upload", "x"))
        yield Sighting(certificate=bob, source=MAIL)
        raise StoreError("The rest of the message cannot be read.", code="store.unknown")

    refused(lambda: store.put_all(failing(), at=NOON + DAY), "store.unknown")
    require(one_record(store, alice) == before, "facts that come with an error are not put")
    require(not tuple(store.records(ByFingerprint(bob.fingerprint))), "none of them")
    naive = (NOON + DAY).replace(tzinfo=None)
    refused(lambda: store.put(bob, MAIL, at=naive), "usage.naive-time")
    require(len(store.page()) == 1, "a refused sighting leaves nothing")


def _check_version(store: TrustStore) -> None:
    root, alice = make_certificate("root", None, is_ca=True), make_certificate("alice")
    seen = [store.version()]
    store.put(root, MAIL, at=NOON)
    seen.append(store.version())
    require(seen[0] != seen[1], "a CA certificate that is new changes the version")
    store.put(alice, MAIL, at=NOON)
    require(store.version() not in seen[:1], "no version comes back")
    for expected, verdict in enumerate((Verdict.TRUST, Verdict.REJECT, Verdict.NONE)):
        now = store.version()
        seen.append(now)
        store.decide(alice.fingerprint, make_decision(verdict), expected=expected)
        require(store.version() not in seen, "every decision gives a version that was not there")
    now = store.version()
    for one in (root, alice):
        store.put(one, MAIL, at=NOON)
    require(store.version() == now, "what is not new does not change the version")


def _check_sources(store: TrustStore) -> None:
    alice = make_certificate("alice")
    newer = Source("mail", "alice@example.com", NOON + DAY, "<2@example.com>")
    store.put(alice, newer, at=NOON)
    kept = store.put(alice, MAIL, at=NOON).sources
    require(kept == (newer,), "of one source the newest sighting is kept, whatever the order")


def _check_capabilities(store: TrustStore) -> None:
    alice = make_certificate("alice")
    newer = Capabilities(b"\x30\x00", NOON + HOUR)
    store.put(alice, MAIL, at=NOON, capabilities=Capabilities(b"\x30\x02\x05\x00", NOON))
    store.put(alice, MAIL, at=NOON, capabilities=newer)
    store.put(alice, MAIL, at=NOON, capabilities=Capabilities(b"\x30\x02\x05\x00", NOON))
    kept = store.put(alice, MAIL, at=NOON).capabilities
    require(kept == newer, "the newest signing time wins, and nothing erases capabilities")
    require(one_record(store, alice).capabilities == newer, "and they are kept")


def _check_preferences(store: TrustStore) -> None:
    alice, other = make_certificate("alice"), make_certificate("other")
    newer = Preference(ByIssuerSerial(other.issuer, 1 << 200), NOON + HOUR)
    for one in (Preference(ByKeyId(other.key_id or b""), NOON), newer):
        store.put(alice, MAIL, at=NOON, preference=one)
    older = Preference(ByKeyId(b"x"), NOON - HOUR)
    kept = store.put(alice, MAIL, at=NOON, preference=older)
    require(kept.preference == newer, "the newest preference wins")
    require(one_record(store, alice) == kept, "and it is kept")


def _check_queries(store: TrustStore) -> None:
    alice, other = make_certificate("alice", "Alice@EXAMPLE.com"), make_certificate("other", None)
    for one in (alice, other):
        store.put(one, MAIL, at=NOON)
    queries: tuple[Query, ...] = (
        ByAddress("alice@example.COM"),
        ByFingerprint(alice.fingerprint),
        ByFingerprint(alice.fingerprint.upper()),
        ByIssuer(alice.issuer),
        ByIssuerSerial(alice.issuer, alice.serial),
        ByKeyId(alice.key_id or b""),
        BySubject(alice.subject),
        ByPublicKey(public_key_fingerprint(alice)),
    )
    for query in queries:
        found = [one.certificate.der for one in store.records(query)]
        require(found == [alice.der], f"{type(query).__name__} finds the one that it describes")
        sources = [one.der for one in store.find(query)]
        require(sources == found, "find and records agree")
        paged = [one.certificate.der for one in store.page(query=query)]
        require(paged == found, "a page of the answers agrees with them")
        require(not store.page(query=query, after=alice.fingerprint), "and goes on behind")
    misses: tuple[Query, ...] = (
        ByAddress("alice@example.com.evil.test"),
        ByAddress("example.com"),
        ByAddress("%@example.com"),
        ByIssuerSerial(other.issuer, alice.serial),
        ByKeyId(b""),
        BySubject(b""),
    )
    for query in misses:
        require(not tuple(store.records(query)), f"{query} finds nothing")
        require(not tuple(store.page(query=query)), f"a page of {query} is empty")


def _check_pages(store: TrustStore) -> None:
    made = [make_certificate(f"page {number}") for number in range(5)]
    for one in made:
        store.put(one, MAIL, at=NOON)
    wanted = sorted(one.fingerprint for one in made)
    found: list[str] = []
    while part := store.page(after=found[-1] if found else "", limit=2):
        require(len(part) <= 2, "a page is not longer than asked for")
        found += [one.certificate.fingerprint for one in part]
    require(found == wanted, "pages go through all records once, in order of fingerprint")
    refused(lambda: store.page(limit=0), "usage.page")
    query = ByAddress("alice@example.com")
    first = store.page(limit=3, query=query)
    rest = store.page(limit=3, query=query, after=first[-1].certificate.fingerprint.upper())
    found = [one.certificate.fingerprint for one in (*first, *rest)]
    require((len(first), found) == (3, wanted), "answers are paged as all records are")


def _check_order(store: TrustStore) -> None:
    made = [make_certificate(f"order {number}") for number in range(4)]
    for days, one in enumerate(made):
        store.put(one, MAIL, at=NOON + days * DAY)
    store.decide(made[0].fingerprint, make_decision(Verdict.REJECT), expected=0)
    store.decide(made[1].fingerprint, make_decision(Verdict.TRUST), expected=0)
    found = [one.certificate for one in store.records(ByAddress("alice@example.com"))]
    require(
        found == [made[0], made[1], made[3], made[2]],
        "rejected ones first, then others that were decided about, then the last seen",
    )


def _check_flood(store: TrustStore) -> None:
    made = make_namesakes(FIND_LIMIT + 2)
    for one, verdict in zip(made, (Verdict.TRUST, Verdict.REJECT), strict=False):
        store.put(one, MAIL, at=NOON - DAY)
        store.decide(one.fingerprint, make_decision(verdict), expected=0)
    store.put_all([Sighting(certificate=one, source=MAIL) for one in made], at=NOON - DAY)
    store.put_all([Sighting(certificate=one, source=MAIL) for one in made[2:]], at=NOON)
    queries: tuple[Query, ...] = (
        ByAddress("alice@example.com"),
        ByIssuer(made[0].issuer),
        ByKeyId(made[0].key_id or b""),
        BySubject(made[0].subject),
        ByPublicKey(public_key_fingerprint(made[0])),
    )
    for query in queries:
        kind = type(query).__name__
        found = [one.certificate for one in store.records(query)]
        require(len(found) <= FIND_LIMIT, f"an answer to {kind} holds no more than FIND_LIMIT")
        require(found[:2] == [made[1], made[0]], f"no flood hides a decision from {kind}")
        paged = list(_paged(store, query))
        require(paged == sorted(one.fingerprint for one in made), f"pages of {kind} hold all")


def _paged(store: TrustStore, query: Query) -> Iterator[str]:
    after = ""
    while page := store.page(after=after, limit=200, query=query):
        yield from (one.fingerprint for one in page)
        after = page[-1].fingerprint


FACTS: Final[tuple[Callable[[TrustStore], None], ...]] = (
    _check_empty,
    _check_put,
    _check_days,
    _check_put_all,
    _check_all_or_nothing,
    _check_version,
    _check_sources,
    _check_capabilities,
    _check_preferences,
    _check_queries,
    _check_pages,
    _check_order,
    _check_flood,
)
"""Each is handed a new, empty store, and raises AssertionError."""
