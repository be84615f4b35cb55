"""What would be encrypted how, for people and as JSON. Knows plans; makes none."""

from collections.abc import Iterator, Sequence
from typing import Final

from smimekit import Certificate, EncryptionPlan
from smimekit.cli.facts import certificate_facts
from smimekit.cli.output import Json, show_rows
from smimekit.cli.text import Row

__all__ = ["plan_facts", "show_plan"]

_KNOWLEDGE: Final = {
    "chosen": "you chose it",
    "announced": "announced in signed mail",
    "certificate": "announced in the certificate",
    "assumed": "assumed",
}


def plan_facts(
    plan: EncryptionPlan, *, missing: Sequence[Json] = (), unusable: Sequence[Json] = ()
) -> Json:
    """A plan; `missing`: who has nothing to encrypt to, `unusable`: certificates left out."""
    served = [
        {
            "name": each.name,
            "cipher": each.cipher.name,
            "key_management": each.key_management,
            "knowledge": str(each.knowledge),
            "notes": list(each.notes),
            "certificate": _facts(each.certificate),
        }
        for each in plan.served
    ]
    refused = [
        {
            "name": each.name,
            "code": each.code,
            "reason": each.reason,
            "certificate": _facts(each.certificate),
        }
        for each in plan.refused
    ]
    return {
        "cipher": None if plan.cipher is None else plan.cipher.name,
        "derived": plan.derived,
        "served": served,
        "refused": [*refused, *missing],
        "unusable": list(unusable),
    }


def _facts(certificate: Certificate | None) -> Json | None:
    return None if certificate is None else certificate_facts(certificate)


def show_plan(facts: Json) -> None:
    """A plan, for people."""
    show_rows([*_served(facts), *_refused(facts)])


def _served(facts: Json) -> Iterator[Row]:
    if facts["cipher"] is not None:
        yield "Cipher", facts["cipher"], ""
    for each in facts["served"]:
        how = f"{each['key_management']} ({each['cipher']}: {_KNOWLEDGE[each['knowledge']]})"
        yield each["name"], how, "good"
        yield from (("  Note", note, "") for note in each["notes"])


def _refused(facts: Json) -> Iterator[Row]:
    for each in facts["refused"]:
        yield each["name"], f"{each['reason']} [{each['code']}]", "bad"
