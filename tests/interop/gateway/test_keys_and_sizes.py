"""Scenarios 5 and 9: keys old and new, and a message of 50 MB."""

import base64
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from smimekit import Credential
from smimekit.testing import FakeCA
from smimekit.testing.profiles import Profile
from tests.interop.gateway.mail_system import MailSystem, Setup, mail_system
from tests.interop.gateway.test_outbound import letter
from tests.interop.gateway.test_partners import is_encrypted
from tests.interop.peers import OpenSsl, pkcs12

ALICE, BOB = "alice@inside.example", "bob@partner.example"
SIZE = 50_000_000


@pytest.fixture(scope="module")
def old(inside_ca: FakeCA) -> Credential:
    """Alice's key of last year; its certificate has expired."""
    profile = Profile(start=timedelta(days=-700), end=timedelta(days=-300))
    return inside_ca.person(ALICE, name="Alice", key="rsa-2048", profile=profile)


@pytest.fixture(scope="module")
def mail(
    postfix: str, alice: Credential, old: Credential, partner_ca: FakeCA, bob: Credential
) -> Iterator[MailSystem]:
    setup = Setup(
        keys={"old": pkcs12(old), "new": pkcs12(alice)},
        anchors={"partner.pem": partner_ca.certificate.pem()},
    )
    with mail_system(postfix, setup) as found:
        known = found.home / "bob.pem"
        known.write_bytes(bob.certificate.pem())
        store = f"sqlite:///{found.gateway.home / 'trust.db'}"
        found.gateway.run("trust", "import", "--store", store, str(known))
        yield found


def test_old_mail_still_opens_and_the_new_key_signs(
    mail: MailSystem,
    openssl: OpenSsl,
    alice: Credential,
    old: Credential,
    inside_ca: FakeCA,
    bob: Credential,
) -> None:
    """Scenario 5: a key rollover with both keys alive."""
    for who in (old, alice):
        text = b"Content-Type: text/plain\r\n\r\nFor your eyes\r\n"
        header = f"From: {BOB}\r\nTo: {ALICE}\r\nSubject: Secret\r\n".encode()
        made = openssl.encrypt(text, [who.certificate], "-aes-256-cbc")
        mail.receive(BOB, [ALICE], header + made.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        (came,) = mail.arrived(1)
        assert came.content.endswith(b"\r\n\r\nFor your eyes\r\n")
    mail.submit(ALICE, [BOB], letter("[sign] Hello"))
    (sent,) = mail.arrived(1)
    inside = openssl.decrypt(sent.content, bob)
    assert b"Hello,\r\n.\r\nbye" in openssl.verify(inside, inside_ca.certificate)
    serial = f"{alice.certificate.serial:x}"
    assert serial in openssl.print(inside).replace(":", "").lower().replace("0x", "")


def test_50_megabytes_in_bounded_memory(
    mail: MailSystem, openssl: OpenSsl, bob: Credential, alice: Credential
) -> None:
    """Scenario 9, out and in."""
    before = peaks(mail)
    content = random.Random(9).randbytes(SIZE * 3 // 4)  # noqa: S311 - the same each time
    lines = base64.encodebytes(content).replace(b"\n", b"\r\n")
    header = letter("[sign] Large").split(b"\r\n\r\n")[0]
    kind = (
        b"\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    mail.submit(ALICE, [BOB], header + kind + lines)
    (sent,) = mail.arrived(1)
    assert is_encrypted(sent)
    assert lines in openssl.decrypt(sent.content, bob)

    made = openssl.encrypt(kind.lstrip() + lines, [alice.certificate], "-aes-256-cbc")
    outside = f"From: {BOB}\r\nTo: {ALICE}\r\nSubject: Large\r\n".encode()
    mail.receive(BOB, [ALICE], outside + made.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    (came,) = mail.arrived(1)
    assert came.content.endswith(lines)
    after = peaks(mail)
    assert set(after) == set(before)
    assert max(after[pid] - before[pid] for pid in after) < SIZE // 2_000


def peaks(mail: MailSystem) -> dict[int, int]:
    """The largest memory that each of the gateway's processes ever had, in KiB."""
    process = mail.gateway.process
    assert process is not None
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return {pid: _peak(pid) for pid in (process.pid, *map(int, children.split()))}


def _peak(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
