"""A source of messages from its path. Knows how the kinds look from outside."""

from pathlib import Path

from smimekit.mailboxes.files import Files, Folder, Maildir, is_maildir
from smimekit.mailboxes.mailbox import Mailbox
from smimekit.mailboxes.mbox import Mbox, MboxForm, begins_mbox
from smimekit.mailboxes.opening import opened

__all__ = ["open_place"]


def open_place(path: Path, *, form: MboxForm | None = None) -> Mailbox:
    """A Maildir, a folder, an mbox or a file with one message, whichever is there.

    A file is an mbox if it begins like one, or where `form` says of which form it is. One that
    is not there is a file: whoever reads it is told so.
    """
    if path.is_dir():
        return Maildir(path) if is_maildir(path) else Folder(path, form=form or MboxForm.RD)
    if path.is_file() and (form is not None or _looks_like_mbox(path)):
        return Mbox(path, form=form or MboxForm.RD)
    return Files([path])


def _looks_like_mbox(path: Path) -> bool:
    try:
        with opened(path) as file:
            return begins_mbox(file.readline(1_000))
    except OSError:
        return False
