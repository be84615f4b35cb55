"""What the rules allow to be emitted: worked out once for a gateway, and kept nowhere else."""

from collections.abc import Iterator
from typing import Any

import pytest

from smimekit.gateway.outbound import execution
from smimekit.gateway.rules import policies
from smimekit.gateway.rules.policies import Policies
from smimekit.gateway.rules.treatment import Suite, Treatment
from smimekit.limits import Limits
from smimekit.message.send import encrypt_stream
from smimekit.policy import Policy
from tests.gateway.people import BOB, gateway, mail, send

LIMITS = Policy.INTEROP.limits
MUST = '[outside]\nencrypt = "must"\n'


def kinds() -> Iterator[Treatment]:
    """More of them than are kept."""
    for suite in (None, *Suite):
        for authenticated in (False, True):
            for bits in range(2048, 2048 + 50):
                yield Treatment(suite=suite, authenticated=authenticated, rsa_bits=bits)


def test_the_same_minimums_are_the_same_object() -> None:
    found, other = Policies(), Policies()
    made = found.of(Treatment(cipher_bits=256), LIMITS)
    assert found.of(Treatment(cipher_bits=256), LIMITS) is made
    assert found.of(Treatment(cipher_bits=128), LIMITS) is not made
    assert other.of(Treatment(cipher_bits=256), LIMITS) is not made
    assert all(row.key_size == 32 for row in made.ciphers)


def test_limits_are_those_that_are_asked_for() -> None:
    found, few = Policies(), Limits(layers=3)
    for limits in (LIMITS, few, LIMITS):
        assert found.of(Treatment(), limits).limits is limits


def test_rules_that_change_for_ever_fill_no_memory() -> None:
    found: Any = Policies()
    for treatment in kinds():
        assert found.of(treatment, LIMITS) == policies._policy(treatment, LIMITS)
    assert 0 < len(found._made) <= 64


def test_each_message_of_a_gateway_is_under_the_very_same_policy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What credentials and certificates remember of the last message counts then."""
    seen: list[Policy] = []
    real = encrypt_stream

    def watched(*words: Any, policy: Policy, **more: Any) -> Any:
        seen.append(policy)
        return real(*words, policy=policy, **more)

    monkeypatch.setattr(execution, "encrypt_stream", watched)
    one, other = gateway(MUST), gateway(MUST)
    for each in (one, one, other):
        send(each, mail(to=(BOB,)), BOB)
    assert seen[0] is seen[1]
    assert seen[2] is not seen[0]
    assert seen[2] == seen[0]
