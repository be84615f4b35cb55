"""Certificates as they are handed around: one by one, as PEM text, or in a CMS message.

Knows how the forms differ. May not know whom to trust: the signature on such a message, if it
has one, says nothing here.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from smimekit.certificate import Certificate, read_certificates
from smimekit.cms.ber import BerReader
from smimekit.cms.content import SIGNED_DATA, enter_content
from smimekit.cms.signed import read_signed_data
from smimekit.errors import CertificateError, CmsError
from smimekit.limits import Limits
from smimekit.message.evidence import load_bag
from smimekit.mime.transfer import decode_base64

__all__ = ["load_certificates", "read_bundle"]

_PEM_CMS: Final = re.compile(rb"-----BEGIN (?:PKCS7|CMS)-----\r?\n([^-]*)-----END ")
_PEM_CERTIFICATE: Final = re.compile(rb"-----BEGIN [A-Z0-9 ]*CERTIFICATE-----")


class _Nowhere:
    """Where content goes that nobody asks for."""

    def write(self, data: bytes, /) -> object:
        return len(data)

    def chunks(self) -> Iterator[bytes]:
        return iter(())


def load_certificates(data: bytes | str | os.PathLike[str]) -> tuple[Certificate, ...]:
    """The certificates of a file: PEM (any number, text between them), DER (one), or what
    authorities hand out as .p7b or .p7c (RFC 8551, 3.8), in DER or PEM.

    `data` is the file's bytes, or a path (`str` is one). OpenSSL's own form, TRUSTED
    CERTIFICATE, is taken where its settings allow mail. Of a .p7b, certificates that are
    malformed are left out. Raises CertificateError where there is none, or one of PEM or DER is
    malformed; MimeError, CmsError and LimitExceeded for a .p7b; OSError for a path that cannot
    be read.
    """
    if isinstance(data, str | os.PathLike):
        data = Path(data).read_bytes()
    found = read_bundle(data)
    if not found:
        raise CertificateError("There is no certificate in the bundle.", code="certificate.none")
    return found


def read_bundle(data: bytes, *, limits: Limits | None = None) -> tuple[Certificate, ...]:
    """The certificates in DER or PEM, or in a SignedData (RFC 8551, 3.8) such as a .p7c file.

    Of a SignedData, those that are malformed are left out. Raises CertificateError, CmsError,
    MimeError and LimitExceeded.
    """
    limits = limits or Limits()
    armoured = _PEM_CMS.findall(data)
    held = [each for text in armoured for each in _signed(b"".join(decode_base64((text,))), limits)]
    if armoured and not _PEM_CERTIFICATE.search(data):
        return tuple(held)
    try:
        return (*read_certificates(data), *held)
    except CertificateError as error:
        if b"-----BEGIN CERTIFICATE" in data:
            raise
        try:
            return _signed(data, limits)
        except CmsError:
            raise error from None


def _signed(data: bytes, limits: Limits) -> tuple[Certificate, ...]:
    reader = BerReader(iter((data,)), limits=limits)
    if enter_content(reader) != SIGNED_DATA:
        raise CmsError("The CMS data holds no certificates.", code="cms.not-signed-data")
    found, _ = read_signed_data(reader, _Nowhere(), limits=limits)
    return load_bag(found.certificates)
