"""`import smimekit` is quick and pulls in nothing that only an extra or a lazy part needs."""

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

ALLOWED = 0.120
"""Seconds of processor time for `import smimekit`: what a command-line tool can bear."""
YARDSTICK = "import asyncio, email.parser, http.client, unittest.mock, xml.dom.minidom"
YARDSTICK_SECONDS = 0.100
"""What the yardstick takes on the machine that `ALLOWED` was chosen for; a slower one gets more."""
RUNS = 10
FORBIDDEN = {"aiohttp", "asyncio", "sqlalchemy", "click", "rich", "pyhanko_certvalidator"}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables under which Python keeps what it compiled, as an installed package is kept."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("compiled"))}


def fresh(code: str, variables: Mapping[str, str]) -> str:
    """What a new Python prints."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    return done.stdout


def loaded(statement: str, variables: Mapping[str, str]) -> set[str]:
    """The top-level modules that a new Python holds after a statement."""
    names = fresh(f"import sys\n{statement}\nprint(*sys.modules)", variables).split()
    return {name.partition(".")[0] for name in names}


def seconds(statement: str, variables: Mapping[str, str]) -> float:
    """Processor time, not wall time: other programs on the machine do not count."""
    lines = ("import time", "start = time.process_time()", statement)
    code = "\n".join((*lines, "print(time.process_time() - start)"))
    return float(fresh(code, variables))


def best(statement: str, enough: float, variables: Mapping[str, str]) -> float:
    """The quickest of several runs: noise, and compiling in the first one, only add."""
    quickest = float("inf")
    for _ in range(RUNS):
        quickest = min(quickest, seconds(statement, variables))
        if quickest <= enough:
            break
    return quickest


def test_import_loads_nothing_heavy(compiled: Mapping[str, str]) -> None:
    after = loaded("import smimekit", compiled)
    assert "smimekit" in after
    assert after & FORBIDDEN == set()


def test_no_public_name_loads_anything_heavy(compiled: Mapping[str, str]) -> None:
    """Names are loaded when they are asked for; all of them together stay light, too."""
    after = loaded("import smimekit\nfor n in smimekit.__all__: getattr(smimekit, n)", compiled)
    assert "cryptography" in after
    assert after & FORBIDDEN == set()


def test_the_modules_of_verbs_are_at_hand(compiled: Mapping[str, str]) -> None:
    """`import smimekit` is enough for them, and only `aio` needs asyncio."""
    assert "asyncio" not in loaded("import smimekit\nsmimekit.stream.encrypt", compiled)
    assert "asyncio" in loaded("import smimekit\nsmimekit.aio.encrypt", compiled)


def test_loaded_modules_are_seen(compiled: Mapping[str, str]) -> None:
    assert "xml" not in loaded("pass", compiled)
    assert "xml" in loaded("import xml.dom", compiled)


def test_import_is_quick(compiled: Mapping[str, str]) -> None:
    slowness = max(1.0, best(YARDSTICK, YARDSTICK_SECONDS, compiled) / YARDSTICK_SECONDS)
    assert best("import smimekit", ALLOWED, compiled) <= ALLOWED * slowness


def test_slowness_is_seen(compiled: Mapping[str, str]) -> None:
    assert seconds("while time.process_time() < start + 0.15: pass", compiled) > ALLOWED
