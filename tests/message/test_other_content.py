"""CMS that is no layer of a message."""

from base64 import encodebytes

import pytest

import smimekit
from smimekit import Protection, Trust
from smimekit.cms.digested import digested_data
from smimekit.message.layers import Signed
from smimekit.testing import FakeCA

CA = FakeCA()
ALICE = CA.person("alice@example.org")
TRUST = Trust(anchors=[CA.certificate])
DIGESTED = digested_data(b"Content-Type: text/plain\r\n\r\nhello\r\n")
MAIL = b"From: alice@example.org\r\nContent-Type: application/pkcs7-mime\r\n\r\n" + DIGESTED
BASE64 = (
    b"From: alice@example.org\r\nContent-Type: application/pkcs7-mime\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\n" + encodebytes(DIGESTED)
)


@pytest.mark.parametrize("message", [DIGESTED, MAIL, BASE64], ids=["bare", "binary", "base64"])
def test_other_content_types_are_reported(message: bytes) -> None:
    """A digest protects nothing: such content is the payload as it stands, and is named."""
    with smimekit.open(message, trust=TRUST) as opened:
        assert opened.envelope == ()
        assert opened.protection == Protection.NONE
        assert [(each.kind, each.span.bytes()) for each in opened.errant] == [("cms", message)]
        assert opened.payload(require=Protection.NONE).bytes() == message
    with pytest.raises(smimekit.NotSigned):
        smimekit.verify(message, TRUST)
    with pytest.raises(smimekit.InsufficientProtection, match="kind that mail does not have"):
        smimekit.decrypt(message, [ALICE])


def test_what_is_encrypted_in_a_part_is_said() -> None:
    inner = smimekit.encrypt(BASE64, [ALICE.certificate])
    mail = b"Content-Type: message/rfc822\r\n\r\n" + inner
    with pytest.raises(smimekit.InsufficientProtection, match="not encrypted as a whole"):
        smimekit.decrypt(mail, [ALICE])
    with smimekit.open(mail, trust=TRUST) as opened:
        [part] = opened.errant
        assert smimekit.decrypt(part.span, [ALICE]).protection == Protection.CONFIDENTIAL


def test_other_content_inside_a_signature_is_its_payload() -> None:
    mail = smimekit.sign(BASE64, ALICE)
    with smimekit.open(mail, trust=TRUST) as opened:
        [layer] = opened.envelope
        assert isinstance(layer, Signed)
        assert [each.kind for each in opened.errant] == ["cms"]
        assert Protection.VERIFIED in opened.protection
