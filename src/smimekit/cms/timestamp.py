"""Time-stamp tokens (RFC 3161) on a signature (RFC 5126, 6.1.1): attached, found, checked.

A token is SignedData by a time-stamping authority (TSA) whose content, TSTInfo, holds the
digest of the signature value and a time. Knows that syntax. May not know whether to believe
a TSA, nor ask one: whoever has a connection to one does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from typing import final

from smimekit import der
from smimekit.algorithms import AlgorithmIdentifier, digest_row
from smimekit.cms import attributes as attrs
from smimekit.cms.ber import BerReader
from smimekit.cms.content import SIGNED_DATA, TST_INFO, enter_content
from smimekit.cms.signed import Digests, SignedData, SignerInfo, read_signed_data
from smimekit.errors import CmsError
from smimekit.limits import Limits
from smimekit.primitives import digest

__all__ = [
    "TimestampInfo",
    "TimestampToken",
    "imprint_matches",
    "read_timestamp",
    "timestamp_attribute",
    "timestamps",
]


@final
@dataclass(frozen=True, slots=True)
class TimestampInfo:
    """A TSTInfo (RFC 3161, 2.4.2), without what it says of the TSA."""

    policy: str
    """The OID of the policy under which the token was made."""
    imprint_algorithm: AlgorithmIdentifier
    imprint: bytes
    serial: int
    time: datetime
    """genTime: when what has this imprint was there. In UTC, without fractions of a second."""
    nonce: int | None
    authority: bytes | None = None
    """The DER of the Name in `tsa`, where it holds a directoryName."""


@final
@dataclass(frozen=True, slots=True)
class TimestampToken:
    """A time-stamp token: what it says, and the signature that says so."""

    info: TimestampInfo
    data: SignedData
    digests: Digests
    """Of the TSTInfo, for `check_signer`."""

    @property
    def signer(self) -> SignerInfo:
        """The TSA's signature: a token has no other (RFC 3161, 2.4.2)."""
        return self.data.signers[0]


@final
class _Memory:
    """A small content, in memory."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, data: bytes, /) -> None:
        self.content += data

    def chunks(self) -> Iterator[bytes]:
        yield bytes(self.content)


def timestamps(signer: SignerInfo) -> tuple[bytes, ...]:
    """The encoded tokens on a signature: each is a ContentInfo."""
    unsigned = signer.unsigned_attributes
    return () if unsigned is None else unsigned.values(attrs.SIGNATURE_TIMESTAMP)


def read_timestamp(token: bytes, *, limits: Limits) -> TimestampToken:
    """A token; CmsError or LimitExceeded where it is none.

    Its imprint and its signature are checked by `imprint_matches` and `check_signer`.
    """
    reader, memory = BerReader(iter((token,)), limits=limits), _Memory()
    if enter_content(reader) != SIGNED_DATA:
        raise _malformed("it is no signed data")
    data, digests = read_signed_data(reader, memory, limits=limits)
    reader.leave()
    reader.leave()
    reader.finish()
    if data.content_type != TST_INFO or data.detached:
        raise _malformed("it signs something else")
    if len(data.signers) != 1 or data.unreadable_signers:
        raise _malformed("it has not exactly one signer")
    if data.signers[0].signed_attributes is None:
        raise _malformed("its signed attributes are missing")
    return TimestampToken(_read_info(bytes(memory.content)), data, digests)


def _read_info(content: bytes) -> TimestampInfo:
    outer = der.Reader(content)
    inside = outer.enter(der.SEQUENCE)
    outer.finish()
    if inside.integer() != 1:
        raise _malformed("its version is not 1")
    policy = inside.oid()
    imprint = inside.enter(der.SEQUENCE)
    algorithm, value = AlgorithmIdentifier.read(imprint), imprint.octets()
    imprint.finish()
    serial = inside.integer()
    if inside.peek != der.GENERALIZED_TIME:
        raise _malformed("its time is no GeneralizedTime")
    return TimestampInfo(policy, algorithm, value, serial, inside.time(), *_read_optional(inside))


def _read_optional(inside: der.Reader) -> tuple[int | None, bytes | None]:
    """The nonce and the authority's name, of what may follow the time."""
    nonce = authority = None
    for tag in (der.SEQUENCE, der.BOOLEAN, der.INTEGER, 0xA0, 0xA1):
        if not inside.more or inside.peek != tag:
            continue  # accuracy, ordering, nonce, tsa, extensions: each may be absent
        if tag == der.INTEGER:
            nonce = inside.integer()
        elif tag == 0xA0:
            authority = _directory_name(inside.enter(0xA0))
        elif tag == 0xA1:
            _check_extensions(inside.enter(0xA1))
        else:
            inside.raw()
    inside.finish()
    return nonce, authority


def _directory_name(tsa: der.Reader) -> bytes | None:
    """The Name of a GeneralName; None for a name of another kind."""
    return tsa.enter(0xA4).raw(der.SEQUENCE) if tsa.peek == 0xA4 else None


def _check_extensions(extensions: der.Reader) -> None:
    while extensions.more:
        extension = extensions.enter(der.SEQUENCE)
        extension.oid()
        if extension.peek == der.BOOLEAN and extension.boolean():
            raise _malformed("it has a critical extension that is not understood")


def imprint_matches(info: TimestampInfo, stamped: bytes) -> bool:
    """Was it these octets, a signature value, that were stamped?

    CmsError where the digest of the imprint is not known.
    """
    row = digest_row(info.imprint_algorithm)
    if row is None:
        raise CmsError(
            f"The time-stamp uses the digest {info.imprint_algorithm.oid}, which is not supported.",
            code="cms.timestamp",
        )
    return compare_digest(info.imprint, digest(row, stamped))


def timestamp_attribute(token: bytes) -> bytes:
    """The signatureTimeStampToken attribute around a token, for `add_unsigned`."""
    return attrs.attribute(attrs.SIGNATURE_TIMESTAMP, token)


def _malformed(what: str) -> CmsError:
    return CmsError(f"The time-stamp token is malformed: {what}.", code="cms.timestamp")
