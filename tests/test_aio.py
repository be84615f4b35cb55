"""The verbs, awaited: the same results, and nothing left behind by who does not wait for them."""

import asyncio
import base64
import io
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

import smimekit
from smimekit import Credential, Protection, UsageError, aio, files, stream
from smimekit.aio import Verbs
from smimekit.cms.recipients import ContentKey, RecipientInfo
from smimekit.message import receive
from smimekit.message.opened import Opened, Payload
from smimekit.message.spool import Spool
from smimekit.span import Span
from tests.message.people import ALICE, NOW, alice, bob, draft, trust

LONG = draft(text="A line, and others like it.\r\n" * 60_000)
BODY = b"The plan is on.\r\n"
BINARY = bytes(range(256)) * 3000 + b"\r\n\n\r"


def body(payload: Payload) -> bytes:
    """What it says, whatever fields are protected with it (RFC 9788)."""
    return payload.bytes().partition(b"\r\n\r\n")[2]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Two threads; when the test ends, they have ended."""
    with ThreadPoolExecutor(2) as made:
        yield made


# --- the same results ----------------------------------------------------------------------


def test_the_verbs() -> None:
    async def all_verbs() -> None:
        signed = await smimekit.aio.sign(draft(), alice(), at=NOW)
        assert body(await aio.verify(signed, trust())) == BODY
        mail = await aio.encrypt(draft(), [bob()], signer=alice())
        assert body(await aio.decrypt(mail, [bob()])) == BODY
        payload = await aio.verify(io.BytesIO(mail), trust(), keys=[bob()])
        assert body(payload) == BODY
        with await aio.open(io.BytesIO(mail), keys=[bob()], trust=trust()) as opened:
            assert body(opened.payload(require=Protection.VERIFIED)) == BODY
            assert smimekit.harvest(opened).sender == ALICE

    asyncio.run(all_verbs())


@pytest.mark.parametrize(
    "call",
    [
        lambda verbs: verbs.sign("text", alice()),
        lambda verbs: verbs.encrypt(draft(), []),
        lambda verbs: verbs.verify(draft(), trust()),
        lambda verbs: verbs.decrypt(draft(), [bob()]),
        lambda verbs: verbs.open(b"", trust=trust()),
        lambda verbs: anext(verbs.sign_stream("text", alice())),
        lambda verbs: anext(verbs.encrypt_stream(draft(), [])),
        lambda verbs: anext(verbs.sign_file("text", alice())),
        lambda verbs: anext(verbs.encrypt_file(b"file", [])),
        lambda verbs: verbs.verify_file(draft(), trust(), expect=None),
        lambda verbs: verbs.decrypt_file(draft(), [bob()]),
    ],
)
def test_the_errors(call: Callable[[Verbs], Any], pool: ThreadPoolExecutor) -> None:
    async def fails() -> None:
        with pytest.raises(smimekit.SmimeError):
            await call(Verbs(pool))

    asyncio.run(fails())


async def pieces(data: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        await asyncio.sleep(0)
        yield data[at : at + size]


async def whole(chunks: AsyncGenerator[bytes, None]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


SOURCES: list[Callable[[bytes], Any]] = [bytes, io.BytesIO, pieces, lambda data: iter([data])]
KINDS = ["bytes", "file", "asynchronous", "chunks"]


@pytest.mark.parametrize("source", SOURCES, ids=KINDS)
def test_streams(source: Callable[[bytes], Any]) -> None:
    async def both() -> tuple[bytes, bytes]:
        signed = aio.sign_stream(source(LONG), alice(), opaque=True)
        sealed = aio.encrypt_stream(source(LONG), [bob()], signer=alice())
        return await whole(signed), await whole(sealed)

    wanted = LONG.partition(b"\r\n\r\n")[2]
    signed, sealed = asyncio.run(both())
    assert body(smimekit.verify(signed, trust())) == wanted
    assert body(smimekit.verify(sealed, trust(), keys=[bob()])) == wanted


@pytest.mark.parametrize("source", SOURCES, ids=KINDS)
def test_files(source: Callable[[bytes], Any]) -> None:
    """Octet for octet, from whatever they are read, and as the verbs that nobody awaits have it."""

    async def both() -> tuple[bytes, bytes, bytes]:
        signed = aio.sign_file(source(BINARY), alice(), at=NOW)
        beside = aio.sign_file(source(BINARY), alice(), detached=True, at=NOW)
        sealed = aio.encrypt_file(source(BINARY), [bob()], signer=alice())
        return await whole(signed), await whole(beside), await whole(sealed)

    signed, beside, sealed = asyncio.run(both())
    assert files.verify(signed, trust(), expect=ALICE).bytes() == BINARY
    assert files.verify(beside, trust(), expect=ALICE, content=BINARY).bytes() == BINARY
    assert len(beside) < 5000
    payload = files.verify(sealed, trust(), expect=ALICE, keys=[bob()])
    assert payload.bytes() == BINARY
    assert payload.protection == Protection.VERIFIED | Protection.CONFIDENTIAL | Protection.INTACT


@pytest.mark.parametrize("source", [bytes, io.BytesIO, pieces], ids=["bytes", "file", "chunks"])
def test_files_are_read(source: Callable[[bytes], Any], spools: list[Spool]) -> None:
    sealed = b"".join(files.encrypt(BINARY, [bob()], signer=alice()))
    beside = b"".join(files.sign(BINARY, alice(), detached=True))

    async def read() -> None:
        verifying = aio.verify_file(source(sealed), trust(), expect=ALICE, keys=[bob()])
        with await verifying as payload:
            assert payload.bytes() == BINARY
        verifying = aio.verify_file(source(beside), trust(), expect=ALICE, content=source(BINARY))
        with await verifying as payload:
            assert payload.bytes() == BINARY
        with await aio.decrypt_file(source(sealed), [bob()]) as payload:
            inside = payload.bytes()
        with files.verify(inside, trust(), expect=ALICE) as payload:
            assert payload.bytes() == BINARY

    asyncio.run(read())
    assert all(map(is_closed, spools))


def test_who_should_have_signed_a_file_is_said() -> None:
    signed = b"".join(files.sign(BINARY, alice()))
    with pytest.raises(smimekit.VerificationError):
        asyncio.run(aio.verify_file(signed, trust(), expect="mallory@example.com"))
    with pytest.raises(TypeError):
        asyncio.run(aio.verify_file(signed, trust()))  # type: ignore[call-arg]  # as one may write


def test_chunks_of_something_else() -> None:
    async def text() -> AsyncIterator[Any]:
        yield "text"

    async def signing() -> None:
        with pytest.raises(UsageError):
            await whole(aio.sign_stream(text(), alice()))
        with pytest.raises(UsageError):
            await whole(aio.sign_file(text(), alice()))

    asyncio.run(signing())


def test_chunks_are_neither_crumbs_nor_the_whole() -> None:
    async def sizes() -> list[int]:
        return [len(each) async for each in aio.sign_stream(LONG, alice())]

    found = asyncio.run(sizes())
    assert len(found) > 3
    assert max(found) < 1 << 19
    assert min(found[:-1]) >= 1 << 18


# --- threads -------------------------------------------------------------------------------


class Gate(io.BytesIO):
    """A file whose reader waits at the gate; it counts who is there."""

    def __init__(self, data: bytes = b"") -> None:
        super().__init__(data or draft())
        self.reached, self.opened = threading.Event(), threading.Event()
        self.reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        self.reached.set()
        assert self.opened.wait(60)
        return super().read(size)


async def until(event: threading.Event) -> None:
    """The loop goes on meanwhile: it could not, did the verb run in its thread."""
    assert await asyncio.to_thread(event.wait, 60)


def test_the_loop_goes_on(pool: ThreadPoolExecutor) -> None:
    async def going_on() -> None:
        gate = Gate()
        signing = asyncio.create_task(Verbs(pool).sign(gate, alice()))
        await until(gate.reached)
        assert not signing.done()
        gate.opened.set()
        assert body(smimekit.verify(await signing, trust())) == BODY

    asyncio.run(going_on())


def test_as_many_threads_as_the_executor_has(pool: ThreadPoolExecutor) -> None:
    async def many() -> None:
        gates = [Gate() for _ in range(5)]
        verbs = Verbs(pool)
        tasks = [asyncio.create_task(verbs.sign(gate, alice())) for gate in gates]
        await until(gates[0].reached)
        await until(gates[1].reached)
        assert [gate.reached.is_set() for gate in gates] == [True, True, False, False, False]
        for gate in gates:
            gate.opened.set()
        assert len(await asyncio.gather(*tasks)) == 5

    asyncio.run(many())


def test_no_thread_is_left_by_the_loop() -> None:
    before = threading.active_count()
    asyncio.run(aio.sign(draft(), alice()))
    assert threading.active_count() == before


# --- cancellation --------------------------------------------------------------------------


@pytest.fixture
def spools(monkeypatch: pytest.MonkeyPatch) -> list[Spool]:
    """Every spool that is made."""
    made: list[Spool] = []
    begin = Spool.__init__

    def remembered(self: Spool, memory: int, **options: Any) -> None:
        begin(self, memory, **options)
        made.append(self)

    monkeypatch.setattr(Spool, "__init__", remembered)
    return made


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[Opened]:
    """Every opened message that is made."""
    made: list[Opened] = []

    def remembered(**facts: Any) -> Opened:
        made.append(Opened(**facts))
        return made[-1]

    monkeypatch.setattr(receive, "Opened", remembered)
    return made


def is_closed(thing: Spool | Opened) -> bool:
    try:
        thing.read(0, 0) if isinstance(thing, Spool) else thing.check_not_closed()
    except UsageError as error:
        return error.code == "usage.closed"
    return False


class SlowKey:
    """A key in another place, whose answer takes its time."""

    def __init__(self, who: Credential) -> None:
        self._who = who
        self.reached, self.answer = threading.Event(), threading.Event()

    def unwrap(
        self, recipients: Sequence[RecipientInfo], *, size: int | None, attempts: int
    ) -> ContentKey:
        self.reached.set()
        assert self.answer.wait(60)
        return self._who.unwrap(recipients, size=size, attempts=attempts)


async def cancelled(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_who_is_cancelled_leaves_no_message_open(
    spools: list[Spool], messages: list[Opened]
) -> None:
    """The thread cannot be stopped: what it makes in the end is closed by it."""
    mail = smimekit.encrypt(draft(), [bob()], signer=alice())
    key = SlowKey(bob())

    async def opening(pool: Executor) -> None:
        task = asyncio.create_task(Verbs(pool).open(mail, keys=[key], trust=trust()))
        await until(key.reached)
        await cancelled(task)
        assert messages == []

    with ThreadPoolExecutor() as pool:
        asyncio.run(opening(pool))
        key.answer.set()
    [message] = messages
    assert is_closed(message)
    assert spools
    assert all(map(is_closed, spools))


class Late(Executor):
    """Has taken the work, and begins it when it is told to."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **options: Any) -> "Future[Any]":
        self.taken: Future[Any] = Future()
        self.taken.set_running_or_notify_cancel()
        self.begin = partial(work, *args, **options)
        return self.taken

    def finish(self) -> None:
        self.taken.set_result(self.begin())


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_who_is_cancelled_at_the_last_moment_leaves_no_message_open(
    messages: list[Opened], steps: int
) -> None:
    """The message is there, and the task would go on with it in a step or two, as Python has it."""

    async def opening() -> None:
        executor = Late()
        mail = smimekit.sign(draft(), alice())
        task = asyncio.create_task(Verbs(executor).open(mail, trust=trust()))
        await asyncio.sleep(0)
        executor.finish()
        for _ in range(steps):
            await asyncio.sleep(0)
        assert len(messages) == 1
        assert not is_closed(messages[0])
        if task.done():
            task.result().close()
        else:
            await cancelled(task)

    asyncio.run(opening())
    assert is_closed(messages[0])


def test_who_waits_for_a_message_has_it_open(messages: list[Opened]) -> None:
    mail = smimekit.sign(draft(), alice())
    opened = asyncio.run(aio.open(mail, trust=trust()))
    assert messages == [opened]
    assert not is_closed(opened)
    opened.close()


def test_what_waits_for_a_thread_never_begins(pool: ThreadPoolExecutor) -> None:
    async def crowd() -> None:
        verbs, gates = Verbs(pool), [Gate() for _ in range(3)]
        tasks = [asyncio.create_task(verbs.sign(gate, alice())) for gate in gates]
        await until(gates[0].reached)
        await until(gates[1].reached)
        await cancelled(tasks[2])
        for gate in gates:
            gate.opened.set()
        await asyncio.gather(*tasks[:2])
        assert gates[2].reads == 0

    asyncio.run(crowd())


def test_what_was_cancelled_before_it_began_never_begins() -> None:
    async def opening() -> None:
        file, executor = Gate(), Late()
        task = asyncio.create_task(Verbs(executor).open(file, trust=trust()))
        await asyncio.sleep(0)
        await cancelled(task)
        executor.begin()
        assert file.reads == 0

    asyncio.run(opening())


WRITING = {"sign", "encrypt", "sign_file"}
READING = {"open", "verify", "decrypt", "verify_file", "decrypt_file"}


@pytest.mark.parametrize("verb", sorted(WRITING | READING))
def test_a_file_is_not_read_to_its_end_for_nobody(verb: str) -> None:
    kept = b"".join(files.encrypt(LONG, [bob()]))
    mail = kept if verb.endswith("_file") else smimekit.encrypt(LONG, [bob()])
    gate = Gate(LONG if verb in WRITING else mail)

    async def begin(pool: Executor) -> None:
        verbs = Verbs(pool)
        calls: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
            "sign": lambda: verbs.sign(gate, alice()),
            "encrypt": lambda: verbs.encrypt(gate, [bob()]),
            "open": lambda: verbs.open(gate, keys=[bob()], trust=trust()),
            "verify": lambda: verbs.verify(gate, trust(), keys=[bob()]),
            "decrypt": lambda: verbs.decrypt(gate, [bob()]),
            "sign_file": lambda: anext(verbs.sign_file(gate, alice(), detached=True)),
            "verify_file": lambda: verbs.verify_file(gate, trust(), expect=None, keys=[bob()]),
            "decrypt_file": lambda: verbs.decrypt_file(gate, [bob()]),
        }
        task = asyncio.create_task(calls[verb]())
        await until(gate.reached)
        await cancelled(task)

    with ThreadPoolExecutor() as pool:
        asyncio.run(begin(pool))
        gate.opened.set()
    assert gate.reads == 1


@pytest.mark.parametrize("verb", [aio.sign_stream, aio.sign_file])
def test_a_stream_that_is_left_closes_its_spool(
    verb: Callable[..., AsyncGenerator[bytes, None]], spools: list[Spool]
) -> None:
    async def leave() -> None:
        chunks = verb(iter([LONG]), alice())
        await anext(chunks)
        assert not is_closed(spools[0])
        await chunks.aclose()

    asyncio.run(leave())
    assert is_closed(spools[0])


def test_a_stream_that_fails_closes_its_spool(spools: list[Spool]) -> None:
    """Even where somebody keeps the error, and with it whatever was at work."""

    class Full(Exception):
        pass

    async def fail() -> None:
        chunks = aio.sign_stream(iter([LONG]), alice())
        await anext(chunks)
        with pytest.raises(Full) as kept:
            await chunks.athrow(Full())
        assert kept.traceback
        assert is_closed(spools[0])

    asyncio.run(fail())


def test_a_stream_that_is_cancelled_closes_its_spool(
    spools: list[Spool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of a step, which the thread finishes."""
    reached, go_on = threading.Event(), threading.Event()

    def slow(signature: bytes) -> bytes:
        reached.set()
        assert go_on.wait(60)
        raise UsageError("No time-stamp today.")

    async def signing(pool: Executor) -> None:
        signer = smimekit.Signer(alice(), timestamp=slow)
        chunks = Verbs(pool).sign_stream(iter([draft()]), signer)
        task = asyncio.create_task(anext(chunks))
        await until(reached)
        await cancelled(task)

    with ThreadPoolExecutor() as pool:
        asyncio.run(signing(pool))
        assert not is_closed(spools[0])
        go_on.set()
    assert is_closed(spools[0])


def test_a_stream_that_is_cancelled_before_its_step_closes_its_spool(
    spools: list[Spool], pool: ThreadPoolExecutor
) -> None:
    async def signing() -> None:
        chunks = Verbs(pool).sign_stream(iter([LONG]), alice())
        await anext(chunks)
        gates = [Gate(), Gate()]
        others = [asyncio.create_task(Verbs(pool).sign(gate, alice())) for gate in gates]
        for gate in gates:
            await until(gate.reached)
        task = asyncio.create_task(anext(chunks))
        await asyncio.sleep(0)
        await cancelled(task)
        assert is_closed(spools[0])
        for gate in gates:
            gate.opened.set()
        await asyncio.gather(*others)

    asyncio.run(signing())


def test_a_source_that_fails_leaves_no_message() -> None:
    class Broken(Exception):
        pass

    async def broken() -> AsyncIterator[bytes]:
        yield LONG
        raise Broken

    async def signing() -> None:
        with pytest.raises(Broken):
            await anext(aio.sign_stream(broken(), alice()))

    asyncio.run(signing())


# --- what is read comes by and by ----------------------------------------------------------


def detached() -> tuple[bytes, bytes]:
    """Bare CMS, and the content that it signs."""
    mail = smimekit.sign(draft(text="x" * 100_000), alice())
    with smimekit.open(mail, trust=trust()) as opened:
        content = opened.inside(opened.envelope[0], require=Protection.VERIFIED).bytes()
    coded = mail.rpartition(b'filename="smime.p7s"\r\n\r\n')[2].partition(b"\r\n--")[0]
    return base64.b64decode(coded), content


def test_messages_come_in_chunks(spools: list[Spool]) -> None:
    mail = smimekit.encrypt(LONG, [bob()], signer=alice())
    signature, content = detached()

    async def all_verbs() -> None:
        with smimekit.decrypt(mail, [bob()]) as payload:
            wanted = payload.bytes()
        with await aio.decrypt(pieces(mail), [bob()]) as payload:
            assert payload.bytes() == wanted
        with await aio.verify(source=pieces(mail), trust=trust(), keys=[bob()]) as payload:
            assert payload.bytes() == wanted
        with await aio.open(pieces(mail), keys=[bob()], trust=trust()) as opened:
            assert opened.payload(require=Protection.VERIFIED).bytes() == wanted
        with await aio.verify(
            pieces(signature), trust(), content=pieces(content), expect=ALICE
        ) as payload:
            assert payload.bytes() == content

    asyncio.run(all_verbs())
    assert spools
    assert all(map(is_closed, spools))


async def broken_after(data: bytes) -> AsyncIterator[bytes]:
    yield data
    raise ConnectionResetError


async def text() -> AsyncIterator[Any]:
    yield "text"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (lambda: broken_after(smimekit.sign(draft(), alice())), ConnectionResetError),
        (text, UsageError), (lambda: pieces(b"no mail"), smimekit.MimeError),
    ],
    ids=["broken", "text", "none"],
)  # fmt: skip
def test_chunks_that_are_no_message_leave_nothing_open(
    source: Callable[[], Any], error: type[BaseException], spools: list[Spool]
) -> None:
    async def opening() -> None:
        with pytest.raises(error):
            await aio.open(source(), trust=trust())

    asyncio.run(opening())
    assert len(spools) == 1
    assert all(map(is_closed, spools))


def test_who_is_cancelled_while_chunks_come_leaves_nothing_open(spools: list[Spool]) -> None:
    reached = threading.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"From: a@example.org\r\n"
        reached.set()
        await asyncio.Event().wait()

    async def opening() -> None:
        task = asyncio.create_task(aio.open(endless(), trust=trust()))
        await until(reached)
        await cancelled(task)

    asyncio.run(opening())
    assert len(spools) == 1
    assert all(map(is_closed, spools))


def test_a_verb_without_its_source_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        asyncio.run(aio.open(trust=trust()))  # type: ignore[call-arg]  # as somebody may write


def test_a_payload_that_nobody_waits_for_is_closed(messages: list[Opened]) -> None:
    async def verifying() -> None:
        mail = smimekit.sign(draft(), alice())
        executor = Late()
        task = asyncio.create_task(Verbs(executor).verify(mail, trust()))
        await asyncio.sleep(0)
        executor.finish()
        await cancelled(task)

    asyncio.run(verifying())
    assert len(messages) == 1
    assert is_closed(messages[0])


def test_they_are_the_verbs_of_the_house() -> None:
    """The same documentation, and names for who asks what a verb is."""
    assert aio.sign.__doc__ == smimekit.sign.__doc__
    assert aio.open.__doc__ == smimekit.open.__doc__
    assert aio.encrypt_stream.__doc__ == stream.encrypt.__doc__
    assert aio.sign_file.__doc__ == files.sign.__doc__
    assert aio.verify_file.__doc__ == files.verify.__doc__


def test_a_span_can_be_awaited() -> None:
    """A span has a `read` of its own, and is no file; errant layers are spans."""
    mail = smimekit.sign(draft(), alice())
    payload = asyncio.run(aio.verify(Span.of(mail), trust()))
    assert payload.bytes() == smimekit.verify(mail, trust()).bytes()
