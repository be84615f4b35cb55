"""RFC 8551, 3.2 to 3.5 and RFC 1847, 2.1: the structure around a CMS object."""

import email
import email.policy
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit.errors import MimeError, SmimeError, UsageError
from smimekit.limits import Limits
from smimekit.mime.content_type import content_type, disposition, transfer_encoding
from smimekit.mime.fields import Field, read_header
from smimekit.mime.scanner import read_entity, signed_parts
from smimekit.mime.transfer import decode
from smimekit.mime.writer import (
    SMIME_TYPES,
    field_bytes,
    message_header,
    multipart_signed,
    multipart_signed_stream,
    new_boundary,
    pkcs7_mime,
    pkcs7_mime_stream,
)
from smimekit.span import Span

LIMITS = Limits()
OUTER = (Field("From", b"From: a@b\n"), Field("Subject", b"Subject: x\n y\r\n"))
NO_FIELDS = message_header(())
HEADER = b"From: a@b\r\nSubject: x\r\n y\r\nMIME-Version: 1.0\r\n"


def signed(
    entity: Iterable[bytes],
    outer: Iterable[Field] = OUTER,
    micalg: str = "sha-256",
    boundary: bytes = b"=_b",
) -> bytes:
    signature = b"\x30\x80" * 100
    header = message_header(outer)
    entity = list(entity)
    message = b"".join(
        multipart_signed_stream(header, entity, [signature], micalg=micalg, boundary=boundary)
    )
    assert message == multipart_signed(
        header, b"".join(entity), signature, micalg=micalg, boundary=boundary
    )
    return message


def test_multipart_signed() -> None:
    entity = b"Content-Type: text/plain\r\n\r\nhello\r\n"
    message = signed([entity[:7], entity[7:]])
    assert message.startswith(HEADER)
    found = read_entity(Span.of(message), limits=LIMITS)
    content = content_type(found.header)
    assert dict(content.parameters) == {
        "protocol": "application/pkcs7-signature",
        "micalg": "sha-256",
        "boundary": "=_b",
    }
    first, second = signed_parts(found, limits=LIMITS)
    assert first.bytes() == entity
    part = read_entity(second, limits=LIMITS)
    assert content_type(part.header).media == "application/pkcs7-signature"
    assert content_type(part.header).get("name") == "smime.p7s"
    found_disposition = disposition(part.header)
    assert found_disposition
    assert found_disposition.filename == "smime.p7s"
    assert b"".join(decode(part.body.chunks(), "base64")) == b"\x30\x80" * 100
    assert b"\n" not in message.replace(b"\r\n", b"")


@pytest.mark.parametrize("entity", [b"", b"x", b"\r\n", b"x\r\n\r\n", b"--x\r\n"])
def test_the_entity_is_never_touched(entity: bytes) -> None:
    found = read_entity(Span.of(signed([entity])), limits=LIMITS)
    assert signed_parts(found, limits=LIMITS)[0].bytes() == entity


@pytest.mark.parametrize(
    ("smime_type", "name"),
    [
        ("signed-data", "smime.p7m"),
        ("enveloped-data", "smime.p7m"),
        ("authEnveloped-data", "smime.p7m"),
        ("compressed-data", "smime.p7z"),
        ("certs-only", "smime.p7c"),
    ],
)
def test_pkcs7_mime(smime_type: str, name: str) -> None:
    assert smime_type in SMIME_TYPES
    cms = bytes(range(256)) * 300
    header = message_header(OUTER)
    message = pkcs7_mime(header, cms, smime_type=smime_type)
    pieces = pkcs7_mime_stream(header, [cms[:1], cms[1:]], smime_type=smime_type)
    assert b"".join(pieces) == message
    assert message.startswith(HEADER)
    found = read_entity(Span.of(message), limits=LIMITS)
    content = content_type(found.header)
    assert content.media == "application/pkcs7-mime"
    assert (content.get("smime-type"), content.get("name")) == (smime_type, name)
    assert transfer_encoding(found.header) == "base64"
    assert b"".join(decode(found.body.chunks(), "base64")) == cms
    peer = email.message_from_bytes(message, policy=email.policy.SMTP)
    assert isinstance(peer, email.message.EmailMessage)
    assert peer.get_content_disposition() == "attachment"
    assert peer.get_filename() == name
    assert peer.get_content() == cms


def test_mime_version_is_written_once() -> None:
    outer = (
        Field("MIME-Version", b"MIME-Version: 1.0\r\n"),
        Field("mime-version", b"mime-version: 2\r\n"),
    )
    message = pkcs7_mime(message_header(outer), b"", smime_type="signed-data")
    assert message.lower().count(b"mime-version") == 1


@pytest.mark.parametrize(
    "chunks", [[b"x\r\n--=_b\r\n"], [b"x\r\n--", b"=_b\r\n"], list(map(bytes, zip(b"--=_b")))]
)
def test_an_entity_with_the_boundary_is_refused(chunks: list[bytes]) -> None:
    given_out: list[bytes] = []
    message = multipart_signed_stream(NO_FIELDS, chunks, [], micalg="sha-256", boundary=b"=_b")
    with pytest.raises(MimeError) as caught:
        given_out.extend(message)
    assert caught.value.code == "mime.boundary-in-content"
    assert b"".join(given_out).count(b"--=_b") == 1
    with pytest.raises(MimeError) as caught:
        multipart_signed(NO_FIELDS, b"".join(chunks), b"", micalg="sha-256", boundary=b"=_b")
    assert caught.value.code == "mime.boundary-in-content"


@pytest.mark.parametrize("micalg", ["", "sha-256;", 'x"', "sha 256", "sha-256\r\n"])
def test_micalg_is_checked(micalg: str) -> None:
    with pytest.raises(UsageError):
        signed([], micalg=micalg)


@pytest.mark.parametrize("boundary", [b"", b"a" * 71, b'a"', b"a\r\n", b"a ", b"\xff"])
def test_the_boundary_is_checked(boundary: bytes) -> None:
    with pytest.raises(UsageError):
        signed([], boundary=boundary)


def test_the_smime_type_is_checked() -> None:
    with pytest.raises(UsageError):
        pkcs7_mime(NO_FIELDS, b"", smime_type="signed-data\r\nBcc: x")


def test_boundaries_are_new_and_usable() -> None:
    assert new_boundary(lambda size: b"\xab" * size) == b"=_smime_" + b"ab" * 16
    assert signed([b"x"], boundary=new_boundary(lambda size: bytes(range(size))))


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: x\r\nBcc: y\r\n",
        b"Subject: x\nBcc: y\n",
        b"Subject: x\rBcc: y\r\n",
        b"Subject: x\r",
        b"Subject: x\0\r\n",
        b"Subject: x\r\n\r\nbody",
        b"Subject: x\r\n\r\n",
        b"Subject\r\n",
        b": x\r\n",
        b"Sub ject: x\r\n",
        b" Subject: x\r\n",
        b"",
    ],
)
def test_fields_that_change_the_header_are_refused(raw: bytes) -> None:
    with pytest.raises(MimeError) as caught:
        signed([b"x"], outer=[Field("Subject", raw)])
    assert caught.value.code == "mime.unsafe-field"


@pytest.mark.parametrize(
    ("raw", "sent"),
    [
        (b"A: 1", b"A: 1\r\n"),
        (b"A: 1\n\t2\n", b"A: 1\r\n\t2\r\n"),
        (b"A: \xc3\xa9 \r\n", b"A: \xc3\xa9 \r\n"),
        # A line of blanks would end the header once a relay has taken the blanks.
        (b"A: 1\r\n \t\r\n 2\r\n", b"A: 1\r\n 2\r\n"),
        (b"A: 1\r\n \r\n", b"A: 1\r\n"),
        (b"A:\r\n 1\r\n", b"A:\r\n 1\r\n"),
    ],
)
def test_fields_are_sent_as_they_are(raw: bytes, sent: bytes) -> None:
    assert field_bytes(Field("A", raw)) == sent


@given(
    st.lists(st.sampled_from([b"A", b":", b" ", b"\r", b"\n", b"\r\n", b"\0", b"\xff", b"\t"])).map(
        b"".join
    )
)
def test_a_field_is_one_field_or_refused(raw: bytes) -> None:
    try:
        sent = field_bytes(Field("A", raw))
    except SmimeError:
        return
    block = read_header(Span.of(sent + b"\r\nbody"), limits=LIMITS)
    assert [field.raw for field in block.fields] == [sent]
    assert block.length == len(sent) + 2
