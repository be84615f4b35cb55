"""What a decision would change: told before it is made, and true once it is."""

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smimekit.errors import UsageError
from smimekit.trust import (
    Decision,
    Flip,
    MemoryTrustStore,
    Purpose,
    Status,
    Trust,
    TrustStore,
    Verdict,
    preview,
)
from tests.trust import certs
from tests.trust.certs import NOW, Made, ca, person
from tests.trust.judging import HERE, decide, store_of

U, T, R = Status.UNTRUSTED, Status.TRUSTED, Status.REJECTED


def decision(verdict: Verdict) -> Decision:
    return Decision(verdict=verdict, by="me", why="test", at=NOW)


def looked_at(trust: Trust, verdict: Verdict, *made: Made) -> list[Flip]:
    return list(trust.preview([one.certificate for one in made], decision(verdict)))


def told(
    flips: Iterable[Flip], purpose: Purpose = Purpose.VERIFY
) -> dict[str, tuple[Status, Status]]:
    return {
        one.certificate.subject_text: (one.before.status, one.after.status)
        for one in flips
        if one.purpose is purpose
    }


def test_an_authority_added_and_distrusted() -> None:
    root, other = ca("Root"), ca("Other")
    sub = ca("Sub", root)
    people = (
        person("a@example.com", root),
        person("b@example.com", sub),
        person("c@example.com", other),
    )
    store = store_of(root, sub, *people)
    trust = Trust(store, clock=lambda: NOW)
    added = told(looked_at(trust, Verdict.ANCHOR, root))
    assert added == {"CN=a@example.com": (U, T), "CN=b@example.com": (U, T)}
    assert store.audit() == (), "nothing was decided"
    decide(store, root, Verdict.ANCHOR)
    gone = told(looked_at(trust, Verdict.REJECT, sub))
    assert gone == {"CN=Sub": (U, R), "CN=b@example.com": (T, R)}
    decide(store, people[0], Verdict.TRUST)
    withdrawn = told(looked_at(trust, Verdict.NONE, root))
    assert withdrawn == {"CN=b@example.com": (T, U)}, "a decision of its own stays"


def test_an_authority_that_the_store_does_not_hold() -> None:
    root = ca("Root")
    alice = person("a@example.com", root)
    store = store_of(alice)
    found = looked_at(Trust(store, clock=lambda: NOW), Verdict.ANCHOR, root)
    assert told(found) == {"CN=a@example.com": (U, T)}
    assert [one.certificate for one in store.page()] == [alice.certificate]


def test_an_authority_is_its_key() -> None:
    """Rejected under one certificate, it is rejected under all, whatever they call it."""
    root = ca("Root")
    renamed = ca("Renamed", private=root.key)
    alice = person("a@example.com", renamed)
    store = store_of(root, renamed, alice)
    decide(store, renamed, Verdict.ANCHOR)
    found = told(looked_at(Trust(store, clock=lambda: NOW), Verdict.REJECT, root))
    assert found["CN=a@example.com"] == (T, R)
    assert found["CN=Renamed"] == (U, R)


def test_one_person() -> None:
    alice, bob = person("a@example.com"), person("b@example.com")
    trust = Trust(store_of(alice, bob), clock=lambda: NOW)
    assert told(looked_at(trust, Verdict.TRUST, alice)) == {"CN=a@example.com": (U, T)}
    limited = Decision(
        verdict=Verdict.TRUST, by="me", why="", at=NOW, scope=frozenset({Purpose.ENCRYPT})
    )
    (only,) = trust.preview([alice.certificate], limited)
    assert (only.purpose, only.after.status) == (Purpose.ENCRYPT, T)
    assert looked_at(trust, Verdict.NONE, alice) == []


def test_what_cannot_be_decided_cannot_be_looked_at() -> None:
    alice = person("a@example.com")
    with pytest.raises(UsageError) as caught:
        looked_at(Trust(store_of(alice)), Verdict.ANCHOR, alice)
    assert caught.value.code == "usage.anchor-no-ca"
    with pytest.raises(UsageError):
        Trust().preview([alice.certificate], decision(Verdict.TRUST), NOW.replace(tzinfo=None))


def test_without_a_store_only_the_certificate_is_looked_at() -> None:
    alice = person("a@example.com")
    found = told(Trust(clock=lambda: NOW).preview([alice.certificate], decision(Verdict.TRUST)))
    assert found == {"CN=a@example.com": (U, T)}


def test_circles_of_names_end_and_each_is_looked_at_once() -> None:
    one = ca("One", private=certs.key("one"))
    two = ca("Two", one, private=certs.key("two"))
    back = ca("One", two, private=certs.key("one"))
    alice = person("a@example.com", two)
    below = list(preview.below(store_of(one, two, back, alice), [one.certificate]))
    assert len(below) == len(set(below)) == 4


def test_the_whole_crowd_is_looked_at_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "_PAGE", 3)
    root = ca("Root")
    people = [person(f"p{number}@example.com", root) for number in range(10)]
    store = store_of(*people)
    found = looked_at(Trust(store, clock=lambda: NOW), Verdict.ANCHOR, root)
    assert len(told(found)) == 10
    first = next(iter(Trust(store).preview([root.certificate], decision(Verdict.ANCHOR), NOW)))
    assert first.after.status is T


ROOTS = ca("Preview root"), ca("Preview other")
SUBS = (
    ca("Preview sub", ROOTS[0]),
    ca("Preview sub", ROOTS[1], private=certs.key("Preview sub")),
    ca("Preview root", private=ROOTS[0].key),
)
LEAVES = tuple(
    person(f"p{number}@example.com", issuer) for number, issuer in enumerate((*ROOTS, *SUBS, None))
)
EVERYBODY = (*ROOTS, *SUBS, *LEAVES)
DECISIONS = st.tuples(st.sampled_from(EVERYBODY), st.sampled_from(Verdict)).filter(
    lambda pair: pair[0].certificate.is_ca or pair[1] is not Verdict.ANCHOR
)


def statuses(trust: Trust, store: TrustStore) -> dict[tuple[str, Purpose], Status]:
    return {
        (one.fingerprint, purpose): trust.judge(one.certificate, purpose).status
        for one, purpose in itertools.product(store.page(), Purpose)
    }


@settings(max_examples=50)
@given(
    st.sets(st.sampled_from(range(len(EVERYBODY))), min_size=1),
    st.lists(DECISIONS, max_size=3),
    DECISIONS,
)
def test_what_is_told_is_what_happens(
    held: set[int], before: list[tuple[Made, Verdict]], last: tuple[Made, Verdict]
) -> None:
    store = MemoryTrustStore()
    trust = Trust(store, anchors=[ROOTS[1].certificate], clock=lambda: NOW)
    for number in sorted(held):
        store.put(EVERYBODY[number].certificate, HERE, at=NOW)
    for made, verdict in before:
        store.put(made.certificate, HERE, at=NOW)
        decide(store, made, verdict)
    made, verdict = last
    store.put(made.certificate, HERE, at=NOW)
    old = statuses(trust, store)
    flips = list(trust.preview([made.certificate], decision(verdict)))
    assert statuses(trust, store) == old
    decide(store, made, verdict)
    new = statuses(trust, store)
    changed = {key: (old[key], new[key]) for key in old if old[key] is not new[key]}
    assert changed == {
        (one.certificate.fingerprint, one.purpose): (one.before.status, one.after.status)
        for one in flips
    }
