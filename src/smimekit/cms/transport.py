"""RSA key transport: PKCS #1 v1.5 and OAEP (RFC 3370, 4.2.1; RFC 3560).

Knows paddings. May not know which keys are at hand.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final, final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding

from smimekit import der
from smimekit.algorithms import (
    RSA_ENCRYPTION,
    RSAES_OAEP,
    SHA1,
    AlgorithmIdentifier,
    RsaPadding,
    rsa_padding,
)
from smimekit.certificate import Certificate
from smimekit.cms.identifiers import IssuerAndSerialNumber
from smimekit.cms.recipients import ContentKey, KeyTransRecipient
from smimekit.errors import CertificateError, DecryptionError, UsageError
from smimekit.frozen import maker
from smimekit.primitives import key_name, rsa_cipher_padding
from smimekit.private_key import PrivateKey

__all__ = ["Transport", "open_transport", "usual_transport"]

_USUAL: Final = RsaPadding()


@final
@dataclass(frozen=True, slots=True)
class Transport:
    """What all RecipientInfos for one certificate and padding have in common, encoded once."""

    asked: RsaPadding
    padding: RsaPadding
    public: rsa.RSAPublicKey
    mechanism: AsymmetricPadding
    rid: IssuerAndSerialNumber
    algorithm: AlgorithmIdentifier
    before: bytes
    """All but the encrypted key, which is always as long as the modulus (RFC 8017, 7)."""

    @classmethod
    def of(
        cls, certificate: Certificate, public: rsa.RSAPublicKey, asked: RsaPadding
    ) -> "Transport":
        padding, rid = _allowed(certificate, asked), IssuerAndSerialNumber.of(certificate)
        algorithm, size = padding.identifier, (public.key_size + 7) // 8
        whole = KeyTransRecipient(rid, algorithm, bytes(size)).encode()
        mechanism = rsa_cipher_padding(padding)
        return cls(asked, padding, public, mechanism, rid, algorithm, whole[:-size])

    def wrap(self, key: ContentKey) -> KeyTransRecipient:
        """The key, encrypted; UsageError where the RSA key is too small."""
        try:
            encrypted = self.public.encrypt(key.octets, self.mechanism)
        except ValueError:
            raise UsageError(
                f"A key of kind {key_name(self.public)} is too small for {self.padding.name}.",
                code="usage.recipient-key",
            ) from None
        except UnsupportedAlgorithm:
            raise UsageError(
                "OAEP takes SHA-1 and the SHA-2 digests, for itself and for its mask.",
                code="usage.recipient-key",
            ) from None
        return self.holding(encrypted)

    def holding(self, encrypted: bytes) -> KeyTransRecipient:
        """The RecipientInfo with this encrypted key."""
        return _recipient_info(self.rid, self.algorithm, encrypted).behind(self.before)


_recipient_info: Final = maker(KeyTransRecipient)


def usual_transport(certificate: Certificate) -> Transport | None:
    """What nearly all senders write for an RSA key, PKCS #1 v1.5; None for another key."""
    known = certificate.memo.get("usual-transport")
    if isinstance(known, Transport):
        return known
    with suppress(CertificateError):
        public = certificate.public_key
        if isinstance(public, rsa.RSAPublicKey) and certificate.key_algorithm == RSA_ENCRYPTION:
            made = Transport.of(certificate, public, _USUAL)
            certificate.memo["usual-transport"] = made
            return made
    return None


def _allowed(certificate: Certificate, padding: RsaPadding) -> RsaPadding:
    """The padding, or what a certificate for OAEP only wants in its place (RFC 4055, 4)."""
    if certificate.key_algorithm != RSAES_OAEP:
        return padding
    spki = der.Reader(certificate.spki).enter(der.SEQUENCE)
    identifier = AlgorithmIdentifier.read(spki)
    if identifier.plain:  # nothing said: any OAEP
        return padding if padding.digest else RsaPadding(SHA1, SHA1)
    wanted = rsa_padding(identifier)
    if wanted is None:
        raise UsageError(
            f"The certificate of {certificate.subject_text} wants OAEP with a digest that is "
            "not known.",
            code="usage.recipient-key",
        )
    return wanted


def open_transport(recipient: KeyTransRecipient, key: PrivateKey) -> bytes:
    """The key of a RecipientInfo; DecryptionError. With v1.5, random octets instead."""
    padding = rsa_padding(recipient.algorithm)
    if padding is None:
        raise DecryptionError
    return key.decrypt(recipient.encrypted_key, padding)
