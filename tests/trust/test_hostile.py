"""Hostile certificates and evidence: an answer within the budget, and never a false 'trusted'."""

from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
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
    Source,
    Status,
    Trust,
    Validity,
    Verdict,
)
from smimekit.trust.certvalidator import Request
from smimekit.trust.paths import Held, PathSearch, Pool
from smimekit.trust.store import FIND_LIMIT
from smimekit.trust.validate import validate_path
from tests.trust import certs
from tests.trust.certs import NOW, Made, alt_names, ca, person
from tests.trust.hostile import ALICE, LEAF, MALLORY, NO_WARNINGS, ROOT, SUB, judge, within
from tests.trust.judging import decide, store_of

pytestmark = NO_WARNINGS


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
    assert (result.status, result.chain) == (Status.UNTRUSTED, Chain.BAD)
    assert "path.budget" in [reason.code for reason in result.reasons]


def test_the_stores_issuers_are_bounded_too() -> None:
    store = MemoryTrustStore()
    for one in bomb(100, MALLORY):
        store.put(one, Source("mail", "mallory@example.com"), at=NOW)
    trust = Trust(store, anchors=[ROOT.certificate])
    with within(2):
        found = trust.judge(LEAF.certificate, Purpose.VERIFY, at=NOW)
    assert found.status is Status.UNTRUSTED


def flood(*, key: Any = None) -> list[Certificate]:
    """More certificates with the name of the CA than a query answers, with its key or others."""
    count = FIND_LIMIT + 10
    if key is not None:
        return [ca("Sub", private=key, sign_with=MALLORY).certificate for _ in range(count)]
    bogus = certs.key("flood")
    return [ca("Sub", ROOT, private=bogus, sign_with=MALLORY).certificate for _ in range(count)]


def test_a_flood_of_certificates_for_its_key_does_not_undo_the_rejection_of_a_ca() -> None:
    store = store_of(SUB)
    decide(store, SUB, Verdict.REJECT)
    for one in flood(key=SUB.key):
        store.put(one, Source("mail", "mallory@example.com"), at=NOW + certs.DAY)
    trust = Trust(store, anchors=[ROOT.certificate])
    renewed = ca("Sub", ROOT, private=SUB.key)  # not decided about: found by its key only
    with within(2):
        found = trust.judge(
            LEAF.certificate, Purpose.VERIFY, at=NOW, extra_certificates=[renewed.certificate]
        )
    assert found.status is Status.REJECTED


def test_a_flood_of_namesakes_may_hide_an_issuer_and_nothing_is_trusted_for_that() -> None:
    store = store_of(SUB)
    for one in flood():
        store.put(one, Source("mail", "mallory@example.com"), at=NOW + certs.DAY)
    trust = Trust(store, anchors=[ROOT.certificate])
    with within(2):
        hidden = trust.judge(LEAF.certificate, Purpose.VERIFY, at=NOW)
    assert hidden.status is Status.UNTRUSTED
    bag = [SUB.certificate]
    along = trust.judge(LEAF.certificate, Purpose.VERIFY, at=NOW, extra_certificates=bag)
    assert along.status is Status.TRUSTED, "what a message brings along is found"
    decide(store, SUB, Verdict.TRUST)
    assert trust.judge(LEAF.certificate, Purpose.VERIFY, at=NOW).status is Status.TRUSTED


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

    def more(_: bytes) -> Held:
        nonlocal steps
        steps += 1
        return (), ()

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


def test_constraint_bombs_of_other_kinds_end() -> None:
    permitted = [x509.DNSName(f"host{number}.example.com") for number in range(1_000)]
    constraints = x509.NameConstraints(None, permitted)
    issuer = ca("Constrained", ROOT, more=[(constraints, True)])
    others = [x509.DNSName(f"host{number}.example.org") for number in range(1_000)]
    names = x509.SubjectAlternativeName([x509.RFC822Name(ALICE), *others])
    leaf = person(ALICE, issuer, names=names)
    with within(2):
        found = judge(leaf.certificate, [issuer.certificate])
    assert found.status is Status.UNTRUSTED


def test_issuers_that_may_not_issue_are_no_candidates_and_make_no_path() -> None:
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    odd = ca("Odd", ROOT, more=[(server, False)])
    leaf = person(ALICE, odd).certificate
    pool = Pool([ROOT.certificate], [odd.certificate])
    assert pool.issuers(leaf) == []
    verdict = validate_path((ROOT.certificate, odd.certificate, leaf), Request(at=NOW))
    assert verdict.reason is not None
    assert verdict.reason.code == "path.no-ca"


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
