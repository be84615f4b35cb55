"""Certificates in the forms of other programs: as the RFCs have them, whatever a stranger named."""

import base64
import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import cache

import pytest
import vobject
from cryptography import x509
from hypothesis import example, given
from hypothesis import strategies as st

from smimekit import Certificate, load_certificates
from smimekit.errors import UsageError
from smimekit.exports import Person, csv_table, ldif, p7b, pem, people, vcards
from smimekit.exports.ldif import check_base
from smimekit.message.bundle import read_bundle
from smimekit.testing import FakeCA
from smimekit.testing.profiles import AUTHORITY, Profile
from tests.trust import certs
from tests.trust.certs import BOTH_USAGE, CA_USAGE, alt_names, own_authority

BASE = "ou=people,dc=example,dc=org"
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@cache
def ca() -> FakeCA:
    return FakeCA("Export CA")


@cache
def alice() -> Certificate:
    return ca().person("alice@example.org", name="Alice Smith").certificate


@cache
def older() -> Certificate:
    profile = Profile(start=timedelta(days=-90))
    return ca().person("Alice@Example.org", profile=profile).certificate


@cache
def bob() -> Certificate:
    return ca().person("bob@example.org", "bob@example.net", name="Bob").certificate


def everybody(*certificates: Certificate) -> list[Person]:
    def of_address(address: str) -> Iterator[Certificate]:
        return (each for each in certificates if address in [one.lower() for one in each.addresses])

    return list(people(certificates, of_address))


# --- who has an entry ----------------------------------------------------------------------


def test_a_certificate_for_a_crowd_is_nobodys() -> None:
    """Each entry holds the certificate: 40 KB for 4 000 addresses would be half a gigabyte."""
    carol = ca().person("carol@example.org").certificate
    for count, entries in ((99, 100), (100, 1)):
        others = [f"{number}@example.net" for number in range(count)]
        crowd = ca().person("carol@example.org", *others).certificate
        for order in ([crowd, carol], [carol, crowd]):
            assert len(everybody(*order)) == entries
            assert carol in everybody(*order)[0].certificates


def test_an_entry_for_each_address_with_all_its_certificates() -> None:
    for order in ([older(), bob(), alice()], [alice(), older(), bob()]):
        found = {each.address: each.certificates for each in everybody(*order, ca().certificate)}
        assert found == {
            "alice@example.org": (alice(), older()),
            "bob@example.org": (bob(),),
            "bob@example.net": (bob(),),
        }


def test_names_are_those_of_the_newest_certificate() -> None:
    (found,) = everybody(older(), alice())
    assert (found.name, found.surname) == ("Alice Smith", "Alice Smith")
    assert alice().subject_attribute("2.5.4.3") == "Alice Smith"
    assert alice().subject_attribute("2.5.4.4") is None


def test_authorities_are_nobody() -> None:
    profile = Profile(purpose=AUTHORITY, usages=(), policies=())
    authority = ca().person("ca@example.org", profile=profile).certificate
    assert (authority.is_ca, authority.addresses) == (True, ("ca@example.org",))
    assert everybody(ca().certificate, authority) == []


def test_an_authority_with_an_address_is_nobody() -> None:
    """Whom another one made a CA, has its key for that, whatever else it may do."""
    more: list[tuple[x509.ExtensionType, bool]] = [(alt_names("ca@example.org"), False)]
    made = certs.ca("Mail CA", certs.ca("Root"), more=more, bits=(*BOTH_USAGE, *CA_USAGE))
    assert everybody(made.certificate) == []


@pytest.mark.parametrize("bits", [(), BOTH_USAGE])
def test_who_issued_to_themselves_is_somebody(bits: tuple[str, ...]) -> None:
    grace = own_authority("grace@example.org", *bits).certificate
    assert grace.is_ca
    assert [each.address for each in everybody(grace)] == ["grace@example.org"]


# --- PEM and p7b ---------------------------------------------------------------------------


def test_pem_there_and_back() -> None:
    assert load_certificates(b"".join(pem([alice(), bob()]))) == (alice(), bob())


def test_p7b_there_and_back() -> None:
    assert read_bundle(b"".join(p7b([alice(), bob(), ca().certificate]))) == (
        alice(), bob(), ca().certificate,
    )  # fmt: skip
    assert read_bundle(b"".join(p7b([]))) == ()


def test_nothing_is_read_ahead() -> None:
    """A store of any size is written as it is read."""
    taken = []

    def counted() -> Iterator[Certificate]:
        for number in range(100):
            taken.append(number)
            yield alice()

    for form in (pem, p7b):
        taken.clear()
        chunks = iter(form(counted()))
        while not taken:
            next(chunks)
        assert len(taken) == 1
    for card in (vcards, lambda found: ldif(found, BASE)):
        taken.clear()
        entries = iter(card(Person("a@b", "A", "A", (each,)) for each in counted()))
        while not taken:
            next(entries)
        assert len(taken) == 1


# --- LDIF (RFC 2849) -----------------------------------------------------------------------


def entries(data: bytes) -> list[list[tuple[str, bytes]]]:
    """What an LDIF file says, by the grammar of RFC 2849."""
    assert data.isascii()
    assert all(len(line) <= 76 for line in data.split(b"\n"))
    lines = data.replace(b"\n ", b"").decode().split("\n")
    assert lines[0] == "version: 1"
    assert lines.pop() == ""
    found: list[list[tuple[str, bytes]]] = []
    for block in "\n".join(lines[1:]).removesuffix("\n").split("\n\n"):
        found.append([])
        for line in filter(None, block.split("\n")):
            match = re.fullmatch(r"([A-Za-z;]+):(:?) ([!-9;=-~][ -~]*)", line)
            assert match is not None, line
            name, coded, value = match.groups()
            assert coded or not value.endswith(" ")
            octets = base64.b64decode(value, validate=True) if coded else value.encode()
            found[-1].append((name, octets))
    return found


def test_ldif_has_inet_org_persons() -> None:
    data = b"".join(ldif(everybody(alice(), older()), BASE, chain=lambda _: (ca().certificate,)))
    (entry,) = entries(data)
    assert entry[:8] == [
        ("dn", b"mail=alice@example.org,ou=people,dc=example,dc=org"),
        ("objectClass", b"top"), ("objectClass", b"person"),
        ("objectClass", b"organizationalPerson"), ("objectClass", b"inetOrgPerson"),
        ("cn", b"Alice Smith"), ("sn", b"Alice Smith"), ("mail", b"alice@example.org"),
    ]  # fmt: skip
    assert entry[8:10] == [
        ("userCertificate;binary", alice().der), ("userCertificate;binary", older().der),
    ]  # fmt: skip
    bundles = [(name, set(read_bundle(value))) for name, value in entry[10:]]
    assert bundles == [
        ("userSMIMECertificate", {alice(), ca().certificate}),
        ("userSMIMECertificate", {older(), ca().certificate}),
    ]


def test_an_address_that_is_not_ascii_is_no_mail_in_ldap() -> None:
    assert entries(b"".join(ldif([Person("jürgen@example.org", "J", "J", (alice(),))], BASE))) == [
        []
    ]


def unescaped(value: str) -> bytes:
    """RFC 4514, 3, the other way round."""
    found = re.sub(
        rb"\\([0-9a-fA-F]{2})|\\(.)",
        lambda each: bytes.fromhex(each[1].decode()) if each[1] else each[2],
        value.encode(),
        flags=re.DOTALL,
    )
    assert re.fullmatch(r'(?:[^\\,+"<>;=\0]|\\[0-9a-fA-F]{2}|\\[ "#+,;<=>\\])+', value)
    assert value[0] not in " #"
    assert not value.endswith(" ") or value.endswith("\\ ")
    return found


@example(" a@b ")
@example("#a@b")
@example("a\\,b@c")
@given(st.text(st.characters(min_codepoint=0, max_codepoint=127), min_size=1, max_size=90))
def test_no_address_leaves_its_place_in_a_name(address: str) -> None:
    (entry,) = entries(b"".join(ldif([Person(address, "A", "A", (alice(),))], BASE)))
    name = entry[0][1].decode()
    assert name.startswith("mail=")
    assert name.endswith(f",{BASE}")
    assert unescaped(name[5 : -len(BASE) - 1]) == address.encode()
    assert ("mail", address.encode()) in entry


@given(TEXT)
def test_no_name_leaves_its_line_in_ldif(name: str) -> None:
    person = Person("a@example.org", name, name, (alice(),))
    (entry,) = entries(b"".join(ldif([person], BASE)))
    assert [kind for kind, _ in entry] == [
        *("dn", "objectClass", "objectClass", "objectClass", "objectClass", "cn", "sn", "mail"),
        *("userCertificate;binary", "userSMIMECertificate"),
    ]


@pytest.mark.parametrize(
    "base", ["", "dc", "dc=", "dc=a,", "dc=a\ndn: x", "dc=a,,dc=b", 'dc="a"', "=a", "dc=a\0"]
)
def test_a_base_that_is_no_name(base: str) -> None:
    with pytest.raises(UsageError) as error:
        ldif([], base)
    assert error.value.code == "usage.ldap-base"


@pytest.mark.parametrize(
    "base",
    ["dc=org", "ou=people, dc=example,dc=org", r"o=a\, b+cn=c,c=DE", "0.9.2342=x", "o=Größe"],
)
def test_a_base_that_is_one(base: str) -> None:
    check_base(base)
    (entry,) = entries(b"".join(ldif([Person("a@b", "A", "A", (alice(),))], base)))
    assert entry[0][1] == f"mail=a@b,{base}".encode()


# --- vCard (RFC 6350) ----------------------------------------------------------------------


def lines(data: bytes) -> list[str]:
    """The content lines: at most 75 octets before each break, characters whole."""
    assert data.endswith(b"\r\n")
    physical = data[:-2].split(b"\r\n")
    assert all(len(each) <= 75 for each in physical)
    for each in physical:
        assert b"\r" not in each
        assert b"\n" not in each
        each.decode()  # each by itself: no character is cut
    return data[:-2].decode().replace("\r\n ", "").split("\r\n")


def test_vcards_have_keys() -> None:
    (card,) = vcards(everybody(alice(), older()))
    found = lines(card)
    assert found[:2] == ["BEGIN:VCARD", "VERSION:4.0"]  # RFC 6350, 6.7.9: right behind it
    assert found[3:5] == ["FN:Alice Smith", "EMAIL:alice@example.org"]
    keys = [re.fullmatch(r"KEY;PREF=(\d+):data:application/pkix-cert;base64,(.+)", each)
            for each in found[5:-1]]  # fmt: skip
    assert [(each[1], base64.b64decode(each[2])) for each in keys if each] == [
        ("1", alice().der), ("2", older().der),
    ]  # fmt: skip
    assert found[-1] == "END:VCARD"


def test_another_program_reads_them() -> None:
    data = b"".join(vcards(everybody(alice(), bob(), ca().certificate))).decode()
    cards = list(vobject.readComponents(data))
    assert [card.email.value for card in cards] == [
        "alice@example.org", "bob@example.org", "bob@example.net",
    ]  # fmt: skip
    assert [card.fn.value for card in cards] == ["Alice Smith", "Bob", "Bob"]
    # Of KEY it would take what stands before the comma: it knows version 3 only. So: its lines.
    unfolded = [line for line, _ in vobject.base.getLogicalLines(io.StringIO(data))]
    parsed = [vobject.base.parseLine(line) for line in unfolded]
    keys = [(words, value) for name, words, value, _ in parsed if name == "KEY"]
    assert [words for words, _ in keys] == [[["PREF", "1"]]] * 3
    assert [base64.b64decode(value.partition(";base64,")[2]) for _, value in keys] == [
        alice().der, bob().der, bob().der,
    ]  # fmt: skip


def test_the_uid_follows_from_the_address() -> None:
    def uid(*certificates: Certificate) -> str:
        (card,) = vcards(everybody(*certificates))
        return lines(card)[2]

    assert uid(alice()) == uid(older()) == uid(alice(), older())
    assert re.fullmatch(r"UID:urn:uuid:[0-9a-f-]{36}", uid(alice()))
    other, another = vcards(everybody(bob()))
    assert len({lines(other)[2], lines(another)[2], uid(alice())}) == 3


@given(TEXT, TEXT)
def test_no_name_leaves_its_line_in_a_vcard(name: str, address: str) -> None:
    (card,) = vcards([Person(address, name, name, (alice(),))])
    found = lines(card)
    assert [re.split("[:;]", each)[0] for each in found] == [
        "BEGIN", "VERSION", "UID", "FN", "EMAIL", "KEY", "END",
    ]  # fmt: skip
    for line, value in ((found[3], name), (found[4], address)):
        text = line.partition(":")[2]
        assert re.fullmatch(r"(?:[^\\,;\x00-\x1f\x7f]|\\[\\,;n])*", text)  # RFC 6350, 3.4
        read = re.sub(r"\\(.)", r"\1", text)
        assert read == "".join(c if c.isprintable() else "\ufffd" for c in value)


# --- CSV (RFC 4180) ------------------------------------------------------------------------


def read(rows: Iterable[list[str]]) -> list[list[str]]:
    data = b"".join(csv_table(["a", "b"], rows))
    assert data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r")
    return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))[1:]


@given(st.lists(st.tuples(TEXT, TEXT), max_size=4))
def test_cells_there_and_back(rows: list[tuple[str, str]]) -> None:
    found = read([list(row) for row in rows])
    assert len(found) == len(rows)
    for got, row in zip(found, rows, strict=True):
        for cell, wanted in zip(got, row, strict=True):
            shown = "".join(c if c.isprintable() else "\ufffd" for c in wanted)
            assert cell in {shown, f"'{shown}"}
            assert cell.strip()[:1] not in {*"=+-@", "\uff1d", "\uff0b", "\uff0d", "\uff20"}


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1", '=HYPERLINK("x")']
)
def test_no_cell_is_a_formula(cell: str) -> None:
    assert read([[cell, "x"]])[0][0].startswith("'")


def test_what_is_no_formula_stays() -> None:
    plain = ["alice@example.org", 'a "b", c', "1-2", "x=y", ""]
    assert [read([[each, ""]])[0][0] for each in plain] == plain
