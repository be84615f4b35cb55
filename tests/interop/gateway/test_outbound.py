"""Mail that leaves: what the partner gets, read by the partner's own programs."""

import subprocess
from collections.abc import Callable

import pytest

from smimekit import Credential
from smimekit.testing import FakeCA
from tests.interop.gateway.mail_system import MailSystem, Setup, mail_system
from tests.interop.messages import body_of, split_signed
from tests.interop.peers import Nss, OpenSsl


def letter(subject: str, to: str = "bob@partner.example", **more: str) -> bytes:
    fields = {"From": "Alice <alice@inside.example>", "To": to, "Subject": subject, **more}
    header = "".join(f"{name}: {text}\r\n" for name, text in fields.items())
    return f"{header}\r\nHello,\r\n.\r\nbye\r\n".encode()


def header_of(mail: bytes) -> bytes:
    return mail[: mail.index(b"\r\n\r\n") + 2]


def test_sign_by_a_tag(
    mail: MailSystem,
    require_program: Callable[[str], str],
    openssl: OpenSsl,
    partner_nss: Nss,
    inside_ca: FakeCA,
) -> None:
    """Scenario 3: `[sign]` out. The tag is gone, the chain is attached, the partner verifies."""
    swaks = [require_program("swaks"), "--server", f"127.0.0.1:{mail.ports.submission}"]
    words = ["--from", "alice@inside.example", "--to", "bob@partner.example", "--h-Subject", "[sign] Hello"]
    subprocess.run([*swaks, *words, "--body", "Hello Bob"], check=True, capture_output=True)
    (arrived,) = mail.arrived(1)
    assert b"\r\nSubject: Hello\r\n" in header_of(arrived.content)
    assert b"[sign]" not in arrived.content
    content = openssl.verify(arrived.content, inside_ca.certificate)
    assert b"Hello Bob" in content
    entity, signature = split_signed(arrived.content)
    assert partner_nss.decode(signature, content=entity) == entity
