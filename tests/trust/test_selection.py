"""Which certificates of an address are used: all that can be, newest first; and why not the others."""

from typing import Any

import pytest
from cryptography import x509

import smimekit
from smimekit import Credential, MemoryTrustStore, Status, Trust, der
from smimekit.cms.attributes import (
    ENCRYPTION_KEY_PREFERENCE,
    SIGNING_TIME,
    attribute,
    encryption_key_preference,
)
from smimekit.testing import FakeCA
from smimekit.trust import (
    ByAddress,
    ByIssuerSerial,
    ByKeyId,
    Capabilities,
    Preference,
    Purpose,
    Revocation,
    RevocationPolicy,
    Selection,
    Sighting,
    Source,
    Validity,
    Verdict,
)
from smimekit.trust.store import FIND_LIMIT
from tests.message.people import NOW as MAIL_TIME
from tests.message.people import bare_signed, entity, mime, signer_info
from tests.trust import certs
from tests.trust.certs import DAY, NOW, Made, crl, person
from tests.trust.judging import HERE, codes, decide, store_of

ALICE = "alice@example.com"
RSA = certs.key("alice rsa", "rsa2048")
SIGN = ("digital_signature",)
AGREE = ("key_agreement",)


def wish(
    store: MemoryTrustStore, of: Made, for_: Made, days: float = 0, *, by_key_id: bool = False
) -> None:
    """The owner of one certificate wants mail encrypted to the other."""
    other = for_.certificate
    named: ByIssuerSerial | ByKeyId = ByIssuerSerial(other.issuer, other.serial)
    if by_key_id:
        named = ByKeyId(other.key_id or b"")
    preference = Preference(named, NOW + days * DAY)
    store.put(of.certificate, Source("mail", ALICE, NOW), at=NOW, preference=preference)


def select(
    store: MemoryTrustStore, root: Made, purpose: Purpose = Purpose.ENCRYPT, **more: Any
) -> Selection:
    revocation = more.pop("revocation", RevocationPolicy.SOFT)
    trust = Trust(store, anchors=[root.certificate], clock=lambda: NOW, revocation=revocation)
    return trust.usable(ALICE, purpose, **more)


def test_all_devices_newest_first(root: Made) -> None:
    made = [person(ALICE, root, start=NOW - days * DAY) for days in (3, 50, 10)]
    found = select(store_of(*made), root)
    assert found.usable == (made[0].certificate, made[2].certificate, made[1].certificate)
    assert found.unusable == ()


def test_a_pair_is_told_apart_by_usage(root: Made) -> None:
    signing = person(ALICE, root, bits=SIGN, start=NOW - DAY)
    encryption = person(ALICE, root, bits=AGREE, start=NOW - 2 * DAY)
    store = store_of(signing, encryption)
    assert select(store, root).usable == (encryption.certificate,)
    assert select(store, root, Purpose.VERIFY).usable == (signing.certificate,)
    ((one, verdict),) = select(store, root).unusable
    assert (one, verdict.validity) == (signing.certificate, Validity.WRONG_USAGE)


@pytest.mark.parametrize("by_key_id", [True, False])
def test_what_the_owner_prefers_takes_the_signers_place(root: Made, by_key_id: bool) -> None:
    """RFC 8551, 2.5.3.1: the certificate that the attribute names SHOULD be used."""
    signing, encryption = person(ALICE, root), person(ALICE, root, private=certs.key("second"))
    tablet = person(ALICE, root, private=certs.key("tablet"))
    store = store_of(signing, encryption, tablet)
    assert len(select(store, root).usable) == 3
    wish(store, signing, encryption, by_key_id=by_key_id)
    found = select(store, root)
    assert set(found.usable) == {encryption.certificate, tablet.certificate}
    ((one, verdict),) = found.unusable
    assert (one, verdict.status) == (signing.certificate, Status.TRUSTED)
    assert codes(verdict) == ["selection.preference"]
    assert len(select(store, root, Purpose.VERIFY).usable) == 3, "it is about encryption"


def test_the_newest_wish_counts(root: Made) -> None:
    one, two, three = (person(ALICE, root, private=certs.key(f"device {n}")) for n in range(3))
    store = store_of(one, two, three)
    wish(store, one, two, days=-1)
    wish(store, one, one)
    wish(store, one, three, days=-2)
    assert len(select(store, root).usable) == 3, "it now prefers itself"
    wish(store, one, three, days=1)
    assert set(select(store, root).usable) == {two.certificate, three.certificate}


def test_a_wish_never_leaves_nobody(root: Made) -> None:
    """What is preferred has expired, is rejected, is somebody else's, is unknown; or wants back."""
    signing = person(ALICE, root)
    expired = person(ALICE, root, end=NOW - DAY)
    rejected = person(ALICE, root)
    somebody = person("bob@example.com", root)
    unknown = person(ALICE, root)
    for other in (expired, rejected, somebody, unknown):
        store = store_of(signing, expired, rejected, somebody)
        decide(store, rejected, Verdict.REJECT)
        wish(store, signing, other)
        assert select(store, root).usable == (signing.certificate,)
    back = person(ALICE, root, private=certs.key("back"))
    store = store_of(signing, back)
    wish(store, signing, back)
    wish(store, back, signing)
    assert set(select(store, root).usable) == {signing.certificate, back.certificate}


def test_a_stranger_has_no_wish_for_others(root: Made) -> None:
    """A wish stands at the certificate that signed it: what mallory wants is about mallory's."""
    alice = person(ALICE, root)
    forged = person(ALICE, private=certs.key("mallory"))
    store = store_of(alice, forged)
    wish(store, forged, alice)
    wish(store, forged, forged)
    assert select(store, root).usable == (alice.certificate,)


def test_an_expired_one_never_shadows_a_good_one(root: Made) -> None:
    """However new, however preferred, whatever was decided about it."""
    good = person(ALICE, root, start=NOW - 50 * DAY)
    gone = person(ALICE, root, start=NOW - 2 * DAY, end=NOW - DAY)
    store = store_of(good, gone)
    decide(store, gone, Verdict.TRUST)
    wish(store, good, gone)
    found = select(store, root)
    assert found.usable == (good.certificate,)
    assert [(one, verdict.validity) for one, verdict in found.unusable] == [
        (gone.certificate, Validity.EXPIRED)
    ]
    later = select(store, root, at=NOW - 1.5 * DAY)
    assert set(later.usable) == {gone.certificate}, "then it was good, and preferred"


def test_evidence_is_heeded(root: Made) -> None:
    lost, kept = person(ALICE, root), person(ALICE, root)
    store = store_of(lost, kept)
    crls = [crl(root, lost.certificate)]
    for policy in (RevocationPolicy.SOFT, RevocationPolicy.HARD):
        found = select(store, root, crls=iter(crls), revocation=policy)
        assert found.usable == (kept.certificate,)
        ((one, verdict),) = found.unusable
        assert (one, verdict.revocation) == (lost.certificate, Revocation.REVOKED)
    assert select(store, root, revocation=RevocationPolicy.HARD).usable == ()


def test_issuers_that_came_along_are_heeded(root: Made, sub: Made, alice: Made) -> None:
    store = store_of(alice)
    assert select(store, root).usable == ()
    found = select(store, root, extra_certificates=iter([sub.certificate]))
    assert found.usable == (alice.certificate,)


# --- from mail ------------------------------------------------------------------------------


def rsa_pair(ca: FakeCA) -> tuple[Credential, Credential]:
    return ca.person(ALICE), ca.person(ALICE)


def test_a_harvested_wish_is_kept_and_heeded() -> None:
    ca = FakeCA("Mail CA", now=MAIL_TIME)
    signing, other = rsa_pair(ca)
    wanted = other.certificate
    named = encryption_key_preference(wanted.issuer, wanted.serial_bytes)
    store = MemoryTrustStore()
    trust = Trust(store, anchors=[ca.certificate], clock=lambda: MAIL_TIME)
    bag = [signing.certificate, wanted]
    info = signer_info(entity(), signing, extra=[named])
    without_time = bare_signed(entity(), signing, bag=bag, infos=[info])
    with smimekit.open(mime(without_time, "signed-data", ALICE), trust=trust) as opened:
        smimekit.harvest(opened).put_into(store, at=MAIL_TIME)
    assert {one.preference for one in store.records(ByAddress(ALICE))} == {None}, "not dated"
    info = signer_info(entity(), signing, extra=[named, signing_time()])
    mail = mime(bare_signed(entity(), signing, bag=bag, infos=[info]), "signed-data", ALICE)
    with smimekit.open(mail, trust=trust) as opened:
        smimekit.harvest(opened).put_into(store, at=MAIL_TIME)
    found = {one.certificate: one.preference for one in store.records(ByAddress(ALICE))}
    expected = Preference(ByIssuerSerial(wanted.issuer, wanted.serial), MAIL_TIME)
    assert found == {signing.certificate: expected, wanted: None}
    assert trust.usable(ALICE, Purpose.ENCRYPT).usable == (wanted,)


def signing_time() -> bytes:
    return attribute(SIGNING_TIME, der.tlv(0x17, f"{MAIL_TIME:%y%m%d%H%M%S}Z".encode()))


def test_a_malformed_wish_is_none() -> None:
    ca = FakeCA("Mail CA", now=MAIL_TIME)
    signing = ca.person(ALICE)
    store = MemoryTrustStore()
    trust = Trust(store, anchors=[ca.certificate], clock=lambda: MAIL_TIME)
    for value in (b"\xa0\x02\x05\x00", b"\x30\x00", b"\x82\x00"):
        extra = [attribute(ENCRYPTION_KEY_PREFERENCE, value), signing_time()]
        info = signer_info(entity(), signing, extra=extra)
        mail = mime(bare_signed(entity(), signing, infos=[info]), "signed-data", ALICE)
        with smimekit.open(mail, trust=trust) as opened:
            smimekit.harvest(opened).put_into(store, at=MAIL_TIME)
        assert trust.usable(ALICE, Purpose.ENCRYPT).usable == (signing.certificate,)


def test_the_pair_that_we_send_ourselves_is_understood() -> None:
    """Sign with a pair: the attribute is written, read, kept and used."""
    ca = FakeCA("Mail CA", now=MAIL_TIME)
    dual = ca.dual(ALICE)
    store = MemoryTrustStore()
    trust = Trust(store, anchors=[ca.certificate], clock=lambda: MAIL_TIME)
    mail = smimekit.sign(b"From: alice@example.com\n\nHello\n", dual, at=MAIL_TIME)
    with smimekit.open(mail, trust=trust) as opened:
        smimekit.harvest(opened).put_into(store, at=MAIL_TIME)
    records = {one.certificate: one for one in store.records(ByAddress(ALICE))}
    (sibling,) = dual.siblings
    assert records[dual.certificate].preference == Preference(
        ByIssuerSerial(sibling.certificate.issuer, sibling.certificate.serial), MAIL_TIME
    )
    assert trust.usable(ALICE, Purpose.ENCRYPT).usable == (sibling.certificate,)


# --- what records tell ----------------------------------------------------------------------


def test_a_record_tells_what_its_certificate_says(root: Made) -> None:
    names = x509.SubjectAlternativeName([x509.RFC822Name(ALICE), x509.RFC822Name("a@b.example")])
    made = person(ALICE, root, names=names)
    able = Capabilities(b"\x30\x00", NOW)
    sighting = Sighting(
        certificate=made.certificate, source=Source("upload", "me"), capabilities=able
    )
    (record,) = MemoryTrustStore().put_all([sighting], at=NOW)
    assert record.addresses == (ALICE, "a@b.example")
    assert record.fingerprint == made.certificate.fingerprint
    assert record.key_id == made.certificate.key_id
    assert record.key_usage == frozenset({"digitalSignature", "keyAgreement"})
    broken = bytearray(made.der)
    for oid in (b"\x55\x1d\x11", b"\x55\x1d\x0e", b"\x55\x1d\x0f"):
        broken[broken.index(oid) + len(oid)] = 0x05  # no OCTET STRING, nor critical
    sighting = Sighting(certificate=smimekit.Certificate(bytes(broken)), source=Source("upload"))
    (record,) = MemoryTrustStore().put_all([sighting], at=NOW)
    assert (record.addresses, record.key_id, record.key_usage) == ((), None, None)


@pytest.mark.parametrize("days", [-1, 1])
def test_a_flood_of_forgeries_does_not_hide_the_real_one(root: Made, days: int) -> None:
    """Seen before or after it: what only vouches for itself comes last."""
    real = person("flood@example.com", root).certificate
    store = MemoryTrustStore()
    store.put(real, HERE, at=NOW)
    for _ in range(FIND_LIMIT + 20):
        forged = person("flood@example.com").certificate
        store.put(forged, HERE, at=NOW + days * DAY)
    trust = Trust(store, anchors=[root.certificate], clock=lambda: NOW)
    found = trust.usable("flood@example.com", Purpose.ENCRYPT)
    assert found.usable == (real,)
    assert len(found.unusable) == FIND_LIMIT - 1
