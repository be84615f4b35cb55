"""How CMS names a certificate: issuer and serial number, or subject key identifier."""

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, final

from smimekit import der
from smimekit.certificate import Certificate
from smimekit.errors import CertificateError, CmsError, LimitExceeded

__all__ = ["CertificateId", "IssuerAndSerialNumber", "SubjectKeyIdentifier", "read_certificate_id"]


_SHORT: Final = 512
"""Octets of an identifier that is remembered: the same few senders write all day."""


@final
@dataclass(frozen=True, slots=True)
class IssuerAndSerialNumber:
    """RFC 5652, 10.2.4."""

    issuer: bytes
    """The DER of the Name, as received."""
    serial: int
    encoded: bytes | None = field(default=None, init=False, repr=False, compare=False)
    """Its DER, where that is at hand; not in what `replace` makes of this."""

    @classmethod
    def read(cls, reader: der.Reader, tag: int = der.SEQUENCE) -> "IssuerAndSerialNumber":
        """The next value of `reader`."""
        encoded = reader.raw(tag)
        return _known(encoded) if len(encoded) <= _SHORT else _read(encoded)

    @classmethod
    def of(cls, certificate: Certificate) -> "IssuerAndSerialNumber":
        """The identifier of a certificate."""
        known = certificate.memo.get("issuer-and-serial")
        if isinstance(known, cls):
            return known
        made = cls(certificate.issuer, certificate.serial)
        object.__setattr__(made, "encoded", made.encode())
        certificate.memo["issuer-and-serial"] = made
        return made

    def matches(self, certificate: Certificate) -> bool:
        """Is `certificate` the one that is named?"""
        return self.serial == certificate.serial and (
            self.issuer == certificate.issuer or _normal(self.issuer) == certificate.issuer
        )

    def encode(self) -> bytes:
        """The DER."""
        return self.encoded or der.sequence(self.issuer, der.integer(self.serial))

    def __str__(self) -> str:
        return f"serial {self.serial:x}"


def _read(encoded: bytes) -> IssuerAndSerialNumber:
    inside = der.Reader(encoded).enter(encoded[0])
    issuer = inside.raw(der.SEQUENCE)
    serial = inside.integer()
    inside.finish()
    return IssuerAndSerialNumber(issuer, serial)


_known: Final = lru_cache(maxsize=512)(_read)


@final
@dataclass(frozen=True, slots=True)
class SubjectKeyIdentifier:
    """The value of a certificate's subjectKeyIdentifier extension."""

    value: bytes

    @classmethod
    def of(cls, certificate: Certificate) -> "SubjectKeyIdentifier":
        """The identifier of a certificate: its extension or, without one, computed.

        CertificateError, CmsError or LimitExceeded where the certificate is malformed.
        """
        return cls.all_of(certificate)[0]

    @classmethod
    def all_of(cls, certificate: Certificate) -> "tuple[SubjectKeyIdentifier, ...]":
        """All by which programs name a certificate; the first is what is written here.

        Where it has the extension, that alone. Without one, the usual way to compute it counts
        (RFC 5280, 4.2.1.2, method 1), and that of Windows and .NET, which hash the whole
        SubjectPublicKeyInfo. Raises what `of` raises.
        """
        if certificate.key_id is not None:
            return (cls(certificate.key_id),)
        spki = der.Reader(certificate.spki).enter(der.SEQUENCE)
        spki.raw()
        return tuple(cls(_sha1(octets)) for octets in (spki.bits()[0], certificate.spki))

    def matches(self, certificate: Certificate) -> bool:
        """Is `certificate` one that is named by this identifier?

        Another certificate that claims the same identifier can do no harm: a signature has to
        verify and a key to decrypt.
        """
        try:
            return self in SubjectKeyIdentifier.all_of(certificate)
        except (CertificateError, CmsError, LimitExceeded):
            return False

    def encode(self) -> bytes:
        """The DER, with the implicit tag [0] that signers and recipients use alike."""
        return der.implicit(0, self.value)

    def __str__(self) -> str:
        return f"key {self.value.hex()}"


def _normal(name: bytes) -> bytes | None:
    """A name in DER: senders of BER may write it with indefinite lengths, like the rest."""
    try:
        return der.to_der(name)
    except (CmsError, LimitExceeded):
        return None


def _sha1(octets: bytes) -> bytes:
    return hashlib.sha1(octets, usedforsecurity=False).digest()


CertificateId = IssuerAndSerialNumber | SubjectKeyIdentifier


def read_certificate_id(reader: der.Reader) -> CertificateId:
    """A SignerIdentifier or RecipientIdentifier (RFC 5652, 5.3 and 6.2.1)."""
    if reader.peek == der.SEQUENCE:
        return IssuerAndSerialNumber.read(reader)
    if reader.peek == 0xA0:  # NSS and others: constructed
        return SubjectKeyIdentifier(reader.octets(0x80))
    return SubjectKeyIdentifier(reader.read(0x80))
