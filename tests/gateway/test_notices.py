"""The digest: what waits for a decision, and nothing else."""

import email
import email.policy
from datetime import timedelta

import pytest

from smimekit import Certificate, MemoryTrustStore, Trust
from smimekit.errors import UsageError
from smimekit.gateway import Mail
from smimekit.gateway.reports.notices import Waiting, digest, waiting
from smimekit.gateway.rules import Rules, Site
from smimekit.gateway.rules.inbound import Inbound
from smimekit.testing import FakeCA
from smimekit.trust import Decision, Purpose, Source, Verdict
from tests.message.people import ALICE, NOW, alice, ca, root
from tests.trust.certs import BOTH_USAGE, own_authority

RULES = Rules(site=Site(name="gw.example.com", administrator="admin@example.com"))
HOUR = timedelta(hours=1)


def store_with(*certificates: Certificate) -> MemoryTrustStore:
    store = MemoryTrustStore()
    for each in certificates:
        store.put(each, Source("mail", ALICE), at=NOW)
    return store


def trust_in(store: MemoryTrustStore) -> Trust:
    return Trust(store, anchors=[root().certificate])


def fingerprints(store: MemoryTrustStore, since: int | None = None) -> set[str]:
    begin = None if since is None else NOW + since * HOUR
    return {each.record.fingerprint for each in waiting(trust_in(store), at=NOW, since=begin)}


def text(mail: Mail | None) -> str:
    assert mail is not None
    found = email.message_from_bytes(mail.message.bytes(), policy=email.policy.default)
    content = found.get_content()
    assert isinstance(content, str)
    return content


def test_what_nobody_decided_about_waits() -> None:
    unknown = ca().self_signed(ALICE).certificate
    store = store_with(unknown, alice().certificate, ca().certificate)
    assert fingerprints(store) == {unknown.fingerprint}


@pytest.mark.parametrize("verdict", [Verdict.TRUST, Verdict.REJECT])
def test_what_was_decided_does_not_wait(verdict: Verdict) -> None:
    unknown = ca().self_signed(ALICE).certificate
    store = store_with(unknown)
    decision = Decision(verdict=verdict, by="admin", why="", at=NOW)
    store.decide(unknown.fingerprint, decision, expected=0)
    assert fingerprints(store) == set()


def test_what_was_decided_for_one_purpose_only_does_not_wait() -> None:
    """Somebody has looked at it, and said how far to trust it."""
    unknown = ca().self_signed(ALICE).certificate
    store = store_with(unknown)
    scope = frozenset({Purpose.VERIFY})
    decision = Decision(verdict=Verdict.TRUST, by="admin", why="", at=NOW, scope=scope)
    store.decide(unknown.fingerprint, decision, expected=0)
    assert fingerprints(store) == set()


def test_what_is_expired_does_not_wait() -> None:
    old = FakeCA("Old", now=NOW).expired(ALICE).certificate
    assert fingerprints(store_with(old)) == set()


def test_only_what_is_new_since_the_last_time() -> None:
    unknown = ca().self_signed(ALICE).certificate
    store = store_with(unknown)
    assert fingerprints(store, -1) == {unknown.fingerprint}
    assert fingerprints(store, 0) == set()


def test_every_page_of_the_store_is_read() -> None:
    many = [ca().self_signed(f"p{at}@example.org").certificate for at in range(205)]
    assert fingerprints(store_with(*many)) == {each.fingerprint for each in many}


def test_times_have_zones() -> None:
    trust = trust_in(store_with())
    with pytest.raises(UsageError):
        next(waiting(trust, at=NOW.replace(tzinfo=None)))
    with pytest.raises(UsageError):
        next(waiting(trust, at=NOW, since=NOW.replace(tzinfo=None)))


def test_who_issued_to_themselves_waits_for_a_decision() -> None:
    """gpgsm calls such a certificate a CA's, and nobody but a person can decide about it."""
    grace = own_authority("grace@example.org", *BOTH_USAGE).certificate
    assert fingerprints(store_with(grace)) == {grace.fingerprint}
    assert fingerprints(store_with(own_authority(None).certificate)) == set()


def test_without_a_store_nothing_waits() -> None:
    assert list(waiting(Trust(), at=NOW)) == []


# --- the mail -------------------------------------------------------------------------------------


def found(*certificates: Certificate) -> list[Waiting]:
    return list(waiting(trust_in(store_with(*certificates)), at=NOW))


def test_the_administrator_reads_what_waits() -> None:
    unknown = ca().self_signed(ALICE).certificate
    mail = digest(RULES, found(unknown), at=NOW)
    assert mail is not None
    assert mail.mail_from == ""
    assert [each.address for each in mail.recipients] == ["admin@example.com"]
    message = email.message_from_bytes(mail.message.bytes(), policy=email.policy.default)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Subject"] == "1 certificate waits for a decision"
    assert unknown.fingerprint in text(mail)
    assert ALICE in text(mail)
    assert "first seen:  2026-03-01" in text(mail)


def test_nobody_is_told_where_nothing_waits_or_nobody_wants_to_know() -> None:
    waits = found(ca().self_signed(ALICE).certificate)
    assert digest(RULES, (), at=NOW) is None
    assert digest(Rules(), waits, at=NOW) is None
    assert digest(Rules(site=RULES.site, inbound=Inbound(digest=False)), waits, at=NOW) is None


def test_nothing_in_a_certificate_writes_lines() -> None:
    hostile = ca().self_signed(ALICE, name="x\r\n.\r\nSubject: y\u2028z").certificate
    said = text(digest(RULES, found(hostile), at=NOW))
    assert not any(line.startswith(("Subject", ".", "z")) for line in said.splitlines())


def test_a_flood_is_counted_and_not_listed() -> None:
    many = [ca().self_signed(f"p{at}@example.org").certificate for at in range(130)]
    said = text(digest(RULES, found(*many), at=NOW))
    assert said.count("fingerprint:") == 100
    assert "... and 30 more." in said
