"""Who is who, and do we believe it: RFC 5280 and RFC 8550 (the names for the rings above)."""

from smimekit.trust.addresses import normal_address
from smimekit.trust.certvalidator import PathParameters
from smimekit.trust.judge import Trust
from smimekit.trust.judgement import Flip, Judgement, Selection
from smimekit.trust.network.fetch import ByScheme, Fetcher, Post
from smimekit.trust.records import (
    MAIL_PURPOSES,
    AuditEntry,
    ByAddress,
    ByFingerprint,
    ByIssuer,
    ByIssuerSerial,
    ByKeyId,
    ByPublicKey,
    BySubject,
    Capabilities,
    Decision,
    Preference,
    Purpose,
    Query,
    Record,
    Sighting,
    Source,
    Verdict,
)
from smimekit.trust.revocation.cache import (
    CachedEvidence,
    EvidenceCache,
    EvidenceKind,
    MemoryEvidenceCache,
)
from smimekit.trust.revocation.gather import EvidenceSource
from smimekit.trust.revocation.handed import HandedEvidence
from smimekit.trust.revocation.online import FetchRules, OnlineEvidence
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
from smimekit.trust.store import CertificateSource, TrustStore
from smimekit.trust.stores.directory import DirectoryTrustStore
from smimekit.trust.stores.memory import MemoryTrustStore
from smimekit.trust.stores.opening import open_store
from smimekit.trust.system import system_roots

__all__ = [
    "MAIL_PURPOSES",
    "AuditEntry",
    "ByAddress",
    "ByFingerprint",
    "ByIssuer",
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
    "DirectoryTrustStore",
    "EvidenceCache",
    "EvidenceKind",
    "EvidenceSource",
    "Facts",
    "FetchRules",
    "Fetcher",
    "Flip",
    "HandedEvidence",
    "Judgement",
    "MemoryEvidenceCache",
    "MemoryTrustStore",
    "OnlineEvidence",
    "PathParameters",
    "Post",
    "Preference",
    "Purpose",
    "Query",
    "Reason",
    "Record",
    "Revocation",
    "RevocationPolicy",
    "Selection",
    "Sighting",
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
