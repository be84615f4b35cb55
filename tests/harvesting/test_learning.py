"""`harvest_into`: what one message teaches a store, and the report that says why not."""

import base64
import itertools
import pickle
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

import smimekit
from smimekit import Certificate, Chain, HarvestReport, MemoryTrustStore, Trust, harvest_into
from smimekit.harvesting import Reader, upload_into
from smimekit.harvesting.decided import DecidedOnly
from smimekit.trust import (
    ByAddress,
    ByFingerprint,
    Decision,
    Purpose,
    Record,
    Sighting,
    Source,
    Status,
    Verdict,
)
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
    mallory,
    mime,
    person,
    root,
    trust,
    with_footer,
)


def learn(store: MemoryTrustStore, mail: bytes, **options: Any) -> HarvestReport:
    return harvest_into(store, mail, trust=options.pop("trust", trust()), at=NOW, **options)


def known(store: MemoryTrustStore) -> set[Certificate]:
    return {record.certificate for record in store.page()}


def pem(der: bytes, label: str = "PKCS7") -> bytes:
    body = base64.encodebytes(der)
    return f"-----BEGIN {label}-----\n".encode() + body + f"-----END {label}-----\n".encode()


# --- what teaches --------------------------------------------------------------------------


def triple_wrapped() -> bytes:
    """RFC 2634, 1.1: signed, encrypted, signed."""
    inside = smimekit.sign(draft(), smimekit.Signer(alice(), chain=Chain.LEAF), at=NOW)
    return smimekit.sign(
        smimekit.encrypt(inside, [bob().certificate]),
        smimekit.Signer(alice(), chain=Chain.LEAF),
        at=NOW,
    )


@pytest.mark.parametrize(
    "mail",
    [
        smimekit.sign(draft(), alice(), at=NOW),
        smimekit.sign(draft(), alice(), opaque=True, at=NOW),
        smimekit.encrypt(draft(), [bob().certificate], signer=alice()),
        triple_wrapped(),
        bare_signed(draft(), alice()),
        pem(bare_signed(draft(), alice())),
    ],
    ids=["clear", "opaque", "encrypted", "triple", "der", "pem"],
)
def test_signed_mail_teaches_in_every_form(mail: bytes) -> None:
    store = MemoryTrustStore()
    first = learn(store, mail, keys=[bob()])
    assert (first.sender, first.error, first.reasons, first.known) == (ALICE, None, (), ())
    assert alice().certificate in first.new
    assert known(store) == set(first.new)
    again = learn(store, mail, keys=[bob()])
    assert (again.new, set(again.known)) == ((), set(first.new))


def test_inside_of_what_stays_closed_nothing_is_learned() -> None:
    store = MemoryTrustStore()
    closed = learn(store, smimekit.encrypt(draft(), [bob().certificate], signer=alice()))
    assert closed.new == ()
    [reason] = closed.reasons
    assert "encrypted" in reason
    half = learn(store, triple_wrapped())
    assert half.new == (alice().certificate,)
    [reason] = half.reasons
    assert "encrypted" in reason


def test_the_reference_is_the_message_id_or_what_is_said() -> None:
    store = MemoryTrustStore()
    mail = smimekit.sign(b"Message-ID: <1@example.org>\r\n" + draft(), alice())
    assert learn(store, mail).message == "<1@example.org>"
    [record] = store.records(ByAddress(ALICE))
    assert [source.reference for source in record.sources] == ["<1@example.org>"]
    assert learn(MemoryTrustStore(), mail, reference="1.eml").message == "1.eml"


def test_facts_change_no_decision() -> None:
    store = MemoryTrustStore()
    mail = smimekit.sign(draft(), alice(), at=NOW)
    learn(store, mail)
    rejection = Decision(verdict=Verdict.REJECT, by="admin", why="stolen", at=NOW)
    store.decide(alice().certificate.fingerprint, rejection, expected=0)
    assert learn(store, mail).new == ()
    [record] = store.records(ByFingerprint(alice().certificate.fingerprint))
    assert record.decision == rejection


# --- what does not -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mail", "reason"),
    [
        (draft(), "not signed"),
        (smimekit.sign(draft(), alice()).replace(b"is on", b"is off"), "not what was signed"),
        (smimekit.sign(draft(MALLORY), alice()), "not the sender"),
        (with_footer(smimekit.sign(draft(), alice())), "not signed"),
        (mime(certs_only(alice().certificate), "certs-only"), "vouches"),
        (certs_only(alice().certificate), "vouches"),
        (pem(certs_only(alice().certificate)), "vouches"),
    ],
    ids=["unsigned", "broken", "sender", "list", "certs-only mail", "p7c der", "p7c pem"],
)
def test_nothing_is_learned_and_the_report_says_why(mail: bytes, reason: str) -> None:
    store = MemoryTrustStore()
    report = learn(store, mail)
    assert (report.new, report.known, report.sender, report.error) == ((), (), None, None)
    assert reason in report.reasons[0]
    assert known(store) == set()


def test_a_forwarded_mail_is_not_its_forwarders() -> None:
    """RFC 9787, 4.5: neither Mallory, who forwards, nor Alice, whose mail it was, signed this."""
    inner = smimekit.sign(draft(), alice())
    forwarded = b"From: %s\r\nContent-Type: message/rfc822\r\n\r\n" % MALLORY.encode() + inner
    store = MemoryTrustStore()
    assert learn(store, forwarded).reasons == ("the message is not signed",)
    assert known(store) == set()
    signed = smimekit.sign(forwarded, mallory())
    assert learn(store, signed).sender == MALLORY
    assert mallory().certificate in known(store)
    assert alice().certificate not in known(store)


def test_a_bag_inside_a_signed_mail_is_not_vouched_for() -> None:
    """Alice signs that she sends Bob's certificate, not that it is Bob's."""
    bag = mime(certs_only(bob().certificate), "certs-only")
    store = MemoryTrustStore()
    report = learn(store, smimekit.sign(bag, alice()))
    assert alice().certificate in report.new
    assert bob().certificate not in known(store)


@pytest.mark.parametrize("data", [b"", b"x", b"\x30\x80", b"\x30\x03\x02\x01\x00", b": \r\n\r\n"])
def test_malformed_input_is_a_report(data: bytes) -> None:
    store = MemoryTrustStore()
    report = learn(store, data)
    assert isinstance(report.error, smimekit.InputError)
    assert known(store) == set()


# --- detached signatures -------------------------------------------------------------------


def test_a_signature_without_its_content_teaches_nothing() -> None:
    """Nothing was verified, so whoever wrote the file chose what is in it."""
    store = MemoryTrustStore()
    report = learn(store, bare_signed(draft(), alice(), detached=True))
    assert isinstance(report.error, smimekit.CmsError)
    assert report.error.code == "cms.no-content"
    assert known(store) == set()


@pytest.mark.parametrize("armour", [bytes, pem], ids=["der", "pem"])
def test_a_signature_with_its_content_teaches(armour: Any) -> None:
    signature = armour(bare_signed(draft(), alice(), detached=True))
    store = MemoryTrustStore()
    changed = learn(store, signature, content=draft(text="The plan is off."))
    assert (changed.new, known(store)) == ((), set())
    assert "not what was signed" in changed.reasons[0]
    report = learn(store, signature, content=draft())
    assert alice().certificate in report.new
    assert report.sender == ALICE


def test_the_content_names_the_sender() -> None:
    store = MemoryTrustStore()
    mail = draft(BOB)
    report = learn(store, bare_signed(mail, alice(), detached=True), content=mail)
    assert report.reasons == ("the signer is not the sender",)
    assert known(store) == set()


def test_content_goes_with_a_bare_signature_only() -> None:
    report = learn(MemoryTrustStore(), smimekit.sign(draft(), alice()), content=draft())
    assert isinstance(report.error, smimekit.CmsError)
    assert report.error.code == "cms.not-detached"


# --- uploads -------------------------------------------------------------------------------


def bundles() -> Iterable[bytes]:
    der = certs_only(alice().certificate, ca().certificate)
    yield from (der, pem(der), pem(der, "CMS"))
    yield alice().certificate.pem() + ca().certificate.pem()


@pytest.mark.parametrize("data", list(bundles()), ids=["p7c", "PKCS7", "CMS", "pem"])
def test_a_file_that_somebody_hands_in_is_an_upload(data: bytes) -> None:
    store = MemoryTrustStore()
    report = upload_into(store, data, by="admin", at=NOW, reference="staff.p7b")
    assert set(report.new) == known(store) == {alice().certificate, ca().certificate}
    [record] = store.records(ByAddress(ALICE))
    [source] = record.sources
    assert (source.kind, source.origin, source.reference) == ("upload", "admin", "staff.p7b")
    assert record.decision is None
    again = upload_into(store, data, by="admin", at=NOW)
    assert (again.new, set(again.known)) == ((), set(report.new))


def test_a_file_without_certificates_is_a_report() -> None:
    report = upload_into(MemoryTrustStore(), b"nothing", by="admin", at=NOW)
    assert isinstance(report.error, smimekit.InputError)


# --- order ---------------------------------------------------------------------------------


def mails_that_depend_on_each_other() -> Sequence[bytes]:
    """A signer whose chain is complete only by what another mail shows."""
    dual = ca().dual(ALICE)
    [encryption] = dual.siblings
    whole = smimekit.sign(draft(), smimekit.Signer(dual, chain=Chain.LEAF), at=NOW)
    assert encryption.certificate.der
    return whole, smimekit.sign(draft(BOB), bob(), at=NOW)


def records_after(mails: Iterable[bytes], *, decided_only: bool) -> list[Record]:
    store = MemoryTrustStore()
    judging = DecidedOnly(store) if decided_only else store
    believed = Trust(judging, anchors=[root().certificate], clock=lambda: NOW)
    for mail in mails:
        learn(store, mail, trust=believed)
    return list(store.page())


def test_by_decisions_alone_the_order_of_mail_does_not_matter() -> None:
    """Else what is learned would depend on what was learned before, and on who reads first."""
    orders = list(itertools.permutations(mails_that_depend_on_each_other()))
    by_decisions = [records_after(order, decided_only=True) for order in orders]
    assert by_decisions[0] == by_decisions[1]
    by_all = [records_after(order, decided_only=False) for order in orders]
    assert by_all[0] != by_all[1]


def test_decisions_count() -> None:
    store = MemoryTrustStore()
    store.put_all([Sighting(certificate=each, source=smimekit.trust.Source("upload")) for each in (ca().certificate, root().certificate)], at=NOW)  # fmt: skip
    believed = Trust(DecidedOnly(store), clock=lambda: NOW)

    def status() -> Status:
        return believed.judge(bob().certificate, Purpose.VERIFY).status

    assert status() is Status.UNTRUSTED
    for authority in (root(), ca()):
        decision = Decision(verdict=Verdict.ANCHOR, by="me", why="", at=NOW)
        store.decide(authority.certificate.fingerprint, decision, expected=0)
    assert status() is Status.TRUSTED
    assert DecidedOnly(store).find(ByFingerprint(bob().certificate.fingerprint)) == ()
    assert len(DecidedOnly(store).page()) == len(DecidedOnly(store).audit()) == 2


def test_pages_of_decided_ones_go_to_the_end() -> None:
    """Between two decisions lie many that nobody has decided about: that is not the end."""
    store = MemoryTrustStore()
    for number in range(12):
        store.put(person(f"a{number}@example.org").certificate, Source("upload"), at=NOW)
    everybody = [one.fingerprint for one in store.page()]
    for name in (everybody[0], everybody[7], everybody[11]):
        decision = Decision(verdict=Verdict.REJECT, by="me", why="", at=NOW)
        store.decide(name, decision, expected=0)
    found: list[str] = []
    while page := DecidedOnly(store).page(after=found[-1] if found else "", limit=2):
        assert len(page) <= 2
        found += [one.fingerprint for one in page]
    assert found == [everybody[0], everybody[7], everybody[11]]


# --- records -------------------------------------------------------------------------------


def test_a_report_has_no_truth_value() -> None:
    with pytest.raises(TypeError):
        bool(learn(MemoryTrustStore(), draft()))


def test_a_naive_time_is_refused() -> None:
    naive = datetime(2026, 3, 1)  # noqa: DTZ001 - the point
    with pytest.raises(smimekit.UsageError):
        harvest_into(MemoryTrustStore(), draft(), trust=trust(), at=naive)


def test_a_reader_without_a_time_takes_now() -> None:
    moment = Reader(trust=trust()).now()
    assert moment.utcoffset() == timedelta(0)
    assert Reader(trust=trust(), at=NOW).now() == NOW


def test_a_certificate_goes_to_another_process_as_it_is() -> None:
    certificate = alice().certificate
    assert certificate.public_key is not None
    assert pickle.loads(pickle.dumps(certificate)) == certificate  # noqa: S301 - our own
