"""EncryptedContentInfo (RFC 5652, 6.1), and EncryptedData (8) around it: content under a key
that both sides have already.

Knows where ciphertext stands and how it is opened. May not know recipients.
"""

from collections.abc import Iterable, Iterator
from typing import Final, final

from smimekit import der
from smimekit.algorithms import RC2_CBC, UNREAD_CIPHERS, AlgorithmIdentifier, ContentCipher
from smimekit.cms.attributes import Attributes
from smimekit.cms.ber import END_OF_CONTENTS, BerReader, constructed_octets, indefinite
from smimekit.cms.cbc import cbc_encrypt, cbc_encrypted
from smimekit.cms.cipher import ContentAlgorithm, Decryption, decryption, new_iv
from smimekit.cms.content import (
    DATA,
    ENCRYPTED_DATA,
    Sink,
    content_info,
    read_content_type,
    read_version,
)
from smimekit.cms.recipients import ContentKey
from smimekit.errors import CmsError, LimitExceeded, UsageError
from smimekit.limits import Limits
from smimekit.policy import Policy

__all__ = [
    "EncryptedContent",
    "encrypted_data",
    "encrypted_data_stream",
    "read_encrypted_data",
    "unknown_cipher",
]


@final
class EncryptedContent:
    """An EncryptedContentInfo, read as far as the ciphertext. Raises CmsError."""

    def __init__(self, reader: BerReader) -> None:
        self._reader = reader
        reader.enter(der.SEQUENCE)
        self.inner_type = read_content_type(reader)
        named = AlgorithmIdentifier.read(der.Reader(reader.value(der.SEQUENCE)))
        self._algorithm = ContentAlgorithm.read(named)
        self.algorithm: Final[AlgorithmIdentifier] = self._algorithm.identifier
        """The identifier of the content cipher."""
        self.cipher: Final[ContentCipher | None] = self._algorithm.cipher
        """The content cipher, None where it is not known."""

    @property
    def key_size(self) -> int | None:
        """Bytes of a content-encryption key for the cipher; None where it takes any."""
        return self._algorithm.key_size

    def run(self, key: ContentKey, policy: Policy, into: Sink) -> Decryption:
        """Decrypt into the sink, to the end of the EncryptedContentInfo.

        The result still has to `finish`: nothing in the sink may be used before. Raises
        PolicyError, DecryptionError, CmsError and LimitExceeded.
        """
        cipher = self.cipher
        if cipher is None:
            raise unknown_cipher(self.algorithm.oid)
        policy.require(policy.content(cipher), "Refused to decrypt")
        running = decryption(cipher, self.algorithm, self._algorithm.key(key.octets))
        if self._reader.peek() not in {0x80, 0xA0}:
            raise CmsError("The encrypted content is not in the message.", code="cms.no-content")
        chunks = self._reader.octets(0x80)
        if cipher is RC2_CBC:
            chunks = _bounded(chunks, policy.limits.rc2_bytes)
        running.run(chunks, into)
        self._reader.leave()
        return running


def _bounded(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    """The same, as long as there are no more octets than that."""
    for chunk in chunks:
        most -= len(chunk)
        if most < 0:
            raise LimitExceeded(
                "The message is too large to decrypt RC2; raise Limits.rc2_bytes if it comes from "
                "somebody you know.",
                code="limit.rc2-bytes",
            )
        yield chunk


def read_encrypted_data(
    reader: BerReader, key: ContentKey, policy: Policy, into: Sink, *, limits: Limits
) -> str:
    """Decrypt an EncryptedData, to its end; the type of its content.

    `reader` stands inside the ContentInfo's explicit tag. Nothing in the sink may be used
    unless this returns. It says nothing about changes on the way: there is no tag. Raises
    PolicyError, DecryptionError, CmsError and LimitExceeded.
    """
    reader.enter(der.SEQUENCE)
    read_version(reader)
    content = EncryptedContent(reader)
    if content.cipher is not None and content.cipher.authenticated:
        raise _no_place_for_a_tag()
    running = content.run(key, policy, into)
    if reader.peek() == 0xA1:  # unprotectedAttrs
        Attributes.read(reader.value(0xA1), limits=limits)
    reader.leave()
    running.finish(None, None, into)
    return content.inner_type


def unknown_cipher(oid: str) -> CmsError:
    """Why content is not decrypted that is encrypted with something else."""
    named = f"{oid} ({UNREAD_CIPHERS[oid]})" if oid in UNREAD_CIPHERS else oid
    return CmsError(f"The content cipher {named} is not supported.", code="cms.cipher")


def _no_place_for_a_tag() -> CmsError:
    return CmsError(
        "The content cipher has a tag, but EncryptedData has no place for one.", code="cms.cipher"
    )


def _begin(cipher: ContentCipher, iv: bytes, content_type: str) -> bytes:
    if cipher.authenticated or not cipher.emitted:
        raise UsageError(
            f"EncryptedData is not written with {cipher.name}; take AES in CBC mode.",
            code="usage.cipher",
        )
    return der.oid(content_type) + cipher.identifier(iv).encode()


def encrypted_data(
    content: bytes, cipher: ContentCipher, key: ContentKey, *, content_type: str = DATA
) -> bytes:
    """A ContentInfo with EncryptedData, in DER. UsageError for a cipher with a tag."""
    iv = new_iv(cipher)
    begin = _begin(cipher, iv, content_type)
    ciphertext = cbc_encrypted(cipher, key.octets, iv, content)
    inner = der.sequence(begin, der.implicit(0, ciphertext))
    return content_info(ENCRYPTED_DATA, der.sequence(der.integer(0), inner))


def encrypted_data_stream(
    content: Iterable[bytes],
    cipher: ContentCipher,
    key: ContentKey,
    *,
    content_type: str = DATA,
) -> Iterator[bytes]:
    """The same in BER, for content of any length."""
    iv = new_iv(cipher)
    begin = _begin(cipher, iv, content_type)
    yield indefinite(der.SEQUENCE) + der.oid(ENCRYPTED_DATA) + indefinite(0xA0)
    yield indefinite(der.SEQUENCE) + der.integer(0) + indefinite(der.SEQUENCE) + begin
    yield from constructed_octets(cbc_encrypt(cipher, key.octets, iv, content), 0xA0)
    yield END_OF_CONTENTS * 4
