"""S/MIME for Python. This file holds the public names and nothing else."""

from smimekit.certificate import Certificate, load_certificates
from smimekit.errors import (
    CertificateError,
    CmsError,
    ContentChanged,
    DecryptionError,
    InputError,
    InsufficientProtection,
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
from smimekit.harvest import Harvest, harvest
from smimekit.keys import CertificateRecipient, Credential
from smimekit.limits import Limits
from smimekit.message.layers import Protection
from smimekit.message.opened import Opened, Payload
from smimekit.message.receive import open_message as open  # noqa: A004 - the verb of the house
from smimekit.message.send import Chain, encrypt, sign
from smimekit.message.verbs import decrypt, verify
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
    "Harvest",
    "InputError",
    "InsufficientProtection",
    "KeyFileError",
    "LimitExceeded",
    "Limits",
    "MemoryTrustStore",
    "MimeError",
    "NoMatchingKey",
    "NotSigned",
    "Opened",
    "Payload",
    "Policy",
    "PolicyError",
    "Protection",
    "Purpose",
    "SmimeError",
    "Status",
    "StoreError",
    "Trust",
    "UntrustedSigner",
    "UsageError",
    "VerificationError",
    "WrongSender",
    "__version__",
    "decrypt",
    "encrypt",
    "harvest",
    "load_certificates",
    "open",
    "sign",
    "verify",
]

__version__ = "0.1.0"
