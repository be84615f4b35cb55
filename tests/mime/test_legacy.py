"""Legacy display elements (RFC 9788, 5.2.2, 5.2.3, 10.3): put in, and taken out again."""

import base64
import binascii
import time
from email import message_from_bytes
from email.message import Message

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smimekit.errors import MimeError
from smimekit.limits import Limits
from smimekit.mime.fields import Field
from smimekit.mime.legacy import hide_displays
from smimekit.mime.prepare import prepare
from smimekit.mime.transfer import Transfer
from smimekit.span import Span

SUBJECT = (Field.of("Subject", b"Thursday's meeting"),)
PLAIN = b"Content-Type: text/plain; charset=UTF-8\r\n\r\nI think we should skip it.\r\n"
HTML = (
    b"Content-Type: text/html; charset=UTF-8\r\n\r\n"
    b"<html><head><title></title></head><body>\r\n<p>Skip it.</p>\r\n</body></html>\r\n"
)


def displayed(
    draft: bytes, *shown: Field, transfer: Transfer = Transfer.MAIL, limits: Limits | None = None
) -> bytes:
    span = Span.of(draft)
    fields = shown or SUBJECT
    done = prepare(
        span, limits=limits or Limits(), transfer=transfer, displayed=lambda _outer: fields
    )
    return done.entity


def hidden(payload: bytes) -> bytes:
    return b"".join(hide_displays(Span.of(payload), limits=Limits()))


def text_of(part: Message) -> str:
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    return data.decode(part.get_content_charset() or "us-ascii")


def test_plain_text() -> None:
    """RFC 9788, 5.2.2: the lines, an empty one, then the text."""
    found = displayed(PLAIN)
    head, _, body = found.partition(b"\r\n\r\n")
    assert body == b"Subject: Thursday's meeting\r\n\r\nI think we should skip it.\r\n"
    assert message_from_bytes(found).get_param("hp-legacy-display") == "1"
    assert head.count(b"charset") == 1
    assert hidden(found).split() == PLAIN.split()


def test_html() -> None:
    """RFC 9788, 5.2.3: the first child of the body, escaped (10.3)."""
    risky = Field.of("Subject", b"</pre></div><script>\"x'&amp;")
    found = displayed(HTML, risky)
    assert found.partition(b"\r\n\r\n")[2] == (
        b"<html><head><title></title></head><body>\r\n"
        b'<div class="header-protection-legacy-display">\r\n<pre>\r\n'
        b"Subject: &lt;/pre&gt;&lt;/div&gt;&lt;script&gt;&quot;x&apos;&amp;amp;\r\n"
        b"</pre>\r\n</div>\r\n<p>Skip it.</p>\r\n</body></html>\r\n"
    )
    assert hidden(found).split() == HTML.split()


@pytest.mark.parametrize(
    "page, before",
    [
        (b"<p>x", b""),
        (b"<!DOCTYPE html><p>x", b"<!DOCTYPE html>"),
        (b"<html lang=en><p>x", b"<html lang=en>"),
        (b"<html><head></head ><p>x", b"<html><head></head >"),
        (b"<!-- <body> --><BODY bgcolor=red><p>x", b"<!-- <body> --><BODY bgcolor=red>"),
        (b"<!-- <body> <p>x", b""),
    ],
)
def test_where_html_begins(page: bytes, before: bytes) -> None:
    body = displayed(b"Content-Type: text/html\r\n\r\n" + page).partition(b"\r\n\r\n")[2]
    assert body.startswith((before + b"\r\n" if before else b"") + b"<div class=")
    assert body.endswith(b"</div>" + page[len(before) :])


def test_no_boundary_appears_that_was_not_there() -> None:
    """A line of a text must not begin with what followed a tag, or was encoded."""
    pages = (
        b"Content-Type: text/html\r\n\r\n<body>--b\r\nx",
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(b"a\r\n--b--\r\n"),
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\na\r\n=2D-b--\r\n",
    )
    for page in pages:
        draft = (
            b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n" + page
            + b"\r\n--b\r\n\r\nlast\r\n--b--\r\n"
        )  # fmt: skip
        found = message_from_bytes(displayed(draft))
        assert len(found.get_payload()) == 2


@pytest.mark.parametrize("encoding", ["7bit", "8bit", "quoted-printable", "base64"])
@pytest.mark.parametrize("transfer", Transfer)
def test_encoded_texts(encoding: str, transfer: Transfer) -> None:
    text = (
        "Guten Tag,\r\n\r\nwie geht's?\r\n" if encoding == "7bit" else "Grüße,\r\n\r\nbis bald\r\n"
    )
    draft = Message()
    draft["Content-Type"] = "text/plain; charset=utf-8"
    draft["Content-Transfer-Encoding"] = encoding
    body = {
        "base64": base64.encodebytes(text.encode()),
        "quoted-printable": text.encode().replace("ü".encode(), b"=C3=BC").replace("ß".encode(), b"=C3=9F"),
    }.get(encoding, text.encode())  # fmt: skip
    subject = Field.of("Subject", b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=")
    found = displayed(draft.as_bytes() + body, subject, transfer=transfer)
    shown = text_of(message_from_bytes(found))
    assert shown.replace("\r\n", "\n") == "Subject: Grüße\n\n" + text.replace("\r\n", "\n")
    clean = message_from_bytes(hidden(found))
    assert text_of(clean).replace("\r\n", "\n") == text.replace("\r\n", "\n")
    assert clean.get_param("hp-legacy-display") is None


def test_ascii_becomes_utf8_where_it_has_to() -> None:
    subject = Field.of("Subject", b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=")
    for head in (
        b"",
        b"Content-Type: text/plain\r\n",
        b"Content-Type: text/plain; charset=US-ASCII\r\n",
    ):
        found = message_from_bytes(displayed(head + b"\r\nHello\r\n", subject))
        assert found.get_content_charset() == "utf-8"
        assert text_of(found).startswith("Subject: Grüße")
        plain = message_from_bytes(displayed(head + b"\r\nHello\r\n"))
        assert plain.get_content_charset() in {None, "us-ascii"}


def test_what_the_charset_lacks() -> None:
    """RFC 9788, 10.3: HTML can name any character; plain text keeps the encoded words."""
    subject = Field.of("Subject", b"=?utf-8?b?0J/RgNC40LLQtdGC?=")
    latin = displayed(b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\nx\r\n", subject)
    assert b"\r\n\r\nSubject: =?utf-8?b?0J/RgNC40LLQtdGC?=\r\n\r\nx\r\n" in latin
    page = displayed(b"Content-Type: text/html; charset=iso-8859-1\r\n\r\n<body>x", subject)
    assert b"&#1055;" in page


@pytest.mark.parametrize("value", [b"a\r\n b", b"=?utf-8?q?a=0D=0A=0D=0Ab?=", b"=?utf-8?q?a=0Ab?="])
def test_no_line_break_gets_into_the_element(value: bytes) -> None:
    """RFC 9788, 10.3: an empty line would end the element too early."""
    found = displayed(PLAIN, Field.of("Subject", value))
    assert b"\r\n\r\nSubject: a b\r\n\r\nI think" in found
    assert hidden(found).split() == PLAIN.split()


UNTOUCHED = [
    PLAIN.replace(b"\r\n\r\n", b"\r\nContent-Disposition: attachment\r\n\r\n"),
    PLAIN.replace(b"text/plain", b"text/csv"),
    PLAIN.replace(b"text/plain", b"application/json"),
    PLAIN.replace(b"UTF-8", b"utf-16"),
    PLAIN.replace(b"UTF-8", b"nobody-knows"),
    b"Content-Type: text/plain\r\n\r\na\0b\r\n",
    b"Content-Type: message/rfc822\r\n\r\nSubject: s\r\n" + PLAIN,
    b"Content-Type: message/rfc822\r\n\r\nSubject: s\r\n" + PLAIN + b"\xc3\xbc\r\n",
    b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n" + PLAIN + b"--b\r\n\r\n--b--\r\n",
]


@pytest.mark.parametrize("draft", UNTOUCHED)
def test_other_parts_are_not_touched(draft: bytes) -> None:
    """RFC 9788, 5.2.4 and 5.2.5."""
    assert displayed(draft) == prepare(Span.of(draft), limits=Limits()).entity


def multipart(subtype: str, *parts: bytes) -> bytes:
    name = f"b-{subtype}-{len(parts)}".encode()
    body = b"".join(b"--" + name + b"\r\n" + part + b"\r\n" for part in parts)
    head = b"Content-Type: multipart/%s; boundary=%s\r\n\r\n" % (subtype.encode(), name)
    return head + body + b"--" + name + b"--\r\n"


def test_main_body_parts() -> None:
    """RFC 9787, 7.1 and 7.3: first children, and every alternative."""
    related = multipart("related", HTML, PLAIN)
    draft = multipart("mixed", multipart("alternative", PLAIN, related, HTML), PLAIN, HTML)
    found = message_from_bytes(displayed(draft))
    leaves = [part for part in found.walk() if not part.is_multipart()]
    marked = [part.get_param("hp-legacy-display") == "1" for part in leaves]
    assert marked == [True, True, False, True, False, False]
    assert [b"Thursday" in part.as_bytes() for part in leaves] == marked
    assert hidden(found.as_bytes()).split() == draft.replace(b"UTF-8\r\n", b"UTF-8\r\n").split()


def test_an_element_is_not_put_in_twice() -> None:
    once = displayed(PLAIN)
    assert displayed(once).split() == once.split()
    other = displayed(once, Field.of("Subject", b"Friday"))
    assert b"Thursday" not in other
    assert b"Friday" in other


@pytest.mark.parametrize(
    "payload",
    [
        b"Content-Type: text/plain\r\n\r\nSubject: x\r\n\r\ny",
        b"Content-Type: text/plain; hp-legacy-display=2\r\n\r\nSubject: x\r\n\r\ny",
        b"Content-Type: text/csv; hp-legacy-display=1\r\n\r\nSubject: x\r\n\r\ny",
        b"Content-Type: text/plain; hp-legacy-display=1\r\n\r\nno empty line\r\n",
        b"Content-Type: text/html; hp-legacy-display=1\r\n\r\n<div>x</div>",
        (
            b"Content-Type: text/html; hp-legacy-display=1\r\n\r\n"
            b'<div class="header-protection-legacy-display">never closed'
        ),
        (
            b"Content-Type: text/html; hp-legacy-display=1\r\n\r\n"
            b'<!-- <div class="header-protection-legacy-display">x</div> -->'
        ),
        (
            b"Content-Type: text/plain; hp-legacy-display=1\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n!!!"
        ),
        (
            b"Content-Type: message/rfc822\r\n\r\n"
            b"Content-Type: text/plain; hp-legacy-display=1\r\n\r\nSubject: x\r\n\r\ny"
        ),
        (
            b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n"
            b"Content-Type: text/plain; hp-legacy-display=1\r\n\r\nSubject: x\r\n\r\ny"
            b"\r\n--b\r\n\r\n--b--\r\n"
        ),
        b"Content-Type: broken; broken\r\n\r\nx",
        b"",
    ],
)
def test_what_is_no_element_stays(payload: bytes) -> None:
    """RFC 9788, 4.5.3.1."""
    assert hidden(payload) == payload


@pytest.mark.parametrize("line_break", [b"\n", b"\r\n"])
def test_other_bytes_stay(line_break: bytes) -> None:
    rest = b"\t \nodd\r\n\n"
    part = b"X: y\nContent-Type: text/plain; hp-legacy-display=1" + line_break * 2
    assert hidden(part + b"Subject: x\nTo: y" + line_break * 2 + rest).endswith(
        line_break * 2 + rest
    )
    assert hidden(part + line_break + rest).endswith(line_break * 2 + rest)


def test_divisions_within_divisions() -> None:
    """RFC 9788, 4.5.3.3: the entire element, and every one."""
    html = (
        b"<body><div id=1><div class='x header-protection-legacy-display'>a<div>b</div>c</DIV >d</div>"
        b"<DIV CLASS=header-protection-legacy-display>e</div>f<div class=other>g</div>"
    )
    found = hidden(b"Content-Type: text/html; hp-legacy-display=1\r\n\r\n" + html)
    assert found.endswith(b"<body><div id=1>d</div>f<div class=other>g</div>")


def escaped(octets: bytes) -> bytes:
    return binascii.b2a_qp(octets, istext=False)


@pytest.mark.parametrize("media", ["plain", "html"])
@pytest.mark.parametrize("label", ["utf-16", "UTF-16LE", "utf-16be"])
@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "binary"])
def test_texts_of_two_octets_a_character(media: str, label: str, encoding: str) -> None:
    """RFC 9788, 4.5.3.2: what an entirely blank line is depends on the charset."""
    element = {
        "plain": "Subject: Ärger\r\n\r\n",
        "html": '<div class="header-protection-legacy-display"><pre>Subject: x</pre></div>',
    }[media]
    rest = "\u0a0d Zwei\r\n\r\n<p>\U0001f642</p>\r\n"

    def part(text: str) -> bytes:
        octets = text.encode(label)
        head = f"Content-Type: text/{media}; charset={label}; hp-legacy-display=1\r\n"
        head += f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
        encoders = {"base64": base64.encodebytes, "quoted-printable": escaped}
        return head.encode() + encoders.get(encoding, bytes)(octets)

    found = message_from_bytes(hidden(part(element + rest)))
    assert found.get_param("hp-legacy-display") is None
    if encoding == "binary":
        assert hidden(part(element + rest)).endswith(rest.encode(label)[2 * (label == "utf-16") :])
    else:
        assert text_of(found) == rest
    assert hidden(part("no blank line")) == part("no blank line")


def test_what_is_not_utf_16_stays() -> None:
    head = b"Content-Type: text/plain; charset=utf-16le; hp-legacy-display=1\r\n\r\n"
    for octets in (b"", b"\0", b"\n", b"\r\n\r\n", b"\0\xd8", b"a\0\n"):
        assert hidden(head + octets) == head + octets


@given(st.binary(max_size=60), st.sampled_from(["utf-16", "utf-16le", "utf-16be"]))
def test_of_any_octets_the_end_stays(octets: bytes, label: str) -> None:
    head = f"Content-Type: text/plain; charset={label}; hp-legacy-display=1\r\n\r\n".encode()
    assert hidden(head + octets).endswith(octets[-1:])


@given(st.binary(max_size=200), st.sampled_from(["text/plain", "text/html"]))
@settings(max_examples=100)
def test_any_text_comes_back(body: bytes, media: str) -> None:
    """Put in and taken out: the text is what it was, but for line ends and encodings."""
    draft = f"Content-Type: {media}; charset=utf-8\r\n\r\n".encode() + body
    plain = message_from_bytes(prepare(Span.of(draft), limits=Limits()).entity)
    try:
        found = displayed(draft)
    except MimeError:
        return
    back = message_from_bytes(hidden(found))
    one, other = (each.get_payload(decode=True) for each in (plain, back))
    assert isinstance(one, bytes)
    assert isinstance(other, bytes)
    assert one.split() == other.split()


@pytest.mark.parametrize(
    "piece", [b"<div ", b"<!--", b"</div", b"<div>", b"</div>", b"\n ", b"<div class=", b"class='"]
)
def test_hostile_texts_cost_linear_time(piece: bytes) -> None:
    head = b"Content-Type: text/%s; hp-legacy-display=1\r\n\r\n"
    started = time.process_time()
    for media in (b"html", b"plain"):
        hidden(head % media + piece * ((1 << 20) // len(piece)))
        displayed(head % media + piece * ((1 << 20) // len(piece)))
    assert time.process_time() - started < 8
