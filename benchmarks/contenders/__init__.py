"""Who is measured: smimekit, each peer, and the limit, which is what no library can beat.

A contender is a module with `operations(folder)`: for each operation that it can do, by name, what
makes an action out of the material in the folder. An action takes nothing and does the operation
once, whole: from the octets of a mail, or of a draft, to the result. `LACKS` says of the others
why it cannot do them.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

from benchmarks.operations import Action, Makers

__all__ = ["CONTENDERS", "LIMIT", "OURS", "Contender"]


_NO_DIFFERENCE: Final = "it keeps nothing between messages: as above"
"""Of the one operation that only those have who do: to verify what was never seen before."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One of them, which is imported when it is asked for: it may not be installed."""

    name: str
    module: str
    program: bool = False
    """Is it a process of its own, for each operation?"""

    def action(self, operation: str, folder: Path) -> Action:
        """The operation on this material; LookupError where it has none."""
        found = import_module(f"benchmarks.contenders.{self.module}")
        lacks: dict[str, str] = found.LACKS
        makers: Makers = found.operations(folder)
        if operation not in makers:
            raise LookupError(lacks.get(operation, _NO_DIFFERENCE))
        return makers[operation]()


LIMIT: Final = Contender("limit", "limit")
OURS: Final = Contender("smimekit", "ours")
CONTENDERS: Final = {
    each.name: each
    for each in (
        LIMIT,
        OURS,
        Contender("cryptography", "pyca"),
        Contender("M2Crypto", "m2crypto"),
        Contender("rsmime", "rsmime_"),
        Contender("endesive", "endesive_"),
        Contender("openssl cms", "openssl", program=True),
        Contender("cmsutil", "cmsutil", program=True),
    )
}
