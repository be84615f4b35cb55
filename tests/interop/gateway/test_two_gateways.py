"""Scenario 10: two gateways on one PostgreSQL."""

import smtplib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from smimekit import Credential
from tests.interop.gateway.mail_system import (
    Gateway,
    Ports,
    Setup,
    mail_system,
    started,
    write_config,
)
from tests.interop.gateway.test_outbound import letter
from tests.interop.gateway.test_partners import ALICE, is_encrypted, signed_by
from tests.interop.peers import OpenSsl, folder
from tests.interop.postgres import Postgres, server

BOB = "bob@partner.example"


@pytest.fixture(scope="module")
def postgres(require_program: Callable[[str], str]) -> Iterator[Postgres]:
    with server(require_program) as found:
        yield found


def hand(port: int, sender: str, to: str, mail: bytes) -> None:
    with smtplib.LMTP("127.0.0.1", port, "client.example.net", timeout=60) as client:
        client.sendmail(sender, [to], mail)


def test_what_one_learns_the_other_knows(
    postfix: str, keys: dict[str, bytes], openssl: OpenSsl, bob: Credential, postgres: Postgres
) -> None:
    rules = "[inbound]\ndigest = false\n"
    setup = Setup(
        keys=keys, rules=rules, store=postgres.database(), direct=True, workers="processes = 1"
    )
    with mail_system(postfix, setup) as mail, folder() as home:
        other = Gateway(home / "other", Ports(next_hop=mail.sink.port))
        write_config(other, setup)
        with started(other):
            # Both learn the same certificate at the same time.
            ports = [mail.ports.from_outside, other.ports.from_outside]
            with ThreadPoolExecutor(8) as threads:
                for number in range(8):
                    signed = signed_by(openssl, bob, BOB)
                    one = b"Message-ID: <%d@x>\r\n" % number + signed
                    threads.submit(hand, ports[number % 2], BOB, ALICE, one)
            mail.arrived(8)
            mail.gateway.run("trust", "trust", "--store", setup.store, BOB, "--why", "By phone")
            for port in (mail.ports.from_inside, other.ports.from_inside):
                hand(port, ALICE, BOB, letter("Hello"))
                (sent,) = mail.arrived(1)
                assert is_encrypted(sent)
                assert b"Hello,\r\n.\r\nbye" in openssl.decrypt(sent.content, bob)
            mail.gateway.run("trust", "reject", "--store", setup.store, BOB, "--why", "Lost it")
            for port in (mail.ports.from_inside, other.ports.from_inside):
                hand(port, ALICE, BOB, letter("Hello again"))
                (sent,) = mail.arrived(1)
                assert not is_encrypted(sent)
