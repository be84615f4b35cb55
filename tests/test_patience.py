"""Answers end in time and in octets, however they come; the clock is the tests'."""

import itertools
import socket
from collections.abc import Iterator
from io import BufferedReader

import pytest

from smimekit.patience import PatientReader


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(20)
        yield ours, theirs


def drip(theirs: socket.socket, reader: PatientReader, count: int) -> bytes:
    """So many octets, each sent when the one before was read."""
    found = bytearray()
    one = bytearray(1)
    for _ in range(count):
        theirs.sendall(b"x")
        found += one[: reader.readinto(one)]
    return bytes(found)


def test_who_drips_is_left_when_the_answer_has_taken_too_long(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """Each octet comes in time; all together do not."""
    ours, theirs = pair
    ticks = itertools.count()
    reader = PatientReader(ours, clock=lambda: float(next(ticks)))
    reader.begin(1000)
    assert drip(theirs, reader, 19) == b"x" * 19
    with pytest.raises(TimeoutError):
        drip(theirs, reader, 1)


def test_another_answer_has_its_own_time_and_octets(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    ticks = itertools.count()
    reader = PatientReader(ours, clock=lambda: float(next(ticks)))
    for _ in range(5):
        reader.begin(15)
        assert drip(theirs, reader, 15) == b"x" * 15
    with pytest.raises(OSError, match="longer than it may be"):
        drip(theirs, reader, 1)


def test_a_long_answer_that_flows_may_take_longer(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    ticks = itertools.count()
    reader = PatientReader(ours, rate=1, clock=lambda: float(next(ticks)))
    reader.begin(1000)
    assert drip(theirs, reader, 500) == b"x" * 500


def test_after_a_failure_nothing_is_read(pair: tuple[socket.socket, socket.socket]) -> None:
    """What comes now belongs to an answer that nobody waits for."""
    ours, theirs = pair
    ticks = itertools.count(step=30)
    reader = PatientReader(ours, clock=lambda: float(next(ticks)))
    reader.begin(1000)
    with pytest.raises(TimeoutError):
        drip(theirs, reader, 1)
    reader.begin(1000)
    with pytest.raises(OSError, match="failed"):
        drip(theirs, reader, 1)


def test_what_is_sent_keeps_its_own_time(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    reader = PatientReader(ours)
    reader.begin(1000)
    theirs.sendall(b"line\r\n")
    assert BufferedReader(reader).readline() == b"line\r\n"
    assert ours.gettimeout() == 20


def test_without_a_timeout_it_waits(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    ours.settimeout(None)
    reader = PatientReader(ours, rate=1)
    reader.begin(1000)
    assert drip(theirs, reader, 3) == b"xxx"


def test_answers_share_the_time_that_they_have_together(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """Each has time enough of its own."""
    ours, theirs = pair
    ticks = itertools.count()
    reader = PatientReader(ours, clock=lambda: float(next(ticks)))
    reader.share(30)
    for _ in range(2):
        reader.begin(1000)
        assert drip(theirs, reader, 10) == b"x" * 10
    reader.begin(1000)
    with pytest.raises(TimeoutError):
        drip(theirs, reader, 10)


def test_those_who_share_anew_have_all_of_it(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    ticks = itertools.count()
    reader = PatientReader(ours, clock=lambda: float(next(ticks)))
    for _ in range(5):
        reader.share(30)
        reader.begin(1000)
        assert drip(theirs, reader, 15) == b"x" * 15


def test_what_nobody_asked_for_is_not_waited_for(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    reader = PatientReader(ours)
    buffered = BufferedReader(reader)
    reader.expect_nothing()
    assert buffered.peek(1) == b""
    theirs.sendall(b"250 What?\r\n")
    assert buffered.peek(1) == b"250 What?\r\n"
    reader.begin(1000)
    assert buffered.readline() == b"250 What?\r\n"
    assert ours.gettimeout() == 20
