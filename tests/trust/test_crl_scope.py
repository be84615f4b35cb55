"""Which CRLs are about a certificate, and what they say of it (RFC 5280, 5.2, 5.3.1 and 6.3.3)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from smimekit import der
from smimekit.trust import (
    HandedEvidence,
    Judgement,
    Purpose,
    Revocation,
    RevocationPolicy,
    Status,
    Trust,
)
from tests.trust.certs import CA_USAGE, DAY, NOW, Made, ca, crl, key, person
from tests.trust.judging import judge
from tests.trust.network import Clock

MINUTE = timedelta(minutes=1)
LATER: dict[str, Any] = {"this": NOW + 2 * DAY, "until": NOW + 3 * DAY}
"""A CRL that was not there yet: it tells by its dates who was revoked before."""
ROOT = ca("Root")
SUB = ca("Sub", ROOT)
ALICE = person("alice@example.com", SUB)
POINT = x509.DistributionPoint(
    [x509.UniformResourceIdentifier("http://ca.example/delta")], None, None, None
)
REASONS = x509.ReasonFlags


def ask(*crls: bytes, extra: Sequence[Made] = (), hard: bool = True) -> Judgement:
    policy = RevocationPolicy.HARD if hard else RevocationPolicy.SOFT
    return judge(ALICE, [ROOT], [SUB, *extra], revocation=policy, crls=crls)


def entry(
    who: Made,
    reason: x509.ReasonFlags | None = None,
    issuer: x509.Name | None = None,
    when: datetime = NOW - 3 * DAY,
) -> x509.RevokedCertificate:
    builder = (
        x509.RevokedCertificateBuilder().serial_number(who.certificate.serial).revocation_date(when)
    )
    if reason is not None:
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    if issuer is not None:
        named = x509.CertificateIssuer([x509.DirectoryName(issuer)])
        builder = builder.add_extension(named, critical=True)
    return builder.build()


def numbered(
    issuer: Made,
    *entries: x509.RevokedCertificate,
    number: int = 5,
    base: int | None = None,
    points: bool = False,
    this: datetime = NOW - DAY,
    until: datetime = NOW + DAY,
    more: x509.ExtensionType | None = None,
) -> bytes:
    """A CRL with a number; `base`: a delta CRL upon that one; `points`: to delta CRLs."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.name)
        .last_update(this)
        .next_update(until)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    if base is not None:
        builder = builder.add_extension(x509.DeltaCRLIndicator(base), critical=True)
    if points:
        builder = builder.add_extension(x509.FreshestCRL([POINT]), critical=False)
    if more is not None:
        builder = builder.add_extension(more, critical=True)
    for one in entries:
        builder = builder.add_revoked_certificate(one)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def version_1(issuer: Made, *revoked: Made) -> bytes:
    """A CRL without version, number or extensions, as they were before X.509v2."""
    algorithm = der.sequence(der.oid("1.2.840.10045.4.3.2"))
    dates = (der.time(NOW - DAY), der.time(NOW + DAY))
    entries = [
        der.sequence(der.integer(one.certificate.serial), der.time(NOW - 2 * DAY))
        for one in revoked
    ]
    listed = (der.sequence(*entries),) if entries else ()
    signed = der.sequence(algorithm, issuer.name.public_bytes(), *dates, *listed)
    assert isinstance(issuer.key, ec.EllipticCurvePrivateKey)
    signature = issuer.key.sign(signed, ec.ECDSA(hashes.SHA256()))
    return der.sequence(signed, algorithm, der.bit_string(signature))


# --- whose ----------------------------------------------------------------------------------------


def test_crls_of_version_1_count() -> None:
    """RFC 8550, 2.1: receiving agents MUST support both v1 and v2 CRLs."""
    assert ask(version_1(ROOT), version_1(SUB)).status is Status.TRUSTED
    assert ask(version_1(ROOT), version_1(SUB, ALICE)).status is Status.REJECTED
    assert ask(version_1(ROOT, SUB), version_1(SUB)).status is Status.REJECTED


def test_the_cas_own_crls_are_enough() -> None:
    assert ask(crl(ROOT), crl(SUB)).status is Status.TRUSTED
    assert ask(crl(SUB)).revocation is Revocation.UNKNOWN


@pytest.mark.parametrize(
    "other",
    [ca("Another", ROOT), ca("Sub", ROOT, private=SUB.key), ca("Sub", ROOT, private=key("new"))],
    ids=["another CA", "a renewed certificate", "a new key"],
)
def test_a_ca_does_not_speak_for_others_below_the_same_root(other: Made) -> None:
    """RFC 5280, 6.3.3 (b): the issuer of the CRL is that of the certificate."""
    found = ask(crl(SUB), crl(other), extra=[other])
    assert found.revocation is Revocation.UNKNOWN
    assert found.status is Status.UNTRUSTED


@pytest.mark.parametrize("hard", [True, False])
def test_a_ca_does_not_revoke_what_others_issued(hard: bool) -> None:
    other = ca("Another", ROOT)
    of_root = numbered(other, entry(SUB, issuer=ROOT.name))
    assert ask(of_root, crl(ROOT), crl(SUB), extra=[other], hard=hard).status is Status.TRUSTED
    mallory = person("mallory@example.com", SUB, bits=("digital_signature", "crl_sign"))
    of_sub = numbered(mallory, entry(ALICE, issuer=SUB.name))
    assert ask(of_sub, crl(ROOT), crl(SUB), extra=[mallory], hard=hard).status is Status.TRUSTED


def test_a_ca_may_have_another_key_for_crls() -> None:
    for above in (ROOT, SUB):
        signer = ca("Sub", above, private=key("crls"), bits=("crl_sign",), basic=False)
        good = crl(SUB, sign_with=signer.key)
        assert ask(crl(ROOT), good, extra=[signer]).status is Status.TRUSTED
        bad = crl(SUB, ALICE.certificate, sign_with=signer.key)
        assert ask(crl(ROOT), bad, extra=[signer]).status is Status.REJECTED


@pytest.mark.parametrize("bits", [CA_USAGE, ("key_cert_sign",)])
def test_whose_key_may_sign_no_crls_revokes_nobody(bits: tuple[str, ...]) -> None:
    """RFC 5280, 6.3.3 (f)."""
    sub = ca("Sub", ROOT, bits=bits)
    alice = person("alice@example.com", sub)
    found = judge(alice, [ROOT], [sub], crls=[crl(sub, alice.certificate)])
    assert found.status is (Status.REJECTED if "crl_sign" in bits else Status.TRUSTED)


# --- what -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [None, REASONS.key_compromise, REASONS.certificate_hold])
@pytest.mark.parametrize("hard", [True, False])
def test_a_revocation_counts_though_the_delta_crl_is_missing(
    reason: x509.ReasonFlags | None, hard: bool
) -> None:
    known = crl(ROOT)
    assert ask(known, numbered(SUB, points=True), hard=hard).revocation is Revocation.UNKNOWN
    found = ask(known, numbered(SUB, entry(ALICE, reason), points=True), hard=hard)
    assert found.status is Status.REJECTED


@pytest.mark.parametrize("points", [True, False])
def test_a_delta_crl_revokes_whatever_it_is_built_upon(points: bool) -> None:
    delta = numbered(SUB, entry(ALICE), number=7, base=5)
    assert ask(delta, hard=False).status is Status.REJECTED
    assert ask(crl(ROOT), numbered(SUB, points=points), delta).status is Status.REJECTED


@pytest.mark.parametrize(
    ("reason", "later", "status"),
    [
        (REASONS.certificate_hold, True, Status.TRUSTED),
        (REASONS.certificate_hold, False, Status.REJECTED),
        (REASONS.key_compromise, True, Status.REJECTED),
        (None, True, Status.REJECTED),
    ],
)
def test_only_a_hold_is_taken_back_and_by_a_later_delta_crl(
    reason: x509.ReasonFlags | None, later: bool, status: Status
) -> None:
    """RFC 5280, 5.3.1. An older delta CRL, not yet over, does not undo a newer revocation."""
    complete = numbered(SUB, entry(ALICE, reason), number=6, points=True)
    delta = numbered(
        SUB,
        entry(ALICE, REASONS.remove_from_crl),
        number=7 if later else 5,
        base=4,
        this=NOW - (DAY / 2 if later else DAY * 2),
    )
    assert ask(crl(ROOT), complete, delta).status is status


def old(*entries: x509.RevokedCertificate, more: x509.ExtensionType | None = None) -> bytes:
    """A CRL of Sub's that is over."""
    return numbered(SUB, *entries, number=3, this=NOW - 9 * DAY, until=NOW - 8 * DAY, more=more)


@pytest.mark.parametrize(
    ("reason", "status"),
    [(REASONS.certificate_hold, Status.TRUSTED), (REASONS.superseded, Status.REJECTED)],
)
def test_a_later_crl_ends_a_hold_and_nothing_else(reason: x509.ReasonFlags, status: Status) -> None:
    long_ago = entry(ALICE, reason, when=NOW - 10 * DAY)
    assert ask(crl(ROOT), old(long_ago)).status is Status.REJECTED
    assert ask(crl(ROOT), old(long_ago), crl(SUB)).status is status


def test_what_is_not_later_or_about_others_ends_no_hold() -> None:
    """Each is a CRL beside which certvalidator says nothing of the one with the hold."""
    held = numbered(SUB, entry(ALICE, REASONS.certificate_hold), points=True)
    others = scope(only_contains_ca_certs=True)
    later = NOW - DAY / 2
    silent = numbered(SUB, number=7, base=5, this=later, more=others)
    for beside in (
        numbered(SUB, points=True),
        numbered(SUB, number=6, points=True, this=later, more=others),
        silent,
    ):
        assert ask(crl(ROOT), held, beside).status is Status.REJECTED
    later_one = numbered(SUB, number=6, points=True, this=later)
    assert ask(crl(ROOT), held, later_one, hard=False).revocation is Revocation.UNKNOWN


def test_a_complete_crl_takes_nothing_back() -> None:
    """RFC 5280, 5.3.1: removeFromCRL is for delta CRLs."""
    held = numbered(SUB, entry(ALICE, REASONS.certificate_hold), points=True)
    later = NOW - DAY / 2
    other = numbered(SUB, entry(ALICE, REASONS.remove_from_crl), number=6, points=True, this=later)
    assert ask(crl(ROOT), held, other).status is Status.REJECTED


REMOVED = REASONS.remove_from_crl


@pytest.mark.parametrize("reason", [None, REASONS.certificate_hold, REASONS.key_compromise])
@pytest.mark.parametrize("hard", [True, False])
def test_of_two_entries_about_one_certificate_the_one_that_revokes_counts(
    reason: x509.ReasonFlags | None, hard: bool
) -> None:
    """In whatever order: no entry of a complete CRL takes another one back (RFC 5280, 5.3.1)."""
    for entries in permutations((entry(ALICE, REMOVED), entry(ALICE, reason), entry(SUB))):
        assert ask(crl(ROOT), numbered(SUB, *entries), hard=hard).status is Status.REJECTED


def test_of_two_entries_about_one_certificate_the_earlier_date_counts() -> None:
    """A date that was to come, and one that had passed, in a CRL of later."""
    dates = permutations((NOW + DAY, NOW - DAY))
    for entries in ([entry(ALICE, when=when) for when in both] for both in dates):
        assert (
            ask(crl(ROOT), numbered(SUB, *entries, **LATER), hard=False).status is Status.REJECTED
        )
    after = [entry(ALICE, when=NOW + DAY), entry(ALICE, when=NOW + DAY / 2)]
    assert ask(crl(ROOT), numbered(SUB, *after, **LATER), hard=False).status is Status.TRUSTED


@pytest.mark.parametrize("when", [NOW - 900 * DAY, NOW + MINUTE, NOW + 900 * DAY])
@pytest.mark.parametrize("issued", [NOW - DAY, NOW + MINUTE], ids=["a day ago", "by another clock"])
@pytest.mark.parametrize("hard", [True, False])
def test_who_is_listed_is_revoked_whatever_date_stands_beside(
    when: datetime, issued: datetime, hard: bool
) -> None:
    """RFC 5280, 6.3.3 (i): found is revoked; OpenSSL minds no date either."""
    listing = numbered(SUB, entry(ALICE, when=when), this=issued)
    assert ask(crl(ROOT), listing, hard=hard).status is Status.REJECTED


@pytest.mark.parametrize("again", [REASONS.certificate_hold, REASONS.superseded])
def test_a_delta_crl_that_ends_a_hold_and_says_otherwise_as_well_ends_nothing(
    again: x509.ReasonFlags,
) -> None:
    held = numbered(SUB, entry(ALICE, REASONS.certificate_hold), points=True)
    for entries in permutations((entry(ALICE, REMOVED), entry(ALICE, again))):
        delta = numbered(SUB, *entries, number=7, base=5, this=NOW - DAY / 2)
        assert ask(crl(ROOT), held, delta).status is Status.REJECTED
    twice = [entry(ALICE, REMOVED), entry(ALICE, REMOVED)]
    delta = numbered(SUB, *twice, number=7, base=5, this=NOW - DAY / 2)
    assert ask(crl(ROOT), held, delta).status is Status.TRUSTED


def test_that_a_key_is_compromised_is_heard_in_whichever_entry() -> None:
    """With it, all certificates for the key of a CA fall, also those that nobody revoked."""
    renewed = ca("Sub", ROOT, private=SUB.key)
    both = (entry(SUB, REASONS.superseded), entry(SUB, REASONS.key_compromise))
    for entries in permutations(both):
        crls = [numbered(ROOT, *entries), crl(SUB)]
        found = judge(ALICE, [ROOT], [renewed, SUB], crls=crls)
        assert found.status is Status.REJECTED
    alone = judge(ALICE, [ROOT], [renewed, SUB], crls=[numbered(ROOT, both[0]), crl(SUB)])
    assert alone.status is Status.TRUSTED


def test_a_judgement_that_is_remembered_ends_at_the_first_date_of_several_entries() -> None:
    entries = [entry(ALICE, when=NOW + when) for when in (3 * MINUTE, MINUTE)]
    clock, handed = Clock(), HandedEvidence([crl(ROOT), numbered(SUB, *entries, **LATER)])
    trust = Trust(anchors=[ROOT.certificate], evidence=handed, clock=clock)

    def status() -> Status:
        extra = [SUB.certificate]
        return trust.judge(ALICE.certificate, Purpose.VERIFY, extra_certificates=extra).status

    assert status() is Status.TRUSTED
    clock.pass_by(2 * MINUTE)
    assert status() is Status.REJECTED


@pytest.mark.parametrize(("number", "good"), [(5, True), (6, True), (4, False)])
def test_a_complete_crl_that_is_older_than_a_delta_crl_is_built_upon(
    number: int, good: bool
) -> None:
    """RFC 5280, 5.2.4 (c): what was revoked between the two would be missed."""
    complete = numbered(SUB, number=number, points=True)
    delta = numbered(SUB, number=7, base=5, this=NOW - DAY / 2)
    found = ask(crl(ROOT), complete, delta)
    assert found.revocation is (Revocation.GOOD if good else Revocation.UNKNOWN)


def scope(**parts: object) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        **{
            "full_name": None,
            "relative_name": None,
            "only_contains_user_certs": False,
            "only_contains_ca_certs": False,
            "only_some_reasons": None,
            "indirect_crl": False,
            "only_contains_attribute_certs": False,
            **parts,
        }  # type: ignore[arg-type]  # each of its own type
    )


@pytest.mark.parametrize(
    "about",
    [
        scope(only_contains_ca_certs=True),
        scope(full_name=[x509.UniformResourceIdentifier("http://elsewhere.example/")]),
    ],
    ids=["CAs", "another place"],
)
def test_who_is_listed_is_revoked_whatever_the_crl_is_about(
    about: x509.IssuingDistributionPoint,
) -> None:
    assert ask(crl(ROOT), numbered(SUB, more=about)).revocation is Revocation.UNKNOWN
    assert ask(crl(ROOT), numbered(SUB, entry(ALICE), more=about)).status is Status.REJECTED


def test_of_an_indirect_crl_each_entry_is_about_whom_it_names() -> None:
    about = scope(indirect_crl=True)
    theirs = numbered(SUB, entry(ALICE, issuer=ROOT.name), more=about)
    assert ask(crl(ROOT), theirs).status is Status.TRUSTED
    own = numbered(SUB, entry(ALICE, issuer=SUB.name), more=about)
    assert ask(crl(ROOT), own).status is Status.REJECTED


@pytest.mark.parametrize("hidden", [REMOVED, None])
@pytest.mark.parametrize("hard", [True, False])
def test_of_two_entries_of_an_indirect_crl_the_one_that_revokes_counts(
    hidden: x509.ReasonFlags | None, hard: bool
) -> None:
    """An entry that takes nothing back, or whose date was to come, hides none behind it. Whom an
    entry names, those behind it are about, too (RFC 5280, 5.3.3).
    """
    about: dict[str, Any] = {"more": scope(indirect_crl=True), **(LATER if hidden is None else {})}
    first = entry(ALICE, hidden, issuer=SUB.name, when=NOW + DAY if hidden is None else NOW - DAY)
    behind = entry(ALICE, REASONS.superseded)
    for own in ([first, behind], [behind, first], [entry(ALICE, issuer=ROOT.name), first, behind]):
        found = ask(crl(ROOT), numbered(SUB, *own, **about), hard=hard)
        assert found.status is Status.REJECTED
    theirs = [first, entry(SUB, issuer=ROOT.name), behind]
    assert ask(crl(ROOT), numbered(SUB, *theirs, **about), hard=False).status is Status.TRUSTED


def test_whom_the_ca_appointed_is_heard_in_whichever_entry() -> None:
    """RFC 5280, 6.3.3 (b): by cRLIssuer in the certificate."""
    lister = ca("Lister", ROOT, basic=False, bits=("crl_sign",))
    point = x509.DistributionPoint(None, None, None, [x509.DirectoryName(lister.name)])
    made = person("bob@example.com", SUB, more=[(x509.CRLDistributionPoints([point]), False)])
    about, plain = scope(indirect_crl=True), person("carol@example.com", SUB)
    for who, found in ((made, Status.REJECTED), (plain, Status.TRUSTED)):
        entries = [entry(who, REMOVED, issuer=SUB.name), entry(who)]
        crls = [numbered(lister, *entries, more=about), crl(ROOT)]
        assert judge(who, [ROOT], [SUB, lister], crls=crls).status is found


def test_a_later_indirect_crl_ends_a_hold_of_its_own_issuer_only() -> None:
    lister = ca("Other lister", ROOT, basic=False, bits=("crl_sign",))
    point = x509.DistributionPoint(None, None, None, [x509.DirectoryName(lister.name)])
    made = person("dave@example.com", SUB, more=[(x509.CRLDistributionPoints([point]), False)])
    about = scope(indirect_crl=True)
    held = entry(made, REASONS.certificate_hold, issuer=SUB.name)
    past = numbered(lister, held, this=NOW - 2 * DAY, until=NOW - DAY, more=about)
    for issuer, status in ((lister, Status.TRUSTED), (SUB, Status.REJECTED)):
        later = numbered(issuer, number=6, this=NOW - DAY / 2, more=about)
        found = judge(made, [ROOT], [SUB, lister], crls=[past, later, crl(ROOT)])
        assert found.status is status


def test_a_crl_that_nobody_understands_says_nothing() -> None:
    """RFC 5280, 5.2: such a CRL must not be used."""
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")
    found = ask(crl(ROOT), numbered(SUB, entry(ALICE), more=odd))
    assert found.revocation is Revocation.UNKNOWN
