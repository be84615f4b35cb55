"""To whom a message is encrypted, and how (RFC 8551, 2.7).

Knows recipients, their keys, and the cipher that all of them share. May not know MIME, nor
signatures.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

from smimekit import der
from smimekit.algorithms import CEK_HKDF_SHA256, AlgorithmIdentifier, ContentCipher
from smimekit.certificate import Certificate
from smimekit.cms.enveloped import enveloped_data, enveloped_data_stream, new_content_key
from smimekit.cms.recipients import ContentKey, RecipientInfo
from smimekit.errors import CertificateError, CmsError, LimitExceeded, PolicyError, UsageError
from smimekit.keys import CertificateRecipient, Credential, Recipient
from smimekit.policy import Grade, Policy

__all__ = ["Addressee", "Sealing"]

Addressee: TypeAlias = Certificate | Credential | Recipient
"""Whom a message can be encrypted to; for a Credential, by its certificate for encryption."""


@final
@dataclass(frozen=True, slots=True)
class Sealing:
    """One message's content key, wrapped for all who may read it."""

    cipher: ContentCipher
    key: ContentKey
    recipients: tuple[RecipientInfo, ...]
    derived: bool
    """Is the key bound to the cipher (RFC 9709)?"""

    @classmethod
    def of(cls, to: Iterable[Addressee], cipher: ContentCipher | None, policy: Policy) -> "Sealing":
        """Raises UsageError without recipients or for a key that cannot be encrypted to,
        PolicyError for one, or for a cipher, that is too weak.
        """
        cipher = policy.cipher if cipher is None else cipher
        if cipher.weak:
            raise PolicyError(
                f"Nothing is encrypted with {cipher.name} any more.", code="policy.weak"
            )
        key = new_content_key(cipher)
        people = _recipients(to, policy)
        recipients = tuple(each.wrap(key) for each in people)
        derived = policy.derive_content_keys or all(map(_derives, people))
        return cls(cipher, key, recipients, derived)

    @property
    def smime_type(self) -> str:
        """The smime-type parameter (RFC 8551, 3.2.2)."""
        return "authEnveloped-data" if self.cipher.authenticated else "enveloped-data"

    def enveloped(self, content: bytes) -> bytes:
        """The content, encrypted, in DER."""
        recipients = self.recipients
        return enveloped_data(content, self.cipher, self.key, recipients, derived=self.derived)

    def enveloped_stream(self, content: Iterable[bytes]) -> Iterator[bytes]:
        """The same in BER, as the content comes."""
        return enveloped_data_stream(
            content, self.cipher, self.key, self.recipients, derived=self.derived
        )


def _recipients(to: Iterable[Addressee], policy: Policy) -> Sequence[Recipient]:
    if isinstance(to, str | Certificate | Credential | Recipient):
        raise UsageError("Recipients come as a list: to=[bob].")
    found = [_recipient(each, policy) for each in to]
    if not found:
        raise UsageError("A message is encrypted to at least one recipient.")
    return found


def _recipient(each: Addressee, policy: Policy) -> Recipient:
    if isinstance(each, Credential):
        certificate = each.encryption_certificate
        if certificate is None:
            raise UsageError(
                f"The certificate of {each.certificate.subject_text} is not for encryption.",
                code="usage.not-for-encryption",
            )
        each = certificate
    if isinstance(each, Certificate):
        each = CertificateRecipient(each, policy.rsa_padding)
    if isinstance(each, CertificateRecipient):
        _check_recipient(each.certificate, policy)
    elif not isinstance(each, Recipient):
        raise UsageError(f"A recipient is a Certificate, not {type(each).__name__}.")
    return each


def _check_recipient(certificate: Certificate, policy: Policy) -> None:
    assessment = policy.key(certificate.public_key)
    if assessment.grade is not Grade.GOOD:
        raise PolicyError(
            f"Refused to encrypt to {certificate.subject_text}: {assessment.reason}.",
            code="policy.weak",
        )
    usage = certificate.key_usage
    if usage is not None and not usage & {"keyEncipherment", "keyAgreement"}:
        raise UsageError(
            f"The certificate of {certificate.subject_text} is not for encryption.",
            code="usage.not-for-encryption",
        )


def _derives(recipient: Recipient) -> bool:
    """Does the certificate announce CEK-HKDF (RFC 4262; RFC 9709, 4)?"""
    if not isinstance(recipient, CertificateRecipient):
        return False
    try:
        listed = der.Reader(recipient.certificate.capabilities or b"").enter(der.SEQUENCE)
        while listed.more:
            if AlgorithmIdentifier.read(listed).oid == CEK_HKDF_SHA256:
                return True
    except (CertificateError, CmsError, LimitExceeded):
        return False
    return False
