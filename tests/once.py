"""What is expensive and the same for many tests, made once: also where tests run in several
processes (pytest-xdist), each of which would make it for itself.

Knows that the processes of a run have folders beside one another. May not know what is made.
"""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["once"]


def once(folder: Path, name: str, make: Callable[[], str]) -> str:
    """What `make` gives; `folder` is that of the session (`tmp_path_factory.getbasetemp()`)."""
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    kept = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            made = shared / f"{name}.made"
            made.write_text(make(), encoding="utf-8")
            made.rename(kept)
    return kept.read_text(encoding="utf-8")
