"""Whatever the network says, there is an answer or an `SmimeError`, and never a good word."""

import contextlib
from collections.abc import Iterator
from typing import Any

import dns.exception
import dns.name
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from smimekit.cms.signed_writing import certs_only
from smimekit.errors import FetchError, InputError, SmimeError, UsageError
from smimekit.message.bundle import read_bundle
from smimekit.trust import ByAddress, OnlineEvidence, Purpose, Revocation, RevocationPolicy, Trust
from smimekit.trust.lookup.smimea import owner_name
from smimekit.trust.network.http import HttpFetcher
from smimekit.trust.revocation.pointers import points_in
from tests.trust.certs import NOW, Made, ca, crl, person
from tests.trust.http_server import Server, raw
from tests.trust.http_server import serving as http_serving
from tests.trust.network import FakeNet, access, crl_at, ocsp_answer
from tests.trust.test_ldap import Directory, entry, message, result, source_of
from tests.trust.test_ldap import serving as ldap_serving

# Damage may make a serial number negative; cryptography warns of it.
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

CRL, OCSP = "http://crl.example/", "http://ocsp.example/"
ROOT = ca("Any Root")
BY_CRL = person("crl@example.com", ROOT, more=[crl_at(CRL)])
BY_OCSP = person("ocsp@example.com", ROOT, more=[access(ocsp_at=(OCSP,))])
GOOD = {CRL: crl(ROOT), OCSP: ocsp_answer(BY_OCSP, ROOT)}
BUNDLE = certs_only([ROOT.der, BY_CRL.der])


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Some octets are others, and the end may be missing."""
    found = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        found[draw(st.integers(0, len(found) - 1))] = draw(st.integers(0, 255))
    return bytes(found[: draw(st.sampled_from([len(found), draw(st.integers(0, len(found)))]))])


def judged(who: Made, answer: bytes) -> Revocation:
    evidence = OnlineEvidence(FakeNet({CRL: answer, OCSP: answer}), clock=lambda: NOW)
    trust = Trust(anchors=[ROOT.certificate], revocation=RevocationPolicy.HARD, evidence=evidence)
    return trust.judge(who.certificate, Purpose.VERIFY, at=NOW).revocation


@given(st.binary(max_size=300))
def test_any_octets_are_no_evidence(answer: bytes) -> None:
    assert judged(BY_CRL, answer) is Revocation.UNKNOWN
    assert judged(BY_OCSP, answer) is Revocation.UNKNOWN


@given(st.data())
def test_damaged_evidence_is_no_good_word(data: st.DataObject) -> None:
    for who, url in ((BY_CRL, CRL), (BY_OCSP, OCSP)):
        answer = data.draw(damaged(GOOD[url]))
        # An OCSP response has octets that nobody signed: certificates, version, status.
        if judged(who, answer) is Revocation.GOOD and url == CRL:
            assert answer == GOOD[url]


@given(st.one_of(st.binary(max_size=300), damaged(BUNDLE)))
def test_any_bundle_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(InputError):
        read_bundle(data)


@given(st.binary(max_size=100))
@example(b"\x30\x80")
def test_any_pointer_is_read_or_none(value: bytes) -> None:
    assert isinstance(points_in(value), tuple)


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_address_has_a_name_or_is_none(local: str, domain: str) -> None:
    try:
        name = owner_name(f"{local}@{domain}")
    except UsageError:
        return
    with contextlib.suppress(dns.exception.DNSException, UnicodeError):
        assert dns.name.from_text(name).labels[1] == b"_smimecert"


# --- over sockets --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with http_serving() as made:
        yield made


@pytest.fixture(scope="module")
def directory() -> Iterator[Directory]:
    with ldap_serving(lambda *_: b"") as made:
        made.hangs_up = True
        yield made


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"


@settings(max_examples=60)
@given(answer=st.one_of(st.binary(max_size=200), damaged(HEAD)))
def test_any_http_is_an_answer_or_a_failure(server: Server, answer: bytes) -> None:
    server.pages["/"] = raw(answer)
    with contextlib.suppress(FetchError):
        fetcher = HttpFetcher(networks=["127.0.0.0/8"])
        assert len(fetcher.fetch(server.url("/"), seconds=30, most_bytes=100)) <= 100


LDAP = entry(2, {"userCertificate;binary": [BY_CRL.der]}) + message(2, result(0x65))


@settings(max_examples=60)
@given(answer=st.one_of(st.binary(max_size=200), damaged(LDAP)))
def test_any_ldap_is_an_answer_or_a_failure(directory: Directory, answer: bytes) -> None:
    def reply(*_: Any) -> bytes:
        return answer or b"\x00"

    directory.search = reply
    with contextlib.suppress(SmimeError):
        list(source_of(directory).find(ByAddress("crl@example.com")))
