"""Messages in files of their own: named ones, those of a folder, those of a Maildir.

Knows file names. May not know what is in a file, but for the line that begins an mbox.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, NoReturn, final

from smimekit.errors import SmimeError
from smimekit.mailboxes.mailbox import Message
from smimekit.mailboxes.mbox import Mbox, MboxForm, begins_mbox, mbox_messages
from smimekit.mailboxes.opening import opened
from smimekit.span import Span

__all__ = ["Files", "Folder", "Maildir", "Piped", "is_maildir", "reading"]

_ARRIVED: Final = ("new", "cur")
_INFO: Final = (":2,", ";2,", "!2,")
"""What separates a unique name from flags; the last two where a file system has no colons."""


@contextmanager
def reading(path: Path) -> Iterator[Span]:
    """The octets of a file."""
    with opened(path) as file:
        yield Span.of_file(file)


def _stamp(found: os.stat_result) -> str:
    """Tells a file from what it is after it was written again."""
    return f"{found.st_size} {found.st_mtime_ns}"


def _message(path: Path, name: str) -> Message:
    try:
        identity = f"{name}\0{_stamp(path.stat())}"
    except OSError:  # said when it is opened
        identity = name
    return Message(identity=identity, label=str(path), open=partial(reading, path))


@final
class Files:
    """Named files, each of which holds one message."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self.name = "\n".join(f"file:{path.absolute()}" for path in self._paths)

    def total(self, marks: Mapping[str, str]) -> int:  # noqa: ARG002 - files have no order
        return len(self._paths)

    def messages(self, marks: Mapping[str, str]) -> Iterator[Message]:  # noqa: ARG002 - see above
        return (_message(path, str(path)) for path in self._paths)


@final
class Piped:
    """What came through a pipe, and cannot be read again: one message or, of a form, an mbox."""

    def __init__(self, whole: Span, *, form: MboxForm | None = None) -> None:
        self._whole = whole
        self._form = form
        self.name = "pipe:"

    def total(self, marks: Mapping[str, str]) -> int:  # noqa: ARG002 - there is no other time
        return len(self._whole) if self._form else 1

    def messages(self, marks: Mapping[str, str]) -> Iterator[Message]:  # noqa: ARG002 - see above
        if self._form is None:
            return iter((Message(identity="-", label="-", open=lambda: nullcontext(self._whole)),))
        return mbox_messages(self._whole, self._form)


@final
class Folder:
    """All files below a folder: each is one message, or an mbox, or belongs to a Maildir.

    Names that begin with a dot are left out, links to folders are not followed. A file that was
    written again is another one: name an mbox that grows by itself.
    """

    def __init__(self, path: Path, *, form: MboxForm = MboxForm.RD) -> None:
        self._path = path
        self._form = form
        self.name = f"folder:{path.absolute()}"

    def total(self, marks: Mapping[str, str]) -> int:  # noqa: ARG002 - files have no order
        return sum(1 for _ in _files(self._path, others=True))

    def messages(self, marks: Mapping[str, str]) -> Iterator[Message]:  # noqa: ARG002 - see above
        for path, is_mail in _files(self._path, others=True):
            name = str(path.relative_to(self._path))
            if is_mail:
                yield _in_maildir(path, name)
            elif _is_mbox(path):
                yield from self._mbox(path, name)
            else:
                yield _message(path, name)

    def _mbox(self, path: Path, name: str) -> Iterator[Message]:
        """Its messages, which together weigh what another file does. What of them cannot be read,
        since somebody is at work on the file, stands for one more.
        """
        identity = _message(path, name).identity
        weight = 1
        try:
            for each in Mbox(path, form=self._form).messages({}):
                whole = f"{identity}\0{each.identity}"
                yield replace(each, identity=whole, mark=None, weight=weight)
                weight = 0
        except (SmimeError, OSError) as error:
            label, rest = str(path), f"{identity}\0rest"
            yield Message(identity=rest, label=label, open=partial(_fail, error), weight=weight)


@final
class Maildir:
    """A Maildir and those below it: what is in `new` and `cur`, and nothing else.

    A message is known by the unique part of its name: it stays the same one when its flags
    change, or when it moves from `new` to `cur`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = f"maildir:{path.absolute()}"

    def total(self, marks: Mapping[str, str]) -> int:  # noqa: ARG002 - files have no order
        return sum(1 for _ in _files(self._path, others=False))

    def messages(self, marks: Mapping[str, str]) -> Iterator[Message]:  # noqa: ARG002 - see above
        for path, is_mail in _files(self._path, others=False):
            name = str(path.relative_to(self._path))
            yield _in_maildir(path, name) if is_mail else _message(path, name)


def _fail(error: Exception) -> NoReturn:
    raise error


# --- walking -------------------------------------------------------------------------------


def _files(top: Path, *, others: bool) -> Iterator[tuple[Path, bool]]:
    """Every file of a message, and whether it lies in a Maildir; `others`: not only in those.

    A folder further below that cannot be read stands for itself: who opens it learns why.
    """
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        mail = is_maildir(folder)
        try:
            found = os.scandir(folder)
        except OSError:
            if folder == top:
                raise
            yield folder, False
            continue
        with found:
            for entry in found:
                if entry.name.startswith(".") and not mail:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if not mail or entry.name not in {"tmp", *_ARRIVED}:
                        waiting.append(Path(entry.path))
                elif others and not mail and _is_file(entry):
                    yield Path(entry.path), False
        if mail:
            yield from _all_arrived(folder, top)


def _all_arrived(folder: Path, top: Path) -> Iterator[tuple[Path, bool]]:
    try:
        for path in _arrived(folder):
            yield path, True
    except OSError:
        if folder == top:
            raise
        yield folder, False


def is_maildir(folder: Path) -> bool:
    """Whether a folder has what every Maildir has; a copy may lack `tmp`."""
    return all((folder / name).is_dir() for name in _ARRIVED)


def _arrived(folder: Path) -> Iterator[Path]:
    for part in _ARRIVED:
        with os.scandir(folder / part) as found:
            for entry in found:
                if not entry.name.startswith(".") and _is_file(entry):
                    yield Path(entry.path)


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Also where nobody can tell, as of a link that leads to itself: who opens it learns why."""
    try:
        return entry.is_file()
    except OSError:
        return True


def _unique(name: str) -> str:
    """The part of a file's name that never changes."""
    for separator in _INFO:
        name = name.partition(separator)[0]
    return name


def _in_maildir(path: Path, name: str) -> Message:
    folder = str(Path(name).parent.parent)
    return Message(
        identity=f"{folder}\0{_unique(path.name)}",
        label=str(path),
        open=partial(_found_again, path),
    )


def _found_again(path: Path) -> AbstractContextManager[Span]:
    """The file or, where somebody has read or marked the message meanwhile, its new name."""
    if not path.exists():
        for other in _arrived(path.parent.parent):
            if _unique(other.name) == _unique(path.name):
                return reading(other)
    return reading(path)


def _is_mbox(path: Path) -> bool:
    with suppress(OSError), opened(path) as file:
        return begins_mbox(file.readline(1_000))
    return False
