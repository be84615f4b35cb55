"""A time-stamping authority for tests: OpenSSL's, and one of our own that can be wrong."""

import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from smimekit import Certificate, Credential, der, primitives
from smimekit.algorithms import ECDSA_SHA256, SHA256, SignatureScheme
from smimekit.cms.attributes import CONTENT_TYPE, MESSAGE_DIGEST, attribute
from smimekit.cms.content import TST_INFO
from smimekit.cms.identifiers import IssuerAndSerialNumber
from smimekit.cms.signed_writing import signed_data, signer_info
from smimekit.cms.signer_writing import sign_content
from smimekit.keys.software import SoftwareKey

TIME = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = "1.2.3.4.1"
CONFIG = """
[ tsa ]
default_tsa = tsa1
[ tsa1 ]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
"""


@cache
def authority(*usages: str, critical: bool = True) -> Credential:
    """A self-signed authority; without `usages` for time-stamps only (RFC 3161, 2.3)."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Stamp Authority")]),
    )
    now = datetime.now(UTC)
    wanted = [x509.ObjectIdentifier(each) for each in usages] or [ExtendedKeyUsageOID.TIME_STAMPING]
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), 4711, now - timedelta(1), now + timedelta(1)
        )
        .add_extension(x509.ExtendedKeyUsage(wanted), critical=critical)
        .sign(key, hashes.SHA256())
    )
    return Credential(SoftwareKey(key), Certificate(certificate.public_bytes(Encoding.DER)))


@cache
def stamp_root() -> Credential:
    """What issues to authorities, and to nobody else."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = _name("Stamp Root"), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1)
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Credential(SoftwareKey(key), Certificate(certificate.public_bytes(Encoding.DER)))


@cache
def issued_authority() -> Credential:
    """An authority below the root."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(
            _name("Stamp Root"),
            _name("Issued Authority"),
            key.public_key(),
            4712,
            now - timedelta(1),
            now + timedelta(1),
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .sign(stamp_root().key._key, hashes.SHA256())  # type: ignore[attr-defined]  # a SoftwareKey's own
    )
    return Credential(SoftwareKey(key), Certificate(certificate.public_bytes(Encoding.DER)))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def openssl_token(
    openssl: str,
    folder: Path,
    stamped: bytes,
    digest: str = "sha256",
    *,
    who: Credential | None = None,
    more: str = "ess_cert_id_alg = sha256\n",
) -> bytes:
    """A token by `openssl ts`, with the authority's certificate inside."""
    who = who or authority()
    pem = who.key._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[attr-defined]  # a SoftwareKey's own
    folder.joinpath("tsa.key").write_bytes(pem)
    folder.joinpath("tsa.pem").write_bytes(who.certificate.pem())
    folder.joinpath("serial").write_text("01\n")
    folder.joinpath("config").write_text(CONFIG.format(folder=folder) + more)
    folder.joinpath("stamped").write_bytes(stamped)

    def run(*words: str) -> None:
        subprocess.run([openssl, "ts", *words], cwd=folder, check=True, capture_output=True)

    run("-query", "-data", "stamped", f"-{digest}", "-cert", "-out", "query")
    run("-reply", "-config", "config", "-queryfile", "query", "-token_out", "-out", "token")
    return folder.joinpath("token").read_bytes()


def tst_info(stamped: bytes, **parts: bytes) -> bytes:
    """A TSTInfo; any part can be replaced by name, or removed with b""."""
    usual = {
        "version": der.integer(1),
        "policy": der.oid(POLICY),
        "imprint": der.sequence(
            SHA256.identifier.encode(), der.octet_string(primitives.digest(SHA256, stamped))
        ),
        "serial": der.integer(99),
        "time": der.tlv(der.GENERALIZED_TIME, b"20260301120000Z"),
    }
    assert set(parts) <= {*usual, "more"}
    return der.sequence(*{**usual, **parts}.values())


def token(
    stamped: bytes,
    who: Credential | None = None,
    *,
    info: bytes | None = None,
    content_type: str = TST_INFO,
    signs: Callable[[bytes], bytes] = lambda content: content,
    scheme: SignatureScheme = ECDSA_SHA256,
    crls: Sequence[bytes] = (),
) -> bytes:
    """A token of our own; `signs` changes the content behind the signer's back."""
    who = who or authority()
    content = tst_info(stamped) if info is None else info
    signer = sign_content(
        who.certificate,
        who.key,
        scheme,
        lambda row: primitives.digest(row, signs(content)),
        (),
        content_type=content_type,
    )
    digests = [scheme.digest.identifier]
    made = signed_data(content, digests, [who.certificate.der], [signer], content_type=content_type)
    return with_crls(made, crls) if crls else made


def with_crls(message: bytes, crls: Sequence[bytes]) -> bytes:
    """The SignedData with revocation lists."""
    outer = der.Reader(message).enter(der.SEQUENCE)
    oid, inside = outer.raw(), outer.enter(0xA0).enter(der.SEQUENCE)
    version, digests, content, bag, infos = (inside.raw() for _ in range(5))
    parts = (version, digests, content, bag, der.set_of(crls, 0xA1), infos)
    return der.sequence(oid, der.explicit(0, der.sequence(*parts)))


def revoking(issuer: Credential, revoked: Credential) -> bytes:
    """A list on which somebody stands."""
    now = datetime.now(UTC)
    entry = (
        x509.RevokedCertificateBuilder()
        .serial_number(revoked.certificate.serial)
        .revocation_date(now - timedelta(hours=2))
        .build()
    )
    return (
        x509.CertificateRevocationListBuilder()
        .issuer_name(_name("Stamp Root"))
        .last_update(now - timedelta(hours=1))
        .next_update(now + timedelta(hours=1))
        .add_revoked_certificate(entry)
        .sign(issuer.key._key, hashes.SHA256())  # type: ignore[attr-defined]  # a SoftwareKey's own
        .public_bytes(Encoding.DER)
    )


def token_that_names_nobody(stamped: bytes) -> bytes:
    """A token whose signed attributes lack the authority's certificate (RFC 3161, 2.4.2)."""
    who, content = authority(), tst_info(stamped)
    attributes = der.set_of(
        [
            attribute(CONTENT_TYPE, der.oid(TST_INFO)),
            attribute(MESSAGE_DIGEST, der.octet_string(primitives.digest(SHA256, content))),
        ]
    )
    signer = signer_info(
        IssuerAndSerialNumber.of(who.certificate),
        SHA256.identifier,
        attributes,
        ECDSA_SHA256.identifier,
        who.key.sign(attributes, ECDSA_SHA256),
    )
    return signed_data(
        content, [SHA256.identifier], [who.certificate.der], [signer], content_type=TST_INFO
    )
