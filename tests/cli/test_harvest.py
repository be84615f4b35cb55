"""`smimekit harvest` on mailboxes: what it tells, where it stops, and how it goes on."""

import json
import os
import pickle
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import smimekit
from smimekit.cli.harvest import _Means
from smimekit.trust import Record, open_store
from tests.cli.conftest import SOURCE
from tests.cli.support import DRAFT, Run
from tests.harvesting.support import everything, kinds, maildir_of
from tests.mailboxes.imap_server import Script, serving
from tests.mailboxes.test_mbox import mbox
from tests.message.people import alice, bare_signed, draft, root

STORE = ("--store", "sqlite:///trust.db")
AT = ("--at", "2026-03-01T12:00:00Z")
MESSAGES = 700


def records(path: Path) -> list[Record]:
    store = open_store(f"sqlite:///{path}")
    try:
        return everything(store)
    finally:
        store.close()  # type: ignore[attr-defined]  # of this kind


@pytest.fixture
def mail(here: Path) -> Path:
    (here / "root.pem").write_bytes(root().certificate.pem())
    return maildir_of(here / "Maildir", MESSAGES)


@pytest.fixture
def some_mail(here: Path) -> Path:
    (here / "root.pem").write_bytes(root().certificate.pem())
    return maildir_of(here / "Maildir", 60)


def words(store: str, *more: str) -> list[str]:
    return [
        "harvest",
        "--store",
        f"sqlite:///{store}",
        "--anchor",
        "root.pem",
        *AT,
        "Maildir",
        *more,
    ]


def started(*arguments: str, **pipes: Any) -> "subprocess.Popen[bytes]":
    """A command that heeds interrupts, also where whoever runs the tests ignores them: what has a
    handler here is back to its default there.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process: subprocess.Popen[bytes] = subprocess.Popen(
        [sys.executable, "-m", "smimekit", *arguments],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        stdin=subprocess.DEVNULL,
        stdout=pipes.pop("stdout", subprocess.PIPE),
        stderr=pipes.pop("stderr", subprocess.PIPE),
        **pipes,
    )
    return process


def lines_of(process: "subprocess.Popen[bytes]", count: int) -> Iterator[bytes]:
    """So many lines of what it says, or all."""
    assert process.stdout is not None
    for _ in range(count):
        if line := process.stdout.readline():
            yield line


def ended(process: "subprocess.Popen[bytes]") -> str:
    _, error = process.communicate(timeout=120)
    return error.decode()


# --- crashes and stops ---------------------------------------------------------------------


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_killed_anywhere_it_goes_on_and_finds_the_same(
    here: Path, mail: Path, run: Run, jobs: str
) -> None:
    """kill -9, after more lines each time, then to the end; as often as it takes."""
    run(*words("whole.db"))
    killed = 0
    for wanted in (1, 200, 300, 500):
        process = started(*words("torn.db", "--journal", "journal", "--jobs", jobs))
        said = list(lines_of(process, wanted))
        process.kill()
        ended(process)
        killed += process.returncode == -signal.SIGKILL
        assert len(said) <= MESSAGES
    assert killed >= 2
    assert len(records(here / "torn.db")) > 0
    last = run(*words("torn.db", "--journal", "journal", "--jobs", jobs))
    assert last.status in {0, 3}
    assert len(last.lines) < MESSAGES
    assert records(here / "torn.db") == records(here / "whole.db")
    assert run(*words("torn.db", "--journal", "journal")).lines == []


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupt_ends_it_and_the_next_run_goes_on(
    here: Path, mail: Path, run: Run, jobs: str
) -> None:
    """The terminal interrupts all of them: the workers leave it to the one who writes."""
    arguments = words("torn.db", "--journal", "journal", "--jobs", jobs)
    process = started(*arguments, start_new_session=True)
    assert len(list(lines_of(process, 300))) == 300
    os.killpg(process.pid, signal.SIGINT)
    error = ended(process)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert "journal" in error
    rest = run(*words("torn.db", "--journal", "journal", "--jobs", jobs))
    assert 0 < len(rest.lines) < MESSAGES
    run(*words("whole.db"))
    assert records(here / "torn.db") == records(here / "whole.db")


def test_several_processes_tell_what_one_tells(here: Path, mail: Path, run: Run) -> None:
    one, several = run(*words("1.db")), run(*words("3.db", "--jobs", "3"))
    assert one.status == several.status == 3
    assert one.lines == several.lines
    assert len(one.lines) == MESSAGES
    assert records(here / "1.db") == records(here / "3.db")


def test_encrypted_mail_is_opened_in_several_processes(here: Path, run: Run) -> None:
    (here / "many").mkdir()
    for number in range(40):
        (here / "many" / f"{number}.eml").hardlink_to(here / "encrypted.eml")
    told = run("harvest", *STORE, "--key", "bob.p12", "--jobs", "2", "many").lines
    assert [each["sender"] for each in told] == ["alice@example.org"] * 40


# --- the journal ---------------------------------------------------------------------------


def test_a_journal_is_of_one_store_one_source_and_the_same_keys(here: Path, run: Run) -> None:
    journal = ("--journal", "journal")
    assert len(run("harvest", *STORE, "signed.eml", *journal).lines) == 1
    again = run("harvest", *STORE, "signed.eml", *journal)
    assert again.lines == []
    assert "Messages: 0;" in again.err
    for other in (
        ("harvest", "--store", "sqlite:///other.db", "signed.eml"),
        ("harvest", *STORE, "opaque.eml"),
        ("harvest", *STORE, "signed.eml", "--key", "bob.p12"),
        ("harvest", *STORE, "signed.eml", "--anchor", "ca.pem"),
        ("harvest", *STORE, "signed.eml", "--policy", "modern"),
    ):
        done = run(*other, *journal, "--json")
        assert (done.status, done.code) == (2, "usage.journal")
    (here / "trust.db").unlink()
    done = run("harvest", *STORE, "signed.eml", *journal, "--json")
    assert (done.status, done.code) == (2, "usage.journal")


@pytest.mark.parametrize("places", [(), ("-",), ("signed.eml", "-")])
def test_a_pipe_has_no_journal(run: Run, places: Sequence[str]) -> None:
    done = run("harvest", *STORE, *places, "--journal", "journal", "--json")
    assert (done.status, done.code) == (2, "usage.journal-pipe")


@pytest.mark.parametrize("journal", ["mail/journal", "mail/../mail/journal"])
def test_a_journal_does_not_lie_among_the_mail(run: Run, here: Path, journal: str) -> None:
    """It would be read as a message which is none, in every run."""
    (here / "mail").mkdir()
    (here / "signed.eml").rename(here / "mail" / "signed.eml")
    done = run("harvest", *STORE, "mail", "--journal", journal, "--json")
    assert (done.status, done.code) == (2, "usage.journal-place")
    assert run("harvest", *STORE, "mail", "--journal", "journal").status == 0


# --- places --------------------------------------------------------------------------------


def test_several_places_are_one_run(here: Path, run: Run) -> None:
    (here / "box").write_bytes(
        mbox(*((here / f"{name}.eml").read_bytes() for name in ("signed", "opaque")))
    )
    told = run("harvest", *STORE, "box", "by-bob.eml", "--journal", "journal").lines
    assert [each["sender"] for each in told] == ["alice@example.org"] * 2 + ["bob@example.org"]
    with (here / "box").open("ab") as file:
        file.write(mbox((here / "by-bob.eml").read_bytes()))
    [again] = run("harvest", *STORE, "box", "by-bob.eml", "--journal", "journal").lines
    assert again["sender"] == "bob@example.org"
    assert again["message"].startswith("box at octet")


def test_an_mbox_may_come_through_a_pipe(here: Path, spawn: Run) -> None:
    data = mbox((here / "signed.eml").read_bytes(), DRAFT)
    told = spawn("harvest", *STORE, "--mbox", "rd", stdin=data).lines
    assert [bool(each["found"]) for each in told] == [True, False]


def test_a_file_that_is_said_to_be_an_mbox_and_is_none(run: Run) -> None:
    done = run("harvest", *STORE, "--mbox", "rd", "signed.eml", "--json")
    assert (done.status, done.code) == (3, "mime.mbox")


def test_a_detached_signature_with_its_content(here: Path, run: Run) -> None:
    (here / "root.pem").write_bytes(root().certificate.pem())
    (here / "text.p7s").write_bytes(bare_signed(draft(), alice(), detached=True))
    (here / "text").write_bytes(draft())
    (here / "other").write_bytes(draft(text="The plan is off."))
    [alone] = run("harvest", *STORE, "text.p7s").lines
    assert alone["error"]["code"] == "cms.no-content"
    [changed] = run("harvest", *STORE, *AT, "text.p7s", "--content", "other").lines
    assert changed["found"] == []
    [told] = run("harvest", *STORE, *AT, "text.p7s", "--content", "text").lines
    assert told["sender"] == "alice@example.org"
    for more in (("signed.eml",), ("--journal", "journal")):
        done = run("harvest", *STORE, "text.p7s", *more, "--content", "text", "--json")
        assert (done.status, done.code) == (2, "usage.content")


def test_a_bag_of_certificates_teaches_nothing_and_is_imported(here: Path, run: Run) -> None:
    (here / "staff.p7c").write_bytes(bare_signed(b"", bag=[alice().certificate], detached=True))
    done = run("harvest", *STORE, "staff.p7c")
    [told] = done.lines
    assert (done.status, told["found"]) == (0, [])
    assert "import" in told["reasons"][0]
    (imported,) = run("trust", "import", *STORE, "staff.p7c", "--json").json["certificates"]
    assert [each["kind"] for each in imported["sources"]] == ["upload"]


# --- IMAP ----------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Script]:
    with serving(
        Script({"INBOX": dict(enumerate(kinds()[:4], start=1)), "Sent": {1: kinds()[5]}})
    ) as script:
        yield script


def test_an_account_is_read_once(
    here: Path, run: Run, server: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMIMEKIT_IMAP_PASSWORD", "secret")
    url = f"imap://alice@127.0.0.1:{server.port}"
    account = ("harvest", *STORE, url, "--imap-tls", "none", "--journal", "journal")
    assert len(run(*account, "--all-folders").lines) == 5
    assert run(*account, "--all-folders").lines == []
    server.folders["INBOX"][9] = kinds()[5]
    [told] = run(*account, "--all-folders").lines
    assert told["message"] == "INBOX 9"
    assert run(*account, "--json").code == "usage.journal"
    alone = ("harvest", *STORE, f"{url}/Sent", "--imap-tls", "none")
    assert [each["message"] for each in run(*alone).lines] == ["Sent 1"]
    assert len(run(*alone, "--folder", "INBOX").lines) == 6


def test_where_the_password_comes_from(here: Path, run: Run, spawn: Run, server: Script) -> None:
    account = (
        "harvest",
        *STORE,
        f"imap://alice@127.0.0.1:{server.port}",
        "--imap-tls",
        "none",
        "--json",
    )
    (here / "imap-password").write_text("secret\n")
    assert len(run(*account, "--imap-password-file", "imap-password").lines) == 4
    done = run(*account)
    assert (done.status, done.code) == (2, "usage.imap-password")
    (here / "imap-password").write_text("wrong\n")
    done = run(*account, "--imap-password-file", "imap-password")
    assert (done.status, done.code) == (2, "fetch.imap-login")


def test_an_access_token_comes_from_a_file(here: Path, run: Run, server: Script) -> None:
    server.capabilities = "IMAP4rev1 AUTH=XOAUTH2"
    url = f"imap://alice@127.0.0.1:{server.port}"
    account = ("harvest", *STORE, url, "--imap-tls", "none", "--imap-token-file", "token", "--json")
    (here / "token").write_text(f"{server.token}\n")
    assert len(run(*account).lines) == 4
    done = run(*account, "--imap-password-file", "token")
    assert (done.status, done.code) == (2, "usage.imap-password")
    (here / "token").write_text("ya29.old\n")
    done = run(*account)
    assert (done.status, done.code) == (2, "fetch.imap-login")
    assert "ya29" not in done.out.decode() + done.err


@pytest.mark.parametrize(
    "url", ["imap://alice:secret@host", "imaps://host", "imaps://", "imaps://alice@", "imaps://a@host:port", "imaps://a@[x"]
)  # fmt: skip
def test_a_url_that_is_none_is_told(run: Run, url: str) -> None:
    done = run("harvest", *STORE, url, "--json")
    assert (done.status, done.code) == (2, "usage.imap-url")


def test_a_server_without_tls_is_not_told_a_password(
    run: Run, server: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMIMEKIT_IMAP_PASSWORD", "secret")
    done = run("harvest", *STORE, f"imap://alice@127.0.0.1:{server.port}", "--json")
    assert (done.status, done.code) == (2, "fetch.imap-tls")
    assert not any(line.startswith(("LOGIN", "AUTHENTICATE")) for line in server.said)


# --- what is told --------------------------------------------------------------------------


def on_terminal(*arguments: str, out: bool) -> tuple[bytes, str]:
    """Run with standard error, and perhaps standard output, on a terminal; what each shows."""
    ours, theirs = pty.openpty()
    with Path("said").open("w+b") as said:
        process = started(*arguments, stderr=theirs, stdout=theirs if out else said)
        os.close(theirs)
        shown = bytearray()
        with suppress(OSError):  # how a terminal on Linux says that it is over
            while piece := os.read(ours, 1 << 16):
                shown += piece
        os.close(ours)
        assert process.wait(120) is not None
        return Path("said").read_bytes(), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def test_on_a_terminal_there_is_a_bar_and_lines_elsewhere(here: Path, some_mail: Path) -> None:
    said, shown = on_terminal(*words("t.db"), out=False)
    told = [json.loads(line) for line in said.splitlines()]
    assert len(told) == 60
    assert "100 %" in shown
    assert re.search(r"60 messages .*\d/s .*\d:\d\d:\d\d remaining", shown)
    assert "{" not in shown


def test_on_a_terminal_people_read_what_is_new(here: Path, some_mail: Path) -> None:
    _, shown = on_terminal(*words("t.db"), out=True)
    assert len(re.findall(r" new +person +p\d@example\.org", shown)) == 4
    assert "known" not in shown
    assert "[mime.no-header]" in shown
    assert "{" not in shown
    _, few = on_terminal("harvest", *STORE, "signed.eml", "draft.eml", out=True)
    assert "the message is not signed" in few
    _, again = on_terminal("harvest", *STORE, "signed.eml", out=True)
    assert " known " in again


def test_a_pipe_gets_a_line_of_json_for_each_message(run: Run) -> None:
    done = run("harvest", *STORE, "signed.eml", "draft.eml", "missing.eml")
    assert [set(each) for each in done.lines] == [
        {"message", "sender", "found", "reasons", "error"}
    ] * 3
    assert done.status == 2
    assert "Messages: 3" in done.err
    assert "not readable: 1" in done.err


def test_what_ends_a_run_is_a_line_too(here: Path, run: Run) -> None:
    done = run("harvest", "--store", "sqlite:///missing/trust.db", "signed.eml", "--json")
    assert [each["error"]["code"] for each in done.lines] == ["store.unavailable"]
    assert smimekit.StoreError.default_code == "store"


# --- keys in other processes ---------------------------------------------------------------


class Elsewhere:
    """A key that does not leave its place."""

    public_key: Any = alice().certificate.public_key

    def sign(self, data: bytes, scheme: object) -> bytes:
        raise NotImplementedError

    def decrypt(self, ciphertext: bytes, padding: object) -> bytes:
        raise NotImplementedError

    def exchange(self, peer: object) -> bytes:
        raise NotImplementedError

    def decapsulate(self, ciphertext: bytes) -> bytes:
        raise NotImplementedError


class Opener:
    """A decryptor of which nobody knows what keys it has."""

    def unwrap(self, recipients: object, *, size: int | None, attempts: int) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (smimekit.Credential(Elsewhere(), alice().certificate), "usage.key-export"),
        (Opener(), "usage.jobs-keys"),
    ],
    ids=["token", "opener"],
)
def test_keys_that_cannot_be_shared_are_told(key: Any, code: str) -> None:
    means = _Means("memory:", (key,), (), smimekit.Policy.INTEROP, None)
    with pytest.raises(smimekit.UsageError) as caught:
        pickle.dumps(means)
    assert caught.value.code == code


def test_a_ring_of_keys_is_carried_whole() -> None:
    ring = smimekit.KeyRing(alice())
    means = _Means("memory:", (ring,), (), smimekit.Policy.LEGACY_READ, None)
    carried = pickle.loads(pickle.dumps(means))  # noqa: S301 - our own
    assert [each.certificate for each in carried.credentials()] == [alice().certificate]
    assert carried.policy is smimekit.Policy.LEGACY_READ
    assert carried.rules() == means.rules()
