"""Certificates for tests, built with cryptography: people, CAs, and broken ones."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from smimekit import der
from smimekit.certificate import Certificate

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
_serials = count(1000)
_BITS = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
    "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip
CA_USAGE = ("key_cert_sign", "crl_sign")
BOTH_USAGE = ("digital_signature", "key_agreement")


@cache
def key(label: str, kind: str = "p256") -> Any:
    """A private key: the same one for the same label."""
    if kind == "p256":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "p192":
        return ec.generate_private_key(ec.SECP192R1())
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    if kind == "dsa":
        return dsa.generate_private_key(2048)
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return x25519.X25519PrivateKey.generate()


def name(common: str, **more: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if "email" in more:
        parts.append(x509.NameAttribute(NameOID.EMAIL_ADDRESS, more["email"]))
    return x509.Name(parts)


def usage(*bits: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{bit: bit in bits for bit in _BITS})


@dataclass
class Made:
    """A certificate with the key that it is about."""

    certificate: Certificate
    key: Any
    name: x509.Name

    @property
    def der(self) -> bytes:
        return self.certificate.der


def make(
    common: str,
    issuer: "Made | None" = None,
    *,
    private: Any = None,
    sign_with: Any = None,
    issuer_name: x509.Name | None = None,
    subject: x509.Name | None = None,
    start: datetime = NOW - 100 * DAY,
    end: datetime = NOW + 100 * DAY,
    serial: int | None = None,
    extensions: "list[tuple[x509.ExtensionType, bool]]" = [],  # noqa: B006 - never changed
    digest: Any = hashes.SHA256(),  # noqa: B008 - immutable
    key_ids: bool = True,
) -> Made:
    private = private or key(common)
    subject = subject or name(common)
    signer = sign_with or (issuer.key if issuer else private)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name or (issuer.name if issuer else subject))
        .public_key(private.public_key())
        .serial_number(serial or next(_serials))
        .not_valid_before(start)
        .not_valid_after(end)
    )
    if key_ids:
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False
        )
        if issuer is not None:
            authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
            builder = builder.add_extension(authority, critical=False)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    if isinstance(signer, ed25519.Ed25519PrivateKey):
        digest = None
    made = builder.sign(signer, digest)
    return Made(Certificate(made.public_bytes(Encoding.DER)), private, subject)


def ca(
    common: str,
    issuer: "Made | None" = None,
    *,
    path_length: int | None = None,
    bits: tuple[str, ...] | None = CA_USAGE,
    basic: bool = True,
    more: "list[tuple[x509.ExtensionType, bool]]" = [],  # noqa: B006 - never changed
    **options: Any,
) -> Made:
    extensions: list[tuple[x509.ExtensionType, bool]] = list(more)
    if basic:
        extensions.append((x509.BasicConstraints(ca=True, path_length=path_length), True))
    if bits is not None:
        extensions.append((usage(*bits), True))
    return make(common, issuer, extensions=extensions, **options)


def own_authority(address: str | None, *bits: str, now: datetime = NOW) -> Made:
    """Somebody who issued to themselves and called it a CA's, as gpgsm does: with these key
    usages or, without any, no extension that says for what.
    """
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=True, path_length=None), True)
    ]
    if address is not None:
        extensions.append((alt_names(address), False))
    if bits:
        extensions.append((usage(*bits), True))
    return make("Grace", start=now - DAY, end=now + 100 * DAY, extensions=extensions)


def alt_names(*addresses: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.RFC822Name(one) for one in addresses])


def smtp_utf8(address: str) -> x509.OtherName:
    text = address.encode()
    value = bytes((0x0C, len(text))) + text
    return x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9"), value)


def logon(name: str) -> x509.OtherName:
    """A user's name in a directory of Windows."""
    value = bytes((0x0C, len(name))) + name.encode()
    return x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), value)


def person(
    address: str,
    issuer: "Made | None" = None,
    *,
    bits: tuple[str, ...] | None = BOTH_USAGE,
    extended: tuple[x509.ObjectIdentifier, ...] | None = (ExtendedKeyUsageOID.EMAIL_PROTECTION,),
    names: x509.SubjectAlternativeName | None = None,
    more: "list[tuple[x509.ExtensionType, bool]]" = [],  # noqa: B006 - never changed
    **options: Any,
) -> Made:
    extensions: list[tuple[x509.ExtensionType, bool]] = list(more)
    extensions.append((names or alt_names(address), False))
    if bits is not None:
        extensions.append((usage(*bits), True))
    if extended is not None:
        extensions.append((x509.ExtendedKeyUsage(extended), False))
    return make(address, issuer, extensions=extensions, **options)


def crl(
    issuer: Made,
    *revoked: Certificate,
    sign_with: Any = None,
    this: datetime = NOW - DAY,
    following: datetime = NOW + DAY,
    when: datetime = NOW - 2 * DAY,
    digest: Any = hashes.SHA256(),  # noqa: B008 - immutable
    reason: x509.ReasonFlags | None = None,
) -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.name)
        .last_update(this)
        .next_update(following)
    )
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.serial).revocation_date(when)
        if reason is not None:
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(sign_with or issuer.key, digest).public_bytes(Encoding.DER)


def with_sha1(signed: bytes, private: Any) -> bytes:
    """A certificate or CRL (ECDSA with SHA-256) signed anew, with SHA-1."""
    new, old = (
        der.sequence(der.oid("1.2.840.10045.4.1")),
        der.sequence(der.oid("1.2.840.10045.4.3.2")),
    )
    inside = der.Reader(signed).enter(der.SEQUENCE)
    fields = inside.enter(der.SEQUENCE)
    parts = []
    while fields.more:
        part = fields.raw()
        parts.append(new if part == old else part)
    data = der.sequence(*parts)
    signature = private.sign(data, ec.ECDSA(hashes.SHA1()))  # noqa: S303 - that is the point
    return der.sequence(data, new, der.bit_string(signature))
