"""A mail of any size passes in bounded memory: spools and spans, no copies."""

import io
import tempfile
import tracemalloc
from contextlib import ExitStack

import pytest

import smimekit
from smimekit.gateway import Deliver
from smimekit.gateway.core import Core
from smimekit.gateway.inbound.steps import inbound
from smimekit.span import Span
from tests.gateway.arrivals import carol, core, envelope
from tests.message.people import ALICE, NOW, alice

SIZE = 50 << 20
LINE = b"0123456789abcdef" * 4 + b"\r\n"
HEAD = f"From: {ALICE}\r\nSubject: large\r\nContent-Type: text/plain\r\n\r\n".encode()


class Zeros(io.RawIOBase):
    """A draft of 50 MB that nobody holds."""

    def __init__(self) -> None:
        self._left = SIZE // len(LINE)
        self._head = HEAD

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if self._head:
            head, self._head = self._head, b""
            return head
        lines = min(self._left, max(1, size // len(LINE)) if size >= 0 else self._left)
        self._left -= lines
        return LINE * lines


def passed(at: Core, message: Span) -> tuple[int, int]:
    """Octets delivered, and the most memory that it took."""
    around = envelope()
    tracemalloc.start()
    try:
        with ExitStack() as closing:
            results = inbound(at, around, message, around.recipients, at=NOW, closing=closing)
            [outcome] = results.outcomes
            assert isinstance(outcome, Deliver)
            size = sum(map(len, outcome.mail.message.chunks()))
        return size, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["encrypted", "opaque"])
def test_large_mail_takes_little_memory(kind: str) -> None:
    with tempfile.TemporaryFile() as file:
        if kind == "encrypted":
            made = smimekit.stream.encrypt(Zeros(), [carol().certificate], signer=alice(), at=NOW)
        else:
            made = smimekit.stream.sign(Zeros(), alice(), opaque=True, at=NOW)
        file.writelines(made)
        file.seek(0)
        size, most = passed(core(carol(), opaque_to_clear=True), Span.of_file(file))
    assert size > SIZE
    assert most < 40 << 20
