"""Who is who, and do we believe it: RFC 5280 and RFC 8550 (the names for the rings above)."""

from smimekit.trust.certvalidator import PathParameters
from smimekit.trust.judge import Judgement, Selection, Trust
from smimekit.trust.opening import open_store
from smimekit.trust.records import (
    MAIL_PURPOSES,
    AuditEntry,
    ByAddress,
    ByFingerprint,
    ByIssuerSerial,
    ByKeyId,
    ByPublicKey,
    BySubject,
    Capabilities,
    Decision,
    Purpose,
    Query,
    Record,
    Source,
    Verdict,
    normal_address,
)
from smimekit.trust.status import (
    Chain,
    Facts,
    Reason,
    Revocation,
    RevocationPolicy,
    Status,
    Validity,
    status_of,
)
from smimekit.trust.store import CertificateSource, MemoryTrustStore, TrustStore
from smimekit.trust.system import system_roots

__all__ = [
    "MAIL_PURPOSES",
    "AuditEntry",
    "ByAddress",
    "ByFingerprint",
    "ByIssuerSerial",
    "ByKeyId",
    "ByPublicKey",
    "BySubject",
    "Capabilities",
    "CertificateSource",
    "Chain",
    "Decision",
    "Facts",
    "Judgement",
    "MemoryTrustStore",
    "PathParameters",
    "Purpose",
    "Query",
    "Reason",
    "Record",
    "Revocation",
    "RevocationPolicy",
    "Selection",
    "Source",
    "Status",
    "Trust",
    "TrustStore",
    "Validity",
    "Verdict",
    "normal_address",
    "open_store",
    "status_of",
    "system_roots",
]
