"""Signature spoofing ("Johnny, you are fired!", Müller et al., 2019): a good signature of
something must never verify something else.
"""

import pytest

import smimekit
from smimekit import CmsError, ContentChanged, NotSigned, Protection, WrongSender, der
from smimekit.cms.identifiers import IssuerAndSerialNumber
from smimekit.message.identity import Identity
from smimekit.message.layers import Integrity, Signed
from smimekit.testing import FakeCA
from tests.message.people import (
    ALICE,
    BOB,
    MALLORY,
    NOW,
    alice,
    as_part,
    bare_enveloped,
    bare_signed,
    bob,
    clear_signed,
    draft,
    entity,
    mallory,
    mime,
    multipart,
    signed_entity,
    signer_info,
    trust,
    with_footer,
)

LIE = entity("Transfer the money to Mallory.")


def nothing_verified(mail: bytes, kinds: list[str]) -> None:
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        assert opened.envelope == ()
        assert opened.signatures == ()
        assert opened.protection == Protection.NONE
        assert [each.kind for each in opened.errant] == kinds
    with pytest.raises(NotSigned):
        smimekit.verify(mail, trust(), keys=[bob()])


@pytest.mark.parametrize("subtype", ["mixed", "related", "alternative", "report", "x-unknown"])
@pytest.mark.parametrize("opaque", [False, True])
@pytest.mark.parametrize("order", [1, -1])
def test_a_signed_part_hidden_among_others(subtype: str, opaque: bool, order: int) -> None:
    """RFC 9787, 4.5: an errant signature says nothing about the message around it."""
    good = as_part(smimekit.sign(draft(), alice(), opaque=opaque))
    parts = [LIE, good][::order]
    nothing_verified(multipart(subtype, *parts), ["signed"])
    nothing_verified(multipart(subtype, good), ["signed"])


def test_a_signed_part_hidden_two_deep() -> None:
    good = as_part(smimekit.sign(draft(), alice()))
    inner = multipart("related", good, sender=None, boundary="inn")
    nothing_verified(multipart("mixed", LIE, inner), ["signed"])


def test_a_forwarded_mail() -> None:
    """RFC 9787, 4.5: what is below message/rfc822 belongs to the forwarded message."""
    forwarded = b"Content-Type: message/rfc822\r\n\r\n" + smimekit.sign(draft(), alice())
    nothing_verified(multipart("mixed", LIE, forwarded), ["signed"])
    nothing_verified(f"From: {ALICE}\r\n".encode() + forwarded, ["signed"])
    mail = multipart("mixed", LIE, forwarded)
    with smimekit.open(mail, trust=trust()) as opened:
        separately = smimekit.verify(opened.errant[0].span.bytes(), trust())
        assert separately.bytes() == signed_entity()


def test_a_mailing_list_footer_around() -> None:
    """The list wraps the signed part and adds a footer: reported, and openable by itself."""
    mail = with_footer(smimekit.sign(draft(), alice()))
    nothing_verified(mail, ["signed"])
    with smimekit.open(mail, trust=trust()) as opened:
        [errant] = opened.errant
    source = errant.span.bytes()
    assert smimekit.verify(source, trust(), expect=ALICE).bytes() == signed_entity()


def test_a_mailing_list_footer_inside() -> None:
    mail = smimekit.sign(draft(), alice()).replace(b"is on.\r\n", b"is on.\r\n--\r\nlist\r\n")
    with pytest.raises(ContentChanged) as error:
        smimekit.verify(mail, trust())
    assert error.value.code == "content-changed.content"


def test_content_inside_a_detached_signature() -> None:
    """RFC 5652, 5.2: in a detached signature eContent is absent. Else a reader that takes it
    shows one thing and verifies another.
    """
    confused = bare_signed(entity(), alice())
    for shown in (LIE, entity()):
        with pytest.raises(CmsError) as error:
            smimekit.open(clear_signed(shown, confused), trust=trust())
        assert error.value.code == "cms.unexpected-content"


def test_an_empty_content_inside_a_detached_signature() -> None:
    confused = bare_signed(b"", alice())
    with pytest.raises(CmsError):
        smimekit.open(clear_signed(LIE, confused), trust=trust())


def test_a_detached_signature_without_its_content() -> None:
    with pytest.raises(CmsError) as error:
        smimekit.open(mime(bare_signed(LIE, alice(), detached=True), "signed-data"), trust=trust())
    assert error.value.code == "cms.no-content"


def test_a_signature_of_other_content() -> None:
    mail = clear_signed(LIE, bare_signed(entity(), alice(), detached=True))
    with pytest.raises(ContentChanged):
        smimekit.verify(mail, trust())


def test_an_enveloped_object_in_place_of_the_signature() -> None:
    mail = clear_signed(LIE, bare_enveloped(bare_signed(LIE, alice()), bob()))
    with pytest.raises(CmsError) as error:
        smimekit.open(mail, keys=[bob()], trust=trust())
    assert error.value.code == "cms.not-signed-data"


def test_the_outer_signature_is_stripped_and_replaced() -> None:
    """RFC 9787, 5.2: Mallory takes Alice's signature off the ciphertext and puts on her own."""
    sealed = smimekit.encrypt(draft(), [bob().certificate])
    stolen = smimekit.sign(sealed, mallory()).replace(
        f"From: {ALICE}".encode(), f"From: {MALLORY}".encode()
    )
    with smimekit.open(stolen, keys=[bob()], trust=trust()) as opened:
        [signature] = opened.signatures
        assert signature.identity is Identity.MISMATCH  # Alice's name is inside
        assert opened.protection == Protection.CONFIDENTIAL
    sealed = smimekit.encrypt(draft(), [bob().certificate], headers=None)
    stolen = smimekit.sign(sealed, mallory()).replace(
        f"From: {ALICE}".encode(), f"From: {MALLORY}".encode()
    )
    with smimekit.open(stolen, keys=[bob()], trust=trust()) as opened:
        [signature] = opened.signatures
        assert signature.identity is Identity.MATCH
        assert opened.protection == Protection.CONFIDENTIAL
    with pytest.raises(NotSigned) as error:
        smimekit.verify(stolen, trust(), keys=[bob()])
    assert error.value.code == "not-signed.outside-encryption"


def test_a_good_signature_of_somebody_else() -> None:
    for mail in (
        smimekit.sign(draft(ALICE), mallory()),
        smimekit.sign(draft(ALICE), mallory(), opaque=True),
        smimekit.encrypt(draft(ALICE), [bob().certificate], signer=mallory()),
    ):
        with pytest.raises(WrongSender) as error:
            smimekit.verify(mail, trust(), keys=[bob()])
        assert error.value.code == "wrong-sender"


def test_two_signers_do_not_lend_each_other_their_facts() -> None:
    """A trusted signature of Mallory's and an untrusted, matching one make no verified mail."""
    forged = FakeCA("Root CA", now=alice().certificate.not_before).self_signed(ALICE)
    infos = [signer_info(LIE, mallory()), signer_info(LIE, forged)]
    bag = [mallory().certificate, forged.certificate]
    mail = mime(bare_signed(LIE, mallory(), infos=infos, bag=bag), "signed-data")
    with smimekit.open(mail, trust=trust()) as opened:
        facts = {(one.intact, one.trusted, one.by_sender) for one in opened.signatures}
        assert (True, False, True) in facts
        assert (True, True, True) not in facts
        assert opened.protection == Protection.INTACT


def test_the_same_name_and_another_key() -> None:
    """An authority of the same name, and a certificate of the same subject, are still others."""
    imitation = FakeCA("Root CA", now=NOW).intermediate("Mail CA").person(ALICE)
    with pytest.raises(smimekit.UntrustedSigner):
        smimekit.verify(smimekit.sign(draft(), imitation), trust())


def test_somebody_elses_certificate_beside_ones_own_signature() -> None:
    """The bag holds Alice's certificate; the signature is Mallory's: named, and not Alice's."""
    info = signer_info(LIE, mallory())
    source = bare_signed(LIE, mallory(), infos=[info], bag=[alice().certificate])
    with smimekit.open(mime(source, "signed-data"), trust=trust()) as opened:
        [signature] = opened.signatures
        assert signature.integrity is Integrity.NO_CERTIFICATE
        assert (signature.algorithm, signature.digest) == ("ecdsa-sha256", "sha256")
        assert signature.reasons == (
            "the signer's certificate is not in the message",
            "the key is not known",
        )
        assert opened.protection == Protection.NONE


def test_a_signer_that_names_somebody_elses_certificate() -> None:
    """Mallory's signature under Alice's issuer and serial number does not match her key."""
    inside = der.Reader(signer_info(LIE, mallory())).enter(der.SEQUENCE)
    version = inside.raw()
    inside.raw()
    sid = IssuerAndSerialNumber.of(alice().certificate).encode()
    info = der.sequence(version, sid, inside.rest())
    source = bare_signed(LIE, alice(), infos=[info])
    with smimekit.open(mime(source, "signed-data"), trust=trust()) as opened:
        assert opened.signatures[0].integrity in {Integrity.BAD_SIGNATURE, Integrity.MALFORMED}
        assert opened.protection == Protection.NONE


def test_a_document_is_no_signature() -> None:
    """An attached .p7s or .p7m file is a document: it signs nothing of this mail."""
    detached = bare_signed(LIE, alice(), detached=True)
    part = mime(detached, "signed-data", None).replace(
        b"application/pkcs7-mime; smime-type=signed-data", b"application/pkcs7-signature"
    )
    nothing_verified(multipart("mixed", LIE, part), [])
    alone = f"From: {ALICE}\r\n".encode() + part
    nothing_verified(alone, [])
    octets = part.replace(b"application/pkcs7-signature", b"application/octet-stream").replace(
        b"smime.p7m", b"contract.pdf.p7s"
    )
    nothing_verified(f"From: {ALICE}\r\n".encode() + octets, [])


def test_a_mail_that_only_talks_about_being_signed() -> None:
    for field in ("X-SMIME: verified", "Content-Description: S/MIME signed"):
        nothing_verified(f"{field}\r\n".encode() + draft(), [])


def test_a_reply_below_a_signature_of_bob() -> None:
    """The layers are those of one chain: a signature of an earlier mail is not this mail's."""
    earlier = smimekit.sign(draft(BOB), bob())
    mail = multipart("mixed", entity("reply"), b"Content-Type: message/rfc822\r\n\r\n" + earlier)
    signed = smimekit.sign(mail, alice())
    with smimekit.open(signed, trust=trust()) as opened:
        [layer] = opened.envelope
        assert isinstance(layer, Signed)
        assert [each.certificate for each in opened.signatures] == [alice().certificate]
        assert [each.kind for each in opened.errant] == ["signed"]
