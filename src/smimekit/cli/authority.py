"""A local CA for trying things out, kept in a folder, and the certificates that it issues.

Knows keys and certificates of our own. What stands in them comes from `smimekit.testing`.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self, cast, final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    CertificatePublicKeyTypes,
    PrivateKeyTypes,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from smimekit import Certificate, Credential, KeyFileError
from smimekit.cli.files import write_new, write_out
from smimekit.cli.inputs import read_file
from smimekit.keys import SoftwareKey
from smimekit.testing.profiles import (
    AUTHORITY,
    Profile,
    certificate_builder,
    new_key,
    signing_digest,
    signing_key,
    subject_name,
)

__all__ = ["LocalCA", "Person", "self_signed"]

_DAYS_OF_A_CA: Final = 3650
# Nobody validated the mailbox, so no certificate policy says that somebody did.
_PERSON: Final = Profile(policies=())
_AUTHORITY: Final = Profile(
    purpose=AUTHORITY, usages=(), policies=(), end=timedelta(days=_DAYS_OF_A_CA)
)


@final
@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who gets a key."""

    address: str
    name: str
    kind: str
    days: int

    @property
    def profile(self) -> Profile:
        """What stands in the certificate."""
        return replace(_PERSON, end=timedelta(days=self.days))


def self_signed(person: Person) -> Credential:
    """A new key, with a certificate that it vouches for itself."""
    key = new_key(person.kind)
    subject = subject_name(person.name)
    signer = signing_key(key)
    leaf = _issue(subject, person, key, (subject, signer), person.profile)
    return Credential(SoftwareKey(key), leaf)


@final
@dataclass(frozen=True, slots=True)
class LocalCA:
    """A root whose key lies in a folder, readable by its owner: for tests, not for people."""

    certificate: Certificate
    key: CertificateIssuerPrivateKeyTypes
    folder: Path

    @classmethod
    def in_folder(cls, folder: str) -> Self:
        """The CA in a folder, made on first use. Raises OSError, KeyFileError."""
        place = Path(folder)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        ca = cls._load(place) if cls._key_file(place).exists() else cls._create(place)
        if not ca.anchor_file.exists():
            write_out(str(ca.anchor_file), (ca.certificate.pem(),))
        return ca

    @property
    def anchor_file(self) -> Path:
        """The root's certificate: for --anchor."""
        return self.folder / "ca.pem"

    @staticmethod
    def _key_file(folder: Path) -> Path:
        return folder / "ca-key.pem"

    @classmethod
    def _load(cls, folder: Path) -> Self:
        name = str(cls._key_file(folder))
        data = read_file(name)
        certificate = Credential.from_pem(data).certificate
        try:
            key = signing_key(load_pem_private_key(data, None))
        except (ValueError, TypeError) as error:
            raise KeyFileError(f"{name} holds no key that can issue certificates.") from error
        return cls(certificate, key, folder)

    @classmethod
    def _create(cls, folder: Path) -> Self:
        key = signing_key(new_key("p256"))
        subject = subject_name(f"Local test CA {datetime.now(UTC):%Y-%m-%d %H:%M:%S}")
        certificate = _issue(subject, None, key, (subject, key), _AUTHORITY)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        name = str(cls._key_file(folder))
        write_new(name, pem + certificate.pem(), private=True, force=False)
        return cls(certificate, key, folder)

    def issue(self, person: Person) -> Credential:
        """A new key, with a certificate from this CA."""
        key = new_key(person.kind)
        issuer = (self.certificate.x509.subject, self.key)
        leaf = _issue(subject_name(person.name), person, key, issuer, person.profile)
        return Credential(SoftwareKey(key), leaf, (self.certificate,))


def _issue(
    subject: x509.Name,
    person: Person | None,
    key: PrivateKeyTypes,
    issuer: tuple[x509.Name, CertificateIssuerPrivateKeyTypes],
    profile: Profile,
) -> Certificate:
    name, signer = issuer
    builder = certificate_builder(
        subject=subject,
        addresses=() if person is None else (person.address,),
        public_key=cast("CertificatePublicKeyTypes", key.public_key()),
        issuer=name,
        issuer_key=signer,
        profile=profile,
        now=datetime.now(UTC).replace(microsecond=0),
    )
    made = builder.sign(signer, signing_digest(signer))
    return Certificate(made.public_bytes(Encoding.DER))
