"""Whom a CRL lists: a serial number that the CA itself calls revoked is revoked.

Knows entries of CRLs, complete ones and deltas. May not know whether a CRL is fresh, nor whether
anybody may sign it: what comes here was signed by a CA of the path, or whom it appointed.

certvalidator asks a CRL for a good word and meets the bad one on its way: where that way ends
early, because a delta CRL is missing or the CRL is about other certificates, it would say nothing
of an entry that is there for all to see. It also lets any delta CRL take back what a CRL says.
And of several entries with one serial number it sees the first: here each of them counts, so
that none of them hides a revocation, be it by its place, its date or its reason.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, final

from smimekit import der
from smimekit.certificate import Certificate
from smimekit.trust.certvalidator import EVIDENCE_SKEW, refusals
from smimekit.trust.names import normal_name

__all__ = ["REMOVED", "Listed", "entries_about", "is_outdated", "listed", "reason_of"]

_KNOWN: Final = frozenset(
    {
        "2.5.29.20",  # cRLNumber
        "2.5.29.27",  # deltaCRLIndicator
        "2.5.29.28",  # issuingDistributionPoint
        "2.5.29.35",  # authorityKeyIdentifier
        "2.5.29.46",  # freshestCRL
    }
)
"""With another critical extension, nobody knows what the entries mean (RFC 5280, 5.2)."""
_SCOPE: Final = "2.5.29.28"
_HOLD: Final = "certificate_hold"
_TIMES: Final = (der.UTC_TIME, der.GENERALIZED_TIME)
REMOVED: Final = "remove_from_crl"
"""The end of a hold (RFC 5280, 5.3.1)."""
_COMPROMISED: Final = frozenset({"key_compromise", "ca_compromise"})


@final
@dataclass(frozen=True, slots=True)
class Listed:
    """That a certificate is listed as revoked. `compromised`: because of its key."""

    compromised: bool


@final
@dataclass(frozen=True, slots=True)
class _Word:
    """What one CRL says of a certificate."""

    reason: str | None
    """Why it is revoked; None where it is not listed."""
    issued: datetime
    """When the CRL was."""
    delta: bool
    scope: tuple[bytes, bytes]
    """Who issued it, and its issuingDistributionPoint."""

    def ends(self, hold: "_Word") -> bool:
        """Whether it is later than a hold, and tells that this is over."""
        if self.issued <= hold.issued:
            return False
        if self.delta:  # RFC 5280, 5.3.1: removeFromCRL is for these
            return self.reason == REMOVED
        return self.reason is None and self.scope == hold.scope


def listed(certificate: Certificate, crls: Iterable[Any], at: datetime) -> Listed | None:
    """Whether the CA of a certificate, or whom it appointed, lists it as revoked before `at`.

    Whom a CRL lists that there was at that time is revoked, whatever date stands beside; the date
    tells of CRLs that came later who was still good then.


    What is on hold is so until a later CRL says otherwise (RFC 5280, 5.3.1); no other reason can
    be taken back. `crls` are containers of certvalidator's.
    """
    found = tuple(_words(certificate, crls, at))
    reasons = {
        one.reason
        for one in found
        if one.reason not in {None, REMOVED}
        and not (one.reason == _HOLD and any(other.ends(one) for other in found))
    }
    return Listed(bool(reasons & _COMPROMISED)) if reasons else None


def _words(certificate: Certificate, crls: Iterable[Any], at: datetime) -> Iterator[_Word]:
    issuer = normal_name(certificate.issuer)
    for container in crls:
        try:
            yield from _said_by(certificate, issuer, container, at)
        except refusals():
            continue


def _said_by(
    certificate: Certificate, issuer: bytes, container: Any, at: datetime
) -> tuple[_Word, ...]:
    from cryptography import x509  # noqa: PLC0415 - slow to import

    view = x509.load_der_x509_crl(container.crl_data.dump())
    author, indirect = normal_name(view.issuer.public_bytes()), _is_indirect(view)
    if author != issuer and not (indirect and author in _appointed(certificate)):
        return ()
    if not _is_understood(view):
        return ()
    entries = entries_about(view, certificate.serial)
    if indirect and entries:
        entries = tuple(_entries_of(issuer, view, certificate.serial))
    issued: datetime = view.last_update_utc
    known = issued <= at + EVIDENCE_SKEW
    past = [reason_of(one) for one in entries if known or one.revocation_date_utc < at]
    reasons: list[str | None] = [*past] if entries else [None]
    delta, scope = _is_delta(view), (author, _scope(view))
    return tuple(_Word(reason, issued, delta, scope) for reason in reasons)


def _appointed(certificate: Certificate) -> frozenset[bytes]:
    """Who else may list a certificate, as its CA writes into it (RFC 5280, 6.3.3 (b))."""
    return frozenset(
        normal_name(name.chosen.untag().dump())  # which is explicit there
        for point in certificate.asn1.crl_distribution_points_value or ()
        for name in point["crl_issuer"] or ()
        if name.name == "directory_name"
    )


def entries_about(view: Any, serial: int) -> tuple[Any, ...]:
    """The entries of a CRL (cryptography's view) with a serial number, of which there may be two.

    cryptography gives the first. To look at each entry takes long, and so this is done only where
    the number is written before two dates (RFC 5280, 5.1).
    """
    first = view.get_revoked_certificate_by_serial_number(serial)
    if first is None:
        return ()
    written, octets = der.integer(serial), view.tbs_certlist_bytes
    seen = sum(octets.count(written + bytes([kind])) for kind in _TIMES)
    if seen <= 1:
        return (first,)
    return tuple(one for one in view if one.serial_number == serial)


def _entries_of(issuer: bytes, view: Any, serial: int) -> Iterator[Any]:
    """The entries of an indirect CRL with a serial number, and about a certificate of this issuer.

    What an entry says of that holds for those behind it, too (RFC 5280, 5.3.3).
    """
    about = normal_name(view.issuer.public_bytes())
    for one in view:
        about = _named_by(one, about)
        if one.serial_number == serial and about == issuer:
            yield one


def _named_by(entry: Any, before: bytes) -> bytes:
    """Whose certificate an entry is about; nobody's where it names no directory name."""
    from cryptography import x509  # noqa: PLC0415 - slow to import

    try:
        found = entry.extensions.get_extension_for_class(x509.CertificateIssuer).value
    except x509.ExtensionNotFound:
        return before
    except ValueError:
        return b""
    names = found.get_values_for_type(x509.DirectoryName)
    return normal_name(names[0].public_bytes()) if names else b""


def reason_of(entry: Any) -> str:
    """The reason of an entry, by its name; "unspecified" where it gives none."""
    from cryptography import x509  # noqa: PLC0415 - slow to import

    try:
        found = entry.extensions.get_extension_for_class(x509.CRLReason)
    except (x509.ExtensionNotFound, ValueError):  # whatever it says, it is listed
        return x509.ReasonFlags.unspecified.name
    reason: x509.ReasonFlags = found.value.reason
    return reason.name


def _is_understood(view: Any) -> bool:
    return all(not one.critical or one.oid.dotted_string in _KNOWN for one in view.extensions)


def _is_indirect(view: Any) -> bool:
    """May an entry be about another CA's certificate?"""
    return any(one.value.indirect_crl for one in view.extensions if one.oid.dotted_string == _SCOPE)


def _scope(view: Any) -> bytes:
    values = (one.value for one in view.extensions if one.oid.dotted_string == _SCOPE)
    return b"".join(value.public_bytes() for value in values)


def _is_delta(view: Any) -> bool:
    return any(one.oid.dotted_string == "2.5.29.27" for one in view.extensions)


# --- which complete CRLs a delta CRL does not complete ---------------------------------------


def is_outdated(container: Any, crls: Iterable[Any]) -> bool:
    """Whether a complete CRL is older than what a delta CRL of the same CA builds upon.

    RFC 5280, 5.2.4 (c): together they would leave out what happened between the two.
    """
    own = container.crl_data
    number = own.crl_number_value
    if own.delta_crl_indicator_value is not None or number is None:
        return False
    return any(
        other.crl_data.delta_crl_indicator_value is not None
        and other.crl_data.delta_crl_indicator_value.native > number.native
        and other.crl_data.issuer == own.issuer
        for other in crls
    )
