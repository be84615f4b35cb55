"""Whether the signer is the sender (RFC 8550, 3; RFC 9787).

Knows header fields and the addresses of certificates. May not know whether a signature is
good or a signer trusted.
"""

import re
from enum import StrEnum
from functools import lru_cache
from typing import Final

from smimekit.certificate import Certificate
from smimekit.errors import CertificateError, MimeError
from smimekit.limits import Limits
from smimekit.mime.address import address_key, parse_mailboxes
from smimekit.mime.fields import HeaderBlock, field_value

__all__ = ["Claim", "Identity", "claim_of", "identity_of", "sender_of", "signer_addresses"]

_HIDDEN: Final = re.compile(rb"\r(?:[^\n \t]|[ \t]+from[ \t]*:)", re.IGNORECASE)
"""Another field, or the end of the header, for programs that take a bare CR for a line break,
Python's `email` among them: they show another author, or another text."""

_SHORT: Final = 200
"""Octets of a From field that is remembered: it stands outside and inside, and comes again."""
_LIMITS: Final = Limits()


class Identity(StrEnum):
    """The addresses of a certificate against those of the sender."""

    MATCH = "match"
    """Every address that claims to be the author's is in the certificate."""
    MISMATCH = "mismatch"
    SENDER_FIELD = "sender-field"
    """The certificate is that of the Sender field, and not, or not only, of From. RFC 8550, 3
    lets either count; people see From, so this is a fact and no match."""
    NO_ADDRESS = "no-address"
    """The certificate names no address: a fact, and no error."""
    NO_SENDER = "no-sender"
    """A mail without a single, readable From field."""
    UNCLAIMED = "unclaimed"
    """No mail but an entity or bare CMS, which names no sender."""
    UNKNOWN = "unknown"
    """The certificate is not at hand."""


Claim = tuple[str, ...] | None
"""The addresses that are said to be the author's: None where nobody is said to be, empty
where somebody must be, but cannot be read."""


def claim_of(header: HeaderBlock, limits: Limits) -> Claim:
    """Whom a header block names as the author.

    An entity whose fields are all about its content (RFC 2045: Content-*, MIME-Version) is
    not a mail and names nobody. `LimitExceeded` for very many (`Limits.mailboxes`).
    """
    found = header.octets("From")
    if not found:
        about_content = all(
            field.name.lower().startswith("content-") or field.named("MIME-Version")
            for field in header.fields
        )
        return None if about_content else ()
    if len(found) != 1 or _hides_lines(header.raw):
        return ()  # RFC 5322, 3.6: programs show one or the other
    raw = found[0]
    return _known(raw) if len(raw) <= _SHORT <= limits.mailboxes else _authors(raw, limits)


def _authors(raw: bytes, limits: Limits = _LIMITS) -> tuple[str, ...]:
    try:
        found = parse_mailboxes(field_value(raw), limits=limits)
        return tuple([mailbox.address for mailbox in found])
    except MimeError:
        return ()


_known: Final = lru_cache(maxsize=256)(_authors)


def _hides_lines(raw: bytes) -> bool:
    bare = raw.count(b"\r") != raw.count(b"\r\n")  # a fraction of what the search takes
    return bare and _HIDDEN.search(raw) is not None


def sender_of(header: HeaderBlock, limits: Limits) -> str | None:
    """The one mailbox of the one Sender field (RFC 5322, 3.6.2), where there is such."""
    if "Sender" not in header:
        return None
    found = header.all("Sender")
    try:
        mailboxes = parse_mailboxes(found[0].value, limits=limits) if len(found) == 1 else ()
    except MimeError:
        return None
    return mailboxes[0].address if len(mailboxes) == 1 else None


def signer_addresses(certificate: Certificate) -> tuple[str, ...]:
    """The mail addresses of a certificate: those of the subjectAltName, else of the subject.

    RFC 8550, 3: addresses in the subject's name have to be recognised, and belong into the
    subjectAltName. Where they are in both, what stands in the subject alone counts nothing:
    authorities check the subjectAltName (CA/Browser Forum, S/MIME 7.1.4.2.1: it holds them
    all), and RFC 9787, 6.4 asks for that one only.
    """
    try:
        return certificate.addresses or certificate.subject_addresses
    except CertificateError:
        return ()


def _key(address: str) -> tuple[str, str] | None:
    """None for a@b@c, which is no address (RFC 5321, 4.1.2): whose it is, each program guesses
    anew, and it must not pass for that of "a@b"@c. In a From field the parser sees to it.
    """
    local = address.rpartition("@")[0]
    return None if "@" in local and not local.startswith('"') else address_key(address)


def _keys(certificate: Certificate) -> frozenset[tuple[str, str] | None]:
    """The addresses of a certificate, as they are compared; worked out once."""
    known = certificate.memo.get("addresses")
    if isinstance(known, frozenset):
        return known
    found = frozenset(map(_key, signer_addresses(certificate)))
    certificate.memo["addresses"] = found
    return found


def identity_of(
    certificate: Certificate | None, claims: tuple[Claim, ...], sender: str | None = None
) -> Identity:
    """The signer against everything that names the author, and the `sender` who sent for them."""
    if certificate is None:
        return Identity.UNKNOWN
    claimed = [claim for claim in claims if claim is not None]
    if not claimed:
        return Identity.UNCLAIMED
    if not all(claimed):
        return Identity.NO_SENDER
    mine = _keys(certificate)
    if not mine:
        return Identity.NO_ADDRESS
    theirs = set(map(address_key, {address for claim in claimed for address in claim}))
    if None not in theirs and theirs <= mine:
        return Identity.MATCH
    sent = None if sender is None else address_key(sender)
    return Identity.SENDER_FIELD if sent is not None and sent in mine else Identity.MISMATCH
