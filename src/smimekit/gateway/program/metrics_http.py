"""Answers Prometheus, and nobody else: one path, one method, one request for each connection.

Knows as much of HTTP/1.1 as that takes. May not know what is counted.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from smimekit.gateway.program.config import Address
from smimekit.gateway.reports.metrics import CONTENT_TYPE

__all__ = ["serve_metrics"]

_SECONDS: Final = 10.0
_HEADER: Final = 1 << 14

Text = Callable[[], Awaitable[str]]


async def serve_metrics(address: Address, text: Text) -> asyncio.Server:
    """A server that gives the text at /metrics. Raises OSError."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(
            TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
        ):
            async with asyncio.timeout(_SECONDS):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(await _response(request, text))
                await writer.drain()
        writer.close()

    return await asyncio.start_server(answer, address.host, address.port, limit=_HEADER)


async def _response(request: bytes, text: Text) -> bytes:
    method, _, rest = request.partition(b"\r\n")[0].partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if path != b"/metrics":
        return _written("404 Not Found", "Only /metrics is here.\n", "text/plain")
    if method != b"GET":
        return _written("405 Method Not Allowed", "Only GET.\n", "text/plain", "Allow: GET\r\n")
    return _written("200 OK", await text(), CONTENT_TYPE)


def _written(status: str, text: str, kind: str, more: str = "") -> bytes:
    body = text.encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"{more}Connection: close\r\n\r\n"
    )
    return head.encode() + body
