"""RecipientInfos (RFC 5652, 6.2; RFC 9629): dumb records, as they stand in a message.

Knows how a content-encryption key travels to one recipient. May not know which keys are at
hand (`keys` does), how a key is wrapped (`wrapping` does), nor whether an algorithm is
allowed (`policy`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
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
    IssuerAndSerialNumber,
    SubjectKeyIdentifier,
    read_certificate_id,
)
from smimekit.errors import CmsError, LimitExceeded
from smimekit.limits import Limits

__all__ = [
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
    "read_recipients",
]

_ORI_KEM: Final = "1.2.840.113549.1.9.16.13.3"


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
        return der.constructed(4, der.oid(_ORI_KEM), inside)


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


# --- reading -------------------------------------------------------------------------------


def read_recipients(reader: der.Reader, *, limits: Limits) -> tuple[RecipientInfo, ...]:
    """The members of a SET OF RecipientInfo; CmsError or LimitExceeded.

    One that is malformed is nobody's: it does not keep the message from the others.
    """
    found: list[RecipientInfo] = []
    places = _places(limits.recipients)
    while reader.more:
        next(places)
        found.append(_read_recipient(reader, places))
    return tuple(found)


def _places(most: int) -> Iterator[None]:
    """One for each recipient that a message may have, in all of its RecipientInfos."""
    yield from repeat(None, most)
    raise LimitExceeded("A message has too many recipients.", code="limit.recipients")


def _read_recipient(reader: der.Reader, places: Iterator[None]) -> RecipientInfo:
    tag = reader.peek
    if tag != der.SEQUENCE and not 0x80 <= tag < 0xC0:
        raise CmsError("A recipient of the message is of no known form.", code="cms.recipient")
    inside = reader.enter(tag)
    try:
        return _read_known(tag, inside, places)
    except CmsError as error:
        if error.code == "cms.bare-kem-recipient":  # its sender must be told (RFC 9629, 3)
            raise
        return UnknownRecipient(f"malformed: {error}")


def _read_known(tag: int, inside: der.Reader, places: Iterator[None]) -> RecipientInfo:
    match tag:
        case der.SEQUENCE:
            return _read_key_transport(inside)
        case 0xA1:
            return _read_key_agreement(inside, places)
        case 0xA2:
            return _read_kek(inside)
        case 0xA3:
            return _read_password(inside)
        case 0xA4:
            return _read_other(inside)
    return UnknownRecipient(f"[{tag & 0x1F}]")  # a later standard may add to the CHOICE


def _read_key_transport(inside: der.Reader) -> KeyTransRecipient:
    inside.integer()
    rid = read_certificate_id(inside)
    algorithm = AlgorithmIdentifier.read(inside)
    encrypted_key = inside.octets()
    if inside.more and algorithm.oid in KEMS:
        raise CmsError(
            "A KEMRecipientInfo stands outside of an OtherRecipientInfo (RFC 9629, 3).",
            code="cms.bare-kem-recipient",
        )
    inside.finish()
    return KeyTransRecipient(rid, algorithm, encrypted_key)


def _read_key_agreement(inside: der.Reader, places: Iterator[None]) -> KeyAgreeRecipient:
    inside.integer()
    holder = inside.enter(0xA0)
    originator = _read_originator(holder)
    holder.finish()
    ukm = _read_ukm(inside, 0xA1)
    algorithm = AlgorithmIdentifier.read(inside)
    members = inside.enter(der.SEQUENCE)
    inside.finish()
    keys: list[RecipientEncryptedKey] = []
    while members.more:
        if keys:  # the first is counted already
            next(places)
        keys.append(_read_encrypted_key(members.enter(der.SEQUENCE)))
    return KeyAgreeRecipient(originator, ukm, algorithm, tuple(keys))


def _read_originator(inside: der.Reader) -> OriginatorKey | CertificateId:
    if inside.peek != 0xA1:
        return read_certificate_id(inside)
    key = inside.enter(0xA1)
    algorithm = AlgorithmIdentifier.read(key)
    public, unused = key.bits()
    if unused:  # RFC 5480, 2.2 and RFC 8410, 4: octets; others mask these bits, or do not
        raise CmsError("The originator's key does not end with an octet.", code="asn1.malformed")
    key.finish()
    return OriginatorKey(algorithm, public)


def _read_ukm(inside: der.Reader, tag: int) -> bytes | None:
    """The user keying material in its explicit tag, which holds one value (X.690, 8.14)."""
    if inside.peek != tag:
        return None
    holder = inside.enter(tag)
    found = holder.octets()
    holder.finish()
    return found


def _read_encrypted_key(inside: der.Reader) -> RecipientEncryptedKey:
    rid: CertificateId
    if inside.peek == 0xA0:
        # RecipientKeyIdentifier: the identifier, then perhaps a date and other things.
        rid = SubjectKeyIdentifier(inside.enter(0xA0).octets())
    else:
        rid = IssuerAndSerialNumber.read(inside)
    encrypted_key = inside.octets()
    inside.finish()
    return RecipientEncryptedKey(rid, encrypted_key)


def _read_kek(inside: der.Reader) -> KekRecipient:
    inside.integer()
    identifier = inside.enter(der.SEQUENCE)
    key_id, more = identifier.octets(), identifier.rest()
    algorithm = AlgorithmIdentifier.read(inside)
    encrypted_key = inside.octets()
    inside.finish()
    return KekRecipient(key_id, algorithm, encrypted_key, more)


def _read_password(inside: der.Reader) -> PasswordRecipientInfo:
    inside.integer()
    derivation = AlgorithmIdentifier.read(inside, 0xA0) if inside.peek == 0xA0 else None
    algorithm = AlgorithmIdentifier.read(inside)
    encrypted_key = inside.octets()
    inside.finish()
    return PasswordRecipientInfo(derivation, algorithm, encrypted_key)


def _read_other(inside: der.Reader) -> KemRecipient | UnknownRecipient:
    oid = inside.oid()
    if oid != _ORI_KEM:
        return UnknownRecipient(f"other {oid}")
    kem = inside.enter(der.SEQUENCE)
    inside.finish()
    version = kem.integer()
    if version != 0:  # RFC 9629, 3: MUST be 0, and another one has other fields
        return UnknownRecipient(f"KEMRecipientInfo of version {version}")
    found = KemRecipient(
        rid=read_certificate_id(kem),
        kem=AlgorithmIdentifier.read(kem),
        ciphertext=kem.octets(),
        derivation=AlgorithmIdentifier.read(kem),
        kek_size=kem.integer(),
        ukm=_read_ukm(kem, 0xA0),
        wrap=AlgorithmIdentifier.read(kem),
        encrypted_key=kem.octets(),
    )
    kem.finish()
    return found


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
