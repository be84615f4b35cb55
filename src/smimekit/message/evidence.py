"""What a signature comes with, and by what it is judged: certificates, evidence, the caller."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import final

from smimekit.certificate import Certificate
from smimekit.cms.signed import SignedData
from smimekit.cms.signer import Check
from smimekit.errors import CertificateError, UsageError
from smimekit.policy import Assessment, Grade, Policy
from smimekit.trust import Trust

__all__ = ["Judge", "assess", "bounded", "load_bag"]


@final
@dataclass(frozen=True, slots=True)
class Judge:
    """By what the signatures of a message are judged."""

    trust: Trust
    policy: Policy
    at: datetime | None

    def __post_init__(self) -> None:
        if not hasattr(self.trust, "judge"):  # who wraps a Trust, to count or to log, may
            raise UsageError(
                "Say whom to trust by a Trust: Trust(anchors=load_certificates(...)), or "
                "Trust(store).",
                code="usage.trust",
            )


def load_bag(
    raw: Iterable[bytes], load: Callable[[bytes], Certificate] = Certificate
) -> tuple[Certificate, ...]:
    """The certificates of a bag; those that are malformed are left out.

    `load` may know those of frequent senders, parsed, from before.
    """
    found: dict[bytes, Certificate] = {}
    for each in raw:
        if each not in found:
            try:
                found[each] = load(each)
            except CertificateError:
                continue
    return tuple(found.values())


def bounded(data: SignedData, most: int) -> tuple[list[bytes], list[bytes], int]:
    """CRLs and OCSP responses, as many as may be looked at, and how many bytes are left.

    Without the rest, less is known.
    """
    found: tuple[list[bytes], list[bytes]] = ([], [])
    if not (data.crls or data.other_revocation):  # as nearly always
        return *found, most
    for kind, evidence in zip(found, (data.crls, data.ocsp_responses), strict=True):
        for each in dict.fromkeys(evidence):
            if len(each) <= most:
                most -= len(each)
                kind.append(each)
    return *found, most


def assess(check: Check, certificate: Certificate | None, policy: Policy) -> Assessment:
    """How good the algorithms of a signature are under a policy."""
    scheme = check.scheme
    if certificate is None:
        return Assessment(Grade.REFUSED, "the key is not known")
    if scheme is None:  # it says itself why not: unknown, or something else was malformed
        return Assessment(Grade.REFUSED, check.reason)
    known = certificate.memo.get("assessment")
    if isinstance(known, tuple) and known[0] is policy and known[1] is scheme:
        made: Assessment = known[2]
        return made
    try:
        made = policy.signature(scheme, certificate.public_key)
    except CertificateError as error:
        return Assessment(Grade.REFUSED, str(error))
    certificate.memo["assessment"] = policy, scheme, made
    return made
