"""What the checks of trust stores share: certificates, a clock that stands, and how to complain.

Knows records. May not know any implementation.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from smimekit.certificate import Certificate
from smimekit.errors import SmimeError
from smimekit.trust.records import ByFingerprint, Decision, Record, Source, Verdict
from smimekit.trust.store import TrustStore

__all__ = [
    "DAY",
    "HOUR",
    "MAIL",
    "NOON",
    "make_certificate",
    "make_decision",
    "make_namesakes",
    "one_record",
    "refused",
    "require",
]

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
MAIL: Final = Source("mail", "alice@example.com", NOON, "<1@example.com>")


@cache
def make_namesakes(count: int) -> tuple[Certificate, ...]:
    """Certificates that only their serial numbers tell apart: one name, one key, one address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Namesake")])
    names = x509.SubjectAlternativeName([x509.RFC822Name("alice@example.com")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .not_valid_before(NOON - 1000 * HOUR)
        .not_valid_after(NOON + 1000 * HOUR)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(names, critical=False)
    )
    made = (builder.serial_number(at + 1).sign(key, hashes.SHA256()) for at in range(count))
    return tuple(Certificate(one.public_bytes(Encoding.DER)) for one in made)


@cache
def make_certificate(
    label: str, address: str | None = "alice@example.com", *, is_ca: bool = False
) -> Certificate:
    """A self-signed certificate, the same one for the same words."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, label)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOON - 1000 * HOUR)
        .not_valid_after(NOON + 1000 * HOUR)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    if address is not None:
        names = x509.SubjectAlternativeName([x509.RFC822Name(address)])
        builder = builder.add_extension(names, critical=False)
    return Certificate(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER))


def require(condition: object, rule: str) -> None:
    """Raise AssertionError with the rule, unless the condition holds."""
    if not condition:
        raise AssertionError(f"The store breaks the contract: {rule}")


def refused(action: Callable[[], object], code: str) -> None:
    """Raise AssertionError unless the action ends in an error with this code."""
    try:
        action()
    except SmimeError as error:
        require(error.code == code, f"the error is {error.code}, not {code}")
    else:
        require(False, f"there is no error {code}")  # noqa: FBT003 - it has no name


def make_decision(verdict: Verdict, **more: Any) -> Decision:
    """A decision, made at noon."""
    return Decision(verdict=verdict, by="tester", why="because", at=NOON, **more)


def one_record(store: TrustStore, certificate: Certificate) -> Record:
    """The record of a certificate, of which there has to be one."""
    found = tuple(store.records(ByFingerprint(certificate.fingerprint)))
    require(len(found) == 1, "a certificate that was put has one record")
    return found[0]
