"""Attributes (RFC 5652, 5.3 and 11; RFC 5035; RFC 6211; RFC 8551, 2.5): read and written.

Knows their syntax and which must stand exactly once. May not know keys or whom they serve.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, TypeAlias, TypeVar, final

from smimekit import der
from smimekit.algorithms import AlgorithmIdentifier
from smimekit.cms.identifiers import IssuerAndSerialNumber
from smimekit.errors import CmsError, LimitExceeded
from smimekit.limits import Limits

__all__ = [
    "ALGORITHM_PROTECTION",
    "CONTENT_TYPE",
    "COUNTERSIGNATURE",
    "ENCRYPTION_KEY_PREFERENCE",
    "MESSAGE_DIGEST",
    "SIGNATURE_TIMESTAMP",
    "SIGNING_CERTIFICATE",
    "SIGNING_CERTIFICATE_V2",
    "SIGNING_TIME",
    "SMIME_CAPABILITIES",
    "AlgorithmProtection",
    "AttributeWatch",
    "Attributes",
    "CertificateHash",
    "algorithm_protection",
    "attribute",
    "encryption_key_preference",
    "signing_certificate_v2",
]

CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
SIGNING_TIME: Final = "1.2.840.113549.1.9.5"
COUNTERSIGNATURE: Final = "1.2.840.113549.1.9.6"
SMIME_CAPABILITIES: Final = "1.2.840.113549.1.9.15"
SIGNING_CERTIFICATE: Final = "1.2.840.113549.1.9.16.2.12"
ENCRYPTION_KEY_PREFERENCE: Final = "1.2.840.113549.1.9.16.2.11"
SIGNATURE_TIMESTAMP: Final = "1.2.840.113549.1.9.16.2.14"
"""id-aa-signatureTimeStampToken (RFC 5126, 6.1.1)."""
SIGNING_CERTIFICATE_V2: Final = "1.2.840.113549.1.9.16.2.47"
ALGORITHM_PROTECTION: Final = "1.2.840.113549.1.9.52"

_SHA256: Final = "2.16.840.1.101.3.4.2.1"
_SHA1: Final = "1.3.14.3.2.26"


_CONFUSABLE_BYTES: Final = 16 << 20
"""As long as signed attributes that anybody reads can be (`Limits.value_bytes`)."""

_SHORT: Final = 256
"""Octets of what is remembered once it was read: of each attribute but the digest and the time,
a sender writes the same all day."""

_LONG: Final = 0x80
"""Octets of a value whose length takes more than one octet (X.690, 8.1.3.4)."""

_T = TypeVar("_T")
_Entry: TypeAlias = tuple[str, tuple[bytes, ...]]


def _malformed(what: str) -> CmsError:
    return CmsError(f"The signer's attributes are malformed: {what}.", code="cms.attributes")


@final
@dataclass(frozen=True, slots=True)
class Attributes:
    """A SET OF Attribute as received: the octets, and the values by OID, in order."""

    encoded: bytes
    """As received, with the implicit tag."""
    entries: tuple[_Entry, ...]

    @classmethod
    def read(cls, encoded: bytes, *, limits: Limits) -> "Attributes":
        """Parse the octets; CmsError or LimitExceeded."""
        outer = der.Reader(encoded)
        inside = outer.enter(outer.peek)
        outer.finish()
        entries: list[_Entry] = []
        most = limits.attributes
        while inside.more:
            each = inside.raw(der.SEQUENCE)
            entries.append(_known(each, most) if len(each) <= _SHORT else _entry(each, most))
            if len(entries) > most:
                raise _too_many()
        return cls(encoded, tuple(entries))

    def values(self, oid: str) -> tuple[bytes, ...]:
        """All values of all attributes of this type."""
        return tuple([value for name, values in self.entries if name == oid for value in values])

    def one(self, oid: str) -> bytes | None:
        """The value of an attribute that may stand once, with one value (RFC 5652, 11).

        None where it is absent; CmsError where it stands twice or has several values.
        """
        found = [values for name, values in self.entries if name == oid]
        if not found:
            return None
        if len(found) != 1 or len(found[0]) != 1:
            raise _malformed("one that must stand once, with one value, does not")
        return found[0][0]

    def signed_octets(self) -> bytes:
        """What is signed: the SET OF with its universal tag (RFC 5652, 5.4)."""
        return bytes((der.SET,)) + self.encoded[1:]

    @property
    def content_type(self) -> str | None:
        """The contentType attribute."""
        value = self.one(CONTENT_TYPE)
        return None if value is None else _oid(value)

    @property
    def message_digest(self) -> bytes | None:
        """The messageDigest attribute."""
        value = self.one(MESSAGE_DIGEST)
        if value and value[0] == der.OCTET_STRING and value[1] == len(value) - 2 < _LONG:
            return value[2:]  # as everybody writes it
        return None if value is None else _whole(der.Reader(value), der.Reader.octets)

    @property
    def signing_time(self) -> datetime | None:
        """The signingTime attribute: the signer's claim, and no more."""
        value = self.one(SIGNING_TIME)
        return None if value is None else _time(value)

    @property
    def algorithm_protection(self) -> "AlgorithmProtection | None":
        """The CMSAlgorithmProtection attribute (RFC 6211)."""
        value = self.one(ALGORITHM_PROTECTION)
        return None if value is None else AlgorithmProtection.read(value)

    @property
    def signing_certificates(self) -> "tuple[CertificateHash, ...]":
        """The first certificate of signingCertificate and of signingCertificateV2.

        Either, both or neither may be there, and each counts (RFC 5035, 2).
        """
        found = ((self.one(SIGNING_CERTIFICATE), None), (self.one(SIGNING_CERTIFICATE_V2), _SHA256))
        return tuple(
            CertificateHash.read(value, default) for value, default in found if value is not None
        )

    @property
    def capabilities(self) -> bytes | None:
        """The DER of SMIMECapabilities (RFC 8551, 2.5.2)."""
        return self.one(SMIME_CAPABILITIES)

    @property
    def encryption_key_preference(self) -> IssuerAndSerialNumber | bytes | None:
        """Which certificate to encrypt to: by issuer and serial, or by key identifier.

        None without the attribute, or where it names a certificate in another way
        (RFC 8551, 2.5.3).
        """
        value = self.one(ENCRYPTION_KEY_PREFERENCE)
        if value is None:
            return None
        reader = der.Reader(value)
        if reader.peek == 0xA0:
            return IssuerAndSerialNumber.read(reader, 0xA0)
        if reader.peek == 0xA1:
            return reader.enter(0xA1).octets()
        if reader.peek == 0x82:
            return reader.octets(0x82)
        return None


def _whole(reader: der.Reader, read: Callable[[der.Reader], _T]) -> _T:
    value = read(reader)
    reader.finish()
    return value


@lru_cache(maxsize=64)  # of any octets, but what is no short OID is an error, and not kept
def _oid(value: bytes) -> str:
    return _whole(der.Reader(value), der.Reader.oid)


@lru_cache(maxsize=64)  # the same holds for a time
def _time(value: bytes) -> datetime:
    return _whole(der.Reader(value), der.Reader.time)


def _entry(encoded: bytes, most: int) -> _Entry:
    """The type of an Attribute, and its values, which are not more than `most`."""
    attribute = der.Reader(encoded).enter(der.SEQUENCE)
    oid = attribute.oid()
    reader, values = attribute.enter(der.SET), list[bytes]()
    while reader.more:
        values.append(reader.raw())
        if len(values) > most:
            raise _too_many()
    attribute.finish()
    return oid, tuple(values)


_known: Final = lru_cache(maxsize=1024)(_entry)


def _too_many() -> LimitExceeded:
    return LimitExceeded("A signer has too many attributes.", code="limit.attributes")


@final
@dataclass(frozen=True, slots=True)
class AlgorithmProtection:
    """CMSAlgorithmProtection (RFC 6211): the algorithms, once more, under the signature."""

    digest: AlgorithmIdentifier
    signature: AlgorithmIdentifier | None

    @classmethod
    def read(cls, value: bytes) -> "AlgorithmProtection":
        """Parse the attribute's value."""
        return _known_protection(value) if len(value) <= _SHORT else _protection(value)


def _protection(value: bytes) -> AlgorithmProtection:
    inside = der.Reader(value).enter(der.SEQUENCE)
    digest = AlgorithmIdentifier.read(inside)
    signature = None
    if inside.peek == 0xA1:
        signature = AlgorithmIdentifier.read(inside, 0xA1)
    inside.finish()  # one of signature and MAC, of which a signer has none
    return AlgorithmProtection(digest, signature)


_known_protection: Final = lru_cache(maxsize=256)(_protection)


@final
@dataclass(frozen=True, slots=True)
class CertificateHash:
    """An ESSCertID or ESSCertIDv2 (RFC 5035): which certificate the signer meant."""

    digest_oid: str
    value: bytes
    serial: int | None
    """Of the issuerSerial, where there is one; its name adds nothing to the digest."""

    @classmethod
    def read(cls, value: bytes, default: str | None) -> "CertificateHash":
        """The first certificate of the attribute's value.

        `default` is the OID of version 2's default digest, None for version 1 (SHA-1).
        """
        return _known_hash(value, default) if len(value) <= _SHORT else _hash(value, default)


def _hash(value: bytes, default: str | None) -> CertificateHash:
    first = der.Reader(value).enter(der.SEQUENCE).enter(der.SEQUENCE).enter(der.SEQUENCE)
    digest_oid = default or _SHA1
    if default and first.peek == der.SEQUENCE:
        digest_oid = AlgorithmIdentifier.read(first).oid
    hashed = first.octets()
    if not first.more:
        return CertificateHash(digest_oid, hashed, None)
    issuer_serial = first.enter(der.SEQUENCE)
    issuer_serial.raw(der.SEQUENCE)
    return CertificateHash(digest_oid, hashed, issuer_serial.integer())


_known_hash: Final = lru_cache(maxsize=512)(_hash)


@final
class AttributeWatch:
    """Does content that has no attributes of its own parse as a SET OF Attribute?

    Then it may be what somebody signed, or put under a MAC, beside other content (RFC 5652,
    5.4 and 9.2), and that signature or MAC must not be taken for one of the set itself.
    """

    __slots__ = ("_head",)

    def __init__(self) -> None:
        self._head: bytearray | None = bytearray()

    def update(self, chunk: bytes) -> bool:
        """Take more of the content; False once it can be no attributes."""
        if self._head is not None:
            self._head += chunk
            other = bool(self._head) and self._head[0] != der.SET
            if other or len(self._head) > _CONFUSABLE_BYTES:
                self._head = None
        return self._head is not None

    def found(self) -> bool:
        """Was all of the content such a set?"""
        if not self._head:
            return False
        try:
            names = dict(Attributes.read(bytes(self._head), limits=Limits()).entries)
        except LimitExceeded:
            return True  # more than is read here is still what somebody may have signed
        except CmsError:
            return False
        return MESSAGE_DIGEST in names or CONTENT_TYPE in names


def attribute(oid: str, *values: bytes) -> bytes:
    """An Attribute from values that are encoded already."""
    return der.sequence(der.oid(oid), der.set_of(values))


def algorithm_protection(digest: AlgorithmIdentifier, signature: AlgorithmIdentifier) -> bytes:
    """CMSAlgorithmProtection as an Attribute."""
    implicit = der.constructed(1, *_inside(signature.encode()))
    return attribute(ALGORITHM_PROTECTION, der.sequence(digest.encode(), implicit))


def _inside(value: bytes) -> Iterable[bytes]:
    inside = der.Reader(value).enter(der.SEQUENCE)
    while inside.more:
        yield inside.raw()


def signing_certificate_v2(certificate: bytes, issuer: bytes, serial: bytes) -> bytes:
    """SigningCertificateV2 as an Attribute, for SHA-256 (the default, hence not encoded).

    `certificate` and `issuer` are DER; `serial` holds the content octets of the number.
    """
    names = der.sequence(der.constructed(4, issuer))
    issuer_serial = der.sequence(names, der.tlv(der.INTEGER, serial))
    hashed = der.octet_string(hashlib.sha256(certificate).digest())
    identifier = der.sequence(hashed, issuer_serial)
    return attribute(SIGNING_CERTIFICATE_V2, der.sequence(der.sequence(identifier)))


def encryption_key_preference(issuer: bytes, serial: bytes) -> bytes:
    """EncryptionKeyPreference by issuer and serial number, as an Attribute."""
    preference = der.constructed(0, issuer, der.tlv(der.INTEGER, serial))
    return attribute(ENCRYPTION_KEY_PREFERENCE, preference)
