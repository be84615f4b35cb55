"""S/MIME for Python. This file holds the public names and nothing else.

A name is loaded when it is first asked for: `import smimekit` costs a program that may never
see a mail next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smimekit import aio as aio
    from smimekit import files as files
    from smimekit import stream as stream
    from smimekit.certificate import Certificate
    from smimekit.errors import (
        CertificateError,
        CmsError,
        ContentChanged,
        DecryptionError,
        FetchError,
        GatewayError,
        InputError,
        InsufficientProtection,
        KeyAccessError,
        KeyFileError,
        LimitExceeded,
        MimeError,
        NoMatchingKey,
        NotSigned,
        PolicyError,
        SmimeError,
        StoreError,
        UntrustedSigner,
        UsageError,
        VerificationError,
        WrongSender,
    )
    from smimekit.harvesting import Harvest, HarvestReport, harvest, harvest_into
    from smimekit.keys import (
        CertificateRecipient,
        Credential,
        KeyRing,
        PasswordRecipient,
        SharedKeyRecipient,
    )
    from smimekit.limits import Limits
    from smimekit.message.bundle import load_certificates
    from smimekit.message.layers import Protection
    from smimekit.message.opened import Opened, Payload
    from smimekit.message.plan import EncryptionPlan, plan_encryption
    from smimekit.message.receive import open_message as open  # noqa: A004 - the verb of the house
    from smimekit.message.reply import reply_headers
    from smimekit.message.send import encrypt, sign
    from smimekit.message.signing import Chain, Signer
    from smimekit.message.verbs import decrypt, verify
    from smimekit.mime.protected import HeaderProtection
    from smimekit.mime.transfer import Transfer
    from smimekit.policy import Policy
    from smimekit.trust import MemoryTrustStore, Purpose, Status, Trust

__all__ = [
    "Certificate",
    "CertificateError",
    "CertificateRecipient",
    "Chain",
    "CmsError",
    "ContentChanged",
    "Credential",
    "DecryptionError",
    "EncryptionPlan",
    "FetchError",
    "GatewayError",
    "Harvest",
    "HarvestReport",
    "HeaderProtection",
    "InputError",
    "InsufficientProtection",
    "KeyAccessError",
    "KeyFileError",
    "KeyRing",
    "LimitExceeded",
    "Limits",
    "MemoryTrustStore",
    "MimeError",
    "NoMatchingKey",
    "NotSigned",
    "Opened",
    "PasswordRecipient",
    "Payload",
    "Policy",
    "PolicyError",
    "Protection",
    "Purpose",
    "SharedKeyRecipient",
    "Signer",
    "SmimeError",
    "Status",
    "StoreError",
    "Transfer",
    "Trust",
    "UntrustedSigner",
    "UsageError",
    "VerificationError",
    "WrongSender",
    "__version__",
    "decrypt",
    "encrypt",
    "harvest",
    "harvest_into",
    "load_certificates",
    "open",
    "plan_encryption",
    "reply_headers",
    "sign",
    "verify",
]

__version__ = "0.1.0"

_MODULES = ("aio", "files", "stream")
_HOMES = {
    "Certificate": ("smimekit.certificate", "Certificate"),
    "CertificateError": ("smimekit.errors", "CertificateError"),
    "CertificateRecipient": ("smimekit.keys", "CertificateRecipient"),
    "Chain": ("smimekit.message.signing", "Chain"),
    "CmsError": ("smimekit.errors", "CmsError"),
    "ContentChanged": ("smimekit.errors", "ContentChanged"),
    "Credential": ("smimekit.keys", "Credential"),
    "DecryptionError": ("smimekit.errors", "DecryptionError"),
    "EncryptionPlan": ("smimekit.message.plan", "EncryptionPlan"),
    "FetchError": ("smimekit.errors", "FetchError"),
    "GatewayError": ("smimekit.errors", "GatewayError"),
    "Harvest": ("smimekit.harvesting", "Harvest"),
    "HarvestReport": ("smimekit.harvesting", "HarvestReport"),
    "HeaderProtection": ("smimekit.mime.protected", "HeaderProtection"),
    "InputError": ("smimekit.errors", "InputError"),
    "InsufficientProtection": ("smimekit.errors", "InsufficientProtection"),
    "KeyAccessError": ("smimekit.errors", "KeyAccessError"),
    "KeyFileError": ("smimekit.errors", "KeyFileError"),
    "KeyRing": ("smimekit.keys", "KeyRing"),
    "LimitExceeded": ("smimekit.errors", "LimitExceeded"),
    "Limits": ("smimekit.limits", "Limits"),
    "MemoryTrustStore": ("smimekit.trust", "MemoryTrustStore"),
    "MimeError": ("smimekit.errors", "MimeError"),
    "NoMatchingKey": ("smimekit.errors", "NoMatchingKey"),
    "NotSigned": ("smimekit.errors", "NotSigned"),
    "Opened": ("smimekit.message.opened", "Opened"),
    "PasswordRecipient": ("smimekit.keys", "PasswordRecipient"),
    "Payload": ("smimekit.message.opened", "Payload"),
    "Policy": ("smimekit.policy", "Policy"),
    "PolicyError": ("smimekit.errors", "PolicyError"),
    "Protection": ("smimekit.message.layers", "Protection"),
    "Purpose": ("smimekit.trust", "Purpose"),
    "SharedKeyRecipient": ("smimekit.keys", "SharedKeyRecipient"),
    "Signer": ("smimekit.message.signing", "Signer"),
    "SmimeError": ("smimekit.errors", "SmimeError"),
    "Status": ("smimekit.trust", "Status"),
    "StoreError": ("smimekit.errors", "StoreError"),
    "Transfer": ("smimekit.mime.transfer", "Transfer"),
    "Trust": ("smimekit.trust", "Trust"),
    "UntrustedSigner": ("smimekit.errors", "UntrustedSigner"),
    "UsageError": ("smimekit.errors", "UsageError"),
    "VerificationError": ("smimekit.errors", "VerificationError"),
    "WrongSender": ("smimekit.errors", "WrongSender"),
    "decrypt": ("smimekit.message.verbs", "decrypt"),
    "encrypt": ("smimekit.message.send", "encrypt"),
    "harvest": ("smimekit.harvesting", "harvest"),
    "harvest_into": ("smimekit.harvesting", "harvest_into"),
    "load_certificates": ("smimekit.message.bundle", "load_certificates"),
    "open": ("smimekit.message.receive", "open_message"),
    "plan_encryption": ("smimekit.message.plan", "plan_encryption"),
    "reply_headers": ("smimekit.message.reply", "reply_headers"),
    "sign": ("smimekit.message.send", "sign"),
    "verify": ("smimekit.message.verbs", "verify"),
}


def __getattr__(name: str) -> object:
    """A public name, from the module that defines it (PEP 562); or a module of verbs."""
    if name in _MODULES:
        return import_module(f"smimekit.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'smimekit' has no attribute {name!r}")
    module, original = _HOMES[name]
    value: object = getattr(import_module(module), original)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
