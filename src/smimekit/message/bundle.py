"""Certificates as they are handed around: one by one, as PEM text, or in a CMS message.

Knows how the forms differ. May not know whom to trust: the signature on such a message, if it
has one, says nothing here.
"""

import re
from collections.abc import Iterator
from typing import Final

from smimekit.certificate import Certificate, load_certificates
from smimekit.cms.ber import BerReader
from smimekit.cms.content import SIGNED_DATA, enter_content
from smimekit.cms.signed import read_signed_data
from smimekit.errors import CertificateError, CmsError
from smimekit.limits import Limits
from smimekit.message.evidence import load_bag
from smimekit.mime.transfer import decode_base64

__all__ = ["read_bundle"]

_PEM_CMS: Final = re.compile(rb"-----BEGIN (?:PKCS7|CMS)-----\r?\n([^-]*)-----END ")


class _Nowhere:
    """Where content goes that nobody asks for."""

    def write(self, data: bytes, /) -> object:
        return len(data)

    def chunks(self) -> Iterator[bytes]:
        return iter(())


def read_bundle(data: bytes, *, limits: Limits | None = None) -> tuple[Certificate, ...]:
    """The certificates in DER or PEM, or in a SignedData (RFC 8551, 3.8) such as a .p7c file.

    Of a SignedData, those that are malformed are left out. Raises CertificateError, CmsError
    and LimitExceeded.
    """
    armoured = _PEM_CMS.search(data)
    if armoured is not None:
        return _signed(b"".join(decode_base64((armoured[1],))), limits or Limits())
    try:
        return load_certificates(data)
    except CertificateError as error:
        if b"-----BEGIN CERTIFICATE" in data:
            raise
        try:
            return _signed(data, limits or Limits())
        except CmsError:
            raise error from None


def _signed(data: bytes, limits: Limits) -> tuple[Certificate, ...]:
    reader = BerReader(iter((data,)), limits=limits)
    if enter_content(reader) != SIGNED_DATA:
        raise CmsError("The CMS data holds no certificates.", code="cms.not-signed-data")
    found, _ = read_signed_data(reader, _Nowhere(), limits=limits)
    return load_bag(found.certificates)
