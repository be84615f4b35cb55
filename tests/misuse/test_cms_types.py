"""CMS put to another use: objects of one type under the label of another, signatures of one
thing as signatures of another, signers who are none or many.
"""

import base64

import pytest

import smimekit
from smimekit import CmsError, InputError, NotSigned, Protection, VerificationError, der
from smimekit.algorithms import AES256_CBC, AES256_GCM
from smimekit.cms.authenticated import authenticated_data, new_mac_key
from smimekit.cms.compressed import compressed_data
from smimekit.cms.content import (
    AUTH_ENVELOPED_DATA,
    COMPRESSED_DATA,
    ENVELOPED_DATA,
    SIGNED_DATA,
    content_info,
)
from smimekit.cms.digested import digested_data
from smimekit.cms.encrypted import encrypted_data
from smimekit.cms.enveloped import new_content_key
from smimekit.cms.signed_writing import certs_only
from smimekit.message.layers import Compressed, Encrypted, Integrity, SignatureForm, Signed
from tests.message.people import (
    ALICE,
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
    signer_info,
    trust,
)

LIE = entity("Transfer the money to Mallory.")


def signature_parts(info: bytes) -> list[bytes]:
    """The values of a SignerInfo: version, sid, digest, [0] attributes, algorithm, signature."""
    reader, found = der.Reader(info).enter(der.SEQUENCE), []
    while reader.more:
        found.append(reader.raw())
    return found


# --- signed attributes as content ----------------------------------------------------------


def test_attributes_are_no_content() -> None:
    """RFC 5652, 5.4: what is signed is the SET OF attributes. Without signed attributes it is
    the content: so the octets of Alice's attributes, as content, have her signature, and she
    never wrote them. RFC 5652, 5.3 does not tell the two apart; the content does.
    """
    version, sid, digest, attributes, algorithm, signature = signature_parts(
        signer_info(entity(), alice())
    )
    content = bytes((der.SET,)) + attributes[1:]
    forged = der.sequence(version, sid, digest, algorithm, signature)
    for source in (
        bare_signed(content, alice(), infos=[forged]),
        mime(bare_signed(content, alice(), infos=[forged]), "signed-data"),
        clear_signed(content, bare_signed(content, alice(), infos=[forged], detached=True)),
    ):
        with smimekit.open(source, trust=trust()) as opened:
            [found] = opened.signatures
            assert found.integrity is Integrity.MALFORMED
            assert opened.protection == Protection.NONE
        with pytest.raises(VerificationError):
            smimekit.verify(source, trust())


def test_content_is_no_attributes() -> None:
    """The other way: a signature of content, without attributes, does not become one of
    attributes that the content happens to look like.
    """
    version, sid, digest, attributes, algorithm, _ = signature_parts(signer_info(LIE, alice()))
    signature = signature_parts(signer_info(entity(), alice()))[-1]
    forged = der.sequence(version, sid, digest, attributes, algorithm, signature)
    source = mime(bare_signed(LIE, alice(), infos=[forged]), "signed-data")
    with smimekit.open(source, trust=trust()) as opened:
        assert opened.signatures[0].integrity is Integrity.BAD_SIGNATURE


def test_attributes_taken_away() -> None:
    """RFC 5652, 5.4: without the attributes the signature is of something else."""
    version, sid, digest, _, algorithm, signature = signature_parts(signer_info(entity(), alice()))
    bare = der.sequence(version, sid, digest, algorithm, signature)
    source = mime(bare_signed(entity(), alice(), infos=[bare]), "signed-data")
    with smimekit.open(source, trust=trust()) as opened:
        assert opened.signatures[0].integrity is Integrity.BAD_SIGNATURE
        assert opened.protection == Protection.NONE


# --- one type under the name of another ----------------------------------------------------

SIGNED = bare_signed(entity(), alice())
ENVELOPED = bare_enveloped(entity(), bob())
OBJECTS = {
    "signed": (SIGNED, Signed),
    "certificates": (certs_only([alice().certificate.der]), Signed),
    "enveloped": (ENVELOPED, Encrypted),
    "authenticated enveloped": (bare_enveloped(entity(), bob(), cipher=AES256_GCM), Encrypted),
    "compressed": (compressed_data(entity()), Compressed),
}
LABELS = ("signed-data", "enveloped-data", "authEnveloped-data", "compressed-data", "certs-only")


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("kind", OBJECTS)
def test_the_label_does_not_make_it_so(kind: str, label: str) -> None:
    """RFC 8551, 3.2.2: smime-type is a hint. What the CMS says it is, it is: a compressed mail
    under "signed-data" is not signed, one of certificates under "enveloped-data" not encrypted.
    """
    cms, layer = OBJECTS[kind]
    with smimekit.open(mime(cms, label), keys=[bob()], trust=trust()) as opened:
        assert [type(each) for each in opened.envelope] == [layer]
        assert (Protection.CONFIDENTIAL in opened.protection) is (layer is Encrypted)
        assert (Protection.VERIFIED in opened.protection) is (kind == "signed")


TYPES = (SIGNED_DATA, ENVELOPED_DATA, AUTH_ENVELOPED_DATA, COMPRESSED_DATA)


@pytest.mark.parametrize("oid", TYPES)
@pytest.mark.parametrize("kind", OBJECTS)
def test_another_content_type_around_the_same_octets(kind: str, oid: str) -> None:
    """RFC 5652, 3: the OID says how the content reads. Under another one it is malformed, or
    gives less: never a protection that it has not under its own.
    """
    reader = der.Reader(OBJECTS[kind][0]).enter(der.SEQUENCE)
    own = reader.oid()
    if own == oid:
        return
    renamed = mime(content_info(oid, reader.enter(0xA0).rest()), "x")
    try:
        with smimekit.open(renamed, keys=[bob()], trust=trust()) as opened:
            assert opened.protection == Protection.NONE
            [layer] = opened.envelope
            assert isinstance(layer, Encrypted)
            assert layer.failure is not None
    except InputError:
        pass


def other_objects() -> list[bytes]:
    mac, key = new_mac_key(), new_content_key(AES256_CBC)
    return [
        digested_data(SIGNED),
        authenticated_data(SIGNED, mac, []),
        encrypted_data(SIGNED, AES256_CBC, key),
        content_info("1.2.840.113549.1.7.99", der.octet_string(SIGNED)),
        content_info("1.3.6.1.4.1.32473.1", der.octet_string(SIGNED)),
    ]


@pytest.mark.parametrize("number", range(5))
def test_a_signature_inside_what_is_no_layer(number: int) -> None:
    """RFC 9787, 4.1.1: four forms are layers. Alice's signed mail inside another CMS object,
    which anybody can make around it, is not this message's signature.
    """
    cms = other_objects()[number]
    for source in (mime(cms, "signed-data"), mime(cms, "x"), cms):
        try:
            with smimekit.open(source, keys=[bob()], trust=trust()) as opened:
                assert opened.envelope == ()
                assert opened.protection == Protection.NONE
        except InputError:
            continue
        with pytest.raises(NotSigned):
            smimekit.verify(source, trust())


def test_cms_in_text_is_text() -> None:
    """RFC 9787, 6.2.3: what is not at a MIME boundary is neither verified nor decrypted."""
    for cms in (SIGNED, ENVELOPED):
        pem = b"-----BEGIN PKCS7-----\n" + base64.encodebytes(cms) + b"-----END PKCS7-----\n"
        for body in (pem, base64.encodebytes(cms), cms, b"See below.\n" + pem):
            for field in (b"Content-Type: text/plain\r\n", b"", b"Content-Type: text/html\r\n"):
                source = b"From: alice@example.org\r\n" + field + b"\r\n" + body
                with smimekit.open(source, keys=[bob()], trust=trust()) as opened:
                    assert opened.envelope == ()
                    assert opened.errant == ()
                    assert opened.payload(require=Protection.NONE).bytes() == source


def test_cms_behind_text_is_no_cms() -> None:
    """A source is CMS from its first octet on, or a mail; never both."""
    for before in (b"Hello\r\n", b"X: y\r\n\r\n", b"\0", b"-----BEGIN X-----\n"):
        assert nothing(before + SIGNED)
    assert not nothing(SIGNED)


def nothing(source: bytes) -> bool:
    try:
        with smimekit.open(source, trust=trust()) as opened:
            return opened.protection == Protection.NONE
    except InputError:
        return True


# --- signers who are none, or many ---------------------------------------------------------


def test_no_signer_in_any_shape() -> None:
    """RFC 5652, 5.1: signerInfos may be empty. Zero signatures are none: not a good one."""
    bag = [alice().certificate]
    for source in (
        bare_signed(LIE, bag=bag),
        mime(bare_signed(LIE, bag=bag), "signed-data"),
        mime(certs_only([alice().certificate.der]), "signed-data"),
        clear_signed(LIE, bare_signed(LIE, bag=bag, detached=True)),
        clear_signed(LIE, certs_only([alice().certificate.der])),
        smimekit.encrypt(mime(bare_signed(LIE, bag=bag), "signed-data"), [bob().certificate]),
    ):
        with smimekit.open(source, keys=[bob()], trust=trust()) as opened:
            assert opened.signatures == ()
            assert not opened.protection & (Protection.VERIFIED | Protection.INTACT)
        with pytest.raises(NotSigned):
            smimekit.verify(source, trust(), keys=[bob()])


def test_many_signers_each_for_themselves() -> None:
    """RFC 5652, 5.1: signatures in parallel. A good one of Mallory's beside a broken one of
    Alice's is Mallory's; and each fact stays with the one whom it is about.
    """
    infos = [signer_info(LIE, mallory()), signer_info(entity(), alice())]
    source = mime(bare_signed(LIE, alice(), mallory(), infos=infos), "signed-data")
    with smimekit.open(source, trust=trust()) as opened:
        facts = {one.certificate: (one.intact, one.by_sender) for one in opened.signatures}
        assert facts == {alice().certificate: (False, True), mallory().certificate: (True, False)}
        assert opened.protection == Protection.INTACT
    with pytest.raises(VerificationError):
        smimekit.verify(source, trust())


def test_the_same_signer_twice_is_no_better() -> None:
    infos = [signer_info(entity(), alice()), signer_info(LIE, alice())]
    source = mime(bare_signed(LIE, alice(), infos=infos), "signed-data")
    with smimekit.open(source, trust=trust()) as opened:
        assert sorted(one.integrity for one in opened.signatures) == ["content-changed", "good"]
        payload = opened.payload(require=Protection.VERIFIED)
        assert payload.bytes() == LIE
        assert [one.integrity for one in payload.signatures] == [Integrity.GOOD]


def test_a_signature_around_a_signature_is_not_the_author() -> None:
    """RFC 9787, 4.2: both are layers; only that of the sender verifies, whichever it is."""
    inner = smimekit.sign(draft(), mallory())
    for mail, good in (
        (smimekit.sign(inner, alice()), True),
        (smimekit.sign(inner, mallory()), False),
        (smimekit.sign(smimekit.sign(draft(), alice()), mallory()), True),
    ):
        with smimekit.open(mail, trust=trust()) as opened:
            assert len(opened.signatures) == 2
            assert (Protection.VERIFIED in opened.protection) is good


def test_a_detached_signature_does_not_sign_what_is_beside_it() -> None:
    """RFC 8551, 3.5.3: only multipart/signed ties the two together. The same two parts under
    another subtype, as some gateways leave them, are a text and a file.
    """
    signature = bare_signed(entity(), alice(), detached=True)
    mail = clear_signed(entity(), signature)
    for subtype in (b"mixed", b"alternative", b"related", b"x-signed"):
        other = mail.replace(b"multipart/signed", b"multipart/" + subtype)
        with smimekit.open(other, trust=trust()) as opened:
            assert opened.envelope == ()
            assert opened.errant == ()
        with pytest.raises(NotSigned):
            smimekit.verify(other, trust())


def test_a_detached_signature_under_the_label_of_an_opaque_one() -> None:
    """RFC 8551, 3.5.2: there is no content to show; what stands around it is not it."""
    cms = bare_signed(entity(), alice(), detached=True)
    with pytest.raises(CmsError) as error:
        smimekit.open(mime(cms, "signed-data"), trust=trust())
    assert error.value.code == "cms.no-content"
    beside = multipart("mixed", LIE, mime(cms, "signed-data", None))
    with smimekit.open(beside, trust=trust()) as opened:
        assert [each.kind for each in opened.errant] == ["cms"]


def test_an_opaque_signature_as_second_part() -> None:
    """RFC 8551, 3.5.3.1: eContent MUST be absent: "eContent confusion" shows the first part and
    verifies what is inside the second.
    """
    for content in (entity(), LIE, b""):
        for second in (SIGNED, bare_signed(content, alice())):
            with pytest.raises(CmsError) as error:
                smimekit.open(clear_signed(LIE, second), trust=trust())
            assert error.value.code == "cms.unexpected-content"


# --- signatures taken off, put on, kept for later ------------------------------------------


def test_a_signature_that_is_taken_off_leaves_no_trace() -> None:
    """RFC 9787, 6.4: anybody can send the text alone: it is then a mail that nobody signed, no
    better and no worse; and half a signature is an error, not a mail without one.
    """
    mail = smimekit.sign(draft(), alice())
    stripped = f"From: {ALICE}\r\n".encode() + entity()
    with pytest.raises(NotSigned):
        smimekit.verify(stripped, trust())
    boundary = mail.partition(b'boundary="')[2].partition(b'"')[0]
    without = mail[: mail.rindex(b"\r\n--" + boundary, 0, mail.rindex(b"--" + boundary))]
    with pytest.raises(InputError):
        smimekit.verify(without + b"\r\n--" + boundary + b"--\r\n", trust())


@pytest.mark.parametrize("opaque", [False, True])
def test_a_signature_that_is_replaced_names_its_signer(opaque: bool) -> None:
    """Mallory takes Alice's signature off and puts on her own: under Alice's name it does not
    verify, under her own it is hers.
    """
    stolen = smimekit.sign(draft(), mallory(), opaque=opaque)
    with pytest.raises(smimekit.WrongSender):
        smimekit.verify(stolen, trust())
    own = smimekit.sign(draft("mallory@evil.example"), mallory(), opaque=opaque)
    assert smimekit.verify(own, trust()).signatures[0].certificate == mallory().certificate


def test_an_outer_signature_is_no_layer_of_trust_for_what_is_inside() -> None:
    """RFC 9787, 5.2: whoever signs ciphertext may not know what is in it. Taken off, replaced
    or added: the status of the payload stays the same.
    """
    for sealed in (
        smimekit.encrypt(draft(), [bob().certificate]),
        smimekit.encrypt(draft(), [bob().certificate], signer=alice()),
    ):
        found = set()
        for mail in (
            sealed,
            smimekit.sign(sealed, alice()),
            smimekit.sign(sealed, mallory()),
            smimekit.sign(smimekit.sign(sealed, mallory(), opaque=True), alice()),
        ):
            with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
                found.add(opened.protection)
                form = {each.form for each in opened.envelope if isinstance(each, Signed)}
                assert form <= {SignatureForm.MULTIPART, SignatureForm.OPAQUE}
        assert len(found) == 1


def test_a_bare_signature_around_bare_ciphertext() -> None:
    """The same without MIME: CMS in CMS."""
    inside = bare_enveloped(entity(), bob())
    for source in (
        bare_signed(inside, alice()),
        mime(bare_signed(inside, alice()), "signed-data"),
        bare_signed(mime(inside, "enveloped-data", None), alice()),
    ):
        with smimekit.open(source, keys=[bob()], trust=trust()) as opened:
            assert [type(layer) for layer in opened.envelope] == [Signed, Encrypted]
            assert opened.protection == Protection.CONFIDENTIAL
        with pytest.raises(NotSigned) as error:
            smimekit.verify(source, trust(), keys=[bob()], expect=ALICE)
        assert error.value.code == "not-signed.outside-encryption"


# --- surreptitious forwarding --------------------------------------------------------------


def forwarded(signed: bytes) -> bytes:
    """Bob opens what Alice signed and encrypted for him, and encrypts it for Mallory."""
    mail = smimekit.encrypt(signed, [bob().certificate])
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        inside = opened.inside(opened.envelope[0], require=Protection.NONE).bytes()
    return smimekit.encrypt(f"From: {ALICE}\r\n".encode() + inside, [mallory().certificate])


def test_surreptitious_forwarding_is_told_by_what_is_signed() -> None:
    """Davis, 2001; RFC 8551, 6: a signature inside says who wrote, and not for whom. A
    receiver can tell only where the addressees are signed, too, as RFC 9788 has it; the
    payload, which is what was signed, has the field, and the header outside is the postman's.
    """
    plain = forwarded(smimekit.sign(draft(), alice(), headers=None))
    assert smimekit.verify(plain, trust(), keys=[mallory()]).bytes() == entity()
    addressed = f"From: {ALICE}\r\nTo: bob@example.org\r\n".encode() + entity()
    signed = clear_signed(addressed, bare_signed(addressed, alice(), detached=True))
    payload = smimekit.verify(forwarded(signed), trust(), keys=[mallory()])
    assert payload.bytes() == addressed
    outside = forwarded(signed).replace(b"From: ", b"To: mallory@evil.example\r\nFrom: ", 1)
    assert smimekit.verify(outside, trust(), keys=[mallory()]).bytes() == addressed


def test_forwarding_does_not_change_the_author() -> None:
    """Bob cannot pass Alice's text off as his own, nor say that he expected somebody else."""
    mail = forwarded(smimekit.sign(draft(), alice()))
    renamed = mail.replace(f"From: {ALICE}".encode(), b"From: bob@example.org", 1)
    for source, expect in ((renamed, None), (mail, "bob@example.org")):
        with pytest.raises(smimekit.WrongSender):
            smimekit.verify(source, trust(), keys=[mallory()], expect=expect)


def test_signing_outside_does_not_help_against_it() -> None:
    """Encrypt-then-sign: Mallory takes the outer signature off, and owns what she cannot read."""
    sealed = smimekit.sign(smimekit.encrypt(draft(), [bob().certificate]), alice())
    with smimekit.open(sealed, keys=[bob()], trust=trust()) as opened:
        inside = opened.inside(opened.envelope[0], require=Protection.NONE).bytes()
    stolen = smimekit.sign(b"From: mallory@evil.example\r\n" + as_part(inside), mallory())
    with pytest.raises(NotSigned) as error:
        smimekit.verify(stolen, trust(), keys=[bob()])
    assert error.value.code == "not-signed.outside-encryption"
