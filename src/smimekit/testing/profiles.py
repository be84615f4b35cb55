"""What stands in test certificates: the CA/Browser Forum's S/MIME profile, and its breaches.

Knows `cryptography.x509` and the S/MIME Baseline Requirements, 7.1.2 (mailbox-validated,
strict). May not know who issues what to whom: `authority` does.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import (
    ec,
    ed448,
    ed25519,
    mldsa,
    mlkem,
    rsa,
    x448,
    x25519,
)
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    CertificatePublicKeyTypes,
    PrivateKeyTypes,
)
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    NameOID,
)

from smimekit import der
from smimekit.errors import UsageError

__all__ = [
    "ANY_POLICY",
    "AUTHORITY",
    "BOTH",
    "ENCRYPT",
    "MAILBOX_VALIDATED_STRICT",
    "SIGN",
    "Profile",
    "alternative_names",
    "certificate_builder",
    "new_key",
    "signing_digest",
    "signing_key",
    "subject_name",
]

_SMTP_UTF8_MAILBOX: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9")
_SMIME_CAPABILITIES: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.15")
MAILBOX_VALIDATED_STRICT: Final = x509.ObjectIdentifier("2.23.140.1.5.1.3")
ANY_POLICY: Final = x509.ObjectIdentifier("2.5.29.32.0")

_USAGES: Final = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
    "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip

SIGN, ENCRYPT, BOTH, AUTHORITY = "sign", "encrypt", "both", "authority"
"""What a certificate is for; which keyUsage that is depends on the kind of key."""

_CURVES: Final[Mapping[str, Callable[[], ec.EllipticCurve]]] = {
    "p256": ec.SECP256R1,
    "p384": ec.SECP384R1,
    "p521": ec.SECP521R1,
    "brainpoolp256r1": ec.BrainpoolP256R1,
    "brainpoolp384r1": ec.BrainpoolP384R1,
    "brainpoolp512r1": ec.BrainpoolP512R1,
}
_GENERATORS: Final[Mapping[str, Callable[[], PrivateKeyTypes]]] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ed448": ed448.Ed448PrivateKey.generate,
    "ml-dsa-44": mldsa.MLDSA44PrivateKey.generate,
    "ml-dsa-65": mldsa.MLDSA65PrivateKey.generate,
    "ml-dsa-87": mldsa.MLDSA87PrivateKey.generate,
    "ml-kem-768": mlkem.MLKEM768PrivateKey.generate,
    "ml-kem-1024": mlkem.MLKEM1024PrivateKey.generate,
    "x25519": x25519.X25519PrivateKey.generate,
    "x448": x448.X448PrivateKey.generate,
}

_PURE: Final = (
    ed25519.Ed25519PrivateKey,
    ed448.Ed448PrivateKey,
    mldsa.MLDSA44PrivateKey,
    mldsa.MLDSA65PrivateKey,
    mldsa.MLDSA87PrivateKey,
)
_ISSUERS: Final = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, *_PURE)

_AGREEING: Final = (ec.EllipticCurvePublicKey, x25519.X25519PublicKey, x448.X448PublicKey)
_ENCIPHERED: Final = (rsa.RSAPublicKey, mlkem.MLKEM768PublicKey, mlkem.MLKEM1024PublicKey)
_NEVER_SIGN: Final = (
    x25519.X25519PublicKey,
    x448.X448PublicKey,
    mlkem.MLKEM768PublicKey,
    mlkem.MLKEM1024PublicKey,
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Everything about a certificate but names and keys."""

    purpose: str = BOTH
    usages: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.EMAIL_PROTECTION,)
    """The extKeyUsage; none: the extension is left out."""
    policies: tuple[x509.ObjectIdentifier, ...] = (MAILBOX_VALIDATED_STRICT,)
    """The certificatePolicies; none: the extension is left out."""
    issuer_at: tuple[str, ...] = ()
    """Where the issuer's certificate is (authorityInfoAccess); none: it is left out."""
    capabilities: bytes | None = None
    """The DER of SMIMECapabilities (RFC 4262); None: the extension is left out."""
    start: timedelta = timedelta(days=-1)
    """notBefore, counted from the authority's now."""
    end: timedelta = timedelta(days=365)
    """notAfter, counted from the authority's now."""
    crl_at: tuple[str, ...] = ()
    """URLs of the CRL, one as good as the other; none: the extension is left out."""
    ocsp_at: tuple[str, ...] = ()
    """URLs of OCSP responders; none: the extension is left out."""


def new_key(kind: str) -> PrivateKeyTypes:
    """A key of a kind: "p256", "p384", "ed25519", "ml-dsa-65", "x25519", "rsa-2048", ..."""
    if kind in _CURVES:
        return ec.generate_private_key(_CURVES[kind]())
    if kind in _GENERATORS:
        return _GENERATORS[kind]()
    family, _, bits = kind.partition("-")
    if family == "rsa" and bits in {"1024", "2048", "3072", "4096"}:
        return rsa.generate_private_key(65537, int(bits))
    raise UsageError(
        f"There are no keys of kind {kind!r}: {', '.join((*_CURVES, *_GENERATORS))}, or rsa-2048.",
        code="usage.key-kind",
    )


def _key_usage(purpose: str, key: CertificatePublicKeyTypes) -> x509.KeyUsage:
    """S/MIME BR, 7.1.2.1 b, 7.1.2.2 e and 7.1.2.3 e."""
    if purpose == AUTHORITY:
        return _usage("key_cert_sign", "crl_sign")
    bits = []
    if purpose in {SIGN, BOTH} and not isinstance(key, _NEVER_SIGN):
        bits.append("digital_signature")
    if purpose in {ENCRYPT, BOTH}:
        if isinstance(key, _ENCIPHERED):
            bits.append("key_encipherment")
        elif isinstance(key, _AGREEING):
            bits.append("key_agreement")
    if not bits:
        raise UsageError(f"A key of this kind cannot {purpose}.", code="usage.key-kind")
    return _usage(*bits)


def _usage(*bits: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in bits for name in _USAGES})


def subject_name(text: str) -> x509.Name:
    """A Name with this commonName, cut where X.520 ends it."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def alternative_names(addresses: Iterable[str]) -> Iterator[x509.GeneralName]:
    """rfc822Name, or SmtpUTF8Mailbox for a local part beyond ASCII (RFC 9598, 3)."""
    for address in addresses:
        local, at, domain = address.rpartition("@")
        if not at or not local or not domain:
            raise UsageError(f"{address!r} is no mail address.", code="usage.address")
        ascii_domain = domain if domain.isascii() else domain.encode("idna").decode()
        mailbox = f"{local}@{ascii_domain}"
        if local.isascii():
            yield x509.RFC822Name(mailbox)
        else:
            value = der.tlv(der.UTF8_STRING, mailbox.encode("utf-8"))
            yield x509.OtherName(_SMTP_UTF8_MAILBOX, value)


def _pointers(profile: Profile) -> Iterator[tuple[x509.ExtensionType, bool]]:
    """Where revocation is told, and where the issuer's certificate is (RFC 5280, 4.2.1.13 and
    4.2.2.1; S/MIME BR, 7.1.2.3 b and c).
    """
    if profile.crl_at:
        names = [x509.UniformResourceIdentifier(url) for url in profile.crl_at]
        yield x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None)]), False
    access = [(AuthorityInformationAccessOID.OCSP, url) for url in profile.ocsp_at]
    access += [(AuthorityInformationAccessOID.CA_ISSUERS, url) for url in profile.issuer_at]
    if access:
        places = [
            x509.AccessDescription(kind, x509.UniformResourceIdentifier(url))
            for kind, url in access
        ]
        yield x509.AuthorityInformationAccess(places), False


def certificate_builder(
    *,
    subject: x509.Name,
    addresses: Iterable[str],
    public_key: CertificatePublicKeyTypes,
    issuer: x509.Name,
    issuer_key: CertificateIssuerPrivateKeyTypes,
    profile: Profile,
    now: datetime,
) -> x509.CertificateBuilder:
    """All of a certificate but the signature."""
    authority = profile.purpose == AUTHORITY
    names = list(alternative_names(addresses))
    optional: list[tuple[x509.ExtensionType, bool]] = []
    if names:
        optional.append((x509.SubjectAlternativeName(names), False))
    if profile.usages:
        optional.append((x509.ExtendedKeyUsage(profile.usages), False))
    if profile.policies:
        policies = [x509.PolicyInformation(policy, None) for policy in profile.policies]
        optional.append((x509.CertificatePolicies(policies), False))
    if profile.capabilities is not None:
        announced = x509.UnrecognizedExtension(_SMIME_CAPABILITIES, profile.capabilities)
        optional.append((announced, False))
    optional += _pointers(profile)
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=authority, path_length=None), True),
        (_key_usage(profile.purpose, public_key), True),
        (x509.SubjectKeyIdentifier.from_public_key(public_key), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False),
        *optional,
    ]
    builder = x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=public_key,
        serial_number=x509.random_serial_number(),
        not_valid_before=now + profile.start,
        not_valid_after=now + profile.end,
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder


def signing_key(key: PrivateKeyTypes) -> CertificateIssuerPrivateKeyTypes:
    """The key, if it is one that can issue certificates; else UsageError."""
    if isinstance(key, _ISSUERS):
        return key
    raise UsageError("A key of this kind cannot issue certificates.", code="usage.key-kind")


def signing_digest(
    key: CertificateIssuerPrivateKeyTypes,
) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """The digest that goes well with a signing key."""
    if isinstance(key, _PURE):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size > 256:
        return hashes.SHA384() if key.key_size == 384 else hashes.SHA512()
    return hashes.SHA256()
