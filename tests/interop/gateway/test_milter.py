"""Postfix with the milter: it asks before it takes a mail, and changes it where it is."""

import smtplib
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from smimekit import Credential
from smimekit.testing import FakeCA
from tests.conftest import IN_CI
from tests.gateway.peers import Arrived
from tests.interop.gateway.mail_system import CONFIG, WAYS, MailSystem, Setup, mail_system
from tests.interop.gateway.milter_files import LISTENER, LISTENERS, MILTER, WAYS_IN
from tests.interop.gateway.test_dkim import opendkim, verified
from tests.interop.gateway.test_outbound import header_of, letter
from tests.interop.gateway.test_partners import field, is_encrypted, signed_by
from tests.interop.messages import split_signed
from tests.interop.peers import Nss, OpenSsl

if not IN_CI:
    pytest.importorskip("Milter")

ALICE, BOB, ERIN = "alice@inside.example", "bob@partner.example", "erin@secret.example"
RULES = """
[inbound]
digest = false
[domain."secret.example"]
encrypt = "must"
"""


@contextmanager
def system(
    postfix: str, keys: Mapping[str, bytes], partners: FakeCA, dkim: int = 0
) -> Iterator[MailSystem]:
    """Where OpenDKIM listens at `dkim`, it comes after us, as in `examples/gateway`."""
    after = f"inet:127.0.0.1:{dkim}" if dkim else ""
    ours = "inet:127.0.0.1:{from_inside}"
    ways_in = MILTER.replace(ours, f"{ours},{after}") if dkim else MILTER
    setup = Setup(
        keys=keys,
        rules=RULES,
        anchors={"partner.pem": partners.certificate.pem()},
        main="milter_default_action = tempfail",
        ways=WAYS_IN.sub(lambda _: ways_in, WAYS),
        back_options=f"  -o smtpd_milters={after}" if dkim else "",
        config=LISTENERS.sub(lambda _: LISTENER, CONFIG),
    )
    with mail_system(postfix, setup) as found:
        yield found


@pytest.fixture(scope="module")
def milter(postfix: str, keys: dict[str, bytes], partner_ca: FakeCA) -> Iterator[MailSystem]:
    with system(postfix, keys, partner_ca) as found:
        yield found


@contextmanager
def client(mail: MailSystem, login: str = ALICE) -> Iterator[smtplib.SMTP]:
    """Somebody who authenticated."""
    with smtplib.SMTP("127.0.0.1", mail.ports.submission, "client", timeout=120) as found:
        found.ehlo()
        assert found.docmd("XCLIENT", f"LOGIN={login}")[0] == 220
        found.ehlo()
        yield found


def know(mail: MailSystem, *people: Credential) -> None:
    known = mail.home / "known.pem"
    known.write_bytes(b"".join(each.certificate.pem() for each in people))
    store = f"sqlite:///{mail.gateway.home / 'trust.db'}"
    mail.gateway.run("trust", "import", "--store", store, str(known))


def by_address(arrived: list[Arrived]) -> dict[str, Arrived]:
    return {address: each for each in arrived for address in each.addresses}


def test_sign_by_a_tag(
    milter: MailSystem, openssl: OpenSsl, partner_nss: Nss, inside_ca: FakeCA
) -> None:
    """Scenario 3: the tag is gone, the chain is attached, the partner verifies."""
    with client(milter) as smtp:
        smtp.sendmail(ALICE, ["stranger@partner.example"], letter("[sign] Hello", **{"X-A": "b"}))
    (arrived,) = milter.arrived(1)
    header = header_of(arrived.content)
    assert b"\r\nSubject: Hello\r\n" in header
    assert b"\r\nX-A: b\r\n" in header
    assert header.lower().count(b"\r\ncontent-type:") == 1
    assert header.lower().count(b"\r\nmime-version:") == 1
    assert b"[sign]" not in arrived.content
    assert b"Hello,\r\n.\r\nbye" in openssl.verify(arrived.content, inside_ca.certificate)
    entity, signature = split_signed(arrived.content)
    assert partner_nss.decode(signature, content=entity) == entity
    # It was changed where it was: Postfix took it once.
    assert len(field(arrived, "Received")) == 1


def test_swaks_with_a_login(milter: MailSystem, require_program: Callable[[str], str]) -> None:
    swaks = [require_program("swaks"), "--server", f"127.0.0.1:{milter.ports.submission}"]
    words = ["--from", ALICE, "--to", "stranger@partner.example", "--h-Subject", "[sign] Hello"]
    subprocess.run(
        [*swaks, *words, "--xclient-login", ALICE, "--xclient-no-verify"],
        check=True,
        capture_output=True,
    )
    assert b"pkcs7-signature" in milter.arrived(1)[0].content


def test_nobody_signs_without_a_login(milter: MailSystem) -> None:
    milter.submit(ALICE, ["stranger@partner.example"], letter("[sign] Pay him"))
    assert b"pkcs7" not in milter.arrived(1)[0].content


def test_one_message_to_all_kinds_of_recipients(
    milter: MailSystem, openssl: OpenSsl, partner_ca: FakeCA, bob: Credential
) -> None:
    """Scenario 4: who must get encrypted mail and cannot is refused at RCPT; the others get
    their copies by the next hop, and the message itself is discarded.
    """
    erin = partner_ca.person(ERIN, key="rsa-2048")
    frank = partner_ca.person("frank@partner.example", key="rsa-2048")
    know(milter, bob, erin, frank)
    carol, dave = "carol@partner.example", "dave@secret.example"
    everybody = [BOB, carol, dave, ERIN, "frank@partner.example"]
    with client(milter) as smtp:
        refused = smtp.sendmail(ALICE, everybody, letter("Plans", to=", ".join(everybody[:-1])))
    assert list(refused) == [dave]
    assert refused[dave][0] == 550
    assert refused[dave][1].startswith(b"5.7.10 ")
    found = by_address(milter.arrived(3))
    assert set(found) == {BOB, carol, ERIN, "frank@partner.example"}
    assert found[BOB] is found[ERIN]
    for who in (bob, erin):
        assert b"Hello,\r\n.\r\nbye" in openssl.decrypt(found[BOB].content, who)
    assert b"Hello,\r\n.\r\nbye" in openssl.decrypt(found["frank@partner.example"].content, frank)
    assert found[carol].content.endswith(b"Hello,\r\n.\r\nbye\r\n")
    for each in found.values():
        assert any(b"(milter) id" in line for line in field(each, "Received"))
    assert milter.emptied()


def test_forged_fields_and_tags(milter: MailSystem) -> None:
    """Scenario 6."""
    forged = (
        b"Authentication-Results: gw.inside.example; smime=pass smime-part=1\r\n"
        b"X-Smimekit-Signed-1: yes\r\n"
        b"Authentication-Results: mx.elsewhere.example; spf=pass\r\n"
        b"X-Smimekit-Sign: yes\r\n"
    )
    plain = b"From: %b\r\nTo: %b\r\nSubject: [sign] Hello\r\n\r\nHi\r\n" % (
        BOB.encode(),
        ALICE.encode(),
    )
    milter.receive(BOB, [ALICE], forged + plain)
    (came,) = milter.arrived(1)
    assert b"smime=pass" not in came.content
    assert b"X-Smimekit-Signed-1" not in came.content
    assert field(came, "X-Smimekit-Sign") == []
    assert field(came, "Authentication-Results")[-1:] == [b"mx.elsewhere.example; spf=pass"]
    assert field(came, "Subject") == [b"[sign] Hello"]
    assert b"pkcs7" not in came.content
    assert came.content.endswith(b"\r\n\r\nHi\r\n")


def test_what_comes_in_teaches(
    milter: MailSystem, openssl: OpenSsl, partner_ca: FakeCA, inside_ca: FakeCA
) -> None:
    gina = partner_ca.person("gina@partner.example", key="rsa-2048")
    milter.receive(
        "gina@partner.example", [ALICE], signed_by(openssl, gina, "gina@partner.example")
    )
    (came,) = milter.arrived(1)
    results = field(came, "Authentication-Results")
    assert b"smime=pass" in results[0]
    # What is new stands on top, where the receiver looks (RFC 8601, 4.1).
    assert came.content.lower().index(b"authentication-results") < came.content.index(b"From:")
    with client(milter) as smtp:
        smtp.sendmail(ALICE, ["gina@partner.example"], letter("Answer", to="gina@partner.example"))
    (sent,) = milter.arrived(1)
    assert is_encrypted(sent)
    assert b"Hello,\r\n.\r\nbye" in openssl.decrypt(sent.content, gina)


def test_dkim_after_us(
    postfix: str,
    require_program: Callable[[str], str],
    keys: dict[str, bytes],
    openssl: OpenSsl,
    partner_ca: FakeCA,
    bob: Credential,
) -> None:
    """Scenario 8, for a mail that is changed where it is, and for one that is split."""
    program, carol = require_program("opendkim"), "carol@partner.example"
    with (
        opendkim(program, openssl) as (port, home),
        system(postfix, keys, partner_ca, dkim=port) as mail,
    ):
        know(mail, bob)
        with client(mail) as smtp:
            smtp.sendmail(ALICE, [carol], letter("[sign] Hello"))
            (signed,) = mail.arrived(1)
            smtp.sendmail(ALICE, [BOB, carol], letter("Hello"))
            split = mail.arrived(2)
        assert b"pkcs7-signature" in signed.content
        for each in (signed, *split):
            assert len(field(each, "DKIM-Signature")) == 1
            assert "succeeded" in verified(program, home, each.content)
        changed = signed.content.replace(b"Hello,", b"Hallo,")
        assert "succeeded" not in verified(program, home, changed)


def test_a_milter_that_is_gone_loses_nothing(
    postfix: str, keys: dict[str, bytes], partner_ca: FakeCA
) -> None:
    with system(postfix, keys, partner_ca) as mail:
        mail.gateway.kill()
        with client(mail) as smtp, pytest.raises(smtplib.SMTPException, match=r"4\.[37]\.[01]"):
            smtp.sendmail(ALICE, [BOB], letter("Hello"))
        mail.gateway.start()
        with client(mail) as smtp:
            smtp.sendmail(ALICE, [BOB], letter("Hello"))
        assert mail.arrived(1)[0].addresses == [BOB]
