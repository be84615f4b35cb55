"""What a known sender says once more is not read again, and is nothing else than what it says."""

import base64
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smimekit import der
from smimekit.algorithms import AlgorithmIdentifier
from smimekit.cms import attributes as attrs
from smimekit.cms import known_senders, signer
from smimekit.cms.at_hand import read_at_hand, read_parts_at_hand
from smimekit.cms.known_senders import KnownSenders
from smimekit.cms.signed import Digests, SignedData
from smimekit.cms.signed_writing import signed_data
from smimekit.cms.signer import Integrity, check_signer
from smimekit.errors import MimeError
from smimekit.limits import Limits
from smimekit.mime.transfer import base64_lines, decoded
from tests.cms.forge import LIMITS, Forgery, ca, person
from tests.cms.test_at_hand import shuffled

SIZE = 1 << 20
DIGEST, TIME = b"\x09\x04\x31\x22\x04\x20", b"\x09\x05\x31\x0f\x17\x0d"
"""What stands before the digest, and before the time."""


def time(text: str) -> bytes:
    return attrs.attribute(attrs.SIGNING_TIME, der.tlv(der.UTC_TIME, text.encode()))


def signed(content: bytes = b"content", when: str = "260301120000Z", **more: object) -> bytes:
    """Detached, as we write it."""
    forgery = Forgery(content, extra=[time(when)], **more)  # type: ignore[arg-type]  # its fields
    bag = [forgery.who.certificate.der, ca().certificate.der]
    digests = [forgery.row.digest.identifier]
    return signed_data(None, digests, bag, [forgery.signer_info()])


@cache
def rsa(content: bytes = b"content", when: str = "260301120000Z") -> bytes:
    """With signatures of one length."""
    return signed(content, when, who=person("rsa-2048"))


@contextmanager
def counted(patch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """What is read octet by octet."""
    read: list[bytes] = []

    def noted(octets: bytes, *, limits: Limits) -> object:
        read.append(octets)
        return read_parts_at_hand(octets, limits=limits)

    patch.setattr(f"{known_senders.__name__}.read_parts_at_hand", noted)
    yield read


def same(known: KnownSenders, octets: bytes, limits: Limits = LIMITS) -> SignedData | None:
    found = known.read(octets, limits=limits)
    assert found == read_at_hand(octets, limits=limits)
    return found


def test_another_mail_of_the_same_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    known = KnownSenders(SIZE)
    with counted(monkeypatch) as read:
        first = same(known, rsa())
        second = same(known, rsa(b"other", "260301120001Z"))
    assert read == [rsa()]
    assert first is not None
    assert second is not None
    signers = first.signers + second.signers
    assert signers[0].signature != signers[1].signature
    one, two = (each.signed_attributes for each in signers)
    assert one is not None
    assert two is not None
    assert one.message_digest != two.message_digest
    assert (one.signing_time, two.signing_time) != (one.signing_time, one.signing_time)
    assert check_signer(
        signers[1], person("rsa-2048").certificate, second.content_type,
        Digests((), lambda: [b"other"]),
    ).integrity is Integrity.GOOD  # fmt: skip


def unarmoured(text: bytes) -> bytes:
    return decoded(text, "base64")


def said(text: bytes, known: KnownSenders | None = None) -> SignedData | str | None:
    """What is read out of base64, by known senders or without them; or what is wrong with it."""
    try:
        if known is None:
            return read_at_hand(unarmoured(text), limits=LIMITS)
        return known.read(text, unarmoured, limits=LIMITS)
    except MimeError as error:
        return error.code


LAYOUTS: dict[str, Callable[[bytes], bytes]] = {
    "lines": base64_lines,
    "bare LF": lambda octets: base64_lines(octets).replace(b"\r\n", b"\n"),
    "one line": base64.b64encode,
    "lines of 75": lambda octets: re.sub(rb"(.{75})", rb"\1\r\n", base64.b64encode(octets)),
    "blank lines": lambda octets: (
        b"\r\n \r\n" + base64_lines(octets).replace(b"\n", b"\n\n") + b" "
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_begin_of_the_text_is_decoded_once(
    layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, sizes = KnownSenders(SIZE), list[int]()

    def noted(text: bytes) -> bytes:
        sizes.append(len(text))
        return unarmoured(text)

    first, second = map(LAYOUTS[layout], (rsa(), rsa(b"other", "260301120001Z")))
    with counted(monkeypatch) as read:
        assert known.read(first, noted, limits=LIMITS) == said(first)
        sizes.clear()
        assert known.read(second, noted, limits=LIMITS) == said(second)
    if layout == "lines of 75":  # where a line ends, no group does
        assert read == [rsa(), rsa(b"other", "260301120001Z")]
    else:
        assert read == [rsa()]
        assert sum(sizes) <= len(second) // 2 + 80


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=150)
@given(data=st.data())
def test_text_in_two_pieces_says_what_it_says_in_one(layout: str, data: st.DataObject) -> None:
    known = KnownSenders(SIZE)
    assert said(LAYOUTS[layout](rsa()), known) == said(LAYOUTS[layout](rsa()))
    text = bytearray(LAYOUTS[layout](rsa(b"other")))
    for _ in range(data.draw(st.integers(1, 3))):
        near = st.integers(len(text) // 2 - 90, len(text) // 2 + 10)
        at = data.draw(near | st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from([b"", b"=", b"==", b"A", b"\n", b"\r\n", b" ", b"-", b"+/"])
        )
    for each in (bytes(text), LAYOUTS[layout](rsa(b"other"))):
        assert said(each, known) == said(each)
    other = KnownSenders(SIZE)  # what came first is damaged, and what follows is not
    for each in (bytes(text), LAYOUTS[layout](rsa()), bytes(text)):
        assert said(each, other) == said(each)


@pytest.mark.parametrize("more", range(3))
def test_text_of_one_length_says_octets_of_several(more: int) -> None:
    """By its padding: then the signature ends somewhere else."""
    known, who = KnownSenders(SIZE), person("rsa-2048")
    info = Forgery(extra=[attrs.attribute("1.2.3", der.octet_string(bytes(more)))], who=who)
    octets = signed_data(None, [], [who.certificate.der] * 2, [info.signer_info()])
    assert said(base64.b64encode(octets), known) is not None
    for end in (b"AAAA", b"AAA=", b"AA=="):
        text = base64.b64encode(octets)[:-4] + end
        assert said(text, known) == said(text)


def test_what_has_no_certificates_is_not_kept() -> None:
    """All of it differs from mail to mail."""
    known = KnownSenders(SIZE)
    same(known, signed_data(None, [], [], [Forgery().signer_info()]))
    assert len(known) == 0


@pytest.mark.parametrize("what", [DIGEST, TIME])
@settings(max_examples=300)
@given(data=st.data())
def test_other_octets_say_something_else(what: bytes, data: st.DataObject) -> None:
    """Anywhere, but above all about the values that are passed over."""
    known = KnownSenders(SIZE)
    same(known, rsa())
    octets = bytearray(rsa(b"other"))
    place = octets.index(what)
    end = len(octets) - 1
    header = st.integers(place - 4, place + 8) | st.integers(end - 261, end - 254)
    near = header | st.integers(place - 20, place + 60)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(near | st.integers(0, end))
        octets[at] = data.draw(
            st.sampled_from([0, 4, 0x24, 0x30, 0x80, 0x82]) | st.integers(0, 255)
        )
    same(known, bytes(octets))
    same(known, rsa(b"other"))


@settings(max_examples=200)
@given(st.integers(0, 1 << 32), st.integers(0, 1 << 32))
def test_values_in_other_places(one: int, two: int) -> None:
    """Whatever the first one was like, the next is read as it stands."""
    import random  # noqa: PLC0415 - the same each time, for these only

    known = KnownSenders(SIZE)
    for seed in (one, two, one):
        same(known, shuffled(rsa(), random.Random(seed)))  # noqa: S311 - no secret
    same(known, rsa(b"other"))


def twisted() -> dict[str, bytes]:
    """Signatures that others may not be read by, or not in each of the values."""
    row = AlgorithmIdentifier("2.16.840.1.101.3.4.2.1")
    info = Forgery(extra=[time("260301120000Z")], who=person("rsa-2048")).signer_info()
    inside = der.Reader(info).enter(der.SEQUENCE)
    values = [inside.raw() for _ in range(5)]
    signature = inside.octets()
    infos = {
        "no attributes": Forgery(no_attributes=True).signer_info(),
        "a signature in segments": der.sequence(
            *values, der.tlv(0x24, *(der.octet_string(each) for each in (signature, b""))),
        ),
        "unsigned attributes": der.sequence(
            *values, der.octet_string(signature), b"\xa1" + der.set_of([time("260301120000Z")])[1:],
        ),
        "the same value twice": Forgery(
            extra=[time("260301120000Z"), attrs.attribute("1.2.3", der.tlv(0x17, b"260301120000Z"))]
        ).signer_info(),
        "two times": Forgery(extra=[time("260301120000Z"), time("260301120001Z")]).signer_info(),
        "a digest in segments": Forgery(
            without=frozenset({attrs.MESSAGE_DIGEST}),
            extra=[attrs.attribute(attrs.MESSAGE_DIGEST, der.tlv(0x24, der.octet_string(b"x" * 32)))],
        ).signer_info(),
        "no signature": Forgery(signature=b"").signer_info(),
        "no signer": b"",
    }  # fmt: skip
    bag = [ca().certificate.der] * 2
    return {
        name: signed_data(None, [row], bag, [each] if each else []) for name, each in infos.items()
    }


@pytest.mark.parametrize("name", twisted())
@settings(max_examples=60)
@given(data=st.data())
def test_unusual_ones(name: str, data: st.DataObject) -> None:
    known = KnownSenders(SIZE)
    octets = twisted_once()[name]
    assert same(known, octets) is not None
    changed = bytearray(octets)
    times = [found.start() + 3 for found in re.finditer(b"260301120000Z", octets)]
    anywhere = st.integers(max(0, len(octets) - 900), len(octets) - 1)
    at = data.draw(st.sampled_from(times) | anywhere if times else anywhere)
    changed[at] ^= data.draw(st.integers(1, 255))
    same(known, bytes(changed))


@cache
def twisted_once() -> dict[str, bytes]:
    return twisted()


def test_other_limits_are_asked_anew() -> None:
    known = KnownSenders(SIZE)
    assert same(known, rsa()) is not None
    assert same(known, rsa(), Limits(attributes=3)) is None
    assert same(known, rsa(), Limits(certificates=1)) is None
    assert same(known, rsa()) is not None


def test_the_rules_are_those_of_each_signature() -> None:
    """A time that is none, after many that were; and another certificate than the one before."""
    known = KnownSenders(SIZE)
    alice, bob = person("rsa-2048").certificate, person("rsa-2048", "bob@example.org").certificate
    wrong = rsa().replace(b"260301120000Z", b"260399120000Z")
    for octets, good in ((rsa(), True), (rsa(), True), (wrong, False), (rsa(), True)):
        found = same(known, octets)
        assert found is not None
        for certificate, fits in ((alice, True), (bob, False)):
            digests = Digests((), lambda: [b"content"])
            check = check_signer(found.signers[0], certificate, found.content_type, digests)
            wanted = Integrity.GOOD if good and fits else Integrity.MALFORMED
            assert check.integrity is wanted
        other = check_signer(found.signers[0], alice, "1.2.3", digests)
        assert other.integrity is Integrity.MALFORMED


def test_what_one_signature_has_met_no_other_has() -> None:
    """Of the same signer: one that breaks a rule, between those that break none."""
    known, who = KnownSenders(SIZE), person("rsa-2048")
    counter = attrs.attribute(attrs.COUNTERSIGNATURE, der.sequence())
    infos = Forgery(extra=[time("260301120000Z"), counter], who=who).signer_info()
    broken = signed_data(None, [], [who.certificate.der], [infos])
    for octets, good in ((rsa(), True), (broken, False)) * 3:
        found = same(known, octets)
        assert found is not None
        digests = Digests((), lambda: [b"content"])
        check = check_signer(found.signers[0], who.certificate, found.content_type, digests)
        assert check.integrity is (Integrity.GOOD if good else Integrity.MALFORMED)


def test_forms_of_one_sender_are_remembered_beside_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A signature by ECDSA is one of several lengths: each is known from the second time on."""
    asked = list[object]()

    def noted(*given: object) -> None:
        asked.append(given)

    known, who = KnownSenders(SIZE), person("p256")
    lengths: dict[int, list[bytes]] = {}
    for number in range(40):
        octets = signed(b"content", f"2603011200{number:02}Z", who=who)
        lengths.setdefault(len(octets), []).append(octets)
    assert len(lengths) > 1
    usual = sorted(lengths.values(), key=len)[-3:]
    read = [known.read(each, limits=LIMITS) for one in usual for each in one]
    monkeypatch.setattr(f"{signer.__name__}._check_rules", noted)
    for found in (*read, *read):
        assert found is not None
        (info,) = found.signers
        digests = Digests((), lambda: [b"content"])
        check = check_signer(info, who.certificate, found.content_type, digests)
        assert check.integrity is Integrity.GOOD
    # The first of each length was read by itself, and every time.
    assert len(asked) == 3 * len(usual)


def test_no_more_is_kept_than_there_is_room_for() -> None:
    known = KnownSenders(60_000)
    people = [person("rsa-2048", f"{number}@example.org") for number in range(8)]
    for who in people:
        same(known, signed(who=who))
    assert 2 <= len(known) < 8
    assert known._used <= 60_000
    none = KnownSenders(0)
    same(none, rsa())
    assert len(none) == 0


def test_what_is_long_is_not_kept() -> None:
    known = KnownSenders(SIZE)
    more = [attrs.attribute("1.2.3", *(der.integer(number) for number in range(41)))]
    forgery = Forgery(extra=more)
    bag = [forgery.who.certificate.der]
    same(known, signed_data(None, [], bag, [forgery.signer_info()]))
    same(known, signed_data(None, [], bag * 40, [Forgery().signer_info()]))
    assert len(known) == 0


def test_several_threads() -> None:
    known, failed = KnownSenders(50_000), list[object]()
    mails = [signed(who=person("rsa-2048", f"{n}@example.org")) for n in range(4)]

    def work() -> None:
        try:
            for _ in range(200):
                for mail in mails:
                    same(known, mail)
        except BaseException as error:  # noqa: BLE001 - for the test to show
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failed
    assert known._used == sum(map(known_senders._weight, known._found))
