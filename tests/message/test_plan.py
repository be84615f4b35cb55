"""Who gets what, and that `encrypt` does just that (RFC 8551, 2.7)."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smimekit
import smimekit.stream
from smimekit import (
    Certificate,
    CertificateRecipient,
    Credential,
    EncryptionPlan,
    MemoryTrustStore,
    PasswordRecipient,
    Policy,
    PolicyError,
    Purpose,
    SharedKeyRecipient,
    Signer,
    SmimeError,
    Trust,
    UsageError,
    der,
    plan_encryption,
)
from smimekit import algorithms as rows
from smimekit.algorithms import (
    AES128_CBC,
    AES128_GCM,
    AES128_WRAP,
    AES192_CBC,
    AES192_GCM,
    AES256_CBC,
    AES256_CCM,
    AES256_GCM,
    AES256_WRAP,
    CEK_HKDF_SHA256,
    CHACHA20_POLY1305,
    CURVES,
    DES_EDE3_CBC,
    ECDH_HKDF_SHA256,
    ECDH_HKDF_SHA384,
    ECDH_SCHEMES,
    ECDH_STD_SHA256,
    ECDH_STD_SHA384,
    ECDH_STD_SHA512,
    RC2_CBC,
    SHA1,
    SHA256,
    SHA384,
    ContentCipher,
    EcdhScheme,
    KeyWrap,
    RsaKem,
    RsaPadding,
)
from smimekit.cms import recipients as kinds
from smimekit.cms.attributes import SIGNING_TIME, SMIME_CAPABILITIES, attribute
from smimekit.cms.recipients import ContentKey, KeyAgreeRecipient, RecipientInfo
from smimekit.message.addressee import Addressee, Knowledge
from smimekit.message.layers import Encrypted
from smimekit.testing.profiles import Profile
from smimekit.trust import Capabilities, Record, Source
from tests.cms.forge import with_key_algorithm
from tests.message.people import (
    ALICE,
    BOB,
    NOW,
    alice,
    bare_signed,
    bob,
    ca,
    draft,
    encrypted_entity,
    entity,
    mime,
    person,
    root,
    signer_info,
    trust,
)

INTEROP, MODERN = Policy.INTEROP, Policy.MODERN
HKDF = der.sequence(der.oid(CEK_HKDF_SHA256))
TRIPLE_DES = der.sequence(der.oid(DES_EDE3_CBC.oid))


@dataclass(frozen=True)
class Known:
    """The least that is a Peer."""

    certificate: Certificate
    capabilities: bytes | None = None


def listed(*rows: ContentCipher | bytes) -> bytes:
    """SMIMECapabilities, parameters absent."""
    return der.sequence(
        *(row if isinstance(row, bytes) else der.sequence(der.oid(row.oid)) for row in rows)
    )


def knows(*rows: ContentCipher | bytes, key: str = "p256", who: str = BOB) -> Known:
    return Known(person(who, key=key).certificate, listed(*rows))


@cache
def certified(*rows: ContentCipher | bytes, key: str = "p256", who: str = BOB) -> Credential:
    """Somebody whose certificate says it (RFC 4262)."""
    return ca().person(who, key=key, profile=Profile(capabilities=listed(*rows)))


def layer(mail: bytes, who: Any) -> Encrypted:
    with smimekit.open(mail, keys=[who], trust=trust()) as opened:
        found = opened.envelope[0]
        assert isinstance(found, Encrypted)
        assert opened.payload(require=smimekit.Protection.NONE).bytes() == encrypted_entity()
        return found


def chosen(to: Sequence[Addressee], **options: Any) -> ContentCipher | None:
    """What a plan says, and that the message is just so."""
    plan = plan_encryption(to, **options)
    assert plan.refused == ()
    assert plan.cipher is not None
    mail = smimekit.encrypt(draft(), to, **options)
    with smimekit.open(mail, trust=trust()) as opened:
        found = opened.envelope[0]
        assert isinstance(found, Encrypted)
        assert found.algorithm == plan.cipher.name
    return plan.cipher


def refused(to: Sequence[Addressee], **options: Any) -> tuple[str, ...]:
    """The codes of who cannot be served, and that `encrypt` raises the first."""
    plan = plan_encryption(to, **options)
    with pytest.raises(SmimeError) as raised:
        smimekit.encrypt(draft(), to, **options)
    first = plan.refused[0]
    assert (raised.value.code, str(raised.value)) == (first.code, first.reason)
    return tuple(each.code for each in plan.refused)


# --- the cipher ----------------------------------------------------------------------------

GCM, CBC, WEAK = AES256_GCM, AES256_CBC, DES_EDE3_CBC

# what each of them announces (None: nothing is known), what INTEROP and MODERN make of it
SHARED: list[tuple[tuple[tuple[ContentCipher, ...] | None, ...], ContentCipher, ContentCipher]] = [
    # of whom nothing is known: the policy's assumption (2.7.1.2)
    ((None,), CBC, GCM),
    ((None, None), CBC, GCM),
    # one: the best of theirs, whatever the policy would assume
    (((GCM,),), GCM, GCM),
    (((CBC,),), CBC, CBC),
    (((CBC, GCM),), GCM, GCM),
    (((AES128_CBC,),), AES128_CBC, AES128_CBC),
    (((AES192_CBC, AES128_CBC),), AES192_CBC, AES192_CBC),
    (((AES128_GCM,),), AES128_GCM, AES128_GCM),
    (((AES128_GCM, AES192_GCM),), AES192_GCM, AES192_GCM),
    (((CBC, AES128_GCM),), AES128_GCM, AES128_GCM),
    (((CHACHA20_POLY1305, CBC),), CHACHA20_POLY1305, CHACHA20_POLY1305),
    (((CHACHA20_POLY1305, GCM),), GCM, GCM),
    # weak and unwritten ones among others are passed over
    (((WEAK, RC2_CBC, AES128_CBC),), AES128_CBC, AES128_CBC),
    (((WEAK, AES256_CCM, CBC),), CBC, CBC),
    (((AES256_CCM,),), AES128_CBC, AES128_CBC),
    # several: what all of them read
    (((GCM,), (GCM,)), GCM, GCM),
    (((GCM, CBC), (CBC,)), CBC, CBC),
    (((GCM, CBC, AES128_CBC), (CBC, AES128_CBC), (AES128_CBC,)), AES128_CBC, AES128_CBC),
    (((GCM, AES128_GCM), (CHACHA20_POLY1305, AES128_GCM)), AES128_GCM, AES128_GCM),
    # what nobody announces, and those who read AES have to (2.7, 2.7.1.2), before anybody is refused
    (((GCM,), (CBC,)), AES128_CBC, AES128_CBC),
    (((GCM,), (AES128_GCM,)), GCM, GCM),
    (((CHACHA20_POLY1305,), (GCM,)), AES128_CBC, AES128_CBC),
    (((CHACHA20_POLY1305,), None), AES128_CBC, AES128_CBC),
    (((GCM,), None), AES128_CBC, GCM),
    # known and unknown ones: the assumption goes down as far as it has to, and never up
    (((GCM, CBC), None), CBC, GCM),
    (((GCM, AES128_CBC), None), AES128_CBC, GCM),
    (((CBC,), None), CBC, CBC),
    (((AES128_CBC,), None), AES128_CBC, AES128_CBC),
    (((AES128_GCM, CBC), None), CBC, AES128_GCM),
]


def _names(row: Any) -> str:
    return " + ".join("/".join(each.name for each in found) if found else "?" for found in row[0])


def peers(said: Sequence[tuple[ContentCipher, ...] | None]) -> list[Known]:
    certificates = [person(f"{number}@example.org").certificate for number in range(len(said))]
    return [
        Known(certificate, None if found is None else listed(*found))
        for certificate, found in zip(certificates, said, strict=True)
    ]


def test_a_record_counts_for_what_it_says_now() -> None:
    bob = person(BOB, key="p256").certificate
    silent = Record(certificate=bob, sources=(), first_seen=NOW, last_seen=NOW)
    announcing = replace(silent, capabilities=Capabilities(listed(AES256_GCM), NOW))
    for record, cipher in ((silent, AES256_CBC), (announcing, AES256_GCM), (silent, AES256_CBC)):
        assert chosen([record]) is cipher
        (served,) = plan_encryption([record]).served
        assert served.addressee is record


def test_messages_in_chunks_are_as_planned() -> None:
    mail = b"".join(smimekit.stream.encrypt(draft(), [knows(GCM), alice()], signer=alice()))
    with smimekit.open(mail, trust=trust()) as opened:
        found = opened.envelope[0]
        assert isinstance(found, Encrypted)
        assert found.algorithm == "aes-256-gcm"


@pytest.mark.parametrize("row", SHARED, ids=_names)
def test_the_best_that_all_of_them_read(row: Any) -> None:
    said, interop, modern = row
    for order in (said, said[::-1]):
        assert chosen(peers(order)) == interop
        assert chosen(peers(order), policy=MODERN) == modern
        assert chosen(peers(order), policy=Policy.LEGACY_READ) == interop


def test_whom_a_policy_believes_to_read_what() -> None:
    """RFC 8551, 2.7: of version 4.0 AES-GCM MUST, AES-128-CBC MUST- be read."""
    assert INTEROP.believed == (AES256_CBC, AES128_CBC)
    assert MODERN.believed == (AES256_GCM, AES128_GCM, AES256_CBC, AES128_CBC)
    assert replace(MODERN, cipher=AES128_GCM).believed == (AES128_GCM, AES256_CBC, AES128_CBC)
    assert replace(INTEROP, cipher=AES128_CBC).believed == (AES128_CBC,)
    assert replace(MODERN, cipher=AES256_CBC).believed == (AES256_CBC, AES128_CBC)
    assert replace(MODERN, cipher=DES_EDE3_CBC).believed == ()
    assert chosen([bob()], policy=replace(INTEROP, cipher=AES128_CBC)) == AES128_CBC


@pytest.mark.parametrize("policy", [INTEROP, MODERN, Policy.LEGACY_READ], ids=lambda row: row.name)
def test_nothing_weak_is_ever_chosen(policy: Policy) -> None:
    """2.7.1: not using weak encryption overrides any other decision; nor can a table change it."""
    assert not any(row.weak or not row.emitted for row in (*policy.choices, *policy.believed))
    careless = replace(
        policy,
        ciphers=(DES_EDE3_CBC, RC2_CBC, AES256_CCM, AES128_CBC),
        assumed=(DES_EDE3_CBC, AES256_CCM, AES128_CBC),
    )
    assert careless.choices == (AES128_CBC, policy.cipher)
    assert chosen([knows(DES_EDE3_CBC, AES128_CBC)], policy=careless) == AES128_CBC
    assert refused([knows(DES_EDE3_CBC, RC2_CBC)], policy=careless) == ("policy.no-cipher",)


def test_a_policy_may_insist_on_authentication() -> None:
    strict = replace(MODERN, ciphers=(AES256_GCM, AES128_GCM), assumed=())
    assert chosen([bob(), knows(AES128_CBC, AES256_GCM)], policy=strict) == AES256_GCM
    assert refused([knows(AES256_CBC)], policy=strict) == ("policy.no-cipher",)


# --- where the knowledge comes from --------------------------------------------------------


def knowledge(to: Addressee, **options: Any) -> tuple[str, str]:
    [found] = plan_encryption([to], **options).served
    return found.cipher.name, str(found.knowledge)


def test_what_was_announced_goes_before_the_certificate() -> None:
    """RFC 4262, 3: the extension SHOULD NOT be used where there is something more reliable."""
    card = certified(CBC).certificate
    assert knowledge(card) == ("aes-256-cbc", "certificate")
    assert knowledge(card, policy=MODERN) == ("aes-256-cbc", "certificate")
    assert knowledge(Known(card)) == ("aes-256-cbc", "certificate")
    assert knowledge(Known(card, listed(GCM))) == ("aes-256-gcm", "announced")
    assert knowledge(certified(GCM)) == ("aes-256-gcm", "certificate")
    assert knowledge(Known(certified(GCM).certificate, listed(CBC))) == ("aes-256-cbc", "announced")


@pytest.mark.parametrize(
    "silent",
    [
        listed(),
        listed(HKDF),
        listed(RsaPadding().identifier.encode()),
        listed(der.sequence(der.oid("1.2.3.4"))),
        b"",
        b"\x30\x80",
        b"garbage",
        listed(*[AES256_GCM] * 201),
    ],
)
def test_a_list_that_says_nothing_about_content_is_passed_over(silent: bytes) -> None:
    """RFC 8551, 2.5.2: lists are partial."""
    assert knowledge(Known(bob().certificate, silent)) == ("aes-256-cbc", "assumed")
    assert knowledge(Known(bob().certificate, silent), policy=MODERN) == ("aes-256-gcm", "assumed")
    assert knowledge(Known(certified(GCM).certificate, silent)) == ("aes-256-gcm", "certificate")


def test_what_could_not_be_read_is_noted() -> None:
    broken = ca().person(BOB, profile=Profile(capabilities=b"\x30\x80"))
    [found] = plan_encryption([Known(broken.certificate, b"?")]).served
    assert found.notes == (
        "The capabilities that were announced were passed over: they are malformed.",
        "The capabilities in the certificate were passed over: they are malformed.",
    )
    [found] = plan_encryption([knows(*[AES256_GCM] * 201)]).served
    assert found.notes[0].endswith("there are too many of them.")
    [found] = plan_encryption([knows(GCM)]).served
    assert found.notes == ()


def test_the_limit_is_the_policys() -> None:
    few = replace(INTEROP, limits=smimekit.Limits(capabilities=1))
    assert knowledge(knows(GCM), policy=few) == ("aes-256-gcm", "announced")
    assert knowledge(knows(CBC, GCM), policy=few) == ("aes-256-cbc", "assumed")


def test_a_signer_reads_what_this_message_announces() -> None:
    """Whoever signs announces it in this very message, and reads it as a recipient, too."""
    friend = knows(GCM, CBC)
    assert chosen([friend, alice()]) == CBC
    assert chosen([friend, alice()], signer=alice()) == GCM
    assert chosen([friend, alice().certificate], signer=[bob(), Signer(alice())]) == GCM
    assert chosen([friend, alice()], signer=bob()) == CBC
    assert chosen([friend, CertificateRecipient(alice().certificate, RsaPadding())], signer=alice())
    dual = ca().dual("dual@example.org")
    assert chosen([friend, dual], signer=dual) == GCM
    [entry] = plan_encryption([alice()], signer=alice()).served
    assert entry.knowledge is Knowledge.ANNOUNCED


def test_a_signer_who_cannot_be_encrypted_to_announces_nothing() -> None:
    assert chosen([knows(CBC)], signer=person(ALICE, key="ed25519")) == CBC


def test_capabilities_that_are_neither_octets_nor_a_record_are_a_mistake() -> None:
    wrong: Any = Known(bob().certificate, "aes")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(UsageError):
        plan_encryption([wrong])
    with pytest.raises(UsageError):
        smimekit.encrypt(draft(), [wrong])


# --- from the store ------------------------------------------------------------------------


def signed_with(said: bytes | None, at: datetime, who: Credential, text: bytes = b"on") -> bytes:
    """A mail of somebody whose program announces this; with another text, changed later."""
    extra = [attribute(SIGNING_TIME, der.time(at))]
    if said is not None:
        extra.append(attribute(SMIME_CAPABILITIES, said))
    info = signer_info(entity(), who, extra=extra)
    source = bare_signed(entity(), who, bag=[who.certificate, ca().certificate], infos=[info])
    return mime(source.replace(b"plan is on", b"plan is " + text), "signed-data", ALICE)


def learn(store: MemoryTrustStore, mail: bytes, now: datetime = NOW) -> None:
    with smimekit.open(mail, trust=Trust(store, clock=lambda: now)) as opened:
        smimekit.harvest(opened).put_into(store, at=now)


def from_store(store: MemoryTrustStore, address: str = ALICE) -> Any:
    knowing = Trust(store, anchors=[root().certificate], clock=lambda: NOW)
    return knowing.usable(address, Purpose.ENCRYPT)


def test_the_store_remembers_what_was_announced() -> None:
    store = MemoryTrustStore()
    learn(store, smimekit.sign(draft(), alice(), at=NOW))
    selection = from_store(store)
    assert [one.certificate for one in selection.records] == list(selection.usable)
    assert chosen(selection.records) == GCM
    assert chosen(selection.usable) == CBC
    assert chosen([*selection.records, bob()]) == CBC


def test_the_newest_signing_time_wins() -> None:
    """2.7.1: an old mail that comes late, or again, changes nothing."""
    store, hour = MemoryTrustStore(), timedelta(hours=1)
    for said, at in (((GCM,), NOW - hour), ((CBC,), NOW - 2 * hour)):
        learn(store, signed_with(listed(*said), at, alice()))
        assert chosen(from_store(store).records) == GCM
    learn(store, signed_with(listed(CBC), NOW, alice()))
    assert chosen(from_store(store).records) == CBC
    learn(store, signed_with(None, NOW + hour, alice()))
    assert chosen(from_store(store).records) == CBC


def test_nobody_weakens_the_mail_of_another() -> None:
    """A list counts for the key that signed it: neither a broken signature, nor one by somebody
    else in the same name, nor an old one does anything to Alice's.
    """
    store = MemoryTrustStore()
    good = signed_with(listed(GCM), NOW, alice())
    learn(store, good)
    impostor = ca().self_signed(ALICE)
    learn(store, signed_with(listed(TRIPLE_DES), NOW + timedelta(hours=1), impostor))
    learn(store, signed_with(listed(CBC), NOW + timedelta(hours=1), alice(), text=b"up"))
    selection = from_store(store)
    assert selection.usable == (alice().certificate,)
    assert chosen(selection.records) == GCM


def test_what_a_fast_clock_announced_holds_for_a_day_at_the_most() -> None:
    """RFC 8551, 2.7.1. However often it is sent again, and whatever comes in between."""
    store = MemoryTrustStore()
    hour = timedelta(hours=1)
    ahead = signed_with(listed(WEAK), NOW + 23 * hour, alice())
    further = signed_with(listed(WEAK), NOW + 25 * hour, alice())
    learn(store, further)
    learn(store, ahead)
    learn(store, signed_with(listed(GCM), NOW, alice()))
    assert refused(from_store(store).records) == ("policy.no-cipher",)
    learn(store, signed_with(listed(GCM), NOW + 24 * hour, alice()), NOW + 24 * hour)
    learn(store, ahead, NOW + 24 * hour)
    assert chosen(from_store(store).records) == GCM
    learn(store, signed_with(listed(GCM), NOW + 48 * hour, alice()), NOW + 48 * hour)
    learn(store, further, NOW + 48 * hour)
    assert chosen(from_store(store).records) == GCM


def test_what_a_harvest_found_is_a_peer_as_well() -> None:
    with smimekit.open(smimekit.sign(draft(), alice(), at=NOW), trust=trust()) as opened:
        found = smimekit.harvest(opened).found[0]
    assert chosen([found]) == GCM


def test_a_record_may_come_from_an_upload() -> None:
    store = MemoryTrustStore()
    said = Capabilities(listed(AES128_GCM), NOW)
    record = store.put(bob().certificate, Source("upload"), at=NOW, capabilities=said)
    assert chosen([record]) == AES128_GCM
    assert chosen([store.put(alice().certificate, Source("upload"), at=NOW)]) == CBC


# --- who cannot be served ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ((DES_EDE3_CBC,), "des-ede3-cbc"),
        ((RC2_CBC, DES_EDE3_CBC), "rc2-cbc, des-ede3-cbc"),
        ((der.sequence(der.oid("1.3.14.3.2.7")),), "des-cbc"),
        ((der.sequence(der.oid("1.2.392.200011.61.1.1.1.4")),), "camellia-256-cbc"),
        ((der.sequence(der.oid(RC2_CBC.oid), der.integer(40)),), "rc2-cbc"),
    ],
)
@pytest.mark.parametrize("policy", [INTEROP, MODERN, Policy.LEGACY_READ], ids=lambda row: row.name)
def test_who_announces_nothing_good_is_refused(said: Any, named: str, policy: Policy) -> None:
    """2.7.1: weak encryption is not used; 2.7.1.2 is for those of whom nothing is known."""
    weak = knows(*said)
    assert refused([weak], policy=policy) == ("policy.no-cipher",)
    plan = plan_encryption([alice(), weak], policy=policy)
    assert plan.cipher == policy.cipher
    assert [each.name for each in plan.served] == [ALICE]
    [entry] = plan.refused
    assert (entry.name, entry.certificate) == (BOB, weak.certificate)
    assert named in entry.reason
    assert refused([certified(*said)], policy=policy) == ("policy.no-cipher",)


def test_whoever_knows_better_names_a_cipher() -> None:
    """2.7.2: a human may use a stronger one, though the recipient may not be able to read it."""
    weak = knows(DES_EDE3_CBC)
    assert chosen([weak], cipher=AES256_CBC) == AES256_CBC
    [entry] = plan_encryption([weak], cipher=AES256_CBC).served
    assert entry.knowledge is Knowledge.CHOSEN
    assert entry.notes == ("It does not announce aes-256-cbc.",)
    [entry] = plan_encryption([knows(AES256_CBC)], cipher=AES256_CBC).served
    assert (entry.knowledge, entry.notes) == (Knowledge.CHOSEN, ())
    [entry] = plan_encryption([bob()], cipher=CHACHA20_POLY1305).served
    assert (entry.cipher, entry.notes) == (CHACHA20_POLY1305, ())


def test_what_is_read_though_nobody_announces_it_is_noted() -> None:
    """2.7: AES-128-CBC is MUST-."""
    [first, second] = plan_encryption(peers([(GCM,), (CBC,)])).served
    for entry in (first, second):
        assert entry.knowledge is Knowledge.ASSUMED
        assert entry.notes == ("It does not announce aes-128-cbc.",)


def test_who_has_nothing_in_common_needs_a_message_of_its_own() -> None:
    """2.7.3: more than one message. The plan serves the most, and says who is left."""
    strong = replace(INTEROP, ciphers=(GCM, CBC), assumed=())
    a, b, c = peers([(GCM,), (CBC,), (CBC, AES128_CBC)])
    assert refused([a, b, c], policy=strong) == ("policy.no-common-cipher",)
    plan = plan_encryption([a, b, c], policy=strong)
    assert plan.cipher == CBC
    assert [each.addressee for each in plan.served] == [b, c]
    assert [each.addressee for each in plan.refused] == [a]
    assert chosen([b, c], policy=strong) == CBC
    assert chosen([a], policy=strong) == GCM
    assert plan_encryption([a, b], policy=strong).cipher == GCM  # of as many, the policy's first
    assert plan_encryption([b, a], policy=strong).cipher == GCM
    assert refused([a, bob()], policy=strong) == ("policy.no-common-cipher",)


def with_usage(*usages: str, key: str) -> Certificate:
    """A certificate with any keyUsage."""
    certificate: Any = Certificate(person(BOB, key=key).certificate.der)
    certificate.__dict__["key_usage"] = frozenset(usages)
    found: Certificate = certificate
    return found


def test_who_cannot_be_encrypted_to_is_refused_with_the_reason() -> None:
    weak = ca().weak_key("weak@example.org")
    sign_only = ca().sign_only("signer@example.org")
    table: list[tuple[Addressee, str]] = [
        (weak, "policy.weak"),
        (weak.certificate, "policy.weak"),
        (CertificateRecipient(weak.certificate, RsaPadding()), "policy.weak"),
        (Known(weak.certificate, listed(GCM)), "policy.weak"),
        (sign_only, "usage.not-for-encryption"),
        (sign_only.certificate, "usage.not-for-encryption"),
        (person(BOB, key="ed25519"), "usage.not-for-encryption"),
        (with_usage("keyAgreement", key="rsa-2048"), "usage.not-for-encryption"),
        (with_usage("keyEncipherment", key="p256"), "usage.not-for-encryption"),
        (with_usage("keyAgreement", key="ed25519"), "usage.recipient-key"),
        (person(BOB, key="ed25519").certificate, "usage.recipient-key"),
        (with_usage("keyAgreement", key="ml-kem-768"), "usage.not-for-encryption"),
    ]
    for addressee, code in table:
        assert refused([addressee]) == (code,)
        plan = plan_encryption([addressee])
        assert (plan.cipher, plan.derived, plan.served) == (None, False, ())
        plan = plan_encryption([bob(), addressee, alice()])
        assert [each.name for each in plan.served] == [BOB, ALICE]
        assert [each.addressee for each in plan.refused] == [addressee]


def test_who_cannot_be_served_does_not_choose_the_cipher() -> None:
    weak = Known(ca().weak_key("weak@example.org").certificate, listed(CBC))
    assert plan_encryption([weak, knows(GCM)]).cipher == GCM
    assert plan_encryption([weak, weak, knows(GCM)]).cipher == GCM


def test_a_certificate_that_is_malformed_is_refused() -> None:
    broken: Any = Certificate(bob().certificate.der)
    broken._behind_key = b"\xa3\x03\x30\x01\x00"
    assert refused([broken]) == ("certificate.malformed",)
    assert plan_encryption([broken]).refused[0].name == broken.subject_text


@pytest.mark.parametrize(
    "plan", [plan_encryption, lambda to, **more: smimekit.encrypt(draft(), to, **more)]
)
def test_mistakes_of_the_caller_are_raised(plan: Any) -> None:
    single: list[Any] = [bob(), bob().certificate, knows(GCM), "bob@example.org", 7, []]
    odd: Any = Known("bob", None)  # type: ignore[arg-type]  # that is the point
    for wrong in (*single, ["bob@example.org"], [None], [object()], [odd]):
        with pytest.raises(UsageError):
            plan(wrong)
    with pytest.raises(PolicyError) as weak:
        plan([bob()], cipher=DES_EDE3_CBC)
    assert weak.value.code == "policy.weak"
    with pytest.raises(PolicyError) as weak:
        plan([bob()], policy=replace(INTEROP, cipher=RC2_CBC))
    assert weak.value.code == "policy.weak"
    with pytest.raises(UsageError) as unwritten:
        plan([bob()], cipher=AES256_CCM)
    assert unwritten.value.code == "usage.cipher"


def test_a_plan_has_no_truth_value() -> None:
    with pytest.raises(TypeError):
        bool(plan_encryption([bob()]))


# --- how the key gets there ----------------------------------------------------------------


def way(to: Addressee, **options: Any) -> str:
    """The key management of a plan, and that the message has it."""
    [entry] = plan_encryption([to], **options).served
    with smimekit.open(smimekit.encrypt(draft(), [to], **options), trust=trust()) as opened:
        found = opened.envelope[0]
        assert isinstance(found, Encrypted)
        [info] = found.recipients
        assert entry.key_management == described(info)
    return entry.key_management


def described(info: RecipientInfo) -> str:
    """What a RecipientInfo says of itself, read independently of the plan."""

    def wrap(encoded: bytes | None) -> str:
        return rows.KEY_WRAPS[der.Reader(encoded or b"").enter(der.SEQUENCE).oid()].name

    match info:
        case kinds.KeyTransRecipient():
            padding = rows.rsa_padding(info.algorithm)
            assert padding is not None
            return padding.name
        case kinds.KeyAgreeRecipient():
            scheme = rows.ECDH_SCHEMES[info.algorithm.oid].name
            return f"{scheme} with {wrap(info.algorithm.parameters)}"
        case kinds.KemRecipient():
            return f"{rows.KEMS[info.kem.oid].name} with {wrap(info.wrap.encode())}"
        case kinds.PasswordRecipientInfo():
            return "password"
        case kinds.KekRecipient():
            return "shared key"
    raise AssertionError(info)


OAEP_256, OAEP_384, OAEP_1 = (RsaPadding(row, row) for row in (SHA256, SHA384, SHA1))
PKCS1 = RsaPadding()


@pytest.mark.parametrize(
    ("said", "interop", "modern"),
    [
        ((), PKCS1, OAEP_256),
        ((PKCS1,), PKCS1, PKCS1),
        ((OAEP_256,), OAEP_256, OAEP_256),
        ((PKCS1, OAEP_256), OAEP_256, OAEP_256),
        ((OAEP_1, OAEP_384), OAEP_384, OAEP_384),
        ((PKCS1, OAEP_1), OAEP_1, OAEP_1),
    ],
)
def test_rsa_padding(said: Any, interop: RsaPadding, modern: RsaPadding) -> None:
    """RFC 3560, 5: what is announced; OAEP is SHOULD+, v1.5 MUST- (RFC 8551, 2.3)."""
    capabilities = [row.identifier.encode() for row in said]
    to = knows(GCM, *capabilities, key="rsa-2048")
    assert way(to) == interop.name
    assert way(to, policy=MODERN) == modern.name
    card = certified(GCM, *capabilities, key="rsa-2048")
    assert way(card) == interop.name
    assert way(card, policy=MODERN) == modern.name
    mail = smimekit.encrypt(draft(), [to])
    assert layer(mail, person(BOB, key="rsa-2048")).algorithm == "aes-256-gcm"


def test_a_program_that_knows_no_tags_gets_pkcs1() -> None:
    """RFC 5751, 2.3: that of S/MIME 3.2 MUST read it. NSS and gpgsm have no OAEP."""
    assert way(knows(CBC, key="rsa-2048"), policy=MODERN) == "rsa-pkcs1"
    assert way(knows(CBC, CHACHA20_POLY1305, key="rsa-2048"), policy=MODERN) == "rsa-oaep-sha256"
    both = knows(CBC, OAEP_384.identifier.encode(), key="rsa-2048")
    assert way(both, policy=MODERN) == "rsa-oaep-sha384"
    strict = replace(MODERN, rsa_paddings=(OAEP_256,))
    assert way(knows(CBC, PKCS1.identifier.encode(), key="rsa-2048"), policy=strict) == (
        "rsa-oaep-sha256"
    )


def test_the_callers_own_padding_stays() -> None:
    card = certified(GCM, OAEP_256.identifier.encode(), key="rsa-2048").certificate
    assert way(CertificateRecipient(card, PKCS1)) == "rsa-pkcs1"
    assert way(CertificateRecipient(card, RsaKem())) == "rsa-kem with aes-256-wrap"
    assert way(CertificateRecipient(card, OAEP_384)) == "rsa-oaep-sha384"


def test_a_certificate_for_oaep_only_decides_itself() -> None:
    """RFC 4055, 4: whatever else is announced, or assumed."""
    wanted = with_key_algorithm(person(BOB, key="rsa-2048").certificate, OAEP_384.identifier)
    to = Known(wanted, listed(GCM, PKCS1.identifier.encode(), OAEP_256.identifier.encode()))
    assert way(to) == "rsa-oaep-sha384"


def agrees(scheme: EcdhScheme, wrap: KeyWrap) -> bytes:
    return der.sequence(der.oid(scheme.oid), der.sequence(der.oid(wrap.oid)))


@pytest.mark.parametrize(
    ("key", "cipher", "said", "expected"),
    [
        # nothing known: what goes well with the curve, and with the content key
        ("p256", AES128_GCM, (), "ecdh-std-sha256 with aes-128-wrap"),
        ("p256", AES256_GCM, (), "ecdh-std-sha256 with aes-256-wrap"),
        ("p384", AES128_GCM, (), "ecdh-std-sha384 with aes-256-wrap"),
        ("x25519", AES256_GCM, (), "ecdh-hkdf-sha256 with aes-256-wrap"),
        ("x448", AES128_GCM, (), "ecdh-hkdf-sha512 with aes-256-wrap"),
        # what goes well is among what is announced
        (
            *("p256", AES256_GCM),
            ((ECDH_STD_SHA512, AES256_WRAP), (ECDH_STD_SHA256, AES256_WRAP)),
            "ecdh-std-sha256 with aes-256-wrap",
        ),
        # it is not: the first that is strong enough
        (
            *("p256", AES256_GCM),
            ((ECDH_STD_SHA384, AES128_WRAP), (ECDH_STD_SHA512, AES256_WRAP)),
            "ecdh-std-sha512 with aes-256-wrap",
        ),
        (
            *("p256", AES128_GCM),
            ((ECDH_STD_SHA384, AES128_WRAP),),
            "ecdh-std-sha384 with aes-128-wrap",
        ),
        # none is: RFC 8551, 2.3, both wraps MUST be read
        (
            *("p256", AES256_GCM),
            ((ECDH_STD_SHA256, AES128_WRAP),),
            "ecdh-std-sha256 with aes-256-wrap",
        ),
        # HKDF is for X25519 and X448 (RFC 8418)
        (
            *("p256", AES256_GCM),
            ((ECDH_HKDF_SHA256, AES256_WRAP),),
            "ecdh-std-sha256 with aes-256-wrap",
        ),
        (
            *("x25519", AES256_GCM),
            ((ECDH_HKDF_SHA384, AES256_WRAP),),
            "ecdh-hkdf-sha384 with aes-256-wrap",
        ),
        (
            *("x25519", AES256_GCM),
            ((ECDH_STD_SHA256, AES256_WRAP),),
            "ecdh-std-sha256 with aes-256-wrap",
        ),
    ],
)
def test_key_agreement(key: str, cipher: ContentCipher, said: Any, expected: str) -> None:
    to = knows(cipher, *(agrees(*pair) for pair in said), key=key)
    assert way(to) == expected
    assert layer(smimekit.encrypt(draft(), [to]), person(BOB, key=key)).algorithm == cipher.name


def test_what_is_no_longer_written_is_not_chosen() -> None:
    """SHA-1 in the KDF, and cofactor agreement for X25519, which RFC 8418, 7 does not have."""
    by_name = {row.name: row for row in ECDH_SCHEMES.values()}
    old = agrees(by_name["ecdh-std-sha1"], AES256_WRAP)
    cofactor = agrees(by_name["ecdh-cofactor-sha256"], AES256_WRAP)
    assert way(knows(GCM, old)) == "ecdh-std-sha256 with aes-256-wrap"
    assert way(knows(GCM, cofactor)) == "ecdh-cofactor-sha256 with aes-256-wrap"
    x25519 = knows(GCM, old, cofactor, key="x25519")
    assert way(x25519) == "ecdh-hkdf-sha256 with aes-256-wrap"


@pytest.mark.parametrize("key", ["ml-kem-768", "ml-kem-1024"])
@pytest.mark.parametrize("cipher", [AES128_GCM, AES256_GCM])
def test_ml_kem(key: str, cipher: ContentCipher) -> None:
    """RFC 9936, 2.2.2: the wrap is AES-256, whatever it wraps."""
    assert way(knows(cipher, key=key)) == f"{key} with aes-256-wrap"


def test_shared_secrets() -> None:
    shared = SharedKeyRecipient(b"1", bytes(32))
    password = PasswordRecipient("a long one", iterations=1000)
    plan = plan_encryption([shared, password, knows(GCM, CBC)])
    assert plan.cipher == CBC
    assert [each.key_management for each in plan.served][:2] == ["shared key", "password"]
    assert [each.name for each in plan.served] == [
        "whoever has the shared key",
        "whoever has the password",
        BOB,
    ]
    assert [each.certificate for each in plan.served][:2] == [None, None]
    assert way(shared) == "shared key"
    assert way(password) == "password"


class Elsewhere:
    """A recipient of the caller's own, whose keys a plan must not touch."""

    def __init__(self) -> None:
        self.asked = 0

    def wrap(self, key: ContentKey) -> RecipientInfo:
        self.asked += 1
        return CertificateRecipient(bob().certificate, PKCS1).wrap(key)


def test_a_plan_asks_no_recipient_of_the_callers_own() -> None:
    own = Elsewhere()
    [entry] = plan_encryption([own]).served
    assert (entry.key_management, entry.name, own.asked) == ("Elsewhere", "Elsewhere", 0)
    assert chosen([own]) == CBC
    assert own.asked == 1


# --- keys bound to their cipher ------------------------------------------------------------


@pytest.mark.parametrize(
    ("people", "derived"),
    [
        ([knows(GCM, HKDF)], True),
        ([knows(HKDF)], True),
        ([knows(GCM, HKDF), certified(GCM, HKDF)], True),
        ([knows(GCM, HKDF), knows(GCM, who=ALICE)], False),
        ([knows(GCM, HKDF), alice()], False),
        ([Known(certified(GCM, HKDF).certificate, listed(GCM))], False),
        ([Known(certified(GCM, HKDF).certificate, listed(GCM, HKDF))], True),
        ([Known(certified(GCM, HKDF).certificate, b"?")], True),
        ([knows(GCM, HKDF), SharedKeyRecipient(b"1", bytes(32))], False),
    ],
)
def test_cek_hkdf(people: list[Addressee], derived: bool) -> None:
    """RFC 9709, 4: where all announce it, in the list that says most of them."""
    assert plan_encryption(people).derived is derived
    mail = smimekit.encrypt(draft(), people)
    message = mail.partition(b"\r\n\r\n")[2]
    assert (der.oid(CEK_HKDF_SHA256) in base64.b64decode(message)) is derived
    always = replace(INTEROP, derive_content_keys=True)
    assert plan_encryption(people, policy=always).derived


# --- plan and deed -------------------------------------------------------------------------

KEYS = ("p256", "p384", "x25519", "ml-kem-768", "rsa-2048", "ed25519")
CAPABILITIES = st.lists(
    st.sampled_from(
        [
            *(listed(row)[2:] for row in (*INTEROP.ciphers, DES_EDE3_CBC, AES256_CCM)),
            *(row.identifier.encode() for row in INTEROP.rsa_paddings),
            *(agrees(row.agreement, row.wrap) for row in CURVES.values()),
            *(HKDF, der.sequence(der.oid("1.3.14.3.2.7")), b"\x05\x00"),
        ]
    ),
    max_size=6,
).map(lambda found: der.sequence(*found))
WEAK_KEY = ca().weak_key("weak@example.org").certificate
SHARED_KEY = SharedKeyRecipient(b"1", bytes(32))
PEERS = st.one_of(
    st.builds(
        Known,
        st.sampled_from([person(BOB, key=key).certificate for key in KEYS]),
        st.none() | CAPABILITIES | st.binary(max_size=8),
    ),
    st.sampled_from([alice(), alice().certificate, WEAK_KEY, SHARED_KEY]),
)
CHOICES = st.fixed_dictionaries(
    {
        "policy": st.sampled_from(
            [INTEROP, MODERN, replace(MODERN, ciphers=(AES256_GCM,), assumed=())]
        ),
        "cipher": st.none() | st.sampled_from(INTEROP.ciphers),
        "signer": st.none() | st.just(alice()),
    }
)


@given(st.lists(PEERS, min_size=1, max_size=4), CHOICES)
@settings(max_examples=60)
def test_plan_and_deed_agree(people: list[Addressee], options: dict[str, Any]) -> None:
    plan = plan_encryption(people, **options)
    entries = [each.addressee for each in plan.served] + [each.addressee for each in plan.refused]
    assert sorted(map(id, entries)) == sorted(map(id, people))
    if plan.refused:
        assert refused(people, **options)
        people = [each.addressee for each in plan.served]
        if not people:
            assert plan.cipher is None
            return
        again = plan_encryption(people, **options)
        assert again.refused == ()
        plan = again
    _same(plan, smimekit.encrypt(draft(), people, **options))


def _same(plan: EncryptionPlan, mail: bytes) -> None:
    with smimekit.open(mail, trust=trust()) as opened:
        found = opened.envelope[0]
        assert isinstance(found, Encrypted)
    assert plan.cipher is not None
    assert not plan.cipher.weak
    assert found.algorithm == plan.cipher.name
    ways = sorted(each.key_management for each in plan.served)  # a SET OF has an order of its own
    assert sorted(map(described, found.recipients)) == ways
    assert all(each.cipher == plan.cipher for each in plan.served)
    for info in found.recipients:
        if isinstance(info, KeyAgreeRecipient):
            assert len(info.keys) == 1
