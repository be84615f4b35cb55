"""Countersignatures (RFC 5652, 11.4): made, read by asn1crypto, checked and refused."""

from dataclasses import replace
from typing import Any

import pytest
from asn1crypto import cms as asn1

from smimekit import der
from smimekit.cms import attributes as attrs
from smimekit.cms.attributes import attribute
from smimekit.cms.content import DATA
from smimekit.cms.countersignature import check_countersignature, countersign, countersignatures
from smimekit.cms.signed_writing import add_unsigned
from smimekit.cms.signer import Integrity
from smimekit.errors import CmsError
from tests.cms.signing import CONTENT, LIMITS, bare, check, info, message, person, read, scheme_of


def notary(key: str = "p256") -> Any:
    return person(key, "notary@example.org")


def countersigned(signer: bytes, *by: Any) -> bytes:
    for each in by:
        signer = countersign(signer, each.certificate, each.key, scheme_of(each))
    return signer


@pytest.mark.parametrize("key", ["p256", "rsa-2048", "ed448", "ml-dsa-44"])
def test_countersigned_and_checked(key: str) -> None:
    who = notary(key)
    plain = info(person())
    signer = countersigned(plain, who)
    (found,) = countersignatures(read(signer))
    assert read(found).signed_attributes is not None
    assert (
        check_countersignature(read(found), who.certificate, read(plain).signature).integrity
        is Integrity.GOOD
    )
    assert check(signer, person()).integrity is Integrity.GOOD
    assert read(signer).signature == read(plain).signature
    assert read(signer).signed_attributes == read(plain).signed_attributes


def test_asn1crypto_sees_them() -> None:
    made = message(countersigned(info(person()), notary(), notary("ed25519")))
    parsed = asn1.ContentInfo.load(made, strict=True)
    assert parsed.dump(force=True) == made
    (signer,) = parsed["content"]["signer_infos"]
    found = [value for each in signer["unsigned_attrs"] for value in each["values"]]
    assert {each["sid"].chosen["serial_number"].native for each in found} == {
        notary().certificate.serial,
        notary("ed25519").certificate.serial,
    }
    for each in found:
        types = [one["type"].native for one in each["signed_attrs"]]
        assert "message_digest" in types
        assert "content_type" not in types


def test_it_signs_the_signature_and_nothing_else() -> None:
    (found,) = map(read, countersignatures(read(countersigned(info(person()), notary()))))
    other = read(info(person(), b"other")).signature
    for signed in (other, CONTENT, b""):
        assert (
            check_countersignature(found, notary().certificate, signed).integrity
            is Integrity.CONTENT_CHANGED
        )


def test_content_type_must_be_absent() -> None:
    """RFC 5652, 11.4: MUST NOT contain a content-type attribute."""
    signed = read(info(person())).signature
    ordinary = read(info(notary(), signed, content_type=DATA))
    found = check_countersignature(ordinary, notary().certificate, signed)
    assert found.integrity is Integrity.MALFORMED
    without = info(notary(), CONTENT, content_type=None)
    assert check(without, notary()).integrity is Integrity.MALFORMED  # an ordinary one needs it


def test_message_digest_must_be_there() -> None:
    """RFC 5652, 11.4: if it contains any other attributes."""
    who, signed = notary(), read(info(person())).signature
    attributes = der.set_of([attribute(attrs.SIGNING_TIME, b"\x17\x0d260301120000Z")])
    made = read(info(who, signed, content_type=None))
    forged = replace(
        made,
        signed_attributes=attrs.Attributes.read(b"\xa0" + attributes[1:], limits=LIMITS),
        signature=who.key.sign(attributes, scheme_of(who)),
    )
    assert check_countersignature(forged, who.certificate, signed).integrity is Integrity.MALFORMED


def test_without_attributes() -> None:
    who, signed = notary(), read(info(person())).signature
    made = read(bare(who, signed))
    assert check_countersignature(made, who.certificate, signed).integrity is Integrity.GOOD
    assert check_countersignature(made, who.certificate, b"x").integrity is Integrity.BAD_SIGNATURE


def test_another_certificate() -> None:
    (found,) = map(read, countersignatures(read(countersigned(info(person()), notary()))))
    signed = read(info(person())).signature
    found_by = check_countersignature(found, person().certificate, signed).integrity
    assert found_by is not Integrity.GOOD


def test_nested() -> None:
    inner = countersigned(
        info(notary(), read(info(person())).signature, content_type=None), notary("ed25519")
    )
    outer = read(add_unsigned(info(person()), attribute(attrs.COUNTERSIGNATURE, inner)))
    (first,) = map(read, countersignatures(outer))
    (second,) = map(read, countersignatures(first))
    who = notary("ed25519").certificate
    assert check_countersignature(second, who, first.signature).integrity is Integrity.GOOD
    assert (
        check_countersignature(second, who, outer.signature).integrity is Integrity.CONTENT_CHANGED
    )


def test_among_the_signed_attributes_it_is_refused() -> None:
    """RFC 5652, 11.4: MUST be an unsigned attribute; it MUST NOT be a signed attribute."""
    signer = info(
        person(), extra=[attribute(attrs.COUNTERSIGNATURE, info(notary(), content_type=None))]
    )
    found = check(signer, person())
    assert found.integrity is Integrity.MALFORMED
    assert "11.4" in (found.reason or "")


def test_several_in_one_attribute_and_several_attributes() -> None:
    signed = read(info(person())).signature
    both = [info(each, signed, content_type=None) for each in (notary(), notary("ed25519"))]
    one = read(add_unsigned(info(person()), attribute(attrs.COUNTERSIGNATURE, *both)))
    two = read(
        add_unsigned(info(person()), *(attribute(attrs.COUNTERSIGNATURE, each) for each in both))
    )
    assert set(countersignatures(one)) == set(countersignatures(two)) == set(both)


@pytest.mark.parametrize("junk", [b"", b"\x05\x00", der.sequence(), b"\x30\x80"])
def test_only_a_signer_info_is_countersigned(junk: bytes) -> None:
    who = notary()
    with pytest.raises(CmsError):
        countersign(junk, who.certificate, who.key, scheme_of(who))


def test_adding_nothing_changes_nothing() -> None:
    signer = info(person())
    assert add_unsigned(signer) == signer
    extra = attribute("1.2.3.4", der.integer(7))
    once = add_unsigned(signer, extra)
    assert add_unsigned(
        add_unsigned(signer, extra), attribute("1.2.3.5", b"\x05\x00")
    ) == add_unsigned(signer, attribute("1.2.3.5", b"\x05\x00"), extra)
    unsigned = read(once).unsigned_attributes
    assert unsigned is not None
    assert unsigned.entries == (("1.2.3.4", (der.integer(7),)),)
    with pytest.raises(CmsError):
        add_unsigned(b"\x31\x00", extra)
