"""Who may say when (RFC 3161, 2.3): authorities of time are none of mail, nor the reverse."""

from collections.abc import Sequence

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from smimekit.errors import UsageError
from smimekit.policy import Policy
from smimekit.trust import (
    Chain,
    Judgement,
    MemoryTrustStore,
    Purpose,
    Status,
    Trust,
    Validity,
    Verdict,
)
from tests.trust.certs import NOW, Made, ca, crl, make, person, usage
from tests.trust.judging import codes, decide, store_of

STAMP = ExtendedKeyUsageOID.TIME_STAMPING
MAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION
ANY = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
ROOT = ca("Stamp Root")


def extended(
    *usages: x509.ObjectIdentifier, critical: bool = True
) -> tuple[x509.ExtendedKeyUsage, bool]:
    return x509.ExtendedKeyUsage(usages), critical


def authority(
    issuer: Made = ROOT,
    *more: tuple[x509.ExtensionType, bool],
    bits: Sequence[str] = ("digital_signature",),
) -> Made:
    found = list(more or [extended(STAMP)])
    if bits:
        found.append((usage(*bits), True))
    return make("Stamps", issuer, extensions=found)


def judged(
    who: Made, purpose: Purpose = Purpose.TIMESTAMP, *extra: Made, **given: object
) -> Judgement:
    given = given or {"timestamp_anchors": [ROOT.certificate]}
    trust = Trust(clock=lambda: NOW, **given)  # type: ignore[arg-type]  # by name
    return trust.judge(
        who.certificate, purpose, extra_certificates=[each.certificate for each in extra]
    )


def test_an_authority_below_a_named_root_is_trusted() -> None:
    found = judged(authority())
    assert (found.status, found.validity, found.chain) == (
        Status.TRUSTED,
        Validity.OK,
        Chain.ANCHORED,
    )
    assert judged(authority(bits=())).status is Status.TRUSTED


@pytest.mark.parametrize(
    "usages",
    [
        extended(STAMP, critical=False),
        extended(STAMP, MAIL),
        extended(MAIL),
        extended(ANY),
        (usage("key_agreement"), True),
    ],
)
def test_the_extended_key_usage_is_critical_and_sole(
    usages: tuple[x509.ExtensionType, bool],
) -> None:
    found = judged(authority(ROOT, usages, bits=()))
    assert (found.status, found.validity) == (Status.UNTRUSTED, Validity.WRONG_USAGE)
    assert "usage.no-timestamp" in codes(found)


def test_its_key_may_sign() -> None:
    found = judged(authority(bits=("key_agreement",)))
    assert (found.status, found.validity) == (Status.UNTRUSTED, Validity.WRONG_USAGE)
    assert "usage.no-signature" in codes(found)


def test_the_roots_of_mail_are_none_of_time() -> None:
    assert judged(authority(), anchors=[ROOT.certificate]).status is Status.UNTRUSTED
    alice = person("alice@example.com", ROOT)
    stamp_root = {"timestamp_anchors": [ROOT.certificate]}
    assert judged(alice, Purpose.VERIFY, **stamp_root).status is Status.UNTRUSTED
    assert judged(alice, Purpose.VERIFY, anchors=[ROOT.certificate]).status is Status.TRUSTED
    assert judged(alice, Purpose.TIMESTAMP).status is Status.UNTRUSTED
    both = {"anchors": [ROOT.certificate], "timestamp_anchors": [ROOT.certificate]}
    assert judged(authority(), Purpose.VERIFY, **both).status is Status.UNTRUSTED


@pytest.mark.parametrize(
    "usages, status",
    [((STAMP,), Status.TRUSTED), ((ANY,), Status.TRUSTED), ((MAIL,), Status.UNTRUSTED)],
)
def test_what_the_issuer_may_issue_for(
    usages: tuple[x509.ObjectIdentifier, ...], status: Status
) -> None:
    between = ca("Stamp CA", ROOT, more=[extended(*usages, critical=False)])
    assert judged(authority(between), Purpose.TIMESTAMP, between).status is status


def test_a_ca_for_anything_is_none_for_time_where_the_policy_says_so() -> None:
    between = ca("Stamp CA", ROOT, more=[extended(ANY, critical=False)])
    given = {"timestamp_anchors": [ROOT.certificate], "policy": Policy.MODERN}
    found = judged(authority(between), Purpose.TIMESTAMP, between, **given)
    assert found.status is Status.UNTRUSTED
    assert "path.any-usage" in codes(found)


def decided(who: Made, verdict: Verdict, *scope: Purpose) -> MemoryTrustStore:
    store = store_of(who)
    decide(store, who, verdict, **({"scope": frozenset(scope)} if scope else {}))
    return store


def test_decisions_are_about_mail_unless_they_say_otherwise() -> None:
    """Who anchors a mail CA has said nothing about time."""
    assert judged(authority(), store=decided(ROOT, Verdict.ANCHOR)).status is Status.UNTRUSTED
    for_time = decided(ROOT, Verdict.ANCHOR, Purpose.TIMESTAMP)
    assert judged(authority(), store=for_time).status is Status.TRUSTED
    who = authority()
    assert judged(who, store=decided(who, Verdict.TRUST)).status is Status.UNTRUSTED
    alone = decided(who, Verdict.TRUST, Purpose.TIMESTAMP)
    assert judged(who, store=alone).status is Status.TRUSTED


def test_a_rejection_holds_for_time_too() -> None:
    who = authority()
    store = decided(who, Verdict.REJECT)
    found = judged(who, timestamp_anchors=[ROOT.certificate], store=store)
    assert found.status is Status.REJECTED


def test_a_revoked_authority() -> None:
    who = authority()
    trust = Trust(timestamp_anchors=[ROOT.certificate], clock=lambda: NOW)
    found = trust.judge(who.certificate, Purpose.TIMESTAMP, crls=[crl(ROOT, who.certificate)])
    assert found.status is Status.REJECTED


def test_anchors_are_certificates() -> None:
    with pytest.raises(UsageError):
        Trust(timestamp_anchors=[ROOT.der])  # type: ignore[list-item]  # the point


@pytest.mark.parametrize(
    "given, judges",
    [
        ({}, False),
        ({"anchors": [ROOT.certificate]}, False),
        ({"timestamp_anchors": [ROOT.certificate]}, True),
        ({"store": MemoryTrustStore()}, True),
    ],
)
def test_when_there_is_anything_to_judge_by(given: dict[str, object], judges: bool) -> None:
    assert Trust(**given).judges_timestamps is judges  # type: ignore[arg-type]  # by name
