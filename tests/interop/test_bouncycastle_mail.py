"""Whole mails: those that Bouncy Castle's MIME classes write and read, and ours.

What its 1.72 cannot do:

* AuthEnvelopedData in mail.
* See that a line is no boundary, where it begins like one (RFC 2046, 5.1.1): it writes the parts
  of a detached multipart anew to digest them, and misses the signature.
"""

import pytest

import smimekit
from smimekit import Credential, Protection, Trust
from smimekit import algorithms as rows
from smimekit.message.layers import Compressed
from tests.interop.castle import BouncyCastle, agree, transport
from tests.interop.messages import DRAFTS, contents, split_signed, tamper
from tests.interop.peers import People, Refused, reads_or_says

ENTITY = (
    b"Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
    b"One line,\r\nand another.\r\n"
)
MAIL = b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Hi\r\n" + ENTITY
ALICE = "alice@example.org"
BEGINS_LIKE_A_BOUNDARY = b"--outer is a word"
SIGNERS = {"rsa-2048": "SHA256withRSA", "p384": "SHA384withECDSA", "ed25519": "Ed25519"}
FORMS = pytest.mark.parametrize("options", ["", "detached"], ids=["opaque", "detached"])


def recipient(who: Credential, kind: str) -> str:
    if kind.startswith("rsa"):
        return transport(who.certificate)
    scheme = rows.ECDH_HKDF_SHA256 if kind == "x25519" else rows.ECDH_STD_SHA256
    return agree(who.certificate, scheme.oid, rows.AES256_WRAP.oid)


# --- signed --------------------------------------------------------------------------------


@FORMS
@pytest.mark.parametrize("key", SIGNERS)
def test_signed_by_them(
    bouncycastle: BouncyCastle, people: People, trust: Trust, key: str, options: str
) -> None:
    mail = bouncycastle.write_mail(
        "signed", ENTITY, (people(f"alice {key}"), SIGNERS[key]), options=options
    )
    assert (b"multipart/signed" in mail) == (options == "detached")
    assert smimekit.verify(mail, trust).bytes() == ENTITY
    changed = tamper(mail, b"One line", b"Two line")
    with pytest.raises(smimekit.ContentChanged):
        smimekit.verify(changed, trust)
    with pytest.raises(Refused):
        bouncycastle.read_mail("signed", changed)


@pytest.mark.parametrize("opaque", [True, False], ids=["opaque", "detached"])
@pytest.mark.parametrize("key", SIGNERS)
def test_signed_by_us(bouncycastle: BouncyCastle, people: People, key: str, opaque: bool) -> None:
    mail = smimekit.sign(MAIL, people(f"alice {key}"), opaque=opaque, headers=None)
    assert bouncycastle.read_mail("signed", mail) == ENTITY
    with pytest.raises(Refused):
        bouncycastle.read_mail("signed", tamper(mail, b"One line", b"Two line"))


@pytest.mark.parametrize("opaque", [True, False], ids=["opaque", "detached"])
@pytest.mark.parametrize("draft", DRAFTS.values(), ids=DRAFTS)
def test_drafts(bouncycastle: BouncyCastle, people: People, draft: bytes, opaque: bool) -> None:
    draft = draft.replace(BEGINS_LIKE_A_BOUNDARY, b"Outer is a word")
    mail = smimekit.sign(draft, people("alice"), opaque=opaque, headers=None)
    assert contents(bouncycastle.read_mail("signed", mail)) == contents(draft)


def test_limit_a_line_like_a_boundary(bouncycastle: BouncyCastle, people: People) -> None:
    draft = DRAFTS["nested"]
    assert BEGINS_LIKE_A_BOUNDARY in draft
    mail = smimekit.sign(draft, people("alice"), headers=None)
    says = "message-digest attribute value does not match"
    entity = split_signed(mail)[0]
    reads_or_says(lambda cms: bouncycastle.read_mail("signed", cms), mail, entity, says)


# --- enveloped and compressed --------------------------------------------------------------


@pytest.mark.parametrize("key", ["rsa-2048", "p256", "x25519"])
def test_enveloped(bouncycastle: BouncyCastle, people: People, key: str) -> None:
    bob = people(f"bob {key}")
    theirs = bouncycastle.write_mail(
        "enveloped", ENTITY, cipher=rows.AES256_CBC.oid, recipient=recipient(bob, key)
    )
    assert smimekit.decrypt(theirs, [bob]).bytes() == ENTITY
    assert (
        bouncycastle.read_mail("enveloped", smimekit.encrypt(MAIL, [bob], headers=None), bob)
        == ENTITY
    )
    with pytest.raises(smimekit.NoMatchingKey):
        smimekit.decrypt(theirs, [people(f"carol {key}")])


@FORMS
def test_signed_then_enveloped(
    bouncycastle: BouncyCastle, people: People, trust: Trust, options: str
) -> None:
    alice, bob = people("alice"), people("bob")
    signed = bouncycastle.write_mail("signed", ENTITY, (alice, "SHA256withECDSA"), options=options)
    theirs = bouncycastle.write_mail(
        "enveloped", signed, cipher=rows.AES128_CBC.oid, recipient=recipient(bob, "p256")
    )
    payload = smimekit.verify(theirs, trust, keys=[bob])
    assert payload.bytes() == ENTITY
    assert payload.protection == ~Protection.NONE
    ours = smimekit.encrypt(MAIL, [bob], signer=alice, headers=None)
    inner = bouncycastle.read_mail("enveloped", ours, bob)
    assert bouncycastle.read_mail("signed", inner) == ENTITY


def test_compressed(bouncycastle: BouncyCastle, people: People, trust: Trust) -> None:
    """Which OpenSSL does not do in Debian: compressed, and signed around it (RFC 8551, 3.6)."""
    mail = bouncycastle.write_mail("compressed", ENTITY)
    with smimekit.open(mail, trust=trust) as opened:
        (layer,) = opened.envelope
        assert isinstance(layer, Compressed)
        assert layer.content.bytes() == ENTITY
    signed = bouncycastle.write_mail("signed", mail, (people("alice"), "SHA256withECDSA"))
    with smimekit.open(signed, trust=trust, expect=ALICE) as opened:
        assert len(opened.envelope) == 2
        assert opened.payload(require=Protection.VERIFIED).bytes() == ENTITY
