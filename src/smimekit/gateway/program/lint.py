"""What is odd about the adapters' part of a gateway's file: what its writer may not have meant.

Knows the configuration, where it needs something of the rules, and whether its files are there.
Changes nothing and opens nothing. What is odd about the rules alone, `rules.lint` says.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from smimekit.gateway.program.config import Config, parse_config
from smimekit.gateway.rules import Rules
from smimekit.gateway.rules.file import read_rules
from smimekit.gateway.rules.toml_lines import Table, read_toml
from smimekit.trust.stores.opening import store_is_there

__all__ = ["lint_config"]

_LOCAL: Final = ("sqlite:", "dir:", "memory:")
"""Stores that no other machine uses."""


def lint_config(text: str, file: str) -> tuple[str, ...]:
    """Warnings, each a sentence that begins with file and line; relative names count from the
    file's folder.

    Raises GatewayError for what is not odd but wrong.
    """
    top = read_toml(text, file)
    rules = read_rules(text, file, folder=Path(file).parent)
    config = parse_config(top, Path(file))
    return (
        *_digest(rules, config, top),
        *_sockets(config, top),
        *_circle(config, top),
        *_files(config, top),
    )


def _warning(table: Table, key: str | None, why: str) -> str:
    return f"{table.file}, line {table.line(key)}: {why}"


def _digest(rules: Rules, config: Config, top: Table) -> Iterator[str]:
    """Who is told which certificates wait: by nobody, or by several."""
    if not (rules.inbound.harvest and rules.inbound.digest and config.digest_hours):
        return
    if not rules.site.administrator:
        yield _warning(
            top.table("gateway"),
            None,
            "there is no administrator in [gateway], so nobody is told which certificates wait "
            "for a decision; name one, or write hours = 0 in [digest].",
        )
    elif not config.store.url.startswith(_LOCAL) and "hours" not in top.table("digest").values:
        yield _warning(
            top.table("store"),
            "url",
            "other gateways may use this store, too, and each would tell the administrator which "
            "certificates wait; write hours in [digest]: 24, say, in one of them, and 0 in the "
            "others.",
        )


def _sockets(config: Config, top: Table) -> Iterator[str]:
    """Who may connect to sockets of the file system: whoever does so is believed."""
    tables = dict(top.tables("listen"))
    for listener in config.listeners:
        if not listener.address.path:
            continue
        if listener.mode is None:
            yield _warning(
                tables[listener.name],
                "address",
                "there is no mode beside this socket, so the umask says who may connect; write "
                'mode = "0660", and the group of the mail server.',
            )
        elif listener.mode & stat.S_IWOTH:
            yield _warning(
                tables[listener.name],
                "mode",
                "every user of this machine may connect, and is believed whatever they say.",
            )


def _circle(config: Config, top: Table) -> Iterator[str]:
    """Does the gateway hand all mail to itself? Each message would occupy its threads until the
    next hop's time is over, and nobody would get it.
    """
    next_hop = config.next_hop
    for listener in config.listeners:
        own = listener.address
        if (own.path or own.host, own.port) == (next_hop.host, next_hop.port):
            yield _warning(
                top.table("next_hop"),
                "address",
                f"the gateway itself listens there ([listen.{listener.name}]), and mail would go "
                "round in circles; write where your mail server takes back what was filtered.",
            )


def _files(config: Config, top: Table) -> Iterator[str]:
    """What has to be there when the gateway starts, and can be read by who asks now."""
    keys = config.keys
    if config.store.must_exist and not store_is_there(config.store.url):
        yield _warning(
            top.table("store"),
            "must_exist",
            "there is no trust store at this url, or none for you to see, and so the gateway does "
            "not start. Put a backup there, or take must_exist out.",
        )
    named = (
        *(("store", "anchors", each) for each in config.store.anchors),
        ("keys", "folder", keys.folder),
        ("keys", "password_file", keys.password_file),
        ("keys", "master_key_file", keys.master_key_file),
    )
    for table, key, name in named:
        if name is not None and not os.access(name, os.R_OK):
            yield _warning(
                top.table(table),
                key,
                f"{name} is not there, or not for you to read, and without it the gateway does "
                "not start. Ask as the user that it runs as.",
            )
