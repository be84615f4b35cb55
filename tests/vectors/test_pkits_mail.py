"""NIST PKITS, the signed messages: 224 mails, 249 cases, the verdicts of NIST.

The mails bring their certificates and CRLs along; revocation is required. The signatures
themselves are all good: what differs is the path.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cryptography_vectors
import pytest

import smimekit
from smimekit import Certificate, Policy, Purpose, Status, Trust
from smimekit.message.layers import Integrity, Signed
from smimekit.trust import PathParameters, RevocationPolicy

AT = datetime(2020, 1, 1, tzinfo=UTC)
PKITS = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data"

EXCEPTIONS = {
    "4.1.5": "its signer's DSA key inherits its parameters, which the primitives do not load",
}


@pytest.fixture(scope="module")
def cases(vectors: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((vectors / "pkits_expected.json").read_bytes())
    return found


@pytest.fixture(scope="module")
def trust() -> Trust:
    anchor = (PKITS / "certs" / "TrustAnchorRootCertificate.crt").read_bytes()
    return Trust(
        anchors=[Certificate(anchor)],
        revocation=RevocationPolicy.HARD,
        policy=Policy.LEGACY_READ,
    )


def verdict(case: dict[str, Any], trust: Trust) -> bool:
    data = (PKITS / "smime" / case["eml"]).read_bytes()
    with smimekit.open(data, trust=trust, at=AT, policy=Policy.LEGACY_READ) as opened:
        [layer] = opened.envelope
    assert isinstance(layer, Signed)
    [signature] = layer.signatures
    if signature.integrity is not Integrity.GOOD or signature.judgement is None:
        return False
    if not case["calls"]:
        return signature.judgement.status is Status.TRUSTED
    assert signature.certificate is not None
    judgement = trust.judge(
        signature.certificate,
        Purpose.VERIFY,
        at=AT,
        extra_certificates=layer.certificates,
        crls=layer.crls,
        parameters=parameters(case["calls"]),
    )
    return judgement.status is Status.TRUSTED


def parameters(calls: list[list[str]]) -> PathParameters:
    given = dict(calls)
    names = [name for name in given.get("SetInitialPolicySet", "").split(",") if name]
    prefix = "2.16.840.1.101.3.2.1.48."  # NIST-test-policy-N
    return PathParameters(
        policies=frozenset(prefix + name.rpartition("-")[2] for name in names) or None,
        explicit_policy=given.get("SetInitialExplicitPolicy") == "true",
        inhibit_policy_mapping=given.get("SetInitialPolicyMappingInhibit") == "true",
        inhibit_any_policy=given.get("SetInitialInhibitAnyPolicy") == "true",
    )


# PKITS has a valid path with a negative serial number (4.4.14); cryptography warns of it.
@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_verdicts(cases: list[dict[str, Any]], trust: Trust) -> None:
    assert len(cases) == 249
    assert len({case["eml"] for case in cases}) == 224
    wrong = [case["num"] for case in cases if verdict(case, trust) is not case["should_validate"]]
    assert wrong == sorted(EXCEPTIONS)
    assert len(wrong) <= 2


def test_a_changed_body_is_seen(trust: Trust) -> None:
    data = (PKITS / "smime" / "SignedValidSignaturesTest1.eml").read_bytes()
    assert smimekit.open(data, trust=trust, at=AT).signatures[0].integrity is Integrity.GOOD
    changed = data.replace(b"This is a sample", b"That is a sample")
    [signature] = smimekit.open(changed, trust=trust, at=AT).signatures
    assert signature.integrity is Integrity.CONTENT_CHANGED
