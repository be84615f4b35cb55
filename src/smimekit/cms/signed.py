"""SignedData (RFC 5652, 5), read in one pass.

Knows the structure and the digests of the content. May not know how it is written
(`cms.signed_writing` does), whether a signature is good (`cms.signer`), nor whether a signer is
trusted.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, final

from smimekit import der
from smimekit.algorithms import AlgorithmIdentifier, Digest, digest_row
from smimekit.cms.attributes import Attributes
from smimekit.cms.ber import BerReader
from smimekit.cms.content import (
    Sink,
    read_encapsulated,
    read_version,
)
from smimekit.cms.identifiers import CertificateId, read_certificate_id
from smimekit.errors import CmsError, LimitExceeded
from smimekit.limits import Limits
from smimekit.primitives import Digester, digest, digester

__all__ = [
    "Digests",
    "SignedData",
    "SignerInfo",
    "read_algorithms",
    "read_members",
    "read_signed_data",
    "read_signer_info",
    "read_signers",
    "reject_detached_content",
    "signed_data_of",
]


_OCSP_RESPONSE: Final = "1.3.6.1.5.5.7.16.2"


@final
@dataclass(frozen=True, slots=True)
class SignerInfo:
    """One signer (RFC 5652, 5.3), as received."""

    version: int
    sid: CertificateId
    digest_algorithm: AlgorithmIdentifier
    signed_attributes: Attributes | None
    signature_algorithm: AlgorithmIdentifier
    signature: bytes
    unsigned_attributes: Attributes | None
    common: object = field(default=None, repr=False, compare=False)
    """The same object where all is the same but for the values of messageDigest and signingTime
    and the signature; None where nothing is known of others."""


@final
@dataclass(frozen=True, slots=True)
class SignedData:
    """What a SignedData says, but for the content, which went to the sink."""

    content_type: str
    """The OID of the content's type."""
    detached: bool
    """Is the content elsewhere?"""
    digest_algorithms: tuple[AlgorithmIdentifier, ...]
    certificates: tuple[bytes, ...]
    """The X.509 certificates, as received; other kinds are left out."""
    crls: tuple[bytes, ...]
    other_revocation: tuple[tuple[str, bytes], ...]
    """Revocation information of other formats: OID and value (RFC 5940: OCSP)."""
    signers: tuple[SignerInfo, ...]
    unreadable_signers: tuple[str, ...] = ()
    """Of each SignerInfo that is none, why: a signature that was there, and cannot count."""

    @property
    def ocsp_responses(self) -> tuple[bytes, ...]:
        """The OCSPResponses among the revocation information (RFC 5940, 2.1)."""
        return tuple(value for oid, value in self.other_revocation if oid == _OCSP_RESPONSE)


@final
class Digests:
    """The digests of one content, each computed at most once.

    Those that were `announced` are computed while the content passes; another one costs a
    second pass, through `again`.
    """

    def __init__(
        self, announced: Iterable[Digest], again: Callable[[], Iterable[bytes]] | None = None
    ) -> None:
        self._announced = tuple(announced)
        self._running: dict[str, Digester] = {}
        self._values: dict[str, bytes] = {}
        self._again = again

    @classmethod
    def of(cls, content: bytes, rows: Iterable[Digest]) -> "Digests":
        """Those of content that is at hand."""
        made = cls(())
        for row in rows:
            made._values[row.name] = digest(row, content)
        return made

    def update(self, chunk: bytes) -> None:
        """Another piece of the content."""
        if self._announced:
            self._begin()
        for running in self._running.values():
            running.update(chunk)

    def value(self, row: Digest) -> bytes:
        """The digest of the whole content, which has passed."""
        known = self._values.get(row.name)
        if known is not None:
            return known
        if self._announced:
            self._begin()
        running = self._running.pop(row.name, None)
        if running is None:
            running = digester(row)
            for chunk in self.content():
                running.update(chunk)
        self._values[row.name] = value = running.digest()
        return value

    def _begin(self) -> None:
        """Not before there is content: a detached signature announces digests of none."""
        for row in self._announced:
            self._running[row.name] = digester(row)
        self._announced = ()

    def content(self) -> Iterable[bytes]:
        """The content once more."""
        return () if self._again is None else self._again()


def read_signed_data(
    reader: BerReader, into: Sink, *, limits: Limits
) -> tuple[SignedData, Digests]:
    """Read a SignedData to its end; its content, if it holds one, goes `into` the sink.

    `reader` stands inside the ContentInfo's explicit tag. Raises CmsError and
    LimitExceeded.
    """
    reader.enter(der.SEQUENCE)
    read_version(reader)
    announced = read_algorithms(reader.reader(der.SET), limits)
    rows = {row: None for each in announced if (row := _announced_row(each))}
    digests = Digests(rows, into.chunks)

    def passing(chunk: bytes) -> None:
        digests.update(chunk)
        into.write(chunk)

    content = read_encapsulated(reader, passing)
    certificates = _members(reader, 0xA0, limits) if reader.peek() == 0xA0 else ()
    revocation = _members(reader, 0xA1, limits) if reader.peek() == 0xA1 else ()
    signers = read_signers(_members(reader, der.SET, limits), limits)
    reader.leave()
    return signed_data_of(announced, content, certificates, revocation, signers), digests


def signed_data_of(
    announced: tuple[AlgorithmIdentifier, ...],
    content: tuple[str, bool],
    certificates: Iterable[bytes],
    revocation: Sequence[bytes],
    signers: tuple[tuple[SignerInfo, ...], tuple[str, ...]],
) -> SignedData:
    """A SignedData whose parts were read.

    `content`: its type, and whether it is elsewhere. `certificates`, `revocation`: the members of
    the sets, of any kind. CmsError for those that are malformed.
    """
    return SignedData(
        content_type=content[0],
        detached=content[1],
        digest_algorithms=announced,
        certificates=tuple([raw for raw in certificates if raw[0] == der.SEQUENCE]),
        crls=tuple([raw for raw in revocation if raw[0] == der.SEQUENCE]),
        other_revocation=tuple([_other_revocation(raw) for raw in revocation if raw[0] == 0xA1]),
        signers=signers[0],
        unreadable_signers=signers[1],
    )


def read_signers(
    infos: Iterable[bytes], limits: Limits
) -> tuple[tuple[SignerInfo, ...], tuple[str, ...]]:
    """The SignerInfos, and what is wrong with those that are none.

    Each by itself: what is wrong with one says nothing about the others.
    """
    signers: list[SignerInfo] = []
    unreadable: list[str] = []
    for raw in infos:
        try:
            signers.append(read_signer_info(raw, limits=limits))
        except CmsError as error:
            unreadable.append(str(error))
    return tuple(signers), tuple(unreadable)


def read_algorithms(reader: der.Reader, limits: Limits) -> tuple[AlgorithmIdentifier, ...]:
    """The digestAlgorithms, from inside the SET."""
    found: list[AlgorithmIdentifier] = []
    while reader.more:
        if len(found) == limits.digest_algorithms:
            raise LimitExceeded(
                "A signed message names too many digest algorithms.",
                code="limit.digest-algorithms",
            )
        found.append(AlgorithmIdentifier.read(reader))
    return tuple(found)


def _announced_row(identifier: AlgorithmIdentifier) -> Digest | None:
    try:
        return digest_row(identifier)
    except CmsError:
        return None  # an announcement is a hint; what a signer names is checked where it counts


def _members(reader: BerReader, tag: int, limits: Limits) -> tuple[bytes, ...]:
    return read_members(reader.reader(tag), tag, limits)


def read_members(reader: der.Reader, tag: int, limits: Limits) -> tuple[bytes, ...]:
    """The members of one of the sets behind the content, from inside it; not more than may be.

    `tag` says which: [0] of certificates, [1] of CRLs, the SET of SignerInfos.
    """
    most = limits.signers if tag == der.SET else limits.crls
    most = limits.certificates if tag == 0xA0 else most
    found: list[bytes] = []
    while reader.more:
        if len(found) == most:
            raise _too_many(tag)
        found.append(reader.raw())
    return tuple(found)


def _too_many(tag: int) -> LimitExceeded:
    if tag == 0xA0:
        return LimitExceeded("A message holds too many certificates.", code="limit.certificates")
    if tag == 0xA1:
        return LimitExceeded("A message holds too many crls.", code="limit.crls")
    return LimitExceeded("A message holds too many signers.", code="limit.signers")


def _other_revocation(raw: bytes) -> tuple[str, bytes]:
    inside = der.Reader(raw).enter(0xA1)
    return inside.oid(), inside.rest()


def read_signer_info(raw: bytes, *, limits: Limits) -> SignerInfo:
    """A SignerInfo; CmsError or LimitExceeded where it is none."""
    outer = der.Reader(raw)
    inside = outer.enter(der.SEQUENCE)
    version = inside.integer()
    sid = read_certificate_id(inside)
    digest_algorithm = AlgorithmIdentifier.read(inside)
    signed = _optional_attributes(inside, 0xA0, limits)
    signature_algorithm = AlgorithmIdentifier.read(inside)
    signature = inside.octets()
    unsigned = _optional_attributes(inside, 0xA1, limits)
    inside.finish()
    outer.finish()
    return SignerInfo(
        version, sid, digest_algorithm, signed, signature_algorithm, signature, unsigned
    )


def _optional_attributes(reader: der.Reader, tag: int, limits: Limits) -> Attributes | None:
    return Attributes.read(reader.raw(tag), limits=limits) if reader.peek == tag else None


def reject_detached_content(data: SignedData) -> None:
    """A detached signature must not hold content of its own: whose would be signed?"""
    if not data.detached:
        raise CmsError(
            "The detached signature holds content of its own, so it is unclear what it signs.",
            code="cms.unexpected-content",
        )
