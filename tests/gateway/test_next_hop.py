"""The way to the next hop through TLS (RFC 3207): all of the mail, or none of it."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from smimekit.gateway.envelope import Client
from smimekit.gateway.handover.answers import Reply
from smimekit.gateway.handover.next_hop import NextHop, Tls
from smimekit.gateway.handover.relay import Relay
from tests.gateway.peers import OFFERS, Hop, hop
from tests.gateway.test_relay import MESSAGE, mail
from tests.trust.certs import DAY, ca, make


@dataclass
class Site:
    """A certification authority, and servers of its."""

    folder: Path

    def __post_init__(self) -> None:
        now = datetime.now(UTC)
        self.ca = ca("TLS CA", start=now - DAY, end=now + DAY)
        self.ca_file = self.folder / "ca.pem"
        self.ca_file.write_bytes(self.ca.certificate.pem())

    def server(self, address: str) -> ssl.SSLContext:
        now = datetime.now(UTC)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        name = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        made = make(
            "hop", self.ca, extensions=[(usage, False), (name, False)],
            start=now - DAY, end=now + DAY,
        )  # fmt: skip
        key = made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / "hop.pem").write_bytes(made.certificate.pem() + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "hop.pem")
        return context


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(site: Site) -> Iterator[Hop]:
    with hop(offers=("STARTTLS", *OFFERS)) as found:
        found.tls = site.server("127.0.0.1")
        yield found


def sent(server: Hop, site: Site, ca_file: Path | None = None) -> Reply:
    way = NextHop(
        host="127.0.0.1", port=server.port, tls=Tls.REQUIRED, timeout=20,
        ca_file=str(ca_file or site.ca_file),
    )  # fmt: skip
    relay = Relay(way)
    try:
        (reply,) = relay.deliver(mail("b@x.org"), Client())
    finally:
        relay.close()
    return reply


def test_everything_goes_through_tls(server: Hop, site: Site) -> None:
    assert sent(server, site).code == 250
    assert server.arrived[0].content == MESSAGE
    assert all(server.secure)


def test_what_is_said_before_tls_counts_for_nothing(server: Hop, site: Site) -> None:
    """Whoever sits between adds the reply to our next command (CVE-2011-0411, and its like)."""
    server.injected = "\r\n250-evil.example\r\n250 XFORWARD ADDR\r\n250 OK\r\n250 OK\r\n354 Go"
    assert sent(server, site).code == 250
    assert server.arrived[0].content == MESSAGE
    assert all(server.secure)


@pytest.mark.parametrize("fault", ["offered", "refused", "name", "issuer", "garbage"])
def test_no_mail_where_there_is_no_tls(server: Hop, site: Site, fault: str) -> None:
    """Neither stripped, nor to somebody else; and the mail stays with its sender."""
    ca_file = site.ca_file
    match fault:
        case "offered":
            server.offers = OFFERS
        case "refused" | "garbage":
            server.tls = None
            said = "454 4.7.0 Not now" if fault == "refused" else "220 Go\r\nno TLS at all"
            server.answer = lambda command: said if command == "STARTTLS" else ""
        case "name":
            server.tls = site.server("127.0.0.2")
        case _:
            ca_file = site.folder / "other.pem"
            now = datetime.now(UTC)
            other = ca("Another CA", start=now - DAY, end=now + DAY)
            ca_file.write_bytes(other.certificate.pem())
    assert sent(server, site, ca_file).code == 451
    assert server.arrived == []
    assert not any(each.startswith(("MAIL", "RCPT", "XFORWARD")) for each in server.commands)
