"""Several signers, attributes of one's own, countersignatures and time-stamps, in messages."""

import email
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms as asn1
from asn1crypto import tsp

import smimekit
from smimekit import Credential, PolicyError, Trust, UsageError, der, primitives
from smimekit.algorithms import (
    ECDSA_SHA512,
    ED25519,
    READ_ONLY_SCHEMES,
    RSA_PKCS1_SHA256,
    RSA_PSS_SHA256,
    RSA_PSS_SHA384,
    RSASSA_PSS,
    SHA1,
    SignatureKind,
    SignatureScheme,
)
from smimekit.cms import attributes as attrs
from smimekit.cms.attributes import attribute
from smimekit.cms.countersignature import countersign, countersignatures
from smimekit.cms.signed_writing import add_unsigned
from smimekit.cms.signer_writing import sign_content
from smimekit.cms.timestamp import timestamp_attribute
from smimekit.errors import LimitExceeded
from smimekit.limits import Limits
from smimekit.message.layers import Integrity, SignatureResult, Signed, TimestampResult
from smimekit.message.signing import Signer
from smimekit.policy import Grade, Policy
from smimekit.trust import Purpose, Status
from tests.cms.signing import read
from tests.cms.stamping import (
    POLICY,
    TIME,
    authority,
    issued_authority,
    openssl_token,
    revoking,
    stamp_root,
    token,
    token_that_names_nobody,
    tst_info,
)
from tests.message.people import (
    ALICE,
    MALLORY,
    NOW,
    alice,
    bare_signed,
    bob,
    ca,
    clear_signed,
    draft,
    entity,
    mallory,
    person,
    root,
    signed_entity,
    signer_info,
    trust,
)

SECRET = ("1.3.6.1.4.1.32473.1", der.octet_string(b"reviewed"))


def signatures(
    mail: bytes, policy: Policy = Policy.INTEROP, by: Trust | None = None
) -> tuple[SignatureResult, ...]:
    with smimekit.open(mail, trust=by or trust(), policy=policy) as opened:
        (layer,) = opened.envelope
        assert isinstance(layer, Signed)
        return layer.signatures


def one(mail: bytes) -> SignatureResult:
    (found,) = signatures(mail)
    return found


def with_unsigned(*attributes: bytes) -> bytes:
    """A message of Alice's, with more unsigned attributes."""
    info = add_unsigned(signer_info(entity(), alice()), *attributes)
    return clear_signed(entity(), bare_signed(entity(), alice(), detached=True, infos=[info]))


# --- several signers -----------------------------------------------------------------------


@pytest.mark.parametrize("opaque", [False, True])
def test_several_signers_each_with_its_own_result(opaque: bool) -> None:
    rsa = person(ALICE, key="rsa-2048")
    mail = smimekit.sign(draft(), [alice(), rsa, person(ALICE, key="ed448")], opaque=opaque, at=NOW)
    found = signatures(mail)
    assert {each.algorithm for each in found} == {"ecdsa-sha256", "rsa-pkcs1-sha256", "ed448"}
    assert all(
        each.integrity is Integrity.GOOD and each.trusted and each.by_sender for each in found
    )
    assert {each.signing_time for each in found} == {NOW}
    assert smimekit.verify(mail, trust()).bytes() == signed_entity()


@pytest.mark.parametrize("times", [[], [b"no time"], [der.time(NOW)] * 2])
def test_a_signer_who_says_no_single_time(times: list[bytes]) -> None:
    """RFC 5652, 11.3. Whoever asks when it was gets no answer, and no error either."""
    extra = [attribute(attrs.SIGNING_TIME, each) for each in times]
    info = signer_info(entity(), alice(), extra=extra)
    cms = bare_signed(entity(), alice(), detached=True, infos=[info])
    (found,) = signatures(clear_signed(entity(), cms))
    assert found.signing_time is None
    assert found.integrity is (Integrity.MALFORMED if times else Integrity.GOOD)


def test_micalg_lists_each_digest_once() -> None:
    """RFC 8551, 3.5.3.2."""
    signers = [
        alice(),
        person(ALICE, key="p384"),
        person(ALICE, key="rsa-2048"),
        person(ALICE, key="ed448"),
    ]
    head = smimekit.sign(draft(), signers).partition(b"\r\n\r\n")[0]
    assert b'micalg="sha-256,sha-384,shake256"' in head


def test_one_bad_signature_spoils_only_itself() -> None:
    good, bad = signer_info(entity(), alice()), signer_info(b"something else", mallory())
    cms = bare_signed(entity(), alice(), mallory(), detached=True, infos=[good, bad])
    found = {each.certificate: each for each in signatures(clear_signed(entity(), cms))}
    assert found[alice().certificate].integrity is Integrity.GOOD
    assert found[mallory().certificate].integrity is Integrity.CONTENT_CHANGED


def test_a_second_signer_does_not_speak_for_the_sender() -> None:
    mail = smimekit.sign(draft(MALLORY), [alice(), mallory()])
    by = {each.certificate: each.by_sender for each in signatures(mail)}
    assert by == {alice().certificate: False, mallory().certificate: True}


def test_inside_encryption() -> None:
    mail = smimekit.encrypt(draft(), to=[bob()], signer=[alice(), person(ALICE, key="rsa-2048")])
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        assert smimekit.Protection.VERIFIED in opened.protection
        inner = opened.envelope[1]
        assert isinstance(inner, Signed)
        assert len(inner.signatures) == 2


@pytest.mark.parametrize("wrong", [[], (), "alice", None, [None], [b"alice"], {}])
def test_signers_are_credentials(wrong: Any) -> None:
    with pytest.raises(UsageError):
        smimekit.sign(draft(), wrong)
    with pytest.raises(UsageError):
        Signer(wrong)


def test_each_names_its_own_scheme() -> None:
    rsa = person(ALICE, key="rsa-2048")
    mail = smimekit.sign(draft(), [Signer(rsa, RSA_PSS_SHA384), Signer(alice(), ECDSA_SHA512)])
    assert {each.algorithm for each in signatures(mail)} == {"rsa-pss-sha384", "ecdsa-sha512"}
    only = one(smimekit.sign(draft(), Signer(rsa, RSA_PSS_SHA384, signed=(SECRET,))))
    assert only.algorithm == "rsa-pss-sha384"
    assert only.attributes is not None
    assert only.attributes.one(SECRET[0]) == SECRET[1]


def test_one_weak_signer_is_refused_with_all() -> None:
    with pytest.raises(PolicyError):
        smimekit.sign(draft(), [alice(), ca().weak_key(ALICE)])


# --- attributes of one's own ---------------------------------------------------------------


def test_attributes_go_out_and_come_in() -> None:
    note = ("1.3.6.1.4.1.32473.2", der.sequence(der.integer(7)))
    found = one(smimekit.sign(draft(), Signer(alice(), signed=(SECRET,), unsigned=(note,))))
    assert found.integrity is Integrity.GOOD
    assert found.attributes is not None
    assert found.attributes.one(SECRET[0]) == SECRET[1]
    assert found.attributes.one(note[0]) is None
    assert found.unsigned_attributes is not None
    assert found.unsigned_attributes.entries == ((note[0], (note[1],)),)
    plain = one(smimekit.sign(draft(), alice()))
    assert plain.unsigned_attributes is None
    assert (plain.countersignatures, plain.timestamps) == ((), ())


RESERVED = [
    *(attrs.CONTENT_TYPE, attrs.MESSAGE_DIGEST, attrs.SIGNING_TIME, attrs.SIGNING_CERTIFICATE_V2),
    attrs.ALGORITHM_PROTECTION,
]


@pytest.mark.parametrize(
    "oid", [*RESERVED, attrs.COUNTERSIGNATURE, attrs.SIGNATURE_TIMESTAMP, attrs.SMIME_CAPABILITIES]
)
def test_reserved_signed_attributes(oid: str) -> None:
    with pytest.raises(UsageError) as caught:
        Signer(alice(), signed=((oid, b"\x05\x00"),))
    assert caught.value.code == "usage.attribute"


@pytest.mark.parametrize("oid", [*RESERVED, attrs.SIGNING_CERTIFICATE])
def test_reserved_unsigned_attributes(oid: str) -> None:
    """RFC 5652, 11: these MUST be signed attributes."""
    with pytest.raises(UsageError):
        Signer(alice(), unsigned=((oid, b"\x05\x00"),))


@pytest.mark.parametrize(
    "found",
    [
        (SECRET, SECRET),
        ((SECRET[0], b""),),
        ((SECRET[0], b"\x05\x00\x05\x00"),),
        ((SECRET[0], b"\x05"),),
        ((SECRET[0], b"\x24\x80\x00\x00"),),
        (("", b"\x05\x00"),),
        (("1", b"\x05\x00"),),
        (("one.two", b"\x05\x00"),),
        (("9.9.9", b"\x05\x00"),),
    ],
)
def test_attributes_that_are_none(found: Any) -> None:
    with pytest.raises(UsageError):
        Signer(alice(), signed=found)
    with pytest.raises(UsageError):
        Signer(alice(), unsigned=found)


# --- countersignatures ---------------------------------------------------------------------


def notary() -> Credential:
    return person("notary@example.org", key="ed25519")


def countersigned(info: bytes, by: Credential) -> bytes:
    scheme = Policy.INTEROP.scheme_for(by.certificate.public_key)
    return countersign(info, by.certificate, by.key, scheme)


def message_of(info: bytes, *others: Credential) -> bytes:
    bag = [alice().certificate, *(each.certificate for each in others), *alice().chain]
    cms = bare_signed(entity(), alice(), detached=True, infos=[info], bag=bag)
    return clear_signed(entity(), cms)


def test_a_countersignature_is_surfaced() -> None:
    mail = message_of(countersigned(signer_info(entity(), alice()), notary()), notary())
    found = one(mail)
    assert (found.integrity, found.trusted) == (Integrity.GOOD, True)
    (counter,) = found.countersignatures
    assert counter.certificate == notary().certificate
    assert (counter.integrity, counter.algorithm) == (Integrity.GOOD, "ed25519")
    assert counter.judgement is not None
    assert counter.judgement.status is Status.TRUSTED


def test_a_countersignature_does_not_sign_the_message() -> None:
    """Over a bad signature by a stranger, a trusted countersigner changes nothing."""
    info = countersigned(signer_info(b"something else", mallory()), alice())
    cms = bare_signed(
        entity(),
        mallory(),
        detached=True,
        infos=[info],
        bag=[mallory().certificate, alice().certificate, *alice().chain],
    )
    found = one(clear_signed(entity(), cms))
    assert found.countersignatures[0].intact
    assert found.integrity is Integrity.CONTENT_CHANGED
    with pytest.raises(smimekit.VerificationError):
        smimekit.verify(clear_signed(entity(), cms), trust())


def test_a_countersignature_of_another_signature() -> None:
    other = countersigned(signer_info(b"other", alice()), notary())
    (value,) = countersignatures(read(other))
    info = add_unsigned(signer_info(entity(), alice()), attribute(attrs.COUNTERSIGNATURE, value))
    (counter,) = one(message_of(info, notary())).countersignatures
    assert counter.integrity is Integrity.CONTENT_CHANGED


def test_a_countersigner_who_is_not_at_hand() -> None:
    (counter,) = one(
        message_of(countersigned(signer_info(entity(), alice()), notary()))
    ).countersignatures
    assert (counter.integrity, counter.judgement) == (Integrity.NO_CERTIFICATE, None)


@pytest.mark.parametrize("junk", [b"\x05\x00", der.sequence(), der.octet_string(b"x")])
def test_a_countersignature_that_is_none_harms_nothing_else(junk: bytes) -> None:
    found = one(with_unsigned(attribute(attrs.COUNTERSIGNATURE, junk)))
    assert found.integrity is Integrity.GOOD
    (counter,) = found.countersignatures
    assert counter.integrity is Integrity.MALFORMED
    assert not counter.intact
    assert counter.reasons


def nested(depth: int) -> bytes:
    """A signature, countersigned, and that again, ..."""
    signed = [signer_info(entity(), alice())]
    for _ in range(depth):
        value = read(signed[-1]).signature
        signed.append(
            sign_content(
                notary().certificate, notary().key, ED25519,
                lambda row, value=value: primitives.digest(row, value),  # type: ignore[misc]  # bound early
                (), content_type=None,
            )
        )  # fmt: skip
    info = signed.pop()
    while signed:
        info = add_unsigned(signed.pop(), attribute(attrs.COUNTERSIGNATURE, info))
    return message_of(info, notary())


def test_nested_countersignatures() -> None:
    found, depth = one(nested(3)), 0
    while found.countersignatures:
        (found,) = found.countersignatures
        depth += 1
        assert found.integrity is Integrity.GOOD
    assert depth == 3


def test_countersignatures_are_counted_in_depth_and_breadth() -> None:
    limited = replace(Policy.INTEROP, limits=Limits(countersignatures=2))
    assert signatures(nested(2), limited)
    with pytest.raises(LimitExceeded) as caught:
        signatures(nested(3), limited)
    assert caught.value.code == "limit.countersignatures"
    wide = with_unsigned(*(attribute(attrs.COUNTERSIGNATURE, der.integer(at)) for at in range(3)))
    with pytest.raises(LimitExceeded):
        signatures(wide, limited)
    assert len(one(wide).countersignatures) == 3


# --- time-stamps ---------------------------------------------------------------------------


def test_a_timestamp_is_attached_and_surfaced() -> None:
    asked: list[bytes] = []

    def stamp(signature: bytes) -> bytes:
        asked.append(signature)
        return token(signature)

    mail = smimekit.sign(draft(), Signer(alice(), timestamp=stamp))
    found = one(mail)
    assert found.integrity is Integrity.GOOD
    (stamped,) = found.timestamps
    assert len(asked) == 1
    assert (stamped.integrity, stamped.imprint_matches, stamped.intact) == (
        Integrity.GOOD,
        True,
        True,
    )
    assert (stamped.time, stamped.policy, stamped.serial) == (TIME, POLICY, 99)
    assert stamped.certificate == authority().certificate
    assert "was not judged" in stamped.reasons[-1]
    with pytest.raises(TypeError):
        bool(stamped)


def test_a_timestamp_by_openssl(require_program: Callable[[str], str], tmp_path: Path) -> None:
    openssl = require_program("openssl")
    mail = smimekit.sign(
        draft(), Signer(alice(), timestamp=lambda value: openssl_token(openssl, tmp_path, value))
    )
    (stamped,) = one(mail).timestamps
    assert stamped.intact
    assert stamped.serial == 2
    parts: Any = email.message_from_bytes(mail).get_payload()
    (_, part) = parts
    parsed = asn1.ContentInfo.load(part.get_payload(decode=True), strict=True)
    (found,) = parsed["content"]["signer_infos"][0]["unsigned_attrs"]
    assert found["type"].native == "signature_time_stamp_token"
    content = found["values"][0]["content"]["encap_content_info"]["content"]
    info = tsp.TSTInfo.load(content.contents)
    assert info["serial_number"].native == 2


def test_a_timestamp_of_another_signature() -> None:
    (stamped,) = one(with_unsigned(timestamp_attribute(token(b"another")))).timestamps
    assert (stamped.integrity, stamped.imprint_matches, stamped.intact) == (
        Integrity.GOOD,
        False,
        False,
    )
    assert "another signature" in stamped.reasons[0]


def stamps(made: Callable[[bytes], bytes]) -> Any:
    (stamped,) = one(smimekit.sign(draft(), Signer(alice(), timestamp=made))).timestamps
    return stamped


def judged_stamp(made: Callable[[bytes], bytes], given: Trust) -> TimestampResult:
    mail = smimekit.sign(draft(), Signer(alice(), timestamp=made))
    ((stamped,),) = (each.timestamps for each in signatures(mail, by=given))
    return stamped


def trust_for_time(*anchors: Credential) -> Trust:
    """Trust for mail as ever, and for time by these, judged now: so do authorities stamp."""
    return Trust(
        anchors=[root().certificate], timestamp_anchors=[each.certificate for each in anchors]
    )


@pytest.mark.parametrize("more", ["", "tsa_name = yes\n", "accuracy = secs:1\nordering = yes\n"])
@pytest.mark.parametrize("essential", ["sha1", "sha256", "sha512"])
def test_the_authority_is_judged_where_the_caller_gives_trust_for_it(
    require_program: Callable[[str], str], tmp_path: Path, more: str, essential: str
) -> None:
    """RFC 3161 and 5816, with OpenSSL as the authority: ESSCertID and ESSCertIDv2."""
    openssl = require_program("openssl")
    who = issued_authority()

    def stamp(value: bytes) -> bytes:
        config = more + f"ess_cert_id_alg = {essential}\n"
        return openssl_token(openssl, tmp_path, value, who=who, more=config)

    trusted = judged_stamp(stamp, trust_for_time(stamp_root()))
    assert trusted.intact
    assert trusted.trusted
    assert trusted.reasons == ()
    assert trusted.judgement is not None
    assert trusted.judgement.purpose is Purpose.TIMESTAMP
    assert trusted.judgement.path == (stamp_root().certificate, who.certificate)
    other = judged_stamp(stamp, trust_for_time(authority()))
    assert other.intact
    assert not other.trusted
    assert other.reasons
    nobody = judged_stamp(stamp, trust())
    assert nobody.intact
    assert nobody.judgement is None
    assert not nobody.trusted


def test_the_roots_of_mail_do_not_vouch_for_time() -> None:
    given = Trust(
        anchors=[root().certificate, stamp_root().certificate],
        timestamp_anchors=[authority().certificate],
    )
    found = judged_stamp(lambda value: token(value, issued_authority()), given)
    assert found.intact
    assert not found.trusted


def test_a_trusted_authority_helps_no_bad_timestamp() -> None:
    given = trust_for_time(stamp_root())
    who = issued_authority()
    changed = judged_stamp(lambda value: token(value, who, signs=lambda _: b"else"), given)
    assert (changed.intact, changed.trusted) == (False, True)
    another = judged_stamp(lambda _: token(b"another", who), given)
    assert (another.intact, another.trusted) == (False, True)


def test_a_timestamp_by_a_broken_digest_is_none_where_the_policy_refuses_it() -> None:
    mail = smimekit.sign(
        draft(), Signer(alice(), timestamp=lambda value: token(value, scheme=ROWS["ecdsa-sha1"]))
    )
    for policy, grade in ((Policy.INTEROP, Grade.REFUSED), (Policy.LEGACY_READ, Grade.WEAK)):
        ((stamped,),) = (each.timestamps for each in signatures(mail, policy))
        assert (stamped.integrity, stamped.imprint_matches) == (Integrity.GOOD, True)
        assert stamped.assessment.grade is grade
        assert stamped.intact is (grade is Grade.WEAK)


def test_a_trusted_timestamp_verifies_no_mail() -> None:
    """A time-stamp says when; who wrote the mail is another question."""
    mail = smimekit.sign(draft(), Signer(mallory(), timestamp=token))
    with pytest.raises(smimekit.WrongSender):
        smimekit.verify(mail, trust_for_time(authority()), at=NOW)


@pytest.mark.parametrize("right", [True, False])
def test_a_timestamp_by_the_name_of_another(right: bool) -> None:
    """RFC 3161, 2.4.2: `tsa` MUST be a name of the certificate that verifies the token."""
    named = authority() if right else issued_authority()
    tsa = der.explicit(0, der.explicit(4, named.certificate.subject))
    stamped = stamps(lambda value: token(value, info=tst_info(value, more=tsa)))
    assert stamped.integrity is (Integrity.GOOD if right else Integrity.MALFORMED)


def test_an_extended_key_usage_that_is_not_critical() -> None:
    """RFC 3161, 2.3: it MUST be."""
    stamped = stamps(lambda value: token(value, authority(critical=False)))
    assert stamped.integrity is Integrity.MALFORMED
    assert "not for time-stamps" in stamped.reasons[0]


def test_evidence_of_timestamps_is_bounded() -> None:
    """What a token brings to judge its authority by counts against the bound of the layer."""
    crls = [revoking(stamp_root(), issued_authority())]
    given = trust_for_time(stamp_root())

    def stamp(value: bytes) -> bytes:
        return token(value, issued_authority(), crls=crls)

    mail = smimekit.sign(draft(), Signer(alice(), timestamp=stamp))
    ((revoked,),) = (each.timestamps for each in signatures(mail, by=given))
    assert revoked.judgement is not None
    assert revoked.judgement.status is Status.REJECTED
    limited = replace(Policy.INTEROP, limits=Limits(evidence_bytes=len(crls[0]) - 1))
    ((unseen,),) = (each.timestamps for each in signatures(mail, limited, given))
    assert unseen.trusted
    tokens = (token(stamped, issued_authority(), crls=crls) for stamped in (b"1", b"2"))
    both = with_unsigned(*map(timestamp_attribute, tokens))
    for bound, rejected in ((2 * len(crls[0]), 2), (2 * len(crls[0]) - 1, 1)):
        limited = replace(Policy.INTEROP, limits=Limits(evidence_bytes=bound))
        ((first, second),) = (each.timestamps for each in signatures(both, limited, given))
        assert [first.trusted, second.trusted].count(False) == rejected


def test_a_timestamp_that_was_changed() -> None:
    stamped = stamps(lambda value: token(value, signs=lambda _: b"else"))
    assert (stamped.integrity, stamped.intact) == (Integrity.CONTENT_CHANGED, False)


@pytest.mark.parametrize(
    "usages", [("1.3.6.1.5.5.7.3.4",), ("1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.4")]
)
def test_an_authority_is_for_timestamps_only(usages: tuple[str, ...]) -> None:
    """RFC 3161, 2.3: the extended key usage has that value and no other."""
    stamped = stamps(lambda value: token(value, authority(*usages)))
    assert (stamped.integrity, stamped.imprint_matches) == (Integrity.MALFORMED, True)
    assert "not for time-stamps" in stamped.reasons[0]


def test_a_timestamp_names_the_certificate_of_its_authority() -> None:
    """RFC 3161, 2.4.2: the ESSCertID MUST be included as a signed attribute."""
    stamped = stamps(token_that_names_nobody)
    assert (stamped.integrity, stamped.imprint_matches) == (Integrity.MALFORMED, True)
    assert "does not name" in stamped.reasons[0]


def test_somebody_else_stamps_nothing() -> None:
    """A person's certificate, however trusted, is no authority's."""
    stamped = stamps(lambda value: token(value, bob()))
    assert (stamped.integrity, stamped.intact) == (Integrity.MALFORMED, False)


@pytest.mark.parametrize("junk", [b"\x05\x00", der.sequence(), tst_info(b"")])
def test_a_timestamp_that_is_none_harms_nothing_else(junk: bytes) -> None:
    found = one(with_unsigned(timestamp_attribute(junk)))
    assert found.integrity is Integrity.GOOD
    (stamped,) = found.timestamps
    assert (stamped.integrity, stamped.time, stamped.intact) == (Integrity.MALFORMED, None, False)


def test_timestamps_are_counted() -> None:
    limited = replace(Policy.INTEROP, limits=Limits(timestamps=2))
    many = [timestamp_attribute(der.sequence(der.integer(at))) for at in range(3)]
    assert len(signatures(with_unsigned(*many[:2]), limited)[0].timestamps) == 2
    with pytest.raises(LimitExceeded) as caught:
        signatures(with_unsigned(*many), limited)
    assert caught.value.code == "limit.timestamps"


def test_a_timestamp_does_not_choose_the_time_of_the_judgement() -> None:
    found = one(smimekit.sign(draft(), Signer(alice(), timestamp=token)))
    assert found.judgement is not None
    assert found.judgement.at == NOW


# --- keys restricted to RSASSA-PSS ---------------------------------------------------------


def restricted(parameters: bytes | None) -> Credential:
    """Alice with an RSA key that her certificate says is for PSS (RFC 4055, 1.2)."""
    who = person(ALICE, key="rsa-2048")
    plain = der.sequence(der.oid("1.2.840.113549.1.1.1"), der.NULL_VALUE)
    pss = der.sequence(der.oid("1.2.840.113549.1.1.10"), parameters or b"")
    bits = der.Reader(who.certificate.spki).enter(der.SEQUENCE)
    assert bits.raw() == plain
    spki = der.sequence(pss, bits.raw())
    outer = der.Reader(who.certificate.der).enter(der.SEQUENCE)
    tbs = der.Reader(outer.raw()).enter(der.SEQUENCE)
    parts = []
    while tbs.more:
        part = tbs.raw()
        parts.append(spki if part == who.certificate.spki else part)
    certificate = smimekit.Certificate(der.sequence(der.sequence(*parts), outer.raw(), outer.raw()))
    return Credential(who.key, certificate)


PSS_SHA384 = RSA_PSS_SHA384.identifier.parameters
SHORTER = replace(RSA_PSS_SHA384, salt=20).identifier.parameters


@pytest.mark.parametrize(
    "parameters, scheme, good",
    [
        (None, RSA_PSS_SHA256, True),
        (None, RSA_PKCS1_SHA256, False),
        (PSS_SHA384, RSA_PSS_SHA384, True),
        (PSS_SHA384, RSA_PSS_SHA256, False),
        (PSS_SHA384, RSA_PKCS1_SHA256, False),
        (PSS_SHA384, replace(RSA_PSS_SHA384, salt=47), False),
        (PSS_SHA384, replace(RSA_PSS_SHA384, salt=49), True),
        (PSS_SHA384, replace(RSA_PSS_SHA384, mgf=RSA_PSS_SHA256.digest), False),
        (SHORTER, RSA_PSS_SHA384, True),
        (der.sequence(), RSA_PSS_SHA384, False),  # SHA-1, by default
        (der.sequence(der.explicit(3, der.integer(2))), RSA_PSS_SHA384, False),
    ],
)
def test_a_key_for_pss_is_for_nothing_else(parameters: Any, scheme: Any, good: bool) -> None:
    """RFC 4055, 3.1 and 3.3: the signature was made well, and counts only where it may."""
    who = restricted(parameters)
    info = signer_info(entity(), who, scheme=scheme)
    cms = bare_signed(entity(), who, detached=True, infos=[info])
    found = one(clear_signed(entity(), cms))
    assert found.certificate == who.certificate
    assert found.integrity is (Integrity.GOOD if good else Integrity.BAD_SIGNATURE)
    free = person(ALICE, key="rsa-2048")
    info = signer_info(entity(), free, scheme=scheme)
    assert (
        one(
            clear_signed(entity(), bare_signed(entity(), free, detached=True, infos=[info]))
        ).integrity
        is Integrity.GOOD
    )
    if good:
        assert (
            one(smimekit.sign(draft(), smimekit.Signer(who, scheme=scheme))).integrity
            is Integrity.GOOD
        )
    else:
        with pytest.raises(UsageError):
            smimekit.sign(draft(), smimekit.Signer(who, scheme=scheme))


def test_a_restricted_key_signs_as_it_may() -> None:
    assert restricted(None).encryption_certificate is None
    assert person(ALICE, key="rsa-2048").encryption_certificate is not None
    assert one(smimekit.sign(draft(), restricted(PSS_SHA384))).algorithm == "rsa-pss-sha384"
    assert one(smimekit.sign(draft(), restricted(None))).algorithm == "rsa-pss-sha256"
    with pytest.raises(PolicyError):  # its default is SHA-1
        smimekit.sign(draft(), restricted(der.sequence()))


# --- weak ones -----------------------------------------------------------------------------


PSS_SHA1 = SignatureScheme(SignatureKind.RSA_PSS, SHA1, RSASSA_PSS, SHA1, 20)
ROWS = {row.name: row for row in (RSA_PKCS1_SHA256, PSS_SHA1, *reversed(READ_ONLY_SCHEMES))}


@pytest.mark.parametrize(
    "key, scheme, reason",
    [
        ("rsa-1024", "rsa-pkcs1-sha256", "1024 bits is too short"),
        ("rsa-2048", "rsa-pkcs1-sha1", "sha1 is broken"),
        ("rsa-2048", "rsa-pkcs1-md5", "md5 is broken"),
        ("rsa-2048", "rsa-pss-sha1", "sha1 is broken"),
        ("p256", "ecdsa-sha1", "sha1 is broken"),
    ],
)
def test_weak_ones_are_verified_and_graded(key: str, scheme: str, reason: str) -> None:
    who = person(ALICE, key=key)
    info = signer_info(entity(), who, scheme=ROWS[scheme])
    bag = [who.certificate, *who.chain]
    cms = bare_signed(entity(), alice(), detached=True, infos=[info], bag=bag)
    for policy, grade in ((Policy.INTEROP, Grade.REFUSED), (Policy.LEGACY_READ, Grade.WEAK)):
        (found,) = signatures(clear_signed(entity(), cms), policy)
        assert found.integrity is Integrity.GOOD
        assert found.assessment.grade is grade
        assert reason in (found.assessment.reason or "")
        assert found.intact is (grade is Grade.WEAK)
