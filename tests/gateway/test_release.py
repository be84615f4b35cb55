"""Held messages that are released: once, whoever asks for it at the same time."""

import fcntl
import os
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from smimekit.errors import UsageError
from smimekit.gateway.envelope import Client
from smimekit.gateway.handover.answers import Reply
from smimekit.gateway.handover.hold import HoldQueue
from smimekit.gateway.handover.release import release
from smimekit.gateway.outcomes import Hold, Mail
from tests.gateway.test_transaction import AT, LATER, Fake, by_name, envelope, mail

SECONDS = 60


def held(queue: HoldQueue, *to: str) -> str:
    return queue.keep(Hold(mail=mail(*to), reason="Look at it"), envelope(*to), at=AT)


@dataclass
class Slow(Fake):
    """Delivers when it is told to."""

    begun: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    def deliver(self, mail: Mail, client: Client) -> Sequence[Reply]:
        self.begun.set()
        assert self.go.wait(SECONDS)
        return super().deliver(mail, client)


@pytest.mark.parametrize("as_is", [True, False])
def test_two_at_the_same_moment_deliver_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_is: bool
) -> None:
    """The second has found the message, and waits for the first: then nothing is left."""
    fake = Slow(by_name)
    desk, queue = fake.desk(tmp_path), HoldQueue(tmp_path / "hold")
    name = held(queue, "d")
    waits, lock = threading.Event(), fcntl.flock

    def flock(descriptor: int, how: int) -> None:
        if fake.begun.is_set() and how == fcntl.LOCK_EX:
            waits.set()
        lock(descriptor, how)

    monkeypatch.setattr("smimekit.gateway.handover.hold.fcntl.flock", flock)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(release, desk, queue, name, as_is=as_is)
        assert fake.begun.wait(SECONDS)
        second = threads.submit(release, desk, queue, name, as_is=as_is)
        try:
            assert waits.wait(SECONDS)
        finally:
            fake.go.set()
        assert [reply.code for _, reply in first.result(SECONDS)] == [250]
        with pytest.raises(UsageError) as caught:
            second.result(SECONDS)
    assert caught.value.code == "usage.not-held"
    assert fake.delivered == ["d"]
    assert list((tmp_path / "hold").iterdir()) == []


def test_the_second_gets_what_the_first_left(tmp_path: Path) -> None:
    fake = Fake(by_name, says={"d2": LATER})
    desk, queue = fake.desk(tmp_path), HoldQueue(tmp_path / "hold")
    name = held(queue, "d", "d2")
    before = queue.find(name)
    assert [reply.code for _, reply in release(desk, queue, name, as_is=False)] == [250, 451]
    with queue.taken(before.name) as found:
        assert [each.address for each in found.envelope.recipients] == ["d2"]
    fake.says.clear()
    assert [each.address for each, _ in release(desk, queue, name, as_is=True)] == ["d2"]
    assert fake.delivered == ["d", "d2"]


@pytest.mark.parametrize("gone", ["message.eml", "envelope.json", "."])
def test_what_somebody_took_away_this_moment(tmp_path: Path, gone: str) -> None:
    """Between one look and the next: it is told so, and is no bug."""
    queue = HoldQueue(tmp_path)
    name = held(queue, "d")
    shutil.rmtree(tmp_path / name) if gone == "." else (tmp_path / name / gone).unlink()
    with pytest.raises(UsageError) as caught, queue.taken(name):
        pass
    assert caught.value.code == "usage.not-held"
    if gone != "message.eml":
        assert list(queue) == []


# --- what killed processes leave behind -----------------------------------------------------------


def drop(queue: HoldQueue, name: str) -> None:
    with queue.taken(name) as found:
        queue.leave(found, ())


def killed(*_: object, **__: object) -> None:
    """As if the process ended here: not even what it would tidy up is done."""
    raise KeyboardInterrupt


@pytest.mark.parametrize("drops", [False, True])
def test_what_nobody_finishes_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drops: bool
) -> None:
    """It has somebody's mail in it, and no list of what is held has it."""
    queue = HoldQueue(tmp_path)
    stays = held(queue, "d")
    name = held(queue, "d") if drops else ""
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        if not drops:
            patch.setattr("smimekit.gateway.handover.hold._sync", killed)
        with pytest.raises(KeyboardInterrupt):
            drop(queue, name) if drops else held(queue, "d")
    assert len(list(tmp_path.glob(".*/message.eml"))) == 1
    queue.clear()
    assert [each.name for each in tmp_path.iterdir()] == [stays]
    assert [each.name for each in queue] == [stays]


@pytest.mark.parametrize("drops", [False, True])
def test_what_somebody_works_on_this_moment_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drops: bool
) -> None:
    queue = HoldQueue(tmp_path)
    name = held(queue, "d")
    cleared: list[int] = []
    remove, sync = shutil.rmtree, os.fsync

    def clear_first(*arguments: Any) -> None:
        before = sorted(tmp_path.rglob("*"))
        HoldQueue(tmp_path).clear()
        assert sorted(tmp_path.rglob("*")) == before
        cleared.append(len(before))
        (remove if drops else sync)(*arguments)

    monkeypatch.setattr(*((shutil, "rmtree") if drops else (os, "fsync")), clear_first)
    drop(queue, name) if drops else held(queue, "d")
    assert cleared
    assert len(list(queue)) == (0 if drops else 2)
