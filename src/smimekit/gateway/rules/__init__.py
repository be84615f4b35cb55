"""The rules of a gateway: who is inside, and how mail between two addresses is treated.

Knows addresses, patterns of domains and networks. May not know files (`rules.file` reads them),
messages, certificates or sockets. `Rules` never change: who has new ones replaces them.
"""

import re
import stringprep
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final, TypeAlias, final

from smimekit.gateway.rules.inbound import Inbound
from smimekit.gateway.rules.treatment import (
    Encrypt,
    Headers,
    Impossible,
    Level,
    NoKey,
    Settings,
    Side,
    Sign,
    Suite,
    Treatment,
    combine,
    strictest,
)
from smimekit.mime.address import address_key

__all__ = [
    "Encrypt",
    "Headers",
    "Impossible",
    "Internal",
    "Leave",
    "Network",
    "NoKey",
    "Partner",
    "Rules",
    "Settings",
    "Sign",
    "Site",
    "Special",
    "Suite",
    "Treatment",
    "Words",
    "domain_of",
    "folded",
    "is_literal",
    "login_key",
]

Network: TypeAlias = IPv4Network | IPv6Network

_EMPTY: Final = Settings()
_LONGEST_DOMAIN: Final = 255
"""RFC 1035, 2.3.4: nothing can be delivered to a longer one."""
_NUMERIC: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
"""No domain: no name of a top-level domain is a number (RFC 1123, 2.1)."""
_SHARP: Final = "\u00df\u1e9e\u03c2"
"""Letters that domains tell apart, though case folding does not (UTS 46, 4: no transition)."""


class Internal(StrEnum):
    """What becomes of mail from inside to inside."""

    UNCHANGED = "unchanged"
    """Delivered as it is, whatever the levels say; only a `[[partner]]` for the pair counts."""
    BY_RULE = "by_rule"
    """Treated like mail to the outside."""


class Leave(StrEnum):
    """What becomes of outbound mail of a special kind. `must` holds for all of them."""

    LEAVE = "leave"
    """It is not changed."""
    TREAT = "treat"
    """It is treated like any mail."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The gateway itself."""

    name: str = "localhost"
    """The host name of the gateway, for reports and for the marker of loops."""
    authserv_id: str = ""
    """Who says the results in Authentication-Results (RFC 8601, 2.5); `name` where it is empty."""
    administrator: str = ""
    """The address for digests and questions."""
    header_prefix: str = "X-Smimekit-"
    """What the names of the gateway's own header fields begin with."""
    passes: int = 4
    """How often one mail may come through before it counts as going round in circles."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a submitter may write into a mail to have it treated otherwise."""

    sign: tuple[str, ...] = ("[sign]",)
    """Tags in the subject that ask for a signature."""
    encrypt: tuple[str, ...] = ("[encrypt]",)
    """Tags that ask for encryption: the mail does not leave in clear text."""
    plain: tuple[str, ...] = ("[plain]",)
    """Tags against encryption where the rules leave a choice. `must` stays."""
    sign_headers: tuple[str, ...] = ("X-Smimekit-Sign",)
    """Header fields that ask the same, with the value yes; all of them are removed."""
    encrypt_headers: tuple[str, ...] = ("X-Smimekit-Encrypt",)
    """The same for encryption."""
    plain_headers: tuple[str, ...] = ("X-Smimekit-Plain",)
    """The same against it."""
    replies: tuple[str, ...] = (
        *("re", "r", "aw", "antw", "antwort", "sv", "vs", "rv", "rif", "res", "odp", "ynt"),
        *(
            "fwd",
            "fw",
            "wg",
            "tr",
            "i",
            "vb",
            "enc",
            "doorst",
            "ilt",
            "\u56de\u590d",
            "\u8f6c\u53d1",
        ),
    )
    """Prefixes of answered and forwarded mail, without the colon: a tag after one was another
    mail's, and does not count."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Special:
    """What becomes of outbound mail that is not simply a letter."""

    protected: Leave = Leave.LEAVE
    """Mail that is signed or encrypted already. It is never signed or encrypted twice; what is
    only signed may be encrypted."""
    calendar: Leave = Leave.TREAT
    """Invitations (text/calendar): not every program that reads them opens encrypted mail."""
    dsn: Leave = Leave.LEAVE
    """Delivery reports and other mail with the null reverse-path (RFC 3464)."""
    auto_submitted: Leave = Leave.TREAT
    """Mail that no person sent (RFC 3834)."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """What is special about mail from some to others; it overrides every other level.

    Senders and recipients are addresses, domains, `*.example.org` or `*`.
    """

    sender: str = "*"
    recipient: str = "*"
    settings: Settings = _EMPTY


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All rules of a gateway. `domains` and `addresses` are by pattern, in any case."""

    site: Site = field(default_factory=Site)
    inside_domains: tuple[str, ...] = ()
    """Domains, and `*.example.org` for those below one."""
    inside_networks: tuple[Network, ...] = ()
    """Clients that submit without authentication. They have mail encrypted, never signed."""
    internal: Internal = Internal.UNCHANGED
    everywhere: Settings = _EMPTY
    inside_settings: Settings = _EMPTY
    outside_settings: Settings = _EMPTY
    domains: Mapping[str, Settings] = field(default_factory=dict)
    addresses: Mapping[str, Settings] = field(default_factory=dict)
    partners: tuple[Partner, ...] = ()
    """The later ones are stronger."""
    words: Words = field(default_factory=Words)
    special: Special = field(default_factory=Special)
    inbound: Inbound = field(default_factory=Inbound)
    sender_login: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """As whom a login may sign: addresses, domains, `*.example.org`; where there is no entry, as
    the address that the login is."""
    marker_secret: bytes = field(default=b"", repr=False)
    """Authenticates the marker of loops; the same for all processes. Without it there is none."""
    _patterns: Mapping[str, tuple[str, Settings]] = field(init=False, repr=False, compare=False)
    _people: Mapping[str, tuple[str, Settings]] = field(init=False, repr=False, compare=False)
    _inside: frozenset[str] = field(init=False, repr=False, compare=False)
    _anywhere: Settings = field(init=False, repr=False, compare=False)
    _logins: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "_patterns", {folded(key): (key, one) for key, one in self.domains.items()})
        put(self, "_people", {folded(key): (key, one) for key, one in self.addresses.items()})
        put(self, "_inside", frozenset(map(folded, self.inside_domains)))
        logins = {login_key(key): tuple(map(folded, one)) for key, one in self.sender_login.items()}
        put(self, "_logins", logins)
        put(self, "_anywhere", strictest(self._outside_tables()))

    # --- who is inside --------------------------------------------------------------------

    def inside(self, address: str) -> bool:
        """Is it an address of ours? One without a domain is (RFC 5321, 4.1.1.3)."""
        domain = domain_of(address)
        return not domain or any(each in self._inside for each in _above(domain))

    def inside_client(self, address: str) -> bool:
        """Is it the IP address of a client that may submit? What is no address is not."""
        try:
            found = ip_address(address.removeprefix("IPv6:"))
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None) or found
        return any(mapped in network for network in self.inside_networks)

    def may_sign_as(self, user: str | None, address: str) -> bool:
        """May this login sign as this address (`sender_login`)? Nobody's login may not."""
        if user is None:
            return False
        whom = folded(address)
        if not domain_of(address):
            return False
        allowed = self._logins.get(login_key(user))
        if allowed is None:
            return folded(user) == whom
        return any(one in allowed for one in (whom, *_above(domain_of(address))))

    # --- how mail is treated ----------------------------------------------------------------

    def treatment(self, sender: str, recipient: str) -> Treatment:
        """What the rules say about mail from one address to another, if it is treated at all."""
        return combine(self._levels(sender, recipient))

    def passes_inside(self, sender: str, recipient: str) -> bool:
        """Is it internal mail that is delivered as it is?"""
        if self.internal is Internal.BY_RULE or not (
            self.inside(sender) and self.inside(recipient)
        ):
            return False
        return not self.has_partner(sender, recipient)

    def has_partner(self, sender: str, recipient: str) -> bool:
        """Is there a rule for this pair?"""
        return any(True for _ in self._matching(sender, recipient))

    def _levels(self, sender: str, recipient: str) -> Iterator[Level]:
        yield Level(
            where="[outbound]", side=Side.EVERYWHERE, nearness=(0, 0), settings=self.everywhere
        )
        yield from self._of(sender, Side.SENDER)
        yield from self._of(recipient, Side.RECIPIENT)
        if self._is_anywhere(recipient):
            where = "all of [domain] and [address]: this may be any host"
            nearness = (2, 0)
            yield Level(
                where=where, side=Side.RECIPIENT, nearness=nearness, settings=self._anywhere
            )
        for number, partner in self._matching(sender, recipient):
            yield Level(
                where=f"[[partner]] {number + 1}",
                side=Side.PAIR,
                nearness=(4, number),
                settings=partner.settings,
            )

    def _of(self, address: str, side: Side) -> Iterator[Level]:
        """The levels that concern one of the two."""
        name, group = (
            ("[inside]", self.inside_settings)
            if self.inside(address)
            else ("[outside]", self.outside_settings)
        )
        yield Level(where=name, side=side, nearness=(1, 0), settings=group)
        for pattern in _above(domain_of(address)):
            if pattern in self._patterns:
                written, settings = self._patterns[pattern]
                nearness = (2, 2 * pattern.count(".") + (not pattern.startswith("*")))
                where = f'[domain."{written}"]'
                yield Level(where=where, side=side, nearness=nearness, settings=settings)
        if folded(address) in self._people:
            written, settings = self._people[folded(address)]
            where = f'[address."{written}"]'
            yield Level(where=where, side=side, nearness=(3, 0), settings=settings)

    def _matching(self, sender: str, recipient: str) -> Iterator[tuple[int, Partner]]:
        anywhere = self._is_anywhere(recipient)
        for number, partner in enumerate(self.partners):
            strict = anywhere and partner.settings.encrypt is Encrypt.MUST
            meant = strict or _matches(partner.recipient, recipient)
            if meant and _matches(partner.sender, sender):
                yield number, partner

    # --- hosts that the rules know by name, and mail by number -------------------------------

    def _is_anywhere(self, address: str) -> bool:
        """Is it at an IP address (RFC 5321, 4.1.3) that is none of ours? Whose host that is nobody
        knows: it may be that of any partner.
        """
        domain = domain_of(address)
        return is_literal(domain) and domain not in self._inside

    def _outside_tables(self) -> Iterator[Settings]:
        for pattern, (_, settings) in self._patterns.items():
            if pattern != "*" and not self.inside(f"x@{pattern.replace('*', 'x')}"):
                yield settings
        for address, (_, settings) in self._people.items():
            if not self.inside(address):
                yield settings


# --- addresses and patterns -------------------------------------------------------------------


def domain_of(address: str) -> str:
    """The domain as it is compared: lower case, A-labels; "" where there is none."""
    key = address_key(_mapped(address))
    return key[1].rstrip(".") if key else ""


def is_literal(domain: str) -> bool:
    """Is it an IP address, in brackets (RFC 5321, 4.1.3) or without, and no name of a domain?"""
    return domain.startswith("[") or _NUMERIC.fullmatch(domain) is not None


def _mapped(address: str) -> str:
    """The address with the domain that servers look up for it (UTS 46, 4.1): nobody escapes a rule
    by full-width letters, other dots or invisible characters, since the mail arrives all the same.
    """
    local, at, domain = address.rpartition("@")
    if domain.isascii():
        return address
    shown = "".join(char for char in domain if not _is_invisible(char))
    text = unicodedata.normalize("NFKC", shown)
    found = "".join(char.lower() if char in _SHARP else char.casefold() for char in text)
    found = unicodedata.normalize("NFKC", found).replace("\u3002", ".")
    return address if "@" in found else f"{local}{at}{found}"


def _is_invisible(char: str) -> bool:
    return stringprep.in_table_b1(char) or unicodedata.category(char) == "Cf"


def folded(text: str) -> str:
    """An address, a domain or a pattern as it is compared."""
    if "@" in text:
        key = address_key(_mapped(text))
        return f"{key[0]}@{key[1].rstrip('.')}" if key else text.casefold()
    return domain_of(f"x@{text}") if text else text


def login_key(login: str) -> str:
    """A login as it is compared: the case of ASCII letters makes no difference, and nothing else
    is the same. Folding all of Unicode would give one user the rights of another: a long s is an
    s there, and a sharp s is two.
    """
    return "".join(char.lower() if char.isascii() else char for char in login)


def _above(domain: str) -> Iterator[str]:
    """The domain, and the patterns that it is under, the nearest first.

    One that is too long to be a domain is under none but all: its labels are without end. The
    numbers of an IP address are no labels.
    """
    if domain and len(domain) <= _LONGEST_DOMAIN:
        yield domain
        labels = [] if is_literal(domain) else domain.split(".")
        for at in range(1, len(labels)):
            yield f"*.{'.'.join(labels[at:])}"
    yield "*"


def _matches(pattern: str, address: str) -> bool:
    wanted = folded(pattern)
    return wanted == folded(address) or wanted in _above(domain_of(address))
