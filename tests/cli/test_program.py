"""The program as others start it: pipes, exit statuses, terminals, and never a traceback."""

import base64
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

import smimekit
from smimekit.cli import app
from smimekit.cli.exits import Exit, Refused, code_of, exit_of, sentence_of
from smimekit.errors import (
    DecryptionError,
    InsufficientProtection,
    KeyFileError,
    LimitExceeded,
    MimeError,
    NoMatchingKey,
    NotSigned,
    PolicyError,
    StoreError,
    UsageError,
)
from tests.cli.conftest import SOURCE
from tests.cli.support import DRAFT, PASSWORD, Run

ESCAPE = "\x1b"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotSigned("x"), 1), (InsufficientProtection("x"), 1), (PolicyError("x"), 1), (DecryptionError(), 1),
        (UsageError("x"), 2), (StoreError("x"), 2), (FileNotFoundError(2, "x"), 2),
        (MimeError("x"), 3), (LimitExceeded("x"), 3), (KeyFileError("x"), 3),
        (NoMatchingKey("x"), 4), (KeyFileError("x", code="key.wrong-password"), 4),
        (KeyFileError("x", code="key.password-needed"), 4), (KeyFileError("x", code="key.none"), 4),
        (Refused(NoMatchingKey("x"), {}), 4), (RecursionError(), 70), (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 141),
    ],
    ids=str,
)  # fmt: skip
def test_exit_statuses(error: BaseException, status: int) -> None:
    assert exit_of(error) == status
    assert code_of(error)
    assert sentence_of(error)


def test_a_pipe_of_commands_is_binary_safe(spawn: Run, here: Path) -> None:
    draft = b"From: alice@example.org\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: binary\n\n"
    octets = bytes(range(256)) * 3 + b"\r\n\n\r\x00\x1a\xff"
    signed = spawn("sign", "--key", "alice.p12", stdin=draft + octets)
    encrypted = spawn("encrypt", "--to", "bob.pem", "-", "-o", "-", stdin=signed.out)
    verified = spawn(
        "verify", "--anchor", "ca.pem", "--key", "bob.p12", "-o", "-", stdin=encrypted.out
    )
    decrypted = spawn("decrypt", "--key", "bob.p12", stdin=encrypted.out)
    assert [each.status for each in (signed, encrypted, verified, decrypted)] == [0, 0, 0, 0]
    assert verified.out == decrypted.out
    assert base64.b64decode(verified.out.partition(b"\r\n\r\n")[2]) == octets


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("verify", "--anchor", "ca.pem", "signed.eml"), 0),
        (("verify", "--anchor", "ca.pem", "by-stranger.eml"), 1),
        (("verify", "signed.eml"), 2),
        (("verify", "--anchor", "ca.pem", "password"), 3),
        (("decrypt", "--key", "alice.p12", "encrypted.eml"), 4),
        (("nonsense",), 2),
        (("sign", "--nonsense"), 2),
        ((), 2),
        (("--help",), 0),
        (("--version",), 0),
    ],
)
def test_statuses_of_processes(spawn: Run, words: tuple[str, ...], status: int) -> None:
    assert spawn(*words).status == status


def test_whoever_stops_reading_gets_no_traceback(here: Path) -> None:
    head = b"From: alice@example.org\nContent-Type: application/octet-stream\n\n"
    mail = smimekit.sign(
        head + os.urandom(1 << 20), smimekit.Credential.from_pkcs12(here / "alice.p12", PASSWORD)
    )
    (here / "large.eml").write_bytes(mail)
    command = [sys.executable, "-m", "smimekit", "open", "large.eml", "--payload", "-"]
    with subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == Exit.BROKEN_PIPE


def test_a_full_disk_is_said(spawn: Run) -> None:
    with Path("/dev/full").open("wb") as full:
        done = spawn("sign", "--key", "alice.p12", "draft.eml", stdout=full)
        told = spawn("open", "signed.eml", stdout=full)
    for each in (done, told):
        assert each.status == 2
        assert each.err == "smimekit: No space left on device.\n"


def test_closed_standard_streams(spawn: Run) -> None:
    def closed(*numbers: int) -> Callable[[], None]:
        def close() -> None:
            for number in numbers:
                os.close(number)

        return close

    done = spawn("open", stdin=None, preexec_fn=closed(0))
    assert done.status == 2
    done = spawn("sign", "--key", "alice.p12", "draft.eml", preexec_fn=closed(1))
    assert done.status == 2
    assert spawn("verify", "--anchor", "ca.pem", "signed.eml", preexec_fn=closed(1, 2)).status == 0


def heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """As a person would: once more where nothing happens. Python looks for signals before it reads;
    one that comes between the two waits until there is something to read.
    """
    for _ in range(12):
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
            return


def test_an_interrupt_is_no_traceback(here: Path) -> None:
    command = [sys.executable, "-m", "smimekit", "open", "-"]
    with subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Whoever started the tests may ignore the signal, and a new program inherits that.
        preexec_fn=heed_interrupts,  # noqa: PLW1509 - the tests have one thread
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        # More than a pipe holds: this returns when the program has begun to read.
        process.stdin.write(DRAFT + bytes(1 << 18))
        process.stdin.flush()
        interrupt(process)
        assert process.wait(timeout=60) == Exit.INTERRUPTED
        assert process.stderr.read() == b"smimekit: Interrupted.\n"


def test_a_bug_is_called_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RecursionError("maximum recursion depth exceeded")

    monkeypatch.setattr("smimekit.cli.source.smimekit.open", broken)
    done = run("open", "signed.eml", "--json")
    assert (done.status, done.code) == (70, "bug")
    assert "RecursionError" in done.err


def test_the_extra_is_asked_for(spawn: Run, here: Path) -> None:
    (here / "sitecustomize.py").write_text(
        "import importlib.util\n"
        "real = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'rich' else real(name, *more)\n"
    )
    done = spawn("demo", variables={"PYTHONPATH": f"{here}{os.pathsep}{SOURCE}"})
    assert done.status == 2
    assert "pip install 'smimekit[cli]'" in done.err


def test_run_returns_a_status(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["--version"]) == 0
    assert app.run(["verify", "signed.eml"]) == 2
    assert "usage.no-trust" in capsys.readouterr().err


# --- terminals -----------------------------------------------------------------------------


def on_terminal(
    words: tuple[str, ...], here: Path, typed: str = "", **variables: str
) -> tuple[int, str]:
    """Run a command at a terminal of its own; its status, and what it showed."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"NO_COLOR", "SMIMEKIT_PASSWORD"}
    }
    environment |= {"PYTHONPATH": str(SOURCE), "TERM": "xterm-256color", **variables}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(here)
        os.execve(sys.executable, [sys.executable, "-m", "smimekit", *words], environment)  # noqa: S606
    shown = b""
    lines = typed.splitlines(keepends=True)
    while True:
        ready, _, _ = select.select([terminal], [], [], 60)
        try:
            chunk = os.read(terminal, 1 << 16) if ready else b""
        except OSError:  # the other side has gone
            chunk = b""
        if not chunk:
            break
        shown += chunk
        if lines and shown.rstrip(b" ").endswith(b":"):
            os.write(terminal, lines.pop(0).encode())
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


VERIFY = ("verify", "--anchor", "ca.pem", "signed.eml")


def test_colour_is_for_terminals(here: Path, spawn: Run) -> None:
    status, shown = on_terminal(VERIFY, here)
    assert (status, ESCAPE in shown) == (0, True)
    status, shown = on_terminal(VERIFY, here, NO_COLOR="1")
    assert (status, re.findall(r"\x1b\[[0-9;]*3[0-9]", shown)) == (0, [])
    assert ESCAPE not in spawn(*VERIFY, variables={"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}).text


def test_a_password_is_asked_for_at_a_terminal_only(here: Path, spawn: Run) -> None:
    words = ("sign", "--key", "alice.p12", "draft.eml", "-o", "out.eml")
    status, shown = on_terminal(words, here, typed=f"{PASSWORD}\n")
    assert (status, PASSWORD in shown) == (0, False)
    assert (here / "out.eml").exists()
    done = spawn(*words, "--json", variables={"SMIMEKIT_PASSWORD": None})
    assert (done.status, done.code) == (4, "key.password-needed")
    assert "--password-file" in done.err
    assert "SMIMEKIT_PASSWORD" in done.err


def test_a_new_password_is_asked_for_twice(here: Path) -> None:
    words = ("keys", "new", "dora@example.org", "-o", "dora.p12")
    assert on_terminal(words, here, typed="one\nother\n")[0] == 2
    assert not (here / "dora.p12").exists()
    assert on_terminal(words, here, typed="one\none\n")[0] == 0
    assert (here / "dora.p12").exists()
