"""Whether `cryptography`, too, can read what decides about a certificate.

Knows in which parts of a certificate a second opinion counts. May not know what they mean.
RFC 5280, 4.2 has everybody pass over extensions that they do not process, and 4.2.1.6 has forms
of name that `cryptography` does not know; it refuses the certificate for both, and for faults that
many CAs made: a serial number that is not positive (4.1.2.2: "gracefully handle such"), a DEFAULT
that is written out, and "@", "&" or "_" in a PrintableString. So where it refuses a certificate,
it is asked again about the rest of it.
"""

from collections.abc import Iterator
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from smimekit import der
from smimekit.certificate import Certificate
from smimekit.der.reading import require_depth
from smimekit.errors import CertificateError, CmsError

__all__ = ["require_second_opinion", "unreadable"]

_BASIC_CONSTRAINTS: Final = "2.5.29.19"
_DECIDING: Final = frozenset(
    {
        "2.5.29.14",  # subjectKeyIdentifier
        "2.5.29.30",  # nameConstraints
        "2.5.29.33",  # policyMappings
        "2.5.29.36",  # policyConstraints
        "2.5.29.37",  # extKeyUsage
        "2.5.29.54",  # inhibitAnyPolicy
    }
)
"""Of the others some are read by ourselves (keyUsage, subjectAltName); the rest decides nothing."""
_LOOKED_INTO: Final = frozenset(
    {
        "2.5.29.17",  # subjectAltName
        "2.5.29.18",  # issuerAltName
        "2.5.29.31",  # cRLDistributionPoints
        "2.5.29.32",  # certificatePolicies
        "2.5.29.35",  # authorityKeyIdentifier, which names such a serial number, too
        "2.5.29.46",  # freshestCRL
        "1.3.6.1.5.5.7.1.1",  # authorityInfoAccess
    }
)
"""What certvalidator looks into besides, by a library that takes quadratic time for long OIDs."""
_REGISTERED_ID: Final = 0x88
_CONSTRUCTED: Final = 0x20
_TELETEX_STRING: Final = 0x14


def unreadable() -> tuple[type[Exception], ...]:
    """What `cryptography` raises on certificates, CRLs and keys that it cannot or will not accept.

    A function, because importing `cryptography.x509` takes a third of the time that we may.
    """
    from cryptography import x509  # noqa: PLC0415 - see above
    from cryptography.utils import CryptographyDeprecationWarning  # noqa: PLC0415 - see above

    return (
        CertificateError,
        CryptographyDeprecationWarning,  # of who has warnings raised: what it will refuse one day
        InvalidSignature,
        LookupError,  # a TLS feature (RFC 7633) that it has no name for
        TypeError,
        UnsupportedAlgorithm,
        ValueError,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    )


def require_second_opinion(certificate: Certificate) -> None:
    """Raises what `unreadable` lists, CmsError or LimitExceeded where it is malformed."""
    try:
        certificate.x509.extensions  # noqa: B018
    except unreadable():
        _deciding_part(certificate).x509.extensions  # noqa: B018


def _deciding_part(certificate: Certificate) -> Certificate:
    """The certificate without what need not be read, and without the faults that are forgiven."""
    whole = der.Reader(certificate.der).enter(der.SEQUENCE)
    signed, algorithm = whole.raw(der.SEQUENCE), whole.raw(der.SEQUENCE)
    signature = der.bit_string(*whole.bits())
    if der.sequence(signed, algorithm, signature) != certificate.der:
        # What nobody signed has one form only: another would be another certificate.
        raise CmsError("The certificate is not in DER.", code="asn1.malformed")
    tbs = der.Reader(signed).enter(der.SEQUENCE)
    begin = [tbs.raw()] if tbs.peek == 0xA0 else []
    serial = tbs.raw(der.INTEGER)
    begin.append(serial if certificate.serial > 0 else _positive(certificate, serial))
    begin += [tbs.raw(der.SEQUENCE), _plain_name(tbs.raw(der.SEQUENCE))]
    begin += [tbs.raw(der.SEQUENCE), _plain_name(tbs.raw(der.SEQUENCE)), tbs.raw(der.SEQUENCE)]
    while tbs.more and tbs.peek != 0xA3:
        begin.append(tbs.raw())
    kept = tuple(_deciding(tbs, is_ca=certificate.is_ca)) if tbs.more else ()
    if kept:
        begin.append(der.constructed(3, der.sequence(*kept)))
    return Certificate(der.sequence(der.sequence(*begin), algorithm, signature))


def _positive(certificate: Certificate, serial: bytes) -> bytes:
    """A serial number in place of one that is not positive."""
    if serial != der.integer(certificate.serial):
        raise CmsError("The serial number is not in DER.", code="asn1.malformed")
    return der.integer(1)


def _plain_name(name: bytes) -> bytes:
    """A name whose PrintableStrings are of a type that is not held against an alphabet."""
    found = []
    for relative in der.Reader(name).members():
        attributes = []
        for attribute in relative.members():
            inside = attribute.enter(der.SEQUENCE)
            kind = inside.raw(der.OID)
            tag, value = inside.any()
            inside.finish()
            plain = _TELETEX_STRING if tag == der.PRINTABLE_STRING else tag
            attributes.append(der.sequence(kind, der.tlv(plain, value)))
        found.append(der.tlv(der.SET, *attributes))
    return der.sequence(*found)


def _deciding(tbs: der.Reader, *, is_ca: bool) -> Iterator[bytes]:
    """The extensions about which the second opinion counts, in DER."""
    extensions = tbs.enter(0xA3).enter(der.SEQUENCE)
    while extensions.more:
        extension = extensions.enter(der.SEQUENCE)
        oid = extension.oid()
        critical = extension.peek == der.BOOLEAN and extension.boolean()
        value = extension.read(der.OCTET_STRING)
        if oid in _LOOKED_INTO:
            _require_short_oids(value)
        elif oid in _DECIDING or (oid == _BASIC_CONSTRAINTS and is_ca):
            flag = der.boolean(critical) if critical else b""
            yield der.sequence(der.oid(oid), flag, der.octet_string(value))


def _require_short_oids(value: bytes) -> None:
    """Raises CmsError or LimitExceeded where a value is not well-formed, or an OID is endless."""
    waiting = [(der.Reader(value), 1)]
    while waiting:
        inside, depth = waiting.pop()
        require_depth(depth)
        while inside.more:
            tag, content = inside.any()
            if tag in {der.OID, _REGISTERED_ID}:
                der.decode_oid(content)
            elif tag & _CONSTRUCTED:
                waiting.append((der.Reader(content), depth + 1))
