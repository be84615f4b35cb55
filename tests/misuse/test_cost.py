"""Messages that are cheap to send must be cheap to judge (DESIGN, rule 10): linear time.

Counted, not timed: how often the dear operations are done.
"""

import time
from typing import Any

import pytest

import smimekit
from smimekit import Protection, Trust
from smimekit.cms.signer import check_signer
from smimekit.message.identity import Identity
from smimekit.span import Span
from smimekit.testing import FakeCA
from smimekit.trust import normal_address
from tests.message.people import (
    ALICE,
    NOW,
    alice,
    as_part,
    bare_signed,
    draft,
    entity,
    multipart,
    signer_info,
    trust,
)


class CountingTrust:
    """A `Trust` that counts its judgements."""

    def __init__(self) -> None:
        self.trust = trust()
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.trust, name)

    def judge(self, *arguments: Any, **options: Any) -> Any:
        self.count += 1
        return self.trust.judge(*arguments, **options)


def test_a_certificate_is_judged_once_for_all_its_signatures() -> None:
    """Fifty signers may share one certificate, and a bag hold megabytes of CRLs to read."""
    counting: Any = CountingTrust()
    source = bare_signed(entity(), alice(), infos=[signer_info(entity(), alice())] * 50)
    with smimekit.open(source, trust=counting) as opened:
        assert len(opened.signatures) == 50
        assert opened.protection & Protection.VERIFIED
    assert counting.count == 1


def test_thousands_of_addresses_on_both_sides() -> None:
    """A self-made certificate names thousands, and so does From: not one against each other."""
    mine = [f"a{number}@example.org" for number in range(2000)]
    signer = FakeCA("Many", now=NOW).person(*mine)
    mail = smimekit.sign(draft(), signer, headers=None)
    started = time.process_time()
    for theirs, wanted in ((mine[::-1], Identity.MATCH), ([*mine, ALICE], Identity.MISMATCH)):
        many = ",\r\n ".join(theirs).encode()
        with smimekit.open(mail.replace(ALICE.encode(), many, 1), trust=Trust()) as opened:
            assert opened.signatures[0].identity is wanted
            smimekit.harvest(opened)
    assert time.process_time() - started < 5  # 4 000 000 comparisons took 12 seconds


def test_a_long_label_in_an_address_takes_linear_time() -> None:
    """RFC 5890, 2.3.2.1: labels have 63 characters. Punycode of this one takes ten seconds."""
    label = "".join(map(chr, range(0x4E00, 0x4E00 + 6_000)))
    started = time.process_time()
    assert normal_address(f"\u00e9@{label}.example") != normal_address(f"\u00e9@{label}x.example")
    assert normal_address(f"\u00e9@{label}.EXAMPLE") == normal_address(f"\u00e9@{label}.example")
    assert time.process_time() - started < 3


def test_namesakes_are_not_tried_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody can fill a bag with certificates of one key identifier."""
    tried: list[object] = []
    real = check_signer

    def counted(*arguments: Any, **options: Any) -> Any:
        tried.append(arguments)
        return real(*arguments, **options)

    monkeypatch.setattr("smimekit.message.signatures.check_signer", counted)
    bag = [namesake(number) for number in range(50)]
    info = signer_info(entity("other"), alice())
    with smimekit.open(bare_signed(entity(), alice(), infos=[info], bag=bag), trust=trust()):
        assert 1 <= len(tried) <= 4


class CountingSource:
    """Octets that count how many of them are read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        self.count = 0

    def read(self, start: int, end: int) -> bytes:
        self.count += end - start
        return self.data[start:end]


def octets_read(mail: bytes) -> int:
    source = CountingSource(mail)
    with smimekit.open(Span(source, 0, source.size), trust=trust()) as opened:
        assert opened.envelope == ()
    return source.count


def wrapped(inside: bytes, depth: int) -> bytes:
    """A part below so many multiparts."""
    before = [b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (at, at)
              for at in range(depth)]  # fmt: skip
    after = [b"\r\n--b%d--" % at for at in reversed(range(depth))]
    return b"From: alice@example.org\r\n" + b"".join([*before, inside, *after])


def test_nested_parts_are_read_once_a_level() -> None:
    """Multiparts within multiparts: each level reads its own octets, down to the limit."""
    inside = entity("x" * 100_000)
    for depth in (1, 10, 60):
        mail = wrapped(inside, depth)
        assert octets_read(mail) <= (depth + 2) * (len(mail) + 5000)
    deeper = [octets_read(wrapped(inside, depth)) / len(inside) for depth in (70, 500)]
    assert max(deeper) < 100  # whatever the depth: `Limits.mime_depth` levels


@pytest.mark.parametrize("opaque", [False, True])
def test_many_parts_are_read_a_few_times(opaque: bool) -> None:
    """Twice as many parts, twice the work, be they signed, as every second is here."""
    part = as_part(smimekit.sign(draft(), alice(), opaque=opaque))
    few, many = (
        octets_read(multipart("mixed", *[part, entity()] * count)) / count for count in (100, 900)
    )
    assert many < 1.5 * few


def test_a_long_line_of_delimiters_takes_linear_time() -> None:
    """Look-alikes by the hundred thousand, each of which might have been a delimiter."""
    started = time.process_time()
    for unit in (b"--mi", b"--mixx\r\n", b"--mix\t \tx\r\n", b"\r\n--mix-", b"\r\n--", b"\n\r"):
        octets_read(multipart("mixed", unit * ((1 << 21) // len(unit))))
    assert time.process_time() - started < 20  # about one second


def namesake(number: int) -> smimekit.Certificate:
    """A certificate of Alice's issuer and serial number, and other signature octets."""
    good = alice().certificate.der
    return smimekit.Certificate(good[:-1] + bytes((number,)))
