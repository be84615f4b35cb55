"""Who is inside, who may sign as whom, and which level of the rules wins."""

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit.gateway.rules import (
    Encrypt,
    Impossible,
    Internal,
    Partner,
    Rules,
    Settings,
    Sign,
)

MUST, MAYBE, NEVER = (Settings(encrypt=each) for each in Encrypt)
IN, OUT = "alice@example.org", "bob@a.partner.example"
OURS = ("example.org",)


def test_a_domain_without_end_takes_no_time() -> None:
    """Each label would be a pattern of its own: half a million of them fit into a header."""
    rules = Rules(inside_domains=("*.example.org",), domains={"*": MUST})
    endless = f"a@{'a.' * 200_000}example.org"
    assert not rules.inside(endless)
    assert rules.treatment(IN, endless).encrypt is Encrypt.MUST
    assert rules.inside(f"a@{'a.' * 120}example.org")


# --- who is inside --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domain", "address", "inside"),
    [
        ("example.org", "a@example.org", True),
        ("example.org", "a@EXAMPLE.Org", True),
        ("Example.ORG", "a@example.org", True),
        ("example.org", "a@example.org.", True),
        ("example.org", "a@sub.example.org", False),
        ("example.org", "a@notexample.org", False),
        ("*.example.org", "a@sub.example.org", True),
        ("*.example.org", "a@b.c.example.org", True),
        ("*.example.org", "a@example.org", False),
        ("*.example.org", "a@badexample.org", False),
        ("m\u00fcller.example", "a@xn--mller-kva.example", True),
        ("xn--mller-kva.example", "a@M\u00fcller.example", True),
        ("example.org", '"a@x.example"@example.org', True),
        ("example.org", '"a@example.org"@x.example', False),
        ("example.org", "a@\uff45xample.org", True),
        ("example.org", "a@example\u3002org", True),
        ("example.org", "a@example\uff61org", True),
        ("example.org", "a@exam\u00adple.org", True),
        ("example.org", "a@exam\ufe0fple.org", True),
        ("example.org", "a@exampl\u24ba.org", True),
        ("example.org", "a@ex\u0430mple.org", False),
        ("example.org", "a@x.example\uff20example.org", False),
        ("stra\u00dfe.example", "a@STRA\u1e9eE.example", True),
        ("strasse.example", "a@stra\u00dfe.example", False),
        ("example.org", "postmaster", True),
        ("example.org", "", True),
    ],
)
def test_inside_is_a_matter_of_the_domain(domain: str, address: str, inside: bool) -> None:
    assert Rules(inside_domains=(domain,)).inside(address) is inside


@pytest.mark.parametrize(
    ("client", "inside"),
    [
        ("192.0.2.7", True),
        ("192.0.3.7", False),
        ("IPv6:2001:db8::7", True),
        ("2001:db9::7", False),
        ("::ffff:192.0.2.7", True),
        ("::ffff:198.51.100.7", False),
        ("", False),
        ("localhost", False),
        ("192.0.2.7 ", False),
    ],
)
def test_clients_of_inside_networks_submit(client: str, inside: bool) -> None:
    networks = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))
    assert Rules(inside_networks=networks).inside_client(client) is inside


@pytest.mark.parametrize(
    ("user", "address", "may"),
    [
        ("alice", "alice@example.org", True),
        ("ALICE", "Alice@Example.org", True),
        ("alice", "bob@example.org", False),
        ("alice", "sales@sub.example.org", True),
        ("alice", "sales@example.com", True),
        ("alice", "sales@x.example.com", False),
        ("bob@example.org", "bob@example.org", True),
        ("bob@example.org", "BOB@example.org", True),
        ("bob@example.org", "alice@example.org", False),
        ("carol@example.org", "carol@example.org", False),
        ("dave", "anybody@anywhere.example", True),
        ("alice", "alice", False),
        ("", "", False),
        (None, "alice@example.org", False),
    ],
)
def test_a_login_signs_as_its_own_addresses_only(user: str | None, address: str, may: bool) -> None:
    rules = Rules(
        sender_login={
            "alice": ("alice@example.org", "*.example.org", "example.com"),
            "carol@example.org": (),
            "dave": ("*",),
        }
    )
    assert rules.may_sign_as(user, address) is may


@pytest.mark.parametrize(
    ("login", "user", "same"),
    [
        ("sam@example.org", "SAM@Example.org", True),
        ("sam@example.org", "\u017fam@example.org", False),
        ("kim", "\u212aim", False),
        ("strasse", "stra\u00dfe", False),
        ("j\u00f6rg", "j\u00d6rg", False),
        ("j\u00f6rg", "J\u00f6rg", True),
    ],
)
def test_logins_that_only_look_alike_are_others(login: str, user: str, same: bool) -> None:
    rules = Rules(sender_login={login: ("boss@example.org",)})
    assert rules.may_sign_as(user, "boss@example.org") is same


def test_nobody_is_no_login() -> None:
    """Whatever stands in the rules about an empty one."""
    rules = Rules(sender_login={"": ("*",)})
    assert not rules.may_sign_as(None, "alice@example.org")


# --- which level wins -------------------------------------------------------------------------------


def encrypt(rules: Rules, sender: str = IN, recipient: str = OUT) -> Encrypt:
    return rules.treatment(sender, recipient).encrypt


def test_without_rules_mail_is_encrypted_where_it_can_be_and_signed_on_request() -> None:
    found = Rules().treatment(IN, OUT)
    assert (found.encrypt, found.impossible) == (Encrypt.IF_POSSIBLE, Impossible.SEND_CLEAR)
    assert found.sign is Sign.ON_REQUEST
    assert found.split_bcc
    assert found.sources == ()


LADDER: tuple[dict[str, object], ...] = (
    {"everywhere": Settings(sign=Sign.NEVER)},
    {"outside_settings": Settings(sign=Sign.ALWAYS)},
    {"domains": {"*": Settings(sign=Sign.NEVER)}},
    {"domains": {"*.example": Settings(sign=Sign.ALWAYS)}},
    {"domains": {"*.partner.example": Settings(sign=Sign.NEVER)}},
    {"domains": {"a.partner.example": Settings(sign=Sign.ALWAYS)}},
    {"addresses": {"BOB@A.partner.example": Settings(sign=Sign.NEVER)}},
    {"partners": (Partner(recipient="*.example", settings=Settings(sign=Sign.ALWAYS)),)},
)


def climbed(steps: int) -> Rules:
    """Rules with the first steps of the ladder."""
    made: dict[str, object] = {"inside_domains": OURS}
    for step in LADDER[:steps]:
        for name, value in step.items():
            known = made.get(name)
            made[name] = (
                {**known, **value} if isinstance(known, dict) and isinstance(value, dict) else value
            )
    return Rules(**made)  # type: ignore[arg-type]  # as LADDER has them


@pytest.mark.parametrize("steps", range(1, len(LADDER) + 1))
def test_the_nearer_level_wins(steps: int) -> None:
    assert climbed(steps).treatment(IN, OUT).sign is (Sign.NEVER if steps % 2 else Sign.ALWAYS)


@pytest.mark.parametrize("steps", range(1, len(LADDER) + 1))
def test_a_treatment_says_which_level_said_it(steps: int) -> None:
    [(name, where)] = climbed(steps).treatment(IN, OUT).sources
    assert name == "sign"
    assert (
        where
        == (
            "[outbound]",
            "[outside]",
            '[domain."*"]',
            '[domain."*.example"]',
            '[domain."*.partner.example"]',
            '[domain."a.partner.example"]',
            '[address."BOB@A.partner.example"]',
            "[[partner]] 1",
        )[steps - 1]
    )


def test_on_the_same_level_the_recipient_wins() -> None:
    always, never = Settings(sign=Sign.ALWAYS), Settings(sign=Sign.NEVER)
    both = Rules(inside_domains=OURS, addresses={IN: always, OUT: never})
    assert both.treatment(IN, OUT).sign is Sign.NEVER
    swapped = Rules(inside_domains=OURS, addresses={IN: never, OUT: always})
    assert swapped.treatment(IN, OUT).sign is Sign.ALWAYS


def test_the_nearer_level_of_the_sender_beats_a_farther_one_of_the_recipient() -> None:
    rules = Rules(
        addresses={IN: Settings(sign=Sign.NEVER)}, domains={"*.example": Settings(sign=Sign.ALWAYS)}
    )
    assert rules.treatment(IN, OUT).sign is Sign.NEVER


def test_must_of_the_sender_stays_whatever_the_recipient_says() -> None:
    rules = Rules(inside_domains=OURS, inside_settings=MUST, addresses={OUT: NEVER})
    assert encrypt(rules) is Encrypt.MUST


def test_must_of_the_recipient_stays_whatever_the_sender_says() -> None:
    rules = Rules(inside_domains=OURS, outside_settings=MUST, addresses={IN: NEVER})
    assert encrypt(rules) is Encrypt.MUST


def test_a_nearer_level_of_the_same_side_loosens_must() -> None:
    rules = Rules(domains={"*.example": MUST}, addresses={OUT: MAYBE})
    assert encrypt(rules) is Encrypt.IF_POSSIBLE
    assert encrypt(rules, recipient="carol@a.partner.example") is Encrypt.MUST


def test_any_side_loosens_must_of_everywhere() -> None:
    assert encrypt(Rules(everywhere=MUST)) is Encrypt.MUST
    assert encrypt(Rules(everywhere=MUST, addresses={IN: MAYBE})) is Encrypt.IF_POSSIBLE
    assert encrypt(Rules(everywhere=MUST, addresses={OUT: MAYBE})) is Encrypt.IF_POSSIBLE


def test_a_partner_overrides_even_must() -> None:
    partner = Partner(sender="example.org", recipient="*.partner.example", settings=NEVER)
    rules = Rules(outside_settings=MUST, inside_settings=MUST, partners=(partner,))
    assert encrypt(rules) is Encrypt.NEVER
    assert encrypt(rules, sender="x@other.example") is Encrypt.MUST
    assert encrypt(rules, recipient="x@partner.example") is Encrypt.MUST


def test_of_two_partners_the_later_wins() -> None:
    partners = (Partner(sender="*", settings=MUST), Partner(recipient="*", settings=NEVER))
    assert encrypt(Rules(partners=partners)) is Encrypt.NEVER


def test_must_that_is_impossible_is_never_sent_in_clear_text() -> None:
    clear = Settings(impossible=Impossible.SEND_CLEAR)
    rules = Rules(everywhere=clear, addresses={OUT: MUST})
    assert rules.treatment(IN, OUT).impossible is Impossible.BOUNCE
    assert rules.treatment(IN, "x@y.example").impossible is Impossible.SEND_CLEAR


def test_minimums_are_the_highest_of_both_sides() -> None:
    one = Settings(cipher_bits=256, rsa_bits=2048, authenticated=False)
    other = Settings(cipher_bits=128, rsa_bits=4096, authenticated=True)
    for mine, theirs in ((one, other), (other, one)):
        found = Rules(addresses={IN: mine, OUT: theirs}).treatment(IN, OUT)
        assert (found.cipher_bits, found.rsa_bits, found.authenticated) == (256, 4096, True)


def test_archives_of_both_sides_add_up() -> None:
    a, b, c = "a@example.org", "b@example.org", "c@example.org"
    rules = Rules(addresses={IN: Settings(archive=(a, b)), OUT: Settings(archive=(b, c))})
    assert rules.treatment(IN, OUT).archive == (a, b, c)


@given(st.lists(st.sampled_from([MUST, MAYBE, NEVER, Settings()]), min_size=6, max_size=6))
def test_must_survives_all_that_is_not_nearer_on_its_own_side(levels: list[Settings]) -> None:
    """The law of levels, told another way: each side by itself, the last word counts."""
    outside, wide, domain, inside, sender, everywhere = levels
    rules = Rules(
        inside_domains=OURS,
        everywhere=everywhere,
        outside_settings=outside,
        inside_settings=inside,
        domains={"*.example": wide, "a.partner.example": domain},
        addresses={IN: sender},
    )
    recipient_side = [one.encrypt for one in (outside, wide, domain) if one.encrypt]
    sender_side = [one.encrypt for one in (inside, sender) if one.encrypt]
    last = [side[-1] for side in (recipient_side, sender_side) if side]
    if Encrypt.MUST in last or (not last and everywhere is MUST):
        assert encrypt(rules) is Encrypt.MUST
    else:
        assert encrypt(rules) is not Encrypt.MUST


# --- internal mail --------------------------------------------------------------------------------------


def test_internal_mail_passes_unless_the_rules_say_otherwise() -> None:
    colleague = "ian@example.org"
    assert Rules(inside_domains=OURS).passes_inside(IN, colleague)
    assert not Rules(inside_domains=OURS).passes_inside(IN, OUT)
    assert not Rules(inside_domains=OURS).passes_inside(OUT, colleague)
    by_rule = Rules(inside_domains=OURS, internal=Internal.BY_RULE)
    assert not by_rule.passes_inside(IN, colleague)
    pair = Partner(sender=IN, recipient=colleague, settings=MUST)
    named = Rules(inside_domains=OURS, partners=(pair,))
    assert not named.passes_inside(IN, colleague)
    assert named.passes_inside(colleague, IN)


# --- recipients by IP address -----------------------------------------------------------------------

LITERALS = (
    "bob@[192.0.2.1]",
    "bob@[IPv6:2001:db8::1]",
    "bob@192.0.2.1",
    "bob@192.0.2.1.",
    "bob@3221225985",
    "bob@0xC0.0.2.1",
    "bob@\uff11\uff19\uff12.0.2.1",
)


@pytest.mark.parametrize("literal", LITERALS)
@pytest.mark.parametrize(
    "strict",
    [
        {"domains": {"partner.example": MUST}},
        {"domains": {"*.partner.example": MUST, "*": NEVER}},
        {"addresses": {"carol@partner.example": MUST}},
        {"partners": (Partner(sender=IN, recipient="partner.example", settings=MUST),)},
        {"outside_settings": MUST},
        {"domains": {"*": MUST}},
    ],
)
def test_a_recipient_by_ip_address_may_be_any_partners(literal: str, strict: Any) -> None:
    """RFC 5321, 4.1.3: the address of a partner's host is as good as the partner's name."""
    assert Rules(inside_domains=OURS, **strict).treatment(IN, literal).encrypt is Encrypt.MUST


def test_a_partner_that_loosens_others_does_not_loosen_an_ip_address() -> None:
    strict = Partner(sender=IN, recipient="partner.example", settings=MUST)
    loose = Partner(sender=IN, recipient="*", settings=MAYBE)
    rules = Rules(inside_domains=OURS, partners=(loose, strict))
    assert rules.treatment(IN, LITERALS[0]).encrypt is Encrypt.MUST
    assert rules.treatment("other@example.org", LITERALS[0]).encrypt is Encrypt.IF_POSSIBLE


@pytest.mark.parametrize(
    "named",
    [
        {"domains": {"[192.0.2.1]": MAYBE, "partner.example": MUST}},
        {"domains": {"partner.example": MUST}, "addresses": {"bob@[192.0.2.1]": MAYBE}},
    ],
)
def test_an_ip_address_that_the_rules_name_is_under_its_own(named: Any) -> None:
    rules = Rules(inside_domains=OURS, **named)
    silent = Rules(
        inside_domains=OURS, domains={"[192.0.2.1]": Settings(), "partner.example": MUST}
    )
    assert silent.treatment(IN, "bob@[192.0.2.1]").encrypt is Encrypt.MUST
    assert rules.treatment(IN, "bob@[192.0.2.1]").encrypt is Encrypt.IF_POSSIBLE
    assert rules.treatment(IN, "carol@[192.0.2.9]").encrypt is Encrypt.MUST


def test_what_is_strict_of_any_partner_is_strict_of_an_ip_address() -> None:
    rules = Rules(
        inside_domains=OURS,
        domains={
            "a.example": Settings(cipher_bits=256, archive=("x@example.org",)),
            "b.example": Settings(rsa_bits=3072, authenticated=True),
        },
    )
    found = rules.treatment(IN, "bob@[192.0.2.1]")
    assert (found.cipher_bits, found.rsa_bits, found.authenticated) == (256, 3072, True)
    assert found.archive == ("x@example.org",)
    assert found.encrypt is Encrypt.IF_POSSIBLE
    assert rules.treatment(IN, "bob@c.example").rsa_bits == 2048


def test_rules_for_our_own_people_are_not_those_of_an_ip_address() -> None:
    rules = Rules(
        inside_domains=("example.org", "*.example.org"),
        domains={"example.org": MUST, "*.example.org": MUST},
        addresses={IN: MUST},
    )
    assert rules.treatment("x@other.example", "bob@[192.0.2.1]").encrypt is Encrypt.IF_POSSIBLE
    ours = Rules(inside_domains=("[192.0.2.1]",), domains={"partner.example": MUST})
    assert ours.inside("bob@[192.0.2.1]")
    assert ours.treatment(IN, "bob@[192.0.2.1]").encrypt is Encrypt.IF_POSSIBLE


def test_the_numbers_of_an_ip_address_are_no_domains() -> None:
    rules = Rules(inside_domains=("*.2.1", "*.0.2.1]"))
    assert not rules.inside("bob@192.0.2.1")
    assert not rules.inside("bob@[192.0.2.1]")
