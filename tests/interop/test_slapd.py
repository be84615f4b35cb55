"""A real directory: slapd with both attributes, TLS, and a CRL in an entry of its own."""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from smimekit.cms.signed_writing import certs_only
from smimekit.errors import FetchError
from smimekit.message.bundle import read_bundle
from smimekit.trust import ByAddress, OnlineEvidence, Purpose, Revocation, RevocationPolicy, Trust
from smimekit.trust.lookup import LdapFetcher, LdapServer, LdapSource
from tests.interop.daemons import free_port, running, takes_connections
from tests.interop.peers import folder, run
from tests.interop.revoking import NOW, TIMES, key_pem, revocation_list
from tests.trust.certs import Made, ca, make, person
from tests.trust.network import crl_at

BASE = "dc=example,dc=com"
SECRET = "for tests"  # noqa: S105 - of a directory that lives as long as the tests
ROOT = ca("Slapd Root", **TIMES)
ALICE, ALICE_TOO = (person("alice@example.com", ROOT, **TIMES) for _ in range(2))
BOB = person("bob@example.com", ROOT, **TIMES)
ODD = "o*d=d|&!~@example.com"
ODD_ONE = person(ODD, ROOT, **TIMES)
CRL = "certificateRevocationList;binary"


@dataclass(frozen=True)
class Directory:
    """Where it answers, and the CA that vouches for it."""

    port: int
    tls_port: int
    ca_file: Path

    def ask(self, address: str, **server: Any) -> list[Any]:
        settings = {"url": f"ldap://ldap.example:{self.port}", "base": BASE} | server
        source = LdapSource(
            LdapServer(**settings), read=read_bundle, resolver=lambda *_: ["127.0.0.1"]
        )
        return list(source.find(ByAddress(address)))

    @property
    def secure(self) -> dict[str, Any]:
        return {"url": f"ldaps://ldap.example:{self.tls_port}", "ca_file": str(self.ca_file)}


def attribute(name: str, value: str | bytes) -> str:
    data = value if isinstance(value, bytes) else value.encode()
    return f"{name}:: {base64.b64encode(data).decode()}\n"


def someone(name: str, address: str, *lines: str) -> str:
    entry = [
        attribute("dn", f"cn={name},{BASE}"), "objectClass: inetOrgPerson\n",
        f"cn: {name}\nsn: {name}\n", attribute("mail", address),
    ]  # fmt: skip
    return "".join([*entry, *lines, "\n"])


def entries() -> str:
    return "".join(
        [
            f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: x\n\n",
            someone(
                "alice", "alice@example.com",
                attribute("userCertificate;binary", ALICE.der),
                attribute("userCertificate;binary", BOB.der),
                attribute("userSMIMECertificate", certs_only([ALICE_TOO.der, ROOT.der])),
                f"userPassword: {SECRET}\n",
            ),
            someone("odd", ODD, attribute("userCertificate;binary", ODD_ONE.der)),
            someone("nobody", "nobody@example.com"),
            f"dn: cn=crl,{BASE}\nobjectClass: cRLDistributionPoint\ncn: crl\n",
            attribute(CRL, revocation_list(ROOT, BOB)),
            "\n",
        ]
    )  # fmt: skip


def settings(home: Path) -> str:
    schemas = "".join(
        f"include /etc/ldap/schema/{name}.schema\n" for name in ("core", "cosine", "inetorgperson")
    )
    return (
        f"{schemas}pidfile {home}/slapd.pid\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n"
        f"TLSCACertificateFile {home}/ca.pem\nTLSCertificateFile {home}/server.pem\n"
        f"TLSCertificateKeyFile {home}/server.key\n"
        f'database mdb\nsuffix "{BASE}"\ndirectory {home}/data\nmaxsize 16777216\n'
        "access to attrs=userPassword by anonymous auth\naccess to * by * read\n"
    )


@contextmanager
def serving(program: str, slapadd: str, home: Path) -> Iterator[Directory]:
    name = x509.SubjectAlternativeName([x509.DNSName("ldap.example")])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    own = make("ldap.example", ROOT, extensions=[(name, False), (usage, False)], **TIMES)
    (home / "ca.pem").write_bytes(ROOT.certificate.pem())
    (home / "server.pem").write_bytes(own.certificate.pem())
    (home / "server.key").write_bytes(key_pem(own))
    (home / "data").mkdir()
    (home / "slapd.conf").write_text(settings(home))
    (home / "entries.ldif").write_text(entries())
    run([slapadd, "-f", str(home / "slapd.conf"), "-l", str(home / "entries.ldif")])
    port, tls_port = free_port(), free_port()
    urls = f"ldap://127.0.0.1:{port}/ ldaps://127.0.0.1:{tls_port}/"
    command = [program, "-d", "0", "-h", urls, "-f", str(home / "slapd.conf")]
    with running(command, lambda: takes_connections(tls_port), home / "log"):
        yield Directory(port, tls_port, home / "ca.pem")


@pytest.fixture(scope="module")
def directory(require_program: Callable[[str], str]) -> Iterator[Directory]:
    with (
        folder() as home,
        serving(require_program("slapd"), require_program("slapadd"), home) as made,
    ):
        yield made


def test_both_attributes_are_found(directory: Directory) -> None:
    found = directory.ask("alice@example.com")
    assert set(found) == {ALICE.certificate, ALICE_TOO.certificate}, "and not Bob's"
    assert directory.ask("ALICE@example.com") == found


@pytest.mark.parametrize("address", ["nobody@example.com", "stranger@example.com", "*"])
def test_who_has_none_has_none(directory: Directory, address: str) -> None:
    assert directory.ask(address) == []


def test_an_address_is_a_value_whatever_is_in_it(directory: Directory) -> None:
    assert directory.ask(ODD) == [ODD_ONE.certificate]
    assert directory.ask("*)(mail=alice@example.com") == []


def test_over_tls_the_directory_shows_who_it_is(directory: Directory) -> None:
    own = {"ca_file": str(directory.ca_file)}
    credentials = {"credentials": (f"cn=alice,{BASE}", SECRET)}
    both = {ALICE.certificate, ALICE_TOO.certificate}
    for secure in (directory.secure, own | {"start_tls": True}):
        assert set(directory.ask("alice@example.com", **secure)) == both
        assert set(directory.ask("alice@example.com", **secure, **credentials)) == both


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ldaps://other.example:{}"},
        {"ca_file": None},
        {"credentials": (f"cn=alice,{BASE}", "wrong")},
    ],
    ids=["name", "CA", "password"],
)
def test_what_is_not_shown_is_refused(directory: Directory, wrong: dict[str, Any]) -> None:
    filled = {
        name: one.format(directory.tls_port) if isinstance(one, str) else one
        for name, one in wrong.items()
    }
    with pytest.raises(FetchError):
        directory.ask("alice@example.com", **(directory.secure | filled))


def test_a_base_that_is_not_there_has_nobody(directory: Directory) -> None:
    assert directory.ask("alice@example.com", base=f"ou=nowhere,{BASE}") == []


def judged(directory: Directory, who: Made) -> Revocation:
    fetcher = LdapFetcher(networks=["127.0.0.0/8"])
    trust = Trust(
        anchors=[ROOT.certificate],
        revocation=RevocationPolicy.HARD,
        evidence=OnlineEvidence(fetcher, clock=lambda: NOW),
    )
    return trust.judge(who.certificate, Purpose.VERIFY, at=NOW).revocation


def test_a_crl_comes_from_the_directory(directory: Directory) -> None:
    url = f"ldap://127.0.0.1:{directory.port}/cn=crl,{BASE}?{CRL}?base?(objectClass=*)"
    good, nowhere = (
        person("crl@example.com", ROOT, more=[crl_at(one)], **TIMES)
        for one in (url, url.replace("cn=crl", "cn=no"))
    )
    assert judged(directory, good) is Revocation.GOOD
    assert judged(directory, nowhere) is Revocation.UNKNOWN
    revoked = person("bob@example.com", ROOT, more=[crl_at(url)], serial=BOB.certificate.serial,
                     **TIMES)  # fmt: skip
    assert judged(directory, revoked) is Revocation.REVOKED
