"""What a failure means to a script: the exit status and the code. Knows errors only."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final, final

from smimekit.errors import (
    DecryptionError,
    FetchError,
    GatewayError,
    InputError,
    InsufficientProtection,
    KeyAccessError,
    KeyFileError,
    NoMatchingKey,
    PolicyError,
    SmimeError,
    StoreError,
    UsageError,
    VerificationError,
)

__all__ = ["Exit", "Refused", "code_of", "exit_of", "sentence_of"]


class Exit(IntEnum):
    """The exit statuses: stable, and listed in `docs/reference/cli.md`."""

    DONE = 0
    NOT_AS_REQUIRED = 1
    USAGE = 2
    MALFORMED = 3
    NO_KEY = 4
    BUG = 70
    INTERRUPTED = 130
    BROKEN_PIPE = 141


@final
class Refused(Exception):
    """An error, with the facts that were found before it."""

    def __init__(self, error: SmimeError, facts: Mapping[str, Any]) -> None:
        super().__init__(str(error))
        self.error = error
        self.facts = facts


_NO_KEY: Final = frozenset({"key.wrong-password", "key.password-needed", "key.none"})


_EXITS: Final[Mapping[type[BaseException], Exit]] = {
    NoMatchingKey: Exit.NO_KEY,
    KeyAccessError: Exit.NO_KEY,
    InputError: Exit.MALFORMED,
    VerificationError: Exit.NOT_AS_REQUIRED,
    InsufficientProtection: Exit.NOT_AS_REQUIRED,
    PolicyError: Exit.NOT_AS_REQUIRED,
    DecryptionError: Exit.NOT_AS_REQUIRED,
    StoreError: Exit.USAGE,
    FetchError: Exit.USAGE,
    GatewayError: Exit.USAGE,
    UsageError: Exit.USAGE,
    BrokenPipeError: Exit.BROKEN_PIPE,
    OSError: Exit.USAGE,
    KeyboardInterrupt: Exit.INTERRUPTED,
}


def exit_of(error: BaseException) -> Exit:
    """The exit status for an error."""
    if isinstance(error, Refused):
        return exit_of(error.error)
    if isinstance(error, KeyFileError) and error.code in _NO_KEY:
        return Exit.NO_KEY
    return next((found for kind, found in _EXITS.items() if isinstance(error, kind)), Exit.BUG)


def code_of(error: BaseException) -> str:
    """The stable code of an error; those of the command line's own are in its reference."""
    match error:
        case Refused(error=inner):
            return inner.code
        case SmimeError(code=code):
            return code
        case OSError():
            return "file"
        case KeyboardInterrupt():
            return "interrupted"
    return "bug"


def sentence_of(error: BaseException) -> str:
    """What went wrong, for a person."""
    match error:
        case Refused() | SmimeError():
            return str(error)
        case OSError(filename=str(name), strerror=str(reason)):
            return f"{name}: {reason}."
        case OSError(strerror=str(reason)):
            return f"{reason}."
        case OSError():
            return "A file could not be read or written."
        case KeyboardInterrupt():
            return "Interrupted."
    return (
        f"This is a bug in smimekit ({type(error).__name__}); please report it. "
        "With SMIMEKIT_TRACEBACK=1 it says more."
    )
