"""Mail with Crypt::SMIME, Perl's library over OpenSSL, both ways.

It signs beside the content alone, and encrypts to RSA by AES-128-CBC.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import smimekit
from smimekit import Certificate, HeaderProtection, Protection, Trust
from smimekit.algorithms import AES128_CBC, AES256_GCM, ContentCipher
from smimekit.certificate import read_certificates
from smimekit.message.layers import Integrity
from smimekit.testing import FakeCA
from tests.conftest import find_perl_module
from tests.interop.messages import tamper
from tests.interop.peers import People, Refused, folder, pem, run

SCRIPT = Path(__file__).with_name("crypt_smime.pl")
ENTITY = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nOne line,\r\nand another.\r\n"
MAIL = (
    b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Hi\r\nMIME-Version: 1.0\r\n"
    + ENTITY
)
KEYS = ["rsa-2048", "p256"]


@dataclass(frozen=True)
class CryptSmime:
    """The script, with a folder of its own for each verb."""

    perl: str

    def ask(self, verb: str, mail: bytes, files: Mapping[str, bytes] = {}) -> bytes:
        with folder() as home:
            for name, data in files.items():
                (home / name).write_bytes(data)
            return run([self.perl, str(SCRIPT), verb, str(home)], stdin=mail)

    def check(self, mail: bytes, anchor: Certificate) -> bytes:
        return self.ask("check", mail, {"others.pem": anchor.pem()})

    def certificates(self, verb: str, mail: bytes) -> list[Certificate]:
        return list(read_certificates(self.ask(verb, mail)))


@pytest.fixture(scope="module")
def peer(require_program: Callable[[str], str]) -> CryptSmime:
    find_perl_module("Crypt::SMIME", "libcrypt-smime-perl")
    return CryptSmime(require_program("perl"))


def lines(data: bytes) -> list[bytes]:
    return data.splitlines()


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("opaque", [False, True], ids=["detached", "opaque"])
def test_what_we_sign_it_checks(
    peer: CryptSmime, people: People, ca: FakeCA, key: str, opaque: bool
) -> None:
    signed = smimekit.sign(MAIL, people(f"alice {key}"), headers=None, opaque=opaque)
    assert lines(ENTITY)[-2:] == lines(peer.check(signed, ca.certificate))[-2:]
    with pytest.raises(Refused, match="failed to check the signature"):
        peer.check(tamper(signed, b"One line", b"One lime"), ca.certificate)
    with pytest.raises(Refused, match="failed to check the signature"):
        peer.check(signed, FakeCA("Somebody else").certificate)


@pytest.mark.parametrize("key", KEYS)
def test_it_checks_mail_with_a_protected_header(
    peer: CryptSmime, people: People, ca: FakeCA, key: str
) -> None:
    signed = smimekit.sign(MAIL, people(f"alice {key}"))
    assert b"Subject: Hi" in peer.check(signed, ca.certificate)


@pytest.mark.parametrize("key", KEYS)
def test_it_finds_whom_we_name(peer: CryptSmime, people: People, key: str) -> None:
    alice = people(f"alice {key}")
    signed = smimekit.sign(MAIL, alice)
    assert peer.certificates("signers", signed) == [alice.certificate]
    assert peer.certificates("certificates", signed) == [alice.certificate]


@pytest.mark.parametrize("key", KEYS)
def test_what_it_signs_we_verify(peer: CryptSmime, people: People, trust: Trust, key: str) -> None:
    alice = people(f"alice {key}")
    own = {"key.pem": pem(alice), "own.pem": alice.certificate.pem()}
    signed = peer.ask("sign", MAIL, own)
    with smimekit.open(signed, trust=trust) as opened:
        assert opened.protection == Protection.VERIFIED | Protection.INTACT
        payload = opened.payload(require=Protection.VERIFIED).bytes()
        assert lines(payload)[-2:] == lines(ENTITY)[-2:]
    with smimekit.open(tamper(signed, b"One line", b"One lime"), trust=trust) as opened:
        assert opened.signatures[0].integrity is Integrity.CONTENT_CHANGED


@pytest.mark.parametrize("headers", [None, HeaderProtection()], ids=["bare", "protected"])
@pytest.mark.parametrize("cipher", [AES128_CBC, AES256_GCM], ids=lambda one: one.name)
def test_what_we_encrypt_it_decrypts(
    peer: CryptSmime, people: People, cipher: ContentCipher, headers: HeaderProtection | None
) -> None:
    bob = people("bob rsa-2048")
    encrypted = smimekit.encrypt(MAIL, to=[bob.certificate], cipher=cipher, headers=headers)
    own = {"key.pem": pem(bob), "own.pem": bob.certificate.pem()}
    assert lines(ENTITY)[-2:] == lines(peer.ask("decrypt", encrypted, own))[-2:]
    carol = people("carol rsa-2048")
    other = {"key.pem": pem(carol), "own.pem": carol.certificate.pem()}
    with pytest.raises(Refused, match="failed to decrypt"):
        peer.ask("decrypt", encrypted, other)


def test_what_it_encrypts_we_decrypt(peer: CryptSmime, people: People) -> None:
    bob = people("bob rsa-2048")
    encrypted = peer.ask("encrypt", MAIL, {"others.pem": bob.certificate.pem()})
    decrypted = smimekit.decrypt(encrypted, keys=[bob])
    assert lines(decrypted.bytes())[-2:] == lines(ENTITY)[-2:]
