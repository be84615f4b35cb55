"""Name constraints on mail addresses (RFC 5280, 4.2.1.10; RFC 9598, 6)."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from smimekit import der
from smimekit.certificate import Certificate
from smimekit.trust import (
    Chain,
    Judgement,
    Status,
    Validity,
)
from tests.trust.certs import Made, ca, logon, person, smtp_utf8
from tests.trust.hostile import ALICE, NO_WARNINGS, ROOT, judge

pytestmark = NO_WARNINGS


def constrained(permitted: list[str] | None, excluded: list[str] | None = None) -> Made:
    def names(texts: list[str] | None) -> list[x509.GeneralName] | None:
        return None if texts is None else [x509.RFC822Name(text) for text in texts]

    extension = x509.NameConstraints(names(permitted), names(excluded))
    return ca("Constrained", ROOT, more=[(extension, True)])


@pytest.mark.parametrize(
    ("permitted", "excluded", "address", "good"),
    [
        (["example.com"], None, "alice@example.com", True),
        (["example.com"], None, "alice@EXAMPLE.com", True),
        (["example.com"], None, "alice@sub.example.com", False),
        (["example.com"], None, "alice@badexample.com", False),
        (["example.com"], None, "alice@example.org", False),
        ([".example.com"], None, "alice@sub.example.com", True),
        ([".example.com"], None, "alice@example.com", False),
        (["alice@example.com"], None, "alice@example.com", True),
        (["alice@example.com"], None, "bob@example.com", False),
        (None, ["example.com"], "alice@example.com", False),
        (None, ["example.com"], "alice@example.com.", False),
        (None, ["alice@example.com"], "Alice@example.com", False),
        (None, ["alice@example.com"], '"alice"@example.com', False),
        (None, ["alice@example.com"], '"Al\\ice"@example.com', False),
        (None, ["alice@example.com"], '"ali ce"@example.com', True),
        (None, ['"alice"@example.com'], "alice@example.com", False),
        (["example.com"], None, '"ali@ce"@example.com', True),
        (None, ["example.com"], "alice@example.org", True),
        (["example.com"], ["example.com"], "alice@example.com", False),
        (["xn--bcher-kva.example"], None, "alice@xn--bcher-kva.example", True),
        (["xn--bcher-kva.example"], None, "alice@XN--BCHER-KVA.example", True),
        (["xn--bcher-kva.example"], None, "alice@buecher.example", False),
        (None, ["xn--bcher-kva.example"], "alice@xn--bcher-kva.example", False),
        (None, ["xn--bcher-kva.example"], "alice@example.com", True),
    ],
)
def test_constraints_on_addresses(
    permitted: list[str] | None, excluded: list[str] | None, address: str, good: bool
) -> None:
    issuer = constrained(permitted, excluded)
    leaf = person(address, issuer)
    found = judge(leaf.certificate, [issuer.certificate])
    assert (found.status is Status.TRUSTED) is good
    assert found.chain is (Chain.ANCHORED if good else Chain.BAD)


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("\u00e4lice@example.com", True),
        ("\u00e4lice@victim.org", False),
        ("\u00e4lice@b\u00fccher.example", False),
        ("\u00e4lice@example.com\x00", False),
    ],
)
def test_constraints_bind_smtp_utf8_mailboxes(address: str, good: bool) -> None:
    """RFC 9598, 6. certvalidator alone would let all of these pass."""
    issuer = constrained(["example.com"])
    names = x509.SubjectAlternativeName([smtp_utf8(address)])
    found = judge(person(address, issuer, names=names).certificate, [issuer.certificate])
    assert (found.status is Status.TRUSTED) is good


@pytest.mark.parametrize(
    "address",
    ["alice@victim.org@example.com", "ali ce@example.com", "alice@victim.org(@example.com",
     "ali\\ce@example.com", "alice@example.com:25"],
)  # fmt: skip
def test_constraints_bind_what_is_no_address(address: str) -> None:
    """RFC 5322, 3.2.3: without quotes nobody can say which mailbox this is."""
    odd = x509.RFC822Name._init_without_validation(address)
    names = x509.SubjectAlternativeName([x509.RFC822Name(ALICE), odd])
    for issuer in (
        constrained([ALICE.partition("@")[2], "example.com"]),
        constrained(None, ["b.c"]),
    ):
        assert (
            judge(person(ALICE, issuer).certificate, [issuer.certificate]).status is Status.TRUSTED
        )
        found = judge(person(ALICE, issuer, names=names).certificate, [issuer.certificate])
        assert found.status is Status.UNTRUSTED


OTHER = x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
RARE = [OTHER, x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))]
Forms = list[x509.GeneralName]


def with_names(limits: x509.NameConstraints, below: bool, *more: x509.GeneralName) -> Judgement:
    """Alice with more names, below a CA with these limits, or an anchor with them."""
    issuer = ca("Constrained", ROOT if below else None, more=[(limits, True)])
    names = x509.SubjectAlternativeName([x509.RFC822Name(ALICE), *more])
    leaf = person(ALICE, issuer, names=names).certificate
    return judge(leaf, [issuer.certificate], ROOT if below else issuer)


@pytest.mark.parametrize(
    "limits", [x509.NameConstraints(RARE, None), x509.NameConstraints(None, RARE)]
)
@pytest.mark.parametrize("below", [True, False])
def test_a_constraint_on_what_nobody_compares_binds_who_has_such_a_name(
    limits: x509.NameConstraints, below: bool
) -> None:
    """RFC 5280, 4.2.1.10: process it, or refuse the certificate in which an instance appears."""
    assert with_names(limits, below).status is Status.TRUSTED
    assert with_names(limits, below, logon("alice@example.com")).status is Status.TRUSTED
    for name in RARE:
        found = with_names(limits, below, name)
        assert found.status is Status.UNTRUSTED
        assert "path.name-constraints" in {one.code for one in found.reasons}


@pytest.mark.parametrize("below", [True, False])
@pytest.mark.parametrize(
    ("permitted", "excluded", "name", "good"),
    [
        ("example.com", None, "alice@example.com", True),
        ("@example.com", None, "Alice@EXAMPLE.com", True),
        ("example.com", None, "alice@victim.org", False),
        ("example.com", None, "alice@sub.example.com", False),
        (".example.com", None, "alice@sub.example.com", True),
        ("example.com", None, "EXAMPLE\\alice", False),
        ("example.com", None, "", False),
        (None, "victim.org", "alice@example.com", True),
        (None, "victim.org", "alice@victim.org", False),
        (None, "victim.org", "alice@victim.org@example.com", False),
    ],
)
def test_constraints_on_logons(
    permitted: str | None, excluded: str | None, name: str, good: bool, below: bool
) -> None:
    """CAs of Windows restrict them beside addresses: people of Intel have such certificates."""
    limits = x509.NameConstraints(*([logon(one)] if one else None for one in (permitted, excluded)))
    assert with_names(limits, below).status is Status.TRUSTED
    assert (with_names(limits, below, logon(name)).status is Status.TRUSTED) is good


def test_a_constraint_on_addresses_is_none_on_logons() -> None:
    limits = x509.NameConstraints([x509.RFC822Name("example.com")], None)
    assert with_names(limits, True, logon("alice@victim.org")).status is Status.TRUSTED


def test_the_anchors_own_constraints_bind() -> None:
    extension = x509.NameConstraints([x509.RFC822Name("example.com")], None)
    anchor = ca("Constrained root", more=[(extension, True)])
    good, bad = person(ALICE, anchor), person("bob@victim.org", anchor)
    assert judge(good.certificate, [], anchor).status is Status.TRUSTED
    assert judge(bad.certificate, [], anchor).status is Status.UNTRUSTED


def test_the_anchors_constraints_of_other_kinds_bind() -> None:
    extension = x509.NameConstraints(None, [x509.DNSName("victim.org")])
    anchor = ca("Constrained root", more=[(extension, True)])
    names = x509.SubjectAlternativeName([x509.RFC822Name(ALICE), x509.DNSName("x.victim.org")])
    assert judge(person(ALICE, anchor).certificate, [], anchor).status is Status.TRUSTED
    bad = person(ALICE, anchor, names=names)
    assert judge(bad.certificate, [], anchor).status is Status.UNTRUSTED


def test_an_extension_that_stands_twice_is_refused() -> None:
    leaf = person("a@b.example", ROOT)
    outer = der.Reader(leaf.der).enter(der.SEQUENCE)
    fields, parts = outer.enter(der.SEQUENCE), []
    while fields.peek != 0xA3:
        parts.append(fields.raw())
    extensions = fields.enter(0xA3).enter(der.SEQUENCE)
    first = extensions.raw()
    doubled = der.explicit(3, der.sequence(first, first, extensions.rest()))
    tbs = der.sequence(*parts, doubled)
    signature = ROOT.key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    changed = Certificate(der.sequence(tbs, outer.raw(), der.bit_string(signature)))
    assert judge(changed, []).validity is Validity.MALFORMED


def test_constraints_bind_the_whole_path_below() -> None:
    issuer = constrained(["example.com"])
    below = ca("Below", issuer)
    extra = [issuer.certificate, below.certificate]
    assert judge(person(ALICE, below).certificate, extra).status is Status.TRUSTED
    assert judge(person("bob@victim.org", below).certificate, extra).status is Status.UNTRUSTED


@pytest.mark.parametrize("domain", ["xn--strae-oqa.example", "xn--a.example", "xn--ls8h.example"])
def test_a_domain_is_not_translated(domain: str) -> None:
    """RFC 9549, 2: IDNA 2008, which has names that IDNA 2003 refuses. Nobody has to map them."""
    address = f"alice@{domain}"
    names = x509.SubjectAlternativeName(
        [x509.RFC822Name(address), x509.DNSName(domain), x509.UniformResourceIdentifier(f"https://{domain}/")]
    )  # fmt: skip
    for issuer in (constrained([domain]), constrained(None, ["victim.org"])):
        found = judge(person(address, issuer, names=names).certificate, [issuer.certificate])
        assert found.status is Status.TRUSTED
    hosts = x509.NameConstraints(None, [x509.DNSName(domain)])
    for excluding in (constrained(None, [domain]), ca("Hosts", ROOT, more=[(hosts, True)])):
        found = judge(person(address, excluding, names=names).certificate, [excluding.certificate])
        assert found.status is Status.UNTRUSTED
