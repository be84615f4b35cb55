"""Messages, and how tests take them apart and damage them: plain bytes work, with no parser."""

import base64
import hashlib
import re
from email.parser import BytesParser
from email.policy import compat32

__all__ = [
    "DRAFTS",
    "body_of",
    "contents",
    "split_signed",
    "tamper",
    "with_body",
    "with_signature",
]

_PART = rb'boundary="?([^"\r\n;]+)"?'


def split_signed(message: bytes) -> tuple[bytes, bytes]:
    """What a multipart/signed mail signs, as it stands, and the octets of its signature."""
    entity, signature = _parts(message)
    return entity, body_of(signature)


def _parts(message: bytes) -> tuple[bytes, bytes]:
    found = re.search(_PART, message)
    assert found
    pieces = re.split(rb"(?:\A|\r?\n)--" + re.escape(found[1]) + rb"(?:--)?\r?\n", message)
    assert len(pieces) == 4, "it has more or fewer than two parts"
    return pieces[1], pieces[2]


def _body_at(message: bytes) -> int:
    """Where the body begins: after the first empty line."""
    found = re.search(rb"\r?\n\r?\n", message)
    assert found
    return found.end()


def body_of(message: bytes) -> bytes:
    """The body of a mail or part in base64, decoded."""
    return base64.b64decode(message[_body_at(message) :])


def with_body(message: bytes, body: bytes) -> bytes:
    """The mail with another body in base64."""
    return message[: _body_at(message)] + base64.encodebytes(body)


def with_signature(message: bytes, signature: bytes) -> bytes:
    """A multipart/signed mail with the octets of another signature."""
    part = _parts(message)[1]
    return message.replace(part, with_body(part, signature))


def tamper(message: bytes, old: bytes, new: bytes) -> bytes:
    """The message with `new` for `old` where it is found: in the open or within base64."""
    if old in message:
        return message.replace(old, new)
    if b"multipart/signed" in message:
        signature = split_signed(message)[1]
        assert old in signature
        return with_signature(message, signature.replace(old, new))
    body = body_of(message)
    assert old in body
    return with_body(message, body.replace(old, new))


# --- drafts that are hard to carry unchanged -----------------------------------------------

_FROM = b"From: alice@example.org\nTo: bob@example.org\nSubject: A test\n"
_TEXT = _FROM + b"MIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\n\n"
_UTF8 = _FROM + (
    b"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
    b"Content-Transfer-Encoding: 8bit\n\n"
)
_BINARY = _FROM + (
    b"MIME-Version: 1.0\nContent-Type: application/octet-stream\n"
    b"Content-Transfer-Encoding: binary\n\n"
)

_NESTED = (
    _FROM
    + b"""MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

This is a preamble.
--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Gr\xc3\xbc\xc3\x9fe \t
--inner
Content-Type: text/html; charset=us-ascii

<p>Hello</p>
From here on
--inner--

--outer
Content-Type: image/png; name="=?utf-8?q?Gr=C3=BC=C3=9Fe=2Epng?="
Content-Disposition: attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe.png
Content-Transfer-Encoding: base64

iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8A
AAAASUVORK5CYII=
--outer
Content-Type: message/rfc822

From: carol@example.org
Subject: Forwarded
Content-Type: text/plain; charset=us-ascii

--outer is a word, and so is --inner
.
--outer--
This is an epilogue.
"""
)

DRAFTS: dict[str, bytes] = {
    "LF": _TEXT + b"One line,\nand another.\n",
    "CRLF": (_TEXT + b"One line,\nand another.\n").replace(b"\n", b"\r\n"),
    "LF and CRLF": _TEXT + b"One line,\r\nand another.\nAnd one\r\n",
    "bare CR": _TEXT + b"One line,\rand the same.\n",
    "trailing blanks": _TEXT + b"two  \nand a tab\t\n \n\t \nend",
    "no final newline": _TEXT + b"One line,\nand no end",
    "many final newlines": _TEXT + b"One line\n\n\n\n",
    "empty": _TEXT,
    "only newlines": _TEXT + b"\n\n\n",
    "no body at all": _FROM,
    "no MIME": _FROM + b"\nHello\n",
    "UTF-8": _UTF8 + "Grüße,\n世界 🎉\n".encode(),
    "Latin-1": _UTF8.replace(b"utf-8", b"iso-8859-1") + "Grüße\n".encode("latin-1"),
    "8bit without a label": _FROM + b"\n" + "Grüße\n".encode("latin-1"),
    "NUL in text": _TEXT + b"before\0after\n\0\0\nend\n",
    "binary": _BINARY + bytes(range(256)) * 3 + b"\r\r\n\n\r",
    "binary, 200 KB": _BINARY + hashlib.shake_256(b"binary").digest(200_000),
    "raw UTF-8 header": (
        "From: Älice <alice@example.org>\nTo: Bøb <bob@example.org>\nSubject: Grüße 🎉\n"
        "Content-Type: text/plain\nContent-Description: Ein Gruß\n\nHello\n"
    ).encode(),
    "nested": _NESTED,
    "nested CRLF": _NESTED.replace(b"\n", b"\r\n"),
    "line of 998": _TEXT + b"x" * 998 + b"\n",
    "line of 999": _TEXT + b"x" * 999 + b"\nend\n",
    "line of 1023 and 1024": _TEXT + b"x" * 1023 + b"\n" + b"y" * 1024 + b"\nend\n",
    "line of 100 000": _TEXT + b"word " * 20_000 + b"\nend\n",
    "From at line starts": _TEXT + b"From here\n\nFrom there\n>From\n FROM\n",
    "dots": _TEXT + b".\n..\n.end\n\n.\n",
    "dashes": _TEXT + b"--\n-- \n--=_smime_\n-----BEGIN CMS-----\n",
    "form feed and escapes": _TEXT + b"\x0cpage\x1b[0m\x07\x7f\n",
    "quoted-printable": _TEXT.replace(b"\n\n", b"\nContent-Transfer-Encoding: quoted-printable\n\n")
    + b"Gr=FC=DFe=20\nsoft=\nbreak\n",
    "300 KB of text": _TEXT + b"A line of text, and others like it.\n" * 8_500,
}


def contents(message: bytes) -> list[tuple[str, bytes]]:
    """What a reader sees: types and decoded leaves, line ends of text and its last one aside.

    By Python's email package, which is no part of what is tested.
    """
    found = []
    for part in BytesParser(policy=compat32).parsebytes(message).walk():
        if part.is_multipart():
            found.append((part.get_content_type(), b""))
            continue
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        if part.get_content_maintype() == "text" and b"\0" not in data:
            data = data.replace(b"\r\n", b"\n").rstrip(b"\n")
        found.append((part.get_content_type(), data))
    return found
