"""What a mail says about itself, as far as rules ask: who wrote it, to whom, and of what kind.

Knows headers and media types, and the first octets of CMS. Opens nothing and verifies nothing:
all of this is what the mail says, and whoever wrote it may have lied.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, final

from smimekit.cms.content import AUTH_ENVELOPED_DATA, ENVELOPED_DATA, SIGNED_DATA
from smimekit.errors import InputError, MimeError
from smimekit.limits import Limits
from smimekit.message.recognise import ClearSigned, peek, recognise
from smimekit.mime.address import address_key, parse_mailboxes
from smimekit.mime.content_type import content_type
from smimekit.mime.fields import HeaderBlock, read_header
from smimekit.mime.scanner import Entity, boundary_of, split
from smimekit.span import Span

__all__ = ["UNREADABLE", "Letter", "Protected", "is_calendar", "read_letter"]

_ADDRESSED: Final = ("To", "Cc", "Resent-To", "Resent-Cc")
_CALENDAR_DEPTH: Final = 3
"""Multiparts around an invitation: mixed, and alternative or related in it."""
_PARTS: Final = 20
"""Parts of one multipart that are looked at."""


class Protected(StrEnum):
    """What protection a mail has already."""

    NOTHING = "nothing"
    SIGNED = "signed"
    ENCRYPTED = "encrypted"
    OTHER = "other"
    """Another protocol's, such as OpenPGP's: nobody here knows what it is worth."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail as the rules see it."""

    header: HeaderBlock
    authors: tuple[str, ...]
    """The addresses in From; none where it cannot be read."""
    shown: frozenset[tuple[str, str]]
    """The keys of the addresses that every recipient sees (`address_key`)."""
    protected: Protected
    auto_submitted: bool
    """RFC 3834, 5."""
    report: bool
    """Is it a delivery report or the like (multipart/report, RFC 6522)?"""

    @property
    def author(self) -> str | None:
        """The address in From, where it is just one."""
        return self.authors[0] if len(self.authors) == 1 else None


UNREADABLE: Final = Letter(
    header=HeaderBlock([]),
    authors=(),
    shown=frozenset(),
    protected=Protected.NOTHING,
    auto_submitted=False,
    report=False,
)
"""What a mail says whose header cannot be read."""


def read_letter(message: Span, *, limits: Limits) -> Letter:
    """What a mail says about itself. Raises MimeError and LimitExceeded for a header that is none
    or that programs would read differently.
    """
    header = read_header(message, limits=limits)
    content = content_type(header)
    return Letter(
        header=header,
        authors=_authors(header),
        shown=frozenset(_shown(header)),
        protected=_protected(message, header, limits),
        auto_submitted=_is_automatic(header),
        report=content.media == "multipart/report",
    )


def _authors(header: HeaderBlock) -> tuple[str, ...]:
    found = header.one("From")
    if found is None:
        return ()
    try:
        return tuple(each.address for each in parse_mailboxes(found.value))
    except MimeError:
        return ()


def _shown(header: HeaderBlock) -> Iterator[tuple[str, str]]:
    """Who is named to everybody. A field that cannot be read names nobody: so its recipients get
    mails of their own, and nobody learns anything.
    """
    for name in _ADDRESSED:
        for field in header.all(name):
            try:
                mailboxes = parse_mailboxes(field.value)
            except MimeError:
                continue
            for each in mailboxes:
                key = address_key(each.address)
                if key is not None:
                    yield key


def _is_automatic(header: HeaderBlock) -> bool:
    values = [
        field.text.partition(";")[0].strip().lower() for field in header.all("Auto-Submitted")
    ]
    return any(value != "no" for value in values)


# --- what kind ------------------------------------------------------------------------------------


def _protected(message: Span, header: HeaderBlock, limits: Limits) -> Protected:
    """By label and content; what is ambiguous is no protection."""
    entity = Entity(header, message.slice(header.length, len(message)), message)
    if content_type(header).media == "multipart/encrypted":
        return Protected.OTHER
    try:
        layer = recognise(entity, limits=limits)
    except InputError:
        return Protected.NOTHING
    if isinstance(layer, ClearSigned):
        return Protected.SIGNED
    found = None if layer is None else peek(layer, limits=limits)
    if found is None:
        signed = content_type(header).media == "multipart/signed"
        return Protected.OTHER if signed else Protected.NOTHING
    if found.content_type in {ENVELOPED_DATA, AUTH_ENVELOPED_DATA}:
        return Protected.ENCRYPTED
    return Protected.SIGNED if found.content_type == SIGNED_DATA else Protected.NOTHING


def is_calendar(message: Span, header: HeaderBlock, *, limits: Limits) -> bool:
    """Is it, or has it among its first parts, an invitation (text/calendar, RFC 6047)?"""
    return any(_kinds(Entity(header, message.slice(header.length, len(message)), message), limits))


def _kinds(entity: Entity, limits: Limits, depth: int = _CALENDAR_DEPTH) -> Iterator[bool]:
    content = content_type(entity.header)
    if content.media == "text/calendar":
        yield True
    elif content.type == "multipart" and depth:
        for part in _parts(entity, limits):
            yield from _kinds(part, limits, depth - 1)


def _parts(entity: Entity, limits: Limits) -> Iterable[Entity]:
    try:
        boundary = boundary_of(content_type(entity.header))
        found = split(entity.body, boundary, limits=limits).parts[:_PARTS]
        spans = [(read_header(each, limits=limits, mbox=False), each) for each in found]
    except InputError:
        return ()
    return [Entity(head, each.slice(head.length, len(each)), each) for head, each in spans]
