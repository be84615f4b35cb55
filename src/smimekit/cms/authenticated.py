"""AuthenticatedData (RFC 5652, 9): content under a MAC whose key its recipients share.

Knows the structure and HMAC. May not know which keys are at hand. Whoever can check such a
MAC could have made it: it shows no sender.
"""

from collections.abc import Iterable, Iterator, Sequence
from hmac import compare_digest
from typing import Final, final

from cryptography.hazmat.primitives.hmac import HMAC

from smimekit import der
from smimekit.algorithms import (
    HMACS,
    MACS,
    SHA1,
    SHA256,
    AlgorithmIdentifier,
    Digest,
    digest_row,
)
from smimekit.cms.attributes import (
    CONTENT_TYPE,
    MESSAGE_DIGEST,
    Attributes,
    AttributeWatch,
    attribute,
)
from smimekit.cms.ber import END_OF_CONTENTS, BerReader, indefinite
from smimekit.cms.content import (
    AUTHENTICATED_DATA,
    DATA,
    Sink,
    content_info,
    encapsulated,
    encapsulated_stream,
    read_encapsulated,
    read_version,
)
from smimekit.cms.originators import read_envelope_recipients
from smimekit.cms.recipients import (
    ContentKey,
    RecipientInfo,
    encode_recipients,
)
from smimekit.errors import CmsError, ContentChanged, UsageError
from smimekit.limits import Limits
from smimekit.primitives import digester, hash_algorithm, random_bytes

__all__ = [
    "AuthenticatedReader",
    "authenticated_data",
    "authenticated_data_stream",
    "new_mac_key",
]

_KEY_SIZE: Final = 32


@final
class AuthenticatedReader:
    """AuthenticatedData, read as far as the content.

    `check` reads the rest, once. `reader` stands inside the ContentInfo's explicit tag.
    Raises CmsError and LimitExceeded.
    """

    key_size: None = None
    """HMAC takes keys of any size."""

    def __init__(self, reader: BerReader, *, limits: Limits) -> None:
        self._reader = reader
        self._limits = limits
        reader.enter(der.SEQUENCE)
        read_version(reader)
        self.recipients = read_envelope_recipients(reader, limits=limits)
        self.algorithm = AlgorithmIdentifier.read(der.Reader(reader.value(der.SEQUENCE)))
        self._digest: AlgorithmIdentifier | None = None
        if reader.peek() == 0xA1:
            self._digest = AlgorithmIdentifier.read(der.Reader(reader.value(0xA1)), 0xA1)

    def check(self, key: ContentKey, into: Sink) -> str:
        """Read the content into the sink, check its MAC; the content's type.

        Nothing in the sink may be used unless this returns. Raises ContentChanged where the
        MAC or the digest does not match, CmsError for algorithms that are not known and for
        attributes that break a rule.
        """
        mac = HMAC(key.octets, hash_algorithm(_mac_digest(self.algorithm)))
        digest = None if self._digest is None else digester(_digest_row(self._digest))
        running, watch = digest or mac, AttributeWatch()

        def passing(chunk: bytes) -> None:
            running.update(chunk)
            if digest is None:
                watch.update(chunk)
            into.write(chunk)

        content_type, detached = read_encapsulated(self._reader, passing)
        if detached:
            raise CmsError("The authenticated content is elsewhere.", code="cms.no-content")
        attributes, expected = self._finish()
        if (attributes is None) is not (digest is None) or (
            attributes is None and content_type != DATA
        ):
            raise CmsError(
                "Authenticated attributes and their digest algorithm come together, and other "
                "content than data needs them (RFC 5652, 9.1).",
                code="cms.attributes",
            )
        if attributes is None and watch.found():
            raise CmsError(
                "The content is a set of authenticated attributes: a code for something else "
                "may have been put to new use.",
                code="cms.attribute-confusion",
            )
        if attributes is not None:
            mac.update(der.to_der(attributes.signed_octets()))
        # Before what it covers is believed: whatever was changed, and whichever key is wrong,
        # the answer is the same.
        is_whole = compare_digest(mac.finalize(), expected)
        if attributes is not None and digest is not None and is_whole:
            is_whole = _name_the_content(attributes, content_type, digest.digest())
        if not is_whole:
            raise ContentChanged(
                "The content or its authentication code was changed, or made with another key.",
                code="content-changed.mac",
            )
        return content_type

    def _finish(self) -> tuple[Attributes | None, bytes]:
        reader, attributes = self._reader, None
        if reader.peek() == 0xA2:
            attributes = Attributes.read(reader.value(0xA2), limits=self._limits)
        expected = reader.string()
        if reader.peek() == 0xA3:
            Attributes.read(reader.value(0xA3), limits=self._limits)
        reader.leave()
        return attributes, expected


def _mac_digest(identifier: AlgorithmIdentifier) -> Digest:
    row = MACS.get(identifier.oid)
    if row is None or not identifier.plain:
        raise CmsError(
            f"The authentication algorithm {identifier.oid} is not supported.", code="cms.mac"
        )
    return row


def _digest_row(identifier: AlgorithmIdentifier) -> Digest:
    row = digest_row(identifier)
    if row is None:
        raise CmsError(f"The digest {identifier.oid} is not supported.", code="cms.digest")
    return row


def _name_the_content(attributes: Attributes, content_type: str, digest: bytes) -> bool:
    """RFC 5652, 9.2: both attributes exactly once, and saying what is there; is that so?

    CmsError where they name nothing, or content of another type.
    """
    if attributes.content_type != content_type or attributes.message_digest is None:
        raise CmsError(
            "The authenticated attributes do not name the content.", code="cms.attributes"
        )
    return compare_digest(attributes.message_digest, digest)


# --- writing -------------------------------------------------------------------------------


def new_mac_key() -> ContentKey:
    """A random key for one message."""
    return ContentKey(random_bytes(_KEY_SIZE))


def _mac_oid(digest: Digest) -> str:
    found = next((oid for oid, row in HMACS.items() if row is digest and row is not SHA1), None)
    if found is None:
        raise UsageError(f"There is no HMAC with {digest.name} to write: use one of SHA-2.")
    return found


def _before(recipients: Sequence[RecipientInfo], digest: Digest) -> bytes:
    implicit = b"\xa1" + digest.identifier.encode()[1:]
    return (
        der.integer(0)
        + encode_recipients(recipients)
        + AlgorithmIdentifier(_mac_oid(digest)).encode()
        + implicit
    )


def _after(key: ContentKey, digest: Digest, value: bytes, content_type: str) -> bytes:
    attributes = der.set_of(
        (
            attribute(CONTENT_TYPE, der.oid(content_type)),
            attribute(MESSAGE_DIGEST, der.octet_string(value)),
        )
    )
    mac = HMAC(key.octets, hash_algorithm(digest))
    mac.update(attributes)
    return b"\xa2" + attributes[1:] + der.octet_string(mac.finalize())


def authenticated_data(
    content: bytes,
    key: ContentKey,
    recipients: Sequence[RecipientInfo],
    digest: Digest = SHA256,
    *,
    content_type: str = DATA,
) -> bytes:
    """A ContentInfo with AuthenticatedData, in DER: an HMAC over attributes (9.2).

    `digest` is one of SHA-2, for the content and the HMAC; UsageError for another.
    """
    running = digester(digest)
    running.update(content)
    inside = der.sequence(
        _before(recipients, digest),
        encapsulated(content_type, content),
        _after(key, digest, running.digest(), content_type),
    )
    return content_info(AUTHENTICATED_DATA, inside)


def authenticated_data_stream(
    content: Iterable[bytes],
    key: ContentKey,
    recipients: Sequence[RecipientInfo],
    digest: Digest = SHA256,
    *,
    content_type: str = DATA,
) -> Iterator[bytes]:
    """The same in BER, with the content as it comes."""
    running = digester(digest)

    def passing() -> Iterator[bytes]:
        for chunk in content:
            running.update(chunk)
            yield chunk

    yield indefinite(der.SEQUENCE) + der.oid(AUTHENTICATED_DATA) + indefinite(0xA0)
    yield indefinite(der.SEQUENCE) + _before(recipients, digest)
    yield from encapsulated_stream(content_type, passing())
    yield _after(key, digest, running.digest(), content_type) + END_OF_CONTENTS * 3
