"""Never lost, never twice: what is done, in which order, and what is answered."""

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit.errors import StoreError
from smimekit.gateway.envelope import Client, Envelope, EnvelopeRecipient
from smimekit.gateway.handover.answers import Reply, one_answer
from smimekit.gateway.handover.hold import HoldQueue
from smimekit.gateway.handover.journal import Journal
from smimekit.gateway.handover.transaction import Desk, answered
from smimekit.gateway.outcomes import Defer, Deliver, Hold, Mail, Outcome, Outcomes, Reject
from smimekit.span import Span

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
OK, LATER, NO = Reply(250, "2.0.0", "OK"), Reply(451, "4.3.0", "Later"), Reply(550, "5.1.1", "No")
MESSAGE = b"Subject: a\r\n\r\nb\r\n"


def to(*addresses: str) -> tuple[EnvelopeRecipient, ...]:
    return tuple(EnvelopeRecipient(address=each) for each in addresses)


def envelope(*addresses: str, sender: str = "a@x.org") -> Envelope:
    return Envelope(mail_from=sender, recipients=to(*addresses))


@dataclass
class Fake:
    """A processor, a courier and a bouncer in one, each as it is told."""

    plan: Callable[[Envelope], Sequence[Outcome]]
    says: dict[str, Reply] = field(default_factory=dict)
    notices: tuple[Mail, ...] = ()
    delivered: list[str] = field(default_factory=list)
    bounced: list[str] = field(default_factory=list)
    asked: list[tuple[str, ...]] = field(default_factory=list)
    wants_bounces: bool = True

    def process(self, envelope: Envelope, message: Span, *, at: datetime) -> Outcomes:
        self.asked.append(tuple(each.address for each in envelope.recipients))
        found = tuple(self.plan(envelope))
        return Outcomes(outcomes=found, notices=self.notices, closing=ExitStack())

    def deliver(self, mail: Mail, client: Client) -> Sequence[Reply]:
        replies = [self.says.get(each.address, OK) for each in mail.recipients]
        pairs = zip(mail.recipients, replies, strict=True)
        self.delivered += [each.address for each, reply in pairs if reply.done]
        return replies

    def bounce(
        self, envelope: Envelope, rejects: Sequence[Reject], message: Span, *, at: datetime
    ) -> Mail | None:
        if not self.wants_bounces:
            return None
        self.bounced += [each.address for one in rejects for each in one.recipients]
        return mail(envelope.mail_from)

    def desk(self, folder: Path) -> Desk:
        return Desk(
            processor=self,
            courier=lambda: self,
            bounce=self.bounce,
            journal=Journal(folder / "journal", patience=0),
            hold=HoldQueue(folder / "hold"),
            now=lambda: AT,
        )


def mail(*addresses: str) -> Mail:
    return Mail(mail_from="a@x.org", recipients=to(*addresses), message=Span.of(MESSAGE))


def by_name(envelope: Envelope) -> list[Outcome]:
    """Outcomes by the first letter: d(eliver), r(eject), l(ater), h(old); each by itself."""
    found: list[Outcome] = []
    for each in envelope.recipients:
        kind, one = each.address[0], (each,)
        if kind == "d":
            found.append(Deliver(mail=mail(each.address)))
        elif kind == "r":
            found.append(Reject(recipients=one, code=550, enhanced="5.7.1", text="No"))
        elif kind == "h":
            found.append(Hold(mail=mail(each.address), reason="Look at it"))
        else:
            found.append(Defer(recipients=one, code=451, enhanced="4.3.0", text="Later"))
    return found


def handle(fake: Fake, folder: Path, found: Envelope, *, single: bool = True) -> list[int]:
    replies = fake.desk(folder).handle(found, Span.of(MESSAGE), key="key", single=single)
    return [each.code for each in replies]


# --- one answer -------------------------------------------------------------------------------


def test_lmtp_answers_for_each(tmp_path: Path) -> None:
    fake = Fake(by_name)
    codes = handle(fake, tmp_path, envelope("d", "r", "l", "h"), single=False)
    assert codes == [250, 550, 451, 250]
    assert fake.delivered == ["d"]
    assert fake.bounced == []


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ("d d2", 250),
        ("r r2", 550),
        ("l", 451),
        ("d l", 451),
        ("d r l", 451),
        ("r l", 451),
        ("h", 250),
    ],
)
def test_smtp_answers_once(tmp_path: Path, names: str, code: int) -> None:
    fake = Fake(by_name)
    assert set(handle(fake, tmp_path, envelope(*names.split()))) == {code}
    assert fake.bounced == []


def test_some_delivered_and_some_refused_bounces_the_refused(tmp_path: Path) -> None:
    fake = Fake(by_name)
    assert set(handle(fake, tmp_path, envelope("d", "r", "r2"))) == {250}
    assert fake.delivered == ["d", "a@x.org"]
    assert fake.bounced == ["r", "r2"]


def test_a_bounce_that_cannot_be_sent_keeps_the_message_with_its_sender(tmp_path: Path) -> None:
    fake = Fake(by_name, says={"a@x.org": LATER})
    assert set(handle(fake, tmp_path, envelope("d", "r"))) == {451}
    fake.says.clear()
    assert set(handle(fake, tmp_path, envelope("d", "r"))) == {250}
    assert fake.delivered == ["d", "a@x.org"]


def test_nobody_bounces_a_bounce(tmp_path: Path) -> None:
    """RFC 5321, 4.5.5. The answer that is left harms nobody: 5yz makes no mail for this sender."""
    fake = Fake(by_name)
    assert set(handle(fake, tmp_path, envelope("d", "r", sender=""))) == {550}
    assert fake.bounced == []


def test_who_wants_no_bounce_gets_none(tmp_path: Path) -> None:
    fake = Fake(by_name, wants_bounces=False)
    assert set(handle(fake, tmp_path, envelope("d", "r"))) == {250}
    assert fake.delivered == ["d"]


@given(st.lists(st.sampled_from([OK, LATER, NO, Reply(354, "3.0.0", "?")]), max_size=6))
def test_no_answer_lies(replies: list[Reply]) -> None:
    """2yz only where everybody is done, 5yz only where everybody is refused."""
    found = one_answer(replies)
    if found is not None and found.done:
        assert replies
        assert all(each.done for each in replies)
    if found is not None and found.refused:
        assert all(each.refused for each in replies)
    if found is None:
        assert not any(each.deferred for each in replies)


# --- success ----------------------------------------------------------------------------------

UNTOLD = Reply(250, "2.0.0", "OK", unreported=True)


def telling(
    fake: Fake, folder: Path, found: Envelope, *, okay: bool = True
) -> tuple[list[Reply], list[str]]:
    """The replies, and of whom the sender is told that the mail was handed on."""
    told: list[str] = []

    def relayed(
        envelope: Envelope, recipients: Sequence[EnvelopeRecipient], message: Span, *, at: datetime
    ) -> Mail | None:
        told.extend(each.address for each in recipients)
        return mail(envelope.mail_from) if okay else None

    desk = replace(fake.desk(folder), relayed=relayed)
    return list(desk.handle(found, Span.of(MESSAGE), key="key", single=False)), told


def test_success_is_told_where_the_next_hop_does_not(tmp_path: Path) -> None:
    fake = Fake(by_name, says={"d1": UNTOLD, "d2": UNTOLD, "d4": LATER})
    _, told = telling(fake, tmp_path, envelope("d1", "d2", "d3", "d4", "r", "h"))
    assert told == ["d1", "d2"]
    assert fake.delivered == ["d1", "d2", "d3", "a@x.org"]
    _, told = telling(fake, tmp_path, envelope("d1", "d2", "d3", "d4"))
    assert told == []


def test_nobody_is_told_where_nobody_wants_it(tmp_path: Path) -> None:
    fake = Fake(by_name, says={"d1": UNTOLD})
    telling(fake, tmp_path, envelope("d1"), okay=False)
    assert fake.delivered == ["d1"]


def test_success_is_told_of_those_who_were_done_before_a_failure(tmp_path: Path) -> None:
    """A second try does not come back to them."""
    fake = Fake(by_name, says={"d1": UNTOLD})
    (tmp_path / "hold").write_text("in the way")
    with pytest.raises(OSError, match="hold"):
        telling(fake, tmp_path, envelope("d1", "h"))
    assert fake.delivered == ["d1", "a@x.org"]


def test_a_report_of_success_that_is_not_taken_changes_no_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fake = Fake(by_name, says={"d1": UNTOLD, "a@x.org": NO})
    replies, _ = telling(fake, tmp_path, envelope("d1"))
    assert [each.code for each in replies] == [250]
    assert "A report of success was not taken" in caplog.text


# --- a second try -----------------------------------------------------------------------------


def test_a_second_try_skips_who_has_it(tmp_path: Path) -> None:
    fake = Fake(by_name, says={"d2": LATER})
    assert set(handle(fake, tmp_path, envelope("d", "d2"))) == {451}
    fake.says.clear()
    assert set(handle(fake, tmp_path, envelope("d", "d2"))) == {250}
    assert fake.delivered == ["d", "d2"]
    assert fake.asked == [("d", "d2"), ("d2",)]


def test_what_was_refused_is_decided_again(tmp_path: Path) -> None:
    """The sender fetched a certificate, say, while another recipient made the mail wait."""
    fake = Fake(by_name)
    assert set(handle(fake, tmp_path, envelope("r", "l"))) == {451}
    fake.plan = lambda found: [Deliver(mail=replace(mail(), recipients=found.recipients))]
    assert set(handle(fake, tmp_path, envelope("r", "l"))) == {250}
    assert fake.delivered == ["r", "l"]


def test_a_client_that_did_not_hear_250_gets_it_again(tmp_path: Path) -> None:
    fake = Fake(by_name)
    for _ in range(2):
        assert set(handle(fake, tmp_path, envelope("d", "r"))) == {250}
    assert fake.delivered == ["d", "a@x.org"]


def test_once_it_is_heard_the_same_message_is_a_new_one(tmp_path: Path) -> None:
    fake, found = Fake(by_name), envelope("d", "r")
    desk = fake.desk(tmp_path)
    for _ in range(2):
        replies = desk.handle(found, Span.of(MESSAGE), key="key", single=True)
        desk.journal.forget("key", answered(found, replies))
    assert fake.delivered == ["d", "a@x.org"] * 2
    assert list((tmp_path / "journal").iterdir()) == []


def test_of_a_message_that_is_to_come_again_everything_is_remembered() -> None:
    found = envelope("d", "l")
    assert answered(found, [LATER, LATER]) == ()
    assert answered(found, [OK, LATER]) == ("d",)
    assert set(answered(found, [OK, NO])) == {"d", "l", ""}


def test_held_once(tmp_path: Path) -> None:
    fake = Fake(by_name)
    for _ in range(2):
        handle(fake, tmp_path, envelope("h", "l"))
    (held,) = HoldQueue(tmp_path / "hold")
    assert held.envelope.recipients == to("h")
    assert held.path.read_bytes() == MESSAGE


def test_a_hold_that_fails_is_no_250(tmp_path: Path) -> None:
    (tmp_path / "hold").write_text("in the way")
    with pytest.raises(OSError, match="hold"):
        handle(Fake(by_name), tmp_path, envelope("h"))


def test_notices_are_sent_once(tmp_path: Path) -> None:
    fake = Fake(by_name, notices=(mail("admin"),))
    for _ in range(2):
        handle(fake, tmp_path, envelope("l"))
    assert fake.delivered == ["admin"]


def test_two_who_work_on_one_message_do_not(tmp_path: Path) -> None:
    fake = Fake(by_name)
    desk = fake.desk(tmp_path)
    with desk.journal.open("key"):
        assert set(handle(fake, tmp_path, envelope("d"))) == {451}
    assert fake.delivered == []


def test_the_same_address_twice_gets_it_once(tmp_path: Path) -> None:
    fake = Fake(by_name)
    assert handle(fake, tmp_path, envelope("d", "d"), single=False) == [250, 250]
    assert fake.delivered == ["d"]


@pytest.mark.parametrize(
    "plan",
    [
        lambda found: [],
        lambda found: [Deliver(mail=mail("d")), Deliver(mail=mail("d"))],
        lambda found: [Deliver(mail=mail("d", "somebody else"))],
    ],
)
def test_a_processor_that_does_not_add_up_delivers_nothing(
    tmp_path: Path, plan: Callable[[Envelope], Sequence[Outcome]]
) -> None:
    fake = Fake(plan)
    assert set(handle(fake, tmp_path, envelope("d"))) == {451}
    assert fake.delivered == []


def test_what_was_delivered_before_a_failure_is_remembered(tmp_path: Path) -> None:
    fake = Fake(by_name)
    (tmp_path / "hold").write_text("in the way")
    with pytest.raises(OSError, match="hold"):
        handle(fake, tmp_path, envelope("d", "h"))
    (tmp_path / "hold").unlink()
    assert set(handle(fake, tmp_path, envelope("d", "h"))) == {250}
    assert fake.delivered == ["d"]


@given(
    st.lists(st.sampled_from("drlh"), min_size=1, max_size=5),
    st.lists(st.dictionaries(st.integers(0, 4), st.sampled_from([LATER, NO])), max_size=4),
    st.booleans(),
)
def test_however_often_it_is_tried_nobody_gets_it_twice(
    tmp_path_factory: pytest.TempPathFactory,
    kinds: list[str],
    tries: list[dict[int, Reply]],
    single: bool,
) -> None:
    """Whatever the next hop says at each try; and who was told 250 has it, or was bounced."""
    folder = tmp_path_factory.mktemp("gateway")
    names = [f"{kind}{number}" for number, kind in enumerate(kinds)]
    fake = Fake(by_name)
    for says in tries:
        fake.says = {name: says[n] for n, name in enumerate(names) if n in says}
        replies = handle(fake, folder, envelope(*names), single=single)
        held = [each.envelope.recipients[0].address for each in HoldQueue(folder / "hold")]
        safe = {*fake.delivered, *held, *fake.bounced}
        assert {name for name, code in zip(names, replies, strict=True) if code == 250} <= safe
        mine = [each for each in (*fake.delivered, *held) if each in names]
        assert len(mine) == len(set(mine))
        if replies and replies[0] >= 500 and single:
            assert not mine


# --- the journal ------------------------------------------------------------------------------


def test_a_line_that_was_cut_off_counts_for_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with journal.open("key") as entry:
        entry.record("b", OK)
        entry.record("c", OK)
    whole = (tmp_path / "key").read_bytes()
    (tmp_path / "key").write_bytes(whole[:-3])
    with journal.open("key") as entry:
        assert entry.known == {"b": OK}


def test_a_lock_that_is_held_is_waited_for(tmp_path: Path) -> None:
    times = iter(range(10))
    pauses: list[float] = []
    journal = Journal(tmp_path, patience=3, clock=lambda: next(times), pause=pauses.append)
    with Journal(tmp_path).open("key"), pytest.raises(StoreError) as caught, journal.open("key"):
        pass
    assert caught.value.code == "store.journal-busy"
    assert len(pauses) == 2


def test_an_entry_in_use_is_not_forgotten(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with journal.open("key") as entry:
        entry.record("b", OK)
        journal.forget("key", ["b"])
    with journal.open("key") as entry:
        assert entry.known == {"b": OK}


def test_who_waited_for_an_entry_that_was_taken_away_makes_a_new_one(tmp_path: Path) -> None:
    other = Journal(tmp_path)
    stack = ExitStack()
    stack.enter_context(other.open("key"))
    times = iter([0.0, 1.0, 2.0])
    journal = Journal(
        tmp_path,
        patience=5,
        clock=lambda: next(times),
        pause=lambda _: stack.close(),
    )
    with journal.open("key") as entry:
        entry.record("b", OK)
    with other.open("key") as entry:
        assert entry.known == {"b": OK}


def test_old_entries_expire(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with journal.open("key") as entry:
        entry.record("b", OK)
    written = (tmp_path / "key").stat().st_mtime
    assert journal.expire(written - 1) == 0
    assert journal.expire(written + 1) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_entry_in_use_does_not_expire(tmp_path: Path) -> None:
    """However old it is: what its message's second try is about to read must not be lost."""
    journal = Journal(tmp_path)
    with journal.open("key") as entry:
        entry.record("b", OK)
        os.utime(tmp_path / "key", (0, 0))
        assert journal.expire(1) == 0
    with journal.open("key") as entry:
        assert entry.known == {"b": OK}


def test_an_entry_that_is_written_this_moment_does_not_expire(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at its age and the lock."""
    journal = Journal(tmp_path)
    with journal.open("key") as entry:
        entry.record("b", OK)
    os.utime(tmp_path / "key", (0, 0))

    def flock(descriptor: int, how: int) -> None:
        os.utime(descriptor)

    monkeypatch.setattr("smimekit.gateway.handover.journal.fcntl.flock", flock)
    assert journal.expire(1) == 0
    assert (tmp_path / "key").exists()


def test_a_file_that_is_taken_away_before_it_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening and locking: what is written into a file without a name is lost."""
    locked: list[int] = []

    def flock(descriptor: int, how: int) -> None:
        if not locked:
            (tmp_path / "key").unlink()
        locked.append(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr("smimekit.gateway.handover.journal.fcntl.flock", flock)
        with Journal(tmp_path).open("key") as entry:
            entry.record("b", OK)
    assert len(locked) == 2
    with Journal(tmp_path).open("key") as entry:
        assert entry.known == {"b": OK}


# --- a journal on a full disk ------------------------------------------------------------------


def test_a_line_that_was_cut_off_takes_no_other_with_it(tmp_path: Path) -> None:
    """Of a write to a full disk a part arrives: the message must not be stuck because of that."""
    journal = Journal(tmp_path, patience=0)
    with journal.open("key") as entry:
        entry.record("a@x.org", OK)
    with (tmp_path / "key").open("ab") as file:
        file.write(b'["b@x.org", 250, "2.')
    with journal.open("key") as entry:
        assert set(entry.known) == {"a@x.org"}
        entry.record("c@x.org", OK)
    with journal.open("key") as entry:
        assert entry.known == {"a@x.org": OK, "c@x.org": OK}


@pytest.mark.parametrize("written", [0, 5])
def test_what_was_delivered_is_answered_so_where_nobody_can_write_it_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """Else each try would bring one more copy, for as long as the disk is full."""
    whole = os.write

    def full(descriptor: int, line: bytes) -> int:
        if not written:
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(descriptor, line[:written])

    monkeypatch.setattr(os, "write", full)
    fake = Fake(by_name)
    assert handle(fake, tmp_path, envelope("d1", "d2", "l"), single=False) == [250, 250, 451]
    assert fake.delivered == ["d1", "d2"]
    monkeypatch.undo()
    assert handle(fake, tmp_path, envelope("l"), single=False) == [451]
