"""ESMTP's small syntax: paths, parameters, xtext, XFORWARD (RFC 5321, 4.1.2; RFC 3461, 4).

Knows text. May not know sockets, messages or what becomes of any.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from smimekit.gateway.envelope import Client, Parameters

__all__ = [
    "FORWARDED",
    "client_from",
    "forwarded",
    "parse_attributes",
    "parse_parameters",
    "parse_path",
    "unknown_mail_parameter",
    "unknown_recipient_parameter",
    "xtext",
]

_PATH: Final = re.compile(
    r"<(?:@[^:>]*:)?"  # a source route is to be taken and not used (RFC 5321, 4.1.2; appendix C)
    r'(?P<address>(?:"(?:[^"\\\x00-\x1f\x7f]|\\[ -~])*"|[^"<>\\\x00- \x7f])*)>(?: +(?P<rest>.*))?'
)
_KEYWORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_VALUE: Final = re.compile(r"[^\x00-\x20=\x7f]+")
_XTEXT: Final = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_HEX: Final = re.compile(rb"\+([0-9A-F]{2})")
_NOTIFY: Final = re.compile(r"(?:NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY))*)")
_ORCPT: Final = re.compile(r"[A-Za-z0-9-]+;\S+")

FORWARDED: Final[Mapping[str, str]] = {
    "NAME": "name",
    "ADDR": "address",
    "PORT": "port",
    "PROTO": "protocol",
    "HELO": "helo",
    "IDENT": "ident",
    "SOURCE": "source",
}
"""The attributes of Postfix' XFORWARD, and what `Client` calls them."""

_UNKNOWN: Final = "[UNAVAILABLE]"


def parse_path(text: str) -> tuple[str, str] | None:
    """The address between the angle brackets ("" for the null path), and what follows; or None."""
    found = _PATH.fullmatch(text.strip())
    return None if found is None else (found["address"], found["rest"] or "")


def parse_parameters(text: str) -> Parameters | None:
    """The parameters behind a path, or None where they are none, or one comes twice."""
    found: dict[str, str | None] = {}
    for word in text.split():
        keyword, equals, value = word.partition("=")
        name = keyword.upper()
        if not _KEYWORD.fullmatch(keyword) or name in found:
            return None
        if equals and not _VALUE.fullmatch(value):
            return None
        found[name] = value if equals else None
    return tuple(found.items())


def unknown_mail_parameter(parameters: Parameters) -> str | None:
    """The first parameter of MAIL that is unknown or has a value that it cannot have."""
    return _unknown(
        parameters,
        {
            "SIZE": re.compile(r"[0-9]{1,20}"),  # RFC 1870, 3
            "BODY": re.compile(r"(?i:7BIT|8BITMIME)"),  # RFC 6152, 2
            "SMTPUTF8": None,  # RFC 6531, 3.4
            "RET": re.compile(r"(?i:FULL|HDRS)"),  # RFC 3461, 4.3
            "ENVID": re.compile(rf"(?=.{{1,100}}$){_XTEXT.pattern}"),  # RFC 3461, 4.4
        },
    )


def unknown_recipient_parameter(parameters: Parameters) -> str | None:
    """The same for RCPT: NOTIFY and ORCPT (RFC 3461, 4.1 and 4.2)."""
    notify = re.compile(f"(?i:{_NOTIFY.pattern})")
    return _unknown(parameters, {"NOTIFY": notify, "ORCPT": _ORCPT})


def _unknown(parameters: Parameters, known: Mapping[str, re.Pattern[str] | None]) -> str | None:
    for name, value in parameters:
        if name not in known:
            return name
        form = known[name]
        if value is None if form is not None else value is not None:
            return name
        if form is not None and value is not None and not form.fullmatch(value):
            return name
    return None


def xtext(text: str) -> str:
    """Any text as xtext (RFC 3461, 4), in UTF-8 where it is not ASCII."""
    octets = text.encode("utf-8", "surrogateescape")
    return "".join(
        chr(each) if 33 <= each <= 126 and each not in b"+=" else f"+{each:02X}" for each in octets
    )


def _plain(text: str) -> str:
    octets = text.encode("utf-8", "surrogateescape")
    found = _HEX.sub(lambda each: bytes([int(each[1], 16)]), octets)
    return found.decode("utf-8", "replace")


def parse_attributes(text: str) -> dict[str, str] | None:
    """The attributes of XFORWARD or XCLIENT by name; "" for what is not available; or None."""
    found: dict[str, str] = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if not equals or not _KEYWORD.fullmatch(name):
            return None
        known = value.upper() not in {_UNKNOWN, "[TEMPUNAVAIL]"}
        found[name.upper()] = _plain(value) if known else ""
    return found


def client_from(attributes: Mapping[str, str], before: Client) -> Client:
    """The client that attributes tell of; what they leave out stays as it was."""
    told = {
        field: attributes[name].removeprefix("IPV6:") if name == "ADDR" else attributes[name]
        for name, field in FORWARDED.items()
        if name in attributes
    }
    return replace(before, **told)


def forwarded(client: Client, offered: str) -> str | None:
    """The XFORWARD command for a client, of the attributes that a server offers; None for none."""
    words = []
    for name in offered.upper().split():
        if name not in FORWARDED:
            continue
        value = str(getattr(client, FORWARDED[name]))
        if name == "ADDR" and ":" in value:
            value = f"IPV6:{value}"
        words.append(f"{name}={xtext(value) if value else _UNKNOWN}")
    return f"XFORWARD {' '.join(words)}" if words else None
