"""Answers keep hidden what was hidden in what they answer (RFC 9788, 6.1), and Appendix D.2."""

from collections.abc import Sequence

import smimekit
from smimekit import HeaderProtection, Protection, reply_headers
from smimekit.message.reply import Respond, reply_fields
from smimekit.mime.words import encode_words
from tests.message.people import ALICE, BOB, alice, bob, trust

HIDE_CC = HeaderProtection(hcp=lambda name, value: None if name == "Cc" else value)
OPEN = HeaderProtection.NO_CONFIDENTIALITY
MESSAGE = (
    b"Date: Wed, 11 Jan 2023 16:08:43 -0500\r\nFrom: Bob <bob@example.org>\r\n"
    b"To: Alice <alice@example.org>\r\nSubject: Handling the Jones contract\r\n"
    b"Cc: carol@example.org\r\nMessage-ID: <1234@lhp.example>\r\n\r\nPlease review.\r\n"
)


def reply_all(fields: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    given = dict(fields)
    found = [*reply_fields(fields), ("From", given.get("To", ""))]
    return found + ([("Cc", given["Cc"])] if "Cc" in given else [])


def policy(
    headers: HeaderProtection | None, own: HeaderProtection, respond: Respond = reply_fields
) -> HeaderProtection:
    mail = smimekit.encrypt(MESSAGE, [alice()], signer=bob(), headers=headers)
    with smimekit.open(mail, keys=[alice()], trust=trust()) as opened:
        return reply_headers(opened, respond, own)


def test_the_example_of_the_rfc() -> None:
    """RFC 9788, D.2.2: a program that hides nothing obscures the subject of the answer."""
    headers = policy(HeaderProtection.BASELINE, OPEN)
    answer = (
        f"From: {ALICE}\r\nTo: Bob <{BOB}>\r\nSubject: Re: Handling the Jones contract\r\n"
        "In-Reply-To: <1234@lhp.example>\r\n\r\nI'll get right on it.\r\n"
    ).encode()
    mail = smimekit.encrypt(answer, [bob()], signer=alice(), headers=headers)
    assert b"Jones" not in mail
    assert b"\r\nSubject: Re: [...]\r\n" in mail
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        payload = opened.payload(require=Protection.VERIFIED).bytes()
        assert b"HP-Outer: Subject: Re: [...]\r\n" in payload
        [subject] = opened.header.all("Subject")
        assert subject.value == "Re: Handling the Jones contract"
        assert subject.state.is_confidential


def test_what_was_readable_stays_readable() -> None:
    hcp = policy(HeaderProtection.BASELINE, OPEN).hcp
    for name, value in (
        ("To", "Bob <bob@example.org>"), ("In-Reply-To", "<1234@lhp.example>"),
        ("References", "<1234@lhp.example>"), ("Date", "today"), ("X", "y"),
    ):  # fmt: skip
        assert hcp(name, value) == value


def test_an_edited_subject_that_still_says_it_is_hidden() -> None:
    """RFC 9788, 6.1: values that were encrypted MUST NOT be sent in cleartext in a reply."""
    hcp = policy(HeaderProtection.BASELINE, OPEN).hcp
    assert hcp("subject", "Re: Handling the Jones contract") == "Re: [...]"
    assert hcp("Subject", "Re: Handling the Jones contract ASAP") == "Re: [...]"
    assert hcp("Subject", "Lunch?") == "Lunch?"


def test_another_encoding_of_it_is_hidden() -> None:
    """Programs decode what they show, and encode it in their own way."""
    text = MESSAGE.replace(b"Handling the Jones contract", b"=?utf-8?q?Gr=C3=BC=C3=9Fe_an?= Jones")
    mail = smimekit.encrypt(text, [alice()], signer=bob())
    with smimekit.open(mail, keys=[alice()], trust=trust()) as opened:
        hcp = reply_headers(opened, headers=OPEN).hcp
    for said in ("Re: Grüße an Jones", "Re:\tGrüße  an Jones", "AW: Grüße an Jones!"):
        assert hcp("Subject", said) == "Re: [...]"
        encoded = encode_words(said).decode().replace("\r\n", "")
        assert hcp("Subject", encoded) == "Re: [...]"


def test_the_own_policy_comes_first() -> None:
    """RFC 9788, 5.2.1, step 5 iv."""
    hcp = policy(HeaderProtection.BASELINE, HeaderProtection.BASELINE).hcp
    assert hcp("Subject", "Re: Handling the Jones contract") == "[...]"
    assert hcp("Subject", "Lunch?") == "[...]"


def test_what_was_removed_is_removed() -> None:
    hcp = policy(HIDE_CC, OPEN, reply_all).hcp
    assert hcp("Cc", "carol@example.org") is None
    assert hcp("Cc", "dave@example.org") == "dave@example.org"
    assert hcp("Cc", "carol@example.org, dave@example.org") is None
    assert hcp("Subject", "Re: Handling the Jones contract") == "Re: Handling the Jones contract"


def test_derived_fields() -> None:
    """RFC 9788, 6.1.2: From of the answer comes from To, and loses its name as To did."""
    hcp = policy(HeaderProtection.SHY, OPEN, reply_all).hcp
    assert hcp("From", "Alice <alice@example.org>") == "alice@example.org"
    assert hcp("To", "Bob <bob@example.org>") == "bob@example.org"


def test_the_author_of_an_answer_is_never_removed() -> None:
    hide_to = HeaderProtection(hcp=lambda name, value: None if name == "To" else value)

    def respond(fields: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        return [("From", value) for name, value in fields if name == "To"]

    hcp = policy(hide_to, OPEN, respond).hcp
    assert hcp("From", "Alice <alice@example.org>") == "Alice <alice@example.org>"


def test_messages_that_hid_nothing_change_nothing() -> None:
    """RFC 9788, 6.1.2, step 1."""
    assert policy(None, OPEN) is OPEN
    assert policy(OPEN, OPEN) is OPEN
    signed = smimekit.sign(MESSAGE, bob())
    with smimekit.open(signed, trust=trust()) as opened:
        assert reply_headers(opened, headers=OPEN) is OPEN
    sealed = smimekit.encrypt(signed, [alice()])
    with smimekit.open(sealed, keys=[alice()], trust=trust()) as opened:
        assert reply_headers(opened, headers=OPEN) is OPEN


def test_recipients_of_an_answer_come_from_inside() -> None:
    """RFC 9788, 6.2: Mallory adds herself to a copy, and is not answered."""
    mail = smimekit.encrypt(MESSAGE, [alice()], signer=bob())
    mail = b"Reply-To: mallory@evil.example\r\n" + mail.replace(b"carol@", b"mallory@")
    with smimekit.open(mail, keys=[alice()], trust=trust()) as opened:
        fields = [(field.name, field.value) for field in opened.header.protected]
        assert "mallory" not in str(reply_all(fields))
        assert dict(reply_all(fields))["To"] == "Bob <bob@example.org>"


def test_the_fields_of_a_plain_reply() -> None:
    """RFC 5322, 3.6.4 and 3.6.5."""
    fields = [
        ("From", "a@x"), ("Reply-To", "b@x"), ("subject", "RE: Hi"), ("Message-ID", "<2@x>"),
        ("In-Reply-To", "<1@x>"),
    ]  # fmt: skip
    assert reply_fields(fields) == [
        ("To", "b@x"), ("Subject", "RE: Hi"), ("In-Reply-To", "<2@x>"), ("References", "<1@x> <2@x>"),
    ]  # fmt: skip
    assert reply_fields([*fields, ("References", "<0@x>")])[-1] == ("References", "<0@x> <2@x>")
    assert reply_fields([]) == []
