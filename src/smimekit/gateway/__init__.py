"""S/MIME for somebody else's mail server: a pure core, and adapters. Public names only.

The core (`Envelope` and a message in, a plan, then outcomes) opens no sockets and has no clock
of its own. `gateway.gateway` is where both directions begin; `rules`, `outbound`, `inbound` and
`reports` are their work. What runs beside a mail server knows nothing of S/MIME: `adapters` take
messages in, `handover` makes outcomes true, `program` holds both together.
"""

from smimekit.gateway.envelope import Client, Envelope, EnvelopeRecipient
from smimekit.gateway.events import (
    NO_EVENTS,
    Action,
    CertificateSeen,
    Events,
    Objection,
    Scan,
)
from smimekit.gateway.gateway import Gateway, Processor
from smimekit.gateway.outbound.plan import Plan
from smimekit.gateway.outcomes import Defer, Deliver, Hold, Mail, Outcomes, Reject
from smimekit.gateway.reports.audit import Entry, audit_line
from smimekit.gateway.reports.dsn import bounce
from smimekit.gateway.reports.metrics import Metrics
from smimekit.gateway.reports.notices import Waiting, digest, waiting
from smimekit.gateway.rules import Partner, Rules, Settings, Site, Special, Treatment, Words
from smimekit.gateway.rules.file import RulesFile, read_rules
from smimekit.gateway.rules.inbound import Inbound

__all__ = [
    "NO_EVENTS",
    "Action",
    "CertificateSeen",
    "Client",
    "Defer",
    "Deliver",
    "Entry",
    "Envelope",
    "EnvelopeRecipient",
    "Events",
    "Gateway",
    "Hold",
    "Inbound",
    "Mail",
    "Metrics",
    "Objection",
    "Outcomes",
    "Partner",
    "Plan",
    "Processor",
    "Reject",
    "Rules",
    "RulesFile",
    "Scan",
    "Settings",
    "Site",
    "Special",
    "Treatment",
    "Waiting",
    "Words",
    "audit_line",
    "bounce",
    "digest",
    "read_rules",
    "waiting",
]
