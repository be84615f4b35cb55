"""Revocation over real HTTP: `openssl ocsp`, CRLs of `openssl ca`, and servers that fail."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from smimekit.trust import (
    FetchRules,
    Judgement,
    OnlineEvidence,
    Purpose,
    Revocation,
    RevocationPolicy,
    Trust,
)
from smimekit.trust.network.http import HttpFetcher
from tests.interop.daemons import running
from tests.interop.peers import folder, run
from tests.interop.revoking import TIMES, index_line, key_pem, revocation_list
from tests.trust.certs import Made, ca, make, person
from tests.trust.http_server import Page, Server, answer, endless, hanging, raw, serving, status
from tests.trust.network import access, crl_at

LOOPBACK = ["127.0.0.0/8"]
GOOD, REVOKED, UNKNOWN = Revocation.GOOD, Revocation.REVOKED, Revocation.UNKNOWN
ROOT, OTHER = ca("Servers Root", **TIMES), ca("Other Root", **TIMES)
_SIGNING = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
APPOINTED = make(
    "Responder", ROOT, extensions=[(_SIGNING, False), (x509.OCSPNoCheck(), False)], **TIMES
)
STRANGER = make("Stranger", OTHER, extensions=[(_SIGNING, False)], **TIMES)
PORT = re.compile(rb"^ACCEPT .*:(\d+)\b", re.MULTILINE)


def judge(who: Made, fetcher: HttpFetcher | None = None, **rules: Any) -> Judgement:
    """Judge now: a foreign responder has no other time."""
    evidence = OnlineEvidence(fetcher or HttpFetcher(networks=LOOPBACK), rules=FetchRules(**rules))
    trust = Trust(anchors=[ROOT.certificate], revocation=RevocationPolicy.HARD, evidence=evidence)
    return trust.judge(who.certificate, Purpose.VERIFY)


# --- openssl ocsp --------------------------------------------------------------------------


@contextmanager
def responder(program: str, home: Path, signer: Made, index: str) -> Iterator[str]:
    """A responder's URL. It listens on all addresses, and knows no other way."""
    (home / "ca.pem").write_bytes(ROOT.certificate.pem())
    (home / "signer.pem").write_bytes(signer.certificate.pem())
    (home / "signer.key").write_bytes(key_pem(signer))
    (home / "index.txt").write_text(index)
    log = home / "log"
    command = [
        program, "ocsp", "-port", "0", "-index", str(home / "index.txt"), "-CA",
        str(home / "ca.pem"), "-rsigner", str(home / "signer.pem"), "-rkey",
        str(home / "signer.key"), "-nmin", "60",
    ]  # fmt: skip
    with running(command, lambda: PORT.search(log.read_bytes()) is not None, log):
        found = PORT.search(log.read_bytes())
        assert found
        yield f"http://127.0.0.1:{int(found[1])}/"


@dataclass(frozen=True)
class Asked:
    """What responders say about somebody, and about whom."""

    url: str
    program: str

    def about(self, serial: int) -> Made:
        more = [access(ocsp_at=(self.url,))]
        return person("ocsp@example.com", ROOT, serial=serial, more=more, **TIMES)


FINE, GONE, UNHEARD = 0x1A2B, 0xABC, 0x77


def index() -> str:
    known = ((FINE, False), (GONE, True))
    people = [
        (person("x@example.com", ROOT, serial=serial, **TIMES), gone) for serial, gone in known
    ]
    return "".join(index_line(who, revoked=gone) for who, gone in people)


@pytest.fixture(scope="module")
def start(require_program: Callable[[str], str]) -> Iterator[Callable[[Made], Asked]]:
    """Start a responder with a signer."""
    program = require_program("openssl")
    with ExitStack() as open_until_then:

        def begin(signer: Made) -> Asked:
            home = open_until_then.enter_context(folder())
            made = responder(program, home, signer, index())
            return Asked(open_until_then.enter_context(made), program)

        yield begin


@pytest.fixture(scope="module")
def by_the_ca(start: Callable[[Made], Asked]) -> Asked:
    return start(ROOT)


@pytest.mark.parametrize(
    ("serial", "revocation"), [(FINE, GOOD), (GONE, REVOKED), (UNHEARD, UNKNOWN)]
)
@pytest.mark.parametrize("nonces", [False, True])
def test_the_ca_itself_answers(
    by_the_ca: Asked, serial: int, revocation: Revocation, nonces: bool
) -> None:
    assert judge(by_the_ca.about(serial), nonces=nonces).revocation is revocation


def test_an_appointed_responder_answers(start: Callable[[Made], Asked]) -> None:
    asked = start(APPOINTED)
    assert judge(asked.about(FINE)).revocation is GOOD
    assert judge(asked.about(GONE)).revocation is REVOKED


def test_a_stranger_does_not(start: Callable[[Made], Asked]) -> None:
    asked = start(STRANGER)
    for serial in (FINE, GONE):
        assert judge(asked.about(serial)).revocation is UNKNOWN


def test_openssl_says_the_same_about_our_request(by_the_ca: Asked) -> None:
    """A witness of our reading: its own client, asked about the same certificates."""
    with folder() as here:
        (here / "ca.pem").write_bytes(ROOT.certificate.pem())
        said = []
        for serial in (FINE, GONE, UNHEARD):
            (here / "who.pem").write_bytes(by_the_ca.about(serial).certificate.pem())
            command = [
                by_the_ca.program, "ocsp", "-issuer", str(here / "ca.pem"), "-cert",
                str(here / "who.pem"), "-url", by_the_ca.url, "-CAfile", str(here / "ca.pem"),
            ]  # fmt: skip
            said.append(run(command).split(b"\n")[0].rpartition(b": ")[2])
    assert said == [b"good", b"revoked", b"unknown"]


# --- CRLs of openssl ca --------------------------------------------------------------------


def made_by_openssl(program: str, index_text: str) -> bytes:
    """A CRL in DER."""
    with folder() as here:
        (here / "ca.pem").write_bytes(ROOT.certificate.pem())
        (here / "ca.key").write_bytes(key_pem(ROOT))
        (here / "index.txt").write_text(index_text)
        (here / "number").write_text("1000\n")
        (here / "ca.conf").write_text(
            f"[ca]\ndefault_ca=x\n[x]\ndatabase={here}/index.txt\ncrlnumber={here}/number\n"
            "default_md=sha256\ndefault_crl_days=3\ncrl_extensions=e\n"
            "[e]\nauthorityKeyIdentifier=keyid\n"
        )
        command = [
            program, "ca", "-gencrl", "-config", str(here / "ca.conf"), "-cert",
            str(here / "ca.pem"), "-keyfile", str(here / "ca.key"), "-out", str(here / "crl.pem"),
        ]  # fmt: skip
        run(command)
        return run([program, "crl", "-in", str(here / "crl.pem"), "-outform", "DER"])


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def with_crl_at(server: Server, path: str = "/crl", **more: Any) -> Made:
    return person("crl@example.com", ROOT, more=[crl_at(server.url(path))], **TIMES, **more)


def test_a_crl_of_openssl_is_fetched(require_program: Callable[[str], str], server: Server) -> None:
    found = made_by_openssl(require_program("openssl"), index())
    server.pages["/crl"] = answer(found)
    later = OnlineEvidence(HttpFetcher(networks=LOOPBACK))  # its clock is that of openssl
    trust = Trust(anchors=[ROOT.certificate], revocation=RevocationPolicy.HARD, evidence=later)
    for serial, revocation in ((FINE, GOOD), (UNHEARD, GOOD), (GONE, REVOKED)):
        who = with_crl_at(server, serial=serial)
        assert trust.judge(who.certificate, Purpose.VERIFY).revocation is revocation
    assert len(server.asked) == 1


# --- servers that fail ---------------------------------------------------------------------

CRL = revocation_list(ROOT)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CRL)
FAILING: dict[str, Callable[[Server], Page]] = {
    "404": lambda _: status(404),
    "500": lambda _: status(500),
    "cut": lambda _: raw(_HEAD + CRL[:-9]),
    "cut without a length": lambda _: raw(b"HTTP/1.1 200 OK\r\n\r\n" + CRL[:-9]),
    "another CA's": lambda _: answer(revocation_list(OTHER)),
    "a page": lambda _: answer(b"<html>Please sign in.</html>", Content_Type="text/html"),
    "silence": hanging,
    "a slow end": lambda server: hanging(server, _HEAD + CRL[:-9]),
    "no end": lambda server: endless(server, b"HTTP/1.1 200 OK\r\n\r\n" + CRL, CRL),
    "in circles": lambda _: status(302, "/crl"),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_server_that_fails_leaves_it_unknown_and_says_why(server: Server, name: str) -> None:
    server.pages["/crl"] = FAILING[name](server)
    found = judge(with_crl_at(server), seconds=0.3)
    assert found.revocation is UNKNOWN
    (reason,) = [one for one in found.reasons if one.code == "revocation.fetch"]
    assert reason.text.startswith(server.url("/crl"))


@pytest.mark.parametrize("name", sorted(FAILING.keys() - {"silence", "a slow end"}))
def test_another_place_serves_where_one_fails(server: Server, name: str) -> None:
    server.pages |= {"/crl": FAILING[name](server), "/mirror": answer(CRL)}
    places = crl_at(server.url("/crl"), server.url("/mirror"))
    who = person("crl@example.com", ROOT, more=[places], **TIMES)
    assert judge(who, seconds=60).revocation is GOOD


def test_a_revocation_is_found(server: Server) -> None:
    who = with_crl_at(server)
    server.pages["/crl"] = answer(revocation_list(ROOT, who))
    assert judge(who).revocation is REVOKED


def test_without_the_network_named_nothing_private_is_asked(server: Server) -> None:
    server.pages["/crl"] = answer(CRL)
    assert judge(with_crl_at(server), HttpFetcher()).revocation is UNKNOWN
    assert server.asked == []
