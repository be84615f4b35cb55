"""What the rules say about mail that comes in. Knows words and defaults; may not know more."""

from dataclasses import dataclass
from enum import StrEnum
from typing import final

__all__ = ["Accept", "Inbound", "Open", "ReportsTo", "Undecryptable"]


class ReportsTo(StrEnum):
    """Who hears of it when decrypted mail cannot be delivered after all."""

    SENDER = "sender"
    """Whoever sent it, with its header, the subject that was hidden included (RET=HDRS)."""
    ADMINISTRATOR = "administrator"
    """`administrator` in [gateway] is the reverse-path of what is delivered: nothing that was
    decrypted leaves again, but vacation programs answer there, too."""


class Undecryptable(StrEnum):
    """What becomes of encrypted mail that no key of its recipients opens."""

    AS_IS = "as_is"
    """Delivered as it came: the recipient may have the key."""
    HOLD = "hold"
    REJECT = "reject"
    """Refused where anybody can see why. What a key was tried on and did not open is held: from
    answers about it a stranger could learn what is in it."""


class Accept(StrEnum):
    """Which algorithms are accepted on reading."""

    INTEROP = "interop"
    LEGACY_READ = "legacy_read"
    """SHA-1, 3DES and the like, too; what they protect never counts as good."""


class Open(StrEnum):
    """What becomes of protected mail of a special kind."""

    OPEN = "open"
    """It is opened like any mail."""
    LEAVE = "leave"
    """It is delivered as it came, and nothing is said about it."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """How protected mail is delivered to inside recipients."""

    decrypt: bool = True
    """Whether mail is delivered decrypted where a key of its recipient opens it."""
    reports_to: ReportsTo = ReportsTo.SENDER
    """Who hears of it when decrypted mail cannot be delivered after all."""
    undecryptable: Undecryptable = Undecryptable.AS_IS
    """What becomes of encrypted mail that no key of its recipients opens."""
    opaque_to_clear: bool = False
    """Whether an opaque signature becomes one beside the mail, which every program shows."""
    strip_signatures: bool = False
    """Whether signatures are removed from what is delivered, after they were checked."""
    subject_tags: bool = False
    """Whether the subject says what was found."""
    signed_tag: str = "[signed]"
    """For mail with a good and trusted signature by its sender."""
    encrypted_tag: str = "[encrypted]"
    """For mail that was decrypted, and by no weak cipher (RFC 9787, 6.5)."""
    untrusted_tag: str = "[untrusted signature]"
    """For mail with a signature that shows nothing."""
    results: bool = True
    """Whether Authentication-Results says what was found (RFC 8601, RFC 7281)."""
    detail_headers: bool = True
    """Whether the gateway's own header fields do, with signers and reasons."""
    strip_headers: tuple[str, ...] = ()
    """More header fields that are removed from what comes in."""
    harvest: bool = True
    """Whether certificates of good signatures are remembered."""
    digest: bool = True
    """Whether the administrator is told of certificates that wait for a decision."""
    accept: Accept = Accept.INTEROP
    """Which algorithms are accepted on reading."""
    calendar: Open = Open.OPEN
    """Protected invitations."""
    dsn: Open = Open.LEAVE
    """Protected delivery reports, and other mail with the null reverse-path."""
    auto_submitted: Open = Open.OPEN
    """Protected mail that no person sent (RFC 3834)."""
