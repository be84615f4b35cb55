"""The helpers of the tests keep what they promise: a missing peer skips here, fails in CI."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")
PEER = """
def test_peer(require_program):
    require_program("no-such-program")
"""
VECTORS = """
def test_vectors(vectors):
    assert vectors.name == "here"
"""


def run(folder: Path, source: str, *options: str, **variables: str) -> str:
    """The output of pytest over one test file beside our conftest, in a project of its own."""
    tests = folder / "project" / "tests"
    tests.mkdir(parents=True)
    (tests / "conftest.py").write_bytes(CONFTEST.read_bytes())
    (tests / "test_it.py").write_text(source)
    (folder / "project" / "pytest.ini").write_text("[pytest]\nmarkers = interop: peers\n")
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("SMIMEKIT_", "PYTEST_"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rsf", "-p", "no:cacheprovider", *options],
        cwd=folder / "project",
        env=kept | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def test_missing_program_skips_with_the_reason(tmp_path: Path) -> None:
    output = run(tmp_path, PEER)
    assert "1 skipped" in output
    assert "no-such-program is not installed" in output


def test_missing_program_fails_in_ci(tmp_path: Path) -> None:
    output = run(tmp_path, PEER, SMIMEKIT_CI="1")
    assert "1 failed" in output
    assert "no-such-program is not installed" in output


@pytest.mark.parametrize(
    ("marker", "counted"), [("interop", "1 skipped"), ("not interop", "1 deselected")]
)
def test_peer_tests_are_marked_as_interop(tmp_path: Path, marker: str, counted: str) -> None:
    assert counted in run(tmp_path, PEER, "-m", marker)


def test_vectors_come_from_the_variable(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    assert "1 passed" in run(tmp_path, VECTORS, SMIMEKIT_VECTORS=str(tmp_path / "here"))


def test_missing_vectors_skip_with_the_reason(tmp_path: Path) -> None:
    output = run(tmp_path, VECTORS)
    assert "1 skipped" in output
    assert "no vectors in" in output


def skips_itself(text: str) -> bool:
    """Does a module skip all of itself where a package is not there?"""
    if "importorskip" not in text:
        return False
    within = ast.FunctionDef | ast.ClassDef
    outside = (node for node in ast.parse(text).body if not isinstance(node, within))
    return any("importorskip" in ast.unparse(node) for node in outside)


def test_nothing_is_imported_from_tests_that_skip_themselves() -> None:
    """Where they do, the import fails, and with it the whole run: what is shared lies elsewhere."""
    root = CONFTEST.parent
    texts = {path: path.read_text("utf-8") for path in root.rglob("*.py")}
    skipping = {
        ".".join(("tests", *path.relative_to(root).with_suffix("").parts))
        for path, text in texts.items()
        if skips_itself(text)
    }
    assert "tests.gateway.test_milter" in skipping
    for path, text in texts.items():
        assert not skipping & set(re.findall(r"(?m)^from (\S+) import", text)), path
