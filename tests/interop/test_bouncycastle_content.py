"""Compressed, digested, encrypted and authenticated data: Bouncy Castle's and ours, both ways.

What Debian's 1.72 cannot do: it has no generator of DigestedData, so `Others.java` puts its
digest and its syntax together.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress

import pytest

import smimekit
from smimekit import CertificateRecipient, Limits, Policy, Protection, Trust
from smimekit import algorithms as rows
from smimekit.cms.authenticated import (
    AuthenticatedReader,
    authenticated_data,
    authenticated_data_stream,
    new_mac_key,
)
from smimekit.cms.ber import BerReader
from smimekit.cms.compressed import compressed_data, compressed_data_stream
from smimekit.cms.content import (
    AUTHENTICATED_DATA,
    DIGESTED_DATA,
    ENCRYPTED_DATA,
    enter_content,
)
from smimekit.cms.digested import digested_data, digested_data_stream, read_digested_data
from smimekit.cms.encrypted import encrypted_data, encrypted_data_stream, read_encrypted_data
from smimekit.cms.enveloped import new_content_key
from smimekit.cms.recipients import ContentKey
from smimekit.cms.wrapping import unwrap
from smimekit.keys.software import SoftwareKey
from smimekit.message.layers import Compressed
from smimekit.message.spool import Spool
from tests.interop.castle import BouncyCastle, agree, transport
from tests.interop.peers import People, Refused

ENTITY = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nOne line,\r\nand another.\r\n"
LIMITS = Limits()
CBC = [row for row in rows.CONTENT_CIPHERS.values() if not row.authenticated]
SIZES = pytest.mark.parametrize("size", [1, 7, 1 << 16])


def name(row: object) -> str:
    return str(getattr(row, "name", row))


def pieces(size: int) -> list[bytes]:
    return [ENTITY[at : at + size] for at in range(0, len(ENTITY), size)]


def read(cms: bytes, content_type: str, inside: Callable[[BerReader, Spool], object]) -> bytes:
    """The content of bare CMS of a type, read to its end."""
    reader, spool = BerReader(iter((cms,)), limits=LIMITS), Spool(1 << 20)
    assert enter_content(reader) == content_type
    inside(reader, spool)
    reader.leave()
    reader.leave()
    reader.finish()
    return b"".join(spool.chunks())


def flip(cms: bytes, at: int) -> bytes:
    return cms[:at] + bytes([cms[at] ^ 1]) + cms[at + 1 :]


# --- compressed ----------------------------------------------------------------------------


@pytest.mark.parametrize("options", ["", "stream"], ids=["whole", "stream"])
@pytest.mark.parametrize("times", [1, 1000])
def test_compressed_of_theirs(bouncycastle: BouncyCastle, options: str, times: int) -> None:
    content = ENTITY * times
    (cms,) = bouncycastle.write("compressed", content, options)
    with smimekit.open(cms, trust=Trust()) as opened:
        (layer,) = opened.envelope
        assert isinstance(layer, Compressed)
        assert layer.content.bytes() == content
        assert opened.protection is Protection.NONE
    # Its last octets are a checksum of the content.
    changed = flip(cms, len(cms.rstrip(b"\0")) - 1)
    with pytest.raises(smimekit.CmsError):
        smimekit.open(changed, trust=Trust()).close()
    with pytest.raises(Refused):
        bouncycastle.read("compressed", changed)


@SIZES
def test_compressed_of_ours(bouncycastle: BouncyCastle, size: int) -> None:
    whole, stream = compressed_data(ENTITY), b"".join(compressed_data_stream(pieces(size)))
    for cms in (whole, stream):
        assert bouncycastle.read("compressed", cms) == ENTITY


# --- digested ------------------------------------------------------------------------------


def digested(cms: bytes) -> bytes:
    def inside(reader: BerReader, spool: Spool) -> None:
        assert read_digested_data(reader, spool).intact

    return read(cms, DIGESTED_DATA, inside)


@pytest.mark.parametrize("digest", rows.DIGESTS, ids=name)
def test_digested(bouncycastle: BouncyCastle, digest: rows.Digest) -> None:
    (theirs,) = bouncycastle.write("digested", ENTITY, digest=digest.identifier.encode())
    assert digested(theirs) == ENTITY
    ours = digested_data(ENTITY, digest)
    assert bouncycastle.read("digested", ours) == ENTITY
    changed = ours.replace(b"One line", b"Two line")
    with pytest.raises(AssertionError):
        digested(changed)
    with pytest.raises(Refused, match="the digest is another"):
        bouncycastle.read("digested", changed)


@SIZES
def test_digested_streams(bouncycastle: BouncyCastle, size: int) -> None:
    assert bouncycastle.read("digested", b"".join(digested_data_stream(pieces(size)))) == ENTITY


# --- encrypted -----------------------------------------------------------------------------


def encrypted(cms: bytes, key: ContentKey) -> bytes:
    def inside(reader: BerReader, spool: Spool) -> None:
        read_encrypted_data(reader, key, Policy.LEGACY_READ, spool, limits=LIMITS)

    return read(cms, ENCRYPTED_DATA, inside)


@pytest.mark.parametrize("cipher", CBC, ids=name)
def test_encrypted_of_theirs(bouncycastle: BouncyCastle, cipher: rows.ContentCipher) -> None:
    cms, key = bouncycastle.write("encrypted", ENTITY, cipher=cipher.oid)
    assert encrypted(cms, ContentKey(key)) == ENTITY
    with suppress(smimekit.DecryptionError):  # the padding fits one time in 256
        assert encrypted(cms, ContentKey(bytes(len(key)))) != ENTITY


@SIZES
@pytest.mark.parametrize("cipher", [row for row in CBC if row.emitted], ids=name)
def test_encrypted_of_ours(
    bouncycastle: BouncyCastle, cipher: rows.ContentCipher, size: int
) -> None:
    key = new_content_key(cipher)
    whole = encrypted_data(ENTITY, cipher, key)
    stream = b"".join(encrypted_data_stream(pieces(size), cipher, key))
    for cms in (whole, stream):
        assert bouncycastle.read("encrypted", cms, key=key.octets) == ENTITY


# --- authenticated -------------------------------------------------------------------------


def authenticated(cms: bytes, who: smimekit.Credential) -> bytes:
    def inside(reader: BerReader, spool: Spool) -> None:
        found = AuthenticatedReader(reader, limits=LIMITS)
        key = unwrap(found.recipients, who.certificate, who.key, size=found.key_size, attempts=4)
        found.check(key, spool)

    return read(cms, AUTHENTICATED_DATA, inside)


def pkcs8(who: smimekit.Credential) -> bytes:
    assert isinstance(who.key, SoftwareKey)
    return who.key.pkcs8()


@pytest.mark.parametrize("options", ["", "attributes", "stream", "stream attributes"])
@pytest.mark.parametrize(("mac", "digest"), list(rows.MACS.items()), ids=name)
def test_authenticated_of_theirs(
    bouncycastle: BouncyCastle, people: People, mac: str, digest: rows.Digest, options: str
) -> None:
    bob = people("bob rsa-2048")
    line = transport(bob.certificate)
    (cms,) = bouncycastle.write("authenticated", ENTITY, options, mac=mac, recipient=line)
    assert authenticated(cms, bob) == ENTITY
    at = len(cms.rstrip(b"\0")) - 1  # an octet of the MAC
    refuse(bouncycastle, [flip(cms, at), flip(cms, cms.index(b"Conten"))], bob)


@pytest.mark.parametrize("kind", ["p256", "x448"])
def test_authenticated_for_others(bouncycastle: BouncyCastle, people: People, kind: str) -> None:
    """A key agreement brings the key of the MAC."""
    bob = people(f"bob {kind}")
    scheme = rows.ECDH_HKDF_SHA512 if kind == "x448" else rows.ECDH_STD_SHA256
    line = agree(bob.certificate, scheme.oid, rows.AES256_WRAP.oid)
    for options in ("", "stream attributes"):
        (cms,) = bouncycastle.write(
            "authenticated", ENTITY, options, mac=rows.HMAC_SHA256, recipient=line
        )
        assert authenticated(cms, bob) == ENTITY


def refuse(peer: BouncyCastle, changed: Iterable[bytes], who: smimekit.Credential) -> None:
    """Neither of us takes any of these."""
    for cms in changed:
        with pytest.raises(smimekit.SmimeError):
            authenticated(cms, who)
        with pytest.raises(Refused):
            peer.read("authenticated", cms, key=pkcs8(who))


@SIZES
def test_authenticated_of_ours(bouncycastle: BouncyCastle, people: People, size: int) -> None:
    """hmac-sha256."""
    bob, key = people("bob rsa-2048"), new_mac_key()
    to = [CertificateRecipient(bob.certificate, rows.RsaPadding()).wrap(key)]
    whole = authenticated_data(ENTITY, key, to)
    stream = b"".join(authenticated_data_stream(pieces(size), key, to))
    for cms in (whole, stream):
        assert bouncycastle.read("authenticated", cms, key=pkcs8(bob)) == ENTITY
    refuse(bouncycastle, [whole[:-1] + bytes([whole[-1] ^ 1])], bob)
    refuse(bouncycastle, [whole.replace(b"One line", b"Two line")], bob)
