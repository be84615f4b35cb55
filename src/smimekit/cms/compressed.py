"""CompressedData (RFC 3274): deflated, and inflated within limits. Knows zlib, nothing of mail."""

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from smimekit import der
from smimekit.algorithms import AlgorithmIdentifier
from smimekit.cms.ber import END_OF_CONTENTS, BerReader, indefinite
from smimekit.cms.content import (
    COMPRESSED_DATA,
    DATA,
    Sink,
    content_info,
    encapsulated,
    encapsulated_stream,
    read_content_type,
    read_version,
)
from smimekit.errors import CmsError, LimitExceeded
from smimekit.limits import Limits
from smimekit.span import CHUNK

__all__ = ["compressed_data", "compressed_data_stream", "read_compressed_data"]

_ZLIB: Final = "1.2.840.113549.1.9.16.3.8"


def read_compressed_data(reader: BerReader, into: Sink, *, limits: Limits) -> str:
    """Inflate the content into the sink, to its end; the type of the content.

    `reader` stands inside the ContentInfo's explicit tag. Raises CmsError and
    LimitExceeded.
    """
    reader.enter(der.SEQUENCE)
    read_version(reader)
    algorithm = AlgorithmIdentifier.read(der.Reader(reader.value(der.SEQUENCE)))
    if algorithm.oid != _ZLIB:
        raise CmsError(
            f"The compression algorithm {algorithm.oid} is not supported.", code="cms.compression"
        )
    reader.enter(der.SEQUENCE)
    content_type = read_content_type(reader)
    reader.enter(0xA0)
    for chunk in _inflate(reader.octets(), limits):
        into.write(chunk)
    for _ in range(3):
        reader.leave()
    return content_type


def compressed_data(content: bytes, *, content_type: str = DATA) -> bytes:
    """A ContentInfo with CompressedData, in DER."""
    inside = der.sequence(
        der.integer(0),
        AlgorithmIdentifier(_ZLIB).encode(),
        encapsulated(content_type, zlib.compress(content)),
    )
    return content_info(COMPRESSED_DATA, inside)


def compressed_data_stream(
    content: Iterable[bytes], *, content_type: str = DATA
) -> Iterator[bytes]:
    """The same in BER, with the content as it comes."""
    yield indefinite(der.SEQUENCE) + der.oid(COMPRESSED_DATA) + indefinite(0xA0)
    yield indefinite(der.SEQUENCE) + der.integer(0) + AlgorithmIdentifier(_ZLIB).encode()
    yield from encapsulated_stream(content_type, _deflate(content))
    yield END_OF_CONTENTS * 3


def _deflate(chunks: Iterable[bytes]) -> Iterator[bytes]:
    deflating = zlib.compressobj()
    for chunk in chunks:
        yield deflating.compress(chunk)
    yield deflating.flush()


def _inflate(chunks: Iterable[bytes], limits: Limits) -> Iterator[bytes]:
    inflating = zlib.decompressobj()
    taken = given = 0
    try:
        for chunk in _pieces(chunks):
            if inflating.eof:  # before zlib collects what follows: it copies all, each time
                raise _malformed()
            taken += len(chunk)
            out, data = b"", chunk
            while data or len(out) == CHUNK:  # a full piece: there may be more behind it
                out = inflating.decompress(data, CHUNK)
                given += len(out)
                _bound(taken, given, limits)
                yield out
                data = inflating.unconsumed_tail
    except zlib.error:
        raise _malformed() from None
    if not inflating.eof or inflating.unused_data:
        raise _malformed()


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same in pieces of bounded size: zlib copies the unread rest of one at every turn."""
    for chunk in chunks:
        for at in range(0, len(chunk), CHUNK):
            yield chunk[at : at + CHUNK]


def _bound(taken: int, given: int, limits: Limits) -> None:
    if given > limits.inflated_bytes:
        raise LimitExceeded("Compressed content grows too large.", code="limit.inflated-bytes")
    if given > limits.inflate_free + taken * limits.inflate_ratio:
        raise LimitExceeded("Compressed content grows too fast.", code="limit.inflate-ratio")


def _malformed() -> CmsError:
    return CmsError("The compressed content is malformed.", code="cms.compression")
