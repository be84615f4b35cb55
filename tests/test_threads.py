"""One Credential, one Trust, many threads: what one of them does shows in no other.

Each message is of its own and half of them were altered, so that a verdict, a digest or a key that
came from a neighbour's message would be seen. `nox -s threads` runs this without the interpreter's
lock, too, where there is such a Python.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

import smimekit
from smimekit import Certificate, ContentChanged, MemoryTrustStore, NoMatchingKey, Trust
from smimekit.testing import FakeCA
from smimekit.trust.parsed import ParsedCertificates

THREADS = 16
ALICE = "alice@example.org"
CA = FakeCA("Example CA")
WHO = CA.intermediate().person(ALICE)
STRANGER = CA.person("mallory@example.org")


@pytest.fixture(autouse=True)
def _many_switches() -> Iterator[None]:
    """Threads take turns a hundred times as often as usual, in the middle of anything."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-5)
    yield
    sys.setswitchinterval(before)


def at_once(job: Callable[[int], None]) -> None:
    """The job in all threads at the same time; what one of them raises, this raises."""
    barrier = threading.Barrier(THREADS)

    def started(number: int) -> None:
        barrier.wait(timeout=60)
        job(number)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(started, range(THREADS)))


def draft(number: int, turn: int) -> bytes:
    return f"From: {ALICE}\r\nSubject: {number}\r\n\r\nThread {number}, turn {turn}.\r\n".encode()


def test_one_credential_and_one_trust_serve_all_threads() -> None:
    """2 000 mails signed and verified; of those that were altered, none verifies."""
    trust = Trust(MemoryTrustStore(), anchors=[CA.certificate])
    verified, refused = count(), count()

    def job(number: int) -> None:
        for turn in range(125):
            text = b"Thread %d, turn %d." % (number, turn)
            mail = smimekit.sign(draft(number, turn), WHO)
            if turn % 2:
                with pytest.raises(ContentChanged):
                    smimekit.verify(mail.replace(text, text.replace(b"turn", b"TURN")), trust)
                next(refused)
            else:
                assert text in smimekit.verify(mail, trust).bytes()
                next(verified)

    at_once(job)
    assert (next(verified), next(refused)) == (THREADS * 63, THREADS * 62)


def test_one_credential_opens_for_all_threads() -> None:
    """1 000 mails, half of them for somebody else, who alone can read them."""

    def job(number: int) -> None:
        for turn in range(63):
            to = STRANGER if turn % 2 else WHO
            mail = smimekit.encrypt(draft(number, turn), to=[to.certificate])
            if to is WHO:
                found = smimekit.decrypt(mail, keys=[WHO]).bytes()
                assert b"Thread %d, turn %d." % (number, turn) in found
            else:
                with pytest.raises(NoMatchingKey):
                    smimekit.decrypt(mail, keys=[WHO])

    at_once(job)


def test_signers_differ_where_policies_do() -> None:
    """What a credential keeps for one policy is not what it does under another."""
    who = CA.person(ALICE, key="rsa-2048")
    policies = (smimekit.Policy.INTEROP, smimekit.Policy.MODERN)
    trust = Trust(anchors=[CA.certificate])

    def job(number: int) -> None:
        policy = policies[number % 2]
        for turn in range(8):
            mail = smimekit.sign(draft(number, turn), who, policy=policy)
            with smimekit.open(mail, trust=trust) as opened:
                assert opened.signatures[0].algorithm == policy.rsa_signature.name

    at_once(job)


def test_what_was_parsed_stays_within_its_bound() -> None:
    """Threads that bring ever new certificates push the oldest out, and no more is kept."""
    people = [CA.person(f"{n}@example.org").certificate.der for n in range(24)]
    room = ParsedCertificates(200_000)

    def job(number: int) -> None:
        for turn in range(200):
            data = people[(number + turn) % len(people)]
            assert room.certificate(data) == Certificate(data)

    at_once(job)
    assert 0 < len(room) < len(people)
    kept = room.certificate(people[0])
    assert room.certificate(people[0]) is kept
    assert ParsedCertificates(0).certificate(people[0]) is not kept
