"""NIST PKITS: what RFC 5280 says about 249 paths, judged by our search and validation."""

import json
import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import cryptography_vectors
import pytest

from smimekit.certificate import Certificate
from smimekit.policy import Policy
from smimekit.trust import PathParameters, Purpose, RevocationPolicy, Status, Trust

VECTORS = Path(os.environ.get("SMIMEKIT_VECTORS", Path(__file__).parents[3] / "shared/vectors"))
EXPECTED = VECTORS / "pkits_expected.json"
DATA = "x509/PKITS_data"
AT = datetime(2020, 1, 1, tzinfo=UTC)
POLICIES = {f"NIST-test-policy-{n}": f"2.16.840.1.101.3.2.1.48.{n}" for n in range(1, 11)}


def cases() -> list[dict[str, Any]]:
    if not EXPECTED.exists():
        return []
    found: list[dict[str, Any]] = json.loads(EXPECTED.read_text())
    return found


@cache
def read(kind: str, name: str, suffix: str) -> bytes:
    with cryptography_vectors.open_vector_file(f"{DATA}/{kind}/{name}.{suffix}", "rb") as file:
        data: bytes = file.read()
        return data


def certificate(name: str) -> Certificate:
    return Certificate(read("certs", name, "crt"))


def parameters(calls: list[list[str]]) -> PathParameters:
    given = dict(calls)
    names = given.get("SetInitialPolicySet", "")
    wanted = frozenset(POLICIES[name] for name in names.split(",") if name)
    return PathParameters(
        policies=wanted or None,
        explicit_policy=given.get("SetInitialExplicitPolicy") == "true",
        inhibit_policy_mapping=given.get("SetInitialPolicyMappingInhibit") == "true",
        inhibit_any_policy=given.get("SetInitialInhibitAnyPolicy") == "true",
    )


def judge(case: dict[str, Any]) -> Any:
    chain = [certificate(name) for name in case["certs"]]
    trust = Trust(anchors=chain[:1], revocation=RevocationPolicy.HARD, policy=Policy.LEGACY_READ)
    return trust.judge(
        chain[-1],
        Purpose.VERIFY,
        at=AT,
        extra_certificates=chain[1:-1],
        crls=[read("crls", name, "crl") for name in case["crls"]],
        parameters=parameters(case["calls"]),
    )


EXCEPTIONS = {
    "4.1.5": "a DSA key that inherits its parameters: DSA is obsolete (RFC 8551, 2.2)",
}
"""Cases whose verdict is not the expected one, with the reason: all of them fail closed."""

needs_vectors = pytest.mark.skipif(
    not EXPECTED.exists(), reason=f"the expected verdicts are not at {EXPECTED}"
)
# PKITS has a valid path with a negative serial number (4.4.14); cryptography warns of it.
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number")


@needs_vectors
def test_there_are_249_cases_and_at_most_two_exceptions() -> None:
    assert len(cases()) == 249
    assert len(EXCEPTIONS) <= 2


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["num"])
def test_verdict(case: dict[str, Any]) -> None:
    trusted = judge(case).status is Status.TRUSTED
    if case["num"] in EXCEPTIONS:
        assert case["should_validate"]
        assert not trusted, "no exception any more"
    else:
        assert trusted == case["should_validate"]


@needs_vectors
def test_without_crls_no_path_is_trusted_where_they_are_required() -> None:
    for case in cases():
        assert judge({**case, "crls": []}).status is not Status.TRUSTED
