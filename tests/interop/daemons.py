"""Foreign servers, each started by a test session on loopback, in a folder of its own.

Knows how processes begin and end: a server is ready when it answers, and ended by its own
handle; and which ports are theirs alone. May not know what any of them is for.
"""

import os
import random
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

__all__ = ["NotStarted", "free_port", "is_free", "running", "takes_connections"]

_TRIES = 1_500
_MOMENT = 0.02
_WORKERS = 16


class NotStarted(Exception):
    """A server ended, or did not answer; with what it said."""


def _ports() -> Iterator[int]:
    """In any order, and none of them twice. Of those that the system itself gives out (from
    32 768 on, or 49 152) there is none, and another worker has others: between the moment when
    a server is told its port and that when it listens, nobody takes it.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ours = range(10_000 + worker % _WORKERS, 32_768, _WORKERS)
    yield from random.sample(ours, len(ours))


_given = _ports()


def free_port() -> int:
    """A port on loopback that nobody listens on now, and that is given to nobody else."""
    return next(port for port in _given if is_free(port))


def is_free(port: int) -> bool:
    """Whether nobody listens on a port on loopback, by TCP or UDP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):  # a name server takes both
        with closing(socket.socket(type=kind)) as found:
            try:
                found.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def takes_connections(port: int) -> bool:
    """Whether somebody listens on a port on loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


@contextmanager
def running(command: list[str], ready: Callable[[], bool], log: Path) -> Iterator[None]:
    """A server in the foreground, from when it is ready to the end of the block."""
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=log.parent
        )
        try:
            _wait_for(process, ready, log)
            yield
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(process: "subprocess.Popen[bytes]", ready: Callable[[], bool], log: Path) -> None:
    for _ in range(_TRIES):
        if ready():
            return
        try:
            process.wait(_MOMENT)
        except subprocess.TimeoutExpired:
            continue
        break
    raise NotStarted(log.read_text(errors="replace"))
