"""Rules as a person writes them: TOML in, `Rules` out, each mistake with its line.

Knows sections, keys and files. May not know what the rules do. The keys of a section are the
fields of the record that it becomes; `docs/reference/gateway-rules.md` is made from the same.
"""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import fields
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from types import NoneType
from typing import Any, Final, TypeVar, final, get_args, get_type_hints

from smimekit.errors import GatewayError
from smimekit.gateway.rules import (
    Encrypt,
    Impossible,
    Internal,
    Network,
    Partner,
    Rules,
    Settings,
    Site,
    Special,
    Words,
    folded,
    login_key,
)
from smimekit.gateway.rules.inbound import Inbound, ReportsTo
from smimekit.gateway.rules.toml_lines import Table, read_file, read_toml
from smimekit.mime.address import address_key

__all__ = ["ADAPTER_SECTIONS", "SECTIONS", "RulesFile", "read_record", "read_rules"]

ADAPTER_SECTIONS: Final = frozenset(
    {"listen", "next_hop", "store", "keys", "workers", "hold", "digest", "audit", "metrics"}
)
"""Sections of the same file that are for the adapters: passed over here."""
SECTIONS: Final = (
    *("gateway", "inside", "outside", "outbound", "domain", "address", "partner"),
    *("triggers", "special", "sender_login", "inbound"),
)
"""Sections that are read here."""
_LEAST_SECRET: Final = 16
"""Octets of a secret: fewer could be guessed."""
_MOST_SECRET: Final = 1 << 16
"""Octets of its file that are read."""
_FIELD_NAME: Final = re.compile(r"[!-9;-~]{1,200}")
_LABEL: Final = r'[^\s@*,<>()"/.]+'
_DOMAIN: Final = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*\.?|\*")

_Record = TypeVar("_Record")


def read_rules(text: str, file: str = "rules.toml", *, folder: Path | None = None) -> Rules:
    """Rules from TOML; `folder` is where the files that it names are.

    Raises GatewayError (`gateway.rules`), with file and line, for what is no TOML, for keys that
    there are not, values that they do not take, and rules that contradict each other.
    """
    top = read_toml(text, file)
    top.only((*SECTIONS, *ADAPTER_SECTIONS))
    site, inside = top.table("gateway"), top.table("inside")
    inside.only(("domains", "networks", "internal", *_names(Settings)))
    site.only((*_names(Site), "marker_secret_file"))
    words, inbound = top.table("triggers"), top.table("inbound")
    found = _site(site)
    return Rules(
        site=found,
        inside_domains=_domains(inside, "domains"),
        inside_networks=_networks(inside, "networks"),
        internal=inside.choice("internal", Internal) or Internal.UNCHANGED,
        everywhere=_settings(top.table("outbound")),
        inside_settings=_settings(inside, "domains", "networks", "internal"),
        outside_settings=_settings(top.table("outside")),
        domains=_by_name(top, "domain", _is_domain, "a domain, *.a-domain or *"),
        addresses=_by_name(top, "address", _is_address, "an address"),
        partners=tuple(map(_partner, top.array("partner"))),
        words=_words(words),
        special=read_record(top.table("special"), Special),
        inbound=_inbound(inbound, found),
        sender_login=_logins(top.table("sender_login")),
        marker_secret=_secret(site, folder),
    )


# --- records ----------------------------------------------------------------------------------


def read_record(table: Table, kind: type[_Record], *besides: str) -> _Record:
    """A record whose fields are the table's keys; those left out have the record's defaults.

    `besides` are keys that stand in the same table and are read elsewhere. Every other key is
    refused, and every value of another type than the field's.
    """
    table.only((*_names(kind), *besides))
    hints = get_type_hints(kind)
    found = {name: _value(table, name, hints[name]) for name in _names(kind)}
    return kind(**{name: value for name, value in found.items() if value is not None})


def _names(kind: type) -> tuple[str, ...]:
    found: Any = kind  # fields() wants to know that it is a dataclass
    return tuple(each.name for each in fields(found))


def _value(table: Table, name: str, hint: Any) -> object:
    kinds = [each for each in get_args(hint) if each is not NoneType]
    kind = kinds[0] if NoneType in get_args(hint) else hint
    if kind is bool:
        return table.truth(name)
    if kind is int:
        return table.number(name)
    if kind is str:
        return table.text(name)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return table.choice(name, kind)
    return table.texts(name)


def _settings(table: Table, *besides: str) -> Settings:
    made = read_record(table, Settings, *besides)
    if made.encrypt is Encrypt.MUST and made.impossible is Impossible.SEND_CLEAR:
        raise table.wrong(
            "impossible",
            "contradicts encrypt = must, which never leaves in clear text; write bounce, hold or "
            "callback",
        )
    if made.cipher_bits not in {None, 128, 192, 256}:
        raise table.wrong("cipher_bits", "is 128, 192 or 256")
    table.number("rsa_bits", 2048, 16384)
    _all(table, "archive", _is_address, "a list of addresses")
    return made


def _all(table: Table, key: str, check: Callable[[str], bool], what: str) -> tuple[str, ...]:
    found = table.texts(key) or ()
    if not all(map(check, found)):
        raise table.wrong(key, f"is {what}")
    return found


# --- sections -----------------------------------------------------------------------------------


def _site(table: Table) -> Site:
    made = read_record(table, Site, "marker_secret_file")
    table.number("passes", 1, 100)
    table.checked("name", _is_domain, "a host name")
    table.checked("header_prefix", _is_field_name, "the beginning of the name of a field")
    table.checked("administrator", _is_address, "an address")
    return made


def _inbound(table: Table, site: Site) -> Inbound:
    made = read_record(table, Inbound)
    _all(table, "strip_headers", _is_field_name, "a list of names of header fields")
    if made.reports_to is ReportsTo.ADMINISTRATOR and not site.administrator:
        raise table.wrong("reports_to", "needs an administrator in [gateway]")
    return made


def _words(table: Table) -> Words:
    made = read_record(table, Words)
    for key in ("sign", "encrypt", "plain"):
        _all(table, key, _is_word, "a list of words without blanks around them")
        _all(table, f"{key}_headers", _is_field_name, "a list of names of header fields")
    tags = [tag.casefold() for tag in (*made.sign, *made.encrypt, *made.plain)]
    if len(set(tags)) < len(tags):
        raise table.wrong(None, "has one word with two meanings")
    return made


def _by_name(
    top: Table, section: str, check: Callable[[str], bool], what: str
) -> dict[str, Settings]:
    found: dict[str, Settings] = {}
    seen: set[str] = set()
    for name, table in top.tables(section):
        if not check(name):
            raise table.wrong(None, f"is not named after {what}")
        if folded(name) in seen:
            raise table.wrong(None, "is there twice, written otherwise")
        seen.add(folded(name))
        found[name] = _settings(table)
    return found


def _partner(table: Table) -> Partner:
    settings = _settings(table, "sender", "recipient")
    sides = [table.checked(key, _is_side, _SIDE) or "*" for key in ("sender", "recipient")]
    if sides == ["*", "*"]:
        raise table.wrong(None, "names neither sender nor recipient; use [outbound] for all mail")
    return Partner(sender=sides[0], recipient=sides[1], settings=settings)


_SIDE: Final = "an address, a domain, *.a-domain or *"


def _logins(table: Table) -> Mapping[str, tuple[str, ...]]:
    found = {name: _all(table, name, _is_side, f"a list: {_SIDE}") for name in table.values}
    if len(set(map(login_key, found))) < len(found):
        raise table.wrong(None, "has one login twice, written otherwise")
    return found


def _domains(table: Table, key: str) -> tuple[str, ...]:
    return _all(table, key, _is_domain, "a list of domains, such as example.org or *.example.org")


def _networks(table: Table, key: str) -> tuple[Network, ...]:
    try:
        return tuple(map(ip_network, table.texts(key) or ()))
    except ValueError:
        raise table.wrong(key, "is a list of networks, such as 192.0.2.0/24") from None


def _secret(table: Table, folder: Path | None) -> bytes:
    name = table.text("marker_secret_file")
    if name is None:
        return b""
    try:
        with Path(folder or ".", name).open("rb") as file:  # /dev/zero has no end
            secret = file.read(_MOST_SECRET).strip()
    except OSError as error:
        raise table.wrong("marker_secret_file", f"cannot be read: {error.strerror}") from None
    if len(secret) < _LEAST_SECRET:
        raise table.wrong(
            "marker_secret_file", f"has less than {_LEAST_SECRET} octets: openssl rand -hex 32"
        )
    return secret


# --- what texts have to be ------------------------------------------------------------------------


def _is_domain(text: str) -> bool:
    return bool(_DOMAIN.fullmatch(text))


def _is_address(text: str) -> bool:
    return address_key(text) is not None and "*" not in text and not re.search(r"[\s,<>]", text)


def _is_side(text: str) -> bool:
    return _is_address(text) if "@" in text else _is_domain(text)


def _is_field_name(text: str) -> bool:
    return bool(_FIELD_NAME.fullmatch(text))


def _is_word(text: str) -> bool:
    return bool(text) and text == text.strip() and text.isprintable()


# --- a file that changes --------------------------------------------------------------------------


@final
class RulesFile:
    """A file of rules that is read again when it has changed. Safe in several threads.

    Raises GatewayError where the file is wrong at the start. Later, when the new rules are
    wrong, the old ones stay in force, and `problem` says why until the file is repaired.
    """

    def __init__(self, path: Path | str) -> None:
        self.path: Final = Path(path)
        self._lock: Final = threading.Lock()
        self._seen = _stamp(self.path)
        self._rules = self._read()
        self._problem: GatewayError | None = None

    @property
    def rules(self) -> Rules:
        """The rules in force."""
        with self._lock:
            stamp = _stamp(self.path)
            if stamp != self._seen:
                self._again(stamp)
            return self._rules

    @property
    def problem(self) -> GatewayError | None:
        """Why what is in the file now is not in force; None where it is."""
        return self._problem

    def reload(self) -> None:
        """Read the file, and those that it names, whether it seems to have changed or not."""
        with self._lock:
            self._again(_stamp(self.path))

    def _again(self, stamp: tuple[int, ...]) -> None:
        found, problem = self._rules, None
        try:
            found = self._read()
        except GatewayError as error:
            problem = error
        if _stamp(self.path) != stamp:
            return  # somebody is writing it: of half of a file some rules would be missing
        self._rules, self._problem, self._seen = found, problem, stamp

    def _read(self) -> Rules:
        try:
            text = read_file(self.path)
        except OSError as error:
            raise GatewayError(
                f"The rules in {self.path} cannot be read: {error.strerror}.", code="gateway.rules"
            ) from None
        if not text.strip():  # as after a save on a full disk, or in the middle of one
            raise GatewayError(
                f"There are no rules in {self.path}: it is empty. Restore it; to have the "
                "defaults, write [gateway] into it.",
                code="gateway.rules",
            )
        return read_rules(text, str(self.path), folder=self.path.parent)


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino
