"""What a gateway needs besides its rules: where it listens, where mail goes, and what it keeps.

Knows the tables [listen], [next_hop], [store], [keys], [workers], [hold], [digest], [audit] and
[metrics] of the gateway's file. May not know the rules in the same file (`rules.file` does), and
opens nothing that they name.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final, TypeAlias, final

from smimekit.gateway.handover.next_hop import NextHop, Protocol, Tls
from smimekit.gateway.rules.toml_lines import Table, read_file, read_toml

__all__ = [
    "Address",
    "Config",
    "Keys",
    "Listener",
    "Store",
    "Submitter",
    "Workers",
    "parse_config",
    "read_config",
]

_PORT: Final = re.compile("[0-9]{1,5}")
_LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
_MODE: Final = re.compile("0?[0-7]{3}")

Network: TypeAlias = IPv4Network | IPv6Network


class Submitter(StrEnum):
    """Who the authenticated user of a mail is."""

    NOBODY = "nobody"
    """Mail from outside: nobody authenticated."""
    SENDER = "sender"
    """The reverse-path: the mail server in front lets only authenticated users in here, and has
    made sure that the address is theirs (Postfix: reject_sender_login_mismatch)."""
    LOGIN = "login"
    """Whom the mail server in front names by XCLIENT LOGIN, or by the milter macro
    {auth_authen}; nobody where it names none. What a milter has where nothing is said."""


@final
@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port, or the path of a socket."""

    host: str
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Where mail comes in."""

    name: str
    address: Address
    mode: int | None = None
    """Who may connect to a socket of the file system, as its file mode: None is whom the umask
    lets."""
    group: str | None = None
    """The group that this socket belongs to."""
    protocol: Protocol = Protocol.SMTP
    submitter: Submitter = Submitter.NOBODY
    clients: tuple[Network, ...] = ()
    """Who may connect: what they say of user and client is believed."""
    size: int = 128 << 20
    """Bytes of the largest message that is taken (RFC 1870)."""
    connections: int = 200
    """So many at a time; more are asked to come back (421)."""
    precheck: bool = True
    """Whether a milter refuses at RCPT who must get encrypted mail and cannot. Not where users
    encrypt by themselves: the milter cannot know it at that time."""

    def admits(self, peer: str) -> bool:
        """Whether an IP address may connect; "" is a socket of the file system."""
        if not peer:
            return True
        address = ip_address(peer.partition("%")[0])
        return any(address in network for network in self.clients)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Whom to trust."""

    url: str = field(repr=False)
    """It may hold a password."""
    anchors: tuple[str, ...] = ()
    """Files with certificates of CAs that count besides the anchors in the store."""
    must_exist: bool = False
    """Whether the gateway refuses to start where there is none, and makes none."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Where private keys are: a folder of PKCS #12 files, a database, or both."""

    folder: str | None = None
    password_file: str | None = None
    password_env: str | None = None
    database: str | None = field(default=None, repr=False)
    """A URL, which may hold a password."""
    master_key_file: str | None = None
    """A file of 32 octets; its name without the folder is the name of the master key."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """The processes that do the cryptography, and what lies where they work."""

    spool: Path
    processes: int = 2
    threads: int = 4
    """In each process: while one waits for the next hop, another works."""
    in_flight: int = 32
    """So many messages at a time; who brings more has to wait before DATA."""
    seconds: float = 540
    """After which a message is put off (451): below the 10 minutes that clients wait for the
    answer (RFC 5321, 4.5.3.2.6)."""
    stop_seconds: float = 30
    """How long to finish what is under way when asked to stop."""
    journal_days: float = 10
    """How long to remember what was done for a sender that did not hear it: longer than mail
    stays in its queue."""
    spool_encrypted: bool = True
    """Whether messages lie encrypted there and in temporary files, each by a key that only the
    processes have which work on it."""
    processor: str = ""
    """`package.module:function`, called with the path of this file, in place of the gateway."""
    events: str = ""
    """The same, for hooks beside the gateway (`smimekit.gateway.Events`)."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All of it."""

    path: Path
    name: str
    """The gateway's own host name: `name` in [gateway]."""
    listeners: tuple[Listener, ...]
    next_hop: NextHop
    store: Store
    keys: Keys
    workers: Workers
    hold: Path
    digest_hours: float = 24
    """How often to look for certificates that wait, and tell the administrator; 0 is never."""
    audit: str | None = None
    """A file that audit lines are appended to."""
    metrics: Address | None = None
    """Where Prometheus may ask, by HTTP."""

    @property
    def journal(self) -> Path:
        """Where it is remembered what was done."""
        return self.workers.spool / "journal"

    @property
    def digests(self) -> Path:
        """Where it is remembered what the administrator was told."""
        return self.workers.spool / "digests"


def read_config(path: str | os.PathLike[str]) -> Config:
    """The adapters' part of a gateway's file. Raises GatewayError, with the line; OSError."""
    return parse_config(read_toml(read_file(path), str(path)), Path(path))


def parse_config(whole: Table, path: Path) -> Config:
    """The same from a file that was read; relative names count from its folder."""
    workers = _workers(whole.table("workers"), path.parent)
    hold, audit, metrics = whole.table("hold"), whole.table("audit"), whole.table("metrics")
    digest = whole.table("digest")
    alone = ((hold, "folder"), (audit, "file"), (metrics, "address"), (digest, "hours"))
    for table, known in alone:
        table.only([known])
    folder = hold.text("folder")
    file = audit.text("file")
    hours = digest.hours("hours")
    name = whole.table("gateway").text("name") or "localhost"
    return Config(
        path=path,
        name=name,
        listeners=tuple(_listener(name, table) for name, table in whole.tables("listen")),
        next_hop=_next_hop(whole.table("next_hop"), name),
        store=_store(whole.table("store"), path.parent),
        keys=_keys(whole.table("keys"), path.parent),
        workers=workers,
        hold=workers.spool / "hold" if folder is None else path.parent / folder,
        digest_hours=24 if hours is None else hours,
        audit=None if file is None else str(path.parent / file),
        metrics=_address(metrics, "address"),
    )


def _required(table: Table, key: str) -> str:
    found = table.text(key)
    if not found:
        raise table.wrong(None, f"needs the key {key}")
    return found


def _patience(table: Table, key: str) -> float | None:
    """Seconds to wait: with none at all nothing would ever be ready."""
    found = table.seconds(key)
    if found == 0:
        raise table.wrong(key, "is a number of seconds above 0")
    return found


def _given(**values: object) -> dict[str, object]:
    """The values that somebody gave: the others have their defaults in the classes."""
    return {name: value for name, value in values.items() if value is not None}


def _listener(name: str, table: Table) -> Listener:
    protocol = table.choice("protocol", Protocol)
    milter = protocol is Protocol.MILTER
    further = ("precheck",) if milter else ("clients", "connections")
    table.only(["address", "mode", "group", "protocol", "submitter", "size", *further])
    _required(table, "address")
    address = _address(table, "address")
    assert address is not None  # noqa: S101 - for the type checker: it is required
    given = _given(
        mode=_mode(table, address),
        group=_group(table, address),
        protocol=protocol,
        submitter=table.choice("submitter", Submitter) or (Submitter.LOGIN if milter else None),
        precheck=table.truth("precheck"),
        size=table.number("size", least=1),
        connections=table.number("connections", least=1, most=100_000),
    )
    if milter and not _is_for_a_milter(address):
        raise table.wrong(
            "address",
            "is on this machine for a milter (127.0.0.1:PORT, [::1]:PORT or unix:/path): it "
            "cannot see who connects, and believes whoever does",
        )
    clients = tuple(_networks(table))
    return Listener(name=name, address=address, clients=clients, **given)  # type: ignore[arg-type]  # as the getters say


def _mode(table: Table, address: Address) -> int | None:
    text = table.text("mode")
    if text is None:
        return None
    if not address.path or not _MODE.fullmatch(text):
        raise table.wrong(
            "mode", 'is for an address such as unix:/run/filter.sock, and in octal digits: "0660"'
        )
    return int(text, 8)


def _group(table: Table, address: Address) -> str | None:
    name = table.text("group")
    if name is not None and (not address.path or not name):
        raise table.wrong(
            "group", "is the name of a group, for an address such as unix:/run/filter.sock"
        )
    return name


def _is_for_a_milter(address: Address) -> bool:
    try:
        return bool(address.path) or (ip_address(address.host).is_loopback and address.port > 0)
    except ValueError:
        return False


def _networks(table: Table) -> Iterator[Network]:
    for text in table.texts("clients") or _LOOPBACK:
        try:
            yield ip_network(text)
        except ValueError:
            raise table.wrong(
                "clients", f"is a list of networks such as 10.0.0.0/8, and {text!r} is none"
            ) from None


def _address(table: Table, key: str) -> Address | None:
    text = table.text(key)
    if text is None:
        return None
    if text.startswith("unix:/"):
        return Address("", path=text.removeprefix("unix:"))
    host, colon, port = text.rpartition(":")
    if not colon or not host or not _PORT.fullmatch(port) or int(port) > 65535:
        raise table.wrong(key, "is HOST:PORT, [IPv6]:PORT, or unix:/path")
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


def _next_hop(table: Table, name: str) -> NextHop:
    table.only(["address", "protocol", "helo", "tls", "ca_file", "timeout", "data_timeout"])
    _required(table, "address")
    address = _address(table, "address")
    assert address is not None  # noqa: S101 - for the type checker: it is required
    given = _given(
        protocol=table.choice("protocol", Protocol),
        helo=table.text("helo") or name,
        tls=table.choice("tls", Tls),
        ca_file=table.text("ca_file"),
        timeout=_patience(table, "timeout"),
        data_timeout=_patience(table, "data_timeout"),
    )
    if given.get("protocol") is Protocol.MILTER:
        raise table.wrong("protocol", "is smtp or lmtp for the next hop")
    if address.path and given.get("protocol") is not Protocol.LMTP:
        raise table.wrong("address", 'is a socket: that is for protocol = "lmtp"')
    return NextHop(host=address.path or address.host, port=address.port, **given)  # type: ignore[arg-type]  # as the getters say


def _store(table: Table, folder: Path) -> Store:
    table.only(["url", "anchors", "must_exist"])
    anchors = tuple(str(folder / each) for each in table.texts("anchors") or ())
    must_exist = table.truth("must_exist") or False
    return Store(url=_required(table, "url"), anchors=anchors, must_exist=must_exist)


def _keys(table: Table, folder: Path) -> Keys:
    files: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("folder", lambda name: str(folder / name)),
        ("password_file", lambda name: str(folder / name)),
        ("password_env", str),
        ("database", str),
        ("master_key_file", lambda name: str(folder / name)),
    )
    table.only([name for name, _ in files])
    given = {name: placed(text) for name, placed in files if (text := table.text(name)) is not None}
    found = Keys(**given)
    if found.folder is not None and (found.password_file is None) is (found.password_env is None):
        raise table.wrong("folder", "needs one of password_file and password_env")
    if (found.database is None) is not (found.master_key_file is None):
        raise table.wrong(None, "needs database and master_key_file together")
    return found


def _workers(table: Table, folder: Path) -> Workers:
    known = ("spool", "processes", "threads", "in_flight", "seconds", "stop_seconds")
    table.only([*known, "journal_days", "spool_encrypted", "processor", "events"])
    if table.text("processor") and table.text("events"):
        raise table.wrong("events", "are the gateway's, and processor takes its place")
    given = _given(
        processes=table.number("processes", least=1, most=256),
        threads=table.number("threads", least=1, most=256),
        in_flight=table.number("in_flight", least=1, most=100_000),
        seconds=_patience(table, "seconds"),
        stop_seconds=table.seconds("stop_seconds"),
        journal_days=table.seconds("journal_days"),
        spool_encrypted=table.truth("spool_encrypted"),
        processor=table.text("processor"),
        events=table.text("events"),
    )
    return Workers(spool=folder / _required(table, "spool"), **given)  # type: ignore[arg-type]  # as the getters say
