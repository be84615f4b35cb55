"""The header of a received message: each field, and what protects it (RFC 9788, 4).

Knows how layers, signatures and the header inside add up. May not know how a header is
protected on the wire (`mime.protected` does), nor how a message is taken apart.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, final

from smimekit.errors import InputError
from smimekit.limits import Limits
from smimekit.message.identity import Identity, claim_of, identity_of
from smimekit.message.layers import (
    Encrypted,
    Layer,
    SignatureResult,
    Signed,
    innermost_signatures,
)
from smimekit.message.recognise import recognise
from smimekit.mime.address import address_key
from smimekit.mime.content_type import content_type, transfer_encoding
from smimekit.mime.dates import read_date
from smimekit.mime.fields import Field, HeaderBlock
from smimekit.mime.protected import (
    FieldState,
    HeaderScheme,
    ProtectedHeader,
    is_structural,
    read_protected,
    wrapped_header,
)
from smimekit.mime.scanner import Entity, read_entity
from smimekit.mime.words import decode_words
from smimekit.span import Span

__all__ = ["HeaderField", "HeaderSet", "header_set"]

_NO_HEADER: Final = HeaderBlock([])
_SAME_TIME: Final = timedelta(hours=1)
"""Programs sign when they send; their clocks, and a slow connection, may be this far off."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderField:
    """One field about a message, and what protects it."""

    name: str
    value: str = field(repr=False)
    """Unfolded, with its encoded words."""
    state: FieldState
    outer: str | None = field(repr=False)
    """What the field says outside, where anybody can write: the same, another value, or None
    where it is not there."""

    @property
    def text(self) -> str:
        """The value for people: encoded words are decoded."""
        return decode_words(self.value.encode("utf-8", "replace"))

    def named(self, name: str) -> bool:
        """Whether this is the field `name`; case does not matter."""
        return self.name.lower() == name.lower()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderSet:
    """The header of a message (RFC 9788, 4): no field about a MIME entity is in it."""

    scheme: HeaderScheme
    fields: tuple[HeaderField, ...]
    """Those that were protected, in order, then those that stand outside only."""
    outside: tuple[tuple[str, str], ...] = field(repr=False)
    """Names and values that the author says stood outside: for replies."""
    inside: int
    """How many of `fields` were protected."""
    from_mismatch: bool
    """Is the From address inside another one than outside (4.4.1.1)?"""
    is_bound: bool
    """Is there a good signature by a trusted signer whom From inside names (4.4.1.2)?"""
    date_mismatch: bool
    """Was the mail signed at another time than its unprotected Date says, by more than an hour?
    Somebody may have sent an old one again; or it waited long for a gateway to sign it."""

    @property
    def protected(self) -> tuple[HeaderField, ...]:
        """The fields inside the payload: what a reply, or a program, may rely on (4.8.1)."""
        return self.fields[: self.inside]

    @property
    def warns(self) -> bool:
        """Should people be warned of a forged sender, as of phishing (4.4.2)?"""
        return self.from_mismatch and not self.is_bound

    @property
    def shown(self) -> tuple[HeaderField, ...]:
        """What to show of the message (4, 4.4.3).

        Of a protected header the protected fields: what stands outside only, anybody may have
        added. From is shown as it stands outside where `warns`, since servers have checked
        that one, if any. Of an unprotected header everything.
        """
        if self.scheme is HeaderScheme.NONE:
            return self.fields
        if not self.warns:
            return self.protected
        return (
            *_outer_authors(self.fields),
            *(field for field in self.protected if not field.named("From")),
        )

    def all(self, name: str) -> tuple[HeaderField, ...]:
        """Every field `name` of those to show; case does not matter."""
        return tuple(field for field in self.shown if field.named(name))


def _outer_authors(fields: Sequence[HeaderField]) -> tuple[HeaderField, ...]:
    return tuple(
        HeaderField(
            name=field.name, value=field.outer, state=FieldState.UNPROTECTED, outer=field.outer
        )
        for field in fields
        if field.named("From") and field.outer is not None
    )


def header_set(
    outer: HeaderBlock | None, payload: Entity | None, envelope: Sequence[Layer], limits: Limits
) -> Callable[[], HeaderSet]:
    """What gives the header of a message whose layers are open, when somebody asks for it.

    `outer` is the header block of the mail; None for bare CMS, which has none. A message that
    cannot be decrypted is one without header protection (4.7), and so is one whose payload
    nobody can read.
    """
    if payload is None or not any(map(_is_cryptographic, envelope)):
        return lambda: _header_set(outer, None, envelope, limits)
    if _is_message(payload):
        # Now, not later: a message inside is gone when this one is closed.
        found = _protected(outer, payload, limits)
        return lambda: _header_set(outer, found, envelope, limits)
    return lambda: _header_set(outer, _protected(outer, payload, limits), envelope, limits)


def _is_message(payload: Entity) -> bool:
    try:
        return content_type(payload.header).type == "message"
    except InputError:
        return False


def _header_set(
    outer: HeaderBlock | None,
    found: ProtectedHeader | None,
    envelope: Sequence[Layer],
    limits: Limits,
) -> HeaderSet:
    around = _about_message(outer or _NO_HEADER)
    if found is None:
        return HeaderSet(
            scheme=HeaderScheme.NONE,
            fields=tuple(map(_unprotected, around)),
            outside=(),
            inside=0,
            from_mismatch=False,
            is_bound=False,
            date_mismatch=_is_dated_anew(around, envelope),
        )
    bound = _is_bound(found, envelope, limits)
    encrypted = any(isinstance(layer, Encrypted) for layer in envelope)
    states = found.states(encrypted=encrypted, signed=bound)
    protected, rest = _paired(found.fields, states, around)
    return HeaderSet(
        scheme=found.scheme,
        fields=(*protected, *map(_unprotected, rest)),
        outside=found.outside if found.hides and encrypted else (),
        inside=len(protected),
        from_mismatch=_mismatch(found, outer, limits),
        is_bound=bound,
        date_mismatch=not any(map(_is_date, found.fields)) and _is_dated_anew(around, envelope),
    )


def _is_cryptographic(layer: Layer) -> bool:
    return isinstance(layer, Encrypted) or (isinstance(layer, Signed) and bool(layer.signatures))


def _about_message(block: HeaderBlock) -> list[Field]:
    return [field for field in block.fields if not is_structural(field.name)]


def _unprotected(field: Field) -> HeaderField:
    return HeaderField(
        name=field.name, value=field.text, state=FieldState.UNPROTECTED, outer=field.text
    )


def _paired(
    inner: Sequence[Field], states: Sequence[FieldState], around: Sequence[Field]
) -> tuple[list[HeaderField], list[Field]]:
    """The protected fields beside those outside, and what else is outside."""
    partners = _partners(inner, around)
    protected = [
        HeaderField(
            name=field.name,
            value=field.text,
            state=state,
            outer=around[partners[at]].text if at in partners else None,
        )
        for at, (field, state) in enumerate(zip(inner, states, strict=True))
    ]
    taken = set(partners.values())
    return protected, [field for at, field in enumerate(around) if at not in taken]


def _partners(inner: Sequence[Field], around: Sequence[Field]) -> dict[int, int]:
    """Which field outside belongs to which inside: equal ones first, then each to the next."""
    partners: dict[int, int] = {}
    for key_of in (_name_and_value, _name):
        waiting: defaultdict[tuple[str, bytes], deque[int]] = defaultdict(deque)
        taken = set(partners.values())
        for at, one in enumerate(around):
            if at not in taken:
                waiting[key_of(one)].append(at)
        for at, one in enumerate(inner):
            if at not in partners and (queue := waiting.get(key_of(one))):
                partners[at] = queue.popleft()
    return partners


def _name(field: Field) -> tuple[str, bytes]:
    return field.name.lower(), b""


def _name_and_value(field: Field) -> tuple[str, bytes]:
    return field.name.lower(), field.value


# --- the header inside ---------------------------------------------------------------------


def _protected(
    outer: HeaderBlock | None, payload: Entity, limits: Limits
) -> ProtectedHeader | None:
    try:
        found = read_protected(payload.header)
        if found is not None or outer is None:
            return found
        return _wrapped(outer, payload.header, payload.body, limits)
    except InputError:
        return None


def _wrapped(
    outer: HeaderBlock, header: HeaderBlock, body: Span, limits: Limits
) -> ProtectedHeader | None:
    """A message in the message, where its header is meant to be this one's (RFC 9788, 4.10.1).

    A forwarded mail looks the same: what the author of this one did not write is one.
    """
    plain = transfer_encoding(header) in {"7bit", "8bit", "binary"}
    if content_type(header).media != "message/rfc822" or not plain:
        return None
    child = read_entity(body, limits=limits)
    if recognise(child, limits=limits) is not None:
        return None
    author = _keys(child.header, limits)
    if not author or author != _keys(outer, limits):
        return None
    return wrapped_header(header, child.header, outer)


# --- From (RFC 9788, 4.4) ------------------------------------------------------------------


def _keys(header: HeaderBlock, limits: Limits) -> set[tuple[str, str] | None]:
    """The authors' addresses, as they are compared (4.4.5)."""
    return {address_key(address) for address in claim_of(header, limits) or ()}


def _mismatch(found: ProtectedHeader, outer: HeaderBlock | None, limits: Limits) -> bool:
    inner = HeaderBlock.of(found.fields)
    if outer is None or claim_of(outer, limits) is None or not inner.all("From"):
        return False  # around an entity, as around bare CMS, stands no header of a mail
    inside = _keys(inner, limits)
    return not inside or None in inside or inside != _keys(outer, limits)


def _is_bound(found: ProtectedHeader, envelope: Sequence[Layer], limits: Limits) -> bool:
    header = HeaderBlock.of(found.fields)
    return any(
        signature.intact
        and signature.of_message
        and signature.trusted
        and _is_author(signature, header, limits)
        for signature in innermost_signatures(envelope)
    )


def _is_author(signature: SignatureResult, header: HeaderBlock, limits: Limits) -> bool:
    """Does the header inside name the signer; or, where it names nobody, the one outside?"""
    if not header.all("From"):
        return signature.by_sender
    return identity_of(signature.certificate, (claim_of(header, limits),)) is Identity.MATCH


# --- Date ----------------------------------------------------------------------------------


def _is_date(field: Field) -> bool:
    return field.named("Date")


def _is_dated_anew(around: Iterable[Field], envelope: Sequence[Layer]) -> bool:
    """Does a Date that no signature covers say another time than those who signed the message?

    One that nobody can read says none of theirs.
    """
    dates = [read_date(field.text) for field in around if _is_date(field)]
    times = [
        signature.signing_time
        for signature in innermost_signatures(envelope)
        if signature.intact and signature.of_message and signature.trusted and signature.by_sender
    ]
    return any(
        date is None or abs(date - time) > _SAME_TIME
        for date in dates
        for time in times
        if time is not None
    )
