"""The milter's calls, as libmilter makes them; Postfix itself is in tests/interop/gateway."""

import errno
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from smimekit.gateway.adapters.precheck import Planner
from smimekit.gateway.envelope import Envelope
from smimekit.gateway.handover.answers import Reply
from smimekit.gateway.handover.next_hop import Protocol
from smimekit.gateway.handover.transaction import Desk
from smimekit.gateway.outcomes import Deliver, Mail, Outcome
from smimekit.gateway.program.config import Address, Listener, Submitter
from smimekit.message.spool import Spool
from smimekit.span import Span
from tests.conftest import IN_CI
from tests.gateway.test_transaction import AT, LATER, NO, Fake, by_name

if not IN_CI:
    pytest.importorskip("Milter")
import Milter

from smimekit.gateway.adapters.milter import MilterSession

LISTENER = Listener(
    name="milter",
    address=Address("127.0.0.1", 1),
    protocol=Protocol.MILTER,
    submitter=Submitter.LOGIN,
    size=10_000,
)
SENDER = "a@x.org"


@dataclass
class Server:
    """libmilter's context, with a mail server behind it that does as it is told."""

    macros: dict[str, str] = field(default_factory=lambda: {"i": "ID1", "{auth_authen}": "alice"})
    said: list[tuple[Any, ...]] = field(default_factory=list)
    body: bytes = b""
    fails: bool = False

    def setpriv(self, session: object) -> None:
        pass

    def getsymval(self, name: str) -> str | None:
        return self.macros.get(name)

    def setreply(self, *reply: str) -> None:
        self.said.append(reply)

    def chgheader(self, *edit: object) -> None:
        if self.fails:
            raise RuntimeError("cannot change header")
        self.said.append(("chgheader", *edit))

    def addheader(self, *edit: object) -> None:
        self.said.append(("addheader", *edit))

    def replacebody(self, chunk: bytes) -> None:
        self.body += chunk


@dataclass
class Shared:
    """What sessions share."""

    fake: Fake
    folder: Path
    planner: Planner | None = None
    busy: bool = False
    name: str = "gw.example.org"
    full: bool = False

    def now(self) -> datetime:
        return AT

    def new_spool(self) -> Spool:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return Spool(0, encrypted=True, folder=self.folder)

    @contextmanager
    def desk(self) -> Iterator[Desk | None]:
        yield None if self.busy else self.fake.desk(self.folder)

    def forget(self, key: str, whom: Any) -> None:
        self.fake.desk(self.folder).journal.forget(key, whom)


def session(
    shared: Shared, server: Server, listener: Listener = LISTENER, *, blanks: bool = True
) -> MilterSession:
    found = MilterSession(listener, shared)
    found._setctx(server)
    found._protocol = Milter.P_HDR_LEADSPC if blanks else 0
    found.connect("client.example.org", 2, ("192.0.2.1", 1234))
    found.hello("client")
    return found


def mail(found: MilterSession, *to: str, body: bytes = b"Hi\r\n", blank: bytes = b" ") -> int:
    """One mail; what is answered at its end."""
    assert found.envfrom(f"<{SENDER}>", "SIZE=9", "BODY=8BITMIME") == Milter.CONTINUE
    for each in to:
        assert found.envrcpt(f"<{each}>", "NOTIFY=NEVER") == Milter.CONTINUE
    found.header("From", blank + b"a@x.org")
    found.header("Subject", blank + b"[sign] \xe4\n\tb")
    assert found.eoh() == Milter.CONTINUE
    assert found.body(body) == Milter.CONTINUE
    status: int = found.eom()
    return status


def changing(old: bytes, new: bytes) -> Any:
    """A processor that changes octets, for everybody."""

    class Changing(Fake):
        def process(self, envelope: Envelope, message: Span, *, at: datetime) -> Any:
            self.seen = (envelope, message.bytes())
            octets = message.bytes().replace(old, new)
            changed = Mail(
                mail_from=envelope.mail_from,
                recipients=envelope.recipients,
                message=Span.of(octets),
                parameters=envelope.parameters,
            )
            self.plan = lambda _: [Deliver(mail=changed)]
            return super().process(envelope, message, at=at)

    return Changing(lambda _: list[Outcome]())


@pytest.mark.parametrize("blanks", [True, False])
def test_the_message_is_what_came(blanks: bool, tmp_path: Path) -> None:
    fake, server = changing(b"", b""), Server()
    found = session(Shared(fake, tmp_path), server, blanks=blanks)
    assert mail(found, "b@y.org", blank=b" " if blanks else b"") == Milter.CONTINUE
    assert (server.said, server.body) == ([], b"")
    envelope, octets = fake.seen
    trace, _, rest = octets.partition(b"From:")
    assert trace.startswith(b"Received: from client ([192.0.2.1])\r\n")
    assert b"id ID1" in trace
    assert b"b@y.org" not in trace
    assert rest == b" a@x.org\r\nSubject: [sign] \xe4\r\n\tb\r\n\r\nHi\r\n"
    assert envelope.user == "alice"
    assert envelope.parameters == (("BODY", "8BITMIME"),)
    assert envelope.recipients[0].parameters == (("NOTIFY", "NEVER"),)
    assert (envelope.client.address, envelope.client.name) == ("192.0.2.1", "client.example.org")
    assert list(tmp_path.glob("message*")) == []


@pytest.mark.parametrize("blanks", [True, False])
def test_edits(blanks: bool, tmp_path: Path) -> None:
    server = Server()
    fake = changing(b"Subject: [sign] \xe4\r\n\tb\r\n\r\nHi", b"Subject: a\r\n b\r\n\r\nHo")
    found = session(Shared(fake, tmp_path), server, blanks=blanks)
    assert mail(found, "b@y.org", "c@y.org", blank=b" " if blanks else b"") == Milter.CONTINUE
    blank = " " if blanks else ""
    assert server.said == [
        ("chgheader", "Subject", 1, None),
        ("addheader", "Subject", f"{blank}a\n b", 1),
    ]
    assert server.body == b"Ho\r\n"


def test_nothing_takes_the_place_of_a_body(tmp_path: Path) -> None:
    """As of an encrypted mail that says it all in its subject."""
    server = Server()
    fake = changing(b"\r\n\r\nHi\r\n", b"\r\n\r\n")
    assert mail(session(Shared(fake, tmp_path), server), "b@y.org") == Milter.CONTINUE
    assert server.body == b"\r\n"
    assert fake.delivered == []


def test_what_edits_cannot_say_is_sent_and_discarded(tmp_path: Path) -> None:
    server, fake = Server(), changing(b"\xe4", b"\xf6")
    found = session(Shared(fake, tmp_path), server)
    assert mail(found, "b@y.org") == Milter.DISCARD
    assert fake.delivered == ["b@y.org"]
    assert (server.said, server.body) == ([], b"")


def test_a_split_is_discarded_only_when_the_next_hop_has_all(tmp_path: Path) -> None:
    server, fake = Server(), Fake(by_name, says={"d2": LATER})
    found = session(Shared(fake, tmp_path), server)
    assert mail(found, "d", "d2") == Milter.TEMPFAIL
    assert server.said == [("451", "4.3.0", "Later")]
    fake.says.clear()
    assert mail(found, "d", "d2") == Milter.DISCARD
    assert fake.delivered == ["d", "d2"], "nobody gets it twice"


def test_the_same_again_is_a_new_mail_once_the_server_has_heard(tmp_path: Path) -> None:
    fake = Fake(by_name)
    found = session(Shared(fake, tmp_path), Server())
    mail(found, "d", "d2")
    found.close()
    other = session(Shared(fake, tmp_path), Server())
    assert mail(other, "d", "d2") == Milter.DISCARD
    assert fake.delivered == ["d", "d2"] * 2


def test_until_then_it_is_a_second_try(tmp_path: Path) -> None:
    """Such as after a crash of ours."""
    fake = Fake(by_name)
    mail(session(Shared(fake, tmp_path), Server()), "d", "d2")
    server = Server(macros={"i": "ID2", "{auth_authen}": "alice"})
    assert mail(session(Shared(fake, tmp_path), server), "d", "d2") == Milter.DISCARD
    assert fake.delivered == ["d", "d2"]


def test_a_server_that_may_have_given_up_has_not_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It told the client to try again, perhaps: then nobody may get it twice."""
    ticks = itertools.count(0.0, 100.0)  # each look at the clock is a hundred seconds later
    clock = SimpleNamespace(monotonic=lambda: next(ticks))
    monkeypatch.setattr("smimekit.gateway.adapters.milter.time", clock)
    fake = Fake(by_name)
    found = session(Shared(fake, tmp_path), Server())
    mail(found, "d", "d2")
    found.close()
    mail(session(Shared(fake, tmp_path), Server()), "d", "d2")
    assert fake.delivered == ["d", "d2"]


def test_refused(tmp_path: Path) -> None:
    server, fake = Server(), Fake(by_name, says={"d": Reply(550, "5.1.1", "100 % no")})
    found = session(Shared(fake, tmp_path), server)
    assert mail(found, "r", "r2") == Milter.REJECT
    fake.says["d"], fake.says["d2"] = Reply(550, "5.1.1", "100 % no"), NO
    assert mail(found, "d", "d2") == Milter.REJECT
    assert server.said == [("550", "5.7.1", "No"), ("550", "5.1.1", "100 %% no")]


def failing(_: Envelope) -> list[Outcome]:
    raise RuntimeError("a bug")


def test_every_failure_leaves_it_with_the_client(tmp_path: Path) -> None:
    server = Server()
    found = session(Shared(Fake(failing), tmp_path), server)
    assert mail(found, "b@y.org") == Milter.TEMPFAIL
    assert server.said[0][:2] == ("451", "4.3.0")
    busy = session(Shared(Fake(by_name), tmp_path, busy=True), server)
    assert mail(busy, "d") == Milter.TEMPFAIL
    server.fails = True
    edits = session(Shared(changing(b"From: a", b"From: b"), tmp_path), server)
    assert mail(edits, "b@y.org") == Milter.TEMPFAIL
    assert list(tmp_path.glob("message*")) == []


def test_a_full_disk_is_for_libmilter_to_see(tmp_path: Path) -> None:
    """Whatever a callback raises is a TEMPFAIL (`set_exception_policy`)."""
    found = session(Shared(Fake(by_name), tmp_path, full=True), Server())
    found.envfrom("<a@x.org>")
    with pytest.raises(OSError, match="No space"):
        found.eoh()


def test_size(tmp_path: Path) -> None:
    server = Server()
    found = session(Shared(Fake(by_name), tmp_path), server)
    found.envfrom("<a@x.org>")
    found.envrcpt("<d>")
    found.eoh()
    assert found.body(b"a" * 20_000) == Milter.REJECT
    assert server.said[0][:2] == ("552", "5.3.4")
    found.abort()
    assert list(tmp_path.glob("message*")) == []


@pytest.mark.parametrize(
    "chunks",
    [
        (b"a\n.\r\nMAIL FROM:<x@y.org>\r\n",),
        (b"a\r", b"b\n"),
        (b"a\r.\rb\r\n",),
        (b"a\r.", b"\rb\r\n"),
        (b"a\r\n", b"\0.\r\n"),
        (b"\0.\r\n",),
    ],
)
def test_nothing_that_ends_a_message_for_the_next_hop_comes_in(
    chunks: tuple[bytes, ...], tmp_path: Path
) -> None:
    """As by SMTP: what is split goes on by SMTP."""
    server, fake = Server(), Fake(by_name)
    found = session(Shared(fake, tmp_path), server)
    found.envfrom("<a@x.org>")
    found.envrcpt("<d>")
    found.header("Subject", b" a\n\tb")
    found.eoh()
    assert [found.body(each) for each in chunks][-1] == Milter.REJECT
    assert server.said[0][:2] == ("550", "5.6.0")


def test_usual_line_ends_in_any_chunks(tmp_path: Path) -> None:
    fake = changing(b"", b"")
    found = session(Shared(fake, tmp_path), Server())
    found.envfrom("<a@x.org>")
    found.envrcpt("<b@y.org>")
    found.eoh()
    body = b"a\r\n.\r\n..\r\nb\0\rc\r\n\r\n"
    assert {found.body(bytes([each])) for each in body} == {Milter.CONTINUE}
    assert found.eom() == Milter.CONTINUE
    assert fake.seen[1].endswith(b"\r\n\r\n" + body)


def test_a_header_has_a_size_as_well(tmp_path: Path) -> None:
    found = session(Shared(Fake(by_name), tmp_path), Server())
    found.envfrom("<a@x.org>")
    found.envrcpt("<d>")
    assert found.header("X", b" " + b"a" * 5_000) == Milter.CONTINUE
    assert found.header("X", b" " + b"a" * 5_000) == Milter.REJECT


@pytest.mark.parametrize(("count", "size"), [(3_000, 1), (30, 50_000)])
@pytest.mark.parametrize("drops", [False, True])
def test_a_header_that_is_too_large_to_be_edited_is_sent_and_discarded(
    count: int, size: int, drops: bool, tmp_path: Path
) -> None:
    """Even where what is sent has a small one."""
    field = b"X-Many: " + b"a" * size + b"\r\n"
    fake, server = changing(field if drops else b"Hi", b""), Server()
    found = session(Shared(fake, tmp_path), server, replace(LISTENER, size=10_000_000))
    found.envfrom("<a@x.org>")
    found.envrcpt("<b@y.org>")
    for _ in range(count):
        found.header("X-Many", b" " + b"a" * size)
    assert found.eoh() == Milter.CONTINUE
    assert found.body(b"Hi\r\n") == Milter.CONTINUE
    assert found.eom() == Milter.DISCARD
    assert fake.delivered == ["b@y.org"]
    assert fake.seen[1].count(field) == count
    assert (server.said, server.body) == ([], b"")


@pytest.mark.parametrize(
    ("submitter", "user"),
    [(Submitter.LOGIN, "alice"), (Submitter.SENDER, SENDER), (Submitter.NOBODY, None)],
)
def test_who_submits(submitter: Submitter, user: str | None, tmp_path: Path) -> None:
    fake = changing(b"", b"")
    listener = replace(LISTENER, submitter=submitter)
    found = session(Shared(fake, tmp_path), Server(), listener)
    mail(found, "b@y.org")
    assert fake.seen[0].user == user


def test_a_login_does_not_outlive_its_mail(tmp_path: Path) -> None:
    fake, server = changing(b"", b""), Server()
    found = session(Shared(fake, tmp_path), server)
    mail(found, "b@y.org")
    server.macros.clear()
    mail(found, "b@y.org")
    assert fake.seen[0].user is None


def test_paths_without_brackets_and_without_anybody(tmp_path: Path) -> None:
    fake = changing(b"", b"")
    found = session(Shared(fake, tmp_path), Server())
    found.envfrom("<>")
    found.envrcpt("b@y.org")
    assert found.eom() == Milter.CONTINUE, "there was no header at all"
    assert (fake.seen[0].mail_from, fake.seen[0].recipients[0].address) == ("", "b@y.org")
    assert found.envrcpt("<>") == Milter.REJECT
    assert found.envfrom("<a b") == Milter.REJECT
