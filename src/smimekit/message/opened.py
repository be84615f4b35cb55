"""An opened message, and the one door to its content.

Knows what a caller may require. May not know how the message was taken apart.
"""

import builtins
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cached_property
from types import TracebackType
from typing import BinaryIO, Final, NoReturn, Self, final

from smimekit.cms.signer import Integrity
from smimekit.errors import (
    ContentChanged,
    InsufficientProtection,
    NotSigned,
    PolicyError,
    SmimeError,
    UntrustedSigner,
    UsageError,
    VerificationError,
    WrongSender,
)
from smimekit.limits import Limits
from smimekit.message.header_set import HeaderSet
from smimekit.message.identity import Identity
from smimekit.message.layers import (
    Encrypted,
    Errant,
    Layer,
    Protection,
    SignatureResult,
    Signed,
    innermost_signatures,
    protection_of,
)
from smimekit.message.spool import closed
from smimekit.mime.legacy import hide_displays
from smimekit.policy import Grade
from smimekit.span import Span
from smimekit.trust import Status

__all__ = ["Opened", "Payload"]

_WEAKLY: Final = "it is encrypted by a cipher so weak that others may have read it."


@final
class Payload:
    """The content of a message (RFC 9787, 3.1), with the protection it was taken under.

    It may wait in a temporary file: use it in a `with` block, or `close` it, and the message that
    it is of is closed with it. Without that it goes when nobody holds it any more.
    """

    def __init__(self, span: Span, protection: Protection, opened: "Opened") -> None:
        self._span = span
        self.protection = protection
        """What holds for it: at least what was required."""
        self._opened = opened  # keeps the spool alive

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget the content of the whole message (`Opened.close`). Facts remain."""
        self._opened.close()

    def __len__(self) -> int:
        return len(self._span)

    def __bool__(self) -> NoReturn:
        raise TypeError("A payload has no truth value: ask for its protection or its length.")

    def __repr__(self) -> str:
        return f"<Payload of {len(self)} bytes, {self.protection!r}>"

    @property
    def signatures(self) -> tuple[SignatureResult, ...]:
        """The signatures by which it is verified: intact, trusted, the sender's, and inside
        every encryption.
        """
        counting = innermost_signatures(self._opened.envelope)
        return tuple(each for each in counting if _problem(each) is None)

    @property
    def span(self) -> Span:
        """Where it is. Raises UsageError (`usage.closed`), as the rest, after closing."""
        self._opened.check_not_closed()
        return self._span

    def bytes(self, *, legacy_display: bool = True) -> bytes:
        """All of it, in memory: a MIME entity as a rule, with its Content-Type field.

        Without `legacy_display`, what an encrypted mail repeats of its header at the top of
        its text, for old mail programs, is left out (RFC 9788, 4.5.3): programs that read
        the text have to (4.8.2). Then it is no longer what was signed.
        """
        return b"".join(self.chunks(legacy_display=legacy_display))

    def chunks(self, *, legacy_display: bool = True) -> Iterator[builtins.bytes]:
        """All of it, in order, piece by piece; `legacy_display` as for `bytes`."""
        if legacy_display or not self._opened.is_encrypted:
            return self.span.chunks()
        return hide_displays(self.span, limits=self._opened.limits)

    def write_to(self, file: BinaryIO, *, legacy_display: bool = True) -> None:
        """Write all of it to a binary file; `legacy_display` as for `bytes`."""
        file.writelines(self.chunks(legacy_display=legacy_display))


@final
class Opened:
    """All facts about a message (RFC 9787). Has no truth value; close it after use.

    `envelope` holds the layers, outermost first; `errant` the signed or encrypted parts
    below something that is no layer, which say nothing about the message.
    """

    def __init__(
        self,
        *,
        envelope: tuple[Layer, ...],
        errant: tuple[Errant, ...],
        header: Callable[[], HeaderSet],
        content: Span | None,
        closing: ExitStack,
        limits: Limits,
    ) -> None:
        self.envelope = envelope
        """The layers, outermost first."""
        self.errant = errant
        """Signed or encrypted parts that say nothing about the message."""
        self._make_header = header
        self.limits = limits
        self.protection = protection_of(envelope)
        """What the whole envelope gives the payload."""
        self._content = content
        self._closing = closing
        self._closed = False

    def __bool__(self) -> NoReturn:
        raise TypeError("An opened message has no truth value: ask for its protection.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @cached_property
    def header(self) -> HeaderSet:
        """The fields of the mail, each with what protects it (RFC 9788)."""
        return self._make_header()

    def close(self) -> None:
        """Forget the content. Facts remain."""
        self._closed = True
        self._closing.close()

    def check_not_closed(self) -> None:
        """Raise UsageError (`usage.closed`) where the content is forgotten already."""
        if self._closed:
            raise closed()

    @property
    def is_encrypted(self) -> bool:
        """Is there an encryption in the envelope?"""
        return any(isinstance(layer, Encrypted) for layer in self.envelope)

    @property
    def signatures(self) -> tuple[SignatureResult, ...]:
        """Every signature of the envelope, outermost first."""
        return tuple(
            each
            for layer in self.envelope
            if isinstance(layer, Signed)
            for each in layer.signatures
        )

    def payload(self, *, require: Protection) -> Payload:
        """The content, if the message has at least the protection that is required.

        Raises NoMatchingKey, DecryptionError or PolicyError where an encryption could not
        be opened, and InsufficientProtection, which says what is missing and why.
        """
        return self._hand_out(self._content, require)

    def inside(self, layer: Layer, *, require: Protection) -> Payload:
        """What one layer of the envelope holds: the next layer, or the payload.

        Raises as `payload` does, and UsageError for a layer of another message. `require`
        speaks of the whole envelope and its payload: what stands around the payload, such as
        the preamble of a multipart/signed, no signature covers.
        """
        if not any(layer is each for each in self.envelope):
            raise UsageError("The layer is not one of this message.", code="usage.layer")
        return self._hand_out(layer.content, require)

    def errant_layer(self, name: str) -> Errant:
        """The errant layer of that name. Raises UsageError (`usage.errant`) without one."""
        for each in self.errant:
            if each.name == name:
                return each
        raise UsageError("The message has no errant layer of that name.", code="usage.errant")

    def _hand_out(self, content: Span | None, require: Protection) -> Payload:
        self.check_not_closed()
        for layer in self.envelope:
            failure = layer.failure if isinstance(layer, Encrypted) else None
            if failure is not None and (content is None or require):
                raise failure
        if content is None or require not in self.protection:
            missing = require & ~self.protection
            raise InsufficientProtection(
                f"The message lacks what is required: {self._explain(missing)}"
            )
        return Payload(content, self.protection, self)

    def _explain(self, missing: Protection) -> str:
        reasons = []
        if Protection.CONFIDENTIAL in missing:
            reasons.append(_WEAKLY if self.is_encrypted else "it is not encrypted.")
        if Protection.VERIFIED in missing:
            reasons.append(str(self.verification_error()))
        if Protection.INTACT in missing:
            reasons.append("nothing shows that its encryption was left alone.")
        return " ".join(reasons)

    def verification_error(self) -> VerificationError | PolicyError:
        """Why the message is not VERIFIED: of its signatures, the one that came closest."""
        found = map(_problem, innermost_signatures(self.envelope))
        problems = [problem for problem in found if problem is not None]
        if problems:
            return max(problems, key=_closeness)
        if self.signatures:
            return NotSigned(
                "The message is signed only outside its encryption, where anybody can strip "
                "a signature and put on another.",
                code="not-signed.outside-encryption",
            )
        return NotSigned("The message is not signed.")


def _closeness(problem: SmimeError) -> int:
    order = (ContentChanged, PolicyError, UntrustedSigner, WrongSender)
    return next((at for at, kind in enumerate(order) if isinstance(problem, kind)), -1)


def _problem(signature: SignatureResult) -> VerificationError | PolicyError | None:
    """What keeps a signature from verifying its message, or None."""
    # Some are sentences, and some are not: together they are one.
    reason = "; ".join(each.removesuffix(".") for each in signature.reasons)
    if signature.integrity is Integrity.NO_CERTIFICATE:
        return UntrustedSigner(
            "The signer's certificate is neither in the message nor in the store, nor an anchor.",
            code="untrusted-signer.no-certificate",
        )
    if signature.integrity is not Integrity.GOOD:
        return _not_intact(signature.integrity, reason)
    if not signature.of_message:
        return VerificationError(
            "What was signed is no message: it is content of another type, which the signer may "
            "have made for another purpose. Open it by itself if you expected it.",
            code="verification.content-type",
        )
    if signature.assessment.grade is Grade.REFUSED:
        return PolicyError(
            f"The signature is too weak: {signature.assessment.reason}. To accept it all the "
            "same, use Policy.LEGACY_READ.",
            code="policy.weak",
        )
    if not signature.trusted:
        return _untrusted(signature)
    if not signature.by_sender:
        return _wrong_sender(signature)
    return None


def _untrusted(signature: SignatureResult) -> UntrustedSigner:
    found = signature.judgement
    why = "" if found is None else " ".join(reason.text for reason in found.reasons)
    if found is not None and found.status is Status.REJECTED:
        return UntrustedSigner(f"The signer is rejected: {why}", code="untrusted-signer.rejected")
    return UntrustedSigner(f"The signer is not trusted: {why}")


def _not_intact(integrity: Integrity, reason: str) -> VerificationError:
    changed = f"The message was changed after it was signed: {reason}."
    unknown = f"The signature cannot be verified: {reason}."
    match integrity:
        case Integrity.CONTENT_CHANGED:
            return ContentChanged(changed, code="content-changed.content")
        case Integrity.BAD_SIGNATURE:
            return ContentChanged(changed, code="content-changed.signature")
        case Integrity.UNSUPPORTED:
            return VerificationError(unknown, code="verification.unsupported")
        case _:
            return VerificationError(unknown, code="verification.malformed")


def _wrong_sender(signature: SignatureResult) -> WrongSender:
    match signature.identity:
        case Identity.NO_ADDRESS:
            return WrongSender(
                "The signer's certificate names no mail address, so it cannot be the sender's.",
                code="wrong-sender.no-address",
            )
        case Identity.NO_SENDER:
            return WrongSender(
                "The message has no single, readable From address to hold the signer against.",
                code="wrong-sender.no-sender",
            )
        case Identity.SENDER_FIELD:
            return WrongSender(
                "The message was signed by whom its Sender field names, and not by its author. "
                "Where somebody may sign for the author, say so: expect= takes the address.",
                code="wrong-sender.sender-field",
            )
        case _:
            return WrongSender("The message was signed by somebody other than its sender.")
