"""A conformance suite for trust stores: whoever implements `TrustStore` runs it in a test.

Knows the contract (`smimekit.trust.store`). May not know any implementation.

    def test_my_store(tmp_path):
        names = itertools.count()
        check_trust_store(lambda: MyStore(tmp_path / str(next(names))))
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from smimekit.errors import SmimeError
from smimekit.testing.contract import (
    HOUR,
    MAIL,
    NOON,
    make_certificate,
    make_decision,
    one_record,
    refused,
    require,
)
from smimekit.testing.store_facts import FACTS
from smimekit.trust.records import (
    Capabilities,
    Purpose,
    Sighting,
    Source,
    Verdict,
)
from smimekit.trust.store import TrustStore

__all__ = ["check_trust_store"]


def _check_decisions(store: TrustStore) -> None:
    alice = make_certificate("alice")
    store.put(alice, MAIL, at=NOON)
    limited = make_decision(Verdict.TRUST, until=NOON + HOUR, scope=frozenset({Purpose.ENCRYPT}))
    record = store.decide(alice.fingerprint, limited, expected=0)
    require(record.decision == limited, "every part of a decision is kept")
    require(record.revision == 1, "a decision counts the revision up by one")
    require(one_record(store, alice) == record, "what decide returns is what is found")
    reject = make_decision(Verdict.REJECT)
    refused(lambda: store.decide(alice.fingerprint, reject, expected=0), "store.conflict")
    refused(lambda: store.decide(alice.fingerprint, reject, expected=2), "store.conflict")
    require(one_record(store, alice) == record, "a refused decision changes nothing")
    require(len(store.audit()) == 1, "a refused decision leaves no trace in the audit trail")
    store.decide(alice.fingerprint, reject, expected=1)
    later = Capabilities(b"\x30\x00", NOON + 2 * HOUR)
    kept = store.put(alice, Source("upload", "x"), at=NOON + HOUR, capabilities=later)
    require(kept.decision == reject and kept.revision == 2, "facts never change a decision")
    require(kept.capabilities == later, "facts go on to be collected about a rejected one")


def _check_withdrawal(store: TrustStore) -> None:
    alice = make_certificate("alice")
    store.put(alice, MAIL, at=NOON)
    store.decide(alice.fingerprint, make_decision(Verdict.REJECT), expected=0)
    none = make_decision(Verdict.NONE)
    record = store.decide(alice.fingerprint, none, expected=1)
    require(record.decision is None and record.revision == 2, "NONE withdraws the decision")
    trail = [(one.revision, one.decision.verdict) for one in store.audit(alice.fingerprint)]
    expected = [(1, Verdict.REJECT), (2, Verdict.NONE)]
    require(trail == expected, "the audit trail keeps every decision, in order")


def _check_anchors(store: TrustStore) -> None:
    root, alice = make_certificate("root", None, is_ca=True), make_certificate("alice")
    for one in (root, alice):
        store.put(one, MAIL, at=NOON)
    refused(
        lambda: store.decide(alice.fingerprint, make_decision(Verdict.ANCHOR), expected=0),
        "usage.anchor-no-ca",
    )
    store.decide(root.fingerprint, make_decision(Verdict.ANCHOR), expected=0)
    store.decide(alice.fingerprint, make_decision(Verdict.TRUST), expected=0)
    found = tuple(store.anchors())
    require([one.certificate for one in found] == [root], "anchors are those decided so")
    require(all(one.anchor for one in found), "an anchor's record says so")
    store.decide(root.fingerprint, make_decision(Verdict.REJECT), expected=1)
    require(not tuple(store.anchors()), "a rejected CA is no anchor")
    audit = [one.fingerprint for one in store.audit()]
    require(
        audit == [root.fingerprint, alice.fingerprint, root.fingerprint],
        "the whole audit trail is in the order of the decisions",
    )


def _check_race(store: TrustStore) -> None:
    alice = make_certificate("alice")
    store.put(alice, MAIL, at=NOON)
    results: list[str] = []
    barrier = threading.Barrier(4)

    def decide(verdict: Verdict) -> None:
        barrier.wait()
        try:
            store.decide(alice.fingerprint, make_decision(verdict), expected=0)
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
    require(losers == len(verdicts) - 1, "of decisions at once one wins, the others are told")
    winner = next(one for one in results if one != "store.conflict")
    kept = one_record(store, alice).decision
    require(kept is not None and kept.verdict == winner, "the winner's decision is the record's")
    require(len(store.audit()) == 1, "the audit trail holds the winner's decision only")


def _check_crowd(store: TrustStore) -> None:
    made = [make_certificate(f"page {number}") for number in range(3)]
    barrier = threading.Barrier(4)
    failed: list[SmimeError] = []

    def put(origin: str) -> None:
        source = Source("mail", origin, NOON)
        facts = [Sighting(certificate=one, source=source) for one in made]
        barrier.wait()
        try:
            store.put_all(facts if origin < "c" else reversed(facts), at=NOON)
        except SmimeError as error:
            failed.append(error)

    threads = [threading.Thread(target=put, args=(origin,)) for origin in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    require(not failed, "several may put the same certificates at once")
    for one in made:
        origins = [source.origin for source in one_record(store, one).sources]
        require(origins == ["a", "b", "c", "d"], "and no fact is lost")


_CHECKS: Final = (
    *FACTS,
    _check_decisions,
    _check_withdrawal,
    _check_anchors,
    _check_race,
    _check_crowd,
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
