"""PKCS #12 files, as others write them and as we do: whole, damaged, and under any password."""

import base64
import os
import re
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.serialization import pkcs12
from hypothesis import given, settings
from hypothesis import strategies as st

from smimekit import der
from smimekit.errors import KeyFileError, LimitExceeded
from smimekit.keys import Credential, SoftwareKey
from smimekit.keys.pkcs12 import read_pfx
from smimekit.limits import Limits
from smimekit.testing import FakeCA
from tests.conftest import find_program

VECTORS = Path(os.environ.get("SMIMEKIT_VECTORS", "../shared/vectors"))
LEGACY = ["-provider", "legacy", "-provider", "default"]


def run(*command: str, data: bytes = b"") -> bytes:
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


@cache
def authority() -> FakeCA:
    return FakeCA().intermediate()


@cache
def alice() -> Credential:
    return authority().person("alice@example.org", key="rsa-2048")


def pem_of(who: Credential) -> bytes:
    assert isinstance(who.key, SoftwareKey)
    key = run("openssl", "pkcs8", "-inform", "DER", "-nocrypt", data=who.key.pkcs8())
    return key + who.certificate.pem() + b"".join(above.pem() for above in who.chain)


@pytest.fixture(scope="module")
def alice_pem() -> bytes:
    find_program("openssl")
    return pem_of(alice())


def code_of(data: bytes, password: str | bytes | None) -> str:
    with pytest.raises(KeyFileError) as error:
        Credential.from_pkcs12(data, password)
    return error.value.code


def same(found: Credential, who: Credential) -> bool:
    return (found.certificate, found.chain) == (who.certificate, who.chain) and [
        each.certificate for each in found.all
    ] == [each.certificate for each in who.all]


# --- OpenSSL -------------------------------------------------------------------------------

OPENSSL = {
    "modern": [],
    "legacy": ["-legacy"],
    "3des": ["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"],
    "2des": ["-keypbe", "PBE-SHA1-2DES", "-certpbe", "PBE-SHA1-2DES"],
    "rc2-40": ["-keypbe", "PBE-SHA1-RC2-40", "-certpbe", "PBE-SHA1-RC2-40", *LEGACY],
    "rc2-128": ["-keypbe", "PBE-SHA1-RC2-128", "-certpbe", "PBE-SHA1-RC2-128", *LEGACY],
    "aes-128": ["-keypbe", "AES-128-CBC", "-certpbe", "AES-128-CBC", "-macalg", "sha384"],
    "aes-192": ["-keypbe", "AES-192-CBC", "-certpbe", "AES-192-CBC", "-macalg", "sha512"],
    "camellia-128": ["-keypbe", "camellia-128-cbc", "-certpbe", "camellia-128-cbc"],
    "camellia-192": ["-keypbe", "camellia-192-cbc", "-certpbe", "camellia-192-cbc"],
    "camellia-256": ["-keypbe", "camellia-256-cbc", "-certpbe", "camellia-256-cbc"],
    "plain-certificates": ["-certpbe", "NONE"],
    "plain-key": ["-keypbe", "NONE"],
    "no-mac": ["-nomac"],
    "no-iterations": ["-noiter", "-nomaciter"],
}


@pytest.mark.interop
@pytest.mark.parametrize("options", OPENSSL.values(), ids=OPENSSL)
@pytest.mark.parametrize("password", ["geheim", "pässwörd €", "\N{LOCK}", ""])
def test_openssl_writes_and_we_read(alice_pem: bytes, options: list[str], password: str) -> None:
    data = run("openssl", "pkcs12", "-export", *options, "-passout", f"pass:{password}", data=alice_pem)  # fmt: skip
    assert same(Credential.from_pkcs12(data, password), alice())
    assert same(Credential.from_pkcs12(data, password.encode()), alice())
    if not password:
        assert same(Credential.from_pkcs12(data), alice())


@pytest.mark.interop
@pytest.mark.parametrize("options", OPENSSL.values(), ids=OPENSSL)
def test_wrong_and_missing_passwords(alice_pem: bytes, options: list[str]) -> None:
    data = run("openssl", "pkcs12", "-export", *options, "-passout", "pass:geheim", data=alice_pem)
    for wrong in ("Geheim", "geheim ", "gehei", "", b"\xff", "\0geheim"):
        assert code_of(data, wrong) == "key.wrong-password"
    assert code_of(data, None) == "key.password-needed"


@pytest.mark.interop
def test_certificates_without_a_key(alice_pem: bytes) -> None:
    data = run("openssl", "pkcs12", "-export", "-nokeys", "-passout", "pass:x", data=alice_pem)
    assert code_of(data, "x") == "key.none"


@pytest.mark.interop
def test_a_key_without_a_certificate(alice_pem: bytes) -> None:
    data = run("openssl", "pkcs12", "-export", "-nocerts", "-passout", "pass:x", data=alice_pem)
    assert code_of(data, "x") == "key.no-certificate"


@pytest.mark.interop
@pytest.mark.parametrize("password", ["geheim", "pässwörd €"])
def test_we_write_and_openssl_reads(password: str) -> None:
    find_program("openssl")
    bob = authority().dual("bob@example.org")
    data = bob.to_pkcs12(password)
    shown = run("openssl", "pkcs12", "-info", "-nodes", "-passin", f"pass:{password}", data=data)
    assert shown.count(b"BEGIN PRIVATE KEY") == 2
    assert shown.count(b"BEGIN CERTIFICATE") == 2 + len(bob.chain)
    assert b"friendlyName: bob@example.org" in shown
    with pytest.raises(subprocess.CalledProcessError):
        run("openssl", "pkcs12", "-passin", "pass:wrong", data=data)


# --- NSS, Java, the library ----------------------------------------------------------------


@pytest.fixture
def nss(tmp_path: Path) -> str:
    find_program("pk12util")
    find_program("certutil")
    database = f"sql:{tmp_path}/db"
    (tmp_path / "db").mkdir()
    run("certutil", "-N", "-d", database, "--empty-password")
    return database


@pytest.mark.interop
@pytest.mark.parametrize("password", ["geheim", "pässwörd €"])
@pytest.mark.parametrize(
    "options",
    [[], ["-c", "PKCS #12 V2 PBE With SHA-1 And 3KEY Triple DES-CBC", "-C", "PKCS #12 V2 PBE With SHA-1 And 40 Bit RC2 CBC"], ["-c", "AES-128-CBC", "-C", "AES-256-CBC"]],
    ids=["default", "legacy", "aes"],
)  # fmt: skip
def test_nss_reads_what_we_write_and_we_read_what_nss_writes(
    nss: str, tmp_path: Path, password: str, options: list[str]
) -> None:
    ours, theirs = tmp_path / "ours.p12", tmp_path / "theirs.p12"
    ours.write_bytes(alice().to_pkcs12(password))
    run("pk12util", "-i", str(ours), "-d", nss, "-W", password, "-K", "")
    run("pk12util", "-o", str(theirs), "-n", "alice@example.org", "-d", nss, "-W", password, "-K", "", *options)  # fmt: skip
    assert same(Credential.from_pkcs12(theirs, password), alice())
    assert code_of(theirs.read_bytes(), "wrong") == "key.wrong-password"


@pytest.mark.interop
@pytest.mark.parametrize("options", [[], ["-J-Dkeystore.pkcs12.legacy"]], ids=["default", "legacy"])
def test_java_writes_and_we_read(tmp_path: Path, options: list[str]) -> None:
    find_program("keytool")
    file = tmp_path / "java.p12"
    for alias in ("one", "two"):
        run(
            "keytool", *options, "-genkeypair", "-alias", alias, "-keyalg", "EC", "-dname", f"CN={alias}",
            "-groupname", "secp256r1", "-storetype", "PKCS12", "-keystore", str(file), "-storepass", "geheim",
        )  # fmt: skip
    found = Credential.from_pkcs12(file, "geheim")
    assert {each.certificate.subject_text for each in found.all} == {"CN=one", "CN=two"}
    assert code_of(file.read_bytes(), "wrong") == "key.wrong-password"


@pytest.mark.interop
@pytest.mark.parametrize("form", ["JKS", "JCEKS"])
def test_java_key_stores_of_the_old_form_are_named(tmp_path: Path, form: str) -> None:
    find_program("keytool")
    file = tmp_path / "java.jks"
    run(
        "keytool", "-genkeypair", "-alias", "one", "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=one",
        "-storetype", form, "-keystore", str(file), "-storepass", "geheim", "-keypass", "geheim",
    )  # fmt: skip
    assert code_of(file.read_bytes(), "geheim") == "key.unsupported"


@pytest.mark.interop
def test_java_reads_what_we_write(tmp_path: Path) -> None:
    find_program("keytool")
    file = tmp_path / "ours.p12"
    file.write_bytes(alice().to_pkcs12("geheim"))
    shown = run("keytool", "-list", "-v", "-keystore", str(file), "-storepass", "geheim")
    assert b"PrivateKeyEntry" in shown
    assert b"Certificate chain length: 3" in shown


def test_the_library_reads_what_we_write() -> None:
    key, certificate, others = pkcs12.load_key_and_certificates(alice().to_pkcs12("x"), b"x")
    assert key is not None
    assert certificate is not None
    assert certificate == alice().certificate.x509
    assert set(others) == {above.x509 for above in alice().chain}


# --- material of others --------------------------------------------------------------------

KNOWN = [
    ("cert-key-aes256cbc.p12", b"cryptography"),
    ("cert-none-key-none.p12", b"cryptography"),
    ("cert-rc2-key-3des.p12", b"cryptography"),
    ("no-password.p12", None),
    ("no-password.p12", b""),
    ("name-all-pwd.p12", b"password"),
    ("name-unicode-pwd.p12", b"password"),
    ("name-all-no-pwd.p12", None),
]


@pytest.mark.filterwarnings("ignore:PKCS#12 bundle could not be parsed as DER:UserWarning")
@pytest.mark.parametrize("name, password", KNOWN)
def test_the_files_of_the_library(name: str, password: bytes | None) -> None:
    with cryptography_vectors.open_vector_file(f"pkcs12/{name}", "rb") as file:
        data = file.read()
    expected = pkcs12.load_key_and_certificates(data, password)
    found = read_pfx(data, password)
    wanted = [each for each in (expected[1], *expected[2]) if each]
    assert {each.certificate.x509 for each in found.certificates} == set(wanted)
    assert len(found.keys) == (expected[0] is not None)


@pytest.mark.parametrize(
    "name, password, keys",
    [("cert-aes256cbc-no-key.p12", "cryptography", 0), ("no-cert-key-aes256cbc.p12", "cryptography", 1)],
)  # fmt: skip
def test_half_a_file_of_the_library(name: str, password: str, keys: int) -> None:
    with cryptography_vectors.open_vector_file(f"pkcs12/{name}", "rb") as file:
        found = read_pfx(file.read(), password)
    assert (len(found.keys), len(found.certificates)) == (keys, 1 - keys)


def test_pkits_files() -> None:
    with cryptography_vectors.open_vector_file(
        "x509/PKITS_data/pkcs12/ValidRFC822nameConstraintsTest23EE.p12", "rb"
    ) as file:
        found = Credential.from_pkcs12(file.read(), "password")
    assert found.addresses


@pytest.mark.parametrize("number, name", [("08", "alice"), ("13", "bob"), ("21", "carlos"), ("26", "dana")])  # fmt: skip
def test_rfc_9216(number: str, name: str) -> None:
    found = list((VECTORS / "rfc_pem/rfc9216").glob(f"{number}-*.pem"))
    if not found:
        pytest.skip(f"no test vectors in {VECTORS}")
    who = Credential.from_pkcs12(found[0], name)
    assert who.addresses == (f"{name}@smime.example",)
    assert len(who.siblings) == 1
    assert who.signing is who
    assert who.encryption_certificate == who.siblings[0].certificate
    assert len(who.chain) == 1
    assert who.certificate.signed_by(who.chain[0])
    assert code_of(found[0].read_bytes(), name.upper()) == "key.wrong-password"


def rfc_9579(section: str) -> bytes:
    """The PKCS #12 file in a section of RFC 9579."""
    file = VECTORS.parent / "rfc" / "rfc9579.txt"
    if not file.is_file():
        pytest.skip(f"no {file}")
    text = file.read_text().split(f"\n{section}  ", 1)[1]
    block = re.search(r"(?:^   [A-Za-z0-9+/=]+\n)+", text[text.index("MII") - 3 :], re.MULTILINE)
    assert block
    return base64.b64decode(block[0])


@pytest.mark.parametrize("section", ["A.1.", "A.2.", "A.3."])
def test_pbmac1(section: str) -> None:
    data = rfc_9579(section)
    assert len(read_pfx(data, "1234").keys) == 1
    with pytest.raises(KeyFileError) as error:
        read_pfx(data, "12345")
    assert error.value.code == "key.wrong-password"


@pytest.mark.parametrize(
    "section, code",
    [("A.4.", "key.wrong-password"), ("A.5.", "key.wrong-password"), ("A.6.", "key.malformed")],
)
def test_pbmac1_that_must_not_be_read(section: str, code: str) -> None:
    with pytest.raises(KeyFileError) as error:
        read_pfx(rfc_9579(section), "1234")
    assert error.value.code == code


# --- shapes --------------------------------------------------------------------------------

DATA = "1.2.840.113549.1.7.1"
KEY_BAG = "1.2.840.113549.1.12.10.1.1"
CERTIFICATE_BAG = "1.2.840.113549.1.12.10.1.3"
SAFE_CONTENTS_BAG = "1.2.840.113549.1.12.10.1.6"


def bag(kind: str, value: bytes, local_id: bytes | None = None) -> bytes:
    attributes = b""
    if local_id is not None:
        attribute = der.sequence(
            der.oid("1.2.840.113549.1.9.21"), der.set_of([der.octet_string(local_id)])
        )
        attributes = der.set_of([attribute])
    return der.sequence(der.oid(kind), der.explicit(0, value), attributes)


def key_bag(who: Credential, local_id: bytes | None = None) -> bytes:
    assert isinstance(who.key, SoftwareKey)
    return bag(KEY_BAG, who.key.pkcs8(), local_id)


def certificate_bag(who: Credential, local_id: bytes | None = None) -> bytes:
    octets = der.explicit(0, der.octet_string(who.certificate.der))
    value = der.sequence(der.oid("1.2.840.113549.1.9.22.1"), octets)
    return bag(CERTIFICATE_BAG, value, local_id)


def data_info(content: bytes) -> bytes:
    return der.sequence(der.oid(DATA), der.explicit(0, der.octet_string(content)))


def pfx(*bags: bytes, version: int = 3) -> bytes:
    safe = der.sequence(data_info(der.sequence(*bags)))
    return der.sequence(der.integer(version), data_info(safe))


def indefinite(value: bytes) -> bytes:
    """DER in BER: every constructed value indefinite, every OCTET STRING in two segments."""
    reader, out = der.Reader(value), b""
    while reader.more:
        tag, content = reader.any()
        if tag & 0x20:
            out += bytes((tag, 0x80)) + indefinite(content) + b"\0\0"
        elif tag == der.OCTET_STRING:
            half = len(content) // 2
            segments = der.octet_string(content[:half]) + der.octet_string(content[half:])
            out += b"\x24\x80" + segments + b"\0\0"
        else:
            out += der.tlv(tag, content)
    return out


@cache
def carol() -> Credential:
    return FakeCA().person("carol@example.org")


def test_a_plain_file() -> None:
    found = Credential.from_pkcs12(pfx(key_bag(carol()), certificate_bag(carol())))
    assert found.certificate == carol().certificate


def test_ber_with_indefinite_lengths() -> None:
    # RFC 7292, 4: "PDU ... BER"; the MAC is over the octets, not over their framing.
    data = indefinite(alice().to_pkcs12("x"))
    assert data[:2] == b"\x30\x80"
    assert same(Credential.from_pkcs12(data, "x"), alice())
    assert code_of(data, "y") == "key.wrong-password"


def test_pem_armour() -> None:
    text = base64.encodebytes(alice().to_pkcs12("x"))
    data = b"-----BEGIN PKCS12-----\n" + text + b"-----END PKCS12-----\n"
    assert same(Credential.from_pkcs12(data, "x"), alice())
    assert code_of(alice().certificate.pem(), "x") == "key.malformed"


def test_bags_in_bags_and_bags_that_nobody_knows() -> None:
    inner = bag(SAFE_CONTENTS_BAG, der.sequence(key_bag(carol()), certificate_bag(carol())))
    secret = bag("1.2.840.113549.1.12.10.1.5", der.sequence(der.oid("1.2.3")))
    sdsi = bag(
        CERTIFICATE_BAG,
        der.sequence(
            der.oid("1.2.840.113549.1.9.22.2"), der.explicit(0, der.tlv(der.IA5_STRING, b"x"))
        ),
    )
    assert Credential.from_pkcs12(pfx(secret, sdsi, inner)).certificate == carol().certificate


def test_a_name_that_is_no_local_key_id_does_no_harm() -> None:
    odd = der.sequence(der.oid("1.2.840.113549.1.9.21"), der.set_of([der.integer(1)]))
    value = der.sequence(der.oid(KEY_BAG), der.explicit(0, carol_key()), der.set_of([odd]))
    assert Credential.from_pkcs12(pfx(value, certificate_bag(carol()))).certificate


def carol_key() -> bytes:
    key = carol().key
    assert isinstance(key, SoftwareKey)
    return key.pkcs8()


def test_nesting_has_a_bound() -> None:
    inner = key_bag(carol())
    for _ in range(9):
        inner = bag(SAFE_CONTENTS_BAG, der.sequence(inner))
    assert code_of(pfx(inner), None) == "key.malformed"


def test_the_number_of_keys_has_a_bound() -> None:
    assert code_of(pfx(*[key_bag(carol())] * 101), None) == "key.malformed"


def mac(algorithm: bytes, iterations: int, digest: bytes = bytes(20)) -> bytes:
    info = der.sequence(algorithm, der.octet_string(digest))
    return der.sequence(info, der.octet_string(b"saltsalt"), der.integer(iterations))


SHA1 = der.sequence(der.oid("1.3.14.3.2.26"))


@pytest.mark.parametrize(
    "mac_data, code",
    [
        (mac(SHA1, 1), "key.wrong-password"),
        (mac(SHA1, 1, b""), "key.wrong-password"),
        (mac(SHA1, 0), "key.malformed"),
        (mac(SHA1, -5), "key.malformed"),
        (mac(der.sequence(der.oid("1.2.3")), 1), "key.unsupported"),
        (mac(der.sequence(der.oid("2.16.840.1.101.3.4.2.8")), 1), "key.unsupported"),
        (mac(der.sequence(der.oid("1.2.840.113549.1.5.14")), 1), "key.malformed"),
        (der.sequence(), "key.malformed"),
        (der.NULL_VALUE, "key.malformed"),
    ],
)
def test_a_mac_that_is_there_is_checked(mac_data: bytes, code: str) -> None:
    safe = der.sequence(data_info(der.sequence(key_bag(carol()), certificate_bag(carol()))))
    assert code_of(der.sequence(der.integer(3), data_info(safe), mac_data), "x") == code


def test_a_changed_file_does_not_match_its_mac() -> None:
    data = bytearray(alice().to_pkcs12("x"))
    data[200] ^= 1
    assert code_of(bytes(data), "x") == "key.wrong-password"


def test_a_mac_that_costs_too_much() -> None:
    safe = der.sequence(data_info(der.sequence()))
    data = der.sequence(der.integer(3), data_info(safe), mac(SHA1, 10_000_001))
    with pytest.raises(LimitExceeded) as error:
        Credential.from_pkcs12(data, "x")
    assert error.value.code == "limit.pbkdf2-iterations"


def test_many_cheap_derivations_cost_too_much_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smimekit.keys.passwords._DERIVATIONS", 4)
    hashing = der.sequence(der.octet_string(b"salt"), der.integer(1_000))
    identifier = der.sequence(
        der.oid("1.2.840.113549.1.5.13"),
        der.sequence(
            der.sequence(der.oid("1.2.840.113549.1.5.12"), hashing),
            der.sequence(der.oid("2.16.840.1.101.3.4.1.42"), der.octet_string(bytes(16))),
        ),
    )
    shrouded = bag(
        "1.2.840.113549.1.12.10.1.2", der.sequence(identifier, der.octet_string(bytes(16)))
    )
    # 32 octets of key are two blocks of SHA-1: 2000 for each of three encodings of the password.
    with pytest.raises(LimitExceeded):
        Credential.from_pkcs12(pfx(shrouded), "\xe9", limits=Limits(pbkdf2_iterations=1_000))
    assert code_of(pfx(shrouded), "\xe9") == "key.wrong-password"


def test_the_bound_is_the_callers() -> None:
    data = alice().to_pkcs12("x")
    with pytest.raises(LimitExceeded):
        Credential.from_pkcs12(data, "x", limits=Limits(pbkdf2_iterations=99_999))
    assert Credential.from_pkcs12(data, "x", limits=Limits(pbkdf2_iterations=300_000))


def envelope(content_type: str) -> bytes:
    info = der.sequence(der.oid(content_type), der.explicit(0, der.sequence()))
    return der.sequence(der.integer(3), data_info(der.sequence(info)))


MALFORMED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "key.malformed"),
    "text": (b"a letter", "key.malformed"),
    "empty-sequence": (der.sequence(), "key.malformed"),
    "version": (pfx(version=2), "key.unsupported"),
    "signed": (
        der.sequence(der.integer(3), der.sequence(der.oid("1.2.840.113549.1.7.2"))),
        "key.unsupported",
    ),
    "enveloped": (envelope("1.2.840.113549.1.7.3"), "key.unsupported"),
    "bad-encrypted": (envelope("1.2.840.113549.1.7.6"), "key.malformed"),
    "no-bags": (pfx(), "key.none"),
    "behind": (pfx() + b"\0", "key.malformed"),
    "bad-certificate": (
        pfx(
            bag(
                CERTIFICATE_BAG,
                der.sequence(
                    der.oid("1.2.840.113549.1.9.22.1"), der.explicit(0, der.octet_string(b"x"))
                ),
            )
        ),
        "key.malformed",
    ),
    "bad-key": (pfx(bag(KEY_BAG, der.sequence())), "key.malformed"),
}


@pytest.mark.parametrize("data, code", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_file(data: bytes, code: str) -> None:
    assert code_of(data, "x") == code


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3), st.booleans())
def test_damage_gives_a_credential_or_an_error(at: int, octets: bytes, insert: bool) -> None:
    whole = pfx(key_bag(carol(), b"1"), certificate_bag(carol(), b"1"))
    at %= len(whole)
    data = whole[:at] + octets + whole[at if insert else at + len(octets) :]
    with suppress(KeyFileError, LimitExceeded):
        found = Credential.from_pkcs12(data)
        assert found.all


LIGHT = Limits(pbkdf2_iterations=100)
"""Damage may multiply iterations; the tests have not all day."""


@cache
def protected() -> bytes:
    """A file with a MAC and encrypted bags which costs little to open."""
    return run("openssl", "pkcs12", "-export", "-legacy", "-noiter", "-nomaciter", "-passout", "pass:x", data=pem_of(carol()))  # fmt: skip


@pytest.mark.interop
@settings(deadline=None, max_examples=300)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3), st.booleans())
def test_damage_under_a_mac_changes_nothing_or_is_an_error(
    at: int, octets: bytes, insert: bool
) -> None:
    find_program("openssl")
    whole = protected()
    at %= len(whole)
    data = whole[:at] + octets + whole[at if insert else at + len(octets) :]
    if data != whole:
        # What the MAC does not cover is framing: BER can say the same in many ways.
        with suppress(KeyFileError, LimitExceeded):
            found = Credential.from_pkcs12(data, "x", limits=LIGHT)
            assert found.certificate == carol().certificate


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=300))
def test_any_octets_give_an_error(data: bytes) -> None:
    with pytest.raises((KeyFileError, LimitExceeded)):
        Credential.from_pkcs12(data, "x")


@pytest.mark.parametrize("cut", [1, 10, 100, 500])
def test_half_a_file(cut: int) -> None:
    assert code_of(alice().to_pkcs12("x")[:-cut], "x") == "key.malformed"
