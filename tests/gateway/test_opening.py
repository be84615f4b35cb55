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
from smimekit.algorithms import AES256_GCM
from smimekit.cms.recipients import ContentKey, RecipientInfo
from smimekit.gateway import Defer, Deliver, EnvelopeRecipient
from smimekit.gateway.core import Core
from smimekit.gateway.inbound.opening import openings
from smimekit.gateway.outcomes import Outcome
from smimekit.limits import Limits
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
    # With a tag: under a wrong key, one CBC ciphertext in 256 looks well padded.
    certificates = [each.certificate for each in to]
    return smimekit.encrypt(draft(), certificates, signer=alice(), cipher=AES256_GCM, at=NOW)


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
    """Whether it is broken outside, or inside an encryption that all of them open.

    What is broken inside one without a tag is as what does not decrypt.
    """
    at = core(carol(), dave(), person(ERIN))
    outside = mime(b"\x30\x03\x02\x01\x00", "enveloped-data")
    assert opened_times(monkeypatch, at, outside, CAROL, DAVE, ERIN) == 1
    broken = b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"\r\n\r\n'
    sealed = bare_enveloped(broken, carol(), dave(), cipher=AES256_GCM)
    inside = mime(sealed, "authEnveloped-data")
    assert opened_times(monkeypatch, at, inside, CAROL, DAVE) == 1
    assert opened_times(monkeypatch, at, inside, CAROL, DAVE, ERIN) == 2
    assert opened_times(monkeypatch, at, inside, ERIN, DAVE, CAROL) == 2
    inside = mime(bare_enveloped(broken, carol(), dave()), "enveloped-data")
    assert opened_times(monkeypatch, at, inside, CAROL, DAVE) == 2


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


# --- how often ------------------------------------------------------------------------------------

MANY = tuple(f"user{number}@example.com" for number in range(50))


class Counted:
    """A key that counts what it is asked. It gives the right key, none, or a wrong one."""

    def __init__(self, credential: Credential | None, *, wrong: bytes = b"") -> None:
        self.credential, self.wrong = credential, wrong
        self.asked = 0

    def unwrap(
        self, recipients: Sequence[RecipientInfo], *, size: int | None, attempts: int
    ) -> ContentKey:
        self.asked += 1
        if self.wrong:
            return ContentKey(self.wrong * (size or 32))
        if self.credential is None:
            raise smimekit.NoMatchingKey("It is another's.")
        return self.credential.unwrap(recipients, size=size, attempts=attempts)


class Held:
    """A key for each address."""

    def __init__(self, keys: dict[str, Counted]) -> None:
        self.keys = keys

    def of(self, address: str) -> tuple[Counted, ...]:
        return (self.keys[address],)


def gone_through(
    monkeypatch: pytest.MonkeyPatch, keys: dict[str, Counted], most: int | None = None
) -> tuple[int, int, dict[str, type[Outcome]]]:
    """How often the mail was opened, how often keys were asked, and what each recipient got."""
    at = replace(core(), keys=Held(keys))  # type: ignore[arg-type]  # no signing here
    if most is not None:
        at = replace(at, policy=replace(at.policy, limits=Limits(openings=most)))
    count = 0

    def counting(*args: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        return open_message(*args, **options)

    monkeypatch.setattr("smimekit.gateway.inbound.opening.open_message", counting)
    with received(at, encrypted(carol()), *keys) as results:
        told = {each.address: type(one) for one in results.outcomes for each in one.recipients}
        texts = {one.enhanced for one in results.outcomes if isinstance(one, Defer)}
    assert set(told) == set(keys)
    assert texts <= {"4.5.3"}
    return count, sum(each.asked for each in keys.values()), told


def test_a_broken_key_for_each_recipient_is_tried_for_some_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One mail, n recipients, each with an encrypted key that is broken: n passes over all of it,
    if nobody counted. The others wait; the journal has who was served.
    """
    keys = {each: Counted(None, wrong=bytes([n + 1])) for n, each in enumerate(MANY)}
    opened, asked, told = gone_through(monkeypatch, keys)
    assert opened == Limits().openings
    assert asked == opened
    kinds = list(told.values())
    assert (kinds.count(Deliver), kinds.count(Defer)) == (opened, len(MANY) - opened)
    waiting = {each: Counted(None, wrong=b"w") for each in MANY if told[each] is Defer}
    opened, _, told = gone_through(monkeypatch, waiting)
    assert opened == Limits().openings
    assert list(told.values()).count(Deliver) == opened


@pytest.mark.parametrize(("most", "late"), [(5, 0), (4, 1)])
def test_limit_openings(monkeypatch: pytest.MonkeyPatch, most: int, late: int) -> None:
    """Nobody is refused for it: who is left comes next."""
    keys = {each: Counted(None, wrong=bytes([n + 1])) for n, each in enumerate(MANY[:5])}
    opened, _, told = gone_through(monkeypatch, keys, most=most)
    assert (opened, list(told.values()).count(Defer)) == (most, late)


def test_who_reads_the_same_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """One operation for each key, however many recipients and openings there are."""
    keys = {each: Counted(carol()) for each in MANY}
    assert gone_through(monkeypatch, keys, most=1)[:2] == (1, len(MANY))


def test_no_key_is_asked_the_same_thing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken ones among those who have a key, and those who have none: who reads what somebody
    before reads is served, however often the mail was opened until then.
    """
    made: list[Callable[[int], Counted]] = [
        lambda n: Counted(None, wrong=bytes([n + 1])),
        lambda n: Counted(carol()),
        lambda n: Counted(None),
    ]
    keys = {each: made[n % 3](n) for n, each in enumerate(MANY)}
    opened, asked, told = gone_through(monkeypatch, keys, most=5)
    assert opened == 5
    late = {each for each, kind in told.items() if kind is Defer}
    assert late == {each for each, key in keys.items() if key.wrong} - set(MANY[:7])
    assert asked <= 2 * len(MANY)


def test_a_mail_with_layers_of_its_own_for_each_asks_each_key_once_for_each_layer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    within = mime(bare_enveloped(entity(), carol()), "enveloped-data")
    outside = mime(bare_enveloped(within, carol()), "enveloped-data")
    monkeypatch.setattr("tests.gateway.test_opening.encrypted", lambda *_: outside)
    keys = {each: Counted(carol()) for each in MANY}
    opened, asked, told = gone_through(monkeypatch, keys)
    assert (opened, asked) == (1, 2 * len(MANY))
    assert set(told.values()) == {Deliver}
