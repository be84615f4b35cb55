"""Mail of OpenSSL's that a list changed or wrapped: OpenSSL is the witness of what we say."""

import pytest

import smimekit
from smimekit import Protection, Trust
from smimekit.message.divergence import Change
from smimekit.message.layers import Integrity, Signed
from smimekit.testing import FakeCA
from tests.interop.peers import OpenSsl, People, Refused
from tests.message.people import multipart

ENTITY = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nOne line,\r\nand another.\r\n"
FOOTER = b"\r\n-- \r\nTo unsubscribe, write to us.\r\n"
MESSAGE = b"Content-Type: message/rfc822\r\n\r\n"
FROM = ("-from", "alice@example.org")


@pytest.fixture
def signed(openssl: OpenSsl, people: People) -> bytes:
    return openssl.sign(ENTITY, people("alice rsa-2048"), *FROM)


def test_what_is_left_without_the_footer_is_what_openssl_signed(
    openssl: OpenSsl, ca: FakeCA, trust: Trust, signed: bytes
) -> None:
    changed = signed.replace(ENTITY, ENTITY + FOOTER)
    with pytest.raises(Refused):
        openssl.verify(changed, ca.certificate)
    with smimekit.open(changed, trust=trust) as opened:
        [layer] = opened.envelope
        assert isinstance(layer, Signed)
        [signature] = layer.signatures
        assert signature.integrity is Integrity.CONTENT_CHANGED
        found = signature.divergence
        assert found is not None
        assert found.change is Change.ADDED
        assert found.start is not None
        at = layer.content.start + found.start
        assert opened.protection == Protection.NONE
    assert changed[at : at + found.length] == FOOTER
    assert openssl.verify(changed[:at] + changed[at + found.length :], ca.certificate) == ENTITY


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (b"line,\r\n", b"line, \r\n", Change.TRAILING_BLANKS),
        (b"another.\r\n", b"another.", Change.LAST_LINE_BREAK),
    ],
)
def test_other_changes(
    openssl: OpenSsl,
    ca: FakeCA,
    trust: Trust,
    signed: bytes,
    old: bytes,
    new: bytes,
    change: Change,
) -> None:
    """Each is a change to OpenSSL, too, and is the one that we say it is."""
    changed = signed.replace(ENTITY, ENTITY.replace(old, new))
    with pytest.raises(Refused):
        openssl.verify(changed, ca.certificate)
    with smimekit.open(changed, trust=trust) as opened:
        found = opened.signatures[0].divergence
        assert found is not None
        assert found.change is change


@pytest.mark.parametrize("form", [(), ("-nodetach",)], ids=["clear", "opaque"])
def test_a_wrapped_mail_of_openssl(
    openssl: OpenSsl, people: People, trust: Trust, form: tuple[str, ...]
) -> None:
    mail = openssl.sign(ENTITY, people("alice rsa-2048"), *FROM, *form)
    wrapped = multipart("mixed", MESSAGE + mail, FOOTER)
    with smimekit.open(wrapped, trust=trust) as opened:
        assert opened.protection == Protection.NONE
        errant = opened.errant_layer("1.1")
        assert errant.kind == "signed"
        payload = smimekit.verify(errant.span, trust, expect="alice@example.org")
        assert payload.bytes() == ENTITY


def test_a_wrapped_secret_of_openssl(openssl: OpenSsl, people: People, trust: Trust) -> None:
    bob = people("bob rsa-2048")
    mail = openssl.encrypt(ENTITY, [bob.certificate], "-aes256")
    with smimekit.open(multipart("mixed", FOOTER, MESSAGE + mail), trust=trust) as opened:
        errant = opened.errant_layer("2.1")
        assert errant.kind == "encrypted"
        assert smimekit.decrypt(errant.span, [bob]).bytes() == ENTITY
