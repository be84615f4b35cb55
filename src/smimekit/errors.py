"""The error tree. Knows nothing else.

    SmimeError                      anything that smimekit refuses
    ├── InputError                  the bytes are not what they should be
    │   ├── MimeError               ... as MIME (RFC 2045, 1847)
    │   ├── CmsError                ... as CMS (RFC 5652) or as ASN.1 below it
    │   ├── CertificateError        ... as a certificate (RFC 5280)
    │   ├── KeyFileError            ... as a private key or PKCS#12 file, or its password
    │   └── LimitExceeded           well-formed, perhaps, but over a bound of `Limits`
    ├── PolicyError                 possible, but the policy in force forbids it
    ├── VerificationError           a signature does not show what was required
    │   ├── NotSigned               there is no signature at all
    │   ├── ContentChanged          a signature does not match the content
    │   ├── UntrustedSigner         good signature, but the signer is not trusted
    │   └── WrongSender             good signature, but of somebody else
    ├── DecryptionError             one message for every cause (RFC 3218)
    ├── NoMatchingKey               encrypted, but for none of the keys at hand
    ├── KeyAccessError              a key that lies on a token or in the system does not answer
    ├── InsufficientProtection      the message lacks a protection that was required
    ├── StoreError                  a trust store could not do what was asked
    ├── FetchError                  the network did not give what was asked for
    ├── GatewayError                a gateway's rules or configuration cannot be used
    └── UsageError (ValueError)     the caller's mistake

Each error has a `code`: a stable, dotted, lower-case word, the same in logs, JSON and
docs; `docs/reference/errors.md` lists them. The first word is the class's own default.
The message is a sentence for a person and never holds plaintext, keys or passwords. It is one line
of printable characters: addresses and names in it may be a stranger's, and steer no terminal.
"""

from typing import ClassVar

__all__ = [
    "CertificateError",
    "CmsError",
    "ContentChanged",
    "DecryptionError",
    "FetchError",
    "GatewayError",
    "InputError",
    "InsufficientProtection",
    "KeyAccessError",
    "KeyFileError",
    "LimitExceeded",
    "MimeError",
    "NoMatchingKey",
    "NotSigned",
    "PolicyError",
    "SmimeError",
    "StoreError",
    "UntrustedSigner",
    "UsageError",
    "VerificationError",
    "WrongSender",
]


class SmimeError(Exception):
    """The root: every refusal of smimekit is one of these."""

    default_code: ClassVar[str] = "smime"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message if message.isprintable() else _printable(message))
        self.code = code or self.default_code


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


class InputError(SmimeError):
    """The input bytes are malformed, unsupported or too large."""

    default_code = "input"


class MimeError(InputError):
    """Malformed or ambiguous MIME: a guess here is what attacks live on."""

    default_code = "mime"


class CmsError(InputError):
    """Malformed CMS or ASN.1."""

    default_code = "cms"


class CertificateError(InputError):
    """Malformed certificate, or one whose key cannot be used."""

    default_code = "certificate"


class KeyFileError(InputError):
    """A private key or PKCS#12 file that cannot be read, perhaps for its password."""

    default_code = "key"


class LimitExceeded(InputError):
    """A bound of `smimekit.limits.Limits` was passed."""

    default_code = "limit"


class PolicyError(SmimeError):
    """The policy in force forbids an algorithm, a key or a combination."""

    default_code = "policy"


class VerificationError(SmimeError):
    """A signature does not show what the caller required."""

    default_code = "verification"


class NotSigned(VerificationError):
    """There is no signature: zero signers count as none."""

    default_code = "not-signed"


class ContentChanged(VerificationError):
    """The content, or what was signed about it, is not what the signer signed."""

    default_code = "content-changed"


class UntrustedSigner(VerificationError):
    """The signature matches, but the signer's certificate is not trusted."""

    default_code = "untrusted-signer"


class WrongSender(VerificationError):
    """The signature matches and is trusted, but belongs to another address."""

    default_code = "wrong-sender"


class DecryptionError(SmimeError):
    """Decryption failed. There is one message, without a cause: causes are oracles."""

    default_code = "decryption"

    def __init__(self) -> None:
        super().__init__("The message could not be decrypted.")


class NoMatchingKey(SmimeError):
    """The message is encrypted, but none of the keys at hand is among its recipients."""

    default_code = "no-matching-key"


class KeyAccessError(SmimeError):
    """A private key on a token, or in the operating system, cannot be used now."""

    default_code = "key-access"


class InsufficientProtection(SmimeError):
    """The message does not have the protection that the caller required."""

    default_code = "insufficient-protection"


class StoreError(SmimeError):
    """A trust store could not do what it was asked; nothing of it was done."""

    default_code = "store"


class FetchError(SmimeError):
    """The network did not give what was asked for, or was not to be asked."""

    default_code = "fetch"


class GatewayError(SmimeError):
    """A gateway's rules or configuration are wrong; file and line are named."""

    default_code = "gateway"


class UsageError(SmimeError, ValueError):
    """The caller asked for something that makes no sense; the sentence says what to do."""

    default_code = "usage"
