"""RFC 9788 through the verbs: what goes in comes out, what is hidden stays hidden, and nobody
on the way can make a field look better protected than it is.
"""

import base64
import io
import re
from collections.abc import Callable
from email import message_from_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smimekit
from smimekit import HeaderProtection, MimeError, Protection, Trust, UsageError, stream
from smimekit.cms.content import TST_INFO
from smimekit.message.header_set import HeaderSet
from smimekit.mime.confidentiality import hcp_no_confidentiality
from smimekit.mime.dates import read_date
from smimekit.mime.protected import FieldState, HeaderScheme
from smimekit.mime.words import decode_words
from tests.message.people import (
    ALICE,
    BOB,
    MALLORY,
    NOW,
    alice,
    bare_enveloped,
    bare_signed,
    bob,
    ca,
    clear_signed,
    draft,
    encrypted_entity,
    entity,
    mallory,
    mime,
    signed_entity,
    trust,
)
from tests.message.test_what_was_signed import signed as signed_of_type

UNPROTECTED, SIGNED_ONLY = FieldState.UNPROTECTED, FieldState.SIGNED_ONLY
ENCRYPTED_ONLY, BOTH = FieldState.ENCRYPTED_ONLY, FieldState.SIGNED_AND_ENCRYPTED


def header_of(mail: bytes, believed: Trust | None = None) -> HeaderSet:
    with smimekit.open(mail, keys=[bob()], trust=believed or trust()) as opened:
        return opened.header


def states(header: HeaderSet) -> dict[str, FieldState]:
    return {field.name: field.state for field in header.fields}


def shown(header: HeaderSet) -> list[tuple[str, str]]:
    return [(field.name, field.value) for field in header.shown]


def payload_of(mail: bytes) -> bytes:
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        return opened.payload(require=Protection.NONE).bytes()


def signed_around(content: bytes, sender: str = ALICE, *more: str) -> bytes:
    """A mail with any signed content, signed by Alice."""
    return mime(bare_signed(content, alice()), "signed-data", sender, *more)


def encrypted_around(content: bytes, sender: str = ALICE, *more: str) -> bytes:
    return mime(bare_enveloped(content, bob()), "enveloped-data", sender, *more)


# --- what the verbs write ------------------------------------------------------------------


def test_signed() -> None:
    header = header_of(smimekit.sign(draft(), alice()))
    assert header.scheme is HeaderScheme.CLEAR
    assert states(header) == dict.fromkeys(("From", "To", "Subject"), SIGNED_ONLY)
    assert shown(header) == [("From", ALICE), ("To", BOB), ("Subject", "The plan")]
    assert (header.from_mismatch, header.is_bound, header.warns) == (False, True, False)


def test_encrypted() -> None:
    """RFC 9788, 4.3.1: without a signature, hidden is all that can be said."""
    header = header_of(smimekit.encrypt(draft(), [bob()]))
    assert header.scheme is HeaderScheme.CIPHER
    assert states(header) == {"From": UNPROTECTED, "To": UNPROTECTED, "Subject": ENCRYPTED_ONLY}
    assert [field.outer for field in header.fields] == [ALICE, BOB, "[...]"]


def test_signed_and_encrypted() -> None:
    header = header_of(smimekit.encrypt(draft(), [bob()], signer=alice()))
    assert states(header) == {"From": SIGNED_ONLY, "To": SIGNED_ONLY, "Subject": BOTH}


def test_the_parameter_stands_at_the_root_of_the_payload_alone() -> None:
    """RFC 9788, 5: an hp parameter only there, inside the signature."""
    two = (
        b"From: a@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\n\r\nOne\r\n--b\r\n\r\nTwo\r\n--b--\r\n"
    )
    for mail in (
        smimekit.sign(two, alice()),
        smimekit.sign(two, alice(), opaque=True),
        smimekit.encrypt(two, [bob()], signer=alice()),
    ):
        with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
            around = [
                opened.inside(each, require=Protection.NONE).bytes() for each in opened.envelope
            ]
        wanted = "cipher" if b"enveloped-data" in mail else "clear"
        payload = message_from_bytes(around.pop())
        assert [part.get_param("hp") for part in payload.walk()] == [wanted, None, None]
        for layer in (mail, *around):
            assert message_from_bytes(layer).get_param("hp") is None


@pytest.mark.parametrize("opaque", [False, True])
def test_streams_write_the_same(opaque: bool) -> None:
    mail = b"".join(stream.sign(draft(), alice(), opaque=opaque))
    assert payload_of(mail) == signed_entity()
    mail = b"".join(stream.encrypt(draft(), [bob()], signer=alice()))
    assert payload_of(mail) == encrypted_entity()
    mail = b"".join(stream.encrypt(draft(), [bob()], headers=None))
    assert payload_of(mail) == entity()


def test_none_protects_nothing() -> None:
    for mail in (
        smimekit.sign(draft(), alice(), headers=None),
        smimekit.encrypt(draft(), [bob()], signer=alice(), headers=None),
    ):
        assert payload_of(mail) == entity()
        header = header_of(mail)
        assert header.scheme is HeaderScheme.NONE
        assert set(states(header).values()) == {UNPROTECTED}
        assert header.shown == header.fields


def test_an_entity_has_no_header_to_protect() -> None:
    """Whoever adds From and Subject later would see them called unprotected otherwise."""
    for mail in (smimekit.sign(entity(), alice()), smimekit.encrypt(entity(), [bob()])):
        assert payload_of(mail) == entity()


def test_blind_copies_go_nowhere() -> None:
    """RFC 9787, 9.4.1; RFC 9788, 11.4: neither outside nor inside, whatever the policy says."""
    text = b"From: a@example.org\r\nBcc: hidden@example.org\r\nResent-Bcc: hidden@example.org\r\n"
    headers = HeaderProtection(hcp=lambda name, value: value, legacy_display=True)
    for mail in (
        smimekit.sign(text + b"\r\nHi\r\n", alice(), opaque=True),
        smimekit.encrypt(text + b"\r\nHi\r\n", [bob()], headers=headers),
    ):
        assert b"hidden" not in mail
        assert b"hidden" not in payload_of(mail)
        assert b"cc:" not in payload_of(mail).lower()


# --- drafts that were protected before -----------------------------------------------------


def test_what_was_decrypted_can_be_encrypted_again() -> None:
    """HP-Outer says what another message had outside: it is made anew, and hp too."""
    first = smimekit.encrypt(draft(), [bob()], headers=HeaderProtection.SHY)
    again = smimekit.encrypt(payload_of(first), [bob()], signer=alice())
    for mail, wanted_payload in (
        (again, encrypted_entity()),
        (smimekit.sign(payload_of(first), alice()), signed_entity()),
    ):
        payload, folded = payload_of(mail), wanted_payload.replace(b"us-ascii;", b"us-ascii;\r\n")
        assert payload.split() == folded.replace(b"text/plain;", b"text/plain;\r\n").split()
    bare = smimekit.sign(payload_of(first), alice(), headers=None)
    assert b"hp=" not in bare
    assert b"HP-Outer" not in bare
    assert header_of(bare).scheme is HeaderScheme.NONE


@pytest.mark.parametrize("opaque", [False, True])
def test_what_is_signed_already_keeps_its_header_outside(opaque: bool) -> None:
    """RFC 9788, 10.2: the signed payload cannot say hp="cipher" any more, so nothing is hidden;
    a subject that is hidden outside, and is not inside, would be lost.
    """
    for headers, scheme in ((HeaderProtection.BASELINE, HeaderScheme.CLEAR), (None, "none")):
        signed = smimekit.sign(draft(), alice(), opaque=opaque, headers=headers)
        mail = smimekit.encrypt(signed, [bob()])
        assert b"\r\nSubject: The plan\r\n" in mail
        header = header_of(mail)
        assert header.scheme == scheme
        assert not any(field.state.is_confidential for field in header.fields)
        assert smimekit.verify(mail, trust(), keys=[bob()]).bytes() == payload_of(signed)


def test_signing_what_is_encrypted_leaves_it_alone() -> None:
    sealed = smimekit.encrypt(draft(), [bob()], signer=alice())
    twice = smimekit.sign(sealed, alice())
    assert twice.count(b"hp=") == 0
    header = header_of(twice)
    assert states(header)["Subject"] is BOTH


@pytest.mark.parametrize(
    "label",
    [
        "application/octet-stream; name=smime.p7m",
        "application/x-any; smime-type=signed-data",
        "multipart/encrypted; protocol=application/pgp-encrypted; boundary=b",
    ],
)
def test_layers_are_known_by_their_labels(label: str) -> None:
    body = "--b\r\n\r\nx\r\n--b--\r\n" if "multipart" in label else "MIIB\r\n"
    layer = f"From: {ALICE}\r\nSubject: S\r\nContent-Type: {label}\r\n\r\n{body}".encode()
    assert b"\r\nSubject: S\r\n" in smimekit.encrypt(layer, [bob()])


# --- any header ----------------------------------------------------------------------------

NAMES = ["Subject", "Comments", "Keywords", "X-Thing", "References", "Date", "List-Id", "X", "Re"]
VALUES = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\n\0\x0b\x0c\x1c\x1d\x1e\x1f\x85"),
    max_size=200,
).filter(lambda text: "=?" not in text)
FIELDS = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=8)


def as_draft(fields: list[tuple[str, str]]) -> bytes:
    lines = [f"{name}: {value}" for name, value in [("From", f"A <{ALICE}>"), *fields]]
    return "\r\n".join(lines).encode() + b"\r\n\r\nHello\r\n"


def wanted(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [("From", f"A <{ALICE}>"), *((name, value.strip(" \t")) for name, value in fields)]


@given(FIELDS)
@settings(max_examples=60)
def test_any_header_comes_out_as_it_went_in(fields: list[tuple[str, str]]) -> None:
    mail = smimekit.sign(as_draft(fields), alice())
    header = header_of(mail)
    assert [(field.name, field.text) for field in header.shown] == wanted(fields)
    assert {field.state for field in header.fields} == {SIGNED_ONLY}
    assert all(field.outer == field.value for field in header.fields)
    lines = mail.split(b"\r\n")
    assert mail.isascii()
    assert max(map(len, lines)) <= 998


@given(FIELDS, st.dictionaries(st.sampled_from(NAMES), st.sampled_from([None, "[...]", "x y"])))
@settings(max_examples=60)
def test_any_policy_is_told_to_the_receiver(
    fields: list[tuple[str, str]], hidden: dict[str, str | None]
) -> None:
    """RFC 9788, 4.3.1: confidential is what the policy changed, and nothing else."""
    headers = HeaderProtection(hcp=hidden.get)
    mail = smimekit.encrypt(as_draft(fields), [bob()], signer=alice(), headers=headers)
    header = header_of(mail)
    assert [(field.name, field.text) for field in header.shown] == wanted(fields)
    exposed = {
        (name, said)
        for name, value in wanted(fields)
        if (said := hidden.get(name, value)) is not None
    }
    for field, (name, value) in zip(header.shown, wanted(fields), strict=True):
        readable = (name, " ".join(value.split())) in {(a, " ".join(b.split())) for a, b in exposed}
        assert field.state is (SIGNED_ONLY if readable else BOTH)
    outside = message_from_bytes(mail)
    for name, said in hidden.items():
        count = sum(name == each for each, _ in fields)
        assert outside.get_all(name, []) == ([] if said is None else [said] * count)


SECRET = st.text("abcdefghijklmnopqrstuvwxyz", min_size=12, max_size=30)


@given(
    SECRET, st.sampled_from(["Subject", "Comments", "Keywords", "From", "To", "Cc"]), st.booleans()
)
@settings(max_examples=60)
def test_what_is_hidden_is_nowhere_outside(secret: str, name: str, signed: bool) -> None:
    """The whole message is searched, its base64 and its CMS too."""
    fields = {"From": ALICE, "To": BOB}
    fields[name] = f"{secret} <{fields.get(name, BOB)}>" if name in {"From", "To", "Cc"} else secret
    text = "".join(f"{key}: {value}\r\n" for key, value in fields.items()) + "\r\nHello\r\n"
    headers = HeaderProtection(hcp=HeaderProtection.SHY.hcp, legacy_display=True)
    signer = alice() if signed else None
    mail = smimekit.encrypt(text.encode(), [bob()], signer=signer, headers=headers)
    outer, _, body = mail.partition(b"\r\n\r\n")
    for octets in (outer, body, base64.b64decode(body)):
        assert secret.encode() not in octets
    assert secret.encode() in payload_of(mail)
    assert secret in dict(shown(header_of(mail)))[name]


@pytest.mark.parametrize(
    "field",
    [
        b"From: =?utf-8?q?J=C3=BCrgen?= <alice@example.org>",
        "From: Jürgen Ä <alice@example.org>".encode(),
        'Cc: Jürgen <j@example.org>, "Ä, B" <k@example.org>, l@example.org'.encode(),
        b"From: " + b" " * 990 + b"alice@example.org",
        b"References:" + b" <123456789@example.org>" * 200,
        b"Subject: " + b"x" * 3000,
        b"Subject: " + "ü".encode() * 2000,
        b"Subject:",
        b"Subject: ",
        b"Subject:\r\n folded\r\n\tand folded",
        b"X-" + b"n" * 300 + b": v",
        b"Subject: trailing  \r\n  blanks  ",
    ],
    ids=lambda field: field[:24].decode("latin-1"),
)
def test_odd_fields_survive(field: bytes) -> None:
    """They are made safe for transport without becoming other fields; inside and outside agree."""
    name, _, value = field.partition(b":")
    told = decode_words(b"".join(value.split(b"\r\n")).strip(b" \t"))
    for mail in (
        smimekit.sign(field + b"\r\n\r\nHello\r\n", alice()),
        smimekit.encrypt(
            field + b"\r\n\r\nHello\r\n",
            [bob()],
            signer=alice(),
            headers=HeaderProtection.NO_CONFIDENTIALITY,
        ),
    ):
        assert mail.isascii()
        assert max(map(len, mail.split(b"\r\n"))) <= 998
        [found] = header_of(mail, Trust()).protected
        assert found.name.encode() == name
        assert found.text.replace('"', "") == told.replace('"', "")
        assert not found.state.is_confidential
        assert found.outer == found.value


def test_an_address_that_is_not_ascii_stays() -> None:
    """RFC 6532: it needs a transport that takes it; encoded words have no place in it (2047, 5)."""
    text = "From: Jürgen <jürgen@example.org>\r\n\r\nHi\r\n".encode()
    mail = smimekit.sign(text, alice())
    assert mail.count("From: Jürgen <jürgen@example.org>\r\n".encode()) == 2


def test_a_group_is_not_taken_apart() -> None:
    """RFC 5322, 3.4: without its name, it would be another list."""
    text = f"From: {ALICE}\r\nTo: Ärzte: B <b@example.org>, c@example.org;\r\n\r\nHi\r\n".encode()
    assert smimekit.sign(text, alice()).count("To: Ärzte: B <b@example.org>, c@".encode()) == 2


def test_a_field_that_is_unsafe_is_refused() -> None:
    for field in (b"Subject: a\rb", b"Subject: a\0b"):
        with pytest.raises(MimeError) as error:
            smimekit.sign(field + b"\r\n\r\nHello\r\n", alice())
        assert error.value.code == "mime.unsafe-field"


# --- policies that are refused -------------------------------------------------------------


@pytest.mark.parametrize(
    "hcp",
    [
        lambda name, value: "a\r\nBcc: x@example.org" if name == "Subject" else value,
        lambda name, value: "a\0" if name == "Subject" else value,
        lambda name, value: "Grüße" if name == "Subject" else value,
        lambda name, value: 7 if name == "Subject" else value,
        lambda name, value: None if name == "From" else value,
        lambda name, value: MALLORY if name == "From" else value,
        lambda name, value: f"{value}, {MALLORY}" if name == "From" else value,
        lambda name, value: "" if name == "From" else value,
    ],
    ids=["line break", "NUL", "not ASCII", "no text", "no author", "another", "one more", "empty"],
)
def test_policies_that_break_the_rules(hcp: Callable[[str, str], str | None]) -> None:
    """RFC 9788, 3.1 and 3.1.1."""
    with pytest.raises(UsageError) as error:
        smimekit.encrypt(draft(), [bob()], headers=HeaderProtection(hcp=hcp))
    assert error.value.code == "usage.header-policy"


def test_a_policy_may_rename_the_author() -> None:
    hcp = lambda name, value: f"(x) {value.upper()}" if name == "From" else value  # noqa: E731
    mail = smimekit.encrypt(draft(), [bob()], signer=alice(), headers=HeaderProtection(hcp=hcp))
    header = header_of(mail)
    assert not header.from_mismatch
    assert states(header)["From"] is BOTH


# --- what others do on the way -------------------------------------------------------------


def test_what_a_relay_adds_is_unprotected_and_not_shown() -> None:
    """RFC 9788, 4 and 7."""
    added = b"Received: from x\r\nReply-To: mallory@evil.example\r\nSubject: Buy!\r\n"
    for mail in (
        smimekit.sign(draft(), alice()),
        smimekit.encrypt(draft(), [bob()], signer=alice()),
    ):
        before, after = header_of(mail), header_of(added + mail)
        assert after.protected[:2] == before.protected[:2]
        assert shown(after) == shown(before)
        extra = after.fields[len(after.protected) :]
        assert {field.state for field in extra} == {UNPROTECTED}
        assert [field.name for field in extra[:2]] == ["Received", "Reply-To"]
        assert len(extra) == 3


def test_fields_of_one_name_find_their_like_outside() -> None:
    text = f"From: {ALICE}\r\nX: a\r\nX: b\r\nX: c\r\n\r\nHi\r\n".encode()
    mail = smimekit.sign(text, alice())
    mail = mail.replace(b"X: a\r\nX: b\r\nX: c", b"X: c\r\nX: new\r\nX: b\r\nX: more", 1)
    header = header_of(mail)
    found = [(field.value, field.outer) for field in header.fields if field.name == "X"]
    assert found == [("a", "new"), ("b", "b"), ("c", "c"), ("more", "more")]


def test_what_a_relay_changes_does_not_count() -> None:
    mail = smimekit.sign(draft(), alice()).replace(b"Subject: The plan", b"Subject: Another", 1)
    header = header_of(mail)
    assert [field.value for field in header.all("Subject")] == ["The plan"]
    assert [field.outer for field in header.all("Subject")] == ["Another"]


def test_without_the_parameter_there_is_no_header_protection() -> None:
    """RFC 9788, 4.1. Whoever takes it out of an unsigned message only takes away."""
    content = encrypted_entity().replace(b' hp="cipher"', b' hq="cipher"')
    header = header_of(encrypted_around(content, ALICE, "Subject: [...]"))
    assert header.scheme is HeaderScheme.NONE
    assert shown(header) == [("From", ALICE), ("Subject", "[...]")]
    assert set(states(header).values()) == {UNPROTECTED}


@pytest.mark.parametrize("value", ["CIPHER", "", "clear2", "1", "none"])
def test_unknown_values_are_no_protection(value: str) -> None:
    content = signed_entity().replace(b'hp="clear"', f'hp="{value}"'.encode())
    assert header_of(signed_around(content)).scheme is HeaderScheme.NONE


def test_the_parameter_elsewhere_is_ignored() -> None:
    """RFC 9788, 4.1: at the root of the payload, and of a message that has an envelope."""
    part = signed_entity()
    mixed = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + part + b"\r\n--b--\r\n"
    assert header_of(signed_around(mixed)).scheme is HeaderScheme.NONE
    assert header_of(signed_entity()).scheme is HeaderScheme.NONE
    mail = clear_signed(entity(), bare_signed(entity(), alice(), detached=True))
    mail = mail.replace(b"multipart/signed;", b"multipart/signed; hp=clear;")
    assert header_of(mail).scheme is HeaderScheme.NONE


def test_cipher_in_what_is_only_signed_hides_nothing() -> None:
    """RFC 9788, 2.1.1: never mistake the parameter for an encryption; HP-Outer counts for nothing
    there (2.2).
    """
    for content in (encrypted_entity(), re.sub(rb"HP-Outer: [^\r]*\r\n", b"", encrypted_entity())):
        header = header_of(signed_around(content))
        assert set(states(header).values()) == {SIGNED_ONLY, UNPROTECTED} - (
            {UNPROTECTED} if len(header.fields) == len(header.protected) else set()
        )
        assert all(field.state is SIGNED_ONLY for field in header.protected)
        assert "HP-Outer" not in states(header)
        assert header.outside == ()


def test_clear_inside_an_encryption_hides_nothing() -> None:
    """RFC 9788, 10.2: somebody else encrypted it, and HP-Outer does not change that."""
    lying = encrypted_entity().replace(b'hp="cipher"', b'hp="clear"')
    for content in (
        signed_entity(),
        lying,
        signed_entity().replace(b"To:", b"HP-Outer: x: y\r\nTo:"),
    ):
        for inner, state in ((content, UNPROTECTED), (signed_around(content), SIGNED_ONLY)):
            header = header_of(encrypted_around(inner))
            assert header.scheme is HeaderScheme.CLEAR
            assert {field.state for field in header.protected} == {state}


def test_forged_copies_only_make_a_field_less_confidential() -> None:
    """HP-Outer is believed as far as the payload is: it can say "readable", never "signed"."""
    content = encrypted_entity().replace(
        b"HP-Outer: Subject: [...]", b"HP-Outer: subject:  The plan"
    )
    header = header_of(encrypted_around(content))
    assert states(header)["Subject"] is UNPROTECTED
    content = encrypted_entity().replace(b"HP-Outer: Subject: [...]", b"HP-Outer: no field at all")
    assert states(header_of(encrypted_around(content)))["Subject"] is ENCRYPTED_ONLY


def test_copies_outside_count_for_nothing() -> None:
    mail = b"HP-Outer: Subject: The plan\r\n" + smimekit.encrypt(draft(), [bob()], signer=alice())
    assert states(header_of(mail))["Subject"] is BOTH


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_broken_or_untrusted_signature_covers_no_field(encrypted: bool) -> None:
    """RFC 9788, 4.3.1, 5: lowered without any other warning."""
    content = encrypted_entity() if encrypted else signed_entity()
    hidden, readable = (ENCRYPTED_ONLY, UNPROTECTED) if encrypted else (UNPROTECTED, UNPROTECTED)
    broken = mime(bare_signed(content, alice()).replace(b"is on.", b"is of."), "signed-data")
    strange = mime(bare_signed(content, ca().self_signed(ALICE)), "signed-data")
    # What somebody signed as anything but a message: a time-stamp says nothing of a header.
    stamp = mime(signed_of_type(content, TST_INFO), "signed-data")
    for mail in (broken, strange, stamp):
        header = header_of(encrypted_around(mail) if encrypted else mail)
        assert {field.name: field.state for field in header.protected} == {
            "From": readable, "To": readable, "Subject": hidden,
        }  # fmt: skip
        assert not header.is_bound


def test_content_of_another_type_binds_no_author() -> None:
    """RFC 9788, 4.4: a From inside that nobody speaks for is warned of."""
    stamp = mime(signed_of_type(signed_entity(), TST_INFO), "signed-data", MALLORY)
    header = header_of(stamp)
    assert header.from_mismatch
    assert header.warns
    with smimekit.open(stamp, trust=trust()) as opened:
        assert opened.protection == Protection.NONE


def test_a_signature_outside_the_encryption_covers_no_field() -> None:
    """RFC 9787, 5.2: anybody can put it there."""
    mail = smimekit.sign(smimekit.encrypt(draft(), [bob()]), alice())
    assert states(header_of(mail))["Subject"] is ENCRYPTED_ONLY


def test_a_layer_that_protects_nothing_is_no_envelope() -> None:
    nobody = mime(bare_signed(signed_entity(), bag=[alice().certificate]), "signed-data")
    assert header_of(nobody).scheme is HeaderScheme.NONE


# --- From (RFC 9788, 4.4) ------------------------------------------------------------------


@pytest.mark.parametrize(
    "inside, outside, mismatch",
    [
        (ALICE, ALICE, False),
        (f"Alice <{ALICE}>", ALICE.upper(), False),
        ("x@münchen.example", "x@xn--mnchen-3ya.example", False),
        (f"{ALICE}, {BOB}", f"{BOB}, {ALICE}", False),
        (ALICE, MALLORY, True),
        (MALLORY, ALICE, True),
        (f"{ALICE}, {BOB}", ALICE, True),
        (f'"{ALICE}" <{MALLORY}>', ALICE, True),
        ("nobody:;", ALICE, True),
        (ALICE, "garbage", True),
        ("garbage", "garbage", True),
        (ALICE, f"{ALICE}\r\nFrom: {MALLORY}", True),
        (f"{ALICE}\r\nFrom: {MALLORY}", ALICE, True),
    ],
)
def test_from_inside_against_from_outside(inside: str, outside: str, mismatch: bool) -> None:
    """RFC 9788, 4.4.1.1 and 4.4.5."""
    content = signed_entity().replace(ALICE.encode(), inside.encode())
    assert header_of(signed_around(content, outside)).from_mismatch is mismatch


def test_without_a_signature_the_author_outside_is_shown() -> None:
    """RFC 9788, 4.4.2, 4.4.3, 10.1: servers have seen that one only."""
    forged = encrypted_around(encrypted_entity(), MALLORY, "Subject: [...]")
    header = header_of(forged)
    assert header.warns
    assert dict(shown(header)) == {"From": MALLORY, "To": BOB, "Subject": "The plan"}
    assert [field.state for field in header.all("From")] == [UNPROTECTED]
    assert [field.value for field in header.protected if field.named("From")] == [ALICE]
    assert Protection.VERIFIED not in protection_of(forged)


def protection_of(mail: bytes) -> Protection:
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        return opened.protection


def test_a_signature_by_somebody_else_does_not_speak_for_the_author() -> None:
    """RFC 9788, 4.4.1.2: no valid binding between the certificate and From inside."""
    for signer, outside in ((mallory(), MALLORY), (mallory(), ALICE)):
        mail = mime(bare_signed(signed_entity(), signer), "signed-data", outside)
        header = header_of(mail)
        assert not header.is_bound
        assert header.warns is (outside == MALLORY)
        assert {field.state for field in header.protected} == {UNPROTECTED}
        assert Protection.VERIFIED not in protection_of(mail)


def test_a_bound_signature_speaks_for_the_author_inside() -> None:
    """RFC 9788, 4.4.3: shown is From inside. VERIFIED asks for more: who reads From outside
    must not be told that Alice wrote in somebody else's name.
    """
    mail = signed_around(signed_entity(), MALLORY)
    header = header_of(mail)
    assert (header.from_mismatch, header.is_bound, header.warns) == (True, True, False)
    assert dict(shown(header))["From"] == ALICE
    assert states(header)["Subject"] is SIGNED_ONLY
    assert Protection.VERIFIED not in protection_of(mail)
    assert smimekit.verify(mail, trust(), expect=ALICE).bytes() == signed_entity()


def test_bare_cms_has_no_header_outside() -> None:
    header = header_of(bare_signed(signed_entity(), alice()))
    assert (header.scheme, header.from_mismatch, header.is_bound) == ("clear", False, True)
    assert [field.outer for field in header.fields] == [None, None, None]


def test_an_entity_has_no_author_outside() -> None:
    """A part of another mail, opened by itself: it has no From, and hides none."""
    part = mime(bare_signed(signed_entity(), alice()), "signed-data", None)
    assert not header_of(part).from_mismatch
    assert header_of(b"Subject: x\r\n" + part).from_mismatch  # a mail that hides its sender


def test_a_header_without_an_author_is_bound_to_the_one_outside() -> None:
    content = signed_entity().replace(f"From: {ALICE}\r\n".encode(), b"")
    assert header_of(signed_around(content, ALICE)).is_bound
    assert not header_of(signed_around(content, MALLORY)).is_bound
    assert not header_of(signed_around(content, MALLORY)).from_mismatch


# --- RFC 8551, 3.1 (RFC 9788, 4.10) --------------------------------------------------------


def wrapped(message: bytes, label: str = "message/rfc822") -> bytes:
    return f"Content-Type: {label}\r\n\r\n".encode() + message


def test_a_message_in_the_message_is_the_old_scheme() -> None:
    header = header_of(signed_around(wrapped(draft())))
    assert header.scheme is HeaderScheme.RFC8551
    assert states(header) == dict.fromkeys(("From", "To", "Subject"), SIGNED_ONLY)
    mail = encrypted_around(signed_around(wrapped(draft())), ALICE, f"To: {BOB}", "Subject: [...]")
    assert states(header_of(mail)) == {"From": SIGNED_ONLY, "To": SIGNED_ONLY, "Subject": BOTH}


@pytest.mark.parametrize(
    "content",
    [
        wrapped(draft(MALLORY)),
        wrapped(draft().replace(b"From:", b"X-From:")),
        wrapped(draft(), 'message/rfc822; hp="clear2"'),
        wrapped(draft().replace(b"us-ascii", b"us-ascii; hp=x")),
        wrapped(smimekit.sign(draft(), alice(), headers=None)),
        wrapped(draft(), "message/global"),
        wrapped(draft(), "message/rfc822\r\nContent-Transfer-Encoding: base64"),
        wrapped(b"From: alice@example.org\r\nno field\r\n\r\n"),
        wrapped(b""),
    ],
    ids=["forwarded", "no author", "hp", "hp inside", "layer", "global", "base64", "bad", "empty"],
)
def test_what_is_not_the_old_scheme(content: bytes) -> None:
    """RFC 9788, 4.10.1; and a forwarded mail of somebody else's looks the same otherwise."""
    header = header_of(signed_around(content))
    assert header.scheme is HeaderScheme.NONE
    assert shown(header) == [("From", ALICE)]


def test_the_old_scheme_is_never_written() -> None:
    """RFC 9788, 4.10: a forwarded mail that is all of a draft does not look like it."""
    text = f"From: {ALICE}\r\nContent-Type: message/rfc822\r\n\r\n".encode() + draft()
    for mail in (smimekit.sign(text, alice()), smimekit.encrypt(text, [bob()])):
        assert header_of(mail).scheme in {HeaderScheme.CLEAR, HeaderScheme.CIPHER}


def test_nothing_is_hidden_without_a_policy() -> None:
    assert hcp_no_confidentiality("Subject", "x") == "x"
    mail = smimekit.encrypt(draft(), [bob()], headers=HeaderProtection.NO_CONFIDENTIALITY)
    assert set(states(header_of(mail)).values()) == {UNPROTECTED}
    assert header_of(mail).scheme is HeaderScheme.CIPHER


# --- legacy display ------------------------------------------------------------------------


def test_the_payload_is_handed_out_without_legacy_display_on_request() -> None:
    headers = HeaderProtection(legacy_display=True)
    mail = smimekit.encrypt(draft(), [bob()], signer=alice(), headers=headers)
    payload = smimekit.verify(mail, trust(), keys=[bob()])
    head, _, body = payload.bytes().partition(b"\r\n\r\n")
    assert body == b"Subject: The plan\r\n\r\nThe plan is on.\r\n"
    clean = payload.bytes(legacy_display=False)
    assert clean.partition(b"\r\n\r\n")[2] == b"The plan is on.\r\n"
    assert clean.partition(b"\r\n\r\n")[0].split() == [
        word.replace(b'"', b"") for word in head.split() if b"legacy" not in word
    ]
    file = io.BytesIO()
    payload.write_to(file, legacy_display=False)
    assert file.getvalue() == clean == b"".join(payload.chunks(legacy_display=False))


def test_what_is_only_signed_has_no_legacy_display() -> None:
    """RFC 9788, 4.5.3.1: it is for encrypted messages; a signed text is shown as it is."""
    content = signed_entity().replace(b" hp=", b" hp-legacy-display=1; hp=")
    content = content.replace(b"The plan is", b"Pay me\r\n\r\nThe plan is")
    mail = signed_around(content)
    assert smimekit.verify(mail, trust()).bytes(legacy_display=False) == content
    sealed = smimekit.decrypt(encrypted_around(mail), [bob()]).bytes(legacy_display=False)
    assert b"Pay me" not in sealed


def test_legacy_display_is_for_encryption_alone() -> None:
    """RFC 9788, 5.2.1, step 2; and nothing is displayed where nothing is hidden."""
    headers = HeaderProtection(legacy_display=True)
    assert payload_of(smimekit.sign(draft(), alice(), headers=headers)) == signed_entity()
    headers = HeaderProtection(hcp=hcp_no_confidentiality, legacy_display=True)
    assert b"legacy" not in payload_of(smimekit.encrypt(draft(), [bob()], headers=headers))


# --- Date ------------------------------------------------------------------------------------

NOON = "Sun, 1 Mar 2026 12:00:00 +0000"


def dated(*dates: str, headers: HeaderProtection | None = None) -> bytes:
    """A mail that Alice signed at noon."""
    mail = smimekit.sign(draft(), alice(), at=NOW, headers=headers)
    return b"".join(b"Date: %s\r\n" % each.encode() for each in dates) + mail


@pytest.mark.parametrize(
    ("dates", "mismatch"),
    [
        ((), False),
        ((NOON,), False),
        (("Sun, 1 Mar 2026 12:59:00 GMT",), False),
        (("1 Mar 2026 21:00 +0900 (JST)",), False),
        (("Sun, 1 Mar 2026 11:01:00 -0000",), False),
        (("Sun, 1 Mar 2026 13:01:00 +0000",), True),
        (("Sun, 1 Mar 2026 10:59:00 +0000",), True),
        (("Sun, 1 Mar 2026 12:00:00 -0500",), True),
        (("Sun, 1 Mar 2027 12:00:00 +0000",), True),
        (("1 Jan 0001 00:00:00 +2359",), True),
        (("31 Dec 9999 23:59:59 -2359",), True),
        (("at noon",), True),
        (("",), True),
        ((NOON, "Sun, 1 Mar 2027 12:00:00 +0000"), True),
    ],
)
def test_an_old_mail_that_is_sent_again_is_told_by_its_date(
    dates: tuple[str, ...], mismatch: bool
) -> None:
    """CVE-2023-50761. It is a warning: a mail may have waited for a gateway that signs."""
    mail = dated(*dates)
    assert header_of(mail).date_mismatch is mismatch
    assert smimekit.verify(mail, trust()).protection == Protection.VERIFIED | Protection.INTACT


def test_it_is_told_of_what_was_encrypted() -> None:
    mail = smimekit.encrypt(draft(), [bob()], signer=alice(), at=NOW, headers=None)
    assert not header_of(f"Date: {NOON}\r\n".encode() + mail).date_mismatch
    assert header_of(b"Date: Sun, 1 Mar 2026 15:00:00 +0000\r\n" + mail).date_mismatch
    unsigned = smimekit.encrypt(draft(), [bob()], headers=None)
    assert not header_of(b"Date: Sun, 1 Mar 2026 15:00:00 +0000\r\n" + unsigned).date_mismatch


def test_a_date_that_was_signed_is_the_signers_own_word() -> None:
    """What stands outside is another field then, and not shown."""
    early = b"Date: Sun, 1 Mar 2026 08:00:00 +0000\r\n" + draft()
    mail = smimekit.sign(early, alice(), at=NOW)
    again = mail.replace(b"Date: Sun, 1 Mar 2026 08", b"Date: Sun, 8 Mar 2026 08", 1)
    for each in (mail, again):
        header = header_of(each)
        assert not header.date_mismatch
        assert ("Date", "Sun, 1 Mar 2026 08:00:00 +0000") in shown(header)


def test_where_the_date_was_not_signed_the_one_outside_counts() -> None:
    protected = HeaderProtection()
    assert not header_of(dated(NOON, headers=protected)).date_mismatch
    assert header_of(dated("Sun, 1 Mar 2026 15:00:00 +0000", headers=protected)).date_mismatch


def test_who_is_not_believed_says_nothing_of_the_time() -> None:
    mail = dated("Sun, 1 Mar 2026 15:00:00 +0000")
    assert not header_of(mail, Trust()).date_mismatch
    assert not header_of(mail.replace(ALICE.encode(), MALLORY.encode(), 1)).date_mismatch
    assert not header_of(mail.replace(b"The plan is on.", b"The plan is off")).date_mismatch


@given(st.text(max_size=60))
def test_any_text_is_a_date_or_none(text: str) -> None:
    found = read_date(text)
    assert found is None or found.tzinfo is not None
