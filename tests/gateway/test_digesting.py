"""When the administrator is told what waits: what is new, once, by one of several processes."""

import asyncio
import email
import email.policy
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from smimekit import Certificate, MemoryTrustStore, Trust
from smimekit.errors import UsageError
from smimekit.gateway import Mail
from smimekit.gateway.envelope import Client
from smimekit.gateway.handover.answers import Reply
from smimekit.gateway.program.config import Config, read_config
from smimekit.gateway.program.digesting import Digests
from smimekit.gateway.program.service import Service
from smimekit.gateway.rules import Rules, Site
from smimekit.gateway.rules.inbound import Inbound
from smimekit.testing import FakeCA
from smimekit.trust import Source
from smimekit.trust.stores.directory import DirectoryTrustStore
from tests.gateway.peers import hop
from tests.message.people import NOW, ca

RULES = Rules(site=Site(name="gw.example.com", administrator="admin@example.com"))
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NUMBERS = count()


@dataclass
class NextHop:
    """Takes mails, or does not."""

    reply: Reply = field(default_factory=lambda: Reply(250, "2.0.0", "OK"))
    came: list[Mail] = field(default_factory=list)

    def deliver(self, mail: Mail, client: Client) -> Sequence[Reply]:
        self.came.append(mail)
        return [self.reply] * len(mail.recipients)

    def read(self) -> list[str]:
        """What came since the last time."""
        octets = [each.message.bytes() for each in self.came]
        self.came.clear()
        messages = [email.message_from_bytes(each, policy=email.policy.default) for each in octets]
        return [str(each.get_content()) for each in messages]


@dataclass
class Place:
    """Digests, and what they are made of."""

    digests: Digests
    store: MemoryTrustStore
    hop: NextHop

    def learn(self, *, seen: datetime) -> Certificate:
        """A certificate that waits."""
        who = f"p{next(NUMBERS)}@example.org"
        made = ca().self_signed(who).certificate
        self.store.put(made, Source("mail", who), at=seen)
        return made

    def tick(self, at: datetime) -> list[str]:
        """What is sent by a process that looks now."""
        assert self.digests.send_if_due(at=at, every=DAY)
        return self.hop.read()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    store, hop = MemoryTrustStore(), NextHop()
    trust = Trust(store)
    digests = Digests(folder=tmp_path / "digests", rules=RULES, trust=trust, courier=hop)
    return Place(digests, store, hop)


def names(mail: str, *certificates: Certificate) -> list[bool]:
    return [each.fingerprint in mail for each in certificates]


def test_what_waits_is_told(place: Place) -> None:
    one = place.learn(seen=NOW)
    (mail,) = place.tick(NOW + HOUR)
    assert names(mail, one) == [True]


def test_nothing_is_sent_for_nothing(place: Place) -> None:
    assert place.tick(NOW) == []
    assert place.tick(NOW + 2 * DAY) == []


def test_nothing_is_told_twice(place: Place) -> None:
    first = place.learn(seen=NOW)
    assert len(place.tick(NOW + HOUR)) == 1
    assert place.tick(NOW + HOUR + DAY) == []
    second = place.learn(seen=NOW + 2 * DAY)
    (mail,) = place.tick(NOW + 3 * DAY)
    assert names(mail, first, second) == [False, True]
    assert place.tick(NOW + 9 * DAY) == []


def test_not_before_its_time(place: Place) -> None:
    place.learn(seen=NOW)
    assert len(place.tick(NOW)) == 1
    place.learn(seen=NOW + HOUR)
    assert place.tick(NOW + DAY - HOUR) == []
    assert len(place.tick(NOW + DAY)) == 1


def test_what_came_late_into_the_store_is_told(place: Place) -> None:
    """First seen before somebody looked, and written down after."""
    place.learn(seen=NOW)
    assert len(place.tick(NOW + HOUR)) == 1
    late = place.learn(seen=NOW + HOUR / 2)
    (mail,) = place.tick(NOW + HOUR + DAY)
    assert names(mail, late) == [True]
    assert place.tick(NOW + HOUR + 2 * DAY) == []


def test_what_is_remembered_does_not_grow_with_the_store(place: Place, tmp_path: Path) -> None:
    for _ in range(50):
        place.learn(seen=NOW)
    place.tick(NOW + HOUR)
    full = (tmp_path / "digests" / "told").stat().st_size
    place.tick(NOW + 3 * DAY)
    assert (tmp_path / "digests" / "told").stat().st_size < 200 < full


def test_what_the_next_hop_does_not_take_is_told_again(place: Place) -> None:
    one = place.learn(seen=NOW)
    place.hop.reply = Reply(451, "4.4.2", "Not now")
    assert not place.digests.send_if_due(at=NOW, every=DAY)
    assert place.digests.send(at=NOW) is None
    assert len(place.hop.read()) == 2
    place.hop.reply = Reply(250, "2.0.0", "OK")
    (mail,) = place.tick(NOW + HOUR)
    assert names(mail, one) == [True]


def test_a_clock_that_was_wrong_once_silences_nobody(place: Place) -> None:
    place.tick(NOW + 1000 * DAY)
    one = place.learn(seen=NOW)
    (mail,) = place.tick(NOW + HOUR)
    assert names(mail, one) == [True]


def test_one_of_several_tells(place: Place) -> None:
    place.learn(seen=NOW)
    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda _: place.digests.send_if_due(at=NOW, every=DAY), range(8)))
    assert all(done)
    assert len(place.hop.read()) == 1


@pytest.mark.parametrize("rules", [Rules(), replace(RULES, inbound=Inbound(digest=False))])
def test_nobody_to_tell(place: Place, rules: Rules) -> None:
    """And who is named later hears of everything."""
    one = place.learn(seen=NOW)
    silent = replace(place.digests, rules=rules)
    assert silent.send_if_due(at=NOW, every=DAY)
    for ask in (silent.send, silent.news):
        with pytest.raises(UsageError) as caught:
            ask(at=NOW)
        assert caught.value.code == "usage.no-administrator"
    assert place.hop.read() == []
    (mail,) = place.tick(NOW + HOUR)
    assert names(mail, one) == [True]


def test_whoever_asks_changes_nothing(place: Place) -> None:
    one = place.learn(seen=NOW)
    for _ in range(2):
        (found,) = place.digests.news(at=NOW).waiting
        assert found.record.fingerprint == one.fingerprint
    assert place.hop.read() == []
    assert len(place.tick(NOW)) == 1
    assert place.digests.news(at=NOW).waiting == ()
    assert place.digests.news(at=NOW).mail is None


def test_whoever_sends_does_not_wait_for_the_time(place: Place) -> None:
    place.tick(NOW)
    one = place.learn(seen=NOW + HOUR)
    news = place.digests.send(at=NOW + HOUR)
    assert news is not None
    assert [each.record.fingerprint for each in news.waiting] == [one.fingerprint]
    assert place.digests.send(at=NOW + HOUR) is not None
    assert len(place.hop.read()) == 1


def test_what_is_trusted_by_itself_is_no_news(tmp_path: Path) -> None:
    known = FakeCA("Known", now=NOW)
    store, hop = MemoryTrustStore(), NextHop()
    bob = known.person("bob@example.org").certificate
    store.put(bob, Source("mail", "bob@example.org"), at=NOW)
    trust = Trust(store, anchors=[known.certificate])
    digests = Digests(folder=tmp_path / "digests", rules=RULES, trust=trust, courier=hop)
    assert digests.send_if_due(at=NOW, every=DAY)
    assert hop.read() == []


# --- the service ----------------------------------------------------------------------------------

FILE = """
[gateway]
name = "gw.example.org"
administrator = "admin@example.org"
[next_hop]
address = "127.0.0.1:{port}"
[store]
url = "dir:{folder}/trust"
[workers]
spool = "spool"
processes = 1
{workers}
[digest]
hours = {hours}
"""


def written(folder: Path, port: int, hours: float, workers: str = "") -> Config:
    """A gateway's file, and a store in which somebody waits."""
    bob = FakeCA("Unknown").person("bob@example.org").certificate
    store = DirectoryTrustStore(folder / "trust")
    store.put(bob, Source("mail", "bob@example.org"), at=datetime.now(UTC))
    file = folder / "gateway.toml"
    file.write_text(FILE.format(port=port, folder=folder, hours=hours, workers=workers))
    return read_config(file)


def test_services_with_one_spool_tell_once(tmp_path: Path) -> None:
    with hop() as server:
        config = written(tmp_path, server.port, 24)
        for _ in range(2):
            Service(config).tell_administrator()
        (arrived,) = server.arrived
    assert arrived.addresses == ["admin@example.org"]


@pytest.mark.parametrize(
    ("hours", "workers"), [(0, ""), (24, 'processor = "tests.gateway.processors:by_name"')]
)
def test_services_that_do_not_tell(tmp_path: Path, hours: int, workers: str) -> None:
    with hop() as server:
        Service(written(tmp_path, server.port, hours, workers)).tell_administrator()
        assert server.commands == []


def test_the_file_that_is_read_again_counts(tmp_path: Path) -> None:
    async def reloaded() -> float:
        service = Service(written(tmp_path, 1, 24))
        await service.start()
        try:
            written(tmp_path, 1, 0.5)
            await service.reload()
            return service.digest_hours
        finally:
            await service.stop()

    assert asyncio.run(reloaded()) == 0.5
