"""Mail that comes in: stripped of forgeries, opened, learned from, and delivered with its results."""

import subprocess
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import smimekit
from smimekit import Credential, MemoryTrustStore
from smimekit.errors import KeyAccessError, StoreError
from smimekit.gateway import Defer, Deliver, Hold, Reject
from smimekit.gateway.events import Action, Objection
from smimekit.gateway.reports.audit import CertificateRole
from smimekit.gateway.rules.inbound import Accept, Open, ReportsTo, Undecryptable
from smimekit.message.layers import Protection
from smimekit.trust import ByAddress, Record, Sighting
from tests.gateway.arrivals import (
    CAROL,
    DAVE,
    Listener,
    body,
    carol,
    core,
    dave,
    delivered,
    header,
    received,
    value,
)
from tests.message.people import (
    ALICE,
    NOW,
    alice,
    as_part,
    bare_enveloped,
    bare_signed,
    ca,
    clear_signed,
    draft,
    entity,
    mallory,
    mime,
    multipart,
    person,
    trust,
)

FORGED = (
    b"X-Smimekit-Protection: verified\r\nAuthentication-Results: mx.example.com; smime=pass\r\n"
)


def signed(**options: Any) -> bytes:
    return smimekit.sign(draft(), alice(), at=NOW, **options)


def encrypted(*to: Credential, signer: Credential | None = None) -> bytes:
    people = [each.certificate for each in to or (carol(),)]
    return smimekit.encrypt(draft(), people, signer=signer, at=NOW)


def results(mail: bytes) -> str:
    return value(mail, "Authentication-Results")


def original(found: bytes) -> bytes:
    """What was delivered, without what the gateway wrote above it."""
    own = ("authentication-results", "x-smimekit-")
    kept = [field.raw for field in header(found).fields if not field.name.lower().startswith(own)]
    return b"".join(kept) + b"\r\n" + body(found)


# --- forgeries ------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [draft, signed, encrypted])
def test_what_only_we_say_goes_before_anything_is_said(make: Any) -> None:
    mail = make()
    found = delivered(core(), FORGED + mail)
    assert found.count(b"smime=pass") == (1 if make is signed else 0)
    assert original(found) == mail
    assert found.startswith(b"Authentication-Results: mx.example.com;\r\n smime=")


def test_an_arc_set_stays_whole_whoever_it_names() -> None:
    """RFC 8617, 5.1.1: without one of its fields the chain of all who forwarded the mail breaks.
    None of them counts before its seal is checked, and the gateway seals nothing.
    """
    arc = (
        b"ARC-Seal: i=1; a=rsa-sha256; cv=none; d=mx.example.com; s=a; b=AAAA\r\n"
        b"ARC-Message-Signature: i=1; a=rsa-sha256; d=mx.example.com; s=a; b=AAAA\r\n"
        b"ARC-Authentication-Results: i=1; mx.example.com; smime=pass\r\n"
    )
    found = delivered(core(), FORGED + arc + draft())
    assert arc in found
    assert "smime=none" in results(found)
    without = delivered(core(strip_headers=("ARC-Authentication-Results",)), arc + draft())
    assert b"smime=pass" not in without


def test_forgeries_go_where_mail_is_left_alone_too() -> None:
    mail = encrypted()
    assert delivered(core(), FORGED + mail, mail_from="") == mail


def test_forgeries_go_where_nobody_can_read_the_mail() -> None:
    found = delivered(core(), FORGED + b"broken header\r\n" + draft())
    assert b"smime=pass" not in found
    assert b"X-Smimekit-Protection" not in found
    assert found.endswith(b"broken header\r\n" + draft())
    assert found.startswith(b"Authentication-Results: mx.example.com;\r\n smime=neutral")


def test_a_header_that_is_too_long_to_search_is_refused() -> None:
    with received(core(), b"A: b\r\n" * 200_000 + draft()) as found:
        [outcome] = found.outcomes
    assert isinstance(outcome, Reject)
    assert (outcome.code, outcome.enhanced) == (554, "5.6.0")


def test_tags_that_only_we_write_go() -> None:
    mail = draft().replace(b"Subject: ", b"Subject: [signed] ")
    assert value(delivered(core(subject_tags=True), mail), "Subject") == "The plan"
    assert value(delivered(core(), mail), "Subject") == "[signed] The plan"


# --- plain and signed mail ------------------------------------------------------------------------


def test_plain_mail_stays_as_it_is_under_its_result() -> None:
    found = delivered(core(carol()), draft())
    assert results(found) == "mx.example.com; smime=none (not signed)"
    assert original(found) == draft()


@pytest.mark.parametrize("opaque", [False, True])
def test_signed_mail_keeps_every_octet(opaque: bool) -> None:
    mail = signed(opaque=opaque)
    found = delivered(core(), mail)
    assert original(found) == mail
    assert results(found).startswith("mx.example.com; smime=pass")
    assert smimekit.verify(found, trust(), at=NOW).protection & Protection.VERIFIED


def test_bad_signatures_are_delivered_and_said_to_be_bad() -> None:
    mail = signed().replace(b"plan is on", b"plan is off")
    found = delivered(core(), mail)
    assert original(found) == mail
    assert "smime=fail" in results(found)
    assert "pass" not in results(found)


def test_lists_are_left_alone() -> None:
    """Errant layers (RFC 9787, 4.5): the list's footer made the mail another one."""
    mail = multipart("mixed", as_part(signed()), entity("footer"))
    store = MemoryTrustStore()
    found = delivered(core(store=store, strip_signatures=True, opaque_to_clear=True), mail)
    assert original(found) == mail
    assert "smime=none" in results(found)
    assert store.records(ByAddress(ALICE)) == ()


def test_encrypted_parts_of_a_mail_stay_encrypted() -> None:
    mail = multipart("mixed", as_part(encrypted()), entity("footer"))
    assert original(delivered(core(carol()), mail)) == mail


def test_without_headers_nothing_is_said() -> None:
    mail = signed()
    assert delivered(core(results=False, detail_headers=False), mail) == mail


# --- signatures of another form -------------------------------------------------------------------


def test_an_opaque_signature_becomes_a_clear_one() -> None:
    """The same signature over the same octets: it verifies, and any program shows the text."""
    mail = signed(opaque=True)
    found = delivered(core(opaque_to_clear=True), mail)
    assert value(found, "Content-Type").startswith("multipart/signed")
    assert "smime-part=2" in results(found)
    payload = smimekit.verify(found, trust(), at=NOW)
    assert payload.bytes() == smimekit.verify(mail, trust(), at=NOW).bytes()
    assert b"The plan is on." in found


def test_a_clear_one_stays_as_it_is() -> None:
    mail = signed()
    assert original(delivered(core(opaque_to_clear=True), mail)) == mail


@pytest.mark.parametrize("text", [b"caf\xc3\xa9\r\n", b"bare\nlf\r\n", b"blank at the end \r\n"])
def test_what_relays_would_change_stays_opaque(text: bytes) -> None:
    signed_part = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text
    mail = mime(bare_signed(signed_part, alice()), "signed-data")
    found = delivered(core(opaque_to_clear=True), mail)
    assert original(found) == mail


@pytest.mark.parametrize("opaque", [False, True])
def test_signatures_are_stripped_after_they_were_checked(opaque: bool) -> None:
    found = delivered(core(strip_signatures=True), signed(opaque=opaque))
    assert results(found).startswith("mx.example.com; smime=pass")
    assert "smime-part" not in results(found)
    assert value(found, "Content-Type").startswith("text/plain")
    assert body(found) == b"The plan is on.\r\n"
    assert b"pkcs7" not in found


def test_certificates_only_are_not_stripped() -> None:
    """There is nothing else in it."""
    from smimekit.cms.signed_writing import certs_only  # noqa: PLC0415 - only here

    mail = mime(certs_only((alice().certificate.der,)), "certs-only")
    assert original(delivered(core(strip_signatures=True), mail)) == mail


# --- encrypted mail -------------------------------------------------------------------------------


def test_encrypted_mail_is_delivered_decrypted() -> None:
    found = delivered(core(carol()), encrypted())
    assert value(found, "Content-Type").startswith("text/plain")
    assert body(found) == b"The plan is on.\r\n"
    assert value(found, "Subject") == "The plan"
    assert "smime=none" in results(found)


def test_a_signature_inside_stays() -> None:
    """So that the recipient's program can verify it, too."""
    found = delivered(core(carol()), encrypted(signer=alice()))
    assert value(found, "Content-Type").startswith("multipart/signed")
    assert "smime=pass" in results(found)
    assert "smime-part=2" in results(found)
    assert smimekit.verify(found, trust(), at=NOW).signatures


def test_both_go_where_the_rules_say_so() -> None:
    found = delivered(core(carol(), strip_signatures=True), encrypted(signer=alice()))
    assert body(found) == b"The plan is on.\r\n"
    assert "smime=pass" in results(found)


def test_a_signature_around_goes_with_the_encryption_and_is_no_pass() -> None:
    mail = smimekit.sign(encrypted(), alice(), at=NOW)
    found = delivered(core(carol()), mail)
    assert body(found) == b"The plan is on.\r\n"
    assert "smime=policy" in results(found)
    assert "pass" not in results(found)


def test_mail_stays_encrypted_where_the_rules_say_so() -> None:
    mail = encrypted(signer=alice())
    found = delivered(core(carol(), decrypt=False, strip_signatures=True), mail)
    assert original(found) == mail
    assert "smime=pass" in results(found)


def test_what_was_compressed_inside_is_delivered_for_all_programs() -> None:
    from smimekit.cms.compressed import compressed_data  # noqa: PLC0415 - only here

    compressed = mime(compressed_data(entity()), "compressed-data", sender=None)
    mail = mime(bare_enveloped(compressed, carol()), "enveloped-data")
    found = delivered(core(carol()), mail)
    assert body(found) == b"The plan is on.\r\n"


@pytest.mark.parametrize("content", [b"no header at all\r\n", b"\r\nan empty header\r\n"])
def test_what_has_no_header_is_text(content: bytes) -> None:
    """openssl cms -encrypt does not ask for one."""
    mail = mime(bare_enveloped(content, carol()), "enveloped-data")
    found = delivered(core(carol()), mail)
    assert body(found) == content.removeprefix(b"\r\n")
    assert header(found).all("Content-Type") == ()


def test_what_is_no_mail_inside_stays_encrypted() -> None:
    """CMS in CMS, with no MIME between: no mail program shows that."""
    mail = mime(bare_enveloped(bare_signed(entity(), alice()), carol()), "enveloped-data")
    assert original(delivered(core(carol()), mail)) == mail


def test_a_key_that_was_replaced_still_opens_old_mail() -> None:
    old, new = ca().expired(CAROL), carol()
    assert body(delivered(core(new, old), encrypted(old))) == b"The plan is on.\r\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"Content-Type: text/plain\n\nbare\nlf\n.\nQUIT\n", b"bare\r\nlf\r\n.\r\nQUIT\r\n"),
        (b"Content-Type: text/plain\n\nblanks stay \n", b"blanks stay \r\n"),
        (b"Content-Type: text/plain\r\n\r\n" + b"x" * 2_000 + b"\r\n", None),
        (b"Content-Type: text/plain\r\n\r\na\rb\r\n", None),
        (b"Content-Type: text/plain\r\n\r\na\0b\r\n", None),
    ],
)
def test_nothing_that_ends_the_mail_elsewhere_comes_out(
    content: bytes, expected: bytes | None
) -> None:
    """RFC 5321, 2.3.8: what was encrypted no relay has looked at."""
    mail = mime(bare_enveloped(content, carol()), "enveloped-data")
    found = delivered(core(carol()), mail)
    assert found.count(b"\n") == found.count(b"\r") == found.count(b"\r\n")
    assert b"\0" not in found
    assert max(map(len, found.split(b"\r\n"))) <= 998
    if expected is not None:
        assert body(found) == expected
    else:
        assert value(found, "Content-Transfer-Encoding") in {"base64", "quoted-printable"}


def test_what_cannot_be_sent_and_is_signed_stays_encrypted() -> None:
    """To re-encode it would break the signature."""
    within = smimekit.sign(draft(), alice(), at=NOW).replace(
        b"Subject: The plan", b"Subject: " + b"x" * 1_000
    )
    mail = mime(bare_enveloped(within, carol()), "enveloped-data")
    with received(core(carol()), mail) as found:
        [outcome] = found.outcomes
        assert isinstance(outcome, Deliver)
        assert original(outcome.mail.message.bytes()) == mail
        assert any("left encrypted" in note for note in outcome.notes)


def test_octets_above_127_say_so_in_the_envelope() -> None:
    """RFC 6152."""
    content = b"Content-Type: text/plain; charset=utf-8\r\n\r\ncaf\xc3\xa9\r\n"
    mail = mime(bare_enveloped(content, carol()), "enveloped-data")
    with received(core(carol()), mail, parameters=(("BODY", "7BIT"), ("ENVID", "a"))) as found:
        [outcome] = found.outcomes
        assert isinstance(outcome, Deliver)
        assert dict(outcome.mail.parameters)["BODY"] == "8BITMIME"
        assert outcome.mail.parameters[0] == ("ENVID", "a")


def test_the_envelope_travels_on() -> None:
    with received(core(carol()), encrypted(), parameters=(("RET", "HDRS"),)) as found:
        [outcome] = found.outcomes
        assert isinstance(outcome, Deliver)
        assert outcome.mail.mail_from == ALICE
        assert outcome.mail.parameters == (("RET", "HDRS"),)


@pytest.mark.parametrize("given", [(), (("RET", "FULL"),), (("ret", "FULL"),)])
def test_no_report_takes_what_was_decrypted_to_whoever_sent_it(
    given: tuple[tuple[str, str], ...],
) -> None:
    """RFC 3461, 4.3: who found an encrypted mail sends it again, to somebody whose box is full."""
    with received(core(carol()), encrypted(), parameters=given) as found:
        [outcome] = found.outcomes
        assert isinstance(outcome, Deliver)
        assert outcome.mail.parameters == (("RET", "HDRS"),)
        assert outcome.mail.private
        assert outcome.mail.mail_from == ALICE
    with received(core(), encrypted(), parameters=given) as found:
        [outcome] = found.outcomes
        assert isinstance(outcome, Deliver)
        assert outcome.mail.parameters == given
        assert not outcome.mail.private


def test_reports_about_what_was_decrypted_go_to_the_administrator_where_the_rules_say_so() -> None:
    """And about nothing else: what stays closed is its sender's."""
    for keys, mail_from, expected in (
        ((carol(),), ALICE, "admin@example.com"),
        ((), ALICE, ALICE),
        ((carol(),), "", ""),
    ):
        at = core(*keys, reports_to=ReportsTo.ADMINISTRATOR, dsn=Open.OPEN)
        with received(at, encrypted(), mail_from=mail_from) as found:
            [outcome] = found.outcomes
            assert isinstance(outcome, Deliver)
            assert outcome.mail.mail_from == expected


# --- what nobody opens ----------------------------------------------------------------------------


def test_it_is_delivered_as_it_is() -> None:
    mail = encrypted()
    found = delivered(core(dave()), mail)
    assert original(found) == mail
    assert "smime=neutral" in results(found)


def test_or_refused() -> None:
    with received(core(dave(), undecryptable=Undecryptable.REJECT), encrypted()) as found:
        [outcome] = found.outcomes
    assert isinstance(outcome, Reject)
    assert (outcome.code, outcome.enhanced) == (550, "5.7.5")


def test_or_held() -> None:
    mail = encrypted()
    with received(core(dave(), undecryptable=Undecryptable.HOLD), FORGED + mail) as found:
        [outcome] = found.outcomes
        assert isinstance(outcome, Hold)
        assert outcome.mail.message.bytes() == mail


@pytest.mark.parametrize(
    "mail",
    [
        mime(b"\x30\x03\x02\x01\x00", "enveloped-data"),
        mime(b"", "enveloped-data"),
        b"From: a@b.example\r\nContent-Type: application/pkcs7-mime\r\n\r\nnothing\r\n",
    ],
)
def test_broken_encryption_is_no_way_around_that_rule(mail: bytes) -> None:
    """A program that is less strict might open it, and no scanner has seen it."""
    with received(core(carol(), undecryptable=Undecryptable.REJECT), mail) as found:
        assert isinstance(found.outcomes[0], Reject)
    assert original(delivered(core(carol()), mail)) == mail


def test_what_is_encrypted_within_is_undecryptable_too() -> None:
    mail = mime(bare_enveloped(encrypted(dave()), carol()), "enveloped-data")
    assert original(delivered(core(carol(), dave()), mail)) == mail
    with received(core(carol(), undecryptable=Undecryptable.REJECT), mail) as found:
        assert isinstance(found.outcomes[0], Hold)


def damaged_at(cms: bytes, *, end: int) -> bytes:
    return mime(cms[:-end] + bytes([cms[-end] ^ 1]) + cms[len(cms) - end + 1 :], "enveloped-data")


@pytest.mark.parametrize("rule", [Undecryptable.REJECT, Undecryptable.HOLD])
@pytest.mark.parametrize("end", [1, 17, 33, 60])
def test_no_answer_tells_what_a_private_key_made_of_it(rule: Undecryptable, end: int) -> None:
    """RFC 3218, 2: who changes octets of another's mail and sends it on gets the answer that any
    mail gets which is taken, whether the padding, or what is inside, came out well or not.
    """
    within = clear_signed(entity(), bare_signed(entity(), alice(), detached=True))
    for content in (entity(), within):
        mail = damaged_at(bare_enveloped(content, carol()), end=end)
        with received(core(carol(), undecryptable=rule), mail) as found:
            assert isinstance(found.outcomes[0], Hold | Deliver)


def test_who_has_no_key_is_refused_as_ever() -> None:
    """Anybody can see that in the RecipientInfos."""
    mail = damaged_at(bare_enveloped(entity(), carol()), end=1)
    with received(core(dave(), undecryptable=Undecryptable.REJECT), mail, DAVE) as found:
        assert isinstance(found.outcomes[0], Reject)


def test_broken_signatures_are_delivered_as_they_are() -> None:
    mail = mime(b"\x30\x03\x02\x01\x00", "signed-data")
    found = delivered(core(undecryptable=Undecryptable.REJECT, strip_signatures=True), mail)
    assert original(found) == mail
    assert "smime=neutral" in results(found)


LAYER = "X-Smimekit-Layer-1"


def test_old_algorithms_by_rule(tmp_path: Path, require_program: Callable[[str], str]) -> None:
    """OpenSSL writes 3DES still, on request."""
    certificate = tmp_path / "carol.pem"
    reader = person(CAROL, key="rsa-2048")
    certificate.write_bytes(reader.certificate.pem())
    command = (require_program("openssl"), "cms", "-encrypt", "-des3", "-from", ALICE)
    made = subprocess.run(
        (*command, str(certificate)), input=entity(), capture_output=True, check=True
    )
    mail = made.stdout.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert original(delivered(core(reader), mail)) == mail
    assert body(delivered(core(reader, accept=Accept.LEGACY_READ), mail)) == body(entity())
    # RFC 9787, 6.5: nothing says that it was encrypted, for others may have read it.
    found = delivered(core(reader, accept=Accept.LEGACY_READ, subject_tags=True), mail)
    assert body(found) == body(entity())
    assert header(found).one("Subject") is None
    assert "cipher=des-ede3-cbc; grade=weak" in " ".join(value(found, LAYER).split())
    good = smimekit.encrypt(draft(), [reader.certificate])
    found = delivered(core(reader, accept=Accept.LEGACY_READ, subject_tags=True), good)
    assert value(found, "Subject") == "[encrypted] The plan"
    assert "grade" not in value(found, LAYER)


# --- special mail ---------------------------------------------------------------------------------


def test_reports_are_left_alone_unless_the_rules_say_otherwise() -> None:
    mail = encrypted()
    assert delivered(core(carol()), mail, mail_from="") == mail
    opened = delivered(core(carol(), dsn=Open.OPEN), mail, mail_from="")
    assert body(opened) == b"The plan is on.\r\n"


def test_mail_that_no_person_sent_by_rule() -> None:
    mail = b"Auto-Submitted: auto-generated\r\n" + encrypted()
    assert body(delivered(core(carol()), mail)) == b"The plan is on.\r\n"
    assert delivered(core(carol(), auto_submitted=Open.LEAVE), mail) == mail


def test_invitations_by_rule() -> None:
    invitation = b"Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\n"
    mail = mime(bare_enveloped(invitation, carol()), "enveloped-data")
    assert body(delivered(core(carol()), mail)) == b"BEGIN:VCALENDAR\r\n"
    assert delivered(core(carol(), calendar=Open.LEAVE), mail) == mail
    assert (
        body(delivered(core(carol(), calendar=Open.LEAVE), encrypted())) == b"The plan is on.\r\n"
    )


# --- tags -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mail", "subject"),
    [
        (draft(), "The plan"),
        (signed(), "[signed] The plan"),
        (encrypted(), "[encrypted] The plan"),
        (encrypted(signer=alice()), "[signed] [encrypted] The plan"),
        (smimekit.sign(draft(), mallory(), at=NOW), "[untrusted signature] The plan"),
        (encrypted(dave()), "[...]"),
    ],
)
def test_the_subject_says_what_was_found(mail: bytes, subject: str) -> None:
    assert value(delivered(core(carol(), subject_tags=True), mail), "Subject") == subject


SUBJECT = b"Subject: The plan\r\n"
URGENT = b"Subject: URGENT: pay Mallory"


def test_a_good_word_stands_before_the_subject_that_was_signed() -> None:
    """RFC 9788, 4: the protected field counts, and what stands outside only is not shown."""
    gateway = core(carol(), subject_tags=True)
    mail, without = signed(), smimekit.sign(draft().replace(SUBJECT, b""), alice(), at=NOW)
    outside = SUBJECT.strip()
    for changed in (
        mail.replace(outside, URGENT, 1),
        mail.replace(outside, URGENT + b"\r\n" + outside, 1),
        mail.replace(SUBJECT, b"", 1),
        mail.replace(outside, b"Subject: [signed] URGENT", 1),
    ):
        assert changed != mail
        found = delivered(gateway, changed)
        assert value(found, "Subject") == "[signed] The plan"
        assert body(found) == body(mail)
        assert smimekit.verify(found, trust()).bytes() == smimekit.verify(mail, trust()).bytes()
    assert value(delivered(gateway, URGENT + b"\r\n" + without), "Subject") == "[signed]"
    sealed = smimekit.encrypt(
        draft().replace(SUBJECT, b""), [carol().certificate], signer=alice(), at=NOW
    )
    found = delivered(gateway, URGENT + b"\r\n" + sealed)
    assert value(found, "Subject") == "[signed] [encrypted]"


def test_a_subject_that_is_hidden_stays_so_where_the_mail_stays_encrypted() -> None:
    """What is inside cannot be mailed, so nothing is decrypted: the tag tells nobody the subject."""
    payload = (
        f"From: {ALICE}\r\nSubject: The plan\r\nHP-Outer: From: {ALICE}\r\n"
        'HP-Outer: Subject: [...]\r\nContent-Type: text/plain; hp="cipher"\r\n\r\nHello\r\n'
    ).encode()
    # The signature is one line, longer than mail transport takes.
    inside = clear_signed(payload, bare_signed(payload, alice(), detached=True), None)
    for outside in ("Subject: [...]", "Subject: URGENT: pay Mallory"):
        cms = bare_enveloped(inside, carol())
        mail = mime(cms, "enveloped-data", ALICE, outside)
        found = delivered(core(carol(), subject_tags=True), mail)
        assert value(found, "Content-Type").startswith("application/pkcs7-mime")
        assert value(found, "Subject") == "[signed] [...]"
        assert b"The plan" not in found


def test_the_same_subject_keeps_its_octets_whoever_folded_or_encoded_it() -> None:
    gateway = core(carol(), subject_tags=True)
    again = b"Subject: =?utf-8?q?The?=\r\n plan"
    found = delivered(gateway, signed().replace(b"Subject: The plan", again, 1))
    assert b"Subject: [signed]\r\n =?utf-8?q?The?=\r\n plan\r\n" in found


def test_a_subject_that_nobody_protected_is_the_one_outside() -> None:
    gateway = core(carol(), subject_tags=True)
    mail = smimekit.sign(draft(), alice(), headers=None, at=NOW)
    found = delivered(gateway, mail.replace(SUBJECT.strip(), URGENT))
    assert value(found, "Subject") == "[signed] URGENT: pay Mallory"
    changed = smimekit.sign(draft(), mallory(), at=NOW).replace(SUBJECT.strip(), URGENT, 1)
    found = delivered(gateway, changed)
    assert value(found, "Subject") == "[untrusted signature] URGENT: pay Mallory"
    untouched = signed().replace(SUBJECT.strip(), URGENT, 1)
    assert original(delivered(core(carol()), untouched)) == untouched


def test_a_tag_in_the_protected_subject_is_forged_too() -> None:
    mail = smimekit.encrypt(
        draft().replace(b"Subject: ", b"Subject: [signed] "), [carol().certificate]
    )
    found = delivered(core(carol(), subject_tags=True), mail)
    assert value(found, "Subject") == "[encrypted] The plan"


def test_a_mail_without_subject_gets_one() -> None:
    mail = smimekit.sign(draft().replace(b"Subject: The plan\r\n", b""), alice(), at=NOW)
    assert value(delivered(core(subject_tags=True), mail), "Subject") == "[signed]"


# --- harvest --------------------------------------------------------------------------------------


def test_the_certificate_is_in_the_store_when_the_answer_goes_out() -> None:
    store, listener = MemoryTrustStore(), Listener()
    unknown = ca().self_signed(ALICE)
    mail = b"Message-ID: <1@example.org>\r\n" + smimekit.sign(draft(), unknown, at=NOW)
    with received(core(store=store, events=listener), mail) as found:
        [record] = store.records(ByAddress(ALICE))
        assert record.certificate == unknown.certificate
        assert record.decision is None
        assert record.sources[0].reference == "<1@example.org>"
    roles = {(each.role, each.status) for each in found.certificates}
    assert (CertificateRole.HARVESTED, "untrusted") in roles
    assert (CertificateRole.SIGNER, "untrusted") in roles
    [seen] = listener.seen
    assert seen.certificate == unknown.certificate
    assert seen.judgement.status.value == "untrusted"
    assert (seen.sender, seen.reference) == (ALICE, "<1@example.org>")


def test_nobody_hears_twice_of_a_certificate() -> None:
    store, listener = MemoryTrustStore(), Listener()
    for _ in range(2):
        delivered(core(store=store, events=listener), signed())
    assert [each.certificate for each in listener.seen] == [alice().certificate]


def test_what_is_inside_the_encryption_is_learned_too() -> None:
    store = MemoryTrustStore()
    delivered(core(carol(), store=store), encrypted(signer=alice()))
    assert [each.certificate for each in store.records(ByAddress(ALICE))] == [alice().certificate]


@pytest.mark.parametrize(
    "mail",
    [
        smimekit.sign(draft(), mallory(), at=NOW),
        signed().replace(b"plan is on", b"plan is off"),
        draft(),
    ],
)
def test_bad_signatures_teach_nothing(mail: bytes) -> None:
    store = MemoryTrustStore()
    delivered(core(store=store), mail)
    assert store.page() == ()


def test_nothing_is_learned_where_the_rules_say_so() -> None:
    store = MemoryTrustStore()
    delivered(core(store=store, harvest=False), signed())
    assert store.page() == ()


class BrokenStore(MemoryTrustStore):
    def put_all(self, sightings: Iterable[Sighting], *, at: Any) -> tuple[Record, ...]:
        raise StoreError("The database is down.")


def test_a_store_that_fails_delays_the_mail() -> None:
    """What signed mail teaches must not be lost: the sender's queue has it still."""
    with received(core(store=BrokenStore()), signed(), CAROL, DAVE) as found:
        [outcome] = found.outcomes
    assert isinstance(outcome, Defer)
    assert [each.address for each in outcome.recipients] == [CAROL, DAVE]
    assert 400 <= outcome.code < 500
    assert outcome.enhanced.startswith("4.")


# --- hooks ----------------------------------------------------------------------------------------


def test_scanners_see_what_was_decrypted() -> None:
    listener = Listener()
    delivered(core(carol(), events=listener), encrypted(signer=alice()))
    [seen] = listener.scans
    assert b"The plan is on." in seen
    assert value(seen, "From") == ALICE


def test_they_see_it_even_if_it_is_delivered_encrypted() -> None:
    listener = Listener()
    delivered(core(carol(), events=listener, decrypt=False), encrypted())
    assert b"The plan is on." in listener.scans[0]


def test_they_do_not_see_what_was_never_encrypted() -> None:
    listener = Listener()
    delivered(core(carol(), events=listener), signed())
    assert listener.scans == []


@pytest.mark.parametrize(
    ("action", "outcome"), [(Action.REJECT, Reject), (Action.HOLD, Hold), (Action.DEFER, Defer)]
)
def test_what_a_scanner_says_is_done(action: Action, outcome: type) -> None:
    listener = Listener(says=Objection(action=action, reason="A virus.", enhanced="5.7.28"))
    mail = encrypted()
    with received(core(carol(), events=listener), mail) as found:
        [one] = found.outcomes
        assert isinstance(one, outcome)
        if isinstance(one, Reject):
            assert (one.code, one.enhanced, one.text) == (550, "5.7.28", "A virus.")
        if isinstance(one, Hold):
            assert one.mail.message.bytes() == mail
            assert one.reason == "A virus."


@pytest.mark.parametrize(
    "listener",
    [
        Listener(says=RuntimeError("The plan is on.")),
        Listener(says_of_certificates=RuntimeError("The plan is on.")),
    ],
)
def test_a_hook_that_fails_delays_the_mail(listener: Listener) -> None:
    with received(core(carol(), events=listener), encrypted(signer=alice())) as found:
        [outcome] = found.outcomes
    assert isinstance(outcome, Defer)
    assert "The plan" not in outcome.text


class DeadToken:
    """A key that lies on a token which was pulled out."""

    def unwrap(self, *_: Any, **__: Any) -> Any:
        raise KeyAccessError("The token is gone.")


class Keys:
    def __init__(self, **keys: Any) -> None:
        self._keys = keys

    def of(self, address: str) -> tuple[Any, ...]:
        return tuple(self._keys.get(address.partition("@")[0], ()))

    def signing(self, address: str, *, at: Any) -> Credential:
        raise AssertionError(address, at)


def test_a_token_that_does_not_answer_delays_the_mail() -> None:
    """It is not undecryptable: it may be opened tomorrow."""
    base = core(undecryptable=Undecryptable.REJECT)
    broken = replace(base, keys=Keys(carol=[DeadToken()], dave=[dave()]))
    with received(broken, encrypted(carol(), dave()), CAROL, DAVE) as found:
        outcomes = {one.recipients[0].address: one for one in found.outcomes}
    assert isinstance(outcomes[CAROL], Defer)
    assert isinstance(outcomes[DAVE], Deliver)
