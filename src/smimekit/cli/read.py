"""`open`, `verify` and `decrypt`. Knows what each requires and prints; not how it is found out."""

from typing import NoReturn

import click

from smimekit import Protection, SmimeError
from smimekit.cli.exits import Refused
from smimekit.cli.facts import message_facts
from smimekit.cli.files import STDOUT, write_out, writes_stdout
from smimekit.cli.options import (
    JSON,
    OUTPUT,
    KeyOptions,
    TrustOptions,
    key_options,
    trust_options,
)
from smimekit.cli.output import Json, note, require_room_for_json, show_json, show_rows
from smimekit.cli.reports import message_rows
from smimekit.cli.source import SourceOptions, source_options
from smimekit.message.layers import Compressed, Encrypted, Signed
from smimekit.message.verbs import decrypted, verified

__all__ = ["decrypt", "open_", "verify"]


@click.command()
@source_options
@key_options()
@trust_options
@click.option("-o", "--output", metavar="PAYLOAD", help="Write what is verified here.")
@JSON
def verify(
    *,
    source: SourceOptions,
    keys: KeyOptions,
    trusting: TrustOptions,
    output: str | None,
    as_json: bool,
) -> None:
    """Require a mail to be signed, intact, trusted, and by its sender; print the facts.

    Whom to trust has to be said: --anchor, --store, or both. An encrypted mail is opened
    with --key, and only signatures inside the encryption count.
    """
    trusting.require()
    require_room_for_json(as_json=as_json and output == STDOUT)
    with source.open(keys, trusting, through=(Encrypted, Compressed)) as (opened, steady):
        facts = message_facts(opened)
        try:
            payload = verified(opened)
        except SmimeError as error:
            _refuse(error, facts, output, as_json=as_json)
        if output is not None:
            write_out(output, steady(payload.chunks()), private=_is_secret(facts))
    _report(facts, output, as_json=as_json)


@click.command("open")
@source_options
@key_options()
@trust_options
@click.option("--payload", metavar="FILE", help="Write the content here, whatever protects it.")
@JSON
def open_(
    *,
    source: SourceOptions,
    keys: KeyOptions,
    trusting: TrustOptions,
    payload: str | None,
    as_json: bool,
) -> None:
    """Print everything about a mail, as facts; require nothing.

    Each layer with its algorithm, each signature with integrity, identity, trust, time and
    the reasons. Without --anchor and --store nobody is trusted.
    """
    require_room_for_json(as_json=as_json and payload == STDOUT)
    with source.open(keys, trusting, through=(Signed, Encrypted, Compressed)) as (opened, steady):
        facts = message_facts(opened)
        if payload is not None:
            try:
                content = opened.payload(require=Protection.NONE)
            except SmimeError as error:
                _refuse(error, facts, payload, as_json=as_json)
            write_out(payload, steady(content.chunks()), private=_is_secret(facts))
    _report(facts, payload, as_json=as_json)


@click.command()
@source_options
@key_options(required=True)
@click.option(
    "--no-legacy-display",
    "hides",
    is_flag=True,
    help="Leave out what the text repeats of the header for old mail programs.",
)
@OUTPUT
@JSON
def decrypt(
    *,
    source: SourceOptions,
    keys: KeyOptions,
    hides: bool,
    output: str | None,
    as_json: bool,
) -> None:
    """Decrypt a mail. This says nothing about who wrote it: `verify` does, with --key.

    What was encrypted is written as it is. Where the sender protected the header, it is a
    mail with its true header, the hidden subject too.
    """
    require_room_for_json(as_json=as_json and writes_stdout(output))
    with source.open(keys) as (opened, steady):
        payload = decrypted(opened)
        write_out(output, steady(payload.chunks(legacy_display=not hides)), private=True)
        facts = message_facts(opened)
    if as_json:
        show_json(facts)
    elif not writes_stdout(output):
        note(f"{output}: decrypted; who wrote it was not checked.")


def _refuse(error: SmimeError, facts: Json, output: str | None, *, as_json: bool) -> NoReturn:
    """Fail, but show what was found."""
    if not as_json:
        show_rows(message_rows(facts), aside=output == STDOUT)
    raise Refused(error, facts) from error


def _report(facts: Json, output: str | None, *, as_json: bool) -> None:
    if as_json:
        show_json(facts)
    else:
        show_rows(message_rows(facts), aside=output == STDOUT)


def _is_secret(facts: Json) -> bool:
    return any(layer["kind"] == "encrypted" for layer in facts["layers"])
