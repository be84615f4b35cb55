"""SMIMEA (RFC 8162): names, records, and that only a validated answer counts."""

import hashlib
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from smimekit.errors import FetchError, UsageError
from smimekit.trust import ByAddress, BySubject
from smimekit.trust.lookup import Association, LookupLimits, Resolver, SmimeaSource
from smimekit.trust.lookup.smimea import owner_name
from tests.trust.certs import Made, ca, person

HUGH = "hugh@example.com"
ROOT = ca("DNS Root")
LEAF = person(HUGH, ROOT)
OTHER = person("other@example.com", ROOT)


# --- names ---------------------------------------------------------------------------------


def test_the_example_of_the_rfc() -> None:
    """RFC 8162, 3: the name for hugh@example.com."""
    assert owner_name(HUGH) == (
        "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6._smimecert.example.com."
    )


@pytest.mark.parametrize(
    ("address", "same_as"),
    [
        ('"hugh"@example.com', HUGH),
        (r'"h\ugh"@example.com', HUGH),
        ("hugh@EXAMPLE.com", HUGH),
        ("mu\u0308ller@example.com", "m\u00fcller@example.com"),
        ("a@m\u00fcnchen.example", "a@xn--mnchen-3ya.example"),
    ],
    ids=["quotes", "a quoted pair", "the domain's case", "NFC", "a U-label"],
)
def test_spellings_of_one_address_have_one_name(address: str, same_as: str) -> None:
    assert owner_name(address) == owner_name(same_as)


def test_the_local_part_is_hashed_as_it_is_written() -> None:
    """RFC 8162, 4: a sender MUST NOT map variants onto each other."""
    names = {owner_name(f"{local}@example.com") for local in ("hugh", "Hugh", "hugh+x", "hu.gh")}
    assert len(names) == 4


@pytest.mark.parametrize("address", ["", "nobody", "@example.com", "hugh@"])
def test_what_is_no_address_has_no_name(address: str) -> None:
    with pytest.raises(UsageError):
        owner_name(address)


# --- records -------------------------------------------------------------------------------

DER, SPKI = LEAF.der, LEAF.certificate.spki
SELECTED = {0: DER, 1: SPKI}
MATCHED: dict[int, Callable[[bytes], bytes]] = {
    0: bytes,
    1: lambda data: hashlib.sha256(data).digest(),
    2: lambda data: hashlib.sha512(data).digest(),
}


@pytest.mark.parametrize("usage", [0, 1, 2, 3])
@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
def test_each_association_is_compared(usage: int, selector: int, matching: int) -> None:
    """RFC 8162, 5: all usages and selectors, matching types 0, 1 (MUST) and 2 (SHOULD)."""
    data = MATCHED[matching](SELECTED[selector])
    one = Association(usage, selector, matching, data)
    assert one.matches(LEAF.certificate)
    assert not one.matches(OTHER.certificate)
    assert not Association(usage, selector, matching, data[:-1]).matches(LEAF.certificate)


@pytest.mark.parametrize(("usage", "selector", "matching"), [(4, 0, 0), (0, 2, 0), (0, 0, 3), (255, 255, 255)])  # fmt: skip
def test_unknown_fields_match_nothing(usage: int, selector: int, matching: int) -> None:
    assert not Association(usage, selector, matching, DER).matches(LEAF.certificate)


# --- a resolver ----------------------------------------------------------------------------

Reply = Callable[[Any, Any], None]


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        (length,) = struct.unpack("!H", self.rfile.read(2))
        query = dns.message.from_wire(self.rfile.read(length))
        response = dns.message.make_response(query)
        made: Any = self.server
        made.queries.append(query)
        data = made.reply(query, response)
        wire = data if isinstance(data, bytes) else response.to_wire(max_size=65535)
        self.wfile.write(struct.pack("!H", len(wire)) + wire)


@contextmanager
def resolving(reply: Reply) -> Iterator[tuple[SmimeaSource, list[Any]]]:
    """A source that asks a resolver of ours, and what that was asked."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Handler) as server:
        made: Any = server
        made.reply, made.queries = reply, []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield (
                SmimeaSource(Resolver(address="127.0.0.1", port=server.server_address[1])),
                made.queries,
            )
        finally:
            server.shutdown()
            thread.join()


def record(usage: int, selector: int, matching: int, data: bytes) -> str:
    return f"{usage} {selector} {matching} {data.hex()}"


def says(*records: str, flags: int = dns.flags.AD, code: Any = dns.rcode.NOERROR) -> Reply:
    def reply(query: Any, response: Any) -> None:
        response.flags |= flags
        response.set_rcode(code)
        if records:
            name = query.question[0].name
            response.answer.append(dns.rrset.from_text(name, 300, "IN", "SMIMEA", *records))

    return reply


def found(reply: Reply) -> list[Any]:
    with resolving(reply) as (source, _):
        return list(source.find(ByAddress(HUGH)))


def refused(reply: Reply) -> str:
    with pytest.raises(FetchError) as caught:
        found(reply)
    return caught.value.code


def test_a_validated_certificate_is_found() -> None:
    with resolving(says(record(3, 0, 0, LEAF.der))) as (source, queries):
        assert list(source.find(ByAddress(HUGH))) == [LEAF.certificate]
        assert list(source.find(BySubject(LEAF.certificate.subject))) == []
    (query,) = queries
    assert query.question[0].name.to_text() == owner_name(HUGH)
    assert query.question[0].rdtype == 53
    assert query.flags & dns.flags.AD
    assert query.ednsflags & dns.flags.DO


def test_an_answer_that_is_not_validated_does_not_count() -> None:
    """RFC 8162, 6: any state other than Secure MUST be treated as a failure."""
    assert refused(says(record(3, 0, 0, LEAF.der), flags=0)) == "fetch.not-validated"


@pytest.mark.parametrize("code", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP])
def test_a_failure_is_told(code: Any) -> None:
    """SERVFAIL is what a validating resolver says of a forged answer (RFC 4035, 5.5)."""
    assert refused(says(record(3, 0, 0, LEAF.der), code=code)) == "fetch.dns"


@pytest.mark.parametrize("flags", [0, dns.flags.AD])
def test_that_there_is_nothing_is_an_answer(flags: int) -> None:
    assert found(says(flags=flags)) == []
    assert found(says(flags=flags, code=dns.rcode.NXDOMAIN)) == []


def other_name(query: Any, response: Any) -> None:
    response.flags |= dns.flags.AD
    rrset = dns.rrset.from_text("other.example.", 300, "IN", "SMIMEA", record(3, 0, 0, LEAF.der))
    response.answer.append(rrset)


def loop(query: Any, response: Any) -> None:
    response.flags |= dns.flags.AD
    name = query.question[0].name
    response.answer.append(dns.rrset.from_text(name, 300, "IN", "CNAME", "a.example."))
    response.answer.append(dns.rrset.from_text("a.example.", 300, "IN", "CNAME", name.to_text()))


def other_question(query: Any, response: Any) -> None:
    says(record(3, 0, 0, LEAF.der))(query, response)
    response.id ^= 1


def test_records_of_another_name_do_not_count() -> None:
    assert found(other_name) == []


@pytest.mark.parametrize("reply", [loop, other_question, lambda *_: b"", lambda *_: b"\xff" * 30])
def test_a_broken_answer_is_a_failure(reply: Any) -> None:
    assert refused(reply) == "fetch.dns"


def test_an_alias_is_followed() -> None:
    def reply(query: Any, response: Any) -> None:
        response.flags |= dns.flags.AD
        name = query.question[0].name
        response.answer.append(dns.rrset.from_text(name, 300, "IN", "CNAME", "a.example."))
        text = record(1, 0, 0, LEAF.der)
        response.answer.append(dns.rrset.from_text("a.example.", 300, "IN", "SMIMEA", text))

    assert found(reply) == [LEAF.certificate]


@pytest.mark.parametrize(
    ("records", "wanted"),
    [
        ([record(1, 0, 0, LEAF.der)], [LEAF]),
        ([record(0, 0, 0, ROOT.der)], [ROOT]),
        ([record(2, 0, 0, ROOT.der), record(3, 0, 0, LEAF.der)], [ROOT, LEAF]),
        ([record(3, 0, 0, OTHER.der)], []),
        ([record(2, 0, 0, LEAF.der)], []),
        ([record(3, 0, 0, b"junk")], []),
        ([record(3, 1, 0, LEAF.certificate.spki)], []),
        ([record(3, 0, 1, hashlib.sha256(LEAF.der).digest())], []),
        ([record(9, 0, 0, LEAF.der)], []),
    ],
    ids=[
        "usage 1", "usage 0", "usages 2 and 3", "somebody else", "an anchor that is none",
        "junk", "a key", "a hash", "an unknown usage",
    ],
)  # fmt: skip
def test_certificates_in_full_are_found(records: list[str], wanted: list[Made]) -> None:
    certificates = {one.certificate for one in wanted}
    assert set(found(says(*records))) == certificates


def test_hashes_are_associations() -> None:
    digest = hashlib.sha256(LEAF.der).digest()
    with resolving(says(record(3, 0, 1, digest))) as (source, _):
        (one,) = source.associations(HUGH)
    assert one == Association(3, 0, 1, digest)
    assert one.matches(LEAF.certificate)


def test_so_many_records_and_no_more() -> None:
    many = [record(3, 0, 1, bytes([number]) * 32) for number in range(30)]
    with resolving(says(*many)) as (source, _):
        assert len(source.associations(HUGH)) == LookupLimits().results


def test_a_resolver_that_hangs_is_left() -> None:
    over = threading.Event()

    def never(query: Any, response: Any) -> None:
        over.wait(60)

    with resolving(never) as (source, _):
        slow = SmimeaSource(source._resolver, limits=LookupLimits(seconds=0.1))
        with pytest.raises(FetchError) as caught:
            list(slow.find(ByAddress(HUGH)))
        over.set()
    assert caught.value.code == "fetch.dns"


def test_a_resolver_that_is_named_and_no_address_is_a_failure() -> None:
    with pytest.raises(FetchError):
        list(SmimeaSource(Resolver(address="localhost.example")).find(ByAddress(HUGH)))
