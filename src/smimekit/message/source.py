"""What a message can be read from: bytes, or a binary file.

Knows what people hand in, and what they must not. May not know what is in it.
"""

import io
from contextlib import ExitStack
from typing import Any, BinaryIO, Final

from smimekit.errors import UsageError
from smimekit.message.spool import Spool
from smimekit.policy import Policy
from smimekit.span import CHUNK, Span

__all__ = ["Source", "new_spool", "span_of"]

Source = bytes | bytearray | memoryview | BinaryIO | Span
"""What a message can be read from."""

_PARSED: Final = (
    "A parsed message cannot be verified: Python's email package does not keep every byte "
    "that was signed. Give the bytes as they arrived, or the binary file."
)
_TEXT: Final = "Open the file in binary mode: text loses bytes that were, or are to be, signed."


def span_of(source: Any, policy: Policy, closing: ExitStack) -> Span:
    """The source, to be read from as often as it takes; UsageError where it is none.

    What can be read only once goes into a spool, which `closing` will close.
    """
    match source:
        case bytes():
            return Span.of(source)
        case bytearray() | memoryview():
            return Span.of(bytes(source))
        case Span():
            return source
        case Spool():  # handed over, full: it goes with the message
            return closing.enter_context(source).span()
        case _ if _is_parsed(source):
            raise UsageError(_PARSED, code="usage.parsed-message")
        case io.TextIOBase():
            raise UsageError(_TEXT)
        case _ if hasattr(source, "read"):
            if getattr(source, "closed", False):
                raise UsageError("The file is closed; hand it over while it is open.")
            return _file_span(source, policy, closing)
        case _:
            raise UsageError(
                f"A message is read from bytes or from a binary file, not from "
                f"{type(source).__name__}."
            )


def _is_parsed(source: object) -> bool:
    from email.message import Message  # noqa: PLC0415 - slow to import, and rarely here

    return isinstance(source, Message)


def _file_span(file: BinaryIO, policy: Policy, closing: ExitStack) -> Span:
    if not isinstance(file.read(0), bytes):  # a wrapper of a text file, or a decoder
        raise UsageError(_TEXT)
    seekable = getattr(file, "seekable", None)  # mmap lacks it before Python 3.13
    if seekable is not None and seekable():
        return Span.of_file(file)
    spool = closing.enter_context(new_spool(policy))
    while chunk := file.read(CHUNK):
        spool.write(chunk)
    if chunk is None:  # a file that does not block: there may be more
        raise UsageError("The file has nothing to read at present; hand over one that waits.")
    return spool.span()


def new_spool(policy: Policy) -> Spool:
    """An empty spool, as the policy's limits want it."""
    limits = policy.limits
    return Spool(limits.spool_memory, encrypted=limits.spool_encrypted)
