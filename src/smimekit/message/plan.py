"""Who gets what, decided before anything is encrypted (RFC 8551, 2.7.1).

Knows all recipients of a message, and chooses one cipher that they all read. May not know
MIME or content; writes nothing. `encrypt` does what is decided here and decides nothing
itself, so that plan and deed cannot differ.

RFC 8551, 2.7.1.1 takes the first cipher of the recipient's list that the sender knows. Here the
sender's order (`Policy.ciphers`) decides among those that the recipients read: several of them
have several orders, programs list CBC first for the sake of old ones, and ciphertext that is
authenticated cannot be turned into another that leaks.

Whoever announces weak ciphers only is refused. That weak encryption is unacceptable "overrides
any other decision" (2.7.1), so none of theirs will do; and the assumption is for recipients of
whom nothing is known (2.7.1.2), which these are not. Whoever knows better names a cipher
(2.7.2). Recipients who have nothing in common need a message for each group (2.7.3).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn, final

from smimekit.algorithms import (
    ECDH_SCHEMES,
    KEMS,
    KEY_WRAPS,
    AlgorithmIdentifier,
    ContentCipher,
    rsa_padding,
)
from smimekit.certificate import Certificate
from smimekit.cms.recipients import (
    ContentKey,
    KemRecipient,
    KeyAgreeRecipient,
    KeyTransRecipient,
    RecipientInfo,
    algorithm_name,
)
from smimekit.cms.transport import Transport
from smimekit.der import Reader
from smimekit.errors import PolicyError, SmimeError, UsageError
from smimekit.keys import (
    CertificateRecipient,
    PasswordRecipient,
    Recipient,
    SharedKeyRecipient,
)
from smimekit.message.addressee import Addressee, Knowledge, Person, person
from smimekit.message.signing import Signers, announced_by
from smimekit.policy import Policy

__all__ = ["Decision", "EncryptionPlan", "Refused", "Served", "decide", "plan_encryption"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A recipient who will be able to read the message."""

    addressee: Addressee
    """As it was given: it can be given to `encrypt`."""
    name: str
    """For people: a mail address, or the subject of the certificate."""
    certificate: Certificate | None
    cipher: ContentCipher
    key_management: str
    """How the content-encryption key travels, such as "rsa-oaep-sha256"."""
    knowledge: Knowledge
    """Why the recipient is believed to read that cipher."""
    notes: tuple[str, ...] = ()
    """What was announced, and could not be used."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A recipient to whom the message cannot be encrypted, and the error that says why."""

    addressee: Addressee
    name: str
    certificate: Certificate | None
    code: str
    """That of the error which `encrypt` would raise."""
    reason: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionPlan:
    """Who gets what, who cannot be served, and why: one entry for each recipient, in order.

    `encrypt` with the same arguments does just this or, where anybody is refused, raises the
    error of the first of them. It has no truth value: look at `refused`.
    """

    cipher: ContentCipher | None
    """Encrypts the content; None where nobody can be served."""
    derived: bool
    """Is the key bound to the cipher (RFC 9709)?"""
    served: tuple[Served, ...]
    refused: tuple[Refused, ...]

    def __bool__(self) -> NoReturn:
        raise TypeError("A plan has no truth value: look at who is refused.")


def plan_encryption(
    to: Iterable[Addressee],
    *,
    cipher: ContentCipher | None = None,
    signer: Signers | None = None,
    policy: Policy = Policy.INTEROP,
) -> EncryptionPlan:
    """What `encrypt` would do with these arguments, without doing it.

    Each key of a certificate is tried out; keys behind a `Recipient` of the caller's own are
    not touched. Raises UsageError without recipients or for what is no recipient, PolicyError
    for a `cipher` that is weak: mistakes of the caller, not facts about recipients.
    """
    decision = decide(to, cipher, policy, signer)
    served: list[Served] = []
    refused: list[Refused] = []
    for each in decision.people:
        try:
            served.append(_served(each, decision, policy))
        except SmimeError as error:
            refused.append(_turned_away(each, error))
    return EncryptionPlan(
        cipher=decision.cipher if served else None,
        derived=decision.derived and bool(served),
        served=tuple(served),
        refused=tuple(refused),
    )


def _served(one: Person, decision: "Decision", policy: Policy) -> Served:
    recipient = one.recipient(decision.cipher, policy)
    knowledge, reads = one.reads(policy)
    notes = one.notes
    if knowledge is not Knowledge.ASSUMED and decision.cipher not in reads:
        knowledge = Knowledge.ASSUMED
        notes = (*notes, f"It does not announce {decision.cipher.name}.")
    return Served(
        addressee=one.addressee,
        name=one.name,
        certificate=one.certificate,
        cipher=decision.cipher,
        key_management=_key_management(recipient, decision.cipher),
        knowledge=Knowledge.CHOSEN if decision.chosen else knowledge,
        notes=notes,
    )


def _turned_away(one: Person, error: SmimeError) -> Refused:
    return Refused(
        addressee=one.addressee,
        name=one.name,
        certificate=one.certificate,
        code=error.code,
        reason=str(error),
    )


# --- the decision --------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class Decision:
    """One cipher, and everybody with what is known of them."""

    cipher: ContentCipher
    """Where nobody can be served, the policy's."""
    chosen: bool
    """Did the caller name it?"""
    derived: bool
    people: tuple[Person, ...]


def decide(
    to: Iterable[Addressee],
    cipher: ContentCipher | None,
    policy: Policy,
    signer: Signers | None = None,
) -> Decision:
    """The choice of a cipher, and who cannot be served by it. Raises as `plan_encryption`."""
    _check_cipher(policy.cipher if cipher is None else cipher)
    own = {} if signer is None else announced_by(signer)
    people = tuple([person(each, own, policy) for each in _listed(to)])
    chosen = cipher is not None
    known = cipher or (policy.believed[0] if policy.believed else None)
    if known is not None and not [one for one in people if one.heard or one.refusal is not None]:
        # Nothing is known of anybody: that is what is asked below, at once.
        return Decision(known, chosen, policy.derive_content_keys, people)
    if cipher is None:
        people = tuple(_unless_unreadable(each, policy) for each in people)
        cipher = _shared(people, policy)
        people = tuple(_unless_apart(each, cipher, policy) for each in people)
    served = [each for each in people if each.refusal is None]
    derived = policy.derive_content_keys or all(one.derives for one in served)
    return Decision(cipher, chosen, derived, people)


def _check_cipher(cipher: ContentCipher) -> None:
    if not isinstance(cipher, ContentCipher):
        raise UsageError(
            "A cipher is one of those in smimekit.algorithms, such as AES256_GCM.",
            code="usage.cipher",
        )
    if cipher.weak:
        raise PolicyError(f"Nothing is encrypted with {cipher.name} any more.", code="policy.weak")
    if not cipher.emitted:
        raise UsageError(f"{cipher.name} is read, and not written.", code="usage.cipher")


def _listed(to: Iterable[Addressee]) -> Sequence[Addressee]:
    # To ask for a protocol takes longer than most of the rest; it is here to tell one from many.
    if not isinstance(to, list | tuple) and (
        isinstance(to, str | bytes | Recipient) or not isinstance(to, Iterable)
    ):
        raise UsageError("Recipients come as a list: to=[bob].")
    found = tuple(to)
    if not found:
        raise UsageError("A message is encrypted to at least one recipient.")
    return found


def _unless_unreadable(one: Person, policy: Policy) -> Person:
    """Refused where it announces nothing that the policy encrypts with."""
    if one.refusal is not None or set(one.might_read(policy)) & set(policy.choices):
        return one
    refusal = PolicyError(
        f"{one.name} announces {_names(one.said)}, and this policy encrypts with none of that. "
        "Ask for a newer program or, if you know that it reads another cipher, name that.",
        code="policy.no-cipher",
    )
    return replace(one, refusal=refusal)


def _shared(people: Iterable[Person], policy: Policy) -> ContentCipher:
    """The policy's first that all of those who can be served read or, failing that, that most
    of them might.
    """
    served = [each for each in people if each.refusal is None]
    counts = Counter(row for each in served for row in each.reads(policy)[1])
    best = max(policy.choices, key=lambda row: counts[row])
    if counts[best] < len(served):
        counts = Counter(row for each in served for row in each.might_read(policy))
        best = max(policy.choices, key=lambda row: counts[row])
    return best if served else policy.cipher


def _unless_apart(one: Person, cipher: ContentCipher, policy: Policy) -> Person:
    """Refused where it does not read what the others share."""
    if one.refusal is not None or cipher in one.might_read(policy):
        return one
    refusal = PolicyError(
        f"{one.name} does not read {cipher.name}, which others of this message do, and there is "
        "no cipher that all of them read: send a message of its own.",
        code="policy.no-common-cipher",
    )
    return replace(one, refusal=refusal)


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (" and more" if len(names) > 8 else "")


# --- for people ----------------------------------------------------------------------------


def _key_management(recipient: Recipient, cipher: ContentCipher) -> str:
    """How a key travels; for a certificate, found by carrying one that nobody uses."""
    match recipient:
        case CertificateRecipient() | Transport():
            return _carried(recipient.wrap(ContentKey(bytes(cipher.key_size))))
        case PasswordRecipient():
            return "password"
        case SharedKeyRecipient():
            return "shared key"
    return type(recipient).__name__


def _carried(info: RecipientInfo) -> str:
    match info:
        case KeyTransRecipient(algorithm=algorithm):
            padding = rsa_padding(algorithm)
            return algorithm_name(info) if padding is None else padding.name
        case KeyAgreeRecipient(algorithm=AlgorithmIdentifier(oid, parameters)):
            wrap = AlgorithmIdentifier.read(Reader(parameters or b""))
            return f"{ECDH_SCHEMES[oid].name} with {KEY_WRAPS[wrap.oid].name}"
        case KemRecipient(kem=kem, wrap=wrap):
            return f"{KEMS[kem.oid].name} with {KEY_WRAPS[wrap.oid].name}"
    return algorithm_name(info)
