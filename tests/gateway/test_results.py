"""What a gateway says it found: a false pass is the worst of all (RFC 7281, RFC 8601)."""

import re
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

import smimekit
from smimekit import Certificate, Credential, MemoryTrustStore, Trust, der
from smimekit.cms.content import TST_INFO
from smimekit.cms.signed_writing import signed_data
from smimekit.errors import DecryptionError
from smimekit.gateway.inbound.results import (
    Result,
    Verdict,
    authentication_results,
    detail_fields,
    signature_results,
    verdict_of,
)
from smimekit.limits import Limits
from smimekit.message.layers import Encrypted, Signed
from smimekit.mime.fields import read_header
from smimekit.policy import Policy
from smimekit.span import Span
from smimekit.testing.profiles import Profile
from smimekit.trust import Decision, Source
from smimekit.trust import Verdict as Decided
from tests.message.people import (
    ALICE,
    MALLORY,
    NOW,
    alice,
    bare_signed,
    bob,
    ca,
    draft,
    entity,
    mallory,
    mime,
    root,
    signed_entity,
    signer_info,
    trust,
    with_footer,
)


def verdicts(mail: bytes, believed: Trust | None = None, **options: Any) -> list[Verdict]:
    with smimekit.open(mail, trust=believed or trust(), at=NOW, **options) as opened:
        return [each.verdict for each in signature_results(opened)]


def signed(signer: Credential | None = None, sender: str = ALICE, **options: Any) -> bytes:
    return smimekit.sign(draft(sender), signer or alice(), at=NOW, **options)


def rejecting(credential: Credential) -> Trust:
    store = MemoryTrustStore()
    record = store.put(credential.certificate, Source("mail"), at=NOW)
    decision = Decision(verdict=Decided.REJECT, by="admin", why="not theirs", at=NOW)
    store.decide(record.fingerprint, decision, expected=record.revision)
    return Trust(store, anchors=[root().certificate])


# --- pass, and everything that is none ------------------------------------------------------------


@pytest.mark.parametrize("opaque", [False, True])
def test_a_good_signature_by_the_trusted_author_passes(opaque: bool) -> None:
    assert verdicts(signed(opaque=opaque)) == [Verdict.PASS]


def test_one_inside_the_encryption_passes() -> None:
    mail = smimekit.encrypt(draft(), [bob().certificate], signer=alice())
    assert verdicts(mail, keys=[bob()]) == [Verdict.PASS]


def test_what_is_not_signed_is_none() -> None:
    assert verdicts(draft()) == [Verdict.NONE]
    encrypted = smimekit.encrypt(draft(), [bob().certificate])
    assert verdicts(encrypted, keys=[bob()]) == [Verdict.NONE]


def test_zero_signers_are_none() -> None:
    mail = mime(signed_data(entity(), (), (), ()), "signed-data")
    assert verdicts(mail) == [Verdict.NONE]


def test_what_cannot_be_decrypted_says_nothing() -> None:
    """Nobody can see whether it is signed."""
    mail = smimekit.encrypt(draft(), [bob().certificate], signer=alice())
    assert verdicts(mail) == [Verdict.NEUTRAL]


def test_a_signed_part_of_a_mail_is_no_signature_of_the_mail() -> None:
    assert verdicts(with_footer(signed())) == [Verdict.NONE]


def test_changed_content_fails() -> None:
    assert verdicts(signed().replace(b"The plan is on", b"The plan is off")) == [Verdict.FAIL]


def test_a_signature_by_somebody_else_fails() -> None:
    assert verdicts(signed(mallory())) == [Verdict.FAIL]


def test_a_revoked_or_rejected_signer_fails() -> None:
    assert verdicts(signed(), rejecting(alice())) == [Verdict.FAIL]


def test_an_unknown_signer_is_no_pass() -> None:
    assert verdicts(signed(), Trust()) == [Verdict.POLICY]
    assert verdicts(signed(ca().self_signed(ALICE))) == [Verdict.POLICY]
    assert verdicts(signed(ca().expired(ALICE))) == [Verdict.POLICY]


def test_a_signature_around_the_encryption_is_no_pass() -> None:
    """Anybody can strip it and put on another (RFC 9787, 5.2)."""
    encrypted = smimekit.encrypt(draft(), [bob().certificate])
    mail = smimekit.sign(encrypted, alice(), at=NOW)
    assert verdicts(mail, keys=[bob()]) == [Verdict.POLICY]
    assert verdicts(mail) == [Verdict.POLICY]


def test_a_sender_who_is_not_the_author_is_no_pass() -> None:
    mail = b"Sender: " + MALLORY.encode() + b"\r\n" + signed(mallory())
    assert verdicts(mail) == [Verdict.POLICY]


@pytest.mark.parametrize(
    "sender", [None, f"{ALICE}, {MALLORY}", "nobody", f"{ALICE}\r\nFrom: {MALLORY}"]
)
def test_a_mail_without_one_author_is_no_pass(sender: str | None) -> None:
    """Without any From field nobody is said to be the author: then nobody has signed as one."""
    cms = bare_signed(entity(), alice())
    found = verdicts(mime(cms, "signed-data", sender))
    assert found in ([Verdict.POLICY], [Verdict.FAIL])


def test_a_certificate_without_address_is_no_pass() -> None:
    nobody = ca().no_address(ALICE)
    assert verdicts(signed(nobody)) == [Verdict.POLICY]


def test_a_missing_certificate_is_an_error() -> None:
    cms = bare_signed(entity(), alice(), bag=())
    assert verdicts(mime(cms, "signed-data")) == [Verdict.PERMERROR]


def test_content_that_is_no_message_is_no_pass() -> None:
    info = signer_info(b"content", alice(), content_type=TST_INFO)
    bag = (alice().certificate.der, ca().certificate.der)
    digest = Policy.INTEROP.scheme_for(alice().certificate.public_key).digest.identifier
    cms = signed_data(b"content", (digest,), bag, (info,), content_type=TST_INFO)
    assert verdicts(mime(cms, "signed-data")) == [Verdict.POLICY]


def test_a_signature_that_nobody_can_read_is_neutral() -> None:
    cms = bare_signed(entity(), alice(), infos=[b"\x30\x03\x02\x01\x01"])
    assert Verdict.PASS not in verdicts(mime(cms, "signed-data"))


@pytest.mark.parametrize("policy", [Policy.INTEROP, Policy.LEGACY_READ])
def test_a_weak_signature_is_no_pass_even_where_it_is_accepted(policy: Policy) -> None:
    weak = ca().weak_key(ALICE)
    info = signer_info(signed_entity(), weak, scheme=Policy.LEGACY_READ.rsa_signature)
    bag = [weak.certificate, ca().certificate]
    cms = bare_signed(signed_entity(), alice(), infos=[info], bag=bag)
    believed = Trust(anchors=[root().certificate], policy=policy)
    mail = mime(cms, "signed-data")
    with smimekit.open(mail, trust=believed, at=NOW, policy=policy) as opened:
        [result] = signature_results(opened)
        assert result.verdict is Verdict.POLICY
        [signature] = opened.signatures
        assert signature.intact is (policy is Policy.LEGACY_READ)
        assert result.reason == "the signature is too weak"


def test_a_mail_with_an_encryption_that_nobody_opened_has_no_pass() -> None:
    """Whatever else there is: nobody can say what it is that was signed."""
    mail = smimekit.encrypt(draft(), [bob().certificate], signer=alice())
    with smimekit.open(mail, trust=trust(), keys=[bob()], at=NOW) as opened:
        encrypted, inner = opened.envelope
        assert isinstance(encrypted, Encrypted)
        assert isinstance(inner, Signed)
        [signature] = inner.signatures
        closed = replace(encrypted, failure=DecryptionError())
        assert verdict_of(signature, (encrypted, inner))[0] is Verdict.PASS
        assert verdict_of(signature, (closed, inner))[0] is Verdict.NEUTRAL


def test_each_signature_has_its_own_result() -> None:
    """Two signers: the result of one does not rub off on the other."""
    cms = bare_signed(entity(), alice(), mallory())
    assert sorted(verdicts(mime(cms, "signed-data"))) == [Verdict.FAIL, Verdict.PASS]


def test_the_number_of_results_is_bounded() -> None:
    cms = bare_signed(entity(), *[alice()] * 40)
    mail = mime(cms, "signed-data")
    assert len(verdicts(mail)) == 20
    assert sum("Signer" in name for name in details(mail)) == 20


# --- where the signature is -----------------------------------------------------------------------


def parts(mail: bytes, **options: Any) -> list[str]:
    with smimekit.open(mail, trust=trust(), at=NOW, **options) as opened:
        return [each.part for each in signature_results(opened)]


def test_the_part_with_the_signature_is_named() -> None:
    """RFC 7281, 3.2.1; RFC 3501, 6.4.5: what is inside CMS is a child of its part."""
    assert parts(signed()) == ["2"]
    assert parts(signed(opaque=True)) == ["1"]
    twice = smimekit.sign(signed(), alice(), at=NOW)
    assert parts(twice) == ["2", "1.2"]
    encrypted = smimekit.encrypt(draft(), [bob().certificate], signer=alice())
    assert parts(encrypted, keys=[bob()]) == ["1/2"]


# --- the field ------------------------------------------------------------------------------------

_WORD = r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+"
_QUOTED = r'"(?:[^"\\\r\n]|\\[ -~])*"'
_CFWS = r"(?:\r\n)?[ \t]+"
_COMMENT = r"(?:[ \t]*\([^()\\\r\n]*\))?"
_PVALUE = rf"(?:{_QUOTED}|[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@[A-Za-z0-9.-]+|[0-9A-Za-z./-]+)"
GRAMMAR = re.compile(
    rf"(?:{_WORD}|{_QUOTED})(?:;{_CFWS}smime=[a-z]+{_COMMENT}(?:{_CFWS}body\.[a-z-]+={_PVALUE})*)+\r\n"
)
"""RFC 8601, 2.2, as far as it is used here."""


def field(mail: bytes, believed: Trust | None = None, **options: Any) -> bytes:
    with smimekit.open(mail, trust=believed or trust(), at=NOW, **options) as opened:
        return authentication_results("mx.example.com", signature_results(opened)).raw


def grammatical(raw: bytes) -> bool:
    name, _, rest = raw.decode("ascii").partition(": ")
    lines = raw.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    return name == "Authentication-Results" and bool(GRAMMAR.fullmatch(rest))


def test_the_field_names_a_signer_whose_address_is_in_the_subject() -> None:
    """RFC 8550, 3: by this address the mail is the author's, so it is this one to name."""
    parts = [(NameOID.COMMON_NAME, "alice"), (NameOID.EMAIL_ADDRESS, ALICE)]
    subject = x509.Name([x509.NameAttribute(*part) for part in parts])
    key = alice().key
    certificate = ca()._issue(subject, (), key._key, Profile())  # type: ignore[attr-defined]  # a software key
    text = field(signed(signer=Credential(key, certificate, ca().chain))).decode()
    assert "smime=pass" in text
    assert f"body.smime-identifier={ALICE}" in text


def test_the_field_says_who_signed() -> None:
    raw = field(signed())
    assert grammatical(raw)
    text = b" ".join(raw.split()).decode()
    assert f"body.smime-identifier={ALICE}" in text
    assert f"body.smime-serial={alice().certificate.serial_bytes.hex()}" in text
    assert 'body.smime-issuer="CN=Mail CA"' in text
    assert text.startswith("Authentication-Results: mx.example.com; smime=pass (")


@pytest.mark.parametrize(
    "hostile",
    [
        'x"; smime=pass',
        "a\r\nX-Smimekit-A: b",
        "a\\",
        "comma, and = and + and <",
        "M\u00fcller \U0001f600",
        "(comment",
        "x" * 60,
        "\x7f\x01",
    ],
)
@pytest.mark.parametrize("untrusted", [False, True])
def test_nothing_in_a_certificate_ends_its_value(hostile: str, untrusted: bool) -> None:
    """Who issues to themselves writes whatever they like."""
    from smimekit.testing import FakeCA  # noqa: PLC0415 - names of this test's own

    authority = FakeCA(hostile, now=NOW)
    signer = authority.person(ALICE, name=hostile)
    believed = Trust() if untrusted else Trust(anchors=[authority.certificate])
    raw = field(signed(signer), believed)
    assert grammatical(raw)
    assert raw.count(b"smime=") == 1
    assert not (untrusted and b"smime=pass" in raw)


@given(st.text(min_size=1), st.text())
def test_the_field_is_one_whatever_the_words(authserv_id: str, reason: str) -> None:
    raw = authentication_results(authserv_id, [Result(verdict=Verdict.NEUTRAL, reason=reason)]).raw
    assert len(read_header(Span.of(raw + b"\r\n"), limits=Limits()).fields) == 1
    assert raw.isascii()


@pytest.mark.parametrize("name", ['a"; smime', "a b", "a\\", "mx.example.com"])
def test_the_name_of_the_gateway_is_quoted_where_it_must_be(name: str) -> None:
    raw = authentication_results(name, [Result(verdict=Verdict.NONE)]).raw
    assert grammatical(raw)


def test_serial_and_issuer_come_together_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 7281, 3.2.3: an endless name is left out."""
    assert b"smime-serial" in field(signed())
    monkeypatch.setattr("smimekit.gateway.inbound.results._LONGEST_NAME", 10)
    raw = field(signed())
    assert b"smime-issuer" in raw
    monkeypatch.setattr("smimekit.gateway.inbound.results._LONGEST_NAME", 9)
    raw = field(signed())
    assert b"smime-serial" not in raw
    assert b"smime-issuer" not in raw


@pytest.mark.parametrize("address", ["smime=pass@evil.example", "SMIME=pass@evil.example"])
def test_an_address_that_reads_like_a_result_is_left_out(address: str) -> None:
    raw = field(signed(ca().person(address)))
    assert b"identifier" not in raw
    assert raw.lower().count(b"smime=") == 1


# --- our own fields -------------------------------------------------------------------------------


def details(mail: bytes, **options: Any) -> dict[str, str]:
    with smimekit.open(mail, trust=trust(), at=NOW, **options) as opened:
        return {each.name: each.text for each in detail_fields("X-Smimekit-", opened)}


def test_layers_and_signers_are_numbered() -> None:
    mail = smimekit.encrypt(draft(), [bob().certificate], signer=alice())
    found = details(mail, keys=[bob()])
    assert list(found) == [
        "X-Smimekit-Protection",
        "X-Smimekit-Layer-1",
        "X-Smimekit-Layer-2",
        "X-Smimekit-Signature-2-1",
        "X-Smimekit-Signer-2-1",
    ]
    assert found["X-Smimekit-Protection"] == "verified, confidential, intact"
    assert found["X-Smimekit-Layer-1"].startswith("encrypted; cipher=aes-256-cbc;")
    assert found["X-Smimekit-Layer-2"] == "signed; form=multipart/signed; signatures=1"
    assert found["X-Smimekit-Signature-2-1"].startswith("pass; integrity=good; identity=match;")
    assert alice().certificate.fingerprint in found["X-Smimekit-Signer-2-1"]


def test_what_is_closed_is_said_to_be() -> None:
    found = details(smimekit.encrypt(draft(), [bob().certificate]))
    assert found["X-Smimekit-Protection"] == "none"
    assert "opened=no; error=no-matching-key" in found["X-Smimekit-Layer-1"]


def test_protected_parts_are_said_to_be_parts() -> None:
    found = details(with_footer(signed()))
    assert found["X-Smimekit-Part-1"] == "signed; part=1"
    assert found["X-Smimekit-Protection"] == "none"


def test_an_issuer_of_odd_types_is_left_out() -> None:
    """RFC 5280, 4.1.2.4 has text in names; X.690 lets a sender write anything."""
    certificate = alice().certificate
    outer = der.Reader(certificate.der).enter(der.SEQUENCE)
    common = der.sequence(der.oid("2.5.4.3"), der.bit_string(b"x"))
    name = der.sequence(der.tlv(der.SET, common))
    content = outer.read(der.SEQUENCE).replace(certificate.issuer, name)
    tbs = der.sequence(content)
    odd = Certificate(der.sequence(tbs, outer.raw(der.SEQUENCE), outer.raw(der.BIT_STRING)))
    assert odd.issuer == name
    with smimekit.open(signed(), trust=trust(), at=NOW) as opened:
        (result,) = signature_results(opened)
    assert result.signature is not None
    result = replace(result, signature=replace(result.signature, certificate=odd))
    raw = authentication_results("mx.example.com", [result]).raw
    assert b"smime-issuer" not in raw
    assert b"smime-serial" not in raw
