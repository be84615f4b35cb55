"""The two verbs that require something: verify and decrypt. Knows no bytes of its own."""

from collections.abc import Iterable
from datetime import datetime

from smimekit.errors import InsufficientProtection
from smimekit.keys import Decryptor
from smimekit.message.layers import Encrypted, Protection
from smimekit.message.opened import Opened, Payload
from smimekit.message.receive import open_message
from smimekit.message.source import Source
from smimekit.policy import Policy
from smimekit.trust import Trust

__all__ = ["decrypt", "decrypted", "verified", "verify"]


def verify(
    source: Source,
    trust: Trust,
    *,
    keys: Iterable[Decryptor] = (),
    expect: str | None = None,
    at: datetime | None = None,
    content: Source | None = None,
    policy: Policy = Policy.INTEROP,
) -> Payload:
    """The content of a message that is signed, intact, trusted, and by its sender.

    The sender is the From address or, in its place, `expect`. An encrypted message is
    opened with `keys` first, and only signatures inside the encryption count. The other
    arguments are those of `open`. Raises NotSigned, ContentChanged, UntrustedSigner,
    WrongSender or another VerificationError; PolicyError for weak algorithms; NoMatchingKey,
    DecryptionError; MimeError, CmsError, LimitExceeded.
    """
    opened = open_message(
        source, keys=keys, trust=trust, expect=expect, at=at, content=content, policy=policy
    )
    try:
        return verified(opened)
    except BaseException:
        opened.close()
        raise


def decrypt(
    source: Source,
    keys: Iterable[Decryptor],
    *,
    policy: Policy = Policy.INTEROP,
) -> Payload:
    """The content of a message that could be decrypted with one of `keys`.

    This says nothing about who wrote it, nor, with a CBC cipher, whether it is what they
    wrote: `open` or `verify` does. Raises InsufficientProtection where the message is not
    encrypted (`insufficient-protection.not-encrypted`), NoMatchingKey, DecryptionError,
    PolicyError for weak ciphers, and MimeError, CmsError, LimitExceeded.
    """
    opened = open_message(source, keys=keys, trust=Trust(), policy=policy)
    try:
        return decrypted(opened)
    except BaseException:
        opened.close()
        raise


def verified(opened: Opened) -> Payload:
    """What `verify` requires, of a message that is open already."""
    _check_opened(opened)
    if Protection.VERIFIED not in opened.protection:
        raise opened.verification_error()
    return opened.payload(require=Protection.VERIFIED)


def decrypted(opened: Opened) -> Payload:
    """What `decrypt` requires, of a message that is open already."""
    if not any(isinstance(layer, Encrypted) for layer in opened.envelope):
        raise _not_encrypted(opened)
    # Not CONFIDENTIAL: who reads what a weak cipher hid has said so by the policy.
    return opened.payload(require=Protection.NONE)


def _not_encrypted(opened: Opened) -> InsufficientProtection:
    """The error, with what the message is in place of that, as far as it helps."""
    if any(each.kind == "cms" and not each.name for each in opened.errant):
        return InsufficientProtection(
            "The message is CMS of a kind that mail does not have (RFC 8551, 2.4), such as "
            "EncryptedData: read it with smimekit.cms.",
            code="insufficient-protection.not-encrypted",
        )
    part = next((each.name for each in opened.errant if each.kind == "encrypted"), None)
    if part is not None:
        return InsufficientProtection(
            f"The message is not encrypted as a whole: open its encrypted part {part} by itself.",
            code="insufficient-protection.not-encrypted",
        )
    return InsufficientProtection(
        "The message is not encrypted.", code="insufficient-protection.not-encrypted"
    )


def _check_opened(opened: Opened) -> None:
    for layer in opened.envelope:
        if isinstance(layer, Encrypted) and layer.failure is not None:
            raise layer.failure
