"""What `open` reads, from what, and how it takes a message apart."""

import base64
import io
import mmap
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import smimekit
from smimekit import (
    CmsError,
    ContentChanged,
    Credential,
    DecryptionError,
    LimitExceeded,
    Limits,
    MemoryTrustStore,
    MimeError,
    NoMatchingKey,
    NotSigned,
    Policy,
    Protection,
    Status,
    Trust,
    UntrustedSigner,
    UsageError,
    VerificationError,
    WrongSender,
    der,
)
from smimekit.algorithms import AES256_CBC, AES256_GCM, RSA_PKCS1_SHA256, SHA256, RsaPadding
from smimekit.cms.content import COMPRESSED_DATA, DATA, SIGNED_DATA, content_info
from smimekit.cms.enveloped import enveloped_data, new_content_key
from smimekit.cms.identifiers import IssuerAndSerialNumber, SubjectKeyIdentifier
from smimekit.cms.recipients import KeyAgreeRecipient, KeyTransRecipient
from smimekit.cms.signed_writing import certs_only, signed_data
from smimekit.cms.wrapping import wrap_for
from smimekit.keys import SoftwareKey
from smimekit.message.layers import (
    Compressed,
    Encrypted,
    Integrity,
    SignatureForm,
    Signed,
)
from smimekit.testing.profiles import Profile, certificate_builder, signing_digest, subject_name
from smimekit.trust import Source
from tests.message.people import (
    ALICE,
    BOB,
    NOW,
    alice,
    bare_enveloped,
    bare_signed,
    bob,
    ca,
    clear_signed,
    draft,
    encrypted_entity,
    entity,
    mallory,
    mime,
    root,
    signed_entity,
    signer_info,
    trust,
)
from tests.message.test_send import FORMS
from tests.trust.certs import own_authority

NOTHING = Protection.NONE
ALL = Protection.VERIFIED | Protection.CONFIDENTIAL | Protection.INTACT


# --- sources -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", ["clear", "opaque", "both"])
def test_forms_of_sources(form: str, shape: str) -> None:
    mail = {
        "clear": lambda: smimekit.sign(draft(), alice()),
        "opaque": lambda: smimekit.sign(draft(), alice(), opaque=True),
        "both": lambda: smimekit.encrypt(draft(), [bob().certificate], signer=alice()),
    }[shape]()
    payload = smimekit.verify(FORMS[form](mail), trust(), keys=[bob()])
    content = encrypted_entity() if shape == "both" else signed_entity()
    assert payload.bytes() == content
    assert b"".join(payload.chunks()) == content
    file = io.BytesIO()
    payload.write_to(file)
    assert file.getvalue() == content


def test_a_mapped_file(tmp_path: Path) -> None:
    path = tmp_path / "mail.eml"
    path.write_bytes(smimekit.sign(draft(), alice()))
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
        assert smimekit.verify(mapped, trust()).bytes() == signed_entity()  # type: ignore[arg-type]


def test_a_parsed_message_is_refused_and_why() -> None:
    """DESIGN, rule 1: the email package does not keep every byte that was signed."""
    mail = smimekit.sign(draft(), alice())
    composed = EmailMessage()
    for parsed in (message_from_bytes(mail), composed):
        for verb in (smimekit.open, smimekit.verify):
            with pytest.raises(UsageError, match="every byte") as error:
                verb(parsed, trust=trust())  # type: ignore[arg-type]  # the point
            assert error.value.code == "usage.parsed-message"


@pytest.mark.parametrize("source", ["text", None, 7, [b"x"], Path("mail.eml")])
def test_what_is_no_source(source: Any) -> None:
    with pytest.raises(UsageError, match=type(source).__name__):
        smimekit.open(source, trust=trust())


def test_text_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mail.eml"
    path.write_bytes(smimekit.sign(draft(), alice()))
    with path.open() as file, pytest.raises(UsageError, match="binary mode"):
        smimekit.open(file, trust=trust())  # type: ignore[arg-type]  # the point
    with pytest.raises(UsageError, match="binary mode"):
        smimekit.open(io.StringIO("From: a"), trust=trust())  # type: ignore[arg-type]
    # A text file in a wrapper is no TextIOBase, and gives str all the same.
    with tempfile.NamedTemporaryFile("w+") as wrapped, pytest.raises(UsageError, match="binary"):
        smimekit.open(wrapped, trust=trust())  # type: ignore[arg-type]  # the point


def test_keys_are_a_list_of_those_who_decrypt() -> None:
    mail = smimekit.encrypt(draft(), [bob().certificate])
    for keys in (bob(), [bob().certificate], ["bob.p12"]):
        with pytest.raises(UsageError, match=r"keys=\[bob\]"):
            smimekit.decrypt(mail, keys)  # type: ignore[arg-type]  # the point


def test_keys_may_come_from_a_generator() -> None:
    twice = smimekit.encrypt(smimekit.encrypt(draft(), [bob().certificate]), [bob().certificate])
    assert smimekit.decrypt(twice, (key for key in [alice(), bob()])).bytes() == encrypted_entity()


# --- what is no message --------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\r\nbody", b"garbage", b"\0" * 100, b" \n"])
def test_neither_mail_nor_cms(data: bytes) -> None:
    with pytest.raises(MimeError) as error:
        smimekit.open(data, trust=trust())
    assert error.value.code == "mime.no-header"


def test_a_plain_mail_is_its_own_payload() -> None:
    with smimekit.open(draft(), trust=trust()) as opened:
        assert opened.envelope == ()
        assert opened.errant == ()
        assert opened.signatures == ()
        assert opened.protection == NOTHING
        assert opened.payload(require=NOTHING).bytes() == draft()
    with pytest.raises(NotSigned):
        smimekit.verify(draft(), trust())
    with pytest.raises(smimekit.InsufficientProtection) as error:
        smimekit.decrypt(draft(), [bob()])
    assert error.value.code == "insufficient-protection.not-encrypted"


# --- layers --------------------------------------------------------------------------------


def compressed(content: bytes, content_type: str = DATA) -> bytes:
    inner = der.sequence(
        der.oid(content_type), der.explicit(0, der.octet_string(zlib.compress(content)))
    )
    zlib_id = der.sequence(der.oid("1.2.840.113549.1.9.16.3.8"))
    return content_info(COMPRESSED_DATA, der.sequence(der.integer(0), zlib_id, inner))


def test_triple_wrapping() -> None:
    """RFC 2634, 1.1: signed, encrypted, signed."""
    inner = smimekit.encrypt(draft(), [bob().certificate], signer=alice())
    mail = smimekit.sign(inner, alice())
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        assert [type(layer) for layer in opened.envelope] == [Signed, Encrypted, Signed]
        assert opened.protection == ALL
        assert len(opened.signatures) == 2
        payload = opened.payload(require=ALL)
        assert payload.bytes() == encrypted_entity()
        assert payload.signatures == opened.signatures[1:]


def test_compression_is_a_record_and_no_protection() -> None:
    """RFC 8551, 3.6: compression gives no security service."""
    mail = mime(compressed(entity()), "compressed-data")
    with smimekit.open(mail, trust=trust()) as opened:
        [layer] = opened.envelope
        assert isinstance(layer, Compressed)
        assert opened.protection == NOTHING
        assert opened.payload(require=NOTHING).bytes() == entity()
    signed = smimekit.sign(mail, alice())
    with smimekit.open(signed, trust=trust()) as opened:
        assert [type(layer) for layer in opened.envelope] == [Signed, Compressed]
        assert opened.payload(require=Protection.VERIFIED).bytes() == entity()


def test_compressed_content_of_another_type_is_no_message() -> None:
    """RFC 8551, 2.4.1: in mail it is id-data. Nothing inside names an author, or is a layer."""
    forged = compressed(smimekit.sign(draft(), alice()), SIGNED_DATA)
    mail = mime(forged, "compressed-data")
    with smimekit.open(mail, trust=trust()) as opened:
        assert (opened.envelope, opened.signatures) == ((), ())
        assert [(each.kind, each.name) for each in opened.errant] == [("cms", "")]
        assert opened.payload(require=NOTHING).bytes() == mail
    with smimekit.open(forged, trust=trust()) as opened:  # bare CMS may hold anything
        first = opened.envelope[0]
        assert isinstance(first, Compressed)
        assert first.content_type == SIGNED_DATA
    with smimekit.open(compressed(entity()), trust=trust()) as opened:
        first = opened.envelope[0]
        assert isinstance(first, Compressed)
        assert first.content_type == DATA


def test_bare_cms_in_der_and_pem() -> None:
    """RFC 7468, 9 and 10: the labels CMS and PKCS7."""
    signed = bare_signed(entity(), alice())
    body = b"\n".join(base64_lines(signed))
    for source in (
        signed,
        b"-----BEGIN CMS-----\n" + body + b"\n-----END CMS-----\n",
        b"\n-----BEGIN PKCS7-----\r\n" + body + b"\r\n-----END PKCS7-----\r\ntrailing",
        mime(bare_enveloped(mime(signed, "signed-data"), bob()), "enveloped-data"),
        bare_enveloped(signed, bob()),
    ):
        assert smimekit.verify(source, trust(), keys=[bob()]).bytes() == entity()


def base64_lines(data: bytes) -> list[bytes]:
    return base64.encodebytes(data).splitlines()


def test_pem_in_a_mail() -> None:
    """Some gateways write PEM where base64 belongs."""
    head = b'From: alice@example.org\nContent-Type: application/pkcs7-mime; name="smime.p7m"\n\n'
    body = b"\n".join(base64_lines(bare_signed(entity(), alice())))
    mail = head + b"-----BEGIN PKCS7-----\n" + body + b"\n-----END PKCS7-----\n"
    assert smimekit.verify(mail, trust()).bytes() == entity()
    with pytest.raises(MimeError) as error:
        smimekit.verify(mail.replace(b"-----END PKCS7-----", b""), trust())
    assert error.value.code == "mime.pem"


def test_content_that_is_no_mime_is_the_payload() -> None:
    for content in (b"", b"\0\1\2" * 1000, b"just text", b"key: value\nno field here\n\nx"):
        source = bare_signed(content, alice())
        assert smimekit.verify(source, trust()).bytes() == content


def test_data_that_looks_like_an_endless_header_is_the_payload() -> None:
    """A log, each line of which has a colon, is a file like any other."""
    many = b"".join(b"12:00:%02d something happened\n" % (at % 60) for at in range(3000))
    long = b"key: " + b"x" * (1 << 20)
    for content in (many, long):
        source = bare_signed(content, alice())
        assert smimekit.verify(source, trust()).bytes() == content


def test_too_many_layers() -> None:
    mail = draft()
    for _ in range(4):
        mail = smimekit.sign(mail, alice(), opaque=True)
    assert smimekit.verify(mail, trust()).bytes() == signed_entity()
    few = replace(Policy.INTEROP, limits=Limits(layers=3))
    with pytest.raises(LimitExceeded) as error:
        smimekit.verify(mail, trust(), policy=few)
    assert error.value.code == "limit.layers"


def test_certificates_only() -> None:
    """RFC 8551, 3.8: no content, no signer, and hence not signed."""
    mail = mime(certs_only([alice().certificate.der]), "certs-only")
    with smimekit.open(mail, trust=trust()) as opened:
        [layer] = opened.envelope
        assert isinstance(layer, Signed)
        assert layer.form is SignatureForm.CERTS_ONLY
        assert layer.certificates == (alice().certificate,)
        assert opened.protection == NOTHING
        assert opened.payload(require=NOTHING).bytes() == b""


def test_zero_signers_is_not_signed() -> None:
    """RFC 5652, 5.1: there may be any number of signers, including zero."""
    nobody = bare_signed(entity(), bag=[alice().certificate])
    for source in (mime(nobody, "signed-data"), nobody):
        with smimekit.open(source, trust=trust()) as opened:
            assert opened.protection == NOTHING
            assert opened.signatures == ()
        with pytest.raises(NotSigned):
            smimekit.verify(source, trust())
    nobody = bare_signed(entity(), bag=[alice().certificate], detached=True)
    with pytest.raises(NotSigned):
        smimekit.verify(clear_signed(entity(), nobody), trust())


# --- keys ----------------------------------------------------------------------------------


def test_without_a_key_that_fits() -> None:
    mail = smimekit.encrypt(draft(), [bob().certificate])
    cases = (((), "give a key"), ((alice(), mallory()), "none of the keys"))
    for keys, words in cases:
        with smimekit.open(mail, keys=keys, trust=trust()) as opened:
            [layer] = opened.envelope
            assert isinstance(layer, Encrypted)
            assert isinstance(layer.failure, NoMatchingKey)
            assert opened.protection == NOTHING
        with pytest.raises(NoMatchingKey, match=words):
            smimekit.decrypt(mail, keys)
        with pytest.raises(NoMatchingKey, match=words):
            smimekit.verify(mail, trust(), keys=keys)


def test_all_keys_are_tried() -> None:
    mail = smimekit.encrypt(draft(), [bob().certificate])
    with smimekit.open(mail, keys=[alice(), bob(), mallory()], trust=trust()) as opened:
        [layer] = opened.envelope
        assert isinstance(layer, Encrypted)
        assert layer.opened_with == bob().certificate
        assert layer.failure is None


def test_a_wrong_key_under_the_right_name() -> None:
    """Same issuer and serial number, another key: the content fails like any other."""
    key = new_content_key(AES256_GCM)
    recipient = wrap_for(alice().certificate, key, RsaPadding())
    assert isinstance(recipient, KeyAgreeRecipient)
    [wrapped] = recipient.keys
    named = replace(wrapped, rid=IssuerAndSerialNumber.of(bob().certificate))
    cms = enveloped_data(entity(), AES256_GCM, key, [replace(recipient, keys=(named,))])
    with pytest.raises(DecryptionError):
        smimekit.decrypt(cms, [bob()])


def test_a_recipient_of_another_kind_than_the_key() -> None:
    """Whoever writes the RecipientInfo chooses its kind: a fact, and not the caller's mistake."""
    # By GCM: of random keys in place of the right one, one in 256 has the padding of CBC fit.
    rid = IssuerAndSerialNumber.of(bob().certificate)
    recipient = KeyTransRecipient(rid, RsaPadding().identifier, b"x" * 256)
    cms = enveloped_data(entity(), AES256_GCM, new_content_key(AES256_GCM), [recipient])
    with smimekit.open(cms, keys=[bob()], trust=trust()) as opened:
        [layer] = opened.envelope
        assert isinstance(layer, Encrypted)
        assert isinstance(layer.failure, DecryptionError)


# --- detached content ----------------------------------------------------------------------


def test_a_bare_detached_signature() -> None:
    content = b"a file of any kind\n" * 1000
    signature = bare_signed(content, alice(), detached=True)
    with smimekit.open(signature, trust=trust(), content=content) as opened:
        [layer] = opened.envelope
        assert isinstance(layer, Signed)
        assert layer.form is SignatureForm.DETACHED
    for form in FORMS.values():
        payload = smimekit.verify(signature, trust(), content=form(content))
        assert payload.bytes() == content
    with pytest.raises(ContentChanged):
        smimekit.verify(signature, trust(), content=content + b"\n")
    with pytest.raises(CmsError) as error:
        smimekit.verify(signature, trust())
    assert error.value.code == "cms.no-content"


def test_content_beside_a_message_that_signs_something_else() -> None:
    """Whoever may choose the signature must not get a verdict about another content.

    A signed mail of Alice's is verified by itself; it says nothing about the content that
    the caller holds in hand.
    """
    ours = b"transfer 1000000 to mallory\n"
    mail = smimekit.sign(draft(), alice())
    for source in (
        mail,
        smimekit.sign(draft(), alice(), opaque=True),
        bare_signed(entity(), alice()),
        smimekit.encrypt(draft(), [bob().certificate], signer=alice()),
        bare_enveloped(mail, bob()),
        mime(compressed(mail), "compressed-data"),
        draft(),
    ):
        with pytest.raises(CmsError) as error:
            smimekit.verify(source, trust(), content=ours, keys=[bob()])
        assert error.value.code in {"cms.not-detached", "cms.unexpected-content"}


def test_the_content_of_a_detached_signature_is_the_payload() -> None:
    """Also where it is a message itself, whose own signature then says nothing here."""
    inner = smimekit.sign(draft(), alice())
    broken = bare_signed(b"something else", alice(), detached=True)
    with pytest.raises(ContentChanged):
        smimekit.verify(broken, trust(), content=inner)
    good = bare_signed(inner, alice(), detached=True)
    assert smimekit.verify(good, trust(), content=inner).bytes() == inner
    sealed = smimekit.encrypt(draft(), [bob().certificate])
    good = bare_signed(sealed, alice(), detached=True)
    assert smimekit.verify(good, trust(), content=sealed).bytes() == sealed


# --- line ends -----------------------------------------------------------------------------


def test_a_mail_that_was_stored_with_lf() -> None:
    """RFC 8551, 3.1.1: the canonical form is what was signed, and is what is handed out."""
    mail = smimekit.sign(draft(), alice())
    stored = mail.replace(b"\r\n", b"\n")
    with smimekit.open(stored, trust=trust()) as opened:
        [signature] = opened.signatures
        assert signature.line_ends_converted
        assert not signature.lf_match
        assert opened.protection == Protection.VERIFIED | Protection.INTACT
        assert opened.payload(require=Protection.VERIFIED).bytes() == signed_entity()
    with smimekit.open(mail, trust=trust()) as opened:
        assert not opened.signatures[0].line_ends_converted


def test_a_signature_over_bare_lf_counts_as_it_stands() -> None:
    """AS2 and files: what was signed is what arrived, byte for byte."""
    content = entity().replace(b"\r\n", b"\n")
    mail = clear_signed(content, bare_signed(content, alice(), detached=True))
    with smimekit.open(mail, trust=trust()) as opened:
        assert not opened.signatures[0].line_ends_converted
        assert opened.payload(require=Protection.VERIFIED).bytes() == content


def test_lf_match_is_diagnosis_only() -> None:
    """A sender who signed LF, and a relay that made it CRLF: told, and not verified."""
    content = entity().replace(b"\r\n", b"\n")
    mail = clear_signed(entity(), bare_signed(content, alice(), detached=True))
    with smimekit.open(mail, trust=trust()) as opened:
        [signature] = opened.signatures
        assert signature.integrity is Integrity.CONTENT_CHANGED
        assert signature.lf_match
        assert not signature.line_ends_converted
        assert opened.protection == NOTHING
    other = clear_signed(entity("Another."), bare_signed(content, alice(), detached=True))
    with smimekit.open(other, trust=trust()) as opened:
        assert not opened.signatures[0].lf_match


def test_lf_match_leaves_a_bare_cr_alone() -> None:
    content = b"Content-Type: application/x\n\na\rb\n"
    mail = clear_signed(
        content.replace(b"\n", b"\r\n"), bare_signed(content, alice(), detached=True)
    )
    with smimekit.open(mail, trust=trust()) as opened:
        assert opened.signatures[0].lf_match


@pytest.mark.parametrize(
    "change",
    [
        lambda mail: mail.replace(b"is on.\r\n", b"is on. \r\n"),
        lambda mail: mail.replace(b"is on.\r\n", b"is on.\r\n\r\n"),
        lambda mail: mail.replace(b"is on.\r\n", b"is on."),
        lambda mail: mail.replace(b"is on", b"is  on"),
        lambda mail: mail.replace(b"charset=us-ascii", b"charset=utf-8"),
        lambda mail: mail.replace(b"is on.\r\n", b"is on.\r\r\n"),
    ],
)
def test_every_change_of_the_body_is_seen(change: Callable[[bytes], bytes]) -> None:
    mail = smimekit.sign(draft(), alice())
    changed = change(mail)
    assert changed != mail
    with pytest.raises(ContentChanged) as error:
        smimekit.verify(changed, trust())
    assert error.value.code == "content-changed.content"


# --- whose certificate ---------------------------------------------------------------------


def test_a_signer_without_certificate_is_found_in_the_store() -> None:
    """RFC 8550, 2.3: the certificates need not be in the message."""
    mail = mime(bare_signed(entity(), alice(), bag=[]), "signed-data")
    with pytest.raises(UntrustedSigner) as error:
        smimekit.verify(mail, trust())
    assert error.value.code == "untrusted-signer.no-certificate"
    store = MemoryTrustStore()
    for each in (alice().certificate, *ca().chain):
        store.put(each, Source(kind="upload"), at=NOW)
    knowing = Trust(store, anchors=[root().certificate], clock=lambda: NOW)
    assert smimekit.verify(mail, knowing).bytes() == entity()


def test_a_signer_without_certificate_is_found_among_the_anchors() -> None:
    """Who issued to themselves and signs by gpgsm sends no certificate: it leaves roots out."""
    grace = own_authority(ALICE)
    signer = Credential(SoftwareKey(grace.key), grace.certificate)
    mail = mime(bare_signed(entity(), signer, bag=[]), "signed-data")
    anchored = Trust(anchors=[root().certificate, grace.certificate], clock=lambda: NOW)
    assert smimekit.verify(mail, anchored).bytes() == entity()
    with pytest.raises(WrongSender):
        smimekit.verify(mail, anchored, expect=BOB)
    other = Trust(anchors=[own_authority(ALICE).certificate], clock=lambda: NOW)
    with pytest.raises(UntrustedSigner):
        smimekit.verify(mail, other)


def test_a_signer_by_key_identifier() -> None:
    """RFC 5652, 5.3: version 3 and the subjectKeyIdentifier, in the bag and in the store."""
    # The bag is a SET, sorted by its octets; the certificate that did not sign comes first.
    renewed = next(one for one in iter(renew_alice, None) if one.der < alice().certificate.der)
    for bag in ([renewed, alice().certificate], [alice().certificate]):
        source = by_key_id(entity(), bag)
        with smimekit.open(source, trust=trust()) as opened:
            [signature] = opened.signatures
            assert signature.signer.startswith("key ")
            assert signature.certificate == alice().certificate
            assert opened.protection & Protection.VERIFIED
    store = MemoryTrustStore()
    for each in (renewed, alice().certificate, ca().certificate):
        store.put(each, Source(kind="upload"), at=NOW)
    knowing = Trust(store, anchors=[root().certificate], clock=lambda: NOW)
    assert smimekit.verify(by_key_id(entity(), []), knowing).bytes() == entity()


def renew_alice() -> smimekit.Certificate:
    """Another certificate for Alice's key: it has the same key identifier."""
    key: Any = alice().key
    builder = certificate_builder(
        subject=subject_name(ALICE),
        addresses=[ALICE],
        public_key=key.public_key,
        issuer=subject_name("Mail CA"),
        issuer_key=ca()._key,
        profile=Profile(start=-timedelta(days=400), end=-timedelta(days=2)),
        now=NOW,
    )
    made = builder.sign(ca()._key, signing_digest(ca()._key))
    return smimekit.Certificate(made.public_bytes(Encoding.DER))


def by_key_id(content: bytes, bag: list[smimekit.Certificate]) -> bytes:
    """A SignedData of Alice's that names her by her key."""
    inside = der.Reader(signer_info(content, alice())).enter(der.SEQUENCE)
    inside.raw()
    inside.raw()
    key_id = alice().certificate.key_id
    assert key_id is not None
    sid = SubjectKeyIdentifier(key_id).encode()
    info = der.sequence(der.integer(3), sid, inside.rest())
    return bare_signed(content, alice(), bag=[*bag, ca().certificate] if bag else [], infos=[info])


def test_malformed_certificates_in_the_bag_are_left_out() -> None:
    junk = der.sequence(der.integer(1))
    bag = (junk, alice().certificate.der, ca().certificate.der)
    source = signed_data(entity(), (SHA256.identifier,), bag, (signer_info(entity(), alice()),))
    with smimekit.open(source, trust=trust()) as opened:
        [layer] = opened.envelope
        assert isinstance(layer, Signed)
        assert set(layer.certificates) == {alice().certificate, ca().certificate}
        assert opened.protection & Protection.VERIFIED


# --- several signers -----------------------------------------------------------------------


def test_several_signers_each_with_its_facts() -> None:
    source = mime(bare_signed(entity(), mallory(), alice()), "signed-data")
    with smimekit.open(source, trust=trust()) as opened:
        assert {(one.certificate, one.by_sender) for one in opened.signatures} == {
            (mallory().certificate, False),
            (alice().certificate, True),
        }
        payload = opened.payload(require=Protection.VERIFIED)
        assert [one.certificate for one in payload.signatures] == [alice().certificate]


def test_several_signers_of_whom_one_is_broken() -> None:
    broken = signer_info(b"other content", mallory())
    good = signer_info(entity(), alice())
    source = mime(bare_signed(entity(), mallory(), alice(), infos=[broken, good]), "signed-data")
    with smimekit.open(source, trust=trust()) as opened:
        assert {one.integrity for one in opened.signatures} == {
            Integrity.CONTENT_CHANGED,
            Integrity.GOOD,
        }
        assert opened.protection == Protection.VERIFIED | Protection.INTACT
    broken = signer_info(b"other content", alice())
    good = signer_info(entity(), mallory())
    source = mime(bare_signed(entity(), mallory(), alice(), infos=[broken, good]), "signed-data")
    with pytest.raises(VerificationError):
        smimekit.verify(source, trust())


# --- time ----------------------------------------------------------------------------------


def test_the_caller_chooses_the_time_and_the_signer_never() -> None:
    """RFC 8550, 4: whoever stole an old key can write any signing time."""
    year = timedelta(days=365)
    late = smimekit.sign(draft(), alice(), at=NOW)
    with smimekit.open(late, trust=trust(), at=NOW + 2 * year) as opened:
        [signature] = opened.signatures
        assert signature.signing_time == NOW
        assert signature.judgement is not None
        assert signature.judgement.at == NOW + 2 * year
        assert signature.judgement.status is Status.UNTRUSTED
        assert signature.integrity is Integrity.GOOD
        assert opened.protection == Protection.INTACT
    early = smimekit.sign(draft(), alice(), at=NOW + 2 * year)
    assert smimekit.verify(early, trust()).bytes() == signed_entity()
    with pytest.raises(UntrustedSigner):
        smimekit.verify(late, trust(), at=NOW - 2 * year)


def test_a_time_needs_a_zone_whatever_the_message_is() -> None:
    naive = datetime(2026, 3, 1)  # noqa: DTZ001 - the point
    for mail in (smimekit.sign(draft(), alice()), draft()):
        with pytest.raises(UsageError) as error:
            smimekit.open(mail, trust=trust(), at=naive)
        assert error.value.code == "usage.naive-time"


# --- policy --------------------------------------------------------------------------------


def test_a_weak_signature_is_named_and_does_not_count() -> None:
    weak = ca().weak_key(ALICE)
    info = signer_info(entity(), weak, scheme=RSA_PKCS1_SHA256)
    source = mime(
        bare_signed(entity(), alice(), infos=[info], bag=[weak.certificate, ca().certificate]),
        "signed-data",
    )
    with smimekit.open(source, trust=trust()) as opened:
        [signature] = opened.signatures
        assert signature.integrity is Integrity.GOOD
        assert signature.assessment.grade == "refused"
        assert not signature.intact
        assert opened.protection == NOTHING
    with pytest.raises(smimekit.PolicyError) as error:
        smimekit.verify(source, trust())
    assert error.value.code == "policy.weak"
    with smimekit.open(source, trust=trust(), policy=Policy.LEGACY_READ) as opened:
        assert opened.signatures[0].assessment.grade == "weak"
        assert opened.protection == Protection.INTACT  # the trust has its own policy


@pytest.mark.parametrize("known_to", [0, 1], ids=["stranger", "recipient"])
def test_an_unknown_content_cipher_is_a_fact(known_to: int) -> None:
    """Whoever has the key learns the same; what is inside stays closed."""
    known = der.oid(AES256_CBC.oid)
    cms = bare_enveloped(b"hello", bob()).replace(known, known[:-1] + b"\x63")
    with smimekit.open(cms, keys=[bob()] * known_to, trust=trust()) as opened:
        [layer] = opened.envelope
        assert isinstance(layer, Encrypted)
        assert (layer.cipher, layer.content) == (None, None)
        assert layer.failure is not None
        assert layer.failure.code == "cms.cipher"
        with pytest.raises(CmsError, match=layer.algorithm):
            opened.payload(require=Protection.NONE)
