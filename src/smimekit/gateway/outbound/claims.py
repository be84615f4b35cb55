"""Whose mail it may be where From does not plainly say so: every address that a program could read.

Knows the ways in which programs read what no strict reader takes: any of several fields, what
follows a bare CR, quotes and comments without an end, encoded words anywhere. May not know rules.
It errs on one side only: who is named here may be asked about for nothing.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from smimekit.errors import LimitExceeded
from smimekit.gateway.inbound.forged import header_octets
from smimekit.limits import Limits
from smimekit.mime.charset import decode_header
from smimekit.mime.words import decode_words
from smimekit.span import Span

__all__ = ["MOST", "claims", "hides_lines"]

MOST: Final = 20
"""Authors of one mail: the rules are asked about each of them, for each recipient."""
_BARE_CR: Final = re.compile(rb"\r(?!\n)")
_FIELD: Final = re.compile(
    rb"(?:^|[\r\n])[ \t]*(?:from|sender)(?:[ \t]|\r?\n(?=[ \t]))*:", re.IGNORECASE
)
"""Sender, too: without an address in From, programs show the one there."""
_END: Final = re.compile(rb"\n(?![ \t])|\Z")
_COMMENT: Final = re.compile(r"\([^()]*\)?")
_MEMBER: Final = re.compile(r"[,;<>]")
_TOKEN: Final = re.compile(r'[^\s<>(),;:"\\]+')
_AROUND: Final = "'`.[]{}|"


def hides_lines(header: bytes) -> bool:
    """Are there line breaks that only some programs see?"""
    return _BARE_CR.search(header) is not None


def claims(message: Span, *, limits: Limits) -> tuple[str, ...]:
    """The addresses, each once; words without a domain where no field has one.

    Raises LimitExceeded for a header that is too long to be searched, and for more than MOST.
    """
    header = header_octets(message, limits).replace(b"\0", b"")  # which relays drop
    values = list(_values(header))
    readings = [text for value in values for text in _readings(value)]
    found = _few(_addresses(readings))
    return found or _few(word for text in readings for word in _words(text))


def _values(header: bytes) -> Iterator[bytes]:
    """What stands in each field that may name an author."""
    for number, found in enumerate(_FIELD.finditer(header)):
        if number >= MOST:
            raise _too_many()
        end = _END.search(header, found.end())
        yield header[found.end() : end.start() if end else len(header)]


def _readings(value: bytes) -> Iterator[str]:
    """The text as it stands, and with encoded words wherever they are; with comments, without."""
    for text in {decode_header(value), decode_words(value)}:
        for kept in (text, _COMMENT.sub(" ", text)):
            yield _plain(kept)


def _plain(text: str) -> str:
    """Without quotes and what nobody sees, and without blanks where addresses have none."""
    shown = "".join(char for char in text if char.isspace() or not _is_invisible(char))
    joined = " ".join(shown.replace('"', "").replace("\\", "").split())
    for sign in "@.":
        joined = joined.replace(f" {sign}", sign).replace(f"{sign} ", sign)
    return joined


def _is_invisible(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf"}


def _addresses(readings: Iterable[str]) -> Iterator[str]:
    for text in readings:
        for token in _TOKEN.findall(text):
            yield from _pairs(token)
            yield from _pairs(token.strip(_AROUND))


def _pairs(token: str) -> Iterator[str]:
    """Of a@b@c, a program may take either address."""
    pieces = token.split("@")
    for local, domain in pairwise(pieces):
        if local and domain:
            yield f"{local}@{domain}"


def _words(text: str) -> Iterator[str]:
    """Names without a domain; not that of a group, which is nobody's (RFC 6854)."""
    for member in _MEMBER.split(text):
        yield from _TOKEN.findall(member.rpartition(":")[2])


def _few(found: Iterable[str]) -> tuple[str, ...]:
    few: dict[str, None] = {}
    for each in found:
        few[each] = None
        if len(few) > MOST:
            raise _too_many()
    return tuple(few)


def _too_many() -> LimitExceeded:
    return LimitExceeded(f"From may name more than {MOST} authors.", code="limit.mailboxes")
