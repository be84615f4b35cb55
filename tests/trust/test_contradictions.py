"""Evidence that contradicts itself: of words that are equally fresh "revoked" counts."""

from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from smimekit import der
from smimekit.trust import (
    HandedEvidence,
    OnlineEvidence,
    Purpose,
    Revocation,
    RevocationPolicy,
    Trust,
)
from tests.trust.certs import DAY, NOW, Made, ca, crl, person
from tests.trust.network import Clock, FakeNet, access, crl_at

ROOT, OTHER = ca("Contradicting Root"), ca("Other Root")
ALICE = person("alice@example.com", ROOT)
GOOD, REVOKED, UNKNOWN = Revocation.GOOD, Revocation.REVOKED, Revocation.UNKNOWN
SAYS_GOOD, SAYS_REVOKED, SAYS_UNKNOWN = (
    ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN,
)  # fmt: skip
SHA1, SHA256 = hashes.SHA1(), hashes.SHA256()  # noqa: S303 - it names the issuer, no more
MINUTE = timedelta(minutes=1)


def answer(
    status: ocsp.OCSPCertStatus,
    who: Made = ALICE,
    *,
    issuer: Made = ROOT,
    this: datetime = NOW - DAY,
    until: datetime = NOW + DAY,
    when: datetime = NOW - 2 * DAY,
    digest: Any = SHA256,
) -> bytes:
    revoked = status is SAYS_REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=who.certificate.x509,
        issuer=issuer.certificate.x509,
        algorithm=digest,
        cert_status=status,
        this_update=this,
        next_update=until,
        revocation_time=when if revoked else None,
        revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, ROOT.certificate.x509)
    return builder.sign(ROOT.key, hashes.SHA256()).public_bytes(Encoding.DER)


def fields(response: bytes) -> list[bytes]:
    """ResponseData (RFC 6960, 4.2.1): responderID, producedAt, responses."""
    inside = der.Reader(ocsp.load_der_ocsp_response(response).tbs_response_bytes)
    data = inside.enter(der.SEQUENCE)
    found = []
    while data.more:
        found.append(data.raw())
    return found


def in_one(*responses: bytes) -> bytes:
    """One response with the single responses of several, signed by the root."""
    responder, produced, _ = fields(responses[0])
    singles = [der.Reader(fields(each)[2]).enter(der.SEQUENCE).raw() for each in responses]
    data = der.sequence(responder, produced, der.sequence(*singles))
    signature = ROOT.key.sign(data, ec.ECDSA(hashes.SHA256()))
    algorithm = der.sequence(der.oid("1.2.840.10045.4.3.2"))
    basic = der.sequence(data, algorithm, der.bit_string(signature))
    wrapped = der.sequence(der.oid("1.3.6.1.5.5.7.48.1.1"), der.octet_string(basic))
    return der.sequence(der.tlv(0x0A, b"\x00"), der.tlv(0xA0, wrapped))


def judged(
    *,
    ocsps: tuple[bytes, ...] = (),
    crls: tuple[bytes, ...] = (),
    at: datetime = NOW,
) -> Revocation:
    """By what came along; what was handed in once says the same."""
    trust = Trust(anchors=[ROOT.certificate], revocation=RevocationPolicy.HARD)
    came = trust.judge(ALICE.certificate, Purpose.VERIFY, at=at, ocsps=ocsps, crls=crls)
    handed = Trust(
        anchors=[ROOT.certificate],
        revocation=RevocationPolicy.HARD,
        evidence=HandedEvidence(crls, ocsps),
    )
    again = handed.judge(ALICE.certificate, Purpose.VERIFY, at=at)
    assert again.revocation is came.revocation
    return came.revocation


# --- OCSP ----------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [NOW, NOW + 30 * DAY], ids=["fresh", "stale"])
def test_of_equally_fresh_responses_revoked_counts(at: datetime) -> None:
    """RFC 6960, 2.4: thisUpdate is when the status was known to be correct."""
    for order in permutations(map(answer, (SAYS_GOOD, SAYS_REVOKED, SAYS_UNKNOWN))):
        assert judged(ocsps=order, at=at) is REVOKED


def test_a_newer_response_counts_more_than_an_older_one() -> None:
    """A hold may be over (RFC 6960, 2.2): "revoked" is not for ever."""
    held, free = answer(SAYS_REVOKED, this=NOW - DAY), answer(SAYS_GOOD, this=NOW - DAY + MINUTE)
    for order in permutations((held, free)):
        assert judged(ocsps=order) is GOOD


def test_unknown_is_no_word_against_another_response() -> None:
    """RFC 6960, 2.2: who does not know the certificate leaves it to other sources."""
    for order in permutations((answer(SAYS_GOOD), answer(SAYS_UNKNOWN))):
        assert judged(ocsps=order) is GOOD


def test_what_was_revoked_later_was_good_before() -> None:
    later = answer(SAYS_REVOKED, when=NOW + DAY / 2)
    for order in permutations((answer(SAYS_GOOD), later)):
        assert judged(ocsps=order) is GOOD


@pytest.mark.parametrize("other", [SAYS_REVOKED, SAYS_UNKNOWN])
@pytest.mark.parametrize("younger", [-MINUTE, MINUTE, 0 * MINUTE])
def test_one_response_that_says_both_gives_no_good_word(
    other: ocsp.OCSPCertStatus, younger: timedelta
) -> None:
    """Whatever the dates in it: one responder said both at one time."""
    good = answer(SAYS_GOOD, this=NOW - DAY + younger)
    for order in permutations((good, answer(other))):
        both = in_one(*order)
        assert judged(ocsps=(both,)) is (REVOKED if other is SAYS_REVOKED else UNKNOWN)
    assert judged(ocsps=(in_one(good, good),)) is GOOD


def test_one_response_that_names_the_issuer_by_two_digests() -> None:
    """RFC 6960, 4.1.1: the requestor chooses the digest, which a responder may not know."""
    good = answer(SAYS_GOOD, this=NOW - DAY + MINUTE)
    for order in permutations((good, answer(SAYS_REVOKED, digest=SHA1))):
        assert judged(ocsps=(in_one(*order),)) is REVOKED
    for order in permutations((good, answer(SAYS_UNKNOWN, digest=SHA1))):
        assert judged(ocsps=(in_one(*order),)) is GOOD


def test_one_response_about_several_certificates() -> None:
    """Another serial number, or another issuer's same one, is another certificate."""
    bob = person("bob@example.com", ROOT)
    for other in (answer(SAYS_REVOKED, bob), answer(SAYS_REVOKED, issuer=OTHER)):
        for order in permutations((answer(SAYS_GOOD), other)):
            assert judged(ocsps=(in_one(*order),)) is GOOD


# --- CRLs ----------------------------------------------------------------------------------


def numbered(
    number: int,
    *,
    base: int | None = None,
    reason: x509.ReasonFlags | None = None,
    revoked: tuple[Made, ...] = (),
    this: datetime = NOW - DAY,
    issuer: Made = ROOT,
) -> bytes:
    """A CRL that has a delta; with `base`, that delta (RFC 5280, 5.2.4)."""
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.name)
        .last_update(this)
        .next_update(NOW + DAY)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(identifier, critical=False)
    )
    if base is None:
        name = x509.UniformResourceIdentifier("http://crl.example/delta")
        point = x509.DistributionPoint([name], None, None, None)
        builder = builder.add_extension(x509.FreshestCRL([point]), critical=False)
    else:
        builder = builder.add_extension(x509.DeltaCRLIndicator(base), critical=True)
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial)
        entry = entry.revocation_date(NOW - 2 * DAY)
        if reason is not None:
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("at", [NOW, NOW + 30 * DAY], ids=["fresh", "stale"])
def test_of_equally_fresh_crls_the_one_that_lists_counts(at: datetime) -> None:
    for order in permutations((crl(ROOT), crl(ROOT, ALICE.certificate))):
        assert judged(crls=order, at=at) is REVOKED


ENDED = x509.ReasonFlags.remove_from_crl


@pytest.mark.parametrize("reason", [None, x509.ReasonFlags.certificate_hold])
@pytest.mark.parametrize("clean", [(), (ALICE,)], ids=["not listed", "removed"])
def test_of_equally_fresh_delta_crls_the_one_that_lists_counts(
    reason: x509.ReasonFlags | None, clean: tuple[Made, ...]
) -> None:
    """Also where the other one ends a hold: that is a word as fresh, and not more."""
    lists = numbered(6, base=5, revoked=(ALICE,), reason=reason)
    without = numbered(6, base=5, revoked=clean, reason=ENDED)
    for order in permutations((lists, without)):
        assert judged(crls=(numbered(5), *order)) is REVOKED


def test_a_newer_delta_crl_ends_a_hold() -> None:
    lists = numbered(6, base=5, revoked=(ALICE,), reason=x509.ReasonFlags.certificate_hold)
    ended = numbered(7, base=5, revoked=(ALICE,), reason=ENDED, this=NOW - DAY + MINUTE)
    for order in permutations((lists, ended, numbered(6, base=5))):
        assert judged(crls=(numbered(5), *order)) is GOOD


@pytest.mark.parametrize("number", [8, 10], ids=["older", "of the same time"])
def test_a_delta_crl_takes_nothing_back_that_a_newer_crl_says(number: int) -> None:
    """RFC 5280, 5.2.4 (c): whoever was on hold once could show the end of that hold for ever."""
    this = NOW - DAY / 2
    lists = numbered(10, revoked=(ALICE,), this=this)
    ended = numbered(
        number, base=5, revoked=(ALICE,), reason=ENDED, this=this if number == 10 else NOW - DAY
    )
    without = numbered(10, this=this)
    for order in permutations((lists, ended)):
        assert judged(crls=order) is REVOKED
    for order in permutations((without, ended)):
        assert judged(crls=order) is GOOD


def test_a_delta_crl_of_another_authority_makes_no_crl_older() -> None:
    sub = ca("Contradicting Sub", ROOT)
    who = person("alice@example.com", sub)
    ended = numbered(8, base=5, revoked=(sub,), reason=ENDED, this=NOW - 2 * DAY)
    of_sub = [numbered(5, issuer=sub), numbered(6, base=5, this=NOW - MINUTE, issuer=sub)]
    trust = Trust(anchors=[ROOT.certificate], revocation=RevocationPolicy.HARD)
    for listed, known in (((sub,), REVOKED), ((), GOOD)):
        crls = [numbered(10, revoked=listed), ended, *of_sub]
        extra = [sub.certificate]
        found = trust.judge(
            who.certificate, Purpose.VERIFY, at=NOW, extra_certificates=extra, crls=crls
        )
        assert found.revocation is known


def test_the_newest_delta_crl_ends_a_hold_that_an_older_crl_lists() -> None:
    hold = x509.ReasonFlags.certificate_hold
    base = numbered(5, revoked=(ALICE,), reason=hold)
    older = numbered(4, base=3, this=NOW - 2 * DAY)
    ended = numbered(7, base=5, revoked=(ALICE,), reason=ENDED, this=NOW - DAY + MINUTE)
    for order in permutations((base, older, ended)):
        assert judged(crls=order) is GOOD


def test_an_older_delta_crl_takes_nothing_back_further_down_either() -> None:
    """Also where the CRLs of the CA above have delta CRLs of their own."""
    sub = ca("Contradicting Sub", ROOT)
    who = person("alice@example.com", sub)
    ended = numbered(4, base=3, revoked=(who,), reason=ENDED, this=NOW - 2 * DAY, issuer=sub)
    above = [numbered(10), numbered(11, base=10, this=NOW - DAY + MINUTE)]
    trust = Trust(anchors=[ROOT.certificate], revocation=RevocationPolicy.HARD)
    for listed, known in (((who,), REVOKED), ((), GOOD)):
        crls = [*above, ended, numbered(5, revoked=listed, issuer=sub)]
        extra = [sub.certificate]
        found = trust.judge(
            who.certificate, Purpose.VERIFY, at=NOW, extra_certificates=extra, crls=crls
        )
        assert found.revocation is known


def test_who_is_listed_is_revoked_also_where_the_delta_crl_is_missing() -> None:
    """The CRL says that there may be more, which could be the end of a hold; nobody says so."""
    assert judged(crls=(numbered(10, revoked=(ALICE,)),)) is REVOKED
    assert judged(crls=(numbered(10),)) is UNKNOWN


# --- what is kept --------------------------------------------------------------------------

URL = "http://evidence.example/"
BOB = person("bob@example.com", ROOT, more=[crl_at(URL)])
CAROL = person("carol@example.com", ROOT, more=[access(ocsp_at=(URL,))])
LONG = NOW + 30 * DAY


@pytest.mark.parametrize(
    ("who", "revoked", "good"),
    [
        (
            CAROL,
            answer(SAYS_REVOKED, CAROL, until=LONG, digest=SHA1),
            answer(SAYS_GOOD, CAROL, until=LONG, digest=SHA1),
        ),
        (BOB, crl(ROOT, BOB.certificate, following=LONG), crl(ROOT, following=LONG)),
    ],
    ids=["OCSP", "CRL"],
)
def test_what_is_equally_fresh_does_not_displace_a_revocation(
    who: Made, revoked: bytes, good: bytes
) -> None:
    """Two servers of one CA: in whatever order they are asked, what one said is not lost."""
    for pages in permutations((revoked, good)):
        net, clock = FakeNet({URL: pages[0]}), Clock()
        evidence = OnlineEvidence(net, clock=clock, monotonic=clock.monotonic)
        trust = Trust(anchors=[ROOT.certificate], evidence=evidence, clock=clock)
        first = trust.judge(who.certificate, Purpose.VERIFY)
        assert first.revocation is (REVOKED if pages[0] is revoked else GOOD)
        net.pages[URL] = pages[1]
        for times in (2, 3):  # as it is fetched, and as it is kept
            clock.pass_by(2 * DAY)
            assert trust.judge(who.certificate, Purpose.VERIFY).revocation is REVOKED
            assert len(net.asked) == times


def test_two_crls_that_each_list_somebody_else_both_count() -> None:
    other = person("dave@example.com", ROOT, more=[crl_at(URL)])
    net, clock = FakeNet({URL: crl(ROOT, BOB.certificate, following=LONG)}), Clock()
    evidence = OnlineEvidence(net, clock=clock, monotonic=clock.monotonic)
    trust = Trust(anchors=[ROOT.certificate], evidence=evidence, clock=clock)
    assert trust.judge(other.certificate, Purpose.VERIFY).revocation is GOOD
    net.pages[URL] = crl(ROOT, other.certificate, following=LONG)
    clock.pass_by(2 * DAY)
    assert trust.judge(other.certificate, Purpose.VERIFY).revocation is REVOKED
    assert trust.judge(BOB.certificate, Purpose.VERIFY).revocation is REVOKED
