"""The program: its commands, and the one door where errors become exit statuses.

Knows every command by name. May not know what they do.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final, NoReturn, final

import click

from smimekit import __version__
from smimekit.cli.exits import Exit, Refused, exit_of, sentence_of
from smimekit.cli.facts import error_facts
from smimekit.cli.output import forget, note, note_lines, show_json
from smimekit.errors import SmimeError

__all__ = ["program", "run"]


_COMMANDS: Final = {
    "sign": "sign.sign",
    "encrypt": "encrypt.encrypt",
    "decrypt": "read.decrypt",
    "verify": "read.verify",
    "open": "read.open_",
    "harvest": "harvest.harvest",
    "trust": "trust.trust",
    "keys": "keys.keys",
    "ca": "ca.ca",
    "gateway": "gateway.gateway",
    "demo": "demo.demo",
}
"""Where each command is. Only the one that runs is loaded: a script that signs a thousand
mails starts the program a thousand times."""


class _Failed(Exception):
    """Carries an error past click, which has ideas of its own about some."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


@final
class _Program(click.Group):
    """A group of commands that ends with our exit statuses."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        place = _COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(".")
        found: click.Command = getattr(import_module(f"smimekit.cli.{module}"), name)
        return found

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        # The outermost door: nobody above could answer, and a traceback is no answer.
        except (Exception, KeyboardInterrupt) as error:
            if os.environ.get("SMIMEKIT_TRACEBACK") == "1":
                raise
            raise _Failed(error) from error
        return result

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        words = extra.get("args", args[0] if args else None)
        as_json = "--json" in (sys.argv[1:] if words is None else words)
        extra["standalone_mode"] = False
        try:
            result = super().main(*args, **extra)
        except click.ClickException as error:
            sys.exit(_misused(error, as_json=as_json))
        except click.Abort:
            sys.exit(_report(KeyboardInterrupt(), as_json=as_json))
        except _Failed as failed:
            sys.exit(_report(failed.error, as_json=as_json))
        sys.exit(int(result) if isinstance(result, int) else Exit.DONE)


def _misused(error: click.ClickException, *, as_json: bool) -> int:
    """A wrong command line: the words of click, without what could steer a terminal."""
    message = error.format_message()
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        note_lines(message)
        return Exit.USAGE
    if as_json:
        show_json({"error": {"code": "usage", "message": message}})
    context = getattr(error, "ctx", None)
    if context is not None:
        note_lines(context.get_usage())
    note(f"smimekit: {message}")
    return Exit.USAGE


def _report(error: BaseException, *, as_json: bool) -> int:
    """Say what went wrong, to whoever still listens."""
    status = exit_of(error)
    if isinstance(error, OSError):
        # Whatever waits for standard output may be why: it cannot be written at exit, either.
        _settle()
    if status is Exit.BROKEN_PIPE:
        return status
    try:
        if as_json:
            facts = error.facts if isinstance(error, Refused) else {}
            show_json({"error": error_facts(error), **facts})
            sys.stdout.flush()
        code = f" [{error_facts(error)['code']}]" if isinstance(error, SmimeError | Refused) else ""
        note(f"smimekit: {sentence_of(error)}{code}")
    except OSError:
        forget(sys.stdout)
    return status


def _settle() -> None:
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        forget(sys.stdout)


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="smimekit")
def program() -> None:
    """S/MIME: sign, encrypt, decrypt and verify mail, and decide whom to trust.

    MESSAGE is a mail, a MIME entity, or bare CMS (DER, BER or PEM); "-", or none, is
    standard input. Exit statuses: 0 done, 1 the message is not what you required, 2 usage,
    3 malformed or over a limit, 4 no key.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    try:
        program.main(args=None if arguments is None else list(arguments), prog_name="smimekit")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.DONE
