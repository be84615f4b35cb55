"""One connection to an IMAP server (RFC 3501): protected, logged in, with bounded answers.

Knows imaplib and what it does not do: it reads whatever a server announces, and leaves sockets
open when a connection breaks. May not know what is asked for.
"""

import imaplib
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from io import BufferedReader
from typing import Any, Final, NoReturn, final

from smimekit.errors import FetchError, SmimeError
from smimekit.patience import PatientReader

__all__ = [
    "SLACK",
    "ImapAccount",
    "Login",
    "Security",
    "checked",
    "connected",
    "lost",
    "quoted",
    "refused",
    "told_as_lost",
]

SLACK: Final = 64 << 10
"""Octets by which a server may be wrong about a size: they count line ends as they keep them."""
_LINES: Final = 16 << 20
"""Octets of all lines of one answer: the sizes of 65 536 messages take some four MiB. And those
by which the literals of one answer may be longer than the longest message."""
_LINE: Final = 1_000_000
"""Octets of one line, as imaplib has it."""
_RATE: Final = 4096
"""Octets in a second: a server that says less is waited for no longer than its answer may take."""

_TOKEN: Final = re.compile("[A-Za-z0-9._~+/-]+=*")
"""An access token (RFC 6750, 2.1)."""
_NOT_UNDERSTOOD: Final = (imaplib.IMAP4.error, IndexError, ValueError)
"""What becomes of an answer that is none: of numbers, names and base64 that are none either."""


class Security(StrEnum):
    """How the connection is protected."""

    TLS = "tls"
    """TLS from the first octet (RFC 8314)."""
    STARTTLS = "starttls"
    """TLS before anything is said; without it, nothing is said."""
    NONE = "none"
    """Not at all: for a server on the same machine."""


class Login(StrEnum):
    """What a user is known by."""

    PASSWORD = "password"  # noqa: S105 - the kind of one
    TOKEN = "token"  # noqa: S105 - see above
    """An access token (OAuth 2.0), said by OAUTHBEARER (RFC 7628) or, of servers that have only
    that, by XOAUTH2."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ImapAccount:
    """Whom to ask, and as whom. `password`, which may give a token, is called once for each
    connection: one that lasts an hour can be renewed.
    """

    host: str
    user: str
    password: Callable[[], str] = field(repr=False)
    login: Login = Login.PASSWORD
    """What `password` gives."""
    port: int | None = None
    """143, or 993 for TLS, where none is given."""
    security: Security = Security.TLS
    context: ssl.SSLContext | None = None
    """Whose certificates are believed; the system's, and the name checked, where none is given."""
    timeout: float = 60.0
    """Seconds that any answer may take, and one more for every 4 KiB of it."""

    @property
    def place(self) -> str:
        """The URL, without a password."""
        port = self.port or (993 if self.security is Security.TLS else 143)
        return f"imap://{self.user}@{self.host}:{port}"


class _Bounded:
    """What an answer may hold at most, and how long it may take: imaplib would read whatever the
    server announces, keep whatever comes before the line that ends it, and wait as long as
    anything comes.
    """

    most = SLACK
    _literals = 0
    _lines = 0
    _socket: Any = None
    _patient: PatientReader
    _buffered: BufferedReader
    _begun = False

    @property
    def _source(self) -> BufferedReader:
        """What the server says; anew where TLS has begun."""
        if self._socket is not self.sock:  # type: ignore[attr-defined]  # of the class beside this one
            self._socket = self.sock  # type: ignore[attr-defined]  # see above
            self._patient = PatientReader(self._socket, rate=_RATE)
            self._buffered = BufferedReader(self._patient)
            self._begun = False
        if not self._begun:
            self._begun = True
            self._literals = self._lines = 0
            self._patient.begin(self.most + 2 * _LINES)
        return self._buffered

    def send(self, data: Any) -> None:
        self._begun = False
        super().send(data)  # type: ignore[misc]  # see above

    def read(self, size: int) -> bytes:
        source = self._source
        self._literals += size
        if size > self.most or self._literals > self.most + _LINES:
            raise imaplib.IMAP4.abort("a literal that is too long")
        return source.read(size)

    def readline(self) -> bytes:
        found = self._source.readline(_LINE + 1)
        if len(found) > _LINE:
            raise imaplib.IMAP4.abort("a line without an end")
        self._lines += len(found)
        if self._lines > _LINES:
            raise imaplib.IMAP4.abort("an answer without an end")
        return found


class _Plain(_Bounded, imaplib.IMAP4):
    pass


class _Protected(_Bounded, imaplib.IMAP4_SSL):
    pass


def lost() -> FetchError:
    """The error of a server that is not there."""
    return FetchError(
        "The IMAP server does not answer, or breaks the connection; try again later.",
        code="fetch.imap-lost",
    )


@contextmanager
def told_as_lost() -> Iterator[None]:
    """What happens to connections, as a FetchError."""
    try:
        yield
    except (imaplib.IMAP4.abort, OSError) as error:
        raise lost() from error


@contextmanager
def connected(account: ImapAccount, most: int) -> Iterator[imaplib.IMAP4]:
    """A connection that is logged in; what the server refuses in the block is a FetchError."""
    client = _client(account)
    client.most = most
    try:
        _log_in(client, account)
        yield client
    except (imaplib.IMAP4.abort, SmimeError):
        raise
    except _NOT_UNDERSTOOD as error:
        raise refused() from error
    finally:
        with suppress(*_NOT_UNDERSTOOD, OSError):
            client.logout()
        with suppress(OSError):  # of a broken connection, logout() closes nothing
            client.shutdown()


def _client(account: ImapAccount) -> _Plain | _Protected:
    context = account.context or ssl.create_default_context()
    try:
        if account.security is Security.TLS:
            return _Protected(
                account.host, account.port or 993, ssl_context=context, timeout=account.timeout
            )
        client = _Plain(account.host, account.port or 143, timeout=account.timeout)
    except ssl.SSLError as error:
        raise _unprotected() from error
    except imaplib.IMAP4.abort:
        raise
    except _NOT_UNDERSTOOD as error:
        raise refused() from error
    if account.security is Security.STARTTLS:
        _protect(client, context)
    return client


def _protect(client: _Plain, context: ssl.SSLContext) -> None:
    try:
        client.starttls(ssl_context=context)
    except BaseException as error:
        with suppress(OSError):  # there may be no connection left to end
            client.shutdown()
        if isinstance(error, (*_NOT_UNDERSTOOD, ssl.SSLError)):
            raise _unprotected() from error
        raise


def _unprotected() -> FetchError:
    return FetchError(
        "The IMAP server does not go on over TLS, or its certificate is not believed; nothing was "
        "said to it.",
        code="fetch.imap-tls",
    )


def refused() -> FetchError:
    """The error of an answer that is none."""
    return FetchError(
        "The IMAP server refuses what was asked, or answers in a way that nobody understands.",
        code="fetch.imap",
    )


def _log_in(client: imaplib.IMAP4, account: ImapAccount) -> None:
    secret = account.password()
    try:
        if account.login is Login.TOKEN:
            _bear(client, account, secret)
        else:
            _say_password(client, account, secret)
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error:
        _not_let_in()


def _say_password(client: imaplib.IMAP4, account: ImapAccount, password: str) -> None:
    """By SASL PLAIN (RFC 4616) where the server has it, which knows all characters."""
    if "AUTH=PLAIN" in client.capabilities:
        words = f"\0{account.user}\0{password}".encode()
        client.authenticate("PLAIN", lambda _: words)
    elif _is_plain(account.user) and _is_plain(password):
        client.login(quoted(account.user), password)
    else:
        _not_let_in()


def _bear(client: imaplib.IMAP4, account: ImapAccount, token: str) -> None:
    if not _TOKEN.fullmatch(token) or "\1" in account.user:
        _not_let_in()
    # RFC 5801, 4: these two mean something where the name of the user stands.
    user = account.user.replace("=", "=3D").replace(",", "=2C")
    place = f"host={account.host}\1port={client.port}"
    for name, words, refused in (
        ("OAUTHBEARER", f"n,a={user},\1{place}\1auth=Bearer {token}\1\1", b"\1"),
        ("XOAUTH2", f"user={account.user}\1auth=Bearer {token}\1\1", b""),
    ):
        if f"AUTH={name}" in client.capabilities:
            # Why it refuses, it says in a challenge, and wants an answer (RFC 7628, 3.2.3).
            _answer(client, name, iter((words.encode(), refused)))
            return
    raise FetchError(
        "The IMAP server takes no access tokens (neither OAUTHBEARER nor XOAUTH2); log in with a "
        "password.",
        code="fetch.imap-login",
    )


def _answer(client: imaplib.IMAP4, mechanism: str, answers: Iterator[bytes]) -> None:
    """What the server asks, one after the other; whatever else it asks ends it."""
    client.authenticate(mechanism, lambda _: next(answers, None))


def _not_let_in() -> NoReturn:
    # Without a cause: it would hold what was sent.
    raise FetchError(
        "The IMAP server does not let us in; check the user, and the password or the token, "
        "which may be too old.",
        code="fetch.imap-login",
    ) from None


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def quoted(text: str) -> str:
    """A text as IMAP's quoted string; what it cannot hold, such as a line break, is refused."""
    if not _is_plain(text):
        raise refused()
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def checked(answer: tuple[str, list[Any]]) -> list[Any]:
    """What a command brought; FetchError where the server refused it."""
    if answer[0] != "OK":
        raise refused()
    return [each for each in answer[1] if each is not None]
