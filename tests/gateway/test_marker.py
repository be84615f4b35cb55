"""The marker of loops: it counts, and it cannot be forged."""

import hashlib
import hmac

import pytest

from smimekit.gateway.marker import mark, marker_name, passes_of, unmarked
from smimekit.gateway.rules import Rules, Site
from smimekit.mime.fields import Field

RULES = Rules(marker_secret=b"0123456789abcdef", site=Site(name="mx.example.org"))
MAIL = (
    Field.of("From", b"alice@example.org"),
    Field.of("Date", b"Fri, 1 Jan 2027 00:00:00 +0000"),
    Field.of("Message-ID", b"<1@example.org>"),
    Field.of("Subject", b"Hello"),
)


def test_a_marker_is_found_again() -> None:
    marked = mark(MAIL, RULES, 3)
    assert marked[1:] == MAIL
    assert passes_of(marked, RULES) == 3
    assert unmarked(marked, RULES) == MAIL


def test_the_mac_is_the_one_that_is_written_down() -> None:
    """HMAC-SHA256 (RFC 2104) over each piece with its length before it, by hand."""
    text = (
        b"25:smimekit gateway passes 114:mx.example.org1:210:Message-ID1:115:<1@example.org>"
        b"4:Date1:130:Fri, 1 Jan 2027 00:00:00 +00004:From1:117:alice@example.org"
    )
    mac = hmac.new(b"0123456789abcdef", text, hashlib.sha256).hexdigest()
    assert (
        mark(MAIL, RULES, 2)[0].raw == f"X-Smimekit-Passes: v=1; passes=2; mac={mac}\r\n".encode()
    )


def test_marking_again_replaces_the_marker() -> None:
    again = mark(mark(MAIL, RULES, 1), RULES, 2)
    assert len(again) == len(MAIL) + 1
    assert passes_of(again, RULES) == 2


def test_what_is_added_on_the_way_does_not_matter() -> None:
    received = Field.of("Received", b"from a by b")
    folded = Field("Date", b"Date: Fri, 1 Jan 2027\r\n 00:00:00 +0000\r\n")
    marked = mark(MAIL, RULES, 1)
    assert passes_of((received, *marked, Field.of("Subject", b"Other")), RULES) == 1
    assert passes_of(tuple(folded if one.named("Date") else one for one in marked), RULES) == 1


@pytest.mark.parametrize("name", ["From", "Date", "Message-ID"])
def test_a_marker_of_another_mail_counts_for_nothing(name: str) -> None:
    marked = mark(MAIL, RULES, 3)
    changed = tuple(Field.of(name, b"x@y") if one.named(name) else one for one in marked)
    assert passes_of(changed, RULES) == 0
    assert passes_of(tuple(one for one in marked if not one.named(name)), RULES) == 0
    assert passes_of((*marked, Field.of(name, b"second")), RULES) == 0


@pytest.mark.parametrize(
    "value",
    [
        b"v=1; passes=9; mac=" + b"0" * 64,
        b"v=1; passes=9",
        b"9",
        b"",
        b"v=1; passes=\xd9\xa1; mac=" + b"0" * 64,
    ],
)
def test_forged_markers_count_for_nothing(value: bytes) -> None:
    forged = (Field.of(marker_name(RULES), value), *MAIL)
    assert passes_of(forged, RULES) == 0
    assert unmarked(forged, RULES) == MAIL


def test_another_number_needs_another_mac() -> None:
    marked = mark(MAIL, RULES, 1)
    more = Field(marked[0].name, marked[0].raw.replace(b"passes=1", b"passes=9"))
    assert passes_of((more, *MAIL), RULES) == 0


def test_another_gateway_and_another_secret_count_for_nothing() -> None:
    marked = mark(MAIL, RULES, 1)
    assert passes_of(marked, Rules(marker_secret=b"another secret..", site=RULES.site)) == 0
    assert passes_of(marked, Rules(marker_secret=RULES.marker_secret, site=Site(name="b"))) == 0


def test_the_highest_of_several_counts() -> None:
    """An older marker beside the newer one takes nothing back."""
    both = (*mark(MAIL, RULES, 1)[:1], *mark(MAIL, RULES, 2)[:1], *MAIL)
    assert passes_of(both, RULES) == 2


def test_without_a_secret_there_is_no_marker() -> None:
    assert mark(MAIL, Rules(), 1) == MAIL
    assert passes_of(mark(MAIL, RULES, 1), Rules()) == 0


def test_without_a_secret_nobody_forges_with_an_empty_one() -> None:
    empty = Rules(site=RULES.site)
    text = (
        b"25:smimekit gateway passes 114:mx.example.org1:910:Message-ID1:115:<1@example.org>"
        b"4:Date1:130:Fri, 1 Jan 2027 00:00:00 +00004:From1:117:alice@example.org"
    )
    mac = hmac.new(b"", text, hashlib.sha256).hexdigest()
    forged = Field.of(marker_name(empty), f"v=1; passes=9; mac={mac}".encode())
    assert passes_of((forged, *MAIL), empty) == 0
