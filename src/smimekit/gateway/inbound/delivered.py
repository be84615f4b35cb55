"""What a recipient gets of a mail that was opened: the payload under the outer header.

Knows layers, header fields and what mail transport takes. May not know keys, trust or who the
recipients are. What is signed and stays signed keeps every octet.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, final

from smimekit.errors import InputError, MimeError
from smimekit.gateway.inbound.clear import clear_signed
from smimekit.gateway.inbound.forged import subject, untagged
from smimekit.gateway.rules.inbound import Inbound
from smimekit.limits import Limits
from smimekit.message.header_set import HeaderField, HeaderSet
from smimekit.message.layers import Compressed, Encrypted, Layer, SignatureForm, Signed
from smimekit.message.opened import Opened
from smimekit.message.recognise import is_bare_cms
from smimekit.message.spool import Spool
from smimekit.mime.canonical import is_canonical, to_crlf
from smimekit.mime.fields import Field, HeaderBlock, read_header
from smimekit.mime.legacy import hide_displays
from smimekit.mime.prepare import prepare
from smimekit.mime.protected import FieldState, HeaderScheme, is_structural
from smimekit.mime.safety import MAX_LINE, folded, safe_message_field
from smimekit.mime.scanner import Entity, read_entity
from smimekit.mime.words import decode_words, encode_words
from smimekit.span import Span

__all__ = [
    "Readable",
    "header_of",
    "is_confidential",
    "plaintext",
    "readable",
    "signed_subject",
    "tagged",
]

_AUTHORS: Final = frozenset(
    {
        *("from", "sender", "reply-to", "to", "cc", "date", "message-id", "in-reply-to"),
        *("references", "subject", "comments", "keywords"),
        *("followup-to", "mail-followup-to", "mail-reply-to"),
        *("importance", "priority", "sensitivity", "organization", "user-agent", "x-mailer"),
    }
)
"""Fields that come out of a payload (RFC 9788, 4): what an author writes. Others are of servers,
filters or the gateway: what says so inside, where none of them could look, is not believed."""
_SHOWN: Final = frozenset({"to", "cc", "subject"})
_ADDED: Final = _SHOWN | {"reply-to", "followup-to", "mail-followup-to", "mail-reply-to"}
"""Fields that are shown, or that answers go to. Where the header is protected, only those inside
count (RFC 9788, 4, 4.4.4 and 4.6): once the encryption is gone, no mail program can tell that
somebody added one."""
_END_FORMS: Final = frozenset({SignatureForm.CERTS_ONLY, SignatureForm.DETACHED})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """What is delivered in place of the body that came."""

    entity: Entity | None
    """None: the mail stays as it came."""
    layers: tuple[Layer, ...]
    """Those that remain around it, outermost first."""
    decrypted: bool
    cleared: bool = False
    """Whether the outermost of them was opaque, and is a multipart/signed now."""
    eight_bit: bool = False
    """Whether it needs a transport for octets above 127 (RFC 6152)."""


def readable(
    message: Span, opened: Opened, rules: Inbound, *, limits: Limits, closing: ExitStack
) -> Readable:
    """What of a mail is delivered by the rules, once it is opened. `closing` will close what it
    writes.

    The mail stays as it came where nothing is to be taken off it, where what is inside is no
    mail, and where mail transport would change or refuse it.
    """
    layers = opened.envelope
    start = _start(layers, rules)
    unchanged = Readable(entity=None, layers=layers, decrypted=False)
    remaining = layers[start:]
    content = layers[start - 1].content if start else None
    try:
        if content is not None:
            content = _displayed(opened, content, remaining, limits, closing)
        clear = None
        if rules.opaque_to_clear and remaining and isinstance(remaining[0], Signed):
            clear = _cleared(message if content is None else content, remaining[0], limits, closing)
            content = content if clear is None else clear
        if content is None or is_bare_cms(content):
            return unchanged
        mailable = _mailable(content, limits, closing)
        if mailable is None:
            return unchanged
        entity = read_entity(mailable[0], limits=limits, mbox=False)
    except InputError:
        return unchanged
    return Readable(
        entity=entity,
        layers=remaining,
        decrypted=any(isinstance(each, Encrypted) for each in layers[:start]),
        cleared=clear is not None,
        eight_bit=mailable[1],
    )


def plaintext(opened: Opened) -> Span | None:
    """What was decrypted, for scanners; None where nothing was."""
    layers = opened.envelope
    if not opened.is_encrypted:
        return None
    return layers[_start(layers, Inbound(decrypt=True)) - 1].content


def is_confidential(opened: Opened, found: Readable) -> bool:
    """Was it decrypted, and is nothing known that others can have read it by? Who reads what is
    encrypted by an old cipher must not say that it was encrypted (RFC 9787, 6.5).
    """
    ciphers = (each.cipher for each in opened.envelope if isinstance(each, Encrypted))
    return found.decrypted and not any(each is not None and each.weak for each in ciphers)


def _start(layers: Sequence[Layer], rules: Inbound) -> int:
    """How many layers go, from the outermost on."""
    start = 0
    if rules.decrypt:
        start = max(
            (at for at, each in enumerate(layers, 1) if isinstance(each, Encrypted)), default=0
        )
    stays_encrypted = any(isinstance(each, Encrypted) for each in layers[start:])
    if rules.strip_signatures and not stays_encrypted:
        start = max(
            (at for at, each in enumerate(layers, 1) if isinstance(each, Signed)), default=start
        )
    # No mail program shows what is compressed; nobody signed it so.
    while 0 < start < len(layers) and isinstance(layers[start], Compressed):
        start += 1
    while start and _ends(layers[start - 1]):
        start -= 1
    return start


def _ends(layer: Layer) -> bool:
    """Is there nothing in it that could be delivered?"""
    return layer.content is None or (isinstance(layer, Signed) and layer.form in _END_FORMS)


def _displayed(
    opened: Opened,
    content: Span,
    remaining: Sequence[Layer],
    limits: Limits,
    closing: ExitStack,
) -> Span:
    """Without what an encrypted mail repeats of its header in the text (RFC 9788, 4.5.3): the
    header says it now. Under a signature nothing is taken away.
    """
    if remaining or not opened.is_encrypted or opened.header.scheme is not HeaderScheme.CIPHER:
        return content
    return _spooled(hide_displays(content, limits=limits), limits, closing)


def _cleared(entity: Span, layer: Signed, limits: Limits, closing: ExitStack) -> Span | None:
    spool = closing.enter_context(_spool(limits))
    return spool.span() if clear_signed(entity, layer, spool, limits=limits) else None


def _spool(limits: Limits) -> Spool:
    return Spool(limits.spool_memory, encrypted=limits.spool_encrypted)


def _spooled(chunks: Iterable[bytes], limits: Limits, closing: ExitStack) -> Span:
    spool = closing.enter_context(_spool(limits))
    for chunk in chunks:
        spool.write(chunk)
    return spool.span()


# --- what mail transport takes (RFC 5321, 4.5.3.1.6 and 2.3.8) ------------------------------------


def _mailable(content: Span, limits: Limits, closing: ExitStack) -> tuple[Span, bool] | None:
    """Content that a mail server takes, and whether it has octets above 127.

    A bare LF ends a line for one server and not for the next one (RFC 5321, 2.3.8): what was
    hidden from all of them until now could end the mail, and begin another. Its own header will be
    the mail's, which is ASCII (RFC 5322, 2.2). None where the content cannot be helped.
    """
    fits, eight_bit = _fits(content.chunks())
    if not fits:
        content = _spooled(to_crlf(content.chunks()), limits, closing)
        fits, eight_bit = _fits(content.chunks())
    if not (fits and read_header(content, limits=limits, mbox=False).raw.isascii()):
        content = _spooled(prepare(content, limits=limits).chunks(), limits, closing)
        fits, eight_bit = _fits(content.chunks())
    return (content, eight_bit) if fits else None


def _fits(chunks: Iterable[bytes]) -> tuple[bool, bool]:
    """Are there CRLF and short lines only, and no NUL? Are there octets above 127?"""
    eight_bit = False
    for data in _lines(chunks):
        eight_bit = eight_bit or not data.isascii()
        if b"\0" in data or not is_canonical(data):
            return False, eight_bit
        if max(map(len, data.split(b"\r\n"))) > MAX_LINE:
            return False, eight_bit
    return True, eight_bit


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same octets, cut after line ends, as far as lines are not too long."""
    held = b""
    for chunk in chunks:
        data = held + chunk
        end = data.rfind(b"\n") + 1
        held = data[end:]
        if len(held) > 2 * MAX_LINE:
            end, held = len(data), b""
        yield data[:end]
    yield held


# --- the header -----------------------------------------------------------------------------------


def header_of(
    outer: HeaderBlock, found: Readable, protected: HeaderSet, tags: Sequence[str] = ()
) -> tuple[Field, ...]:
    """The header of what is delivered: the outer one, with the author's fields as they stand in
    the payload where they were protected (RFC 9788, 4), and the entity's own fields.

    The author outside stays where another one is inside whom nothing binds (4.4). Whom to answer
    is said inside, or nowhere (4.4.4). `tags` are taken out of what comes from inside. Nothing
    does while an encryption remains.
    """
    if found.entity is None:
        return outer.fields
    closed = any(isinstance(each, Encrypted) for each in found.layers)
    inner = {} if closed else _promoted(protected, tags)
    added = frozenset[str]() if closed else _added(protected)
    waiting = dict(inner)
    fields: list[Field] = []
    for field in outer.fields:
        name = field.name.lower()
        if name in inner:
            fields += waiting.pop(name, ())  # where the first one stood
        elif not is_structural(name) and name not in added:
            fields.append(field)
    fields += (field for group in waiting.values() for field in group)
    fields.append(_mime_version(outer))
    entity = found.entity.header.fields
    fields += (each for each in entity if each.name.lower().startswith("content-"))
    return tuple(fields)


def _added(protected: HeaderSet) -> frozenset[str]:
    """Fields that do not stay where a protected header is without them. What is shown, and cannot
    be sent as it is inside, has what stands outside in its place.
    """
    if protected.scheme is HeaderScheme.NONE:
        return frozenset()
    return _ADDED - (_SHOWN & {each.name.lower() for each in protected.protected})


def signed_subject(
    fields: Sequence[Field], protected: HeaderSet, tags: Sequence[str]
) -> tuple[Field, ...]:
    """The fields of a mail that stays as it is, with the subject that its author signed, or
    without one: a good word of ours does not stand before what somebody wrote on the way. What
    stays encrypted has the subject that its author put outside.
    """
    if protected.scheme is HeaderScheme.NONE or not protected.is_bound:
        return tuple(fields)
    hidden = any(
        each.named("Subject") and each.state.is_confidential for each in protected.protected
    )
    inner = (
        _put_outside(protected, tags) if hidden else _promoted(protected, tags).get("subject", ())
    )
    outer = [field for field in fields if field.named("Subject")]
    if [_said(each) for each in inner] == [_said(each) for each in outer]:
        return tuple(fields)
    if not inner and not hidden and "subject" not in _added(protected):
        return tuple(fields)
    rest = [field for field in fields if not field.named("Subject")]
    at = fields.index(outer[0]) if outer else len(rest)
    return (*rest[:at], *inner, *rest[at:])


def _put_outside(protected: HeaderSet, tags: Sequence[str]) -> tuple[Field, ...]:
    """The subject outside, as the author says (RFC 9788, 2.2)."""
    found = [value for name, value in protected.outside if name.lower() == "subject"]
    state = FieldState.UNPROTECTED
    fields = [HeaderField(name="Subject", value=each, state=state, outer=each) for each in found]
    written = (_written(each, tags) for each in fields)
    return tuple(each for each in written if each is not None)


def _said(found: Field) -> str:
    return " ".join(decode_words(found.value).split())


def _mime_version(outer: HeaderBlock) -> Field:
    return next(iter(outer.all("MIME-Version")), Field.of("MIME-Version", b"1.0"))


def _promoted(protected: HeaderSet, tags: Sequence[str]) -> dict[str, tuple[Field, ...]]:
    """The author's fields by name, as they were protected. A field that is there twice, or that
    cannot be sent, is none: what stands outside stays.
    """
    if protected.scheme is HeaderScheme.NONE:
        return {}
    found: dict[str, tuple[Field, ...]] = {}
    for each in protected.protected:
        name = each.name.lower()
        if name not in _AUTHORS or (name == "from" and protected.warns):
            continue
        field = _written(each, tags)
        found[name] = () if field is None or name in found else (field,)
    return {name: group for name, group in found.items() if group}


def _written(found: HeaderField, tags: Sequence[str]) -> Field | None:
    value = found.value.encode("utf-8", "replace")
    made = Field.of(found.name, folded(value, len(found.name) + 2))
    left = untagged(value, tags) if found.named("Subject") else None
    if left is not None:
        made = subject(found.name, left)
    try:
        safe = safe_message_field(made)
    except MimeError:
        return None
    return safe if safe.raw.isascii() else None  # an address that not every server takes


def tagged(fields: Iterable[Field], tags: Sequence[str]) -> tuple[Field, ...]:
    """The fields with tags at the beginning of the first subject: there programs look past them
    when they sort mail by subject (RFC 5256, 2.1).
    """
    if not tags:
        return tuple(fields)
    text = " ".join(tags)
    tag = text.encode() if text.isascii() else encode_words(text)
    found: list[Field] = []
    done = False
    for field in fields:
        if field.named("Subject") and not done:
            value = field.raw[field.raw.index(b":") + 1 :].lstrip(b" \t\r\n")
            done = True
            field = Field(field.name, b"Subject: " + tag + (b"\r\n " + value if value else b"\r\n"))  # noqa: PLW2901 - the same field
        found.append(field)
    return tuple(found) if done else (*found, Field.of("Subject", tag))
