"""The marker of loops: how often this gateway has seen a mail, under a MAC.

Knows the field and its MAC (HMAC-SHA256). May not know rules about treatment, nor what becomes of
a mail that goes round in circles.

A marker says a number and grants nothing: what has one is signed, encrypted and refused like any
other mail, so that nobody gains by copying it. The MAC covers what makes a mail that mail, and
what stays as it is on its way: Message-ID, Date and From. The body is not covered, since relays
re-encode it and lists add to it, and a mail that still goes in circles must still be counted. A
marker that we did not make for this very mail counts for nothing, and is not passed on.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Final

from smimekit.gateway.rules import Rules
from smimekit.mime.fields import Field

__all__ = ["mark", "marker_name", "passes_of", "unmarked"]

_COVERED: Final = ("Message-ID", "Date", "From")
_MOST: Final = 20
"""Markers of one mail that are looked at: each costs a hash of the header."""
_VALUE: Final = re.compile(r"v=1; passes=([0-9]{1,3}); mac=([0-9a-f]{64})")


def marker_name(rules: Rules) -> str:
    """The name of the field."""
    return f"{rules.site.header_prefix}Passes"


def passes_of(fields: Iterable[Field], rules: Rules) -> int:
    """How often we have passed this mail on already: 0 without a marker that is ours."""
    found = tuple(fields)
    markers = [field for field in found if field.named(marker_name(rules))][:_MOST]
    return max((_valid(each, found, rules) for each in markers), default=0)


def unmarked(fields: Iterable[Field], rules: Rules) -> tuple[Field, ...]:
    """The fields without any marker, ours or forged."""
    return tuple(field for field in fields if not field.named(marker_name(rules)))


def mark(fields: Iterable[Field], rules: Rules, passes: int) -> tuple[Field, ...]:
    """The fields under a marker that says this number; none where there is no secret."""
    plain = unmarked(fields, rules)
    if not rules.marker_secret:
        return plain
    mac = _mac(plain, rules, passes)
    value = f"v=1; passes={passes}; mac={mac}"
    return (Field.of(marker_name(rules), value.encode()), *plain)


def _valid(marker: Field, fields: tuple[Field, ...], rules: Rules) -> int:
    found = _VALUE.fullmatch(marker.text)
    if found is None or not rules.marker_secret:
        return 0
    passes = int(found[1])
    return passes if hmac.compare_digest(_mac(fields, rules, passes), found[2]) else 0


def _mac(fields: Iterable[Field], rules: Rules, passes: int) -> str:
    """Every piece with its length before it: no two mails give one text."""
    pieces = [b"smimekit gateway passes 1", rules.site.name.encode(), b"%d" % passes]
    given = tuple(fields)
    for name in _COVERED:
        values = [field.value for field in given if field.named(name)]
        pieces += [name.encode(), b"%d" % len(values), *values]
    text = b"".join(b"%d:%s" % (len(piece), piece) for piece in pieces)
    return hmac.new(rules.marker_secret, text, hashlib.sha256).hexdigest()
