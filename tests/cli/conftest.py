"""People, their key files and their mail in a folder, and two ways to run a command there."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import smimekit
from smimekit.cli.app import program
from smimekit.testing import FakeCA
from tests.cli.support import DRAFT, PASSWORD, Done, Run

SOURCE = Path(smimekit.__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key files (one password), certificates and mail; nobody may write here."""
    folder = tmp_path_factory.mktemp("world")
    ca = FakeCA("Example CA")
    below = ca.intermediate("Example Sub CA")
    people = {
        "alice": below.person("alice@example.org"),
        "bob": ca.self_signed("bob@example.org"),
        "carol": ca.person("carol@example.org", key="rsa-2048"),
        "expired": ca.expired("alice@example.org"),
        "stranger": ca.unknown_ca("alice@example.org"),
        "mallory": ca.person("mallory@example.org"),
    }
    for name, who in people.items():
        (folder / f"{name}.p12").write_bytes(who.to_pkcs12(PASSWORD))
        (folder / f"{name}.pem").write_bytes(who.certificate.pem())
    (folder / "ca.pem").write_bytes(ca.certificate.pem())
    (folder / "password").write_text(f"{PASSWORD}\n")
    (folder / "wrong").write_text("battery staple\n")
    (folder / "draft.eml").write_bytes(DRAFT)
    alice = people["alice"]
    bob = people["bob"]
    mails = {
        "signed": smimekit.sign(DRAFT, alice),
        "opaque": smimekit.sign(DRAFT, alice, opaque=True),
        "by-bob": smimekit.sign(DRAFT.replace(b"alice", b"bob"), bob),
        "by-mallory": smimekit.sign(DRAFT, people["mallory"]),
        "by-expired": smimekit.sign(DRAFT, people["expired"]),
        "by-stranger": smimekit.sign(DRAFT, people["stranger"]),
        "encrypted": smimekit.encrypt(DRAFT, to=[bob.certificate], signer=alice),
    }
    for name, mail in mails.items():
        (folder / f"{name}.eml").write_bytes(mail)
    return folder


@pytest.fixture
def here(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own, with the world's files in it: copies, whatever is written to them."""
    for path in world.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SMIMEKIT_PASSWORD", PASSWORD)
    monkeypatch.setenv("SMIMEKIT_TRACEBACK", "")
    return tmp_path


@pytest.fixture
def run(here: Path) -> Run:
    """Run a command line within this process."""

    def run_command(*words: str, stdin: bytes = b"") -> Done:
        done = CliRunner().invoke(program, list(words), input=stdin)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert "Traceback" not in done.stderr
        return Done(done.exit_code, done.stdout_bytes, done.stderr)

    return run_command


@pytest.fixture
def spawn(here: Path) -> Run:
    """Run a command line as a process of its own."""

    def run_process(
        *words: str,
        stdin: bytes | None = b"",
        variables: Mapping[str, str | None] | None = None,
        **more: Any,
    ) -> Done:
        environment = os.environ | {"PYTHONPATH": str(SOURCE)}
        for name, value in (variables or {}).items():
            environment.pop(name, None)
            if value is not None:
                environment[name] = value
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
        if "stdin" not in more:
            pipes["input"] = stdin
        done: Any = subprocess.run(
            [sys.executable, "-m", "smimekit", *words],
            env=environment,
            check=False,
            timeout=120,
            **pipes,
        )
        error = (done.stderr or b"").decode()
        assert "Traceback" not in error
        return Done(done.returncode, done.stdout or b"", error)

    return run_process
