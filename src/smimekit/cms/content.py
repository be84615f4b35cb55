"""ContentInfo (RFC 5652, 3), the content types, and where content is put until its verdict."""

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from smimekit import der
from smimekit.cms.ber import BerReader
from smimekit.errors import CmsError

__all__ = [
    "AUTHENTICATED_DATA",
    "AUTH_ENVELOPED_DATA",
    "COMPRESSED_DATA",
    "CONTENT_TYPE_NAMES",
    "DATA",
    "DIGESTED_DATA",
    "ENCRYPTED_DATA",
    "ENVELOPED_DATA",
    "SIGNED_DATA",
    "TST_INFO",
    "Sink",
    "content_info",
    "content_type_name",
    "drain",
    "enter_content",
]

DATA: Final = "1.2.840.113549.1.7.1"
SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
ENVELOPED_DATA: Final = "1.2.840.113549.1.7.3"
DIGESTED_DATA: Final = "1.2.840.113549.1.7.5"
ENCRYPTED_DATA: Final = "1.2.840.113549.1.7.6"
AUTHENTICATED_DATA: Final = "1.2.840.113549.1.9.16.1.2"
TST_INFO: Final = "1.2.840.113549.1.9.16.1.4"
COMPRESSED_DATA: Final = "1.2.840.113549.1.9.16.1.9"
AUTH_ENVELOPED_DATA: Final = "1.2.840.113549.1.9.16.1.23"

CONTENT_TYPE_NAMES: Final = {
    DATA: "data",
    SIGNED_DATA: "signed-data",
    ENVELOPED_DATA: "enveloped-data",
    DIGESTED_DATA: "digested-data",
    ENCRYPTED_DATA: "encrypted-data",
    AUTHENTICATED_DATA: "authenticated-data",
    COMPRESSED_DATA: "compressed-data",
    AUTH_ENVELOPED_DATA: "authEnveloped-data",
}


class Sink(Protocol):
    """Where content waits for its verdict: written once, read again if need be."""

    def write(self, data: bytes, /) -> object: ...

    def chunks(self) -> Iterator[bytes]: ...


def content_type_name(oid: str) -> str:
    """The name of a content type, or its OID where it is not known."""
    return CONTENT_TYPE_NAMES.get(oid, oid)


def enter_content(reader: BerReader) -> str:
    """Enter a ContentInfo and its content; the content type's OID. Two frames to leave.

    Raises CmsError where the input does not begin like a ContentInfo.
    """
    if reader.peek() != der.SEQUENCE:
        raise CmsError(
            "This is no CMS data: it does not begin with a ContentInfo.", code="cms.not-cms"
        )
    reader.enter(der.SEQUENCE)
    oid = der.Reader(reader.value(der.OID)).oid()
    reader.enter(0xA0)
    return oid


def content_info(content_type: str, content: bytes) -> bytes:
    """A ContentInfo around content that is encoded already."""
    return der.sequence(der.oid(content_type), der.explicit(0, content))


def drain(chunks: Iterable[bytes], into: Sink) -> None:
    """Write all chunks into a sink."""
    for chunk in chunks:
        into.write(chunk)
