"""Signatures that cannot be read, and signatures of something that is no message."""

import pytest

import smimekit
from smimekit import ContentChanged, Credential, Protection, VerificationError, der
from smimekit.algorithms import SHA256
from smimekit.cms.content import DATA, SIGNED_DATA, TST_INFO, content_info, encapsulated
from smimekit.cms.signed_writing import certs_only, signed_data
from smimekit.message import recognise
from smimekit.message.layers import Integrity, Signed
from smimekit.policy import Grade, Policy
from tests.message.people import (
    ALICE,
    alice,
    bare_enveloped,
    bob,
    ca,
    clear_signed,
    draft,
    entity,
    mallory,
    mime,
    signer_info,
    trust,
)

REPORT = "1.3.6.1.4.1.32473.5"
"""A content type of somebody's own."""


def signed(
    content: bytes,
    content_type: str,
    *infos: bytes,
    detached: bool = False,
    who: Credential | None = None,
) -> bytes:
    """A SignedData of Alice's over content of any type."""
    who = who or alice()
    return signed_data(
        None if detached else content,
        {Policy.INTEROP.scheme_for(who.certificate.public_key).digest.identifier},
        (who.certificate.der, ca().certificate.der),
        infos or (signer_info(content, who, content_type=content_type),),
        content_type=content_type,
    )


def facts(message: bytes, **more: bytes) -> tuple[Signed, Protection]:
    with smimekit.open(message, trust=trust(), **more) as opened:  # type: ignore[arg-type]  # content
        layer = opened.envelope[0]
        assert isinstance(layer, Signed)
        return layer, opened.protection


# --- a SignerInfo that is none -------------------------------------------------------------


def without(info: bytes, *, field: int) -> bytes:
    """A SignerInfo that lacks a field."""
    inside, parts = der.Reader(info).enter(der.SEQUENCE), []
    while inside.more:
        parts.append(inside.raw())
    del parts[field]
    return der.sequence(*parts)


def broken() -> list[bytes]:
    good = signer_info(entity(), alice())
    return [
        *(without(good, field=at) for at in (0, 1, 2, 4, 5)),
        der.sequence(),
        der.integer(1),
        der.sequence(good),
        good[:-1] + b"\x05\x00",  # a length that does not fit: read as one value by the SET
    ]


def with_infos(*infos: bytes, content: bytes | None = None) -> bytes:
    """A SignedData with these in the place of SignerInfos."""
    bag = [each.certificate.der for each in (alice(), mallory())] + [ca().certificate.der]
    inside = der.sequence(
        der.integer(1),
        der.set_of([SHA256.identifier.encode()]),
        encapsulated(DATA, content),
        der.set_of(bag, 0xA0),
        der.tlv(der.SET, *infos),
    )
    return content_info(SIGNED_DATA, inside)


@pytest.mark.parametrize("bad", broken()[:-1])
def test_what_is_wrong_with_one_signature_is_its_own_fact(bad: bytes) -> None:
    """RFC 5652, 5.3; RFC 9787: several signatures are each a result of their own."""
    mail = clear_signed(entity(), with_infos(signer_info(entity(), alice()), bad))
    layer, protection = facts(mail)
    good, other = layer.signatures
    assert good.intact
    assert good.by_sender
    assert (other.integrity, other.certificate) == (Integrity.MALFORMED, None)
    assert not other.intact
    assert other.assessment.grade is Grade.REFUSED
    assert other.reasons
    assert Protection.VERIFIED in protection
    assert smimekit.verify(mail, trust()).bytes() == entity()


@pytest.mark.parametrize("bad", broken()[:-1])
def test_nothing_but_an_unreadable_signature(bad: bytes) -> None:
    """It is there, so the message is not unsigned; and it does not verify."""
    for mail in (
        clear_signed(entity(), with_infos(bad)),
        mime(with_infos(bad, content=entity()), "signed-data"),
    ):
        layer, protection = facts(mail)
        (found,) = layer.signatures
        assert found.integrity is Integrity.MALFORMED
        assert protection == Protection.NONE
        with pytest.raises(VerificationError) as caught:
            smimekit.verify(mail, trust())
        assert caught.value.code == "verification.malformed"


def test_signatures_that_cannot_be_split_are_refused() -> None:
    """The SET itself is malformed then: where one ends nobody can say."""
    mail = clear_signed(entity(), with_infos(broken()[-1]))
    with pytest.raises(smimekit.SmimeError):
        smimekit.open(mail, trust=trust())


def test_a_detached_signature_that_cannot_be_read_needs_its_content() -> None:
    """It is no certs-only message, which has no signer at all."""
    bare = with_infos(der.sequence())
    with pytest.raises(smimekit.CmsError) as caught:
        smimekit.open(bare, trust=trust())
    assert caught.value.code == "cms.no-content"
    layer, _ = facts(bare, content=entity())
    assert [each.integrity for each in layer.signatures] == [Integrity.MALFORMED]


# --- content that is no message ------------------------------------------------------------


@pytest.mark.parametrize("content_type", [REPORT, TST_INFO, SIGNED_DATA])
def test_what_is_no_message_does_not_verify_a_mail(content_type: str) -> None:
    """RFC 8551, 2.4.1: MIME content is id-data. The signature itself is good."""
    for mail in (
        mime(signed(entity(), content_type), "signed-data"),
        clear_signed(entity(), signed(entity(), content_type, detached=True)),
    ):
        layer, protection = facts(mail)
        (found,) = layer.signatures
        assert layer.content_type == content_type
        assert found.intact
        assert found.trusted
        assert found.by_sender
        assert not found.of_message
        assert any("no message" in reason for reason in found.reasons)
        assert Protection.VERIFIED not in protection
        with pytest.raises(VerificationError) as caught:
            smimekit.verify(mail, trust())
        assert caught.value.code == "verification.content-type"
        with smimekit.open(mail, trust=trust()) as opened:
            assert smimekit.harvest(opened).found == ()


def test_the_same_as_plain_data_verifies() -> None:
    for mail in (
        mime(signed(entity(), DATA), "signed-data"),
        clear_signed(entity(), signed(entity(), DATA, detached=True)),
    ):
        layer, _ = facts(mail)
        assert layer.content_type == DATA
        assert layer.signatures[0].of_message
        assert smimekit.verify(mail, trust()).bytes() == entity()


def test_it_does_not_verify_inside_an_encryption_either() -> None:
    inner = mime(signed(entity(), REPORT), "signed-data", None)
    mail = mime(bare_enveloped(inner, bob()), "enveloped-data")
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        assert Protection.VERIFIED not in opened.protection
        assert Protection.CONFIDENTIAL in opened.protection


def test_it_does_not_verify_where_cms_stands_bare_inside_a_mail() -> None:
    mail = mime(bare_enveloped(signed(entity(), REPORT), bob()), "enveloped-data")
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        assert len(opened.envelope) == 2
        assert Protection.VERIFIED not in opened.protection
    alike = mime(bare_enveloped(signed(entity(), DATA), bob()), "enveloped-data")
    with smimekit.open(alike, keys=[bob()], trust=trust()) as opened:
        assert Protection.VERIFIED in opened.protection


def test_bare_cms_says_of_what_type_its_content_is() -> None:
    """Whoever opens it by itself asked for it, and is told what it is."""
    bare = signed(b"a report", REPORT)
    layer, protection = facts(bare)
    assert layer.content_type == REPORT
    assert layer.signatures[0].of_message
    assert Protection.VERIFIED in protection
    detached = signed(b"a report", REPORT, detached=True)
    layer, protection = facts(detached, content=b"a report")
    assert layer.content_type == REPORT
    assert Protection.VERIFIED in protection


def test_the_type_beside_the_content_is_not_believed() -> None:
    """RFC 5652, 11.1: the signed attribute says which type it was."""
    info = signer_info(entity(), alice(), content_type=REPORT)
    for mail in (
        mime(signed(entity(), DATA, info), "signed-data"),
        clear_signed(entity(), signed(entity(), DATA, info, detached=True)),
        signed(entity(), DATA, info),
    ):
        layer, protection = facts(mail)
        assert layer.signatures[0].integrity is Integrity.MALFORMED
        assert Protection.VERIFIED not in protection


def test_certificates_only_are_not_signed() -> None:
    """A bag of certificates in the place of a message, or of a signature, shows nobody."""
    bag = certs_only((alice().certificate.der,))
    for mail in (mime(bag, "certs-only"), clear_signed(entity(), bag)):
        layer, protection = facts(mail)
        assert layer.signatures == ()
        assert protection == Protection.NONE
        with pytest.raises(smimekit.NotSigned):
            smimekit.verify(mail, trust())


def test_an_honest_mail_is_of_plain_data() -> None:
    layer, _ = facts(smimekit.sign(draft(ALICE), alice(), opaque=True))
    assert layer.content_type == DATA


# --- what the label says of the digests ----------------------------------------------------


@pytest.mark.parametrize(
    "micalg", ["sha-256", "SHA256", "sha-512", "md5,sha-1,sha-256", "sha-512, sha-256", "?", ""]
)
def test_micalg_decides_nothing(micalg: str) -> None:
    """A long part is digested while its end is searched for, by what the label names; what the
    signature names counts.
    """
    mail = smimekit.sign(draft(text="A line of text.\r\n" * 20_000), alice())
    mail = mail.replace(b'micalg="sha-256"', b'micalg="%s"' % micalg.encode(), 1)
    content = smimekit.verify(mail, trust()).bytes()
    assert content in mail
    assert content.count(b"A line of text.") == 20_000
    at = mail.rindex(b"text.\r\n")
    for changed in (mail[:at] + b"Text." + mail[at + 5 :], mail.replace(b"A line", b"a line", 1)):
        with pytest.raises(ContentChanged):
            smimekit.verify(changed, trust())


def test_a_label_costs_no_more_than_two_digests() -> None:
    """Nothing vouches for it, and each digest takes its time over all of the content."""
    names = ["sha-1", *(f"sha-{size}" for size in (224, 256, 384, 512)), "sha3-512", "shake256"]
    label = ",".join(names * 100)
    assert len(recognise._announced(label)) == 2
    assert recognise._announced("sha-256") == (SHA256,)
    assert recognise._announced(None) == recognise._announced("whirlpool") == ()
