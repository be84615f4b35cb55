"""Headers of values as nearly all are go a shorter way: it ends where the long one does."""

from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from smimekit import der
from smimekit.algorithms import AES256_CBC, AES256_GCM, RsaPadding
from smimekit.cms.ber import BerReader
from smimekit.cms.content import enter_content
from smimekit.cms.enveloped import EnvelopedReader, enveloped_data, enveloped_data_stream
from smimekit.cms.recipients import ContentKey
from smimekit.cms.wrapping import wrap_for
from smimekit.errors import SmimeError
from smimekit.limits import Limits
from smimekit.message.spool import Spool
from smimekit.policy import Policy
from smimekit.testing import FakeCA
from tests.fuzz.mutate import mutate_bytes, mutate_der

KEY = ContentKey(bytes(range(32)))
BOB = FakeCA("Example CA").person("bob@example.org", key="rsa-2048")
RECIPIENTS = [wrap_for(BOB.certificate, KEY, RsaPadding())] * 3
CONTENT = b"content " * 90
ENVELOPES = (
    *(enveloped_data(CONTENT, row, KEY, RECIPIENTS) for row in (AES256_CBC, AES256_GCM)),
    b"".join(enveloped_data_stream([CONTENT], AES256_CBC, KEY, RECIPIENTS)),
    enveloped_data(b"", AES256_CBC, KEY, RECIPIENTS[:1], content_type="1.2.3"),
)
HEADS = st.sampled_from(
    [
        *(b"\x30\x00", b"\x30\x01", b"\x30\x7f", b"\x30\x80", b"\x30\x81\x01", b"\x30\x82\x00\x01"),
        *(b"\x30\x82\x00", b"\x30\x82", b"\x30\x83\x00\x00\x01", b"\x30\x84\xff\xff\xff\xff"),
        *(b"\x04\x82\x00\x02", b"\x3f\x02", b"\x30", b"\x30\x88" + bytes(7) + b"\x01", b"\x30\x89"),
    ]
)


def read(data: bytes, size: int) -> object:
    """All that is in an envelope, or the code of what is wrong."""
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    reader = BerReader(chunks, limits=Limits())
    try:
        envelope = EnvelopedReader(reader, enter_content(reader), limits=Limits())
        with Spool(1 << 20) as spool:
            envelope.decrypt(KEY, Policy.INTEROP, spool)
            reader.leave()
            reader.leave()
            reader.finish()
            found = spool.span().bytes()
        return envelope.inner_type, envelope.algorithm, tuple(envelope.recipients), found
    except SmimeError as error:
        return error.code


@pytest.mark.parametrize("data", ENVELOPES)
@pytest.mark.parametrize("size", [1, 9, 1 << 16])
def test_all_of_them_are_read(data: bytes, size: int) -> None:
    found = read(data, size)
    assert isinstance(found, tuple)
    assert found[3] in {CONTENT, b""}


@pytest.mark.parametrize("size", [1, 99])
@pytest.mark.parametrize("head", [b"\x02\x02", b"\x02\x81\x02", b"\x02\x82\x00\x02"])
def test_no_value_is_longer_than_what_is_around_it(head: bytes, size: int) -> None:
    """What is behind the frame is there to be read, and not its own."""
    data = der.tlv(0x30, der.tlv(0x30, head, b"\x01"), b"\x05\x00" * 4)
    for tag in (0x02, None):
        reader = BerReader(
            [data[at : at + size] for at in range(0, len(data), size)], limits=Limits()
        )
        reader.enter(0x30)
        reader.enter(0x30)
        with pytest.raises(SmimeError) as caught:
            reader.value(tag)
        assert caught.value.code == "cms.malformed"


@settings(max_examples=300)
@given(st.sampled_from(ENVELOPES), st.integers(0, 2**32), st.booleans(), st.sampled_from([9, 9999]))
def test_a_usual_header_is_read_as_any_other(
    data: bytes, seed: int, trees: bool, size: int
) -> None:
    changed = (mutate_der if trees else mutate_bytes)(data, Random(seed))  # noqa: S311
    found = read(changed, size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BerReader, "_usual_header", lambda _reader, _tag: -1)
        assert read(changed, size) == found


RESTS = st.binary(max_size=4) | st.sampled_from([bytes(127), bytes(300), b"\xff" * 300])


@given(HEADS, RESTS, st.integers(0, 9), st.sampled_from([0x30, 0x04, 0x3F]))
@example(b"\x30\x82", b"", 0, 0x30)
@example(b"\x30\x82\x00", b"", 0, 0x30)
@example(b"\x30\x81\x01", bytes(300), 0, 0x30)
@example(b"\x30\x80", bytes(300), 0, 0x30)
def test_in_memory_too(head: bytes, rest: bytes, beyond: int, tag: int) -> None:
    """`_inside` finds what `_header` does, which looks at everything."""
    data = head + rest + bytes(beyond)
    usual, other = (der.Reader(data, 0, len(head + rest)) for _ in range(2))

    def short() -> object:
        try:
            return usual._inside(tag), usual.rest()
        except SmimeError as error:
            return error.code

    def long() -> object:
        if other.peek != tag:
            return "asn1.unexpected"
        try:
            _, start, stop = other._header()
        except SmimeError as error:
            return error.code
        return (start, stop), other.rest()

    assert short() == long()
