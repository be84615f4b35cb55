"""A draft is signed, then encrypted (RFC 8551, 3; RFC 9787, 5.2: in this order, always).

Knows the order of things. May not know how a signature is made (`signing` does), what a
recipient's key is, nor what the draft is about.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, TypeGuard

from smimekit import der
from smimekit.algorithms import (
    CEK_HKDF_SHA256,
    AlgorithmIdentifier,
    ContentCipher,
    SignatureScheme,
)
from smimekit.certificate import Certificate
from smimekit.cms.enveloped import enveloped_data, new_content_key
from smimekit.cms.recipients import RecipientInfo
from smimekit.errors import CertificateError, CmsError, LimitExceeded, PolicyError, UsageError
from smimekit.keys import CertificateRecipient, Credential, Recipient
from smimekit.message.signing import Chain, Signers, Signing
from smimekit.mime.fields import Field
from smimekit.mime.prepare import prepare
from smimekit.mime.writer import multipart_signed, new_boundary, pkcs7_mime
from smimekit.policy import Grade, Policy
from smimekit.primitives import random_bytes

__all__ = ["Addressee", "Chain", "Draft", "encrypt", "sign"]

if TYPE_CHECKING:
    from email.message import EmailMessage

Draft: TypeAlias = "bytes | bytearray | memoryview | BinaryIO | EmailMessage"
"""A message before it is protected: its bytes, a binary file, or composed with `email`."""


Addressee: TypeAlias = Certificate | Credential | Recipient
"""Whom a message can be encrypted to; for a Credential, by its certificate for encryption."""


def sign(
    draft: Draft,
    signer: Signers,
    *,
    opaque: bool = False,
    chain: Chain = Chain.WITHOUT_ROOT,
    scheme: SignatureScheme | None = None,
    policy: Policy = Policy.INTEROP,
    at: datetime | None = None,
) -> bytes:
    """Sign a draft: multipart/signed, which every mail program shows, or opaque on request.

    Content-* fields go inside, the others stay outside. What is signed has CRLF line ends
    and is safe for transport, which may change how 8bit parts are encoded. `at` (aware; now
    without it) becomes the signingTime. Several signers come as a list, each for a signature
    of its own; a `smimekit.Signer` is a credential with a scheme, attributes
    or a time-stamp of its own. Raises UsageError where a credential may not sign,
    PolicyError for a key or scheme that is too weak, and MimeError for a draft that is
    ambiguous.
    """
    prepared = prepare(_octets(draft), limits=policy.limits)
    signing = Signing.of(signer, scheme, policy, chain, at)
    if opaque:
        cms = signing.opaque(prepared.entity)
        return b"".join(pkcs7_mime(prepared.outer, (cms,), smime_type="signed-data"))
    return _clear_signed(prepared.outer, prepared.entity, signing)


def encrypt(
    draft: Draft,
    to: Iterable[Addressee],
    *,
    signer: Signers | None = None,
    cipher: ContentCipher | None = None,
    policy: Policy = Policy.INTEROP,
    at: datetime | None = None,
) -> bytes:
    """Encrypt a draft to recipients; signed by `signer` first, where there is one.

    The signature is inside the encryption, where nobody can strip or replace it (RFC 9787,
    5.2). The header fields that are not about content stay outside, readable: what must be
    secret belongs into the body. Raises UsageError without recipients or for a key that
    cannot be encrypted to, PolicyError for one that is too weak.
    """
    cipher = policy.cipher if cipher is None else cipher
    if cipher.weak:
        raise PolicyError(f"Nothing is encrypted with {cipher.name} any more.", code="policy.weak")
    prepared = prepare(_octets(draft), limits=policy.limits)
    entity = prepared.entity
    if signer is not None:
        signing = Signing.of(signer, None, policy, Chain.WITHOUT_ROOT, at)
        entity = _clear_signed((), entity, signing)
    key = new_content_key(cipher)
    people = _recipients(to, policy)
    recipients: list[RecipientInfo] = [each.wrap(key) for each in people]
    derived = policy.derive_content_keys or all(map(_derives, people))
    cms = enveloped_data(entity, cipher, key, recipients, derived=derived)
    smime_type = "authEnveloped-data" if cipher.authenticated else "enveloped-data"
    return b"".join(pkcs7_mime(prepared.outer, (cms,), smime_type=smime_type))


def _octets(draft: Draft) -> bytes:
    match draft:
        case bytes():
            return draft
        case bytearray() | memoryview():
            return bytes(draft)
        case _ if _is_composed(draft):
            return draft.as_bytes()
        case _ if hasattr(draft, "read"):
            data = draft.read()
            if isinstance(data, bytes):
                return data
            raise UsageError("Open the draft in binary mode.")
        case _:
            raise UsageError(
                f"A draft is bytes, a binary file or an EmailMessage, not {type(draft).__name__}."
            )


def _is_composed(draft: object) -> "TypeGuard[EmailMessage]":
    from email.message import EmailMessage  # noqa: PLC0415 - slow to import, and rarely here

    return isinstance(draft, EmailMessage)


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


def _clear_signed(outer: Iterable[Field], entity: bytes, signing: Signing) -> bytes:
    digests = signing.digests()
    digests.update(entity)
    signature = signing.detached(digests)
    chunks = multipart_signed(
        outer,
        (entity,),
        signature,
        micalg=signing.micalg,
        boundary=new_boundary(random_bytes),
    )
    return b"".join(chunks)
