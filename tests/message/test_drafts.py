"""What a draft can be: bytes, a binary file, an EmailMessage; and what it cannot."""

import io
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import pytest

import smimekit
from smimekit.testing import FakeCA

DRAFT = b"From: alice@example.org\r\nSubject: Hi\r\n\r\nHello\r\n"


def composed(data: bytes) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "alice@example.org"
    message.set_content("Hello\n")
    return message


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview, io.BytesIO, composed])
def test_a_draft_in_any_form_is_signed(form: Callable[[bytes], Any]) -> None:
    ca = FakeCA()
    signed = smimekit.sign(form(DRAFT), ca.person("alice@example.org"))
    payload = smimekit.verify(signed, smimekit.Trust(anchors=[ca.certificate]))
    assert payload.bytes().endswith(b"\r\n\r\nHello\r\n")


@pytest.mark.parametrize("draft", ["From: a", io.StringIO("From: a"), None, 7])
def test_anything_else_is_refused(draft: Any) -> None:
    with pytest.raises(smimekit.UsageError):
        smimekit.sign(draft, FakeCA().person("alice@example.org"))
