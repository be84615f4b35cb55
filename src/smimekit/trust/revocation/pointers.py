"""Where a certificate says that CRLs, OCSP responders and its issuers' certificates are.

Knows the syntax (RFC 5280, 4.2.1.13, 4.2.1.15 and 4.2.2.1). May not know whether to go there:
anybody can write a URL into a certificate.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from smimekit import der
from smimekit.certificate import Certificate
from smimekit.errors import CertificateError, CmsError, LimitExceeded

__all__ = [
    "crl_points",
    "delta_points",
    "issuer_urls",
    "names_crl_issuer",
    "ocsp_urls",
    "points_in",
]

_CRL_POINTS: Final = "2.5.29.31"
_FRESHEST_CRL: Final = "2.5.29.46"
_AUTHORITY_ACCESS: Final = "1.3.6.1.5.5.7.1.1"
_OCSP: Final = "1.3.6.1.5.5.7.48.1"
_CA_ISSUERS: Final = "1.3.6.1.5.5.7.48.2"
_URI: Final = 0x86
_FULL_NAME: Final = 0xA0
_CRL_ISSUER: Final = 0xA2
_MOST: Final = 4
"""Of each kind: real certificates have one or two."""


def _read(certificate: Certificate, oid: str, read: Callable[[bytes], Iterator[str]]) -> list[str]:
    try:
        value = certificate.extension(oid)
        return [] if value is None else list(islice(read(value), _MOST))
    except (CertificateError, CmsError, LimitExceeded, UnicodeDecodeError):
        return []


def _uris(names: der.Reader) -> Iterator[str]:
    while names.more:
        tag, content = names.any()
        if tag == _URI:
            yield content.decode("ascii")


def _alternatives(value: bytes) -> Iterator[tuple[str, ...]]:
    points = der.Reader(value).enter(der.SEQUENCE)
    while points.more:
        point = points.enter(der.SEQUENCE)
        if point.peek != 0xA0:
            continue
        name = point.enter(0xA0)
        if name.peek == _FULL_NAME:
            yield tuple(islice(_uris(name.enter(_FULL_NAME)), _MOST))


def points_in(value: bytes) -> tuple[tuple[str, ...], ...]:
    """The URLs in a value of CRLDistributionPoints; those of one point lead to the same CRL."""
    try:
        return tuple(one for one in islice(_alternatives(value), _MOST) if one)
    except (CmsError, LimitExceeded, UnicodeDecodeError):
        return ()


def _points(certificate: Certificate, oid: str) -> tuple[tuple[str, ...], ...]:
    try:
        value = certificate.extension(oid)
    except CertificateError:
        return ()
    return () if value is None else points_in(value)


def crl_points(certificate: Certificate) -> tuple[tuple[str, ...], ...]:
    """Where the CRLs are (RFC 5280, 4.2.1.13), each with its alternatives."""
    return _points(certificate, _CRL_POINTS)


def delta_points(certificate: Certificate) -> tuple[tuple[str, ...], ...]:
    """Where the delta CRLs are (RFC 5280, 4.2.1.15), each with its alternatives."""
    return _points(certificate, _FRESHEST_CRL)


def names_crl_issuer(certificate: Certificate) -> bool:
    """Whether a certificate says that others than its CA issue CRLs about it."""
    try:
        value = certificate.extension(_CRL_POINTS)
        return value is not None and _CRL_ISSUER in set(_point_fields(value))
    except (CertificateError, CmsError, LimitExceeded):
        return False


def _point_fields(value: bytes) -> Iterator[int]:
    points = der.Reader(value).enter(der.SEQUENCE)
    while points.more:
        point = points.enter(der.SEQUENCE)
        while point.more:
            yield point.any()[0]


def _access(method: str) -> Callable[[bytes], Iterator[str]]:
    def read(value: bytes) -> Iterator[str]:
        descriptions = der.Reader(value).enter(der.SEQUENCE)
        while descriptions.more:
            description = descriptions.enter(der.SEQUENCE)
            if description.oid() == method:
                yield from _uris(description)

    return read


def ocsp_urls(certificate: Certificate) -> tuple[str, ...]:
    """The OCSP responders (RFC 5280, 4.2.2.1)."""
    return tuple(_read(certificate, _AUTHORITY_ACCESS, _access(_OCSP)))


def issuer_urls(certificate: Certificate) -> tuple[str, ...]:
    """Where certificates of the issuer are (RFC 5280, 4.2.2.1)."""
    return tuple(_read(certificate, _AUTHORITY_ACCESS, _access(_CA_ISSUERS)))
