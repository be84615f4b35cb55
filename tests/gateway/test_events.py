"""Hooks may object, and nothing that one does loses mail."""

import pytest

from smimekit.gateway.events import NO_EVENTS, Action, Events, Objection, Scan, consult
from smimekit.span import Span
from tests.gateway.arrivals import envelope
from tests.message.people import NOW

AROUND = envelope()
SCAN = Scan(
    envelope=AROUND, recipients=AROUND.recipients, message=Span.of(b"A: b\r\n\r\nsecret"), at=NOW
)


class Scanner(Events):
    def __init__(self, says: Objection | BaseException | None) -> None:
        self.says = says

    def after_decrypt(self, scan: Scan, /) -> Objection | None:
        assert scan is SCAN
        if isinstance(self.says, BaseException):
            raise self.says
        return self.says


def test_who_hears_nothing_objects_to_nothing() -> None:
    assert consult(NO_EVENTS.before_encrypt, SCAN) is None
    assert consult(NO_EVENTS.after_decrypt, SCAN) is None


def test_a_hook_says_what_it_wants() -> None:
    objection = Objection(action=Action.REJECT, reason="A virus.")
    assert consult(Scanner(objection).after_decrypt, SCAN) is objection
    assert consult(Scanner(None).after_decrypt, SCAN) is None


def test_hooks_that_are_not_written_say_nothing() -> None:
    scanner = Scanner(RuntimeError())
    assert scanner.before_encrypt(SCAN) is None


@pytest.mark.parametrize(
    "error", [RuntimeError("secret"), ValueError("secret"), OSError(), KeyError()]
)
def test_one_that_fails_delays_the_mail(error: Exception) -> None:
    found = consult(Scanner(error).after_decrypt, SCAN)
    assert found is not None
    assert found.action is Action.DEFER
    assert type(error).__name__ in found.reason
    assert "secret" not in found.reason


def test_the_end_of_the_program_is_no_failure_of_a_hook() -> None:
    with pytest.raises(KeyboardInterrupt):
        consult(Scanner(KeyboardInterrupt()).after_decrypt, SCAN)
