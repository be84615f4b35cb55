"""What the comparison is worth: that it fails where it should, and can be had again."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import pytest

import smimekit
from smimekit import ContentChanged
from tests.conftest import ROOT
from tests.interop.peers import Refused
from tests.interop.verdicts import nested, test_envelopes, test_mails, test_signatures
from tests.interop.verdicts.changes import (
    CONTENT,
    OF_RECIPIENTS,
    OF_TAGS,
    key_for,
    letter,
)
from tests.interop.verdicts.comparing import (
    Case,
    Other,
    Row,
    Stricter,
    Taken,
    compare,
    explain,
    holds,
    steady,
)
from tests.interop.verdicts.encrypted_table import ENCRYPTED, TAGGED
from tests.interop.verdicts.mail import clear, opaque, secret
from tests.interop.verdicts.mail_table import MAILS, NESTED, SECRET_MAILS
from tests.interop.verdicts.signed_table import SIGNED, SIGNED_TOGETHER
from tests.interop.verdicts.steady import trust
from tests.interop.verdicts.ways_table import WAYS, WAYS_WITH_A_TAG

CASE = Case("a case", b"0\0", CONTENT, b"0\0")
TABLES: dict[str, tuple[Row, ...]] = {
    "signed": SIGNED,
    "encrypted": ENCRYPTED,
    "tagged": TAGGED,
    "mails": MAILS,
    "secret mails": SECRET_MAILS,
    "signed together": SIGNED_TOGETHER,
    "ways": WAYS,
    "ways with a tag": WAYS_WITH_A_TAG,
    "nested": NESTED,
}


FOR_ANY = {
    ("bouncycastle", "no-matching-key"),
    ("gpgsm", "cms.truncated"),
    ("*", "asn1.malformed"),
}
"""Rows about many faults, for which there is no witness."""


def everything() -> Iterator[Case]:
    """Some of each kind."""
    for key in test_signatures.KINDS:
        for detached in (False, True):
            yield from islice(test_signatures.cases(key, detached=detached), 5)
    yield from islice(test_envelopes.cases("aes-128-cbc", "bob rsa", OF_RECIPIENTS, 5), 5)
    yield from islice(test_envelopes.cases("aes-256-gcm", "bob p256", OF_TAGS, 5), 5)
    for kind, mail in (("clear", clear()), ("opaque", opaque()), ("secret", secret())):
        yield from islice(test_mails.cases(kind, mail, 5), 5)
    for way in ("oaep", "agreement"):
        yield from islice(test_envelopes.by_another_way(way, "aes-256-gcm", 5), 5)
    for kind in nested.KINDS:
        yield from islice(test_mails.nested_cases(kind, 5), 5)


def fingerprint() -> str:
    return hashlib.sha256(b"".join(case.message for case in everything())).hexdigest()


def test_a_seed_gives_the_same_messages() -> None:
    """In another process, with another hash seed, and with other random octets."""
    program = "from tests.interop.verdicts.test_comparing import fingerprint; print(fingerprint())"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, cwd=ROOT, text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert done.stdout.strip() == fingerprint()
    names = [case.name for case in everything()]
    assert len({case.message for case in everything()}) > len(names) * 3 // 4


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_each_row_says_why(table: tuple[Row, ...]) -> None:
    for row in table:
        assert row.reason, row
        assert row.standard.startswith(("RFC ", "X.690", "NIST ")), row


def test_the_judge() -> None:
    """What has no row is told, whoever is laxer."""
    taken, refused = (CONTENT, ""), (None, "decryption")
    assert explain(CASE, "nss", taken, (None, "no"), ())
    assert explain(CASE, "nss", refused, taken, ())
    assert explain(CASE, "nss", taken, (b"another", ""), ())
    assert explain(CASE, "nss", taken, taken, ()) is None
    assert explain(CASE, "nss", refused, (None, "no"), ()) is None
    row = Stricter("nss", "decryption", "why", "RFC 5652")
    assert explain(CASE, "nss", refused, taken, (row,)) is row
    assert explain(CASE, "nss", (None, "noise"), taken, (row,)) is row  # a key that was no key
    assert isinstance(explain(CASE, "openssl", refused, taken, (row,)), str)
    assert isinstance(explain(CASE, "nss", (None, "other"), taken, (row,)), str)
    below = replace(row, code="mime.")
    assert explain(CASE, "nss", (None, "mime.base64"), taken, (below,)) is below
    assert isinstance(explain(CASE, "nss", (None, "mimes"), taken, (below,)), str)
    never = replace(row, when=lambda _case: False)
    assert isinstance(explain(CASE, "nss", refused, taken, (never,)), str)
    other = Other("nss", "why", "RFC 5652", lambda _case, _ours, theirs: theirs == b"another")
    assert explain(CASE, "nss", taken, (b"another", ""), (other,)) is other
    assert isinstance(explain(CASE, "nss", taken, (b"a third", ""), (other,)), str)


def unchanged() -> Iterator[tuple[str, Case]]:
    """What everybody takes, by the table that is about its changes."""
    for key in test_signatures.KINDS:
        for detached in (False, True):
            [case] = islice(test_signatures.cases(key, detached=detached), 1)
            together = key in {"several", "countersigned"}
            table = "signed together" if together else "signed"
            yield table, replace(case, message=case.seed)
    for cipher, who in (("aes-128-cbc", "bob rsa"), ("aes-256-cbc", "bob rsa")):
        whole = letter(cipher, who).encode()
        yield "encrypted", Case("unchanged", whole, CONTENT, key=key_for(cipher))
    for cipher in ("aes-128-gcm", "chacha20-poly1305"):
        for who in ("bob rsa", "bob p256"):
            whole = letter(cipher, who).encode()
            yield "tagged", Case("unchanged", whole, CONTENT, key=key_for(cipher))
    for table, mail in (("mails", clear()), ("mails", opaque()), ("secret mails", secret())):
        [case] = islice(test_mails.cases("unchanged", mail, 1), 1)
        yield table, replace(case, message=case.seed)
    for way in ("oaep", "agreement"):
        for cipher, table in (("aes-128-cbc", "ways"), ("aes-256-gcm", "ways with a tag")):
            [case] = islice(test_envelopes.by_another_way(way, cipher, 1), 1)
            yield table, replace(case, message=case.seed)
    for kind in nested.KINDS:
        [case] = islice(test_mails.nested_cases(kind, 1), 1)
        yield "nested", replace(case, message=nested.whole(kind))


def test_no_fault_is_found_where_nothing_was_changed() -> None:
    """A row in which we are stricter is about a fault: its witness finds none where there is none."""
    for table, case in unchanged():
        for row in TABLES[table]:
            if isinstance(row, Stricter) and (row.peer, row.code) not in FOR_ANY:
                assert not holds(row.when, case), (table, row)


def test_words_alone_explain_nothing_that_we_take() -> None:
    """A witness has to find what we read; a message that it cannot read it does not find."""
    taken, other = (CONTENT, ""), (None, "they say so")
    row = Taken("nss", "say so", "why", "RFC 5652", lambda case: case.found == CONTENT)
    assert explain(CASE, "nss", taken, other, (row,)) is row
    assert isinstance(explain(CASE, "nss", (b"x", ""), other, (row,)), str)
    for table in TABLES.values():
        for each in table:
            if isinstance(each, Taken):
                found = explain(CASE, each.peer, (b"forged", ""), (None, each.says), table)
                assert isinstance(found, str), each


def test_noise_is_no_reading() -> None:
    assert steady((b"noise", ""), lambda: (b"other noise", "")) == (None, "noise")
    assert steady((b"noise", ""), lambda: (None, "decryption")) == (None, "noise")
    assert steady((CONTENT, ""), lambda: (CONTENT, "")) == (CONTENT, "")


@pytest.mark.parametrize("laxer", ["we", "they"])
def test_a_broken_reader_is_found(laxer: str) -> None:
    """Who takes a message whatever its tag says, and whoever takes what is signed for anything."""

    def careless(_case: Case) -> bytes:
        return CONTENT

    def careful(case: Case) -> bytes:
        raise (
            ContentChanged("no", code="content-changed.content")
            if laxer == "they"
            else (Refused(case.name))
        )

    changed = Case("1", letter("aes-256-gcm", "bob rsa").encode()[:-1] + b"\0", CONTENT)
    ours, theirs = (careless, careful) if laxer == "we" else (careful, careless)
    report = compare([changed], ours, {"openssl": theirs}, TAGGED)
    assert [case.name for _, case in report.problems] == ["1"]
    with pytest.raises(AssertionError, match="openssl"):
        report.check()


def test_the_seeds_are_good() -> None:
    """Else everybody would refuse everything, and agree."""
    for case in everything():
        if " signatures " in case.name:
            found = smimekit.verify(
                case.seed, trust(), content=case.beside, expect="alice@example.org"
            )
            assert found.bytes() == CONTENT
