"""Processes that share a cache of revocation evidence: the newest stays, and no revocation is lost."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from smimekit.trust import OnlineEvidence, Purpose, Revocation, Trust
from smimekit.trust.revocation.sql import SqlEvidenceCache
from tests.trust.certs import DAY, NOW, ca, crl, person
from tests.trust.evidence_worker import KEY, numbered
from tests.trust.network import Clock, FakeNet, crl_at
from tests.trust.processes import said, tell, worker

URL = "http://evidence.example/"
ROOT = ca("Shared Root")
ALICE = person("alice@example.com", ROOT, more=[crl_at(URL)])
BOB = person("bob@example.com", ROOT, more=[crl_at(URL)])
GOOD, REVOKED = Revocation.GOOD, Revocation.REVOKED
MINUTE = timedelta(minutes=1)
MODULE = "evidence_worker"
TODAY, BEFORE = NOW - DAY / 2, NOW - DAY


def test_the_newest_of_two_processes_stays_and_nothing_is_seen_half(tmp_path: Path) -> None:
    """One puts from the oldest on, the other one from the newest on; a third one looks."""
    url, count = f"sqlite:///{tmp_path / 'evidence.db'}", 60
    orders = ((0, count, 1), (count - 1, -1, -1))
    with ExitStack() as stack:
        cache = stack.enter_context(SqlEvidenceCache(url))
        both = [stack.enter_context(worker(url, "put", *order, module=MODULE)) for order in orders]
        assert [said(one) for one in both] == ["ready", "ready"]
        cache.put(numbered(0))
        for one in both:
            tell(one)
        last = seen = 0
        while last < count - 1 or seen < count:
            (found,) = cache.get([KEY])
            number = int((found.this_update - numbered(0).this_update).total_seconds())
            assert found == numbered(number)
            assert number >= last
            last, seen = number, seen + 1
        assert [said(one) for one in both] == ["done", "done"]
        assert list(cache.get([KEY])) == [numbered(count - 1)]


@pytest.mark.parametrize(
    ("ours", "theirs", "mine", "kept"),
    [
        (("alice", TODAY), ("", TODAY), REVOKED, "ours"),
        (("", TODAY), ("alice", TODAY), REVOKED, "theirs"),
        (("", BEFORE), ("alice", TODAY), REVOKED, "theirs"),
        (("", TODAY), ("alice", BEFORE), GOOD, "ours"),
        (("alice", TODAY), ("bob", TODAY), REVOKED, "theirs"),
        (("", TODAY), ("bob", TODAY), GOOD, "theirs"),
    ],
    ids=["we revoke", "they revoke", "newer", "older", "both revoke", "somebody else"],
)
def test_what_another_process_keeps_while_we_fetch_is_not_lost(
    tmp_path: Path, ours: Any, theirs: Any, mine: Revocation, kept: str
) -> None:
    """We have looked into the cache, and ask; meanwhile the other one looks, asks, and keeps."""
    url, people = f"sqlite:///{tmp_path / 'evidence.db'}", {"alice": ALICE, "bob": BOB}
    for name, (who, this) in (("ours", ours), ("theirs", theirs)):
        revoked = [people[who].certificate] if who else []
        (tmp_path / name).write_bytes(crl(ROOT, *revoked, this=this, following=NOW + 9 * DAY))
    (tmp_path / "root").write_bytes(ROOT.certificate.der)
    (tmp_path / "person").write_bytes(ALICE.certificate.der)

    def page(_: object) -> bytes:
        with worker(url, "judge", tmp_path, URL, "theirs", module=MODULE) as other:
            assert said(other) in {"good", "revoked"}
        return (tmp_path / "ours").read_bytes()

    with SqlEvidenceCache(url) as cache:
        clock, net = Clock(), FakeNet({URL: page})
        online = OnlineEvidence(net, cache=cache, clock=clock, monotonic=clock.monotonic)
        trust = Trust(anchors=[ROOT.certificate], evidence=online, clock=clock)
        assert trust.judge(ALICE.certificate, Purpose.VERIFY).revocation is mine
        (piece,) = cache.get(online.keys((ROOT.certificate, ALICE.certificate)))
        assert piece.der == (tmp_path / kept).read_bytes()
