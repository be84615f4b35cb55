"""Who of the recipients can open a mail: nobody gets what their own keys do not open.

Knows keys by recipient. May not know what is delivered, or how. A mail that is encrypted for one
recipient is not decrypted for another one of the same transaction: who wrote it chose its readers,
and an address in RCPT TO is anybody's to add.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias, final

from smimekit.cms.recipients import ContentKey, RecipientInfo
from smimekit.errors import (
    DecryptionError,
    InputError,
    KeyAccessError,
    NoMatchingKey,
    PolicyError,
)
from smimekit.gateway.core import Core
from smimekit.gateway.envelope import EnvelopeRecipient
from smimekit.gateway.rules.inbound import Accept
from smimekit.keys import Decryptor
from smimekit.message.layers import Encrypted
from smimekit.message.opened import Opened
from smimekit.message.receive import open_message
from smimekit.policy import Policy
from smimekit.span import Span

__all__ = ["Opening", "openings", "reading_policy"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A mail as some of its recipients can read it."""

    recipients: tuple[EnvelopeRecipient, ...]
    opened: Opened | None
    """None where nobody can read it."""
    problem: InputError | KeyAccessError | None = None
    """Why nobody can; or why a key could not be used now, though it may be the right one."""
    openly: bool = False
    """Is what nobody can read broken for everybody, with or without a key?"""
    waits: bool = False
    """Was it not tried, since the mail was opened often enough for others (Limits.openings)?"""


@final
@dataclass(frozen=True, slots=True)
class _Used:
    """A content-encryption key, and what it was asked for with."""

    recipients: Sequence[RecipientInfo]
    size: int | None
    attempts: int
    key: ContentKey = field(repr=False)


@final
@dataclass(frozen=True, slots=True)
class _Watched:
    """A key (Decryptor), and a list of what it gave."""

    key: Decryptor
    used: list[_Used]

    def unwrap(
        self, recipients: Sequence[RecipientInfo], *, size: int | None, attempts: int
    ) -> ContentKey:
        found = self.key.unwrap(recipients, size=size, attempts=attempts)
        self.used.append(_Used(recipients, size, attempts, found))
        return found


_Given: TypeAlias = tuple[Sequence[RecipientInfo], int | None, int, tuple[ContentKey, ...]]


@final
@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys of one recipient, and what they gave: none is asked the same thing twice."""

    keys: tuple[Decryptor, ...]
    given: list[_Given] = field(default_factory=list, repr=False)

    def content_keys(self, used: _Used) -> tuple[ContentKey, ...]:
        """What they give where `used` was given. Raises KeyAccessError."""
        asked = (used.recipients, used.size, used.attempts)
        for recipients, size, attempts, found in self.given:
            if recipients is used.recipients and (size, attempts) == asked[1:]:
                return found
        found = tuple(each for key in self.keys for each in _tried(key, *asked))
        self.given.append((*asked, found))
        return found


@final
@dataclass(slots=True)
class _Tried:
    """One way to open the mail, and for whom it is."""

    opened: Opened | None
    used: tuple[_Used | None, ...]
    """For each encryption, outermost first, what opened it; None for one that nothing opens. Of
    a mail that nobody can read, as far as it was read."""
    problem: InputError | KeyAccessError | None
    recipients: list[EnvelopeRecipient]

    def serves(self, keys: _Keys) -> bool:
        """Do these keys open just the same? Raises KeyAccessError where one cannot say."""
        if isinstance(self.problem, KeyAccessError):
            return False
        if self.opened is None:
            return all(_opens(keys, used) for used in self.used if used is not None)
        layers = [each for each in self.opened.envelope if isinstance(each, Encrypted)]
        return all(
            _opens(keys, used) if used is not None else _is_foreign(keys.keys, layer)
            for layer, used in zip(layers, self.used, strict=True)
        )


def _opens(keys: _Keys, used: _Used) -> bool:
    """Does one of the keys give the very content-encryption key?"""
    return any(found.octets == used.key.octets for found in keys.content_keys(used))


def _is_foreign(keys: Sequence[Decryptor], layer: Encrypted) -> bool:
    """Is the layer for none of the keys, as it was for none of those that were tried?"""
    if not isinstance(layer.failure, NoMatchingKey):
        return False
    attempts = max(1, len(layer.recipients))
    for key in keys:
        try:
            key.unwrap(layer.recipients, size=None, attempts=attempts)
        except NoMatchingKey:
            continue
        except (DecryptionError, PolicyError, InputError):
            return False
        return False
    return True


def _tried(
    key: Decryptor, recipients: Sequence[RecipientInfo], size: int | None, attempts: int
) -> Iterator[ContentKey]:
    try:
        yield key.unwrap(recipients, size=size, attempts=attempts)
    except (NoMatchingKey, DecryptionError, PolicyError, InputError):
        return


def reading_policy(core: Core) -> Policy:
    """What the rules accept on reading."""
    legacy = core.rules.inbound.accept is Accept.LEGACY_READ
    return replace(Policy.LEGACY_READ, limits=core.policy.limits) if legacy else core.policy


def openings(
    core: Core,
    message: Span,
    recipients: Sequence[EnvelopeRecipient],
    *,
    at: datetime,
    closing: ExitStack,
) -> tuple[Opening, ...]:
    """The mail as each of the recipients can read it with their own keys; those together who
    read the same. What it opens, `closing` will close. Those for whom it would have to be opened
    once too often wait: a mail with a broken key for each of its recipients is none that
    everybody else waits for.

    Raises StoreError and FetchError: nothing is known then.
    """
    tried: list[_Tried] = []
    waiting: list[EnvelopeRecipient] = []
    opened = 0
    for recipient in recipients:
        keys = _Keys(tuple(core.keys.of(recipient.address)))
        try:
            fitting = next((one for one in tried if one.serves(keys)), None)
        except KeyAccessError as error:
            tried.append(_Tried(None, (), error, [recipient]))
            continue
        if fitting is None and opened >= core.policy.limits.openings:
            waiting.append(recipient)
            continue
        if fitting is None:
            opened += 1
            fitting = _shared(_open(core, message, keys.keys, at, closing), tried)
            tried.append(fitting)
        fitting.recipients.append(recipient)
    late = (Opening(recipients=tuple(waiting), opened=None, waits=True),) if waiting else ()
    return late + tuple(
        Opening(
            recipients=tuple(one.recipients),
            opened=one.opened,
            problem=one.problem,
            openly=one.opened is None and not one.used,
        )
        for one in tried
    )


def _shared(new: _Tried, before: Sequence[_Tried]) -> _Tried:
    """With the same lists of RecipientInfos for the same, so that they are told apart cheaply."""
    known = [each.recipients for one in before for each in one.used if each is not None]
    used = (
        None
        if each is None
        else replace(
            each, recipients=next((k for k in known if k == each.recipients), each.recipients)
        )
        for each in new.used
    )
    return replace(new, used=tuple(used))


def _open(
    core: Core, message: Span, keys: Sequence[Decryptor], at: datetime, closing: ExitStack
) -> _Tried:
    used: list[_Used] = []
    watched = [_Watched(key, used) for key in keys]
    try:
        opened = closing.enter_context(
            open_message(
                message, keys=watched, trust=core.trust, at=at, policy=reading_policy(core)
            )
        )
    except InputError as error:
        # Of each layer the last key is the one that opened it.
        return _Tried(None, tuple({id(each.recipients): each for each in used}.values()), error, [])
    layers = [each for each in opened.envelope if isinstance(each, Encrypted)]
    access = [each.failure for each in layers if isinstance(each.failure, KeyAccessError)]
    return _Tried(
        opened, tuple(_last(used, layer) for layer in layers), access[0] if access else None, []
    )


def _last(used: Sequence[_Used], layer: Encrypted) -> _Used | None:
    """What opened a layer: of the keys that it was asked of, the last."""
    if layer.failure is not None:
        return None
    return next(each for each in reversed(used) if each.recipients is layer.recipients)
