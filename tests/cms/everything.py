"""One of everything that `smimekit.cms` writes, and how it is read: for tests about all of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from smimekit import Credential, der
from smimekit.algorithms import (
    AES256_CBC,
    AES256_GCM,
    CHACHA20_POLY1305,
    SHA256,
    SHA512,
    RsaKem,
    RsaPadding,
)
from smimekit.cms import attributes as attrs
from smimekit.cms.authenticated import (
    AuthenticatedReader,
    authenticated_data,
    authenticated_data_stream,
    new_mac_key,
)
from smimekit.cms.ber import BerReader
from smimekit.cms.compressed import compressed_data, compressed_data_stream, read_compressed_data
from smimekit.cms.content import DATA, enter_content
from smimekit.cms.countersignature import (
    check_countersignature,
    countersign,
    countersignatures,
)
from smimekit.cms.digested import digested_data, digested_data_stream, read_digested_data
from smimekit.cms.encrypted import encrypted_data, encrypted_data_stream, read_encrypted_data
from smimekit.cms.enveloped import (
    EnvelopedReader,
    enveloped_data,
    enveloped_data_stream,
    new_content_key,
)
from smimekit.cms.identifiers import SubjectKeyIdentifier
from smimekit.cms.recipients import ContentKey
from smimekit.cms.signed import Digests, read_signed_data, read_signer_info
from smimekit.cms.signed_writing import add_unsigned, certs_only, signed_data, signed_data_stream
from smimekit.cms.signer import Integrity, check_signer, find_certificate
from smimekit.keys import (
    CertificateRecipient,
    Decryptor,
    PasswordRecipient,
    Recipient,
    SharedKeyRecipient,
)
from smimekit.limits import Limits
from smimekit.policy import Policy
from tests.cms.signing import Sink, bare, info, person, scheme_of

LIMITS: Final = Limits()
PKCS1: Final = RsaPadding()
KINDS: Final = ("p256", "p384", "p521", "rsa-2048", "ed25519", "ed448", "ml-dsa-65")
SHARED: Final = SharedKeyRecipient(b"our key", bytes(range(32)))
PASSWORD: Final = PasswordRecipient("correct horse battery staple", 1_000)
CONTENT_KEY: Final = ContentKey(bytes(range(32)))

OTHER = "1.3.6.1.4.1.32473.1"
"""A content type of nobody's (RFC 5612). asn1crypto takes those that it knows apart, and which
these are depends on what was imported before."""


@dataclass(frozen=True)
class Written:
    """A message in DER, the same as a stream, and how the one or the other is read."""

    whole: bytes
    stream: bytes
    read: Callable[[Any], object]
    """What it says: content, type, and that each signature is good."""
    expected: object


def opening(message: bytes | Iterable[bytes], read: Callable[[BerReader, str], object]) -> Any:
    """Read a ContentInfo to its very end, from one piece or from any."""
    chunks = (message,) if isinstance(message, bytes) else message
    reader = BerReader(chunks, limits=LIMITS)
    found = read(reader, enter_content(reader))
    reader.leave()
    reader.leave()
    reader.finish()
    return found


# --- SignedData ----------------------------------------------------------------------------


def read_signed(message: bytes, content: bytes | None = None) -> Any:
    """The content's type, the content, how each signer is named and what their check says."""

    def read(reader: BerReader, _: str) -> object:
        sink = Sink()
        data, digests = read_signed_data(reader, sink, limits=LIMITS)
        assert not data.unreadable_signers
        if content is not None:
            assert data.detached
            digests = Digests((), lambda: iter((content,)))
        pool = [person(kind).certificate for kind in KINDS]
        found = []
        for signer in data.signers:
            certificate = find_certificate(signer, pool)
            assert certificate is not None
            check = check_signer(signer, certificate, data.content_type, digests)
            for each in countersignatures(signer):
                one = read_signer_info(each, limits=LIMITS)
                notary = find_certificate(one, pool)
                assert notary is not None
                good = check_countersignature(one, notary, signer.signature).integrity
                assert good is Integrity.GOOD
            count = len(countersignatures(signer))
            found.append((check.integrity, certificate.fingerprint, count))
        return data.content_type, bytes(sink.data), sorted(found), data.certificates

    return opening(message, read)


def signed(
    content: bytes, *infos: bytes, detached: bool = False, content_type: str = DATA
) -> Written:
    inside = None if detached else content
    digests = {read_signer_info(each, limits=LIMITS).digest_algorithm for each in infos}
    bag = [person("p256").certificate.der]
    whole = signed_data(inside, digests, bag, infos, content_type=content_type)
    stream = whole
    if not detached:
        chunks = signed_data_stream(
            (content,), digests, bag, lambda: infos, content_type=content_type
        )
        stream = b"".join(chunks)
    pool = {kind: person(kind).certificate for kind in KINDS}
    expected = []
    for each in infos:
        read = read_signer_info(each, limits=LIMITS)
        named = find_certificate(read, pool.values())
        assert named is not None
        expected.append((Integrity.GOOD, named.fingerprint, len(countersignatures(read))))
    return Written(
        whole,
        stream,
        lambda message: read_signed(message, content if detached else None),
        (content_type, b"" if detached else content, sorted(expected), tuple(bag)),
    )


def by_key_identifier(who: Credential, content: bytes) -> bytes:
    """The same SignerInfo, its signer named by the key."""
    inside = der.Reader(bare(who, content)).enter(der.SEQUENCE)
    inside.raw()
    inside.raw()
    sid = SubjectKeyIdentifier.of(who.certificate).encode()
    return der.sequence(der.integer(3), sid, inside.rest())


def signatures(content: bytes) -> Iterator[tuple[str, Written]]:
    for kind in KINDS:
        yield f"signed, {kind}", signed(content, info(person(kind), content))
        yield f"bare, {kind}", signed(content, bare(person(kind), content))
    one = info(person("p256"), content)
    yield "detached", signed(content, one, detached=True)
    yield "several", signed(content, *(info(person(kind), content) for kind in KINDS))
    yield "by key identifier", signed(content, by_key_identifier(person("p256"), content))
    other = info(person("p256"), content, content_type=OTHER)
    yield "signed, of another type", signed(content, other, content_type=OTHER)
    extra = (
        attrs.attribute("1.2.3", der.octet_string(b"x")),
        attrs.attribute("1.2.4", der.NULL_VALUE),
    )
    yield "signed, more attributes", signed(content, info(person("p256"), content, extra=extra))
    unsigned = add_unsigned(one, attrs.attribute("1.2.3", der.integer(5)))
    yield "unsigned attributes", signed(content, unsigned)
    notary = person("ed25519")
    countersigned = countersign(one, notary.certificate, notary.key, scheme_of(notary))
    yield "countersigned", signed(content, countersigned)
    known = KINDS[:-1]  # those whose keys asn1crypto can read
    bag = certs_only([person(kind).certificate.der for kind in known])
    everybody = tuple(sorted(person(kind).certificate.der for kind in known))
    yield (
        "certificates only",
        Written(
            bag,
            bag,
            lambda message: sorted(read_signed(message)[3]),
            list(everybody),
        ),
    )


# --- EnvelopedData and AuthEnvelopedData ---------------------------------------------------


def to(kind: str, padding: RsaPadding | RsaKem = PKCS1) -> tuple[Recipient, Decryptor]:
    who = person(kind)
    return CertificateRecipient(who.certificate, padding), who


def recipients() -> dict[str, tuple[Recipient, Decryptor]]:
    oaep = RsaPadding(SHA256, SHA512, b"label")
    return {
        "RSA": to("rsa-2048"),
        "OAEP": to("rsa-2048", oaep),
        "RSA-KEM": to("rsa-2048", RsaKem()),
        "ML-KEM": to("ml-kem-768"),
        **{f"ECDH {kind}": to(kind) for kind in ("p256", "p384", "p521", "x25519", "x448")},
        "shared key": (SHARED, SHARED),
        "password": (PASSWORD, PASSWORD),
    }


def read_enveloped(message: bytes, key: Decryptor) -> object:
    def read(reader: BerReader, content_type: str) -> object:
        envelope = EnvelopedReader(reader, content_type, limits=LIMITS)
        found = key.unwrap(envelope.recipients, size=envelope.key_size, attempts=9)
        sink = Sink()
        envelope.decrypt(found, Policy.INTEROP, sink)
        return envelope.inner_type, bytes(sink.data)

    return opening(message, read)


def envelopes(content: bytes) -> Iterator[tuple[str, Written]]:
    everybody = recipients()
    ciphers = (AES256_CBC, AES256_GCM, CHACHA20_POLY1305)
    for at, (name, (to_whom, opener)) in enumerate(everybody.items()):
        cipher = ciphers[at % 3]
        key = new_content_key(cipher)
        infos = [to_whom.wrap(key)]
        yield (
            f"to {name}",
            Written(
                enveloped_data(content, cipher, key, infos),
                b"".join(enveloped_data_stream((content,), cipher, key, infos)),
                lambda message, opener=opener: read_enveloped(message, opener),  # type: ignore[misc]  # bound early
                (DATA, content),
            ),
        )
    key = CONTENT_KEY
    infos = [to_whom.wrap(key) for to_whom, _ in everybody.values()]
    for cipher in ciphers:
        mores: tuple[dict[str, Any], ...] = ({"derived": True}, {"content_type": OTHER})
        for more in mores:
            whole = enveloped_data(content, cipher, key, infos, **more)
            chunks = enveloped_data_stream((content,), cipher, key, infos, **more)
            yield (
                f"{cipher.name} to all, {next(iter(more))}",
                Written(
                    whole,
                    b"".join(chunks),
                    lambda message: read_enveloped(message, SHARED),
                    (more.get("content_type", DATA), content),
                ),
            )


# --- the others ----------------------------------------------------------------------------


def others(content: bytes) -> Iterator[tuple[str, Written]]:
    for content_type in (DATA, OTHER):
        yield (
            f"digested, {content_type}",
            Written(
                digested_data(content, SHA512, content_type=content_type),
                b"".join(digested_data_stream((content,), SHA512, content_type=content_type)),
                read_digested,
                (content_type, content, True),
            ),
        )
        yield (
            f"encrypted, {content_type}",
            Written(
                encrypted_data(content, AES256_CBC, CONTENT_KEY, content_type=content_type),
                b"".join(
                    encrypted_data_stream(
                        (content,), AES256_CBC, CONTENT_KEY, content_type=content_type
                    )
                ),
                read_encrypted,
                (content_type, content),
            ),
        )
        key = new_mac_key()
        infos = [
            SHARED.wrap(key),
            CertificateRecipient(person("p256").certificate, RsaPadding()).wrap(key),
        ]
        yield (
            f"authenticated, {content_type}",
            Written(
                authenticated_data(content, key, infos, content_type=content_type),
                b"".join(
                    authenticated_data_stream((content,), key, infos, content_type=content_type)
                ),
                read_authenticated,
                (content_type, content),
            ),
        )
    yield (
        "compressed",
        Written(
            compressed_data(content),
            b"".join(compressed_data_stream((content,))),
            read_compressed,
            content,
        ),
    )


def read_digested(message: bytes) -> object:
    sink = Sink()
    found = opening(message, lambda reader, _: read_digested_data(reader, sink))
    return found.content_type, bytes(sink.data), found.intact


def read_encrypted(message: bytes) -> object:
    sink = Sink()
    found = opening(
        message,
        lambda reader, _: read_encrypted_data(
            reader, CONTENT_KEY, Policy.INTEROP, sink, limits=LIMITS
        ),
    )
    return found, bytes(sink.data)


def read_authenticated(message: bytes) -> object:
    sink = Sink()

    def read(reader: BerReader, _: str) -> object:
        inside = AuthenticatedReader(reader, limits=LIMITS)
        return inside.check(SHARED.unwrap(inside.recipients, size=None, attempts=9), sink)

    return opening(message, read), bytes(sink.data)


def read_compressed(message: bytes) -> object:
    sink = Sink()
    opening(message, lambda reader, _: read_compressed_data(reader, sink, limits=LIMITS))
    return bytes(sink.data)


@cache
def everything(content: bytes) -> Mapping[str, Written]:
    """One of each, over this content."""
    return {name: made for each in (signatures, envelopes, others) for name, made in each(content)}
