"""A process of its own that works on a cache of evidence: `python -m ... URL TASK [WORDS...]`."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from smimekit.certificate import Certificate
from smimekit.trust import CachedEvidence, EvidenceKind, OnlineEvidence, Purpose, Trust
from smimekit.trust.revocation.sql import SqlEvidenceCache
from tests.trust.network import FakeNet

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = "0" * 64


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def numbered(number: int) -> CachedEvidence:
    """A piece, the newer the higher its number is; all its octets depend on that."""
    time = NOW + timedelta(seconds=number)
    octets = number.to_bytes(2, "big") * 50_000
    return CachedEvidence(
        key=KEY,
        kind=EvidenceKind.CRL,
        der=octets,
        this_update=time,
        next_update=None,
        fetched_at=time,
    )


def put(cache: SqlEvidenceCache, first: str, last: str, step: str) -> None:
    """Put many pieces, when told to."""
    say("ready")
    sys.stdin.readline()
    for number in range(int(first), int(last), int(step)):
        cache.put(numbered(number))
    say("done")


def judge(cache: SqlEvidenceCache, folder: str, url: str, crl: str) -> None:
    """Judge a person, with a CRL that stands in a network made up."""
    place = Path(folder)
    root, who = (Certificate((place / name).read_bytes()) for name in ("root", "person"))
    net = FakeNet({url: (place / crl).read_bytes()})
    evidence = OnlineEvidence(net, cache=cache, clock=lambda: NOW)
    trust = Trust(anchors=[root], evidence=evidence, clock=lambda: NOW)
    say(trust.judge(who, Purpose.VERIFY).revocation.value)


TASKS: dict[str, Callable[..., None]] = {"judge": judge, "put": put}

if __name__ == "__main__":
    url, task, *words = sys.argv[1:]
    with SqlEvidenceCache(url) as opened:
        TASKS[task](opened, *words)
