"""The foreign programs that the interop tests speak with: each is there and starts."""

import subprocess
from collections.abc import Callable

import pytest

from tests.conftest import find_jar
from tests.interop.castle import JARS, BouncyCastle
from tests.interop.peers import Refused, folder


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["openssl", "version"], "OpenSSL 3"),
        (["gpgsm", "--version"], "gpgsm (GnuPG)"),
        (["certutil", "-H"], "certificate"),
        (["cmsutil"], "cmsutil"),
        (["slapd", "-VV"], "OpenLDAP"),
        (["knotd", "--version"], "Knot DNS"),
        (["unbound", "-V"], "Version"),
    ],
    ids=["openssl", "gpgsm", "certutil", "cmsutil", "slapd", "knotd", "unbound"],
)
def test_peer_starts(require_program: Callable[[str], str], command: list[str], says: str) -> None:
    program = require_program(command[0])
    done = subprocess.run(
        [program, *command[1:]], capture_output=True, text=True, check=False, timeout=60
    )
    assert says in done.stdout + done.stderr


def test_bouncycastle_starts(bouncycastle: BouncyCastle) -> None:
    assert bouncycastle.version().startswith("1.")
    with pytest.raises(Refused, match="unknown verb sing"):
        bouncycastle.ask("sing")


def test_bouncycastle_ends_with_its_input(require_program: Callable[[str], str]) -> None:
    jars = [find_jar(name, "libbcmail-java") for name in JARS]
    programs = require_program("java"), require_program("javac")
    with folder() as home, BouncyCastle.start(*programs, jars, home) as peer:
        assert peer.version()
    assert peer.process.returncode == 0
