"""Hostile certificates and evidence: an answer within the budget, and never a false 'trusted'."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
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
from smimekit.errors import CertificateError
from smimekit.limits import Limits
from smimekit.policy import Policy
from smimekit.trust import (
    Chain,
    Judgement,
    MemoryTrustStore,
    Purpose,
    Revocation,
    RevocationPolicy,
    Source,
    Status,
    Trust,
    Validity,
)
from smimekit.trust.paths import PathSearch, Pool
from tests.trust import certs
from tests.trust.certs import DAY, NOW, Made, alt_names, ca, crl, person, smtp_utf8

# Damage may make a serial number negative; cryptography warns of it.
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

ALICE = "alice@example.com"
ROOT = ca("Root")
SUB = ca("Sub", ROOT)
LEAF = person(ALICE, SUB)
MALLORY = certs.key("mallory")


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """The time that work on hostile input may take; generous, for busy machines."""
    start = time.perf_counter()
    yield
    assert time.perf_counter() - start < seconds


def judge(leaf: Certificate, extra: list[Certificate], *anchors: Made, **more: Any) -> Judgement:
    trust = Trust(
        anchors=[one.certificate for one in anchors or (ROOT,)],
        revocation=more.pop("revocation", RevocationPolicy.SOFT),
    )
    at: datetime = more.pop("at", NOW)
    return trust.judge(leaf, Purpose.VERIFY, at=at, extra_certificates=extra, **more)


# --- bombs and loops ------------------------------------------------------------------------


def bomb(count: int, sign_with: Any, common: str = "Sub") -> list[Certificate]:
    """CAs with one name and one key id, each with its own key."""
    made = [
        ca(common, ROOT, private=certs.key(f"bomb {number}"), sign_with=sign_with, key_ids=False)
        for number in range(count)
    ]
    return [one.certificate for one in made]


def test_a_hundred_bogus_issuers_cost_little_and_hide_nothing() -> None:
    found = bomb(100, MALLORY)
    judge(LEAF.certificate, [SUB.certificate])  # what is imported once is not the bomb's cost
    with within(2):
        assert judge(LEAF.certificate, found).status is Status.UNTRUSTED
    with within(2):
        assert judge(LEAF.certificate, [*found, SUB.certificate]).status is Status.TRUSTED


def test_bogus_issuers_with_the_right_key_id_exhaust_the_budget_and_say_so() -> None:
    key_id = x509.SubjectKeyIdentifier(SUB.certificate.key_id or b"")
    found = [
        ca("Sub", ROOT, private=certs.key(f"bomb {n}"), key_ids=False, more=[(key_id, False)])
        for n in range(100)
    ]
    with within(2):
        result = judge(LEAF.certificate, [one.certificate for one in found])
    assert (result.status, result.chain) == (Status.UNTRUSTED, Chain.INCOMPLETE)
    assert "path.budget" in [reason.code for reason in result.reasons]


def test_the_stores_issuers_are_bounded_too() -> None:
    store = MemoryTrustStore()
    for one in bomb(100, MALLORY):
        store.put(one, Source("mail", "mallory@example.com"), at=NOW)
    trust = Trust(store, anchors=[ROOT.certificate])
    with within(2):
        found = trust.judge(LEAF.certificate, Purpose.VERIFY, at=NOW)
    assert found.status is Status.UNTRUSTED


def mesh(size: int) -> list[Certificate]:
    """Every CA has certified every other one: size! simple paths."""
    keys = [certs.key(f"mesh {number}") for number in range(size)]
    names = [certs.name(f"Mesh {number}") for number in range(size)]
    made = [ca(f"Mesh {number}", private=keys[number]) for number in range(size)]
    crossed = [
        ca(f"Mesh {one}", made[other], private=keys[one], subject=names[one])
        for one in range(size)
        for other in range(size)
        if one != other
    ]
    return [one.certificate for one in crossed]


def test_a_mesh_of_cross_certificates_ends() -> None:
    crossed = mesh(8)
    issuer = Made(crossed[0], certs.key("mesh 0"), certs.name("Mesh 0"))
    leaf = person(ALICE, issuer)
    with within(5):
        found = judge(leaf.certificate, crossed)
    assert found.status is Status.UNTRUSTED
    # The same with an anchor that never makes a valid path: each attempt is a validation.
    tight = ca("Mesh 7", private=certs.key("mesh 7"), path_length=0)
    with within(5):
        assert judge(leaf.certificate, crossed, tight).status is Status.UNTRUSTED


def test_two_cas_that_certify_each_other_end() -> None:
    one = ca("One", private=certs.key("one"))
    two = ca("Two", one, private=certs.key("two"))
    back = ca("One", two, private=certs.key("one"))
    leaf = person(ALICE, two)
    found = judge(leaf.certificate, [two.certificate, back.certificate])
    assert found.status is Status.UNTRUSTED


def test_the_path_search_counts_its_steps() -> None:
    steps = 0

    def more(_: bytes) -> list[Certificate]:
        nonlocal steps
        steps += 1
        return []

    limits = Limits(path_signatures=3)
    pool = Pool([ROOT.certificate], bomb(10, MALLORY), more)
    search = PathSearch(LEAF.certificate, pool, limits=limits)
    assert list(search) == []
    assert search.exhausted
    assert steps == 1


def test_long_chains_end_at_the_limit() -> None:
    chain = [ca("Long 0")]
    for number in range(1, 20):
        chain.append(ca(f"Long {number}", chain[-1]))
    leaf = person(ALICE, chain[-1])
    extra = [one.certificate for one in chain]
    found = judge(leaf.certificate, extra, chain[0])
    assert found.status is Status.UNTRUSTED
    assert len(found.path) <= Policy.INTEROP.limits.path_certificates
    short = person(ALICE, chain[9])
    assert judge(short.certificate, extra, chain[0]).status is Status.TRUSTED


def test_name_constraint_bombs_end() -> None:
    permitted = [x509.RFC822Name(f"host{number}.example.com") for number in range(1_500)]
    constraints = x509.NameConstraints(permitted, None)
    issuer = ca("Constrained", ROOT, more=[(constraints, True)])
    names = alt_names(*[f"a@host{number}.example.com" for number in range(1_500)])
    leaf = person(ALICE, issuer, names=names)
    with within(5):
        found = judge(leaf.certificate, [issuer.certificate])
    assert found.status is Status.UNTRUSTED


def test_huge_certificates_are_refused() -> None:
    names = alt_names(*[f"a{number}@example.com" for number in range(10_000)])
    with within(2):
        found = judge(person(ALICE, SUB, names=names).certificate, [SUB.certificate])
    assert (found.status, found.validity) == (Status.UNTRUSTED, Validity.MALFORMED)


def test_absurd_object_identifiers_are_refused_quickly() -> None:
    """asn1crypto takes quadratic time for them (RFC 5280 has no bound)."""
    long = der.tlv(der.OID, b"\x2a" + b"\x81" * 60_000 + b"\x01")
    usages = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.37"), der.sequence(long))
    policies = x509.UnrecognizedExtension(
        x509.ObjectIdentifier("2.5.29.32"), der.sequence(der.sequence(long))
    )
    names = x509.UnrecognizedExtension(
        x509.ObjectIdentifier("2.5.29.17"),
        der.sequence(der.tlv(0x81, ALICE.encode()), der.tlv(0x88, long[4:])),
    )
    for bad in (usages, policies, names):
        extensions: list[tuple[x509.ExtensionType, bool]] = [(bad, False)]
        leaf = certs.make(ALICE, SUB, extensions=extensions)
        issuer = ca("Odd", ROOT, more=extensions)
        with within(1):
            assert judge(leaf.certificate, [SUB.certificate]).status is Status.UNTRUSTED
        with within(1):
            found = judge(person(ALICE, issuer).certificate, [issuer.certificate])
        assert found.status is Status.UNTRUSTED


GARBAGE_OIDS = (
    "2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.30", "2.5.29.31", "2.5.29.32",
    "2.5.29.33", "2.5.29.35", "2.5.29.36", "2.5.29.37", "2.5.29.46", "2.5.29.54",
    "1.3.6.1.5.5.7.1.1",
)  # fmt: skip


@pytest.mark.parametrize("oid", GARBAGE_OIDS)
@pytest.mark.parametrize(
    "value", [b"", b"\x30\x80", b"\x05\x00", b"\xff" * 9, b"\x30\x03\x02\x01", b"\x04\x01\x00"]
)
def test_garbage_in_extensions(oid: str, value: bytes) -> None:
    garbage = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
    for critical in (True, False):
        extensions: list[tuple[x509.ExtensionType, bool]] = [(garbage, critical)]
        leaf = certs.make(ALICE, SUB, extensions=extensions, key_ids=False)
        result = judge(leaf.certificate, [SUB.certificate])
        assert isinstance(result, Judgement)
        issuer = certs.make("Odd CA", ROOT, extensions=extensions, key_ids=False)
        found = judge(person(ALICE, issuer).certificate, [issuer.certificate])
        assert found.status is not Status.TRUSTED


def test_a_malformed_extension_stays_malformed_when_it_is_read_twice() -> None:
    garbage = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.15"), b"\xff")
    leaf = certs.make(ALICE, SUB, extensions=[(garbage, True)]).certificate
    broken = bytearray(leaf.der)
    broken[broken.index(b"\x55\x1d\x0f") - 2] = 0x07  # the extension's OID is no OID any more
    certificate = Certificate(bytes(broken))
    for _ in range(3):
        with pytest.raises(CertificateError):
            certificate.extension("2.5.29.15")
        assert judge(certificate, [SUB.certificate]).validity is Validity.MALFORMED


@given(st.data())
def test_damaged_chains_give_a_judgement_and_no_trust(data: st.DataObject) -> None:
    made = data.draw(st.sampled_from([LEAF, SUB]))
    damaged = bytearray(made.der)
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(damaged) - 1))
        damaged[position] = data.draw(st.integers(0, 255))
    if bytes(damaged) == made.der:
        return
    try:
        certificate = Certificate(bytes(damaged))
    except CertificateError:
        return
    if made is LEAF:
        found = judge(certificate, [SUB.certificate])
    else:
        found = judge(LEAF.certificate, [certificate])
    assert found.status is not Status.TRUSTED


def test_a_version_that_does_not_exist_is_refused() -> None:
    at = LEAF.der.index(b"\xa0\x03\x02\x01\x02") + 4
    changed = Certificate(LEAF.der[:at] + b"\x01" + LEAF.der[at + 1 :])
    assert judge(changed, [SUB.certificate]).validity is Validity.MALFORMED


def test_names_of_rare_kinds_are_refused() -> None:
    x400 = der.sequence(der.tlv(0xA3, b""), der.tlv(0x81, ALICE.encode()))
    names = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), x400)
    leaf = certs.make(ALICE, SUB, extensions=[(names, False)])
    assert judge(leaf.certificate, [SUB.certificate]).status is Status.UNTRUSTED


def test_two_signature_algorithms_are_refused() -> None:
    inside = der.Reader(LEAF.der).enter(der.SEQUENCE)
    tbs = inside.raw()
    inside.raw()
    other = der.sequence(der.oid("1.2.840.10045.4.3.3"))
    changed = Certificate(der.sequence(tbs, other, inside.raw()))
    assert judge(changed, [SUB.certificate]).validity is Validity.MALFORMED


# --- name constraints on addresses ----------------------------------------------------------


def constrained(permitted: list[str] | None, excluded: list[str] | None = None) -> Made:
    def names(texts: list[str] | None) -> list[x509.GeneralName] | None:
        return None if texts is None else [x509.RFC822Name(text) for text in texts]

    extension = x509.NameConstraints(names(permitted), names(excluded))
    return ca("Constrained", ROOT, more=[(extension, True)])


@pytest.mark.parametrize(
    ("permitted", "excluded", "address", "good"),
    [
        (["example.com"], None, "alice@example.com", True),
        (["example.com"], None, "alice@EXAMPLE.com", True),
        (["example.com"], None, "alice@sub.example.com", False),
        (["example.com"], None, "alice@badexample.com", False),
        (["example.com"], None, "alice@example.org", False),
        ([".example.com"], None, "alice@sub.example.com", True),
        ([".example.com"], None, "alice@example.com", False),
        (["alice@example.com"], None, "alice@example.com", True),
        (["alice@example.com"], None, "bob@example.com", False),
        (None, ["example.com"], "alice@example.com", False),
        (None, ["example.com"], "alice@example.com.", False),
        (None, ["alice@example.com"], "Alice@example.com", False),
        (None, ["example.com"], "alice@example.org", True),
        (["example.com"], ["example.com"], "alice@example.com", False),
    ],
)
def test_constraints_on_addresses(
    permitted: list[str] | None, excluded: list[str] | None, address: str, good: bool
) -> None:
    issuer = constrained(permitted, excluded)
    leaf = person(address, issuer)
    found = judge(leaf.certificate, [issuer.certificate])
    assert (found.status is Status.TRUSTED) is good
    assert found.chain is (Chain.ANCHORED if good else Chain.BAD)


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("\u00e4lice@example.com", True),
        ("\u00e4lice@victim.org", False),
        ("\u00e4lice@b\u00fccher.example", False),
        ("\u00e4lice@example.com\x00", False),
    ],
)
def test_constraints_bind_smtp_utf8_mailboxes(address: str, good: bool) -> None:
    """RFC 9598, 6. certvalidator alone would let all of these pass."""
    issuer = constrained(["example.com"])
    names = x509.SubjectAlternativeName([smtp_utf8(address)])
    found = judge(person(address, issuer, names=names).certificate, [issuer.certificate])
    assert (found.status is Status.TRUSTED) is good


def test_the_anchors_own_constraints_bind() -> None:
    extension = x509.NameConstraints([x509.RFC822Name("example.com")], None)
    anchor = ca("Constrained root", more=[(extension, True)])
    good, bad = person(ALICE, anchor), person("bob@victim.org", anchor)
    assert judge(good.certificate, [], anchor).status is Status.TRUSTED
    assert judge(bad.certificate, [], anchor).status is Status.UNTRUSTED


def test_constraints_bind_the_whole_path_below() -> None:
    issuer = constrained(["example.com"])
    below = ca("Below", issuer)
    extra = [issuer.certificate, below.certificate]
    assert judge(person(ALICE, below).certificate, extra).status is Status.TRUSTED
    assert judge(person("bob@victim.org", below).certificate, extra).status is Status.UNTRUSTED


# --- forged evidence ------------------------------------------------------------------------

HARD = RevocationPolicy.HARD


def respond(
    leaf: Made,
    issuer: Made,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    *,
    responder: Made | None = None,
    sign_with: Any = None,
    include: list[x509.Certificate] | None = None,
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
    fresh = der.Reader(crl(SUB, sign_with=MALLORY)).enter(der.SEQUENCE)
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


# --- nothing leaves the machine -------------------------------------------------------------


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
