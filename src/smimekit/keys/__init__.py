"""Private keys and the certificates that go with them. Knows no message and no trust."""

from smimekit.keys.credential import Credential
from smimekit.keys.protocols import CertificateRecipient, Decryptor, Recipient
from smimekit.keys.software import SoftwareKey, load_private_key

__all__ = [
    "CertificateRecipient",
    "Credential",
    "Decryptor",
    "Recipient",
    "SoftwareKey",
    "load_private_key",
]
