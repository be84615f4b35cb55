"""A message is opened, and everything that can be said of it put together.

Knows what a caller gives, and what is asked when all layers are open: whose signatures they
are, what the header says, what is errant. May not know how a layer is read (`opening` does).
"""

from collections.abc import Iterable
from contextlib import ExitStack
from datetime import datetime
from typing import Final

from smimekit.errors import (
    CmsError,
    InputError,
    UsageError,
)
from smimekit.frozen import maker
from smimekit.keys import Credential, Decryptor
from smimekit.message.errant import find_errant
from smimekit.message.evidence import Judge
from smimekit.message.header_set import header_set
from smimekit.message.identity import Claim
from smimekit.message.layers import Errant, Layer, Signed
from smimekit.message.opened import Opened
from smimekit.message.opening import Opening
from smimekit.message.recognise import (
    is_bare_cms,
)
from smimekit.message.signatures import identify
from smimekit.message.source import Source, span_of
from smimekit.mime.scanner import Entity
from smimekit.policy import Policy
from smimekit.span import Span
from smimekit.trust import Trust
from smimekit.trust.records import require_aware

__all__ = ["open_file", "open_message"]


_judge: Final = maker(Judge)


def open_message(
    source: Source,
    *,
    keys: Iterable[Decryptor] = (),
    trust: Trust,
    expect: str | None = None,
    at: datetime | None = None,
    content: Source | None = None,
    policy: Policy = Policy.INTEROP,
) -> Opened:
    """Everything that can be said of a message, as facts; see `Opened`.

    `source` is a mail, a MIME entity, or bare CMS in DER, BER or PEM: bytes, a binary file,
    read from where it stands, or a span, such as that of an errant layer. `keys` are tried in
    order on what is encrypted. `trust` judges the signers, at the time `at` (aware) or,
    without one, now by its clock. `expect` is the address that should have signed, in place
    of the From field. `content` is what a bare detached signature signs.

    A wrong or missing key is a fact of the layer, not an error; so is what is malformed inside
    an encryption without a tag (CBC), which shows as a DecryptionError like any other. Raises
    MimeError, CmsError and LimitExceeded for input that nobody can read unambiguously;
    UsageError for a source that is none. Close the result, or use it in a `with` block:
    plaintext may wait in a temporary file.
    """
    if at is not None:
        require_aware(at, "at")
    closing = ExitStack()
    try:
        job = Opening(
            keys=_decryptors(keys),
            judge=_judge(trust, policy, at),
            closing=closing,
            content=None if content is None else span_of(content, policy, closing),
            may_inflate=policy.limits.inflated_bytes,
        )
        span = span_of(source, policy, closing)
        try:
            return _opened(job, job.run(span), expect)
        except InputError:
            if not job.take_back():
                raise
        return _opened(job, None, expect)
    except BaseException:
        closing.close()
        raise


def open_file(
    source: Source,
    *,
    through: tuple[type[Layer], ...],
    keys: Iterable[Decryptor] = (),
    trust: Trust,
    expect: str | None = None,
    at: datetime | None = None,
    content: Source | None = None,
    policy: Policy = Policy.INTEROP,
) -> Opened:
    """Bare CMS around a file, as facts: nothing asks what is in the file.

    The first layer that is not one of `through` holds it. The rest is as for `open_message`;
    CmsError (`cms.not-bare`) for what is no bare CMS.
    """
    if at is not None:
        require_aware(at, "at")
    with ExitStack() as closing:
        span = span_of(source, policy, closing)
        if not is_bare_cms(span):
            raise CmsError(
                "This is no bare CMS; a mail is not read as a file.", code="cms.not-bare"
            )
        job = Opening(
            keys=_decryptors(keys),
            judge=_judge(trust, policy, at),
            closing=closing,
            content=None if content is None else span_of(content, policy, closing),
            may_inflate=policy.limits.inflated_bytes,
            through=through,
            in_file=True,
        )
        try:
            payload = job.run(span)
        except InputError:
            if not job.take_back():
                raise
            payload = None
        _identify(job.layers, () if expect is None else ((expect,),), None)
        return Opened(
            envelope=tuple(job.layers),
            errant=_errant(None, job.unread, policy),
            header=header_set(None, None, tuple(job.layers), policy.limits),
            content=payload,
            closing=closing.pop_all(),
            limits=policy.limits,
        )


def _opened(job: Opening, payload: Span | None, expect: str | None) -> Opened:
    """Everything that can be said of a message whose layers are open."""
    policy = job.judge.policy
    claims, sender = (job.claims, job.sender) if expect is None else (((expect,),), None)
    envelope = tuple(job.layers)
    _identify(envelope, claims, sender)
    inside = None if payload is None else job.entity(payload)
    return Opened(
        envelope=envelope,
        errant=_errant(inside, job.unread, policy),
        header=header_set(job.header, inside, envelope, policy.limits),
        content=payload,
        closing=job.closing,
        limits=policy.limits,
    )


def _decryptors(keys: Iterable[Decryptor]) -> tuple[Decryptor, ...]:
    # To ask for a protocol takes longer than most of the rest; it is here to tell one key apart.
    if isinstance(keys, (list, tuple)) or not isinstance(keys, Decryptor):
        found = tuple(keys)
        for each in found:
            if not isinstance(each, (Credential, Decryptor)):
                break
        else:
            return found
    raise UsageError("Keys come as a list of credentials: keys=[bob].")


def _errant(inside: Entity | None, unread: Span | None, policy: Policy) -> tuple[Errant, ...]:
    if unread is not None:
        return (Errant("cms", unread, ""),)
    return () if inside is None else find_errant(inside, limits=policy.limits)


def _identify(layers: Iterable[Layer], claims: tuple[Claim, ...], sender: str | None) -> None:
    """Hold all signatures against those who are said to be the author, now that they are known."""
    for layer in layers:
        for signature in layer.signatures if isinstance(layer, Signed) else ():
            identify(signature, claims, sender)
