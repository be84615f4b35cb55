"""Hostile bags of certificates, as a message brings them: each judged within its budget."""

import random
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

import smimekit
from smimekit import Certificate, MemoryTrustStore, Purpose, Status, Trust
from smimekit.trust import Chain, Revocation, Verdict
from tests.message.people import NOW, alice, bare_signed, ca, entity, mime, root
from tests.trust import certs
from tests.trust.certs import Made
from tests.trust.hostile import MALLORY, NO_WARNINGS, within
from tests.trust.judging import HERE, codes, decide, store_of

pytestmark = NO_WARNINGS


def issuer_name(certificate: Certificate) -> x509.Name:
    return certificate.x509.subject


def bogus(count: int, like: Certificate) -> list[Certificate]:
    """CAs with the name and the key identifier of a real one, and keys of their own."""
    key_id = x509.SubjectKeyIdentifier(like.key_id or b"")
    made = [
        certs.ca(
            f"bogus {number}",
            subject=issuer_name(like),
            issuer_name=like.x509.issuer,
            sign_with=MALLORY,
            key_ids=False,
            more=[(key_id, False)],
            start=NOW - timedelta(days=1),
            end=NOW + timedelta(days=1),
        )
        for number in range(count)
    ]
    return [one.certificate for one in made]


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Each signature on a certificate that is checked."""
    seen: list[Any] = []
    real = Certificate.signed_by

    def counted(one: Certificate, other: Certificate) -> bool:
        seen.append((one, other))
        return real(one, other)

    monkeypatch.setattr(Certificate, "signed_by", counted)
    return seen


def bare_made(certificate: Certificate) -> Made:
    return Made(certificate, None, issuer_name(certificate))


def opened(bag: list[Certificate], trust: Trust) -> Status:
    mail = mime(bare_signed(entity(), alice(), bag=bag), "signed-data")
    with smimekit.open(mail, trust=trust) as message:
        (signature,) = message.signatures
        judgement = signature.judgement
    assert judgement is not None
    return judgement.status


def believing() -> Trust:
    return Trust(anchors=[root().certificate], clock=lambda: NOW)


def test_a_hundred_bogus_issuers_in_a_message(checks: list[Any]) -> None:
    """They have the very name and key identifier: the budget ends it, and soon."""
    real = ca().certificate
    assert opened([alice().certificate, real], believing()) is Status.TRUSTED
    fake = bogus(100, real)
    checks.clear()
    with within(1):
        found = opened([alice().certificate, *fake], believing())
    assert found is Status.UNTRUSTED
    assert len(checks) <= 62, "sixty on the way up, and whether the top is self-signed"
    few = [*fake[:50], real]
    random.Random(1).shuffle(few)  # noqa: S311 - no secret
    assert opened([alice().certificate, *few], believing()) is Status.TRUSTED


def test_a_bag_of_two_hundred_in_a_long_chain_and_a_mesh(checks: list[Any]) -> None:
    """A chain of 20, and 180 cross-certificates between its authorities."""
    chain = [certs.ca("Bag 0")]
    for number in range(1, 20):
        chain.append(certs.ca(f"Bag {number}", chain[-1]))
    chooser = random.Random(2)  # noqa: S311 - no secret
    crossed: list[Certificate] = []
    while len(crossed) < 179:
        one, other = chooser.sample(range(20), 2)
        made = certs.ca(f"Bag {one}", chain[other], private=chain[one].key)
        crossed.append(made.certificate)
    leaf = certs.person("bag@example.com", chain[-1])
    bag = [one.certificate for one in chain] + crossed
    assert len(bag) == 199
    for anchors in ([], [chain[0].certificate], [root().certificate]):
        trust = Trust(anchors=anchors)
        checks.clear()
        with within(4):
            trust.judge(
                leaf.certificate, smimekit.Purpose.VERIFY, at=certs.NOW, extra_certificates=bag
            )
        assert len(checks) <= 62


def test_authorities_that_certify_each_other_in_a_ring_end(checks: list[Any]) -> None:
    """Of three names, and of one name with three keys (a rollover that never ends)."""
    for names in (("A", "B", "C"), ("A", "A", "A")):
        keys = [certs.key(f"ring {number}") for number in range(3)]
        made = [certs.ca(name, private=key) for name, key in zip(names, keys, strict=True)]
        ring = [
            certs.ca(names[number], made[number - 1], private=keys[number]).certificate
            for number in range(3)
        ]
        leaf = certs.person("ring@example.com", made[0])
        checks.clear()
        with within(1):
            found = Trust(anchors=[root().certificate]).judge(
                leaf.certificate, smimekit.Purpose.VERIFY, at=certs.NOW, extra_certificates=ring
            )
        assert found.status is Status.UNTRUSTED
        assert len(checks) <= 62


def test_several_roots_of_one_name(checks: list[Any]) -> None:
    """Renewals and namesakes among the anchors: the one that issued is found."""
    roots = [certs.ca("Namesake", private=certs.key(f"namesake {n}")) for n in range(12)]
    renewed = certs.ca("Namesake", private=roots[7].key)
    trust = Trust(anchors=[one.certificate for one in (*roots, renewed)])
    for one in roots:
        leaf = certs.person("a@example.com", one).certificate
        found = trust.judge(leaf, smimekit.Purpose.VERIFY, at=certs.NOW)
        assert found.status is Status.TRUSTED
        assert found.path[0].spki == one.certificate.spki


def test_name_constraint_bombs_on_every_level_end() -> None:
    """Each of ten authorities has constraints enough for one alone to be within its bound."""
    above: Made = certs.ca("Bomb root")
    anchor, extra = above, []
    permitted = [x509.RFC822Name(f"h{number}.example.com") for number in range(400)]
    constraints = x509.NameConstraints(permitted, None)
    for number in range(10):
        above = certs.ca(f"Bomb {number}", above, more=[(constraints, True)])
        extra.append(above.certificate)
    names = certs.alt_names(*[f"a@h{number}.example.com" for number in range(100)])
    leaf = certs.person("a@h1.example.com", above, names=names)
    with within(3):
        found = Trust(anchors=[anchor.certificate]).judge(
            leaf.certificate, smimekit.Purpose.VERIFY, at=certs.NOW, extra_certificates=extra
        )
    assert found.status is Status.UNTRUSTED


def test_a_bomb_that_was_harvested_costs_no_more_than_one_in_a_message(checks: list[Any]) -> None:
    store = MemoryTrustStore()
    bag = [alice().certificate, *bogus(100, ca().certificate)]
    mail = mime(bare_signed(entity(), alice(), bag=bag), "signed-data")
    trust = Trust(store, anchors=[root().certificate], clock=lambda: NOW)
    with smimekit.open(mail, trust=trust) as message:
        smimekit.harvest(message).put_into(store, at=NOW)
    assert len(store.page(limit=500)) > 50
    checks.clear()
    with within(1):
        found = trust.judge(alice().certificate, smimekit.Purpose.VERIFY)
    assert found.status is Status.UNTRUSTED
    assert len(checks) <= 62
    with_issuer = trust.judge(
        alice().certificate, smimekit.Purpose.VERIFY, extra_certificates=[ca().certificate]
    )
    assert with_issuer.status is Status.TRUSTED, "what comes along is tried as well"


def test_a_harvested_bomb_does_not_stop_encryption_below_a_known_authority() -> None:
    """The issuer that was known before comes before its namesakes."""
    store, person, real = MemoryTrustStore(), alice().certificate, ca().certificate
    trust = Trust(store, anchors=[root().certificate], clock=lambda: NOW)
    for one in (person, real):
        store.put(one, HERE, at=NOW - timedelta(days=5))
    for one in bogus(100, real):
        store.put(one, HERE, at=NOW)
    assert trust.usable(person.addresses[0], Purpose.ENCRYPT).usable == (person,)
    for extra in ([], bogus(100, real)):
        found = trust.judge(person, Purpose.VERIFY, extra_certificates=extra)
        assert found.status is Status.TRUSTED


@pytest.mark.parametrize("size", [0, 50, 60, 100])
def test_no_stuffed_bag_hides_that_an_authority_was_rejected(size: int) -> None:
    person, real = alice(), ca()
    store = store_of(bare_made(person.certificate), bare_made(real.certificate))
    decide(store, bare_made(person.certificate), Verdict.TRUST)
    decide(store, bare_made(real.certificate), Verdict.REJECT)
    for number, one in enumerate(bogus(70, real.certificate)):
        store.put(one, HERE, at=NOW - timedelta(days=number))
    trust = Trust(store, clock=lambda: NOW)
    found = trust.judge(
        person.certificate, Purpose.VERIFY, extra_certificates=bogus(size, real.certificate)
    )
    assert found.status is Status.REJECTED


def test_no_stuffed_bag_hides_a_revocation() -> None:
    above = certs.ca("Root of the revoked")
    person = certs.person("alice@example.com", above)
    store = store_of(person, above)
    decide(store, person, Verdict.TRUST)
    found = Trust(store, clock=lambda: certs.NOW).judge(
        person.certificate,
        Purpose.VERIFY,
        crls=[certs.crl(above, person.certificate)],
        extra_certificates=bogus(100, above.certificate),
    )
    assert (found.status, found.revocation) == (Status.REJECTED, Revocation.REVOKED)


def test_a_search_that_was_given_up_is_no_chain_that_a_decision_overrides() -> None:
    """What was not tried might have been rejected or revoked."""
    person = alice().certificate
    store = store_of(bare_made(person))
    decide(store, bare_made(person), Verdict.TRUST)
    trust = Trust(store, clock=lambda: NOW)
    assert trust.judge(person, Purpose.VERIFY).status is Status.TRUSTED
    bag = bogus(100, ca().certificate)
    found = trust.judge(person, Purpose.VERIFY, extra_certificates=bag)
    assert (found.status, found.chain) == (Status.UNTRUSTED, Chain.BAD)
    assert "path.budget" in codes(found)


def test_namesakes_do_not_stop_one_who_signed_the_own_certificate() -> None:
    """Nobody else can have: so there is no search that could be given up."""
    person = certs.person("alone@example.com")
    store = store_of(person)
    decide(store, person, Verdict.TRUST)
    found = Trust(store, clock=lambda: certs.NOW).judge(
        person.certificate,
        Purpose.VERIFY,
        extra_certificates=bogus(100, person.certificate),
    )
    assert found.status is Status.TRUSTED
