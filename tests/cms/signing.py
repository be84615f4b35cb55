"""Signers of every kind, and SignedData read back, for the tests of signatures."""

from collections.abc import Iterator, Sequence
from functools import cache

from smimekit import Credential, primitives
from smimekit.algorithms import SignatureScheme
from smimekit.cms.ber import BerReader
from smimekit.cms.content import DATA, enter_content
from smimekit.cms.signed import Digests, SignedData, SignerInfo, read_signed_data, read_signer_info
from smimekit.cms.signed_writing import signed_data
from smimekit.cms.signer import Check, check_signer
from smimekit.cms.signer_writing import sign_bare, sign_content
from smimekit.limits import Limits
from smimekit.policy import Policy
from smimekit.testing import FakeCA

CONTENT = b"What is signed.\r\n"
LIMITS = Limits()
SIGNED_DATA_OID = "1.2.840.113549.1.7.2"


@cache
def ca() -> FakeCA:
    return FakeCA("Example CA")


@cache
def person(key: str = "p256", address: str = "alice@example.org") -> Credential:
    """The same person with the same key each time."""
    return ca().person(address, key=key)


def scheme_of(who: Credential) -> SignatureScheme:
    return Policy.INTEROP.scheme_for(who.certificate.public_key)


def info(
    who: Credential,
    content: bytes = CONTENT,
    *,
    scheme: SignatureScheme | None = None,
    extra: Sequence[bytes] = (),
    content_type: str | None = DATA,
) -> bytes:
    """A SignerInfo with signed attributes."""
    return sign_content(
        who.certificate,
        who.key,
        scheme or scheme_of(who),
        lambda row: primitives.digest(row, content),
        extra,
        content_type=content_type,
    )


def bare(who: Credential, content: bytes = CONTENT) -> bytes:
    """A SignerInfo without signed attributes."""
    return sign_bare(who.certificate, who.key, scheme_of(who), content)


def message(*infos: bytes, content: bytes | None = CONTENT, content_type: str = DATA) -> bytes:
    """A ContentInfo with SignedData."""
    digests = {read(each).digest_algorithm for each in infos}
    return signed_data(content, digests, (), infos, content_type=content_type)


def read(signer: bytes) -> SignerInfo:
    return read_signer_info(signer, limits=LIMITS)


def of(content: bytes) -> Digests:
    return Digests((), lambda: iter((content,)))


def check(
    signer: bytes,
    who: Credential,
    content: bytes = CONTENT,
    content_type: str | None = DATA,
) -> Check:
    """The check of one SignerInfo over content."""
    return check_signer(read(signer), who.certificate, content_type, of(content))


class Sink:
    """Content in memory."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes, /) -> None:
        self.data += data

    def chunks(self) -> Iterator[bytes]:
        yield bytes(self.data)


def read_message(cms: bytes) -> tuple[SignedData, Digests, bytes]:
    """A ContentInfo with SignedData, read to its end, and its content."""
    reader, sink = BerReader(iter((cms,)), limits=LIMITS), Sink()
    assert enter_content(reader) == SIGNED_DATA_OID
    data, digests = read_signed_data(reader, sink, limits=LIMITS)
    reader.leave()
    reader.leave()
    reader.finish()
    return data, digests, bytes(sink.data)
