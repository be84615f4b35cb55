"""The command line, `smimekit` (extra `cli`). This file starts it, and says what is missing."""

import sys
import warnings
from collections.abc import Sequence
from importlib.util import find_spec

__all__ = ["main"]

_NEEDED = ("click", "rich")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status, which `docs/reference/cli.md` explains."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f"smimekit: The command line needs {' and '.join(missing)}. "
            "Install both with: pip install 'smimekit[cli]'\n"
        )
        return 2
    if not sys.warnoptions:  # they are for programmers
        warnings.simplefilter("ignore")
    from smimekit.cli.app import run  # noqa: PLC0415 - needs the extra

    return run(arguments)
