"""Revocation: good only by fresh evidence, revoked by any, and both only by those entitled."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from smimekit.trust import (
    Purpose,
    Revocation,
    RevocationPolicy,
    Status,
    Trust,
    Validity,
    Verdict,
)
from tests.trust import certs
from tests.trust.certs import DAY, NOW, Made, crl, person, with_sha1
from tests.trust.judging import decide, judge, store_of

ALICE = "alice@example.com"
MAIL = (ExtendedKeyUsageOID.EMAIL_PROTECTION,)
SERVER = (ExtendedKeyUsageOID.SERVER_AUTH,)


HARD, SOFT, OFF = RevocationPolicy.HARD, RevocationPolicy.SOFT, RevocationPolicy.OFF


@pytest.mark.parametrize(
    ("policy", "status", "revocation"),
    [
        (OFF, Status.TRUSTED, Revocation.NOT_CHECKED),
        (SOFT, Status.TRUSTED, Revocation.UNKNOWN),
        (HARD, Status.UNTRUSTED, Revocation.UNKNOWN),
    ],
)
def test_without_evidence(
    root: Made, sub: Made, alice: Made,
    policy: RevocationPolicy, status: Status, revocation: Revocation,
) -> None:  # fmt: skip
    found = judge(alice, [root], [sub], revocation=policy)
    assert (found.status, found.revocation) == (status, revocation)


@pytest.mark.parametrize("policy", [SOFT, HARD])
def test_with_good_evidence(root: Made, sub: Made, alice: Made, policy: RevocationPolicy) -> None:
    found = judge(alice, [root], [sub], revocation=policy, crls=[crl(root), crl(sub)])
    assert (found.status, found.revocation) == (Status.TRUSTED, Revocation.GOOD)


def test_hard_needs_evidence_about_every_certificate(root: Made, sub: Made, alice: Made) -> None:
    for crls in ([crl(root)], [crl(sub)], [crl(sub), crl(sub)]):
        found = judge(alice, [root], [sub], revocation=HARD, crls=crls)
        assert (found.status, found.revocation) == (Status.UNTRUSTED, Revocation.UNKNOWN)


@pytest.mark.parametrize("policy", [SOFT, HARD])
@pytest.mark.parametrize("complete", [True, False])
def test_a_revoked_certificate_is_rejected(
    root: Made, sub: Made, alice: Made, policy: RevocationPolicy, complete: bool
) -> None:
    crls = [crl(sub, alice.certificate), *([crl(root)] if complete else [])]
    found = judge(alice, [root], [sub], revocation=policy, crls=crls)
    assert (found.status, found.revocation) == (Status.REJECTED, Revocation.REVOKED)


def test_a_revoked_issuer_rejects_what_it_issued(root: Made, sub: Made, alice: Made) -> None:
    for crls in ([crl(root, sub.certificate)], [crl(root, sub.certificate), crl(sub)]):
        found = judge(alice, [root], [sub], crls=crls)
        assert (found.status, found.revocation) == (Status.REJECTED, Revocation.REVOKED)


def test_revocation_beats_a_decision_even_without_an_anchor(sub: Made, alice: Made) -> None:
    store = store_of(sub, alice)
    decide(store, alice, Verdict.TRUST)
    assert judge(alice, store=store).status is Status.TRUSTED
    found = judge(alice, store=store, crls=[crl(sub, alice.certificate)])
    assert (found.status, found.revocation) == (Status.REJECTED, Revocation.REVOKED)
    good = judge(alice, store=store, crls=[crl(sub)])
    assert good.revocation is Revocation.UNKNOWN, "nobody vouches for this CA's good word"


@pytest.mark.parametrize("when", [-30, 30], ids=["stale", "from the future"])
def test_a_revocation_counts_at_any_date_of_the_crl_and_a_good_word_only_when_fresh(
    root: Made, sub: Made, alice: Made, when: int
) -> None:
    window: dict[str, Any] = {"this": NOW + (when - 1) * DAY, "following": NOW + (when + 1) * DAY}
    crls = [crl(root), crl(sub, **window)]
    assert judge(alice, [root], [sub], revocation=HARD, crls=crls).status is Status.UNTRUSTED
    revoked = crl(sub, alice.certificate, when=NOW - 40 * DAY, **window)
    found = judge(alice, [root], [sub], crls=[crl(root), revoked])
    assert found.status is Status.REJECTED


@pytest.mark.parametrize(("minutes", "known"), [(4, Revocation.GOOD), (6, Revocation.UNKNOWN)])
def test_clocks_may_differ_by_minutes(
    root: Made, sub: Made, alice: Made, minutes: int, known: Revocation
) -> None:
    """What was made for us is younger than the question; its signer's clock is another."""
    off = timedelta(minutes=minutes)
    windows: list[dict[str, Any]] = [{"this": NOW + off}, {"following": NOW - off}]
    for window in windows:
        crls = [crl(root), crl(sub, **window)]
        assert judge(alice, [root], [sub], revocation=HARD, crls=crls).revocation is known


def test_a_kept_judgement_ends_when_the_evidence_does(root: Made, alice: Made, sub: Made) -> None:
    """Also between the end of the evidence and the end of what clocks may differ by."""
    crls = [crl(root), crl(sub, following=NOW)]
    trust = Trust(anchors=[root.certificate], revocation=HARD)

    def known(minutes: int) -> Revocation:
        at = NOW + timedelta(minutes=minutes)
        extra = [sub.certificate]
        found = trust.judge(
            alice.certificate, Purpose.VERIFY, at=at, extra_certificates=extra, crls=crls
        )
        return found.revocation

    assert [known(minutes) for minutes in (4, 6)] == [Revocation.GOOD, Revocation.UNKNOWN]


def test_a_certificate_revoked_later_was_good_before(root: Made, sub: Made, alice: Made) -> None:
    later = NOW + DAY
    revoked = crl(sub, alice.certificate, when=NOW + DAY / 2, this=later, following=later + DAY)
    assert judge(alice, [root], [sub], crls=[crl(root), revoked]).status is Status.TRUSTED


def test_an_expired_and_revoked_certificate_is_rejected(root: Made) -> None:
    made = person(ALICE, root, end=NOW - DAY)
    found = judge(made, [root], crls=[crl(root, made.certificate)])
    assert (found.status, found.validity) == (Status.REJECTED, Validity.EXPIRED)


def test_a_crl_by_somebody_else_says_nothing(root: Made, sub: Made, alice: Made) -> None:
    mallory = certs.key("mallory")
    forged_bad = crl(sub, alice.certificate, sign_with=mallory)
    assert judge(alice, [root], [sub], crls=[forged_bad]).status is Status.TRUSTED
    forged_good = [crl(root), crl(sub, sign_with=mallory)]
    assert judge(alice, [root], [sub], revocation=HARD, crls=forged_good).status is Status.UNTRUSTED


def test_a_crl_with_a_weak_digest_gives_no_good_word(root: Made, sub: Made, alice: Made) -> None:
    weak = with_sha1(crl(sub), sub.key)
    found = judge(alice, [root], [sub], revocation=HARD, crls=[crl(root), weak])
    assert found.status is Status.UNTRUSTED


def test_off_does_not_look(root: Made, sub: Made, alice: Made) -> None:
    found = judge(alice, [root], [sub], revocation=OFF, crls=[crl(sub, alice.certificate)])
    assert (found.status, found.revocation) == (Status.TRUSTED, Revocation.NOT_CHECKED)


@pytest.mark.parametrize("junk", [b"", b"junk", b"\x30\x80", b"\x30\x82\xff\xff" + b"\x00" * 99])
def test_junk_as_evidence_is_left_out(root: Made, sub: Made, alice: Made, junk: bytes) -> None:
    good = [crl(root), junk, crl(sub)]
    found = judge(alice, [root], [sub], revocation=HARD, crls=good, ocsps=[junk])
    assert found.status is Status.TRUSTED
    found = judge(alice, [root], [sub], revocation=HARD, crls=[junk], ocsps=[junk])
    assert found.status is Status.UNTRUSTED
