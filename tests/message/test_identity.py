"""Is the signer the sender (RFC 8550, 3)? An answer for every trick with names."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

import smimekit
from smimekit import Credential, Protection, WrongSender, der
from smimekit.message.identity import Identity
from smimekit.testing import FakeCA
from tests.message.people import (
    ALICE,
    BOB,
    MALLORY,
    alice,
    bare_signed,
    bob,
    ca,
    clear_signed,
    draft,
    entity,
    mallory,
    mime,
    root,
    signed_entity,
    trust,
)
from tests.test_harvest import made, name

M = f"<{MALLORY}>"

# What From says, and what it means for a signature of Alice's.
FROM = {
    "plain": (ALICE, Identity.MATCH),
    "with a name": (f"Alice <{ALICE}>", Identity.MATCH),
    "another case": ("ALICE@Example.ORG", Identity.MATCH),
    "comments": (f"(a) {ALICE} (b)", Identity.MATCH),
    "comments inside": ("alice(x)@(y)example.org", Identity.MATCH),
    "quoted local part": ('"alice"@example.org', Identity.MATCH),
    "folded": ("Alice\r\n <alice@example.org>", Identity.MATCH),
    "twice the same": (f"{ALICE}, A <{ALICE}>", Identity.MATCH),
    "group of one": (f"us: {ALICE};", Identity.MATCH),
    "encoded name": (f"=?utf-8?q?M=40x?= <{ALICE}>", Identity.MATCH),
    "another address": (MALLORY, Identity.MISMATCH),
    "address as the name": (f'"{ALICE}" {M}', Identity.MISMATCH),
    "address as an encoded name": (f"=?utf-8?q?alice=40example=2Eorg?= {M}", Identity.MISMATCH),
    "address in a comment": (f"{MALLORY} ({ALICE})", Identity.MISMATCH),
    "address in a leading comment": (f"({ALICE}) {MALLORY}", Identity.MISMATCH),
    "address as a local part": (f'"{ALICE}"@evil.example', Identity.MISMATCH),
    "source route": (f"<@example.org:{MALLORY}>", Identity.MISMATCH),
    "percent hack": ("alice%example.org@evil.example", Identity.MISMATCH),
    "subdomain": ("alice@example.org.evil.example", Identity.MISMATCH),
    "longer local part": ("malalice@example.org", Identity.MISMATCH),
    "plus address": ("alice+x@example.org", Identity.MISMATCH),
    "two mailboxes": (f"{ALICE}, {MALLORY}", Identity.MISMATCH),
    "two mailboxes, the other first": (f"{MALLORY}, {ALICE}", Identity.MISMATCH),
    "group with a stranger": (f"us: {ALICE}, {MALLORY};", Identity.MISMATCH),
    "look-alike letter": ("аlice@example.org", Identity.MISMATCH),  # noqa: RUF001 - Cyrillic
    "empty group": ("undisclosed-recipients:;", Identity.NO_SENDER),
    "nothing": ("", Identity.NO_SENDER),
    "blanks": (" ", Identity.NO_SENDER),
    "a name only": ("Alice", Identity.NO_SENDER),
    "null sender": ("<>", Identity.NO_SENDER),
    "two angle addresses": (f"<{ALICE}> {M}", Identity.NO_SENDER),
    "address before an angle address": (f"{ALICE} {M}", Identity.NO_SENDER),
    "open comment": (f"{ALICE} (", Identity.NO_SENDER),
    "open quote": (f'" {ALICE}', Identity.NO_SENDER),
    "an encoded address": ("=?utf-8?q?alice=40example=2Eorg?=", Identity.NO_SENDER),
    "NUL": ("alice@example.org\0.evil.example", Identity.NO_SENDER),
    "bare CR": (f"{ALICE}\r,{MALLORY}", Identity.NO_SENDER),
    "semicolon": (f"{ALICE}; {MALLORY}", Identity.NO_SENDER),
    "group that does not end": (f"us: {ALICE}", Identity.NO_SENDER),
    "address without a domain": ("alice@", Identity.NO_SENDER),
    "blanks in the address": ("alice @ example.org", Identity.MATCH),
    "trailing dot": (f"{ALICE}.", Identity.NO_SENDER),
    "domain in quotes": ('alice@"example.org"', Identity.NO_SENDER),
    "an angle in the name": (f'"Alice <{ALICE}>" {M}', Identity.MISMATCH),
    "a name in another direction": (f"\u202e{ALICE} {M}", Identity.NO_SENDER),
    "an invisible character": ("al\u200bice@example.org", Identity.MISMATCH),
    "full-width letters": ("alice@ｅxample.org", Identity.MISMATCH),  # noqa: RUF001 - the point
    "an empty element": (f", {ALICE},", Identity.MATCH),
    "a comma in the name": (f'"Alice, {MALLORY}" <{ALICE}>', Identity.MATCH),
    "an unquoted comma in the name": (f"Doe, Alice <{ALICE}>", Identity.NO_SENDER),
    "an encoded angle": (f"=?utf-8?q?=3Calice=40example.org=3E?= {M}", Identity.MISMATCH),
    "8bit in the name": ("Jürgen <alice@example.org>", Identity.MATCH),
}  # fmt: skip


def identity(mail: bytes, **options: object) -> Identity:
    with smimekit.open(mail, trust=trust(), **options) as opened:  # type: ignore[arg-type]
        [signature] = opened.signatures
        good = signature.identity in {Identity.MATCH, Identity.UNCLAIMED}
        assert signature.by_sender is good
        assert (Protection.VERIFIED in opened.protection) is good
        return signature.identity


@cache
def signed_by_alice() -> bytes:
    return smimekit.sign(draft(), alice(), headers=None)


def from_alice_as(value: str) -> bytes:
    return signed_by_alice().replace(f"From: {ALICE}".encode(), f"From: {value}".encode())


@pytest.mark.parametrize("case", FROM)
def test_from(case: str) -> None:
    """RFC 8550, 3: the address in From must match one in the signer's certificate."""
    value, wanted = FROM[case]
    assert identity(from_alice_as(value)) is wanted


def test_who_the_sender_is_said_to_be_is_reported() -> None:
    with smimekit.open(from_alice_as(f"{ALICE}, {MALLORY}"), trust=trust()) as opened:
        assert opened.signatures[0].senders == (ALICE, MALLORY)


@pytest.mark.parametrize("second", ["From", "FROM", "from", "From ", "From\t"])
@pytest.mark.parametrize("first", [True, False])
def test_several_from_fields(second: str, first: bool) -> None:
    """RFC 5322, 3.6: one From; programs differ in which of two they show."""
    extra = f"{second}: {ALICE}\r\n".encode()
    mail = smimekit.sign(draft(), alice())
    mail = extra + mail if first else mail.replace(b"Subject:", extra + b"Subject:", 1)
    assert identity(mail) is Identity.NO_SENDER


def test_a_mail_without_from() -> None:
    """A mail has a sender; one that hides it is not taken for an entity, which has none."""
    for field in (b"Subject: x", f"Sender: {ALICE}".encode(), f"Reply-To: {ALICE}".encode()):
        mail = field + b"\r\n" + smimekit.sign(entity(), alice())
        assert identity(mail) is Identity.NO_SENDER


def test_an_entity_names_nobody() -> None:
    assert identity(smimekit.sign(entity(), alice())) is Identity.UNCLAIMED
    assert identity(bare_signed(entity(), alice())) is Identity.UNCLAIMED


# What other fields say beside From, who signs, and what it means.
FIELDS = {
    "Sender is another": ((f"Sender: {MALLORY}", f"From: {ALICE}"), ALICE, Identity.MATCH),
    "Sender signs": ((f"Sender: {MALLORY}", f"From: {ALICE}"), MALLORY, Identity.SENDER_FIELD),
    "Sender signs, with a name": (
        (f"From: {ALICE}", f'Sender: "{ALICE}" <{MALLORY}>'), MALLORY, Identity.SENDER_FIELD,
    ),
    "Sender signs for two authors": (
        (f"From: {ALICE}, {MALLORY}", f"Sender: {MALLORY}"), MALLORY, Identity.SENDER_FIELD,
    ),
    "one of two authors signs": ((f"From: {ALICE}, {MALLORY}",), MALLORY, Identity.MISMATCH),
    "Sender and neither": ((f"From: {ALICE}", f"Sender: {ALICE}"), MALLORY, Identity.MISMATCH),
    "two Senders": (
        (f"From: {ALICE}", f"Sender: {MALLORY}", f"Sender: {MALLORY}"), MALLORY, Identity.MISMATCH,
    ),
    "Sender of two": (
        (f"From: {ALICE}", f"Sender: {MALLORY}, {BOB}"), MALLORY, Identity.MISMATCH,
    ),
    "Sender group": ((f"From: {ALICE}", "Sender: us:;"), MALLORY, Identity.MISMATCH),
    "Sender empty": ((f"From: {ALICE}", "Sender: "), MALLORY, Identity.MISMATCH),
    "Sender unreadable": ((f"From: {ALICE}", f"Sender: <{MALLORY}"), MALLORY, Identity.MISMATCH),
    "Sender alone": ((f"Sender: {ALICE}",), ALICE, Identity.NO_SENDER),
    "Sender, From unreadable": (("From: Alice", f"Sender: {ALICE}"), ALICE, Identity.NO_SENDER),
    "Resent-From": ((f"Resent-From: {MALLORY}", f"From: {ALICE}"), ALICE, Identity.MATCH),
    "Resent-From signs": ((f"Resent-From: {MALLORY}", f"From: {ALICE}"), MALLORY, Identity.MISMATCH),
    "Resent-Sender signs": (
        (f"Resent-Sender: {MALLORY}", f"From: {ALICE}"), MALLORY, Identity.MISMATCH,
    ),
    "Reply-To is another": ((f"Reply-To: {MALLORY}", f"From: {ALICE}"), ALICE, Identity.MATCH),
    "Reply-To signs": ((f"Reply-To: {MALLORY}", f"From: {ALICE}"), MALLORY, Identity.MISMATCH),
    "Return-Path signs": ((f"Return-Path: <{MALLORY}>", f"From: {ALICE}"), MALLORY, Identity.MISMATCH),
    "X-Original-From": ((f"X-Original-From: {MALLORY}", f"From: {ALICE}"), MALLORY, Identity.MISMATCH),
    "two From": ((f"From: {ALICE}", f"From: {MALLORY}"), ALICE, Identity.NO_SENDER),
    "From behind a bare CR": ((f"Subject: x\rFrom: {MALLORY}", f"From: {ALICE}"), ALICE, Identity.NO_SENDER),
    "From behind a bare CR and blanks": ((f"From: {ALICE}", f"X: y\r \tFROM : {MALLORY}"), ALICE, Identity.NO_SENDER),
    "bare CR in the subject": ((f"Subject: a\rb From: {MALLORY}", f"From: {ALICE}"), ALICE, Identity.NO_SENDER),
    "bare CR and a blank in the subject": ((f"Subject: a\r b From: {MALLORY}", f"From: {ALICE}"), ALICE, Identity.MATCH),
    "folded look-alike": ((f"Subject: x\r\n From: {MALLORY}", f"From: {ALICE}"), ALICE, Identity.MATCH),
    "mbox line": ((f"From {MALLORY} Mon Jan  1 00:00:00 2026", f"From: {ALICE}"), ALICE, Identity.MATCH),
}  # fmt: skip


@pytest.mark.parametrize("case", FIELDS)
def test_fields(case: str) -> None:
    """RFC 8550, 3: From or Sender. People are shown From: it alone makes a match, and whoever
    signs as the Sender is said to. RFC 5322, 3.6.6: Resent fields are about who passed it on.
    """
    fields, signer, wanted = FIELDS[case]
    mail = smimekit.sign(entity(), alice() if signer == ALICE else mallory())
    head = "".join(f"{field}\r\n" for field in fields).encode()
    assert identity(head + mail) is wanted


def test_who_signs_as_the_sender_is_refused_and_why() -> None:
    mail = f"Sender: {MALLORY}\r\n".encode() + smimekit.sign(draft(ALICE), mallory())
    with pytest.raises(WrongSender) as error:
        smimekit.verify(mail, trust())
    assert error.value.code == "wrong-sender.sender-field"
    assert smimekit.verify(mail, trust(), expect=MALLORY).bytes() == signed_entity(sender=ALICE)
    assert identity(mail, expect=BOB) is Identity.MISMATCH


ROW = re.compile(r"^\| (`.*?) \| `([a-z-]+)` \|", re.MULTILINE)


def documented() -> list[tuple[str, str]]:
    page = Path(__file__).parents[2] / "docs" / "reference" / "identity.md"
    return ROW.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("fields", "answer"), documented())
def test_the_table_of_the_documentation(fields: str, answer: str) -> None:
    """Each row of docs/reference/identity.md: fields, and the answer for Alice's signature."""
    head = "".join(f"{field}\r\n" for field in re.findall(r"`([^`]*)`", fields))
    assert identity(head.encode() + smimekit.sign(entity(), alice())) == answer


def test_the_table_has_every_answer_that_a_header_gives() -> None:
    answers = {answer for _, answer in documented()}
    assert answers == {"match", "mismatch", "sender-field", "no-sender"}
    assert len(documented()) > 20


# --- the inner header ----------------------------------------------------------------------


def inner(sender: str, *more: str) -> bytes:
    fields = "".join(f"{field}\r\n" for field in (f"From: {sender}", *more))
    return fields.encode() + entity()


SHAPES: dict[str, Callable[[bytes, Credential, str], bytes]] = {
    "clear": lambda content, signer, sender: clear_signed(
        content, bare_signed(content, signer, detached=True), sender
    ),
    "opaque": lambda content, signer, sender: mime(
        bare_signed(content, signer), "signed-data", sender
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_an_inner_sender_counts_too(shape: str) -> None:
    """RFC 9788, 4.4: where inner and outer From differ, the signer must be both."""
    make = SHAPES[shape]
    assert identity(make(inner(ALICE), alice(), ALICE)) is Identity.MATCH
    assert identity(make(inner(MALLORY), alice(), ALICE)) is Identity.MISMATCH
    assert identity(make(inner(ALICE), mallory(), MALLORY)) is Identity.MISMATCH
    assert identity(make(inner(ALICE), mallory(), ALICE)) is Identity.MISMATCH
    assert identity(make(inner(ALICE, f"From: {MALLORY}"), alice(), ALICE)) is Identity.NO_SENDER
    assert identity(make(inner("undisclosed:;"), alice(), ALICE)) is Identity.NO_SENDER


def test_the_inner_sender_of_bare_cms_counts() -> None:
    assert identity(bare_signed(inner(ALICE), alice())) is Identity.MATCH
    assert identity(bare_signed(inner(ALICE), mallory())) is Identity.MISMATCH


# --- expect --------------------------------------------------------------------------------


def test_the_expected_address_stands_in_for_every_claim() -> None:
    mail = smimekit.sign(draft(MALLORY), alice())
    assert identity(mail) is Identity.MISMATCH
    assert identity(mail, expect=ALICE) is Identity.MATCH
    assert identity(mail, expect="ALICE@EXAMPLE.ORG") is Identity.MATCH
    for other in (BOB, "", "alice", "@example.org", "alice@", f"{ALICE},{BOB}"):
        assert identity(mail, expect=other) is Identity.MISMATCH
    assert identity(bare_signed(entity(), alice()), expect=BOB) is Identity.MISMATCH


# --- the certificate -----------------------------------------------------------------------


def test_a_certificate_without_address() -> None:
    """RFC 8550, 3: end-entity certificates need no address; then they are nobody's sender."""
    unnamed = ca().no_address(ALICE)
    assert identity(smimekit.sign(draft(), unnamed)) is Identity.NO_ADDRESS
    assert identity(smimekit.sign(entity(), unnamed)) is Identity.UNCLAIMED
    with pytest.raises(WrongSender) as error:
        smimekit.verify(smimekit.sign(draft(), unnamed), trust())
    assert error.value.code == "wrong-sender.no-address"


def signer_identity(sender: str, signer: Credential) -> Identity:
    with smimekit.open(smimekit.sign(draft(sender), signer), trust=trust()) as opened:
        return opened.signatures[0].identity


def test_an_address_in_the_subject() -> None:
    """RFC 8550, 3: agents SHOULD read emailAddress of the subject; never the common name."""
    assert signer_identity(ALICE, made(name("alice", ALICE))) is Identity.MATCH
    assert signer_identity(ALICE, made(name("alice", BOB))) is Identity.MISMATCH
    assert signer_identity(ALICE, made(name(ALICE))) is Identity.NO_ADDRESS


def test_the_subject_does_not_add_to_the_alternative_names() -> None:
    """What a CA checked is in the subjectAltName; the subject is then a text for people."""
    names = x509.SubjectAlternativeName([x509.RFC822Name(MALLORY)])
    signer = made(name("alice", ALICE), names)
    assert signer_identity(ALICE, signer) is Identity.MISMATCH
    assert signer_identity(MALLORY, signer) is Identity.MATCH


def test_a_subject_alternative_name_without_address() -> None:
    """RFC 8550, 3: then the subject's address is the only one there is."""
    names = x509.SubjectAlternativeName([x509.DNSName("mail.example.org")])
    assert signer_identity(ALICE, made(name("alice", ALICE), names)) is Identity.MATCH
    assert signer_identity(ALICE, made(name("alice"), names)) is Identity.NO_ADDRESS
    wrong_field = x509.SubjectAlternativeName([x509.DNSName("example.org")])
    assert signer_identity("example.org", made(name("alice"), wrong_field)) is Identity.NO_SENDER


def smtp_utf8(address: str) -> x509.SubjectAlternativeName:
    """An SmtpUTF8Mailbox (RFC 9598, 3)."""
    oid = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9")
    return x509.SubjectAlternativeName([x509.OtherName(oid, der.tlv(0x0C, address.encode()))])


def test_an_ascii_address_is_no_smtp_utf8_mailbox() -> None:
    """RFC 9598, 3: it SHALL have a local part that is not ASCII. In ASCII it would slip past
    name constraints on rfc822Names that a program holds against rfc822Names only.
    """
    assert signer_identity(ALICE, made(name("alice"), smtp_utf8(ALICE))) is Identity.NO_ADDRESS
    signer = made(name("ü"), smtp_utf8("ülice@example.org"))
    mail = smimekit.sign(draft(), signer).replace(b"From: a", "From: ü".encode())
    assert identity_of_first(mail) is Identity.MATCH


def identity_of_first(mail: bytes) -> Identity:
    with smimekit.open(mail, trust=trust()) as opened:
        return opened.signatures[0].identity


def test_an_address_that_is_no_rfc822_name() -> None:
    """A URI, a directoryName or an otherName of another kind is no mail address (RFC 5280)."""
    for other in (
        x509.UniformResourceIdentifier(f"mailto:{ALICE}"),
        x509.DirectoryName(name("alice", ALICE)),
        x509.DNSName(ALICE),
        x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), der.tlv(0x0C, b"x@y")),
    ):
        names = x509.SubjectAlternativeName([other])
        assert signer_identity(ALICE, made(name("alice"), names)) is Identity.NO_ADDRESS


def test_one_of_several_addresses() -> None:
    signer = ca().person(MALLORY, ALICE)
    assert signer_identity(ALICE, signer) is Identity.MATCH
    assert signer_identity(f"{ALICE}, {MALLORY}", signer) is Identity.MATCH
    assert signer_identity(f"{ALICE}, {BOB}", signer) is Identity.MISMATCH


def test_international_addresses() -> None:
    """RFC 9598, 5: A-labels and U-labels are one domain; UTF-8 local parts match exactly."""
    german = ca().person("alice@straße-münchen.example")
    unicode = ca().person("übel@example.org")

    def of(sender: str, signer: Credential) -> Identity:
        mail = smimekit.sign(draft(), signer, headers=None)
        mail = mail.replace(f"From: {ALICE}".encode(), f"From: {sender}".encode())
        return identity(mail)

    [address] = german.certificate.addresses
    assert of(address, german) is Identity.MATCH
    assert of(address.upper().replace("ALICE", "alice"), german) is Identity.MATCH
    assert of("alice@strasse-munchen.example", german) is Identity.MISMATCH
    assert of("übel@example.org", unicode) is Identity.MATCH
    assert of("ubel@example.org", unicode) is Identity.MISMATCH
    assert of("Übel@example.org", unicode) is Identity.MISMATCH


def test_the_sender_does_not_say_whom_to_trust() -> None:
    """Identity and trust are two facts (DESIGN, rule 7)."""
    stranger = FakeCA("Elsewhere", now=root().now).person(ALICE)
    with smimekit.open(smimekit.sign(draft(), stranger), trust=trust()) as opened:
        [signature] = opened.signatures
        assert signature.identity is Identity.MATCH
        assert signature.by_sender
        assert not signature.trusted
        assert opened.protection == Protection.INTACT
    assert bob() is not alice()


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=60))
def test_any_from_gives_an_answer(value: str) -> None:
    found = identity(from_alice_as(value))
    if found is Identity.MATCH:
        assert "example.org" in value.lower()
