"""Header protection (RFC 9788): the fields of a mail inside its payload, and out of it again.

Knows fields, the hp parameter and HP-Outer. May not know cryptography: whether a payload is
encrypted, or a signature good, it is told.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Final, final

from smimekit.mime.confidentiality import (
    HeaderPolicy,
    changed_by,
    exposed,
    hcp_baseline,
    hcp_no_confidentiality,
    hcp_shy,
)
from smimekit.mime.content_type import content_type, disposition
from smimekit.mime.fields import Field, HeaderBlock
from smimekit.mime.prepare import Prepared
from smimekit.mime.safety import (
    MAX_LINE,
    safe_message_field,
    safe_message_header,
    with_parameters,
)
from smimekit.mime.writer import (
    MIME_VERSION,
    SentHeader,
    field_bytes,
    header_bytes,
    message_header,
)

__all__ = [
    "FieldState",
    "HeaderProtection",
    "HeaderScheme",
    "Protected",
    "ProtectedHeader",
    "is_structural",
    "marked",
    "protect",
    "read_protected",
    "shown",
    "wrapped_header",
]

_HP_OUTER: Final = "HP-Outer"
_LAYERS: Final = frozenset(
    {
        *("multipart/signed", "multipart/encrypted"),
        *("application/pkcs7-mime", "application/x-pkcs7-mime"),
    }
)
_LAYER_TYPES: Final = frozenset(media.partition("/")[0] for media in _LAYERS)
_LAYER_NAMES: Final = (".p7m", ".p7z")
# RFC 9787, 1.1.2, and what RFC 9788, 1.9 displays besides: the informational fields.
_USER_FACING: Final = frozenset(
    {
        *("subject", "comments", "keywords", "from", "to", "cc", "date"),
        *("reply-to", "followup-to", "sender", "resent-from", "resent-to"),
        *("resent-cc", "resent-date", "resent-sender"),
    }
)
_BLANKS = re.compile(r"[ \t]+")
_SHORT = re.compile(rb"[!-9;-~]{1,76}: [!-~](?:[\t -~]{0,800}[!-~])?\r\n")
"""One line, of which an HP-Outer field makes no long one: what nearly every field is."""
_FIELD = re.compile(r"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderProtection:
    """How the header of a mail is protected (RFC 9788, 5).

    Signed, all fields are copied inside, where the signature covers them. Encrypted, `hcp`,
    a header confidentiality policy, says besides what is still to be read outside: a function
    of name and value that gives the value outside, or None to leave the field out.
    """

    hcp: HeaderPolicy = hcp_baseline
    legacy_display: bool = False
    """Write the hidden fields that people read at the top of the text as well, for receivers
    whose program does not know RFC 9788 (5.2.2); programs that do hide them again."""

    BASELINE: ClassVar["HeaderProtection"]
    """Hides the subject, comments and keywords: the default that RFC 9788, 3.3 recommends."""
    SHY: ClassVar["HeaderProtection"]
    """Hides the names beside addresses and the sender's time zone, too."""
    NO_CONFIDENTIALITY: ClassVar["HeaderProtection"]
    """Hides nothing; a signature still covers all."""

    def displayed(self, outer: Iterable[Field]) -> tuple[Field, ...]:
        """What a legacy display element shows: what people read, and `hcp` hides."""
        if not self.legacy_display:
            return ()
        return tuple(
            field
            for field in map(safe_message_field, outer)
            if field.name.lower() in _USER_FACING and exposed(field, self.hcp) is not field
        )


HeaderProtection.BASELINE = HeaderProtection()
HeaderProtection.SHY = HeaderProtection(hcp=hcp_shy)
HeaderProtection.NO_CONFIDENTIALITY = HeaderProtection(hcp=hcp_no_confidentiality)


# --- writing (RFC 9788, 5.2.1) -------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class Protected:
    """A draft whose header is written: what stays outside, and the entity that is protected."""

    outer: SentHeader = field(repr=False)
    header: SentHeader = field(repr=False)
    """The header of the entity, without its empty line."""
    body: Callable[[], Iterable[bytes]]
    domain: str
    """What the body is: 7bit, 8bit or binary."""

    def chunks(self) -> Iterator[bytes]:
        """The entity, as often as it is asked for."""
        yield self.header + b"\r\n"
        yield from self.body()

    @property
    def entity(self) -> bytes:
        """The entity, in memory."""
        return b"".join((self.header, b"\r\n", *self.body()))


def protect(
    prepared: Prepared, protection: HeaderProtection | None, *, encrypted: bool
) -> Protected:
    """A draft whose header is protected, for a message that is signed, or `encrypted`.

    A draft that is a cryptographic layer already stays as it is: its payload is out of reach,
    and a field that is hidden outside would be lost. So does one without a field about the
    message, which is no mail. Without `protection` no hp parameter remains, so that nobody
    takes the fields outside for ones that were added in transit. Raises UsageError as
    `exposed` does, MimeError for fields that cannot be sent.
    """
    outer, inner = _headers(prepared, protection, encrypted=encrypted)
    return Protected(outer, inner, prepared.body, prepared.domain)


def _headers(
    prepared: Prepared, protection: HeaderProtection | None, *, encrypted: bool
) -> tuple[SentHeader, SentHeader]:
    """The header of the message, and that of the entity, each with one MIME-Version."""
    header = prepared.header
    if _is_layer(header):
        return message_header(prepared.outer), header_bytes(header.fields)
    if protection is None or not prepared.outer:
        return message_header(prepared.outer), header_bytes(_marked(header, None))
    if not encrypted:
        outer = SentHeader(safe_message_header(prepared.outer) + MIME_VERSION)
        return outer, SentHeader(outer + header_bytes(_marked(header, "clear")))
    fields = [safe_message_field(field) for field in prepared.outer]
    outside, copies = shown([(field.name, field.raw) for field in fields], protection.hcp)
    root = header_bytes(_marked(header, "cipher"))
    inner = SentHeader(header_bytes(fields) + copies + MIME_VERSION + root)
    return SentHeader(outside + MIME_VERSION), inner


def shown(fields: Iterable[tuple[str, bytes]], hcp: HeaderPolicy) -> tuple[SentHeader, SentHeader]:
    """What of safe fields stands outside an encryption, and the copies of that inside.

    A field is its name, and all of it.
    """
    changed = changed_by(hcp)
    outside: list[bytes] = []
    copies: list[bytes] = []
    for name, written in fields:
        raw = written
        if changed is None or name.lower() in changed:
            field = exposed(Field(name, written), hcp)
            if field is None:
                continue
            raw = field.raw
        usual = _SHORT.fullmatch(raw) is not None
        outside.append(raw if usual else field_bytes(Field(name, raw)))
        copies.append(b"HP-Outer: " + raw if usual else _hp_outer(name, raw))
    return SentHeader(b"".join(outside)), SentHeader(b"".join(copies))


def _is_layer(block: HeaderBlock) -> bool:
    """Is this signed or encrypted already, by its label?"""
    content = content_type(block)
    if content.type not in _LAYER_TYPES:
        return False
    if content.media in _LAYERS:
        return True
    if content.type != "application":
        return False
    disposed = disposition(block)
    name = (disposed.filename if disposed else None) or content.get("name") or ""
    return name.lower().endswith(_LAYER_NAMES) or "smime-type" in content.parameters


def _marked(header: HeaderBlock, hp: str | None) -> list[Field]:
    """The header of a payload with its hp parameter (RFC 9788, 2.1.1)."""
    typed = header.one("Content-Type")
    return [marked(field, hp) if field is typed else field for field in header.fields]


def marked(field: Field, hp: str | None) -> Field:
    """A Content-Type field with its hp parameter. Raises MimeError for one that is malformed."""
    return with_parameters(field, {"hp": hp})


def _hp_outer(name: str, raw: bytes) -> SentHeader:
    """A copy of a field outside (RFC 9788, 2.2.1), folded as that is."""
    value = raw[raw.index(b":") + 1 :].removesuffix(b"\n").removesuffix(b"\r")
    value = value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n").lstrip(b" \t\r\n")
    begin = name.encode() + b":"
    if len(_HP_OUTER) + len(begin) + len(value.partition(b"\r\n")[0]) + 3 > MAX_LINE:
        begin += b"\r\n"
    return header_bytes([Field.of(_HP_OUTER, begin + b" " + value if value else begin)])


# --- reading (RFC 9788, 4) -----------------------------------------------------------------


class HeaderScheme(StrEnum):
    """How the header of a message is protected."""

    NONE = "none"
    """Not at all: anybody on the way could write what it says."""
    CLEAR = "clear"
    """Signed, says the author, and not meant to be confidential."""
    CIPHER = "cipher"
    """Encrypted, says the author, who also says what stood outside."""
    RFC8551 = "rfc8551"
    """By a whole message inside (RFC 8551, 3.1): read, and never written."""


class FieldState(StrEnum):
    """What protects a field (RFC 9788, 4.3)."""

    UNPROTECTED = "unprotected"
    SIGNED_ONLY = "signed-only"
    """Under the signature, and readable in transit."""
    ENCRYPTED_ONLY = "encrypted-only"
    """Hidden in transit, by nobody knows whom."""
    SIGNED_AND_ENCRYPTED = "signed-and-encrypted"

    @property
    def is_confidential(self) -> bool:
        """Was it hidden in transit?"""
        return self in {FieldState.ENCRYPTED_ONLY, FieldState.SIGNED_AND_ENCRYPTED}


@final
@dataclass(frozen=True, slots=True)
class ProtectedHeader:
    """The header inside a payload (RFC 9788, 4.2.1).

    `fields` are those of the message (refprotected), `outside` the names and values that the
    author says stood outside (refouter).
    """

    scheme: HeaderScheme
    fields: tuple[Field, ...]
    outside: tuple[tuple[str, str], ...] = field(repr=False)

    @property
    def hides(self) -> bool:
        """Did the author mean any of it to be hidden? Whoever encrypts in transit does not."""
        return self.scheme in {HeaderScheme.CIPHER, HeaderScheme.RFC8551}

    def states(self, *, encrypted: bool, signed: bool) -> tuple[FieldState, ...]:
        """The state of each of `fields` (RFC 9788, 4.3.1), in order.

        `encrypted`: is there an encryption around the payload? It counts if the author meant it
        (RFC 9788, 10.2). `signed`: is there a good signature?
        """
        hides = encrypted and self.hides
        readable = {_comparable(name, value) for name, value in self.outside}
        return tuple(
            _state(
                hidden=hides and _comparable(field.name, field.text) not in readable,
                signed=signed,
            )
            for field in self.fields
        )


def _state(*, hidden: bool, signed: bool) -> FieldState:
    if hidden:
        return FieldState.SIGNED_AND_ENCRYPTED if signed else FieldState.ENCRYPTED_ONLY
    return FieldState.SIGNED_ONLY if signed else FieldState.UNPROTECTED


def _comparable(name: str, value: str) -> tuple[str, str]:
    """Folding is no difference; taking two values for the same one claims less, not more."""
    return name.lower(), _BLANKS.sub(" ", value).strip()


def is_structural(name: str) -> bool:
    """Is a field about one MIME entity, and not about the message (RFC 9787, 1.1.1)?"""
    return name.lower() == "mime-version" or name.lower().startswith("content-")


def read_protected(block: HeaderBlock) -> ProtectedHeader | None:
    """The protected header at the root of a payload; None without the hp parameter."""
    hp = _hp(block)
    if hp is None:
        return None
    outside = tuple(
        pair for field in block.all(_HP_OUTER) if (pair := _split(field.text)) is not None
    )
    return ProtectedHeader(HeaderScheme(hp), _about_message(block), outside)


def wrapped_header(
    payload: HeaderBlock, child: HeaderBlock, outer: HeaderBlock
) -> ProtectedHeader | None:
    """The header of a message inside, where RFC 8551, 3.1 is the scheme (RFC 9788, 4.10.2).

    What stood outside nobody says: the outer header has to do. None where an hp parameter says
    that this is something else (4.10.1).
    """
    if "hp" in content_type(payload).parameters or "hp" in content_type(child).parameters:
        return None
    outside = tuple((field.name, field.text) for field in _about_message(outer))
    return ProtectedHeader(HeaderScheme.RFC8551, _about_message(child), outside)


def _hp(block: HeaderBlock) -> str | None:
    value = content_type(block).get("hp")
    return value if value in {"clear", "cipher"} else None


def _about_message(block: HeaderBlock) -> tuple[Field, ...]:
    return tuple(
        field
        for field in block.fields
        if not is_structural(field.name) and not field.named(_HP_OUTER)
    )


def _split(value: str) -> tuple[str, str] | None:
    found = _FIELD.fullmatch(value)
    return (found[1], found[2].strip(" \t")) if found else None
