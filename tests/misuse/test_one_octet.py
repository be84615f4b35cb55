"""Signed mail with one bit or octet changed, lost or put in: what is still VERIFIED is the same
text, by the same person, signed at the same time; and what the header says inside is the same.
"""

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

import smimekit
from smimekit import Protection, SmimeError, Trust
from smimekit.message.opened import Opened
from smimekit.testing import FakeCA

CA = FakeCA()
ALICE = CA.intermediate("Sub CA").person("alice@example.org")
TRUST = Trust(anchors=[CA.certificate])
HEAD = b"From: alice@example.org\r\nSubject: Hello\r\nMIME-Version: 1.0\r\n"
DRAFT = (
    HEAD + b"Content-Type: multipart/mixed; boundary=in\r\n\r\n"
    b"--in\r\nContent-Type: text/plain\r\n\r\nOne line,\r\nand another.\r\n"
    b"--in\r\nContent-Type: application/octet-stream; name=a.bin\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nAAECAwQFBgcICQ==\r\n--in--\r\n"
)


@cache
def mail(opaque: bool) -> bytes:
    return smimekit.sign(DRAFT, ALICE, opaque=opaque)


def verified(opened: Opened) -> tuple[object, ...]:
    payload = opened.payload(require=Protection.VERIFIED)
    [signature] = payload.signatures
    header = [(field.name, field.value) for field in opened.header.shown]
    return (payload.bytes(), signature.certificate, signature.signing_time, opened.errant, header)


def changed(data: st.DataObject, message: bytes) -> bytes:
    at = data.draw(st.integers(0, len(message) - 1))
    how = data.draw(st.sampled_from(["bit", "lost", "put in"]))
    if how == "lost":
        return message[:at] + message[at + 1 :]
    if how == "put in":
        return message[:at] + bytes([data.draw(st.integers(0, 255))]) + message[at:]
    flipped = message[at] ^ 1 << data.draw(st.integers(0, 7))
    return message[:at] + bytes([flipped]) + message[at + 1 :]


@given(st.data(), st.booleans())
def test_what_is_still_verified_is_the_same(data: st.DataObject, opaque: bool) -> None:
    with smimekit.open(mail(opaque), trust=TRUST) as opened:
        whole = verified(opened)
    try:
        found = smimekit.open(changed(data, mail(opaque)), trust=TRUST)
    except SmimeError:
        return
    with found as opened:
        if Protection.VERIFIED in opened.protection:
            assert verified(opened) == whole
