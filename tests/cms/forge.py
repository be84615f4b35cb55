"""CMS for tests: people with keys made once, and messages with anything wrong in them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from smimekit import der, primitives
from smimekit.algorithms import AlgorithmIdentifier, Digest, SignatureScheme
from smimekit.certificate import Certificate
from smimekit.cms import attributes as attrs
from smimekit.cms.ber import BerReader
from smimekit.cms.content import DATA, enter_content
from smimekit.cms.identifiers import CertificateId, IssuerAndSerialNumber
from smimekit.cms.signed import Digests, SignedData, read_signed_data
from smimekit.cms.signer import Check, Integrity, check_signer
from smimekit.keys import Credential
from smimekit.limits import Limits
from smimekit.policy import Policy
from smimekit.testing import FakeCA

DER = Encoding.DER
LIMITS = Limits()


@cache
def ca() -> FakeCA:
    return FakeCA("Example CA")


@cache
def person(key: str = "p256", address: str = "alice@example.org") -> Credential:
    """The same person with the same key each time."""
    return ca().person(address, key=key)


def private(key: str = "p256") -> Any:
    """The bare private key of that person."""
    return person(key).key._key  # type: ignore[attr-defined]  # a SoftwareKey's own


def rsa_key() -> rsa.RSAPrivateKey:
    found = private("rsa-2048")
    assert isinstance(found, rsa.RSAPrivateKey)
    return found


class Sink:
    """Content in memory."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes, /) -> None:
        self.data += data

    def chunks(self) -> Iterator[bytes]:
        for at in range(0, len(self.data), 1000):
            yield bytes(self.data[at : at + 1000])


def cut(data: bytes, size: int) -> Iterator[bytes]:
    """The data in chunks of this size."""
    for at in range(0, len(data), size):
        yield data[at : at + size]


def ber(data: bytes, size: int = 1 << 16, limits: Limits = LIMITS) -> BerReader:
    return BerReader(cut(data, size), limits=limits)


@dataclass
class Read:
    """What a SignedData said."""

    data: SignedData
    digests: Digests
    content: bytes


def read_signed(mail: bytes, size: int = 1 << 16, limits: Limits = LIMITS) -> Read:
    """Read a ContentInfo with SignedData to its very end."""
    reader, sink = ber(mail, size, limits), Sink()
    enter_content(reader)
    data, digests = read_signed_data(reader, sink, limits=limits)
    reader.leave()
    reader.leave()
    reader.finish()
    return Read(data, digests, bytes(sink.data))


def check(mail: bytes, who: Credential, content: bytes | None = None) -> Check:
    """Read, and check the only signature."""
    found = read_signed(mail)
    if found.data.unreadable_signers:
        return Check(Integrity.MALFORMED, found.data.unreadable_signers[0])
    (signer,) = found.data.signers
    digests = found.digests if content is None else Digests((), lambda: iter((content,)))
    return check_signer(signer, who.certificate, found.data.content_type, digests)


def digest_of(digest: Digest, content: bytes) -> bytes:
    running = primitives.digester(digest)
    running.update(content)
    return running.digest()


@dataclass
class Forgery:
    """A SignedData with one signer, of which any part can be replaced.

    The signature is always good over what is written, unless `signature` or `signs` is given.
    """

    content: bytes = b"content"
    who: Credential = field(default_factory=person)
    content_type: str = DATA
    scheme: SignatureScheme | None = None
    attributes: Sequence[bytes] | None = None
    """Encoded attributes in place of the usual ones; in this order where `in_order`."""
    extra: Sequence[bytes] = ()
    without: frozenset[str] = frozenset()
    in_order: bool = False
    no_attributes: bool = False
    signs: bytes | None = None
    signature: bytes | None = None
    sid: CertificateId | None = None
    digest: AlgorithmIdentifier | None = None
    algorithm: AlgorithmIdentifier | None = None
    econtent: bytes | None = None
    """An encoded value in place of the OCTET STRING; empty: detached."""
    certificates: Sequence[bytes] | None = None

    @property
    def row(self) -> SignatureScheme:
        return self.scheme or Policy.INTEROP.scheme_for(self.who.key.public_key)

    @property
    def _digest(self) -> AlgorithmIdentifier:
        return self.digest or self.row.digest.identifier

    @property
    def _algorithm(self) -> AlgorithmIdentifier:
        return self.algorithm or self.row.identifier

    def usual(self) -> dict[str, bytes]:
        """The attributes that we write."""
        certificate = self.who.certificate
        hashed = digest_of(self.row.digest, self.content)
        return {
            attrs.CONTENT_TYPE: attrs.attribute(attrs.CONTENT_TYPE, der.oid(self.content_type)),
            attrs.MESSAGE_DIGEST: attrs.attribute(attrs.MESSAGE_DIGEST, der.octet_string(hashed)),
            attrs.SIGNING_CERTIFICATE_V2: attrs.signing_certificate_v2(
                certificate.der, certificate.issuer, certificate.serial_bytes
            ),
            attrs.ALGORITHM_PROTECTION: attrs.algorithm_protection(self._digest, self._algorithm),
        }

    def signed_attributes(self) -> bytes:
        if self.attributes is not None:
            found = list(self.attributes)
        else:
            usual = self.usual()
            found = [value for oid, value in usual.items() if oid not in self.without]
            found += self.extra
        return der.tlv(der.SET, *found) if self.in_order else der.set_of(found)

    def signer_info(self) -> bytes:
        sid = self.sid or IssuerAndSerialNumber.of(self.who.certificate)
        attributes = b"" if self.no_attributes else self.signed_attributes()
        signs = self.signs
        if signs is None:
            signs = self.content if self.no_attributes else attributes
        signature = self.signature
        if signature is None:
            signature = self.who.key.sign(signs, self.row)
        return der.sequence(
            der.integer(1 if isinstance(sid, IssuerAndSerialNumber) else 3),
            sid.encode(),
            self._digest.encode(),
            b"\xa0" + attributes[1:] if attributes else b"",
            self._algorithm.encode(),
            der.octet_string(signature),
        )

    def encode(self, *signers: bytes) -> bytes:
        econtent = der.octet_string(self.content) if self.econtent is None else self.econtent
        inner = der.sequence(
            der.oid(self.content_type), der.explicit(0, econtent) if econtent else b""
        )
        bag = (self.who.certificate.der,) if self.certificates is None else self.certificates
        inside = der.sequence(
            der.integer(1),
            der.set_of([self._digest.encode()]),
            inner,
            der.set_of(bag, 0xA0) if bag else b"",
            der.set_of(signers or (self.signer_info(),)),
        )
        return content_info(SIGNED, inside)

    def check(self) -> Check:
        return check(self.encode(), self.who, None if self.econtent != b"" else self.content)


SIGNED = "1.2.840.113549.1.7.2"


def content_info(oid: str, inside: bytes) -> bytes:
    return der.sequence(der.oid(oid), der.explicit(0, inside))


def indefinite(tag: int, *content: bytes) -> bytes:
    return bytes((tag, 0x80)) + b"".join(content) + b"\0\0"


def loosen(value: bytes) -> bytes:
    """The same value with every constructed length indefinite."""
    tag, content = der.Reader(value).any()
    if not tag & 0x20:
        return value
    inside, parts = der.Reader(content), []
    while inside.more:
        parts.append(loosen(inside.raw()))
    return indefinite(tag, *parts)


def join(chunks: Iterable[bytes]) -> bytes:
    return b"".join(chunks)


def with_key_algorithm(certificate: Certificate, algorithm: AlgorithmIdentifier) -> Certificate:
    """The same certificate, but for what it says of its key (its signature is broken by that)."""
    key = der.Reader(certificate.spki).enter(der.SEQUENCE)
    key.raw()
    spki = der.sequence(algorithm.encode(), key.raw())
    outer = der.Reader(certificate.der).enter(der.SEQUENCE)
    outer.raw()
    inside = der.Reader(certificate.der).enter(der.SEQUENCE).enter(der.SEQUENCE)
    parts = []
    while inside.more:
        part = inside.raw()
        parts.append(spki if part == certificate.spki else part)
    assert spki in parts
    return Certificate(der.sequence(der.sequence(*parts), outer.raw(), outer.raw()))
