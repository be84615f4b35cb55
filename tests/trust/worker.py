"""A process of its own that works on a store: `python -m tests.trust.worker URL TASK [WORDS...]`.

It says on standard output what was acknowledged to it, and is killed in the middle.
"""

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from smimekit.certificate import Certificate
from smimekit.errors import StoreError
from smimekit.message.bundle import load_certificates
from smimekit.trust import (
    ByFingerprint,
    Decision,
    Sighting,
    Source,
    TrustStore,
    Verdict,
    open_store,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def decision(verdict: Verdict, by: str) -> Decision:
    return Decision(verdict=verdict, by=by, why="test", at=NOW)


def groups(folder: str, start: str) -> Iterator[tuple[int, tuple[Certificate, ...]]]:
    """The certificates of one message after the other."""
    number = int(start)
    while (path := Path(folder) / f"{number}.pem").exists():
        yield number, load_certificates(path.read_bytes())
        number += 1


def learn(store: TrustStore, folder: str, start: str) -> None:
    """Harvest and decide, without end."""
    for number, certificates in groups(folder, start):
        source = Source("mail", "somebody@example.com", NOW, f"<{number}@example.com>")
        store.put_all([Sighting(certificate=one, source=source) for one in certificates], at=NOW)
        say("put", number)
        for revision, verdict in enumerate((Verdict.TRUST, Verdict.REJECT)):
            store.decide(certificates[0].fingerprint, decision(verdict, "me"), expected=revision)
            say("decided", number, revision + 1)
    say("end")


def contend(store: TrustStore, fingerprint: str, name: str, rounds: str) -> None:
    """Decide at the same moment as another process does, once a round."""
    say("ready")
    for revision in range(int(rounds)):
        sys.stdin.readline()
        try:
            store.decide(fingerprint, decision(Verdict.REJECT, name), expected=revision)
        except StoreError as error:
            say(error.code)
        else:
            say("decided")


def alternate(store: TrustStore, fingerprint: str, rounds: str) -> None:
    """Trust and reject by turns, each time when told to."""
    say("ready")
    for revision in range(int(rounds)):
        sys.stdin.readline()
        verdict = Verdict.REJECT if revision % 2 else Verdict.TRUST
        store.decide(fingerprint, decision(verdict, "other"), expected=revision)
        say(verdict)


def put(store: TrustStore, folder: str, name: str) -> None:
    """Put everything at once, as others do, some the other way round."""
    say("ready")
    sys.stdin.readline()
    for _, certificates in groups(folder, "0"):
        ordered = certificates if name < "c" else certificates[::-1]
        source = Source("mail", name, NOW)
        store.put_all([Sighting(certificate=one, source=source) for one in ordered], at=NOW)
        (record,) = store.records(ByFingerprint(ordered[0].fingerprint))
        assert source in record.sources
    say("done")


TASKS: dict[str, Callable[..., None]] = {
    "alternate": alternate, "contend": contend, "learn": learn, "put": put,
}  # fmt: skip

if __name__ == "__main__":
    url, task, *words = sys.argv[1:]
    TASKS[task](open_store(url), *words)
