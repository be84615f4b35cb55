"""RecipientInfos (RFC 5652, 6.2; RFC 9629): dumb records, as they stand in a message.

Knows how a content-encryption key travels to one recipient, and how that is written. May not
know how it is read (`recipient_reading` does), which keys are at hand (`keys`), how a key is
wrapped (`wrapping`), nor whether an algorithm is allowed (`policy`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, final

from smimekit import der
from smimekit.algorithms import (
    ECDH_SCHEMES,
    KEMS,
    KEY_WRAPS,
    RSA_ENCRYPTION,
    RSAES_OAEP,
    AlgorithmIdentifier,
)
from smimekit.certificate import Certificate
from smimekit.cms.identifiers import (
    CertificateId,
    SubjectKeyIdentifier,
)

__all__ = [
    "ORI_KEM",
    "ContentKey",
    "KekRecipient",
    "KemRecipient",
    "KeyAgreeRecipient",
    "KeyTransRecipient",
    "OriginatorKey",
    "PasswordRecipientInfo",
    "RecipientEncryptedKey",
    "RecipientInfo",
    "UnknownRecipient",
    "algorithm_name",
    "encode_recipients",
]

ORI_KEM: Final = "1.2.840.113549.1.9.16.13.3"
"""The OtherRecipientInfo that is a KEMRecipientInfo (RFC 9629, 3)."""


@final
@dataclass(frozen=True, slots=True)
class ContentKey:
    """A content-encryption key. Its repr does not show it."""

    octets: bytes = field(repr=False)
    certificate: Certificate | None = None
    """The certificate that named the recipient, where one did."""


@final
@dataclass(frozen=True, slots=True)
class KeyTransRecipient:
    """The key, encrypted with the recipient's RSA key (6.2.1)."""

    rid: CertificateId
    algorithm: AlgorithmIdentifier
    encrypted_key: bytes
    before: bytes | None = field(default=None, init=False, repr=False, compare=False)
    """What its DER begins with, the encrypted key being the rest, where that is at hand; not in
    what `replace` makes of this."""

    def behind(self, before: bytes) -> "KeyTransRecipient":
        """The same, when its DER is known to be this and then the encrypted key."""
        object.__setattr__(self, "before", before)
        return self

    def encode(self) -> bytes:
        """The DER of the RecipientInfo."""
        if self.before is not None:
            return self.before + self.encrypted_key
        version = der.integer(2 if isinstance(self.rid, SubjectKeyIdentifier) else 0)
        key = der.octet_string(self.encrypted_key)
        return der.sequence(version, self.rid.encode(), self.algorithm.encode(), key)


@final
@dataclass(frozen=True, slots=True)
class OriginatorKey:
    """The sender's ephemeral public key (6.2.2)."""

    algorithm: AlgorithmIdentifier
    """Parameters may be absent, NULL or a curve (RFC 5753, 3.1.1)."""
    public_key: bytes

    def encode(self) -> bytes:
        """The DER, with the tag [1] that OriginatorIdentifierOrKey gives it."""
        return der.constructed(1, self.algorithm.encode(), der.bit_string(self.public_key))


@final
@dataclass(frozen=True, slots=True)
class RecipientEncryptedKey:
    """One recipient of a key agreement, and the key wrapped for it."""

    rid: CertificateId
    encrypted_key: bytes

    def encode(self) -> bytes:
        """The DER."""
        rid = self.rid.encode()
        if isinstance(self.rid, SubjectKeyIdentifier):
            # RecipientKeyIdentifier is a SEQUENCE, here with the implicit tag [0].
            rid = der.constructed(0, der.octet_string(self.rid.value))
        return der.sequence(rid, der.octet_string(self.encrypted_key))


@final
@dataclass(frozen=True, slots=True)
class KeyAgreeRecipient:
    """The key, wrapped with one that both sides derive (6.2.2)."""

    originator: OriginatorKey | CertificateId
    ukm: bytes | None
    algorithm: AlgorithmIdentifier
    keys: tuple[RecipientEncryptedKey, ...]
    sender: Certificate | None = None
    """The certificate that `originator` names, where the message holds it; never encoded."""

    def encode(self) -> bytes:
        """The DER of the RecipientInfo."""
        ukm = b"" if self.ukm is None else der.explicit(1, der.octet_string(self.ukm))
        return der.constructed(
            1,
            der.integer(3),
            der.explicit(0, self.originator.encode()),
            ukm,
            self.algorithm.encode(),
            der.sequence(*(key.encode() for key in self.keys)),
        )


@final
@dataclass(frozen=True, slots=True)
class KekRecipient:
    """The key, wrapped with one that both sides have had before (6.2.3)."""

    key_id: bytes
    algorithm: AlgorithmIdentifier
    encrypted_key: bytes
    more: bytes = b""
    """The date and other attributes of the KEKIdentifier, encoded."""

    def encode(self) -> bytes:
        """The DER of the RecipientInfo."""
        return der.constructed(
            2,
            der.integer(4),
            der.sequence(der.octet_string(self.key_id), self.more),
            self.algorithm.encode(),
            der.octet_string(self.encrypted_key),
        )


@final
@dataclass(frozen=True, slots=True)
class PasswordRecipientInfo:
    """The key, wrapped with one that is derived from a password (6.2.4; RFC 3211)."""

    derivation: AlgorithmIdentifier | None
    """None: the key-encryption key comes from elsewhere."""
    algorithm: AlgorithmIdentifier
    encrypted_key: bytes

    def encode(self) -> bytes:
        """The DER of the RecipientInfo."""
        # [0] is IMPLICIT: it stands in place of the SEQUENCE's own tag.
        derivation = b"" if self.derivation is None else b"\xa0" + self.derivation.encode()[1:]
        return der.constructed(
            3,
            der.integer(0),
            derivation,
            self.algorithm.encode(),
            der.octet_string(self.encrypted_key),
        )


@final
@dataclass(frozen=True, slots=True)
class KemRecipient:
    """The key, wrapped with one that a KEM transports: KEMRecipientInfo (RFC 9629, 3)."""

    rid: CertificateId
    kem: AlgorithmIdentifier
    ciphertext: bytes
    derivation: AlgorithmIdentifier
    kek_size: int
    """In bytes."""
    ukm: bytes | None
    wrap: AlgorithmIdentifier
    encrypted_key: bytes

    def encode(self) -> bytes:
        """The DER of the RecipientInfo, an OtherRecipientInfo."""
        inside = der.sequence(
            der.integer(0),
            self.rid.encode(),
            self.kem.encode(),
            der.octet_string(self.ciphertext),
            self.derivation.encode(),
            der.integer(self.kek_size),
            b"" if self.ukm is None else der.explicit(0, der.octet_string(self.ukm)),
            self.wrap.encode(),
            der.octet_string(self.encrypted_key),
        )
        return der.constructed(4, der.oid(ORI_KEM), inside)


@final
@dataclass(frozen=True, slots=True)
class UnknownRecipient:
    """A RecipientInfo of a kind that is not known here, or malformed: reported, and skipped."""

    kind: str


RecipientInfo = (
    KeyTransRecipient
    | KeyAgreeRecipient
    | KekRecipient
    | PasswordRecipientInfo
    | KemRecipient
    | UnknownRecipient
)


# --- for people, and written ---------------------------------------------------------------


def algorithm_name(recipient: RecipientInfo) -> str:
    """How the key travels, for people."""
    match recipient:
        case KeyTransRecipient(algorithm=algorithm):
            names = {RSA_ENCRYPTION: "rsa-pkcs1", RSAES_OAEP: "rsa-oaep"}
            return names.get(algorithm.oid, algorithm.oid)
        case KeyAgreeRecipient(algorithm=algorithm):
            scheme = ECDH_SCHEMES.get(algorithm.oid)
            return scheme.name if scheme else f"key agreement {algorithm.oid}"
        case KekRecipient(algorithm=algorithm):
            wrap = KEY_WRAPS.get(algorithm.oid)
            return f"shared key, {wrap.name if wrap else algorithm.oid}"
        case PasswordRecipientInfo():
            return "password"
        case KemRecipient(kem=algorithm):
            kem = KEMS.get(algorithm.oid)
            if kem is None:
                return f"KEM {algorithm.oid}"
            return kem.name if kem.supported else f"{kem.name} (not supported)"
        case UnknownRecipient(kind=kind):
            return kind


def encode_recipients(recipients: Sequence[RecipientInfo]) -> bytes:
    """The SET OF RecipientInfo."""
    return der.set_of(
        [each.encode() for each in recipients if not isinstance(each, UnknownRecipient)]
    )
