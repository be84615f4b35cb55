"""DigestedData, AuthenticatedData, CompressedData: read, written, and refused when changed."""

import hashlib
import hmac
import io
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms as asn1
from hypothesis import given
from hypothesis import strategies as st

from smimekit import der
from smimekit.algorithms import DIGESTS, MD5, SHA1, SHA256, RsaPadding
from smimekit.cms.authenticated import (
    AuthenticatedReader,
    authenticated_data,
    authenticated_data_stream,
    new_mac_key,
)
from smimekit.cms.ber import BerReader
from smimekit.cms.compressed import (
    compressed_data,
    compressed_data_stream,
    read_compressed_data,
)
from smimekit.cms.content import DATA, enter_content
from smimekit.cms.digested import digested_data, digested_data_stream, read_digested_data
from smimekit.cms.recipients import ContentKey, RecipientInfo
from smimekit.cms.wrapping import unwrap, wrap_for
from smimekit.errors import CmsError, ContentChanged, SmimeError, UsageError
from smimekit.limits import Limits
from smimekit.message.spool import Spool
from smimekit.testing import FakeCA

LIMITS = Limits()
ALICE = FakeCA().person("alice@example.org")
TEXT = b"This is some sample content."


def begin(data: bytes | Iterable[bytes], content_type: str) -> BerReader:
    reader = BerReader((data,) if isinstance(data, bytes) else data, limits=LIMITS)
    assert enter_content(reader).endswith(content_type)
    return reader


def end(reader: BerReader) -> None:
    reader.leave()
    reader.leave()
    reader.finish()


def content_of(read: Callable[[Spool], object]) -> bytes:
    spool = Spool(1 << 20)
    read(spool)
    return b"".join(spool.chunks())


def digested(data: bytes | Iterable[bytes]) -> tuple[bytes, Any]:
    spool = Spool(1 << 20)
    reader = begin(data, ".7.5")
    found = read_digested_data(reader, spool)
    end(reader)
    return b"".join(spool.chunks()), found


def recipients(key: ContentKey) -> list[RecipientInfo]:
    return [wrap_for(ALICE.certificate, key, RsaPadding())]


def authenticated(data: bytes | Iterable[bytes]) -> tuple[bytes, str]:
    spool = Spool(1 << 20)
    reader = begin(data, ".1.2")
    inside = AuthenticatedReader(reader, limits=LIMITS)
    key = unwrap(inside.recipients, ALICE.certificate, ALICE.key, size=inside.key_size, attempts=4)
    content_type = inside.check(key, spool)
    end(reader)
    return b"".join(spool.chunks()), content_type


def inflated(data: bytes | Iterable[bytes]) -> bytes:
    reader = begin(data, ".1.9")
    found = content_of(lambda spool: read_compressed_data(reader, spool, limits=LIMITS))
    end(reader)
    return found


# --- DigestedData --------------------------------------------------------------------------


def test_the_digested_data_of_rfc_4134(vectors: Path) -> None:
    content, found = digested(vectors.joinpath("rfc4134", "6.0.bin").read_bytes())
    assert content == vectors.joinpath("rfc4134", "ExContent.bin").read_bytes()
    assert found.intact
    assert found.digest.name == "sha1"


@pytest.mark.parametrize("digest", DIGESTS, ids=lambda row: row.name)
def test_digested_data_is_what_asn1crypto_reads(digest: Any) -> None:
    parsed = asn1.ContentInfo.load(digested_data(TEXT, digest), strict=True)
    assert parsed["content_type"].native == "digested_data"
    inside = parsed["content"]
    assert inside["encap_content_info"]["content"].native == TEXT
    name = digest.name.removesuffix("-len").replace("-", "_")
    running = hashlib.new(name.replace("shake", "shake_"), TEXT)
    length = (digest.size,) if name.startswith("shake") else ()  # RFC 8702, 3.1
    assert inside["digest"].native == running.digest(*length)
    assert parsed.dump(force=True) == digested_data(TEXT, digest)


@given(st.lists(st.binary(max_size=50)))
def test_digested_data_comes_back(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    for data in (digested_data(whole), b"".join(digested_data_stream(chunks))):
        content, found = digested(data)
        assert (content, found.content_type, found.intact) == (whole, DATA, True)


def test_changed_content_does_not_match_its_digest() -> None:
    data = digested_data(TEXT).replace(b"sample", b"simple")
    assert digested(data)[1].intact is False


@pytest.mark.parametrize("gone", [b"\xa0\x1e\x04\x1c" + TEXT])
def test_digested_data_without_content_is_refused(gone: bytes) -> None:
    whole = der.Reader(digested_data(TEXT)).enter(der.SEQUENCE)
    whole.raw()
    inside = der.Reader(whole.enter(0xA0).raw()).enter(der.SEQUENCE)
    version, algorithm, content, digest = (inside.raw() for _ in range(4))
    empty = der.sequence(der.oid(DATA))
    assert gone in content
    data = der.sequence(
        der.oid("1.2.840.113549.1.7.5"),
        der.explicit(0, der.sequence(version, algorithm, empty, digest)),
    )
    with pytest.raises(CmsError) as refused:
        digested(data)
    assert refused.value.code == "cms.no-content"


def test_an_unknown_digest_is_named() -> None:
    data = digested_data(TEXT).replace(der.oid(SHA256.oid), der.oid("2.16.840.1.101.3.4.2.99"))
    with pytest.raises(CmsError, match=r"2\.16\.840\.1\.101\.3\.4\.2\.99"):
        digested(data)


# --- AuthenticatedData ---------------------------------------------------------------------


def test_authenticated_data_is_what_asn1crypto_reads() -> None:
    key = new_mac_key()
    data = authenticated_data(TEXT, key, recipients(key))
    parsed = asn1.ContentInfo.load(data, strict=True)
    assert parsed["content_type"].native == "authenticated_data"
    inside = parsed["content"]
    assert inside["encap_content_info"]["content"].native == TEXT
    assert inside["digest_algorithm"]["algorithm"].native == "sha256"
    attributes = inside["auth_attrs"].untag().dump(force=True)
    assert inside["mac"].native == hmac.digest(key.octets, attributes, "sha256")
    assert parsed.dump(force=True) == data


@given(st.lists(st.binary(max_size=50)))
def test_authenticated_data_comes_back(chunks: list[bytes]) -> None:
    whole, key = b"".join(chunks), new_mac_key()
    named = recipients(key)
    streamed = b"".join(authenticated_data_stream(chunks, key, named))
    for data in (authenticated_data(whole, key, named), streamed):
        assert authenticated(data) == (whole, DATA)


@pytest.mark.parametrize("name", ["sha224", "sha256", "sha384", "sha512"])
def test_every_hmac_of_sha2(name: str) -> None:
    digest = next(row for row in DIGESTS if row.name == name)
    key = new_mac_key()
    data = authenticated_data(TEXT, key, recipients(key), digest)
    parsed = asn1.ContentInfo.load(data, strict=True)["content"]
    assert parsed["mac_algorithm"]["algorithm"].native == name
    assert parsed["digest_algorithm"]["algorithm"].native == name
    attributes = b"\x31" + parsed["auth_attrs"].dump()[1:]
    assert parsed["mac"].native == hmac.digest(key.octets, attributes, name)
    streamed = b"".join(authenticated_data_stream([TEXT], key, recipients(key), digest))
    assert authenticated(data) == authenticated(streamed) == (TEXT, DATA)


def test_no_other_hmac_is_written() -> None:
    for digest in (SHA1, MD5):
        with pytest.raises(UsageError):
            authenticated_data(TEXT, new_mac_key(), [], digest)


def without_attributes(content: bytes, key: ContentKey, content_type: str = DATA) -> bytes:
    """RFC 5652, 9.2: without authenticated attributes the MAC is over the content."""
    whole = der.Reader(authenticated_data(content, key, recipients(key))).enter(der.SEQUENCE)
    oid = whole.raw()
    inside = whole.enter(0xA0).enter(der.SEQUENCE)
    version, named, mac = inside.raw(), inside.raw(), inside.raw()
    octets = der.sequence(der.oid(content_type), der.explicit(0, der.octet_string(content)))
    tag = der.octet_string(hmac.digest(key.octets, content, "sha256"))
    return der.sequence(oid, der.explicit(0, der.sequence(version, named, mac, octets, tag)))


def test_a_mac_of_the_content_itself() -> None:
    assert authenticated(without_attributes(TEXT, new_mac_key())) == (TEXT, DATA)


def test_a_mac_of_attributes_is_none_of_content() -> None:
    """RFC 5652, 9.2: the code of a message with attributes is over their DER."""
    key = new_mac_key()
    whole = der.Reader(authenticated_data(TEXT, key, recipients(key))).enter(der.SEQUENCE)
    whole.raw()
    inside = whole.enter(0xA0).enter(der.SEQUENCE)
    attributes, tag = [inside.raw() for _ in range(7)][5:]
    stolen = without_attributes(b"\x31" + attributes[1:], key)
    assert stolen.endswith(tag)
    with pytest.raises(CmsError) as refused:
        authenticated(stolen)
    assert refused.value.code == "cms.attribute-confusion"


def test_other_content_than_data_needs_attributes() -> None:
    data = without_attributes(TEXT, new_mac_key(), "1.2.840.113549.1.7.2")
    with pytest.raises(CmsError) as refused:
        authenticated(data)
    assert refused.value.code == "cms.attributes"


@pytest.mark.parametrize("attributes", [True, False])
def test_changed_content_does_not_match_its_mac(attributes: bool) -> None:
    key = new_mac_key()
    data = (
        authenticated_data(TEXT, key, recipients(key))
        if attributes
        else without_attributes(TEXT, key)
    )
    with pytest.raises(ContentChanged) as refused:
        authenticated(data.replace(b"sample", b"simple"))
    assert refused.value.code == "content-changed.mac"


def test_changed_attributes_do_not_match_the_mac() -> None:
    """Content and digest are changed together: only the MAC can tell."""
    key = new_mac_key()
    data = authenticated_data(TEXT, key, recipients(key))
    other = TEXT.replace(b"sample", b"simple")
    changed = data.replace(TEXT, other).replace(
        hashlib.sha256(TEXT).digest(), hashlib.sha256(other).digest()
    )
    with pytest.raises(ContentChanged):
        authenticated(changed)


def test_another_key_does_not_match() -> None:
    key = new_mac_key()
    with pytest.raises(ContentChanged):
        authenticated(authenticated_data(TEXT, new_mac_key(), recipients(key)))


def test_an_unknown_mac_is_named() -> None:
    key = new_mac_key()
    data = authenticated_data(TEXT, key, recipients(key))
    changed = data.replace(der.oid("1.2.840.113549.2.9"), der.oid("1.2.840.113549.2.99"))
    with pytest.raises(CmsError) as refused:
        authenticated(changed)
    assert refused.value.code == "cms.mac"


# --- CompressedData ------------------------------------------------------------------------


def test_compressed_data_is_what_asn1crypto_reads() -> None:
    parsed = asn1.ContentInfo.load(compressed_data(TEXT), strict=True)
    assert parsed["content_type"].native == "compressed_data"
    assert zlib.decompress(parsed["content"]["encap_content_info"]["content"].native) == TEXT
    assert parsed.dump(force=True) == compressed_data(TEXT)


@given(st.lists(st.binary(max_size=50)))
def test_compressed_data_comes_back(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    assert inflated(compressed_data(whole)) == whole
    assert inflated(b"".join(compressed_data_stream(chunks))) == whole


# --- all of them ---------------------------------------------------------------------------


def test_compressed_content_of_any_type() -> None:
    """RFC 3274, 1.1: the content is encapsulated under its own type."""
    tst_info = "1.2.840.113549.1.9.16.1.4"
    for content_type in (DATA, tst_info):
        whole = compressed_data(TEXT, content_type=content_type)
        parsed = asn1.ContentInfo.load(whole, strict=True)["content"]
        assert parsed["encap_content_info"]["content_type"].dotted == content_type
        stream = b"".join(compressed_data_stream([TEXT], content_type=content_type))
        for data in (whole, stream):
            spool, reader = Spool(1 << 20), begin(data, ".1.9")
            assert read_compressed_data(reader, spool, limits=LIMITS) == content_type
            end(reader)
            assert b"".join(spool.chunks()) == TEXT


def read_any(data: bytes) -> None:
    reader = BerReader(iter(io.BytesIO(data)), limits=LIMITS)
    content_type = enter_content(reader)
    spool = Spool(1 << 20)
    if content_type.endswith(".7.5"):
        read_digested_data(reader, spool)
    elif content_type.endswith(".1.9"):
        read_compressed_data(reader, spool, limits=LIMITS)
    else:
        AuthenticatedReader(reader, limits=LIMITS).check(new_mac_key(), spool)


KEY = new_mac_key()
SEEDS = [digested_data(TEXT), compressed_data(TEXT), authenticated_data(TEXT, KEY, recipients(KEY))]


@given(st.sampled_from(SEEDS), st.data())
def test_damaged_data_is_an_error(seed: bytes, data: st.DataObject) -> None:
    damaged = bytearray(seed)
    for at in data.draw(st.lists(st.integers(0, len(seed) - 1), min_size=1, max_size=4)):
        damaged[at] = data.draw(st.integers(0, 255))
    with suppress(SmimeError):  # anything else is a bug
        read_any(bytes(damaged))


@pytest.mark.parametrize("seed", SEEDS, ids=["digested", "compressed", "authenticated"])
def test_truncated_data_is_an_error(seed: bytes) -> None:
    for size in range(len(seed)):
        with pytest.raises(SmimeError):
            read_any(seed[:size])
