"""DER against asn1crypto, BER in every form, and bytes that nobody means well with."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
from asn1crypto import core
from hypothesis import example, given
from hypothesis import strategies as st

from smimekit import der
from smimekit.errors import CmsError, LimitExceeded
from smimekit.limits import Limits

DEPTH = Limits().cms_depth


def indefinite(tag: int, *content: bytes) -> bytes:
    return bytes((tag, 0x80)) + b"".join(content) + b"\0\0"


def long_form(tag: int, content: bytes, octets: int = 8) -> bytes:
    return bytes((tag, 0x80 | octets)) + len(content).to_bytes(octets, "big") + content


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises((CmsError, LimitExceeded)) as caught:
        call()
    assert isinstance(caught.value, CmsError | LimitExceeded)
    return caught.value.code


# --- against asn1crypto --------------------------------------------------------------------


@given(st.one_of(st.integers(), st.integers(-(1 << 4096), 1 << 4096)))
@example(0)
@example(-1)
@example(127)
@example(128)
@example(-128)
@example(-129)
def test_integers(value: Any) -> None:
    assert der.integer(value) == core.Integer(value).dump()
    assert der.Reader(der.integer(value)).integer() == value


arcs = st.tuples(
    st.integers(0, 2), st.integers(0, 39), st.lists(st.integers(0, 1 << 128), max_size=6)
)


@given(arcs)
@example((2, 39, [0]))
def test_oids(parts: Any) -> None:
    first, second, more = parts
    dotted = ".".join(map(str, (first, second, *more)))
    assert der.oid(dotted) == core.ObjectIdentifier(dotted).dump()
    assert der.Reader(der.oid(dotted)).oid() == dotted


def test_second_arc_of_joint_iso_itu_t_may_be_large() -> None:
    """X.690, 8.19.4: the first subidentifier is 40 * X + Y, and only X = 2 has Y over 39."""
    assert der.encode_oid("2.999") == bytes.fromhex("8837")
    assert der.decode_oid(bytes.fromhex("8837")) == "2.999"


@given(st.binary(max_size=300))
def test_octet_strings(value: Any) -> None:
    assert der.octet_string(value) == core.OctetString(value).dump()
    assert der.Reader(der.octet_string(value)).octets() == value


@given(st.binary(min_size=1, max_size=40))
def test_bit_strings(value: Any) -> None:
    theirs = core.OctetBitString(value).dump()
    assert der.bit_string(value) == theirs
    assert der.Reader(theirs).bits() == (value, 0)


moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)


@given(moments)
@example(datetime(1950, 1, 1, tzinfo=UTC))
@example(datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC))
@example(datetime(2050, 1, 1, tzinfo=UTC))
def test_times(moment: Any) -> None:
    """RFC 5652, 11.3: UTCTime from 1950 through 2049, GeneralizedTime outside."""
    encoded = der.time(moment)
    assert der.Reader(encoded).time() == moment
    kind = core.UTCTime if 1950 <= moment.year < 2050 else core.GeneralizedTime
    if moment.year >= 1000:  # asn1crypto writes earlier ones with three digits
        assert encoded == kind(moment).dump()


@given(moments, st.integers(-14 * 60, 14 * 60))
def test_times_are_written_in_utc(moment: Any, minutes: Any) -> None:
    if 2 < moment.year < 9998:
        elsewhere = moment.astimezone(timezone(timedelta(minutes=minutes)))
        assert der.time(elsewhere) == der.time(moment)


@pytest.mark.parametrize(
    ("tag", "text", "expected"),
    [
        (der.UTC_TIME, b"500101000000Z", datetime(1950, 1, 1, tzinfo=UTC)),
        (der.UTC_TIME, b"491231235959Z", datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (der.UTC_TIME, b"2602281200Z", datetime(2026, 2, 28, 12, tzinfo=UTC)),
        (der.UTC_TIME, b"260228120000+0130", datetime(2026, 2, 28, 10, 30, tzinfo=UTC)),
        (der.UTC_TIME, b"260228120000-0030", datetime(2026, 2, 28, 12, 30, tzinfo=UTC)),
        (der.GENERALIZED_TIME, b"20260228120000.5Z", datetime(2026, 2, 28, 12, tzinfo=UTC)),
        (der.GENERALIZED_TIME, b"20500101000000Z", datetime(2050, 1, 1, tzinfo=UTC)),
    ],
)
def test_forms_of_time(tag: Any, text: Any, expected: Any) -> None:
    assert der.decode_time(tag, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        b"", b"Z", b"260229000000Z", b"261301000000Z", b"260101250000Z", b"260101006000Z",
        b"260101000060Z", b"260101000000", b"260101000000+2500", b"26010100000\xb2Z",
        b" 60101000000Z", b"260101000000Z\n", b"+60101000000Z",
    ],
)  # fmt: skip
def test_times_that_are_none(text: Any) -> None:
    """RFC 5280, 4.1.2.5: with a zone, and in the calendar."""
    assert code_of(lambda: der.Reader(der.tlv(der.UTC_TIME, text)).time()) == "asn1.malformed"


@pytest.mark.parametrize("text", [b"00010101000000+0100", b"99991231235959-0100"])
def test_times_outside_the_calendar(text: Any) -> None:
    """In UTC these fall into the years 0 and 10000."""
    value = der.tlv(der.GENERALIZED_TIME, text)
    assert code_of(lambda: der.Reader(value).time()) == "asn1.malformed"


values = st.recursive(
    st.one_of(
        st.one_of(st.binary(max_size=8), st.just(b"x" * 200)).map(der.octet_string),
        st.integers().map(der.integer),
        st.booleans().map(der.boolean),
        st.just(der.NULL_VALUE),
        st.text(max_size=20).map(lambda text: der.tlv(der.UTF8_STRING, text.encode())),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5).map(lambda items: der.sequence(*items)),
        st.lists(inner, max_size=5).map(der.set_of),
        st.lists(inner, max_size=3).map(lambda items: der.constructed(0, *items)),
    ),
    max_leaves=10,
)


@given(values)
def test_der_is_its_own_normal_form(value: Any) -> None:
    assert der.to_der(value) == value


@given(values, st.integers(0, 1 << 32))
def test_every_ber_form_has_the_same_normal_form(value: Any, seed: Any) -> None:
    rnd = random.Random(seed)  # noqa: S311 - a choice of forms
    assert der.to_der(loosen(value, rnd)) == value


def loosen(value: bytes, rnd: random.Random) -> bytes:
    """The same value in some BER (X.690, 8)."""
    tag, content = der.Reader(value).any()
    if tag in {der.OCTET_STRING, der.UTF8_STRING} and rnd.random() < 0.4:
        at = rnd.randint(0, len(content))
        pieces = [
            loosen(der.tlv(der.OCTET_STRING, each), rnd) for each in (content[:at], content[at:])
        ]
        return (indefinite if rnd.random() < 0.5 else der.tlv)(tag | 0x20, *pieces)
    if tag == der.BOOLEAN and content != b"\0":
        return bytes((tag, 1, rnd.randint(1, 255)))
    if tag & 0x20:
        inside, parts = der.Reader(content), []
        while inside.more:
            parts.append(loosen(inside.raw(), rnd))
        if tag == der.SET:
            rnd.shuffle(parts)
        if rnd.random() < 0.5:
            return indefinite(tag, *parts)
        content = b"".join(parts)
    return long_form(tag, content) if rnd.random() < 0.3 else der.tlv(tag, content)


@given(st.lists(st.binary(max_size=10), max_size=8))
def test_set_of_is_ordered_by_octets(contents: Any) -> None:
    """X.690, 11.6."""

    class Strings(core.SetOf):  # type: ignore[misc]  # asn1crypto has no types
        _child_spec = core.OctetString

    encoded = [der.octet_string(each) for each in contents]
    assert der.set_of(encoded) == Strings(contents).dump()


# --- BER -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoded",
    [
        der.octet_string(b"abcd"),
        long_form(0x04, b"abcd"),
        long_form(0x04, b"abcd", 1),
        der.tlv(0x24, der.octet_string(b"ab"), der.octet_string(b"cd")),
        indefinite(0x24, der.octet_string(b"ab"), der.octet_string(b""), der.octet_string(b"cd")),
        indefinite(0x24, indefinite(0x24, der.octet_string(b"abc")), der.octet_string(b"d")),
        der.tlv(0x24, indefinite(0x24, der.octet_string(b"abcd"))),
    ],
)
def test_forms_of_an_octet_string(encoded: Any) -> None:
    reader = der.Reader(encoded + der.integer(7))
    assert reader.octets() == b"abcd"
    assert reader.integer() == 7
    reader.finish()
    assert der.to_der(encoded) == der.octet_string(b"abcd")


def test_segments_of_a_string_are_octet_strings() -> None:
    """X.690, 8.7.3.2: nothing else can be hidden between them."""
    mixed = der.tlv(0x24, der.octet_string(b"ab"), der.tlv(der.UTF8_STRING, b"cd"))
    assert code_of(lambda: der.Reader(mixed).octets()) == "asn1.unexpected"
    assert code_of(lambda: der.to_der(mixed)) == "asn1.unexpected"


def test_indefinite_lengths_end_where_they_end() -> None:
    value = indefinite(0x30, indefinite(0x30, b"\x04\x02\0\0"), b"\x30\x02\0\0")
    reader = der.Reader(value + b"\x05\x00")
    assert reader.raw() == value
    assert reader.raw() == der.NULL_VALUE
    inside = der.Reader(value).enter(der.SEQUENCE)
    assert inside.raw() == indefinite(0x30, b"\x04\x02\0\0")
    assert inside.raw() == b"\x30\x02\0\0"
    assert not inside.more


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "asn1.truncated"),
        (b"\x04", "asn1.truncated"),
        (b"\x04\x80\0\0", "asn1.malformed"),  # X.690, 8.1.3.2: primitive, so definite
        (b"\x30\x80\x04\x80\0\0\0\0", "asn1.malformed"),
        (b"\x04\x89" + bytes(8) + b"\1x", "asn1.malformed"),
        (b"\x04\xff" + bytes(127), "asn1.malformed"),
        (b"\x1f\x01\x00", "asn1.malformed"),
        (b"\x3f\x80\x00\x00", "asn1.malformed"),
        (b"\x30\x80\x1f\x01\x00\0\0", "asn1.malformed"),
        (b"\x30\x80\x5f\x20\x01x\0\0", "asn1.malformed"),
        (b"\x04\x88" + b"\xff" * 8, "asn1.truncated"),
        (b"\x30\x80\x04\x88" + b"\xff" * 8, "asn1.truncated"),
        (b"\x30\x80\x04\x88\xff", "asn1.truncated"),
    ],
)
def test_headers_that_are_none(data: Any, code: Any) -> None:
    assert code_of(lambda: der.Reader(data).raw()) == code
    assert code_of(lambda: der.to_der(data)) == code


SAMPLE = der.sequence(
    der.integer(5),
    indefinite(0x30, der.octet_string(b"x" * 130), indefinite(0x24, der.octet_string(b"y"))),
    der.set_of([der.oid("1.2.840.113549"), der.boolean(value=True)]),
)


def test_cut_off_anywhere() -> None:
    assert der.to_der(SAMPLE)
    for end in range(len(SAMPLE)):
        assert code_of(der.Reader(SAMPLE[:end]).raw) == "asn1.truncated"
        assert code_of(partial(der.to_der, SAMPLE[:end])) == "asn1.truncated"


def test_inner_value_longer_than_the_outer_one() -> None:
    """What follows a frame is not the frame's."""
    outer = b"\x30\x03\x04\x05a" + b"bcdefgh"
    assert code_of(lambda: der.Reader(outer).enter(der.SEQUENCE).raw()) == "asn1.truncated"
    loose = b"\x30\x04\x24\x80\x04\x00" + b"\0\0"  # its end stands outside
    assert code_of(lambda: der.Reader(loose).enter(der.SEQUENCE).raw()) == "asn1.truncated"
    assert code_of(lambda: der.to_der(loose)) == "asn1.truncated"


def test_something_behind_the_last_value() -> None:
    assert code_of(lambda: der.to_der(der.NULL_VALUE * 2)) == "asn1.malformed"
    reader = der.Reader(der.NULL_VALUE * 2)
    reader.raw()
    assert code_of(reader.finish) == "asn1.malformed"


@pytest.mark.parametrize("content", [b"", b"\x01\x01"])
def test_booleans_that_are_none(content: Any) -> None:
    value = der.tlv(der.BOOLEAN, content)
    assert code_of(lambda: der.Reader(value).boolean()) == "asn1.malformed"


@pytest.mark.parametrize("content", [b"", b"\x08\xff", b"\x01", b"\xff\xff"])
def test_bit_strings_that_are_none(content: Any) -> None:
    """X.690, 8.6.2: 0 to 7 unused bits, none where there are no bits."""
    value = der.tlv(der.BIT_STRING, content)
    assert code_of(lambda: der.Reader(value).bits()) == "asn1.malformed"


def test_an_integer_has_octets() -> None:
    assert code_of(lambda: der.Reader(b"\x02\x00").integer()) == "asn1.malformed"


@pytest.mark.parametrize("content", [b"", b"\x80", b"\x2a\x80", b"\x2a\x80\x01", b"\x80\x2a"])
def test_oids_that_are_none(content: Any) -> None:
    """X.690, 8.19.2: complete, and in the fewest octets: two OIDs are one OID only so."""
    assert code_of(lambda: der.Reader(der.tlv(der.OID, content)).oid()) == "asn1.malformed"


def test_limit_oid_bytes() -> None:
    bound = Limits().oid_bytes
    assert der.decode_oid(b"\x2a" + b"\xff" * (bound - 2) + b"\x7f")
    for size in (bound + 1, 400_000):
        value = der.tlv(der.OID, b"\x2a" + b"\xff" * (size - 2) + b"\x7f")
        assert code_of(der.Reader(value).oid) == "limit.oid-bytes"


# --- depth and time ------------------------------------------------------------------------


@pytest.mark.parametrize("tag", [0x30, 0x31, 0x24, 0xA0])
def test_limit_cms_depth(tag: int) -> None:
    def nested(depth: int) -> bytes:
        return bytes((tag, 0x80)) * depth + b"\x04\0" * (tag == 0x24) + b"\0\0" * depth

    assert der.Reader(nested(DEPTH)).raw() == nested(DEPTH)
    assert code_of(lambda: der.Reader(nested(DEPTH + 1)).raw()) == "limit.cms-depth"
    assert der.to_der(nested(DEPTH - 1))
    assert code_of(lambda: der.to_der(nested(DEPTH + 1))) == "limit.cms-depth"


@pytest.mark.parametrize("tag", [b"\x30\x80", b"\x24\x80", b"\xa0\x80"])
def test_a_million_levels(tag: Any) -> None:
    bomb = tag * 1_000_000
    assert code_of(lambda: der.Reader(bomb).raw()) == "limit.cms-depth"
    assert code_of(lambda: der.Reader(bomb).octets(0x04)) in {"limit.cms-depth", "asn1.unexpected"}
    assert code_of(lambda: der.to_der(bomb)) == "limit.cms-depth"


@pytest.mark.parametrize("tag", [0x30, 0x24])
def test_deep_definite_values(tag: Any) -> None:
    value = der.octet_string(b"")
    for _ in range(2_000):
        value = der.tlv(tag, value)
    assert der.Reader(value).raw() == value
    assert code_of(lambda: der.to_der(value)) == "limit.cms-depth"
    if tag == 0x24:
        assert code_of(lambda: der.Reader(value).octets()) == "limit.cms-depth"


def elapsed(call: Callable[[], object]) -> float:
    """Seconds of processor time, the least of three."""
    found = []
    for _ in range(3):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return min(found)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: indefinite(0x30, der.NULL_VALUE * n),
        lambda n: indefinite(0x24, b"\x04\x00" * n),
        lambda n: indefinite(0x24, b"\x24\x80\x04\x01x\0\0" * n),
        lambda n: b"\x30\x80" * 30 + der.NULL_VALUE * n + b"\0\0" * 30,
        lambda n: der.sequence(der.integer(1 << (16 * n)), der.octet_string(bytes(16 * n))),
    ],
    ids=["flat", "segments", "nested segments", "deep", "large"],
)
def test_linear_time(make: Any) -> None:
    small, large = make(3_000), make(12_000)
    assert elapsed(lambda: der.to_der(large)) < 12 * elapsed(lambda: der.to_der(small)) + 0.05


def test_depth_costs_one_pass_and_not_one_per_level() -> None:
    flat = indefinite(0x30, der.NULL_VALUE * 20_000)
    deep = b"\x30\x80" * 38 + der.NULL_VALUE * 20_000 + b"\0\0" * 38
    assert elapsed(lambda: der.to_der(deep)) < 6 * elapsed(lambda: der.to_der(flat)) + 0.05


# --- any bytes -----------------------------------------------------------------------------


READS: list[Callable[[der.Reader], object]] = [
    der.Reader.raw,
    der.Reader.any,
    der.Reader.octets,
    der.Reader.integer,
    der.Reader.boolean,
    der.Reader.oid,
    der.Reader.bits,
    der.Reader.time,
    lambda reader: reader.enter(der.SEQUENCE),
    lambda reader: reader.octets(0x80),
    lambda reader: der.to_der(reader.rest()),
    lambda reader: list(map(der.Reader.raw, reader.members())),
]

near = st.lists(
    st.one_of(
        st.sampled_from(
            [b"\0\0", b"\x30\x80", b"\x24\x80", b"\x04\x01", b"\x31\x84", b"\x06\x01", b"\x17\x0d"]
        ),
        st.binary(max_size=6),
    ),
    max_size=20,
).map(b"".join)


@given(st.one_of(st.binary(max_size=60), near))
def test_any_bytes_give_a_value_or_an_error(data: bytes) -> None:
    for read in READS:
        try:
            read(der.Reader(data))
        except (CmsError, LimitExceeded):
            continue


@given(values, st.data())
def test_damaged_values_give_a_value_or_an_error(value: Any, data: Any) -> None:
    damaged = bytearray(value)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        out = der.to_der(bytes(damaged))
    except (CmsError, LimitExceeded):
        return
    assert der.to_der(out) == out


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ([], (b"", 0)),
        ([b"\x00ab"], (b"ab", 0)),
        ([b"\x00a", b"\x00", b"\x04\xb0"], (b"a\xb0", 4)),
        ([b"\x04a", b"\x00b"], None),
        ([b"", b"\x00b"], None),
        ([b"\x00a", b"\x08b"], None),
        ([b"\x00a", b"\x04"], None),
        ([b"\x04"], None),
    ],
)
@pytest.mark.parametrize("endless", [False, True])
def test_constructed_bit_strings(parts: Any, found: Any, endless: bool) -> None:
    """X.690, 8.6.4: the segments are joined, and only the last may have unused bits."""
    inside = b"".join(der.tlv(der.BIT_STRING, part) for part in parts)
    value = b"\x23\x80" + inside + b"\0\0" if endless else der.tlv(0x23, inside)
    if found is None:
        assert code_of(der.Reader(value).bits) == "asn1.malformed"
    else:
        assert der.Reader(value).bits() == found
