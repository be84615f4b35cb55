"""Errant layers (RFC 9787, 4.5): listed with kind, place and span; openable by themselves."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import smimekit
from smimekit import (
    InsufficientProtection,
    Limits,
    NotSigned,
    Policy,
    Protection,
    UsageError,
    WrongSender,
)
from smimekit.cms.compressed import compressed_data
from smimekit.cms.signed_writing import certs_only
from smimekit.message.errant import find_errant
from smimekit.message.identity import Identity
from smimekit.message.layers import Encrypted, Signed
from smimekit.mime.scanner import Entity, read_entity
from smimekit.span import Span
from tests.message.people import (
    ALICE,
    BOB,
    MALLORY,
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
    trust,
)


def signed(*, opaque: bool = False) -> bytes:
    return as_part(smimekit.sign(draft(), alice(), opaque=opaque, headers=None))


def encrypted() -> bytes:
    return as_part(smimekit.encrypt(draft(), [bob().certificate], signer=alice(), headers=None))


def inner(subtype: str, *parts: bytes, boundary: str = "inn") -> bytes:
    """A multipart as a part of another."""
    return multipart(subtype, *parts, sender=None, boundary=boundary)


def forwarded(mail: bytes, media: str = "message/rfc822") -> bytes:
    return f"Content-Type: {media}\r\n\r\n".encode() + mail


def listed(mail: bytes) -> list[tuple[str, str]]:
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        return [(each.name, each.kind) for each in opened.errant]


# --- kind and name -------------------------------------------------------------------------

CMS: dict[str, tuple[Callable[[], bytes], str]] = {
    "signed": (lambda: bare_signed(entity(), alice()), "signed"),
    "encrypted": (lambda: bare_enveloped(entity(), bob()), "encrypted"),
    "compressed": (lambda: compressed_data(entity()), "cms"),
    "certificates": (lambda: certs_only([alice().certificate.der]), "cms"),
}


@pytest.mark.parametrize("label", ["signed-data", "enveloped-data", "authEnveloped-data", "x"])
@pytest.mark.parametrize("content", CMS)
def test_the_kind_is_that_of_the_content(content: str, label: str) -> None:
    """What a label says of an encrypted part does not make it a signed one."""
    make, kind = CMS[content]
    assert listed(multipart("mixed", entity(), mime(make(), label, None))) == [("2", kind)]


@pytest.mark.parametrize(
    "label, kind",
    [("signed-data", "signed"), ("enveloped-data", "encrypted"),
     ("AuthEnveloped-Data", "encrypted"), ("compressed-data", "cms"), ("x", "cms")],
)  # fmt: skip
def test_the_label_counts_where_the_content_cannot_be_read(label: str, kind: str) -> None:
    assert listed(multipart("mixed", mime(b"\x30\x80 damaged", label, None))) == [("1", kind)]


def test_names_say_the_way() -> None:
    """Several levels, several kinds, beside each other and within messages."""
    mail = multipart(
        "mixed",
        entity("text"),
        signed(),
        inner("alternative", entity("a"), inner("related", encrypted(), boundary="rel")),
        forwarded(smimekit.sign(draft(BOB), bob())),
        forwarded(multipart("mixed", entity("x"), signed(), boundary="fwd")),
        signed(opaque=True),
    )
    found = [("2", "signed"), ("3.2.1", "encrypted"), ("4.1", "signed"), ("5.1.2", "signed"),
             ("6", "signed")]  # fmt: skip
    assert listed(mail) == found
    assert listed(smimekit.sign(mail, alice())) == found
    assert listed(smimekit.encrypt(mail, [bob().certificate], signer=alice())) == found
    triple = smimekit.sign(
        smimekit.encrypt(mail, [bob().certificate], signer=alice()), mallory(), opaque=True
    )
    assert listed(triple) == found


def test_the_name_finds_it_again() -> None:
    mail = multipart("mixed", entity(), inner("mixed", signed(), signed(opaque=True)))
    with smimekit.open(mail, trust=trust()) as opened:
        for each in opened.errant:
            assert opened.errant_layer(each.name) is each
        for name in ("", "2", "2.3", "02.1", "2.1 ", "x"):
            with pytest.raises(UsageError) as error:
                opened.errant_layer(name)
            assert error.value.code == "usage.errant"


def test_the_octets_are_those_of_the_part() -> None:
    part = signed()
    mail = multipart("mixed", entity(), part, entity("after"))
    with smimekit.open(mail, trust=trust()) as opened:
        [errant] = opened.errant
        assert errant.span.bytes() == part
        assert mail[errant.span.start : errant.span.end] == part


def test_who_wants_to_decrypt_is_told_of_a_part_that_is_encrypted() -> None:
    """A relay that adds its notice makes an encrypted mail a part: nothing else says where."""
    wrapped = multipart("mixed", entity(), inner("mixed", entity(), encrypted()))
    told = {}
    for name, mail in {"wrapped": wrapped, "signed": multipart("mixed", signed())}.items():
        with pytest.raises(InsufficientProtection) as error:
            smimekit.decrypt(mail, [bob()])
        assert error.value.code == "insufficient-protection.not-encrypted"
        told[name] = str(error.value)
    assert "part 2.2" in told["wrapped"]
    assert told["signed"] == "The message is not encrypted."
    with smimekit.open(wrapped, trust=trust()) as opened:
        part = opened.errant_layer("2.2").span
        assert smimekit.decrypt(part, [bob()]).bytes().endswith(b"The plan is on.\r\n")


# --- where layers may hide -----------------------------------------------------------------


@pytest.mark.parametrize("subtype", ["mixed", "related", "alternative", "parallel", "report", "x"])
def test_below_any_multipart(subtype: str) -> None:
    assert listed(multipart(subtype, entity(), signed())) == [("2", "signed")]


@pytest.mark.parametrize("media", ["message/rfc822", "message/global"])
def test_in_a_forwarded_message(media: str) -> None:
    """RFC 9787, 6.3: its layers are its own."""
    for mail in (smimekit.sign(draft(), alice()), signed(opaque=True)):
        assert listed(multipart("mixed", entity(), forwarded(mail, media))) == [("2.1", "signed")]
        head = f"From: {ALICE}\r\n".encode()
        assert listed(head + forwarded(mail, media)) == [("1", "signed")]


def test_in_a_digest() -> None:
    """RFC 2046, 5.1.5: without a type, a part of multipart/digest is a message."""
    mail = smimekit.sign(draft(), alice())
    assert listed(multipart("digest", b"\r\n" + mail, b"\r\n" + draft())) == [("1.1", "signed")]
    assert listed(multipart("mixed", b"\r\n" + mail)) == []
    assert listed(multipart("digest", signed())) == [("1", "signed")]


def test_below_a_signature_that_is_not_ours() -> None:
    """RFC 3156: a multipart/signed of OpenPGP is no layer of S/MIME, but a multipart."""
    pgp = multipart("signed; protocol=application/pgp-signature", signed(), entity("-----BEGIN"))
    assert listed(pgp) == [("1", "signed")]


def test_what_is_inside_an_errant_layer_is_its_own_business() -> None:
    deep = inner("mixed", signed(), boundary="deep")
    mail = smimekit.sign(f"From: {ALICE}\r\n".encode() + deep, alice())
    assert listed(mail) == [("1", "signed")]
    assert listed(multipart("mixed", entity(), as_part(mail))) == [("2", "signed")]


def test_a_message_that_stays_closed_has_none() -> None:
    mail = smimekit.encrypt(multipart("mixed", signed()), [bob().certificate])
    with smimekit.open(mail, trust=trust()) as opened:
        assert opened.errant == ()


def test_what_is_no_layer_is_not_listed() -> None:
    for part in (
        b"Content-Type: text/plain\r\n\r\n-----BEGIN PKCS7-----\r\n",
        b"Content-Type: application/octet-stream; name=x.p7m\r\n\r\nPK\3\4",
        b"Content-Type: multipart/signed; boundary=z\r\n\r\n--z\r\n\r\n--z--\r\n",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: a/b; x=1; x=2\r\n\r\n",
        b"not: a\r\nheader\r\n\r\n",
        b"From mbox\r\nContent-Type: application/pkcs7-mime\r\n\r\n" + bare_signed(b"x", alice()),
    ):
        assert listed(multipart("mixed", part)) == []
        assert listed(multipart("mixed", part, signed())) == [("2", "signed")]


def test_a_signed_part_that_is_broken_is_listed_by_its_label() -> None:
    """A list that put its footer into the multipart/signed itself."""
    part = signed().replace(b"--\r\n", b"\r\n\r\nfooter\r\n" + b"--x--", 1)
    assert listed(multipart("mixed", part)) == [("1", "signed")]


def whole(mail: bytes) -> Entity:
    return read_entity(Span.of(mail), limits=Limits())


def test_depth_is_bounded() -> None:
    """`Limits.mime_depth`: what lies deeper is shown by nobody."""
    part = signed()
    for depth in range(10):
        part = inner("mixed", part, boundary=f"b{depth}")
    mail = f"From: {ALICE}\r\n".encode() + part
    for most, count in ((10, 1), (9, 0)):
        assert len(find_errant(whole(mail), limits=Limits(mime_depth=most))) == count
        few = replace(Policy.INTEROP, limits=Limits(mime_depth=most))
        with smimekit.open(mail, trust=trust(), policy=few) as opened:
            assert len(opened.errant) == count


@given(st.lists(st.sampled_from(["signed", "opaque", "mixed", "text", "forward"]), max_size=8))
def test_any_nest_has_what_was_put_in(shapes: list[str]) -> None:
    """However multiparts and messages nest, each layer below them is found once."""
    parts: list[bytes] = []
    count = 0
    for number, shape in enumerate(shapes):
        if shape == "mixed":
            parts = [inner("mixed", *parts, entity(), boundary=f"b{number}b")]
        elif shape == "forward":
            parts = [forwarded(f"From: {ALICE}\r\n".encode() + part) for part in parts]
        elif shape == "text":
            parts.append(entity())
        else:
            count += 1
            parts.append(NESTED[shape])
    found = find_errant(whole(multipart("mixed", *parts)), limits=Limits())
    assert len(found) == count
    assert len({each.name for each in found}) == count
    assert {each.kind for each in found} <= {"signed"}


NESTED = {
    "signed": clear_signed(entity(), bare_signed(entity(), alice(), detached=True), None),
    "opaque": mime(bare_signed(entity(), alice()), "signed-data", None),
}


# --- opened by itself ----------------------------------------------------------------------


def test_a_span_is_a_source() -> None:
    mail = multipart("mixed", entity(), signed(), encrypted(), signed(opaque=True))
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        assert opened.envelope == ()
        assert opened.protection == Protection.NONE
        for each in opened.errant:
            with smimekit.open(each.span, keys=[bob()], trust=trust(), expect=ALICE) as part:
                assert Protection.VERIFIED in part.protection
                assert part.payload(require=Protection.VERIFIED).bytes() == entity()
            assert smimekit.verify(each.span, trust(), keys=[bob()]).bytes() == entity()
        assert smimekit.decrypt(opened.errant_layer("3").span, [bob()]).bytes() == entity()


def test_a_span_of_what_was_encrypted() -> None:
    """It is a part of the plaintext in the spool, and is gone with it."""
    mail = smimekit.encrypt(multipart("mixed", entity(), signed()), [bob().certificate])
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        [layer] = opened.envelope
        assert isinstance(layer, Encrypted)
        [errant] = opened.errant
        assert smimekit.verify(errant.span, trust(), expect=ALICE).bytes() == entity()
    with pytest.raises(UsageError) as error:
        smimekit.verify(errant.span, trust())
    assert error.value.code == "usage.closed"


def test_an_errant_layer_names_no_sender() -> None:
    """Whose signature it should be is for the caller to say: the mail around it is not signed."""
    part = as_part(smimekit.sign(draft(), mallory(), headers=None))
    mail = multipart("mixed", part, entity("footer"))
    with (
        smimekit.open(mail, trust=trust()) as opened,
        smimekit.open(opened.errant[0].span, trust=trust()) as part_opened,
    ):
        assert part_opened.signatures[0].identity is Identity.UNCLAIMED
        with pytest.raises(WrongSender):
            smimekit.verify(opened.errant[0].span, trust(), expect=ALICE)
        assert smimekit.verify(opened.errant[0].span, trust(), expect=MALLORY).bytes() == entity()


def test_a_forwarded_message_names_its_own_sender() -> None:
    """RFC 9787, 6.3: it has an envelope and a From of its own."""
    for sender, signer in ((ALICE, alice()), (ALICE, mallory())):
        mail = multipart("mixed", entity(), forwarded(smimekit.sign(draft(sender), signer)),
                         sender=BOB)  # fmt: skip
        with smimekit.open(mail, trust=trust()) as opened:
            with smimekit.open(opened.errant[0].span, trust=trust()) as inside:
                [layer] = inside.envelope
                assert isinstance(layer, Signed)
                good = signer is alice()
                assert (Protection.VERIFIED in inside.protection) is good
            assert opened.protection == Protection.NONE
        with pytest.raises(NotSigned):
            smimekit.verify(mail, trust())
