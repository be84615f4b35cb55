"""Whatever is sent: what is opened is the canonical draft, and says what the draft said.

Canonical is what RFC 8551, 3.1 wants: CRLF, safe for transport, and otherwise unchanged. That it
still says the same, Python's email package is asked. Header fields that are protected beside the
content (RFC 9788) are none of this module's business.
"""

import base64
import hashlib
import quopri
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import smimekit
from smimekit import Protection, SmimeError, Transfer
from smimekit.limits import Limits
from smimekit.mime.content_type import content_type
from smimekit.mime.safety import is_transport_safe
from smimekit.mime.scanner import read_entity
from smimekit.span import Span
from tests.interop.messages import contents
from tests.message.people import ALICE, alice, bob, trust

FULL = Protection.VERIFIED | Protection.CONFIDENTIAL | Protection.INTACT
SENDS: dict[str, Callable[..., bytes]] = {
    "signed": lambda draft, **more: smimekit.sign(draft, alice(), **more),
    "opaque": lambda draft, **more: smimekit.sign(draft, alice(), opaque=True, **more),
    "encrypted": lambda draft, **more: smimekit.encrypt(draft, [bob()], signer=alice(), **more),
}


def opened(mail: bytes) -> bytes:
    return smimekit.verify(mail, trust(), keys=[bob()], expect=ALICE).bytes()


def content_of(message: bytes) -> tuple[Any, ...]:
    """The entity of a message: what its Content fields say, and its body, octet by octet."""
    found = read_entity(Span.of(message), limits=Limits())
    kind = content_type(found.header)
    parameters = {name: value for name, value in kind.parameters.items() if name[:2] != "hp"}
    fields = [
        (field.name.lower(), field.value)
        for field in found.header.fields
        if field.name.lower().startswith("content-") and not field.named("Content-Type")
    ]
    return kind.media, parameters, fields, found.body.bytes()


# --- drafts --------------------------------------------------------------------------------

_TEXT = st.lists(
    st.sampled_from(
        ["", " ", "\t", "word", "From me", ".", "..", "-- ", "Grüße", "世界", "=", "=20", "\r", "\0",
         "x" * 998, "x" * 999, "--b", "--b--", "\n", "\n", "\n", "\r\n", ": ", "Bcc: x\n"]
    )
).map("".join)  # fmt: skip
_CHARSETS = st.sampled_from(["utf-8", "us-ascii", "iso-8859-1"])


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """A text part, encoded in one of the ways that there are; some of them are lies."""
    charset, subtype = draw(_CHARSETS), draw(st.sampled_from(["plain", "html", "calendar"]))
    body = draw(_TEXT).encode(charset, "replace")
    label = draw(st.sampled_from(["", "7bit", "8bit", "binary", "base64", "quoted-printable"]))
    if label == "base64":
        body = base64.encodebytes(body)
    if label == "quoted-printable":
        # With NUL it is no text to the oracle, which then wants its very line ends back.
        body = quopri.encodestring(body.translate(None, b"\r\0"))
    head = f"Content-Type: text/{subtype}; charset={charset}\n"
    head += f"Content-Transfer-Encoding: {label}\n" if label else ""
    return head.encode() + b"\n" + body


@st.composite
def octets(draw: st.DrawFn) -> bytes:
    head = draw(
        st.sampled_from(
            [b"Content-Type: application/octet-stream\n", b"Content-Type: image/x; name=\xc3\xa9\n",
             b"Content-Type: application/pdf\nContent-Transfer-Encoding: binary\n"]
        )
    )  # fmt: skip
    return head + b"\n" + draw(st.binary(max_size=200))


def multiparts(parts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    @st.composite
    def multipart(draw: st.DrawFn) -> bytes:
        found = draw(st.lists(parts, min_size=1, max_size=3))
        boundary = b"=_" + hashlib.sha256(b"".join(found)).hexdigest()[:20].encode()
        subtype = draw(st.sampled_from([b"mixed", b"alternative", b"related"]))
        end = draw(st.sampled_from([b"\n", b"\r\n"]))
        body = b"".join(b"--" + boundary + b"\n" + each + end for each in found)
        head = b'Content-Type: multipart/%s; boundary="%s"\n\n' % (subtype, boundary)
        return head + body + b"--" + boundary + b"--" + end

    return multipart()


def forwards(parts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    head = b"Content-Type: message/rfc822\n\nFrom: carol@example.org\nSubject: Fwd\n"
    return parts.map(lambda part: head + part)


PARTS = st.recursive(
    st.one_of(texts(), octets()), lambda parts: st.one_of(multiparts(parts), forwards(parts))
)
HEAD = b"From: alice@example.org\nTo: bob@example.org\nSubject: x\nBcc: secret@example.org\n"


# --- the properties ------------------------------------------------------------------------


@given(send=st.sampled_from(sorted(SENDS)), part=PARTS)
def test_what_is_opened_is_the_canonical_draft(send: str, part: bytes) -> None:
    """And it is canonical: to send it again changes nothing."""
    mail = SENDS[send](HEAD + part)
    found = opened(mail)
    assert is_transport_safe(found)
    assert contents(found) == contents(part)
    assert content_of(opened(SENDS[send](found))) == content_of(found)
    assert b"secret@example.org" not in mail + found


@given(send=st.sampled_from(sorted(SENDS)), part=PARTS)
def test_for_a_binary_transport_nothing_is_encoded(send: str, part: bytes) -> None:
    found = opened(SENDS[send](HEAD + part, transfer=Transfer.BINARY))
    assert contents(found) == contents(part)
    labels = 60 * part.count(b"Content-Type")
    assert len(content_of(found)[3]) <= len(part.replace(b"\n", b"\r\n")) + labels


@given(part=PARTS)
def test_every_way_protects_the_same(part: bytes) -> None:
    found = {send: content_of(opened(SENDS[send](HEAD + part))) for send in SENDS}
    assert found["signed"] == found["opaque"] == found["encrypted"]


@given(draft=st.one_of(st.binary(), st.binary().map(lambda data: HEAD + b"\n" + data)))
def test_any_bytes_are_a_draft_or_an_error(draft: bytes) -> None:
    try:
        mail = smimekit.encrypt(draft, [bob()], signer=alice())
    except SmimeError:
        return
    with smimekit.open(mail, keys=[bob()], trust=trust(), expect=ALICE) as message:
        found = message.payload(require=FULL).bytes()
    assert is_transport_safe(found)
    again = smimekit.encrypt(found, [bob()], signer=alice())
    assert content_of(opened(again)) == content_of(found)


def decoded(entity: bytes) -> bytes:
    """The octets of a part, by Python's own decoders."""
    header, _, body = entity.partition(b"\r\n\r\n")
    encoding = re.search(rb"(?im)^Content-Transfer-Encoding: *(\S+)", header)
    match encoding[1].lower() if encoding else b"7bit":
        case b"base64":
            return base64.b64decode(body)
        case b"quoted-printable":
            return quopri.decodestring(body)
    return body


@given(text=st.one_of(st.binary(), st.text().map(str.encode)))
def test_the_text_of_any_draft_arrives(text: bytes) -> None:
    """RFC 8551, 3.1.1: with CRLF line ends, unless NUL shows that it is no text."""
    expected = text if b"\0" in text else re.sub(rb"\r?\n", b"\r\n", text)
    mail = smimekit.encrypt(HEAD + b"\n" + text, [bob()], signer=alice())
    assert decoded(opened(mail)) == expected


SAFE = (
    b"Content-Type: multipart/mixed;\r\n\tboundary=b\r\nContent-Language: en\r\n\r\n"
    b"--b\r\nContent-Type: text/plain;  charset=US-ASCII\r\n\r\nOne  line.\r\n\r\n"
    b"--b\r\nContent-TYPE: image/png\r\nContent-Transfer-Encoding: BASE64\r\n\r\nQUJ\r\nD\r\n--b--\r\n"
)


@pytest.mark.parametrize("send", SENDS)
def test_what_is_safe_already_stays_as_it_is(send: str) -> None:
    """Octet by octet: somebody may have signed it, or compare it with what arrives."""
    found = read_entity(Span.of(opened(SENDS[send](SAFE))), limits=Limits())
    body = read_entity(Span.of(SAFE), limits=Limits()).body.bytes()
    assert found.body.bytes() == body
    assert [each.raw for each in found.header.all("Content-Language")] == [
        b"Content-Language: en\r\n"
    ]
