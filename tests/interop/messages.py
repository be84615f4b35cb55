"""Messages, and how tests take them apart and damage them: plain bytes work, with no parser."""

import base64
import re

__all__ = ["body_of", "split_signed", "tamper", "with_body", "with_signature"]

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
