"""Judgements that are kept, where evidence can still come in: never older than the source asks."""

from datetime import timedelta
from typing import Any

import pytest

from smimekit.trust import (
    Decision,
    MemoryEvidenceCache,
    MemoryTrustStore,
    Revocation,
    RevocationPolicy,
    Status,
    Verdict,
    chain,
)
from smimekit.trust.validate import validate_path
from tests.trust.certs import DAY, NOW, crl
from tests.trust.judging import HERE
from tests.trust.test_online import ALICE, CRL, ROOT, World

MINUTE = timedelta(minutes=1)
FOLLOWING = NOW + 30 * DAY


@pytest.fixture
def validations(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    seen: list[Any] = []

    def counted(path: Any, request: Any) -> Any:
        seen.append(path)
        return validate_path(path, request)

    monkeypatch.setattr(chain, "validate_path", counted)
    return seen


def test_a_judgement_with_evidence_is_made_once(validations: list[Any]) -> None:
    world = World({CRL: crl(ROOT, following=FOLLOWING)})
    world.judge(ALICE)
    world.judge(ALICE)  # what was fetched for the first one ended it
    made = len(validations)
    for _ in range(3):
        assert world.judge(ALICE).revocation is Revocation.GOOD
    assert len(validations) == made


def test_the_source_is_asked_again_even_if_the_time_of_the_judgement_stands_still() -> None:
    world = World({CRL: crl(ROOT, following=FOLLOWING)})
    for _ in range(3):
        assert world.judge(ALICE, at=NOW).revocation is Revocation.GOOD
    world.net.pages[CRL] = crl(ROOT, ALICE.certificate, this=NOW, following=FOLLOWING)
    world.clock.pass_by(DAY + MINUTE)
    assert world.judge(ALICE, at=NOW).revocation is Revocation.REVOKED


def test_what_another_judgement_has_fetched_counts_at_once() -> None:
    world = World({})
    for _ in range(3):
        assert world.judge(ALICE).revocation is Revocation.UNKNOWN
    world.net.pages[CRL] = crl(ROOT, ALICE.certificate)
    path = (ROOT.certificate, ALICE.certificate)
    world.clock.pass_by(6 * MINUTE)
    renewed = world.evidence.renew(path, until=NOW + DAY, limits=world.trust.policy.limits)
    assert renewed.fetched == 1
    assert world.judge(ALICE).status is Status.REJECTED


def test_what_another_process_fetched_is_followed() -> None:
    """One fetches into the cache, and another one that asks nobody judges by it."""
    cache = MemoryEvidenceCache()
    fetching = World({CRL: crl(ROOT, following=FOLLOWING)}, cache=cache)
    judging = World({}, cache=cache, online=False)
    for world in (fetching, judging, judging):
        assert world.judge(ALICE).revocation is Revocation.GOOD
    fetching.net.pages[CRL] = crl(ROOT, ALICE.certificate, this=NOW, following=FOLLOWING)
    fetching.clock.pass_by(DAY + MINUTE)
    assert fetching.judge(ALICE).revocation is Revocation.REVOKED
    judging.clock.pass_by(judging.evidence.ask_again + MINUTE)
    assert judging.judge(ALICE, at=NOW).revocation is Revocation.REVOKED


def test_a_preview_asks_nobody_and_knows_what_is_at_hand() -> None:
    store = MemoryTrustStore()
    for one in (ALICE, ROOT):
        store.put(one.certificate, HERE, at=NOW)
    anchor = Decision(verdict=Verdict.ANCHOR, by="me", why="", at=NOW)
    revoking = {CRL: crl(ROOT, ALICE.certificate)}

    def flips(world: World) -> set[tuple[str, Status]]:
        found = world.trust.preview([ROOT.certificate], anchor, NOW)
        return {(one.certificate.fingerprint, one.after.status) for one in found}

    ignorant = World(revoking, store=store, anchors=(), revocation=RevocationPolicy.SOFT)
    assert (ALICE.certificate.fingerprint, Status.TRUSTED) in flips(ignorant)
    assert ignorant.net.asked == []

    before = World(revoking)
    before.judge(ALICE)
    cache = before.evidence.cache
    knowing = World({}, store=store, anchors=(), revocation=RevocationPolicy.SOFT, cache=cache)
    assert (ALICE.certificate.fingerprint, Status.TRUSTED) not in flips(knowing)
    assert knowing.net.asked == []
