"""ContentInfo (RFC 5652, 3), the content types, and where content is put until its verdict."""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final, Protocol

from smimekit import der
from smimekit.cms.ber import END_OF_CONTENTS, BerReader, constructed_octets, indefinite
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
    "encapsulated",
    "encapsulated_stream",
    "enter_content",
    "read_content_type",
    "read_encapsulated",
    "read_version",
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


def read_content_type(reader: BerReader) -> str:
    """The OID that the next value is; CmsError where it is none."""
    return _oid(reader.value(der.OID))


@lru_cache(maxsize=64)
def _oid(raw: bytes) -> str:
    return der.Reader(raw).oid()


def enter_content(reader: BerReader) -> str:
    """Enter a ContentInfo and its content; the content type's OID. Two frames to leave.

    Raises CmsError where the input does not begin like a ContentInfo.
    """
    if reader.peek() != der.SEQUENCE:
        raise CmsError(
            "This is no CMS data: it does not begin with a ContentInfo.", code="cms.not-cms"
        )
    reader.enter(der.SEQUENCE)
    oid = read_content_type(reader)
    reader.enter(0xA0)
    return oid


def content_info(content_type: str, content: bytes) -> bytes:
    """A ContentInfo around content that is encoded already."""
    return der.sequence(der.oid(content_type), der.explicit(0, content))


def read_version(reader: BerReader) -> None:
    """The CMSVersion that a structure begins with, which decides nothing (RFC 5652, 1.3).

    CmsError where it is no number.
    """
    der.Reader(reader.value(der.INTEGER)).integer()


def read_encapsulated(reader: BerReader, each: Callable[[bytes], object]) -> tuple[str, bool]:
    """EncapsulatedContentInfo (RFC 5652, 5.2): its type, and whether the content is elsewhere.

    `each` is called with every chunk of the content.
    """
    reader.enter(der.SEQUENCE)
    content_type = read_content_type(reader)
    detached = reader.peek() != 0xA0
    if not detached:
        reader.enter(0xA0)
        for chunk in _content_octets(reader, content_type):
            each(chunk)
        reader.leave()
    reader.leave()
    return content_type, detached


def _content_octets(reader: BerReader, content_type: str) -> Iterator[bytes]:
    # Data is an OCTET STRING in PKCS #7, too. Its tag is not digested: anybody can put another.
    if content_type == DATA or reader.peek() & ~0x20 == der.OCTET_STRING:
        return reader.octets()
    # PKCS #7 has content of ANY type, and digests only its content octets (5.2.1).
    return iter((der.Reader(reader.value()).any()[1],))


def encapsulated(content_type: str, content: bytes | None) -> bytes:
    """An EncapsulatedContentInfo in DER; the content is elsewhere where it is None."""
    octets = b"" if content is None else der.explicit(0, der.octet_string(content))
    return der.sequence(der.oid(content_type), octets)


def encapsulated_stream(content_type: str, content: Iterable[bytes]) -> Iterator[bytes]:
    """The same in BER, with the content as it comes."""
    yield indefinite(der.SEQUENCE) + der.oid(content_type) + indefinite(0xA0)
    yield from constructed_octets(content)
    yield END_OF_CONTENTS * 2
