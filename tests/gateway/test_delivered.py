"""What comes out of a payload into the header: what an author writes, and nothing else (RFC 9788)."""

from datetime import timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smimekit
from smimekit import Credential
from smimekit.gateway.inbound.delivered import tagged
from smimekit.mime.fields import Field
from smimekit.mime.protected import HeaderProtection
from smimekit.mime.words import decode_words
from tests.gateway.arrivals import CAROL, body, carol, core, delivered, header, value
from tests.message.people import (
    ALICE,
    BOB,
    NOW,
    alice,
    bare_enveloped,
    bob,
    draft,
    mallory,
    mime,
    trust,
)


def inside(*fields: str, hp: str = "cipher", text: str = "The plan is on.") -> bytes:
    """A payload with a header of its own."""
    lines = [*fields, f'Content-Type: text/plain; charset=us-ascii; hp="{hp}"']
    return "\r\n".join(lines).encode() + f"\r\n\r\n{text}\r\n".encode()


def wrapped(payload: bytes, *outer: str, sender: str = ALICE) -> bytes:
    """It, encrypted for Carol under any outer header."""
    return mime(bare_enveloped(payload, carol()), "enveloped-data", sender, *outer)


def names(mail: bytes, name: str) -> list[str]:
    return [field.text for field in header(mail).all(name)]


# --- what replaces what ---------------------------------------------------------------------------


def test_protected_fields_take_the_place_of_those_outside() -> None:
    to = f"To: {CAROL}"
    payload = inside(f"From: Alice <{ALICE}>", "Subject: The plan", "Keywords: secret", to)
    mail = wrapped(payload, "Subject: [...]", "Subject: another", "X-Other: stays", to)
    found = delivered(core(carol()), mail)
    assert names(found, "Subject") == ["The plan"]
    assert names(found, "From") == [f"Alice <{ALICE}>"]
    assert names(found, "Keywords") == ["secret"]
    assert names(found, "X-Other") == ["stays"]
    assert names(found, "To") == [CAROL]
    assert names(found, "HP-Outer") == []


def test_each_field_stands_where_the_one_outside_stood() -> None:
    payload = inside(f"From: {ALICE}", "Subject: The plan", f"To: {CAROL}")
    found = delivered(core(carol()), wrapped(payload, f"To: {CAROL}", "X-A: b", "Subject: [...]"))
    order = [field.name for field in header(found).fields]
    assert order[-6:] == ["From", "To", "X-A", "Subject", "MIME-Version", "Content-Type"]


@pytest.mark.parametrize(
    "field",
    [
        "Authentication-Results: mx.example.com; smime=pass",
        "X-Smimekit-Protection: verified",
        "X-Spam-Flag: NO",
        "Received: from nobody",
        "Return-Path: <a@b.example>",
        "DKIM-Signature: v=1",
        "Delivered-To: a@b.example",
        "HP-Outer: Subject: a",
        "Bcc: a@b.example",
        "List-Id: <a.b>",
        "Resent-From: a@b.example",
        "Content-Language: de",
    ],
)
def test_what_servers_write_does_not_come_out_of_a_payload(field: str) -> None:
    """No server has looked at it in there: it would be a way around those that do."""
    name = field.partition(":")[0]
    payload = inside(f"From: {ALICE}", "Subject: The plan", field)
    found = delivered(core(carol(), results=False, detail_headers=False), wrapped(payload))
    assert names(found, name) == (["de"] if name == "Content-Language" else [])
    assert names(found, "Subject") == ["The plan"]


def test_what_a_filter_said_outside_stays() -> None:
    payload = inside(f"From: {ALICE}", "Subject: The plan", "X-Spam-Flag: NO")
    found = delivered(core(carol()), wrapped(payload, "X-Spam-Flag: YES"))
    assert names(found, "X-Spam-Flag") == ["YES"]


ANSWERED = ["Reply-To", "To", "Cc", "Followup-To", "Mail-Followup-To", "Mail-Reply-To"]


@pytest.mark.parametrize("name", ANSWERED)
@pytest.mark.parametrize("hp", ["cipher", "clear"])
def test_an_address_that_was_added_on_the_way_is_not_answered(name: str, hp: str) -> None:
    """RFC 9788, 4.4.4: recipients of an answer come from inside. Who added one outside would be
    sent what the answer quotes, by a program that no longer sees what was inside.
    """
    payload = inside(f"From: {ALICE}", "Subject: The plan", hp=hp)
    added = f"{name}: mallory@evil.example"
    mail = wrapped(payload, "Subject: [...]", added, added.upper())
    signed = f"From: {ALICE}\r\nSubject: The plan\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
    sealed = smimekit.encrypt(signed.encode(), [carol().certificate], signer=alice())
    for source in (mail, f"{added}\r\n".encode() + sealed):
        found = delivered(core(carol()), source)
        assert names(found, name) == []
        assert names(found, "From") == [ALICE]
        assert names(found, "Subject") == ["The plan"]


@pytest.mark.parametrize("name", ANSWERED)
def test_an_address_that_the_author_wrote_is_answered(name: str) -> None:
    written, added = f"{name}: list@example.org", f"{name}: mallory@evil.example"
    payload = inside(f"From: {ALICE}", written)
    found = delivered(core(carol()), wrapped(payload, added))
    assert names(found, name) == ["list@example.org"]


def test_an_answer_that_the_author_cannot_get_goes_to_nobody_else() -> None:
    """What the author wrote needs a transport for it; what stands outside is anybody's word."""
    payload = inside(f"From: {ALICE}", "Reply-To: jos\u00e9@example.org")
    found = delivered(core(carol()), wrapped(payload, "Reply-To: mallory@evil.example"))
    assert names(found, "Reply-To") == []


def test_without_a_protected_header_those_outside_are_the_only_ones() -> None:
    payload = b"Content-Type: text/plain\r\n\r\nHello\r\n"
    found = delivered(core(carol()), wrapped(payload, f"Reply-To: {BOB}", f"Cc: {BOB}"))
    assert names(found, "Reply-To") == names(found, "Cc") == [BOB]


def test_a_header_that_was_not_protected_stays_inside() -> None:
    """Without the hp parameter nobody says that these are the mail's (RFC 9788, 4.2.1)."""
    payload = b"Subject: another\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
    found = delivered(core(carol()), wrapped(payload, "Subject: The plan"))
    assert names(found, "Subject") == ["The plan"]


def test_two_fields_where_one_may_be_are_none() -> None:
    payload = inside(f"From: {ALICE}", "Subject: one", "Subject: two")
    found = delivered(core(carol()), wrapped(payload, "Subject: [...]"))
    assert names(found, "Subject") == ["[...]"]


@pytest.mark.parametrize("subject", ["a\rX-Smimekit-A: b", "a\0b"])
def test_what_would_be_read_as_another_field_stays_inside(subject: str) -> None:
    payload = inside(f"From: {ALICE}", f"Subject: {subject}")
    found = delivered(core(carol(), detail_headers=False), wrapped(payload, "Subject: [...]"))
    assert b"X-Smimekit" not in found
    assert names(found, "Subject") == ["[...]"]


@pytest.mark.parametrize(
    ("subject", "left"),
    [
        ("[signed] Hello", "Hello"),
        ("[signed]", ""),
        ("=?utf-8?q?[signed] Hello?=", "Hello"),
        # What a word says is no word.
        (
            "=?utf-8?q?[signed]_=3D=3Futf-8=3Fq=3F=5Bsigned=5D=3F=3D?=",
            "=?utf-8?q??=",
        ),
    ],
)
def test_a_tag_of_ours_does_not_come_out_of_a_payload(subject: str, left: str) -> None:
    payload = inside(f"From: {ALICE}", f"Subject: {subject}")
    gateway = core(carol(), subject_tags=True, encrypted_tag="", signed_tag="[signed]")
    found = delivered(gateway, wrapped(payload, "Subject: [...]"))
    [shown] = names(found, "Subject")
    assert decode_words(shown.encode()) == left


def test_an_address_that_not_every_server_takes_stays_inside() -> None:
    """RFC 6532: it would need SMTPUTF8 all the way. Names become encoded words."""
    payload = inside(f"From: {ALICE}", "To: jos\u00e9@example.org", "Cc: Jos\u00e9 <j@example.org>")
    found = delivered(core(carol()), wrapped(payload, f"To: {CAROL}"))
    assert names(found, "To") == [CAROL]
    assert found.partition(b"\r\n\r\n")[0].isascii()
    assert b"<j@example.org>" in found


def test_the_header_is_ascii_whatever_the_payload_says_of_itself() -> None:
    payload = (
        'Content-Type: text/plain; name="caf\u00e9"\r\nContent-Description: caf\u00e9\r\n\r\nHello\r\n'
    ).encode()
    found = delivered(core(carol()), wrapped(payload))
    assert body(found) == b"Hello\r\n"
    assert found.partition(b"\r\n\r\n")[0].isascii()


# --- From (RFC 9788, 4.4) -------------------------------------------------------------------------


def test_another_author_inside_does_not_replace_the_one_outside() -> None:
    """Servers have checked the one outside, if any; the one inside is anybody's word."""
    payload = inside(f"From: {BOB}", "Subject: The plan")
    found = delivered(core(carol()), wrapped(payload))
    assert names(found, "From") == [ALICE]
    assert names(found, "Subject") == ["The plan"]
    assert value(found, "X-Smimekit-Warning") == "the author inside is not the one outside"


@pytest.mark.parametrize("later", [timedelta(), timedelta(days=40)])
def test_an_old_mail_that_is_sent_again_is_a_warning(later: timedelta) -> None:
    date = format_datetime(NOW + later)
    mail = smimekit.sign(draft(BOB), bob(), at=NOW, headers=None)
    found = delivered(core(), f"Date: {date}\r\n".encode() + mail)
    warnings = ["signed at another time than its Date says"] if later else []
    assert names(found, "X-Smimekit-Warning") == warnings
    assert "smime=pass" in value(found, "Authentication-Results")


def from_outside(mail: bytes, sender: str, other: str) -> bytes:
    """With another author in the outer header; the inner one is encrypted."""
    assert mail.count(b"From: " + sender.encode()) == 1
    return mail.replace(b"From: " + sender.encode(), b"From: " + other.encode())


def test_a_signature_by_somebody_else_does_not_either() -> None:
    mail = smimekit.encrypt(draft(BOB), [carol().certificate], signer=mallory(), at=NOW)
    found = delivered(core(carol()), from_outside(mail, BOB, ALICE))
    assert names(found, "From")[:1] == [ALICE]
    assert names(found, "Subject") == ["The plan"]
    assert "smime=fail" in value(found, "Authentication-Results")


def test_whom_a_good_signature_binds_is_the_author() -> None:
    """RFC 9788, 4.4.1.2: then the author inside is shown; and the result is no pass, since the
    author outside is another one."""
    mail = smimekit.encrypt(draft(), [carol().certificate], signer=alice(), at=NOW)
    found = delivered(core(carol()), from_outside(mail, ALICE, "lists@example.net"))
    assert names(found, "From") == [ALICE]
    assert "pass" not in value(found, "Authentication-Results")


def test_nothing_comes_out_of_an_encryption_that_remains() -> None:
    """What is opaque becomes clear, and what is encrypted in there stays hidden, keys or not."""
    sealed = smimekit.encrypt(draft(), [carol().certificate])
    mail = smimekit.sign(sealed, alice(), opaque=True, headers=None)
    for tags in (False, True):
        gateway = core(carol(), decrypt=False, opaque_to_clear=True, subject_tags=tags)
        found = delivered(gateway, mail)
        assert value(found, "Content-Type").startswith("multipart/signed")
        assert names(found, "Subject")[0].endswith("[...]")
        assert names(found, "To") == [BOB]
        assert b"The plan" not in found


# --- legacy display (RFC 9788, 4.5.3) -------------------------------------------------------------


def displayed(signer: Credential | None = None) -> bytes:
    headers = HeaderProtection(legacy_display=True)
    return smimekit.encrypt(draft(), [carol().certificate], signer=signer, headers=headers, at=NOW)


def test_what_the_text_repeats_of_the_header_goes() -> None:
    found = delivered(core(carol()), displayed())
    assert body(found) == b"The plan is on.\r\n"
    assert "hp-legacy-display" not in value(found, "Content-Type")


def test_under_a_signature_it_stays() -> None:
    found = delivered(core(carol()), displayed(alice()))
    assert b"Subject: The plan\r\n\r\nThe plan is on." in found
    assert smimekit.verify(found, trust(), at=NOW).signatures


# --- byte for byte --------------------------------------------------------------------------------

TEXT = st.text(alphabet="ab \t-.=\u00e9\r\n", max_size=60)


@settings(max_examples=40)
@given(TEXT, st.sampled_from(["7bit", "8bit"]))
def test_the_payload_is_delivered_byte_for_byte(text: str, encoding: str) -> None:
    """As far as mail takes it: CRLF at line ends, and no bare CR."""
    content = text.replace("\r", "").replace("\n", "\r\n").encode()
    payload = (
        f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n"
        "X-Inside: stays inside\r\n\r\n"
    ).encode() + content
    found = delivered(core(carol()), wrapped(payload, "Subject: s"))
    assert body(found) == content
    assert value(found, "Content-Transfer-Encoding") == encoding
    assert names(found, "X-Inside") == []


@settings(max_examples=20)
@given(st.lists(st.sampled_from(["signed", "opaque", "encrypted"]), max_size=3))
def test_a_good_inner_signature_verifies_after_delivery(layers: list[str]) -> None:
    """Whatever is taken off from outside, what stays is as it was signed."""
    mail = smimekit.sign(draft(), alice(), at=NOW)
    for layer in layers:
        if layer == "encrypted":
            mail = smimekit.encrypt(mail, [carol().certificate], at=NOW)
        else:
            mail = smimekit.sign(mail, alice(), opaque=layer == "opaque", at=NOW)
    found = delivered(core(carol(), opaque_to_clear=True), mail)
    with smimekit.open(found, trust=trust(), at=NOW) as opened:
        assert opened.signatures
        assert all(each.intact for each in opened.signatures)
        assert not opened.is_encrypted


# --- tags -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (b"Subject: Hello\r\n", b"Subject: [t]\r\n Hello\r\n"),
        (b"subject:Hello\n", b"Subject: [t]\r\n Hello\n"),
        (b"Subject:\r\n =?utf-8?q?a?=\r\n b\r\n", b"Subject: [t]\r\n =?utf-8?q?a?=\r\n b\r\n"),
        (b"Subject:\r\n", b"Subject: [t]\r\n"),
    ],
)
def test_a_tag_stands_before_the_subject_which_keeps_its_bytes(
    subject: bytes, expected: bytes
) -> None:
    found = tagged([Field("Subject", subject)], ("[t]",))
    assert [field.raw for field in found] == [expected]


def test_only_the_first_subject_is_tagged() -> None:
    fields = [Field.of("Subject", b"a"), Field.of("Subject", b"b")]
    assert [each.text for each in tagged(fields, ("[t]",))] == ["[t] a", "b"]


def test_a_tag_in_other_letters_is_encoded() -> None:
    [field] = tagged([], ("[gepr\u00fcft]",))
    assert field.raw.isascii()
