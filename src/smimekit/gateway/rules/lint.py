"""What is odd about rules that are valid: what their writer may not have meant.

Knows rules and the file that they stand in. Changes nothing, and finds no errors: `read_rules`
does that.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from smimekit.gateway.rules import Internal, Network, Rules, domain_of, is_literal
from smimekit.gateway.rules.file import read_rules
from smimekit.gateway.rules.toml_lines import Table, read_toml
from smimekit.gateway.rules.treatment import Encrypt, Impossible, Settings

__all__ = ["lint"]

_PRIVATE: Final = {4: 8, 6: 7}
"""The prefixes of the largest networks for private use (RFC 1918; RFC 4193)."""
_PUBLIC: Final = {4: 16, 6: 32}
"""Public networks with shorter prefixes are hardly those of one house."""


def lint(text: str, file: str = "rules.toml", *, folder: Path | None = None) -> tuple[str, ...]:
    """Warnings about rules, each a sentence that begins with file and line.

    Raises GatewayError as `read_rules` does, for what is not odd but wrong.
    """
    rules = read_rules(text, file, folder=folder)
    top = read_toml(text, file)
    return tuple(
        sentence
        for found in (
            *(_site, _inside, _triggers, _logins, _callbacks, _clear, _internal, _literals),
            *(_partners, _disk),
        )
        for sentence in found(rules, top)
    )


def _warning(table: Table, key: str | None, why: str) -> str:
    return f"{table.file}, line {table.line(key)}: {why}"


def _site(rules: Rules, top: Table) -> Iterator[str]:
    site = top.table("gateway")
    if not rules.marker_secret:
        yield _warning(
            site,
            None,
            "there is no marker_secret_file in [gateway], so mail that goes round in circles "
            "is not noticed here before it has a hundred Received fields.",
        )
    if rules.site.name == "localhost":
        yield _warning(
            site, "name", "[gateway] has no name; reports and results will say localhost."
        )


def _inside(rules: Rules, top: Table) -> Iterator[str]:
    inside = top.table("inside")
    if not rules.inside_domains:
        yield _warning(
            inside, None, "there are no domains in [inside], so no mail comes in and none is ours."
        )
    if "*" in rules.inside_domains:
        yield _warning(inside, "domains", "with * every address is inside, and no mail goes out.")
    for network in rules.inside_networks:
        if _is_wide(network):
            yield _warning(
                inside, "networks", f"{network} is large: all its clients count as submitters."
            )


def _is_wide(network: Network) -> bool:
    if network.prefixlen < _PRIVATE[network.version]:
        return True
    return not network.is_private and network.prefixlen < _PUBLIC[network.version]


def _triggers(rules: Rules, top: Table) -> Iterator[str]:
    table = top.table("triggers")
    for key in ("sign", "encrypt", "plain"):
        for word in getattr(rules.words, key):
            if word.isalnum():
                yield _warning(table, key, f'the tag "{word}" is a word that any subject may have.')


def _logins(rules: Rules, top: Table) -> Iterator[str]:
    table = top.table("sender_login")
    for login, whom in rules.sender_login.items():
        for each in whom:
            if each == "*":
                yield _warning(table, login, f"the login {login} may sign as anybody at all.")
            elif not each.startswith("*.") and not rules.inside(_address(each)):
                yield _warning(table, login, f"{each} is not inside: nobody submits as that.")


def _address(side: str) -> str:
    return side if "@" in side else f"x@{side}"


def _levels(rules: Rules, top: Table) -> Iterator[tuple[Table, Settings]]:
    """Every table with settings."""
    yield top.table("outbound"), rules.everywhere
    yield top.table("inside"), rules.inside_settings
    yield top.table("outside"), rules.outside_settings
    for section, found in (("domain", rules.domains), ("address", rules.addresses)):
        yield from ((table, found[name]) for name, table in top.tables(section))
    yield from zip(top.array("partner"), (one.settings for one in rules.partners), strict=True)


def _callbacks(rules: Rules, top: Table) -> Iterator[str]:
    for table, settings in _levels(rules, top):
        if settings.impossible is Impossible.CALLBACK:
            yield _warning(
                table,
                "impossible",
                "callback needs a portal of the embedding program; without one such mail is "
                "deferred until it is returned.",
            )


def _clear(rules: Rules, top: Table) -> Iterator[str]:
    """`must` in one place and `send_clear` in another."""
    levels = list(_levels(rules, top))
    musts = [table for table, one in levels if one.encrypt is Encrypt.MUST]
    for table, settings in levels:
        if settings.impossible is Impossible.SEND_CLEAR and musts:
            line = musts[0].line("encrypt")
            yield _warning(
                table,
                "impossible",
                f"send_clear means bounce for mail that must be encrypted (line {line}).",
            )


def _internal(rules: Rules, top: Table) -> Iterator[str]:
    if rules.internal is Internal.BY_RULE:
        return
    named = [(table, one) for table, one in _levels(rules, top) if len(table.keys) > 1]
    for table, settings in named:
        name = table.keys[-1]
        whose = isinstance(name, str) and rules.inside(_address(name.removeprefix("*.")))
        if whose and settings.encrypt is Encrypt.MUST:
            yield _warning(
                table,
                "encrypt",
                'must does not hold for mail that stays inside, unless internal = "by_rule" in '
                "[inside].",
            )


def _literals(rules: Rules, top: Table) -> Iterator[str]:
    """An IP address that the rules loosen is not under the strictest of all of them any more."""
    levels = [(table, one) for table, one in _levels(rules, top) if len(table.keys) > 1]
    musts = [
        table
        for table, one in levels
        if one.encrypt is Encrypt.MUST and not rules.inside(_address(str(table.keys[-1])))
    ]
    for table, settings in levels:
        name = table.keys[-1]
        literal = isinstance(name, str) and is_literal(domain_of(_address(name)))
        if literal and musts and settings.encrypt in {Encrypt.IF_POSSIBLE, Encrypt.NEVER}:
            yield _warning(
                table,
                "encrypt",
                f"{name} is an IP address: whoever's host it is, the must of line "
                f"{musts[0].line('encrypt')} does not hold there.",
            )


def _partners(rules: Rules, top: Table) -> Iterator[str]:
    """What overrides everything, and makes it weaker."""
    levels = list(_levels(rules, top))
    musts = [
        table
        for table, one in levels
        if one.encrypt is Encrypt.MUST and table.keys[:1] != ("partner",)
    ]
    for table, partner in zip(top.array("partner"), rules.partners, strict=True):
        if musts and partner.settings.encrypt in {Encrypt.IF_POSSIBLE, Encrypt.NEVER}:
            yield _warning(
                table,
                "encrypt",
                f"{partner.settings.encrypt} overrides every must, such as that of line "
                f"{musts[0].line('encrypt')}.",
            )


def _disk(_: Rules, top: Table) -> Iterator[str]:
    """A key for the adapters, which says nothing wrong, and yet is a matter of rules."""
    workers = top.table("workers")
    if workers.truth("spool_encrypted") is False:
        yield _warning(
            workers,
            "spool_encrypted",
            "with spool_encrypted = false, messages under way can be read on the disk.",
        )
