"""A certificate: the exact bytes, and what RFC 5280 and RFC 8550 let one read from them.

Knows the syntax of certificates. May not know whether to believe one: `trust` does.
What is asked for is parsed when it is asked for, once.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, final

from cryptography.exceptions import UnsupportedAlgorithm

from smimekit import der
from smimekit.algorithms import KEMS, AlgorithmIdentifier, certificate_scheme, key_allows
from smimekit.certificate.extensions import (
    alt_name_addresses,
    ca_flag,
    issuer_key_id,
    oids,
    path_length,
    read_extensions,
    usages,
)
from smimekit.certificate.names import EMAIL_ADDRESS, name_parts, name_text
from smimekit.errors import CertificateError, CmsError, LimitExceeded
from smimekit.primitives import PublicKey, key_name, load_public_key, verify

if TYPE_CHECKING:
    from asn1crypto.x509 import Certificate as Asn1Certificate
    from cryptography import x509

__all__ = ["Certificate", "read_certificates"]

_T = TypeVar("_T")

_SUBJECT_ALT_NAME: Final = "2.5.29.17"
_KEY_USAGE: Final = "2.5.29.15"
_EXTENDED_KEY_USAGE: Final = "2.5.29.37"
_BASIC_CONSTRAINTS: Final = "2.5.29.19"
_SUBJECT_KEY_ID: Final = "2.5.29.14"
_AUTHORITY_KEY_ID: Final = "2.5.29.35"
_MAIL: Final = frozenset({"1.3.6.1.5.5.7.3.4", "2.5.29.37.0"})  # emailProtection, any
_SMIME_CAPABILITIES: Final = "1.2.840.113549.1.9.15"


@final
class Certificate:
    """An X.509 certificate (RFC 5280). Immutable; equal where the bytes are equal.

    `der` is its encoding, `subject` and `issuer` those of the names; `not_before` and `not_after`
    are aware times. Raises CertificateError where `data` is not the encoding of exactly one
    certificate.
    """

    def __init__(self, data: bytes) -> None:
        self.der: Final = bytes(data)
        self.memo: Final[dict[str, object]] = {}
        """What others worked out of it, kept for the next message: a few entries."""
        try:
            self._parse()
        except (CmsError, LimitExceeded) as error:
            raise _malformed() from error

    def __reduce__(self) -> tuple[type["Certificate"], tuple[bytes]]:
        return Certificate, (self.der,)  # to another process: what was parsed stays here

    def _parse(self) -> None:
        outer = der.Reader(self.der)
        whole = outer.enter(der.SEQUENCE)
        outer.finish()
        self._tbs = whole.raw(der.SEQUENCE)
        self._algorithm = whole.raw(der.SEQUENCE)
        self._signature, self._unused_bits = whole.bits()
        whole.finish()
        tbs = der.Reader(self._tbs).enter(der.SEQUENCE)
        self.version = tbs.enter(0xA0).integer() + 1 if tbs.peek == 0xA0 else 1
        self.serial_bytes = tbs.read(der.INTEGER)
        self._signed_algorithm = tbs.raw(der.SEQUENCE)
        self.issuer = tbs.raw(der.SEQUENCE)
        validity = tbs.enter(der.SEQUENCE)
        self.not_before = validity.time()
        self.not_after = validity.time()
        self.subject = tbs.raw(der.SEQUENCE)
        self.spki = tbs.raw(der.SEQUENCE)
        self._behind_key = tbs.rest()
        self.signature_algorithm = der.Reader(self._algorithm).enter(der.SEQUENCE).oid()

    # --- identity -------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    def __repr__(self) -> str:
        return f"<Certificate {self.fingerprint[:16]} {self.subject_text!r}>"

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the encoding, as lower-case hexadecimal digits."""
        return hashlib.sha256(self.der).hexdigest()

    @cached_property
    def serial(self) -> int:
        """The serial number."""
        return int.from_bytes(self.serial_bytes, "big", signed=True)

    @cached_property
    def is_self_issued(self) -> bool:
        """Do subject and issuer bear the same name?"""
        return self.subject == self.issuer

    @cached_property
    def is_self_signed(self) -> bool:
        """Is it self-issued, and signed by its own key? As roots are, and no others above."""
        return self.is_self_issued and self.signed_by(self)

    # --- extensions -----------------------------------------------------------------------

    @cached_property
    def _extensions(self) -> dict[str, bytes]:
        try:
            return dict(read_extensions(der.Reader(self._behind_key)))
        except (CmsError, LimitExceeded) as error:
            raise _malformed() from error

    def extension(self, oid: str) -> bytes | None:
        """The extnValue of an extension, or None; CertificateError where they are malformed."""
        return self._extensions.get(oid)

    def _extension(self, oid: str, read: Callable[[der.Reader], _T]) -> _T | None:
        """What `read` finds in an extension, to its end; None without the extension."""
        value = self.extension(oid)
        if value is None:
            return None
        try:
            reader = der.Reader(value)
            found = read(reader)
            reader.finish()
        except (CmsError, LimitExceeded, UnicodeDecodeError) as error:
            raise _malformed() from error
        return found

    @cached_property
    def addresses(self) -> tuple[str, ...]:
        """The mail addresses of the subjectAltName, as written (RFC 8550, 3; RFC 9598)."""
        return self._extension(_SUBJECT_ALT_NAME, alt_name_addresses) or ()

    @cached_property
    def subject_addresses(self) -> tuple[str, ...]:
        """The emailAddress attributes of the subject: old, and never evidence for harvesting."""
        return tuple(text for oid, text in name_parts(self.subject) if oid == EMAIL_ADDRESS)

    @cached_property
    def key_usage(self) -> frozenset[str] | None:
        """The names of the keyUsage bits; None without the extension (RFC 5280, 4.2.1.3)."""
        return self._extension(_KEY_USAGE, usages)

    @cached_property
    def extended_key_usage(self) -> frozenset[str] | None:
        """The OIDs of the extKeyUsage; None without the extension (RFC 5280, 4.2.1.12)."""
        return self._extension(_EXTENDED_KEY_USAGE, oids)

    @cached_property
    def is_ca(self) -> bool:
        """Basic constraints with cA TRUE (RFC 5280, 4.2.1.9)."""
        return bool(self._extension(_BASIC_CONSTRAINTS, ca_flag))

    @property
    def path_length(self) -> int | None:
        """How many CAs may stand below it (RFC 5280, 4.2.1.9); None for any number."""
        return self._extension(_BASIC_CONSTRAINTS, path_length)

    @cached_property
    def key_id(self) -> bytes | None:
        """The subjectKeyIdentifier, or None."""
        return self._extension(_SUBJECT_KEY_ID, lambda reader: reader.read(der.OCTET_STRING))

    @cached_property
    def authority_key_id(self) -> bytes | None:
        """The keyIdentifier of the authorityKeyIdentifier, or None."""
        return self._extension(_AUTHORITY_KEY_ID, issuer_key_id)

    @property
    def capabilities(self) -> bytes | None:
        """The DER of the SMIMECapabilities extension (RFC 4262), or None."""
        return self.extension(_SMIME_CAPABILITIES)

    # --- the key --------------------------------------------------------------------------

    @cached_property
    def public_key(self) -> PublicKey:
        """The subject's public key; CertificateError where it is malformed or of no known kind.

        `certificate.key-unsupported` is the code where the kind is known, but nothing computes
        with it: ML-KEM-512.
        """
        try:
            return load_public_key(self.spki)
        except (ValueError, UnsupportedAlgorithm, CmsError, LimitExceeded) as error:
            who = f"The public key in the certificate of {self.subject_text}"
            kind = _unsupported(self.spki)
            if kind is not None:
                raise CertificateError(
                    f"{who} is of kind {kind}, which is not supported.",
                    code="certificate.key-unsupported",
                ) from error
            raise CertificateError(f"{who} cannot be used.", code="certificate.key") from error

    @cached_property
    def key_name(self) -> str:
        """Kind and size of the key for people: "RSA-2048", "EC P-256", "Ed25519"."""
        return _unsupported(self.spki) or key_name(self.public_key)

    @cached_property
    def key_identifier(self) -> AlgorithmIdentifier:
        """The subjectPublicKeyInfo's algorithm, which may restrict what the key is for."""
        try:
            return AlgorithmIdentifier.read(der.Reader(self.spki).enter(der.SEQUENCE))
        except (CmsError, LimitExceeded) as error:
            raise _malformed() from error

    @property
    def key_algorithm(self) -> str:
        """The OID of the subjectPublicKeyInfo's algorithm."""
        return self.key_identifier.oid

    def signed_by(self, other: "Certificate") -> bool:
        """Does the key of `other` verify the signature on this certificate? Never raises.

        Names are not compared, nor is anything else of RFC 5280, 6 looked at.
        """
        if self._algorithm != self._signed_algorithm:  # RFC 5280, 4.1.1.2: the same, twice
            return False
        # Every signature is whole octets: with bits to spare, one would be eight certificates.
        return not self._unused_bits and other.verifies(self._algorithm, self._signature, self._tbs)

    def verifies(self, algorithm: bytes, signature: bytes, data: bytes) -> bool:
        """Does this certificate's key verify a signature? Never raises.

        `algorithm`: the DER of its AlgorithmIdentifier, which names the digest itself, as on
        certificates, CRLs and OCSP responses.
        """
        try:
            scheme = certificate_scheme(AlgorithmIdentifier.read(der.Reader(algorithm)))
            if scheme is None or not key_allows(self.key_identifier, scheme):
                return False
            key = self.public_key
        except (CmsError, LimitExceeded, CertificateError):
            return False
        return verify(key, scheme, signature, data)

    # --- for people -----------------------------------------------------------------------

    @cached_property
    def subject_text(self) -> str:
        """The subject for people, most specific attribute first."""
        return name_text(self.subject)

    @cached_property
    def issuer_text(self) -> str:
        """The issuer for people."""
        return name_text(self.issuer)

    def subject_attribute(self, oid: str) -> str | None:
        """The most specific attribute of that type in the subject, such as 2.5.4.3, commonName."""
        found = [text for kind, text in name_parts(self.subject) if kind == oid]
        return found[-1] if found else None

    # --- other views ----------------------------------------------------------------------

    @cached_property
    def x509(self) -> "x509.Certificate":
        """The certificate as `cryptography` sees it; CertificateError where that refuses it."""
        from cryptography import x509  # noqa: PLC0415 - half of the time of an import

        if self.serial <= 0:
            # RFC 5280, 4.1.2.2. It would warn now, and refuse in a version to come.
            raise CertificateError(
                "The certificate's serial number is not positive.", code="certificate.serial"
            )
        try:
            return x509.load_der_x509_certificate(self.der)
        except (ValueError, x509.InvalidVersion) as error:
            raise _malformed() from error

    @property
    def asn1(self) -> "Asn1Certificate":
        """The certificate as `asn1crypto` sees it, which parses it when it is looked at.

        A new view each time: such a view may not be shared, as two threads that look at it at the
        same time find it half parsed.
        """
        from smimekit.asn1_views import Certificate as View  # noqa: PLC0415 - slow to import

        try:
            view: Any = View.load(self.der)
        except ValueError as error:
            raise _malformed() from error
        return view

    def pem(self) -> bytes:
        """The certificate between BEGIN and END lines (RFC 7468)."""
        text = base64.b64encode(self.der)
        lines = [text[at : at + 64] for at in range(0, len(text), 64)]
        return b"\n".join(
            [b"-----BEGIN CERTIFICATE-----", *lines, b"-----END CERTIFICATE-----", b""]
        )

    @classmethod
    def from_pem(cls, data: bytes) -> Self:
        """The first certificate in PEM text; CertificateError where there is none."""
        for found in _pem_blocks(data):
            return cls(found)
        raise _no_certificate()


_PEM: Final = re.compile(
    rb"-----BEGIN (?:X509 |(TRUSTED ))?CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END "
)


def _pem_blocks(data: bytes) -> Iterator[bytes]:
    for match in _PEM.finditer(data):
        try:
            found = binascii.a2b_base64(match[2])
            yield _for_mail(der.Reader(found)) if match[1] else found
        except (binascii.Error, CmsError) as error:
            raise _malformed() from error


def _for_mail(reader: der.Reader) -> bytes:
    """The certificate in OpenSSL's own form, where its settings behind it do not forbid mail."""
    found = reader.raw(der.SEQUENCE)
    settings = reader.enter(der.SEQUENCE) if reader.more else der.Reader(b"")
    reader.finish()
    trusted = oids(settings) if settings.peek == der.SEQUENCE else _MAIL
    if settings.peek == 0xA0 or not trusted & _MAIL:
        raise CertificateError(
            "OpenSSL's settings behind the certificate forbid its use for mail, or some other "
            "use: hand in the plain certificate if it is meant all the same.",
            code="certificate.settings",
        )
    return found


def read_certificates(data: bytes) -> tuple[Certificate, ...]:
    """The certificates in PEM text (any number, text between them), or in DER (one).

    OpenSSL's own form, TRUSTED CERTIFICATE, is taken where its settings allow mail. Raises
    CertificateError where there is none, or one of them is malformed. CMS is no matter of this
    module: `smimekit.load_certificates` knows all forms.
    """
    if b"-----BEGIN " in data:
        found = tuple(map(Certificate, _pem_blocks(data)))
        if not found:
            raise _no_certificate()
        return found
    return (Certificate(data),)


def _unsupported(spki: bytes) -> str | None:
    """The name of a kind of key that is known, and that nothing here computes with."""
    try:
        oid = AlgorithmIdentifier.read(der.Reader(spki).enter(der.SEQUENCE)).oid
    except (CmsError, LimitExceeded):
        return None
    return KEMS[oid].name.upper() if oid in KEMS and not KEMS[oid].supported else None


def _malformed() -> CertificateError:
    return CertificateError("The certificate is malformed.", code="certificate.malformed")


def _no_certificate() -> CertificateError:
    return CertificateError("There is no certificate in the PEM text.", code="certificate.none")
