"""Which certificates mail is encrypted to, and who shares one mail: all without any crypto.

Knows certificates, what their holders announce, and the minimums of a treatment. May not know
rules of addresses, MIME or envelopes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar, final

from smimekit.algorithms import ContentCipher
from smimekit.gateway.outbound.plan import Chosen, Unused
from smimekit.message.plan import decide
from smimekit.policy import Policy
from smimekit.trust import Purpose, Trust
from smimekit.trust.judgement import Judgement
from smimekit.trust.records import Record

__all__ = ["Available", "available", "share"]

_Who = TypeVar("_Who")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Available:
    """The certificates of one address: those to encrypt to, and why not to the others."""

    address: str
    chosen: tuple[Chosen, ...]
    unused: tuple[Unused, ...]


def available(
    trust: Trust,
    address: str,
    policy: Policy,
    at: datetime,
    *,
    excluded: Mapping[str, str],
    archive: bool = False,
) -> Available:
    """All certificates of an address, judged, and those left out that the policy forbids.

    `excluded`: certificates that proved impossible to encrypt to, and why. Raises what the
    store of `trust` raises. Nothing is looked up anywhere unless `trust` has evidence that does.
    """
    found = trust.usable(address, Purpose.ENCRYPT, at)
    unused = [_judged(address, verdict) for _, verdict in found.unusable]
    records: list[Record] = []
    for record in found.records:
        if record.fingerprint in excluded:
            unused.append(_refused(address, record, excluded[record.fingerprint]))
        else:
            records.append(record)
    fitting, refused = _fitting(records, policy)
    unused += [_refused(address, record, why) for record, why in refused]
    chosen = tuple(Chosen(address=address, record=one, archive=archive) for one in fitting)
    return Available(address=address, chosen=chosen, unused=tuple(unused))


def _judged(address: str, verdict: Judgement) -> Unused:
    return Unused(
        address=address,
        fingerprint=verdict.certificate.fingerprint,
        status=verdict.status.value,
        reasons=tuple(reason.text for reason in verdict.reasons),
    )


def _refused(address: str, record: Record, why: str) -> Unused:
    return Unused(address=address, fingerprint=record.fingerprint, status="trusted", reasons=(why,))


def _fitting(
    records: Sequence[Record], policy: Policy
) -> tuple[list[Record], list[tuple[Record, str]]]:
    """Those that one mail can be encrypted to, and why not the others."""
    if not records:
        return [], []
    decision = decide(records, None, policy)
    pairs = list(zip(records, decision.people, strict=True))
    refused = [(record, str(one.refusal)) for record, one in pairs if one.refusal is not None]
    return [record for record, one in pairs if one.refusal is None], refused


def share(
    wanting: Iterable[tuple[_Who, Sequence[Chosen]]],
    besides: Sequence[Chosen],
    policy: Policy,
) -> Iterator[tuple[list[_Who], ContentCipher | None]]:
    """Groups of those who read one cipher, all with all their certificates, and that cipher.

    `besides`: certificates that every mail is encrypted to as well; where they rule out the only
    cipher that somebody reads, that one comes alone and with None.
    """
    pending = list(wanting)
    while pending:
        everyone = [each.record for _, chosen in pending for each in chosen]
        decision = decide([*everyone, *(each.record for each in besides)], None, policy)
        apart = {
            one.certificate.fingerprint
            for one in decision.people
            if one.refusal is not None and one.certificate is not None
        }
        always = any(each.fingerprint in apart for each in besides)
        together = [] if always else [one for one in pending if not _among(one[1], apart)]
        if together:
            yield [who for who, _ in together], decision.cipher
            pending = [one for one in pending if _among(one[1], apart)]
        elif len(pending) > 1:
            # Those beside them suit nobody, or nobody suits them all: one after the other.
            yield from _alone(pending, besides, policy)
            return
        else:
            yield [pending[0][0]], None
            return


def _alone(
    pending: Iterable[tuple[_Who, Sequence[Chosen]]], besides: Sequence[Chosen], policy: Policy
) -> Iterator[tuple[list[_Who], ContentCipher | None]]:
    for one in pending:
        yield from share([one], besides, policy)


def _among(chosen: Iterable[Chosen], fingerprints: set[str]) -> bool:
    return any(each.fingerprint in fingerprints for each in chosen)
