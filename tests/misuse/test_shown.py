"""Text of strangers where people read it: no line of its own, no escape sequence, no bidi override.

A record gives what a mail says as it stands (`HeaderField.text`); sentences, reprs, plans, header
fields and log lines that smimekit makes of it do not. The command line: tests/cli/test_text.py.
"""

import json
import logging
from collections.abc import Iterator
from email.header import Header

import pytest

import smimekit
from smimekit import (
    InsufficientProtection,
    Opened,
    Protection,
    SmimeError,
)
from smimekit.gateway import Deliver, Hold
from smimekit.gateway.reports.audit import audit_line
from smimekit.gateway.reports.failures import logged
from smimekit.testing import FakeCA
from tests.gateway.arrivals import Listener, carol, core, received
from tests.gateway.people import gateway, planned
from tests.message.people import NOW, bob, trust

STEERING = "\x1b[31m\x07\x9b\u202e\u2066\u200b\r\n\x0b\x85\u2028X-Fake: yes"
ADDRESS = f'"a{STEERING}"@example.org'
EVIL = set("\x1b\x07\x9b\u202e\u2066\u200b\x0b\x85\u2028")


def check(text: str, *, lines: bool = False) -> None:
    assert not set(text) & EVIL, text
    if not lines:
        assert text.isprintable(), text


def mallory() -> smimekit.Credential:
    return FakeCA(f"CA {STEERING}", now=NOW).person("m@evil.example", name=f"M {STEERING}")


def mail_of(value: str) -> bytes:
    """A header that says it in each way there is: in octets, and in encoded words."""
    word = Header(value, "utf-8", maxlinelen=10_000).encode()
    raw = value.replace("\r\n", "").encode()
    return (
        b"From: %b <m@evil.example>\r\nTo: %b <carol@example.com>\r\n" % (word.encode(), raw)
        + b"Subject: %b %b\r\nMessage-ID: <%b@x>\r\n" % (word.encode(), raw, raw)
        + b"Content-Type: text/plain; charset=us-ascii\r\n\r\nText\r\n"
    )


MAIL = mail_of(STEERING)


# --- errors ----------------------------------------------------------------------------------


def kinds(root: type[SmimeError]) -> Iterator[type[SmimeError]]:
    yield root
    for each in root.__subclasses__():
        yield from kinds(each)


@pytest.mark.parametrize("kind", sorted(set(kinds(SmimeError)), key=repr))
def test_no_error_shows_what_steers_whatever_it_names(kind: type[SmimeError]) -> None:
    if kind is smimekit.DecryptionError:
        error: SmimeError = smimekit.DecryptionError()
    else:
        error = kind(f"Nobody knows {ADDRESS}, na\u00efve \u4f60\u597d.")
        assert "na\u00efve \u4f60\u597d." in str(error)
    for text in (str(error), repr(error), repr(error.args), *logged(error).splitlines()):
        check(text)


def test_no_verb_shows_what_steers() -> None:
    eve = mallory()
    mail = smimekit.sign(MAIL, eve)
    acts = (
        lambda: smimekit.verify(mail, trust()),
        lambda: smimekit.verify(mail, trust(), expect=ADDRESS),
        lambda: smimekit.decrypt(smimekit.encrypt(MAIL, [bob()]), [eve]),
        lambda: smimekit.encrypt(MAIL, [ADDRESS]),  # type: ignore[list-item]  # the mistake
        lambda: smimekit.encrypt(MAIL, [FakeCA(STEERING, now=NOW).expired("x@example.org")]),
        lambda: smimekit.sign(MAIL.replace(b"Subject:", b"From: x@y\r\nSubject:"), eve),
        lambda: smimekit.plan_encryption([ADDRESS]),  # type: ignore[list-item]  # the mistake
        lambda: smimekit.trust.open_store(f"no{STEERING}such"),
    )
    refused = 0
    for act in acts:
        try:
            act()
        except SmimeError as error:
            refused += 1
            check(str(error))
            check(repr(error))
    assert refused >= 5


# --- records ---------------------------------------------------------------------------------


def shown(opened: Opened) -> Iterator[str]:
    yield repr(opened)
    yield from map(repr, (opened.header, opened.envelope, opened.errant))
    for each in opened.signatures:
        assert each.judgement is not None
        yield from each.reasons
        yield from (reason.text for reason in each.judgement.reasons)
        yield str(each.certificate)
        yield each.signer
    yield str(opened.verification_error())


def test_nothing_that_is_said_of_a_mail_steers() -> None:
    eve = mallory()
    with smimekit.open(smimekit.sign(MAIL, eve), trust=trust()) as opened:
        for text in shown(opened):
            check(text)
        with pytest.raises(InsufficientProtection) as caught:
            opened.payload(require=Protection.VERIFIED)
        check(str(caught.value))
        [subject] = [each for each in opened.header.fields if each.named("Subject")]
        assert set(subject.text) & EVIL, "a record gives what stands there"


# --- the gateway -----------------------------------------------------------------------------


@pytest.mark.parametrize("encrypted", [False, True])
def test_the_gateway_writes_nothing_that_steers(
    encrypted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Its header fields are ASCII, its audit one line of it, its notes and logs printable."""
    caplog.set_level(logging.DEBUG)
    mail = smimekit.sign(MAIL, mallory())
    if encrypted:
        mail = smimekit.encrypt(MAIL, [carol()], signer=mallory())
    listener = Listener()
    with received(core(carol(), events=listener, subject_tags=True), mail) as found:
        [outcome] = found.outcomes
        assert isinstance(outcome, Deliver | Hold)
        text = outcome.mail.message.bytes()
        check(repr(outcome.notes) if isinstance(outcome, Deliver) else outcome.reason)
    assert b"smime=" in text
    header = text[: text.index(b"\r\n\r\n")].split(b"\r\n")
    assert not any(line.lower().startswith(b"x-fake") for line in header)
    ours = [
        line.decode("ascii")
        for line in header
        if line.lower().startswith((b"authentication-results", b"x-smime", b" smime=", b"  "))
    ]
    assert ours
    for line in ours:
        check(line)
    for entry in listener.entries:
        line = audit_line(entry)
        assert line.isascii()
        check(line.removesuffix("\n"))
        check(json.dumps(entry.plan))
    check(caplog.text.replace("\n", ""))


def test_a_plan_for_people_is_lines_of_text() -> None:
    """A login is whatever the client said, and a recipient may have any local part."""
    plan = planned(gateway(), MAIL, ADDRESS, user=f"m{STEERING}", mail_from=ADDRESS)
    text = plan.explain()
    assert "X-Fake" in text
    for line in text.splitlines():
        check(line)
        assert not line.startswith("X-Fake")
    check(json.dumps(plan.as_json()))
