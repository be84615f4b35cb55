"""Private keys and the certificates that go with them. Knows no message and no trust."""

from smimekit.keys.credential import Credential
from smimekit.keys.pkcs12 import Pkcs12Format
from smimekit.keys.protocols import CertificateRecipient, Decryptor, Recipient
from smimekit.keys.shared import PasswordRecipient, SharedKeyRecipient
from smimekit.keys.software import KeyCheck, SoftwareKey, load_private_key

__all__ = [
    "CertificateRecipient",
    "Credential",
    "Decryptor",
    "KeyCheck",
    "PasswordRecipient",
    "Pkcs12Format",
    "Recipient",
    "SharedKeyRecipient",
    "SoftwareKey",
    "load_private_key",
]
