"""Judgements that are kept: as good as new ones, whatever was decided, learned or ran out since."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smimekit.limits import Limits
from smimekit.policy import Policy
from smimekit.trust import (
    ByFingerprint,
    Decision,
    Judgement,
    MemoryTrustStore,
    Purpose,
    RevocationPolicy,
    Status,
    Trust,
    Verdict,
    chain,
)
from smimekit.trust.cache import JudgementCache, Kept, key_for, window_around
from smimekit.trust.certvalidator import EVIDENCE_SKEW
from smimekit.trust.validate import validate_path
from tests.trust import certs
from tests.trust.certs import DAY, NOW, Made, ca, crl, person
from tests.trust.judging import HERE, decide, store_of

ALICE = "alice@example.com"
TICK = timedelta(microseconds=1)
HARD = RevocationPolicy.HARD


@pytest.fixture
def validations(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Each path that is validated, which is what costs."""
    seen: list[Any] = []
    real = validate_path

    def counted(path: Any, request: Any) -> Any:
        seen.append(path)
        return real(path, request)

    monkeypatch.setattr(chain, "validate_path", counted)
    return seen


def trusting(store: MemoryTrustStore | None = None, *anchors: Made, **more: Any) -> Trust:
    return Trust(store, anchors=[one.certificate for one in anchors], clock=lambda: NOW, **more)


def remembering(octets: int) -> Policy:
    return replace(Policy.INTEROP, limits=Limits(judgement_bytes=octets))


def test_a_judgement_is_made_once(
    root: Made, sub: Made, alice: Made, validations: list[Any]
) -> None:
    trust = trusting(store_of(sub), root)
    first = trust.judge(alice.certificate, Purpose.VERIFY)
    later = trust.judge(alice.certificate, Purpose.VERIFY, at=NOW + timedelta(minutes=5))
    assert len(validations) == 1
    assert first.status is later.status is Status.TRUSTED
    assert (first.at, later.at) == (NOW, NOW + timedelta(minutes=5))
    assert (first.path, first.reasons, first.certificate) == (
        later.path, later.reasons, later.certificate,
    )  # fmt: skip


def test_in_what_order_things_come_along_makes_no_other_question(
    root: Made, sub: Made, alice: Made, validations: list[Any]
) -> None:
    trust = trusting(None, root)
    crls = [crl(root), crl(sub), crl(sub, this=NOW - 2 * DAY)]
    bag = [sub.certificate, root.certificate]
    for _ in range(2):
        found = trust.judge(
            alice.certificate, Purpose.VERIFY, extra_certificates=bag, crls=crls, ocsps=crls
        )
        assert found.status is Status.TRUSTED
        bag.reverse()
        crls.reverse()
    assert len(validations) == 1


def test_another_question_is_another_judgement(
    root: Made, sub: Made, alice: Made, validations: list[Any]
) -> None:
    trust = trusting(None, root)
    questions: list[dict[str, Any]] = [
        {},
        {"extra_certificates": [sub.certificate]},
        {"extra_certificates": [sub.certificate, root.certificate]},
        {"extra_certificates": [sub.certificate], "crls": [crl(sub)]},
        {"extra_certificates": [sub.certificate], "crls": [crl(sub, alice.certificate)]},
        {"extra_certificates": [sub.certificate], "ocsps": [crl(sub)]},
        {"extra_certificates": [sub.certificate], "crls": [crl(sub)], "ocsps": [crl(sub)]},
    ]
    wanted = [Status.UNTRUSTED, *[Status.TRUSTED] * 3, Status.REJECTED, *[Status.TRUSTED] * 2]
    for _ in range(2):
        found = [
            trust.judge(alice.certificate, Purpose.VERIFY, **question) for question in questions
        ]
        assert [one.status for one in found] == wanted
    assert len(validations) == len(questions) - 1, "the first has no path"
    encrypting = trust.judge(alice.certificate, Purpose.ENCRYPT, **questions[1])
    assert encrypting.purpose is Purpose.ENCRYPT
    assert len(validations) == len(questions)


def test_what_came_along_cannot_be_taken_for_something_else(root: Made, sub: Made) -> None:
    """The parts of a key do not run into each other, neither as they are nor digested."""
    one, few = certs.person(ALICE).certificate, (root.certificate, sub.certificate)
    bags = [few[:0], few[:1], few, few[::-1], few * 4, few * 5, few[::-1] * 4]
    beside = (
        ((), ()), ((b"",), ()), ((), (b"",)), ((b"a", b"b"), ()), ((b"ab",), ()),
        ((b"a",), (b"b",)), ((), (b"a", b"b")), ((b"\xff",), ()), ((b"a\x001:b",), ()),
        ((few[0].fingerprint.encode(),), ()),
    )  # fmt: skip
    keys = {
        key_for(one, Purpose.VERIFY, bag, evidence, None) for bag in bags for evidence in beside
    }
    assert len(keys) == len(bags) * len(beside)
    assert key_for(root.certificate, Purpose.VERIFY, few, ((), ()), None) not in keys
    assert key_for(one, Purpose.ENCRYPT, few, ((), ()), None) not in keys


def test_a_key_is_short_however_much_came_along(root: Made) -> None:
    """What is kept counts little: nobody fills the cache by what they attach."""
    one = certs.person(ALICE).certificate
    for bag, evidence in (([root.certificate] * 500, ()), ([], ([b"c" * 10**6] * 3, [b""]))):
        key = key_for(one, Purpose.VERIFY, bag, evidence, None)
        assert len(repr(key)) < 1_000


# --- decisions and new certificates ---------------------------------------------------------


def test_a_decision_ends_what_was_known(root: Made, sub: Made, alice: Made) -> None:
    store = store_of(root, sub, alice)
    trust = trusting(store)

    def status() -> Status:
        return trust.judge(alice.certificate, Purpose.VERIFY).status

    found = [status()]
    for made, verdict in (
        (alice, Verdict.TRUST), (alice, Verdict.REJECT), (alice, Verdict.NONE),
        (root, Verdict.ANCHOR), (sub, Verdict.REJECT), (sub, Verdict.NONE),
        (root, Verdict.REJECT), (root, Verdict.NONE),
    ):  # fmt: skip
        decide(store, made, verdict)
        found.append(status())
    untrusted, trusted, rejected = Status.UNTRUSTED, Status.TRUSTED, Status.REJECTED
    assert found == [
        untrusted, trusted, rejected, untrusted, trusted, rejected, trusted, rejected, untrusted,
    ]  # fmt: skip


def test_an_issuer_that_comes_in_ends_what_was_known(root: Made, sub: Made, alice: Made) -> None:
    store = store_of(alice)
    trust = trusting(store, root)
    assert trust.judge(alice.certificate, Purpose.VERIFY).status is Status.UNTRUSTED
    store.put(sub.certificate, HERE, at=NOW)
    assert trust.judge(alice.certificate, Purpose.VERIFY).status is Status.TRUSTED


def test_a_kept_judgement_asks_for_the_version_and_nothing_else(sub: Made, alice: Made) -> None:
    """On a database every question is a way to the server and back."""
    asked: list[str] = []

    class Counting(MemoryTrustStore):
        def __getattribute__(self, name: str) -> Any:
            if not name.startswith("_"):
                asked.append(name)
            return super().__getattribute__(name)

    store = Counting()
    store.put(sub.certificate, HERE, at=NOW)
    trust = trusting(store)
    trust.judge(alice.certificate, Purpose.VERIFY)
    asked.clear()
    trust.judge(alice.certificate, Purpose.VERIFY, at=NOW + TICK)
    assert asked == ["version"]


def test_people_that_come_in_end_nothing(
    root: Made, sub: Made, alice: Made, validations: list[Any]
) -> None:
    store = store_of(sub)
    trust = trusting(store, root)
    for number in range(5):
        store.put(person(f"b{number}@example.com", sub).certificate, HERE, at=NOW)
        trust.judge(alice.certificate, Purpose.VERIFY)
    assert len(validations) == 1


def test_a_decision_during_a_judgement_is_not_lost(root: Made, sub: Made, alice: Made) -> None:
    """What was found before the decision must not be kept as found after it."""

    class Slow(MemoryTrustStore):
        then: Callable[[], None] | None = None

        def anchors(self) -> Any:
            found = super().anchors()
            act, self.then = self.then, None
            if act is not None:
                act()
            return found

    store = Slow()
    for one in (root, sub, alice):
        store.put(one.certificate, HERE, at=NOW)
    trust = trusting(store)
    store.then = lambda: decide(store, root, Verdict.ANCHOR)
    assert trust.judge(alice.certificate, Purpose.VERIFY).status is Status.UNTRUSTED
    assert trust.judge(alice.certificate, Purpose.VERIFY).status is Status.TRUSTED


# --- time -----------------------------------------------------------------------------------


def test_the_end_of_anything_ends_a_judgement(root: Made) -> None:
    """To the microsecond, in either direction."""
    end = NOW + timedelta(minutes=10)
    minute = timedelta(minutes=1)
    other = ca("Other root", end=end)
    below = ca("Below", root, end=end)
    plain = person(ALICE, root)
    declared = ca("Declared root")
    leaves = {
        "leaf": person(ALICE, root, end=end),
        "intermediate": person(ALICE, below),
        "anchor": person(ALICE, other),
        "decision": person(ALICE),
        "declared anchor": person(ALICE, declared),
    }
    store = store_of(below, declared, leaves["decision"])
    decide(store, leaves["decision"], Verdict.TRUST, until=end)
    decide(store, declared, Verdict.ANCHOR, until=end + timedelta(minutes=7))
    trust = trusting(store, root, other)
    for name, leaf in leaves.items():
        for at in (NOW, end - minute, end, end + TICK, end + minute, end, end - minute):
            found = trust.judge(leaf.certificate, Purpose.VERIFY, at=at).status
            expected = at <= end or name == "declared anchor"
            assert (found is Status.TRUSTED) == expected, (name, at)
    assert trust.judge(plain.certificate, Purpose.VERIFY, at=end + TICK).status is Status.TRUSTED
    for away in (-TICK, 0 * TICK, TICK, -TICK):
        at = end + timedelta(minutes=7) + away
        found = trust.judge(leaves["declared anchor"].certificate, Purpose.VERIFY, at=at).status
        assert (found is Status.TRUSTED) == (away <= 0 * TICK)


def test_a_way_that_opens_later_is_found(root: Made) -> None:
    """What no path leads over yet counts as well: here the first path is bad for ever."""
    start = NOW + timedelta(minutes=10)
    private = certs.key("crossed twice")
    tight = ca("Tight root", path_length=0)
    middle = ca("Middle", tight)
    bad = ca("Crossed twice", middle, private=private)
    later = ca("Crossed twice", root, private=private, start=start)
    leaf = person(ALICE, bad).certificate
    extra = [middle.certificate, bad.certificate, later.certificate]
    for anchors in ((tight, root), (root, tight)):
        trust = trusting(None, *anchors)
        for at in (NOW, start - TICK, start, NOW):
            found = trust.judge(leaf, Purpose.VERIFY, at=at, extra_certificates=extra)
            assert (found.status is Status.TRUSTED) == (at >= start), at


def test_the_facts_about_a_rejected_authority_stay_true(root: Made) -> None:
    made = ca("Ending", root, end=NOW + timedelta(minutes=10))
    store = store_of(made)
    decide(store, made, Verdict.REJECT)
    keeping, forgetful = trusting(store, root), trusting(store, root, policy=remembering(0))
    for minutes in (0, 11, 0):
        at = NOW + timedelta(minutes=minutes)
        found = keeping.judge(made.certificate, Purpose.VERIFY, at=at)
        assert found == forgetful.judge(made.certificate, Purpose.VERIFY, at=at)


def test_the_beginning_of_anything_ends_a_judgement(root: Made) -> None:
    start = NOW + timedelta(minutes=10)
    below = ca("Below", root, start=start)
    for leaf in (person(ALICE, root, start=start), person(ALICE, below)):
        trust = trusting(store_of(below), root)
        for at in (NOW, start - TICK, start, start + TICK, start - TICK):
            found = trust.judge(leaf.certificate, Purpose.VERIFY, at=at).status
            assert (found is Status.TRUSTED) == (at >= start), at


def test_evidence_grows_old(root: Made, alice: Made, sub: Made) -> None:
    following = NOW + timedelta(minutes=10)
    end = following + EVIDENCE_SKEW
    crls = [crl(root), crl(sub, following=following)]
    trust = trusting(store_of(sub), root, revocation=HARD)
    for at in (NOW, end, end + TICK, NOW):
        found = trust.judge(alice.certificate, Purpose.VERIFY, at=at, crls=crls)
        assert (found.status is Status.TRUSTED) == (at <= end), at


def test_a_revocation_counts_from_its_date_on(root: Made, alice: Made, sub: Made) -> None:
    """By a CRL of later: when it came, all was over."""
    when = NOW + timedelta(minutes=10)
    later: dict[str, Any] = {
        "this": when + timedelta(minutes=10),
        "following": when + timedelta(days=1),
    }
    crls = [crl(root), crl(sub, alice.certificate, when=when, **later)]
    trust = trusting(store_of(sub), root)
    for at in (NOW, when - TICK, when, when + TICK, NOW):
        found = trust.judge(alice.certificate, Purpose.VERIFY, at=at, crls=crls)
        assert (found.status is Status.REJECTED) == (at > when), at


def test_a_newer_crl_counts_at_once(root: Made, alice: Made, sub: Made) -> None:
    trust = trusting(store_of(sub), root)
    for crls, status in (
        ([crl(sub)], Status.TRUSTED),
        ([crl(sub, alice.certificate)], Status.REJECTED),
        ([crl(sub)], Status.TRUSTED),
    ):
        assert trust.judge(alice.certificate, Purpose.VERIFY, crls=crls).status is status


def test_the_ends_of_the_calendar(root: Made, alice: Made) -> None:
    for aware in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        found = trusting(None, root).judge(alice.certificate, Purpose.VERIFY, at=aware)
        assert found.status is Status.UNTRUSTED


@given(
    st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2027, 1, 1)),  # noqa: DTZ001
    st.lists(st.integers(-10_000, 10_000), max_size=6),
    st.integers(-10_000, 10_000),
)
def test_a_window_holds_no_moment(at: datetime, seconds: list[int], away: int) -> None:
    at = at.replace(tzinfo=NOW.tzinfo)
    moments = [at + timedelta(seconds=number) for number in seconds]
    window = window_around(at, moments)
    if at in moments:
        assert window is None
        return
    assert window is not None
    assert window.holds(at)
    then = at + timedelta(seconds=away)
    if window.holds(then):
        assert not [one for one in moments if min(at, then) <= one <= max(at, then)]
        assert abs(then - at) < timedelta(hours=1)


# --- against a trust that keeps nothing ------------------------------------------------------

ROOT = ca("Cache root", start=NOW - 9 * DAY, end=NOW + 9 * DAY)
OTHER = ca("Cache other", end=NOW + 4 * DAY / 96)
SUB = ca("Cache sub", ROOT, end=NOW + 3 * DAY / 96)
CROSSED = ca("Cache sub", OTHER, private=SUB.key, start=NOW + DAY / 96)
PEOPLE = (
    person(ALICE, SUB, end=NOW + 2 * DAY / 96),
    person("bob@example.com", OTHER),
    person("carol@example.com", start=NOW + DAY / 96),
)
EVERYBODY = (ROOT, OTHER, SUB, CROSSED, *PEOPLE)
CRLS = (
    crl(ROOT), crl(SUB, following=NOW + DAY / 96), crl(SUB, PEOPLE[0].certificate, when=NOW + DAY / 50),
    crl(OTHER, CROSSED.certificate), crl(OTHER),
)  # fmt: skip
TIMES = st.builds(
    lambda quarter, tick: NOW + quarter * DAY / 96 + tick * TICK,
    st.integers(-2, 6),
    st.sampled_from([-1, 0, 1, 10_000_000]),
)


@st.composite
def questions(draw: st.DrawFn) -> tuple[Any, ...]:
    some: Any = st.lists(st.sampled_from(EVERYBODY), max_size=2)
    return (
        draw(st.sampled_from(EVERYBODY)).certificate,
        draw(st.sampled_from(Purpose)),
        {
            "at": draw(TIMES),
            "extra_certificates": [one.certificate for one in draw(some)],
            "crls": draw(st.lists(st.sampled_from(CRLS), max_size=2)),
        },
    )


@st.composite
def acts(draw: st.DrawFn) -> tuple[Made, Verdict | None, datetime | None]:
    made = draw(st.sampled_from(EVERYBODY))
    verdict = draw(st.sampled_from([None, *Verdict]))
    if verdict is Verdict.ANCHOR and not made.certificate.is_ca:
        verdict = Verdict.TRUST
    limited = verdict in {Verdict.TRUST, Verdict.ANCHOR} and draw(st.booleans())
    return made, verdict, draw(TIMES) if limited else None


def act(store: MemoryTrustStore, made: Made, verdict: Verdict | None, until: Any) -> None:
    record = store.put(made.certificate, HERE, at=NOW)
    if verdict is not None:
        decision = Decision(verdict=verdict, by="me", why="", at=NOW, until=until)
        store.decide(record.fingerprint, decision, expected=record.revision)


@settings(max_examples=60)
@given(st.data())
def test_it_never_says_anything_else_than_a_trust_that_keeps_nothing(data: st.DataObject) -> None:
    store = MemoryTrustStore()
    options: dict[str, Any] = {
        "anchors": data.draw(st.sampled_from([(), (ROOT.certificate,)])),
        "revocation": data.draw(st.sampled_from(RevocationPolicy)),
    }
    keeping, forgetful = Trust(store, **options), Trust(store, policy=remembering(0), **options)
    asked = data.draw(st.lists(questions(), min_size=1, max_size=3))
    for _ in range(data.draw(st.integers(1, 4))):
        for certificate, purpose, beside in asked:
            for at in (beside["at"], data.draw(TIMES), beside["at"]):
                more = beside | {"at": at}
                found = keeping.judge(certificate, purpose, **more)
                assert found == forgetful.judge(certificate, purpose, **more)
        act(store, *data.draw(acts()))


# --- bounds ---------------------------------------------------------------------------------


DAWN = datetime.min.replace(tzinfo=UTC)


def some_judgements(count: int) -> Iterator[Judgement]:
    for number in range(count):
        made = person(f"b{number}@example.com").certificate
        yield Trust().judge(made, Purpose.VERIFY, at=NOW)


def test_the_oldest_go_when_it_is_full() -> None:
    window = window_around(NOW, ())
    assert window is not None
    kept = JudgementCache(20_000)
    assert (
        kept.get(
            key_for(person(ALICE).certificate, Purpose.VERIFY, (), (), None), (0, 0), NOW, DAWN
        )
        is None
    )
    keys = []
    for one in some_judgements(30):
        keys.append(key_for(one.certificate, Purpose.VERIFY, (), (), None))
        kept.put(keys[-1], (0, 0), Kept(one, window, DAWN))
        kept.put(keys[-1], (0, 0), Kept(one, window, DAWN))
        assert kept.get(keys[0], (0, 0), NOW, DAWN) is not None, "what is asked for stays"
    there = [kept.get(key, (0, 0), NOW, DAWN) is not None for key in keys]
    assert 3 < sum(there) < 9
    assert there[-3:] == [True] * 3
    assert kept._used == sum(weight for _, weight in kept._found.values()) <= 20_000


def test_what_was_found_under_another_version_is_not_kept() -> None:
    window = window_around(NOW, ())
    assert window is not None
    kept = JudgementCache(20_000)
    (one,) = some_judgements(1)
    key = key_for(one.certificate, Purpose.VERIFY, (), (), None)
    assert kept.get(key, (1, 0), NOW, DAWN) is None
    assert kept.get(key, (2, 0), NOW, DAWN) is None, "somebody else asks, after a decision"
    kept.put(key, (1, 0), Kept(one, window, DAWN))
    assert kept.get(key, (2, 0), NOW, DAWN) is None


def test_what_is_too_large_is_not_kept(root: Made, validations: list[Any]) -> None:
    trust = trusting(None, root, policy=remembering(100))
    made = person(ALICE, root).certificate
    for _ in range(2):
        assert trust.judge(made, Purpose.VERIFY).status is Status.TRUSTED
    assert len(validations) == 2


def test_what_is_kept_does_not_hold_on_to_views(root: Made, sub: Made, alice: Made) -> None:
    """The parsed views of a certificate are many times as large as it is."""
    trust = trusting(store_of(sub), root)
    trust.judge(alice.certificate, Purpose.VERIFY)
    ((found, _),) = trust._cache._found.values()
    kept = found.judgement
    assert len(kept.path) == 3
    assert not [one for one in (*kept.path, kept.certificate) if "asn1" in vars(one)]


def test_threads_see_their_own_decisions(root: Made, sub: Made) -> None:
    store = store_of(root, sub)
    trust = trusting(store, root)
    people = [person(f"t{number}@example.com", sub) for number in range(4)]
    for one in people:
        store.put(one.certificate, HERE, at=NOW)
    wrong: list[Any] = []

    def work(made: Made) -> None:
        for number in range(8):
            verdict = Verdict.REJECT if number % 2 else Verdict.NONE
            (record,) = store.records(ByFingerprint(made.certificate.fingerprint))
            decision = Decision(verdict=verdict, by="me", why="", at=NOW)
            store.decide(record.fingerprint, decision, expected=record.revision)
            for _ in range(3):
                found = trust.judge(made.certificate, Purpose.VERIFY).status
                if (found is Status.REJECTED) != (verdict is Verdict.REJECT):
                    wrong.append((made.name, number, found))

    threads = [threading.Thread(target=work, args=(one,)) for one in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_trust_has_its_own_cache(root: Made, sub: Made, alice: Made) -> None:
    """No state is shared: two policies, or two sets of anchors, never meet."""
    one, other = trusting(store_of(sub), root), trusting(store_of(sub))
    assert one.judge(alice.certificate, Purpose.VERIFY).status is Status.TRUSTED
    assert other.judge(alice.certificate, Purpose.VERIFY).status is Status.UNTRUSTED
