"""People as vCards, version 4 (RFC 6350), each certificate as a KEY.

Knows that form. May not know which program reads it.
"""

import base64
import re
import uuid
from collections.abc import Iterable, Iterator
from typing import Final

from smimekit.exports.people import Person
from smimekit.trust.addresses import normal_address

__all__ = ["vcards"]

_LINE: Final = 75
"""Octets of a line without its break (RFC 6350, 3.2)."""
_SPECIAL: Final = re.compile(r"[\\,;]")
_PREFERENCES: Final = 100
"""PREF goes from 1 to 100 (RFC 6350, 5.3)."""


def vcards(people: Iterable[Person]) -> Iterator[bytes]:
    """A vCard for each person, the newest certificate first and preferred.

    The UID follows from the address alone: who imports a file twice has nobody twice.
    """
    return (b"".join(map(_folded, _card(each))) for each in people)


def _card(person: Person) -> Iterator[str]:
    yield "BEGIN:VCARD"
    yield "VERSION:4.0"
    yield f"UID:{uuid.uuid5(uuid.NAMESPACE_URL, f'mailto:{normal_address(person.address)}').urn}"
    yield f"FN:{_text(person.name)}"
    yield f"EMAIL:{_text(person.address)}"
    for number, each in enumerate(person.certificates, start=1):
        data = base64.b64encode(each.der).decode()
        yield f"KEY;PREF={min(number, _PREFERENCES)}:data:application/pkix-cert;base64,{data}"
    yield "END:VCARD"


def _text(value: str) -> str:
    """A value of text (RFC 6350, 3.4): no break, no control character, specials escaped."""
    shown = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in value)
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", shown)


def _folded(line: str) -> bytes:
    """The line in pieces of at most 75 octets; no character is cut in two (RFC 6350, 3.2)."""
    data = line.encode()
    pieces: list[bytes] = []
    start, room = 0, _LINE
    while len(data) - start > room:
        end = start + room
        while data[end] & 0xC0 == 0x80:  # within a character
            end -= 1
        pieces.append(data[start:end])
        start, room = end, _LINE - 1  # each further line begins with a blank
    pieces.append(data[start:])
    return b"\r\n ".join(pieces) + b"\r\n"
