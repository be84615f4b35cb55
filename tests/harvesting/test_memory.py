"""A mailbox of any number of messages in bounded memory: the journal's table, and little else.

The run is a process of its own, whose peak of resident memory is taken on the way (VmHWM, in
KiB: Linux): what 90 000 further messages add has to be small.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import smimekit

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the peak of memory is read from /proc"
)

PROGRAM = """
import json, sys
from contextlib import nullcontext
from pathlib import Path
from smimekit import MemoryTrustStore, Trust
from smimekit.harvesting import Journal, Reader, harvest_mailbox
from smimekit.mailboxes import Message
from smimekit.span import Span

class Many:
    name = "many"
    def total(self, marks):
        return 100_000
    def messages(self, marks):
        for number in range(100_000):
            mail = b"From: a@example.org\\nMessage-ID: <%d@example.org>\\n\\nx\\n" % number
            name = f"cur/{1_700_000_000 + number}.M{number}P1.host.example.org"
            yield Message(identity=name, label=name, open=lambda mail=mail: nullcontext(Span.of(mail)))

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

def run():
    with Journal(Path(sys.argv[1]), source="many", store="memory") as journal:
        reports = harvest_mailbox(
            MemoryTrustStore(), Many(), reader=lambda: Reader(trust=Trust()), journal=journal
        )
        for number, _ in enumerate(reports, start=1):
            if number == 10_000:
                early = peak()
        return number, early

number, early = run()
late = peak()
with Journal(Path(sys.argv[1]), source="many", store="memory") as journal:
    known = len(journal)
print(json.dumps({"messages": number, "early": early, "late": late, "known": known}))
"""


def test_a_hundred_thousand_messages_take_no_more_than_ten_thousand(tmp_path: Path) -> None:
    """The table doubles on the way, to 2 MiB: 3 MiB while it does."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, str(tmp_path / "journal")],
        env={"PYTHONPATH": str(Path(smimekit.__file__).parent.parent)},
        capture_output=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)
    assert (found["messages"], found["known"]) == (100_000, 100_000)
    assert found["late"] - found["early"] < 8 << 10
