"""DigestedData (RFC 5652, 7): content with its digest, which protects against accidents only.

Knows the structure. May not know messages. Nobody vouches for anything here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hmac import compare_digest
from typing import final

from smimekit import der
from smimekit.algorithms import SHA256, AlgorithmIdentifier, Digest, digest_row
from smimekit.cms.ber import END_OF_CONTENTS, BerReader, indefinite
from smimekit.cms.content import (
    DATA,
    DIGESTED_DATA,
    Sink,
    content_info,
    encapsulated,
    encapsulated_stream,
    read_encapsulated,
    read_version,
)
from smimekit.errors import CmsError
from smimekit.primitives import digester

__all__ = ["DigestedData", "digested_data", "digested_data_stream", "read_digested_data"]


@final
@dataclass(frozen=True, slots=True)
class DigestedData:
    """What a DigestedData says, but for the content, which went to the sink."""

    content_type: str
    digest: Digest
    intact: bool
    """Does the digest match the content?"""


def read_digested_data(reader: BerReader, into: Sink) -> DigestedData:
    """Read a DigestedData to its end; the content goes `into` the sink.

    `reader` stands inside the ContentInfo's explicit tag. Raises CmsError, also for a
    digest that is not known and for content that is elsewhere.
    """
    reader.enter(der.SEQUENCE)
    read_version(reader)
    algorithm = AlgorithmIdentifier.read(der.Reader(reader.value(der.SEQUENCE)))
    digest = digest_row(algorithm)
    if digest is None:
        raise CmsError(f"The digest {algorithm.oid} is not supported.", code="cms.digest")
    running = digester(digest)

    def passing(chunk: bytes) -> None:
        running.update(chunk)
        into.write(chunk)

    content_type, detached = read_encapsulated(reader, passing)
    if detached:
        raise CmsError("The digested content is not in the message.", code="cms.no-content")
    expected = reader.string()
    reader.leave()
    return DigestedData(content_type, digest, compare_digest(expected, running.digest()))


def _begin(digest: Digest, content_type: str) -> bytes:
    # RFC 5652, 7: version 2 where the content is not id-data.
    return der.integer(0 if content_type == DATA else 2) + digest.identifier.encode()


def digested_data(content: bytes, digest: Digest = SHA256, *, content_type: str = DATA) -> bytes:
    """A ContentInfo with DigestedData, in DER."""
    running = digester(digest)
    running.update(content)
    inside = der.sequence(
        _begin(digest, content_type),
        encapsulated(content_type, content),
        der.octet_string(running.digest()),
    )
    return content_info(DIGESTED_DATA, inside)


def digested_data_stream(
    content: Iterable[bytes], digest: Digest = SHA256, *, content_type: str = DATA
) -> Iterator[bytes]:
    """The same in BER, with the content as it comes."""
    running = digester(digest)

    def passing() -> Iterator[bytes]:
        for chunk in content:
            running.update(chunk)
            yield chunk

    yield indefinite(der.SEQUENCE) + der.oid(DIGESTED_DATA) + indefinite(0xA0)
    yield indefinite(der.SEQUENCE) + _begin(digest, content_type)
    yield from encapsulated_stream(content_type, passing())
    yield der.octet_string(running.digest()) + END_OF_CONTENTS * 3
