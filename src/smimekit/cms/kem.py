"""KEMRecipientInfo: ML-KEM and RSA-KEM (RFC 9629, 9690, 9936).

Knows how an encapsulated secret becomes a key-encryption key. May not know which keys are at
hand.
"""

from cryptography.hazmat.primitives.asymmetric import mlkem, rsa

from smimekit import der
from smimekit.algorithms import (
    HKDF_SHA256,
    KDF3_SHA256,
    KEMS,
    ML_KEM_768,
    ML_KEM_1024,
    RSA_KEM,
    RSA_KEM_SPKI,
    AlgorithmIdentifier,
    KdfKind,
    Kem,
    KeyDerivation,
    KeyWrap,
    RsaKem,
    key_derivation,
)
from smimekit.certificate import Certificate
from smimekit.cms.derivation import derive, fitting_wrap, read_wrap, unwrap_key, wrap_key
from smimekit.cms.identifiers import IssuerAndSerialNumber
from smimekit.cms.recipients import ContentKey, KemRecipient
from smimekit.errors import DecryptionError, UsageError
from smimekit.primitives import PublicKey
from smimekit.private_key import PrivateKey
from smimekit.rsa_kem import rsa_encapsulate

__all__ = ["encapsulate", "encapsulate_rsa", "kem_of", "open_kem"]


def kem_of(public: PublicKey) -> Kem | None:
    """The KEM that a key is for, and only for; None for any other."""
    match public:
        case mlkem.MLKEM768PublicKey():
            return ML_KEM_768
        case mlkem.MLKEM1024PublicKey():
            return ML_KEM_1024
        case _:
            return None


# --- writing -------------------------------------------------------------------------------


def encapsulate(
    certificate: Certificate,
    public: mlkem.MLKEM768PublicKey | mlkem.MLKEM1024PublicKey,
    key: ContentKey,
) -> KemRecipient:
    """The key, for the holder of a certificate with an ML-KEM key (RFC 9936, 2.1)."""
    kem = ML_KEM_768 if isinstance(public, mlkem.MLKEM768PublicKey) else ML_KEM_1024
    secret, ciphertext = public.encapsulate()
    return _wrapped(
        certificate, key, kem, HKDF_SHA256, fitting_wrap(kem.wrap, key.octets), secret, ciphertext
    )


def encapsulate_rsa(
    certificate: Certificate, public: rsa.RSAPublicKey, key: ContentKey, choice: RsaKem
) -> KemRecipient:
    """The key, for the holder of a certificate with an RSA key (RFC 9690).

    A certificate that is for RSA-KEM only may say with what; UsageError where that is not
    known.
    """
    wrap = fitting_wrap(RSA_KEM.wrap, key.octets)
    derivation = KeyDerivation(KdfKind.KDF3, choice.digest)
    if certificate.key_algorithm == RSA_KEM_SPKI:
        derivation, wrap = _demanded(certificate, derivation, wrap)
    integer, ciphertext = rsa_encapsulate(public)
    # RFC 9690, A.1: the secret is as long as the key-encryption key. With the parameters of
    # id-kem-rsa absent its KDF is KDF3 with SHA-256 (2.3).
    secret = derive(KDF3_SHA256.kind, KDF3_SHA256.digest, integer, wrap.key_size, b"")
    return _wrapped(certificate, key, RSA_KEM, derivation, wrap, secret, ciphertext)


def _demanded(
    certificate: Certificate, derivation: KeyDerivation, wrap: KeyWrap
) -> tuple[KeyDerivation, KeyWrap]:
    """What the GenericHybridParameters of a certificate demand (RFC 9690, 2.3 and 2.4)."""
    identifier = AlgorithmIdentifier.read(der.Reader(certificate.spki).enter(der.SEQUENCE))
    if identifier.plain:
        return derivation, wrap
    inside = der.Reader(identifier.parameters or b"").enter(der.SEQUENCE)
    kem = AlgorithmIdentifier.read(inside)
    try:
        wrap = read_wrap(AlgorithmIdentifier.read(inside).encode())
        found, _ = _rsa_parameters(kem, wrap.key_size)
    except DecryptionError:
        found = None
    if found is None or kem.oid != RSA_KEM.oid:
        raise UsageError(
            f"The certificate of {certificate.subject_text} wants RSA-KEM with algorithms that "
            "are not known.",
            code="usage.recipient-key",
        )
    return found, wrap


def _wrapped(
    certificate: Certificate,
    key: ContentKey,
    kem: Kem,
    derivation: KeyDerivation,
    wrap: KeyWrap,
    secret: bytes,
    ciphertext: bytes,
) -> KemRecipient:
    wrap_identifier = AlgorithmIdentifier(wrap.oid)
    kek = _kek(derivation, wrap_identifier, wrap.key_size, None, secret)
    return KemRecipient(
        rid=IssuerAndSerialNumber.of(certificate),
        kem=AlgorithmIdentifier(kem.oid),
        ciphertext=ciphertext,
        derivation=derivation.identifier,
        kek_size=wrap.key_size,
        ukm=None,
        wrap=wrap_identifier,
        encrypted_key=wrap_key(kek, key.octets),
    )


def _kek(
    derivation: KeyDerivation,
    wrap: AlgorithmIdentifier,
    size: int,
    ukm: bytes | None,
    secret: bytes,
) -> bytes:
    """The key-encryption key: the KDF over CMSORIforKEMOtherInfo (RFC 9629, 5)."""
    info = der.sequence(
        der.to_der(wrap.encode()),
        der.integer(size),
        b"" if ukm is None else der.explicit(0, der.octet_string(ukm)),
    )
    return derive(derivation.kind, derivation.digest, secret, size, info)


# --- reading -------------------------------------------------------------------------------


def open_kem(recipient: KemRecipient, key: PrivateKey) -> bytes:
    """The key of a RecipientInfo; DecryptionError."""
    kem = KEMS.get(recipient.kem.oid)
    derivation = key_derivation(recipient.derivation)
    wrap = read_wrap(recipient.wrap.encode())
    # RFC 9629, 3: the size must be the one that the wrap's key has.
    if kem is None or derivation is None or wrap.key_size != recipient.kek_size:
        raise DecryptionError
    secret = _secret(recipient, kem, wrap, key)
    kek = _kek(derivation, recipient.wrap, recipient.kek_size, recipient.ukm, secret)
    return unwrap_key(kek, recipient.encrypted_key)


def _secret(recipient: KemRecipient, kem: Kem, wrap: KeyWrap, key: PrivateKey) -> bytes:
    public = key.public_key
    if kem is not RSA_KEM:
        if kem_of(public) is not kem:
            raise DecryptionError
        return key.decapsulate(recipient.ciphertext)
    derivation, size = _rsa_parameters(recipient.kem, wrap.key_size)
    if derivation is None or not isinstance(public, rsa.RSAPublicKey):
        raise DecryptionError
    integer = key.decapsulate(recipient.ciphertext)
    return derive(derivation.kind, derivation.digest, integer, size, b"")


def _rsa_parameters(kem: AlgorithmIdentifier, size: int) -> tuple[KeyDerivation | None, int]:
    """The KDF of id-kem-rsa and the size of its secret: RsaKemParameters, or the defaults."""
    if kem.plain:
        return KDF3_SHA256, size
    inside = der.Reader(kem.parameters or b"").enter(der.SEQUENCE)
    derivation = key_derivation(AlgorithmIdentifier.read(inside))
    said = inside.integer()
    inside.finish()
    # RFC 9690, A.1: it must be the length of the key-encryption key.
    return (derivation, said) if said == size else (None, said)
