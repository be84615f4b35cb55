"""RFC 8551, 3.1: what is signed survives transport, and says what the draft said."""

import email
import email.policy
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit.errors import LimitExceeded, MimeError, SmimeError
from smimekit.limits import Limits
from smimekit.mime.content_type import content_type, transfer_encoding
from smimekit.mime.prepare import Prepared, prepare
from smimekit.mime.safety import is_transport_safe
from smimekit.mime.scanner import boundary_of, read_entity, split
from smimekit.mime.transfer import decode
from smimekit.span import Span

LIMITS = Limits()


def ready(draft: bytes) -> Prepared:
    result = prepare(Span.of(draft), limits=LIMITS)
    assert is_transport_safe(result.entity)
    return result


def leaf(entity: bytes) -> tuple[str, str, bytes]:
    """Media type, encoding and decoded content."""
    found = read_entity(Span.of(entity), limits=LIMITS)
    encoding = transfer_encoding(found.header)
    content = b"".join(decode([found.body.bytes()], encoding))
    return content_type(found.header).media, encoding, content


def children(entity: bytes) -> list[bytes]:
    found = read_entity(Span.of(entity), limits=LIMITS)
    boundary = boundary_of(content_type(found.header))
    multipart = split(found.body, boundary, limits=LIMITS)
    assert multipart.closed
    return [part.bytes() for part in multipart.parts]


def test_the_header_is_cut_in_two() -> None:
    draft = ready(
        b"From: a@b\r\nMIME-Version: 1.0\r\nBcc: secret@x\r\nRESENT-BCC: secret@y\r\n"
        b"Content-Type: text/plain\r\nSubject: x\r\n y\r\nContent-Language: en\r\n\r\nhello\r\n"
    )
    assert b"".join(field.raw for field in draft.outer) == b"From: a@b\r\nSubject: x\r\n y\r\n"
    assert draft.entity == b"Content-Type: text/plain\r\nContent-Language: en\r\n\r\nhello\r\n"


def test_what_is_safe_keeps_its_bytes() -> None:
    entity = (
        b'Content-Type: multipart/mixed;\r\n\tboundary="b"\r\n\r\nThis is a preamble.\r\n\r\n'
        b"--b\r\n\r\nno header\r\n\r\n--b\r\nContent-Type: application/pdf\r\n"
        b"Content-Transfer-Encoding: BASE64\r\n\r\nQUJD\r\n--b\r\n--b\r\nContent-Type: text/x\r\n"
        b"--b--\r\nepilogue\r\n"
    )
    assert ready(entity).entity == entity
    assert ready(entity.replace(b"\r\n", b"\n")).entity == entity


@pytest.mark.parametrize(
    ("body", "content", "charset"),
    [
        (b"hello\n", b"hello\r\n", b"us-ascii"),
        ("Grüße\n".encode(), "Grüße\r\n".encode(), b"utf-8"),
        ("Grüße\n".encode("latin-1"), "Grüße\r\n".encode("latin-1"), b"unknown-8bit"),
        (b"", b"", b"us-ascii"),
    ],
)
def test_text_without_type_gets_one(body: bytes, content: bytes, charset: bytes) -> None:
    for header in (b"Subject: x\n\n", b"\n"):
        entity = ready(header + body).entity
        assert entity.startswith(b"Content-Type: text/plain; charset=" + charset + b"\r\n")
        assert leaf(entity)[2] == content


def test_a_draft_without_header_is_text() -> None:
    draft = ready(b"just text\nof two lines")
    assert draft.outer == ()
    assert draft.entity.endswith(b"\r\n\r\njust text\r\nof two lines")


@pytest.mark.parametrize(
    "body",
    [
        "é\r\n".encode() + b"long enough to be mostly ASCII",
        b"trailing \r\n",
        b"trailing\t\r\nx",
        b"trailing at the end ",
        b"From here\r\n",
        b"x\r\nFrom here\r\n",
        b"bare\rCR\r\n",
        b"x" * 999,
    ],
)
def test_unsafe_text_becomes_quoted_printable(body: bytes) -> None:
    header = b"Content-Type: text/plain; charset=utf-8\r\nX-Y: 1\r\n\r\n"
    media, encoding, content = leaf(ready(header + body).entity)
    assert (media, encoding, content) == ("text/plain", "quoted-printable", body)


def test_text_beyond_ascii_becomes_base64() -> None:
    text = "Здравствуйте, мир\r\n".encode()
    assert leaf(ready(b"Content-Type: text/plain; charset=utf-8\n\n" + text).entity)[1:] == (
        "base64",
        text,
    )


@pytest.mark.parametrize("charset", ["utf-16", "UTF-16BE", "utf-16le", "ISO-10646-UCS-2"])
@pytest.mark.parametrize("text", ["a\nb\n", "\u0a0a\u4e0a\u0a4e", "\u0d0a\u0a0d"])
def test_utf_16_has_no_line_breaks_to_convert(charset: str, text: str) -> None:
    data = text.encode("utf-16-be")
    header = f"Content-Type: text/plain; charset={charset}\n\n".encode()
    assert leaf(ready(header + data).entity)[1:] == ("base64", data)


@pytest.mark.parametrize(
    "body", [b"\x89PNG\r\n\x1a\n\0", b"unix\nlines\n", b"cr\ronly", b"x ", b"x" * 999]
)
@pytest.mark.parametrize(
    "encoding", [b"", b"Content-Transfer-Encoding: binary\n", b"Content-Transfer-Encoding: 8bit\n"]
)
def test_binary_keeps_its_exact_octets(body: bytes, encoding: bytes) -> None:
    entity = ready(b"Content-Type: application/octet-stream\n" + encoding + b"\n" + body).entity
    assert leaf(entity) == ("application/octet-stream", "base64", body)
    assert entity.count(b"Content-Transfer-Encoding") == 1


def test_a_stale_label_is_put_right() -> None:
    """A relay converts what is called 8bit, even if it is not."""
    for label in (b"8bit", b"binary"):
        entity = ready(
            b"Content-Type: text/plain\nContent-Transfer-Encoding: " + label + b"\n\nascii\n"
        ).entity
        assert leaf(entity)[1:] == ("7bit", b"ascii\r\n")
        multi = (
            b"Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: "
            + label
            + b"\n\n"
        )
        entity = ready(multi + b"--b\n\n" + "äh, this is text\n".encode() + b"--b--").entity
        assert label not in entity


@pytest.mark.parametrize(
    ("encoding", "body", "content"),
    [
        (b"base64", b"QUJD" * 300, b"ABC" * 300),
        (b"base64", b"QUJD \nQUJD", b"ABCABC"),
        (b"quoted-printable", b"From me=\nyou =41", b"From meyou A"),
        (b"quoted-printable", b"a=20 \nb", b"a \r\nb"),
        (b"quoted-printable", b"x" * 1000, b"x" * 1000),
        (b"quoted-printable", "raw é".encode(), "raw é".encode()),
    ],
)
def test_an_unsafe_encoding_is_done_again(encoding: bytes, body: bytes, content: bytes) -> None:
    header = b"Content-Type: text/plain\nContent-Transfer-Encoding: " + encoding + b"\n\n"
    assert leaf(ready(header + body).entity) == ("text/plain", encoding.decode(), content)


def test_binary_in_quoted_printable_becomes_base64() -> None:
    header = b"Content-Type: image/x\nContent-Transfer-Encoding: quoted-printable\n\n"
    assert leaf(ready(header + b"From =00=FF").entity) == ("image/x", "base64", b"From \0\xff")


def test_each_part_is_looked_at() -> None:
    body = (
        "preamble\n--b \nContent-Type: multipart/alternative; boundary=c\n\n--c\n\nGrüße an alle\n"
        "--c\nContent-Type: text/html\n\n<p>\n--c--\n\n--b\nContent-Type: image/x\n\n\0\n--b--\n"
    )
    first, image = children(
        ready(b"Content-Type: multipart/mixed; boundary=b\n\n" + body.encode()).entity
    )
    plain, html = children(first)
    assert leaf(plain) == ("text/plain", "quoted-printable", "Grüße an alle".encode())
    assert html == b"Content-Type: text/html\r\n\r\n<p>"
    assert leaf(image) == ("image/x", "base64", b"\0")


def test_unsafe_filler_is_dropped() -> None:
    entity = ready(
        b"Content-Type: multipart/mixed; boundary=b\n\npr\xc3\xa9 \n--b\n\nx\n--b--\nFrom the list\n"
    ).entity
    assert entity.endswith(b"\r\n\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n")


def test_no_encoding_makes_a_delimiter() -> None:
    """A soft line break in the wrong place would begin a line with the boundary."""
    text = b"x" * 75 + b"--b\r\n" + "é".encode() + b" --b \r\n" + b"y" * 76 + b"--b--\r\n"
    draft = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + text + b"\r\n--b--\r\n"
    )
    (part,) = children(ready(draft).entity)
    assert leaf(part)[2] == text


def test_what_is_signed_is_not_encoded() -> None:
    signed = b"--s\n\n8bit \xc3\xa9 \nFrom me\n--s\n\nsig\n--s--\n"
    inner = b"Content-Type: multipart/signed; boundary=s\n\n" + signed
    draft = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" + inner + b"\n--b--"
    entity = prepare(Span.of(draft), limits=LIMITS).entity
    assert children(entity) == [inner.replace(b"\n", b"\r\n")]


SIGNED_PARTS = {
    "7bit": b"plain",
    "8bit": "größer".encode(),
    "binary": b"a\0b",
    "binary, long": b"x" * 999,
    "binary, CR": b"a\rb",
    "7bit, blanks": b"text \nFrom me",
}


@pytest.mark.parametrize("kind", SIGNED_PARTS)
def test_what_holds_a_signed_part_says_what_that_is(kind: str) -> None:
    """RFC 2045, 6.4: a multipart, or message, has the widest domain of its parts."""
    domain = kind.partition(",")[0]
    signed = b"--s\n\n" + SIGNED_PARTS[kind] + b"\n--s\n\nsig\n--s--"
    inner = b"Content-Type: multipart/signed; boundary=s\n\n" + signed + b"\n"
    mixed = b"Content-Type: multipart/mixed; boundary=%b\n\n--%b\n\nh\xc3\xa9\n--%b\n%b\n--%b--\n"
    within = mixed % (b"b", b"b", b"b", inner, b"b")
    forwarded = b"Content-Type: message/rfc822\n\nFrom: a@b\n" + within
    outer = mixed % (b"o", b"o", b"o", forwarded, b"o")
    for draft in (inner, within, forwarded, outer):
        prepared = prepare(Span.of(draft), limits=LIMITS)
        assert prepared.domain == domain
        if draft == inner:
            continue  # its header is signed by nobody, but it is as its sender wrote it
        for part in (prepared.entity, *([children(prepared.entity)[1]] if draft == outer else [])):
            label = leaf(part)[1]
            assert label == domain, (draft, part)


def test_pkcs7_in_base64_keeps_its_bytes() -> None:
    inner = (
        b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\nMIAG\r\n"
    )
    draft = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + inner + b"\r\n--b--"
    assert children(ready(draft).entity) == [inner]


FORWARD = b"Content-Type: message/rfc822\n\n"


def test_a_safe_forwarded_message_keeps_its_bytes() -> None:
    inner = b"Broken Header\r\nFrom: x@y\r\n\r\n--b\r\nhello\r\n"
    assert ready(FORWARD + inner).entity == FORWARD.replace(b"\n", b"\r\n") + inner


def test_a_forwarded_message_is_made_safe_within() -> None:
    entity = ready(
        FORWARD + b"From x@y Mon\nFrom: x@y\nSubject: z \nBcc: kept@x\n\ntrailing \n"
    ).entity
    media, encoding, content = leaf(entity)
    assert (media, encoding) == ("message/rfc822", "7bit")
    assert content.startswith(b"From: x@y\r\nSubject: z\r\nBcc: kept@x\r\nContent-Type: text/plain")
    assert leaf(content)[1:] == ("quoted-printable", b"trailing \r\n")


@pytest.mark.parametrize(
    "inner", [b"A: 1\nbroken \n\nx\n", b"Content-Type: a/b\nContent-Type: c/d\n\nx \n"]
)
def test_a_forwarded_message_beyond_repair_is_wrapped(inner: bytes) -> None:
    media, encoding, content = leaf(ready(FORWARD + inner).entity)
    assert (media, encoding) == ("message/global", "base64")
    assert content == inner.replace(b"\n", b"\r\n")


def test_a_digest_holds_messages() -> None:
    draft = b"Content-Type: multipart/digest; boundary=b\n\n--b\n\nFrom: x@y\n\nblank \n--b--\n"
    (part,) = children(ready(draft).entity)
    assert leaf(part[2:])[1] == "quoted-printable"


def test_reports_are_7bit() -> None:
    report = b"Content-Type: message/delivery-status\n\nReporting-MTA: x \n"
    assert leaf(ready(report).entity)[1:] == ("7bit", b"Reporting-MTA: x\r\n")
    with pytest.raises(MimeError) as caught:
        prepare(Span.of(report + b"\xff"), limits=LIMITS)
    assert caught.value.code == "mime.unsafe-message"


def test_a_report_that_needs_repair_is_short() -> None:
    """It is held in memory for that."""
    report = b"Content-Type: message/delivery-status\n\n" + b"X: y \n" * 100
    limits = replace(LIMITS, value_bytes=500)
    assert prepare(Span.of(report), limits=LIMITS)
    with pytest.raises(MimeError) as caught:
        prepare(Span.of(report), limits=limits)
    assert caught.value.code == "mime.unsafe-message"
    assert prepare(Span.of(report.replace(b" \n", b"\n")), limits=limits)


@pytest.mark.parametrize(
    ("field", "written"),
    [
        (
            "Content-Type: text/plain; name=é.txt",
            b"Content-Type: text/plain;\r\n name*=utf-8''%C3%A9.txt\r\n",
        ),
        ("Content-Type: text/plain; \n charset=x", b"Content-Type: text/plain;\r\n charset=x\r\n"),
        (
            "Content-Description: é\nContent-Type: a/b",
            b"Content-Description: =?utf-8?B?w6k=?=\r\nContent-Type: a/b\r\n",
        ),
    ],
)
def test_fields_are_made_safe(field: str, written: bytes) -> None:
    assert ready(field.encode() + b"\n\nx").entity == written + b"\r\nx"


def test_a_field_that_cannot_be_made_safe() -> None:
    with pytest.raises(MimeError) as caught:
        prepare(Span.of(b"Content-ID: x\0y\n\n"), limits=LIMITS)
    assert caught.value.code == "mime.unsafe-field"


@pytest.mark.parametrize(
    ("draft", "code"),
    [
        (b"Content-Type: a/b\nContent-Type: a/b\n\n", "mime.duplicate-field"),
        (
            b"Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: 8bit\n\n",
            "mime.duplicate-field",
        ),
        (b"Content-Disposition: inline\ncontent-disposition: inline\n\n", "mime.duplicate-field"),
        (b"Content-ID: <a@b>\nContent-Id: <a@b>\n\n", "mime.duplicate-field"),
        (b"Content-Description: a\nCONTENT-DESCRIPTION: a\n\n", "mime.duplicate-field"),
        (b"From: a@b\nFrom: c@d\n\n", "mime.duplicate-field"),
        (b"Sender: a@b\nsender: a@b\n\n", "mime.duplicate-field"),
        (b"Content-Type: multipart/mixed\n\n", "mime.boundary"),
        (b"Content-Type: multipart/mixed; boundary=b\n\nno part", "mime.unclosed-multipart"),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b--", "mime.unclosed-multipart"),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n", "mime.unclosed-multipart"),
        (
            b"Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n",
            "mime.encoded-multipart",
        ),
        (b"Content-Transfer-Encoding: base64\n\n\xff", "mime.base64"),
        (b"Content-Transfer-Encoding: x-uue\n\nx", "mime.transfer-encoding"),
    ],
)
def test_refused(draft: bytes, code: str) -> None:
    with pytest.raises(MimeError) as caught:
        prepare(Span.of(draft), limits=LIMITS)
    assert caught.value.code == code


def test_depth_is_bounded() -> None:
    draft = b""
    for at in range(12):
        draft += b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (at, at)
    draft += b"\nx\n" + b"".join(b"--b%d--\n" % at for at in reversed(range(12)))
    assert ready(draft)
    with pytest.raises(LimitExceeded) as caught:
        prepare(Span.of(draft), limits=replace(LIMITS, mime_depth=11))
    assert caught.value.code == "limit.mime-depth"


def test_forwards_within_forwards_are_bounded() -> None:
    draft = b"Content-Type: message/rfc822\n\n" * 200 + b"\nx \n"
    with pytest.raises(LimitExceeded):
        prepare(Span.of(draft), limits=LIMITS)


_PIECES = st.sampled_from(
    [
        b"Content-Type: multipart/mixed; boundary=b\n",
        b"Content-Type: multipart/digest; boundary=c\n",
        b"Content-Type: message/rfc822\n",
        b"Content-Type: text/plain\n",
        b"Content-Type: image/x; name=\xc3\xa9\n",
        b"Content-Transfer-Encoding: quoted-printable\n",
        b"Content-Transfer-Encoding: base64\n",
        b"Content-Transfer-Encoding: 8bit\n",
        b"Subject: x\n", b"\n", b"\r\n", b"\r", b"--b\n", b"--b--\n", b"--c\n", b"--c--\n",
        b"From x\n", b" ", b"QUJD", b"=", b"\0", b"\xff", b"x" * 999,
    ]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=30).map(b"".join))
def test_any_draft_is_made_safe_once_or_refused(draft: bytes) -> None:
    try:
        result = prepare(Span.of(draft), limits=LIMITS)
    except SmimeError:
        return
    assert is_transport_safe(result.entity)
    again = prepare(Span.of(result.entity), limits=LIMITS)
    assert again.outer == ()
    assert again.entity == result.entity


@given(st.binary())
def test_any_bytes_give_a_draft_or_an_error(data: bytes) -> None:
    for draft in (data, b"\n" + data, b"A: " + data, b"Content-Type: image/x\n\n" + data):
        with suppress(SmimeError):
            assert is_transport_safe(prepare(Span.of(draft), limits=LIMITS).entity)


def test_the_standard_library_reads_the_same() -> None:
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["From"], message["Subject"] = "Jürgen <j@x.test>", "Grüße"
    message.set_content("Viele Grüße \nFrom me\n", cte="8bit")
    message.add_alternative("<p>Grüße</p>\n", subtype="html", cte="8bit")
    message.add_attachment(b"\0\xff\n" * 50, maintype="image", subtype="x", filename="ü.png")
    entity = ready(message.as_bytes()).entity
    read = email.message_from_bytes(entity, policy=email.policy.SMTP)
    assert isinstance(read, email.message.EmailMessage)
    alternative, image = read.iter_parts()
    plain, _ = alternative.iter_parts()
    assert plain.get_content().splitlines() == ["Viele Grüße ", "From me"]
    assert image.get_content() == b"\0\xff\n" * 50
    assert image.get_filename() == "ü.png"


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"\0",
        b"a\nb",
        b"a\rb",
        b"From x",
        b"x\r\nFrom x",
        b"x \r\n",
        b"x\t\r\n",
        b"x ",
        b"x\t",
        b"x" * 999,
        b"\r\n" + b"x" * 999 + b"\r\n",
    ],
)
def test_unsafe(data: bytes) -> None:
    assert not is_transport_safe(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x" * 998,
        b"x" * 998 + b"\r\n" + b"y" * 998 + b"\r\n",
        b">From x",
        b"x From y",
        b"\x1b$B",
    ],
)
def test_safe(data: bytes) -> None:
    assert is_transport_safe(data)
