"""Names compared: distinguished names, and mail addresses and logons against name constraints.

Knows RFC 5280, 7.1 and 4.2.1.10 with RFC 9598, 6. May not know paths, stores or trust.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from smimekit import der
from smimekit.certificate import Certificate
from smimekit.errors import CertificateError, CmsError, LimitExceeded
from smimekit.trust.addresses import folded_local, normal_domain

__all__ = ["name_violation", "normal_name"]

_NAME_CONSTRAINTS: Final = "2.5.29.30"
_SUBJECT_ALT_NAME: Final = "2.5.29.17"
_OTHER_NAME: Final = 0xA0
_RFC822_NAME: Final = 0x81
_MAIL: Final = "mail"
_LOGON: Final = "1.3.6.1.4.1.311.20.2.3"
"""A user's name in a directory of Windows, `name@domain`. Its CAs restrict both alike."""
_COMPARED: Final = frozenset({_MAIL, _LOGON})
_MAX_CHECKS: Final = 50_000
"""Names times constraints: real paths have a few hundred."""
_SPECIAL: Final = frozenset(' ,:;<>()[]@\\"')
"""What stands in no domain, and in a local part in quotes alone (RFC 5322, 3.2.3)."""
_QUOTED_PAIR: Final = re.compile(r"\\(.?)", re.DOTALL)
_CODECS: Final = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1E: "utf-16-be",
                  0x1C: "utf-32-be"}  # fmt: skip


def _normal_value(tag: int, content: bytes) -> bytes:
    codec = _CODECS.get(tag)
    if codec is None:
        return bytes((tag,)) + content
    try:
        text = content.decode(codec)
    except UnicodeDecodeError:
        return bytes((tag,)) + content
    return b"=" + " ".join(text.casefold().split()).encode("utf-8", "surrogatepass")


def _normal_rdn(rdn: der.Reader) -> list[bytes]:
    found = []
    while rdn.more:
        attribute = rdn.enter(der.SEQUENCE)
        kind = attribute.read(der.OID)
        value = _normal_value(*attribute.any())
        found.append(der.octet_string(kind) + der.octet_string(value))
    return sorted(found)


def normal_name(name: bytes) -> bytes:
    """A form of a Name (DER) that is equal for names which RFC 5280, 7.1 calls equal.

    Case, repeated blanks and the string type do not count. It serves to find candidates; a path
    is judged with certvalidator's own comparison. A malformed name is its own form.
    """
    try:
        rdns = der.Reader(name).enter(der.SEQUENCE)
        found = []
        while rdns.more:
            found.append(der.sequence(*_normal_rdn(rdns.enter(der.SET))))
    except (CmsError, LimitExceeded):
        return name
    return der.sequence(*found)


_Name = tuple[str, str]
"""What form of name it is, `_MAIL` or the type of an otherName, and what it says."""


@dataclass(frozen=True, slots=True)
class _Constraints:
    permitted: tuple[_Name, ...]
    excluded: tuple[_Name, ...]


def _subtrees(reader: der.Reader) -> Iterator[_Name]:
    while reader.more:
        tag, content = reader.enter(der.SEQUENCE).any()
        if tag == _RFC822_NAME:
            yield _MAIL, _normal_constraint(content.decode("ascii"))
        elif tag == _OTHER_NAME:
            form, text = _other_name(content)
            yield form, _normal_constraint(text.removeprefix("@"))


def _other_name(content: bytes) -> _Name:
    reader = der.Reader(content)
    form = reader.oid()
    _, value = reader.enter(0xA0).any()
    return form, value.decode() if form == _LOGON else ""


def _names(certificate: Certificate) -> Iterator[_Name]:
    """The names that are judged here. A mailbox of SmtpUTF8Mailbox is also one by its own type,
    which no CA may restrict (RFC 9598, 6), and none that does is understood.
    """
    for address in (*certificate.addresses, *certificate.subject_addresses):
        yield _MAIL, address
    value = certificate.extension(_SUBJECT_ALT_NAME)
    names = der.Reader(value or b"\x30\x00").enter(der.SEQUENCE)
    while names.more:
        tag, content = names.any()
        if tag == _OTHER_NAME:
            yield _other_name(content)


def _normal_constraint(text: str) -> str:
    if "@" in text:
        local, _, domain = text.rpartition("@")
        return f"{folded_local(_unquoted(local))}@{normal_domain(domain)}"
    return normal_domain(text).removesuffix(".")


def _constraints(certificate: Certificate) -> _Constraints | None:
    value = certificate.extension(_NAME_CONSTRAINTS)
    if value is None:
        return None
    reader = der.Reader(value).enter(der.SEQUENCE)
    permitted = tuple(_subtrees(reader.enter(0xA0))) if reader.peek == 0xA0 else ()
    excluded = tuple(_subtrees(reader.enter(0xA1))) if reader.peek == 0xA1 else ()
    reader.finish()
    return _Constraints(permitted, excluded)


def _within(constraint: str, address: str) -> bool:
    if "@" in constraint:
        return address == constraint
    domain = address.rpartition("@")[2]
    if constraint.startswith("."):
        return domain.endswith(constraint) and len(domain) > len(constraint)
    return bool(constraint) and domain == constraint


def _comparable(address: str) -> str | None:
    """The address as constraints see it; None for what no constraint can be applied to.

    A domain in U-labels is such: RFC 9598, 3 wants A-labels, and mapping is guessing.
    """
    local, at, domain = address.rpartition("@")
    plain = address.isprintable() and domain.isascii() and not (_SPECIAL & set(domain))
    if not (local and at and domain and plain):
        return None
    mailbox = _unquoted(local)
    if mailbox == local and _SPECIAL & set(local):
        return None  # RFC 5321, 4.1.2: in quotes alone; who reads it may see another "@" first
    return f"{folded_local(mailbox)}@{normal_domain(domain)}".removesuffix(".")


def _unquoted(local: str) -> str:
    """A local part without the quotes that make no other mailbox of it (RFC 5321, 4.1.2)."""
    if len(local) < 2 or not (local.startswith('"') and local.endswith('"')):
        return local
    return _QUOTED_PAIR.sub(r"\1", local[1:-1])


def _violates(rules: _Constraints, names: Iterable[_Name]) -> bool:
    for form, text in names:
        excluded = [one for kind, one in rules.excluded if kind == form]
        permitted = [one for kind, one in rules.permitted if kind == form]
        if not (excluded or permitted):
            continue
        known = _comparable(text) if form in _COMPARED else None
        if known is None or any(_within(one, known) for one in excluded):
            return True
        if permitted and not any(_within(one, known) for one in permitted):
            return True
    return False


def _violations(path: Sequence[Certificate]) -> Iterator[bool]:
    rules = [_constraints(one) for one in path[:-1]]
    checks = 0
    for depth, certificate in enumerate(path):
        if certificate.is_self_issued and depth != len(path) - 1:
            continue  # RFC 5280, 6.1.3 (b): not applied to self-issued intermediates
        above = [one for one in rules[:depth] if one is not None]
        names = tuple(_names(certificate)) if above else ()
        checks += len(names) * sum(len(one.permitted) + len(one.excluded) for one in above)
        if checks > _MAX_CHECKS:
            raise LimitExceeded("Too many names and name constraints.", code="limit.names")
        yield any(_violates(one, names) for one in above)


def name_violation(path: Sequence[Certificate]) -> bool:
    """Whether a mail address, or an otherName, in a path (anchor first) is outside a constraint of
    a CA above it.

    certvalidator applies rfc822Name constraints to rfc822Names only, and minds the case of
    local parts; this one knows SmtpUTF8Mailbox too, and the anchor's own constraints. Of
    otherNames, the logons of Windows are held against theirs as addresses are. What cannot be
    read or compared violates (RFC 5280, 4.2.1.10). Raises `CertificateError` where an extension
    is malformed, `LimitExceeded` for absurdly many names.
    """
    try:
        return any(_violations(path))
    except (CmsError, UnicodeDecodeError) as error:
        raise CertificateError(
            "The name constraints of an issuer are malformed.", code="certificate.malformed"
        ) from error
