"""HTTP with a URL that anybody wrote: bounded in time and size, and never behind our walls."""

import contextlib
import itertools
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from smimekit.errors import FetchError, UsageError
from smimekit.trust import ByScheme, Post
from smimekit.trust.network.http import HttpFetcher
from smimekit.trust.network.wire import Networks
from tests.trust.certs import DAY, Made, ca, make
from tests.trust.http_server import (
    Server,
    answer,
    endless,
    hanging,
    raw,
    serving,
    status,
)

LOOPBACK = ("127.0.0.0/8",)
BODY = b"0123456789" * 10
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def fetch(
    url: str, *, seconds: float = 30, most: int = 1000, post: Post | None = None, **more: Any
) -> bytes:
    fetcher = HttpFetcher(networks=more.pop("networks", LOOPBACK), **more)
    return fetcher.fetch(url, seconds=seconds, most_bytes=most, post=post)


def refused(url: str, **more: Any) -> str:
    with pytest.raises(FetchError) as caught:
        fetch(url, **more)
    return caught.value.code


# --- answers -------------------------------------------------------------------------------


def test_a_page_is_fetched(server: Server) -> None:
    server.pages["/a?b=c"] = answer(BODY)
    assert fetch(server.url("/a?b=c")) == BODY
    ((method, path, headers, _),) = server.asked
    assert (method, path) == ("GET", "/a?b=c")
    assert headers["Host"] == f"127.0.0.1:{server.port}"
    assert headers["Accept-Encoding"] == "identity"
    assert not {"Cookie", "Authorization", "Referer"} & set(headers)


def test_a_post_sends_its_body(server: Server) -> None:
    server.pages["/"] = answer(b"yes")
    url = server.url("")
    assert fetch(url, post=Post(b"question", "application/ocsp-request")) == b"yes"
    ((method, path, headers, body),) = server.asked
    assert (method, path, body) == ("POST", "/", b"question")
    assert headers["Content-Type"] == "application/ocsp-request"


@pytest.mark.parametrize(
    "page",
    [
        OK + b"\r\n" + BODY,
        OK + b"Transfer-Encoding: chunked\r\n\r\n64\r\n" + BODY + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 100\r\n\r\n" + BODY + b"more",
    ],
    ids=["until the end", "chunked", "continued"],
)
def test_each_way_to_send_a_page_is_read(server: Server, page: bytes) -> None:
    server.pages["/"] = raw(page)
    assert fetch(server.url("/")) == BODY


@pytest.mark.parametrize("code", [204, 206, 400, 401, 403, 404, 500, 503])
def test_only_200_is_an_answer(server: Server, code: int) -> None:
    server.pages["/"] = status(code)
    assert refused(server.url("/")) == "fetch.status"


@pytest.mark.parametrize(
    ("page", "code"),
    [
        (OK + b"Content-Length: 101\r\n\r\n" + BODY, "fetch.truncated"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n65\r\n" + BODY, "fetch.failed"),
        (OK + b"Content-Encoding: gzip\r\n\r\n" + BODY, "fetch.status"),
        (b"", "fetch.failed"),
        (b"nonsense\r\n\r\n", "fetch.failed"),
        (OK + b"A: b\r\n" * 200 + b"\r\n", "fetch.failed"),
        (OK + b"A: " + b"b" * 70_000 + b"\r\n\r\n", "fetch.failed"),
        (b"HTTP/1.1 302 Found\r\n\r\n", "fetch.status"),
    ],
    ids=["cut", "cut chunk", "compressed", "nothing", "nonsense", "fields", "a line", "nowhere"],
)
def test_a_broken_answer_is_none(server: Server, page: bytes, code: str) -> None:
    server.pages["/"] = raw(page)
    assert refused(server.url("/")) == code


# --- bounds --------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [99, 1, 0])
@pytest.mark.parametrize("head", [b"Content-Length: 100\r\n", b""], ids=["announced", "not"])
def test_what_is_too_large_is_not_read(server: Server, most: int, head: bytes) -> None:
    server.pages["/"] = raw(OK + head + b"\r\n" + BODY)
    assert refused(server.url("/"), most=most) == "fetch.too-large"
    assert fetch(server.url("/"), most=100) == BODY


@pytest.mark.parametrize(
    ("start", "again"),
    [
        (OK + b"\r\n", b"x" * 1000),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["body", "continue", "chunks"],
)
def test_what_never_ends_is_given_up(server: Server, start: bytes, again: bytes) -> None:
    server.pages["/"] = endless(server, start, again)
    # A Python that counts the answers which say "go on" is the first to give up.
    assert refused(server.url("/")) in {
        "fetch.too-large",
        "fetch.too-large" if start else "fetch.failed",
    }


@pytest.mark.parametrize("data", [b"", OK, OK + b"Content-Length: 100\r\n\r\n" + BODY[:50]])
def test_who_hangs_is_left_at_the_deadline(server: Server, data: bytes) -> None:
    server.pages["/"] = hanging(server, data)
    assert refused(server.url("/"), seconds=0.1) == "fetch.timeout"


def test_who_drips_is_left_at_the_deadline(server: Server) -> None:
    """Each octet comes in time; all together do not. The clock is the test's: a second a look."""
    ticks = itertools.count()
    server.pages["/"] = endless(server, OK + b"\r\n", b"x")
    code = refused(server.url("/"), seconds=20, most=1 << 40, monotonic=lambda: float(next(ticks)))
    assert code == "fetch.timeout"


def test_a_name_that_is_not_resolved_in_time_is_left() -> None:
    over = threading.Event()

    def never(host: str, port: int) -> Sequence[str]:
        over.wait(60)
        return ()

    try:
        assert refused("http://slow.example/", seconds=0.05, resolver=never) == "fetch.timeout"
    finally:
        over.set()


def test_a_server_that_is_not_there() -> None:
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        assert refused(f"http://127.0.0.1:{taken.getsockname()[1]}/") == "fetch.failed"


# --- redirects -----------------------------------------------------------------------------


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(server: Server, code: int) -> None:
    server.pages |= {"/a/b": status(code, "../c"), "/c": answer(BODY)}
    assert fetch(server.url("/a/b")) == BODY


def test_few_redirects_are_followed(server: Server) -> None:
    server.pages |= {f"/{n}": status(302, f"/{n + 1}") for n in range(3)} | {"/3": answer(BODY)}
    assert fetch(server.url("/0")) == BODY
    assert refused(server.url("/0"), redirects=2) == "fetch.redirect"
    server.pages["/loop"] = status(302, "/loop")
    assert refused(server.url("/loop")) == "fetch.redirect"


@pytest.mark.parametrize("code", [301, 302, 303])
def test_a_post_does_not_become_a_get(server: Server, code: int) -> None:
    server.pages |= {"/": status(code, "/b"), "/b": answer(BODY)}
    post = Post(b"q", "application/ocsp-request")
    assert refused(server.url("/"), post=post) == "fetch.redirect"
    server.pages["/"] = status(307, "/b")
    assert fetch(server.url("/"), post=post) == BODY
    assert [body for *_, body in server.asked] == [b"q"] * 3


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("file:///etc/passwd", "fetch.scheme"),
        ("ftp://127.0.0.1/x", "fetch.scheme"),
        ("gopher://127.0.0.1/x", "fetch.scheme"),
        ("http://10.0.0.1/", "fetch.address"),
        ("http://user:word@127.0.0.1/", "fetch.url"),
    ],
)
def test_a_redirect_leads_nowhere_else(server: Server, target: str, code: str) -> None:
    server.pages["/"] = status(302, target)
    assert refused(server.url("/")) == code


# --- where it may go -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("file:///etc/passwd", "fetch.scheme"),
        ("ldap://ldap.example/x", "fetch.scheme"),
        ("http:///nowhere", "fetch.scheme"),
        ("no-url", "fetch.scheme"),
        ("", "fetch.scheme"),
        ("http://a.example:99999/", "fetch.url"),
        ("http://a.example:0/", "fetch.url"),
        ("http://[::1/", "fetch.url"),
        ("http://u@a.example/", "fetch.url"),
        ("http://:p@a.example/", "fetch.url"),
        ("http://a.example/\r\nX: y", "fetch.url"),
        ("http://a.example/\x00", "fetch.url"),
        ("http://a.example/a b", "fetch.url"),
        ("http://münchen.example/", "fetch.url"),
        ("http://a.example/" + "a" * 3000, "fetch.url"),
    ],
)
def test_what_is_no_http_url_is_refused_unasked(url: str, code: str) -> None:
    def never(host: str, port: int) -> Sequence[str]:
        raise AssertionError("it was looked up")

    assert refused(url, resolver=never) == code


PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "0.0.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fe80::1%eth0",
    "fc00::1", "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:c0a8:101::1", "2001:db8::1",
    "nonsense",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_not_connected_to(address: str) -> None:
    assert not Networks().allow(address)
    assert refused("http://ca.example/", networks=(), resolver=lambda *_: [address]) == (
        "fetch.address"
    )


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "2606:2800:21f:cb07::1", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"]
)  # fmt: skip
def test_public_addresses_may_be(address: str) -> None:
    assert Networks().allow(address)


def test_a_named_network_may_be_asked_and_no_other() -> None:
    networks = Networks(["10.1.0.0/16", "fd00::/8"])
    assert networks.allow("10.1.2.3")
    assert networks.allow("::ffff:10.1.2.3")
    assert networks.allow("fd12::1")
    assert not networks.allow("10.2.0.1")
    assert not networks.allow("127.0.0.1")


@pytest.mark.parametrize("network", ["nonsense", "10.0.0.1/8", "10.0.0.0/99", ""])
def test_what_is_no_network_is_a_usage_error(network: str) -> None:
    with pytest.raises(UsageError):
        HttpFetcher(networks=[network])


def test_of_several_addresses_only_the_public_are_tried(server: Server) -> None:
    server.pages["/"] = answer(BODY)
    url = f"http://ca.example:{server.port}/"
    assert fetch(url, resolver=lambda *_: ["10.0.0.1", "127.0.0.1"]) == BODY
    assert server.asked[0][2]["Host"] == f"ca.example:{server.port}"


def test_the_address_that_was_judged_is_the_one_that_is_connected_to(server: Server) -> None:
    """A name may lead elsewhere a moment later (DNS rebinding): it is not asked a second time."""
    server.pages["/"] = answer(BODY)
    answers = iter([["127.0.0.1"]])
    assert fetch(f"http://ca.example:{server.port}/", resolver=lambda *_: next(answers)) == BODY


def test_a_name_that_leads_nowhere() -> None:
    def unknown(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    assert refused("http://nobody.example/", resolver=unknown) == "fetch.host"


def test_messages_hold_nothing_that_steers_a_terminal() -> None:
    with pytest.raises(FetchError) as caught:
        fetch("http://a.example/\x1b[31m" + "x" * 5000)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


# --- https -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def web_ca() -> Made:
    now = datetime.now(UTC)
    return ca("Web CA", start=now - DAY, end=now + DAY)


@pytest.fixture
def secure(web_ca: Made, tmp_path: Path) -> Iterator[Server]:
    """A server for the name crl.example."""
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    name = x509.SubjectAlternativeName([x509.DNSName("crl.example")])
    now = datetime.now(UTC)
    made = make(
        "crl.example", web_ca, extensions=[(usage, False), (name, False)],
        start=now - DAY, end=now + DAY,
    )  # fmt: skip
    pem = made.certificate.pem() + made.key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    (tmp_path / "server.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    with serving(context) as server:
        server.pages["/"] = answer(BODY)
        yield server


def test_https_is_fetched_from_who_shows_that_they_are_it(secure: Server, web_ca: Made) -> None:
    known = ssl.create_default_context(cadata=web_ca.certificate.pem().decode())
    here: Any = {"resolver": lambda *_: ["127.0.0.1"]}
    right, wrong = (f"https://{name}:{secure.port}/" for name in ("crl.example", "a.example"))
    assert fetch(right, context=known, **here) == BODY
    assert refused(wrong, context=known, **here) == "fetch.failed"
    assert refused(right, **here) == "fetch.failed", "nobody here knows that CA"
    secure.pages["/"] = status(302, "http://crl.example/")
    assert refused(right, context=known, **here) == "fetch.redirect"


# --- several protocols ---------------------------------------------------------------------


def test_each_scheme_has_its_fetcher() -> None:
    class Fixed:
        def fetch(self, url: str, **more: Any) -> bytes:
            return url.encode()

    both = ByScheme({"http": Fixed()})
    assert both.fetch("HTTP://x/", seconds=1, most_bytes=99) == b"HTTP://x/"
    with pytest.raises(FetchError) as caught:
        both.fetch("ldap://x/", seconds=1, most_bytes=99)
    assert caught.value.code == "fetch.scheme"
