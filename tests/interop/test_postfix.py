"""Every shape through a real mail server that converts what is 8bit: the signature survives.

What arrives is compared, octet by octet, with what was signed, and read by OpenSSL, NSS and
us. The controls show that the server does change what is not made for it.
"""

import os
import sys
from collections.abc import Callable, Iterator

import pytest

import smimekit
from smimekit import ContentChanged, Credential, Protection, Transfer, Trust
from smimekit import algorithms as rows
from smimekit.message.layers import Encrypted, Signed
from smimekit.testing import FakeCA
from tests.conftest import IN_CI
from tests.interop.messages import DRAFTS, body_of, contents, split_signed
from tests.interop.peers import Nss, OpenSsl, People, Refused

SIGNED = Protection.VERIFIED | Protection.INTACT
ALL = SIGNED | Protection.CONFIDENTIAL
drafts = pytest.mark.parametrize("draft", DRAFTS.values(), ids=DRAFTS)


@pytest.fixture(scope="module")
def hop(require_program: Callable[[str], str]) -> Iterator[Callable[[bytes], bytes]]:
    """A mail, as it comes out of the server; twice, since mail takes more than one hop."""
    program = require_program("postfix")
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        reason = "Postfix starts for root alone"
        pytest.fail(reason) if IN_CI else pytest.skip(reason)
    from tests.interop.postfix import hop  # noqa: PLC0415 - needs aiosmtpd, and Unix

    with hop(program) as through:
        yield lambda mail: through(through(mail))


@pytest.fixture(scope="module")
def alice(people: People) -> Credential:
    return people("alice rsa-2048")


@pytest.fixture(scope="module")
def bob(people: People) -> Credential:
    """With a key that NSS can read (see test_nss.py)."""
    return people("bob rsa-2048")


Hop = Callable[[bytes], bytes]


def openssl_and_nss_verify(openssl: OpenSsl, nss: Nss, ca: FakeCA, mail: bytes) -> bytes:
    """What a multipart/signed mail signs, by both."""
    entity, signature = split_signed(mail)
    assert openssl.verify(mail, ca.certificate) == entity
    assert nss.decode(signature, content=entity) == entity
    return entity


def openssl_and_nss_decrypt(openssl: OpenSsl, nss: Nss, who: Credential, mail: bytes) -> bytes:
    found = openssl.decrypt(mail, who)
    assert nss.decode(body_of(mail)) == found
    return found


@drafts
def test_clear_signed(
    hop: Hop, openssl: OpenSsl, nss: Nss, ca: FakeCA, trust: Trust, alice: Credential, draft: bytes
) -> None:
    mail = smimekit.sign(draft, alice)
    arrived = hop(mail)
    entity = split_signed(mail)[0]
    assert openssl_and_nss_verify(openssl, nss, ca, arrived) == entity
    payload = smimekit.verify(arrived, trust)
    assert payload.bytes() == entity
    assert payload.protection == SIGNED
    assert contents(entity) == contents(draft)


@drafts
def test_opaque(
    hop: Hop, openssl: OpenSsl, nss: Nss, ca: FakeCA, trust: Trust, alice: Credential, draft: bytes
) -> None:
    mail = smimekit.sign(draft, alice, opaque=True)
    arrived = hop(mail)
    entity = smimekit.verify(mail, trust).bytes()
    assert openssl.verify(arrived, ca.certificate) == entity
    assert nss.decode(body_of(arrived)) == entity
    assert smimekit.verify(arrived, trust).bytes() == entity


@drafts
def test_encrypted(hop: Hop, openssl: OpenSsl, nss: Nss, bob: Credential, draft: bytes) -> None:
    """EnvelopedData, and AuthEnvelopedData, which NSS does not read."""
    mail = smimekit.encrypt(draft, [bob], cipher=rows.AES256_CBC)
    arrived = hop(mail)
    entity = smimekit.decrypt(mail, [bob]).bytes()
    assert openssl_and_nss_decrypt(openssl, nss, bob, arrived) == entity
    assert smimekit.decrypt(arrived, [bob]).bytes() == entity
    arrived = hop(smimekit.encrypt(draft, [bob], cipher=rows.AES256_GCM))
    assert openssl.decrypt(arrived, bob) == entity
    payload = smimekit.decrypt(arrived, [bob])
    assert payload.bytes() == entity
    assert payload.protection == Protection.CONFIDENTIAL | Protection.INTACT


@drafts
def test_signed_and_encrypted(
    hop: Hop, openssl: OpenSsl, nss: Nss, ca: FakeCA, trust: Trust, people: People, draft: bytes
) -> None:
    alice, bob = people("alice rsa-2048"), people("bob rsa-2048")
    arrived = hop(smimekit.encrypt(draft, [bob], signer=alice))
    inside = openssl_and_nss_decrypt(openssl, nss, bob, arrived)
    entity = openssl_and_nss_verify(openssl, nss, ca, inside)
    payload = smimekit.verify(arrived, trust, keys=[bob])
    assert payload.bytes() == entity
    assert payload.protection == ALL
    assert contents(entity) == contents(draft)


@drafts
def test_triple_wrapped(
    hop: Hop, openssl: OpenSsl, nss: Nss, ca: FakeCA, trust: Trust, people: People, draft: bytes
) -> None:
    """RFC 2634, 1.1: signed, encrypted, and signed again."""
    alice, bob = people("alice rsa-2048"), people("bob rsa-2048")
    arrived = hop(smimekit.sign(smimekit.encrypt(draft, [bob], signer=alice), alice))
    middle = openssl_and_nss_verify(openssl, nss, ca, arrived)
    inside = openssl_and_nss_decrypt(openssl, nss, bob, middle)
    entity = openssl_and_nss_verify(openssl, nss, ca, inside)
    with smimekit.open(arrived, keys=[bob], trust=trust) as opened:
        assert [type(layer) for layer in opened.envelope] == [Signed, Encrypted, Signed]
        assert all(each.integrity == "good" for each in opened.signatures)
        assert opened.payload(require=ALL).bytes() == entity


# --- controls: what the server does to what was not made for it ----------------------------

EIGHT_BIT = (
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    b"Gr\xc3\xbc\xc3\x9fe\r\n"
)
LONG = b"Content-Type: text/plain\r\n\r\n" + b"word " * 400 + b"end\r\n"


@pytest.mark.parametrize("entity", [EIGHT_BIT, LONG], ids=["8bit", "long line"])
def test_what_is_not_safe_breaks(
    hop: Hop,
    openssl: OpenSsl,
    ca: FakeCA,
    trust: Trust,
    people: People,
    entity: bytes,
) -> None:
    """Another program signs the octets as they are: the signature does not survive. Ours does."""
    alice, sender = people("alice"), ("-from", "alice@example.org")
    mail = openssl.sign(entity, alice, *sender, "-crlfeol")
    assert smimekit.verify(mail, trust).bytes() == entity
    arrived = hop(mail)
    assert arrived.isascii()
    with pytest.raises(ContentChanged):
        smimekit.verify(arrived, trust)
    with pytest.raises(Refused):
        openssl.verify(arrived, ca.certificate)
    ours = hop(smimekit.sign(b"From: alice@example.org\r\n" + entity, alice))
    assert contents(smimekit.verify(ours, trust).bytes()) == contents(entity)
    assert openssl.verify(ours, ca.certificate)


def test_what_is_made_for_a_binary_transport_breaks(hop: Hop, trust: Trust, people: People) -> None:
    """`Transfer.BINARY` is not for mail, and says so."""
    draft = b"From: alice@example.org\r\n" + EIGHT_BIT
    mail = smimekit.sign(draft, people("alice"), transfer=Transfer.BINARY)
    assert smimekit.verify(mail, trust).bytes().endswith("Grüße\r\n".encode())
    with pytest.raises(ContentChanged):
        smimekit.verify(hop(mail), trust)
