"""The project's chores. Each session installs what it needs with pip.

`tests` runs on each Python at hand and skips the others, saying so. `SMIMEKIT_CI=1` makes a
missing foreign program a failure; see `tests/conftest.py`.
"""

import os
from pathlib import Path

import nox

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PROJECT = nox.project.load_toml("pyproject.toml")

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "virtualenv"
# nox would fail where CI is set; `.ci/run` tests with the Python that the machine has.
nox.options.error_on_missing_interpreters = False


def wake_pyenv() -> None:
    """Let pyenv's `python3.12` start: it refuses all but the selected versions."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [path.name for version in PYTHONS for path in root.glob(f"versions/{version}.*")]
    if found:
        os.environ.setdefault("PYENV_VERSION", ":".join(found))


wake_pyenv()


def group(name: str) -> list[str]:
    """The requirements of one dependency group."""
    return list(nox.project.dependency_groups(PROJECT, name))


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests; arguments go to pytest."""
    session.install("-q", ".[test]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(python=("3.13t", "3.14t"))
def threads(session: nox.Session) -> None:
    """The tests of threads on a Python without its lock; skipped where there is none."""
    session.install("-q", ".", "pytest", "hypothesis")  # the latter for tests/conftest.py
    files = ["tests/test_threads.py", "tests/test_frozen.py"]
    session.run("python", "-X", "gil=0", "-m", "pytest", *files, *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure smimekit beside its peers, and write docs/reference/performance.md.

    `nox -s bench -- --scale` draws how cost grows, and with `--force-python 3.14t` how threads
    share the work without the interpreter's lock. A peer that cannot be installed is shown with
    what it said.
    """
    session.install("-q", ".[sql]")
    for peer in group("peers"):
        session.run("python", "-m", "pip", "install", "-q", peer, success_codes=[0, 1])
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """ruff: the rules and the format."""
    session.install("-q", *group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict."""
    session.install("-q", ".[test]", *group("types"))
    session.run("mypy", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The examples of the README, the pages and `examples/`, and the pages made from the source."""
    session.install("-q", ".[test]")
    session.run("python", "docs/generate.py", "--check")
    pages = ("tests/test_docs.py", "tests/test_examples.py")
    session.run("python", "-m", "pytest", *pages, *session.posargs)


@nox.session
def interop(session: nox.Session) -> None:
    """The tests against foreign programs."""
    session.install("-q", ".[test]")
    session.run("python", "-m", "pytest", "-m", "interop", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Changed input, the same each time; `-- --count 300` is short, `-- --atheris open` endless.

    Behind a second `--` stand libFuzzer's own options, such as `-max_total_time=3600`. How a long
    run is made stands in `tests/fuzz/README.md`.
    """
    extras = ".[test,fuzz]" if "--atheris" in session.posargs else ".[test]"
    session.install("-q", extras)
    session.run("python", "-m", "tests.fuzz.run", *session.posargs)


@nox.session
def verdicts(session: nox.Session) -> None:
    """Our verdict beside those of others on many changed messages: `-- 2000 [SEED]`.

    One message of a seed again: `SMIMEKIT_VERDICTS_ONLY=17 nox -s verdicts -- 1 SEED`.
    """
    session.install("-q", ".[test]")
    given = dict(
        zip(("SMIMEKIT_VERDICTS", "SMIMEKIT_VERDICTS_SEED"), session.posargs, strict=False)
    )
    environment = {"SMIMEKIT_VERDICTS": "2000", **given}
    session.run("python", "-m", "pytest", "tests/interop/verdicts", env=environment)
