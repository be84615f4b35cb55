"""What a submitter asks for in a mail: tags in the subject, and their header twins.

Knows subjects and encoded words. May not know who may ask (`plan` does), nor what becomes of it.

A tag counts up to the first prefix of an answered or forwarded mail: what follows was written
by somebody else, perhaps outside, and must neither sign nor unprotect anything. Of a subject
that had a tag only the tag goes, and the blanks behind it; where it stood within an encoded
word (RFC 2047), the subject is encoded anew.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final, final

from smimekit.gateway.rules import Words
from smimekit.mime.charset import decode_header
from smimekit.mime.fields import Field
from smimekit.mime.words import decode_words, encode_words

__all__ = ["Ask", "Triggers", "read_triggers"]

_OFF: Final = frozenset({"", "0", "no", "false", "off"})
_ON: Final = frozenset({"1", "yes", "true", "on"})
_BLANKS: Final = re.compile(r"(?:[ \t]|\r?\n(?=[ \t]))*")
# A subject that stays ASCII, and short enough for one line (RFC 5322, 2.1.1).
_PLAIN: Final = re.compile(r"[ -~]{0,900}")


_SETS: Final = 16
"""Sets of words whose patterns are kept: a gateway has one, until its rules change."""


class Ask(StrEnum):
    """What can be asked for."""

    SIGN = "sign"
    ENCRYPT = "encrypt"
    PLAIN = "plain"


@final
@dataclass(frozen=True, slots=True)
class Triggers:
    """What a mail asks for, and its fields without that."""

    asked: frozenset[Ask]
    fields: tuple[Field, ...]
    """As they are to go out where the tags are honoured."""
    untagged: tuple[Field, ...]
    """As they are to go out where they are not: without the twins, which are for no one else."""


def read_triggers(fields: Iterable[Field], words: Words) -> Triggers:
    """The tags and twins of a header. Whatever the fields hold, there is an answer."""
    tags = _tags(words)
    twins = _twins(words)
    asked: set[Ask] = set()
    kept: list[Field] = []
    untagged: list[Field] = []
    for field in fields:
        twin = twins.get(field.name.lower())
        if twin is not None:
            asked |= _asked_by(field, twin)
            continue
        untagged.append(field)
        if field.named("Subject"):
            found, field = _without_tags(field, tags, words)  # noqa: PLW2901 - the same, shorter
            asked |= found
        kept.append(field)
    return Triggers(frozenset(asked), tuple(kept), tuple(untagged))


def _twins(words: Words) -> dict[str, Ask]:
    pairs = (
        (words.plain_headers, Ask.PLAIN),
        (words.sign_headers, Ask.SIGN),
        (words.encrypt_headers, Ask.ENCRYPT),
    )
    return {name.lower(): ask for names, ask in pairs for name in names}


def _asked_by(field: Field, twin: Ask) -> set[Ask]:
    """A value that is no answer asks for protection, and never against it."""
    value = decode_header(field.value).strip().lower()
    asks = value in _ON if twin is Ask.PLAIN else value not in _OFF
    return {twin} if asks else set()


# --- the subject --------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class _Tags:
    """All tags as one pattern with a group for each, and the meanings of the groups."""

    pattern: re.Pattern[str] | None
    meanings: tuple[Ask, ...]

    def found(self, text: str, end: int) -> Iterator[tuple[re.Match[str], Ask]]:
        """The tags before `end`, in order."""
        if self.pattern is not None:
            for each in self.pattern.finditer(text, 0, end):
                yield each, self.meanings[(each.lastindex or 1) - 1]


@lru_cache(_SETS)
def _tags(words: Words) -> _Tags:
    groups = ((words.plain, Ask.PLAIN), (words.sign, Ask.SIGN), (words.encrypt, Ask.ENCRYPT))
    found = [(tag, ask) for tags, ask in groups for tag in tags]
    # The longest first, so that no tag hides one that begins like it.
    found.sort(key=lambda one: len(one[0]), reverse=True)
    pattern = "|".join(f"({_pattern(tag)})" for tag, _ in found)
    meanings = tuple(ask for _, ask in found)
    return _Tags(re.compile(pattern, re.IGNORECASE) if pattern else None, meanings)


def _pattern(tag: str) -> str:
    """A tag, with any blanks for its blanks; one of letters is a word of its own."""
    body = r"(?:[ \t]|\r?\n(?=[ \t]))+".join(re.escape(piece) for piece in tag.split(" "))
    before = r"(?<!\w)" if re.match(r"\w", tag) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", tag) else ""
    return f"{before}{body}{after}"


@lru_cache(_SETS)
def _answered(words: Words) -> re.Pattern[str] | None:
    """What stands before the words of another mail: tags and lists' brackets, then a prefix."""
    prefixes = "|".join(re.escape(each) for each in sorted(words.replies, key=len, reverse=True))
    if not prefixes:
        return None
    tags = [re.escape(tag) for tag in (*words.sign, *words.encrypt, *words.plain)]
    skipped = "|".join((*tags, r"\[[^\[\]]*\]", r"[ \t\r\n]"))
    # Possessive: blanks without end and no colon must not be tried in every division.
    number = r"(?:\[\d{1,4}\]|\(\d{1,4}\)|\^\d{1,4})?"
    prefix = rf"(?:{prefixes})[ \t]*+{number}[ \t]*+[:\uff1a]"
    return re.compile(rf"(?:{skipped})*+(?P<prefix>{prefix})", re.IGNORECASE)


def _own_end(text: str, words: Words) -> int:
    """Where the sender's own words end: at the first `Re:` or the like; else at the end."""
    answered = _answered(words)
    found = None if answered is None else answered.match(text)
    return found.start("prefix") if found else len(text)


def _without_tags(field: Field, tags: _Tags, words: Words) -> tuple[set[Ask], Field]:
    """What a subject asks for, and the field without it."""
    shown = decode_words(field.value)
    asked = {ask for _, ask in tags.found(shown, _own_end(shown, words))}
    if not asked:
        return asked, field
    wanted = _removed(shown, tags, words)
    raw = field.raw
    name, colon, rest = raw.partition(b":")
    for charset in ("utf-8", "latin-1"):
        try:
            text = rest.decode(charset)
        except UnicodeDecodeError:
            continue
        left = Field(field.name, name + colon + _removed(text, tags, words).encode(charset))
        if _same(decode_words(left.value), wanted):
            return asked, left
        break
    return asked, Field.of(field.name, _encoded(wanted))


def _removed(text: str, tags: _Tags, words: Words) -> str:
    """A text without its tags, each with the blanks behind it, or at the end before it."""
    pieces: list[str] = []
    at = 0
    for found, _ in tags.found(text, _own_end(text, words)):
        pieces.append(text[at : found.start()])
        blanks = _BLANKS.match(text, found.end())
        at = blanks.end() if blanks else found.end()
    rest = text[at:]
    if pieces and not rest.strip():
        ending = rest if rest.strip(" \t") else rest.lstrip(" \t")
        return "".join(pieces).rstrip(" \t\r\n") + ending
    return "".join((*pieces, rest))


def _same(one: str, other: str) -> bool:
    return one.split() == other.split()


def _encoded(text: str) -> bytes:
    text = " ".join(text.split())
    return text.encode() if _PLAIN.fullmatch(text) and "=?" not in text else encode_words(text)
