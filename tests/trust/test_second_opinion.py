"""Certificates that `cryptography` refuses: which are sound all the same, and which are not."""

import warnings
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from smimekit import der
from smimekit.certificate import Certificate
from smimekit.trust import Purpose, Status, Trust, Validity
from smimekit.trust.revocation.ocsp import ask_about
from smimekit.trust.second_opinion import unreadable
from tests.trust import certs
from tests.trust.certs import NOW, Made, alt_names, ca
from tests.trust.hostile import ALICE, NO_WARNINGS, SUB, judge, within

pytestmark = NO_WARNINGS

MAIL = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
RFC822 = der.tlv(0x81, ALICE.encode())
FALSE = b"\x01\x01\x00"
TRUE = b"\x01\x01\xff"
POLICY = der.oid("1.2.3")


def odd(oid: str, value: bytes) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)


def person_with(*extensions: x509.ExtensionType, issuer: Made = SUB) -> Certificate:
    found: list[tuple[x509.ExtensionType, bool]]
    found = [(one, False) for one in (*extensions, MAIL)]
    if not any(one.oid == x509.SubjectAlternativeName.oid for one in extensions):
        found.append((alt_names(ALICE), False))
    return certs.make(ALICE, issuer, extensions=found).certificate


SOUND = {
    "a TLS feature without a name": ("1.3.6.1.5.5.7.1.24", der.sequence(der.integer(6))),
    "an X.400 address": ("2.5.29.17", der.sequence(RFC822, der.tlv(0xA3, der.sequence()))),
    "an X.400 address of the issuer": ("2.5.29.18", der.sequence(der.tlv(0xA3, der.sequence()))),
    "an unknown qualifier": (
        "2.5.29.32",
        der.sequence(
            der.sequence(POLICY, der.sequence(der.sequence(POLICY, der.tlv(der.UTF8_STRING, b""))))
        ),
    ),
    "an extension of Microsoft's": ("1.3.6.1.4.1.311.21.7", der.sequence()),
    "no list of certificate transparency": ("1.3.6.1.4.1.11129.2.4.2", b"\x04\x01\x00"),
    "decipherOnly without keyAgreement": ("2.5.29.15", der.bit_string(b"\xc0\x80", 7)),
    "cA FALSE, written out": ("2.5.29.19", der.sequence(FALSE)),
    "a path length without cA": ("2.5.29.19", der.sequence(der.integer(0))),
}


@pytest.mark.parametrize("name", SOUND)
def test_what_decides_nothing_does_no_harm(name: str) -> None:
    """RFC 5280, 4.2 (extensions that are not processed), 4.2.1.6 (forms of names), 4.2.1.4."""
    oid, value = SOUND[name]
    certificate = person_with(odd(oid, value))
    with pytest.raises(unreadable()):
        certificate.x509.extensions  # noqa: B018 - else this test shows nothing
    assert judge(certificate, [SUB.certificate]).status is Status.TRUSTED
    assert certificate.addresses == (ALICE,)
    assert not certificate.is_ca


def test_a_critical_extension_that_is_not_understood_still_counts() -> None:
    feature = odd("1.3.6.1.5.5.7.1.24", der.sequence(der.integer(6)))
    made = certs.make(ALICE, SUB, extensions=[(feature, True), (alt_names(ALICE), False)])
    found = judge(made.certificate, [SUB.certificate])
    assert [each.code for each in found.reasons][:1] == ["validity.malformed"]
    assert found.status is Status.UNTRUSTED


UNSOUND = {
    "no key usages": ("2.5.29.37", b"\x05\x00"),
    "a negative path length": ("2.5.29.19", der.sequence(TRUE, der.integer(-1))),
    "constraints on half an address": (
        "2.5.29.30", der.sequence(der.tlv(0xA0, der.sequence(der.tlv(0x87, b"\x7f\x00\x00"))))
    ),
    "a key identifier of another type": ("2.5.29.35", der.octet_string(b"x")),
    "policies that end too soon": ("2.5.29.32", b"\x30\x05\x06\x01"),
    "an endless policy": (
        "2.5.29.32",
        der.sequence(der.sequence(der.tlv(der.OID, b"\x2a" + b"\x81" * 60_000 + b"\x01"))),
    ),
    "an endless name": ("2.5.29.17", der.sequence(der.tlv(0x88, b"\x81" * 60_000 + b"\x01"))),
}  # fmt: skip


@pytest.mark.parametrize("name", UNSOUND)
def test_what_decides_is_read_by_both(name: str) -> None:
    """Beside an extension that `cryptography` refuses without need, all others still count."""
    feature = odd("1.3.6.1.5.5.7.1.24", der.sequence(der.integer(6)))
    oid, value = UNSOUND[name]
    more: list[tuple[x509.ExtensionType, bool]] = [(feature, False), (odd(oid, value), False)]
    basic = oid != "2.5.29.19"
    with within(1):
        issuer = ca("Odd", SUB, more=more, basic=basic, key_ids=oid != "2.5.29.35")
        found = judge(issuer.certificate, [SUB.certificate])
    assert found.validity is Validity.MALFORMED
    leaf = person_with(issuer=issuer)
    assert judge(leaf, [SUB.certificate, issuer.certificate]).status is Status.UNTRUSTED


# --- by hand, as no library writes it -------------------------------------------------------------


def by_hand(subject: bytes, *extensions: bytes, serial: int | None = None) -> Certificate:
    """A certificate of SUB's, with this CN (an ASN.1 value) and these extensions."""
    model = certs.make(ALICE, SUB).certificate
    algorithm = der.sequence(der.oid("1.2.840.10045.4.3.2"))
    whole = der.Reader(model.der).enter(der.SEQUENCE).enter(der.SEQUENCE)
    head = [whole.raw() for _ in range(4)]
    head[1] = head[1] if serial is None else der.integer(serial)
    validity, _ = whole.raw(), whole.raw()
    name = der.sequence(der.tlv(der.SET, der.sequence(der.oid("2.5.4.3"), subject)))
    more = der.constructed(3, der.sequence(*extensions))
    tbs = der.sequence(*head, validity, name, whole.raw(), more)
    assert head[2] == algorithm
    signature = SUB.key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    return Certificate(der.sequence(tbs, algorithm, der.bit_string(signature)))


def extension(oid: str, value: bytes, critical: bytes = b"") -> bytes:
    return der.sequence(der.oid(oid), critical, der.octet_string(value))


NAMES = extension("2.5.29.17", der.sequence(RFC822))
COMMON = der.tlv(der.UTF8_STRING, b"Alice")
ABOVE = der.sequence(der.constructed(1, RFC822), der.tlv(0x82, b"\xff"))
"""An authorityKeyIdentifier by issuer and serial number, which is -1."""


@pytest.mark.parametrize(
    "certificate",
    [
        by_hand(COMMON, extension("2.5.29.17", der.sequence(RFC822), FALSE)),
        by_hand(der.tlv(der.PRINTABLE_STRING, ALICE.encode()), NAMES),
        by_hand(der.tlv(der.PRINTABLE_STRING, b"Alice & Sons_*"), NAMES),
        by_hand(COMMON, NAMES, serial=0),
        by_hand(COMMON, NAMES, serial=-1000),
    ],
    ids=["critical FALSE, written out", "an address", "other signs", "serial 0", "serial < 0"],
)
def test_faults_of_many_authorities_are_forgiven(certificate: Certificate) -> None:
    """X.690, 11.5, X.680, 41.4 and RFC 5280, 4.1.2.2 forbid them; OpenSSL and NSS read them."""
    with pytest.raises(unreadable()):
        certificate.x509.extensions  # noqa: B018
    found = judge(certificate, [SUB.certificate])
    assert found.status is Status.TRUSTED
    assert certificate.addresses == (ALICE,)


def test_what_will_be_refused_one_day_is_no_error_today() -> None:
    """A warning, which some programs have raised."""
    certificate = by_hand(COMMON, NAMES, extension("2.5.29.35", ABOVE))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CryptographyDeprecationWarning):
            certificate.x509.extensions  # noqa: B018 - else this test shows nothing
        assert judge(certificate, [SUB.certificate]).status is Status.TRUSTED


def _longer(data: bytes) -> bytes:
    """The same value with a length that takes an octet more than it has to (not DER)."""
    assert data[1] == 0x82
    return data[:1] + b"\x83\x00" + data[2:]


def _reshaped(certificate: Certificate) -> list[bytes]:
    whole = der.Reader(certificate.der).enter(der.SEQUENCE)
    parts = [whole.raw() for _ in range(3)]
    signature = parts[2]
    longer = signature[:1] + b"\x81" + signature[1:]
    return [
        _longer(certificate.der),
        b"\x30\x80" + b"".join(parts) + b"\x00\x00",
        der.sequence(parts[0], parts[1], longer),
    ]


@pytest.mark.parametrize("at", range(3))
def test_what_nobody_signed_has_one_form_only(at: int) -> None:
    """Else whoever was rejected, by fingerprint, would come back in another encoding."""
    good = by_hand(COMMON, extension("2.5.29.17", der.sequence(RFC822), FALSE))
    assert judge(good, [SUB.certificate]).status is Status.TRUSTED
    again: Any = Certificate(_reshaped(good)[at])
    assert again.signed_by(SUB.certificate)
    assert judge(again, [SUB.certificate]).validity is Validity.MALFORMED


def test_a_root_without_a_positive_serial_number_is_an_anchor() -> None:
    """Roots of Go Daddy, SECOM and HARICA have 0; RFC 5280, 4.1.2.2: "gracefully handle such"."""
    model = ca("Old root")
    inside = der.Reader(model.der).enter(der.SEQUENCE).enter(der.SEQUENCE)
    head = inside.raw(), inside.raw(der.INTEGER)
    tbs = der.sequence(head[0], der.integer(0), inside.rest())
    signature = model.key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    algorithm = der.sequence(der.oid("1.2.840.10045.4.3.2"))
    root = Certificate(der.sequence(tbs, algorithm, der.bit_string(signature)))
    leaf = certs.person(ALICE, model)
    found = Trust(anchors=[root]).judge(leaf.certificate, Purpose.VERIFY, at=NOW)
    assert found.status is Status.TRUSTED
    assert (
        ask_about(leaf.certificate, root, nonce=False).post.body
        == ask_about(leaf.certificate, model.certificate, nonce=False).post.body
    )


def test_a_request_names_the_issuer_as_the_library_does() -> None:
    leaf = certs.person(ALICE, SUB)
    wanted = ocsp.OCSPRequestBuilder().add_certificate(
        leaf.certificate.x509,
        SUB.certificate.x509,
        hashes.SHA1(),  # noqa: S303 - of a name
    )
    made = ask_about(leaf.certificate, SUB.certificate, nonce=False)
    assert made.post.body == wanted.build().public_bytes(Encoding.DER)
