"""`gateway pipe`: one message, for mail servers that run a program for each.

Knows the command line, and that nothing but 75 may come of a failure of our own: a mail server
bounces the mail for every other status.
"""

import logging
import sys
from collections.abc import Callable, Sequence
from io import FileIO
from pathlib import Path
from typing import Any, Final

import click

from smimekit.cli.exits import code_of, sentence_of
from smimekit.cli.output import note
from smimekit.gateway.adapters.pipe import Sysexit, exit_status
from smimekit.gateway.envelope import Client, Envelope, EnvelopeRecipient
from smimekit.gateway.handover.answers import Reply

__all__ = ["pipe"]

_LATER: Final = "4.3.0"


class _Pipe(click.Command):
    """A command whose every failure is a reason to try again."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise _put_off(error.format_message()) from error

    def invoke(self, ctx: click.Context) -> Any:
        return _answered(lambda: super(_Pipe, self).invoke(ctx))


def _put_off(text: str) -> click.exceptions.Exit:
    note(f"{_LATER} {text}")
    return click.exceptions.Exit(Sysexit.TEMPFAIL)


def _answered(act: Callable[[], Any]) -> Any:
    """What `act` says; 75 where it fails."""
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - the mail stays with the mail server, whatever it was
        note(f"{_LATER} {sentence_of(error)} [{code_of(error)}]")
        return int(Sysexit.TEMPFAIL)


@click.command(cls=_Pipe)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--from", "sender", required=True, metavar="ADDRESS", help='"" is nobody.')
@click.option("--user", default="", metavar="LOGIN", help="Who authenticated.")
@click.option("--client", default="", metavar="IP", help="Where the mail came from.")
@click.option("--ident", default="", metavar="ID", help="The mail server's name for it.")
@click.option(
    "--stdout",
    "to_stdout",
    is_flag=True,
    help="Write the message there; nothing goes to the next hop.",
)
@click.argument("recipients", nargs=-1, required=True, metavar="RECIPIENT...")
def pipe(*, file: Path, recipients: Sequence[str], to_stdout: bool, **who: str) -> int:
    """Deal with the message on standard input, and hand it to the next hop.

    Exit statuses are those of sysexits.h: 0 done, 75 to be tried again (whatever went wrong
    here), 65, 67, 69 and 77 refused, with the reason on standard error.
    """
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.CRITICAL)
    client = Client(address=who["client"], ident=who["ident"])
    envelope = Envelope(
        mail_from=who["sender"],
        recipients=tuple(EnvelopeRecipient(address=each) for each in recipients),
        user=who["user"] or None,
        client=client,
    )
    # Not buffered: what cannot be written would wait, and fail when it is too late to say 75.
    with FileIO(1, "wb", closefd=False) as out:
        reply = _dealt_with(file, envelope, out if to_stdout else None)
    status = exit_status(reply)
    if status is not Sysexit.OK:
        note(reply.line().partition(" ")[2])
    return int(status)


def _dealt_with(file: Path, envelope: Envelope, out: FileIO | None) -> Reply:
    from smimekit.gateway.adapters.pipe import arrived, pass_on  # noqa: PLC0415 - as above
    from smimekit.gateway.program.assembly import assembled  # noqa: PLC0415 - may fail: then it is 75
    from smimekit.gateway.program.config import read_config  # noqa: PLC0415 - as above

    config = read_config(file)
    workers = config.workers
    with (
        arrived(
            sys.stdin.buffer, envelope, workers.spool / "pipe", encrypted=workers.spool_encrypted
        ) as came,
        assembled(config) as assembly,
    ):
        return pass_on(assembly.desk, envelope, came, out)
