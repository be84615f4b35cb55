"""A reader of mails that shares nothing with ours: Python's `email`, and the witnesses' CMS.

It verifies nothing; it says what a mail says that it signs, layer by layer.
"""

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32

from tests.interop.verdicts.mail import canonical
from tests.interop.verdicts.witnesses import Unreadable, envelope, signed_data

__all__ = ["by_hand", "layers_by_hand", "objects", "opened_by_hand"]


def by_hand(octets: bytes, *, depth: int = 0) -> list[bytes]:
    """What a mail says that it signs, and what that says, as Python's `email` reads it.

    Nothing is verified, and what is encrypted stays so. The outermost layer is at depth 0.
    """
    found = _layers(octets, _in_signed_data)
    return [canonical(each) for at, each in found if at >= depth]


def opened_by_hand(octets: bytes, key: bytes) -> list[bytes]:
    """The same with what is encrypted under a key."""
    return [canonical(each) for each in layers_by_hand(octets, key)]


def layers_by_hand(octets: bytes, key: bytes) -> list[bytes]:
    """The same, octet by octet."""

    def either(cms: bytes) -> bytes:
        found = envelope(cms).plain(key) if b"\x01\x07\x03" in cms[:40] else _in_signed_data(cms)
        if found is None:
            raise Unreadable
        return found

    return [each for _, each in _layers(octets, either)]


def objects(octets: bytes) -> Iterator[bytes]:
    """What may be CMS in it, wherever it stands."""
    for part in BytesParser(policy=compat32).parsebytes(octets).walk():
        yield from (each for each in _decoded(part) if each.startswith(b"\x30"))


def _layers(octets: bytes, inside: Callable[[bytes], bytes]) -> Iterator[tuple[int, bytes]]:
    # A bare CR breaks no line (RFC 5322, 2.2), but it does for `email`.
    for each in (octets, re.sub(rb"\r+(?!\n)", b" ", octets)):
        layer = each
        with suppress(Unreadable, IndexError, ValueError, TypeError):
            for depth in range(100):
                layer = _layer(layer, inside)
                yield depth, layer


def _in_signed_data(cms: bytes) -> bytes:
    [_, (_, [(_, content)])] = signed_data(cms)[2][1]
    return bytes(content)


def _layer(octets: bytes, inside: Callable[[bytes], bytes]) -> bytes:
    mail = BytesParser(policy=compat32).parsebytes(octets)
    if (
        re.sub(r"\s|\(.*?\)", "", str(mail.get("Content-Type", "")))
        .lower()
        .startswith("multipart/signed")
    ):
        line = rb"(?:\A|\r?\n|\r)--" + re.escape((mail.get_boundary() or "").encode())
        pieces = re.split(line + rb"[ \t]*(?=\r?\n|\r)", octets)
        return re.sub(rb"\A(?:\r\n|\n|\r)", b"", pieces[1])
    for decoded in _decoded(mail):
        with suppress(Unreadable, IndexError, ValueError, TypeError):
            return inside(decoded)
    raise Unreadable


def _decoded(mail: Message) -> Iterator[bytes]:
    plain = mail.get_payload(decode=True)
    if not isinstance(plain, bytes):
        return
    yield plain
    text = re.sub(rb"-----.*?-----", b"", plain)
    yield base64.b64decode(re.sub(rb"[^A-Za-z0-9+/]", b"", text) + b"==")
