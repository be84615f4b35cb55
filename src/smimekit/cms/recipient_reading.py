"""RecipientInfos, read (RFC 5652, 6.2; RFC 9629).

Knows the forms that stand in messages, and what of them is malformed. May not know what becomes
of the records, nor that most of them are not asked for (`recipient_set` does).
"""

from collections.abc import Iterator
from itertools import repeat

from smimekit import der
from smimekit.algorithms import KEMS, AlgorithmIdentifier
from smimekit.cms.identifiers import (
    CertificateId,
    IssuerAndSerialNumber,
    SubjectKeyIdentifier,
    read_certificate_id,
)
from smimekit.cms.recipients import (
    ORI_KEM,
    KekRecipient,
    KemRecipient,
    KeyAgreeRecipient,
    KeyTransRecipient,
    OriginatorKey,
    PasswordRecipientInfo,
    RecipientEncryptedKey,
    RecipientInfo,
    UnknownRecipient,
)
from smimekit.errors import CmsError, LimitExceeded
from smimekit.limits import Limits

__all__ = ["read_recipients"]


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
    if oid != ORI_KEM:
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
