"""asn1crypto's types are complete before two threads can meet in one of them."""

import re
import subprocess
import sys
from pathlib import Path

from asn1crypto import core

from smimekit import asn1_views
from smimekit.testing import FakeCA

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "smimekit"
CHECK = """
from asn1crypto import core
from smimekit.asn1_views import types_below
print([each.__name__ for each in types_below(core.Asn1Value) if each not in core._SETUP_CLASSES])
"""


def test_every_type_is_complete() -> None:
    """In a process where nothing else has used one; only the abstract one has nothing to do."""
    done = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "['Choice']"
    assert asn1_views.Certificate in asn1_views.types_below(core.Asn1Value)


def test_nobody_takes_a_type_from_elsewhere() -> None:
    direct = re.compile(r"^\s+from asn1crypto|^import asn1crypto|^from asn1crypto", re.MULTILINE)
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if direct.search(path.read_text(encoding="utf-8"))
    }
    for_the_type_checker = {"certificate/__init__.py", "trust/certvalidator.py"}
    assert found == {"asn1_views.py", *for_the_type_checker}


def test_no_two_threads_share_a_view() -> None:
    """asn1crypto parses a value when it is looked at, without a lock: a shared one is half there."""
    certificate = FakeCA("Example CA").certificate
    assert certificate.asn1 is not certificate.asn1
    assert certificate.asn1.dump() == certificate.der


THREADS = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from smimekit import Certificate, Purpose, Trust

sys.setswitchinterval(1e-6)
ca, *people = (Certificate(bytes.fromhex(each)) for each in sys.stdin.read().split())
trust, together = Trust(anchors=[ca]), threading.Barrier(len(people))

def judged(one):
    together.wait()
    return str(trust.judge(one, Purpose.ENCRYPT).status)

with ThreadPoolExecutor(len(people)) as threads:
    print(*set(threads.map(judged, people)))
"""


def test_judging_for_the_first_time_in_many_threads() -> None:
    """Whatever is made at first use is made once, and nobody sees it half made."""
    ca = FakeCA("Example CA")
    people = [ca.person(f"{number}@example.org").certificate for number in range(8)]
    given = "\n".join(each.der.hex() for each in (ca.certificate, *people))
    command = [sys.executable, "-c", THREADS]
    done = subprocess.run(command, input=given, capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "trusted"
