"""SignedData (RFC 5652, 5), written: as DER or, in streams, as BER.

Knows the structure. May not know how a signature is made (`cms.signer_writing` does).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from smimekit import der
from smimekit.algorithms import AlgorithmIdentifier
from smimekit.cms.ber import END_OF_CONTENTS, indefinite
from smimekit.cms.content import (
    DATA,
    SIGNED_DATA,
    content_info,
    encapsulated,
    encapsulated_stream,
)
from smimekit.cms.identifiers import CertificateId, SubjectKeyIdentifier

__all__ = [
    "add_unsigned",
    "certs_only",
    "certs_only_stream",
    "signed_data",
    "signed_data_stream",
    "signer_info",
]


def signer_info(
    sid: CertificateId,
    digest: AlgorithmIdentifier,
    signed_attributes: bytes | None,
    signature_algorithm: AlgorithmIdentifier,
    signature: bytes,
) -> bytes:
    """A SignerInfo; `signed_attributes` is the DER of the SET OF Attribute that was signed."""
    version = 3 if isinstance(sid, SubjectKeyIdentifier) else 1
    return der.sequence(
        der.integer(version),
        sid.encode(),
        digest.encode(),
        b"" if signed_attributes is None else b"\xa0" + signed_attributes[1:],
        signature_algorithm.encode(),
        der.octet_string(signature),
    )


def add_unsigned(info: bytes, *attributes: bytes) -> bytes:
    """The SignerInfo with more unsigned attributes: nobody vouches for them, or themselves.

    What is signed stays as it is, to the octet. CmsError where `info` is no SignerInfo.
    """
    if not attributes:
        return info
    inside = der.Reader(info).enter(der.SEQUENCE)
    values: list[bytes] = []
    while inside.more and inside.peek != 0xA1:
        values.append(inside.raw())
    found = list(attributes)
    if inside.more:
        before = inside.enter(0xA1)
        while before.more:
            found.append(before.raw())
    inside.finish()
    return der.sequence(*values, der.set_of(found, 0xA1))


def _version(content_type: str, signer_infos: Iterable[bytes]) -> bytes:
    # RFC 5652, 5.1: 3 where the content is not id-data or a signer is named by its key.
    plain = content_type == DATA and all(
        der.Reader(info).enter(der.SEQUENCE).integer() == 1 for info in signer_infos
    )
    return der.integer(1 if plain else 3)


def _tail(certificates: Sequence[bytes], signer_infos: Sequence[bytes]) -> bytes:
    bag = der.set_of(certificates, 0xA0) if certificates else b""
    return bag + der.set_of(signer_infos)


def signed_data(
    content: bytes | None,
    digests: Iterable[AlgorithmIdentifier],
    certificates: Sequence[bytes],
    signer_infos: Sequence[bytes],
    *,
    content_type: str = DATA,
) -> bytes:
    """A ContentInfo with SignedData, in DER; detached where `content` is None."""
    inside = der.sequence(
        _version(content_type, signer_infos),
        der.set_of({each.encode() for each in digests}),
        encapsulated(content_type, content),
        _tail(certificates, signer_infos),
    )
    return content_info(SIGNED_DATA, inside)


def signed_data_stream(
    content: Iterable[bytes],
    digests: Iterable[AlgorithmIdentifier],
    certificates: Sequence[bytes],
    signer_infos: Callable[[], Sequence[bytes]],
    *,
    content_type: str = DATA,
) -> Iterator[bytes]:
    """The same in BER, with the content as it comes.

    `signer_infos` is called when the content has passed; each must name its certificate by
    issuer and serial number, since the version stands before them.
    """
    yield indefinite(der.SEQUENCE) + der.oid(SIGNED_DATA) + indefinite(0xA0)
    yield indefinite(der.SEQUENCE) + _version(content_type, ())
    yield der.set_of({each.encode() for each in digests})
    yield from encapsulated_stream(content_type, content)
    yield _tail(certificates, signer_infos())
    yield END_OF_CONTENTS * 3


def certs_only(certificates: Sequence[bytes]) -> bytes:
    """A certificates-only message (RFC 8551, 3.8): no content, no signer."""
    return signed_data(None, (), certificates, ())


def certs_only_stream(certificates: Iterable[bytes]) -> Iterator[bytes]:
    """The same in BER, with the certificates as they come."""
    yield indefinite(der.SEQUENCE) + der.oid(SIGNED_DATA) + indefinite(0xA0)
    yield indefinite(der.SEQUENCE) + der.integer(1) + der.set_of(())
    yield encapsulated(DATA, None)
    yield indefinite(0xA0)
    yield from certificates
    yield END_OF_CONTENTS + der.set_of(()) + END_OF_CONTENTS * 3
