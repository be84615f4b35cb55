"""Where mail lies: files, folders, Maildir, mbox, IMAP. Knows no MIME and no cryptography.

`smimekit.mailboxes.places.open_place` opens what is in a file system; `smimekit.mailboxes.imap`
what is on a server. Any other source is a class with the few methods of `Mailbox`.
"""

from smimekit.mailboxes.files import Files, Folder, Maildir, Piped
from smimekit.mailboxes.mailbox import Mailbox, Mark, Message, Several
from smimekit.mailboxes.mbox import Mbox, MboxForm
from smimekit.mailboxes.places import open_place

__all__ = [
    "Files",
    "Folder",
    "Mailbox",
    "Maildir",
    "Mark",
    "Mbox",
    "MboxForm",
    "Message",
    "Piped",
    "Several",
    "open_place",
]
