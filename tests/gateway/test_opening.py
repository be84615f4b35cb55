"""Nobody gets what their own keys do not open, whoever else is in the envelope."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smimekit
from smimekit import Credential
from smimekit.cms.recipients import ContentKey, RecipientInfo
from smimekit.gateway import Deliver, EnvelopeRecipient
from smimekit.gateway.core import Core
from smimekit.gateway.inbound.opening import openings
from smimekit.message.layers import Protection
from smimekit.message.receive import open_message
from smimekit.span import Span
from tests.gateway.arrivals import CAROL, DAVE, carol, core, dave, received
from tests.message.people import NOW, alice, bare_enveloped, ca, draft, entity, mime, person

ERIN = "erin@example.com"
SECRET = b"The plan is on."


def erin() -> Credential:
    return person(ERIN)


PEOPLE: dict[str, Callable[[], Credential]] = {CAROL: carol, DAVE: dave, ERIN: erin}
FEW = settings(max_examples=20)
"""Each example costs a dozen operations with private keys."""


def encrypted(*to: Credential) -> bytes:
    return smimekit.encrypt(draft(), [each.certificate for each in to], signer=alice(), at=NOW)


def readers(at: Core, mail: bytes, *to: str) -> set[str]:
    """Who gets plaintext."""
    found = set()
    with received(at, mail, *to) as results:
        for outcome in results.outcomes:
            assert isinstance(outcome, Deliver)
            if SECRET in outcome.mail.message.bytes():
                found |= {each.address for each in outcome.recipients}
    return found


def test_only_whose_own_key_opens_it_gets_it_open() -> None:
    """Dave is in the envelope, and his mail lies beside Carol's key: it is not his."""
    at = core(carol(), dave())
    assert readers(at, encrypted(carol()), CAROL, DAVE) == {CAROL}
    assert readers(at, encrypted(carol()), DAVE, CAROL) == {CAROL}
    assert readers(at, encrypted(carol()), DAVE) == set()
    assert readers(at, encrypted(carol(), dave()), CAROL, DAVE) == {CAROL, DAVE}


def test_to_and_cc_open_nothing() -> None:
    """By RecipientInfo, never by header."""
    mail = encrypted(carol()).replace(b"To: bob@example.org", b"To: dave@example.com")
    assert readers(core(carol(), dave()), mail, DAVE) == set()


@FEW
@given(
    holders=st.sets(st.sampled_from(sorted(PEOPLE))),
    readable_by=st.sets(st.sampled_from(sorted(PEOPLE)), min_size=1),
    to=st.permutations(sorted(PEOPLE)),
)
def test_plaintext_reaches_those_who_hold_a_key_that_opens_it(
    holders: set[str], readable_by: set[str], to: list[str]
) -> None:
    """And each recipient is in just one outcome."""
    mail = encrypted(*(PEOPLE[each]() for each in sorted(readable_by)))
    at = core(*(PEOPLE[each]() for each in sorted(holders)))
    assert readers(at, mail, *to) == holders & readable_by
    with received(at, mail, *to) as results:
        told = [each.address for one in results.outcomes for each in one.recipients]
    assert sorted(told) == sorted(to)


@FEW
@given(
    outer=st.sets(st.sampled_from(sorted(PEOPLE)), min_size=1),
    inner=st.sets(st.sampled_from(sorted(PEOPLE)), min_size=1),
)
def test_every_encryption_has_to_be_opened(outer: set[str], inner: set[str]) -> None:
    within = mime(
        bare_enveloped(entity(), *(PEOPLE[each]() for each in sorted(inner))), "enveloped-data"
    )
    mail = mime(
        bare_enveloped(within, *(PEOPLE[each]() for each in sorted(outer))), "enveloped-data"
    )
    at = core(*(each() for each in PEOPLE.values()))
    assert readers(at, mail, *sorted(PEOPLE)) == outer & inner


def test_who_reads_the_same_shares_one_opening() -> None:
    """A mail to many is decrypted once, and not once for each."""
    at = core(carol(), dave())
    with received(at, encrypted(carol(), dave()), CAROL, DAVE) as results:
        assert len(results.outcomes) == 1
    with received(at, draft(), CAROL, DAVE, ERIN) as results:
        assert len(results.outcomes) == 1
    with received(at, encrypted(carol()), DAVE, ERIN, CAROL) as results:
        assert sorted(len(one.recipients) for one in results.outcomes) == [1, 2]


def opened_times(monkeypatch: pytest.MonkeyPatch, at: Core, mail: bytes, *to: str) -> int:
    """How often a mail was opened for them."""
    count = 0

    def counting(*args: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        return open_message(*args, **options)

    monkeypatch.setattr("smimekit.gateway.inbound.opening.open_message", counting)
    with received(at, mail, *to) as results:
        told = [each.address for one in results.outcomes for each in one.recipients]
    assert sorted(told) == sorted(to)
    return count


def test_what_nobody_can_read_is_not_tried_again_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is broken outside, or inside an encryption that all of them open."""
    at = core(carol(), dave(), person(ERIN))
    outside = mime(b"\x30\x03\x02\x01\x00", "enveloped-data")
    assert opened_times(monkeypatch, at, outside, CAROL, DAVE, ERIN) == 1
    broken = b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"\r\n\r\n'
    inside = mime(bare_enveloped(broken, carol(), dave()), "enveloped-data")
    assert opened_times(monkeypatch, at, inside, CAROL, DAVE) == 1
    assert opened_times(monkeypatch, at, inside, CAROL, DAVE, ERIN) == 2
    assert opened_times(monkeypatch, at, inside, ERIN, DAVE, CAROL) == 2


def test_all_keys_of_a_recipient_are_tried() -> None:
    old, new = ca().expired(CAROL), carol()
    for keys in ((old, new), (new, old)):
        assert readers(core(*keys), encrypted(old), CAROL) == {CAROL}


def test_addresses_are_compared_without_case() -> None:
    assert readers(core(carol()), encrypted(carol()), "Carol@EXAMPLE.com") == {"Carol@EXAMPLE.com"}


class Liar:
    """Says that it opens everything, and gives a key of its own."""

    def unwrap(
        self, recipients: Sequence[RecipientInfo], *, size: int | None, attempts: int
    ) -> ContentKey:
        return ContentKey(b"\0" * (size or 32))


class Two:
    """Keys by address, of any kind."""

    def __init__(self, **keys: Any) -> None:
        self._keys = keys

    def of(self, address: str) -> tuple[Any, ...]:
        return (self._keys[address.partition("@")[0]],)


@pytest.mark.parametrize("to", [(CAROL, DAVE), (DAVE, CAROL)])
def test_a_key_that_only_says_that_it_fits_does_not_share(to: tuple[str, str]) -> None:
    """The content-encryption key has to be the very one; PKCS #1 v1.5 gives a random one."""
    at = replace(core(), keys=Two(carol=carol(), dave=Liar()))  # type: ignore[arg-type]  # no signing here
    assert readers(at, encrypted(carol()), *to) == {CAROL}


def test_each_recipient_is_told_of_their_own_keys() -> None:
    """Carol's key fits and fails; for Dave there is none, whatever came of hers."""

    class Keys:
        def of(self, address: str) -> tuple[Any, ...]:
            return (Liar(),) if address == CAROL else ()

    at = replace(core(), keys=Keys())  # type: ignore[arg-type]  # no signing here
    with received(at, encrypted(carol()), CAROL, DAVE) as results:
        said = {}
        for outcome in results.outcomes:
            assert isinstance(outcome, Deliver)
            said[outcome.recipients[0].address] = outcome.mail.message.bytes()
    assert b"error=decryption" in said[CAROL]
    assert b"error=no-matching-key" in said[DAVE]


def test_what_was_opened_is_closed_with_the_rest() -> None:
    recipients = (EnvelopeRecipient(address=CAROL),)
    with ExitStack() as closing:
        [found] = openings(
            core(carol()), Span.of(encrypted(carol())), recipients, at=NOW, closing=closing
        )
        assert found.opened is not None
        assert len(found.opened.payload(require=Protection.CONFIDENTIAL))
    with pytest.raises(smimekit.UsageError):
        found.opened.payload(require=Protection.CONFIDENTIAL)
