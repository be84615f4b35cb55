"""The names of tokens and of keys on them: PKCS #11 URIs (RFC 7512).

Knows the syntax. May not know modules, sessions, or where a PIN is: it reads no file.
"""

import re
from dataclasses import dataclass
from typing import Final, Self, final
from urllib.parse import unquote_to_bytes

from smimekit.errors import UsageError

__all__ = ["Pkcs11Uri"]

_SCHEME: Final = "pkcs11:"
_LONGEST: Final = 1 << 12
_PAIR: Final = re.compile(r"([a-z-]+)=((?:[A-Za-z0-9._~:\[\]@!$'()*+,=/?|-]|%[0-9A-Fa-f]{2})*)")
_PATH: Final = frozenset({"token", "serial", "object", "id", "type"})
_QUERY: Final = frozenset({"module-path", "pin-source"})
_KINDS: Final = frozenset({"private", "cert"})


@final
@dataclass(frozen=True, slots=True)
class Pkcs11Uri:
    """Which token, which of its keys (all, where nothing is said), and how to get there."""

    token: str | None
    """The token's label."""
    serial: str | None
    object: str | None
    """The label of the key (CKA_LABEL)."""
    id: bytes | None
    """Its CKA_ID."""
    module_path: str | None
    """The vendor's library."""
    pin_source: str | None
    """The file whose first line is the PIN: a path, or a file: URI without a host."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises UsageError: `usage.key-uri`, and `usage.pin` where the PIN itself is in it.

        What it does not know is refused, as what is meant could be another token or key.
        """
        if not text.startswith(_SCHEME) or len(text) > _LONGEST:
            raise _wrong("it does not begin with pkcs11:, or is too long")
        path, _, query = text.removeprefix(_SCHEME).partition("?")
        where, how = _pairs(path, ";"), _pairs(query, "&")
        if "pin-value" in where or "pin-value" in how:
            raise UsageError(
                "A PIN does not belong in a command line, which everybody on the machine can "
                "read: use pin-source=, or the environment variable SMIMEKIT_PIN.",
                code="usage.pin",
            )
        unknown = sorted((where.keys() - _PATH) | (how.keys() - _QUERY))
        if unknown:
            raise _wrong(f"it says {unknown[0]}=, which is not supported")
        if where.get("type", b"private").decode("latin-1") not in _KINDS:
            raise _wrong("its type is not private")
        if "token" not in where and "serial" not in where:
            raise _wrong("it says neither token= nor serial=")
        return cls(
            token=_text(where.get("token")),
            serial=_text(where.get("serial")),
            object=_text(where.get("object")),
            id=where.get("id"),
            module_path=_text(how.get("module-path")),
            pin_source=_pin_source(_text(how.get("pin-source"))),
        )


def _pairs(text: str, separator: str) -> dict[str, bytes]:
    """The attributes; each once (RFC 7512, 2.3)."""
    found: dict[str, bytes] = {}
    for part in text.split(separator) if text else ():
        pair = _PAIR.fullmatch(part)
        if pair is None or pair[1] in found or not pair[2]:
            raise _wrong("an attribute of it is malformed, empty, or there twice")
        found[pair[1]] = unquote_to_bytes(pair[2])
    return found


def _text(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise _wrong("an attribute of it is no text")
    return text


def _pin_source(source: str | None) -> str | None:
    """RFC 7512, 2.4: a path or a file: URI; a command, which it has too, is never run."""
    if source is None:
        return None
    path = re.sub(r"\Afile:(?://(?:localhost)?(?=/))?", "", source)
    if path.startswith(("|", "//")) or re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", path):
        raise _wrong("its pin-source is no file")
    return path


def _wrong(why: str) -> UsageError:
    return UsageError(
        f"The PKCS #11 URI cannot be used: {why}. Write it like "
        "pkcs11:token=mail;object=alice?module-path=/usr/lib/softhsm/libsofthsm2.so.",
        code="usage.key-uri",
    )
