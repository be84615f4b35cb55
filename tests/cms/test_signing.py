"""SignedData in one pass: what is written says the same however the content is cut."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit import der
from smimekit.algorithms import SHA256, ecdsa
from smimekit.cms import attributes as attrs
from smimekit.cms.content import DATA
from smimekit.cms.signed_writing import signed_data
from smimekit.cms.signer import Integrity, check_signer
from smimekit.cms.signing import (
    ContentSigner,
    DetachedForm,
    digests_for,
    sign_opaque,
    sign_opaque_stream,
)
from tests.cms.signing import of, person, read_message, scheme_of

REPORT = "1.2.3.4"
"""Content of a type of one's own."""


def signer(key: str = "p256") -> ContentSigner:
    who = person(key)
    return ContentSigner(who.certificate, who.key, scheme_of(who))


ONE = signer()
SAME_AGAIN = (signer("ed25519"), signer("rsa-2048"))
"""They sign the same twice the same."""
SEVERAL = (ONE, signer("p384"), *SAME_AGAIN)


def good(message: bytes, signers: Sequence[ContentSigner], content: bytes | None) -> bytes:
    """The content of a message that all of them signed."""
    data, digests, inside = read_message(message)
    if content is not None:
        assert data.detached
        digests = of(content)
    assert len(data.signers) == len(signers)
    for info in data.signers:
        (who,) = [each for each in signers if info.sid.matches(each.certificate)]
        check = check_signer(info, who.certificate, data.content_type, digests)
        assert check.integrity is Integrity.GOOD
    assert len(data.digest_algorithms) == len({each.scheme.digest for each in signers})
    return inside


@given(st.lists(st.binary(max_size=50)), st.sampled_from([(ONE,), SEVERAL]))
def test_all_ways_to_sign_say_the_same(
    chunks: list[bytes], signers: tuple[ContentSigner, ...]
) -> None:
    content = b"".join(chunks)
    assert good(sign_opaque(content, signers, ()), signers, None) == content
    assert good(b"".join(sign_opaque_stream(chunks, signers, ())), signers, None) == content
    digests = digests_for(signers)
    for chunk in chunks:
        digests.update(chunk)
    form = DetachedForm.of([each.scheme for each in signers], ())
    assert good(form.sign(digests, signers), signers, content) == b""


@given(st.lists(st.sampled_from(SAME_AGAIN), min_size=1, max_size=3), st.booleans())
def test_what_is_encoded_once_is_encoded_as_ever(signers: list[ContentSigner], bag: bool) -> None:
    digests = digests_for(signers)
    digests.update(b"content")
    certificates = [each.certificate.der for each in signers] if bag else []
    form = DetachedForm.of([each.scheme for each in signers], certificates)
    identifiers = [each.scheme.digest.identifier for each in signers]
    infos = [each.sign(digests) for each in signers]
    expected = signed_data(None, identifiers, certificates, infos)
    assert form.sign(digests, signers) == expected


def test_chunks_of_one_byte_and_one_chunk_are_written_alike() -> None:
    """Ed25519 signs the same twice the same; without it the octets could not be compared."""
    content = bytes(range(256)) * 600
    signers = (signer("ed25519"),)
    bytewise = (content[at : at + 1] for at in range(len(content)))
    one = b"".join(sign_opaque_stream((content,), signers, ()))
    assert b"".join(sign_opaque_stream(bytewise, signers, ())) == one
    assert good(one, signers, None) == content


def test_content_of_another_type() -> None:
    """RFC 5652, 5.1: version 3, and the contentType attribute says which type."""
    for message in (
        sign_opaque(b"x", (ONE,), (), content_type=REPORT),
        b"".join(sign_opaque_stream((b"x",), (ONE,), (), content_type=REPORT)),
    ):
        data, digests, _ = read_message(message)
        (info,) = data.signers
        certificate = ONE.certificate
        assert data.content_type == REPORT
        assert check_signer(info, certificate, REPORT, digests).integrity is Integrity.GOOD
        assert check_signer(info, certificate, DATA, digests).integrity is Integrity.MALFORMED
        start = message.index(der.oid("1.2.840.113549.1.7.2"))
        assert der.integer(3) in message[start : start + 24]


def test_the_unsigned_attributes_are_made_from_the_signature() -> None:
    seen: list[bytes] = []

    def unsigned(signature: bytes) -> Iterator[bytes]:
        seen.append(signature)
        yield attrs.attribute(REPORT, der.octet_string(signature))

    who = ContentSigner(ONE.certificate, ONE.key, ecdsa(SHA256), (), unsigned)
    data, _, _ = read_message(sign_opaque(b"x", (who,), ()))
    (info,) = data.signers
    assert seen == [info.signature]
    assert info.unsigned_attributes is not None
    assert info.unsigned_attributes.values(REPORT) == (der.octet_string(info.signature),)


def test_content_that_breaks_off_has_no_signature() -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise OSError

    written: list[bytes] = []
    with pytest.raises(OSError):  # noqa: PT011 - the very error, of nobody's making
        written.extend(sign_opaque_stream(broken(), (ONE,), ()))
    assert b"\x30\x80" in written[0]
    assert ONE.certificate.serial_bytes not in b"".join(written)
