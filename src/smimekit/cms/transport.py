"""RSA key transport: PKCS #1 v1.5 and OAEP (RFC 3370, 4.2.1; RFC 3560).

Knows paddings. May not know which keys are at hand.
"""

from dataclasses import dataclass
from typing import final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding

from smimekit import der
from smimekit.algorithms import (
    RSAES_OAEP,
    SHA1,
    AlgorithmIdentifier,
    RsaPadding,
    rsa_padding,
)
from smimekit.certificate import Certificate
from smimekit.cms.identifiers import IssuerAndSerialNumber
from smimekit.cms.recipients import ContentKey, KeyTransRecipient
from smimekit.errors import DecryptionError, UsageError
from smimekit.primitives import key_name, rsa_cipher_padding
from smimekit.private_key import PrivateKey

__all__ = ["open_transport", "transport"]


def transport(
    certificate: Certificate, public: rsa.RSAPublicKey, key: ContentKey, padding: RsaPadding
) -> KeyTransRecipient:
    """The key, encrypted with the RSA key of a certificate; UsageError where it is too small."""
    form = _form(certificate, padding)
    padding = form.padding
    try:
        encrypted = public.encrypt(key.octets, form.mechanism)
    except ValueError:
        raise UsageError(
            f"A key of kind {key_name(public)} is too small for {padding.name}.",
            code="usage.recipient-key",
        ) from None
    except UnsupportedAlgorithm:
        raise UsageError(
            "OAEP takes SHA-1 and the SHA-2 digests, for itself and for its mask.",
            code="usage.recipient-key",
        ) from None
    return KeyTransRecipient(form.rid, form.algorithm, encrypted).with_head(form.before)


@final
@dataclass(frozen=True, slots=True)
class _Form:
    """What all RecipientInfos for one certificate and padding have in common, encoded once."""

    asked: RsaPadding
    padding: RsaPadding
    mechanism: AsymmetricPadding
    rid: IssuerAndSerialNumber
    algorithm: AlgorithmIdentifier
    before: bytes


def _form(certificate: Certificate, asked: RsaPadding) -> _Form:
    known = certificate.memo.get("transport")
    if isinstance(known, _Form) and known.asked is asked:
        return known
    padding, rid = _allowed(certificate, asked), IssuerAndSerialNumber.of(certificate)
    algorithm = padding.identifier
    before = KeyTransRecipient(rid, algorithm, b"").head()
    made = _Form(asked, padding, rsa_cipher_padding(padding), rid, algorithm, before)
    certificate.memo["transport"] = made
    return made


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
