"""The demo tells the truth: each step is checked, and its commands do what it says they do."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from smimekit.cli import demo
from tests.cli.conftest import SOURCE
from tests.cli.support import Run

COMMAND = re.compile(r"^   \$ (.*)$", re.MULTILINE)


def test_the_demo_works_in_a_process_of_its_own(
    spawn: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    temporary = tmp_path_factory.mktemp("tmp")
    start = time.process_time()
    done = spawn("demo", variables={"TMPDIR": str(temporary), "SMIMEKIT_PASSWORD": None})
    assert (done.status, done.err) == (0, "")
    assert "every step was checked" in done.text
    assert list(temporary.iterdir()) == []  # nothing is left
    assert time.process_time() - start < 5


def test_its_commands_do_the_same(run: Run, here: Path) -> None:
    done = run("demo", "--dir", "told")
    assert done.status == 0
    made = here / "made"
    made.mkdir()
    for name in ("password.txt", *demo._DRAFTS):
        (made / name).write_bytes((here / "told" / name).read_bytes())
    program = here / "bin" / "smimekit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m smimekit "$@"\n')
    program.chmod(0o755)
    variables = os.environ | {
        "PYTHONPATH": str(SOURCE),
        "PATH": f"{program.parent}:{os.environ['PATH']}",
    }
    variables.pop("SMIMEKIT_PASSWORD")
    commands = COMMAND.findall(done.text)
    assert len(commands) >= 12
    for command in commands:
        ended = subprocess.run(
            ["sh", "-c", command], cwd=made, env=variables, capture_output=True, check=False
        )
        assert ended.returncode == 0, (command, ended.stderr)
    names = {path.name for path in (here / "told").iterdir()}
    assert {path.name for path in made.iterdir()} == names
    assert (made / "answer-plain.eml").read_bytes() == (
        here / "told" / "answer-plain.eml"
    ).read_bytes()
    assert (made / "reply-plain.eml").read_bytes() == (
        here / "told" / "reply-plain.eml"
    ).read_bytes()


def test_the_story_covers_the_main_job(run: Run) -> None:
    told = run("demo").text
    for command in ("sign", "verify", "encrypt", "decrypt", "harvest", "trust list", "trust trust"):
        assert f"$ smimekit {command} " in told
    assert told.index("bob@example.org  untrusted") < told.index("bob@example.org  trusted")


def test_a_folder_in_use_is_left_alone(run: Run, here: Path) -> None:
    before = sorted(here.iterdir())
    assert run("demo", "--dir", ".").status == 2
    assert sorted(here.iterdir()) == before


def test_a_step_that_goes_wrong_ends_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(story: demo._Story) -> None:
        story.begin("A step")
        story.expect("pigs fly", so=False)

    monkeypatch.setattr(demo, "_STEPS", (wrong, *demo._STEPS))
    done = run("demo")
    assert done.status == 1
    assert "pigs fly" in done.err
    assert "every step was checked" not in done.text
