"""trust lookup, trust refresh and --online: what asks the network, asks only what was named."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from smimekit.cms.signed_writing import certs_only
from tests.cli.support import Run
from tests.trust.certs import DAY, Made, ca, crl, person
from tests.trust.http_server import Server, answer, serving
from tests.trust.network import access, crl_at
from tests.trust.test_ldap import serving as ldap_serving
from tests.trust.test_ldap import shows
from tests.trust.test_smimea import record, resolving, says

STORE = ("--store", "sqlite:///trust.db")
LOOPBACK = ("--network", "127.0.0.0/8")
ZOE = "zoe@example.com"
NOW = datetime.now(UTC).replace(microsecond=0)
TIMES: Any = {"start": NOW - DAY, "end": NOW + 9 * DAY}
ROOT = ca("CLI Root", **TIMES)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def zoe(**more: Any) -> Made:
    return person(ZOE, ROOT, **TIMES, **more)


def fresh_crl(*revoked: Made, days: float = 3) -> bytes:
    gone = [one.certificate for one in revoked]
    made = NOW - timedelta(hours=1)
    return crl(ROOT, *gone, this=made, following=NOW + days * DAY, when=made)


def statuses(run: Run) -> list[tuple[str, str]]:
    listed = run("trust", "list", *STORE, "--json").json["certificates"]
    return [(each["subject"], each["status"]["verify"]) for each in listed]


# --- lookup --------------------------------------------------------------------------------


def test_a_folder_is_looked_through(run: Run, here: Path) -> None:
    (here / "certs").mkdir()
    (here / "certs" / "zoe.pem").write_bytes(zoe().certificate.pem())
    done = run("trust", "lookup", *STORE, ZOE, "--folder", "certs", "--json")
    (found,) = done.json["certificates"]
    assert (done.status, done.json["failures"]) == (0, [])
    assert found["addresses"] == [ZOE]
    assert found["status"] == {"verify": "untrusted", "encrypt": "untrusted"}
    assert [(one["kind"], one["origin"]) for one in found["sources"]] == [("folder", "certs")]
    said = run("trust", "lookup", *STORE, ZOE, "--folder", "certs").text
    assert ZOE in said
    assert "folder" in said


def test_a_directory_and_the_dns_are_asked(run: Run) -> None:
    one, other = zoe(), zoe()
    entry = {"userSMIMECertificate;binary": [certs_only([one.der])]}
    with (
        ldap_serving(shows(entry)) as directory,
        resolving(says(record(3, 0, 0, other.der))) as (source, _),
    ):
        resolver = f"127.0.0.1:{source._resolver.port}"
        places = ("--ldap", directory.url, "--ldap-base", "dc=example", "--dns", resolver)
        done = run("trust", "lookup", *STORE, ZOE, *places, "--json")
    kinds = {each["fingerprint"]: each["sources"][0]["kind"] for each in done.json["certificates"]}
    assert kinds == {one.certificate.fingerprint: "ldap", other.certificate.fingerprint: "smimea"}


def test_an_answer_that_is_not_validated_is_refused(run: Run) -> None:
    with resolving(says(record(3, 0, 0, zoe().der), flags=0)) as (source, _):
        resolver = f"127.0.0.1:{source._resolver.port}"
        done = run("trust", "lookup", *STORE, ZOE, "--dns", resolver, "--json")
    assert (done.status, done.code) == (2, "fetch.not-validated")
    assert statuses(run) == []


def test_one_source_that_fails_hides_nothing(run: Run, here: Path) -> None:
    (here / "zoe.crt").write_bytes(zoe().der)
    places = ("--folder", str(here), "--folder", "missing")
    done = run("trust", "lookup", *STORE, ZOE, *places, "--json")
    assert done.status == 0
    assert len(done.json["certificates"]) == 1
    assert [one["error"]["code"] for one in done.json["failures"]] == ["fetch.folder"]
    done = run("trust", "lookup", *STORE, ZOE, *places)
    assert "missing" in done.err


def test_issuers_are_fetched_where_the_certificate_says(
    run: Run, here: Path, server: Server
) -> None:
    server.pages["/root.cer"] = answer(ROOT.der)
    leaf = zoe(more=[access(issuers_at=(server.url("/root.cer"),))])
    (here / "zoe.crt").write_bytes(leaf.der)
    here_only = ("--folder", str(here), "--aia")
    blocked = run("trust", "lookup", *STORE, ZOE, *here_only, "--json")
    assert [one["error"]["code"] for one in blocked.json["failures"]] == ["fetch.address"]
    assert server.asked == []
    run("trust", "lookup", *STORE, ZOE, *here_only, *LOOPBACK)
    assert ("CN=CLI Root", "untrusted") in statuses(run)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), "usage.no-source"),
        (("--dns", "localhost"), "usage.resolver"),
        (("--dns", "127.0.0.1:x"), "usage.resolver"),
        (("--ldap", "http://a.example"), "usage.ldap-url"),
        (("--aia", "--network", "x"), "usage.network"),
    ],
)
def test_wrong_places_are_usage_errors(run: Run, words: tuple[str, ...], code: str) -> None:
    done = run("trust", "lookup", *STORE, ZOE, *words, "--json")
    assert (done.status, done.code) == (2, code)


# --- refresh and --online ------------------------------------------------------------------


@pytest.fixture
def known(run: Run, here: Path, server: Server) -> Made:
    """Zoe, in the store below an anchor, with a CRL on a page."""
    leaf = zoe(more=[crl_at(server.url("/root.crl"))])
    (here / "zoe.crt").write_bytes(leaf.der)
    (here / "root.crt").write_bytes(ROOT.der)
    run("trust", "import", *STORE, "zoe.crt")
    run("trust", "anchor", *STORE, "root.crt")
    return leaf


def test_refresh_fetches_once_what_is_kept_beside_the_store(
    run: Run, known: Made, server: Server
) -> None:
    server.pages["/root.crl"] = answer(fresh_crl())
    done = run("trust", "refresh", *STORE, *LOOPBACK, "--json")
    assert (done.status, done.json) == (0, {"certificates": 2, "fetched": 1, "reasons": []})
    again = run("trust", "refresh", *STORE, *LOOPBACK, "--json")
    assert again.json["fetched"] == 0
    ahead = run("trust", "refresh", *STORE, *LOOPBACK, "--ahead", "100", "--json")
    assert ahead.json["fetched"] == 1
    assert len(server.asked) == 2
    assert "1 pieces" not in run("trust", "refresh", *STORE, *LOOPBACK).text


def test_refresh_says_what_could_not_be_had(run: Run, known: Made, server: Server) -> None:
    done = run("trust", "refresh", *STORE, *LOOPBACK, "--json")
    assert (done.status, done.json["fetched"]) == (1, 0)
    (reason,) = done.json["reasons"]
    assert reason["code"] == "revocation.fetch"
    assert server.url("/root.crl") in reason["text"]
    plain = run("trust", "refresh", *STORE, *LOOPBACK)
    assert (plain.status, "answered 404" in plain.err) == (1, True)


def test_refresh_needs_a_database(run: Run) -> None:
    done = run("trust", "refresh", "--store", "memory:", "--json")
    assert (done.status, done.code) == (2, "usage.evidence-url")


def test_refresh_passes_over_strangers(run: Run, here: Path, server: Server) -> None:
    stranger = person(ZOE, ca("Nobody's", **TIMES), more=[crl_at(server.url("/x"))], **TIMES)
    (here / "x.crt").write_bytes(stranger.der)
    run("trust", "import", *STORE, "x.crt")
    done = run("trust", "refresh", *STORE, *LOOPBACK, "--json")
    assert (done.json["certificates"], server.asked) == (0, [])


def encrypt(run: Run, *words: str) -> Any:
    return run("encrypt", *STORE, "--to", ZOE, *words, "draft.eml", "-o", "out.eml", "--json")


def test_nothing_is_fetched_unless_it_is_said(run: Run, known: Made, server: Server) -> None:
    server.pages["/root.crl"] = answer(fresh_crl(known))
    assert encrypt(run).status == 0
    assert server.asked == []


def test_online_finds_a_revocation(run: Run, known: Made, server: Server) -> None:
    server.pages["/root.crl"] = answer(fresh_crl(known))
    done = encrypt(run, "--online", *LOOPBACK)
    assert done.status == 1
    assert len(server.asked) == 1


def test_hard_and_online_needs_a_good_word(run: Run, known: Made, server: Server) -> None:
    hard = ("--revocation", "hard", "--online", *LOOPBACK)
    assert encrypt(run, *hard).status == 1
    server.pages["/root.crl"] = answer(fresh_crl())
    run("trust", "refresh", *STORE, *LOOPBACK)
    assert encrypt(run, *hard).status == 0


def test_off_asks_nobody(run: Run, known: Made, server: Server) -> None:
    assert encrypt(run, "--revocation", "off", "--online", *LOOPBACK).status == 0
    assert server.asked == []
