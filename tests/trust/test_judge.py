"""Judgements: what makes a certificate trusted, and all that must not."""

from collections.abc import Iterable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import utils
from cryptography.x509.oid import ExtendedKeyUsageOID

from smimekit import der
from smimekit.certificate import Certificate
from smimekit.errors import CertificateError, UsageError
from smimekit.policy import Policy
from smimekit.trust import (
    Chain,
    Decision,
    Judgement,
    MemoryTrustStore,
    Purpose,
    Revocation,
    RevocationPolicy,
    Source,
    Status,
    Trust,
    Validity,
    Verdict,
)
from tests.trust import certs
from tests.trust.certs import DAY, NOW, Made, ca, crl, person, with_sha1

ALICE = "alice@example.com"
HERE = Source("upload", "test")
MAIL = (ExtendedKeyUsageOID.EMAIL_PROTECTION,)
SERVER = (ExtendedKeyUsageOID.SERVER_AUTH,)


@pytest.fixture(scope="module")
def root() -> Made:
    return ca("Root")


@pytest.fixture(scope="module")
def sub(root: Made) -> Made:
    return ca("Sub", root)


@pytest.fixture(scope="module")
def alice(sub: Made) -> Made:
    return person(ALICE, sub)


def judge(
    leaf: Made | Certificate,
    anchors: Iterable[Made] = (),
    extra: Iterable[Made] = (),
    *,
    purpose: Purpose = Purpose.VERIFY,
    store: MemoryTrustStore | None = None,
    revocation: RevocationPolicy = RevocationPolicy.SOFT,
    policy: Policy = Policy.INTEROP,
    **more: Any,
) -> Judgement:
    trust = Trust(
        store,
        anchors=[one.certificate for one in anchors],
        revocation=revocation,
        policy=policy,
        clock=lambda: NOW,
    )
    certificate = leaf if isinstance(leaf, Certificate) else leaf.certificate
    return trust.judge(
        certificate, purpose, extra_certificates=[one.certificate for one in extra], **more
    )


def store_of(*made: Made) -> MemoryTrustStore:
    store = MemoryTrustStore()
    for one in made:
        store.put(one.certificate, HERE, at=NOW)
    return store


def decide(store: MemoryTrustStore, made: Made, verdict: Verdict, **more: Any) -> None:
    decision = Decision(verdict=verdict, by="me", why="test", at=NOW, **more)
    revision = store._records[made.certificate.fingerprint].revision
    store.decide(made.certificate.fingerprint, decision, expected=revision)


def codes(judgement: Judgement) -> list[str]:
    return [reason.code for reason in judgement.reasons]


# --- the good case, and each thing that it needs --------------------------------------------


@pytest.mark.parametrize("purpose", Purpose)
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
    assert judge(leaf, [root], policy=Policy.LEGACY_READ).status is Status.TRUSTED


def test_path_length_is_kept(root: Made) -> None:
    short = ca("Short", root, path_length=0)
    below = ca("Below", short)
    assert judge(person(ALICE, short), [root], [short]).status is Status.TRUSTED
    assert judge(person(ALICE, below), [root], [short, below]).chain is Chain.BAD
    tight = ca("Tight root", path_length=0)
    middle = ca("Middle", tight)
    assert judge(person(ALICE, middle), [tight], [middle]).chain is Chain.BAD


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


def test_a_naive_time_is_refused(root: Made, alice: Made) -> None:
    with pytest.raises(UsageError):
        judge(alice, [root], at=NOW.replace(tzinfo=None))


# --- decisions ------------------------------------------------------------------------------


def test_a_decision_trusts_a_self_signed_certificate_until_it_is_over() -> None:
    made = person(ALICE)
    store = store_of(made)
    decide(store, made, Verdict.TRUST, until=NOW + DAY)
    assert judge(made, store=store).status is Status.TRUSTED
    late = judge(made, store=store, at=NOW + 2 * DAY)
    assert late.status is Status.UNTRUSTED
    assert "decision.over" in codes(late)


def test_a_decision_is_for_its_purpose_only() -> None:
    made = person(ALICE)
    store = store_of(made)
    decide(store, made, Verdict.TRUST, scope=frozenset({Purpose.ENCRYPT}))
    assert judge(made, store=store, purpose=Purpose.ENCRYPT).status is Status.TRUSTED
    found = judge(made, store=store, purpose=Purpose.VERIFY)
    assert found.status is Status.UNTRUSTED
    assert "decision.scope" in codes(found)


def test_a_decision_is_about_one_certificate(root: Made) -> None:
    made, other = person(ALICE), person(ALICE)
    store = store_of(made, other)
    decide(store, made, Verdict.TRUST)
    assert judge(other, store=store).status is Status.UNTRUSTED


def test_a_trusted_certificate_does_not_vouch_for_others(root: Made, alice: Made) -> None:
    store = store_of(root)
    decide(store, root, Verdict.TRUST)
    assert judge(person(ALICE, root), store=store).status is Status.UNTRUSTED
    decide(store, root, Verdict.ANCHOR)
    assert judge(person(ALICE, root), store=store).status is Status.TRUSTED


def test_an_anchor_is_one_for_its_time_and_purpose(root: Made) -> None:
    made = person(ALICE, root)
    store = store_of(root)
    decide(store, root, Verdict.ANCHOR, until=NOW, scope=frozenset({Purpose.VERIFY}))
    assert judge(made, store=store).status is Status.TRUSTED
    assert judge(made, store=store, at=NOW + DAY).status is Status.UNTRUSTED
    assert judge(made, store=store, purpose=Purpose.ENCRYPT).status is Status.UNTRUSTED


def test_a_rejected_certificate_stays_rejected(root: Made, sub: Made, alice: Made) -> None:
    store = store_of(alice)
    decide(store, alice, Verdict.REJECT)
    store.put(alice.certificate, Source("mail", ALICE), at=NOW + DAY)
    found = judge(alice, [root], [sub], store=store)
    assert found.status is Status.REJECTED
    assert found.chain is Chain.ANCHORED, "the facts are still told"


def test_a_twin_of_a_rejected_certificate_is_rejected(root: Made) -> None:
    """(r, n - s) is as good an ECDSA signature as (r, s), and gives another fingerprint."""
    made = person(ALICE, root)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    signature = made.certificate.x509.signature
    r, s = utils.decode_dss_signature(signature)
    other = utils.encode_dss_signature(r, order - s)
    inside = der.Reader(made.der).enter(der.SEQUENCE)
    twin = Certificate(der.sequence(inside.raw(), inside.raw(), der.bit_string(other)))
    assert twin.fingerprint != made.certificate.fingerprint
    store = store_of(made)
    assert judge(twin, [root], store=store).status is Status.TRUSTED
    decide(store, made, Verdict.REJECT)
    assert judge(twin, [root], store=store).status is Status.REJECTED


def test_rejecting_a_forgery_does_not_reject_what_it_imitates(root: Made) -> None:
    real = person(ALICE, root)
    forged = person(
        ALICE, root, serial=real.certificate.serial, sign_with=certs.key("mallory"),
        private=certs.key("mallory"),
    )  # fmt: skip
    store = store_of(real, forged)
    decide(store, forged, Verdict.REJECT)
    assert judge(real, [root], store=store).status is Status.TRUSTED


@pytest.mark.parametrize("known", [True, False])
def test_what_a_rejected_ca_issued_is_rejected(
    root: Made, sub: Made, alice: Made, known: bool
) -> None:
    store = store_of(root, sub, alice)
    decide(store, sub, Verdict.REJECT)
    found = judge(alice, [root] if known else [], [sub], store=store)
    assert found.status is Status.REJECTED
    assert "chain.distrusted" in codes(found)
    decide(store, alice, Verdict.TRUST)
    assert judge(alice, [root], [sub], store=store).status is Status.REJECTED


def test_a_renewed_ca_certificate_does_not_undo_its_rejection(root: Made, sub: Made) -> None:
    renewed = ca("Sub", root, private=sub.key)
    store = store_of(root, sub)
    decide(store, sub, Verdict.REJECT)
    assert judge(person(ALICE, renewed), [root], [renewed], store=store).status is Status.REJECTED
    assert judge(renewed, [root], store=store).status is Status.REJECTED


def test_a_rejected_anchor_is_none_even_where_the_caller_names_it(root: Made) -> None:
    store = store_of(root)
    decide(store, root, Verdict.REJECT)
    assert judge(person(ALICE, root), [root], store=store).status is Status.REJECTED


def test_another_good_path_outweighs_one_over_a_rejected_ca(root: Made) -> None:
    other = ca("Other root")
    key = certs.key("crossed")
    bad, good = ca("Crossed", root, private=key), ca("Crossed", other, private=key)
    store = store_of(root)
    decide(store, root, Verdict.REJECT)
    found = judge(person(ALICE, bad), [root, other], [bad, good], store=store)
    assert found.status is Status.TRUSTED
    assert found.path[0] == other.certificate


# --- revocation -----------------------------------------------------------------------------

HARD, SOFT, OFF = RevocationPolicy.HARD, RevocationPolicy.SOFT, RevocationPolicy.OFF


@pytest.mark.parametrize(
    ("policy", "status", "revocation"),
    [
        (OFF, Status.TRUSTED, Revocation.NOT_CHECKED),
        (SOFT, Status.TRUSTED, Revocation.UNKNOWN),
        (HARD, Status.UNTRUSTED, Revocation.UNKNOWN),
    ],
)
def test_without_evidence(
    root: Made, sub: Made, alice: Made,
    policy: RevocationPolicy, status: Status, revocation: Revocation,
) -> None:  # fmt: skip
    found = judge(alice, [root], [sub], revocation=policy)
    assert (found.status, found.revocation) == (status, revocation)


@pytest.mark.parametrize("policy", [SOFT, HARD])
def test_with_good_evidence(root: Made, sub: Made, alice: Made, policy: RevocationPolicy) -> None:
    found = judge(alice, [root], [sub], revocation=policy, crls=[crl(root), crl(sub)])
    assert (found.status, found.revocation) == (Status.TRUSTED, Revocation.GOOD)


def test_hard_needs_evidence_about_every_certificate(root: Made, sub: Made, alice: Made) -> None:
    for crls in ([crl(root)], [crl(sub)], [crl(sub), crl(sub)]):
        found = judge(alice, [root], [sub], revocation=HARD, crls=crls)
        assert (found.status, found.revocation) == (Status.UNTRUSTED, Revocation.UNKNOWN)


@pytest.mark.parametrize("policy", [SOFT, HARD])
@pytest.mark.parametrize("complete", [True, False])
def test_a_revoked_certificate_is_rejected(
    root: Made, sub: Made, alice: Made, policy: RevocationPolicy, complete: bool
) -> None:
    crls = [crl(sub, alice.certificate), *([crl(root)] if complete else [])]
    found = judge(alice, [root], [sub], revocation=policy, crls=crls)
    assert (found.status, found.revocation) == (Status.REJECTED, Revocation.REVOKED)


def test_a_revoked_issuer_rejects_what_it_issued(root: Made, sub: Made, alice: Made) -> None:
    for crls in ([crl(root, sub.certificate)], [crl(root, sub.certificate), crl(sub)]):
        found = judge(alice, [root], [sub], crls=crls)
        assert (found.status, found.revocation) == (Status.REJECTED, Revocation.REVOKED)


def test_revocation_beats_a_decision_even_without_an_anchor(sub: Made, alice: Made) -> None:
    store = store_of(sub, alice)
    decide(store, alice, Verdict.TRUST)
    assert judge(alice, store=store).status is Status.TRUSTED
    found = judge(alice, store=store, crls=[crl(sub, alice.certificate)])
    assert (found.status, found.revocation) == (Status.REJECTED, Revocation.REVOKED)
    good = judge(alice, store=store, crls=[crl(sub)])
    assert good.revocation is Revocation.UNKNOWN, "nobody vouches for this CA's good word"


@pytest.mark.parametrize("when", [-30, 30], ids=["stale", "from the future"])
def test_a_revocation_counts_at_any_date_of_the_crl_and_a_good_word_only_when_fresh(
    root: Made, sub: Made, alice: Made, when: int
) -> None:
    window = {"this": NOW + (when - 1) * DAY, "following": NOW + (when + 1) * DAY}
    crls = [crl(root), crl(sub, **window)]
    assert judge(alice, [root], [sub], revocation=HARD, crls=crls).status is Status.UNTRUSTED
    revoked = crl(sub, alice.certificate, when=NOW - 40 * DAY, **window)
    found = judge(alice, [root], [sub], crls=[crl(root), revoked])
    assert found.status is Status.REJECTED


def test_a_certificate_revoked_later_was_good_before(root: Made, sub: Made, alice: Made) -> None:
    revoked = crl(sub, alice.certificate, when=NOW + DAY / 2)
    assert judge(alice, [root], [sub], crls=[crl(root), revoked]).status is Status.TRUSTED


def test_an_expired_and_revoked_certificate_is_rejected(root: Made) -> None:
    made = person(ALICE, root, end=NOW - DAY)
    found = judge(made, [root], crls=[crl(root, made.certificate)])
    assert (found.status, found.validity) == (Status.REJECTED, Validity.EXPIRED)


def test_a_crl_by_somebody_else_says_nothing(root: Made, sub: Made, alice: Made) -> None:
    mallory = certs.key("mallory")
    forged_bad = crl(sub, alice.certificate, sign_with=mallory)
    assert judge(alice, [root], [sub], crls=[forged_bad]).status is Status.TRUSTED
    forged_good = [crl(root), crl(sub, sign_with=mallory)]
    assert judge(alice, [root], [sub], revocation=HARD, crls=forged_good).status is Status.UNTRUSTED


def test_a_crl_with_a_weak_digest_gives_no_good_word(root: Made, sub: Made, alice: Made) -> None:
    weak = with_sha1(crl(sub), sub.key)
    found = judge(alice, [root], [sub], revocation=HARD, crls=[crl(root), weak])
    assert found.status is Status.UNTRUSTED


def test_off_does_not_look(root: Made, sub: Made, alice: Made) -> None:
    found = judge(alice, [root], [sub], revocation=OFF, crls=[crl(sub, alice.certificate)])
    assert (found.status, found.revocation) == (Status.TRUSTED, Revocation.NOT_CHECKED)


@pytest.mark.parametrize("junk", [b"", b"junk", b"\x30\x80", b"\x30\x82\xff\xff" + b"\x00" * 99])
def test_junk_as_evidence_is_left_out(root: Made, sub: Made, alice: Made, junk: bytes) -> None:
    good = [crl(root), junk, crl(sub)]
    found = judge(alice, [root], [sub], revocation=HARD, crls=good, ocsps=[junk])
    assert found.status is Status.TRUSTED
    found = judge(alice, [root], [sub], revocation=HARD, crls=[junk], ocsps=[junk])
    assert found.status is Status.UNTRUSTED


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
