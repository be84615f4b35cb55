"""A small CA: what it issues is accepted, what it revokes is not, and nothing is half done."""

import sqlite3
import stat
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

import smimekit
from smimekit.cli import files
from smimekit.cli.private_ca import PrivateCA
from tests.cli.support import DRAFT, PASSWORD, Done, Run
from tests.conftest import find_program

INIT = ("ca", "init", "team", "--crl-url", "http://ca.example.org/ca.crl", "--ca-url", "http://ca.example.org/ca.der")  # fmt: skip
ISSUE = ("ca", "issue", "team", "dora@example.org", "dora.csr", "-o", "dora.pem")
MAIL = DRAFT.replace(b"alice", b"dora")


@pytest.fixture
def team(run: Run) -> Done:
    """A CA in the folder `team`, and a request of Dora's."""
    assert run("keys", "request", "dora@example.org", "-o", "dora.key").status == 0
    done = run(*INIT, "--json")
    assert done.status == 0
    return done


def x509_of(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


# --- the request ---------------------------------------------------------------------------


def test_a_request_has_the_address_and_is_signed(run: Run, here: Path) -> None:
    done = run("keys", "request", "dora@example.org", "--name", "Dora", "-o", "dora.key", "--json")
    assert (done.status, done.json) == (0, {"key": "dora.key", "request": "dora.csr"})
    request = x509.load_pem_x509_csr((here / "dora.csr").read_bytes())
    assert request.is_signature_valid
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.RFC822Name("dora@example.org")]
    assert request.subject.rfc4514_string() == "CN=Dora"
    assert stat.S_IMODE((here / "dora.key").stat().st_mode) == 0o600
    assert (here / "dora.key").read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")


@pytest.mark.parametrize("kind", ["p384", "rsa-2048", "ed25519"])
def test_openssl_accepts_requests(run: Run, here: Path, kind: str) -> None:
    openssl = find_program("openssl")
    run("keys", "request", "dora@example.org", "-o", "dora.key", "--type", kind)
    words = [openssl, "req", "-in", "dora.csr", "-verify", "-noout", "-text"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "email:dora@example.org" in done.stdout
    unlocked = [openssl, "pkey", "-in", "dora.key", "-passin", f"pass:{PASSWORD}", "-noout"]
    subprocess.run(unlocked, capture_output=True, check=True)


def test_keys_and_requests_are_not_replaced_unasked(run: Run, here: Path) -> None:
    words = ("keys", "request", "dora@example.org", "-o", "dora.key")
    run(*words)
    before = (here / "dora.key").read_bytes()
    done = run(*words, "--json")
    assert (done.status, done.code) == (2, "usage.file-exists")
    (here / "dora.key").unlink()
    assert run(*words).status == 2  # the request is still there
    assert not (here / "dora.key").exists()
    assert run(*words, "--force").status == 0
    assert (here / "dora.key").read_bytes() != before
    assert run("keys", "request", "dora@example.org", "-o", "dora.csr", "--force").status == 2


# --- the CA --------------------------------------------------------------------------------


def test_what_it_issues_follows_the_profile(run: Run, here: Path, team: Done) -> None:
    """S/MIME BR, 7.1.2.3: usages critical, one address, CRL and issuer by HTTP, emailProtection."""
    assert run(*ISSUE, "--name", "Dora").status == 0
    leaf, root = x509_of(here / "dora.pem"), x509_of(here / "team" / "ca.pem")
    found = {each.value.__class__: each for each in leaf.extensions}
    usage = found[x509.KeyUsage]
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.key_agreement
    assert not usage.value.key_cert_sign
    assert found[x509.BasicConstraints].value == x509.BasicConstraints(ca=False, path_length=None)
    assert list(found[x509.ExtendedKeyUsage].value) == [ExtendedKeyUsageOID.EMAIL_PROTECTION]
    assert list(found[x509.SubjectAlternativeName].value) == [x509.RFC822Name("dora@example.org")]
    (point,) = found[x509.CRLDistributionPoints].value
    assert [name.value for name in point.full_name] == ["http://ca.example.org/ca.crl"]
    (access,) = found[x509.AuthorityInformationAccess].value
    assert access.access_method == AuthorityInformationAccessOID.CA_ISSUERS
    assert access.access_location.value == "http://ca.example.org/ca.der"
    assert x509.CertificatePolicies not in found  # nobody audited this CA
    assert leaf.issuer == root.subject
    root_usage = root.extensions.get_extension_for_class(x509.KeyUsage)
    assert root_usage.critical
    assert root_usage.value.key_cert_sign
    assert root_usage.value.crl_sign
    basic = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca) == (True, True)


@pytest.mark.parametrize(
    ("kind", "usage", "bits", "signs"),
    [
        ("p256", "sign", ["digital_signature"], True),
        ("p256", "encrypt", ["key_agreement"], False),
        ("rsa-2048", "encrypt", ["key_encipherment"], False),
        ("ed25519", "sign", ["digital_signature"], True),
    ],
)
def test_a_key_for_one_use_only(
    run: Run, here: Path, team: Done, kind: str, usage: str, bits: list[str], signs: bool
) -> None:
    """RFC 9787, 8.2.1.1: one certificate for signing and another one for encryption."""
    words = ("keys", "request", "dora@example.org", "-o", "dora.key", "--force", "--type", kind)
    assert run(*words).status == 0
    assert run(*ISSUE, "--usage", usage).status == 0
    leaf = here / "dora.pem"
    found = x509_of(leaf).extensions.get_extension_for_class(x509.KeyUsage).value
    names = [each for each in _BITS if getattr(found, each)]
    assert [each for each in names if each != "content_commitment"] == bits
    # OpenSSL calls no certificate with keyAgreement fit for smimeencrypt.
    for purpose, fits in (("smimesign", signs), ("smimeencrypt", kind == "rsa-2048")):
        command = [find_program("openssl"), "verify", "-purpose", purpose]
        done = subprocess.run(
            [*command, "-CAfile", "team/ca.pem", "dora.pem"], capture_output=True, check=False
        )
        assert (done.returncode == 0) is fits


_BITS = ("digital_signature", "content_commitment", "key_encipherment", "key_agreement")


def test_its_ecdsa_signatures_are_deterministic(run: Run, here: Path, team: Done) -> None:
    """RFC 8550, 4.3 and RFC 6979: the same key signs the same octets in one way only."""
    assert run(*ISSUE).status == 0
    assert run("ca", "crl", "team", "-o", "ca.crl").status == 0
    leaf, crl = x509_of(here / "dora.pem"), x509.load_der_x509_crl((here / "ca.crl").read_bytes())
    key = PrivateCA.open(here / "team", PASSWORD).key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    how = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    assert key.sign(leaf.tbs_certificate_bytes, how) == leaf.signature
    assert key.sign(crl.tbs_certlist_bytes, how) == crl.signature


def test_a_key_that_only_signs_is_not_for_encryption(run: Run, here: Path, team: Done) -> None:
    run("keys", "request", "dora@example.org", "-o", "dora.key", "--force", "--type", "ed25519")
    done = run(*ISSUE, "--usage", "encrypt", "--json")
    assert (done.status, done.code) == (2, "usage.key-kind")
    assert not (here / "dora.pem").exists()


def test_two_keys_of_one_person_work_together(run: Run, here: Path, team: Done) -> None:
    """What is signed with the one announces the other, to which others encrypt."""
    for usage in ("sign", "encrypt"):
        run("keys", "request", "dora@example.org", "-o", f"{usage}.key")
        words = ("ca", "issue", "team", "dora@example.org", f"{usage}.csr", "--usage", usage)
        assert run(*words, "-o", f"{usage}.pem").status == 0
    key = (here / "sign.key", here / "sign.pem", here / "encrypt.key", here / "encrypt.pem")
    dora = smimekit.Credential.from_pem(*key, password=PASSWORD)
    mail = smimekit.sign(MAIL, dora)
    (here / "signed.eml").write_bytes(mail)
    done = run("verify", "--anchor", "team/ca.pem", "signed.eml", "--json")
    assert done.status == 0
    [other] = [one for one in smimekit.load_certificates(here / "encrypt.pem") if one.addresses]
    shown = [each["fingerprint"] for each in done.json["layers"][0]["certificates"]]
    assert other.fingerprint in shown
    assert smimekit.decrypt(smimekit.encrypt(MAIL, [other]), [dora]).bytes()


def test_without_urls_there_are_no_pointers(run: Run, here: Path) -> None:
    run("keys", "request", "dora@example.org", "-o", "dora.key")
    run("ca", "init", "team")
    assert run(*ISSUE).status == 0
    found = {each.value.__class__ for each in x509_of(here / "dora.pem").extensions}
    assert not found & {x509.CRLDistributionPoints, x509.AuthorityInformationAccess}


@pytest.mark.parametrize("kind, own", [("p256", "rsa-2048"), ("rsa-3072", "p256")])
def test_openssl_accepts_what_it_issues_until_it_is_revoked(
    run: Run, here: Path, kind: str, own: str
) -> None:
    openssl = find_program("openssl")
    run("keys", "request", "dora@example.org", "-o", "dora.key", "--type", own)
    assert run("ca", "init", "team", "--type", kind).status == 0
    assert run(*ISSUE).status == 0

    def verified(*more: str) -> bool:
        words = [openssl, "verify", "-x509_strict", "-CAfile", "team/ca.pem", *more, "dora.pem"]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    assert verified("-purpose", "smimesign")
    # OpenSSL calls no certificate with keyAgreement fit for it, RFC 8550, 4.4.2 notwithstanding.
    assert verified("-purpose", "smimeencrypt") is (own == "rsa-2048")
    assert not verified("-purpose", "sslserver")
    for revoked in (False, True):
        if revoked:
            assert run("ca", "revoke", "team", "dora.pem", "--reason", "superseded").status == 0
        assert run("ca", "crl", "team", "-o", "ca.crl").status == 0
        pem = [openssl, "crl", "-in", "ca.crl", "-inform", "DER", "-out", "ca.crl.pem"]
        subprocess.run(pem, check=True)
        good = verified("-purpose", "smimesign", "-crl_check", "-CRLfile", "ca.crl.pem")
        assert good is not revoked


def test_we_trust_what_it_issues(run: Run, here: Path, team: Done) -> None:
    assert run(*ISSUE).status == 0
    mail = run("sign", "--key", "dora.key", "--cert", "dora.pem", stdin=MAIL)
    assert run("verify", "--anchor", team.json["anchor"], stdin=mail.out).status == 0
    secret = run("encrypt", "--to", "dora.pem", stdin=MAIL)
    assert run("decrypt", "--key", "dora.key", "--cert", "dora.pem", stdin=secret.out).status == 0
    assert smimekit.load_certificates((here / "dora.pem").read_bytes())[1].is_self_signed


def test_crls_count_and_say_why(run: Run, here: Path, team: Done) -> None:
    run(*ISSUE)
    serial = x509_of(here / "dora.pem").serial_number
    seen = []
    for words in ((), ("ca", "revoke", "team", f"{serial:X}", "--reason", "key-compromise")):
        if words:
            done = run(*words, "--json")
            assert (done.status, done.json["address"]) == (0, "dora@example.org")
        assert run("ca", "crl", "team", "-o", "ca.crl").status == 0
        crl = x509.load_der_x509_crl((here / "ca.crl").read_bytes())
        root = x509_of(here / "team" / "ca.pem")
        assert crl.is_signature_valid(root.public_key())  # type: ignore[arg-type]  # an EC key
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        seen.append((number, [each.serial_number for each in crl]))
    assert seen == [(1, []), (2, [serial])]
    (entry,) = crl
    reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    assert reason is x509.ReasonFlags.key_compromise


# --- what it refuses -----------------------------------------------------------------------


def write_request(
    file: Path, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, *addresses: str
) -> bytes:
    builder = x509.CertificateSigningRequestBuilder(x509.Name([]))
    if addresses:
        names = x509.SubjectAlternativeName(map(x509.RFC822Name, addresses))
        builder = builder.add_extension(names, critical=False)
    data = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    file.write_bytes(data)
    return data


def refused(run: Run, here: Path, status: int, code: str) -> None:
    done = run(*ISSUE, "--json")
    assert (done.status, done.code) == (status, code)
    assert not (here / "dora.pem").exists()
    with closing(sqlite3.connect(here / "team" / "ca.db")) as connection:
        assert connection.execute("SELECT count(*) FROM issued").fetchone() == (0,)


@pytest.mark.parametrize("addresses", [(), ("eve@example.org",)])
def test_a_request_for_somebody_else(
    run: Run, here: Path, team: Done, addresses: tuple[str, ...]
) -> None:
    write_request(here / "dora.csr", ec.generate_private_key(ec.SECP256R1()), *addresses)
    refused(run, here, 2, "usage.request-address")


def test_only_the_address_that_was_named_is_certified(run: Run, here: Path, team: Done) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    write_request(here / "dora.csr", key, "ceo@example.org", "dora@example.org")
    assert run(*ISSUE).status == 0
    (leaf, _) = smimekit.load_certificates((here / "dora.pem").read_bytes())
    assert leaf.addresses == ("dora@example.org",)


def test_weak_keys(run: Run, here: Path, team: Done) -> None:
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 - the point
    for key in (weak, ec.generate_private_key(ec.SECP256K1())):
        write_request(here / "dora.csr", key, "dora@example.org")
        refused(run, here, 2, "usage.key-kind")


def test_a_request_that_was_changed(run: Run, here: Path, team: Done) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    data = write_request(here / "dora.csr", key, "xora@example.org")
    (here / "dora.csr").write_bytes(data.replace(b"xora@", b"dora@"))
    refused(run, here, 3, "certificate.request")
    (here / "dora.csr").write_bytes(b"no request")
    refused(run, here, 3, "certificate.request")


def test_a_certificate_does_not_outlive_its_ca(run: Run, here: Path) -> None:
    run("keys", "request", "dora@example.org", "-o", "dora.key")
    run("ca", "init", "team", "--days", "100")
    refused(run, here, 2, "usage.days")


def test_a_wrong_password(run: Run, here: Path, team: Done) -> None:
    done = run(*ISSUE, "--password-file", "wrong", "--json")
    assert (done.status, done.code) == (4, "key.wrong-password")
    data = b"".join(path.read_bytes() for path in (here / "team").iterdir())
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in data
    assert b"BEGIN PRIVATE KEY" not in data


def test_what_it_did_not_issue_is_not_revoked(run: Run, here: Path, team: Done) -> None:
    for which in ("alice.pem", "1234abcd", "team/ca.pem"):
        done = run("ca", "revoke", "team", which, "--json")
        assert (done.status, done.code) == (2, "usage.not-issued")
    run(*ISSUE)
    assert run("ca", "revoke", "team", "dora.pem").status == 0
    done = run("ca", "revoke", "team", "dora.pem", "--json")
    assert (done.status, done.code) == (2, "usage.revoked")


def test_a_certificate_that_only_looks_like_one_of_its_own(
    run: Run, here: Path, team: Done
) -> None:
    """Its names and serial number are right, its signature is a stranger's."""
    run(*ISSUE)
    real, key = x509_of(here / "dora.pem"), ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(
        real.issuer, real.subject, key.public_key(), real.serial_number,
        real.not_valid_before_utc, real.not_valid_after_utc,
    )  # fmt: skip
    forged = builder.sign(key, hashes.SHA256())
    (here / "forged.pem").write_bytes(forged.public_bytes(Encoding.PEM))
    done = run("ca", "revoke", "team", "forged.pem", "--json")
    assert (done.status, done.code) == (2, "usage.not-issued")


@pytest.mark.parametrize("url", ["https://ca.example.org/x", "ftp://x/y", "http://", "ca.crl"])
def test_urls_that_nobody_can_ask(run: Run, url: str) -> None:
    assert run("ca", "init", "team", "--crl-url", url).status == 2


# --- whole or not at all -------------------------------------------------------------------


def test_a_ca_is_not_replaced(run: Run, here: Path, team: Done) -> None:
    before = (here / "team" / "ca.db").read_bytes()
    done = run(*INIT, "--json")
    assert (done.status, done.code) == (2, "usage.file-exists")
    assert (here / "team" / "ca.db").read_bytes() == before
    assert stat.S_IMODE((here / "team" / "ca.db").stat().st_mode) == 0o600
    assert stat.S_IMODE((here / "team").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "words", [ISSUE, ("ca", "revoke", "team", "12"), ("ca", "crl", "team", "-o", "ca.crl")]
)
@pytest.mark.parametrize("begun", [False, True])
def test_a_folder_without_a_ca(run: Run, here: Path, words: tuple[str, ...], begun: bool) -> None:
    if begun:
        (here / "team").mkdir()
        (here / "team" / "ca.db").touch()
    (here / "dora.csr").touch()
    done = run(*words, "--json")
    assert (done.status, done.code) == (2, "usage.ca")
    assert run("ca", "init", "team").status == 0


def test_a_root_that_is_missing_is_written_again(run: Run, here: Path, team: Done) -> None:
    before = (here / "team" / "ca.pem").read_bytes()
    (here / "team" / "ca.pem").unlink()
    assert run(*ISSUE).status == 0
    assert (here / "team" / "ca.pem").read_bytes() == before


@pytest.mark.parametrize(
    "words", [(*ISSUE, "--days", "826"), ("ca", "crl", "team", "-o", "ca.crl", "--days", "11")]
)
def test_nothing_is_valid_for_longer_than_the_requirements_allow(
    run: Run, here: Path, team: Done, words: tuple[str, ...]
) -> None:
    assert run(*words).status == 2  # S/MIME BR, 6.3.2 and 4.9.7


def test_a_file_that_is_there_is_kept_and_nothing_is_issued(
    run: Run, here: Path, team: Done
) -> None:
    (here / "dora.pem").write_text("mine")
    done = run(*ISSUE, "--json")
    assert (done.status, done.code) == (2, "usage.file-exists")
    assert (here / "dora.pem").read_text() == "mine"
    with closing(sqlite3.connect(here / "team" / "ca.db")) as connection:
        assert connection.execute("SELECT count(*) FROM issued").fetchone() == (0,)
    assert run(*ISSUE, "--force").status == 0


def test_what_leaves_the_ca_is_recorded_before(
    run: Run, here: Path, team: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full when the certificate is written: it can be revoked, for it is known."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files, "_finish", full)
        assert run(*ISSUE).status == 2
    assert not (here / "dora.pem").exists()
    with closing(sqlite3.connect(here / "team" / "ca.db")) as connection:
        ((serial,),) = connection.execute("SELECT serial FROM issued").fetchall()
    assert run("ca", "revoke", "team", serial).status == 0


def test_what_cannot_be_recorded_does_not_leave(run: Run, here: Path, team: Done) -> None:
    with closing(sqlite3.connect(here / "team" / "ca.db")) as connection:
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON issued BEGIN SELECT RAISE(ABORT, 'full'); END")  # fmt: skip
    done = run(*ISSUE, "--json")
    assert (done.status, done.code) == (2, "store.unavailable")
    assert not (here / "dora.pem").exists()


def test_a_crl_number_is_used_once(
    run: Run, here: Path, team: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 5280, 5.2.3: growing numbers; one that was lost with its CRL is not given again."""
    with monkeypatch.context() as patch:
        patch.setattr("smimekit.cli.ca.write_out", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))  # fmt: skip
        assert run("ca", "crl", "team", "-o", "ca.crl").status == 2
    assert run("ca", "crl", "team", "-o", "ca.crl").status == 0
    crl = x509.load_der_x509_crl((here / "ca.crl").read_bytes())
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 2


def test_a_registry_of_another_version_or_none(run: Run, here: Path, team: Done) -> None:
    with closing(sqlite3.connect(here / "team" / "ca.db")) as connection:
        connection.execute("PRAGMA user_version = 9")
    done = run(*ISSUE, "--json")
    assert (done.status, done.code) == (2, "store.schema")
    (here / "team" / "ca.db").write_bytes(b"garbage" * 100)
    done = run(*ISSUE, "--json")
    assert (done.status, done.code) == (2, "store.unavailable")


def test_a_crl_at_hand_says_who_is_revoked(run: Run, here: Path) -> None:
    """Without a web server that has it."""
    del here
    run("ca", "init", "team", "--name", "Team CA")
    run("keys", "request", "alice@example.org", "-o", "own.key")
    run("ca", "issue", "team", "alice@example.org", "own.csr", "-o", "own.pem")
    run("sign", "--key", "own.key", "--cert", "own.pem", "draft.eml", "-o", "own.eml")
    verify = ("verify", "--json", "--anchor", "team/ca.pem")
    assert run(*verify, "own.eml").status == 0
    run("ca", "revoke", "team", "own.pem")
    run("ca", "crl", "team", "-o", "team.crl")
    assert run(*verify, "own.eml").status == 0  # nobody was asked
    done = run(*verify, "--crl", "team.crl", "own.eml")
    assert (done.status, done.code) == (1, "untrusted-signer.rejected")
    assert run(*verify, "--crl", "own.pem", "own.eml").status == 2


def test_what_was_issued_is_listed(run: Run, team: Done) -> None:
    del team
    assert run("ca", "list", "team", "--json").json == {"issued": []}
    run(*ISSUE)
    (issued,) = run("ca", "list", "team", "--json").json["issued"]
    assert (issued["address"], issued["revoked"]) == ("dora@example.org", None)
    assert run("ca", "revoke", "team", issued["serial"], "--reason", "superseded").status == 0
    (issued,) = run("ca", "list", "team", "--json").json["issued"]
    assert (issued["reason"], issued["revoked"][:2]) == ("superseded", "20")
    assert "superseded" in run("ca", "list", "team").text
    assert run("ca", "list", "nowhere", "--json").code == "usage.ca"
