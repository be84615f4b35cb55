"""Addresses (RFC 5322, 3.4; RFC 6532): who a message says it is from.

Knows mailboxes, groups and the obsolete forms; may not know certificates. Strict, because
identity hangs on it: a field that is not an address list has no mailboxes, not some.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Final

from smimekit.errors import LimitExceeded
from smimekit.limits import Limits
from smimekit.mime.charset import decode_header
from smimekit.mime.lexer import ATOM, Cursor
from smimekit.mime.words import decode_words

__all__ = ["DRAFTED", "Mailbox", "address_key", "parse_mailboxes", "same_address"]

_MAX_LABEL: Final = 63
"""Characters of a domain label (RFC 5890, 2.3.2.1): punycode is not linear in its length."""
_CODE = "mime.address"
_LIMITS: Final = Limits()
DRAFTED: Final = Limits(mailboxes=_LIMITS.recipients)
"""For what somebody is about to send: not from strangers, and perhaps to a large list."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One mailbox. `display` is the decoded display name: for people, and never a proof.

    `address` has no comments or blanks, and no quotes that it does not need.
    """

    address: str
    display: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Word:
    text: str = field(repr=False)
    quoted: bool = False


_DOT: Final = _Word(".", quoted=False)
# What nearly every field is: one mailbox, with a name or without, of plain words. There is one
# way to read it. Encoded words have "=", and dots in a name are an obsolete form.
_PLAIN: Final = rb"[!#$%&'*+\-/0-9?A-Z^_`a-z{|}~]+"
_DOTTED: Final = rb"%b(?:\.%b)*" % (_PLAIN, _PLAIN)
_USUAL: Final = re.compile(
    rb'(?:(%b(?: %b)*) |"([ !#-<>-\[\]-~]+)" )?<(%b@%b)>|(%b@%b)'
    % (_PLAIN, _PLAIN, _DOTTED, _DOTTED, _DOTTED, _DOTTED)
)


def parse_mailboxes(value: bytes, *, limits: Limits = _LIMITS) -> tuple[Mailbox, ...]:
    """The mailboxes of an address list, those in groups too, in order.

    Reads all that RFC 5322 allows, with its obsolete forms (comments, routes, blanks around
    dots, empty list elements), and UTF-8 (RFC 6532). A list of empty groups gives an empty
    tuple. Raises `MimeError` (`mime.address`) for anything else, and for no address at all;
    `LimitExceeded` for more than `Limits.mailboxes`.
    """
    usual = _USUAL.fullmatch(value)
    if usual is not None:
        name, quoted, inside, bare = usual.groups(b"")
        return (Mailbox((inside or bare).decode(), (name or quoted).decode()),)
    cursor = Cursor(decode_header(value), "address")
    found: list[Mailbox] = []
    empty = True
    while not _at_end(cursor):
        if cursor.accept(","):
            continue
        empty = False
        found += _address(cursor, limits.mailboxes - len(found))
        if not (_at_end(cursor) or cursor.accept(",")):
            raise cursor.error("has text where a comma must be", _CODE)
    if empty:
        raise cursor.error("holds no address", _CODE)
    _check_utf8(value, found, cursor)
    return tuple(found)


def _at_end(cursor: Cursor) -> bool:
    cursor.skip()
    return cursor.done


def _check_utf8(value: bytes, found: list[Mailbox], cursor: Cursor) -> None:
    """Only UTF-8 says for sure which address the octets are; names may be anything."""
    try:
        value.decode()
    except UnicodeDecodeError:
        if not all(mailbox.address.isascii() for mailbox in found):
            raise cursor.error("has an address that is not UTF-8", _CODE) from None


def _address(cursor: Cursor, most: int) -> list[Mailbox]:
    """A mailbox, or those of a group; `LimitExceeded` for more than so many."""
    words = _words(cursor)
    if cursor.accept(":"):
        if not words:
            raise cursor.error("has a group without a name", _CODE)
        return _group(cursor, most)
    _require_room(most)
    return [_mailbox(cursor, words)]


def _require_room(most: int) -> None:
    if most <= 0:
        raise LimitExceeded(
            "A header field names too many mailboxes; raise Limits.mailboxes if such mail is "
            "expected.",
            code="limit.mailboxes",
        )


def _group(cursor: Cursor, most: int) -> list[Mailbox]:
    found: list[Mailbox] = []
    while not cursor.accept(";"):
        if not cursor.accept(","):
            _require_room(most - len(found))
            found.append(_mailbox(cursor, _words(cursor)))
            if not (cursor.sees(",") or cursor.sees(";")):
                raise cursor.error("has a group that does not end", _CODE)
        cursor.skip()
    return found


def _mailbox(cursor: Cursor, words: list[_Word]) -> Mailbox:
    """A mailbox whose first words, display name or local part, are read already."""
    if cursor.accept("<"):
        _route(cursor)
        address = _addr_spec(cursor, _words(cursor))
        if not cursor.accept(">"):
            raise cursor.error('has a "<" without its ">"', _CODE)
        cursor.skip()
        return Mailbox(address, _display(words))
    return Mailbox(_addr_spec(cursor, words), "")


def _words(cursor: Cursor) -> list[_Word]:
    """Atoms, quoted strings and dots, with the blanks and comments around them."""
    words: list[_Word] = []
    while True:
        cursor.skip()
        if cursor.sees('"'):
            words.append(_Word(cursor.quoted(), quoted=True))
        elif cursor.accept("."):
            words.append(_DOT)
        elif atom := cursor.match(ATOM):
            words.append(_Word(atom))
        else:
            return words


def _display(words: list[_Word]) -> str:
    """Words with a blank between them; encoded words are decoded (RFC 2047, 5 (3))."""
    text: list[str] = []
    atoms: list[str] = []
    for word in words:
        if word.quoted:
            text += (_decoded(atoms), word.text)
            atoms = []
        elif word is _DOT and atoms:
            atoms[-1] += "."
        else:
            atoms.append(word.text)
    text.append(_decoded(atoms))
    return " ".join(piece for piece in text if piece)


def _decoded(atoms: list[str]) -> str:
    return decode_words(" ".join(atoms).encode())


def _route(cursor: Cursor) -> None:
    """An obsolete source route says nothing about the address (RFC 5322, 4.4)."""
    cursor.skip()
    if not (cursor.sees("@") or cursor.sees(",")):
        return
    while not cursor.accept(":"):
        if cursor.accept("@"):
            _domain(cursor)
        elif not cursor.accept(","):
            raise cursor.error("has a route that does not end", _CODE)
        cursor.skip()


def _addr_spec(cursor: Cursor, words: list[_Word]) -> str:
    local = _dotted(words, cursor)
    if not cursor.accept("@"):
        raise cursor.error('has an address without "@"', _CODE)
    return f"{local}@{_domain(cursor)}"


def _dotted(words: list[_Word], cursor: Cursor) -> str:
    """A local part: words with single dots between them; quoted only where it must be."""
    if len(words) % 2 == 0 or any((w is _DOT) != bool(at % 2) for at, w in enumerate(words)):
        raise cursor.error("has an address whose local part is none", _CODE)
    return _quote("".join(word.text for word in words))


def _domain(cursor: Cursor) -> str:
    cursor.skip()
    if cursor.sees("["):
        return _literal(cursor)
    words = _words(cursor)
    if any(word.quoted for word in words):
        raise cursor.error("has an address with a quoted domain", _CODE)
    return _dotted(words, cursor)


def _literal(cursor: Cursor) -> str:
    end = cursor.text.find("]", cursor.at)
    literal = cursor.text[cursor.at + 1 : max(end, 0)]
    if end < 0 or not literal.isprintable() or set(literal) & set(" [\\"):
        raise cursor.error("has an address with a broken domain literal", _CODE)
    cursor.at = end + 1
    cursor.skip()
    return f"[{literal}]"


def _quote(local: str) -> str:
    if all(ATOM.fullmatch(atom) for atom in local.split(".")):
        return local
    escaped = local.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def same_address(a: str, b: str) -> bool:
    """Whether two addresses (addr-specs) are of one mailbox, as far as one can know.

    Domains: case does not matter, and an A-label equals its U-label (RFC 9598, 5). Local
    parts: those in ASCII are compared without case, although RFC 5321, 2.4 leaves case to
    the receiving host: no host in use has two people who differ in case alone, and people
    do write addresses in either. Local parts with UTF-8 are compared exactly (RFC 9598, 5).
    What is no address equals nothing.
    """
    one = address_key(a)
    return one is not None and one == address_key(b)


def address_key(address: str) -> tuple[str, str] | None:
    """What all addresses of one mailbox share (see `same_address`), None for what is no address.

    Certificates and From fields can hold thousands of addresses: to find common ones, compare
    sets of these.
    """
    local, at, domain = address.rpartition("@")
    if not (local and at and domain):
        return None
    if local.startswith('"'):
        local = _unquote(local)
    local = local.lower() if local.isascii() else local
    if domain.isascii():
        return local, domain.lower()
    return local, ".".join(_a_label(label) for label in domain.split("."))


def _unquote(local: str) -> str:
    if len(local) < 2 or not local.endswith('"'):
        return local
    pieces = local[1:-1].split("\\\\")
    return "\\".join(piece.replace("\\", "") for piece in pieces)


def _a_label(label: str) -> str:
    if label.isascii():
        return label.lower()
    if len(label) > _MAX_LABEL:
        return label
    text = unicodedata.normalize("NFC", label.lower())
    return "xn--" + text.encode("punycode").decode("ascii")
