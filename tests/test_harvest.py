"""What a good signature teaches, and what no message can teach (DESIGN, section 6)."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

import smimekit
from smimekit import Certificate, Chain, Credential, Harvest, MemoryTrustStore, Status, Trust
from smimekit.algorithms import RSA_PKCS1_SHA256
from smimekit.cms.attributes import SIGNING_TIME, SMIME_CAPABILITIES, attribute
from smimekit.keys import SoftwareKey
from smimekit.trust import ByAddress, ByFingerprint, Decision, Purpose, Verdict
from tests.message.people import (
    ALICE,
    BOB,
    MALLORY,
    NOW,
    alice,
    bare_signed,
    bob,
    ca,
    certs_only,
    draft,
    encrypted_entity,
    entity,
    mallory,
    mime,
    person,
    root,
    signer_info,
    trust,
    with_footer,
)


def harvest(mail: bytes, believed: Trust | None = None, **options: Any) -> Harvest:
    with smimekit.open(mail, trust=believed or trust(), **options) as opened:
        return smimekit.harvest(opened)


def certificates(found: Harvest) -> list[Certificate]:
    return [each.certificate for each in found.found]


def made(subject: x509.Name, *extensions: x509.ExtensionType) -> Credential:
    """A self-signed credential with any subject and any extensions."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    signed = builder.sign(key, hashes.SHA256())
    return Credential(SoftwareKey(key), Certificate(signed.public_bytes(Encoding.DER)))


def name(common: str, address: str | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if address:
        parts.append(x509.NameAttribute(NameOID.EMAIL_ADDRESS, address))
    return x509.Name(parts)


# --- what is learned -----------------------------------------------------------------------


@pytest.mark.parametrize("opaque", [False, True])
def test_a_good_signature_teaches(opaque: bool) -> None:
    found = harvest(
        smimekit.sign(
            draft(), smimekit.Signer(alice(), chain=Chain.WITH_ROOT), opaque=opaque, at=NOW
        )
    )
    assert found.sender == ALICE
    assert found.reasons == ()
    leaf, *authorities = found.found
    assert leaf.certificate == alice().certificate
    assert not leaf.is_authority
    assert leaf.capabilities is not None
    assert leaf.capabilities.signed_at == NOW
    assert {each.certificate for each in authorities} == set(ca().chain)
    assert all(each.is_authority and each.capabilities is None for each in authorities)


def test_facts_need_no_trust() -> None:
    """Harvest comes before the decision: an unknown, even a self-signed certificate is listed."""
    for signer in (ca().self_signed(ALICE), ca().unknown_ca(ALICE), ca().expired(ALICE)):
        found = harvest(smimekit.sign(draft(), signer), Trust())
        assert certificates(found)[0] == signer.certificate
        assert found.sender == ALICE


def test_what_was_encrypted_for_us_is_harvested_too() -> None:
    mail = smimekit.encrypt(draft(), [bob().certificate], signer=alice())
    assert certificates(harvest(mail, keys=[bob()]))[0] == alice().certificate
    found = harvest(mail)
    assert found.found == ()
    assert found.reasons


def test_the_certificate_to_encrypt_to_may_be_another_one() -> None:
    """RFC 8551, 2.5.3: dual certificates; the capabilities are the signer's."""
    dual = ca().dual(ALICE)
    [encryption] = dual.siblings
    mail = smimekit.sign(draft(), dual, at=NOW)
    found = {each.certificate: each.capabilities for each in harvest(mail).found}
    assert found.keys() == {dual.certificate, encryption.certificate, ca().certificate}
    assert found[dual.certificate] is not None
    assert found[encryption.certificate] == found[dual.certificate]


def test_an_untrusted_signer_has_capabilities_for_nobody_else() -> None:
    """Anybody can put the victim's certificate beside one that they made themselves."""
    forged = ca().self_signed(ALICE)
    info = smimekit.sign(draft(), smimekit.Signer(forged, chain=Chain.LEAF), at=NOW)
    with smimekit.open(info, trust=trust()) as opened:
        [signature] = opened.signatures
    assert signature.attributes is not None
    extra = [
        attribute(oid, *signature.attributes.values(oid))
        for oid in (SIGNING_TIME, SMIME_CAPABILITIES)
    ]
    source = bare_signed(
        entity(),
        forged,
        bag=[alice().certificate, forged.certificate],
        infos=[signer_info(entity(), forged, extra=extra)],
    )
    found = {each.certificate: each for each in harvest(mime(source, "signed-data")).found}
    assert found[forged.certificate].capabilities is not None
    assert found[alice().certificate].capabilities is None


def test_other_peoples_certificates_stay_out() -> None:
    source = bare_signed(
        entity(), alice(), bag=[alice().certificate, bob().certificate, mallory().certificate]
    )
    assert certificates(harvest(mime(source, "signed-data"))) == [alice().certificate]


def test_the_sender_is_the_one_of_the_message() -> None:
    """A certificate may name several people; the mail came from one."""
    both = ca().self_signed("victim@example.org", MALLORY)
    assert harvest(smimekit.sign(draft(MALLORY), both)).sender == MALLORY
    assert harvest(smimekit.sign(draft("victim@example.org"), both)).sender == "victim@example.org"


def test_an_expected_address_stands_in_for_from() -> None:
    mail = smimekit.sign(entity(), alice())
    assert harvest(mail, expect=ALICE).sender == ALICE
    assert harvest(mail, expect=BOB).found == ()


# --- what is not ---------------------------------------------------------------------------


def test_nothing_from_what_is_not_signed() -> None:
    for mail in (draft(), smimekit.encrypt(draft(), [bob().certificate])):
        found = harvest(mail, keys=[bob()])
        assert found.found == ()
        assert found.sender is None
        assert found.reasons == ("the message is not signed",)


def test_nothing_from_a_certs_only_message() -> None:
    """RFC 8551, 3.8: nobody vouches for a bag without a signer."""
    assert harvest(mime(certs_only(alice().certificate), "certs-only")).found == ()


@pytest.mark.parametrize(
    "old, new", [(b"is on", b"is off"), (b"us-ascii", b"utf-8")], ids=["body", "header"]
)
def test_nothing_from_a_broken_signature(old: bytes, new: bytes) -> None:
    mail = smimekit.sign(draft(), alice()).replace(old, new)
    found = harvest(mail)
    assert found.found == ()
    assert found.sender is None
    assert "not what was signed" in found.reasons[0]


@pytest.mark.parametrize(
    "sender",
    [MALLORY, f"{ALICE}, {MALLORY}", f'"{ALICE}" <{MALLORY}>', "undisclosed:;", "alice", ""],
)
def test_nothing_where_the_signer_is_not_the_sender(sender: str) -> None:
    mail = smimekit.sign(draft(), alice())
    mail = mail.replace(f"From: {ALICE}".encode(), f"From: {sender}".encode())
    assert harvest(mail).found == ()


def test_nothing_where_the_signer_is_the_sender_field() -> None:
    """DESIGN, 6: the From address has to be in the certificate."""
    mail = f"Sender: {MALLORY}\r\n".encode() + smimekit.sign(draft(ALICE), mallory())
    found = harvest(mail)
    assert found.found == ()
    assert found.reasons == ("the signer is not the sender",)


def test_nothing_from_two_senders() -> None:
    mail = b"From: alice@example.org\r\n" + smimekit.sign(draft(), alice())
    assert harvest(mail).found == ()


def test_an_address_in_the_subject_is_none() -> None:
    """DESIGN, section 6: the address must be in the SAN, never in the CN.

    RFC 8550, 3: subject names may be read for addresses; a store must not be filled by them.
    """
    for subject in (name("alice", ALICE), name(ALICE)):
        mail = smimekit.sign(draft(), made(subject))
        found = harvest(mail)
        assert found.found == ()
        assert "subjectAltName" in found.reasons[0]
    unnamed = ca().no_address(ALICE)
    assert harvest(smimekit.sign(draft(), unnamed)).found == ()


def test_nothing_from_a_signature_that_the_policy_refuses() -> None:
    weak = ca().weak_key(ALICE)
    info = signer_info(entity(), weak, scheme=RSA_PKCS1_SHA256)
    source = bare_signed(entity(), bag=[weak.certificate], infos=[info])
    found = harvest(mime(source, "signed-data"))
    assert found.found == ()
    assert "too short" in found.reasons[0]


@pytest.mark.parametrize("subtype", ["mixed", "related", "alternative", "digest"])
def test_nothing_from_errant_parts(subtype: str) -> None:
    """RFC 9787, 4.5: an errant layer says nothing about the message around it."""
    mail = with_footer(smimekit.sign(draft(), alice()), subtype)
    found = harvest(mail)
    assert found.found == ()
    assert found.reasons == ("the message is not signed",)


def test_one_of_two_signatures_teaches() -> None:
    source = mime(bare_signed(entity(), mallory(), alice()), "signed-data")
    found = harvest(source)
    assert alice().certificate in certificates(found)
    assert mallory().certificate not in certificates(found)
    assert found.sender == ALICE
    assert found.reasons == ("the signer is not the sender",)


# --- into a store --------------------------------------------------------------------------


def test_it_is_put_into_a_store_once() -> None:
    store = MemoryTrustStore()
    found = harvest(smimekit.sign(draft(), alice(), at=NOW))
    for _ in range(2):
        found.put_into(store, at=NOW, reference="<1@example.org>")
    [record] = store.records(ByAddress(ALICE))
    assert record.certificate == alice().certificate
    [source] = record.sources
    assert (source.kind, source.origin, source.reference) == ("mail", ALICE, "<1@example.org>")
    assert record.capabilities is not None
    assert record.decision is None
    [authority] = [one for one in store.page() if one != record]
    [source] = authority.sources
    assert (source.kind, source.origin, source.reference) == ("mail", "", "<1@example.org>")


def test_the_newest_signing_time_wins() -> None:
    store = MemoryTrustStore()
    times = (NOW - timedelta(days=2), NOW, NOW - timedelta(days=1))
    for at in times:
        harvest(smimekit.sign(draft(), alice(), at=at)).put_into(store, at=NOW)
    [record] = store.records(ByAddress(ALICE))
    assert record.capabilities is not None
    assert record.capabilities.signed_at == max(times)


def test_a_signing_time_far_in_the_future_teaches_no_capabilities() -> None:
    """RFC 8551, 2.7.1: MUST NOT be accepted; nothing that is signed later would replace it."""
    for ahead, taught in ((timedelta(hours=23), True), (timedelta(days=2), False)):
        [leaf, *_] = harvest(smimekit.sign(draft(), alice(), at=NOW + ahead)).found
        assert leaf.certificate == alice().certificate
        assert (leaf.capabilities is not None) is taught


def test_harvest_never_undoes_a_rejection() -> None:
    """DESIGN, section 6: rejected stays rejected."""
    store = MemoryTrustStore()
    mail = smimekit.sign(draft(), alice(), at=NOW)
    harvest(mail).put_into(store, at=NOW)
    rejection = Decision(verdict=Verdict.REJECT, by="admin", why="stolen", at=NOW)
    store.decide(alice().certificate.fingerprint, rejection, expected=0)
    harvest(mail).put_into(store, at=NOW + timedelta(days=1))
    [record] = store.records(ByFingerprint(alice().certificate.fingerprint))
    assert record.decision == rejection
    knowing = Trust(store, anchors=[root().certificate], clock=lambda: NOW)
    judgement = knowing.judge(alice().certificate, Purpose.VERIFY)
    assert judgement.status is Status.REJECTED
    with pytest.raises(smimekit.UntrustedSigner):
        smimekit.verify(mail, knowing)


def test_the_answer_can_be_encrypted_to_what_was_harvested() -> None:
    store = MemoryTrustStore()
    knowing = Trust(store, anchors=[root().certificate], clock=lambda: NOW)
    harvest(smimekit.sign(draft(), alice()), knowing).put_into(store, at=NOW)
    usable = knowing.usable(ALICE, Purpose.ENCRYPT).usable
    assert usable == (alice().certificate,)
    answer = smimekit.encrypt(draft(BOB), usable, signer=bob())
    answered = smimekit.verify(answer, trust(), keys=[alice()]).bytes()
    assert answered == encrypted_entity(sender=BOB)


def test_a_harvest_has_no_truth_value() -> None:
    with pytest.raises(TypeError):
        bool(harvest(draft()))
    assert person(ALICE) is alice()


def test_certificates_with_addresses_without_end_are_not_learned() -> None:
    """A store has an entry for each: one mail must not keep it busy, nor fill its disk."""
    many = [f"a{number}@example.net" for number in range(1_500)]
    first, second = (person(ALICE, *many[at:]) for at in (0, 1))
    own = alice().certificate
    bag = [first.certificate, second.certificate, own, root().certificate]
    found = harvest(mime(bare_signed(entity(), first, bag=bag), "signed-data"))
    assert set(certificates(found)) == {first.certificate, own, root().certificate}
    assert found.reasons == ("certificates beyond 2000 mail addresses are not learned",)
    alone = person(ALICE, *many, *(f"b{number}@example.net" for number in range(1_500)))
    found = harvest(mime(bare_signed(entity(), alone), "signed-data"))
    assert not any(each.addresses for each in certificates(found))
    assert found.reasons
