"""RecipientInfos (RFC 5652, 6.2; RFC 3560; RFC 5753): dumb records, wrapped and unwrapped.

Knows how a content-encryption key travels to one recipient. May not know which keys are at
hand (`keys` does) nor whether an algorithm is allowed (`policy`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, final

from smimekit import der
from smimekit.algorithms import (
    RSA_ENCRYPTION,
    RSAES_OAEP,
    AlgorithmIdentifier,
)
from smimekit.certificate import Certificate
from smimekit.cms.identifiers import (
    CertificateId,
    IssuerAndSerialNumber,
    SubjectKeyIdentifier,
    read_certificate_id,
)
from smimekit.errors import CmsError, LimitExceeded
from smimekit.limits import Limits

__all__ = [
    "ContentKey",
    "KeyAgreeRecipient",
    "KeyTransRecipient",
    "OriginatorKey",
    "RecipientEncryptedKey",
    "RecipientInfo",
    "UnknownRecipient",
    "algorithm_name",
    "encode_recipients",
    "read_recipients",
]


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

    def encode(self) -> bytes:
        """The DER of the RecipientInfo."""
        version = 2 if isinstance(self.rid, SubjectKeyIdentifier) else 0
        return der.sequence(
            der.integer(version),
            self.rid.encode(),
            self.algorithm.encode(),
            der.octet_string(self.encrypted_key),
        )


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
class UnknownRecipient:
    """A RecipientInfo of a kind that is not known here: reported, and skipped."""

    kind: str


RecipientInfo = KeyTransRecipient | KeyAgreeRecipient | UnknownRecipient

_KINDS: Final = {0xA2: "kek", 0xA3: "password", 0xA4: "other"}


def read_recipients(reader: der.Reader, *, limits: Limits) -> tuple[RecipientInfo, ...]:
    """The members of a SET OF RecipientInfo; CmsError or LimitExceeded."""
    found: list[RecipientInfo] = []
    while reader.more:
        if len(found) == limits.recipients:
            raise _too_many()
        found.append(_read_recipient(reader, limits))
    return tuple(found)


def _too_many() -> LimitExceeded:
    return LimitExceeded("A message has too many recipients.", code="limit.recipients")


def _read_recipient(reader: der.Reader, limits: Limits) -> RecipientInfo:
    tag = reader.peek
    if tag == der.SEQUENCE:
        return _read_key_transport(reader.enter(der.SEQUENCE))
    if tag == 0xA1:
        return _read_key_agreement(reader.enter(0xA1), limits)
    if tag in _KINDS:
        reader.raw()
        return UnknownRecipient(_KINDS[tag])
    raise CmsError("A recipient of the message is of no known form.", code="cms.recipient")


def _read_key_transport(inside: der.Reader) -> KeyTransRecipient:
    inside.integer()
    rid = read_certificate_id(inside)
    algorithm = AlgorithmIdentifier.read(inside)
    encrypted_key = inside.octets()
    inside.finish()
    return KeyTransRecipient(rid, algorithm, encrypted_key)


def _read_key_agreement(inside: der.Reader, limits: Limits) -> KeyAgreeRecipient:
    inside.integer()
    originator = _read_originator(inside.enter(0xA0))
    ukm = inside.enter(0xA1).octets() if inside.peek == 0xA1 else None
    algorithm = AlgorithmIdentifier.read(inside)
    members = inside.enter(der.SEQUENCE)
    inside.finish()
    keys: list[RecipientEncryptedKey] = []
    while members.more:
        if len(keys) == limits.recipients:
            raise _too_many()
        keys.append(_read_encrypted_key(members.enter(der.SEQUENCE)))
    return KeyAgreeRecipient(originator, ukm, algorithm, tuple(keys))


def _read_originator(inside: der.Reader) -> OriginatorKey | CertificateId:
    if inside.peek != 0xA1:
        return read_certificate_id(inside)
    key = inside.enter(0xA1)
    algorithm = AlgorithmIdentifier.read(key)
    return OriginatorKey(algorithm, key.bits()[0])


def _read_encrypted_key(inside: der.Reader) -> RecipientEncryptedKey:
    rid: CertificateId
    if inside.peek == 0xA0:
        # RecipientKeyIdentifier: the identifier, then perhaps a date and other things.
        rid = SubjectKeyIdentifier(inside.enter(0xA0).octets())
    else:
        rid = IssuerAndSerialNumber.read(inside)
    return RecipientEncryptedKey(rid, inside.octets())


def algorithm_name(recipient: RecipientInfo) -> str:
    """How the key travels, for people."""
    match recipient:
        case KeyTransRecipient(algorithm=algorithm):
            names = {RSA_ENCRYPTION: "rsa-pkcs1", RSAES_OAEP: "rsa-oaep"}
            return names.get(algorithm.oid, algorithm.oid)
        case KeyAgreeRecipient(algorithm=algorithm):
            return f"key agreement {algorithm.oid}"
        case UnknownRecipient(kind=kind):
            return kind


def encode_recipients(recipients: Sequence[RecipientInfo]) -> bytes:
    """The SET OF RecipientInfo."""
    return der.set_of(
        each.encode() for each in recipients if not isinstance(each, UnknownRecipient)
    )
