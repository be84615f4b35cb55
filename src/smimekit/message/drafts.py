"""What the caller wants to send, as bytes that can be read more than once.

Knows the kinds of drafts that callers have. May not know what becomes of them.
"""

from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, TypeGuard

from smimekit.errors import UsageError
from smimekit.message.source import new_spool, span_of
from smimekit.policy import Policy
from smimekit.span import Span

__all__ = ["Draft", "closed_after", "draft_span", "drafted"]

if TYPE_CHECKING:
    from email.message import EmailMessage

Draft: TypeAlias = (
    "bytes | bytearray | memoryview | BinaryIO | Span | EmailMessage | Iterable[bytes]"
)
"""A message before it is protected: its bytes, whole or in chunks, a binary file or a span of
one, or composed with `email`.
"""


def drafted(draft: Draft, policy: Policy) -> AbstractContextManager[bytes | Span]:
    """The draft's bytes. What can be read only once waits in a spool, as long as they are in use.

    A file is read from where it stands, and has to stay unchanged until the message is
    written. Raises UsageError, when it is entered, for what is no draft.
    """
    return nullcontext(draft) if isinstance(draft, bytes) else _read(draft, policy)


def draft_span(draft: Draft, policy: Policy, closing: ExitStack) -> Span:
    """The same as a span, in use until `closing`."""
    whole = closing.enter_context(drafted(draft, policy))
    return Span.of(whole) if isinstance(whole, bytes) else whole


@contextmanager
def _read(draft: Draft, policy: Policy) -> Iterator[bytes | Span]:
    with ExitStack() as closing:
        yield _whole(draft, policy, closing)


def _whole(draft: Draft, policy: Policy, closing: ExitStack) -> bytes | Span:
    if not _has_parts(draft):
        return span_of(draft, policy, closing)
    # Slow to import, and rarely here.
    from email.message import EmailMessage, Message  # noqa: PLC0415

    match draft:
        case EmailMessage():
            return _octets(draft)
        case Message():
            raise UsageError(
                "Compose drafts as email.message.EmailMessage, or give the bytes: the older "
                "classes of Python's email package may write other bytes than they read."
            )
        case _:
            return _spooled(draft, policy, closing)


def _has_parts(draft: object) -> TypeGuard[Iterable[bytes]]:
    """Is it neither bytes nor a file, nor text?"""
    whole = isinstance(draft, bytes | bytearray | memoryview | str) or hasattr(draft, "read")
    return isinstance(draft, Iterable) and not whole


def _octets(draft: "EmailMessage") -> bytes:
    try:
        return draft.as_bytes()
    except (UnicodeError, LookupError):
        raise UsageError(
            "The draft holds text that its charset cannot express; set its text again, with "
            "set_content()."
        ) from None


def _spooled(chunks: Iterable[bytes], policy: Policy, closing: ExitStack) -> Span:
    spool = closing.enter_context(new_spool(policy))
    for chunk in chunks:
        if not isinstance(chunk, bytes):
            raise UsageError(f"The chunks of a draft are bytes, not {type(chunk).__name__}.")
        spool.write(chunk)
    return spool.span()


def closed_after(chunks: Iterator[bytes], closing: ExitStack) -> Generator[bytes, None, None]:
    """`chunks`, and then what was opened for them is closed, wherever they end."""

    def running() -> Generator[bytes, None, None]:
        with closing:
            yield b""
            yield from chunks

    started = running()
    next(started)  # one that never started would not close anything
    return started
