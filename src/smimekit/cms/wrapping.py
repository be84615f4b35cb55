"""Content-encryption keys, wrapped for recipients and unwrapped with private keys.

Knows RSA key transport (RFC 3370, 3560) and ECDH key agreement (RFC 5753). May not know
which keys are at hand, nor what the content is. All failures of one key look the same.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smimekit import der
from smimekit.algorithms import (
    AES128_WRAP,
    AES192_WRAP,
    AES256_WRAP,
    CURVES,
    EC_PUBLIC_KEY,
    ECDH_SCHEMES,
    KEY_WRAPS,
    RSAES_OAEP,
    RSASSA_PSS,
    SHA1,
    AlgorithmIdentifier,
    EcdhScheme,
    KeyWrap,
    RsaPadding,
    rsa_padding,
)
from smimekit.certificate import Certificate
from smimekit.cms.identifiers import IssuerAndSerialNumber
from smimekit.cms.recipients import (
    ContentKey,
    KeyAgreeRecipient,
    KeyTransRecipient,
    OriginatorKey,
    RecipientEncryptedKey,
    RecipientInfo,
)
from smimekit.errors import (
    CertificateError,
    CmsError,
    DecryptionError,
    LimitExceeded,
    NoMatchingKey,
    UsageError,
)
from smimekit.primitives import hash_algorithm, key_name, random_bytes, rsa_cipher_padding
from smimekit.private_key import PrivateKey

__all__ = ["can_encrypt_to", "unwrap", "wrap_for"]


# --- for a recipient -----------------------------------------------------------------------


def wrap_for(certificate: Certificate, key: ContentKey, padding: RsaPadding) -> RecipientInfo:
    """Wrap a content-encryption key for the holder of a certificate.

    `padding` serves RSA keys; one whose certificate allows OAEP only gets OAEP
    (RFC 4055, 4). Raises UsageError where the key is of a kind that cannot be encrypted to.
    """
    public = certificate.public_key
    rid = IssuerAndSerialNumber.of(certificate)
    if isinstance(public, rsa.RSAPublicKey) and certificate.key_algorithm != RSASSA_PSS:
        if certificate.key_algorithm == RSAES_OAEP and padding.digest is None:
            padding = RsaPadding(SHA1, SHA1)
        return KeyTransRecipient(rid, padding.identifier, _encrypt(public, key, padding))
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in CURVES:
        return _agree(rid, public, key)
    raise UsageError(
        f"Nobody can encrypt to a key of kind {key_name(public)}; it may be one for signing only.",
        code="usage.recipient-key",
    )


def _encrypt(public: rsa.RSAPublicKey, key: ContentKey, padding: RsaPadding) -> bytes:
    try:
        return public.encrypt(key.octets, rsa_cipher_padding(padding))
    except ValueError:
        raise UsageError(
            f"A key of kind {key_name(public)} is too small for {padding.name}.",
            code="usage.recipient-key",
        ) from None


def _agree(
    rid: IssuerAndSerialNumber, public: ec.EllipticCurvePublicKey, key: ContentKey
) -> KeyAgreeRecipient:
    curve = CURVES[public.curve.name]
    # RFC 5753, 8: a wrap as strong as the curve, and never weaker than the key it wraps.
    size = max(curve.wrap.key_size, len(key.octets))
    wrap = {16: AES128_WRAP, 24: AES192_WRAP, 32: AES256_WRAP}[size]
    ephemeral = ec.generate_private_key(public.curve)
    secret = ephemeral.exchange(ec.ECDH(), public)
    wrap_identifier = AlgorithmIdentifier(wrap.oid).encode()  # parameters absent
    kek = _derive(curve.agreement, wrap, wrap_identifier, None, secret)
    point = ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return KeyAgreeRecipient(
        originator=OriginatorKey(AlgorithmIdentifier(EC_PUBLIC_KEY), point),
        ukm=None,
        algorithm=AlgorithmIdentifier(curve.agreement.oid, wrap_identifier),
        keys=(RecipientEncryptedKey(rid, aes_key_wrap(kek, key.octets)),),
    )


def _derive(
    scheme: EcdhScheme, wrap: KeyWrap, wrap_identifier: bytes, ukm: bytes | None, secret: bytes
) -> bytes:
    """The key-encryption key (RFC 5753, 7.2: ECC-CMS-SharedInfo)."""
    shared_info = der.sequence(
        wrap_identifier,
        b"" if ukm is None else der.explicit(0, der.octet_string(ukm)),
        der.explicit(2, der.octet_string((wrap.key_size * 8).to_bytes(4, "big"))),
    )
    return X963KDF(hash_algorithm(scheme.digest), wrap.key_size, shared_info).derive(secret)


# --- with a private key --------------------------------------------------------------------


_ANY_SIZE: Final = 16
_ANY_SIZES: Final = range(1, 129)
"""What the one cipher with keys of any size takes (RFC 2268, 2)."""


def unwrap(
    recipients: Sequence[RecipientInfo],
    certificate: Certificate,
    key: PrivateKey,
    *,
    size: int | None,
    attempts: int,
) -> ContentKey:
    """The content-encryption key, for the holder of this certificate and key.

    `size` is the length in bytes that the content cipher wants, None where it takes any.
    NoMatchingKey where no recipient is named by the certificate. Where one is, but its key
    does not open, the answer is a random key: the content then fails to decrypt like any
    other, and no sender learns why (RFC 3218, 2.3). At most `attempts` private-key
    operations are spent.
    """
    matching = list(islice(_matching(recipients, certificate), attempts))
    if not matching:
        raise NoMatchingKey("The message is not encrypted for this key.")
    for recipient, encrypted in matching:
        try:
            octets = _open(recipient, encrypted, key)
        except (DecryptionError, CmsError, LimitExceeded, UsageError):
            # UsageError: the sender chose key transport for a key that cannot decrypt.
            continue
        if len(octets) == size or (size is None and len(octets) in _ANY_SIZES):
            return ContentKey(octets, certificate)
    return ContentKey(random_bytes(size or _ANY_SIZE), certificate)


def _matching(
    recipients: Sequence[RecipientInfo], certificate: Certificate
) -> Iterator[tuple[KeyTransRecipient | KeyAgreeRecipient, bytes]]:
    for each in recipients:
        match each:
            case KeyTransRecipient():
                if each.rid.matches(certificate):
                    yield each, each.encrypted_key
            case KeyAgreeRecipient():
                for one in each.keys:
                    if one.rid.matches(certificate):
                        yield each, one.encrypted_key


def _open(
    recipient: KeyTransRecipient | KeyAgreeRecipient, encrypted: bytes, key: PrivateKey
) -> bytes:
    if isinstance(recipient, KeyTransRecipient):
        padding = rsa_padding(recipient.algorithm)
        # Who wrote the message chose how the key travels: it need not be a way of this key.
        if padding is None or not isinstance(key.public_key, rsa.RSAPublicKey):
            raise DecryptionError
        return key.decrypt(encrypted, padding)
    return _open_agreement(recipient, encrypted, key)


def _open_agreement(recipient: KeyAgreeRecipient, encrypted: bytes, key: PrivateKey) -> bytes:
    scheme = ECDH_SCHEMES.get(recipient.algorithm.oid)
    # RFC 5753, 7.2: keyInfo is the identifier of the key wrap. Its octets go into the KDF as
    # they were received: senders differ in whether they write its NULL.
    wrap_identifier = recipient.algorithm.parameters
    if scheme is None or wrap_identifier is None:
        raise DecryptionError
    wrap = KEY_WRAPS.get(AlgorithmIdentifier.read(der.Reader(wrap_identifier)).oid)
    mine = key.public_key
    if wrap is None or not isinstance(mine, ec.EllipticCurvePublicKey):
        raise DecryptionError
    if not isinstance(recipient.originator, OriginatorKey):
        raise DecryptionError
    try:
        peer = ec.EllipticCurvePublicKey.from_encoded_point(
            mine.curve, recipient.originator.public_key
        )
        kek = _derive(scheme, wrap, wrap_identifier, recipient.ukm, key.exchange(peer))
        return aes_key_unwrap(kek, encrypted)
    except (ValueError, InvalidUnwrap):
        # A point that is not on the curve, a wrapped key of impossible length or another KEK.
        raise DecryptionError from None


def can_encrypt_to(certificate: Certificate) -> bool:
    """Is the certificate's key of a kind that `wrap_for` serves?"""
    try:
        public = certificate.public_key
    except CertificateError:
        return False
    if isinstance(public, ec.EllipticCurvePublicKey):
        return public.curve.name in CURVES
    # RFC 4055, 1.2: an RSA key may be one for PSS signatures only.
    return isinstance(public, rsa.RSAPublicKey) and certificate.key_algorithm != RSASSA_PSS
