"""What was found in a message: layers, signatures, protection (RFC 9787), as facts.

Knows how the facts add up to protection. May not know how they were found. Nothing here
has a truth value: "valid" is not one thing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Flag, StrEnum
from typing import Final, NoReturn, final

from smimekit.algorithms import ContentCipher
from smimekit.certificate import Certificate
from smimekit.cms.attributes import Attributes
from smimekit.cms.content import DATA
from smimekit.cms.recipients import RecipientInfo
from smimekit.cms.signer import Integrity
from smimekit.errors import CmsError, SmimeError
from smimekit.message.divergence import Change, Divergence
from smimekit.message.identity import Identity
from smimekit.policy import Assessment, Grade
from smimekit.span import Span
from smimekit.trust import Judgement, Status

__all__ = [
    "Change",
    "Compressed",
    "Divergence",
    "Encrypted",
    "Errant",
    "Integrity",
    "Layer",
    "Protection",
    "SignatureForm",
    "SignatureResult",
    "Signed",
    "TimestampResult",
    "innermost_signatures",
    "protection_of",
]


class Protection(Flag):
    """What the whole envelope of a message gives its payload."""

    NONE = 0
    VERIFIED = 1
    """A good signature by a trusted signer who is the sender, inside every encryption."""
    CONFIDENTIAL = 2
    """Encrypted by no weak cipher, and decrypted with a key of the caller's (RFC 9787, 6.5)."""
    INTACT = 4
    """Every encryption is authenticated, or covered by a good signature inside it."""


class SignatureForm(StrEnum):
    """Where the signature of a layer stands."""

    MULTIPART = "multipart/signed"
    OPAQUE = "opaque"
    DETACHED = "detached"
    CERTS_ONLY = "certs-only"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampResult:
    """A time-stamp token on a signature (RFC 3161): what it says, whether it says so, and
    whether its authority is believed.
    """

    integrity: Integrity
    """Does the authority's signature match the token?"""
    imprint_matches: bool
    """Is it this signature that was stamped?"""
    time: datetime | None
    """When the signature was there already, says the authority; None where it is unreadable."""
    policy: str | None
    """The OID of the policy of the authority."""
    serial: int | None
    certificate: Certificate | None
    """The authority's, where it is at hand."""
    assessment: Assessment
    """What the caller's policy says of the authority's algorithms."""
    judgement: Judgement | None
    """What the caller's trust says of the authority; None where it names no
    `timestamp_anchors` and has no store, and without a certificate."""
    reasons: tuple[str, ...]
    """Why anything is not as one would wish, in words."""

    def __bool__(self) -> NoReturn:
        raise TypeError("A time-stamp has no truth value: ask for the fact that you mean.")

    @property
    def intact(self) -> bool:
        """The token is about this signature, and its own signature matches."""
        return (
            self.integrity is Integrity.GOOD
            and self.imprint_matches
            and self.assessment.grade is not Grade.REFUSED
        )

    @property
    def trusted(self) -> bool:
        """The authority is trusted for time-stamps."""
        return self.judgement is not None and self.judgement.status is Status.TRUSTED


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureResult:
    """One signature: integrity, identity, trust and time, each a fact of its own."""

    signer: str
    """How the message names the certificate."""
    certificate: Certificate | None
    algorithm: str
    digest: str
    integrity: Integrity
    identity: Identity
    judgement: Judgement | None
    """What the caller's trust says of the certificate; None without a certificate."""
    assessment: Assessment
    """What the caller's policy says of the algorithms."""
    reasons: tuple[str, ...]
    """Why anything is not as one would wish, in words."""
    attributes: Attributes | None
    """What the signer signed besides the content."""
    unsigned_attributes: Attributes | None = None
    """What anybody may have added."""
    countersignatures: tuple["SignatureResult", ...] = ()
    """Signatures of this signature (RFC 5652, 11.4): they say nothing about a sender."""
    timestamps: tuple[TimestampResult, ...] = ()
    line_ends_converted: bool = False
    """Did the signature match only with CRLF in place of the bare LF that arrived?"""
    of_message: bool = True
    """Is what was signed a message? In mail, content of any type but id-data is none: what a
    signer said elsewhere, a time-stamp say, could be put to new use (RFC 8551, 2.4.1)."""
    senders: tuple[str, ...] = ()
    """The addresses that are said to be the author's, which `identity` was held against."""
    lf_match: bool = False
    """Diagnosis of changed content: would it match if every CRLF were a bare LF?"""
    divergence: Divergence | None = None
    """Diagnosis of changed content: where it departs from what was signed. None where that
    cannot be known, and for content of opaque signatures or beyond 8 MiB."""

    def __bool__(self) -> NoReturn:
        raise TypeError("A signature has no truth value: ask for the fact that you mean.")

    @property
    def signing_time(self) -> datetime | None:
        """The signer's claim; it never chooses the time of the judgement."""
        try:
            return self.attributes.signing_time if self.attributes else None
        except CmsError:  # for which the signature does not count
            return None

    @property
    def intact(self) -> bool:
        """The signature matches, by algorithms that the policy accepts."""
        return self.integrity is Integrity.GOOD and self.assessment.grade is not Grade.REFUSED

    @property
    def trusted(self) -> bool:
        """The certificate is trusted for verification."""
        return self.judgement is not None and self.judgement.status is Status.TRUSTED

    @property
    def by_sender(self) -> bool:
        """The certificate is the sender's, or nobody is said to be the sender."""
        return self.identity is Identity.MATCH or self.identity is Identity.UNCLAIMED


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A layer of SignedData. Zero signatures mean: not signed."""

    form: SignatureForm
    content_type: str = DATA
    """The OID of the type of what was signed."""
    signatures: tuple[SignatureResult, ...]
    certificates: tuple[Certificate, ...]
    """The bag, without what is no certificate."""
    crls: tuple[bytes, ...]
    content: Span
    """What was signed."""
    micalg: str | None = None
    """The digests that the label of a multipart/signed names, as sent. It is not looked at:
    the signatures say themselves what they use, and senders get it wrong."""

    def __bool__(self) -> NoReturn:
        raise TypeError("A layer has no truth value: ask for the fact that you mean.")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Encrypted:
    """A layer of EnvelopedData or AuthEnvelopedData."""

    cipher: ContentCipher | None
    algorithm: str
    """The content cipher's name, or its OID where it is not known."""
    authenticated: bool
    recipients: Sequence[RecipientInfo]
    opened_with: Certificate | None
    """The certificate whose key opened it; None where that is not known."""
    failure: SmimeError | None
    """Why it could not be opened."""
    content: Span | None
    """The plaintext, where it could be opened."""

    def __bool__(self) -> NoReturn:
        raise TypeError("A layer has no truth value: ask for the fact that you mean.")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Compressed:
    """A layer of CompressedData: a record, not a protection."""

    algorithm: str
    content_type: str = DATA
    """The OID of the type of what was compressed. In mail it is id-data: CompressedData of
    anything else is no layer there, but an errant part (RFC 8551, 2.4.1)."""
    content: Span

    def __bool__(self) -> NoReturn:
        raise TypeError("A layer has no truth value: ask for the fact that you mean.")


Layer = Signed | Encrypted | Compressed


@final
@dataclass(frozen=True, slots=True)
class Errant:
    """A signed or encrypted part below something that is no layer (RFC 9787, 4.5).

    It says nothing about the message around it. Open it by itself, if at all: `span` is a
    source like any other. It names a sender only where it is a whole, forwarded message; so
    say with `expect` whose signature you want to see.
    """

    kind: str
    """"signed", "encrypted", or "cms" for what is neither."""
    span: Span
    """Its octets, header and body, within what was opened."""
    name: str
    """Its place in the payload, the same as long as the octets are: the numbers of the parts
    on the way to it, counted from 1, with dots between them. What a forwarded message holds
    is its part 1. Empty where the payload as a whole is CMS that is no layer."""


def innermost_signatures(envelope: Iterable[Layer]) -> tuple[SignatureResult, ...]:
    """The signatures inside every encryption: no others say who wrote the payload.

    Around an encryption anybody can strip a signature and put on another (RFC 9787, 5.2).
    """
    found: list[SignatureResult] = []
    for layer in envelope:
        if isinstance(layer, Encrypted):
            found.clear()
        elif isinstance(layer, Signed):
            found += layer.signatures
    return tuple(found)


_SUMS: Final = tuple(map(Protection, range(8)))
"""All that can come out, by number: to add flags up takes longer than to find what they are of."""


def protection_of(envelope: Sequence[Layer]) -> Protection:
    """What the layers, outermost first, give the payload."""
    verified = covered = encrypted = False
    intact = hidden = True
    for layer in reversed(envelope):
        if isinstance(layer, Signed):
            for each in layer.signatures:
                good = each.intact and each.of_message
                covered = covered or good
                verified = verified or (good and not encrypted and each.trusted and each.by_sender)
        elif isinstance(layer, Encrypted):
            if layer.failure is not None:
                return Protection.NONE
            encrypted = True
            intact = intact and (layer.authenticated or covered)
            hidden = hidden and not (layer.cipher and layer.cipher.weak)
    # Without an encryption, the message as such needs the signature.
    if not encrypted:
        return _SUMS[verified + 4 * covered]
    return _SUMS[verified + 2 * hidden + 4 * intact]
