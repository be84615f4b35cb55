"""The verbs, awaited: each runs in a thread, and the event loop goes on.

Knows threads and cancellation. May not know what a verb does. There is no pool of its own:
without another word the verbs run in the event loop's default executor, which has at most
min(32, cores + 4) threads and is closed with the loop; `Verbs` takes any other. `harvest` and
the facts of an `Opened` are at hand at once: nothing needs to be awaited for them.
"""

import threading
from asyncio import get_running_loop
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
)
from concurrent.futures import Executor
from contextlib import ExitStack, asynccontextmanager, contextmanager
from contextvars import copy_context
from datetime import datetime
from functools import partial, wraps
from typing import (
    Any,
    Concatenate,
    Final,
    Generic,
    ParamSpec,
    Protocol,
    TypeAlias,
    TypeVar,
    final,
)

from smimekit import files
from smimekit.errors import UsageError
from smimekit.keys import Decryptor
from smimekit.message import receive, send, verbs
from smimekit.message.drafts import Draft
from smimekit.message.opened import Opened, Payload
from smimekit.message.source import Source, new_spool
from smimekit.message.spool import Spool
from smimekit.policy import Policy
from smimekit.span import Span
from smimekit.trust import Trust

__all__ = [
    "Verbs",
    "decrypt",
    "decrypt_file",
    "encrypt",
    "encrypt_file",
    "encrypt_stream",
    "open",
    "sign",
    "sign_file",
    "sign_stream",
    "verify",
    "verify_file",
]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_BATCH = 1 << 18
"""Bytes of a stream for which a thread is asked once: asking costs as much as encrypting 50 KB."""


@final
class Verbs:
    """The verbs, in the threads of an executor, which is the caller's to make and to close.

    Each has the parameters and raises the errors of the verb that it is named for.
    `open`, `verify` and `decrypt` take source and `content` as `AsyncIterable[bytes]`, too.
    `sign_stream` and `encrypt_stream` are those of `smimekit.stream`: they take a draft as
    `AsyncIterable[bytes]`, too, and give an async generator. `sign_file`, `encrypt_file`,
    `verify_file` and `decrypt_file` are those of `smimekit.files`: the first two are streams,
    the others take what `verify` and `decrypt` take.

    Cancelling is safe: nobody gets half a result; an `Opened` that nobody waits for any more
    is closed; and a verb that reads a file stops at its next read. Until then the file is in
    use: close it, or leave it alone. What was written of a stream neither verifies nor decrypts.
    """

    def __init__(self, executor: Executor | None = None) -> None:
        self.sign: Final = _awaited(send.sign, executor)
        self.encrypt: Final = _awaited(send.encrypt, executor)
        self.open: Final[_Open] = _reading(receive.open_message, executor)
        self.verify: Final[_Verify] = _reading(verbs.verify, executor)
        self.decrypt: Final[_Decrypt] = _reading(verbs.decrypt, executor)
        self.sign_stream: Final = _streamed(send.sign_stream, executor)
        self.encrypt_stream: Final = _streamed(send.encrypt_stream, executor)
        self.sign_file: Final = _streamed(files.sign, executor)
        self.encrypt_file: Final = _streamed(files.encrypt, executor)
        self.verify_file: Final[_VerifyFile] = _reading(files.verify, executor)
        self.decrypt_file: Final[_Decrypt] = _reading(files.decrypt, executor)


# --- one verb ------------------------------------------------------------------------------


class _Abandoned(Exception):
    """Nobody waits for the verb any more."""


@final
class _Job(Generic[_T]):
    """Work in a thread, whose result is forgotten where nobody waits for it any more."""

    def __init__(self, work: "partial[_T]", forget: Callable[[_T | None], object]) -> None:
        self._work = _watched(work, self)
        self._forget = forget
        self._lock = threading.Lock()
        self._running = False
        self._results: list[_T] = []
        self.abandoned = False

    def __call__(self) -> None:
        """In the thread: do the work."""
        with self._lock:
            if self.abandoned:
                return
            self._running = True
        result = self._work()  # what raises has closed what it opened
        with self._lock:
            self._running = False
            if not self.abandoned:
                self._results.append(result)
                return
        self._forget(result)

    @property
    def result(self) -> _T:
        """What came out, when it is done."""
        return self._results[0]

    def abandon(self) -> None:
        """In the event loop: nobody waits. What still runs forgets its result by itself."""
        with self._lock:
            self.abandoned = True
            if self._running:
                return
        self._forget(self._results[0] if self._results else None)


@final
class _Watched:
    """A file that can be read as long as somebody waits for it."""

    def __init__(self, file: Any, job: _Job[Any]) -> None:
        self._file = file
        self._job = job

    def read(self, size: int = -1) -> Any:
        if self._job.abandoned:
            raise _Abandoned
        return self._file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _watched(work: "partial[_T]", job: _Job[_T]) -> "partial[_T]":
    """The work, on files that it stops to read when it is abandoned."""

    def watch(value: Any) -> Any:
        is_file = hasattr(value, "read") and not isinstance(value, Span | Spool)
        return _Watched(value, job) if is_file else value

    options = {name: watch(value) for name, value in work.keywords.items()}
    return partial(work.func, *map(watch, work.args), **options)


async def _run(
    executor: Executor | None, work: "partial[_T]", forget: Callable[[_T | None], object]
) -> _T:
    """The result of the work; `forget` is called once where nobody gets it."""
    job = _Job(work, forget)
    try:
        await get_running_loop().run_in_executor(executor, copy_context().run, job)
    except BaseException:
        job.abandon()
        raise
    return job.result


def _close(result: object) -> None:
    if isinstance(result, Opened | Payload | Generator):
        result.close()


def _awaited(
    verb: Callable[_P, _T], executor: Executor | None
) -> Callable[_P, Coroutine[Any, Any, _T]]:
    @wraps(verb)
    async def awaited(*args: _P.args, **options: _P.kwargs) -> _T:
        return await _run(executor, partial(verb, *args, **options), _close)

    return awaited


# --- what is read comes by and by ----------------------------------------------------------


_Readable: TypeAlias = Source | AsyncIterable[bytes]


class _Open(Protocol):
    def __call__(
        self,
        source: _Readable,
        *,
        keys: Iterable[Decryptor] = (),
        trust: Trust,
        expect: str | None = None,
        at: datetime | None = None,
        content: _Readable | None = None,
        policy: Policy = Policy.INTEROP,
    ) -> Coroutine[Any, Any, Opened]: ...


class _Verify(Protocol):
    def __call__(
        self,
        source: _Readable,
        trust: Trust,
        *,
        keys: Iterable[Decryptor] = (),
        expect: str | None = None,
        at: datetime | None = None,
        content: _Readable | None = None,
        policy: Policy = Policy.INTEROP,
    ) -> Coroutine[Any, Any, Payload]: ...


class _VerifyFile(Protocol):
    def __call__(
        self,
        source: _Readable,
        trust: Trust,
        *,
        expect: str | None,
        keys: Iterable[Decryptor] = (),
        content: _Readable | None = None,
        at: datetime | None = None,
        policy: Policy = Policy.INTEROP,
    ) -> Coroutine[Any, Any, Payload]: ...


class _Decrypt(Protocol):
    def __call__(
        self,
        source: _Readable,
        keys: Iterable[Decryptor],
        *,
        policy: Policy = Policy.INTEROP,
    ) -> Coroutine[Any, Any, Payload]: ...


def _reading(verb: Callable[..., Any], executor: Executor | None) -> Any:
    """A verb whose source and content may come by and by."""

    @wraps(verb)
    async def awaited(*args: Any, **options: Any) -> Any:
        policy = options.get("policy", Policy.INTEROP)
        with ExitStack() as closing:  # what the verb has not taken over
            spooled = partial(_spooled, policy=policy, executor=executor, closing=closing)
            given = [await spooled(each) for each in args[:1]]
            for name in {"source", "content"} & options.keys():
                options[name] = await spooled(options[name])
            result = await _run(executor, partial(verb, *given, *args[1:], **options), _close)
            closing.pop_all()
        return result

    return awaited


async def _spooled(
    source: Any, *, policy: Any, executor: Executor | None, closing: ExitStack
) -> Any:
    """The source; what comes by and by in a spool, which belongs to the message then."""
    if not isinstance(source, AsyncIterable) or not isinstance(policy, Policy):
        return source
    spool = closing.enter_context(new_spool(policy))
    async for chunk in source:
        if not isinstance(chunk, bytes):
            raise UsageError(f"The chunks of a message are bytes, not {type(chunk).__name__}.")
        await _run(executor, partial(spool.write, chunk), lambda _: None)
    return spool


# --- streams -------------------------------------------------------------------------------

_Chunks: TypeAlias = Generator[bytes, None, None]
_Source: TypeAlias = "Draft | AsyncIterable[bytes]"


def _streamed(
    begin: "Callable[Concatenate[Draft, _P], _Chunks]", executor: Executor | None
) -> "Callable[Concatenate[_Source, _P], AsyncGenerator[bytes, None]]":
    @wraps(begin)
    async def streamed(
        draft: _Source, /, *args: _P.args, **options: _P.kwargs
    ) -> AsyncGenerator[bytes, None]:
        policy = options.get("policy", Policy.INTEROP)
        async with _readable(draft, policy, executor) as source:
            work = partial(begin, source, *args, **options)
            chunks = await _run(executor, work, _close)
            step = partial(_batch, chunks)
            while batch := await _run(executor, step, lambda _: chunks.close()):
                with _closing_on_error(chunks):
                    yield batch

    return streamed


def _batch(chunks: Iterator[bytes]) -> bytes:
    """Some of the chunks together; nothing at their end."""
    found: list[bytes] = []
    size = 0
    for chunk in chunks:
        found.append(chunk)
        size += len(chunk)
        if size >= _BATCH:
            break
    return b"".join(found)


@contextmanager
def _closing_on_error(chunks: _Chunks) -> Iterator[None]:
    try:
        yield
    except BaseException:
        chunks.close()
        raise


@asynccontextmanager
async def _readable(draft: _Source, policy: Any, executor: Executor | None) -> AsyncIterator[Draft]:
    """The draft; what comes by and by waits in a spool, as it is read more than once."""
    if not isinstance(draft, AsyncIterable):
        yield draft
        return
    # A policy that is none is refused by the verb, which says so.
    with new_spool(policy if isinstance(policy, Policy) else Policy.INTEROP) as spool:
        async for chunk in draft:
            if not isinstance(chunk, bytes):
                raise UsageError(f"The chunks of a draft are bytes, not {type(chunk).__name__}.")
            await _run(executor, partial(spool.write, chunk), lambda _: None)
        yield spool.span()


_VERBS: Final = Verbs()
sign = _VERBS.sign
encrypt = _VERBS.encrypt
open = _VERBS.open  # noqa: A001 - the verb of the house
verify = _VERBS.verify
decrypt = _VERBS.decrypt
sign_stream = _VERBS.sign_stream
encrypt_stream = _VERBS.encrypt_stream
sign_file = _VERBS.sign_file
encrypt_file = _VERBS.encrypt_file
verify_file = _VERBS.verify_file
decrypt_file = _VERBS.decrypt_file
