"""Key agreement: ECDH over named curves, X25519 and X448 (RFC 5753, RFC 8418).

Knows how a secret that two keys share becomes a key-encryption key. May not know which keys
are at hand. The originator is ephemeral on writing; on reading its key may be static, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smimekit import der
from smimekit.algorithms import (
    CURVES,
    EC_PUBLIC_KEY,
    ECDH_SCHEMES,
    SHA1,
    X448,
    X25519,
    AlgorithmIdentifier,
    Curve,
    EcdhScheme,
    KdfKind,
    KeyWrap,
    MontgomeryCurve,
)
from smimekit.certificate import Certificate
from smimekit.cms.derivation import (
    derive,
    fitting_wrap,
    is_zero,
    read_wrap,
    unwrap_key,
    wrap_key,
)
from smimekit.cms.identifiers import IssuerAndSerialNumber
from smimekit.cms.recipients import (
    ContentKey,
    KeyAgreeRecipient,
    OriginatorKey,
    RecipientEncryptedKey,
)
from smimekit.errors import CertificateError, DecryptionError, UsageError
from smimekit.primitives import PublicKey
from smimekit.private_key import PrivateKey

__all__ = ["Agreement", "agree_with_all", "curve_of", "open_agreement"]

AgreementKey: TypeAlias = ec.EllipticCurvePublicKey | x25519.X25519PublicKey | x448.X448PublicKey


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What of a key agreement the sender chooses; None: what goes well with the curve."""

    scheme: EcdhScheme | None = None
    wrap: KeyWrap | None = None
    ukm: bytes | None = None
    """User keying material, unique to the message: of use where ephemeral keys may repeat."""


def curve_of(public: PublicKey) -> Curve | MontgomeryCurve | None:
    """The row of a key's curve; None for a key that cannot agree, or on another curve."""
    match public:
        case ec.EllipticCurvePublicKey():
            return CURVES.get(public.curve.name)
        case x25519.X25519PublicKey():
            return X25519
        case x448.X448PublicKey():
            return X448
        case _:
            return None


# --- writing -------------------------------------------------------------------------------


def agree_with_all(
    certificates: Sequence[Certificate], key: ContentKey, agreement: Agreement | None = None
) -> KeyAgreeRecipient:
    """One KeyAgreeRecipientInfo for recipients with keys on the same curve.

    It is smaller than one for each of them, and shows that they read the same message, as
    the message does anyway. UsageError without recipients, for keys on several curves or
    none, and for a scheme that is only read.
    """
    choice = agreement or Agreement()
    publics = [certificate.public_key for certificate in certificates]
    rows = {curve_of(public) for public in publics}
    curve = rows.pop() if len(rows) == 1 else None
    if curve is None:
        raise UsageError(
            "One key agreement serves recipients with keys on one and the same curve.",
            code="usage.recipient-key",
        )
    scheme = choice.scheme or curve.agreement
    _check_scheme(scheme, curve)
    wrap = choice.wrap or fitting_wrap(curve.wrap, key.octets)
    wrap_identifier = AlgorithmIdentifier(wrap.oid).encode()  # RFC 3565, 2.3.2: no parameters
    ephemeral = _Ephemeral(publics[0])
    keys = []
    for certificate, public in zip(certificates, publics, strict=True):
        secret = ephemeral.exchange(certificate, public)
        kek = _kek(scheme, wrap, wrap_identifier, choice.ukm, secret)
        rid = IssuerAndSerialNumber.of(certificate)
        keys.append(RecipientEncryptedKey(rid, wrap_key(kek, key.octets)))
    return KeyAgreeRecipient(
        originator=ephemeral.originator(curve),
        ukm=choice.ukm,
        algorithm=AlgorithmIdentifier(scheme.oid, wrap_identifier),
        keys=tuple(keys),
    )


def _check_scheme(scheme: EcdhScheme, curve: Curve | MontgomeryCurve) -> None:
    if scheme.digest is SHA1:
        raise UsageError(f"{scheme.name} is read, and no longer written.", code="usage.scheme")
    if "cofactor" in scheme.name and isinstance(curve, MontgomeryCurve):
        # RFC 8418, 7 lists none: the functions clear the cofactor themselves.
        raise UsageError(f"{scheme.name} is not for {curve.name}.", code="usage.scheme")


class _Ephemeral:
    """The originator's key pair, used for one RecipientInfo and then forgotten."""

    def __init__(self, peer: PublicKey) -> None:
        self._key: ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey | x448.X448PrivateKey
        if isinstance(peer, ec.EllipticCurvePublicKey):
            self._key = ec.generate_private_key(peer.curve)
        elif isinstance(peer, x448.X448PublicKey):
            self._key = x448.X448PrivateKey.generate()
        else:
            self._key = x25519.X25519PrivateKey.generate()

    def exchange(self, certificate: Certificate, peer: PublicKey) -> bytes:
        """The raw secret; CertificateError for a key without one (RFC 8418, 2)."""
        try:
            match self._key, peer:
                case ec.EllipticCurvePrivateKey() as mine, ec.EllipticCurvePublicKey():
                    return mine.exchange(ec.ECDH(), peer)
                case x25519.X25519PrivateKey() as mine, x25519.X25519PublicKey():
                    return mine.exchange(peer)
                case x448.X448PrivateKey() as mine, x448.X448PublicKey():
                    return mine.exchange(peer)
        except ValueError:  # all zeros
            pass
        raise CertificateError(
            f"The public key in the certificate of {certificate.subject_text} cannot be used.",
            code="certificate.key",
        )

    def originator(self, curve: Curve | MontgomeryCurve) -> OriginatorKey:
        """Its public half (RFC 5753, 3.1.1: parameters absent)."""
        public = self._key.public_key()
        if isinstance(public, ec.EllipticCurvePublicKey):
            point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            return OriginatorKey(AlgorithmIdentifier(EC_PUBLIC_KEY), point)
        return OriginatorKey(AlgorithmIdentifier(curve.oid), public.public_bytes_raw())


def _kek(
    scheme: EcdhScheme, wrap: KeyWrap, wrap_identifier: bytes, ukm: bytes | None, secret: bytes
) -> bytes:
    """The key-encryption key: the KDF over ECC-CMS-SharedInfo (RFC 5753, 7.2).

    With HKDF, ukm is the salt, too (RFC 8418, 2.2).
    """
    shared_info = der.sequence(
        wrap_identifier,
        b"" if ukm is None else der.explicit(0, der.octet_string(ukm)),
        der.explicit(2, der.octet_string((wrap.key_size * 8).to_bytes(4, "big"))),
    )
    salt = ukm if scheme.kdf is KdfKind.HKDF else None
    return derive(scheme.kdf, scheme.digest, secret, wrap.key_size, shared_info, salt=salt)


# --- reading -------------------------------------------------------------------------------


def open_agreement(recipient: KeyAgreeRecipient, encrypted: bytes, key: PrivateKey) -> bytes:
    """The key that `encrypted`, one of the recipient's, holds for this key; DecryptionError."""
    scheme = ECDH_SCHEMES.get(recipient.algorithm.oid)
    if scheme is None or recipient.algorithm.parameters is None:
        raise DecryptionError
    # RFC 5753, 7.2: keyInfo is the identifier of the key wrap, and the KDF takes its DER. It
    # is taken from the message: senders differ in whether they write its NULL.
    wrap_identifier = der.to_der(recipient.algorithm.parameters)
    wrap = read_wrap(wrap_identifier)
    secret = key.exchange(_peer(recipient, key.public_key))
    if is_zero(secret):  # RFC 8418, 2: whatever the key thinks of it
        raise DecryptionError
    return unwrap_key(_kek(scheme, wrap, wrap_identifier, recipient.ukm, secret), encrypted)


def _peer(recipient: KeyAgreeRecipient, mine: PublicKey) -> AgreementKey:
    """The sender's public key, which must be of the same kind as ours."""
    originator = recipient.originator
    try:
        if not isinstance(originator, OriginatorKey):
            return _static_peer(recipient.sender, mine)
        if not _is_of_kind(originator.algorithm, curve_of(mine)):
            raise DecryptionError
        match mine:
            case ec.EllipticCurvePublicKey():
                curve = mine.curve
                return ec.EllipticCurvePublicKey.from_encoded_point(curve, originator.public_key)
            case x25519.X25519PublicKey():
                return x25519.X25519PublicKey.from_public_bytes(originator.public_key)
            case x448.X448PublicKey():
                return x448.X448PublicKey.from_public_bytes(originator.public_key)
    except (ValueError, CertificateError):
        # A point that is not on the curve, or of another length; a certificate without a key.
        raise DecryptionError from None
    raise DecryptionError


def _is_of_kind(named: AlgorithmIdentifier, curve: Curve | MontgomeryCurve | None) -> bool:
    """Does an originator's key say that it is on this curve, or nothing of curves (RFC 5753, 3.1.1;
    RFC 8418, 2)?
    """
    if curve is None or isinstance(curve, MontgomeryCurve):
        return curve is not None and named.oid == curve.oid and named.plain
    return named.oid == EC_PUBLIC_KEY and (named.plain or named.parameters == der.oid(curve.oid))


def _static_peer(sender: Certificate | None, mine: PublicKey) -> AgreementKey:
    public = sender.public_key if sender else None
    match mine, public:
        case ec.EllipticCurvePublicKey(), ec.EllipticCurvePublicKey():
            if mine.curve.name == public.curve.name:
                return public
        case x25519.X25519PublicKey(), x25519.X25519PublicKey():
            return public
        case x448.X448PublicKey(), x448.X448PublicKey():
            return public
    raise DecryptionError
