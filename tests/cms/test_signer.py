"""Each rule that ties a signature to what it covers, and what happens where it is broken."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit import der
from smimekit.algorithms import (
    ECDSA_SHA256,
    ECDSA_SHA384,
    ED25519,
    MD5,
    RSA_ENCRYPTION,
    RSA_PSS_SHA256,
    SHA1,
    SHA256,
    SHA512,
    SIGNATURE_SCHEMES,
    AlgorithmIdentifier,
)
from smimekit.certificate import Certificate
from smimekit.cms import attributes as attrs
from smimekit.cms.attributes import Attributes, AttributeWatch, attribute
from smimekit.cms.content import SIGNED_DATA, TST_INFO
from smimekit.cms.identifiers import IssuerAndSerialNumber, SubjectKeyIdentifier
from smimekit.cms.signed import Digests
from smimekit.cms.signer import Integrity, check_signer, find_certificate
from tests.cms import forge
from tests.cms.forge import LIMITS, Forgery, digest_of, indefinite, read_signed

KINDS = {"rsa-pkcs1": "rsa-2048", "rsa-pss": "rsa-2048", "ecdsa": "p256"}
"""The kind of key for a kind of signature, where they have different names."""


def bob() -> Any:
    return forge.person("p256", "bob@example.org")


# --- good ones -----------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SIGNATURE_SCHEMES, ids=lambda row: row.name)
@pytest.mark.parametrize("attributes", [True, False])
def test_good(scheme: Any, attributes: Any) -> None:
    who = forge.person(KINDS.get(str(scheme.kind), str(scheme.kind)))
    for econtent in (None, b""):
        found = Forgery(
            who=who, scheme=scheme, no_attributes=not attributes, econtent=econtent
        ).check()
        assert found.integrity is Integrity.GOOD, found
        assert found.scheme == (scheme if attributes else scheme.bare)
        assert found.reason is None
        assert not found.reencoded


@pytest.mark.parametrize("scheme", SIGNATURE_SCHEMES, ids=lambda row: row.name)
@pytest.mark.parametrize("attributes", [True, False])
def test_changed_content(scheme: Any, attributes: Any) -> None:
    who = forge.person(KINDS.get(str(scheme.kind), str(scheme.kind)))
    forgery = Forgery(who=who, scheme=scheme, no_attributes=not attributes, econtent=b"")
    found = forge.check(forgery.encode(), who, b"Content")
    assert found.integrity is (Integrity.CONTENT_CHANGED if attributes else Integrity.BAD_SIGNATURE)
    assert found.reason


@pytest.mark.parametrize("kind", ["p256", "ed25519", "rsa-2048"])
@pytest.mark.parametrize("attributes", [True, False])
def test_signature_of_something_else(kind: Any, attributes: Any) -> None:
    who = forge.person(kind)
    forgery = Forgery(who=who, no_attributes=not attributes, signs=b"something else")
    assert forgery.check().integrity is Integrity.BAD_SIGNATURE
    for signature in (b"", b"\x30\x00", bytes(64), bytes(256)):
        forgery = Forgery(who=who, no_attributes=not attributes, signature=signature)
        assert forgery.check().integrity is Integrity.BAD_SIGNATURE


def test_the_digest_may_be_another_than_the_first() -> None:
    made = Forgery(scheme=ECDSA_SHA384)
    assert made.check().integrity is Integrity.GOOD


def test_key_oid_as_signature_algorithm() -> None:
    """RFC 3370, 3.2: rsaEncryption."""
    algorithm = AlgorithmIdentifier(RSA_ENCRYPTION, der.NULL_VALUE)
    assert (
        Forgery(who=forge.person("rsa-2048"), algorithm=algorithm).check().integrity
        is Integrity.GOOD
    )


# --- contentType, messageDigest: RFC 5652, 11 ----------------------------------------------


def malformed(**parts: Any) -> str:
    """The signature is good, the message breaks a rule; what the check says."""
    found = Forgery(**parts).check()
    assert found.integrity is Integrity.MALFORMED, found
    assert found.reason
    return found.reason


CONTENT_TYPE = attribute(attrs.CONTENT_TYPE, der.oid("1.2.840.113549.1.7.1"))
DIGEST = attribute(attrs.MESSAGE_DIGEST, der.octet_string(digest_of(SHA256, b"content")))
OTHER_DIGEST = attribute(attrs.MESSAGE_DIGEST, der.octet_string(digest_of(SHA256, b"other")))


def test_the_usual_attributes_are_not_needed() -> None:
    assert Forgery(attributes=[CONTENT_TYPE, DIGEST]).check().integrity is Integrity.GOOD


def test_content_type_missing() -> None:
    malformed(attributes=[DIGEST])
    malformed(without=frozenset({attrs.CONTENT_TYPE}))
    assert Forgery(attributes=[DIGEST]).check().reason == "The signer's contentType is missing."


def test_message_digest_missing() -> None:
    malformed(attributes=[CONTENT_TYPE])


def test_no_attribute_at_all() -> None:
    """An empty signedAttrs is present: the content itself was not signed."""
    malformed(attributes=[])


def test_content_type_wrong() -> None:
    """RFC 5652, 11.1: the same as the eContentType."""
    malformed(attributes=[attribute(attrs.CONTENT_TYPE, der.oid(TST_INFO)), DIGEST])
    found = Forgery(content_type=TST_INFO).check()
    assert found.integrity is Integrity.GOOD
    malformed(content_type=TST_INFO, attributes=[CONTENT_TYPE, DIGEST])


def test_message_digest_wrong() -> None:
    found = Forgery(attributes=[CONTENT_TYPE, OTHER_DIGEST]).check()
    assert found.integrity is Integrity.CONTENT_CHANGED
    truncated = attribute(attrs.MESSAGE_DIGEST, der.octet_string(digest_of(SHA256, b"content")[:8]))
    assert (
        Forgery(attributes=[CONTENT_TYPE, truncated]).check().integrity is Integrity.CONTENT_CHANGED
    )
    empty = attribute(attrs.MESSAGE_DIGEST, der.octet_string(b""))
    assert Forgery(attributes=[CONTENT_TYPE, empty]).check().integrity is Integrity.CONTENT_CHANGED


@pytest.mark.parametrize(
    "twice",
    [
        [CONTENT_TYPE, CONTENT_TYPE, DIGEST],
        [CONTENT_TYPE, DIGEST, DIGEST],
        [CONTENT_TYPE, DIGEST, OTHER_DIGEST],
        [CONTENT_TYPE, OTHER_DIGEST, DIGEST],
        [CONTENT_TYPE, attribute(attrs.CONTENT_TYPE, der.oid(TST_INFO)), DIGEST],
    ],
)
@pytest.mark.parametrize("in_order", [True, False])
def test_attributes_that_stand_twice(twice: Any, in_order: Any) -> None:
    """RFC 5652, 5.3: one instance."""
    malformed(attributes=twice, in_order=in_order)


def two(oid: str, *values: bytes) -> bytes:
    return der.sequence(der.oid(oid), der.tlv(der.SET, *values))


@pytest.mark.parametrize(
    "values",
    [
        [two(attrs.CONTENT_TYPE, der.oid("1.2.840.113549.1.7.1"), der.oid(TST_INFO)), DIGEST],
        [two(attrs.CONTENT_TYPE), DIGEST],
        [CONTENT_TYPE, two(attrs.MESSAGE_DIGEST, DIGEST[-34:], OTHER_DIGEST[-34:])],
        [CONTENT_TYPE, two(attrs.MESSAGE_DIGEST, OTHER_DIGEST[-34:], DIGEST[-34:])],
        [CONTENT_TYPE, two(attrs.MESSAGE_DIGEST)],
    ],
)
def test_attributes_have_one_value(values: Any) -> None:
    """RFC 5652, 11.1 and 11.2: a single value, zero or several are not permitted."""
    malformed(attributes=values, in_order=True)


@pytest.mark.parametrize(
    "broken",
    [
        attribute(attrs.CONTENT_TYPE, der.octet_string(b"x")),
        attribute(attrs.MESSAGE_DIGEST, der.oid("1.2.3")),
        two(attrs.MESSAGE_DIGEST, DIGEST[-34:-32]),
        attribute(attrs.SIGNING_TIME, der.integer(1)),
        attribute(attrs.SIGNING_TIME, der.tlv(der.UTC_TIME, b"269999000000Z")),
    ],
)
def test_attributes_of_the_wrong_type(broken: Any) -> None:
    oid = der.Reader(broken).enter(der.SEQUENCE).oid()
    usual = {attrs.CONTENT_TYPE: CONTENT_TYPE, attrs.MESSAGE_DIGEST: DIGEST}
    made = Forgery(attributes=[*(value for name, value in usual.items() if name != oid), broken])
    assert made.check().integrity is Integrity.MALFORMED


def test_signing_time_stands_once() -> None:
    """RFC 5652, 11.3."""
    time = [
        attribute(attrs.SIGNING_TIME, der.time(datetime(2026, 1, day, tzinfo=UTC)))
        for day in (1, 2)
    ]
    assert Forgery(extra=time[:1]).check().integrity is Integrity.GOOD
    malformed(extra=time)


# --- CMSAlgorithmProtection: RFC 6211 ------------------------------------------------------


def protection(digest: AlgorithmIdentifier, signature: AlgorithmIdentifier) -> list[bytes]:
    return [CONTENT_TYPE, DIGEST, attrs.algorithm_protection(digest, signature)]


SAME = (SHA256.identifier, ECDSA_SHA256.identifier)
NULL = AlgorithmIdentifier(SHA256.oid, der.NULL_VALUE)


def test_algorithm_protection() -> None:
    assert Forgery(attributes=protection(*SAME)).check().integrity is Integrity.GOOD
    assert Forgery(attributes=protection(NULL, SAME[1])).check().integrity is Integrity.GOOD


@pytest.mark.parametrize(
    ("digest", "signature"),
    [
        (SHA512.identifier, SAME[1]),
        (SAME[0], ECDSA_SHA384.identifier),
        (SAME[0], AlgorithmIdentifier(ECDSA_SHA256.oid, der.sequence())),
        (AlgorithmIdentifier(SHA256.oid, der.sequence()), SAME[1]),
    ],
)
def test_algorithm_protection_of_others(digest: Any, signature: Any) -> None:
    assert "RFC 6211" in malformed(attributes=protection(digest, signature))


def test_pss_parameters_are_protected() -> None:
    """Another salt or mask is another algorithm, though its OID is the same."""
    weaker = AlgorithmIdentifier(RSA_PSS_SHA256.oid, der.sequence())
    who = forge.person("rsa-2048")
    protected = protection(SHA256.identifier, weaker)
    assert "RFC 6211" in malformed(who=who, scheme=RSA_PSS_SHA256, attributes=protected)


def test_algorithm_protection_of_a_mac() -> None:
    mac = der.sequence(
        SHA256.identifier.encode(), der.constructed(2, der.oid("1.2.840.113549.2.9"))
    )
    malformed(attributes=[CONTENT_TYPE, DIGEST, attribute(attrs.ALGORITHM_PROTECTION, mac)])


def test_algorithm_protection_stands_once() -> None:
    malformed(attributes=[*protection(*SAME), protection(*SAME)[-1]])


def test_contradicting_algorithms() -> None:
    """RFC 5652, 5.3: digestAlgorithm and the digest inside the signature are one."""
    reason = malformed(digest=SHA512.identifier, attributes=[CONTENT_TYPE, DIGEST])
    assert "digest" in reason
    who = forge.person("rsa-2048")
    malformed(
        who=who, scheme=RSA_PSS_SHA256, digest=SHA512.identifier, attributes=[CONTENT_TYPE, DIGEST]
    )
    malformed(digest=SHA512.identifier, no_attributes=True)


# --- signingCertificate: RFC 5035 ----------------------------------------------------------


def version_1(certificate: bytes, serial: bytes = b"") -> bytes:
    hashed = der.octet_string(digest_of(SHA1, certificate))
    return attribute(
        attrs.SIGNING_CERTIFICATE, der.sequence(der.sequence(der.sequence(hashed, serial)))
    )


def version_2(
    certificate: bytes, digest: AlgorithmIdentifier, row: Any, serial: int | None = None
) -> bytes:
    hashed = der.octet_string(digest_of(row, certificate))
    who = b""
    if serial is not None:
        issuer = der.sequence(der.constructed(4, bob().certificate.issuer))
        who = der.sequence(issuer, der.integer(serial))
    one = der.sequence(digest.encode(), hashed, who)
    return attribute(attrs.SIGNING_CERTIFICATE_V2, der.sequence(der.sequence(one)))


def named(*attributes: bytes) -> Forgery:
    return Forgery(attributes=[CONTENT_TYPE, DIGEST, *attributes])


def test_signing_certificate() -> None:
    mine = forge.person().certificate
    assert named(version_1(mine.der)).check().integrity is Integrity.GOOD
    for row in (SHA1, SHA256, SHA512):
        for serial in (None, mine.serial):
            one = version_2(mine.der, row.identifier, row, serial)
            assert named(one).check().integrity is Integrity.GOOD


def test_signing_certificate_of_another() -> None:
    """The same key under another certificate: another name, or another policy."""
    mine, other = forge.person().certificate, bob().certificate
    ours = attrs.signing_certificate_v2(other.der, mine.issuer, mine.serial_bytes)
    for one in (version_1(other.der), version_2(other.der, SHA512.identifier, SHA512), ours):
        found = named(one).check()
        assert found.integrity is Integrity.MALFORMED
        assert "RFC 5035" in (found.reason or "")


def test_signing_certificate_of_another_serial() -> None:
    mine = forge.person().certificate
    assert (
        named(version_2(mine.der, SHA256.identifier, SHA256, mine.serial + 1)).check().integrity
        is Integrity.MALFORMED
    )


def test_both_versions_count() -> None:
    """RFC 5035, 2: where both stand there, each is evaluated."""
    mine, other = forge.person().certificate, bob().certificate
    good = (version_1(mine.der), version_2(mine.der, SHA256.identifier, SHA256))
    bad = (version_1(other.der), version_2(other.der, SHA256.identifier, SHA256))
    assert named(*good).check().integrity is Integrity.GOOD
    assert named(good[0], bad[1]).check().integrity is Integrity.MALFORMED
    assert named(bad[0], good[1]).check().integrity is Integrity.MALFORMED


def test_signing_certificate_by_an_unknown_digest() -> None:
    mine = forge.person().certificate
    unknown = AlgorithmIdentifier("1.2.3")
    assert named(version_2(mine.der, unknown, SHA256)).check().integrity is Integrity.MALFORMED


def test_signing_certificate_stands_once() -> None:
    mine = forge.person().certificate
    one = version_2(mine.der, SHA256.identifier, SHA256)
    assert named(one, one).check().integrity is Integrity.MALFORMED


@pytest.mark.parametrize("value", [der.sequence(), der.sequence(der.sequence()), der.integer(1)])
def test_signing_certificate_that_is_none(value: Any) -> None:
    for oid in (attrs.SIGNING_CERTIFICATE, attrs.SIGNING_CERTIFICATE_V2):
        assert named(attribute(oid, value)).check().integrity is Integrity.MALFORMED


# --- without signed attributes -------------------------------------------------------------


@pytest.mark.parametrize("content_type", [TST_INFO, SIGNED_DATA, "1.2.3"])
def test_only_data_does_without_attributes(content_type: Any) -> None:
    """RFC 5652, 5.3: signedAttrs MUST be present if the content is not id-data."""
    assert "5.3" in malformed(no_attributes=True, content_type=content_type)


@pytest.mark.parametrize("who", ["p256", "ed25519", "rsa-2048"])
@pytest.mark.parametrize("pad", [0, 70_000, 1_000_000])
def test_attributes_as_content(who: Any, pad: Any) -> None:
    """A signature of signed attributes does not become one of their DER as content."""
    victim = forge.person(who)
    extra = [attribute("1.2.3", der.octet_string(bytes(pad)))] if pad else []
    attributes = Forgery(who=victim, extra=extra).signed_attributes()
    reason = malformed(who=victim, content=attributes, no_attributes=True)
    assert "attributes" in reason
    assert Forgery(who=victim, content=attributes).check().integrity is Integrity.GOOD


@pytest.mark.parametrize(
    "extra",
    [
        [attribute(f"1.2.3.{at}", der.octet_string(b"")) for at in range(201)],
        [attribute("1.2.3", *(der.integer(at) for at in range(201)))],
        [der.sequence(der.tlv(der.OID, b"\x2a" + b"\x81" * 130 + b"\x01"), der.set_of([b"\5\0"]))],
    ],
    ids=["attributes", "values", "oid"],
)
def test_attributes_over_a_limit_as_content(extra: Any) -> None:
    """What is too much to be read as attributes is refused as content, not let pass."""
    attributes = Forgery(extra=extra).signed_attributes()
    assert "attributes" in malformed(content=attributes, no_attributes=True)


def test_attributes_as_content_in_pieces() -> None:
    attributes = Forgery().signed_attributes()
    watch = AttributeWatch()
    assert all(map(watch.update, (b"", attributes[:1], attributes[1:])))
    assert watch.found()
    assert not AttributeWatch().update(b"0" + attributes)


@pytest.mark.parametrize(
    "content",
    [b"", b"1", b"1 + 1 = 2\r\n", der.set_of([]), der.set_of([attribute("1.2.3")]), b"1" * 100_000],
)
def test_content_that_looks_a_little_like_attributes(content: Any) -> None:
    assert Forgery(content=content, no_attributes=True).check().integrity is Integrity.GOOD


# --- attributes in another encoding --------------------------------------------------------


def shuffled() -> Forgery:
    """The attributes in an order that is not the one of DER."""
    made = Forgery()
    values = sorted(made.usual().values(), reverse=True)
    return Forgery(attributes=values, in_order=True)


def test_attributes_verify_as_received() -> None:
    made = shuffled()
    assert der.to_der(made.signed_attributes()) != made.signed_attributes()
    found = made.check()
    assert found.integrity is Integrity.GOOD
    assert not found.reencoded


def test_attributes_verify_as_der() -> None:
    """RFC 5652, 5.4: signed is the DER encoding, however they were sent."""
    made = shuffled()
    made.signs = der.to_der(made.signed_attributes())
    found = made.check()
    assert found.integrity is Integrity.GOOD
    assert found.reencoded


def test_attributes_in_disorder_need_a_signature_too() -> None:
    made = shuffled()
    made.signs = b"something else"
    assert made.check().integrity is Integrity.BAD_SIGNATURE


def test_attributes_of_indefinite_length() -> None:
    inside = [indefinite(0x30, *parts) for parts in _taken_apart(Forgery().signed_attributes())]
    sent = indefinite(0x31, *inside)
    made = Forgery(signs=der.to_der(sent))
    info = _with_attributes(made, b"\xa0" + sent[1:])
    found = forge.check(made.encode(info), made.who)
    assert found.integrity is Integrity.GOOD
    assert found.reencoded


def _taken_apart(attributes: bytes) -> list[list[bytes]]:
    found, outer = [], der.Reader(attributes).enter(der.SET)
    while outer.more:
        inside = outer.enter(der.SEQUENCE)
        found.append([inside.raw(), inside.raw()])
    return found


def _with_attributes(made: Forgery, attributes: bytes) -> bytes:
    reader, parts = der.Reader(made.signer_info()).enter(der.SEQUENCE), []
    while reader.more:
        parts.append(attributes if reader.peek == 0xA0 else reader.raw())
        if parts[-1] is attributes:
            reader.raw()
    return der.sequence(*parts)


def test_what_is_sent_is_what_is_judged() -> None:
    """The DER form may not say something else than the received one."""
    other = Forgery(content=b"other")
    sent = b"\xa0" + der.set_of(list(other.usual().values()))[1:]
    made = Forgery(content=b"content")
    found = forge.check(made.encode(_with_attributes(made, sent)), made.who)
    assert found.integrity is Integrity.CONTENT_CHANGED


# --- unknown algorithms and keys -----------------------------------------------------------


@pytest.mark.parametrize(
    "parts",
    [
        {"digest": AlgorithmIdentifier("1.2.3")},
        {"algorithm": AlgorithmIdentifier("1.2.3")},
        {"algorithm": AlgorithmIdentifier("2.16.840.1.101.3.4.3.20")},
        {"digest": AlgorithmIdentifier("2.16.840.1.101.3.4.2.17"), "who": "ed25519"},
    ],
)
def test_unknown_algorithms(parts: Any) -> None:
    if "who" in parts:
        parts = {**parts, "who": forge.person(parts["who"])}
    found = Forgery(**parts, attributes=[CONTENT_TYPE, DIGEST]).check()
    assert found.integrity is Integrity.UNSUPPORTED
    assert found.scheme is None
    assert "supported" in (found.reason or "")


def test_a_key_of_another_kind() -> None:
    """The algorithm says ECDSA, the certificate holds an RSA key."""
    found = Forgery(
        who=forge.person("rsa-2048"),
        algorithm=ECDSA_SHA256.identifier,
        attributes=[CONTENT_TYPE, DIGEST],
    ).check()
    assert found.integrity is Integrity.BAD_SIGNATURE


def test_ed25519_with_another_digest() -> None:
    """RFC 8419, 3.1 has SHA-512; the digest of another one counts as what it is."""
    digest = attribute(attrs.MESSAGE_DIGEST, der.octet_string(digest_of(MD5, b"content")))
    found = Forgery(
        who=forge.person("ed25519"), digest=MD5.identifier, attributes=[CONTENT_TYPE, digest]
    ).check()
    assert found.scheme is not None
    assert found.scheme.digest is MD5  # which policy then refuses
    assert found.scheme.kind is ED25519.kind


# --- who -----------------------------------------------------------------------------------


def test_signer_by_key_identifier() -> None:
    alice = forge.person()
    key_id = alice.certificate.key_id
    assert key_id is not None
    made = Forgery(sid=SubjectKeyIdentifier(key_id))
    assert made.check().integrity is Integrity.GOOD
    (signer,) = read_signed(made.encode()).data.signers
    assert signer.version == 3
    assert find_certificate(signer, [bob().certificate, alice.certificate]) == alice.certificate
    assert find_certificate(signer, [bob().certificate]) is None


def test_computed_key_identifier() -> None:
    """RFC 5280, 4.2.1.2 (1), for a certificate without the extension."""
    from tests.test_certificate import built  # noqa: PLC0415 - only here

    plain = built()
    from cryptography import x509  # noqa: PLC0415 - only here

    key_id = x509.SubjectKeyIdentifier.from_public_key(forge.private().public_key()).digest
    assert plain.key_id is None
    assert SubjectKeyIdentifier(key_id).matches(plain)
    assert not SubjectKeyIdentifier(key_id[:-1]).matches(plain)


def test_key_identifier_as_windows_computes_it() -> None:
    """SHA-1 of the whole SubjectPublicKeyInfo, where the certificate has no identifier."""
    from tests.test_certificate import built  # noqa: PLC0415 - only here

    plain = built()
    key_id = hashlib.sha1(plain.spki, usedforsecurity=False).digest()
    assert SubjectKeyIdentifier(key_id).matches(plain)
    assert not SubjectKeyIdentifier(
        hashlib.sha1(plain.der, usedforsecurity=False).digest()
    ).matches(plain)


def test_where_a_certificate_says_its_identifier_none_is_computed() -> None:
    """RFC 5652, 5.3: the identifier is that of the extension."""
    alice = forge.person().certificate
    assert alice.key_id is not None
    whole = hashlib.sha1(alice.spki, usedforsecurity=False).digest()
    assert whole != alice.key_id
    assert not SubjectKeyIdentifier(whole).matches(alice)


def test_a_certificate_with_a_hostile_key_matches_nothing() -> None:
    """It may lie in the bag beside the right one."""
    from tests.test_certificate import DEEP, put, rebuild  # noqa: PLC0415 - only here

    spki = der.sequence(DEEP, der.bit_string(b"key"))

    def without(parts: list[bytes]) -> None:
        put(6, spki)(parts)
        del parts[7]

    hostile = Certificate(rebuild(without))
    assert not SubjectKeyIdentifier(b"x" * 20).matches(hostile)


def test_an_identifier_names_issuer_and_serial() -> None:
    alice = forge.person().certificate
    assert IssuerAndSerialNumber.of(alice).matches(alice)
    assert not IssuerAndSerialNumber(alice.issuer, alice.serial + 1).matches(alice)
    assert not IssuerAndSerialNumber(alice.subject, alice.serial).matches(alice)


def test_no_certificate() -> None:
    made = read_signed(Forgery(certificates=()).encode())
    assert made.data.certificates == ()
    (signer,) = made.data.signers
    assert find_certificate(signer, []) is None


def test_another_certificate_verifies_nothing() -> None:
    made = read_signed(Forgery(attributes=[CONTENT_TYPE, DIGEST]).encode())
    found = check_signer(
        made.data.signers[0], bob().certificate, made.data.content_type, made.digests
    )
    assert found.integrity is Integrity.BAD_SIGNATURE


# --- attributes that announce: RFC 8551, 2.5.2 and 2.5.3 --------------------------------------


ANNOUNCED = {
    attrs.SMIME_CAPABILITIES: der.sequence(),
    attrs.ENCRYPTION_KEY_PREFERENCE: der.implicit(2, b"key"),
}


@pytest.mark.parametrize("oid", ANNOUNCED)
def test_what_is_announced_stands_once_with_one_value(oid: str) -> None:
    """ "If a signature is detected as violating these requirements, the signature SHOULD be
    treated as failing."
    """
    value = ANNOUNCED[oid]
    usual = list(Forgery().usual().values())
    assert Forgery(attributes=[*usual, attribute(oid, value)]).check().integrity is Integrity.GOOD
    malformed(attributes=[*usual, attribute(oid, value), attribute(oid, value)])
    malformed(attributes=[*usual, attribute(oid, value, value)])
    malformed(attributes=[*usual, attribute(oid)])


@pytest.mark.parametrize("oid", ANNOUNCED)
@pytest.mark.parametrize("values", [0, 1])
def test_what_is_announced_is_signed(oid: str, values: int) -> None:
    made = read_signed(Forgery().encode())
    [signer] = made.data.signers
    loose = Attributes.read(
        der.set_of([attribute(oid, *[ANNOUNCED[oid]] * values)], 0xA1), limits=LIMITS
    )
    for unsigned, wanted in ((loose, Integrity.MALFORMED), (None, Integrity.GOOD)):
        changed = replace(signer, unsigned_attributes=unsigned)
        certificate = forge.person().certificate
        found = check_signer(changed, certificate, made.data.content_type, made.digests)
        assert found.integrity is wanted


# --- attributes that inform ----------------------------------------------------------------


def read(*attributes: bytes) -> Attributes:
    return Attributes.read(der.set_of(attributes, 0xA0), limits=LIMITS)


def test_encryption_key_preference() -> None:
    """RFC 8551, 2.5.3."""
    alice = forge.person().certificate
    made = attrs.encryption_key_preference(alice.issuer, alice.serial_bytes)
    assert read(made).encryption_key_preference == IssuerAndSerialNumber.of(alice)
    oid = attrs.ENCRYPTION_KEY_PREFERENCE
    for value, expected in (
        (der.constructed(1, der.octet_string(b"key")), b"key"),
        (der.implicit(2, b"key"), b"key"),
        (der.constructed(3), None),
    ):
        assert read(attribute(oid, value)).encryption_key_preference == expected
    assert read().encryption_key_preference is None


def test_absent_attributes() -> None:
    nothing = read()
    for name in ("content_type", "message_digest", "signing_time", "algorithm_protection"):
        assert getattr(nothing, name) is None
    assert nothing.signing_certificates == ()
    assert nothing.capabilities is None
    assert nothing.values("1.2.3") == ()


ATTRIBUTES = [attrs.CONTENT_TYPE, attrs.MESSAGE_DIGEST, attrs.SIGNING_TIME, attrs.ALGORITHM_PROTECTION,
              attrs.SIGNING_CERTIFICATE, attrs.SIGNING_CERTIFICATE_V2, attrs.ENCRYPTION_KEY_PREFERENCE]  # fmt: skip


@given(st.sampled_from(ATTRIBUTES), st.binary(max_size=40))
def test_attributes_of_any_bytes(oid: Any, value: Any) -> None:
    """Never an exception: a result for each signer, or why it cannot be read."""
    usual = {
        attrs.CONTENT_TYPE: CONTENT_TYPE,
        attrs.MESSAGE_DIGEST: DIGEST,
        oid: attribute(oid, value),
    }
    made = Forgery(attributes=list(usual.values()))
    found = read_signed(made.encode())
    assert len(found.data.signers) + len(found.data.unreadable_signers) == 1
    for signer in found.data.signers:
        check = check_signer(
            signer,
            made.who.certificate,
            found.data.content_type,
            Digests((), lambda: iter((b"content",))),
        )
        assert check.integrity in set(Integrity)
