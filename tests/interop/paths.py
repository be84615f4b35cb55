"""Paths of many shapes, with what RFC 5280 says of each, and where OpenSSL says otherwise.

Knows certificates. May not know who judges them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Network
from typing import Any

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from tests.trust.certs import CA_USAGE, DAY, NOW, Made, ca, key, logon, name, person

__all__ = ["Shape", "shapes"]

ALICE = "alice@example.com"
MAIL, SERVER, ANY = (
    ExtendedKeyUsageOID.EMAIL_PROTECTION,
    ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
)
_NAMES_DIFFER = {
    "no address": "RFC 5321, 4.1.2: this is no mailbox, so within none; OpenSSL cuts at the last @",
    "of logons": "RFC 5280, 4.2.1.10: process it, or refuse; OpenSSL refuses",
}
Extension = tuple[x509.ExtensionType, bool]
Names = list[x509.GeneralName]


@dataclass(frozen=True)
class Shape:
    """`differs`: why OpenSSL says the contrary, where it does. Anchors first, then what came along."""

    name: str
    good: bool
    anchors: tuple[Made, ...]
    above: tuple[Made, ...]
    leaf: Made
    at: datetime = NOW
    differs: str = ""


def critical(value: x509.ExtensionType) -> list[Extension]:
    return [(value, True)]


def plain(value: x509.ExtensionType) -> list[Extension]:
    return [(value, False)]


def mail(*addresses: str) -> Names:
    return [x509.RFC822Name(one) for one in addresses]


def unchecked(address: str) -> x509.RFC822Name:
    """As CAs should not write it."""
    return x509.RFC822Name._init_without_validation(address)


def directory(text: str) -> x509.DirectoryName:
    return x509.DirectoryName(x509.Name.from_rfc4514_string(text))


def limits(permitted: Names | None = None, excluded: Names | None = None) -> x509.NameConstraints:
    return x509.NameConstraints(permitted, excluded)


def of_root(title: str, good: bool, root: Made, differs: str = "", **leaf: Any) -> Shape:
    return Shape(title, good, (root,), (), person(ALICE, root, **leaf), differs=differs)


def below(title: str, good: bool, issuer: Made, root: Made, **leaf: Any) -> Shape:
    return Shape(title, good, (root,), (issuer,), person(ALICE, issuer, **leaf))


def _usages() -> Iterator[Shape]:
    root = ca("Usage Root")
    yield of_root("plain", True, root)
    yield of_root("no extended usage", True, root, extended=None)
    yield of_root("for servers", False, root, extended=(SERVER,))
    yield of_root("for mail and servers", True, root, extended=(MAIL, SERVER))
    yield of_root(
        "for anything", True, root, extended=(ANY,),
        differs="RFC 8550, 4.4.4 takes anyExtendedKeyUsage; Policy.MODERN does not",
    )  # fmt: skip
    yield of_root("no key usage", True, root, bits=None)
    servers = plain(x509.ExtendedKeyUsage([SERVER]))
    yield of_root("of a root for servers", False, ca("S", more=servers))
    for usage in (SERVER, MAIL):
        extended = x509.ExtendedKeyUsage([usage])
        issuer = ca(f"For {usage.dotted_string}", root, more=plain(extended))
        yield below(f"of a CA for {extended}", usage is MAIL, issuer, root)
    yield below("CA may not sign", False, ca("No", root, bits=("crl_sign",)), root)
    yield below("CA may not sign CRLs", True, ca("No CRL", root, bits=("key_cert_sign",)), root)
    yield below("CA without usage", True, ca("None", root, bits=None), root)
    yield below("no CA", False, ca("EE", root, basic=False), root)
    no_ca = critical(x509.BasicConstraints(ca=False, path_length=None))
    yield below("explicitly no CA", False, ca("EE2", root, basic=False, more=no_ca), root)
    soft = plain(x509.BasicConstraints(ca=True, path_length=None))
    yield below("CA, not critical", True, ca("Soft", root, basic=False, more=soft), root)
    yield of_root(
        "root that is no CA", False, ca("Old", basic=False),
        differs="RFC 5280, 4.2.1.9: OpenSSL takes a root's keyCertSign for cA, too",
    )  # fmt: skip
    yield of_root("root that may not sign", False, ca("Bits", bits=("digital_signature",)))


def _critical_extensions() -> Iterator[Shape]:
    root = ca("Critical Root")
    identifier = x509.SubjectKeyIdentifier(b"1" * 20)
    access = x509.AccessDescription(
        AuthorityInformationAccessOID.CA_ISSUERS,
        x509.UniformResourceIdentifier("http://a.example/"),
    )
    found: list[x509.ExtensionType] = [
        x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"),
        x509.AuthorityInformationAccess([access]),
        x509.FreshestCRL([x509.DistributionPoint([access.access_location], None, None, None)]),
        # qcStatements (RFC 3739, 3.2.6) and SMIMECapabilities (RFC 4262, 2)
        x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.3"), b"\x30\x00"),
        x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.840.113549.1.9.15"), b"\x30\x00"),
    ]
    for one in found:
        oid = one.oid.dotted_string
        yield of_root(f"plain {oid}", True, root, more=plain(one))
        yield of_root(f"critical {oid}", False, root, more=critical(one))
        yield below(
            f"critical {oid} of a CA", False, ca(f"C {oid}", root, more=critical(one)), root
        )
        yield of_root(f"critical {oid} of the root", False, ca(f"R {oid}", more=critical(one)))
    yield of_root("critical key id", False, root, more=critical(identifier), key_ids=False)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key())
    yield of_root("critical authority", False, root, more=critical(authority), key_ids=False)


def _key_ids() -> Iterator[Shape]:
    root = ca("Id Root")
    yield of_root("person without", True, root, key_ids=False)
    yield below("CA without", True, ca("Without", root, key_ids=False), root)
    yield of_root("root without", True, ca("Root without", key_ids=False))


def _names() -> Iterator[Shape]:
    here, there = ["example.com"], ["example.org"]
    other = x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    hosts = x509.IPAddress(IPv4Network("192.0.2.0/24"))
    rules: list[tuple[str, x509.NameConstraints, Names, bool]] = [
        ("mailbox", limits(mail(ALICE)), mail(ALICE), True),
        ("another mailbox", limits(mail("bob@example.com")), mail(ALICE), False),
        ("host", limits(mail(*here)), mail(ALICE), True),
        ("another host", limits(mail(*there)), mail(ALICE), False),
        ("host, not below", limits(mail(*here)), mail("alice@sub.example.com"), False),
        ("domain", limits(mail(".example.com")), mail("alice@sub.example.com"), True),
        ("domain, not itself", limits(mail(".example.com")), mail(ALICE), False),
        ("case of a host", limits(mail("EXAMPLE.com")), mail(ALICE), True),
        ("excluded", limits(None, mail(*here)), mail(ALICE), False),
        ("excluded second", limits(None, mail(*there)), mail(ALICE, "bob@example.org"), False),
        ("both", limits(mail(*here), mail(*here)), mail(ALICE), False),
        ("of hosts, and none", limits([x509.DNSName("example.org")]), mail(ALICE), True),
        ("of networks, and none", limits([hosts]), mail(ALICE), True),
        ("of others, and none", limits(None, [other]), mail(ALICE), True),
        ("of others", limits(None, [other]), [*mail(ALICE), other], False),
        ("of others, permitted", limits([other]), [*mail(ALICE), other], False),
        (
            "of logons",
            limits([*mail(*here), logon("example.com")]),
            [*mail(ALICE), logon(ALICE)],
            True,
        ),
        (
            "of logons, another",
            limits([*mail(*here), logon("example.org")]),
            [*mail(ALICE), logon(ALICE)],
            False,
        ),
        ("no address", limits(mail(*here)), [*mail(ALICE), unchecked("a@b@example.com")], False),
    ]
    for title, constraints, names, good in rules:
        root, plain_root = ca(f"R {title}", more=critical(constraints)), ca(f"P {title}")
        issuer = ca(f"I {title}", plain_root, more=critical(constraints))
        written = x509.SubjectAlternativeName(names)
        for shape in (
            of_root(f"names, {title}", good, root, names=written),
            below(f"names, {title}, by a CA", good, issuer, plain_root, names=written),
        ):
            yield replace(shape, differs=_NAMES_DIFFER.get(title, ""))


def _directory_names() -> Iterator[Shape]:
    root = ca("Directory Root")
    foo, bar = directory("CN=foo"), directory("CN=bar")
    for title, constraints, subject, alternative, good in (
        ("within", limits([foo]), "foo", foo, True),
        ("subject outside", limits([foo]), "bar", foo, False),
        ("alternative outside", limits([foo]), "foo", bar, False),
        ("subject excluded", limits(None, [foo]), "foo", bar, False),
        ("alternative excluded", limits(None, [foo]), "bar", foo, False),
    ):
        issuer = ca(f"D {title}", root, more=critical(constraints))
        names = x509.SubjectAlternativeName([*mail(ALICE), alternative])
        yield below(f"directory, {title}", good, issuer, root, subject=name(subject), names=names)


def _constraints_on_the_way() -> Iterator[Shape]:
    root = ca("Way Root")
    for title, first, second in (
        ("narrowed", ["foo.example", "bar.example"], ["bar.example"]),
        ("never widened", ["bar.example"], ["foo.example", "bar.example"]),
    ):
        one = ca(f"One {title}", root, more=critical(limits(mail(*first))))
        two = ca(f"Two {title}", one, more=critical(limits(mail(*second))))
        for host, good in (("foo.example", False), ("bar.example", True)):
            leaf = person(f"alice@{host}", two)
            yield Shape(f"{title}, {host}", good, (root,), (one, two), leaf)
    bad = plain(x509.SubjectAlternativeName([x509.DNSName("bad.example")]))
    one = ca("Bad One", root, more=critical(limits(None, [x509.DNSName("bad.example")])))
    two = ca("Bad Two", one, more=bad)
    yield Shape("a CA's own name", False, (root,), (one, two), person(ALICE, two))
    permitted = critical(limits(mail("example.com")))
    strict = ca("Self", more=permitted)
    own = ca("Self", strict, private=key("Self 2"),
             more=plain(x509.SubjectAlternativeName(mail("x@other.example"))))  # fmt: skip
    yield below("a self-issued CA's own name", True, own, strict)
    issuer = ca("Same", ca("Root of Same", more=permitted))
    leaf = person("x@other.example", issuer, subject=name("Same"))
    yield Shape(
        "a self-issued person's", False, (ca("Root of Same", more=permitted),), (issuer,), leaf
    )
    lone, known = ca("Lone"), ca("Known")
    narrow = ca("Narrow", known, more=critical(limits(None, [x509.DNSName("bad.example")])))
    wrong, right = ca("B", lone, more=bad), ca("B", narrow)
    yield Shape(
        "another way that holds", True, (known,), (narrow, wrong, right), person(ALICE, wrong),
        differs="OpenSSL follows one way only",
    )  # fmt: skip


def _lengths() -> Iterator[Shape]:
    root = ca("Length Root")
    for lengths, good in (((0,), True), ((0, 0), False), ((1, 2), True), ((1, 0, 0), False)):
        above = [root]
        for length in lengths:
            above.append(ca(f"{lengths} {len(above)}", above[-1], path_length=length))
        leaf = person(ALICE, above[-1])
        yield Shape(f"lengths {lengths}", good, (root,), tuple(above[1:]), leaf)
    one = ca("Again", root, path_length=1)
    again = ca("Again", one, private=key("Again 2"), path_length=1)
    last = ca("Last", again, path_length=0)
    yield Shape(
        "self-issued are not counted", True, (root,), (one, again, last), person(ALICE, last)
    )


def _circles() -> Iterator[Shape]:
    root, second = ca("Circle Root"), ca("Second Root")
    expired = ca(
        "X", second, private=root.key, subject=root.name, start=NOW - 9 * DAY, end=NOW - DAY
    )
    yield Shape("expired cross-certificate", True, (root, second), (expired,), person(ALICE, root))
    for title, names in (("two CAs", ("Left", "Right")), ("one CA", ("Both", "Both"))):
        left, right = (key(f"{title} {side}") for side in ("left", "right"))
        one = ca(names[0], ca(names[1], private=right), private=left)
        two = ca(names[1], one, private=right)
        yield Shape(f"circle of {title}", False, (root,), (one, two), person(ALICE, one))
    mesh = {one: ca(f"Mesh {one}") for one in "ABC"}
    across = [
        ca(f"Mesh {one}", mesh[by], private=mesh[one].key)
        for one in "ABC"
        for by in "ABC"
        if one != by
    ]
    last = ca("Below A", mesh["A"])
    yield Shape("mesh", True, (mesh["A"],), (last, *across), person(ALICE, last))
    unknown = ca("Unknown Root")
    issuer = ca("Below Unknown", unknown)
    yield Shape("unknown root along", False, (root,), (unknown, issuer), person(ALICE, issuer))


def _times() -> Iterator[Shape]:
    for title, root_ends, ca_ends, ends in (
        ("root", -DAY, DAY, DAY), ("CA", DAY, -DAY, DAY), ("person", DAY, DAY, -DAY),
    ):  # fmt: skip
        root = ca(f"T {title}", end=NOW + root_ends)
        issuer = ca(f"U {title}", root, end=NOW + ca_ends)
        yield below(f"expired {title}", False, issuer, root, end=NOW + ends)
    root = ca("Exact", start=NOW, end=NOW + DAY)
    leaf = person(ALICE, root, start=NOW, end=NOW + DAY)
    for title, at, good, differs in (
        ("a second before", NOW - timedelta(seconds=1), False, ""),
        ("the first second", NOW, True, ""),
        ("the last second", NOW + DAY, True, "RFC 5280, 4.1.2.5: notAfter is within"),
        ("a second after", NOW + DAY + timedelta(seconds=1), False, ""),
    ):
        yield Shape(title, good, (root,), (), leaf, at, differs)


def _odd() -> Iterator[Shape]:
    root = ca("Odd Root")
    yield of_root("serial of 21 octets", True, root, serial=int.from_bytes(b"\x7a" * 20, "big"))
    octets = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"alice@example.com")
    yield of_root("name that is none", False, root, names=octets)
    mapping = plain(x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None))
    yield below("explicit policy", False, ca("Policies", root, more=mapping), root)
    yield of_root("CA usage of a person", True, root, bits=("digital_signature", *CA_USAGE))


def shapes() -> list[Shape]:
    """All of them."""
    return [
        *_usages(), *_critical_extensions(), *_key_ids(), *_names(), *_directory_names(),
        *_constraints_on_the_way(), *_lengths(), *_circles(), *_times(), *_odd(),
    ]  # fmt: skip
