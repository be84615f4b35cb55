"""Where `harvest` reads mail from: what its words and options name.

Knows how places are written on a command line, and where the password or the token of an
account comes from. May not know what is done with the mail.
"""

import os
import shutil
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar, final
from urllib.parse import unquote, urlsplit

import click

from smimekit import KeyFileError, UsageError
from smimekit.cli.inputs import Passwords, reading
from smimekit.cli.options import as_record
from smimekit.mailboxes import Mailbox, MboxForm, Piped, Several, open_place
from smimekit.span import Span

__all__ = ["PlaceOptions", "place_options"]

_Command = TypeVar("_Command", bound=Any)
_VARIABLE: Final = "SMIMEKIT_IMAP_PASSWORD"
_SCHEMES: Final = {"imaps": "tls", "imap": "starttls"}
_MEBIBYTE: Final = 1 << 20


@final
@dataclass(frozen=True, slots=True)
class PlaceOptions:
    """PLACE, --mbox and the options about IMAP."""

    places: tuple[str, ...]
    mbox: str | None
    folder: tuple[str, ...]
    all_folders: bool
    imap_password_file: str | None
    imap_token_file: str | None
    imap_tls: str | None
    imap_ca: str | None
    largest: int

    @contextmanager
    def open(self) -> Iterator[Mailbox]:
        """All of them as one source; standard input where there are none."""
        with ExitStack() as closing:
            found = [self._mailbox(each, closing) for each in self.places or ("-",)]
            yield found[0] if len(found) == 1 else Several(found)

    @property
    def is_piped(self) -> bool:
        """Does any of it come from standard input, which is there only once?"""
        return not self.places or "-" in self.places

    def holds(self, path: Path) -> bool:
        """Does a file lie in one of the folders that are read?"""
        folders = (Path(each).resolve() for each in self.places if "://" not in each)
        return any(path.resolve().is_relative_to(each) for each in folders)

    def _mailbox(self, place: str, closing: ExitStack) -> Mailbox:
        form = None if self.mbox is None else MboxForm(self.mbox)
        if place == "-":
            return Piped(closing.enter_context(_copied()), form=form)
        if place.partition("://")[0].lower() in _SCHEMES:
            return self._account(place)
        return open_place(Path(place), form=form)

    def _account(self, url: str) -> Mailbox:
        from smimekit.mailboxes.imap import (  # noqa: PLC0415 - imaplib is for who needs it
            Imap,
            ImapAccount,
            Login,
            Security,
        )

        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:  # which may quote a password, and so may the URL
            raise UsageError(
                "The account's URL is none: write imaps://user@host or imaps://user@host:port.",
                code="usage.imap-url",
            ) from None
        if parts.password is not None:
            raise UsageError(
                "A password does not stand on a command line, where everybody sees it: use "
                f"--imap-password-file or {_VARIABLE}.",
                code="usage.imap-url",
            )
        if not parts.hostname or not parts.username:
            raise UsageError(
                "An account is named so: imaps://user@host, with %40 for an @ in the user's name.",
                code="usage.imap-url",
            )
        user = unquote(parts.username)
        named = tuple(filter(None, (unquote(parts.path.lstrip("/")),)))
        return Imap(
            ImapAccount(
                host=parts.hostname,
                port=port,
                user=user,
                password=self._secret(user),
                login=Login.PASSWORD if self.imap_token_file is None else Login.TOKEN,
                security=Security(self.imap_tls or _SCHEMES[parts.scheme.lower()]),
                context=ssl.create_default_context(cafile=self.imap_ca),
            ),
            () if self.all_folders else (*named, *self.folder) or ("INBOX",),
            most=self.largest * _MEBIBYTE,
        )

    def _secret(self, user: str) -> Callable[[], str]:
        """The password, asked for once; or the token, which somebody may renew meanwhile."""
        token = self.imap_token_file
        if token is None:
            return cache(lambda: self._password(user))
        if self.imap_password_file is not None:
            raise UsageError(
                "An account has a password or a token: give --imap-password-file or "
                "--imap-token-file.",
                code="usage.imap-password",
            )
        return lambda: Passwords((token,)).given[0]

    def _password(self, user: str) -> str:
        """From the file, else the environment, else whoever sits at the terminal."""
        if self.imap_password_file is not None:
            return Passwords((self.imap_password_file,)).given[0]
        if os.environ.get(_VARIABLE):
            return os.environ[_VARIABLE]
        try:
            return Passwords(()).asked(f"The IMAP password of {user}")
        except KeyFileError:
            raise UsageError(
                f"The IMAP server wants a password: give it by --imap-password-file or in the "
                f"environment variable {_VARIABLE}; there is no terminal to ask at.",
                code="usage.imap-password",
            ) from None


@contextmanager
def _copied() -> Iterator[Span]:
    """Standard input, in a file that can be read more than once."""
    with reading("-") as stream, tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        yield Span.of_file(copy)


def place_options(command: _Command) -> _Command:
    """PLACE and the options about it; the command gets `placed`."""
    decorate = as_record(
        "placed",
        PlaceOptions,
        click.argument("places", nargs=-1, metavar="[PLACE]..."),
        click.option(
            "--mbox",
            type=click.Choice([str(each) for each in MboxForm]),
            help="Files and standard input are mboxes of this form; else rd, where one looks so.",
        ),
        click.option(
            "--folder", multiple=True, metavar="NAME", help="A folder of the account; else INBOX."
        ),
        click.option("--all-folders", is_flag=True, help="All folders of the account."),
        click.option(
            "--imap-password-file",
            metavar="FILE",
            help=f"The password is its first line. Else {_VARIABLE}, else you are asked.",
        ),
        click.option(
            "--imap-token-file",
            metavar="FILE",
            help="An access token (OAuth 2.0) is its first line; read anew for each connection.",
        ),
        click.option(
            "--imap-tls",
            type=click.Choice(["tls", "starttls", "none"]),
            help="In place of what the URL says: imaps is tls, imap is starttls.",
        ),
        click.option(
            "--imap-ca", metavar="FILE", help="The CAs of the server's certificate, in PEM."
        ),
        click.option(
            "--largest",
            type=click.IntRange(1),
            default=64,
            show_default=True,
            metavar="MIB",
            help="Longer messages are not fetched.",
        ),
    )
    return decorate(command)
