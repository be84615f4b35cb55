"""S/MIME for somebody else's mail server: a pure core, and adapters. Public names only.

The core (`Envelope` and a message in, a plan, then outcomes) opens no sockets and has no clock
of its own. The adapters (`smtp`, `lmtp`, `milter`, `pipe`) know nothing of S/MIME.
"""

from smimekit.gateway.audit import Entry, audit_line
from smimekit.gateway.dsn import bounce
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
from smimekit.gateway.inbound_rules import Inbound
from smimekit.gateway.metrics import Metrics
from smimekit.gateway.notices import Waiting, digest, waiting
from smimekit.gateway.outcomes import Defer, Deliver, Hold, Mail, Outcomes, Reject
from smimekit.gateway.plan import Plan
from smimekit.gateway.rules import Partner, Rules, Settings, Site, Special, Treatment, Words
from smimekit.gateway.rules_file import RulesFile, read_rules

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
