"""Layers below something that is no layer (RFC 9787, 4.5): where they are, and of what kind.

Knows parts and forwarded messages. May not open what it finds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, final

from smimekit.cms.content import AUTH_ENVELOPED_DATA, ENVELOPED_DATA, SIGNED_DATA
from smimekit.errors import InputError
from smimekit.limits import Limits
from smimekit.message.layers import Errant
from smimekit.message.recognise import (
    PKCS7_MIME,
    Opaque,
    peek,
    recognise,
    recognise_opaque,
    says_signed,
)
from smimekit.mime.content_type import (
    TEXT_PLAIN,
    ContentType,
    content_type,
    transfer_encoding,
)
from smimekit.mime.scanner import Entity, boundary_of, read_entity, split
from smimekit.span import Span

__all__ = ["find_errant"]

_COMPOSITE: Final = frozenset({"multipart", "message"})
"""The types that hold entities (RFC 2046, 5)."""
_MESSAGES: Final = frozenset({"message/rfc822", "message/global"})
_MESSAGE: Final = ContentType("message", "rfc822")
_BY_CONTENT: Final = {
    SIGNED_DATA: "signed",
    ENVELOPED_DATA: "encrypted",
    AUTH_ENVELOPED_DATA: "encrypted",
}
_BY_LABEL: Final = {
    "signed-data": "signed",
    "enveloped-data": "encrypted",
    "authenveloped-data": "encrypted",
}


def find_errant(payload: Entity, *, limits: Limits) -> tuple[Errant, ...]:
    """The signed or encrypted parts inside a payload that is no layer itself.

    What is in one of them is its own business: it is found by whoever opens that. Parts that
    nobody can read, those beyond the limits too, have no layers that anybody would show.
    """
    try:
        holds = content_type(payload.header).type in _COMPOSITE
    except InputError:
        return ()
    return tuple(_inside(_Place(payload.span, limits), payload)) if holds else ()


@final
@dataclass(frozen=True, slots=True)
class _Place:
    """A part, and how it was come to."""

    span: Span
    limits: Limits
    default: ContentType = TEXT_PLAIN
    """What the part is where it does not say so."""
    path: tuple[int, ...] = ()
    whole: bool = True
    """A message, not a part of one."""

    def child(self, number: int, span: Span, default: ContentType, *, whole: bool) -> "_Place":
        path = (*self.path, number)
        return replace(self, span=span, default=default, path=path, whole=whole)


def _errant(place: _Place) -> Iterator[Errant]:
    """The layer that is here, or those further below."""
    if len(place.path) > place.limits.mime_depth:
        return
    try:
        entity = read_entity(place.span, limits=place.limits, mbox=place.whole)
        kind = _kind(entity, _content(place, entity), place.limits)
    except InputError:
        return
    if kind:
        yield Errant(kind, place.span, ".".join(map(str, place.path)))
    else:
        yield from _inside(place, entity)


def _inside(place: _Place, entity: Entity) -> Iterator[Errant]:
    try:
        children = tuple(_children(place, entity, _content(place, entity)))
    except InputError:
        return
    for child in children:
        yield from _errant(child)


def _content(place: _Place, entity: Entity) -> ContentType:
    return content_type(entity.header, default=place.default)


def _kind(entity: Entity, content: ContentType, limits: Limits) -> str | None:
    """What the content is or, where nobody can read it, what the label says: see `Errant.kind`."""
    if content.media == "multipart/signed":
        found = says_signed(content) or recognise(entity, limits=limits)
        return "signed" if found else None
    opaque = recognise_opaque(entity, content, limits=limits)
    return None if opaque is None else _kind_of(opaque, content, limits)


def _kind_of(found: Opaque, content: ContentType, limits: Limits) -> str:
    peeked = peek(found, limits=limits)
    if peeked is not None:
        return "cms" if peeked.detached else _BY_CONTENT.get(peeked.content_type, "cms")
    label = (content.get("smime-type") or "").lower()
    return _BY_LABEL.get(label, "cms") if content.media in PKCS7_MIME else "cms"


def _children(place: _Place, entity: Entity, content: ContentType) -> Iterator[_Place]:
    if content.type == "multipart":
        # RFC 2046, 5.1.5: what a digest holds are messages, unless they say otherwise.
        default = _MESSAGE if content.subtype == "digest" else TEXT_PLAIN
        parts = split(entity.body, boundary_of(content), limits=place.limits).parts
        for number, part in enumerate(parts, start=1):
            yield place.child(number, part, default, whole=False)
    elif content.media in _MESSAGES and transfer_encoding(entity.header) in {
        "7bit", "8bit", "binary",
    }:  # fmt: skip
        yield place.child(1, entity.body, TEXT_PLAIN, whole=True)
