"""What stands in the extensions of a certificate (RFC 5280, 4.2), read one at a time.

Knows their syntax. May not know certificates. Whatever cannot be read is a `CmsError`, a
`LimitExceeded` or a `UnicodeDecodeError`.
"""

from collections.abc import Iterator
from typing import Final

from smimekit import der
from smimekit.errors import CmsError

__all__ = [
    "alt_name_addresses",
    "ca_flag",
    "issuer_key_id",
    "oids",
    "path_length",
    "read_extensions",
    "usages",
]

_SMTP_UTF8_MAILBOX: Final = "1.3.6.1.5.5.7.8.9"

# RFC 5280, 4.2.1.3: bit 0 is the most significant bit of the first octet.
_USAGES: Final = (
    "digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment",
    "keyAgreement", "keyCertSign", "cRLSign", "encipherOnly", "decipherOnly",
)  # fmt: skip


def read_extensions(tbs: der.Reader) -> Iterator[tuple[str, bytes]]:
    """The extensions of a tbsCertificate, of which `tbs` is what follows the key."""
    seen: set[str] = set()
    for tag in (0x81, 0x82):  # the unique identifiers of version 2
        if tbs.peek == tag:
            tbs.raw()
    if tbs.peek != 0xA3:
        tbs.finish()
        return
    outer = tbs.enter(0xA3)
    tbs.finish()
    extensions = outer.enter(der.SEQUENCE)
    outer.finish()
    while extensions.more:
        extension = extensions.enter(der.SEQUENCE)
        oid = extension.oid()
        if extension.peek == der.BOOLEAN:
            extension.boolean()
        if oid in seen:  # RFC 5280, 4.2: one instance of each
            raise CmsError("An extension stands twice.", code="asn1.malformed")
        seen.add(oid)
        yield oid, extension.read(der.OCTET_STRING)
        extension.finish()


def alt_name_addresses(reader: der.Reader) -> tuple[str, ...]:
    """The mail addresses of a subjectAltName (RFC 5280, 4.2.1.6; RFC 9598), as written."""
    found: list[str] = []
    names = reader.enter(der.SEQUENCE)
    while names.more:
        tag, content = names.any()
        if tag == 0x81:  # rfc822Name
            found.append(content.decode("ascii"))
        elif tag == 0xA0:  # otherName
            other = der.Reader(content)
            if other.oid() == _SMTP_UTF8_MAILBOX:
                found += _utf8_mailbox(other.enter(0xA0).read(der.UTF8_STRING).decode("utf-8"))
    return tuple(found)


def _utf8_mailbox(address: str) -> tuple[str, ...]:
    # RFC 9598, 3: with an ASCII local part it has to be an rfc822Name, which more programs
    # hold against name constraints; so here it is no address.
    return () if address.rpartition("@")[0].isascii() else (address,)


def usages(reader: der.Reader) -> frozenset[str]:
    """The names of the bits that are set in a keyUsage (RFC 5280, 4.2.1.3)."""
    bits = "".join(f"{octet:08b}" for octet in reader.bits()[0][:2])
    return frozenset(name for name, bit in zip(_USAGES, bits, strict=False) if bit == "1")


def oids(reader: der.Reader) -> frozenset[str]:
    """A SEQUENCE of OBJECT IDENTIFIERs, such as an extKeyUsage (RFC 5280, 4.2.1.12)."""
    inside, found = reader.enter(der.SEQUENCE), []
    while inside.more:
        found.append(inside.oid())
    return frozenset(found)


def ca_flag(reader: der.Reader) -> bool:
    """The cA of basicConstraints (RFC 5280, 4.2.1.9); what follows it is passed over."""
    inside = reader.enter(der.SEQUENCE)
    return inside.peek == der.BOOLEAN and inside.boolean()


def path_length(reader: der.Reader) -> int | None:
    """The pathLenConstraint of basicConstraints (RFC 5280, 4.2.1.9), if there is one."""
    inside = reader.enter(der.SEQUENCE)
    if inside.peek == der.BOOLEAN:
        inside.boolean()
    found = inside.integer() if inside.peek == der.INTEGER else None
    inside.finish()
    return found


def issuer_key_id(reader: der.Reader) -> bytes | None:
    """The keyIdentifier of an authorityKeyIdentifier (RFC 5280, 4.2.1.1), if there is one."""
    inside = reader.enter(der.SEQUENCE)
    return inside.read(0x80) if inside.peek == 0x80 else None
