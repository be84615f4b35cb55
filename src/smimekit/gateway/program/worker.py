"""A worker: a process that deals with messages, as its parent asks it to over two pipes.

Knows how it is asked (`tasks`), and when it ends: with its parent, and never in the middle of a
message. That is why a gateway that is killed does not send anything twice: a worker that has
begun to hand a message on finishes, and writes down what it did. May not know what is done.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from json import dumps
from typing import BinaryIO, Final, final

from smimekit.errors import SmimeError
from smimekit.gateway.handover.answers import BROKEN, Reply
from smimekit.gateway.program.assembly import Assembly, assembled
from smimekit.gateway.program.config import read_config
from smimekit.gateway.program.tasks import SAMPLES, Task, read_task, write_replies, write_samples
from smimekit.gateway.reports.failures import logged
from smimekit.message.sealed_file import SealedSource
from smimekit.span import Span

__all__ = ["main"]

_LOG: Final = logging.getLogger("smimekit.gateway")


@final
class _Worker:
    """Reads tasks, has them dealt with by threads, writes replies."""

    def __init__(self, assembly: Assembly, output: BinaryIO) -> None:
        self._assembly: Final = assembly
        self._output: Final = output
        self._lock: Final = threading.Lock()

    def serve(self, lines: Iterable[bytes], threads: int) -> None:
        """Until the parent is gone. What was not begun then is left: its client tries again."""
        executor = ThreadPoolExecutor(threads)
        try:
            for line in lines:
                if line == SAMPLES:
                    self.write(write_samples(self._assembly.metrics.take()))
                else:
                    executor.submit(self._deal_with, *read_task(line))
        finally:
            executor.shutdown(cancel_futures=True)

    def _deal_with(self, number: int, task: Task) -> None:
        self.write(write_replies(number, self._replies(task)))

    def _replies(self, task: Task) -> tuple[Reply, ...]:
        try:
            with task.path.open("rb") as file:
                message = _content(file, task.seal)
                return self._assembly.desk.handle(
                    task.envelope, message, key=task.key, single=task.single
                )
        except Exception as error:  # noqa: BLE001 - whatever went wrong, it stays with its sender
            _LOG.warning("A message failed\n%s", logged(error))
            return (BROKEN,) * len(task.envelope.recipients)

    def write(self, line: bytes) -> None:
        """One line at a time; the parent may be gone."""
        try:
            with self._lock:
                self._output.write(line)
        except BrokenPipeError:
            _LOG.warning("The gateway is gone")


def _content(file: BinaryIO, seal: bytes) -> Span:
    """What lies in a file, sealed or not."""
    if not seal:
        return Span.of_file(file)
    source = SealedSource(file, seal)
    return Span(source, 0, source.size)


def main(path: str) -> int:
    """Work for the process that is at the other end of standard input and output."""
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)  # they are for the parent, which says when to end
    # Whatever prints must not write into what the parent reads.
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO)
    try:
        config = read_config(path)
        with assembled(config) as assembly:
            output.write(b'{"ready": true}\n')
            _Worker(assembly, output).serve(_lines(), config.workers.threads)
    except (SmimeError, OSError) as error:
        code = error.code if isinstance(error, SmimeError) else "file"
        output.write(f"{dumps({'error': str(error), 'code': code})}\n".encode())
        return 1
    return 0


def _lines() -> Iterable[bytes]:
    return sys.stdin.buffer


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
