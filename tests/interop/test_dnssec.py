"""A real DNS: zones signed by knot, one of them changed afterwards, and unbound, which validates."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rdata
import dns.zone
import pytest

from smimekit.errors import FetchError
from smimekit.trust import ByAddress
from smimekit.trust.lookup import Resolver, SmimeaSource
from smimekit.trust.lookup.smimea import owner_name
from tests.interop.daemons import free_port, running
from tests.interop.peers import folder
from tests.interop.revoking import TIMES
from tests.trust.certs import Made, ca, person

ROOT = ca("DNSSEC Root", **TIMES)
SIGNED, CHANGED, PLAIN = "signed.test", "changed.test", "plain.test"
PEOPLE: dict[str, Made] = {
    zone: person(f"alice@{zone}", ROOT, **TIMES) for zone in (SIGNED, CHANGED, PLAIN)
}
MALLORY = person(f"alice@{CHANGED}", ca("Mallory's", **TIMES), **TIMES)


def zone_text(zone: str) -> str:
    label = owner_name(f"alice@{zone}").partition(".")[0]
    return (
        f"$ORIGIN {zone}.\n$TTL 300\n@ SOA ns host 1 3600 600 86400 300\n@ NS ns\n"
        f"ns A 127.0.0.1\n{label}._smimecert SMIMEA 3 0 0 {PEOPLE[zone].der.hex()}\n"
    )


def knot_settings(home: Path, port: int, *zones: str, signing: bool) -> str:
    listed = "".join(f"  - domain: {zone}\n" for zone in zones)
    return (
        f"server:\n    listen: 127.0.0.1@{port}\n    rundir: {home}\n"
        f"database:\n    storage: {home}/keys\n"
        "acl:\n  - id: here\n    address: 127.0.0.1\n    action: transfer\n"
        "policy:\n  - id: one-key\n    single-type-signing: on\n"
        f'template:\n  - id: default\n    storage: {home}\n    file: "%s.zone"\n'
        f"    acl: here\n    zonefile-sync: -1\n    dnssec-policy: one-key\n"
        f"    dnssec-signing: {'on' if signing else 'off'}\nzone:\n{listed}"
    )


def serves(port: int, *zones: str) -> bool:
    """Whether a server on loopback has these zones."""
    try:
        answers = [
            dns.query.tcp(dns.message.make_query(zone, "SOA"), "127.0.0.1", port=port, timeout=5)
            for zone in zones
        ]
    except (OSError, EOFError, dns.exception.DNSException):
        return False
    return all(one.answer for one in answers)


@contextmanager
def knot(program: str, home: Path, *zones: str, signing: bool) -> Iterator[int]:
    port = free_port()
    (home / "knot.conf").write_text(knot_settings(home, port, *zones, signing=signing))
    (home / "keys").mkdir()
    command = [program, "-c", str(home / "knot.conf")]
    with running(command, lambda: serves(port, *zones), home / "log"):
        yield port


def trust_anchor(keymgr: str, home: Path, zone: str) -> str:
    command = [keymgr, "-c", str(home / "knot.conf"), zone, "ds"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.splitlines()[0]


def changed_copy(port: int) -> str:
    """The signed zone, with somebody else's certificate in place of the one that was signed."""
    transfer = dns.query.xfr("127.0.0.1", CHANGED, port=port, lifetime=30, relativize=False)
    zone: Any = dns.zone.from_xfr(transfer, relativize=False)
    records = zone.find_rdataset(owner_name(f"alice@{CHANGED}"), "SMIMEA")
    assert records.pop().cert == PEOPLE[CHANGED].der
    records.add(dns.rdata.from_text("IN", "SMIMEA", f"3 0 0 {MALLORY.der.hex()}"))
    text: str = zone.to_text(relativize=False)
    return text


def unbound_settings(home: Path, port: int, anchors: list[str], stubs: dict[str, int]) -> str:
    server = (
        f"server:\n  interface: 127.0.0.1\n  port: {port}\n  access-control: 127.0.0.0/8 allow\n"
        f'  do-daemonize: no\n  use-syslog: no\n  logfile: ""\n  username: ""\n  chroot: ""\n'
        f'  directory: "{home}"\n  pidfile: ""\n  do-not-query-localhost: no\n  num-threads: 1\n'
        f'  module-config: "validator iterator"\n  local-zone: "test." nodefault\n'
    )
    server += "".join(f'  trust-anchor: "{one}"\n' for one in anchors)
    control = "remote-control:\n  control-enable: no\n"
    return (
        server
        + control
        + "".join(
            f"stub-zone:\n  name: {zone}\n  stub-addr: 127.0.0.1@{where}\n"
            for zone, where in stubs.items()
        )
    )


@pytest.fixture(scope="module")
def resolver(require_program: Callable[[str], str]) -> Iterator[Resolver]:
    knotd, keymgr, unbound = map(require_program, ("knotd", "keymgr", "unbound"))
    with ExitStack() as open_until_then:
        enter = open_until_then.enter_context
        signer, static, home = (enter(folder()) for _ in range(3))
        for zone in (SIGNED, CHANGED):
            (signer / f"{zone}.zone").write_text(zone_text(zone))
        signed = enter(knot(knotd, signer, SIGNED, CHANGED, signing=True))
        (static / f"{CHANGED}.zone").write_text(changed_copy(signed))
        (static / f"{PLAIN}.zone").write_text(zone_text(PLAIN))
        other = enter(knot(knotd, static, CHANGED, PLAIN, signing=False))
        anchors = [trust_anchor(keymgr, signer, zone) for zone in (SIGNED, CHANGED)]
        port = free_port()
        stubs = {SIGNED: signed, CHANGED: other, PLAIN: other}
        (home / "unbound.conf").write_text(unbound_settings(home, port, anchors, stubs))
        command = [unbound, "-c", str(home / "unbound.conf")]
        enter(running(command, lambda: serves(port, SIGNED), home / "log"))
        yield Resolver(address="127.0.0.1", port=port)


def found(resolver: Resolver, address: str) -> list[Any]:
    return list(SmimeaSource(resolver).find(ByAddress(address)))


def test_a_signed_record_is_found(resolver: Resolver) -> None:
    assert found(resolver, f"alice@{SIGNED}") == [PEOPLE[SIGNED].certificate]


def test_that_there_is_no_record_is_validated_too(resolver: Resolver) -> None:
    assert found(resolver, f"bob@{SIGNED}") == []


def test_a_record_that_was_changed_is_refused(resolver: Resolver) -> None:
    """unbound says SERVFAIL: bogus (RFC 4035, 5.5)."""
    with pytest.raises(FetchError) as caught:
        found(resolver, f"alice@{CHANGED}")
    assert caught.value.code == "fetch.dns"


def test_the_change_is_there_for_who_does_not_validate(resolver: Resolver) -> None:
    """So it is the validation that refuses it: with checking disabled, it is handed out."""
    query = dns.message.make_query(owner_name(f"alice@{CHANGED}"), "SMIMEA", want_dnssec=True)
    query.flags |= dns.flags.CD
    answer = dns.query.tcp(query, resolver.address, port=resolver.port or 53, timeout=30)
    assert MALLORY.der.hex() in answer.answer[0].to_text().replace(" ", "")


def test_a_record_in_an_unsigned_zone_is_refused(resolver: Resolver) -> None:
    with pytest.raises(FetchError) as caught:
        found(resolver, f"alice@{PLAIN}")
    assert caught.value.code == "fetch.not-validated"


def test_a_server_that_does_not_validate_is_not_believed(
    require_program: Callable[[str], str],
) -> None:
    """The authoritative server of a signed zone sets no AD bit."""
    with folder() as home:
        (home / f"{SIGNED}.zone").write_text(zone_text(SIGNED))
        with knot(require_program("knotd"), home, SIGNED, signing=True) as port:
            direct = Resolver(address="127.0.0.1", port=port)
            with pytest.raises(FetchError) as caught:
                found(direct, f"alice@{SIGNED}")
    assert caught.value.code == "fetch.not-validated"
