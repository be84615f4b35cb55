"""Mail that comes in teaches certificates, and what goes out then is encrypted."""

import json
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import SMTP

import pytest

from smimekit import Credential
from smimekit.testing import FakeCA
from tests.gateway.peers import Arrived
from tests.interop.gateway.mail_system import MailSystem, Setup, mail_system
from tests.interop.gateway.test_outbound import letter
from tests.interop.messages import body_of
from tests.interop.peers import Nss, OpenSsl

ALICE = "alice@inside.example"
TEXT = b"Content-Type: text/plain\r\n\r\nHello Alice\r\n"


def signed_by(openssl: OpenSsl, who: Credential, sender: str, text: bytes = TEXT) -> bytes:
    """A mail that another program signed."""
    made = openssl.sign(text, who, "-from", sender, "-to", ALICE, "-subject", "Hello")
    return made.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def store_of(mail: MailSystem) -> str:
    return f"sqlite:///{mail.gateway.home / 'trust.db'}"


def status(mail: MailSystem, address: str) -> str:
    """Whether mail to an address would be encrypted, as `trust list` has it."""
    said = mail.gateway.run(
        "trust", "list", "--store", store_of(mail), "--address", address, "--json"
    )
    (found,) = json.loads(said)["certificates"]
    return str(found["status"]["encrypt"])


def field(mail: Arrived, name: str) -> list[bytes]:
    """The values of a header field, unfolded."""
    header = (
        mail.content[: mail.content.index(b"\r\n\r\n")]
        .replace(b"\r\n\t", b" ")
        .replace(b"\r\n ", b" ")
    )
    prefix = name.lower().encode() + b":"
    return [
        line[len(prefix) :].strip()
        for line in header.split(b"\r\n")
        if line.lower().startswith(prefix)
    ]


def is_encrypted(mail: Arrived) -> bool:
    return b"enveloped-data" in b"".join(field(mail, "Content-Type"))


@pytest.fixture(scope="module")
def quiet(postfix: str, keys: dict[str, bytes]) -> Iterator[MailSystem]:
    """No digests."""
    rules = "[inbound]\ndigest = false\n"
    with mail_system(postfix, Setup(keys=keys, rules=rules)) as found:
        yield found


@pytest.fixture(scope="module")
def mail(postfix: str, keys: dict[str, bytes]) -> Iterator[MailSystem]:
    """An administrator who is told at once."""
    rules = "[digest]\nhours = 0.0001\n"
    with mail_system(postfix, Setup(keys=keys, rules=rules)) as found:
        yield found


def test_an_untrusted_certificate_waits_for_a_person(
    mail: MailSystem, openssl: OpenSsl, partner_nss: Nss, bob: Credential
) -> None:
    """Scenario 1."""
    mail.receive("bob@partner.example", [ALICE], signed_by(openssl, bob, "bob@partner.example"))
    came, digest = sorted(mail.arrived(2), key=lambda each: each.addresses != [ALICE])
    assert came.addresses == [ALICE]
    assert digest.addresses == ["postmaster@inside.example"]
    assert digest.mail.startswith("MAIL FROM:<>")
    said = message_from_bytes(digest.content, policy=SMTP)
    assert bob.certificate.fingerprint in said.get_content()
    assert b"smime=pass" not in b"".join(field(came, "Authentication-Results"))
    assert b"Hello Alice" in came.content
    assert status(mail, "bob@partner.example") == "untrusted"

    mail.submit(ALICE, ["bob@partner.example"], letter("Before"))
    assert not is_encrypted(mail.arrived(1)[0])

    mail.gateway.run(
        "trust", "trust", "--store", store_of(mail), "bob@partner.example", "--why", "By phone"
    )
    mail.submit(ALICE, ["bob@partner.example"], letter("After"))
    (sent,) = mail.arrived(1)
    assert is_encrypted(sent)
    content = openssl.decrypt(sent.content, bob)
    assert b"Hello,\r\n.\r\nbye" in content
    assert partner_nss.decode(body_of(sent.content)) == content

    mail.receive("bob@partner.example", [ALICE], signed_by(openssl, bob, "bob@partner.example"))
    (again,) = mail.arrived(1)
    assert b"smime=pass" in b"".join(field(again, "Authentication-Results"))


def test_a_certificate_of_a_known_ca_is_trusted_by_itself(
    postfix: str, keys: dict[str, bytes], openssl: OpenSsl, partner_ca: FakeCA, bob: Credential
) -> None:
    """Scenario 2."""
    anchors = {"partner.pem": partner_ca.certificate.pem()}
    with mail_system(postfix, Setup(keys=keys, anchors=anchors)) as mail:
        mail.receive("bob@partner.example", [ALICE], signed_by(openssl, bob, "bob@partner.example"))
        (came,) = mail.arrived(1)
        assert b"smime=pass" in b"".join(field(came, "Authentication-Results"))
        mail.submit(ALICE, ["bob@partner.example"], letter("Answer"))
        (sent,) = mail.arrived(1)
    assert b"Hello,\r\n.\r\nbye" in openssl.decrypt(sent.content, bob)


def test_rejected_stays_rejected(quiet: MailSystem, openssl: OpenSsl) -> None:
    """Scenario 12: whoever was rejected signs again."""
    mallory = FakeCA("Mallory").person("mallory@partner.example", key="rsa-2048")
    sender = "mallory@partner.example"
    for _ in range(2):
        quiet.receive(sender, [ALICE], signed_by(openssl, mallory, sender))
        (came,) = quiet.arrived(1)
        assert b"smime=pass" not in b"".join(field(came, "Authentication-Results"))
        quiet.gateway.run("trust", "reject", "--store", store_of(quiet), sender, "--why", "Not her")
        assert status(quiet, sender) == "rejected"
    quiet.receive(sender, [ALICE], signed_by(openssl, mallory, sender, TEXT + b"Again\r\n"))
    quiet.arrived(1)
    assert status(quiet, sender) == "rejected"
    quiet.submit(ALICE, [sender], letter("Hello", to=sender))
    assert not is_encrypted(quiet.arrived(1)[0])


def test_forged_fields_and_tags(quiet: MailSystem, openssl: OpenSsl, bob: Credential) -> None:
    """Scenario 6: nobody from outside says what only the gateway may say, nor commands it."""
    forged = (
        b"Authentication-Results: gw.inside.example; smime=pass smime-part=1\r\n"
        b"X-Smimekit-Signed-1: yes\r\n"
        b"X-Smimekit-Sign: yes\r\n"
        b"Authentication-Results: mx.elsewhere.example; spf=pass\r\n"
    )
    plain = (
        b"From: bob@partner.example\r\nTo: %b\r\nSubject: [sign] [encrypt] Hello\r\n\r\nHi\r\n"
        % ALICE.encode()
    )
    quiet.receive("bob@partner.example", [ALICE], forged + plain)
    (came,) = quiet.arrived(1)
    assert b"smime=pass" not in came.content
    assert b"X-Smimekit-Signed-1" not in came.content
    assert field(came, "X-Smimekit-Sign") == []
    assert field(came, "Authentication-Results")[-1:] == [b"mx.elsewhere.example; spf=pass"]
    assert field(came, "Subject") == [b"[sign] [encrypt] Hello"]
    assert b"pkcs7" not in came.content

    quiet.receive(
        "alice@inside.example", ["bob@partner.example"], forged + letter("[sign] Pay him")
    )
    (sent,) = quiet.arrived(1)
    assert b"pkcs7" not in sent.content
