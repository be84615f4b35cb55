"""One message by a pipe: for mail servers that run a program for each mail (Postfix' pipe(8)).

Knows exit statuses (sysexits.h) and line ends of Unix files. May not know command lines. The
statuses mean something to mail servers: 0 is done, 75 is to try again, all others bounce.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from io import RawIOBase
from pathlib import Path
from typing import BinaryIO, Final, final

from smimekit.gateway.adapters.in_place import KEPT, handle_in_place
from smimekit.gateway.envelope import Envelope
from smimekit.gateway.handover.answers import Reply
from smimekit.gateway.handover.transaction import Desk, answered
from smimekit.gateway.outcomes import Mail
from smimekit.message.spool import Spool
from smimekit.mime.canonical import to_crlf
from smimekit.span import CHUNK, Span

__all__ = ["Arrived", "Sysexit", "arrived", "exit_status", "pass_on"]


class Sysexit(IntEnum):
    """What sysexits.h calls the statuses that mail servers understand."""

    OK = 0
    DATAERR = 65
    NOUSER = 67
    UNAVAILABLE = 69
    TEMPFAIL = 75
    NOPERM = 77


_BY_CLASS: Final = {
    "1": Sysexit.NOUSER,  # addressing (RFC 3463, 3.2)
    "6": Sysexit.DATAERR,  # content
    "7": Sysexit.NOPERM,  # security and policy
}


def exit_status(reply: Reply) -> Sysexit:
    """The status for a reply."""
    if reply.done:
        return Sysexit.OK
    if reply.deferred:
        return Sysexit.TEMPFAIL
    return _BY_CLASS.get(reply.enhanced.split(".")[1], Sysexit.UNAVAILABLE)


@final
class Arrived:
    """A message that was read to its end, with CRLF; `key` is its name in the journal."""

    def __init__(self, message: Span, key: str, *, unix: bool) -> None:
        self.message: Final = message
        self.key: Final = key
        self.unix: Final = unix
        """Whether its lines ended with LF."""


@contextmanager
def arrived(
    source: BinaryIO, envelope: Envelope, folder: Path, *, encrypted: bool
) -> Iterator[Arrived]:
    """Read a message; what of it does not stay in memory lies in `folder`. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    seed = repr((envelope.mail_from, envelope.user, envelope.client.ident))
    digest = hashlib.sha256(seed.encode("utf-8", "replace"))
    first = source.readline(CHUNK)
    with Spool(CHUNK, encrypted=encrypted, folder=folder) as spool:
        for chunk in to_crlf(_chunks(first, source)):
            digest.update(chunk)
            spool.write(chunk)
        unix = not first.endswith(b"\r\n")
        yield Arrived(spool.span(), digest.hexdigest(), unix=unix)


def _chunks(first: bytes, source: BinaryIO) -> Iterator[bytes]:
    yield first
    while chunk := source.read(CHUNK):
        yield chunk


def pass_on(desk: Desk, envelope: Envelope, came: Arrived, out: RawIOBase | None) -> Reply:
    """Deal with a message: one answer, and with `out` the message there, where it is KEPT.

    With `out`, nothing is handed to the next hop: GatewayError (`gateway.several-outcomes`)
    where it would have to be. Raises what the processor raises, and OSError.
    """
    message = came.message

    def take(mail: Mail) -> bool:
        if out is None:
            return False
        _write(out, mail.message, unix=came.unix)
        return True

    reply = handle_in_place(desk, envelope, message, key=came.key, take=take, split=out is None)
    if not reply.deferred:
        replies = [reply] * len(envelope.recipients)
        desk.journal.forget(came.key, answered(envelope, replies))
    return Reply(250, "2.0.0", KEPT.text) if reply == KEPT else reply


def _write(out: RawIOBase, message: Span, *, unix: bool) -> None:
    """With the line ends that it came with."""
    held = b""
    for chunk in message.chunks():
        data = held + chunk
        held = b"\r" if unix and data.endswith(b"\r") else b""
        data = data.removesuffix(held)
        _write_all(out, data.replace(b"\r\n", b"\n") if unix else data)
    _write_all(out, held)


def _write_all(out: RawIOBase, data: bytes) -> None:
    """Whatever part of it a pipe takes at a time."""
    while data:
        data = data[out.write(data) or 0 :]
