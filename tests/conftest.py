"""What all tests share: the vectors, the foreign programs, and how hard hypothesis tries.

`SMIMEKIT_CI=1` (set by `.ci/run`) makes a missing foreign program a failure; elsewhere its
tests are skipped. `SMIMEKIT_VECTORS` names the folder of vectors where it is not beside the
project. `HYPOTHESIS_PROFILE` chooses one of the profiles below.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
JARS = Path("/usr/share/java")
IN_CI = os.environ.get("SMIMEKIT_CI", "") not in {"", "0"}
PACKAGES = {
    **dict.fromkeys(("certutil", "cmsutil", "pk12util"), "libnss3-tools"),
    **dict.fromkeys(("java", "javac"), "default-jdk-headless"),
    **dict.fromkeys(("initdb", "pg_ctl"), "postgresql"),
    **dict.fromkeys(("doveadm", "dovecot"), "dovecot-imapd"),
    **dict.fromkeys(("keymgr", "knotd"), "knot"),
    "certtool": "gnutls-bin",
    "slapadd": "slapd",
    "smtp-source": "postfix",
    "softhsm2-util": "softhsm2",
    "systemd-analyze": "systemd",
}
"""The Debian packages of the programs that are not named like theirs."""

# No deadlines: a busy machine is no bug. In CI the examples follow from the test alone, so
# that a failure belongs to the commit, and can be had again.
SLOW = [HealthCheck.too_slow]
settings.register_profile("dev", deadline=None, suppress_health_check=SLOW)
settings.register_profile(
    "ci", deadline=None, suppress_health_check=SLOW, derandomize=True, print_blob=True
)
settings.register_profile("thorough", deadline=None, suppress_health_check=SLOW, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if IN_CI else "dev"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that asks for a foreign program is an interop test."""
    for item in items:
        if isinstance(item, pytest.Function) and "require_program" in item.fixturenames:
            item.add_marker(pytest.mark.interop)


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of vectors; the test is skipped where there is none."""
    folder = Path(os.environ.get("SMIMEKIT_VECTORS") or ROOT.parent / "shared" / "vectors")
    if not folder.is_dir():
        pytest.skip(f"no vectors in {folder}: set SMIMEKIT_VECTORS to their folder")
    return folder


@pytest.fixture(scope="session")
def require_program() -> Callable[[str], str]:
    """`require_program("openssl")` gives its path, or skips the test (in CI: fails it)."""
    return find_program


def find_program(name: str) -> str:
    # Servers are where not everybody looks; Debian keeps PostgreSQL's in a folder per version.
    postgresql = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    apart = os.pathsep.join(["/usr/sbin", "/sbin", *postgresql])
    found = shutil.which(name) or shutil.which(name, path=apart)
    return _missing(name, PACKAGES.get(name, name)) if found is None else found


def find_jar(name: str, package: str) -> str:
    """The path of a Java library, or as `require_program` has it."""
    path = JARS / name
    return str(path) if path.exists() else _missing(name, package)


def find_perl_module(name: str, package: str) -> None:
    """Nothing where Perl has it; or as `require_program` has it."""
    perl = find_program("perl")
    if subprocess.run([perl, f"-M{name}", "-e1"], capture_output=True, check=False).returncode:
        _missing(name, package)


def _missing(name: str, package: str) -> NoReturn:
    reason = f"{name} is not installed (Debian package {package})"
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)
