"""Distinguished names, for people (RFC 5280, 4.1.2.4; RFC 4514).

Knows their syntax. May not know certificates, nor when two names are the same.
"""

from collections.abc import Iterator
from typing import Final

from smimekit import der
from smimekit.errors import CmsError, LimitExceeded

__all__ = ["EMAIL_ADDRESS", "name_parts", "name_text"]

EMAIL_ADDRESS: Final = "1.2.840.113549.1.9.1"

_ATTRIBUTE_NAMES: Final = {
    "2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C",
    "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "STREET", "2.5.4.10": "O", "2.5.4.11": "OU",
    "2.5.4.12": "title", "2.5.4.13": "description", "2.5.4.17": "postalCode",
    "2.5.4.18": "postOfficeBox", "2.5.4.42": "GN", "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier", EMAIL_ADDRESS: "E",
    "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
}  # fmt: skip


def name_parts(name: bytes) -> Iterator[tuple[str, str]]:
    """The attributes of a Name in order; what cannot be read is left out."""
    try:
        rdns = der.Reader(name).enter(der.SEQUENCE)
        while rdns.more:
            rdn = rdns.enter(der.SET)
            while rdn.more:
                attribute = rdn.enter(der.SEQUENCE)
                oid = attribute.oid()
                tag, content = attribute.any()
                yield oid, _string(tag, content)
    except (CmsError, LimitExceeded):
        return


def _string(tag: int, content: bytes) -> str:
    codec = {der.BMP_STRING: "utf-16-be", der.UTF8_STRING: "utf-8", 0x1C: "utf-32-be"}
    return content.decode(codec.get(tag, "latin-1"), "replace")


def name_text(name: bytes) -> str:
    """A Name in one line, the most specific attribute first, without what steers a terminal."""
    parts = [
        f"{_ATTRIBUTE_NAMES.get(oid, oid)}={_printable(text)}" for oid, text in name_parts(name)
    ]
    return ", ".join(reversed(parts))


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
