"""What the adapters write down of each transaction: a line in the audit file, and numbers.

Knows what the core tells when it has decided. May not know how anything was decided.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, final

from smimekit.gateway.events import CertificateSeen, Events, Objection, Scan
from smimekit.gateway.reports.audit import Entry, audit_line
from smimekit.gateway.reports.counting import count_entry
from smimekit.gateway.reports.metrics import Metrics

__all__ = ["Bookkeeper", "WithHooks", "bookkeeping"]


@final
class Bookkeeper(Events):
    """Hears every outcome. `descriptor` is that of the audit file, where there is one."""

    def __init__(self, metrics: Metrics, descriptor: int | None) -> None:
        self._metrics: Final = metrics
        self._descriptor: Final = descriptor

    def outcome(self, entry: Entry, /) -> None:
        """Raises OSError where the line cannot be written: what is not on record does not leave."""
        if self._descriptor is not None:
            line = audit_line(entry).encode()
            if _is_torn(self._descriptor):  # the rest of it would take this line with it
                line = b"\n" + line
            if os.write(self._descriptor, line) != len(line):  # one call: lines do not mix
                raise OSError("There is no room for the audit line.")
        count_entry(self._metrics, entry)


def _opened(path: Path) -> int:
    """To append to, and to read from as well, where it is a file that may be read. A pipe would
    have us as its reader then, and nobody would know that there is no other.
    """
    mode = os.O_WRONLY if path.exists() and not path.is_file() else os.O_RDWR
    flags = os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    try:
        return os.open(path, mode | flags, 0o600)
    except PermissionError:
        return os.open(path, os.O_WRONLY | flags, 0o600)


def _is_torn(descriptor: int) -> bool:
    """Does the file end within a line, which a full disk cut off, of whatever process?"""
    size = os.fstat(descriptor).st_size
    try:
        return size > 0 and os.pread(descriptor, 1, size - 1) not in {b"\n", b""}
    except OSError:  # it cannot be read, as one that is for writing only
        return False


@final
class WithHooks(Events):
    """Somebody's hooks, and the books: what a hook does not let pass is written down, too."""

    def __init__(self, hooks: Events, books: Events) -> None:
        self._hooks: Final = hooks
        self._books: Final = books

    def before_encrypt(self, scan: Scan, /) -> Objection | None:
        """The hook's."""
        return self._hooks.before_encrypt(scan)

    def after_decrypt(self, scan: Scan, /) -> Objection | None:
        """The hook's."""
        return self._hooks.after_decrypt(scan)

    def certificate_seen(self, seen: CertificateSeen, /) -> Objection | None:
        """The hook's."""
        return self._hooks.certificate_seen(seen)

    def outcome(self, entry: Entry, /) -> None:
        """First the hook: the books hold what is done."""
        self._hooks.outcome(entry)
        self._books.outcome(entry)


@contextmanager
def bookkeeping(file: str | None, metrics: Metrics) -> Iterator[Bookkeeper]:
    """A bookkeeper; the audit file is appended to, and made where there is none. OSError."""
    if file is None:
        yield Bookkeeper(metrics, None)
        return
    descriptor = _opened(Path(file))
    try:
        yield Bookkeeper(metrics, descriptor)
    finally:
        os.close(descriptor)
