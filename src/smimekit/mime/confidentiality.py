"""Header confidentiality policies (RFC 9788, 3): what of a header stays readable outside.

Knows names and values of fields; may not know how they are protected, nor by whom. A policy
gets a name and an unfolded value, and gives what to write outside in its place: the same
value, another one, or None for nothing at all.
"""

from collections.abc import Callable
from datetime import UTC
from typing import Final, TypeAlias

from smimekit.errors import MimeError, UsageError
from smimekit.mime.address import DRAFTED, address_key, parse_mailboxes
from smimekit.mime.dates import read_date
from smimekit.mime.fields import Field
from smimekit.mime.safety import safe_message_field

__all__ = [
    "HeaderPolicy",
    "changed_by",
    "exposed",
    "hcp_baseline",
    "hcp_no_confidentiality",
    "hcp_shy",
]

HeaderPolicy: TypeAlias = Callable[[str, str], str | None]
"""A header confidentiality policy: name and value in, the value outside out, or None."""

_BASELINE: Final = frozenset({"subject", "comments", "keywords"})
_SHY: Final = _BASELINE | {"from", "to", "cc", "date"}


def hcp_no_confidentiality(name: str, value: str) -> str | None:  # noqa: ARG001 - it is a policy
    """Everything stays readable outside (RFC 9788, 3.2.3)."""
    return value


def hcp_baseline(name: str, value: str) -> str | None:
    """Hides what is for people only: the subject, comments, keywords (RFC 9788, 3.2.1)."""
    name = name.lower()
    if name not in _BASELINE:
        return value
    return "[...]" if name == "subject" else None


def hcp_shy(name: str, value: str) -> str | None:
    """Hides the names beside addresses, and the time zone, too (RFC 9788, 3.2.2).

    Of the members of a group the addresses stay. What is no address list, or no date, stays
    as it is.
    """
    name = name.lower()
    if name not in _SHY:
        return value
    match name:
        case "from":
            return _addresses(value, at_most=1) or value
        case "to" | "cc":
            return _addresses(value) or value
        case "date":
            return _utc(value) or value
    return hcp_baseline(name, value)


def _addresses(value: str, at_most: int | None = None) -> str | None:
    try:
        found = [mailbox.address for mailbox in parse_mailboxes(value.encode(), limits=DRAFTED)]
    except MimeError:
        return None
    if at_most is not None and len(found) > at_most:
        return None
    return ", ".join(found) if all(address.isascii() for address in found) else None


def _utc(value: str) -> str | None:
    from email.utils import format_datetime  # noqa: PLC0415 - slow to import, and rarely needed

    found = read_date(value)
    try:
        return None if found is None else format_datetime(found.astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def changed_by(policy: HeaderPolicy) -> frozenset[str] | None:
    """The fields, by lower-case names, that a policy does not leave as they are whatever they
    say; None where that may be any.
    """
    if policy is hcp_baseline:
        return _BASELINE
    return _SHY if policy is hcp_shy else None


def exposed(field: Field, policy: HeaderPolicy) -> Field | None:
    """What a policy lets out of a field: the field itself, another one, or None.

    Raises UsageError (`usage.header-policy`) for a policy that gives what RFC 9788 forbids:
    anything but printable ASCII and blanks in place of a value (3.1), or another address
    than the author's in From (3.1.1), where receivers would warn of a forgery.
    """
    text = field.text
    value = policy(field.name, text)
    if value == text:
        return field
    if field.named("From"):
        _check_author(text, value)
    if value is None:
        return None
    _check_value(field.name, value)
    return safe_message_field(Field.of(field.name, value.strip(" \t").encode()))


def _check_value(name: str, value: str) -> None:
    if not isinstance(value, str) or not value.replace("\t", " ").isprintable():
        raise _refused(f"control characters for the {name} field")
    if not value.isascii():
        raise _refused(f"a value for the {name} field that is not ASCII: use encoded words")


def _check_author(inside: str, outside: str | None) -> None:
    if outside is None:
        raise _refused("no From field at all, which every mail must have")
    if _keys(inside) != _keys(outside):
        raise _refused("another address in From than the author's")


def _keys(value: str) -> set[tuple[str, str] | None] | None:
    try:
        return {
            address_key(each.address) for each in parse_mailboxes(value.encode(), limits=DRAFTED)
        }
    except MimeError:
        return None


def _refused(what: str) -> UsageError:
    return UsageError(
        f"The header confidentiality policy gives {what} (RFC 9788, 3.1); correct the policy.",
        code="usage.header-policy",
    )
