"""SignedData read at one go says what the reader of every form says, or is left to it."""

import random
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smimekit import der
from smimekit.cms.at_hand import MOST, read_at_hand
from smimekit.cms.content import DATA, TST_INFO, content_info
from smimekit.cms.signed import SignedData
from smimekit.cms.signed_writing import certs_only, signed_data
from smimekit.errors import InputError
from smimekit.limits import Limits
from tests.cms.forge import LIMITS, Forgery, ca, person, read_signed
from tests.cms.test_any_ber import loosen


@cache
def usual() -> tuple[bytes, ...]:
    """What is read at one go: with one signer or several, and without any."""
    alice, bob = person(), person("rsa-2048")
    infos = [Forgery(who=who).signer_info() for who in (alice, bob)]
    bag = [alice.certificate.der, bob.certificate.der, ca().certificate.der]
    digests = [one.row.digest.identifier for one in (Forgery(), Forgery(who=bob))]
    return (
        signed_data(None, digests[:1], bag[:1], infos[:1]),
        signed_data(None, digests, bag, infos),
        signed_data(None, digests[:1], [], infos[:1], content_type=TST_INFO),
        certs_only(bag),
        revoked(),
    )


def revoked() -> bytes:
    """With CRLs of two kinds behind the certificates."""
    inside = der.sequence(
        der.integer(1),
        der.set_of(()),
        der.sequence(der.oid(DATA)),
        der.set_of([person().certificate.der], 0xA0),
        der.set_of([der.sequence(), der.constructed(1, der.oid("1.2.3"), der.integer(7))], 0xA1),
        der.set_of([Forgery().signer_info(), der.sequence(der.integer(1))]),
    )
    return content_info("1.2.840.113549.1.7.2", inside)


def slowly(octets: bytes, limits: Limits = LIMITS) -> SignedData | str:
    """What the reader of every form says, or the code of its error."""
    try:
        return read_signed(octets, limits=limits).data
    except InputError as error:
        return error.code


def same(octets: bytes, limits: Limits = LIMITS) -> bool:
    """Was it read at one go, and then as it is always read?"""
    found = read_at_hand(octets, limits=limits)
    assert found is None or found == slowly(octets, limits)
    return found is not None


@pytest.mark.parametrize("number", range(5))
def test_what_is_usual_is_read_at_one_go(number: int) -> None:
    assert same(usual()[number])
    found = read_at_hand(usual()[number], limits=LIMITS)
    assert found is not None
    assert found.detached
    assert len(found.signers) == (1, 2, 1, 0, 1)[number]
    assert len(found.unreadable_signers) == (0, 0, 0, 0, 1)[number]


@settings(max_examples=400)
@given(st.sampled_from(range(5)), st.data())
def test_other_octets_change_nothing(number: int, data: st.DataObject) -> None:
    """Octets changed, put in and taken out anywhere, headers above all."""
    octets = bytearray(usual()[number])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, min(len(octets) - 1, data.draw(st.sampled_from([90, 9999])))))
        kind = data.draw(st.sampled_from(["put", "in", "out"]))
        new = data.draw(
            st.sampled_from([0, 0x80, 0x30, 0x31, 0xA0, 0xA1, 4, 2]) | st.integers(0, 255)
        )
        octets[at : at + (kind != "in")] = b"" if kind == "out" else bytes((new,))
    same(bytes(octets))


@settings(max_examples=200)
@given(st.sampled_from(range(5)), st.integers(0, 1 << 32))
def test_values_in_other_places_change_nothing(number: int, seed: int) -> None:
    """Values taken out, doubled or swapped, with lengths that fit again."""
    same(shuffled(usual()[number], random.Random(seed)))  # noqa: S311 - no secret


def shuffled(value: bytes, choose: random.Random) -> bytes:
    tag, content = der.Reader(value).any()
    if not tag & 0x20:
        return value
    inside, parts = der.Reader(content), list[bytes]()
    while inside.more:
        parts.append(shuffled(inside.raw(), choose))
    if parts and choose.random() < 0.1:
        parts.append(choose.choice(parts))
    if parts and choose.random() < 0.1:
        parts.remove(choose.choice(parts))
    if choose.random() < 0.1:
        choose.shuffle(parts)
    return der.tlv(tag, *parts)


@given(st.sampled_from(range(5)), st.integers(0, 1 << 32))
def test_any_ber_is_left_or_read_alike(number: int, seed: int) -> None:
    same(loosen(usual()[number], random.Random(seed)))  # noqa: S311 - no secret


@pytest.mark.parametrize("behind", [b"\x00", b"\r\n", b"x", b"\x00" * 20])
def test_what_follows_is_for_the_other_reader(behind: bytes) -> None:
    """Padding is nothing, and anything else is an error: that one knows which it is."""
    assert read_at_hand(usual()[0] + behind, limits=LIMITS) is None


def test_content_is_for_the_other_reader() -> None:
    """What was signed goes to a place where it waits, and is digested on its way."""
    bag, infos = [person().certificate.der], [Forgery().signer_info()]
    for content in (b"", b"content"):
        assert read_at_hand(signed_data(content, (), bag, infos), limits=LIMITS) is None


BOUNDS = [
    Limits(certificates=2), Limits(certificates=3), Limits(signers=1), Limits(signers=2),
    Limits(digest_algorithms=1), Limits(attributes=3), Limits(crls=1), Limits(cms_depth=4),
    Limits(cms_depth=5), Limits(metadata_bytes=100), Limits(value_bytes=200),
]  # fmt: skip


@pytest.mark.parametrize("limits", BOUNDS)
@pytest.mark.parametrize("number", range(5))
def test_the_same_limits_hold(number: int, limits: Limits) -> None:
    same(usual()[number], limits)


def test_a_large_one_is_for_the_other_reader() -> None:
    bag = [person().certificate.der] * 200
    large = signed_data(None, (), bag, [])
    assert len(large) > MOST
    assert read_at_hand(large, limits=LIMITS) is None
    assert isinstance(slowly(large), SignedData)


def test_what_was_read_before_is_read_as_the_first_time() -> None:
    """Attributes and identifiers are remembered by their octets, with the limit they were under."""
    mail = usual()[0]
    many = Forgery(
        extra=[der.sequence(der.oid("1.2.3"), der.set_of([b"\x05\x00", b"\x01\x01\xff"]))]
    )
    twice = signed_data(None, (), [], [many.signer_info()])
    for _ in range(2):
        assert same(mail)
        assert same(twice)
        found = read_at_hand(twice, limits=Limits(attributes=1))
        assert found is None
        assert slowly(twice, Limits(attributes=1)) == "limit.attributes"
