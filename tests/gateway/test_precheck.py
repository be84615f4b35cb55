"""Who is refused before there is a message: whoever must get encrypted mail and cannot, only."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from smimekit.gateway.adapters.precheck import Planner, precheck
from smimekit.gateway.handover.answers import Reply
from tests.gateway.people import ALICE, BOB, CAROL, DAVE, INSIDER, LATE, envelope, gateway, world
from tests.gateway.test_transaction import Fake, by_name

MUST = '[outside]\nencrypt = "must"\n'


def asked(rules: str, to: str, mail_from: str = ALICE) -> Reply | None:
    found = gateway(rules)
    assert isinstance(found, Planner)
    return precheck(found, envelope(to, mail_from=mail_from, user=None), at=world().at)


@pytest.mark.parametrize("to", [DAVE, LATE])
def test_who_must_get_encrypted_mail_and_cannot(to: str) -> None:
    refusal = asked(MUST, to)
    assert refusal is not None
    assert (refusal.code, refusal.enhanced) == (550, "5.7.10")
    assert to in refusal.text


@pytest.mark.parametrize(
    ("rules", "to", "mail_from"),
    [
        (MUST, BOB, ALICE),
        (MUST, CAROL, ALICE),
        ("", DAVE, ALICE),
        (MUST, INSIDER, ALICE),
        (MUST, INSIDER, DAVE),
        (MUST + 'impossible = "hold"\n', DAVE, ALICE),
        (MUST, DAVE, ""),
        (MUST.replace("must", "if_possible") + 'impossible = "bounce"\n', DAVE, ALICE),
    ],
    ids=[
        "known",
        "known too",
        "if possible",
        "inside",
        "from outside",
        "held",
        "nobody",
        "a tag may say plain",
    ],
)
def test_everybody_else_waits_for_the_message(rules: str, to: str, mail_from: str) -> None:
    assert asked(rules, to, mail_from) is None


def test_the_time_counts() -> None:
    found = gateway(MUST)
    at = world().at + timedelta(days=36_500)
    assert precheck(found, envelope(BOB), at=at) is not None


def test_an_address_can_be_anything() -> None:
    assert asked(MUST, 'x"<>@partner.example') is not None
    assert asked(MUST, "ä\udcff@partner.example") is not None


def test_at_rcpt(tmp_path: Path) -> None:
    milter = pytest.importorskip("Milter")
    from tests.gateway.test_milter import (  # noqa: PLC0415 - needs pymilter
        LISTENER,
        Server,
        Shared,
        session,
    )

    server, shared = Server(), Shared(Fake(by_name), tmp_path, planner=gateway(MUST))
    found = session(shared, server)
    found.envfrom(f"<{ALICE}>")
    assert found.envrcpt(f"<{DAVE}>") == milter.REJECT
    assert server.said[0][:2] == ("550", "5.7.10")
    assert found.envrcpt(f"<{BOB}>") == milter.CONTINUE
    other = session(shared, server, replace(LISTENER, precheck=False))
    other.envfrom(f"<{ALICE}>")
    assert other.envrcpt(f"<{DAVE}>") == milter.CONTINUE
