"""The few ways in which a key file fails, each said once. Knows errors only."""

from smimekit.errors import KeyFileError

__all__ = ["malformed", "no_key", "unsupported", "wrong_password"]


def malformed(what: str, *, code: str = "key.malformed") -> KeyFileError:
    """The file is damaged, or not what it was taken for; `what` ends the sentence."""
    return KeyFileError(f"The key file cannot be read: {what}.", code=code)


def no_key() -> KeyFileError:
    """There is no private key in the file, perhaps certificates only."""
    return malformed("there is no private key in it", code="key.none")


def unsupported(what: str) -> KeyFileError:
    """The file may be fine, but uses something that we do not know."""
    return KeyFileError(f"The key file cannot be read: {what}.", code="key.unsupported")


def wrong_password(*, given: bool) -> KeyFileError:
    """The password does not fit; where none was given, that one is needed.

    A damaged file looks the same, and nothing can tell the two apart.
    """
    if given:
        return KeyFileError(
            "The password of the key file is wrong, or the file is damaged.",
            code="key.wrong-password",
        )
    return KeyFileError(
        "The key file is protected: its password is needed.", code="key.password-needed"
    )
