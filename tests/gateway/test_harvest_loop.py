"""From a signed mail that comes in to an encrypted answer that goes out."""

import pytest

import smimekit
from smimekit import Credential, KeyRing, MemoryTrustStore, Trust
from smimekit.gateway import Deliver, Envelope, EnvelopeRecipient, Gateway, Rules
from smimekit.span import Span
from smimekit.trust import ByAddress, Decision, Verdict
from tests.gateway.arrivals import CAROL, SITE, carol
from tests.message.people import ALICE, NOW, alice, ca, draft, root

ANSWER = (
    f"From: {CAROL}\r\nTo: {ALICE}\r\nSubject: Re: The plan\r\n\r\nThe answer is yes.\r\n".encode()
)


class Loop:
    """One gateway, and a store that both directions share."""

    def __init__(self) -> None:
        self.store = MemoryTrustStore()
        self.gateway = Gateway(
            rules=Rules(site=SITE, inside_domains=("example.com",)),
            trust=Trust(self.store, anchors=[root().certificate], clock=lambda: NOW),
            keys=KeyRing(carol()),
        )

    def passed(self, mail: bytes, sender: str, to: str, user: str | None = None) -> bytes:
        envelope = Envelope(
            mail_from=sender, recipients=(EnvelopeRecipient(address=to),), user=user
        )
        with self.gateway.process(envelope, Span.of(mail), at=NOW) as outcomes:
            [outcome] = outcomes.outcomes
            assert isinstance(outcome, Deliver), outcome
            return outcome.mail.message.bytes()

    def comes_in(self, signer: Credential) -> bytes:
        return self.passed(smimekit.sign(draft(), signer, at=NOW), ALICE, CAROL)

    def goes_out(self) -> bytes:
        return self.passed(ANSWER, CAROL, ALICE, user=CAROL)

    def decide(self, verdict: Verdict) -> None:
        [record] = self.store.records(ByAddress(ALICE))
        decision = Decision(verdict=verdict, by="admin", why="by telephone", at=NOW)
        self.store.decide(record.fingerprint, decision, expected=record.revision)


def opened(mail: bytes, by: Credential) -> bytes:
    return smimekit.decrypt(mail, keys=[by]).bytes()


def test_who_is_certified_by_a_known_authority_is_answered_encrypted() -> None:
    loop = Loop()
    assert b"The answer is yes." in loop.goes_out()
    assert b"smime=pass" in loop.comes_in(alice())
    answer = loop.goes_out()
    assert b"The answer is yes." not in answer
    assert b"The answer is yes." in opened(answer, alice())


def test_anybody_else_once_an_administrator_trusts_them() -> None:
    loop, unknown = Loop(), ca().self_signed(ALICE)
    assert b"smime=policy" in loop.comes_in(unknown)
    assert b"The answer is yes." in loop.goes_out()
    loop.decide(Verdict.TRUST)
    assert b"The answer is yes." in opened(loop.goes_out(), unknown)
    assert b"smime=pass" in loop.comes_in(unknown)


@pytest.mark.parametrize("times", [1, 3])
def test_who_is_rejected_stays_rejected_whatever_they_sign(times: int) -> None:
    loop = Loop()
    loop.comes_in(alice())
    loop.decide(Verdict.REJECT)
    for _ in range(times):
        assert b"smime=fail" in loop.comes_in(alice())
    assert b"The answer is yes." in loop.goes_out()


def test_both_keys_of_a_rollover_are_encrypted_to() -> None:
    loop, old, new = Loop(), alice(), ca().person(ALICE)
    loop.comes_in(old)
    loop.comes_in(new)
    answer = loop.goes_out()
    for each in (old, new):
        assert b"The answer is yes." in opened(answer, each)
