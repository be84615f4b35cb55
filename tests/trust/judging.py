"""Ways to ask for a judgement in tests."""

from collections.abc import Iterable
from typing import Any

from smimekit.certificate import Certificate
from smimekit.policy import Policy
from smimekit.trust import (
    ByFingerprint,
    Decision,
    Judgement,
    MemoryTrustStore,
    Purpose,
    RevocationPolicy,
    Source,
    Trust,
    TrustStore,
    Verdict,
)
from tests.trust.certs import NOW, Made

HERE = Source("upload", "test")


def judge(
    leaf: Made | Certificate,
    anchors: Iterable[Made] = (),
    extra: Iterable[Made | Certificate] = (),
    *,
    purpose: Purpose = Purpose.VERIFY,
    store: MemoryTrustStore | None = None,
    revocation: RevocationPolicy = RevocationPolicy.SOFT,
    policy: Policy = Policy.INTEROP,
    **more: Any,
) -> Judgement:
    trust = Trust(
        store,
        anchors=[one.certificate for one in anchors],
        revocation=revocation,
        policy=policy,
        clock=lambda: NOW,
    )
    return trust.judge(bare(leaf), purpose, extra_certificates=map(bare, extra), **more)


def bare(made: Made | Certificate) -> Certificate:
    return made if isinstance(made, Certificate) else made.certificate


def store_of(*made: Made) -> MemoryTrustStore:
    store = MemoryTrustStore()
    for one in made:
        store.put(one.certificate, HERE, at=NOW)
    return store


def decide(store: TrustStore, made: Made, verdict: Verdict, **more: Any) -> None:
    decision = Decision(verdict=verdict, by="me", why="test", at=NOW, **more)
    (record,) = store.records(ByFingerprint(made.certificate.fingerprint))
    store.decide(made.certificate.fingerprint, decision, expected=record.revision)


def codes(judgement: Judgement) -> list[str]:
    return [reason.code for reason in judgement.reasons]
