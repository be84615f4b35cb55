"""Starts workers (`worker`), and says what must be true of a store that several worked on."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

from smimekit.certificate import Certificate
from smimekit.message.bundle import load_certificates
from smimekit.trust import (
    ByAddress,
    ByFingerprint,
    Purpose,
    Source,
    Status,
    Trust,
    TrustStore,
    open_store,
)
from tests.trust import certs
from tests.trust.certs import NOW

ROOT = Path(__file__).resolve().parents[2]
Worker = subprocess.Popen[str]


@contextmanager
def worker(url: str, *words: object, module: str = "worker") -> Iterator[Worker]:
    """A worker, which is gone afterwards."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.trust.{module}", url, *map(str, words)],
        env=environment,
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def said(process: Worker) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: Worker) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def write_messages(folder: Path, count: int) -> Path:
    """For each message, a file with the certificates of a person and of two authorities."""
    folder.mkdir()
    for number in range(count):
        root = certs.ca(f"Root {number}")
        sub = certs.ca(f"Sub {number}", root)
        who = certs.person(f"alice{number}@example.com", sub)
        pems = (one.certificate.pem() for one in (who, sub, root))
        (folder / f"{number}.pem").write_bytes(b"".join(pems))
    return folder


def message(folder: Path, number: int) -> tuple[Certificate, ...]:
    return load_certificates((folder / f"{number}.pem").read_bytes())


# --- one is killed -------------------------------------------------------------------------


def kill_in_the_middle(url: str, folder: Path, start: int, seed: int) -> list[str]:
    """What a worker acknowledged before it was killed: SIGKILL, at no moment of its choice."""
    random = Random(seed)  # noqa: S311 - no secret
    with worker(url, "learn", folder, start) as process:
        heard = [said(process) for _ in range(1 + random.randrange(12))]
        for _ in range(random.randrange(4_000)):
            process.poll()
        process.kill()
        assert process.stdout is not None
        heard += process.stdout.read().splitlines()
    assert "end" not in heard, "it was not killed in the middle: there is too little to do"
    return heard


def check_after_kill(url: str, folder: Path, heard: Sequence[str], last: int) -> int:
    """Nothing that was acknowledged is lost, nothing is half there; the next number to do."""
    with ExitStack() as stack:
        store = open_store(url)
        stack.callback(getattr(store, "close", lambda: None))
        there = [number for number in range(last) if is_whole(store, folder, number)]
        for line in heard:
            kind, number, *revision = line.split()
            assert int(number) in there, line
            if kind == "decided":
                (record,) = store.records(
                    ByFingerprint(message(folder, int(number))[0].fingerprint)
                )
                assert record.revision >= int(revision[0]), line
        assert there == list(range(len(there)))
        again = message(folder, 0)[0]
        store.put(again, Source("upload", "x"), at=NOW)
        return len(there)


def is_whole(store: TrustStore, folder: Path, number: int) -> bool:
    """Whether a message is there; it is wholly, with its index and its audit trail, or not."""
    certificates = message(folder, number)
    found = [store.records(ByFingerprint(one.fingerprint)) for one in certificates]
    assert len({len(one) for one in found}) == 1, "half a message"
    by_address = store.records(ByAddress(f"alice{number}@example.com"))
    trail = store.audit(certificates[0].fingerprint)
    if not found[0]:
        assert not by_address
        assert not trail
        return False
    (record,) = found[0]
    assert list(by_address) == [record]
    assert [one.revision for one in trail] == list(range(1, record.revision + 1))
    assert record.decision == (trail[-1].decision if trail else None)
    return True


# --- two at once ---------------------------------------------------------------------------


def check_contention(url: str, certificate: Certificate, rounds: int = 20) -> None:
    """Of two processes that decide at once, one wins each time and the other is told."""
    store = open_store(url)
    store.put(certificate, Source("upload", "test"), at=NOW)
    with ExitStack() as stack:
        both = [
            stack.enter_context(worker(url, "contend", certificate.fingerprint, name, rounds))
            for name in ("one", "two")
        ]
        assert [said(one) for one in both] == ["ready", "ready"]
        winners = []
        for _ in range(rounds):
            for one in both:
                tell(one)
            answers = [said(one) for one in both]
            assert sorted(answers) == ["decided", "store.conflict"]
            winners.append(("one", "two")[answers.index("decided")])
    trail = store.audit(certificate.fingerprint)
    assert [one.decision.by for one in trail] == winners
    (record,) = store.records(ByFingerprint(certificate.fingerprint))
    assert (record.revision, record.decision) == (rounds, trail[-1].decision)
    getattr(store, "close", lambda: None)()


def check_followers(url: str, certificate: Certificate, rounds: int = 30) -> None:
    """What another process has decided, the next judgement knows, however well kept the last is."""
    store = open_store(url)
    store.put(certificate, Source("upload", "test"), at=NOW)
    trust = Trust(store, clock=lambda: NOW)
    expected = {"trust": Status.TRUSTED, "reject": Status.REJECTED}
    with ExitStack() as stack:
        stack.callback(getattr(store, "close", lambda: None))
        other = stack.enter_context(worker(url, "alternate", certificate.fingerprint, rounds))
        assert said(other) == "ready"
        for _ in range(rounds):
            kept = [trust.judge(certificate, Purpose.VERIFY) for _ in range(3)]
            assert kept[1].path is kept[2].path, "it was judged anew: there is nothing to show"
            tell(other)
            decided = said(other)
            assert trust.judge(certificate, Purpose.VERIFY).status is expected[decided]


def check_crowd(url: str, folder: Path, count: int) -> None:
    """Processes that put the same at the same time, in a new store, lose nothing."""
    names = "abcd"
    with ExitStack() as stack:
        crowd = [stack.enter_context(worker(url, "put", folder, name)) for name in names]
        assert {said(one) for one in crowd} == {"ready"}
        for one in crowd:
            tell(one)
        assert [said(one) for one in crowd] == ["done"] * len(names)
    store = open_store(url)
    for number in range(count):
        for certificate in message(folder, number):
            (record,) = store.records(ByFingerprint(certificate.fingerprint))
            assert [source.origin for source in record.sources] == list(names)
    assert store.version() == 2 * count, "two new authorities a message, each counted once"
    getattr(store, "close", lambda: None)()
