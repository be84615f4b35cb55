"""What a trust store remembers: plain records and the questions about them. Knows no storage.

Facts (who was seen, where, when, able to do what) and decisions (who is believed) are kept
apart: a fact never changes a decision, and each decision names who made it, when and why.
"""

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeAlias

from smimekit.certificate import Certificate
from smimekit.errors import CertificateError, UsageError

__all__ = [
    "MAIL_PURPOSES",
    "AuditEntry",
    "ByAddress",
    "ByFingerprint",
    "ByIssuer",
    "ByIssuerSerial",
    "ByKeyId",
    "ByPublicKey",
    "BySubject",
    "Capabilities",
    "Decision",
    "Preference",
    "Purpose",
    "Query",
    "Record",
    "Sighting",
    "Source",
    "Verdict",
    "addresses_of",
    "is_authority",
    "is_authority_only",
    "key_id_of",
    "public_key_fingerprint",
    "purpose_of",
    "require_aware",
]


class Purpose(StrEnum):
    """What a certificate is to be used for."""

    VERIFY = "verify"
    """Check signatures that its owner made."""
    ENCRYPT = "encrypt"
    """Encrypt to its owner."""
    TIMESTAMP = "timestamp"
    """Believe when its owner, a time-stamping authority, says that a signature was there."""


MAIL_PURPOSES = (Purpose.VERIFY, Purpose.ENCRYPT)
"""What a decision is for that does not say so: who writes mail is no authority of time."""
_FOR_MAIL = frozenset(MAIL_PURPOSES)
_MAIL_USAGE = frozenset({"digitalSignature", "nonRepudiation", "keyEncipherment", "keyAgreement"})


class Verdict(StrEnum):
    """What was decided about a certificate by hand."""

    TRUST = "trust"
    """This certificate is believed, whoever issued it."""
    REJECT = "reject"
    """Never to be believed; of a CA: nor what it issued, under any certificate for its key."""
    ANCHOR = "anchor"
    """Of a CA: what it issues is believed, as far as RFC 5280, 6.1 lets it."""
    NONE = "none"
    """An earlier decision is withdrawn. Only the audit trail holds these."""


def public_key_fingerprint(certificate: Certificate) -> str:
    """SHA-256 of the SubjectPublicKeyInfo, lower-case hex: the same for every renewal."""
    return hashlib.sha256(certificate.spki).hexdigest()


def addresses_of(certificate: Certificate) -> tuple[str, ...]:
    """The addresses of a certificate's subjectAltName; none where that is malformed.

    Such a certificate is kept, found by its other keys, and judged malformed.
    """
    try:
        return certificate.addresses
    except CertificateError:
        return ()


def key_id_of(certificate: Certificate) -> bytes | None:
    """The subjectKeyIdentifier; None where there is none, or a malformed one."""
    try:
        return certificate.key_id
    except CertificateError:
        return None


def is_authority(certificate: Certificate) -> bool:
    """Whether it says that it is a CA's; one that is malformed is nobody's."""
    try:
        return certificate.is_ca
    except CertificateError:
        return False


def is_authority_only(certificate: Certificate) -> bool:
    """Whether it is a CA's, and nobody's own.

    Who issues a certificate to themselves may say of it that it is a CA's, too: gpgsm does,
    always. It is theirs all the same where it names their address, and its key usage, if any,
    is for mail (RFC 8550, 4.4.2).
    """
    return is_authority(certificate) and not (
        certificate.is_self_issued and addresses_of(certificate) and _is_for_mail(certificate)
    )


def _is_for_mail(certificate: Certificate) -> bool:
    try:
        usage = certificate.key_usage
    except CertificateError:
        return False
    return usage is None or not usage.isdisjoint(_MAIL_USAGE)


def require_aware(moment: datetime, name: str) -> None:
    """Raise `UsageError` where `moment` has no time zone: a naive time is an hour wrong.

    Or where it is no time at all, or one that UTC has no name for.
    """
    if not isinstance(moment, datetime):
        raise UsageError(f"{name} is no time; give a datetime.", code="usage.time")
    if moment.tzinfo is UTC:
        return
    if moment.utcoffset() is None:
        raise UsageError(
            f"{name} has no time zone; give an aware datetime, such as datetime.now(UTC).",
            code="usage.naive-time",
        )
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise UsageError(
            f"{name} lies beyond the ends of the calendar; give a time in UTC.", code="usage.time"
        ) from None


def purpose_of(value: object) -> Purpose:
    """The purpose of this name, or itself; `UsageError` where there is none."""
    if isinstance(value, Purpose):
        return value
    if isinstance(value, str):
        with suppress(ValueError):
            return Purpose(value)
    raise UsageError("There is no such purpose; give a member of Purpose.", code="usage.purpose")


@dataclass(frozen=True, slots=True)
class ByAddress:
    """Certificates whose subjectAltName holds this mail address."""

    address: str


@dataclass(frozen=True, slots=True)
class ByFingerprint:
    """The certificate with this SHA-256 (lower-case hex) of its DER."""

    fingerprint: str


@dataclass(frozen=True, slots=True)
class ByIssuer:
    """Certificates with this issuer (DER of the Name): what a CA issued, or says it did.

    They may be a million: go through them with `TrustStore.page`.
    """

    issuer: bytes


@dataclass(frozen=True, slots=True)
class ByIssuerSerial:
    """Certificates with this issuer (DER of the Name) and serial number."""

    issuer: bytes
    serial: int


@dataclass(frozen=True, slots=True)
class ByKeyId:
    """Certificates with this subjectKeyIdentifier."""

    key_id: bytes


@dataclass(frozen=True, slots=True)
class BySubject:
    """Certificates with this subject (DER of the Name)."""

    subject: bytes


@dataclass(frozen=True, slots=True)
class ByPublicKey:
    """Certificates for this key: SHA-256 (lower-case hex) of the SubjectPublicKeyInfo."""

    fingerprint: str


Query: TypeAlias = (
    ByAddress | ByFingerprint | ByIssuer | ByIssuerSerial | ByKeyId | BySubject | ByPublicKey
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a certificate was seen. `kind` and `origin` together identify a source.

    `kind`: mail, upload, ldap, smimea, aia, folder, ...; `origin`: the From address, the user,
    the server; `reference`: the Message-ID or file name. Of one source the newest sighting is
    kept, to the day, and of all sources the newest 20.
    """

    kind: str
    origin: str = ""
    at: datetime | None = None
    reference: str = ""

    def __post_init__(self) -> None:
        if self.at is not None:
            require_aware(self.at, "Source.at")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """SMIMECapabilities (DER) from a good signature made at `signed_at` (RFC 8551, 2.7.1)."""

    der: bytes
    signed_at: datetime

    def __post_init__(self) -> None:
        require_aware(self.signed_at, "Capabilities.signed_at")


@dataclass(frozen=True, slots=True)
class Preference:
    """The certificate that the owner of this one wants mail encrypted to (RFC 8551, 2.5.3).

    Said by a good signature, made with this certificate's key at `signed_at`.
    """

    certificate: ByIssuerSerial | ByKeyId
    signed_at: datetime

    def __post_init__(self) -> None:
        require_aware(self.signed_at, "Preference.signed_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One certificate as it was seen in one place: a fact to put into a store."""

    certificate: Certificate
    source: Source
    capabilities: Capabilities | None = None
    preference: Preference | None = None


def _scope_of(scope: object) -> frozenset[Purpose]:
    if isinstance(scope, str) or not isinstance(scope, Iterable):
        raise UsageError("Decision.scope is a set of Purpose.", code="usage.decision")
    return frozenset(map(purpose_of, scope))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What somebody decided about one certificate.

    `until` is the last moment a TRUST or ANCHOR holds, and `scope` the purposes it is for. A
    REJECT is for ever and for all: it ends only when somebody decides otherwise.
    """

    verdict: Verdict
    by: str
    why: str
    at: datetime
    until: datetime | None = None
    scope: frozenset[Purpose] = _FOR_MAIL

    def __post_init__(self) -> None:
        # A word compares equal to a verdict but is not it; what is written down must count.
        try:
            object.__setattr__(self, "verdict", Verdict(self.verdict))
        except ValueError:
            raise UsageError(
                "Decision.verdict is none; give a member of Verdict.", code="usage.verdict"
            ) from None
        object.__setattr__(self, "scope", _scope_of(self.scope))
        if not (isinstance(self.by, str) and isinstance(self.why, str)):
            raise UsageError("Decision.by and Decision.why are texts.", code="usage.decision")
        require_aware(self.at, "Decision.at")
        if self.until is not None:
            require_aware(self.until, "Decision.until")
        if not self.scope:
            raise UsageError("A decision needs at least one purpose.", code="usage.empty-scope")
        limited = self.until is not None or self.scope != _FOR_MAIL
        if limited and self.verdict in {Verdict.REJECT, Verdict.NONE}:
            raise UsageError(
                "A rejection has no end and no scope; withdraw it when it is over.",
                code="usage.limited-reject",
            )

    def holds(self, purpose: Purpose, at: datetime) -> bool:
        """Whether the decision is for this purpose and not over at this time."""
        return purpose in self.scope and (self.until is None or at <= self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that a store remembers about one certificate.

    `first_seen` is exact, `last_seen` to the day: it is the first sighting on the last day (UTC)
    on which there was one, so that a thousand mails of a day are one fact.
    `revision` counts the decisions made about it; facts leave it alone, so a message that
    arrives does not disturb the person who is deciding.
    """

    certificate: Certificate
    sources: tuple[Source, ...]
    first_seen: datetime
    last_seen: datetime
    capabilities: Capabilities | None = None
    preference: Preference | None = None
    decision: Decision | None = None
    revision: int = 0

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate's DER, lower-case hex: the record's name."""
        return self.certificate.fingerprint

    @property
    def addresses(self) -> tuple[str, ...]:
        """The mail addresses of the certificate; none where they are malformed."""
        return addresses_of(self.certificate)

    @property
    def key_id(self) -> bytes | None:
        """The certificate's subjectKeyIdentifier; None without a well-formed one."""
        return key_id_of(self.certificate)

    @property
    def key_usage(self) -> frozenset[str] | None:
        """The names of the keyUsage bits; None without the extension, or a malformed one."""
        try:
            return self.certificate.key_usage
        except CertificateError:
            return None

    @property
    def anchor(self) -> bool:
        """Whether it was decided that this CA is believed."""
        return self.decision is not None and self.decision.verdict is Verdict.ANCHOR

    @property
    def rejected(self) -> bool:
        """Whether it was decided that this certificate is never believed."""
        return self.decision is not None and self.decision.verdict is Verdict.REJECT


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One decision of the append-only trail; `revision` is the record's after it."""

    fingerprint: str
    revision: int
    decision: Decision
