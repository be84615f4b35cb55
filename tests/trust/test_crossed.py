"""Several paths to anchors: which of them counts, and that no order of anything decides it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from smimekit.trust import (
    Chain,
    FetchRules,
    Judgement,
    MemoryTrustStore,
    OnlineEvidence,
    Purpose,
    Revocation,
    RevocationPolicy,
    Status,
    Trust,
    Verdict,
)
from tests.trust import certs
from tests.trust.certs import DAY, NOW, Made, ca, crl, person
from tests.trust.judging import HERE, codes, decide, store_of
from tests.trust.network import FakeNet, crl_at

ALICE = "alice@example.com"
HARD, SOFT = RevocationPolicy.HARD, RevocationPolicy.SOFT
KEY = certs.key("crossed sub")
ROOTS = [ca(f"Crossing root {number}") for number in range(3)]
SUBS = [ca("Crossed sub", root, private=KEY) for root in ROOTS]
LEAF = person(ALICE, SUBS[0])


def judged(
    roots: list[Made],
    bag: list[Made],
    crls: list[bytes],
    policy: RevocationPolicy = SOFT,
    leaf: Made = LEAF,
    **more: Any,
) -> Judgement:
    trust = Trust(
        more.pop("store", None),
        anchors=[one.certificate for one in roots],
        revocation=policy,
        clock=lambda: NOW,
        **more,
    )
    extra = [one.certificate for one in bag]
    return trust.judge(leaf.certificate, Purpose.VERIFY, extra_certificates=extra, crls=crls)


# --- one path is enough ---------------------------------------------------------------------


@pytest.mark.parametrize("bad", [0, 1])
@pytest.mark.parametrize("policy", [SOFT, HARD])
def test_a_revoked_issuer_leaves_the_other_path(bad: int, policy: RevocationPolicy) -> None:
    """RFC 5280, 6.1 judges a path; both orders of the two, whichever is met first."""
    good = 1 - bad
    crls = [crl(ROOTS[bad], SUBS[bad].certificate), crl(ROOTS[good]), crl(SUBS[0])]
    found = judged(ROOTS[:2], SUBS[:2], crls, policy)
    assert (found.status, found.revocation) == (Status.TRUSTED, Revocation.GOOD)
    assert found.path == tuple(one.certificate for one in (ROOTS[good], SUBS[good], LEAF))
    alone = judged(ROOTS[:2], [SUBS[bad]], crls, policy)
    assert (alone.status, alone.revocation) == (Status.REJECTED, Revocation.REVOKED)


@pytest.mark.parametrize("known", [0, 1])
def test_a_path_of_which_enough_is_known_is_found(known: int) -> None:
    crls = [crl(ROOTS[known]), crl(SUBS[0])]
    found = judged(ROOTS[:2], SUBS[:2], crls, HARD)
    assert (found.status, found.revocation) == (Status.TRUSTED, Revocation.GOOD)
    assert found.path[0] == ROOTS[known].certificate
    assert found.revocation_at == NOW - DAY


def test_of_paths_that_all_fail_the_best_is_told() -> None:
    revoked = [crl(ROOTS[at], SUBS[at].certificate) for at in (0, 1)]
    both = judged(ROOTS[:2], SUBS[:2], revoked, SOFT)
    assert (both.status, both.revocation) == (Status.REJECTED, Revocation.REVOKED)
    for at in (0, 1):
        one = judged(ROOTS[:2], SUBS[:2], [revoked[at]], HARD)
        assert (one.status, one.revocation) == (Status.UNTRUSTED, Revocation.UNKNOWN)
        assert one.path[0] == ROOTS[1 - at].certificate


# --- what no path outweighs -----------------------------------------------------------------


@pytest.mark.parametrize("policy", [SOFT, HARD])
def test_who_is_revoked_is_so_on_every_path(policy: RevocationPolicy) -> None:
    crls = [crl(ROOTS[0]), crl(ROOTS[1]), crl(SUBS[0], LEAF.certificate)]
    found = judged(ROOTS[:2], SUBS[:2], crls, policy)
    assert (found.status, found.revocation) == (Status.REJECTED, Revocation.REVOKED)


def indirect(issuer: Made, revoked: Made, by: Made) -> bytes:
    """A CRL of one CA about a certificate of another one (RFC 5280, 5.2.5)."""
    entry = (
        x509.RevokedCertificateBuilder()
        .serial_number(revoked.certificate.serial)
        .revocation_date(NOW - 2 * DAY)
        .add_extension(x509.CertificateIssuer([x509.DirectoryName(by.name)]), critical=True)
    )
    point = x509.IssuingDistributionPoint(
        full_name=None,
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=True,
        only_contains_attribute_certs=False,
    )
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.name)
        .last_update(NOW - DAY)
        .next_update(NOW + DAY)
        .add_extension(point, critical=True)
        .add_revoked_certificate(entry.build())
    )
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("who", [0, 1])
def test_it_is_enough_that_one_path_leads_to_who_may_say_so(who: int) -> None:
    """An indirect CRL of one root: the other one knows nothing of its issuer."""
    named = [x509.DirectoryName(ROOTS[who].name)]
    points = x509.CRLDistributionPoints([x509.DistributionPoint(None, None, None, named)])
    leaf = person(ALICE, SUBS[0], more=[(points, False)])
    crls = [indirect(ROOTS[who], leaf, SUBS[0])]
    apart = [judged([ROOTS[at]], [SUBS[at]], crls, leaf=leaf).revocation for at in (0, 1)]
    assert (apart[who], apart[1 - who]) == (Revocation.REVOKED, Revocation.UNKNOWN)
    found = judged(ROOTS[:2], SUBS[:2], crls, leaf=leaf)
    assert (found.status, found.revocation) == (Status.REJECTED, Revocation.REVOKED)


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (x509.ReasonFlags.key_compromise, Status.REJECTED),
        (x509.ReasonFlags.ca_compromise, Status.REJECTED),
        (x509.ReasonFlags.superseded, Status.TRUSTED),
        (x509.ReasonFlags.cessation_of_operation, Status.TRUSTED),
        (None, Status.TRUSTED),
    ],
)
def test_a_compromised_key_is_gone_under_every_certificate(
    at: int, reason: x509.ReasonFlags | None, status: Status
) -> None:
    """RFC 5280, 5.3.1: these two reasons are about the key, the others about a certificate."""
    crls = [
        crl(ROOTS[at], SUBS[at].certificate, reason=reason),
        crl(ROOTS[1 - at]),
        crl(SUBS[0]),
    ]
    for policy in (SOFT, HARD):
        found = judged(ROOTS[:2], SUBS[:2], crls, policy)
        assert found.status is status
        assert (found.revocation is Revocation.REVOKED) is (status is Status.REJECTED)


def test_an_anchor_is_believed_whatever_others_say_of_it() -> None:
    root = ca("Own root", private=certs.key("own root"))
    crossed = ca("Own root", ROOTS[0], private=certs.key("own root"))
    leaf = person(ALICE, root)
    bad = crl(ROOTS[0], crossed.certificate, reason=x509.ReasonFlags.key_compromise)
    found = judged([root, ROOTS[0]], [crossed], [bad], leaf=leaf)
    assert found.status is Status.TRUSTED
    assert found.path == (root.certificate, leaf.certificate)


def test_an_own_anchor_is_not_asked_about() -> None:
    found = judged([LEAF, ROOTS[0]], [SUBS[0]], [crl(SUBS[0], LEAF.certificate)])
    assert (found.status, found.path) == (Status.TRUSTED, (LEAF.certificate,))


# --- the network ----------------------------------------------------------------------------

A, B, C = "http://a.example/", "http://b.example/", "http://c.example/"


def online(net: FakeNet, **rules: Any) -> tuple[OnlineEvidence, list[Made], Made]:
    subs = [
        ca("Crossed online", root, private=certs.key("online"), more=[crl_at(url)])
        for root, url in zip(ROOTS[:2], (A, B), strict=True)
    ]
    leaf = person(ALICE, subs[0], more=[crl_at(C)])
    net.pages |= {A: crl(ROOTS[0]), B: crl(ROOTS[1]), C: crl(subs[0])}
    return OnlineEvidence(net, rules=FetchRules(**rules), clock=lambda: NOW), subs, leaf


def test_the_next_path_is_asked_about_where_one_does_not_suffice() -> None:
    for revoked in (0, 1):
        net = FakeNet()
        source, subs, leaf = online(net)
        net.pages[(A, B)[revoked]] = crl(ROOTS[revoked], subs[revoked].certificate)
        found = judged(ROOTS[:2], subs, [], HARD, leaf, evidence=source)
        assert (found.status, found.revocation) == (Status.TRUSTED, Revocation.GOOD)
        assert found.path[0] == ROOTS[1 - revoked].certificate


def test_where_one_path_suffices_no_other_is_fetched_for() -> None:
    net = FakeNet()
    source, subs, leaf = online(net)
    assert judged(ROOTS[:2], subs, [], HARD, leaf, evidence=source).status is Status.TRUSTED
    assert len(net.asked) == 2
    assert C in net.asked


def test_all_paths_together_have_one_budget() -> None:
    net = FakeNet()
    source, subs, leaf = online(net, requests=1)
    net.pages.clear()
    assert judged(ROOTS[:2], subs, [], HARD, leaf, evidence=source).status is Status.UNTRUSTED
    assert len(net.asked) == 1


# --- the cache ------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 1])
def test_a_judgement_ends_when_what_is_known_of_another_path_does(at: int) -> None:
    """One path holds all day; the other one brings the compromise, in ten minutes."""
    when = NOW + timedelta(minutes=10)
    later, reason = NOW + DAY, x509.ReasonFlags.key_compromise
    bad = crl(
        ROOTS[at], SUBS[at].certificate, when=when, reason=reason, this=later, following=later + DAY
    )
    trust = Trust(anchors=[one.certificate for one in ROOTS[:2]], clock=lambda: NOW)
    for moment, status in ((NOW, Status.TRUSTED), (when + timedelta(seconds=1), Status.REJECTED)):
        found = trust.judge(
            LEAF.certificate,
            Purpose.VERIFY,
            at=moment,
            extra_certificates=[one.certificate for one in SUBS],
            crls=[bad],
        )
        assert found.status is status


# --- no order decides -----------------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    """One way up: what its root says about the CA below, and what was decided about the root."""

    says: str
    rejected: bool


WAYS = st.builds(Way, says=st.sampled_from(["good", "revoked", "nothing"]), rejected=st.booleans())


def expected(ways: list[Way], leaf: str, policy: RevocationPolicy) -> Status:
    """The rule as it is written down in docs/explanation/trust.md."""
    says = {one.says for one in ways if not one.rejected}
    if leaf == "revoked" or says <= {"revoked"}:
        return Status.REJECTED  # no path is left, but over a CA that was rejected or revoked
    if policy is SOFT or (leaf == "good" and "good" in says):
        return Status.TRUSTED
    return Status.UNTRUSTED


@settings(max_examples=40)
@given(st.data())
def test_the_rule_holds_whatever_comes_first(data: st.DataObject) -> None:
    ways = data.draw(st.lists(WAYS, min_size=1, max_size=3))
    about_leaf = data.draw(st.sampled_from(["good", "revoked", "nothing"]))
    policy = data.draw(st.sampled_from([SOFT, HARD]))
    said: dict[str, Callable[[Made, Made], list[bytes]]] = {
        "good": lambda by, _: [crl(by)],
        "revoked": lambda by, who: [crl(by, who.certificate)],
        "nothing": lambda *_: [],
    }
    crls = said[about_leaf](SUBS[0], LEAF)
    for root, sub, way in zip(ROOTS, SUBS, ways, strict=False):
        crls += said[way.says](root, sub)
    roots = ROOTS[: len(ways)]
    answers = []
    for _ in range(2):
        store = store_of(*data.draw(st.permutations([*roots, *SUBS])))
        for root, way in data.draw(st.permutations(list(zip(roots, ways, strict=True)))):
            decide(store, root, Verdict.REJECT if way.rejected else Verdict.ANCHOR)
        bag = data.draw(st.permutations([*SUBS, *ROOTS]))
        answers.append(judged([], bag, data.draw(st.permutations(crls)), policy, store=store))
    assert answers[0] == answers[1]
    assert answers[0].status is expected(ways, about_leaf, policy)


MESH_KEYS = [certs.key(f"crossing {number}") for number in range(4)]
MESH_ROOTS = [ca(f"Crossing {at}", private=key) for at, key in enumerate(MESH_KEYS)]
MESH = [
    ca(f"Crossing {at}", MESH_ROOTS[by], private=MESH_KEYS[at])
    for at in range(4)
    for by in range(4)
    if at != by
]
MESH_LEAF = person(ALICE, MESH_ROOTS[0])


@settings(max_examples=40)
@given(st.data())
def test_the_same_certificates_in_any_order_give_the_same_judgement(data: st.DataObject) -> None:
    """Whatever is trusted, missing, revoked, twice as long or never ends."""
    some = st.lists(st.sampled_from(MESH + MESH_ROOTS), unique_by=id)
    bag, stored = data.draw(some), data.draw(some)
    anchors = data.draw(st.lists(st.sampled_from(MESH_ROOTS[1:]), unique_by=id))
    rejected = data.draw(st.lists(st.sampled_from(stored or MESH), unique_by=id, max_size=2))
    crls = [
        crl(by, *(one.certificate for one in data.draw(some)))
        for by in data.draw(st.lists(st.sampled_from(MESH_ROOTS), unique_by=id))
    ]
    policy = data.draw(st.sampled_from([SOFT, HARD]))
    found = []
    for _ in range(3):
        store = MemoryTrustStore()
        for one in data.draw(st.permutations(stored)):
            store.put(one.certificate, HERE, at=NOW)
        for one in rejected if stored else ():
            decide(store, one, Verdict.REJECT)
        found.append(
            judged(
                data.draw(st.permutations(anchors)),
                data.draw(st.permutations(bag)),
                data.draw(st.permutations(crls)),
                policy,
                MESH_LEAF,
                store=store,
            )
        )
    assert found[0] == found[1] == found[2]
    assert [codes(one) for one in found] == [codes(found[0])] * 3
    assert found[0].chain in set(Chain)
