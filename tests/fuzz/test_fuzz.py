"""The changes and the watch themselves; the run is `nox -s fuzz`."""

import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from smimekit import CmsError, SmimeError
from tests.fuzz import run, seeds
from tests.fuzz.mutate import encode, mutate, parse
from tests.fuzz.targets import TARGETS, Target

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", TARGETS)
def test_a_few_changes_of_each_kind(name: str) -> None:
    target = TARGETS[name]
    for data in run.changes(target, f"few {name}", 10):
        assert run.broken(target, data) is None, data.hex()


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_unchanged_is_read(name: str) -> None:
    """Else changes would be refused for what the seeds lack."""
    target = TARGETS[name]
    read = 0
    foreign = set(seeds.vectors(".bin", ".der", ".eml"))  # to people whose keys are not here
    own = [seed for seed in target.seeds() if seed not in foreign]
    for seed in own:
        try:
            target.run(seed)
        except SmimeError:
            continue
        read += 1
    assert read >= len(own) // 2


def test_the_same_seed_makes_the_same_changes() -> None:
    target = TARGETS["open"]
    first, second, other = (
        list(run.changes(target, seed, 20)) for seed in ("one", "one", "another")
    )
    assert first == second != other


def test_trees_are_written_as_they_were_read() -> None:
    for seed in TARGETS["certificate"].seeds():
        nodes = parse(seed)
        assert nodes
        assert encode(nodes) == seed


def test_changes_keep_the_structure() -> None:
    """Most changed values still are DER: else every one would be refused at the first length."""
    [seed, _] = TARGETS["certificate"].seeds()
    random = Random("structure")  # noqa: S311 - the same each time
    made = [mutate(seed, random) for _ in range(200)]
    assert sum(parse(each) is not None for each in made) > 80
    assert len(set(made)) > 150


def raising(error: BaseException) -> Target:
    def fail(_: bytes) -> None:
        raise error

    return Target(fail, tuple)


def test_what_breaks_the_contract_is_seen() -> None:
    assert run.broken(raising(CmsError("no")), b"") is None
    for error in (KeyError("x"), MemoryError(), RecursionError(), AssertionError(), ValueError()):
        assert "Traceback" in (run.broken(raising(error), b"") or "")

    def slow(_: bytes) -> None:
        ends = time.process_time() + 0.2
        while time.process_time() < ends:
            pass

    assert "0.2" in (run.broken(Target(slow, tuple, seconds=0.1), b"") or "")
    assert run.broken(Target(slow, tuple, seconds=5.0), b"") is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the bound is on Linux")
def test_memory_has_a_bound() -> None:
    program = (
        "from tests.fuzz.run import MEMORY, bound_memory, broken\n"
        "from tests.fuzz.targets import Target\n"
        "bound_memory()\n"
        "assert broken(Target(lambda _: bytes(MEMORY // 2), tuple), b'') is None\n"
        "assert 'MemoryError' in broken(Target(lambda _: bytes(2 * MEMORY), tuple), b'')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_finding_is_kept_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = Target(raising(KeyError("oops")).run, lambda: (b"0\0",))
    monkeypatch.setattr(run, "TARGETS", {"bad": broken})
    monkeypatch.setattr(run, "bound_memory", lambda: None)
    assert run.work("bad", "1", 3, tmp_path, seconds=60) == 1
    assert len(list(tmp_path.iterdir())) == 3
    assert "KeyError: 'oops'" in capsys.readouterr().out
