"""The truth table of the status (DESIGN: rejected is sticky, revoked beats trusted)."""

import itertools
from collections import Counter
from typing import Any

import pytest

from smimekit.trust.records import Verdict
from smimekit.trust.status import (
    Chain,
    Facts,
    Revocation,
    RevocationPolicy,
    Status,
    Validity,
    status_of,
    status_reasons,
)

V, C, R, P, D, S = Validity, Chain, Revocation, RevocationPolicy, Verdict, Status
ANY: Any = object()
BELIEVED = {D.TRUST, D.ANCHOR}
LEADS_NOWHERE = {C.INCOMPLETE, C.UNKNOWN_ROOT, C.SELF_SIGNED}
BROKEN = set(V) - {V.OK}

# The first row that matches counts. A set stands for any of its members.
TABLE: list[tuple[Any, Any, Any, Any, Any, Any, Status]] = [
    # decision   distrusted revocation    validity  chain          policy           status
    (D.REJECT, ANY, ANY, ANY, ANY, ANY, S.REJECTED),
    (ANY, True, ANY, ANY, ANY, ANY, S.REJECTED),
    (ANY, ANY, R.REVOKED, ANY, ANY, ANY, S.REJECTED),
    (ANY, ANY, ANY, BROKEN, ANY, ANY, S.UNTRUSTED),
    (ANY, ANY, ANY, V.OK, C.BAD, ANY, S.UNTRUSTED),
    (BELIEVED, ANY, ANY, V.OK, LEADS_NOWHERE | {C.ANCHORED}, ANY, S.TRUSTED),
    (D.NONE, ANY, ANY, V.OK, LEADS_NOWHERE, ANY, S.UNTRUSTED),
    (D.NONE, ANY, R.GOOD, V.OK, C.ANCHORED, ANY, S.TRUSTED),
    (D.NONE, ANY, {R.UNKNOWN, R.NOT_CHECKED}, V.OK, C.ANCHORED, {P.OFF, P.SOFT}, S.TRUSTED),
    (D.NONE, ANY, {R.UNKNOWN, R.NOT_CHECKED}, V.OK, C.ANCHORED, P.HARD, S.UNTRUSTED),
]

ALL = [
    Facts(
        decision=decision,
        distrusted=distrusted,
        revocation=revocation,
        validity=validity,
        chain=chain,
        policy=policy,
    )
    for decision, distrusted, revocation, validity, chain, policy in itertools.product(
        Verdict, (False, True), Revocation, Validity, Chain, RevocationPolicy
    )
]


def cells(facts: Facts) -> tuple[Any, ...]:
    return (
        facts.decision,
        facts.distrusted,
        facts.revocation,
        facts.validity,
        facts.chain,
        facts.policy,
    )


def matches(row: tuple[Any, ...], facts: Facts) -> bool:
    return all(
        wanted is ANY or found == wanted or (isinstance(wanted, set) and found in wanted)
        for wanted, found in zip(row, cells(facts), strict=False)
    )


def test_every_combination_follows_the_first_row_that_matches() -> None:
    rows: Counter[int] = Counter()
    for facts in ALL:
        index = next(index for index, row in enumerate(TABLE) if matches(row, facts))
        rows[index] += 1
        assert status_of(facts) is TABLE[index][-1], facts
    assert sum(rows.values()) == 4 * 2 * 4 * 6 * 5 * 3
    assert set(rows) == set(range(len(TABLE))), "a row that nothing reaches says nothing"


def test_trusted_needs_every_one_of_these() -> None:
    for facts in ALL:
        if status_of(facts) is S.TRUSTED:
            assert facts.validity is V.OK
            assert facts.revocation is not R.REVOKED
            assert facts.decision is not D.REJECT
            assert not facts.distrusted
            assert facts.chain is C.ANCHORED or facts.decision in BELIEVED
            assert facts.chain is not C.BAD


def test_trusted_has_no_reason_against_it_and_all_else_has_one() -> None:
    for facts in ALL:
        assert bool(status_reasons(facts)) == (status_of(facts) is not S.TRUSTED), facts


GOOD = {
    "decision": D.NONE,
    "distrusted": False,
    "revocation": R.GOOD,
    "validity": V.OK,
    "chain": C.ANCHORED,
    "policy": P.HARD,
}


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"decision": D.REJECT}, S.REJECTED, "decision.reject"),
        ({"distrusted": True}, S.REJECTED, "chain.distrusted"),
        ({"revocation": R.REVOKED}, S.REJECTED, "revocation.revoked"),
        ({"revocation": R.REVOKED, "decision": D.TRUST}, S.REJECTED, "revocation.revoked"),
        ({"revocation": R.UNKNOWN}, S.UNTRUSTED, "revocation.unknown"),
        ({"revocation": R.NOT_CHECKED}, S.UNTRUSTED, "revocation.unknown"),
        ({"validity": V.EXPIRED, "decision": D.TRUST}, S.UNTRUSTED, "validity.expired"),
        ({"validity": V.NOT_YET}, S.UNTRUSTED, "validity.not_yet"),
        ({"validity": V.WEAK}, S.UNTRUSTED, "validity.weak"),
        ({"validity": V.WRONG_USAGE}, S.UNTRUSTED, "validity.wrong_usage"),
        ({"validity": V.MALFORMED, "decision": D.TRUST}, S.UNTRUSTED, "validity.malformed"),
        ({"chain": C.BAD, "decision": D.TRUST}, S.UNTRUSTED, "chain.bad"),
        ({"chain": C.INCOMPLETE}, S.UNTRUSTED, "chain.incomplete"),
        ({"chain": C.UNKNOWN_ROOT}, S.UNTRUSTED, "chain.unknown_root"),
        ({"chain": C.SELF_SIGNED}, S.UNTRUSTED, "chain.self_signed"),
    ],
)
def test_one_change_from_good(change: dict[str, Any], status: Status, code: str) -> None:
    assert status_of(Facts(**GOOD)) is S.TRUSTED  # type: ignore[arg-type] # the table above
    facts = Facts(**{**GOOD, **change})
    assert status_of(facts) is status
    assert code in [reason.code for reason in status_reasons(facts)]


def test_all_reasons_are_given_the_weightiest_first() -> None:
    facts = Facts(
        decision=D.REJECT,
        distrusted=True,
        revocation=R.REVOKED,
        validity=V.EXPIRED,
        chain=C.INCOMPLETE,
        policy=P.HARD,
    )
    assert [reason.code for reason in status_reasons(facts)] == [
        "decision.reject",
        "chain.distrusted",
        "revocation.revoked",
        "validity.expired",
        "chain.incomplete",
    ]
