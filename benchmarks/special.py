"""The two rows without keys: cutting a multipart into its parts, and being imported."""

import statistics
import subprocess
import sys
from email.parser import BytesParser
from typing import Final

from benchmarks.contenders import LIMIT, OURS
from benchmarks.material import scanned
from benchmarks.operations import Action, Sizes
from smimekit import Limits
from smimekit.mime.content_type import content_type
from smimekit.mime.scanner import boundary_of, read_entity, split
from smimekit.span import Span

__all__ = ["RUNS", "STDLIB", "import_times", "scanning"]

STDLIB: Final = "email (stdlib)"
RUNS = 7
_STATEMENTS: Final = {
    OURS.name: "import smimekit",
    "all its public names": "import smimekit\nfor n in smimekit.__all__: getattr(smimekit, n)",
    "cryptography.x509": "import cryptography.x509",
}


def scanning(sizes: Sizes) -> dict[str, Action]:
    """Cut by smimekit and by `email`; the limit is one search through the same octets."""
    mail, parts = scanned(sizes.scanned)

    def limit() -> None:
        assert mail.find(b"\n--=_absent") < 0

    def ours() -> None:
        limits = Limits()
        entity = read_entity(Span.of(mail), limits=limits)
        boundary = boundary_of(content_type(entity.header))
        found = split(entity.body, boundary, limits=limits)
        assert found.closed
        assert len(found.parts) == parts

    def stdlib() -> None:
        assert len(BytesParser().parsebytes(mail).get_payload()) == parts

    return {LIMIT.name: limit, OURS.name: ours, STDLIB: stdlib}


def import_times() -> dict[str, float]:
    """Processor time in seconds, of a new Python each time."""
    times: dict[str, list[float]] = {name: [] for name in _STATEMENTS}
    for _ in range(RUNS):
        for name, statement in _STATEMENTS.items():
            times[name].append(_import_time(statement))
    return {name: statistics.median(each) for name, each in times.items()}


def _import_time(statement: str) -> float:
    code = f"import time\nt = time.process_time()\n{statement}\nprint(time.process_time() - t)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    return float(done.stdout)
