"""People as entries of an LDAP directory, in LDIF (RFC 2849): inetOrgPerson (RFC 2798).

Knows the form and how names are escaped (RFC 4514). May not know servers; what a server has to
offer is the schema inetOrgPerson, which all have.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from smimekit.certificate import Certificate
from smimekit.cms.signed_writing import certs_only
from smimekit.errors import UsageError
from smimekit.exports.people import Person

__all__ = ["check_base", "ldif"]

_LINE: Final = 76
"""RFC 2849, note 2: longer lines should be folded."""

# What of RFC 2849's SAFE-STRING is printable; note 8: nor may a blank be at the end.
_SAFE: Final = re.compile(rb"[!-9;=-~](?:[ -~]*[!-~])?")

# RFC 4514, 3: attribute=value with , and + between; special characters escaped.
_ATTRIBUTE: Final = r"(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)"
_VALUE: Final = r'(?:[^\\,+"<>;=\0]|\\(?:[ "#+,;<=>\\]|[0-9A-Fa-f]{2}))+'
_RDN: Final = rf" *{_ATTRIBUTE}={_VALUE}"
_NAME: Final = re.compile(rf"{_RDN}(?:[,+]{_RDN})*")
_SPECIAL: Final = re.compile(r'[\\,+"<>;=]')


def ldif(
    people: Iterable[Person],
    base: str,
    *,
    chain: Callable[[Certificate], Iterable[Certificate]] = lambda _: (),
) -> Iterator[bytes]:
    """An entry below `base` for each person, in LDIF; addresses in ASCII only (RFC 2798, mail).

    Each has cn, sn, mail, and each certificate twice: as userCertificate, and with what `chain`
    finds above it as userSMIMECertificate (RFC 2798, 2.8), without the capabilities, which only
    its owner could sign. Raises UsageError (`usage.ldap-base`) for a base that is no name.
    """
    check_base(base)
    return _lines(people, base, chain)


def check_base(base: str) -> None:
    """UsageError (`usage.ldap-base`) where that is no distinguished name (RFC 4514)."""
    if len(base) > 1 << 12 or not _NAME.fullmatch(base) or not base.isprintable():
        raise UsageError(
            "The base is no distinguished name; write it like ou=people,dc=example,dc=org.",
            code="usage.ldap-base",
        )


def _lines(
    people: Iterable[Person], base: str, chain: Callable[[Certificate], Iterable[Certificate]]
) -> Iterator[bytes]:
    yield b"version: 1\n"
    for person in people:
        if person.address.isascii():
            yield b"".join(_entry(person, base, chain)) + b"\n"


def _entry(
    person: Person, base: str, chain: Callable[[Certificate], Iterable[Certificate]]
) -> Iterator[bytes]:
    yield _line("dn", f"mail={_escaped(person.address)},{base}".encode())
    for kind in ("top", "person", "organizationalPerson", "inetOrgPerson"):
        yield _line("objectClass", kind.encode())
    yield _line("cn", _text(person.name))
    yield _line("sn", _text(person.surname))
    yield _line("mail", person.address.encode())
    for each in person.certificates:
        yield _line("userCertificate;binary", each.der)
    for each in person.certificates:
        above = [one.der for one in chain(each) if one != each]
        yield _line("userSMIMECertificate", certs_only([each.der, *above]))


def _text(value: str) -> bytes:
    """A DirectoryString (RFC 4517, 3.3.6): not empty, nothing but characters."""
    shown = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in value)
    return (shown.strip() or "?").encode()


def _escaped(value: str) -> str:
    """The value of an attribute in a name (RFC 4514, 2.4)."""
    if not value.isprintable():
        return "".join(f"\\{octet:02x}" for octet in value.encode())
    escaped = _SPECIAL.sub(lambda found: f"\\{found[0]}", value)
    if escaped[:1] in {" ", "#"}:
        escaped = f"\\{escaped}"
    return f"{escaped[:-1]}\\ " if escaped.endswith(" ") and len(value) > 1 else escaped


def _line(name: str, value: bytes) -> bytes:
    """An attribute: as it is where that is safe, else in base64; folded."""
    safe = _SAFE.fullmatch(value) is not None
    line = name.encode() + (b": " + value if safe else b":: " + base64.b64encode(value))
    first, rest = line[:_LINE], line[_LINE:]
    step = _LINE - 1  # each further line begins with a blank
    pieces = [first, *(b" " + rest[at : at + step] for at in range(0, len(rest), step))]
    return b"\n".join(pieces) + b"\n"
