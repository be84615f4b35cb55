"""Private keys and the certificates that go with them. Knows no message and no trust."""

from smimekit.keys.credential import Credential
from smimekit.keys.folder import (
    KeyFolder,
    PasswordSource,
    password_from_environment,
    password_from_file,
)
from smimekit.keys.master import MasterKeys
from smimekit.keys.pkcs12 import Pkcs12Format
from smimekit.keys.protocols import CertificateRecipient, Decryptor, Recipient
from smimekit.keys.ring import KeyRing, KeySource
from smimekit.keys.shared import PasswordRecipient, SharedKeyRecipient
from smimekit.keys.software import KeyCheck, SoftwareKey, load_private_key

__all__ = [
    "CertificateRecipient",
    "Credential",
    "Decryptor",
    "KeyCheck",
    "KeyFolder",
    "KeyRing",
    "KeySource",
    "MasterKeys",
    "PasswordRecipient",
    "PasswordSource",
    "Pkcs12Format",
    "Recipient",
    "SharedKeyRecipient",
    "SoftwareKey",
    "load_private_key",
    "password_from_environment",
    "password_from_file",
]
