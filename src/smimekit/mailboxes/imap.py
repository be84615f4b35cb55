"""Messages on a server, through IMAP (RFC 3501). Nothing there changes: folders are opened by
EXAMINE, messages read by BODY.PEEK[].

Knows imaplib and which parts of its answers may be long. May not know where passwords are kept.
How far a folder was read is its UIDVALIDITY and the last UID (2.3.1.1): where the former is
another one, all UIDs are, and the folder is read from its beginning.
"""

import base64
import imaplib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Final, NoReturn, final

from smimekit.errors import LimitExceeded, UsageError
from smimekit.mailboxes.imap_connection import (
    SLACK,
    ImapAccount,
    Login,
    Security,
    checked,
    connected,
    lost,
    quoted,
    refused,
    told_as_lost,
)
from smimekit.mailboxes.mailbox import Mark, Message
from smimekit.span import Span

__all__ = ["Imap", "ImapAccount", "Login", "Security"]

_ATTEMPTS: Final = 4
"""Connections that may break, one after the other, without a message in between."""
_WINDOW: Final = 256
_WIDEST: Final = 1 << 16
"""UIDs that are asked about at once: most folders are dense, some have wide gaps."""
_AT_ONCE: Final = 1 << 20
"""Octets of messages that one command asks for, where one message alone is not more."""
_REFUSED: Final = 256
"""Messages that are refused one after the other: that many, and the server is out of order."""
_UIDS: Final = 1 << 32
"""UIDs have 32 bits (RFC 3501, 2.3.1.1): of a greater next one, there are no more."""
_UID: Final = re.compile(rb"\bUID (\d{1,10})\b")
_MARKED: Final = re.compile("[0-9]{1,10}")
_SIZE: Final = re.compile(rb"\bRFC822\.SIZE (\d{1,19})\b")
_LISTED: Final = re.compile(rb'\(([^)]*)\) (?:NIL|"[^"]*") (.*)', re.DOTALL)


@final
class Imap:
    """Folders of an account. Without names all that can be selected; see `Mailbox`.

    A message longer than `most` octets is not fetched: opening it is LimitExceeded
    (`limit.message`). To open one that the server refuses is a FetchError (`fetch.imap`); it has
    no mark, so that a later run asks for it again unless one behind it was had. A connection that
    breaks is made again, a few times, after `wait` seconds.
    Raises FetchError: `fetch.imap`, `fetch.imap-login`, `fetch.imap-lost`.
    """

    def __init__(
        self,
        account: ImapAccount,
        folders: Sequence[str] = ("INBOX",),
        *,
        most: int = 64 << 20,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._account = account
        self._folders = tuple(map(_wire_name, folders))
        self._most = most
        self._wait = wait
        self.name = f"{account.place}/{','.join(self._folders) or '*'}"

    def total(self, marks: Mapping[str, str]) -> int:
        """In messages; of a folder that was read in part, at most so many."""
        with told_as_lost(), self._connected() as client:
            names = self._folders or _listed(client)
            return sum(_Folder(client, each).left(marks.get(each, "")) for each in names)

    def messages(self, marks: Mapping[str, str]) -> Iterator[Message]:
        for each in self._folders or self._all():
            yield from self._all_of(each, marks.get(each, ""))

    def _all(self) -> tuple[str, ...]:
        with told_as_lost(), self._connected() as client:
            return tuple(_listed(client))

    def _connected(self) -> AbstractContextManager[imaplib.IMAP4]:
        return connected(self._account, self._most + SLACK)

    def _all_of(self, name: str, mark: str) -> Iterator[Message]:
        """One folder, whatever becomes of the connections."""
        broken, here = 0, mark
        while broken < _ATTEMPTS:
            try:
                with self._connected() as client:
                    # What breaks each time at the same place gets through one by one.
                    together = _WINDOW >> 4 * broken or 1
                    for reached, message in self._behind(client, name, here, together):
                        broken, here = 0, reached
                        yield message
            except (imaplib.IMAP4.abort, OSError) as error:
                broken += 1
                if broken == _ATTEMPTS:
                    raise lost() from error
                self._wait(2.0**broken)
            else:
                return

    def _behind(
        self, client: imaplib.IMAP4, name: str, mark: str, together: int
    ) -> Iterator[tuple[str, Message]]:
        """Each message, and from where to go on within this run."""
        folder = _Folder(client, name, together)
        refused_in_row = 0
        for uid, opener in folder.messages(folder.begin(mark), self._most):
            is_refused = opener is _withheld
            refused_in_row = refused_in_row + 1 if is_refused else 0
            if refused_in_row == _REFUSED:
                raise refused()
            here = f"{folder.validity}:{uid}"
            yield (
                here,
                Message(
                    identity=f"{name} {here}",
                    label=f"{name} {uid}",
                    open=opener,
                    mark=None if is_refused else Mark(name, here),
                ),
            )


# --- folders -------------------------------------------------------------------------------


def _number(client: imaplib.IMAP4, name: str) -> int:
    """A number that the server said when a folder was opened; 0 without it."""
    found = client.response(name)[1][-1]
    return int(found) if isinstance(found, bytes) and found.isdigit() else 0


@final
class _Folder:
    """A folder, opened for reading only."""

    def __init__(self, client: imaplib.IMAP4, name: str, together: int = _WINDOW) -> None:
        self._client = client
        self._together = together
        exists = checked(client.select(quoted(name), readonly=True))
        self.exists = int(exists[-1])
        self.validity = _number(client, "UIDVALIDITY")
        self._next = min(_number(client, "UIDNEXT") or self._last() + 1, _UIDS)

    def _last(self) -> int:
        """The greatest UID, of a server that does not say the next one."""
        if not self.exists:
            return 0
        found = _UID.search(_text(checked(self._client.uid("FETCH", "*", "(UID)"))[-1]))
        return int(found[1]) if found else 0

    def begin(self, mark: str) -> int:
        """The first UID that was not read, by the mark of an earlier time."""
        validity, _, last = mark.partition(":")
        fits = self.validity and validity == str(self.validity) and _MARKED.fullmatch(last)
        return int(last) + 1 if fits else 1

    def left(self, mark: str) -> int:
        return max(0, min(self.exists, self._next - self.begin(mark)))

    def messages(
        self, first: int, most: int
    ) -> Iterator[tuple[int, Callable[[], AbstractContextManager[Span]]]]:
        """Each message from a UID on, in the order of UIDs, and how to read it."""
        width = _WINDOW
        while self.exists and first < self._next:
            end = min(first + width, self._next)
            sizes = self._sizes(first, end - 1)
            yield from self._fetched(sizes, most)
            first = end
            crowded = len(sizes) > _WINDOW
            width = _WINDOW if crowded else min(2 * width, _WIDEST)

    def _sizes(self, first: int, last: int) -> dict[int, int]:
        """The UIDs that there are, in order, with the sizes of their messages."""
        lines = checked(self._client.uid("FETCH", f"{first}:{last}", "(UID RFC822.SIZE)"))
        found = {}
        for line in map(_text, lines):
            uid, size = _UID.search(line), _SIZE.search(line)
            if uid and size and first <= int(uid[1]) <= last:
                found[int(uid[1])] = int(size[1])
        return dict(sorted(found.items()))

    def _fetched(
        self, sizes: Mapping[int, int], most: int
    ) -> Iterator[tuple[int, Callable[[], AbstractContextManager[Span]]]]:
        for group in _groups(sizes, most, self._together):
            bodies = self._bodies([uid for uid in group if sizes[uid] <= most])
            for uid in group:
                if sizes[uid] > most:
                    yield uid, partial(_too_long, most)
                elif uid in bodies:  # else somebody has removed it meanwhile
                    body = bodies.pop(uid)
                    yield uid, _withheld if body is None else partial(_given, Span.of(body))

    def _bodies(self, uids: Sequence[int]) -> dict[int, bytes | None]:
        """Those that there still are; None for one that the server refuses.

        It may refuse what it was asked for since something of it was removed meanwhile (RFC 2180,
        4.1.3), or cannot be read.
        """
        if not uids:
            return {}
        status, answer = self._fetch(uids)
        if status == "OK":
            return _literals(answer)
        tried = [(uids[0], status, answer)]
        if len(uids) > 1:
            tried = [(uid, *self._fetch([uid])) for uid in uids]
        found: dict[int, bytes | None] = {}
        for uid, status, answer in tried:
            if not _is_gone(status, answer):
                found |= _literals(answer) if status == "OK" else {uid: None}
        return found

    def _fetch(self, uids: Sequence[int]) -> tuple[str, list[Any]]:
        numbers = ",".join(map(str, uids))
        status, answer = self._client.uid("FETCH", numbers, "(UID BODY.PEEK[])")
        return status, [each for each in answer if each is not None]


def _is_gone(status: str, answer: Sequence[Any]) -> bool:
    """Does the server refuse a message since somebody has removed it (RFC 5530, 3)?"""
    return status != "OK" and any(b"[EXPUNGEISSUED]" in _text(each) for each in answer)


def _literals(answer: Sequence[Any]) -> dict[int, bytes | None]:
    found: dict[int, bytes | None] = {}
    for each, behind in zip(answer, [*answer, b""][1:], strict=True):
        if isinstance(each, tuple):
            # The UID stands before the literal or behind it, as the server likes.
            uid = _UID.search(each[0]) or _UID.search(_text(behind))
            if uid:
                found[int(uid[1])] = each[1]
    return found


def _groups(sizes: Mapping[int, int], most: int, together: int) -> Iterator[list[int]]:
    """UIDs whose messages are fetched together."""
    group: list[int] = []
    octets = 0
    for uid, size in sizes.items():
        counted = size if size <= most else 0
        if group and (octets + counted > _AT_ONCE or len(group) == together):
            yield group
            group, octets = [], 0
        group.append(uid)
        octets += counted
    if group:
        yield group


def _given(span: Span) -> AbstractContextManager[Span]:
    return nullcontext(span)


def _withheld() -> NoReturn:
    raise refused()


def _too_long(most: int) -> NoReturn:
    raise LimitExceeded(
        f"The message is longer than {most} bytes, and was not fetched; allow more if you want it.",
        code="limit.message",
    )


def _text(line: Any) -> bytes:
    """A line of an answer, with the literals in it."""
    return b" ".join(line) if isinstance(line, tuple) else bytes(line)


def _listed(client: imaplib.IMAP4) -> Iterator[str]:
    """The names of all folders that can be opened."""
    for line in checked(client.list('""', '"*"')):
        if isinstance(line, tuple):  # the name is a literal
            flags, name = _LISTED.match(line[0]), line[1]
        else:
            flags = _LISTED.match(line)
            name = _unquoted(flags[2]) if flags else b""
        if flags and name and not {b"\\noselect", b"\\nonexistent"} & set(flags[1].lower().split()):
            yield name.decode("ascii", "surrogateescape")


def _unquoted(name: bytes) -> bytes:
    if name.startswith(b'"'):
        return re.sub(rb"\\(.)", rb"\1", name[1:-1])
    return name


def _wire_name(name: str) -> str:
    """The name of a folder in modified UTF-7 (RFC 3501, 5.1.3)."""
    if not name:
        raise UsageError("A folder has no name; give one, such as INBOX.", code="usage.imap-folder")
    pieces = re.split(r"([^\x20-\x7e]+)", name)
    return "".join(
        _base64(piece) if number % 2 else piece.replace("&", "&-")
        for number, piece in enumerate(pieces)
    )


def _base64(text: str) -> str:
    octets = text.encode("utf-16-be", "surrogatepass")
    return f"&{base64.b64encode(octets, b'+,').rstrip(b'=').decode()}-"
