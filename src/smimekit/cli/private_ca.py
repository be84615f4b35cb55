"""A small CA for people who have none: its root, the certificates and the CRLs that it signs.

Knows requests, certificates and CRLs. May not know files or the command line. What stands in a
certificate follows the S/MIME Baseline Requirements, 7.1.2, but for the policies: those say that
a public CA validated the mailbox.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self, cast, final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    CertificatePublicKeyTypes,
    PrivateKeyTypes,
)
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key

from smimekit import Certificate, CertificateError, UsageError, der
from smimekit.cli.registry import Registry, Settings
from smimekit.keys import SoftwareKey, load_private_key
from smimekit.keys.pbe import encrypt
from smimekit.keys.pem import armour
from smimekit.primitives import DETERMINISTIC_ECDSA
from smimekit.testing.profiles import (
    AUTHORITY,
    BOTH,
    ENCRYPT,
    SIGN,
    Profile,
    alternative_names,
    certificate_builder,
    new_key,
    signing_digest,
    signing_key,
    subject_name,
)

__all__ = ["BOTH", "REASONS", "USAGES", "PrivateCA", "encrypted_pem", "new_request"]

USAGES: Final = (BOTH, SIGN, ENCRYPT)
"""What a certificate may be for."""

_RSA_BITS: Final = 2048
_CURVES: Final = frozenset({"secp256r1", "secp384r1", "secp521r1"})
"""S/MIME BR, 6.1.5."""
_BACKDATED: Final = timedelta(minutes=5)
"""Clocks differ; a certificate is used in the minute in which it was issued."""

REASONS: Final = {
    "unspecified": x509.ReasonFlags.unspecified,
    "key-compromise": x509.ReasonFlags.key_compromise,
    "affiliation-changed": x509.ReasonFlags.affiliation_changed,
    "superseded": x509.ReasonFlags.superseded,
    "cessation-of-operation": x509.ReasonFlags.cessation_of_operation,
}
"""The reasons of revocation that S/MIME BR, 7.2.2 and RFC 5280, 5.3.1 have for people."""


def encrypted_pem(key: PrivateKeyTypes, password: str) -> bytes:
    """A private key as encrypted PKCS #8, in PEM."""
    identifier, ciphertext = encrypt(SoftwareKey(key).pkcs8(), password)
    octets = der.sequence(identifier.encode(), der.octet_string(ciphertext))
    return armour("ENCRYPTED PRIVATE KEY", octets)


def new_request(key: PrivateKeyTypes, address: str, name: str) -> bytes:
    """A certificate request (RFC 2986) with the address as rfc822Name, in PEM."""
    signer = signing_key(key)
    builder = x509.CertificateSigningRequestBuilder(subject_name=subject_name(name))
    names = x509.SubjectAlternativeName(alternative_names([address]))
    request = builder.add_extension(names, critical=False).sign(signer, signing_digest(signer))
    return request.public_bytes(Encoding.PEM)


@final
@dataclass(frozen=True, slots=True)
class PrivateCA:
    """A CA in a folder, its key opened by its password."""

    registry: Registry
    settings: Settings
    key: CertificateIssuerPrivateKeyTypes

    @classmethod
    def create(
        cls, folder: Path, password: str, *, name: str, kind: str, days: int,
        crl_url: str | None, issuer_url: str | None,
    ) -> Self:  # fmt: skip
        """A new root in a folder; UsageError where there is a CA already."""
        key, subject = signing_key(new_key(kind)), subject_name(name)
        profile = Profile(
            purpose=AUTHORITY, usages=(), policies=(), start=-_BACKDATED, end=timedelta(days=days)
        )
        public = cast("CertificatePublicKeyTypes", key.public_key())
        root = _signed(subject, (), public, (subject, key), profile)
        pem = encrypted_pem(key, password).decode()
        settings = Settings(root, pem, crl_url, issuer_url)
        return cls(Registry.create(folder, settings), settings, key)

    @classmethod
    def open(cls, folder: Path, password: str) -> Self:
        """Raises UsageError where there is none, KeyFileError for a wrong password."""
        registry = Registry(folder)
        settings = registry.settings()
        opened = load_private_key(settings.key_pem.encode(), password)
        key = signing_key(load_der_private_key(opened.pkcs8(), None))
        return cls(registry, settings, key)

    def issue(
        self, request: bytes, address: str, *, name: str, days: int, usage: str = BOTH
    ) -> Certificate:
        """A certificate for the key of a request and for this address; recorded already.

        Of what the request says only the key is taken; it has to ask for the address. Raises
        CertificateError for a request that is none, UsageError for a weak key, or one that is not
        for this usage, another address, or more days than the CA has left.
        """
        asked = _read_request(request)
        public = _strong(asked.public_key())
        _check_usage(public, usage)
        _check_address(asked, address)
        root = self.settings.certificate
        now = datetime.now(UTC).replace(microsecond=0)
        if now + timedelta(days=days) > root.not_after:
            raise UsageError(
                f"The CA itself ends on {root.not_after:%Y-%m-%d}; give fewer --days.",
                code="usage.days",
            )
        crl, issuer = self.settings.crl_url, self.settings.issuer_url
        profile = Profile(
            purpose=usage, policies=(), start=-_BACKDATED, end=timedelta(days=days),
            crl_at=(crl,) if crl else (), issuer_at=(issuer,) if issuer else (),
        )  # fmt: skip
        signer = (root.x509.subject, self.key)
        made = _signed(subject_name(name), (address,), public, signer, profile)
        self.registry.record(made, address, now)
        return made

    def crl(self, days: int) -> bytes:
        """The next CRL, in DER: everything revoked so far (RFC 5280, 5)."""
        number, revoked = self.registry.next_crl()
        now = datetime.now(UTC).replace(microsecond=0)
        key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.settings.certificate.x509.subject)
            .last_update(now - _BACKDATED)
            .next_update(now + timedelta(days=days))
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(key_id, critical=False)
        )
        for each in revoked:
            builder = builder.add_revoked_certificate(_entry(each.serial, each.at, each.reason))
        made = builder.sign(
            self.key, signing_digest(self.key), ecdsa_deterministic=_deterministic(self.key)
        )
        return made.public_bytes(Encoding.DER)


def _entry(serial: int, at: datetime, reason: str) -> x509.RevokedCertificate:
    entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
    if reason != "unspecified":  # RFC 5280, 5.3.1: said by saying nothing
        entry = entry.add_extension(x509.CRLReason(REASONS[reason]), critical=False)
    return entry.build()


def _read_request(data: bytes) -> x509.CertificateSigningRequest:
    try:
        pem = b"-----BEGIN " in data
        request = x509.load_pem_x509_csr(data) if pem else x509.load_der_x509_csr(data)
        if request.is_signature_valid:
            return request
    except ValueError as error:
        raise _no_request() from error
    raise _no_request()


def _no_request() -> CertificateError:
    return CertificateError(
        "This is no certificate request, or its signature does not match: whoever made it has "
        "to show that the key is theirs.",
        code="certificate.request",
    )


def _strong(key: CertificatePublicKeyTypes) -> CertificatePublicKeyTypes:
    match key:
        case rsa.RSAPublicKey() if key.key_size >= _RSA_BITS:
            return key
        case ec.EllipticCurvePublicKey() if key.curve.name in _CURVES:
            return key
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            return key
    raise UsageError(
        "The key of the request is too weak, or of a kind that mail programs do not know; take "
        "RSA with 2048 bits or more, P-256, P-384, P-521 or Ed25519.",
        code="usage.key-kind",
    )


def _check_usage(key: CertificatePublicKeyTypes, usage: str) -> None:
    if usage == ENCRYPT and isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        raise UsageError(
            "The key of the request can only sign; for encryption take RSA, P-256, P-384 or P-521.",
            code="usage.key-kind",
        )


def _check_address(request: x509.CertificateSigningRequest, address: str) -> None:
    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        asked = set(names)
    except (x509.ExtensionNotFound, ValueError):
        asked = set()
    if not asked.issuperset(alternative_names([address])):
        raise UsageError(
            f"The request does not ask for {address}: is it somebody else's?",
            code="usage.request-address",
        )


def _signed(
    subject: x509.Name,
    addresses: tuple[str, ...],
    public: CertificatePublicKeyTypes,
    issuer: tuple[x509.Name, CertificateIssuerPrivateKeyTypes],
    profile: Profile,
) -> Certificate:
    name, key = issuer
    builder = certificate_builder(
        subject=subject,
        addresses=addresses,
        public_key=public,
        issuer=name,
        issuer_key=key,
        profile=profile,
        now=datetime.now(UTC).replace(microsecond=0),
    )
    made = builder.sign(key, signing_digest(key), ecdsa_deterministic=_deterministic(key))
    return Certificate(made.public_bytes(Encoding.DER))


def _deterministic(key: CertificateIssuerPrivateKeyTypes) -> bool | None:
    """What a builder wants to know about ECDSA; nothing about other keys."""
    return DETERMINISTIC_ECDSA if isinstance(key, ec.EllipticCurvePrivateKey) else None
