"""Looking certificates up: folders, issuers' pages, several sources in one, and what stays of it."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from smimekit.certificate import Certificate
from smimekit.cms.signed_writing import certs_only
from smimekit.errors import (
    CertificateError,
    CmsError,
    FetchError,
    InputError,
    LimitExceeded,
    MimeError,
)
from smimekit.limits import Limits
from smimekit.message.bundle import read_bundle
from smimekit.trust import (
    ByAddress,
    ByFingerprint,
    ByIssuerSerial,
    ByKeyId,
    BySubject,
    MemoryTrustStore,
    Purpose,
    Query,
    Record,
    Sighting,
    Source,
    Status,
    Trust,
    Verdict,
)
from smimekit.trust.lookup import (
    AiaSource,
    Chained,
    FolderSource,
    LookupLimits,
    answers,
    learn,
    look_up,
)
from tests.trust import certs
from tests.trust.certs import NOW, Made, ca, person
from tests.trust.judging import decide
from tests.trust.network import Clock, FakeNet, access

ALICE = "alice@example.com"
CER, P7C = "http://ca.example/sub.cer", "http://ca.example/root.p7c"
ROOT = ca("Lookup Root")
SUB = ca("Lookup Sub", ROOT, more=[access(issuers_at=(P7C,))])
LEAF = person(ALICE, SUB, more=[access(issuers_at=(CER,))])
OTHER = person("other@example.com", SUB)


def bundle(*made: Made) -> bytes:
    return certs_only([one.der for one in made])


# --- bundles -------------------------------------------------------------------------------


def pem_cms(data: bytes) -> bytes:
    import base64  # noqa: PLC0415

    return b"-----BEGIN PKCS7-----\n" + base64.encodebytes(data) + b"-----END PKCS7-----\n"


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (LEAF.der, 1),
        (LEAF.certificate.pem() + SUB.certificate.pem(), 2),
        (bundle(SUB, ROOT), 2),
        (pem_cms(bundle(SUB, ROOT)), 2),
        (pem_cms(bundle(SUB)) + b"between\n" + pem_cms(bundle(ROOT)), 2),
        (pem_cms(bundle(SUB)) + LEAF.certificate.pem(), 2),
        (certs_only([SUB.der, b"\x30\x00"]), 1),
        (certs_only([]), 0),
    ],
    ids=["der", "pem", "p7c", "p7b in pem", "two p7b", "p7b and pem", "one is malformed", "none"],
)
def test_bundles_of_each_form_are_read(data: bytes, count: int) -> None:
    assert len(read_bundle(data)) == count


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", CertificateError),
        (b"<html>", CertificateError),
        (LEAF.der[:-1], CertificateError),
        (bundle(SUB)[:-1], CertificateError),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", CertificateError),
        (pem_cms(b"\x30\x00"), CmsError),
        (pem_cms(bundle(SUB)).replace(b"M", b"=", 1), MimeError),
        (pem_cms(bundle(SUB)) + b"-----BEGIN CERTIFICATE-----\nA", CertificateError),
    ],
)
def test_what_is_no_bundle_is_refused(data: bytes, error: type[InputError]) -> None:
    with pytest.raises(error):
        read_bundle(data)


def test_bundles_are_bounded() -> None:
    with pytest.raises(LimitExceeded):
        read_bundle(bundle(*[ROOT] * 3, SUB), limits=Limits(certificates=1))


# --- a folder ------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.pem").write_bytes(LEAF.certificate.pem() + SUB.certificate.pem())
    (tmp_path / "b.DER").write_bytes(OTHER.der)
    (tmp_path / "c.p7c").write_bytes(bundle(ROOT))
    (tmp_path / "d.pem").write_text("nothing of the kind")
    (tmp_path / "e.txt").write_bytes(LEAF.certificate.pem())
    (tmp_path / "f.pem").mkdir()
    return tmp_path


def found_in(folder: Path, query: Query, **more: Any) -> list[Certificate]:
    return list(FolderSource(folder, read=read_bundle, **more).find(query))


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        (ByAddress("ALICE@example.com"), [LEAF]),
        (ByAddress("nobody@example.com"), []),
        (ByFingerprint(OTHER.certificate.fingerprint.upper()), [OTHER]),
        (ByIssuerSerial(OTHER.certificate.issuer, OTHER.certificate.serial), [OTHER]),
        (ByKeyId(ROOT.certificate.key_id or b""), [ROOT]),
        (BySubject(SUB.certificate.subject), [SUB]),
    ],
)
def test_a_folder_answers_any_query(folder: Path, query: Query, wanted: list[Made]) -> None:
    assert found_in(folder, query) == [one.certificate for one in wanted]
    assert all(answers(query, one.certificate) for one in wanted)


def test_a_folder_gives_so_many_and_no_more(tmp_path: Path) -> None:
    many = [person(ALICE, ROOT) for _ in range(5)]
    (tmp_path / "all.pem").write_bytes(b"".join(one.certificate.pem() for one in many))
    limits = LookupLimits(results=3)
    assert len(found_in(tmp_path, ByAddress(ALICE), limits=limits)) == 3


def test_a_folder_that_holds_too_much_says_so(tmp_path: Path) -> None:
    with (tmp_path / "huge.pem").open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(FetchError) as caught:
        found_in(tmp_path, ByAddress(ALICE))
    assert caught.value.code == "fetch.too-large"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FetchError) as caught:
        found_in(tmp_path / "missing", ByAddress(ALICE))
    assert caught.value.code == "fetch.folder"


# --- issuers -------------------------------------------------------------------------------


def aia(pages: dict[str, Any], *about: Made, **more: Any) -> AiaSource:
    known = [one.certificate for one in about]
    return AiaSource(FakeNet(pages), read=read_bundle, about=known, **more)


def test_an_issuer_is_found_by_its_subject() -> None:
    source = aia({CER: SUB.der}, LEAF)
    query = BySubject(LEAF.certificate.issuer)
    assert list(source.find(query)) == [SUB.certificate]
    assert list(source.find(BySubject(ROOT.certificate.subject))) == []
    assert list(source.find(ByAddress(ALICE))) == []


def test_the_way_up_is_climbed() -> None:
    source = aia({CER: SUB.der, P7C: bundle(OTHER, ROOT)})
    assert source.climb(LEAF.certificate) == (SUB.certificate, ROOT.certificate)
    assert source.climb(ROOT.certificate) == ()


@pytest.mark.parametrize(
    "page",
    [
        b"junk",
        ROOT.der,
        ca("Lookup Sub", sign_with=certs.key("mallory"), private=certs.key("mallory")).der,
        person("Lookup Sub", SUB).der,
        bundle(),
    ],
    ids=["junk", "another CA", "the same name", "no CA", "empty"],
)
def test_what_did_not_issue_it_is_not_its_issuer(page: bytes) -> None:
    with pytest.raises(FetchError) as caught:
        aia({CER: page}).climb(LEAF.certificate)
    assert caught.value.code == "fetch.issuer"


def test_circles_and_endless_ladders_end() -> None:
    one_at, two_at = "http://ca.example/1", "http://ca.example/2"
    key = certs.key("circle")
    first = ca("First", private=key, sign_with=key, issuer_name=certs.name("Second"),
               more=[access(issuers_at=(two_at,))])  # fmt: skip
    second = ca("Second", private=key, sign_with=key, issuer_name=certs.name("First"),
                more=[access(issuers_at=(one_at,))])  # fmt: skip
    source = aia({one_at: first.der, two_at: second.der})
    assert source.climb(first.certificate) == (second.certificate,)
    above, pages = ROOT, {}
    for number in range(20):
        url = f"http://ca.example/step{number}"
        pages[url] = above.der
        above = ca(f"Step {number}", above, more=[access(issuers_at=(url,))])
    net = FakeNet(dict(pages))
    assert len(AiaSource(net, read=read_bundle).climb(above.certificate)) == 8
    assert len(net.asked) == 8


# --- several sources -----------------------------------------------------------------------


class Fixed:
    """A source that gives what it is told to give."""

    kind = "fixed"

    def __init__(self, origin: str, found: Iterable[Made] | Exception, before: Any = None) -> None:
        self.origin = origin
        self._found = found
        self._before = before or (lambda: None)

    def find(self, query: Query) -> Iterable[Certificate]:
        self._before()
        if isinstance(self._found, Exception):
            raise self._found
        return [one.certificate for one in self._found]


BROKEN = Fixed("broken", FetchError("Nobody is there.", code="fetch.ldap"))


def test_each_source_is_asked_and_a_broken_one_hides_nothing() -> None:
    looked = look_up(
        ByAddress(ALICE), [BROKEN, Fixed("a", [LEAF]), Fixed("b", [LEAF, OTHER])], at=NOW
    )
    assert [(one.certificate, one.source) for one in looked.found] == [
        (LEAF.certificate, Source("fixed", "a", NOW)),
        (OTHER.certificate, Source("fixed", "b", NOW)),
    ]
    ((kind, origin, code),) = [(one.kind, one.origin, one.error.code) for one in looked.failures]
    assert (kind, origin, code) == ("fixed", "broken", "fetch.ldap")


def test_all_together_give_so_many_and_no_more() -> None:
    many = [person(ALICE, ROOT) for _ in range(4)]
    asked: list[int] = []
    sources = [
        Fixed("one", many[:2]), Fixed("two", many[2:]), Fixed("three", [], lambda: asked.append(3))
    ]  # fmt: skip
    looked = look_up(ByAddress(ALICE), sources, at=NOW, limits=LookupLimits(results=3))
    assert len(looked.found) == 3
    assert asked == []


def test_nobody_else_is_asked_when_the_time_is_over() -> None:
    clock = Clock()
    slow = Fixed("slow", [LEAF], lambda: clock.pass_by(timedelta(seconds=11)))
    looked = look_up(
        ByAddress(ALICE), [slow, Fixed("late", [OTHER])], at=NOW, monotonic=clock.monotonic
    )
    assert [one.certificate for one in looked.found] == [LEAF.certificate]
    assert [(one.origin, one.error.code) for one in looked.failures] == [("late", "fetch.timeout")]


def test_chained_sources_are_a_source() -> None:
    chained = Chained([BROKEN, Fixed("a", [LEAF])], clock=lambda: NOW)
    assert chained.find(ByAddress(ALICE)) == (LEAF.certificate,)
    assert chained.origin == "broken, a"
    assert Chained([BROKEN, Fixed("a", [])], clock=lambda: NOW).find(ByAddress(ALICE)) == ()
    with pytest.raises(FetchError):
        Chained([BROKEN, BROKEN], clock=lambda: NOW).find(ByAddress(ALICE))


# --- what stays ----------------------------------------------------------------------------


def test_what_was_found_is_a_fact_and_trusts_nobody() -> None:
    store = MemoryTrustStore()
    trust = Trust(store, clock=lambda: NOW)
    learn(store, ByAddress(ALICE), [Fixed("a", [LEAF, SUB, ROOT])], at=NOW)
    (record,) = store.records(ByAddress(ALICE))
    assert record.sources == (Source("fixed", "a", NOW),)
    assert record.decision is None
    assert store.anchors() == ()
    found = trust.usable(ALICE, Purpose.VERIFY)
    assert found.usable == ()
    assert found.unusable[0][1].status is Status.UNTRUSTED


def test_what_was_found_enters_the_store_together() -> None:
    class Counting(MemoryTrustStore):
        puts = 0

        def put_all(self, sightings: Iterable[Sighting], *, at: datetime) -> tuple[Record, ...]:
            self.puts += 1
            return super().put_all(sightings, at=at)

    store = Counting()
    learn(store, ByAddress(ALICE), [Fixed("a", [LEAF]), Fixed("b", [SUB, OTHER])], at=NOW)
    assert store.puts == 1
    origins = {one.certificate: one.sources[0].origin for one in store.page()}
    assert origins == {LEAF.certificate: "a", SUB.certificate: "b", OTHER.certificate: "b"}
    learn(store, ByAddress(ALICE), [Fixed("a", [])], at=NOW)
    assert store.puts == 1, "nothing was found, and nothing is put"


def test_what_was_found_does_not_undo_a_decision() -> None:
    store = MemoryTrustStore()
    learn(store, ByAddress(ALICE), [Fixed("a", [LEAF])], at=NOW)
    decide(store, LEAF, Verdict.REJECT)
    learn(store, ByAddress(ALICE), [Fixed("b", [LEAF])], at=NOW)
    (record,) = store.records(ByAddress(ALICE))
    assert record.rejected
    assert {one.origin for one in record.sources} == {"a", "b"}


def test_what_was_found_completes_a_path_to_an_anchor() -> None:
    store = MemoryTrustStore()
    trust = Trust(store, anchors=[ROOT.certificate], clock=lambda: NOW)
    assert trust.judge(LEAF.certificate, Purpose.VERIFY).status is Status.UNTRUSTED
    source = aia({CER: SUB.der}, LEAF)
    learn(store, BySubject(LEAF.certificate.issuer), [source], at=NOW)
    assert trust.judge(LEAF.certificate, Purpose.VERIFY).status is Status.TRUSTED
