"""Bad input: each kind a clear SmimeError with its code, and never another exception."""

import base64
from collections.abc import Callable
from datetime import timedelta
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

import smimekit
from smimekit import (
    CmsError,
    ContentChanged,
    Credential,
    DecryptionError,
    InputError,
    MemoryTrustStore,
    NoMatchingKey,
    Opened,
    Policy,
    PolicyError,
    Protection,
    SmimeError,
    Trust,
    UntrustedSigner,
    UsageError,
    VerificationError,
    der,
)
from smimekit.algorithms import RSA_PKCS1_SHA256
from smimekit.cms.content import SIGNED_DATA, content_info
from smimekit.keys import SoftwareKey
from smimekit.message.layers import Encrypted
from smimekit.testing import FakeCA
from smimekit.trust import RevocationPolicy
from tests.message.people import (
    ALICE,
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


@cache
def shapes() -> dict[str, bytes]:
    to = [bob().certificate]
    return {
        "clear": smimekit.sign(draft(), alice()),
        "opaque": smimekit.sign(draft(), alice(), opaque=True),
        "enveloped": smimekit.encrypt(draft(), to),
        "gcm": smimekit.encrypt(draft(), to, policy=Policy.MODERN),
        "both": smimekit.encrypt(draft(), to, signer=alice()),
        "bare": bare_signed(entity(), alice()),
        "bare enveloped": bare_enveloped(bare_signed(entity(), alice()), bob()),
    }


SHAPES = ("clear", "opaque", "enveloped", "gcm", "both", "bare", "bare enveloped")


def facts(mail: bytes, believed: Trust | None = None) -> Opened | SmimeError:
    """The facts of a message or the error; anything else is a bug, and ends the test."""
    try:
        with smimekit.open(mail, keys=[bob()], trust=believed or trust()) as opened:
            try:
                assert opened.payload(require=Protection.NONE).bytes() is not None
            except (NoMatchingKey, DecryptionError, PolicyError):
                assert opened.protection == Protection.NONE
            smimekit.harvest(opened)
    except SmimeError as error:
        check(error)
        return error
    return opened


def check(error: SmimeError) -> None:
    assert not isinstance(error, UsageError), "the caller made no mistake"
    assert error.code.replace(".", "").replace("-", "").isalnum()
    assert "plan" not in str(error)
    assert len(str(error)) < 500


# --- truncated, garbled --------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_truncated_anywhere(shape: str) -> None:
    mail = shapes()[shape]
    for end in range(0, len(mail) - 3, 1 if shape.startswith("bare") else 7):
        found = facts(mail[:end])
        if isinstance(found, Opened):
            assert Protection.VERIFIED not in found.protection
            if shape == "gcm":
                assert Protection.CONFIDENTIAL not in found.protection


@pytest.mark.parametrize("shape", SHAPES)
def test_an_octet_changed_anywhere(shape: str) -> None:
    """Whatever is still verified is what Alice signed."""
    mail = shapes()[shape]
    for at in range(0, len(mail), 29):
        for mask in (0x01, 0x80):
            changed = bytearray(mail)
            changed[at] ^= mask
            look(bytes(changed))


def look(mail: bytes) -> None:
    found = facts(mail)
    if isinstance(found, Opened) and Protection.VERIFIED in found.protection:
        payload = smimekit.verify(mail, trust(), keys=[bob()]).bytes()
        signed = (entity(), signed_entity(), encrypted_entity())
        wanted = [each.replace(b"\r\n", b"\n") for each in signed]
        assert payload.replace(b"\r\n", b"\n") in wanted


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """A message with pieces cut, doubled, moved, or put in; sometimes in its CMS octets."""
    mail = shapes()[draw(st.sampled_from(SHAPES))]
    inside = draw(st.booleans()) and b"pkcs7-mime" in mail
    head, _, body = mail.partition(b"\r\n\r\n")
    data = base64.b64decode(body) if inside else mail
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 40)))
        piece = draw(
            st.one_of(
                st.binary(max_size=8),
                st.sampled_from(
                    [b"\0", b"\x80", b"\xff", b"\x30\x80", b"\0\0", b"\x84\xff\xff\xff\xff",
                     b"\r\n", b"\n", b"--", b":", b";", b'"', b"From: x\r\n", data[start:end] * 2]
                ),
            )
        )  # fmt: skip
        data = data[:start] + piece + data[end:]
    if not inside:
        return data
    return head + b"\r\n\r\n" + base64.encodebytes(data).replace(b"\n", b"\r\n")


@given(mutations())
def test_mutated_messages(mail: bytes) -> None:
    look(mail)


@given(st.binary(max_size=300))
def test_garbage(data: bytes) -> None:
    for mail in (
        data,
        b"From: a@b\r\n" + data,
        b"From: a@b\r\nContent-Type: " + data,
        mime(data, "signed-data"),
        clear_signed(data, data),
        clear_signed(entity(), b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" + data),
    ):
        found = facts(mail)
        if isinstance(found, Opened):
            assert Protection.VERIFIED not in found.protection


@given(st.binary(max_size=200))
def test_garbage_inside_a_layer(data: bytes) -> None:
    for source in (bare_signed(data, alice()), bare_enveloped(data, bob())):
        facts(source)


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=4))
def test_garbled_certificates(at: int, piece: bytes) -> None:
    """The bag may hold anything; whatever the signer's certificate is by then."""
    good = alice().certificate.der
    at %= len(good)
    bad = good[:at] + piece + good[at + len(piece) :]
    mail = shapes()["bare"].replace(good, bad)
    look(mail)
    look(clear_signed(entity(), mail))


# --- the list of the issue -----------------------------------------------------------------


def signers() -> dict[str, tuple[Credential, str]]:
    return {
        "expired": (ca().expired(ALICE), "expired"),
        "not yet valid": (ca().not_yet_valid(ALICE), "not yet valid"),
        "self-signed": (ca().self_signed(ALICE), "self-signed"),
        "unknown CA": (ca().unknown_ca(ALICE), "anchor"),
        "wrong usage": (ca().wrong_usage(ALICE), "email"),
        "a CA that nobody knows": (FakeCA("Nobody", now=NOW).person(ALICE), "anchor"),
    }


@pytest.mark.parametrize(
    "case", ["expired", "not yet valid", "self-signed", "unknown CA", "wrong usage",
             "a CA that nobody knows"],
)  # fmt: skip
@pytest.mark.parametrize("shape", ["clear", "opaque", "both"])
def test_a_signer_who_is_not_trusted(case: str, shape: str) -> None:
    signer, _ = signers()[case]
    if shape == "both":
        mail = smimekit.encrypt(draft(), [bob().certificate], signer=signer)
    else:
        mail = smimekit.sign(draft(), signer, opaque=shape == "opaque")
    with pytest.raises(UntrustedSigner) as error:
        smimekit.verify(mail, trust(), keys=[bob()])
    assert error.value.code == "untrusted-signer"
    assert len(str(error.value)) > len("The signer is not trusted: ")
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        [signature] = opened.signatures
        assert signature.intact
        assert signature.reasons
        assert not signature.trusted


def test_a_revoked_signer() -> None:
    authority = FakeCA("Revoking", now=NOW)
    signer = authority.person(ALICE)
    crl = authority.crl([signer])
    believed = Trust(
        anchors=[authority.certificate], clock=lambda: NOW, revocation=RevocationPolicy.SOFT
    )
    bag = [signer.certificate, authority.certificate]
    good = bare_signed(entity(), signer, bag=bag)
    assert smimekit.verify(good, believed).bytes() == entity()
    revoked = with_crl(good, crl)
    with pytest.raises(UntrustedSigner, match="revoked"):
        smimekit.verify(revoked, believed)


def with_crl(source: bytes, crl: bytes) -> bytes:
    """The SignedData once more, with a CRL (RFC 5652, 5.1: crls [1])."""
    outer = der.Reader(source).enter(der.SEQUENCE)
    outer.raw()
    inside = outer.enter(0xA0).enter(der.SEQUENCE)
    pieces: list[bytes] = []
    while inside.more:
        if inside.peek == der.SET and len(pieces) > 2:
            pieces.append(der.constructed(1, crl))
        pieces.append(inside.raw())
    return content_info(SIGNED_DATA, der.sequence(*pieces))


def test_a_weak_key() -> None:
    weak = ca().weak_key(ALICE)
    info = signer_info(entity(), weak, scheme=RSA_PKCS1_SHA256)
    source = bare_signed(entity(), infos=[info], bag=[weak.certificate])
    with pytest.raises(PolicyError) as error:
        smimekit.verify(source, trust())
    assert error.value.code == "policy.weak"


@pytest.mark.parametrize("where", ["body", "attributes", "signature", "certificate"])
@pytest.mark.parametrize("detached", [True, False])
def test_tampered(where: str, detached: bool) -> None:
    source = bytearray(bare_signed(entity(), alice(), detached=detached))
    content = entity()
    digest_at = bytes(source).index(bytes.fromhex("06092a864886f70d010904")) + 15
    place = {
        "body": 0,
        "attributes": digest_at,
        "signature": len(source) - 3,
        "certificate": bytes(source).index(alice().certificate.der) + 300,
    }[where]
    if where == "body":
        if not detached:
            place = bytes(source).index(b"The plan")
        content = content.replace(b"The", b"the")
    if where != "body" or not detached:
        source[place] ^= 0x20 if where == "body" else 0x01
    mail = clear_signed(content, bytes(source)) if detached else mime(bytes(source), "signed-data")
    with pytest.raises(SmimeError) as error:
        smimekit.verify(mail, trust())
    wanted = {"body": "content-changed.content", "signature": "content-changed.signature",
              "attributes": "content-changed.content"}  # fmt: skip
    if where in wanted:
        assert isinstance(error.value, ContentChanged)
        assert error.value.code == wanted[where]
    check(error.value)


def test_attributes_of_another_message() -> None:
    """The digest in the attributes is right, the signature is over other attributes."""
    one, two = (der.Reader(signer_info(entity(text), alice())).enter(der.SEQUENCE) for text in "ab")
    pieces_one = [one.raw() for _ in range(6)]
    pieces_two = [two.raw() for _ in range(6)]
    mixed = der.sequence(*pieces_one[:5], pieces_two[5])
    with pytest.raises(ContentChanged) as error:
        smimekit.verify(bare_signed(entity("a"), alice(), infos=[mixed]), trust())
    assert error.value.code == "content-changed.signature"


def test_content_of_another_type_than_was_signed() -> None:
    """RFC 5652, 11.1: contentType must match eContentType."""
    info = signer_info(entity(), alice(), content_type="1.2.840.113549.1.9.16.1.4")
    with pytest.raises(VerificationError) as error:
        smimekit.verify(bare_signed(entity(), alice(), infos=[info]), trust())
    assert error.value.code == "verification.malformed"


def test_all_reasons_are_one_sentence() -> None:
    """Changed by somebody, and signed by a stranger: those of trust are sentences of their own."""
    signed = smimekit.sign(draft(), alice(), headers=None)
    with pytest.raises(ContentChanged) as error:
        smimekit.verify(signed.replace(b"plan is on", b"plan is off"), Trust())
    said = str(error.value)
    assert "the content is not what was signed; " in said
    assert "nobody is trusted" in said
    assert (said.count("."), said[-1]) == (1, ".")


def test_a_wrong_key() -> None:
    with pytest.raises(NoMatchingKey):
        smimekit.decrypt(shapes()["enveloped"], [alice(), mallory()])


def test_a_bag_without_the_signer() -> None:
    source = bare_signed(entity(), alice(), bag=[])
    with pytest.raises(UntrustedSigner) as error:
        smimekit.verify(source, Trust(MemoryTrustStore()))
    assert error.value.code == "untrusted-signer.no-certificate"


def test_a_message_for_a_key_of_another_time() -> None:
    """Encryption knows no validity: an expired certificate's key still opens old mail."""
    expired = ca().expired("old@example.org")
    mail = bare_enveloped(entity(), expired)
    assert smimekit.decrypt(mail, [expired]).bytes() == entity()
    with smimekit.open(mail, keys=[expired], trust=trust(), at=NOW + timedelta(days=9999)) as o:
        [layer] = o.envelope
        assert isinstance(layer, Encrypted)
        assert layer.opened_with == expired.certificate


def test_everything_is_an_input_error_that_is_malformed() -> None:
    for make in (
        lambda: smimekit.open(b"", trust=trust()),
        lambda: smimekit.open(
            b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", trust=trust()
        ),
        lambda: smimekit.verify(mime(b"x", "signed-data"), trust()),
        lambda: smimekit.decrypt(mime(b"x", "enveloped-data"), [bob()]),
    ):
        attempt: Callable[[], object] = make
        with pytest.raises(InputError):
            attempt()
    assert issubclass(CmsError, InputError)
    assert isinstance(bob().key, SoftwareKey)
    assert root().certificate.is_ca
