"""The signature of a mail is read at one go where it is a usual one: with the same outcome."""

import re
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smimekit
from smimekit import Limits, SmimeError
from smimekit.cms.ber import BerReader
from smimekit.cms.known_senders import KnownSenders
from smimekit.message import recognise, signed_layer
from smimekit.message.layers import Signed
from smimekit.mime.scanner import Entity, read_entity
from smimekit.span import Span
from tests.message.people import alice, bob, draft, trust

PIECES = [
    *(b"\r\n", b"=", b" ", b"A", b"-", b"\n", b"\x00", b"MI", b"AAAA", b"-----BEGIN CMS-----\r\n"),
    *(b"Content-Transfer-Encoding: 7bit\r\n", b"Content-Type: text/plain\r\n", b"--"),
]


@cache
def mail() -> bytes:
    return smimekit.sign(draft(), alice())


def outcome(message: bytes) -> object:
    """All that is said of a message, or the error."""
    try:
        with smimekit.open(message, trust=trust(), keys=[bob()]) as opened:
            layers = [(each, each.content and each.content.bytes()) for each in opened.envelope]
            facts = [
                (layer.form, layer.signatures, layer.certificates, layer.crls, content)
                for layer, content in layers
                if isinstance(layer, Signed)
            ]
            return opened.protection, facts, opened.errant
    except SmimeError as error:
        return type(error), error.code, str(error)


def same(message: bytes) -> None:
    found = outcome(message)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KnownSenders, "read", lambda *_, **__: None)
        assert outcome(message) == found


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_signature_is_read_alike(data: st.DataObject) -> None:
    """Base64, its header and its end are damaged, and with them the octets."""
    whole = mail()
    begin = whole.index(b"application/pkcs7-signature", whole.index(b"\r\n\r\n")) - 20
    at = data.draw(st.integers(begin, len(whole)))
    out = data.draw(st.integers(0, 5))
    piece = data.draw(st.sampled_from(PIECES) | st.binary(max_size=3))
    same(whole[:at] + piece + whole[at + out :])


@pytest.mark.parametrize("line_break", [b"\n", b"\r\n"])
def test_the_usual_signature_is_read_at_one_go(
    line_break: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object, **__: object) -> BerReader:
        raise AssertionError("not at one go")

    monkeypatch.setattr(signed_layer, "BerReader", none)
    found = mail().replace(b"\r\n", line_break)
    assert smimekit.verify(found, trust()).signatures


HEADERS = [
    *(b"Content-Type: text/plain", b"A:b", b"\r\n", b"\n", b" c", b"\r", b":", b"From x", b""),
    *(b"Content-Transfer-Encoding: base64", b"A" * 390, b"\r\n\r\n", b"x"),
]
BOUNDS = [Limits(), Limits(header_fields=1), Limits(header_bytes=20)]


@given(st.lists(st.sampled_from(HEADERS), max_size=7).map(b"".join), st.sampled_from(BOUNDS))
def test_the_header_of_a_signature_is_read_as_any_other(part: bytes, limits: Limits) -> None:
    def read(how: Callable[[Span], Entity]) -> object:
        try:
            found = how(Span.of(part))
        except SmimeError as error:
            return error.code
        return found.header, found.body.bytes(), found.span.bytes()

    known = read(lambda span: recognise._second(span, limits))
    assert known == read(lambda span: read_entity(span, limits=limits, mbox=False))


def test_others_are_read_as_well() -> None:
    """PEM in place of base64, and an armour that is cut off."""
    begin = re.search(rb"smime.p7s\"\r\n\r\n", mail())
    assert begin is not None
    head, tail = mail()[: begin.end()], mail()[begin.end() :]
    body, end = tail[: tail.index(b"\r\n--")], tail[tail.index(b"\r\n--") :]
    armoured = b"-----BEGIN PKCS7-----\r\n" + body + b"\r\n-----END PKCS7-----"
    assert smimekit.verify(head + armoured + end, trust()).signatures
    same(head + armoured[:-30] + end)
