"""CompressedData against zlib, and bombs."""

import time
import zlib
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit import der
from smimekit.algorithms import AlgorithmIdentifier
from smimekit.cms.compressed import read_compressed_data
from smimekit.cms.content import COMPRESSED_DATA, DATA, enter_content
from smimekit.errors import CmsError, LimitExceeded
from tests.cms import forge
from tests.cms.forge import LIMITS, Sink, content_info, indefinite, loosen

ZLIB = "1.2.840.113549.1.9.16.3.8"


def compressed(octets: bytes, oid: str = ZLIB) -> bytes:
    """RFC 3274, 1.1."""
    inner = der.sequence(der.oid(DATA), der.explicit(0, octets))
    return content_info(
        COMPRESSED_DATA, der.sequence(der.integer(0), AlgorithmIdentifier(oid).encode(), inner)
    )


def inflated(mail: bytes, size: int = 1 << 16, limits: Any = LIMITS) -> bytes:
    reader, sink = forge.ber(mail, size, limits), Sink()
    assert enter_content(reader) == COMPRESSED_DATA
    read_compressed_data(reader, sink, limits=limits)
    reader.leave()
    reader.leave()
    reader.finish()
    return bytes(sink.data)


def code_of(mail: bytes, size: int = 1 << 16, limits: Any = LIMITS) -> str:
    with pytest.raises((CmsError, LimitExceeded)) as caught:
        inflated(mail, size, limits)
    assert isinstance(caught.value, CmsError | LimitExceeded)
    return caught.value.code


@given(
    st.one_of(st.binary(max_size=500), st.binary(max_size=3).map(lambda each: each * 100_000)),
    st.integers(0, 9),
    st.sampled_from([1, 9, 1 << 16]),
)
def test_round_trip(content: Any, level: Any, size: Any) -> None:
    packed = zlib.compress(content, level)
    for octets in (
        der.octet_string(packed),
        indefinite(
            0x24, *(der.octet_string(packed[at : at + 40]) for at in range(0, len(packed), 40))
        ),
    ):
        if size > 1 or len(packed) < 5000:
            assert inflated(compressed(octets), size) == content
    assert inflated(loosen(compressed(der.octet_string(packed)))) == content


@pytest.mark.parametrize("length", [(1 << 16) - 1, 1 << 16, (1 << 16) + 1, 3 << 16])
def test_lengths_around_a_chunk(length: Any) -> None:
    """A piece that is exactly full may have more behind it, or nothing."""
    content = b"x" * length
    for size in (1, 100, 1 << 16):
        assert inflated(compressed(der.octet_string(zlib.compress(content))), size) == content


@pytest.mark.parametrize("size", [1, 1 << 16])
def test_cut_off(size: Any) -> None:
    """A stream that does not end is not all of the content."""
    packed = zlib.compress(b"hello" * 100)
    for end in range(len(packed)):
        assert code_of(compressed(der.octet_string(packed[:end])), size) == "cms.compression"


@pytest.mark.parametrize("rest", [b"x", b"\0", bytes(100_000)])
@pytest.mark.parametrize("size", [1, 50, 1 << 16])
def test_something_behind_the_end(rest: Any, size: Any) -> None:
    """What zlib does not read, somebody else may."""
    packed = zlib.compress(b"hello") + rest
    if size > 1 or len(rest) == 1:
        assert code_of(compressed(der.octet_string(packed)), size) == "cms.compression"
    assert (
        code_of(
            compressed(
                indefinite(0x24, der.octet_string(packed[: -len(rest)]), der.octet_string(rest))
            ),
            50,
        )
        == "cms.compression"
    )


def test_a_wrong_checksum() -> None:
    packed = bytearray(zlib.compress(b"hello" * 100))
    packed[-1] ^= 1
    assert code_of(compressed(der.octet_string(bytes(packed)))) == "cms.compression"


@pytest.mark.parametrize("wbits", [-15, 31])
def test_other_formats(wbits: Any) -> None:
    """Raw deflate and gzip are not ZLIB (RFC 1950)."""
    packing = zlib.compressobj(wbits=wbits)
    packed = packing.compress(b"hello" * 9) + packing.flush()
    assert code_of(compressed(der.octet_string(packed))) == "cms.compression"


def test_a_dictionary_of_the_sender() -> None:
    packing = zlib.compressobj(zdict=b"hello")
    packed = packing.compress(b"hello" * 9) + packing.flush()
    assert code_of(compressed(der.octet_string(packed))) == "cms.compression"


def test_another_algorithm() -> None:
    assert code_of(compressed(der.octet_string(b""), "1.2.3")) == "cms.compression"


def test_no_content() -> None:
    inner = der.sequence(der.oid(DATA))
    mail = content_info(
        COMPRESSED_DATA, der.sequence(der.integer(0), AlgorithmIdentifier(ZLIB).encode(), inner)
    )
    assert code_of(mail) == "cms.malformed"


# --- bombs ---------------------------------------------------------------------------------


def test_limit_inflated_bytes() -> None:
    limits = replace(LIMITS, inflated_bytes=100_000)
    assert inflated(
        compressed(der.octet_string(zlib.compress(bytes(100_000)))), limits=limits
    ) == bytes(100_000)
    for size in (100_001, 10_000_000):
        mail = compressed(der.octet_string(zlib.compress(bytes(size))))
        for chunk in (1, 1 << 16):
            assert code_of(mail, chunk, limits) == "limit.inflated-bytes"


def test_limit_inflate_ratio() -> None:
    limits = replace(LIMITS, inflate_ratio=100)
    assert inflated(compressed(der.octet_string(zlib.compress(bytes(1 << 20)))), limits=limits)
    mail = compressed(der.octet_string(zlib.compress(bytes(10 << 20))))
    assert code_of(mail, limits=limits) == "limit.inflate-ratio"
    loose = replace(LIMITS, inflate_ratio=1_032)  # more is not in zlib's power
    assert inflated(mail, limits=loose) == bytes(10 << 20)


def test_limit_inflate_free() -> None:
    mail = compressed(der.octet_string(zlib.compress(bytes(100_000))))
    for free, enough in ((100_000, True), (1_000, False)):
        limits = replace(LIMITS, inflate_ratio=1, inflate_free=free)
        if enough:
            assert inflated(mail, limits=limits) == bytes(100_000)
        else:
            assert code_of(mail, limits=limits) == "limit.inflate-ratio"


def test_the_ratio_that_is_allowed_unasked() -> None:
    """It binds: a bomb of zeros is refused, a table of ordinary lines is not."""
    lines = b"".join(b"%06d;2026-01-01;0,00;EUR;\r\n" % at for at in range(200_000))
    assert inflated(compressed(der.octet_string(zlib.compress(lines, 9)))) == lines
    free = compressed(der.octet_string(zlib.compress(bytes(1 << 20))))
    assert inflated(free) == bytes(1 << 20)
    bomb = compressed(der.octet_string(zlib.compress(bytes(4 << 20))))
    assert code_of(bomb) == "limit.inflate-ratio"


def test_a_bomb_stops_early() -> None:
    """The limit counts what comes out, before it is kept."""
    limits = replace(LIMITS, inflated_bytes=1 << 17)
    mail = compressed(der.octet_string(zlib.compress(bytes(50 << 20))))
    reader, sink = forge.ber(mail, limits=limits), Sink()
    enter_content(reader)
    with pytest.raises(LimitExceeded):
        read_compressed_data(reader, sink, limits=limits)
    assert len(sink.data) <= 1 << 17


# --- time and any bytes --------------------------------------------------------------------


def seconds(mail: bytes) -> float:
    """All in one chunk: the least of three."""
    found = []
    for _ in range(3):
        start = time.process_time()
        with suppress(CmsError):
            inflated(mail, len(mail))
        found.append(time.process_time() - start)
    return min(found)


@pytest.mark.parametrize("rest", [False, True])
def test_linear_time(rest: Any) -> Any:
    """zlib copies the unread rest of its input, and what it collects behind its end."""

    def mail(size: int) -> bytes:
        content = b"" if rest else bytes(size)
        packed = zlib.compress(content, 0) + bytes(size if rest else 0)
        if not rest:
            return compressed(der.octet_string(packed))
        pieces = (der.octet_string(packed[at : at + 1000]) for at in range(0, len(packed), 1000))
        return compressed(indefinite(0x24, *pieces))

    assert seconds(mail(16 << 20)) < 8 * seconds(mail(4 << 20)) + 0.05


@given(
    st.binary(max_size=60), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 255)), max_size=3)
)
def test_damage(noise: Any, changes: Any) -> None:
    packed = bytearray(zlib.compress(b"hello" * 10) + noise)
    for at, octet in changes:
        packed[at % len(packed)] = octet
    for mail in (compressed(der.octet_string(bytes(packed))), compressed(noise)):
        try:
            inflated(mail)
        except (CmsError, LimitExceeded):
            continue
