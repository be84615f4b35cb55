"""Messages that are hard to carry unchanged, through every program in both directions.

What a program makes or reads is compared with the canonical entity (RFC 8551, 3.1), octet by
octet; that this entity says what the draft said, Python's email package is asked.
"""

import pytest

import smimekit
from smimekit import Protection, Trust
from smimekit import algorithms as rows
from smimekit.testing import FakeCA
from tests.interop.messages import DRAFTS, body_of, contents, split_signed
from tests.interop.peers import Gpgsm, Nss, OpenSsl, People

drafts = pytest.mark.parametrize("draft", DRAFTS.values(), ids=DRAFTS)


def entity_of(message: bytes, trust: Trust) -> bytes:
    return smimekit.verify(message, trust).bytes()


@drafts
def test_entity_is_canonical_and_says_the_same(people: People, trust: Trust, draft: bytes) -> None:
    message = smimekit.sign(draft, people("alice"))
    entity = split_signed(message)[0]
    assert entity == entity_of(message, trust)
    assert entity.isascii()
    assert b"\0" not in entity
    assert entity.replace(b"\r\n", b"").count(b"\n") == 0
    assert entity.replace(b"\r\n", b"").count(b"\r") == 0
    lines = entity.split(b"\r\n")
    assert all(len(line) <= 998 for line in lines)
    assert not any(line.startswith(b"From ") for line in lines)
    assert not any(line.endswith((b" ", b"\t")) for line in lines)
    assert contents(entity) == contents(draft)


# --- from us -------------------------------------------------------------------------------


@drafts
def test_openssl_verifies(
    openssl: OpenSsl, people: People, ca: FakeCA, trust: Trust, draft: bytes
) -> None:
    message = smimekit.sign(draft, people("alice"))
    entity = entity_of(message, trust)
    assert openssl.verify(message, ca.certificate) == entity
    # As it comes out of a Unix mailbox.
    stored = message.replace(b"\r\n", b"\n")
    assert openssl.verify(stored, ca.certificate) == entity
    assert entity_of(stored, trust) == entity
    opaque = smimekit.sign(draft, people("alice"), opaque=True)
    assert openssl.verify(opaque, ca.certificate) == entity


@drafts
@pytest.mark.parametrize("cipher", [rows.AES256_CBC, rows.AES128_GCM], ids=["CBC", "GCM"])
def test_openssl_decrypts(
    openssl: OpenSsl, people: People, trust: Trust, draft: bytes, cipher: rows.ContentCipher
) -> None:
    bob = people("bob")
    entity = entity_of(smimekit.sign(draft, people("alice"), headers=None), trust)
    message = smimekit.encrypt(draft, [bob], cipher=cipher, headers=None)
    assert openssl.decrypt(message, bob) == entity
    assert smimekit.decrypt(message, [bob]).bytes() == entity
    protected = smimekit.encrypt(draft, [bob], cipher=cipher)
    entity = smimekit.decrypt(protected, [bob]).bytes()
    assert openssl.decrypt(protected, bob) == entity
    assert contents(entity) == contents(draft)
    assert b"\r\nHP-Outer: Subject: [...]\r\n" in entity


@drafts
def test_nss_verifies_and_decrypts(nss: Nss, people: People, draft: bytes) -> None:
    entity, signature = split_signed(smimekit.sign(draft, people("alice")))
    assert nss.decode(signature, content=entity) == entity
    opaque = body_of(smimekit.sign(draft, people("alice rsa-2048"), opaque=True))
    assert nss.decode(opaque) == entity
    sealed = smimekit.encrypt(draft, [people("bob rsa-2048")])
    entity = smimekit.decrypt(sealed, [people("bob rsa-2048")]).bytes()
    assert contents(entity) == contents(draft)
    assert nss.decode(body_of(sealed)) == entity


@drafts
def test_gpgsm_verifies_and_decrypts(gpgsm: Gpgsm, people: People, draft: bytes) -> None:
    entity, signature = split_signed(smimekit.sign(draft, people("alice")))
    assert gpgsm.verify(signature, content=entity) == entity
    sealed = smimekit.encrypt(draft, [people("bob rsa-2048")])
    entity = smimekit.decrypt(sealed, [people("bob rsa-2048")]).bytes()
    assert contents(entity) == contents(draft)
    assert gpgsm.decrypt(body_of(sealed)) == entity


# --- to us ---------------------------------------------------------------------------------


def inside(draft: bytes) -> bytes:
    """A draft without the fields that stay outside: what a mail program hands to its signer."""
    end = b"\r\n" if b"\r\n" in draft.splitlines(keepends=True)[0] else b"\n"
    head, empty, body = draft.partition(end * 2)
    kept = [line for line in head.split(end) if line.startswith(b"Content-")]
    return end.join([*kept, b"", body if empty else b""])


@drafts
@pytest.mark.parametrize("options", [(), ("-nodetach",)], ids=["detached", "opaque"])
@pytest.mark.parametrize(
    "end", [(), ("-crlfeol",), ("-binary",)], ids=["as LF", "as CRLF", "binary"]
)
def test_openssl_signs(
    openssl: OpenSsl,
    people: People,
    ca: FakeCA,
    trust: Trust,
    draft: bytes,
    options: tuple[str, ...],
    end: tuple[str, ...],
) -> None:
    sender = ("-from", "alice@example.org")
    message = openssl.sign(inside(draft), people("alice"), *sender, *options, *end)
    as_it_is = tuple(option for option in end if option == "-binary")
    theirs = openssl.verify(message, ca.certificate, *as_it_is)
    if as_it_is and not options and theirs.endswith(b"\r"):
        # It writes LF before the delimiter, and the last CR of the content makes CRLF of it:
        # that is the delimiter's (RFC 2046, 5.1.1). Nobody else could tell.
        with pytest.raises(smimekit.ContentChanged):
            entity_of(message, trust)
        return
    assert entity_of(message, trust) == theirs


@drafts
@pytest.mark.parametrize("options", [(), ("-stream",), ("-binary",)], ids=" ".join)
def test_openssl_encrypts(
    openssl: OpenSsl, people: People, draft: bytes, options: tuple[str, ...]
) -> None:
    bob = people("bob")
    for cipher in ("-aes-128-cbc", "-aes-128-gcm"):
        message = openssl.encrypt(inside(draft), [bob.certificate], cipher, *options)
        theirs = openssl.decrypt(message, bob)
        assert smimekit.decrypt(message, [bob]).bytes() == theirs


@drafts
def test_nss_signs(nss: Nss, people: People, trust: Trust, draft: bytes) -> None:
    """It takes the octets as they are, which the standard would not."""
    content, expect = inside(draft), "alice@example.org"
    opaque = nss.sign(content, people("alice"))
    assert smimekit.verify(opaque, trust, expect=expect).bytes() == content
    detached = nss.sign(content, people("alice rsa-2048"), "-T")
    assert smimekit.verify(detached, trust, content=content, expect=expect).bytes() == content


@drafts
def test_nss_encrypts(nss: Nss, people: People, draft: bytes) -> None:
    bob = people("bob rsa-2048")
    encrypted = nss.encrypt(inside(draft), bob.certificate)
    assert smimekit.decrypt(encrypted, [bob]).bytes() == inside(draft)


@drafts
def test_gpgsm_signs_and_encrypts(gpgsm: Gpgsm, people: People, trust: Trust, draft: bytes) -> None:
    content, expect = inside(draft), "alice@example.org"
    alice, bob = people("alice rsa-2048"), people("bob rsa-2048")
    opaque = gpgsm.sign(content, alice)
    assert smimekit.verify(opaque, trust, expect=expect).bytes() == content
    detached = gpgsm.sign(content, alice, "--detach-sign")
    assert smimekit.verify(detached, trust, content=content, expect=expect).bytes() == content
    encrypted = gpgsm.encrypt(content, bob.certificate)
    with smimekit.open(encrypted, keys=[bob], trust=trust) as opened:
        assert opened.payload(require=Protection.CONFIDENTIAL).bytes() == content
