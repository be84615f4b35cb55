"""FakeCA: people and their credentials in three lines, good ones and broken ones.

Knows who is issued what. May not know what a certificate looks like inside (`profiles`
does), and makes nothing that anybody should trust.

    ca = FakeCA("Example CA")
    alice = ca.person("alice@example.org")
    trust = Trust(anchors=[ca.certificate])
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, cast, final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificatePublicKeyTypes,
    PrivateKeyTypes,
)
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from smimekit.certificate import Certificate
from smimekit.errors import UsageError
from smimekit.keys.credential import Credential
from smimekit.keys.software import SoftwareKey
from smimekit.testing.profiles import (
    ANY_POLICY,
    AUTHORITY,
    ENCRYPT,
    SIGN,
    Profile,
    certificate_builder,
    new_key,
    signing_digest,
    signing_key,
    subject_name,
)

__all__ = ["FakeCA"]

_PERSON: Final = Profile()
_ROOT: Final = Profile(
    purpose=AUTHORITY, usages=(), policies=(), start=timedelta(days=-3650), end=timedelta(days=7300)
)
_INTERMEDIATE: Final = Profile(
    purpose=AUTHORITY,
    policies=(ANY_POLICY,),
    start=timedelta(days=-3650),
    end=timedelta(days=3650),
)
_ENCRYPTION_PARTNER: Final = dict.fromkeys(
    ("ed25519", "ed448", "ml-dsa-44", "ml-dsa-65", "ml-dsa-87"), "x25519"
)
"""What encrypts for somebody whose signing key cannot agree on a secret."""


@final
class FakeCA:
    """A certification authority for tests. Its keys are new each time, and nobody's anchor.

    Validity counts from `now` (aware; by default the time of creation): certificates of
    people run from a day before to a year after it, so nothing expires within a test, and
    a test with a clock of its own passes that clock's time. `key` says what the authority
    signs with: "p256", "p384", "p521", "ed25519", "ml-dsa-65", ... or "rsa-2048" (slow to make).
    """

    def __init__(
        self,
        name: str = "Example CA",
        *,
        key: str = "p256",
        now: datetime | None = None,
        issuer: "FakeCA | None" = None,
    ) -> None:
        self.name: Final = name
        self.now: Final = (now or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
        self._key: Final = signing_key(new_key(key))
        self._revoked: dict[int, datetime] = {}
        self._crl_number = 0
        above, profile = (issuer, _INTERMEDIATE) if issuer else (self, _ROOT)
        issue = above._issue  # noqa: SLF001 - of another authority, at most
        self.certificate: Final = issue(subject_name(name), (), self._key, profile)
        self.chain: Final[tuple[Certificate, ...]] = (
            self.certificate,
            *(issuer.chain if issuer else ()),
        )
        """Its certificate and those of the authorities above it, the root last."""

    def __repr__(self) -> str:
        return f"<FakeCA {self.name!r}>"

    def intermediate(self, name: str = "Example Sub CA", *, key: str = "p256") -> "FakeCA":
        """An authority below; the credentials that it issues carry the whole chain."""
        return FakeCA(name, key=key, now=self.now, issuer=self)

    # --- people ---------------------------------------------------------------------------

    def person(
        self,
        *addresses: str,
        name: str | None = None,
        key: str = "p256",
        profile: Profile = _PERSON,
    ) -> Credential:
        """Somebody with these mail addresses, and a key for signing and for encryption.

        `key` is "p256" (fast), "p384", "p521", "brainpoolp256r1" (or 384, 512), "ed25519",
        "ed448", "ml-dsa-44", "ml-dsa-65", "ml-dsa-87" (these sign only), "x25519", "x448",
        "ml-kem-768", "ml-kem-1024" (these encrypt only), "rsa-2048", "rsa-3072" or
        "rsa-4096"; `profile` changes the certificate.
        """
        private, subject = new_key(key), _subject(addresses, name)
        leaf = self._issue(subject, addresses, private, profile)
        return Credential(SoftwareKey(private), leaf, self.chain)

    def sign_only(self, *addresses: str, name: str | None = None, key: str = "p256") -> Credential:
        """Somebody whose certificate is for signing only."""
        return self.person(*addresses, name=name, key=key, profile=Profile(purpose=SIGN))

    def encrypt_only(
        self, *addresses: str, name: str | None = None, key: str = "p256"
    ) -> Credential:
        """Somebody whose certificate is for encryption only."""
        return self.person(*addresses, name=name, key=key, profile=Profile(purpose=ENCRYPT))

    def dual(self, *addresses: str, name: str | None = None, key: str = "p256") -> Credential:
        """Somebody with a pair for signing and, as its sibling, one for encryption.

        With "ed25519" and others that only sign, the second key is an X25519 key.
        """
        signing = self.sign_only(*addresses, name=name, key=key)
        partner = _ENCRYPTION_PARTNER.get(key, key)
        encryption = self.encrypt_only(*addresses, name=name, key=partner)
        return Credential(signing.key, signing.certificate, signing.chain, (encryption,))

    # --- people with something wrong ------------------------------------------------------

    def expired(self, *addresses: str, key: str = "p256") -> Credential:
        """Somebody whose certificate ended yesterday."""
        profile = Profile(start=timedelta(days=-366), end=timedelta(days=-1))
        return self.person(*addresses, key=key, profile=profile)

    def not_yet_valid(self, *addresses: str, key: str = "p256") -> Credential:
        """Somebody whose certificate begins in a month."""
        profile = Profile(start=timedelta(days=30), end=timedelta(days=395))
        return self.person(*addresses, key=key, profile=profile)

    def wrong_usage(self, *addresses: str, key: str = "p256") -> Credential:
        """Somebody with a certificate for web servers: extKeyUsage serverAuth only."""
        profile = Profile(usages=(ExtendedKeyUsageOID.SERVER_AUTH,))
        return self.person(*addresses, key=key, profile=profile)

    def no_address(self, name: str, *, key: str = "p256") -> Credential:
        """Somebody without a subjectAltName; `name` may look like an address, it is none."""
        return self.person(name=name, key=key)

    def weak_key(self, *addresses: str) -> Credential:
        """Somebody with an RSA key of 1024 bits."""
        return self.person(*addresses, key="rsa-1024")

    def self_signed(
        self, *addresses: str, name: str | None = None, key: str = "p256"
    ) -> Credential:
        """Somebody who issued the certificate to themselves: no authority, no chain."""
        private, subject = new_key(key), _subject(addresses, name)
        leaf = self._issue(subject, addresses, private, _PERSON, issuer=(subject, private))
        return Credential(SoftwareKey(private), leaf)

    def unknown_ca(self, *addresses: str, key: str = "p256") -> Credential:
        """Somebody certified by another authority, made for the occasion."""
        return FakeCA("Unknown CA", now=self.now).person(*addresses, key=key)

    # --- revocation -----------------------------------------------------------------------

    def revoke(self, *who: Certificate | Credential, at: datetime | None = None) -> None:
        """Put certificates on the CRLs to come, as revoked `at` a time (default: an hour ago)."""
        when = at or self.now - timedelta(hours=1)
        for each in who:
            for certificate in _certificates(each):
                if certificate.issuer != self.certificate.subject:
                    raise UsageError(f"{self!r} did not issue {certificate!r}.")
                self._revoked[certificate.serial] = when

    def crl(
        self,
        revoked: Iterable[Certificate | Credential] = (),
        *,
        issued: datetime | None = None,
        expires: datetime | None = None,
    ) -> bytes:
        """A CRL, in DER, with everybody revoked so far and those `revoked` now.

        It runs from an hour before the authority's now to a week after it.
        """
        self.revoke(*revoked)
        self._crl_number += 1
        key = self._key
        start = issued or self.now - timedelta(hours=1)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(start)
            .next_update(expires or self.now + timedelta(days=7))
            .add_extension(x509.CRLNumber(self._crl_number), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()),
                critical=False,
            )
        )
        for serial, when in self._revoked.items():
            builder = builder.add_revoked_certificate(_entry(serial, when))
        return builder.sign(key, signing_digest(key)).public_bytes(Encoding.DER)

    # --- the work -------------------------------------------------------------------------

    @property
    def _name(self) -> x509.Name:
        return subject_name(self.name)

    def _issue(
        self,
        subject: x509.Name,
        addresses: Iterable[str],
        key: PrivateKeyTypes,
        profile: Profile,
        *,
        issuer: tuple[x509.Name, PrivateKeyTypes] | None = None,
    ) -> Certificate:
        issuer_name, issuer_key = issuer or (self._name, self._key)
        signer = signing_key(issuer_key)
        builder = certificate_builder(
            subject=subject,
            addresses=addresses,
            public_key=cast("CertificatePublicKeyTypes", key.public_key()),
            issuer=issuer_name,
            issuer_key=signer,
            profile=profile,
            now=self.now,
        )
        certificate = builder.sign(signer, signing_digest(signer))
        return Certificate(certificate.public_bytes(Encoding.DER))


def _subject(addresses: tuple[str, ...], name: str | None) -> x509.Name:
    if name is None and not addresses:
        raise UsageError("A person has a mail address or a name.", code="usage.address")
    return subject_name(addresses[0] if name is None else name)


def _certificates(who: Certificate | Credential) -> tuple[Certificate, ...]:
    if isinstance(who, Certificate):
        return (who,)
    return tuple(each.certificate for each in who.all)


def _entry(serial: int, when: datetime) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when)
    reason = x509.CRLReason(x509.ReasonFlags.key_compromise)
    return builder.add_extension(reason, critical=False).build()
