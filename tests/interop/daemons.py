"""Foreign servers, each started by a test session on loopback, in a folder of its own.

Knows how processes begin and end: a server is ready when it answers, and ended by its own
handle. May not know what any of them is for.
"""

import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

__all__ = ["NotStarted", "free_port", "running", "takes_connections"]

_TRIES = 1_500
_MOMENT = 0.02


class NotStarted(Exception):
    """A server ended, or did not answer; with what it said."""


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


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
