"""Facts in, status out: the rule by which a certificate is trusted, untrusted or rejected.

Pure: no store, no clock, no certificate. The truth table is in `tests/trust/test_status.py`.

* rejected: decided so, or revoked, or the chain meets a CA that was rejected;
* trusted: valid, and either decided so (which overrides a chain that leads nowhere, never one
  that is bad) or anchored with the revocation policy met;
* untrusted: anything else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from smimekit.errors import UsageError
from smimekit.trust.records import Purpose, Verdict, purpose_of

__all__ = [
    "Chain",
    "Facts",
    "Reason",
    "Revocation",
    "RevocationPolicy",
    "Status",
    "Validity",
    "policies_of",
    "revocation_suffices",
    "status_of",
    "status_reasons",
]


class Status(StrEnum):
    """What follows from all facts."""

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"
    REJECTED = "rejected"


class Validity(StrEnum):
    """The certificate by itself, for one purpose at one time."""

    OK = "ok"
    NOT_YET = "not_yet"
    EXPIRED = "expired"
    WEAK = "weak"
    WRONG_USAGE = "wrong_usage"
    MALFORMED = "malformed"


class Chain(StrEnum):
    """Where its issuers lead."""

    ANCHORED = "anchored"
    """A path to an anchor that is valid by RFC 5280, 6.1."""
    INCOMPLETE = "incomplete"
    """An issuer is not at hand."""
    UNKNOWN_ROOT = "unknown_root"
    """A self-signed CA that is no anchor."""
    SELF_SIGNED = "self_signed"
    """It vouches for itself."""
    BAD = "bad"
    """A path to an anchor, but not a valid one; or the search was given up."""


class Revocation(StrEnum):
    """What is known about revocation of the certificate and of its issuers."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    """Looked for, but there is no usable evidence for each certificate of the path."""
    NOT_CHECKED = "not_checked"


class RevocationPolicy(StrEnum):
    """How much must be known."""

    OFF = "off"
    """Evidence is not looked at."""
    SOFT = "soft"
    """What is revoked is rejected; what is unknown passes."""
    HARD = "hard"
    """Every certificate below the anchor needs fresh evidence that it is good."""


_PURPOSES = tuple(Purpose)


def policies_of(
    wanted: RevocationPolicy | Mapping[Purpose, RevocationPolicy],
) -> Mapping[Purpose, RevocationPolicy]:
    """The policy of each purpose: the same for all, or SOFT for those that are left out.

    `UsageError` for what is neither a policy nor a mapping of them.
    """
    if isinstance(wanted, RevocationPolicy):  # as nearly always
        return dict.fromkeys(_PURPOSES, wanted)
    if isinstance(wanted, Mapping):
        named = {purpose_of(key): _policy_of(value) for key, value in wanted.items()}
        return {one: named.get(one, RevocationPolicy.SOFT) for one in _PURPOSES}
    return dict.fromkeys(_PURPOSES, _policy_of(wanted))


def _policy_of(value: RevocationPolicy) -> RevocationPolicy:
    try:
        return RevocationPolicy(value)
    except ValueError:
        raise UsageError(
            "There is no such revocation policy; give a member of RevocationPolicy.",
            code="usage.revocation-policy",
        ) from None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a certificate is not simply trusted: a stable code and a sentence for a person."""

    code: str
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the status depends on. `decision`: the one in force now (NONE: there is none)."""

    validity: Validity
    chain: Chain
    revocation: Revocation
    decision: Verdict
    distrusted: bool
    policy: RevocationPolicy


_DECISION_OVERRIDES = frozenset(
    {Chain.ANCHORED, Chain.INCOMPLETE, Chain.UNKNOWN_ROOT, Chain.SELF_SIGNED}
)
_TRUSTING = frozenset({Verdict.TRUST, Verdict.ANCHOR})


def revocation_suffices(policy: RevocationPolicy, known: Revocation) -> bool:
    """Whether so much is known as the policy requires."""
    if policy is RevocationPolicy.HARD:
        return known is Revocation.GOOD
    return known is not Revocation.REVOKED


def _revocation_met(facts: Facts) -> bool:
    return revocation_suffices(facts.policy, facts.revocation)


def status_of(facts: Facts) -> Status:
    """The status that follows from the facts."""
    if (
        facts.decision is Verdict.REJECT
        or facts.revocation is Revocation.REVOKED
        or facts.distrusted
    ):
        return Status.REJECTED
    if facts.validity is not Validity.OK:
        return Status.UNTRUSTED
    if facts.decision in _TRUSTING and facts.chain in _DECISION_OVERRIDES:
        return Status.TRUSTED
    if facts.chain is Chain.ANCHORED and _revocation_met(facts):
        return Status.TRUSTED
    return Status.UNTRUSTED


_VALIDITY = {
    Validity.NOT_YET: "The certificate is not valid yet at this time.",
    Validity.EXPIRED: "The certificate has expired.",
    Validity.WEAK: "The certificate's key is too weak.",
    Validity.WRONG_USAGE: "The certificate is not meant for this use.",
    Validity.MALFORMED: "The certificate is malformed, or demands what is not understood.",
}
_CHAIN = {
    Chain.INCOMPLETE: "An issuer of the certificate is not known.",
    Chain.UNKNOWN_ROOT: "The certificate comes from a CA that nobody declared an anchor.",
    Chain.SELF_SIGNED: "The certificate is signed by itself, and nobody decided to trust it.",
    Chain.BAD: "The certificate has no path to an anchor that is valid.",
}


def status_reasons(facts: Facts) -> tuple[Reason, ...]:
    """Every fact that speaks against the certificate, the weightiest first."""
    found: list[Reason] = []
    if facts.decision is Verdict.REJECT:
        found.append(Reason("decision.reject", "Somebody decided to reject this certificate."))
    if facts.distrusted:
        found.append(Reason("chain.distrusted", "It was issued by a CA that was rejected."))
    if facts.revocation is Revocation.REVOKED:
        found.append(Reason("revocation.revoked", "It, or an issuer of it, has been revoked."))
    if facts.validity in _VALIDITY:
        found.append(Reason(f"validity.{facts.validity}", _VALIDITY[facts.validity]))
    overridden = facts.decision in _TRUSTING and facts.chain in _DECISION_OVERRIDES
    if facts.chain in _CHAIN and not overridden:
        found.append(Reason(f"chain.{facts.chain}", _CHAIN[facts.chain]))
    unmet = facts.revocation is not Revocation.REVOKED and not _revocation_met(facts)
    if unmet and facts.chain is Chain.ANCHORED and not overridden:
        found.append(
            Reason("revocation.unknown", "Whether it was revoked is not known, but required.")
        )
    return tuple(found)
