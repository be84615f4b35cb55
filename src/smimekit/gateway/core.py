"""What both directions work with, and what each gives back. Knows the parts of a gateway, and may
not know what is done with them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, final, runtime_checkable

from smimekit.gateway.events import NO_EVENTS, Events
from smimekit.gateway.outcomes import Mail, Outcome
from smimekit.gateway.reports.audit import CertificateUse
from smimekit.gateway.rules import Rules
from smimekit.gateway.rules.policies import Policies
from smimekit.gateway.rules.treatment import Treatment
from smimekit.keys import Credential, Decryptor
from smimekit.policy import Policy
from smimekit.trust import Trust
from smimekit.trust.store import TrustStore

__all__ = ["Core", "Keys", "Results"]


@runtime_checkable
class Keys(Protocol):
    """The users' keys: a `KeyRing` is one."""

    def signing(self, address: str, *, at: datetime) -> Credential:
        """The credential to sign with; UsageError (`usage.no-signing-key`) where there is none."""
        ...

    def of(self, address: str) -> Sequence[Decryptor]:
        """Every key of an address, old ones too: mail is opened with its recipients' keys only."""
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What one transaction is worked on with: the rules do not change while it lasts."""

    rules: Rules
    trust: Trust
    """Judges certificates; with a store, which it is asked to find them in."""
    keys: Keys
    store: TrustStore | None = None
    """Remembers what comes in; mostly that of `trust`."""
    events: Events = NO_EVENTS
    policy: Policy = Policy.INTEROP
    """Its limits bound the work; its algorithms are for what the rules leave open."""
    policies: Policies = field(default_factory=Policies, repr=False)
    """The gateway's, of what its rules allow to be emitted."""

    def policy_of(self, treatment: Treatment) -> Policy:
        """What may be emitted under a treatment; the limits are those of `policy`."""
        return self.policies.of(treatment, self.policy.limits)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What a direction did: one outcome for each of the recipients that it was given."""

    outcomes: tuple[Outcome, ...]
    notices: tuple[Mail, ...] = ()
    certificates: tuple[CertificateUse, ...] = ()
