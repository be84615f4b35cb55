"""What the caller wants to send, as bytes that can be read more than once.

Knows the kinds of drafts that callers have. May not know what becomes of them.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, TypeGuard

from smimekit.errors import UsageError
from smimekit.message.spool import Spool
from smimekit.policy import Policy
from smimekit.span import CHUNK, Span

__all__ = ["Draft", "draft_span"]

if TYPE_CHECKING:
    from email.message import EmailMessage

Draft: TypeAlias = "bytes | bytearray | memoryview | BinaryIO | EmailMessage | Iterable[bytes]"
"""A message before it is protected: its bytes, whole or in chunks, a binary file, or composed
with `email`.
"""


def draft_span(draft: Draft, policy: Policy, closing: ExitStack) -> Span:
    """The draft's bytes. What can be read only once waits in a spool, until `closing`.

    A file is read from where it stands, and has to stay unchanged until the message is
    written. Raises UsageError for what is no draft.
    """
    match draft:
        case bytes():
            return Span.of(draft)
        case bytearray() | memoryview():
            return Span.of(bytes(draft))
        case _ if _is_composed(draft):
            return Span.of(draft.as_bytes())
        case _ if _is_file(draft):
            if not isinstance(draft.read(0), bytes):
                raise UsageError("Open the draft in binary mode.")
            if _is_seekable(draft):
                return Span.of_file(draft)
            return _spooled(iter(lambda: draft.read(CHUNK), b""), policy, closing)
        case _ if _is_chunks(draft):
            return _spooled(draft, policy, closing)
        case _:
            raise UsageError(
                "A draft is bytes, a binary file, chunks of bytes or an EmailMessage, not "
                f"{type(draft).__name__}."
            )


def _is_composed(draft: object) -> "TypeGuard[EmailMessage]":
    from email.message import EmailMessage  # noqa: PLC0415 - slow to import, and rarely here

    return isinstance(draft, EmailMessage)


def _is_file(draft: object) -> TypeGuard[BinaryIO]:
    return hasattr(draft, "read")


def _is_chunks(draft: object) -> TypeGuard[Iterable[bytes]]:
    return isinstance(draft, Iterable) and not isinstance(draft, str)


def _is_seekable(file: BinaryIO) -> bool:
    seekable = getattr(file, "seekable", None)  # mmap lacks it before Python 3.13
    return seekable is not None and bool(seekable())


def _spooled(chunks: Iterable[bytes], policy: Policy, closing: ExitStack) -> Span:
    spool = closing.enter_context(Spool(policy.limits.spool_memory))
    for chunk in chunks:
        if not isinstance(chunk, bytes):
            raise UsageError(f"The chunks of a draft are bytes, not {type(chunk).__name__}.")
        spool.write(chunk)
    return spool.span()
