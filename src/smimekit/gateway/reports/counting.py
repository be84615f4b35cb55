"""What one transaction adds to the numbers of the gateway.

Knows what the audit trail says and what is counted. Addresses and Message-IDs are never labels:
each would be a series of its own.
"""

from smimekit.gateway.reports.audit import CertificateRole, Entry
from smimekit.gateway.reports.metrics import Metrics

__all__ = ["count_entry", "direction_of"]


def direction_of(entry: Entry) -> str:
    """Whether one of ours handed it in ("outbound") or not ("inbound")."""
    return "outbound" if entry.plan.get("submission") else "inbound"


def count_entry(metrics: Metrics, entry: Entry) -> None:
    """Count a transaction: its recipients by outcome, its signatures, what was learned."""
    direction = direction_of(entry)
    metrics.count("smimekit_gateway_messages_total", direction)
    for outcome in entry.outcomes:
        kind, number = type(outcome).__name__.lower(), len(outcome.recipients)
        metrics.count("smimekit_gateway_recipients_total", direction, kind, by=number)
    for use in entry.certificates:
        if use.role is CertificateRole.SIGNER:
            metrics.count("smimekit_gateway_signatures_total", use.result or "none")
        elif use.role is CertificateRole.HARVESTED:
            name = "smimekit_gateway_certificates_harvested_total"
            metrics.count(name, use.status or "unknown")
    roles = {use.role for use in entry.certificates}
    if CertificateRole.DECRYPTED_WITH in roles:
        metrics.count("smimekit_gateway_decrypted_total")
    if direction == "outbound":
        metrics.count("smimekit_gateway_protected_total", _protection(roles))


def _protection(roles: set[CertificateRole]) -> str:
    words = {CertificateRole.SIGNED: "signed", CertificateRole.ENCRYPTED_TO: "encrypted"}
    return "-".join(word for role, word in words.items() if role in roles) or "none"
