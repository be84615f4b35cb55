"""BER in streams: the same values however it is cut, and nothing but errors for the rest."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit import der
from smimekit.cms.ber import BerReader, constructed_octets
from smimekit.errors import CmsError, LimitExceeded
from smimekit.limits import Limits
from tests.cms.forge import LIMITS, ber, indefinite, join

Steps = Callable[[BerReader], object]


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises((CmsError, LimitExceeded)) as caught:
        call()
    assert isinstance(caught.value, CmsError | LimitExceeded)
    return caught.value.code


def content(data: bytes, size: int = 1 << 16, limits: Limits = LIMITS) -> bytes:
    """The content of the OCTET STRING that `data` is."""
    reader = ber(data, size, limits)
    found = join(reader.octets())
    reader.finish()
    return found


def walk(reader: BerReader) -> list[bytes]:
    """A frame with a value, a string and another frame in it; and all of its end."""
    reader.enter(der.SEQUENCE)
    first = reader.value(der.INTEGER)
    second = join(reader.octets())
    reader.enter(0xA0)
    third = reader.value()
    reader.leave()
    reader.leave()
    reader.finish()
    return [first, second, third]


STRING = [
    der.octet_string(b"0123456789" * 20),
    der.tlv(0x24, *(der.octet_string(b"0123456789") for _ in range(20))),
    indefinite(0x24, *(der.octet_string(b"0123456789") for _ in range(20))),
    indefinite(0x24, *(der.octet_string(bytes((each,))) for each in b"0123456789" * 20)),
    indefinite(
        0x24,
        indefinite(0x24, der.octet_string(b"0123456789" * 19)),
        der.octet_string(b""),
        der.tlv(0x24, der.octet_string(b"0123456789")),
    ),
    indefinite(0x24, b"\x04\x84\0\0\0\xc8" + b"0123456789" * 20),
]
ANY = [
    der.set_of([der.integer(5)]),
    indefinite(0x31, der.integer(5), indefinite(0x30, der.NULL_VALUE)),
]


def forms() -> Iterator[tuple[bytes, bytes]]:
    """Every combination of lengths, with the value that must come out."""
    for string in STRING:
        for value in ANY:
            inside = (der.integer(1), string)
            for inner in (der.tlv(0xA0, value), indefinite(0xA0, value)):
                yield der.tlv(0x30, *inside, inner), value
                yield indefinite(0x30, *inside, inner), value


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1 << 16])
def test_chunks_make_no_difference(size: Any) -> None:
    for data, value in forms():
        assert walk(ber(data, size)) == [der.integer(1), b"0123456789" * 20, value]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=50), st.sampled_from(list(forms())))
def test_chunks_of_any_sizes(sizes: Any, form: Any) -> None:
    data, value = form

    def chunks() -> Iterator[bytes]:
        at = 0
        while at < len(data):
            yield b""
            size = sizes[at % len(sizes)]
            yield data[at : at + size]
            at += size

    assert walk(BerReader(chunks(), limits=LIMITS)) == [der.integer(1), b"0123456789" * 20, value]


@pytest.mark.parametrize("size", [1, 1 << 16])
def test_cut_off_anywhere(size: Any) -> None:
    for data, _ in list(forms())[:: 6 if size == 1 else 1]:
        for end in range(len(data)):
            found = code_of(partial(walk, ber(data[:end], size)))
            assert found in {"cms.truncated", "cms.malformed"}, end


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_what_is_written_is_read(chunks: Any) -> None:
    encoded = join(constructed_octets(chunks))
    assert content(encoded) == b"".join(chunks)
    assert der.Reader(encoded).octets() == b"".join(chunks)
    assert join(ber(join(constructed_octets(chunks, 0xA0))).octets(0x80)) == b"".join(chunks)


def test_der_and_streams_agree() -> None:
    """Two readers of one syntax: what one takes for a value, the other does."""
    for data, _ in forms():
        assert ber(data + b"\0").value() == data == der.Reader(data + b"\0").raw()


@given(st.binary(max_size=60), st.sampled_from([1, 5, 100]))
def test_any_bytes(data: Any, size: Any) -> None:
    steps: list[Steps] = [
        walk, BerReader.value, BerReader.finish, BerReader.peek,
        lambda reader: join(reader.octets()), lambda reader: reader.enter(der.SEQUENCE),
        lambda reader: reader.reader(der.SEQUENCE).raw(),
    ]  # fmt: skip
    for step in steps:
        try:
            step(ber(data, size))
        except (CmsError, LimitExceeded):
            continue


@given(st.sampled_from(list(forms())), st.data())
def test_damage_is_seen_alike_in_all_chunks(form: Any, data: Any) -> Any:
    damaged = bytearray(form[0])
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))

    def outcome(size: Any) -> Any:
        try:
            return walk(ber(bytes(damaged), size))
        except (CmsError, LimitExceeded) as error:
            return type(error)

    assert outcome(1) == outcome(3) == outcome(1 << 16)


# --- frames that do not fit into each other ------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"\x30\x02\x02\x03abc\x04\x00\xa0\x00",
        b"\x30\x03\x24\x80\x04\x01x\0\0",
        b"\x30\x05\x02\x01\x01\x24\x80\x04\x01x\0\0\xa0\x00",
        b"\x30\x80\x24\x04\x04\x05abcde\0\0",
        b"\x30\x0b\x02\x01\x01\x04\x00\xa0\x80\x05\x00\0\0",
        b"\x30\x0a\x02\x01\x01\x04\x00\xa0\x80\x05\x00\0\0",
        b"\x30\x80\x02\x01\x01\x24\x80\x24\x03\x04\x02ab\0\0\0\0",
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 16])
def test_a_value_is_no_longer_than_the_one_around_it(data: Any, size: Any) -> None:
    def read(reader: Any) -> None:
        reader.enter(der.SEQUENCE)
        while reader.peek() != -1:
            join(reader.octets()) if reader.peek() & ~0x20 == 4 else reader.value()
        reader.leave()

    if data[1] == 0x0B:  # it fits
        read(ber(data, size))
    else:
        assert code_of(lambda: read(ber(data, size))) == "cms.malformed"


def test_indefinite_in_definite() -> None:
    value = indefinite(0x31, der.NULL_VALUE)
    for short in (1, 2, 3, 4):
        reader = ber(b"\x30" + bytes((len(value) - short,)) + value)
        reader.enter(der.SEQUENCE)
        assert code_of(reader.value) == "cms.malformed", short


@pytest.mark.parametrize("data", [b"\xa0\x00", b"\xa0\x80\0\0"])
def test_the_end_of_a_frame_is_no_value(data: Any) -> None:
    reader = ber(data + b"\0\0")
    reader.enter(0xA0)
    assert reader.peek() == -1
    assert code_of(reader.value) == "cms.malformed"
    reader.leave()


def test_leaving_early() -> None:
    reader = ber(der.sequence(der.NULL_VALUE))
    reader.enter(der.SEQUENCE)
    assert code_of(reader.leave) == "cms.malformed"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x30\x80\x1f\x01\x00\0\0", "cms.malformed"),
        (b"\x30\x80\x3f\x80\0\0\0\0", "cms.malformed"),
        (b"\x30\x80\x04\x80\0\0\0\0", "cms.malformed"),
        (b"\x30\x80\x04\x89" + bytes(9), "cms.malformed"),
        (b"\x30\x80\x04\x88" + b"\xff" * 8, "limit.value-bytes"),
        (b"\x30\x88" + b"\xff" * 8, "limit.value-bytes"),
        (b"", "cms.truncated"),
        (b"\x30", "cms.truncated"),
        (b"\x30\x82\x01", "cms.truncated"),
    ],
)
def test_headers_that_are_none(data: Any, code: Any) -> None:
    for size in (1, 100):
        assert code_of(partial(ber(data, size).value, der.SEQUENCE)) == code


@pytest.mark.parametrize("tag", [0x0C, 0x03, 0x05, 0x30, 0x80])
def test_segments_are_octet_strings(tag: Any) -> None:
    assert code_of(lambda: content(indefinite(0x24, der.tlv(tag, b"")))) == "cms.unexpected"


def test_a_primitive_string_may_declare_any_length() -> None:
    """Nothing is set aside for it: it is read as it comes."""
    assert code_of(lambda: content(b"\x04\x88\x7f" + b"\xff" * 7 + b"x" * 1000)) == "cms.truncated"


# --- behind the end ------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [[b"\r\n"], [b"\0" * 9], [b"", b" \t"], [], [b"", b"", b"\n"]])
def test_padding_behind_the_end(chunks: Any) -> None:
    reader = BerReader([der.NULL_VALUE, *chunks], limits=LIMITS)
    reader.value()
    reader.finish()


@pytest.mark.parametrize(
    "chunks", [[b"x"], [b"\n", b"x"], [b"", b"x"], [b"\n", b"", b"", b"\x30\x00"]]
)
def test_something_behind_the_end(chunks: Any) -> None:
    """An empty chunk is not the end."""
    reader = BerReader([der.NULL_VALUE, *chunks], limits=LIMITS)
    reader.value()
    assert code_of(reader.finish) == "cms.malformed"


# --- limits --------------------------------------------------------------------------------


def test_limit_cms_depth() -> None:
    limits = replace(LIMITS, cms_depth=5)

    def frames(depth: Any) -> None:
        reader = ber(b"\x30\x80" * depth, limits=limits)
        for _ in range(depth):
            reader.enter(der.SEQUENCE)

    frames(5)
    assert code_of(lambda: frames(6)) == "limit.cms-depth"
    assert ber(b"\x30\x80" * 6 + b"\0\0" * 6, limits=limits).value()
    assert code_of(ber(b"\x30\x80" * 7 + b"\0\0" * 7, limits=limits).value) == "limit.cms-depth"
    assert content(b"\x24\x80" * 5 + b"\0\0" * 5, limits=limits) == b""
    assert code_of(lambda: content(b"\x24\x80" * 6, limits=limits)) == "limit.cms-depth"


@pytest.mark.parametrize("size", [1000, 1 << 16])
def test_a_million_levels(size: Any) -> None:
    assert code_of(ber(b"\x30\x80" * 1_000_000, size).value) == "limit.cms-depth"
    assert code_of(lambda: content(b"\x24\x80" * 1_000_000, size)) == "limit.cms-depth"


def test_limit_value_bytes() -> None:
    limits = replace(LIMITS, value_bytes=100)
    for fits, too_large in (
        (der.octet_string(bytes(98)), der.octet_string(bytes(99))),
        (indefinite(0x30, bytes((5, 0)) * 48), indefinite(0x30, bytes((5, 0)) * 120)),
        (
            indefinite(0x30, der.octet_string(bytes(90))),
            indefinite(0x30, der.octet_string(bytes(110))),
        ),
        (
            b"\x30\x80" * 25 + b"\0\0" * 25,
            b"\x30\x80" * 39 + b"\x04\x40" + bytes(64) + b"\0\0" * 39,
        ),
    ):
        assert ber(fits, limits=limits).value() == fits
        for size in (1, 1 << 16):
            assert code_of(ber(too_large, size, limits).value) == "limit.value-bytes"


def test_limit_metadata_bytes() -> None:
    limits = replace(LIMITS, metadata_bytes=100)
    reader = ber(der.octet_string(bytes(38)) * 3, limits=limits)
    reader.value()
    reader.value()
    assert code_of(reader.value) == "limit.metadata-bytes"
    assert content(der.octet_string(bytes(1000)), limits=limits) == bytes(1000)


@pytest.mark.parametrize("size", [1, 1 << 16])
def test_limit_string_segments(size: Any) -> None:
    limits = replace(LIMITS, string_segments=10)
    for segment in (b"\x04\x01x", b"\x04\x00", b"\x24\x00", b"\x24\x80\0\0"):
        content(indefinite(0x24, segment * 10), size, limits)
        assert (
            code_of(partial(content, indefinite(0x24, segment * 11), size, limits))
            == "limit.string-segments"
        )


# --- time ----------------------------------------------------------------------------------


def elapsed(call: Callable[[], object]) -> float:
    found = []
    for _ in range(3):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return min(found)


@pytest.mark.parametrize("size", [97, 1 << 16, 1 << 30])
@pytest.mark.parametrize(
    "make",
    [
        lambda n: indefinite(0x24, b"\x04\x01x" * n),
        lambda n: indefinite(0x24, b"\x04\x00" * n),
        lambda n: der.tlv(0x24, b"\x04\x81\x80" + bytes(128)) * 1 + bytes(n),
        lambda n: indefinite(0x24, (b"\x04\x81\x80" + bytes(128)) * (n // 40)),
    ],
    ids=["an octet each", "nothing each", "padding", "middling"],
)
def test_strings_in_linear_time(make: Any, size: Any) -> None:
    small, large = make(5_000), make(20_000)
    assert elapsed(lambda: content(large, size)) < 12 * elapsed(lambda: content(small, size)) + 0.05


@pytest.mark.parametrize(
    "element", [der.NULL_VALUE, b"\x30\x00", b"\x30\x80\0\0"], ids=["primitive", "empty", "frames"]
)
def test_values_in_linear_time(element: Any) -> None:
    small, large = (indefinite(0x31, element * n) for n in (5_000, 20_000))
    assert elapsed(lambda: ber(large).value()) < 12 * elapsed(lambda: ber(small).value()) + 0.05


def test_short_values_are_copied_at_once() -> None:
    """100 000 digestAlgorithms cost hundredths of a second, not half of one."""
    few = indefinite(0x31, der.octet_string(bytes(120)) * 1_000)
    many = indefinite(0x31, der.NULL_VALUE * 61_000)
    assert elapsed(lambda: ber(many).value()) < 200 * elapsed(lambda: ber(few).value())
