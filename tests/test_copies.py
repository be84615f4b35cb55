"""Mail that has to lie in a file for a while: nobody else can read it, and nothing of it stays.

Mailboxes and standard input are copied as they are, so what was plain in them is plain there.
"""

import io
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from smimekit.cli.gateway import _seekable
from smimekit.cli.places import _copied
from smimekit.mailboxes import mbox
from smimekit.message.spool import Spool
from smimekit.span import Span

MARKER = b"XyzzyPlaintextMarker"
MAIL = b"Subject: a\n\n>From the\n" + MARKER + b"\n"


class Copies:
    """Watches the files that are made, and the folder that they are made in."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.made: list[Any] = []
        real = tempfile.TemporaryFile

        def remembered(*arguments: Any, **options: Any) -> Any:
            self.made.append(real(*arguments, **options))
            return self.made[-1]

        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        for module in ("tempfile", "smimekit.cli.gateway"):
            monkeypatch.setattr(f"{module}.TemporaryFile", remembered)

    def check_while_open(self) -> None:
        """For their owner alone, with no name; so a crash leaves nothing, either."""
        [file] = self.made
        found = os.fstat(file.fileno())
        assert stat.S_IMODE(found.st_mode) == 0o600
        assert found.st_nlink == 0
        assert found.st_uid == os.getuid()
        assert MARKER in os.pread(file.fileno(), 1 << 20, 0)
        assert list(self.folder.iterdir()) == []

    def check_afterwards(self) -> None:
        [file] = self.made
        assert file.closed
        assert list(self.folder.iterdir()) == []


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Copies]:
    before = os.umask(0)  # what is private has to be so of itself
    yield Copies(tmp_path, monkeypatch)
    os.umask(before)


class Piped(io.TextIOWrapper):
    """As standard input."""


def unquoted(monkeypatch: pytest.MonkeyPatch) -> AbstractContextManager[object]:
    monkeypatch.setattr(mbox, "_IN_MEMORY", 10)
    [message] = mbox.mbox_messages(
        Span.of(b"From a@b Mon Jan  1 00:00:00 2024\n" + MAIL), mbox.MboxForm.RD
    )
    return message.open()


def piped(
    open_it: Callable[[], AbstractContextManager[object]], monkeypatch: pytest.MonkeyPatch
) -> AbstractContextManager[object]:
    monkeypatch.setattr("sys.stdin", Piped(io.BytesIO(MAIL)))
    return open_it()


def spooled(_: pytest.MonkeyPatch) -> AbstractContextManager[object]:
    spool = Spool(4)
    spool.write(MAIL)
    assert b"".join(spool.chunks()) == MAIL  # and is on the disk then
    return spool


COPIES: dict[str, Callable[[pytest.MonkeyPatch], AbstractContextManager[object]]] = {
    "a long message of an mbox": unquoted,
    "a mailbox that comes through a pipe": partial(piped, _copied),
    "a mail for gateway test": partial(piped, partial(_seekable, "-")),
    "plaintext that waits": spooled,
}


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_private_and_goes(
    name: str, copies: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    with COPIES[name](monkeypatch):
        copies.check_while_open()
    copies.check_afterwards()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("name", COPIES)
def test_a_copy_goes_where_reading_it_fails(
    name: str, copies: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyError), COPIES[name](monkeypatch):
        raise KeyError
    copies.check_afterwards()
