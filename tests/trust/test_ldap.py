"""LDAP: what is asked, what is taken from the answer, and servers that are broken or hostile.

The server here knows as much of RFC 4511 as the tests need; `tests/interop` asks a real one.
"""

import itertools
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from smimekit import der
from smimekit.certificate import Certificate
from smimekit.cms.signed_writing import certs_only
from smimekit.errors import FetchError, UsageError
from smimekit.message.bundle import read_bundle
from smimekit.trust import ByAddress, BySubject, Post
from smimekit.trust.lookup import LdapFetcher, LdapServer, LdapSource, LookupLimits
from tests.trust.certs import ca, person

ALICE = "alice@example.com"
ROOT = ca("LDAP Root")
LEAF = person(ALICE, ROOT)
LOOPBACK = ("127.0.0.0/8",)
BIND, UNBIND, SEARCH = 0x60, 0x42, 0x63

Reply = Callable[["Directory", int], bytes]


class Directory:
    """What the server was asked; `gone` is set when the test is over."""

    def __init__(self, search: Reply, bind: int = 0) -> None:
        self.search, self.bind = search, bind
        self.hangs_up = False
        self.requests: list[bytes] = []
        self.gone = threading.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"


def enumerated(value: int) -> bytes:
    return der.tlv(0x0A, bytes([value]))


def message(number: int, operation: bytes) -> bytes:
    return der.sequence(der.integer(number), operation)


def result(tag: int, code: int = 0) -> bytes:
    return der.tlv(tag, enumerated(code), der.octet_string(b""), der.octet_string(b""))


def entry(number: int, attributes: Mapping[str, list[bytes]]) -> bytes:
    lists = [
        der.sequence(
            der.octet_string(name.encode()), der.tlv(der.SET, *map(der.octet_string, found))
        )
        for name, found in attributes.items()
    ]
    return message(number, der.tlv(0x64, der.octet_string(b"cn=x"), der.sequence(*lists)))


def shows(*entries: Mapping[str, list[bytes]], code: int = 0) -> Reply:
    """These entries, and the end."""

    def reply(_: Directory, number: int) -> bytes:
        found = b"".join(entry(number, one) for one in entries)
        return found + message(number, result(0x65, code))

    return reply


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        made: Any = self.server
        directory: Directory = made.directory
        data = b""
        while True:
            data += self.request.recv(65536) or b""
            if not data:
                return
            reader = der.Reader(der.Reader(data).read(der.SEQUENCE))
            data, number = b"", reader.integer()
            operation = reader.raw()
            directory.requests.append(operation)
            if operation[0] == UNBIND:
                return
            if operation[0] == BIND:
                answer = message(number, result(0x61, directory.bind))
            else:
                answer = directory.search(directory, number)
            self.request.sendall(answer)
            if operation[0] == SEARCH and directory.hangs_up:
                return
            if not answer:
                directory.gone.wait(60)
                return


@contextmanager
def serving(search: Reply, **more: Any) -> Iterator[Directory]:
    directory = Directory(search, **more)

    class Server(socketserver.ThreadingTCPServer):
        def handle_error(self, *_: Any) -> None:
            """Who asked has gone."""

    with Server(("127.0.0.1", 0), _Handler) as server:
        made: Any = server
        made.directory, directory.port = directory, server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield directory
        finally:
            directory.gone.set()
            server.shutdown()
            thread.join()


def source_of(directory: Directory, **more: Any) -> LdapSource:
    settings = {"url": directory.url, "base": "dc=example", **more.pop("server", {})}
    return LdapSource(LdapServer(**settings), read=read_bundle, **more)


def found(search: Reply, address: str = ALICE, **more: Any) -> list[Certificate]:
    with serving(search) as directory:
        return list(source_of(directory, **more).find(ByAddress(address)))


def refused(search: Reply, **more: Any) -> str:
    with pytest.raises(FetchError) as caught:
        found(search, **more)
    return caught.value.code


# --- answers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attributes",
    [
        {"userCertificate;binary": [LEAF.der]},
        {"userCertificate": [LEAF.der]},
        {"USERCERTIFICATE;BINARY": [LEAF.der]},
        {"userSMIMECertificate;binary": [certs_only([LEAF.der, ROOT.der])]},
        {"userSMIMECertificate": [certs_only([LEAF.der])]},
        {"userCertificate;binary": [b"junk", LEAF.der], "userSMIMECertificate": [b"junk"]},
    ],
)
def test_certificates_of_both_attributes_are_found(attributes: dict[str, list[bytes]]) -> None:
    assert found(shows(attributes)) == [LEAF.certificate]


def test_each_certificate_comes_once_and_only_those_for_the_address() -> None:
    other = person("other@example.com", ROOT)
    twice = {"userCertificate;binary": [LEAF.der, other.der]}
    assert found(shows(twice, twice)) == [LEAF.certificate]


@pytest.mark.parametrize("code", [0, 3, 4, 32])
def test_nobody_there_is_an_answer(code: int) -> None:
    assert found(shows(code=code)) == []


def test_so_many_and_no_more() -> None:
    many = {"userCertificate;binary": [person(ALICE, ROOT).der for _ in range(4)]}
    assert len(found(shows(many), limits=LookupLimits(results=3))) == 3


def test_only_addresses_are_asked_for() -> None:
    with serving(shows()) as directory:
        assert list(source_of(directory).find(BySubject(LEAF.certificate.subject))) == []
        assert directory.requests == []


# --- the question --------------------------------------------------------------------------


def asked_for(address: str, **server: Any) -> bytes:
    with serving(shows()) as directory:
        list(source_of(directory, server=server).find(ByAddress(address)))
        (search,) = [one for one in directory.requests if one[0] == SEARCH]
    return search


def equality(name: bytes, value: bytes) -> bytes:
    """An equalityMatch filter (RFC 4511, 4.5.1.7)."""
    return der.tlv(0xA3, der.octet_string(name), der.octet_string(value))


@pytest.mark.parametrize(
    "address",
    [
        ALICE,
        "*",
        "*@example.com",
        "a)(uid=*",
        "a)(|(mail=*))",
        "a\\2a@example.com",
        "a\x00b@example.com",
        "m\u00fcller@example.com",
        "(&)!=~<>:",
        "\udcff@example.com",
    ],
)
def test_whatever_the_address_is_it_stays_a_value(address: str) -> None:
    """RFC 4515, 3: a filter is not to be written by who is looked for."""
    wanted = der.tlv(0xA1, equality(b"mail", address.encode("utf-8", "surrogatepass")))
    assert wanted in asked_for(address)


def test_the_attributes_and_the_base_are_the_administrators() -> None:
    search = asked_for(ALICE, base="ou=people,dc=example", address_attributes=("mail", "alias"))
    both = equality(b"mail", ALICE.encode()) + equality(b"alias", ALICE.encode())
    assert der.tlv(0xA1, both) in search
    assert der.octet_string(b"ou=people,dc=example") in search


def test_a_password_is_not_sent_in_the_clear() -> None:
    secret = ("cn=us", "secret")
    for url in ("ldap://a.example",):
        with pytest.raises(UsageError) as caught:
            LdapServer(url=url, credentials=secret)
        assert caught.value.code == "usage.ldap-password"
    LdapServer(url="ldaps://a.example", credentials=secret)
    LdapServer(url="ldap://a.example", credentials=secret, start_tls=True)


@pytest.mark.parametrize(
    "url", ["", "http://a.example", "ldap://", "ldap://a:0", "ldap://a:x", "ldap://u@a", "ldap://[a"]
)  # fmt: skip
def test_what_is_no_directory_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        LdapServer(url=url)
    assert caught.value.code == "usage.ldap-url"


# --- broken and hostile directories --------------------------------------------------------


@pytest.mark.parametrize("code", [1, 2, 50, 53, 80])
def test_a_refusal_is_a_failure(code: int) -> None:
    assert refused(shows(code=code)) == "fetch.ldap"


def test_who_does_not_let_us_in() -> None:
    with serving(shows(), bind=49) as directory, pytest.raises(FetchError) as caught:
        list(source_of(directory).find(ByAddress(ALICE)))
    assert caught.value.code == "fetch.ldap"


def test_a_referral_is_not_followed() -> None:
    """It would lead to any machine that the directory names."""
    with serving(shows()) as other:

        def refer(_: Directory, number: int) -> bytes:
            url = der.octet_string(f"{other.url}/dc=example".encode())
            done = der.tlv(
                0x65, enumerated(10), der.octet_string(b""), der.octet_string(b""),
                der.tlv(0xA3, url),
            )  # fmt: skip
            return message(number, der.tlv(0x73, url)) + message(number, done)

        assert refused(refer) == "fetch.ldap"
        assert other.requests == []


@pytest.mark.parametrize(
    "junk",
    [
        b"\xff" * 100,
        b"\x30\x03\x02\x01\x01",
        b"\x30\x84\xff\xff\xff\xff",
        message(9, result(0x65)) + b"\x30",
        message(2, der.tlv(0x65)),
        message(2, der.tlv(0x64, der.octet_string(b"cn=x"), der.octet_string(b"no list"))),
    ],
)
def test_junk_is_a_failure(junk: bytes) -> None:
    assert refused(lambda *_: junk, limits=LookupLimits(seconds=0.3)) in {
        "fetch.ldap", "fetch.timeout",
    }  # fmt: skip


def test_who_says_too_much_is_stopped() -> None:
    def much(directory: Directory, number: int) -> bytes:
        return b"".join(entry(number, {"mail": [b"x" * 50_000]}) for _ in range(10))

    assert refused(much, limits=LookupLimits(most_bytes=100_000)) == "fetch.too-large"


def test_who_hangs_is_left() -> None:
    assert refused(lambda *_: b"", limits=LookupLimits(seconds=0.2)) == "fetch.timeout"


def test_who_drips_is_left() -> None:
    """Each octet comes in time; all together do not. The clock is the test's."""
    ticks = itertools.count()

    def much(directory: Directory, number: int) -> bytes:
        return b"".join(entry(number, {"mail": [b"x" * 100]}) for _ in range(2_000))

    code = refused(much, monotonic=lambda: next(ticks) / 2, limits=LookupLimits(most_bytes=1 << 30))
    assert code == "fetch.timeout"


def test_nobody_there() -> None:
    with serving(shows()) as directory:
        url = directory.url
    source = LdapSource(LdapServer(url=url), read=read_bundle)
    with pytest.raises(FetchError) as caught:
        list(source.find(ByAddress(ALICE)))
    assert caught.value.code == "fetch.failed"


# --- URLs ----------------------------------------------------------------------------------


def fetch(url: str, **more: Any) -> bytes:
    fetcher = LdapFetcher(networks=more.pop("networks", LOOPBACK))
    post: Post | None = more.pop("post", None)
    return fetcher.fetch(url, seconds=10, most_bytes=1000, post=post)


CRL = "certificateRevocationList;binary"


def test_a_crl_is_fetched_by_its_url() -> None:
    with serving(shows({CRL: [b"the CRL"]})) as directory:
        url = f"{directory.url}/cn=Sub%20CA,dc=example?{CRL}?base?(objectClass=*)"
        assert fetch(url) == b"the CRL"
        (search,) = [one for one in directory.requests if one[0] == SEARCH]
    assert search[2:].startswith(der.octet_string(b"cn=Sub CA,dc=example") + enumerated(0))


@pytest.mark.parametrize("tail", ["", "?", "?a,b", f"?{CRL}?sub", f"?{CRL}?one"])
def test_only_one_attribute_of_one_entry_is_fetched(tail: str) -> None:
    with serving(shows({CRL: [b"x"]})) as directory:
        with pytest.raises(FetchError) as caught:
            fetch(f"{directory.url}/cn=x{tail}")
        assert (caught.value.code, directory.requests) == ("fetch.scheme", [])


def test_an_attribute_that_is_not_there_is_a_failure() -> None:
    with serving(shows({"other": [b"x"]})) as directory, pytest.raises(FetchError) as caught:
        fetch(f"{directory.url}/cn=x?{CRL}")
    assert caught.value.code == "fetch.status"


def test_a_url_does_not_lead_behind_our_walls() -> None:
    with serving(shows({CRL: [b"x"]})) as directory:
        with pytest.raises(FetchError) as caught:
            fetch(f"{directory.url}/cn=x?{CRL}", networks=())
        assert (caught.value.code, directory.requests) == ("fetch.address", [])


@pytest.mark.parametrize("url", [f"ldap:///cn=x?{CRL}", f"http://a/x?{CRL}", "ldap://a:x/?a"])
def test_what_is_no_ldap_url_is_refused(url: str) -> None:
    with pytest.raises(FetchError) as caught:
        fetch(url)
    assert caught.value.code == "fetch.scheme"


def test_nothing_is_posted() -> None:
    with pytest.raises(FetchError) as caught:
        fetch(f"ldap://127.0.0.1/cn=x?{CRL}", post=Post(b"x", "y"))
    assert caught.value.code == "fetch.scheme"
