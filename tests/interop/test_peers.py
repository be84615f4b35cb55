"""The foreign programs that the interop tests speak with: each is there and starts."""

import subprocess
from collections.abc import Callable

import pytest


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
