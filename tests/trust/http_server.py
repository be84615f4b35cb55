"""An HTTP server on loopback that does what a test tells it to, in as many ways as servers fail."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Page = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Pages by path; `gone` is set when the test is over, for pages that hang until then."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.gone = threading.Event()
        self.port = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


def handler_of(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            server.asked.append((self.command, self.path, dict(self.headers.items()), body))
            page = server.pages.get(self.path, status(404))
            try:
                page(self)
            except OSError:  # who asked has gone
                self.close_connection = True

        do_GET = do_POST = _serve  # noqa: N815 - as http.server wants it

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asked has gone, or refused the certificate: no news."""


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server with a port of its own; with a context, one for https."""
    server = Server()
    with _Server(("127.0.0.1", 0), handler_of(server)) as made:
        if context is not None:
            made.socket = context.wrap_socket(
                made.socket, server_side=True, do_handshake_on_connect=False
            )
        made.daemon_threads = False
        server.port = made.server_address[1]
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.gone.set()
            made.shutdown()
            thread.join()


def answer(body: bytes, **headers: str) -> Page:
    """A page as it should be."""

    def serve(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return serve


def status(code: int, location: str | None = None) -> Page:
    """No page: an error, or another place."""

    def serve(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        if location is not None:
            handler.send_header("Location", location)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return serve


def raw(data: bytes) -> Page:
    """These octets, and the end."""

    def serve(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(data)
        handler.close_connection = True

    return serve


def hanging(server: Server, data: bytes = b"") -> Page:
    """These octets, and then nothing until the test is over."""

    def serve(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(data)
        handler.wfile.flush()
        server.gone.wait(60)
        handler.close_connection = True

    return serve


def endless(server: Server, start: bytes, again: bytes) -> Page:
    """A start, and then the same for ever, as fast as it is read."""

    def serve(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(start)
        while not server.gone.is_set():
            handler.wfile.write(again)

    return serve
