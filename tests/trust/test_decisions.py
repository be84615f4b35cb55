"""Decisions: what they override, and what overrides them."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import utils
from cryptography.x509.oid import ExtendedKeyUsageOID

from smimekit import der
from smimekit.certificate import Certificate
from smimekit.errors import UsageError
from smimekit.trust import (
    ByFingerprint,
    Chain,
    Decision,
    Purpose,
    Source,
    Status,
    Verdict,
)
from tests.trust import certs
from tests.trust.certs import DAY, NOW, Made, ca, person
from tests.trust.judging import codes, decide, judge, store_of

ALICE = "alice@example.com"
MAIL = (ExtendedKeyUsageOID.EMAIL_PROTECTION,)
SERVER = (ExtendedKeyUsageOID.SERVER_AUTH,)


def test_a_decision_trusts_a_self_signed_certificate_until_it_is_over() -> None:
    made = person(ALICE)
    store = store_of(made)
    decide(store, made, Verdict.TRUST, until=NOW + DAY)
    assert judge(made, store=store).status is Status.TRUSTED
    late = judge(made, store=store, at=NOW + 2 * DAY)
    assert late.status is Status.UNTRUSTED
    assert "decision.over" in codes(late)


def test_a_verdict_given_as_a_word_counts(root: Made, alice: Made) -> None:
    store = store_of(alice)
    by_word = Decision(verdict="reject", by="me", why="test", at=NOW)  # type: ignore[arg-type]  # the point
    assert by_word.verdict is Verdict.REJECT
    store.decide(alice.certificate.fingerprint, by_word, expected=0)
    (record,) = store.records(ByFingerprint(alice.certificate.fingerprint))
    assert record.rejected
    assert judge(alice, [root], store=store).status is Status.REJECTED


@pytest.mark.parametrize("scope", [["verify"], {"verify"}, [Purpose.VERIFY]])
def test_a_scope_given_as_words_counts(scope: Any) -> None:
    made = Decision(verdict=Verdict.TRUST, by="me", why="test", at=NOW, scope=scope)
    assert made.scope == frozenset({Purpose.VERIFY})
    assert all(type(one) is Purpose for one in made.scope)
    with pytest.raises(UsageError):
        Decision(verdict=Verdict.REJECT, by="me", why="test", at=NOW, scope=scope)


@pytest.mark.parametrize(
    "wrong",
    [
        {"verdict": "rejected"},
        {"verdict": None},
        {"verdict": []},
        {"scope": "verify"},
        {"scope": ["sign"]},
        {"scope": None},
        {"scope": []},
        {"scope": [[]]},
        {"by": None},
        {"why": b"octets"},
        {"at": "2026-01-01"},
        {"until": 5},
    ],
)
def test_a_decision_of_the_wrong_kind_is_refused(wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {"verdict": Verdict.TRUST, "by": "me", "why": "test", "at": NOW}
    Decision(**right)
    with pytest.raises(UsageError):
        Decision(**right | wrong)


def test_a_decision_is_for_its_purpose_only() -> None:
    made = person(ALICE)
    store = store_of(made)
    decide(store, made, Verdict.TRUST, scope=frozenset({Purpose.ENCRYPT}))
    assert judge(made, store=store, purpose=Purpose.ENCRYPT).status is Status.TRUSTED
    found = judge(made, store=store, purpose=Purpose.VERIFY)
    assert found.status is Status.UNTRUSTED
    assert "decision.scope" in codes(found)


def test_a_decision_is_about_one_certificate(root: Made) -> None:
    made, other = person(ALICE), person(ALICE)
    store = store_of(made, other)
    decide(store, made, Verdict.TRUST)
    assert judge(other, store=store).status is Status.UNTRUSTED


def test_a_trusted_certificate_does_not_vouch_for_others(root: Made, alice: Made) -> None:
    store = store_of(root)
    decide(store, root, Verdict.TRUST)
    assert judge(person(ALICE, root), store=store).status is Status.UNTRUSTED
    decide(store, root, Verdict.ANCHOR)
    assert judge(person(ALICE, root), store=store).status is Status.TRUSTED


def test_an_anchor_is_one_for_its_time_and_purpose(root: Made) -> None:
    made = person(ALICE, root)
    store = store_of(root)
    decide(store, root, Verdict.ANCHOR, until=NOW, scope=frozenset({Purpose.VERIFY}))
    assert judge(made, store=store).status is Status.TRUSTED
    assert judge(made, store=store, at=NOW + DAY).status is Status.UNTRUSTED
    assert judge(made, store=store, purpose=Purpose.ENCRYPT).status is Status.UNTRUSTED


def test_a_rejected_certificate_stays_rejected(root: Made, sub: Made, alice: Made) -> None:
    store = store_of(alice)
    decide(store, alice, Verdict.REJECT)
    store.put(alice.certificate, Source("mail", ALICE), at=NOW + DAY)
    found = judge(alice, [root], [sub], store=store)
    assert found.status is Status.REJECTED
    assert found.chain is Chain.ANCHORED, "the facts are still told"


def test_a_twin_of_a_rejected_certificate_is_rejected(root: Made) -> None:
    """(r, n - s) is as good an ECDSA signature as (r, s), and gives another fingerprint."""
    made = person(ALICE, root)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    signature = made.certificate.x509.signature
    r, s = utils.decode_dss_signature(signature)
    other = utils.encode_dss_signature(r, order - s)
    inside = der.Reader(made.der).enter(der.SEQUENCE)
    twin = Certificate(der.sequence(inside.raw(), inside.raw(), der.bit_string(other)))
    assert twin.fingerprint != made.certificate.fingerprint
    store = store_of(made)
    assert judge(twin, [root], store=store).status is Status.TRUSTED
    decide(store, made, Verdict.REJECT)
    assert judge(twin, [root], store=store).status is Status.REJECTED


def test_rejecting_a_forgery_does_not_reject_what_it_imitates(root: Made) -> None:
    real = person(ALICE, root)
    forged = person(
        ALICE, root, serial=real.certificate.serial, sign_with=certs.key("mallory"),
        private=certs.key("mallory"),
    )  # fmt: skip
    store = store_of(real, forged)
    decide(store, forged, Verdict.REJECT)
    assert judge(real, [root], store=store).status is Status.TRUSTED


@pytest.mark.parametrize("known", [True, False])
def test_what_a_rejected_ca_issued_is_rejected(
    root: Made, sub: Made, alice: Made, known: bool
) -> None:
    store = store_of(root, sub, alice)
    decide(store, sub, Verdict.REJECT)
    found = judge(alice, [root] if known else [], [sub], store=store)
    assert found.status is Status.REJECTED
    assert "chain.distrusted" in codes(found)
    decide(store, alice, Verdict.TRUST)
    assert judge(alice, [root], [sub], store=store).status is Status.REJECTED


def test_a_renewed_ca_certificate_does_not_undo_its_rejection(root: Made, sub: Made) -> None:
    renewed = ca("Sub", root, private=sub.key)
    store = store_of(root, sub)
    decide(store, sub, Verdict.REJECT)
    assert judge(person(ALICE, renewed), [root], [renewed], store=store).status is Status.REJECTED
    assert judge(renewed, [root], store=store).status is Status.REJECTED


def test_a_rejected_anchor_is_none_even_where_the_caller_names_it(root: Made) -> None:
    store = store_of(root)
    decide(store, root, Verdict.REJECT)
    assert judge(person(ALICE, root), [root], store=store).status is Status.REJECTED


def test_another_good_path_outweighs_one_over_a_rejected_ca(root: Made) -> None:
    other = ca("Other root")
    key = certs.key("crossed")
    bad, good = ca("Crossed", root, private=key), ca("Crossed", other, private=key)
    store = store_of(root)
    decide(store, root, Verdict.REJECT)
    found = judge(person(ALICE, bad), [root, other], [bad, good], store=store)
    assert found.status is Status.TRUSTED
    assert found.path[0] == other.certificate


def test_a_decision_outlives_harvest_expiry_and_its_authority(root: Made) -> None:
    """Nothing but a decision changes one; the status follows, and comes back."""
    made = person(ALICE, root, end=NOW + DAY)
    store = store_of(made, root)
    decide(store, made, Verdict.TRUST)
    trusted, late = judge(made, store=store).decision, NOW + 5 * DAY
    store.put(made.certificate, Source("mail", ALICE, late), at=late)
    assert judge(made, store=store, at=late).status is Status.UNTRUSTED, "it has expired"
    assert judge(made, store=store, at=late).decision == trusted
    for verdict, status in (
        (Verdict.ANCHOR, Status.TRUSTED),
        (Verdict.REJECT, Status.REJECTED),
        (Verdict.NONE, Status.TRUSTED),
    ):
        decide(store, root, verdict)
        found = judge(made, store=store)
        assert (found.status, found.decision) == (status, trusted)
    decide(store, made, Verdict.REJECT)
    for verdict in (Verdict.ANCHOR, Verdict.NONE):
        decide(store, root, verdict)
        assert judge(made, store=store).status is Status.REJECTED
    assert judge(made, store=store, at=late).status is Status.REJECTED, "even when it has expired"
    trail = [one.decision.verdict for one in store.audit(made.certificate.fingerprint)]
    assert trail == [Verdict.TRUST, Verdict.REJECT]
