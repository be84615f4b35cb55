"""A spool that touches the disk leaves noise there, and is read like any other."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import smimekit
from smimekit import Policy, Protection, UsageError, aio, stream
from smimekit.limits import Limits
from smimekit.message.sealed_file import SealedFile
from smimekit.message.spool import Spool
from tests.message.people import alice, bob, draft, entity, trust

MARKER = b"The plan is on."


def on_disk(spool: Spool) -> bytes:
    """What somebody finds who takes the disk out."""
    file = spool._file
    assert file is not None
    file.seek(0, 2)  # which sends what is buffered
    return os.pread(file.fileno(), 1 << 20, 0)


@pytest.mark.parametrize("encrypted", [False, True])
def test_the_disk_holds_noise_where_that_is_wished(encrypted: bool) -> None:
    with Spool(10, encrypted=encrypted) as spool:
        spool.write(MARKER * 100)
        assert spool.span().bytes() == MARKER * 100
        found = on_disk(spool)
    assert len(found) == len(MARKER) * 100
    assert (MARKER in found) is not encrypted


def test_equal_content_is_different_noise() -> None:
    """A key of its own for each file: the sum of two tells nothing of either."""
    found = []
    for _ in range(2):
        with Spool(0, encrypted=True) as spool:
            spool.write(bytes(64))
            found.append(on_disk(spool))
    assert found[0] != found[1]
    assert len({each[at : at + 16] for each in found for at in range(0, 64, 16)}) == 8


def test_the_key_is_from_the_source_of_randomness(monkeypatch: pytest.MonkeyPatch) -> None:
    """AES-256 (FIPS 197), and nothing of the key is where the file is."""
    asked: list[int] = []
    real = os.urandom

    def counted(size: int) -> bytes:
        asked.append(size)
        return real(size)

    monkeypatch.setattr("smimekit.message.sealed_file.random_bytes", counted)
    SealedFile().close()
    assert asked == [32]


Steps = st.lists(st.binary(max_size=70) | st.tuples(st.integers(0, 500), st.integers(0, 90)))


@given(memory=st.integers(0, 200), steps=Steps)
def test_any_order_of_writing_and_reading(
    memory: int, steps: list[bytes | tuple[int, int]]
) -> None:
    """It is the same as bytes in memory, wherever reading starts within a block."""
    held = b""
    with Spool(memory, encrypted=True) as spool:
        for step in steps:
            if isinstance(step, bytes):
                spool.write(step)
                held += step
            else:
                start = min(step[0], len(held))
                end = min(start + step[1], len(held))
                assert spool.read(start, end) == held[start:end]
        assert b"".join(spool.chunks()) == held


def test_it_has_no_name_and_no_readers() -> None:
    with Spool(0, encrypted=True) as spool:
        spool.write(MARKER)
        assert spool._file is not None
        found = os.fstat(spool._file.fileno())
        assert found.st_nlink == 0
        assert stat.S_IMODE(found.st_mode) == 0o600
    assert spool._file.closed
    with pytest.raises(UsageError) as error:
        spool.read(0, 1)
    assert error.value.code == "usage.closed"


@contextmanager
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """What each file of a spool held on the disk when it was closed."""
    found: list[bytes] = []
    close = Spool.close

    def closing(self: Spool) -> None:
        if self._file is not None and not self._file.closed:
            found.append(on_disk(self))
        close(self)

    with monkeypatch.context() as patch:
        patch.setattr(Spool, "close", closing)
        yield found


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("way", ["opaque", "encrypted", "stream", "pipe"])
def test_no_verb_leaves_plaintext(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str, encrypted: bool
) -> None:
    """Whatever makes a spool asks the limits; without the wish the test would see plaintext."""
    policy = replace(Policy.INTEROP, limits=Limits(spool_memory=8, spool_encrypted=encrypted))
    with files(monkeypatch) as found:
        if way == "opaque":
            mail = smimekit.sign(draft(), alice(), opaque=True, headers=None)
            assert smimekit.verify(mail, trust(), policy=policy).bytes() == entity()
        elif way == "encrypted":
            mail = smimekit.encrypt(draft(), [bob()], headers=None)
            assert smimekit.decrypt(mail, [bob()], policy=policy).bytes() == entity()
        elif way == "stream":
            list(stream.sign(iter([draft()]), alice(), policy=policy))
        else:
            (tmp_path / "mail").write_bytes(smimekit.sign(draft(), alice()))
            os.mkfifo(tmp_path / "pipe")
            writer = os.open(tmp_path / "pipe", os.O_RDWR)
            os.write(writer, draft())
            with os.fdopen(os.open(tmp_path / "pipe", os.O_RDONLY), "rb") as pipe:
                os.close(writer)
                with smimekit.open(pipe, trust=trust(), policy=policy) as opened:
                    assert opened.payload(require=Protection.NONE).bytes()
    assert found
    assert any(MARKER in each for each in found) is not encrypted


@pytest.mark.parametrize("encrypted", [False, True])
def test_drafts_that_come_by_and_by(monkeypatch: pytest.MonkeyPatch, encrypted: bool) -> None:
    policy = replace(Policy.INTEROP, limits=Limits(spool_memory=8, spool_encrypted=encrypted))

    async def pieces() -> AsyncIterator[bytes]:
        yield draft()

    async def write() -> bytes:
        made = aio.sign_stream(pieces(), alice(), policy=policy)
        return b"".join([chunk async for chunk in made])

    with files(monkeypatch) as found:
        assert MARKER in asyncio.run(write())
    assert found
    assert any(MARKER in each for each in found) is not encrypted
