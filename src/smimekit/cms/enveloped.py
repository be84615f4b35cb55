"""EnvelopedData (RFC 5652, 6) and AuthEnvelopedData (RFC 5083): read and written.

Knows the structures and their order. May not know which keys are at hand.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import final

from smimekit import der
from smimekit.algorithms import CONTENT_CIPHERS, RC2_CBC, AlgorithmIdentifier, ContentCipher
from smimekit.cms.attributes import Attributes
from smimekit.cms.ber import END_OF_CONTENTS, BerReader, constructed_octets, indefinite
from smimekit.cms.cipher import GcmEncryption, cbc_encrypt, decryption, new_iv
from smimekit.cms.content import (
    AUTH_ENVELOPED_DATA,
    DATA,
    ENVELOPED_DATA,
    Sink,
    content_info,
)
from smimekit.cms.identifiers import IssuerAndSerialNumber
from smimekit.cms.originators import read_envelope_recipients
from smimekit.cms.recipients import (
    ContentKey,
    KemRecipient,
    KeyTransRecipient,
    PasswordRecipientInfo,
    RecipientInfo,
    encode_recipients,
)
from smimekit.errors import CmsError
from smimekit.limits import Limits
from smimekit.policy import Policy
from smimekit.primitives import random_bytes

__all__ = ["EnvelopedReader", "enveloped_data", "enveloped_data_stream", "new_content_key"]


@final
class EnvelopedReader:
    """EnvelopedData or AuthEnvelopedData, read as far as the ciphertext.

    `decrypt` reads the rest, once. `reader` stands inside the ContentInfo's explicit tag.
    Raises CmsError and LimitExceeded.
    """

    def __init__(self, reader: BerReader, content_type: str, *, limits: Limits) -> None:
        self._reader = reader
        self._limits = limits
        self._with_tag = content_type == AUTH_ENVELOPED_DATA
        reader.enter(der.SEQUENCE)
        reader.value(der.INTEGER)
        self.recipients = read_envelope_recipients(reader, limits=limits)
        reader.enter(der.SEQUENCE)
        self.inner_type = der.Reader(reader.value(der.OID)).oid()
        self.algorithm = AlgorithmIdentifier.read(der.Reader(reader.value(der.SEQUENCE)))

    @property
    def cipher(self) -> ContentCipher | None:
        """The content cipher, None where it is not known."""
        return CONTENT_CIPHERS.get(self.algorithm.oid)

    @property
    def key_size(self) -> int | None:
        """Bytes of a content-encryption key for the cipher; None where it takes any."""
        cipher = self.cipher
        return None if cipher is None or cipher is RC2_CBC else cipher.key_size

    def decrypt(self, key: ContentKey, policy: Policy, into: Sink) -> None:
        """Decrypt the content and check it, to the end.

        Nothing in the sink may be used unless this returns. Raises PolicyError for a cipher
        that the policy refuses, DecryptionError, CmsError and LimitExceeded.
        """
        cipher = self.cipher
        if cipher is None:
            raise CmsError(
                f"The content cipher {self.algorithm.oid} is not supported.", code="cms.cipher"
            )
        if cipher.authenticated and not self._with_tag:
            raise CmsError(
                "The content cipher has a tag, but EnvelopedData has no place for one.",
                code="cms.cipher",
            )
        if self._with_tag and not cipher.authenticated:
            # RFC 5083, 2.1 and the downgrade of RFC 9709: an attacker renames a CBC message.
            raise CmsError("AuthEnvelopedData needs an authenticated cipher.", code="cms.cipher")
        policy.require(policy.content(cipher), "Refused to decrypt")
        running = decryption(cipher, self.algorithm, key.octets)
        if self._reader.peek() not in {0x80, 0xA0}:
            raise CmsError("The encrypted content is not in the message.", code="cms.no-content")
        running.run(self._reader.octets(0x80), into)
        self._reader.leave()
        tag, aad = self._finish()
        running.finish(tag, aad, into)

    def _finish(self) -> tuple[bytes | None, bytes | None]:
        """The tag, and the attributes that it covers (RFC 5083, 2.2), of what follows."""
        reader = self._reader
        tag = aad = None
        if self._with_tag:
            if reader.peek() == 0xA1:
                attributes = Attributes.read(reader.value(0xA1), limits=self._limits)
                if attributes.content_type not in {None, self.inner_type}:
                    raise CmsError(
                        "The content is of another type than its attributes say (RFC 5083, 2.1).",
                        code="cms.content-type",
                    )
                aad = der.to_der(attributes.signed_octets())
            tag = der.Reader(reader.value(der.OCTET_STRING)).octets()
            self._unprotected(0xA2)
        else:
            self._unprotected(0xA1)
        reader.leave()
        return tag, aad

    def _unprotected(self, tag: int) -> None:
        if self._reader.peek() == tag:
            Attributes.read(self._reader.value(tag), limits=self._limits)


# --- writing -------------------------------------------------------------------------------


def new_content_key(cipher: ContentCipher) -> ContentKey:
    """A random key for one message."""
    return ContentKey(random_bytes(cipher.key_size))


def _version(cipher: ContentCipher, recipients: Sequence[RecipientInfo]) -> bytes:
    # RFC 5652, 6.1: 3 with a password or another kind of recipient, 0 where all are key
    # transport by issuer and serial number, else 2; RFC 5083, 2.1: 0 with a tag.
    if cipher.authenticated:
        return der.integer(0)
    if any(isinstance(each, PasswordRecipientInfo | KemRecipient) for each in recipients):
        return der.integer(3)
    plain = all(
        isinstance(each, KeyTransRecipient) and isinstance(each.rid, IssuerAndSerialNumber)
        for each in recipients
    )
    return der.integer(0 if plain else 2)


def _head(
    cipher: ContentCipher, iv: bytes, recipients: Sequence[RecipientInfo]
) -> tuple[bytes, bytes]:
    """What stands before the EncryptedContentInfo, and what begins it."""
    before = _version(cipher, recipients) + encode_recipients(recipients)
    return before, der.oid(DATA) + cipher.identifier(iv).encode()


def _outer_type(cipher: ContentCipher) -> str:
    return AUTH_ENVELOPED_DATA if cipher.authenticated else ENVELOPED_DATA


def enveloped_data(
    content: bytes, cipher: ContentCipher, key: ContentKey, recipients: Sequence[RecipientInfo]
) -> bytes:
    """A ContentInfo with EnvelopedData or, for a cipher with a tag, AuthEnvelopedData, in DER."""
    iv = new_iv(cipher)
    before, begin = _head(cipher, iv, recipients)
    if cipher.authenticated:
        running = GcmEncryption(key.octets, iv)
        encrypted = b"".join(running.encrypt((content,)))
        tag = der.octet_string(running.tag())
    else:
        encrypted = b"".join(cbc_encrypt(cipher, key.octets, iv, (content,)))
        tag = b""
    inner = der.sequence(begin, der.implicit(0, encrypted))
    return content_info(_outer_type(cipher), der.sequence(before, inner, tag))


def enveloped_data_stream(
    content: Iterable[bytes],
    cipher: ContentCipher,
    key: ContentKey,
    recipients: Sequence[RecipientInfo],
) -> Iterator[bytes]:
    """The same in BER, for content of any length."""
    iv = new_iv(cipher)
    before, begin = _head(cipher, iv, recipients)
    yield indefinite(der.SEQUENCE) + der.oid(_outer_type(cipher)) + indefinite(0xA0)
    yield indefinite(der.SEQUENCE) + before + indefinite(der.SEQUENCE) + begin
    if cipher.authenticated:
        running = GcmEncryption(key.octets, iv)
        yield from constructed_octets(running.encrypt(content), 0xA0)
        yield END_OF_CONTENTS + der.octet_string(running.tag())
    else:
        yield from constructed_octets(cbc_encrypt(cipher, key.octets, iv, content), 0xA0)
        yield END_OF_CONTENTS
    yield END_OF_CONTENTS * 3
