"""`keys list`, `add`, `remove`, `rewrap`, `master`: what keys there are, and a database of them.

Knows key sources and stores by name. May not know how keys are wrapped.
"""

import base64
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from smimekit import Credential, KeyRing, UsageError
from smimekit.cli.facts import certificate_facts
from smimekit.cli.files import write_new
from smimekit.cli.key_sources import master_keys, opened_key_store, read_master_keys
from smimekit.cli.options import JSON, KeyOptions, key_options
from smimekit.cli.output import Json, note, show_json, show_list
from smimekit.cli.reports import certificate_title
from smimekit.keys.credential import may_encrypt, may_sign
from smimekit.primitives import random_bytes

__all__ = ["add", "list_", "master", "remove", "rewrap"]

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_STORE = click.argument("store", metavar="URL")
_MASTER_KEY_FILE = click.option(
    "--master-key-file", metavar="FILE", help="Opens the database. Else SMIMEKIT_MASTER_KEY."
)


def _pairs(keys: KeyOptions) -> Iterator[Credential]:
    """Each pair of key and certificate, once."""
    return iter(KeyRing(*(one for each in keys.load() for one in _held(each))))


def _held(source: Credential | KeyRing) -> Iterator[Credential]:
    yield from (source,) if isinstance(source, Credential) else source


def _facts(credential: Credential) -> Json:
    certificate = credential.certificate
    return {
        **certificate_facts(certificate),
        "signs": may_sign(certificate),
        "encrypts": may_encrypt(certificate),
        "chain": [each.fingerprint for each in credential.chain],
    }


def _report(facts: Sequence[Json], *, as_json: bool) -> None:
    if as_json:
        show_json({"keys": list(facts)})
        return
    rows = [
        (
            (certificate_title(each), ""),
            (" ".join(word for word in ("signs", "encrypts") if each[word]) or "-", ""),
            (each["key"] or "-", ""),
            (each["not_after"][:10], ""),
            (each["fingerprint"][:16], ""),
        )
        for each in facts
    ]
    show_list(("WHO", "WHAT FOR", "KEY", "UNTIL", "FINGERPRINT"), rows)


@click.command("list")
@key_options(required=True)
@JSON
def list_(*, keys: KeyOptions, as_json: bool) -> None:
    """List the keys of files, folders, databases and tokens, with their certificates."""
    _report([_facts(each) for each in _pairs(keys)], as_json=as_json)


@click.command()
@_STORE
@key_options(required=True)
@JSON
def add(*, store: str, keys: KeyOptions, as_json: bool) -> None:
    """Put keys into a database, wrapped by the master key; it is made if new.

    The same --master-key-file opens what the keys come from, where that is a database, too.
    """
    added = list(_pairs(keys))
    opened = opened_key_store(store, keys.master_key_file, create=True)
    for each in added:
        opened.add(each)
    _report([_facts(each) for each in added], as_json=as_json)
    both = _for_both(added)
    if both and not as_json:
        note(
            f"{both} of the keys sign and decrypt as well: a key for each use is safer, since "
            "what attacks the one use does not touch the other."
        )


def _for_both(added: Sequence[Credential]) -> int:
    """How many keys serve both uses, be it by two certificates (RFC 9787, 8.2.1.1)."""
    signing = {each.certificate.spki for each in added if may_sign(each.certificate)}
    opening = {each.certificate.spki for each in added if may_encrypt(each.certificate)}
    return len(signing & opening)


@click.command()
@_STORE
@click.argument("fingerprint")
@_MASTER_KEY_FILE
@JSON
def remove(*, store: str, fingerprint: str, master_key_file: str | None, as_json: bool) -> None:
    """Forget a key for ever: mail that was encrypted to it stays closed."""
    if not opened_key_store(store, master_key_file).remove(fingerprint.replace(":", "")):
        raise UsageError(
            f"The key store holds no key with the whole fingerprint {fingerprint}.",
            code="usage.which",
        )
    if as_json:
        show_json({"removed": fingerprint})
    else:
        note(f"{fingerprint}: removed.")


@click.command()
@_STORE
@_MASTER_KEY_FILE
@JSON
def rewrap(*, store: str, master_key_file: str | None, as_json: bool) -> None:
    """Wrap all keys of a database by the current master key, the first of the file.

    Afterwards the others may go from the file; backups of the database still need them.
    """
    count = opened_key_store(store, master_key_file).rewrap()
    current = master_keys(master_key_file).current
    if as_json:
        show_json({"rewrapped": count, "master": current})
    else:
        note(f"{count} keys are wrapped anew, by the master key {current}.")


@click.command()
@click.argument("name")
@click.argument("file")
@JSON
def master(*, name: str, file: str, as_json: bool) -> None:
    """Make a master key in a file: a new one, or in front of those that are there.

    Keep the file apart from the database, readable by its owner alone.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            "The name of a master key has 1 to 64 letters, digits, dots, hyphens and underscores.",
            code="usage.master-key",
        )
    known = read_master_keys(file).keys if Path(file).exists() else {}
    if name in known:
        raise UsageError(f"There is a master key {name} already.", code="usage.master-key")
    lines = {name: random_bytes(32), **known}
    text = "".join(f"{each} {base64.b64encode(key).decode()}\n" for each, key in lines.items())
    write_new(file, text.encode(), private=True, force=bool(known))
    if as_json:
        show_json({"master": name, "file": file, "older": list(known)})
    else:
        note(f"{file}: the master key {name}. Keep it, and back it up, apart from the database.")
