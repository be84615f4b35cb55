"""Judgements: what makes a certificate trusted, and all that must not."""

import re
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from smimekit.algorithms import RSASSA_PSS, AlgorithmIdentifier
from smimekit.certificate import Certificate
from smimekit.errors import CertificateError, UsageError
from smimekit.policy import Policy
from smimekit.trust import (
    MAIL_PURPOSES,
    Chain,
    Purpose,
    Status,
    Trust,
    Validity,
    Verdict,
)
from tests.cms.forge import with_key_algorithm
from tests.trust import certs
from tests.trust.certs import DAY, NOW, Made, ca, person, with_sha1
from tests.trust.judging import codes, decide, judge, store_of

ALICE = "alice@example.com"
MAIL = (ExtendedKeyUsageOID.EMAIL_PROTECTION,)
SERVER = (ExtendedKeyUsageOID.SERVER_AUTH,)


# --- the good case, and each thing that it needs --------------------------------------------


@pytest.mark.parametrize("purpose", MAIL_PURPOSES)
def test_a_chain_to_an_anchor_is_trusted(
    root: Made, sub: Made, alice: Made, purpose: Purpose
) -> None:
    found = judge(alice, [root], [sub], purpose=purpose)
    assert found.status is Status.TRUSTED
    assert (found.validity, found.chain) == (Validity.OK, Chain.ANCHORED)
    assert found.path == (root.certificate, sub.certificate, alice.certificate)
    assert found.reasons == ()
    assert found.at == NOW


def test_a_judgement_has_no_truth_value(root: Made, sub: Made, alice: Made) -> None:
    with pytest.raises(TypeError):
        bool(judge(alice, [root], [sub]))


def test_nobody_is_trusted_without_store_and_anchors(root: Made, sub: Made, alice: Made) -> None:
    found = judge(alice, [], [sub, root])
    assert found.status is Status.UNTRUSTED
    assert found.chain is Chain.UNKNOWN_ROOT
    assert "trust.nobody" in codes(found)
    assert found.path == (root.certificate, sub.certificate, alice.certificate)


def test_without_the_intermediate_the_chain_is_incomplete(root: Made, alice: Made) -> None:
    found = judge(alice, [root])
    assert (found.status, found.chain) == (Status.UNTRUSTED, Chain.INCOMPLETE)


def test_the_intermediate_may_come_from_the_store(root: Made, sub: Made, alice: Made) -> None:
    assert judge(alice, [root], store=store_of(sub)).status is Status.TRUSTED


def test_an_intermediate_may_be_the_anchor(sub: Made, alice: Made) -> None:
    found = judge(alice, [sub])
    assert found.status is Status.TRUSTED
    assert found.path == (sub.certificate, alice.certificate)


def test_a_certificate_may_be_its_own_anchor_but_only_it(alice: Made, root: Made) -> None:
    solo = person("solo@example.com")
    assert judge(solo, [solo]).status is Status.TRUSTED
    issued = person(ALICE, solo)
    found = judge(issued, [solo])
    assert found.status is Status.UNTRUSTED, "an end entity issues nothing, anchor or not"


def test_a_self_signed_certificate_is_not_trusted(root: Made) -> None:
    found = judge(person(ALICE), [root])
    assert (found.status, found.chain) == (Status.UNTRUSTED, Chain.SELF_SIGNED)


def test_a_ca_with_the_anchors_name_and_another_key_is_not_the_anchor(root: Made) -> None:
    fake = ca("Root", private=certs.key("fake root"))
    found = judge(person(ALICE, fake), [root], [fake])
    assert found.status is Status.UNTRUSTED


def test_a_forged_signature_is_not_trusted(root: Made, sub: Made) -> None:
    forged = person(ALICE, sub, sign_with=certs.key("mallory"))
    assert judge(forged, [root], [sub]).status is Status.UNTRUSTED
    forged_sub = ca("Sub", root, sign_with=certs.key("mallory"), private=certs.key("mallory sub"))
    assert judge(person(ALICE, forged_sub), [root], [forged_sub]).status is Status.UNTRUSTED


def test_any_bit_changed_is_not_trusted(root: Made, sub: Made, alice: Made) -> None:
    for position in range(0, len(alice.der), 7):
        changed = bytearray(alice.der)
        changed[position] ^= 1
        try:
            certificate = Certificate(bytes(changed))
        except CertificateError:
            continue
        assert judge(certificate, [root], [sub]).status is not Status.TRUSTED, position


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"basic": False}, "no basic constraints"),
        ({"bits": ("digital_signature",)}, "no keyCertSign"),
        ({"end": NOW - DAY}, "expired"),
        ({"start": NOW + DAY}, "not yet valid"),
        ({"more": [(x509.ExtendedKeyUsage(SERVER), False)]}, "not for mail"),
        ({"private": certs.key("weak ca", "rsa1024")}, "1024-bit key"),
        (
            {"more": [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b""), True)]},
            "an unknown critical extension",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_a_bad_intermediate_spoils_the_chain(
    root: Made, options: dict[str, Any], what: str
) -> None:
    bad = ca("Bad", root, **options)
    found = judge(person(ALICE, bad), [root], [bad])
    assert found.status is Status.UNTRUSTED, what
    assert found.chain in {Chain.BAD, Chain.INCOMPLETE}


def test_a_sha1_signature_spoils_the_chain(root: Made) -> None:
    bad = ca("Bad", root)
    bad.certificate = Certificate(with_sha1(bad.der, root.key))
    leaf = person(ALICE, root)
    leaf.certificate = Certificate(with_sha1(leaf.der, root.key))
    for found in (judge(person(ALICE, bad), [root], [bad]), judge(leaf, [root])):
        assert (found.status, found.chain) == (Status.UNTRUSTED, Chain.BAD)
        assert "path.weak" in codes(found)
        [weak] = (one.text for one in found.reasons if one.code == "path.weak")
        assert re.search(r"uses the disallowed signature mechanism sha1_\w+\.$", weak)
    assert judge(leaf, [root], policy=Policy.LEGACY_READ).status is Status.TRUSTED


def test_path_length_is_kept(root: Made) -> None:
    short = ca("Short", root, path_length=0)
    below = ca("Below", short)
    assert judge(person(ALICE, short), [root], [short]).status is Status.TRUSTED
    assert judge(person(ALICE, below), [root], [short, below]).chain is Chain.BAD
    tight = ca("Tight root", path_length=0)
    middle = ca("Middle", tight)
    assert judge(person(ALICE, middle), [tight], [middle]).chain is Chain.BAD


@pytest.mark.parametrize("bits", [("crl_sign",), ("digital_signature",)])
def test_an_anchor_that_may_sign_no_certificates_has_signed_none(bits: tuple[str, ...]) -> None:
    """Of an anchor nobody else looks at the key usage (RFC 5280, 4.2.1.3 and 6.1)."""
    other = ca("Another root", bits=bits)
    assert judge(person(ALICE, other), [other]).status is Status.UNTRUSTED
    store = store_of(other)
    decide(store, other, Verdict.ANCHOR)
    assert judge(person(ALICE, other), store=store).status is Status.UNTRUSTED


def test_an_expired_anchor_vouches_for_nobody() -> None:
    old = ca("Old root", end=NOW - DAY)
    found = judge(person(ALICE, old), [old])
    assert (found.status, found.chain) == (Status.UNTRUSTED, Chain.BAD)
    assert judge(person(ALICE, old), [old], at=NOW - 2 * DAY).status is Status.TRUSTED


# --- the certificate by itself --------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "purpose", "validity"),
    [
        ({"end": NOW - DAY}, Purpose.VERIFY, Validity.EXPIRED),
        ({"start": NOW + DAY}, Purpose.VERIFY, Validity.NOT_YET),
        ({"bits": ("key_agreement",)}, Purpose.VERIFY, Validity.WRONG_USAGE),
        ({"bits": ("content_commitment",)}, Purpose.VERIFY, Validity.OK),
        ({"bits": None}, Purpose.VERIFY, Validity.OK),
        ({"bits": None}, Purpose.ENCRYPT, Validity.OK),
        ({"bits": ("digital_signature",)}, Purpose.ENCRYPT, Validity.WRONG_USAGE),
        ({"bits": ("key_encipherment",)}, Purpose.ENCRYPT, Validity.WRONG_USAGE),
        ({"bits": ("key_agreement",)}, Purpose.ENCRYPT, Validity.OK),
        ({"bits": ("key_agreement", "encipher_only")}, Purpose.ENCRYPT, Validity.WRONG_USAGE),
        ({"extended": SERVER}, Purpose.VERIFY, Validity.WRONG_USAGE),
        ({"extended": SERVER}, Purpose.ENCRYPT, Validity.WRONG_USAGE),
        ({"extended": None}, Purpose.VERIFY, Validity.OK),
        ({"extended": (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)}, Purpose.VERIFY, Validity.OK),
        ({"extended": SERVER + MAIL}, Purpose.VERIFY, Validity.OK),
        ({"private": certs.key("small", "rsa1024"), "bits": None}, Purpose.VERIFY, Validity.WEAK),
        ({"private": certs.key("p192", "p192")}, Purpose.VERIFY, Validity.WEAK),
        ({"private": certs.key("dsa", "dsa"), "bits": None}, Purpose.VERIFY, Validity.WEAK),
        (
            {"private": certs.key("rsa", "rsa2048"), "bits": ("key_encipherment",)},
            Purpose.ENCRYPT,
            Validity.OK,
        ),
        (
            {"private": certs.key("rsa", "rsa2048"), "bits": ("key_agreement",)},
            Purpose.ENCRYPT,
            Validity.WRONG_USAGE,
        ),
        (
            {"private": certs.key("ed", "ed25519"), "bits": None},
            Purpose.ENCRYPT,
            Validity.WRONG_USAGE,
        ),
        ({"private": certs.key("ed", "ed25519"), "bits": None}, Purpose.VERIFY, Validity.OK),
        (
            {"private": certs.key("x", "x25519"), "bits": None},
            Purpose.VERIFY,
            Validity.WRONG_USAGE,
        ),
        ({"private": certs.key("x", "x25519"), "bits": None}, Purpose.ENCRYPT, Validity.OK),
        (
            {"more": [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b""), True)]},
            Purpose.VERIFY,
            Validity.MALFORMED,
        ),
        (
            {"more": [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b""), False)]},
            Purpose.VERIFY,
            Validity.OK,
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_validity(
    root: Made, options: dict[str, Any], purpose: Purpose, validity: Validity
) -> None:
    made = person(ALICE, root, **options)
    found = judge(made, [root], purpose=purpose)
    assert found.validity is validity
    assert (found.status is Status.TRUSTED) == (validity is Validity.OK)

    # A decision to trust does not make it good for what it is not good for.
    store = store_of(made)
    decide(store, made, Verdict.TRUST)
    decided = judge(made, store=store, purpose=purpose)
    assert (decided.status is Status.TRUSTED) == (validity is Validity.OK)


def test_nobody_encrypts_to_a_key_for_pss() -> None:
    """RFC 4055, 1.2: it is for that signature alone."""
    made = person(ALICE, private=certs.key("rsa", "rsa2048"), bits=None)
    restricted = with_key_algorithm(made.certificate, AlgorithmIdentifier(RSASSA_PSS))
    made = replace(made, certificate=restricted)
    store = store_of(made)
    decide(store, made, Verdict.TRUST)
    assert judge(made, store=store, purpose=Purpose.VERIFY).status is Status.TRUSTED
    found = judge(made, store=store, purpose=Purpose.ENCRYPT)
    assert (found.status, found.validity) == (Status.UNTRUSTED, Validity.WRONG_USAGE)
    assert "usage.key-kind" in codes(found)


def test_validity_holds_to_the_second(root: Made) -> None:
    made = person(ALICE, root, start=NOW - DAY, end=NOW + DAY)
    second = DAY / 86400
    for moment, validity in (
        (NOW - DAY - second, Validity.NOT_YET),
        (NOW - DAY, Validity.OK),
        (NOW + DAY, Validity.OK),
        (NOW + DAY + second, Validity.EXPIRED),
    ):
        found = judge(made, [root], at=moment)
        assert found.validity is validity
        assert found.chain is Chain.ANCHORED, "time is a fact of its own"
        assert (found.status is Status.TRUSTED) == (validity is Validity.OK)


def test_small_keys_and_old_digests_pass_only_where_the_policy_says_so(root: Made) -> None:
    made = person(ALICE, root, private=certs.key("dsa", "dsa"), bits=None)
    assert judge(made, [root]).status is Status.UNTRUSTED
    assert judge(made, [root], policy=Policy.LEGACY_READ).status is Status.TRUSTED


@pytest.mark.parametrize("where", ["anchor", "intermediate"])
@pytest.mark.parametrize(
    ("kind", "policy", "trusted"),
    [
        ("rsa2048", Policy.INTEROP, True),
        ("rsa2048", replace(Policy.INTEROP, minimum_rsa=3072), False),
        ("rsa1024", Policy.INTEROP, False),
        ("rsa1024", replace(Policy.INTEROP, minimum_rsa=1024), True),
        ("rsa1024", Policy.LEGACY_READ, True),
        ("p192", Policy.INTEROP, False),
        ("p192", Policy.LEGACY_READ, True),
    ],
)
def test_the_keys_of_authorities_are_graded_by_the_policy(
    root: Made, where: str, kind: str, policy: Policy, trusted: bool
) -> None:
    above = None if where == "anchor" else root
    weak = ca(f"Weak {kind}", above, private=certs.key(f"weak {kind}", kind))
    leaf = person(ALICE, weak)
    anchors, extra = ([weak], []) if above is None else ([root], [weak])
    found = judge(leaf, anchors, extra, policy=policy)
    assert (found.status is Status.TRUSTED) is trusted
    assert ("path.weak" in codes(found)) is not trusted
    assert (found.chain is Chain.BAD) is not trusted


def test_a_naive_time_is_refused(root: Made, alice: Made) -> None:
    with pytest.raises(UsageError):
        judge(alice, [root], at=NOW.replace(tzinfo=None))


# --- anyExtendedKeyUsage, by policy ---------------------------------------------------------

ANY = (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)
MAIL_ONLY = replace(Policy.INTEROP, any_usage=False)


@pytest.mark.parametrize(
    ("extended", "accepted"),
    [(ANY, False), (SERVER + ANY, False), (ANY + MAIL, True), (MAIL, True), (None, True)],
)
@pytest.mark.parametrize("purpose", MAIL_PURPOSES)
def test_whether_any_usage_is_mail_is_for_the_policy_to_say(
    root: Made,
    purpose: Purpose,
    extended: tuple[x509.ObjectIdentifier, ...] | None,
    accepted: bool,
) -> None:
    """RFC 8550, 4.4.4: either OID; CA/B S/MIME BR, 7.1.2.3 (f): that one SHALL NOT be there."""
    leaf = person(ALICE, root, extended=extended)
    for policy in (Policy.INTEROP, Policy.LEGACY_READ):
        assert judge(leaf, [root], purpose=purpose, policy=policy).status is Status.TRUSTED
    for policy in (MAIL_ONLY, Policy.MODERN):
        found = judge(leaf, [root], purpose=purpose, policy=policy)
        assert (found.status is Status.TRUSTED) is accepted
        assert (found.validity is Validity.WRONG_USAGE) is not accepted
        assert ("usage.any" in codes(found)) is not accepted
        store = store_of(leaf)
        decide(store, leaf, Verdict.TRUST)
        decided = judge(leaf, store=store, purpose=purpose, policy=policy)
        assert (decided.status is Status.TRUSTED) is accepted, "no decision makes it for mail"


@pytest.mark.parametrize(("extended", "accepted"), [(ANY, False), (ANY + MAIL, True), (MAIL, True)])
def test_whether_a_ca_for_anything_is_one_for_mail_is_for_the_policy_to_say(
    root: Made, extended: tuple[x509.ObjectIdentifier, ...], accepted: bool
) -> None:
    """CA/B S/MIME BR, 7.1.2.2 (g): it SHALL NOT be in a CA certificate below a root."""
    between = ca("Any", root, more=[(x509.ExtendedKeyUsage(extended), False)])
    leaf = person(ALICE, between)
    assert judge(leaf, [root], [between]).status is Status.TRUSTED
    found = judge(leaf, [root], [between], policy=MAIL_ONLY)
    assert found.status is (Status.TRUSTED if accepted else Status.UNTRUSTED)
    assert found.chain is (Chain.ANCHORED if accepted else Chain.BAD)
    assert ("path.any-usage" in codes(found)) is not accepted
    as_anchor = judge(leaf, [between], policy=MAIL_ONLY)
    assert as_anchor.status is (Status.TRUSTED if accepted else Status.UNTRUSTED)


# --- selection ------------------------------------------------------------------------------


def test_usable_gives_all_good_ones_newest_first_and_a_reason_for_each_other(root: Made) -> None:
    old = person(ALICE, root, start=NOW - 50 * DAY)
    new = person("Alice@EXAMPLE.com", root, start=NOW - 10 * DAY)
    gone = person(ALICE, root, start=NOW - 5 * DAY, end=NOW - DAY)
    sign_only = person(ALICE, root, bits=("digital_signature",))
    other = person("bob@example.com", root)
    rejected = person(ALICE, root)
    store = store_of(old, new, gone, sign_only, other, rejected)
    decide(store, rejected, Verdict.REJECT)
    trust = Trust(store, anchors=[root.certificate], clock=lambda: NOW)
    found = trust.usable("alice@example.com", Purpose.ENCRYPT)
    assert found.usable == (new.certificate, old.certificate)
    reasons = {one: (verdict.status, verdict.validity) for one, verdict in found.unusable}
    assert reasons == {
        gone.certificate: (Status.UNTRUSTED, Validity.EXPIRED),
        sign_only.certificate: (Status.UNTRUSTED, Validity.WRONG_USAGE),
        rejected.certificate: (Status.REJECTED, Validity.OK),
    }
    assert trust.usable("alice@example.com", Purpose.VERIFY).usable[0] in {
        new.certificate, sign_only.certificate,
    }  # fmt: skip
    assert Trust(anchors=[root.certificate]).usable(ALICE, Purpose.VERIFY).usable == ()


def test_each_certificate_of_a_path_is_looked_at_once(
    root: Made, sub: Made, alice: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By asn1crypto, where that takes most of the time of a judgement."""
    seen: list[bytes] = []
    view: Any = Certificate.__dict__["asn1"].fget

    def counted(one: Certificate) -> Any:
        seen.append(one.der)
        return view(one)

    monkeypatch.setattr(Certificate, "asn1", property(counted))
    found = judge(alice, [root], [sub])
    assert found.status is Status.TRUSTED
    assert len(seen) == len(found.path) == 3
