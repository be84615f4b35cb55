"""Content-Type, Content-Disposition and Content-Transfer-Encoding (RFC 2045, 2183, 2231).

Knows media types and parameters; may not know what any media type means. Strict: a value
that two programs may read in two ways is a `MimeError`. Leniency ends where structure hangs
on it: only parameters that cannot move a boundary may lack their quotes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from smimekit.frozen import maker
from smimekit.mime.charset import decode_charset, decode_header
from smimekit.mime.fields import HeaderBlock
from smimekit.mime.lexer import TOKEN, Cursor

__all__ = [
    "TEXT_PLAIN",
    "ContentType",
    "Disposition",
    "content_type",
    "disposition",
    "parse_content_type",
    "parse_disposition",
    "transfer_encoding",
]

_ENCODINGS = frozenset({"7bit", "8bit", "binary", "quoted-printable", "base64"})
_USUAL_ENCODINGS = {encoding.encode(): encoding for encoding in _ENCODINGS}
_LABELS = frozenset({"name", "filename"})
_NAME = re.compile(r"([^*'%]+)(?:\*(0|[1-9][0-9]{0,5}))?(\*)?")
# Senders forget quotes around addr-specs, media types and file names. There is one way to
# read these, but for labels alone it may hold blanks.
_UNQUOTED = re.compile(r"[!#-'*+\-./0-9:<=>?@A-Z\[\]^_`a-z{|}~\u0080-\U0010ffff]+")
_UNQUOTED_LABEL = re.compile(r'[^\x00-\x08\x0a-\x1f\x7f";\\]+')
_Sections = dict[int, tuple[str, bool]]
_REPEATED: Final = 100
"""Octets of a value that comes again and again, as in "text/plain; charset=utf-8"."""
_WHOLE = -1
"""The number of a value that is not cut into sections."""
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
# What nearly every field is: no comment, no quoted-pair, no section, nothing but ASCII. There is
# one way to read it, which a grammar takes twenty times as long for.
_WORD = r"[!#$&+\-.0-9A-Z^_`a-z{|}~]+"
_USUAL_PARAMETER = rf'[ \t]*;[ \t]*({_WORD})=(?:({_WORD})|"([\t !#-\[\]-~]*)")'
_USUAL_TEXT = rf'(?:[ \t]*;[ \t]*{_WORD}=(?:{_WORD}|"[\t !#-\[\]-~]*"))*'
_USUAL = re.compile(rf"({_WORD})/({_WORD})({_USUAL_TEXT})")
_USUAL_PARAMETERS = re.compile(_USUAL_PARAMETER)


@dataclass(frozen=True, slots=True)
class ContentType:
    """A media type. Names are lower-case, values as sent (RFC 2045, 5.1)."""

    type: str
    subtype: str
    parameters: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({}), hash=False, repr=False
    )

    @property
    def media(self) -> str:
        """`type/subtype` in lower case."""
        return f"{self.type}/{self.subtype}"

    def get(self, name: str) -> str | None:
        """The parameter `name`, whatever its case, or None."""
        return self.parameters.get(name.lower())


@dataclass(frozen=True, slots=True)
class Disposition:
    """A Content-Disposition (RFC 2183): `kind` is mostly "inline" or "attachment"."""

    kind: str
    parameters: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({}), hash=False, repr=False
    )

    @property
    def filename(self) -> str | None:
        """What the sender calls the file: a label for people, never a path to write to."""
        return self.parameters.get("filename")


_content_type: Final = maker(ContentType)
TEXT_PLAIN: Final = ContentType("text", "plain")
"""What an entity without Content-Type is (RFC 2045, 5.2)."""


def parse_content_type(value: bytes) -> ContentType:
    """Read a Content-Type value: RFC 2045, 5.1, with comments and RFC 2231 parameters.

    Raises `MimeError` for what is not exactly that: `mime.content-type`,
    `mime.parameter`, `mime.duplicate-parameter`, `mime.quoted-string`, `mime.comment`.
    """
    return _parsed(value) if len(value) <= _REPEATED else _parse(value)


def _parse(value: bytes) -> ContentType:
    text = decode_header(value)
    usual = _USUAL.fullmatch(text)
    parameters = None if usual is None else _usual_parameters(usual[3])
    if usual is not None and parameters is not None:
        return _content_type(usual[1].lower(), usual[2].lower(), parameters)
    cursor = Cursor(text, "Content-Type")
    main = _token(cursor)
    if not cursor.accept("/"):
        raise cursor.error("is no type/subtype", "mime.content-type")
    sub = _token(cursor)
    return ContentType(main, sub, _parameters(cursor))


_parsed = lru_cache(maxsize=128)(_parse)
"""Most mails have one of a few types."""


def parse_disposition(value: bytes) -> Disposition:
    """Read a Content-Disposition value (RFC 2183). Raises as `parse_content_type` does."""
    cursor = Cursor(decode_header(value), "Content-Disposition")
    return Disposition(_token(cursor), _parameters(cursor))


def content_type(block: HeaderBlock, *, default: ContentType = TEXT_PLAIN) -> ContentType:
    """The media type of an entity; `default` where it has none.

    Parts of a multipart/digest have the default message/rfc822 (RFC 2046, 5.1.5).
    Raises `MimeError`, for two Content-Type fields too (`mime.duplicate-field`).
    """
    known = block.memo.get("content-type")
    if isinstance(known, ContentType):
        return known
    value = block.value("Content-Type")
    if value is None:
        return default
    block.memo["content-type"] = content = parse_content_type(value)
    return content


def disposition(block: HeaderBlock) -> Disposition | None:
    """The Content-Disposition of an entity, or None. Raises `MimeError` as above."""
    found = block.one("Content-Disposition")
    return parse_disposition(found.value) if found else None


def transfer_encoding(block: HeaderBlock) -> str:
    """The Content-Transfer-Encoding in lower case; "7bit" by default (RFC 2045, 6.1).

    Raises `MimeError` for an unknown one (`mime.transfer-encoding`) and for two fields.
    """
    known = block.memo.get("transfer-encoding")
    if isinstance(known, str):
        return known
    value = block.value("Content-Transfer-Encoding")
    if value is None:
        return "7bit"
    encoding = _USUAL_ENCODINGS.get(value.lower()) or _encoding(decode_header(value))
    block.memo["transfer-encoding"] = encoding
    return encoding


def _encoding(text: str) -> str:
    cursor = Cursor(text, "Content-Transfer-Encoding")
    encoding = _token(cursor)
    if encoding not in _ENCODINGS or not cursor.done:
        raise cursor.error("names an unknown encoding", "mime.transfer-encoding")
    return encoding


def _usual_parameters(text: str) -> Mapping[str, str] | None:
    """The parameters of a usual value; None where one stands twice, which is no usual thing."""
    pairs = _USUAL_PARAMETERS.findall(text)
    found = {name.lower(): word or quoted for name, word, quoted in pairs}
    return MappingProxyType(found) if len(found) == len(pairs) else None


def _token(cursor: Cursor) -> str:
    cursor.skip()
    token = cursor.match(TOKEN)
    if not token:
        raise cursor.error("lacks a word where one must be", "mime.content-type")
    cursor.skip()
    return token.lower()


def _parameters(cursor: Cursor) -> Mapping[str, str]:
    found: dict[str, _Sections] = {}
    while not cursor.done:
        if not cursor.accept(";"):
            raise cursor.error("has text where only a parameter may be", "mime.parameter")
        cursor.skip()
        # Empty parameters are an error that hides no other parameter from anybody; for what some
        # find in quotes behind one, see `scanner.signed_parts`.
        if not (cursor.done or cursor.sees(";")):
            _parameter(cursor, found)
    for name in _LABELS & found.keys():
        found[name] = found.pop(f"{name}*", found[name])
    values = {name.rstrip("*"): _join(sections, cursor) for name, sections in found.items()}
    return MappingProxyType(values)


def _parameter(cursor: Cursor, found: dict[str, _Sections]) -> None:
    """Read `name=value`, `name*=value` or `name*1*=value` into `found`."""
    begin = cursor.at
    name = _NAME.fullmatch(_token(cursor))
    if not name or not cursor.accept("="):
        raise cursor.error("has a parameter without a value", "mime.parameter")
    section, extended = int(name[2] or _WHOLE), bool(name[3])
    # A label may come in both forms, the plain one for old readers.
    both = name[1] in _LABELS and (extended or section != _WHOLE)
    sections = found.setdefault(f"{name[1]}*" if both else name[1], {})
    cursor.skip()
    value = (_value(cursor, name[1]), extended)
    again = section in sections or _WHOLE in sections or (sections and section == _WHOLE)
    # Exchange wrote `name=smime.p7m; name="smime.p7m"`, which everybody reads alike.
    alike = section == _WHOLE and sections == {_WHOLE: value} and name[1] != "boundary"
    if again and not alike:
        raise cursor.error("has a parameter twice", "mime.duplicate-parameter")
    sections[section] = value
    cursor.skip()
    if name[1] == "boundary" and _is_ambiguous(cursor.text[begin : cursor.at]):
        raise cursor.error("has a boundary that can be read in two ways", "mime.parameter")


def _is_ambiguous(boundary: str) -> bool:
    """Does the text of the parameter hold what programs may take for a part of the value?

    Comments beside it are such, and quoted-pairs; no boundary needs any (RFC 2046, 5.1.1).
    """
    begin, end = boundary.find('"'), boundary.rfind('"')
    outside = boundary if begin < 0 else boundary[:begin] + boundary[end:]
    return "\\" in boundary or bool(set(outside) & set("()"))


def _value(cursor: Cursor, name: str) -> str:
    if cursor.sees('"'):
        return cursor.quoted()
    pattern = TOKEN if name == "boundary" else _UNQUOTED
    value = cursor.match(_UNQUOTED_LABEL if name in _LABELS else pattern).strip(" \t")
    if not value:
        raise cursor.error("has a parameter without a value", "mime.parameter")
    return value


def _join(sections: _Sections, cursor: Cursor) -> str:
    """One value out of its sections (RFC 2231, 3 and 4)."""
    if _WHOLE in sections:
        sections = {0: sections[_WHOLE]}
    if max(sections) != len(sections) - 1:
        raise cursor.error("lacks a section of a parameter", "mime.parameter")
    ordered = [sections[number] for number in range(len(sections))]
    if not any(extended for _, extended in ordered):
        return "".join(text for text, _ in ordered)
    charset, first = _partition(ordered[0], cursor)
    ordered[0] = (first, True)
    data = b"".join(_octets(text, extended=extended) for text, extended in ordered)
    text = decode_charset(data, charset or "us-ascii")
    return decode_header(data) if text is None else text


def _partition(section: tuple[str, bool], cursor: Cursor) -> tuple[str, str]:
    """Charset and text of the first section of an encoded value; the language is dropped."""
    pieces = section[0].split("'", 2)
    if not section[1] or len(pieces) != 3:
        raise cursor.error("has an encoded parameter without charset", "mime.parameter")
    return pieces[0], pieces[2]


def _octets(text: str, *, extended: bool) -> bytes:
    data = text.encode("utf-8", "replace")
    return _PERCENT.sub(lambda code: bytes.fromhex(code[1].decode()), data) if extended else data
