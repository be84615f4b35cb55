"""Each limit, by its name: what is over it costs little time and little memory.

All go off one after the other in a process of their own (`limit_bombs.py`), which counts the
processor time that it spends and the memory that it takes. `tests/test_limits.py` and its
neighbours show where each limit is; here it is what it is worth.
"""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import smimekit
from smimekit.limits import Limits
from tests.conftest import ROOT
from tests.misuse import limit_bombs
from tests.once import once

NAMES = [each.name for each in dataclasses.fields(Limits)]
BUSY = 3
"""What a machine that does other things as well may take, in times what one alone takes."""


Found = dict[str, dict[str, Any]]


def set_off() -> str:
    """All of them, and what came of each."""
    paths = (str(Path(smimekit.__file__).parents[1]), str(ROOT))
    done = subprocess.run(
        [sys.executable, "-m", "tests.misuse.limit_bombs"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    read: Found = json.loads(once(tmp_path_factory.getbasetemp(), "limit-bombs", set_off))
    return read


def test_every_limit_has_a_bomb() -> None:
    assert set(limit_bombs.CASES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_limit_is_met(name: str, found: Found) -> None:
    """By what is over it, and not by any error that comes first."""
    assert found[name]["came"] == found[name]["expected"]


@pytest.mark.parametrize("name", NAMES)
def test_limit_saves_time(name: str, found: Found) -> None:
    spent, allowed = found[name]["seconds"]
    assert spent < BUSY * allowed


@pytest.mark.parametrize("name", NAMES)
def test_limit_saves_memory(name: str, found: Found) -> None:
    taken, allowed = found[name]["memory"]
    if taken is None:
        pytest.skip("this system does not tell the peak of memory")
    assert taken < allowed
