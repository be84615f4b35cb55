"""Content-encryption keys, wrapped for recipients and unwrapped with private keys.

Knows which kind of key goes which way: `transport`, `agreement`, `kem`. May not know how they
do it, which keys are at hand, nor what the content is. All failures of one key look the same.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Final

from cryptography.hazmat.primitives.asymmetric import mlkem, rsa

from smimekit.algorithms import RSA_ENCRYPTION, RSA_KEM_SPKI, RSASSA_PSS, RsaKem, RsaPadding
from smimekit.certificate import Certificate
from smimekit.cms.agreement import Agreement, agree_with_all, curve_of, open_agreement
from smimekit.cms.identifiers import CertificateId
from smimekit.cms.kem import encapsulate, encapsulate_rsa, kem_of, open_kem
from smimekit.cms.recipient_set import Transported
from smimekit.cms.recipients import (
    ContentKey,
    KemRecipient,
    KeyAgreeRecipient,
    KeyTransRecipient,
    RecipientInfo,
)
from smimekit.cms.transport import Transport, open_transport
from smimekit.errors import (
    CertificateError,
    CmsError,
    DecryptionError,
    KeyAccessError,
    LimitExceeded,
    NoMatchingKey,
    UsageError,
)
from smimekit.primitives import key_name, random_bytes
from smimekit.private_key import PrivateKey

__all__ = [
    "Way",
    "can_encrypt_to",
    "first_fitting",
    "transport_to",
    "unwrap",
    "unwrap_with_any",
    "wrap_for",
]


# --- for a recipient -----------------------------------------------------------------------


def wrap_for(
    certificate: Certificate,
    key: ContentKey,
    padding: RsaPadding | RsaKem,
    agreement: Agreement | None = None,
) -> RecipientInfo:
    """Wrap a content-encryption key for the holder of a certificate.

    `padding` serves RSA keys; one whose certificate allows OAEP or RSA-KEM only gets that
    (RFC 4055, 4; RFC 9690, 2.3). `agreement` serves keys on elliptic curves. Raises
    UsageError where the key is of a kind that cannot be encrypted to, and CertificateError
    where it cannot be used at all.
    """
    transport = transport_to(certificate, padding)
    if transport is not None:
        return transport.wrap(key)
    public = certificate.public_key
    match public:
        case rsa.RSAPublicKey() if certificate.key_algorithm != RSASSA_PSS:
            choice = padding if isinstance(padding, RsaKem) else RsaKem()
            return encapsulate_rsa(certificate, public, key, choice)
        case mlkem.MLKEM768PublicKey() | mlkem.MLKEM1024PublicKey():
            return encapsulate(certificate, public, key)
        case _ if curve_of(public) is not None:
            return agree_with_all((certificate,), key, agreement)
    raise UsageError(
        f"Nobody can encrypt to a key of kind {key_name(public)}; it may be one for signing only.",
        code="usage.recipient-key",
    )


def transport_to(certificate: Certificate, padding: RsaPadding | RsaKem) -> Transport | None:
    """What carries all keys to the holder of a certificate where that is RSA key transport."""
    known = certificate.memo.get("transport")
    if isinstance(known, Transport) and known.asked is padding:
        return known
    public = certificate.public_key
    if not isinstance(public, rsa.RSAPublicKey) or isinstance(padding, RsaKem):
        return None
    if certificate.key_algorithm in {RSASSA_PSS, RSA_KEM_SPKI}:
        return None
    made = certificate.memo["transport"] = Transport.of(certificate, public, padding)
    return made


def can_encrypt_to(certificate: Certificate) -> bool:
    """Is the certificate's key of a kind that `wrap_for` serves?"""
    try:
        public = certificate.public_key
    except CertificateError:
        return False
    if isinstance(public, rsa.RSAPublicKey):
        # RFC 4055, 1.2: an RSA key may be one for PSS signatures only.
        return certificate.key_algorithm != RSASSA_PSS
    return curve_of(public) is not None or kem_of(public) is not None


# --- with a private key --------------------------------------------------------------------


Holder = tuple[Certificate, PrivateKey]
Way = tuple[Callable[[], bytes], Certificate | None]
"""What gives a content-encryption key, and the certificate that named the recipient."""

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
    other, and no sender learns why (RFC 3218, 2.3). Of several RecipientInfos the first that
    opens counts; one by PKCS #1 v1.5 is the last that is looked at. At most `attempts` private-key
    operations are spent. KeyAccessError where the key is out of reach.
    """

    def holders(rid: CertificateId) -> Iterable[Holder]:
        return ((certificate, key),) if rid.matches(certificate) else ()

    # Whose certificate is known need not read what is other people's.
    ordered: Iterable[RecipientInfo] = recipients
    if type(recipients) is Transported:  # which is final; as a Sequence it is slow to ask for
        ordered = recipients.likely_first(certificate)
    return unwrap_with_any(ordered, holders, size=size, attempts=attempts)


def unwrap_with_any(
    recipients: Iterable[RecipientInfo],
    holders: Callable[[CertificateId], Iterable[Holder]],
    *,
    size: int | None,
    attempts: int,
) -> ContentKey:
    """The same for many: `holders` says who is named by an identifier. All are tried."""
    return first_fitting(islice(_ways(recipients, holders, size), attempts), size=size)


def first_fitting(ways: Iterable[Way], *, size: int | None) -> ContentKey:
    """The first key that one of the ways gives, or a random one; NoMatchingKey without a way.

    Where none gives one, and a key was out of reach, its KeyAccessError: that one might have.
    """
    named: list[Certificate | None] = []
    unreachable: KeyAccessError | None = None
    for way, certificate in ways:
        named.append(certificate)
        try:
            octets = way()
        except KeyAccessError as error:
            unreachable = error
            continue
        except (DecryptionError, CmsError, LimitExceeded, UsageError):
            # UsageError: the sender chose key transport for a key that cannot decrypt.
            continue
        if _fits(octets, size):
            return ContentKey(octets, certificate)
    if unreachable is not None:
        raise unreachable
    if not named:
        raise NoMatchingKey("The message is not encrypted for this key.")
    return ContentKey(random_bytes(size or _ANY_SIZE), named[0])


def _fits(octets: bytes, size: int | None) -> bool:
    return len(octets) == size or (size is None and len(octets) in _ANY_SIZES)


def _ways(
    recipients: Iterable[RecipientInfo],
    holders: Callable[[CertificateId], Iterable[Holder]],
    size: int | None,
) -> Iterator[Way]:
    for each in recipients:
        match each:
            case KeyTransRecipient():
                held = tuple(holders(each.rid))
                for at, (certificate, key) in enumerate(held, 1):
                    blindly = at == len(held) and each.algorithm.oid == RSA_ENCRYPTION
                    way = partial(_open_blindly, size=size) if blindly else open_transport
                    yield partial(way, each, key), certificate
            case KeyAgreeRecipient():
                for one in each.keys:
                    for certificate, key in holders(one.rid):
                        yield partial(open_agreement, each, one.encrypted_key, key), certificate
            case KemRecipient():
                for certificate, key in holders(each.rid):
                    yield partial(open_kem, each, key), certificate


def _open_blindly(recipient: KeyTransRecipient, key: PrivateKey, size: int | None) -> bytes:
    """PKCS #1 v1.5: a random key in place of one that does not open, or is of another size.

    Whoever goes on to the next RecipientInfo where this one fails, and not where it opens, tells
    the sender which of the two it was: the next one is the sender's, too (RFC 3218, 2.3).
    """
    octets = b""
    with suppress(DecryptionError):  # of who does not give random octets
        octets = open_transport(recipient, key)
    return octets if _fits(octets, size) else random_bytes(size or _ANY_SIZE)
