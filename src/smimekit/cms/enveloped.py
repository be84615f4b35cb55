"""EnvelopedData (RFC 5652, 6) and AuthEnvelopedData (RFC 5083): read and written.

Knows the structures and their order. May not know which keys are at hand.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, final

from smimekit import der
from smimekit.algorithms import AlgorithmIdentifier, ContentCipher
from smimekit.cms.aead import AeadEncryption
from smimekit.cms.attributes import CONTENT_TYPE, Attributes, attribute
from smimekit.cms.ber import END_OF_CONTENTS, BerReader, constructed_octets, indefinite
from smimekit.cms.cbc import cbc_encrypt, cbc_encrypted
from smimekit.cms.cipher import ContentAlgorithm, aead_encryption, new_iv
from smimekit.cms.content import (
    AUTH_ENVELOPED_DATA,
    DATA,
    ENVELOPED_DATA,
    Sink,
    content_info,
    read_version,
)
from smimekit.cms.encrypted import EncryptedContent
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
from smimekit.errors import CmsError, UsageError
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
        read_version(reader)
        self.recipients = read_envelope_recipients(reader, limits=limits)
        self._content = content = EncryptedContent(reader)
        self.inner_type: Final[str] = content.inner_type
        """The OID of the content's type."""
        self.algorithm: Final[AlgorithmIdentifier] = content.algorithm
        """The identifier of the content cipher."""
        self.cipher: Final[ContentCipher | None] = content.cipher
        """The content cipher, None where it is not known."""
        self.key_size: Final[int | None] = content.key_size
        """Bytes of a content-encryption key for the cipher; None where it takes any."""

    def decrypt(self, key: ContentKey, policy: Policy, into: Sink) -> None:
        """Decrypt the content and check it, to the end.

        Nothing in the sink may be used unless this returns. Raises PolicyError for a cipher
        that the policy refuses, DecryptionError, CmsError and LimitExceeded.
        """
        cipher = self.cipher
        if cipher is not None and cipher.authenticated is not self._with_tag:
            # RFC 5083, 2.1, and the downgrade of RFC 9709: an attacker renames a message.
            raise CmsError(
                "AuthEnvelopedData, and nothing else, has a cipher with a tag.", code="cms.cipher"
            )
        running = self._content.run(key, policy, into)
        tag, aad = self._finish()
        running.finish(tag, aad, into)

    def _finish(self) -> tuple[bytes | None, bytes | None]:
        """The tag, and the attributes that it covers (RFC 5083, 2.2), of what follows."""
        reader = self._reader
        tag = aad = None
        if self._with_tag:
            aad = self._authenticated_attributes()
            tag = reader.string()
            self._unprotected(0xA2)
        else:
            self._unprotected(0xA1)
        reader.leave()
        return tag, aad

    def _authenticated_attributes(self) -> bytes | None:
        """What the tag covers besides the content; None where there are no attributes."""
        attributes = None
        if self._reader.peek() == 0xA1:
            attributes = Attributes.read(self._reader.value(0xA1), limits=self._limits)
        named = None if attributes is None else attributes.content_type
        # The type beside the ciphertext is not covered by the tag. Plain data may do without
        # the attribute, so nothing else may: it could be the one, renamed.
        if named is None and self.inner_type != DATA:
            raise CmsError(
                "Content other than plain data needs authenticated attributes that name its "
                "type (RFC 5083, 2.1).",
                code="cms.content-type",
            )
        if named not in {None, self.inner_type}:
            raise CmsError(
                "The content is of another type than its attributes say (RFC 5083, 2.1).",
                code="cms.content-type",
            )
        return None if attributes is None else der.to_der(attributes.signed_octets())

    def _unprotected(self, tag: int) -> None:
        if self._reader.peek() == tag:
            Attributes.read(self._reader.value(tag), limits=self._limits)


# --- writing -------------------------------------------------------------------------------


def new_content_key(cipher: ContentCipher) -> ContentKey:
    """A random key for one message."""
    return ContentKey(random_bytes(cipher.key_size))


_VERSIONS: Final = tuple(der.integer(number) for number in range(4))


def _version(cipher: ContentCipher, recipients: Sequence[RecipientInfo]) -> bytes:
    # RFC 5652, 6.1: 3 with a password or another kind of recipient, 0 where all are key
    # transport by issuer and serial number, else 2; RFC 5083, 2.1: 0 with a tag.
    found = 0
    if not cipher.authenticated:
        for each in recipients:  # these classes are final
            if type(each) is not KeyTransRecipient:
                found = max(found, 3 if type(each) in _OTHERS else 2)
            elif type(each.rid) is not IssuerAndSerialNumber:
                found = max(found, 2)
    return _VERSIONS[found]


_OTHERS: Final = (PasswordRecipientInfo, KemRecipient)


@final
class _Writing:
    """What enveloped data consists of, but for the content."""

    def __init__(
        self,
        cipher: ContentCipher,
        key: ContentKey,
        recipients: Sequence[RecipientInfo],
        derived: bool,
        content_type: str,
    ) -> None:
        if not cipher.emitted:
            raise UsageError(f"{cipher.name} is read, and not written.", code="usage.cipher")
        self._iv = new_iv(cipher)
        algorithm = ContentAlgorithm(cipher.identifier(self._iv), derived)
        self._cipher, self._key = cipher, algorithm.key(key.octets)
        self._aead: AeadEncryption | None = None
        self._attributes = b""
        self.outer = ENVELOPED_DATA
        """The content type of all of it."""
        if cipher.authenticated:
            self.outer = AUTH_ENVELOPED_DATA
            if content_type != DATA:  # RFC 5083, 2.1: they must say so then
                named = attribute(CONTENT_TYPE, der.oid(content_type))
                self._attributes = der.set_of((named,))
            self._aead = aead_encryption(cipher, self._key, self._iv, self._attributes)
        self.before = _version(cipher, recipients) + encode_recipients(recipients)
        """What stands before the EncryptedContentInfo."""
        self.begin = der.oid(content_type) + algorithm.encode()
        """What the EncryptedContentInfo begins with."""

    def encrypted(self, content: bytes) -> bytes:
        """The ciphertext of what is at hand."""
        if self._aead is not None:
            return b"".join(self._aead.encrypt((content,)))
        return cbc_encrypted(self._cipher, self._key, self._iv, content)

    def encrypt(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same for what comes in pieces."""
        if self._aead is not None:
            return self._aead.encrypt(chunks)
        return cbc_encrypt(self._cipher, self._key, self._iv, chunks)

    def after(self) -> bytes:
        """What stands behind the EncryptedContentInfo, when the content is encrypted."""
        if self._aead is None:
            return b""
        implicit = b"\xa1" + self._attributes[1:] if self._attributes else b""
        return implicit + der.octet_string(self._aead.tag())


def enveloped_data(
    content: bytes,
    cipher: ContentCipher,
    key: ContentKey,
    recipients: Sequence[RecipientInfo],
    *,
    derived: bool = False,
    content_type: str = DATA,
) -> bytes:
    """A ContentInfo with EnvelopedData or, for a cipher with a tag, AuthEnvelopedData, in DER.

    `derived` encrypts with a key that is bound to the cipher (CEK-HKDF, RFC 9709): who changes
    the one makes the other useless. Not every receiver knows it. UsageError for a cipher that
    is only read.
    """
    writing = _Writing(cipher, key, recipients, derived, content_type)
    inner = der.sequence(writing.begin, der.implicit(0, writing.encrypted(content)))
    return content_info(writing.outer, der.sequence(writing.before, inner, writing.after()))


def enveloped_data_stream(
    content: Iterable[bytes],
    cipher: ContentCipher,
    key: ContentKey,
    recipients: Sequence[RecipientInfo],
    *,
    derived: bool = False,
    content_type: str = DATA,
) -> Iterator[bytes]:
    """The same in BER, for content of any length; UsageError before the first octet."""
    return _enveloped(content, _Writing(cipher, key, recipients, derived, content_type))


def _enveloped(content: Iterable[bytes], writing: _Writing) -> Iterator[bytes]:
    yield indefinite(der.SEQUENCE) + der.oid(writing.outer) + indefinite(0xA0)
    yield indefinite(der.SEQUENCE) + writing.before + indefinite(der.SEQUENCE) + writing.begin
    yield from constructed_octets(writing.encrypt(content), 0xA0)
    yield END_OF_CONTENTS + writing.after() + END_OF_CONTENTS * 3
