"""What only the gateway may say of a mail, and who outside says it all the same.

Knows header fields by name, authserv-ids (RFC 8601, 2.5) and tags in subjects. May not know
MIME bodies or S/MIME: what a signature covers is never touched. Reads any header, even one that
no strict reader takes, since mail programs show those, too.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

from smimekit.errors import LimitExceeded, MimeError
from smimekit.gateway.edit import joined
from smimekit.gateway.rules import Rules, domain_of
from smimekit.limits import Limits
from smimekit.mime.charset import decode_header
from smimekit.mime.fields import Field
from smimekit.mime.lexer import Cursor
from smimekit.mime.safety import folded
from smimekit.mime.words import decode_words, decode_words_widely, encode_words
from smimekit.span import Span

__all__ = [
    "Forgeries",
    "Stripped",
    "forgeries",
    "header_octets",
    "strip",
    "subject",
    "untagged",
    "without_tags",
]

_BLOCK_END = re.compile(rb"\n\r?\n")
_LINE = re.compile(rb"(?<=\n)(?![ \t])")
_LINE_BREAK = re.compile(rb"\r?\n\Z")
_BARE_CR = re.compile(rb"\r(?!\n)")
"""A bare CR: a line break for some programs, Python's `email` among them."""
_NAME = re.compile(rb"[ \t]*([^\x00-\x20:\x7f]{1,997})(?:[ \t]|\r?\n(?=[ \t]))*:")
"""Of a field; some programs take blanks, and even a folded line, before the colon."""
_RESULTS: Final = "authentication-results"
_ID = re.compile(r'[^\s;()"/]+')
"""No token has a slash (RFC 2045, 5.1): a version follows it for readers that expect one there."""
_FIRST_READ: Final = 1 << 12
_IGNORABLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)
"""What is invisible besides control and format characters (Unicode: Default_Ignorable)."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Forgeries:
    """What is a forgery where it comes from outside."""

    authserv_id: str
    """Who writes our Authentication-Results (RFC 8601, 5)."""
    prefix: str
    """What the names of our own fields begin with."""
    names: frozenset[str] = frozenset()
    """Other fields, in lower case."""
    tags: tuple[str, ...] = ()
    """What our subjects say."""
    kept: frozenset[str] = frozenset()
    """Fields with our prefix that prove themselves, in lower case: the marker of loops."""

    def is_forged(self, field: Field) -> bool:
        """Is it one that only we write?"""
        name = field.name.lower()
        if name in self.kept:
            return False
        if name == _RESULTS:
            return _says_us(field, self.authserv_id)
        ours = bool(self.prefix) and name.startswith(self.prefix.lower())
        return ours or name in self.names

    def hidden(self) -> re.Pattern[bytes]:
        """Finds where one, or a subject, may begin behind a bare CR."""
        names = [re.escape(each.encode()) for each in (_RESULTS, "subject", *sorted(self.names))]
        if self.prefix:
            names.append(re.escape(self.prefix.encode()) + rb"[^\x00-\x20:\x7f]{0,997}")
        return re.compile(rb"\r(?!\n)[ \t]*(?:" + rb"|".join(names) + rb")[ \t]*:", re.IGNORECASE)


def forgeries(rules: Rules, *, kept: Iterable[str] = ()) -> Forgeries:
    """What the rules make a forgery. Tags count where subjects are tagged at all."""
    inbound, words = rules.inbound, rules.words
    tags = (inbound.signed_tag, inbound.encrypted_tag, inbound.untrusted_tag)
    triggers = (*words.sign_headers, *words.encrypt_headers, *words.plain_headers)
    return Forgeries(
        authserv_id=rules.site.authserv_id or rules.site.name,
        prefix=rules.site.header_prefix,
        names=frozenset(each.lower() for each in (*inbound.strip_headers, *triggers)),
        tags=tags if inbound.subject_tags else (),
        kept=frozenset(each.lower() for each in kept),
    )


def _says_us(field: Field, ours: str) -> bool:
    """Is the authserv-id ours (RFC 8601, 5)? One that nobody can read might be."""
    cursor = Cursor(decode_words(field.value), "Authentication-Results")
    try:
        cursor.skip()
        found = cursor.quoted() if cursor.sees('"') else cursor.match(_ID)
    except MimeError:
        return True
    return not found or _host(found) == _host(ours)


def _host(name: str) -> str:
    """A host name as it is compared: without regard to case, in A-labels."""
    return domain_of(f"x@{name.strip()}") or name.casefold()


# --- the header -------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class Stripped:
    """A mail without forgeries."""

    message: Span
    removed: tuple[str, ...]
    """The names of the fields that went, or of which a part went."""


def strip(message: Span, forged: Forgeries, *, limits: Limits) -> Stripped:
    """A mail without the header fields, and tags in its subject, that only we write.

    Everything else keeps its bytes; the body is not read. Only the outer header is looked at:
    what is forwarded or signed inside is somebody else's. A field that hides another behind a
    bare CR ends before that. Raises `LimitExceeded` over `limits.header_bytes`, as `read_header`
    does: what is too long to be searched cannot be delivered.
    """
    raw = header_octets(message, limits)
    removed: list[str] = []
    pieces = [_delivered(line, forged, removed) for line in _LINE.split(raw)]
    if not removed:
        return Stripped(message, ())
    rest = message.slice(len(raw), len(message))
    return Stripped(joined((Span.of(b"".join(pieces)), rest)), tuple(removed))


def header_octets(message: Span, limits: Limits) -> bytes:
    """The header block with the empty line that ends it. Raises `LimitExceeded`."""
    size, searched = _FIRST_READ, 0
    while True:
        head = message.read(0, size)
        if head.startswith((b"\n", b"\r\n")):
            return b""
        end = _BLOCK_END.search(head, searched)
        length = end.end() if end else len(head)
        if length > limits.header_bytes:
            raise LimitExceeded(
                f"The header is larger than {limits.header_bytes} bytes; raise "
                "Limits.header_bytes if such mail is expected.",
                code="limit.header-bytes",
            )
        if end or len(head) == len(message):
            return head[:length]
        searched = max(0, len(head) - 2)
        size *= 2


def _delivered(line: bytes, forged: Forgeries, removed: list[str]) -> bytes:
    """A field as it may stay, for programs that drop NULs, too (RFC 5322, 4 has them obsolete)."""
    if b"\0" not in line:
        return _without(line, forged, removed)
    before = len(removed)
    left = _without(line.replace(b"\0", b""), forged, removed)
    return line if len(removed) == before else left


def _without(line: bytes, forged: Forgeries, removed: list[str]) -> bytes:
    """A field as it may stay; nothing where it may not."""
    field = _field(line)
    if field is not None and forged.is_forged(field):
        removed.append(field.name)
        return b""
    hidden = next(_hidden(line, forged), None)
    if hidden is not None:
        at, name = hidden
        removed.append(name)
        line_break = _LINE_BREAK.search(line)
        line = line[:at] + (line_break[0] if line_break else b"")
        field = _field(line)
    if field is None or not field.named("Subject"):
        return line
    kept = untagged(field.value, forged.tags)
    if kept is None:
        return line
    removed.append(field.name)
    return subject(field.name, kept).raw


def _field(line: bytes) -> Field | None:
    found = _NAME.match(line)
    return Field(decode_header(found[1]), line) if found else None


def _hidden(line: bytes, forged: Forgeries) -> Iterator[tuple[int, str]]:
    """Where forged fields begin for programs that take a bare CR for a line break."""
    if _BARE_CR.search(line) is None:
        return
    for found in forged.hidden().finditer(line):
        end = _BARE_CR.search(line, found.end())
        field = _field(line[found.start() + 1 : end.start() if end else len(line)])
        if field is not None and (forged.is_forged(field) or _is_tagged(field, forged)):
            yield found.start(), field.name


def _is_tagged(field: Field, forged: Forgeries) -> bool:
    return field.named("Subject") and untagged(field.value, forged.tags) is not None


# --- tags ---------------------------------------------------------------------------------------


def subject(name: str, text: str) -> Field:
    """A Subject field with a text: what cannot be printed is a blank."""
    clean = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if clean.isascii() and "=?" not in clean:
        return Field.of(name, folded(clean.encode(), len(name) + 2))
    return Field.of(name, encode_words(clean))


def untagged(value: bytes, tags: Sequence[str]) -> str | None:
    """The text of a subject without tags; None where it has none, whoever reads it.

    Mail programs decode encoded words that no strict reader takes for such.
    """
    for text in (*decode_words_widely(value), decode_words(value)):
        kept = without_tags(text, tags)
        if kept != text:
            return kept
    return None


def without_tags(text: str, tags: Sequence[str]) -> str:
    """A text without any of the tags, however they are written.

    Case, width, invisible characters and the number of blanks make no difference, and what a
    removed tag leaves behind makes no new one. A text without tags stays as it is.
    """
    wanted = {"".join(char for char, _ in _folded(tag)).strip(" ") for tag in tags} - {""}
    usual = text.isascii() and text.isprintable()
    if usual and not any(tag in " ".join(text.lower().split()) for tag in wanted):
        return text  # as nearly every subject
    found = list(_folded(text))
    plain = "".join(char for char, _ in found)
    if not any(tag in plain for tag in wanted):
        return text
    return _cut(text, _places(found, tuple(map(list, wanted))))


def _places(text: Iterable[tuple[str, int]], tags: Sequence[list[str]]) -> list[tuple[int, int]]:
    """Where the tags begin and end, those too that are there once others are gone."""
    chars: list[str] = []
    places: list[int] = []
    gone: list[tuple[int, int]] = []
    for char, at in text:
        chars.append(char)
        places.append(at)
        size = next((len(tag) for tag in tags if char == tag[-1] and chars[-len(tag) :] == tag), 0)
        if size:
            gone.append((places[-size], at))
            del chars[-size:], places[-size:]
    return gone


def _cut(text: str, gone: Iterable[tuple[int, int]]) -> str:
    """A text without some stretches, both ends included; one may lie in another."""
    found: list[str] = []
    at = 0
    for first, last in sorted(gone):
        if first >= at:
            found.append(text[at:first])
        at = max(at, last + 1)
    return "".join([*found, text[at:]])


def _folded(text: str) -> Iterator[tuple[str, int]]:
    """The characters as they are compared, each with its place in the text."""
    blank = False
    for at, char in enumerate(text):
        for one in char.lower() if char.isascii() and char.isprintable() else _compared(char):
            if not one.isspace():
                yield one, at
            elif not blank:
                yield " ", at
            blank = one.isspace()


def _compared(char: str) -> str:
    """One character, as it is compared; nothing for one that is invisible."""
    if char.isspace():
        return char
    if unicodedata.category(char) in {"Cc", "Cf"} or _IGNORABLE.match(char):
        return ""
    return unicodedata.normalize("NFKC", char).casefold()
