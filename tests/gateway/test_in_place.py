"""What a mail server keeps and changes, and what goes to the next hop in its stead."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from smimekit.errors import GatewayError
from smimekit.gateway.adapters.in_place import KEPT, handle_in_place
from smimekit.gateway.envelope import Envelope
from smimekit.gateway.handover.answers import Reply
from smimekit.gateway.outcomes import Deliver, Mail, Outcome
from smimekit.span import Span
from tests.gateway.test_transaction import LATER, MESSAGE, NO, Fake, by_name, envelope, mail, to


def together(found: Envelope) -> list[Outcome]:
    return [Deliver(mail=mail(*(each.address for each in found.recipients)))]


def run(
    fake: Fake,
    folder: Path,
    found: Envelope,
    take: Callable[[Mail], bool] = lambda _: True,
    *,
    split: bool = True,
) -> Reply:
    desk = fake.desk(folder)
    return handle_in_place(desk, found, Span.of(MESSAGE), key="key", take=take, split=split)


def test_one_mail_for_all_is_kept_and_not_sent(tmp_path: Path) -> None:
    fake, taken = Fake(together), list[Mail]()
    notice = mail("admin")
    fake.notices = (notice,)

    def take(found: Mail) -> bool:
        taken.append(found)
        return True

    assert run(fake, tmp_path, envelope("b", "c"), take) == KEPT
    assert [each.recipients for each in taken] == [to("b", "c")]
    assert fake.delivered == ["admin"]


def test_what_was_decrypted_is_taken_where_nothing_goes_elsewhere(tmp_path: Path) -> None:
    """Its envelope asks for other reports, which are the caller's there."""
    private = replace(mail("b"), private=True, parameters=(("RET", "HDRS"),))
    fake = Fake(lambda _: [Deliver(mail=private)])
    assert run(fake, tmp_path, envelope("b"), split=False) == KEPT
    assert fake.delivered == []
    other = replace(private, mail_from="admin@x.org")
    with pytest.raises(GatewayError):
        run(Fake(lambda _: [Deliver(mail=other)]), tmp_path, envelope("b"), split=False)


def test_what_was_kept_is_not_done(tmp_path: Path) -> None:
    """The mail server may yet lose it: a second try is treated as the first."""
    fake = Fake(together)
    for _ in range(2):
        assert run(fake, tmp_path, envelope("b")) == KEPT
    assert fake.asked == [("b",), ("b",)]


def test_what_cannot_be_taken_is_sent(tmp_path: Path) -> None:
    fake = Fake(together)
    assert run(fake, tmp_path, envelope("b", "c"), lambda _: False).code == 250
    assert fake.delivered == ["b", "c"]


@pytest.mark.parametrize(
    "changed",
    [
        replace(mail("b", "c"), mail_from="other@x.org"),
        replace(mail("b", "c"), parameters=(("SMTPUTF8", None),)),
        replace(mail("b", "c"), parameters=(("ENVID", "1"),)),
        replace(mail("b", "c"), private=True),
    ],
    ids=["sender", "SMTPUTF8", "ENVID", "private"],
)
def test_another_envelope_is_sent(changed: Mail, tmp_path: Path) -> None:
    fake = Fake(lambda _: [Deliver(mail=changed)])
    assert run(fake, tmp_path, envelope("b", "c")).code == 250
    assert fake.delivered == ["b", "c"]


def test_two_mails_are_sent_both(tmp_path: Path) -> None:
    fake = Fake(by_name)
    assert run(fake, tmp_path, envelope("d", "d2")).code == 250
    assert fake.delivered == ["d", "d2"]


def test_what_is_left_of_a_split_is_no_whole(tmp_path: Path) -> None:
    """One was sent before: were the rest kept, the mail server would send it to all."""
    fake = Fake(by_name, says={"d2": LATER})
    assert run(fake, tmp_path, envelope("d", "d2")).deferred
    fake.says.clear()
    assert run(fake, tmp_path, envelope("d", "d2")).code == 250
    assert fake.delivered == ["d", "d2"]


def test_nothing_is_answered_before_the_next_hop_has_all(tmp_path: Path) -> None:
    fake = Fake(by_name, says={"d2": LATER})
    assert run(fake, tmp_path, envelope("d", "d2")) == LATER
    fake.says["d2"] = NO
    assert run(fake, tmp_path, envelope("d", "d2")).code == 250
    assert fake.bounced == ["d2"]


@pytest.mark.parametrize(("name", "code"), [("r", 550), ("l", 451), ("h", 250)])
def test_what_is_no_mail(name: str, code: int, tmp_path: Path) -> None:
    fake = Fake(by_name)
    for split in (True, False):
        assert run(fake, tmp_path / str(split), envelope(name), split=split).code == code
    assert fake.delivered == []


@pytest.mark.parametrize("names", [["d", "d2"], ["d", "r"], ["h", "r"]])
def test_without_a_next_hop_nothing_is_split(names: Sequence[str], tmp_path: Path) -> None:
    fake = Fake(by_name)
    with pytest.raises(GatewayError) as caught:
        run(fake, tmp_path, envelope(*names), split=False)
    assert caught.value.code == "gateway.several-outcomes"
    assert fake.delivered == []
    assert not (tmp_path / "hold").exists()


def test_without_a_next_hop_what_is_not_taken_is_not_sent(tmp_path: Path) -> None:
    fake = Fake(together)
    with pytest.raises(GatewayError):
        run(fake, tmp_path, envelope("b"), lambda _: False, split=False)
    assert fake.delivered == []


def test_kept_is_no_answer_of_any_server() -> None:
    """It neither ends in the journal nor is it a refusal."""
    assert KEPT.deferred
