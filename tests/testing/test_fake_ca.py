"""People for tests: the good ones are good, and each broken one has exactly its own fault."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from smimekit.certificate import Certificate
from smimekit.errors import UsageError
from smimekit.keys import Credential
from smimekit.testing import FakeCA
from tests.conftest import find_program

NOW = datetime(2031, 5, 17, 12, 30, 15, 999, tzinfo=UTC)
EMAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION.dotted_string


@pytest.fixture(scope="module")
def ca() -> FakeCA:
    return FakeCA("Example CA", now=NOW)


def valid(certificate: Certificate, at: datetime) -> bool:
    return certificate.not_before <= at <= certificate.not_after


def test_three_lines() -> None:
    ca = FakeCA("Example CA")
    alice = ca.person("alice@example.org")
    assert alice.certificate.signed_by(ca.certificate)
    assert valid(alice.certificate, datetime.now(UTC))


def test_a_person(ca: FakeCA) -> None:
    who = ca.person("alice@example.org", "a@example.net", name="Alice")
    leaf = who.certificate
    assert who.addresses == ("alice@example.org", "a@example.net")
    assert leaf.subject_text == "CN=Alice"
    assert leaf.key_name == "EC P-256"
    assert leaf.key_usage == frozenset({"digitalSignature", "keyAgreement"})
    assert leaf.extended_key_usage == frozenset({EMAIL})
    assert leaf.authority_key_id == ca.certificate.key_id
    assert leaf.key_id
    assert not leaf.is_ca
    assert valid(leaf, NOW)
    assert who.chain == (ca.certificate,)
    assert leaf.serial != ca.person("alice@example.org").certificate.serial


def test_the_authority(ca: FakeCA) -> None:
    root = ca.certificate
    assert root.is_ca
    assert root.is_self_issued
    assert root.signed_by(root)
    assert root.key_usage == frozenset({"keyCertSign", "cRLSign"})
    assert root.extended_key_usage is None
    assert repr(ca) == "<FakeCA 'Example CA'>"


def test_criticality(ca: FakeCA) -> None:
    # S/MIME BR, 7.1.2.3: keyUsage and basicConstraints critical, nothing else.
    for certificate in (ca.certificate, ca.person("a@example.org").certificate):
        critical = {ext.oid._name for ext in certificate.x509.extensions if ext.critical}
        assert critical == {"basicConstraints", "keyUsage"}


def test_the_policy_of_the_profile(ca: FakeCA) -> None:
    found = ca.person("a@example.org").certificate.x509.extensions
    policies = found.get_extension_for_class(x509.CertificatePolicies).value
    assert [each.policy_identifier.dotted_string for each in policies] == ["2.23.140.1.5.1.3"]


@pytest.mark.parametrize(
    "key, name, usage",
    [
        ("p384", "EC P-384", {"digitalSignature", "keyAgreement"}),
        ("p521", "EC P-521", {"digitalSignature", "keyAgreement"}),
        ("ed25519", "Ed25519", {"digitalSignature"}),
        ("x25519", "X25519", {"keyAgreement"}),
        ("rsa-2048", "RSA-2048", {"digitalSignature", "keyEncipherment"}),
    ],
)
def test_kinds_of_keys(ca: FakeCA, key: str, name: str, usage: set[str]) -> None:
    leaf = ca.person("a@example.org", key=key).certificate
    assert (leaf.key_name, leaf.key_usage) == (name, frozenset(usage))


@pytest.mark.parametrize("key", ["p256", "p384", "p521", "ed25519", "rsa-2048"])
def test_kinds_of_authorities(key: str) -> None:
    ca = FakeCA(key=key)
    assert ca.certificate.signed_by(ca.certificate)
    assert ca.person("a@example.org").certificate.signed_by(ca.certificate)
    assert x509.load_der_x509_crl(ca.crl()).issuer == ca.certificate.x509.subject


def test_intermediates(ca: FakeCA) -> None:
    lowest = ca.intermediate("Sub CA").intermediate("Sub sub CA", key="p384")
    who = lowest.person("a@example.org")
    assert [each.subject_text for each in who.chain] == [
        "CN=Sub sub CA",
        "CN=Sub CA",
        "CN=Example CA",
    ]
    for below, above in zip((who.certificate, *who.chain), who.chain, strict=False):
        assert below.signed_by(above)
        assert above.is_ca
    assert who.chain[0].extended_key_usage == frozenset({EMAIL})
    assert lowest.now == ca.now


def test_addresses_beyond_ascii(ca: FakeCA) -> None:
    # RFC 9598, 3: SmtpUTF8Mailbox only for a local part beyond ASCII, domains as A-labels.
    who = ca.person("älice@bücher.example", "bob@bücher.example")
    assert who.addresses == ("älice@xn--bcher-kva.example", "bob@xn--bcher-kva.example")
    names = who.certificate.x509.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert [type(each) for each in names.value] == [x509.OtherName, x509.RFC822Name]


def test_time_is_the_callers() -> None:
    local = NOW.astimezone(None)
    for now in (NOW, local):
        leaf = FakeCA(now=now).person("a@example.org").certificate
        assert leaf.not_before == NOW.replace(microsecond=0) - timedelta(days=1)
        assert leaf.not_after == NOW.replace(microsecond=0) + timedelta(days=365)


# --- the broken ones -----------------------------------------------------------------------


def healthy(ca: FakeCA, who: Credential) -> dict[str, bool]:
    leaf = who.certificate
    usage = leaf.extended_key_usage
    return {
        "time": valid(leaf, ca.now),
        "usage": usage is not None and EMAIL in usage,
        "address": bool(leaf.addresses),
        "strength": leaf.key_name != "RSA-1024",
        "issuer": leaf.signed_by(ca.certificate),
        "signs": "digitalSignature" in (leaf.key_usage or ()),
        "encrypts": who.encryption_certificate is not None,
    }


FAULTS: dict[str, tuple[Callable[[FakeCA], Credential], set[str]]] = {
    "person": (lambda ca: ca.person("a@example.org"), set()),
    "expired": (lambda ca: ca.expired("a@example.org"), {"time"}),
    "not_yet_valid": (lambda ca: ca.not_yet_valid("a@example.org"), {"time"}),
    "wrong_usage": (lambda ca: ca.wrong_usage("a@example.org"), {"usage"}),
    "no_address": (lambda ca: ca.no_address("a@example.org"), {"address"}),
    "weak_key": (lambda ca: ca.weak_key("a@example.org"), {"strength"}),
    "self_signed": (lambda ca: ca.self_signed("a@example.org"), {"issuer"}),
    "unknown_ca": (lambda ca: ca.unknown_ca("a@example.org"), {"issuer"}),
    "sign_only": (lambda ca: ca.sign_only("a@example.org"), {"encrypts"}),
    "encrypt_only": (lambda ca: ca.encrypt_only("a@example.org"), {"signs"}),
}


@pytest.mark.parametrize("make, faults", FAULTS.values(), ids=FAULTS)
def test_one_fault_each(ca: FakeCA, make: Callable[[FakeCA], Credential], faults: set[str]) -> None:
    facts = healthy(ca, make(ca))
    assert {fact for fact, good in facts.items() if not good} == faults


def test_expired_and_not_yet(ca: FakeCA) -> None:
    assert ca.expired("a@example.org").certificate.not_after < ca.now
    assert ca.not_yet_valid("a@example.org").certificate.not_before > ca.now


def test_self_signed_is_alone(ca: FakeCA) -> None:
    who = ca.self_signed("a@example.org", name="A")
    assert who.certificate.signed_by(who.certificate)
    assert not who.certificate.is_ca
    assert who.chain == ()


def test_unknown_ca_has_a_chain_of_its_own(ca: FakeCA) -> None:
    who = ca.unknown_ca("a@example.org")
    assert who.certificate.signed_by(who.chain[0])
    assert who.chain != ca.chain


@pytest.mark.parametrize("key, partner", [("p256", "EC P-256"), ("ed25519", "X25519")])
def test_dual(ca: FakeCA, key: str, partner: str) -> None:
    who = ca.dual("a@example.org", key=key)
    assert who.encryption_certificate
    assert who.encryption_certificate.key_name == partner
    assert who.signing.certificate != who.encryption_certificate
    assert who.certificate.key_usage == frozenset({"digitalSignature"})


# --- revocation ----------------------------------------------------------------------------


def test_a_crl(ca: FakeCA) -> None:
    one, two, three = (ca.person(f"{name}@example.org") for name in "abc")
    ca.revoke(one)
    crl = x509.load_der_x509_crl(ca.crl(revoked=[two.certificate]))
    key = ca.certificate.public_key
    assert crl.is_signature_valid(key)  # type: ignore[arg-type]  # an EC key
    assert {each.serial_number for each in crl} == {one.certificate.serial, two.certificate.serial}
    assert three.certificate.serial not in {each.serial_number for each in crl}
    assert crl.next_update_utc
    assert crl.last_update_utc < NOW < crl.next_update_utc
    later = x509.load_der_x509_crl(ca.crl())
    numbers = [each.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number for each in (crl, later)]  # fmt: skip
    assert numbers[0] < numbers[1]
    assert len(list(later)) == 2


def test_both_certificates_of_a_pair_are_revoked(ca: FakeCA) -> None:
    who = ca.dual("pair@example.org")
    crl = x509.load_der_x509_crl(ca.crl(revoked=[who]))
    for each in who.all:
        assert crl.get_revoked_certificate_by_serial_number(each.certificate.serial)


def test_nobody_revokes_what_others_issued(ca: FakeCA) -> None:
    stranger = FakeCA("Other").person("a@example.org")
    with pytest.raises(UsageError):
        ca.crl(revoked=[stranger])


# --- mistakes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, code",
    [
        (lambda ca: ca.person(), "usage.address"),
        (lambda ca: ca.self_signed(), "usage.address"),
        (lambda ca: ca.person("nobody"), "usage.address"),
        (lambda ca: ca.person("@example.org"), "usage.address"),
        (lambda ca: ca.person("a@example.org", key="rsa"), "usage.key-kind"),
        (lambda ca: ca.person("a@example.org", key="rsa-512"), "usage.key-kind"),
        (lambda ca: ca.sign_only("a@example.org", key="x25519"), "usage.key-kind"),
        (lambda ca: ca.encrypt_only("a@example.org", key="ed25519"), "usage.key-kind"),
        (lambda ca: ca.self_signed("a@example.org", key="x25519"), "usage.key-kind"),
        (lambda _: FakeCA(key="x25519"), "usage.key-kind"),
    ],
)
def test_what_makes_no_sense(ca: FakeCA, call: Callable[[FakeCA], object], code: str) -> None:
    with pytest.raises(UsageError) as error:
        call(ca)
    assert error.value.code == code


def test_it_needs_no_test_framework() -> None:
    code = "import sys, smimekit.testing; sys.exit('pytest' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_smimekit_does_not_import_it() -> None:
    code = "import sys, smimekit; sys.exit('smimekit.testing' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.interop
def test_openssl_likes_the_people(tmp_path: Path) -> None:
    find_program("openssl")
    ca = FakeCA().intermediate()
    who = ca.person("alice@example.org")
    (tmp_path / "root.pem").write_bytes(who.chain[-1].pem())
    (tmp_path / "sub.pem").write_bytes(who.chain[0].pem())

    def verify(certificate: Certificate, *options: str) -> int:
        return subprocess.run(
            ["openssl", "verify", "-x509_strict", "-purpose", "smimesign", "-CAfile", "root.pem",
             "-untrusted", "sub.pem", *options],
            input=certificate.pem(), cwd=tmp_path, capture_output=True, check=False,
        ).returncode  # fmt: skip

    assert verify(who.certificate, "-verify_email", "alice@example.org") == 0
    assert verify(who.certificate, "-verify_email", "bob@example.org") != 0
    assert verify(ca.expired("alice@example.org").certificate) != 0
    assert verify(ca.wrong_usage("alice@example.org").certificate) != 0
    assert verify(ca.unknown_ca("alice@example.org").certificate) != 0
