"""Revocation evidence: who may give it, how it is forged, and that nobody is asked for it."""

import socket
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from smimekit import der
from smimekit.certificate import Certificate
from smimekit.limits import Limits
from smimekit.trust import (
    Judgement,
    Purpose,
    Revocation,
    RevocationPolicy,
    Status,
    Trust,
)
from smimekit.trust.paths import Path
from smimekit.trust.revocation.evidence import load_evidence
from smimekit.trust.revocation.gather import Gathered
from tests.trust import certs
from tests.trust.certs import DAY, NOW, Made, ca, crl, person
from tests.trust.hostile import ALICE, LEAF, MALLORY, NO_WARNINGS, ROOT, SUB, judge, within

pytestmark = NO_WARNINGS


HARD = RevocationPolicy.HARD


def respond(
    leaf: Made,
    issuer: Made,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    *,
    responder: Made | None = None,
    sign_with: Any = None,
    include: list[x509.Certificate] | None = None,
    more: tuple[x509.ExtensionType, bool] | None = None,
) -> bytes:
    signer = responder or issuer
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=leaf.certificate.x509,
            issuer=issuer.certificate.x509,
            algorithm=hashes.SHA256(),
            cert_status=status,
            this_update=NOW - DAY,
            next_update=NOW + DAY,
            revocation_time=NOW - 2 * DAY if revoked else None,
            revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.NAME, signer.certificate.x509)
    )
    if include:
        builder = builder.certificates(include)
    if more:
        builder = builder.add_extension(*more)
    return builder.sign(sign_with or signer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def responder(issuer: Made, *, usage: bool = True, **options: Any) -> Made:
    extensions: list[tuple[x509.ExtensionType, bool]] = [(x509.OCSPNoCheck(), False)]
    if usage:
        signing = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
        extensions.append((signing, False))
    return certs.make("Responder", issuer, extensions=extensions, **options)


def ask(*ocsps: bytes, crls: tuple[bytes, ...] = ()) -> Judgement:
    return judge(
        LEAF.certificate, [SUB.certificate], revocation=HARD, ocsps=ocsps,
        crls=[crl(ROOT), *crls],
    )  # fmt: skip


def test_ocsp_by_the_issuer_counts() -> None:
    assert ask(respond(LEAF, SUB)).status is Status.TRUSTED
    found = ask(respond(LEAF, SUB, ocsp.OCSPCertStatus.REVOKED))
    assert (found.status, found.revocation) == (Status.REJECTED, Revocation.REVOKED)
    assert ask(respond(LEAF, SUB, ocsp.OCSPCertStatus.UNKNOWN)).status is Status.UNTRUSTED


def test_ocsp_revoked_beats_a_crl_that_says_good() -> None:
    found = ask(respond(LEAF, SUB, ocsp.OCSPCertStatus.REVOKED), crls=(crl(SUB),))
    assert found.status is Status.REJECTED


ODD = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), der.NULL_VALUE)


@pytest.mark.parametrize(
    ("more", "good"), [((ODD, True), False), ((ODD, False), True), ((x509.OCSPNonce(b"x"), True), True)]
)  # fmt: skip
def test_a_response_with_a_critical_extension_that_nobody_knows(
    more: tuple[x509.ExtensionType, bool], good: bool
) -> None:
    """RFC 6960, 4.4: it is not to be ignored; a bad word is believed all the same."""
    found = ask(respond(LEAF, SUB, more=more))
    assert found.revocation is (Revocation.GOOD if good else Revocation.UNKNOWN)
    found = ask(respond(LEAF, SUB, ocsp.OCSPCertStatus.REVOKED, more=more))
    assert found.status is Status.REJECTED


def crl_with(entry: x509.UnrecognizedExtension, *, critical: bool, more: tuple[int, ...]) -> bytes:
    """A CRL of SUB's about others, the last of them with an extension of their own."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(SUB.name)
        .last_update(NOW - DAY)
        .next_update(NOW + DAY)
    )
    for serial in more:
        one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - 2 * DAY)
        if serial == more[-1]:
            one = one.add_extension(entry, critical=critical)
        builder = builder.add_revoked_certificate(one.build())
    return builder.sign(SUB.key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("oid", "critical", "good"),
    [
        ("1.2.3", True, False),
        ("1.2.3", False, True),
        ("2.5.29.24", True, True),  # invalidityDate
    ],
)
def test_an_entry_extension_that_nobody_knows(oid: str, critical: bool, good: bool) -> None:
    """RFC 5280, 5.3: with a critical one, in whatever entry, the CRL says nothing of anybody."""
    value = b"\x18\x0f20260101000000Z" if oid.startswith("2.5") else der.NULL_VALUE
    entry = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
    other = LEAF.certificate.serial + 1
    found = ask(crls=(crl_with(entry, critical=critical, more=(other, other + 1)),))
    assert found.revocation is (Revocation.GOOD if good else Revocation.UNKNOWN)
    assert (found.status is Status.TRUSTED) is good
    revoked = (LEAF.certificate.serial, other)
    found = ask(crls=(crl_with(entry, critical=critical, more=revoked),))
    assert found.status is Status.REJECTED  # a bad word is believed all the same
    # The octets of a critical extension may stand in a serial number, too.
    found = ask(crls=(crl_with(entry, critical=False, more=(0x0101FF, 0x0101FF0101FF)),))
    assert found.revocation is Revocation.GOOD


def test_ocsp_by_an_appointed_responder_counts() -> None:
    good = responder(SUB)
    answer = respond(LEAF, SUB, responder=good, include=[good.certificate.x509])
    assert ask(answer).status is Status.TRUSTED


@pytest.mark.parametrize(
    "make",
    [
        lambda: responder(SUB, usage=False),
        lambda: responder(ROOT),
        lambda: responder(SUB, sign_with=MALLORY),
        lambda: responder(SUB, end=NOW - DAY),
        lambda: person("mallory@example.com", SUB),
    ],
    ids=["no usage", "appointed by another CA", "forged", "expired", "some certificate"],
)
def test_ocsp_by_anybody_else_does_not(make: Callable[[], Made]) -> None:
    bad = make()
    answer = respond(LEAF, SUB, responder=bad, include=[bad.certificate.x509])
    assert ask(answer).status is Status.UNTRUSTED


def imitation(of: Made, private: Any) -> x509.Certificate:
    """Another key in a certificate, under the issuer, serial number and signature of the real."""
    inside = der.Reader(of.der).enter(der.SEQUENCE)
    fields = inside.enter(der.SEQUENCE)
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    parts = []
    while fields.more:
        part = fields.raw()
        parts.append(spki if part == of.certificate.spki else part)
    forged = der.sequence(der.sequence(*parts), inside.raw(), inside.raw())
    return x509.load_der_x509_certificate(forged)


def test_ocsp_by_an_imitation_of_the_issuer_is_refused() -> None:
    """certvalidator compares serial number and signature octets, and so takes it for the issuer."""
    fake = imitation(SUB, MALLORY)
    signer = Made(Certificate(fake.public_bytes(Encoding.DER)), MALLORY, SUB.name)
    answer = respond(LEAF, SUB, responder=signer, include=[fake])
    assert ask(answer).status is Status.UNTRUSTED


def test_a_crl_by_an_imitation_of_the_issuer_is_refused() -> None:
    """certvalidator remembers validated certificates by their signature octets."""
    fake = Certificate(imitation(SUB, MALLORY).public_bytes(Encoding.DER))
    found = judge(
        LEAF.certificate, [fake, SUB.certificate], revocation=HARD,
        crls=[crl(ROOT), crl(SUB, sign_with=MALLORY)],
    )  # fmt: skip
    assert found.status is Status.UNTRUSTED


def test_a_forged_crl_under_the_signature_of_a_stale_one_is_refused() -> None:
    """certvalidator remembers the issuers of CRLs by the CRLs' signature octets."""
    stale = crl(SUB, this=NOW - 9 * DAY, following=NOW - 8 * DAY)
    signature = der.Reader(stale).enter(der.SEQUENCE)
    signature.raw()
    signature.raw()
    # Older than the stale one, so that certvalidator comes to it second; but not over yet.
    made = crl(SUB, sign_with=MALLORY, this=NOW - 10 * DAY)
    fresh = der.Reader(made).enter(der.SEQUENCE)
    forged = der.sequence(fresh.raw(), fresh.raw(), signature.raw())
    for crls in ([stale, forged], [forged, stale]):
        found = judge(LEAF.certificate, [SUB.certificate], revocation=HARD, crls=[crl(ROOT), *crls])
        assert found.status is Status.UNTRUSTED


def test_many_crls_and_signers_end() -> None:
    signers = [
        ca("Sub", ROOT, private=certs.key(f"bomb {number}"), sign_with=MALLORY).certificate
        for number in range(100)
    ]
    crls = [crl(SUB, sign_with=certs.key(f"bomb {number}")) for number in range(100)]
    with within(10):
        found = judge(
            LEAF.certificate, [SUB.certificate, *signers], revocation=HARD,
            crls=[*crls, *crls, crl(ROOT), crl(SUB)],
        )  # fmt: skip
    assert found.status is Status.UNTRUSTED, "over Limits.crls nothing is read"


class AtHandOnly:
    """A source that knows one revocation; `late`: only once it is asked to fetch."""

    ask_again = DAY

    def __init__(self, known: bytes, *, late: bool) -> None:
        self._known = known
        self._late = late

    def version(self) -> int:
        return 0

    def known(self, path: Path, *, limits: Limits) -> Gathered:
        del path
        found = [] if self._late else [self._known]
        return Gathered(load_evidence([], found, limits=limits))

    def bounded(self) -> "AtHandOnly":
        return self

    def fetch(self, path: Path, *, extra: Any, limits: Limits) -> Gathered:
        del path, extra
        return Gathered(load_evidence([], [self._known], limits=limits), changed=True)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("policy", [RevocationPolicy.SOFT, HARD])
def test_stuffed_responses_do_not_hide_a_revocation_that_we_know(
    policy: RevocationPolicy, late: bool
) -> None:
    """A message may use up the signers that are looked at, but not before ours are."""
    real = responder(SUB)
    revoked = respond(
        LEAF, SUB, ocsp.OCSPCertStatus.REVOKED, responder=real, include=[real.certificate.x509]
    )
    signing = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
    fakes = [
        certs.make(f"fake {n}", SUB, sign_with=MALLORY, extensions=[(signing, False)])
        for n in range(64)
    ]
    stranger = person("mallory@example.com")
    stuffing = [
        respond(LEAF, SUB, responder=stranger,
                include=[one.certificate.x509 for one in (stranger, *fakes[n : n + 7])])
        for n in range(0, 63, 7)
    ]  # fmt: skip
    trust = Trust(
        anchors=[ROOT.certificate],
        revocation=policy,
        evidence=AtHandOnly(revoked, late=late),
        clock=lambda: NOW,
    )
    for ocsps in ([], stuffing):
        found = trust.judge(
            LEAF.certificate, Purpose.VERIFY, extra_certificates=[SUB.certificate], ocsps=ocsps
        )
        assert found.revocation is Revocation.REVOKED


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    place = [x509.UniformResourceIdentifier("http://127.0.0.1:9/x")]
    points = x509.CRLDistributionPoints([x509.DistributionPoint(place, None, None, None)])
    access = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(AuthorityInformationAccessOID.OCSP, place[0]),
            x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, place[0]),
        ]
    )
    leaf = person(ALICE, SUB, more=[(points, False), (access, False)])
    for policy, status in (
        (RevocationPolicy.SOFT, Status.TRUSTED),
        (RevocationPolicy.HARD, Status.UNTRUSTED),
    ):
        for crls in ([], [crl(ROOT)]):
            found = judge(leaf.certificate, [SUB.certificate], revocation=policy, crls=crls)
            assert found.status is status
        assert judge(leaf.certificate, [], revocation=policy).status is Status.UNTRUSTED


GOOD_CRL, GOOD_OCSP = crl(SUB), respond(LEAF, SUB)


@given(st.data())
def test_damaged_evidence_gives_a_judgement_and_no_good_word(data: st.DataObject) -> None:
    is_crl = data.draw(st.booleans())
    good = GOOD_CRL if is_crl else GOOD_OCSP
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    if bytes(damaged) == good:
        return
    evidence = {"crls": [crl(ROOT)], "ocsps": []}
    evidence["crls" if is_crl else "ocsps"].append(bytes(damaged))
    found = judge(LEAF.certificate, [SUB.certificate], revocation=HARD, **evidence)
    if found.status is Status.TRUSTED:
        # Only where the damage is outside what is signed, and the signature still matches.
        assert is_crl is False or der.Reader(bytes(damaged)).enter(der.SEQUENCE).raw() == (
            der.Reader(good).enter(der.SEQUENCE).raw()
        )
