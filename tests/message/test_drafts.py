"""What a draft can be: bytes, a binary file, or an EmailMessage."""

import io
from email.message import EmailMessage

import pytest

import smimekit
from smimekit import Trust
from smimekit.testing import FakeCA

CA = FakeCA()
ALICE = CA.person("alice@example.org")
TRUST = Trust(anchors=[CA.certificate])
MAIL = b"From: alice@example.org\nContent-Type: text/plain\n\nHello\n"


def composed() -> EmailMessage:
    message = EmailMessage()
    message["From"] = "alice@example.org"
    message.set_content("Grüße\n", cte="base64")
    return message


@pytest.mark.parametrize(
    ("draft", "body"),
    [
        (MAIL, b"\r\n\r\nHello\r\n"),
        (bytearray(MAIL), b"\r\n\r\nHello\r\n"),
        (memoryview(MAIL), b"\r\n\r\nHello\r\n"),
        (io.BytesIO(MAIL), b"\r\n\r\nHello\r\n"),
        (composed(), b"\r\n\r\nR3LDvMOfZQo=\r\n"),
    ],
    ids=["bytes", "bytearray", "memoryview", "file", "EmailMessage"],
)
def test_draft(draft: bytes, body: bytes) -> None:
    payload = smimekit.verify(smimekit.sign(draft, ALICE), TRUST).bytes()
    assert payload.endswith(body)


@pytest.mark.parametrize(
    "draft", ["text", io.StringIO("text"), None], ids=["str", "text file", "None"]
)
def test_what_is_no_draft(draft: bytes) -> None:
    with pytest.raises(smimekit.UsageError):
        smimekit.sign(draft, ALICE)
