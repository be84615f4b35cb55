"""What we export, taken in by others: OpenSSL reads PEM and p7b, slapd an LDIF file.

What another program makes of vCards is in `tests/exports/test_exports.py`.
"""

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from smimekit import Credential
from smimekit.exports import Person, ldif, p7b, pem, people
from smimekit.message.bundle import read_bundle
from smimekit.testing import FakeCA
from tests.interop.peers import Refused, run

BASE = "ou=people,dc=example,dc=org"
ODD = r'o"d,d+\;<#>=@example.org'


@pytest.fixture(scope="module")
def ca() -> FakeCA:
    return FakeCA("Export CA")


@pytest.fixture(scope="module")
def crowd(ca: FakeCA) -> tuple[Credential, ...]:
    return tuple(
        ca.person(f"p{number}@example.org", name=f"Person {number}") for number in range(5)
    )


def subjects(shown: bytes) -> list[bytes]:
    return re.findall(rb"^subject=.*?CN ?= ?(.*)$", shown, re.MULTILINE)


def test_openssl_reads_pem_and_p7b(
    require_program: Callable[[str], str], ca: FakeCA, crowd: tuple[Credential, ...], tmp_path: Path
) -> None:
    openssl = require_program("openssl")
    certificates = [*(each.certificate for each in crowd), ca.certificate]
    wanted = [b"Person 0", b"Person 1", b"Person 2", b"Person 3", b"Person 4", b"Export CA"]
    (tmp_path / "all.p7b").write_bytes(b"".join(p7b(certificates)))
    shown = run(
        [openssl, "pkcs7", "-inform", "DER", "-in", str(tmp_path / "all.p7b"), "-print_certs"]
    )
    assert subjects(shown) == wanted
    (tmp_path / "all.pem").write_bytes(b"".join(pem(certificates)))
    shown = run([openssl, "storeutl", "-certs", "-text", "-noout", str(tmp_path / "all.pem")])
    assert shown.count(b"Subject: ") == len(wanted)
    assert b"Total found: 6" in shown


def test_nss_imports_p7b(
    require_program: Callable[[str], str], crowd: tuple[Credential, ...], tmp_path: Path
) -> None:
    """Thunderbird's library takes the certificates of others from such a file."""
    home, file = f"sql:{tmp_path}", tmp_path / "all.p7b"
    file.write_bytes(b"".join(p7b([crowd[0].certificate])))
    certutil = require_program("certutil")
    run([certutil, "-N", "-d", home, "--empty-password"])
    run([certutil, "-A", "-n", "p0", "-t", ",,", "-i", str(file), "-d", home])
    assert run([certutil, "-L", "-n", "p0", "-r", "-d", home]) == crowd[0].certificate.der


def load(slapadd: str, home: Path, text: bytes) -> None:
    schemas = "".join(
        f"include /etc/ldap/schema/{name}.schema\n" for name in ("core", "cosine", "inetorgperson")
    )
    (home / "data").mkdir(parents=True)
    (home / "slapd.conf").write_text(
        f"{schemas}modulepath /usr/lib/ldap\nmoduleload back_mdb\n"
        f'database mdb\nsuffix "dc=example,dc=org"\ndirectory {home}/data\nmaxsize 16777216\n'
    )
    (home / "base.ldif").write_text(
        "dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\ndc: example\n"
        "o: x\n\ndn: ou=people,dc=example,dc=org\nobjectClass: organizationalUnit\nou: people\n"
    )
    # RFC 2849 wants the version, as ldapadd does; slapadd takes it for an attribute.
    first, _, entries = text.partition(b"\n")
    assert first == b"version: 1"
    (home / "people.ldif").write_bytes(entries)
    for name in ("base", "people"):
        run([slapadd, "-f", str(home / "slapd.conf"), "-l", str(home / f"{name}.ldif")])


def attributes(dump: bytes, name: str) -> list[bytes]:
    """The values of an attribute in what slapcat tells."""
    found = re.findall(rf"^{name}(::?) (.*)$".encode(), dump.replace(b"\n ", b""), re.MULTILINE)
    return [base64.b64decode(value) if kind == b"::" else value for kind, value in found]


def test_slapd_takes_everybody_in(
    require_program: Callable[[str], str], ca: FakeCA, crowd: tuple[Credential, ...], tmp_path: Path
) -> None:
    """Certificates are checked by slapd as such; names are compared as it normalises them."""
    slapadd, slapcat = require_program("slapadd"), require_program("slapcat")
    certificates = [each.certificate for each in crowd]
    everybody = [
        *people(certificates, lambda address: [c for c in certificates if address in c.addresses]),
        Person(ODD, "Ünal, Ö. \\ <x>", " #Ünal ", (certificates[0], certificates[1])),
    ]
    text = b"".join(ldif(everybody, BASE, chain=lambda _: (ca.certificate,)))
    load(slapadd, tmp_path / "slapd", text)
    dump = run([slapcat, "-f", str(tmp_path / "slapd" / "slapd.conf")])
    assert attributes(dump, "mail") == [
        *(f"p{n}@example.org".encode() for n in range(5)),
        ODD.encode(),
    ]
    assert "Ünal, Ö. \\ <x>".encode() in attributes(dump, "cn")
    held = attributes(dump, "userCertificate;binary")
    assert held == [*(each.der for each in certificates), certificates[0].der, certificates[1].der]
    bundles = attributes(dump, "userSMIMECertificate")
    assert [set(read_bundle(each)) for each in bundles[:5]] == [
        {each, ca.certificate} for each in certificates
    ]


def test_slapd_would_refuse_what_is_no_entry(
    require_program: Callable[[str], str], crowd: tuple[Credential, ...], tmp_path: Path
) -> None:
    """That the test above shows something: an address that leaves its place is noticed."""
    text = b"".join(ldif([Person("a@b", "A", "A", (crowd[0].certificate,))], BASE))
    broken = text.replace(b"mail=a@b,", b"mail=a@b,x,")
    with pytest.raises(Refused):
        load(require_program("slapadd"), tmp_path / "slapd", broken)
