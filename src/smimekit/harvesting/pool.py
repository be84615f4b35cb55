"""Messages examined one after the other, in this process or in several: the same results, in
the same order.

Knows processes and pipes. May not know stores or journals: what is found is written elsewhere.

Each worker has one chunk of messages at a time and is asked for its results before it gets the
next one, in turn: so the order is kept, nobody waits in a circle, and no more is in memory than
one chunk for each. A worker opens its own keys and its own store, from what makes them.
"""

import multiprocessing
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Final, final

from smimekit.errors import SmimeError, StoreError, UsageError
from smimekit.harvesting.learning import Examined, Reader, examine
from smimekit.mailboxes.mailbox import Message
from smimekit.span import Span

__all__ = ["MakeReader", "examined"]

MakeReader = Callable[[], Reader]
"""Called once in each process."""

_CHUNK: Final = 32
_CHUNK_OCTETS: Final = 1 << 20
_LARGE: Final = 1 << 20
"""A message that is longer stays in this process, which reads it from where it is."""

_Done = tuple[Message, Examined]


def examined(
    messages: Iterable[Message], make: MakeReader, *, reader: Reader, jobs: int
) -> Iterator[_Done]:
    """What each message teaches, in their order. `reader` is this process's own."""
    if jobs < 2:
        return ((each, _examine(each, reader)) for each in messages)
    return _in_processes(messages, make, reader, jobs)


def _examine(message: Message, reader: Reader) -> Examined:
    """A message that cannot be read, or be had, is a result; a store that fails is none."""
    try:
        with message.open() as span:
            return examine(span, reader, name=message.label)
    except StoreError:
        raise
    except (SmimeError, OSError) as error:
        return Examined(name=message.label, error=error)


# --- chunks --------------------------------------------------------------------------------


@final
@dataclass(slots=True)
class _Chunk:
    """Messages with their octets, or what became of those that could not be had."""

    messages: list[Message]
    contents: list[tuple[str, bytes | Examined]] = field(repr=False)
    octets: int = 0

    @property
    def full(self) -> bool:
        return len(self.messages) == _CHUNK or self.octets >= _CHUNK_OCTETS

    def add(self, message: Message, content: bytes | Examined) -> None:
        self.messages.append(message)
        self.contents.append((message.label, content))
        self.octets += len(content) if isinstance(content, bytes) else 0


def _chunks(messages: Iterable[Message]) -> Iterator[_Chunk | Message]:
    """Chunks, and between them the messages that are too long for one."""
    chunk = _Chunk([], [])
    for each in messages:
        content = _content(each)
        if content is not None:
            chunk.add(each, content)
        if chunk.messages and (chunk.full or content is None):
            yield chunk
            chunk = _Chunk([], [])
        if content is None:
            yield each
    if chunk.messages:
        yield chunk


def _content(message: Message) -> bytes | Examined | None:
    """The octets of a message; None where there are too many."""
    try:
        with message.open() as span:
            return span.bytes() if len(span) <= _LARGE else None
    except (SmimeError, OSError) as error:
        return Examined(name=message.label, error=error)


# --- workers -------------------------------------------------------------------------------


@final
class _Worker:
    """A process at the other end of a pipe."""

    def __init__(self, make: MakeReader) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, make), daemon=True)
        self._messages: list[Message] = []
        try:
            with _undisturbed():
                self._process.start()
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise UsageError(
                "Several processes cannot share these keys or this trust; use one.",
                code="usage.jobs",
            ) from error
        finally:
            theirs.close()

    def give(self, chunk: _Chunk) -> None:
        with _telling_of_death():
            self._pipe.send(chunk.contents)
        self._messages = chunk.messages

    def results(self) -> Iterator[_Done]:
        """Of the chunk that it was given last, once they are all there."""
        messages, self._messages = self._messages, []
        if messages:
            with _telling_of_death():
                found = self._pipe.recv()
            if isinstance(found, Exception):
                raise found
            yield from zip(messages, found, strict=True)

    def close(self) -> None:
        self._pipe.close()
        if self._process.pid is not None:
            self._process.terminate()
            self._process.join()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """What is started in the block is not interrupted from the keyboard: that is for us."""
    resource_tracker.ensure_running()  # which would unblock the signal again
    if not hasattr(signal, "pthread_sigmask"):  # pragma: no cover - not on POSIX
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _telling_of_death() -> Iterator[None]:
    """What the end of a worker looks like from here."""
    try:
        yield
    except (EOFError, OSError) as error:
        raise UsageError(
            "A process of this run ended by itself, perhaps for lack of memory; run it again "
            "with fewer.",
            code="usage.jobs-ended",
        ) from error


def _in_processes(
    messages: Iterable[Message], make: MakeReader, reader: Reader, jobs: int
) -> Iterator[_Done]:
    with ExitStack() as closing:
        workers: deque[_Worker] = deque()
        for _ in range(jobs):
            workers.append(_Worker(make))
            closing.callback(workers[-1].close)
        for each in _chunks(messages):
            if isinstance(each, Message):
                yield from _all_results(workers)
                yield each, _examine(each, reader)
            else:
                yield from workers[0].results()
                workers[0].give(each)
                workers.rotate(-1)  # the one that waits longest is always the first
        yield from _all_results(workers)


def _all_results(workers: Iterable[_Worker]) -> Iterator[_Done]:
    for each in workers:
        yield from each.results()


def _work(pipe: Connection, make: MakeReader) -> None:
    """A worker's life: it ends when the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be blocked
    with suppress(EOFError, OSError):
        try:
            reader = make()
            while True:
                pipe.send([_one(name, content, reader) for name, content in pipe.recv()])
        except SmimeError as error:
            pipe.send(error)


def _one(name: str, content: bytes | Examined, reader: Reader) -> Examined:
    if isinstance(content, Examined):
        return content
    try:
        return examine(Span.of(content), reader, name=name)
    except StoreError:
        raise
    except SmimeError as error:
        return Examined(name=name, error=error)
