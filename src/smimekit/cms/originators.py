"""OriginatorInfo (RFC 5652, 6.1): the certificates of whoever encrypted, if a recipient needs them.

Knows where they stand and whom they name. May not know what is derived from their keys.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from smimekit import der
from smimekit.certificate import Certificate
from smimekit.cms.ber import BerReader
from smimekit.cms.identifiers import CertificateId, IssuerAndSerialNumber, SubjectKeyIdentifier
from smimekit.cms.recipient_set import read_recipient_set
from smimekit.cms.recipients import (
    KeyAgreeRecipient,
    OriginatorKey,
    RecipientInfo,
)
from smimekit.errors import CertificateError, CmsError, LimitExceeded
from smimekit.limits import Limits

__all__ = ["read_envelope_recipients", "with_originators"]


def read_envelope_recipients(reader: BerReader, *, limits: Limits) -> Sequence[RecipientInfo]:
    """What stands between the version of an envelope and its content: [0], then the recipients.

    Each key agreement comes with its sender's certificate where that is in the originatorInfo.
    Raises CmsError and LimitExceeded.
    """
    certificates: tuple[Certificate, ...] = ()
    if reader.peek() == 0xA0:
        certificates = _read_originator_info(reader.reader(0xA0), limits)
    return with_originators(read_recipient_set(reader.value(der.SET), limits=limits), certificates)


def _read_originator_info(inside: der.Reader, limits: Limits) -> tuple[Certificate, ...]:
    """Its certificates, without what is none; the CRLs serve nobody here."""
    found: list[Certificate] = []
    if inside.peek != 0xA0:
        return ()
    members, count = inside.enter(0xA0), 0
    while members.more:
        if count == limits.certificates:
            raise LimitExceeded("A message holds too many certificates.", code="limit.certificates")
        count += 1
        raw = members.raw()
        try:
            found.append(Certificate(raw))
        except CertificateError:
            continue
    return tuple(found)


def with_originators(
    recipients: Sequence[RecipientInfo], certificates: Collection[Certificate]
) -> Sequence[RecipientInfo]:
    """The recipients, each key agreement with its sender's certificate if that is at hand."""
    named: dict[CertificateId, Certificate] = {}
    if not certificates:
        return recipients
    for certificate in certificates:
        named.setdefault(IssuerAndSerialNumber.of(certificate), certificate)
        try:
            named.setdefault(SubjectKeyIdentifier.of(certificate), certificate)
        except (CertificateError, CmsError, LimitExceeded):
            continue

    def resolve(each: RecipientInfo) -> RecipientInfo:
        if isinstance(each, KeyAgreeRecipient) and not isinstance(each.originator, OriginatorKey):
            return replace(each, sender=named.get(each.originator))
        return each

    return tuple(map(resolve, recipients))
