"""Evidence fetched ahead: for whom, how often, and that the cache is warm afterwards."""

from datetime import timedelta
from typing import Any

import pytest

from smimekit.trust import (
    MemoryTrustStore,
    OnlineEvidence,
    Purpose,
    Revocation,
    RevocationPolicy,
    Trust,
    Verdict,
)
from smimekit.trust.revocation.refreshing import Refreshed, refresh
from tests.trust.certs import DAY, NOW, Made, ca, crl, person
from tests.trust.judging import decide, store_of
from tests.trust.network import Clock, FakeNet, access, crl_at, ocsp_answer

CRL, OCSP = "http://crl.example/a.crl", "http://ocsp.example/"
ROOT = ca("Refresh Root")
PEOPLE = [person(f"p{number}@example.com", ROOT, more=[crl_at(CRL)]) for number in range(3)]
ASKED = person("ocsp@example.com", ROOT, more=[access(ocsp_at=(OCSP,))])
BOTH = person("both@example.com", ROOT, more=[access(ocsp_at=(OCSP,)), crl_at(CRL)])


class World:
    def __init__(self, pages: dict[str, Any]) -> None:
        self.net, self.clock = FakeNet(pages), Clock()
        self.evidence = OnlineEvidence(self.net, clock=self.clock, monotonic=self.clock.monotonic)

    def refresh(self, store: MemoryTrustStore, **more: Any) -> Refreshed:
        anchors = more.pop("anchors", [ROOT.certificate])
        return refresh(store, self.evidence, anchors=anchors, clock=self.clock, **more)


def test_one_crl_is_fetched_for_many() -> None:
    world = World({CRL: crl(ROOT)})
    done = world.refresh(store_of(*PEOPLE))
    assert (done.certificates, done.fetched, list(done.reasons)) == (3, 1, [])
    assert world.net.asked == [CRL]


def test_afterwards_nobody_has_to_be_asked() -> None:
    world = World({CRL: crl(ROOT), OCSP: ocsp_answer(ASKED, ROOT)})
    assert world.refresh(store_of(ASKED, *PEOPLE)).fetched == 2
    world.net.pages.clear()
    trust = Trust(
        anchors=[ROOT.certificate], revocation=RevocationPolicy.HARD, evidence=world.evidence,
        clock=world.clock,
    )  # fmt: skip
    for who in (ASKED, *PEOPLE):
        judged = trust.judge(who.certificate, Purpose.VERIFY)
        assert judged.revocation is Revocation.GOOD
    assert len(world.net.asked) == 2


def test_a_crl_comes_before_ocsp_since_it_is_about_many() -> None:
    world = World({CRL: crl(ROOT), OCSP: ocsp_answer(BOTH, ROOT)})
    world.refresh(store_of(BOTH))
    assert world.net.asked == [CRL]


@pytest.mark.parametrize(("hours", "fetched"), [(23, 1), (25, 2)])
def test_what_ends_soon_is_renewed(hours: int, fetched: int) -> None:
    """The CRL ends a day from now."""
    world = World({CRL: crl(ROOT)})
    store = store_of(*PEOPLE)
    world.refresh(store)
    world.clock.pass_by(timedelta(minutes=10))
    world.refresh(store, ahead=timedelta(hours=hours))
    assert len(world.net.asked) == fetched


def test_who_is_passed_over() -> None:
    expired = person("old@example.com", ROOT, more=[crl_at(CRL)], end=NOW - DAY)
    stranger = person("x@example.com", ca("Nobody's"), more=[crl_at(CRL)])
    rejected: Made = person("bad@example.com", ROOT, more=[crl_at(CRL)])
    store = store_of(expired, stranger, rejected)
    decide(store, rejected, Verdict.REJECT)
    world = World({CRL: crl(ROOT)})
    assert world.refresh(store).certificates == 0
    assert world.net.asked == []


def test_failures_are_told_once() -> None:
    done = World({}).refresh(store_of(*PEOPLE))
    assert done.fetched == 0
    assert [one.code for one in done.reasons] == ["revocation.fetch"]


def test_an_anchor_of_the_store_counts() -> None:
    store = store_of(ROOT, PEOPLE[0])
    decide(store, ROOT, Verdict.ANCHOR)
    world = World({CRL: crl(ROOT)})
    assert world.refresh(store, anchors=[]).fetched == 1
