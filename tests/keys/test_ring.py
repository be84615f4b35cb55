"""A ring of keys: exactly the messages to one of them open, and the right one signs."""

import base64
import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

import smimekit
from smimekit import KeyRing
from smimekit.algorithms import RsaPadding, SignatureScheme
from smimekit.certificate import Certificate
from smimekit.cms.identifiers import IssuerAndSerialNumber, SubjectKeyIdentifier
from smimekit.cms.recipients import (
    ContentKey,
    KemRecipient,
    KeyAgreeRecipient,
    KeyTransRecipient,
    RecipientInfo,
)
from smimekit.cms.wrapping import wrap_for
from smimekit.errors import DecryptionError, KeyAccessError, NoMatchingKey, UsageError
from smimekit.keys import Credential, Decryptor, KeySource, SoftwareKey
from smimekit.message.layers import Encrypted
from smimekit.primitives import PublicKey
from smimekit.private_key import PrivateKey
from smimekit.testing import FakeCA
from smimekit.testing.profiles import Profile, subject_name

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEY = ContentKey(bytes(range(32)))


@cache
def ca() -> FakeCA:
    return FakeCA(now=NOW)


def profile(start: int, end: int) -> Profile:
    """From `start` to `end`, in days from now."""
    return Profile(start=timedelta(days=start), end=timedelta(days=end))


def again(who: Credential, days: int) -> Credential:
    """Another certificate for the same key, which began some days ago."""
    renewed = ca()._issue(
        subject_name("again"), who.addresses, who.key._key, profile(-days, 365)  # type: ignore[attr-defined]  # a software key
    )  # fmt: skip
    return Credential(who.key, renewed)


@cache
def pool() -> tuple[Credential, ...]:
    """Pairs of many kinds: of one address and of others, expired, renewed, without a chain."""
    alice = ca().person("alice@example.org")
    return (
        alice,
        again(alice, 20),
        ca().person("alice@example.org", key="rsa-2048"),
        ca().expired("alice@example.org"),
        ca().self_signed("bob@example.org", key="p384"),
        ca().encrypt_only("bob@example.org", key="x25519"),
        ca().encrypt_only("carol@example.org", key="ml-kem-768"),
        FakeCA(now=NOW).person("carol@example.org", key="x448", profile=Profile(purpose="encrypt")),
        ca().dual("dora@example.org").siblings[0],
    )


def wrapped(who: Credential, *, by_key_id: bool) -> RecipientInfo:
    """The key for somebody, named in one way or the other."""
    info = wrap_for(who.certificate, KEY, RsaPadding())
    rid = (SubjectKeyIdentifier if by_key_id else IssuerAndSerialNumber).of(who.certificate)
    match info:
        case KeyAgreeRecipient(keys=(one,)):
            return dataclasses.replace(info, keys=(dataclasses.replace(one, rid=rid),))
        case KeyTransRecipient() | KemRecipient():
            return dataclasses.replace(info, rid=rid)
    raise AssertionError


def opens(ring: Decryptor, recipients: Sequence[RecipientInfo]) -> bool:
    try:
        return ring.unwrap(recipients, size=32, attempts=64).octets == KEY.octets
    except NoMatchingKey:
        return False


INDEXES = st.integers(0, 8)


@given(
    held=st.lists(st.lists(INDEXES, min_size=1, max_size=3), max_size=6),
    named=st.lists(st.tuples(INDEXES, st.booleans()), max_size=5),
)
def test_exactly_the_messages_to_one_of_the_keys_open(
    held: list[list[int]], named: list[tuple[int, bool]]
) -> None:
    """Any number of keys in any order, alone and as siblings; any number of recipients."""
    people = pool()
    credentials = [
        dataclasses.replace(people[first], siblings=tuple(people[one] for one in others))
        for first, *others in held
    ]
    have = {people[one].certificate for one in chain.from_iterable(held)}
    key_ids = {each.key_id for each in have}
    mine = any(
        people[one].certificate.key_id in key_ids if by_key_id else people[one].certificate in have
        for one, by_key_id in named
    )
    recipients = [wrapped(people[one], by_key_id=by_key_id) for one, by_key_id in named]
    ring = KeyRing(*credentials)
    assert opens(ring, recipients) == mine
    assert len(ring) == len(have)
    assert {each.certificate for each in ring} == have


@cache
def mail_to(*named: int) -> bytes:
    people = pool()
    to = [people[one].certificate for one in named]
    return smimekit.encrypt(b"From: x@example.org\r\n\r\nHello\r\n", to=to)


def outcome(mail: bytes, keys: list[Decryptor]) -> str:
    try:
        with smimekit.decrypt(mail, keys=keys) as payload:
            return "Hello" if b"Hello" in payload.bytes() else "garbage"
    except smimekit.MimeError:
        return "garbage"  # which may stand in the header, too
    except smimekit.SmimeError as error:
        return f"{error.code}: {error}"


FEW = st.integers(0, 4)


@given(
    held=st.lists(FEW, max_size=4),
    named=st.sets(FEW, min_size=1, max_size=3),
    rings=st.integers(1, 3),
)
def test_exactly_the_mail_to_one_of_the_keys_opens(
    held: list[int], named: set[int], rings: int
) -> None:
    """Any keys in any order, alone, in one ring or in several; and one error for all others."""
    people = pool()
    mail = mail_to(*sorted(named))
    keys: list[Decryptor] = [
        KeyRing(*(people[one] for one in held[at::rings])) for at in range(rings)
    ]
    alone: list[Decryptor] = [people[one] for one in held]
    found = {outcome(mail, keys), outcome(mail, keys[::-1]), outcome(mail, [*alone, *keys])}
    if named & set(held):
        assert found == {"Hello"}
    else:
        assert found == {
            "no-matching-key: The message is encrypted, but for none of the keys at hand."
        }


def test_mail_that_does_not_open_has_one_error() -> None:
    """Whichever of the keys was meant, and however the end of the ciphertext was changed."""
    ring, found = KeyRing(*pool()), set()
    for number in range(5):
        data = bytearray(base64.b64decode(mail_to(number).rpartition(b"\r\n\r\n")[2]))
        for bit in (1, 16, 128):
            data[-1] ^= bit
            found.add(outcome(bytes(data), [ring]))
    # Of CBC one end in 256 looks right; what was encrypted there is garbage then.
    errors = found - {"Hello", "garbage"}
    assert errors == {f"decryption: {DecryptionError()}"}


def test_a_ring_opens_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    alice, _, rsa, *_ = pool()
    ring = KeyRing(pool()[4], rsa, alice)
    mail = smimekit.encrypt(b"From: x@example.org\r\n\r\nHello\r\n", to=[rsa.certificate])
    assert b"Hello" in smimekit.decrypt(mail, keys=[ring]).bytes()
    with pytest.raises(NoMatchingKey):
        smimekit.decrypt(mail, keys=[KeyRing(alice)])
    assert isinstance(ring, Decryptor)


# --- all that match are tried --------------------------------------------------------------


def same_key_id(name: str, serial: int = 0) -> Credential:
    """Somebody whose certificate claims the key identifier of others."""
    key, serial = ec.generate_private_key(ec.SECP256R1()), serial or x509.random_serial_number()
    builder = x509.CertificateBuilder(
        subject_name(name), subject_name(name), key.public_key(), serial,
        NOW - timedelta(days=1), NOW + timedelta(days=1),
    ).add_extension(x509.SubjectKeyIdentifier(b"the same"), critical=False)  # fmt: skip
    made = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    return Credential(SoftwareKey(key), Certificate(made))


def without_key_id() -> Credential:
    """Somebody whose certificate has no extensions at all."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(
        subject_name("old"), subject_name("old"), key.public_key(), x509.random_serial_number(),
        NOW - timedelta(days=1), NOW + timedelta(days=1),
    )  # fmt: skip
    made = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    return Credential(SoftwareKey(key), Certificate(made))


def test_a_certificate_without_identifier_is_found_by_each_that_programs_compute() -> None:
    """RFC 5280, 4.2.1.2 (1) hashes the key; Windows and .NET hash what stands around it as well."""
    old = without_key_id()
    spki = hashlib.sha1(old.certificate.spki, usedforsecurity=False).digest()
    usual = wrapped(old, by_key_id=True)
    assert isinstance(usual, KeyAgreeRecipient)
    (one,) = usual.keys
    windows = dataclasses.replace(
        usual, keys=(dataclasses.replace(one, rid=SubjectKeyIdentifier(spki)),)
    )
    assert usual != windows
    for ring in (KeyRing(old), old):
        assert opens(ring, [usual])
        assert opens(ring, [windows])


def test_a_serial_number_is_of_its_issuer() -> None:
    """RFC 5652, 10.2.4: two CAs give the same number to two people."""
    one, another = same_key_id("one", 77), same_key_id("another", 77)
    recipients = [wrapped(one, by_key_id=False)]
    assert opens(KeyRing(another, one), recipients)
    with pytest.raises(NoMatchingKey):
        KeyRing(another).unwrap(recipients, size=32, attempts=64)


def test_all_keys_with_one_identifier_are_tried() -> None:
    one, two = same_key_id("one"), same_key_id("two")
    message = [wrapped(two, by_key_id=True)]
    for ring in (KeyRing(one, two), KeyRing(two, one)):
        assert opens(ring, message)
        found = ring.unwrap(message, size=32, attempts=64)
        assert found.certificate == two.certificate


def test_a_recipient_that_does_not_open_does_not_hide_the_next() -> None:
    alice, _, rsa, *_ = pool()
    good = wrapped(alice, by_key_id=False)
    assert isinstance(good, KeyAgreeRecipient)
    (entry,) = good.keys
    bad = dataclasses.replace(good, keys=(dataclasses.replace(entry, encrypted_key=bytes(40)),))
    assert opens(KeyRing(alice, rsa), [bad, wrapped(rsa, by_key_id=True)])


def test_what_does_not_open_gives_a_random_key() -> None:
    """RFC 3218, 2.3: like any other key, so that no sender learns why."""
    alice = pool()[0]
    good = wrapped(alice, by_key_id=False)
    assert isinstance(good, KeyAgreeRecipient)
    bad = dataclasses.replace(
        good, keys=(dataclasses.replace(good.keys[0], encrypted_key=bytes(40)),)
    )
    one, two = (KeyRing(alice).unwrap([bad], size=32, attempts=64) for _ in range(2))
    assert len(one.octets) == len(two.octets) == 32
    assert one.octets != two.octets
    assert one.certificate == alice.certificate


class Watched:
    """A private key that counts what it is asked, and may be out of reach."""

    def __init__(self, key: PrivateKey, *, lost: bool = False) -> None:
        self.key, self.lost, self.asked = key, lost, 0

    @property
    def public_key(self) -> PublicKey:
        return self.key.public_key

    def _answer(self) -> None:
        self.asked += 1
        if self.lost:
            raise KeyAccessError("The token was pulled out.", code="key-access.lost")

    def sign(self, data: bytes, scheme: SignatureScheme) -> bytes:
        self._answer()
        return self.key.sign(data, scheme)

    def decrypt(self, ciphertext: bytes, padding: RsaPadding) -> bytes:
        self._answer()
        return self.key.decrypt(ciphertext, padding)

    def exchange(self, peer: PublicKey) -> bytes:
        self._answer()
        return self.key.exchange(peer)

    def decapsulate(self, ciphertext: bytes) -> bytes:
        self._answer()
        return self.key.decapsulate(ciphertext)


def test_attempts_are_counted_over_the_whole_ring() -> None:
    one, two = same_key_id("one"), same_key_id("two")
    keys = [Watched(one.key), Watched(two.key)]
    ring = KeyRing(Credential(keys[0], one.certificate), Credential(keys[1], two.certificate))
    stranger = same_key_id("three")
    ring.unwrap(9 * [wrapped(stranger, by_key_id=True)], size=32, attempts=5)
    assert sum(key.asked for key in keys) == 5


def test_a_key_out_of_reach_is_an_error_unless_another_opens() -> None:
    alice, _, rsa, *_ = pool()
    lost = Credential(Watched(alice.key, lost=True), alice.certificate)
    both = [wrapped(alice, by_key_id=False), wrapped(rsa, by_key_id=False)]
    assert opens(KeyRing(lost, rsa), both)
    assert opens(KeyRing(lost, alice), both[:1])  # the same key in two places
    with pytest.raises(KeyAccessError):
        opens(KeyRing(lost), both)
    assert not opens(KeyRing(lost), both[1:])  # not for it: then it does not matter
    mail = smimekit.encrypt(b"From: x@example.org\r\n\r\nHello\r\n", to=[alice.certificate])
    with smimekit.open(mail, keys=[KeyRing(lost)], trust=smimekit.Trust()) as opened:
        (layer,) = opened.envelope
        assert isinstance(layer, Encrypted)
        assert isinstance(layer.failure, KeyAccessError)
    with pytest.raises(KeyAccessError):
        smimekit.decrypt(mail, keys=[KeyRing(lost)])


def test_recipients_are_looked_up_and_not_compared_with_each_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alice = pool()[0]
    ring = KeyRing(*(again(alice, days) for days in range(1, 40)))
    someone = wrapped(pool()[2], by_key_id=False)
    assert isinstance(someone, KeyTransRecipient)
    strangers = [
        dataclasses.replace(someone, rid=IssuerAndSerialNumber(b"0\0", number))
        for number in range(2, 2_000)
    ]
    compared = 0
    matches = IssuerAndSerialNumber.matches

    def count(self: IssuerAndSerialNumber, certificate: Certificate) -> bool:
        nonlocal compared
        compared += 1
        return matches(self, certificate)

    monkeypatch.setattr(IssuerAndSerialNumber, "matches", count)
    assert not opens(ring, strangers)
    assert compared == 0


# --- who signs -----------------------------------------------------------------------------


def test_the_keys_of_an_address_are_all_of_its_owner_and_nobody_elses() -> None:
    """Old ones and those for encryption only, too: whoever asks wants to open mail."""
    old, new = ca().expired("a@example.org"), ca().dual("A@example.org", "b@example.org")
    ring = KeyRing(old, new, ca().person("c@example.org"))
    expected = {each.certificate for each in (old, *new.all)}
    assert {each.certificate for each in ring.of("a@EXAMPLE.org")} == expected
    assert {each.certificate for each in ring.of("b@example.org")} == {
        each.certificate for each in new.all
    }
    assert ring.of("nobody@example.org") == ()


def test_the_newest_valid_certificate_signs() -> None:
    make = ca().person
    old = make("alice@example.org", profile=profile(-400, -30))
    one = make("alice@example.org", profile=profile(-300, 60))
    two = make("alice@example.org", profile=profile(-10, 300))
    later = make("alice@example.org", profile=profile(20, 400))
    other = make("bob@example.org", profile=profile(-1, 400))
    for ring in (KeyRing(old, one, two, later, other), KeyRing(other, later, two, one, old)):
        chosen = [ring.signing("alice@example.org", at=NOW + timedelta(days=days)).certificate
                  for days in (-350, -200, 0, 30, 350)]  # fmt: skip
        wanted = [old, one, two, later, later]
        assert chosen == [each.certificate for each in wanted]


def test_the_last_moment_of_a_certificate_counts() -> None:
    who = ca().person("alice@example.org")
    ring, end = KeyRing(who), who.certificate.not_after
    assert ring.signing("alice@example.org", at=end).certificate == who.certificate
    assert ring.signing("alice@example.org", at=who.certificate.not_before)
    for at in (end + timedelta(seconds=1), who.certificate.not_before - timedelta(seconds=1)):
        with pytest.raises(UsageError) as error:
            ring.signing("alice@example.org", at=at)
        assert error.value.code == "usage.no-signing-key"
        assert ring.encryption_certificate("alice@example.org", at=at) is None


def test_dual_certificates_sign_with_one_and_announce_the_other() -> None:
    dual = ca().dual("dora@example.org", key="rsa-2048")
    newer = ca().encrypt_only("dora@example.org", key="p256")
    newer = Credential(newer.key, newer.certificate)
    later = ca().encrypt_only("dora@example.org", key="p384")
    for ring in (KeyRing(dual), KeyRing(dual.siblings[0], dataclasses.replace(dual, siblings=()))):
        chosen = ring.signing("dora@example.org", at=NOW)
        assert chosen.certificate == dual.certificate
        assert chosen.encryption_certificate == dual.siblings[0].certificate
        assert (
            ring.encryption_certificate("dora@example.org", at=NOW) == dual.siblings[0].certificate
        )
    assert later.certificate.not_before == newer.certificate.not_before
    both = [KeyRing(dual, newer, later), KeyRing(later, newer, dual)]
    assert (
        len({ring.signing("dora@example.org", at=NOW).encryption_certificate for ring in both}) == 1
    )


def test_certificates_for_something_else_do_not_sign() -> None:
    server = Profile(usages=(ExtendedKeyUsageOID.SERVER_AUTH,), start=timedelta(hours=-1))
    wrong = ca().person("alice@example.org", profile=server)
    encrypting = ca().encrypt_only("alice@example.org")
    right = ca().person("alice@example.org")
    assert (
        KeyRing(wrong, encrypting, right).signing("alice@example.org", at=NOW).certificate
        == right.certificate
    )
    with pytest.raises(UsageError, match="None of the 2 keys"):
        KeyRing(wrong, encrypting).signing("alice@example.org", at=NOW)
    anything = Profile(usages=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,))
    assert KeyRing(ca().person("a@example.org", profile=anything)).signing("a@example.org", at=NOW)
    unsaid = Profile(usages=())
    assert KeyRing(ca().person("a@example.org", profile=unsaid)).signing("a@example.org", at=NOW)


def named_in_the_subject(*alternative: str) -> Credential:
    """alice as old authorities name her, and beside that as new ones do."""
    key = pool()[0].key
    parts = [(NameOID.COMMON_NAME, "alice"), (NameOID.EMAIL_ADDRESS, "alice@old.example")]
    subject = x509.Name([x509.NameAttribute(*part) for part in parts])
    certificate = ca()._issue(subject, alternative, key._key, profile(-1, 365))  # type: ignore[attr-defined]  # a software key
    return Credential(key, certificate)


def test_an_address_in_the_subject_has_its_key() -> None:
    """RFC 8550, 3: it has to be recognised. Without it the owner's mail would stay closed."""
    alice = named_in_the_subject()
    ring = KeyRing(alice)
    assert ring.of("Alice@old.example") == (alice,)
    assert ring.signing("alice@old.example", at=NOW) == alice
    assert ring.encryption_certificate("alice@old.example", at=NOW) == alice.certificate


def test_an_address_in_the_subject_adds_nothing_to_the_alternative_names() -> None:
    """As with the signers of mail: what an authority has checked is in the subjectAltName."""
    alice = named_in_the_subject("alice@new.example")
    assert KeyRing(alice).of("alice@new.example") == (alice,)
    assert KeyRing(alice).of("alice@old.example") == ()


def test_an_address_is_compared_as_mail_compares_it() -> None:
    ring = KeyRing(ca().person("Alice@Example.org"))
    assert ring.signing("alice@example.ORG", at=NOW)
    with pytest.raises(UsageError, match="There is no key"):
        ring.signing("alice@example.net", at=NOW)


def test_who_signs_with_a_ring_is_believed() -> None:
    ring = KeyRing(*pool(), ca().dual("dora@example.org"))
    signed = smimekit.sign(
        b"From: dora@example.org\r\n\r\nHi\r\n", ring.signing("dora@example.org", at=NOW)
    )
    trust = smimekit.Trust(anchors=[ca().certificate])
    assert smimekit.verify(signed, trust, at=NOW).bytes()


# --- sources -------------------------------------------------------------------------------


def test_sources_are_read_once_when_the_ring_is_made() -> None:
    class Source:
        asked = 0

        def credentials(self) -> Iterator[Credential]:
            self.asked += 1
            yield from pool()[:3]

    source = Source()
    ring = KeyRing(pool()[4], source, pool()[0])
    assert len(ring) == 4
    assert opens(ring, [wrapped(pool()[2], by_key_id=True)])
    assert opens(ring, [wrapped(pool()[4], by_key_id=True)])
    assert source.asked == 1
    assert isinstance(source, KeySource)
    assert len(KeyRing()) == 0
    assert "4 for 2 addresses" in repr(ring)
