"""Certificates gathered by the mail address that they name: what an address book has an entry for.

Knows certificates and addresses. May not know where they are kept, nor how entries are written.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, final

from smimekit.certificate import Certificate
from smimekit.errors import CertificateError
from smimekit.trust.addresses import normal_address
from smimekit.trust.records import addresses_of, is_authority_only

__all__ = ["Person", "has_entries", "people"]

_ADDRESSES: Final = 100
"""Of one certificate. Each has an entry that holds the certificate: one with thousands, which
anybody can make and send, would be gigabytes. Those of people name a few."""

_COMMON_NAME: Final = "2.5.4.3"
_SURNAME: Final = "2.5.4.4"


@final
@dataclass(frozen=True, slots=True)
class Person:
    """A mail address, and what the certificates that name it say of its owner."""

    address: str
    """As the newest certificate writes it."""
    name: str
    """What the newest certificate calls its owner; else the address."""
    surname: str
    """The surname, where the newest certificate has one; else the name."""
    certificates: tuple[Certificate, ...]
    """Newest first."""


def people(
    certificates: Iterable[Certificate], of_address: Callable[[str], Iterable[Certificate]]
) -> Iterator[Person]:
    """Everybody whom the certificates name, once for each address.

    `of_address` gives those of the same certificates that name an address, always in the same
    order. So nobody has to hold all certificates, or all addresses: an entry is written when the
    first of its certificates comes by. Only those that `has_entries` are in them.
    """
    for certificate in certificates:
        if not has_entries(certificate):
            continue
        for address in dict.fromkeys(map(normal_address, addresses_of(certificate))):
            found = filter(has_entries, of_address(address))
            first = next(found, certificate)
            if first == certificate:
                yield _person(address, [first, *found])


def _person(address: str, found: Iterable[Certificate]) -> Person:
    ordered = tuple(sorted(dict.fromkeys(found), key=_age, reverse=True))
    newest = ordered[0]
    written = (each for each in addresses_of(newest) if normal_address(each) == address)
    shown = next(written, address)
    name = newest.subject_attribute(_COMMON_NAME) or shown
    return Person(shown, name, newest.subject_attribute(_SURNAME) or name, ordered)


def _age(certificate: Certificate) -> tuple[float, float, str]:
    begin, end = certificate.not_before, certificate.not_after
    return begin.timestamp(), end.timestamp(), certificate.fingerprint


def has_entries(certificate: Certificate) -> bool:
    """Is it a person's? Not an authority's, well-formed, and for no more than 100 addresses."""
    try:
        nobody = certificate.is_ca and is_authority_only(certificate)
        return not nobody and len(addresses_of(certificate)) <= _ADDRESSES
    except CertificateError:
        return False  # malformed: nobody is to encrypt to it
