"""Whatever comes in: one outcome for each recipient, no exception, and no pass for nothing."""

import re
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smimekit
from smimekit.errors import SmimeError
from smimekit.gateway import Deliver
from smimekit.gateway.core import Core
from tests.gateway.arrivals import CAROL, DAVE, carol, core, dave, received
from tests.message.people import NOW, alice, as_part, draft, entity, mallory, multipart

FEW = settings(max_examples=40)
FORGED = b"Authentication-Results: mx.example.com; smime=pass\r\n"
OURS = re.compile(
    rb"^authentication-results[ \t]*: mx\.example\.com.*(?:\n+[ \t].*)*",
    re.IGNORECASE | re.MULTILINE,
)


@cache
def site(*, convert: bool) -> Core:
    return core(
        carol(), dave(), opaque_to_clear=convert, strip_signatures=convert, subject_tags=convert
    )


@cache
def mails() -> tuple[bytes, ...]:
    """Good mail of all kinds."""
    signed = smimekit.sign(draft(), alice(), at=NOW)
    encrypted = smimekit.encrypt(draft(), [carol().certificate], signer=alice(), at=NOW)
    return (
        draft(),
        signed,
        smimekit.sign(draft(), alice(), opaque=True, at=NOW),
        smimekit.sign(draft(), mallory(), at=NOW),
        encrypted,
        smimekit.encrypt(draft(), [carol().certificate, dave().certificate], at=NOW),
        smimekit.sign(encrypted, alice(), at=NOW),
        multipart("mixed", as_part(signed), entity("footer")),
    )


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """One of them, with some octets gone, doubled or others; or forged fields in it."""
    mail = draw(st.sampled_from(mails()))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(mail)))
        end = min(len(mail), at + draw(st.sampled_from([0, 1, 2, 40])))
        new = draw(
            st.sampled_from(
                [
                    b"",
                    b"\r\n",
                    b"\n",
                    b"\r",
                    b"\0",
                    b"\xff",
                    FORGED,
                    mail[at:end] * 2,
                    b"From: a@b.example\r\n",
                ]
            )
        )
        mail = mail[:at] + new + mail[end:]
    return mail


def check(mail: bytes, at: Core) -> None:
    with received(at, mail, CAROL, DAVE) as results:
        told = sorted(each.address for one in results.outcomes for each in one.recipients)
        assert told == [CAROL, DAVE]
        for outcome in results.outcomes:
            if isinstance(outcome, Deliver):
                _check_result(mail, outcome, at)


def _check_result(mail: bytes, outcome: Deliver, at: Core) -> None:
    """A pass is what `verify` gives for these recipients' keys; and it is said once, on top."""
    found = outcome.mail.message.bytes()
    head = found.partition(b"\r\n\r\n")[0]
    ours = list(OURS.finditer(head.replace(b"\r", b"\n")))
    assert [each.start() for each in ours] == [0]
    if b"smime=pass" not in ours[0][0]:
        return
    keys = [one for each in outcome.recipients for one in at.keys.of(each.address)]
    with smimekit.open(mail, trust=at.trust, keys=keys, at=NOW) as opened:
        assert opened.payload(require=smimekit.Protection.VERIFIED).signatures


@FEW
@given(damaged(), st.booleans())
def test_damaged_mail(mail: bytes, convert: bool) -> None:
    check(mail, site(convert=convert))


@given(st.binary(max_size=300), st.booleans())
def test_any_octets(mail: bytes, convert: bool) -> None:
    check(mail, site(convert=convert))


@pytest.mark.parametrize("convert", [False, True])
def test_good_mail_of_all_kinds(convert: bool) -> None:
    """The check above sees passes, too."""
    passes = 0
    for mail in mails():
        check(mail, site(convert=convert))
        with received(site(convert=convert), mail, CAROL) as results:
            [outcome] = results.outcomes
            assert isinstance(outcome, Deliver)
            passes += b"smime=pass" in outcome.mail.message.bytes()
    assert passes == 4


def test_any_octets_are_delivered_as_they_came() -> None:
    """What nobody can read is nobody's to lose."""
    for mail in (b"", b"\0\xff", b"From: a", b"\r\n\r\n", b"no header\r\n"):
        with received(site(convert=False), mail, CAROL) as results:
            [outcome] = results.outcomes
            assert isinstance(outcome, Deliver)
            assert mail in outcome.mail.message.bytes()


def test_verify_is_the_measure() -> None:
    with pytest.raises(SmimeError):
        smimekit.verify(mails()[3], site(convert=False).trust, at=NOW)
