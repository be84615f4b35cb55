"""What lies on the disk while a message is under way: nothing that anybody could read."""

import gc
import io
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

import smimekit
from smimekit import Credential, Policy
from smimekit.gateway.adapters.incoming import Incoming
from smimekit.gateway.adapters.pipe import arrived
from smimekit.gateway.envelope import Envelope, EnvelopeRecipient
from smimekit.gateway.handover.hold import HoldQueue
from smimekit.gateway.handover.transaction import Desk
from smimekit.gateway.outcomes import Hold, Mail
from smimekit.gateway.program.assembly import opened_gateway
from smimekit.gateway.program.config import read_config
from smimekit.gateway.program.tasks import Task, read_task, write_task
from smimekit.limits import Limits
from smimekit.message.sealed_file import SealedSource
from smimekit.message.spool import Spool
from smimekit.span import CHUNK, Span
from smimekit.testing import FakeCA
from tests.conftest import IN_CI
from tests.gateway import arrivals, harness, people
from tests.gateway.harness import Running, gateway
from tests.gateway.peers import Hop, hop
from tests.message.people import NOW, alice, bare_enveloped, draft, mime

MARKER = b"Abracadabra is the word that nobody may find."
CAROL, DAVE = "carol@inside.example", "dave@partner.example"
PASSWORD = "a password"  # noqa: S105 - of a test
OWN = """
[gateway]
name = "gw.inside.example"
[inside]
domains = ["inside.example"]
[listen.smtp]
address = "127.0.0.1:0"
{{smtp}}
[next_hop]
address = "127.0.0.1:{{port}}"
timeout = 60
data_timeout = 60
[store]
url = "memory:"
[keys]
folder = "keys"
password_file = "password"
[workers]
spool = "spool"
{{workers}}
spool_encrypted = {encrypted}
"""
LARGE = Limits().spool_memory + (1 << 20)
"""Octets of a text that does not stay in memory."""


def text(size: int = LARGE) -> bytes:
    line = MARKER + b"\r\n"
    return line * (size // len(line))


@pytest.fixture(scope="module")
def carol() -> Credential:
    return FakeCA().person(CAROL)


@pytest.fixture(params=["true", "false"])
def encrypted(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, carol: Credential, encrypted: str
) -> Iterator[tuple[Running, Hop]]:
    """A gateway with the real core, before a next hop that takes its time."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "carol.p12").write_bytes(carol.to_pkcs12(PASSWORD))
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(harness, "FILE", OWN.format(encrypted=encrypted))
    with hop() as server, gateway(tmp_path, monkeypatch, server.port) as found:
        yield found, server


def open_files(pid: int) -> Iterator[bytes]:
    """What is in the files that a process has open and that have no name any more."""
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it is closed by now
            if stat.S_ISREG(each.stat().st_mode) and "(deleted)" in str(each.readlink()):
                yield each.read_bytes()


def on_disk(folder: Path, *pids: int) -> list[bytes]:
    """All that somebody finds who takes the disk out."""
    named = [each.read_bytes() for each in folder.rglob("*") if each.is_file()]
    return [*named, *(found for pid in pids for found in open_files(pid))]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="there is no /proc")
@pytest.mark.parametrize("way", ["in", "out"])
def test_no_file_holds_a_message_that_is_under_way(
    running: tuple[Running, Hop], carol: Credential, encrypted: str, way: str
) -> None:
    """One that comes in and is decrypted, one that goes out as it is; and the test would find it,
    as it does where nothing is sealed.
    """
    found, server = running
    gate, came = threading.Event(), threading.Event()

    def answer(command: str) -> str:
        if command == ".":
            came.set()
            gate.wait(60)
        return ""

    server.answer = answer
    draft = b"From: x@partner.example\r\nSubject: Hello\r\n\r\n" + text()
    to, sender = (CAROL, "x@partner.example") if way == "in" else (DAVE, CAROL)
    mail = smimekit.encrypt(draft, [carol.certificate]) if way == "in" else draft

    def send() -> None:
        with found.smtp() as client:
            client.sendmail(sender, [to], mail)

    sending = threading.Thread(target=send)
    sending.start()
    try:
        assert came.wait(120)
        files = on_disk(found.folder, os.getpid(), *found.service.worker_pids)
    finally:
        gate.set()
        sending.join()
    [arrived] = server.wait_for(1)
    assert arrived.content.count(MARKER) == text().count(MARKER)
    assert sum(map(len, files)) > LARGE, "there is something on the disk"
    assert any(MARKER in each for each in files) is (encrypted == "false")


def test_a_sealed_message_is_opened_by_whoever_has_its_key(tmp_path: Path) -> None:
    """The key goes to the worker with its task, and is in no repr."""
    seal = bytes(range(32))
    path = tmp_path / "new"
    incoming = Incoming(path, trace=b"Received: x\r\n", seed=b"", limit=1 << 20, seal=seal)
    plain = Incoming(tmp_path / "plain", trace=b"Received: x\r\n", seed=b"", limit=1 << 20)
    for chunk in (b"Subject: a\r\n\r\n", b"..dot\r", b"\n" + text(1000)):
        incoming.write(chunk)
        plain.write(chunk)
    incoming.close()
    plain.close()
    assert incoming.digest == plain.digest
    assert MARKER not in path.read_bytes()
    envelope = Envelope(mail_from="", recipients=(EnvelopeRecipient(address="b@x.org"),))
    task = Task(path, incoming.digest, envelope, single=True, seal=seal)
    assert read_task(write_task(7, task)) == (7, task)
    assert seal.hex() not in repr(task)
    assert repr(seal)[2:-1] not in repr(task)
    with path.open("rb") as file:
        source = SealedSource(file, read_task(write_task(7, task))[1].seal)
        whole = (tmp_path / "plain").read_bytes()
        assert Span(source, 0, source.size).bytes() == whole
        assert all(source.read(at, at + 21) == whole[at : at + 21] for at in range(0, 64, 7))


def files_of_spools(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the files of all spools hold when they are closed."""
    gc.collect()  # those of other tests
    found: list[bytes] = []
    close = Spool.close

    def closing(self: Spool) -> None:
        if self._file is not None and not self._file.closed:
            self._file.seek(0, 2)
            found.append(os.pread(self._file.fileno(), 1 << 20, 0))
        close(self)

    monkeypatch.setattr(Spool, "close", closing)
    return found


@pytest.mark.parametrize("wanted", [True, False])
def test_a_pipe_leaves_nothing_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    found = files_of_spools(monkeypatch)
    envelope = Envelope(mail_from="", recipients=())
    content = b"Subject: a\r\n\r\n" + text(200_000)
    with arrived(io.BytesIO(content), envelope, tmp_path / "pipe", encrypted=wanted) as came:
        assert came.message.bytes() == content
        assert list((tmp_path / "pipe").iterdir()) == []
    [held] = [each for each in found if len(each) == len(content)]  # others' may end now, too
    assert (MARKER in held) is not wanted


CONFIG = """
[listen.m]
address = "127.0.0.1:1"
protocol = "milter"
[next_hop]
address = "127.0.0.1:1"
[store]
url = "memory:"
[workers]
spool = "spool"
"""


@pytest.mark.parametrize(("more", "wanted"), [("", True), ("spool_encrypted = false\n", False)])
def test_it_is_the_default_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str, wanted: bool
) -> None:
    """In the core, whose limits say so, and in a milter."""
    if not IN_CI:
        pytest.importorskip("Milter")
    from smimekit.gateway.adapters import milter_process  # noqa: PLC0415 - needs the extra

    file = tmp_path / "gateway.toml"
    file.write_text(CONFIG + more)
    config = read_config(file)
    with opened_gateway(config) as found:
        assert found._policy.limits.spool_encrypted is wanted
    (tmp_path / "spool").mkdir()
    counter = milter_process._Counter(config, _desk())
    seen = files_of_spools(monkeypatch)
    content = text(2 * CHUNK)
    with counter.new_spool() as spool:
        spool.write(content)
    [held] = [each for each in seen if len(each) == len(content)]
    assert (MARKER in held) is not wanted


def _desk() -> Desk:
    found: Desk = object.__new__(Desk)
    object.__setattr__(found, "processor", None)
    return found


def opaque() -> bytes:
    return smimekit.sign(draft(text=MARKER.decode()), alice(), opaque=True, at=NOW)


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("way", ["bare LF", "opaque", "sign"])
def test_no_spool_of_the_core_leaves_anything_to_read(
    monkeypatch: pytest.MonkeyPatch, way: str, wanted: bool
) -> None:
    """What is rewritten for the mailbox, and what goes out signed."""
    limits = Limits(spool_memory=0, spool_encrypted=wanted)
    policy = replace(Policy.INTEROP, limits=limits)
    seen = files_of_spools(monkeypatch)
    if way == "sign":
        found = people.gateway('[outbound]\nsign = "always"\n', policy=policy)
        with people.send(found, people.mail(to=(people.DAVE,)), people.DAVE) as outcomes:
            assert len(outcomes.outcomes) == 1
        marker = people.TEXT
    else:
        content = b"Content-Type: text/plain\n\n" + MARKER + b"\n"
        lines = mime(bare_enveloped(content, arrivals.carol()), "enveloped-data")
        mail = lines if way == "bare LF" else opaque()
        at = replace(
            arrivals.core(arrivals.carol(), opaque_to_clear=way == "opaque"), policy=policy
        )
        assert MARKER in arrivals.delivered(at, mail)
        marker = MARKER
    gc.collect()
    assert seen
    assert any(marker in each for each in seen) is not wanted


def test_held_mail_is_its_owners_alone(tmp_path: Path) -> None:
    """It outlives every key that a process could have: nobody else may enter."""
    queue = HoldQueue(tmp_path / "hold")
    recipients = (EnvelopeRecipient(address=DAVE),)
    mail = Mail(mail_from=CAROL, recipients=recipients, message=Span.of(MARKER))
    envelope = Envelope(mail_from=CAROL, recipients=recipients)
    before = os.umask(0)
    try:
        queue.keep(Hold(mail=mail, reason="Look at it"), envelope, at=NOW)
    finally:
        os.umask(before)
    made = [tmp_path / "hold", *(tmp_path / "hold").rglob("*")]
    modes = {stat.S_IMODE(each.stat().st_mode) for each in made}
    assert modes == {0o700, 0o600}
