"""Mail that goes out: who signs, who can read it, and what each recipient may learn."""

import email
import email.policy
import json
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smimekit
from smimekit import Credential, KeyRing, MemoryTrustStore, Policy, Trust, UsageError
from smimekit.algorithms import AES256_CBC, AES256_GCM, DES_EDE3_CBC
from smimekit.gateway import (
    Defer,
    Deliver,
    Envelope,
    EnvelopeRecipient,
    Gateway,
    Hold,
    Outcomes,
    Reject,
    Rules,
)
from smimekit.gateway.core import Results
from smimekit.gateway.events import Action as Wanted
from smimekit.gateway.events import Events, Objection, Scan
from smimekit.gateway.outbound.chains import completed
from smimekit.gateway.outbound.plan import Action
from smimekit.gateway.outcomes import Mail, Outcome
from smimekit.gateway.reports.audit import CertificateRole, Entry
from smimekit.message.layers import Encrypted, Signed
from smimekit.private_key import PrivateKey
from smimekit.span import Span
from smimekit.testing.profiles import Profile
from smimekit.trust.records import Source
from tests.gateway.people import (
    ALICE,
    ARCHIVE,
    BOB,
    CAROL,
    DAVE,
    INSIDER,
    LATE,
    MALLORY,
    SHUNNED,
    TEXT,
    TWICE,
    envelope,
    gateway,
    mail,
    planned,
    rules_of,
    send,
    world,
)

MUST = '[outside]\nencrypt = "must"\n'
ALWAYS = '[outbound]\nsign = "always"\n'
NO_CRYPTO = '[outbound]\nencrypt = "never"\n'


def only(outcomes: Outcomes) -> Any:
    """The one outcome that there is."""
    [found] = outcomes.outcomes
    return found


def message_of(outcome: Outcome) -> bytes:
    assert isinstance(outcome, Deliver), outcome
    return outcome.mail.message.bytes()


def by_address(outcomes: Outcomes) -> dict[str, Outcome]:
    return {each.address: one for one in outcomes.outcomes for each in one.recipients}


def layers(message: bytes, *keys: Credential) -> tuple[Any, ...]:
    with smimekit.open(message, keys=keys, trust=world().trust) as opened:
        return opened.envelope


def encrypted_to(message: bytes) -> set[str]:
    """The addresses of those whose keys open it, of all that there are."""
    everybody = [(who, one) for who, keys in world().people.items() for one in keys]
    return {who for who, one in everybody if opens(message, one)}


def opens(message: bytes, credential: Credential) -> bool:
    try:
        return TEXT in smimekit.decrypt(message, [credential]).bytes()
    except (smimekit.NoMatchingKey, smimekit.InsufficientProtection):
        return False


def infos(message: bytes) -> int:
    """How many can open it."""
    [outermost, *_] = layers(message)
    assert isinstance(outermost, Encrypted)
    return len(outermost.recipients)


def signers(message: bytes) -> list[str]:
    return [
        result.certificate.addresses[0]
        for layer in layers(message, *(one for keys in world().people.values() for one in keys))
        if isinstance(layer, Signed)
        for result in layer.signatures
        if result.intact and result.certificate is not None
    ]


@pytest.mark.parametrize(
    "domain",
    [
        "\uff50artner.example",
        "partner\u3002example",
        "part\u00adner.example",
        "partne\u24c7.example",
        "partner.example.",
        "PARTNER.example",
    ],
)
def test_no_spelling_of_a_domain_escapes_must(domain: str) -> None:
    rules = '[outbound]\nencrypt = "never"\n[domain."partner.example"]\nencrypt = "must"\n'
    to = f"nobody@{domain}"
    assert isinstance(only(send(gateway(rules), mail(to=[BOB]), to)), Reject)


# --- the plan ---------------------------------------------------------------------------------------


def test_one_message_to_all_kinds_of_recipients() -> None:
    """The scenario of the gateway: right copies, right refusals."""
    rules = (
        '[domain."bank.example"]\nencrypt = "must"\n[domain."nowhere.example"]\nencrypt = "must"\n'
    )
    hidden = "hidden@elsewhere.example"
    to = (BOB, LATE, CAROL, DAVE, hidden, TWICE)
    with send(gateway(rules), mail(to=(BOB, LATE, CAROL, DAVE)), *to) as outcomes:
        found = by_address(outcomes)
        assert encrypted_to(message_of(found[BOB])) == {BOB, CAROL}
        assert found[BOB] is found[CAROL]
        assert encrypted_to(message_of(found[TWICE])) == {TWICE}
        assert TEXT in message_of(found[LATE])
        assert found[LATE] is not found[BOB]
        assert TEXT in message_of(found[hidden])
        refused = found[DAVE]
        assert isinstance(refused, Reject)
        assert (refused.code, refused.enhanced) == (550, "5.7.10")


def test_a_plan_does_no_crypto(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is signed, no key is wrapped, and the body is not read."""

    class Watched:
        def __init__(self, data: bytes) -> None:
            self.data, self.size, self.read_to = data, len(data), 0

        def read(self, start: int, end: int) -> bytes:
            self.read_to = max(self.read_to, end)
            return self.data[start:end]

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("crypto")

    source = Watched(mail(to=(BOB,), subject="[sign] x") + b"x" * 1_000_000)
    monkeypatch.setattr(smimekit.keys.SoftwareKey, "sign", forbidden)
    monkeypatch.setattr(smimekit.keys.CertificateRecipient, "wrap", forbidden)
    made = gateway(ALWAYS).plan(envelope(BOB, CAROL), Span(source, 0, source.size), at=world().at)
    assert [part.action for part in made.parts] == [Action.PROTECT, Action.PROTECT]
    assert source.read_to < 10_000


def test_what_is_planned_is_done() -> None:
    found, message = gateway(ALWAYS), mail(to=(BOB, TWICE))
    [part] = planned(found, message, BOB, TWICE).parts
    with send(found, message, BOB, TWICE) as outcomes:
        sent = message_of(only(outcomes))
    assert encrypted_to(sent) == {each.address for each in part.certificates}
    assert infos(sent) == len(part.certificates)
    assert signers(sent) == [part.sign_as]
    cipher = layers(sent)[0].algorithm
    assert cipher == part.cipher


def test_a_plan_explains_itself() -> None:
    made = planned(gateway(MUST + ALWAYS), mail(to=(BOB, LATE), subject="[plain] x"), BOB, LATE)
    text = made.explain()
    [bob], [late] = world().people[BOB], world().people[LATE]
    assert f"encrypted to {BOB}: {bob.certificate.fingerprint}" in text
    assert f"not to {LATE}: {late.certificate.fingerprint} (untrusted)" in text
    assert "The certificate expired on" in text
    assert "rule: encrypt from [outside]" in text
    assert f"signed as {ALICE}" in text
    assert "It asks for: plain." in text


def test_a_plan_explains_which_rule_holds_for_whom() -> None:
    """Those who share a mail may be under other rules that come to the same."""
    rules = (
        MUST
        + f'[address."{TWICE}"]\nencrypt = "must"\nsign = "always"\n[outbound]\nsign = "always"\n'
    )
    made = planned(gateway(rules), mail(to=(BOB, TWICE)), BOB, TWICE)
    assert len(made.parts) == 1
    lines = [line.strip() for line in made.explain().splitlines() if "rule:" in line]
    assert f"rule: encrypt from [outside] ({BOB})" in lines
    assert f'rule: encrypt from [address."{TWICE}"] ({TWICE})' in lines
    assert f'rule: sign from [address."{TWICE}"] ({TWICE})' in lines
    [found] = json.loads(json.dumps(made.as_json()))["parts"]
    assert found["rules"]["encrypt"] == f'[outside], [address."{TWICE}"]'
    again = planned(gateway(MUST), mail(to=(LATE, DAVE)), LATE, DAVE).explain()
    assert again.count("rule: encrypt from [outside]\n") == again.count("To ")
    refused = planned(
        gateway(rules), mail(to=("a@x.example", "b@x.example")), "a@x.example", "b@x.example"
    )
    assert "rule: encrypt from [outside]\n" in refused.explain()


def test_a_plan_as_json_names_certificates_and_holds_no_content() -> None:
    made = planned(gateway(MUST), mail(to=(BOB, LATE), subject="Geheim"), BOB, LATE)
    found = json.dumps(made.as_json())
    assert world().people[BOB][0].certificate.fingerprint in found
    assert "Geheim" not in found
    assert "abracadabra" not in found
    refused, protected = json.loads(found)["parts"]
    assert refused["action"] == "reject"
    assert refused["rules"] == {"encrypt": "[outside]"}
    assert protected["cipher"] == "aes-256-cbc"


def test_plans_have_no_truth_value() -> None:
    with pytest.raises(TypeError, match="parts"):
        bool(planned(gateway(), mail(), BOB))


@pytest.mark.parametrize("verb", ["plan", "process"])
def test_a_time_without_a_zone_is_refused(verb: str) -> None:
    naive = world().at.replace(tzinfo=None)
    with pytest.raises(UsageError, match="time zone"):
        getattr(gateway(), verb)(envelope(BOB), Span.of(mail()), at=naive)


# --- encryption -----------------------------------------------------------------------------------------


def test_mail_is_encrypted_to_all_usable_certificates() -> None:
    """All devices of a person, and no certificate that is expired or rejected."""
    with send(gateway(), mail(to=(TWICE,)), TWICE) as outcomes:
        sent = message_of(only(outcomes))
    assert all(opens(sent, one) for one in world().people[TWICE])
    assert infos(sent) == 2


@pytest.mark.parametrize("who", [LATE, SHUNNED, DAVE])
@pytest.mark.parametrize(
    ("impossible", "kind"),
    [("bounce", Reject), ("hold", Hold), ("callback", Defer), ("send_clear", Deliver)],
)
def test_what_cannot_be_encrypted_goes_as_the_rules_have_it(
    who: str, impossible: str, kind: type[Outcome]
) -> None:
    rules = f'[outbound]\nimpossible = "{impossible}"\n'
    message = mail(to=(who,))
    with send(gateway(rules), message, who) as outcomes:
        found = only(outcomes)
        assert isinstance(found, kind)
        if isinstance(found, Hold | Deliver):
            assert found.mail.message.bytes() == message
    with send(gateway(MUST + rules), message, who) as outcomes:
        found = only(outcomes)
        assert isinstance(found, Reject if kind is Deliver else kind)


def test_never_is_never() -> None:
    message = mail(to=(BOB,))
    with send(gateway(NO_CRYPTO), message, BOB) as outcomes:
        assert message_of(only(outcomes)) == message


def test_mail_of_strangers_is_not_ours_to_encrypt_unless_it_must_be() -> None:
    """A forwarded mail keeps its author's signatures; a must for the recipient holds all the same."""
    message = mail("From: x@elsewhere.example", to=(BOB,))
    for rules, kept in (("", True), (MUST, False)):
        with send(
            gateway(rules), message, BOB, user=None, mail_from="x@elsewhere.example"
        ) as outcomes:
            sent = message_of(only(outcomes))
            assert (sent == message) is kept
            assert (encrypted_to(sent) == {BOB}) is not kept


def test_our_mail_is_encrypted_whoever_hands_it_in() -> None:
    with send(gateway(), mail(to=(BOB,)), BOB, user=None) as outcomes:
        assert encrypted_to(message_of(only(outcomes))) == {BOB}


def test_another_from_does_not_escape_the_rules_for_a_sender() -> None:
    rules = f'[address."{ALICE}"]\nencrypt = "must"\n'
    message = mail(f"From: {INSIDER}", to=(DAVE,))
    with send(gateway(rules), message, DAVE) as outcomes:
        assert isinstance(only(outcomes), Reject)
    with send(gateway(rules), mail(to=(DAVE,)), DAVE, mail_from=INSIDER) as outcomes:
        assert isinstance(only(outcomes), Reject)


@pytest.mark.parametrize(
    ("author", "mail_from", "user"),
    [
        (f"{ALICE}, x@evil.example", "", None),
        (f"x@evil.example, {ALICE}", INSIDER, INSIDER),
        (f"a: {ALICE}, {INSIDER};", INSIDER, INSIDER),
        ("x@evil.example", "x@evil.example", ALICE),
    ],
)
def test_one_more_author_does_not_escape_the_rules_for_a_sender(
    author: str, mail_from: str, user: str | None
) -> None:
    rules = f'[address."{ALICE}"]\nencrypt = "must"\n'
    message = mail(f"From: {author}", to=(DAVE,))
    with send(gateway(rules), message, DAVE, mail_from=mail_from, user=user) as outcomes:
        assert isinstance(only(outcomes), Reject)


@pytest.mark.parametrize("strict", [ALICE, INSIDER])
@pytest.mark.parametrize("lax", ["must", "if_possible"])
def test_another_name_escapes_no_archive_and_no_minimum(strict: str, lax: str) -> None:
    other = INSIDER if strict == ALICE else ALICE
    rules = (
        f'[address."{strict}"]\nencrypt = "if_possible"\narchive = ["{ARCHIVE}"]\n'
        f'cipher_bits = 256\nauthenticated = true\n[address."{other}"]\nencrypt = "{lax}"\n'
    )
    with send(gateway(rules), mail(to=(BOB,)), BOB, mail_from=INSIDER) as outcomes:
        sent = message_of(only(outcomes))
    assert encrypted_to(sent) == {BOB, ARCHIVE}
    [layer] = layers(sent, *world().people[BOB])
    assert isinstance(layer, Encrypted)
    assert layer.authenticated
    assert "256" in str(layer.algorithm)


def test_nobody_hides_behind_authors_without_end() -> None:
    """The rules are asked about each, for each recipient: so there is a bound, and no way past."""
    rules = f'[address."{ALICE}"]\nencrypt = "must"\n'
    crowd = ", ".join(f"a{number}@example.org" for number in range(20))
    for author, kind in ((crowd, Deliver), (f"{crowd}, {ALICE}", Reject)):
        message = mail(f"From: {author}", to=(DAVE,))
        with send(gateway(rules), message, DAVE, mail_from=INSIDER, user=INSIDER) as outcomes:
            assert isinstance(only(outcomes), kind)


def test_whoever_authenticated_is_inside_whatever_they_call_themselves() -> None:
    rules = 'encrypt = "must"\n'  # in [inside]
    who, message = "x@evil.example", mail("From: x@evil.example", to=(DAVE,))
    with send(gateway(rules), message, DAVE, mail_from=who, user="alice") as outcomes:
        assert isinstance(only(outcomes), Reject)
    with send(gateway(rules), message, DAVE, mail_from=who, user=None) as outcomes:
        assert message_of(only(outcomes)) == message


def test_a_mail_of_any_size_is_protected_in_bounded_memory(tmp_path: Any) -> None:
    import tracemalloc  # noqa: PLC0415 - slow, and for this test only

    path = tmp_path / "big"
    with path.open("wb") as file:
        file.write(mail(to=(BOB,)))
        for _ in range(8 << 4):
            file.write((b"x" * 62 + b"\r\n") * 1024)
    with path.open("rb") as file:
        limits = replace(Policy.INTEROP.limits, spool_memory=1 << 18)
        found = gateway(ALWAYS, policy=replace(Policy.INTEROP, limits=limits))
        send(found, mail(to=(BOB,)), BOB).close()  # what is imported and made once does not count
        tracemalloc.start()
        with found.process(envelope(BOB), Span.of_file(file), at=world().at) as outcomes:
            size = len(only(outcomes).mail.message)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert size > 8 << 20
    assert peak < 3 << 20


# --- groups -----------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from([BOB, CAROL, TWICE, LATE, DAVE]), min_size=1, unique=True),
    st.lists(st.sampled_from([BOB, CAROL, TWICE]), unique=True),
    st.booleans(),
)
def test_nobody_learns_of_a_hidden_recipient(
    to: list[str], shown: list[str], capital: bool
) -> None:
    """Who is neither in To nor in Cc has a mail of their own; the others share theirs."""
    named = [one.upper() for one in shown] if capital else shown
    with send(gateway(ALWAYS), mail(to=named[:1], cc=named[1:]), *to) as outcomes:
        for one in outcomes.outcomes:
            sent = message_of(one)
            if TEXT in sent:
                continue
            whom = {each.address for each in one.recipients}
            assert encrypted_to(sent) == whom
            assert len(whom) == 1 or whom <= set(shown)
        shared = [
            one
            for one in outcomes.outcomes
            if {each.address for each in one.recipients} & set(shown)
        ]
        assert len(shared) <= 1


def test_hidden_recipients_share_a_mail_where_the_rules_say_so() -> None:
    with send(gateway("[outbound]\nsplit_bcc = false"), mail(to=(BOB,)), BOB, CAROL) as outcomes:
        assert encrypted_to(message_of(only(outcomes))) == {BOB, CAROL}


def test_a_bcc_field_goes_to_nobody() -> None:
    message = mail(f"Bcc: {CAROL}", to=(BOB,))
    with send(gateway(), message, BOB, CAROL) as outcomes:
        for one in outcomes.outcomes:
            assert b"\nbcc:" not in message_of(one).lower()
            with smimekit.open(
                message_of(one), keys=[world().keys_of(BOB, CAROL)], trust=world().trust
            ) as opened:
                assert (
                    b"\nbcc:"
                    not in opened.payload(require=smimekit.Protection.CONFIDENTIAL).bytes().lower()
                )


def test_an_unreadable_to_shows_nobody() -> None:
    with send(gateway(), mail("To: <<<"), BOB, CAROL) as outcomes:
        assert [len(one.recipients) for one in outcomes.outcomes] == [1, 1]


@pytest.mark.parametrize(
    "setting",
    [
        'headers = "shy"',
        "legacy_display = true",
        'suite = "modern"',
        "cipher_bits = 256",
        "rsa_bits = 3072",
        "authenticated = true",
        'archive = "archive@example.org"',
    ],
)
def test_who_has_other_needs_has_another_mail(setting: str) -> None:
    rules = f'[address."{CAROL}"]\n{setting}\n'
    with send(gateway(rules), mail(to=(BOB, CAROL)), BOB, CAROL) as outcomes:
        found = by_address(outcomes)
        assert found[BOB] is not found[CAROL]
        assert encrypted_to(message_of(found[BOB])) == {BOB}
    assert CAROL in encrypted_to_all(gateway(rules), CAROL)


def encrypted_to_all(found: Gateway, *to: str) -> set[str]:
    with send(found, mail(to=to), *to) as outcomes:
        return {who for one in outcomes.outcomes for who in encrypted_to(message_of(one))}


def test_parameters_travel_with_their_recipients() -> None:
    """RFC 3461: NOTIFY and ORCPT are the recipient's, RET and ENVID the message's."""
    bob = EnvelopeRecipient(address=BOB, parameters=(("NOTIFY", "NEVER"),))
    dave = EnvelopeRecipient(address=DAVE, parameters=(("ORCPT", "rfc822;d@x.example"),))
    sent = Envelope(
        mail_from=ALICE, recipients=(bob, dave), parameters=(("ENVID", "7"),), user=ALICE
    )
    with gateway().process(sent, Span.of(mail(to=(BOB,))), at=world().at) as outcomes:
        mails = [one.mail for one in outcomes.outcomes if isinstance(one, Deliver)]
    assert [one.parameters for one in mails] == [(("ENVID", "7"),)] * 2
    assert {each for one in mails for each in one.recipients} == {bob, dave}
    assert [one.mail_from for one in mails] == [ALICE, ALICE]


def test_one_address_twice_is_served_twice() -> None:
    with send(gateway(), mail(to=(BOB,)), BOB, BOB, DAVE, DAVE) as outcomes:
        told = Counter(each.address for one in outcomes.outcomes for each in one.recipients)
    assert told == {BOB: 2, DAVE: 2}


# --- algorithms -------------------------------------------------------------------------------------------


def capable(*ciphers: Any) -> bytes:
    """SMIMECapabilities (RFC 8551, 2.5.2) of these ciphers."""
    from smimekit import der  # noqa: PLC0415 - to write what another program would

    return der.sequence(*(der.sequence(der.oid(each.oid)) for each in ciphers))


def crowd(*pairs: tuple[str, Any]) -> Trust:
    """People at addresses who announce one cipher each, in their certificates."""
    here = world()
    store = MemoryTrustStore()
    for each in here.ca.chain:
        store.put(each, Source("upload"), at=here.at)
    for address, cipher in pairs:
        one = here.ca.person(address, profile=Profile(capabilities=capable(cipher)))
        store.put(one.certificate, Source("upload"), at=here.at)
    return Trust(store, anchors=here.trust.anchors)


def ciphers(outcomes: Outcomes) -> dict[str, str]:
    return {
        each.address: layers(message_of(one))[0].algorithm
        for one in outcomes.outcomes
        for each in one.recipients
    }


def test_a_group_has_a_cipher_that_all_of_it_read() -> None:
    """RFC 8551, 2.7.3: who has nothing in common with others gets a message of their own."""
    a, b, c = "a@x.example", "b@x.example", "c@x.example"
    from smimekit.algorithms import CHACHA20_POLY1305  # noqa: PLC0415 - for this test only

    trust = crowd((a, AES256_GCM), (b, CHACHA20_POLY1305), (c, AES256_GCM))
    found_gateway = gateway("[outbound]\nauthenticated = true\n", trust=trust)
    with send(found_gateway, mail(to=(a, b, c)), a, b, c) as outcomes:
        found = by_address(outcomes)
        assert found[a] is found[c]
        assert found[a] is not found[b]
        assert ciphers(outcomes)[a] == "aes-256-gcm"
        assert ciphers(outcomes)[b] == "chacha20-poly1305"


def test_minimum_algorithms_are_kept() -> None:
    a, b = "a@x.example", "b@x.example"
    trust = crowd((a, AES256_GCM), (b, AES256_CBC))
    rules = MUST + "[outbound]\nauthenticated = true\n"
    with send(gateway(rules, trust=trust), mail(to=(a, b)), a, b) as outcomes:
        found = by_address(outcomes)
        assert layers(message_of(found[a]))[0].authenticated
        assert isinstance(found[b], Reject)
    made = planned(gateway(rules, trust=trust), mail(to=(b,)), b)
    assert "aes-256-cbc" in str(made.parts[0].unused[0].reasons)


@pytest.mark.parametrize(
    ("rules", "kind"),
    [
        (MUST, Reject),
        (MUST + '[outbound]\nimpossible = "send_clear"\n', Reject),
        ('[outbound]\nimpossible = "bounce"\n', Reject),
        ('[outbound]\nimpossible = "hold"\n', Hold),
        ("", Deliver),
    ],
)
def test_who_announces_weak_ciphers_only_is_a_case_for_the_rules(
    rules: str, kind: type[Outcome]
) -> None:
    """RFC 8551, 2.7.1: weak encryption is not acceptable, whatever somebody announces. The other
    recipient's mail is encrypted all the same.
    """
    old, new = "old@x.example", "new@x.example"
    trust = crowd((old, DES_EDE3_CBC), (new, AES256_GCM))
    message = mail(to=(old, new))
    with send(gateway(rules, trust=trust), message, old, new) as outcomes:
        found = by_address(outcomes)
        assert isinstance(found[old], kind)
        if isinstance(found[old], Deliver):
            assert message_of(found[old]) == message
        assert layers(message_of(found[new]))[0].algorithm == "aes-256-gcm"
    made = planned(gateway(rules, trust=trust), message, old)
    assert "des-ede3-cbc" in str(made.parts[0].unused[0].reasons)


def test_short_keys_are_not_encrypted_to() -> None:
    here = world()
    store = MemoryTrustStore()
    short = here.ca.person(DAVE, key="rsa-2048")
    for each in (*here.ca.chain, short.certificate):
        store.put(each, Source("upload"), at=here.at)
    trust = Trust(store, anchors=here.trust.anchors)
    with send(gateway(MUST, trust=trust), mail(to=(DAVE,)), DAVE) as outcomes:
        assert opens(message_of(only(outcomes)), short)
    strict = gateway(MUST + "[outbound]\nrsa_bits = 3072", trust=trust)
    with send(strict, mail(to=(DAVE,)), DAVE) as outcomes:
        assert isinstance(only(outcomes), Reject)


def test_the_archive_can_read_and_is_named_in_the_audit() -> None:
    heard: list[Entry] = []

    class Audit(Events):
        def outcome(self, entry: Entry, /) -> None:
            heard.append(entry)

    rules = f'[outbound]\narchive = "{ARCHIVE}"\n'
    found = gateway(rules, events=Audit())
    with send(found, mail(to=(BOB,)), BOB, TWICE) as outcomes:
        for one in outcomes.outcomes:
            assert ARCHIVE in encrypted_to(message_of(one))
            assert isinstance(one, Deliver)
            assert any(ARCHIVE in note for note in one.notes)
            assert ARCHIVE not in {each.address for each in one.recipients}
    [entry] = heard
    archived = [use for use in entry.certificates if use.role is CertificateRole.ARCHIVE]
    fingerprint = world().people[ARCHIVE][0].certificate.fingerprint
    assert {use.fingerprint for use in archived} == {fingerprint}
    assert entry.message_id == "<1@example.org>"


def test_an_archive_without_a_certificate_delays_the_mail() -> None:
    rules = '[outbound]\narchive = "nobody@example.org"\n'
    with send(gateway(rules), mail(to=(BOB,)), BOB) as outcomes:
        found = only(outcomes)
        assert isinstance(found, Defer)
        assert found.enhanced == "4.3.5"


def test_a_certificate_that_proves_useless_is_left_out() -> None:
    """An X25519 key of low order passes every check but the last: nobody can agree with it."""
    here = world()
    useless = here.people[TWICE][0].certificate.fingerprint
    found = gateway(MUST)
    with Useless(useless), send(found, mail(to=(TWICE,)), TWICE) as outcomes:
        sent = message_of(only(outcomes))
    assert [opens(sent, one) for one in here.people[TWICE]] == [False, True]


def test_where_all_prove_useless_must_is_not_sent() -> None:
    useless = world().people[BOB][0].certificate.fingerprint
    with Useless(useless):
        with send(gateway(MUST), mail(to=(BOB, CAROL)), BOB, CAROL) as outcomes:
            found = by_address(outcomes)
            assert isinstance(found[BOB], Reject)
            assert encrypted_to(message_of(found[CAROL])) == {CAROL}
        with send(gateway(), mail(to=(BOB,)), BOB) as outcomes:
            assert TEXT in message_of(only(outcomes))


class Useless:
    """Certificates for which no key can be wrapped, as is seen only when it is tried."""

    def __init__(self, *fingerprints: str) -> None:
        self.fingerprints = fingerprints
        self.patch = pytest.MonkeyPatch()

    def __enter__(self) -> None:
        wrap = smimekit.keys.CertificateRecipient.wrap
        fingerprints = self.fingerprints

        def refusing(recipient: Any, key: Any) -> Any:
            if recipient.certificate.fingerprint in fingerprints:
                raise smimekit.CertificateError("The key cannot be used.")
            return wrap(recipient, key)

        self.patch.setattr(smimekit.keys.CertificateRecipient, "wrap", refusing)

    def __exit__(self, *_: object) -> None:
        self.patch.undo()


# --- signatures -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "subject", "to", "signed"),
    [
        ("on_request", "x", DAVE, False),
        ("on_request", "[sign] x", DAVE, True),
        ("always", "x", DAVE, True),
        ("always", "[plain] x", DAVE, True),
        ("always", "x", BOB, True),
        ("when_encrypted", "x", DAVE, False),
        ("when_encrypted", "x", BOB, True),
        ("when_encrypted", "[plain] x", BOB, False),
        ("when_encrypted", "[sign] x", DAVE, True),
        ("never", "x", BOB, False),
    ],
)
def test_mail_is_signed_as_the_rules_have_it(
    rule: str, subject: str, to: str, signed: bool
) -> None:
    with send(
        gateway(f'[outbound]\nsign = "{rule}"\n'), mail(to=(to,), subject=subject), to
    ) as outcomes:
        assert signers(message_of(only(outcomes))) == ([ALICE] if signed else [])


def test_a_signature_is_good_and_inside_the_encryption() -> None:
    here = world()
    with send(gateway(ALWAYS), mail(to=(BOB,)), BOB) as outcomes:
        sent = message_of(only(outcomes))
    text = smimekit.verify(sent, here.trust, keys=here.people[BOB], at=here.at).bytes()
    assert TEXT in text
    assert isinstance(layers(sent, *here.people[BOB])[0], Encrypted)


@pytest.mark.parametrize(("chain", "number"), [("leaf", 1), ("without-root", 2), ("with-root", 3)])
def test_the_chain_goes_out_as_configured(chain: str, number: int) -> None:
    rules = f'{ALWAYS}chain = "{chain}"\n'
    with send(gateway(rules), mail(to=(DAVE,)), DAVE) as outcomes:
        [layer] = layers(message_of(only(outcomes)))
    assert len(layer.certificates) == number


def bare(*siblings: str) -> Credential:
    """Alice's key, as a file without any chain has it; `siblings` as further pairs of hers."""
    own, *others = (world().people[each][0] for each in (ALICE, *siblings))
    pairs = tuple(Credential(each.key, each.certificate) for each in others)
    return Credential(own.key, own.certificate, siblings=pairs)


@pytest.mark.parametrize(("chain", "number"), [("leaf", 1), ("without-root", 2), ("with-root", 3)])
def test_a_chain_that_the_key_file_lacks_comes_from_the_store(chain: str, number: int) -> None:
    rules, here = f'{ALWAYS}chain = "{chain}"\n', world()
    keys = KeyRing(bare())
    for _ in range(2):
        with send(gateway(rules, keys=keys), mail(to=(DAVE,)), DAVE) as outcomes:
            sent = message_of(only(outcomes))
        [layer] = layers(sent)
        assert len(layer.certificates) == number
    if chain != "leaf":
        anchors = Trust(MemoryTrustStore(), anchors=[here.trust.anchors[0]])
        assert smimekit.verify(sent, anchors, at=here.at).signatures
    elsewhere = Trust(MemoryTrustStore())
    with send(gateway(rules, keys=keys, trust=elsewhere), mail(to=(DAVE,)), DAVE) as outcomes:
        [layer] = layers(message_of(only(outcomes)))
    assert len(layer.certificates) == 1


def test_what_a_chain_lacks_is_looked_for_once() -> None:
    """And what a credential keeps for its signatures is kept."""
    here, found = world(), bare(INSIDER)
    whole = completed(found, here.trust, at=here.at)
    assert [len(each.chain) for each in whole.all] == [2, 2]
    assert whole.certificate == found.certificate
    assert completed(found, here.trust, at=here.at) is whole
    assert completed(found, Trust(MemoryTrustStore()), at=here.at) is found
    rooted = replace(found, chain=(here.ca.certificate, *here.trust.anchors))
    assert completed(rooted, here.trust, at=here.at) is not rooted, "its sibling lacks the chain"
    alone = replace(rooted, siblings=())
    assert completed(alone, here.trust, at=here.at) is alone


def test_without_an_answer_of_the_store_a_chain_waits() -> None:
    class Away(MemoryTrustStore):
        def records(self, query: object) -> Any:
            raise smimekit.StoreError("The store is away.")

    trust = Trust(Away(), anchors=world().trust.anchors)
    found = gateway(ALWAYS + 'encrypt = "never"\n', trust=trust, keys=KeyRing(bare()))
    with send(found, mail(to=(DAVE,)), DAVE) as outcomes:
        assert isinstance(only(outcomes), Defer)


def test_an_opaque_signature_on_request() -> None:
    with send(gateway(f"{ALWAYS}opaque = true\n"), mail(to=(DAVE,)), DAVE) as outcomes:
        sent = message_of(only(outcomes))
    assert b"smime-type=signed-data" in sent
    assert signers(sent) == [ALICE]


def test_tags_are_gone_before_the_signature_and_all_else_is_as_it_was() -> None:
    message = mail("X-Smimekit-Sign: yes", to=(DAVE,), subject="[sign] Hello")
    with send(gateway(), message, DAVE) as outcomes:
        sent = message_of(only(outcomes))
    parsed = email.message_from_bytes(sent, policy=email.policy.default)
    assert parsed["Subject"] == "Hello"
    assert b"[sign]" not in sent
    assert b"X-Smimekit" not in sent
    clear = mail("X-Smimekit-Plain: yes", to=(BOB,), subject="[plain] Hello")
    with send(gateway(), clear, BOB) as outcomes:
        assert message_of(only(outcomes)) == mail(to=(BOB,), subject="Hello")


@pytest.mark.parametrize(
    ("user", "author"),
    [(None, ALICE), (MALLORY, ALICE), (ALICE, MALLORY), (ALICE, "x@elsewhere.example")],
)
def test_tags_of_others_do_not_count_and_stay(user: str | None, author: str) -> None:
    message = mail(f"From: {author}", to=(DAVE,), subject="[sign] Hello")
    found = gateway()
    assert not planned(found, message, DAVE, user=user).honoured
    with send(found, message, DAVE, user=user) as outcomes:
        assert message_of(only(outcomes)) == message


@pytest.mark.parametrize("user", [None, MALLORY])
def test_twins_of_others_do_not_count_and_go_nowhere(user: str | None) -> None:
    message = mail("X-Smimekit-Sign: yes", "X-Smimekit-Plain: yes", to=(DAVE,))
    with send(gateway(), message, DAVE, user=user) as outcomes:
        assert message_of(only(outcomes)) == mail(to=(DAVE,))
    stranger = "From: x@elsewhere.example"
    foreign = mail("X-Smimekit-Plain: yes", stranger, to=(DAVE,))
    with send(gateway(), foreign, DAVE, user=None, mail_from="x@elsewhere.example") as outcomes:
        assert message_of(only(outcomes)) == foreign


def test_plain_of_others_does_not_count() -> None:
    message = mail(to=(BOB,), subject="[plain] Hello")
    with send(gateway(), message, BOB, user=MALLORY) as outcomes:
        assert encrypted_to(message_of(only(outcomes))) == {BOB}


def test_plain_never_overrides_must() -> None:
    for subject in ("[plain] x", "[plain] [encrypt] x"):
        with send(gateway(MUST), mail(to=(BOB,), subject=subject), BOB) as outcomes:
            assert encrypted_to(message_of(only(outcomes))) == {BOB}


def test_plain_is_honoured_where_the_rules_leave_a_choice() -> None:
    with send(gateway(), mail(to=(BOB,), subject="[plain] x"), BOB) as outcomes:
        assert message_of(only(outcomes)) == mail(to=(BOB,), subject="x")


@pytest.mark.parametrize("rules", ["", NO_CRYPTO])
def test_encrypt_on_request_is_never_sent_in_clear_text(rules: str) -> None:
    to = BOB if rules else DAVE
    with send(gateway(rules), mail(to=(to,), subject="[encrypt] x"), to) as outcomes:
        found = only(outcomes)
        assert isinstance(found, Reject)
        assert found.enhanced == "5.7.10"


def test_a_tag_behind_re_asks_for_nothing() -> None:
    message = mail(to=(BOB,), subject="Re: [plain] x")
    with send(gateway(), message, BOB) as outcomes:
        assert encrypted_to(message_of(only(outcomes))) == {BOB}


@pytest.mark.parametrize("rules", [ALWAYS, ""])
def test_without_a_key_mail_is_refused(rules: str) -> None:
    found = gateway(rules, keys=KeyRing())
    with send(found, mail(to=(DAVE,), subject="x" if rules else "[sign] x"), DAVE) as outcomes:
        refused = only(outcomes)
        assert isinstance(refused, Reject)
        assert refused.code == 550
        assert f"There is no key for {ALICE}" in refused.text
        assert outcomes.notices == ()


def test_without_a_key_mail_is_sent_with_a_notice_where_the_rules_say_so() -> None:
    found = gateway(f'{ALWAYS}no_key = "send"\n', keys=KeyRing())
    message = mail(to=(DAVE,))
    with send(found, message, DAVE, CAROL) as outcomes:
        assert message_of(by_address(outcomes)[DAVE]) == message
        assert encrypted_to(message_of(by_address(outcomes)[CAROL])) == {CAROL}
        [notice] = outcomes.notices
        told = notice.message.bytes()
    assert notice.mail_from == ""
    assert [each.address for each in notice.recipients] == [ALICE]
    assert b"Auto-Submitted: auto-replied\r\n" in told
    assert b"In-Reply-To: <1@example.org>\r\n" in told
    assert b"Message-ID: <" in told
    assert DAVE.encode() in told
    assert CAROL.encode() in told
    assert TEXT not in told
    assert b"Hello" not in told


@pytest.mark.parametrize(
    ("mail_from", "field"),
    [("", "X: y"), (ALICE, "Auto-Submitted: auto-generated"), ("a\r\nX: y@example.org", "X: y")],
)
def test_notices_go_to_people_only(mail_from: str, field: str) -> None:
    """RFC 3834, 2: nothing is answered that no person sent; and no address writes a header."""
    found = gateway(f'{ALWAYS}no_key = "send"\n[special]\ndsn = "treat"\n', keys=KeyRing())
    with send(found, mail(field, to=(DAVE,)), DAVE, mail_from=mail_from) as outcomes:
        assert isinstance(only(outcomes), Deliver)
        assert outcomes.notices == ()


def test_who_may_not_sign_as_from_does_not() -> None:
    """The key is there, and another login does not get it."""
    message = mail(to=(DAVE,))
    with send(gateway(ALWAYS), message, DAVE, user=MALLORY) as outcomes:
        refused = only(outcomes)
        assert isinstance(refused, Reject)
        assert "may not sign as" in refused.text
    login = f'[sender_login]\nmal = "{ALICE}"\n'
    with send(gateway(ALWAYS + login), message, DAVE, user="mal") as outcomes:
        assert signers(message_of(only(outcomes))) == [ALICE]


def test_clients_without_login_are_never_signed_for() -> None:
    rules = rules_of(ALWAYS)
    rules = replace(rules, inside_networks=(ip_network("192.0.2.0/24"),))
    message = mail(to=(DAVE,))
    sent = envelope(DAVE, user=None, client="192.0.2.7")
    with gateway(rules).process(sent, Span.of(message), at=world().at) as outcomes:
        assert message_of(only(outcomes)) == message


def test_of_several_senders_nobody_signs() -> None:
    message = mail(f"From: {ALICE}, {INSIDER}", to=(DAVE,))
    with send(gateway(ALWAYS), message, DAVE) as outcomes:
        assert "just one sender" in only(outcomes).text


# --- mail of special kinds -----------------------------------------------------------------------------------


def signed_by_alice() -> bytes:
    return smimekit.sign(mail(to=(BOB, DAVE)), world().people[ALICE][0], at=world().at)


def test_protected_mail_is_left_as_it_is() -> None:
    signed = signed_by_alice()
    sealed = smimekit.encrypt(mail(to=(BOB,)), [world().people[BOB][0].certificate])
    for message in (signed, sealed):
        with send(gateway(ALWAYS), message, BOB) as outcomes:
            assert message_of(only(outcomes)) == message


def test_no_mail_is_signed_or_encrypted_twice() -> None:
    treat = '[special]\nprotected = "treat"\n'
    with send(gateway(ALWAYS + treat), signed_by_alice(), BOB) as outcomes:
        found = layers(message_of(only(outcomes)), *world().people[BOB])
        assert [type(one) for one in found] == [Encrypted, Signed]
    sealed = smimekit.encrypt(mail(to=(BOB,)), [world().people[BOB][0].certificate])
    with send(gateway(ALWAYS + MUST + treat), sealed, BOB) as outcomes:
        assert message_of(only(outcomes)) == sealed


def test_what_is_only_signed_must_still_be_encrypted() -> None:
    """And its signature is still good then: not an octet of it was touched."""
    here = world()
    with send(gateway(MUST), signed_by_alice(), BOB, DAVE) as outcomes:
        found = by_address(outcomes)
        sent = message_of(found[BOB])
        assert isinstance(found[DAVE], Reject)
    assert TEXT in smimekit.verify(sent, here.trust, keys=here.people[BOB], at=here.at).bytes()


@pytest.mark.parametrize(
    "lie",
    [
        lambda sealed: sealed.split(b"\r\n\r\n")[0] + b"\r\n\r\n" + TEXT,
        lambda sealed: sealed[: len(sealed) // 2],
        lambda sealed: sealed.replace(b"enveloped-data", b"signed-data")[:400],
    ],
)
def test_what_only_says_that_it_is_encrypted_is_not_let_through(lie: Any) -> None:
    sealed = smimekit.encrypt(mail(to=(DAVE,)), [world().people[BOB][0].certificate])
    with send(gateway(MUST), sealed, DAVE) as outcomes:
        assert message_of(only(outcomes)) == sealed
    with send(gateway(MUST), lie(sealed), DAVE) as outcomes:
        found = only(outcomes)
        assert isinstance(found, Reject)
        assert found.enhanced == "5.7.10"


SPECIAL = {
    "calendar": (
        "Content-Type: text/calendar",
        "Content-Type: multipart/mixed; boundary=b",
    ),
    "auto_submitted": ("Auto-Submitted: auto-generated", "auto-submitted: AUTO-REPLIED; x=y"),
    "dsn": ('Content-Type: multipart/report; boundary="b"',),
}


def special(kind: str, field: str, to: str) -> bytes:
    message = mail(field, to=(to,))
    if "boundary" in field:
        part = b"--b\r\nContent-Type: text/calendar\r\n\r\n" + TEXT + b"\r\n--b--\r\n"
        message = message.replace(TEXT + b"\r\n", part)
    return message


@pytest.mark.parametrize(("kind", "field"), [(k, f) for k, fs in SPECIAL.items() for f in fs])
def test_special_mail_is_left_or_treated_by_rule_and_must_holds(kind: str, field: str) -> None:
    message = special(kind, field, BOB)
    left, treated = (f'[special]\n{kind} = "{how}"\n' for how in ("leave", "treat"))
    with send(gateway(left), message, BOB) as outcomes:
        assert message_of(only(outcomes)) == message
    with send(gateway(treated), message, BOB) as outcomes:
        assert encrypted_to(message_of(only(outcomes))) == {BOB}
    with send(gateway(left + MUST), message, BOB) as outcomes:
        assert encrypted_to(message_of(only(outcomes))) == {BOB}
    with send(gateway(left + MUST), special(kind, field, DAVE), DAVE) as outcomes:
        assert isinstance(only(outcomes), Reject)


def test_auto_submitted_no_is_a_person() -> None:
    """RFC 3834, 5."""
    message = mail("Auto-Submitted: no", to=(BOB,))
    with send(gateway('[special]\nauto_submitted = "leave"'), message, BOB) as outcomes:
        assert encrypted_to(message_of(only(outcomes))) == {BOB}


def test_the_null_reverse_path_is_a_report() -> None:
    message = mail(to=(BOB,))
    with send(gateway(), message, BOB, mail_from="") as outcomes:
        assert message_of(only(outcomes)) == message


# --- directions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("author", "user", "client", "to", "actions"),
    [
        ("x@elsewhere.example", None, "", INSIDER, [Action.INBOUND]),
        (ALICE, None, "", INSIDER, [Action.INBOUND]),
        (ALICE, None, "198.51.100.7", INSIDER, [Action.INBOUND]),
        ("x@elsewhere.example", None, "192.0.2.7", INSIDER, [Action.INBOUND]),
        ("x@elsewhere.example", ALICE, "", INSIDER, [Action.INBOUND]),
        (ALICE, ALICE, "", INSIDER, [Action.DELIVER]),
        (ALICE, None, "192.0.2.7", INSIDER, [Action.DELIVER]),
        (ALICE, None, "192.0.2.7", BOB, [Action.PROTECT]),
    ],
)
def test_only_ours_submit_and_all_else_for_inside_comes_in(
    author: str, user: str | None, client: str, to: str, actions: list[Action]
) -> None:
    rules = replace(rules_of(""), inside_networks=(ip_network("192.0.2.0/24"),))
    sent = envelope(to, mail_from=author, user=user, client=client)
    message = mail(f"From: {author}", to=(to,))
    made = gateway(rules).plan(sent, Span.of(message), at=world().at)
    assert [part.action for part in made.parts] == actions
    assert made.submission is (actions != [Action.INBOUND])


# --- inside -----------------------------------------------------------------------------------------------------


def test_internal_mail_stays_as_it_is() -> None:
    message = mail(to=(INSIDER,))
    with send(
        gateway(MUST + '[inside]\nsign = "always"'.replace("[inside]\n", "[outbound]\n")),
        message,
        INSIDER,
    ) as outcomes:
        assert message_of(only(outcomes)) == message


FORGED = (
    "Authentication-Results: mx.example.org; smime=pass",
    "X-Smimekit-Signer-1-1: ian@example.org",
)
SITE = '[gateway]\nname = "mx.example.org"\n'


@pytest.mark.parametrize("tag", ["", "[sign] "])
def test_nobody_inside_forges_our_results(tag: str) -> None:
    message = mail(*FORGED, "X-Mine: 1", to=(INSIDER,), subject=f"{tag}Hello")
    with send(gateway(SITE), message, INSIDER) as outcomes:
        sent = message_of(only(outcomes))
    assert b"X-Mine: 1\r\n" in sent
    assert b"smime=pass" not in sent
    assert b"X-Smimekit" not in sent


def test_nobody_inside_forges_results_in_a_header_that_no_strict_reader_takes() -> None:
    message = b"no field\r\n" + "\r\n".join(FORGED).encode() + b"\r\n\r\n" + TEXT
    with send(gateway(SITE), message, INSIDER) as outcomes:
        assert message_of(only(outcomes)) == b"no field\r\n\r\n" + TEXT


def test_internal_mail_whose_header_is_too_long_to_be_searched_is_refused() -> None:
    limits = replace(Policy.INTEROP.limits, header_bytes=100)
    found = gateway(SITE, policy=replace(Policy.INTEROP, limits=limits))
    with send(found, mail("X: " + "a" * 200, to=(INSIDER,)), INSIDER) as outcomes:
        assert isinstance(only(outcomes), Reject)


def test_mail_of_strangers_to_strangers_keeps_what_it_says() -> None:
    message = mail(*FORGED, "From: x@elsewhere.example", to=(DAVE,))
    sender = "x@elsewhere.example"
    with send(gateway(SITE), message, DAVE, mail_from=sender, user=None) as outcomes:
        assert message_of(only(outcomes)) == message


def test_internal_mail_is_signed_on_request() -> None:
    with send(gateway(), mail(to=(INSIDER,), subject="[sign] x"), INSIDER, "ian") as outcomes:
        for one in outcomes.outcomes:
            assert signers(message_of(one)) == [ALICE]


def test_internal_mail_is_treated_where_the_rules_say_so() -> None:
    rules = replace(rules_of(""), internal=smimekit.gateway.rules.Internal.BY_RULE)
    with send(gateway(rules), mail(to=(INSIDER,)), INSIDER) as outcomes:
        assert encrypted_to(message_of(only(outcomes))) == {INSIDER}


@pytest.mark.parametrize("sender", ["mail_from", "author"])
def test_a_rule_for_a_pair_counts_for_internal_mail(sender: str) -> None:
    rules = f'[[partner]]\nsender = "{ALICE}"\nrecipient = "{INSIDER}"\nencrypt = "must"\n'
    other = "other@example.org"
    author, mail_from = (other, ALICE) if sender == "mail_from" else (ALICE, other)
    message = mail(f"From: {author}", to=(INSIDER,))
    with send(gateway(rules), message, INSIDER, mail_from=mail_from) as outcomes:
        assert encrypted_to(message_of(only(outcomes))) == {INSIDER}


# --- authors whom nobody can name for sure -----------------------------------------------------------------------

ALICES = f'[address."{ALICE}"]\nencrypt = "must"\n'
STRANGER = "x@elsewhere.example"


def raw_mail(head: bytes) -> bytes:
    return head + b"\r\nTo: dave@nowhere.example\r\nSubject: Hello\r\n\r\n" + TEXT


@pytest.mark.parametrize(
    "head",
    [
        b"From: alice@example.org (",
        b"From: Alice <alice@example.org",
        b'From: "Alice <alice@example.org>',
        b"From: alice@example.org x@elsewhere.example",
        b"From: x@elsewhere.example@example.org, alice@example.org@x",
        b"From: <alice @ example . org> <",
        b'From: "alice"@example.org, <',
        b"From: al\\ice@example.org, <",
        b"From: alice(a)@example.org, <",
        b"From: ALICE@Example.ORG., <",
        b"From: 'alice@example.org' <",
        b"From: alice@exam\xc2\xadple.org <",
        b"From: alice\x00@example.org",
        b"From: =?utf-8?q?alice=40example.org?= <",
        b"From: alice=?utf-8?b?QA==?=example.org <",
        b"From: alice@example.org\r\nFrom: x@elsewhere.example",
        b"From: x@elsewhere.example\r\nFrom: alice@example.org",
        b"From: x@elsewhere.example\r\nfROM :\r\n alice@example.org",
        b"no field\r\nFrom: alice@example.org",
        b"Sender: alice@example.org",
        b"From: <>\r\nSender: alice@example.org",
        b"X: y\rFrom: alice@example.org\r\nFrom: x@elsewhere.example",
        b"From: x@elsewhere.example\r\nX: y\r From: alice@example.org",
        b"From\r\n : alice@example.org",
        b"From: x@elsewhere.example\r\nX: y\r\x00From: alice@example.org",
        b"From: alice",
        b"From: Alice <alice>",
    ],
)
def test_an_author_whom_only_some_programs_read_is_under_their_rules(head: bytes) -> None:
    """Nobody logged in, and no reverse-path: whose mail it is says From alone."""
    for to in (DAVE, BOB):
        with send(gateway(ALICES), raw_mail(head), to, mail_from="", user=None) as outcomes:
            one = only(outcomes)
            assert isinstance(one, Reject) or encrypted_to(message_of(one)) == {BOB}, head
        with send(gateway(ALICES), raw_mail(head), to, mail_from=STRANGER, user=None) as outcomes:
            one = only(outcomes)
            assert isinstance(one, Reject) or encrypted_to(message_of(one)) == {BOB}, head


@pytest.mark.parametrize(
    "head",
    [
        b"From: MAILER-DAEMON",
        b"From: Mail Delivery System",
        b"From: <>",
        b"From:",
        b"X-No: From",
        b"From: undisclosed:;",
        b"From: mailer-daemon@elsewhere.example (",
        b"no field",
        b"From: a (\r\nFrom: b",
    ],
)
def test_reports_whose_author_is_no_address_pass(head: bytes) -> None:
    """Somebody's `must` is not everybody's: reports of simple programs reach whom they are for."""
    message = raw_mail(head)
    with send(gateway(), message, DAVE, mail_from="", user=None) as outcomes:
        one = only(outcomes)
    plain = gateway(ALICES)
    with send(plain, message, DAVE, mail_from="", user=None) as outcomes:
        again = only(outcomes)
    assert type(again) is type(one)
    if head.count(b"From:") < 2:
        assert isinstance(again, Deliver)
    inwards = raw_mail(b"From: alice@example.org (")
    with send(gateway(ALICES), inwards, INSIDER, mail_from="", user=None) as outcomes:
        assert isinstance(only(outcomes), Deliver)


@pytest.mark.parametrize(
    "head",
    [
        b"From: " + b", ".join(b"a%d@elsewhere.example" % n for n in range(21)) + b" (",
        b"\r\n".join(b"From: x@elsewhere.example (" for _ in range(21)),
        b"From: " + b", ".join(b"a%d@elsewhere.example" % n for n in range(21)),
        b"X: " + b"a" * (1 << 20) + b"\r\nFrom: alice@example.org",
    ],
)
def test_where_more_may_be_the_author_than_are_asked_about_it_goes_nowhere(head: bytes) -> None:
    with send(gateway(ALICES), raw_mail(head), DAVE, mail_from="", user=None) as outcomes:
        one = only(outcomes)
        assert isinstance(one, Reject)
        assert one.enhanced == "5.6.0"


def test_searching_for_authors_takes_time_in_proportion() -> None:
    """A header that is as large as may be, of nothing but what is looked for."""
    for piece in (b"\rFrom: ", b"(", b'"', b"@", b" . ", b"=?utf-8?q?", b"\r\n ", b"a@"):
        head = b"From: (" + piece * ((1 << 20) // len(piece) - 200)
        begun = time.process_time()
        with send(gateway(ALICES), raw_mail(head), DAVE, mail_from="", user=None) as outcomes:
            assert len(outcomes.outcomes) == 1
        assert time.process_time() - begun < 10


def test_nobody_signs_for_an_author_whom_only_some_programs_read() -> None:
    message = raw_mail(b"From: alice@example.org (").replace(b"Hello", b"[sign] Hello")
    with send(gateway(), message, DAVE) as outcomes:
        assert signers(message_of(only(outcomes))) == []


# --- broken mail --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        mail(f"From: {ALICE}\r\nFrom: {MALLORY}", to=(BOB,)),
        b"From: alice@example.org\r\nno field\r\n\r\n" + TEXT,
    ],
)
def test_a_header_that_programs_read_differently_is_refused(message: bytes) -> None:
    """What its author asks for cannot be known: perhaps that it does not leave in clear text."""
    for to in (BOB, DAVE):
        with send(gateway(), message, to) as outcomes:
            found = only(outcomes)
            assert isinstance(found, Reject)
            assert found.enhanced == "5.6.0"


def test_such_mail_stays_inside_and_passes_through_as_it_is() -> None:
    message = b"no field\r\n\r\n" + TEXT
    for to, sender, user in ((INSIDER, ALICE, ALICE), (DAVE, "x@elsewhere.example", None)):
        with send(gateway(), message, to, mail_from=sender, user=user) as outcomes:
            assert message_of(only(outcomes)) == message


def test_what_cannot_be_signed_is_refused_and_said_why() -> None:
    message = mail("Content-Type: multipart/mixed", to=(DAVE,))
    with send(gateway(ALWAYS), message, DAVE) as outcomes:
        found = only(outcomes)
        assert isinstance(found, Reject)
        assert (found.code, found.enhanced) == (550, "5.6.0")
        assert "boundary" in found.text


# --- loops ----------------------------------------------------------------------------------------------------------


def with_secret(**more: Any) -> Rules:
    return replace(rules_of(""), marker_secret=b"0123456789abcdef", **more)


def test_mail_that_goes_round_in_circles_ends() -> None:
    found, message = gateway(with_secret()), mail(to=(DAVE,))
    for _ in range(4):
        with send(found, message, DAVE) as outcomes:
            message = message_of(only(outcomes))
        assert message.count(b"X-Smimekit-Passes") == 1
    for to in ((DAVE, BOB), (INSIDER,)):
        with send(found, message, *to) as outcomes:
            ended = only(outcomes)
            assert isinstance(ended, Reject)
            assert (ended.code, ended.enhanced) == (554, "5.4.6")
            assert len(ended.recipients) == len(to)


def test_mail_that_comes_in_again_and_again_ends_too() -> None:
    found, message = gateway(with_secret()), mail("From: x@elsewhere.example", to=(INSIDER,))
    for _ in range(4):
        with send(found, message, INSIDER, user=None, mail_from="x@elsewhere.example") as outcomes:
            message = message_of(only(outcomes))
    with send(found, message, INSIDER, user=None, mail_from="x@elsewhere.example") as outcomes:
        assert only(outcomes).enhanced == "5.4.6"


@pytest.mark.parametrize(("hops", "ends"), [(100, False), (101, True)])
@pytest.mark.parametrize("to", [DAVE, INSIDER])
def test_a_hundred_servers_are_enough_whoever_they_are(to: str, hops: int, ends: bool) -> None:
    """RFC 5321, 6.3: no marker counts what goes round between gateways that do not know each other.
    Nobody is told of it where the mail is a report.
    """
    received = b"Received: from a by b; Sun, 1 Mar 2026 12:00:00 +0000\r\n" * hops
    for sender in (ALICE, ""):
        with send(gateway(), received + mail(to=(to,)), to, mail_from=sender) as outcomes:
            found = only(outcomes)
        assert isinstance(found, Reject) is ends
        if isinstance(found, Reject):
            assert (found.code, found.enhanced) == (554, "5.4.6")
        assert outcomes.notices == ()


def test_encrypted_mail_that_goes_round_is_not_wrapped_again() -> None:
    found = gateway(replace(with_secret(), everywhere=rules_of(MUST + ALWAYS).outside_settings))
    with send(found, mail(to=(BOB,)), BOB) as outcomes:
        first = message_of(only(outcomes))
    with send(found, first, BOB) as outcomes:
        second = message_of(only(outcomes))
    assert len(layers(second, *world().people[BOB])) == len(layers(first, *world().people[BOB]))
    assert second.partition(b"\r\n\r\n")[2] == first.partition(b"\r\n\r\n")[2]


def test_a_marker_grants_nothing() -> None:
    """Mail that was let through in clear text once must still be encrypted elsewhere."""
    rules = replace(with_secret(), domains={"bank.example": rules_of(MUST).outside_settings})
    found = gateway(rules)
    with send(found, mail(to=(DAVE, CAROL, "x@bank.example")), DAVE) as outcomes:
        marked = message_of(only(outcomes))
    assert b"X-Smimekit-Passes: v=1; passes=1" in marked
    with send(found, marked, CAROL, "x@bank.example") as outcomes:
        again = by_address(outcomes)
        assert encrypted_to(message_of(again[CAROL])) == {CAROL}
        assert isinstance(again["x@bank.example"], Reject)


def test_forged_markers_do_not_go_out() -> None:
    forged = mail("X-Smimekit-Passes: v=1; passes=9; mac=" + "0" * 64, to=(DAVE,))
    with send(gateway(), forged, DAVE) as outcomes:
        assert message_of(only(outcomes)) == mail(to=(DAVE,))


def test_tags_of_mail_that_came_through_before_do_not_count() -> None:
    found = gateway(with_secret())
    with send(found, mail(to=(BOB,)), DAVE) as outcomes:
        marked = message_of(only(outcomes))
    tagged = marked.replace(b"Subject: ", b"Subject: [plain] ")
    with send(found, tagged, BOB) as outcomes:
        assert encrypted_to(message_of(only(outcomes))) == {BOB}


def test_a_direction_that_fails_delays_its_part_of_the_mail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(*_: object, **__: object) -> Results:
        raise smimekit.KeyAccessError("The token is out.")

    monkeypatch.setattr("smimekit.gateway.gateway.inbound", failing)
    with send(gateway(), mail(to=(INSIDER, DAVE)), INSIDER, DAVE, user=None) as outcomes:
        found = by_address(outcomes)
        assert isinstance(found[INSIDER], Defer)
        assert isinstance(found[DAVE], Deliver)


@pytest.mark.parametrize("told", [0, 2])
def test_a_direction_that_forgets_somebody_delays_the_mail(
    monkeypatch: pytest.MonkeyPatch, told: int
) -> None:
    def forgetful(*args: Any, **_: object) -> Results:
        recipients = args[3][:1] * told
        text = Reject(recipients=recipients, code=550, enhanced="5.0.0", text="")
        return Results(outcomes=(text,))

    monkeypatch.setattr("smimekit.gateway.gateway.inbound", forgetful)
    with send(gateway(), mail(to=(INSIDER,)), INSIDER, user=None, mail_from=DAVE) as outcomes:
        found = only(outcomes)
        assert isinstance(found, Defer)
        assert [each.address for each in found.recipients] == [INSIDER]


# --- what fails -----------------------------------------------------------------------------------------------------


class Away(MemoryTrustStore):
    """A store that does not answer."""

    def records(self, query: object) -> Any:
        raise smimekit.StoreError("The store is away.")


@pytest.mark.parametrize("rules", ["", MUST, f'[outbound]\narchive = "{ARCHIVE}"'])
def test_without_an_answer_of_the_store_mail_waits(rules: str) -> None:
    found = gateway(rules, trust=Trust(Away()))
    with send(found, mail(to=(BOB,)), BOB) as outcomes:
        assert isinstance(only(outcomes), Defer)


class Silent:
    """A private key that does not answer."""

    def __init__(self, key: PrivateKey) -> None:
        self.public_key = key.public_key

    def sign(self, data: bytes, scheme: object) -> bytes:
        raise smimekit.KeyAccessError("The token is out.")


def test_without_an_answer_of_the_key_mail_waits() -> None:
    [alice] = world().people[ALICE]
    key: Any = Silent(alice.key)
    ring = KeyRing(Credential(key, alice.certificate, alice.chain))
    for to in (BOB, DAVE):
        with send(gateway(ALWAYS, keys=ring), mail(to=(to,)), to) as outcomes:
            found = only(outcomes)
            assert isinstance(found, Defer)
            assert (found.code, found.enhanced) == (451, "4.3.0")


def test_a_scanner_sees_the_text_before_it_is_encrypted() -> None:
    seen: list[bytes] = []

    class Scanner(Events):
        def before_encrypt(self, scan: Scan, /) -> None:
            seen.append(scan.message.bytes())

    message = mail(to=(BOB,), subject="[sign] x")
    with send(gateway(events=Scanner()), message, BOB) as outcomes:
        assert encrypted_to(message_of(only(outcomes))) == {BOB}
    assert seen == [mail(to=(BOB,), subject="x")]


@pytest.mark.parametrize(
    ("says", "kind"),
    [(Wanted.REJECT, Reject), (Wanted.HOLD, Hold), (Wanted.DEFER, Defer), (None, Defer)],
)
def test_a_scanner_that_objects_is_obeyed(says: Wanted | None, kind: type[Outcome]) -> None:
    """One that fails delays the mail: nothing passes unseen."""

    class Scanner(Events):
        def before_encrypt(self, scan: Scan, /) -> Objection:
            if says is None:
                raise RuntimeError("a fault")
            return Objection(action=says, reason="It holds a virus.", enhanced="5.7.99")

    message = mail(to=(BOB,))
    with send(gateway(events=Scanner()), message, BOB, DAVE) as outcomes:
        found = by_address(outcomes)
        assert isinstance(found[BOB], kind)
        assert message_of(found[DAVE]) == message
        match found[BOB]:
            case Reject(enhanced=enhanced, text=text):
                assert (enhanced, text) == ("5.7.99", "It holds a virus.")
            case Hold(mail=held, reason=reason):
                assert held.message.bytes() == message
                assert reason == "It holds a virus."


def test_mail_that_nobody_could_write_down_waits() -> None:
    class Full(Events):
        def outcome(self, entry: Entry, /) -> None:
            raise OSError("the disk is full")

    with send(gateway(events=Full()), mail(to=(DAVE,)), DAVE, BOB) as outcomes:
        found = only(outcomes)
        assert isinstance(found, Defer)
        assert len(found.recipients) == 2


# --- portals ---------------------------------------------------------------------------------------------------------

CALLBACK = f'{MUST}impossible = "callback"\n'


def test_a_portal_takes_what_cannot_be_encrypted() -> None:
    taken: list[tuple[bytes, str]] = []

    def portal(mail: Mail, why: str, closing: ExitStack) -> Outcome:
        taken.append((mail.message.bytes(), why))
        link = Span.of(b"Subject: A message waits for you\r\n\r\nhttps://portal.example/1\r\n")
        return Deliver(mail=replace(mail, message=link))

    message = mail(to=(DAVE,))
    with send(gateway(CALLBACK, portal=portal), message, DAVE) as outcomes:
        assert message_of(only(outcomes)).startswith(b"Subject: A message waits")
    assert taken == [(message, f"There is no usable certificate for {DAVE}.")]


@pytest.mark.parametrize("how", ["same", "copy", "others", "fails"])
def test_a_portal_that_does_not_do_its_work_delays_the_mail(how: str) -> None:
    def portal(mail: Mail, why: str, closing: ExitStack) -> Outcome:
        match how:
            case "same":
                return Deliver(mail=mail)
            case "copy":
                return Deliver(mail=replace(mail, message=Span.of(mail.message.bytes())))
            case "others":
                return Reject(recipients=(), code=550, enhanced="5.0.0", text="")
        raise RuntimeError("a fault")

    with send(gateway(CALLBACK, portal=portal), mail(to=(DAVE,)), DAVE) as outcomes:
        assert isinstance(only(outcomes), Defer)


# --- threads, and changing rules ------------------------------------------------------------------------------------


def test_changed_rules_count_from_the_next_message_on() -> None:
    class Changing:
        rules = rules_of("")

    source = Changing()
    here = world()
    found = Gateway(rules=source, trust=here.trust, keys=here.keys)
    assert isinstance(only(send(found, mail(to=(DAVE,)), DAVE)), Deliver)
    source.rules = rules_of(MUST)
    assert isinstance(only(send(found, mail(to=(DAVE,)), DAVE)), Reject)


def test_one_gateway_serves_several_threads() -> None:
    found = gateway(ALWAYS)
    results: list[set[str]] = []

    def work(to: str) -> None:
        for _ in range(5):
            with send(found, mail(to=(to,)), to) as outcomes:
                results.append(encrypted_to(message_of(only(outcomes))) ^ {to})

    threads = [threading.Thread(target=work, args=(to,)) for to in (BOB, CAROL, TWICE)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert results == [set()] * 15


def test_closed_outcomes_are_forgotten() -> None:
    with send(gateway(), mail(to=(BOB,)), BOB) as outcomes:
        message = only(outcomes).mail.message
    with pytest.raises(UsageError, match="closed"):
        message.bytes()
