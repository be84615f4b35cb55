"""How mail from one address to another is treated, and how levels of rules become one answer.

Knows the words of the rules and their order. May not know addresses or patterns (`rules` does),
files, messages or certificates.

Levels, the weaker first: everywhere, inside or outside, domain (a longer pattern is nearer, the
domain itself the nearest), address, partner (a pair of sender and recipient). Both sides have
levels; the nearer level wins, on the same level the recipient's. But for these, which only ever
become stricter: `must` of either side stays, minimums count as the highest of both sides, and
archives of both sides add up. Only a nearer level of the *same* side, or a partner, loosens them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum, StrEnum
from typing import Final, final

from smimekit.message.signing import Chain

__all__ = [
    "Encrypt",
    "Headers",
    "Impossible",
    "Level",
    "NoKey",
    "Settings",
    "Side",
    "Sign",
    "Suite",
    "Treatment",
    "combine",
    "stricter",
    "strictest",
]


class Encrypt(StrEnum):
    """Is mail encrypted?"""

    MUST = "must"
    """It never leaves in clear text, whatever anybody writes in its subject."""
    IF_POSSIBLE = "if_possible"
    """Where there is a usable certificate."""
    NEVER = "never"


class Impossible(StrEnum):
    """What becomes of mail that is to be encrypted and cannot be."""

    SEND_CLEAR = "send_clear"
    """Not for `must`, where it means `bounce`."""
    BOUNCE = "bounce"
    HOLD = "hold"
    CALLBACK = "callback"
    """The embedding program's own way, such as a portal."""


class Sign(StrEnum):
    """Is mail signed?"""

    ALWAYS = "always"
    WHEN_ENCRYPTED = "when_encrypted"
    ON_REQUEST = "on_request"
    """By a tag in the subject, or its header twin."""
    NEVER = "never"


class NoKey(StrEnum):
    """What becomes of mail that is to be signed and cannot be."""

    REFUSE = "refuse"
    SEND = "send"
    """Without a signature, and the sender is told."""


class Headers(StrEnum):
    """What can be read of the header outside the encryption (RFC 9788, 3)."""

    BASELINE = "baseline"
    SHY = "shy"
    NO_CONFIDENTIALITY = "no_confidentiality"
    OFF = "off"
    """No header protection at all, not even under the signature."""


class Suite(StrEnum):
    """Which algorithms recipients of whom nothing is known get."""

    INTEROP = "interop"
    MODERN = "modern"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one level says; None where it says nothing."""

    encrypt: Encrypt | None = None
    impossible: Impossible | None = None
    sign: Sign | None = None
    no_key: NoKey | None = None
    suite: Suite | None = None
    authenticated: bool | None = None
    cipher_bits: int | None = None
    rsa_bits: int | None = None
    headers: Headers | None = None
    legacy_display: bool | None = None
    chain: Chain | None = None
    opaque: bool | None = None
    archive: tuple[str, ...] | None = None
    split_bcc: bool | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """All that the rules say about mail from one address to another."""

    encrypt: Encrypt = Encrypt.IF_POSSIBLE
    """Whether mail is encrypted."""
    impossible: Impossible = Impossible.SEND_CLEAR
    """What becomes of mail that cannot be encrypted. With `must`, `send_clear` is `bounce`."""
    sign: Sign = Sign.ON_REQUEST
    """Whether mail is signed, as the address in From."""
    no_key: NoKey = NoKey.REFUSE
    """What becomes of mail that is to be signed by somebody without a key, or by somebody who
    may not sign as its From."""
    suite: Suite = Suite.INTEROP
    """The algorithms for recipients who announce none."""
    authenticated: bool = False
    """Authenticated content encryption (AES-GCM and the like) only."""
    cipher_bits: int = 128
    """The shortest key of a content cipher: 128, 192 or 256."""
    rsa_bits: int = 2048
    """The shortest RSA key of a recipient, from 2048."""
    headers: Headers = Headers.BASELINE
    """What can be read of the header outside the encryption."""
    legacy_display: bool = False
    """Whether hidden fields also stand at the top of the text, for old mail programs."""
    chain: Chain = Chain.WITHOUT_ROOT
    """Which certificates go out with a signature."""
    opaque: bool = False
    """Whether a signature that is not encrypted wraps the mail, instead of standing beside it."""
    archive: tuple[str, ...] = ()
    """Addresses whose certificates can decrypt the mail, too; they are not sent it."""
    split_bcc: bool = True
    """Whether a recipient who is neither in To nor in Cc gets an encrypted mail of their own."""
    sources: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    """Which level said what: (name of the setting, the level); what nobody said is left out."""


class Side(IntEnum):
    """Whose level it is; on the same level the greater one wins."""

    EVERYWHERE = 0
    SENDER = 1
    RECIPIENT = 2
    PAIR = 3


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What one place of the rules says, and how near to the addresses it is."""

    where: str
    """As it is called in the file: `[domain."example.org"]`."""
    side: Side
    nearness: tuple[int, int]
    settings: Settings


_Found = dict[str, tuple[object, str]]
_NAMES: Final = tuple(each.name for each in fields(Settings))
_HIGHEST: Final = ("authenticated", "cipher_bits", "rsa_bits")


def combine(levels: Iterable[Level]) -> Treatment:
    """One answer of all levels that concern a sender and a recipient."""
    ordered = sorted(levels, key=lambda one: (one.side is Side.PAIR, one.nearness, one.side))
    said = [(level.side, _said(level)) for level in ordered]
    found = _last(each for _, each in said)
    loosened = _last(each for side, each in said if side is Side.PAIR)
    sides = [
        _last(each for side, each in said if side is wanted)
        for wanted in (Side.SENDER, Side.RECIPIENT)
    ]
    for name, value in _strictest(sides).items():
        if name not in loosened:
            found[name] = value
    return _treatment({name: value for name, (value, _) in found.items()}, found)


def stricter(own: Treatment, other: Treatment) -> Treatment:
    """A treatment as strict as both; where that is no matter of strictness, it is the first,
    unless only the second is `must`.
    """
    musts = other.encrypt is Encrypt.MUST and own.encrypt is not Encrypt.MUST
    return replace(
        other if musts else own,
        archive=tuple(dict.fromkeys((*own.archive, *other.archive))),
        authenticated=own.authenticated or other.authenticated,
        cipher_bits=max(own.cipher_bits, other.cipher_bits),
        rsa_bits=max(own.rsa_bits, other.rsa_bits),
    )


def strictest(tables: Iterable[Settings]) -> Settings:
    """What is a matter of strictness in any of them, and nothing else."""
    found = list(tables)
    archives = (each for one in found for each in one.archive or ())
    return Settings(
        encrypt=Encrypt.MUST if any(one.encrypt is Encrypt.MUST for one in found) else None,
        authenticated=True if any(one.authenticated for one in found) else None,
        cipher_bits=max((one.cipher_bits or 0 for one in found), default=0) or None,
        rsa_bits=max((one.rsa_bits or 0 for one in found), default=0) or None,
        archive=tuple(dict.fromkeys(archives)) or None,
    )


def _said(level: Level) -> _Found:
    """What one level says."""
    values = ((name, getattr(level.settings, name)) for name in _NAMES)
    return {name: (value, level.where) for name, value in values if value is not None}


def _last(levels: Iterable[_Found]) -> _Found:
    """What the levels say, the last of them first in rank."""
    found: _Found = {}
    for each in levels:
        found |= each
    return found


def _strictest(sides: Iterable[_Found]) -> _Found:
    """What no other side loosens."""
    strict: _Found = {}
    for side in sides:
        if side.get("encrypt", (None,))[0] is Encrypt.MUST:
            strict["encrypt"] = side["encrypt"]
        for name in _HIGHEST:
            if name in side and (name not in strict or _number(side[name]) > _number(strict[name])):
                strict[name] = side[name]
        if "archive" in side:
            strict["archive"] = _joined(strict.get("archive"), side["archive"])
    return strict


def _number(found: tuple[object, str]) -> int:
    return found[0] if isinstance(found[0], int) else 0


def _joined(one: tuple[object, str] | None, other: tuple[object, str]) -> tuple[object, str]:
    if one is None:
        return other
    both = [each for found in (one, other) if isinstance(found[0], tuple) for each in found[0]]
    return tuple(dict.fromkeys(both)), f"{one[1]}, {other[1]}"


def _treatment(values: Mapping[str, object], found: _Found) -> Treatment:
    made = dict(values)
    if made.get("encrypt") is Encrypt.MUST:
        impossible = made.get("impossible", Impossible.SEND_CLEAR)
        made["impossible"] = (
            Impossible.BOUNCE if impossible is Impossible.SEND_CLEAR else impossible
        )
    sources = tuple((name, found[name][1]) for name in _NAMES if name in found)
    return Treatment(**made, sources=sources)  # type: ignore[arg-type]  # as Settings has them
