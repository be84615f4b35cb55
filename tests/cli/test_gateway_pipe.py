"""`smimekit gateway pipe`: statuses that mail servers understand, and never a lost mail."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from smimekit.gateway.adapters.pipe import Sysexit, exit_status
from smimekit.gateway.handover.answers import Reply
from tests.conftest import ROOT
from tests.gateway.peers import hop

FILE = """
[gateway]
name = "gw.example.org"
[next_hop]
address = "127.0.0.1:{port}"
timeout = 20
[store]
url = "memory:"
[workers]
spool = "spool"
processor = "tests.gateway.processors:by_name"
"""
MAIL = b"From: a@x.org\nSubject: a\n\n.\nb\n"


def pipe(
    folder: Path, *words: str, mail: bytes = MAIL, port: int = 1
) -> "subprocess.CompletedProcess[bytes]":
    file = folder / "gateway.toml"
    if not file.exists():
        file.write_text(FILE.format(port=port))
    return subprocess.run(
        [sys.executable, "-m", "smimekit", "gateway", "pipe", str(file), *words],
        input=mail,
        capture_output=True,
        check=False,
        env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
    )


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (Reply(250, "2.0.0", "OK"), Sysexit.OK),
        (Reply(451, "4.3.0", "Later"), Sysexit.TEMPFAIL),
        (Reply(354, "2.0.0", "Odd"), Sysexit.TEMPFAIL),
        (Reply(550, "5.1.1", "Who?"), Sysexit.NOUSER),
        (Reply(550, "5.6.0", "What?"), Sysexit.DATAERR),
        (Reply(550, "5.7.10", "No"), Sysexit.NOPERM),
        (Reply(554, "5.0.0", "No"), Sysexit.UNAVAILABLE),
    ],
)
def test_statuses(reply: Reply, status: Sysexit) -> None:
    assert exit_status(reply) is status


def test_to_the_next_hop(tmp_path: Path) -> None:
    with hop() as sink:
        words = ["--from", "a@x.org", "--user", "a", "--client", "192.0.2.1"]
        done = pipe(tmp_path, *words, "--", "b@y.org", "hold@y.org", port=sink.port)
        assert (done.returncode, done.stdout) == (0, b""), done.stderr
        (came,) = sink.arrived
    assert came.addresses == ["b@y.org"]
    crlf = MAIL.replace(b"\n", b"\r\n")
    assert came.content == b"X-User: a\r\nX-Client: 192.0.2.1\r\n" + crlf
    assert len([*(tmp_path / "spool" / "hold").iterdir()]) == 1
    assert list((tmp_path / "spool" / "journal").iterdir()) == []
    assert list((tmp_path / "spool" / "pipe").iterdir()) == []


def test_a_second_try_sends_nothing_twice(tmp_path: Path) -> None:
    words = ["--from", "", "--", "b@y.org", "defer@y.org"]
    with hop() as sink:
        for _ in range(2):
            done = pipe(tmp_path, *words, port=sink.port)
            assert done.returncode == 75
            assert b"4.7.0 Not yet" in done.stderr
        assert sink.recipients() == ["b@y.org"]


@pytest.mark.parametrize(
    ("to", "status", "word"),
    [
        ("reject@y.org", 77, b"5.7.10 Encrypt it"),
        ("defer@y.org", 75, b"4.7.0"),
        ("fail@y.org", 75, b"4.3.0"),
        ("b@y.org", 75, b"4.4.2"),  # nobody listens there
    ],
)
def test_failures(to: str, status: int, word: bytes, tmp_path: Path) -> None:
    done = pipe(tmp_path, "--from", "a@x.org", "--", to)
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith(word)
    assert done.stdout == b""


@pytest.mark.parametrize(
    "words",
    [
        ["--", "b@y.org"],
        ["--from", "a@x.org"],
        ["--from", "a@x.org", "--color", "--", "b@y.org"],
    ],
    ids=["no sender", "no recipient", "unknown option"],
)
def test_a_wrong_command_line_is_to_try_again(words: list[str], tmp_path: Path) -> None:
    """A mail server bounces every mail for 64 and the like; somebody can still repair this."""
    assert pipe(tmp_path, *words).returncode == 75


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_text("[next_hop]\n"),
        lambda file: file.mkdir(),
        lambda file: file.write_text(FILE.format(port=1).replace("by_name", "nobody")),
        lambda file: file.write_text(FILE.format(port=1).replace('"spool"', '"/dev/null/x"')),
    ],
    ids=["rules", "no file", "processor", "spool"],
)
def test_a_wrong_file_is_to_try_again(spoil: Callable[[Path], None], tmp_path: Path) -> None:
    spoil(tmp_path / "gateway.toml")
    done = pipe(tmp_path, "--from", "a@x.org", "--", "b@y.org")
    assert done.returncode == 75
    assert done.stderr.startswith(b"4.3.0 ")


# --- standard output --------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_one_mail_on_standard_output(end: bytes, tmp_path: Path) -> None:
    """With the line ends that it came with."""
    mail = MAIL.replace(b"\n", end)
    done = pipe(tmp_path, "--from", "a@x.org", "--stdout", "--", "b@y.org", "c@y.org", mail=mail)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"X-User: None" + end + b"X-Client: " + end + mail


def test_large_mail_on_standard_output(tmp_path: Path) -> None:
    mail = b"From: a@x.org\n\n" + b"0123456789abcde\n" * 150_000
    done = pipe(tmp_path, "--from", "a@x.org", "--stdout", "--", "b@y.org", mail=mail)
    assert done.stdout == mail


def test_nothing_half_on_standard_output(tmp_path: Path) -> None:
    """Who reads it takes it for the mail of all recipients."""
    words = ["--from", "a@x.org", "--stdout", "--"]
    done = pipe(tmp_path, *words, "b@y.org", "reject@y.org")
    assert (done.returncode, done.stdout) == (75, b"")
    assert b"gateway.several-outcomes" in done.stderr
    done = pipe(tmp_path, *words, "reject@y.org")
    assert (done.returncode, done.stdout) == (77, b"")


def test_a_full_standard_output_is_to_try_again(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(FILE.format(port=1))
    words = ["gateway", "pipe", "gateway.toml", "--from", "a@x.org", "--stdout", "--", "b@y.org"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "smimekit", *words],
            input=MAIL,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            cwd=tmp_path,
            env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        )
    assert done.returncode == 75


def test_help_is_help(tmp_path: Path) -> None:
    done = pipe(tmp_path, "--help")
    assert done.returncode == 0
    assert b"sysexits" in done.stdout


# --- hooks of one's own ----------------------------------------------------------------------


def with_hooks(folder: Path, port: int, name: str = "heard") -> None:
    mine = f'events = "tests.gateway.processors:{name}"\n[audit]\nfile = "audit"\n'
    text = FILE.format(port=port).rpartition("processor =")[0] + mine
    (folder / "gateway.toml").write_text(text)


def test_hooks_are_called_beside_the_gateway(tmp_path: Path) -> None:
    """It does what it does, writes its audit line, and the hook hears of the outcome."""
    with hop() as sink:
        with_hooks(tmp_path, sink.port)
        done = pipe(tmp_path, "--from", "a@x.org", "--", "b@y.org")
        assert done.returncode == 0, done.stderr
        later = pipe(tmp_path, "--from", "liar@x.org", "--", "b@y.org")
        assert later.returncode == 75
        assert len(sink.arrived) == 1
    assert (tmp_path / "heard").read_text() == "a@x.org\n"
    assert len((tmp_path / "audit").read_text().splitlines()) == 1


def test_hooks_that_are_not_there_stop_everything(tmp_path: Path) -> None:
    with hop() as sink:
        with_hooks(tmp_path, sink.port, "missing")
        done = pipe(tmp_path, "--from", "a@x.org", "--", "b@y.org")
        assert done.returncode == 75
        assert sink.arrived == []
