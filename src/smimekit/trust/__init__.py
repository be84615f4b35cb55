"""Who is who, and do we believe it: RFC 5280 and RFC 8550 (the names for the rings above)."""

from smimekit.trust.certvalidator import PathParameters
from smimekit.trust.evidence_cache import (
    CachedEvidence,
    EvidenceCache,
    EvidenceKind,
    MemoryEvidenceCache,
)
from smimekit.trust.fetch import ByScheme, Fetcher, Post
from smimekit.trust.gather import EvidenceSource
from smimekit.trust.judge import Judgement, Selection, Trust
from smimekit.trust.online import FetchRules, OnlineEvidence
from smimekit.trust.opening import open_store
from smimekit.trust.records import (
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
    "AuditEntry",
    "ByAddress",
    "ByFingerprint",
    "ByIssuerSerial",
    "ByKeyId",
    "ByPublicKey",
    "ByScheme",
    "BySubject",
    "CachedEvidence",
    "Capabilities",
    "CertificateSource",
    "Chain",
    "Decision",
    "EvidenceCache",
    "EvidenceKind",
    "EvidenceSource",
    "Facts",
    "FetchRules",
    "Fetcher",
    "Judgement",
    "MemoryEvidenceCache",
    "MemoryTrustStore",
    "OnlineEvidence",
    "PathParameters",
    "Post",
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
