"""RFC 2045, 5 and 6; RFC 2183; RFC 2231: what a part says about itself."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit.errors import MimeError, SmimeError
from smimekit.limits import Limits
from smimekit.mime.content_type import (
    ContentType,
    content_type,
    disposition,
    parse_content_type,
    parse_disposition,
    transfer_encoding,
)
from smimekit.mime.fields import HeaderBlock, read_header
from smimekit.mime.safety import parameter_bytes
from smimekit.span import Span


def block(data: bytes) -> HeaderBlock:
    return read_header(Span.of(data), limits=Limits())


@pytest.mark.parametrize(
    ("value", "media", "parameters"),
    [
        (b"text/plain", "text/plain", {}),
        (b"Text/HTML; Charset=UTF-8", "text/html", {"charset": "UTF-8"}),
        # RFC 2045, 5.1: these two mean the same.
        (b"text/plain; charset=us-ascii (Plain text)", "text/plain", {"charset": "us-ascii"}),
        (b'text/plain; charset="us-ascii"', "text/plain", {"charset": "us-ascii"}),
        (b"(a (b) \\)) text (c) / (d) plain (e)", "text/plain", {}),
        (b'a/b; x="q\\"\\\\ ;y"', "a/b", {"x": 'q"\\ ;y'}),
        (b"a/b;", "a/b", {}),
        (b"a/b;;x=1;", "a/b", {"x": "1"}),
        (b'a/b; x=""', "a/b", {"x": ""}),
        (b'a/b; boundary="(x)"; y=1 (z)', "a/b", {"boundary": "(x)", "y": "1"}),
        (b"a/b; (x) boundary=b; (y) z=1", "a/b", {"boundary": "b", "z": "1"}),
        (
            b"multipart/signed; protocol=application/pkcs7-signature; micalg=sha-256",
            "multipart/signed",
            {"protocol": "application/pkcs7-signature", "micalg": "sha-256"},
        ),
        (b"a/b; name=my file (1).pdf; x=1", "a/b", {"name": "my file (1).pdf", "x": "1"}),
        ('a/b; name="é"'.encode(), "a/b", {"name": "é"}),
        # RFC 2231, 3 and 4
        (
            (
                b'message/external-body; access-type=URL; URL*0="ftp://";'
                b' URL*1="cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar"'
            ),
            "message/external-body",
            {
                "access-type": "URL",
                "url": "ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar",
            },
        ),
        (
            b"application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
            "application/x-stuff",
            {"title": "This is ***fun***"},
        ),
        (
            (
                b"application/x-stuff; title*1*=%2A%2A%2Afun%2A%2A%2A%20;"
                b" title*0*=us-ascii'en'This%20is%20even%20more%20; title*2=\"isn't it!\""
            ),
            "application/x-stuff",
            {"title": "This is even more ***fun*** isn't it!"},
        ),
        (b"a/b; name*=utf-8''%c3%a9; name=e", "a/b", {"name": "é"}),
        (b"a/b; name=e; name*0*=utf-8''%c3; name*1*=%a9", "a/b", {"name": "é"}),
        (b"a/b; x*=nope''%e9", "a/b", {"x": "é"}),
        # Exchange 2003: twice, and the same
        (
            b'application/x-pkcs7-mime;smime-type=signed-data;name=smime.p7m; smime-type=signed-data; name="smime.p7m"',
            "application/x-pkcs7-mime",
            {"smime-type": "signed-data", "name": "smime.p7m"},
        ),
    ],
)
def test_read(value: bytes, media: str, parameters: dict[str, str]) -> None:
    found = parse_content_type(value)
    assert found.media == media
    assert dict(found.parameters) == parameters


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"", "mime.content-type"),
        (b"text", "mime.content-type"),
        (b"/plain", "mime.content-type"),
        (b"text/", "mime.content-type"),
        (b"text/plain charset=x", "mime.parameter"),
        (b"text/plain, text/html", "mime.parameter"),
        (b"a/b; x", "mime.parameter"),
        (b"a/b; x=", "mime.parameter"),
        (b"a/b; =x", "mime.content-type"),
        (b"a/b; x=1 2", "mime.parameter"),
        (b'a/b; x="1"2', "mime.parameter"),
        (b'a/b; x="1', "mime.quoted-string"),
        (b'a/b; x="\0"', "mime.quoted-string"),
        (b'a/b; x="\r"', "mime.quoted-string"),
        (b'a/b; x="1\\', "mime.quoted-string"),
        (b"a/b (", "mime.comment"),
        (b"a/b (\\", "mime.comment"),
        (b"a/b; x=1; X=2", "mime.duplicate-parameter"),
        (b"a/b; x=1; x=1; x=2", "mime.duplicate-parameter"),
        (b"a/b; x=a; x=A", "mime.duplicate-parameter"),
        (b"a/b; x=1; x*=us-ascii''1", "mime.duplicate-parameter"),
        (b"a/b; x*0=1; x*0=1", "mime.duplicate-parameter"),
        (b"a/b; boundary=a; boundary=a", "mime.duplicate-parameter"),
        (b"a/b; x=1; x*0=1", "mime.duplicate-parameter"),
        (b"a/b; x=1; x*=us-ascii''2", "mime.duplicate-parameter"),
        (b"a/b; x=1; x*0=2", "mime.duplicate-parameter"),
        (b"a/b; x*0=2; x=1", "mime.duplicate-parameter"),
        (b"a/b; x*1=2; x=1", "mime.duplicate-parameter"),
        (b"a/b; x*0=2; x*0*=us-ascii''1", "mime.duplicate-parameter"),
        (b"a/b; name=1; name=2", "mime.duplicate-parameter"),
        (b"a/b; boundary=a; boundary*=us-ascii''b", "mime.duplicate-parameter"),
        (b"a/b; x*0=1; x*2=2", "mime.parameter"),
        (b"a/b; x*1=2", "mime.parameter"),
        (b"a/b; x*00=2", "mime.parameter"),
        (b"a/b; x*=2", "mime.parameter"),
        (b"a/b; x*0=2; x*1*=%20", "mime.parameter"),
        # Readers disagree on where an unquoted boundary with "=" ends.
        (b"multipart/mixed; boundary==_x", "mime.parameter"),
        (b"multipart/mixed; boundary=a=b", "mime.parameter"),
        # ... and on whether a comment or a quoted-pair is a part of it.
        (b"multipart/mixed; boundary=(x)b", "mime.parameter"),
        (b"multipart/mixed; boundary=b(x)", "mime.parameter"),
        (b"multipart/mixed; boundary=b (x)", "mime.parameter"),
        (b'multipart/mixed; boundary="b" (")', "mime.parameter"),
        (b'multipart/mixed; boundary="b"(x); a=b', "mime.parameter"),
        (b'multipart/mixed; boundary= (") "b"', "mime.parameter"),
        (b"multipart/mixed; boundary (x) =b", "mime.parameter"),
        (b'multipart/mixed; boundary="a\\b"', "mime.parameter"),
    ],
)
def test_refused(value: bytes, code: str) -> None:
    with pytest.raises(MimeError) as caught:
        parse_content_type(value)
    assert caught.value.code == code


def test_the_default_is_text() -> None:
    assert content_type(block(b"A: 1\r\n\r\n")).media == "text/plain"
    message = ContentType("message", "rfc822")
    assert content_type(block(b"\r\n"), default=message) is message


def test_two_content_types_are_refused() -> None:
    with pytest.raises(MimeError) as caught:
        content_type(block(b"Content-Type: a/b\r\ncontent-type: a/b\r\n\r\n"))
    assert caught.value.code == "mime.duplicate-field"


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        (b"", "7bit"),
        (b"Content-Transfer-Encoding: BASE64\r\n", "base64"),
        (b"Content-Transfer-Encoding: (x) Quoted-Printable (y)\r\n", "quoted-printable"),
    ],
)
def test_transfer_encoding(header: bytes, encoding: str) -> None:
    assert transfer_encoding(block(header + b"\r\n")) == encoding


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Transfer-Encoding: x-uuencode\r\n",
        b"Content-Transfer-Encoding: base64 7bit\r\n",
        b"Content-Transfer-Encoding:\r\n",
        b"Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n",
    ],
)
def test_transfer_encodings_refused(header: bytes) -> None:
    with pytest.raises(MimeError):
        transfer_encoding(block(header + b"\r\n"))


def test_disposition() -> None:
    found = parse_disposition(b'attachment; filename="a b.p7m"')
    assert (found.kind, found.filename) == ("attachment", "a b.p7m")
    assert parse_disposition(b"INLINE").filename is None
    assert disposition(block(b"\r\n")) is None
    with pytest.raises(MimeError):
        parse_disposition(b"")


@given(st.binary())
def test_any_bytes_give_a_type_or_an_error(value: bytes) -> None:
    for data in (value, b"a/b;" + value, b"a/b; x*=" + value, b'a/b; x="' + value):
        with suppress(SmimeError):
            parse_content_type(data)


_NAMES = st.from_regex(r"[a-z][a-z-]{0,9}", fullmatch=True)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@given(st.dictionaries(_NAMES, _TEXT))
def test_parameters_come_back(parameters: dict[str, str]) -> None:
    written = parameter_bytes("a/b", parameters.items())
    assert all(len(line) <= 250 for line in written.split(b"\r\n"))
    assert dict(parse_content_type(written.replace(b"\r\n", b"")).parameters) == parameters


def test_many_tokens_take_linear_time() -> None:
    parse_content_type(b"a/b" + b";" * 500_000)
    parse_content_type(b"a/b" + b"(" * 300_000 + b")" * 300_000)
    parse_content_type(b"a/b; x=" + b'"' + b"\\a" * 300_000 + b'"')
