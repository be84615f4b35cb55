"""The changes and the watch themselves; the run is `nox -s fuzz`.

That the watch sees is shown by `wrong.py`: targets that crash, hang, take memory or time.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from smimekit import SmimeError
from tests.conftest import ROOT
from tests.fuzz import seeds, wrong
from tests.fuzz.changes import changes, growing
from tests.fuzz.contract import broken, grows, uneven
from tests.fuzz.mutate import encode, mutate, parse
from tests.fuzz.targets import TARGETS
from tests.fuzz.toml import joined, statements
from tests.measure import forget_peak


@pytest.mark.parametrize("name", TARGETS)
def test_a_few_changes_of_each_kind(name: str) -> None:
    target = TARGETS[name]
    for data in changes(target, f"few {name}", 10):
        assert broken(target, data) is None, data.hex()


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_unchanged_is_read(name: str) -> None:
    """Else changes would be refused for what the seeds lack."""
    target = TARGETS[name]
    read = 0
    # The RFCs' are to people whose keys are not here; certificates alone are no credential.
    foreign = set(seeds.vectors(".bin", ".der", ".eml", ".pem")) | set(seeds.foreign_cms())
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
    first, second, other = (list(changes(target, seed, 20)) for seed in ("one", "one", "another"))
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


def test_each_target_of_the_contract_is_there() -> None:
    """Readers of DER, CMS, MIME, whole mails, what is learned, key files, rules."""
    assert {"der", "cms", "mime", "open", "harvest", "pkcs12", "rules", "gateway"} <= set(TARGETS)


def test_toml_is_put_together_as_it_was_taken_apart() -> None:
    for seed in seeds.gateway_files():
        assert joined(statements(seed.decode())) == seed.decode()


def test_much_of_changed_toml_is_toml() -> None:
    """And some is a gateway's file still, which is read to its end."""
    target, read = TARGETS["rules"], 0
    made = list(changes(target, "toml", 300))
    for data in made:
        try:
            target.run(data)
        except SmimeError as error:
            read += "is no TOML" not in str(error)
        else:
            read += 1
    assert read > 130
    assert len(set(made)) > 250


@pytest.mark.parametrize("name", TARGETS)
def test_what_grows_grows(name: str) -> None:
    for number in range(6):
        grown = growing(TARGETS[name], f"{name} {number}")
        small, large = (len(grown(size)) for size in (1_000, 100_000))
        assert large > small
    assert len({growing(TARGETS[name], str(number))(1_000) for number in range(9)}) > 4


# --- the watch -----------------------------------------------------------------------------


def fuzz(name: str, folder: Path, *options: str) -> tuple[int, str, list[str]]:
    """The status of a run, what it says, and the files that it leaves."""
    command = [sys.executable, "-m", "tests.fuzz.run", "--of=tests.fuzz.wrong", "--count=21"]
    done = subprocess.run(
        [*command, f"--found={folder}", *name.split(), *options],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    left = sorted(each.name for each in folder.iterdir()) if folder.exists() else []
    return done.returncode, done.stdout + done.stderr, left


SIGNS = {
    "raising": "KeyError: 'oops'",
    "panicking": "panicking 1: Traceback",
    "recursing": "RecursionError",
    "nameless": "No Code!",
    "aborting": "ended with status -6",
    "leaving": "ended with status 0",
    "hanging": "in hanging",
    "spinning": "in spinning",
    "dawdling": " s for ",
    "squaring": " s for ",
    **dict.fromkeys(("hoarding", "leaking"), "MemoryError"),
    "hiding": " MiB of memory for ",
}
"""What a run says of each: of those that end or stop the process, too."""


def test_every_way_of_being_wrong_has_its_sign() -> None:
    assert {*SIGNS, "good"} == set(wrong.TARGETS)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is bounded on Linux")
@pytest.mark.parametrize("name", SIGNS)
def test_what_breaks_the_contract_is_seen(name: str, tmp_path: Path) -> None:
    """And kept; and what comes behind it in the same run does not hide it."""
    if name == "hiding" and not forget_peak():
        pytest.skip("this system does not tell the peak of memory")
    patience = "--hang=3" if name in {"hanging", "spinning"} else "--hang=60"
    status, said, left = fuzz(f"{name} good", tmp_path, patience)
    assert status == 1, said
    assert SIGNS[name] in said
    assert left, said
    assert all(each.startswith(name) for each in left)
    assert "good: 22 messages, 0 break the contract" in said


def test_what_keeps_it_passes(tmp_path: Path) -> None:
    status, said, left = fuzz("good", tmp_path)
    assert (status, left) == (0, []), said


def test_the_larger_one_may_cost_what_its_length_accounts_for() -> None:
    assert uneven((1_000, 0.5), (4_000, 2.0)) is None
    assert uneven((1_000, 0.001), (4_000, 0.2)) is None  # a busy machine
    assert uneven((1_000, 0.5), (4_000, 8.0))


def test_what_is_seen_once_is_looked_at_again() -> None:
    """A pause of the machine is no quadratic reader; a quadratic one is so twice."""
    squaring = wrong.TARGETS["squaring"]
    assert grows(squaring, bytes)
    assert broken(squaring, bytes(1_000)) is None
    assert grows(wrong.TARGETS["good"], bytes) is None


# --- libFuzzer -----------------------------------------------------------------------------

needs_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris is not installed (extra fuzz; wheels for Linux and some versions of Python)",
)


@needs_atheris
@pytest.mark.parametrize("name", ["raising", "dawdling", "hiding", "spinning"])
def test_libfuzzer_sees_it_too(name: str, tmp_path: Path) -> None:
    corpus = str(tmp_path / "corpus")
    options = ("--", corpus, "-runs=50", "-timeout=3")
    status, said, left = fuzz(name, tmp_path / "found", "--atheris", *options)
    assert status, said
    assert [each for each in left if each.startswith(name)], said


@needs_atheris
@pytest.mark.parametrize("name", TARGETS)
def test_each_target_runs_under_libfuzzer(name: str, tmp_path: Path) -> None:
    options = ("--of=tests.fuzz.targets", "--atheris", "--", str(tmp_path / "corpus"), "-runs=3")
    status, said, _ = fuzz(name, tmp_path / "found", *options)
    assert status == 0, said
    assert "DONE" in said
