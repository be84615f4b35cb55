"""A conformance suite for trust stores: whoever implements `TrustStore` runs it in a test.

Knows the contract (`smimekit.trust.store`). May not know any implementation.

    def test_my_store(tmp_path):
        names = itertools.count()
        check_trust_store(lambda: MyStore(tmp_path / str(next(names))))
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from smimekit.certificate import Certificate
from smimekit.errors import SmimeError
from smimekit.trust.records import (
    ByAddress,
    ByFingerprint,
    ByIssuerSerial,
    ByKeyId,
    ByPublicKey,
    BySubject,
    Capabilities,
    Decision,
    Purpose,
    Query,
    Record,
    Source,
    Verdict,
    public_key_fingerprint,
)
from smimekit.trust.store import TrustStore

__all__ = ["check_trust_store"]

_NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)
_MAIL: Final = Source("mail", "alice@example.com", _NOON, "<1@example.com>")


@cache
def _certificate(
    label: str, address: str | None = "alice@example.com", *, is_ca: bool = False
) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, label)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOON - 1000 * _HOUR)
        .not_valid_after(_NOON + 1000 * _HOUR)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    if address is not None:
        names = x509.SubjectAlternativeName([x509.RFC822Name(address)])
        builder = builder.add_extension(names, critical=False)
    return Certificate(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER))


def _require(condition: object, rule: str) -> None:
    if not condition:
        raise AssertionError(f"The store breaks the contract: {rule}")


def _refused(action: Callable[[], object], code: str) -> None:
    try:
        action()
    except SmimeError as error:
        _require(error.code == code, f"the error is {error.code}, not {code}")
    else:
        _require(False, f"there is no error {code}")  # noqa: FBT003 - it has no name


def _decision(verdict: Verdict, **more: Any) -> Decision:
    return Decision(verdict=verdict, by="tester", why="because", at=_NOON, **more)


def _one(store: TrustStore, certificate: Certificate) -> Record:
    found = tuple(store.records(ByFingerprint(certificate.fingerprint)))
    _require(len(found) == 1, "a certificate that was put has one record")
    return found[0]


def _check_empty(store: TrustStore) -> None:
    unknown = ByFingerprint("0" * 64)
    _require(not tuple(store.records(unknown)), "an unknown certificate has no record")
    _require(not tuple(store.find(unknown)), "an unknown certificate is not found")
    _require(not tuple(store.anchors()), "an empty store has no anchors")
    _require(not tuple(store.audit()), "an empty store has no audit trail")
    _require(not tuple(store.page()), "an empty store has an empty page")
    _refused(lambda: store.decide("0" * 64, _decision(Verdict.TRUST), expected=0), "store.unknown")


def _check_put(store: TrustStore) -> None:
    alice = _certificate("alice")
    record = store.put(alice, _MAIL, at=_NOON)
    _require(record.certificate.der == alice.der, "the exact bytes are kept")
    _require(record.decision is None and not record.anchor, "a new record is undecided")
    _require(record.revision == 0, "a new record has revision 0")
    _require(_one(store, alice) == record, "what put returns is what is found")
    _require(store.put(alice, _MAIL, at=_NOON) == record, "put is idempotent")
    store.put(alice, Source("upload", "root"), at=_NOON + _HOUR)
    seen = store.put(alice, Source("upload", "admin"), at=_NOON - _HOUR)
    _require(seen.first_seen == _NOON - _HOUR, "first_seen is the earliest")
    _require(seen.last_seen == _NOON + _HOUR, "last_seen is the latest")
    origins = {(one.kind, one.origin) for one in seen.sources}
    expected = {("mail", "alice@example.com"), ("upload", "root"), ("upload", "admin")}
    _require(origins == expected, "every source is kept once")


def _check_sources(store: TrustStore) -> None:
    alice = _certificate("alice")
    newer = Source("mail", "alice@example.com", _NOON + _HOUR, "<2@example.com>")
    store.put(alice, newer, at=_NOON)
    kept = store.put(alice, _MAIL, at=_NOON).sources
    _require(kept == (newer,), "of one source the newest sighting is kept, whatever the order")


def _check_capabilities(store: TrustStore) -> None:
    alice = _certificate("alice")
    newer = Capabilities(b"\x30\x00", _NOON + _HOUR)
    store.put(alice, _MAIL, at=_NOON, capabilities=Capabilities(b"\x30\x02\x05\x00", _NOON))
    store.put(alice, _MAIL, at=_NOON, capabilities=newer)
    store.put(alice, _MAIL, at=_NOON, capabilities=Capabilities(b"\x30\x02\x05\x00", _NOON))
    kept = store.put(alice, _MAIL, at=_NOON).capabilities
    _require(kept == newer, "the newest signing time wins, and nothing erases capabilities")


def _check_queries(store: TrustStore) -> None:
    alice, other = _certificate("alice", "Alice@EXAMPLE.com"), _certificate("other", None)
    for one in (alice, other):
        store.put(one, _MAIL, at=_NOON)
    queries: tuple[Query, ...] = (
        ByAddress("alice@example.COM"),
        ByFingerprint(alice.fingerprint),
        ByFingerprint(alice.fingerprint.upper()),
        ByIssuerSerial(alice.issuer, alice.serial),
        ByKeyId(alice.key_id or b""),
        BySubject(alice.subject),
        ByPublicKey(public_key_fingerprint(alice)),
    )
    for query in queries:
        found = [one.certificate.der for one in store.records(query)]
        _require(found == [alice.der], f"{type(query).__name__} finds the one that it describes")
        sources = [one.der for one in store.find(query)]
        _require(sources == found, "find and records agree")
    misses: tuple[Query, ...] = (
        ByAddress("alice@example.com.evil.test"),
        ByAddress("example.com"),
        ByAddress("%@example.com"),
        ByIssuerSerial(other.issuer, alice.serial),
        ByKeyId(b""),
        BySubject(b""),
    )
    for query in misses:
        _require(not tuple(store.records(query)), f"{query} finds nothing")


def _check_decisions(store: TrustStore) -> None:
    alice = _certificate("alice")
    store.put(alice, _MAIL, at=_NOON)
    limited = _decision(Verdict.TRUST, until=_NOON + _HOUR, scope=frozenset({Purpose.ENCRYPT}))
    record = store.decide(alice.fingerprint, limited, expected=0)
    _require(record.decision == limited, "every part of a decision is kept")
    _require(record.revision == 1, "a decision counts the revision up by one")
    _require(_one(store, alice) == record, "what decide returns is what is found")
    reject = _decision(Verdict.REJECT)
    _refused(lambda: store.decide(alice.fingerprint, reject, expected=0), "store.conflict")
    _refused(lambda: store.decide(alice.fingerprint, reject, expected=2), "store.conflict")
    _require(_one(store, alice) == record, "a refused decision changes nothing")
    _require(len(store.audit()) == 1, "a refused decision leaves no trace in the audit trail")
    store.decide(alice.fingerprint, reject, expected=1)
    later = Capabilities(b"\x30\x00", _NOON + 2 * _HOUR)
    kept = store.put(alice, Source("upload", "x"), at=_NOON + _HOUR, capabilities=later)
    _require(kept.decision == reject and kept.revision == 2, "facts never change a decision")
    _require(kept.capabilities == later, "facts go on to be collected about a rejected one")


def _check_withdrawal(store: TrustStore) -> None:
    alice = _certificate("alice")
    store.put(alice, _MAIL, at=_NOON)
    store.decide(alice.fingerprint, _decision(Verdict.REJECT), expected=0)
    none = _decision(Verdict.NONE)
    record = store.decide(alice.fingerprint, none, expected=1)
    _require(record.decision is None and record.revision == 2, "NONE withdraws the decision")
    trail = [(one.revision, one.decision.verdict) for one in store.audit(alice.fingerprint)]
    expected = [(1, Verdict.REJECT), (2, Verdict.NONE)]
    _require(trail == expected, "the audit trail keeps every decision, in order")


def _check_anchors(store: TrustStore) -> None:
    root, alice = _certificate("root", None, is_ca=True), _certificate("alice")
    for one in (root, alice):
        store.put(one, _MAIL, at=_NOON)
    _refused(
        lambda: store.decide(alice.fingerprint, _decision(Verdict.ANCHOR), expected=0),
        "usage.anchor-no-ca",
    )
    store.decide(root.fingerprint, _decision(Verdict.ANCHOR), expected=0)
    store.decide(alice.fingerprint, _decision(Verdict.TRUST), expected=0)
    found = tuple(store.anchors())
    _require([one.certificate for one in found] == [root], "anchors are those decided so")
    _require(all(one.anchor for one in found), "an anchor's record says so")
    store.decide(root.fingerprint, _decision(Verdict.REJECT), expected=1)
    _require(not tuple(store.anchors()), "a rejected CA is no anchor")
    audit = [one.fingerprint for one in store.audit()]
    _require(
        audit == [root.fingerprint, alice.fingerprint, root.fingerprint],
        "the whole audit trail is in the order of the decisions",
    )


def _check_pages(store: TrustStore) -> None:
    made = [_certificate(f"page {number}") for number in range(5)]
    for one in made:
        store.put(one, _MAIL, at=_NOON)
    wanted = sorted(one.fingerprint for one in made)
    found: list[str] = []
    while part := store.page(after=found[-1] if found else "", limit=2):
        _require(len(part) <= 2, "a page is not longer than asked for")
        found += [one.certificate.fingerprint for one in part]
    _require(found == wanted, "pages go through all records once, in order of fingerprint")
    _refused(lambda: store.page(limit=0), "usage.page")


def _check_order(store: TrustStore) -> None:
    made = [_certificate(f"order {number}") for number in range(3)]
    for hours, one in enumerate(made):
        store.put(one, _MAIL, at=_NOON + hours * _HOUR)
    store.decide(made[0].fingerprint, _decision(Verdict.REJECT), expected=0)
    found = [one.certificate for one in store.records(ByAddress("alice@example.com"))]
    _require(found == [made[0], made[2], made[1]], "decided ones first, then the last seen")


def _check_race(store: TrustStore) -> None:
    alice = _certificate("alice")
    store.put(alice, _MAIL, at=_NOON)
    results: list[str] = []
    barrier = threading.Barrier(4)

    def decide(verdict: Verdict) -> None:
        barrier.wait()
        try:
            store.decide(alice.fingerprint, _decision(verdict), expected=0)
        except SmimeError as error:
            results.append(error.code)
        else:
            results.append(verdict)

    verdicts = (Verdict.TRUST, Verdict.REJECT, Verdict.TRUST, Verdict.REJECT)
    threads = [threading.Thread(target=decide, args=(verdict,)) for verdict in verdicts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    losers = results.count("store.conflict")
    _require(losers == len(verdicts) - 1, "of decisions at once one wins, the others are told")
    winner = next(one for one in results if one != "store.conflict")
    kept = _one(store, alice).decision
    _require(kept is not None and kept.verdict == winner, "the winner's decision is the record's")
    _require(len(store.audit()) == 1, "the audit trail holds the winner's decision only")


_CHECKS: Final = (
    _check_empty,
    _check_put,
    _check_sources,
    _check_capabilities,
    _check_queries,
    _check_decisions,
    _check_withdrawal,
    _check_anchors,
    _check_pages,
    _check_order,
    _check_race,
)


def check_trust_store(factory: Callable[[], TrustStore]) -> None:
    """Raise AssertionError, with the rule that is broken, unless the store keeps the contract.

    `factory` gives a new, empty store each time; one that has `close` is closed afterwards.
    """
    for check in _CHECKS:
        with ExitStack() as stack:
            store = factory()
            close = getattr(store, "close", None)
            if close is not None:
                stack.callback(close)
            check(store)
