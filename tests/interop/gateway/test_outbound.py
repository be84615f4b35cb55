"""Mail that leaves: what the partner gets, read by the partner's own programs."""

import re
import smtplib
import subprocess
from collections.abc import Callable

import pytest

from smimekit import Credential
from smimekit.testing import FakeCA
from tests.interop.gateway.mail_system import MailSystem, Setup, mail_system
from tests.interop.messages import split_signed
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
    words = [
        "--from",
        "alice@inside.example",
        "--to",
        "bob@partner.example",
        "--h-Subject",
        "[sign] Hello",
    ]
    subprocess.run([*swaks, *words, "--body", "Hello Bob"], check=True, capture_output=True)
    (arrived,) = mail.arrived(1)
    assert b"\r\nSubject: Hello\r\n" in header_of(arrived.content)
    assert b"[sign]" not in arrived.content
    content = openssl.verify(arrived.content, inside_ca.certificate)
    assert b"Hello Bob" in content
    entity, signature = split_signed(arrived.content)
    assert partner_nss.decode(signature, content=entity) == entity


def test_nobody_submits_with_the_null_reverse_path(mail: MailSystem) -> None:
    """As the how-to has Postfix refuse it: no login owns it."""
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        mail.submit("", ["bob@partner.example"], letter("Hello"))
    assert caught.value.recipients["bob@partner.example"][0] == 554
    mail.submit("alice@inside.example", ["bob@partner.example"], letter("Hello"))
    mail.arrived(1)


# --- scenario 4 -------------------------------------------------------------------------------

RULES = """
[domain."secret.example"]
encrypt = "must"
"""
TO = {
    "trusted": "bob@partner.example",
    "untrusted": "carol@partner.example",
    "must": "dave@secret.example",
    "must, with a certificate": "erin@secret.example",
    "bcc": "frank@partner.example",
}


def test_one_message_to_all_kinds_of_recipients(
    postfix: str,
    keys: dict[str, bytes],
    openssl: OpenSsl,
    partner_ca: FakeCA,
    bob: Credential,
) -> None:
    """Scenario 4: right copies, right bounces."""
    erin = partner_ca.person(TO["must, with a certificate"], key="rsa-2048")
    frank = partner_ca.person(TO["bcc"], key="rsa-2048")
    setup = Setup(keys=keys, rules=RULES, anchors={"partner.pem": partner_ca.certificate.pem()})
    with mail_system(postfix, setup) as mail:
        known = mail.home / "known.pem"
        known.write_bytes(b"".join(each.certificate.pem() for each in (bob, erin, frank)))
        store = f"sqlite:///{mail.gateway.home / 'trust.db'}"
        mail.gateway.run("trust", "import", "--store", store, str(known))
        shown = ", ".join(address for kind, address in TO.items() if kind != "bcc")
        mail.submit("alice@inside.example", list(TO.values()), letter("Plans", to=shown))
        arrived = mail.arrived(4)
    by_address = {address: each for each in arrived for address in each.addresses}
    assert sorted(by_address) == sorted(["alice@inside.example", *TO.values()])[1:] or set(
        by_address
    ) == {
        *TO.values(),
        "alice@inside.example",
    } - {TO["must"]}
    together = by_address[TO["trusted"]]
    assert together.addresses == [TO["trusted"], TO["must, with a certificate"]]
    for who in (bob, erin):
        assert b"Hello,\r\n.\r\nbye" in openssl.decrypt(together.content, who)
    assert b"Hello,\r\n.\r\nbye" in openssl.decrypt(by_address[TO["bcc"]].content, frank)
    assert frank.certificate.serial not in serials(openssl, together.content)
    assert serials(openssl, by_address[TO["bcc"]].content) == {frank.certificate.serial}
    assert b"Hello,\r\n..\r\nbye" not in by_address[TO["untrusted"]].content
    assert by_address[TO["untrusted"]].content.endswith(b"Hello,\r\n.\r\nbye\r\n")
    bounce = by_address["alice@inside.example"]
    assert bounce.mail.startswith("MAIL FROM:<>")
    assert TO["must"].encode() in bounce.content
    assert b"5.7.10" in bounce.content


def serials(openssl: OpenSsl, mail: bytes) -> set[int]:
    """Whom the RecipientInfos name."""
    return {int(each, 0) for each in re.findall(r"serialNumber: (\S+)", openssl.print(mail))}
