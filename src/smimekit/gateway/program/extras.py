"""Which packages a gateway's file asks for that smimekit does without, and that are not here.

Knows the extras of smimekit. Imports none of them: it looks whether they could be.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from smimekit.gateway.handover.next_hop import Protocol
from smimekit.gateway.program.config import Config, parse_config
from smimekit.gateway.rules.toml_lines import Table, read_toml

__all__ = ["lint_extras"]

_POSTGRES: Final = ("postgresql:", "postgresql+psycopg:")
_SQL: Final = ("sqlite:", *_POSTGRES)


def lint_extras(text: str, file: str) -> tuple[str, ...]:
    """A warning for each package that is missing, with its remedy; it begins with file and line.

    They are those of the Python that asks: the gateway's own, where its own command does. Raises
    GatewayError for a file that is wrong.
    """
    top = read_toml(text, file)
    config = parse_config(top, Path(file))
    found = (*_listening(config, top), *_databases(config, top))
    return tuple(dict.fromkeys(found))


def _listening(config: Config, top: Table) -> Iterator[str]:
    tables = dict(top.tables("listen"))
    for listener in config.listeners[:1]:  # whatever it speaks
        yield from _missing("aiosmtpd", "aiosmtpd", "smtp", tables[listener.name], None)
    for listener in config.listeners:
        if listener.protocol is Protocol.MILTER:
            yield from _missing("Milter", "pymilter", "milter", tables[listener.name], "protocol")


def _databases(config: Config, top: Table) -> Iterator[str]:
    named = (("store", "url", config.store.url), ("keys", "database", config.keys.database or ""))
    for table, key, url in named:
        if url.startswith(_SQL):
            yield from _missing("sqlalchemy", "SQLAlchemy", "sql", top.table(table), key)
        if url.startswith(_POSTGRES):
            yield from _missing("psycopg", "psycopg", "postgres", top.table(table), key)


def _missing(module: str, name: str, extra: str, table: Table, key: str | None) -> Iterator[str]:
    if find_spec(module) is None:
        built = " (it is built with libmilter)" if extra == "milter" else ""
        yield (
            f"{table.file}, line {table.line(key)}: this needs {name}, which is not installed, and "
            f"without it the gateway does not start: pip install 'smimekit[{extra}]'{built}."
        )
