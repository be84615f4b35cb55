"""The unit for systemd that is offered, and that the gateway keeps what it promises.

Knows /proc, and the check of systemd's own. systemd itself does not run here.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.conftest import ROOT
from tests.interop.gateway.mail_system import Setup, mail_system

UNIT = ROOT / "examples" / "gateway" / "smimekit-gateway.service"
ALICE, BOB = "alice@inside.example", "bob@partner.example"


def asked(analyze: str, unit: Path, *words: str) -> str:
    done = subprocess.run(
        [analyze, *words, str(unit)], capture_output=True, text=True, check=False, timeout=60
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def test_systemd_understands_it_and_calls_it_safe(
    require_program: Callable[[str], str], tmp_path: Path
) -> None:
    """An exposure of 2 at the most, of 10; by systemd 252 it is 1.5. What is left is what a gateway
    does, such as to talk to others.
    """
    analyze = require_program("systemd-analyze")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/smimekit/bin/smimekit", "/bin/true"))
    assert asked(analyze, unit, "verify") == ""
    asked(analyze, unit, "security", "--offline=true", "--no-pager", "--threshold=20")


def test_no_memory_is_written_and_executed(postfix: str, keys: dict[str, bytes]) -> None:
    """MemoryDenyWriteExecute: systemd would end who asks for such memory."""
    with mail_system(postfix, Setup(keys=keys, workers="processes = 1")) as mail:
        for send, sender, to in ((mail.receive, BOB, ALICE), (mail.submit, ALICE, BOB)):
            send(sender, [to], f"From: {sender}\r\nTo: {to}\r\nSubject: Hi\r\n\r\nHi\r\n".encode())
        mail.arrived(2)
        assert mail.gateway.process is not None
        first = mail.gateway.process.pid
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        assert children
        for pid in (first, *children):
            maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
            assert any("x" in line.split()[1] for line in maps)
            assert [line for line in maps if {"w", "x"} <= set(line.split()[1])] == []
