"""What may be emitted under a treatment, as a `Policy`: the same object for the same minimums.

Knows treatments and policies. May not know messages. What credentials and certificates remember of
the last message counts under the very policy that it was worked out for.
"""

from dataclasses import replace
from typing import Final, TypeAlias, final

from smimekit.algorithms import AES256_CBC, AES256_GCM
from smimekit.gateway.rules.treatment import Suite, Treatment
from smimekit.limits import Limits
from smimekit.policy import Policy

__all__ = ["Policies"]

_Minimums: TypeAlias = tuple[Suite | None, bool, int, int]
_MOST: Final = 64
"""Kinds of policy that are kept: rules have a handful, and may change while a gateway runs."""


@final
class Policies:
    """The policies of one gateway. Threads may share it."""

    def __init__(self) -> None:
        self._made: Final[dict[_Minimums, Policy]] = {}

    def of(self, treatment: Treatment, limits: Limits) -> Policy:
        """What may be emitted under a treatment, within limits."""
        key = (
            treatment.suite, treatment.authenticated, treatment.cipher_bits, treatment.rsa_bits
        )  # fmt: skip
        found = self._made.get(key)
        if found is None or found.limits is not limits:
            if len(self._made) >= _MOST:
                self._made.clear()
            found = self._made[key] = _policy(treatment, limits)
        return found


def _policy(treatment: Treatment, limits: Limits) -> Policy:
    suite = Policy.MODERN if treatment.suite is Suite.MODERN else Policy.INTEROP
    ciphers = tuple(
        row
        for row in suite.ciphers
        if row.key_size * 8 >= treatment.cipher_bits
        and (row.authenticated or not treatment.authenticated)
    )
    preferred = (suite.cipher, AES256_GCM, AES256_CBC)
    return replace(
        suite,
        limits=limits,
        ciphers=ciphers,
        cipher=next(row for row in preferred if row in ciphers),
        minimum_rsa=max(suite.minimum_rsa, treatment.rsa_bits),
    )
