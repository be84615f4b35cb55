"""What a caller gets wrong is said as a `UsageError`, or a `StoreError`, and never passes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from smimekit.errors import StoreError, UsageError
from smimekit.trust import (
    ByAddress,
    Decision,
    MemoryTrustStore,
    Purpose,
    RevocationPolicy,
    Source,
    Trust,
    Verdict,
)
from smimekit.trust.stores.sql import SqlTrustStore
from tests.trust import certs
from tests.trust.certs import NOW, Made
from tests.trust.judging import HERE

EAST, WEST = timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))
BEYOND = (datetime.min.replace(tzinfo=EAST), datetime.max.replace(tzinfo=WEST))


@pytest.mark.parametrize("moment", BEYOND)
def test_a_time_beyond_the_calendar_is_refused(alice: Made, moment: datetime) -> None:
    store = MemoryTrustStore()
    with pytest.raises(UsageError) as error:
        store.put(alice.certificate, HERE, at=moment)
    assert error.value.code == "usage.time"
    with pytest.raises(UsageError):
        Source("upload", "test", moment)
    with pytest.raises(UsageError):
        Trust(store).judge(alice.certificate, Purpose.VERIFY, at=moment)
    assert store.page() == ()


@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_the_ends_of_the_calendar_are_times(alice: Made, at: datetime) -> None:
    store = MemoryTrustStore()
    store.put(alice.certificate, HERE, at=at)
    assert Trust(store).judge(alice.certificate, Purpose.VERIFY, at=at).at == at


@pytest.mark.parametrize("wrong", ["harsh", None, 1, {"verify": "harsh"}, {"sign": "hard"}])
def test_a_revocation_policy_that_there_is_not(wrong: Any) -> None:
    with pytest.raises(UsageError):
        Trust(revocation=wrong)


@pytest.mark.parametrize("right", ["hard", {"verify": "hard"}])
def test_a_revocation_policy_by_its_name_counts(right: Any) -> None:
    assert Trust(revocation=right).revocation_policy(Purpose.VERIFY) is RevocationPolicy.HARD


@pytest.mark.parametrize(
    "wrong",
    [
        {"purpose": "sign"},
        {"purpose": None},
        {"purpose": []},
        {"certificate": b"octets"},
        {"certificate": None},
        {"at": "today"},
        {"extra_certificates": [b"octets"]},
        {"crls": b"octets"},
        {"crls": ["text"]},
        {"ocsps": b"octets"},
        {"ocsps": [None]},
    ],
)
def test_a_question_of_the_wrong_kind_is_refused(
    root: Made, alice: Made, wrong: dict[str, Any]
) -> None:
    right: dict[str, Any] = {"certificate": alice.certificate, "purpose": "verify"}
    trust = Trust(anchors=[root.certificate], clock=lambda: NOW)
    found = trust.judge(**right)
    assert found.purpose is Purpose.VERIFY
    with pytest.raises(UsageError):
        trust.judge(**right | wrong)


@pytest.mark.parametrize(
    "wrong", [{"purpose": "sign"}, {"address": b"alice@example.com"}, {"address": None}]
)
def test_a_search_of_the_wrong_kind_is_refused(wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {"address": "alice@example.com", "purpose": "encrypt"}
    trust = Trust(MemoryTrustStore(), clock=lambda: NOW)
    assert trust.usable(**right).usable == ()
    with pytest.raises(UsageError):
        trust.usable(**right | wrong)


@pytest.mark.parametrize(
    "ask",
    [
        lambda store, _: store.version(),
        lambda store, _: store.records(ByAddress("alice@example.com")),
        lambda store, _: store.page(),
        lambda store, _: store.anchors(),
        lambda store, _: store.audit(),
        lambda store, one: store.put(one, HERE, at=NOW),
        lambda store, one: store.decide(
            one.fingerprint,
            Decision(verdict=Verdict.REJECT, by="me", why="test", at=NOW),
            expected=0,
        ),
        lambda store, one: Trust(store).judge(one, Purpose.VERIFY, at=NOW),
    ],
)
def test_a_store_that_was_closed_says_so(tmp_path: Path, ask: Callable[[Any, Any], Any]) -> None:
    one = certs.person("alice@example.com").certificate
    with SqlTrustStore(f"sqlite:///{tmp_path}/trust.db") as store:
        store.put(one, HERE, at=NOW)
    with pytest.raises(StoreError) as error:
        ask(store, one)
    assert error.value.code == "store.closed"
    store.close()
